"""The trial ledger: every variant that was ever run on some data, counted over commands, for the deflated Sharpe ratio.

The best of forty trials looks good on noise too, so it has to be known how many there were. Each run appends a line of
JSON to ``trials.jsonl`` in the folder of runs; to delete a run's folder deletes no trial.

**A trial** is a run, told from others by a hash of all that decides it (`trial_of`): the same run again is the same
trial, under whatever name; another setting, another seed, other data or other code that trades otherwise is another
one. All of them count, those that resemble each other too. Fewer are effectively independent, so their number is too
high, and the spread of their ratios too low: with many near-copies of one variant the second weighs more, and the
deflated ratio is too high.

**The same data**: a cut by dates is another panel with another fingerprint, and still the same history. So a trial
holds the fingerprint of its panel and the key of the dataset that it was cut from (`dataset_key`). Two trials are on
the same data if either agrees and their track records share a session. A rule that was chosen on the years up to 2015
and is then run once on the years after has one trial there.

**Variants and baselines**: a baseline (buy and hold, momentum, ...) is kept and not counted. What it does is fixed
before anything is looked at, and nobody picks it for having come first. What has ever been run as a variant counts.

What cannot be seen: trials in another folder of runs, or made in Python and not recorded; and a dataset that was
imported again with further sessions is other data, of which nothing is known yet.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from backtester.engine.types import SESSIONS_PER_YEAR
from backtester.errors import DataError
from backtester.market.store import read_manifest, sha256_of
from backtester.research.sharpe import deflated_sharpe, expected_maximum_sharpe, moments
from backtester.result import Result

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LEDGER = "trials.jsonl"
VARIANT, BASELINE = "variant", "baseline"
# What the record of a run notes beside the settings that decide it.
_NOTES = ("signal_quality", "data_check", "costs_preset", "scores_file", "synthetic")
_FIGURES = ("sharpe", "skewness", "kurtosis")
_MOST_NAMED = 5


class Trial(NamedTuple):
    """A line of the ledger; its figures are those of `research.sharpe.moments`, NaN where they are not known."""

    id: str  # hash of all that decides the run, in hex
    time: str  # when it was recorded, UTC, ISO 8601
    panel: str  # fingerprint of the panel
    dataset: str  # what the panel was cut from, as `dataset_key` says; "": not known
    name: str
    command: str  # "run", "bench" or "demo"
    role: str  # "variant" or "baseline"
    first: str  # date of the first session of the track record, ISO 8601
    last: str  # and of the last
    sessions: int  # from the one to the other
    sharpe: float  # of a session, not annualised
    skewness: float
    kurtosis: float  # 3 for a normal distribution
    strategy: str  # class
    signal: str  # class, or file of scores; "": none


class Counted(NamedTuple):
    """The trials on some data."""

    variants: int  # distinct ones
    since: str  # date of the first, UTC; "": there is none
    variance: float  # of their Sharpe ratios per session, ddof=1; NaN with fewer than two that are known
    baselines: int  # distinct baselines, which are in none of these


def dataset_key(source: str | os.PathLike[str] | Mapping[str, Any]) -> str:
    """What stays the same of data however they are cut by dates.

    Args:
        source: a dataset folder: the fingerprint in its manifest; a file: the hash of its bytes; the settings of a
            synthetic market: their hash.

    Returns:
        Text; "" where it cannot be told.
    """
    if isinstance(source, Mapping):
        return f"synthetic-{_hash(dict(source))}"
    path = Path(source)
    with suppress(DataError, OSError):
        return f"dataset-{read_manifest(path)['fingerprint']}" if path.is_dir() else f"file-{sha256_of(path)}"
    return ""


def trial_of(
    result: Result, *, command: str, dataset: str = "", role: str = VARIANT, rows: Any = None, name: str | None = None
) -> Trial:
    """The line of a finished run.

    Its id is the hash of the run's settings (strategy, signal, folds, scores, costs, limits, execution, cash: all of
    the record but notes and names), of the panel's fingerprint, of how many of its sessions were run, and of every
    order and fill.

    Args:
        result: the run.
        command: that made it.
        dataset: as `dataset_key` says.
        role: ``variant`` or ``baseline``.
        rows: the sessions of its track record, as an index into ``result.dates``; None: all.
        name: in place of the result's.
    """
    rows = slice(None) if rows is None else rows
    dates = result.dates[rows]
    found = moments(result.returns.to_numpy(np.float64)[rows])
    settings = {key: value for key, value in result.settings.items() if key not in _NOTES}
    decides = [settings, result.cash, result.panel_fingerprint, len(result.dates), result.content_hash]
    return Trial(
        id=_hash(decides),
        time=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        panel=result.panel_fingerprint,
        dataset=dataset,
        name=result.name if name is None else name,
        command=command,
        role=role,
        first=str(dates[0]) if len(dates) else "",
        last=str(dates[-1]) if len(dates) else "",
        sessions=len(dates),
        sharpe=found.sharpe,
        skewness=found.skewness,
        kurtosis=found.kurtosis,
        strategy=str((settings.get("strategy") or {}).get("class", "")),
        signal=_signal_of(result.settings),
    )


def record(folder: str | os.PathLike[str], entries: Iterable[Trial]) -> None:
    """Append trials to the ledger of a folder of runs, which is made if it is not there.

    The lines are written under a lock, so any number of processes may write at once; where the system has no such lock
    they are appended in one piece. A line that was cut off before is closed first. Where nothing can be written there
    is a warning, and the trials are not counted.
    """
    lines = [json.dumps(_told(entry), allow_nan=False) + "\n" for entry in entries]
    if not lines:
        return
    path = Path(folder) / LEDGER
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, shared=False) as descriptor:
            _append(descriptor, "".join(lines).encode())
    except OSError as error:
        many = f"{len(lines)} trial{'' if len(lines) == 1 else 's'}"
        warnings.warn(f"{many} cannot be counted in {path}: {error.strerror or error}.", stacklevel=2)


def trials(folder: str | os.PathLike[str]) -> list[Trial]:
    """All distinct trials of the ledger of a folder of runs, in the order in which they were first recorded.

    A trial that was recorded both as a baseline and as a variant is a variant. Lines that are damaged are left out and
    told by a warning, as is a ledger that cannot be read; without one there is no trial.
    """
    path = Path(folder) / LEDGER
    try:
        with _locked(path, os.O_RDONLY, shared=True) as descriptor:
            content = b"".join(iter(lambda: os.read(descriptor, 1 << 20), b""))
    except FileNotFoundError:
        return []
    except OSError as error:
        warnings.warn(f"The trials in {path} cannot be read: {error.strerror or error}.", stacklevel=2)
        return []
    found: dict[str, Trial] = {}
    damaged = []
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            one = _read(json.loads(line))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            damaged.append(number)
            continue
        before = found.get(one.id, one)
        role = VARIANT if VARIANT in (one.role, before.role) else BASELINE
        found[one.id] = before._replace(role=role, dataset=before.dataset or one.dataset)
    if damaged:
        named = ", ".join(map(str, damaged[:_MOST_NAMED])) + (", ..." if damaged[_MOST_NAMED:] else "")
        told = f"line {named} is damaged and is" if len(damaged) == 1 else f"lines {named} are damaged and are"
        warnings.warn(f"{path}: {told} not counted among the trials.", stacklevel=2)
    return list(found.values())


def same_data(one: Trial, other: Trial) -> bool:
    """Whether two trials are on the same data: one dataset, or one panel, and track records that share a session."""
    same = one.panel == other.panel or (one.dataset != "" and one.dataset == other.dataset)
    return same and one.first <= other.last and other.first <= one.last


def counted(known: Iterable[Trial], like: Trial) -> Counted:
    """How many of some distinct trials are on the data of one, and how far their Sharpe ratios are apart.

    Args:
        known: as `trials` gives them.
        like: the trial; it counts itself if it is among them.
    """
    there = [one for one in known if same_data(one, like)]
    variants = [one for one in there if one.role == VARIANT]
    ratios = np.array([one.sharpe for one in variants if math.isfinite(one.sharpe)])
    return Counted(
        variants=len(variants),
        since=min((one.time[:10] for one in variants), default=""),
        variance=float(ratios.var(ddof=1)) if ratios.size >= 2 else math.nan,
        baselines=len(there) - len(variants),
    )


def deflation(
    folder: str | os.PathLike[str], like: Trial, returns: Any, known: Sequence[Trial] | None = None
) -> dict[str, Any] | None:
    """The deflated Sharpe ratio of a track record, given all the trials on its data that the ledger knows.

    Bailey and Lopez de Prado, The Deflated Sharpe Ratio (2014): the probability that the true Sharpe ratio is above
    the largest that as many trials without any skill would lead one to expect, given how far theirs are apart. Record
    the trial first: it is one of them. See `backtester.research.sharpe`.

    Args:
        folder: of the runs, where the ledger lies.
        like: the trial, as `trial_of` gives it.
        returns: (S,) its returns a session; NaN is left out.
        known: what `trials` has given, so that the ledger is not read again.

    Returns:
        Plain data: ``count`` (trials), ``since`` (date of the first), ``sharpe_std`` (standard deviation of their
        Sharpe ratios) and ``expected_max`` (the largest to expect), both annualised, ``dsr`` and ``ledger`` (path).
        With one trial there is nothing to deflate: ``sharpe_std`` is None, ``expected_max`` 0, and ``dsr`` the
        probabilistic Sharpe ratio against 0. With more of which fewer than two have a known Sharpe ratio, all three
        are None, as is ``dsr`` where it cannot be told. None without any trial.
    """
    count, since, variance, _ = counted(trials(folder) if known is None else known, like)
    if count == 0:
        return None
    year = math.sqrt(SESSIONS_PER_YEAR)
    return {
        "count": count,
        "since": since,
        "sharpe_std": _number(math.sqrt(variance) * year),
        "expected_max": _number(expected_maximum_sharpe(count, variance) * year),
        "dsr": _number(deflated_sharpe(returns, count, variance)),
        "ledger": (Path(folder) / LEDGER).as_posix(),
    }


def _signal_of(settings: Mapping[str, Any]) -> str:
    """The class of the signal, or the file that the scores came from."""
    scores = settings.get("scores") or {}
    signal, *files = scores.get("signal"), settings.get("scores_file"), scores.get("file")
    if isinstance(signal, Mapping) and "class" in signal:
        return str(signal["class"])
    return next((str(file["name"]) for file in files if isinstance(file, Mapping) and "name" in file), "")


def _hash(content: Any) -> str:
    """SHA-256 of plain data, in hex; what has no JSON form counts by its text."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def _told(entry: Trial) -> dict[str, Any]:
    """A trial as JSON can hold it: None for what is not known."""
    return {key: _number(value) if isinstance(value, float) else value for key, value in entry._asdict().items()}


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _read(told: Any) -> Trial:
    """The trial of a line; further keys, of a later version, are left alone.

    Raises:
        ValueError, KeyError, TypeError, OverflowError: it is none.
    """
    values = {key: told[key] for key in Trial._fields}
    for key, value in values.items():
        if key in _FIGURES:
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise TypeError(key)
            values[key] = math.nan if value is None else float(value)
        elif type(value) is not (int if key == "sessions" else str):
            raise TypeError(key)
    if not values["id"] or values["role"] not in (VARIANT, BASELINE):
        raise ValueError("no trial")
    return Trial(**values)


@contextmanager
def _locked(path: Path, flags: int, *, shared: bool) -> Iterator[int]:
    """A descriptor of a file, locked against other processes for as long as the block lasts, if that can be had."""
    descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o666)
    try:
        if fcntl is not None:
            with suppress(OSError):  # some network drives have no locks
                fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)  # which lets the lock go


def _append(descriptor: int, content: bytes) -> None:
    """Write at the end of a file, on a line of its own."""
    size = os.fstat(descriptor).st_size
    if size:
        os.lseek(descriptor, size - 1, os.SEEK_SET)
        if os.read(descriptor, 1) != b"\n":
            content = b"\n" + content
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]
