"""What foretells the returns of a synthetic market: its features, the score made from them, and how much it weighs."""

from __future__ import annotations

from typing import Literal

import numpy as np

from backtester.market.actions import Floats
from backtester.market.synthetic_returns import Moves, Shape, fatten, finish

Kind = Literal["linear", "interactions", "order", "noise"]
KINDS: tuple[Kind, ...] = ("linear", "interactions", "order", "noise")
FEATURES = ("f1", "f2", "f3", "f4", "f5", "f6")
PERSISTENCE = 0.8  # correlation of a feature with itself one session before
LAGS = 18  # returns that the score of kind "order" looks at, the last one left out
_SIGNS = np.where(np.arange(LAGS, 0, -1) % 2 == 1, 1.0, -1.0)  # oldest first: lag 18 counts -1, lag 1 counts +1
_TRIED = 30_000  # draws by which the weight of the score is found


def fading(random: np.random.Generator, sessions: int, symbols: int) -> Floats:
    """Standard normals ``(T, N)`` that fade slowly, independent between the symbols."""
    values = random.standard_normal((sessions, symbols))
    values[1:] *= np.sqrt(1 - PERSISTENCE**2)
    for t in range(1, sessions):
        values[t] += PERSISTENCE * values[t - 1]
    return values


def linear(features: dict[str, Floats]) -> Floats:
    """``(2 f1 - 2 f2 + f3) / 3``, a standard normal."""
    return (2 * features["f1"] - 2 * features["f2"] + features["f3"]) / 3


def interactions(features: dict[str, Floats]) -> Floats:
    """``(f1 f2 + f3 sign(f4)) / sqrt(2)``: mean 0, variance 1, and mean 0 still when any one of the four is known."""
    product = features["f1"] * features["f2"]
    product += features["f3"] * np.sign(features["f4"])
    product /= np.sqrt(2)
    return product


def order(returns: Floats) -> Floats:
    """Returns of odd lags less those of even ones, standardised over the symbols.

    Args:
        returns: ``(18, ..., N)`` returns of the lags 18 to 1, the oldest first.

    Returns:
        ``(..., N)``: the sum over the lags `j` of ``(-1)^(j+1) r[t-j]``, divided by the root of the sum of their
        squares, then moved and scaled to mean 0 and variance 1 over the symbols.
    """
    # Sums in a fixed order, on any number of threads.
    score: Floats = np.einsum("l,l...->...", _SIGNS, returns)
    score /= np.sqrt(np.maximum(np.einsum("l...,l...->...", returns, returns), 1e-300))
    score -= score.mean(axis=-1, keepdims=True)
    score /= np.sqrt(np.maximum((score * score).mean(axis=-1, keepdims=True), 1e-300))
    return score


def plant(
    kind: Kind, weight: float, features: dict[str, Floats], random: np.random.Generator, moves: Moves, shape: Shape
) -> Floats:
    """Draw the symbols' own shocks, part of which is the score of the session before, and finish the moves.

    Args:
        kind: of the score.
        weight: of the score in the next session's shocks.
        features: six arrays ``(T, N)``.
        random: the stream.
        moves: to finish.
        shape: of the symbols.

    Returns:
        The score ``(T, N)``, known at the close of its row; NaN in the first 19 rows if it is made of past returns.
    """
    shocks = random.standard_normal(moves.total.shape)
    if kind == "order":
        return _plant_order(weight, shocks, moves, shape)
    if kind == "noise":
        score = fading(random, *shocks.shape)
    else:
        score = linear(features) if kind == "linear" else interactions(features)
    shocks[1:] = mixed(shocks[1:], score[:-1], weight)
    finish(moves, shape, shocks, slice(None))
    return score


def _plant_order(weight: float, shocks: Floats, moves: Moves, shape: Shape) -> Floats:
    """As `plant`, session by session, since what was planted before is part of the returns that the score looks at."""
    score = np.full(shocks.shape, np.nan)
    returns = np.full(shocks.shape, np.nan)  # from close to close
    for t in range(len(shocks)):
        if t > LAGS + 1:
            shocks[t] = mixed(shocks[t], score[t - 1], weight)
        finish(moves, shape, shocks, slice(t, t + 1))
        if t:
            returns[t] = np.expm1(moves.total[t - 1] - moves.day[t - 1] + moves.day[t])
        if t > LAGS:
            score[t] = order(returns[t - LAGS : t])
    return score


def weight_of(random: np.random.Generator, kind: Kind, rank_ic: float, shape: Shape) -> float:
    """The weight of the score in a symbol's own shock by which its rank correlation with returns is `rank_ic`.

    The correlation is diluted by what the market and the sectors move, by volatilities that differ, and by how the
    score is distributed. So it is measured on draws made for that, with as many symbols: once with the score and once
    with its opposite, whose difference has little sampling error. Between normals it would be ``6 / pi * asin(k / 2)``.
    """
    if rank_ic == 0 or kind == "noise":
        return 0.0
    symbols = len(shape.scale)
    sessions = -(-_TRIED // symbols)
    common = shape.common(random.standard_normal(sessions), random.standard_normal((sessions, shape.sectors)))
    own = random.standard_normal((sessions, symbols))
    score = _trial_score(random, kind, sessions, shape)
    tried = 2 * np.sin(np.pi / 6 * rank_ic)
    ranks = _centred_ranks(score)
    with_score, against = (
        (_centred_ranks(common + shape.scale * fatten(mixed(own, score, k), shape.tails)) * ranks).sum()
        for k in (tried, -tried)
    )
    reached = float((with_score - against) / (2 * (ranks * ranks).sum()))
    diluted = 2 * np.sin(np.pi / 6 * reached) / tried  # of the correlation between normals
    return float(np.clip(tried / diluted, -0.95, 0.95))


def _trial_score(random: np.random.Generator, kind: Kind, sessions: int, shape: Shape) -> Floats:
    """Scores ``(sessions, N)`` distributed as those of the kind."""
    size = (sessions, len(shape.scale))
    if kind != "order":
        features = {name: random.standard_normal(size) for name in FEATURES[:4]}
        return linear(features) if kind == "linear" else interactions(features)
    days = LAGS * sessions
    returns = shape.common(random.standard_normal(days), random.standard_normal((days, shape.sectors)))
    returns += shape.scale * fatten(random.standard_normal(returns.shape), shape.tails)
    return order(returns.reshape(LAGS, *size))


def mixed(own: Floats, score: Floats, weight: float) -> Floats:
    """Shocks of variance 1, of which the score makes up a part."""
    shocks: Floats = np.sqrt(1 - weight**2) * own + weight * score
    return shocks


def _centred_ranks(values: Floats) -> Floats:
    """Ranks within each row, less their mean."""
    ranks: Floats = np.empty(values.shape)
    centred = np.arange(values.shape[1]) - (values.shape[1] - 1) / 2
    np.put_along_axis(ranks, values.argsort(axis=1), centred[None, :], axis=1)
    return ranks
