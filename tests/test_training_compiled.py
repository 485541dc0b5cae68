"""The compiled epochs of plain networks: what PyTorch's steps give, to the tolerance of law 18."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from training_cases import CLOSE, FEATURES, assert_same_model, lane, market_of, same_bytes, task, trained

from signals.losses import loss_of
from signals.networks import MLPShape, RecurrentShape
from signals.networks.kernels import TILE
from signals.training import compiled
from signals.training.compiled import suits
from signals.training.fit import _parts
from signals.training.options import Options
from signals.training.resume import resume, save_state
from signals.training.task import Config
from signals.training.trainer import Trainer

STORE = market_of()
SHAPE = MLPShape(FEATURES, hidden=(5, 4))
# Two folds of two seeds, with 5 and 4 steps an epoch; the last batch of each is filled up.
LANES = [
    lane(rows, range(33, 40), fold, seed, STORE)
    for fold, rows in enumerate((range(30), range(5, 28)))
    for seed in (0, 1)
]
FOUR = [
    Config(0.0, 0.0, 0.0, 0.01),
    Config(0.3, 0.0, 0.0, 0.01),
    Config(0.0, 0.02, 0.0, 0.01),
    Config(0.2, 0.0, 0.03, 0.003),
]
CASES = {
    "Adam": {},
    "AdamW": {"optimizer": "AdamW"},
    "its arguments": {"optimizer_arguments": {"betas": [0.8, 0.99], "eps": 1e-6, "weight_decay": 0.1}},
    "those of AdamW": {"optimizer": "AdamW", "optimizer_arguments": {"betas": [0.8, 0.99], "weight_decay": 0.3}},
    "Adam that decays as AdamW": {"optimizer_arguments": {"weight_decay": 0.3, "decoupled_weight_decay": True}},
    "one layer": {"shape": MLPShape(FEATURES, hidden=(7,))},
    "three layers": {"shape": MLPShape(FEATURES, hidden=(4, 9, 3))},
    "mae": {"loss": "mae"},
    "huber": {"loss": "huber"},
    "clip": {"clip": 0.05},
    "schedule": {"scheduler": "StepLR", "scheduler_arguments": {"step_size": 1, "gamma": 0.5}},
    "configurations": {"configs": FOUR},
    "patience": {"patience": 1, "epochs": 12, "learning_rate": 0.2},
    "nothing watched": {"validation": 0.0, "patience": None},
    "by ic": {"monitor": "ic"},
}


def by_torch(monkeypatch, make):
    """What is made where no epoch is compiled."""
    with monkeypatch.context() as patch:
        patch.setattr("signals.training.trainer.suits", lambda *asked: False)
        return make()


def made(**settings):
    return task(settings.pop("lanes", LANES), settings.pop("store", STORE), **{"shape": SHAPE, **settings})


@pytest.mark.parametrize("case", CASES)
def test_as_the_steps_of_torch(monkeypatch, case):
    one = made(**CASES[case])
    assert Trainer(one)._loop is not None
    for ours, theirs in zip(trained(one), by_torch(monkeypatch, partial(trained, one)), strict=True):
        assert_same_model(ours, theirs)


@pytest.mark.parametrize("batch", [256, 257, 600], ids="{} samples".format)
def test_a_batch_of_several_tiles(monkeypatch, batch):
    """Whole ones, and one of a single sample; rounding of a sum grows with the root of its terms, 600 here: 1.5e-6."""
    inputs, labels = market_of(300)
    inputs[np.random.default_rng(1).random(inputs.shape) < 0.1] = np.nan
    store = inputs, labels
    lanes = [lane(range(240), range(242, 300), 0, seed, market_of(300)) for seed in (0, 1)]
    assert TILE == 256
    one = made(lanes=lanes, store=store, configs=FOUR, batch=batch, epochs=3, loss="huber")
    for ours, theirs in zip(trained(one), by_torch(monkeypatch, partial(trained, one)), strict=True):
        assert_same_model(ours, theirs)


def test_delta_of_huber(monkeypatch):
    one = made(loss="huber")._replace(loss=loss_of("huber", delta=0.3))
    other = trained(made(loss="huber"))[0]
    for k, (ours, theirs) in enumerate(zip(trained(one), by_torch(monkeypatch, partial(trained, one)), strict=True)):
        assert_same_model(ours, theirs)
        assert k or not same_bytes(ours.state, other.state)


def test_what_is_unknown_is_the_middle(monkeypatch):
    inputs, labels = market_of()
    inputs[np.random.default_rng(1).random(inputs.shape) < 0.2] = np.nan
    store = inputs, labels
    lanes = [lane(range(30), range(33, 40), 0, seed, STORE) for seed in (0, 1)]
    one = made(lanes=lanes, store=store)
    assert one.store.has_unknown
    for ours, theirs in zip(trained(one), by_torch(monkeypatch, partial(trained, one)), strict=True):
        assert_same_model(ours, theirs)


def test_the_same_bytes_in_any_company_and_on_any_number_of_threads(monkeypatch):
    whole = trained(made(configs=FOUR))
    for threads in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        assert all(same_bytes(a.state, b.state) for a, b in zip(trained(made(configs=FOUR)), whole, strict=True))
    for place, one in enumerate(LANES):
        for k, config in enumerate(FOUR):
            (single,) = trained(made(lanes=[one], configs=[config]))
            assert same_bytes(single.state, whole[place * len(FOUR) + k].state)


@pytest.mark.parametrize(("before", "after"), [("compiled", "torch"), ("torch", "compiled"), ("compiled", "compiled")])
def test_either_goes_on_with_what_the_other_began(monkeypatch, tmp_path, before, after):
    settings = {"configs": FOUR[:2], "patience": None, "optimizer": "AdamW"}
    whole = trained(made(**settings, epochs=6))
    make = {"compiled": lambda do: do(), "torch": partial(by_torch, monkeypatch)}

    def begin():
        trainer = Trainer(made(**settings, epochs=6))
        trainer.run(epoch_over=lambda: save_state(trainer, tmp_path / f"{trainer.epoch}.safetensors"))

    def go_on():
        trainer = Trainer(made(**settings, epochs=6))
        assert resume(trainer, tmp_path / "3.safetensors")
        assert trainer.epoch == 3
        trainer.run()
        return trainer.best.outcomes()

    make[before](begin)
    for ours, theirs in zip(make[after](go_on), whole, strict=True):
        assert_same_model(ours, theirs)
        assert before != after or same_bytes(ours.state, theirs.state)


def test_a_model_that_has_stopped_is_left_as_it_is():
    """One of two configurations may do three epochs, the other eight: of one lane, so that both stay in the stack."""
    configs = [Config(0.0, 0.0, 0.0, 0.01, 3), Config(0.0, 0.0, 0.0, 0.01, 8)]
    trainer = Trainer(made(lanes=LANES[:1], configs=configs, epochs=8, patience=None))
    seen = []
    trainer._keep = lambda lanes, configs: None
    trainer.run(epoch_over=lambda: seen.append({k: v.clone() for k, v in trainer.stack.models([0, 1]).items()}))
    head = [state["head.weight"] for state in seen]
    assert len(head) == 8
    assert all(torch.equal(one[0], head[2][0]) for one in head[3:])
    assert not torch.equal(head[3][1], head[2][1])


def test_a_loss_that_is_no_number_is_told():
    """Labels of one lane are as good as infinite; the other learns what it learns alone."""
    broken = LANES[0]._replace(unit=1e-38)
    bad, good = trained(made(lanes=[broken, LANES[1]]))
    (alone,) = trained(made(lanes=[LANES[1]]))
    assert bad.state is None
    assert "stopped" in bad.curve[-1].note
    assert same_bytes(good.state, alone.state)


def test_an_error_in_a_lane_is_raised(monkeypatch):
    def broken(*asked):
        raise MemoryError("no room")

    monkeypatch.setattr(compiled, "row_order", broken)
    with pytest.raises(MemoryError, match="no room"):
        trained(made())


def test_progress_is_told_lane_by_lane():
    """Five steps an epoch at most; a lane that is done counts as its share of them."""
    told = []
    Trainer(made(epochs=2, patience=None)).run(tell=told.append)
    assert told == [1, 2, 3, 5, 6, 7, 8, 10]


@pytest.mark.parametrize(
    ("shape", "loss", "options", "device"),
    [
        (SHAPE, "mse", {}, "cuda"),
        (MLPShape(FEATURES, hidden=()), "mse", {}, "cpu"),
        (MLPShape(FEATURES, hidden=(4,), activation="tanh"), "mse", {}, "cpu"),
        (MLPShape(FEATURES, hidden=(4,), norm="layer"), "mse", {}, "cpu"),
        (MLPShape(FEATURES, hidden=(4,), skip=True), "mse", {}, "cpu"),
        (MLPShape(FEATURES, outputs=3, hidden=(4,)), "cross_entropy", {}, "cpu"),
        (RecurrentShape("lstm", FEATURES, 1, 4), "mse", {}, "cpu"),
        (SHAPE, "bce", {}, "cpu"),
        (SHAPE, "rank_correlation", {}, "cpu"),
        (SHAPE, "mse", {"optimizer": "SGD"}, "cpu"),
        (SHAPE, "mse", {"scheduler": "ReduceLROnPlateau"}, "cpu"),
        (SHAPE, "mse", {"optimizer_arguments": {"amsgrad": True}}, "cpu"),
        (SHAPE, "mse", {"scheduler": "StepLR", "scheduler_arguments": {"step_size": 1}, "schedule_by": "step"}, "cpu"),
        (SHAPE, "mse", {"warm_start": "some.safetensors", "freeze": ["layers.0"]}, "cpu"),
    ],
)
def test_what_it_does_not_know_is_left_to_torch(shape, loss, options, device):
    assert suits(SHAPE, loss_of("mse"), Options(), "cpu")
    assert not suits(shape, loss_of(loss), Options(**options), device)


@pytest.mark.parametrize(("activation", "most"), [("relu", 128), ("tanh", 32)])
def test_many_configurations_train_in_parts_that_have_room(activation, most):
    """A hundred lanes of four configurations; what all models say of the watched sessions is held at once."""
    one = made(lanes=LANES * 25, configs=FOUR, shape=MLPShape(FEATURES, hidden=(5, 4), activation=activation))
    parts = _parts(SimpleNamespace(alone=False, options=one.options, device="cpu"), one)
    assert [lane for lanes, _ in parts for lane in lanes] == list(range(100))
    assert max(len(lanes) * len(configs) for lanes, configs in parts) == most
    assert all(list(configs) == [0, 1, 2, 3] for _, configs in parts)


def test_the_tolerance_is_worth_something(monkeypatch):
    """Another seed of one lane is further away than the tolerance by far."""
    (one,) = trained(made(lanes=LANES[:1]))
    (other,) = trained(made(lanes=[LANES[0]._replace(seed=9)]))
    assert float((one.state["head.weight"] - other.state["head.weight"]).abs().max()) > 100 * CLOSE
