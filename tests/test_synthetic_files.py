"""A synthetic market as a dataset folder: what is read back is what was drawn, and the command says what it wrote."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from backtester.cli.app import app
from backtester.cli.synth import synth
from backtester.errors import ConfigError, DataError
from backtester.market.check import check_dataset
from backtester.market.dataset import load_panel
from backtester.market.synthetic import KINDS, synthetic
from backtester.market.synthetic_files import write_synthetic

SMALL: dict[str, Any] = {"symbols": 20, "sessions": 150, "seed": 5}


pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_read_is_what_was_drawn(tmp_path: Path, kind: str) -> None:
    """Panel and score, to the bit; a universe that changes too."""
    given = {**SMALL, "kind": kind, "members": 0.5, "listings": 0.3, "endings": 0.3, "missing": 0.01}
    report = write_synthetic(tmp_path / "made", **given)
    market = synthetic(**given)
    panel = load_panel(tmp_path / "made")
    assert panel.fingerprint == market.panel.fingerprint
    assert not panel.member.all()
    rows = pd.read_parquet(tmp_path / "made/score.parquet")
    assert rows.columns.to_list() == ["date", "symbol", "score"]
    assert list(zip(rows["date"], rows["symbol"], strict=True)) == sorted(
        zip(rows["date"], rows["symbol"], strict=True)
    )
    rows["date"] = pd.to_datetime(rows["date"])
    score = rows.pivot(index="date", columns="symbol", values="score").reindex(
        index=pd.DatetimeIndex(panel.dates), columns=list(panel.symbols)
    )
    np.testing.assert_array_equal(score.to_numpy(), market.score)
    known = ~np.isnan(panel.close)
    assert report.counts["bars"] == known.sum()
    assert report.counts["ended"] == len(panel.ends.symbol)


def test_the_report_counts(tmp_path: Path) -> None:
    """What was drawn, and the arguments with their defaults."""
    given = {**SMALL, "listings": 0, "endings": 0, "missing": 0, "splits": 1, "payers": 0}
    report = write_synthetic(tmp_path / "made", **given)
    assert report.counts == {"bars": 3000, "missing": 0, "later": 0, "ended": 0, "splits": 20, "dividends": 0}
    manifest = json.loads((tmp_path / "made/manifest.json").read_text())
    assert manifest["synthetic"] == report.arguments
    assert report.arguments == {
        **{"rank_ic": 0.03, "kind": "linear", "start": "2015-01-02", "regimes": 1.0, "tails": 0.12, "members": 1.0},
        **given,
    }
    assert manifest["fingerprint"] == report.fingerprint
    assert manifest["counts"]["bars"] == 3000
    assert report.lines()[0].startswith("3,000 bars made up: 20 symbols, 150 sessions, 2015-01-02 to 2015-07-30")


def test_the_same_arguments_give_the_same_files(tmp_path: Path) -> None:
    """To the byte, whatever the type of the numbers; another seed another fingerprint."""
    write_synthetic(tmp_path / "one", **SMALL)
    write_synthetic(tmp_path / "two", symbols=np.int64(20), sessions=150, seed=np.uint8(5))
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name
    other = write_synthetic(tmp_path / "other", **{**SMALL, "seed": 6})
    assert other.fingerprint not in (tmp_path / "one/manifest.json").read_text()


def test_nothing_is_replaced_unless_told(tmp_path: Path) -> None:
    """A dataset only with overwrite, anything else never, and a wrong argument leaves what stands."""
    made = tmp_path / "made"
    first = write_synthetic(made, **SMALL)
    with pytest.raises(DataError, match="holds a dataset already"):
        write_synthetic(made, **SMALL)
    with pytest.raises(ConfigError, match="kind 'linaer' is none of"):
        write_synthetic(made, overwrite=True, **SMALL, kind="linaer")
    assert json.loads((made / "manifest.json").read_text())["fingerprint"] == first.fingerprint
    second = write_synthetic(made, overwrite=True, **{**SMALL, "seed": 6})
    assert load_panel(made).fingerprint == synthetic(**{**SMALL, "seed": 6}).panel.fingerprint
    assert second.fingerprint != first.fingerprint
    (tmp_path / "else").mkdir()
    (tmp_path / "else/thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="no dataset, so it is left alone"):
        write_synthetic(tmp_path / "else", overwrite=True, **SMALL)
    with pytest.raises(DataError, match="is a file"):
        write_synthetic(tmp_path / "else/thesis.txt", overwrite=True, **SMALL)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "cache") == ["else", "made"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_the_check_finds_what_was_planted_and_no_more(tmp_path: Path, kind: str, seed: int) -> None:
    """Of markets as they are by default: nothing that would be wrong in a real one."""
    write_synthetic(tmp_path / "made", symbols=100, sessions=1000, seed=seed, kind=kind, members=0.9)
    problems = check_dataset(tmp_path / "made").problems
    assert {problem.severity for problem in problems} <= {"note"}
    planted = {"never_member", "missing_bars", "late_listing", "action_without_bar"}
    assert {problem.kind for problem in problems} <= planted


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes, says so, refuses to replace, and a run takes the score from the folder."""
    monkeypatch.chdir(tmp_path)
    run = CliRunner()
    wanted = ["data", "synth", "--out", "made", "--symbols", "20", "--sessions", "150", "--seed", "5"]
    done = run.invoke(app, [*wanted, "--kind", "order", "--rank-ic", "0.1"])
    assert done.exit_code == 0, done.output
    assert "kind order, a rank IC of 0.1 planted, seed 5" in done.stdout
    market = synthetic(20, 150, 5, kind="order", rank_ic=0.1)
    assert load_panel("made").fingerprint == market.panel.fingerprint
    again = run.invoke(app, wanted)
    assert again.exit_code == 1
    assert "--overwrite" in again.stderr
    wrong = run.invoke(app, [*wanted, "--overwrite", "--endings", "7"])
    assert wrong.exit_code == 1
    assert "endings 7.0 is out of reach" in wrong.stderr
    assert load_panel("made").fingerprint == market.panel.fingerprint
    machine = run.invoke(app, [*wanted, "--overwrite", "--kind", "noise", "--json"])
    assert json.loads(machine.stdout)["arguments"]["kind"] == "noise"
    (tmp_path / "trial.toml").write_text(
        '[data]\npath = "made"\n[scores]\npath = "made/score.parquet"\n'
        '[strategy]\nclass = "strategies:RankedLongShort"\nlong = 5\nshort = 5\n'
    )
    ran = run.invoke(app, ["run", "trial.toml"])
    assert ran.exit_code == 0, ran.output


def test_the_command_has_every_argument() -> None:
    """With the same defaults."""
    command = {name: one.default for name, one in inspect.signature(synth).parameters.items()}
    library = {name: one.default for name, one in inspect.signature(synthetic).parameters.items()}
    assert {name: command[name] for name in library} == library
