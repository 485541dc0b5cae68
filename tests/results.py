"""Results made by hand: of a small run, of a full one, of none."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from backtester.engine import legs as lg
from backtester.engine import types as t
from backtester.metrics import Benchmark
from backtester.portfolio.settings import Costs, Execution
from backtester.result import Resting, Result
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
