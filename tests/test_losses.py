"""Losses by hand-worked numbers, by their slopes, and by what they must not look at."""

from __future__ import annotations

import math

import pytest
import torch
from network_cases import DEVICES
from scipy.stats import spearmanr

import backtester as bt
import signals.losses
from signals.losses import LOSSES, loss_of


@pytest.fixture(params=DEVICES)
def device(request):
    return request.param


def case(name, models=3, seed=0):
    """Output, label and weight of a loss in double precision; a fifth of the weights is 0."""
    draw = torch.Generator().manual_seed(seed)
    size = (models, 12) if LOSSES[name].batches == "rows" else (models, 4, 9)
    output = torch.randn(*size, LOSSES[name].outputs, dtype=torch.float64, generator=draw)
    label = torch.randn(size, dtype=torch.float64, generator=draw)
    weight = (torch.rand(size, generator=draw) > 0.2).double()
    if name == "bce":
        label = (label > 0).double()
    if name == "cross_entropy":
        label = torch.sign(label) * (label.abs() > 0.5)
    return output, label, weight


def rows(*values):
    return torch.tensor([values], dtype=torch.float64)  # (1, B)


HAND = [
    # (1 - 0)^2 and (-2 - 1)^2: mean of 1 and 9. The third has weight 0.
    ("mse", {}, [[1.0], [-2.0], [50.0]], [0, 1, 0], [1, 1, 0], 5.0, [1.0, -2.0, 50.0]),
    # |1 - 0| and |-2 - 1|: mean of 1 and 3.
    ("mae", {}, [[1.0], [-2.0], [50.0]], [0, 1, 0], [1, 1, 0], 2.0, [1.0, -2.0, 50.0]),
    # delta 2: 1 / 2 and 2 * (3 - 1): mean of 0.5 and 4.
    ("huber", {"delta": 2.0}, [[1.0], [-2.0]], [0, 1], [1, 1], 2.25, [1.0, -2.0]),
    # p = 3/4 for log 3, label 1: -log(3/4); p = 1/2, label 0: -log(1/2). Scores 2p - 1.
    ("bce", {}, [[math.log(3)], [0.0]], [1, 0], [1, 1], (math.log(4 / 3) + math.log(2)) / 2, [0.5, 0.0]),
    # Chances 1/6, 2/6, 3/6 with label 1, then 1/3 each with label -1. Scores 3/6 - 1/6 and 0.
    (
        *("cross_entropy", {}, [[0.0, math.log(2), math.log(3)], [5.0, 5.0, 5.0]], [1, -1], [1, 1]),
        *((math.log(2) + math.log(3)) / 2, [1 / 3, 0.0]),
    ),
    # The same chances with label 0: -log(2/6).
    ("cross_entropy", {}, [[0.0, math.log(2), math.log(3)]], [0], [1], math.log(3), [1 / 3]),
]


@pytest.mark.parametrize(("name", "arguments", "output", "label", "weight", "loss", "score"), HAND)
def test_by_hand(name, arguments, output, label, weight, loss, score):
    found = loss_of(name, **arguments)
    out = torch.tensor([output], dtype=torch.float64)
    assert found.compute(out, rows(*label), rows(*weight)).tolist() == pytest.approx([loss], rel=1e-12)
    assert found.score(out)[0].tolist() == pytest.approx(score, rel=1e-12)


def sharpe_of(positions, labels, weights, cost_bps):
    output = torch.atanh(torch.tensor([positions], dtype=torch.float64))[..., None]  # (1, S, N, 1)
    label = torch.tensor([labels], dtype=torch.float64)
    return float(loss_of("sharpe", cost_bps=cost_bps).compute(output, label, torch.tensor([weights]).double()))


def test_sharpe_by_hand_without_costs():
    # Sessions earn (0.5 * 0.02 - 0.5 * 0.02) / 2 = 0, (0.5 * 0.04 + 0.5 * 0.04) / 2 = 0.02, (0.04 + 0) / 4 = 0.01:
    # mean 0.01, standard deviation sqrt((1 + 1 + 0) / 3) * 0.01, ratio sqrt(3 / 2).
    positions, ones = [[0.5, -0.5], [0.5, -0.5], [0.5, -0.5]], [[1, 1]] * 3
    labels = [[0.02, 0.02], [0.04, -0.04], [0.04, 0.0]]
    # The 1e-12 under the root is 1.5e-8 of the variance, 6.7e-5.
    assert sharpe_of(positions, labels, ones, 0.0) == pytest.approx(-math.sqrt(1.5), rel=1e-7)
    # Nothing is bought or sold after the first session, so costs change nothing.
    assert sharpe_of(positions, labels, ones, 100.0) == pytest.approx(-math.sqrt(1.5), rel=1e-7)


def test_sharpe_by_hand_with_costs():
    # One symbol, positions 0.5, -0.5, 0.25, labels 0.02, -0.04, 0.08: earned 0.01, 0.02, 0.02. At 100 bps the changes
    # of 1 and 0.75 cost 0.01 and 0.0075: net 0.01, 0.01, 0.0125; mean 0.0325 / 3, deviations -1/1200, -1/1200, 1/600,
    # variance (1 + 1 + 4) / 1200^2 / 3 = 2 / 1200^2. Ratio (13 / 1200) / (sqrt(2) / 1200) = 13 / sqrt(2).
    found = sharpe_of([[0.5], [-0.5], [0.25]], [[0.02], [-0.04], [0.08]], [[1]] * 3, 100.0)
    # 1e-12 under the root is 7.2e-7 of the variance, 1.39e-6.
    assert found == pytest.approx(-13 / math.sqrt(2), rel=1e-6)


def test_sharpe_sells_what_is_no_longer_there():
    # The second symbol has weight 0 in session 2: a position of 0, so 0.5 of it is sold, and the session is of one
    # symbol. Earned: (0.01 + 0.01) / 2 = 0.01, then 0.5 * 0.06 / 1 = 0.03, cost at 200 bps 0.5 / 1 * 0.02 = 0.01.
    # Session 3 has nothing at all and does not count. Net 0.01, 0.02: mean 0.015, deviation 0.005.
    found = sharpe_of(
        *([[0.5, 0.5], [0.5, 0.9], [0.1, 0.1]], [[0.02, 0.02], [0.06, math.nan], [9.0, 9.0]]),
        *([[1, 1], [1, 0], [0, 0]], 200.0),
    )
    assert found == pytest.approx(-3.0, rel=1e-7)  # 1e-12 under the root is 4e-8 of 0.005^2


def test_positions_of_sharpe_are_between_minus_one_and_one():
    score = LOSSES["sharpe"].score(torch.tensor([[-30.0], [0.0], [30.0]]))
    assert score.tolist() == [-1.0, 0.0, 1.0]


@pytest.mark.parametrize("name", LOSSES)
def test_slopes(name):
    output, label, weight = case(name)
    output.requires_grad_()
    assert torch.autograd.gradcheck(lambda out: LOSSES[name].compute(out, label, weight), output)


@pytest.mark.parametrize("name", LOSSES)
def test_weight_0_is_not_there(name, device):
    """Labels of NaN and outputs of anything: neither loss nor slope looks at them, and their own slope is 0."""
    output, label, weight = (one.to(device) for one in case(name))
    hidden = weight == 0
    found = []
    for junk in (0.0, 7.0):
        out = torch.where(hidden[..., None], torch.full_like(output, junk), output).requires_grad_()
        loss = LOSSES[name].compute(out, torch.where(hidden, math.nan, label), weight)
        loss.sum().backward()
        found.append((loss.detach(), out.grad))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])
    assert found[0][0].isfinite().all()
    assert (found[0][1][hidden] == 0).all()
    assert found[0][1].abs().max() > 0


@pytest.mark.parametrize("name", LOSSES)
def test_models_do_not_meet(name, device):
    """Each model's loss and slope are those of the model alone, and NaN in one stays there."""
    output, label, weight = (one.to(device) for one in case(name))
    sick = output.clone()
    sick[1] = math.nan
    outs = [output.clone().requires_grad_(), sick.requires_grad_()]
    losses = [LOSSES[name].compute(out, label, weight) for out in outs]
    for loss in losses:
        loss.sum().backward()
    well = [0, 2]
    assert losses[1][1].isnan()
    assert torch.equal(losses[0][well], losses[1][well])
    assert torch.equal(outs[0].grad[well], outs[1].grad[well])
    for m in range(3):
        alone = output[m : m + 1].clone().requires_grad_()
        LOSSES[name].compute(alone, label[m : m + 1], weight[m : m + 1]).sum().backward()
        torch.testing.assert_close(alone.grad[0], outs[0].grad[m], atol=1e-14, rtol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_a_model_without_weight_has_loss_0(name):
    output, label, weight = case(name)
    weight[1] = 0
    output.requires_grad_()
    loss = LOSSES[name].compute(output, label, weight)
    loss.sum().backward()
    assert loss[1] == 0
    assert (output.grad[1] == 0).all()


def ranked(output, label, weight, temperature):
    return loss_of("rank_correlation", temperature=temperature).compute(output, label, weight)


def spearman(output, label, weight):
    """1 less the mean over sessions of Spearman's correlation, by SciPy."""
    found = []
    for out, lab, known in zip(output[..., 0].tolist(), label.tolist(), weight.tolist(), strict=True):
        sessions = [
            [[x, y] for x, y, there in zip(*session, strict=True) if there]
            for session in zip(out, lab, known, strict=True)
        ]
        found.append(1 - sum(spearmanr(session).statistic for session in sessions) / len(sessions))
    return torch.tensor(found, dtype=torch.float64)


def test_soft_ranks_approach_spearman():
    output, label, weight = case("rank_correlation", models=4)
    label = label.round(decimals=0)  # with ties
    wanted = spearman(output, label, weight)
    apart = [float((ranked(output, label, weight, t) - wanted).abs().max()) for t in (0.1, 0.01, 1e-5)]
    assert apart == sorted(apart, reverse=True)
    # Scores 1e-3 apart, in a session whose standard deviation is below 2, are 50 temperatures of 1e-5 apart:
    # sigmoid(-50) = 2e-22. The closest pair of any session is checked.
    pairs = (output - output.transpose(2, 3)).abs() + 9 * torch.eye(9)
    assert float(pairs.min()) > 1e-3
    assert float(output.std(2).max()) < 2
    assert apart[-1] < 1e-9


def test_pairs_of_a_few_sessions_at_a_time(monkeypatch):
    """Two sessions of nine symbols, then one and less, in place of all four: the same loss and slopes."""
    found = []
    for pairs in (signals.losses._PAIRS, 2 * 81, 10):
        monkeypatch.setattr(signals.losses, "_PAIRS", pairs)
        output, label, weight = case("rank_correlation")
        output.requires_grad_()
        loss = ranked(output, label, weight, 0.1)
        loss.sum().backward()
        found.append(torch.cat([loss.detach(), output.grad.flatten()]))
    for one in found[1:]:
        torch.testing.assert_close(one, found[0], atol=1e-13, rtol=0)  # a few hundred roundings of 1e-16


def test_rank_correlation_knows_no_scale():
    output, label, weight = case("rank_correlation")
    torch.testing.assert_close(
        ranked(50 * output + 3, label, weight, 0.1), ranked(output, label, weight, 0.1), atol=1e-9, rtol=0
    )
    assert ranked(label[..., None], label, weight, 1e-6).tolist() == pytest.approx([0.0] * 3, abs=1e-6)
    assert ranked(-label[..., None], label, weight, 1e-6).tolist() == pytest.approx([2.0] * 3, abs=1e-6)


def test_sessions_of_one_do_not_count():
    output, label, weight = case("rank_correlation", models=1)
    weight[0, 1] = 0
    weight[0, 1, 3] = 1
    rest = [0, 2, 3]
    found = ranked(output, label, weight, 0.1)
    assert float(found) == pytest.approx(
        float(ranked(output[:, rest], label[:, rest], weight[:, rest], 0.1)), rel=1e-12
    )


def test_equal_scores_have_a_finite_slope():
    for name in ("rank_correlation", "sharpe"):
        output, label, weight = case(name)
        still = torch.zeros_like(output).requires_grad_()
        loss = LOSSES[name].compute(still, label, weight)
        loss.sum().backward()
        assert loss.isfinite().all()
        assert still.grad.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
def test_single_precision_is_near_double(name, device):
    """A few hundred operations on values around 1: within 1e-4 of double precision, which is 1,000 roundings."""
    output, label, weight = (one.to(device) for one in case(name))
    found = LOSSES[name].compute(output.float(), label.float(), weight.float())
    torch.testing.assert_close(found.double(), LOSSES[name].compute(output, label, weight), atol=1e-4, rtol=1e-4)


MISTAKES = [
    ("msee", {}, "loss is 'msee'; it must be one of mse, .*Did you mean 'mse'"),
    ("mse", {"delta": 1}, "loss 'mse' has no argument 'delta'; it takes no arguments"),
    ("huber", {"dleta": 1}, "loss 'huber' has no argument 'dleta'; it takes delta.*Did you mean 'delta'"),
    ("huber", {"delta": 0}, "delta of loss 'huber' is 0; it must be a number of at least 1e-06"),
    ("sharpe", {"cost_bps": -1}, "cost_bps of loss 'sharpe' is -1; it must be a number of at least 0"),
    ("sharpe", {"cost_bps": math.nan}, "cost_bps of loss 'sharpe' is nan"),
    ("rank_correlation", {"temperature": "low"}, "temperature of loss 'rank_correlation' is 'low'"),
]


@pytest.mark.parametrize(("name", "arguments", "message"), MISTAKES)
def test_mistakes(name, arguments, message):
    with pytest.raises(bt.ConfigError, match=message):
        loss_of(name, **arguments)
