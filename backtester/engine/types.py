"""Every type that crosses into compiled code, and every number that means something there.

Arrays are declared with their shapes: ``T`` sessions, ``N`` symbols (in alphabetical order), ``R`` plan
rows, ``E`` slots for explicit orders. The arrays of :class:`Market` and :class:`Bars` are always read-only; all others
are always writable and C-contiguous, because Numba compiles a kernel anew for every combination of these properties.
Scalars travel in one float and one int array each, indexed by the names below. NaN means unknown.

Handing a tuple to a compiled function costs a reference count per array (about 3 ns each). So functions called once a
session take the tuples; inside loops over symbols and orders, only arrays and numbers are handed on, except where
something rare happens. Numbers that are handed to functions as constants are NumPy integers: Numba compiles a
function once for each plain Python constant.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Codes = NDArray[np.int32]
Bytes = NDArray[np.uint8]


class Market(NamedTuple):
    """What the market did. Read-only; nothing in it depends on the run."""

    days: Ints  # (T,) days since 1970-01-01
    open: Floats  # (T, N)
    close: Floats  # (T, N)
    volume: Floats  # (T, N) shares
    eligible: Bytes  # (T, N) bits TRADABLE and MEMBER
    returns: Floats  # (T, N) total returns; (0, N) when no setting reads them
    moves: Floats  # (N, T) the same along the sessions, 0 where unknown; (N, 0) when no setting reads them
    sector: Ints  # (N,) sector codes 0..S-1
    action_first: Ints  # (T+1,) actions of session t are rows action_first[t] to action_first[t+1]
    action_symbol: Ints  # (A,) sorted by session, then symbol; one row a symbol and session
    action_split: Floats  # (A,) shares after / shares before; 1 = none
    action_dividend: Floats  # (A,) cash per share after the split; 0 = none
    end_first: Ints  # (T+1,) like action_first, for settlements
    end_symbol: Ints  # (K,)
    end_return: Floats  # (K,) delisting returns


class Bars(NamedTuple):
    """Whole bars, for what looks inside a session. Read-only."""

    open: Floats  # (T, N)
    high: Floats  # (T, N)
    low: Floats  # (T, N)
    close: Floats  # (T, N)
    volume: Floats  # (T, N) shares


class Changes(NamedTuple):
    """What becomes of a share by itself, along each symbol's sessions."""

    first: Ints  # (N+1,) actions of symbol i are those from first[i] up to first[i+1]
    row: Ints  # (A,) their sessions, sorted within a symbol
    split: Floats  # (A,) shares after / shares before; 1 = none
    dividend: Floats  # (A,) cash per share after the split; 0 = none
    settled: Ints  # (N,) session of the settlement, T or more if there is none
    settlement: Floats  # (N,) what a share is worth then; NaN if unknown


# Bits of Market.eligible.
TRADABLE = 1
MEMBER = 2


class Rules(NamedTuple):
    """The settings of a run, as numbers. A cap that is off is infinite, a rate or a floor that is off is 0.

    What differs by symbol stands in one table: some rows of slippages (fractions of the price), some of borrow rates
    (per year), some of 1 where a symbol is not shortable and 0 elsewhere. ``row`` says which row holds in a session;
    none (-1): the number in ``f`` holds for all symbols, and all are shortable. One table and not three, since every
    array of a tuple costs wherever the tuple is handed on.
    """

    f: Floats  # (RULE_FLOATS,)
    i: Ints  # (RULE_INTS,)
    table: Floats  # (K, N)
    row: Ints  # (T, ROWS) indices of the table's rows, or (1, ROWS) of -1 where nothing ever differs
    signal: Floats  # (T, SIGNAL) of the scores, NaN where nobody looks; (0, SIGNAL) where nobody ever does


# Indices of Rules.f. COMMISSION and COMMISSION_MAX are fractions of the notional.
COMMISSION, COMMISSION_SHARE, COMMISSION_MIN, COMMISSION_MAX, SLIPPAGE, IMPACT, BORROW, CREDIT, DEBIT = range(9)
LOT, VOLUME_CAP = 9, 10
TARGET_VOLATILITY, MAX_WEIGHT, MAX_SECTOR, MAX_GROSS, MAX_NET, NO_TRADE_BAND, MAX_TURNOVER = range(11, 18)
MAX_DAILY_LOSS, MAX_DRAWDOWN, MAX_PERIOD_LOSS, GUARD_GROSS, GUARD_NET, MIN_FRESH, MAX_UNSCORED = range(18, 25)
RULE_FLOATS = 25

# Indices of Rules.i. EQUAL_SCORES, GUARD_HALTS and GUARDED (some guard is on) are 0 or 1.
FILL_AT, SIZE_AT, CAP_ON, COOLDOWN, STOPS, PERIOD, EQUAL_SCORES, GUARD_HALTS, GUARDED = range(9)
RULE_INTS = 9

# Columns of Rules.row.
SLIPPAGE_ROW, BORROW_ROW, BARRED_ROW = range(3)
ROWS = 3

# Columns of Rules.signal: the share of the eligible symbols without a score, and how many scores there are if they are
# all equal (else 0).
S_UNSCORED, S_EQUAL = range(2)
SIGNAL = 2

# Rules.i[FILL_AT], and the moment of an order.
AT_OPEN, AT_CLOSE, AT_SAME_CLOSE = map(np.int64, range(3))
# Rules.i[SIZE_AT].
SIZE_AT_DECISION, SIZE_AT_FILL = 0, 1
# Rules.i[CAP_ON].
CAP_ON_AVERAGE, CAP_ON_SESSION = 0, 1

# Sessions of history that costs and layers look back on.
COST_WINDOW = 20
VOLATILITY_WINDOW = 63
VOLATILITY_MINIMUM = 20
SESSIONS_PER_YEAR = 252.0


class Plan(NamedTuple):
    """What is to be done at the decisions of some sessions, and explicit orders for the next decision."""

    span: Ints  # (PLAN_INTS,) which sessions it is for
    kind: Bytes  # (R,) NOTHING, ALL or NAMED
    weights: Floats  # (R, N) target weights, finite; one row will do if only row 0 is not NOTHING
    named: Bytes  # as weights: 1 where a weight counts; read in NAMED rows only
    order_symbol: Ints  # (M,) explicit orders, in the order of submission
    order_at: Ints  # (M,) AT_OPEN or AT_CLOSE (AT_SAME_CLOSE where the execution says so); CANCEL; REARM
    order_shares: Floats  # (M,) signed


# Indices of Plan.span: the session of row 0, the number of rows, the session of the explicit orders.
PLAN_FIRST, PLAN_ROWS, PLAN_ORDERS = range(3)
PLAN_INTS = 3
# Plan.kind.
NOTHING, ALL, NAMED = 0, 1, 2
# Plan.order_at, beyond the moments.
CANCEL, REARM = 8, 9


class State(NamedTuple):
    """The book and everything else that a later session depends on: save it, and a run can go on."""

    f: Floats  # (STATE_FLOATS,)
    i: Ints  # (STATE_INTS,)
    shares: Floats  # (N,)
    mark: Floats  # (N,) last known close, split-adjusted since; NaN before the first
    average_cost: Floats  # (N,)
    ended: Bytes  # (N,) 1 once settled
    used: Floats  # (N,) shares filled this session, against the volume cap
    # Resting orders. Slot i < N is the target order of symbol i; slots N .. N + explicit are explicit orders.
    order_shares: Floats  # (N + E,) what is left, signed; NaN while not yet sized; 0 = the slot is empty
    order_i: Ints  # (N + E, SLOT_INTS)
    order_f: Floats  # (N + E, SLOT_FLOATS)


# Columns of State.order_i: the id is the order's row on the tape, -1 while not yet sized.
SLOT_SYMBOL, SLOT_MOMENT, SLOT_ID, SLOT_ORIGIN = range(4)
SLOT_INTS = 4
# Columns of State.order_f: the weight it will be sized with; of its fills so far the notional, the commission before
# minimum and maximum, and the commission charged.
SLOT_WEIGHT, SLOT_NOTIONAL, SLOT_PLAIN, SLOT_CHARGED = range(4)
SLOT_FLOATS = 4

# Indices of State.f.
CASH, EQUITY, SHORT_VALUE, PEAK, PREVIOUS_EQUITY, START_EQUITY = range(6)
STATE_FLOATS = 6
# Indices of State.i. TRIPPED_ON: the session of the last trip; REARMED_ON: that of the last re-arming, -1 before one.
SESSION, PHASE, EXPLICIT, STATUS, TRIPPED_ON, TAPE_FILLS, TAPE_EVENTS, TAPE_ORDERS, TOLD_FILLS, REARMED_ON = range(10)
STATE_INTS = 10

# State.i[PHASE]: what comes next for State.i[SESSION].
SESSION_PHASE, DECISION_PHASE = 0, 1
# State.i[STATUS].
ACTIVE, REDUCING, HALTED = 0, 1, 2
STATUSES = ("active", "reducing", "halted")
# State.order_i[:, SLOT_ORIGIN], and the reason of a fill.
FROM_TARGET, FROM_ORDER, FROM_HALT = 0, 1, 2
ORIGINS = ("target", "order", "halt")


class Tape(NamedTuple):
    """The record of a run, appended to as it happens. C capacities; how much is used stands in State.i."""

    ledger: Floats  # (T, LEDGER) one row a session
    fill_i: Codes  # (C, FILL_INTS)
    fill_f: Floats  # (C, FILL_FLOATS)
    event_i: Codes  # (C, EVENT_INTS)
    event_f: Floats  # (C, EVENT_FLOATS)
    order_i: Codes  # (C, ORDER_INTS)
    order_f: Floats  # (C,) signed shares ordered


# Columns of Tape.ledger. Flows are those of the session; equity and the values are at its close.
LEDGER_COLUMNS = (
    "equity",
    "cash",
    "long_value",
    "short_value",  # positive
    "price_pnl",
    "dividends",
    "interest",
    "borrow",  # positive = paid
    "commission",
    "slippage",
    "traded",  # notional at fill prices
    "status",
)
(
    L_EQUITY,
    L_CASH,
    L_LONG,
    L_SHORT,
    L_PRICE_PNL,
    L_DIVIDENDS,
    L_INTEREST,
    L_BORROW,
    L_COMMISSION,
    L_SLIPPAGE,
    L_TRADED,
    L_STATUS,
) = range(12)
LEDGER = 12

# Columns of Tape.fill_i and Tape.fill_f.
FILL_SESSION, FILL_SYMBOL, FILL_ORDER, FILL_ORIGIN, FILL_MOMENT = range(5)
FILL_INTS = 5
FILL_SHARES, FILL_PRICE, FILL_COMMISSION, FILL_SLIPPAGE = range(4)  # price includes slippage; slippage in money
FILL_FLOATS = 4

# Columns of Tape.order_i: when it was created (sized), for what, for which moment, and why.
ORDER_SESSION, ORDER_SYMBOL, ORDER_MOMENT, ORDER_ORIGIN = range(4)
ORDER_INTS = 4

# Columns of Tape.event_i: the item is a symbol, a sector or -1 for the book, as EVENTS says.
EVENT_SESSION, EVENT_CODE, EVENT_ITEM = range(3)
EVENT_INTS = 3
EVENT_BEFORE, EVENT_AFTER, EVENT_AMOUNT = range(3)
EVENT_FLOATS = 3

# Event codes: name, what the item is, and what (before, after, amount) are.
EVENTS = (
    ("split", "symbol", "shares before, shares after, cash for a fraction"),
    ("dividend", "symbol", "shares, dividend per share, cash"),
    ("settlement", "symbol", "shares, delisting return, cash"),
    ("order_split", "symbol", "shares resting before and after, ratio"),
    ("waits_no_price", "symbol", "shares resting (NaN: not yet sized), same, 0"),
    ("waits_zero_volume", "symbol", "shares resting, same, 0"),
    ("waits_volume_cap", "symbol", "shares resting before, shares left, 0"),
    ("waits_no_history", "symbol", "shares resting, same, 0"),
    ("replaced", "symbol", "shares left of the old order, shares of the new one (explicit orders: 0), 0"),
    ("cancelled", "symbol", "shares left, 0, 0"),
    ("waits_not_shortable", "symbol", "shares resting before, shares left, 0"),
    ("cut_reducing", "symbol", "shares resting before, shares left, 0"),
    ("refused_not_member", "symbol", "weight, 0, 0"),
    ("refused_not_tradable", "symbol", "weight, 0, 0"),
    ("refused_ended", "symbol", "weight or shares, 0, 0"),
    ("refused_no_price", "symbol", "shares, 0, 0"),
    ("refused_below_lot", "symbol", "shares, 0, 0"),
    ("refused_wiped_out", "book", "equity, 0, 0"),
    ("refused_halted", "book", "instructions refused, 0, 0"),
    ("refused_reducing", "symbol", "shares wanted, shares ordered, 0"),
    ("refused_not_shortable", "symbol", "shares, 0, 0"),
    ("refused_max_weight", "symbol", "shares, 0, weight that would result"),
    ("refused_max_sector", "symbol", "shares, 0, sector gross that would result"),
    ("refused_max_gross", "symbol", "shares, 0, gross that would result"),
    ("refused_max_net", "symbol", "shares, 0, net that would result"),
    ("clipped_not_shortable", "symbol", "weight before, after, 0"),
    ("clipped_target_volatility", "book", "volatility before, after, factor"),
    ("clipped_max_weight", "symbol", "weight before, after, 0"),
    ("clipped_max_sector", "sector", "sector gross before, after, factor"),
    ("clipped_max_gross", "book", "gross before, after, factor"),
    ("clipped_max_net", "book", "net before, after, factor"),
    ("clipped_no_trade_band", "book", "trades left out, 0, sum of their weight changes"),
    ("clipped_max_turnover", "book", "turnover before, after, factor"),
    ("unknown_volatility", "book", "sessions known, sessions needed, 0"),
    ("halt_daily_loss", "book", "equity before, equity, limit"),
    ("halt_drawdown", "book", "peak, equity, limit"),
    ("halt_period_loss", "book", "equity before the period, equity, limit"),
    ("guard_gross", "book", "gross, equity, limit"),
    ("guard_net", "book", "net without its sign, equity, limit"),
    ("guard_stale_data", "book", "share with a fresh close, equity, limit"),
    ("guard_unscored", "book", "share without a score, equity, limit"),
    ("guard_equal_scores", "book", "scores, equity, 0"),
    ("rearmed", "book", "peak before, peak after, sessions of the cooldown that ended (0: by the strategy)"),
)
(
    E_SPLIT,
    E_DIVIDEND,
    E_SETTLEMENT,
    E_ORDER_SPLIT,
    E_NO_PRICE,
    E_ZERO_VOLUME,
    E_VOLUME_CAP,
    E_NO_HISTORY,
    E_REPLACED,
    E_CANCELLED,
    E_WAITS_SHORT,
    E_CUT_REDUCING,
    E_NOT_MEMBER,
    E_NOT_TRADABLE,
    E_ENDED,
    E_UNKNOWN_PRICE,
    E_BELOW_LOT,
    E_WIPED_OUT,
    E_REFUSED_HALTED,
    E_REFUSED_REDUCING,
    E_REFUSED_SHORT,
    E_ORDER_MAX_WEIGHT,
    E_ORDER_MAX_SECTOR,
    E_ORDER_MAX_GROSS,
    E_ORDER_MAX_NET,
    E_CLIPPED_SHORT,
    E_TARGET_VOLATILITY,
    E_MAX_WEIGHT,
    E_MAX_SECTOR,
    E_MAX_GROSS,
    E_MAX_NET,
    E_NO_TRADE_BAND,
    E_MAX_TURNOVER,
    E_UNKNOWN_VOLATILITY,
    E_HALT_DAILY_LOSS,
    E_HALT_DRAWDOWN,
    E_HALT_PERIOD_LOSS,
    E_GUARD_GROSS,
    E_GUARD_NET,
    E_GUARD_STALE,
    E_GUARD_UNSCORED,
    E_GUARD_EQUAL,
    E_REARMED,
) = map(np.int64, range(len(EVENTS)))
# The events of a trip.
LOSSES = (E_HALT_DAILY_LOSS, E_HALT_DRAWDOWN, E_HALT_PERIOD_LOSS)
TRIPS = (*LOSSES, E_GUARD_GROSS, E_GUARD_NET, E_GUARD_STALE, E_GUARD_UNSCORED, E_GUARD_EQUAL)
# The item of an event that concerns the whole book.
BOOK = np.int64(-1)

# What `advance` returns: why it stopped, a bit mask. Rules.i[STOPS] says which of FILL and HALT it should stop for.
DONE, DECIDE, FILL, HALT, TAPE_FULL, ORDERS_FULL = 0, 1, 2, 4, 8, 16
