"""The strategies that ship, against what their names promise."""

from __future__ import annotations

import numpy as np
import pytest

import backtester as bt
import strategies

FREE = {"costs": None, "risk": None, "execution": bt.Execution(lot=0), "cash": 1e6}


@pytest.fixture(scope="module")
def market():
    """Random walks of 30 symbols that never end."""
    rng = np.random.default_rng(0)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (300, 30)), axis=0))
    dates = np.busday_offset("2020-01-01", np.arange(300), roll="forward")
    symbols = [f"S{i:02d}" for i in range(30)]
    return bt.Panel.from_arrays(
        dates, symbols, open=close, high=None, low=None, close=close, volume=np.full((300, 30), 1e6)
    )


def held_after(result, t):
    return np.sign(result.positions.iloc[t].to_numpy())


def test_momentum_leaves_out_the_last_month(market):
    result = bt.run(market, strategies.Momentum(lookback=100, skip=21, long=3, short=3, every=50), **FREE)
    score = market.close[79] / market.close[0] - 1  # decided at session 100, the 101st bar
    expected = np.zeros(30)
    expected[np.argsort(score)[-3:]], expected[np.argsort(score)[:3]] = 1, -1
    assert held_after(result, 101).tolist() == expected.tolist()
    assert sorted(set(result.orders["date"])) == list(result.equity.index[[100, 150, 200, 250]])


def test_reversal_buys_what_fell(market):
    result = bt.run(market, strategies.Reversal(lookback=5, long=4, short=2), **FREE)
    fell = market.close[5] / market.close[0]
    expected = np.zeros(30)
    expected[np.argsort(fell)[:4]], expected[np.argsort(fell)[-2:]] = 1, -1
    assert held_after(result, 6).tolist() == expected.tolist()
    assert held_after(result, 5).tolist() == [0] * 30


def test_equal_weight_buys_once_and_holds(market):
    strategy = strategies.EqualWeight()
    for _ in range(2):  # a strategy may be run again
        result = bt.run(market, strategy, **FREE)
        assert result.fills["date"].nunique() == 1
        # decided at close 0, filled at open 1
        shares = 1e6 / 30 / market.close[0]
        expected = 1e6 + (shares * (market.close[-1] - market.open[1])).sum()
        assert result.equity.iloc[-1] == pytest.approx(expected, rel=1e-12)
    monthly = bt.run(market, strategies.EqualWeight(every=21), **FREE)
    assert monthly.fills["date"].nunique() == 15  # sessions 0, 21, .. 294


def test_equal_weight_keeps_nothing_in_mind(market):
    strategy = strategies.EqualWeight()
    whole = bt.run(market, strategy, **FREE)
    for cut in (1, 2, 50):
        first = bt.Simulation(market, strategy, **FREE)
        first.advance(cut)
        rest = bt.Simulation(market, strategies.EqualWeight(), snapshot=first.snapshot(), **FREE)
        rest.advance()
        assert rest.finish() == whole
    assert vars(strategy) == vars(strategies.EqualWeight())


def test_a_placebo_knows_nothing_and_repeats(market):
    def run(seed, panel=market):
        return bt.run(panel, strategies.Placebo(seed, long=5, short=5), **FREE)

    assert run(0).content_hash == run(0).content_hash != run(1).content_hash
    # what a day's scores are does not depend on where the run began
    late = run(0, market.between(market.dates[100]))
    assert held_after(late, 50).tolist() == held_after(run(0), 150).tolist()


def test_ranked_every_n_sessions_for_members_only(market):
    member = np.ones((300, 30), bool)
    member[:, :10] = False
    columns = {name: getattr(market, name) for name in ("open", "high", "low", "close", "volume")}
    panel = bt.Panel.from_arrays(market.dates, market.symbols, members=member, **columns)
    scores = np.random.default_rng(0).normal(size=panel.shape)
    result = bt.run(panel, strategies.RankedLongShort(3, 3, every=7, warmup=4), scores=scores, **FREE)
    assert list(result.orders["date"].unique()) == list(result.equity.index[3::7])
    assert (result.positions.iloc[:, :10] == 0).all().all()


def test_ranked_needs_scores(market):
    with pytest.raises(bt.StrategyError, match="RankedLongShort needs scores"):
        bt.run(market, strategies.RankedLongShort(3, 3))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: strategies.Momentum(lookback=5, skip=5), "skip is 5"),
        (lambda: strategies.Momentum(lookback=5.5, skip=1), "lookback is 5.5"),
        (lambda: strategies.Momentum(skip=-1), "skip is -1"),
        (lambda: strategies.Momentum(every=0), "every is 0"),
        (lambda: strategies.Momentum(long=2.5), "long is 2.5"),
        (lambda: strategies.Reversal(lookback=0), "lookback is 0"),
        (lambda: strategies.Reversal(lookback=True), "lookback is True"),
        (lambda: strategies.Reversal(every="5"), "every is '5'"),
        (lambda: strategies.Reversal(short=-1), "short is -1"),
        (lambda: strategies.Placebo(seed=-1), "seed is -1"),
        (lambda: strategies.Placebo(every=1.5), "every is 1.5"),
        (lambda: strategies.Placebo(long=0, short=0), "both 0"),
        (lambda: strategies.EqualWeight(every=0), "every is 0"),
        (lambda: strategies.RankedLongShort(every=0), "every is 0"),
        (lambda: strategies.RankedLongShort(warmup=2.0), "warmup is 2.0"),
        (lambda: strategies.RankedLongShort(long=-3), "long is -3"),
    ],
)
def test_wrong_arguments(make, message):
    with pytest.raises(bt.ConfigError, match=message):
        make()
