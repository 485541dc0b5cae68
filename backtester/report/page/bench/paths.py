"""Paths of combinatorial splits: how far each result hangs on which part of history was learnt from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from backtester.report import words as w
from backtester.report.page import charts as c
from backtester.report.page import parts as p
from backtester.report.page.bench.entries import VARIANT, Entries, dig, hover, numbers_of, value_of
from backtester.report.page.bench.signal import name_cell, two_lines
from backtester.report.page.charts import Chart
from backtester.report.page.parts import Markup

_ROWS = 40  # entries in the figure
_WHY = 400  # characters of a reason


def walked(entries: Entries) -> list[Mapping[str, Any]]:
    """The entries that have paths."""
    return [one for one in entries.good if numbers_of(one, "paths", "sharpe")]


def about(facts: Mapping[str, Any], entries: Entries) -> str:
    """How the paths were made, what they show, and what they do not; nothing where none were asked for."""
    told = facts.get("combinatorial")
    if not isinstance(told, Mapping):
        return ""
    one = next(iter(walked(entries)), {})
    splits, count = (value_of(one, "paths", key) for key in ("splits", "count"))
    known = count > 0.0 < splits
    made = f"{w.many(int(splits), 'split')} make {w.many(int(count), 'path')}" if known else "The splits make paths"
    return (
        f"The history was cut into {w.count(told.get('groups'))} groups, and a signal fitted anew for every choice of "
        f"{w.count(told.get('test_groups'))} of them: it learns from the other groups and scores these. {made} of "
        "scores through the whole history, and each is traded as the entry trades. They show how far a result hangs on "
        "which part of history was learnt from. They are no track record: most of it was learnt from sessions that "
        "came later, which nobody could have done. So they change nothing of the order of the variants, the deflated "
        "Sharpe ratio, the count of trials or any test."
    )


def paths_chart(entries: Entries) -> Chart | None:
    """Net Sharpe ratio of every path of each entry whose signal learns, and that of its walk forward."""
    every = walked(entries)
    if not every:
        return None
    shown = every[:_ROWS]
    traces = [
        _dots(name, entries, shown, role, paint)
        for name, role, paint in (("path of a variant", True, "a"), ("path of a baseline", False, "dim"))
        if any((one.get("role") == VARIANT) == role for one in shown)
    ]
    traces.append(_marks(entries, shown))
    axes = {
        "xaxis": c.axis("net Sharpe ratio a year"),
        "yaxis": c.names_axis([], range=[len(shown) - 0.4, -0.6])
        | {"tickvals": list(range(len(shown))), "ticktext": [entries.label(one.get("name")) for one in shown]},
    }
    first = shown[0]
    count = w.many(len(numbers_of(first, "paths", "sharpe")), "path")
    said = (
        f"{c.short(entries.called(first.get('name')))}: {_range(first)} on {count}, {w.plain(_own(first))} walking "
        "forward."
    )
    note = "Paths go over the whole history and learn from more of it, the walk forward over the sessions of the bench."
    note += f" {len(every) - _ROWS:,} more are in the table." if len(every) > _ROWS else ""
    drawn = c.figure(traces, **axes)
    return Chart("paths", "Net Sharpe ratio of every path", said, drawn, 120 + 24 * len(shown), note)


def paths_table(entries: Entries) -> Markup | None:
    """The paths of every entry in numbers."""
    rows = []
    for one in walked(entries):
        told = one["paths"]
        ics, gross = numbers_of(told, "ic"), numbers_of(told, "gross")
        rows.append(
            (
                name_cell(entries.called(one.get("name")) + ("" if one.get("role") == VARIANT else " *")),
                w.plain(_own(one)),
                two_lines(p.tag("b", w.plain(told.get("mean"))), f"± {w.plain(told.get('std'))}"),
                f"{w.plain(told.get('low'))} to {w.plain(told.get('high'))}",
                w.percent(told.get("below_zero"), places=0),
                w.plain(float(np.mean(gross)) if gross else None),
                two_lines(w.fine(float(np.mean(ics))), f"{w.fine(min(ics))} to {w.fine(max(ics))}") if ics else "",
                w.count(told.get("count")),
                w.count(told.get("sessions")),
            )
        )
    header = (
        *("", "walk forward", "mean of paths", "lowest to highest", "below 0", "gross", "rank IC"),
        *("paths", "sessions"),
    )
    note = (
        "Net Sharpe ratios a year; mean and standard deviation are over paths, and so are gross and the mean daily "
        "rank IC. Paths of an entry trade the same sessions and are not independent, so the deviation is no standard "
        "error. "
        "Lopez de Prado (2018), Advances in Financial Machine Learning, chapter 12."
    )
    return p.table(header, rows, note=note) if rows else None


def without_paths(entries: Entries) -> Markup | None:
    """The entries that could not be fitted in combinations, and why."""
    rows = [
        (entries.called(one.get("name")), c.short(dig(one, "paths", "error"), _WHY))
        for one in entries.good
        if dig(one, "paths", "error")
    ]
    return p.pairs(rows, title="Without paths") if rows else None


def _dots(
    name: str, entries: Entries, shown: Sequence[Mapping[str, Any]], variants: bool, paint: str
) -> dict[str, Any]:
    """A point for every path of the entries of one role."""
    x, y, texts = [], [], []
    for place, one in enumerate(shown):
        if (one.get("role") == VARIANT) != variants:
            continue
        for number, value in enumerate(dig(one, "paths", "sharpe"), 1):
            if math.isfinite(c.number(value)):
                x.append(c.number(value))
                y.append(place)
                texts.append(hover(f"{c.short(entries.called(one.get('name')), 60)}, path {number}: {w.plain(value)}"))
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": c.values(x),
        "y": y,
        "marker": {"color": c.color(paint), "size": 8, "opacity": 0.55},
        "hoverinfo": "text",
        "hovertext": texts,
    }


def _marks(entries: Entries, shown: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What each entry has walking forward, as an upright stroke."""
    own = [_own(one) for one in shown]
    names = [c.short(entries.called(one.get("name")), 60) for one in shown]
    texts = [hover(f"{name}, walk forward: {w.plain(value)}") for name, value in zip(names, own, strict=True)]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "walk forward",
        "x": c.values(own),
        "y": list(range(len(shown))),
        "marker": {"symbol": "line-ns-open", "size": 15, "color": c.color("ink"), "line": {"width": 2.2}},
        "hoverinfo": "text",
        "hovertext": texts,
    }


def _own(entry: Mapping[str, Any]) -> float:
    return value_of(entry, "figures", "net", "sharpe", "value")


def _range(entry: Mapping[str, Any]) -> str:
    return f"{w.plain(dig(entry, 'paths', 'low'))} to {w.plain(dig(entry, 'paths', 'high'))}"
