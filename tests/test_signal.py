"""The contract of a signal: its settings, and what is told of one that breaks it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from signal_cases import market

import backtester as bt
from backtester.signal import plain

PANEL = market(4, 30)


class Says(bt.Signal):
    """Predicts what a function says."""

    def __init__(self, says, fit=None):
        self._says, self._fit = says, fit

    def predict(self, panel, rows):
        return self._says(panel, rows)


class Learns(Says):
    def fit(self, panel, rows):
        self._fit(panel, rows)


def zeros(panel, rows):
    return np.zeros((len(rows), panel.shape[1]))


def with_infinity(panel, rows):
    scores = zeros(panel, rows)
    scores[rows == 12, 2] = -np.inf
    return scores


@pytest.mark.parametrize(
    ("says", "message"),
    [
        (lambda panel, rows: np.zeros((len(rows), 3)), r"Says.predict on .* returned shape \(30, 3\).*shape \(30, 4\)"),
        (lambda panel, rows: zeros(panel, rows)[0], r"returned shape \(4,\)"),
        (lambda panel, rows: zeros(panel, rows).astype(str), "type <U32; it must be numbers"),
        (lambda panel, rows: None, r"returned shape \(\) and type object"),
        (with_infinity, f"the score of 'S2' on {PANEL.dates[12]} is -inf; a score is finite, or NaN"),
        (lambda panel, rows: panel.close[99], r"raised IndexError at .*test_signal.py:\d+ .*panel.close\[99\]"),
        (lambda panel, rows: panel.close.__imul__(2), "read-only"),
    ],
)
def test_what_is_no_score_is_refused(says, message):
    with pytest.raises(bt.SignalError, match=message):
        bt.walk_forward(PANEL, Says(says))


def test_whole_numbers_and_nan_are_scores():
    scores = bt.walk_forward(PANEL, Says(lambda panel, rows: zeros(panel, rows).astype(int)))
    assert scores.values.dtype == np.float64
    assert scores.known == 120
    assert bt.walk_forward(PANEL, Says(lambda panel, rows: zeros(panel, rows) * np.nan)).known == 0


def test_an_error_in_fit_names_the_sessions_and_the_line():
    def fails(panel, rows):
        raise KeyError("momentum")

    message = rf"Learns.fit on {PANEL.dates[0]} to {PANEL.dates[9]} raised KeyError at .*test_signal.py.*: 'momentum'"
    with pytest.raises(bt.SignalError, match=message):
        bt.walk_forward(PANEL, Learns(zeros, fails), bt.Folds(10, 5))


def test_the_default_fit_learns_nothing():
    assert bt.Signal().fit(PANEL, np.arange(3)) is None
    with pytest.raises(NotImplementedError, match="Signal has no predict"):
        bt.Signal().predict(PANEL, np.arange(3))


@pytest.mark.parametrize(
    ("signal", "message"),
    [
        (Says, "signal is the class Says; pass an object"),
        (object(), "must be an object of a subclass of bt.Signal"),
        (bt.Signal(), r"Signal has no predict\(self, panel, rows\)"),
        (type("Own", (Says,), {"horizon": 0})(zeros), "Own.horizon is 0"),
        (type("Own", (Says,), {"warmup": 1.5})(zeros), "Own.warmup is 1.5"),
        (type("Own", (Says,), {"seed": -1})(zeros), "Own.seed is -1"),
        (type("Own", (Says,), {"fill": "opne"})(zeros), "fill is 'opne'.*Did you mean 'open'"),
    ],
)
def test_what_is_no_signal_is_refused(signal, message):
    with pytest.raises(bt.ConfigError, match=message):
        bt.walk_forward(PANEL, signal)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"folds": 5}, "folds is 5; it must be a bt.Folds"),
        ({"batch": 0}, "batch is 0"),
        ({"seed": 1.5}, "seed is 1.5"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(bt.ConfigError, match=message):
        bt.walk_forward(PANEL, Says(zeros), **settings)


def test_a_purge_below_the_signals_horizon_is_refused():
    with pytest.raises(bt.ConfigError, match="purge is 1, below the signal's horizon of 2"):
        bt.walk_forward(PANEL, type("Two", (Says,), {"horizon": 2})(zeros), bt.Folds(5, 5, purge=1))


def test_a_signal_is_described_by_its_settings():
    @dataclasses.dataclass
    class Layer:
        size: int = 3

    class Own(Says):
        horizon, depth = 2, 5
        table = np.zeros(3)  # in the source

        def __init__(self):
            super().__init__(zeros)
            self.sizes, self.layer, self.rate, self.names = (8, 4), Layer(), np.float32(0.5), {"a": np.int64(1)}

    told = Own().describe()
    assert told.pop("class").endswith("Own")
    assert told == {
        "horizon": 2, "warmup": 1, "seed": 0, "fill": None,
        "depth": 5, "sizes": [8, 4], "layer": {"size": 3}, "rate": 0.5, "names": {"a": 1},
    }  # fmt: skip


def test_a_setting_of_the_class_is_one_too():
    class Own(Says):
        depth = 5

    before = Own(zeros).describe()
    Own.depth = 6
    assert Own(zeros).describe() == before | {"depth": 6}


def test_a_setting_without_a_plain_form_is_refused():
    signal = Says(zeros)
    signal.network = object()
    with pytest.raises(bt.ConfigError, match=r"Says.network is a object.*under a name with an underscore \(_network\)"):
        bt.walk_forward(PANEL, signal)
    with pytest.raises(TypeError):
        plain([np.zeros(3)])
