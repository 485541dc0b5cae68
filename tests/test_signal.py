"""The contract of a signal: its settings, and what is told of one that breaks it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from signal_cases import market

import backtester as bt
from backtester.plain import plain

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


# -- a row alone -------------------------------------------------------------------------------------------------------


def whole_column(panel, rows):
    """The distance from the mean of all sessions up to the last that was asked for."""
    return panel.close[rows] - panel.close.mean(axis=0)


def of_the_batch(panel, rows):
    return panel.close[rows] - panel.close[rows].mean(axis=0)


def wraps(panel, rows):
    return panel.close[rows] / panel.close[rows - 5]


class Counts(bt.Signal):
    """Says something else each time."""

    def __init__(self):
        self._asked = 0

    def predict(self, panel, rows):
        self._asked += 1
        return panel.close[rows] + self._asked


def gone_in_a_batch(panel, rows):
    return np.where(len(rows) > 1, np.nan, panel.close[rows])


@pytest.mark.parametrize(
    ("signal", "day"),
    [
        (Says(whole_column), 0), (Says(of_the_batch), 0), (Counts(), 0), (Says(gone_in_a_batch), 0),
        (Says(lambda panel, rows: panel.close[rows] * (1 + 0.01 * (rows < rows[-1] - 9))[:, None]), 0),
        (Says(lambda panel, rows: panel.close[rows] * (1 + 0.01 * (rows == 15) * (len(rows) > 1))[:, None]), 15),
    ],
)  # fmt: skip
def test_a_row_must_have_the_same_scores_alone(signal, day):
    panel = dataclasses.replace(PANEL, close=np.arange(120.0).reshape(30, 4) ** 1.1 + 1.0)
    message = (
        rf"{type(signal).__name__}.predict: fold 1, {PANEL.dates[day]}, 'S0': the score is \S+ when 30 rows .* alone"
    )
    with pytest.raises(bt.SignalError, match=message):
        bt.walk_forward(panel, signal)
    assert bt.walk_forward(panel, signal, batch=1).known > 0  # there is but one way to ask


def test_a_negative_row_that_wraps_to_the_end_is_caught():
    """Five rows back from the third there is nothing; Python counts from the panel's end."""
    signal = type("Wraps", (Says,), {"warmup": 3})(wraps)
    with pytest.raises(bt.SignalError, match=rf"fold 1, {PANEL.dates[2]}, 'S0'.*is warmup too short"):
        bt.walk_forward(PANEL, signal)
    with pytest.raises(bt.SignalError, match=rf"Says.predict on {PANEL.dates[0]} raised IndexError"):
        bt.walk_forward(PANEL, Says(wraps))  # where there is not even that


def test_the_fold_is_named():
    def later(panel, rows):
        return panel.close[rows] + 50.0 * (len(rows) > 1) * (rows[-1] > 15)

    with pytest.raises(bt.SignalError, match=f"Learns.predict: fold 2, {PANEL.dates[16]}, 'S0'"):
        bt.walk_forward(PANEL, Learns(later, zeros), bt.Folds(10, 5))


def test_rounding_of_small_networks_is_no_leak():
    """In float32 a product of another shape may round otherwise: a few parts in ten million of what is added."""

    def rounded(panel, rows):
        scores = np.where(np.isfinite(panel.close[rows]), np.arange(4.0) + rows[:, None], np.nan)
        return scores * (1.0 + 3e-7 * (len(rows) > 1))

    assert bt.walk_forward(PANEL, Says(rounded)).known > 100
    constant = Says(lambda panel, rows: np.full((len(rows), 4), 0.7) + 1e-9 * (len(rows) > 1))
    assert bt.walk_forward(PANEL, constant).known == 120


# -- what predict may return -------------------------------------------------------------------------------------------


class Tensor:
    """Refuses to become an array, as a tensor does that keeps track of gradients."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


@pytest.mark.parametrize(
    ("answer", "kind"), [(Tensor(), "Tensor .*RuntimeError: Can't call numpy"), ([[1.0], [2.0, 3.0]], "list .*Value")]
)
def test_what_cannot_become_an_array(answer, kind):
    message = rf"Says.predict on {PANEL.dates[0]} to {PANEL.dates[29]} returned a {kind}.*\(30, 4\).*detach\(\).cpu\(\)"
    with pytest.raises(bt.SignalError, match=message):
        bt.walk_forward(PANEL, Says(lambda panel, rows: answer))


# -- dataclasses -------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Frozen(bt.Signal):
    seed: int = 0
    power: float = 1.0

    def predict(self, panel, rows):
        return panel.close[rows] ** self.power + self.seed


@dataclasses.dataclass(slots=True)
class Slotted(bt.Signal):
    power: float = 1.0

    def predict(self, panel, rows):
        return panel.close[rows] ** self.power


def test_a_frozen_dataclass_takes_a_seed(tmp_path):
    signal = Frozen(power=2.0)
    seeded = bt.walk_forward(PANEL, signal, seed=3)
    assert seeded.origin["signal"]["seed"] == 3
    assert signal.seed == 0
    np.testing.assert_array_equal(seeded.values, PANEL.close**2.0 + 3)
    assert Slotted(2.0).describe()["power"] == 2.0
    for signal in (Frozen(power=2.0), Frozen(power=3.0), Slotted(2.0), Slotted(3.0)):
        assert not bt.walk_forward(PANEL, signal, cache=tmp_path).from_cache
        assert bt.walk_forward(PANEL, signal, cache=tmp_path).from_cache
