"""What signals say while they learn: the lines of the logger ``signals``, dim on standard error."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import typer


class _Dim(logging.Handler):
    """Writes a record as a dim line; a bar that is being drawn stays below it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write it."""
        typer.secho(self.format(record), dim=True, err=True)


@contextmanager
def told_log() -> Iterator[None]:
    """Show what the logger ``signals`` says inside, from INFO on."""
    logger, shown = logging.getLogger("signals"), _Dim(logging.INFO)
    before = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(shown)
    try:
        yield
    finally:
        logger.removeHandler(shown)
        logger.setLevel(before)
