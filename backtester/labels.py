"""What a signal is to foretell: the return of a position that its score could have led to. The only look ahead.

The prices of that position are followed in `holding.py`; who could take it, and what is made of its return, is here.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from backtester.cross_section import average_ranks, centred_ranks, demeaned
from backtester.errors import ConfigError, DataError, did_you_mean
from backtester.holding import TripleBarrier, barrier_returns, total_returns
from backtester.market.panel import Panel

Floats: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.int64]
LabelKind: TypeAlias = Literal["raw", "demeaned", "sector_demeaned", "ranked", "up", "three", "triple_barrier"]
FillAt: TypeAlias = Literal["open", "close", "same_close"]
KINDS: tuple[str, ...] = get_args(LabelKind)
# The arguments that some kinds take; the others take none.
ARGUMENTS: dict[str, tuple[str, ...]] = {"three": ("band",), "triple_barrier": ("profit", "stop", "window")}
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
    **arguments: Any,
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
            for a raw label above 0, else 0; ``three``: -1, 0 or 1, the lowest, middle and highest third of the session,
            where a symbol with rank ``r`` of ``n`` (ties averaged) stands at ``(r - 0.5) / n``, or with ``band`` what
            is below ``-band``, between and above ``band``; ``triple_barrier``: the label of `triple_barrier`. Sessions
            are compared over the symbols with a label.
        fill: the price that the position is bought and sold at, as in ``bt.Execution``: ``open`` or ``close``, or
            ``same_close``, which nobody can trade at.
        start: sessions from row ``t`` to the purchase. By default the first in which an order fills: 1, and 0 for
            ``same_close``.
        **arguments: of the kind: ``band`` of ``three``, a return of at least 0 (0: the sign of the return; None, the
            default: thirds); ``profit``, ``stop`` and ``window`` of ``triple_barrier``.

    Returns:
        (R, N) float64.

    Raises:
        ConfigError: a setting is unknown, or the label would start before its fill.
        DataError: `rows` are not rows of the panel in increasing order.
    """
    check_kind(kind)
    check_arguments(kind, arguments)
    if kind == "triple_barrier":
        return triple_barrier(panel, rows, horizon, fill=fill, start=start, **arguments).label
    at, first = _asked_for(panel, rows, horizon, fill, start)
    raw = total_returns(panel, at, first, horizon, panel.open if fill == "open" else panel.close)
    raw[~_could_order(panel, at)] = np.nan
    if kind == "demeaned":
        return demeaned(raw)
    if kind == "sector_demeaned":
        return demeaned(raw, panel.sector_codes)
    if kind == "ranked":
        return centred_ranks(raw)
    if kind == "up":
        return np.where(np.isnan(raw), np.nan, (raw > 0.0).astype(np.float64))
    if kind == "three":
        return _three(raw, arguments.get("band"))
    return raw


def triple_barrier(
    panel: Panel,
    rows: Any = None,
    horizon: int = 1,
    *,
    profit: float = 1.0,
    stop: float = 1.0,
    window: int = 63,
    fill: FillAt = "open",
    start: int | None = None,
) -> TripleBarrier:
    """Which barrier a long position touches first: profit, stop, or the end of its time (Lopez de Prado, 2018, ch. 3).

    The position of row ``t`` is bought as that of `labels`: at the open of ``a = t + start``. With ``s`` the standard
    deviation (ddof=1) of the known daily total returns of the ``window`` sessions up to ``t``, at least 20 of them
    (``window`` where that is less), the profit barrier is a worth of ``1 + profit * s * sqrt(horizon)`` times the entry
    and the stop one of ``1 - stop * s * sqrt(horizon)`` times it: 1 is one standard deviation of the whole holding's
    return. (In the book ``s`` is of a day, exponentially weighted, and not scaled by the horizon.) Worth is the price
    times the splits, plus the dividends, with ex-dates from ``a + 1`` on.

    Every session from the purchase on is seen. An open beyond a barrier touches it there, at the open. After it the
    barriers that lie among the known prices of the session (open, high, low, close) are touched at their own price, and
    if both do, the stop was first. If the open is unknown and all known prices are beyond, the touch is at the nearest
    of them. A session whose volume is known to be 0 touches nothing. What is not touched up to the open of
    ``b = a + horizon``, that open included, is sold there. A settlement counts like an open.

    NaN as in `labels` (no order could be given in ``t``, or fill at ``a``; the panel ends before ``b``, whether or not
    something was touched by then; nothing was touched and no sale could fill at ``b``), and where ``s`` is unknown
    or 0 (below 1e-12, which is rounding). A label never changes when the panel goes on.

    Args:
        panel: the market.
        rows: (R,) rows of the panel, strictly increasing; None: all.
        horizon: sessions from the purchase to the end of the time, at least 1.
        profit: distance of the profit barrier in standard deviations, above 0; ``inf``: there is none.
        stop: the same of the stop.
        window: sessions of the volatility, at least 2.
        fill: as in `labels`. With ``close`` and ``same_close`` the path begins in the session after the purchase, and
            ends with the close of ``b``, its open, high and low included.
        start: as in `labels`.

    Returns:
        `TripleBarrier`: label 1, -1 or 0 (time), total return earned, sessions from the purchase; each (R, N).

    Raises:
        ConfigError: a setting is wrong, or the position would begin before its fill.
        DataError: `rows` are not rows of the panel in increasing order.
    """
    check_arguments("triple_barrier", {"profit": profit, "stop": stop, "window": window})
    at, first = _asked_for(panel, rows, horizon, fill, start)
    found = barrier_returns(panel, at, first, horizon, fill != "open", profit, stop, window)
    could = _could_order(panel, at)
    return TripleBarrier(*(np.where(could, part, np.nan) for part in found))


def check_kind(kind: str) -> None:
    """Raise ConfigError unless there are labels of this kind."""
    if kind not in KINDS:
        raise ConfigError(f"label is {kind!r}; it must be one of {', '.join(KINDS)}.{did_you_mean(str(kind), KINDS)}")


def check_arguments(kind: str, arguments: Mapping[str, Any]) -> None:
    """Raise ConfigError unless a kind of label takes these arguments. Those that are not there have their default."""
    takes = ARGUMENTS.get(kind, ())
    for key, value in arguments.items():
        if key not in takes:
            known = f"takes {', '.join(takes)}" if takes else "takes no arguments"
            raise ConfigError(f"labels have no argument {key!r}: label {kind!r} {known}.{did_you_mean(key, takes)}")
        if key == "window":
            check_whole(key, value, least=2)
        elif key == "band":
            if value is not None and not (_is_number(value) and 0.0 <= value < math.inf):
                raise ConfigError(f"band is {value!r}; it must be a return of at least 0, or None for thirds.")
        elif not (_is_number(value) and value > 0.0):
            raise ConfigError(
                f"{key} is {value!r}; it must be a number of standard deviations above 0, or inf for no such barrier."
            )


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


def _asked_for(panel: Panel, rows: Any, horizon: int, fill: str, start: int | None) -> tuple[Rows, int]:
    """The rows, and the session of the purchase counted from them, of a request that is checked and kept count of."""
    first = check_start(fill, start)
    check_whole("horizon", horizon)
    at = all_rows(panel) if rows is None else check_rows(rows, panel)
    asked = _asked.get()
    if asked is not None:
        asked.add(fill)
    return at, first


def _could_order(panel: Panel, rows: Rows) -> NDArray[np.bool_]:
    """Whether an order could be given after the close of each row: (R, N)."""
    could: NDArray[np.bool_] = panel.member[rows] & panel.tradable[rows]
    return could


def _three(raw: Floats, band: float | None) -> Floats:
    """-1, 0 and 1: thirds of the session, or what is below, in and above a band around 0."""
    if band is not None:
        return np.where(np.isnan(raw), np.nan, (raw > band) * 1.0 - (raw < -band) * 1.0)
    count = np.isfinite(raw).sum(axis=1, keepdims=True)
    place = 6.0 * average_ranks(raw) - 3.0  # (rank - 0.5) / n in units of 1 / (6 n): whole numbers, compared exactly
    return np.where(np.isnan(raw), np.nan, (place > 4 * count) * 1.0 - (place < 2 * count) * 1.0)


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
