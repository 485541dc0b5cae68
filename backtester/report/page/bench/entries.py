"""The entries of a bench as its page reads them: any part of the facts may be missing, and nothing here fails then."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from backtester.report import words as w
from backtester.report.page import charts as c
from backtester.report.page.charts import number, short

VARIANT = "variant"
DRAWN = 8  # variants with a line of their own; the others are in the tables
_BASELINES = 6  # baselines with one
# Lines: the winner and those behind it in colour, baselines in grey and broken.
_PAINTS = ("a", "warn", "up", "down", "a-mid", "q3", "q6", "ink")
_DASHES = ("dot", "dash", "dashdot", "longdash", "longdashdot", "solid")
_LABEL = 26  # characters beside a figure, so that a phone has room for the figure too
_HOVER = 160


class Entries:
    """What a bench found, by role, in the order of its facts: variants first, the best first."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        """Sort the entries; a variant is called by its place and name, so that long names stay apart when cut."""
        self.all: list[Mapping[str, Any]] = [one for one in facts.get("entries") or [] if isinstance(one, Mapping)]
        self.variants = [one for one in self.all if one.get("role") == VARIANT and one.get("figures")]
        self.baselines = [one for one in self.all if one.get("role") != VARIANT and one.get("figures")]
        self.good = [*self.variants, *self.baselines]
        self.failed = [one for one in self.all if not one.get("figures")]
        self.winner = next((one for one in self.variants if one.get("name") == facts.get("winner")), None)
        self.winner = self.winner or (self.variants[0] if self.variants else None)
        own = [one for one in self.all if one.get("role") == VARIANT]
        self.options = [*dict.fromkeys(str(key) for one in own for key in one.get("options") or {})]
        self._places = {str(one.get("name")): place for place, one in enumerate(self.variants, 1)}
        self._set = {str(one.get("name")): one.get("options") for one in self.variants}

    @property
    def name(self) -> str:
        """The winner by place and name."""
        return self.called((self.winner or {}).get("name"))

    @property
    def drawn(self) -> list[Mapping[str, Any]]:
        """The entries that have a line of their own where there would be too many."""
        return [*self.variants[:DRAWN], *self.baselines[:_BASELINES]]

    def called(self, name: Any) -> str:
        """An entry by place and name, plain text of any length."""
        place = self._places.get(str(name))
        return str(name) if place is None else f"{place}. {name}"

    def label(self, name: Any) -> str:
        """The same beside a figure: no tag in it, and cut; of a long name made of settings their values alone."""
        called, options = self.called(name), self._set.get(str(name))
        if len(called) > _LABEL and isinstance(options, Mapping) and options:
            values = [one if isinstance(one, str) else json.dumps(one, default=str) for one in options.values()]
            if all(f"={value}" in str(name) for value in values):
                called = f"{self._places[str(name)]}. {' '.join(values)}"
        return c.label(short(called, _LABEL))

    def mark(self, name: Any) -> str:
        """The same in next to no room, plain text: variants by their place alone."""
        place = self._places.get(str(name))
        return short(name, 14) if place is None else str(place)

    def line(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """Colour, dash and width of the line of one of `drawn`."""
        name = str(entry.get("name"))
        place = self._places.get(name)
        if place is not None:
            paint = _PAINTS[(place - 1) % len(_PAINTS)]
            return {"color": c.color(paint), "width": 2.6 if entry is self.winner else 1.4}
        place = next(k for k, one in enumerate(self.baselines) if one.get("name") == entry.get("name"))
        return {"color": c.color("b"), "width": 1.5, "dash": _DASHES[place % len(_DASHES)]}


def dig(told: Any, *keys: str) -> Any:
    """A value deep within mappings; None where any of them is missing."""
    for key in keys:
        told = told.get(key) if isinstance(told, Mapping) else None
    return told


def value_of(told: Any, *keys: str) -> float:
    """A number deep within mappings; NaN where there is none."""
    return number(dig(told, *keys))


def rows_of(told: Any, *keys: str) -> list[Mapping[str, Any]]:
    """A list of mappings deep within others; empty where there is none."""
    found = dig(told, *keys) if keys else told
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list | tuple) else []


def numbers_of(told: Any, *keys: str) -> list[float]:
    """The known numbers of a list, or of the values of a mapping, deep within mappings."""
    found = dig(told, *keys)
    found = list(found.values()) if isinstance(found, Mapping) else found
    return [value for value in map(number, found) if math.isfinite(value)] if isinstance(found, list | tuple) else []


def hover(text: str) -> str:
    """Text of anyone under the pointer: longer than a label, and no tag in it."""
    return html.escape(short(text, _HOVER), quote=False)


def chance(value: Any) -> str:
    """A p-value: with four decimals, and never 0."""
    return "< 0.0001" if 0.0 <= number(value) < 0.00005 else w.fine(value)


def span(told: Any) -> str:
    """The first and the last date of a market or a window; nothing where they are not known."""
    start, end = dig(told, "start"), dig(told, "end")
    return f"{start} to {end}" if start and end else ""


def list_of(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""
