"""Which figures are shown, under which name and in which form. What each of them means stands in docs/settings.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from backtester.report import words as w


class Figure(NamedTuple):
    """One figure of a run. A book that is out of the market has no risk: what it would win has no better side."""

    label: str
    key: str  # in the metrics
    form: Callable[[Any], str]
    better: int = 0  # 1: the higher the better, -1: the lower, 0: neither


RETURN_AND_RISK = (
    Figure("total return", "total_return", w.signed, 1),
    Figure("CAGR", "cagr", w.signed, 1),
    Figure("volatility", "volatility", w.percent),
    Figure("downside deviation", "downside_deviation", w.percent),
    Figure("max drawdown", "max_drawdown", w.percent),
    Figure("Sharpe ratio", "sharpe", w.plain, 1),
    Figure("Sortino ratio", "sortino", w.plain, 1),
    Figure("Calmar ratio", "calmar", w.plain, 1),
    Figure("Omega ratio", "omega", w.plain, 1),
    Figure("tail ratio", "tail_ratio", w.plain, 1),
    Figure("stability", "stability", w.plain),
    Figure("up sessions", "hit_rate", w.percent, 1),
    Figure("best session", "best_session", w.signed),
    Figure("worst session", "worst_session", w.signed),
    Figure("VaR 95 %", "var_95", w.percent),
    Figure("CVaR 95 %", "cvar_95", w.percent),
    Figure("skewness", "skew", w.plain),
    Figure("excess kurtosis", "kurtosis", w.plain),
    Figure("profit factor", "profit_factor", w.plain, 1),
)
TRADING = (
    Figure("turnover a year", "turnover", w.times),
    Figure("sessions held", "holding_period", w.one),
    Figure("fills", "fills", w.count),
    Figure("round trips", "trades", w.count),
    Figure("open round trips", "trades_open", w.count),
    Figure("round trips won", "trade_hit_rate", w.percent, 1),
    Figure("round-trip profit factor", "trade_profit_factor", w.plain, 1),
)
BOOK = (
    Figure("gross exposure", "exposure_gross", w.percent),
    Figure("net exposure", "exposure_net", w.signed),
    Figure("largest gross exposure", "exposure_gross_max", w.percent),
    Figure("least cash", "cash_min", w.money),
    Figure("effective names", "effective_names", w.one),
    Figure("largest weight", "largest_weight", w.percent),
)
# Label, long, short.
LEGS = (
    ("return a year", Figure("long", "return_long", w.signed, 1), Figure("short", "return_short", w.signed, 1)),
    ("costs a year", Figure("long", "cost_long", w.percent), Figure("short", "cost_short", w.percent)),
    ("exposure", Figure("long", "exposure_long", w.percent), Figure("short", "exposure_short", w.percent)),
    ("names", Figure("long", "names_long", w.one), Figure("short", "names_short", w.one)),
)
BENCHMARK = (
    Figure("sessions compared", "benchmark_sessions", w.count),
    Figure("benchmark CAGR", "benchmark_cagr", w.signed),
    Figure("benchmark volatility", "benchmark_volatility", w.percent),
    Figure("benchmark Sharpe ratio", "benchmark_sharpe", w.plain),
    Figure("alpha", "alpha", w.signed, 1),
    Figure("beta", "beta", w.plain),
    Figure("correlation", "correlation", w.plain),
    Figure("tracking error", "tracking_error", w.percent),
    Figure("information ratio", "information_ratio", w.plain, 1),
)
# What was held, and when.
HELD = (
    Figure("first position", "first_position", w.text),
    Figure("sessions before position", "sessions_before_position", w.count),
    Figure("sessions with a position", "sessions_invested", w.count),
    Figure("Sharpe once invested", "sharpe_invested", w.plain, 1),
    Figure("volatility once invested", "volatility_invested", w.percent),
    Figure("halted since", "halted_since", w.text),
)
# Label, key of ``settings["signal_quality"]``, form.
SIGNAL: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("mean rank IC", "rank_ic", w.fine),
    ("standard error of the rank IC", "standard_error", w.fine),
    ("sessions above 0", "above_zero", w.percent),
    ("sessions compared", "sessions", w.count),
    ("symbols scored", "scored", w.percent),
    ("sessions scored", "sessions_scored", w.count),
)
# From what the positions earned to what was left: label, key, and the side on which it counts.
GROSS_TO_NET = (
    ("before costs", "return_gross", 1.0),
    ("  commission", "cost_commission", -1.0),
    ("  slippage", "cost_slippage", -1.0),
    ("  borrow fees", "cost_borrow", -1.0),
    ("  interest", "interest", 1.0),
    ("after costs", "return_net", 1.0),
)
# With and without breakers, and at the head of a comparison.
MAIN = (
    Figure("equity at the end", "end_equity", w.money, 1),
    *(one for one in RETURN_AND_RISK if one.key in ("total_return", "cagr", "volatility", "max_drawdown", "sharpe")),
    TRADING[0],
    TRADING[2],
)


def pairs(figures: Sequence[Figure], metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Labels and figures of those that the metrics hold."""
    return [(one.label, one.form(metrics[one.key])) for one in figures if one.key in metrics]
