"""What there is to know of a finished run beyond its figures: how good its scores were, and how sure any of it is.

Plain data throughout, for ``study.json`` of the run's folder and for the pages that are drawn from it: text, lists,
finite numbers, None where something is not known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtester.engine.types import SESSIONS_PER_YEAR
from backtester.market.panel import Panel
from backtester.research import book
from backtester.research.bootstrap import Interval, intervals_together, portfolio_block
from backtester.research.hac import line_test
from backtester.research.quality import signal_study
from backtester.research.sharpe import minimum_track_record, probabilistic_sharpe
from backtester.result import Result

LEVEL, RESAMPLES = 0.95, 2000
_DIGITS = 6  # significant ones: what lies beyond differs between machines and says nothing


def run_study(
    result: Result,
    scores: Any = None,
    *,
    horizon: int = 1,
    fill: str = "open",
    source: str = "",
    predicts: str | None = None,
) -> dict[str, Any]:
    """The study of a run.

    Args:
        result: the run.
        scores: what its strategy was shown: `bt.Scores`, (T, N), or a DataFrame of dates by symbols; None: nothing.
        horizon: sessions of the labels that the scores are held against.
        fill: the price that these run from and to.
        source: what made the scores, in a word.
        predicts: what a score is, where it is more than a rank: see `backtester.research.quality.signal_study`.

    Returns:
        ``signal``, as `signal_study` has it: None without scores, or where the market data is not at hand;
        ``portfolio``, as `portfolio_study` has it.
    """
    panel = result.source
    signal = None
    with ThreadPoolExecutor(1) as pool:  # both take long, and NumPy lets the other go on
        portfolio = pool.submit(portfolio_study, result)
        if scores is not None and isinstance(panel, Panel):
            signal = signal_study(panel, scores, horizon=horizon, fill=fill, source=source, predicts=predicts)
    return {"signal": signal, "portfolio": portfolio.result()}


def portfolio_study(result: Result, since: int | None = None) -> dict[str, Any] | None:
    """How sure the figures of a book are, gross and net.

    They are taken over the sessions after the first position was opened (the days before it, without any risk, would
    only make the book look calmer than it is), or from ``since`` on.

    Args:
        result: the run.
        since: the first session that counts; None: the first that closes with a position.

    Returns:
        None for a run that never held anything. Else ``first`` and ``last`` (dates) and ``sessions``; ``level`` and
        ``resamples`` of the intervals and ``block``, the mean length of a block of them; ``net`` and ``gross``, figures
        by name, each ``value``, ``low`` and ``high``; ``break_even_bps``; ``psr``, the probability that the Sharpe
        ratio is above 0, and ``min_track_sessions``, from how many on it would be so at 95 %; ``benchmark``, None or
        that of the run if it is daily: ``name``, ``alpha`` (``a_year``, arithmetic, its interval and ``p``), ``beta``.
    """
    rows = book.invested(result) if since is None else np.arange(len(result.dates)) >= since
    if not rows.any():
        return None
    net, gross = book.net_returns(result)[rows], book.gross_returns(result)[rows]
    block = portfolio_block(net)
    # Gross and net move together.
    intervals = intervals_together([net, gross], resamples=RESAMPLES, level=LEVEL, length=block)
    dates = result.dates[rows]
    return {
        "first": str(dates[0]),
        "last": str(dates[-1]),
        "sessions": len(dates),
        "level": LEVEL,
        "resamples": RESAMPLES,
        "block": number(block),
        "net": of_intervals(intervals[0]),
        "gross": of_intervals(intervals[1]),
        "break_even_bps": number(book.break_even_bps(result, rows)),
        "psr": number(probabilistic_sharpe(net)),
        "min_track_sessions": number(minimum_track_record(net)),
        "benchmark": _against(result, rows, net),
    }


def _against(result: Result, rows: NDArray[np.bool_], net: NDArray[np.float64]) -> dict[str, Any] | None:
    """Alpha and beta to the benchmark, with their intervals; None without one that is known session by session."""
    benchmark = result.benchmark
    if benchmark is None or (benchmark.sessions[rows] > 1).any():
        return None
    line = line_test(net, benchmark.returns[rows])
    year = {key: getattr(line.alpha, key) * SESSIONS_PER_YEAR for key in ("mean", "low", "high")}
    alpha = {"a_year": year["mean"], "low": year["low"], "high": year["high"], "p": line.alpha.p}
    beta = {"value": line.beta.mean, "low": line.beta.low, "high": line.beta.high}
    found: dict[str, Any] = plain({"name": benchmark.name, "alpha": alpha, "beta": beta})
    return found


def of_intervals(found: Mapping[str, Interval]) -> dict[str, dict[str, float | None]]:
    """Intervals as plain data."""
    return {key: plain(one) for key, one in found.items()}


def plain(value: Any) -> Any:
    """Plain data: numbers to six significant digits, None for what is not finite."""
    if hasattr(value, "_asdict"):
        return {key: plain(one) for key, one in value._asdict().items()}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, np.datetime64):
        return str(value)
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return number(float(value))
    return value


def number(value: float) -> float | None:
    """A number to six significant digits; None where it is not finite."""
    return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
