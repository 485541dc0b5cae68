"""The screen of a finished run, and the same as data."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import WIDTHS, long_run, one_line, printed, tripped
from results import empty_result, make_result
from rich.console import Console
from small import DATES, Does

import backtester as bt
from backtester.cli.output import to_plain
from backtester.engine import types as t
from backtester.report import figures as f
from backtester.report import layout, words
from backtester.report.facts import count_events, summarise
from backtester.report.monthly import month_table
from backtester.report.spark import ASCII, BLOCKS, can_show, sparkline
from backtester.report.summary import Summary, print_summary
from backtester.result import Result


def test_a_page_with_everything() -> None:
    text = one_line(printed(make_result()))
    for part in (
        "handmade 2024-01-01 to 2024-01-06, 6 sessions, 3 symbols",
        "1,000 to 1,015",
        "total return +1.50 %",
        "1.98 % 2024-01-02 2024-01-03 2024-01-05",  # 20 of 1,010, from the second to the third day, back on the fifth
        "Returns by month, % Jan Feb",
        "2024 1.5 . .",
        "CAGR",
        "From gross to net",
        "clipped max sector 1, max gross 1",
        "market split 1, settlement 1, order split 1",
        "Halted since 2024-01-05",
        "3 orders rest for the next trading day",
    ):
        assert part in text, part


def test_an_empty_run_has_a_page() -> None:
    text = printed(empty_result())
    assert "no sessions" in text
    for result in (empty_result(), empty_result(1), empty_result(3)):
        assert "nan" not in printed(result).lower()
        assert "Traceback" not in printed(result, 40)


def test_the_page_as_data() -> None:
    data = summarise(make_result())
    assert (data["start"], data["end"], data["symbols"], data["resting"]) == ("2024-01-01", "2024-01-06", 3, 3)
    assert data["events"]["clipped_max_gross"] == 1
    assert "rearmed" not in data["events"]
    assert data["metrics"]["fills"] == 5
    assert data["monthly"] == {"2024": {"1": pytest.approx(0.015), "year": pytest.approx(0.015)}}
    fall = data["drawdowns"][0]
    assert (fall["peak"], fall["trough"], fall["recovered"]) == ("2024-01-02", "2024-01-03", "2024-01-05")
    assert data["drawdowns"][-1]["recovered"] is None
    assert count_events(empty_result()) == {}
    assert sorted(data) == [
        "breakers", "content_hash", "contributors", "data_check", "drawdowns", "end", "events", "flattered_by",
        "halted_since", "leaves_out", "metrics", "monthly", "name", "no_fill", "record_hash", "resting", "sessions",
        "sessions_after_position", "settings", "start", "status", "symbols", "wiped_out", "without_breakers",
    ]  # fmt: skip


@pytest.mark.parametrize("result", [make_result(), empty_result(), empty_result(1), long_run()], ids=str)
def test_the_data_are_json_for_any_reader(result: Result) -> None:
    def strict(word: str) -> float:
        raise AssertionError(word)

    text = json.dumps(to_plain(summarise(result)), allow_nan=False)
    assert json.loads(text, parse_constant=strict)["name"] == result.name


def test_what_json_cannot_hold_is_made_plain() -> None:
    odd = {
        "nan": math.nan,
        "inf": np.inf,
        "numbers": np.array([1.5, np.nan]),
        "whole": np.int64(3),
        "yes": np.bool_(True),
        "day": np.datetime64("2024-01-02"),
        "none": np.datetime64("NaT"),
        "stamp": DATES[0].date(),
        1: ("a", None),
    }
    assert to_plain(odd) == {
        "nan": None, "inf": None, "numbers": [1.5, None], "whole": 3, "yes": True, "day": "2024-01-02", "none": None,
        "stamp": "2020-01-01", "1": ["a", None],
    }  # fmt: skip


def test_a_run_without_a_fill_says_why() -> None:
    def why(**changes: Any) -> str:
        text = one_line(printed(dataclasses.replace(empty_result(3), **changes), width=200))
        assert "no fill: " in text
        return text.split("no fill: ")[1]

    told = make_result().settings
    assert why().startswith("no decision led to an order")
    assert why(settings=told | {"strategy": {"warmup": 9}}).startswith("the warmup takes 9 sessions, and the run has 3")
    nothing = {"scores_file": {"name": "s.parquet", "sha256": "0" * 64, "known": 0}}
    assert why(settings=told | nothing).startswith("no score is known: s.parquet")
    assert why(resting_orders=make_result().resting_orders).startswith("the orders still rest")
    tape = empty_result(3).tape._replace(order_i=make_result().tape.order_i[:1], order_f=np.ones(1))
    assert why(tape=tape).startswith("of 1 order none could be filled")
    assert summarise(make_result())["no_fill"] == summarise(empty_result())["no_fill"] == ""
    assert "no fill" not in printed(make_result())


def test_the_first_position_is_shown() -> None:
    ledger = make_result().tape.ledger.copy()
    ledger[1:, t.L_SHORT] = 10.0
    text = one_line(printed(make_result(tape=make_result().tape._replace(ledger=ledger))))
    assert "first position 2024-01-02, 1 session before it, 5 sessions with a position" in text
    assert "first position" not in printed(make_result())


def test_a_wiped_out_account_is_said() -> None:
    ledger = make_result().tape.ledger.copy()
    ledger[3:, t.L_EQUITY] = [-10.0, -12.0, -12.0]
    result = make_result(tape=make_result().tape._replace(ledger=ledger))
    assert summarise(result)["wiped_out"] == "2024-01-04"
    for width in WIDTHS:
        text = one_line(printed(result, width))
        assert "Wiped out on 2024-01-04" in text
        assert "nan" not in text.lower()
    assert summarise(make_result())["wiped_out"] == ""


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("sessions", [1, 2, 40])
def test_one_symbol_and_few_sessions(sessions: int, width: int) -> None:
    dates = np.arange("2024-01-01", "2024-03-01", dtype="datetime64[D]")[:sessions]
    close = 10.0 + np.arange(sessions)[:, None] / 10.0
    bars = {"open": close, "high": None, "low": None, "close": close, "volume": np.full(close.shape, 1e6)}
    one = bt.Panel.from_arrays(dates, ["ONLY"], **bars)
    text = one_line(printed(bt.run(one, Does(lambda view: {"ONLY": 1.0})), width))
    assert f"{sessions} session{'s' * (sessions > 1)}, 1 symbol" in text
    assert "nan" not in text.lower().split()
    assert ("no fill" in text) == (sessions == 1)


def test_the_benchmark_has_its_part() -> None:
    text = one_line(printed(long_run(benchmark="CC")))
    assert "Against the benchmark CC" in text
    assert "tracking error" in text
    assert "Against the benchmark" not in printed(long_run())


def numbers(text: str) -> set[str]:
    """Every figure in a text."""
    words = text.replace(";", " ").replace(",  ", " ").split()
    return {word.rstrip(".,") for word in words if word[-1:].isdigit() or word.rstrip(".,")[-1:].isdigit()}


@pytest.mark.parametrize("blocks", [True, False])
@pytest.mark.parametrize("result", [make_result(), long_run(benchmark="equal_weight"), empty_result(1)], ids=str)
def test_no_width_cuts_a_figure_off(result: Result, blocks: bool) -> None:
    """Each figure of the widest page is on all others, and no line is longer than the terminal."""
    widest = numbers(" ".join(line.plain for line in Summary(result).lines(200, blocks)))
    assert len(widest) > 10
    for width in WIDTHS:
        lines = Summary(result).lines(width, blocks)
        assert widest <= numbers(" ".join(line.plain for line in lines)), width
        assert layout.lines_width(lines) <= width
        text = printed(result, width)
        assert "…" not in text
        assert max(len(line) for line in text.splitlines()) <= width


def test_a_terminal_without_blocks_gets_plain_characters() -> None:
    plain, file = io.TextIOWrapper(io.BytesIO(), encoding="ascii"), io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    assert not can_show(plain.encoding)
    assert can_show(file.encoding)
    assert can_show("cp437") == can_show(None) == can_show("no such code") is False
    for width in WIDTHS:
        print_summary(long_run(), Console(width=width, file=plain))
    plain.seek(0)
    assert len(plain.read()) > 1000  # not one character that it cannot show


def test_nothing_but_text_goes_into_a_pipe() -> None:
    pipe = io.StringIO()
    print_summary(tripped(halt_daily_loss=(1010.0, 949.4, 0.05)), Console(file=pipe, width=80))
    assert "\x1b" not in pipe.getvalue()
    terminal = io.StringIO()
    print_summary(make_result(), Console(file=terminal, width=80, force_terminal=True, color_system="truecolor"))
    assert "\x1b" in terminal.getvalue()


def test_months_turn_where_the_terminal_is_narrow() -> None:
    years = {str(year): {"1": 0.011, "12": -0.123, "year": 0.5} for year in range(2001, 2031)}
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    wide = [line.plain for line in month_table(years, 100)]
    assert wide[0].split() == [*months, "year"]
    assert wide[1].split() == ["2001", "1.1", *["."] * 10, "-12.3", "50.0"]
    narrow = [line.plain for line in month_table(years, 50)]
    assert max(map(len, narrow)) <= 50
    assert narrow[0].split() == [str(year) for year in range(2001, 2007)]  # 4 for the month, 2 + 5 for each
    assert narrow[1].split() == ["Jan", *["1.1"] * 6]
    assert " ".join(narrow).count("-12.3") == 30
    assert month_table({}, 80) == []


def test_figures_in_words() -> None:
    assert [words.percent(value) for value in (0.12345, -0.00001, math.nan, math.inf, None)] == [
        "12.35 %", "0.00 %", "-", "inf", "-",
    ]  # fmt: skip
    assert words.signed(-0.00001) == "+0.00 %"
    assert words.plain(-1234.5678) == "-1,234.57"
    assert [words.money(value) for value in (1234567.8, 12.5, 12.0, math.nan)] == ["1,234,568", "12.50", "12", "-"]
    assert words.sessions(1) == "1 session"
    assert words.listed({"a": 1.0, "b": None, "c": {"d": 0.5}, "e": [1, 2, 3, 4, 5], "f": True, "g": 10_000}) == (
        "a 1, c (d 0.5), e [1, 2, 3, 4, ... 5 in all], f yes, g 10,000"
    )


def test_hashes_and_classes_in_words() -> None:
    rows = {"rows": 3, "sha256": "0123456789abcdef" * 4}
    told = {"table": rows, "class": "strategies.ranked:Ranked", "like": "my.x:Y"}
    assert words.listed(told) == "table (rows 3, sha256 0123456789ab), class strategies:Ranked, like my.x:Y"
    assert words.short_hash("f" * 63) == "f" * 63  # no SHA-256
    file = {"name": "s.parquet", "sha256": "0123456789abcdef" * 4, "known": 1234}
    for width in WIDTHS:
        text = one_line(printed(make_result(settings={"scores_file": file}), width))
        assert "s.parquet 1,234 scores, SHA-256 0123456789ab" in text
        assert "0123456789abc" not in text


def test_every_figure_has_the_name_that_the_page_gives_it() -> None:
    text = (Path(__file__).parent.parent / "docs/settings.md").read_text(encoding="utf-8")
    figures = "".join(text.split("\n## Figures")[1:3])  # of a run, and against a benchmark
    page = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", figures, re.MULTILINE))
    groups = (f.RETURN_AND_RISK, f.TRADING, f.BOOK, f.HELD, f.BENCHMARK)
    shown = {one.key: one.label for group in groups for one in group}
    shown |= {leg.key: f"{label}, {leg.label}" for label, *legs in f.LEGS for leg in legs}
    shown |= {key: label.strip() for label, key, _ in f.GROSS_TO_NET}
    assert {key: page.get(key) for key in shown} == shown


def test_sparkline() -> None:
    assert sparkline(np.arange(8.0), 8) == BLOCKS
    assert sparkline(np.arange(8.0), 8, ASCII) == ASCII
    assert sparkline(np.array([5.0, 5.0]), 10) == "▁▁"
    assert sparkline(np.zeros(0), 10) == ""
    assert sparkline(np.array([np.nan, 1.0, 2.0]), 10) == "▁▁█"
    assert sparkline(np.full(3, np.nan), 10) == "▁▁▁"
    assert len(sparkline(np.arange(1000.0), 60)) == 60
    assert sparkline(np.arange(1000.0), 60)[-1] == "█"


def test_a_result_of_an_older_record_has_a_page() -> None:
    """Settings that a record does not have are left out."""
    text = one_line(printed(make_result(settings={})))
    assert "handmade" in text
    assert summarise(make_result(settings={}))["flattered_by"]  # no costs, no cap, no limits


def test_stacks_and_grids() -> None:
    pairs = [(f"name {k}", f"{k}.00") for k in range(7)]
    for width in (10, 20, 40, 80):
        lines = layout.grid(pairs, width)
        assert layout.lines_width(lines) <= max(width, 12)
        assert " ".join(line.plain for line in lines).count("name") == 7
    assert layout.grid([], 80) == []
    assert [line.plain for line in layout.paragraph("one two three four", 20, label="why  ")] == [
        "why  one two three", "     four",
    ]  # fmt: skip
    assert layout.stacked([[], []]) == []
