"""Numbers as a reader wants them: plain ASCII, of fixed decimals, "-" for what cannot be said."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

UNKNOWN = "-"


def percent(value: Any, *, sign: bool = False, places: int = 2) -> str:
    """A fraction as a percentage: 0.0123 is ``1.23 %``."""
    number = _number(value)
    if not math.isfinite(number):
        return _odd(number)
    number = round(number * 100.0, places) + 0.0  # no -0.00
    return f"{number:+,.{places}f} %" if sign else f"{number:,.{places}f} %"


def signed(value: Any) -> str:
    """A fraction as a percentage with its sign."""
    return percent(value, sign=True)


def plain(value: Any) -> str:
    """A number with two decimals."""
    number = _number(value)
    return f"{round(number, 2) + 0.0:,.2f}" if math.isfinite(number) else _odd(number)


def one(value: Any) -> str:
    """A number with one decimal."""
    number = _number(value)
    return f"{round(number, 1) + 0.0:,.1f}" if math.isfinite(number) else _odd(number)


def fine(value: Any) -> str:
    """A small number with four decimals."""
    number = _number(value)
    return f"{round(number, 4) + 0.0:,.4f}" if math.isfinite(number) else _odd(number)


def money(value: Any) -> str:
    """An amount without decimals; below 1,000 with two."""
    number = _number(value)
    if not math.isfinite(number):
        return _odd(number)
    return f"{number:,.0f}" if abs(number) >= 1000.0 or number == round(number) else f"{number:,.2f}"


def times(value: Any) -> str:
    """A multiple."""
    return UNKNOWN if math.isnan(_number(value)) else f"{plain(value)}x"


def count(value: Any) -> str:
    """A whole number."""
    number = _number(value)
    return f"{round(number):,}" if math.isfinite(number) else _odd(number)


def sessions(value: Any) -> str:
    """A number of sessions."""
    number = _number(value)
    return many(round(number), "session") if math.isfinite(number) else _odd(number)


def text(value: Any) -> str:
    """Text; "-" for none."""
    return str(value) if value not in (None, "") else UNKNOWN


def many(number: int, noun: str) -> str:
    """``1 row``, ``2 rows``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(settings: Mapping[str, Any], skip: Sequence[str] = ()) -> str:
    """Settings in a line: ``long 25, short 25, every 5``. What is off or empty is left out."""
    return ", ".join(
        f"{key} {_setting(value)}"
        for key, value in settings.items()
        if key not in skip and value is not None and value is not False and value != {} and value != []
    )


def class_name(name: str) -> str:
    """A class of the packages that come along as a config names it: ``strategies:Reversal``."""
    module, _, kind = name.rpartition(":")
    package = module.partition(".")[0]
    return f"{package}:{kind}" if package in ("strategies", "signals") else name


def short_hash(text: str) -> str:
    """The first 12 digits of a SHA-256; any other text as it is."""
    return text[:12] if len(text) == 64 and set(text) <= set("0123456789abcdef") else text


def _setting(value: Any) -> str:
    if isinstance(value, Mapping):
        return "(" + listed(value) + ")"
    if isinstance(value, list | tuple):
        shown = [_setting(entry) for entry in value[:4]]
        return "[" + ", ".join(shown) + (f", ... {len(value)} in all" if len(value) > 4 else "") + "]"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,.0f}" if abs(value) >= 10_000 and value == round(value) else f"{value:g}"
    return short_hash(class_name(str(value)))


def _number(value: Any) -> float:
    """A number, or NaN for what is none."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def _odd(value: float) -> str:
    return UNKNOWN if math.isnan(value) else "inf" if value > 0 else "-inf"
