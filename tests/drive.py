"""One plain case, two engines: the adapters that the goldens and the random markets share.

A case is a ``Market``, ``Settings`` and what the strategy's methods return at each session, in the plain form that
``reference.Engine.run`` describes. Both adapters give a :class:`Record`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from plain import Market, Rates, Settings
from reference import Engine

import backtester as bt

Ask = Callable[[int, Any], Any]

COSTS = (
    "commission_bps", "commission_per_share", "commission_min", "commission_max_bps", "slippage_bps", "impact",
    "borrow_rate", "credit_rate", "debit_rate", "not_shortable",
)  # fmt: skip
LIMITS = ("max_weight", "max_sector", "max_gross", "max_net", "target_volatility", "no_trade_band", "max_turnover")
BREAKERS = (
    "max_daily_loss", "max_drawdown", "max_period_loss", "period", "cooldown",
    "guard_gross", "guard_net", "min_fresh", "max_unscored", "guard_equal_scores", "guard_action",
)  # fmt: skip
STATUSES = ("active", "reducing", "halted")  # by the number that the ledger has
EXECUTION = ("fill", "size_at", "lot", "volume_cap", "cap_on")


@dataclass(frozen=True)
class Record:
    """What a run left behind, in plain lists."""

    fills: list[tuple[Any, ...]]  # session, symbol, shares, price, commission, slippage, origin, moment
    events: list[tuple[Any, ...]]  # session, name, item, before, after, amount
    ledger: list[dict[str, float]]
    shares: dict[str, float]
    average_cost: dict[str, float]  # as the last decision saw it
    resting: list[tuple[Any, ...]]  # symbol, shares (NaN: waits to be sized), moment, origin
    orders: list[tuple[Any, ...]]  # session, symbol, origin, shares, filled, status: of every order that was sized

    @property
    def equity(self) -> list[float]:
        """Of every session."""
        return [row["equity"] for row in self.ledger]


def by_session(scripts: dict[str, dict[int, Any]]) -> dict[str, Ask]:
    """Callables of scripts: by method, what it returns at each session."""
    return {method: lambda t, book, script=script: script.get(t) for method, script in scripts.items()}  # type: ignore[misc]


def run_reference(market: Market, settings: Settings, scripts: dict[str, dict[int, Any]]) -> Record:
    """The slow engine."""
    asked = by_session(scripts)
    average_cost: dict[str, float] = {}

    def watched(t: int, book: Engine) -> Any:
        average_cost.update({position.symbol: position.average_cost for position in book.positions.values()})
        return asked["decide"](t, book)

    engine = Engine(market, settings).run(**asked | {"decide": watched})
    return Record(
        fills=engine.fills,
        events=engine.events,
        ledger=engine.ledger,
        shares={position.symbol: position.shares for position in engine.positions.values()},
        average_cost=average_cost,
        resting=[(order.symbol, order.shares, order.moment, order.origin) for order in engine.orders()],
        orders=[(one.since, one.symbol, one.origin, one.ordered, one.filled, one.outcome) for one in engine.known],
    )


class Scripted(bt.Strategy):
    """Returns what callables say."""

    def __init__(self, asked: dict[str, Ask], warmup: int, every: int) -> None:
        self.asked, self.warmup, self.every = asked, warmup, every
        self.average_cost: list[float] = []

    def decide(self, view: Any) -> Any:
        self.average_cost = view.book.average_cost.tolist()
        return self.answer("decide", view)

    def answer(self, method: str, view: Any) -> Any:
        return translate(self.asked[method](view.t, view.book), view.symbols)


def strategy_of(asked: dict[str, Ask], settings: Settings) -> Scripted:
    """A strategy that overrides only the methods asked for: which ones it does decides how the kernel is driven."""
    others = {
        "on_fill": lambda self, fills, view: self.answer("on_fill", view),
        "on_halt": lambda self, halt, view: self.answer("on_halt", view),
    }
    kind = type("Scripted", (Scripted,), {name: method for name, method in others.items() if name in asked})
    return kind(asked, settings.warmup, settings.every)  # type: ignore[no-any-return]


def translate(answer: Any, symbols: tuple[str, ...]) -> Any:
    """A plain answer as a strategy of the package returns it."""
    if isinstance(answer, dict):
        return np.array([answer.get(symbol, 0.0) for symbol in symbols])
    if isinstance(answer, tuple):
        return dict(answer[1])
    kinds = {"order": bt.Order, "cancel": bt.Cancel, "rearm": bt.Rearm}
    return answer and [kinds[kind](*arguments) for kind, *arguments in answer]


def panel_of(market: Market) -> bt.Panel:
    """The market as the package takes it, its columns in reverse: the panel sorts them."""
    symbols = market.symbols[::-1]
    shape = (len(market.dates), len(symbols))

    def array(columns: dict[str, Any]) -> np.ndarray:
        return np.array([columns[symbol] for symbol in symbols]).T.reshape(shape)

    ends = [(symbol, end, paid) for symbol, (end, paid) in market.ends.items()]
    return bt.Panel.from_arrays(
        np.array(market.dates, dtype="datetime64[D]"),
        symbols,
        open=array(market.open),
        high=None,
        low=None,
        close=array(market.close),
        volume=array(market.volume),
        actions=pd.DataFrame(market.actions, columns=["date", "symbol", "split", "dividend"])
        if market.actions
        else None,
        ends=pd.DataFrame(ends, columns=["symbol", "end", "delisting_return"]) if ends else None,
        members=array(market.members) if market.members is not None else None,
        sectors=market.sectors,
    )


def rates_of(rates: float | Rates) -> Any:
    """Rates as the package takes them."""
    if not isinstance(rates, Rates):
        return rates
    return bt.Rates(
        rates.default,
        symbols=rates.symbols or None,
        table=pd.DataFrame(rates.table, columns=["symbol", "date", "rate"]) if rates.table else None,
        tiers=tuple(bt.Tier(rate, min_dollar_volume=money, min_price=price) for rate, money, price in rates.tiers),
    )


def not_shortable_of(spans: tuple[tuple[str, Any, Any], ...]) -> Any:
    """Spans as the package takes them: names where they never begin nor end."""
    if all(start is None and end is None for _, start, end in spans):
        return [symbol for symbol, *_ in spans]
    return pd.DataFrame(spans, columns=["symbol", "start", "end"])


def run_package(market: Market, settings: Settings, scripts: dict[str, dict[int, Any]]) -> Record:
    """The package, through its public interface."""

    def chosen(names: tuple[str, ...]) -> dict[str, Any]:
        return {name: getattr(settings, name) for name in names}

    strategy = strategy_of(by_session(scripts), settings)
    panel, costs = panel_of(market), chosen(COSTS)
    costs |= {name: rates_of(costs[name]) for name in ("slippage_bps", "borrow_rate")}
    costs["not_shortable"] = not_shortable_of(settings.not_shortable)
    scores = market.scores and np.array([market.scores[symbol] for symbol in panel.symbols]).T
    result = bt.run(
        panel,
        strategy,
        scores=scores,
        cash=settings.cash,
        costs=bt.Costs(**costs),
        risk=bt.RiskLimits(**chosen(LIMITS + BREAKERS)),
        execution=bt.Execution(**chosen(EXECUTION)),
    )
    sessions = {pd.Timestamp(day): t for t, day in enumerate(market.dates)}
    events = result.events
    item = events["symbol"].where(events["symbol"].notna(), events["sector"])
    item = item.astype(object).where(item.notna(), None)
    numbers = (events[name] for name in ("before", "after", "amount"))
    ledger = result.ledger
    fills, resting = result.fills, result.resting
    orders, named = result.orders, ("symbol", "origin", "shares", "filled", "status")
    columns = ("symbol", "shares", "price", "commission", "slippage", "reason", "moment")
    return Record(
        fills=list(zip(fills["date"].map(sessions), *(fills[name] for name in columns), strict=True)),
        events=list(zip(events["date"].map(sessions), events["event"], item, *numbers, strict=True)),
        ledger=ledger.assign(status=ledger["status"].map(STATUSES.index)).to_dict("records"),  # type: ignore[arg-type]
        shares=dict(zip(result.symbols, result.positions.iloc[-1], strict=True)),
        average_cost=dict(zip(result.symbols, strategy.average_cost, strict=True)),
        resting=list(zip(resting["symbol"], resting["shares"], resting["at"], resting["origin"], strict=True)),
        orders=list(zip(orders["date"].map(sessions), *(orders[name] for name in named), strict=True)),
    )
