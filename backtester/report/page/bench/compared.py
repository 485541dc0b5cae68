"""Charts that hold all entries of a bench against each other: equity, Sharpe ratios, every two."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from backtester.engine.types import Floats
from backtester.report import words as w
from backtester.report.page import charts as c
from backtester.report.page.bench.entries import (
    DRAWN,
    VARIANT,
    Entries,
    chance,
    dig,
    hover,
    numbers_of,
    rows_of,
    value_of,
)
from backtester.report.page.charts import Chart

_POINTS = 700  # of a curve: a dozen of them share the figure
_FAR = 4.0  # highest over lowest equity from which on an axis is one of multiples
_MATRIX = 24  # entries in the figure of every two
_SURE = 0.05
_BASELINES = 8  # of these
_BAND = (5.0, 95.0)  # per cent of the placebos


def equity_chart(entries: Entries) -> Chart | None:
    """What 1 became with each of the first variants and the baselines, net of all costs charged."""
    data, ends, low, high = [], [], math.inf, 0.0
    for entry in entries.drawn:
        dates = dig(entry, "curve", "dates") or []
        net = np.array([c.number(one) for one in dig(entry, "curve", "net") or []], dtype=np.float64)
        if not dates or len(net) != len(dates) or not np.isfinite(net).any():
            continue
        rows = c.kept(len(dates), _POINTS)
        x = [str(dates[k]) for k in rows.tolist()]
        data.append(c.line("", x, net[rows], **entries.line(entry), form=".3f"))
        data[-1]["name"] = entries.label(entry.get("name"))
        known = net[np.isfinite(net)]
        ends.append(f"{c.short(entries.called(entry.get('name')))} {w.signed(float(known[-1]) - 1.0)}")
        low, high = min(low, float(known.min())), max(high, float(known.max()))
    if not data:
        return None
    axis = c.axis("growth of 1", ".2f")
    if low > 0.0 and high / low > _FAR:
        axis |= {"type": "log", "dtick": "D2", "title": {**axis["title"], "text": "growth of 1, log scale"}}
    said = f"Net of all costs charged, over the window: {'; '.join(ends)}."
    rest = len(entries.variants) - DRAWN
    note = f"{w.many(rest, 'variant')} below the first {DRAWN} not drawn." if rest > 0 else ""
    drawn = c.figure(data, hovermode="x", xaxis=c.time_axis(), yaxis=axis)
    return Chart("equity", "Growth of 1, net", said, _room_for_names(drawn, len(data)), 400 + 9 * len(data), note)


def sharpe_chart(entries: Entries, level: str) -> Chart | None:
    """Net Sharpe ratio of every entry with its interval, its seeds, and what placebos of the same turnover had."""
    shown = [one for one in entries.good if math.isfinite(value_of(one, "figures", "net", "sharpe", "value"))]
    if not shown:
        return None
    traces = _bands(shown)
    for role, name, paint in ((True, f"variant, {level} interval", "a"), (False, "baseline", "dim")):
        places = [k for k, one in enumerate(shown) if (one.get("role") == VARIANT) == role]
        if places:
            traces.append(_dots(name, entries, shown, places, c.color(paint)))
    seeds = [(value, place) for place, one in enumerate(shown) for value in numbers_of(one, "seeds", "sharpe")]
    if seeds:
        marker = {"symbol": "circle-open", "size": 5, "color": c.color("warn"), "line": {"width": 1.2}}
        x, y = c.values([value for value, _ in seeds]), [place for _, place in seeds]
        traces.append(
            {"type": "scatter", "mode": "markers", "name": "each seed alone", "x": x, "y": y, "marker": marker}
            | {"hovertemplate": "seed: %{x:.2f}<extra></extra>"}
        )
    best, last = shown[0], shown[-1]
    said = (
        f"First {_said(entries, best)}; last {_said(entries, last)}. "
        "What lies within the grey band is what random scores with the same turnover and costs had."
    )
    axes = {
        "xaxis": c.axis("net Sharpe ratio a year", side="bottom"),
        "yaxis": c.names_axis([], range=[len(shown) - 0.4, -0.6])
        | {"tickvals": list(range(len(shown))), "ticktext": [entries.label(one.get("name")) for one in shown]},
    }
    note = f"Band: {_BAND[0]:.0f} to {_BAND[1]:.0f} % of the placebos. Baselines are held against none."
    drawn = _room_for_names(c.figure(traces, **axes), len(traces))
    return Chart("sharpe", "Net Sharpe ratio, how sure it is", said, drawn, 130 + 24 * len(shown), note)


def matrix_chart(facts: Mapping[str, Any], entries: Entries) -> Chart | None:
    """The difference of the net Sharpe ratios of every two entries, the row's less the column's."""
    names, z, p = matrix(facts, _both_ends(entries))
    if not np.isfinite(z).any():
        return None
    most = float(np.nanmax(np.abs(z))) or 1.0
    trace: dict[str, Any] = {
        "type": "heatmap",
        "x": list(range(len(names))),
        "y": list(range(len(names))),
        "z": [c.values(row) for row in z],
        "zmin": -most,
        "zmax": most,
        "colorscale": [[k / 9, c.color(f"q{k}")] for k in range(10)],
        "xgap": 1,
        "ygap": 1,
        "hoverongaps": False,
        "hoverinfo": "text",
        "hovertext": [[_pair_said(entries, names, z, p, i, j) for j in range(len(names))] for i in range(len(names))],
        "text": [["*" if one <= _SURE else "" for one in row] for row in p.tolist()],
        "texttemplate": "%{text}",
        "textfont": {"size": 12},
        "colorbar": {
            **{"orientation": "h", "y": 0, "yanchor": "top", "len": 0.8, "thickness": 8, "outlinewidth": 0},
            **{"tickfont": {"size": 10}, "nticks": 5, "ypad": 14},
        },
    }
    sure = int((p[np.triu_indices(len(names), 1)] <= _SURE).sum())
    said = (
        f"Net Sharpe ratio of the row less that of the column; of {w.many(int(np.isfinite(z).sum()) // 2, 'pair')}, "
        f"{sure:,} differ{'s' if sure == 1 else ''} with p at most 0.05 (marked *, each by itself, not corrected for "
        "their number)."
    )
    ticks = {"tickmode": "array", "tickvals": list(range(len(names)))}
    axes = {
        "xaxis": c.axis(grid=False, side="top") | ticks | {"ticktext": [c.label(entries.mark(name)) for name in names]},
        "yaxis": c.axis(grid=False, autorange="reversed")
        | ticks
        | {"ticktext": [entries.label(name) for name in names]},
    }
    left = len(entries.good) - len(names)
    note = f"{w.many(left, 'variant')} of the middle not drawn; all pairs are in bench.json." if left > 0 else ""
    return Chart("pairs", "Every two", said, c.figure([trace], **axes), 150 + 26 * len(names), note)


def matrix(facts: Mapping[str, Any], shown: Sequence[Mapping[str, Any]]) -> tuple[list[str], Floats, Floats]:
    """Every two of some entries.

    Returns:
        Their M names; (M, M) the row's net Sharpe ratio less the column's; (M, M) p. NaN where it is not known.
    """
    names = [str(one.get("name")) for one in shown]
    places = {name: place for place, name in enumerate(names)}
    away, p = (np.full((len(names), len(names)), np.nan) for _ in range(2))
    for pair in rows_of(facts, "pairs"):
        one, other = (places.get(str(pair.get(key))) for key in ("one", "other"))
        if one is not None and other is not None and one != other:
            difference = value_of(pair, "sharpe", "difference")
            away[one, other], away[other, one] = difference, -difference
            p[one, other] = p[other, one] = value_of(pair, "sharpe", "p")
    return names, away, p


def interval_trace(
    name: str, value: Floats, low: Floats, high: Floats, y: Sequence[Any], paint: str, texts: Sequence[str]
) -> dict[str, Any]:
    """Points from left to right with their intervals; ``texts``, escaped already, are shown under the pointer."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": c.values(value),
        "y": list(y),
        "marker": {"color": paint, "size": 8},
        "error_x": {**c.whiskers(value, low, high), "color": paint},
        "hoverinfo": "text",
        "hovertext": list(texts),
    }


def _room_for_names(drawn: dict[str, Any], count: int) -> dict[str, Any]:
    """The names below the figure where they would push into it: with many of them, or on a phone."""
    if count > 1:
        drawn["layout"]["legend"] = {
            **drawn["layout"]["legend"],
            "y": -0.12 if count > 4 else 1.0,
            "yanchor": "top" if count > 4 else "bottom",
        }
        drawn["layout"]["margin"] = {**drawn["layout"]["margin"], "t": 10 if count > 4 else 30}
    return drawn


def _bands(shown: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A bar behind each variant from the lower to the upper end of its placebos."""
    found = [(place, numbers_of(one, "placebo", "sharpe")) for place, one in enumerate(shown)]
    known = [(place, np.percentile(values, _BAND)) for place, values in found if len(values) > 1]
    if not known:
        return []
    ends = np.array([ends for _, ends in known])
    texts = [f"placebos {w.plain(low)} to {w.plain(high)}" for low, high in ends.tolist()]
    return [
        {
            "type": "bar",
            "orientation": "h",
            "name": "placebos",
            "base": c.values(ends[:, 0]),
            "x": c.values(ends[:, 1] - ends[:, 0]),
            "y": [place for place, _ in known],
            "width": 0.78,
            "marker": {"color": c.color("b"), "line": {"width": 0}},
            "opacity": 0.28,
            "hoverinfo": "text",
            "hovertext": texts,
        }
    ]


def _dots(
    name: str, entries: Entries, shown: Sequence[Mapping[str, Any]], places: list[int], paint: str
) -> dict[str, Any]:
    value, low, high = (
        np.array([value_of(shown[place], "figures", "net", "sharpe", key) for place in places])
        for key in ("value", "low", "high")
    )
    texts = [hover(_said(entries, shown[place], True)) for place in places]
    return interval_trace(name, value, low, high, places, paint, texts)


def _said(entries: Entries, entry: Mapping[str, Any], interval: bool = False) -> str:
    told = dig(entry, "figures", "net", "sharpe") or {}
    said = f"{c.short(entries.called(entry.get('name')))}: {w.plain(told.get('value'))}"
    return f"{said} ({w.plain(told.get('low'))} to {w.plain(told.get('high'))})" if interval else said


def _both_ends(entries: Entries) -> list[Mapping[str, Any]]:
    """The first and the last variants, and the baselines, as many as the figure takes."""
    baselines = entries.baselines[:_BASELINES]
    room = _MATRIX - len(baselines)
    variants = entries.variants
    if len(variants) > room:
        variants = [*variants[: room - room // 4], *variants[-(room // 4) :]]
    return [*variants, *baselines]


def _pair_said(entries: Entries, names: list[str], z: Floats, p: Floats, i: int, j: int) -> str:
    if i == j:
        return ""
    one, other = (c.short(entries.called(names[k]), 40) for k in (i, j))
    return hover(f"{one} less {other}: {w.plain(float(z[i, j]))}, p {chance(float(p[i, j]))}")
