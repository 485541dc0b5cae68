"""What is said of a training while it goes on."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from signal_cases import market

import backtester as bt
import signals
from signals.training import told

pytestmark = pytest.mark.usefixtures("one_thread")

FOLDS = bt.Folds(60, 20)
PANEL = market(sessions=130)
FLAT = {"features": ["return_1", "return_5"], "epochs": 3, "batch": 256, "patience": None, "device": "cpu"}


def said(caplog, **settings):
    """The lines of a training, and its scores."""
    with caplog.at_level(logging.INFO, "signals"):
        scores = bt.walk_forward(PANEL, signals.MLP((4,), **FLAT, **settings), FOLDS)
    return caplog.messages, scores


def test_the_kind_is_told_by_its_class(caplog):
    with caplog.at_level(logging.INFO, "signals"):
        bt.walk_forward(PANEL, signals.LSTM(2, window=4, epochs=1, seeds=2, device="cpu"), FOLDS)
    assert "6 x LSTM at once (folds: 3, seeds: 2, configurations: 1)" in caplog.text


def test_epochs_are_told_with_the_means_of_all_models(caplog, monkeypatch):
    monkeypatch.setattr(told, "_EVERY", 0.0)
    lines, scores = said(caplog)
    for epoch in (1, 2, 3):
        rows = [row for row in scores.learning if row["epoch"] == epoch]
        loss, watched, ic = (np.mean([row[key] for row in rows]) for key in ("train_loss", "valid_loss", "valid_ic"))
        line = f"epoch {epoch} of 3: loss {loss:.4g}, watched loss {watched:.4g}, rank IC {ic:.3f} (mean of 4 models)"
        assert line in lines


def test_epochs_are_told_every_ten_seconds_at_most(caplog, monkeypatch):
    """Begun at 0 seconds, an epoch every 6 from there: the third, at 12, is told, and the fifth, at 24."""
    teller_clock = iter(range(0, 600, 6))
    monkeypatch.setattr(told.time, "monotonic", lambda: 0.0)
    teller = told.Teller(9)
    noted = [told.Noted(0, 1, 0.5, np.nan, np.nan, "")]
    monkeypatch.setattr(told.time, "monotonic", lambda: next(teller_clock))
    with caplog.at_level(logging.INFO, "signals"):
        for epoch in range(1, 6):  # at 0, 6, 12, 18 and 24 seconds
            teller.tell(epoch, noted)
    assert caplog.messages == ["epoch 3 of 9: loss 0.5", "epoch 5 of 9: loss 0.5"]


def test_bf16_is_for_cuda_and_that_is_told(caplog):
    lines, scores = said(caplog, precision="bf16")
    assert sum("precision is bf16, which is for CUDA: float32 is used on cpu" in line for line in lines) == 1
    lines, plain = said(caplog)
    assert scores.values.tobytes() == plain.values.tobytes()
