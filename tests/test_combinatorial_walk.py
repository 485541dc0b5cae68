"""Walks in combinations: who is given what, which split scores what, a planted leak, and what is refused."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest
from signal_cases import ENSEMBLES, ESTIMATORS, market

import backtester as bt
import signals
import strategies
from backtester.asking import fitted
from backtester.combinatorial import CombinatorialFolds, combinatorial_walk
from backtester.folds import Fold
from backtester.signal import FitWork

PANEL = market(8, 90)


class First(bt.Signal):
    """Says the number of the first row that it has learnt from, and that of the row asked for."""

    warmup, horizon = 3, 2

    def fit(self, panel, rows):
        self._first = float(rows[0])

    def predict(self, panel, rows):
        assert panel.shape[0] == rows[-1] + 1
        return np.full((len(rows), panel.shape[1]), self._first) + rows[:, None] / 1000


class Noted(First):
    """Keeps what it is given."""

    seen: list  # of the class, so that copies share it

    def fit(self, panel, rows):
        super().fit(panel, rows)
        bt.labels(panel, rows, self.horizon)
        type(self).seen.append((panel.shape[0], rows))

    def learning(self):
        return [{"model": "m", "epoch": 1, "train_loss": self._first}]


def test_every_path_scores_every_session_with_its_own_splits():
    Noted.seen = []
    folds, calls = CombinatorialFolds(5, 2), []
    paths = combinatorial_walk(PANEL, Noted(), folds, progress=lambda *call: calls.append(call))
    splits = folds.split(90, 2, 3)
    assert len(paths) == 4
    # What each split was given: its rows, and a panel that ends with the last bar that their labels need.
    assert len(Noted.seen) == 10
    for split, (sessions, rows) in zip(splits, Noted.seen, strict=True):
        assert rows.tolist() == split.train.tolist()
        assert sessions == split.train[-1] + 1 + 2 + 1
    parts = [split.tests[0] for split in CombinatorialFolds(5, 1).split(90, 2, 3)]
    for p, (path, scores) in enumerate(zip(folds.paths(), paths, strict=True)):
        assert np.isnan(scores.values[:2]).all()
        assert np.isfinite(scores.values[2:]).all()
        for g, k in enumerate(path):
            expected = splits[k].train[0] + parts[g] / 1000
            assert np.array_equal(scores.values[parts[g]], np.repeat(expected[:, None], 8, axis=1))
            ends = [splits[k].train[0], splits[k].train[-1], parts[g][0], parts[g][-1]]
            assert scores.folds[g] == tuple(str(PANEL.dates[row]) for row in ends)
            assert scores.learning[g]["fold"] == g + 1
            assert scores.learning[g]["train_loss"] == splits[k].train[0]
        assert scores.origin["combinatorial"] == {"path": p + 1, "paths": 4, "splits": 10}
        assert scores.origin["not_causal"] is True
        assert scores.origin["online"] is False
        assert scores.origin["label_fills"] == ["open"]
        assert scores.origin["folds"] == {
            "class": "CombinatorialFolds", "groups": 5, "test_groups": 2, "purge": None, "embargo": 0,
        }  # fmt: skip
    total = sum(len(rows) for split in splits for rows in split.tests)
    assert total == 4 * 88
    assert (calls[0], calls[-1]) == (("scoring", 0, total), ("scoring", total, total))
    assert [done for _, done, _ in calls] == sorted(done for _, done, _ in calls)


@pytest.mark.parametrize("make", [lambda: signals.Reversal(3), lambda: signals.Momentum(6, 2, horizon=3)])
def test_what_learns_nothing_has_its_plain_scores_on_every_path(make):
    plain = bt.walk_forward(PANEL, make())
    paths = combinatorial_walk(PANEL, make(), CombinatorialFolds(4, 2, embargo=1))
    assert len(paths) == 3
    for scores in paths:
        assert np.allclose(scores.values, plain.values, rtol=1e-12, atol=1e-15, equal_nan=True)
        assert scores.origin["not_causal"] is False  # nothing was learnt, so nothing from later


def test_a_split_is_fitted_as_a_walk_would_fit_it():
    """The last group, learnt from all before it: what `walk_forward` says with the same training rows."""
    ridge = ESTIMATORS["ridge"]
    warmup = ridge().warmup
    folds = CombinatorialFolds(4, 1)
    split = folds.split(90, 1, warmup)[-1]
    (scores,) = combinatorial_walk(PANEL, ridge(), folds)
    walked = bt.walk_forward(PANEL, ridge(), bt.Folds(len(split.train), len(split.tests[0]), n_splits=1))
    rows = split.tests[0]
    assert walked.folds[0] == scores.folds[-1]
    assert np.array_equal(walked.values[rows], scores.values[rows], equal_nan=True)
    assert np.isfinite(scores.values[rows]).any()


@pytest.mark.usefixtures("one_thread")
def test_networks_learn_all_splits_in_one_call():
    calls = []

    class Counted(signals.MLP):
        def fit_folds(self, jobs, work):
            calls.append([job.number for job in jobs])
            super().fit_folds(jobs, work)

    def make(kind):
        return kind([3], features=["return_1", "return_5"], epochs=1, batch=256, device="cpu", seeds=2)

    folds = CombinatorialFolds(3, 2)
    paths = combinatorial_walk(PANEL, make(Counted), folds, seed=5)
    assert calls == [[1, 2, 3]]
    assert len(paths) == 2
    warmup = make(signals.MLP).warmup
    for scores in paths:
        assert list(scores.members) == ["seed 5", "seed 6"]
        assert np.isfinite(scores.values[warmup - 1 :]).any(axis=1).all()
        assert {row["fold"] for row in scores.learning} == {1, 2, 3}
    # Nothing that is tested is learnt from: with other prices and labels there, the weights stay.
    split = folds.split(90, 1, warmup)[1]  # tests groups 1 and 3, learns from 2
    assert split.groups == (0, 2)
    other = dataclasses.replace(PANEL, open=changed(PANEL.open, split), close=changed(PANEL.close, split))
    weights = [learnt_of(make(signals.MLP), panel, split) for panel in (PANEL, other)]
    assert weights[0] == weights[1]


def changed(values, split):
    """Other prices in all sessions that no label and no feature (five sessions back) of a training row needs."""
    needed = {row + d for row in split.train for d in range(-6, 3)}
    own = values.copy()
    free = [row for row in range(len(values)) if row not in needed]
    own[free] *= np.random.default_rng(0).uniform(0.5, 2.0, own[free].shape)
    assert len(free) > 30
    return own


def learnt_of(signal, panel, split):
    (own,), _ = fitted(signal, panel, {1: Fold(split.train, split.tests[0])}, FitWork())
    return {name: value.numpy().tobytes() for name, value in own._fitted.state.items()}


class Memory(bt.Signal):
    """Says the label of the nearest row that it has learnt from, of ``truly`` sessions, whatever its horizon says."""

    def __init__(self, horizon, truly):
        self.horizon, self.truly = horizon, truly

    def fit(self, panel, rows):
        found = bt.labels(panel, rows, self.truly)
        known = np.isfinite(found).all(axis=1)
        self._rows, self._labels = rows[known], found[known]

    def predict(self, panel, rows):
        nearest = np.abs(rows[:, None] - self._rows[None, :]).argmin(axis=1)
        return self._labels[nearest]


def noise_market(seed, sessions=420, symbols=30):
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, (sessions, symbols)), axis=0))
    dates = np.arange(sessions) + np.datetime64("2015-01-01")
    names = [f"S{k:02d}" for k in range(symbols)]
    return bt.Panel.from_arrays(
        dates, names, open=close, high=None, low=None, close=close, volume=np.full(close.shape, 1e6)
    )


def mean_ic(panel, scores, horizon):
    return float(np.nanmean(bt.rank_ic(scores.values, bt.labels(panel, None, horizon))))


def test_what_remembers_labels_gains_nothing_unless_the_purge_is_cheated():
    """On noise, with labels of 10 sessions and groups of 12.

    A row next to the rows that were learnt from shares 9 of 10 sessions of its label with the nearest: a correlation of
    0.9, less 0.1 a row further on. What says that its horizon is 1 is purged by 1: rows 2 to 7 away, at 0.8 to 0.3.
    """
    honest, cheating = [], []
    for seed in range(3):
        panel = noise_market(seed)
        folds = CombinatorialFolds(35, 1)
        (purged,) = combinatorial_walk(panel, Memory(10, 10), folds)
        (leaking,) = combinatorial_walk(panel, Memory(1, 10), folds)
        honest.append(mean_ic(panel, purged, 10))
        cheating.append(mean_ic(panel, leaking, 10))
    # 35 groups say one label each, and 41 labels do not overlap: a mean IC has a deviation of about
    # 1 / sqrt(29 * 41) = 0.03, that of three of them 0.017; four of these are 0.07.
    assert abs(np.mean(honest)) < 0.07
    assert min(cheating) > 0.35


def test_members_and_curves_stand_where_they_belong():
    paths = combinatorial_walk(PANEL, ENSEMBLES["mean ensemble"](), CombinatorialFolds(3, 1))
    plain = bt.walk_forward(PANEL, ENSEMBLES["mean ensemble"](), bt.Folds(20, 10))
    assert list(paths[0].members) == list(plain.members)
    scored = np.isfinite(plain.values).any(axis=1)
    for name, own in plain.members.items():
        assert np.allclose(paths[0].members[name][scored], own[scored], rtol=1e-12, atol=1e-15, equal_nan=True)


def test_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("backtester.score_cache.source_hashes", lambda modules: {})  # which takes seconds
    folds = CombinatorialFolds(4, 2)
    first = combinatorial_walk(PANEL, signals.Reversal(3), folds, cache=tmp_path)
    again = combinatorial_walk(PANEL, signals.Reversal(3), folds, cache=tmp_path)
    assert [one.from_cache for one in (*first, *again)] == [False] * 3 + [True] * 3
    for one, other in zip(first, again, strict=True):
        assert one.sha256 == other.sha256
        assert (one.folds, one.origin) == (other.folds, other.origin)
    assert [one.origin["combinatorial"]["path"] for one in again] == [1, 2, 3]
    assert len(list(tmp_path.iterdir())) == 3
    for other in (CombinatorialFolds(4, 1), CombinatorialFolds(4, 2, embargo=1)):  # other folds, other scores
        assert not any(one.from_cache for one in combinatorial_walk(PANEL, signals.Reversal(3), other, cache=tmp_path))
    assert not bt.walk_forward(PANEL, signals.Reversal(3), cache=tmp_path).from_cache


def test_a_signal_that_cannot_be_told_is_walked_without_the_cache(tmp_path):
    signal = signals.Reversal(3)
    signal._note = lambda: 0  # may decide anything
    with pytest.warns(UserWarning, match="The scores are not cached"):
        paths = combinatorial_walk(PANEL, signal, CombinatorialFolds(3, 1), cache=tmp_path)
    assert len(paths) == 1
    assert not list(tmp_path.iterdir())


def test_a_run_with_a_path_says_that_it_knows_the_future():
    paths = combinatorial_walk(PANEL, ESTIMATORS["ridge"](), CombinatorialFolds(4, 2))
    result = bt.run(PANEL, strategies.RankedLongShort(2, 2), scores=paths[1])
    told = result.settings["scores"]
    assert told["not_causal"] is True
    assert told["combinatorial"] == {"path": 2, "paths": 3, "splits": 6}


def test_a_path_keeps_its_origin_in_a_file(tmp_path):
    (scores,) = combinatorial_walk(PANEL, ESTIMATORS["ridge"](), CombinatorialFolds(3, 1))
    scores.to_parquet(tmp_path / "path.parquet")
    assert bt.Scores.from_parquet(tmp_path / "path.parquet").origin["not_causal"] is True


def test_labels_that_begin_before_the_fill_are_refused_in_a_run():
    signal = signals.Estimator("sklearn.linear_model:Ridge", lookbacks=[1, 2], fill="same_close")
    paths = combinatorial_walk(PANEL, signal, CombinatorialFolds(3, 1))
    with pytest.raises(bt.ConfigError, match="part of what it learns cannot be earned"):
        bt.run(PANEL, strategies.RankedLongShort(2, 2), scores=paths[0])


# What is refused


@pytest.mark.parametrize("online", [True, False])
def test_no_run_walks_in_combinations(online):
    with pytest.raises(bt.ConfigError, match=r"it must be a bt\.Folds"):
        bt.run(
            PANEL,
            strategies.RankedLongShort(2, 2),
            signal=ESTIMATORS["ridge"](),
            folds=CombinatorialFolds(),
            online=online,
        )


def test_folds_of_another_kind_are_refused():
    for other in (None, bt.Folds(30, 10), 6):
        with pytest.raises(bt.ConfigError, match="it must be a CombinatorialFolds, such as"):
            combinatorial_walk(PANEL, signals.Reversal(), other)


def test_what_begins_with_something_learnt_is_refused(tmp_path):
    folds = CombinatorialFolds(3, 1)
    with pytest.raises(bt.ConfigError, match="MLP continues from the fold before: that may have been learnt from"):
        combinatorial_walk(PANEL, signals.MLP([4], warm_start="previous"), folds)
    (tmp_path / "w.safetensors").write_bytes(b"")
    started = signals.MLP([4], warm_start=str(tmp_path / "w.safetensors"))
    mixed = signals.Ensemble([started, "signals:Reversal"])
    for signal in (started, mixed):
        message = rf"{type(signal).__name__} begins with what a file has learnt \(warm_start\)"
        with pytest.raises(bt.ConfigError, match=message):
            combinatorial_walk(PANEL, signal, folds)
    forest = signals.Estimator("sklearn.linear_model:SGDRegressor", {"warm_start": False}, lookbacks=[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it does not converge on so little
        assert combinatorial_walk(PANEL, forest, folds)


class Peeks(bt.Signal):
    """Looks at the last row of its panel, whatever row it is asked for."""

    def predict(self, panel, rows):
        return np.repeat(panel.close[-1:], len(rows), axis=0)


def test_rows_are_asked_for_alone_too():
    with pytest.raises(bt.SignalError, match=r"Peeks.predict: fold 1, .* when the row is asked for alone"):
        combinatorial_walk(PANEL, Peeks(), CombinatorialFolds(3, 1))


def test_the_users_signal_stays_as_it_was():
    signal = ESTIMATORS["ridge"]()
    combinatorial_walk(PANEL, signal, CombinatorialFolds(3, 1), seed=9)
    assert signal._model is None
    assert signal.seed == 0
