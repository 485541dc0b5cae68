"""Lines of text that fit a terminal: grids of figures, tables, paragraphs, and blocks side by side.

Everything is laid out here and not by rich, whose tables cut numbers off where a terminal is narrow. Nothing here ever
cuts: a grid takes fewer columns, a paragraph more lines, and a table that does not fit at all stays as wide as it is.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text

_GAP = 3  # between columns
Pair = tuple[str, str]


def grid(pairs: Sequence[Pair], width: int, most: int = 4) -> list[Text]:
    """Labels and figures in as many columns as fit, filled from top to bottom."""
    for columns in range(min(most, len(pairs)), 0, -1):
        rows = -(-len(pairs) // columns)
        stacks = [pairs[first : first + rows] for first in range(0, len(pairs), rows)]
        sizes = [(max(len(name) for name, _ in stack), max(len(value) for _, value in stack)) for stack in stacks]
        if sum(name + 2 + value for name, value in sizes) + _GAP * (len(stacks) - 1) <= width or columns == 1:
            return [_grid_line(stacks, sizes, row) for row in range(rows)]
    return []


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1, strong: str = "", gap: int = 2
) -> list[Text]:
    """A table as wide as its cells: the first `left` columns to the left, the others to the right.

    Args:
        header: the dim first line.
        rows: as many cells each as the header has.
        left: how many columns stand to the left.
        strong: how a cell ends that is to be bold; ``""`` for none.
        gap: spaces between columns.
    """
    sizes = [max(len(row[k]) for row in [header, *rows]) for k in range(len(header))]
    lines = []
    for number, row in enumerate([header, *rows]):
        line = Text(style="dim" if number == 0 else "")
        for k, cell in enumerate(row):
            bold = number > 0 and bool(strong) and cell.endswith(strong)
            shown = cell.ljust(sizes[k]) if k < left else cell.rjust(sizes[k])
            line.append(" " * gap if k else "").append(shown, style="bold" if bold else None)
        line.rstrip()
        lines.append(line)
    return lines


def table_width(header: Sequence[str], rows: Sequence[Sequence[str]], gap: int = 2) -> int:
    """The width of :func:`table` for these cells."""
    cells = sum(max(len(row[k]) for row in [header, *rows]) for k in range(len(header)))
    return cells + gap * (len(header) - 1)


def paragraph(words: str, width: int, style: str = "", label: str = "") -> list[Text]:
    """Words over as many lines as they need; a dim label before the first, the others below what follows it."""
    indent = " " * len(label) if len(label) <= width // 3 else "  "
    wrapped = textwrap.wrap(
        words, max(width - len(label), 8), break_long_words=False, break_on_hyphens=False
    )  # fmt: skip
    lines = []
    for k, part in enumerate(wrapped or [""]):
        line = Text(label if k == 0 else indent, style="dim" if label else "")
        lines.append(line.append(part, style=style or "not dim"))
    return lines


def titled(title: str, lines: Sequence[Text], style: str = "bold") -> list[Text]:
    """Lines under a title; nothing if there are none."""
    return [Text(title, style=style), *lines] if lines else []


def stacked(blocks: Sequence[Sequence[Text]]) -> list[Text]:
    """Blocks one above the other, an empty line between."""
    lines: list[Text] = []
    for block in blocks:
        if block:
            lines += ([Text()] if lines else []) + list(block)
    return lines


def side_by_side(left: Sequence[Text], right: Sequence[Text], gap: int = 4) -> list[Text]:
    """Two blocks beside each other."""
    width = max((cell_len(line.plain) for line in left), default=0)
    lines = []
    for row in range(max(len(left), len(right))):
        line = left[row].copy() if row < len(left) else Text()
        if row < len(right):
            line.append(" " * (width + gap - cell_len(line.plain))).append_text(right[row])
            line.rstrip()
        lines.append(line)
    return lines


def lines_width(lines: Sequence[Text]) -> int:
    """The width of the widest line."""
    return max((cell_len(line.plain) for line in lines), default=0)


def _grid_line(stacks: Sequence[Sequence[Pair]], sizes: Sequence[tuple[int, int]], row: int) -> Text:
    line = Text()
    for k, (stack, (name_size, value_size)) in enumerate(zip(stacks, sizes, strict=True)):
        if row < len(stack):
            name, value = stack[row]
            line.append(" " * _GAP if k else "").append(name.ljust(name_size), style="dim")
            line.append("  " + value.rjust(value_size))
    line.rstrip()
    return line
