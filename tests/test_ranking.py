"""Choosing the best and the worst, exactly, on every kind of row; and the settings of a ranking."""

from __future__ import annotations

import numpy as np
import pytest

import backtester as bt
from backtester.engine.selection import LONG, SHORT, make_keys, mark_sides

ROWS = {
    "normal": lambda rng, n: rng.normal(size=n),
    "uniform": lambda rng, n: rng.random(n),
    "few values": lambda rng, n: rng.integers(0, 4, n).astype(float),
    "all equal": lambda rng, n: np.full(n, 3.5),
    "signed zeros": lambda rng, n: rng.choice([0.0, -0.0], n),
    "fat tails": lambda rng, n: rng.standard_t(1, n),
    "magnitudes": lambda rng, n: rng.choice([-1.0, 1.0], n) * 10.0 ** rng.uniform(-300, 300, n),
    "denormal": lambda rng, n: rng.integers(-5, 6, n) * 5e-324,
    "largest": lambda rng, n: rng.choice([1.7976931348623157e308, -1.7976931348623157e308, 0.0], n),
    "one outlier": lambda rng, n: np.where(np.arange(n) == n // 2, 1e12, rng.normal(size=n)),
    "neighbours": lambda rng, n: 1.0 + rng.integers(0, 9, n) * np.finfo(float).eps,
    "unknown": lambda rng, n: np.where(
        rng.random(n) < 0.4, rng.choice([np.nan, np.inf, -np.inf], n), rng.normal(size=n)
    ),
}


def by_sorting(score, allowed, longs, shorts):
    """The plain answer: sort by score, then by place; the long side chooses first."""
    ranked = [i for i in range(len(score)) if allowed[i] and np.isfinite(score[i])]
    side = np.zeros(len(score), np.int8)
    for i in sorted(ranked, key=lambda i: (-score[i], i))[:longs]:
        side[i] = LONG
    for i in [i for i in sorted(ranked, key=lambda i: (score[i], i)) if side[i] == 0][:shorts]:
        side[i] = SHORT
    return len(ranked), side


@pytest.mark.parametrize("kind", ROWS)
def test_selection_is_a_sort(kind):
    rng = np.random.default_rng(0)
    for _ in range(400):
        n = int(rng.integers(1, 80))
        score, allowed = ROWS[kind](rng, n), (rng.random(n) < 0.8).astype(np.uint8)
        ranked, _ = by_sorting(score, allowed, 0, 0)
        longs = int(rng.integers(0, ranked + 1))
        shorts = int(rng.integers(0, ranked - longs + 1))
        keys, side = np.empty(n, np.int64), np.empty(n, np.int8)
        score.flags.writeable = False
        count, lowest, highest = make_keys(score, allowed, keys)
        assert count == ranked
        mark_sides(keys, count, lowest, highest, longs, shorts, side)
        assert side.tolist() == by_sorting(score, allowed, longs, shorts)[1].tolist(), (score, longs, shorts)


def test_a_ranking_worked_by_hand():
    score = np.array([3.0, 1.0, np.nan, 2.0, 2.0, 9.0])
    eligible = np.array([1, 1, 1, 1, 1, 0], bool)
    # ranked: 3, 1, 2, 2; the best is the first, the worst the second
    assert bt.rank_long_short(score, eligible, long=1, short=1).tolist() == [0.5, -0.5, 0, 0, 0, 0]
    # of two equal scores the first wins
    assert bt.rank_long_short(score, eligible, long=2, short=0, gross=1.0).tolist() == [0.5, 0, 0, 0.5, 0, 0]
    # a quarter of four names; five of each side do not fit into four: floor(4 * 5 / 10) = 2 each
    assert bt.rank_long_short(score, eligible, long=0.25, short=0.25).tolist() == [0.5, -0.5, 0, 0, 0, 0]
    assert bt.rank_long_short(score, eligible, long=5, short=5).tolist() == [0.25, -0.25, 0, 0.25, -0.25, 0]
    # two names a side, three asked for at least: flat
    assert not bt.rank_long_short(score, eligible, long=2, short=2, min_names=3).any()
    # by score: the median is 2, distances 1 and 0 up, 1 and 0 down
    by_score = bt.rank_long_short(score, eligible, long=2, short=2, weights="score")
    assert by_score.tolist() == [0.5, -0.5, 0, 0, 0, 0]
    # by inverse volatility: 1/1 and 1/4 of 0.5, normalised to 0.4 and 0.1
    volatility = np.array([1.0, 2.0, 1.0, 4.0, np.nan, 1.0])
    inverse = bt.rank_long_short(score, eligible, long=2, short=1, weights="inverse_volatility", volatility=volatility)
    assert inverse.tolist() == pytest.approx([0.4, -0.5, 0, 0.1, 0, 0])


def test_sector_neutral_by_hand():
    score = np.array([5.0, 4.0, 1.0, 9.0, 8.0, 7.0, 6.0, 3.0])
    sectors = np.array([0, 0, 0, 1, 1, 1, 1, 2])
    weights = bt.rank_long_short(score, np.ones(8, bool), long=0.5, short=0.25, sectors=sectors)
    # sector 0: 3 names, floor(1.5) = 1 long, max(1, floor(0.75)) = 1 short, gross 3/7; sector 1: 2 long, 1 short, gross
    # 4/7; sector 2 has one name and takes none
    a, b = 3 / 7 / 2, 4 / 7 / 2
    assert weights.tolist() == pytest.approx([a, 0, -a, b / 2, b / 2, 0, -b, 0])
    for code in (0, 1):
        assert weights[sectors == code].sum() == pytest.approx(0.0)


def test_a_small_sector_keeps_both_sides():
    score = np.arange(20.0)
    sectors = np.array([0, 0] + [1] * 18)
    weights = bt.rank_long_short(score, np.ones(20, bool), long=30, short=10, sectors=sectors)
    assert weights[:2].tolist() == pytest.approx([-0.05, 0.05])  # 2 of 20 names: a tenth of the gross, half a side
    assert np.abs(weights).sum() == pytest.approx(1.0)
    assert weights.sum() == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"long": -1, "short": 1}, "long is -1"),
        ({"long": 1.5, "short": 1}, "long is 1.5"),
        ({"long": "50", "short": 1}, "long is '50'"),
        ({"long": 10**18, "short": 1}, "long is 1000000000000000000"),
        ({"long": 0, "short": 0}, "both 0"),
        ({"long": 0.6, "short": 0.6}, "more than the whole universe"),
        ({"long": 1, "short": 1, "weights": "scores"}, "Did you mean 'score'?"),
        ({"long": 1, "short": 1, "gross": 0}, "gross is 0"),
        ({"long": 1, "short": 1, "gross": "x"}, "gross is 'x'"),
        ({"long": 1, "short": 1, "min_names": 0}, "min_names is 0"),
        ({"long": 1, "short": 1, "min_names": float("nan")}, "min_names is nan"),
    ],
)
def test_wrong_settings(arguments, message):
    with pytest.raises(bt.ConfigError) as told:
        bt.rank_long_short(np.zeros(3), np.ones(3, bool), **arguments)
    assert message in str(told.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"score": np.zeros((2, 3))}, r"score has shape \(2, 3\)"),
        ({"eligible": np.ones(2, bool)}, r"eligible has shape \(1, 2\)"),
        ({"weights": "inverse_volatility"}, "needs volatility="),
        ({"weights": "inverse_volatility", "volatility": np.ones(2)}, "volatility has shape"),
        ({"sectors": np.zeros(4, int)}, "sectors has shape"),
        ({"sectors": np.array([0, -1, 0])}, "codes from 0"),
        ({"sectors": np.array([0, 10**12, 0])}, "codes from 0"),
    ],
)
def test_shapes_that_do_not_fit(arguments, message):
    arguments = {"score": np.zeros(3), "eligible": np.ones(3, bool)} | arguments
    with pytest.raises(bt.StrategyError, match=message):
        bt.rank_long_short(arguments.pop("score"), arguments.pop("eligible"), long=1, short=1, **arguments)
