"""The runs in a folder, a line each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from backtester.cli.finding import run_names
from backtester.errors import RunError, did_you_mean
from backtester.report import layout
from backtester.report import words as w

_COLUMNS = (
    ("return", "total_return", w.signed),
    ("volatility", "volatility", w.percent),
    ("Sharpe", "sharpe", w.plain),
    ("drawdown", "max_drawdown", w.percent),
    ("turnover", "turnover", w.one),
    ("fills", "fills", w.count),
)


def list_runs(folder: Path) -> list[dict[str, Any]]:
    """The runs in a folder, the newest last.

    A dict a run: ``run`` (the name), ``folder``, ``damaged`` (why its figures cannot be read, ``""`` if they can) and
    ``metrics`` (None if they cannot).

    Raises:
        RunError: there is no such folder.
    """
    if not folder.is_dir():
        around = folder.absolute().parent
        near = (path.name for path in around.glob("*/")) if around.is_dir() else ()
        hint = did_you_mean(folder.name, near)
        raise RunError(f"There is no folder {folder}.{hint} Runs are written to runs/ unless --out says otherwise.")
    return [_row(folder / name) for name in run_names(folder)]


def print_runs(rows: list[dict[str, Any]], console: Console | None = None) -> None:
    """Print what :func:`list_runs` found as a table; where the terminal is narrow, with a line for the name alone."""
    console = console or Console()
    header = ("run", *(title for title, _, _ in _COLUMNS))
    cells = [(row["run"], *_figures(row["metrics"])) for row in rows if row["metrics"] is not None]
    wide = not cells or layout.table_width(header, cells) <= console.width
    if not wide:
        header, cells = header[1:], [cell[1:] for cell in cells]
    shown = iter(layout.table(header, cells, 1 if wide else 0))
    lines = [next(shown)] if cells else []
    for row in rows:
        if row["metrics"] is None:
            lines.append(Text(f"{row['run']}  damaged: {row['damaged']}", style="red"))
            continue
        lines += ([] if wide else [Text(row["run"], style="bold")]) + [next(shown)]
    for line in lines:
        line.overflow = "fold"
        console.print(line)


def _row(run: Path) -> dict[str, Any]:
    try:
        found = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
        damaged = "" if isinstance(found, dict) else "metrics.json holds no figures"
    except (OSError, ValueError):
        found, damaged = None, "metrics.json cannot be read"
    return {"run": run.name, "folder": str(run), "damaged": damaged, "metrics": None if damaged else found}


def _figures(metrics: dict[str, Any]) -> tuple[str, ...]:
    return tuple(form(metrics.get(key)) for _, key, form in _COLUMNS)
