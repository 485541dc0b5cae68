"""What a run is held against: the equal-weight universe, a symbol, a series of returns or a file.

A benchmark is known to the figures of a finished run alone. Nothing that decides or trades sees it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from backtester.engine.types import Floats, Ints
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
# Half of all returns beyond this are no returns of an index: they are prices, or percents.
_TOO_WILD = 0.2
_MAKE_RETURNS = "A return of one percent is 0.01: divide percents by 100, and of prices take .pct_change()"


class _Settlement(NamedTuple):
    """What whoever bought at the last known close was paid in the end."""

    row: int  # the session of the settlement
    symbol: int
    bought: int  # the row of the last known close before it
    earned: float


def resolve(benchmark: Any, panel: Panel) -> Benchmark | None:
    """The returns of a benchmark in the sessions of a panel, row ``t`` known at the close of ``t``.

    Args:
        benchmark: None; ``"equal_weight"`` (see :func:`equal_weight`); a symbol of the panel, by its total returns and,
            where it ends, what its settlement pays; a Series of returns by date; or the path of a CSV or Parquet file
            with a column ``date`` and one of ``return``, ``adj_close`` or ``close`` (the first of them that is there).
            Returns before the first and after the last session are left out; another date that is no session is an
            error. Prices may have dates that are no session, which are passed over.
        panel: the market.

    Returns:
        Name, returns (T,), NaN = unknown, and the number of sessions (T,) that each goes over; None for None. The
        return of a price goes from the last known one at a session to that of ``t``. A given return goes from the date
        before it to its own, whether or not that one's is known; the first goes over one session, and is left out where
        the next one goes over several.

    Raises:
        ConfigError: it is none of these.
        DataError: there is no such symbol or file, or what it holds cannot be used.
    """
    if benchmark is None:
        return None
    if isinstance(benchmark, pd.Series):
        name = "benchmark" if benchmark.name is None else str(benchmark.name)
        where = "benchmark" if benchmark.name is None else f"benchmark {name}"
        days, values = _days(benchmark.index, where), _numbers(benchmark, where)
        return Benchmark(name, *_fit_returns(days, values, panel, where))
    if isinstance(benchmark, str | os.PathLike):
        return _named(benchmark, panel)
    raise ConfigError(
        f"benchmark is a {type(benchmark).__name__}; it must be None, {EQUAL_WEIGHT!r}, a symbol, a pandas Series of "
        "returns by date, or the path of a CSV or Parquet file."
    )


def equal_weight(panel: Panel) -> Floats:
    """The universe in equal parts, rebalanced at every close, without costs: (T,) total returns.

    ``b[t]`` is the mean of the total returns of ``t`` over the symbols that were members at the close of ``t - 1``, had
    a known close then, at which they were bought, and have a known return of ``t``. So a symbol is left out of sessions
    without a close and of the one in which it is back: what cannot be bought at the close before earns nothing after.
    Only an ending counts over a gap, since leaving it out would hide a loss: in the session of its settlement, with
    what that pays on the last known close, if the symbol was a member then. NaN in session 0, which has no close before
    it, and where no return counts.
    """
    settlements = _settlements(panel)
    held = _held_returns(panel, settlements)
    counted = np.zeros(panel.shape, dtype=bool)
    counted[1:] = panel.member[:-1] & np.isfinite(panel.close[:-1]) & np.isfinite(held[1:])
    for end in settlements:
        counted[end.row, end.symbol] = panel.member[end.bought, end.symbol]
    count = counted.sum(axis=1)
    total = np.where(counted, held, 0.0).sum(axis=1)
    result = np.full(len(total), np.nan)
    np.divide(total, count, out=result, where=count > 0)
    return result


def _settlements(panel: Panel) -> list[_Settlement]:
    """Every settlement within the panel of a symbol that has had a close.

    A share bought at its last known close is settled at the mark, that close over the splits since, times as many
    shares, so at the close itself times ``1 + delisting_return``; and is paid the dividends on the way, those of the
    session of the settlement included (docs/semantics.md, sections 1 and 5).
    """
    found = []
    ends, actions = panel.ends, panel.actions
    for symbol, row, gone in zip(ends.symbol.tolist(), ends.row.tolist(), ends.delisting_return.tolist(), strict=True):
        closes = np.flatnonzero(np.isfinite(panel.close[:row, symbol]))
        if row >= len(panel.dates) or not closes.size:
            continue
        bought = int(closes[-1])
        since = actions.slice(*np.searchsorted(actions.row, (bought + 1, row + 1)).tolist())
        mine = since.symbol == symbol
        paid = float((since.dividend[mine] * np.cumprod(since.split[mine])).sum())
        found.append(_Settlement(row, symbol, bought, gone + paid / float(panel.close[bought, symbol])))
    return found


def _held_returns(panel: Panel, settlements: list[_Settlement]) -> Floats:
    """Total returns (T, N) as a holder had them: those of settlements included."""
    held = panel.returns.copy()
    for end in settlements:
        held[end.row, end.symbol] = end.earned
    return held


def _of_symbol(symbol: int, panel: Panel) -> tuple[Floats, Ints]:
    """Returns of a symbol, and the sessions they go over."""
    returns = _held_returns(panel, _settlements(panel))[:, symbol]
    rows = np.flatnonzero(np.isfinite(panel.close[:, symbol]) | np.isfinite(returns))
    return _placed(rows[1:], returns[rows[1:]], np.diff(rows), panel)


def _placed(rows: Ints, returns: Floats, sessions: Ints, panel: Panel) -> tuple[Floats, Ints]:
    """Returns, and the sessions they go over, in their rows of the panel; NaN and 0 where there is none."""
    placed, over = np.full(len(panel.dates), np.nan), np.zeros(len(panel.dates), np.int64)
    placed[rows] = returns
    over[rows] = np.where(np.isfinite(returns), sessions, 0)
    return placed, over


def _named(benchmark: str | os.PathLike[str], panel: Panel) -> Benchmark:
    """A keyword, a symbol or a file, in this order."""
    if isinstance(benchmark, str):
        if benchmark == EQUAL_WEIGHT:
            returns = equal_weight(panel)
            return Benchmark(EQUAL_WEIGHT, returns, np.isfinite(returns).astype(np.int64))
        if benchmark in panel.columns:
            return Benchmark(benchmark, *_of_symbol(panel.columns[benchmark], panel))
    path = Path(benchmark)
    if path.is_file():
        return Benchmark(path.name, *_from_file(path, panel))
    if not isinstance(benchmark, str) or str(benchmark).lower().endswith(_ENDINGS):
        raise DataError(f"benchmark: there is no file {path}.")
    hint = did_you_mean(benchmark, [EQUAL_WEIGHT, *panel.symbols])
    raise DataError(
        f"benchmark {benchmark!r} is no symbol of the panel and no file; give a symbol, {EQUAL_WEIGHT!r}, or the path "
        f"of a CSV or Parquet file.{hint}"
    )


def _from_file(path: Path, panel: Panel) -> tuple[Floats, Ints]:
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
    where = f"benchmark {path}"
    days, values = _days(frame[dated].to_numpy(), where), _numbers(frame[own[valued]], where)
    fit = _fit_returns if valued in _RETURNS else _fit_prices
    return fit(days, values, panel, where)


def _days(index: Any, where: str) -> Days:
    days = as_days(index, where)
    unique, counts = np.unique(days, return_counts=True)
    if (counts > 1).any():
        raise DataError(f"{where}: {unique[counts > 1][0]} is there twice; keep one row a date.")
    return days


def _numbers(values: pd.Series, where: str) -> Floats:
    """Values as floats, empty ones NaN."""
    filled = values.replace("", np.nan) if values.dtype.kind not in "fiu" else values
    try:
        numbers: Floats = pd.to_numeric(filled).to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: {error}; its values must be numbers.") from error
    return numbers


def _fit_returns(days: Days, values: Floats, panel: Panel, where: str) -> tuple[Floats, Ints]:
    """Returns by date as returns by session, and the sessions they go over."""
    _check_returns(days, values, where)
    inside = (days >= panel.dates[0]) & (days <= panel.dates[-1])
    strangers = days[inside & ~np.isin(days, panel.dates)]
    if strangers.size:
        raise DataError(
            f"{where}: {strangers.min()} is no session of the panel ({strangers.size} such dates); "
            "compound the returns of such days into the next session."
        )
    order = np.argsort(days[inside])
    rows, returns = np.searchsorted(panel.dates, days[inside][order]), values[inside][order]
    sessions = np.diff(rows, prepend=rows[:1] - 1)
    if sessions.size > 1 and sessions[1] > 1:
        returns[0] = np.nan  # it too may go over several, and nobody knows how many of them are of the panel
    _check_any(returns, days, values, panel, where)
    return _placed(rows, returns, sessions, panel)


def _check_returns(days: Days, values: Floats, where: str) -> None:
    """Raise DataError for what cannot be returns of sessions."""
    wrong = np.flatnonzero((values < -1.0) | np.isinf(values))
    if wrong.size:
        k = wrong[0]
        raise DataError(f"{where}: {values[k]} on {days[k]} is no return. {_MAKE_RETURNS}.")
    sizes = np.abs(values[np.isfinite(values)])
    if sizes.size and np.median(sizes) > _TOO_WILD:
        k = np.flatnonzero(np.abs(values) > _TOO_WILD)[0]
        raise DataError(
            f"{where}: {values[k]} on {days[k]}, and half of all values, are beyond {_TOO_WILD:g}; they are no "
            f"returns. {_MAKE_RETURNS}."
        )


def _fit_prices(days: Days, values: Floats, panel: Panel, where: str) -> tuple[Floats, Ints]:
    """Prices by date as returns by session, and the sessions they go over."""
    wrong = np.flatnonzero((values <= 0.0) | np.isinf(values))
    if wrong.size:
        raise DataError(f"{where}: the price {values[wrong[0]]} on {days[wrong[0]]} is not positive and finite.")
    at_session = np.isfinite(values) & np.isin(days, panel.dates)
    rows = np.searchsorted(panel.dates, days[at_session])
    order = np.argsort(rows)
    rows, prices = rows[order], values[at_session][order]
    returns = prices[1:] / prices[:-1] - 1.0
    _check_any(returns, days, values, panel, where)
    return _placed(rows[1:], returns, np.diff(rows), panel)


def _check_any(returns: Floats, days: Days, values: Floats, panel: Panel, where: str) -> None:
    """Raise DataError if no return is known."""
    if np.isfinite(returns).any():
        return
    span = f"{days.min()} to {days.max()}" if days.size else "no date"
    if days.size and not np.isfinite(values).any():
        span = f"{days.size} dates ({span}), all of them without a value,"
    raise DataError(
        f"{where}: it has {span} and no return in the panel's sessions, {panel.dates[0]} to {panel.dates[-1]}."
    )
