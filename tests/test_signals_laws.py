"""Laws 18 and 20 for every signal that ships: nothing looks ahead, and batch and online are one truth."""

from __future__ import annotations

import importlib
import pkgutil

import numpy as np
import pytest
from signal_cases import KNOWN, MAKERS, ROUNDING, market, with_another_future

import backtester as bt
import signals
import strategies

pytestmark = pytest.mark.usefixtures("one_thread")

FOLDS = bt.Folds(60, 20)
each_signal = pytest.mark.parametrize("name", MAKERS)


@pytest.fixture(scope="module")
def panel():
    return market()


@pytest.fixture(scope="module")
def one_by_one(panel):
    """Scores of every signal, one session a batch."""
    return {name: bt.walk_forward(panel, make(), FOLDS, batch=1) for name, make in MAKERS.items()}


def assert_agrees(name, values, others):
    """Equal to the rounding: 1e-12 of the score and 1e-15 where it cancels; of networks, `ROUNDING` of their span."""
    span = np.nanmax(others) - np.nanmin(others)
    rtol, atol = (0.0, ROUNDING[name] * span) if name in ROUNDING else (1e-12, 1e-15)
    np.testing.assert_allclose(values, others, rtol=rtol, atol=atol)


def test_every_signal_is_exported_and_tried():
    """Any subclass of `bt.Signal` in the package, however it is called."""
    modules = [importlib.import_module(f"signals.{one.name}") for one in pkgutil.iter_modules(signals.__path__)]
    found = {
        key
        for module in modules
        for key, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, bt.Signal) and value.__module__ == module.__name__
    }
    found.discard("Network")  # the base of networks
    assert found <= set(signals.__all__)
    assert set(KNOWN) <= set(signals.__all__)
    assert len(MAKERS) >= len(signals.__all__)


@each_signal
def test_it_has_opinions(name, one_by_one):
    """The tests below compare something."""
    values = one_by_one[name].values
    assert np.isfinite(values[-40:]).mean() > 0.6
    assert len(np.unique(values[np.isfinite(values)])) > 100


@each_signal
def test_scores_are_of_test_rows_alone(name, panel, one_by_one):
    first = MAKERS[name]().warmup - 1 + FOLDS.train + FOLDS.gap(MAKERS[name]().horizon)
    assert np.isnan(one_by_one[name].values[:first]).all()
    assert np.isfinite(one_by_one[name].values[first:]).any(axis=1).all()


@each_signal
def test_changing_the_future_changes_no_score(name, panel, one_by_one):
    """Law 20: everything after ``t`` is another market. At a fold's edge, before it, after it, and in the middle."""
    scores = one_by_one[name].values
    spans = one_by_one[name].folds
    edge = int(np.searchsorted(panel.dates, np.datetime64(spans[1].test_first)))
    for t in (edge - 1, edge, edge + 1, edge + 9, len(scores) - 2):
        other = with_another_future(panel, t, seed=t)
        again = bt.walk_forward(other, MAKERS[name](), FOLDS, batch=1).values
        assert again[: t + 1].tobytes() == scores[: t + 1].tobytes()
        assert again[t + 1 :].tobytes() != scores[t + 1 :].tobytes()  # and the other market is another one


@each_signal
def test_changing_the_future_changes_no_score_in_a_batch(name, panel):
    """The same with a fold at a time, in which rows share a matrix product: to the rounding."""
    scores = bt.walk_forward(panel, MAKERS[name](), FOLDS).values
    t = 117
    again = bt.walk_forward(with_another_future(panel, t), MAKERS[name](), FOLDS).values
    assert_agrees(name, again[: t + 1], scores[: t + 1])


@each_signal
def test_a_panel_that_ends_gives_the_same_scores(name, panel, one_by_one):
    for t in (100, 118, 119, 120, 140):
        until = bt.walk_forward(panel.head(t), MAKERS[name](), FOLDS, batch=1).values
        assert until.tobytes() == one_by_one[name].values[: t + 1].tobytes()


@each_signal
def test_online_is_batch(name, panel, one_by_one):
    """Law 18: with one session a batch the same bytes of scores, orders and fills."""
    strategy = strategies.RankedLongShort(4, 4)
    batch = bt.run(panel, strategy, scores=one_by_one[name])
    simulation = bt.Simulation(panel, strategy, signal=MAKERS[name](), folds=FOLDS, online=True)
    simulation.advance()
    assert simulation.snapshot().online.values.tobytes() == one_by_one[name].values.tobytes()
    online = simulation.finish()
    assert len(online.tape.fill_f) > 50
    for table, array in batch.tape._asdict().items():
        assert array.tobytes() == getattr(online.tape, table).tobytes(), table
    assert online.content_hash == batch.content_hash


@each_signal
def test_larger_batches_agree(name, panel, one_by_one):
    """Up to the order of additions in a product."""
    for batch in (None, 7):
        values = bt.walk_forward(panel, MAKERS[name](), FOLDS, batch=batch).values
        assert_agrees(name, values, one_by_one[name].values)


@each_signal
def test_the_same_again(name, panel, one_by_one):
    """Law 17, and a signal that has been used is as good as new."""
    signal = MAKERS[name]()
    for _ in range(2):
        assert bt.walk_forward(panel, signal, FOLDS, batch=1).values.tobytes() == one_by_one[name].values.tobytes()
