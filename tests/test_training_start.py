"""Warm starts: from the fold before, and from a file with some layers frozen."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from signal_cases import market
from training_cases import same_bytes

import backtester as bt
import signals
import strategies
from signals.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("one_thread")

FOLDS = bt.Folds(60, 20)
PANEL = market(sessions=130)
FLAT = {"features": ["return_1", "return_5", "extra"], "epochs": 2, "batch": 256, "learning_rate": 0.01}
# Nothing is learnt in a step as small as this: what a fold ends with is what it began with, to some last digits.
STILL = {**FLAT, "learning_rate": 1e-12}


def walked(signal, panel=PANEL, **arguments):
    learnt = []
    scores = bt.walk_forward(panel, signal, FOLDS, on_fit=lambda fold, own: learnt.append(own), **arguments)
    return scores, learnt


def weights(learnt):
    return [one._fitted.state for one in learnt]


def close(one, other):
    return all(torch.allclose(one[name], other[name], rtol=0, atol=1e-6) for name in one)


def test_a_fold_begins_with_what_the_fold_before_has_learnt():
    """With steps of nothing all folds end with the first weights of the first; else each with its own."""
    _, learnt = walked(signals.MLP((4,), **STILL, warm_start="previous", seeds=2))
    first, *later = weights(learnt)
    assert len(later) == 3
    assert all(close(first, other) for other in later)
    cold, *others = weights(walked(signals.MLP((4,), **STILL, seeds=2))[1])
    assert close(first, cold)
    assert not any(close(cold, other) for other in others)


def test_each_seed_goes_on_from_its_own():
    _, learnt = walked(signals.MLP((4,), **STILL, warm_start="previous", seeds=2))
    for state in weights(learnt):
        assert not close({"w": state["head.weight"][:1]}, {"w": state["head.weight"][1:]})


@pytest.mark.parametrize("norm", [None, "batch"])
def test_online_and_batch_are_the_same_bytes(norm):
    make = lambda: signals.MLP((4,), norm=norm, **FLAT, warm_start="previous", seeds=2)  # noqa: E731
    batch, learnt = walked(make(), batch=1)
    together, chain = walked(make())
    assert all(same_bytes(one, other) for one, other in zip(weights(learnt), weights(chain), strict=True))
    span = np.nanmax(batch.values) - np.nanmin(batch.values)
    np.testing.assert_allclose(together.values, batch.values, rtol=0, atol=1e-5 * span)
    simulation = bt.Simulation(PANEL, strategies.RankedLongShort(4, 4), signal=make(), folds=FOLDS, online=True)
    simulation.advance()
    assert simulation.snapshot().online.values.tobytes() == batch.values.tobytes()


@pytest.fixture
def saved(tmp_path):
    """What was learnt on another market, and its file."""
    _, learnt = walked(signals.MLP((4, 3), norm="batch", **FLAT, seeds=2), market(sessions=130, seed=5))
    learnt[0].save(tmp_path / "other.safetensors")
    return learnt[0]._fitted.state, str(tmp_path / "other.safetensors")


def test_all_folds_begin_with_a_file(saved):
    state, path = saved
    _, learnt = walked(signals.MLP((4, 3), norm="batch", **STILL, warm_start=path, seeds=2))
    for one in weights(learnt):
        parameters = {name: value for name, value in one.items() if not name.endswith(("mean", "var"))}
        assert close(parameters, state)


def test_frozen_layers_stay_to_the_byte_and_the_others_learn(saved):
    """The statistics of the frozen layer's norm too."""
    state, path = saved
    _, learnt = walked(signals.MLP((4, 3), norm="batch", **FLAT, warm_start=path, seeds=2, freeze=["layers.0"]))
    for one in weights(learnt):
        assert "layers.0.norm.mean" in one
        for name, value in one.items():
            same = value.numpy().tobytes() == state[name].numpy().tobytes()
            assert same == name.startswith("layers.0."), name


def test_one_parameter_can_be_frozen(saved):
    """With one seed of two all folds begin with the first of the file, as they do when trained one at a time."""
    state, path = saved
    _, learnt = walked(signals.MLP((4, 3), norm="batch", **FLAT, warm_start=path, freeze=["head.bias"]))
    for one in weights(learnt):
        assert torch.equal(one["head.bias"], state["head.bias"][:1])
        assert not torch.equal(one["head.weight"], state["head.weight"][:1])


def test_more_seeds_than_a_file_holds_take_its_members_in_turn(saved):
    """Three seeds from two members: the third begins like the first."""
    state, path = saved
    _, learnt = walked(signals.MLP((4, 3), norm="batch", **STILL, warm_start=path, seeds=3))
    found = learnt[0]._fitted.state["head.weight"]
    assert close({"w": found}, {"w": state["head.weight"][[0, 1, 0]]})


def test_a_file_that_knows_test_days_is_refused(tmp_path):
    """The first fold learns from rows up to ``last``; a file that ends there is one, and one session more is too much.

    Labels of 4 sessions reach 3 further than those of 1: that file must end 3 sessions sooner.
    """
    path = str(tmp_path / "file.safetensors")
    last = bt.walk_forward(PANEL, signals.MLP((4,), **FLAT), FOLDS).folds[0].train_last
    row = int(np.searchsorted(PANEL.dates, np.datetime64(last)))

    def started(end, horizon=1):
        one = signals.MLP((4,), **FLAT, horizon=horizon)
        one.fit(PANEL, np.arange(10, end + 1))
        one.save(path)
        return walked(signals.MLP((4,), **FLAT, warm_start=path))

    day = lambda end: str(PANEL.dates[end])  # noqa: E731
    assert started(row)[0].known
    with pytest.raises(
        bt.SignalError, match=rf"file.safetensors were .* to {day(row + 1)}, and fold 1 .* {last} alone"
    ):
        started(row + 1)
    assert started(row - 3, 4)[0].known
    with pytest.raises(
        bt.SignalError, match=rf"up to {day(row - 2)}, and fold 1 .* {day(row - 3)} alone, with its lab"
    ):
        started(row - 2, 4)


def test_the_layers_of_a_module_can_be_frozen(tmp_path):
    make = lambda **settings: signals.Module("own_modules:Small", {"dropout": 0.2}, **FLAT, **settings)  # noqa: E731
    _, learnt = walked(make())
    learnt[0].save(tmp_path / "module.safetensors")
    start = learnt[0]._fitted.state
    _, later = walked(make(warm_start=str(tmp_path / "module.safetensors"), freeze=["module.body.0"]))
    for one in weights(later):
        assert torch.equal(one["module.body.0.weight"], start["module.body.0.weight"])
        assert not torch.equal(one["module.body.3.weight"], start["module.body.3.weight"])


def test_another_file_is_another_signal(saved, tmp_path):
    """Its content goes into the key of the score cache."""
    _, path = saved
    first = signals.MLP((4, 3), norm="batch", **FLAT, warm_start=path).describe()
    _, learnt = walked(signals.MLP((4, 3), norm="batch", **FLAT))
    learnt[0].save(path)
    again = signals.MLP((4, 3), norm="batch", **FLAT, warm_start=path).describe()
    differing = {key for key in first if first[key] != again[key]}
    assert differing == {"warm_start_sha256"}


def test_scores_of_a_network_are_cached(tmp_path, monkeypatch):
    make = lambda: signals.MLP((4,), **FLAT, seeds=2)  # noqa: E731
    first, _ = walked(make(), cache=tmp_path)
    monkeypatch.setattr(Trainer, "run", None)
    again, learnt = walked(make(), cache=tmp_path)
    assert not learnt
    assert again.values.tobytes() == first.values.tobytes()
    assert again.learning == first.learning
    assert again.members.keys() == first.members.keys() == {"seed 0", "seed 1"}
