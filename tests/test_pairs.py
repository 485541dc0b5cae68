"""Each series against each, held to the paired test of two."""

from __future__ import annotations

import numpy as np
import pytest

from backtester.metrics.returns import sharpe_ratio
from backtester.research.bootstrap import block_length, paired_mean, paired_sharpe
from backtester.research.pairs import all_pairs


def drawn(seed: int, columns: int = 3, sessions: int = 400) -> np.ndarray:
    rng = np.random.default_rng(seed)
    common = rng.normal(0.0, 0.01, (sessions, 1))
    return common + rng.normal(0.0005, 0.005, (sessions, columns))


def alone(monkeypatch, values: np.ndarray, figure: str):
    """The paired test of the first two columns, with the block length that all share."""
    import backtester.research.bootstrap as bootstrap

    block = max(block_length(column) for column in values.T)
    monkeypatch.setattr(bootstrap, "block_length", lambda x: block)
    test = paired_sharpe if figure == "sharpe" else paired_mean
    return test(values[:, 0], values[:, 1], resamples=500)


def test_means_are_those_of_the_paired_test(monkeypatch):
    values = drawn(0, 2)
    found = all_pairs(values, "mean", resamples=500)[0, 1]
    expected = alone(monkeypatch, values, "mean")
    # The same rows; sums in another order.
    np.testing.assert_allclose(found[:5], expected[:5], rtol=1e-9)
    assert found.sessions == 400


def test_sharpe_ratios_differ_by_what_they_are(monkeypatch):
    values = drawn(1)
    found = all_pairs(values, "sharpe", resamples=500)
    for (i, j), one in found.items():
        assert one.difference == pytest.approx(sharpe_ratio(values[:, i]) - sharpe_ratio(values[:, j]), rel=1e-12)
        assert one.low < one.difference < one.high
    assert set(found) == {(0, 1), (0, 2), (1, 2)}


def test_the_resampled_ratios_are_those_of_the_rows(monkeypatch):
    """With the same block the pair alone gives the same p-value and interval."""
    import backtester.research.bootstrap as bootstrap
    import backtester.research.pairs as pairs

    values = drawn(2, 2)
    for module in (bootstrap, pairs):
        monkeypatch.setattr(module, "block_length", lambda x: 4.0)
    found = all_pairs(values, "sharpe", resamples=500)[0, 1]
    expected = paired_sharpe(values[:, 0], values[:, 1], resamples=500)
    np.testing.assert_allclose(found[:5], expected[:5], rtol=1e-9)


def test_equal_series_do_not_differ():
    values = drawn(3, 1)
    found = all_pairs(np.hstack([values, values, 2.0 * values]), "sharpe", resamples=200)
    assert found[0, 1].difference == 0.0
    assert found[0, 1].p == 1.0
    assert found[0, 2].difference == pytest.approx(0.0, abs=1e-12)  # leverage changes no ratio


def test_sessions_that_one_does_not_know_are_left_out_for_all():
    values = drawn(4)
    values[10, 2] = np.nan
    found = all_pairs(values, "mean", resamples=200)
    kept = np.delete(values, 10, axis=0)
    assert found[0, 1] == all_pairs(kept, "mean", resamples=200)[0, 1]
    assert found[0, 1].sessions == 399


def test_what_does_not_vary_has_no_ratio():
    values = drawn(5)
    values[:, 1] = 0.0
    found = all_pairs(values, "sharpe", resamples=200)
    assert np.isnan(found[0, 1].p)
    assert np.isfinite(found[0, 2].p)


def test_too_little_is_unknown():
    assert np.isnan(all_pairs(drawn(6)[:1], "mean", resamples=10)[0, 1].p)
