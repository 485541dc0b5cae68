"""What `data info` says of a dataset, against a small one that can be counted by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner
from vendor_files import write

import backtester as bt
from backtester.cli.app import app
from backtester.errors import DataError
from backtester.market.extras import Extra
from backtester.market.info import describe_dataset, describe_panel, describe_symbol
from backtester.market.ingest import import_files

HEADER = "date,symbol,open,high,low,close,volume,Market Cap"
ROWS = [
    "2019-12-30,A,10,11,9,10,100,5",
    "2019-12-31,A,10,11,9,12,0,5",
    "2020-01-02,A,6,7,5,6,300,",
    "2020-01-03,A,6,7,5,9,400,6",
    "2019-12-30,B,20,21,19,20,100,",
    "2020-01-02,B,,21,19,20,100,",  # no bar of B on 2019-12-31, no open here
    "2020-01-03,B,20,21,19,0,100,",  # set aside
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BACKTESTER_CACHE", str(tmp_path / "cache"))
    bars = write(tmp_path / "bars.csv", HEADER, *ROWS)
    actions = write(tmp_path / "acts.csv", "date,symbol,split,dividend", "2020-01-02,A,2,", "2020-01-03,A,,0.5")
    sectors = write(tmp_path / "sectors.csv", "symbol,sector", "A,Energy")
    members = write(tmp_path / "members.csv", "symbol,start,end", "A,,", "B,2020-01-01,", "GONE,2019-01-01,2020-01-03")
    ends = write(tmp_path / "ends.csv", "symbol,end,delisting_return", "B,2020-01-02,-0.25")
    import_files(
        bars,
        tmp_path / "data",
        basis="as_traded",
        actions=actions,
        sectors=sectors,
        members=members,
        ends=ends,
    )
    return tmp_path / "data"


def test_the_facts_of_a_dataset(folder: Path) -> None:
    info = describe_dataset(folder)
    assert (info.basis, info.first, info.last, info.sessions, info.symbols) == (
        "as_traded", "2019-12-30", "2020-01-03", 4, 2,
    )  # fmt: skip
    # A has 4 bars of 4, B 2 of the 3 from its first to its last.
    assert (info.bars, info.present) == (6, 6 / 7)
    assert info.unknown == {"open": 1, "high": 0, "low": 0, "volume": 0}
    assert info.sectors == {"": 1, "Energy": 1}
    assert (info.splits, info.dividends, info.ends, info.losses) == (1, 1, 1, 1)
    assert info.quarantined == {"bars: close: not positive": 1}
    assert info.extra == {"market_cap": {"known": 3 / 6, "lag_sessions": 0, "lag_stated": False}}
    manifest = json.loads((folder / "manifest.json").read_text())
    assert info.fingerprint == manifest["fingerprint"]
    assert info.disk_bytes == sum(file.stat().st_size for file in folder.iterdir())
    assert info.sources[0].name == "bars.csv"
    assert {source.table for source in info.sources} == {"bars", "actions", "sectors", "members", "ends"}


def test_members_by_year_count_those_without_bars(folder: Path) -> None:
    """2019: A and GONE in both sessions. 2020: A, B and once GONE; B has no bar in the second session."""
    years = describe_dataset(folder).years
    assert [tuple(year) for year in years] == [(2019, 2, 2, 2.0, 1.0), (2020, 2, 2, 2.5, 1.5)]


def test_the_lines_of_a_dataset(folder: Path) -> None:
    text = "\n".join(describe_dataset(folder).lines())
    for words in (
        "2019-12-30 to 2020-01-03, 4 sessions",
        "6, 85.71% of those between each symbol's first and last",
        "1 without open",
        "1 split, 1 dividend",
        "Energy 1; 1 symbol without",
        "market_cap: 50.0% of the bars; no lag stated",
        "1 bars: close: not positive",
        "bars.csv (bars, 7 rows)",
    ):
        assert words in text, words


def test_lags_are_shown_as_they_were_stated(folder: Path, tmp_path: Path) -> None:
    """A column of the bars has a lag in sessions, a file of its own one in days."""
    facts = write(tmp_path / "facts.csv", "date,symbol,eps", "2019-11-16,A,1.5")  # known from 2019-12-31 on
    import_files(
        tmp_path / "bars.csv",
        tmp_path / "lagged",
        basis="as_traded",
        lags={"Market Cap": 1},
        extra=[Extra(facts, lag_days=45)],
    )
    info = describe_dataset(tmp_path / "lagged")
    # Of 6 bars, those of A in the second, third and fourth session know both.
    assert info.extra == {
        "eps": {"known": 3 / 6, "lag_days": 45},
        "market_cap": {"known": 2 / 6, "lag_sessions": 1, "lag_stated": True},
    }
    assert "extra       market_cap: 33.3% of the bars, known with a lag of 1 session" in info.lines()
    assert "extra       eps: 50.0% of the bars, known after 45 days" in info.lines()


def test_an_assumed_volume_is_named(folder: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "closes.csv", "date,symbol,open,close", "2020-01-02,A,10,11")
    import_files(source, tmp_path / "assumed", basis="as_traded", close_only=True, assume_volume=5000)
    assert describe_dataset(folder).assumed_volume is None
    assert "volume      assumed, 5,000 shares in every bar" in describe_dataset(tmp_path / "assumed").lines()


def test_long_lines_are_wrapped_between_words(folder: Path) -> None:
    info = describe_dataset(folder)
    many = replace(info, sectors={f"Sector number {k}": k for k in range(1, 11)})
    whole, narrow = many.lines(1000), many.lines(60)
    (line,) = [line for line in whole if line.startswith("sectors")]
    assert len(line) > 200
    first = next(k for k, one in enumerate(narrow) if one.startswith("sectors"))
    assert narrow[first + 1].startswith(" " * 12)
    assert " ".join(" ".join(narrow).split()) == " ".join(" ".join(whole).split())
    assert max(len(one) for one in narrow if len(one.split()) > 2) <= 60  # a path and a hash are one word


def test_the_facts_of_a_symbol(folder: Path) -> None:
    """A: 10, 12, then 6 after 2:1 (as 12), then 9 and a dividend of 0.5: 6 becomes 9.5. In all 12/10 * 9.5/6 = 1.9."""
    info = describe_symbol(bt.load_panel(folder), "A")
    assert (info.first, info.last, info.bars, info.missing) == ("2019-12-30", "2020-01-03", 4, 0)
    assert info.close == {"first": 10.0, "last": 9.0, "lowest": 6.0, "highest": 12.0}
    assert info.total_return == pytest.approx(0.9, abs=1e-12)
    assert (info.volume, info.zero_volume, info.member) == (200.0, 1, 4)
    assert (info.splits, info.dividends) == ({"2020-01-02": 2.0}, {"2020-01-03": 0.5})
    assert (info.end, info.delisting_return, info.sector) == (None, None, "Energy")
    assert info.extra == {"market_cap": 3}
    b = describe_symbol(bt.load_panel(folder), "B")
    assert (b.missing, b.member, b.end, b.delisting_return) == (1, 2, "2020-01-02", -0.25)
    assert any("ends        2020-01-02, delisting return -25.00%" in line for line in b.lines())


def test_an_unknown_symbol_is_an_error(folder: Path) -> None:
    with pytest.raises(DataError, match="no symbol 'C' in the panel"):
        describe_symbol(bt.load_panel(folder), "C")


def test_a_panel_in_memory_and_one_without_bars() -> None:
    info = describe_panel(bt.synthetic(20, 60, 0).panel)
    assert (info.path, info.disk_bytes, info.sources) == (None, None, ())
    assert len(info.sectors) > 1
    nothing = dict.fromkeys(("open", "high", "low", "close", "volume"), np.full((2, 1), np.nan))
    empty = bt.Panel.from_arrays(["2020-01-02", "2020-01-03"], ["A"], **nothing)
    assert (describe_panel(empty).bars, describe_panel(empty).present) == (0, 0.0)
    assert describe_symbol(empty, "A").lines() == ["symbol      A", "bars        none"]
    assert describe_panel(empty).lines()


def test_the_command(folder: Path) -> None:
    def call(*arguments: str) -> str:
        finished = CliRunner().invoke(app, ["data", "info", str(folder), *arguments])
        assert finished.exit_code == 0, finished.output
        return finished.stdout

    assert call().startswith(f"dataset     {folder}\nprices      as_traded\n")
    facts = json.loads(call("--json"))
    assert facts == json.loads(json.dumps(describe_dataset(folder).to_json()))
    assert facts["years"][0]["members"] == 2.0
    assert call("--symbol", "A").startswith("symbol      A, Energy\n")
    assert json.loads(call("--symbol", "B", "--json"))["delisting_return"] == -0.25
    wrong = CliRunner().invoke(app, ["data", "info", str(folder), "--symbol", "AA"])
    assert wrong.exit_code == 1
    assert "no symbol 'AA' in the panel. Did you mean 'A'?" in " ".join(wrong.stderr.split())
