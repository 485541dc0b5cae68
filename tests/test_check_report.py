"""What the check says: order, examples, words, JSON, and the page that lists its kinds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from check_cases import (
    DATES,
    NAMES,
    PRICES,
    Bars,
    lost,
    market,
    no_trade,
    panel_of,
    report_of,
    spike_down,
    spike_of_three_sessions,
    spin_off,
    unknown,
    without,
)

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
from backtester.market.quarantine import Refused


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
