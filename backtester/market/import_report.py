"""What an import read, kept, assumed and set aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from backtester.market import store
from backtester.market.columns import BARS
from backtester.market.quarantine import short

# Names listed in one line at most.
_LISTED = 8


class Checked(Protocol):
    """What the report needs of a check's own."""

    def brief(self, folder: str) -> list[str]:
        """The check's findings in short, line by line; the last says how to see more."""

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""


@dataclass(frozen=True)
class ImportReport:
    """What an import read, kept, assumed and set aside."""

    out: Path
    fingerprint: str  # of the dataset
    basis: str
    layout: str  # long, per-symbol or wide
    detected: tuple[str, ...]  # what was found out about the files
    rows: int  # bars read
    kept: int  # of these, in the dataset
    sessions: int
    first: np.datetime64
    last: np.datetime64
    symbols: int
    unknown: dict[str, int]  # column -> kept bars in which it is unknown
    extra: tuple[str, ...]  # further columns kept
    known: tuple[str, ...]  # since when each of them is known
    actions: dict[str, int]  # splits, dividends, and among them rolled, outside, without_bar
    ends_given: int
    ends_inferred: tuple[str, ...]  # symbols
    quarantined: dict[str, int]  # "table: reason" -> rows
    notes: tuple[str, ...]  # anything else worth knowing
    check: Checked | None = field(default=None, repr=False)  # None: not checked

    def lines(self) -> list[str]:
        """The report, one line a fact; the check's findings last, in short."""
        out = [
            *self.detected,
            f"{self.kept:,} of {many(self.rows, 'bar')} kept: {many(self.symbols, 'symbol')}, "
            f"{many(self.sessions, 'session')}, {self.first} to {self.last}, prices {self.basis}",
        ]
        unknown = [f"{count:,} without {name}" for name, count in self.unknown.items() if 0 < count < self.kept]
        if unknown:
            out.append(f"kept though not complete: {', '.join(unknown)}")
        out += absent([name for name in BARS if self.unknown[name] == self.kept])
        if self.extra:
            out.append(f"extra columns: {', '.join(self.extra)}")
            out += [f"  {words}" for words in self.known]
        a = self.actions
        if a["splits"] or a["dividends"]:
            out.append(f"{many(a['splits'], 'split')} and {many(a['dividends'], 'dividend')}")
            for key, words in (
                ("rolled", "dated on no session, acting in the next one"),
                ("outside", "dated before the first session or after the last, never acting"),
                ("without_bar", "on a session without a bar of the symbol"),
            ):
                if a[key]:
                    out.append(f"  {a[key]:,} of them {words}")
        if self.ends_given or self.ends_inferred:
            names = f" ({some(self.ends_inferred)})" if self.ends_inferred else ""
            out.append(f"endings: {self.ends_given:,} given, {len(self.ends_inferred):,} inferred{names}")
        total = sum(self.quarantined.values())
        if total:
            out.append(f"{many(total, 'row')} set aside in {store.QUARANTINE}:")
            for key, count in self.quarantined.items():
                table, reason = key.split(": ", 1)
                out.append(f"  {many(count, 'row')} of {table}, {reason}")
        else:
            out.append("no row set aside")
        out += self.notes
        out.append(f"written to {self.out}, fingerprint {self.fingerprint[:12]}")
        if self.check is not None:
            out += ["", *self.check.brief(str(self.out))]
        return out

    def summary(self) -> str:
        """The report as one text."""
        return "\n".join(self.lines())

    def to_json(self) -> dict[str, Any]:
        """The report as plain data; the check's own under ``check``, None if there was none."""
        return {
            "out": str(self.out),
            "fingerprint": self.fingerprint,
            "basis": self.basis,
            "layout": self.layout,
            "detected": list(self.detected),
            "rows": self.rows,
            "kept": self.kept,
            "sessions": self.sessions,
            "first": str(self.first),
            "last": str(self.last),
            "symbols": self.symbols,
            "unknown": dict(self.unknown),
            "extra": list(self.extra),
            "known": list(self.known),
            "actions": dict(self.actions),
            "ends_given": self.ends_given,
            "ends_inferred": list(self.ends_inferred),
            "quarantined": dict(self.quarantined),
            "notes": list(self.notes),
            "check": None if self.check is None else self.check.to_json(),
        }


def absent(columns: Sequence[str]) -> list[str]:
    """What follows when the files have nothing at all of a column."""
    out = []
    if "open" in columns:
        out.append("no open: an order for the open never fills; run with fills at the close (fill = 'close')")
    if "volume" in columns:
        out.append(
            "no volume: no symbol is tradable on any day, so nothing is ranked or bought; give volumes, or state one "
            "for all bars with assume_volume=... (--assume-volume)"
        )
    other = [name for name in columns if name not in ("open", "volume")]
    if other:
        out.append(f"no {' or '.join(other)}: unknown throughout")
    return out


def many(number: int, noun: str) -> str:
    """A count with its noun: ``1 row``, ``2 rows``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def some(names: Sequence[str], most: int = _LISTED) -> str:
    """The first of some names, and dots if there are more."""
    return ", ".join(short(name) for name in names[:most]) + (", ..." if len(names) > most else "")
