"""Networks on CUDA against the CPU: the same training, recorded steps, nothing from the host inside an epoch.

Run with ``pytest -m gpu`` on a machine that has one.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from trainers import FEATURES, SHAPES, WINDOW, trainer_of

import backtester as bt
from signals.networks import build
from signals.networks.dropout import Dropout, mask
from signals.networks.stack import Start
from signals.neural import LSTM, MLP
from signals.training.capture import side_stream
from signals.training.trainer import Trainer

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device here"),
]

DEVICE = "cuda"
# A step's gradient is a mean of 32 products of numbers near 1, rounded to 6e-8 and summed in another order: about 1e-6.
# Plain gradient descent adds 40 of them, each times a rate of 0.05, and what they change comes back through tanh and
# relu with a slope of at most 1 or so.
CLOSE: dict[str, Any] = {"rtol": 1e-4, "atol": 2e-5}


@pytest.fixture(autouse=True)
def exact() -> Iterator[None]:
    """Products in whole float32, whatever ran before."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32 = before


def run(trainer: Trainer) -> dict[str, Tensor]:
    """Train, and return all weights on the CPU."""
    trainer.run()
    return {name: value.detach().cpu() for name, value in trainer.stack.state().items()}


def recorded(trainer: Trainer) -> int:
    """How many kinds of steps were recorded."""
    return len(trainer._graphs._graphs)


def assert_close(one: dict[str, Tensor], other: dict[str, Tensor], **tolerance: float) -> None:
    """All weights are the same up to rounding."""
    for name, value in one.items():
        torch.testing.assert_close(
            value, other[name], **{**CLOSE, **tolerance}, msg=lambda text, name=name: name + text
        )


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("kind", SHAPES)
def test_a_stack_learns_what_it_learns_on_the_cpu(kind: str, dropout: float) -> None:
    there, here = trainer_of(kind, DEVICE, dropout), trainer_of(kind, "cpu", dropout)
    assert_close(run(there), run(here))
    assert recorded(there) == 1
    for one, other in zip(there.best.curve, here.best.curve, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, rel=1e-4)
        assert one.valid_loss == pytest.approx(other.valid_loss, rel=1e-4)


def test_lanes_that_wait_and_steps_of_each_kind() -> None:
    kind, settings = "mlp with batch norm", {"dropout": 0.2, "short": 16, "batch": 16}
    there, here = trainer_of(kind, DEVICE, **settings), trainer_of(kind, "cpu", **settings)
    assert_close(run(there), run(here))
    assert recorded(there) == 2  # both lanes, 20 steps; the longer one alone, 20 more


@pytest.mark.parametrize("name", ["Adam", "AdamW", "RMSprop", "NAdam", "RAdam", "Adamax", "Adadelta", "Rprop", "ASGD"])
def test_a_recorded_step_is_the_step(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    replayed = trainer_of("mlp", DEVICE, 0.3, optimizer=name, learning_rate=1e-3, clip=1.0)
    got = run(replayed)
    assert recorded(replayed) == 1
    monkeypatch.setattr(Trainer, "_may_record", lambda self: False)
    eager = trainer_of("mlp", DEVICE, 0.3, optimizer=name, learning_rate=1e-3, clip=1.0)
    expected = run(eager)
    assert recorded(eager) == 0
    # The same kernels on the same numbers; a product may take another way through a sum.
    assert_close(got, expected, rtol=1e-3, atol=1e-5)


def test_a_schedule_moves_the_rate_of_recorded_steps() -> None:
    settings: dict[str, Any] = {"scheduler": "StepLR", "scheduler_arguments": {"step_size": 1, "gamma": 0.1}}
    there, here = trainer_of("mlp", DEVICE, **settings), trainer_of("mlp", "cpu", **settings)
    assert_close(run(there), run(here))
    by_step = {**settings, "schedule_by": "step", "scheduler_arguments": {"step_size": 10}}
    there, here = trainer_of("mlp", DEVICE, **by_step), trainer_of("mlp", "cpu", **by_step)
    assert_close(run(there), run(here))
    assert recorded(there) == 0


@pytest.mark.parametrize("kind", ["mlp", "lstm"])
def test_nothing_crosses_inside_an_epoch(kind: str) -> None:
    trainer = trainer_of(kind, DEVICE, 0.3, optimizer="Adam", learning_rate=1e-3, clip=1.0, epochs=1)
    trainer.run()
    assert recorded(trainer) == 1
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with side_stream(DEVICE):
        trainer._draw_order()
        torch.cuda.synchronize()
        with torch.profiler.profile(activities=activities) as profile:
            torch.cuda.set_sync_debug_mode("error")
            try:
                trainer._train_epoch(lambda steps: None)
            finally:
                torch.cuda.set_sync_debug_mode("default")
            torch.cuda.synchronize()
    names = {event.key for event in profile.key_averages()}
    assert not [name for name in names if "HtoD" in name or "DtoH" in name]
    assert any("cudaGraphLaunch" in name for name in names)  # the profile did see the device


def test_dropout_is_the_same_to_the_bit() -> None:
    dropout = Dropout(Start([5, 9], [0.1, 0.5], None), 2)
    for step in (0, 1, (3 << 24) + 7):
        number = torch.tensor(step)
        assert torch.equal(
            mask(dropout.to(DEVICE), number.to(DEVICE), 1000).cpu(), mask(dropout.to("cpu"), number, 1000)
        )


@pytest.mark.parametrize("kind", SHAPES)
def test_scores_are_those_of_the_cpu(kind: str) -> None:
    stack = build(SHAPES[kind], 1, [0], [0.0, 0.0]).eval()
    generator = torch.Generator().manual_seed(1)
    sizes = (1, 500, FEATURES) if kind.startswith("mlp") else (1, 500, WINDOW, FEATURES)
    x, step = torch.randn(sizes, generator=generator), torch.zeros((), dtype=torch.int64)
    with torch.inference_mode():
        expected = stack(x, step)
        got = stack.to(DEVICE)(x.to(DEVICE), step.to(DEVICE)).cpu()
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


def test_half_precision_learns_about_the_same() -> None:
    half, whole = trainer_of("mlp", DEVICE, precision="bf16"), trainer_of("mlp", DEVICE)
    run(half)
    run(whole)
    assert recorded(half) == 1
    for one, other in zip(half.best.curve, whole.best.curve, strict=True):
        assert one.train_loss != other.train_loss
        assert one.train_loss == pytest.approx(other.train_loss, rel=0.02)  # 8 bits: 0.4 % a number


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="torch.compile needs triton on CUDA")
def test_a_compiled_network_learns_the_same() -> None:
    compiled = trainer_of("mlp", DEVICE, 0.3, compile=True)
    assert_close(run(compiled), run(trainer_of("mlp", DEVICE, 0.3)))
    assert recorded(compiled) == 1


@pytest.fixture(scope="module")
def market() -> bt.SyntheticMarket:
    """A small market."""
    return bt.synthetic(30, 160, 0, rank_ic=0.1)


@pytest.mark.parametrize(
    "signal",
    [MLP(features=["extra"], epochs=2, batch=64, device=DEVICE), LSTM(8, window=5, epochs=1, batch=64, device=DEVICE)],
    ids=["mlp", "lstm"],
)
def test_a_walk_on_cuda_is_that_on_the_cpu(signal: Any, market: bt.SyntheticMarket) -> None:
    folds = bt.Folds(60, 30)
    there = bt.walk_forward(market.panel, signal, folds).values
    here = bt.walk_forward(market.panel, signal.varied(device="cpu"), folds).values
    assert np.array_equal(np.isnan(there), np.isnan(here))
    known = np.isfinite(here)
    assert np.corrcoef(there[known], here[known])[0, 1] > 0.999  # Adam divides what is small by what is small


def test_lanes_that_the_device_has_no_room_for_train_in_turn(
    market: bt.SyntheticMarket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    signal, folds = MLP(features=["extra"], epochs=2, batch=64, device=DEVICE), bt.Folds(60, 30)
    expected = bt.walk_forward(market.panel, signal, folds).values
    begin = Trainer.begin

    def no_room(self: Trainer) -> None:
        if len(self.task.lanes) > 1:
            torch.empty(1 << 50, device=DEVICE)  # a pebibyte
        begin(self)

    monkeypatch.setattr(Trainer, "begin", no_room)
    with caplog.at_level(logging.WARNING, logger="signals"):
        got = bt.walk_forward(market.panel, signal, folds).values
    assert "out of memory on cuda" in caplog.text
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-6)
