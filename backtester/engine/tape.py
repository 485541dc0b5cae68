"""Writing events. Whoever calls has made sure that there is room on the tape."""

from __future__ import annotations

from backtester.engine.compile import kernel
from backtester.engine.types import (
    EVENT_AFTER,
    EVENT_AMOUNT,
    EVENT_BEFORE,
    EVENT_CODE,
    EVENT_ITEM,
    EVENT_SESSION,
    TAPE_EVENTS,
)


@kernel
def record_event(state, tape, t, code, item, before, after, amount):
    """One event of session ``t``; what item and numbers are stands in ``types.EVENTS``."""
    write_event(state.i, tape.event_i, tape.event_f, t, code, item, before, after, amount)


@kernel
def write_event(counters, event_i, event_f, t, code, item, before, after, amount):
    """The same, for loops that leave many: only arrays are handed on."""
    k = counters[TAPE_EVENTS]
    event_i[k, EVENT_SESSION] = t
    event_i[k, EVENT_CODE] = code
    event_i[k, EVENT_ITEM] = item
    event_f[k, EVENT_BEFORE] = before
    event_f[k, EVENT_AFTER] = after
    event_f[k, EVENT_AMOUNT] = amount
    counters[TAPE_EVENTS] = k + 1
