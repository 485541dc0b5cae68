"""Signals that train, on the command line: where they keep what they learn, what they say, how far members differ."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import call, only_run, refused

import backtester as bt
from backtester.cli.config import read_config
from backtester.cli.logged import told_log

OWN = """\
import logging

import backtester as bt


class Own(bt.Signal):
    def __init__(self, members=0, start=None, note=""):
        self.members, self.start, self.note = members, start, note

    def fit_folds(self, jobs, work):
        logging.getLogger("signals").info("%d folds on the abacus", len(jobs))
        logging.getLogger("signals.beads").debug("not shown")
        with open("told.txt", "a") as file:
            print(work.folder, work.every_epoch, work.tensorboard, file=file)

    def predict(self, panel, rows):
        scores = -panel.returns[rows]
        members = {f"seed {k}": scores * (k + 1) + panel.returns[rows].clip(0) * k for k in range(self.members)}
        return bt.Prediction(scores, members) if members else scores

    def learning(self):
        loss = None if self.note else 0.5
        return [{"model": "beads", "epoch": 1, "train_loss": loss, "note": self.note}]
"""
STOPS = """\
    def predict(self, panel, rows):
        raise KeyboardInterrupt
"""
CONFIG = """\
[data]
synthetic = { symbols = 12, sessions = 90, seed = 3 }

[signal]
class = "own.py:Own"

[folds]
train = 40
test = 20

[strategy]
class = "strategies:RankedLongShort"
long = 3
short = 3
"""


@pytest.fixture(autouse=True)
def _a_cache_of_its_own(own_folder: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKTESTER_CACHE", str(tmp_path / "cache"))
    Path("own.py").write_text(OWN)
    Path("own.toml").write_text(CONFIG)


def told() -> list[list[str]]:
    return [line.split() for line in Path("told.txt").read_text().splitlines()]


def test_what_a_training_keeps_goes_beside_the_cache(tmp_path: Path) -> None:
    call("run", "own.toml")
    ((folder, every_epoch, tensorboard),) = told()
    assert Path(folder).parent == tmp_path / "cache" / "checkpoints"
    assert (every_epoch, tensorboard) == ("False", "None")
    assert bt.Result.load(only_run()).settings["scores"]["signal"] == {
        "class": "file_own:Own", "horizon": 1, "warmup": 1, "seed": 0, "fill": None, "members": 0,
        "start": None, "note": "",
    }  # fmt: skip


@pytest.mark.parametrize("online", ["false", "true"])
def test_it_goes_where_the_config_says(tmp_path: Path, online: str) -> None:
    settings = ["signal.checkpoints=kept", "signal.every_epoch=true", "signal.tensorboard=board", "signal.cache=false"]
    call("run", "own.toml", *(word for one in settings for word in ("--set", one)), "--set", f"run.online={online}")
    for folder, every_epoch, tensorboard in told():
        assert Path(folder).parent == tmp_path / "kept"
        assert (every_epoch, tensorboard) == ("True", str(tmp_path / "board"))


@pytest.mark.parametrize("settings", [["signal.checkpoints=off"], ["signal.cache=false"]])
def test_nothing_is_kept(settings: list[str]) -> None:
    call("run", "own.toml", "--set", *settings)
    assert told() == [["None", "False", "None"]]


def test_the_saved_config_says_the_same() -> None:
    call("run", "own.toml", "--out", "runs/plain")
    saved = read_config(Path("runs/plain/config.toml"))
    assert saved.signal is not None
    assert (saved.signal.checkpoints, saved.signal.every_epoch, saved.signal.tensorboard) == ("auto", False, None)
    assert saved.checkpoints == read_config(Path("own.toml")).checkpoints
    given = [("checkpoints", "kept"), ("tensorboard", "board"), ("every_epoch", "true")]
    call(
        "run", "own.toml", *(word for key, value in given for word in ("--set", f"signal.{key}={value}")), "--out", "x"
    )
    saved = read_config(Path("x/config.toml"))
    assert saved.signal is not None
    assert (saved.checkpoints, saved.tensorboard) == (Path.cwd() / "kept", Path.cwd() / "board")
    assert saved.signal.arguments == {}
    off = read_config(Path("own.toml"), ["signal.checkpoints=off"])
    assert off.checkpoints is None
    assert off.resolved(Path.cwd())["signal"]["checkpoints"] == "off"


def test_a_wrong_key_is_named() -> None:
    Path("own.toml").write_text(CONFIG.replace('"own.py:Own"', '"own.py:Own"\nevery_epoch = 3'))
    assert "own.toml:6: [signal] every_epoch: is 3; it must be true or false" in refused("run", "own.toml")


def test_what_signals_say_is_shown_on_standard_error() -> None:
    finished = call("run", "own.toml", "--json")
    assert finished.stderr.splitlines()[0] == "3 folds on the abacus"
    assert "not shown" not in finished.output
    assert json.loads(finished.stdout)["sessions"] == 90


def test_the_logger_is_left_as_it_was() -> None:
    import logging

    logger = logging.getLogger("signals")
    before = (logger.level, list(logger.handlers))
    with told_log():
        assert logger.isEnabledFor(logging.INFO)
    assert (logger.level, list(logger.handlers)) == before


@pytest.mark.parametrize("online", ["false", "true"])
def test_the_members_of_scores_are_held_against_what_followed(online: str) -> None:
    finished = call(
        "run", "own.toml", "--set", "signal.members=3", "--set", f"run.online={online}", "--out", "runs/own"
    )
    panel = bt.synthetic(12, 90, 3).panel
    result = bt.Result.load("runs/own")
    quality = result.settings["signal_quality"]
    followed = bt.labels(panel, None, 1)
    expected = []
    for k in range(3):
        scores = -panel.returns * (k + 1) + panel.returns.clip(0) * k
        ic = bt.rank_ic(scores[41:], followed[41:])  # 40 training rows, a purge of 1
        expected.append(float(ic[:-2].mean()))  # the labels of the last two sessions are not known
    assert list(quality["members"]) == ["seed 0", "seed 1", "seed 2"]
    # Six decimals are kept.
    assert list(quality["members"].values()) == pytest.approx(expected, abs=1e-6)
    assert quality["rank_ic"] == quality["members"]["seed 0"]
    assert quality["members_mean"] == pytest.approx(sum(expected) / 3, abs=1e-6)
    assert (quality["members_low"], quality["members_high"]) == pytest.approx((min(expected), max(expected)), abs=1e-6)
    text = " ".join(finished.output.split())
    low, high, mean = min(expected), max(expected), sum(expected) / 3
    each = ", ".join(f"seed {k} {one:.4f}" for k, one in enumerate(expected))
    said = f"rank IC {expected[0]:.4f}; 3 single members {low:.4f} to {high:.4f}, mean {mean:.4f}: {each}"
    assert said in text
    assert json.loads(call("report", "runs/own", "--json").stdout)["settings"]["signal_quality"] == quality


def test_scores_without_members_say_nothing_of_them() -> None:
    assert "single members" not in call("run", "own.toml").output
    assert "members" not in bt.Result.load(only_run()).settings["signal_quality"]


def test_curves_are_in_the_run() -> None:
    call("run", "own.toml")
    learning = bt.Result.load(only_run()).learning
    assert learning[["fold", "model", "train_loss"]].to_numpy().tolist() == [
        [1, "beads", 0.5],
        [2, "beads", 0.5],
        [3, "beads", 0.5],
    ]


def test_models_that_failed_are_told_of_each_time() -> None:
    given = ("--set", "signal.note=the loss was nan: stopped")
    for folder in ("runs/one", "runs/two"):  # the second one from the cache
        text = " ".join(call("run", "own.toml", *given, "--set", f"run.name={folder[-3:]}").output.split())
        assert "3 of 3 models failed in training: fold 1 beads, epoch 1 (the loss was nan: stopped), fold 2" in text
        assert "learning: 3 models, no loss is known; learning.parquet has the curves" in text
    assert "3 folds from the cache" in text
    told = json.loads(call("run", "own.toml", *given, "--json").stdout)["settings"]["signal_quality"]["learning"]
    assert [one["fold"] for one in told["failed"]] == [1, 2, 3]


def test_how_much_was_learnt_is_said() -> None:
    text = " ".join(call("run", "own.toml").output.split())
    assert "learning: last training loss 0.5000, at epoch 1; learning.parquet has the curves" in text
    assert "failed" not in text


def test_paths_of_arguments_count_from_the_folder_of_the_config() -> None:
    Path("configs").mkdir()
    Path("own.py").rename("configs/own.py")
    given = 'start = ["net.safetensors", { module = "mine.py:Wide" }, "previous", "/far/net.safetensors"]'
    text = CONFIG.replace('"own.py:Own"', f'"own.py:Own"\n{given}')
    Path("configs/own.toml").write_text(text)
    call("run", "configs/own.toml", "--out", "runs/one")
    seen = ["configs/net.safetensors", {"module": "configs/mine.py:Wide"}, "previous", "/far/net.safetensors"]
    assert bt.Result.load("runs/one").settings["scores"]["signal"]["start"] == seen
    saved = read_config(Path("runs/one/config.toml"))
    assert saved.signal is not None
    assert saved.signal.arguments["start"][:2] == [
        "../../configs/net.safetensors",
        {"module": "../../configs/mine.py:Wide"},
    ]
    call("run", "configs/own.toml", "--set", "signal.start=net.safetensors", "--out", "runs/two")
    assert bt.Result.load("runs/two").settings["scores"]["signal"]["start"] == "net.safetensors"


def test_the_folders_of_a_signal_count_from_that_of_the_config(tmp_path: Path) -> None:
    Path("configs").mkdir()
    keys = 'checkpoints = "kept"\ntensorboard = "board"'
    Path("configs/own.toml").write_text(CONFIG.replace('"own.py:Own"', f'"../own.py:Own"\n{keys}'))
    call("run", "configs/own.toml")
    ((folder, _, tensorboard),) = told()
    assert Path(folder).parent == tmp_path / "configs" / "kept"
    assert tensorboard == str(tmp_path / "configs" / "board")


def test_scores_of_the_cache_write_nothing_for_tensorboard() -> None:
    given = ("run", "own.toml", "--set", "signal.tensorboard=board")
    assert "TensorBoard" not in call(*given).output
    assert "Nothing was trained, so nothing is written for TensorBoard." in " ".join(call(*given).output.split())


@pytest.mark.parametrize(
    ("checkpoints", "said"),
    [("auto", "Interrupted; the same command goes on from what was kept."), ("off", "Interrupted.")],
)
def test_an_interrupt_says_how_to_go_on(checkpoints: str, said: str) -> None:
    Path("own.py").write_text(OWN.replace("    def predict(self, panel, rows):", STOPS))
    stopped = call("run", "own.toml", "--set", f"signal.checkpoints={checkpoints}", code=130)
    assert said in stopped.stderr.splitlines()
    assert not Path("runs").exists()
