"""Stacks of networks: each model is what it would be alone, and no other's trouble is its own."""

from __future__ import annotations

import pytest
import torch
from network_cases import BATCH, DEVICES, FLAT, INPUTS, SHAPES, batch_of, own_module, stack_of
from torch import nn

import backtester as bt
from signals.networks import (
    CNNShape,
    MLPShape,
    ModuleShape,
    RecurrentShape,
    TransformerShape,
    build,
    penalized,
    put,
    take,
)

SEEDS, DROPOUT = (3, 1, 4), (0.0, 0.3)
# Sums of at most 32 products in up to 9 steps of 2 layers may be taken in another order: 600 roundings of half a unit
# in the last place, 2**-24, of values around 1, and a factor of 4 for sums larger than what is left of them.
SINGLE = 600 * 4 * 2**-24


@pytest.fixture(params=DEVICES)
def device(request):
    return request.param


def step(number, device="cpu"):
    return torch.tensor(number, device=device)


def descend(stack, name, steps, lanes):
    """A few plain gradient steps on outputs squared, each model by its own gradient."""
    for k in range(steps):
        x = batch_of(name, 8, seed=k)[list(lanes)].to(stack.head.weight)
        stack(x, step(k, x.device)).square().mean((1, 2)).sum().backward()
        with torch.no_grad():
            for one in stack.parameters():
                one -= 0.1 * one.grad
                one.grad = None


@pytest.mark.parametrize("name", SHAPES)
def test_a_model_in_a_stack_is_the_model_alone(name, device):
    """First weights to the bit; weights after three steps with dropout, and outputs then, to the rounding."""
    stack = stack_of(name, SEEDS, DROPOUT).to(device)
    alone = [
        build(SHAPES[name], 1, [seed], [p], [number]).to(device) for seed in SEEDS for number, p in enumerate(DROPOUT)
    ]
    for key, value in stack.state().items():
        assert torch.equal(value, torch.cat([one.state()[key] for one in alone])), key

    descend(stack, name, 3, range(3))
    for m, one in enumerate(alone):
        descend(one, name, 3, [m // 2])
    for key, value in stack.state().items():
        torch.testing.assert_close(value, torch.cat([one.state()[key] for one in alone]), atol=SINGLE, rtol=0)
    x = batch_of(name, 3).to(device)
    with torch.no_grad():
        outputs = torch.cat([one.eval()(x[m // 2][None], step(0, device)) for m, one in enumerate(alone)])
        torch.testing.assert_close(stack.eval()(x, step(0, device)), outputs, atol=SINGLE, rtol=0)


@pytest.mark.parametrize("trouble", ["weights", "gradient"])
@pytest.mark.parametrize("name", SHAPES)
def test_nan_stays_in_its_model(name, trouble, device):
    """Model 1 of 6 turns NaN: gradients, outputs and statistics of the other five stay equal to the bit."""
    stacks = [stack_of(name, SEEDS, DROPOUT).to(device) for _ in range(2)]
    if trouble == "weights":
        sick = {key: torch.full_like(value, torch.nan) for key, value in take(stacks[1].state(), [1]).items()}
        put(stacks[1], [1], sick)
    x = batch_of(name, 3).to(device)
    outputs = []
    for k, stack in enumerate(stacks):
        out = stack(x, step(5, device))
        factor = torch.ones(stack.count, 1, 1, device=device)
        if k == 1 and trouble == "gradient":
            factor[1] = torch.nan
        (out * factor).square().sum().backward()
        outputs.append(out.detach())
    well = [0, 2, 3, 4, 5]
    assert torch.equal(outputs[0][well], outputs[1][well])
    for (key, one), other in zip(stacks[0].named_parameters(), stacks[1].parameters(), strict=True):
        assert torch.equal(one.grad[well], other.grad[well]), key
        assert not one.grad[1].isnan().any()
    assert stacks[1].head.weight.grad[1].isnan().all()
    for key, value in stacks[0].state().items():
        assert torch.equal(value[well], stacks[1].state()[key][well]), key


@pytest.mark.parametrize("name", SHAPES)
def test_building_leaves_torchs_generator_alone(name):
    before = torch.random.get_rng_state()
    one, other = stack_of(name, SEEDS), stack_of(name, SEEDS)
    assert all(torch.equal(value, other.state()[key]) for key, value in one.state().items())
    one(batch_of(name, 3), step(0))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_configurations_of_a_lane_start_alike_and_lanes_do_not():
    weight = stack_of("mlp", SEEDS, DROPOUT).layers[0].weight
    assert torch.equal(weight[0::2], weight[1::2])
    assert not torch.equal(weight[0], weight[2])


def test_models_are_cut_out_and_put_in():
    stack, other = stack_of("mlp_batch", (0, 1)), stack_of("mlp_batch", (2, 3))
    stack(batch_of("mlp_batch", 2), step(0))  # moves the statistics
    taken = stack.models([3, 0])
    held = {key: value.clone() for key, value in taken.items()}
    put(other, [1, 2], taken)
    for key, value in other.state().items():
        assert torch.equal(value[[1, 2]], stack.state()[key][[3, 0]])
        assert torch.equal(value[[0, 3]], stack_of("mlp_batch", (2, 3)).state()[key][[0, 3]])
    stack(batch_of("mlp_batch", 2), step(1))
    assert all(torch.equal(taken[key], held[key]) for key in held), "a copy moved with the stack"


def test_weights_of_another_network_are_refused():
    stack = stack_of("mlp")
    with pytest.raises(bt.SignalError, match=r"layers\.1\.bias, layers\.1\.weight is in one and not in the other"):
        put(stack, [0], build(MLPShape(INPUTS, outputs=3, hidden=(8,)), 1, [0], [0.0]).models([0]))
    with pytest.raises(bt.SignalError, match=r"layers\.0\.weight has shape \(1, 9, 5\) where \(1, 8, 5\) is needed"):
        put(stack, [0], build(MLPShape(INPUTS, outputs=3, hidden=(9, 6)), 1, [0], [0.0]).models([0]))


def test_penalties_act_on_weights_alone():
    names = {name: _penalized_names(stack_of(name)) for name in ("mlp_batch", "mlp_skip", "lstm", "cnn", "transformer")}
    assert names["mlp_batch"] == ["layers.0.weight", "layers.1.weight", "head.weight"]
    assert names["mlp_skip"] == [
        "layers.0.weight",
        "layers.1.weight",
        "layers.2.weight",
        "layers.2.skip",
        "head.weight",
    ]
    assert names["lstm"] == [
        *("layers.0.input_weight", "layers.0.hidden_weight", "layers.1.input_weight", "layers.1.hidden_weight"),
        "head.weight",
    ]
    assert names["cnn"] == ["layers.0.weight", "layers.1.weight", "head.weight"]
    parts = [f"layers.{k}.{part}.weight" for k in (0, 1) for part in ("attend", "merge", "rise", "fall")]
    assert names["transformer"] == ["enter.weight", *parts, "head.weight"]
    own = build(ModuleShape(lambda: nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1))), 1, [0], [0.0])
    assert _penalized_names(own) == ["module.0.weight"]


def _penalized_names(stack):
    found = {id(one) for one in penalized(stack)}
    return sorted(
        (name for name, one in stack.named_parameters() if id(one) in found),
        key=[name for name, _ in stack.named_parameters()].index,
    )


@pytest.mark.parametrize("name", [name for name in FLAT if "batch" in name])
def test_batch_norm_looks_at_its_own_lane_alone(name):
    stack, x = stack_of(name, SEEDS), batch_of(name, 3)
    changed = x.clone()
    changed[2] += 1.0
    first = stack(x, step(0))
    assert torch.equal(stack(changed, step(0))[:4], first[:4])


MISTAKES = [
    (lambda: MLPShape(0), "inputs is 0; it must be a whole number of at least 1"),
    (lambda: MLPShape(3, hidden=(4, 0)), r"hidden is \(4, 0\); it must be whole numbers of at least 1"),
    (lambda: MLPShape(3, activation="rleu"), "activation is 'rleu'.*Did you mean 'relu'"),
    (lambda: MLPShape(3, norm="btch"), "norm is 'btch'.*Did you mean 'batch'"),
    (lambda: RecurrentShape("lstn", 3), "cell is 'lstn'.*Did you mean 'lstm'"),
    (lambda: RecurrentShape("gru", 3, layers=1.5), "layers is 1.5; it must be a whole number"),
    (lambda: CNNShape(3, channels=()), r"channels is \(\); it must be whole numbers"),
    (lambda: CNNShape(3, kernel=0), "kernel is 0"),
    (lambda: TransformerShape(3, width=10, heads=4), "width is 10, which 4 heads cannot share equally"),
    (lambda: build(MLPShape(3), 2, [0], [0.0]), "2 lanes have 1 seeds"),
    (lambda: build(MLPShape(3), 1, [0], [1.0]), r"dropout is 1.0; it must be at least 0 and below 1"),
    (lambda: build(MLPShape(3), 1, [0], []), "a stack has 1 seeds and 0 dropouts"),
    (lambda: build(MLPShape(3), 1, [0], [0.1, 0.2], [5]), "2 configurations have 1 numbers"),
    (lambda: build(own_module(), 2, [0, 1], [0.0]), "a module of one's own is trained alone; 2 were asked for"),
]


@pytest.mark.parametrize(("make", "message"), MISTAKES, ids=range(len(MISTAKES)))
def test_what_cannot_be_built(make, message):
    with pytest.raises(bt.ConfigError, match=message):
        make()


def test_a_window_longer_than_the_transformer():
    stack = build(TransformerShape(INPUTS, window=8), 1, [0], [0.0])
    with pytest.raises(bt.SignalError, match="a window has 9 sessions; this transformer was built for 8"):
        stack(batch_of("transformer", 1), step(0))


def test_a_module_of_ones_own(device):
    stack = build(own_module(), 1, [7], [0.0]).to(device)
    x = batch_of("mlp", 1).to(device)
    before = torch.random.get_rng_state()
    first, again, later = (stack(x, step(k, device)) for k in (3, 3, 4))
    assert first.shape == (1, BATCH, 1)
    assert torch.equal(first, again), "what it drops is decided by seed and step"
    assert not torch.equal(first, later)
    assert torch.equal(torch.random.get_rng_state(), before)
    first.sum().backward()
    assert all(one.grad is not None for one in stack.parameters())

    other = build(own_module(), 1, [8], [0.0]).to(device)
    assert not torch.equal(other.module[0].weight, stack.module[0].weight)
    put(other, [0], stack.models([0]))
    assert torch.equal(other.eval()(x, step(0, device)), stack.eval()(x, step(9, device)))
    assert torch.equal(stack(x, step(0, device))[0], stack.module(x[0]))


class _Raises(nn.Module):
    def forward(self, x):
        return x @ torch.ones(99, 1)


WRONG = [
    (lambda: nn.Linear(INPUTS, 2), rf"the module gave \({BATCH}, 2\); it must give \({BATCH}, 1\)"),
    (lambda: nn.Flatten(0), rf"the module gave \({BATCH * INPUTS},\); it must give \({BATCH}, 1\)"),
    (lambda: nn.RNN(INPUTS, 1), rf"the module gave tuple; it must give \({BATCH}, 1\)"),
    (_Raises, "the module raised RuntimeError: .* at .*test_networks.py"),
    (lambda: "network", "make gave str; it must give a torch.nn.Module"),
]


@pytest.mark.parametrize(("make", "message"), WRONG, ids=range(len(WRONG)))
def test_a_module_that_does_not_fit(make, message):
    with pytest.raises(bt.SignalError, match=message):
        build(ModuleShape(make), 1, [0], [0.0])(batch_of("mlp", 1), step(0))


def test_one_output_may_come_without_its_dimension():
    stack = build(ModuleShape(lambda: nn.Sequential(nn.Linear(INPUTS, 1), nn.Flatten(0))), 1, [0], [0.0])
    assert stack(batch_of("mlp", 1), step(0)).shape == (1, BATCH, 1)
