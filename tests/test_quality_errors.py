"""Errors of predictions, beside scikit-learn and by hand; learning curves by epoch."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as sk

import backtester as bt
from backtester.cross_section import demeaned
from backtester.research.quality.errors import PREDICTS, prediction_errors
from backtester.research.quality.learning import by_epoch

NAN = math.nan


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Predictions, gaps and zeros among them, and what came."""
    rng = np.random.default_rng(seed)
    scores, labels = 0.01 * rng.standard_normal((2, 30, 9))
    labels += 0.3 * scores
    scores[rng.random(scores.shape) < 0.2] = NAN
    labels[rng.random(scores.shape) < 0.2] = NAN
    scores[:, 0], labels[0] = 0.0, 0.0
    return scores, labels


def check(found, predicted, actual, said_up, went_up) -> None:
    assert found.mse == pytest.approx(sk.mean_squared_error(actual, predicted), rel=1e-12)
    assert found.mae == pytest.approx(sk.mean_absolute_error(actual, predicted), rel=1e-12)
    assert found.direction == pytest.approx(sk.accuracy_score(went_up, said_up), rel=1e-12)
    assert found.precision == pytest.approx(sk.precision_score(went_up, said_up), rel=1e-12)
    assert found.recall == pytest.approx(sk.recall_score(went_up, said_up), rel=1e-12)
    assert found.base_rate == pytest.approx(np.mean(went_up), rel=1e-12)
    assert found.cells == len(actual)


@pytest.mark.parametrize("seed", range(3))
def test_errors_of_returns_are_those_of_scikit_learn(seed: int) -> None:
    scores, labels = drawn(seed)
    both = np.isfinite(scores) & np.isfinite(labels)
    s, y = scores[both], labels[both]
    check(prediction_errors(scores, labels, "return"), s, y, s > 0, y > 0)


@pytest.mark.parametrize("predicts", ["demeaned", "sector_demeaned"])
def test_errors_of_returns_beside_the_others(predicts: str) -> None:
    scores, labels = drawn(0)
    sectors = np.arange(9) % 2
    both = np.isfinite(scores) & np.isfinite(labels)
    s, y = scores[both], demeaned(labels, sectors if predicts == "sector_demeaned" else None)[both]
    check(prediction_errors(scores, labels, predicts, sectors), s, y, s > 0, y > 0)


@pytest.mark.parametrize("seed", range(3))
def test_errors_of_probabilities_are_those_of_scikit_learn(seed: int) -> None:
    scores, labels = drawn(seed)
    chance = 1.0 / (1.0 + np.exp(-100.0 * scores))
    both = np.isfinite(scores) & np.isfinite(labels)
    p, up = chance[both], labels[both] > 0
    found = prediction_errors(chance, labels, "probability")
    check(found, p, up.astype(float), p > 0.5, up)
    assert found.mse == pytest.approx(sk.brier_score_loss(up, p), rel=1e-12)
    assert prediction_errors(2.0 * chance - 1.0, labels, "up_less_down") == pytest.approx(found, rel=1e-12)


def test_errors_by_hand() -> None:
    scores = np.array([[0.02, -0.01, 0.01], [0.03, NAN, 0.0]])
    labels = np.array([[0.01, 0.01, 0.02], [-0.01, 0.01, -0.02]])
    found = prediction_errors(scores, labels, "return")
    # off by 1, -2, -1, 4, 2 per cent; said up: 1st, 3rd, 4th; went up: 1st, 2nd, 3rd; both or neither: 1st, 3rd, 5th
    assert found.mse == pytest.approx((1 + 4 + 1 + 16 + 4) / 5 * 1e-4)
    assert found.mae == pytest.approx(10 / 5 * 1e-2)
    assert found[2:] == pytest.approx((3 / 5, 2 / 3, 2 / 3, 3 / 5, 5))


def test_a_share_of_nothing_is_unknown() -> None:
    down = prediction_errors(np.full((1, 3), -1.0), np.full((1, 3), -1.0), "return")
    assert (down.mse, down.direction, down.base_rate, down.cells) == (0.0, 1.0, 0.0, 3)
    assert math.isnan(down.precision)
    assert math.isnan(down.recall)
    for predicts in PREDICTS:
        nothing = prediction_errors(np.full((2, 3), NAN), np.zeros((2, 3)), predicts, np.zeros(3, np.int64))
        assert nothing.cells == 0
        assert all(math.isnan(one) for one in nothing[:-1])


def test_what_is_only_an_order_has_no_errors() -> None:
    assert prediction_errors(*drawn(0), None) is None


def test_wrong_predictions_are_refused() -> None:
    scores, labels = drawn(0)
    with pytest.raises(bt.ConfigError, match=r"predicts is 'returns'.*Did you mean 'return'"):
        prediction_errors(scores, labels, "returns")
    with pytest.raises(bt.ConfigError, match=r"the scores run from .* and not within 0 to 1"):
        prediction_errors(scores, labels, "probability")
    with pytest.raises(bt.ConfigError, match=r"the scores run from 0 to 2 and not within -1 to 1"):
        prediction_errors(np.array([[0.0, 2.0]]), np.zeros((1, 2)), "up_less_down")


def row(fold: int, model: str, epoch: int | None, train: float | None, valid: float | None, ic: float | None) -> dict:
    return {
        **{"fold": fold, "model": model, "epoch": epoch, "train_loss": train, "valid_loss": valid},
        **{"valid_ic": ic, "note": ""},
    }


def test_epochs_are_means_over_folds_and_models() -> None:
    rows = [
        row(0, "a", 1, 1.0, 2.0, 0.1),
        row(0, "a", 2, 0.5, 1.0, 0.2),
        row(0, "b", 1, 3.0, None, 0.3),
        row(1, "a", 1, 5.0, NAN, None),
        row(1, "a", None, 9.0, 9.0, 9.0),
    ]
    first, second = by_epoch(rows)
    assert first == (1, pytest.approx(3.0), pytest.approx(2.0), pytest.approx(0.2), 3)
    assert second == (2, 0.5, 1.0, 0.2, 1)
    assert by_epoch([]) == []
    assert math.isnan(by_epoch([row(0, "a", 1, 1.0, None, None)])[0].valid_loss)
