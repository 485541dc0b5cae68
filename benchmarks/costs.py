"""W1 with each cost and each layer on, one at a time: the settings, and the proof that what is on did something.

A cost that never binds is never paid for in time either, so every variant carries a check of its own result. ``check``
raises ``AssertionError`` where nothing bound.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import markets
import numpy as np

import backtester as bt

SECTORS = 10
LAYERS = (
    "target_volatility",
    "max_weight",
    "max_sector",
    "max_gross",
    "max_net",
    "no_trade_band",
    "max_turnover",
)
# The case that the others are compared with.
DEFAULTS = "borrow too: the defaults"
# The case that has a bar: every layer on, each one binding, none of them making it another book (at a turnover cap that
# binds every day, for one, the book is so spread out that there are 2.3 times the fills: the next case).
EVERY_LAYER = "every layer, each binding"


class Case(NamedTuple):
    """One variant of W1."""

    name: str
    bound: Callable[[bt.Result], bool]  # whether what is on did something
    costs: bt.Costs | None = bt.Costs()
    risk: bt.RiskLimits | None = None
    execution: bt.Execution = bt.Execution()
    strategy: dict[str, Any] = {}  # noqa: RUF012 - a NamedTuple's default, never written to


def sectors(market: markets.Market) -> dict[str, str]:
    """Sectors for the symbols of ``market``, in turn."""
    return {symbol: f"sector {i % SECTORS}" for i, symbol in enumerate(market.symbols)}


def check(case: Case, result: bt.Result) -> None:
    """Raise ``AssertionError`` if what ``case`` has on did not act in ``result``."""
    assert case.bound(result), f"{case.name}: it is on, but nothing in the run shows it; the timing would mean nothing"


def _has(*events: str) -> Callable[[bt.Result], bool]:
    return lambda result: set(events) <= set(result.events["event"])


def _paid(column: str, sign: float = 1.0) -> Callable[[bt.Result], bool]:
    return lambda result: bool((sign * result.ledger[column] > 0).any())


def _minimum_charged(result: bt.Result) -> bool:
    fills = result.fills
    rate = markets.COMMISSION_BPS / 1e4
    return bool((fills["commission"] > 1.01 * rate * fills["shares"].abs() * fills["price"]).any())


def _slippage_beyond_bps(result: bt.Result) -> bool:
    fills = result.fills
    flat = markets.SLIPPAGE_BPS / 1e4
    return bool((fills["slippage"] > 1.01 * flat * fills["shares"].abs() * fills["price"]).any())


def _fractions(result: bt.Result) -> bool:
    shares = result.fills["shares"].to_numpy()
    return bool((shares != np.round(shares)).any())


def _always(result: bt.Result) -> bool:
    return len(result.fills) > 0


def cases(work: markets.Work) -> list[Case]:
    """Return the variants for ``work``, the plain one first; thresholds fit a book of ``work.names`` a side."""
    weight = 0.5 / work.names
    limits, costs = bt.RiskLimits, bt.Costs
    waits = _has("waits_volume_cap")
    uneven = (50 / work.names) ** 0.5  # fewer names: more volatile, and less evenly spread over the sectors
    each_layer = limits(
        target_volatility=0.026 * uneven,
        max_weight=0.95 * weight,
        max_sector=0.12 * uneven,
        max_gross=0.9,
        max_net=0.002,
        no_trade_band=0.1 * weight,
        max_turnover=1.7,
    )
    every_layer = limits(
        target_volatility=0.02,
        max_weight=0.9 * weight,
        max_sector=0.08,
        max_gross=0.5,
        max_net=0.0,
        no_trade_band=0.2 * weight,
        max_turnover=0.5,
        max_daily_loss=0.05,
        max_drawdown=0.9,
        cooldown=20,
    )
    return [
        Case("nothing on", _always, costs=None),
        Case("commission and slippage", _always, costs=costs(borrow_rate=0.0, debit_rate=0.0)),
        Case(DEFAULTS, _paid("borrow")),
        Case("credit interest", _paid("interest"), costs=costs(credit_rate=0.02)),
        Case("debit interest", _paid("interest", -1.0), strategy={"gross": 2.5}),
        Case("minimum commission", _minimum_charged, costs=costs(commission_min=5.0)),
        Case("impact", _slippage_beyond_bps, costs=costs(impact=0.1)),
        Case("volume cap, average", waits, execution=bt.Execution(volume_cap=0.002)),
        Case("volume cap, session", waits, execution=bt.Execution(volume_cap=0.002, cap_on="session")),
        Case("fractional shares", _fractions, execution=bt.Execution(lot=0)),
        Case("sized at the fill", _always, execution=bt.Execution(size_at="fill")),
        Case("filled at the close", _always, execution=bt.Execution(fill="close")),
        Case("breakers that trip", _has("halt_drawdown", "rearmed"), risk=limits(max_drawdown=0.01, cooldown=5)),
        Case("volatility target", _has("clipped_target_volatility"), risk=limits(target_volatility=0.02)),
        Case("cap per name", _has("clipped_max_weight"), risk=limits(max_weight=0.9 * weight)),
        Case("cap per sector", _has("clipped_max_sector"), risk=limits(max_sector=0.1)),
        Case("gross", _has("clipped_max_gross"), risk=limits(max_gross=0.9)),
        Case("net", _has("clipped_max_net"), risk=limits(max_net=0.5), strategy={"short": 0}),
        Case("no-trade band", _has("clipped_no_trade_band"), risk=limits(no_trade_band=0.2 * weight)),
        Case("turnover", _has("clipped_max_turnover"), risk=limits(max_turnover=0.5)),
        Case(EVERY_LAYER, _has(*(f"clipped_{layer}" for layer in LAYERS)), risk=each_layer),
        Case(
            "every layer, most of them every day", _has("clipped_max_gross", "clipped_max_turnover"), risk=every_layer
        ),
        Case(
            "every cost and every layer",
            _has("clipped_max_weight", "clipped_max_gross", "clipped_max_turnover", "waits_volume_cap"),
            costs=costs(commission_min=5.0, impact=0.1, credit_rate=0.02),
            risk=every_layer,
            execution=bt.Execution(volume_cap=0.002),
        ),
    ]
