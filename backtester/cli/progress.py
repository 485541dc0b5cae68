"""How far a long piece of work has come: a bar with the time left, on a terminal only.

Library functions that take long know nothing of terminals: they take ``progress``, a function of what is being done,
how much is done and how much there is to do (0: unknown), and call it now and then. Here is the function that draws.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

# progress(what, done, total): "reading", 3, 12.
Progress = Callable[[str, int, int], None]


@contextmanager
def progress(after: float = 1.0, stream: TextIO | None = None) -> Iterator[Progress | None]:
    """The function to hand to a library function as ``progress``; None where nothing should be drawn.

    It draws on standard error, and only if that is a terminal: a pipe or a log stays clean. Nothing is drawn of work
    that is over before `after` seconds, and everything is wiped in the end.

    Args:
        after: seconds before the first drawing.
        stream: where to, instead of standard error.
    """
    stream = sys.stderr if stream is None else stream
    if not stream.isatty():
        yield None
        return
    drawing = _Drawing(stream, after)
    try:
        yield drawing
    finally:
        drawing.end()


class _Drawing:
    """Draws a line a piece of work, from the first call that comes late enough."""

    def __init__(self, stream: TextIO, after: float) -> None:
        self._stream = stream
        self._begin_at = time.monotonic() + after
        self._bars: Bars | None = None
        self._lines: dict[str, TaskID] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        """Draw that `done` of `total` is done (0: unknown)."""
        if self._bars is None:
            if time.monotonic() < self._begin_at:
                return
            self._bars = _bars(self._stream)
            self._bars.start()
        if what not in self._lines:
            self._lines[what] = self._bars.add_task(what, total=total or None)
        self._bars.update(self._lines[what], completed=done, total=total or None)

    def end(self) -> None:
        """Wipe what was drawn."""
        if self._bars is not None:
            self._bars.stop()


def _bars(stream: TextIO) -> Bars:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(bar_width=30), TaskProgressColumn(), TimeRemainingColumn()
    return Progress(*columns, console=Console(file=stream), transient=True)
