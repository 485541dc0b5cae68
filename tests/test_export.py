"""Runs written for other libraries: files, folders, the page about them and the command."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from command_line import call
from exported import random_market, random_run
from results import make_result
from typer import Typer
from typer.testing import CliRunner

import backtester as bt
import strategies
from backtester.cli.exporting import export as export_command
from backtester.errors import ConfigError, RunError
from backtester.result.export import FORMATS, NOTE, export
from backtester.result.interchange import alphalens, pyfolio, quantstats, quantstats_benchmark

ROOT = Path(__file__).resolve().parents[1]
# Sums of some tens of amounts up to 1e6, each rounded to 1e-16 of it.
CENTS = 1e-8


@pytest.fixture(scope="module")
def made() -> bt.Result:
    return random_run()


def test_an_export_reads_back(made, tmp_path) -> None:
    scores = random_market().score
    files = export(made, tmp_path / "out", scores=scores)
    assert sorted(path.name for path in files) == sorted(path.name for path in (tmp_path / "out").iterdir())
    read = {path.stem: pd.read_parquet(path) for path in files if path.suffix == ".parquet"}
    returns, positions, transactions = pyfolio(made)
    assert read["pyfolio_returns"].set_index("date")["returns"].equals(returns)
    assert read["pyfolio_positions"].set_index("date").equals(positions)
    assert read["pyfolio_transactions"].set_index("date").equals(transactions)
    assert read["quantstats"].set_index("date")["returns"].equals(quantstats(made).rename("returns"))
    assert read["quantstats"].set_index("date")["benchmark"].equals(quantstats_benchmark(made).rename("benchmark"))
    assert read["alphalens"].set_index(["date", "asset"]).equals(alphalens(made.source, scores))
    assert read["returns"]["equity"].tolist() == made.equity.tolist()
    assert read["trades"]["net"].tolist() == made.trades["net"].tolist()
    assert read["fills"]["price"].tolist() == made.fills["price"].tolist()
    assert read["events"]["event"].tolist() == made.events["event"].tolist()
    long = read["positions"]
    wide = long.pivot(index="date", columns="symbol", values="shares").fillna(0.0)
    held = made.positions.loc[:, (made.positions != 0).any()]
    assert wide.to_numpy().tolist() == held[(held != 0).any(axis=1)].to_numpy().tolist()
    summed = long.groupby("date")["value"].sum() + made.ledger["cash"].to_numpy()[-len(wide) :]
    assert summed.to_numpy() == pytest.approx(made.equity.to_numpy()[-len(wide) :], abs=CENTS)
    assert (long["weight"] * long["date"].map(made.equity.set_axis(made.dates.tolist()))).to_numpy() == pytest.approx(
        long["value"].to_numpy(), abs=CENTS
    )


def test_other_readers_find_plain_types(made, tmp_path) -> None:
    """No metadata of one library, days as days, times in UTC."""
    export(made, tmp_path / "out")
    for name, column, kind in (
        ("positions", "date", "date32[day]"),
        ("trades", "opened", "date32[day]"),
        ("events", "date", "date32[day]"),
        ("pyfolio_returns", "date", "timestamp[ns, tz=UTC]"),
        ("quantstats", "date", "timestamp[ns]"),
    ):
        schema = pq.read_schema(tmp_path / f"out/{name}.parquet")
        assert str(schema.field(column).type) == kind
        assert b"pandas" not in (schema.metadata or {})


def test_an_export_leaves_alone_what_is_none(made, tmp_path) -> None:
    place = tmp_path / "out"
    export(made, place, ["quantstats"])
    with pytest.raises(RunError, match="holds an export already"):
        export(made, place, ["parquet"])
    export(made, place, "parquet", overwrite=True)
    assert {path.name for path in place.iterdir()} == {
        "returns.parquet", "positions.parquet", "fills.parquet", "trades.parquet", "events.parquet", NOTE
    }  # fmt: skip
    (place / "mine.txt").write_text("notes")
    with pytest.raises(RunError, match=r"no export: mine\.txt"):
        export(made, place, overwrite=True)
    made.save(tmp_path / "run")
    with pytest.raises(RunError, match="no export"):
        export(made, tmp_path / "run", overwrite=True)
    with pytest.raises(RunError, match="is a file"):
        export(made, tmp_path / "out/mine.txt")


def test_an_export_is_whole_or_not_there(made, tmp_path, monkeypatch) -> None:
    written = []

    def fail(table, path, **options):
        written.append(path)
        if len(written) == 3:
            raise OSError("the disk is full")
        path.write_bytes(b"")

    monkeypatch.setattr(pq, "write_table", fail)
    with pytest.raises(RunError, match="disk is full"):
        export(made, tmp_path / "deep/out")
    assert list(tmp_path.iterdir()) == []


def test_formats(made, tmp_path) -> None:
    assert FORMATS == ("pyfolio", "quantstats", "parquet", "alphalens")
    assert [path.stem for path in export(made, tmp_path / "a")][:4] == [
        "quantstats", "pyfolio_returns", "pyfolio_positions", "pyfolio_transactions"
    ]  # fmt: skip
    with pytest.raises(ConfigError, match=r"format is 'quantstat'.*Did you mean 'quantstats'"):
        export(made, tmp_path / "b", ["quantstat"])
    with pytest.raises(ConfigError, match="formats is empty"):
        export(made, tmp_path / "b", [])
    with pytest.raises(RunError, match="scores, and those of this run are not known"):
        export(made, tmp_path / "b", ["alphalens"])
    with pytest.raises(RunError, match="does not hold its market data"):
        export(make_result(), tmp_path / "b")
    assert not (tmp_path / "b").exists()
    assert len(export(make_result(), tmp_path / "b", ["quantstats"])) == 2


def test_scores_and_fill_are_those_of_the_run(tmp_path) -> None:
    market = bt.synthetic(12, 60, seed=2)
    scores = bt.Scores(market.score, market.panel.dates, market.panel.symbols)
    strategy = strategies.RankedLongShort(long=3, short=3)
    result = bt.run(market.panel, strategy, scores=scores, cash=1e6, execution=bt.Execution(fill="close"))
    export(result, tmp_path / "out", periods=[2], quantiles=3)
    read = pd.read_parquet(tmp_path / "out/alphalens.parquet").set_index(["date", "asset"])
    assert read.equals(alphalens(market.panel, market.score, periods=[2], quantiles=3, fill="close"))


def test_the_page_runs(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs/interchange.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    exec(compile("\n".join(re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)), "interchange.md", "exec"), names)
    assert [path.name for path in names["files"]][-2:] == ["alphalens.parquet", NOTE]


def test_the_page_reads_files_as_the_peer_does() -> None:
    page = (ROOT / "docs/interchange.md").read_text(encoding="utf-8")
    script = (ROOT / "benchmarks/peers/exports.py").read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"^```py\n(.*?)^```$", page, re.M | re.S) for line in block.splitlines()]
    assert len(lines) == 8
    read = [line.removeprefix("table = ").strip() for line in lines]
    assert [line for line in read if line not in script] == []


def test_the_command(own_folder) -> None:
    app = Typer()
    app.command()(export_command)

    def typed(*arguments: str, error: type[Exception] | None = None) -> str:
        finished = CliRunner().invoke(app, list(arguments))
        assert (None if finished.exception is None else type(finished.exception)) == error, finished.exception
        return finished.output if error is None else str(finished.exception)

    call("run", "small.toml", "--out", "runs/one")
    assert "alphalens.parquet" in typed("one", "--out", "out")  # the synthetic market has its scores
    assert typed("one", "--out", "out", "--format", "quantstats", "--overwrite", "--json").startswith("{")
    assert sorted(path.name for path in Path("out").iterdir()) == [NOTE, "quantstats.parquet"]
    assert "holds an export already" in typed("one", "--out", "out", error=RunError)
    assert "Did you mean" in typed("one", "--out", "new", "--format", "quantstat", error=ConfigError)
    Path("runs/one/config.toml").unlink()
    assert "--data DIR" in typed("one", "--out", "new", error=RunError)
    assert "quantstats.parquet" in typed("one", "--out", "series", "--format", "quantstats")
    call("data", "synth", "--symbols", "24", "--sessions", "90", "--seed", "3", "--out", "market")
    call("data", "synth", "--symbols", "24", "--sessions", "90", "--seed", "4", "--out", "other")
    assert "returns.parquet" in typed("one", "--out", "new", "--data", "market")
    assert not Path("new/alphalens.parquet").exists()
    typed("one", "--out", "newer", "--data", "market", "--scores", "market/score.parquet")
    assert Path("newer/alphalens.parquet").exists()
    call("run", "small.toml", "--set", "data.start=2015-02-02", "--out", "runs/later")
    typed("later", "--out", "later/config")
    typed("later", "--out", "later/data", "--data", "market")
    for file in Path("later/data").glob("*.parquet"):
        assert file.read_bytes() == (Path("later/config") / file.name).read_bytes()
    assert "another fingerprint" in typed("later", "--out", "none", "--data", "other", error=RunError)
