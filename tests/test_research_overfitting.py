"""The probability of backtest overfitting against its paper's steps taken one by one, and a published example."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import linregress, rankdata

from backtester.errors import ConfigError, DataError
from backtester.metrics.returns import sharpe_ratio
from backtester.research.overfitting import Overfitting, probability_of_overfitting

YEAR = math.sqrt(252.0)


def noise(seed: int, sessions: int, variants: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0003, 0.01, (sessions, variants))


def by_the_paper(returns: np.ndarray, blocks: int) -> list[tuple[int, float, float, float]]:
    """Steps 2 to 4 of section 3.1: (n*, its ratio in J, its ratio in J bar, logit) of every combination of blocks."""
    parts = np.split(returns, blocks)
    found = []
    for inside in itertools.combinations(range(blocks), blocks // 2):
        one = np.concatenate([parts[i] for i in inside])
        other = np.concatenate([parts[i] for i in range(blocks) if i not in inside])
        here = [sharpe_ratio(one[:, n]) for n in range(returns.shape[1])]
        there = [sharpe_ratio(other[:, n]) for n in range(returns.shape[1])]
        best = int(np.argmax(here))
        relative = rankdata(there)[best] / (returns.shape[1] + 1)
        found.append((best, here[best], there[best], math.log(relative / (1.0 - relative))))
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("blocks", "variants"), [(2, 2), (4, 7), (6, 5), (8, 4)])
def test_agrees_with_the_steps_of_the_paper(seed: int, blocks: int, variants: int) -> None:
    returns = noise(seed, blocks * 9, variants)
    got = probability_of_overfitting(returns, blocks=blocks)
    chosen, inside, outside, logits = (np.array(one) for one in zip(*by_the_paper(returns, blocks), strict=True))
    assert (got.chosen == chosen).all()
    # Ratios from sums of blocks: means are a few hundredths of deviations, so nothing cancels but the last digits.
    assert got.inside == pytest.approx(inside, rel=1e-11, abs=1e-11)
    assert got.outside == pytest.approx(outside, rel=1e-11, abs=1e-11)
    assert got.logits == pytest.approx(logits, rel=1e-13, abs=1e-13)
    assert got.pbo == (logits <= 0.0).mean()
    assert got.loss_probability == (outside < 0.0).mean()
    assert got.combinations == math.comb(blocks, blocks // 2) == len(got.logits)
    assert (got.blocks, got.variants, got.sessions, got.dropped) == (blocks, variants, len(returns), 0)


def normals_of_r(seed: int, count: int) -> np.ndarray:
    """What R's ``set.seed(seed); rnorm(count)`` gives: Mersenne Twister, and the normal quantile of two draws each."""
    words, state = [], seed
    for place in range(50 + 625):  # R stirs 50 times, then fills its state; the first word is the position
        state = (69069 * state + 1) % 2**32
        if place > 50:
            words.append(state)
    twister = np.random.MT19937()
    key = np.array(words, dtype=np.uint32)
    twister.state = {"bit_generator": "MT19937", "state": {"key": key, "pos": 624}}
    draws = twister.random_raw(2 * count) * 2.3283064365386963e-10
    return ndtri((np.floor(134217728.0 * draws[::2]) + draws[1::2]) / 134217728.0)


def test_the_published_example_of_the_r_package_pbo() -> None:
    """Vignette of the R package pbo (Barry, CRAN): 100 variants rescaled to the same ratio, 2,400 sessions, 8 blocks.

    It prints ``p_bo 1.0000000, slope -0.0030456, ar^2 0.9700000, p_loss 1.0000000``. What it calls "slope" is the first
    coefficient of its line, the intercept, and its line is of the ratio in the sample on that out of it (its source:
    ``lm`` on the data frame of both, ``coefficients[1]``); "ar^2" is adjusted, which is the same either way round.
    """
    assert normals_of_r(42, 3) == pytest.approx([1.37095845, -0.56469817, 0.36312841], abs=5e-9)  # as R prints them
    returns = normals_of_r(765, 100 * 2400).reshape(100, 2400).T
    returns = returns * (1.0 / YEAR) / returns.std(axis=0, ddof=1)
    returns = returns - returns.mean(axis=0)
    got = probability_of_overfitting(returns - 0.03 / 252, blocks=8)
    line = linregress(got.outside / YEAR, got.inside / YEAR)
    assert got.pbo == 1.0
    assert got.loss_probability == 1.0
    assert float(f"{line.intercept:.4e}") == -0.0030456
    assert got.slope == pytest.approx(-1.0, abs=0.01)  # all whole samples are alike: what one half has, the other lacks
    adjusted = 1.0 - (1.0 - got.r_squared) * (70 - 1) / (70 - 2)
    assert round(adjusted, 2) == 0.97


def test_worked_by_hand() -> None:
    # Two blocks of two sessions. 1 and 3: mean 2, deviation sqrt(2), ratio sqrt(2) a session; turned round below.
    turning = np.array([[1.0, -1.0], [3.0, -3.0], [-1.0, 1.0], [-3.0, 3.0]])
    got = probability_of_overfitting(turning, blocks=2)
    assert got.chosen.tolist() == [0, 1]
    assert got.inside == pytest.approx([math.sqrt(2.0) * YEAR] * 2)
    assert got.outside == pytest.approx([-math.sqrt(2.0) * YEAR] * 2)
    # The lower of two: rank 1, w = 1/3, logit = log((1/3) / (2/3)).
    assert got.logits == pytest.approx([math.log(0.5)] * 2)
    assert (got.pbo, got.loss_probability) == (1.0, 1.0)
    # Both points of the line are the same: there is no line.
    assert math.isnan(got.slope)
    assert math.isnan(got.r_squared)
    steady = np.array([[1.0, -1.0], [3.0, -3.0], [1.0, -1.0], [3.0, -3.0]])
    got = probability_of_overfitting(steady, blocks=2)
    assert got.logits == pytest.approx([math.log(2.0)] * 2)
    assert (got.pbo, got.loss_probability) == (0.0, 0.0)


def test_the_line_is_that_of_scipy() -> None:
    got = probability_of_overfitting(noise(1, 240, 6), blocks=6)
    line = linregress(got.inside, got.outside)
    assert got.slope == pytest.approx(line.slope, rel=1e-10)
    assert got.intercept == pytest.approx(line.intercept, rel=1e-10)
    assert got.r_squared == pytest.approx(line.rvalue**2, rel=1e-10)


def test_ties_share_their_ranks_and_the_middle_counts_as_overfitted() -> None:
    one = noise(0, 64, 1)
    got = probability_of_overfitting(np.hstack([one, one, one]), blocks=4)
    # All three share the rank 2 of 3: w = 2/4, logit exactly 0.
    assert (got.logits == 0.0).all()
    assert got.pbo == 1.0
    assert (got.chosen == 0).all()


def test_a_tie_up_to_rounding_is_a_tie() -> None:
    one = noise(0, 64, 1)
    # A multiple of a variant has the same ratio, in other digits; the first of both is chosen, wherever it stands.
    for columns in ([one, 3.0 * one], [3.0 * one, one], [0.1 * one, 7.0 * one]):
        got = probability_of_overfitting(np.hstack([*columns, one - 0.1]), blocks=8)
        assert (got.chosen == 0).all()
        # Two of three are tied at the top: rank (2 + 3) / 2, w = 2.5 / 4.
        assert got.logits == pytest.approx([math.log(2.5 / 1.5)] * 70)


def test_sessions_that_do_not_divide_are_dropped_from_the_start() -> None:
    returns = noise(2, 83, 4)
    got = probability_of_overfitting(returns, blocks=8)
    assert (got.sessions, got.dropped) == (80, 3)
    same(got._replace(dropped=0), probability_of_overfitting(returns[3:], blocks=8))


def test_a_session_that_one_does_not_know_is_left_out_for_all() -> None:
    returns = noise(3, 80, 4)
    gaps = np.insert(returns, [0, 17, 60], 0.5, axis=0)
    gaps[[0, 18], 1] = np.nan
    gaps[62, 3] = np.inf
    same(probability_of_overfitting(gaps, blocks=8), probability_of_overfitting(returns, blocks=8))


def test_a_variant_that_does_not_trade_has_the_ratio_0() -> None:
    losing = noise(4, 96, 1) - 0.02
    got = probability_of_overfitting(np.hstack([losing, np.zeros_like(losing)]), blocks=4)
    assert (got.chosen == 1).all()
    assert (got.inside == 0.0).all()
    assert (got.outside == 0.0).all()
    assert (got.pbo, got.loss_probability) == (0.0, 0.0)
    # One that only earns a constant does not vary beyond rounding either.
    constant = np.full_like(losing, 0.1 / 252)
    assert (probability_of_overfitting(np.hstack([losing, constant]), blocks=4).inside == 0.0).all()


def test_leverage_order_and_the_direction_of_time_change_nothing() -> None:
    returns = noise(5, 128, 5)
    got = probability_of_overfitting(returns, blocks=8)
    same(probability_of_overfitting(returns * 2.0 ** np.arange(-2, 3), blocks=8), got)
    turned = probability_of_overfitting(returns[:, ::-1], blocks=8)
    assert turned.pbo == got.pbo
    assert (4 - turned.chosen == got.chosen).all()
    back = probability_of_overfitting(returns[::-1], blocks=8)
    assert back.pbo == got.pbo
    assert np.sort(back.logits) == pytest.approx(np.sort(got.logits))


def test_every_half_is_once_the_sample_and_once_what_came_after() -> None:
    one = noise(6, 80, 1)
    got = probability_of_overfitting(np.hstack([one, one - 1.0]), blocks=6)  # the first is always chosen
    assert (got.chosen == 0).all()
    assert got.inside == pytest.approx(got.outside[::-1], abs=0.0)


@pytest.mark.parametrize(
    "returns", [np.zeros((0, 5)), noise(0, 100, 1), np.zeros((50, 0)), noise(0, 3, 4), np.full((60, 3), np.nan)]
)
def test_too_little_is_nan(returns: np.ndarray) -> None:
    got = probability_of_overfitting(returns, blocks=2)
    assert all(math.isnan(one) for one in (got.pbo, got.slope, got.intercept, got.r_squared, got.loss_probability))
    assert (len(got.logits), got.variants, got.combinations) == (0, returns.shape[1], 2)


def test_the_fewest_sessions_are_one_a_block() -> None:
    assert math.isnan(probability_of_overfitting(noise(0, 15, 3)).pbo)
    assert math.isfinite(probability_of_overfitting(noise(0, 16, 3)).pbo)


@pytest.mark.parametrize("blocks", [0, -2, 1, 15, 22])
def test_blocks_are_even_and_not_too_many(blocks: int) -> None:
    with pytest.raises(ConfigError, match=f"blocks is {blocks}"):
        probability_of_overfitting(noise(0, 100, 3), blocks=blocks)


def test_one_series_is_refused() -> None:
    with pytest.raises(DataError, match=r"shape \(100,\)"):
        probability_of_overfitting(noise(0, 100, 1)[:, 0])


def test_all_12870_splits_of_60_variants_take_less_than_a_second() -> None:
    returns = noise(0, 1250, 60)
    start = time.process_time()
    got = probability_of_overfitting(returns)
    assert time.process_time() - start < 1.0  # about 0.05 s
    assert (got.combinations, got.blocks) == (12_870, 16)


def same(one: Overfitting, other: Overfitting) -> None:
    for name in one._fields:
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
