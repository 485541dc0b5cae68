"""Making and growing the arrays that the kernel works on. Plain numpy; no rule of the market lives here."""

from __future__ import annotations

from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from backtester.engine.types import (
    CASH,
    EQUITY,
    EVENT_FLOATS,
    EVENT_INTS,
    FILL_FLOATS,
    FILL_INTS,
    LEDGER,
    ORDER_INTS,
    ORDER_SESSION,
    PEAK,
    PLAN_INTS,
    PREVIOUS_EQUITY,
    REARMED_ON,
    SESSION,
    SLOT_FLOATS,
    SLOT_INTS,
    START_EQUITY,
    STATE_FLOATS,
    STATE_INTS,
    TAPE_EVENTS,
    TAPE_FILLS,
    TAPE_ORDERS,
    Plan,
    State,
    Tape,
)

Table = TypeVar("Table", bound=NDArray[Any])

EXPLICIT_SLOTS = 16
ROWS = 4096


def new_state(symbols: int, cash: float) -> State:
    """A book of ``cash`` and nothing else, before session 0."""
    slots = symbols + EXPLICIT_SLOTS
    state = State(
        f=np.zeros(STATE_FLOATS),
        i=np.zeros(STATE_INTS, np.int64),
        shares=np.zeros(symbols),
        mark=np.full(symbols, np.nan),
        average_cost=np.zeros(symbols),
        ended=np.zeros(symbols, np.uint8),
        used=np.zeros(symbols),
        order_shares=np.zeros(slots),
        order_i=np.zeros((slots, SLOT_INTS), np.int64),
        order_f=np.zeros((slots, SLOT_FLOATS)),
    )
    for k in (CASH, EQUITY, PEAK, PREVIOUS_EQUITY, START_EQUITY):
        state.f[k] = cash
    state.i[REARMED_ON] = -1
    return state


def new_tape(sessions: int, symbols: int) -> Tape:
    """An empty tape with room to begin with; memory that is never written is never taken."""
    rows = ROWS + 16 * symbols
    return Tape(
        ledger=np.zeros((sessions, LEDGER)),
        fill_i=np.empty((rows, FILL_INTS), np.int32),
        fill_f=np.empty((rows, FILL_FLOATS)),
        event_i=np.empty((rows, EVENT_INTS), np.int32),
        event_f=np.empty((rows, EVENT_FLOATS)),
        order_i=np.empty((rows, ORDER_INTS), np.int32),
        order_f=np.empty(rows),
    )


def grow_tape(tape: Tape, state: State) -> Tape:
    """The same tape with more room: what a run needs that goes on as since its first order, at least twice as much."""
    fills, events, orders = (int(state.i[k]) for k in (TAPE_FILLS, TAPE_EVENTS, TAPE_ORDERS))
    session = int(state.i[SESSION])
    first = int(tape.order_i[0, ORDER_SESSION]) if orders else 0
    share = (len(tape.ledger) - first) / max(1, session - first)

    def longer(table: Table, used: int) -> Table:
        return _longer(table, max(2 * len(table) + ROWS, int(1.1 * share * used)))

    return Tape(
        ledger=tape.ledger,
        fill_i=longer(tape.fill_i, fills),
        fill_f=longer(tape.fill_f, fills),
        event_i=longer(tape.event_i, events),
        event_f=longer(tape.event_f, events),
        order_i=longer(tape.order_i, orders),
        order_f=longer(tape.order_f, orders),
    )


def _longer(table: Table, rows: int) -> Table:
    """A copy of ``table`` with ``rows`` rows, the new ones zero."""
    longer = np.zeros((rows, *table.shape[1:]), table.dtype)
    longer[: len(table)] = table
    return cast(Table, longer)


def grow_orders(state: State, explicit: int) -> State:
    """The same state with room for at least ``explicit`` explicit orders."""
    slots = len(state.shares) + 2 * explicit
    return state._replace(
        order_shares=_longer(state.order_shares, slots),
        order_i=_longer(state.order_i, slots),
        order_f=_longer(state.order_f, slots),
    )


def copy_state(state: State) -> State:
    """A state that shares no memory with ``state``: keep it, and a run can go on from there."""
    return State(**{name: array.copy() for name, array in state._asdict().items()})


def used_tape(tape: Tape, state: State) -> Tape:
    """What has been written, without a copy: rows once written stay as they are."""
    fills, events, orders = (int(state.i[k]) for k in (TAPE_FILLS, TAPE_EVENTS, TAPE_ORDERS))
    return Tape(
        ledger=tape.ledger[: state.i[SESSION]],
        fill_i=tape.fill_i[:fills],
        fill_f=tape.fill_f[:fills],
        event_i=tape.event_i[:events],
        event_f=tape.event_f[:events],
        order_i=tape.order_i[:orders],
        order_f=tape.order_f[:orders],
    )


def longer_tape(tape: Tape, sessions: int) -> Tape:
    """A used tape, copied, with a ledger for ``sessions`` sessions in all."""
    return Tape(**{name: table.copy() for name, table in tape._asdict().items()})._replace(
        ledger=_longer(tape.ledger, sessions)
    )


def new_plan(rows: int, symbols: int, targets: int = 1) -> Plan:
    """A plan of up to ``rows`` sessions with nothing in it, and room for targets in its first ``targets`` rows."""
    return Plan(
        span=np.zeros(PLAN_INTS, np.int64),
        kind=np.zeros(rows, np.uint8),
        weights=np.zeros((targets, symbols)),
        named=np.zeros((targets, symbols), np.uint8),
        order_symbol=np.zeros(0, np.int64),
        order_at=np.zeros(0, np.int64),
        order_shares=np.zeros(0),
    )
