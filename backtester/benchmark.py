"""What a run is held against: the equal-weight universe, a symbol, a series of returns or a file.

A benchmark is known to the figures of a finished run alone. Nothing that decides or trades sees it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from backtester.engine.types import Floats
from backtester.errors import ConfigError, DataError, did_you_mean
from backtester.market.columns import ALIASES, fold_name
from backtester.market.dates import Days, as_days
from backtester.market.panel import Panel
from backtester.metrics import Benchmark

EQUAL_WEIGHT = "equal_weight"
_ENDINGS = (".parquet", ".csv", ".csv.gz", ".csv.zip")
# What a file may hold, best first, and the names it may have there.
_RETURNS = ("return", "returns")
_PRICES = (*ALIASES["adj_close_vendor"], *ALIASES["close"])


def resolve(benchmark: Any, panel: Panel) -> Benchmark | None:
    """The returns of a benchmark in the sessions of a panel, row ``t`` known at the close of ``t``.

    Args:
        benchmark: None; ``"equal_weight"`` (see :func:`equal_weight`); a symbol of the panel, by its total returns and,
            where it ends, its delisting return; a Series of returns by date; or the path of a CSV or Parquet file with
            a column ``date`` and one of ``return``, ``adj_close`` or ``close`` (the first of them that is there).
            Returns before the first and after the last session are left out; another date that is no session is an
            error. Prices may have dates that are no session: a return goes from the last known price at a session (or
            before the first) to that of ``t``.
        panel: the market.

    Returns:
        Name and returns (T,), NaN = unknown; None for None.

    Raises:
        ConfigError: it is none of these.
        DataError: there is no such symbol or file, or what it holds cannot be used.
    """
    if benchmark is None:
        return None
    if isinstance(benchmark, pd.Series):
        name = "benchmark" if benchmark.name is None else str(benchmark.name)
        return Benchmark(name, _fit_returns(_days(benchmark.index, name), _numbers(benchmark, name), panel, name))
    if isinstance(benchmark, str | os.PathLike):
        return _named(benchmark, panel)
    raise ConfigError(
        f"benchmark is a {type(benchmark).__name__}; it must be None, {EQUAL_WEIGHT!r}, a symbol, a pandas Series of "
        "returns by date, or the path of a CSV or Parquet file."
    )


def equal_weight(panel: Panel) -> Floats:
    """The universe in equal parts, rebalanced at every close, without costs: (T,) total returns.

    ``b[t]`` is the mean of the total returns of ``t`` over the symbols that were members at the close of ``t - 1`` and
    whose return of ``t`` is known. In the session in which an ending is settled, that is the delisting return. A symbol
    without a close at ``t`` is left out of that mean, and its return since its last close counts when it is back. NaN
    in session 0, which has no close before it, and where no return is known.
    """
    known = _held_returns(panel)
    counted = np.zeros(panel.shape, dtype=bool)
    counted[1:] = panel.member[:-1] & np.isfinite(known[1:])
    count = counted.sum(axis=1)
    total = np.where(counted, known, 0.0).sum(axis=1)
    result = np.full(len(total), np.nan)
    np.divide(total, count, out=result, where=count > 0)
    return result


def _held_returns(panel: Panel) -> Floats:
    """Total returns (T, N) as a holder had them: with the delisting return in the session of a settlement."""
    held = panel.returns.copy()
    settled = panel.ends.row < len(panel.dates)
    row, symbol = panel.ends.row[settled], panel.ends.symbol[settled]
    had_close = np.isfinite(panel.close[:, symbol]).any(axis=0)
    held[row[had_close], symbol[had_close]] = panel.ends.delisting_return[settled][had_close]
    return held


def _named(benchmark: str | os.PathLike[str], panel: Panel) -> Benchmark:
    """A keyword, a symbol or a file, in this order."""
    if isinstance(benchmark, str):
        if benchmark == EQUAL_WEIGHT:
            return Benchmark(EQUAL_WEIGHT, equal_weight(panel))
        if benchmark in panel.columns:
            return Benchmark(benchmark, _held_returns(panel)[:, panel.columns[benchmark]])
    path = Path(benchmark)
    if path.is_file():
        return Benchmark(path.name, _from_file(path, panel))
    if not isinstance(benchmark, str) or str(benchmark).lower().endswith(_ENDINGS):
        raise DataError(f"benchmark: there is no file {path}.")
    hint = did_you_mean(benchmark, [EQUAL_WEIGHT, *panel.symbols])
    raise DataError(
        f"benchmark {benchmark!r} is no symbol of the panel and no file; give a symbol, {EQUAL_WEIGHT!r}, or the path "
        f"of a CSV or Parquet file.{hint}"
    )


def _from_file(path: Path, panel: Panel) -> Floats:
    try:
        parquet = path.suffix.lower() == ".parquet"
        frame = pd.read_parquet(path) if parquet else pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError, ImportError) as error:
        raise DataError(f"benchmark: cannot read {path}: {error}.") from error
    own = {fold_name(name): name for name in frame.columns}
    dated = next((own[name] for name in ALIASES["date"] if name in own), None)
    if dated is None and isinstance(frame.index, pd.DatetimeIndex):
        frame, dated = frame.reset_index(names="date"), "date"
    valued = next((name for name in (*_RETURNS, *_PRICES) if name in own), None)
    if dated is None or valued is None:
        found = ", ".join(map(repr, frame.columns)) or "none"
        lacking = "date" if dated is None else "return, adj_close or close"
        raise DataError(f"benchmark: {path} has no column {lacking}; its columns are {found}.")
    days, values = _days(frame[dated].to_numpy(), str(path)), _numbers(frame[own[valued]], str(path))
    fit = _fit_returns if valued in _RETURNS else _fit_prices
    return fit(days, values, panel, str(path))


def _days(index: Any, where: str) -> Days:
    days = as_days(index, f"benchmark {where}")
    unique, counts = np.unique(days, return_counts=True)
    if (counts > 1).any():
        raise DataError(f"benchmark {where}: {unique[counts > 1][0]} is there twice; keep one row a date.")
    return days


def _numbers(values: pd.Series, where: str) -> Floats:
    """Values as floats, empty ones NaN."""
    filled = values.replace("", np.nan) if values.dtype.kind not in "fiu" else values
    try:
        numbers: Floats = pd.to_numeric(filled).to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise DataError(f"benchmark {where}: {error}; its values must be numbers.") from error
    return numbers


def _fit_returns(days: Days, values: Floats, panel: Panel, where: str) -> Floats:
    """Returns by date as returns by session."""
    wrong = np.flatnonzero((values < -1.0) | np.isinf(values))
    if wrong.size:
        k = wrong[0]
        raise DataError(f"benchmark {where}: {values[k]} on {days[k]} is no return; 0.01 is one percent.")
    inside = (days >= panel.dates[0]) & (days <= panel.dates[-1])
    strangers = days[inside & ~np.isin(days, panel.dates)]
    if strangers.size:
        raise DataError(
            f"benchmark {where}: {strangers.min()} is no session of the panel ({strangers.size} such dates); "
            "compound the returns of such days into the next session."
        )
    result = np.full(len(panel.dates), np.nan)
    result[np.searchsorted(panel.dates, days[inside])] = values[inside]
    return _something(result, days, panel, where)


def _fit_prices(days: Days, values: Floats, panel: Panel, where: str) -> Floats:
    """Prices by date as returns by session."""
    wrong = np.flatnonzero((values <= 0.0) | np.isinf(values))
    if wrong.size:
        raise DataError(
            f"benchmark {where}: the price {values[wrong[0]]} on {days[wrong[0]]} is not positive and finite."
        )
    known = np.isfinite(values)
    earlier = known & (days < panel.dates[0])
    last = values[earlier][days[earlier].argmax()] if earlier.any() else np.nan
    at_session = known & np.isin(days, panel.dates)
    rows = np.searchsorted(panel.dates, days[at_session])
    order = np.argsort(rows)
    rows, prices = rows[order], values[at_session][order]
    result = np.full(len(panel.dates), np.nan)
    result[rows] = prices / np.concatenate(([last], prices))[:-1] - 1.0
    return _something(result, days, panel, where)


def _something(returns: Floats, days: Days, panel: Panel, where: str) -> Floats:
    if np.isfinite(returns).any():
        return returns
    span = f"{days.min()} to {days.max()}" if days.size else "no date"
    raise DataError(
        f"benchmark {where}: it has {span}, and no return in the panel's sessions, {panel.dates[0]} to "
        f"{panel.dates[-1]}."
    )
