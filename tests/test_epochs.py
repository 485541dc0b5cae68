"""Rank ICs by training epoch: those of trainings limited to it, whatever is stacked, stops, is killed or read."""

from __future__ import annotations

import logging
import pickle

import numpy as np
import pytest
from signal_cases import ENSEMBLES, ESTIMATORS, GRIDS, market, with_another_future
from test_training_resume import KilledError, killed_after
from training_cases import lane, market_of, same_bytes, task

import backtester as bt
import signals
from backtester.asking import fitted_together
from backtester.walk_together import walk_forward_together
from signals.training.best import Best
from signals.training.fitted import load
from signals.training.options import Options
from signals.training.resume import resume, save_state
from signals.training.trail import Better, pool_trails, trail_of
from signals.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("one_thread")

FOLDS = bt.Folds(60, 20)
PANEL = market(sessions=130)
EPOCHS = 6
FLAT = {"features": ["return_1", "return_5", "extra"], "batch": 256, "learning_rate": 0.02, "device": "cpu"}
MAKERS = {
    "stops early": lambda epochs=EPOCHS, **more: signals.MLP(
        (4,), **{**FLAT, "seeds": 3, "patience": 1, "dropout": 0.2, **more}, epochs=epochs
    ),
    "by ic": lambda epochs=EPOCHS: signals.MLP((4,), norm="batch", **FLAT, seeds=2, monitor="ic", epochs=epochs),
    "not watched": lambda epochs=EPOCHS: signals.MLP(
        (4,), **FLAT, seeds=2, seed=3, validation=0.0, patience="off", epochs=epochs
    ),
    "watched to the end": lambda epochs=EPOCHS: signals.MLP((4,), **FLAT, patience="off", horizon=3, epochs=epochs),
    "module": lambda epochs=EPOCHS: signals.Module("own_modules:Normed", **FLAT, seeds=2, epochs=epochs),
    "windows": lambda epochs=EPOCHS: signals.GRU(
        4, window=5, missing="mean", batch=256, loss="rank_correlation", fill="close", device="cpu", epochs=epochs
    ),
}
each_network = pytest.mark.parametrize("name", MAKERS)
# Of the spread of scores: float32 rounds by 6e-8, and some thirty steps carry it on (tests/test_walk_together.py).
CLOSE = 1e-4


def walked(made, panel=PANEL, folds=FOLDS, **more):
    """The scores of signals by name, walked together and asked by epoch."""
    return walk_forward_together(panel, made, folds, **{"by_epoch": True, **more})


def ics_of(scores, signal):
    return bt.rank_ic(scores.values, bt.labels(PANEL, None, signal.horizon, fill=signal.fill))


@each_network
def test_an_epoch_is_what_a_training_limited_to_it_scores(name):
    """The same folds and seeds in one stack both times: so the same numbers, to the order of ranks that are equal."""
    make = MAKERS[name]
    found = walked({"a": make()})["a"]
    assert found.by_epoch.shape == (EPOCHS, len(PANEL.dates))
    for epoch in range(1, EPOCHS + 1):
        alone = bt.walk_forward(PANEL, make(epoch), FOLDS)
        np.testing.assert_allclose(found.by_epoch[epoch - 1], ics_of(alone, make()), rtol=0.0, atol=1e-12)
    known = np.isfinite(found.by_epoch[-1])
    assert known.sum() > 40  # more than two folds
    assert not np.array_equal(found.by_epoch[0, known], found.by_epoch[-1, known])


@each_network
def test_the_last_epoch_is_that_of_the_scores_and_these_do_not_change(name):
    make = MAKERS[name]
    plain, found = bt.walk_forward(PANEL, make(), FOLDS), walked({"a": make()})["a"]
    assert found.values.tobytes() == plain.values.tobytes()
    assert found.learning == plain.learning
    np.testing.assert_array_equal(found.by_epoch[-1], ics_of(found, make()))
    assert plain.by_epoch.shape == walked({"a": make()}, by_epoch=False)["a"].by_epoch.shape == (0, len(PANEL.dates))


def test_early_stopping_bites():
    """Else the tests above would not show that a model that has stopped stays as it is."""
    last = {}
    for row in walked({"a": MAKERS["stops early"]()})["a"].learning:
        last[row["fold"], row["model"]] = row["epoch"]
    assert len(last) == 12
    assert min(last.values()) < EPOCHS == max(last.values())


def test_in_a_stack_with_others_scores_are_those_of_a_training_alone():
    """Score by score, where others train beside it that stop sooner or later."""
    make = MAKERS["stops early"]
    made = [make(), make(learning_rate=0.001), make(epochs=2), make(epochs=9, l2=0.1)]
    folds = dict(enumerate(FOLDS.split(len(PANEL.dates), 1, made[0].warmup), 1))
    copies, _ = fitted_together(made, PANEL, folds, bt.FitWork(by_epoch=True))
    for own, (epochs, more) in zip(
        copies, [(6, {}), (6, {"learning_rate": 0.001}), (2, {}), (9, {"l2": 0.1})], strict=True
    ):
        alone = [bt.walk_forward(PANEL, make(epochs=epoch, **more), FOLDS).values for epoch in range(1, epochs + 1)]
        for fit, fold in zip(own, folds.values(), strict=True):
            found = list(fit.predict_epochs(PANEL.head(int(fold.test[-1])), fold.test))
            assert len(found) == epochs
            for one, other in zip(found, alone, strict=True):
                np.testing.assert_allclose(one, other[fold.test], rtol=0.0, atol=CLOSE * np.nanstd(other))


def sheets(panel, make):
    """The scores of every fold by epoch, (E, R, N) each, and the test rows."""
    folds = FOLDS.split(len(panel.dates), make().horizon, make().warmup)
    (fits,), _ = fitted_together([make()], panel, dict(enumerate(folds, 1)), bt.FitWork(by_epoch=True))
    asked = [
        fit.predict_epochs(panel.head(int(fold.test[-1])), fold.test) for fit, fold in zip(fits, folds, strict=True)
    ]
    return [np.array(list(one)) for one in asked], [fold.test for fold in folds]


@pytest.mark.parametrize("off", [-8, 0, 7])
def test_what_comes_later_does_not_reach_an_epoch(off):
    """Other prices from the second fold on: what was scored before, and could be judged before, stays."""
    make = MAKERS["stops early"]
    before, rows = sheets(PANEL, make)
    t = int(rows[1][0]) + off
    other = with_another_future(PANEL, t)
    after, _ = sheets(other, make)
    known = [one[:, own <= t] for one, own in zip(before, rows, strict=True)]
    again = [one[:, own <= t] for one, own in zip(after, rows, strict=True)]
    assert sum(one.shape[1] for one in known) >= 12
    for one, two in zip(known, again, strict=True):
        np.testing.assert_allclose(two, one, rtol=0.0, atol=CLOSE * np.nanstd(before[0]))
    ics, changed = (walked({"a": make()}, panel)["a"].by_epoch for panel in (PANEL, other))
    judged = slice(None, t - 1)  # the label of a row ends two sessions later
    assert np.isfinite(ics[:, judged]).any()
    # Of 14 names, two neighbours that change places, as they differ by rounding: at most 12 / (14 * 15).
    np.testing.assert_allclose(changed[:, judged], ics[:, judged], rtol=0.0, atol=12 / (14 * 15))
    assert not np.array_equal(changed[:, t + 1 :], ics[:, t + 1 :], equal_nan=True)


def test_a_row_alone_has_the_scores_of_its_epoch():
    make = MAKERS["windows"]
    folds = dict(enumerate(FOLDS.split(len(PANEL.dates), 1, make().warmup), 1))
    ((fit, *_),), _ = fitted_together([make()], PANEL, folds, bt.FitWork(by_epoch=True))
    rows = folds[1].test
    together = list(fit.predict_epochs(PANEL.head(int(rows[-1])), rows))
    for k in (0, 7, len(rows) - 1):
        alone = list(fit.predict_epochs(PANEL.head(int(rows[k])), rows[k : k + 1]))
        for one, other in zip(alone, together, strict=True):
            np.testing.assert_allclose(one[0], other[k], rtol=0.0, atol=CLOSE * np.nanstd(other))


# What is kept, and read again.


def test_scores_that_were_kept_without_it_are_made_again_and_those_with_it_serve_both(tmp_path):
    make = MAKERS["stops early"]
    plain = bt.walk_forward(PANEL, make(), FOLDS, cache=tmp_path)
    assert bt.walk_forward(PANEL, make(), FOLDS, cache=tmp_path).from_cache
    asked = walked({"a": make()}, cache=tmp_path)["a"]
    assert not asked.from_cache
    again, without = walked({"a": make()}, cache=tmp_path)["a"], bt.walk_forward(PANEL, make(), FOLDS, cache=tmp_path)
    assert again.from_cache
    assert without.from_cache
    assert len(list(tmp_path.iterdir())) == 1
    np.testing.assert_array_equal(again.by_epoch, asked.by_epoch)
    assert again.values.tobytes() == without.values.tobytes() == plain.values.tobytes()
    assert not len(without.by_epoch)  # as if it had never been asked for


def test_signals_without_epochs_are_read_whoever_kept_them(tmp_path):
    made = {"rule": signals.Reversal(), "ridge": ESTIMATORS["ridge"]()}
    for signal in made.values():
        bt.walk_forward(PANEL, signal, FOLDS, cache=tmp_path)
    found = walked(made, cache=tmp_path)
    assert all(one.from_cache and one.by_epoch.shape == (0, len(PANEL.dates)) for one in found.values())


@pytest.mark.parametrize("name", ["stops early", "not watched", "module"])
@pytest.mark.parametrize("epochs", [1, 4])
def test_a_killed_training_goes_on_to_the_same_epochs(name, epochs, tmp_path, monkeypatch, caplog):
    make = MAKERS[name]
    whole = walked({"a": make()})["a"]
    with monkeypatch.context() as patch:
        killed_after(patch, epochs)
        failed = walked({"a": make()}, checkpoints=tmp_path, every_epoch=True)["a"]
    assert KilledError.__name__ in str(failed)
    with caplog.at_level(logging.INFO, "signals"):
        again = walked({"a": make()}, checkpoints=tmp_path, every_epoch=True)["a"]
        assert f"going on after epoch {epochs}" in caplog.text
        read = walked({"a": make()}, checkpoints=tmp_path)["a"]
        assert caplog.text.count("was trained before") == 4
    for one in (again, read):
        np.testing.assert_array_equal(one.by_epoch, whole.by_epoch)
        assert one.values.tobytes() == whole.values.tobytes()


def test_checkpoints_that_were_kept_without_it_count_as_not_there(tmp_path, monkeypatch, caplog):
    make = MAKERS["stops early"]
    whole = walked({"a": make()})["a"]
    with monkeypatch.context() as patch:
        killed_after(patch, 2)
        walked({"a": make()}, checkpoints=tmp_path, every_epoch=True, by_epoch=False)
    with caplog.at_level(logging.INFO, "signals"):
        found = walked({"a": make()}, checkpoints=tmp_path)["a"]
        assert "the training begins anew" in caplog.text
        assert "going on" not in caplog.text
    np.testing.assert_array_equal(found.by_epoch, whole.by_epoch)
    for path in tmp_path.rglob("fold-*"):
        path.unlink()
    caplog.clear()
    with caplog.at_level(logging.INFO, "signals"):
        walked({"a": make()}, checkpoints=tmp_path, by_epoch=False)
        found = walked({"a": make()}, checkpoints=tmp_path)["a"]
        assert caplog.text.count("it is trained anew") == 4
        caplog.clear()
        plain = walked({"a": make()}, checkpoints=tmp_path, by_epoch=False)["a"]  # which those with it serve
        assert caplog.text.count("was trained before") == 4
    np.testing.assert_array_equal(found.by_epoch, whole.by_epoch)
    assert plain.values.tobytes() == whole.values.tobytes()


def test_a_state_with_it_serves_a_training_without(tmp_path):
    one = task([lane(range(30), range(31, 36), 0, 3, market_of())], market_of(), epochs=5)
    whole, kept = Trainer(one._replace(trail=True)), tmp_path / "state"
    whole.run(epoch_over=lambda: save_state(whole, kept) if whole.epoch == 2 else None)
    other = Trainer(one)
    assert resume(other, kept)
    other.run()
    assert same_bytes(other.best.outcomes()[0].state, whole.best.outcomes()[0].state)
    assert other.best.outcomes()[0].trail == ()


def test_what_a_fold_has_learnt_is_read_as_it_was_written(tmp_path):
    network = MAKERS["stops early"]()
    folds = dict(enumerate(FOLDS.split(len(PANEL.dates), 1, network.warmup), 1))
    ((fit, *_),), _ = fitted_together([network], PANEL, folds, bt.FitWork(by_epoch=True))
    learnt = fit._fitted
    learnt.save(tmp_path / "fold")
    again = load(tmp_path / "fold", learnt.shape, learnt.inputs)
    assert [(one.epoch, one.models) for one in again.trail] == [(one.epoch, one.models) for one in learnt.trail]
    assert all(same_bytes(one.state, other.state) for one, other in zip(again.trail, learnt.trail, strict=True))


def test_scores_keep_it_on_disk_and_in_pickles(tmp_path):
    found = walked({"a": MAKERS["stops early"]()})["a"]
    found.to_parquet(tmp_path / "scores.parquet")
    again, pickled = bt.Scores.from_parquet(tmp_path / "scores.parquet"), pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.by_epoch, found.by_epoch[:, np.isin(found.dates, again.dates)])
    np.testing.assert_array_equal(pickled.by_epoch, found.by_epoch)
    assert not pickled.by_epoch.flags.writeable
    assert not found.by_epoch.flags.writeable
    with pytest.raises(bt.DataError, match=r"by epoch has shape \(2, 3\)"):
        bt.Scores(found.values, found.dates, found.symbols, by_epoch=np.zeros((2, 3)))


# The weights.


def test_the_trail_holds_what_was_best_until_each_epoch():
    """By hand: model 0 is better in epochs 1 and 3, model 1 first known in 2, model 2 never; weights are the epoch."""
    state = lambda epoch: {"w": 10.0 * np.arange(3)[:, None] + epoch}  # noqa: E731
    tensors = lambda epoch: {name: _tensor(one) for name, one in state(epoch).items()}  # noqa: E731
    best = Best(3, tensors(0), Options(epochs=4, patience=None), trail=True)
    losses = {1: (3.0, np.nan, np.nan), 2: (4.0, 5.0, np.nan), 3: (2.0, 6.0, np.nan), 4: (2.0, 7.0, np.nan)}
    for epoch, valid in losses.items():
        best.note(epoch, range(3), [1.0] * 3, (valid, (0.0,) * 3), tensors(epoch))
    assert [(one.epoch, one.models) for one in best.trail] == [(1, (0,)), (2, (1,)), (3, (0,))]
    outcomes = best.outcomes()
    trail = pool_trails([one.trail for one in outcomes], ("a", "b", "c"))
    told = [(epoch, models, state["w"][:, 0].tolist()) for epoch, models, state in trail]
    assert told == [(1, ("a",), [1.0]), (2, ("b",), [12.0]), (3, ("a",), [3.0])]
    assert outcomes[0].state["w"].tolist() == [[3.0]]
    assert [one.epoch for one in trail_of(best.trail, 0)] == [1, 3]
    assert isinstance(trail[0], Better)


def _tensor(values):
    import torch

    return torch.from_numpy(np.array(values, dtype=np.float32))


def test_nothing_is_kept_unless_it_is_asked_for():
    network = MAKERS["stops early"]()
    folds = dict(enumerate(FOLDS.split(len(PANEL.dates), 1, network.warmup), 1))
    ((fit, *_),), _ = fitted_together([network], PANEL, folds, bt.FitWork())
    assert fit._fitted.trail is None
    assert list(fit.predict_epochs(PANEL, folds[1].test)) == []


# The contract.

WORKS: list[bool] = []


class Told(bt.Signal):
    """Learns nothing, in three epochs: after each a score is closer to the return of the session."""

    def __init__(self, wrong=""):
        self.wrong = wrong

    def fit_folds(self, jobs, work):
        WORKS.append(work.by_epoch)

    def predict(self, panel, rows):
        return np.nan_to_num(panel.returns[rows])

    def predict_epochs(self, panel, rows):
        said = self.predict(panel, rows)
        known = np.arange(said.size).reshape(said.shape) % 7 / 1e3
        sheets = [np.full(said.shape, np.nan), said + known, said]
        if self.wrong == "last":
            sheets[-1] = said + 1.0
        elif self.wrong == "count" and rows[0] > 100:
            sheets = sheets[1:]
        elif self.wrong == "shape":
            sheets[1] = said[:, 1:]
        elif self.wrong == "infinite":
            sheets[1][0, 0] = np.inf
        for sheet in sheets:
            yield sheet
            sheet[:] = 0.0  # nobody may rely on it staying as it was
        if self.wrong == "raises":
            raise ValueError("no more")


def test_a_signal_of_ones_own_may_tell_its_epochs():
    WORKS.clear()
    found = walked({"a": Told()})["a"]
    assert WORKS == [True]
    tested = np.isfinite(found.values).any(axis=1)
    assert not np.isfinite(found.by_epoch[0]).any()
    np.testing.assert_array_equal(found.by_epoch[2], ics_of(found, _opened()))
    middle = np.isfinite(found.by_epoch[1])
    assert middle.sum() == np.isfinite(found.by_epoch[2]).sum() > 50
    assert not (middle & ~tested).any()
    assert not np.array_equal(found.by_epoch[1, middle], found.by_epoch[2, middle])
    bt.walk_forward(PANEL, Told(), FOLDS)
    assert WORKS == [True, False]


def _opened():
    signal = Told()
    signal.fill = "open"
    return signal


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("last", r"the score after the last epoch, 3, is .*, and predict says .* return \(\) from predict_epochs"),
        ("count", "gave 2 epochs for the rows from .*, and 3 for those before"),
        ("shape", r"returned shape \(20, 15\) .* for the scores after epoch 2"),
        ("infinite", "the score after epoch 2 of .* is inf"),
        ("raises", r"Told\.predict_epochs on .* raised ValueError .*: no more"),
    ],
)
def test_what_is_wrong_with_epochs_is_told(wrong, words):
    found = walked({"a": Told(wrong), "b": Told()})
    with pytest.raises(bt.SignalError, match=words):
        raise found["a"]
    assert len(found["b"].by_epoch) == 3


class Turned(signals.MLP):
    """Says the opposite of what it has learnt."""

    def predict(self, panel, rows):
        return -super().predict(panel, rows).scores


OTHERS = {
    "grid": GRIDS["grid"],
    "ensemble": ENSEMBLES["ensemble"],
    "estimator": ESTIMATORS["ridge"],
    "rule": signals.Reversal,
    "turned": lambda: Turned((4,), **FLAT, epochs=2),
    "chain": lambda: signals.MLP((4,), **FLAT, epochs=2, warm_start="previous"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_has_no_epochs_to_tell_tells_none(name, tmp_path):
    """A fold that goes on from another would have begun otherwise; grids and ensembles choose and mix at the end."""
    found = walked({"a": OTHERS[name]()}, cache=tmp_path)["a"]
    assert found.by_epoch.shape == (0, len(PANEL.dates))
    assert walked({"a": OTHERS[name]()}, cache=tmp_path)["a"].from_cache


def test_networks_inside_of_others_keep_no_trail(monkeypatch):
    """Nobody will ask them by epoch: their weights would be kept for nothing."""
    asked = []
    fit_folds = signals.MLP.fit_folds
    monkeypatch.setattr(
        signals.MLP, "fit_folds", lambda self, jobs, work: asked.append(work.by_epoch) or fit_folds(self, jobs, work)
    )
    walked({"a": ENSEMBLES["ensemble"]()})
    assert asked == [False, False]
