"""What a golden is: a small market whose fills and equity were worked out by hand, from the laws.

Read a case like this. ``bars`` has one entry a session for each symbol: ``10`` is an open and a close of 10 with a
volume of 1,000, ``(9, 10)`` an open and a close, ``(9, 10, 500)`` with a volume, ``None`` anywhere is unknown.
``script`` says what the strategy returns after the close of a session: a dict is a full target, ``named(...)`` a
mapping, a list explicit instructions. ``fills`` are all fills: session, symbol, shares, price, and where they matter
commission and slippage. ``equity`` is that of every session. ``events`` are all events: session, name, item (None is
the book), and where they matter the three numbers. The account starts with 10,000, every cost and limit is off unless
the case names it, and sessions are a day apart. Expected numbers are written as the arithmetic that gives them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

REARM = ("rearm",)
ACTIVE, REDUCING, HALTED = 0.0, 1.0, 2.0  # the status in a ledger


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
    on_fill: dict[int, Any] | None = None  # like script, for the method that is told of fills
    on_halt: dict[int, Any] | None = None  # and the one that is told of breakers that trip
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
