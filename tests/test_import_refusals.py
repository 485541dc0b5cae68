"""Import refused: files that cannot be used, folders that cannot be written, and nothing left behind."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from vendor_files import HEADER, PLAIN, bars, write

from backtester.errors import DataError
from backtester.market import store
from backtester.market.dataset import load_panel
from backtester.market.ingest import import_files

pytestmark = pytest.mark.usefixtures("own_cache")


BAD_FILES: dict[str, tuple[bytes, str]] = {
    "an empty file": (b"", r"a.csv is empty"),
    "a header alone": (HEADER.encode() + b"\n", r"no bar could be used from a.csv"),
    "a missing column": (b"date,symbol,open,volume\n2020-01-02,A,1,1\n", r"a.csv: no column 'close' \(the columns are"),
    "a column twice": (b"date,symbol,open,close,Close,volume\n2020-01-02,A,1,1,1,1\n", r"'close' and 'Close' have the"),
    "text in all numbers": (
        f"{HEADER}\n2020-01-02,A,x,1,1,1,1\n".encode(),
        r"no bar could be used from a.csv. The first: a.csv, row 1, open: not a number",
    ),
    "a time zone": (f"{HEADER}\n2020-01-02T00:00:00Z,A,1,1,1,1,1\n".encode(), r"column 'date': 2020.* has a time zone"),
    "a time of day": (f"{HEADER}\n2020-01-02 16:00,A,1,1,1,1,1\n".encode(), r"column 'date': 2020.* has a time of day"),
    "half a gzip file": (gzip.compress(HEADER.encode() * 99)[:40], r"a.csv is cut off: its packed data ends too early"),
    "no text": (
        b"date,symbol\n\xff\xfe\xfa,\xff\n",
        r"a.csv, line 2, is not text in UTF-8 .*; save the file as UTF-8",
    ),
    "half a Parquet file": (b"PAR1" + b"x" * 99, r"a.csv cannot be read as Parquet, it is damaged or cut off"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_are_refused_and_leave_nothing(tmp_path: Path, case: str) -> None:
    """A file that cannot be used is named, with what is wrong; no folder is left behind."""
    content, message = BAD_FILES[case]
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        import_files(tmp_path / "a.csv", tmp_path / "deep/out", basis="as_traded")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv"]


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(DataError, match=r"cannot read .*none.csv: No such file"):
        import_files(tmp_path / "none.csv", tmp_path / "out", basis="as_traded")


def test_time_zones_in_parquet_are_refused(tmp_path: Path) -> None:
    """A column of zoned timestamps is refused whatever it holds."""
    table = pa.table(
        {
            "date": pa.array([0], pa.timestamp("us", tz="America/New_York")),
            "symbol": ["A"],
            **{key: [1.0] for key in ("open", "close", "volume")},
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a.parquet, row 1, column 'date': .*America/New_York.* has a time zone"):
        import_files(tmp_path / "a.parquet", tmp_path / "out", basis="as_traded")


def test_actions_that_the_basis_contains_are_refused(tmp_path: Path) -> None:
    """Splits on adjusted prices are no rows to set aside but a contradiction."""
    path = bars(tmp_path / "a.csv", *PLAIN)
    actions = write(tmp_path / "e.csv", "date,symbol,split", "2020-01-03,A,2")
    with pytest.raises(
        DataError, match=r"e.csv: A on 2020-01-03 has a split, but prices on the basis 'split_adjusted'"
    ):
        import_files(path, tmp_path / "out", basis="split_adjusted", actions=actions)
    with pytest.raises(DataError, match=r"'adjusted' is none of as_traded"):
        import_files(path, tmp_path / "out", basis="adjusted")
    assert not (tmp_path / "out").exists()


def test_existing_folders_are_left_alone(tmp_path: Path) -> None:
    """Only a dataset may be overwritten, and only when told; an empty folder may be filled."""
    path = bars(tmp_path / "a.csv", *PLAIN)
    (tmp_path / "out").mkdir()
    import_files(path, tmp_path / "out", basis="as_traded")
    with pytest.raises(
        DataError, match=r"holds a dataset already. Choose another folder, or replace it with --overwrite"
    ):
        import_files(path, tmp_path / "out", basis="as_traded")
    import_files(path, tmp_path / "out", basis="split_adjusted", overwrite=True)
    assert load_panel(tmp_path / "out").basis == "split_adjusted"
    (tmp_path / "mine").mkdir()
    write(tmp_path / "mine/notes.txt", "dear to me")
    with pytest.raises(DataError, match=r"holds something that is no dataset"):
        import_files(path, tmp_path / "mine", basis="as_traded", overwrite=True)
    with pytest.raises(DataError, match=r"a.csv is a file; choose a folder"):
        import_files(path, path, basis="as_traded")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """The message names the folder and why."""
    path = bars(tmp_path / "a.csv", *PLAIN)
    with pytest.raises(DataError, match=r"cannot write .*out \(Not a directory\); choose another folder"):
        import_files(path, path / "out", basis="as_traded")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("there", [False, True])
def test_an_interrupted_import_leaves_things_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, there: bool
) -> None:
    """Nothing new appears, and a dataset that stood there still does."""
    path = bars(tmp_path / "a.csv", *PLAIN)
    if there:
        import_files(path, tmp_path / "out", basis="as_traded")
    before = sorted(tmp_path.rglob("*"))

    def fail(table: pa.Table, where: Path, **_: Any) -> None:
        where.write_bytes(b"half")
        if where.name == store.SYMBOLS:
            raise error

    monkeypatch.setattr(pq, "write_table", fail)
    with pytest.raises(DataError if isinstance(error, OSError) else KeyboardInterrupt):
        import_files(path, tmp_path / "out", basis="split_adjusted", overwrite=True)
    assert sorted(tmp_path.rglob("*")) == before
    if there:
        assert load_panel(tmp_path / "out").basis == "as_traded"
