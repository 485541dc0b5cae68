"""What is planted in a synthetic market: as much as was asked for, to be found by those who can and by nobody else.

Markets here have no listings, endings, actions and gaps, so that a return from open to open is a quotient of opens. A
mean of daily rank correlations of things that have nothing to do with each other has a standard deviation of about
``1 / sqrt((N - 1) * T)``: ranks of N things correlate by chance with a variance of ``1 / (N - 1)``, and sessions are
independent. Four of these are allowed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from backtester.market.synthetic import SyntheticMarket, synthetic

Floats = NDArray[np.float64]
WHOLE: dict[str, Any] = {"listings": 0, "endings": 0, "splits": 0, "payers": 0, "missing": 0}
SYMBOLS, SESSIONS, IC = 250, 2500, 0.1
CHANCE = 4 / np.sqrt((SYMBOLS - 1) * SESSIONS)


@pytest.fixture(scope="module")
def markets() -> dict[str, SyntheticMarket]:
    """One of each kind."""
    return {
        kind: synthetic(SYMBOLS, SESSIONS, 2, rank_ic=IC, kind=kind, **WHOLE)  # type: ignore[arg-type]
        for kind in ("linear", "interactions", "order", "noise")
    }


def forward(market: SyntheticMarket) -> Floats:
    """Returns from the open of t+1 to the open of t+2, ``(T - 2, N)``."""
    opens = market.panel.open
    return opens[2:] / opens[1:-1] - 1


def daily_ics(score: Floats, returns: Floats) -> Floats:
    """Rank correlation over the symbols, of the sessions in which all are known."""
    score = score[: len(returns)]
    known = ~(np.isnan(score) | np.isnan(returns)).any(axis=1)
    a, b = (values[known].argsort(axis=1).argsort(axis=1) - (values.shape[1] - 1) / 2 for values in (score, returns))
    return (a * b).sum(axis=1) / np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))


def rank_ic(score: Floats, returns: Floats) -> float:
    """Mean of the daily rank correlations."""
    return float(daily_ics(score, returns).mean())


def alike(one: Floats, other: Floats) -> float:
    """Mean correlation over the symbols of the sessions in which all are known."""
    known = ~(np.isnan(one) | np.isnan(other)).any(axis=1)
    a, b = (values[known] - values[known].mean(axis=1, keepdims=True) for values in (one, other))
    return float(((a * b).sum(axis=1) / np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))).mean())


def least_squares(columns: list[Floats], returns: Floats, rows: slice) -> Floats:
    """What a linear model says that was fitted on some rows to returns less their mean over the symbols, ``(T, N)``."""
    target = returns - returns.mean(axis=1, keepdims=True)
    used = [column[: len(returns)][rows].ravel() for column in columns]
    weights = np.linalg.lstsq(np.column_stack(used), target[rows].ravel(), rcond=None)[0]
    return sum((weight * column for weight, column in zip(weights, columns, strict=True)), np.zeros(columns[0].shape))


def columns_of(market: SyntheticMarket) -> list[Floats]:
    """The features."""
    return [market.panel.extra[f"f{k}"] for k in range(1, 7)]


def sums(returns: Floats, count: int) -> Floats:
    """Sums of the last `count` returns; NaN in the rows that do not have as many (the first has none)."""
    out = np.full(returns.shape, np.nan)
    out[count:] = np.lib.stride_tricks.sliding_window_view(returns[1:], count, axis=0).sum(axis=-1)
    return out


@pytest.mark.parametrize("wanted", [-0.05, 0.03, 0.1, 0.3])
@pytest.mark.parametrize("kind", ["linear", "interactions", "order"])
def test_the_score_predicts_as_much_as_asked(kind: Any, wanted: float) -> None:
    """Within four standard errors of the mean of the days, and a fiftieth of itself."""
    market = synthetic(300, 2000, 1, rank_ic=wanted, kind=kind, **WHOLE)
    days = daily_ics(market.score, forward(market))
    assert abs(days.mean() - wanted) < 4 * days.std() / np.sqrt(len(days)) + 0.02 * abs(wanted)


@pytest.mark.parametrize("symbols", [5, 20])
def test_it_does_so_in_small_markets(symbols: int) -> None:
    """The rank correlation of few symbols is less than that of many; the weight of the score makes up for it."""
    market = synthetic(symbols, 20_000, 3, rank_ic=0.1, **WHOLE)
    days = daily_ics(market.score, forward(market))
    assert abs(days.mean() - 0.1) < 4 * days.std() / np.sqrt(len(days)) + 0.02 * 0.1


def test_it_predicts_what_comes_after_it(markets: dict[str, SyntheticMarket]) -> None:
    """What is new in the score of t has nothing to do with the move into the open of t+1, and all with the next.

    News are 0.6 of the score, so they foretell the next move by 0.6 of its correlation, the one after by 0.8 of that.
    """
    market = markets["linear"]
    news, returns = market.score[1:] - 0.8 * market.score[:-1], forward(market)  # news[k] is of session k + 1
    assert abs(rank_ic(news[:-2], returns[:-1])) < CHANCE
    assert rank_ic(news, returns[1:]) == pytest.approx(0.6 * IC, abs=CHANCE + 0.02 * IC)
    assert rank_ic(news, returns[2:]) == pytest.approx(0.6 * 0.8 * IC, abs=CHANCE + 0.02 * IC)


def test_linear(markets: dict[str, SyntheticMarket]) -> None:
    """The score is (2 f1 - 2 f2 + f3) / 3, known as a normal that fades by a fifth a session."""
    market = markets["linear"]
    f1, f2, f3, *decoys = columns_of(market)
    np.testing.assert_allclose(market.score, (2 * f1 - 2 * f2 + f3) / 3, rtol=0, atol=1e-14)
    for decoy in decoys:
        assert abs(rank_ic(decoy, forward(market))) < CHANCE
    for column in columns_of(market):
        assert column.mean() == pytest.approx(0, abs=0.02)
        assert column.std() == pytest.approx(1, abs=0.02)
        assert (column[1:] * column[:-1]).mean() == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("seed", range(4))
def test_a_linear_model_finds_the_linear_score(seed: int) -> None:
    """From 500 sessions of 100 symbols, at a rank correlation of 0.1.

    With n = 50,000 rows each of six weights has an error of 1 / sqrt(n) = 0.0045 in units in which the score's is 0.1,
    so the correlation should be about 0.1 / sqrt(0.1^2 + 6 * 0.0045^2) = 0.994.
    """
    market = synthetic(100, 502, seed, rank_ic=0.1, **WHOLE)
    found = least_squares(columns_of(market), forward(market), slice(0, 500))
    assert alike(found, market.score) > 0.97


def test_interactions(markets: dict[str, SyntheticMarket]) -> None:
    """No feature, and no function of one, foretells anything; the two terms of the formula do."""
    market = markets["interactions"]
    f1, f2, f3, f4, *_ = columns_of(market)
    terms = [f1 * f2, f3 * np.sign(f4)]
    np.testing.assert_allclose(market.score, (terms[0] + terms[1]) / np.sqrt(2), rtol=0, atol=1e-14)
    for column in columns_of(market):
        for view in (column, np.abs(column), column**3 - column):
            assert abs(rank_ic(view, forward(market))) < CHANCE
    half = slice(0, SESSIONS // 2)
    rest = slice(SESSIONS // 2, None)
    found = least_squares(columns_of(market), forward(market), half)
    assert abs(rank_ic(found[rest], forward(market)[rest])) < CHANCE * np.sqrt(2)
    assert alike(least_squares(terms, forward(market), half), market.score) > 0.97


def test_trees_find_interactions(markets: dict[str, SyntheticMarket]) -> None:
    """Which a linear model does not."""
    ensemble = pytest.importorskip("sklearn.ensemble")
    market = markets["interactions"]
    returns, half = forward(market), SESSIONS // 2
    features = np.stack(columns_of(market), axis=-1)
    # In units of the day, so that turbulent ones do not outweigh the rest.
    target = (returns - returns.mean(axis=1, keepdims=True)) / returns.std(axis=1, keepdims=True)
    trees = ensemble.HistGradientBoostingRegressor(max_iter=100, min_samples_leaf=200, random_state=0)
    trees.fit(features[:half].reshape(-1, 6), target[:half].ravel())
    found = trees.predict(features[half:].reshape(-1, 6)).reshape(-1, SYMBOLS)
    assert alike(found, market.score[half:]) > 0.75


def test_order_is_the_formula_of_the_page(markets: dict[str, SyntheticMarket]) -> None:
    """Recomputed from the panel's own returns.

    Closes are rounded to cents: an error of 0.003 (a cent over the root of 12) in some 40, against moves of 0.02 a day,
    which is 0.004 a return; so correlations of about 1 - 0.004^2, and less where shares are cheap.
    """
    market = markets["order"]
    returns = market.panel.returns
    signs = np.array([(-1.0) ** (lag + 1) for lag in range(18, 0, -1)])
    lagged = np.lib.stride_tricks.sliding_window_view(returns[1:], 18, axis=0)  # oldest first
    contrast = (lagged @ signs) / np.sqrt((lagged**2).sum(axis=-1))  # row k ends with the return of session k + 18
    score = np.full(returns.shape, np.nan)
    score[19:] = contrast[:-1]  # so that the newest return is that of the session before
    np.testing.assert_array_equal(np.isnan(score), np.isnan(market.score))
    assert alike(score, market.score) > 0.999
    np.testing.assert_allclose(market.score[19:].mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(market.score[19:].std(axis=1), 1, atol=1e-12)


def test_order_is_not_in_the_last_day_nor_in_any_sum(markets: dict[str, SyntheticMarket]) -> None:
    """What does not depend on the order of the returns sees nothing, but for a quarter of the squared correlation."""
    market = markets["order"]
    returns, later = market.panel.returns, forward(market)
    allowed = CHANCE + IC**2 / 4
    for count in (1, 3, 5, 19, 20, 21, 60):
        assert abs(rank_ic(sums(returns, count), later)) < allowed, count
        assert abs(alike(sums(returns, count), market.score)) < 0.03, count
    assert abs(rank_ic(np.sqrt(sums(returns**2, 19)), later)) < allowed
    for column in columns_of(market):
        assert abs(rank_ic(column, later)) < CHANCE
    # The weakness that the page names: sums over an even number, the worst of which is two.
    assert rank_ic(sums(returns, 2), later) < IC / np.sqrt(18 * 2) + allowed


def test_a_model_of_the_last_returns_finds_the_order(markets: dict[str, SyntheticMarket]) -> None:
    """Fitted on the first half to the last 19 returns, looked at in the second."""
    market = markets["order"]
    returns, half = market.panel.returns, SESSIONS // 2
    lags = [np.vstack([np.full((lag, SYMBOLS), np.nan), returns[: len(returns) - lag]]) for lag in range(19)]
    found = least_squares(lags, forward(market), slice(19, half))
    assert alike(found[half:], market.score[half:]) > 0.9


def test_nobody_knows_the_order_of_returns_before_the_listing() -> None:
    """A symbol has a score from its 20th session on, and a bar before that."""
    market = synthetic(50, 200, 4, kind="order", listings=0.5, missing=0)
    for i in range(50):
        bars, scores = (np.flatnonzero(~np.isnan(values[:, i])) for values in (market.panel.close, market.score))
        assert len(scores) == max(len(bars) - 19, 0)
        assert not len(scores) or scores[0] == bars[0] + 19


def test_nothing_predicts_noise(markets: dict[str, SyntheticMarket]) -> None:
    """Neither the score nor a feature, nor what past returns say."""
    market = markets["noise"]
    later, returns = forward(market), market.panel.returns
    views = [market.score, *columns_of(market), market.panel.close, market.panel.volume, sums(returns**2, 60)]
    views += [sums(returns, count) for count in (1, 2, 5, 20, 250)]
    for view in views:
        assert abs(rank_ic(view, later)) < CHANCE


def test_the_volatile_gain_what_the_others_gain() -> None:
    """In the mean and in ranks: symmetric returns have one middle. Twenty markets, as long as one of 20,000 sessions.

    Were logarithms of returns symmetric about the same middle, ranks of volatilities would correlate with those of
    returns by 0 and their means would differ by s^2 / 2, or the means be equal and the correlation about -0.005.
    """
    correlations, gains = [], []
    for seed in range(20):
        market = synthetic(200, 1000, seed, kind="noise", **WHOLE)
        later = forward(market)[60:]
        volatility = sums(market.panel.returns**2, 60)[60:-2]
        correlations.append(rank_ic(volatility, later))
        high = volatility > np.median(volatility, axis=1, keepdims=True)
        gains.append(later[high].mean() - later[~high].mean())
    assert abs(np.mean(correlations)) < 4 / np.sqrt(199 * 940 * 20)
    assert abs(np.mean(gains)) < 4 * np.std(gains) / np.sqrt(20)


def test_noise_is_noise_whatever_is_asked() -> None:
    """And its score is still a normal that fades slowly."""
    one, other = (synthetic(40, 300, 0, kind="noise", rank_ic=ic) for ic in (0.0, 0.4))
    assert one.panel.fingerprint == other.panel.fingerprint
    np.testing.assert_array_equal(one.score, other.score)
    known = ~np.isnan(one.score[1:] * one.score[:-1])
    assert np.corrcoef(one.score[1:][known], one.score[:-1][known])[0, 1] == pytest.approx(0.8, abs=0.03)
