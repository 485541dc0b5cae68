"""The parts of a page as HTML: sections, tables, lists. Every function escapes what it is given, unless it says so."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

_PER_CENT = re.compile(r"(?<=\d) %")


class Markup(str):
    """Text that is HTML already; any other text is escaped, also where it is added to this."""

    def __add__(self, other: str) -> Markup:
        """This and then the other, escaped unless it is HTML already."""
        return Markup(str.__add__(self, escape(other)))


class Beside(NamedTuple):
    """Parts next to each other where there is room."""

    parts: tuple[Any, ...]  # Markup, Chart


class Stack(NamedTuple):
    """Parts below each other, as one of those that stand beside each other."""

    parts: tuple[Any, ...]  # Markup, Chart


class Section(NamedTuple):
    """A part of the page with a heading and a link to it."""

    key: str
    title: str
    parts: tuple[Any, ...]  # Markup, Chart, Beside


def escape(text: Any) -> Markup:
    """Text as HTML; a per cent sign stays with its number."""
    return text if isinstance(text, Markup) else Markup(_PER_CENT.sub("\u00a0%", html.escape(str(text))))


def tag(name: str, content: Any, kind: str = "", **attributes: str) -> Markup:
    """An element; `kind` is its class."""
    given = ({"class": kind} if kind else {}) | {key.replace("_", "-"): value for key, value in attributes.items()}
    told = "".join(f' {key}="{html.escape(value)}"' for key, value in given.items())
    return Markup(f"<{name}{told}>{escape(content)}</{name}>")


def joined(parts: Sequence[Any], between: str = "") -> Markup:
    """Parts one after the other."""
    return Markup(between.join(escape(part) for part in parts))


def paragraph(text: Any, kind: str = "") -> Markup:
    """A paragraph."""
    return tag("p", text, kind)


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    title: str = "",
    note: str = "",
    text_columns: int = 1,
) -> Markup:
    """A table that scrolls in a box of its own where it is too wide.

    Args:
        header: of the columns.
        rows: cells of text; numbers are formed already.
        title: above it.
        note: below it.
        text_columns: how many of the first columns are text, and flush left.
    """
    sides = ["text" if place < text_columns else "" for place in range(len(header))]
    head = joined([tag("th", cell, side, scope="col") for cell, side in zip(header, sides, strict=True)])
    body = joined(
        [tag("tr", joined([_cell(cell, side) for cell, side in zip(row, sides, strict=True)])) for row in rows]
    )
    grid = tag("table", tag("thead", tag("tr", head)) + tag("tbody", body))
    return titled(title, boxed(grid), note)


def pairs(rows: Sequence[tuple[Any, Any]], *, title: str = "", note: str = "") -> Markup:
    """Labels with what there is to say: text of any length."""
    told = joined([tag("dt", name) + tag("dd", said) for name, said in rows])
    return titled(title, tag("dl", told, "facts"), note)


def figures(rows: Sequence[tuple[str, str]], *, title: str = "", note: str = "") -> Markup:
    """Labels with one figure each, in a narrow table."""
    body = joined([tag("tr", tag("th", name, "text", scope="row") + tag("td", said)) for name, said in rows])
    return titled(title, boxed(tag("table", tag("tbody", body), "figures")), note)


def tiles(rows: Sequence[tuple[str, str, str]]) -> Markup:
    """The few figures at the head: label, figure, and what is said below it."""
    cells = [
        tag(
            "div", tag("span", name, "name") + tag("b", value) + tag("span", below or Markup("&nbsp;"), "below"), "tile"
        )
        for name, value, below in rows
    ]
    return tag("div", joined(cells), "tiles")


def notes(rows: Sequence[tuple[str, str]]) -> Markup:
    """Warnings: text with its style (``red``, ``yellow`` or none)."""
    return tag("ul", joined([tag("li", text, style or "plain") for text, style in rows]), "notes") if rows else Markup()


def month_grid(returns: Mapping[str, Mapping[str, float]]) -> Markup:
    """Returns by month as a table whose cells are shaded: the larger the stronger.

    Args:
        returns: by year, then month (``"1"`` to ``"12"``) or ``"year"``, as fractions.
    """
    names = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Year")
    keys = (*(str(month) for month in range(1, 13)), "year")
    known = [abs(value) for row in returns.values() for key, value in row.items() if key != "year"]
    most = max((value for value in known if math.isfinite(value)), default=0.0) or 1.0
    head = tag("th", "", "text") + joined([tag("th", name, scope="col") for name in names])
    body = [
        tag("tr", tag("th", year, "text", scope="row") + joined([_shaded(row.get(key), most) for key in keys]))
        for year, row in returns.items()
    ]
    return boxed(tag("table", tag("thead", tag("tr", head)) + tag("tbody", joined(body)), "months"))


def boxed(content: Markup) -> Markup:
    """What is wide, in a box that scrolls by itself; a keyboard reaches it too."""
    return tag("div", content, "scroll", tabindex="0")


def titled(title: str, content: Markup, note: str = "") -> Markup:
    """Something with a heading of its own and a remark."""
    head = tag("h3", title) if title else ""
    return tag("div", joined([head, content, tag("p", note, "note") if note else ""]), "part")


def folded(title: str, content: Markup) -> Markup:
    """What is opened by a click; printed it is open."""
    return tag("details", tag("summary", title) + content)


def _cell(cell: Any, side: str) -> Markup:
    return tag("td", cell, side)


def _shaded(value: float | None, most: float) -> Markup:
    if value is None or not math.isfinite(value):
        return tag("td", "")
    share = min(abs(value) / most, 1.0) * 0.5
    text = f"{round(value * 100.0, 1) + 0.0:,.1f}"
    return tag("td", text, "up" if value > 0.0 else "down" if value < 0.0 else "", style=f"--w:{share * 100.0:.0f}%")
