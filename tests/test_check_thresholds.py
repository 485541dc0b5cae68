"""Where the check draws its lines: what is just on this side of them, and what only looks like a flaw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from check_cases import (
    DATES,
    PRICES,
    SESSIONS,
    SYMBOLS,
    Bars,
    I,
    T,
    actions,
    copied,
    filled_in,
    hole,
    holiday,
    long_gap,
    lost,
    market,
    panel_of,
    report_of,
    saturday,
    scaled,
    spike_of_three_sessions,
    spin_off,
    split_reverse,
    split_two,
    standing_still,
    twin,
    without,
)

from backtester.market.check import (
    check_panel,
)


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
