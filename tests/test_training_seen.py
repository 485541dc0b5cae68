"""Inputs that are kept for whoever asks next."""

from __future__ import annotations

import dataclasses
import gc

import numpy as np
import pytest

import backtester as bt
import signals
from signals.training import seen
from signals.training.prepare import Inputs, see
from signals.training.seen import seen_before

ML4T = Inputs("ml4t", None, "zscore", "mean")


@pytest.fixture
def panel():
    return bt.synthetic(12, 320, 0).panel


def same(one, other):
    np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_array_equal(one.usable, other.usable)


def test_the_same_rows_are_made_once(panel):
    first = seen_before(panel.head(300), 290, 300, ML4T)
    assert seen_before(panel.head(300), 290, 300, ML4T) is first
    same(first, see(panel.head(300), 290, 300, ML4T))


def test_anything_else_is_made_anew(panel):
    first = seen_before(panel.head(300), 290, 300, ML4T)
    asked = [
        (panel, 290, 300, ML4T),
        (panel.head(299), 290, 299, ML4T),
        (panel.head(300), 291, 300, ML4T),
        (panel.head(300), 290, 300, ML4T._replace(scaling="rank")),
        (panel.head(300), 290, 300, ML4T._replace(names=["return_1"])),
    ]
    for one in asked:
        made = seen_before(*one)
        assert made is not first
        same(made, see(*one))


def test_another_market_of_the_same_shape_is_another(panel):
    first = seen_before(panel, 290, 300, ML4T)
    other = dataclasses.replace(panel, close=panel.close * np.linspace(1.0, 2.0, len(panel.dates))[:, None])
    made = seen_before(other, 290, 300, ML4T)
    same(made, see(other, 290, 300, ML4T))
    assert not np.array_equal(made.values, first.values, equal_nan=True)


def test_no_more_is_kept_than_there_is_room_for(panel, monkeypatch):
    monkeypatch.setattr(seen, "_BYTES", 2 * see(panel, 290, 300, ML4T).values.nbytes)
    kept = [seen_before(panel, first, first + 10, ML4T) for first in (280, 281, 282)]
    assert seen_before(panel, 282, 292, ML4T) is kept[2]
    assert seen_before(panel, 281, 291, ML4T) is kept[1]
    assert seen_before(panel, 280, 290, ML4T) is not kept[0]


def test_nothing_is_kept_of_a_market_that_is_gone():
    panel = bt.synthetic(12, 320, 0).panel
    before = len(seen._kept)
    seen_before(panel.head(300), 290, 300, ML4T)
    assert len(seen._kept) == before + 1
    del panel
    gc.collect()
    assert len(seen._kept) == before


def test_scores_do_not_depend_on_what_is_kept(panel, monkeypatch):
    """Two networks that see the same, walked with what the first has left and without."""
    make = lambda: signals.MLP((4,), features="ml4t", epochs=2, batch=64, seeds=2)  # noqa: E731
    folds = bt.Folds(train=40, test=10)
    first = bt.walk_forward(panel, make(), folds)
    again = bt.walk_forward(panel, make(), folds)
    monkeypatch.setattr("signals.training.ask.seen_before", see)
    anew = bt.walk_forward(panel, make(), folds)
    for other in (again, anew):
        np.testing.assert_array_equal(other.values, first.values)
