"""What the tape implies but does not spell out: positions after every session, and what became of every order."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise, repeat
from operator import attrgetter, itemgetter

import numpy as np

from backtester.engine.types import (
    AT_SAME_CLOSE,
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
    FILL_MOMENT,
    FILL_ORDER,
    FILL_SESSION,
    FILL_SHARES,
    FILL_SYMBOL,
    FROM_HALT,
    FROM_ORDER,
    ORDER_ORIGIN,
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
    rests = np.zeros(count, dtype=bool)
    rests[resting[resting >= 0]] = True
    short_of = np.abs(tape.order_f - filled) > _ROUNDING * np.abs(tape.order_f)
    # What rests at the end is followed too, because some of the events are its own.
    unclear = np.flatnonzero(rests | short_of | _split_on_the_way(tape))
    unclear = unclear[np.argsort(tape.order_i[unclear, ORDER_SYMBOL], kind="stable")]

    status = np.full(count, FILLED, dtype=np.int64)
    changes = _changes(tape)
    for symbol, group in groupby(_orders(tape, unclear), key=attrgetter("symbol")):
        orders = list(group)
        _follow(orders, changes.get(symbol, ()))
        status[[order.number for order in orders]] = [order.status for order in orders]
    status[rests] = np.where(filled[rests] != 0.0, PARTIAL, RESTING)
    return filled, status


def _split_on_the_way(tape: Tape) -> np.ndarray:
    """Whether an order, ``(K,)``, may have been split before its last fill: its fills then say little of its end."""
    last = np.full(tape.order_f.size, -1, dtype=np.int64)
    last[tape.fill_i[:, FILL_ORDER]] = tape.fill_i[:, FILL_SESSION]  # later fills overwrite earlier ones
    sessions = tape.ledger.shape[0]
    events = tape.event_i[tape.event_i[:, EVENT_CODE] == E_ORDER_SPLIT].astype(np.int64)
    splits = np.unique(events[:, EVENT_ITEM] * sessions + events[:, EVENT_SESSION])
    first = tape.order_i[:, ORDER_SYMBOL].astype(np.int64) * sessions
    made = first + tape.order_i[:, ORDER_SESSION]
    before, after = (np.searchsorted(splits, when, side="right") for when in (made, first + last))
    split: np.ndarray = before < after
    return split


# The clock of a session. Orders are made at the fills (sized as they fill), by the breakers (those of a halt) or by the
# decision, which replaces before it makes orders; afterwards come cancellations and fills at the close decided on.
_SPLITS, _FILLS, _BREAKERS, _DECISION, _AFTERWARDS, _SESSION = range(6)
# By when an event finds the fills taken off and the orders made: a cut as an order fills comes before that fill.
_WHEN = {
    E_ORDER_SPLIT: _SPLITS,
    E_REFUSED_REDUCING: _SPLITS,
    E_CUT_REDUCING: _BREAKERS,
    E_REPLACED: _DECISION,
    E_CANCELLED: _AFTERWARDS,
}


class _Order:
    """An order on its way: what is left of it, and which of the fills, ``when`` (clock) and ``parts``, are its own."""

    __slots__ = ("dust", "end", "explicit", "left", "made", "next", "number", "parts", "status", "symbol", "when")

    def __init__(self, fills: tuple[list[int], list[float]], of: tuple[int, int, int, int, int, int, float]) -> None:
        self.when, self.parts = fills
        self.number, self.symbol, self.next, self.end, self.made, self.explicit, self.left = of
        self.dust, self.status = _ROUNDING * abs(self.left), CANCELLED

    def fill(self, until: float) -> bool:
        """Take off the fills before ``until``; whether they leave something (a cut may have left a dust of shares)."""
        if self.next == self.end or self.when[self.next] >= until:
            return True
        while self.next < self.end and self.when[self.next] < until:
            self.left -= self.parts[self.next]
            self.next += 1
        if abs(self.left) > self.dust:
            return True
        self.status = FILLED
        return False

    def fills_within(self, session: int, shares: float) -> bool:
        """Whether it fills in the session, and by no more than ``shares``."""
        if self.next == self.end or self.when[self.next] // _SESSION != session:
            return False
        return abs(self.parts[self.next]) <= abs(shares) * (1.0 + _ROUNDING)


def _orders(tape: Tape, wanted: np.ndarray) -> Iterator[_Order]:
    """Some orders, one at a time: all at once would be a lot of memory."""
    some = np.zeros(tape.order_f.size, dtype=bool)
    some[wanted] = True
    rows = np.flatnonzero(some[tape.fill_i[:, FILL_ORDER]])
    rows = rows[np.argsort(tape.fill_i[rows, FILL_ORDER], kind="stable")]
    start, end = (np.searchsorted(tape.fill_i[rows, FILL_ORDER], wanted, side=side) for side in ("left", "right"))
    at_once = tape.fill_i[rows, FILL_MOMENT] == AT_SAME_CLOSE
    when = tape.fill_i[rows, FILL_SESSION] * _SESSION + np.where(at_once, _AFTERWARDS, _FILLS)

    origin = tape.order_i[wanted, ORDER_ORIGIN]
    made = tape.order_i[wanted, ORDER_SESSION] * _SESSION + np.where(origin == FROM_HALT, _BREAKERS, _DECISION)
    fills = end > start
    made[fills] = np.minimum(made[fills], when[start[fills]])  # one that is sized as it fills
    columns = (wanted, tape.order_i[wanted, ORDER_SYMBOL], start, end, made, origin == FROM_ORDER, tape.order_f[wanted])
    of_fills = (when.tolist(), tape.fill_f[rows, FILL_SHARES].tolist())
    return map(_Order, repeat(of_fills), zip(*(column.tolist() for column in columns), strict=True))


_Change = tuple[int, int, float, float]  # session, code, shares before and after


def _changes(tape: Tape) -> dict[int, Iterator[_Change]]:
    """The events that may have ended, split or cut an order, by symbol, in tape order.

    What is refused whole is left out: an explicit order that never rested, or one that REDUCING cut to nothing as it
    would have filled, which is cancelled if nothing else has become of it. So is the end of what a split has left
    nothing of, which the split tells.
    """
    codes = tape.event_i[:, EVENT_CODE]
    cut = (codes == E_REFUSED_REDUCING) & (tape.event_f[:, EVENT_AFTER] != 0.0)
    ended = ((codes == E_REPLACED) | (codes == E_CANCELLED)) & (tape.event_f[:, EVENT_BEFORE] != 0.0)
    rows = np.flatnonzero(cut | ended | (codes == E_ORDER_SPLIT) | (codes == E_CUT_REDUCING))
    rows = rows[np.argsort(tape.event_i[rows, EVENT_ITEM], kind="stable")]
    symbols, starts = np.unique(tape.event_i[rows, EVENT_ITEM], return_index=True)
    numbers = [tape.event_i[rows, EVENT_SESSION], codes[rows], *tape.event_f[rows][:, [EVENT_BEFORE, EVENT_AFTER]].T]
    columns = [column.tolist() for column in numbers]
    edges = zip(symbols.tolist(), pairwise([*starts.tolist(), rows.size]), strict=True)
    return {symbol: zip(*(column[a:b] for column in columns), strict=True) for symbol, (a, b) in edges}


def _follow(orders: list[_Order], changes: Iterable[_Change]) -> None:
    """Take the orders of a symbol through its events, all of them at a time, each to its status.

    Events name no order: one is that of an order that rests then and of which as many shares are left, and an order has
    one event of a kind a session. Of several orders alike:

    - all that rest are split, replaced or cancelled together, so the event is that of the first;
    - ``cut_reducing``: the last, in the order of slots (the target order, then explicit ones as submitted), and the
      last event is that of the last order. The cut goes through the slots and leaves each what those before have left
      to close, so that of orders alike the first are kept, one is cut and the rest is cut to nothing;
    - ``refused_reducing``, cut as it fills: the one that fills in that session, and by no more than was left. Those
      before have filled whole and those after not at all.
    """
    alive: list[_Order] = []
    coming = 0
    for (session, code), events in groupby(changes, key=itemgetter(0, 1)):
        start = session * _SESSION
        while coming < len(orders) and orders[coming].made < start + _SESSION:
            alive.append(orders[coming])
            coming += 1
        now = start + _WHEN[code]
        cut, at_fill, ends = code == E_CUT_REDUCING, code == E_REFUSED_REDUCING, code in (E_REPLACED, E_CANCELLED)
        alive = [order for order in alive if order.made >= now or order.fill(now)]
        unmatched = [order for order in alive if order.made < now or at_fill]
        if cut:
            unmatched.sort(key=attrgetter("explicit", "number"), reverse=True)
        for _, _, before, after in list(events)[:: -1 if cut else 1]:
            for order in unmatched:
                alike = abs(before - order.left) <= _ROUNDING * abs(order.left)  # not if NaN: of one not yet sized
                if alike and (not at_fill or order.fills_within(session, after)):
                    unmatched.remove(order)
                    order.left = 0.0 if ends else after
                    order.status = REPLACED if code == E_REPLACED else CANCELLED
                    break
        # An end leaves nothing of what was there: what it does not match was cut to nothing as it would have filled.
        since = start + _BREAKERS if ends else 0
        alive = [order for order in alive if order.left != 0.0 and order.made >= since]
    for order in alive + orders[coming:]:
        order.fill(math.inf)
