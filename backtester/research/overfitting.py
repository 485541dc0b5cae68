"""The probability of backtest overfitting: how often the best of the past is below the middle afterwards.

Bailey, Borwein, Lopez de Prado and Zhu (2017), "The probability of backtest overfitting", Journal of Computational
Finance 20 (4): combinatorially symmetric cross-validation. The sessions are cut into ``S`` blocks of equal length. For
each choice of ``S / 2`` of them, these are the sample in which the best variant is chosen, and the other half, in its
own order, is what came "afterwards". Both halves are of one length, and each half is the sample once.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtester.engine.types import SESSIONS_PER_YEAR
from backtester.errors import ConfigError, DataError
from backtester.metrics.returns import Floats

# With 20 blocks there are 184,756 splits, and 60 variants take some hundred megabytes.
_MOST_BLOCKS = 20
# Ratios as near as that are one: they were added up in another order.
_TIE = 1e-12
# A variance below this share of the mean square is what rounding leaves: the returns do not vary.
_STILL = 1e-12


class Overfitting(NamedTuple):
    """What the splits say; ``C`` of them.

    Attributes:
        pbo: the share of splits whose logit is 0 or less: the variant chosen in one half is not above the middle of
            all in the other. About 0.5 where no variant is better than another (for an even number of them; with an odd
            number ``M`` the middle rank counts too, and it is ``(M + 1) / (2 M)``), near 0 where one truly is.
        logits: (C,) ``log(w / (1 - w))`` with ``w = rank / (M + 1)`` the relative rank of the chosen variant in the
            other half, 1 the lowest and ``M`` the highest.
        blocks: their number, as given.
        combinations: ``C``.
        slope: of the least-squares line of ``outside`` on ``inside``: below 0, the better the past looked, the worse
            it went on (performance degradation).
        intercept: of that line, an annualised Sharpe ratio.
        r_squared: of that line, not adjusted.
        loss_probability: the share of splits in which the chosen variant's ratio in the other half is below 0.
        chosen: (C,) column of the variant chosen in each split.
        inside: (C,) annualised Sharpe ratio of the chosen variant where it was chosen.
        outside: (C,) the same in the other half.
        sessions: how many went in, a multiple of ``blocks``.
        dropped: known sessions left out from the start, since they do not divide by ``blocks``.
        variants: ``M``.
    """

    pbo: float
    logits: Floats
    blocks: int
    combinations: int
    slope: float
    intercept: float
    r_squared: float
    loss_probability: float
    chosen: NDArray[np.int64]
    inside: Floats
    outside: Floats
    sessions: int
    dropped: int
    variants: int


def probability_of_overfitting(returns: Floats, *, blocks: int = 16) -> Overfitting:
    """The probability of backtest overfitting (PBO) by combinatorially symmetric cross-validation.

    Performance is the Sharpe ratio of the half, annualised by ``sqrt(252)``, as `metrics.returns.sharpe_ratio`. A
    variant that does not vary in a half, such as one that does not trade, has the ratio 0 there. Ties (within 1e-12) go
    to the first column where the best is chosen, and share the mean of their ranks in the other half. All
    ``C(S, S/2)`` splits are taken, none at random: 12,870 with 16 blocks.

    A session that one variant does not know is left out for all. If the sessions left do not divide by ``blocks``, the
    oldest few are dropped, fewer than ``blocks``. Figures are NaN, and the arrays empty, with fewer than two variants
    or with so few sessions that a half has fewer than two.

    Bailey, Borwein, Lopez de Prado and Zhu (2017), "The probability of backtest overfitting", sections 3.1 and 3.2.

    Args:
        returns: (T, M) simple returns a session of each variant, in the order of time; NaN is unknown.
        blocks: ``S``, even, from 2 to 20.

    Raises:
        ConfigError: ``blocks`` is odd or out of range.
        DataError: ``returns`` is not (T, M).
    """
    returns = np.asarray(returns, dtype=np.float64)
    if blocks % 2 or not 2 <= blocks <= _MOST_BLOCKS:
        raise ConfigError(f"blocks is {blocks}; give an even number from 2 to {_MOST_BLOCKS}.")
    if returns.ndim != 2:
        raise DataError(f"returns have shape {returns.shape}; give (T, M), a column for each variant.")
    known = returns[np.isfinite(returns).all(axis=1)]
    variants, length = returns.shape[1], len(known) // blocks
    kept = known[len(known) - length * blocks :]
    if variants < 2 or len(kept) < 4:
        return _unknown(blocks, variants)
    ratios = _half_ratios(kept, blocks)
    # Choices come in the order of the alphabet, so the complement of the first is the last, and so on.
    return _judged(ratios, ratios[::-1], blocks, len(kept), len(known) - len(kept))


def _half_ratios(returns: Floats, blocks: int) -> Floats:
    """``(C, M)`` annualised Sharpe ratio of every variant in every choice of half the blocks."""
    cut = returns.reshape(blocks, -1, returns.shape[1])
    choices = np.array(list(itertools.combinations(range(blocks), blocks // 2)))
    taken = np.zeros((len(choices), blocks))
    np.put_along_axis(taken, choices, 1.0, axis=1)
    count = len(returns) // 2
    mean = taken @ cut.sum(axis=1) / count
    square = taken @ np.square(cut).sum(axis=1) / count
    variance = square - mean * mean
    moves = variance > _STILL * square
    spread = np.sqrt(np.where(moves, variance, 1.0) * (count / (count - 1)))
    return np.where(moves, mean / spread * math.sqrt(SESSIONS_PER_YEAR), 0.0)


def _judged(inside: Floats, outside: Floats, blocks: int, sessions: int, dropped: int) -> Overfitting:
    """What follows from the ratios ``(C, M)`` of all variants in both halves of every split."""
    splits, variants = inside.shape
    best = inside.max(axis=1, keepdims=True)
    chosen = (inside >= best - _TIE * (1.0 + np.abs(best))).argmax(axis=1)
    at = np.arange(splits)
    before, after = inside[at, chosen], outside[at, chosen]
    place = after[:, np.newaxis]
    near = _TIE * (1.0 + np.abs(place))
    lower, higher = (outside < place - near).sum(axis=1), (outside > place + near).sum(axis=1)
    # The mean rank of those it is tied with, itself among them: lower + (tied + 1) / 2.
    ranks = lower + (variants - lower - higher + 1) / 2.0
    # rank / (M + 1) over one less that; exactly 0 in the middle.
    logits = np.log(ranks / (variants + 1 - ranks))
    slope, intercept, r_squared = _line(before, after)
    return Overfitting(
        pbo=float((logits <= 0.0).mean()),
        logits=logits,
        blocks=blocks,
        combinations=splits,
        slope=slope,
        intercept=intercept,
        r_squared=r_squared,
        loss_probability=float((after < 0.0).mean()),
        chosen=chosen.astype(np.int64),
        inside=before,
        outside=after,
        sessions=sessions,
        dropped=dropped,
        variants=variants,
    )


def _line(x: Floats, y: Floats) -> tuple[float, float, float]:
    """Slope, intercept and R squared of the least-squares line of y on x; NaN where one does not vary."""
    a, b = x - x.mean(), y - y.mean()
    across, up = float(a @ a), float(b @ b)
    if across <= x.size * _TIE**2 * (1.0 + float(x @ x)):
        return math.nan, math.nan, math.nan
    slope = float(a @ b) / across
    straight = up > y.size * _TIE**2 * (1.0 + float(y @ y))
    r_squared = min(float(a @ b) ** 2 / (across * up), 1.0) if straight else math.nan
    return slope, float(y.mean()) - slope * float(x.mean()), r_squared


def _unknown(blocks: int, variants: int) -> Overfitting:
    none = np.empty(0)
    return Overfitting(
        pbo=math.nan,
        logits=none,
        blocks=blocks,
        combinations=math.comb(blocks, blocks // 2),
        slope=math.nan,
        intercept=math.nan,
        r_squared=math.nan,
        loss_probability=math.nan,
        chosen=np.empty(0, dtype=np.int64),
        inside=none,
        outside=none,
        sessions=0,
        dropped=0,
        variants=variants,
    )
