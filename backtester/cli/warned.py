"""Warnings as lines for the reader, with the line of the reader's own code that they come from."""

from __future__ import annotations

import os
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Modules of others: what they warn of is caused by whoever called them.
_LIBRARIES = ("site-packages", sysconfig.get_path("stdlib"))
_SHIPPED = ("signals", "strategies")


@contextmanager
def told_warnings() -> Iterator[list[str]]:
    """The warnings given inside, a line each, in their order: kind, text, and file and line of the user's code."""
    lines: list[str] = []

    def note(message: Warning | str, category: type[Warning], *_: Any) -> None:
        kind = "" if category is UserWarning else f"{category.__name__}: "
        lines.append(f"{kind}{message}{_called_from()}")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = note  # type: ignore[assignment]
        yield lines


def _called_from() -> str:
    """Where the user's code called what warns; nothing if this package called it."""
    frame = sys._getframe(2)
    while frame is not None:
        room = frame.f_globals.get("__name__", "").partition(".")[0]
        file = frame.f_code.co_filename
        if room == "backtester":
            return ""
        if room not in _SHIPPED and not file.startswith("<") and not any(part in file for part in _LIBRARIES):
            there = os.path.relpath(file)
            return f" ({file if there.startswith('..') else there}:{frame.f_lineno})"
        frame = frame.f_back  # type: ignore[assignment]
    return ""
