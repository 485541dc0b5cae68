"""Folds: which sessions a signal learns from, and which it then scores."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import numpy as np

from backtester.errors import ConfigError, DataError, did_you_mean
from backtester.labels import Rows, check_whole


class Fold(NamedTuple):
    """One training window and the sessions scored with what was learnt from it. Read-only."""

    train: Rows  # rows of the panel, consecutive; empty for a signal that learns nothing
    test: Rows  # rows of the panel, consecutive, all after `train`


@dataclass(frozen=True)
class Folds:
    """A walk through time: learn from ``train`` sessions, score the ``test`` sessions after them, move on.

    For a test window that begins at session ``s`` the last training row is ``s - 1 - purge - embargo``::

        rolling      |---- train ----|gap|- test -|
                              |---- train ----|gap|- test -|
                                       |---- train ----|gap|- te|
        expanding    |---- train ----|gap|- test -|
                     |---- train ------------|gap|- test -|
                     |---- train --------------------|gap|- te|
                                                                ^ last session

        gap = purge + embargo        ...  last training row: r = s - 1 - purge - embargo
        the label of r, horizon h:   decided at r, bought at the open of r+1, sold at the open of r+1+h
        with purge = h:              r+1+h = s, known at the close of s, when the first score is due

    Test windows follow each other without a gap, so a session is scored once. Windows are counted in sessions of the
    panel, and no training row comes before the signal's warmup is over.

    Attributes:
        train: sessions to learn from; with ``expanding`` those of the first fold.
        test: sessions scored with it.
        expanding: whether training always begins at the first possible row.
        purge: sessions left out between training and test because labels reach over them. None: the signal's horizon,
            the least that is allowed.
        embargo: further sessions left out, for what prices remember beyond the label.
        n_splits: number of folds: the last ones that end with the last session, all of full length. They move when new
            sessions come, so a run that is to be gone on with leaves it out. None: all there is room for, from the
            first possible one; the last may be shorter.
    """

    train: int
    test: int
    _: KW_ONLY
    expanding: bool = False
    purge: int | None = None
    embargo: int = 0
    n_splits: int | None = None

    def __post_init__(self) -> None:
        """Raise ConfigError for a setting that makes no sense."""
        check_whole("Folds.train", self.train)
        check_whole("Folds.test", self.test)
        check_whole("Folds.embargo", self.embargo, least=0)
        if self.purge is not None:
            check_whole("Folds.purge", self.purge, least=0)
        if self.n_splits is not None:
            check_whole("Folds.n_splits", self.n_splits)
        if not isinstance(self.expanding, bool):
            raise ConfigError(f"Folds.expanding is {self.expanding!r}; it must be true or false.")

    @classmethod
    def named(cls, name: str) -> Folds:
        """Folds that have been published under a name.

        ``ml4t``: training on 21 * 12 * 4 = 1,008 sessions, twelve tests of 21 * 3 = 63 that end with the last session,
        of S. Jansen, Machine Learning for Algorithmic Trading (2nd ed. 2020), with its ``lookahead`` ``h`` as the
        signal's horizon. The test windows are the published ones; there they come newest first, here in the order of
        time. For a test window that begins at session ``s`` training ends there with ``s - h``, whose label, a return
        from close to close, is known at the close of ``s``; here labels run from open to open, a session later, so it
        ends with ``s - h - 1``. It is 1,008 sessions long here and ``h - 1`` longer there. That takes ``1,764 + h``
        sessions here (and the signal's warmup less 1), there ``1,763 + 2 h``: both 1,765 for a horizon of 1.

        Raises:
            ConfigError: there are no folds of that name.
        """
        if name not in _NAMED:
            known = ", ".join(_NAMED)
            raise ConfigError(f"there are no folds {name!r}; known are {known}.{did_you_mean(str(name), _NAMED)}")
        return cls(**_NAMED[name])

    def gap(self, horizon: int) -> int:
        """Sessions between the last training row and the first test row.

        Raises:
            ConfigError: the purge is below the horizon of the labels.
        """
        purge = horizon if self.purge is None else self.purge
        if purge < horizon:
            raise ConfigError(
                f"Folds.purge is {purge}, below the signal's horizon of {horizon} sessions: the labels of the last "
                f"{horizon - purge} training sessions would not be known when the first test session is scored. "
                f"Use a purge of at least {horizon}, or leave it out."
            )
        return purge + self.embargo

    def split(self, sessions: int, horizon: int = 1, warmup: int = 1) -> list[Fold]:
        """The folds of a panel, in the order of time.

        Args:
            sessions: of the panel.
            horizon: of the signal's labels, in sessions.
            warmup: rows of history that a row of features needs, its own among them.

        Raises:
            ConfigError: the purge is below the horizon.
            DataError: the panel is too short.
        """
        gap = self.gap(horizon)
        before = warmup - 1
        earliest = before + self.train + gap  # first row that can be a test row
        if self.n_splits is None:
            needed, first = earliest + 1, earliest
        else:
            needed, first = earliest + self.n_splits * self.test, sessions - self.n_splits * self.test
        if sessions < needed:
            tests = "1 to test" if self.n_splits is None else f"{self.n_splits} x {self.test} to test"
            raise DataError(
                f"the folds need {needed} sessions, the panel has {sessions}: {before} before the first that can be "
                f"learnt from (warmup {warmup}), {self.train} to train, {gap} left out (purge and embargo), {tests}. "
                "Use more data, or shorter folds."
            )
        folds = []
        for start in range(first, sessions, self.test):
            stop = start - gap
            begin = before if self.expanding else stop - self.train
            folds.append(Fold(_rows(begin, stop), _rows(start, min(start + self.test, sessions))))
        return folds


_NAMED: dict[str, dict[str, Any]] = {"ml4t": {"train": 21 * 12 * 4, "test": 21 * 3, "n_splits": 12}}


def _rows(first: int, stop: int) -> Rows:
    rows = np.arange(first, stop, dtype=np.int64)
    rows.flags.writeable = False
    return rows
