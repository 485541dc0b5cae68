"""``new strategy``: what it writes, and the names it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ROOT, call, refused

pytestmark = pytest.mark.usefixtures("own_folder")


def test_new_strategy_runs_at_once_and_is_never_overwritten() -> None:
    finished = call("new", "strategy", "mean-reversion")
    assert "python -m backtester run mean_reversion.toml" in finished.output
    assert "class MeanReversion(bt.Strategy)" in Path("mean_reversion.py").read_text()
    call("run", "mean_reversion.toml", "--set", "data.synthetic.sessions=60")
    Path("mean_reversion.py").unlink()
    assert "mean_reversion.toml exists already" in refused("new", "strategy", "MeanReversion")
    assert not Path("mean_reversion.py").exists()
    call("new", "strategy", "RSI2", "--dir", "ideas")
    assert Path("ideas/rsi_2.py").exists()


@pytest.mark.parametrize("name", ["momentum2", "A very long name for a strategy", "x"])
def test_what_new_strategy_writes_is_clean(name: str) -> None:
    pytest.importorskip("ruff")
    call("new", "strategy", name)
    (file,) = Path().glob("*.py")
    for command in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        line = [sys.executable, "-m", "ruff", *command, "--config", str(ROOT / "pyproject.toml"), str(file)]
        checked = subprocess.run(line, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("class", "class is a word of Python"),
        ("None", "None is a word of Python"),
        ("numpy", "would hide the module numpy"),
        ("Pandas", "would hide the module pandas"),
        ("backtester", "would hide the module backtester"),
        ("strategies", "would hide the module strategies"),
        ("json", "would hide the module json"),
        ("rich", "would hide the module rich"),
    ],
)
def test_names_that_are_taken(name: str, reason: str) -> None:
    assert reason in refused("new", "strategy", name)
    assert not list(Path().glob("*.py"))


@pytest.mark.parametrize("name", ["3ducks", "a/b", "../x", "naïve", ""])
def test_names_that_are_none(name: str) -> None:
    assert "is no name for a strategy" in refused("new", "strategy", name)
