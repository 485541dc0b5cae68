"""What a signal is to foretell: the return of a position that its score could have led to. The only look ahead."""

from __future__ import annotations

import numbers
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from backtester.cross_section import centred_ranks, demeaned
from backtester.errors import ConfigError, DataError, did_you_mean
from backtester.market.panel import Panel

Floats: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.int64]
LabelKind: TypeAlias = Literal["raw", "demeaned", "sector_demeaned", "ranked", "up"]
FillAt: TypeAlias = Literal["open", "close", "same_close"]
KINDS: tuple[str, ...] = get_args(LabelKind)
# The session, counted from that of the decision, in which an order fills.
FIRST_FILL: dict[str, int] = {"open": 1, "close": 1, "same_close": 0}
# The same as moments in time, by which one fill is before another.
_MOMENT = {"same_close": 0, "open": 1, "close": 2}
# The fills that labels are asked for while a signal learns; None: nobody keeps count.
_asked: ContextVar[set[str] | None] = ContextVar("asked_fills", default=None)


def labels(
    panel: Panel,
    rows: Any = None,
    horizon: int = 1,
    *,
    kind: LabelKind = "raw",
    fill: FillAt = "open",
    start: int | None = None,
) -> Floats:
    """The label of every row and symbol: the return of a position that is held for ``horizon`` sessions.

    With ``a = t + start`` and ``b = a + horizon`` the raw label of row ``t`` is the total return from the open of ``a``
    to that of ``b``, ``(ratio * open[b] + paid) / open[a] - 1``: ``ratio`` is the product of the splits, and ``paid``
    the sum of the dividends per share bought, with ex-dates in ``a + 1 .. b``. That is what one share bought there and
    sold there earns in a run without costs, to the rounding. A symbol that is settled in ``a + 1 .. b`` has the
    settlement in place of ``open[b]``: its last known close times ``1 + delisting_return``.

    NaN where an order could not fill at both ends (the price is unknown, or the volume known to be 0), where none could
    be given because the symbol is no member of the universe or not tradable in row ``t``, and where the panel ends
    before ``b``. A label never changes when the panel goes on.

    Args:
        panel: the market.
        rows: (R,) rows of the panel, strictly increasing; None: all.
        horizon: sessions from the purchase to the sale, at least 1.
        kind: ``raw``; ``demeaned``: less the session's mean; ``sector_demeaned``: less that of the symbol's sector
            (symbols without one form one); ``ranked``: ranks in the session from -0.5 to 0.5, ties averaged; ``up``: 1
            for a raw label above 0, else 0. Sessions are compared over the symbols with a label.
        fill: the price that the position is bought and sold at, as in ``bt.Execution``: ``open`` or ``close``, or
            ``same_close``, which nobody can trade at.
        start: sessions from row ``t`` to the purchase. By default the first in which an order fills: 1, and 0 for
            ``same_close``.

    Returns:
        (R, N) float64.

    Raises:
        ConfigError: a setting is unknown, or the label would start before its fill.
        DataError: `rows` are not rows of the panel in increasing order.
    """
    check_kind(kind)
    first = check_start(fill, start)
    check_whole("horizon", horizon)
    at = all_rows(panel) if rows is None else check_rows(rows, panel)
    asked = _asked.get()
    if asked is not None:
        asked.add(fill)
    raw = _total_returns(panel, at, first, horizon, panel.open if fill == "open" else panel.close)
    raw[~(panel.member[at] & panel.tradable[at])] = np.nan  # nothing could be ordered then
    if kind == "demeaned":
        return demeaned(raw)
    if kind == "sector_demeaned":
        return demeaned(raw, panel.sector_codes)
    if kind == "ranked":
        return centred_ranks(raw)
    if kind == "up":
        return np.where(np.isnan(raw), np.nan, (raw > 0.0).astype(np.float64))
    return raw


def check_kind(kind: str) -> None:
    """Raise ConfigError unless there are labels of this kind."""
    if kind not in KINDS:
        raise ConfigError(f"label is {kind!r}; it must be one of {', '.join(KINDS)}.{did_you_mean(str(kind), KINDS)}")


def check_start(fill: str, start: int | None = None) -> int:
    """The session of the purchase, counted from that of the decision.

    Raises:
        ConfigError: there is no such fill, or the label would start before it.
    """
    if fill not in FIRST_FILL:
        hint = did_you_mean(str(fill), FIRST_FILL)
        raise ConfigError(f"fill is {fill!r}; it must be one of {', '.join(FIRST_FILL)}.{hint}")
    earliest = FIRST_FILL[fill]
    if start is None:
        return earliest
    check_whole("start", start, least=-(10**9))
    if start < earliest:
        when = "t" if start == 0 else f"t{start:+d}"
        raise ConfigError(
            f"start is {start}: the label of session t would start at the {fill.removeprefix('same_')} of {when}, "
            f"before its fill. A score of t is known after the close of t and fills at the {fill} of t+{earliest} "
            f"at the earliest: what happens before that cannot be earned. Use start={earliest}, or leave it out."
        )
    return int(start)


def check_trained_for(fill: str, trained: str) -> None:
    """Raise ConfigError if labels that run from the price ``trained`` start before orders fill at ``fill``."""
    check_start(trained)
    if _MOMENT[trained] < _MOMENT[fill]:
        raise ConfigError(
            f"the signal learns from labels that start at the {_named(trained)}, before its orders fill, at the "
            f"{_named(fill)} (Execution(fill={fill!r})): part of what it learns cannot be earned. Train it with "
            f"fill={fill!r}."
        )


@contextmanager
def asked_fills() -> Iterator[set[str]]:
    """The fills that `labels` is asked for inside of the block."""
    asked: set[str] = set()
    token = _asked.set(asked)
    try:
        yield asked
    finally:
        _asked.reset(token)


def check_whole(key: str, value: Any, least: int = 1) -> None:
    """Raise ConfigError unless a setting is a whole number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ConfigError(f"{key} is {value!r}; it must be a whole number, at least {least}.")


def all_rows(panel: Panel) -> Rows:
    """Every row of a panel."""
    return np.arange(panel.shape[0], dtype=np.int64)


def check_rows(rows: Any, panel: Panel) -> Rows:
    """Rows as int64; raises DataError unless they are rows of the panel in strictly increasing order."""
    at = np.asarray(rows)
    sessions = panel.shape[0]
    if at.ndim != 1 or (at.size and at.dtype.kind not in "iu"):
        raise DataError(f"rows have shape {at.shape} and type {at.dtype}; they must be a list of row numbers.")
    at = at.astype(np.int64)
    if at.size and (at[0] < 0 or at[-1] >= sessions or (np.diff(at) <= 0).any()):
        raise DataError(
            f"rows must increase strictly and lie in 0 to {sessions - 1}, the rows of the panel; they run from "
            f"{at.min()} to {at.max()}."
        )
    return at


def _named(fill: str) -> str:
    return {"open": "open of t+1", "close": "close of t+1", "same_close": "close of t"}[fill]


def _total_returns(panel: Panel, rows: Rows, start: int, horizon: int, price: Floats) -> Floats:
    """Total returns ``(R, N)`` from the price of ``row + start`` to that of ``horizon`` sessions later."""
    sessions, symbols = panel.shape
    result = np.full((len(rows), symbols), np.nan)
    inside = rows[rows + start + horizon < sessions]
    if not inside.size:
        return result
    bought, sold = inside + start, inside + start + horizon
    tradable = np.where(np.isfinite(price) & (panel.volume != 0.0), price, np.nan)
    entry, worth = tradable[bought], tradable[sold]
    settled_in = _place_settlements(panel, bought, horizon, worth)
    ratio, paid = np.ones(entry.shape), np.zeros(entry.shape)
    actions = panel.actions
    for row, symbol, split, dividend in zip(*(part.tolist() for part in actions), strict=True):
        if row > settled_in.get(symbol, row):  # nobody holds it any more
            continue
        held = slice(*np.searchsorted(bought, (row - horizon, row)))  # bought before `row`, sold at it or later
        ratio[held, symbol] *= split
        paid[held, symbol] += dividend * ratio[held, symbol]
    result[: len(inside)] = (ratio * worth + paid) / entry - 1.0
    return result


def _place_settlements(panel: Panel, bought: Rows, horizon: int, worth: Floats) -> dict[int, int]:
    """Put what a settlement pays a share in place of the price at the sale; the sessions of settlement by symbol."""
    sessions = panel.shape[0]
    settled_in: dict[int, int] = {}
    ends = panel.ends
    columns = (ends.symbol.tolist(), ends.row.tolist(), ends.delisting_return.tolist())
    for symbol, row, gone in zip(*columns, strict=True):
        if row >= sessions:
            continue
        settled_in[symbol] = row
        known = np.flatnonzero(np.isfinite(panel.close[:row, symbol]))
        if not known.size:
            continue
        mark = panel.close[known[-1], symbol]
        mine = (panel.actions.symbol == symbol) & (panel.actions.row > known[-1]) & (panel.actions.row <= row)
        mark /= np.prod(panel.actions.split[mine])
        held = slice(*np.searchsorted(bought, (row - horizon, row)))
        worth[held, symbol] = mark * (1.0 + gone)
    return settled_in
