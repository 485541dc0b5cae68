"""Ten markets in which nothing foretells anything, and the bars that hold what a signal finds there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import t as students

import backtester as bt
import strategies
from backtester.metrics.ic import rank_ic
from backtester.metrics.returns import sharpe_ratio

SYMBOLS, SESSIONS, TRAIN, TEST = 50, 384, 120, 100


def markets():
    """Panels of seeds 0 to 9, numbered before anyone looked."""
    return [bt.synthetic(SYMBOLS, SESSIONS, seed, kind="noise").panel for seed in range(10)]


class Found(NamedTuple):
    """What a signal's scores were worth on one market."""

    ic: float  # mean rank IC over all scored sessions
    sessions: int  # how many these are
    sharpe: float  # yearly, of the ranked book without costs, from the first session that holds anything


def worth(panel, signal):
    """What a signal finds, walking forward."""
    scores = bt.walk_forward(panel, signal, bt.Folds(TRAIN, TEST))
    ics = rank_ic(scores.values, bt.labels(panel, horizon=1))
    ics = ics[np.isfinite(ics)]
    result = bt.run(panel, strategies.RankedLongShort(10, 10), scores=scores, costs=None, risk=None)
    filled = int(np.isfinite(scores.values).any(axis=1).argmax()) + 1  # the session after the first score
    return Found(ics.mean(), len(ics), sharpe_ratio(result.returns.to_numpy()[filled:]))


def assert_nothing_found(every):
    """The bar: four standard errors of one market's mean, 4 / sqrt((N - 1) * sessions), for the mean of ten.

    And that of all their sessions together, `pooled_bar`, for their mean.
    """
    means, sessions, _ = zip(*every, strict=True)
    assert min(sessions) >= 195
    assert abs(np.mean(means)) < 4 / np.sqrt((SYMBOLS - 1) * np.mean(sessions))
    assert abs(np.average(means, weights=sessions)) < pooled_bar(sessions)


def pooled_bar(sessions):
    """Four standard errors of the mean over all sessions of all markets, which are independent."""
    return 4 / np.sqrt((SYMBOLS - 1) * sum(sessions))


def interval(values, tried):
    """Student's interval of a mean, such that ``tried`` of them hold the truth at once with at least 95 %.

    Each of them does with ``1 - 0.05 / tried`` (Bonferroni): of so many intervals of 95 % one would miss by luck, and a
    seed is not to be chosen for that.
    """
    reach = students.ppf(1 - 0.025 / tried, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return np.mean(values) - reach, np.mean(values) + reach
