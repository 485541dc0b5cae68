"""Inputs that were made last, since networks of a bench are asked for the same rows, and each by epoch once more."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from weakref import WeakKeyDictionary

import backtester as bt
from signals.training.prepare import Inputs, Seen, see

_BYTES = 1 << 28  # that are kept of a market, at most
_kept: WeakKeyDictionary[bt.Panel, OrderedDict[str, Seen]] = WeakKeyDictionary()
_lock = Lock()


def seen_before(panel: bt.Panel, first: int, last: int, inputs: Inputs) -> Seen:
    """What `see` gives for these arguments; nobody may write to it.

    What was made last of a market and of its heads is kept as long as the market is there. Panels are frozen, and two
    heads of a market with equally many sessions are the same, so what is kept is what would be made.
    """
    whole = panel.whole
    key = repr((panel is whole, len(panel.dates), first, last, inputs))
    with _lock:
        own = _kept.setdefault(whole, OrderedDict())
        if key in own:
            own.move_to_end(key)
            return own[key]
    made = see(panel, first, last, inputs)
    with _lock:
        own[key] = made
        while len(own) > 1 and sum(one.values.nbytes for one in own.values()) > _BYTES:
            own.popitem(last=False)
    return made
