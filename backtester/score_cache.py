"""A cache of scores, so that a change of costs, limits or strategy never trains again.

An entry is a folder named by the hash of everything that scores depend on: the data, the signal's class, settings,
sources and environment, the files that its settings name, the folds, the batch, the seed, and the versions of the
libraries. What cannot be told of a signal for sure, such as a lambda among its settings, keeps its scores out of the
cache. An entry holds ``scores.parquet`` and ``scores.json`` (what the hash was taken of, and the hash of the file), is
written whole or not at all, and is checked when it is read. All of it may be deleted at any time. What is damaged, or
cannot be written, is told by a warning, and the scores are computed as without a cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import os
import platform
import warnings
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from backtester.errors import DataError
from backtester.folds import Folds
from backtester.market.cache import cache_folder
from backtester.market.panel import Panel
from backtester.market.store import package_version, sha256_of, written_whole
from backtester.plain import described, is_of_module, is_plain, modules_in, name_of, opaque_parts, plain
from backtester.scores import Scores
from backtester.signal import Signal
from backtester.sources import source_hashes

# To be raised whenever the same signal would give other scores for the same inputs.
_FORMAT = 3
_PATH = 4096  # letters of a path, at most
_SCORES, _NOTES = "scores.parquet", "scores.json"
# What may compute something in a signal; those that are not installed are named as such.
_LIBRARIES = ("numpy", "scipy", "pandas", "numba", "scikit-learn", "torch")


def default_folder() -> Path:
    """``scores``, beside the folder of cached panels: below BACKTESTER_CACHE or the user's cache folder."""
    return cache_folder().parent / "scores"


def default_checkpoints() -> Path:
    """``checkpoints``, beside the folder of cached scores."""
    return default_folder().with_name("checkpoints")


def ingredients(panel: Panel, signal: Signal, folds: Folds | None, batch: int | None) -> dict[str, Any]:
    """Everything that scores depend on, as plain JSON data.

    Raises:
        ConfigError: the signal has a setting without a plain form.
        DataError: something that the scores may depend on cannot be told, so that a change would not be noticed.
    """
    told = plain(signal.describe())
    hidden = _hidden(signal)
    opaque = [*opaque_parts(told), *opaque_parts(hidden)]
    if opaque:
        raise DataError(f"{opaque[0]} cannot be told from another. Use what is defined in a module, under a name.")
    _check_arguments(type(signal), told)
    sources = signal.sources()
    for one in sources:
        if not is_of_module(one):
            raise DataError(f"the source of {name_of(one)} is in no file under that name; define it in a module.")
    return {
        "format": _FORMAT,
        "data": panel.fingerprint,
        "signal": told,
        "hidden": hidden,
        "files": dict(sorted(_files([told, hidden]))),
        "seed": signal.seed,
        "source": source_hashes({one.__module__ for one in sources} | modules_in(told) | modules_in(hidden)),
        "folds": describe_folds(folds),
        "batch": batch,
        "environment": _environment(signal),
        "versions": _versions(),
    }


def _files(told: Any) -> Iterator[tuple[str, str]]:
    """The files that settings name, each with the hash of its content: a signal may read them."""
    if isinstance(told, Mapping):
        told = list(told.values())
    if isinstance(told, list | tuple):
        for one in told:
            yield from _files(one)
    elif isinstance(told, str) and Path(told).suffix and len(told) <= _PATH:
        with contextlib.suppress(OSError, ValueError):  # what no file can be called
            if Path(told).is_file():
                yield told, sha256_of(Path(told))


def _environment(signal: Signal) -> Any:
    """What the signal says that its scores depend on besides."""
    told = signal.environment()
    if not isinstance(told, dict) or not is_plain(told):
        raise DataError(f"{type(signal).__name__}.environment() is {told!r:.200}; it must be a dict of plain data.")
    return plain(told)


def _hidden(signal: Signal) -> dict[str, Any]:
    """What a signal and its classes hold before it is fitted, with the classes of what it holds."""
    hidden = {}
    for key, value in vars(signal).items():
        content = described(value)
        by_describe = not key.startswith("_") and not is_plain(value)  # which has another form for it
        if not (by_describe and any(opaque_parts(content))):
            hidden[key] = content
    for base in reversed(type(signal).__mro__[:-1]):
        if base is Signal:
            continue
        for key, value in vars(base).items():
            is_code = callable(value) or hasattr(type(value), "__get__")
            if not key.startswith("_") and not is_code:
                hidden[f"{base.__name__}.{key}"] = described(value)
    return hidden


def _check_arguments(kind: type, told: dict[str, Any]) -> None:
    """Raise DataError for an argument of ``__init__`` that the description of the signal does not hold."""
    for base in kind.__mro__:
        if base is Signal or base is object:
            return
        if "__init__" not in vars(base):
            continue
        passes_on = False
        for parameter in list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]:
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                passes_on = True
            elif parameter.name not in told:
                raise DataError(
                    f"{kind.__name__} takes {parameter.name!r} and does not keep it as a public attribute of that name."
                )
        if not passes_on:
            return


def describe_folds(folds: Folds | None) -> dict[str, Any] | None:
    """The settings of folds as plain JSON data."""
    if folds is None:
        return None
    return {key: getattr(folds, key) for key in ("train", "test", "expanding", "purge", "embargo", "n_splits")}


def key_of(parts: dict[str, Any]) -> str:
    """The name of the entry: SHA-256 of the ingredients, in hex."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, allow_nan=False).encode()).hexdigest()


def load_cached(
    folder: str | os.PathLike[str], parts: dict[str, Any], panel: Panel, *, by_epoch: bool = False
) -> Scores | None:
    """The scores cached for these ingredients, by the sessions and symbols of the panel; None if there are none.

    With ``by_epoch``, those that were not asked for by epoch when they were made count as not there; without it, what
    there is by epoch is left out.
    """
    entry = Path(folder) / key_of(parts)
    if not entry.exists():
        return None
    try:
        notes = json.loads((entry / _NOTES).read_text(encoding="utf-8"))
        if key_of(notes["ingredients"]) != entry.name:
            raise ValueError(f"{_NOTES} tells of other scores")
        if by_epoch and not notes.get("by_epoch", False):
            return None
        if sha256_of(entry / _SCORES) != notes["sha256"]:
            raise ValueError(f"{_SCORES} is not the file that was written")
        found = Scores.from_parquet(entry / _SCORES)
        epochs = found.by_epoch[: len(found.by_epoch) if by_epoch else 0]
        scores = Scores(
            _on_panel(found.values, found, panel, panel.shape[1]),
            panel.dates,
            panel.symbols,
            found.folds,
            {key: value for key, value in found.origin.items() if key != "file"},
            from_cache=True,
            members={name: _on_panel(own, found, panel, panel.shape[1]) for name, own in found.members.items()},
            learning=found.learning,
            by_epoch=_on_panel(epochs.T, found, panel, len(epochs)).T,
        )
        if _hashes(scores) != notes["values"]:
            raise ValueError(f"{_SCORES} holds other scores")
    except (OSError, ValueError, KeyError, TypeError, DataError) as error:
        warnings.warn(f"The cached scores {entry} are damaged ({error}); computing them again.", stacklevel=3)
        return None
    return scores


def save_cached(
    folder: str | os.PathLike[str], parts: dict[str, Any], scores: Scores, *, by_epoch: bool = False
) -> None:
    """Write scores to the cache, and whether they were asked for by epoch; where that is impossible, warn."""
    entry = Path(folder) / key_of(parts)
    try:
        with written_whole(entry, replace=True) as fresh:
            scores.to_parquet(fresh / _SCORES)
            hashes = {"sha256": sha256_of(fresh / _SCORES), "values": _hashes(scores)}
            notes = {"ingredients": parts, "by_epoch": by_epoch, **hashes}
            (fresh / _NOTES).write_text(json.dumps(notes, indent=1), encoding="utf-8")
    except OSError as error:
        warnings.warn(f"The scores cannot be cached in {entry}: {error}.", stacklevel=3)


def _hashes(scores: Scores) -> list[Any]:
    """The hash of the scores, and the name and hash of every member's."""
    members = ((name, Scores(own, scores.dates, scores.symbols).sha256) for name, own in scores.members.items())
    return [scores.sha256, *(list(one) for one in members)]


def _versions() -> dict[str, str]:
    """Versions of what is installed, whether it has been imported yet or not."""
    found = {"python": platform.python_version(), "machine": platform.machine(), "backtester": package_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _on_panel(values: Any, scores: Scores, panel: Panel, columns: int) -> Any:
    """Values by the dates of scores as values by the panel's sessions, NaN elsewhere; ValueError for other sessions."""
    if not len(scores.dates):  # a signal without any opinion
        return np.full((panel.shape[0], columns), np.nan)
    if scores.symbols != panel.symbols:
        raise ValueError("other symbols")
    rows = np.searchsorted(panel.dates, scores.dates)
    if (rows >= len(panel.dates)).any() or not np.array_equal(panel.dates[rows], scores.dates):
        raise ValueError("other sessions")
    placed = np.full((panel.shape[0], columns), np.nan)
    placed[rows] = values
    return placed
