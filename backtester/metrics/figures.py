"""All figures of a run by name, in the order in which they are shown."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backtester.engine import legs as lg
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
from backtester.metrics import book, relative
from backtester.metrics import returns as rt
from backtester.metrics.drawdowns import drawdowns, length, longest, max_drawdown
from backtester.metrics.relative import Benchmark
from backtester.metrics.returns import Floats

Metrics: TypeAlias = dict[str, Any]  # float, int or str


class Trips(NamedTuple):
    """``K`` round trips, as far as the figures need them."""

    sessions: Floats  # (K,) from the opening to the closing, or to the last session
    net: Floats  # (K,) money made after costs
    closed: NDArray[np.bool_]  # (K,)


def run_metrics(
    dates: NDArray[np.datetime64],
    ledger: Floats,
    cash: float,
    fills: int,
    *,
    legs: Floats | None = None,
    trips: Trips | None = None,
    benchmark: Benchmark | None = None,
) -> Metrics:
    """Every figure of a run by name, as plain numbers and ISO dates that any file format can hold.

    ``return_gross + interest - cost_commission - cost_slippage - cost_borrow = return_net``, all per year and
    arithmetic (law 6 divided by the equity before). ``return_long + return_short = return_gross`` and ``cost_long +
    cost_short`` are the three costs: fills cost the side whose shares they move, all borrowing is that of the shorts.
    A date is ``""`` where there is none, and ``"start"`` for a peak before the first session. ``first_position`` is the
    first session that closes with a position, and ``sessions_before_position`` the number of sessions before it, all of
    them where there is none: they count in every figure.

    Args:
        dates: (T,) the sessions.
        ledger: (T, LEDGER) the tape's ledger, columns as in ``engine.types``.
        cash: equity before the first session, positive.
        fills: number of fills.
        legs: (T, LEGS) what each side did, columns as in ``engine.legs``; None: not known, so its figures are NaN.
        trips: the round trips; None: not known, likewise.
        benchmark: adds the figures of :func:`benchmark_metrics`, if there is one.
    """
    equity = ledger[:, L_EQUITY]
    returns = rt.simple_returns(equity, cash)
    figures = {
        **_growth(equity, returns, cash),
        **_falls(dates, equity, cash),
        **_sessions(equity, returns, cash),
        **_money(ledger, cash),
        **_sides(ledger, legs, cash),
        **_trading(fills, trips),
        **_beginning(dates, ledger),
    }
    return figures | ({} if benchmark is None else benchmark_metrics(returns, benchmark))


def benchmark_metrics(returns: Floats, benchmark: Benchmark) -> Metrics:
    """The figures of a run beside a benchmark, by name; ``returns`` (T,) are those of the run."""
    b = benchmark.returns
    return {
        "benchmark": benchmark.name,
        "benchmark_cagr": relative.compounded(b),
        "benchmark_volatility": rt.annual_volatility(b),
        "benchmark_sharpe": rt.sharpe_ratio(b),
        "alpha": relative.alpha(returns, b),
        "beta": relative.beta(returns, b),
        "tracking_error": relative.tracking_error(returns, b),
        "information_ratio": relative.information_ratio(returns, b),
        "correlation": relative.correlation(returns, b),
    }


def _growth(equity: Floats, returns: Floats, cash: float) -> Metrics:
    growth = rt.cagr(equity, cash)
    return {
        "sessions": int(equity.size),
        "start_equity": float(cash),
        "end_equity": float(equity[-1]) if equity.size else float(cash),
        "total_return": rt.total_return(equity, cash),
        "cagr": growth,
        "volatility": rt.annual_volatility(returns),
        "downside_deviation": rt.downside_deviation(returns),
        "sharpe": rt.sharpe_ratio(returns),
        "sortino": rt.sortino_ratio(returns),
        "calmar": rt.calmar_ratio(growth, max_drawdown(equity, cash).depth),
        "omega": rt.omega_ratio(returns),
        "skew": rt.skewness(returns),
        "kurtosis": rt.excess_kurtosis(returns),
        "var_95": rt.value_at_risk(returns),
        "cvar_95": rt.conditional_value_at_risk(returns),
        "tail_ratio": rt.tail_ratio(returns),
        "stability": rt.stability(returns),
    }


def _falls(dates: NDArray[np.datetime64], equity: Floats, cash: float) -> Metrics:
    every = drawdowns(equity, cash)
    fall = max_drawdown(equity, cash)
    return {
        "max_drawdown": fall.depth,
        "max_drawdown_peak": ("start" if fall.peak < 0 else _day(dates, fall.peak)) if fall.trough >= 0 else "",
        "max_drawdown_trough": _day(dates, fall.trough),
        "max_drawdown_recovered": _day(dates, fall.recovered),
        "max_drawdown_sessions": length(fall, equity.size),
        "longest_drawdown_sessions": longest(every, equity.size),
    }


def _sessions(equity: Floats, returns: Floats, cash: float) -> Metrics:
    return {
        "hit_rate": rt.hit_rate(returns),
        "best_session": rt.best_session(returns),
        "worst_session": rt.worst_session(returns),
        "profit_factor": rt.profit_factor(np.diff(equity, prepend=cash)),
    }


def _money(ledger: Floats, cash: float) -> Metrics:
    equity = ledger[:, L_EQUITY]
    profit = ledger[:, L_PRICE_PNL] + ledger[:, L_DIVIDENDS]
    return {
        "turnover": book.annual_turnover(ledger[:, L_TRADED], equity, cash),
        "return_gross": book.per_year(profit, equity, cash),
        "cost_commission": book.per_year(ledger[:, L_COMMISSION], equity, cash),
        "cost_slippage": book.per_year(ledger[:, L_SLIPPAGE], equity, cash),
        "cost_borrow": book.per_year(ledger[:, L_BORROW], equity, cash),
        "interest": book.per_year(ledger[:, L_INTEREST], equity, cash),
        "return_net": book.per_year(np.diff(equity, prepend=cash), equity, cash),
    }


def _sides(ledger: Floats, legs: Floats | None, cash: float) -> Metrics:
    equity, long_value, short_value = ledger[:, L_EQUITY], ledger[:, L_LONG], ledger[:, L_SHORT]
    side = np.full((len(ledger), lg.LEGS), np.nan) if legs is None else legs
    cost_long = side[:, lg.LONG_COMMISSION] + side[:, lg.LONG_SLIPPAGE]
    cost_short = side[:, lg.SHORT_COMMISSION] + side[:, lg.SHORT_SLIPPAGE] + ledger[:, L_BORROW]
    return {
        "return_long": book.per_year(side[:, lg.LONG_PRICE_PNL] + side[:, lg.LONG_DIVIDENDS], equity, cash),
        "return_short": book.per_year(side[:, lg.SHORT_PRICE_PNL] + side[:, lg.SHORT_DIVIDENDS], equity, cash),
        "cost_long": book.per_year(cost_long, equity, cash),
        "cost_short": book.per_year(cost_short, equity, cash),
        "exposure_gross": book.average_exposure(long_value + short_value, equity),
        "exposure_net": book.average_exposure(long_value - short_value, equity),
        "exposure_long": book.average_exposure(long_value, equity),
        "exposure_short": book.average_exposure(short_value, equity),
        "names_long": book.average_names(side[:, lg.LONG_NAMES]),
        "names_short": book.average_names(side[:, lg.SHORT_NAMES]),
        "effective_names": book.effective_names(long_value + short_value, side[:, lg.SQUARES]),
        "largest_weight": book.largest_weight(side[:, lg.LARGEST], equity),
    }


def _trading(fills: int, trips: Trips | None) -> Metrics:
    known = Trips(np.zeros(0), np.zeros(0), np.zeros(0, np.bool_)) if trips is None else trips
    closed = known.closed
    return {
        "fills": int(fills),
        "trades": math.nan if trips is None else int(closed.sum()),
        "trades_open": math.nan if trips is None else int((~closed).sum()),
        "trade_hit_rate": book.trade_hit_rate(known.net[closed]),
        "trade_profit_factor": book.trade_profit_factor(known.net[closed]),
        "holding_period": book.holding_period(known.sessions[closed]),
    }


def _beginning(dates: NDArray[np.datetime64], ledger: Floats) -> Metrics:
    invested = np.flatnonzero((ledger[:, L_LONG] != 0.0) | (ledger[:, L_SHORT] != 0.0))
    first = int(invested[0]) if invested.size else -1
    return {
        "first_position": _day(dates, first),
        "sessions_before_position": first if first >= 0 else len(ledger),
    }


def _day(dates: NDArray[np.datetime64], row: int) -> str:
    """A session as ISO text; nothing for row -1."""
    return str(dates[row].astype("datetime64[D]")) if row >= 0 else ""
