"""What the guards of the signal look at: docs/semantics.md, section 6."""

from __future__ import annotations

import math

from backtester.engine.compile import kernel
from backtester.engine.types import MEMBER, S_EQUAL, S_UNSCORED, TRADABLE


@kernel
def fill_signal(out, scores, eligible, first, stop, step, since):
    """Rows ``first``, ``first + step``, ... before ``stop`` of ``out`` (T, SIGNAL), from ``scores`` (T, N).

    ``eligible`` (T, N) are the bits of ``Market.eligible``. A row before the first one with a finite score, or without
    an eligible symbol, stays as it is. No row before ``since`` has such a score. Returns the first that has one, else
    ``stop``.
    """
    begun = _first_finite(scores, since, stop)
    for t in range(first, stop, step):
        if t >= begun:
            _measure(out[t], scores[t], eligible[t])
    return begun


@kernel
def _first_finite(scores, since, stop):
    """The first row from ``since`` on and before ``stop`` with a finite score, else ``stop``."""
    for t in range(since, stop):
        row = scores[t]
        for i in range(row.size):
            if abs(row[i]) < math.inf:
                return t
    return stop


@kernel
def _measure(out, scores, eligible):
    count = 0.0
    scored = 0.0
    least, most = math.inf, -math.inf
    for i in range(scores.size):
        here = eligible[i] == TRADABLE | MEMBER
        known = here & (abs(scores[i]) < math.inf)
        count += here
        scored += known
        least = min(least, scores[i]) if known else least
        most = max(most, scores[i]) if known else most
    if count > 0.0:
        out[S_UNSCORED] = (count - scored) / count
        out[S_EQUAL] = scored if least == most else 0.0
