"""The figures of a finished run, each with its definition.

``T`` sessions. ``equity`` is the equity at the close of every session, ``cash`` the equity before the first one,
``returns[t] = equity[t] / equity[t-1] - 1`` with ``equity[-1] = cash``. A year has 252 sessions. Nothing is
subtracted as a risk-free rate: interest on cash is part of the returns.

Three cases are the same everywhere. **NaN** is unknown and is left out. **Wiped out**: after a session that ends
with no equity, or less, a return has no meaning and is NaN, so such sessions are left out of everything that is
divided by equity. **Too little to say** (an empty run, one session where two are needed) gives NaN and never an
error; counts, and falls that there were none of, are 0. Returns that **do not vary** have a spread of exactly 0
(volatility, tracking error), and NaN for whatever would be divided by it (ratios, skewness, kurtosis, beta); so is
every ratio of gains to losses where nothing was lost.
"""

from backtester.metrics.book import (
    annual_turnover,
    average_exposure,
    average_names,
    effective_names,
    holding_period,
    largest_weight,
    per_year,
    trade_hit_rate,
    trade_profit_factor,
)
from backtester.metrics.drawdowns import Drawdown, drawdowns, longest, max_drawdown
from backtester.metrics.figures import Metrics, Trips, benchmark_metrics, run_metrics
from backtester.metrics.relative import (
    Benchmark,
    alpha,
    beta,
    compounded,
    correlation,
    information_ratio,
    tracking_error,
)
from backtester.metrics.returns import (
    annual_volatility,
    best_session,
    cagr,
    calmar_ratio,
    conditional_value_at_risk,
    downside_deviation,
    equity_before,
    excess_kurtosis,
    hit_rate,
    omega_ratio,
    profit_factor,
    sharpe_ratio,
    simple_returns,
    skewness,
    sortino_ratio,
    stability,
    tail_ratio,
    total_return,
    value_at_risk,
    worst_session,
)

__all__ = [
    "Benchmark",
    "Drawdown",
    "Metrics",
    "Trips",
    "alpha",
    "annual_turnover",
    "annual_volatility",
    "average_exposure",
    "average_names",
    "benchmark_metrics",
    "best_session",
    "beta",
    "cagr",
    "calmar_ratio",
    "compounded",
    "conditional_value_at_risk",
    "correlation",
    "downside_deviation",
    "drawdowns",
    "effective_names",
    "equity_before",
    "excess_kurtosis",
    "hit_rate",
    "holding_period",
    "information_ratio",
    "largest_weight",
    "longest",
    "max_drawdown",
    "omega_ratio",
    "per_year",
    "profit_factor",
    "run_metrics",
    "sharpe_ratio",
    "simple_returns",
    "skewness",
    "sortino_ratio",
    "stability",
    "tail_ratio",
    "total_return",
    "tracking_error",
    "trade_hit_rate",
    "trade_profit_factor",
    "value_at_risk",
    "worst_session",
]
