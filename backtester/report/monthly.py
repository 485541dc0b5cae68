"""The table of returns by month."""

from __future__ import annotations

import math
from collections.abc import Mapping

from rich.text import Text

from backtester.report import layout

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_KEYS = tuple(str(month) for month in range(1, 13))
_NONE = "."


def month_table(returns: Mapping[str, Mapping[str, float]], width: int) -> list[Text]:
    """Returns by month in percent with a decimal: a line a year, or where that is too wide a column a year.

    Args:
        returns: by year, then month (``"1"`` to ``"12"``) or ``"year"``, as fractions.
        width: columns of the terminal.
    """
    years = list(returns)
    if not years:
        return []
    header = ("", *_MONTHS, "year")
    keys = (*_KEYS, "year")
    rows = [(year, *(_cell(returns[year].get(key)) for key in keys)) for year in years]
    for gap in (2, 1):
        if layout.table_width(header, rows, gap) <= width:
            return layout.table(header, rows, gap=gap)
    each = 2 + max(len(cell) for row in rows for cell in row)
    fit = max((width - 4) // each, 1)  # years beside each other
    lines: list[Text] = []
    for first in range(0, len(years), fit):
        some = years[first : first + fit]
        turned = [
            (name, *(_cell(returns[year].get(key)) for year in some))
            for name, key in zip(header[1:], keys, strict=True)
        ]
        lines += ([Text()] if lines else []) + layout.table(("", *some), turned)
    return lines


def _cell(value: float | None) -> str:
    if value is None or math.isnan(value):
        return _NONE
    return f"{round(value * 100.0, 1) + 0.0:,.1f}"
