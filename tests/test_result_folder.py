"""A run on disk: whole or not at all, the same when it comes back, and damage is noticed."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from results import SECTORS, SYMBOLS, empty_result, full_result, make_result

from backtester.errors import RunError
from backtester.result import Result, folder


@pytest.mark.parametrize(
    "result",
    [full_result(), make_result(), empty_result(), empty_result(3)],
    ids=["full", "without the market", "empty", "idle"],
)
def test_saved_and_loaded_it_is_the_same(result: Result, tmp_path: Path) -> None:
    assert result.save(tmp_path / "run") == tmp_path / "run"
    loaded = Result.load(tmp_path / "run")
    assert loaded == result
    assert (loaded.content_hash, loaded.record_hash) == (result.content_hash, result.record_hash)
    assert (loaded.name, loaded.cash, loaded.symbols, loaded.sector_names) == ("handmade", 1000.0, SYMBOLS, SECTORS)
    assert loaded.settings == result.settings
    assert loaded.panel_fingerprint == result.panel_fingerprint
    for name, array in result.tape._asdict().items():
        found = getattr(loaded.tape, name)
        assert found.dtype == array.dtype
        assert found.tobytes() == array.tobytes()
    for name in ("fills", "orders", "events", "ledger", "positions", "resting"):
        pd.testing.assert_frame_equal(getattr(loaded, name), getattr(result, name))
    assert (loaded.attribution is None) == (result.attribution is None)
    if result.attribution is not None:
        for ours, theirs in zip(loaded.attribution, result.attribution, strict=True):
            assert (ours.dtype, ours.tobytes()) == (theirs.dtype, theirs.tobytes())
    assert (loaded.benchmark is None) == (result.benchmark is None)
    if result.benchmark is not None:
        assert loaded.benchmark.name == result.benchmark.name
        np.testing.assert_array_equal(loaded.benchmark.returns, result.benchmark.returns)
        np.testing.assert_array_equal(loaded.benchmark.sessions, result.benchmark.sessions)
    assert repr(loaded) == repr(result)


def test_the_tables_can_be_read_by_others(tmp_path: Path) -> None:
    full_result().save(tmp_path / "run", extra={"config.toml": "[data]\n"})
    assert sorted(file.name for file in (tmp_path / "run").iterdir()) == [
        "benchmark.parquet", "config.toml", "events.parquet", "fills.parquet", "ledger.parquet", "legs.parquet",
        "metrics.json", "orders.parquet", "resting.parquet", "run.json", "trades.parquet",
    ]  # fmt: skip
    trades = pq.read_table(tmp_path / "run" / "trades.parquet").to_pandas()
    assert trades["side"].tolist() == ["long", "short", "long"]
    assert [str(day)[:10] for day in trades["closed"].dropna()] == ["2024-01-05"]
    fills = pq.read_table(tmp_path / "run" / "fills.parquet").to_pandas()
    assert fills["symbol"].tolist() == ["A", "B", "A", "NA", "NA"]
    assert str(fills["date"].iloc[0])[:10] == "2024-01-02"
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["fills"] == 5
    assert metrics["end_equity"] == 1015.0


def test_unknown_figures_are_null_in_json(tmp_path: Path) -> None:
    empty_result().save(tmp_path / "run")
    text = (tmp_path / "run" / "metrics.json").read_text()
    assert json.loads(text)["sharpe"] is None
    assert "NaN" not in text


def test_saving_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    make_result().save(tmp_path / "one")
    make_result().save(tmp_path / "two")
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes(), file.name


def test_an_existing_folder_is_refused(tmp_path: Path) -> None:
    make_result().save(tmp_path / "run")
    with pytest.raises(RunError, match="exists already"):
        make_result(name="second").save(tmp_path / "run")
    assert Result.load(tmp_path / "run").name == "handmade"
    make_result(name="second").save(tmp_path / "run", overwrite=True)
    assert Result.load(tmp_path / "run").name == "second"
    assert [file.name for file in tmp_path.iterdir()] == ["run"]


def test_only_a_run_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("years of work")
    with pytest.raises(RunError, match="holds no run"):
        make_result().save(tmp_path / "thesis", overwrite=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="holds no run"):
        make_result().save(tmp_path / "file", overwrite=True)
    assert (tmp_path / "thesis" / "chapter1.txt").exists()


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    make_result().save(tmp_path / "run")
    assert Result.load(tmp_path / "run") == make_result()


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_failure_half_way_leaves_nothing_new(
    overwrite: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if overwrite:
        make_result().save(tmp_path / "run")

    def full_disk(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(folder, "code_hash", full_disk)
    with pytest.raises(RunError, match="No space left on device"):
        make_result(name="second").save(tmp_path / "run", overwrite=overwrite)
    assert sorted(tmp_path.rglob("*")) == before
    if overwrite:
        assert Result.load(tmp_path / "run").name == "handmade"


def test_a_run_saved_meanwhile_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def someone_else() -> str:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "run.json").write_text("theirs")
        return ""

    monkeypatch.setattr(folder, "code_hash", someone_else)
    with pytest.raises(RunError, match="Cannot write"):
        make_result().save(tmp_path / "run")
    assert (tmp_path / "run" / "run.json").read_text() == "theirs"


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="Cannot write a run to"):
        make_result().save(tmp_path / "file" / "run")


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are those of POSIX")
def test_the_folder_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    make_result().save(tmp_path / "run")
    (tmp_path / "other").mkdir()
    modes = [stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in ("run", "other")]
    assert modes[0] == modes[1]


@pytest.mark.parametrize("file", ["ledger", "orders", "fills", "events", "resting", "legs", "trades", "benchmark"])
@pytest.mark.parametrize("damage", ["missing", "cut", "changed", "renamed", "shortened"])
def test_a_damaged_table_is_noticed(file: str, damage: str, tmp_path: Path) -> None:
    full_result().save(tmp_path / "run")
    path = tmp_path / "run" / f"{file}.parquet"
    table = pq.read_table(path)
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif damage == "changed":
        k = next(k for k, field in enumerate(table.schema) if str(field.type) == "double")
        values = table.column(k).to_numpy().copy()
        values[0] = np.nextafter(np.nan_to_num(values[0]), 9e9)
        pq.write_table(table.set_column(k, table.column_names[k], [values]), path)
    elif damage == "renamed":
        pq.write_table(table.rename_columns(["x" + name for name in table.column_names]), path)
    else:
        pq.write_table(table.slice(0, table.num_rows - 1), path)
    with pytest.raises(RunError, match="damaged"):
        Result.load(tmp_path / "run")


def test_an_unknown_symbol_in_a_table_is_noticed(tmp_path: Path) -> None:
    make_result().save(tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    path.write_text(path.read_text().replace('"NA"', '"XX"'))
    with pytest.raises(RunError, match="'NA' is missing or unknown"):
        Result.load(tmp_path / "run")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no run at"),
        ("", "damaged"),
        ("{", "damaged"),
        ("[]", "damaged"),
        ("{}", "format None"),
        ('{"format": 99}', "format 99"),
        ('{"format": 2}', "damaged"),
        ('{"format": 2, "symbols": 3, "sector_names": []}', "damaged"),
    ],
)
def test_a_damaged_run_json_is_noticed(text: str | None, message: str, tmp_path: Path) -> None:
    make_result().save(tmp_path / "run")
    if text is None:
        (tmp_path / "run" / "run.json").unlink()
    else:
        (tmp_path / "run" / "run.json").write_text(text)
    with pytest.raises(RunError, match=message):
        Result.load(tmp_path / "run")


def test_a_changed_setting_is_noticed(tmp_path: Path) -> None:
    make_result().save(tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    path.write_text(path.read_text().replace('"slippage_bps": 5.0', '"slippage_bps": 4.0'))
    with pytest.raises(RunError, match="settings"):
        Result.load(tmp_path / "run")


def test_there_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run at"):
        Result.load(tmp_path / "nowhere")
