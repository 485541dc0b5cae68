"""The synthetic market: reproducible, plausible, and with the predictability that was asked for."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from backtester.errors import ConfigError
from backtester.market.synthetic import KINDS, Kind, SyntheticMarket, synthetic


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


def autocorrelation(values: np.ndarray, lag: int) -> float:
    """Of each column that is known throughout, from the second row on; their median."""
    whole = values[1:][:, ~np.isnan(values[1:]).any(axis=0)]
    return float(np.median([np.corrcoef(one[:-lag], one[lag:])[0, 1] for one in whole.T]))


def kurtosis(values: np.ndarray) -> float:
    """Median over the columns, from the second row on; 3 if normal."""
    standard = (values[1:] - np.nanmean(values[1:], axis=0)) / np.nanstd(values[1:], axis=0)
    return float(np.median(np.nanmean(standard**4, axis=0)))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_moves_as_stocks_do(seed: int) -> None:
    """The figures of the docstring, of markets as large as it names, each with room for another seed."""
    panel = synthetic(500, 2520, seed).panel
    returns, everyone = panel.returns, np.nanmean(panel.returns[1:], axis=1)
    yearly = np.sqrt(252)
    low, high = np.nanpercentile(np.nanstd(returns[1:], axis=0) * yearly, [5, 95])
    assert 0.18 < low < 0.24
    assert 0.40 < high < 0.50
    assert 0.14 < everyone.std() * yearly < 0.18
    assert 5.5 < kurtosis(returns) < 8
    assert 4.5 < (((everyone - everyone.mean()) / everyone.std()) ** 4).mean() < 8
    assert 0.15 < autocorrelation(np.abs(returns), 1) < 0.3
    assert 0.05 < autocorrelation(np.abs(returns), 20) < 0.2
    # Each of some 400 has an error of 1 / sqrt(2520) = 0.02 and more, as turbulent sessions weigh most; they correlate.
    assert abs(autocorrelation(returns, 1)) < 0.02
    whole = np.flatnonzero(~np.isnan(returns[1:]).any(axis=0))
    together = np.corrcoef(returns[1:, whole].T)
    same = panel.sector_codes[whole][:, None] == panel.sector_codes[whole]
    assert 0.25 < together[~same].mean() < 0.32
    assert 0.04 < together[same & (together < 1 - 1e-9)].mean() - together[~same].mean() < 0.1
    volume = np.log(panel.volume[1:])
    busy = [np.corrcoef(np.abs(returns[1:, i]), volume[:, i])[0, 1] for i in whole]
    assert 0.25 < np.median(busy) < 0.45


def test_without_regimes_and_tails_it_is_normal() -> None:
    """No autocorrelation of absolute returns; a kurtosis of 3, up to the errors of 80 columns of 3,000 rows."""
    returns = np.log1p(synthetic(80, 3000, 1, regimes=0, tails=0, endings=0, listings=0).panel.returns)
    assert abs(autocorrelation(np.abs(returns), 1)) < 0.03
    assert 2.85 < kurtosis(returns) < 3.15


def test_the_day_says_nothing_about_the_night() -> None:
    """From open to close, and from close to open, are independent, for each symbol and for all together."""
    panel = synthetic(100, 5000, 2, rank_ic=0, regimes=0, splits=0, payers=0, missing=0, listings=0, endings=0).panel
    day, night = np.log(panel.close / panel.open)[:-1], np.log(panel.open[1:] / panel.close[:-1])
    chance = 4 / np.sqrt(5000)
    assert abs(np.corrcoef(day.mean(axis=1), night.mean(axis=1))[0, 1]) < chance
    each = [np.corrcoef(day[:, i], night[:, i])[0, 1] for i in range(100)]
    assert abs(np.mean(each)) < chance
    # Six tenths of the variance come by day.
    assert day.var() / (day.var() + night.var()) == pytest.approx(0.6, abs=0.03)


def test_each_part_can_be_left_out() -> None:
    """Or be had in full."""
    off = {"listings": 0, "endings": 0, "splits": 0, "payers": 0, "missing": 0}
    panel = synthetic(50, 300, 0, **off).panel  # type: ignore[arg-type]
    assert not np.isnan(panel.close).any()
    assert not len(panel.actions.row)
    assert not len(panel.ends.symbol)
    assert panel.member.all()
    later = ~np.isnan(synthetic(50, 300, 0, **{**off, "listings": 1}).panel.close)  # type: ignore[arg-type]
    assert later[0].sum() == 1
    assert later[-1].all()
    ends = synthetic(50, 300, 0, **{**off, "endings": 1}).panel.ends  # type: ignore[arg-type]
    assert len(ends.symbol) == 49
    actions = synthetic(50, 300, 0, **{**off, "splits": 1}).panel.actions  # type: ignore[arg-type]
    assert sorted(actions.symbol) == list(range(50))
    actions = synthetic(50, 300, 0, **{**off, "payers": 1}).panel.actions  # type: ignore[arg-type]
    assert set(np.bincount(actions.symbol)) == {4, 5}  # 299 sessions hold four or five times 63
    gaps = np.isnan(synthetic(50, 300, 0, **{**off, "missing": 0.1}).panel.close)  # type: ignore[arg-type]
    # Of 49 x 298 bars: an error of sqrt(0.1 * 0.9 / 14,600) = 0.0025.
    assert gaps[1:-1, 1:].mean() == pytest.approx(0.1, abs=0.01)
    assert not gaps[[0, -1]].any()
    assert not gaps[:, 0].any()


@pytest.mark.parametrize(("splits", "payers"), [(0, 1), (1, 0), (1, 1)])
def test_an_action_is_no_gain(splits: int, payers: int) -> None:
    """Total returns of days with an action have the mean of all: some 0.02 over the root of their number away."""
    panel = synthetic(400, 500, 6, splits=splits, payers=payers, missing=0, listings=0, endings=0).panel
    then = panel.returns[panel.actions.row, panel.actions.symbol]
    assert len(then) >= 400
    # Against the day's mean, which the market moves.
    others = panel.returns.mean(axis=1)[panel.actions.row]
    assert abs((then - others).mean()) < 4 * 0.02 / np.sqrt(len(then))


def test_the_universe_is_of_those_most_traded() -> None:
    """By what was known, reviewed every 63 sessions."""
    panel = synthetic(40, 400, 3, members=0.25, listings=0.3, endings=0.3).panel
    money = np.nan_to_num(panel.close * panel.volume)
    ended = {int(i): int(row) for i, row in zip(panel.ends.symbol, panel.ends.row, strict=True)}
    for t in range(400):
        review = t - t % 63
        traded = money[max(0, review - 63) : review + 1].sum(axis=0)
        traded[[i for i, row in ended.items() if row <= review]] = 0
        best = set(np.argsort(-traded)[:10]) - {i for i, row in ended.items() if row <= t}
        assert set(np.flatnonzero(panel.member[t])) == best
    assert (panel.member[63:] != panel.member[:-63]).any(axis=1).sum() > 0


def test_prices_are_quoted_in_ticks() -> None:
    """Cents, and hundredths of a cent below 1."""
    panel = synthetic(300, 2520, 1).panel
    for prices in (panel.open, panel.high, panel.low, panel.close):
        known = prices[~np.isnan(prices)]
        np.testing.assert_array_equal(known[known >= 1], np.round(known[known >= 1], 2))
        np.testing.assert_array_equal(known[known < 1], np.round(known[known < 1], 4))
    assert np.nanmin(panel.low) < 1


def test_the_score_is_known_before_what_it_predicts() -> None:
    """Without a planted score the same shocks come: what is foretold changes, and nothing before the second session."""
    plain, planted = synthetic(50, 100, 2, rank_ic=0.0), synthetic(50, 100, 2, rank_ic=0.3)
    np.testing.assert_array_equal(plain.score, planted.score)
    np.testing.assert_array_equal(plain.panel.open[:2], planted.panel.open[:2])
    assert not np.array_equal(plain.panel.open[2:], planted.panel.open[2:], equal_nan=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "change",
    ["seed", "regimes", "tails", "listings", "endings", "splits", "payers", "missing", "members", "start"],
)
def test_every_argument_does_something(kind: Kind, change: str) -> None:
    """In every kind of market; and the score is read-only."""
    value = {"seed": 4, "start": "2016-01-04", "regimes": 0.5, "tails": 0.05}.get(change, 0.9)
    one = synthetic(30, 120, 3, kind=kind)
    other = synthetic(**{"symbols": 30, "sessions": 120, "seed": 3, "kind": kind, change: value})  # type: ignore[arg-type]
    assert one.panel.fingerprint == synthetic(30, 120, 3, kind=kind).panel.fingerprint
    assert one.panel.fingerprint != other.panel.fingerprint
    assert not one.score.flags.writeable


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"symbols": 1}, "symbols 1 is too small; 2 is the least"),
        ({"sessions": 1}, "sessions 1 is too small"),
        ({"sessions": 10.0}, "sessions 10.0 is no whole number"),
        ({"seed": -1}, "seed -1 is too small; 0 is the least"),
        ({"seed": True}, "seed True is no whole number"),
        ({"rank_ic": 0.9}, "rank_ic 0.9 is out of reach; give a number from -0.5 to 0.5"),
        ({"rank_ic": float("nan")}, "rank_ic nan"),
        ({"rank_ic": "high"}, "rank_ic 'high'"),
        ({"kind": "interaction"}, "kind 'interaction' is none of linear, interactions, order, noise. Did you mean"),
        ({"start": "soon"}, "start: 'soon' is no date"),
        ({"regimes": 3}, "regimes 3 is out of reach; give a number from 0 to 2"),
        ({"tails": 0.3}, "tails 0.3 is out of reach; give a number from 0 to 0.2"),
        *[({name: 1.5}, f"{name} 1.5") for name in ("listings", "endings", "splits", "payers", "missing", "members")],
    ],
)
def test_impossible_markets_are_refused(change: dict[str, Any], words: str) -> None:
    """With the argument and what it may be."""
    with pytest.raises(ConfigError, match=re.escape(words)):
        synthetic(**change)
