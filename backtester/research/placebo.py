"""Scores that know nothing, but move and trade like given ones: what luck alone would have earned.

Scores are turned into normal ones, ``z``, in their session. A placebo symbol's history is a random mix of the histories
of all symbols that are about as persistent,

    g_i[t] = sum_j w_ij * z_j[t],    w_ij independent normal

which makes it a Gaussian series whose covariance between any two sessions ``t`` and ``s`` is proportional to the mean
over these symbols of ``z_j[t] z_j[s]``: what was measured, at every lag and in every pair of sessions, but of nobody in
particular. It is the rotation of Langsrud (2005, Rotation tests, Statistics and Computing 15), with entries drawn
independently. Then every session's own scores are dealt out in the order of ``g``, so that a session's placebo is a
permutation of its scores; Theiler et al. (1992, Testing for nonlinearity in time series: the method of surrogate data)
deal out a series' own values in the same way.

What was considered instead. *A stationary Gaussian series with the mean autocorrelation* (Davies and Harte, 1987): it
knows no steps, no models that are fitted anew and no symbols that differ, and where scores are missing what is measured
is no autocorrelation function, so part of it has to be clipped away. *Symbols exchanged once*: what was hardly ever
scored stands for what always was; it is taken only where many scores are equal, below. *Sessions shifted in time*:
there are few shifts, and a constant tilt stays what it was. *Random phases, the same for all symbols*, keep how symbols
move together, and with it constant tilts, which may be knowledge.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from threading import Lock
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from backtester.cross_section import average_ranks, demeaned
from backtester.errors import ConfigError, DataError

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]

# Symbols are mixed with others about as persistent as they are, in at most so many groups of at least so many.
_GROUPS = 10
_NAMES = 20
# Above this share of equal scores within sessions, scores are classes: an equal one in the next session is not old.
_TIES = 0.05
_CERTAIN = 1.0 - 1e-6
_STEPS = 2001  # points at which a distribution is kept
_PIECE = 10  # placebos after each of which a caller may stop
_LAST = np.finfo(np.float64).max  # behind every normal score
_NEVER = 10**6  # sessions until a score that does not come


def placebo_scores(scores: Any, count: int, seed: int = 0) -> Iterator[Floats]:
    """Draw ``count`` placebos of ``scores``, one after another.

    Each placebo is a permutation of the session's own scores among the symbols that have one: the same values are
    there, and the same are missing. Kept besides, on average over placebos: the correlation of ranks between any two
    sessions, hence the turnover of what ranks; the persistence of each of up to ten groups of symbols; sessions in
    which no score is new; and symbols whose scores are renewed in sessions of their own. Not kept: which symbols are
    high, and that symbols (of a sector) are high together. A signal that bets on groups of symbols has luck in larger
    portions than its placebos.

    The rank information coefficient of a placebo is symmetric around 0, whatever the returns: with ``-w`` in place of
    ``w`` every order of ``g`` is turned around.

    Of 500 symbols and 1,250 sessions, a tenth of the scores missing and half of the symbols absent for a while, the
    turnover of what ranks is met to 2 %, and rank correlations at lags 1, 5 and 21 to 0.025; of 100 symbols and 400
    sessions to 5 % on average and 0.02. Missing scores are bridged, for the mixing, by an autoregression of order 1
    between the known ones on both sides.

    Where more than a twentieth of the scores equal another one of their session (a few classes), there are no normal
    scores to be mixed: the symbols that are about as persistent exchange their whole histories at random. The mean
    information coefficient is then 0 but for what these groups of symbols have in common, and missing scores make
    placebos trade more, by a tenth where a tenth is missing.

    Args:
        scores: (T, N); what is not finite is no opinion.
        count: how many, at least 0.
        seed: of the random numbers, 0 or more. Placebo ``k`` has a stream of its own: the first 100 of 200 are those of
            100. The same bytes on one machine.

    Yields:
        (T, N) float64, an array of its own each.

    Raises:
        DataError: the scores are no (T, N) numbers.
        ConfigError: count or seed is negative.
    """
    if count < 0 or seed < 0:
        raise ConfigError(f"count is {count} and seed {seed}; both must be at least 0.")
    return map(_Draw(scores, seed), range(count))


def placebo_p(value: float, placebos: Any) -> float:
    """How often luck does as well: ``(1 + number of placebos >= value) / (1 + number of placebos)``.

    The p-value of a Monte Carlo test, one-sided, never 0 (Phipson and Smyth, 2010, Permutation p-values should never be
    zero). Placebos that are NaN are left out. NaN if the value is, or if there is no placebo.
    """
    drawn = np.asarray(placebos, dtype=np.float64)
    drawn = drawn[np.isfinite(drawn)]
    if math.isnan(value) or not drawn.size:
        return math.nan
    return (1 + int((drawn >= value).sum())) / (1 + drawn.size)


class Luck:
    """What placebos would have earned, a few at a time: pieces of work for any number of threads, in any order.

    What all placebos share is made by the first piece that runs, and dropped with the last.
    """

    def __init__(
        self, scores: Any, count: int, figure: Callable[[Floats], float], keep: Callable[[Floats], None], seed: int = 0
    ) -> None:
        """Nothing is drawn yet.

        Args:
            scores: (T, N), as in `placebo_scores`.
            count: how many.
            figure: of a placebo, (T, N).
            keep: takes the figures, (count,) in the order of `placebo_scores`, when the last is there.
            seed: of the random numbers.
        """
        self._scores, self._seed = scores, seed
        self._figure, self._keep = figure, keep
        self._found = np.full(count, np.nan)
        self._left = count
        self._draw: _Draw | None = None
        self._lock = Lock()

    def pieces(self) -> list[Callable[[], None]]:
        """The work, in pieces that each take a moment."""
        count = self._found.size
        return [partial(self._piece, range(k, min(k + _PIECE, count))) for k in range(0, count, _PIECE)]

    def _piece(self, numbers: range) -> None:
        with self._lock:  # who comes second waits for what he needs himself
            if self._draw is None:
                self._draw = _Draw(self._scores, self._seed)
            draw = self._draw
        for k in numbers:
            self._found[k] = self._figure(draw(k))
        with self._lock:
            self._left -= len(numbers)
            if not self._left:
                self._draw = None
                self._keep(self._found)


class _Recipe(NamedTuple):
    """What all placebos of some scores share: ``R`` sessions with a score, the only ones that anything is dealt in."""

    histories: tuple[Floats, ...]  # of each group (R, n): normal scores, without gaps
    columns: tuple[Ints, ...]  # of each group (n,): its symbols
    whole: bool  # whether symbols exchange their histories whole
    since: Ints | None  # (R, N) in which of them a symbol's score was new; None: always in that session
    symbols: Ints  # (N,) in the order of the columns of since and absent: group by group, in their own if `whole`
    absent: Mask  # (R, N) without a score
    ordered: Floats  # (R, N) the scores of each session, the lowest first, NaN last
    begin: Ints  # (R, 1) where a session begins among the cells of the whole
    shape: tuple[int, int]  # (T, N)


class _Draw:
    """Draws placebo ``k`` of some scores. May be asked by several threads at once."""

    def __init__(self, scores: Any, seed: int) -> None:
        """See `placebo_scores`."""
        values = np.asarray(scores)
        if values.ndim != 2 or values.dtype.kind not in "fiu":
            raise DataError(f"scores have shape {values.shape} and type {values.dtype}; they must be (T, N) numbers.")
        values = values.astype(np.float64)
        values[~np.isfinite(values)] = np.nan
        known = np.isfinite(values).any()
        self._shape, self._seed = values.shape, seed
        self._recipe = _recipe(values, np.random.default_rng(np.random.SeedSequence(seed))) if known else None

    def __call__(self, k: int) -> Floats:
        if self._recipe is None:
            return np.full(self._shape, np.nan)
        own = np.random.SeedSequence(self._seed, spawn_key=(k,))
        return _placebo(self._recipe, np.random.default_rng(own))


def _placebo(recipe: _Recipe, rng: np.random.Generator) -> Floats:
    """Mix the histories, and deal out the scores of every session in their order."""
    latent = np.empty(recipe.ordered.shape)
    at = 0
    for history, columns in zip(recipe.histories, recipe.columns, strict=True):
        if recipe.whole:
            latent[:, columns] = history[:, rng.permutation(columns.size)]
        else:
            mixing = rng.standard_normal((columns.size, columns.size)) / math.sqrt(columns.size)
            np.matmul(history, mixing, out=latent[:, at : at + columns.size])
        at += columns.size
    if recipe.since is not None:
        latent = np.take_along_axis(latent, recipe.since, axis=0)
    np.copyto(latent, _LAST, where=recipe.absent)  # where the ordered scores are NaN
    dealt = np.full(recipe.shape, np.nan)
    cells = _by_size(latent, recipe.symbols, exact=recipe.whole)
    cells += recipe.begin
    dealt.reshape(-1)[cells] = recipe.ordered
    return dealt


def _by_size(latent: Floats, symbols: Ints, exact: bool) -> Ints:
    """The symbols of each row, the lowest number first: (R, N), an array of its own. Works on ``latent``.

    Unless ``exact``, numbers are compared without their last few bits, which are given to the symbol: numbers that
    carry their symbol are sorted in half the time that it takes to find their order. The normal scores that are mixed
    agree in the forty bits that are left once in billions of rows, and then either order is as good.
    """
    if exact:  # whole histories, of which many are equal
        return symbols[np.argsort(latent, axis=1)]
    last = (1 << (symbols.size - 1).bit_length()) - 1
    bits = latent.view(np.int64)
    bits &= ~last
    bits |= symbols
    latent.sort(axis=1)
    bits &= last
    return bits


def _recipe(scores: Floats, rng: np.random.Generator) -> _Recipe:
    known = np.isfinite(scores)
    rows = np.flatnonzero(known.any(axis=1))
    inside = slice(rows[0], rows[-1] + 1)  # what lies before the first score, or after the last, says nothing
    ordered = np.sort(scores[rows], axis=1)
    tied = _equal_scores(ordered) > _TIES * known.sum()
    normal = np.full(scores.shape, np.nan)
    normal[inside] = _ranked(scores[inside]) if tied else _levelled(scores[inside])
    own, pooled = _persistence(np.where(known, normal, 0.0)[inside], known[inside])
    columns = _grouped(own)
    fading = np.empty(len(own))
    for group in columns:
        fading[group] = pooled(group)
    filled = _bridged(normal, known, fading, rng)
    symbols = np.arange(len(own)) if tied else np.concatenate(columns)
    since = None if tied else _since(scores[rows], known[rows])
    return _Recipe(
        histories=tuple(filled[np.ix_(rows, group)] for group in columns),
        columns=columns,
        whole=tied,
        since=None if since is None else since[:, symbols],
        symbols=symbols,
        absent=~known[np.ix_(rows, symbols)],
        ordered=ordered,
        begin=rows[:, None] * scores.shape[1],
        shape=(scores.shape[0], scores.shape[1]),
    )


def _persistence(normal: Floats, known: Mask) -> tuple[Floats, Any]:
    """The correlation of each symbol's normal scores from a session to the next, (N,), and the same of many together.

    A symbol that is never known twice in a row has the middle one of the others.
    """
    both = known[:-1] & known[1:]
    before, after = np.where(both, normal[:-1], 0.0), np.where(both, normal[1:], 0.0)
    product, one, other = ((a * b).sum(axis=0) for a, b in ((before, after), (before, before), (after, after)))

    def pooled(group: Ints) -> float:
        size = math.sqrt(float(one[group].sum()) * float(other[group].sum()))
        return float(np.clip(product[group].sum() / size, -_CERTAIN, _CERTAIN)) if size > 0.0 else 0.0

    count = np.maximum(both.sum(axis=0), 1)
    first, second = before.sum(axis=0) / count, after.sum(axis=0) / count
    size = np.sqrt(np.maximum(one - count * first**2, 0.0) * np.maximum(other - count * second**2, 0.0))
    own = np.divide(product - count * first * second, size, out=np.full(product.shape, np.nan), where=size > 1e-9)
    own[np.isnan(own)] = np.nanmedian(own) if np.isfinite(own).any() else 0.0
    return own, pooled


def _grouped(persistence: Floats) -> tuple[Ints, ...]:
    """The columns of each group of symbols that are about as persistent."""
    count = min(max(persistence.size // _NAMES, 1), _GROUPS)
    order = np.argsort(persistence, kind="stable")
    return tuple(np.sort(part) for part in np.array_split(order, count))


def _ranked(values: Floats) -> Floats:
    """Normal scores of the ranks of each row (van der Waerden, 1952)."""
    normal: Floats = ndtri(average_ranks(values) / (np.isfinite(values).sum(axis=1, keepdims=True) + 1.0))
    return normal


def _levelled(values: Floats) -> Floats:
    """Normal scores from the distribution of all rows together, each brought to the same median and quartiles.

    Ranks among few symbols are noisy: they move with who else is there, and what is mixed from them and ranked again
    would have lost some persistence. Where rows are of different shapes, so that these scores are less persistent than
    the ranks are, it is the ranks that count.
    """
    normal = _ranked(values)
    some = np.isfinite(values).sum(axis=1) > 0
    low, middle, high = np.nanquantile(values[some], (0.25, 0.5, 0.75), axis=1)
    level = np.full(values.shape, np.nan)
    level[some] = (values[some] - middle[:, None]) / np.where(high > low, high - low, 1.0)[:, None]
    drawn = np.sort(level[np.isfinite(level)])
    share = (np.arange(_STEPS) + 0.5) / _STEPS
    smooth = demeaned(np.interp(level, np.quantile(drawn, share), ndtri(share)))
    return smooth if _follows(smooth) > _follows(normal) else normal


def _follows(normal: Floats) -> float:
    """The correlation of all scores with those of the next row."""
    before, after = normal[:-1], normal[1:]
    both = np.isfinite(before) & np.isfinite(after)
    a, b = before[both], after[both]
    return float((a @ b) / max(math.sqrt(float(a @ a) * float(b @ b)), 1e-300))


def _equal_scores(ordered: Floats) -> int:
    """How many scores equal another one of their row, less one for each such value; rows are sorted."""
    return int((ordered[:, 1:] == ordered[:, :-1]).sum())


def _bridged(normal: Floats, known: Mask, fading: Floats, rng: np.random.Generator) -> Floats:
    """The normal scores with gaps filled: draws of an AR(1) with coefficients ``fading`` (N,), given both sides.

    With ``r`` the coefficient, ``a`` the value of the session before and ``b`` the next known one, ``d`` ahead of it, a
    missing value is normal with mean ``(r (1 - r^2d) a + r^d (1 - r^2) b) / (1 - r^(2d+2))`` and variance
    ``(1 - r^2) (1 - r^2d) / (1 - r^(2d+2))``: the law of a Gaussian AR(1) of variance 1 between two of its values.
    """
    ahead, following = _next_known(normal, known)
    filled = np.where(known, normal, 0.0)
    square = fading * fading
    for k in np.flatnonzero(~known.all(axis=1)):
        gone = np.flatnonzero(~known[k])
        r, r2 = fading[gone], square[gone]
        far = r ** ahead[k, gone]
        if k == 0:  # nothing before it
            mean, variance = far * following[k, gone], 1.0 - far * far
        else:
            whole = 1.0 - r2 * far * far
            mean = (r * (1.0 - far * far) * filled[k - 1, gone] + far * (1.0 - r2) * following[k, gone]) / whole
            variance = (1.0 - r2) * (1.0 - far * far) / whole
        filled[k, gone] = mean + np.sqrt(variance) * rng.standard_normal(gone.size)
    return filled


def _next_known(normal: Floats, known: Mask) -> tuple[Ints, Floats]:
    """How many sessions ahead the next known value lies, (T, N), and what it is; very many, and 0, if there is none."""
    sessions, symbols = normal.shape
    ahead = np.empty((sessions, symbols), dtype=np.int64)
    following = np.empty((sessions, symbols))
    distance, value = np.full(symbols, _NEVER), np.zeros(symbols)
    for k in range(sessions - 1, -1, -1):
        ahead[k], following[k] = distance, value
        distance = np.where(known[k], 1, distance + 1)
        value = np.where(known[k], normal[k], value)
    return ahead, following


def _since(scores: Floats, known: Mask) -> Ints | None:
    """The session in which each symbol's score was new, (T, N); None if each is new in its own session.

    A score is old if it equals the last known one of its symbol.
    """
    since = np.empty(scores.shape, dtype=np.int64)
    last, start = np.full(scores.shape[1], np.nan), np.zeros(scores.shape[1], dtype=np.int64)
    held = False
    for k in range(len(scores)):
        new = known[k] & (scores[k] != last)
        held = held or bool((known[k] & ~new).any())
        start = np.where(new, k, start)
        last = np.where(new, scores[k], last)
        since[k] = start
    return since if held else None
