"""How good scores were after each epoch of their training, out of sample, and how much the epoch mattered.

The ICs come from `Scores.by_epoch`: of every session, what its rank IC would have been had the training been limited to
1, 2, ... epochs. The sessions are those of the bench; the returns, those of the signal's own horizon and fill.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from backtester.research.bench import Entry
from backtester.research.hac import mean_test
from backtester.research.mattered import what_mattered
from backtester.research.study import plain

EPOCH = "epoch"  # as an option beside those of the variants


def ic_by_epoch(entry: Entry, start: int) -> list[dict[str, Any]] | None:
    """The mean daily rank IC after each epoch, from row ``start`` on; None where the scores do not tell it.

    Returns:
        A row an epoch: ``epoch``, from 1; ``mean``, ``error``, ``low`` and ``high`` (`hac.mean_test`).
    """
    if entry.scores is None or not len(entry.scores.by_epoch):
        return None
    rows = []
    for epoch, ics in enumerate(entry.scores.by_epoch[:, start:], 1):
        found = mean_test(ics, least=entry.variant.horizon - 1)
        rows.append({"epoch": epoch, **{key: getattr(found, key) for key in ("mean", "error", "low", "high")}})
    told: list[dict[str, Any]] = plain(rows)
    return told


def epochs_mattered(
    variants: Sequence[Entry], options: Mapping[str, Mapping[str, Any]], start: int
) -> dict[str, Any] | None:
    """`what_mattered` over variants and epochs: each variant after each epoch is one, and ``epoch`` is an option.

    It is over the variants that set the same options, have equally many epochs and the same horizon and fill of their
    returns: of such groups the largest, and among equals the one with more epochs. One variant is enough.

    Args:
        variants: that ran.
        options: of each by name, those that its scores can depend on.
        start: the first row that counts.

    Returns:
        The regression, with the names of the variants that it is over, ``of``, and those with epochs that it leaves
        out, ``left_out``; None if there is no variant with two epochs.
    """
    groups: dict[tuple[Any, ...], list[Entry]] = {}
    for entry in variants:
        epochs = 0 if entry.scores is None else len(entry.scores.by_epoch)
        if epochs:
            signal = entry.variant.signal
            about = (entry.variant.horizon, None if signal is None else signal.fill)
            keys = tuple(sorted(options[entry.variant.name]))
            groups.setdefault((epochs, keys, about), []).append(entry)
    several = [key for key in groups if key[0] > 1]
    if not several:
        return None
    most = max(several, key=lambda key: (len(groups[key]), key[0]))
    same, horizon = groups[most], most[2][0]
    told = [{**options[entry.variant.name], EPOCH: k + 1} for entry in same for k in range(most[0])]
    daily = np.concatenate([entry.scores.by_epoch[:, start:] for entry in same if entry.scores is not None])
    names = [entry.variant.name for entry in same]
    left_out = [entry.variant.name for group in groups.values() for entry in group if entry.variant.name not in names]
    found = what_mattered(told, daily, least=horizon - 1)
    facts: dict[str, Any] = plain({**found._asdict(), "of": names, "left_out": left_out})
    return facts
