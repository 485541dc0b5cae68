"""Layouts of files: long, one per symbol, wide; folders, patterns, zips, hive partitions; and what is not clear."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from vendor_files import HEADER, TRICKY, bars, imported, quarantined, write

from backtester.errors import DataError
from backtester.market import sources, tables
from backtester.market.dataset import load_panel
from backtester.market.ingest import ImportReport, import_files

FIELDS = ("open", "high", "low", "close", "volume")


pytestmark = pytest.mark.usefixtures("own_cache")


def market() -> pd.DataFrame:
    """Twelve sessions of five symbols whose names readers lose, with gaps: NULL has no bar on two days."""
    random = np.random.default_rng(0)
    days = pd.date_range("2020-01-01", periods=12).strftime("%Y-%m-%d")
    frame = pd.MultiIndex.from_product([days, TRICKY], names=["date", "symbol"]).to_frame(index=False)
    for name in FIELDS:
        frame[name] = random.integers(100, 999, len(frame)) / 4
    return frame.drop([2, 7]).reset_index(drop=True)


def write_as(layout: str, folder: Path) -> Path:
    """That market as files of a layout, below a folder; what is to be imported."""
    frame = market()
    folder.mkdir()
    if layout == "long":
        frame.to_csv(folder / "all.csv", index=False)
    elif layout == "two long files":
        frame[:20].to_csv(folder / "1.csv", index=False)
        frame[20:].to_parquet(folder / "2.parquet", index=False)
    elif layout == "per symbol":
        for name, own in frame.groupby("symbol"):
            own.drop(columns="symbol").to_csv(folder / f"{name}.csv", index=False)
    elif layout == "per symbol, packed":
        for name, own in frame.groupby("symbol"):
            text = own.drop(columns="symbol").to_csv(index=False)
            (folder / f"{name}.csv.gz").write_bytes(gzip.compress(text.encode()))
    elif layout == "per symbol, Parquet with an index":
        for name, own in frame.groupby("symbol"):
            own = own.drop(columns="symbol").set_index("date")
            own.index = pd.DatetimeIndex(own.index, name=None)
            own.to_parquet(folder / f"{name}.parquet")
    elif layout == "wide":
        for name in FIELDS:
            frame.pivot(index="date", columns="symbol", values=name).to_csv(folder / f"{name}.csv")
    elif layout == "wide, Parquet":
        for name in FIELDS:
            frame.pivot(index="date", columns="symbol", values=name).to_parquet(
                folder / f"SP500_{name.title()}.parquet"
            )
    elif layout == "wide, by year":
        for name in FIELDS:
            (folder / name).mkdir()
            table = frame.pivot(index="date", columns="symbol", values=name)
            table[:6].to_csv(folder / name / "1.csv")
            table[6:].to_csv(folder / name / "2.csv")
    elif layout == "hive":
        for name, own in frame.groupby("symbol"):
            place = folder / f"symbol={name}" / "year=2020"
            place.mkdir(parents=True)
            own.drop(columns="symbol").to_parquet(place / "part-0.parquet", index=False)
    elif layout == "zip":
        with zipfile.ZipFile(folder / "all.zip", "w") as archive:
            archive.writestr("__MACOSX/NA.csv", "x")
            archive.writestr("about.md", "x")
            for name, own in frame.groupby("symbol"):
                archive.writestr(f"daily/{name}.csv", own.drop(columns="symbol").to_csv(index=False))
    elif layout == "a pattern":
        frame.to_csv(folder / "prices.csv", index=False)
        write(folder / "sectors.csv", "symbol,sector", "NA,x")
        return folder / "pri*.csv"
    return folder


LAYOUTS = {
    "long": "long",
    "two long files": "long",
    "per symbol": "per-symbol",
    "per symbol, packed": "per-symbol",
    "per symbol, Parquet with an index": "per-symbol",
    "wide": "wide",
    "wide, Parquet": "wide",
    "wide, by year": "wide",
    "hive": "long",
    "zip": "per-symbol",
    "a pattern": "long",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_dataset(tmp_path: Path, layout: str) -> None:
    """The same bars in another arrangement are the same bytes; the layout is found out and said."""
    plain = import_files(write_as("long", tmp_path / "plain"), tmp_path / "a", basis="as_traded", check=False)
    if layout == "long":
        assert load_panel(tmp_path / "a").symbols == tuple(TRICKY)
        assert plain.kept == 58
    report = import_files(write_as(layout, tmp_path / "files"), tmp_path / "b", basis="as_traded", check=False)
    assert report.layout == LAYOUTS[layout]
    assert report.fingerprint == plain.fingerprint
    assert report.quarantined == {}
    assert report.lines()[0].startswith(f"layout: {LAYOUTS[layout].replace('-', ' ')}, ")


def report_of(path: Path, tmp_path: Path, **more: object) -> ImportReport:
    """The report of an import without a check."""
    return import_files(path, tmp_path / "out", **({"basis": "as_traded", "check": False} | more))  # type: ignore[arg-type]


def test_the_report_says_what_was_found(tmp_path: Path) -> None:
    """Names of files and fields, partitions, separators, and a statement that was taken at its word."""
    write(tmp_path / "BRK.B.txt", "Date;Open;Close;Volume", "2020-01-02;1;1;1")
    lines = report_of(tmp_path / "BRK.B.txt", tmp_path, layout="per-symbol").lines()
    assert lines[0] == "layout: per symbol, 1 file named after its symbol (BRK.B.txt is BRK.B) (as stated)"
    assert lines[1] == "fields separated by semicolons"
    assert lines[2].startswith("1 of 1 bar kept: 1 symbol, 1 session, 2020-01-02 to 2020-01-02")
    lines = report_of(write_as("hive", tmp_path / "hive"), tmp_path, overwrite=True).lines()
    assert lines[0] == "layout: long, a row a date and symbol, 5 files, partitioned by symbol, year"
    lines = report_of(write_as("wide", tmp_path / "wide"), tmp_path, overwrite=True).lines()
    assert lines[0].startswith("layout: wide, dates by symbols: close from close.csv, high from high.csv, low from")


def test_closes_alone(tmp_path: Path) -> None:
    """A wide file of closes: opens and volumes are unknown, and the report says what follows."""
    path = write(tmp_path / "prices.csv", "Date,AAPL,LOW,OPEN,MSFT,NA,IBM,GE,XOM", "2020-01-02,1,2,3,4,5,6,7,8")
    report, panel = imported(tmp_path, path, check=False)
    assert panel.symbols == ("AAPL", "GE", "IBM", "LOW", "MSFT", "NA", "OPEN", "XOM")
    assert panel.close[0].tolist() == [1, 7, 6, 2, 4, 5, 3, 8]
    assert np.isnan(panel.open).all()
    assert not panel.tradable.any()
    text = report.summary()
    assert "no open: an order for the open never fills" in text
    assert "no volume: no symbol is tradable on any day" in text
    assert "without open" not in text  # said once
    report, panel = imported(tmp_path, path, check=False, assume_volume=1e6, overwrite=True)
    assert panel.volume[0].tolist() == [1e6] * 8
    assert panel.tradable.all()
    assert "assumed, not data: a volume of 1,000,000 shares in every bar" in report.summary()
    assert "no volume" not in report.summary()


def test_an_assumed_volume_is_for_files_without_any(tmp_path: Path) -> None:
    """It fills no gaps."""
    path = bars(tmp_path / "a.csv", "2020-01-02,A,1,1,1,1,1", "2020-01-03,A,1,1,1,1,")
    with pytest.raises(DataError, match="but the files have volumes"):
        report_of(path, tmp_path, assume_volume=5.0)
    with pytest.raises(DataError, match=r"assume_volume is 0\.0; it is a number of shares, more than 0"):
        report_of(path, tmp_path, assume_volume=0.0)


def test_long_files_without_opens_have_to_say_so(tmp_path: Path) -> None:
    """A missing column is a mistake, unless it is stated; a column of nearly the name always is one."""
    path = write(tmp_path / "a.csv", "date,symbol,close", "2020-01-02,A,1")
    with pytest.raises(DataError, match=r"no column 'open' .* say so with close_only=True \(--close-only"):
        report_of(path, tmp_path)
    assert report_of(path, tmp_path, close_only=True).unknown["open"] == 1
    write(path, "date,symbol,opn,close,volume", "2020-01-02,A,1,1,1")
    with pytest.raises(
        DataError, match=r"Did you mean 'opn'\? Names that are understood, in any case: open, open_price\.$"
    ):
        report_of(path, tmp_path, overwrite=True)


def test_bad_cells_of_wide_files(tmp_path: Path) -> None:
    """A cell that cannot be used costs the bar of its date and symbol, a row without a date itself; nothing else."""
    folder = tmp_path / "files"
    folder.mkdir()
    write(folder / "close.csv", "Date,A,B", "2020-01-02,1,x", "2020-01-03,0,2", "someday,3,3", "2020-01-06,4,4")
    write(folder / "volume.csv", "Date,B,A", "2020-01-02,5,6", "2020-01-03,-7,8", "2020-01-06,9,")
    report, panel = imported(tmp_path, folder, check=False)
    assert panel.dates.astype(str).tolist() == ["2020-01-02", "2020-01-06"]
    np.testing.assert_array_equal(panel.close, [[1, np.nan], [4, 4]])
    np.testing.assert_array_equal(panel.volume, [[6, np.nan], [np.nan, 9]])
    assert quarantined(tmp_path / "out") == [
        ("bars", "close.csv", 1, "close: not a number"),
        ("bars", "close.csv", 2, "close: not positive"),
        ("bars", "close.csv", 3, "date: not a date"),
        ("bars", "volume.csv", 2, "volume: negative"),
    ]
    assert '""symbol"": ""B"", ""close"": ""x""' in (tmp_path / "out/quarantine.csv").read_text()
    assert "  1 row of bars, close: not a number" in report.lines()
    assert report.rows == 6  # three bars kept, three set aside


def test_further_wide_files_are_extra_columns(tmp_path: Path) -> None:
    """A file of another name becomes a column of that name, on the dates and symbols that it has."""
    folder = tmp_path / "files"
    folder.mkdir()
    write(folder / "close.csv", "Date,A,B", "2020-01-02,1,2", "2020-01-03,1,2")
    write(folder / "Market Cap.csv", "Date,B", "2020-01-03,7")
    write(folder / "adj_close.csv", "Date,A", "2020-01-03,0.5")
    write(folder / "pe.csv", "Date,a,A,b.x,b-x", "2020-01-03,1,2,3,4")  # names that differ by little
    _, panel = imported(tmp_path, folder, check=False)
    assert panel.symbols == ("A", "B", "a", "b-x", "b.x")
    np.testing.assert_array_equal(panel.extra["pe"][1], [2, np.nan, 1, 4, 3])
    np.testing.assert_array_equal(panel.extra["market_cap"][:, :2], [[np.nan, np.nan], [np.nan, 7]])
    assert panel.extra["adj_close_vendor"][1, 0] == 0.5


SEVERAL = {
    "several layouts": (
        {"a.csv": ["date,symbol,open,close,volume", "2020-01-02,A,1,1,1"], "close.csv": ["date,A", "2020-01-02,1"]},
        r"a.csv looks long \(a row a date and symbol\), close.csv wide \(a column a symbol\).*--layout",
    ),
    "a list among the bars": (
        {"a.csv": ["date,symbol,open,close,volume", "2020-01-02,A,1,1,1"], "c.csv": ["Symbol,Name", "A,Alpha"]},
        r"c.csv: no column 'date' .*If it is no file of bars, leave it out",
    ),
    "no closes": (
        {"open.csv": ["date,A", "2020-01-02,1"], "volume.csv": ["date,A", "2020-01-02,1"]},
        r"no file of closes: open.csv is 'open', volume.csv is 'volume'. Name the wide file that holds them close.csv",
    ),
    "two files of closes that overlap": (
        {"close_1.csv": ["date,A", "2020-01-02,1"], "close_2.csv": ["date,A", "2020-01-02,1"]},
        r"close_2.csv, row 1: A on 2020-01-02 has a close in another file too; keep one of them",
    ),
    "a date twice": (
        {"close.csv": ["date,A", "2020-01-02,1", "2020-01-03,1", "2020-01-02,2"]},
        r"close.csv: 2020-01-02 is there more than once \(row 1 is one of them\); keep one row a date",
    ),
    "a symbol twice": (
        {"close.csv": ["date,A,B, A", "2020-01-02,1,1,1"]},
        r"close.csv: column 'A' is there twice; give each symbol one column",
    ),
    "only others": ({"notes.pdf": ["x"]}, r"files holds no file of bars: CSV .* are looked for"),
    "no symbols, several rows a date": (
        {"all.csv": ["date,firm,open,close,volume", *(f"2020-01-0{d},{s},1,1,1" for d in (2, 3) for s in "ABC")]},
        r"all.csv has 6 rows of 2 dates and no column of symbols .*name the one that holds them 'symbol'",
    ),
    "a dataset": (
        {"manifest.json": ['{"format": 1, "fingerprint": "%s"}' % ("a" * 64)], "bars.parquet": ["x"]},
        r"files is a dataset already; load it",
    ),
}


@pytest.mark.parametrize("case", SEVERAL)
def test_folders_that_cannot_be_used(tmp_path: Path, case: str) -> None:
    """The message names the files, and what to do."""
    files, message = SEVERAL[case]
    folder = tmp_path / "files"
    folder.mkdir()
    for name, lines in files.items():
        write(folder / name, *lines)
    with pytest.raises(DataError, match=message):
        report_of(folder, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["files"]


UNCLEAR = {
    "LOW may be a company": (["Date,AAPL,LOW", "2020-01-02,1,2"], "'LOW' may name parts of a bar or symbols", "wide"),
    "SYM may be a company": (["Date,SYM,AAPL", "2020-01-02,1,2"], "'SYM' may be the column of symbols", "wide"),
}


@pytest.mark.parametrize("case", UNCLEAR)
def test_an_unclear_layout_is_asked_about(tmp_path: Path, case: str) -> None:
    """Nothing is guessed; the option that settles it is named, and does."""
    lines, message, layout = UNCLEAR[case]
    path = write(tmp_path / "prices.csv", *lines)
    with pytest.raises(DataError, match=rf"the layout is not clear: .*{message}.*layout='{layout}' \(--layout"):
        report_of(path, tmp_path)
    report_of(path, tmp_path, layout=layout)
    assert load_panel(tmp_path / "out").shape == (1, 2)
    with pytest.raises(DataError, match=r"layout 'wyde' is none of long, per-symbol, wide. Did you mean 'wide'\?"):
        report_of(path, tmp_path, layout="wyde", overwrite=True)


def test_a_stated_layout_is_held_to(tmp_path: Path) -> None:
    """Per symbol, a column of symbols is not looked at; long, a file without one is refused."""
    path = bars(tmp_path / "X.csv", "2020-01-02,A,1,1,1,1,1")
    report = report_of(path, tmp_path, layout="per-symbol")
    assert load_panel(tmp_path / "out").symbols == ("X",)
    assert "column 'symbol' of X.csv left out: another column has its meaning" in report.lines()
    write(path, "date,open,close,volume", "2020-01-02,1,1,1")
    with pytest.raises(DataError, match=r"no column 'symbol'.*named after it, say layout='per-symbol'"):
        report_of(path, tmp_path, layout="long", overwrite=True)


def test_a_file_that_is_reached_twice_is_read_once(tmp_path: Path) -> None:
    """By name and by a pattern."""
    path = bars(tmp_path / "a.csv", "2020-01-02,A,1,1,1,1,1")
    report = import_files([path, tmp_path / "*.csv"], tmp_path / "out", basis="as_traded", check=False)
    assert (report.rows, report.kept) == (1, 1)
    assert "a.csv was given more than once; it is read once" in report.lines()


def test_very_wide_files_and_datasets_beside_them(tmp_path: Path) -> None:
    """A header longer than the first bytes that are looked at; a dataset among the files is left alone."""
    names = [f"symbol{k:05d}" for k in range(9_000)]
    folder = tmp_path / "files"
    folder.mkdir()
    ones = ",".join(["1"] * len(names))
    write(folder / "close.csv", ",".join(["date", *names]), *(f"2020-01-0{day},{ones}" for day in (2, 3)))
    for _ in range(2):
        report = import_files(folder, folder / "data", basis="as_traded", check=False, overwrite=True)
        assert (report.symbols, report.sessions, report.kept) == (9_000, 2, 18_000)
    assert "the dataset data left alone" in report.lines()


def test_what_the_rows_say_is_nearer_than_the_folder(tmp_path: Path) -> None:
    """A partition of symbols gives way to a column of them; escapes in a folder's name are undone."""
    for name, header, line in (
        ("symbol=A%2FB", "date,open,close,volume", "2020-01-02,1,1,1"),
        ("symbol=Q", HEADER, "2020-01-02,R,1,1,1,1,1"),
    ):
        (tmp_path / "files" / name).mkdir(parents=True)
        write(tmp_path / "files" / name / "x.csv", header, line)
    report_of(tmp_path / "files", tmp_path)
    assert load_panel(tmp_path / "out").symbols == ("A/B", "R")


def test_small_blocks_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read in blocks of lines: their size changes no byte, no number of a row, and progress only grows."""
    lines = [f"2020-01-{day:02d},{name},1,2,1,2,{day}" for day in range(1, 29) for name in TRICKY]
    lines[40] = "2020-01-09,NA,x,2,1,2,9"
    lines[90] = "2020-01-19,NA,1,2"
    lines += [lines[3], "2020-01-01,NA,1,2,1,3,1"]
    path = bars(tmp_path / "a.csv", *lines)
    packed = tmp_path / "b.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    whole = import_files(path, tmp_path / "whole", basis="as_traded", check=False)
    monkeypatch.setattr(sources, "BLOCK", 200)
    monkeypatch.setattr(tables, "_PARQUET_ROWS", 7)
    for source in (path, packed):
        told: list[tuple[str, int, int]] = []
        report = import_files(
            source,
            tmp_path / source.name[0],
            basis="as_traded",
            check=False,
            progress=lambda what, done, total, told=told: told.append((what, done, total)),
        )
        assert report.fingerprint == whole.fingerprint
        found = quarantined(tmp_path / source.name[0])
        assert [row[2:] for row in found] == [
            (2, "several rows of the same date and symbol that differ"),
            (41, "open: not a number"),
            (91, "not one field per column"),
            (141, "the same row again"),
            (142, "several rows of the same date and symbol that differ"),
        ]
        reading = [(done, total) for what, done, total in told if what == "reading"]
        assert len(reading) > 3
        assert reading == sorted(reading)
        assert reading[-1] == (source.stat().st_size,) * 2
    frame = market()
    frame.to_parquet(tmp_path / "p.parquet", index=False)
    frame.to_csv(tmp_path / "p.csv", index=False)
    prints = {
        import_files(tmp_path / name, tmp_path / f"{name}.out", basis="as_traded", check=False).fingerprint
        for name in ("p.parquet", "p.csv")
    }
    assert len(prints) == 1
