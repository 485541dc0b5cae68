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
    k = state.i[TAPE_EVENTS]
    tape.event_i[k, EVENT_SESSION] = t
    tape.event_i[k, EVENT_CODE] = code
    tape.event_i[k, EVENT_ITEM] = item
    tape.event_f[k, EVENT_BEFORE] = before
    tape.event_f[k, EVENT_AFTER] = after
    tape.event_f[k, EVENT_AMOUNT] = amount
    state.i[TAPE_EVENTS] = k + 1
