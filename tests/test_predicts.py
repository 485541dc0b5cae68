"""What a score is, as signals say it, so that errors are told where they mean something."""

from __future__ import annotations

import numpy as np
import pytest

import backtester as bt
import signals
from backtester.research.quality import signal_study

RIDGE, LOGISTIC = "sklearn.linear_model:Ridge", "sklearn.linear_model:LogisticRegression"


@pytest.mark.parametrize(
    ("signal", "predicts"),
    [
        (signals.Momentum(), None),
        (signals.MLP(), "demeaned"),
        (signals.MLP(label="raw", loss="huber"), "return"),
        (signals.MLP(label="ranked"), None),
        (signals.MLP(loss="bce"), "up_less_down"),
        (signals.MLP(loss="cross_entropy"), "up_less_down"),
        (signals.MLP(loss="rank_correlation"), None),
        (signals.MLP(loss="sharpe"), None),
        (signals.Grid(signals.MLP(label="raw"), vary={"dropout": [0.0, 0.1]}), "return"),
        (signals.Estimator(RIDGE, label="sector_demeaned"), "sector_demeaned"),
        (signals.Estimator(RIDGE, label="ranked"), None),
        (signals.Estimator(LOGISTIC, label="up"), "probability"),
        (signals.Estimator(LOGISTIC, label="three"), "up_less_down"),
    ],
)
def test_signals_say_what_a_score_is(signal, predicts):
    assert signal.predicts == predicts


def test_scores_lie_where_they_should():
    """A logistic regression says probabilities, and the study takes them for such."""
    panel = bt.synthetic(20, 150, seed=0).panel
    signal = signals.Estimator(LOGISTIC, label="up", lookbacks=[1, 5])
    scores = bt.walk_forward(panel, signal, bt.Folds(train=60, test=30))
    known = scores.values[np.isfinite(scores.values)]
    assert ((known >= 0.0) & (known <= 1.0)).all()
    errors = signal_study(panel, scores, horizon=1, predicts=signal.predicts)["errors"]
    assert 0.0 < errors["mse"] < 1.0
    assert signal_study(panel, scores, horizon=1)["errors"] is None


def test_it_is_no_part_of_what_decides_scores():
    assert "predicts" not in signals.MLP().describe()
    assert "predicts" not in signals.Momentum().describe()
