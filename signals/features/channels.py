"""What a sequence network sees of each session: stationary series of each symbol, one channel each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import backtester as bt
from signals.features.naming import EXTRA, Kind, Named, Names, Vocabulary, expand, parse
from signals.features.slab import Slab, lagged, standardised

Floats = NDArray[np.float64]
# Rows computed at a time, so that memory beyond the answer does not grow with the panel.
_ROWS = 128


def log_return(slab: Slab) -> Floats:
    """``log(adj_close[t] / adj_close[t - 1])``, a total return."""
    return np.log(lagged(slab.close, slab.rows, 0) / lagged(slab.close, slab.rows, 1))


def log_range(slab: Slab) -> Floats:
    """``log(high / low)`` of the session."""
    return np.log(slab.now(slab.panel.high) / slab.now(slab.panel.low))


def log_gap(slab: Slab) -> Floats:
    """``log(open / previous close)``, both adjusted; the open by the factor of its session's close."""
    opened = slab.now(slab.panel.open) * lagged(slab.factor, slab.rows, 0)
    return np.log(opened / lagged(slab.close, slab.rows, 1))


def volume_z(slab: Slab, window: int) -> Floats:
    """``log(1 + close * volume)``, standardised over the ``window`` rows up to the session (ddof=0).

    0 where it does not vary. Dollar volume, since splits change the number of shares.
    """
    return standardised(np.log1p(slab.dollars), slab.rows, window)


KINDS: dict[str, Kind] = {
    "return": Kind(log_return, lambda: 2),
    "range": Kind(log_range, lambda: 1),
    "gap": Kind(log_gap, lambda: 2),
    "volume_z": Kind(volume_z, lambda window: window, (21,)),
}
SETS = {"default": ("return", "range", "gap", "volume_z")}
CHANNELS = Vocabulary("channel", KINDS, SETS, ())


def channels(panel: bt.Panel, first: int, last: int, names: Names = "default") -> NDArray[np.float32]:
    """The channels of the sessions ``first .. last``, each session from what was known after its close.

    A session depends on the ``channel_warmup(names)`` rows that end with it alone, and has the same bits whichever
    others are asked for. NaN is unknown: a value that a channel needs is. A symbol has its channels before it joins the
    universe and after it leaves, since a window that ends while it is a member reaches back before that.

    Args:
        panel: the market; rows after ``last`` are not looked at.
        first: the first row, from 0.
        last: the last row, at least ``first``.
        names: ``default``, a name, or a list of names; all stand in docs/features.md.

    Returns:
        (N, last - first + 1, C) float32, C-contiguous, so that the windows of a symbol are views of it.

    Raises:
        ConfigError: a name is unknown, wrong, or there twice.
        DataError: these are no rows of the panel.
    """
    asked = expand(panel, parse(names, CHANNELS), CHANNELS)
    sessions, symbols = panel.shape
    if not 0 <= first <= last < sessions:
        raise bt.DataError(f"rows {first} to {last} are asked for; the panel has rows 0 to {sessions - 1}.")
    found = np.empty((symbols, last - first + 1, len(asked)), dtype=np.float32)
    depth = max(one.depth for one in asked)
    for start in range(first, last + 1, _ROWS):
        slab = Slab(panel, start, min(start + _ROWS - 1, last), depth)
        place = slice(start - first, start - first + slab.rows)
        for k, one in enumerate(asked):
            found[:, place, k] = _values(slab, one).T
    return found


def channel_names(panel: bt.Panel, names: Names = "default") -> tuple[str, ...]:
    """The name of each of the C channels, the extra columns one by one.

    Raises:
        ConfigError: a name is unknown, wrong, or there twice.
    """
    return tuple(one.name for one in expand(panel, parse(names, CHANNELS), CHANNELS))


def channel_warmup(names: Names = "default") -> int:
    """Rows that a session of these channels depends on, its own among them.

    Raises:
        ConfigError: a name is unknown, wrong, or there twice.
    """
    return max(one.depth for one in parse(names, CHANNELS))


def _values(slab: Slab, one: Named) -> Floats:
    """One channel of a slab, (R, N)."""
    if one.kind == EXTRA:
        return slab.now(slab.panel.extra[one.parameters[0]])
    return KINDS[one.kind].values(slab, *one.parameters)
