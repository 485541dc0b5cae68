"""What is said of a training: how an epoch went, which models learnt nothing, and that none did."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Sequence

import numpy as np

import backtester as bt
from signals.training.best import Noted
from signals.training.fitted import Fitted

log = logging.getLogger("signals")
_EVERY = 10.0  # seconds between two lines about epochs
_HELP = "A smaller learning_rate or clip= may help."


class Teller:
    """Says how the epochs of a training go, now and then."""

    def __init__(self, epochs: int) -> None:
        """Of a training of so many epochs, at most, that begins now."""
        self._epochs, self._last = epochs, time.monotonic()

    def tell(self, epoch: int, noted: Sequence[Noted]) -> None:
        """Say what was noted of an epoch, the mean over the models, if the last line is old enough."""
        now = time.monotonic()
        if now - self._last < _EVERY or not noted:
            return
        self._last = now
        shown = []
        for word, key in (("loss", "train_loss"), ("watched loss", "valid_loss"), ("rank IC", "valid_ic")):
            values = [getattr(one, key) for one in noted]
            known = [value for value in values if np.isfinite(value)]
            if known:
                shown.append(f"{word} {np.mean(known):.3f}" if key == "valid_ic" else f"{word} {np.mean(known):.4g}")
        models = f" (mean of {len(noted)} models)" if len(noted) > 1 else ""
        log.info("epoch %d of %d: %s%s", epoch, self._epochs, ", ".join(shown) or "no number", models)


def tell_failed(failed: Sequence[str], models: int) -> None:
    """Warn of the models of a training that learnt nothing of use: of each, or once if it is all ``models``."""
    if not failed:
        return
    if len(failed) < models:
        for one in failed:
            warnings.warn(f"{one} It scores nothing; the others went on. {_HELP}", stacklevel=2)
        return
    them = f"So it was with all {models} models that were trained together: they score" if models > 1 else "It scores"
    warnings.warn(f"{failed[0]} {them} nothing. {_HELP}", stacklevel=2)


def has_learnt(jobs: Sequence[bt.FitJob], found: Sequence[Fitted]) -> bool:
    """Whether anything of use was learnt in one of several folds; a single one has been warned of."""
    return len(jobs) < 2 or any(one.members for one in found)


def check_learnt(jobs: Sequence[bt.FitJob], found: Sequence[Sequence[Fitted]]) -> None:
    """Raise SignalError unless the network, or one of several, `has_learnt`."""
    every = [one for fold in found for one in fold]
    if has_learnt(jobs, every):
        return
    notes = [row["note"] for one in every for row in one.curve if row["note"]]
    note = notes[0] if notes else "what is watched was no number"
    raise bt.SignalError(
        f"none of {len(every)} networks, in {len(jobs)} folds, learnt anything of use; of the first: {note}. Take a "
        "smaller learning_rate, or clip the gradients (clip = 1.0)."
    )
