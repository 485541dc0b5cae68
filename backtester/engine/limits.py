"""The layers between what a strategy wants and what is ordered: law 11, docs/semantics.md section 4.

Every function changes the weights of *named* symbols in place and only towards zero (the turnover cap: towards what is
held). ``weights`` (N,) holds the wanted weight of named symbols and the planned weight of all others. ``mine`` lists,
ascending, the named symbols that have a weight, shares or an order, ``others`` those that are not named: what is in
neither list is 0. A book is a fraction of its universe, so that lists are several times faster than masks.
"""

from __future__ import annotations

import math

import numpy as np

from backtester.engine.compile import kernel
from backtester.engine.tape import record_event, write_event
from backtester.engine.types import (
    BOOK,
    E_CLIPPED_SHORT,
    E_ENDED,
    E_MAX_GROSS,
    E_MAX_NET,
    E_MAX_SECTOR,
    E_MAX_TURNOVER,
    E_MAX_WEIGHT,
    E_NO_TRADE_BAND,
    E_NOT_MEMBER,
    E_NOT_TRADABLE,
    E_TARGET_VOLATILITY,
    E_UNKNOWN_VOLATILITY,
    EQUITY,
    MAX_GROSS,
    MAX_NET,
    MAX_SECTOR,
    MAX_TURNOVER,
    MAX_WEIGHT,
    MEMBER,
    NO_TRADE_BAND,
    SESSIONS_PER_YEAR,
    TARGET_VOLATILITY,
    VOLATILITY_MINIMUM,
    VOLATILITY_WINDOW,
)


@kernel
def has_layers(rules):
    """Whether any layer beyond "member and tradable" is on."""
    on = rules.f[NO_TRADE_BAND] > 0.0
    for k in (TARGET_VOLATILITY, MAX_WEIGHT, MAX_SECTOR, MAX_GROSS, MAX_NET, MAX_TURNOVER):
        on = on or rules.f[k] < math.inf
    return on


@kernel
def exceeds(value, cap):
    """Whether a value is above its cap by more than rounding; never where the cap is infinite or the value NaN."""
    return value > cap * (1.0 + 1e-9) + 1e-12


@kernel
def share_left(room, wanted):
    """The factor that brings a positive sum down to ``room``; nothing rather than a rest that is rounding."""
    factor = room / wanted
    return factor if factor > 1e-9 else 0.0


@kernel
def record_refusal(state, market, tape, t, i, weight):
    """The first layer: why symbol ``i``, which may not be held, loses its ``weight``."""
    if state.ended[i] == 1:
        code = E_ENDED
    elif market.eligible[t, i] & MEMBER == 0:
        code = E_NOT_MEMBER
    else:
        code = E_NOT_TRADABLE
    record_event(state, tape, t, code, i, weight, 0.0, 0.0)


@kernel
def clip_shorts(state, tape, t, barred, weights, named, everything):
    """The first layer where symbols are not shortable (``barred`` (N,) is 1): no weight below that of a short held."""
    shares, mark, equity = state.shares, state.mark, state.f[EQUITY]
    for i in range(weights.size):
        if barred[i] == 1.0 and weights[i] < 0.0 and (everything or named[i] == 1):
            least = min(0.0, current_weight(shares[i], mark[i], equity))
            if weights[i] < least:
                record_event(state, tape, t, E_CLIPPED_SHORT, i, weights[i], least, 0.0)
                weights[i] = least


@kernel
def current_weight(held, mark, equity):
    """Weight in a positive ``equity`` of ``held`` shares."""
    return held * mark / equity if held != 0.0 else 0.0


@kernel
def apply_layers(state, market, rules, tape, t, weights, mine, others, kept):
    """All layers after the first. ``kept`` (N,) becomes 1 where the no-trade band leaves a position as it is."""
    wanted, planned = _weighted(weights, mine), _weighted(weights, others)
    if rules.f[TARGET_VOLATILITY] < math.inf:
        _target_volatility(state, market, rules, tape, t, weights, wanted, planned)
    if rules.f[MAX_WEIGHT] < math.inf:
        _cap_weight(state, rules.f[MAX_WEIGHT], tape, t, weights, wanted)
    if rules.f[MAX_SECTOR] < math.inf:
        _cap_sectors(state, market.sector, rules.f[MAX_SECTOR], tape, t, weights, wanted, planned)
    if rules.f[MAX_GROSS] < math.inf:
        _cap_gross(state, rules.f[MAX_GROSS], tape, t, weights, wanted, planned)
    if rules.f[MAX_NET] < math.inf:
        _cap_net(state, rules.f[MAX_NET], tape, t, weights, wanted, planned)
    if rules.f[NO_TRADE_BAND] > 0.0 or rules.f[MAX_TURNOVER] < math.inf:
        now = _current_weights(state, mine)
        if rules.f[NO_TRADE_BAND] > 0.0:
            _no_trade_band(state, rules.f[NO_TRADE_BAND], tape, t, weights, mine, now, kept)
        if rules.f[MAX_TURNOVER] < math.inf:
            _cap_turnover(state, rules.f[MAX_TURNOVER], tape, t, weights, mine, now, kept)


@kernel
def _weighted(weights, symbols):
    """Those of ``symbols`` that have a weight."""
    weighted = np.empty_like(symbols)
    count = 0
    for i in symbols:
        weighted[count] = i
        count += weights[i] != 0.0
    return weighted[:count]


@kernel
def _shrink(weights, mine, factor):
    for i in mine:
        weights[i] *= factor


@kernel
def _target_volatility(state, market, rules, tape, t, weights, mine, others):
    first = max(0, t - VOLATILITY_WINDOW + 1)
    count = t + 1 - first
    if count < VOLATILITY_MINIMUM:
        record_event(state, tape, t, E_UNKNOWN_VOLATILITY, BOOK, float(count), float(VOLATILITY_MINIMUM), 0.0)
        return
    daily = np.zeros(count)
    _add_returns(daily, market.moves, first, weights, mine)
    _add_returns(daily, market.moves, first, weights, others)
    total = 0.0
    for k in range(count):
        total += daily[k]
    mean = total / count
    squares = 0.0
    for k in range(count):
        squares += (daily[k] - mean) * (daily[k] - mean)
    volatility = math.sqrt(squares / (count - 1)) * math.sqrt(SESSIONS_PER_YEAR)
    target = rules.f[TARGET_VOLATILITY]
    if exceeds(volatility, target):
        _shrink(weights, mine, target / volatility)
        record_event(state, tape, t, E_TARGET_VOLATILITY, BOOK, volatility, target, target / volatility)


@kernel
def _add_returns(daily, moves, first, weights, symbols):
    """Add what ``symbols`` at their weights returned.

    Along each symbol's sessions, in slices, so that the inner loop becomes vector instructions; four symbols at a time,
    so that the memory of one is fetched while another's is summed up.
    """
    last = first + daily.size
    fours = symbols.size - symbols.size % 4
    for j in range(0, fours, 4):
        a, b, c, d = symbols[j], symbols[j + 1], symbols[j + 2], symbols[j + 3]
        row_a, row_b = moves[a, first:last], moves[b, first:last]
        row_c, row_d = moves[c, first:last], moves[d, first:last]
        of_a, of_b, of_c, of_d = weights[a], weights[b], weights[c], weights[d]
        for k in range(daily.size):
            daily[k] += of_a * row_a[k] + of_b * row_b[k] + (of_c * row_c[k] + of_d * row_d[k])
    for i in symbols[fours:]:
        row = moves[i, first:last]
        weight = weights[i]
        for k in range(daily.size):
            daily[k] += weight * row[k]


@kernel
def _cap_weight(state, cap, tape, t, weights, mine):
    counters, event_i, event_f = state.i, tape.event_i, tape.event_f
    for i in mine:
        if abs(weights[i]) > cap:
            clipped = math.copysign(cap, weights[i])
            write_event(counters, event_i, event_f, t, E_MAX_WEIGHT, i, weights[i], clipped, 0.0)
            weights[i] = clipped


@kernel
def _cap_sectors(state, sector, cap, tape, t, weights, mine, others):
    count = 0
    for i in mine:
        count = max(count, sector[i] + 1)
    wanted = np.zeros(count)
    fixed = np.zeros(count)
    for i in mine:
        wanted[sector[i]] += abs(weights[i])
    for i in others:
        if sector[i] < count:
            fixed[sector[i]] += abs(weights[i])
    factor = np.ones(count)
    bound = False
    for s in range(count):
        before = fixed[s] + wanted[s]
        if exceeds(before, cap) and wanted[s] > 0.0:
            factor[s] = share_left(cap - fixed[s], wanted[s])
            record_event(state, tape, t, E_MAX_SECTOR, s, before, fixed[s] + wanted[s] * factor[s], factor[s])
            bound = True
    if bound:
        for i in mine:
            weights[i] *= factor[sector[i]]


@kernel
def _absolute(weights, symbols):
    total = 0.0
    for i in symbols:
        total += abs(weights[i])
    return total


@kernel
def _cap_gross(state, cap, tape, t, weights, mine, others):
    fixed = _absolute(weights, others)
    wanted = _absolute(weights, mine)
    if exceeds(fixed + wanted, cap) and wanted > 0.0:
        factor = share_left(cap - fixed, wanted)
        record_event(state, tape, t, E_MAX_GROSS, BOOK, fixed + wanted, fixed + wanted * factor, factor)
        _shrink(weights, mine, factor)


@kernel
def _cap_net(state, cap, tape, t, weights, mine, others):
    net = 0.0
    for i in others:
        net += weights[i]
    for i in mine:
        net += weights[i]
    if not exceeds(abs(net), cap):
        return
    side = 1.0 if net > 0.0 else -1.0  # the heavier side
    wanted = 0.0
    for i in mine:
        wanted += max(side * weights[i], 0.0)
    if wanted == 0.0:
        return
    factor = share_left(wanted - (abs(net) - cap), wanted)
    for i in mine:
        weights[i] *= factor if side * weights[i] > 0.0 else 1.0
    record_event(state, tape, t, E_MAX_NET, BOOK, net, net - side * wanted * (1.0 - factor), factor)


@kernel
def _current_weights(state, symbols):
    """Weight (K,) of what is held of each of ``symbols`` (K,)."""
    shares, mark, equity = state.shares, state.mark, state.f[EQUITY]
    now = np.empty(symbols.size)
    for j in range(symbols.size):
        now[j] = shares[symbols[j]] * mark[symbols[j]]
    for j in range(symbols.size):
        now[j] = now[j] / equity if now[j] == now[j] else 0.0  # no mark: nothing can be held
    return now


@kernel
def _no_trade_band(state, band, tape, t, weights, mine, now, kept):
    count = 0
    total = 0.0
    for j in range(mine.size):
        weight = weights[mine[j]]
        change = abs(weight - now[j])
        inside = (weight != 0.0) & (change < band)
        kept[mine[j]] = inside
        count += inside & (change > 0.0)
        total += change if inside else 0.0
    if count > 0:
        record_event(state, tape, t, E_NO_TRADE_BAND, BOOK, float(count), 0.0, total)


@kernel
def _cap_turnover(state, cap, tape, t, weights, mine, now, kept):
    turnover = 0.0
    for j in range(mine.size):
        change = abs(weights[mine[j]] - now[j])
        turnover += change if kept[mine[j]] == 0 else 0.0
    if not exceeds(turnover, cap):
        return
    factor = cap / turnover
    for j in range(mine.size):
        i = mine[j]
        if kept[i] == 0:
            weights[i] = now[j] + (weights[i] - now[j]) * factor
    record_event(state, tape, t, E_MAX_TURNOVER, BOOK, turnover, cap, factor)
