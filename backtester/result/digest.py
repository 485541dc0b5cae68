"""Hashes of a run."""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from backtester.engine.types import FILL_SESSION, FILL_SYMBOL, ORDER_SESSION, ORDER_SYMBOL

if TYPE_CHECKING:
    from backtester.metrics import Metrics
    from backtester.result.record import Result


def content_hash(result: Result) -> str:
    """SHA-256, as hex, of every order and every fill, each with its date and its symbol (law 17).

    Sessions count as dates and symbols as their names, so it does not depend on what else the panel holds.
    """
    tape = result.tape
    sessions = np.concatenate((tape.order_i[:, ORDER_SESSION], tape.fill_i[:, FILL_SESSION]))
    codes = np.concatenate((tape.order_i[:, ORDER_SYMBOL], tape.fill_i[:, FILL_SYMBOL]))
    used = np.zeros(len(result.symbols), dtype=bool)
    used[codes] = True
    rank = used.cumsum() - 1
    names = [symbol for symbol, is_used in zip(result.symbols, used, strict=True) if is_used]

    digest = hashlib.sha256()
    _text(digest, names)
    _array(digest, result.dates[sessions].astype("datetime64[D]").astype(np.int64))
    _array(digest, rank[codes])
    for table in (tape.order_i[:, ORDER_SYMBOL + 1 :], tape.order_f, tape.fill_i[:, FILL_SYMBOL + 1 :], tape.fill_f):
        _array(digest, table)
    return digest.hexdigest()


def record_hash(result: Result) -> str:
    """SHA-256, as hex, of everything else that a saved run holds: ledger, events, resting orders, settings.

    Not of ``signal_quality``, which follows from the data, the scores and the settings, and only some runs note.
    """
    digest = hashlib.sha256()
    settings = {key: value for key, value in result.settings.items() if key != "signal_quality"}
    _text(digest, [result.name, result.cash, result.symbols, result.sector_names, settings])
    _text(digest, result.panel_fingerprint)
    _array(digest, result.dates.astype("datetime64[D]").astype(np.int64))
    for table in (result.tape.ledger, result.tape.event_i, result.tape.event_f, *result.resting_orders):
        _array(digest, table)
    if result.attribution is not None:
        for table in result.attribution:
            _array(digest, table)
    if result.benchmark is not None:
        _text(digest, result.benchmark.name)
        _array(digest, result.benchmark.returns)
        _array(digest, result.benchmark.sessions)
    return digest.hexdigest()


def figures_hash(metrics: Metrics | None) -> str:
    """SHA-256, as hex, of figures that stand beside a run and are no part of it."""
    digest = hashlib.sha256()
    _text(digest, None if metrics is None else plain(metrics))
    return digest.hexdigest()


def plain(metrics: Metrics) -> Metrics:
    """Figures as JSON can hold them, without NaN and infinity: None."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in metrics.items()
    }


def _text(digest: Any, value: Any) -> None:
    """Add plain data, as JSON."""
    digest.update(json.dumps(value, sort_keys=True).encode())


def _array(digest: Any, array: np.ndarray) -> None:
    """Add shape and bytes of an array, little-endian. All NaN are one: their bits differ by processor and file."""
    if array.dtype.kind == "f":
        array = np.where(np.isnan(array), np.nan, array)
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    digest.update(str((array.dtype.str, array.shape)).encode())
    digest.update(array.data)
