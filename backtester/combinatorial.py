"""Combinatorial purged cross-validation: many paths of scores through one history, and no track record.

Lopez de Prado, Advances in Financial Machine Learning (2018), chapters 7 and 12. Walking forward gives one path, and
whoever tries long enough fits it. Here the history is cut into groups and every choice of some of them is tested with
what was learnt from all others, so that each session is scored several times over, by signals that have not learnt from
it. These scores make several paths, each over the whole history. They show how far a result hangs on which part of
history was learnt from. Nobody could have had them: most were learnt from sessions that came later.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import KW_ONLY, asdict, dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from backtester.asking import check_rows_alone, learnt, predicted
from backtester.errors import ConfigError, DataError
from backtester.folds import Fold
from backtester.labels import Rows, check_whole
from backtester.market.panel import Panel
from backtester.score_cache import load_cached, save_cached
from backtester.scores import FoldDates, Scores
from backtester.signal import FitWork, Progress, Signal, learns
from backtester.walk import Sheet, Walk, fit_each, origin_of, seeded, told_ingredients


class CombinatorialFold(NamedTuple):
    """A split: some groups are tested with what is learnt from the others. Read-only."""

    train: Rows  # rows of the panel, increasing, with gaps where the tested groups are
    tests: tuple[Rows, ...]  # rows of each tested group, consecutive; in the order of time
    groups: tuple[int, ...]  # the numbers of these groups, from 0


@dataclass(frozen=True)
class CombinatorialFolds:
    """Every choice of ``test_groups`` of ``groups`` equal parts of the history, learnt from the others.

    The sessions from the first that has its warmup on are cut into consecutive groups; where they do not divide, the
    first ones have a session more. With 6 groups, of which 2 are tested, there are 15 splits, and 5 paths::

        group      1  2  3  4  5  6          path 1: groups 1 and 2 of split 1, 3 of split 2, 4 of split 3, ...
        split 1    t  t  .  .  .  .          path 2: group 1 of split 2, 2 and 3 of split 6, ...
        split 2    t  .  t  .  .  .
        split 3    t  .  .  t  .  .          t  tested
        ...                                  .  learnt from, but for what is purged
        split 15   .  .  .  .  t  t

    A training row ``r`` and a test row ``s`` are more than ``purge`` sessions apart, on both sides, and more than
    ``purge + embargo`` where ``r`` comes after ``s``::

        |-- train --|purge|-- test --|purge|embargo|-- train --|

    The label of a row, horizon ``h``, runs over prices of the sessions after it, up to the ``h + 1``-st. With ``purge =
    h`` the label of a training row before a tested group is known when the first row of the group is scored, as in
    `bt.Folds`; that of one after it begins after the last label of the group has ended. So no two of them share a
    price. The last ``h + 1`` rows of a panel have no label yet: they are tested, and never learnt from.

    Features of a training row after a tested group look back over it. That is allowed: it is history by then, though
    what was to be foretold is among the inputs that are learnt from. An embargo of the signal's warmup keeps these
    apart as well.

    Attributes:
        groups: parts of the history, at least 2.
        test_groups: of them that a split tests, fewer than all.
        purge: sessions left out on both sides of what is tested. None: the signal's horizon, the least that is allowed.
        embargo: further sessions left out after it (Lopez de Prado, 2018, section 7.4.2).
    """

    groups: int = 6
    test_groups: int = 2
    _: KW_ONLY
    purge: int | None = None
    embargo: int = 0

    def __post_init__(self) -> None:
        """Raise ConfigError for a setting that makes no sense."""
        check_whole("CombinatorialFolds.groups", self.groups, least=2)
        check_whole("CombinatorialFolds.test_groups", self.test_groups)
        check_whole("CombinatorialFolds.embargo", self.embargo, least=0)
        if self.purge is not None:
            check_whole("CombinatorialFolds.purge", self.purge, least=0)
        if self.test_groups >= self.groups:
            raise ConfigError(
                f"CombinatorialFolds.test_groups is {self.test_groups} of {self.groups} groups, which leaves none to "
                f"learn from: use at most {self.groups - 1}."
            )

    @property
    def splits(self) -> int:
        """How often the signal is fitted: ``groups`` choose ``test_groups``."""
        return math.comb(self.groups, self.test_groups)

    def gap(self, horizon: int) -> int:
        """Sessions left out before a tested group; after it there is the embargo too.

        Raises:
            ConfigError: the purge is below the horizon of the labels.
        """
        purge = horizon if self.purge is None else self.purge
        if purge < horizon:
            raise ConfigError(
                f"CombinatorialFolds.purge is {purge}, below the signal's horizon of {horizon} sessions: labels that "
                "are learnt from would overlap those that are tested. "
                f"Use a purge of at least {horizon}, or leave it out."
            )
        return purge

    def split(self, sessions: int, horizon: int = 1, warmup: int = 1) -> list[CombinatorialFold]:
        """The splits of a panel, in the order of the groups that they test: (1, 2), (1, 3), ...

        Args:
            sessions: of the panel.
            horizon: of the signal's labels, in sessions.
            warmup: rows of history that a row of features needs, its own among them.

        Raises:
            ConfigError: the purge is below the horizon.
            DataError: there are fewer sessions than groups, or a split has nothing to learn from.
        """
        purge, first = self.gap(horizon), warmup - 1
        if sessions - first < self.groups:
            raise DataError(
                f"{self.groups} groups need {first + self.groups} sessions, the panel has {sessions}: {first} before "
                f"the first that can be scored (warmup {warmup}), and one for each group. "
                "Use more data, or fewer groups."
            )
        parts = np.array_split(np.arange(first, sessions, dtype=np.int64), self.groups)
        for part in parts:
            part.flags.writeable = False
        found = []
        for number, chosen in enumerate(combinations(range(self.groups), self.test_groups), 1):
            free = np.zeros(sessions, dtype=bool)
            free[first : max(first, sessions - 1 - horizon)] = True  # the label of a later row is not known
            for g in chosen:
                free[max(0, int(parts[g][0]) - purge) : int(parts[g][-1]) + 1 + purge + self.embargo] = False
            train = np.flatnonzero(free).astype(np.int64)
            if not train.size:
                tested = " and ".join(str(g + 1) for g in chosen)
                raise DataError(
                    f"split {number} of {self.splits}, which tests {'group' if len(chosen) == 1 else 'groups'} "
                    f"{tested}, has no session to learn from: the panel has {sessions}, of which {first} are before "
                    f"the first that can be scored (warmup {warmup}), {purge} are left out before and "
                    f"{purge + self.embargo} after each tested group (purge and embargo), and the last {horizon + 1} "
                    "have no label. Use more data, or fewer tested groups."
                )
            train.flags.writeable = False
            found.append(CombinatorialFold(train, tuple(parts[g] for g in chosen), chosen))
        return found

    def paths(self) -> tuple[tuple[int, ...], ...]:
        """Which split scores each group, path by path: ``paths()[p][g]``, both and the splits counted from 0.

        A group is tested in ``splits * test_groups / groups`` splits, which is the number of paths; path ``p`` takes
        the ``p``-th of them. So each group of each split is in one path, and each path has every group.
        """
        chosen = list(combinations(range(self.groups), self.test_groups))
        tested = [[k for k, some in enumerate(chosen) if g in some] for g in range(self.groups)]
        return tuple(zip(*tested, strict=True))


def combinatorial_walk(
    panel: Panel,
    signal: Signal,
    folds: CombinatorialFolds,
    *,
    seed: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> tuple[Scores, ...]:
    """Fit the signal on each split's training rows, score the groups that it tests, and put the paths together.

    ``fit`` is given a panel that physically ends with the last bar that the labels of its rows need, ``predict`` one
    that ends with the group that is asked for; the same three rows are asked for alone as in `walk_forward`. But where
    rows after a tested group are learnt from, the bars of the group lie inside of the panel that ``fit`` is given: that
    it learns from ``rows`` alone is for the signal to keep.

    **The scores are no track record.** Their ``origin`` says so: ``not_causal`` is true, unless the signal learns
    nothing, and ``combinatorial`` holds the number of the ``path`` (from 1), of ``paths`` and of ``splits``. A run with
    them says that they know what came later.

    A signal that begins with what it has learnt elsewhere, in the fold before (``continues``) or in a file
    (``warm_start``), is refused: that may have been learnt from what is tested.

    Args:
        panel: the market.
        signal: is not changed: each split fits a copy of it, all in one call where it has its own ``fit_folds``.
        folds: groups, purge and embargo.
        seed: in place of the signal's own.
        cache: folder of cached scores, as in `walk_forward`; every path has an entry.
        progress: called as ``progress("scoring", rows done, rows in all)``, and by a training that tells how far it is.

    Returns:
        Scores of each path, over all sessions from the warmup on. Their ``folds`` are the groups: ``train_first`` and
        ``train_last`` are the outer ends of what was learnt from for a group, which may lie around it. ``fold`` of the
        learning curves is the group, from 1; a split that scores two groups of a path is there twice.

    Raises:
        ConfigError: a setting is wrong, or the signal is one that is refused.
        DataError: the panel is too short.
        SignalError: as in `walk_forward`; the fold that a message names is the split, from 1.
    """
    signal = seeded(signal, seed)
    plan = _plan(panel, signal, folds)
    paths = folds.paths()
    told = {"class": CombinatorialFolds.__name__, **asdict(folds)}
    parts = told_ingredients(panel, signal, None, None, caches=cache is not None, keeps=False)
    keys = [] if parts is None else [parts | {"folds": told, "path": p} for p in range(len(paths))]
    if cache is not None and keys:
        cached = [load_cached(cache, key, panel) for key in keys]
        known = tuple(one for one in cached if one is not None)
        if len(known) == len(paths):
            return known
    walked = [_Path(panel, folds.groups) for _ in paths]
    path_of = {(k, g): own for path, own in zip(paths, walked, strict=True) for g, k in enumerate(path)}
    tell = progress or (lambda what, done, total: None)
    done, total = 0, sum(len(rows) for split in plan for rows in split.tests)
    tell("scoring", 0, total)
    asked: set[str] = set()
    for number, own, fills in fit_each(panel, Walk(signal, _as_folds(plan), None, {}), FitWork(progress)):
        k = number - 1
        asked |= fills
        curves = learnt(own, number) if learns(signal) else []
        for g, rows in zip(plan[k].groups, plan[k].tests, strict=True):
            path_of[k, g].take(own, k, g, Fold(plan[k].train, rows), curves)
            done += len(rows)
            tell("scoring", done, total)
    origin = origin_of(signal, None, batch=None, online=False) | {
        "folds": told,
        "not_causal": learns(signal),
        "label_fills": sorted(asked),
    }
    made = []
    for p, one in enumerate(walked):
        place = {"combinatorial": {"path": p + 1, "paths": len(paths), "splits": len(plan)}}
        made.append(one.scores(origin | place))
        if cache is not None and keys:
            save_cached(cache, keys[p], made[-1])
    return tuple(made)


class _Path:
    """The scores of a path, as its groups are filled in."""

    def __init__(self, panel: Panel, groups: int) -> None:
        self._panel = panel
        self._sheet = Sheet(panel.shape)
        self._spans: list[FoldDates | None] = [None] * groups
        self._learning: list[list[dict[str, Any]]] = [[] for _ in range(groups)]

    def take(self, signal: Signal, k: int, g: int, fold: Fold, curves: list[dict[str, Any]]) -> None:
        """Ask the signal that was fitted on split ``k`` for the rows of group ``g``, both counted from 0."""
        self._sheet.write(fold.test, predicted(signal, self._panel, fold.test))
        check_rows_alone(signal, self._panel, fold, k + 1, self._sheet.all)
        self._spans[g] = FoldDates.of(fold, self._panel.dates)
        self._learning[g] = [row | {"fold": g + 1} for row in curves]

    def scores(self, origin: Mapping[str, Any]) -> Scores:
        """What was said, once every group is there."""
        values, members = self._sheet.frozen()
        spans = tuple(span for span in self._spans if span is not None)
        learning = tuple(row for rows in self._learning for row in rows)
        panel = self._panel
        return Scores(values, panel.dates, panel.symbols, spans, origin, members=members, learning=learning)


def _plan(panel: Panel, signal: Signal, folds: CombinatorialFolds) -> list[CombinatorialFold]:
    """The splits of a panel for a signal; see `combinatorial_walk`."""
    name = type(signal).__name__
    if not isinstance(folds, CombinatorialFolds):
        raise ConfigError(f"folds is {folds!r}; it must be a CombinatorialFolds, such as CombinatorialFolds(6, 2).")
    begins = "continues from the fold before" if signal.continues else ""
    if not begins and _starts_warm(signal.describe()):
        begins = "begins with what a file has learnt (warm_start)"
    if begins:
        raise ConfigError(
            f"{name} {begins}: that may have been learnt from sessions which a combinatorial split tests. Leave it "
            "out, or walk forward (bt.walk_forward)."
        )
    return folds.split(panel.shape[0], signal.horizon, signal.warmup)


def _starts_warm(told: Any) -> bool:
    """Whether the settings of a signal, or of what it is made of, name weights to begin with."""
    if isinstance(told, Mapping):
        return isinstance(told.get("warm_start"), str) or any(_starts_warm(one) for one in told.values())
    return isinstance(told, list | tuple) and any(_starts_warm(one) for one in told)


def _as_folds(plan: list[CombinatorialFold]) -> list[Fold]:
    """Splits in the form in which signals are fitted; test rows have gaps, and are not looked at."""
    return [Fold(split.train, np.concatenate(split.tests)) for split in plan]
