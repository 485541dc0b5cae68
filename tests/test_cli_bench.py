"""`bench`, `report`, `list` and `compare` as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import call, refused, run_folders

import backtester as bt
from backtester.cli import benching
from backtester.research.ledger import trials

pytestmark = pytest.mark.usefixtures("own_folder", "own_cache")

BASE = """
[data]
synthetic = { symbols = 24, sessions = 560, seed = 3, rank_ic = 0.1 }
[signal]
class = "signals:Reversal"
lookback = 5
[folds]
train = 60
test = 40
[strategy]
class = "strategies:RankedLongShort"
long = 4
short = 4
"""
GRID = '[bench.grid]\n"signal.lookback" = [2, 5]\n"costs.slippage_bps" = [0, 10]\n'


@pytest.fixture
def bench():
    Path("some.toml").write_text(BASE + GRID)
    finished = call("bench", "some.toml")
    (folder,) = run_folders()
    return finished, folder


@pytest.fixture(autouse=True)
def law_6():
    """A bench makes hundreds of runs; their accounts are checked in test_bench.py, where there are fewer."""


def facts_of(folder: Path) -> dict:
    return json.loads((folder / "bench.json").read_text())


def test_a_bench_is_a_folder_with_all_that_was_found(bench):
    finished, folder = bench
    assert f"saved to {folder}" in " ".join(finished.output.split())
    assert folder.name.startswith("some-bench-")
    facts = facts_of(folder)
    names = [one["name"] for one in facts["entries"]]
    assert sorted(names[:4]) == [f"lookback={n} slippage_bps={c}" for n in (2, 5) for c in (0, 10)]
    assert len(names) == 8
    assert set(names[4:]) == {"equal weight", "momentum", "reversal", "ridge"}
    sharpes = [one["figures"]["net"]["sharpe"]["value"] for one in facts["entries"][:4]]
    assert sharpes == sorted(sharpes, reverse=True)
    assert facts["winner"] == names[0]
    assert len(facts["pairs"]) == 8 * 7 // 2
    assert facts["trials"]["count"] == 4
    assert all(one["placebo"]["count"] == 100 for one in facts["entries"][:4])
    assert {path.name for path in folder.iterdir()} == {
        "bench.json", "config.toml", "leaderboard.parquet", "report.html", "returns.parquet", "returns_gross.parquet",
        "runs",
    }  # fmt: skip
    assert len(list((folder / "runs").iterdir())) == 8


def test_every_run_of_a_bench_can_be_shown(bench):
    _, folder = bench
    facts = facts_of(folder)
    first = facts["entries"][0]
    result = bt.Result.load(folder / first["run"])
    net = pd.read_parquet(folder / "returns.parquet")[first["name"]]
    np.testing.assert_array_equal(result.returns.loc[net.index].to_numpy(), net.to_numpy())
    shown = " ".join(call("report", str(folder / first["run"])).output.split())
    assert "Sharpe" in shown
    runs = [str(folder / one["run"]) for one in facts["entries"][:2]]
    assert "Are the differences real?" in call("compare", *runs).output


def test_all_begin_on_the_same_day(bench):
    _, folder = bench
    facts = facts_of(folder)
    start = facts["window"]["start"]
    for one in facts["entries"]:
        result = bt.Result.load(folder / one["run"])
        assert result.fills["date"].min() == pd.Timestamp(start), one["name"]
        assert one["curve"]["dates"][0] == start


def test_the_same_bench_is_saved_once_and_the_saved_config_makes_it_again(bench):
    _, folder = bench
    assert "the same bench is in" in " ".join(call("bench", "some.toml").output.split())
    assert "the same bench is in" in " ".join(call("bench", str(folder / "config.toml")).output.split())
    assert run_folders() == [folder]


def test_trials_are_counted_over_commands(bench):
    assert len([one for one in trials("runs") if one.role == "variant"]) == 4
    call("run", "some.toml", "--set", "signal.lookback=7")
    study = json.loads(next(Path("runs").glob("some-[!b]*/study.json")).read_text())
    assert study["trials"]["count"] == 5
    call("bench", "some.toml", "--set", "strategy.long=3")
    more = [folder for folder in run_folders() if (folder / "bench.json").is_file()]
    assert sorted(facts_of(folder)["trials"]["count"] for folder in more) == [4, 9]


def test_report_and_list_know_benches(bench):
    finished, folder = bench
    assert "hidden" not in finished.output
    (folder / "report.html").unlink()
    shown = " ".join(call("report", folder.name).output.split())
    assert f"{facts_of(folder)['winner']} came first" in shown
    assert "Flattered: the market is made up." in shown
    assert (folder / "report.html").is_file()
    assert folder.name in call("list").output
    rows = json.loads(call("list", "--json").output)
    assert rows[-1]["bench"] == folder.name
    assert rows[-1]["variants"] == 4
    (folder / "bench.json").write_text("{")
    assert "damaged" in refused("report", folder.name)
    assert folder.name in call("list").output


def test_json_is_all_there_is_on_standard_output():
    Path("some.toml").write_text(BASE + GRID)
    found = json.loads(call("bench", "some.toml", "--json").stdout)
    assert found["new"] is True
    assert found["winner"] in [one["name"] for one in found["entries"]]


def test_a_variant_that_fails_is_told_and_the_rest_go_on():
    wrong = '[bench.variants.wrong]\n"signal.lookback" = -3\n[bench.variants.late]\n"signal.lookback" = 5000\n'
    Path("some.toml").write_text(BASE + GRID + wrong)
    shown = " ".join(call("bench", "some.toml").output.split())
    assert "wrong failed" in shown
    assert "late failed" in shown
    (folder,) = run_folders()
    failed = {one["name"]: one["error"] for one in facts_of(folder)["entries"] if one["error"]}
    assert set(failed) == {"wrong", "late"}
    assert "5000" in failed["late"] or "5,001" in failed["late"] or "5001" in failed["late"]
    assert [one["run"] for one in facts_of(folder)["entries"] if one["error"]] == [None, None]


def test_when_all_fail_nothing_is_written():
    Path("some.toml").write_text(BASE + '[bench.grid]\n"signal.lookback" = [5000, 6000]\n')
    assert "5001" in refused("bench", "some.toml")
    assert not Path("runs").exists() or run_folders() == []


def test_an_interrupted_bench_leaves_nothing_half_written(monkeypatch):
    Path("some.toml").write_text(BASE + GRID)

    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(benching, "_terms", interrupted)
    assert "goes on" in call("bench", "some.toml", code=130).output
    assert not Path("runs").exists() or run_folders() == []


def test_another_bench_is_replaced_only_if_asked(bench):
    _, folder = bench
    told = refused("bench", "some.toml", "--set", "strategy.long=3", "--out", str(folder))
    assert "--overwrite" in told
    call("bench", "some.toml", "--set", "strategy.long=3", "--out", str(folder), "--overwrite")
    assert facts_of(folder)["entries"][0]["figures"] is not None
    Path("mine").mkdir()
    Path("mine/precious.txt").write_text("keep")
    assert "holds no" in refused("bench", "some.toml", "--out", "mine", "--overwrite")
    assert Path("mine/precious.txt").read_text() == "keep"


def test_names_are_text_wherever_they_stand():
    name = '<b onload=\\"x\\">&amp; ../..'
    Path("some.toml").write_text(BASE + f'[bench.variants."{name}"]\n"signal.lookback" = 3\n')
    call("bench", "some.toml")
    (folder,) = run_folders()
    page = (folder / "report.html").read_text()
    assert "<b onload" not in page
    assert {path.parent for path in (folder / "runs").iterdir()} == {folder / "runs"}


def test_run_leaves_the_bench_out():
    Path("some.toml").write_text(BASE + GRID)
    call("run", "some.toml")
    (folder,) = run_folders()
    assert (folder / "run.json").is_file()
    assert (folder / "report.html").is_file()
    assert "bench" not in (folder / "config.toml").read_text()


def test_runs_of_a_bench_are_compared_by_their_scores_too(bench):
    _, folder = bench
    facts = facts_of(folder)
    by = {one["name"]: one for one in facts["entries"]}
    chosen = [by["lookback=2 slippage_bps=0"], by["lookback=5 slippage_bps=0"], by["equal weight"]]
    told = json.loads(call("compare", *(str(folder / one["run"]) for one in chosen), "--json").stdout)
    first = told["pairs"][0]
    scores = [one["signal"]["horizons"][0]["rank"]["mean"] for one in chosen[:2]]
    assert first["ic"]["difference"] == pytest.approx(scores[0] - scores[1], abs=1e-5)
    assert told["pairs"][1]["ic"] is None  # equal weights need no scores
    assert "rank IC" in call("compare", *(str(folder / one["run"]) for one in chosen)).output


def test_every_entry_is_held_against_the_universe(bench):
    _, folder = bench
    for one in facts_of(folder)["entries"]:
        told = one["figures"]["benchmark"]
        assert told["name"] == "equal_weight"
        assert told["beta"]["low"] <= told["beta"]["value"] <= told["beta"]["high"]
    weight = next(one for one in facts_of(folder)["entries"] if one["name"] == "equal weight")
    assert weight["figures"]["benchmark"]["beta"]["value"] == pytest.approx(1.0, abs=0.2)
    assert weight["signal"] is None
    assert weight["dsr"] is None


def test_a_grid_that_fails_as_a_whole_stops_the_bench():
    """Such as a misspelt key: what is left would not be what was asked for."""
    Path("some.toml").write_text(BASE + GRID.replace("signal.lookback", "signal.lookbak") + "[bench.variants.a]\n")
    told = refused("bench", "some.toml")
    assert "[bench] grid" in told
    assert "Did you mean 'lookback'" in told
    assert not Path("runs").exists()


def test_a_rule_without_scores_is_held_against_ranked_baselines():
    """A synthetic market has scores; a strategy that does not ask for them is not shown them in a bench either."""
    rule = BASE.replace('class = "signals:Reversal"\nlookback = 5\n', "").replace("[signal]\n", "")
    rule = rule.replace("[folds]\ntrain = 60\ntest = 40\n", "").replace("RankedLongShort", "Momentum")
    Path("some.toml").write_text(rule + '[bench.grid]\n"strategy.lookback" = [40, 60]\n')
    call("bench", "some.toml")
    (folder,) = run_folders()
    entries = {one["name"]: one for one in facts_of(folder)["entries"]}
    assert entries["lookback=40"]["placebo"] is None
    assert entries["lookback=40"]["signal"] is None
    assert facts_of(folder)["window"]["set_by"] == ["momentum"]
    sharpes = [one["figures"]["net"]["sharpe"]["value"] for one in entries.values() if one["figures"]]
    assert len(set(sharpes)) == len(sharpes) >= 5  # none is another one under a name


def test_a_list_of_a_bench_is_that_of_its_runs(bench):
    _, folder = bench
    rows = json.loads(call("list", str(folder), "--json").output)
    assert len(rows) == 8


def test_a_bench_in_place_of_a_run_is_told_from_one(bench):
    _, folder = bench
    run = next((folder / "runs").iterdir())
    assert f"{folder} is a bench, not a run" in refused("compare", str(run), folder.name)
    assert f"list {folder}` lists them" in refused("export", str(folder), "--format", "parquet", "--out", "x")


def test_what_a_bench_leaves_out_is_told():
    Path("some.toml").write_text(BASE + "[run]\nonline = true\n" + GRID)
    told = " ".join(call("bench", "some.toml", "--set", "signal.every_epoch=true").output.split())
    assert "[run] online is for a run: a bench leaves it out." in told
    assert "[signal] every_epoch is for a run" in told
    assert "tensorboard" not in told


def test_the_beginning_of_a_bench_is_enough_if_it_is_of_one(bench):
    _, folder = bench
    assert "came first" in call("report", "some-b").output
    call("run", "some.toml")
    assert "several runs and benches" in refused("report", "some")
    call("bench", "some.toml", "--set", "strategy.long=3")
    assert "several runs and benches" in refused("report", "some-b")
    assert "came first" in call("report", folder.name).output


LEARNS = """
[bench.variants.ridge]
signal.class = "signals:Estimator"
signal.estimator = "sklearn.linear_model:Ridge"
signal.lookbacks = [1, 2, 5]
[bench.combinatorial]
groups = 4
"""


def test_paths_stand_beside_the_bench_and_count_for_nothing():
    Path("some.toml").write_text(BASE + LEARNS)
    assert "on 3 paths (no track record)" in " ".join(call("bench", "some.toml").output.split())
    (folder,) = run_folders()
    facts = facts_of(folder)
    assert facts["combinatorial"] == {"groups": 4, "test_groups": 2, "purge": None, "embargo": 0}
    made = {one["name"]: one["paths"] for one in facts["entries"] if one["paths"]}
    assert set(made) == {"ridge", "ridge baseline"}
    assert all((one["error"], one["count"], one["splits"]) == ("", 3, 6) for one in made.values())
    page = (folder / "report.html").read_text()
    assert 'id="paths"' in page
    assert "They are no track record" in page
    assert "the same bench is in" in " ".join(call("bench", str(folder / "config.toml")).output.split())
    # Without the paths it is another bench of the same runs, trials and order.
    plain = json.loads(call("bench", "some.toml", "--set", "bench.combinatorial=off", "--json").stdout)
    assert plain["new"] is True
    assert plain["combinatorial"] is None
    (other,) = set(run_folders()) - {folder}
    assert 'id="paths"' not in (other / "report.html").read_text()
    assert plain["trials"] == facts["trials"]
    kept = [{key: one[key] for key in one if key != "paths"} for one in facts["entries"]]
    assert [{key: one[key] for key in one if key != "paths"} for one in plain["entries"]] == kept


def test_a_mistake_in_the_paths_stops_before_anything_is_trained():
    Path("some.toml").write_text(BASE + LEARNS.replace("groups = 4", "groups = 1"))
    told = refused("bench", "some.toml")
    assert "some.toml:20: [bench] combinatorial groups: is 1" in " ".join(told.split())
    assert not Path("runs").exists()
