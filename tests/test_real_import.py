"""The real files beside the project, imported and loaded (skipped where they are absent)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from backtester.market import store
from backtester.market.check import check_dataset
from backtester.market.dataset import load_panel
from backtester.market.ingest import ImportReport, import_files

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not there: ../shared/data")


@pytest.fixture(scope="module")
def sp500(tmp_path_factory: pytest.TempPathFactory) -> ImportReport:
    """505 stocks of the S&P 500, split-adjusted, with sectors and membership."""
    source = DATA / "sp500_2013_2018"
    return import_files(
        source / "all_stocks_5yr.csv.gz",
        tmp_path_factory.mktemp("sp500") / "data",
        basis="split_adjusted",
        sectors=source / "constituents.csv",
        members=source / "membership.csv",
    )


@pytest.fixture(scope="module")
def us(tmp_path_factory: pytest.TempPathFactory) -> ImportReport:
    """1,245 stocks and funds as traded, with their splits and dividends."""
    source = DATA / "us_2015_2017"
    out = tmp_path_factory.mktemp("us") / "data"
    return import_files(source / "bars.csv.gz", out, basis="as_traded", actions=source / "events.csv")


def test_sp500_counts(sp500: ImportReport) -> None:
    """Every row is kept, those without an open too; nobody has ended."""
    assert (sp500.rows, sp500.kept, sp500.symbols, sp500.sessions) == (619_040, 619_040, 505, 1_259)
    assert sp500.unknown == {"open": 11, "high": 8, "low": 8, "close": 0, "volume": 0}
    assert sp500.quarantined == {}
    assert sp500.ends_inferred == ()


def test_sp500_panel(sp500: ImportReport) -> None:
    """Bars, gaps, sectors and membership are where the files have them."""
    panel = load_panel(sp500.out)
    assert panel.shape == (1_259, 505)
    assert (~np.isnan(panel.close)).sum() == 619_040
    assert (panel.volume == 0).sum() == 4
    assert np.isnan(panel.close[0]).sum() == 29  # listed later
    assert panel.open[0, panel.index("AAL")] == 15.07
    assert panel.sectors[panel.index("AAPL")] == "Information Technology"
    # AMD left on 2013-09-23 and came back on 2017-03-20; PCLN is in the file of members under its later name only.
    left, back = np.searchsorted(panel.dates, np.array(["2013-09-23", "2017-03-20"], dtype="datetime64[D]"))
    member = panel.member[:, panel.index("AMD")]
    assert member[:left].all()
    assert not member[left:back].any()
    assert member[back:].all()
    assert not panel.member[:, panel.index("PCLN")].any()
    per_day = panel.member.sum(axis=1)
    assert per_day[0] == 389
    assert per_day[-1] == 499


@pytest.mark.parametrize("name", ["sp500", "us"])
def test_the_check_of_an_import_is_that_of_the_dataset(name: str, request: pytest.FixtureRequest) -> None:
    """What an import finds before it writes is what a check finds afterwards, and what the folder holds."""
    report = request.getfixturevalue(name)
    assert report.check.problems
    again = check_dataset(report.out).to_json()
    assert report.check.to_json() == again
    assert json.loads((report.out / "check.json").read_text(encoding="utf-8")) == again


@pytest.mark.parametrize("name", ["sp500", "us"])
def test_layouts_make_no_difference(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """The real bars again as one file a symbol, in Parquet: the same dataset but for its lists."""
    report = request.getfixturevalue(name)
    bars = pd.read_parquet(report.out / "bars.parquet")
    for symbol, own in bars.groupby("symbol"):
        own.drop(columns="symbol").to_parquet(tmp_path / f"{symbol}.parquet", index=False)
    again = import_files(tmp_path, tmp_path / "out", basis=report.basis, check=False)
    assert again.layout == "per-symbol"
    assert store.sha256_of(tmp_path / "out/bars.parquet") == store.sha256_of(report.out / "bars.parquet")


def test_us_counts(us: ImportReport) -> None:
    """All rows but 11 with prices of zero are kept; the 142 early endings are inferred; all events are usable."""
    assert (us.rows, us.kept, us.symbols, us.sessions) == (569_554, 569_543, 1_245, 513)
    assert us.quarantined == {"bars: open: not positive": 11}
    assert len(us.ends_inferred) == 142
    assert us.actions == {"splits": 49, "dividends": 5_662, "rolled": 0, "outside": 0, "without_bar": 0}


def test_us_endings_are_the_symbols_without_recent_bars(us: ImportReport) -> None:
    """Those whose last bar is before 2017-03-24 or 5 sessions back, which is the same here; none is open in a head."""
    panel = load_panel(us.out)
    known = ~np.isnan(panel.close)
    last = panel.dates[len(panel.dates) - 1 - known[::-1].argmax(axis=0)]
    early = np.flatnonzero(last < np.datetime64("2017-03-24"))
    assert sorted(panel.ends.symbol) == early.tolist()
    np.testing.assert_array_equal(panel.ends.date, last[panel.ends.symbol])
    np.testing.assert_array_equal(panel.dates[panel.ends.row - 1], panel.ends.date)
    middle = len(panel.dates) // 2
    assert (panel.head(middle).ends.date < panel.dates[middle]).all()


def test_us_splits_and_dividends_leave_no_jump(us: ImportReport) -> None:
    """Over a two-for-one split the close halves and the total return does not."""
    panel = load_panel(us.out)
    t, i = np.searchsorted(panel.dates, np.datetime64("2016-10-06")), panel.index("AOS")
    assert panel.close[t, i] / panel.close[t - 1, i] < 0.55
    assert abs(panel.returns[t, i]) < 0.05
    split = panel.actions.split != 1
    moves = panel.returns[panel.actions.row[split], panel.actions.symbol[split]]
    assert np.median(np.abs(moves)) < 0.05


@pytest.mark.parametrize("name", ["sp500", "us"])
def test_loaded_twice_it_is_the_same(name: str, request: pytest.FixtureRequest) -> None:
    """The second load comes from the cache with the same content."""
    folder = request.getfixturevalue(name).out
    first, second = load_panel(folder), load_panel(folder)
    said = second.fingerprint
    del second.__dict__["fingerprint"]
    assert said == second.fingerprint == first.fingerprint
    for column in ("open", "high", "low", "close", "volume", "member"):
        np.testing.assert_array_equal(getattr(first, column), getattr(second, column))
