"""From what a strategy wants to resting orders: docs/semantics.md, sections 2 and 4."""

from __future__ import annotations

import math

import numpy as np

from backtester.engine.breakers import rearm
from backtester.engine.charges import row_of
from backtester.engine.compile import kernel
from backtester.engine.fills import fill_moment
from backtester.engine.limits import apply_layers, clip_shorts, current_weight, exceeds, has_layers, record_refusal
from backtester.engine.orders import (
    WHOLE,
    cancel_symbol,
    compact,
    cut,
    difference,
    fill_slot,
    place,
    record_order,
    shrinking,
    size,
)
from backtester.engine.session import take_stock
from backtester.engine.tape import record_event
from backtester.engine.types import (
    ACTIVE,
    ALL,
    AT_CLOSE,
    AT_SAME_CLOSE,
    BARRED_ROW,
    BOOK,
    CANCEL,
    E_BELOW_LOT,
    E_ENDED,
    E_ORDER_MAX_GROSS,
    E_ORDER_MAX_NET,
    E_ORDER_MAX_SECTOR,
    E_ORDER_MAX_WEIGHT,
    E_REFUSED_HALTED,
    E_REFUSED_REDUCING,
    E_REFUSED_SHORT,
    E_REPLACED,
    E_UNKNOWN_PRICE,
    E_WIPED_OUT,
    EQUITY,
    EXPLICIT,
    FILL_AT,
    FROM_ORDER,
    FROM_TARGET,
    HALTED,
    LOT,
    MAX_GROSS,
    MAX_NET,
    MAX_SECTOR,
    MAX_WEIGHT,
    MEMBER,
    NOTHING,
    PLAN_FIRST,
    PLAN_ORDERS,
    REARM,
    REDUCING,
    SIZE_AT,
    SIZE_AT_FILL,
    SLOT_MOMENT,
    SLOT_SYMBOL,
    SLOT_WEIGHT,
    STATUS,
    TRADABLE,
)


@kernel
def run_decision(state, market, rules, tape, plan, t):
    """Apply what was decided after the close of session ``t``."""
    row = t - plan.span[PLAN_FIRST]
    kind = plan.kind[row]
    orders = plan.order_symbol.size if plan.span[PLAN_ORDERS] == t else 0
    if kind == NOTHING and orders == 0:
        return
    refused = 1 if kind != NOTHING else 0
    for k in range(orders):
        if plan.order_at[k] != REARM:
            refused += 1
        elif state.i[STATUS] != ACTIVE:
            rearm(state, tape, t, 0.0)
    if state.i[STATUS] == HALTED:
        if refused > 0:
            record_event(state, tape, t, E_REFUSED_HALTED, BOOK, float(refused), 0.0, 0.0)
        return

    if kind != NOTHING:
        everything = kind == ALL
        named = plan.named[0 if everything else row]
        _order_targets(state, market, rules, tape, t, plan.weights[row], named, everything)
    if orders > 0:
        _place_orders(state, market, rules, tape, t, plan, orders)
    if rules.i[FILL_AT] == AT_SAME_CLOSE:
        _fill_at_once(state, market, rules, tape, t)


@kernel
def _order_targets(state, market, rules, tape, t, weights, named, everything):
    """Turn a row of target weights into orders. ``named`` is not read when ``everything`` is named."""
    n = weights.size
    equity = state.f[EQUITY]
    shares, mark, eligible, ended = state.shares, state.mark, market.eligible[t], state.ended
    layered = has_layers(rules) and equity > 0.0
    planned = _planned(state) if layered and not everything else shares
    table, barred_row = rules.table, row_of(rules, BARRED_ROW, t)
    wiped_out = False
    left = state.order_shares
    # Most symbols have no weight, no shares and no order. Those that do are picked out without branches first:
    # which they are cannot be foretold, and a branch foretold wrongly costs as much as ten symbols.
    concerned = np.empty(n, np.int64)
    count = 0
    for i in range(n):
        concerned[count] = i
        count += (weights[i] != 0.0) | (shares[i] != 0.0) | (left[i] != 0.0) | (planned[i] != 0.0)
    for k in range(count):
        i = concerned[k]
        if not everything and named[i] == 0:
            if layered:
                weights[i] = current_weight(planned[i], mark[i], equity)
        elif weights[i] != 0.0:
            if equity <= 0.0:
                weights[i] = 0.0
                wiped_out = True
            elif eligible[i] != TRADABLE | MEMBER or ended[i] == 1:
                record_refusal(state, market, tape, t, i, weights[i])
                weights[i] = 0.0
    if wiped_out:
        record_event(state, tape, t, E_WIPED_OUT, BOOK, equity, 0.0, 0.0)

    if barred_row >= 0 and equity > 0.0:
        clip_shorts(state, tape, t, table[barred_row], weights, named, everything)
    kept = np.zeros(n if layered else 0, np.uint8)
    if layered:
        mine, others = _split(concerned[:count], named, everything)
        apply_layers(state, market, rules, tape, t, weights, mine, others, kept)

    if state.i[EXPLICIT] > 0:
        _replace_explicit(state, tape, t, named, everything)
    slot_i, slot_f = state.order_i, state.order_f
    counters, order_i, order_f = state.i, tape.order_i, tape.order_f
    at_fill = rules.i[SIZE_AT] == SIZE_AT_FILL
    reducing = state.i[STATUS] == REDUCING and not at_fill
    moment = rules.i[FILL_AT]
    lot = rules.f[LOT]
    for k in range(count):
        i = concerned[k]
        weight = weights[i]
        held = shares[i]
        if not everything and named[i] == 0:
            continue
        quantity = 0.0
        if layered and kept[i] == 1:
            pass
        elif barred_row >= 0 and weight < 0.0 and _stays(table[barred_row, i], weight, held * mark[i] / equity):
            pass  # a short position that may stay stays as it is: sizing its weight anew could round to another share
        elif at_fill:
            quantity = math.nan if weight != 0.0 or held != 0.0 else 0.0
        else:
            quantity = difference(size(weight, equity, mark[i], lot), held)
        wanted = quantity
        if reducing and quantity != 0.0:
            quantity = shrinking(held, quantity)
        if left[i] != 0.0 or quantity != wanted:
            _tell(state, tape, t, i, wanted, quantity)
            left[i] = 0.0
        if quantity != 0.0:
            order_id = -1
            if not at_fill:
                order_id = record_order(counters, order_i, order_f, t, i, moment, FROM_TARGET, quantity)
            fill_slot(left, slot_i, slot_f, i, i, moment, FROM_TARGET, quantity, order_id, weight)


@kernel
def _split(concerned, named, everything):
    """The symbols of ``concerned`` that are named, and those that are not."""
    if everything:
        return concerned, concerned[:0]
    mine = np.empty_like(concerned)
    others = np.empty_like(concerned)
    count = 0
    rest = 0
    for i in concerned:
        mine[count] = i
        others[rest] = i
        count += named[i] == 1
        rest += named[i] != 1
    return mine[:count], others[:rest]


@kernel
def _stays(barred, weight, now):
    """Whether a short position stays as it is because its weight is what it may be and no more."""
    return barred == 1.0 and weight == now


@kernel
def _tell(state, tape, t, i, wanted, quantity):
    """Events of a target that replaces an order, or of which only ``quantity`` is ordered while REDUCING."""
    before = state.order_shares[i]
    if before != 0.0:
        record_event(state, tape, t, E_REPLACED, i, before, quantity, 0.0)
    if quantity != wanted and not math.isnan(wanted):
        record_event(state, tape, t, E_REFUSED_REDUCING, i, wanted, quantity, 0.0)


@kernel
def _replace_explicit(state, tape, t, named, everything):
    n = state.shares.size
    for slot in range(n, n + state.i[EXPLICIT]):
        symbol = state.order_i[slot, SLOT_SYMBOL]
        if everything or named[symbol] == 1:
            record_event(state, tape, t, E_REPLACED, symbol, state.order_shares[slot], 0.0, 0.0)
            state.order_shares[slot] = 0.0
    compact(state)


@kernel
def _place_orders(state, market, rules, tape, t, plan, count):
    """Place, or refuse, the explicit orders one after another."""
    n = state.shares.size
    planned = _planned(state)
    for k in range(count):
        at = plan.order_at[k]
        i = plan.order_symbol[k]
        if at == REARM:
            continue
        if at == CANCEL:
            cancel_symbol(state, tape, t, i)
            compact(state)
            planned = _planned(state)
            continue
        shares = cut(plan.order_shares[k], rules.f[LOT])
        code, value = _refusal(state, market, rules, t, planned, i, shares)
        if code >= 0:
            if code == E_WIPED_OUT:
                record_event(state, tape, t, code, BOOK, value, 0.0, 0.0)
            else:
                record_event(state, tape, t, code, i, plan.order_shares[k], 0.0, value)
            continue
        planned[i] += shares
        place(state, tape, t, n + state.i[EXPLICIT], i, at, FROM_ORDER, shares)
        state.i[EXPLICIT] += 1


@kernel
def _planned(state):
    """Shares (N,) of every symbol if everything that rests were filled at the marks."""
    n = state.shares.size
    left, slot_i, slot_f = state.order_shares, state.order_i, state.order_f
    planned = state.shares + left[:n]
    for i in range(n):
        if math.isnan(left[i]):  # sized at its fill: what is held is then brought to its weight
            planned[i] = size(slot_f[i, SLOT_WEIGHT], state.f[EQUITY], state.mark[i], 0.0)
    for slot in range(n, n + state.i[EXPLICIT]):
        planned[slot_i[slot, SLOT_SYMBOL]] += left[slot]
    return planned


@kernel
def _refusal(state, market, rules, t, planned, i, shares):
    """The event code of the first rule that an order breaks, and the offending value; (-1, 0) if none."""
    if state.ended[i] == 1:
        return E_ENDED, 0.0
    if math.isnan(state.mark[i]):
        return E_UNKNOWN_PRICE, 0.0
    if shares == 0.0:
        return E_BELOW_LOT, 0.0
    equity = state.f[EQUITY]
    if equity <= 0.0 and _larger(abs(planned[i] + shares), abs(planned[i])):
        return E_WIPED_OUT, equity
    reducing = state.i[STATUS] == REDUCING
    barred_row = row_of(rules, BARRED_ROW, t)
    barred = barred_row >= 0 and rules.table[barred_row, i] == 1.0
    if reducing or barred:
        held = _held_after(state, i, reducing)
        if reducing and (held * shares >= 0.0 or _larger(abs(shares), abs(held))):
            return E_REFUSED_REDUCING, 0.0
        if barred and min(0.0, held) - (held + shares) > WHOLE * max(abs(held), abs(shares)):
            return E_REFUSED_SHORT, 0.0
    if equity <= 0.0:
        return -1, 0.0
    if not (
        min(rules.f[MAX_WEIGHT], rules.f[MAX_SECTOR]) < math.inf or min(rules.f[MAX_GROSS], rules.f[MAX_NET]) < math.inf
    ):
        return -1, 0.0
    before = planned[i] * state.mark[i] / equity
    after = (planned[i] + shares) * state.mark[i] / equity
    sector = 0.0  # sums over all other symbols
    gross = 0.0
    net = 0.0
    mark, sectors = state.mark, market.sector
    for j in range(planned.size):
        if j != i and planned[j] != 0.0:
            weight = planned[j] * mark[j] / equity
            net += weight
            gross += abs(weight)
            if sectors[j] == sectors[i]:
                sector += abs(weight)
    if exceeds(abs(after), rules.f[MAX_WEIGHT]) and _larger(abs(after), abs(before)):
        return E_ORDER_MAX_WEIGHT, after
    if exceeds(sector + abs(after), rules.f[MAX_SECTOR]) and _larger(sector + abs(after), sector + abs(before)):
        return E_ORDER_MAX_SECTOR, sector + abs(after)
    if exceeds(gross + abs(after), rules.f[MAX_GROSS]) and _larger(gross + abs(after), gross + abs(before)):
        return E_ORDER_MAX_GROSS, gross + abs(after)
    if exceeds(abs(net + after), rules.f[MAX_NET]) and _larger(abs(net + after), abs(net + before)):
        return E_ORDER_MAX_NET, net + after
    return -1, 0.0


@kernel
def _held_after(state, i, reducing):
    """Shares of symbol ``i`` once everything that rests for it has filled, cut to what shrinks while ``reducing``."""
    held, change = state.shares[i], state.order_shares[i]
    if math.isnan(change):  # sized at its fill
        change = size(state.order_f[i, SLOT_WEIGHT], state.f[EQUITY], state.mark[i], 0.0) - held
        change = shrinking(held, change) if reducing else change
    held += change
    n = state.shares.size
    for slot in range(n, n + state.i[EXPLICIT]):
        if state.order_i[slot, SLOT_SYMBOL] == i:
            held += state.order_shares[slot]
    return held


@kernel
def _larger(after, before):
    """Whether an exposure grows by more than rounding."""
    return after > before * (1.0 + WHOLE)


@kernel
def _fill_at_once(state, market, rules, tape, t):
    """Fill at the close that was decided on; what is left waits for the next close."""
    fill_moment(state, market, rules, tape, t, AT_SAME_CLOSE, market.close[t])
    n = state.shares.size
    for slot in range(n + state.i[EXPLICIT]):
        if state.order_shares[slot] != 0.0 and state.order_i[slot, SLOT_MOMENT] == AT_SAME_CLOSE:
            state.order_i[slot, SLOT_MOMENT] = AT_CLOSE
    compact(state)
    take_stock(state, tape.ledger[t])
