"""Folds that a signal learns together: what it is handed and in which order; the scores are those of each alone."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path

import numpy as np
import pytest
from signal_cases import market

import backtester as bt
from backtester.score_cache import ingredients, key_of

PANEL = market(6, 60)
FOLDS = bt.Folds(20, 15)  # with a horizon of 1 and a warmup of 1: tests from sessions 21, 36 and 51 on
CALLS: list[tuple[list[bt.FitJob], bt.FitWork]] = []


class Alone(bt.Signal):
    """Learns the mean return of its training rows; scores are distances of today's returns from it."""

    def __init__(self, horizon=1, lines=1):
        self.horizon, self.lines = horizon, lines

    def fit(self, panel, rows):
        self._learn(panel, rows)

    def _learn(self, panel, rows):
        self._mean = float(np.nanmean(bt.labels(panel, rows, self.horizon)))

    def predict(self, panel, rows):
        return panel.returns[rows] - self._mean

    def learning(self):
        return [{"model": "mean", "epoch": epoch + 1, "train_loss": self._mean} for epoch in range(self.lines)]


class Together(Alone):
    """The same for several folds in one call, which it notes."""

    fit = bt.Signal.fit

    def fit_folds(self, jobs, work):
        assert not hasattr(self, "_mean")
        self._mean = np.nan  # what the leader keeps reaches nobody
        CALLS.append((list(jobs), work))
        if work.progress is not None:
            work.progress("training", len(jobs), len(jobs))
        for job in jobs:
            job.signal._learn(job.panel, job.rows)


class Linked(Together):
    """Each fold adds what it has learnt to what the fold before knew, if it is handed that."""

    def fit_folds(self, jobs, work):
        super().fit_folds(jobs, work)
        before = work.previous
        for job in jobs:
            job.signal._mean += 0.0 if before is None else before._mean
            before = job.signal


class Chained(Linked):
    continues = True


class Warm(Linked):
    """The same as a setting says."""

    def __init__(self, warm):
        super().__init__()
        self.warm = warm

    continues = property(lambda self: self.warm)


class Placed(Together):
    _device = "cpu"

    def environment(self):
        return {"device": self._device}


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    CALLS.clear()


def numbers() -> list[list[int]]:
    """The folds of each call."""
    return [[job.number for job in jobs] for jobs, _ in CALLS]


class Holds(bt.Strategy):
    """Trades a little by its scores, so that orders follow from them."""

    def decide(self, view):
        return bt.rank_long_short(view.scores[-1], view.tradable, long=1, short=1)


@pytest.mark.parametrize(("batch", "expected"), [(None, [[1, 2, 3]]), (7, [[1, 2, 3]]), (1, [[1], [2], [3]])])
@pytest.mark.parametrize("kind", [Together, Chained])
def test_all_folds_come_in_one_call_unless_rows_come_one_by_one(kind, batch, expected):
    bt.walk_forward(PANEL, kind(), FOLDS, batch=batch)
    assert numbers() == expected


def test_the_scores_are_those_of_each_fold_alone():
    expected = bt.walk_forward(PANEL, Alone(), FOLDS).values.tobytes()
    for batch in (None, 7, 1):
        assert bt.walk_forward(PANEL, Together(), FOLDS, batch=batch).values.tobytes() == expected


def test_a_job_ends_with_the_last_label_and_its_signal_is_its_own():
    signal = Together(horizon=3)
    fitted = []
    bt.walk_forward(PANEL, signal, FOLDS, on_fit=lambda fold, own: fitted.append((fold, own)))
    ((jobs, _),) = CALLS
    # A test window from s on, a purge of 3: the last training row is s - 4, and its label ends at the open of s.
    assert [len(job.panel.dates) - 1 for job in jobs] == [int(fold.test[0]) for fold, _ in fitted]
    assert [job.rows.tolist() for job in jobs] == [fold.train.tolist() for fold, _ in fitted]
    assert not any(job.rows.flags.writeable for job in jobs)
    assert [own for _, own in fitted] == [job.signal for job in jobs]
    assert len({id(job.signal) for job in jobs} | {id(signal)}) == 4
    assert vars(signal) == {"horizon": 3, "lines": 1}


@pytest.mark.parametrize("kind", [Alone, Together])
@pytest.mark.parametrize("batch", [None, 1])
def test_the_fills_of_labels_are_noted(kind, batch):
    assert bt.walk_forward(PANEL, kind(), FOLDS, batch=batch).origin["label_fills"] == ["open"]


def test_a_signal_with_fit_alone_is_fitted_and_asked_fold_by_fold():
    told = []

    class Noted(Alone):
        def fit(self, panel, rows):
            told.append("fit")
            super().fit(panel, rows)

        def predict(self, panel, rows):
            told.append("predict")
            return super().predict(panel, rows)

    bt.walk_forward(PANEL, Noted(), FOLDS)
    assert told == ["fit", *["predict"] * 4] * 3  # all rows, and three of them alone


def test_a_signal_with_fit_folds_alone_learns():
    assert type(Together()).fit is bt.Signal.fit
    with pytest.raises(bt.ConfigError, match="Together learns from data, so it needs folds"):
        bt.walk_forward(PANEL, Together())


def test_a_fold_continues_from_the_one_before():
    means = [float(np.nanmean(bt.labels(PANEL.head(end), range(end - 21, end - 1), 1))) for end in (21, 36, 51)]
    expected = np.cumsum(means)  # each mean is added to the sum of those before it
    fitted = []
    together = bt.walk_forward(PANEL, Chained(), FOLDS, on_fit=lambda fold, own: fitted.append(own._mean))
    assert fitted == pytest.approx(expected, rel=1e-15)
    alone = bt.walk_forward(PANEL, Chained(), FOLDS, batch=1)
    assert alone.values.tobytes() == together.values.tobytes()
    handed = [work.previous for _, work in CALLS]
    assert handed[:2] == [None, None]  # the call for all, and that for the first fold
    assert [one._mean for one in handed[2:]] == fitted[:2]


def test_other_signals_are_not_handed_the_fold_before():
    bt.walk_forward(PANEL, Together(), FOLDS, batch=1)
    assert [work.previous for _, work in CALLS] == [None] * 3


def test_who_continues_without_fit_folds_is_refused():
    with pytest.raises(bt.ConfigError, match=r"Own.continues is true, but .* by fit_folds\(self, jobs, work\) alone"):
        bt.walk_forward(PANEL, type("Own", (Alone,), {"continues": True})(), FOLDS)
    with pytest.raises(bt.ConfigError, match=r"Own.continues is 'yes'"):
        bt.walk_forward(PANEL, type("Own", (Together,), {"continues": "yes"})(), FOLDS)


def test_continues_may_follow_from_a_setting():
    told = Warm(True).describe()
    assert told["warm"] is True
    assert "continues" not in told
    assert Chained().describe()["continues"] is True
    assert "continues" not in Together().describe()
    bt.walk_forward(PANEL, Warm(False), FOLDS, batch=1)
    bt.walk_forward(PANEL, Warm(True), FOLDS, batch=1)
    assert [work.previous is None for _, work in CALLS] == [True, True, True, True, False, False]


@pytest.mark.parametrize("kind", [Together, Chained])
def test_online_is_walking_with_one_row_a_batch(kind):
    """Law 18."""
    scores = bt.walk_forward(PANEL, kind(), FOLDS, batch=1)
    before = numbers()
    CALLS.clear()
    online = bt.run(PANEL, Holds(), signal=kind(), folds=FOLDS, online=True)
    assert numbers() == before == [[1], [2], [3]]
    assert online.scores is not None
    assert online.scores.values.tobytes() == scores.values.tobytes()
    assert online == bt.run(PANEL, Holds(), scores=online.scores)
    assert online.content_hash == bt.run(PANEL, Holds(), scores=scores).content_hash


@pytest.mark.parametrize(("kind", "again"), [(Together, [[2], [3]]), (Chained, [[1], [2], [3]])])
def test_a_cut_in_a_later_fold(kind, again):
    """Law 19: a chain is learnt from its first fold on, any other signal the fold of the cut alone."""
    whole = bt.run(PANEL, Holds(), signal=kind(), folds=FOLDS, online=True, name="x")
    options = {"signal": kind(), "folds": FOLDS, "online": True}
    first = bt.Simulation(PANEL.head(49), Holds(), **options)
    first.advance()
    snapshot = copy.deepcopy(first.snapshot())
    CALLS.clear()
    second = bt.Simulation(PANEL, Holds(), **options, snapshot=snapshot)
    second.advance()
    assert numbers() == again
    result = second.finish("x")
    assert result == whole
    assert result.scores.values.tobytes() == whole.scores.values.tobytes()
    assert result.curves == whole.curves


def test_a_cut_after_the_last_session():
    """Nothing is learnt again, so the record is that of the snapshot."""
    options = {"signal": Together(), "folds": FOLDS, "online": True}
    first = bt.Simulation(PANEL, Holds(), **options)
    first.advance()
    CALLS.clear()
    result = bt.Simulation(PANEL, Holds(), **options, snapshot=first.snapshot()).finish("x")
    assert CALLS == []
    assert result.settings["scores"]["label_fills"] == ["open"]
    assert result == first.finish("x")
    assert result.curves == first.finish("x").curves != ()


def test_progress_reaches_the_training():
    told = []
    bt.walk_forward(PANEL, Together(), FOLDS, progress=lambda *what: told.append(what))
    assert ("training", 3, 3) in told
    assert told[-1] == ("scoring", 39, 39)
    told.clear()
    bt.run(PANEL, Holds(), signal=Together(), folds=FOLDS, online=True, progress=lambda *what: told.append(what))
    assert told == [("training", 1, 1)] * 3


def test_what_a_training_is_told(tmp_path):
    options = {"checkpoints": str(tmp_path / "kept"), "every_epoch": True, "tensorboard": tmp_path / "board"}
    signal = Together()
    bt.walk_forward(PANEL, signal, FOLDS, **options)
    bt.walk_forward(PANEL, signal, FOLDS, batch=1, **options)
    bt.run(PANEL, Holds(), signal=signal, folds=FOLDS, **options)
    bt.run(PANEL, Holds(), signal=signal, folds=FOLDS, online=True, **options)
    assert {(work.every_epoch, work.tensorboard) for _, work in CALLS} == {(True, tmp_path / "board")}
    folders = [work.folder for _, work in CALLS]
    whole, single = (tmp_path / "kept" / key_of(ingredients(PANEL, signal, FOLDS, batch)) for batch in (None, 1))
    assert folders == [whole, *[single] * 3, whole, *[single] * 3]
    assert not (tmp_path / "kept").exists()  # who writes makes it
    CALLS.clear()
    bt.walk_forward(PANEL, signal, FOLDS)
    assert CALLS[0][1] == bt.FitWork()


@pytest.mark.parametrize("online", [False, True])
def test_a_checkpoint_of_every_epoch_needs_a_folder(online, tmp_path):
    message = "every_epoch keeps a checkpoint of every epoch, and checkpoints, the folder for it, is off"
    with pytest.raises(bt.ConfigError, match=message):
        bt.run(PANEL, Holds(), signal=Together(), folds=FOLDS, online=online, every_epoch=True)
    bt.walk_forward(PANEL, Together(), FOLDS, cache=tmp_path)
    with pytest.raises(bt.ConfigError, match=message):  # from the cache too
        bt.walk_forward(PANEL, Together(), FOLDS, cache=tmp_path, every_epoch=True)


def test_checkpoints_of_what_cannot_be_told(tmp_path):
    signal = Together()
    signal._rule = lambda: 0
    with pytest.warns(UserWarning, match="^No checkpoints are kept: _rule.*cannot be told from another"):
        bt.walk_forward(PANEL, signal, FOLDS, checkpoints=tmp_path)
    with pytest.warns(UserWarning, match="^The scores are not cached and no checkpoints are kept: _rule"):
        bt.walk_forward(PANEL, signal, FOLDS, checkpoints=tmp_path, cache=tmp_path)
    with pytest.warns(UserWarning, match="^No checkpoints are kept: _rule"):
        bt.run(PANEL, Holds(), signal=signal, folds=FOLDS, online=True, checkpoints=tmp_path)
    assert {work.folder for _, work in CALLS} == {None}
    single = Alone()  # is handed no folder, so nothing is to be said of one
    single._rule = lambda: 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bt.walk_forward(PANEL, single, FOLDS, checkpoints=tmp_path)


def test_settings_of_a_training_need_a_signal():
    for options in ({"checkpoints": "x"}, {"every_epoch": True}, {"tensorboard": "x"}):
        with pytest.raises(bt.ConfigError, match="checkpoints, every_epoch and tensorboard are about a signal"):
            bt.run(PANEL, Holds(), scores=np.zeros(PANEL.shape), **options)


def test_the_environment_is_part_of_the_key_and_of_nothing_else(tmp_path, monkeypatch):
    signal = Placed()
    one = bt.walk_forward(PANEL, signal, FOLDS, cache=tmp_path)
    assert bt.walk_forward(PANEL, Placed(), FOLDS, cache=tmp_path).from_cache
    monkeypatch.setattr(Placed, "_device", "cuda")
    other = bt.walk_forward(PANEL, signal, FOLDS, cache=tmp_path)
    assert not other.from_cache
    assert one.record == other.record
    monkeypatch.setattr(Placed, "_device", object())
    with pytest.warns(UserWarning, match=r"Placed.environment\(\) is .*it must be a dict of plain data"):
        bt.walk_forward(PANEL, signal, FOLDS, cache=tmp_path)


class Fails(Together):
    def fit_folds(self, jobs, work):
        raise KeyError(jobs[0].number)


def test_an_error_of_fit_folds_names_folds_dates_and_line():
    dates = PANEL.dates
    message = (
        rf"Fails.fit_folds on 3 folds, {dates[0]} to {dates[49]} raised KeyError at .*test_fit_folds.py:\d+ .*: 1$"
    )
    with pytest.raises(bt.SignalError, match=message):
        bt.walk_forward(PANEL, Fails(), FOLDS)
    with pytest.raises(bt.SignalError, match=rf"Fails.fit_folds on {dates[0]} to {dates[19]} raised KeyError .*: 1$"):
        bt.walk_forward(PANEL, Fails(), FOLDS, batch=1)


def test_a_row_beyond_the_end_is_explained():
    class Peeks(Together):
        def fit_folds(self, jobs, work):
            jobs[1].panel.close[jobs[1].rows[-1] + 3]

    message = f"The panel ends with {PANEL.dates[36]}, the last that a label of its rows needs; nothing later is known"
    with pytest.raises(bt.SignalError, match=message):
        bt.walk_forward(PANEL, Peeks(), FOLDS)


def test_curves_of_learning_come_with_the_fold(tmp_path):
    scores = bt.walk_forward(PANEL, Together(lines=2), FOLDS, cache=tmp_path)
    means = [job.signal._mean for job in CALLS[0][0]]
    assert scores.learning == tuple(
        {
            "fold": fold, "model": "mean", "epoch": epoch, "train_loss": means[fold - 1],
            "valid_loss": None, "valid_ic": None, "note": "",
        }
        for fold in (1, 2, 3)
        for epoch in (1, 2)
    )  # fmt: skip
    again = bt.walk_forward(PANEL, Together(lines=2), FOLDS, cache=tmp_path)
    assert again.from_cache
    assert again.learning == scores.learning
    scores.to_parquet(Path(tmp_path, "scores.parquet"))
    assert bt.Scores.from_parquet(tmp_path / "scores.parquet").learning == scores.learning
    assert bt.run(PANEL, Holds(), signal=Together(), folds=FOLDS, online=True).curves == scores.learning[::2]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"epoch": 1}, "model None and note ''; both must be text"),
        ({"model": "a", "epoch": 1.5}, "epoch 1.5; it must be a whole number"),
        ({"model": "a", "epoch": 1, "train_loss": "low"}, "train_loss 'low'; it must be a number, or None"),
        ({"model": "a", "epoch": 1, "valid_los": 1.0}, "'valid_los'.*Did you mean 'valid_loss'"),
        (3, "a row that is 3; it must be a mapping"),
    ],
)
def test_a_wrong_row_of_a_curve(row, message):
    class Odd(Together):
        def learning(self):
            return [row]

    with pytest.raises(bt.SignalError, match=rf"Odd.learning of fold 1.*{message}"):
        bt.walk_forward(PANEL, Odd(), FOLDS)
