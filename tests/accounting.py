"""Law 6, recomputed from a run's tape and the market's prices: of the engine's sums only equity and cash are read."""

from __future__ import annotations

import numpy as np

import backtester as bt
from backtester.engine import types as et
from backtester.portfolio.rates import Rates, resolve


def check_accounts(panel, result, costs) -> None:
    """Raise AssertionError unless on every bar the change of equity is the sum of its terms.

    The terms: price P&L, dividends, interest, borrow, commissions, slippage. To 1e-12 of |cash| + gross + the
    session's notional.
    """
    tape = result.tape
    costs = costs or bt.Costs(commission_bps=0, slippage_bps=0, borrow_rate=0, debit_rate=0)
    rate, minimum, a_share = costs.commission_bps / 1e4, costs.commission_min, costs.commission_per_share
    maximum = np.inf if costs.commission_max_bps is None else costs.commission_max_bps / 1e4
    borrow_rate = np.full(panel.shape, np.nan)
    if isinstance(costs.borrow_rate, Rates):  # test_rates.py checks how they are looked up
        rows, of_session = resolve(costs.borrow_rate, panel)
        borrow_rate[:] = rows[of_session]
    else:
        borrow_rate[:] = costs.borrow_rate
    symbols = len(result.symbols)
    days = result.dates.astype("datetime64[D]").astype(np.int64)
    shares, mark = np.zeros(symbols), np.full(symbols, np.nan)
    notional_of, plain_of, charged_of = (np.zeros(len(tape.order_f)) for _ in range(3))
    equity_before, cash_before = result.cash, result.cash
    fill_at = np.searchsorted(tape.fill_i[:, et.FILL_SESSION], np.arange(len(days) + 1))
    splits = {
        (int(e[0]), int(e[2])): f[et.EVENT_AFTER]
        for e, f in zip(tape.event_i, tape.event_f, strict=True)
        if e[1] == et.E_SPLIT
    }
    for t in range(len(days)):
        price_pnl = dividends = interest = borrow = commissions = slippage = notional = 0.0
        if t > 0:
            value = np.where(shares == 0, 0.0, shares * mark)
            short = -value[shares < 0].sum()
            free = cash_before - short
            span = (days[t] - days[t - 1]) / 360
            borrow = -(borrow_rate[t - 1] * value)[shares < 0].sum() * span
            interest = (costs.credit_rate if free > 0 else costs.debit_rate) * free * span
        for k in np.flatnonzero(panel.actions.row == t):
            i, ratio, dividend = panel.actions.symbol[k], panel.actions.split[k], panel.actions.dividend[k]
            if ratio != 1.0:
                mark[i] /= ratio
                shares[i] = splits.get((t, int(i)), 0.0)
            dividends += shares[i] * dividend
        for k in np.flatnonzero(panel.ends.row == t):
            i = panel.ends.symbol[k]
            if shares[i] != 0:
                price_pnl += shares[i] * mark[i] * panel.ends.delisting_return[k]
            shares[i] = 0.0
        close = panel.close[t]
        new_mark = np.where(np.isfinite(close), close, mark)
        price_pnl += np.where(shares == 0, 0.0, shares * (new_mark - mark)).sum()
        for k in range(fill_at[t], fill_at[t + 1]):
            i, order, moment = (tape.fill_i[k, c] for c in (et.FILL_SYMBOL, et.FILL_ORDER, et.FILL_MOMENT))
            quantity, paid, commission, _ = tape.fill_f[k]
            price = panel.open[t, i] if moment == et.AT_OPEN else close[i]
            assert np.isfinite(price), f"fill without a price: {result.symbols[i]} {result.dates[t]}"
            notional += abs(quantity) * paid
            notional_of[order] += abs(quantity) * paid
            plain_of[order] += abs(quantity) * (rate * paid + a_share)
            due = max(minimum, plain_of[order])
            due = due if np.isinf(maximum) else min(due, maximum * notional_of[order])
            assert abs(commission - (due - charged_of[order])) <= 1e-12 * max(1.0, abs(due))
            charged_of[order] = due
            commissions += commission
            slippage += quantity * (paid - price)
            price_pnl += quantity * (new_mark[i] - price)
            shares[i] += quantity
        mark = new_mark
        value = np.where(shares == 0, 0.0, shares * mark)
        row = tape.ledger[t]
        scale = abs(row[et.L_CASH]) + np.abs(value).sum() + notional
        tolerance = 1e-12 * scale
        assert abs(row[et.L_EQUITY] - (row[et.L_CASH] + value.sum())) <= tolerance, f"equity of {result.dates[t]}"
        change = price_pnl + dividends + interest - borrow - commissions - slippage
        off = row[et.L_EQUITY] - equity_before - change
        assert abs(off) <= tolerance, f"{result.dates[t]}: equity is off by {off} (tolerance {tolerance})"
        told = row[
            [et.L_PRICE_PNL, et.L_DIVIDENDS, et.L_INTEREST, et.L_BORROW, et.L_COMMISSION, et.L_SLIPPAGE, et.L_TRADED]
        ]
        mine = np.array([price_pnl, dividends, interest, borrow, commissions, slippage, notional])
        assert np.abs(told - mine).max() <= tolerance, f"{result.dates[t]}: ledger says {told}, the tape {mine}"
        equity_before, cash_before = row[et.L_EQUITY], row[et.L_CASH]
