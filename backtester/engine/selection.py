"""Choosing the best and the worst scores of a session, exactly, ties to the lower index.

Scores become 64-bit integers in the same order (sign and magnitude turned into two's complement; -0.0 made 0.0; a
symbol that is not ranked gets the smallest integer). The k-th highest is then a threshold with ``k`` keys above it,
found by bracketing: a probe counts the keys above a candidate in a loop without branches, which compiles to vector
instructions, so that ten probes cost less than one pass of a histogram or a quickselect. A probe interpolates between
the values; if that leaves more than half of the bracket's keys, the next ones are the middle of the values, the
middle of the integers (which bounds the search whatever the data) and the next distinct key (which ends it when many
scores are equal).
"""

from __future__ import annotations

import numpy as np

from backtester.engine.compile import kernel

LONG, SHORT = 1, -1

MAGNITUDE = np.int64(0x7FFFFFFFFFFFFFFF)
EXPONENT = np.int64(0x7FF0000000000000)
UNRANKED = np.int64(-0x8000000000000000)  # below the key of every finite number


@kernel
def make_keys(score, allowed, keys):
    """Fill ``keys`` (N,) for finite scores of allowed symbols; return their number, the lowest and the highest key."""
    ranked = 0
    lowest, highest = MAGNITUDE, UNRANKED
    for i in range(score.size):
        bits = np.float64(score[i] + 0.0).view(np.int64)
        counts = ((bits & EXPONENT) != EXPONENT) & (allowed[i] != 0)
        key = bits ^ ((bits >> 63) & MAGNITUDE)
        keys[i] = key if counts else UNRANKED
        ranked += counts
        lowest = min(lowest, key if counts else MAGNITUDE)
        highest = max(highest, key if counts else UNRANKED)
    return ranked, lowest, highest


@kernel
def mark_sides(keys, ranked, lowest, highest, longs, shorts, side):
    """Mark the ``longs`` highest of ``ranked`` keys LONG, the ``shorts`` lowest of the rest SHORT, all others 0.

    ``longs + shorts <= ranked``. Ties go to the lower index on both sides; the long side chooses first.
    """
    top, above_top = highest, 0
    if longs > 0:
        top, above_top = _threshold(keys, longs, lowest - 1, ranked, highest, 0)
    bottom, ties = UNRANKED, 0  # shorts are the ranked keys below `bottom` and `ties` of those equal to it
    if shorts > 0:
        bottom, above_bottom = _threshold(keys, ranked - shorts, lowest - 1, ranked, top, above_top)
        if above_bottom == ranked - shorts:
            bottom += 1
        else:
            ties = shorts
    below = 0
    for i in range(keys.size):
        key = keys[i]
        short = (key < bottom) & (key != UNRANKED)
        side[i] = np.int8(key > top) - np.int8(short)
        below += short
    _mark_equals(keys, top, LONG, longs - above_top, side)
    if ties > 0:
        _mark_equals(keys, bottom, SHORT, ties - below, side)


@kernel
def _mark_equals(keys, value, mark, missing, side):
    for i in range(keys.size):
        if missing <= 0:
            return
        if keys[i] == value and side[i] == 0:
            side[i] = mark
            missing -= 1


@kernel
def _threshold(keys, want, low, above_low, high, above_high):
    """A key ``k`` and the count of keys above it: ``want``, or less by some of those equal to ``k``.

    ``above_low >= want >= above_high`` are the counts above ``low`` and ``high``.
    """
    if above_low == want:
        return low, above_low
    attempt = 0
    while above_high != want and high - 1 != low:
        inside = above_low - above_high
        middle = (low >> 1) + (high >> 1) + (low & high & 1)
        probe = middle
        if attempt < 2:
            share = (above_low - want) / inside if attempt == 0 else 0.5
            probe = _key(_value(low) * (1.0 - share) + _value(high) * share)
            if probe <= low or probe >= high:
                probe = middle
        elif attempt == 3:
            probe = _next_key(keys, low)
        count = _above(keys, probe)
        if count > want:
            low, above_low = probe, count
        else:
            high, above_high = probe, count
            if attempt == 3:
                break  # nothing lies between low and its next key: the wanted one is among its equals
        attempt = (attempt + 1) % 4 if 2 * (above_low - above_high) > inside else 0
    return high, above_high


@kernel
def _key(value):
    """The integer whose order among integers is that of ``value`` among floats."""
    bits = np.float64(value + 0.0).view(np.int64)
    return bits ^ ((bits >> 63) & MAGNITUDE)


@kernel
def _value(key):
    """The inverse of ``_key``."""
    return np.int64(key ^ ((key >> 63) & MAGNITUDE)).view(np.float64)


@kernel
def _above(keys, threshold):
    """How many keys are above ``threshold``. A function of its own, so that it is compiled to vector instructions."""
    count = 0
    for i in range(keys.size):
        count += keys[i] > threshold
    return count


@kernel
def _next_key(keys, threshold):
    """The lowest key above ``threshold``."""
    lowest = MAGNITUDE
    for i in range(keys.size):
        lowest = min(lowest, keys[i] if keys[i] > threshold else MAGNITUDE)
    return lowest
