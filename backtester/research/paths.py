"""How far each result hangs on which part of history was learnt from: combinatorial paths, and no track record.

Lopez de Prado, Advances in Financial Machine Learning (2018), chapter 12. Each signal that learns is fitted on every
split of `CombinatorialFolds`, its scores make several paths through the whole history, and each path is traded by the
entry's own strategy under its own terms. A single walk forward is one draw; if the others are far from it, the figures
of a bench say less than they seem to.

Nobody could have had a path: most of it was learnt from sessions that came later. So nothing of it orders the entries,
is deflated, is counted as a trial, or enters a test. Nor are paths of an entry independent of each other: they trade
the same sessions, and their spread is no standard error.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtester.combinatorial import CombinatorialFolds, combinatorial_walk
from backtester.errors import BacktesterError, DataError
from backtester.labels import labels
from backtester.market.panel import Panel
from backtester.metrics.ic import rank_ic
from backtester.metrics.returns import sharpe_ratio
from backtester.research import book
from backtester.research.bench import Entry, Progress, Runs, in_parallel, simulated, threads
from backtester.research.study import plain
from backtester.score_cache import ingredients, key_of
from backtester.scores import Scores
from backtester.signal import learns, share
from backtester.walk import seeded

Floats = NDArray[np.float64]


class PathFigures(NamedTuple):
    """What came of one path, over the sessions after the first decision."""

    sharpe: float  # net, a year
    gross: float  # before costs
    ic: float  # mean daily rank IC; NaN where no session has one


class Paths(NamedTuple):
    """What came of the paths of an entry."""

    error: str = ""  # why there are none
    first: int = 0  # the row after whose close all paths first decide
    paths: tuple[PathFigures, ...] = ()


class AllPaths(NamedTuple):
    """The paths of a bench."""

    folds: CombinatorialFolds
    of: dict[str, Paths]  # by the name of the entry: those whose signal learns


def run_paths(
    runs: Runs,
    folds: CombinatorialFolds,
    *,
    seed: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
) -> AllPaths:
    """Fit every entry that ran and whose signal learns on every split, and trade each path.

    Entries of the same signal share its paths. A signal that is refused (`combinatorial_walk`) or fails is told by the
    ``error`` of its entries, and the others go on.

    Args:
        runs: the bench, finished.
        folds: groups, purge and embargo, the same for all.
        seed: of the signals, in place of their own, as in `run_variants`.
        cache: folder of cached scores; what is there is not fitted again. The paths of a signal are kept when all of
            them are there.
        progress: called as ``progress(what, done, total)``.
        workers: threads of the runs; None: as many as there are cores.
    """
    tell = progress or (lambda what, done, total: None)
    followed, groups, count = _followed(runs), _by_signal(runs, seed), len(folds.paths())
    done, total = 0, count * sum(len(group) for group in groups)
    found: dict[str, Paths] = {}
    for k, group in enumerate(groups):
        signal, told = group[0].variant.signal, share(progress, k, len(groups))
        assert signal is not None
        try:
            walked = combinatorial_walk(runs.panel, signal, folds, seed=seed, cache=cache, progress=told)
        except BacktesterError as error:
            found |= {entry.variant.name: Paths(str(error)) for entry in group}
        else:
            firsts = [_first(entry, walked) for entry in group]
            work = [
                partial(_trade, runs.panel, entry, scores, first, followed)
                for entry, first in zip(group, firsts, strict=True)
                for scores in walked
            ]
            with threads(workers) as pool:
                made = in_parallel(pool, work, _after(tell, done, total))
            for place, (entry, first) in enumerate(zip(group, firsts, strict=True)):
                found[entry.variant.name] = _together(made[place * count : (place + 1) * count], first)
        done += count * len(group)
    return AllPaths(folds, found)


def told_of_paths(paths: AllPaths, name: str, panel: Panel) -> dict[str, Any] | None:
    """The paths of an entry as plain data.

    Returns:
        None for one whose signal learns nothing, or without a signal. Else ``error`` ("" if there are paths),
        ``count``, ``splits``; ``start`` (date) and ``sessions``: what their figures are taken over, from the first
        session after a first decision to the last of the market; net Sharpe ratios ``sharpe``, path by path, with their
        ``mean``, ``std`` (``ddof=1``; None with fewer than two), ``low``, ``high`` and ``below_zero`` (share of paths
        below 0); ``gross`` Sharpe ratios and mean daily rank ``ic``, path by path. Unknown ratios (an account that
        does not vary) are left out of what is taken over paths.
    """
    one = paths.of.get(name)
    if one is None:
        return None
    made = one.paths
    net = np.array([path.sharpe for path in made])
    net = net[np.isfinite(net)]
    some = bool(net.size)
    told: dict[str, Any] = plain(
        {
            "error": one.error,
            "count": len(made),
            "splits": paths.folds.splits,
            "start": str(panel.dates[one.first + 1]) if made else None,
            "sessions": len(panel.dates) - one.first - 1 if made else None,
            "sharpe": [path.sharpe for path in made],
            "gross": [path.gross for path in made],
            "ic": [path.ic for path in made],
            "mean": net.mean() if some else None,
            "std": net.std(ddof=1) if net.size > 1 else None,
            "low": net.min() if some else None,
            "high": net.max() if some else None,
            "below_zero": (net < 0.0).mean() if some else None,
        }
    )
    return told


def _by_signal(runs: Runs, seed: int | None) -> list[list[Entry]]:
    """The entries that ran and whose signal learns, those of the same signal together."""
    groups: dict[str, list[Entry]] = {}
    for entry in runs.good:
        signal = entry.variant.signal
        if signal is None or not learns(signal):
            continue
        try:
            key = key_of(ingredients(runs.panel, seeded(signal, seed), None, None))
        except DataError:  # what its scores depend on cannot be told: it is like no other
            key = f"alone {entry.variant.name}"
        groups.setdefault(key, []).append(entry)
    return list(groups.values())


def _followed(runs: Runs) -> Floats | None:
    """The returns that scores are held against, (T, N): those of the bench's daily ICs."""
    like = runs.like
    if like is None:
        return None
    found: Floats = labels(runs.panel, None, like.horizon, fill=like.fill)  # type: ignore[arg-type]
    return found


def _first(entry: Entry, walked: Sequence[Scores]) -> int:
    """The first row after whose close the entry can decide on every path."""
    known = [int(np.isfinite(scores.values).any(axis=1).argmax()) for scores in walked]
    return max(entry.variant.make().warmup - 1, *known)


def _trade(panel: Panel, entry: Entry, scores: Scores, first: int, followed: Floats | None) -> PathFigures | str:
    """Run an entry on a path; or why it failed."""
    try:
        if not scores.known:
            raise DataError("the scores of a path are all unknown")
        result = simulated(panel, entry.variant, scores, first)
    except BacktesterError as error:
        return str(error)
    net, gross = book.net_returns(result)[first + 1 :], book.gross_returns(result)[first + 1 :]
    ics = np.empty(0) if followed is None else rank_ic(scores.values[first:], followed[first:])
    ics = ics[np.isfinite(ics)]
    return PathFigures(sharpe_ratio(net), sharpe_ratio(gross), float(ics.mean()) if ics.size else math.nan)


def _together(made: Sequence[PathFigures | str], first: int) -> Paths:
    """The paths of an entry; if a run failed, there are none."""
    wrong = next((one for one in made if isinstance(one, str)), "")
    return Paths(wrong) if wrong else Paths("", first, tuple(one for one in made if isinstance(one, PathFigures)))


def _after(tell: Progress, before: int, total: int) -> Callable[[int, int], None]:
    """The progress of some runs as that of all."""
    return lambda done, _: tell("running again", before + done, total)
