"""What columns of hostile files mean: extra files, text among numbers, orders of dates, lags and names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from vendor_files import DAYS, HEADER, bars, imported, lines, quarantined, write

from backtester.cli.importing import read_lags
from backtester.errors import ConfigError, DataError
from backtester.market import gather
from backtester.market.extras import Extra
from backtester.market.ingest import import_files

pytestmark = pytest.mark.usefixtures("own_cache")


def test_extra_files_of_different_columns_live_together(tmp_path: Path) -> None:
    """A file a column, with the same dates and symbols: each value counts; rows are judged column by column."""
    path = bars(tmp_path / "a.csv", *lines("A"))
    folder = tmp_path / "fund"
    folder.mkdir()
    write(folder / "pb.csv", "date,symbol,pb,roe", "2020-01-02,A,1,5", "2020-01-02,A,2,5", "2020-01-04,A,3,")
    write(folder / "pe.csv", "date,symbol,pe", "2020-01-02,A,7", "2020-01-02,A,7")
    write(folder / "README.txt", "Prose.")
    write(folder / "q.csv", "date,symbol,q", "2020-01-02,A,1", "2020-01-02,A,2")
    report, panel = imported(tmp_path, path, extra=[Extra(folder, 0)], check=False)
    assert panel.extra["pe"][0, 0] == 7
    assert panel.extra["roe"][0, 0] == 5
    assert np.isnan(panel.extra["pb"][1, 0])
    assert panel.extra["pb"][2, 0] == 3
    assert quarantined(tmp_path / "out") == [
        ("extra", "pb.csv", 1, f"pb: {gather.CONFLICT}"),
        ("extra", "pb.csv", 2, f"pb: {gather.CONFLICT}"),
        ("extra", "pe.csv", 2, gather.TWICE),
        ("extra", "q.csv", 1, f"q: {gather.CONFLICT}"),
        ("extra", "q.csv", 2, f"q: {gather.CONFLICT}"),
    ]
    assert "README.txt left alone: it holds no table" in report.lines()
    assert "column 'q' of q.csv left out: several values of each date and symbol differ" in report.lines()


def test_text_in_an_extra_column_does_not_depend_on_files(tmp_path: Path) -> None:
    """The same rows in one file and in two give the same dataset: the column is left out of both."""
    rows = [f"{line},{'x' if k == 9 else k}" for k, line in enumerate(lines("A"))]
    others = [f"{line},1" for line in lines("B")]
    header = f"{HEADER},pe"
    whole = write(tmp_path / "whole.csv", header, *rows, *others)
    one, two = write(tmp_path / "one.csv", header, *rows), write(tmp_path / "two.csv", header, *others)
    a = import_files(whole, tmp_path / "a", basis="as_traded", check=False)
    b = import_files([one, two], tmp_path / "b", basis="as_traded", check=False)
    assert a.fingerprint == b.fingerprint
    assert "column 'pe' of one.csv left out: row 10 holds 'x', which is no finite number" in b.lines()


def test_a_bad_cell_of_a_further_wide_file_costs_no_bar(tmp_path: Path) -> None:
    """The cell is unknown, and set aside with its reason."""
    folder = tmp_path / "files"
    folder.mkdir()
    write(folder / "close.csv", "date,A,B", "2020-01-02,1,2", "2020-01-03,1,2")
    write(folder / "pe.csv", "date,A,B", "2020-01-02,n.m.,2", "2020-01-03,1,inf")
    report, panel = imported(tmp_path, folder, check=False)
    assert (report.rows, report.kept) == (4, 4)
    assert np.isnan(panel.extra["pe"]).tolist() == [[True, False], [False, True]]
    assert report.quarantined == {"bars: pe: infinite": 1, "bars: pe: not a number": 1}


def test_a_company_name_is_no_symbol(tmp_path: Path) -> None:
    """Where there is a code as well; the report says what was taken for what."""
    path = write(tmp_path / "a.csv", "day,code,name,open,prc,volume", "2020-01-02,A,Acme,1,1,1")
    report, panel = imported(tmp_path, path, check=False)
    assert panel.symbols == ("A",)
    assert "columns: date from 'day', symbol from 'code', close from 'prc'" in report.lines()


def test_views_of_strings_are_strings(tmp_path: Path) -> None:
    """Newer writers of Parquet use them."""
    names = pa.array(["A", "B", "A"], pa.string_view())
    days = pa.array(["2020-01-02", "2020-01-02", "bad"], pa.string_view())
    ones = pa.array([1.0, 1.0, 1.0])
    pq.write_table(
        pa.table({"date": days, "symbol": names, "open": ones, "close": ones, "volume": ones}), tmp_path / "a.parquet"
    )
    report, panel = imported(tmp_path, tmp_path / "a.parquet", check=False)
    assert panel.symbols == ("A", "B")
    assert report.quarantined == {"bars: date: not a date": 1}


def test_an_adjusted_close_alone_is_no_close(tmp_path: Path) -> None:
    """The message says why; beside a close it is kept, and not called known."""
    path = write(tmp_path / "a.csv", "date,symbol,open,Adj Close,volume", "2020-01-02,A,1,1,1")
    with pytest.raises(DataError, match=r"no close, only 'Adj Close'.*restates it.*total_return"):
        import_files(path, tmp_path / "out", basis="as_traded")
    path = write(tmp_path / "a.csv", "date,symbol,open,close,Adj Close,volume", "2020-01-02,A,1,1,1,1")
    report, _ = imported(tmp_path, path, check=False)
    said = [line for line in report.lines() if "adj_close_vendor:" in line]
    assert len(said) == 1
    assert "hindsight" in said[0]
    assert "never a feature" in said[0]
    assert "known at the close" not in report.summary()


# --- Order of day and month, lags, names


def test_all_dates_settle_the_order_of_day_and_month(tmp_path: Path) -> None:
    """Bars settle that of a list, a list that of the bars, and either that of an extra file; both are held together."""
    turned = [f"{day[8:]}/{day[5:7]}/{day[:4]},A,10,11,9,10,100" for day in DAYS]  # 02/01/2020 to 11/01/2020
    path = bars(tmp_path / "a.csv", *turned)
    with pytest.raises(DataError, match=r"a.csv, row \d+: .* may be day/month or month/day"):
        import_files(path, tmp_path / "out", basis="as_traded")
    members = write(tmp_path / "m.csv", "symbol,start,end", "A,25/12/2019,05/01/2020")
    extra = write(tmp_path / "e.csv", "date,symbol,pe", "04/01/2020,A,3")
    sectors = write(tmp_path / "s.csv", "symbol,sector,date", "A,Energy,01/14/2020")  # of no meaning there
    more = {"members": members, "sectors": sectors, "extra": [Extra(extra, 0)]}
    _, panel = imported(tmp_path, path, check=False, **more)
    assert [str(day) for day in panel.dates] == DAYS
    assert panel.member[:, 0].tolist() == [True] * 3 + [False] * 7  # removed on the 5th
    assert np.isnan(panel.extra["pe"][:, 0]).tolist() == [True] * 2 + [False] * 8
    wrong = write(tmp_path / "m.csv", "symbol,start,end", "A,12/25/2019,")
    with pytest.raises(DataError, match=r"a.csv, row 12: 13/01/2020 can only be day/month, but m.csv, row 1"):
        import_files(
            bars(tmp_path / "a.csv", *turned, "12/01/2020,A,1,1,1,1,1", "13/01/2020,A,1,1,1,1,1"),
            tmp_path / "o",
            basis="as_traded",
            members=wrong,
        )
    write(tmp_path / "e.csv", "date,symbol,pe", "01/14/2020,A,3")
    write(tmp_path / "m.csv", "symbol,start,end", "A,25/12/2019,")
    with pytest.raises(DataError, match=r"m.csv, row 1.*can only be day/month, but e.csv, row 1"):
        import_files(
            bars(tmp_path / "a.csv", *turned), tmp_path / "o", basis="as_traded", members=wrong, extra=[Extra(extra, 0)]
        )


@pytest.mark.parametrize(
    ("files", "lags", "message"),
    [
        (["a/pe.csv", "b/pe.csv"], ["pe.csv=1"], r"may be for a/pe.csv and b/pe.csv; write the path"),
        (["pe.csv"], ["45", "pe=1"], r"may be for the file pe.csv or for a column 'pe'"),
        (["pe.csv"], ["1", "2"], r"--lag 2: a lag of all --extra files is stated already"),
        (["pe.csv"], ["pe.csv=1", "pe.csv=2"], r"a lag of pe.csv is stated already"),
        ([], ["pe=1", "pe=2"], r"a lag of pe is stated already"),
    ],
)
def test_lags_that_may_mean_two_things(files: list[str], lags: list[str], message: str) -> None:
    """Are refused, and the message says how each of them is written."""
    with pytest.raises(ConfigError, match=message):
        read_lags([Path(name) for name in files], lags)


def test_lags_by_path() -> None:
    """Two files of the same name are told apart by theirs."""
    one, two = Path("a/pe.csv"), Path("b/pe.csv")
    assert read_lags([one, two], ["a/pe.csv=1", "b/pe.csv=2"])[0] == [Extra(one, 1), Extra(two, 2)]


def test_files_of_the_same_symbol(tmp_path: Path) -> None:
    """Two that disagree are named; two named after years are taken for two symbols, and the report says so."""
    header = "date,open,close,volume"
    for name, close in (("a/AAPL", 1), ("b/AAPL", 2), ("y/AAPL_2020", 1), ("y/AAPL_2021", 1)):
        (tmp_path / "files" / name).parent.mkdir(parents=True, exist_ok=True)
        write(tmp_path / f"files/{name}.csv", header, f"2020-01-02,1,{close},1")
    with pytest.raises(DataError, match=r"AAPL.csv and .*AAPL.csv both hold AAPL; keep the right one.$"):
        import_files([tmp_path / "files/a", tmp_path / "files/b"], tmp_path / "o", basis="as_traded")
    report, _ = imported(tmp_path, tmp_path / "files/y", check=False)
    assert any(line.startswith("AAPL_2020 and AAPL_2021 are taken for symbols of their own") for line in report.notes)
