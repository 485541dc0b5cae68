"""What the summary says, as plain data: the same for the terminal, for ``--json`` and for whoever compares runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from backtester.engine import types as t
from backtester.report.earned import contributors
from backtester.report.flatter import flattering, left_out
from backtester.report.notes import data_check
from backtester.report.words import percent
from backtester.research.book import wiped_out
from backtester.result import Result

# Events of one family share the first word of their name; the others are listed here.
_FAMILIES = {
    "split": "market",
    "dividend": "market",
    "settlement": "market",
    "order_split": "market",
    "replaced": "orders",
    "cancelled": "orders",
    "unknown_volatility": "clipped",
    "rearmed": "breakers",
}
_BREAKERS = ("halt", "guard")
# Losses: (equity compared with, equity, limit).
_LOSSES = {
    "halt_daily_loss": "the session lost",
    "halt_period_loss": "the last sessions lost",
    "halt_drawdown": "equity is below its peak by",
}
# Guards: (a fraction, equity, limit).
_GUARDED = {
    "guard_gross": "gross exposure is",
    "guard_net": "net exposure is",
    "guard_stale_data": "the share of listed members with a fresh price is",
    "guard_unscored": "the share of members without a score is",
}


def summarise(result: Result) -> dict[str, Any]:
    """The content of the summary as plain data.

    Returns:
        A dict whose keys stay: ``name``, ``start``, ``end`` (ISO dates, ``""`` for an empty run), ``sessions``,
        ``symbols`` (their number), ``settings``, ``data_check`` (in words, ``""`` if there is nothing to say),
        ``flattered_by`` and ``leaves_out`` (in words), ``metrics`` (NaN is unknown), ``contributors`` (see
        `earned.contributors`),
        ``without_breakers`` (the metrics of the same run without breakers, None where none tripped), ``monthly`` (year
        to month 1 to 12 and "year" to return), ``drawdowns`` (the worst first), ``breakers`` (every trip: ``date``,
        ``event``, ``cause`` in words, the ``value`` that was measured, its ``limit``, ``equity``, and ``active_again``,
        a date or ``""``), ``status`` at the end (``active``, ``reducing``, ``halted``; ``""`` for an empty run),
        ``halted_since`` (since when, unless active) and ``wiped_out`` (ISO date or ``""``),
        ``sessions_after_position`` (how many at the end closed without one), ``events`` (counts of those that
        happened), ``resting`` (orders left), ``no_fill`` (why nothing was traded, ``""`` if something was),
        ``content_hash``, ``record_hash``.
    """
    ledger, metrics = result.tape.ledger, dict(result.metrics)
    longs, shorted = (bool((ledger[:, side] > 0.0).any()) for side in (t.L_LONG, t.L_SHORT))
    return {
        "name": result.name,
        "start": str(result.dates[0]) if result.dates.size else "",
        "end": str(result.dates[-1]) if result.dates.size else "",
        "sessions": int(result.dates.size),
        "symbols": len(result.symbols),
        "settings": result.settings,
        "data_check": data_check(result.settings),
        "flattered_by": flattering(
            result.settings,
            longs=longs,
            shorted=shorted,
            symbols=result.symbols,
            gross=metrics["exposure_gross_max"],
        ),
        "leaves_out": left_out(result.settings, shorted=shorted),
        "metrics": metrics,
        "contributors": contributors(result),
        "without_breakers": without_breakers(result),
        "monthly": monthly(result),
        "drawdowns": drawdowns(result),
        "breakers": breakers(result),
        "status": t.STATUSES[int(ledger[-1, t.L_STATUS])] if len(ledger) else "",
        "halted_since": metrics["halted_since"],
        "wiped_out": wiped_out(result),
        "sessions_after_position": _after_position(ledger),
        "events": count_events(result),
        "resting": int(result.resting_orders.symbol.size),
        "no_fill": why_no_fill(result),
        "content_hash": result.content_hash,
        "record_hash": result.record_hash,
    }


def count_events(result: Result) -> dict[str, int]:
    """How often each kind of event happened, those that never did left out."""
    counts = np.bincount(result.tape.event_i[:, t.EVENT_CODE], minlength=len(t.EVENTS))
    return {name: int(count) for (name, _, _), count in zip(t.EVENTS, counts, strict=True) if count}


def families(counts: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Counts of events by family: ``{"clipped": {"max_gross": 3}}``."""
    found: dict[str, dict[str, int]] = {}
    for name, count in counts.items():
        first, _, rest = name.partition("_")
        breaker = first in _BREAKERS
        family = "breakers" if breaker else _FAMILIES.get(name, first)
        label = name if breaker or name in _FAMILIES else rest
        found.setdefault(family, {})[label] = count
    return found


def breakers(result: Result) -> list[dict[str, Any]]:
    """Every trip of a breaker, with its cause and its numbers, and when the book was active again."""
    found: list[dict[str, Any]] = []
    waiting: list[dict[str, Any]] = []
    for (session, code, _), numbers in zip(result.tape.event_i, result.tape.event_f, strict=True):
        name, date = t.EVENTS[code][0], str(result.dates[session])
        if name == "rearmed":
            for trip in waiting:
                trip["active_again"] = date
            waiting = []
        elif name.partition("_")[0] in _BREAKERS:
            waiting.append({"date": date, "event": name, **_trip(name, *map(float, numbers)), "active_again": ""})
            found.append(waiting[-1])
    return found


def _after_position(ledger: Any) -> int:
    """How many sessions at the end closed without a position."""
    held = np.flatnonzero((ledger[:, t.L_LONG] > 0.0) | (ledger[:, t.L_SHORT] > 0.0))
    return len(ledger) - 1 - int(held[-1]) if held.size else len(ledger)


def without_breakers(result: Result) -> dict[str, Any] | None:
    """The metrics of the same run without its breakers; None if no breaker tripped."""
    return None if result.without_breakers is None else dict(result.without_breakers)


def monthly(result: Result) -> dict[str, dict[str, float]]:
    """Returns by year and month; a month without sessions is left out."""
    return {
        str(year): {str(month): float(value) for month, value in row.items() if not math.isnan(value)}
        for year, row in result.monthly.iterrows()
    }


def drawdowns(result: Result, most: int = 5) -> list[dict[str, Any]]:
    """The worst falls of equity, the deepest first: columns of ``Result.drawdowns``; the peak may be ``"start"``."""
    rows = result.drawdowns.head(most).to_dict("records")
    falls = [{str(key): _plain(value) for key, value in row.items()} for row in rows]
    return [fall | {"peak": fall["peak"] or "start"} for fall in falls]


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


def _trip(name: str, before: float, after: float, limit: float) -> dict[str, Any]:
    """What tripped: ``value`` was measured and the ``limit`` was this; the equity then; and the same in words."""
    value = before
    if name in _LOSSES:
        value = 1.0 - after / before if before > 0.0 else math.nan
        cause = f"{_LOSSES[name]} {percent(value)}; the limit is {percent(limit)}"
    elif name in _GUARDED:
        cause = f"{_GUARDED[name]} {percent(value)}; the limit is {percent(limit)}"
    elif name == "guard_equal_scores":
        cause, limit = f"all {value:,.0f} scores are equal", math.nan
    else:
        cause = name.replace("_", " ")
    return {"cause": cause, "value": value, "limit": limit, "equity": after}


def _plain(value: Any) -> Any:
    """A cell of a table: dates as ISO text, what is missing as None, NumPy numbers as Python's."""
    if value is None or value != value:
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()[:10]
    return value.item() if isinstance(value, np.generic) else value
