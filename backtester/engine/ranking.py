"""From scores to weights, for one decision or a chunk of sessions: docs/semantics.md, section 7."""

from __future__ import annotations

import math

import numpy as np

from backtester.engine.compile import kernel
from backtester.engine.selection import LONG, SHORT, make_keys, mark_sides

# Ways to weight the names of one side.
EQUAL, BY_SCORE, INVERSE_VOLATILITY = 0, 1, 2

# Its inverse is still finite.
SMALLEST_RISK = 1e-300

# Indices of the settings of `rank_rows`: names a side (a fraction if below 1), sum of absolute weights, fewest names a
# side, and one of the ways above.
R_LONG, R_SHORT, R_GROSS, R_MIN_NAMES, R_WEIGHTING = range(5)


@kernel
def rank_rows(scores, eligible, volatility, sector, settings, weights):
    """Rank every row of ``scores`` (R, N) into ``weights`` (R, N).

    ``eligible`` (R, N) is 1 where a symbol may be ranked. ``volatility`` (R, N) is read with INVERSE_VOLATILITY only
    and may have no rows otherwise. ``sector`` (N,) holds codes 0..S-1 for a sector-neutral ranking, or has length 0.
    """
    n = scores.shape[1]
    allowed = np.empty(n, np.uint8)
    side = np.empty(n, np.int8)
    keys = np.empty(n, np.int64)
    for r in range(scores.shape[0]):
        risk = volatility[r] if settings[R_WEIGHTING] == INVERSE_VOLATILITY else scores[r]
        for i in range(n):
            allowed[i] = eligible[r, i]
        if settings[R_WEIGHTING] == INVERSE_VOLATILITY:
            for i in range(n):
                if not (math.isfinite(risk[i]) and risk[i] > SMALLEST_RISK):
                    allowed[i] = 0
        if sector.size > 0:
            _rank_sectors(scores[r], allowed, risk, sector, settings, weights[r], side, keys)
        else:
            _rank_all(scores[r], allowed, risk, settings, weights[r], side, keys)


@kernel
def _names(wanted, n):
    """How many names ``wanted`` means among ``n``: a fraction below 1, a number from 1 on."""
    return math.floor(wanted * n + 1e-9) if wanted < 1.0 else int(wanted)


@kernel
def _shares_of_gross(settings):
    """Gross exposure of the long and of the short side."""
    gross = settings[R_GROSS]
    if settings[R_LONG] > 0.0 and settings[R_SHORT] > 0.0:
        return gross / 2.0, gross / 2.0
    return (gross if settings[R_LONG] > 0.0 else 0.0), (gross if settings[R_SHORT] > 0.0 else 0.0)


@kernel
def _enough(settings, longs, shorts):
    """Whether every side that was asked for has enough names."""
    fewest = max(1.0, settings[R_MIN_NAMES])
    return (settings[R_LONG] == 0.0 or longs >= fewest) and (settings[R_SHORT] == 0.0 or shorts >= fewest)


@kernel
def _rank_all(score, allowed, risk, settings, weights, side, keys):
    n = score.size
    ranked, lowest, highest = make_keys(score, allowed, keys)
    longs, shorts = _fit(_names(settings[R_LONG], ranked), _names(settings[R_SHORT], ranked), ranked)
    if not _enough(settings, longs, shorts):
        weights[:] = 0.0
        return
    mark_sides(keys, ranked, lowest, highest, longs, shorts, side)
    long_gross, short_gross = _shares_of_gross(settings)
    if settings[R_WEIGHTING] == EQUAL:
        up = long_gross / longs if longs > 0 else 0.0
        down = -short_gross / shorts if shorts > 0 else 0.0
        for i in range(n):
            weights[i] = up if side[i] == LONG else (down if side[i] == SHORT else 0.0)
        return
    weights[:] = 0.0
    _weigh(score, allowed, risk, settings, weights, side, longs, shorts, long_gross, short_gross)


@kernel
def _fit(longs, shorts, n):
    """Shrink both sides alike when there are fewer names than asked for."""
    total = longs + shorts
    if total > n:
        return n * longs // total, n * shorts // total
    return longs, shorts


@kernel
def _weigh(score, allowed, risk, settings, weights, side, longs, shorts, long_gross, short_gross):
    """Weights of the selected names by score or by inverse volatility; names not selected are left alone."""
    n = score.size
    by_score = settings[R_WEIGHTING] == BY_SCORE
    middle = _median(score, allowed) if by_score else 0.0
    long_sum = 0.0
    short_sum = 0.0
    for i in range(n):
        if side[i] == LONG:
            weights[i] = max(0.0, score[i] - middle) if by_score else 1.0 / risk[i]
            long_sum += weights[i]
        elif side[i] == SHORT:
            weights[i] = max(0.0, middle - score[i]) if by_score else 1.0 / risk[i]
            short_sum += weights[i]
    for i in range(n):
        if side[i] == LONG:
            weights[i] = long_gross * weights[i] / long_sum if long_sum > 0.0 else long_gross / longs
        elif side[i] == SHORT:
            weights[i] = -(short_gross * weights[i] / short_sum if short_sum > 0.0 else short_gross / shorts)


@kernel
def _median(score, allowed):
    known = np.empty(score.size)
    count = 0
    for i in range(score.size):
        if allowed[i] == 1 and math.isfinite(score[i]):
            known[count] = score[i]
            count += 1
    ordered = np.sort(known[:count])
    return ordered[(count - 1) // 2] / 2.0 + ordered[count // 2] / 2.0


@kernel
def _rank_sectors(score, allowed, risk, sector, settings, weights, side, keys):
    """Rank inside every sector; its share of the gross is its share of the names in sectors that take part."""
    n = score.size
    weights[:] = 0.0
    sectors = 0
    for i in range(n):
        sectors = max(sectors, sector[i] + 1)
    count = np.zeros(sectors, np.int64)
    for i in range(n):
        if allowed[i] == 1 and math.isfinite(score[i]):
            count[sector[i]] += 1
    ranked = count.sum()
    taking_part = 0
    longs_in_all = 0
    shorts_in_all = 0
    for s in range(sectors):
        if count[s] >= 2:
            longs, shorts = _sector_names(settings, count[s], ranked)
            taking_part += count[s]
            longs_in_all += longs
            shorts_in_all += shorts
    if not _enough(settings, longs_in_all, shorts_in_all):
        return
    long_gross, short_gross = _shares_of_gross(settings)
    inside = np.empty(n, np.uint8)
    for s in range(sectors):
        if count[s] < 2:
            continue
        longs, shorts = _sector_names(settings, count[s], ranked)
        for i in range(n):
            inside[i] = 1 if allowed[i] == 1 and sector[i] == s else 0
        here, lowest, highest = make_keys(score, inside, keys)
        mark_sides(keys, here, lowest, highest, longs, shorts, side)
        part = count[s] / taking_part
        if settings[R_WEIGHTING] == EQUAL:
            for i in range(n):
                if side[i] == LONG:
                    weights[i] = long_gross * part / longs
                elif side[i] == SHORT:
                    weights[i] = -short_gross * part / shorts
        else:
            _weigh(score, inside, risk, settings, weights, side, longs, shorts, long_gross * part, short_gross * part)


@kernel
def _sector_names(settings, count, ranked):
    """Names a side in a sector of ``count`` >= 2 of ``ranked`` names: at least one of each side that was asked for."""
    longs = _sector_side(settings[R_LONG], count, ranked)
    shorts = _sector_side(settings[R_SHORT], count, ranked)
    both = longs > 0 and shorts > 0
    longs, shorts = _fit(longs, shorts, count)
    if both:
        longs = min(max(longs, 1), count - 1)
        shorts = min(max(shorts, 1), count - longs)
    return longs, shorts


@kernel
def _sector_side(wanted, count, ranked):
    if wanted == 0.0:
        return 0
    fraction = wanted if wanted < 1.0 else wanted / ranked
    return max(1, math.floor(fraction * count + 1e-9))


@kernel
def trailing_volatilities(returns, rows, minimum, window, out):
    """Standard deviation (ddof = 1) of the known returns of the ``window`` sessions up to each of ``rows`` (R,).

    Into ``out`` (R, N); NaN with fewer than ``minimum`` known returns.
    """
    n = returns.shape[1]
    total = np.empty(n)
    squares = np.empty(n)
    known = np.empty(n)
    for r in range(rows.size):
        first, last = max(0, rows[r] - window + 1), rows[r]
        total[:] = 0.0
        known[:] = 0.0
        squares[:] = 0.0
        for k in range(first, last + 1):
            for i in range(n):
                if math.isfinite(returns[k, i]):
                    total[i] += returns[k, i]
                    known[i] += 1.0
        for k in range(first, last + 1):
            for i in range(n):
                if math.isfinite(returns[k, i]):
                    distance = returns[k, i] - total[i] / known[i]
                    squares[i] += distance * distance
        for i in range(n):
            out[r, i] = math.sqrt(squares[i] / (known[i] - 1.0)) if known[i] >= minimum else math.nan
