"""What a golden is: a small market whose fills and equity were worked out by hand, from the laws.

Read a case like this. ``bars`` has one entry a session for each symbol: ``10`` is an open and a close of 10 with a
volume of 1,000, ``(9, 10)`` an open and a close, ``(9, 10, 500)`` with a volume, ``None`` anywhere is unknown.
``script`` says what the strategy returns after the close of a session: a dict is a full target, ``named(...)`` a
mapping, a list explicit instructions; ``on_fill`` and ``on_halt`` say the same of those methods. ``fills`` are all
fills: session, symbol, shares, price, and where they matter commission and slippage. ``equity`` is that of every
session. ``events`` are all events: session, name, item (None is the book), and where they matter the three numbers.
The account starts with 10,000, every cost and limit is off unless the case names it, and sessions are a day apart.
Expected numbers are written as the arithmetic that gives them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from plain import Market

REARM = ("rearm",)
VOLUME = 1_000.0
ACTIVE, REDUCING, HALTED = 0.0, 1.0, 2.0  # the status in a ledger


def day(number: int) -> date:
    """Of a session, where sessions are a day apart."""
    return date(2024, 1, 1) + timedelta(number)


def named(**weights: float) -> tuple[str, dict[str, float]]:
    """A mapping: changes only."""
    return ("named", weights)


def order(symbol: str, shares: float, at: str | None = None) -> tuple[Any, ...]:
    """An explicit order."""
    return ("order", symbol, shares, at)


def cancel(symbol: str) -> tuple[Any, ...]:
    """Cancels what rests for a symbol."""
    return ("cancel", symbol)


@dataclass(frozen=True)
class Golden:
    """One case; see the top of the file."""

    name: str
    bars: dict[str, list[Any]]
    script: dict[int, Any]
    fills: list[tuple[Any, ...]]
    equity: Sequence[float]
    events: list[tuple[Any, ...]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    on_fill: dict[int, Any] | None = None
    on_halt: dict[int, Any] | None = None
    days: list[int] | None = None  # of each session, counted from the first
    actions: list[tuple[int, str, float, float]] = field(default_factory=list)  # day, symbol, split, dividend
    ends: dict[str, tuple[int, float]] = field(default_factory=dict)  # day of the end, delisting return
    members: dict[str, list[bool]] | None = None
    sectors: dict[str, str] = field(default_factory=dict)
    scores: dict[str, list[float | None]] | None = None  # None: no opinion
    ledger: dict[tuple[int, str], float] = field(default_factory=dict)  # more columns of the ledger
    average_cost: dict[str, float] = field(default_factory=dict)  # at the end
    resting: dict[str, float] = field(default_factory=dict)  # shares that rest at the end


FLAT = [10, 10, 10]
HALF = {"A": 0.5}  # 0.5 * 10000 / 10 = 500 shares of a symbol that closed at 10


def bar(entry: Any) -> tuple[float, float, float]:
    """Open, close and volume of an entry of ``Golden.bars``."""
    if entry is None:
        return (math.nan,) * 3
    values = (entry, entry) if isinstance(entry, int | float) else entry
    first, last, volume = (*values, VOLUME)[:3]
    return tuple(math.nan if value is None else float(value) for value in (first, last, volume))  # type: ignore[return-value]


def market_of(golden: Golden) -> Market:
    bars = {symbol: [bar(entry) for entry in entries] for symbol, entries in golden.bars.items()}
    sessions = len(next(iter(bars.values())))
    first, last, volume = ({symbol: [row[i] for row in rows] for symbol, rows in bars.items()} for i in range(3))
    return Market(
        [day(number) for number in golden.days or range(sessions)],
        open=first,
        close=last,
        volume=volume,
        actions=[(day(number), *action) for number, *action in golden.actions],  # type: ignore[misc]
        ends={symbol: (day(number), paid) for symbol, (number, paid) in golden.ends.items()},
        members=golden.members,
        sectors=golden.sectors,
        scores=golden.scores
        and {symbol: [bar(value)[0] for value in values] for symbol, values in golden.scores.items()},
    )
