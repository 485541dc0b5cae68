"""A training that was killed goes on to the same bytes; what a fold has learnt is kept, and read again."""

from __future__ import annotations

import logging

import pytest
import torch
from signal_cases import market
from training_cases import lane, market_of, same_bytes, task

import backtester as bt
import signals
from signals.networks import MLPShape
from signals.training import checkpoint
from signals.training.resume import resume, save_state
from signals.training.task import Config
from signals.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("one_thread")

FOLDS = bt.Folds(60, 20)
PANEL = market(sessions=130)
FLAT = {"features": ["return_1", "return_5", "extra"], "epochs": 4, "batch": 256, "learning_rate": 0.01}
STORE = market_of()


class KilledError(Exception):
    """As if the process had ended."""


def walked(make, **arguments):
    learnt = []
    scores = bt.walk_forward(PANEL, make(), FOLDS, on_fit=lambda fold, own: learnt.append(own._fitted), **arguments)
    return scores, learnt


def killed_after(monkeypatch, epochs):
    """The training ends by an exception after so many epochs, all folds counted, their state saved."""
    done, end = [], Trainer._end_epoch

    def mortal(self, *arguments):
        if len(done) == epochs:
            raise KilledError
        done.append(self.epoch)
        end(self, *arguments)

    monkeypatch.setattr(Trainer, "_end_epoch", mortal)


MAKERS = {
    "stack": lambda: signals.MLP((4,), norm="batch", dropout=0.2, seeds=2, **FLAT, patience=1),
    "chain": lambda: signals.MLP((4,), **FLAT, warm_start="previous"),
    "schedule": lambda: signals.MLP(
        (4,), **FLAT, scheduler="CosineAnnealingLR", scheduler_arguments={"T_max": 4}, optimizer="RMSprop"
    ),
    "module": lambda: signals.Module("own_modules:Small", {"dropout": 0.3}, **FLAT),
    "windows": lambda: signals.GRU(4, window=5, missing="mean", epochs=4),
}


ENDS = [(name, epochs) for name in MAKERS for epochs in (1, 3)] + [("chain", 6), ("module", 6)]


@pytest.mark.parametrize(("name", "epochs"), ENDS)
def test_a_killed_training_goes_on_to_the_same_bytes(name, epochs, tmp_path, monkeypatch, caplog):
    """Killed after 1 or 3 of four epochs; a chain, and models one after another, after 6 in their second fold too."""
    make = MAKERS[name]
    scores, learnt = walked(make)
    with monkeypatch.context() as patch:
        killed_after(patch, epochs)
        with pytest.raises(bt.SignalError, match="KilledError"):
            walked(make, checkpoints=tmp_path, every_epoch=True)
    with caplog.at_level(logging.INFO, "signals"):
        again, others = walked(make, checkpoints=tmp_path, every_epoch=True)
    assert f"going on after epoch {epochs if epochs < 4 else epochs - 4}" in caplog.text
    assert again.values.tobytes() == scores.values.tobytes()
    assert again.learning == scores.learning
    for one, other in zip(learnt, others, strict=True):
        assert same_bytes(one.state, other.state)
    assert len([*tmp_path.rglob("fold-*")]) == len(learnt)
    assert not [*tmp_path.rglob("state-*")]  # of no use any more


def test_every_epoch_is_kept_on_request(tmp_path):
    """A file an epoch, the weights of that epoch in it; nothing of the kind if it is not asked for."""
    network = signals.MLP((4,), **FLAT, patience=None)
    bt.walk_forward(PANEL, network, FOLDS, checkpoints=tmp_path / "each", every_epoch=True)
    kept = sorted(path.name for path in (tmp_path / "each").rglob("epoch-*"))
    assert [name.split("-")[1] for name in kept] == ["001", "002", "003", "004"]
    notes = [checkpoint.read(path)[1] for path in sorted((tmp_path / "each").rglob("epoch-*"))]
    assert [note["epoch"] for note in notes] == [1, 2, 3, 4]
    bt.walk_forward(PANEL, network, FOLDS, checkpoints=tmp_path / "folds")
    assert not [*(tmp_path / "folds").rglob("epoch-*")]
    assert len([*(tmp_path / "folds").rglob("fold-*")]) == 4


def test_a_fold_that_was_trained_is_read_and_not_trained_again(tmp_path, monkeypatch, caplog):
    first, learnt = walked(MAKERS["stack"], checkpoints=tmp_path)
    monkeypatch.setattr(Trainer, "run", None)
    with caplog.at_level(logging.INFO, "signals"):
        again, others = walked(MAKERS["stack"], checkpoints=tmp_path)
    assert caplog.text.count("was trained before") == len(learnt) == 4
    assert again.origin == first.origin
    assert again.origin["label_fills"] == ["open"]
    assert again.values.tobytes() == first.values.tobytes()
    assert all(same_bytes(one.state, other.state) for one, other in zip(learnt, others, strict=True))


def test_other_settings_and_another_market_do_not_meet_it(tmp_path, caplog):
    walked(MAKERS["stack"], checkpoints=tmp_path)
    for make in (MAKERS["chain"], lambda: signals.MLP((4,), norm="batch", dropout=0.1, seeds=2, **FLAT, patience=1)):
        with caplog.at_level(logging.INFO, "signals"):
            walked(make, checkpoints=tmp_path)
    assert "trained before" not in caplog.text
    bt.walk_forward(market(sessions=130, seed=1), MAKERS["stack"](), FOLDS, checkpoints=tmp_path)
    assert "trained before" not in caplog.text


def test_a_damaged_file_of_a_fold_is_told_and_the_fold_trained_again(tmp_path):
    first, _ = walked(MAKERS["stack"], checkpoints=tmp_path)
    for path in tmp_path.rglob("fold-*.safetensors"):
        path.write_bytes(path.read_bytes()[:-100])
    with pytest.warns(UserWarning, match=r"damaged or cut short .* The fold is trained anew") as told:
        again, _ = walked(MAKERS["stack"], checkpoints=tmp_path)
    assert len(told) == 4
    assert again.values.tobytes() == first.values.tobytes()


def test_a_damaged_state_is_told_and_the_training_begins_anew(tmp_path, monkeypatch):
    first, _ = walked(MAKERS["stack"])
    with monkeypatch.context() as patch:
        killed_after(patch, 2)
        with pytest.raises(bt.SignalError, match="KilledError"):
            walked(MAKERS["stack"], checkpoints=tmp_path, every_epoch=True)
    (state,) = tmp_path.rglob("state-*.safetensors")
    state.write_bytes(state.read_bytes()[:-100])
    with pytest.warns(UserWarning, match=r"The state of the training .* is damaged; the training begins anew\.$"):
        again, _ = walked(MAKERS["stack"], checkpoints=tmp_path, every_epoch=True)
    assert again.values.tobytes() == first.values.tobytes()


def test_a_folder_that_cannot_be_written_is_told_and_changes_nothing(tmp_path):
    first, _ = walked(MAKERS["chain"])
    (tmp_path / "taken").write_text("")
    with pytest.warns(UserWarning, match="cannot be kept in"):
        again, _ = walked(MAKERS["chain"], checkpoints=tmp_path / "taken", every_epoch=True)
    assert again.values.tobytes() == first.values.tobytes()


# Every optimizer and schedule, after every epoch, when lanes have been let go, and when all have stopped.

KINDS = {
    **{name: {"optimizer": name} for name in ("Adam", "SGD", "Adafactor", "ASGD", "NAdam", "RAdam", "Rprop")},
    "momentum": {"optimizer": "SGD", "optimizer_arguments": {"momentum": 0.9, "nesterov": True}},
    "plateau": {"scheduler": "ReduceLROnPlateau", "scheduler_arguments": {"patience": 0}},
    "steps": {"scheduler": "MultiStepLR", "scheduler_arguments": {"milestones": [2, 4]}},
    "cyclic": {
        "scheduler": "CyclicLR", "scheduler_arguments": {"base_lr": 0.01, "max_lr": 0.1}, "schedule_by": "step"
    },
    "one cycle": {
        "scheduler": "OneCycleLR", "scheduler_arguments": {"max_lr": 0.1, "total_steps": 60}, "schedule_by": "step"
    },
    "batch norm": {"shape": MLPShape(3, hidden=(4,), norm="batch")},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_trainer_goes_on_from_every_epoch(kind, tmp_path):
    lanes = [lane(range(30), range(31, 36), 0, 3, STORE), lane(range(12), range(13, 16), 1, 4, STORE)]
    configs = [Config(0.0, 0.0, 0.0, 0.2), Config(0.3, 0.0, 0.01, 0.2)]
    one = task(lanes, STORE, configs, epochs=8, patience=1, **KINDS[kind])
    whole, paths = Trainer(one), []

    def keep():
        paths.append(tmp_path / f"{len(paths)}.safetensors")
        save_state(whole, paths[-1])

    whole.run(epoch_over=keep)
    for path in paths:
        other = Trainer(one)
        assert resume(other, path)
        other.run()
        for mine, theirs in zip(whole.best.outcomes(), other.best.outcomes(), strict=True):
            assert same_bytes(mine.state, theirs.state)
            assert str(mine.curve) == str(theirs.curve)  # nan is nan
            assert mine.epoch == theirs.epoch


def test_a_state_after_the_last_model_stopped_is_the_end(tmp_path):
    one = task([lane(range(12), range(13, 16), 1, 4, STORE)], STORE, epochs=30, patience=1, learning_rate=0.5)
    whole = Trainer(one)
    whole.run()
    assert whole.lanes == []
    save_state(whole, tmp_path / "state.safetensors")
    other = Trainer(one)
    assert resume(other, tmp_path / "state.safetensors")
    other.run()
    assert other.epoch == whole.epoch < 30
    assert same_bytes(other.best.outcomes()[0].state, whole.best.outcomes()[0].state)


def test_a_state_of_something_else_is_told(tmp_path):
    one = task([lane(range(12), range(13, 16), 1, 4, STORE)], STORE)
    checkpoint.write(tmp_path / "other.safetensors", {"a": torch.zeros(2)}, {"lanes": [0]})
    with pytest.warns(UserWarning, match="begins anew"):
        assert not resume(Trainer(one), tmp_path / "other.safetensors")
