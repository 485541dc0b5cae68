"""``report``, ``compare`` and ``list``, and what all of them print for programs."""

from __future__ import annotations

import io
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import CONFIG, call, only_run, refused
from results import empty_result, make_result
from rich.console import Console

import backtester as bt
from backtester.cli.listing import list_runs, print_runs
from backtester.engine.types import L_EQUITY
from backtester.report import layout
from backtester.report.compare import Comparison, compare, differing
from backtester.report.facts import summarise

pytestmark = pytest.mark.usefixtures("own_folder")


def as_json(*arguments: str) -> Any:
    """What a command prints on standard output, which must be JSON and nothing else."""

    def strict(word: str) -> float:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(call(*arguments, "--json").stdout, parse_constant=strict)


def two_runs() -> list[str]:
    call("run", "small.toml", "--out", "runs/one")
    call("run", "small.toml", "--set", "strategy.long=3", "--set", "costs=off", "--out", "runs/two")
    return ["runs/one", "runs/two"]


def test_a_saved_run_is_reported_as_it_was_printed() -> None:
    printed = call("run", "small.toml").output
    folder = only_run()
    summary, told, page = call("report", str(folder)).output.partition("\nits page is ")
    assert summary in printed
    assert told
    assert Path(page.strip()) == folder / "report.html"


def test_a_run_is_found_by_its_name_and_by_the_beginning_of_it() -> None:
    two_runs()
    whole = call("report", "runs/one").output
    assert call("report", "one").output == call("report", "on").output == call("report", "runs/on").output == whole
    call("run", "small.toml", "--out", "elsewhere/mine")
    assert call("report", "elsewhere/mi").output


def test_run_and_report_for_programs() -> None:
    made = as_json("run", "small.toml", "--out", "runs/one")
    result = bt.Result.load("runs/one")
    assert (made["folder"], made["new"]) == ("runs/one", True)
    assert made["content_hash"] == result.content_hash
    assert made["metrics"]["sharpe"] == result.metrics["sharpe"]
    assert list(made["metrics"]) == list(result.metrics)
    told = as_json("report", "one")
    assert {key: told[key] for key in told if key != "folder"} == {
        key: made[key] for key in made if key not in ("folder", "new")
    }
    assert as_json("run", "small.toml", "--out", "runs/one", "--overwrite")["new"] is False


def test_notes_do_not_get_into_the_json() -> None:
    finished = call("run", "small.toml", "--set", "strategy.class=strategies:Reversal", "--json")
    assert "Note: --set strategy.class" in finished.stderr
    assert json.loads(finished.stdout)["settings"]["strategy"]["class"].endswith("Reversal")


def test_what_is_unknown_is_null() -> None:
    made = as_json("run", "small.toml", "--set", "data.end=2015-01-05")
    assert made["metrics"]["fills"] > 0
    assert made["metrics"]["omega"] is None or isinstance(made["metrics"]["omega"], float)
    assert summarise(empty_result(1))["metrics"]["volatility"] != summarise(empty_result(1))["metrics"]["volatility"]
    assert as_json("run", "small.toml", "--set", "data.end=2015-01-02")["metrics"]["volatility"] is None


def test_list_for_programs() -> None:
    two_runs()
    (Path("runs") / "broken").mkdir()
    (Path("runs") / "broken" / "run.json").write_text("{}")
    rows = {row["run"]: row for row in as_json("list")}
    assert sorted(rows) == ["broken", "one", "two"]
    assert rows["one"]["metrics"]["sharpe"] == bt.Result.load("runs/one").metrics["sharpe"]
    assert rows["one"]["damaged"] == ""
    assert rows["broken"]["metrics"] is None
    assert "cannot be read" in rows["broken"]["damaged"]
    Path("nothing").mkdir()
    assert as_json("list", "nothing") == []


@pytest.mark.parametrize("width", [40, 60, 200])
def test_a_list_fits_its_terminal(width: int) -> None:
    two_runs()
    console = Console(file=io.StringIO(), width=width, record=True)
    print_runs(list_runs(Path("runs")), console)
    text = console.export_text()
    for name in ("one", "two"):
        figures = bt.Result.load(f"runs/{name}").metrics
        assert name in text
        assert f"{figures['sharpe']:.2f}" in text
        assert f"{figures['fills']:,}" in text
    assert "…" not in text


def test_compare_shows_runs_side_by_side() -> None:
    two_runs()
    text = " ".join(call("compare", "one", "two").output.split())
    assert "1 one 2015-01-02 to 2015-05-07, 24 symbols 2 two" in text
    ranked = sorted((bt.Result.load(f"runs/{name}").metrics["total_return"], name) for name in ("one", "two"))
    best = f"{ranked[1][0] * 100:+.2f} % *"
    assert best in text
    assert f"{ranked[0][0] * 100:+.2f} % *" not in text
    assert "costs on off" in text
    assert "strategy.ranking.long 5 3" in text
    assert "costs.slippage_bps" not in text  # the section says it
    assert "Run 2 flattered by: the market is made up; trading and financing are free" in text
    assert "Correlation of returns" in text


def test_compare_for_programs() -> None:
    two_runs()
    told = as_json("compare", "one", "two")
    one, two = bt.Result.load("runs/one"), bt.Result.load("runs/two")
    assert told["runs"] == ["one", "two"]
    assert told["metrics"]["sharpe"] == [one.metrics["sharpe"], two.metrics["sharpe"]]
    assert told["best"]["sharpe"] == [int(two.metrics["sharpe"] > one.metrics["sharpe"])]
    assert told["differing_settings"]["strategy.ranking.long"] == [5, 3]
    assert told["differing_settings"]["costs"] == ["on", "off"]
    assert told["warnings"] == []
    expected = np.corrcoef(one.equity.pct_change()[1:], two.equity.pct_change()[1:])[0, 1]
    assert told["correlations"][0][1] == pytest.approx(expected, abs=0.05)  # the first session is left out there
    assert told["correlations"][0][0] == pytest.approx(1.0, abs=1e-12)
    assert [summary["name"] for summary in told["summaries"]] == ["small", "small"]


def test_runs_that_hardly_compare_are_named() -> None:
    call("run", "small.toml", "--out", "runs/one")
    call("run", "small.toml", "--set", "data.synthetic.seed=4", "--out", "runs/other")
    call("run", "small.toml", "--set", "data.end=2015-03-31", "--out", "runs/short")
    call("run", "small.toml", "--set", "risk.max_drawdown=0.99", "--out", "runs/same")
    warnings = as_json("compare", "one", "other", "short", "same")["warnings"]
    assert len(warnings) == 3
    text = " ".join(call("compare", "one", "other", "short", "same").output.split())
    for warning in ("do not cover the same sessions", "different market data", "the same orders and fills"):
        assert warning in " ".join(warnings)
        assert warning in text


def test_compare_wants_two_runs_that_differ() -> None:
    call("run", "small.toml", "--out", "runs/one")
    assert "one alone cannot be compared" in call("compare", "one", code=2).stderr
    assert "named twice" in refused("compare", "one", "runs/one")


def other_result(**changes: Any) -> bt.Result:
    ledger = make_result().tape.ledger.copy()
    ledger[:, L_EQUITY] = [1000.0, 990.0, 1010.0, 995.0, 980.0, 985.0]  # what the other one gains, it loses
    return make_result(tape=make_result().tape._replace(ledger=ledger), **changes)


def test_the_best_is_by_what_the_figure_means() -> None:
    best = compare([make_result(), other_result()])["best"]
    assert (best["total_return"], best["cagr"]) == ([0], [0])
    assert "turnover" not in best  # more is not better
    out_of_the_market = {"volatility", "downside_deviation", "max_drawdown", "stability", "var_95", "cvar_95"}
    assert not out_of_the_market & set(best)
    assert compare([make_result(), make_result()])["best"] == {}
    found = compare([make_result(), other_result()])["correlations"]
    assert found[0][1] == found[1][0] < -0.9


def test_correlations_are_of_the_sessions_that_both_have() -> None:
    whole, part = make_result(), make_result()
    ledger = part.tape.ledger[2:].copy()
    cut = make_result(
        dates=part.dates[2:],
        tape=empty_result(4).tape._replace(ledger=ledger),
        resting_orders=empty_result().resting_orders,
        cash=1010.0,
    )
    # The returns of the last four sessions are the same: 990 / 1010, 1005 / 990, ...
    assert compare([whole, cut])["correlations"][0][1] == pytest.approx(1.0, abs=1e-12)
    assert math.isnan(compare([whole, empty_result(1)])["correlations"][0][1])
    assert math.isnan(compare([whole, empty_result(3)])["correlations"][0][1])  # never moves


def test_settings_that_differ() -> None:
    one = {
        "costs": {"bps": 1.0, "rates": {"GME": 0.2}},
        "risk": None,
        "strategy": {"class": "a", "days": 5},
        "list": [1],
    }
    two = {"costs": {"bps": 2.0, "rates": {}}, "risk": {"cap": 0.1}, "strategy": {"class": "b"}, "list": [1]}
    assert differing([one, two]) == {
        "costs.bps": [1.0, 2.0],
        "costs.rates.GME": [0.2, None],
        "risk": ["off", "on"],
        "strategy": ["a, days 5", "b"],  # the arguments of one class say nothing about the other
    }
    assert differing([one, one]) == {}


def test_of_other_classes_what_is_the_same_in_all_is_left_out() -> None:
    training = {"epochs": 20, "batch": 8}
    small = {"class": "signals.neural:MLP", "label": "up", "training": training, "hidden": [4]}
    long = small | {"training": training | {"epochs": 30}}
    ridge = {"class": "signals.estimator:Estimator", "label": "up", "training": training}
    assert differing([{"signal": one} for one in (small, long, ridge)]) == {
        "signal": ["signals:MLP, training (epochs 20), hidden [4]", "signals:MLP, training (epochs 30), hidden [4]",
                   "signals:Estimator, training (epochs 20)"]
    }  # fmt: skip
    parts = [{"signal": {"class": "E", "parts": [one, ridge], "names": names}}
             for one, names in ((small, ["a", "b"]), (long, ["a", "c"]))]  # fmt: skip
    assert differing(parts) == {"signal.parts.1.training.epochs": [20, 30], "signal.names": ["a, b", "a, c"]}


def test_settings_of_which_only_some_runs_have_the_section() -> None:
    sha = "0123456789abcdef" * 4
    ridge = {"class": "signals.estimator:Estimator", "estimator": {"class": "Ridge", "alpha": 1.0}, "label": "up"}
    lasso = ridge | {"estimator": {"class": "Lasso", "tol": 0.1, "alpha": 2.0}}
    one = {"scores": {"signal": ridge, "known": 5, "sha256": sha}, "signal_quality": {"rank_ic": 0.1}}
    two = {"scores": {"signal": lasso, "known": 5, "sha256": sha}, "signal_quality": {"rank_ic": 0.2}}
    assert differing([one, two]) == {"scores.signal.estimator": ["Ridge, alpha 1", "Lasso, tol 0.1, alpha 2"]}
    assert differing([one, {}]) == {"scores": ["signals:Estimator", None]}
    rates = {"default": 1.0, "table": {"rows": 3, "sha256": sha}}
    assert differing([{"costs": {"bps": rates}}, {"costs": {"bps": 2.0}}]) == {
        "costs.bps": ["default 1, table (rows 3, sha256 0123456789ab)", 2.0]
    }


def test_long_settings_have_a_paragraph_a_run() -> None:
    told = [{"strategy": {"class": "my.rules:Fast", "days": 5, "names": 10}}, {"strategy": {"class": "my.rules:Slow"}}]
    lines = [line.plain for line in Comparison([make_result(settings=one) for one in told], ["a", "b"]).lines(45)]
    first = lines.index("strategy")
    assert lines[first + 1 : first + 3] == ["  1  my.rules:Fast, days 5, names 10", "  2  my.rules:Slow"]


def test_the_rank_ic_of_scores_is_compared() -> None:
    with_scores = make_result(settings=make_result().settings | {"signal_quality": {"rank_ic": 0.0213}})
    found = compare([with_scores, make_result()])
    assert found["metrics"]["rank_ic"] == [0.0213, None]
    assert "signal_quality" not in " ".join(found["differing_settings"])
    assert "rank_ic" not in compare([make_result(), other_result()])["metrics"]


def test_a_halt_and_errors_in_the_data_are_said_beside_other_runs() -> None:
    halted = make_result(settings=make_result().settings | {"data_check": {"errors": {"bad_tick": 14}, "warnings": {}}})
    active = make_result(tape=empty_result(6).tape)
    found = compare([halted, active], ["one", "two"])
    assert found["warnings"] == [
        "one: data: the check found errors (bad_tick 14).",
        "one: halted since 2024-01-05: positions are closed and nothing else is ordered.",
    ]
    assert found["metrics"]["halted_since"] == ["2024-01-05", ""]
    text = " ".join(line.plain for line in Comparison([halted, active], ["one", "two"]).lines(100))
    assert "one: halted since 2024-01-05" in text
    assert re.search(r"halted since +2024-01-05 +- ", text + " ")
    assert "first position" in text


def test_a_list_marks_halts_and_shortens_hashes_before_it_breaks() -> None:
    figures = dict(make_result().metrics)
    rows = [
        {"run": name, "made": "2026-01-02 10:00", "damaged": "", "metrics": figures | {"halted_since": since}}
        for name, since in (("a-rather-long-name-0123abcd", "2024-01-05"), ("b-0123abcd", ""), ("b-0123ef01", ""))
    ]

    def shown(width: int) -> list[str]:
        console = Console(file=io.StringIO(), width=width, record=True)
        print_runs(rows, console)
        return console.export_text().splitlines()

    wide = shown(200)
    assert wide[0].split()[-1] == "made"
    assert "halted  2026-01-02 10:00" in wide[1]
    assert not any("halted" in line for line in wide[2:])
    width = len(wide[1]) - len("  2026-01-02 10:00")
    assert [line.split()[0] for line in shown(width)[1:]] == [row["run"] for row in rows]
    # Four digits less; those of the two others would be the same.
    assert [line.split()[0] for line in shown(width - 4)[1:]] == ["a-rather-long-name-0123", "b-0123abcd", "b-0123ef01"]
    assert len(shown(width - 5)) == 1 + 2 * len(rows)


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_no_width_cuts_a_comparison_off(width: int) -> None:
    results = [make_result(), other_result(), empty_result(3), empty_result(), make_result(settings={})]
    lines = Comparison(results, [f"run-{k}" for k in range(5)]).lines(width)
    text = " ".join(line.plain for line in lines)
    assert layout.lines_width(lines) <= max(width, 45)
    for result in results:
        assert f"{result.metrics['end_equity']:,.0f}" in text
    assert "nan" not in text.lower().split()


def test_a_damaged_run_is_one_message() -> None:
    two_runs()
    (Path("runs/two") / "fills.parquet").write_bytes(b"no")
    assert "fills.parquet" in refused("report", "two")
    assert "fills.parquet" in refused("compare", "one", "two")
    Path("small2.toml").write_text(CONFIG)
    assert "small2.toml is a file" in refused("report", "small2.toml")
    assert "runs is a folder, but no run" in refused("report", "runs")
