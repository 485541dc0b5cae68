"""Nothing is found where nothing is, and what is there is found."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import backtester as bt
import signals
from backtester.cross_section import demeaned
from backtester.metrics.ic import rank_ic

SYMBOLS, SESSIONS, TRAIN = 50, 384, 120
LEAK = 0.025
NOISE = {
    "momentum": lambda: signals.Momentum(63, 21),
    "reversal": lambda: signals.Reversal(),
    "random": lambda: signals.Random(),
    "ridge": lambda: signals.Estimator("sklearn.linear_model:Ridge"),
    "gradient boosting": lambda: signals.Estimator(
        "sklearn.ensemble:HistGradientBoostingRegressor", {"max_iter": 20, "max_leaf_nodes": 7}
    ),
}


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Models as small as these wait for each other's threads longer than they learn."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def noise():
    """Ten independent markets without anything to find: seeds 0 to 9."""
    return [bt.synthetic(SYMBOLS, SESSIONS, seed, kind="noise").panel for seed in range(10)]


def mean_ic(panel, signal):
    """Mean rank IC over all scored sessions, and their number."""
    scores = bt.walk_forward(panel, signal, bt.Folds(TRAIN, 100))
    found = rank_ic(scores.values, bt.labels(panel, horizon=1))
    found = found[np.isfinite(found)]
    return found.mean(), len(found)


@pytest.mark.parametrize("name", NOISE)
def test_nothing_is_found_in_noise(name, noise):
    """The bar: four standard errors of one market's mean, 4 / sqrt((N - 1) * sessions), for the mean of ten."""
    means, sessions = zip(*(mean_ic(panel, NOISE[name]()) for panel in noise), strict=True)
    assert min(sessions) >= 195
    assert abs(np.mean(means)) < 4 / np.sqrt((SYMBOLS - 1) * np.mean(sessions))
    assert abs(np.average(means, weights=sessions)) < pooled_bar(sessions)


def pooled_bar(sessions):
    """Four standard errors of the mean over all sessions of all markets, which are independent."""
    return 4 / np.sqrt((SYMBOLS - 1) * sum(sessions))


def test_every_signal_that_ships_is_tried():
    assert {type(make()).__name__ for make in NOISE.values()} == set(signals.__all__)


def test_the_bars_see_a_leak(noise):
    """A signal that knows a little of what comes, an IC of 2.5 %, is far above the pooled bar.

    The label in standard units weighs 0.025 against luck: a correlation of about 0.025. Ten markets have more than
    1,950 sessions, for a bar of 4 / sqrt(49 * 1950) = 0.013.
    """

    class Leaks(bt.Signal):
        truth = None

        def predict(self, panel, rows):
            truth = np.nan_to_num(self.truth[rows])
            luck = signals.Random(1).predict(panel, rows) * np.sqrt(12)  # of the row alone, with a spread of 1
            return LEAK * truth / self.truth_spread + luck

    means, sessions = [], []
    for panel in noise:
        Leaks.truth = bt.labels(panel, horizon=1, kind="demeaned")
        Leaks.truth_spread = np.nanstd(Leaks.truth)
        mean, count = mean_ic(panel, Leaks())
        means.append(mean)
        sessions.append(count)
    found = np.average(means, weights=sessions)
    assert 0.02 < found < 0.035
    assert found > pooled_bar(sessions)


def cross_sectional_correlation(one, other):
    """Mean over the sessions of Pearson's correlation over the symbols."""
    both = np.isfinite(one) & np.isfinite(other)
    one, other = (demeaned(np.where(both, values, np.nan)) for values in (one, other))
    products = [np.nansum(a * b, axis=1) for a, b in ((one, other), (one, one), (other, other))]
    used = both.sum(axis=1) > 2
    return (products[0][used] / np.sqrt(products[1][used] * products[2][used])).mean()


def test_ridge_finds_what_is_linear():
    """At a planted IC of 0.10, at least 0.9 of the oracle."""
    market = bt.synthetic(150, 640, 0, kind="linear", rank_ic=0.10)
    scores = bt.walk_forward(market.panel, signals.Estimator("sklearn.linear_model:Ridge"), bt.Folds(400, 85))
    assert np.isfinite(scores.values).any(axis=1).sum() >= 170
    assert cross_sectional_correlation(scores.values, market.score) >= 0.9
