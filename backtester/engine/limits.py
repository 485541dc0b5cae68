"""The layers between what a strategy wants and what is ordered: law 11, docs/semantics.md section 4.

Every function changes the weights of *named* symbols in place and only towards zero (the turnover cap: towards what is
held). ``weights`` (N,) holds the wanted weight of named symbols and the planned weight of all others; ``named`` (N,)
is 1 for the former.
"""

from __future__ import annotations

import math

import numpy as np

from backtester.engine.compile import kernel
from backtester.engine.tape import record_event
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
    TRADABLE,
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
    """Whether a sum of weights is above its cap by more than rounding."""
    return value > cap * (1.0 + 1e-9) + 1e-12


@kernel
def share_left(room, wanted):
    """The factor that brings a positive sum down to ``room``; nothing rather than a rest that is rounding."""
    factor = room / wanted
    return factor if factor > 1e-9 else 0.0


@kernel
def allow(state, market, tape, t, i, weight):
    """The first layer: ``weight`` if symbol ``i`` may be held, else 0 with the reason on the tape."""
    bits = market.eligible[t, i]
    if bits == TRADABLE | MEMBER and state.ended[i] == 0:
        return weight
    if state.ended[i] == 1:
        code = E_ENDED
    elif bits & MEMBER == 0:
        code = E_NOT_MEMBER
    else:
        code = E_NOT_TRADABLE
    record_event(state, tape, t, code, i, weight, 0.0, 0.0)
    return 0.0


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
def apply_layers(state, market, rules, tape, t, weights, named, kept):
    """All layers after the first. ``kept`` (N,) becomes 1 where the no-trade band leaves a position as it is."""
    if rules.f[TARGET_VOLATILITY] < math.inf:
        _target_volatility(state, market, rules, tape, t, weights, named)
    if rules.f[MAX_WEIGHT] < math.inf:
        _cap_weight(state, rules.f[MAX_WEIGHT], tape, t, weights, named)
    if rules.f[MAX_SECTOR] < math.inf:
        _cap_sectors(state, market.sector, rules.f[MAX_SECTOR], tape, t, weights, named)
    if rules.f[MAX_GROSS] < math.inf:
        _cap_gross(state, rules.f[MAX_GROSS], tape, t, weights, named)
    if rules.f[MAX_NET] < math.inf:
        _cap_net(state, rules.f[MAX_NET], tape, t, weights, named)
    if rules.f[NO_TRADE_BAND] > 0.0:
        _no_trade_band(state, rules.f[NO_TRADE_BAND], tape, t, weights, named, kept)
    if rules.f[MAX_TURNOVER] < math.inf:
        _cap_turnover(state, rules.f[MAX_TURNOVER], tape, t, weights, named, kept)


@kernel
def _shrink(weights, named, factor):
    for i in range(weights.size):
        if named[i] == 1:
            weights[i] *= factor


@kernel
def _target_volatility(state, market, rules, tape, t, weights, named):
    first = max(0, t - VOLATILITY_WINDOW + 1)
    count = t + 1 - first
    if count < VOLATILITY_MINIMUM:
        record_event(state, tape, t, E_UNKNOWN_VOLATILITY, BOOK, float(count), float(VOLATILITY_MINIMUM), 0.0)
        return
    returns = market.returns
    weighted = np.flatnonzero(weights)
    daily = np.zeros(count)
    total = 0.0
    for k in range(count):
        row = returns[first + k]
        moved = 0.0
        for i in weighted:
            moved += weights[i] * row[i] if abs(row[i]) < math.inf else 0.0
        daily[k] = moved
        total += moved
    mean = total / count
    squares = 0.0
    for k in range(count):
        squares += (daily[k] - mean) * (daily[k] - mean)
    volatility = math.sqrt(squares / (count - 1)) * math.sqrt(SESSIONS_PER_YEAR)
    target = rules.f[TARGET_VOLATILITY]
    if exceeds(volatility, target):
        _shrink(weights, named, target / volatility)
        record_event(state, tape, t, E_TARGET_VOLATILITY, BOOK, volatility, target, target / volatility)


@kernel
def _cap_weight(state, cap, tape, t, weights, named):
    for i in range(weights.size):
        if named[i] == 1 and abs(weights[i]) > cap:
            clipped = math.copysign(cap, weights[i])
            record_event(state, tape, t, E_MAX_WEIGHT, i, weights[i], clipped, 0.0)
            weights[i] = clipped


@kernel
def _cap_sectors(state, sector, cap, tape, t, weights, named):
    count = 0
    for i in range(weights.size):
        count = max(count, sector[i] + 1)
    fixed = np.zeros(count)
    wanted = np.zeros(count)
    for i in range(weights.size):
        if named[i] == 1:
            wanted[sector[i]] += abs(weights[i])
        else:
            fixed[sector[i]] += abs(weights[i])
    factor = np.ones(count)
    for s in range(count):
        before = fixed[s] + wanted[s]
        if exceeds(before, cap) and wanted[s] > 0.0:
            factor[s] = share_left(cap - fixed[s], wanted[s])
            record_event(state, tape, t, E_MAX_SECTOR, s, before, fixed[s] + wanted[s] * factor[s], factor[s])
    for i in range(weights.size):
        if named[i] == 1 and factor[sector[i]] < 1.0:
            weights[i] *= factor[sector[i]]


@kernel
def _cap_gross(state, cap, tape, t, weights, named):
    fixed = 0.0
    wanted = 0.0
    for i in range(weights.size):
        if named[i] == 1:
            wanted += abs(weights[i])
        else:
            fixed += abs(weights[i])
    if exceeds(fixed + wanted, cap) and wanted > 0.0:
        factor = share_left(cap - fixed, wanted)
        record_event(state, tape, t, E_MAX_GROSS, BOOK, fixed + wanted, fixed + wanted * factor, factor)
        _shrink(weights, named, factor)


@kernel
def _cap_net(state, cap, tape, t, weights, named):
    net = 0.0
    for i in range(weights.size):
        net += weights[i]
    if not exceeds(abs(net), cap):
        return
    side = 1.0 if net > 0.0 else -1.0  # the heavier side
    wanted = 0.0
    for i in range(weights.size):
        if named[i] == 1 and side * weights[i] > 0.0:
            wanted += abs(weights[i])
    if wanted == 0.0:
        return
    factor = share_left(wanted - (abs(net) - cap), wanted)
    for i in range(weights.size):
        if named[i] == 1 and side * weights[i] > 0.0:
            weights[i] *= factor
    record_event(state, tape, t, E_MAX_NET, BOOK, net, net - side * wanted * (1.0 - factor), factor)


@kernel
def _no_trade_band(state, band, tape, t, weights, named, kept):
    shares, mark, equity = state.shares, state.mark, state.f[EQUITY]
    count = 0
    total = 0.0
    for i in range(weights.size):
        if named[i] == 1 and weights[i] != 0.0:
            change = abs(weights[i] - current_weight(shares[i], mark[i], equity))
            if change < band:
                kept[i] = 1
                if change > 0.0:
                    count += 1
                    total += change
    if count > 0:
        record_event(state, tape, t, E_NO_TRADE_BAND, BOOK, float(count), 0.0, total)


@kernel
def _cap_turnover(state, cap, tape, t, weights, named, kept):
    shares, mark, equity = state.shares, state.mark, state.f[EQUITY]
    turnover = 0.0
    for i in range(weights.size):
        if named[i] == 1 and kept[i] == 0:
            turnover += abs(weights[i] - current_weight(shares[i], mark[i], equity))
    if not exceeds(turnover, cap):
        return
    factor = cap / turnover
    for i in range(weights.size):
        if named[i] == 1 and kept[i] == 0:
            now = current_weight(shares[i], mark[i], equity)
            weights[i] = now + (weights[i] - now) * factor
    record_event(state, tape, t, E_MAX_TURNOVER, BOOK, turnover, cap, factor)
