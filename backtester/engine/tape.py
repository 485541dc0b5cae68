"""Writing events. Whoever calls has made sure that there is room on the tape."""

from __future__ import annotations

from backtester.engine.compile import kernel
from backtester.engine.types import TAPE_EVENTS


@kernel
def record_event(state, tape, t, code, item, before, after, amount):
    """One event of session ``t``; what item and numbers are stands in ``types.EVENTS``."""
    k = state.i[TAPE_EVENTS]
    tape.event_i[k, 0] = t
    tape.event_i[k, 1] = code
    tape.event_i[k, 2] = item
    tape.event_f[k, 0] = before
    tape.event_f[k, 1] = after
    tape.event_f[k, 2] = amount
    state.i[TAPE_EVENTS] = k + 1
