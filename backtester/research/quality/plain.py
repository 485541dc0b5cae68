"""Figures as plain data, which JSON can hold."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

# Significant digits: what lies beyond differs between machines and says nothing.
DIGITS = 6


def number(value: Any, digits: int = DIGITS) -> float | None:
    """A number to some significant digits; None where it is not finite."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def numbers(values: Iterable[Any], digits: int = DIGITS) -> list[float | None]:
    """Many of them."""
    return [number(value, digits) for value in values]


def record(row: Any) -> dict[str, Any]:
    """A named tuple of text and numbers as a dict; whole numbers and text stay as they are."""
    return {key: value if isinstance(value, int | str) else number(value) for key, value in row._asdict().items()}
