"""Runs on disk: where they may be written, and writing them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backtester.cli.running import CONFIG, PAGE, SCORES, STUDY, Made
from backtester.cli.toml import to_toml
from backtester.errors import RunError

if TYPE_CHECKING:
    from backtester.cli.config import Config
    from backtester.result import Result


def check_place(out: Path, overwrite: bool = False) -> None:
    """Fail before the run rather than after it, where a folder could not take one anyway.

    Raises:
        RunError: the folder is a file, holds a run that may not be replaced or something that is no run, or cannot be
            made.
    """
    if out.is_dir():
        if (out / "run.json").is_file():
            if not overwrite:
                raise RunError(f"{out} holds a run already. Choose another folder, or replace it with --overwrite.")
        elif any(out.iterdir()):
            raise RunError(f"{out} holds no run, so it is not written to. Choose another folder.")
    elif os.path.lexists(out):
        raise RunError(f"{out} is no folder, so no run can be written there. Choose another place.")
    check_runs(out.absolute().parent)


def check_runs(folder: Path) -> None:
    """Fail before a run, where its folder could not be made inside this one.

    Raises:
        RunError: it is no folder and cannot become one, or may not be written to.
    """
    there = folder.absolute()
    while not os.path.lexists(there):
        there = there.parent
    if not there.is_dir():
        raise RunError(f"No run can be written to {folder}: {there} is no folder. Choose another place.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise RunError(f"No run can be written to {folder}: {there} may not be written to. Choose another place.")


def save_run(
    made: Made | Result,
    runs: Path,
    *,
    out: Path | None = None,
    overwrite: bool = False,
    config: Config | None = None,
) -> tuple[Path, bool]:
    """Save a run, unless the same one is there already.

    Args:
        made: the run; the scores that a signal made for it are kept as ``scores.parquet``.
        runs: the folder of runs; the run gets a folder there named after it and its content hash.
        out: the run's own folder, in place of one in `runs`.
        overwrite: whether another run that stands at `out` may be replaced.
        config: written beside it as ``config.toml``, with defaults spelt out, but for arguments of classes (they
            stand in ``run.json``), and paths from its new place.

    Returns:
        The folder, and whether it is new.

    Raises:
        RunError: the folder holds something else, or cannot be written.
    """
    from backtester.report.page import run_page

    result, scores, study = made if isinstance(made, Made) else (made, None, None)
    if out is None:
        out = runs / f"{file_name(result.name)}-{result.content_hash[:8]}"
        if out.exists() and not _holds(out, result):  # the same orders, made under other settings
            out = out.with_name(f"{out.name}-{result.record_hash[:8]}")
    if _holds(out, result):
        return out, False
    extra: dict[str, Any] = {} if config is None else {CONFIG: to_toml(config.resolved(out.absolute()))}
    if scores is not None:
        extra[SCORES] = scores.to_parquet
    if study is not None:
        extra[STUDY] = json.dumps(study, indent=1, allow_nan=False)
    extra[PAGE] = run_page(result, study, "" if config is None else config.dataset)
    result.save(out, overwrite=overwrite, extra=extra)
    return out, True


def _holds(folder: Path, result: Result) -> bool:
    """Whether a folder holds this very run, by its name and hashes."""
    try:
        found = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        hashes = found["hashes"]
        return (hashes["content"], hashes["record"]) == (result.content_hash, result.record_hash)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def file_name(name: str) -> str:
    """A name without what a file system may refuse."""
    return "".join(c if c.isalnum() or c in "._-" else "-" for c in name).strip(".-") or "run"
