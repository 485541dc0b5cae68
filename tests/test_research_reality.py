"""White's reality check and Hansen's SPA against plain loops, the package arch, and what the papers promise."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from scipy.special import ndtr

from backtester.errors import DataError
from backtester.research import reality
from backtester.research.bootstrap import block_length, stationary_rows
from backtester.research.reality import Reality, Superior, long_run_variance, reality_check, superior_ability


def market(seed: int, sessions: int, means: list[float]) -> np.ndarray:
    """Gains with something in common and a memory of one session; ``means`` in deviations of a session."""
    drawn = np.random.default_rng(seed).standard_normal((sessions + 1, len(means) + 1))
    own = drawn[1:, 1:] + 0.3 * drawn[:-1, 1:] + 0.5 * drawn[1:, :1]
    return np.asarray(0.01 * (own * np.linspace(0.5, 2.0, len(means)) + means))


def plain_rows(count: int, length: float, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Politis and Romano's resamples, session by session: on to the next, or, one time in ``length``, anywhere."""
    fresh, where = np.moveaxis(rng.random((resamples, count, 2)), 2, 0)
    rows = np.floor(where * count).astype(np.int64)
    for t in range(1, count):
        rows[:, t] = np.where(fresh[:, t] < 1.0 / length, rows[:, t], (rows[:, t - 1] + 1) % count)
    return rows


def plain_variance(gains: np.ndarray, block: float) -> np.ndarray:
    """Hansen's formula, term by term."""
    count, q = len(gains), 1.0 / block
    apart = gains - gains.mean(axis=0)
    total = (apart**2).sum(axis=0) / count
    for i in range(1, count):
        share = (count - i) / count * (1 - q) ** i + i / count * (1 - q) ** (count - i)
        total = total + 2 * share * (apart[i:] * apart[:-i]).sum(axis=0) / count
    return np.asarray(total)


@pytest.mark.parametrize("block", [1.0, 2.5, 12.0, 150.0])
def test_the_variance_is_hansens_formula(block: float) -> None:
    gains = market(0, 150, [0.0, 0.1, -0.2])
    # Sums of 150 products by Fourier transform: some hundred roundings of 1e-16 of the largest term.
    assert long_run_variance(gains, block) == pytest.approx(plain_variance(gains, block), rel=1e-12)


def test_the_variance_is_that_of_the_resampled_means() -> None:
    gains = market(1, 60, [0.0, 0.1])
    rows = stationary_rows(60, 5.0, 40_000, np.random.default_rng(0))
    drawn = gains[rows].mean(axis=1)
    # A variance from n draws has a relative error of sqrt(2 / n) = 0.7 %; four of them.
    assert 60 * drawn.var(axis=0) == pytest.approx(long_run_variance(gains, 5.0), rel=0.03)


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_plain_loops(seed: int) -> None:
    gains = market(seed, 80, [0.15, -0.1, 0.0, -0.9])
    count, resamples, block = 80, 200, 3.0
    rows = stationary_rows(count, block, resamples, np.random.default_rng(5))
    mean, error = gains.mean(axis=0), np.sqrt(plain_variance(gains, block) / count)
    bound = math.sqrt(2 * math.log(math.log(count)))
    reached = np.zeros(4)
    top, studentised = max(mean), max(0.0, max(mean / error))
    for row in rows:
        drawn = gains[row].mean(axis=0)
        reached[0] += max(drawn - mean) >= top
        for i in range(3):
            z = 0.0
            for k in range(4):
                centre = (max(mean[k], 0.0), mean[k] if mean[k] / error[k] >= -bound else 0.0, mean[k])[i]
                z = max(z, (drawn[k] - centre) / error[k])
            reached[1 + i] += z >= studentised
    white = reality_check(gains, resamples=resamples, seed=5, length=block)
    spa = superior_ability(gains, resamples=resamples, seed=5, length=block)
    assert [white.p, spa.lower, spa.consistent, spa.upper] == pytest.approx((1 + reached) / 201, abs=1e-15)
    assert (white.best, white.gain) == (int(mean.argmax()), pytest.approx(mean.max()))
    assert white.statistic == pytest.approx(math.sqrt(80) * mean.max())
    assert (spa.best, spa.gain) == (int((mean / error).argmax()), pytest.approx(mean[spa.best]))
    assert spa.statistic == pytest.approx(studentised)
    assert (spa.sessions, spa.variants, spa.still, spa.block, spa.resamples) == (80, 4, 0, 3.0, 200)
    assert (white.sessions, white.variants, white.block, white.resamples) == (80, 4, 3.0, 200)


# arch 8.0.0 (numpy 2.4.6), `arch.bootstrap.SPA`, its resamples replaced with the rows of `plain_rows` above (so that no
# figure rests on chance) by
#     class Fed:
#         def bootstrap(self, reps):
#             for row in plain_rows(250, 4, reps, np.random.default_rng(11)): yield (losses[row],), {}
#     spa = SPA(np.zeros(250), -losses, block_size=4, reps=600); spa.bootstrap = Fed(); spa.compute(); spa.pvalues * 600
# with losses = gains for White's check ("upper", which arch does not studentise), and losses = gains / sqrt(its own
# asymptotic variance, spa._loss_diff_var) for Hansen's three. arch divides a count of "above" by the resamples; here it
# is (1 + count) / (1 + resamples).
ARCH = [
    ([0.05, 0.0, -0.1, -0.25, 0.05], 289, 96, 142, 142),
    ([0.0, -0.2, -0.2, 0.18, -0.4], 31, 10, 13, 26),
    ([0.0, 0.0, 0.0, 0.0, 0.0], 278, 140, 151, 151),
    ([-0.1, 0.03, -0.6, -0.6, -0.6], 209, 12, 12, 65),
]


@pytest.mark.parametrize(("means", "white", "lower", "consistent", "upper"), ARCH)
def test_agrees_with_the_package_arch(
    monkeypatch: pytest.MonkeyPatch, means: list[float], white: int, lower: int, consistent: int, upper: int
) -> None:
    monkeypatch.setattr(reality, "stationary_rows", plain_rows)
    gains = market(9, 250, means)
    got = reality_check(gains, resamples=600, seed=11, length=4.0)
    assert got.p * 601 - 1 == pytest.approx(white, abs=1e-9)
    spa = superior_ability(gains, resamples=600, seed=11, length=4.0)
    counts = [one * 601 - 1 for one in (spa.lower, spa.consistent, spa.upper)]
    assert counts == pytest.approx([lower, consistent, upper], abs=1e-9)


@pytest.mark.parametrize("resamples", [1, 7, 251])
def test_how_many_resamples_are_drawn_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch, resamples: int) -> None:
    asked = []

    def counted(count: int, length: float, some: int, rng: np.random.Generator) -> np.ndarray:
        asked.append(some)
        return plain_rows(count, length, some, rng)

    monkeypatch.setattr(reality, "stationary_rows", counted)
    gains = market(8, 40, [0.1, 0.0])
    got = superior_ability(gains, resamples=resamples, length=2.0)
    assert sum(asked) == resamples
    assert max(asked) <= 250
    monkeypatch.setattr(reality, "_AT_ONCE", 3)
    assert superior_ability(gains, resamples=resamples, length=2.0) == got


def test_one_variant_is_a_test_of_one_mean() -> None:
    gains = np.random.default_rng(3).normal(0.0005, 0.01, (400, 1))
    z = float(superior_ability(gains, length=1.0).statistic)
    normal = 1.0 - float(ndtr(z))
    # A share p near 0.05 of 10,000 resamples has an error of 0.0022; three, and half as much for the shape.
    for p in (
        reality_check(gains, resamples=10_000, length=1.0).p,
        superior_ability(gains, resamples=10_000, length=1.0).upper,
    ):
        assert p == pytest.approx(normal, abs=0.01)
    assert 0.03 < normal < 0.08


@pytest.mark.parametrize("seed", range(5))
def test_the_three_p_values_are_in_order(seed: int) -> None:
    got = superior_ability(market(seed, 120, [0.1, -0.1, -0.5, -2.0, 0.0]), resamples=300, seed=seed)
    assert 0.0 < got.lower <= got.consistent <= got.upper <= 1.0


def test_a_clear_winner_has_the_smallest_p_there_is_and_it_is_not_0() -> None:
    gains = market(0, 300, [0.0, 1.0, 0.0])
    white, spa = reality_check(gains, resamples=99), superior_ability(gains, resamples=99)
    assert white.p == spa.lower == spa.consistent == spa.upper == 0.01
    assert white.best == spa.best == 1


def test_nothing_better_than_the_benchmark_is_p_1() -> None:
    got = superior_ability(market(0, 300, [-1.0, -1.0]), resamples=99)
    assert (got.lower, got.consistent, got.upper, got.statistic) == (1.0, 1.0, 1.0, 0.0)


def test_poor_variants_do_not_hide_a_good_one_from_hansen() -> None:
    good = market(1, 250, [0.12, 0.0])
    poor = np.hstack([good, 4.0 * market(2, 250, [-1.0] * 12)])
    few, many = (superior_ability(one, length=3.0, resamples=500) for one in (good, poor))
    assert many.consistent == few.consistent
    assert many.lower == few.lower
    assert many.upper > few.upper
    assert reality_check(poor, length=3.0, resamples=500).p > reality_check(good, length=3.0, resamples=500).p


def test_hansen_does_not_mind_the_scale_of_a_variant() -> None:
    gains = market(4, 200, [0.1, 0.05, 0.0])
    wild = gains * np.array([1.0, 1.0, 64.0])
    assert superior_ability(wild, length=2.0) == superior_ability(gains, length=2.0)
    assert reality_check(wild, length=2.0) != reality_check(gains, length=2.0)


def test_a_session_that_one_does_not_know_is_left_out_for_all() -> None:
    gains = market(5, 100, [0.0, 0.1])
    gaps = np.insert(gains, [0, 40, 90], 0.3, axis=0)
    gaps[[0, 41], 0] = np.nan
    gaps[92, 1] = -np.inf
    assert reality_check(gaps, resamples=50) == reality_check(gains, resamples=50)
    assert superior_ability(gaps, resamples=50) == superior_ability(gains, resamples=50)


def test_a_variant_that_is_the_benchmark_is_left_out() -> None:
    gains = market(6, 150, [0.1, 0.0])
    with_it = np.insert(gains, 0, 0.0, axis=1)
    got, alone = superior_ability(with_it, resamples=80), superior_ability(gains, resamples=80)
    assert (got.still, got.variants, got.best) == (1, 3, 1 + alone.best)
    assert (got.lower, got.consistent, got.upper) == (alone.lower, alone.consistent, alone.upper)
    # In White's check it takes part, and can only make p larger.
    assert reality_check(with_it, resamples=80).p >= reality_check(gains, resamples=80).p


def test_the_block_is_the_longest_of_the_automatic_ones() -> None:
    drawn = np.random.default_rng(0).standard_normal((520, 3))
    drawn[20:, 1] = np.lib.stride_tricks.sliding_window_view(drawn[:, 1], 21).mean(axis=1)  # a long memory
    gains = drawn[20:]
    lengths = [block_length(gains[:, k]) for k in range(3)]
    assert lengths[1] == max(lengths) > 2 * lengths[0]
    assert reality_check(gains, resamples=9).block == max(lengths)
    assert superior_ability(gains, resamples=9).block == max(lengths)
    assert reality_check(gains, resamples=9, length=0.2).block == 1.0
    assert reality_check(gains, resamples=9, length=1e9).block == 500.0


def test_the_seed_decides() -> None:
    gains = market(7, 90, [0.1, 0.0, 0.05])
    assert reality_check(gains, resamples=400, seed=1) == reality_check(gains, resamples=400, seed=1)
    assert reality_check(gains, resamples=400, seed=1).p != reality_check(gains, resamples=400, seed=2).p


@pytest.mark.parametrize(
    "gains", [np.zeros((0, 3)), np.zeros((50, 0)), market(0, 2, [0.0, 0.0]), np.full((9, 2), np.nan)]
)
def test_too_little_is_nan(gains: np.ndarray) -> None:
    white: Reality = reality_check(gains, resamples=9)
    spa: Superior = superior_ability(gains, resamples=9)
    assert all(math.isnan(one) for one in (white.p, white.gain, white.statistic, white.block))
    assert all(math.isnan(one) for one in (spa.lower, spa.consistent, spa.upper, spa.gain, spa.statistic, spa.block))
    assert white.best == spa.best == -1


def test_variants_that_are_all_the_benchmark_say_nothing() -> None:
    assert math.isnan(superior_ability(np.zeros((50, 2)), resamples=9).consistent)
    assert reality_check(np.zeros((50, 2)), resamples=9).p == 1.0


def test_one_series_is_refused() -> None:
    for test in (reality_check, superior_ability):
        with pytest.raises(DataError, match=r"shape \(20,\)"):
            test(np.zeros(20))


def test_memory_is_bounded() -> None:
    gains = np.random.default_rng(0).normal(0.0, 0.01, (2520, 60))
    tracemalloc.start()
    superior_ability(gains, resamples=2000, length=5.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 150e6  # all resampled gains at once would be 2.4e9 bytes
