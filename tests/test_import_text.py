"""Text as people write it: dates in other orders, separators, decimals, and files that are no tables at all."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner
from vendor_files import HEADER, PLAIN, bars, imported, write

from backtester.cli.app import app
from backtester.errors import DataError
from backtester.market.day_text import PENDING, read_day
from backtester.market.ingest import import_files

pytestmark = pytest.mark.usefixtures("own_cache")


def dated(tmp_path: Path, *days: str, **more: Any) -> list[str]:
    """The sessions of a file with bars of one symbol on these days."""
    path = bars(tmp_path / "a.csv", *(f'"{day}",A,1,1,1,1,1' for day in days))
    _, panel = imported(tmp_path, path, check=False, overwrite=True, **more)
    return [str(day) for day in panel.dates]


@pytest.mark.parametrize(
    "text",
    [
        *("31-Jan-2020", "31 January 2020", "Jan 31, 2020", "january 31 2020", "31Jan2020", "31. Jan. 2020"),
        *("2020.01.31", "2020-1-31", "2020/1/31", "31/01/2020", "31.1.2020", "1/31/2020", "31-01-2020 00:00:00"),
        "01/31/2020 12:00:00 AM",
    ],
)
def test_dates_that_can_be_read_in_one_way_only(tmp_path: Path, text: str) -> None:
    """Months by name, the year in front, or a number that can be no month."""
    assert dated(tmp_path, text) == ["2020-01-31"]


def test_one_date_settles_the_order_of_all(tmp_path: Path) -> None:
    """In any file of the import; so does a statement, and dates of which both readings are the same need neither."""
    assert dated(tmp_path, "03/02/2020", "13/02/2020") == ["2020-02-03", "2020-02-13"]
    assert dated(tmp_path, "03/02/2020", "02/13/2020") == ["2020-02-13", "2020-03-02"]
    assert dated(tmp_path, "03/02/2020", dates="dmy") == ["2020-02-03"]
    assert dated(tmp_path, "03/02/2020", dates="mdy") == ["2020-03-02"]
    assert dated(tmp_path, "05/05/2020", "2020-05-06") == ["2020-05-05", "2020-05-06"]
    one = bars(tmp_path / "1.csv", "03/02/2020,A,1,1,1,1,1")
    two = bars(tmp_path / "2.csv", "14/02/2020,A,1,1,1,1,1")
    _, panel = imported(tmp_path, one, two, check=False, overwrite=True)
    assert [str(day) for day in panel.dates] == ["2020-02-03", "2020-02-14"]


def test_an_open_order_is_asked_about(tmp_path: Path) -> None:
    """Both readings make dates, or each file another: refused, with file, row, and how to say it."""
    with pytest.raises(
        DataError, match=r"a.csv, row 2: 03/02/2020 may be day/month or month/day.*dates='dmy' .*--dates"
    ):
        dated(tmp_path, "05/05/2020", "03/02/2020", "03/02/2020")
    message = r"a.csv, row 2: 13/02/2020 can only be day/month, but a.csv, row 1: 02/13/2020 can only be month/day"
    with pytest.raises(DataError, match=message):
        dated(tmp_path, "02/13/2020", "13/02/2020")
    with pytest.raises(DataError, match=r"dates 'us' is none of ymd, dmy, mdy"):
        dated(tmp_path, "02/13/2020", dates="us")
    actions = write(tmp_path / "e.csv", "date,symbol,split", "03/02/2020,A,2")
    with pytest.raises(DataError, match=r"e.csv, row 1, column 'date': 03/02/2020 may be day/month"):
        import_files(bars(tmp_path / "b.csv", *PLAIN), tmp_path / "o", basis="as_traded", actions=actions)


def test_what_no_order_makes_a_date_is_set_aside(tmp_path: Path) -> None:
    """Such a row is wrong by itself; with a stated order so is one that fits the other."""
    path = bars(tmp_path / "a.csv", *(f"{day},A,1,1,1,1,1" for day in ("13/02/2020", "31/02/2020", "99/99/2020")))
    report, _ = imported(tmp_path, path, check=False)
    assert report.quarantined == {"bars: date: not a date": 2}
    with pytest.raises(DataError, match=r"no bar could be used .*row 1, date: not a date.*write dates as 2020-01-31"):
        imported(tmp_path, path, check=False, overwrite=True, dates="mdy")


@pytest.mark.parametrize("text", ["2020-13-01", "1577923200", "44000", "31-Foo-2020", "2020-02-30", "31/1/20", "x"])
def test_what_is_no_date(text: str) -> None:
    """Epochs, Excel's serial numbers and years of two digits are not guessed at."""
    assert read_day(text) is None


def test_pending_dates_keep_their_digits() -> None:
    """What is not settled yet carries both numbers and the year."""
    assert read_day("3/12/2020") == PENDING + 20200312
    assert read_day("3/12/2020", "ymd") is None


def test_actions_in_rows_of_bars_follow_the_order(tmp_path: Path) -> None:
    """A split beside a date that another row settles."""
    path = write(
        tmp_path / "a.csv",
        f"{HEADER},split",
        "03/02/2020,A,1,1,1,1,1,2",
        "13/02/2020,A,1,1,1,1,1,",
    )
    _, panel = imported(tmp_path, path, check=False)
    assert panel.actions.row.tolist() == [0]


# Separators and decimals.


@pytest.mark.parametrize(("mark", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "|")])
def test_separators_are_found(tmp_path: Path, mark: str, name: str) -> None:
    """And said."""
    path = write(tmp_path / "a.txt", *(line.replace(",", mark) for line in (HEADER, *PLAIN)))
    report, panel = imported(tmp_path, path, check=False)
    assert panel.open[:, 0].tolist() == [10.0, 10.5]
    assert f"fields separated by {name}" in report.lines()


def test_decimal_commas_are_asked_about(tmp_path: Path) -> None:
    """They are never guessed; stated, they are read, and a point then is no number."""
    lines = [line.replace(",", ";").replace(".", ",") for line in (HEADER, *PLAIN)]
    path = write(tmp_path / "a.csv", *lines)
    with pytest.raises(DataError, match=r"a.csv, row 1, column 'close': '10,5' has a comma.*decimal=',' \(--decimal ,"):
        import_files(path, tmp_path / "out", basis="as_traded", check=False)
    _, panel = imported(tmp_path, path, check=False, decimal=",")
    assert panel.open[:, 0].tolist() == [10.0, 10.5]
    write(path, *lines, "2020-01-06;A;1.5;1;1;1;x")
    report, panel = imported(tmp_path, path, check=False, decimal=",", overwrite=True)
    assert report.quarantined == {"bars: open: not a number": 1}
    assert panel.open[:, 0].tolist() == [10.0, 10.5]
    with pytest.raises(DataError, match=r"decimal ';' is neither"):
        import_files(path, tmp_path / "o", basis="as_traded", decimal=";")


def test_a_line_that_names_the_separator(tmp_path: Path) -> None:
    """Excel's; old line ends, blank lines in front and blanks around symbols do no harm either."""
    path = write(tmp_path / "a.csv", "", "sep=;", *(line.replace(",", " ;") for line in (HEADER, *PLAIN)))
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    _, panel = imported(tmp_path, path, check=False)
    assert panel.symbols == ("A", "B")
    path.write_bytes("\n".join([HEADER, *PLAIN]).replace("\n", "\r").encode())
    _, panel = imported(tmp_path, path, check=False, overwrite=True)
    assert panel.shape == (2, 2)


# Files that are no tables.

PLAIN_TEXT = "\n".join([HEADER, *PLAIN]).encode()
NO_TABLES: dict[str, tuple[str, bytes, str]] = {
    "a web page": ("a.csv", b"\n<!DOCTYPE html><html>Log in</html>", r"is a web page \(HTML\).*'<!DOCTYPE html>"),
    "a page without a type": ("a.csv", b"<html><body>404</body>", r"a.csv is a web page.*download the file itself"),
    "JSON": ("a.csv", b'{"prices": []}', r"a.csv is JSON, it begins with '\{\"prices\": \[\]\}'; write it as CSV"),
    "blank lines": ("a.csv", b"\n \n", r"a.csv is empty; a CSV with a header line"),
    "no header": ("a.csv", "\n".join(PLAIN).encode(), r"a.csv has no header line: row 1 is '2020-01-02' and so on"),
    "dates across": ("a.csv", b"symbol,2020-01-02,2020-01-03\nA,1,2\n", r"a.csv: dates run across \(2020-01-02, ...\)"),
    "two headers": (
        "a.csv",
        b"Price,Close,Close\nTicker,A,B\nDate,,\n2020-01-02,1,1\n",
        r"a.csv has two header lines, Price, Close, Close, ... and Ticker, A, B, ..., as yfinance",
    ),
    "blanks between": ("a.csv", PLAIN_TEXT.replace(b",", b" "), r"a.csv has one column only, 'date symbol open"),
    "UTF-16": ("a.csv", PLAIN_TEXT.decode().encode("utf-16"), r"a.csv is text in UTF-16; save it as UTF-8"),
    "Latin-1": (
        "a.csv",
        PLAIN_TEXT.replace(b"B", b"\xe9"),
        r"a.csv, line 3, is not text in UTF-8 \(b'2020-01-02,\\xe9",
    ),
    "old Excel": ("a.xls", b"\xd0\xcf\x11\xe0" + b"x" * 99, r"a.xls is an old Excel workbook; save the sheet as CSV"),
    "a damaged zip": ("a.zip", b"PK\x03\x04" + b"x" * 99, r"a.zip is cut off or damaged"),
    "half a gzip": ("a.csv.gz", gzip.compress(PLAIN_TEXT)[:-9], r"a.csv.gz is cut off: its packed data ends too early"),
    "a damaged gzip": ("a.csv.gz", b"\x1f\x8b\x09" + b"x" * 99, r"a.csv.gz is damaged and cannot be unpacked"),
    "bzip2": ("a.csv.bz2", b"BZh91AY", r"a.csv.bz2 is packed with bzip2; unpack it, or pack it with gzip"),
    "HDF5": ("a.h5", b"\x89HDF\r\n", r"a.h5 is an HDF5 file; write it as Parquet"),
    "commas in numbers": (
        "a.csv",
        f"{HEADER}\n2020-01-02,A,10,5,11,0,9,0,10,5,100\n".encode(),
        r"row 1, not one field per column: 2020-01-02,A,10,5.*needs quotes around it, or another separator",
    ),
    "thousands": (
        "a.csv",
        f'{HEADER}\n2020-01-02,A,1,1,1,1,"1,000"\n'.encode(),
        r"row 1, column 'volume': '1,000' has a comma.*if it separates thousands, write the numbers without it",
    ),
    "dollars": (
        "a.csv",
        f"{HEADER}\n2020-01-02,A,$1,1,1,1,1\n".encode(),
        r"open: not a number.*without signs of currency",
    ),
    "a zone below": (
        "a.csv",
        PLAIN_TEXT + b"\n2020-01-06 00:00-05:00,A,1,1,1,1,1",
        r"row 4, column 'date': .*a time zone",
    ),
    "a time below": ("a.csv", PLAIN_TEXT + b"\n01/06/2020 9:30,A,1,1,1,1,1", r"row 4, column 'date': .*a time of day"),
    "a column twice": (
        "a.csv",
        PLAIN_TEXT.replace(b"low", b"open"),
        r"a.csv: column 'open' is there twice; rename one",
    ),
}


@pytest.mark.parametrize("case", NO_TABLES)
def test_what_is_no_table_says_what_it_is(tmp_path: Path, case: str) -> None:
    """The message names the file, what was found and what to do; nothing is left behind."""
    name, content, message = NO_TABLES[case]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        import_files(tmp_path / name, tmp_path / "out", basis="as_traded", check=False)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_bytes_that_are_no_text_far_below(tmp_path: Path) -> None:
    """Beyond what the head of a file shows, in bars and in lists: the row is named."""
    line = b"2020-01-02,A%d,1,1,1,1,1\n"
    lines = b"".join(line % k for k in range(5_000))
    (tmp_path / "a.csv").write_bytes(HEADER.encode() + b"\n" + lines + b"2020-01-02,\xe9,1,1,1,1,1\n")
    with pytest.raises(DataError, match=r"a.csv, row 5001, is not text in UTF-8 \(b'2020-01-02,\\xe9"):
        import_files(tmp_path / "a.csv", tmp_path / "out", basis="as_traded")
    (tmp_path / "s.csv").write_bytes(b"symbol,sector\n" + b"A,some sector\n" * 5_000 + b"B,\xe9\n")
    with pytest.raises(DataError, match=r"s.csv, row 5001, is not text in UTF-8"):
        import_files(bars(tmp_path / "b.csv", *PLAIN), tmp_path / "out", basis="as_traded", sectors=tmp_path / "s.csv")


def test_zips_that_cannot_be_used(tmp_path: Path) -> None:
    """A workbook, and an archive without a table."""
    for inside, message in (
        ("[Content_Types].xml", r"a.zip is an Excel workbook; save the sheet as CSV"),
        ("notes.md", r"a.zip holds no .csv, .txt"),
    ):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr(inside, "x")
        with pytest.raises(DataError, match=message):
            import_files(tmp_path / "a.zip", tmp_path / "out", basis="as_traded")


def test_a_misspelt_path_is_helped(tmp_path: Path) -> None:
    """With the name that is there."""
    bars(tmp_path / "prices.csv", *PLAIN)
    with pytest.raises(DataError, match=r"price.csv: No such file. Did you mean 'prices.csv'\?"):
        import_files(tmp_path / "price.csv", tmp_path / "out", basis="as_traded")
    with pytest.raises(DataError, match=r"\*.parquet: no file matches; check the pattern"):
        import_files(tmp_path / "*.parquet", tmp_path / "out", basis="as_traded")


def test_an_interrupt_while_reading_leaves_nothing(tmp_path: Path) -> None:
    """No folder, no thread that goes on."""

    def stop(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    path = bars(tmp_path / "a.csv", *PLAIN)
    with pytest.raises(KeyboardInterrupt):
        import_files(path, tmp_path / "deep/out", basis="as_traded", progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


# The command, and the check.


def test_the_check_is_part_of_an_import(tmp_path: Path) -> None:
    """Its findings end the report and lie in the dataset, outside of the fingerprint."""
    path = bars(tmp_path / "a.csv", *PLAIN, "2020-01-06,B,20,19,18,20,5")  # a high below the open
    report = import_files(path, tmp_path / "out", basis="as_traded")
    assert report.check is not None
    found = json.loads((tmp_path / "out/check.json").read_text())
    assert "outside_range" in {problem["kind"] for problem in found["problems"]}
    assert found["fingerprint"] == report.fingerprint
    assert any("outside_range" in line for line in report.lines())
    assert report.to_json()["check"]["problems"] == found["problems"]
    without = import_files(path, tmp_path / "bare", basis="as_traded", check=False)
    assert without.fingerprint == report.fingerprint
    assert not (tmp_path / "bare/check.json").exists()
    assert without.to_json()["check"] is None


def test_the_command_takes_every_option(tmp_path: Path) -> None:
    """Layout, order of dates, decimals, lags; JSON for programs; an error with exit code 1."""
    path = write(
        tmp_path / "AAPL.csv", "Date;Open;Close;Volume;mood", "03/02/2020;1,5;1,5;9;7", "04/02/2020;1,5;2,5;9;8"
    )
    eps = write(tmp_path / "eps.csv", "date,symbol,eps", "2020-01-31,AAPL,3")
    command = ["data", "import", str(path), "--out", str(tmp_path / "out"), "--basis", "as_traded", "--no-check"]
    options = ["--dates", "dmy", "--decimal", ",", "--layout", "per-symbol", "--lag", "mood=1", "--json"]
    options += ["--extra", str(eps), "--lag", "3", "--carry", "5"]
    done = CliRunner().invoke(app, [*command, *options])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["first"], said["layout"], said["extra"]) == ("2020-02-03", "per-symbol", ["mood", "eps"])
    assert said["check"] is None
    again = CliRunner().invoke(app, [*command, *options])
    assert again.exit_code == 1
    assert "holds a dataset already. Choose another folder, or replace it with --overwrite" in again.stderr
    silent = CliRunner().invoke(app, [*command, "--overwrite", "--extra", str(eps)])
    assert silent.exit_code == 1
    assert "say how many calendar days after its dates" in silent.stderr


def test_the_benchmark_works() -> None:
    """On a small market, where its times mean nothing."""
    script = Path(__file__).parent.parent / "benchmarks/ingest.py"
    command = [sys.executable, str(script), "--quick", "--repeat", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])["imports"]
    assert {kind: one["kept"] for kind, one in found.items()} == {
        **dict.fromkeys(("parquet", "csv", "gzip", "wide"), 15_000),
        "per-symbol": 5_000,
    }
