"""The record of a run: tables, replayed positions and orders, hashes, and the folder on disk."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from results import DATES, NAN, SYMBOLS, A, full_result, make_result, table

from backtester.engine import types as t
from backtester.metrics import Benchmark
from backtester.result import Resting


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
