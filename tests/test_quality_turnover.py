"""How fast scores change, by hand; beside alphalens in test_quality_peers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from backtester.research.quality.quantiles import NONE, quantile_groups
from backtester.research.quality.turnover import quantile_turnover, rank_autocorrelation

NAN = math.nan


def test_autocorrelation_by_hand() -> None:
    scores = np.array([[1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 40.0, 30.0], [4.0, 3.0, 2.0, 1.0]])
    # by ranks 1 2 3 4, 1 2 4 3, 4 3 2 1: 1 - 6 * 2 / 60 = 0.8, 1 - 6 * (9 + 1 + 4 + 4) / 60 = -0.8; over two -1
    found = rank_autocorrelation(scores, (1, 2, 3, 9))
    assert found[1] == pytest.approx(0.0, abs=1e-15)
    assert rank_autocorrelation(scores[:2], (1,))[1] == pytest.approx(0.8)
    assert found[2] == pytest.approx(-1.0)
    assert math.isnan(found[3])
    assert math.isnan(found[9])


@pytest.mark.parametrize("seed", range(3))
def test_autocorrelation_is_of_ranks_in_their_own_session(seed: int) -> None:
    """Ranked among all names of the day, then correlated over those in both, as alphalens does."""
    rng = np.random.default_rng(seed)
    scores = np.cumsum(rng.standard_normal((50, 15)), axis=0)
    scores[rng.random(scores.shape) < 0.2] = NAN
    ranks = np.array([stats.rankdata(row, nan_policy="omit") for row in scores])
    for lag, found in rank_autocorrelation(scores, (1, 5)).items():
        each = []
        for t in range(lag, 50):
            both = np.isfinite(ranks[t]) & np.isfinite(ranks[t - lag])
            each.append(stats.pearsonr(ranks[t][both], ranks[t - lag][both]).statistic)
        assert found == pytest.approx(np.mean(each), abs=1e-13)


def test_a_session_without_scores_is_a_gap() -> None:
    scores = np.array([[1.0, 2.0, 3.0], [NAN] * 3, [3.0, 2.0, 1.0]])
    found = rank_autocorrelation(scores, (1, 2))
    assert math.isnan(found[1])
    assert found[2] == pytest.approx(-1.0)
    groups = quantile_groups(scores, 3)
    assert math.isnan(quantile_turnover(groups, 0, 1))
    assert quantile_turnover(groups, 0, 2) == 1.0


def test_turnover_by_hand() -> None:
    groups = np.array(
        [
            [0, 0, 1, 1, 2, 2],
            [0, 1, 0, 1, 2, 2],  # of the lowest one of two is new; of the highest none
            [NONE, 0, 0, 1, 1, 2],  # one of two; none of one
            [0, 0, 1, 1, 2, 2],  # the first had no group, so it is new, the second stays: one of two; one of two
        ]
    )
    assert quantile_turnover(groups, 0) == pytest.approx((0.5 + 0.5 + 0.5) / 3)
    assert quantile_turnover(groups, 2) == pytest.approx((0.0 + 0.0 + 0.5) / 3)
    assert quantile_turnover(groups, 0, 3) == 0.0
    assert quantile_turnover(groups, 2, 2) == pytest.approx((0.0 + 0.0) / 2)
    for lag in (4, 5, 100):
        assert math.isnan(quantile_turnover(groups, 0, lag))


def test_scores_that_stay_and_scores_that_turn() -> None:
    same = np.tile(np.arange(20.0), (30, 1))
    turning = same * np.where(np.arange(30) % 2, -1.0, 1.0)[:, None]
    assert rank_autocorrelation(same, (1, 5)) == pytest.approx({1: 1.0, 5: 1.0})
    assert rank_autocorrelation(turning, (1, 2)) == pytest.approx({1: -1.0, 2: 1.0})
    for group in (0, 4):
        assert quantile_turnover(quantile_groups(same, 5), group) == 0.0
        assert quantile_turnover(quantile_groups(turning, 5), group) == 1.0
        assert quantile_turnover(quantile_groups(turning, 5), group, 2) == 0.0


def test_scores_of_chance() -> None:
    """Of 50 names, 10 in the group: on average 40 of 50 of them are new, and ranks do not correlate."""
    scores = np.random.default_rng(0).standard_normal((2000, 50))
    # errors: one session's correlation has a spread of 1 / 7, one session's share one below 0.13; 2,000 sessions
    assert abs(rank_autocorrelation(scores, (1,))[1]) < 4 / 7 / math.sqrt(2000)
    assert abs(quantile_turnover(quantile_groups(scores, 5), 4) - 0.8) < 4 * 0.13 / math.sqrt(2000)
