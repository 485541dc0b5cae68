"""A market without a flaw, flaws to plant in it, and what the check is to say of each."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

import backtester as bt
from backtester.market.check import (
    CheckReport,
    check_panel,
)
from backtester.market.quarantine import Refused

SESSIONS, SYMBOLS = 120, 30
DATES = np.busday_offset(np.datetime64("2020-01-01"), np.arange(SESSIONS))
NAMES = [f"S{k:02}" for k in range(SYMBOLS)]
PRICES = ("open", "high", "low", "close")
T, I = 60, 3  # noqa: E741 - the cell in which most flaws are planted, far from every border
HERE = ("S03", str(DATES[T]))
Bars = dict[str, Any]


def market() -> Bars:
    """Arrays of a market without a flaw: about 1 % a session, opens and closes within highs and lows."""
    random = np.random.default_rng(0)
    shape = (SESSIONS, SYMBOLS)
    close = 50 * np.exp(np.cumsum(0.01 * random.standard_normal(shape), axis=0))
    opened = np.vstack([close[:1], close[:-1]]) * np.exp(0.003 * random.standard_normal(shape))
    high = np.maximum(opened, close) * (1 + 0.002 * random.random(shape))
    low = np.minimum(opened, close) * (1 - 0.002 * random.random(shape))
    volume = np.round(1e5 * np.exp(0.3 * random.standard_normal(shape)))
    return {"open": opened, "high": high, "low": low, "close": close, "volume": volume}


def panel_of(bars: Bars) -> bt.Panel:
    return bt.Panel.from_arrays(**({"dates": DATES, "symbols": NAMES} | bars))


def scaled(bars: Bars, rows: slice, factor: float, columns: tuple[str, ...] = PRICES) -> None:
    """Multiply prices of symbol I."""
    for name in columns:
        bars[name][rows, I] *= factor


def actions(split: float = 1.0, dividend: float = 0.0) -> pd.DataFrame:
    return pd.DataFrame({"date": [DATES[T]], "symbol": ["S03"], "split": [split], "dividend": [dividend]})


def lost(bars: Bars, rows: Any, columns: Any = I) -> None:
    """Make bars unknown."""
    for values in (bars[name] for name in (*PRICES, "volume")):
        values[rows, columns] = np.nan


# One flaw each. A planter changes the arrays, or returns what else the panel or the check is to be given.


def spike_down(b: Bars) -> None:
    scaled(b, slice(T, T + 1), 0.5, ("close", "low"))


def spike_of_the_open(b: Bars) -> None:
    scaled(b, slice(T, T + 1), 1.4, ("open", "high"))


def spike_of_three_sessions(b: Bars) -> None:
    scaled(b, slice(T, T + 3), 3.0)


def split_two(b: Bars) -> None:
    scaled(b, slice(T, None), 1 / 2)
    b["volume"][T:, I] *= 2


def split_reverse(b: Bars) -> None:
    scaled(b, slice(T, None), 10)
    b["volume"][T:, I] /= 10


def seventeenfold(b: Bars) -> None:
    scaled(b, slice(T, None), 17.3)


def spin_off(b: Bars) -> None:
    scaled(b, slice(T, None), 0.55)


def bid(b: Bars) -> None:
    scaled(b, slice(T, None), 2.6)
    b["volume"][T, I] *= 20


def disorder(b: Bars) -> None:
    b["open"][T, :8] *= 0.7
    b["low"][T, :8] *= 0.7


def high_too_low(b: Bars) -> None:
    b["high"][T, I] = 0.99 * max(b["open"][T, I], b["close"][T, I])
    b["low"][T, I] = min(b["low"][T, I], b["high"][T, I])


def high_far(b: Bars) -> None:
    b["high"][T, I] *= 3


def unknown(*columns: str) -> Callable[[Bars], None]:
    def plant(b: Bars) -> None:
        for name in columns:
            b[name][T, I] = np.nan

    return plant


def holiday(b: Bars) -> None:
    lost(b, T, slice(2, None))


def half_a_file(b: Bars) -> None:
    lost(b, T, slice(3, 9))


def long_gap(b: Bars) -> None:
    lost(b, slice(T, T + 5))


def short_gap(b: Bars) -> None:
    lost(b, slice(T, T + 4))


def standing_still(b: Bars) -> None:
    close = b["close"][T, I]
    b["close"][T : T + 11, I] = close
    b["high"][T : T + 11, I] = np.maximum(b["high"][T : T + 11, I], close * 1.01)
    b["low"][T : T + 11, I] = np.minimum(b["low"][T : T + 11, I], close * 0.99)


def filled_in(b: Bars) -> None:
    for name in PRICES:
        b[name][T : T + 6, I] = b["close"][T, I]


def ends(b: Bars, silent: int) -> None:
    lost(b, slice(SESSIONS - silent, None))


def no_end(b: Bars) -> None:
    ends(b, 5)


def quiet_end(b: Bars) -> None:
    ends(b, 4)


def inferred_end(b: Bars) -> Bars:
    ends(b, 5)
    return {"ends": {"S03": DATES[-6]}, "check": {"inferred": ["S03"]}}


def given_end(b: Bars) -> Bars:
    ends(b, 5)
    return {"ends": {"S03": DATES[-6]}, "check": {"inferred": []}}


def late_end(b: Bars) -> Bars:
    ends(b, 10)
    return {"ends": {"S03": DATES[-6]}}


def empty(b: Bars) -> None:
    lost(b, slice(None))


def late_listing(b: Bars) -> None:
    lost(b, slice(0, T))


def member_too_early(b: Bars) -> Bars:
    late_listing(b)
    members = np.ones((SESSIONS, SYMBOLS), dtype=bool)
    members[:5] = False
    return {"members": members}


def never_member(b: Bars) -> Bars:
    members = np.ones((SESSIONS, SYMBOLS), dtype=bool)
    members[:, I] = False
    return {"members": members}


def saturday(b: Bars) -> Bars:
    friday = int(np.flatnonzero(np.is_busday(DATES, weekmask="Fri"))[8])
    dates = DATES.copy()
    dates[friday] += 1
    return {"dates": dates}


def hole(b: Bars) -> Bars:
    return {"dates": np.r_[DATES[:T], DATES[T:] + 12 - (DATES[T] - DATES[T - 1]).astype(int)]}


def no_highs(b: Bars) -> Bars:
    return {"high": None, "low": None}


def copied(symbols: int = SYMBOLS, *, row: int = T, volume: float = 1.0) -> Callable[[Bars], None]:
    """The bars of the first symbols again the session after, their volumes times a number."""

    def plant(b: Bars) -> None:
        for values in b.values():
            values[row, :symbols] = values[row - 1, :symbols]
        b["volume"][row, :symbols] *= volume

    return plant


def twin(first: int = 0, other: int = 0) -> Callable[[Bars], None]:
    """S04 has the bars of S03 from session `first` on, but for another volume in the last `other` sessions."""

    def plant(b: Bars) -> None:
        for values in b.values():
            values[:, 4] = values[:, 3]
            values[:first, 4] = np.nan
        b["volume"][SESSIONS - other :, 4] += 1

    return plant


def without(*columns: str, declared: tuple[str, ...] = ()) -> Callable[[Bars], Bars]:
    def plant(b: Bars) -> Bars:
        for name in columns:
            b[name][:] = np.nan
        return {"check": {"declared": declared}}

    return plant


def no_trade(b: Bars) -> None:
    b["volume"][T, I] = 0


def dividend_without_bar(b: Bars) -> Bars:
    lost(b, T)
    return {"actions": actions(dividend=0.5)}


def exchange(*, without: int | None = None, extra: str | None = None) -> Callable[[Bars], Bars]:
    days = [str(day) for k, day in enumerate(DATES) if k != without] + ([extra] if extra else [])
    return lambda b: {"check": {"exchange": days}}


def aside(table: str, reason: str) -> Callable[[Bars], Bars]:
    row = Refused(table, "a.csv", 7, reason, json.dumps({"Date": HERE[1], "Ticker": "S03", "Open": "x"}))
    return lambda b: {"check": {"quarantine": [row]}}


CASES: dict[str, tuple[Callable[[Bars], Any], dict[str, tuple[Any, ...]]]] = {
    # name: planter, and for each kind that must be reported the first example's symbol, date, column and value
    "a close that spikes": (spike_down, {"bad_tick": (*HERE, "close")}),
    "an open that spikes": (spike_of_the_open, {"bad_tick": (*HERE, "open")}),
    "closes that spike for three sessions": (spike_of_three_sessions, {"bad_tick": (*HERE, "close")}),
    "a split that is not listed": (split_two, {"unadjusted_split": (*HERE, "close")}),
    "a reverse split that is not listed": (split_reverse, {"unadjusted_split": (*HERE, "close")}),
    "a listed split that the price does not show": (
        lambda b: {"actions": actions(split=2.0)},
        {"wrong_split": (*HERE, "split", 2.0)},
    ),
    "a dividend that the price does not show": (
        lambda b: {"actions": actions(dividend=20.0)},
        {"wrong_dividend": (*HERE, "dividend", 20.0)},
    ),
    "a dividend above the price": (
        lambda b: {"actions": actions(dividend=900.0)},
        {"wrong_dividend": (*HERE, "dividend", 900.0)},
    ),
    "seventeenfold": (seventeenfold, {"absurd_return": (*HERE, "close")}),
    "a bid": (bid, {"extreme_return": (*HERE, "close")}),
    "a spin-off": (spin_off, {"unexplained_jump": (*HERE, "close")}),
    "many opens that spike": (disorder, {"wild_session": (None, HERE[1], None, None)}),
    "a high below the close": (high_too_low, {"outside_range": (*HERE, "high")}),
    "a high far above": (high_far, {"far_range": (*HERE, "high")}),
    "no close": (unknown("close"), {"missing_close": (*HERE, "close", None)}),
    "no open": (unknown("open"), {"missing_open": (*HERE, "open", None)}),
    "no volume": (unknown("volume"), {"missing_volume": (*HERE, "volume", None)}),
    "no high": (unknown("high"), {"missing_high_low": (*HERE, "high", None)}),
    "no high and no low": (unknown("high", "low"), {"missing_high_low": (*HERE, "high and low", None)}),
    "a holiday with stray rows": (holiday, {"thin_session": (None, HERE[1], None, None)}),
    "half a file": (
        half_a_file,
        {"patchy_session": (None, HERE[1], None, None), "missing_bars": (*HERE, None, None)},
    ),
    "five sessions missing": (long_gap, {"long_gap": (*HERE, None, None)}),
    "four sessions missing": (short_gap, {"missing_bars": (*HERE, None, None)}),
    "eleven closes the same": (standing_still, {"stale_price": (*HERE, "close")}),
    "six bars of one price": (filled_in, {"stale_price": (*HERE, "close")}),
    "no bar in the last five sessions": (no_end, {"no_end": ("S03", str(DATES[-6]), None, None)}),
    "no bar in the last four sessions": (quiet_end, {"quiet_end": ("S03", str(DATES[-5]), None, None)}),
    "an ending that was inferred": (inferred_end, {"inferred_end": ("S03", str(DATES[-6]), None, None)}),
    "an ending that was given": (given_end, {}),
    "an ending long after the last bar": (late_end, {"late_end": ("S03", str(DATES[-11]), "end", str(DATES[-6]))}),
    "no bar at all": (empty, {"empty_symbol": ("S03", None, None, None)}),
    "listed later": (late_listing, {"late_listing": (*HERE, None, None)}),
    "a member before its first bar": (
        member_too_early,
        {"member_without_bar": ("S03", str(DATES[5]), None, None), "late_listing": (*HERE, None, None)},
    ),
    "never a member": (never_member, {"never_member": ("S03", None, None, None)}),
    "a session on a Saturday": (saturday, {"weekend_session": (None, "2020-02-29", None, None)}),
    "twelve days without a session": (hole, {"session_hole": (None, str(DATES[T - 1] + 12), None, None)}),
    "no highs and lows at all": (no_highs, {"absent_column": (None, None, "high", None)}),
    "no closes at all": (without("close"), {"absent_close": (None, None, "close", None)}),
    "no opens at all": (without("open"), {"absent_open": (None, None, "open", None)}),
    "no volumes at all": (without("volume"), {"absent_volume": (None, None, "volume", None)}),
    "no opens and no volumes, as declared": (
        without("open", "volume", declared=("open", "volume")),
        {"absent_column": (None, None, "open", None)},
    ),
    "a session again": (copied(), {"copied_session": (None, HERE[1], None, None)}),
    "a symbol again": (twin(), {"same_bars": ("S04", str(DATES[1]), None, None)}),
    "a volume of zero": (no_trade, {"zero_volume": (*HERE, "volume", 0.0)}),
    "a dividend on a day without a bar": (
        dividend_without_bar,
        {"action_without_bar": (*HERE, "dividend", 0.5), "missing_bars": (*HERE, None, None)},
    ),
    "the exchange was closed": (exchange(without=T), {"extra_session": (None, HERE[1], None, None)}),
    "the exchange was open": (exchange(extra="2020-03-07"), {"missing_session": (None, "2020-03-07", None, None)}),
    "the exchange agrees": (exchange(), {}),
    "a row that is no number": (aside("bars", "open: not a number"), {"unparsable": (*HERE, "open", "x")}),
    "a row that is not positive": (aside("bars", "open: not positive"), {"not_positive": (*HERE, "open", "x")}),
    "a row again": (aside("bars", "the same row again"), {"repeated_rows": (*HERE, None, None)}),
    "rows that differ": (
        aside("bars", "several rows of the same date and symbol that differ"),
        {"conflicting_rows": (*HERE, None, None)},
    ),
    "a split that is no number": (aside("actions", "split: not a number"), {"unusable_entries": (*HERE, "split")}),
    "a sector twice": (
        aside("sectors", "several sectors of the same symbol"),
        {"unusable_extras": (*HERE, None, None)},
    ),
    "an action of a symbol without bars": (
        aside("actions", "symbol: has no bars"),
        {"entries_without_bars": (*HERE, "symbol", "S03")},
    ),
    "a member without bars": (
        lambda b: {"check": {"unpriced": [("GONE", 7)]}},
        {"unpriced_member": ("GONE", None, None, None)},
    ),
}


def report_of(plant: Callable[[Bars], Any]) -> CheckReport:
    bars = market()
    more = plant(bars) or {}
    options = more.pop("check", {})
    return check_panel(panel_of(bars | more), **options)
