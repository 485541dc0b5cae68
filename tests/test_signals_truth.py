"""Nothing is found where nothing is, and what is there is found."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import noise_bars
import numpy as np
import pytest

import backtester as bt
import signals

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import truth

pytestmark = pytest.mark.usefixtures("one_thread")

LEAK = 0.025
# Networks small enough for ten markets in a moment; as they come, they are tried in test_networks_truth.py.
_SHORT = {"epochs": 2, "batch": 1024, "learning_rate": 0.01, "device": "cpu"}
_WINDOW = {"window": 6, **_SHORT}
NETWORKS = {
    "mlp": lambda: signals.MLP((8,), seeds=2, **_SHORT),
    "rnn": lambda: signals.RNN(6, **_WINDOW),
    "lstm": lambda: signals.LSTM(6, **_WINDOW),
    "gru": lambda: signals.GRU(6, **_WINDOW),
    "cnn": lambda: signals.CNN((6, 6), **_WINDOW),
    "transformer": lambda: signals.Transformer(8, 2, 1, **_WINDOW),
    "module": lambda: signals.Module("own_modules:Small", **_SHORT),
    "grid": lambda: signals.Grid(signals.MLP(**_SHORT), vary={"hidden": [[4], [8]], "dropout": [0.0, 0.2]}, best=2),
    "ensemble": lambda: signals.Ensemble([signals.MLP((4,), **_SHORT), signals.GRU(4, **_WINDOW), signals.Reversal()]),
}
NOISE = {
    "momentum": lambda: signals.Momentum(63, 21),
    "reversal": lambda: signals.Reversal(),
    "random": lambda: signals.Random(),
    "ridge": lambda: signals.Estimator("sklearn.linear_model:Ridge"),
    "gradient boosting": lambda: signals.Estimator(
        "sklearn.ensemble:HistGradientBoostingRegressor", {"max_iter": 20, "max_leaf_nodes": 7}
    ),
    **NETWORKS,
}


@pytest.fixture(scope="module")
def noise():
    """Ten independent markets without anything to find."""
    return noise_bars.markets()


@pytest.fixture(scope="module")
def found_in_noise(noise):
    """What the signal of a name finds on the ten markets, worked out once."""

    @cache
    def of(name):
        return [noise_bars.worth(panel, NOISE[name]()) for panel in noise]

    return of


@pytest.mark.parametrize("name", NOISE)
def test_nothing_is_found_in_noise(name, found_in_noise):
    """The mean rank IC is within both bars."""
    noise_bars.assert_nothing_found(found_in_noise(name))


@pytest.mark.parametrize("name", NOISE)
def test_nothing_is_earned_in_noise(name, found_in_noise):
    """The interval of the gross Sharpe ratio contains 0."""
    low, high = noise_bars.interval([one.sharpe for one in found_in_noise(name)], len(NOISE))
    assert low < 0.0 < high


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

    every = []
    for panel in noise:
        Leaks.truth = bt.labels(panel, horizon=1, kind="demeaned")
        Leaks.truth_spread = np.nanstd(Leaks.truth)
        every.append(noise_bars.worth(panel, Leaks()))
    means, sessions, sharpes = zip(*every, strict=True)
    found = np.average(means, weights=sessions)
    assert 0.02 < found < 0.035
    assert found > noise_bars.pooled_bar(sessions)
    assert noise_bars.interval(sharpes, len(NOISE))[0] > 0.0


def test_ridge_finds_what_is_linear():
    """At a planted IC of 0.10, at least 0.9 of the oracle."""
    market = bt.synthetic(150, 640, 0, kind="linear", rank_ic=0.10)
    scores = bt.walk_forward(market.panel, signals.Estimator("sklearn.linear_model:Ridge"), bt.Folds(400, 85))
    assert np.isfinite(scores.values).any(axis=1).sum() >= 170
    assert truth.correlation(scores.values, market.score) >= 0.9
