"""How much is luck: the splits behind the probability of overfitting, and which settings the IC depends on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from backtester.report import words as w
from backtester.report.page import charts as c
from backtester.report.page.bench.compared import interval_trace
from backtester.report.page.bench.entries import hover, numbers_of, rows_of, value_of
from backtester.report.page.charts import Chart

_BARS = 40
_EFFECTS = 40  # shown
_LABEL = 34


def logit_chart(facts: Mapping[str, Any]) -> Chart | None:
    """How the variant that is best in one half ranks in the other, over all splits into halves."""
    logits = np.array(numbers_of(facts, "overfitting", "logits"))
    pbo = value_of(facts, "overfitting", "pbo")
    if not logits.size:
        return None
    places, counts = np.unique(logits.round(5), return_counts=True)
    if places.size > _BARS:
        # An edge at 0, so that no bar holds splits of both sides.
        width = max(float(np.abs(logits).max()) / (_BARS // 2), 1e-6)
        edges = width * np.arange(-(_BARS // 2), _BARS // 2 + 1)
        edges[0], edges[-1] = -np.inf, np.inf
        counts = np.array([((logits > low) & (logits <= high)).sum() for low, high in pairwise(edges)])
        places = width * (np.arange(-(_BARS // 2), _BARS // 2) + 0.5)
    gap = float(np.diff(places).min()) if places.size > 1 else 1.0
    trace = c.bars("splits", c.values(places), counts / logits.size, _paints(places), width=0.85 * gap)
    trace["hovertemplate"] = "%{y:.1%} of the splits<extra></extra>"
    said = (
        f"In {w.percent(pbo)} of {w.many(logits.size, 'split')} the variant that was best in one half of the sessions "
        "was not above the middle of all in the other (red: logit 0 or less)."
    )
    axes = {"xaxis": c.axis("logit of its rank in the other half"), "yaxis": c.axis("share of splits", ".0%")}
    return Chart("logits", "Does the best of one half stay good in the other?", said, c.figure([trace], **axes))


def mattered_chart(facts: Mapping[str, Any]) -> Chart | None:
    """What each value of an option adds to the mean daily rank IC, with its interval."""
    told = facts.get("mattered") or {}
    rows = [row for row in rows_of(told, "effects") if math.isfinite(value_of(row, "effect"))]
    if not rows:
        return None
    bases = base_values(told)
    names = [f"{row.get('option')} = {row.get('value')}" for row in rows[:_EFFECTS]]
    value, low, high = (np.array([value_of(row, key) for row in rows[:_EFFECTS]]) for key in ("effect", "low", "high"))
    texts = [
        hover(f"{name} instead of {bases.get(str(row.get('option')), 'the base')}: {w.fine(row.get('effect'))}")
        for name, row in zip(names, rows, strict=False)
    ]
    trace = interval_trace("effect", value, low, high, list(range(len(names))), c.color("a"), texts)
    away = [name for name, row in zip(names, rows, strict=False) if _away(row)]
    said = (
        f"Differs from 0 at 95 %: {', '.join(c.short(name, 60) for name in away[:6])}."
        if away
        else "No effect differs from 0 at 95 %: none of these settings can be said to have mattered."
    )
    base = ", ".join(f"{c.short(option, 40)} = {c.short(value, 40)}" for option, value in bases.items())
    note = f"Against: {base}." if base else ""
    if len(rows) > _EFFECTS:
        note += f" {len(rows) - _EFFECTS:,} more effects are in bench.json."
    axes = {
        "xaxis": c.axis("added to the mean daily rank IC"),
        "yaxis": c.names_axis([c.short(name, _LABEL) for name in names], range=[len(names) - 0.4, -0.6]),
    }
    return Chart(
        "mattered", "What each setting adds", said, c.figure([trace], **axes), 100 + 28 * len(names), note.strip()
    )


def base_values(told: Mapping[str, Any]) -> dict[str, str]:
    """The base line's value of each option."""
    return {str(row.get("option")): str(row.get("base")) for row in rows_of(told, "joint")}


def _away(row: Mapping[str, Any]) -> bool:
    low, high = value_of(row, "low"), value_of(row, "high")
    return math.isfinite(value_of(row, "p")) and (low > 0.0 or high < 0.0)  # without p it is the same in every session


def _paints(places: np.ndarray) -> list[str]:
    return [c.color("down" if place <= 0.0 else "up") for place in places.tolist()]
