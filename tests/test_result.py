"""The record of a run: tables, replayed positions and orders, hashes, and the folder on disk."""

from __future__ import annotations

import dataclasses
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

from backtester.engine import legs as lg
from backtester.engine import types as t
from backtester.errors import RunError
from backtester.metrics import Benchmark
from backtester.portfolio.settings import Costs, Execution
from backtester.result import Resting, Result, folder
from backtester.result.attribution import Attribution

DATES = np.arange("2024-01-01", "2024-01-07", dtype="datetime64[D]")
SYMBOLS = ("A", "B", "NA")  # a symbol that careless readers take for a missing value
SECTORS = ("", "Tech")
A, B, NA = range(3)
NAN = float("nan")

# order: session, symbol, moment, origin | shares
ORDERS = [
    ((0, A, t.AT_OPEN, t.FROM_TARGET), 100.0),  # 0: filled in two parts
    ((0, B, t.AT_OPEN, t.FROM_TARGET), -50.0),  # 1: 20 filled, the rest replaced on day 2
    ((2, B, t.AT_OPEN, t.FROM_TARGET), -30.0),  # 2: never filled, cancelled on day 4
    ((1, NA, t.AT_CLOSE, t.FROM_ORDER), 10.0),  # 3: split 1:3 before it fills, filled with 30
    ((5, A, t.AT_OPEN, t.FROM_TARGET), -300.0),  # 4: rests
    ((4, NA, t.AT_CLOSE, t.FROM_ORDER), 40.0),  # 5: 15 filled, the rest rests
]
# fill: session, symbol, order, origin, moment | shares, price, commission, slippage
FILLS = [
    ((1, A, 0, t.FROM_TARGET, t.AT_OPEN), (60.0, 10.5, 0.1, 0.5)),
    ((1, B, 1, t.FROM_TARGET, t.AT_OPEN), (-20.0, 5.0, 0.2, 0.25)),
    ((2, A, 0, t.FROM_TARGET, t.AT_OPEN), (40.0, 11.0, 0.3, 0.0)),
    ((2, NA, 3, t.FROM_ORDER, t.AT_CLOSE), (30.0, 7.0, 0.0, 0.0)),
    ((5, NA, 5, t.FROM_ORDER, t.AT_CLOSE), (15.0, 8.0, 0.0, 0.0)),
]
# event: session, code, item | before, after, amount
EVENTS = [
    ((2, t.E_ORDER_SPLIT, NA), (10.0, 30.0, 3.0)),
    ((2, t.E_REPLACED, B), (-30.0, -30.0, 0.0)),
    ((3, t.E_SPLIT, A), (100.0, 300.0, 0.0)),
    ((4, t.E_SETTLEMENT, B), (-20.0, -0.3, -70.0)),
    ((4, t.E_CANCELLED, B), (-30.0, 0.0, 0.0)),
    ((4, t.E_MAX_SECTOR, 1), (0.5, 0.4, 0.8)),
    ((4, t.E_MAX_GROSS, -1), (2.5, 2.0, 0.8)),
    ((5, t.E_NO_PRICE, A), (NAN, NAN, 0.0)),
]


def table(rows: list[Any], kind: type, width: int) -> np.ndarray:
    return np.array(rows, dtype=kind).reshape(len(rows), width)


def make_result(**changes: Any) -> Result:
    ledger = np.zeros((6, t.LEDGER))
    ledger[:, t.L_EQUITY] = [1000, 1010, 990, 1005, 1020, 1015]
    ledger[4:, t.L_STATUS] = t.HALTED
    tape = t.Tape(
        ledger=ledger,
        fill_i=table([row for row, _ in FILLS], np.int32, t.FILL_INTS),
        fill_f=table([row for _, row in FILLS], np.float64, t.FILL_FLOATS),
        event_i=table([row for row, _ in EVENTS], np.int32, t.EVENT_INTS),
        event_f=table([row for _, row in EVENTS], np.float64, t.EVENT_FLOATS),
        order_i=table([row for row, _ in ORDERS], np.int32, t.ORDER_INTS),
        order_f=np.array([shares for _, shares in ORDERS]),
    )
    resting = Resting(
        symbol=np.array([A, B, NA]),
        at=np.array([t.AT_OPEN, t.AT_OPEN, t.AT_CLOSE]),
        origin=np.array([t.FROM_TARGET, t.FROM_TARGET, t.FROM_ORDER]),
        order=np.array([4, -1, 5]),
        shares=np.array([-300.0, NAN, 25.0]),
        weight=np.array([NAN, 0.1, NAN]),
    )
    settings = {
        "costs": Costs().describe(),
        "risk": None,
        "execution": dataclasses.asdict(Execution()),
        "strategy": {"top": 1 / 3},
    }
    fields: dict[str, Any] = {
        "name": "handmade",
        "dates": DATES,
        "symbols": SYMBOLS,
        "sector_names": SECTORS,
        "tape": tape,
        "resting_orders": resting,
        "settings": settings,
        "source": "f" * 64,
        "cash": 1000.0,
    }
    return Result(**(fields | changes))


def full_result() -> Result:
    """With everything that a run folder can hold; what the sides and the round trips earned is made up."""
    legs = np.arange(6.0 * lg.LEGS).reshape(6, lg.LEGS)
    codes = table([(A, 1, 1, -1), (B, -1, 1, 4), (NA, 1, 2, -1)], np.int64, lg.TRADE_INTS)
    numbers = np.linspace(0.1, 3.0, 3 * lg.TRADE_FLOATS).reshape(3, lg.TRADE_FLOATS)
    benchmark = Benchmark("index", np.array([NAN, 0.01, -0.02, 0.03, NAN, 0.0]), np.array([0, 1, 1, 1, 0, 2]))
    return make_result(parts=Attribution(legs, codes, numbers), benchmark=benchmark)


def empty_result(sessions: int = 0) -> Result:
    tape = t.Tape(
        ledger=np.full((sessions, t.LEDGER), 1000.0),
        fill_i=np.zeros((0, t.FILL_INTS), np.int32),
        fill_f=np.zeros((0, t.FILL_FLOATS)),
        event_i=np.zeros((0, t.EVENT_INTS), np.int32),
        event_f=np.zeros((0, t.EVENT_FLOATS)),
        order_i=np.zeros((0, t.ORDER_INTS), np.int32),
        order_f=np.zeros(0),
    )
    tape.ledger[:, t.L_STATUS] = 0
    return make_result(tape=tape, dates=DATES[:sessions], resting_orders=Resting.none())


def test_fills_and_equity_tables() -> None:
    result = make_result()
    fills = result.fills
    assert list(fills.columns) == [
        "date", "symbol", "shares", "price", "commission", "slippage", "reason", "order", "moment",
    ]  # fmt: skip
    assert fills.iloc[1].to_dict() == {
        "date": pd.Timestamp("2024-01-02"),
        "symbol": "B",
        "shares": -20.0,
        "price": 5.0,
        "commission": 0.2,
        "slippage": 0.25,
        "reason": "target",
        "order": 1,
        "moment": "open",
    }
    assert fills["symbol"].tolist() == ["A", "B", "A", "NA", "NA"]
    assert result.equity.loc["2024-01-03"] == 990.0
    assert result.equity.name == "equity"
    assert result.equity.index.name == "date"
    assert list(result.ledger.columns) == list(t.LEDGER_COLUMNS)
    assert result.ledger["status"].tolist() == ["active"] * 4 + ["halted"] * 2


def test_positions_are_replayed_through_splits_and_settlements() -> None:
    positions = make_result().positions
    assert positions.columns.tolist() == list(SYMBOLS)
    assert positions["A"].tolist() == [0, 60, 100, 300, 300, 300]
    assert positions["B"].tolist() == [0, -20, -20, -20, 0, 0]
    assert positions["NA"].tolist() == [0, 0, 30, 30, 30, 45]


def test_positions_add_up_in_the_order_of_the_tape() -> None:
    parts = [0.1, 0.2, 0.3, 1e16, -1e16]
    result = make_result()
    tape = result.tape._replace(
        fill_i=table([(k, A, 0, 0, 0) for k in (1, 1, 2, 2, 3)], np.int32, t.FILL_INTS),
        fill_f=table([(part, 1.0, 0.0, 0.0) for part in parts], np.float64, t.FILL_FLOATS),
        event_i=np.zeros((0, 3), np.int32),
        event_f=np.zeros((0, 3)),
    )
    held = make_result(tape=tape).positions["A"].tolist()
    first = 0.1 + 0.2
    assert held[:4] == [0.0, first, first + 0.3 + 1e16, first + 0.3 + 1e16 - 1e16]


def test_what_became_of_every_order() -> None:
    orders = make_result().orders
    assert list(orders.columns) == ["date", "symbol", "shares", "at", "origin", "filled", "status"]
    assert orders["status"].tolist() == ["filled", "replaced", "cancelled", "filled", "resting", "partial"]
    assert orders["filled"].tolist() == [100.0, -20.0, 0.0, 30.0, 0.0, 15.0]
    assert orders["origin"].tolist() == ["target", "target", "target", "order", "target", "order"]


def test_a_replacement_of_the_same_size_belongs_to_the_older_order() -> None:
    # Day 1: 10 ordered. Day 2: replaced by 10 more, which wait until they are cancelled on day 4.
    result = make_result()
    tape = result.tape._replace(
        order_i=table([(1, A, 0, 0), (2, A, 0, 0)], np.int32, t.ORDER_INTS),
        order_f=np.array([10.0, 10.0]),
        fill_i=result.tape.fill_i[:0],
        fill_f=result.tape.fill_f[:0],
        event_i=table([(2, t.E_REPLACED, A), (4, t.E_CANCELLED, A)], np.int32, t.EVENT_INTS),
        event_f=table([(10, 10, 0), (10, 0, 0)], np.float64, t.EVENT_FLOATS),
    )
    assert make_result(tape=tape, resting_orders=Resting.none()).orders["status"].tolist() == ["replaced", "cancelled"]


def test_a_split_that_leaves_nothing_of_an_order_cancels_it() -> None:
    result = make_result()
    tape = result.tape._replace(
        order_i=table([(1, A, 0, 0)], np.int32, t.ORDER_INTS),
        order_f=np.array([3.0]),
        fill_i=result.tape.fill_i[:0],
        fill_f=result.tape.fill_f[:0],
        event_i=table([(2, t.E_ORDER_SPLIT, A), (2, t.E_CANCELLED, A)], np.int32, t.EVENT_INTS),
        event_f=table([(3, 0, 0.1), (3, 0, 0)], np.float64, t.EVENT_FLOATS),
    )
    assert make_result(tape=tape, resting_orders=Resting.none()).orders["status"].tolist() == ["cancelled"]


def test_events_name_a_symbol_or_a_sector_or_neither() -> None:
    events = make_result().events.set_index("event")
    assert events.loc["split", "symbol"] == "A"
    assert events.loc["waits_no_price", "symbol"] == "A"
    assert events.loc["clipped_max_sector", "sector"] == "Tech"
    assert pd.isna(events.loc["clipped_max_sector", "symbol"])
    assert events.loc["clipped_max_gross", ["symbol", "sector"]].isna().all()
    assert events.loc["settlement", ["before", "after", "amount"]].tolist() == [-20.0, -0.3, -70.0]


def test_resting_orders() -> None:
    resting = make_result().resting
    assert resting["symbol"].tolist() == ["A", "B", "NA"]
    assert resting["order"].tolist() == [4, -1, 5]
    assert resting["shares"].isna().tolist() == [False, True, False]


def test_resting_orders_of_a_state() -> None:
    state = t.State(
        f=np.zeros(t.STATE_FLOATS),
        i=np.zeros(t.STATE_INTS, np.int64),
        shares=np.zeros(3),
        mark=np.zeros(3),
        average_cost=np.zeros(3),
        ended=np.zeros(3, np.uint8),
        used=np.zeros(3),
        order_shares=np.array([5.0, NAN, 0.0, -2.0, 99.0]),
        order_i=np.zeros((5, t.SLOT_INTS), np.int64),
        order_f=np.zeros((5, t.SLOT_FLOATS)),
    )
    state.order_i[:, t.SLOT_SYMBOL] = [0, 1, 2, 1, 0]
    state.order_i[:, t.SLOT_ID] = [7, -1, -1, 9, 4]
    state.order_f[:, t.SLOT_WEIGHT] = [0.5, 0.25, 0.0, 0.0, 0.0]
    state.i[t.EXPLICIT] = 1  # what is left in the last slot is not in use
    rest = Resting.of(state)
    assert rest.symbol.tolist() == [0, 1, 1]
    assert rest.order.tolist() == [7, -1, 9]
    np.testing.assert_array_equal(rest.shares, [5.0, NAN, -2.0])
    np.testing.assert_array_equal(rest.weight, [NAN, 0.25, NAN])


def test_arrays_are_read_only_and_tables_are_copies() -> None:
    result = make_result()
    with pytest.raises(ValueError, match="read-only"):
        result.tape.fill_f[0, 0] = 1.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.name = "other"
    fills = result.fills
    fills.loc[0, "shares"] = -1.0
    assert result.fills.loc[0, "shares"] == 60.0


def test_content_hash_is_of_orders_and_fills() -> None:
    result = make_result()
    assert result.content_hash == make_result(name="other", cash=5.0).content_hash
    ledger = result.tape.ledger + 1.0
    assert result.content_hash == make_result(tape=result.tape._replace(ledger=ledger)).content_hash
    for changed in (
        {"fill_f": result.tape.fill_f * (1 + 1e-15)},
        {"order_f": -result.tape.order_f},
        {"fill_i": result.tape.fill_i + np.array([0, 0, 0, 0, 1], np.int32)},
    ):
        assert result.content_hash != make_result(tape=result.tape._replace(**changed)).content_hash
    assert result.content_hash != make_result(symbols=("A", "C", "NA")).content_hash
    assert result.content_hash != make_result(dates=DATES + 1).content_hash


def test_content_hash_does_not_see_the_rest_of_the_panel() -> None:
    result = make_result()
    more = np.array([0, 2, 4])  # the same symbols among five
    tape = result.tape._replace(
        order_i=result.tape.order_i.copy(), fill_i=result.tape.fill_i.copy(), ledger=np.zeros((8, t.LEDGER))
    )
    tape.order_i[:, t.ORDER_SYMBOL] = more[tape.order_i[:, t.ORDER_SYMBOL]]
    tape.fill_i[:, t.FILL_SYMBOL] = more[tape.fill_i[:, t.FILL_SYMBOL]]
    wide = make_result(tape=tape, symbols=("A", "AB", "B", "C", "NA"), dates=np.append(DATES, DATES[-2:] + 5))
    assert wide.content_hash == result.content_hash


def test_the_hash_is_the_same_on_every_machine() -> None:
    assert make_result().content_hash == "f73af6f511d2591943d0752c6ccd660e30cbd1de1c29097dc7d9cd8b59584836"


def test_the_record_holds_the_benchmark_and_what_the_sides_earned() -> None:
    full = full_result()
    assert full.content_hash == make_result().content_hash
    for other in (make_result(benchmark=full.benchmark), make_result(parts=full.parts)):
        assert other != full
        assert other != make_result()
    assert full != dataclasses.replace(full, benchmark=full.benchmark._replace(name="other"))
    name, returns, sessions = full.benchmark
    for other in (Benchmark(name, returns + 1e-9, sessions), Benchmark(name, returns, sessions + 1)):
        assert full != dataclasses.replace(full, benchmark=other)


def test_equal_results() -> None:
    assert make_result() == make_result()
    assert hash(make_result()) == hash(make_result())
    assert make_result() != make_result(settings={})
    assert make_result() != "handmade"


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
