"""The walk of the README on real stocks: import, load, run. Law 6 is checked on every run by the suite's fixture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import backtester as bt
import strategies
from backtester.market.ingest import import_files

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not there: ../shared/data")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Both datasets, imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACKTESTER_CACHE", str(tmp_path_factory.mktemp("cache")))
        home = tmp_path_factory.mktemp("real")
        source = DATA / "sp500_2013_2018"
        import_files(
            source / "all_stocks_5yr.csv.gz", home / "sp500", basis="split_adjusted",
            sectors=source / "constituents.csv", members=source / "membership.csv",
        )  # fmt: skip
        source = DATA / "us_2015_2017"
        import_files(source / "bars.csv.gz", home / "us", basis="as_traded", actions=source / "events.csv")
        yield home


@pytest.fixture(scope="module")
def us(folders):
    return bt.load_panel(folders / "us")


def reversal_scores(panel):
    """Five-day reversal, known at each close."""
    scores = np.full(panel.shape, np.nan)
    scores[5:] = 1 - panel.adj_close[5:] / panel.adj_close[:-5]
    return scores


@pytest.mark.parametrize("name", ["sp500", "us"])
def test_ranked_on_real_stocks(folders, name):
    panel = bt.load_panel(folders / name)
    scores = reversal_scores(panel)
    stride = bt.run(panel, strategies.RankedLongShort(50, 50, warmup=6), scores=scores, risk=None)
    bars = bt.run(panel, strategies.Reversal(5, long=50, short=50), risk=None)
    assert stride.content_hash == bars.content_hash
    assert len(stride.fills) > 50_000
    held = stride.positions.to_numpy()[10:-1]
    assert (held > 0).sum(axis=1).min() > 30
    assert (held < 0).sum(axis=1).min() > 30
    assert stride.ledger["borrow"].sum() > 0


def test_every_layer_and_cost_on_real_stocks(folders):
    panel = bt.load_panel(folders / "sp500")
    result = bt.run(
        panel,
        strategies.RankedLongShort(50, 50, warmup=70),
        scores=reversal_scores(panel),
        cash=50_000_000,
        costs=bt.Costs(commission_bps=1, commission_min=1, slippage_bps=2, impact=0.1, credit_rate=0.01),
        risk=bt.RiskLimits(
            max_weight=0.015, max_sector=0.2, max_gross=0.8, max_net=0.02, target_volatility=0.04, no_trade_band=0.001,
            max_turnover=0.5, max_daily_loss=0.01, max_drawdown=0.3, cooldown=5,
        ),
        execution=bt.Execution(volume_cap=0.01),
    )  # fmt: skip
    told = set(result.events["event"])
    assert told >= {
        "clipped_target_volatility", "clipped_max_sector", "clipped_max_turnover", "clipped_no_trade_band",
        "waits_volume_cap",
    }  # fmt: skip


def test_every_early_ending_is_settled(us):
    # Two of the 142 have a single bar: only at that very close can they have been bought.
    execution = bt.Execution(fill="same_close", lot=0)
    result = bt.run(us, strategies.EqualWeight(every=1), cash=1e9, costs=None, risk=None, execution=execution)
    settled = result.events.query("event == 'settlement'")
    assert len(settled) == 142
    assert settled["symbol"].is_unique
    assert (settled["before"] > 0).all()
    last = len(us.dates) - 1 - np.isfinite(us.close)[::-1].argmax(axis=0)
    last_bar = dict(zip(us.symbols, us.dates[last], strict=True))
    assert all(last_bar[row.symbol] < row.date for row in settled.itertuples())
    gone = result.positions[settled["symbol"]]
    assert all((gone.loc[row.date :, row.symbol] == 0).all() for row in settled.itertuples())


def alone(panel, i):
    """The panel of one symbol."""
    mine = panel.actions.symbol == i
    actions = pd.DataFrame(
        {
            "date": panel.dates[panel.actions.row[mine]],
            "symbol": panel.symbols[i],
            "split": panel.actions.split[mine],
            "dividend": panel.actions.dividend[mine],
        }
    )
    bars = {name: getattr(panel, name)[:, [i]] for name in ("open", "high", "low", "close", "volume")}
    return bt.Panel.from_arrays(panel.dates, [panel.symbols[i]], actions=actions, **bars)


class Reinvested(bt.Strategy):
    """All equity in one stock, dividends put back at the close of their ex-date."""

    def __init__(self, sessions):
        self._sessions = sessions

    def decide(self, view):
        return np.ones(1) if view.t in self._sessions else None


def test_every_dividend_payer_held_is_its_total_return(us):
    payers = np.unique(us.actions.symbol[us.actions.dividend > 0])
    assert len(payers) > 500
    checked = 0
    for i in payers:
        panel = alone(us, i)
        close = panel.close[:, 0]
        known = np.flatnonzero(panel.tradable[:, 0])
        split, dividend = np.ones(len(close)), np.zeros(len(close))
        split[panel.actions.row], dividend[panel.actions.row] = panel.actions.split, panel.actions.dividend
        paid = np.flatnonzero(dividend)
        assert np.isin(paid[paid >= known[0]], known).all(), "a dividend on a day without a bar could not be reinvested"
        sessions = {int(known[0]), *(int(t) for t in paid if t > known[0])}
        execution = bt.Execution(fill="same_close", lot=0)
        result = bt.run(panel, Reinvested(sessions), cash=1e6, costs=None, risk=None, execution=execution)
        level, last = 1.0, close[known[0]]
        ratio = cash = None
        equity = result.tape.ledger[:, 0]
        for t in range(known[0] + 1, len(close)):
            ratio = split[t] if ratio is None else ratio * split[t]
            cash = dividend[t] if cash is None else cash * split[t] + dividend[t]
            if np.isfinite(close[t]):
                level *= (ratio * close[t] + cash) / last if cash == 0 else ratio * (close[t] + cash) / last
                last, ratio, cash = close[t], None, None
                assert abs(equity[t] / 1e6 - level) <= 1e-9 * level, (panel.symbols[0], panel.dates[t])
                checked += 1
    assert checked > 200_000


def test_dividends_are_owed_on_short_positions(us):
    long = bt.run(us, Fixed(1e-4), cash=1e9, costs=None, risk=None, execution=bt.Execution(lot=0))
    short = bt.run(us, Fixed(-1e-4), cash=1e9, costs=None, risk=None, execution=bt.Execution(lot=0))
    received, paid = long.ledger["dividends"].sum(), short.ledger["dividends"].sum()
    assert received > 0
    assert paid == pytest.approx(-received, rel=1e-12)


class Fixed(bt.Strategy):
    """The same weight in everything tradable on the first day, held."""

    def __init__(self, weight):
        self.weight = weight

    def decide(self, view):
        return view.tradable * self.weight if view.t == 0 else None
