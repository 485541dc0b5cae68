"""All figures of a run by name, in the order in which they are shown."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backtester.engine import legs as lg
from backtester.engine.types import (
    ACTIVE,
    L_BORROW,
    L_CASH,
    L_COMMISSION,
    L_DIVIDENDS,
    L_EQUITY,
    L_INTEREST,
    L_LONG,
    L_PRICE_PNL,
    L_SHORT,
    L_SLIPPAGE,
    L_STATUS,
    L_TRADED,
)
from backtester.metrics import book, relative
from backtester.metrics import returns as rt
from backtester.metrics.drawdowns import Drawdown, deepest, drawdowns, length, longest
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
    them where there is none: they count in every figure but those ending in ``_invested``, which begin with that first
    session, and the means of exposures and names, which are of the sessions that close with a position.

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
    falls = drawdowns(equity, cash)
    figures = {
        **_growth(equity, returns, cash, deepest(falls).depth),
        **_falls(dates, falls),
        **_sessions(equity, returns, cash),
        **_money(ledger, cash),
        **_sides(ledger, legs, cash),
        **_book(dates, ledger, legs),
        **_trading(fills, trips),
        **_in_time(dates, ledger, returns),
    }
    return figures | ({} if benchmark is None else benchmark_metrics(returns, benchmark))


def benchmark_metrics(returns: Floats, benchmark: Benchmark) -> Metrics:
    """The figures of a run beside a benchmark, by name; ``returns`` (T,) are those of the run.

    A return of the benchmark over several sessions is held against what the run made in the same ones, and a year has
    as many returns as 252 sessions have of them (see ``metrics.relative``).
    """
    own, sessions = relative.known(benchmark)
    own_year = relative.returns_per_year(own.size, sessions)
    r, b, paired = relative.pairs(returns, benchmark)
    year = relative.returns_per_year(b.size, paired)
    return {
        "benchmark": benchmark.name,
        "benchmark_sessions": paired,
        "benchmark_cagr": relative.compounded(own, own_year),
        "benchmark_volatility": rt.annual_volatility(own, own_year),
        "benchmark_sharpe": rt.sharpe_ratio(own, own_year),
        "alpha": relative.alpha(r, b, year),
        "beta": relative.beta(r, b),
        "tracking_error": relative.tracking_error(r, b, year),
        "information_ratio": relative.information_ratio(r, b, year),
        "correlation": relative.correlation(r, b),
    }


def _growth(equity: Floats, returns: Floats, cash: float, depth: float) -> Metrics:
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
        "calmar": rt.calmar_ratio(growth, depth),
        "omega": rt.omega_ratio(returns),
        "skew": rt.skewness(returns),
        "kurtosis": rt.excess_kurtosis(returns),
        "var_95": rt.value_at_risk(returns),
        "cvar_95": rt.conditional_value_at_risk(returns),
        "tail_ratio": rt.tail_ratio(returns),
        "stability": rt.stability(returns),
    }


def _falls(dates: NDArray[np.datetime64], every: list[Drawdown]) -> Metrics:
    fall = deepest(every)
    return {
        "max_drawdown": fall.depth,
        "max_drawdown_peak": ("start" if fall.peak < 0 else _day(dates, fall.peak)) if fall.trough >= 0 else "",
        "max_drawdown_trough": _day(dates, fall.trough),
        "max_drawdown_recovered": _day(dates, fall.recovered),
        "max_drawdown_sessions": length(fall, len(dates)),
        "longest_drawdown_sessions": longest(every, len(dates)),
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
    equity, side = ledger[:, L_EQUITY], _known(ledger, legs)
    cost_long = side[:, lg.LONG_COMMISSION] + side[:, lg.LONG_SLIPPAGE]
    cost_short = side[:, lg.SHORT_COMMISSION] + side[:, lg.SHORT_SLIPPAGE] + ledger[:, L_BORROW]
    return {
        "return_long": book.per_year(side[:, lg.LONG_PRICE_PNL] + side[:, lg.LONG_DIVIDENDS], equity, cash),
        "return_short": book.per_year(side[:, lg.SHORT_PRICE_PNL] + side[:, lg.SHORT_DIVIDENDS], equity, cash),
        "cost_long": book.per_year(cost_long, equity, cash),
        "cost_short": book.per_year(cost_short, equity, cash),
    }


def _book(dates: NDArray[np.datetime64], ledger: Floats, legs: Floats | None) -> Metrics:
    """What was held: means over the sessions that close with a position, and extremes over all."""
    equity, long_value, short_value = ledger[:, L_EQUITY], ledger[:, L_LONG], ledger[:, L_SHORT]
    side, held, gross = _known(ledger, legs), _held(ledger), long_value + short_value
    top = book.largest_at(gross, equity)
    return {
        "exposure_gross": book.average_exposure(gross[held], equity[held]),
        "exposure_net": book.average_exposure((long_value - short_value)[held], equity[held]),
        "exposure_long": book.average_exposure(long_value[held], equity[held]),
        "exposure_short": book.average_exposure(short_value[held], equity[held]),
        "exposure_gross_max": book.largest_weight(gross, equity),
        "exposure_gross_max_date": _day(dates, top) if held.any() else "",
        "cash_min": float(ledger[:, L_CASH].min()) if len(ledger) else math.nan,
        "names_long": book.average_names(side[held, lg.LONG_NAMES]),
        "names_short": book.average_names(side[held, lg.SHORT_NAMES]),
        "effective_names": book.effective_names(gross, side[:, lg.SQUARES]),
        "largest_weight": book.largest_weight(side[:, lg.LARGEST], equity),
    }


def _known(ledger: Floats, legs: Floats | None) -> Floats:
    """The legs; NaN where they are not known."""
    return np.full((len(ledger), lg.LEGS), np.nan) if legs is None else legs


def _held(ledger: Floats) -> NDArray[np.bool_]:
    """Which sessions close with a position, (T,)."""
    return np.asarray((ledger[:, L_LONG] != 0.0) | (ledger[:, L_SHORT] != 0.0))


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


def _in_time(dates: NDArray[np.datetime64], ledger: Floats, returns: Floats) -> Metrics:
    invested = np.flatnonzero(_held(ledger))
    first = int(invested[0]) if invested.size else len(ledger)
    status = ledger[:, L_STATUS]
    others = np.flatnonzero(status != status[-1]) if len(ledger) else invested
    halted = (int(others[-1]) + 1 if others.size else 0) if len(ledger) and status[-1] != ACTIVE else -1
    return {
        "first_position": _day(dates, first) if invested.size else "",
        "sessions_before_position": first,
        "sessions_invested": int(invested.size),
        "sharpe_invested": rt.sharpe_ratio(returns[first:]),
        "volatility_invested": rt.annual_volatility(returns[first:]),
        "halted_since": _day(dates, halted),
    }


def _day(dates: NDArray[np.datetime64], row: int) -> str:
    """A session as ISO text; nothing for row -1."""
    return str(dates[row].astype("datetime64[D]")) if row >= 0 else ""
