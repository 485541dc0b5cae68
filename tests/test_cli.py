"""The command line, from typing to files and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from command_line import CONFIG, ROOT, call, only_run, refused, run_folders

import backtester as bt
from backtester.cli import demo

pytestmark = pytest.mark.usefixtures("own_folder")


def test_run_prints_a_summary_and_saves_the_run() -> None:
    finished = call("run", "small.toml")
    assert "small 2015-01-02 to" in " ".join(finished.output.split())
    folder = only_run()
    assert f"saved to {folder}" in finished.output
    result = bt.Result.load(folder)
    assert folder.name == f"small-{result.content_hash[:8]}"
    assert result.metrics["fills"] > 0
    market = bt.synthetic(24, 90, 3)
    from strategies import RankedLongShort

    direct = bt.run(market.panel, RankedLongShort(5, 5), scores=market.score, name="small")
    assert direct.content_hash == result.content_hash
    assert {key: result.settings[key] for key in direct.settings} == direct.settings


def test_the_same_run_is_saved_once() -> None:
    call("run", "small.toml")
    before = only_run().stat().st_mtime_ns
    assert "the same run is in" in call("run", "small.toml").output
    assert only_run().stat().st_mtime_ns == before


def test_the_saved_config_makes_the_same_run_again() -> None:
    call("run", "small.toml", "--set", "costs.slippage_bps=1", "--set", "strategy.long=4")
    again = call("run", str(only_run() / "config.toml"))
    assert "the same run is in" in again.output


def test_the_same_orders_under_other_settings_are_another_run() -> None:
    call("run", "small.toml")
    call("run", "small.toml", "--set", "risk.max_drawdown=0.99")
    names = sorted(path.name for path in run_folders())
    assert len(names) == 2
    assert names[1].startswith(names[0] + "-")


def test_settings_reach_the_run() -> None:
    call("run", "small.toml", "--set", "costs=off", "--set", "risk=off", "--set", "execution.fill=same_close",
         "--set", "run.cash=500_000", "--out", "mine")  # fmt: skip
    result = bt.Result.load("mine")
    assert result.settings["costs"] is None
    assert result.settings["risk"] is None
    assert result.settings["execution"]["fill"] == "same_close"
    assert result.cash == 500_000.0


def test_what_flatters_is_printed() -> None:
    output = " ".join(call("run", "small.toml", "--set", "execution.fill=same_close").output.split())
    assert "fills at the price it was decided on" in output


def test_out_is_the_folder_of_the_run() -> None:
    call("run", "small.toml", "--out", "here/mine")
    assert (Path("here") / "mine" / "run.json").is_file()
    assert not Path("runs").exists()
    assert "the same run" in call("run", "small.toml", "--out", "here/mine", "--overwrite").output
    again = refused("run", "small.toml", "--set", "strategy.long=3", "--out", "here/mine")
    assert "holds a run already" in again
    assert "--overwrite" in again
    call("run", "small.toml", "--set", "strategy.long=3", "--out", "here/mine", "--overwrite")


def test_a_folder_of_something_else_is_refused_before_the_run() -> None:
    Path("photos").mkdir()
    (Path("photos") / "a.jpg").write_text("")
    assert "holds no run" in refused("run", "small.toml", "--out", "photos", "--overwrite")


def test_a_place_that_cannot_take_a_run_is_refused_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    call("run", "small.toml", "--out", "mine")
    Path("file").write_text("")

    def never(*_: Any) -> None:
        raise AssertionError("it ran")

    monkeypatch.setattr("backtester.cli.running.run_config", never)
    assert "replace it with --overwrite" in refused("run", "small.toml", "--out", "mine")
    assert "file is no folder" in refused("run", "small.toml", "--out", "file", "--overwrite")
    assert "file is no folder" in refused("run", "small.toml", "--out", "file/below/mine")
    Path("runs").write_text("")
    assert "runs is no folder" in refused("run", "small.toml")
    assert "runs is no folder" in refused("demo")
    monkeypatch.setattr(os, "access", lambda _, mode, **__: not mode & os.W_OK)
    assert "may not be written to" in refused("run", "small.toml", "--out", "new")


def test_a_dataset_and_scores_from_files() -> None:
    market = bt.synthetic(24, 90, 3)
    bars = pd.concat(
        pd.DataFrame(
            {
                "date": market.panel.dates.astype("datetime64[s]"),
                "symbol": symbol,
                **{key: getattr(market.panel, key)[:, k] for key in ("open", "high", "low", "close", "volume")},
            }
        )
        for k, symbol in enumerate(market.panel.symbols)
    ).dropna(subset=["close"])
    bars.to_csv("bars.csv", index=False)
    imported = call("data", "import", "bars.csv", "--out", "data/made", "--basis", "as_traded")
    assert "24 symbols" in imported.output
    assert Path("data/made").is_dir()

    frame = pd.DataFrame(market.score, index=market.panel.dates, columns=list(market.panel.symbols))
    frame.rename_axis(index="date", columns="symbol").stack().rename("score").reset_index().to_parquet("scores.parquet")
    Path("real.toml").write_text(
        CONFIG.replace("synthetic = { symbols = 24, sessions = 90, seed = 3 }", 'path = "data/made"\nend = 2015-03-31')
        + '\n[scores]\npath = "scores.parquet"\n'
    )
    call("run", "real.toml")
    result = bt.Result.load(only_run())
    assert str(result.dates[-1]) == "2015-03-31"
    assert result.metrics["fills"] > 0

    message = refused("data", "import", "bars.csv", "--out", "data/made", "--basis", "as_traded")
    assert "holds a dataset already" in message
    assert "--overwrite" in message
    call("data", "import", "bars.csv", "--out", "data/made", "--basis", "as_traded", "--overwrite")
    assert "Did you mean 'as_traded'?" in refused(
        "data", "import", "bars.csv", "--out", "other", "--basis", "as-traded"
    )


def test_another_class_drops_the_arguments_of_the_file() -> None:
    output = call("run", "small.toml", "--set", "strategy.lookback=3", "--set", "strategy.class=strategies:Reversal",
                  "--set", "strategy.long=4").output  # fmt: skip
    dropped = "Note: --set strategy.class: dropped what the file says of strategies:RankedLongShort: long, short."
    assert dropped in " ".join(output.split())
    told = bt.Result.load(only_run()).settings["strategy"]
    assert (told["lookback"], told["long"], told["short"]) == (3, 4, 50)
    assert "Note" not in call("run", "small.toml", "--set", "strategy.class=strategies:RankedLongShort").output


def test_version() -> None:
    assert call("--version").output == f"backtester {bt.__version__}\n"


@pytest.mark.parametrize(
    ("setting", "parts"),
    [
        (
            "strategy.class=strategies:RankdLongShort",
            ["has no class RankdLongShort", "Did you mean 'RankedLongShort'?"],
        ),
        ("strategy.class=strategeis:Momentum", ["no module strategeis", "Did you mean 'strategies'?"]),
        ("strategy.class=strategies.rankd:RankedLongShort", ["no module strategies.rankd", "'strategies.ranked"]),
        ("strategy.class=RankedLongShort", ["names no class; write package.module:Class"]),
        ("strategy.class=pathlib:Path", ["pathlib:Path is no Strategy"]),
        ("strategy.class=nowhere.py:Mine", ["there is no file", "nowhere.py"]),
        ("strategy.lnog=5", ["strategy.lnog: there is no such argument", "Did you mean 'long'?"]),
        ("strategy.long=-5", ["strategy.long: RankedLongShort refused its arguments: long is -5"]),
        ("strategy.every=0", ["strategy.every: RankedLongShort refused its arguments: every is 0"]),
        ("strategy.warmup=x", ["strategy.warmup: RankedLongShort refused its arguments: warmup is 'x'"]),
        ("data.synthetic.symbls=5", ["data.synthetic", "symbls", "Did you mean 'symbols'?"]),
        ("data.synthetic.symbols=1", ["too small"]),
        ("data.start=2030-01-01", ["no session"]),
        ("risk.max_gros=1", ["Did you mean 'max_gross'?"]),
    ],
)
def test_a_wrong_setting_is_one_message(setting: str, parts: list[str]) -> None:
    message = refused("run", "small.toml", "--set", setting)
    for part in parts:
        assert part in message, message
    assert not Path("runs").exists()


def test_a_mistake_in_the_file_is_named_by_its_line() -> None:
    Path("small.toml").write_text(CONFIG.replace("short = 5", "shrot = 5"))
    assert "small.toml:7: [strategy] shrot: " in refused("run", "small.toml")


def test_data_that_is_not_there() -> None:
    Path("real.toml").write_text(
        CONFIG.replace("synthetic = { symbols = 24, sessions = 90, seed = 3 }", 'path = "data/no"')
    )
    message = refused("run", "real.toml")
    assert "real.toml:2: [data] path: " in message
    assert "data/no" in message


def written_strategy(body: str) -> None:
    Path("own.py").write_text(f"import backtester as bt\n\n{body}\n")


def run_own(code: int = 1) -> str:
    finished = call("run", "small.toml", "--set", "strategy={ class = 'own.py:Own' }", code=code)
    return " ".join((finished.stderr if code else finished.output).split())


def test_a_strategy_that_cannot_be_imported() -> None:
    written_strategy("class Own(bt.Strategy:")
    assert "own.py cannot be imported: SyntaxError" in run_own()
    assert "line 3" in run_own()
    written_strategy("import no_such_package")
    assert "own.py cannot be imported: ModuleNotFoundError: No module named 'no_such_package' (line 3)" in run_own()
    written_strategy("x = 1 / 0")
    assert "own.py cannot be imported: ZeroDivisionError: division by zero (line 3)" in run_own()


def test_a_strategy_that_fails_is_named_with_date_and_line() -> None:
    written_strategy("class Own(bt.Strategy):\n    def decide(self, view):\n        return view.cloze")
    message = run_own()
    assert "own.py:5" in message
    assert "2015-01-02" in message
    assert "cloze" in message


def test_arguments_of_a_strategy() -> None:
    written_strategy("class Own(bt.Strategy):\n    def __init__(self, days): ...")
    assert "Own needs 'days', which is not given" in run_own()
    written_strategy("class Own(bt.Strategy):\n    def decide(self, view): ...")
    assert "Own takes no arguments" in refused("run", "small.toml", "--set", "strategy={ class = 'own.py:Own', a = 1 }")
    written_strategy("class Own(bt.Strategy):\n    def __init__(self): raise KeyError('mine')")
    finished = call("run", "small.toml", "--set", "strategy={ class = 'own.py:Own' }", code=1)
    assert isinstance(finished.exception, KeyError)  # not ours: the traceback is shown


def test_the_seed_goes_to_a_strategy_that_takes_one() -> None:
    for setting in ("run.seed=5", "strategy.seed=5", "run.seed=6"):
        call(
            "run",
            "small.toml",
            "--set",
            "strategy={ class = 'strategies:Placebo', long = 3, short = 3 }",
            "--set",
            setting,
        )
    assert len(run_folders()) == 2


def test_debug_shows_the_traceback_anywhere_on_the_line() -> None:
    for line in (["--debug", "run", "no.toml"], ["run", "no.toml", "--debug"], ["run", "--debug", "no.toml"]):
        finished = call(*line, code=1)
        assert isinstance(finished.exception, bt.ConfigError)
    assert isinstance(call("run", "no.toml", code=1).exception, SystemExit)


def test_list() -> None:
    assert "There is no folder runs" in refused("list")
    call("run", "small.toml")
    call("run", "small.toml", "--set", "strategy.long=3", "--out", "runs/second")
    Path("runs/.first-x.partial").mkdir()
    Path("runs/notes").mkdir()
    output = call("list").output
    assert output.count("small-") == 1
    assert "second" in output
    assert "notes" not in output
    assert "partial" not in output
    assert f"{bt.Result.load('runs/second').metrics['sharpe']:.2f}" in output
    (Path("runs") / "second" / "metrics.json").write_text("{")
    assert "damaged" in call("list", "runs").output
    for command in (["report", "second"], ["compare", "small", "second"]):  # they say so too, and show the figures
        finished = call(*command, "--json")
        assert "Note: second: metrics.json cannot be read; the figures shown are computed" in finished.stderr
        assert '"sharpe"' in finished.stdout
    assert not call("report", "small").stderr
    Path("empty").mkdir()
    assert "no runs in empty" in call("list", "empty").output


def test_the_help_says_what_the_demo_does() -> None:
    assert "Train networks and a linear model on a synthetic market, trade each and a rule" in " ".join(
        call("demo", "--help").output.split()
    )


def test_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in {"SYMBOLS": 60, "SESSIONS": 300, "TRAIN": 120, "TEST": 40}.items():
        monkeypatch.setattr(demo, key, value)
    output = call("demo", "--seed", "3", "--out", "shown").output
    names = sorted(folder.name for folder in Path("shown").iterdir() if folder.is_dir())
    assert [name.rsplit("-", 1)[0] for name in names] == ["demo-mlp", "demo-momentum", "demo-ridge"]
    assert "rank IC" in output
    assert "seed 2" in output
    for name in ("demo-mlp", "demo-momentum", "demo-ridge"):
        assert name in output
    again = call("demo", "--seed", "3", "--out", "shown").output
    assert again.count("already in") == 3


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["rnu"], "Did you mean 'run'?"),
        (["data", "imprt"], "Did you mean 'import'?"),
        (["new", "stratgy", "x"], "Did you mean 'strategy'?"),
        (["run", "small.toml", "--outt", "x"], "--out"),
        (["run"], "CONFIG"),
        (["demo", "--seed", "x"], "--seed"),
    ],
)
def test_a_line_typed_wrong_ends_with_2(arguments: list[str], hint: str) -> None:
    assert hint in call(*arguments, code=2).stderr


def spawn(*arguments: str, **extra: Any) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "-m", "backtester", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"},
        **extra,
    )


def test_exit_codes_of_a_process() -> None:
    good = spawn("run", "small.toml", "--out", "one")
    assert (good.returncode, good.stderr) == (0, "")
    assert json.loads(Path("one/metrics.json").read_text())["fills"] > 0

    bad = spawn("run", "smal.toml")
    assert bad.returncode == 1
    assert bad.stdout == ""
    assert bad.stderr == "Error: There is no config file smal.toml. Did you mean 'small.toml'?\n"

    assert spawn("rnu").returncode == 2

    written_strategy("class Own(bt.Strategy):\n    def __init__(self): raise KeyError('mine')")
    crash = spawn("run", "small.toml", "--set", "strategy={ class = 'own.py:Own' }")
    assert crash.returncode == 1
    assert "Traceback" in crash.stderr
    assert "KeyError: 'mine'" in crash.stderr
