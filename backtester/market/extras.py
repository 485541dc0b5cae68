"""Further columns, such as fundamentals or sentiment, and when they became known.

Columns that stand in the bars are known at the close of their row's session, or so many sessions later. Values of a
file of their own, dated `d`, become known at the close of the first session on or after `d` plus a lag in calendar
days, and stay what is known until the next value comes, or for so many sessions. In a dataset the second kind is a
table of changes (`backtester.market.known`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from backtester.errors import DataError, did_you_mean
from backtester.market.actions import Floats, Ints
from backtester.market.clean import Settings
from backtester.market.columns import ALIASES, BARS, RESERVED, fold_name
from backtester.market.day_text import OpenDates
from backtester.market.fields import Mask
from backtester.market.gather import (
    CONFLICT,
    TWICE,
    Bars,
    Parts,
    days_of_parts,
    ranked,
    read_parts,
    set_aside,
    settled_order,
)
from backtester.market.layout import Plan, find, read_heads, refuse_turned, text_in
from backtester.market.quarantine import Quarantine
from backtester.market.sources import Paths, Source, expand
from backtester.market.tables import Head, Progress


@dataclass(frozen=True)
class Extra:
    """Files with a row a date and symbol, whose other columns become extra columns of the panel.

    Attributes:
        files: CSV or Parquet, as those of bars.
        lag_days: calendar days from a value's date to the day on which it was public, 0 or more.
        carry: for how many sessions after the one in which it became known a value stands; None: until the next one.
    """

    files: Paths
    lag_days: int
    carry: int | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, value in (("lag_days", self.lag_days), ("carry", self.carry)):
            if value is None and name == "carry":
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise DataError(f"extra: {name} is {value!r}; it is a whole number, 0 or more.")


class Known(NamedTuple):
    """What extra files give."""

    table: pa.Table | None  # date, symbol, name, value, sorted by date, symbol, name; None without extra files
    columns: list[str]
    entries: list[dict[str, Any]]  # for the manifest: what was stated of each group of files
    sources: list[tuple[Source, int]]  # and rows of each
    notes: list[str]
    left_out: list[tuple[str, str, str]]  # column, file, why


def check_lags(lags: Mapping[str, int] | None) -> dict[str, int]:
    """Lags of the bars' columns by folded name.

    Raises:
        DataError: A lag is no whole number of sessions, 0 or more.
    """
    out = {}
    for name, lag in (lags or {}).items():
        if isinstance(lag, bool) or not isinstance(lag, int) or lag < 0:
            raise DataError(f"the lag of {name!r} is {lag!r}; it is a whole number of sessions, 0 or more.")
        folded = fold_name(name)
        out["adj_close_vendor" if folded in ALIASES["adj_close_vendor"] else folded] = lag
    return out


def lag_columns(bars: Bars, lags: Mapping[str, int]) -> None:
    """Move extra columns of the bars down: row `t` then holds what stood in the row of `lag` sessions before, or NaN.

    Raises:
        DataError: There is no such extra column.
    """
    own = [key for key in bars.values if key not in BARS]
    for key, lag in lags.items():
        if key not in own:
            has = f"the extra columns of the bars are {', '.join(own)}" if own else "the bars have no extra column"
            raise DataError(f"a lag is stated for {key!r}, but {has}.{did_you_mean(key, own)}")
        if lag:
            array = bars.values[key]
            array[lag:] = array[:-lag].copy() if lag < len(array) else np.nan
            array[:lag] = np.nan
            array[~bars.present] = np.nan


def read_extras(
    extras: Sequence[Extra],
    bars: Bars,
    settings: Settings,
    quarantine: Quarantine,
    progress: Progress = None,
    others: OpenDates | None = None,
) -> Known:
    """Read extra files and find out at which session each value became known.

    Of two values that become known at the same session the later dated one counts. An empty field says nothing new.
    Of equal values of one column, date and symbol the first counts; if they differ, none does. `others` are dates of
    other tables that may settle the order of day and month.

    Raises:
        DataError: A file cannot be read, lacks dates, symbols or a column of numbers, or a column is there already.
    """
    known = Known(None, [], [], [], [], [])
    changes: list[_Changes] = []
    for extra in extras:
        given, notes = expand(extra.files, "extra columns")
        heads, prose = read_heads(given)
        sources = [head.source for head in heads]
        known.notes.extend([*notes, *prose])
        plans = [_plan(head) for head in heads]
        found, rows, left_out = _changes(plans, extra, bars, settings, quarantine, progress, known.notes, others)
        known.left_out.extend(left_out)
        known.sources.extend(zip(sources, rows, strict=True))
        names = sorted({change.name for change in found})
        for name in names:
            if name in bars.values or name in known.columns:
                raise DataError(
                    f"{sources[0].name}: there is an extra column {name!r} already; rename one of them in its file."
                )
        known.columns.extend(names)
        changes += found
        known.entries.append(
            {
                "files": [source.name for source in sources],
                "columns": names,
                "lag_days": extra.lag_days,
                "carry_sessions": extra.carry,
            }
        )
    return known._replace(table=_table(changes, bars) if changes else None)


class _Changes(NamedTuple):
    name: str
    row: Ints  # session from which the value is known
    symbol: Ints
    value: Floats


def _plan(head: Head) -> Plan:
    refuse_turned(head)
    found = find(head, ("date", "symbol"), ("date", "symbol"))
    extra, left_out = {}, {}
    for k in head.data:
        if k in found.values():
            continue
        key = fold_name(head.names[k])
        why = "a panel means something else by this name" if key in RESERVED else text_in(head, k)
        if why:
            left_out[head.names[k]] = why
        else:
            extra[key] = k
    if not extra:
        raise DataError(
            f"{head.source.name} has no column of numbers beside its dates and symbols (the columns are "
            f"{', '.join(head.names)})."
        )
    return Plan(head, found, "", "", extra, left_out)


def _changes(
    plans: Sequence[Plan],
    extra: Extra,
    bars: Bars,
    settings: Settings,
    quarantine: Quarantine,
    progress: Progress,
    notes: list[str],
    others: OpenDates | None,
) -> tuple[list[_Changes], list[int], list[tuple[str, str, str]]]:
    parts, rows, left_out = read_parts(plans, settings, quarantine, "extra", progress)
    days = days_of_parts(parts, settled_order(plans, parts, settings.order, others))
    if not len(days):
        raise DataError(f"no row of {plans[0].head.source.name} could be used.{quarantine.first('extra')}")
    names = sorted({name for part in parts.all for name in part.names})
    place = {name: k for k, name in enumerate(names)}
    symbol = np.concatenate([np.array([place[name] for name in part.names])[part.code] for part in parts.all])
    _, day = ranked(days)
    cell = day * len(names) + symbol
    again = np.ones(len(cell), dtype=bool)  # rows that say nothing which another has not said
    column = {name: k for k, name in enumerate(bars.symbols)}
    own = np.array([column.get(name, -1) for name in names], dtype=np.int64)[symbol]
    strangers = {names[k] for k in np.unique(symbol[own < 0])}
    if strangers:
        listed = ", ".join(sorted(strangers)[:3]) + (", ..." if len(strangers) > 3 else "")
        many = f"{len(strangers):,} symbol{'s' * (len(strangers) > 1)}"
        notes.append(f"{many} of {plans[0].head.source.name} without bars left out: {listed}")
    row = np.searchsorted(bars.sessions, days + np.timedelta64(extra.lag_days, "D"))
    late = int((row == len(bars.sessions)).sum())
    if late:
        notes.append(f"{late:,} of {len(days):,} rows of extra columns became known after the last session")
    usable = (own >= 0) & (row < len(bars.sessions))
    out = []
    for key in sorted({key for part in parts.all for key in part.values}):
        given = [part.values.get(key) for part in parts.all]
        value = np.concatenate(
            [np.full(len(p.date), np.nan) if v is None else v for p, v in zip(parts.all, given, strict=True)]
        )
        said = ~np.isnan(value)
        repeated, differing = _repeats(cell, value)
        again &= repeated | ~said
        _set_aside(parts, plans, differing, f"{key}: {CONFLICT}", quarantine)
        here = np.flatnonzero(usable & said & ~repeated & ~differing)
        if not len(here):
            file = next(plan.head.source.name for plan in plans if key in plan.extra)
            left_out.append((key, file, _why_none(said, differing, own, row < len(bars.sessions))))
            continue
        here = here[np.lexsort((days[here], own[here]))]
        out.append(_carried(_Changes(key, row[here], own[here], value[here]), extra.carry, len(bars.sessions)))
    _set_aside(parts, plans, again & _has_value(parts), TWICE, quarantine)
    return out, rows, left_out


def _has_value(parts: Parts) -> Mask:
    """Rows with a value in some column."""
    known = [
        np.logical_or.reduce([~np.isnan(array) for array in part.values.values()] or [np.zeros(len(part.date), bool)])
        for part in parts.all
    ]
    return np.concatenate(known)


def _repeats(cell: Ints, value: Floats) -> tuple[Mask, Mask]:
    """Which known values stand in their cell already, and which are in a cell with others that differ."""
    repeated, differing = np.zeros(len(cell), dtype=bool), np.zeros(len(cell), dtype=bool)
    known = np.flatnonzero(~np.isnan(value))
    known = known[np.argsort(cell[known], kind="stable")]
    follows = cell[known[1:]] == cell[known[:-1]]
    if not follows.any():
        return repeated, differing
    starts = np.flatnonzero(np.append(True, ~follows))
    group = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(known))))
    differs = value[known] != value[known[starts]][group]
    wrong = np.bincount(group, weights=differs, minlength=len(starts))[group] > 0
    differing[known[wrong]] = True
    repeated[known[1:][follows & ~wrong[1:]]] = True
    return repeated, differing


def _why_none(said: Mask, differing: Mask, own: Ints, in_time: Mask) -> str:
    """Why nothing is left of a column."""
    if not said.any():
        return "it is empty"
    if (said & ~differing).sum() == 0:
        return "several values of each date and symbol differ"
    if not (said & (own >= 0)).any():
        return "none of its symbols has bars"
    if not (said & (own >= 0) & in_time).any():
        return "none of its values was known by the last session"
    return "no value of a symbol with bars that was known by the last session is without doubt"


def _set_aside(parts: Parts, plans: Sequence[Plan], chosen: Mask, reason: str, quarantine: Quarantine) -> None:
    """Set rows of extra files aside."""
    if not chosen.any():
        return
    starts = np.cumsum([0] + [len(part.date) for part in parts.all])
    for k, here in parts.of_files().items():
        set_aside("extra", plans[k].head, parts.numbers(here, starts, chosen), reason, quarantine)


def _carried(change: _Changes, carry: int | None, sessions: int) -> _Changes:
    """Of changes sorted by symbol and date the last one of a session, and the ends of those not followed in time."""
    row, symbol, value = change.row, change.symbol, change.value
    last = np.ones(len(row), dtype=bool)
    last[:-1] = (row[1:] != row[:-1]) | (symbol[1:] != symbol[:-1])
    row, symbol, value = row[last], symbol[last], value[last]
    if carry is not None:
        follows = np.full(len(row), sessions)
        same = symbol[1:] == symbol[:-1]
        follows[:-1][same] = row[1:][same]
        gone = row + carry + 1
        ends = np.flatnonzero((gone < follows) & (gone < sessions))
        row, symbol = np.r_[row, gone[ends]], np.r_[symbol, symbol[ends]]
        value = np.r_[value, np.full(len(ends), np.nan)]
    return _Changes(change.name, row, symbol, value)


def _table(changes: Sequence[_Changes], bars: Bars) -> pa.Table:
    changes = sorted(changes, key=lambda change: change.name)
    row = np.concatenate([change.row for change in changes])
    symbol = np.concatenate([change.symbol for change in changes])
    which = np.repeat(np.arange(len(changes)), [len(change.row) for change in changes])
    value = np.concatenate([change.value for change in changes])
    order = np.lexsort((which, symbol, row))
    names = pa.array([change.name for change in changes], pa.string())
    return pa.table(
        {
            "date": pa.array(bars.sessions[row[order]], pa.date32()),
            "symbol": pa.DictionaryArray.from_arrays(
                pa.array(symbol[order], pa.int32()), pa.array(bars.symbols, pa.string())
            ),
            "name": pa.DictionaryArray.from_arrays(pa.array(which[order], pa.int32()), names),
            "value": pa.array(value[order], pa.float64()),
        }
    )
