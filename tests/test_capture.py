"""Recorded steps, without a device: what a graph would read, write and repeat is still what it was recorded with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from trainers import trainer_of

from signals.training.capture import WARM_STEPS, Graphs
from signals.training.trainer import Trainer


class Replay:
    """Stands for a CUDA graph: does the step, if that would still be the one that was recorded."""

    def __init__(self, trainer: Trainer, step: Callable[[], None]) -> None:
        """Remember where everything was."""
        self.trainer, self.step, self.there = trainer, step, used(trainer)
        self.count = 0

    def replay(self) -> None:
        """Do the step."""
        assert used(self.trainer) == self.there
        self.step()
        self.count += 1


def used(trainer: Trainer) -> list[Any]:
    """The addresses of all tensors that a step reads or writes, and the rates that it repeats."""
    tensors = [value for value in vars(trainer).values() if isinstance(value, torch.Tensor)]
    tensors += [*trainer.stack.state().values(), *(one.grad for one in trainer.stack.parameters())]
    found: list[Any] = [tensor.data_ptr() for tensor in tensors]
    for unit in trainer.units:
        for group in unit.optimizer.param_groups:
            views = group["params"]
            found += [group["lr"], *(one.data_ptr() for one in views), *(one.grad.data_ptr() for one in views)]
            state = (unit.optimizer.state[one] for one in views)
            found += [value.data_ptr() for one in state for value in one.values()]
    return found


@pytest.fixture
def replays(monkeypatch: pytest.MonkeyPatch) -> list[Replay]:
    """All that is recorded from here on; nothing of it is on a device."""
    found: list[Replay] = []

    def record(self: Graphs, moving: tuple[int, ...], step: Any, done: int, left: int) -> None:
        if done >= WARM_STEPS and left > 0:
            self._graphs[moving] = Replay(step.func.__self__, step)
            found.append(self._graphs[moving])

    monkeypatch.setattr(Graphs, "record", record)
    return found


CASES: dict[str, dict[str, Any]] = {
    "momentum": {"optimizer_arguments": {"momentum": 0.9}},
    "adam, clipped": {"optimizer": "Adam", "learning_rate": 1e-3, "clip": 1.0},
    "a lane waits": {"optimizer": "Adam", "short": 16},
    "a lane stops": {"optimizer": "Adam", "learning_rate": 0.003, "patience": 1, "epochs": 10},
    "a schedule": {"scheduler": "StepLR", "scheduler_arguments": {"step_size": 1}},
}


@pytest.mark.parametrize("case", CASES)
def test_recorded_steps_are_still_the_step(case: str, replays: list[Replay], monkeypatch: pytest.MonkeyPatch) -> None:
    plain = trainer_of("mlp with batch norm", "cpu", 0.3, **CASES[case])
    plain.run()
    assert not replays
    monkeypatch.setattr(Trainer, "_may_record", lambda self: True)
    recorded = trainer_of("mlp with batch norm", "cpu", 0.3, **CASES[case])
    lanes: list[int] = []
    recorded.run(epoch_over=lambda: lanes.append(len(recorded.lanes)))
    assert (1 in lanes) == (case == "a lane stops")  # the stack was made anew for the other one
    assert sum(one.count for one in replays) > 0
    for one, other in zip(plain.best.outcomes(), recorded.best.outcomes(), strict=True):
        assert one.curve == other.curve
        assert one.state is not None
        assert other.state is not None
        assert all(torch.equal(value, other.state[name]) for name, value in one.state.items())


def test_what_is_recorded_once_serves_all_epochs(replays: list[Replay], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "_may_record", lambda self: True)
    trainer_of("mlp", "cpu", epochs=4).run()
    # 20 steps an epoch; the first 3 of the first are done as they are.
    assert [one.count for one in replays] == [4 * 20 - 3]


@pytest.mark.parametrize(("device", "settings", "expected"), [
    ("cpu", {}, False),
    ("cuda", {}, True),
    ("cuda", {"optimizer": "Adagrad"}, False),
    ("cuda", {"scheduler": "StepLR", "scheduler_arguments": {"step_size": 1}, "schedule_by": "step"}, False),
])  # fmt: skip
def test_which_steps_may_be_recorded(device: str, settings: dict[str, Any], expected: bool) -> None:
    trainer = trainer_of("mlp", "cpu", **settings)
    trainer.task = trainer.task._replace(device=device)
    assert trainer._may_record() is expected
