"""What is left of the winner under what nobody can know: later signals, more capital, without a year or a sector."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from backtester.report import words as w
from backtester.report.page import charts as c
from backtester.report.page import parts as p
from backtester.report.page.bench.entries import Entries, dig, numbers_of, rows_of, value_of
from backtester.report.page.bench.signal import name_cell
from backtester.report.page.charts import Chart
from backtester.report.page.parts import Markup

_ROWS = 30
_LABEL = 30
_BELOW = 1.0  # how far the axis of capital goes below 0 and the best net ratio, as a multiple of what it shows above


def again_chart(robust: Mapping[str, Any]) -> Chart | None:
    """Net Sharpe ratio of the winner as it ran, with later signals and with other lots."""
    rows = [*_as_run(robust), *rows_of(robust, "delays"), *rows_of(robust, "rounding")]
    said = "Net Sharpe ratio: " + "; ".join(f"{_label(row)} {w.plain(row.get('sharpe'))}" for row in rows) + "."
    return _bars("again", "Later signals, other lots", rows, robust, said)


def left_out_chart(robust: Mapping[str, Any]) -> Chart | None:
    """Net Sharpe ratio of the winner without each year and each sector."""
    rows = [*rows_of(robust, "years"), *rows_of(robust, "sectors")]
    known = [row for row in rows if math.isfinite(value_of(row, "sharpe"))]
    if not known:
        return None
    worst = min(known, key=lambda row: value_of(row, "sharpe"))
    said = f"The worst: {_label(worst)}, a net Sharpe ratio of {w.plain(worst.get('sharpe'))}."
    return _bars("left_out", "Without a year, without a sector", rows, robust, said)


def capital_chart(robust: Mapping[str, Any]) -> Chart | None:
    """Net Sharpe ratio of the winner by capital, on a logarithmic axis."""
    told = robust.get("capital") or {}
    rows = rows_of(told, "rows")
    money = [c.number(one) for one in told.get("capital") or []]
    net, gross = (np.array([value_of(row, key) for row in rows]) for key in ("sharpe", "sharpe_gross"))
    if not rows or len(money) != len(rows) or not np.isfinite(net).any():
        return None
    data = [
        c.line("net", money, net, c.color("a"), form=".2f", width=2.2, mode="lines+markers"),
        c.line("gross", money, gross, c.color("b"), form=".2f", dash="dot", mode="lines+markers"),
    ]
    y = c.axis("Sharpe ratio a year")
    known = np.concatenate((net, gross))
    top, best = max(float(np.nanmax(known)), 0.5), float(np.nanmax(net))
    bottom = -_BELOW * top + min(best, 0.0)
    if np.nanmin(known) < bottom:  # with much too much money the rest would be flat
        y |= {"range": [bottom, 1.15 * top]}
    axes = {"xaxis": c.axis("capital", "~s", type="log", dtick=1, grid=False), "yaxis": y}
    said = f"Half of the net Sharpe ratio is left at {_amount(told, 'halves')}, nothing at {_amount(told, 'zero')}."
    if best <= 0.0:
        said = f"Net of costs nothing is left with any capital: {w.plain(best)} at best."
    drawn = c.figure(data, hovermode="x unified", **axes)
    return Chart("capital", "More capital", said, drawn, 300, impact_said(told))


def impact_said(told: Mapping[str, Any]) -> str:
    """Which market impact the capacity is taken with, and whether the run charged it."""
    if not math.isfinite(value_of(told, "impact")):
        return ""
    coefficient = f"square-root market impact with the coefficient {w.plain(told.get('impact'))}"
    if told.get("assumed"):
        return f"The run charged no market impact: {coefficient} is assumed here, a rule of thumb."
    return f"With {coefficient}, as the run charged."


def robust_table(robust: Mapping[str, Any]) -> Markup | None:
    """Every rerun of the winner with its figures."""
    rows = [*_as_run(robust), *rows_of(robust, "delays"), *rows_of(robust, "rounding")]
    rows += [{**row, "label": f"capital {_label(row)}"} for row in rows_of(robust, "capital", "rows")]
    rows += [*rows_of(robust, "years"), *rows_of(robust, "sectors")]
    header = ("", "net Sharpe", "gross", "CAGR", "max drawdown", "turnover a year", "cost a year", "sessions", "")
    cells = [
        (
            name_cell(_label(row)),
            w.plain(row.get("sharpe")),
            w.plain(row.get("sharpe_gross")),
            w.percent(row.get("cagr")),
            w.percent(row.get("max_drawdown")),
            w.times(row.get("turnover")),
            w.percent(row.get("cost")),
            w.count(row.get("sessions")),
            c.short(row.get("note") or "", 120),
        )
        for row in rows
    ]
    note = "Each over the sessions from its own first position on. One-sided turnover; CAGR and drawdown net."
    return p.table(header, cells, note=note) if cells else None


def all_table(entries: Entries) -> Markup | None:
    """How every variant bears delay and capital: a winner that falls behind those it beat is a fragile one."""
    with_robust = [one for one in entries.variants if dig(one, "robust")]
    labels = [*dict.fromkeys(_label(row) for one in with_robust for row in rows_of(one, "robust", "delays"))]
    rows = []
    for one in with_robust:
        late = {_label(row): row for row in rows_of(one, "robust", "delays")}
        capital = dig(one, "robust", "capital") or {}
        lowest = min(numbers_of({"x": _left_out(one)}, "x"), default=math.nan)
        rows.append(
            (
                name_cell(entries.called(one.get("name"))),
                w.plain(dig(one, "robust", "as_run", "sharpe")),
                *(w.plain(dig(late.get(label), "sharpe")) for label in labels),
                _amount(capital, "halves"),
                _amount(capital, "zero"),
                w.plain(lowest),
            )
        )
    note = "Net Sharpe ratios. Half and nothing left: at which capital. Worst left out: without any one year or sector."
    header = ("", "as run", *labels, "half left at", "nothing left at", "worst left out")
    return p.table(header, rows, title="How every variant bears it", note=note) if rows else None


def _left_out(entry: Mapping[str, Any]) -> list[float]:
    return [value_of(row, "sharpe") for key in ("years", "sectors") for row in rows_of(entry, "robust", key)]


def _as_run(robust: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    one = robust.get("as_run")
    return [{**one, "label": one.get("label") or "as run"}] if isinstance(one, Mapping) else []


def _label(row: Mapping[str, Any]) -> str:
    return str(row.get("label") or w.UNKNOWN)


def _amount(told: Mapping[str, Any], key: str) -> str:
    """Capital in words: beyond what was tried, below it, or unknown."""
    tried = numbers_of(told, "capital")
    if key in (told.get("beyond") or []):
        return f"more than {w.money(max(tried))}" if tried else "more than was tried"
    value = value_of(told, key)
    if value == 0.0:
        return f"less than {w.money(min(tried))}" if tried else "less than was tried"
    return w.money(value) if math.isfinite(value) else w.UNKNOWN


def _bars(key: str, title: str, rows: list[Mapping[str, Any]], robust: Mapping[str, Any], said: str) -> Chart | None:
    net = np.array([value_of(row, "sharpe") for row in rows])
    if not np.isfinite(net).any():
        return None
    left, rows, net = len(rows) - _ROWS, rows[:_ROWS], net[:_ROWS]
    texts = [f"{c.short(_label(row), 28)}: {w.plain(value)}" for row, value in zip(rows, net.tolist(), strict=True)]
    paints = [c.color("a" if row.get("label") == "as run" else "a-mid") for row in rows]
    trace = c.lying_bars("net Sharpe", net, texts, paints)
    layout: dict[str, Any] = {
        "xaxis": c.axis("net Sharpe ratio a year"),
        "yaxis": c.names_axis([c.short(_label(row), _LABEL) for row in rows], autorange="reversed"),
    }
    own = value_of(robust, "as_run", "sharpe")
    if math.isfinite(own):
        line = {"type": "line", "xref": "x", "yref": "paper", "x0": own, "x1": own, "y0": 0, "y1": 1}
        layout["shapes"] = [line | {"line": {"color": c.color("ink"), "width": 1.2, "dash": "dot"}}]
    note = f"Dotted: as it ran, {w.plain(own)}."
    note += f" {left:,} more are in the table." if left > 0 else ""
    return Chart(key, title, said, c.figure([trace], **layout), 90 + 24 * len(rows), note)
