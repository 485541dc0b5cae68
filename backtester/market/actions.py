"""Corporate actions and endings: placing them on sessions, and the total returns that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtester.errors import DataError, did_you_mean
from backtester.market.columns import check_symbols, match_columns
from backtester.market.dates import Days, as_days

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Array = TypeVar("Array", bound=NDArray[Any])
Basis = Literal["as_traded", "split_adjusted", "total_return"]
BASES: tuple[Basis, ...] = ("as_traded", "split_adjusted", "total_return")


class Actions(NamedTuple):
    """Splits and dividends by session, sorted by row, then symbol; one entry per row and symbol. Read-only."""

    row: Ints  # (A,) the session in which the action takes effect
    symbol: Ints  # (A,) column of the symbol
    split: Floats  # (A,) shares after / shares before; 1 = none
    dividend: Floats  # (A,) cash per share held after the split; 0 = none

    def slice(self, first: int, stop: int) -> Actions:
        """Entries `first` to `stop - 1`."""
        return Actions(*(part[first:stop] for part in self))  # type: ignore[arg-type]


class Endings(NamedTuple):
    """Symbols that stop to exist, sorted by row, then symbol; at most one entry a symbol. Read-only."""

    symbol: Ints  # (K,) column of the symbol
    date: Days  # (K,) the last day on which the symbol existed
    row: Ints  # (K,) first session after that day, in which the symbol is settled; T = not within the panel
    delisting_return: Floats  # (K,) return from the last close to what a holder was paid

    def slice(self, first: int, stop: int) -> Endings:
        """Entries `first` to `stop - 1`."""
        return Endings(*(part[first:stop] for part in self))  # type: ignore[arg-type]


def no_actions() -> Actions:
    """No corporate actions."""
    return place_actions(*(np.empty(0, dtype=kind) for kind in ("M8[D]", "i8", "f8", "f8")), sessions=_NO_DAYS)


def no_endings() -> Endings:
    """No endings."""
    return place_endings(*(np.empty(0, dtype=kind) for kind in ("i8", "M8[D]", "f8")), sessions=_NO_DAYS)


_NO_DAYS: Days = np.empty(0, dtype="datetime64[D]")


def place_actions(dates: Days, symbol: Ints, split: Floats, dividend: Floats, *, sessions: Days) -> Actions:
    """Put actions on the sessions in which they take effect, and combine those of one symbol that meet there.

    An action dated on no session acts in the next one. Dated before the first session or after the last it cannot act
    and is left out, as is one that does nothing (split 1, dividend 0). Ratios that meet are multiplied, and dividends
    added in shares held after the last split.

    Args:
        dates: ``(n,)`` ex-dates, any order.
        symbol: ``(n,)`` columns.
        split: ``(n,)`` shares after / shares before.
        dividend: ``(n,)`` cash per share held after the split of the same date.
        sessions: ``(T,)`` dates of the panel.
    """
    acts = ((split != 1) | (dividend != 0)) & (len(sessions) > 0)
    if len(sessions):
        acts &= (dates >= sessions[0]) & (dates <= sessions[-1])
    keep = np.flatnonzero(acts)
    row = np.searchsorted(sessions, dates[keep]).astype(np.int64)
    # Within one symbol and session by date, the split before the dividend, so that the sums below are chronological.
    order = np.lexsort((dividend[keep], split[keep] == 1, dates[keep], symbol[keep], row))
    keep, row = keep[order], row[order]
    symbol, split, dividend = symbol[keep].astype(np.int64), split[keep].astype(float), dividend[keep].astype(float)
    first = np.flatnonzero(np.r_[True, (np.diff(row) != 0) | (np.diff(symbol) != 0)]) if len(row) else row
    if len(first) < len(row):
        last = np.r_[first[1:], len(row)]
        for a, b in zip(first, last, strict=True):
            if b - a > 1:
                ratio = np.cumprod(split[a:b])
                dividend[a] = float(np.dot(dividend[a:b], ratio)) / ratio[-1]
                split[a] = ratio[-1]
        row, symbol, split, dividend = row[first], symbol[first], split[first], dividend[first]
    return Actions(freeze(row), freeze(symbol), freeze(split), freeze(dividend))


def place_endings(symbol: Ints, dates: Days, delisting_return: Floats, *, sessions: Days) -> Endings:
    """Put endings on the first session after their date (`T` where the panel has none)."""
    row = np.searchsorted(sessions, dates, side="right").astype(np.int64)
    order = np.lexsort((symbol, row))
    return Endings(
        freeze(symbol[order].astype(np.int64)),
        freeze(dates[order]),
        freeze(row[order]),
        freeze(delisting_return[order].astype(float)),
    )


def actions_from_frame(
    frame: pd.DataFrame, columns: Mapping[str, int], sessions: Days, basis: str, where: str = "actions"
) -> Actions:
    """Check a table ``date, symbol, split, dividend`` and place it on sessions.

    Args:
        frame: one row an action; column names in any case; ``split`` or ``dividend`` may be absent or NaN (none).
        columns: symbol -> column of the panel.
        sessions: ``(T,)`` dates of the panel.
        basis: price basis of the panel.
        where: what the table is, for messages.

    Raises:
        DataError: An unknown symbol, a ratio that is not positive, a negative dividend, two rows of one date and symbol
            that are not a split and a dividend, or actions that the price basis already contains.
    """
    found = match_columns(frame.columns, ("date", "symbol", "split", "dividend"), ("date", "symbol"), where)
    if "split" not in found and "dividend" not in found:
        raise DataError(f"{where}: neither a column 'split' nor a column 'dividend'; an action needs one of them.")
    dates = as_days(frame.iloc[:, found["date"]], f"{where}, column 'date'")
    names = check_symbols(frame.iloc[:, found["symbol"]], where)
    symbol = lookup(names, columns, where)
    numbers = {}
    for key, none in (("split", 1.0), ("dividend", 0.0)):
        if key in found:
            values = as_floats(frame.iloc[:, found[key]].to_numpy(), f"{where}, column {key!r}")
            numbers[key] = np.where(np.isnan(values), none, values)
        else:
            numbers[key] = np.full(len(frame), none)
    split, dividend = numbers["split"], numbers["dividend"]
    for bad, what in (
        (~(split > 0) | np.isinf(split), "split"),
        (~(dividend >= 0) | np.isinf(dividend), "dividend"),
    ):
        if bad.any():
            k = int(np.argmax(bad))
            need = "a positive ratio, shares after / shares before" if what == "split" else "cash per share, 0 or more"
            raise DataError(f"{where}: {names[k]} on {dates[k]}: {what} {numbers[what][k]:g}; it must be {need}.")
    check_basis(dates, names, split, dividend, basis, where)
    for several, what in (
        (split != 1, "splits"),
        (dividend != 0, "dividends"),
        ((split == 1) & (dividend == 0), "rows"),
    ):
        again = first_repeat(dates[several], symbol[several])
        if again is not None:
            which = int(np.flatnonzero(several)[again])
            raise DataError(
                f"{where}: {names[which]} on {dates[which]} has two {what}; give one row a date and symbol "
                "(dividends of one day added up)."
            )
    return place_actions(dates, symbol, split, dividend, sessions=sessions)


def check_basis(dates: Days, names: list[str], split: Floats, dividend: Floats, basis: str, where: str) -> None:
    """Raise `DataError` on actions that the price basis already contains (law 15)."""
    for acts, what, already in (
        (split != 1, "split", ("split_adjusted", "total_return")),
        (dividend != 0, "dividend", ("total_return",)),
    ):
        if basis in already and acts.any():
            k = int(np.argmax(acts))
            raise DataError(
                f"{where}: {names[k]} on {dates[k]} has a {what}, but prices on the basis {basis!r} contain it. "
                f"Leave the {what}s out, or declare the basis that the prices have: {', '.join(BASES)}."
            )


def endings_from(ends: Any, columns: Mapping[str, int], sessions: Days, where: str = "ends") -> Endings:
    """Check endings given as a mapping symbol -> date or as a table ``symbol, end[, delisting_return]``.

    A missing end date means that the symbol goes on; a missing delisting return is 0.

    Raises:
        DataError: An unknown or repeated symbol, or a delisting return that is not a finite number of at least -1.
    """
    if ends is None:
        return no_endings()
    if isinstance(ends, pd.DataFrame):
        found = match_columns(ends.columns, ("symbol", "end", "delisting_return"), ("symbol", "end"), where)
        names = check_symbols(ends.iloc[:, found["symbol"]], where)
        dates = as_days(ends.iloc[:, found["end"]], f"{where}, column 'end'", missing=True)
        paid = np.zeros(len(names))
        if "delisting_return" in found:
            paid = as_floats(ends.iloc[:, found["delisting_return"]].to_numpy(), f"{where}, column 'delisting_return'")
            paid = np.where(np.isnan(paid), 0.0, paid)
    elif isinstance(ends, Mapping):
        names = check_symbols(ends.keys(), where)
        dates = as_days(list(ends.values()), where, missing=True)
        paid = np.zeros(len(names))
    else:
        raise DataError(f"{where}: a mapping symbol -> date or a DataFrame is needed, not {type(ends).__name__}.")
    symbol = lookup(names, columns, where)
    if len(np.unique(symbol)) < len(symbol):
        repeated = next(name for k, name in enumerate(names) if name in names[:k])
        raise DataError(f"{where}: {repeated} is there twice; a symbol ends once.")
    bad = ~(paid >= -1) | np.isinf(paid)
    if bad.any():
        k = int(np.argmax(bad))
        raise DataError(f"{where}: {names[k]}: delisting return {paid[k]:g}; it must be at least -1 (all lost).")
    known = ~np.isnat(dates)
    return place_endings(symbol[known], dates[known], paid[known], sessions=sessions)


def total_returns(close: Floats, actions: Actions) -> tuple[Floats, Floats]:
    """Total returns and the total-return index (docs/semantics.md, section 5).

    Args:
        close: ``(T, N)`` prices, NaN = unknown.
        actions: splits and dividends of these sessions.

    Returns:
        ``(returns, adj_close)``, each ``(T, N)`` and read-only. ``returns[t]`` is the return from the last known close
        before `t` to ``close[t]``; NaN where ``close[t]`` is unknown or the first known. ``adj_close`` starts at the
        first known close and grows by the returns; NaN where ``close`` is unknown. No row uses anything after itself.
    """
    sessions, n = close.shape
    returns, index = np.empty_like(close), np.empty_like(close)
    ratio, paid = np.ones(n), np.zeros(n)
    last, level = np.full(n, np.nan), np.full(n, np.nan)
    first = np.searchsorted(actions.row, np.arange(sessions + 1))
    pending = False  # whether ratio and paid hold anything
    for t in range(sessions):
        a, b = first[t], first[t + 1]
        if b > a:
            symbol = actions.symbol[a:b]
            ratio[symbol] *= actions.split[a:b]
            paid[symbol] += actions.dividend[a:b] * ratio[symbol]
            pending = True
        now = close[t]
        worth = ratio * now + paid if pending else now
        np.divide(worth, last, out=returns[t])
        returns[t] -= 1.0
        known = ~np.isnan(now)
        np.multiply(level, 1.0 + returns[t], out=index[t])
        np.copyto(index[t], now, where=known & np.isnan(level))
        np.copyto(level, index[t], where=known)
        np.copyto(last, now, where=known)
        if pending:
            ratio[known], paid[known] = 1.0, 0.0
            pending = bool((ratio != 1).any() or paid.any())
    return freeze(returns), freeze(index)


def lookup(names: list[str], columns: Mapping[str, int], where: str) -> Ints:
    """Columns of symbols; raises `DataError` on one that the panel does not have."""
    out = np.empty(len(names), dtype=np.int64)
    for k, name in enumerate(names):
        column = columns.get(name)
        if column is None:
            raise DataError(f"{where}: no symbol {name!r} in the panel.{did_you_mean(name, columns)}")
        out[k] = column
    return out


def first_repeat(dates: Days, symbol: Ints) -> int | None:
    """Position of the first entry whose date and symbol stood before; None if there is none."""
    order = np.lexsort((symbol, dates))
    same = (dates[order][1:] == dates[order][:-1]) & (symbol[order][1:] == symbol[order][:-1])
    again = order[1:][same]
    return int(again.min()) if len(again) else None


def as_floats(values: Any, where: str) -> Floats:
    """Values as float64; raises `DataError` naming the first that is no number."""
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        pass
    given = np.asarray(values, dtype=object)
    out = np.full(given.shape, np.nan)
    for k, value in np.ndenumerate(given):
        if value is None or value is pd.NA:
            continue
        try:
            out[k] = value
        except (TypeError, ValueError):
            place = ", ".join(map(str, k))
            raise DataError(
                f"{where}: {value!r} at position {place} is no number; unknown values are NaN, text cannot be read."
            ) from None
    return out


def freeze(array: Array) -> Array:
    """Make an array that nobody else writes to read-only, and return it."""
    array.flags.writeable = False
    return array
