"""Signals walked together: the scores of each alone, whatever trains beside it, fails, is read or was killed."""

from __future__ import annotations

import logging
import warnings

import numpy as np
import pytest
from signal_cases import market, with_another_future

import backtester as bt
import signals
from backtester.walk_together import walk_forward_together
from signals.training import fit
from signals.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("one_thread")

PANEL = market(12, 110)
FOLDS = bt.Folds(50, 20)
QUICK = {"features": ["return_1", "return_5"], "epochs": 3, "batch": 128, "device": "cpu"}
NETWORKS = {
    "plain": lambda: signals.MLP([4], **QUICK),
    "dropped": lambda: signals.MLP([4], dropout=0.3, l2=0.01, **QUICK),
    "slow": lambda: signals.MLP([4], learning_rate=1e-4, l1=0.001, **QUICK),
    "short": lambda: signals.MLP([4], **QUICK | {"epochs": 1}),
    "wide": lambda: signals.MLP([6, 3], **QUICK),
    "module": lambda: signals.Module("own_modules:Small", **QUICK),
}
OTHERS = {
    "rule": lambda: signals.Reversal(),
    "ridge": lambda: signals.Estimator("sklearn.linear_model:Ridge", {"alpha": 10.0}, lookbacks=[1, 5]),
    "grid": lambda: signals.Grid("signals:MLP", QUICK, vary={"dropout": [0.0, 0.3]}),
    "chain": lambda: signals.MLP([4], **QUICK | {"warm_start": "previous"}),
    "far": lambda: signals.MLP([4], **QUICK, horizon=3),
}
EVERY = NETWORKS | OTHERS


def made(makers):
    return {name: make() for name, make in makers.items()}


def assert_close(found, alone):
    """To the rounding of float32 (law 18): a larger product may add in another order, in each of some 30 steps."""
    assert list(found.members) == list(alone.members)
    for one, other in [(found.values, alone.values), *zip(found.members.values(), alone.members.values(), strict=True)]:
        np.testing.assert_allclose(one, other, rtol=0.0, atol=1e-4 * np.nanstd(other))
    assert found.origin == alone.origin
    assert found.folds == alone.folds
    assert [(row["model"], row["epoch"]) for row in found.learning] == [
        (row["model"], row["epoch"]) for row in alone.learning
    ]


CALLS: list[list[tuple[float, int]]] = []


class Counted(bt.Signal):
    """Learns the mean return of its rows, for all signals of a call."""

    def __init__(self, shift=0.0, fails=False, kind="a"):
        self.shift, self.fails, self.kind = shift, fails, kind

    def trains_with(self):
        return {"kind": self.kind} if self.kind else None

    def fit_folds(self, jobs, work):
        CALLS.append([(job.signal.shift, job.number) for job in jobs])
        for job in jobs:
            if job.signal.fails == "told" and work.failed is not None:
                work.failed(job.signal)
            elif job.signal.fails:
                raise ValueError(f"shift {job.signal.shift}")
            else:
                job.signal._mean = float(np.nanmean(bt.labels(job.panel, job.rows, 1))) + job.signal.shift

    def predict(self, panel, rows):
        return panel.returns[rows] - self._mean


@pytest.fixture(autouse=True)
def _nothing_told():
    CALLS.clear()


def test_each_signal_has_the_scores_that_it_has_alone(monkeypatch):
    calls = []
    prepare = fit.prepare
    with monkeypatch.context() as patch:
        patch.setattr(fit, "prepare", lambda *arguments: calls.append(1) or prepare(*arguments))
        found = walk_forward_together(PANEL, made(EVERY), FOLDS)
    # Once for the six networks, once for the grid and the longer horizon, and in each of the chain's folds.
    assert len(calls) == 3 + len(found["chain"].folds)
    assert list(found) == list(EVERY)
    for name, make in EVERY.items():
        alone = bt.walk_forward(PANEL, make(), FOLDS)
        assert_close(found[name], alone)
        if name in OTHERS:
            assert found[name].values.tobytes() == alone.values.tobytes()
            assert found[name].learning == alone.learning


def test_what_differs_in_little_is_one_stack(caplog):
    with caplog.at_level(logging.INFO, "signals"):
        walk_forward_together(PANEL, made(NETWORKS), FOLDS)
    told = [text for text in caplog.messages if text.startswith("training on")]
    assert [text.rsplit(" ", 1)[1] for text in told] == ["4)", "1)", "1)"]


def test_one_call_for_all_that_train_with_each_other():
    shifts = {"a": Counted(1.0), "b": Counted(2.0), "c": Counted(3.0, kind="other"), "d": Counted(4.0, kind="")}
    found = walk_forward_together(PANEL, shifts, FOLDS)
    folds = range(1, 1 + len(found["a"].folds))
    assert [[(shift, number) for shift in group for number in folds] for group in ((1.0, 2.0), (3.0,), (4.0,))] == CALLS
    for name, signal in shifts.items():
        alone = bt.walk_forward(PANEL, signal, FOLDS)
        assert found[name].values.tobytes() == alone.values.tobytes()
        assert found[name].origin == alone.origin
    CALLS.clear()
    walk_forward_together(PANEL, shifts, FOLDS, batch=1)
    assert all(len(call) == 1 for call in CALLS)  # as in production
    assert not any(hasattr(signal, "_mean") for signal in shifts.values())


@pytest.mark.parametrize("cached", [False, True])
def test_the_same_signal_under_two_names_is_trained_once(cached, tmp_path):
    one = Counted(1.0)
    cache = tmp_path if cached else None
    found = walk_forward_together(PANEL, {"a": one, "b": Counted(1.0), "c": one}, FOLDS, cache=cache)
    assert {shift for call in CALLS for shift, _ in call} == {1.0}
    assert len(CALLS) == 1
    assert len(CALLS[0]) == len(found["a"].folds)
    assert found["a"] is found["b"] is found["c"]


def test_the_cache_is_that_of_each_alone(tmp_path):
    bt.walk_forward(PANEL, NETWORKS["plain"](), FOLDS, cache=tmp_path)
    names = ("plain", "dropped", "wide")
    makers = {name: NETWORKS[name] for name in names}
    found = walk_forward_together(PANEL, made(makers), FOLDS, cache=tmp_path)
    assert [found[name].from_cache for name in names] == [True, False, False]
    for name in names:
        again = bt.walk_forward(PANEL, makers[name](), FOLDS, cache=tmp_path)
        assert again.from_cache
        assert again.values.tobytes() == found[name].values.tobytes()
        assert again.learning == found[name].learning
        assert again.origin == found[name].origin


def test_one_that_fails_has_its_error_and_the_others_go_on():
    """By itself, in its settings, in a common training that says who failed and in one that does not."""
    told = []
    given = {
        "good": Counted(1.0),
        "named": Counted(2.0, fails="told"),
        "rule": signals.Reversal(),
        "early": signals.Momentum(lookback=200),  # longer than the panel
        "nothing": object(),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = walk_forward_together(PANEL, given, FOLDS, failed=lambda name, error: told.append((name, error)))
    assert [name for name, _ in told] == ["early", "nothing", "named"]
    assert all(found[name] is error for name, error in told)
    for name in ("early", "nothing", "named"):
        with pytest.raises(bt.BacktesterError) as raised:
            bt.walk_forward(PANEL, given[name], FOLDS)
        assert (type(found[name]), str(found[name])) == (type(raised.value), str(raised.value))
    assert isinstance(found["good"], bt.Scores)
    assert isinstance(found["rule"], bt.Scores)
    with pytest.warns(UserWarning, match=r"^a, b could not be trained together: .*shift 2.0 Each is trained alone"):
        found = walk_forward_together(PANEL, {"a": Counted(1.0), "b": Counted(2.0, fails="at once")}, FOLDS)
    assert isinstance(found["a"], bt.Scores)
    assert "Counted.fit_folds on" in str(found["b"])
    assert "ValueError" in str(found["b"])


def test_a_network_that_learns_nothing_and_one_that_cannot_be_built():
    given = {
        "good": NETWORKS["plain"](),
        "far off": signals.MLP([4], learning_rate=1e30, **QUICK),
        "unbuilt": signals.Module("own_modules:Small", {"dropout": "much"}, **QUICK),
    }
    with pytest.warns(UserWarning, match="scores nothing|score nothing"):
        found = walk_forward_together(PANEL, given, FOLDS)
    assert_close(found["good"], bt.walk_forward(PANEL, given["good"], FOLDS))
    assert str(found["far off"]).startswith("MLP.fit_folds on ")
    assert "learnt anything of use" in str(found["far off"])
    assert isinstance(found["unbuilt"], bt.BacktesterError)


def test_a_bench_that_was_killed_goes_on(tmp_path, monkeypatch, caplog):
    """Killed in the second stack: the first is read, the second goes on, and the bytes are those of an unbroken one."""
    makers = {name: NETWORKS[name] for name in ("plain", "dropped", "wide")}
    whole = walk_forward_together(PANEL, made(makers), FOLDS)
    options = {"cache": tmp_path / "scores", "checkpoints": tmp_path / "kept", "every_epoch": True}

    def kill(what, done, total):
        if what == "training" and done >= 0.8 * total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        walk_forward_together(PANEL, made(makers), FOLDS, progress=kill, **options)
    with caplog.at_level(logging.INFO, "signals"):
        again = walk_forward_together(PANEL, made(makers), FOLDS, **options)
    assert "was trained before" in caplog.text
    assert "going on after epoch" in caplog.text
    for name in makers:
        assert again[name].values.tobytes() == whole[name].values.tobytes()
        assert again[name].learning == whole[name].learning
    assert len([*(tmp_path / "kept").iterdir()]) == 1
    # Killed between two signals' scores: what is scored is read, and nothing is trained again.
    entries = sorted((tmp_path / "scores").iterdir())
    for path in entries[0].iterdir():
        path.unlink()
    entries[0].rmdir()
    monkeypatch.setattr(Trainer, "run", None)
    last = walk_forward_together(PANEL, made(makers), FOLDS, **options)
    assert sorted(last[name].from_cache for name in makers) == [False, True, True]
    for name in makers:
        assert last[name].values.tobytes() == whole[name].values.tobytes()


def test_no_fold_knows_what_comes_after_it():
    """Another market from the first test row of the second fold on: not a score before it changes."""
    makers = {name: NETWORKS[name] for name in ("plain", "dropped", "wide")} | {"counted": lambda: Counted(1.0)}
    before = walk_forward_together(PANEL, made(makers), FOLDS)
    first = int(np.searchsorted(PANEL.dates, np.datetime64(before["plain"].folds[1].test_first)))
    after = walk_forward_together(with_another_future(PANEL, first), made(makers), FOLDS)
    for name in makers:
        one, other = before[name].values, after[name].values
        np.testing.assert_allclose(other[:first], one[:first], rtol=0.0, atol=1e-4 * np.nanstd(one))
        assert not np.allclose(other[first:], one[first:], equal_nan=True)


def test_progress_counts_all_signals():
    told = []
    walk_forward_together(PANEL, made(NETWORKS), FOLDS, progress=lambda *what: told.append(what))
    for kind in ("training", "scoring"):
        done = [done for what, done, _ in told if what == kind]
        assert done == sorted(done)
        assert done[-1] == next(total for what, _, total in reversed(told) if what == kind)


def test_settings_that_are_nobodys_fault_are_raised():
    with pytest.raises(bt.ConfigError, match="batch is 0"):
        walk_forward_together(PANEL, {"a": Counted()}, FOLDS, batch=0)
    with pytest.raises(bt.ConfigError, match="every_epoch keeps a checkpoint"):
        walk_forward_together(PANEL, {"a": Counted()}, FOLDS, every_epoch=True)
    assert walk_forward_together(PANEL, {}, FOLDS) == {}
