"""A cache of loaded panels as plain arrays that the next load maps into memory instead of reading.

It lives in ``panels`` below the folder that the environment variable BACKTESTER_CACHE names, or else in ``backtester``
of the user's cache folder (XDG_CACHE_HOME, or ``.cache`` in the home folder). An entry is named by the hash of the
content that it was made from, is written whole or not at all, and is removed when it has not been used for a month.
All of it may be deleted at any time. A cache that cannot be written or read is no error: the data is then read from
its source.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtester.market.actions import Actions, Endings
from backtester.market.columns import BARS
from backtester.market.panel import Panel
from backtester.market.store import written_whole

# To be raised whenever a panel would come out differently for the same content.
_FORMAT = 1
_UNUSED_SECONDS = 30 * 24 * 3600
_META = "panel.json"


def cache_folder() -> Path:
    """The folder that entries are written to."""
    given = os.environ.get("BACKTESTER_CACHE")
    if given:
        return Path(given) / "panels"
    user = os.environ.get("XDG_CACHE_HOME")
    return (Path(user) if user else Path.home() / ".cache") / "backtester" / "panels"


def load(key: str) -> Panel | None:
    """The panel cached under a key, its arrays mapped into memory; None if there is none that is sound."""
    try:
        folder = cache_folder() / key
        meta = json.loads((folder / _META).read_text(encoding="utf-8"))
        if meta["format"] != _FORMAT:
            return None
        arrays = {name: _map(folder / f"{name}.npy", entry) for name, entry in meta["arrays"].items()}
        panel = Panel(
            dates=arrays["dates"],
            symbols=tuple(meta["symbols"]),
            open=arrays["open"],
            high=arrays["high"],
            low=arrays["low"],
            close=arrays["close"],
            volume=arrays["volume"],
            member=arrays["member"],
            sectors=tuple(meta["sectors"]),
            extra=MappingProxyType({name: arrays[f"extra_{k}"] for k, name in enumerate(meta["extra"])}),
            basis=meta["basis"],
            actions=Actions(*(arrays[f"actions_{name}"] for name in Actions._fields)),
            ends=Endings(*(arrays[f"ends_{name}"] for name in Endings._fields)),
        )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError):
        return None
    # Known since the arrays were written; computing it would read them all.
    panel.__dict__["fingerprint"] = meta["fingerprint"]
    with suppress(OSError):
        os.utime(folder)
    return panel


def save(key: str, panel: Panel) -> None:
    """Write a panel to the cache, if that is possible."""
    arrays: dict[str, NDArray[Any]] = {"dates": panel.dates, "member": panel.member}
    arrays.update({name: getattr(panel, name) for name in BARS})
    arrays.update({f"extra_{k}": panel.extra[name] for k, name in enumerate(panel.extra)})
    arrays.update({f"actions_{name}": getattr(panel.actions, name) for name in Actions._fields})
    arrays.update({f"ends_{name}": getattr(panel.ends, name) for name in Endings._fields})
    try:
        root = cache_folder()
        with written_whole(root / key, replace=True) as folder:
            entries = {}
            for name, array in arrays.items():
                path = folder / f"{name}.npy"
                np.save(path, array, allow_pickle=False)
                entries[name] = {"dtype": array.dtype.str, "shape": array.shape, "bytes": path.stat().st_size}
            meta = {
                "format": _FORMAT,
                "fingerprint": panel.fingerprint,
                "symbols": panel.symbols,
                "sectors": panel.sectors,
                "extra": list(panel.extra),
                "basis": panel.basis,
                "arrays": entries,
            }
            (folder / _META).write_text(json.dumps(meta), encoding="utf-8")
        _remove_unused(root)
    except (OSError, RuntimeError):
        return


def _map(path: Path, entry: dict[str, Any]) -> NDArray[Any]:
    """A read-only plain array over a file; ValueError unless the file is what was written."""
    if path.stat().st_size != entry["bytes"]:
        raise ValueError(f"{path.name} has another size")
    # An empty array cannot be mapped.
    mapped = np.load(path, mmap_mode="r" if 0 not in entry["shape"] else None, allow_pickle=False)
    if mapped.dtype.str != entry["dtype"] or list(mapped.shape) != list(entry["shape"]):
        raise ValueError(f"{path.name} holds another array")
    array: NDArray[Any] = np.asarray(mapped)
    array.flags.writeable = False
    return array


def _remove_unused(root: Path) -> None:
    old = time.time() - _UNUSED_SECONDS
    for folder in root.iterdir():
        with suppress(OSError):
            if folder.stat().st_mtime < old:
                shutil.rmtree(folder, ignore_errors=True)
