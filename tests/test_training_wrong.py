"""Bad input to networks: told with what was found and what to do, and whatever can go on goes on."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import pytest
import torch
from signal_cases import market

import backtester as bt
import signals
from signals.networks.mlp import MLP as MLPStack  # noqa: N811 - a class of two names
from signals.training import ask, fit
from signals.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("one_thread")

FOLDS = bt.Folds(60, 20)
PANEL = market(sessions=130)
FLAT = {
    "features": ["return_1", "return_5", "extra"],
    "epochs": 2,
    "batch": 256,
    "learning_rate": 0.01,
    "optimizer": "Adam",
}


def walked(signal, panel=PANEL, folds=FOLDS, **arguments):
    learnt = []
    scores = bt.walk_forward(panel, signal, folds, on_fit=lambda fold, own: learnt.append(own), **arguments)
    return scores, learnt


def with_extra(**columns):
    return dataclasses.replace(PANEL, extra={**PANEL.extra, **columns})


# Data.


@pytest.mark.parametrize("scaling", ["zscore", "minmax", "robust", "rank"])
def test_constant_features_are_no_input_and_no_error(scaling):
    """They become 0, whatever their size, so that the weights that meet them stay as they were drawn."""
    panel = with_extra(constant=np.full(PANEL.shape, 1e8))
    scores, learnt = walked(signals.MLP((4,), **FLAT, scaling=scaling, validation=0.0), panel)
    place = learnt[0]._fitted.inputs.index("extra:constant")
    later = walked(signals.MLP((4,), **{**FLAT, "epochs": 1}, scaling=scaling, validation=0.0), panel)[1]
    one, other = (each[0]._fitted.state["layers.0.weight"][0] for each in (learnt, later))
    assert torch.equal(one[:, place], other[:, place])
    assert not torch.equal(one, other)
    assert np.isfinite(scores.values[-10:]).mean() > 0.6


def test_features_that_are_all_constant_give_one_score():
    panel = dataclasses.replace(PANEL, extra={"constant": np.full(PANEL.shape, 3.0)})
    scores, _ = walked(signals.MLP((4,), **{**FLAT, "features": ["extra"]}), panel)
    values = scores.values[-1]
    known = values[np.isfinite(values)]
    assert np.ptp(known) <= 1e-5 * np.abs(known).max()  # one, to the rounding of float32


@pytest.mark.parametrize("missing", ["drop", "mean"])
def test_a_column_that_is_never_known_is_named(missing):
    panel = with_extra(empty=np.full(PANEL.shape, np.nan))
    share = "100% of them" if missing == "drop" else "all 6[0-9]+ training samples"
    with pytest.raises(bt.SignalError, match=rf"fold 1 \(2015-.* to 2015-.*\): .*'extra:empty' is unknown in {share}"):
        walked(signals.MLP((4,), **FLAT, missing=missing), panel)


def test_sequences_of_a_column_that_is_never_known():
    panel = with_extra(empty=np.full(PANEL.shape, np.nan))
    with pytest.raises(bt.SignalError, match="'extra:empty' is unknown in 100% of them"):
        walked(signals.GRU(4, window=5, features=["return", "extra"]), panel)


def test_a_fold_with_too_few_rows():
    with pytest.raises(bt.SignalError, match=r"fold 1 .*: 2 training rows are too few: 1 are watched"):
        walked(signals.MLP((4,), **FLAT), folds=bt.Folds(2, 20))


def test_a_fold_with_too_few_sessions_for_a_step():
    with pytest.raises(bt.SignalError, match=r"fold 1 has 47 sessions to learn from, and a step takes 50"):
        walked(signals.MLP((4,), **FLAT, loss="rank_correlation", batch_sessions=50))


def test_a_fold_with_too_few_symbols():
    """Nobody is a member in the training rows of the first fold."""
    member = PANEL.member.copy()
    member[:66] = False
    with pytest.raises(bt.SignalError, match=r"fold 1 .*fewer than two of its 752 training cells"):
        walked(signals.MLP((4,), **FLAT), dataclasses.replace(PANEL, member=member))


def test_a_horizon_longer_than_the_test_window_works():
    """The purge grows with it."""
    scores, learnt = walked(signals.MLP((4,), **FLAT, horizon=8), folds=bt.Folds(60, 4))
    assert len(learnt) > 10
    assert np.isfinite(scores.values[-4:]).any(axis=1).all()


def test_a_horizon_longer_than_the_training_window():
    """12 rows are watched, 48 are before them, and a label reaches over 50."""
    with pytest.raises(bt.SignalError, match=r"60 training rows are too few: 12 are watched .* 48 are before them"):
        walked(signals.MLP((4,), **FLAT, horizon=50))
    scores, _ = walked(signals.MLP((4,), **FLAT, horizon=50, validation=0.0))
    assert np.isfinite(scores.values[-1]).any()


# Files.


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The file of a first fold."""
    path = tmp_path_factory.mktemp("weights") / "first.safetensors"
    _, learnt = walked(signals.MLP((4, 3), **FLAT, seeds=2))
    learnt[0].save(path)
    return path


WRONG = {
    "another architecture": ({"hidden": (5, 3)}, r"another architecture: hidden is \[4, 3\] there and \[5, 3\] here"),
    "other inputs": ({"features": ["return_1", "return_2", "extra"]}, "other inputs: return_2, return_5 differs"),
    "fewer inputs": ({"features": ["return_1", "return_5"]}, "another architecture: inputs is 4 there and 2 here"),
    "another loss": ({"loss": "cross_entropy"}, "another architecture: outputs is 1 there and 3 here"),
}


@pytest.mark.parametrize("case", WRONG)
def test_weights_of_something_else(saved, case):
    changed, message = WRONG[case]
    settings = {"hidden": (4, 3), **FLAT, **changed}
    with pytest.raises(bt.SignalError, match=message):
        walked(signals.MLP(**settings, warm_start=str(saved)))
    with pytest.raises(bt.DataError, match=message):
        signals.MLP(**settings).load(saved, PANEL)


def test_weights_cut_in_half_and_weights_that_are_not_there(saved, tmp_path):
    half = tmp_path / "half.safetensors"
    half.write_bytes(saved.read_bytes()[: saved.stat().st_size // 2])
    with pytest.raises(bt.SignalError, match="damaged or cut short"):
        walked(signals.MLP((4, 3), **FLAT, warm_start=str(half)))
    with pytest.raises(bt.SignalError, match=r"there is no such file. Did you mean 'half.safetensors'"):
        walked(signals.MLP((4, 3), **FLAT, warm_start=str(tmp_path / "hafl.safetensors")))
    half.write_bytes(b"no weights")
    with pytest.raises(bt.DataError, match="damaged or cut short"):
        signals.MLP((4, 3), **FLAT).load(half, PANEL)


def test_what_was_saved_scores_the_same(saved):
    signal = signals.MLP((4, 3), **FLAT, seeds=2)
    first = walked(signal)[1][0]
    rows = np.arange(70, 80)
    again = signal.load(saved, PANEL).predict(PANEL.head(79), rows)
    assert again.scores.tobytes() == first.predict(PANEL.head(79), rows).scores.tobytes()
    assert signal._fitted is None


# Modules.


@pytest.mark.parametrize(
    ("module", "arguments", "message"),
    [
        ("own_modules:Wide", {}, r"the module gave \(256, 2\); it must give \(256, 1\): samples, outputs"),
        ("own_modules:Small", {"size": 3}, r"refused its arguments .*size"),
        ("own_modules:LastOf", {}, r"the module raised RuntimeError"),
        ("own_modules:FLAT", {}, "has no FLAT"),
        ("own_module:Small", {}, "cannot be imported"),
    ],
)
def test_a_module_that_does_not_fit(module, arguments, message):
    with pytest.raises((bt.SignalError, bt.ConfigError), match=message):
        walked(signals.Module(module, arguments, **FLAT))


# Losses that are no numbers.


def test_a_seed_whose_loss_turns_nan_stops_and_the_others_go_on(monkeypatch):
    """Seed 1's labels are as good as infinite, so that its loss is too; seeds 0 and 2 are as without it."""
    alone, _ = walked(signals.MLP((4,), **FLAT, seeds=3))
    begin = Trainer.__init__

    def broken(self, task):
        lanes = [lane._replace(unit=1e-38) if k % 3 == 1 else lane for k, lane in enumerate(task.lanes)]
        begin(self, task._replace(lanes=lanes))

    monkeypatch.setattr(Trainer, "__init__", broken)
    with pytest.warns(
        UserWarning, match=r"fold \d .* seed 1: the loss was (inf|nan): stopped, before any epoch"
    ) as told:
        scores, learnt = walked(signals.MLP((4,), **FLAT, seeds=3))
    assert len(told) == len(learnt)
    assert set(scores.members) == {"seed 0", "seed 2"}
    for name in scores.members:
        np.testing.assert_allclose(scores.members[name], alone.members[name], rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(scores.values, (scores.members["seed 0"] + scores.members["seed 2"]) / 2, rtol=1e-12)
    notes = {(row["model"], row["note"]) for row in scores.learning if row["note"]}
    assert {model for model, _ in notes} == {"seed 1"}
    assert all(note.endswith("stopped") for _, note in notes)


NOTHING = (
    r"none of (\d+) networks, in \1 folds, learnt anything of use; of the first: .*stopped.* smaller learning_rate"
)


def test_a_rate_far_too_large_is_told_and_an_error_where_no_fold_learns():
    """Each fold by itself, as online, is warned of and scores nothing: what the next one learns is not known yet."""
    signal = signals.MLP((4,), **{**FLAT, "learning_rate": 1e30})
    with (
        pytest.warns(UserWarning, match=r"all \d models that .*: they score nothing. A smaller") as told,
        pytest.raises(bt.SignalError, match=NOTHING),
    ):
        walked(signal)
    assert len(told) == 1
    with pytest.warns(UserWarning, match=r"before any epoch was of use. It scores nothing. A smaller") as told:
        scores, learnt = walked(signal, batch=1)
    assert len(told) == len(learnt)
    assert not any("others" in str(one.message) for one in told)
    assert np.isnan(scores.values).all()


def test_what_was_best_before_it_broke_is_kept():
    """The module breaks in its 30th step; three steps an epoch make that the tenth."""
    settings = {**FLAT, "epochs": 12, "patience": None}
    scores, learnt = walked(signals.Module("own_modules:BreaksLater", **settings))
    curve = [row for row in scores.learning if row["fold"] == 1]
    assert curve[-1]["note"] == "the loss was nan: stopped"
    assert 1 < len(curve) < 12
    assert np.isfinite(scores.values[-1]).any()
    assert learnt[0]._fitted.members == ("seed 0",)


def test_a_module_that_gives_no_numbers():
    with (
        pytest.warns(UserWarning, match="the loss was nan: stopped"),
        pytest.raises(bt.SignalError, match="of the first: the loss was nan: stopped"),
    ):
        walked(signals.Module("own_modules:Breaks", **FLAT))


def test_a_chain_goes_on_after_a_fold_that_learnt_nothing():
    """From new weights; in one call it is an error if no fold learns, after all of them."""
    signal = signals.MLP((4,), **{**FLAT, "learning_rate": 1e30, "warm_start": "previous"})
    with pytest.warns(UserWarning, match="before any epoch was of use") as told:
        _, learnt = walked(signal, batch=1)
    assert len(told) == len(learnt)
    with pytest.warns(UserWarning, match="before any") as told, pytest.raises(bt.SignalError, match=NOTHING):
        walked(signal)
    assert len(told) == len(learnt)


# Settings.


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epoch": 3}, "MLP has no setting 'epoch'. Did you mean 'epochs'"),
        ({"hiden": 3}, "MLP has no setting 'hiden'. Did you mean 'hidden'"),
        ({"optimizer": "Adm"}, "optimizer is 'Adm'.*Did you mean 'Adam'"),
        ({"optimizer_arguments": {"beta": 1}}, "optimizer 'AdamW' refused its arguments"),
        ({"scheduler": "StepL"}, "scheduler is 'StepL'.*Did you mean 'StepLR'"),
        ({"scheduler": "StepLR"}, "scheduler 'StepLR' refused its arguments: .*step_size"),
        ({"scheduler": "ReduceLROnPlateau", "schedule_by": "step"}, "schedule_by='epoch'"),
        ({"scheduler_arguments": {"gamma": 1}}, "there is no scheduler: name one"),
        ({"loss": "mze"}, "loss is 'mze'.*Did you mean 'mse'"),
        ({"loss": "bce", "label": "raw"}, "the loss 'bce' needs a label of up, not 'raw'"),
        ({"monitor": "sharpe"}, "monitor is 'sharpe'; it must be one of loss, ic"),
        ({"scaling": "zscor"}, "scaling is 'zscor'.*Did you mean 'zscore'"),
        ({"missing": "zero"}, "missing is 'zero'; it must be one of drop, mean"),
        ({"device": "gpu"}, "device is 'gpu'; it must be one of auto, cpu, cuda, mps"),
        ({"dropout": 1.0}, "dropout is 1.0; it must be a number at least 0 and below 1"),
        ({"epochs": 0}, "epochs is 0; it must be a whole number, at least 1"),
        ({"patience": 0}, "patience is 0"),
        ({"freeze": ["layers.0"]}, "freeze goes with warm_start"),
        ({"freeze": "layers.0", "warm_start": "previous"}, "it must be a list of names"),
        ({"features": ["retrun_1"]}, "retrun_1"),
        ({"seeds": 0}, "seeds is 0"),
    ],
)  # fmt: skip
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(bt.ConfigError, match=message):
        signals.MLP(**settings)


def test_names_to_freeze_that_are_not_there(tmp_path):
    file = str(tmp_path / "first.safetensors")
    first = signals.MLP((4,), **FLAT)
    first.fit(PANEL, np.arange(10, 60))
    first.save(file)
    with pytest.raises(bt.SignalError, match=r"freeze names 'layer.0'; the parameters are .*Did you mean"):
        walked(signals.MLP((4,), **FLAT, warm_start=file, freeze=["layer.0"]))
    with pytest.raises(bt.SignalError, match="leaves no parameter that could learn"):
        walked(signals.MLP((4,), **FLAT, warm_start=file, freeze=["layers", "head"]))
    with pytest.raises(bt.ConfigError, match="freeze goes with the weights of a file"):
        signals.MLP((4,), **FLAT, warm_start="previous", freeze=["layers.0"])


def test_a_device_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(bt.SignalError, match=r"device is 'cuda', and torch .* finds none here. Use device='auto'"):
        walked(signals.MLP((4,), **FLAT, device="cuda"))


# No room on the device.


def short_of_room(monkeypatch, most):
    """A step of more than so many models times samples does not fit; steps are PyTorch's, as where room is short."""
    monkeypatch.setattr("signals.training.trainer.suits", lambda *asked: False)
    honest = Trainer._train_step

    def small(self, units):
        if self.stack.count * self._batch > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        honest(self, units)

    monkeypatch.setattr(Trainer, "_train_step", small)


def test_half_of_the_lanes_at_a_time_gives_the_same(monkeypatch, caplog):
    """Six lanes (three folds or more, two seeds) do not fit, two or three do."""
    make = lambda: signals.MLP((4,), **FLAT, seeds=2, dropout=0.2)  # noqa: E731
    first, learnt = walked(make())
    short_of_room(monkeypatch, 3 * 256)
    with caplog.at_level(logging.WARNING, "signals"):
        again, others = walked(make())
    assert "out of memory on cpu" in caplog.text
    assert f"of {2 * len(learnt)} lanes at a time" in caplog.text
    assert "halved" not in caplog.text
    np.testing.assert_allclose(again.values, first.values, rtol=0, atol=1e-5 * np.nanmax(np.abs(first.values)))
    assert len(others) == len(learnt)


@pytest.mark.parametrize("signal", [signals.MLP((4,), **FLAT), signals.Module("own_modules:Small", **FLAT)])
def test_a_single_lane_halves_its_batch_and_says_so(monkeypatch, caplog, signal):
    """A batch of 256 does not fit, one of 64 does: as if that had been asked for."""
    short_of_room(monkeypatch, 100)
    with caplog.at_level(logging.WARNING, "signals"):
        scores, _ = walked(signal)
    assert "batch halved to 128" in caplog.text
    assert "batch halved to 64" in caplog.text
    small, _ = walked(signal.varied(batch=64))
    np.testing.assert_allclose(scores.values, small.values, rtol=0, atol=1e-5 * np.nanmax(np.abs(small.values)))


def test_no_room_for_a_single_sample(monkeypatch):
    short_of_room(monkeypatch, 0)
    with pytest.raises(bt.SignalError, match="no room for a single sample of this network"):
        walked(signals.MLP((4,), **FLAT))


def test_scoring_halves_its_batch_and_says_so(monkeypatch, caplog):
    make = lambda: signals.MLP((4,), **FLAT, validation=0.0)  # noqa: E731
    first, _ = walked(make())
    honest = MLPStack.forward

    def small(self, x, step):
        if not self.training and x.shape[1] > 100:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return honest(self, x, step)

    monkeypatch.setattr(MLPStack, "forward", small)
    monkeypatch.setattr(ask, "_CELLS", 256)
    with caplog.at_level(logging.WARNING, "signals"):
        again, _ = walked(make())
    assert "out of memory on cpu" in caplog.text
    assert "scoring 64 cells at a time" in caplog.text
    np.testing.assert_allclose(again.values, first.values, rtol=0, atol=1e-6 * np.nanmax(np.abs(first.values)))


# TensorBoard.


def test_curves_for_tensorboard(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    scores, learnt = walked(signals.MLP((4,), **FLAT, seeds=2), tensorboard=tmp_path / "runs")
    plain, _ = walked(signals.MLP((4,), **FLAT, seeds=2))
    assert plain.values.tobytes() == scores.values.tobytes()
    events = EventAccumulator(str(tmp_path / "runs"))
    events.Reload()
    assert len(events.Tags()["scalars"]) == 3 * 2 * len(learnt)
    for row in scores.learning:
        for key in ("train_loss", "valid_loss", "valid_ic"):
            written = events.Scalars(f"{key}/fold {row['fold']}, {row['model']}")
            assert {one.step: one.value for one in written}[row["epoch"]] == pytest.approx(row[key])


def test_tensorboard_that_is_not_installed_is_told_before_the_training(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    monkeypatch.setattr(fit, "prepare", None)
    with pytest.raises(
        bt.SignalError, match=r"needs TensorBoard, which cannot be imported .* Install the extra 'track'"
    ):
        walked(signals.MLP((4,), **FLAT), tensorboard=tmp_path)
