"""The first look at a finished run: a page for the terminal, and the same as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from backtester.engine.types import EVENT_CODE, EVENTS, HALTED, L_EQUITY, L_STATUS
from backtester.result import Result

_BLOCKS = "▁▂▃▄▅▆▇█"
_UNKNOWN = "-"
_LINE = 48  # characters of the equity line; with both amounts it fits a terminal of 80

# Events of one family share the first word of their name; the others are listed here.
_FAMILIES = {
    "split": "market",
    "dividend": "market",
    "settlement": "market",
    "order_split": "market",
    "replaced": "orders",
    "cancelled": "orders",
    "unknown_volatility": "clipped",
    "rearmed": "halt",
}


def summarise(result: Result) -> dict[str, Any]:
    """The content of the summary as plain data: span, metrics (NaN is unknown), events by kind, what flatters it.

    Keys: ``name``, ``start``, ``end`` (ISO dates, ``""`` for an empty run), ``symbols`` (their number), ``metrics``,
    ``no_fill`` (why nothing was traded, ``""`` if something was), ``events`` (counts of those that happened),
    ``resting`` (orders left), ``halted_since`` (ISO date, ``""`` if the run did not end halted), ``flattered_by``,
    ``content_hash``.
    """
    return {
        "name": result.name,
        "start": str(result.dates[0]) if result.dates.size else "",
        "end": str(result.dates[-1]) if result.dates.size else "",
        "symbols": len(result.symbols),
        "metrics": dict(result.metrics),
        "no_fill": why_no_fill(result),
        "events": count_events(result),
        "resting": int(result.resting_orders.symbol.size),
        "halted_since": halted_since(result),
        "flattered_by": flattering(result.settings),
        "content_hash": result.content_hash,
    }


def count_events(result: Result) -> dict[str, int]:
    """How often each kind of event happened, those that never did left out."""
    counts = np.bincount(result.tape.event_i[:, EVENT_CODE], minlength=len(EVENTS))
    return {name: int(count) for (name, _, _), count in zip(EVENTS, counts, strict=True) if count}


def halted_since(result: Result) -> str:
    """The session on which a breaker halted the book, if it is still halted at the end; else nothing."""
    status = result.tape.ledger[:, L_STATUS]
    if not status.size or status[-1] != HALTED:
        return ""
    active = np.flatnonzero(status != HALTED)
    return str(result.dates[active[-1] + 1 if active.size else 0])


def why_no_fill(result: Result) -> str:
    """Why nothing was traded, as far as the record tells; nothing if something was, or nothing was run."""
    sessions = result.dates.size
    if result.metrics["fills"] or not sessions:
        return ""
    strategy, scores = result.settings.get("strategy") or {}, result.settings.get("scores_file") or {}
    warmup = strategy.get("warmup", 0)
    ordered = result.tape.order_i.shape[0]
    if warmup > sessions:
        return f"the warmup takes {warmup:,} sessions, and the run has {sessions:,}, so nothing was decided"
    if result.resting_orders.symbol.size:
        return "the orders still rest after the last session"
    if ordered:
        return f"of {ordered:,} order{'' if ordered == 1 else 's'} none could be filled"
    if scores.get("known") == 0:
        return f"no score is known: {scores['name']} holds nothing but NaN for this panel"
    return "no decision led to an order, as when every score is unknown, or every order was refused"


def flattering(settings: Mapping[str, Any]) -> list[str]:
    """The settings that make a result look better than trading could, in words, the gravest first."""
    costs, risk, execution = settings.get("costs"), settings.get("risk"), settings.get("execution") or {}
    found = []
    if execution.get("fill") == "same_close":
        found.append("fills at the price it was decided on")
    if execution.get("size_at") == "fill":
        found.append("orders are sized with the price they fill at")
    if costs is None:
        found.append("trading and financing are free")
    else:
        if not costs["commission_bps"] and not costs["commission_min"]:
            found.append("no commission")
        if not costs["slippage_bps"] and not costs["impact"]:
            found.append("no slippage")
        if not costs["borrow_rate"]:
            found.append("borrowing shares is free")
        if costs["debit_rate"] <= 0.0:
            found.append("borrowing cash is free")
    if execution.get("volume_cap") is None:
        free = costs is None or not costs["impact"]
        found.append("orders of any size fill, at no worse price" if free else "orders of any size fill")
    elif execution.get("cap_on") == "session":
        found.append("the volume cap knows the volume of its own session")
    if execution.get("lot") == 0:
        found.append("fractional shares")
    if risk is None:
        found.append("no risk limits")
    return found


def print_summary(result: Result, console: Console | None = None) -> None:
    """Print the summary to the terminal, or to ``console``."""
    (console or Console()).print(render(result))


def render(result: Result) -> RenderableType:
    """The summary as something rich can print."""
    figures = result.metrics
    parts: list[RenderableType] = [_heading(result)]
    reason = why_no_fill(result)
    if reason:
        parts.append(Text(f"no fill: {reason}.", style="red"))
    notes = flattering(result.settings)
    if notes:
        parts.append(Text("Flattered by: " + "; ".join(notes) + ".", style="yellow"))
    equity = result.tape.ledger[:, L_EQUITY]
    if equity.size:
        line = Text(f"\n{sparkline(np.concatenate(([result.cash], equity)), _LINE)}  ", style="cyan")
        line.append(f"{_money(figures['start_equity'])} to {_money(figures['end_equity'])}", style="default")
        parts.append(line)
    parts.append(Padding(_figures(figures), (1, 0)))
    parts.append(_gross_to_net(figures))
    last: list[RenderableType] = []
    happened = _event_lines(count_events(result))
    if happened:
        last.append(happened)
    halted = halted_since(result)
    if halted:
        last.append(
            Text(f"Halted since {halted}: positions are being closed and nothing else is ordered.", style="red")
        )
    resting = result.resting_orders.symbol.size
    if resting:
        last.append(Text(f"{resting:,} order{'s rest' if resting > 1 else ' rests'} for the next trading day"))
    if last:
        parts.append(Padding(Group(*last), (1, 0, 0, 0)))
    return Group(*parts)


def sparkline(values: np.ndarray, width: int) -> str:
    """A line of blocks as tall as the values, each the last one of its stretch; at most ``width`` characters."""
    if not values.size:
        return ""
    count = min(width, values.size)
    shown = values[np.linspace(0, values.size - 1, count).round().astype(int)]
    low, high = float(np.nanmin(shown)), float(np.nanmax(shown))
    if not high > low:
        return _BLOCKS[0] * count
    heights = np.nan_to_num((shown - low) / (high - low) * (len(_BLOCKS) - 1)).round().astype(int)
    return "".join(_BLOCKS[height] for height in heights)


def _heading(result: Result) -> Text:
    heading = Text(result.name, style="bold")
    if result.dates.size:
        span = f"{result.dates[0]} to {result.dates[-1]}, {result.dates.size:,} sessions"
    else:
        span = "no sessions"
    return heading.append(f"  {span}, {len(result.symbols):,} symbols", style="dim")


def _figures(figures: Mapping[str, Any]) -> Table:
    """Return, risk and trading side by side."""
    table = Table.grid(padding=(0, 3, 0, 0))
    columns = (
        (
            ("total return", _percent(figures["total_return"], sign=True)),
            ("CAGR", _percent(figures["cagr"], sign=True)),
            ("Sharpe ratio", _plain(figures["sharpe"])),
            ("up sessions", _percent(figures["hit_rate"])),
        ),
        (
            ("volatility", _percent(figures["volatility"])),
            ("max drawdown", _percent(figures["max_drawdown"])),
            ("gross exposure", _percent(figures["exposure_gross"])),
            ("net exposure", _percent(figures["exposure_net"], sign=True)),
        ),
        (
            ("turnover", _plain(figures["turnover"]) + "x a year"),
            ("fills", f"{figures['fills']:,}"),
        ),
    )
    for _ in columns:
        table.add_column()
        table.add_column(justify="right")
    for row in range(max(len(column) for column in columns)):
        cells: list[Text] = []
        for column in columns:
            name, value = column[row] if row < len(column) else ("", "")
            cells += [Text(name, style="dim"), Text(value)]
        table.add_row(*cells)
    rows = Table.grid()
    rows.add_row(table)
    if figures["max_drawdown_trough"]:
        rows.add_row(Text(_drawdown_dates(figures), style="dim"))
    if figures["first_position"]:
        rows.add_row(Text(_first_position(figures), style="dim"))
    return rows


def _first_position(figures: Mapping[str, Any]) -> str:
    before = figures["sessions_before_position"]
    return f"first position {figures['first_position']}, {before:,} session{'' if before == 1 else 's'} before it"


def _drawdown_dates(figures: Mapping[str, Any]) -> str:
    back = figures["max_drawdown_recovered"]
    return (
        f"max drawdown from {figures['max_drawdown_peak']} to {figures['max_drawdown_trough']}, "
        + (f"recovered {back}" if back else "not recovered")
    )  # fmt: skip


def _gross_to_net(figures: Mapping[str, Any]) -> Table:
    """From what the positions earned to what was left, per year: arithmetic, so that it adds up, unlike the CAGR."""
    table = Table.grid(padding=(0, 3, 0, 0))
    table.add_column()
    table.add_column(justify="right")
    table.add_row(Text("arithmetic return a year before costs"), Text(_percent(figures["return_gross"], sign=True)))
    for name, key, side in (
        ("commission", "cost_commission", -1.0),
        ("slippage", "cost_slippage", -1.0),
        ("borrow fees", "cost_borrow", -1.0),
        ("interest", "interest", 1.0),
    ):
        table.add_row(Text(f"  {name}", style="dim"), Text(_percent(side * figures[key], sign=True)))
    table.add_row(
        Text("arithmetic return a year after costs"), Text(_percent(figures["return_net"], sign=True), style="bold")
    )
    return table


def _event_lines(counts: Mapping[str, int]) -> RenderableType | None:
    """A line a family of events."""
    families: dict[str, list[str]] = {}
    for name, count in counts.items():
        first, _, rest = name.partition("_")
        family = _FAMILIES.get(name, first)
        label = name if name in _FAMILIES else rest
        families.setdefault(family, []).append(f"{label.replace('_', ' ')} {count:,}")
    if not families:
        return None
    table = Table.grid(padding=(0, 3, 0, 0))
    for family, entries in families.items():
        style = "red" if family == "halt" else "dim"
        table.add_row(Text(family, style=style), Text(", ".join(entries)))
    return table


def _percent(value: float, sign: bool = False) -> str:
    if not math.isfinite(value):
        return _UNKNOWN if math.isnan(value) else f"{value:+}"
    value = round(value * 100.0, 2) + 0.0  # no -0.00
    return f"{value:+,.2f} %" if sign else f"{value:,.2f} %"


def _plain(value: float) -> str:
    return f"{value:,.2f}" if math.isfinite(value) else _UNKNOWN


def _money(value: float) -> str:
    return f"{value:,.0f}"
