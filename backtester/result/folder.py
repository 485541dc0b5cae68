"""A run on disk: one folder of Parquet tables and JSON, written as a whole or not at all.

| file | what it holds |
|---|---|
| `run.json` | name, settings, symbols, hashes, versions |
| `metrics.json` | the figures of the summary; unknown ones are null |
| `ledger.parquet` | a row a session |
| `orders.parquet`, `fills.parquet`, `events.parquet` | the tape, in its order |
| `resting.parquet` | the orders of the next trading day |
| `legs.parquet` | what each side of the book did, a row a session |
| `trades.parquet` | a row a round trip, with what it takes to make `Result.trades` |
| `benchmark.parquet` | the benchmark's returns and the sessions that each goes over, where there is one |
| `learning.parquet` | a row an epoch of every model that a signal has trained, where there are any |

The tables spell out dates and names, so that any Parquet reader can use them, and still hold every number of the tape
to the bit: a loaded run is checked against its hashes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from backtester.errors import RunError
from backtester.result import files
from backtester.result.digest import figures_hash, plain

if TYPE_CHECKING:
    from backtester.result.record import Result

# A further file of a run: its text, or what writes it.
Extra: TypeAlias = str | Callable[[Path], object]
FORMAT = 2
RUN, METRICS = "run.json", "metrics.json"
_PACKAGES = ("backtester", "numpy", "numba", "pandas", "pyarrow")


def write(result: Result, path: Path, overwrite: bool, extra: Mapping[str, Extra]) -> None:
    """See :meth:`Result.save`."""
    path = Path(os.path.abspath(path))
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        if not overwrite:
            raise RunError(
                f"{path} exists already. Choose another folder, or allow overwriting (overwrite=True, --overwrite)."
            )
        if not (path / RUN).is_file():
            raise RunError(f"{path} holds no run ({RUN} is missing), so it is not overwritten. Choose another folder.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{path.name}-", suffix=".partial", dir=path.parent))
    except OSError as error:
        raise RunError(f"Cannot write a run to {path}: {error.strerror or error}.") from error
    try:
        _write_files(result, partial, extra)
        partial.chmod(0o777 & ~_umask())  # mkdtemp makes it private
        _move(partial, path, overwrite)
    except OSError as error:
        raise RunError(f"Cannot write a run to {path}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def read(path: Path) -> dict[str, Any]:
    """The arguments of the :class:`Result` in a folder, and its two hashes. RunError if it is none, or damaged."""
    path = Path(path)
    if not path.is_dir():
        raise RunError(f"There is no run at {path}: it is not a folder.")
    about_run = read_json(path, RUN)
    if about_run.get("format") != FORMAT:
        raise RunError(
            f"{path / RUN} has format {about_run.get('format')!r}; this version reads {FORMAT}. Run it again."
        )
    try:
        return files.assemble(path, about_run)
    except KeyError as error:
        raise RunError(
            f"The run at {path} is damaged: {error.args[0]!r} is missing or unknown. Run it again."
        ) from error
    except (TypeError, ValueError) as error:
        raise RunError(f"The run at {path} is damaged ({error}). Run it again.") from error


def read_json(path: Path, file: str) -> dict[str, Any]:
    """One of the two JSON files of a run. RunError if it is missing or damaged."""
    try:
        found = json.loads((path / file).read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"There is no run at {path}: cannot read {file} ({error.strerror or error}).") from error
    except ValueError as error:
        raise RunError(f"{path / file} is damaged ({error}). Run it again.") from error
    if not isinstance(found, dict):
        raise RunError(f"{path / file} is damaged: it is no JSON object. Run it again.")
    return found


@cache
def code_hash() -> str:
    """SHA-256, as hex, of the sources of this package, names and contents, when it was first asked for."""
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for source in sorted(root.rglob("*.py"), key=lambda source: source.relative_to(root).as_posix()):
        digest.update(source.relative_to(root).as_posix().encode())
        digest.update(hashlib.sha256(source.read_bytes()).digest())
    return digest.hexdigest()


def _write_files(result: Result, folder: Path, extra: Mapping[str, Extra]) -> None:
    import pyarrow.parquet as pq

    for name, table in files.tables(result).items():
        words = [field.name for field in table.schema if str(field.type) not in ("double", "int64", "int32")]
        # A dictionary of prices would be as long as the prices: looking for one is a third of the time.
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd", use_dictionary=words)
    about_run = {
        "format": FORMAT,
        "name": result.name,
        "cash": result.cash,
        "hashes": {
            "content": result.content_hash,
            "record": result.record_hash,
            "without_breakers": figures_hash(result.without_breakers),
            "learning": files.curves_hash(result.curves),
            "panel": result.panel_fingerprint,
            "code": code_hash(),
        },
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}},
        "settings": result.settings,
        "sector_names": list(result.sector_names),
        "symbols": list(result.symbols),
        "attributed": result.attribution is not None,
        "benchmark": None if result.benchmark is None else result.benchmark.name,
        "without_breakers": None if result.without_breakers is None else plain(result.without_breakers),
    }
    metrics = plain(result.metrics)
    texts: dict[str, Extra] = {RUN: json.dumps(about_run, indent=1), METRICS: json.dumps(metrics, indent=1), **extra}
    for name, text in texts.items():
        if isinstance(text, str):
            (folder / name).write_text(text.rstrip("\n") + "\n", encoding="utf-8", newline="\n")
        else:
            text(folder / name)


def _move(partial: Path, path: Path, overwrite: bool) -> None:
    """Put a finished folder in its place; a run that stands there goes first, and comes back if that fails."""
    if not (overwrite and path.exists()):
        with contextlib.suppress(OSError):
            path.rmdir()  # an empty folder may be in the way; anything else stays, and the next line fails
        partial.rename(path)
        return
    old = partial.with_suffix(".old")
    path.rename(old)
    try:
        partial.rename(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _umask() -> int:
    """The permissions that new files of this process do not get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


@cache
def _version(package: str) -> str:
    """The installed version of a package; of this one also when it runs from its sources."""
    with contextlib.suppress(PackageNotFoundError):
        return version(package)
    return "unknown"
