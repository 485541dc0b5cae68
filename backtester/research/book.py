"""What a finished run earned, gross and net of what it cost, and the cost at which nothing would be left.

``T`` sessions. Of law 6, by which the change of equity in a session is

    price P&L + dividends + interest - borrow - commission - slippage

*gross* is the first two, *net* is all of it, both as fractions of the equity at the close before. Gross is what the
positions that were held have earned at market prices: not what the run would have made without costs, in which it would
have held others.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backtester.engine.types import (
    L_BORROW,
    L_COMMISSION,
    L_DIVIDENDS,
    L_EQUITY,
    L_INTEREST,
    L_LONG,
    L_PRICE_PNL,
    L_SHORT,
    L_SLIPPAGE,
    L_TRADED,
)
from backtester.metrics.returns import equity_before, fraction, sharpe_ratio, simple_returns
from backtester.result import Result

Floats: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]

_BPS = 1e4


class CostPoint(NamedTuple):
    """What is left of a run at another cost of trading."""

    bps: float  # of the notional traded
    sharpe: float  # annualised, of the sessions of `invested`


def net_returns(result: Result) -> Floats:
    """``equity[t] / equity[t-1] - 1``, (T,), the first against the cash, as `Result.returns`.

    NaN where the equity before is not positive.
    """
    return simple_returns(result.tape.ledger[:, L_EQUITY], result.cash)


def wiped_out(result: Result) -> str:
    """The first session that ended with no equity or less, as an ISO date; nothing if none did."""
    below = np.flatnonzero(result.tape.ledger[:, L_EQUITY] <= 0.0)
    return str(result.dates[below[0]]) if below.size else ""


def gross_returns(result: Result) -> Floats:
    """``(price P&L + dividends)[t] / equity[t-1]``, (T,): before commission, slippage, borrow fees and interest.

    Net less gross is interest less the three costs, over the same equity; 252 times the mean of it is
    ``return_gross`` of `Result.metrics`. NaN as in :func:`net_returns`.
    """
    return _fraction(result, _profit(result.tape.ledger))


def traded(result: Result) -> Floats:
    """Notional traded over the equity before, (T,), purchases and sales together; NaN as in :func:`net_returns`.

    126 times its mean is the one-sided turnover a year.
    """
    return _fraction(result, result.tape.ledger[:, L_TRADED])


def invested(result: Result) -> Mask:
    """Which sessions figures with intervals are taken over, (T,): all from the first that closes with a position on.

    Before it the run has waited, for warm-up or for the first scores. How long says nothing of the strategy; the zeros
    make its mean and its spread smaller, and a bootstrap would draw more of them or fewer. Sessions without a position
    after it count: being out, by decision or by a breaker, is what the run did. So the value between the ends of an
    interval is ``sharpe_invested`` of `Result.metrics`, and not ``sharpe``, which is of all sessions. None where there
    never is a position.
    """
    ledger = result.tape.ledger
    held = (ledger[:, L_LONG] != 0.0) | (ledger[:, L_SHORT] != 0.0)
    return np.logical_or.accumulate(held)


def break_even_bps(result: Result, rows: Mask | None = None) -> float:
    """The cost of trading, in basis points of the notional traded, at which nothing would have been earned.

    ``1e4 * sum(price P&L + dividends + interest - borrow) / sum(traded)``, in money over the sessions that count: to be
    held against :func:`paid_bps`, or against the spread and fees that one expects. The trades are taken as they were:
    at other costs the book would have been larger or smaller, which moves it a little. Negative where the book lost
    before trading costs. NaN without trading. ``rows``, (T,): the sessions that count; None: all.
    """
    ledger = result.tape.ledger if rows is None else result.tape.ledger[rows]
    return _per_notional(ledger, _profit(ledger) + ledger[:, L_INTEREST] - ledger[:, L_BORROW])


def paid_bps(result: Result) -> float:
    """What trading did cost: ``1e4 * sum(commission + slippage) / sum(traded)``; slippage contains impact.

    NaN without trading.
    """
    ledger = result.tape.ledger
    return _per_notional(ledger, ledger[:, L_COMMISSION] + ledger[:, L_SLIPPAGE])


def returns_at(result: Result, bps: float) -> Floats:
    """What the same trades would have returned if trading cost ``bps`` basis points of the notional, (T,).

    ``(price P&L + dividends + interest - borrow - bps / 1e4 * traded)[t] / equity[t-1]``: commission and slippage are
    exchanged, and nothing is run again, so trades, interest and borrow fees are as they were, each session as a share
    of the equity that there was. NaN as in :func:`net_returns`.
    """
    ledger = result.tape.ledger
    left = _profit(ledger) + ledger[:, L_INTEREST] - ledger[:, L_BORROW] - bps / _BPS * ledger[:, L_TRADED]
    return _fraction(result, left)


def cost_curve(result: Result, levels: tuple[float, ...] = (0.0, 2.0, 5.0, 10.0, 20.0, 50.0)) -> tuple[CostPoint, ...]:
    """The Sharpe ratio of :func:`returns_at` for each of ``levels`` (basis points), over :func:`invested` sessions.

    NaN where returns do not vary.
    """
    rows = invested(result)
    return tuple(CostPoint(float(bps), sharpe_ratio(returns_at(result, bps)[rows])) for bps in levels)


def _profit(ledger: Floats) -> Floats:
    """What prices and dividends earned, in money."""
    profit: Floats = ledger[:, L_PRICE_PNL] + ledger[:, L_DIVIDENDS]
    return profit


def _fraction(result: Result, flow: Floats) -> Floats:
    """A flow of money as a fraction of the equity before."""
    return fraction(flow, equity_before(result.tape.ledger[:, L_EQUITY], result.cash))


def _per_notional(ledger: Floats, flow: Floats) -> float:
    """The total of a flow in basis points of what was traded in all."""
    notional = float(ledger[:, L_TRADED].sum())
    return _BPS * float(flow.sum()) / notional if notional > 0.0 else math.nan
