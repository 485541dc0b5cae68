"""The tables of a run as a reader wants them: dates and names in place of numbers."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray

from backtester.engine import legs as lg
from backtester.engine import types as t
from backtester.errors import RunError
from backtester.metrics import drawdowns as find_drawdowns
from backtester.metrics import simple_returns
from backtester.metrics.returns import fraction
from backtester.result import replay
from backtester.result.attribution import Attribution
from backtester.scores import learning_columns

if TYPE_CHECKING:
    from backtester.result.record import Result

MOMENTS = ("open", "close", "same_close")
SIDES = ("short", "long")
# The columns of engine.legs, by number.
LEGS = (
    "long_price_pnl",
    "short_price_pnl",
    "long_dividends",
    "short_dividends",
    "long_commission",
    "short_commission",
    "long_slippage",
    "short_slippage",
    "long_names",
    "short_names",
    "squares",
    "largest",
)
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


def returns(result: Result) -> pd.DataFrame:
    """See :attr:`Result.returns`."""
    known = simple_returns(result.tape.ledger[:, t.L_EQUITY], result.cash)
    return pd.DataFrame({"returns": known}, index=_index(result))


def monthly(result: Result) -> pd.DataFrame:
    """See :attr:`Result.monthly`."""
    dates, equity = result.dates.astype("datetime64[D]"), result.tape.ledger[:, t.L_EQUITY]
    months, years = dates.astype("datetime64[M]"), dates.astype("datetime64[Y]")
    grid: dict[int, dict[int | str, float]] = {}
    for span, change in _changes(months, equity, result.cash):
        grid.setdefault(span.year, dict.fromkeys(range(1, 13), np.nan))[span.month] = change
    for span, change in _changes(years, equity, result.cash):
        grid[span.year]["year"] = change
    columns: list[int | str] = [*range(1, 13), "year"]
    return pd.DataFrame(
        [[row[column] for column in columns] for row in grid.values()],
        index=pd.Index(list(grid), dtype=np.int64, name="year"),
        columns=pd.Index(columns, dtype=object, name="month"),
        dtype=np.float64,
    )


def drawdowns(result: Result) -> pd.DataFrame:
    """See :attr:`Result.drawdowns`."""
    found = find_drawdowns(result.tape.ledger[:, t.L_EQUITY], result.cash)
    rows = np.array([(one.peak, one.trough, one.recovered) for one in found], dtype=np.int64).reshape(-1, 3)
    peak, trough, recovered = rows.T
    last = result.dates.size - 1
    back = pd.array(recovered - trough, dtype="Int64")
    back[recovered < 0] = pd.NA
    return pd.DataFrame(
        {
            "depth": np.array([one.depth for one in found], dtype=np.float64),
            "peak": _dates(result, peak),
            "trough": _dates(result, trough),
            "recovered": _dates(result, recovered),
            "sessions": np.where(recovered >= 0, recovered, last) - peak,
            "recovery_sessions": back,
        }
    )


def trades(result: Result) -> pd.DataFrame:
    """See :attr:`Result.trades`."""
    parts = _parts(result)
    i, f = parts.trade_i, parts.trade_f
    out = f[:, lg.MONEY_OUT] + f[:, lg.SHARES_LEFT] * f[:, lg.LAST_MARK]
    net = parts.gains - parts.costs
    return pd.DataFrame(
        {
            "symbol": _names(result.symbols, i[:, lg.TRADE_SYMBOL]),
            "side": _names(SIDES, (i[:, lg.TRADE_SIDE] + 1) // 2),
            "opened": _dates(result, i[:, lg.TRADE_OPENED]),
            "closed": _dates(result, i[:, lg.TRADE_CLOSED]),
            "sessions": parts.sessions,
            "shares": f[:, lg.SHARES_IN],
            "entry": f[:, lg.MONEY_IN] / f[:, lg.SHARES_IN],
            "exit": out / f[:, lg.SHARES_IN],
            "gross": parts.gains,
            "dividends": f[:, lg.TRADE_DIVIDENDS],
            "commission": f[:, lg.TRADE_COMMISSION],
            "slippage": f[:, lg.TRADE_SLIPPAGE],
            "costs": parts.costs,
            "net": net,
            "return": fraction(net, f[:, lg.MONEY_IN]),
        }
    )


def learning(result: Result) -> pd.DataFrame:
    """See :attr:`Result.learning`."""
    columns = learning_columns(result.curves)
    kinds = {"fold": np.int64, "epoch": np.int64, "model": _TEXT, "note": _TEXT}
    return pd.DataFrame({name: pd.Series(given, dtype=kinds.get(name, np.float64)) for name, given in columns.items()})


def legs(result: Result) -> pd.DataFrame:
    """See :attr:`Result.legs`."""
    return pd.DataFrame(_parts(result).legs, columns=list(LEGS), index=_index(result))


def own_copy(frame: pd.DataFrame) -> pd.DataFrame:
    """A table that can be changed without changing the one that is kept; pandas 3 copies only what is written to."""
    return frame.copy(deep=not _PANDAS_3)


def about(codes: np.ndarray, item: str) -> np.ndarray:
    """Which events concern a ``"symbol"``, a ``"sector"`` or the ``"book"``."""
    of_kind: np.ndarray = np.array([kind == item for _, kind, _ in t.EVENTS])
    return of_kind.take(codes)


def _parts(result: Result) -> Attribution:
    if result.attribution is None:
        raise RunError(
            f"the result {result.name!r} was made without its market data, so what its sides and round trips earned is "
            "not known. Run it again with bt.run."
        )
    return result.attribution


def _changes(spans: np.ndarray, equity: np.ndarray, cash: float) -> list[tuple[date, float]]:
    """The return of each stretch of equal ``spans``, with its first day; NaN where it begins without equity."""
    last = np.flatnonzero(np.append(spans[1:] != spans[:-1], True)) if spans.size else np.zeros(0, np.int64)
    changes = simple_returns(equity[last], cash)
    return list(zip(spans[last].astype("datetime64[D]").tolist(), changes.tolist(), strict=True))


def _index(result: Result) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(result.dates, name="date")


def _dates(result: Result, sessions: np.ndarray) -> pd.DatetimeIndex:
    known = np.append(result.dates, np.datetime64("NaT"))  # missing for -1
    return pd.DatetimeIndex(known[sessions])


def _names(names: tuple[str, ...], codes: np.ndarray) -> ExtensionArray:
    """Names for codes; missing for -1."""
    known: ExtensionArray = pd.array([*names, None], dtype=_TEXT)
    return known.take(codes)  # -1 takes the last
