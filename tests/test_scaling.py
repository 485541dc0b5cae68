"""Scales of inputs: what a feature becomes that hardly varies."""

from __future__ import annotations

import numpy as np
import pytest

from signals.scaling import fit_scale


def test_a_feature_that_is_mostly_one_value_is_no_constant():
    """One in ten is 5: both quartiles are 0. Mean 0.5, variance 0.1 * 4.5^2 + 0.9 * 0.5^2 = 2.25, deviation 1.5."""
    x = np.zeros((20, 2))
    x[:2, 0] = 5.0
    x[:, 1] = np.arange(20.0)  # beside it one with quartiles 4.75 and 14.25
    scale = fit_scale("robust", x, ("rare", "other"))
    np.testing.assert_allclose(scale.factor, [1 / 1.5, 1 / 9.5], rtol=1e-12)
    np.testing.assert_allclose(scale.shift, [0.0, 9.5], rtol=1e-12)


@pytest.mark.parametrize("kind", ["zscore", "minmax", "robust"])
def test_a_constant_becomes_0_and_rounding_is_no_spread(kind):
    """Sums of tenths: one value, but for the last bit."""
    x = np.column_stack((np.full(6, 0.3), [0.3, 0.1 + 0.2, 0.3, 0.1 + 0.2, 0.3, 0.1 + 0.2], np.arange(6.0)))
    assert len(np.unique(x[:, 1])) == 2
    scale = fit_scale(kind, x, ("same", "rounding", "varies"))
    assert scale.factor[:2].tolist() == [0.0, 0.0]
    assert scale.factor[2] > 0.0
