"""The one loop. Strides differ, the code does not: see docs/architecture.md."""

from __future__ import annotations

import numpy as np

from backtester.engine.breakers import check_breakers
from backtester.engine.compile import kernel
from backtester.engine.decision import run_decision
from backtester.engine.session import run_session
from backtester.engine.types import (
    DECIDE,
    DECISION_PHASE,
    DONE,
    EXPLICIT,
    FILL,
    HALT,
    L_STATUS,
    ORDERS_FULL,
    PHASE,
    PLAN_FIRST,
    PLAN_ORDERS,
    PLAN_ROWS,
    SESSION,
    SESSION_PHASE,
    STATUS,
    STOPS,
    TAPE_EVENTS,
    TAPE_FILLS,
    TAPE_FULL,
    TAPE_ORDERS,
    TOLD_FILLS,
)

NO_ORDERS = np.int64(0)


@kernel
def advance(state, market, rules, plan, tape, end):
    """Run sessions from where ``state`` stands up to, not including, session ``end``.

    Returns ``(session, code)``, the code being a bit mask of why it stopped:

    - DONE: session ``end`` was reached;
    - DECIDE: the plan has no row for the decision after this session;
    - FILL, HALT: there are new fills, or a breaker tripped, and ``rules`` asks to hear of it;
    - TAPE_FULL, ORDERS_FULL: a table has no room for what the next phase might need. Nothing has been done of that
      phase: grow the table (``memory.grow_tape``, ``memory.grow_orders``) and call again.

    After any code but DONE a call with the same or a new plan goes on exactly where this one stopped. Rows of the
    plan that have been used are scratch afterwards.
    """
    n = state.shares.size
    while True:
        t = state.i[SESSION]
        if state.i[PHASE] == SESSION_PHASE:
            if t >= end:
                return t, DONE
            if not _has_room(state, market, tape, t, NO_ORDERS):
                return t, TAPE_FULL
            run_session(state, market, rules, tape, t)
            tripped = check_breakers(state, market.eligible[t], market.close[t], rules, tape, t)
            code = HALT if tripped else DONE
            tape.ledger[t, L_STATUS] = state.i[STATUS]
            if state.i[TAPE_FILLS] > state.i[TOLD_FILLS]:  # some may be from the close of the session before
                code |= FILL
                state.i[TOLD_FILLS] = state.i[TAPE_FILLS]
            code &= rules.i[STOPS]
            state.i[PHASE] = DECISION_PHASE
            if not _has_row(plan, t):
                code |= DECIDE
            if code != DONE:
                return t, code
        else:
            if not _has_row(plan, t):
                return t, DECIDE
            orders = plan.order_symbol.size if plan.span[PLAN_ORDERS] == t else 0
            if n + state.i[EXPLICIT] + orders > state.order_shares.size:
                return t, ORDERS_FULL
            if not _has_room(state, market, tape, t, orders):
                return t, TAPE_FULL
            run_decision(state, market, rules, tape, plan, t)
            state.i[PHASE] = SESSION_PHASE
            state.i[SESSION] = t + 1


@kernel
def _has_row(plan, t):
    return plan.span[PLAN_FIRST] <= t < plan.span[PLAN_FIRST] + plan.span[PLAN_ROWS]


@kernel
def _has_room(state, market, tape, t, orders):
    """Whether the tape can take the worst case of one phase.

    Events of a session phase: two for every action (split, dividend) and one for every settlement; for every slot two
    for a split of its order, one for a settlement, two for an attempt to fill (cut, left waiting), one for a trip.
    Of a decision phase: for every symbol one for its eligibility, its cap, its sector, what it replaces and what is
    refused of its target; for every explicit order that is new one, for every slot one for being replaced or cancelled
    and two for an attempt at once. Either is at most eight a slot and what stands below for actions and for the book.
    Orders: those of targets, flattening and explicit ones, and once more those that are sized at their fill.
    """
    slots = state.shares.size + state.i[EXPLICIT] + orders
    actions = market.action_first[t + 1] - market.action_first[t] + market.end_first[t + 1] - market.end_first[t]
    return (
        state.i[TAPE_FILLS] + 2 * slots <= tape.fill_f.shape[0]
        and state.i[TAPE_ORDERS] + 2 * slots <= tape.order_f.size
        and state.i[TAPE_EVENTS] + 8 * slots + 2 * actions + 16 <= tape.event_f.shape[0]
    )
