"""The tables of a run as a reader wants them: dates and names in place of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray

from backtester.engine import types as t
from backtester.result import replay

if TYPE_CHECKING:
    from backtester.result.record import Result

MOMENTS = ("open", "close", "same_close")
_PANDAS_3 = int(pd.__version__.split(".")[0]) >= 3
_TEXT: Any = "str" if _PANDAS_3 else object  # what pandas itself makes of text
EVENT_NAMES = tuple(name for name, _, _ in t.EVENTS)


def fills(result: Result) -> pd.DataFrame:
    """See :attr:`Result.fills`."""
    i, f = result.tape.fill_i, result.tape.fill_f
    return pd.DataFrame(
        {
            "date": _dates(result, i[:, t.FILL_SESSION]),
            "symbol": _names(result.symbols, i[:, t.FILL_SYMBOL]),
            "shares": f[:, t.FILL_SHARES],
            "price": f[:, t.FILL_PRICE],
            "commission": f[:, t.FILL_COMMISSION],
            "slippage": f[:, t.FILL_SLIPPAGE],
            "reason": _names(t.ORIGINS, i[:, t.FILL_ORIGIN]),
            "order": i[:, t.FILL_ORDER].astype(np.int64),
            "moment": _names(MOMENTS, i[:, t.FILL_MOMENT]),
        }
    )


def orders(result: Result) -> pd.DataFrame:
    """See :attr:`Result.orders`."""
    i, f = result.tape.order_i, result.tape.order_f
    filled, status = replay.order_outcomes(result.tape, result.resting_orders.order)
    return pd.DataFrame(
        {
            "date": _dates(result, i[:, t.ORDER_SESSION]),
            "symbol": _names(result.symbols, i[:, t.ORDER_SYMBOL]),
            "shares": f,
            "at": _names(MOMENTS, i[:, t.ORDER_MOMENT]),
            "origin": _names(t.ORIGINS, i[:, t.ORDER_ORIGIN]),
            "filled": filled,
            "status": _names(replay.STATUSES, status),
        }
    ).rename_axis("order")


def events(result: Result) -> pd.DataFrame:
    """See :attr:`Result.events`."""
    i, f = result.tape.event_i, result.tape.event_f
    codes, items = i[:, t.EVENT_CODE], i[:, t.EVENT_ITEM]
    return pd.DataFrame(
        {
            "date": _dates(result, i[:, t.EVENT_SESSION]),
            "event": _names(EVENT_NAMES, codes),
            "symbol": _names(result.symbols, np.where(about(codes, "symbol"), items, -1)),
            "sector": _names(result.sector_names, np.where(about(codes, "sector"), items, -1)),
            "before": f[:, t.EVENT_BEFORE],
            "after": f[:, t.EVENT_AFTER],
            "amount": f[:, t.EVENT_AMOUNT],
        }
    )


def resting(result: Result) -> pd.DataFrame:
    """See :attr:`Result.resting`."""
    rest = result.resting_orders
    return pd.DataFrame(
        {
            "symbol": _names(result.symbols, rest.symbol),
            "shares": rest.shares,
            "weight": rest.weight,
            "at": _names(MOMENTS, rest.at),
            "origin": _names(t.ORIGINS, rest.origin),
            "order": rest.order,
        }
    )


def ledger(result: Result) -> pd.DataFrame:
    """See :attr:`Result.ledger`."""
    frame = pd.DataFrame(result.tape.ledger, columns=list(t.LEDGER_COLUMNS), index=_index(result))
    return frame.assign(status=_names(t.STATUSES, result.tape.ledger[:, t.L_STATUS].astype(np.int64)))


def positions(result: Result) -> pd.DataFrame:
    """See :attr:`Result.positions`."""
    columns = pd.Index(result.symbols, dtype=_TEXT, name="symbol")
    return pd.DataFrame(replay.positions(result.tape, len(result.symbols)), index=_index(result), columns=columns)


def own_copy(frame: pd.DataFrame) -> pd.DataFrame:
    """A table that can be changed without changing the one that is kept; pandas 3 copies only what is written to."""
    return frame.copy(deep=not _PANDAS_3)


def about(codes: np.ndarray, item: str) -> np.ndarray:
    """Which events concern a ``"symbol"``, a ``"sector"`` or the ``"book"``."""
    of_kind: np.ndarray = np.array([kind == item for _, kind, _ in t.EVENTS])
    return of_kind.take(codes)


def _index(result: Result) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(result.dates, name="date")


def _dates(result: Result, sessions: np.ndarray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(result.dates[sessions])


def _names(names: tuple[str, ...], codes: np.ndarray) -> ExtensionArray:
    """Names for codes; missing for -1."""
    known: ExtensionArray = pd.array([*names, None], dtype=_TEXT)
    return known.take(codes)  # -1 takes the last
