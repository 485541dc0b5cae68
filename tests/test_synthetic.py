"""The synthetic market: reproducible, plausible, and with the predictability that was asked for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from backtester.errors import ConfigError
from backtester.market.synthetic import SyntheticMarket, synthetic


@pytest.fixture(scope="module")
def market() -> SyntheticMarket:
    """A market of some size."""
    return synthetic(symbols=200, sessions=1000, seed=1)


def rank_ic(market: SyntheticMarket) -> tuple[float, float]:
    """Mean and standard error of the daily rank correlation of score[t] with the return from open t+1 to open t+2."""
    opens, actions = market.panel.open, market.panel.actions
    forward = np.full(opens.shape, np.nan)
    forward[:-2] = opens[2:] / opens[1:-1] - 1
    seen = actions.row >= 2
    forward[actions.row[seen] - 2, actions.symbol[seen]] = np.nan  # ex-dates
    known = ~np.isnan(forward) & ~np.isnan(market.score)
    ranks = [pd.DataFrame(np.where(known, values, np.nan)).rank(axis=1) for values in (market.score, forward)]
    daily = ranks[0].corrwith(ranks[1], axis=1).dropna()
    return float(daily.mean()), float(daily.std() / np.sqrt(len(daily)))


def test_same_seed_same_bytes() -> None:
    """The arguments determine everything; another seed is another market."""
    one, two, other = synthetic(20, 60, 7), synthetic(20, 60, 7), synthetic(20, 60, 8)
    assert one.panel.fingerprint == two.panel.fingerprint
    np.testing.assert_array_equal(one.score, two.score)
    assert one.panel.fingerprint != other.panel.fingerprint


@pytest.mark.parametrize("wanted", [0.0, 0.03, 0.1, -0.05])
def test_the_score_predicts_as_much_as_asked(wanted: float) -> None:
    """The mean daily rank correlation is the chosen one, within four standard errors (and a twentieth of itself)."""
    mean, error = rank_ic(synthetic(symbols=200, sessions=1500, seed=4, rank_ic=wanted))
    assert abs(mean - wanted) < 4 * error + 0.05 * abs(wanted)


def test_bars_are_consistent(market: SyntheticMarket) -> None:
    """Highs and lows contain opens and closes; a bar is there as a whole or not at all; volumes are whole shares."""
    panel = market.panel
    known = ~np.isnan(panel.close)
    for values in (panel.open, panel.high, panel.low, panel.volume, market.score):
        np.testing.assert_array_equal(~np.isnan(values), known)
    assert (panel.high[known] >= np.maximum(panel.open, panel.close)[known]).all()
    assert (panel.low[known] <= np.minimum(panel.open, panel.close)[known]).all()
    assert (panel.volume[known] == np.round(panel.volume[known])).all()
    assert np.isin(pd.DatetimeIndex(panel.dates).day_of_week, range(5)).all()
    assert len(panel.sector_names) > 5


def test_it_has_what_real_markets_have(market: SyntheticMarket) -> None:
    """Listings, gaps, endings with a loss and without, splits both ways, dividends; no move on an ex-date is a jump."""
    panel = market.panel
    known = ~np.isnan(panel.close)
    listed = known.argmax(axis=0)
    assert 0 < (listed > 5).sum() < 50
    assert 0 < len(panel.ends.symbol) < 50
    assert (panel.ends.delisting_return == 0).any()
    assert (panel.ends.delisting_return < -0.1).any()
    assert (panel.actions.split > 1).any()
    assert (panel.actions.split < 1).any()
    assert (panel.actions.dividend > 0).sum() > 500
    inside = np.array([known[a : known.shape[0] - known[::-1, i].argmax(), i].all() for i, a in enumerate(listed)])
    assert not inside.all()
    on_ex_dates = panel.returns[panel.actions.row, panel.actions.symbol]
    assert np.nanmax(np.abs(on_ex_dates)) < 0.25


def test_volatilities_are_those_of_stocks(market: SyntheticMarket) -> None:
    """A typical stock moves by 20 to 50 % a year, the market by 10 to 20 %, and big days are bigger than normal."""
    returns = market.panel.returns[1:]
    yearly = np.sqrt(252)
    assert 0.2 < np.nanmedian(np.nanstd(returns, axis=0)) * yearly < 0.5
    assert 0.1 < np.nanstd(np.nanmean(returns, axis=1)) * yearly < 0.2
    standard = returns / np.nanstd(returns, axis=0)
    assert np.nanmean(standard**4) > 4  # 3 if normal


def test_the_score_is_known_before_what_it_predicts() -> None:
    """Without a planted score the same shocks come: what is foretold changes, and nothing before the second session."""
    plain, planted = synthetic(50, 100, 2, rank_ic=0.0), synthetic(50, 100, 2, rank_ic=0.3)
    np.testing.assert_array_equal(plain.score, planted.score)
    np.testing.assert_array_equal(plain.panel.open[:2], planted.panel.open[:2])
    assert not np.array_equal(plain.panel.open[2:], planted.panel.open[2:], equal_nan=True)


@pytest.mark.parametrize("change", [{"symbols": 1}, {"sessions": 1}, {"rank_ic": 0.9}, {"rank_ic": float("nan")}])
def test_impossible_markets_are_refused(change: dict[str, float]) -> None:
    """Too small, or with more predictability than there is."""
    with pytest.raises(ConfigError):
        synthetic(**change)  # type: ignore[arg-type]
