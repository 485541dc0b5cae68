"""The figures of a run beside its benchmark."""

from __future__ import annotations

import math

import numpy as np
import pytest
from curves import EMPTY, NAN, ROOT, curve

from backtester import metrics as m

BENCHMARK = curve(0.01, -0.02, 0.03, math.nan)


def beside(b: np.ndarray) -> m.Benchmark:
    """A benchmark known at every session."""
    return m.Benchmark("it", b, np.isfinite(b).astype(np.int64))


def test_beside_a_benchmark() -> None:
    r = curve(0.03, -0.03, 0.05, 0.5)  # 2 b + (0.01, 0.01, -0.01); the last session has no pair
    # b - mean: 0.01 / 3 * (1, -8, 7) with squares 114, r - mean: (4, -14, 10) * 0.05 / 15 -> 0.01 / 3 * (4, -14, 10)
    # products 4 + 112 + 70 = 186
    slope = 186 / 114
    means = 0.05 / 3, 0.02 / 3
    assert m.beta(r, BENCHMARK) == pytest.approx(slope)
    assert m.alpha(r, BENCHMARK) == pytest.approx(252 * (means[0] - slope * means[1]))
    assert m.correlation(r, BENCHMARK) == pytest.approx(186 / math.sqrt(114 * (16 + 196 + 100)))
    # r - b: 0.02, -0.01, 0.02, mean 0.01, squared deviations 1e-4, 4e-4, 1e-4 over 2
    assert m.tracking_error(r, BENCHMARK) == pytest.approx(math.sqrt(3e-4) * ROOT)
    assert m.information_ratio(r, BENCHMARK) == pytest.approx(0.01 / math.sqrt(3e-4) * ROOT)
    assert m.compounded(BENCHMARK) == pytest.approx((1.01 * 0.98 * 1.03) ** (252 / 3) - 1)
    got = m.benchmark_metrics(r, beside(BENCHMARK))
    assert list(got) == [
        "benchmark", "benchmark_sessions", "benchmark_cagr", "benchmark_volatility", "benchmark_sharpe", "alpha",
        "beta", "tracking_error", "information_ratio", "correlation",
    ]  # fmt: skip
    assert (got["benchmark"], got["benchmark_sessions"]) == ("it", 3)
    for name in ("alpha", "beta", "tracking_error", "information_ratio", "correlation"):
        assert got[name] == getattr(m, name)(r, BENCHMARK)


def test_a_benchmark_of_longer_steps_is_held_against_the_same_sessions() -> None:
    # b over sessions 0-1, 2-3 and 4; the run in the same ones 1.1 * 1.1, 0.8 * 1, 1.05
    b = m.Benchmark("it", curve(NAN, 0.2, NAN, -0.1, 0.02), np.array([0, 2, 0, 2, 1]))
    r = curve(0.1, 0.1, -0.2, 0.0, 0.05)
    same, own = curve(0.21, -0.2, 0.05), curve(0.2, -0.1, 0.02)
    got = m.benchmark_metrics(r, b)
    year = 252 * 3 / 5  # three returns over five sessions
    slope = np.cov(same, own)[0, 1] / own.var(ddof=1)
    active = same - own
    assert got.pop("benchmark") == "it"
    assert got == pytest.approx(
        {
            "benchmark_sessions": 5,
            "benchmark_cagr": (1.2 * 0.9 * 1.02) ** (252 / 5) - 1,
            "benchmark_volatility": own.std(ddof=1) * math.sqrt(year),
            "benchmark_sharpe": own.mean() / own.std(ddof=1) * math.sqrt(year),
            "alpha": year * (same.mean() - slope * own.mean()),
            "beta": slope,
            "tracking_error": active.std(ddof=1) * math.sqrt(year),
            "information_ratio": active.mean() / active.std(ddof=1) * math.sqrt(year),
            "correlation": np.corrcoef(same, own)[0, 1],
        }
    )
    # what is not known of the run in one of the sessions is not known of the step
    gone = m.benchmark_metrics(curve(0.1, 0.1, NAN, 0.0, 0.05), b)
    assert (gone["benchmark_sessions"], gone["benchmark_cagr"]) == (3, got["benchmark_cagr"])


def test_a_sampled_benchmark_says_what_the_daily_one_says() -> None:
    noise = np.random.default_rng(0).normal(size=(2, 2520))
    b = 0.0002 + 0.01 * noise[0]
    r = 0.0001 + 0.5 * b + 0.002 * noise[1]
    level = np.cumprod(1.0 + b)
    steps, over = np.full(2520, NAN), np.zeros(2520, np.int64)
    steps[4::5] = level[4::5] / np.concatenate(([1.0], level[4:-5:5])) - 1.0
    over[4::5] = 5
    daily, weekly = m.benchmark_metrics(r, beside(b)), m.benchmark_metrics(r, m.Benchmark("it", steps, over))
    assert weekly["benchmark_sessions"] == daily["benchmark_sessions"] == 2520
    assert weekly["benchmark_cagr"] == pytest.approx(daily["benchmark_cagr"], rel=1e-9)
    # A standard deviation of 504 steps is off by 1 / sqrt(2 * 503), 3 %; four of them. Unscaled they differ by sqrt(5).
    for name in ("benchmark_volatility", "tracking_error"):
        assert weekly[name] == pytest.approx(daily[name], rel=0.13)
    # The residuals are 0.002 to 0.01 of the benchmark: an error of 0.2 / sqrt(503) = 0.009 in beta; four of them.
    assert weekly["beta"] == pytest.approx(daily["beta"], abs=0.036)


@pytest.mark.parametrize(
    ("r", "b", "known"),
    [
        (EMPTY, EMPTY, {}),
        (curve(0.01), curve(0.02), {"benchmark_sessions": 1, "benchmark_cagr": 1.02**252 - 1}),
        (curve(0.01, math.nan), curve(math.nan, 0.02), {"benchmark_cagr": 1.02**252 - 1}),
        # a benchmark that does not move says what the run is beyond it, and nothing else
        (
            curve(0.01, 0.03),
            curve(0, 0),
            {
                "benchmark_sessions": 2,
                "benchmark_cagr": 0,
                "benchmark_volatility": 0,
                "tracking_error": 0.01 * math.sqrt(2) * ROOT,
                "information_ratio": 2 / math.sqrt(2) * ROOT,
            },
        ),
        # a run that is its benchmark has no active return
        (
            curve(0.01, 0.03),
            curve(0.01, 0.03),
            {
                "benchmark_sessions": 2,
                "benchmark_cagr": (1.01 * 1.03) ** 126 - 1,
                "benchmark_volatility": 0.01 * math.sqrt(2) * ROOT,
                "benchmark_sharpe": math.sqrt(2) * ROOT,
                "alpha": 0,
                "beta": 1,
                "tracking_error": 0,
                "correlation": 1,
            },
        ),
        (curve(-0.5, -1), curve(-1, math.nan), {"benchmark_sessions": 1, "benchmark_cagr": -1}),
    ],
    ids=["empty", "one bar", "no pair", "constant", "itself", "wiped out"],
)
def test_every_figure_of_a_benchmark_at_its_edges(r: np.ndarray, b: np.ndarray, known: dict[str, float]) -> None:
    got = m.benchmark_metrics(r, beside(b))
    assert got.pop("benchmark") == "it"
    for name, value in ({"benchmark_sessions": 0} | known).items():
        # alpha of a run that is its benchmark is a difference of means of 252 * 0.02
        exact = value == 0 and name != "alpha"
        assert got.pop(name) == (value if exact else pytest.approx(value, rel=1e-9, abs=1e-14)), name
    assert all(math.isnan(value) for value in got.values())
