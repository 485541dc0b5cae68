"""What the tape implies but does not spell out: positions after every session, and what became of every order."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from operator import attrgetter

import numpy as np

from backtester.engine.types import (
    E_CANCELLED,
    E_CUT_REDUCING,
    E_ORDER_SPLIT,
    E_REFUSED_REDUCING,
    E_REPLACED,
    E_SETTLEMENT,
    E_SPLIT,
    EVENT_AFTER,
    EVENT_BEFORE,
    EVENT_CODE,
    EVENT_ITEM,
    EVENT_SESSION,
    FILL_ORDER,
    FILL_SESSION,
    FILL_SHARES,
    FILL_SYMBOL,
    ORDER_SESSION,
    ORDER_SYMBOL,
    Floats,
    Ints,
    Tape,
)

STATUSES = ("filled", "partial", "resting", "cancelled", "replaced")
FILLED, PARTIAL, RESTING, CANCELLED, REPLACED = range(len(STATUSES))

# Fills of fractional shares add up to the order only to rounding.
_ROUNDING = 1e-9


def positions(tape: Tape, symbols: int) -> Floats:
    """Shares held after each session, ``(T, N)``: the tape replayed with the additions of the engine, in its order.

    Splits and settlements of a session come before its fills.
    """
    held = np.zeros((tape.ledger.shape[0], symbols))
    resets = _resets(tape)
    by_symbol = np.argsort(tape.fill_i[:, FILL_SYMBOL], kind="stable")
    edges = np.searchsorted(tape.fill_i[by_symbol, FILL_SYMBOL], np.arange(symbols + 1))
    for i in range(symbols):
        rows = by_symbol[edges[i] : edges[i + 1]]
        if rows.size:
            _replay(held[:, i], tape.fill_i[rows, FILL_SESSION], tape.fill_f[rows, FILL_SHARES], resets.get(i, []))
    return held


def _resets(tape: Tape) -> dict[int, list[tuple[int, float]]]:
    """Of every symbol, the sessions in which its position was set to a number of shares, in tape order."""
    found: dict[int, list[tuple[int, float]]] = defaultdict(list)
    codes = tape.event_i[:, EVENT_CODE]
    for k in np.flatnonzero((codes == E_SPLIT) | (codes == E_SETTLEMENT)):
        session, code, symbol = tape.event_i[k].tolist()
        found[symbol].append((session, float(tape.event_f[k, EVENT_AFTER]) if code == E_SPLIT else 0.0))
    return found


def _replay(held: Floats, sessions: np.ndarray, shares: Floats, resets: list[tuple[int, float]]) -> None:
    """Fill in one column of the positions, a stretch between two resets at a time."""
    starts = [(0, 0.0), *resets]
    ends = [session for session, _ in resets] + [held.size]
    for (first, start), end in zip(starts, ends, strict=True):
        low, high = np.searchsorted(sessions, [first, end])
        level = np.concatenate(([start], shares[low:high])).cumsum()
        held[first:end] = level[np.searchsorted(sessions[low:high], np.arange(first, end), side="right")]


def order_outcomes(tape: Tape, resting: Ints) -> tuple[Floats, Ints]:
    """Shares filled of every order, ``(K,)`` signed, and its status, ``(K,)``, an index of ``STATUSES``.

    ``resting`` are the ids of the orders that rest at the end. Shares are added up as they were on the days of the
    fills, so an order that was split on its way has filled more or fewer than were ordered.
    """
    count = tape.order_f.size
    filled = np.zeros(count, dtype=np.float64)
    np.add.at(filled, tape.fill_i[:, FILL_ORDER], tape.fill_f[:, FILL_SHARES])
    status = np.full(count, FILLED, dtype=np.int64)
    rests = np.zeros(count, dtype=bool)
    rests[resting[resting >= 0]] = True
    status[rests] = np.where(filled[rests] != 0.0, PARTIAL, RESTING)

    changes = _changes(tape)
    split = np.unique(tape.event_i[tape.event_i[:, EVENT_CODE] == E_ORDER_SPLIT, EVENT_ITEM])
    short_of = np.abs(tape.order_f - filled) > _ROUNDING * np.abs(tape.order_f)
    maybe = ~short_of & np.isin(tape.order_i[:, ORDER_SYMBOL], split)
    # Those that something has surely become of come first: of two alike the event is that of the one not filled.
    unclear = np.concatenate((np.flatnonzero(~rests & short_of), np.flatnonzero(~rests & maybe)))
    fills = _fills_of(tape, unclear)
    created = tape.order_i[unclear][:, [ORDER_SESSION, ORDER_SYMBOL]].tolist()
    for order, shares, (session, symbol) in zip(unclear.tolist(), tape.order_f[unclear].tolist(), created, strict=True):
        status[order] = _outcome(shares, session, fills.get(order, []), changes[symbol])
    return filled, status


class _Change:
    """An event that ends, splits or cuts one resting order of a symbol. It is matched with one order only."""

    __slots__ = ("after", "before", "code", "session", "used")

    def __init__(self, session: int, code: int, before: float, after: float) -> None:
        self.session, self.code, self.before, self.after, self.used = session, code, before, after, False


_session = attrgetter("session")


def _changes(tape: Tape) -> dict[int, list[_Change]]:
    """The events that may have ended, split or cut an order, by symbol, in tape order.

    What is refused whole is left out: an explicit order that never rested, or one that REDUCING cut to nothing, which
    is cancelled if nothing else has become of it.
    """
    found: dict[int, list[_Change]] = defaultdict(list)
    codes = tape.event_i[:, EVENT_CODE]
    cut = (codes == E_REFUSED_REDUCING) & (tape.event_f[:, EVENT_AFTER] != 0.0)
    rows = np.flatnonzero(cut | np.isin(codes, (E_REPLACED, E_CANCELLED, E_ORDER_SPLIT, E_CUT_REDUCING)))
    columns = tape.event_i[rows][:, [EVENT_SESSION, EVENT_CODE, EVENT_ITEM]].tolist()
    numbers = tape.event_f[rows][:, [EVENT_BEFORE, EVENT_AFTER]].tolist()
    for (session, code, symbol), (before, after) in zip(columns, numbers, strict=True):
        found[symbol].append(_Change(session, code, before, after))
    return found


def _fills_of(tape: Tape, orders: np.ndarray) -> dict[int, list[tuple[int, float]]]:
    """Sessions and shares of the fills of some orders."""
    found: dict[int, list[tuple[int, float]]] = defaultdict(list)
    wanted = np.zeros(tape.order_f.size, dtype=bool)
    wanted[orders] = True
    rows = np.flatnonzero(wanted[tape.fill_i[:, FILL_ORDER]])
    columns = (tape.fill_i[rows, FILL_ORDER], tape.fill_i[rows, FILL_SESSION], tape.fill_f[rows, FILL_SHARES])
    for order, session, shares in zip(*(column.tolist() for column in columns), strict=True):
        found[order].append((session, shares))
    return found


def _outcome(shares: float, created: int, fills: list[tuple[int, float]], changes: list[_Change]) -> int:
    """Follow one order through the events of its symbol, by what was left of it at each, to its end."""
    left, done = shares, 0
    last = (-1, -1)  # an order has one event of a kind a session: after a split by 3, -300 may be another order's
    for k in range(bisect_left(changes, created, key=_session), len(changes)):
        change = changes[k]
        if change.used or (change.session, change.code) == last:
            continue
        # A split and a cut at the fill come before the fills of their session, everything else after them.
        before_fills = change.code in (E_ORDER_SPLIT, E_REFUSED_REDUCING)
        while done < len(fills) and fills[done][0] < change.session + (not before_fills):
            left -= fills[done][1]
            done += 1
        if abs(left) <= _ROUNDING * abs(shares):
            return FILLED
        if not abs(change.before - left) <= _ROUNDING * abs(left):  # another order's, or (NaN) one not yet sized
            continue
        change.used, last = True, (change.session, change.code)
        if change.code in (E_REPLACED, E_CANCELLED):
            return REPLACED if change.code == E_REPLACED else CANCELLED
        left = change.after
        if left == 0.0:
            return CANCELLED
    left -= sum(part for _, part in fills[done:])
    return FILLED if abs(left) <= _ROUNDING * abs(shares) else CANCELLED
