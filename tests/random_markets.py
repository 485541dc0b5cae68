"""Random markets, settings and strategies for the agreement of the two engines.

Hypothesis draws the sizes, the settings and a seed, so that they shrink; NumPy fills the arrays from the seed, so that
a case costs milliseconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
from hypothesis import strategies as st
from plain import Market, Rates, Settings

SPLITS = (2.0, 3.0, 1.5, 0.5, 0.25, 0.1, 1 / 3)
DELISTING_RETURNS = (0.0, -0.3, -1.0, 0.25)


@dataclass(frozen=True, repr=False)  # Hypothesis tells how to make it again; written out it is many pages long
class Case:
    """A market, settings, and what each method that the strategy has returns at each session."""

    market: Market
    settings: Settings
    scripts: dict[str, dict[int, Any]]


@dataclass(frozen=True)
class Shape:
    """How rough a market is."""

    sessions: int
    symbols: int
    extreme_prices: bool
    missing: float  # share of bar values that are unknown
    acting: float  # share of symbol-sessions with a corporate action
    ending: float  # share of symbols that end
    members: bool
    sectors: bool
    scores: bool
    unscored: float  # share of scores that are unknown


@dataclass(frozen=True)
class Tables:
    """Which settings differ by symbol and session."""

    slippage: bool
    borrow: bool
    not_shortable: float  # how often a symbol has one of up to four spans


def maybe(*values: Any) -> st.SearchStrategy[Any]:
    """Off, mostly, or one of the values."""
    return st.sampled_from([None, None, *values])


def seldom(*values: Any) -> st.SearchStrategy[Any]:
    """Off, and more often so than ``maybe``: many breakers at once would leave little else to see."""
    return st.sampled_from([None] * 2 * len(values) + [*values])


SETTINGS = st.builds(
    Settings,
    cash=st.sampled_from([1e5, 1e7, 1e3]),
    commission_bps=st.sampled_from([0.0, 1.0, 30.0]),
    commission_per_share=st.sampled_from([0.0, 0.0, 0.005, 1.0]),
    commission_min=st.sampled_from([0.0, 0.0, 1.0, 25.0]),
    commission_max_bps=maybe(2.0, 100.0),
    slippage_bps=st.sampled_from([0.0, 5.0, 100.0]),
    impact=st.sampled_from([0.0, 0.0, 0.0, 0.3, 3.0]),
    borrow_rate=st.sampled_from([0.0, 0.005, 0.5]),
    credit_rate=st.sampled_from([0.0, 0.02, -0.01]),
    debit_rate=st.sampled_from([0.0, 0.05]),
    fill=st.sampled_from(["open", "close", "same_close"]),
    size_at=st.sampled_from(["decision", "fill"]),
    lot=st.sampled_from([1.0, 0.0, 100.0, 0.001]),
    volume_cap=maybe(0.01, 0.1, 1.0),
    cap_on=st.sampled_from(["average", "session"]),
    max_weight=maybe(0.05, 0.3),
    max_sector=maybe(0.2, 0.7),
    max_gross=maybe(0.5, 1.0, 2.0),
    max_net=maybe(0.0, 0.1, 0.5),
    target_volatility=maybe(0.02, 0.3),
    no_trade_band=maybe(0.0103, 0.0971),
    max_turnover=maybe(0.1, 0.6),
    max_daily_loss=seldom(0.01, 0.05, 0.3),
    max_drawdown=seldom(0.05, 0.3),
    cooldown=maybe(1, 2, 5),
    max_period_loss=seldom(0.02, 0.1, 0.3),
    period=st.sampled_from([1, 3, 5, 10]),
    guard_gross=seldom(0.3, 0.8, 2.0),
    guard_net=seldom(0.03, 0.2, 1.0),
    min_fresh=seldom(0.5, 0.9, 1.0),
    max_unscored=seldom(0.0, 0.3, 0.6),
    guard_equal_scores=st.sampled_from([False, False, True]),
    guard_action=st.sampled_from(["reduce", "reduce", "halt"]),
    warmup=st.sampled_from([1, 1, 1, 2, 7]),
    every=st.sampled_from([1, 1, 1, 2, 3]),
)

SHAPES = st.builds(
    Shape,
    sessions=st.one_of(st.integers(2, 40), st.integers(20, 80)),
    symbols=st.integers(1, 8),
    extreme_prices=st.booleans(),
    missing=st.sampled_from([0.0, 0.03, 0.2]),
    acting=st.sampled_from([0.0, 0.02, 0.1]),
    ending=st.sampled_from([0.0, 0.3]),
    members=st.booleans(),
    sectors=st.booleans(),
    scores=st.booleans(),
    unscored=st.sampled_from([0.0, 0.1, 0.5]),
)

TABLES = st.builds(
    Tables,
    slippage=st.sampled_from([False, False, True]),
    borrow=st.sampled_from([False, False, True]),
    not_shortable=st.sampled_from([0.0, 0.2, 0.8]),
)

CASES = st.builds(
    lambda seed, shape, settings, tables, styles, leverage, listens: make_case(
        np.random.default_rng(seed), shape, settings, tables, styles, leverage, listens
    ),
    seed=st.integers(0, 2**32 - 1),
    shape=SHAPES,
    settings=SETTINGS,
    tables=TABLES,
    styles=st.lists(st.sampled_from(["ranked", "full", "named", "orders"]), min_size=1, max_size=4, unique=True),
    leverage=st.sampled_from([0.5, 1.0, 3.0]),
    listens=st.sampled_from([(), ("on_fill",), ("on_halt",), ("on_fill", "on_halt")]),
)


def make_case(
    rng: np.random.Generator,
    shape: Shape,
    settings: Settings,
    tables: Tables,
    styles: list[str],
    leverage: float,
    listens: tuple[str, ...],
) -> Case:
    """A case from a generator."""
    market = make_market(rng, shape, settings.cash)
    settings = replace(
        settings,
        warmup=min(settings.warmup, shape.sessions),
        slippage_bps=make_rates(rng, market, settings, 150.0) if tables.slippage else settings.slippage_bps,
        borrow_rate=make_rates(rng, market, settings, 0.5) if tables.borrow else settings.borrow_rate,
        not_shortable=make_spans(rng, market, tables.not_shortable),
    )

    def script(often: float) -> dict[int, Any]:
        asked = np.flatnonzero(rng.random(shape.sessions) < often)
        return {int(t): answer(rng, str(rng.choice(styles)), int(t), market, settings, leverage) for t in asked}

    often = float(rng.choice([0.2, 0.6, 1.0]))
    scripts = {"decide": script(often)} | {method: script(0.3) for method in listens}
    if "on_halt" in scripts:
        scripts["on_halt"] |= {t: [("rearm",)] for t in range(shape.sessions) if rng.random() < 0.5}
    return Case(market, settings, scripts)


def make_market(rng: np.random.Generator, shape: Shape, cash: float) -> Market:
    sessions, symbols = shape.sessions, [f"{chr(65 + i)}{rng.integers(10)}" for i in range(shape.symbols)]
    gaps = rng.choice([1, 1, 1, 1, 3, 4, 11], size=sessions)
    dates = [date(2020, 1, 1) + timedelta(int(day)) for day in np.cumsum(gaps)]
    actions = make_actions(rng, shape, symbols, dates)
    columns: dict[str, dict[str, list[float]]] = {"open": {}, "close": {}, "volume": {}}
    ends = {}
    for symbol in symbols:
        start = 10 ** rng.uniform(-4, 5) if shape.extreme_prices else rng.uniform(5, 500)
        moves = rng.normal(0, rng.choice([0.005, 0.03]), size=(sessions, 2))
        moves[rng.random(sessions) < 0.02, 0] += rng.choice([-1.0, 0.7])
        for day, name, ratio, _ in actions:
            session = sum(day > other for other in dates)
            if name == symbol and session < sessions and rng.random() < 0.9:  # prices mostly follow the split
                moves[session, 0] -= math.log(ratio)
        path = start * np.exp(np.cumsum(moves.sum(axis=1)))
        bars = {"open": path * np.exp(-moves[:, 1]), "close": path}
        turnover = cash * 10 ** rng.uniform(-2, 1.5) * rng.lognormal(0, 0.7, size=sessions)
        bars["volume"] = np.ceil(turnover / path) if rng.random() < 0.5 else turnover / path
        bars["volume"][rng.random(sessions) < shape.missing / 2] = 0.0
        for values in bars.values():
            values[rng.random(sessions) < shape.missing] = math.nan
        gone = rng.random(sessions) < shape.missing
        if rng.random() < 0.2:
            gone[: rng.integers(sessions)] = True  # listed late
        if rng.random() < shape.ending:
            last = int(rng.integers(sessions))
            gone[last + 1 :] = True
            ends[symbol] = (dates[last] + timedelta(int(rng.choice([0, 0, 2]))), float(rng.choice(DELISTING_RETURNS)))
        for name, values in bars.items():
            values[gone] = math.nan
            columns[name][symbol] = values.tolist()
        if symbol in ends:
            actions = [
                action for action in actions if action[1] != symbol or action[0] <= ends[symbol][0] + timedelta(1)
            ]
            for name in columns:
                after = [day > ends[symbol][0] for day in dates]
                columns[name][symbol] = [
                    math.nan if a else v for a, v in zip(after, columns[name][symbol], strict=True)
                ]
    members = {symbol: (rng.random(sessions) < 0.9).tolist() for symbol in symbols} if shape.members else None
    sectors = {symbol: str(rng.choice(["x", "y", ""])) for symbol in symbols} if shape.sectors else {}
    scores = make_scores(rng, shape, symbols) if shape.scores else None
    return Market(dates, **columns, actions=actions, ends=ends, members=members, sectors=sectors, scores=scores)


def make_scores(rng: np.random.Generator, shape: Shape, symbols: list[str]) -> dict[str, list[float]]:
    """Scores that begin late, with holes, sessions without any and sessions of one score alone."""
    scores = rng.normal(size=(shape.sessions, len(symbols)))
    scores[rng.random(shape.sessions) < 0.05] = 0.5
    scores[rng.random(scores.shape) < shape.unscored] = math.nan
    scores[rng.random(shape.sessions) < 0.02] = math.nan
    scores[: rng.choice([0, 0, 5])] = math.nan
    return dict(zip(symbols, scores.T.tolist(), strict=True))


def some_day(rng: np.random.Generator, market: Market) -> date:
    """Near a session, now and then before the first or after the last."""
    return market.dates[rng.integers(len(market.dates))] + timedelta(int(rng.choice([-2, 0, 0, 1])))


def make_rates(rng: np.random.Generator, market: Market, settings: Settings, most: float) -> Rates:
    """Rates with everything that they may have."""

    def rate() -> float:
        return float(rng.choice([0.0, most * rng.random()]))

    table = []
    for symbol in market.symbols:
        if rng.random() < 0.4:
            days = {some_day(rng, market) for _ in range(rng.integers(1, 4))}
            table += [(symbol, day, math.nan if rng.random() < 0.2 else rate()) for day in days]
        if rng.random() < 0.2:
            table.append((symbol, None, rate()))
    tiers = [
        (rate(), settings.cash * float(rng.choice([0.0, 0.1, 1.0, 10.0])), float(rng.choice([0.0, 5.0, 100.0])))
        for _ in range(rng.integers(3))
    ]
    named = {symbol: rate() for symbol in market.symbols if rng.random() < 0.3}
    return Rates(rate(), named, tuple(table), tuple(tiers))


def make_spans(rng: np.random.Generator, market: Market, often: float) -> tuple[tuple[str, Any, Any], ...]:
    """Spans in which symbols are not shortable, overlapping now and then."""
    spans = []
    for symbol in [symbol for symbol in market.symbols for _ in range(4) if rng.random() < often]:
        start = some_day(rng, market)
        end = start + timedelta(int(rng.choice([1, 3, 10, 40])))
        spans.append((symbol, start if rng.random() < 0.9 else None, end if rng.random() < 0.9 else None))
    return tuple(spans)


def make_actions(
    rng: np.random.Generator, shape: Shape, symbols: list[str], dates: list[date]
) -> list[tuple[date, str, float, float]]:
    """Splits and dividends, now and then on a day without a session."""
    actions: dict[tuple[date, str], tuple[float, float]] = {}
    for symbol in symbols:
        for t in np.flatnonzero(rng.random(shape.sessions) < shape.acting):
            day = dates[int(t)] + timedelta(int(rng.choice([0, 0, 0, 1, 2])))
            split = float(rng.choice(SPLITS)) if rng.random() < 0.6 else 1.0
            actions[day, symbol] = (split, float(10 ** rng.uniform(-5, 1)) if rng.random() < 0.6 or split == 1 else 0.0)
    return [(day, symbol, *values) for (day, symbol), values in sorted(actions.items())]


def answer(rng: np.random.Generator, style: str, t: int, market: Market, settings: Settings, leverage: float) -> Any:
    """What the strategy returns at a session."""
    symbols = market.symbols
    if style == "orders":
        return [instruction(rng, t, market, settings) for _ in range(rng.integers(1, 5))]
    if style == "named":
        chosen = rng.permutation(symbols)[: rng.integers(1, len(symbols) + 1)]
        return ("named", {str(name): weight(rng, leverage) for name in chosen})
    if style == "full":
        return {name: weight(rng, leverage) for name in symbols}
    side = max(1, len(symbols) // 3)
    ranked = [str(name) for name in rng.permutation(symbols)]
    return dict.fromkeys(ranked[:side], leverage / 2 / side) | dict.fromkeys(ranked[side:][:side], -leverage / 2 / side)


def weight(rng: np.random.Generator, leverage: float) -> float:
    kind = rng.random()
    return (
        0.0
        if kind < 0.15
        else float(rng.choice([-0.5, 0.1, 0.25]))
        if kind < 0.3
        else float(rng.normal(0, leverage / 3))
    )


def instruction(rng: np.random.Generator, t: int, market: Market, settings: Settings) -> tuple[Any, ...]:
    symbol, kind = str(rng.choice(market.symbols)), rng.random()
    if kind < 0.1:
        return ("rearm",)
    if kind < 0.25:
        return ("cancel", symbol)
    price = market.close[symbol][t]
    shares = float(rng.normal(0, rng.choice([0.02, 0.3]))) * settings.cash / (price if math.isfinite(price) else 100.0)
    at = [None, "open", "close"][rng.integers(3)]
    return ("order", symbol, float(round(shares)) or 1.0 if rng.random() < 0.5 else shares, at)
