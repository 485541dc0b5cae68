"""Checks and arrangement of what a panel is made of: everything that `Panel.from_arrays` and `from_frame` promise."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtester.errors import DataError, did_you_mean
from backtester.market.actions import (
    BASES,
    Endings,
    Floats,
    Ints,
    actions_from_frame,
    as_floats,
    endings_from,
    freeze,
    lookup,
    no_actions,
)
from backtester.market.columns import ALIASES, BARS, PRICES, RESERVED, check_symbols, fold_name, match_columns
from backtester.market.dates import Days, as_days, check_increasing


def from_arrays(
    dates: Any,
    symbols: Any,
    bars: Mapping[str, Any],
    *,
    actions: pd.DataFrame | None,
    ends: Any,
    members: Any,
    sectors: Mapping[str, str] | None,
    extra: Mapping[str, Any],
    basis: str,
) -> dict[str, Any]:
    """The checked fields of a `Panel`; see `Panel.from_arrays`."""
    check_basis_name(basis)
    days: Days = freeze(as_days(dates, "dates").copy())
    check_increasing(days, "dates")
    names = check_symbols(symbols, "symbols")
    order = sorted(range(len(names)), key=names.__getitem__)
    ordered = tuple(names[k] for k in order)
    for left, right in pairwise(ordered):
        if left == right:
            raise DataError(f"symbols: {left!r} is there twice; give every symbol one column.")
    move = None if order == list(range(len(order))) else np.array(order, dtype=np.int64)
    shape = (len(days), len(ordered))
    arrays = {key: _array(values, key, shape, move, days, ordered) for key, values in bars.items()}
    further = {}
    for key, values in extra.items():
        if not isinstance(key, str) or not key or key in RESERVED:
            raise DataError(f"extra: {key!r} cannot be the name of an extra column; use other text.")
        further[key] = _array(values, key, shape, move, days, ordered)
    columns = {symbol: k for k, symbol in enumerate(ordered)}
    ended = endings_from(ends, columns, days)
    _check_ended(ended, arrays, days, ordered)
    return {
        "dates": days,
        "symbols": ordered,
        **arrays,
        "member": _members(members, shape, move, columns, days),
        "sectors": _sectors(sectors, ordered),
        "extra": MappingProxyType(further),
        "basis": basis,
        "actions": no_actions() if actions is None else actions_from_frame(actions, columns, days, basis),
        "ends": ended,
    }


def from_frame(
    frame: pd.DataFrame, *, basis: str, ends: Any, members: Any, sectors: Mapping[str, str] | None
) -> dict[str, Any]:
    """The checked fields of a `Panel`; see `Panel.from_frame`."""
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    found = match_columns(
        frame.columns,
        ("date", "symbol", *BARS, "split", "dividend", "adj_close_vendor"),
        ("date", "symbol", "open", "close", "volume"),
        "frame",
    )
    date_code, date_values = pd.factorize(frame.iloc[:, found["date"]], use_na_sentinel=False)
    days, position = np.unique(as_days(date_values, "frame, column 'date'"), return_inverse=True)
    row = position[date_code]
    symbol_code, symbol_values = pd.factorize(frame.iloc[:, found["symbol"]], use_na_sentinel=False)
    names = check_symbols(symbol_values, "frame, column 'symbol'")
    symbols = sorted(names)
    place = {name: k for k, name in enumerate(symbols)}
    column = np.array([place[name] for name in names], dtype=np.int64)[symbol_code]
    cell = row * len(symbols) + column
    _check_unique(cell, days, symbols)

    used = {position: key for key, position in found.items()}
    arrays: dict[str, Any] = {"high": None, "low": None}
    listed: dict[str, Floats] = {}
    for k, name in enumerate(frame.columns):
        key = used.get(k, fold_name(name))
        if key in ("date", "symbol"):
            continue
        values = frame.iloc[:, k]
        if k not in used and not (pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values)):
            raise DataError(
                f"frame, column {name!r} is not numeric, so it cannot become an extra column; drop it, or give what it "
                f"says as sectors or members.{did_you_mean(key, ALIASES)}"
            )
        numbers = _column(values, str(name), row, column, days, symbols)
        if key in ("split", "dividend"):
            listed[key] = numbers
        else:
            filled = np.full(len(days) * len(symbols), np.nan)
            filled[cell] = numbers
            arrays[key] = freeze(filled.reshape(len(days), len(symbols)))
    return from_arrays(
        days,
        symbols,
        {key: arrays.pop(key) for key in BARS},
        actions=_listed_actions(listed, row, column, days, symbols),
        ends=ends,
        members=members,
        sectors=sectors,
        extra=arrays,
        basis=basis,
    )


def check_basis_name(basis: str) -> None:
    """Raise `DataError` unless `basis` is one of the three."""
    if basis not in BASES:
        raise DataError(f"basis {basis!r} is none of {', '.join(BASES)}.{did_you_mean(str(basis), BASES)}")


def _array(
    values: Any, name: str, shape: tuple[int, int], move: Ints | None, days: Days, symbols: tuple[str, ...]
) -> Floats:
    """One column of bars, checked, in symbol order, frozen; not copied if nobody can write to it."""
    if values is None:
        if name in ("high", "low"):
            return freeze(np.full(shape, np.nan))
        raise DataError(f"{name}: an array of sessions by symbols is needed, not None.")
    array = as_floats(values, name)
    if array.shape != shape:
        raise DataError(f"{name}: the shape is {array.shape}, but {shape[0]} dates by {shape[1]} symbols were given.")
    if move is not None:
        array = np.take(array, move, axis=1)
        freeze(array)
    elif not (_is_frozen(array) and array.flags.c_contiguous and type(array) is np.ndarray):
        array = freeze(np.array(array, order="C"))
    check_values(array, name, days, symbols)
    return array


def check_values(array: Floats, name: str, days: Days, symbols: tuple[str, ...] | list[str]) -> None:
    """Raise `DataError` on an infinite value, a price that is not positive, or a negative volume."""
    if not array.size:
        return
    low, high = np.fmin.reduce(array, axis=None), np.fmax.reduce(array, axis=None)
    if np.isinf(high) or np.isinf(low):
        bad, need = np.isinf(array), "unknown values are NaN"
    elif name in PRICES and low <= 0:
        bad, need = array <= 0, "a price is positive; an unknown one is NaN"
    elif name == "volume" and low < 0:
        bad, need = array < 0, "a volume is 0 or more; an unknown one is NaN"
    else:
        return
    t, i = np.unravel_index(int(np.argmax(bad)), array.shape)
    raise DataError(f"{symbols[i]} on {days[t]}: {name} is {array[t, i]:g} ({int(bad.sum())} such values); {need}.")


def _is_frozen(array: NDArray[Any]) -> bool:
    """Whether no array on the way down to the memory is writable."""
    base: Any = array
    while isinstance(base, np.ndarray):
        if base.flags.writeable:
            return False
        base = base.base
    return True


def _check_unique(cell: Ints, days: Days, symbols: list[str]) -> None:
    seen = np.zeros(len(days) * len(symbols), dtype=bool)
    seen[cell] = True
    if int(seen.sum()) < len(cell):
        counts = np.bincount(cell)
        t, i = divmod(int(np.argmax(counts > 1)), len(symbols))
        raise DataError(
            f"frame: {symbols[i]} on {days[t]} has {counts[counts > 1][0]} rows ({int((counts > 1).sum())} such "
            "cases); give one row a date and symbol."
        )


def _column(values: pd.Series, name: str, row: Ints, column: Ints, days: Days, symbols: list[str]) -> Floats:
    """A column of a long frame as numbers."""
    try:
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        numbers = pd.to_numeric(values, errors="coerce")
        bad = np.flatnonzero((numbers.isna() & values.notna()).to_numpy())
        if not len(bad):
            return numbers.to_numpy(dtype=np.float64, na_value=np.nan)
        k = int(bad[0])
        raise DataError(
            f"{symbols[column[k]]} on {days[row[k]]}: {name} is {values.iloc[k]!r} ({len(bad)} such values), "
            "which is no number; unknown values are NaN."
        ) from None


def _listed_actions(
    listed: Mapping[str, Floats], row: Ints, column: Ints, days: Days, symbols: list[str]
) -> pd.DataFrame | None:
    """The rows of a long frame in which something happens, as a table of actions."""
    if not listed:
        return None
    split = listed.get("split", np.ones(len(row)))
    dividend = listed.get("dividend", np.zeros(len(row)))
    split = np.where(split == 0, 1.0, split)  # in rows of bars some vendors write 0 for none
    acts = ((split != 1) & ~np.isnan(split)) | ((dividend != 0) & ~np.isnan(dividend))
    return pd.DataFrame(
        {
            "date": days[row[acts]],
            "symbol": [symbols[k] for k in column[acts]],
            "split": split[acts],
            "dividend": dividend[acts],
        }
    )


def _check_ended(ends: Endings, arrays: Mapping[str, Floats], days: Days, symbols: tuple[str, ...]) -> None:
    for symbol, date, first in zip(ends.symbol, ends.date, ends.row, strict=True):
        for name, array in arrays.items():
            known = np.flatnonzero(~np.isnan(array[first:, symbol]))
            if len(known):
                t = first + known[0]
                raise DataError(
                    f"{symbols[symbol]} on {days[t]}: {name} is {array[t, symbol]:g}, but the symbol ended on {date}; "
                    "correct the end or leave the later bars out."
                )


def _members(
    members: Any, shape: tuple[int, int], move: Ints | None, columns: Mapping[str, int], days: Days
) -> NDArray[np.bool_]:
    if members is None:
        return freeze(np.ones(shape, dtype=bool))
    if not isinstance(members, pd.DataFrame):
        given = np.asarray(members)
        if given.shape != shape or given.dtype != bool:
            raise DataError(
                f"members: an array of bool of the shape {shape} or a table symbol, start, end is needed, "
                f"not {given.dtype} of the shape {given.shape}."
            )
        return freeze(np.array(given if move is None else given[:, move], order="C"))
    found = match_columns(members.columns, ("symbol", "start", "end"), ("symbol", "start", "end"), "members")
    names = check_symbols(members.iloc[:, found["symbol"]], "members")
    start = as_days(members.iloc[:, found["start"]], "members, column 'start'", missing=True)
    end = as_days(members.iloc[:, found["end"]], "members, column 'end'", missing=True)
    wrong = np.flatnonzero(end < start)
    if len(wrong):
        k = int(wrong[0])
        raise DataError(f"members: {names[k]} starts on {start[k]} and ends before that, on {end[k]}.")
    here = np.array([name in columns for name in names], dtype=bool)
    column = lookup([name for name in names if name in columns], columns, "members")
    first = np.where(np.isnat(start[here]), 0, np.searchsorted(days, start[here]))
    stop = np.where(np.isnat(end[here]), len(days), np.searchsorted(days, end[here]))
    mask = np.zeros(shape, dtype=bool)
    for i, a, b in zip(column, first, stop, strict=True):
        mask[a:b, i] = True
    return freeze(mask)


def _sectors(sectors: Mapping[str, str] | None, symbols: tuple[str, ...]) -> tuple[str, ...]:
    if sectors is None:
        return ("",) * len(symbols)
    out = []
    for symbol in symbols:
        name = sectors.get(symbol, "")
        if name is None or (isinstance(name, float) and np.isnan(name)):
            name = ""
        if not isinstance(name, str):
            raise DataError(f"sectors: the sector of {symbol} is {name!r}, which is not text.")
        out.append(name)
    return tuple(out)
