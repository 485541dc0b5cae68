"""Files and folders that would have cost bars, files or memory: each case here once went wrong without a word."""

from __future__ import annotations

import gzip
import os
import signal
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from vendor_files import DAYS, HEADER, PLAIN, bars, imported, lines, quarantined, write

from backtester.cli.importing import _ended_in_order
from backtester.errors import DataError
from backtester.market import csv_lines, day_text, gather, quarantine, sources, store
from backtester.market.check.dataset import check_dataset
from backtester.market.dataset import load_panel
from backtester.market.extras import Extra
from backtester.market.ingest import import_files
from backtester.market.synthetic_files import write_synthetic

pytestmark = pytest.mark.usefixtures("own_cache")


# --- Quotes and control characters


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_stray_quote_costs_its_own_row(tmp_path: Path, end: str) -> None:
    """A quote that is never closed, two of them far apart, one after an escaped one: all other rows are kept."""
    rows = lines("A", "B")
    rows[2] = rows[2].replace(",A,", ',"A,')
    rows[9] = rows[9].replace(",B,", ',"B""x,')
    rows[14] = rows[14].replace(",A,", ',"A,')
    rows[16] = rows[16].replace(",A,", ',"A",')  # as it should be
    path = tmp_path / "a.csv"
    path.write_bytes(end.join([HEADER, *rows, ""]).encode())
    report, panel = imported(tmp_path, path, check=False)
    assert (report.rows, report.kept) == (20, 17)
    found = quarantined(tmp_path / "out")
    assert [(row, why) for _, _, row, why in found] == [
        (3, quarantine.UNCLOSED),
        (10, quarantine.UNCLOSED),
        (15, quarantine.UNCLOSED),
    ]
    assert panel.symbols == ("A", "B")


def test_a_stray_quote_beside_a_ragged_row_and_blank_lines(tmp_path: Path) -> None:
    """Numbers of rows stay those of the file."""
    rows = ["", '2020-01-02,"A,1,1,1,1,1', "", "2020-01-03,A,1", "2020-01-06,A,1,1,1,x,1", "2020-01-07,A,1,1,1,1,1"]
    report, _ = imported(tmp_path, bars(tmp_path / "a.csv", *rows), check=False)
    assert [row[2:] for row in quarantined(tmp_path / "out")] == [
        (1, quarantine.UNCLOSED),
        (2, quarantine.RAGGED),
        (3, "close: not a number"),
    ]
    assert (report.rows, report.kept) == (4, 1)


def test_lines_are_rows_whatever_their_quotes() -> None:
    """Of random fields full of quotes no line is lost: each is a row or is set aside."""
    rng = np.random.default_rng(0)
    pieces = ["a", '"', '""', ",", "x"]
    for _ in range(200):
        rows = ["".join(rng.choice(pieces, 6)) for _ in range(8)]
        text = "\n".join(rows).encode() + b"\n"
        _, row, broken = csv_lines.read_lines(text, ["p", "q"], ",", {0: pa.string(), 1: pa.string()}, ".")
        assert sorted([*row.tolist(), *(number for number, _ in broken)]) == list(range(1, 9)), rows


def test_symbols_with_control_characters_are_set_aside(tmp_path: Path) -> None:
    """They would break lines, or obey in a terminal; what a report shows of a long symbol is cut."""
    long = "L" * 100
    rows = [*lines("A", long)[:2], "2020-01-02,\x1b[31mRED,1,1,1,1,1", "2020-01-02,\x00,1,1,1,1,1", *lines("A")[1:]]
    members = write(tmp_path / "m.csv", "symbol,start,end", "A,,", "B\x07,,")
    report, panel = imported(tmp_path, bars(tmp_path / "a.csv", *rows), members=members, check=False)
    assert panel.symbols == ("A", long)
    assert report.quarantined == {
        "bars: symbol: has a control character": 2,
        "members: symbol: has a control character": 1,
    }
    assert long not in report.summary()
    assert "L" * 40 + "..." in report.summary()


# --- What is replaced


def test_only_a_dataset_of_ours_is_replaced(tmp_path: Path) -> None:
    """Not a folder with some other manifest.json, not the user's files beside a dataset; both commands alike."""
    path = bars(tmp_path / "a.csv", *PLAIN)
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    write(theirs / "manifest.json", '{"name": "my web extension", "format": 1}')
    write(theirs / "photo.txt", "dear")
    import_files(path, tmp_path / "out", basis="as_traded", check=False)
    write(tmp_path / "out/notes.txt", "dear")
    for out, message in ((theirs, "is no dataset"), (tmp_path / "out", r"beside it.*notes.txt")):
        before = sorted(out.iterdir())
        with pytest.raises(DataError, match=message):
            import_files(path, out, basis="as_traded", overwrite=True)
        with pytest.raises(DataError, match=message):
            write_synthetic(out, symbols=2, sessions=5, seed=0, overwrite=True)
        assert sorted(out.iterdir()) == before


def test_what_is_read_is_not_replaced(tmp_path: Path) -> None:
    """Not even when it is the dataset's own table that is imported anew, or an extra file."""
    path = bars(tmp_path / "a.csv", *PLAIN)
    out = tmp_path / "out"
    import_files(path, out, basis="as_traded", check=False)
    before = (out / "bars.parquet").read_bytes()
    with pytest.raises(DataError, match=r"bars.parquet lies in .*out, which would be replaced"):
        import_files(out / "bars.parquet", out, basis="as_traded", overwrite=True)
    pq.write_table(pa.table({"date": ["2020-01-02"], "symbol": ["A"], "pe": [1.0]}), out / "score.parquet")
    with pytest.raises(DataError, match=r"score.parquet lies in .*out"):
        import_files(path, out, basis="as_traded", extra=[Extra(out / "score.parquet", 0)], overwrite=True)
    assert (out / "bars.parquet").read_bytes() == before


def test_a_link_is_followed(tmp_path: Path) -> None:
    """The dataset that it leads to is replaced, not the link."""
    path = bars(tmp_path / "a.csv", *PLAIN)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    import_files(path, tmp_path / "link", basis="as_traded", check=False)
    import_files(path, tmp_path / "link", basis="split_adjusted", check=False, overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert load_panel(tmp_path / "real").basis == "split_adjusted"


@pytest.mark.skipif(store.fcntl is None, reason="no locks here")
def test_what_a_killed_import_left_is_removed(tmp_path: Path) -> None:
    """And named; what another one is writing, or is not ours, is left."""
    path = bars(tmp_path / "a.csv", *PLAIN)
    dead, mine = tmp_path / ".out.0123456789ab.new", tmp_path / ".out.0123456789ac.new"
    for folder, name in ((dead, "bars.parquet"), (mine, "letter.txt")):
        folder.mkdir()
        (folder / name).write_bytes(b"half")
    with store.written_whole(tmp_path / "out", replace=False) as alive:
        assert store.clear_stale(tmp_path / "out") == [dead.name]
        assert alive.is_dir()
    dead.mkdir()
    report = import_files(path, tmp_path / "out", basis="as_traded", check=False)
    assert any(line.startswith(f"{dead.name} removed") for line in report.lines())
    assert not dead.exists()
    assert mine.is_dir()


def test_an_import_that_is_told_to_end_exits_in_order() -> None:
    """SIGTERM becomes an exit as any other, and afterwards means what it meant before."""
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught, _ended_in_order():
        os.kill(os.getpid(), signal.SIGTERM)
    assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before


# --- Zips, folders, patterns


def test_members_of_a_zip(tmp_path: Path) -> None:
    """Packed ones are read, others are named; a zip in a zip is refused."""
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("a.csv", "\n".join([HEADER, *lines("A")]))
        archive.writestr("b.csv.gz", gzip.compress("\n".join([HEADER, *lines("B")]).encode()))
        archive.writestr("c.dat", "x")
        archive.writestr("README.txt", "The bars of a vendor.\nBye.\n")
    report, panel = imported(tmp_path, tmp_path / "z.zip", check=False)
    assert (panel.symbols, report.kept) == (("A", "B"), 20)
    assert "another file in z.zip left alone: c.dat" in report.lines()
    assert "z.zip/README.txt left alone: it holds no table" in report.lines()
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.write(tmp_path / "z.zip", "inner.zip")
    with pytest.raises(DataError, match=r"outer.zip holds another zip, inner.zip"):
        import_files(tmp_path / "outer.zip", tmp_path / "o", basis="as_traded")


def test_a_zip_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its list of members is as long as it has members: read for each of them, the time would grow with the square."""
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        for k in range(20):
            archive.writestr(f"S{k}.csv", "\n".join(["date,open,close,volume", "2020-01-02,1,1,1"]))
    opened = []
    whole = zipfile.ZipFile

    def note(path: Path) -> zipfile.ZipFile:
        opened.append(path)
        return whole(path)

    monkeypatch.setattr(sources.zipfile, "ZipFile", note)
    report = import_files(tmp_path / "z.zip", tmp_path / "out", basis="as_traded", check=False)
    assert (report.symbols, len(opened)) == (20, 1)


def test_what_lies_in_a_folder_beside_tables(tmp_path: Path) -> None:
    """A README and hidden tables are named, another's manifest.json makes no dataset; named, a text is refused."""
    folder = tmp_path / "files"
    folder.mkdir()
    bars(folder / "a.csv", *lines("A"))
    write(folder / "README.txt", "These are the bars of my vendor, Inc.", "Bye, then.")
    write(folder / "manifest.json", '{"vendor": 1}')
    bars(folder / "_SPX.csv", *lines("X"))
    report, panel = imported(tmp_path, folder, check=False)
    assert panel.symbols == ("A",)
    for line in (
        "README.txt left alone: it holds no table",
        "another file in files left alone (names with _ or . in front): _SPX.csv",
        "another file in files left alone: manifest.json",
    ):
        assert line in report.lines()
    write(folder / "README.txt", "Prose.")
    with pytest.raises(DataError, match=r"README.txt has one column only.*'DIR/\*.csv'"):
        import_files([folder / "README.txt", folder / "a.csv"], tmp_path / "o", basis="as_traded")


def test_a_pattern_that_matches_folders(tmp_path: Path) -> None:
    """Stands for the tables in them."""
    for year, symbol in (("2020", "A"), ("2021", "B")):
        (tmp_path / "files" / year).mkdir(parents=True)
        bars(tmp_path / "files" / year / "bars.csv", *lines(symbol))
    _, panel = imported(tmp_path, tmp_path / "files/202*", check=False)
    assert panel.symbols == ("A", "B")


# --- Too much, or nothing


def test_a_file_given_twice_is_said_and_not_kept_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text of the first rows only is kept; the numbers of all are, and the check counts them."""
    monkeypatch.setattr(quarantine, "MOST_TEXTS", 3)
    first = bars(tmp_path / "a.csv", *lines("A"))
    again = bars(tmp_path / "b.csv", *lines("A"))
    report, _ = imported(tmp_path, first, again)
    assert (report.rows, report.kept) == (20, 10)
    assert "10 of the 10 rows of b.csv repeat rows that came before: the file seems to be given twice" in report.lines()
    assert quarantined(tmp_path / "out") == [("bars", "b.csv", k, "the same row again") for k in range(1, 11)]
    text = (tmp_path / "out/quarantine.csv").read_text().splitlines()
    assert sum(line.endswith(",") for line in text) == 7  # of 10 rows the first 3 have their text
    found = [problem for problem in check_dataset(tmp_path / "out").problems if problem.kind == "repeated_rows"]
    assert [problem.count for problem in found] == [10]


def test_rows_that_differ_keep_their_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound too, in both files."""
    monkeypatch.setattr(quarantine, "MOST_TEXTS", 2)
    one = bars(tmp_path / "a.csv", *lines("A", "B"))
    two = bars(tmp_path / "b.csv", *(line.replace(",10,11", ",10.5,11") for line in lines("A")))
    report, panel = imported(tmp_path, one, two, check=False)
    assert report.quarantined == {f"bars: {gather.CONFLICT}": 20}
    assert [row[1:3] for row in quarantined(tmp_path / "out")] == [
        *(("a.csv", k) for k in range(1, 21, 2)),
        *(("b.csv", k) for k in range(1, 11)),
    ]
    assert panel.symbols == ("B",)


def test_a_table_that_would_be_all_but_empty_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number of each row taken for the symbol would make a grid of all rows by all dates."""
    monkeypatch.setattr(gather, "_MOST_CELLS", 1_000)
    monkeypatch.setattr(gather, "_SPARSE", 5)  # filled to a tenth is too little then
    path = bars(tmp_path / "a.csv", *(f"{DAYS[k % 10]},ID{k},1,1,1,1,1" for k in range(1_000)))
    with pytest.raises(DataError, match=r"a.csv: 1,000 symbols with 1 row each, on 10 dates: is 'symbol' right"):
        import_files(path, tmp_path / "out", basis="as_traded")
    monkeypatch.setattr(gather, "_SPARSE", 100)
    assert import_files(path, tmp_path / "out", basis="as_traded", check=False).kept == 1_000


def test_no_memory_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As any other trouble with the data."""

    def fail(*_: object) -> None:
        raise MemoryError("Unable to allocate 1.49 TiB")

    monkeypatch.setattr(gather, "ranked", fail)
    with pytest.raises(DataError, match=r"do not fit into memory \(Unable to allocate 1.49 TiB\)"):
        import_files(bars(tmp_path / "a.csv", *PLAIN), tmp_path / "out", basis="as_traded")


@pytest.mark.parametrize("wide", [False, True])
def test_closes_that_are_all_unknown_are_refused(tmp_path: Path, wide: bool) -> None:
    """Such a dataset would hold nothing to trade."""
    (tmp_path / "files").mkdir()
    if wide:
        write(tmp_path / "files/close.csv", "date,A,B", "2020-01-02,,", "2020-01-03,,")
        write(tmp_path / "files/open.csv", "date,A,B", "2020-01-02,1,1", "2020-01-03,1,1")
    else:
        bars(tmp_path / "files/close.csv", "2020-01-02,A,1,1,1,,5")
    with pytest.raises(DataError, match=r"no close is known in close.csv"):
        import_files(tmp_path / "files", tmp_path / "out", basis="as_traded")


def test_dates_that_no_bar_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 1800 or after today they are set aside: one would otherwise end every symbol. Tomorrow may have begun."""
    today = int(np.datetime64("2020-02-01").astype("datetime64[D]").astype(int))
    monkeypatch.setattr(day_text, "_today", lambda: today)
    days = ["1799-12-31", "1800-01-01", "2020-02-02", "2020-02-03", "2999-01-01", "13/01/2021", "13/01/1799"]
    _, panel = imported(tmp_path, bars(tmp_path / "a.csv", *(f"{day},A,1,1,1,1,1" for day in days)), check=False)
    assert [row[2:] for row in quarantined(tmp_path / "out")] == [
        (1, "date: before 1800"),
        (4, "date: after today"),
        (5, "date: after today"),
        (6, "date: after today"),
        (7, "date: before 1800"),
    ]
    assert [str(day) for day in panel.dates] == ["1800-01-01", "2020-02-02"]
    write(tmp_path / "close.csv", "date,A", "2020-01-02,1", "2999-01-01,2")
    report, _ = imported(tmp_path, tmp_path / "close.csv", check=False, overwrite=True)
    assert report.quarantined == {"bars: date: after today": 1}
