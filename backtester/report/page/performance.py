"""Charts of how an account went: equity with drawdown, rolling Sharpe ratio, the distribution of returns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtester.engine.types import SESSIONS_PER_YEAR, Floats
from backtester.metrics.returns import varies
from backtester.report import words as w
from backtester.report.page import charts as c
from backtester.report.page.charts import Chart
from backtester.report.page.spans import Spans

_SHORTEST = 21  # sessions of a rolling window
_BARS = 60


class Curve(NamedTuple):
    """A line beside others."""

    name: str
    returns: Floats  # (T,) of a session; NaN is unknown, and leaves the line where it was
    color: str
    dash: str = "solid"
    width: float = 1.2


class Mark(NamedTuple):
    """Something that happened."""

    session: int
    said: str


def growth(returns: Floats) -> Floats:
    """``prod(1 + returns) - 1`` up to each session, (T,); unknown returns are left out."""
    return np.asarray(np.cumprod(1.0 + np.nan_to_num(returns)) - 1.0, dtype=np.float64)


def below_peak(equity: Floats, cash: float) -> Floats:
    """``equity / peak - 1``, (T,): the peak is the highest equity so far, at the least `cash`."""
    peak = np.maximum.accumulate(np.maximum(equity, cash))
    return np.asarray(equity / peak - 1.0)


def equity_chart(
    dates: NDArray[np.datetime64],
    equity: Floats,
    cash: float,
    others: Sequence[Curve] = (),
    marks: Sequence[Mark] = (),
    spans: Spans | None = None,
) -> Chart:
    """The account and its drawdown below each other, with what stands beside it.

    Args:
        dates: (T,), at least one.
        equity: (T,) at closes.
        cash: before the first session, positive.
        others: lines to compare with.
        marks: trips of breakers.
        spans: what is in sample is shaded, beginnings of folds are ticked.
    """
    rows = c.kept(len(dates))
    x = c.days(dates[rows])
    made, under = equity / cash - 1.0, below_peak(equity, cash)
    data = [c.line(one.name, x, growth(one.returns)[rows], one.color, dash=one.dash, width=one.width) for one in others]
    data.append(c.line("run, after costs", x, made[rows], c.color("a"), width=2.0))
    if marks:
        data.append(_marks(dates, made, marks))
    fall = c.line("drawdown", x, c.lowest(under, rows), c.color("down"), width=1.0)
    data.append(fall | {"yaxis": "y2", "fill": "tozeroy", "fillcolor": c.color("down-soft"), "showlegend": False})
    drawn = c.figure(
        data,
        hovermode="x unified",
        xaxis=c.time_axis(anchor="y2", range=[x[0], x[-1]]),
        yaxis=c.axis("cumulative return", ".0%", domain=[0.34, 1.0]),
        yaxis2=c.axis("drawdown", ".0%", domain=[0.0, 0.26], nticks=4),
        shapes=_shades(dates, spans) if spans else [],
        annotations=_said(dates, spans) if spans else [],
    )
    said = (
        f"Equity went from {w.money(cash)} to {w.money(equity[-1])}, {w.signed(made[-1])}; the largest drawdown is "
        f"{w.percent(-float(under.min()))}. "
        + (f"A breaker tripped {w.many(len(marks), 'time')}." if marks else "No breaker tripped.")
    )
    return Chart("equity", "Equity and drawdown", said, drawn, 420, spans.said if spans else "")


def _marks(dates: NDArray[np.datetime64], made: Floats, marks: Sequence[Mark]) -> dict[str, Any]:
    rows = [one.session for one in marks]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "breaker",
        "x": c.days(dates[rows]),
        "y": c.values(made[rows]),
        "text": [c.label(one.said) for one in marks],
        "hoverinfo": "text",
        "marker": {
            "symbol": "diamond",
            "size": 9,
            "color": c.color("warn"),
            "line": {"width": 1, "color": "var(--panel)"},
        },
    }


def _shades(dates: NDArray[np.datetime64], spans: Spans) -> list[dict[str, Any]]:
    """What came before the first score, shaded over both plots; a tick at the foot where a fold begins."""
    shapes = []
    if spans.first:
        last = c.days(dates[min(spans.first, len(dates) - 1) :][:1])[0]
        shade = {"type": "rect", "layer": "below", "xref": "x", "yref": "paper", "y0": 0, "y1": 1, "line": {"width": 0}}
        shapes.append(shade | {"x0": c.days(dates[:1])[0], "x1": last, "fillcolor": c.color("shade")})
    tick = {"type": "line", "xref": "x", "yref": "paper", "y0": 0.28, "y1": 0.32}
    stroke = {"color": c.color("dim"), "width": 1}
    shapes += [tick | {"x0": day, "x1": day, "line": stroke} for day in c.days(dates[list(spans.starts)])]
    return shapes


def _said(dates: NDArray[np.datetime64], spans: Spans) -> list[dict[str, Any]]:
    told = {"xref": "x", "yref": "paper", "y": 1.0, "yanchor": "top", "showarrow": False, "xanchor": "left"}
    font = {"font": {"size": 11, "color": c.color("dim")}}
    found = []
    if spans.first:
        found.append(told | font | {"x": c.days(dates[:1])[0], "text": "learning"})
    if spans.first < len(dates) and spans.starts:
        found.append(told | font | {"x": c.days(dates[spans.first : spans.first + 1])[0], "text": "out of sample"})
    return found


def window_of(sessions: int) -> int:
    """Sessions of the rolling window: a year, or where the run is short a quarter or a month; 0: too short."""
    fits = (window for window in (SESSIONS_PER_YEAR, 63, _SHORTEST) if sessions >= 1.5 * window)
    return int(next(fits, 0))


def rolling_sharpe(returns: Floats, window: int) -> Floats:
    """`metrics.sharpe_ratio` of the last `window` sessions, (T,); NaN with a gap, or before there are so many."""
    found = np.full(returns.shape, np.nan)
    if not 2 <= window <= returns.size:
        return found
    spans = np.lib.stride_tricks.sliding_window_view(returns, window)
    mean, spread = spans.mean(axis=1), spans.std(axis=1, ddof=1)
    there = np.array([bool(varies(s, m)) for s, m in zip(spread.tolist(), mean.tolist(), strict=True)])
    np.divide(mean * math.sqrt(SESSIONS_PER_YEAR), spread, out=found[window - 1 :], where=there)
    return found


def rolling_chart(
    dates: NDArray[np.datetime64], returns: Floats, others: Sequence[Curve] = (), since: int = 0
) -> Chart | None:
    """The rolling Sharpe ratio; None where the run is too short.

    Args:
        dates: (T,).
        returns: (T,) of the run.
        others: lines to compare with.
        since: first session that counts, such as that of the first position.
    """
    window = window_of(len(dates) - since)
    if not window:
        return None
    own = rolling_sharpe(returns[since:], window)[window - 1 :]
    if not np.isfinite(own).any():
        return None
    first, rows, form = since + window - 1, c.kept(own.size), ".2f"
    x = c.days(dates[first + rows])
    data = [
        c.line(one.name, x, rolling_sharpe(one.returns[since:], window)[window - 1 + rows], one.color, form=form)
        for one in others
    ]
    data.append(c.line("run", x, own[rows], c.color("a"), form=form, width=2.0))
    known = own[np.isfinite(own)]
    said = (
        f"The Sharpe ratio of the last {w.sessions(window)} lay between {w.plain(float(known.min()))} and "
        f"{w.plain(float(known.max()))}; at the end it is {w.plain(float(known[-1]))}."
    )
    drawn = c.figure(data, hovermode="x unified", xaxis=c.time_axis(), yaxis=c.axis())
    return Chart("rolling", f"Sharpe ratio of the last {w.sessions(window)}", said, drawn)


def distribution_chart(returns: Floats) -> Chart | None:
    """How often a session returned what, with the normal curve of the same mean and spread; None with fewer than three.

    Args:
        returns: of the sessions that count; NaN is left out.
    """
    known = returns[np.isfinite(returns)]
    if known.size < 3 or not varies(float(known.std(ddof=1)), float(known.mean())):
        return None
    mean, spread = float(known.mean()), float(known.std(ddof=1))
    counts, edges = np.histogram(known, bins=min(_BARS, max(8, int(2.0 * math.sqrt(known.size)))))
    middle, width = (edges[1:] + edges[:-1]) / 2.0, float(edges[1] - edges[0])
    bell = known.size * width / (spread * math.sqrt(2.0 * math.pi)) * np.exp(-0.5 * ((middle - mean) / spread) ** 2)
    data = [
        c.bars("sessions", c.values(middle), counts.astype(np.float64), c.color("a-mid"), width=width * 0.92),
        c.line("normal, same mean and spread", c.values(middle), bell, c.color("ink"), form=".1f", width=1.2),
    ]
    said = (
        f"Returns of {w.sessions(known.size)}: mean {w.percent(mean, places=3)}, standard deviation "
        f"{w.percent(spread)}, from {w.signed(float(known.min()))} to {w.signed(float(known.max()))}."
    )
    drawn = c.figure(data, xaxis=c.axis("", ".1%", grid=False, hoverformat=".2%"), yaxis=c.axis("sessions"), bargap=0.0)
    return Chart("distribution", "Returns of a session", said, drawn)
