"""Gross and net returns of a run, what is counted of it, and the cost at which nothing would be left."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from results import make_result

import backtester as bt
from backtester.engine import types as t
from backtester.metrics import sharpe_ratio
from backtester.research.book import (
    break_even_bps,
    cost_curve,
    gross_returns,
    invested,
    net_returns,
    paid_bps,
    returns_at,
    traded,
)
from strategies import EqualWeight, RankedLongShort


def by_hand():
    """Six sessions from 1,000; nothing held in the first two, nor in the fifth.

    In session 2: 30 from prices, 2 of dividends, 1 of interest, less 3 borrow, 4 commission and 6 slippage: 20 in all.
    In session 3: -40 from prices, less 2 commission and 2 slippage: -44.
    In session 5: 25 from prices, less 1 slippage: 24.
    """
    ledger = np.zeros((6, t.LEDGER))
    ledger[:, t.L_EQUITY] = [1000.0, 1000.0, 1020.0, 976.0, 976.0, 1000.0]
    ledger[:, t.L_LONG] = [0.0, 0.0, 500.0, 0.0, 0.0, 0.0]
    ledger[:, t.L_SHORT] = [0.0, 0.0, 0.0, 300.0, 0.0, 100.0]
    ledger[:, t.L_PRICE_PNL] = [0.0, 0.0, 30.0, -40.0, 0.0, 25.0]
    ledger[2, [t.L_DIVIDENDS, t.L_INTEREST, t.L_BORROW]] = [2.0, 1.0, 3.0]
    ledger[:, t.L_COMMISSION] = [0.0, 0.0, 4.0, 2.0, 0.0, 0.0]
    ledger[:, t.L_SLIPPAGE] = [0.0, 0.0, 6.0, 2.0, 0.0, 1.0]
    ledger[:, t.L_TRADED] = [0.0, 0.0, 5000.0, 3000.0, 0.0, 2000.0]
    return make_result(tape=make_result().tape._replace(ledger=ledger))


def still(sessions):
    """A book that never did anything."""
    ledger = np.zeros((sessions, t.LEDGER))
    ledger[:, [t.L_EQUITY, t.L_CASH]] = 1000.0
    return make_result(tape=make_result().tape._replace(ledger=ledger), dates=make_result().dates[:sessions])


def a_run(cash=1e7, **options):
    made = bt.synthetic(60, 300, seed=0, rank_ic=0.1)
    settings = {"costs": bt.Costs(debit_rate=0.0), "risk": None, "execution": bt.Execution(lot=0.0)} | options
    return bt.run(made.panel, RankedLongShort(10, 10, warmup=20), scores=made.score, cash=cash, **settings)


def test_returns_by_hand():
    result = by_hand()
    assert net_returns(result) == pytest.approx([0.0, 0.0, 0.02, -44 / 1020, 0.0, 24 / 976])
    assert gross_returns(result) == pytest.approx([0.0, 0.0, 0.032, -40 / 1020, 0.0, 25 / 976])
    assert traded(result) == pytest.approx([0.0, 0.0, 5.0, 3000 / 1020, 0.0, 2000 / 976])


def test_invested_begins_with_the_first_position_and_does_not_end():
    assert invested(by_hand()).tolist() == [False, False, True, True, True, True]
    assert not invested(still(4)).any()
    assert invested(still(0)).shape == (0,)


def test_break_even_and_what_was_paid_by_hand():
    # (30 + 2 - 40 + 25) + 1 - 3 = 15 of 10,000 traded; 4 + 2 + 6 + 2 + 1 = 15 were paid: it ended where it began.
    result = by_hand()
    assert break_even_bps(result) == pytest.approx(15.0)
    assert paid_bps(result) == pytest.approx(15.0)
    assert np.isnan(break_even_bps(still(4)))
    assert np.isnan(paid_bps(still(0)))


def test_other_costs_by_hand():
    # Session 2: 30 + 2 + 1 - 3 = 30, less 10 bps of 5,000: 25 of 1,000. Session 3: -40 - 3 of 1,020.
    assert returns_at(by_hand(), 10.0) == pytest.approx([0.0, 0.0, 0.025, -43 / 1020, 0.0, 23 / 976])


def test_they_are_those_of_the_metrics():
    result = a_run(costs=bt.Costs(credit_rate=0.02))
    figures = result.metrics
    net, gross = net_returns(result), gross_returns(result)
    assert np.array_equal(net, result.returns.to_numpy())
    assert 252 * net.mean() == pytest.approx(figures["return_net"], rel=1e-12)
    assert 252 * gross.mean() == pytest.approx(figures["return_gross"], rel=1e-12)
    assert 126 * traded(result).mean() == pytest.approx(figures["turnover"], rel=1e-12)
    assert sharpe_ratio(net[invested(result)]) == figures["sharpe_invested"] != figures["sharpe"]
    assert (~invested(result)).sum() == figures["sessions_before_position"] == 20


def test_net_less_gross_is_what_the_session_cost():
    result = a_run(costs=bt.Costs(credit_rate=0.02))
    ledger = result.ledger
    before = ledger["equity"].shift(fill_value=result.cash)
    costs = ledger["commission"] + ledger["slippage"] + ledger["borrow"] - ledger["interest"]
    assert (costs != 0.0).sum() > 200
    # Law 6 holds to 1e-12 of cash, gross and notional, together about three times the equity.
    assert gross_returns(result) - net_returns(result) == pytest.approx((costs / before).to_numpy(), abs=4e-12)


def test_at_its_break_even_a_run_earns_nothing():
    """The book is larger or smaller at other costs, so a second run at the break-even of the first is near it only."""
    cheap = a_run(costs=bt.Costs(commission_bps=1.0, slippage_bps=0.0, debit_rate=0.0))
    even = break_even_bps(cheap)
    dear = a_run(costs=bt.Costs(commission_bps=even, slippage_bps=0.0, debit_rate=0.0))
    assert even > 10.0
    assert cheap.metrics["total_return"] > 0.2
    assert abs(dear.metrics["total_return"]) < 0.03 * cheap.metrics["total_return"]
    # The first has compounded to 1.3 times the capital, so its later sessions weigh more.
    assert break_even_bps(dear) == pytest.approx(even, rel=0.1)


def test_other_costs_are_near_those_of_a_run_at_these():
    free = a_run(costs=bt.Costs(commission_bps=0.0, slippage_bps=0.0, debit_rate=0.0))
    dear = a_run(costs=bt.Costs(commission_bps=20.0, slippage_bps=0.0, debit_rate=0.0))
    # Targets are sized with the equity of the decision, and the day's costs are paid at the open: exposure over equity
    # differs by the cost of a day, 2 times 20 bps, and a day's returns are 1 % or less: 4e-5.
    assert returns_at(free, 20.0) == pytest.approx(net_returns(dear), abs=4e-5)
    for bps, sharpe in cost_curve(free, (0.0, 20.0)):
        rows = invested(free)
        assert sharpe == sharpe_ratio(returns_at(free, bps)[rows])
    assert cost_curve(free, (20.0,))[0].sharpe == pytest.approx(dear.metrics["sharpe_invested"], rel=1e-3)


def test_what_it_paid_is_what_was_set():
    # Slippage of 5 bps of the market price, commission of 1 bp of the fill price, which differ by 5 bps.
    assert paid_bps(a_run()) == pytest.approx(6.0, rel=1e-3)


def test_a_loser_breaks_even_below_nothing():
    days = pd.bdate_range("2020-01-01", periods=30)
    close = np.linspace(20.0, 10.0, 30)[:, None] * np.ones(3)
    bars = dict.fromkeys(("open", "high", "low", "close"), close)
    panel = bt.Panel.from_arrays(days, ["A", "B", "C"], volume=np.full(close.shape, 1e6), **bars)
    result = bt.run(panel, EqualWeight(), costs=None, risk=None)
    # Bought once, the only trade: the loss of the whole run over its notional.
    ledger = result.ledger
    lost = 1e4 * (ledger["equity"].iloc[-1] - result.cash) / ledger["traded"].sum()
    assert break_even_bps(result) == pytest.approx(lost)
    assert lost < -4000


def test_after_a_wipe_out_nothing_is_known():
    ledger = np.zeros((3, t.LEDGER))
    ledger[:, t.L_EQUITY] = [1000.0, -50.0, -60.0]
    ledger[1:, t.L_PRICE_PNL] = [-1050.0, -10.0]
    ledger[:, t.L_SHORT] = 10.0
    dates = make_result().dates[:3]
    result = make_result(tape=make_result().tape._replace(ledger=ledger), dates=dates)
    for made in (net_returns(result), gross_returns(result), traded(result), returns_at(result, 3.0)):
        assert np.isnan(made).tolist() == [False, False, True]
