"""The files of a dataset: their names, their manifest, and folders that are there whole or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from backtester.errors import DataError

FORMAT = 1
MANIFEST = "manifest.json"
BARS, ACTIONS, SYMBOLS, MEMBERS, EXTRA, QUARANTINE, CHECK = (
    "bars.parquet",
    "actions.parquet",
    "symbols.parquet",
    "membership.parquet",
    "extra.parquet",
    "quarantine.csv",
    "check.json",
)


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
    """Whether a folder looks like a dataset, whole or damaged."""
    return (folder / MANIFEST).is_file()


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
    try:
        fresh.mkdir(parents=True)
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
        shutil.rmtree(aside, ignore_errors=True)
