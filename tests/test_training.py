"""The trainer against a loop of plain torch, and its steps by hand."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn
from training_cases import CLOSE, FEATURES, lane, market_of, task, trained

import backtester as bt
import signals
from backtester.cross_section import centred_ranks
from signals.networks import MLPShape, ModuleShape, build
from signals.scaling import fit_scale, ranked
from signals.training.best import Best
from signals.training.data import NONE, Lane, row_order, session_order, split_rows
from signals.training.gradients import clip, penalize
from signals.training.options import Options
from signals.training.trainer import Trainer
from signals.training.watch import mean_rank_ic

pytestmark = pytest.mark.usefixtures("one_thread")

STORE = market_of()


def plain_net():
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 1))


def plain_loop(one, net, clip_at=None):
    """The first lane and configuration in plain torch: Adam on shuffled batches, penalties in the loss."""
    own, config, options = one.lanes[0], one.configs[0], one.options
    inputs, labels = STORE[0].reshape(-1, 3), STORE[1].reshape(-1)
    x = torch.from_numpy(((inputs - own.scale.shift) * own.scale.factor).astype(np.float32))
    y = torch.from_numpy((labels / own.unit).astype(np.float32))
    optimizer = torch.optim.Adam(net.parameters(), lr=config.learning_rate)
    losses = []
    for epoch in range(options.epochs):
        order = row_order(own, epoch, options.batch)
        total = 0.0
        for batch in order.reshape(-1, options.batch):
            optimizer.zero_grad()
            loss = (net(x[batch])[:, 0] - y[batch]).square().mean()
            weights = [net[k].weight for k in (0, 2, 4)]
            penalty = sum(config.l1 * w.abs().sum() + config.l2 * w.square().sum() for w in weights)
            (loss + penalty).backward()
            if clip_at is not None:
                nn.utils.clip_grad_norm_(net.parameters(), clip_at)
            optimizer.step()
            total += float(loss.detach())
        losses.append(total / (len(order) // options.batch))
    return losses


each_kind = pytest.mark.parametrize(
    "settings", [{}, {"l1": 0.01, "l2": 0.02}, {"clip": 0.3}], ids=["plain", "penalties", "clip"]
)


@each_kind
def test_it_is_the_loop_that_anyone_would_write(settings):
    """Nothing is watched, so that the last epoch's weights are kept. The last batch of an epoch is filled."""
    one = task([lane(range(30), (), 0, 3, STORE)], STORE, epochs=5, validation=0.0, **settings)
    net, first = plain_net(), build(one.shape, 1, [3], [0.0]).state()
    for layer, name in zip((net[0], net[2], net[4]), ("layers.0", "layers.1", "head"), strict=True):
        layer.weight.data, layer.bias.data = first[f"{name}.weight"][0].clone(), first[f"{name}.bias"][0].clone()
    losses = plain_loop(one, net, settings.get("clip"))
    (outcome,) = trained(one)
    for layer, name in zip((net[0], net[2], net[4]), ("layers.0", "layers.1", "head"), strict=True):
        torch.testing.assert_close(outcome.state[f"{name}.weight"][0], layer.weight.data, rtol=CLOSE, atol=CLOSE)
        torch.testing.assert_close(outcome.state[f"{name}.bias"][0], layer.bias.data, rtol=CLOSE, atol=CLOSE)
    np.testing.assert_allclose([row.train_loss for row in outcome.curve], losses, rtol=1e-4)
    assert outcome.epoch == 5


@each_kind
def test_a_module_of_the_users_is_trained_like_that_too(settings):
    """All of its parameters: they have no dimension of models."""
    store = [lane(range(30), (), 0, 3, STORE)]
    one = task(store, STORE, shape=ModuleShape(plain_net), epochs=5, validation=0.0, **settings)
    trainer = Trainer(one)
    net = copy.deepcopy(trainer.stack.module)
    losses = plain_loop(one, net, settings.get("clip"))
    trainer.run()
    (outcome,) = trainer.best.outcomes()
    for name, value in net.named_parameters():
        torch.testing.assert_close(outcome.state[f"module.{name}"][0], value.data, rtol=CLOSE, atol=CLOSE)
    np.testing.assert_allclose([row.train_loss for row in outcome.curve], losses, rtol=1e-4)


# Optimizers and schedules by name.

NEEDED = {
    "StepLR": {"step_size": 1},
    "ConstantLR": {"total_iters": 2},
    "MultiStepLR": {"milestones": [1, 2]},
    "ExponentialLR": {"gamma": 0.5},
    "CosineAnnealingLR": {"T_max": 3},
    "CyclicLR": {"base_lr": 0.001, "max_lr": 0.1, "step_size_up": 2},
    "CosineAnnealingWarmRestarts": {"T_0": 2},
    "OneCycleLR": {"max_lr": 0.1, "total_steps": 5},
}


def names(module, base):
    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, base) and value is not base and not name.startswith("_")
    ]


@pytest.mark.parametrize("name", names(torch.optim, torch.optim.Optimizer))
def test_every_optimizer_learns_or_is_refused(name):
    if name in ("SparseAdam", "Muon"):
        with pytest.raises(bt.ConfigError, match=rf"optimizer is '{name}', which takes .* Use one of"):
            signals.MLP(optimizer=name)
        return
    signals.MLP(optimizer=name)
    rate = {"Adadelta": 1.0, "LBFGS": 0.5}.get(name, 0.05)
    settings = {"optimizer": name, "learning_rate": rate}
    if name == "LBFGS":  # is for all samples at once
        settings |= {"batch": 180, "optimizer_arguments": {"line_search_fn": "strong_wolfe"}}
    one = task([lane(range(30), range(32, 36), 0, 3, STORE)], STORE, epochs=5, **settings)
    (outcome,) = trained(one)
    losses = [row.train_loss for row in outcome.curve]
    assert losses[-1] < 0.9 * losses[0]
    assert 0.5 < losses[0] < 1.5  # labels have a spread of 1: the mean of a step's losses, however often it is taken


@pytest.mark.parametrize("name", names(torch.optim.lr_scheduler, torch.optim.lr_scheduler.LRScheduler))
def test_every_schedule_moves_the_rate_or_is_refused(name):
    if name in ("LambdaLR", "MultiplicativeLR", "SequentialLR", "ChainedScheduler"):
        with pytest.raises(bt.ConfigError, match=rf"scheduler is '{name}', which takes .* Use one of"):
            signals.MLP(scheduler=name)
        return
    arguments = {"patience": 0, "threshold": 1e9} if name == "ReduceLROnPlateau" else NEEDED.get(name, {})
    settings = {"scheduler": name, "scheduler_arguments": arguments}
    signals.MLP(**settings)
    trainer = Trainer(task([lane(range(30), range(32, 36), 0, 3, STORE)], STORE, epochs=4, **settings))
    rates = [trainer.units[0].optimizer.param_groups[0]["lr"]]
    trainer.run(epoch_over=lambda: rates.append(trainer.units[0].optimizer.param_groups[0]["lr"]))
    assert len(set(rates)) > 1


def test_a_schedule_moves_by_epoch_or_by_step():
    """Five steps an epoch: 0.5 to the power of 2 after two epochs, or of 10."""
    for by, rate in (("epoch", 0.01 * 0.5**2), ("step", 0.01 * 0.5**10)):
        settings = {"scheduler": "ExponentialLR", "scheduler_arguments": {"gamma": 0.5}, "schedule_by": by}
        trainer = Trainer(task([lane(range(30), range(32, 36), 0, 3, STORE)], STORE, epochs=2, **settings))
        trainer.run()
        assert trainer.steps == 10
        assert trainer.units[0].optimizer.param_groups[0]["lr"] == pytest.approx(rate)


def test_a_schedule_that_ends_too_early_is_told():
    settings = {"scheduler": "OneCycleLR", "scheduler_arguments": {"max_lr": 0.1, "total_steps": 2}}
    trainer = Trainer(task([lane(range(30), range(32, 36), 0, 3, STORE)], STORE, epochs=4, **settings))
    with pytest.raises(bt.ConfigError, match="scheduler 'OneCycleLR' cannot move on after another epoch"):
        trainer.run()


# Gradients.


def test_penalties_act_on_weights_by_hand():
    """Two models. |w| has slope 1, -1 and 0; w^2 has 2 w. Model 0: l1 0.1; model 1: l2 0.5."""
    weight = nn.Parameter(torch.tensor([[[2.0, -3.0, 0.0]], [[2.0, -3.0, 0.0]]]))
    weight.grad = torch.ones_like(weight)
    penalize([weight], torch.tensor([0.1, 0.0]), torch.tensor([0.0, 0.5]))
    torch.testing.assert_close(weight.grad, torch.tensor([[[1.1, 0.9, 1.0]], [[3.0, -2.0, 1.0]]]))


def test_penalties_leave_biases_and_norms_alone():
    """Learning from labels of 0 with weights of 0: nothing but a penalty could move anything, and there is none."""
    shape = MLPShape(FEATURES, hidden=(4,), norm="layer")
    trainer = Trainer(task([lane(range(30), (), 0, 3, STORE)], STORE, shape=shape, l1=0.5, l2=0.5, validation=0.0))
    trainer._draw_order()
    trainer._backward()
    penalized = {name: one.gradient.clone() for name, one in trainer._parameters.items()}
    trainer._l1 = trainer._l2 = None
    trainer._backward()
    moved = {name for name, one in trainer._parameters.items() if not torch.equal(one.gradient, penalized[name])}
    assert moved == {"layers.0.weight", "head.weight"}


def test_a_gradient_is_cut_for_each_model_by_itself():
    """Model 0 has length sqrt(9 + 16) = 5 over both parameters, cut to 2.5: half. Model 1 has 1 and stays."""
    first, second = torch.tensor([[[3.0, 0.0]], [[0.6, 0.0]]]), torch.tensor([[4.0], [0.8]])
    clip([first, second], 2.5)
    torch.testing.assert_close(first, torch.tensor([[[1.5, 0.0]], [[0.6, 0.0]]]))
    torch.testing.assert_close(second, torch.tensor([[2.0], [0.8]]))


# What is best.


def noted(watched, patience=2, monitor="loss", losses=None):
    """One model whose weight in epoch e is e; what was kept after these values."""
    best = Best(1, {"w": torch.zeros(1, 1)}, Options(patience=patience, monitor=monitor))
    for epoch, value in enumerate(watched, 1):
        seen = None if value is None else ([value], [value])
        best.note(epoch, [0], [(losses or {}).get(epoch, 1.0)], seen, {"w": torch.full((1, 1), float(epoch))})
    (outcome,) = best.outcomes()
    kept = None if outcome.state is None else float(outcome.state["w"])
    return kept, outcome.epoch, len(outcome.curve), outcome.curve[-1].note


@pytest.mark.parametrize(
    ("watched", "settings", "expected"),
    [
        ([3, 2, 4, 1, 5], {}, (4.0, 4, 5, "")),  # 4 waits once, 1 is better, 5 waits once
        ([3, 2, 4, 2, 1], {}, (2.0, 2, 4, "no better for 2 epochs: stopped")),  # equal is no better
        ([3, 2, 4, 5, 1], {"patience": None}, (5.0, 5, 5, "")),
        ([3, 2, 4, 5, 1], {"patience": 1}, (2.0, 2, 3, "no better for 1 epochs: stopped")),
        ([0.1, 0.3, 0.2], {"monitor": "ic"}, (2.0, 2, 3, "")),  # higher is better
        ([math.nan, 0.3, math.nan], {"monitor": "ic"}, (2.0, 2, 3, "")),
        ([math.nan, math.nan], {"monitor": "ic"}, (None, 0, 2, "no better for 2 epochs: stopped")),
        ([None, None, None], {}, (3.0, 3, 3, "")),  # nothing is watched: the last
        ([3, 2, 1], {"losses": {3: math.nan}}, (2.0, 2, 3, "the loss was nan: stopped")),
        ([3, 2, 1], {"losses": {1: math.inf}}, (None, 0, 1, "the loss was inf: stopped")),
    ],
)
def test_the_best_epoch_is_kept(watched, settings, expected):
    assert noted(watched, **settings) == expected


def test_weights_that_are_no_numbers_are_not_kept():
    """After the last step of the last epoch: no loss has told of it yet."""
    best = Best(1, {"w": torch.zeros(1, 2)}, Options())
    best.note(1, [0], [1.0], None, {"w": torch.ones(1, 2)})
    best.note(2, [0], [1.0], None, {"w": torch.tensor([[1.0, math.nan]])})
    (outcome,) = best.outcomes()
    assert (outcome.epoch, outcome.state["w"].tolist()) == (1, [[1.0, 1.0]])
    assert outcome.curve[-1].note == "a weight is no number: stopped"


def test_the_ic_that_is_watched_is_spearmans():
    rng = np.random.default_rng(0)
    score = rng.normal(size=(2, 5, 9)).astype(np.float32)
    label = rng.normal(size=(5, 9))
    label[0, 2:] = np.nan  # two labels: does not count
    label[1, :4] = np.nan
    label[2, :3] = 1.5  # ties
    score[1, 3] = 0.25  # equal scores: does not count
    ranks = np.nan_to_num(centred_ranks(label)).astype(np.float32)
    holds = torch.from_numpy(np.broadcast_to(np.isfinite(label), score.shape).copy())
    found = mean_rank_ic(torch.from_numpy(score), torch.from_numpy(np.stack([ranks, ranks])), holds)
    for m, sessions in ((0, (1, 2, 3, 4)), (1, (1, 2, 4))):
        known = [np.isfinite(label[s]) for s in range(5)]
        each = [spearmanr(score[m, s, known[s]], label[s, known[s]]).statistic for s in sessions]
        assert float(found[m]) == pytest.approx(np.mean(each), abs=1e-6)  # float32
    none = mean_rank_ic(torch.zeros(1, 5, 9), torch.from_numpy(ranks[None]), holds[:1])
    assert math.isnan(float(none[0]))


# Rows and batches.


def test_the_watched_tail_is_purged():
    """Rows 10 to 19, horizon 2, a fifth watched: 18 and 19. The label of 15 ends with row 15 + 1 + 2 = 18, whose close
    is the first that is watched; that of 16 would end with 19."""
    learnt, watched = split_rows(np.arange(10, 20), 0.2, 2)
    assert (learnt.tolist(), watched.tolist()) == ([10, 11, 12, 13, 14, 15], [18, 19])
    assert [len(part) for part in split_rows(np.arange(70), 0.1, 1)] == [
        62,
        7,
    ]  # not 8 for 70 * 0.1 = 7.000000000000001
    assert [len(part) for part in split_rows(np.arange(10), 0.0, 5)] == [10, 0]
    with pytest.raises(bt.DataError, match="10 training rows are too few: 5 are watched"):
        split_rows(np.arange(10), 0.5, 5)


def lane_of(train, seed=0):
    return Lane(0, seed, np.array(train), np.empty((0, 2), dtype=int), fit_scale("none", np.ones((1, 1)), ("a",)), 1.0)


def test_every_cell_is_learnt_from_once_and_the_last_batch_is_filled():
    one = lane_of([[4, NONE], [5, 6], [7, 8]])
    first, second = row_order(one, 0, 3), row_order(one, 1, 3)
    assert len(first) == 6
    assert sorted(first[:5]) == sorted(second[:5]) == [4, 5, 6, 7, 8]
    assert first[5] == first[0]
    assert first.tolist() == row_order(one, 0, 3).tolist()
    orders = {tuple(row_order(lane_of(one.train, seed), epoch, 3)) for seed in range(4) for epoch in range(4)}
    assert len(orders) > 12  # of 120
    assert row_order(one, 0, 12).tolist() == [*first[:5], *first[:5], *first[:2]]  # a batch above the samples


def test_sessions_come_in_blocks_and_the_last_block_ends_with_the_last_session():
    """Seven sessions of two symbols in blocks of three: from 0, 3 and 4."""
    one = lane_of(np.arange(14).reshape(7, 2))
    blocks = session_order(one, 0, 3).reshape(-1, 3, 2)
    assert sorted(block[0, 0] // 2 for block in blocks) == [0, 3, 4]
    assert all((np.diff(block[:, 0]) == 2).all() for block in blocks)
    assert session_order(lane_of(np.arange(12).reshape(6, 2)), 0, 3).size == 12


# Scales.


@pytest.mark.parametrize(
    ("kind", "shift", "factor"),
    [
        ("zscore", 6.0, 1 / math.sqrt(15.5)),  # mean 24 / 4; mean square deviation (25 + 1 + 0 + 36) / 4
        ("minmax", 6.5, 1 / 5.5),  # middle of 1 and 12, half their distance
        ("robust", 5.5, 1 / 3.5),  # at places 0.75, 1.5 and 2.25: 1 + 0.75 * 4 = 4, 5.5, 6 + 0.25 * 6 = 7.5
        ("none", 0.0, 1.0),
        ("rank", 0.0, 1.0),  # ranks are taken before
    ],
)
def test_scales_by_hand(kind, shift, factor):
    """Of the samples 1, 5, 6 and 12, and one that is unknown."""
    scale = fit_scale(kind, np.array([[1.0], [5.0], [6.0], [12.0], [np.nan]]), ("a",))
    np.testing.assert_allclose([scale.shift[0], scale.factor[0]], [shift, factor], rtol=1e-12)


def test_ranks_are_taken_within_a_session_and_a_constant_becomes_0():
    x = np.array([[[3.0, 1.0], [1.0, 1.0], [np.nan, 1.0], [2.0, 1.0]]])  # (1, 4, 2)
    np.testing.assert_allclose(ranked(x)[0, :, 0], [0.5, -0.5, np.nan, 0.0])
    scale = fit_scale("zscore", np.array([[0.1, 1.0], [0.1, 2.0]]), ("a", "b"))
    assert scale.factor.tolist() == [0.0, 2.0]
    with pytest.raises(bt.DataError, match=r"the feature 'b' is unknown in all 2 training samples \(1 of 2"):
        fit_scale("none", np.array([[1.0, np.nan], [1.0, np.nan]]), ("a", "b"))
