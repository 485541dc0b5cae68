"""The runs in a folder, a line each."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from backtester.cli.finding import BENCH, RUNS, bench_names, damage, run_names
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
_MADE = "made"
_HALTED = "halted"
_HASH = re.compile(r"(?<=-)([0-9a-f]{4})[0-9a-f]{4}(-[0-9a-f]{8})?$")  # what the folder of a run ends with


def list_runs(folder: Path) -> list[dict[str, Any]]:
    """The runs in a folder, the newest last.

    A dict a run: ``run`` (the name), ``folder``, ``made`` (when, local time), ``damaged`` (why its figures cannot be
    read, ``""`` if they can) and ``metrics`` (None if they cannot).

    Raises:
        RunError: there is no such folder.
    """
    if not folder.is_dir():
        around = folder.absolute().parent
        near = (path.name for path in around.glob("*/")) if around.is_dir() else ()
        hint = did_you_mean(folder.name, near)
        raise RunError(f"There is no folder {folder}.{hint} Runs are written to runs/ unless --out says otherwise.")
    inside = folder / RUNS.name if (folder / BENCH).is_file() else folder  # a bench keeps its runs in a folder
    return [_row(inside / name) for name in run_names(inside)]


def list_benches(folder: Path) -> list[dict[str, Any]]:
    """The benches in a folder, the newest last.

    A dict a bench: ``bench`` (the name), ``folder``, ``made`` (when, local time), ``damaged`` (whether it cannot be
    read), ``variants`` (how many ran), ``winner`` and ``sharpe``, its net Sharpe ratio.
    """
    return [_bench_row(folder / name) for name in bench_names(folder)]


def _bench_row(bench: Path) -> dict[str, Any]:
    made = datetime.fromtimestamp((bench / BENCH).stat().st_mtime).isoformat(" ", "minutes")
    row = {"bench": bench.name, "folder": str(bench), "made": made, "damaged": False}
    try:
        facts = json.loads((bench / BENCH).read_text(encoding="utf-8"))
        ran = [one for one in facts["entries"] if one["role"] == "variant" and one["figures"]]
        winner = next(one for one in ran if one["name"] == facts["winner"])
        sharpe = winner["figures"]["net"]["sharpe"]["value"]
        return {**row, "variants": len(ran), "winner": winner["name"], "sharpe": sharpe}
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return {**row, "damaged": True, "variants": None, "winner": None, "sharpe": None}


def print_benches(rows: list[dict[str, Any]], console: Console | None = None, after: bool = False) -> None:
    """Print what :func:`list_benches` found; ``after``: whether runs stand above."""
    console = console or Console()
    header: tuple[str, ...] = ("bench", "variants", "Sharpe", "made")
    cells: list[tuple[str, ...]] = [
        (row["bench"], w.count(row["variants"]), w.plain(row["sharpe"]), row["made"]) for row in rows
    ]
    if layout.table_width(header, cells) > console.width:
        header, cells = header[:3], [cell[:3] for cell in cells]
    lines = layout.table(header, cells, 1)
    first = [Text("")] if after else []
    for line in [*first, *lines]:
        line.overflow = "fold"
        console.print(line)


def print_runs(rows: list[dict[str, Any]], console: Console | None = None) -> None:
    """Print what :func:`list_runs` found as a table.

    Where the terminal is narrow, first the time is left out, then hashes are shortened as far as they still tell the
    runs apart, and at last the name gets a line of its own.
    """
    console = console or Console()
    whole = [row for row in rows if row["metrics"] is not None]
    marks = _marks(whole)
    titles = [title for title, _, _ in _COLUMNS] + ([""] if any(marks) else [])
    figures = [
        (*_figures(row["metrics"]), *([mark] if any(marks) else [])) for row, mark in zip(whole, marks, strict=True)
    ]
    names = [row["run"] for row in whole]
    ways = [
        (("run", *titles, _MADE), [(n, *c, row["made"]) for n, c, row in zip(names, figures, whole, strict=True)]),
        (("run", *titles), [(n, *c) for n, c in zip(names, figures, strict=True)]),
        (("run", *titles), [(n, *c) for n, c in zip(_shortened(names), figures, strict=True)]),
    ]
    fitting = [way for way in ways if layout.table_width(*way) <= console.width]
    wide = bool(fitting) or not whole
    header, cells = fitting[0] if fitting else (tuple(titles), figures)
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


def _marks(rows: list[dict[str, Any]]) -> list[str]:
    """A word for runs that a breaker still holds at their end."""
    return [_HALTED if row["metrics"].get("halted_since") else "" for row in rows]


def _shortened(names: list[str]) -> list[str]:
    """Names with four digits of their hash, where each is still the beginning of one run only."""
    short = [_HASH.sub(r"\1", name) for name in names]
    return [
        one if sum(name.startswith(one) for name in names) == 1 else name
        for one, name in zip(short, names, strict=True)
    ]


def _row(run: Path) -> dict[str, Any]:
    damaged = damage(run)
    return {
        "run": run.name,
        "folder": str(run),
        "made": datetime.fromtimestamp((run / "run.json").stat().st_mtime).isoformat(" ", "minutes"),
        "damaged": damaged,
        "metrics": None if damaged else json.loads((run / "metrics.json").read_text(encoding="utf-8")),
    }


def _figures(metrics: dict[str, Any]) -> tuple[str, ...]:
    return tuple(form(metrics.get(key)) for _, key, form in _COLUMNS)
