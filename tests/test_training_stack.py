"""A model in a stack is the model alone: whatever else is trained beside it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from training_cases import alone, assert_same_model, lane, market_of, same_bytes, task, trained

from backtester.cross_section import centred_ranks
from signals.networks import CNNShape, MLPShape, RecurrentShape, TransformerShape
from signals.training import watch
from signals.training.data import Store
from signals.training.resume import resume, save_state
from signals.training.task import Config
from signals.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("one_thread")

STORE = market_of()
CONFIGS = [
    Config(0.0, 0.0, 0.0, 0.01),
    Config(0.3, 0.0, 0.0, 0.01),
    Config(0.3, 0.01, 0.0, 0.02),
    Config(0.0, 0.0, 0.05, 0.003),
]


def three_lanes():
    """Folds of 30, 12 and 20 rows (6, 3 and 4 steps of 32 samples, a tenth unknown), two seeds in the first."""
    rows = [(range(30), range(31, 36)), (range(30), range(31, 36)), (range(12), range(13, 16)), (range(5, 25), [27])]
    return [
        lane(train, valid, fold, seed, STORE)
        for (train, valid), fold, seed in zip(rows, (0, 0, 1, 2), (3, 4, 3, 5), strict=True)
    ]


SETTINGS = {
    "plain": {},
    # With SGD: a norm takes out what the bias before it adds, whose gradient is rounding alone; Adam would follow that.
    "batch norm": {"shape": MLPShape(3, hidden=(5,), norm="batch"), "optimizer": "SGD"},
    "layer norm and skip": {"shape": MLPShape(3, hidden=(5,), norm="layer", skip=True, activation="tanh")},
    "clip": {"clip": 0.1},
    "schedule by step": {"scheduler": "ExponentialLR", "scheduler_arguments": {"gamma": 0.9}, "schedule_by": "step"},
    "plateau": {"scheduler": "ReduceLROnPlateau", "scheduler_arguments": {"patience": 0}},
    "momentum": {"optimizer": "SGD", "optimizer_arguments": {"momentum": 0.9}},
    "by matrices": {"optimizer": "Adafactor"},
    "watches ic": {"monitor": "ic"},
    "watches nothing": {"validation": 0.0},
    # With SGD: ranks do not depend on the head's bias either.
    "sessions": {"loss": "rank_correlation", "batch_sessions": 5, "optimizer": "SGD"},
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_model_of_a_stack_is_the_model_alone(setting):
    """16 models: lanes with 6, 3 and 4 steps an epoch, so that some wait; configurations that differ in everything."""
    whole = task(three_lanes(), STORE, CONFIGS, **SETTINGS[setting])
    if setting == "watches nothing":
        whole = whole._replace(lanes=[one._replace(valid=one.valid[:0]) for one in whole.lanes])
    outcomes = trained(whole)
    assert len(outcomes) == 16
    for model, outcome in enumerate(outcomes):
        assert_same_model(outcome, alone(whole, model))


def test_lanes_that_stop_are_let_go_and_the_others_go_on():
    """Early stops at different epochs: the stack shrinks, and what is left trains as if nothing had happened."""
    configs = [one._replace(learning_rate=0.2) for one in CONFIGS[:2]]
    whole = task(three_lanes(), STORE, configs, epochs=20, patience=1)
    trainer, sizes = Trainer(whole), []
    trainer.run(epoch_over=lambda: sizes.append(trainer.stack.count))
    outcomes = trainer.best.outcomes()
    stops = {len(outcome.curve) for outcome in outcomes}
    assert len(stops) > 2  # they stop at different epochs
    assert len(set(sizes)) > 1  # and some are let go while others go on
    for model, outcome in enumerate(outcomes):
        assert_same_model(outcome, alone(whole, model))


@pytest.mark.parametrize("setting", ["plain", "schedule by step", "plateau", "watches nothing"])
def test_each_model_stops_after_its_own_epochs(setting, tmp_path):
    """1, 3, 5 and what the options say: they are let go, and a training that was killed goes on without them."""
    options = {"patience": None, **SETTINGS[setting]}
    counts = [1, 3, 5, None]
    configs = [one._replace(epochs=count) for one, count in zip(CONFIGS, counts, strict=True)]
    whole = task(three_lanes(), STORE, configs, epochs=6, **options)
    trainer, sizes, path = Trainer(whole), [], tmp_path / "state.safetensors"

    def over():
        sizes.append(trainer.stack.count)
        if trainer.epoch == 3:
            save_state(trainer, path)

    trainer.run(epoch_over=over)
    assert sizes == [12, 12, 8, 8, 4, 4]  # at the end nothing is left to let go
    outcomes = trainer.best.outcomes()
    again = Trainer(whole)
    assert resume(again, path)
    again.run()
    for model, outcome in enumerate(outcomes):
        lane, config = divmod(model, 4)
        epochs = counts[config] or 6
        assert len(outcome.curve) == epochs
        assert outcome.curve[-1].note == ""
        own = task([whole.lanes[lane]], STORE, [CONFIGS[config]], epochs=epochs, **options)
        assert_same_model(outcome, trained(own)[0])
        assert same_bytes(outcome.state, again.best.outcomes()[model].state)


@pytest.mark.parametrize(
    "shape",
    [
        RecurrentShape("lstm", 3, hidden=4),
        RecurrentShape("gru", 3, hidden=4),
        RecurrentShape("rnn", 3, hidden=4),
        CNNShape(3, channels=(4, 3), kernel=2),
        TransformerShape(3, width=4, heads=2, layers=1, window=3),
    ],
    ids=lambda shape: getattr(shape, "cell", type(shape).__name__),
)
def test_sequences_too(shape):
    """Windows of three rows: the store begins two rows before the first that is learnt from."""
    inputs, labels = STORE
    before = np.concatenate([np.zeros((2, *inputs.shape[1:]), np.float32), inputs]).transpose(1, 0, 2)
    # With SGD: attention does not depend on the bias of its keys, whose gradient is rounding alone.
    whole = task(three_lanes(), STORE, CONFIGS[:2], shape, epochs=3, optimizer="SGD")
    whole = whole._replace(store=Store(np.ascontiguousarray(before), labels.copy(), 3, "cpu"))
    for model, outcome in enumerate(trained(whole)):
        assert_same_model(outcome, alone(whole, model))


def test_the_same_seed_gives_the_same_bytes_and_another_one_other_weights():
    whole = task(three_lanes(), STORE, CONFIGS)
    first, again = trained(whole), trained(whole)
    assert all(same_bytes(one.state, other.state) for one, other in zip(first, again, strict=True))
    other = trained(whole._replace(lanes=[one._replace(seed=one.seed + 100) for one in whole.lanes]))
    for one, another in zip(first, other, strict=True):
        assert all(not torch.equal(one.state[name], another.state[name]) for name in one.state)


def test_the_programs_own_random_numbers_change_nothing_and_stay_as_they_are():
    whole = task(three_lanes(), STORE, CONFIGS)
    torch.manual_seed(1)
    first = trained(whole)
    there = torch.get_rng_state()
    torch.manual_seed(1)
    assert torch.equal(there, torch.get_rng_state())
    torch.manual_seed(2)
    assert same_bytes(first[1].state, trained(whole)[1].state)


def test_the_data_of_another_lane_touch_nothing():
    """The second lane learns from other rows than the first: with those changed, only its models change."""
    inputs, labels = STORE
    rows = [(range(8), [9]), (range(10, 18), [19])]
    lanes = [lane(train, valid, k, 7, STORE) for k, (train, valid) in enumerate(rows)]
    first = trained(task(lanes, STORE, CONFIGS))
    changed = (inputs.copy(), labels.copy())
    changed[0][10:] *= -3.0
    changed[1][10:] += 5.0
    again = trained(task([lanes[0], lane(*rows[1], 1, 7, changed)], changed, CONFIGS))
    for model, (one, other) in enumerate(zip(first, again, strict=True)):
        assert same_bytes(one.state, other.state) == (model < len(CONFIGS))
        if model < len(CONFIGS):
            assert one.curve == other.curve


def test_a_model_that_breaks_leaves_the_others_alone():
    """A rate of 1e30 takes the second configuration to numbers that are none; the others are as without it."""
    configs = [CONFIGS[0], Config(0.0, 0.0, 0.0, 1e30), CONFIGS[1]]
    whole = task(three_lanes(), STORE, configs)
    outcomes = trained(whole)
    for model, outcome in enumerate(outcomes):
        if model % 3 == 1:
            assert outcome.curve[-1].note.endswith(": stopped")
            assert outcome.state is None
        else:
            assert_same_model(outcome, alone(whole, model))


def test_both_ways_to_the_rank_ic_are_one():
    """Ties, a model of one score, one with a NaN, sessions with fewer than three labels, -0 beside 0: float32 sums."""
    rng = np.random.default_rng(0)
    score = rng.standard_normal((6, 8, 40)).round(1).astype(np.float32)
    score[0, 0, :8] = [0.0, -0.0] * 4
    score[1], score[2, 3, 4] = 0.5, np.nan
    holds = rng.random(score.shape) < 0.9
    holds[3, :4, 2:] = False
    holds[4, :, 2:] = False
    labels = np.where(holds, rng.standard_normal(score.shape), np.nan)
    ranks = np.nan_to_num(centred_ranks(labels.reshape(-1, 40))).reshape(score.shape).astype(np.float32)
    parts = [torch.from_numpy(one) for one in (score, ranks, holds)]
    one, other = watch._on_cpu(*parts).numpy(), watch._on_device(*parts).numpy()
    np.testing.assert_allclose(one, other, rtol=0.0, atol=1e-6)
    assert np.isnan(one).tolist() == [False, True, False, False, True, False]
