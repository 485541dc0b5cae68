"""The check of a dataset folder: its panel, what its import set aside, and its members without bars."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np

from backtester.errors import DataError
from backtester.market import store
from backtester.market.check.aside import read_aside
from backtester.market.check.calendars import Exchange
from backtester.market.check.moves import Mask
from backtester.market.check.panel import Progress, check_panel
from backtester.market.check.report import CheckReport, several
from backtester.market.dataset import load_panel
from backtester.market.panel import Panel
from backtester.market.tables import read_parquet

# Endings of files that are imported, not loaded.
_TEXT = (".csv", ".csv.gz", ".tsv", ".txt", ".zip", ".gz")


def check_dataset(
    path: str | Path,
    exchange: Exchange | None = None,
    *,
    examples: int = 5,
    progress: Progress | None = None,
) -> CheckReport:
    """Look for every kind of problem in a dataset folder, or in one long Parquet file.

    Args:
        path: what `load_panel` takes.
        exchange: as in `check_panel`, as are the others.
        examples: at most so many of each kind.
        progress: called as ``progress("checking", steps done, steps)``.

    Raises:
        DataError: There is no dataset at `path`, or it is damaged.
        ConfigError: As in `check_panel`.
    """
    folder = Path(path)
    refuse_others(folder)
    panel = load_panel(folder)
    if not folder.is_dir():
        return check_panel(panel, exchange=exchange, examples=examples, progress=progress)
    manifest = store.read_manifest(folder)
    return check_panel(
        panel,
        read_aside(folder / store.QUARANTINE),
        exchange,
        inferred=inferred_ends(panel, manifest),
        unpriced=unpriced_members(folder, panel) if store.MEMBERS in manifest["files"] else None,
        declared=declared_absent(manifest),
        fingerprint=manifest["fingerprint"],
        examples=examples,
        progress=progress,
    )


def refuse_others(path: Path) -> None:
    """Say of what is often taken for a dataset what it is, and what to do with it.

    Raises:
        DataError: `path` is a file of bars that is to be imported, a folder of such files or of datasets, a run, or an
            empty folder.
    """
    named = shlex.quote(str(path))
    to_import = "python -m backtester data import {} --basis BASIS --out DIR"
    if path.is_file() and path.name.lower().endswith(_TEXT):
        raise DataError(
            f"{path} is a file to import, not a dataset: `{to_import.format(named)}` makes one and checks it. BASIS is "
            "as_traded, split_adjusted or total_return."
        )
    if not path.is_dir() or (path / store.MANIFEST).exists():
        return
    if (path / "run.json").exists():
        raise DataError(
            f"{path} is a run, not a dataset: `python -m backtester report {named}` shows it. Give the dataset that it "
            "ran on."
        )
    inside = sorted(child for child in path.iterdir() if child.is_dir() and store.is_dataset(child))
    if inside:
        some = ", ".join(map(str, inside[:3])) + (", ..." if inside[3:] else "")
        raise DataError(f"{path} is no dataset; it holds {several(len(inside), 'dataset')}: {some}. Give one of them.")
    if not any(path.iterdir()):
        raise DataError(f"{path} is an empty folder. Import files into it: `{to_import.format('FILE...')}`.")
    raise DataError(
        f"{path} is no dataset: it has no {store.MANIFEST}. If it holds files of bars, import them into another "
        f"folder, which checks them too: `{to_import.format(named)}`. BASIS is as_traded, split_adjusted "
        "or total_return."
    )


def declared_absent(manifest: dict[str, Any]) -> tuple[str, ...]:
    """Columns that the import was told the files do not have."""
    return ("open", "volume") if manifest.get("close_only") else ()


def inferred_ends(panel: Panel, manifest: dict[str, Any]) -> list[str]:
    """Symbols whose ending the import inferred, as far as a dataset tells.

    A manifest names them, or only counts them. Then, where some endings were given too, those that an import would
    have inferred count as inferred: dated on the last bar and without a delisting return.
    """
    if "ends_inferred" in manifest:
        return list(manifest["ends_inferred"])
    counts = manifest["counts"]
    if not counts.get("ends_inferred"):
        return []
    out = []
    for col, end, paid in zip(panel.ends.symbol, panel.ends.date, panel.ends.delisting_return, strict=True):
        known = np.flatnonzero(np.isfinite(panel.close[:, col]))
        if not counts.get("ends_given") or (paid == 0 and len(known) and panel.dates[known[-1]] == end):
            out.append(panel.symbols[col])
    return sorted(out)


def unpriced_members(folder: Path, panel: Panel) -> list[tuple[str, int]]:
    """Symbols of the membership without bars that were members within the panel, with their number of sessions."""
    return [(symbol, int(days.sum())) for symbol, days in members_without_bars(folder, panel).items()]


def members_without_bars(folder: Path, panel: Panel) -> dict[str, Mask]:
    """Sessions ``(T,)`` as a member of every symbol of the membership that has no bars, if there are any; sorted."""
    table = read_parquet(folder / store.MEMBERS)
    symbols = table.column("symbol").to_pylist()
    start = table.column("start").to_numpy().astype("datetime64[D]")
    end = table.column("end").to_numpy().astype("datetime64[D]")
    first = np.where(np.isnat(start), 0, np.searchsorted(panel.dates, start))
    stop = np.where(np.isnat(end), len(panel.dates), np.searchsorted(panel.dates, end))
    inside: dict[str, Mask] = {}
    for symbol, a, b in zip(symbols, first, stop, strict=True):
        if symbol not in panel.columns and b > a:
            inside.setdefault(symbol, np.zeros(len(panel.dates), dtype=bool))[a:b] = True
    return dict(sorted(inside.items()))
