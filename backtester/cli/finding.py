"""Runs on disk by the name that was typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from backtester.errors import ConfigError, RunError, did_you_mean

if TYPE_CHECKING:
    from backtester.result import Result

RUNS = Path("runs")
BENCH = "bench.json"
_FILE, _FIGURES = "run.json", "metrics.json"
_LISTED = 5


def find_run(written: Path, runs: Path = RUNS) -> Path:
    """The folder of a run: a path, a name in `runs`, or the beginning of one that no other begins with.

    Raises:
        RunError: there is none, or more than one.
    """
    for folder in (written, runs / written):
        if (folder / _FILE).is_file():
            return folder
    for folder in (written, runs / written):
        if (folder / BENCH).is_file():
            raise RunError(
                f"{folder} is a bench, not a run. Its page compares every two of its runs; `python -m backtester list "
                f"{folder}` lists them by the names to type."
            )
    if written.is_dir():
        raise RunError(
            f"{written} is a folder, but no run: it has no {_FILE}. `python -m backtester list {written}` lists the "
            "runs in it."
        )
    if written.exists():
        raise RunError(f"{written} is a file, and a run is a folder, such as those that `list` shows.")
    inside = written.parent if written.parent != Path() else runs
    names = run_names(inside)
    begun = [name for name in names if name.startswith(written.name)]
    if len(begun) == 1:
        return inside / begun[0]
    if begun:
        shown = ", ".join(begun[:_LISTED]) + (f" and {len(begun) - _LISTED} more" if len(begun) > _LISTED else "")
        raise RunError(f"{written} is the beginning of {len(begun)} runs in {inside}: {shown}. Type more of the name.")
    if not names:
        raise RunError(f"There is no run {written}, and none at all in {inside}. `run CONFIG` makes one.")
    near = {name.rpartition("-")[0] or name: name for name in names}  # without the hash, which nobody types
    hint = did_you_mean(written.name, [*names, *near])
    for stem, name in near.items():
        hint = hint.replace(repr(stem), repr(name))
    hint = hint or f" It has {', '.join(names[-_LISTED:])}{', ...' * (len(names) > _LISTED)}."
    raise RunError(f"There is no run {written} in {inside}.{hint}")


def find_bench(written: Path, runs: Path = RUNS) -> Path | None:
    """The folder of a bench by its path, its name in `runs`, or the beginning of one; None if there is none.

    Raises:
        RunError: it is the beginning of several, of which one is a bench.
    """
    for folder in (written, runs / written):
        if (folder / BENCH).is_file():
            return folder
        if (folder / _FILE).is_file():
            return None
    inside = written.parent if written.parent != Path() else runs
    begun, others = (
        [name for name in names if name.startswith(written.name)] for names in (bench_names(inside), run_names(inside))
    )
    if begun and len(begun) + len(others) > 1:
        shown = ", ".join([*begun, *others][:_LISTED])
        raise RunError(f"{written} is the beginning of several runs and benches in {inside}: {shown}. Type more of it.")
    return inside / begun[0] if begun else None


def bench_names(folder: Path) -> list[str]:
    """The names of the benches in a folder, the newest last."""
    return _named(folder, BENCH)


def damage(folder: Path) -> str:
    """What is wrong with the figures that a run's folder keeps for other programs; "" if nothing is."""
    try:
        found = json.loads((folder / _FIGURES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return f"{_FIGURES} cannot be read"
    return "" if isinstance(found, dict) else f"{_FIGURES} holds no figures"


def tell_damage(folders: list[Path]) -> None:
    """Say on standard error which runs keep no figures: those that are shown come from their tables."""
    import typer

    for folder in folders:
        if wrong := damage(folder):
            line = f"Note: {folder.name}: {wrong}; the figures shown are computed from the tables of the run.\n"
            typer.secho(line, fg="yellow", err=True)


def dataset_of(folder: Path) -> str:
    """The path of the dataset of a run as it is seen from the current folder; nothing where it cannot be told."""
    from backtester.cli.config import read_config

    try:
        return read_config(folder / "config.toml").dataset
    except ConfigError:  # made in Python, or changed since
        return ""


def run_names(folder: Path) -> list[str]:
    """The names of the runs in a folder, the newest last."""
    return _named(folder, _FILE)


def _named(folder: Path, file: str) -> list[str]:
    """The names of the folders inside one that hold a file, the newest last."""
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if (path / file).is_file() and not path.name.startswith(".")]
    return [path.name for path in sorted(found, key=lambda path: ((path / file).stat().st_mtime, path.name))]


def load_runs(written: list[Path]) -> tuple[list[Result], list[str]]:
    """Runs by what was typed, with names that tell them apart.

    Raises:
        RunError: one is not there or damaged, or the same one was typed twice.
    """
    from backtester.result import Result

    folders = [find_run(path) for path in written]
    seen: set[Path] = set()
    for path, folder in zip(written, folders, strict=True):
        if folder.resolve() in seen:
            raise RunError(f"{path} is named twice; give runs that differ.")
        seen.add(folder.resolve())
    tell_damage(folders)
    names = [folder.name for folder in folders]
    if len(set(names)) < len(names):
        names = [folder.as_posix() for folder in folders]
    return [Result.load(folder) for folder in folders], names
