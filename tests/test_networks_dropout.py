"""Dropout by hash: the compiled loop and torch give the same bits, at the right rate, and nothing repeats itself."""

from __future__ import annotations

import itertools

import pytest
import torch
from network_cases import DEVICES

from signals.networks.dropout import Dropout, _scrambled, mask
from signals.networks.stack import Start

RATES = (0.0, 0.1, 0.5, 0.9)
ELEMENTS = 20_000


@pytest.fixture(params=DEVICES)
def device(request):
    return request.param


def dropout(seeds=(0, 1), rates=RATES, layer=0, numbers=None):
    return Dropout(Start(seeds, rates, numbers), layer)


def step(number):
    return torch.tensor(number)


@pytest.mark.parametrize("layer", [0, 1, 7])
@pytest.mark.parametrize("number", [0, 1, 2**31, 2**40 + 3])
def test_loop_and_torch_give_the_same_bits(number, layer, device):
    seeds = (0, 1, -1, 2**63 - 1, 123456789)
    ours = dropout(seeds, layer=layer)
    looped = ours(torch.ones(len(seeds) * len(RATES), 50, 40), step(number)).view(-1, 2000)
    elsewhere = dropout(seeds, layer=layer).to(device)
    assert torch.equal(mask(elsewhere, step(number).to(device), 2000).cpu(), looped)


def test_the_first_elements_by_the_formula():
    """Keys and values worked out again on Python's own numbers, as the module says them."""
    ours = dropout((5,), (0.5,), layer=2)
    base = _scrambled(_scrambled(5) + 0x9E3779B97F4A7C15)
    key = _scrambled(base + 11 * 0x9E3779B97F4A7C15 + 2 * 0xD1B54A32D192ED03)
    wanted = []
    for i in range(100):
        value = (i * 0x9E3779B9 + key) % 2**32
        value = (value ^ value >> 16) * 0x7FEB352D % 2**32
        value = ((value ^ value >> 15) + (key >> 32)) * 0x846CA68B % 2**32
        wanted.append(2.0 if value ^ value >> 16 >= 2**31 else 0.0)
    assert ours(torch.ones(1, 100), step(11))[0].tolist() == wanted
    # The first output of splitmix64 from state 0 (Vigna's reference code), which scrambles the golden constant.
    assert _scrambled(0x9E3779B97F4A7C15) == 0xE220A8397B1DCDAF


def test_the_rate_is_right():
    """20 steps of 20,000 elements each: the share dropped is within 5 standard errors, in every model."""
    ours = dropout()
    zeros = torch.stack([mask(ours, step(k), ELEMENTS) == 0 for k in range(20)])  # (20, M, elements)
    for m, rate in enumerate(RATES * 2):
        error = (rate * (1 - rate) / (20 * ELEMENTS)) ** 0.5
        assert float(zeros[:, m].double().mean()) == pytest.approx(rate, abs=5 * error + 1e-12)


def test_what_is_kept_is_scaled():
    values = mask(dropout(), step(0), ELEMENTS)
    for m, rate in enumerate(RATES * 2):
        kept = values[m][values[m] != 0]
        assert torch.equal(kept, torch.full_like(kept, 1 / (1 - rate)))


def test_masks_are_independent():
    """Two masks of rate 1/2 agree on half of the elements whatever they differ in, and so do a mask and itself moved.

    The count of agreements is binomial with a standard error of sqrt(0.25 / n); 5 of them; 136 pairs.
    """
    pictures = {}
    for seed, number, layer, at in itertools.product((0, 1), (0, 1), (0, 1), (0, 1)):
        ours = dropout((seed,), (0.5,), layer, (number,))
        pictures[seed, number, layer, at] = mask(ours, step(at), ELEMENTS)[0] == 0
    bound = 5 * (0.25 / ELEMENTS) ** 0.5
    pairs = list(itertools.combinations(pictures.values(), 2))
    pairs += [(one, one.roll(by)) for one in list(pictures.values())[:4] for by in (1, 2, 256, 1024)]
    assert len(pairs) == 120 + 16
    for one, other in pairs:
        assert float((one == other).double().mean()) == pytest.approx(0.5, abs=bound)


def test_neighbouring_steps_drop_an_element_independently():
    """How often an element is dropped over 2,000 steps is binomial: the variance over elements is that of one."""
    ours, steps, elements = dropout((0,), (0.5,)), 2000, 512
    counts = sum((mask(ours, step(k), elements)[0] == 0).double() for k in range(steps))
    # Variance n/4, and its estimate over 512 elements has a relative standard error of sqrt(2 / 511).
    assert float(counts.var()) == pytest.approx(steps / 4, rel=5 * (2 / 511) ** 0.5)


def test_the_gradient_goes_through_the_same_mask(device):
    ours = dropout().to(device)
    x = torch.randn(8, 30, 20, generator=torch.Generator().manual_seed(0)).to(device).requires_grad_()
    pull = torch.randn(8, 30, 20, generator=torch.Generator().manual_seed(1)).to(device)
    out = ours(x, step(3).to(device))
    out.backward(pull)
    drawn = mask(ours, step(3).to(device), 600).view(x.shape)
    assert torch.equal(out, x * drawn)
    assert torch.equal(x.grad, pull * drawn)


def test_both_ways_agree_in_double_precision_too():
    ours = dropout()
    x = torch.randn(8, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert torch.autograd.gradcheck(lambda values: ours(values, step(1)), x)


def test_nothing_is_dropped_in_evaluation_or_at_rate_0():
    x = torch.ones(8, 5)
    assert dropout().eval()(x, step(0)) is x
    still = dropout(rates=(0.0,) * 4)
    assert still(x, step(0)) is x


def test_order_in_memory_does_not_matter():
    ours = dropout()
    x = torch.randn(8, 20, 30, generator=torch.Generator().manual_seed(0)).transpose(1, 2)
    assert torch.equal(ours(x, step(0)), ours(x.contiguous(), step(0)))


def test_nan_is_kept_by_both():
    ours = dropout()
    x = torch.full((8, 100), torch.nan)
    assert ours(x, step(0)).isnan().all()
    assert (x * mask(ours, step(0), 100)).isnan().all()
