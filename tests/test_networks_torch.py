"""Every network of a stack against torch.nn's own modules with the same weights."""

from __future__ import annotations

import pytest
import torch
from network_cases import ACTIVATIONS, DEVICES, SEQUENCES, SHAPES, batch_of, stack_of, torch_of

from signals.networks.layers import LINEAR, activate, dense

STEP = torch.tensor(0)
# Sums of at most 32 products, in up to 9 steps of 2 layers, in another order: 600 roundings of half a unit in the last
# place each (2**-53 and 2**-24), of values around 1. The bound leaves a factor of 4 for sums larger than what is left.
TOLERANCE = {torch.float64: 600 * 4 * 2**-53, torch.float32: 600 * 4 * 2**-24}


@pytest.fixture(params=DEVICES)
def device(request):
    return request.param


def near(ours, theirs):
    bound = TOLERANCE[theirs.dtype]
    torch.testing.assert_close(ours, theirs, atol=bound * max(1.0, float(theirs.detach().abs().max())), rtol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
@pytest.mark.parametrize("name", SHAPES)
def test_outputs_and_gradients(name, dtype, device):
    stack = stack_of(name, dropout=(0.0, 0.0)).to(device, dtype)
    theirs = [torch_of(name, stack, m) for m in range(stack.count)]
    x = batch_of(name, stack.lanes).to(device, dtype)
    out = stack(x, STEP.to(device))
    wanted = torch.stack([net(x[m // stack.configs]) for m, net in enumerate(theirs)])
    near(out, wanted)

    pull = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(1)).to(wanted)
    (out * pull).sum().backward()
    (wanted * pull).sum().backward()
    for key, parameter in stack.named_parameters():
        near(parameter.grad, torch.stack([net.get_parameter(net.name_of(key)).grad for net in theirs]))

    stack.eval()
    wanted = torch.stack([net.eval()(x[m // stack.configs]) for m, net in enumerate(theirs)])
    with torch.no_grad():
        near(stack(x, STEP.to(device)), wanted)


@pytest.mark.parametrize("name", ["mlp_batch"])
def test_statistics_of_batch_norm_are_kept_per_model(name, device):
    stack = stack_of(name, dropout=(0.0, 0.0)).to(device)
    theirs = [torch_of(name, stack, m) for m in range(stack.count)]
    for seed in range(3):
        x = batch_of(name, stack.lanes, seed).to(device)
        stack(x, STEP.to(device))
        for m, net in enumerate(theirs):
            net(x[m // stack.configs])
    for key, value in stack.named_buffers():
        if key.endswith(("mean", "var")):
            near(value, torch.stack([net.get_buffer(net.name_of(key)) for net in theirs]))


@pytest.mark.parametrize("activation", [*ACTIVATIONS, LINEAR])
@pytest.mark.parametrize("groups", [2, 6])
def test_both_ways_through_a_dense_layer(activation, groups):
    """The function of the CPU against what autograd makes of the formula, and against differences."""
    draw = torch.Generator().manual_seed(0)
    sizes = ((groups, 4, 5), (6, 3, 4), (6, 3))
    given = [torch.randn(size, dtype=torch.float64, generator=draw).requires_grad_() for size in sizes]
    assert torch.autograd.gradcheck(lambda *own: dense(*own, activation), given)
    x, weight, bias = given
    formula = activate(activation, weight @ x.repeat_interleave(6 // groups, 0) + bias[:, :, None])
    out = dense(*given, activation)
    near(out, formula)
    with torch.no_grad():
        assert torch.equal(dense(*given, activation), out)
    pull = torch.randn(6, 3, 5, dtype=torch.float64, generator=draw)
    for ours, theirs in zip(
        torch.autograd.grad(out, given, pull), torch.autograd.grad(formula, given, pull), strict=True
    ):
        near(ours, theirs)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_both_ways_through_a_recurrent_layer(name, dtype, device):
    layers = stack_of(name).to(device, dtype).layers
    h = batch_of(name, 2).to(device, dtype).transpose(1, 2)
    for layer in layers:
        found = layer.step_by_step(h)
        near(layer.one_by_one(h), found)
        h = found


@pytest.mark.parametrize("name", SHAPES)
def test_first_weights_are_spread_as_torch_spreads_them(name):
    """400 starts of each: the standard deviations of a parameter agree, and none goes beyond torch's largest."""
    stack = stack_of(name, range(400), (0.0,))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = [torch_of(name, None, 0) for _ in range(400)]
    for key, ours in stack.state().items():
        if key.endswith(("norm.mean", "norm.var")):
            continue
        wanted = torch.stack([net.get_parameter(net.name_of(key)).detach() for net in theirs])
        assert ours.shape == wanted.shape
        # A uniform variable's sample variance has a relative error of sqrt(0.8 / n), its deviation half of that; two of
        # them, five standard errors.
        bound = 5 * (0.8 / wanted.numel()) ** 0.5 / 2 * 2**0.5
        assert float(ours.std()) == pytest.approx(float(wanted.std()), rel=bound, abs=1e-12), key
        error = float(wanted.std()) * (2 / wanted.numel()) ** 0.5
        assert float(ours.mean()) == pytest.approx(float(wanted.mean()), abs=5 * error), key
        # Of n >= 400 uniform draws the largest is within 5 % of the bound, but for a chance of 0.95**400 = 1e-9.
        assert float(ours.abs().max()) == pytest.approx(float(wanted.abs().max()), rel=0.05), key


@pytest.mark.parametrize("name", SEQUENCES)
def test_what_each_session_becomes_ends_in_the_output(name, device):
    """`states` at the last session is what the head sees, though the output takes a shorter way to it."""
    stack = stack_of(name).to(device).eval()
    x = batch_of(name, stack.lanes).to(device)
    with torch.no_grad():
        last = states(stack, x)[:, :, -1]  # (M, B, H)
        near(
            torch.einsum("mbh,moh->mbo", last, stack.head.weight) + stack.head.bias[:, None], stack(x, STEP.to(device))
        )


@pytest.mark.parametrize("name", SEQUENCES)
def test_no_session_sees_the_next(name, device):
    """Change everything after session j: what the sessions up to j have become stays, and what comes after moves."""
    stack = stack_of(name).to(device, torch.float64).eval()
    x = batch_of(name, stack.lanes).to(device, torch.float64)
    with torch.no_grad():
        before = states(stack, x)
        for j in range(x.shape[2] - 1):
            changed = x.clone()
            changed[:, :, j + 1 :] += 3.0
            after = states(stack, changed)
            torch.testing.assert_close(after[:, :, : j + 1], before[:, :, : j + 1], atol=1e-13, rtol=0)
            assert (after[:, :, j + 1] - before[:, :, j + 1]).abs().max() > 1e-3


def states(stack, x):
    """(M, B, L, H) of any kind of sequence network."""
    found = stack.states(x, STEP.to(x.device))
    if hasattr(stack, "reach"):
        return found.permute(0, 3, 2, 1)  # of a CNN: (M, H, L, B)
    return found.transpose(1, 2) if hasattr(stack, "dropouts") else found  # recurrent: (M, L, B, H)
