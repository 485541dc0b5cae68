"""Signals on the command line: trained fold by fold, kept, traded, and written by ``new signal``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from command_line import ROOT, call, only_run, refused

import backtester as bt
import signals
import strategies

CONFIG = """\
[data]
synthetic = { symbols = 12, sessions = 120, seed = 3 }

[signal]
class = "signals:Momentum"
lookback = 20
skip = 0

[strategy]
class = "strategies:RankedLongShort"
long = 3
short = 3
"""

OWN = """\
import numpy as np
import backtester as bt


class Own(bt.Signal):
    def __init__(self, seed=0, fails=False, fill=None):
        self.seed, self.fails, self.fill = seed, fails, fill

    def fit(self, panel, rows):
        open("trained", "w").close()
        if self.fails:
            raise KeyError("mine")
        self._mean = float(np.nanmean(panel.returns[rows])) + self.seed

    def predict(self, panel, rows):
        return self._mean + panel.returns[rows]
"""


@pytest.fixture(autouse=True)
def _a_cache_of_its_own(own_folder: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKTESTER_CACHE", str(tmp_path / "cache" / "panels"))
    Path("trend.toml").write_text(CONFIG)
    Path("own.py").write_text(OWN)
    Path("own.toml").write_text(
        CONFIG.replace('"signals:Momentum"\nlookback = 20\nskip = 0', '"own.py:Own"')
        + "\n[folds]\ntrain = 40\ntest = 20\n"
    )


def run(*arguments: str) -> str:
    return " ".join(call("run", *arguments).output.split())


def test_a_signal_that_learns_nothing() -> None:
    assert "Note: signals:Momentum: nothing to learn, 1" in run("trend.toml")
    result = bt.Result.load(only_run())
    assert result.metrics["fills"] > 0
    assert result.settings["scores"]["signal"]["lookback"] == 20
    market = bt.synthetic(12, 120, 3)
    scores = bt.walk_forward(market.panel, signals.Momentum(20, 0))
    made = bt.run(market.panel, strategies.RankedLongShort(3, 3), scores=scores, name="trend")
    assert made.content_hash == result.content_hash
    assert {key: result.settings[key] for key in made.settings} == made.settings
    assert "Note: signals:Momentum: nothing to learn, from the cache, 1" in run("trend.toml", "--set", "costs=off")


def test_scores_are_kept_and_costs_train_nothing() -> None:
    # Of 120 sessions 40 are to train and 1 is left out, so 79 are scored: in folds of 20, the last of 19.
    assert "Note: own.py:Own: 4 folds trained, " in run("own.toml")
    assert "Note: own.py:Own: 4 folds from the cache, " in run("own.toml", "--set", "costs.slippage_bps=1")
    assert "Note: own.py:Own: 4 folds trained, " in run("own.toml", "--set", "folds.train=41")
    assert "Note: own.py:Own: 4 folds trained, " in run("own.toml", "--set", "run.seed=5")
    assert "Note: own.py:Own: 4 folds trained, " in run("own.toml", "--set", "signal.cache=false")


def test_a_damaged_cache_is_told() -> None:
    run("own.toml")
    (entry,) = Path("cache").rglob("scores.parquet")
    entry.write_bytes(b"no")
    text = run("own.toml", "--set", "costs=off")
    assert "Note: The cached scores" in text
    assert "4 folds trained" in text


def test_a_warning_of_a_model_is_told_once() -> None:
    warns = OWN.replace(
        "        self._mean", '        warnings.warn("it did not converge", RuntimeWarning)\n        self._mean'
    )
    Path("own.py").write_text("import warnings\n" + warns)
    text = run("own.toml")
    assert text.count("Note: RuntimeWarning: it did not converge") == 1
    assert "it did not converge (own.py:14)" in text


def test_a_warning_of_a_library_is_told_with_the_line_that_called_it() -> None:
    Path("own.py").write_text(OWN.replace("        self._mean", "        np.std([1.0], ddof=1)\n        self._mean", 1))
    assert "Note: RuntimeWarning: Degrees of freedom <= 0 for slice (own.py:13)" in run("own.toml")


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        (["run.benchmark=S99"], "--set run.benchmark: "),
        (['costs.not_shortable=["S99"]'], "--set costs.not_shortable: the panel has no symbol 'S99'"),
        (["costs.borrow_rate={default=0, symbols={S99=1}}"], "--set costs.borrow_rate.symbols.S99: "),
        (['costs.not_shortable={file="hard.csv"}'], "none of which is a symbol of the panel"),
        (["strategy.warmup=200"], "--set strategy.warmup: RankedLongShort needs 200 bars"),
        (["execution.fill=close", "signal.fill=open"], "--set execution.fill: "),
    ],
)
def test_everything_is_checked_before_the_training(settings: list[str], part: str) -> None:
    Path("hard.csv").write_text("symbol\nS99\n")
    message = refused("run", "own.toml", *(word for setting in settings for word in ("--set", setting)))
    assert part in message, message
    assert not Path("trained").exists()


def test_the_library_checks_costs_before_the_training_too() -> None:
    class Learns(bt.Signal):
        def fit(self, panel: bt.Panel, rows: object) -> None:
            pytest.fail("it was trained")

        def predict(self, panel: bt.Panel, rows: object) -> None:  # type: ignore[override]
            pytest.fail("it was asked")

    panel = bt.synthetic(12, 120, 3).panel
    options = {"signal": Learns(), "folds": bt.Folds(train=40, test=20)}
    costs = bt.Costs(borrow_rate=bt.Rates(0.0, symbols={"S99": 1.0}))
    with pytest.raises(bt.DataError, match="S99"):
        bt.run(panel, strategies.RankedLongShort(3, 3), costs=costs, **options)
    with pytest.raises(bt.ConfigError, match="200 bars"):
        bt.run(panel, strategies.RankedLongShort(3, 3, warmup=200), **options)


def test_a_signal_that_looks_ahead_is_told_where_the_panel_ends() -> None:
    Path("own.py").write_text(OWN.replace("panel.returns[rows]\n", "panel.returns[rows + 1]\n"))
    message = refused("run", "own.toml")
    assert "IndexError at" in message
    assert "the last row asked for; nothing later is known." in message
    Path("own.py").write_text(OWN.replace("panel.returns[rows])", "panel.returns[rows + 9])"))
    assert "the last that a label of its rows needs; nothing later is known." in refused("run", "own.toml")


def test_the_folder_of_a_run_holds_its_scores() -> None:
    run("own.toml", "--out", "runs/one")
    scores = bt.Scores.from_parquet("runs/one/scores.parquet")
    assert scores.known == bt.Result.load("runs/one").settings["scores"]["known"]
    assert len(scores.folds) == 4
    given = run("own.toml", "--set", "signal=off", "--set", "folds=off", "--set", "scores.path=runs/one/scores.parquet",
                "--out", "runs/two")  # fmt: skip
    assert "saved to runs/two" in given
    one, two = bt.Result.load("runs/one"), bt.Result.load("runs/two")
    assert one.content_hash == two.content_hash
    assert pd.read_parquet("runs/one/scores.parquet").columns.tolist() == ["date", "symbol", "score"]


def test_the_saved_config_makes_the_same_run_again() -> None:
    run("own.toml", "--set", "run.seed=3", "--set", "run.benchmark=equal_weight")
    folder = only_run()
    assert "the same run is in" in run(str(folder / "config.toml"))
    assert bt.Result.load(folder).metrics["benchmark"] == "equal_weight"


def test_online_gives_the_same_orders() -> None:
    run("own.toml", "--out", "runs/batch")
    text = run("own.toml", "--set", "run.online=true", "--out", "runs/online")
    assert "Note: own.py:Own: asked session by session, fitted in 4 folds, " in text
    assert bt.Result.load("runs/batch").content_hash == bt.Result.load("runs/online").content_hash
    assert not Path("runs/online/scores.parquet").exists()


def test_the_seed_goes_to_a_signal_that_has_none() -> None:
    run("own.toml", "--set", "run.seed=5")
    assert bt.Result.load(only_run()).settings["scores"]["signal"]["seed"] == 5
    run("own.toml", "--set", "run.seed=5", "--set", "signal.seed=6", "--out", "own")
    assert bt.Result.load("own").settings["scores"]["signal"]["seed"] == 6


def test_a_planted_score_is_not_mixed_with_a_signal() -> None:
    run("trend.toml", "--out", "runs/signal")
    run("trend.toml", "--set", "signal=off", "--out", "runs/planted")
    assert bt.Result.load("runs/signal").content_hash != bt.Result.load("runs/planted").content_hash


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        (["signal.class=signals:Momentm"], ["--set signal.class", "Did you mean 'Momentum'?"]),
        (
            ["signal.class=signal:Momentum"],
            ["--set signal.class", "signal has no class Momentum", "the module 'signals'"],
        ),
        (["signal.class=strategies:Momentum"], ["strategies:Momentum is no Signal"]),
        (
            ["signal.class=signals:Estimator", "signal.estimator=sklern.linear_model:Ridge"],
            ["--set signal.estimator", "Did you mean 'sklearn'?"],
        ),
        (["signal.sead=3"], ["--set signal.sead: there is no such argument", "Did you mean 'seed'?"]),
        (["signal.class=signals:Momentum", "signal.lookback=0"], ["--set signal.lookback", "lookback is 0"]),
        (["folds=off"], ["own.toml:4: [signal]: ", "folds"]),
        (["folds.train=500"], ["--set folds.train: ", "the folds need", "the panel has 120"]),
        (["folds.purge=0"], ["--set folds.purge: ", "purge"]),
        (["data.end=2015-03-01"], ["own.toml:12: [folds]: ", "the folds need"]),
        (["run.online=true", "data.end=2015-03-01"], ["own.toml:12: [folds]: ", "the folds need"]),
        (["signal.fails=true"], ["Own.fit", "KeyError", "own.py:12"]),
        (["run.benchmark=S99"], ["--set run.benchmark: ", "'S99'"]),
        (["execution.fill=close", "signal.fill=open"], ["--set execution.fill: ", "open"]),
        (["run.benchmark=index.csv"], ["--set run.benchmark: ", "there is no file", "index.csv"]),
    ],
)
def test_a_mistake_is_one_message(settings: list[str], parts: list[str]) -> None:
    message = refused("run", "own.toml", *(word for setting in settings for word in ("--set", setting)))
    for part in parts:
        assert part in message, message
    assert not Path("runs").exists()


def test_a_ranked_strategy_without_scores_is_told_of_both_ways() -> None:
    market = bt.synthetic(12, 60, 3)
    Path("none.toml").write_text(
        CONFIG.replace("synthetic = { symbols = 12, sessions = 120, seed = 3 }", 'path = "b.parquet"')
    )
    names = ("open", "close", "volume")
    frame = pd.DataFrame({"date": market.panel.dates.repeat(12), "symbol": list(market.panel.symbols) * 60})
    frame.assign(**{name: getattr(market.panel, name).ravel() for name in names}).to_parquet("b.parquet")
    message = refused("run", "none.toml", "--set", "signal=off")
    assert '[signal] class = "signals:Momentum"' in message
    assert '[scores] path = "scores.parquet"' in message


def test_new_signal_runs_at_once_and_learns() -> None:
    finished = call("new", "signal", "slow-trend")
    assert "python -m backtester run slow_trend.toml" in finished.output
    assert "class SlowTrend(bt.Signal)" in Path("slow_trend.py").read_text()
    text = run("slow_trend.toml", "--set", "data.synthetic.symbols=40", "--set", "data.synthetic.rank_ic=0.2",
               "--set", "data.synthetic.sessions=400", "--set", "costs=off")  # fmt: skip
    assert "folds trained" in text
    assert bt.Result.load(only_run()).metrics["sharpe"] > 3.0  # a rank IC of 0.2 on 40 names is hard to miss
    assert "exists already" in refused("new", "signal", "SlowTrend")
    assert "would hide the module signals" in refused("new", "signal", "signals")
    assert "is no name for a signal" in refused("new", "signal", "3ducks")


@pytest.mark.parametrize("name", ["momentum2", "A very long name for a signal", "x"])
def test_what_new_signal_writes_is_clean(name: str) -> None:
    pytest.importorskip("ruff")
    call("new", "signal", name, "--dir", "made")
    (file,) = Path("made").glob("*.py")
    for command in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        line = [sys.executable, "-m", "ruff", *command, "--config", str(ROOT / "pyproject.toml"), str(file)]
        checked = subprocess.run(line, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr
