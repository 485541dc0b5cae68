"""The runs in a folder, a line each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from backtester.errors import RunError

_FIGURES = (
    ("return", "total_return", "{:+.2%}"),
    ("volatility", "volatility", "{:.2%}"),
    ("Sharpe", "sharpe", "{:.2f}"),
    ("drawdown", "max_drawdown", "{:.2%}"),
    ("turnover", "turnover", "{:.1f}x"),
    ("fills", "fills", "{:,}"),
)


def list_runs(folder: Path) -> Table | None:
    """A table of the runs in a folder, the newest last; None if there is none. A damaged one is listed as such.

    Raises:
        RunError: there is no such folder.
    """
    if not folder.is_dir():
        raise RunError(f"There is no folder {folder}. Runs are written to runs/ unless --out says otherwise.")
    runs = [path for path in folder.iterdir() if (path / "run.json").is_file() and not path.name.startswith(".")]
    if not runs:
        return None
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("run", overflow="fold")
    for title, _, _ in _FIGURES:
        table.add_column(title, justify="right")
    for run in sorted(runs, key=lambda path: ((path / "run.json").stat().st_mtime, path.name)):
        metrics = _metrics(run)
        if metrics is None:
            table.add_row(run.name, Text("damaged: metrics.json cannot be read", style="red"))
            continue
        table.add_row(run.name, *(_shown(metrics.get(key), form) for _, key, form in _FIGURES))
    return table


def _metrics(run: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _shown(value: Any, form: str) -> str:
    return form.format(value) if isinstance(value, int | float) else "-"
