"""The files of a dataset: their names, their manifest, and folders that are there whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from glob import escape as glob_escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from backtester.errors import DataError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

FORMAT = 1
MANIFEST = "manifest.json"
BARS, ACTIONS, SYMBOLS, MEMBERS, EXTRA, QUARANTINE, CHECK, SCORE = (
    "bars.parquet",
    "actions.parquet",
    "symbols.parquet",
    "membership.parquet",
    "extra.parquet",
    "quarantine.csv",
    "check.json",
    "score.parquet",
)
# Everything that a dataset's folder may hold; whatever else lies there is the user's.
_OWN = frozenset((MANIFEST, BARS, ACTIONS, SYMBOLS, MEMBERS, EXTRA, QUARANTINE, CHECK, SCORE))


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fingerprint_of(basis: str, files: dict[str, Any]) -> str:
    """The fingerprint of a dataset: SHA-256 of its format, its basis and the hashes of its tables."""
    content = {"format": FORMAT, "basis": basis, "files": {name: files[name]["sha256"] for name in sorted(files)}}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def package_version() -> str:
    """The installed version of the package."""
    try:
        return version("backtester")
    except PackageNotFoundError:
        return "not installed"


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a dataset folder, checked against the sizes of its files.

    Raises:
        DataError: The folder is no dataset, of another format, or a file of it is absent or has another size.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise DataError(
            f"{folder} is no dataset: it has no {MANIFEST}. Write one with `python -m backtester data import FILE... "
            f"--out {folder.name}`."
        )
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found, basis, files = manifest["format"], manifest["basis"], manifest["files"]
        fingerprint = fingerprint_of(basis, files)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise DataError(f"{path} is damaged ({error!r}); import the dataset again.") from error
    if found != FORMAT:
        raise DataError(f"{path}: the dataset has the format {found}, this version reads {FORMAT}; import it again.")
    if manifest.get("fingerprint") != fingerprint:
        raise DataError(f"{path} does not fit together (another fingerprint); import the dataset again.")
    for name, entry in files.items():
        try:
            size = (folder / name).stat().st_size
        except OSError as error:
            raise DataError(f"{folder}: {name} cannot be read ({error.strerror}); import the dataset again.") from error
        if size != entry["bytes"]:
            raise DataError(
                f"{folder}: {name} has {size} bytes, the manifest says {entry['bytes']}; it is cut off or was changed. "
                "Import the dataset again."
            )
    return manifest


def is_dataset(folder: Path) -> bool:
    """Whether a folder has a manifest of ours: one with a format and a fingerprint. Others have manifests too."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return (
        isinstance(manifest, dict)
        and isinstance(manifest.get("format"), int)
        and re.fullmatch("[0-9a-f]{64}", str(manifest.get("fingerprint"))) is not None
    )


def check_target(target: Path, overwrite: bool) -> Path:
    """The folder that a dataset may be written to, with links followed.

    Raises:
        DataError: A file stands there, something that is no dataset, a dataset with files beside its own, or one that
            may not be replaced.
    """
    target = target.resolve()
    if target.exists() and not target.is_dir():
        raise DataError(f"{target} is a file; choose a folder to write the dataset to.")
    if not target.is_dir() or not any(target.iterdir()):
        return target
    if not is_dataset(target):
        raise DataError(f"{target} holds something that is no dataset, so it is left alone; choose another folder.")
    others = sorted(path.name for path in target.iterdir() if path.name not in _OWN)
    if others:
        named = ", ".join(others[:3]) + (", ..." if others[3:] else "")
        raise DataError(
            f"{target} holds a dataset, and beside it what no dataset writes: {named}. So it is left alone; choose "
            "another folder, or move these."
        )
    if not overwrite:
        raise DataError(
            f"{target} holds a dataset already. Choose another folder, or replace it with --overwrite "
            "(overwrite=True in Python)."
        )
    return target


def check_inputs(target: Path, inputs: Iterable[Path]) -> None:
    """Raise `DataError` if a file that is read lies in the folder that would be replaced."""
    for path in inputs:
        if target in path.resolve().parents:
            raise DataError(f"{path} lies in {target}, which would be replaced; choose another folder to write to.")


def clear_stale(target: Path) -> list[str]:
    """Remove what writers of a dataset left beside it when they were killed; return the names of these folders.

    A writer that lives holds a lock on its folder.
    """
    out = []
    for folder in sorted(target.parent.glob(f".{glob_escape(target.name)}.*.new")):
        mine = re.fullmatch(rf"\.{re.escape(target.name)}\.[0-9a-f]{{12}}\.new", folder.name)
        if mine and folder.is_dir() and all(path.name in _OWN for path in folder.iterdir()):
            lock = _locked(folder)
            if lock is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)
                out.append(folder.name)
    return out


def _locked(folder: Path) -> int | None:
    """A descriptor of a folder, locked against other processes; None where that cannot be had."""
    if fcntl is None:
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


@contextmanager
def written_whole(target: Path, *, replace: bool) -> Iterator[Path]:
    """A new folder to write into, which takes the target's name when the block ends well and vanishes otherwise.

    Args:
        target: the name; an empty folder may stand there.
        replace: whether a folder that stands there may be replaced.
    """
    own = uuid.uuid4().hex[:12]  # so that no two writers meet
    fresh = target.parent / f".{target.name}.{own}.new"
    aside = target.parent / f".{target.name}.{own}.old"
    made = [folder for folder in (target.parent, *target.parent.parents) if not folder.exists()]
    lock = None
    try:
        fresh.mkdir(parents=True)
        lock = _locked(fresh)  # tells it from what a killed writer left
        yield fresh
        if replace and target.exists():
            target.rename(aside)
        try:
            fresh.rename(target)
        except BaseException:
            if aside.exists():
                aside.rename(target)
            raise
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        with suppress(OSError):
            for folder in made:  # those that were made for this, as far as they are empty
                folder.rmdir()
        raise
    finally:
        if lock is not None:
            os.close(lock)
        shutil.rmtree(aside, ignore_errors=True)
