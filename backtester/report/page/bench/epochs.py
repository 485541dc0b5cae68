"""Out of sample by training epoch: the mean IC after each, and what the epoch adds to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from backtester.report import words as w
from backtester.report.page import charts as c
from backtester.report.page import parts as p
from backtester.report.page.bench.compared import interval_trace
from backtester.report.page.bench.entries import DRAWN, Entries, chance, hover, list_of, rows_of, value_of
from backtester.report.page.charts import Chart
from backtester.report.page.parts import Markup, Section

_EPOCH = "epoch"
_TICKS = 12
_READING = (
    "From one training of each variant, out of sample: the mean rank IC that its scores would have had if the training "
    "had been limited to so many epochs. A model that has stopped early stays as it is, so the last epoch is that of "
    "the scores that were traded. Neighbouring epochs share their sessions and most of their weights: a wiggle says "
    "little. Picking the best epoch here is picking by test data, and counts as one more variant tried for every epoch "
    "looked at; what a training may choose its epoch by is its validation rows."
)


def section(facts: Mapping[str, Any], entries: Entries) -> Section:
    """The part of the page; empty where no variant tells its epochs."""
    charts = [one for one in (ic_chart(entries), effects_chart(facts)) if one is not None]
    parts = (p.paragraph(_READING), *charts, *joint_said(facts)) if charts else ()
    return Section("epochs", "By training epoch", parts)


def ic_chart(entries: Entries) -> Chart | None:
    """The mean rank IC of each variant after every epoch; the winner's with its interval."""
    shown = [one for one in entries.variants if _means(one).size]
    if not shown:
        return None
    own = [one for one in shown if any(one is other for other in entries.drawn)]
    rest = [one for one in shown if not any(one is other for other in own)]
    best = entries.winner if any(one is entries.winner for one in shown) else None
    data = [_trace(entries, one, muted=True) for one in rest]
    data += _band(best) if best is not None else []
    data += [_trace(entries, one) for one in own]
    first = shown[0] if best is None else best
    means = _means(first)
    known = np.flatnonzero(np.isfinite(means))
    said = (
        f"Mean rank IC of {w.many(len(shown), 'variant')} after every epoch. {entries.called(first.get('name'))}: "
        f"{w.fine(means[known[0]])} after epoch {_epochs(first)[known[0]]}, {w.fine(means[known[-1]])} after epoch "
        f"{_epochs(first)[known[-1]]}."
    )
    note = "Band: 95 % interval of the winner's mean (Newey and West)." if best is not None else ""
    if rest:
        note += f" Grey: {w.many(len(rest), 'variant')} below the first {DRAWN}."
    most = max(len(_epochs(one)) for one in shown)
    drawn = c.figure(data, xaxis=_axis(most), yaxis=c.axis("mean rank IC"), showlegend=True)
    drawn["layout"]["legend"] = {**drawn["layout"]["legend"], "traceorder": "normal"}  # areas turn it round
    if len(own) > 4:
        drawn["layout"]["legend"] = {**drawn["layout"]["legend"], "y": -0.22, "yanchor": "top"}
        drawn["layout"]["margin"] = {**drawn["layout"]["margin"], "t": 10}
    return Chart("ic_epochs", "Rank IC after every epoch", said, drawn, 330 + 9 * len(own), note.strip())


def effects_chart(facts: Mapping[str, Any]) -> Chart | None:
    """What each epoch adds to the mean daily rank IC, over the variants, with its interval."""
    told = facts.get("mattered_epochs")
    rows = [one for one in rows_of(told, "effects") if _is_epoch(one) and math.isfinite(value_of(one, "effect"))]
    if not rows:
        return None
    base = next((str(one.get("base")) for one in rows_of(told, "joint") if one.get("option") == _EPOCH), "1")
    value, low, high = (np.array([value_of(one, key) for one in rows]) for key in ("effect", "low", "high"))
    epochs = [str(one.get("value")) for one in rows]
    texts = [
        hover(f"epoch {epoch} instead of {base}: {w.fine(at)} ({w.fine(down)} to {w.fine(up)})")
        for epoch, at, down, up in zip(epochs, value.tolist(), low.tolist(), high.tolist(), strict=True)
    ]
    trace = interval_trace(_EPOCH, value, low, high, [], c.color("a"), texts)
    trace |= {"x": [_place(epoch) for epoch in epochs], "y": trace["x"]}
    trace["error_y"] = {**trace.pop("error_x"), "width": 2}
    trace["marker"] = {**trace["marker"], "size": 6}
    away = [epoch for epoch, one in zip(epochs, rows, strict=True) if _away(one)]
    said = (
        f"Differs from epoch {base} at 95 %: {w.many(len(away), 'epoch')} of {len(rows)}, the first {away[0]}."
        if away
        else f"No epoch differs from epoch {base} at 95 %."
    )
    names = [str(name) for name in (told or {}).get("of") or []]
    out = [str(name) for name in (told or {}).get("left_out") or []]
    note = f"Against epoch {base}, other options being equal; over {w.many(len(names), 'variant')}. " if names else ""
    note += f"Left out, with other options or another number of epochs: {list_of(_few(out))}." if out else ""
    drawn = c.figure([trace], xaxis=_axis(len(rows) + 1), yaxis=c.axis("added to the mean daily rank IC"))
    return Chart("mattered_epochs", "What each epoch adds", said, drawn, 300, note.strip())


def joint_said(facts: Mapping[str, Any]) -> list[Markup]:
    """Whether the epoch mattered at all, in a sentence; nothing where that cannot be tested."""
    for one in rows_of(facts.get("mattered_epochs"), "joint"):
        if one.get("option") == _EPOCH and math.isfinite(value_of(one, "p")):
            test = f"F {w.plain(one.get('f'))}, p {chance(one.get('p'))}"
            return [p.paragraph(f"That no epoch differs from epoch {one.get('base')}, all together: {test}.", "note")]
    return []


def _axis(most: int) -> dict[str, Any]:
    """An axis of whole epochs, the same in both figures."""
    return c.axis(_EPOCH, "d", grid=False, range=[0.5, most + 0.5], tick0=1, dtick=math.ceil(most / _TICKS))


def _is_epoch(row: Mapping[str, Any]) -> bool:
    return row.get("option") == _EPOCH


def _away(row: Mapping[str, Any]) -> bool:
    low, high = value_of(row, "low"), value_of(row, "high")
    return math.isfinite(value_of(row, "p")) and (low > 0.0 or high < 0.0)


def _place(epoch: str) -> float | None:
    return float(epoch) if epoch.isdigit() else None


def _few(names: list[str], most: int = 3) -> list[str]:
    short = [c.short(name) for name in names[:most]]
    return [*short, f"{len(names) - most:,} more"] if len(names) > most else short


def _epochs(entry: Mapping[str, Any]) -> list[int]:
    return [int(value_of(row, "epoch")) for row in _rows(entry)]


def _means(entry: Mapping[str, Any]) -> np.ndarray:
    """The mean after every epoch; empty if none is known."""
    found = np.array([value_of(row, "mean") for row in _rows(entry)])
    return found if np.isfinite(found).any() else np.empty(0)


def _rows(entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    rows = rows_of(entry, "signal", "by_epoch")
    return [row for row in rows if math.isfinite(value_of(row, "epoch"))]


def _trace(entries: Entries, entry: Mapping[str, Any], *, muted: bool = False) -> dict[str, Any]:
    style = {"color": c.color("line"), "width": 1.0} if muted else entries.line(entry)
    trace = c.line("", _epochs(entry), _means(entry), form=".4f", mode="lines+markers", **style)
    return trace | {"name": entries.label(entry.get("name")), "showlegend": not muted, "marker": {"size": 4}}


def _band(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The interval of every mean as an area."""
    ends = [np.array([value_of(row, key) for row in _rows(entry)]) for key in ("low", "high")]
    bare = {"mode": "lines", "width": 0.0, "showlegend": False, "hoverinfo": "skip"}
    low, high = (c.line("", _epochs(entry), end, c.color("a"), form=".4f", **bare) for end in ends)
    return [low, high | {"fill": "tonexty", "fillcolor": c.color("a-soft")}]
