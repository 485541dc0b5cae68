"""A cache of scores, so that a change of costs, limits or strategy never trains again.

An entry is a folder named by the hash of everything that scores depend on: the data, the signal's class, settings and
source, the folds, the batch, the seed, and the versions of the libraries. It holds ``scores.parquet`` and
``scores.json`` (what the hash was taken of, and the hash of the file), is written whole or not at all, and is checked
when it is read. All of it may be deleted at any time. What is damaged, or cannot be written, is told by a warning, and
the scores are computed as without a cache.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import platform
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from backtester.errors import DataError
from backtester.folds import Folds
from backtester.market.cache import cache_folder
from backtester.market.panel import Panel
from backtester.market.store import package_version, sha256_of, written_whole
from backtester.scores import Scores
from backtester.signal import Signal

# To be raised whenever the same signal would give other scores for the same inputs.
_FORMAT = 1
_SCORES, _NOTES = "scores.parquet", "scores.json"
# What may compute something in a signal; those that are not installed are named as such.
_LIBRARIES = ("numpy", "scipy", "pandas", "numba", "scikit-learn", "torch")
# The sources here that scores depend on: a change of any other module keeps them.
_OWN = ("cross_section", "folds", "labels", "signal", "walk", "market/actions", "market/panel")


def default_folder() -> Path:
    """``scores``, beside the folder of cached panels: below BACKTESTER_CACHE or the user's cache folder."""
    return cache_folder().parent / "scores"


def ingredients(panel: Panel, signal: Signal, folds: Folds | None, batch: int | None) -> dict[str, Any]:
    """Everything that scores depend on, as plain JSON data.

    Raises:
        ConfigError: the signal has a setting without a plain form.
        DataError: the source of the signal lies in no file.
    """
    return {
        "format": _FORMAT,
        "data": panel.fingerprint,
        "signal": signal.describe(),
        "seed": signal.seed,
        "source": _sources(signal),
        "folds": describe_folds(folds),
        "batch": batch,
        "versions": _versions(),
    }


def describe_folds(folds: Folds | None) -> dict[str, Any] | None:
    """The settings of folds as plain JSON data."""
    if folds is None:
        return None
    return {key: getattr(folds, key) for key in ("train", "test", "expanding", "purge", "embargo", "n_splits")}


def key_of(parts: dict[str, Any]) -> str:
    """The name of the entry: SHA-256 of the ingredients, in hex."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def load_cached(folder: str | os.PathLike[str], parts: dict[str, Any], panel: Panel) -> Scores | None:
    """The scores cached for these ingredients, by the sessions and symbols of the panel; None if there are none."""
    entry = Path(folder) / key_of(parts)
    if not entry.exists():
        return None
    try:
        notes = json.loads((entry / _NOTES).read_text(encoding="utf-8"))
        if notes["ingredients"] != parts:
            raise ValueError(f"{_NOTES} tells of other scores")
        if sha256_of(entry / _SCORES) != notes["sha256"]:
            raise ValueError(f"{_SCORES} is not the file that was written")
        found = Scores.from_parquet(entry / _SCORES)
        scores = Scores(
            _on_panel(found, panel),
            panel.dates,
            panel.symbols,
            found.folds,
            {key: value for key, value in found.origin.items() if key != "file"},
        )
        if scores.sha256 != notes["values"]:
            raise ValueError(f"{_SCORES} holds other scores")
    except (OSError, ValueError, KeyError, TypeError, DataError) as error:
        warnings.warn(f"The cached scores {entry} are damaged ({error}); computing them again.", stacklevel=3)
        return None
    return scores


def save_cached(folder: str | os.PathLike[str], parts: dict[str, Any], scores: Scores) -> None:
    """Write scores to the cache; where that is impossible, warn."""
    entry = Path(folder) / key_of(parts)
    try:
        with written_whole(entry, replace=True) as fresh:
            scores.to_parquet(fresh / _SCORES)
            notes = {"ingredients": parts, "sha256": sha256_of(fresh / _SCORES), "values": scores.sha256}
            (fresh / _NOTES).write_text(json.dumps(notes, indent=1), encoding="utf-8")
    except OSError as error:
        warnings.warn(f"The scores cannot be cached in {entry}: {error}.", stacklevel=3)


def source_hash(thing: Any) -> str:
    """Hash of the source that a class or function lies in: all of its package's folder, or its own file.

    Raises:
        DataError: there is no such file, as in an interactive session.
    """
    try:
        file = inspect.getsourcefile(thing)
    except TypeError:
        file = None
    if file is None or not Path(file).is_file():
        name = getattr(thing, "__qualname__", repr(thing))
        raise DataError(f"the source of {name} is in no file; write it to a module, so that a change of it is noticed.")
    path = Path(file)
    packaged = (path.parent / "__init__.py").is_file()
    return _hash_of(sorted(path.parent.rglob("*.py")) if packaged else [path], path.parent)


def _sources(signal: Signal) -> dict[str, str]:
    """Hashes of the sources that the signal names, and of what here makes scores of it."""
    root = Path(__file__).parent
    hashes = {f"{one.__module__}:{one.__qualname__}": source_hash(one) for one in signal.sources()}
    return {**hashes, "backtester": _hash_of([root / f"{name}.py" for name in _OWN], root)}


def _hash_of(files: list[Path], root: Path) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(root).as_posix()}\0{sha256_of(file)}\n".encode())
    return digest.hexdigest()


def _versions() -> dict[str, str]:
    """Versions of what is installed, whether it has been imported yet or not."""
    found = {"python": platform.python_version(), "machine": platform.machine(), "backtester": package_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _on_panel(scores: Scores, panel: Panel) -> Any:
    """The values by the panel's sessions, NaN where the file has none; raises ValueError for others."""
    if not len(scores.dates):  # a signal without any opinion
        return np.full(panel.shape, np.nan)
    if scores.symbols != panel.symbols:
        raise ValueError("other symbols")
    rows = np.searchsorted(panel.dates, scores.dates)
    if (rows >= len(panel.dates)).any() or not np.array_equal(panel.dates[rows], scores.dates):
        raise ValueError("other sessions")
    values = np.full(panel.shape, np.nan)
    values[rows] = scores.values
    return values
