"""Variants side by side on one market: trained together, run in parallel, over the same sessions.

Every entry first decides after the close of the same session, the first after which all of them can, and is judged by
the sessions after it. So no difference between two of them comes from one having begun on a better day.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from backtester.errors import BacktesterError, ConfigError, DataError
from backtester.folds import Folds
from backtester.inputs import align_scores
from backtester.market.panel import Panel
from backtester.metrics.returns import sharpe_ratio
from backtester.research import book, robust
from backtester.research.placebo import Luck
from backtester.result import Result
from backtester.run import run
from backtester.score_cache import describe_folds
from backtester.scores import Scores
from backtester.signal import Signal
from backtester.strategy import Strategy
from backtester.walk_together import walk_forward_together

Floats = NDArray[np.float64]
Progress = Callable[[str, int, int], None]
Made = TypeVar("Made")
VARIANT, BASELINE = "variant", "baseline"
PLACEBOS = 100
FEWEST = 21  # sessions that entries are compared over


class Variant(NamedTuple):
    """One way to trade the market.

    Attributes:
        name: tells it from the others.
        make: a fresh strategy for every run.
        signal: makes its scores by walk-forward; None: there is none.
        scores: given in its place: `bt.Scores`, (T, N), or a DataFrame; None: none.
        folds: of the signal.
        terms: keywords of `bt.run`: ``cash``, ``costs``, ``risk``, ``execution``, ``benchmark``.
        options: what it differs in, by name, as plain data.
        role: ``"variant"``, or ``"baseline"`` for what any has to beat.
        fill: the price that labels run from and to, for the quality of the scores.
    """

    name: str
    make: Callable[[], Strategy]
    signal: Signal | None = None
    scores: Any = None
    folds: Folds | None = None
    terms: Mapping[str, Any] = {}  # never written to
    options: Mapping[str, Any] = {}
    role: str = VARIANT
    fill: str = "open"

    @property
    def horizon(self) -> int:
        """Sessions of the labels that its scores are held against."""
        return 1 if self.signal is None else self.signal.horizon


@dataclass
class Entry:
    """What came of a variant."""

    variant: Variant
    error: str = ""  # why there is nothing
    scores: Scores | None = None  # as they were made, before the common start too
    shown: Floats | None = None  # (T, N) what the strategy saw: NaN before the common start
    result: Result | None = None
    net: Floats = field(default_factory=lambda: np.empty(0))  # (W,) returns over the window
    gross: Floats = field(default_factory=lambda: np.empty(0))
    seeds: dict[str, float] = field(default_factory=dict)  # the net Sharpe ratio of each member of the scores, alone
    placebos: Floats = field(default_factory=lambda: np.empty(0))  # Sharpe ratios of scores that know nothing
    robust: dict[str, Any] | None = None  # the run made again under what nobody can know: see `_run_again`


class Runs(NamedTuple):
    """The entries of a bench, and the window in which they are compared."""

    panel: Panel
    entries: list[Entry]  # in the order of the variants
    start: int  # the row after whose close all first decide
    latest: list[str]  # the entries whose scores begin there, if others' begin before

    @property
    def window(self) -> slice:
        """The rows that count: those after the first decision."""
        return slice(self.start + 1, None)

    @property
    def like(self) -> Variant | None:
        """Whose horizon and fill daily ICs are taken with: the first with scores, a variant if one has any; or None."""
        scored = [entry.variant for entry in self.good if entry.shown is not None]
        return next((one for one in scored if one.role == VARIANT), scored[0] if scored else None)

    @property
    def good(self) -> list[Entry]:
        """The entries that ran."""
        return [entry for entry in self.entries if entry.result is not None]


def run_variants(
    panel: Panel,
    variants: Sequence[Variant],
    *,
    placebos: int = PLACEBOS,
    by_epoch: bool = True,
    seed: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    checkpoints: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
) -> Runs:
    """Train and run all variants, and the random scores that each is held against.

    Signals that can be trained together are (`walk_forward_together`); the runs go on over the cores of the machine,
    and are the same bytes as each alone (law 17). A variant that fails is told by its ``error``, and the rest go on.

    Args:
        panel: the market of all.
        variants: with names that differ.
        placebos: how many random scores each variant with scores is held against (`placebo_scores`); baselines are not.
        by_epoch: whether the out-of-sample rank IC is found after every epoch of the trainings too, of signals that can
            tell it (`Scores.by_epoch`).
        seed: of the signals, in place of their own.
        cache: folder of cached scores: what is there is not trained again, so a bench that was killed goes on.
        checkpoints: folder of trainings under way.
        progress: called as ``progress(what, done, total)``.
        workers: threads; None: as many as there are cores.

    Raises:
        DataError: no variant gave anything, or too few sessions are left to compare over.
        ConfigError: two variants have one name.
    """
    tell = progress or (lambda what, done, total: None)
    names = [variant.name for variant in variants]
    if len(set(names)) < len(names):
        raise ConfigError(f"two variants have one name, among {', '.join(names)}; give each its own.")
    entries = [Entry(variant) for variant in variants]
    _score(panel, entries, by_epoch, seed, cache, checkpoints, tell)
    start, latest = _begin(panel, entries)
    with threads(workers) as pool:
        told = in_parallel(pool, [partial(_run, panel, entry, start) for entry in entries], partial(tell, "running"))
        for entry, error in zip(entries, told, strict=True):
            entry.error = entry.error or error
        if all(entry.result is None for entry in entries if entry.variant.role == VARIANT):
            why = [f"{entry.variant.name}: {entry.error}" for entry in entries if entry.variant.role == VARIANT]
            raise DataError(f"no variant could be run: {'; '.join(why)}")
        in_parallel(pool, list(_others(panel, entries, start, placebos)), partial(tell, "running again"))
    return Runs(panel, entries, start, latest)


@contextmanager
def threads(workers: int | None) -> Iterator[ThreadPoolExecutor]:
    """A pool of threads, as many as there are cores if None is told.

    Linear algebra keeps to one thread meanwhile: those of its own would only wait for each other where all cores are
    busy, and its last digits would depend on how many there are.
    """
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        yield pool


def _score(
    panel: Panel, entries: list[Entry], by_epoch: bool, seed: int | None, cache: Any, checkpoints: Any, tell: Progress
) -> None:
    """Give every entry its scores: by folds, as those of the same ones are trained together."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.variant.signal is not None:
            groups.setdefault(repr(describe_folds(entry.variant.folds)), []).append(entry)
    for group in groups.values():
        signals = {entry.variant.name: entry.variant.signal for entry in group if entry.variant.signal is not None}
        found = walk_forward_together(
            *(panel, signals, group[0].variant.folds),
            cache=cache, seed=seed, progress=tell, checkpoints=checkpoints, by_epoch=by_epoch,
        )  # fmt: skip
        for entry in group:
            made = found[entry.variant.name]
            if isinstance(made, Scores):
                entry.scores = made
            else:
                entry.error = str(made)
    for entry in entries:
        try:
            if entry.variant.signal is None and entry.variant.scores is not None:
                entry.scores = _as_scores(panel, entry.variant.scores)
            if entry.scores is not None and not entry.scores.known:
                raise DataError("its scores are all unknown")
        except BacktesterError as error:
            entry.error = str(error)


def _as_scores(panel: Panel, given: Any) -> Scores:
    """Scores of the panel's sessions and symbols."""
    if isinstance(given, Scores):
        return given
    values = align_scores(given, panel)
    assert values is not None
    return Scores(values, panel.dates, panel.symbols)


def _begin(panel: Panel, entries: list[Entry]) -> tuple[int, list[str]]:
    """The first row in which every entry can decide, and, unless all can there first, which of them come last.

    A baseline that would leave less than half of the sessions that the variants have is told as failed instead.

    Raises:
        DataError: fewer than `FEWEST` sessions are left.
    """
    first = {entry.variant.name: _first(panel, entry) for entry in entries if not entry.error}
    variants = [first[e.variant.name] for e in entries if e.variant.role == VARIANT and not e.error]
    sessions = len(panel.dates)
    if not variants:
        return 0, []
    limit = (max(variants) + sessions) // 2
    for entry in entries:
        row = first.get(entry.variant.name, 0)
        if entry.variant.role == BASELINE and not entry.error and row > max(limit - 1, max(variants)):
            entry.error = (
                f"it can first decide after {panel.dates[min(row, sessions - 1)]}, the variants after "
                f"{panel.dates[max(variants)]}: to wait for it would leave out more than half of their sessions."
            )
            del first[entry.variant.name]
    start = max(first.values())
    if sessions - start - 1 < FEWEST:
        late = [name for name, row in first.items() if row == start]
        raise DataError(
            f"{max(sessions - start - 1, 0)} sessions are left to compare over, and {FEWEST} are needed: {late[0]} can "
            f"first decide after {panel.dates[min(start, sessions - 1)]}. Use more data, or shorter folds."
        )
    for entry in entries:
        if entry.shown is not None:
            entry.shown = hidden_before(entry.shown, start)
    latest = [name for name, row in first.items() if row == start]
    return start, latest if len(latest) < len(first) else []


def _first(panel: Panel, entry: Entry) -> int:
    """The first row after whose close an entry can decide: its strategy has its bars, and there are scores."""
    ready = entry.variant.make().warmup - 1
    if entry.scores is None:
        return ready
    values = align_scores(entry.scores, panel)
    assert values is not None
    entry.shown = values
    return max(ready, int(np.isfinite(values).any(axis=1).argmax()))


def hidden_before(values: Floats, row: int) -> Floats:
    """Scores without those before a row; read-only."""
    shown = values.copy()
    shown[:row] = np.nan
    shown.flags.writeable = False
    return shown


def simulated(panel: Panel, variant: Variant, scores: Any, start: int) -> Result:
    """A run of a variant with some scores, whose first decision is after the close of row ``start`` at the earliest."""
    return run(panel, started(variant, start), scores=scores, name=variant.name, **variant.terms)


def started(variant: Variant, start: int) -> Strategy:
    """A fresh strategy that first decides after the close of row ``start``."""
    strategy = variant.make()
    strategy.warmup = max(strategy.warmup, start + 1)
    return strategy


def _run(panel: Panel, entry: Entry, start: int) -> str:
    """Run an entry; why it failed, or nothing."""
    if entry.error:
        return entry.error
    scores: Any = None
    if entry.scores is not None:
        assert entry.shown is not None
        scores = Scores(entry.shown, panel.dates, panel.symbols, entry.scores.folds, entry.scores.origin)
    try:
        result = simulated(panel, entry.variant, scores, start)
    except BacktesterError as error:
        return str(error)
    entry.result = result
    entry.net, entry.gross = book.net_returns(result)[start + 1 :], book.gross_returns(result)[start + 1 :]
    return ""


def _others(panel: Panel, entries: list[Entry], start: int, placebos: int) -> Iterator[Callable[[], None]]:
    """What else is to be run of the variants: again under other conditions, their seeds alone, and their placebos."""
    for entry in entries:
        if entry.result is None or entry.variant.role != VARIANT:
            continue
        luck = [] if entry.scores is None else _luck(panel, entry, placebos, start).pieces()
        yield from luck[:1]  # which makes what the placebos share: the others come when it is there
        yield partial(_run_again, panel, entry, start)
        members = {} if entry.scores is None else entry.scores.members
        entry.seeds = dict.fromkeys(members, math.nan)  # in their order, whichever is done first
        for name, own in members.items():
            yield partial(_run_member, panel, entry, name, own, start)
        yield from luck[1:]


def _run_again(panel: Panel, entry: Entry, start: int) -> None:
    """Make the run again under what nobody can know.

    Rows of figures: ``as_run``, ``delays``, ``rounding``, ``sectors`` and ``years``; and ``capital``
    (`robust.Capacity`), with ``beyond``: which of ``halves`` and ``zero`` lies beyond the largest capital.
    """
    assert entry.result is not None
    variant = entry.variant
    known = {key: variant.terms[key] for key in ("cash", "costs", "risk", "execution") if key in variant.terms}
    again = robust.Again(panel, partial(started, variant, start), entry.shown, **known)
    capital = robust.capitals(again)
    entry.robust = {
        "as_run": robust.row_of(entry.result),
        "delays": robust.delayed(again),
        "rounding": robust.rounding(again),
        "capital": {
            **capital._asdict(),
            "beyond": [key for key in ("halves", "zero") if getattr(capital, key) == math.inf],
        },
        "sectors": robust.without_sectors(again),
        "years": robust.without_years(entry.result),
    }


def _run_member(panel: Panel, entry: Entry, name: str, own: Floats, start: int) -> None:
    assert entry.scores is not None
    values = align_scores(Scores(own, entry.scores.dates, entry.scores.symbols), panel)
    assert values is not None
    entry.seeds[name] = _sharpe(panel, entry.variant, hidden_before(values, start), start)


def _luck(panel: Panel, entry: Entry, count: int, start: int) -> Luck:
    """The placebos of an entry; none are kept if all runs are its own: then the strategy does not look at scores.

    Each has its ratio before costs, less what costs take from the entry's own. With its own costs a book of placebos
    would look worse than it is: it turns over as much and is less volatile, since names that score alike move alike.
    """
    gross = sharpe_ratio(entry.gross)

    def keep(found: Floats) -> None:
        if not (found == gross).all():
            entry.placebos = found - (gross - sharpe_ratio(entry.net))

    return Luck(
        entry.shown, count, lambda scores: _sharpe(panel, entry.variant, scores, start, book.gross_returns), keep
    )


def _sharpe(
    panel: Panel,
    variant: Variant,
    scores: Floats,
    start: int,
    returns: Callable[[Result], Floats] = book.net_returns,
) -> float:
    """The net Sharpe ratio over the window, or that of other returns; NaN where the run fails.

    The benchmark has no part in it.
    """
    alone = variant._replace(terms={key: value for key, value in variant.terms.items() if key != "benchmark"})
    try:
        return sharpe_ratio(returns(simulated(panel, alone, scores, start))[start + 1 :])
    except BacktesterError:
        return float("nan")


def in_parallel(
    pool: ThreadPoolExecutor, work: Sequence[Callable[[], Made]], tell: Callable[[int, int], None]
) -> list[Made]:
    """What every piece of work returns, in their order."""
    tell(0, len(work))
    futures: list[Future[Made]] = [pool.submit(one) for one in work]
    try:
        for done, _ in enumerate(as_completed(futures), 1):
            tell(done, len(work))
        return [future.result() for future in futures]
    finally:  # an interrupt must not wait for what has not begun
        for future in futures:
            future.cancel()
