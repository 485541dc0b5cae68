"""The check of a panel: each flaw is found, named with its place, and nothing else is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import backtester as bt
from backtester.market.check import (
    CheckReport,
    Example,
    calendars,
    check_panel,
    collect,
    copies,
    jumps,
    listed,
    moves,
    runs,
    universe,
    words,
)
from backtester.market.check.kinds import KINDS
from backtester.market.check.report import SEVERITIES
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


def test_a_clean_market_has_no_problem() -> None:
    report = check_panel(panel_of(market()), [])
    assert report.problems == ()
    assert (report.sessions, report.symbols, report.bars) == (SESSIONS, SYMBOLS, SESSIONS * SYMBOLS)
    assert "Nothing was found that stands in the way of a backtest." in report.summary()


@pytest.mark.parametrize(
    ("plant", "words"),
    [
        (without("close"), "Mend the errors before a backtest on these data (absent_close 1)"),
        (without("volume"), "No error; look at the warnings"),
        (without("volume", declared=("volume",)), "No error and no warning; the notes say what else there is to know."),
        (without(*PRICES, "volume"), "There is no bar, so there is nothing to backtest."),
    ],
)
def test_the_summary_does_not_call_a_market_good_that_cannot_be_traded(
    plant: Callable[[Bars], Any], words: str
) -> None:
    said = report_of(plant).summary()
    assert words in said
    assert "stands in the way" not in said


def test_volumes_of_zero_throughout_are_none() -> None:
    bars = market()
    bars["volume"][:] = 0
    kinds = {problem.kind for problem in check_panel(panel_of(bars)).problems}
    assert kinds == {"absent_volume", "zero_volume"}


@pytest.mark.parametrize("price", [1e-308, 1e308])
def test_prices_at_the_edge_of_numbers_are_said_quietly(price: float) -> None:
    """Warnings of numpy are errors here; what is found is named, and is JSON."""

    def plant(b: Bars) -> None:
        for name in PRICES:
            b[name][T, I] = price
        b["high"][T + 20, I + 1] = price

    report = report_of(plant)
    tick = report.find("bad_tick")
    assert tick is not None
    assert tick.examples[0][:4] == (*HERE, "close", price)
    assert json.dumps(report.to_json(), allow_nan=False)
    assert report.lines()


@pytest.mark.parametrize(
    ("row", "date"), [(SESSIONS - 1, "2999-01-01"), (SESSIONS - 1, "9999-12-31"), (0, "1799-12-31")]
)
def test_a_date_that_cannot_be_looks_wrong(row: int, date: str) -> None:
    """It does not ask for the days between."""
    bars = market()
    dates = DATES.copy()
    dates[row] = date
    (problem,) = check_panel(panel_of(bars | {"dates": dates}), exchange=None).problems
    assert problem.kind == "session_hole"
    assert problem.examples[0].detail == f"the date {date} looks wrong: before 1800-01-01 or after today"
    assert "correct or remove its rows" in problem.advice


def test_twins_are_pairs_with_the_first_of_them() -> None:
    """Three symbols of the same bars are two pairs, and two others a third."""
    bars = market()
    for values in bars.values():
        values[:, 5] = values[:, 9] = values[:, 2]
        values[:, 7] = values[:, 8]
    (problem,) = check_panel(panel_of(bars)).problems
    assert (problem.kind, problem.count, problem.symbols) == ("same_bars", 3, ("S02", "S05", "S07", "S08", "S09"))
    assert [(one.symbol, one.detail.split()[3]) for one in problem.examples] == [
        ("S05", "S02"), ("S08", "S07"), ("S09", "S02"),
    ]  # fmt: skip


def test_the_short_report_shows_three_examples_and_a_line_a_note() -> None:
    """Errors and warnings with their advice, notes without, and the way to the rest."""

    def plant(b: Bars) -> None:
        spike_down(b)
        b["high"][90, 10:14] *= 3
        b["volume"][80:90, 5] = 0
        lost(b, slice(0, 2), 6)

    report = report_of(plant)
    lines = report.brief("a b/data", 80)
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert {problem.kind for problem in report.problems} == {"bad_tick", "far_range", "zero_volume", "late_listing"}
    assert text.count("What to do:") == 2
    far = text[text.index("far_range: 4 bars of 4 symbols") : text.index("NOTES")]
    assert len(re.findall(r"^    S1\d ", far, re.MULTILINE)) == 3
    assert "    and 1 more" in far
    notes = text[text.index("NOTES") :].split("\n\n")
    assert notes[1].startswith("zero_volume: 10 bars of 1 symbol. A bar with a volume of zero")
    assert "\nlate_listing: 1 symbol. The first bar" in notes[1]
    assert notes[2] == "More of it, and what was not checked: python -m backtester data check 'a b/data'"


def test_the_number_of_kinds_is_told_as_it_is() -> None:
    root = Path(__file__).parent.parent
    for name in ("README.md", "CHANGELOG.md"):
        told = re.findall(r"(\w+) kinds of\s+problem", (root / name).read_text(encoding="utf-8"))
        assert told == [str(len(KINDS))], name


@pytest.mark.parametrize("name", CASES)
def test_a_flaw_is_found_and_nothing_else(name: str) -> None:
    plant, expected = CASES[name]
    report = report_of(plant)
    assert sorted(problem.kind for problem in report.problems) == sorted(expected)
    for kind, place in expected.items():
        problem = report.find(kind)
        assert problem is not None
        assert problem.examples[0][: len(place)] == place
        assert problem.severity == KINDS[kind].severity


def test_every_kind_has_a_case() -> None:
    assert {kind for _, expected in CASES.values() for kind in expected} == set(KINDS)
    assert {kind.severity for kind in KINDS.values()} == set(SEVERITIES)


def ten_closes(b: Bars) -> None:
    """Of eleven that would be the same, the last is not."""
    standing_still(b)
    b["close"][T + 10, I] *= 1.001


def five_flat_bars(b: Bars) -> None:
    for name in PRICES:
        b[name][T : T + 5, I] = b["close"][T, I]


def eleven_days(b: Bars) -> Bars:
    return {"dates": np.r_[DATES[:T], DATES[T:] + 11 - (DATES[T] - DATES[T - 1]).astype(int)]}


def four_missing(b: Bars) -> None:
    lost(b, T, slice(3, 7))


def small_dividend(b: Bars) -> Bars:
    return {"actions": actions(dividend=float(0.09 * b["close"][T - 1, I]))}


def special_dividend(b: Bars) -> Bars:
    """A third of the price, and the price falls by it."""
    paid = float(b["close"][T - 1, I] / 3)
    scaled(b, slice(T, None), 2 / 3)
    return {"actions": actions(dividend=paid)}


def dividend_of_more_than_all(b: Bars) -> Bars:
    """The price falls by 60 % and 110 % of it is paid."""
    paid = float(1.1 * b["close"][T - 1, I])
    scaled(b, slice(T, None), 0.4)
    return {"actions": actions(dividend=paid)}


def half_and_back_in_part(b: Bars) -> None:
    scaled(b, slice(T, None), 0.5)
    scaled(b, slice(T + 1, None), 1.36)


def after_a_long_gap(b: Bars) -> None:
    """35 % lower after 36 sessions, in which a symbol that moves 1 % a session may have come so far."""
    lost(b, slice(T, T + 36))
    scaled(b, slice(T + 36, None), 0.65)


def saturday_that_was_one(b: Bars) -> Bars:
    return saturday(b) | {"check": {"exchange": saturday(b)["dates"]}}


def hole_that_was_one(b: Bars) -> Bars:
    return hole(b) | {"check": {"exchange": hole(b)["dates"]}}


def closes_copied(symbols: int) -> Callable[[Bars], Bars]:
    """A session copied where nothing but closes is known: fewer than nearly all may stand still by themselves."""

    def plant(b: Bars) -> Bars:
        copied(symbols)(b)
        for name in ("open", "high", "low", "volume"):
            b[name][:] = np.nan
        return {"check": {"declared": ("open", "volume")}}

    return plant


def volumes_assumed(symbols: int) -> Callable[[Bars], None]:
    def plant(b: Bars) -> None:
        copied(symbols)(b)
        b["volume"][:] = 1000

    return plant


def plain_spin_off(b: Bars) -> None:
    """Down by 12 %: below what is looked at."""
    scaled(b, slice(T, None), 0.88)


def slow_reversal(b: Bars) -> None:
    """A price that is away for six sessions, on more volume than a jump may have."""
    scaled(b, slice(T, T + 6), 0.7)
    b["volume"][T : T + 7, I] *= 6


@pytest.mark.parametrize(
    ("plant", "kinds"),
    [
        (ten_closes, set()),
        (five_flat_bars, set()),
        (eleven_days, set()),
        (four_missing, {"missing_bars"}),
        (small_dividend, set()),
        (special_dividend, set()),
        (dividend_of_more_than_all, {"wrong_dividend"}),
        (half_and_back_in_part, {"unexplained_jump"}),  # the way back, which lasts
        (after_a_long_gap, {"long_gap"}),
        (saturday_that_was_one, set()),
        (copied(5), {"copied_session"}),  # 5 of 30
        (copied(4), set()),
        (copied(volume=2.0), set()),  # another volume
        (copied(volume=0.0), {"thin_session", "zero_volume"}),
        (closes_copied(27), {"absent_column", "copied_session"}),  # 90 % of 30
        (closes_copied(26), {"absent_column"}),
        (volumes_assumed(27), {"copied_session"}),
        (volumes_assumed(26), set()),
        (twin(other=11), {"same_bars"}),  # 108 of 119 are 90.8 %
        (twin(other=12), set()),  # 107 are 89.9 %
        (twin(first=SESSIONS - 20), {"same_bars", "late_listing"}),
        (twin(first=SESSIONS - 19), {"late_listing"}),
        (hole_that_was_one, set()),
        (plain_spin_off, set()),
        (slow_reversal, set()),
    ],
)
def test_on_this_side_of_a_threshold(plant: Callable[[Bars], Any], kinds: set[str]) -> None:
    assert {problem.kind for problem in report_of(plant).problems} == kinds


@pytest.mark.parametrize(
    ("plant", "words"),
    [
        (split_two, "suggests 2:1, split = 2"),
        (split_reverse, "suggests 1:10, split = 0.1"),
        (spin_off, "price ratio 1.8"),  # 1 / 0.55 = 1.818, times the move of that day
        (spike_of_three_sessions, "3 sessions long"),
        (lambda b: {"actions": actions(split=2.0)}, "the price shows no split"),
        (long_gap, "5 sessions missing"),
        (standing_still, "11 closes the same"),
        (filled_in, "6 closes the same"),
        (copied(20), f"20 of 30 bars are those of {DATES[T - 1]}: S00, S01, S02, S03, S04, ..."),
        (twin(other=10), "the bars of S03 in 109 of 119 sessions that both have"),
        (without("volume"), "no volume above zero in all 3,600 bars"),
    ],
)
def test_the_words_of_an_example(plant: Callable[[Bars], Any], words: str) -> None:
    (problem,) = report_of(plant).problems
    assert words in problem.examples[0].detail


def test_a_split_that_is_listed_is_no_jump() -> None:
    def plant(b: Bars) -> Bars:
        split_two(b)
        return {"actions": actions(split=2.0)}

    assert report_of(plant).problems == ()


def test_a_split_with_a_wrong_ratio_is_one_problem() -> None:
    """Listed 3:1, where the price halves: the price shows 2, and no jump is reported beside it."""

    def plant(b: Bars) -> Bars:
        split_two(b)
        return {"actions": actions(split=3.0)}

    (problem,) = report_of(plant).problems
    assert problem.kind == "wrong_split"
    shown = float(problem.examples[0].detail.split("shows ")[1].split(":")[0])
    assert abs(shown - 2) < 0.1


def test_a_crash_of_all_is_no_bad_tick() -> None:
    """All symbols lose 40 % and have it back the next session."""

    def plant(b: Bars) -> None:
        b["close"][T] *= 0.6
        b["low"][T] *= 0.6

    assert report_of(plant).problems == ()


def test_a_spike_with_much_volume_is_news() -> None:
    """A bid that is withdrawn the next day: plus 30 % at eight times the volume."""

    def plant(b: Bars) -> None:
        scaled(b, slice(T, T + 1), 1.3, ("close", "high"))
        b["volume"][T, I] *= 8

    assert report_of(plant).problems == ()


def test_a_spike_of_a_restless_symbol_is_usual() -> None:
    """A symbol that moves 10 % every session spikes by 25 %: less than 8 standard deviations."""

    def plant(b: Bars) -> None:
        random = np.random.default_rng(1)
        factor = np.exp(np.cumsum(0.1 * random.standard_normal(SESSIONS)))
        for name in PRICES:
            b[name][:, I] *= factor
        scaled(b, slice(T, T + 1), 1.25, ("close", "high"))

    kinds = [problem.kind for problem in report_of(plant).problems]
    assert "bad_tick" not in kinds


def test_a_market_in_which_little_trades_is_not_thin_every_day() -> None:
    """Four of five bars have no volume, and one of ten is missing, every day alike."""
    random = np.random.default_rng(2)
    bars = market()
    bars["volume"][random.random((SESSIONS, SYMBOLS)) < 0.8] = 0
    for name in (*PRICES, "volume"):
        bars[name][np.arange(SESSIONS)[:, None] % 10 == np.arange(SYMBOLS) % 10] = np.nan
    kinds = {problem.kind for problem in check_panel(panel_of(bars)).problems}
    assert kinds == {"zero_volume", "missing_bars", "late_listing", "quiet_end"}


def test_a_market_without_volumes_is_judged_by_its_bars() -> None:
    bars = market()
    holiday(bars)
    bars["volume"][:] = np.nan
    kinds = {problem.kind for problem in check_panel(panel_of(bars)).problems}
    assert kinds == {"thin_session", "absent_volume"}


def test_two_spikes_are_two_and_the_way_between_is_none() -> None:
    def plant(b: Bars) -> None:
        for row in (T, T + 2):
            scaled(b, slice(row, row + 1), 0.1, ("close", "low"))

    (problem,) = report_of(plant).problems
    assert (problem.kind, problem.count) == ("bad_tick", 2)
    assert sorted(example.date or "" for example in problem.examples) == [str(DATES[T]), str(DATES[T + 2])]


def test_the_worst_come_first_then_by_date_and_symbol() -> None:
    def plant(b: Bars) -> None:
        for row, col, factor in ((90, 1, 0.5), (30, 2, 0.5), (30, 7, 0.05), (50, 4, 0.3)):
            b["close"][row, col] = factor * b["close"][row - 1, col]
            b["low"][row, col] = min(b["low"][row, col], b["close"][row, col])

    (problem,) = report_of(plant).problems
    found = [(example.symbol, example.date) for example in problem.examples]
    # The two of one half are told by the cent; they come after the others.
    assert found[:2] == [("S07", str(DATES[30])), ("S04", str(DATES[50]))]
    assert sorted(found[2:]) == [("S01", str(DATES[90])), ("S02", str(DATES[30]))]


def test_equal_sizes_are_ordered_by_date_then_symbol() -> None:
    def plant(b: Bars) -> None:
        for row, col in ((90, 1), (30, 7), (30, 2)):
            b["volume"][row, col] = 0

    (problem,) = report_of(plant).problems
    found = [(example.symbol, example.date) for example in problem.examples]
    assert found == [("S02", str(DATES[30])), ("S07", str(DATES[30])), ("S01", str(DATES[90]))]
    assert problem.symbols == ("S01", "S02", "S07")


def test_examples_are_limited_and_the_count_is_not() -> None:
    bars = market()
    bars["volume"][10:50, :] = 0
    bars["volume"][10:50, ::2] = 1e5
    report = check_panel(panel_of(bars), examples=3)
    problem = report.find("zero_volume")
    assert problem is not None
    assert (problem.count, len(problem.examples), len(problem.symbols)) == (40 * 15, 3, 15)
    assert "    and 597 more" in report.lines()


def test_json_and_back() -> None:
    """A report of many kinds survives JSON, and the JSON holds the counts by severity."""

    def plant(b: Bars) -> Bars:
        spike_down(b)
        no_trade(b)
        lost(b, slice(100, 108), 9)
        return {"check": {"quarantine": [Refused("bars", "a.csv", 7, "open: not a number", "{}")]}}

    report = report_of(plant)
    text = json.dumps(report.to_json(), allow_nan=False)
    assert CheckReport.from_json(json.loads(text)) == report
    assert json.loads(text)["counts"] == {"error": 1, "warning": 2, "note": 1}
    assert text == json.dumps(report_of(plant).to_json())


def test_the_lines_say_what_to_do() -> None:
    """Errors come before warnings before notes; each kind has its explanation, examples and advice."""

    def plant(b: Bars) -> None:
        spike_down(b)
        no_trade(b)
        lost(b, slice(100, 108), 9)

    report = report_of(plant)
    lines = report.lines(80)
    assert max(map(len, lines)) <= 80
    heads = [line.split(":")[0] for line in lines if line.split(":")[0] in (*KINDS, "ERRORS", "WARNINGS", "NOTES")]
    assert heads == ["ERRORS", "bad_tick", "WARNINGS", "long_gap", "NOTES", "zero_volume"]
    text = " ".join(" ".join(lines).split())
    for problem in report.problems:
        assert problem.explanation in text
        assert f"What to do: {problem.advice}" in text
    assert "1 kind of error, 1 kind of warning and 1 kind of note found" in text
    assert text.count("Not checked:") == 3


def test_what_was_not_checked_is_not_claimed() -> None:
    panel = panel_of(market())
    without, whole = check_panel(panel), check_panel(panel, [], DATES, unpriced=[])
    assert "repeated_rows" not in without.checked
    assert "missing_session" not in without.checked
    assert whole.checked == tuple(KINDS)
    assert whole.skipped == ()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_synthetic_market_is_clean(seed: int) -> None:
    """Fat tails, regimes, listings, endings, splits and dividends are no errors and no warnings."""
    report = check_panel(bt.synthetic(200, 756, seed).panel, [])
    assert [(problem.kind, problem.examples) for problem in report.problems if problem.severity != "note"] == []


@pytest.mark.parametrize(("sessions", "symbols"), [(0, 2), (1, 1), (2, 1), (30, 1)])
def test_small_panels(sessions: int, symbols: int) -> None:
    close = np.full((sessions, symbols), 10.0) * np.linspace(1, 1.1, max(sessions, 1))[:sessions, None]
    bars = dict.fromkeys(PRICES, close)
    panel = bt.Panel.from_arrays(DATES[:sessions], NAMES[:symbols], **bars, volume=np.full(close.shape, 100.0))
    report = check_panel(panel, [])
    assert (report.count("error"), report.sessions) == (0, sessions)
    assert report.lines()


def test_batches_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does dropping all but the worst places early: a spike's way back may lie in the next batch."""

    def plant(b: Bars) -> None:
        spike_of_three_sessions(b)
        spin_off(b)
        b["volume"][::7, 9] = 0
        b["open"][20:80:10, 5] *= 1.5
        b["high"][20:80:10, 5] *= 1.5

    whole = report_of(plant)
    assert {problem.kind for problem in whole.problems} >= {"bad_tick", "zero_volume"}
    monkeypatch.setattr(moves, "_BATCH", 0)
    monkeypatch.setattr(moves, "_CHUNK", 1)
    monkeypatch.setattr(collect, "_HELD", 1)
    assert report_of(plant) == whole


def test_progress_is_told_in_equal_steps() -> None:
    told: list[tuple[str, int, int]] = []
    check_panel(panel_of(market()), progress=lambda *step: told.append(step))
    assert told == [("checking", k, 4) for k in range(5)]


def test_an_example_without_a_value_is_none() -> None:
    (problem,) = report_of(unknown("open")).problems
    assert isinstance(problem.examples[0], Example)
    assert problem.examples[0].value is None
    assert problem.examples[0].detail.startswith("unknown; close ")


def test_the_page_names_every_kind_with_its_severity() -> None:
    page = (Path(__file__).parent.parent / "docs/checks.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+) \|$", page, re.MULTILINE)
    assert [(kind, severity) for kind, severity, _ in rows] == [(kind, what.severity) for kind, what in KINDS.items()]
    said = {kind: text for kind, _, text in rows}
    logs = float(np.exp(jumps.SPIKE_SURE))
    assert logs == pytest.approx(4)  # "fourfold"
    for kind, numbers in {
        "bad_tick": (
            moves.LOOK,
            jumps.SPIKE_SIGMAS,
            jumps.SPIKE_SPREADS,
            100 * jumps.SPIKE_LEFT,
            jumps.SPIKE_SESSIONS,
            jumps.QUIET,
        ),
        "unadjusted_split": (
            *jumps.NEAT[1:],
            jumps.NEAT_SIGMAS,
            100 * jumps.NEAT_LEAST,
            100 * jumps.NEAT_MOST,
            100 * jumps.NEAT_SHARE,
            jumps.REVERSE_MONEY,
        ),
        "wrong_split": (listed.SPLIT_SIGMAS, 100 * listed.SPLIT_LEFT),
        "wrong_dividend": (100 * listed.LARGE_DIVIDEND, listed.DIVIDEND_SIGMAS),
        "extreme_return": (100 * (jumps.EXTREME_UP - 1), 100 * (jumps.EXTREME_DOWN - 1)),
        "unexplained_jump": (
            jumps.JUMP,
            jumps.JUMP_SIGMAS,
            jumps.JUMP_SPREADS,
            100 * jumps.JUMP_DAYTIME,
            jumps.QUIET_DOWN,
            jumps.QUIET_UP,
        ),
        "wild_session": (jumps.WILD_SYMBOLS, 100 * jumps.WILD),
        "copied_session": (100 * copies.COPIED, copies.COPIED_SYMBOLS, 100 * copies.COPIED_SURE),
        "same_bars": (100 * copies.TWIN, copies.TWIN_SESSIONS),
        "thin_session": (100 * runs.THIN, runs.ENOUGH_SYMBOLS),
        "patchy_session": (100 * runs.PATCHY, runs.PATCHY_SYMBOLS),
        "long_gap": (runs.LONG_GAP,),
        "stale_price": (runs.STALE_CLOSES, runs.STALE_FLAT),
        "no_end": (universe.SILENT,),
        "weekend_session": (100 * calendars.ODD_WEEKENDS,),
        "session_hole": (calendars.HOLE_DAYS, words.FIRST_DATE.astype("datetime64[Y]").astype(int) + 1970),
    }.items():
        shown = re.findall(r"-?\d+(?:\.\d+)?", said[kind])
        assert {f"{number:g}" for number in numbers} <= set(shown), kind
