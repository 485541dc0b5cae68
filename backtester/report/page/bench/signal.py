"""How well the scores of each entry ordered what followed, and how each learnt; the winner's own charts are a run's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from backtester.report import words as w
from backtester.report.page import charts as c
from backtester.report.page import parts as p
from backtester.report.page.bench.compared import interval_trace
from backtester.report.page.bench.entries import DRAWN, Entries, chance, dig, hover, rows_of, value_of
from backtester.report.page.charts import Chart
from backtester.report.page.parts import Markup

_NAME = 96  # characters of a name in a table; the place before it tells it from others
_SPREAD = 0.7  # of the room between two horizons that the entries take


def horizons_chart(entries: Entries) -> Chart | None:
    """Mean rank IC of the first variants and the baselines by horizon, with their intervals."""
    shown = [one for one in entries.drawn if _by_horizon(one)]
    horizons = sorted({horizon for one in shown for horizon in _by_horizon(one)})
    if not horizons:
        return None
    data = []
    for place, entry in enumerate(shown):
        found = _by_horizon(entry)
        there = [k for k, horizon in enumerate(horizons) if horizon in found]
        mean, low, high = (
            np.array([value_of(found[horizons[k]], key) for k in there]) for key in ("mean", "low", "high")
        )
        off = ((place + 0.5) / len(shown) - 0.5) * _SPREAD
        style, name = entries.line(entry), entries.called(entry.get("name"))
        texts = [hover(f"{c.short(name, 60)}: {w.fine(value)}") for value in mean.tolist()]
        trace = interval_trace("", mean, low, high, [], style["color"], texts)
        symbol = "circle" if entry in entries.variants else "diamond-open"
        trace |= {
            "name": entries.label(entry.get("name")),
            "x": [round(k + off, 4) for k in there],
            "y": trace["x"],
            "marker": {"color": style["color"], "size": 7, "symbol": symbol},
            "error_y": {**trace.pop("error_x"), "width": 2},
        }
        data.append(trace)
    best = shown[0]
    told = "; ".join(f"{h} {w.fine(row.get('mean'))}" for h, row in sorted(_by_horizon(best).items()))
    said = f"Mean rank IC of {entries.called(best.get('name'))} by horizon in sessions: {told}."
    axes = {
        "xaxis": c.names_axis([f"{horizon}" for horizon in horizons])
        | {"title": {"text": "sessions ahead", "font": {"size": 11}, "standoff": 6}},
        "yaxis": c.axis("mean rank IC"),
    }
    drawn = c.figure(data, **axes)
    if len(data) > 4:
        drawn["layout"]["legend"] = {**drawn["layout"]["legend"], "y": -0.22, "yanchor": "top"}
        drawn["layout"]["margin"] = {**drawn["layout"]["margin"], "t": 10}
    note = "Intervals after Newey and West (95 %)."
    return Chart("ic_all", "Rank IC by horizon", said, drawn, 330 + 9 * len(data), note)


def learning_chart(entries: Entries) -> Chart | None:
    """The validation IC, or where there is none the validation loss, of each variant by epoch."""
    axis, data = "validation IC", _curves(entries, "valid_ic", ".4f")
    if not data:
        axis, data = "validation loss", _curves(entries, "valid_loss", ".5f")
    if not data:
        return None
    own, longest = [trace for trace in data if trace["showlegend"]], max(len(trace["x"]) for trace in data)
    note = "Means over folds and models of a variant; later epochs are means over the models that were still learning."
    if len(data) > len(own):
        note += f" Grey: {w.many(len(data) - len(own), 'variant')} below the first {DRAWN}."
    said = f"The {axis} of {w.many(len(data), 'variant')} after each epoch, out of sample for the weights."
    drawn = c.figure(
        [*(one for one in data if not one["showlegend"]), *own],
        xaxis=c.axis("epoch", "d", grid=False, nticks=min(longest + 1, 12)),
        yaxis=c.axis(axis),
        showlegend=True,
    )
    if len(own) > 4:
        drawn["layout"]["legend"] = {**drawn["layout"]["legend"], "y": -0.22, "yanchor": "top"}
    return Chart("learning_all", f"Learning curves: {axis}", said, drawn, 330 + 9 * len(own), note)


def learning_table(entries: Entries) -> Markup | None:
    """Where each variant's learning ended: epochs, losses and IC of the best epoch by validation loss."""
    rows = []
    for entry in entries.variants:
        epochs = rows_of(entry, "signal", "epochs")
        known = [one for one in epochs if math.isfinite(value_of(one, "valid_loss"))]
        best: Mapping[str, Any] = min(
            known, key=lambda one: value_of(one, "valid_loss"), default=epochs[-1] if epochs else {}
        )
        if best:
            rows.append(
                (
                    name_cell(entries.called(entry.get("name"))),
                    w.count(len(epochs)),
                    w.count(best.get("epoch")),
                    w.fine(best.get("train_loss")),
                    w.fine(best.get("valid_loss")),
                    w.fine(best.get("valid_ic")),
                )
            )
    header = ("", "epochs", "lowest loss at", "training loss", "validation loss", "validation IC")
    note = "Losses of different kinds cannot be compared with each other; the IC can."
    return p.table(header, rows, title="Learning", note=note) if rows else None


def horizons_table(entries: Entries) -> Markup | None:
    """Mean rank IC of every entry by horizon with its error, and Pearson's at its own."""
    shown = [one for one in entries.good if _by_horizon(one)]
    horizons = sorted({horizon for one in shown for horizon in _by_horizon(one)})
    rows = []
    for entry in shown:
        found, study = _by_horizon(entry), entry["signal"]
        own = found.get(study.get("horizon")) or {}
        pearson = next(
            (one.get("pearson") for one in rows_of(study, "horizons") if one.get("horizon") == study.get("horizon")),
            None,
        )
        cells = [ic_cell(found.get(horizon)) for horizon in horizons]
        rows.append(
            (
                name_cell(entries.called(entry.get("name"))),
                *cells,
                w.plain(own.get("t")),
                chance(own.get("p")),
                w.plain(own.get("ir")),
                w.percent(own.get("positive"), places=1),
                ic_cell(pearson),
            )
        )
    header = ("", *(f"{h} ahead" for h in horizons), "t", "p", "IR", "above 0", "Pearson IC")
    note = (
        "Mean daily rank IC and below it its standard error (Newey and West); t, p, IR, the share of sessions above 0 "
        "and Pearson's at the entry's own horizon. IR is mean over standard deviation of a session, not annualised."
    )
    return p.table(header, rows, title="Information coefficients", note=note) if rows else None


def persistence_table(entries: Entries) -> Markup | None:
    """How long scores last, what leaves the highest quantile, and what the outer quantiles made."""
    rows = []
    shown = [one for one in entries.good if dig(one, "signal")]
    lags = [*dict.fromkeys(lag for one in shown for lag in dig(one, "signal", "autocorrelation") or {})]
    for entry in shown:
        study = entry["signal"]
        spread = dig(study, "quantiles", "spread") or {}
        rows.append(
            (
                name_cell(entries.called(entry.get("name"))),
                *(w.plain(dig(study, "autocorrelation", lag)) for lag in lags),
                *(w.percent(dig(study, "quantiles", "turnover", lag, "top"), places=0) for lag in lags),
                two_lines(
                    w.one(spread.get("mean_bps")),
                    f"{w.one(spread.get('low_bps'))} to {w.one(spread.get('high_bps'))}" if spread else "",
                ),
            )
        )
    header = (
        "",
        *(f"correlation {lag}" for lag in lags),
        *(f"left top {lag}" for lag in lags),
        "spread, bps",
    )
    note = (
        "Rank correlation of the scores with those some sessions later; share of the highest quantile that has left it "
        "by then; return of the highest less the lowest quantile a session, before costs, and its 95 % interval."
    )
    return p.table(header, rows, title="How long scores last", note=note) if rows else None


def name_cell(name: str, most: int = _NAME) -> Markup:
    """A name as the first cell of a row: it may take several lines, and ends where it would take too many."""
    return p.tag("span", c.short(name, most), "entry")


def two_lines(value: Any, below: str) -> Markup:
    """A figure, and what is said of it in smaller letters below it."""
    return p.escape(value) + (p.tag("span", below, "under") if below else "")


def ic_cell(ic: Any) -> Markup | str:
    """A mean IC and its standard error."""
    if not math.isfinite(value_of(ic, "mean")):
        return w.UNKNOWN
    return two_lines(w.fine(dig(ic, "mean")), f"± {w.fine(dig(ic, 'error'))}")


def _by_horizon(entry: Mapping[str, Any]) -> dict[int, Mapping[str, Any]]:
    """The rank IC by horizon, where it is known."""
    rows = rows_of(entry, "signal", "horizons")
    return {int(one["horizon"]): one["rank"] for one in rows if math.isfinite(value_of(one, "rank", "mean"))}


def _curves(entries: Entries, key: str, form: str) -> list[dict[str, Any]]:
    return [trace for entry in entries.variants if (trace := _curve(entries, entry, key, form)) is not None]


def _curve(entries: Entries, entry: Mapping[str, Any], key: str, form: str) -> dict[str, Any] | None:
    rows = rows_of(entry, "signal", "epochs")
    y = np.array([value_of(row, key) for row in rows])
    if not np.isfinite(y).any():
        return None
    own = any(entry is one for one in entries.drawn)
    style = entries.line(entry) if own else {"color": c.color("line"), "width": 1.0}
    trace = c.line("", [c.number(row.get("epoch")) for row in rows], y, form=form, mode="lines+markers", **style)
    return trace | {"name": entries.label(entry.get("name")), "showlegend": own, "marker": {"size": 4}}
