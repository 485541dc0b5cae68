"""The command line as a test types it."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner
from typer.testing import Result as Finished

from backtester.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
CONFIG = """\
[data]
synthetic = { symbols = 24, sessions = 90, seed = 3 }

[strategy]
class = "strategies:RankedLongShort"
long = 5
short = 5

[run]
name = "small"
"""


def call(*arguments: str, code: int = 0) -> Finished:
    finished = CliRunner().invoke(app, list(arguments))
    shown = f"{finished.output}\n{finished.exception!r}"
    assert finished.exit_code == code, shown
    if code == 0:
        assert finished.exception is None, shown
    return finished


def refused(*arguments: str) -> str:
    """What is printed when a command fails as it should: one message, no traceback."""
    text = " ".join(call(*arguments, code=1).stderr.split())
    assert text.startswith("Error: ")
    assert "Traceback" not in text
    return text


def run_folders() -> list[Path]:
    """The folders of the runs; beside them lies the ledger of trials."""
    return [path for path in Path("runs").iterdir() if path.is_dir()]


def only_run() -> Path:
    (found,) = run_folders()
    return found
