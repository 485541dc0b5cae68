"""No leak in the training of networks: whatever comes later, what was learnt and said before stays.

All folds are trained in one stack. Everything after a row is replaced by another market: after the last label of a
fold its weights, scales, early stopping and curves must stay; within and after its test rows its scores up to there.
Scales stay to the byte; weights, curves and scores to `CLOSE`. Trained each by itself they stay to the byte as well, as
`test_signals_laws` shows. Each way in which a trainer can look ahead is then planted, and must be caught by the same
check.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from signal_cases import market, with_another_future

import backtester as bt
import signals
from signals.training import ask, fit, prepare
from signals.training import trainer as trainers
from signals.training.prepare import Labels

pytestmark = pytest.mark.usefixtures("one_thread")

FOLDS = bt.Folds(60, 20)
PANEL = market(sessions=130)
# Of what is compared: a hundred times float32's rounding. The optimizer takes eight numbers of all models at a time and
# the last few one by one, rounded otherwise; which are the last depends on how many steps the other folds have.
CLOSE = 1e-5
FLAT = {"features": ["return_1", "return_5", "extra"], "epochs": 3, "batch": 256, "learning_rate": 0.01}
WINDOWS = {"window": 5, "missing": "mean", "epochs": 3, "batch": 256, "learning_rate": 0.01}


def walked(panel, make):
    """Scores, folds, and what was learnt in each fold."""
    learnt, folds = [], []

    def keep(fold, own):
        folds.append(fold)
        learnt.append(own._fitted)

    return bt.walk_forward(panel, make(), FOLDS, on_fit=keep), folds, learnt


class LeakError(AssertionError):
    """What is said in a fold is another after what comes later was changed."""


def check_nothing_leaks(make, panel=PANEL):
    """Change the market after the labels of each fold, in the middle of its test rows and after them."""
    scores, folds, learnt = walked(panel, make)
    horizon = make().horizon
    for fold in folds[:2]:
        for t in (fold.train[-1] + 1 + horizon, fold.test[9], fold.test[-1]):
            again, _, others = walked(with_another_future(panel, int(t), seed=int(t)), make)
            for known, one, other in zip(folds, learnt, others, strict=True):
                if known.train[-1] + 1 + horizon <= t:
                    check_same(one, other)
            if not close(again.values[: t + 1], scores.values[: t + 1]):
                raise LeakError("scores")
            assert not close(again.values[t + 1 :], scores.values[t + 1 :])  # another market indeed


def close(values, others):
    """Whether all differ by less than `CLOSE` of the largest, and are unknown in the same places."""
    values, others = np.asarray(values, dtype=float), np.asarray(others, dtype=float)
    same = np.isnan(values) == np.isnan(others)
    largest = np.nanmax(np.abs(others), initial=0.0)
    return bool(same.all()) and not (np.abs(values - others) > CLOSE * largest).any()


def check_same(one, other):
    """Everything that was learnt in a fold."""
    if any(mine.tobytes() != theirs.tobytes() for mine, theirs in zip(one.scale, other.scale, strict=True)):
        raise LeakError("scale")
    if one.unit != other.unit:
        raise LeakError("unit")
    assert [row["epoch"] for row in one.curve] == [row["epoch"] for row in other.curve]
    for key in ("train_loss", "valid_loss", "valid_ic"):
        if not close(*([row[key] for row in each.curve] for each in (one, other))):
            raise LeakError(key)
    if not all(close(value, other.state[name]) for name, value in one.state.items()):
        raise LeakError("weights")
    assert one.members == other.members


HONEST = {
    "features, labels and early stopping": lambda: signals.MLP((4,), **FLAT, seeds=2, dropout=0.2),
    "batch norm": lambda: signals.MLP((4,), norm="batch", **FLAT),
    "robust scale": lambda: signals.MLP((4,), scaling="robust", **FLAT, horizon=3),
    "ranks": lambda: signals.MLP((4,), scaling="rank", **FLAT, label="ranked"),
    "warm start": lambda: signals.MLP((4,), **FLAT, warm_start="previous"),
    "windows": lambda: signals.GRU(4, **WINDOWS),
    "windows of a transformer": lambda: signals.Transformer(4, heads=2, layers=1, **WINDOWS),
    "convolutions": lambda: signals.CNN((4,), **WINDOWS),
    "sessions": lambda: signals.MLP((4,), **FLAT, loss="rank_correlation", batch_sessions=8),
    "barriers": lambda: signals.MLP((4,), **FLAT, loss="cross_entropy", label="triple_barrier", horizon=4),
    "a module": lambda: signals.Module("own_modules:Small", {"dropout": 0.2}, **FLAT),
}


@pytest.mark.parametrize("name", HONEST)
def test_nothing_leaks(name):
    check_nothing_leaks(HONEST[name])


# Planted leaks.


def plain():
    return signals.MLP((4,), **FLAT)


def test_a_scale_of_all_rows_is_caught(monkeypatch):
    """Fitted on the whole store, later folds' rows among them."""
    monkeypatch.setattr(
        prepare, "_samples", lambda values, *rest: values.reshape(-1, values.shape[2]).astype(np.float64)
    )
    with pytest.raises(LeakError):
        check_nothing_leaks(plain)


def planted_lanes(monkeypatch, change):
    """The trainer is handed other lanes."""

    def leaky(*arguments):
        store, lanes, names = prepare.prepare(*arguments)
        return store, change(store, lanes), names

    monkeypatch.setattr(fit, "prepare", leaky)


def test_a_unit_of_all_labels_is_caught(monkeypatch):
    planted_lanes(monkeypatch, lambda store, lanes: [one._replace(unit=float(store._labels.std())) for one in lanes])
    with pytest.raises(LeakError):
        check_nothing_leaks(plain)


def test_early_stopping_on_test_rows_is_caught(monkeypatch):
    """What a fold watches are rows of the fold after it: those it is tested on."""
    planted_lanes(
        monkeypatch,
        lambda store, lanes: [
            one._replace(valid=later.valid) for one, later in zip(lanes, [*lanes[1:], lanes[-1]], strict=True)
        ],
    )
    with pytest.raises(LeakError):
        check_nothing_leaks(plain)


def test_a_fold_cannot_even_be_told_to_watch_its_test_rows(monkeypatch):
    """Cells outside of the fold's training rows are empty, whatever rows are named."""
    split = prepare.split_rows

    def leaky(rows, validation, horizon):
        learnt, watched = split(rows, validation, horizon)
        return learnt, watched + len(watched) + 1

    monkeypatch.setattr(prepare, "split_rows", leaky)
    with pytest.raises(bt.SignalError, match="none of the 192 cells that are watched"):
        bt.walk_forward(PANEL, plain(), FOLDS)


class _Shifted(signals.MLP):
    """Its labels are those of the next row; of a panel that it should not have, where there is one."""

    _panel = None

    def plan(self, *arguments):
        told = super().plan(*arguments)
        panel = type(self)._panel

        def labels(own, rows):
            return bt.labels(panel or own, rows + 1, self.horizon)

        return told._replace(labels=Labels(labels, self.horizon, True))


def test_labels_of_later_rows_are_caught(monkeypatch):
    """Taken from the whole panel: consistent, and from after the purge."""

    def walk_shifted(panel, make):
        _Shifted._panel = panel
        return honest(panel, make)

    honest = walked
    monkeypatch.setitem(globals(), "walked", walk_shifted)
    with pytest.raises(LeakError):
        check_nothing_leaks(lambda: _Shifted((4,), **FLAT))


def test_labels_that_look_past_their_horizon_are_refused():
    """Of the panel that a fold is given: its last row has no label yet, which the fold after it knows."""
    _Shifted._panel = None
    with pytest.raises(bt.SignalError, match=r"the label of .* it depends on rows after those of its horizon"):
        bt.walk_forward(PANEL, _Shifted((4,), **FLAT), bt.Folds(60, 20))


def next_rows(panel, rows, names):
    """Features of the next row, where the panel has one."""
    last = len(panel.dates) - 1
    return np.concatenate([compute(panel, np.minimum(rows[k : k + 1] + 1, last), names) for k in range(len(rows))])


compute = prepare.compute


def test_features_of_the_next_row_are_refused(monkeypatch):
    monkeypatch.setattr(prepare, "compute", next_rows)
    with pytest.raises(bt.SignalError, match=r"the feature 'return_1' of .* depends on later rows"):
        bt.walk_forward(PANEL, plain(), FOLDS)


def test_features_of_the_next_row_are_caught(monkeypatch):
    """The program's own checks switched off."""
    monkeypatch.setattr(prepare, "compute", next_rows)
    monkeypatch.setattr(prepare, "check_seen", lambda *arguments: None)
    monkeypatch.setattr("backtester.walk.check_rows_alone", lambda *arguments: None)
    with pytest.raises(LeakError):
        check_nothing_leaks(plain)


@pytest.mark.parametrize("checks", [True, False])
def test_windows_that_reach_one_row_on_are_caught(monkeypatch, checks):
    honest = prepare.channels
    monkeypatch.setattr(
        prepare, "channels", lambda *arguments: np.ascontiguousarray(np.roll(honest(*arguments), -1, axis=1))
    )
    if not checks:
        monkeypatch.setattr(prepare, "check_seen", lambda *arguments: None)
        monkeypatch.setattr("backtester.walk.check_rows_alone", lambda *arguments: None)
    with pytest.raises(bt.SignalError if checks else LeakError):
        check_nothing_leaks(lambda: signals.GRU(4, **WINDOWS))


def test_a_warm_start_from_a_later_fold_is_caught(monkeypatch):
    def leaky(plan, jobs, work, track, previous):
        last = fit._fit_together(plan, [jobs[-1]], work, track, None)[0]
        return [fit._fit_together(plan, [job], work, track, last)[0] for job in jobs]

    monkeypatch.setattr(fit, "_fit_chain", leaky)
    with pytest.raises(LeakError):
        check_nothing_leaks(lambda: signals.MLP((4,), **FLAT, warm_start="previous"))


@pytest.mark.parametrize("checks", [True, False])
def test_batch_norm_over_the_rows_asked_for_is_caught(monkeypatch, checks):
    """Left as in training: the scores of a row depend on the rows that it is asked for with."""
    honest = ask._stacks
    monkeypatch.setattr(ask, "_stacks", lambda *arguments: [one.train() for one in honest(*arguments)])
    if not checks:
        monkeypatch.setattr("backtester.walk.check_rows_alone", lambda *arguments: None)
    with pytest.raises(bt.SignalError if checks else LeakError):
        check_nothing_leaks(lambda: signals.MLP((4,), norm="batch", **FLAT))


def test_batch_norm_that_learns_from_what_it_watches_is_caught(monkeypatch):
    """The market is changed within the rows that the first fold watches, 53 to 64, after the labels it learns from."""

    def means():
        make = lambda: signals.MLP((4,), norm="batch", **{**FLAT, "epochs": 1})  # noqa: E731
        panels = (PANEL, with_another_future(PANEL, 54))
        return [walked(panel, make)[2][0].state["layers.0.norm.mean"] for panel in panels]

    first, other = means()
    assert torch.equal(first, other)
    monkeypatch.setattr(trainers.Trainer, "_watch", _in_training_mode(trainers.Trainer._watch))
    first, other = means()
    assert not torch.equal(first, other)


def _in_training_mode(watch):
    def leaky(self):
        self.stack.eval = lambda: self.stack
        return watch(self)

    return leaky
