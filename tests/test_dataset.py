"""Loading: dataset folders and Parquet files, the cache, and damage of every kind."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from backtester.errors import DataError
from backtester.market import cache, dataset
from backtester.market.dataset import load_panel
from backtester.market.ingest import import_files
from backtester.market.panel import Panel
from backtester.market.synthetic import synthetic

BARS = ("open", "high", "low", "close", "volume")


@pytest.fixture(autouse=True)
def cache_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own."""
    monkeypatch.setenv("BACKTESTER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache/panels"


@pytest.fixture
def market() -> Panel:
    """A small market with listings, endings, splits, dividends and gaps."""
    return synthetic(symbols=30, sessions=120, seed=3).panel


def long_frame(panel: Panel) -> pd.DataFrame:
    """The bars of a panel as a long frame, with an extra column."""
    t, i = np.nonzero(~np.isnan(panel.close))
    columns = {name: getattr(panel, name)[t, i] for name in BARS}
    return pd.DataFrame({"date": panel.dates[t], "symbol": np.array(panel.symbols)[i], **columns, "beta": t + i / 100})


@pytest.fixture
def folder(tmp_path: Path, market: Panel) -> Path:
    """A dataset folder of that market, with everything that a dataset can hold."""
    long_frame(market).to_parquet(tmp_path / "bars.parquet")
    a, e = market.actions, market.ends
    names = np.array(market.symbols)
    actions = {"date": market.dates[a.row], "symbol": names[a.symbol], "split": a.split, "dividend": a.dividend}
    ends = {"symbol": names[e.symbol], "end": e.date, "delisting_return": e.delisting_return}
    members = {"symbol": names[:20], "start": market.dates[10], "end": market.dates[90]}
    for name, table in (("actions", actions), ("ends", ends), ("members", members)):
        pd.DataFrame(table).to_csv(tmp_path / f"{name}.csv", index=False)
    pd.DataFrame({"symbol": names, "sector": market.sectors}).to_csv(tmp_path / "sectors.csv", index=False)
    import_files(
        tmp_path / "bars.parquet",
        tmp_path / "data",
        basis="as_traded",
        actions=tmp_path / "actions.csv",
        ends=tmp_path / "ends.csv",
        members=tmp_path / "members.csv",
        sectors=tmp_path / "sectors.csv",
    )
    return tmp_path / "data"


def same(left: Panel, right: Panel) -> None:
    """Both panels hold the same, whatever their fingerprints were said to be."""
    for panel in (left, right):
        panel.__dict__.pop("fingerprint", None)
    assert left.fingerprint == right.fingerprint
    for name in BARS:
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name))


def test_a_market_survives_the_way_through_a_dataset(folder: Path, market: Panel) -> None:
    """What went in as files comes out as the panel that it was, to the bit."""
    panel = load_panel(folder)
    for name in BARS:
        np.testing.assert_array_equal(getattr(panel, name), getattr(market, name))
    for found, expected in zip((*panel.actions, *panel.ends), (*market.actions, *market.ends), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert panel.symbols == market.symbols
    assert panel.sectors == market.sectors
    assert panel.member[:, :20].sum(axis=0).tolist() == [80] * 20
    assert not panel.member[:, 20:].any()
    assert list(panel.extra) == ["beta"]
    np.testing.assert_array_equal(panel.returns, market.returns)


def test_the_second_load_maps_the_cache(folder: Path, cache_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second load reads no table, gives plain read-only arrays over the mapped files, and the same content."""
    first = load_panel(folder)
    monkeypatch.setattr(dataset, "_read_folder", None)  # would fail if it were called
    second = load_panel(folder)
    assert second.fingerprint == first.fingerprint
    for array in (second.close, second.extra["beta"], second.member, second.actions.row, second.dates):
        assert type(array) is np.ndarray
        assert array.flags.c_contiguous
        assert not array.flags.writeable
    assert any(isinstance(base, np.memmap) for base in bases(second.close))
    assert not any(isinstance(base, np.memmap) for base in bases(first.close))
    same(first, second)
    assert [path.name for path in cache_root.iterdir()] == [f"dataset-{json_of(folder)['fingerprint']}"]


def bases(array: object) -> Iterator[object]:
    """An array and what it lies over, down to the memory."""
    while isinstance(array, np.ndarray):
        yield array
        array = array.base


def json_of(folder: Path) -> dict[str, str]:
    """The manifest of a dataset."""
    found: dict[str, str] = json.loads((folder / "manifest.json").read_text())
    return found


def test_start_and_end_cut_the_panel(folder: Path) -> None:
    """Both dates are inside, as in `Panel.between`, with and without the cache."""
    whole = load_panel(folder)
    days = whole.dates
    for _ in range(2):
        cut = load_panel(folder, days[20], str(days[50]))
        assert cut.dates.tolist() == days[20:51].tolist()
        same(cut, whole.between(days[20], days[50]))
    with pytest.raises(DataError, match="no session from 1990-01-01 to 1990-02-01"):
        load_panel(folder, "1990-01-01", "1990-02-01")


@pytest.mark.parametrize("damage", ["cut", "gone", "garbage", "other type", "no meta", "half meta", "empty meta"])
def test_a_damaged_cache_is_made_again(folder: Path, cache_root: Path, damage: str) -> None:
    """Whatever happened to the cache, the load gives the right panel and repairs it."""
    first = load_panel(folder)
    (entry,) = cache_root.iterdir()
    close, meta = entry / "close.npy", entry / "panel.json"
    size = close.stat().st_size
    if damage == "cut":
        os.truncate(close, size // 2)
    elif damage == "gone":
        close.unlink()
    elif damage == "garbage":
        close.write_bytes(b"x" * size)
    elif damage == "other type":
        np.save(close, np.load(close).view(np.int64))
    elif damage == "no meta":
        meta.unlink()
    elif damage == "half meta":
        os.truncate(meta, meta.stat().st_size // 2)
    else:
        meta.write_text("{}")
    same(load_panel(folder), first)
    assert cache.load(entry.name) is not None


def test_a_cache_that_cannot_be_written_is_no_error(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data is then read each time."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BACKTESTER_CACHE", str(tmp_path / "file"))
    same(load_panel(folder), load_panel(folder))


def test_the_cache_follows_the_users_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """BACKTESTER_CACHE comes first, then XDG_CACHE_HOME, then the home folder."""
    assert cache.cache_folder() == tmp_path / "cache/panels"
    monkeypatch.delenv("BACKTESTER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.cache_folder() == tmp_path / "xdg/backtester/panels"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.cache_folder() == Path.home() / ".cache/backtester/panels"


def test_entries_that_nobody_uses_are_removed(folder: Path, cache_root: Path) -> None:
    """Writing a new entry removes those that were not used for a month."""
    for name, age in (("old", 31), ("young", 29)):
        entry = cache_root / name
        entry.mkdir(parents=True)
        then = entry.stat().st_mtime - age * 24 * 3600
        os.utime(entry, (then, then))
    load_panel(folder)
    names = {path.name for path in cache_root.iterdir()}
    assert "young" in names
    assert "old" not in names


# One Parquet file.


def test_a_single_parquet_file(tmp_path: Path, market: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    """It loads like a frame, is cached by its content, and may declare a basis."""
    path = tmp_path / "bars.parquet"
    long_frame(market).sample(frac=1, random_state=0).to_parquet(path)
    first = load_panel(path)
    np.testing.assert_array_equal(first.close, market.close)
    assert first.basis == "as_traded"
    assert load_panel(path, basis="split_adjusted").basis == "split_adjusted"
    path.rename(tmp_path / "moved.parquet")
    monkeypatch.setattr(dataset, "read_parquet", None)
    same(load_panel(tmp_path / "moved.parquet"), first)


# Damage.


def test_nothing_there(tmp_path: Path) -> None:
    """A path that does not exist is named."""
    with pytest.raises(DataError, match=r"there is nothing at .*nowhere"):
        load_panel(tmp_path / "nowhere")


def test_not_a_dataset(tmp_path: Path) -> None:
    """A folder without a manifest is no dataset, and the message says how one is made."""
    with pytest.raises(DataError, match=r"is no dataset: it has no manifest.json.*data import"):
        load_panel(tmp_path)


def test_another_basis_than_declared(folder: Path) -> None:
    """A dataset's basis cannot be overruled."""
    with pytest.raises(DataError, match="holds prices as_traded, not total_return"):
        load_panel(folder, basis="total_return")


def test_a_parquet_file_cut_in_half(tmp_path: Path, market: Panel) -> None:
    """The message names the file and says that it is cut."""
    path = tmp_path / "bars.parquet"
    long_frame(market).to_parquet(path)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(DataError, match=r"bars.parquet cannot be read as Parquet, it is damaged or cut off"):
        load_panel(path)


def test_an_empty_file(tmp_path: Path) -> None:
    """An empty file is called empty, one with no rows too."""
    path = tmp_path / "a.parquet"
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"a.parquet is empty"):
        load_panel(path)
    pd.DataFrame({"date": [], "symbol": [], "open": [], "close": [], "volume": []}).to_parquet(path)
    with pytest.raises(DataError, match=r"a.parquet has no rows"):
        load_panel(path)


def test_a_csv_file_is_not_loaded_but_imported(tmp_path: Path) -> None:
    """The message says how."""
    (tmp_path / "a.csv").write_text("date,symbol\n")
    with pytest.raises(DataError, match=r"a.csv is no Parquet file.*data import a.csv"):
        load_panel(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="open"), r"a.parquet: frame: no column 'open'"),
        (lambda f: f.assign(open="abc"), r"a.parquet: S\d+ on 2015-\S+: open is 'abc' .*no number"),
        (lambda f: f.assign(close=-f["close"]), r"a.parquet: S\d+ on 2015-\S+: close is -.*positive"),
        (lambda f: pd.concat([f, f[:1]]), r"a.parquet: frame: S\d+ on 2015-\S+ has 2 rows"),
        (lambda f: f.assign(date=f["date"].dt.tz_localize("UTC")), r"a.parquet: frame, column 'date': .*time zone"),
        (lambda f: f.assign(symbol=1), r"a.parquet: frame, column 'symbol': symbol 1 is not text"),
    ],
)
def test_wrong_content_of_a_parquet_file(tmp_path: Path, market: Panel, change: object, message: str) -> None:
    """A single file is strict: what an import would set aside is an error, with file, symbol, date and column."""
    assert callable(change)
    change(long_frame(market)).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=message):
        load_panel(tmp_path / "a.parquet")


@pytest.mark.parametrize("name", ["bars.parquet", "symbols.parquet"])
def test_a_dataset_with_a_damaged_table(folder: Path, name: str) -> None:
    """A table that was cut or removed is noticed on every load, one that was changed when it is read."""
    table = folder / name
    content = table.read_bytes()
    changed = bytearray(content)
    changed[len(content) // 2] ^= 1
    table.write_bytes(changed)
    with pytest.raises(DataError, match=rf"{name} was changed since it was written; import the dataset again"):
        load_panel(folder)
    table.write_bytes(content)
    load_panel(folder)
    table.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=rf"{name} has \d+ bytes, the manifest says \d+; it is cut off or was changed"):
        load_panel(folder)
    table.unlink()
    with pytest.raises(DataError, match=rf"{name} cannot be read"):
        load_panel(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "is damaged"), ("[]", "is damaged"), ('{"format": 1}', "is damaged")],
)
def test_a_damaged_manifest(folder: Path, text: str, message: str) -> None:
    """A manifest that cannot be read is named."""
    (folder / "manifest.json").write_text(text)
    with pytest.raises(DataError, match=rf"manifest.json {message}.*import the dataset again"):
        load_panel(folder)


def test_a_manifest_that_was_edited(folder: Path) -> None:
    """Neither the basis nor the format can be changed by hand."""
    manifest = json_of(folder)
    for change, message in (({"basis": "total_return"}, "does not fit together"), ({"format": 2}, "has the format 2")):
        (folder / "manifest.json").write_text(json.dumps({**manifest, **change}))
        with pytest.raises(DataError, match=message):
            load_panel(folder)
