"""What has to be said of an entry of a bench before its figures are read, and which variants are one choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from backtester.research.bench import Entry, Runs
from backtester.research.book import wiped_out


def trades(entry: Entry) -> bool:
    """Whether an entry that ran has ever traded."""
    return entry.result is not None and len(entry.result.tape.fill_f) > 0


def remarks(runs: Runs, entry: Entry) -> list[str]:
    """Sentences without a subject: it was wiped out, it never traded, its scores say nothing, it is another's twin."""
    found = []
    gone = "" if entry.result is None else wiped_out(entry.result)
    if gone:
        found.append(f"was wiped out on {gone}: it comes last, and its ratios leave out the sessions after it")
    if not trades(entry):
        found.append("never traded")
    alike, scored = _told_apart(entry)
    if alike:
        found.append(
            f"has scores that are the same for all names in {alike:,} of {scored:,} sessions: there the alphabet "
            "decides what is held, not the signal"
        )
    twin = next((one for one in _before(runs, entry) if _same(one, entry)), None)
    if twin is not None and trades(entry):
        found.append(f"earned to the last digit what {twin.variant.name} did: they are one variant, not two")
    return found


def choices(variants: Sequence[Entry]) -> list[Entry]:
    """The variants that one has chosen among: those that have traded, of twins the first."""
    found: list[Entry] = []
    for entry in variants:
        if trades(entry) and not any(_same(one, entry) for one in found):
            found.append(entry)
    return found


def terms_of(entry: Entry) -> list[Any]:
    """What trading costs an entry, and when it fills."""
    return [entry.variant.terms.get(key) for key in ("cash", "costs", "execution")]


def _told_apart(entry: Entry) -> tuple[int, int]:
    """In how many sessions all known scores are equal, and how many sessions have two scores at least."""
    if entry.shown is None:
        return 0, 0
    known = np.isfinite(entry.shown)
    scored = known.sum(axis=1) > 1
    highest = np.where(known, entry.shown, -np.inf)[scored].max(axis=1)
    lowest = np.where(known, entry.shown, np.inf)[scored].min(axis=1)
    return int((highest == lowest).sum()), int(scored.sum())


def _before(runs: Runs, entry: Entry) -> list[Entry]:
    """The entries of the same role that stand before one."""
    same = [one for one in runs.good if one.variant.role == entry.variant.role]
    return same[: next(k for k, one in enumerate(same) if one is entry)]


def _same(one: Entry, other: Entry) -> bool:
    return np.array_equal(one.net, other.net, equal_nan=True) and np.array_equal(one.gross, other.gross, equal_nan=True)
