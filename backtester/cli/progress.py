"""How far a long piece of work has come: a bar with the time left, on a terminal only.

Library functions that take long know nothing of terminals: they take ``progress``, a function of what is being done,
how much is done and how much there is to do (0: unknown), and call it now and then. Here is the function that draws.
"""

from __future__ import annotations

import sys
import threading
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
    """Draws a line a piece of work, once the time has come: then even while nothing is called."""

    def __init__(self, stream: TextIO, after: float) -> None:
        self._stream = stream
        self._state: dict[str, tuple[int, int]] = {}  # done and total of what is to be seen
        self._lines: dict[str, TaskID] = {}
        self._bars: Bars | None = None
        self._over = False
        self._lock = threading.Lock()
        self._timer = threading.Timer(after, self._begin)
        self._timer.daemon = True
        self._timer.start()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show that `done` of `total` is done. Work of unknown length is over when other work is told of."""
        with self._lock:
            for other in [name for name, (_, length) in self._state.items() if not length and name != what]:
                del self._state[other]
            self._state[what] = done, total
            self._draw()

    def end(self) -> None:
        """Wipe what was drawn."""
        self._timer.cancel()
        with self._lock:
            if self._bars is not None:
                self._bars.stop()
            self._over = True

    def _begin(self) -> None:
        with self._lock:
            if self._over:
                return
            self._bars = _bars(self._stream)
            self._bars.start()
            self._draw()

    def _draw(self) -> None:
        if self._bars is None:
            return
        for gone in [name for name in self._lines if name not in self._state]:
            self._bars.remove_task(self._lines.pop(gone))
        for what, (done, total) in self._state.items():
            if what not in self._lines:
                self._lines[what] = self._bars.add_task(what, total=total or None)
            self._bars.update(self._lines[what], completed=done, total=total or None)


def _bars(stream: TextIO) -> Bars:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(bar_width=30), TaskProgressColumn(), TimeRemainingColumn()
    return Progress(*columns, console=Console(file=stream), transient=True)
