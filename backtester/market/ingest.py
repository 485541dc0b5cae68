"""Import: from files as vendors write them to a dataset folder that `backtester.load_panel` reads.

A dataset folder holds

    bars.parquet         date, symbol, open, high, low, close, volume and extra columns; sorted by date, then symbol
    actions.parquet      date, symbol, split, dividend; sorted alike
    symbols.parquet      symbol, sector, end, delisting_return; sorted by symbol
    membership.parquet   symbol, start, end (the day of removal); only if membership was given
    extra.parquet        date, symbol, name, value: changes of extra columns; only if extra files were given
    quarantine.csv       table, file, row, reason of every row that could not be used, and of the first ones the text
    check.json           what the check found
    manifest.json        format, basis, counts, what was stated and assumed, hashes

The tables and their hashes depend on the content of the input alone: not on the order of its rows, on time or place
(but for rows dated in the future, which cannot be used until then).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from backtester.errors import DataError
from backtester.market import store
from backtester.market.actions import Floats
from backtester.market.build import check_basis_name
from backtester.market.check.calendars import exchange_days
from backtester.market.clean import Settings
from backtester.market.columns import BARS
from backtester.market.dates import NAT, Days
from backtester.market.day_text import OpenDates, check_order
from backtester.market.extras import Extra, Known, check_lags, lag_columns, read_extras
from backtester.market.gather import Bars, Gathered, gather_bars
from backtester.market.import_notes import (
    alias_words,
    count_actions,
    known_words,
    left_out_notes,
    list_notes,
    twice_notes,
    year_notes,
)
from backtester.market.import_report import ImportReport, many
from backtester.market.layout import detect_layout, plan_long, read_heads
from backtester.market.lists import End, clean_actions, clean_ends, clean_members, clean_sectors, open_dates
from backtester.market.quarantine import Quarantine, short
from backtester.market.sources import Paths, Source, close_archives, expand
from backtester.market.tables import Progress, Table, hash_of, read_table
from backtester.market.wide import gather_wide, wide_fields
from backtester.market.write import Content, write_dataset

__all__ = ["Extra", "ImportReport", "import_files"]

# A symbol without a bar in this many sessions at the end of the files, or more, has ended (law 12).
SILENT_SESSIONS = 5
_SOME_DAYS = np.datetime64("2019-01-02", "D"), np.datetime64("2019-01-10", "D")


@contextmanager
def _within_limits() -> Iterator[None]:
    """What memory does not hold is said in words, and no zip stays open."""
    try:
        yield
    except MemoryError as error:
        raise DataError(
            f"the bars do not fit into memory ({str(error) or 'none is left'}); import fewer symbols or years."
        ) from error
    finally:
        close_archives()


@_within_limits()
def import_files(
    files: Paths,
    out: str | Path,
    *,
    basis: str,
    actions: Paths | None = None,
    sectors: Paths | None = None,
    members: Paths | None = None,
    ends: Paths | None = None,
    extra: Sequence[Extra] = (),
    lags: Mapping[str, int] | None = None,
    layout: str | None = None,
    dates: str | None = None,
    decimal: str = ".",
    close_only: bool = False,
    assume_volume: float | None = None,
    exchange: str | None = None,
    check: bool = True,
    overwrite: bool = False,
    progress: Progress = None,
) -> ImportReport:
    """Import files of daily bars into a new dataset folder.

    CSV (plain or gzip), Parquet, zips and folders of them, patterns such as ``data/*.csv``, and hive partitions
    (``symbol=AAPL/``). Three layouts are told apart by their columns: *long*, a row a date and symbol; *per-symbol*,
    without a column of symbols, the symbol being the file's name; *wide*, dates down and symbols across, one file a
    field, named after it (``close.csv``). Column names are understood in any case and in the usual variants
    (`backtester.market.columns.ALIASES`). Symbols are text in every file. Empty fields, and NaN, NA, N/A, NULL and None
    in columns of numbers, are unknown, not wrong. What is wrong is set aside in ``quarantine.csv`` with its reason;
    nothing else is dropped. Extra numeric columns are kept; a vendor's adjusted close is kept as ``adj_close_vendor``
    and never traded. Nothing is written unless everything is.

    A symbol without a bar in the last 5 or more sessions of the files has ended on the date of its last bar; a row in
    `ends` says otherwise, and one without a date says that it goes on.

    Args:
        files: paths, folders or patterns of files of bars, taken together: ``date, symbol, open, close, volume``, and
            if there ``high``, ``low``, ``split``, ``dividend`` and others.
        out: the dataset folder to write; it appears whole or not at all.
        basis: ``as_traded``, ``split_adjusted`` or ``total_return``.
        actions: ``date, symbol, split, dividend``: shares after / shares before, cash per share held after the split.
        sectors: ``symbol, sector``.
        members: ``symbol, start, end`` (``ticker, start_date, end_date``): inside from `start` up to, and not
            including, `end`, the day of removal; any number of rows a symbol; an empty `end` means still a member.
            Without this every symbol is a member every day; with it, a symbol that it does not name is never one.
        ends: ``symbol, end[, delisting_return]``: the last day on which a symbol existed.
        extra: files of further columns with the lag of their publication; see `Extra`.
        lags: extra column of the bars -> sessions after its row's at whose close it was known; 0 where nothing is said.
        layout: ``long``, ``per-symbol`` or ``wide``, where the columns leave it open; None: told from the columns.
        dates: ``dmy`` or ``mdy``, where dates such as 01/02/2020 leave it open; ``ymd`` takes ISO forms only.
        decimal: ``.`` or ``,``.
        close_only: whether long and per-symbol files may lack the columns of opens and volumes.
        assume_volume: shares, taken as the volume of every bar with a close when the files have no volume at all.
        exchange: whose calendar the check compares sessions with, such as ``XNYS``.
        check: whether the data is checked; the findings end the report and are kept as ``check.json``.
        overwrite: whether a dataset that stands at `out` may be replaced; nothing else ever is.
        progress: called as ``progress(what, done, total)``, with bytes while reading.

    Raises:
        DataError: A file cannot be read, misses a column or has no usable row; the layout or the order of day and month
            is not clear; dates have a time of day or a time zone; the basis already contains the actions; bars follow a
            given end; a lag names no column; `out` cannot be written. The message names file and row.
        ConfigError: The exchange is not known, or the package that knows it is not installed.
    """
    _check_arguments(basis, dates, decimal, assume_volume)
    if check and exchange is not None:
        exchange_days(exchange, *_SOME_DAYS)  # a misspelt name is said now, not after the work
    stated_lags = check_lags(lags)
    target = store.check_target(Path(out), overwrite)
    stale = store.clear_stale(target)
    settings = Settings(dates, decimal)
    quarantine = Quarantine()
    given = (("actions", actions), ("sectors", sectors), ("members", members), ("ends", ends))
    expanded = [expand(paths, kind)[0] for kind, paths in given]
    sources, notes = expand(files)
    store.check_inputs(target, [source.path for group in [*expanded, sources] for source in group])
    lists = _Lists(*([read_table(source) for source in group] for group in expanded))
    others = open_dates(lists._asdict(), dates)
    read = _read_bars(sources, layout, close_only, settings, quarantine, progress, others)
    bars = read.gathered.bars
    detected = list(read.detected)
    if assume_volume is not None:
        detected.append(_assume_volume(bars, assume_volume))
    lag_columns(bars, stated_lags)
    known = read_extras(extra, bars, settings, quarantine, progress, others)
    store.check_inputs(target, [source.path for source, _ in known.sources])

    settings = settings._replace(order=dates or read.gathered.order)
    names = set(bars.symbols)
    acts = clean_actions(lists.actions, read.gathered.actions, names, basis, quarantine, settings)
    sector = clean_sectors(lists.sectors, quarantine, settings)
    listings = clean_members(lists.members, quarantine, settings) if lists.members else None
    end, paid, inferred = _ends(bars, clean_ends(lists.ends, names, quarantine, settings))
    notes = [
        *(f"{name} removed, which a writer that was killed had left" for name in stale),
        *notes,
        *read.notes,
        *twice_notes("bars", list(zip(read.sources, read.gathered.rows, strict=True)), quarantine),
        *twice_notes("extra", known.sources, quarantine),
        *known.notes,
        *left_out_notes([*read.gathered.left_out, *known.left_out]),
        *list_notes(bars, sector if lists.sectors else None, listings),
    ]
    own = [key for key in bars.values if key not in BARS]
    content = Content(
        basis=basis,
        bars=bars,
        actions=acts,
        sector=[sector.get(symbol, "") for symbol in bars.symbols],
        end=end,
        delisting_return=paid,
        listings=listings,
        known=known.table,
        quarantine=quarantine,
        inferred=inferred,
        manifest={
            "counts": {
                "bars_read": read.gathered.read,
                "bars": int(bars.present.sum()),
                "sessions": len(bars.sessions),
                "symbols": len(bars.symbols),
                "actions": len(acts),
                "ends_given": int((~np.isnat(end)).sum()) - len(inferred),
                "ends_inferred": len(inferred),
                "quarantined": quarantine.counts(),
            },
            "layout": read.layout,
            "lags": {
                "bars": {key: {"sessions": stated_lags.get(key, 0), "stated": key in stated_lags} for key in own},
                "files": known.entries,
            },
            "close_only": close_only,
            "assumed_volume": assume_volume,
            "ends_inferred": inferred,
            "sources": _sources(read, known, lists),
        },
    )
    fingerprint, findings = write_dataset(
        target, content, overwrite=overwrite, check=check, exchange=exchange, progress=progress
    )
    counts = content.manifest["counts"]
    return ImportReport(
        out=Path(out),
        fingerprint=fingerprint,
        basis=basis,
        layout=read.layout,
        detected=tuple(detected),
        rows=counts["bars_read"],
        kept=counts["bars"],
        sessions=len(bars.sessions),
        first=bars.sessions[0],
        last=bars.sessions[-1],
        symbols=len(bars.symbols),
        unknown={key: counts["bars"] - int((~np.isnan(bars.values[key])).sum()) for key in BARS},
        extra=(*own, *known.columns),
        known=tuple(known_words(own, stated_lags, known)),
        actions=count_actions(acts, bars),
        ends_given=counts["ends_given"],
        ends_inferred=tuple(inferred),
        quarantined=quarantine.counts(),
        notes=tuple(notes),
        check=findings,
    )


class _Lists(NamedTuple):
    """The small tables as they were read."""

    actions: list[Table]
    sectors: list[Table]
    members: list[Table]
    ends: list[Table]


class _Read(NamedTuple):
    """The bars, and what was found out on the way."""

    gathered: Gathered
    layout: str
    detected: list[str]
    sources: list[Source]
    notes: list[str]


def _sources(read: _Read, known: Known, lists: _Lists) -> list[dict[str, Any]]:
    """Every file that was read, for the manifest."""
    given = [("bars", source, rows) for source, rows in zip(read.sources, read.gathered.rows, strict=True)]
    given += [("extra", source, rows) for source, rows in known.sources]
    out = [
        {"table": kind, "name": source.name, "sha256": hash_of(source), "rows": rows} for kind, source, rows in given
    ]
    for kind, tables in lists._asdict().items():
        out += [{"table": kind, "name": table.name, "sha256": table.sha256, "rows": table.rows} for table in tables]
    return out


def _check_arguments(basis: str, dates: str | None, decimal: str, assume_volume: float | None) -> None:
    check_basis_name(basis)
    check_order(dates)
    if decimal not in (".", ","):
        raise DataError(f"decimal {decimal!r} is neither '.' nor ','.")
    if assume_volume is not None and not 0 < assume_volume < np.inf:
        raise DataError(f"assume_volume is {assume_volume!r}; it is a number of shares, more than 0.")


def _read_bars(
    given: Sequence[Source],
    layout: str | None,
    close_only: bool,
    settings: Settings,
    quarantine: Quarantine,
    progress: Progress,
    others: OpenDates,
) -> _Read:
    if not given:
        raise DataError("no file of bars was given.")
    heads, notes = read_heads(given)
    sources = [head.source for head in heads]
    found = detect_layout(heads, layout)
    if found == "wide":
        fields, left_out = wide_fields(heads)
        gathered = gather_wide(fields, settings, quarantine, progress, others)
        gathered = gathered._replace(left_out=[*left_out, *gathered.left_out])
        which = [f"{field.key} from {field.head.source.name}" for field in fields]
        more = ", ..." if which[8:] else ""
        detected = [f"layout: wide, dates by symbols: {', '.join(which[:8])}{more}"]
    else:
        plans = [plan_long(head, found, close_only=close_only) for head in heads]
        gathered = gather_bars(plans, settings, quarantine, progress, others)
        detected = [_layout_words(found, sources), *alias_words(plans)]
        notes += year_notes(sources) if found == "per-symbol" else []
    if layout is not None:
        detected[0] += " (as stated)"
    delimiters = {head.delimiter for head in heads} - {"", ","}
    if delimiters:
        names = {";": "semicolons", "\t": "tabs", "|": "|"}
        detected.append(f"fields separated by {' or '.join(names[mark] for mark in sorted(delimiters))}")
    return _Read(gathered, found, detected, sources, notes)


def _layout_words(layout: str, sources: Sequence[Source]) -> str:
    first = sources[0]
    if layout == "per-symbol":
        return (
            f"layout: per symbol, {many(len(sources), 'file')} named after {'its' if len(sources) == 1 else 'their'} "
            f"symbol{'' if len(sources) == 1 else 's'} "
            f"({first.name} is {first.stem.strip()})"
        )
    parted = f", partitioned by {', '.join(first.fixed)}" if first.fixed else ""
    return f"layout: long, a row a date and symbol, {many(len(sources), 'file')}{parted}"


def _assume_volume(bars: Bars, shares: float) -> str:
    volume = bars.values["volume"]
    if not np.isnan(volume).all():
        raise DataError("a volume for all bars is assumed, but the files have volumes; leave assume_volume out.")
    volume[~np.isnan(bars.values["close"])] = shares
    return f"assumed, not data: a volume of {shares:,.0f} shares in every bar; caps and impact by volume mean nothing"


def _ends(bars: Bars, given: dict[str, End]) -> tuple[Days, Floats, list[str]]:
    """End dates (NaT: none) and delisting returns by symbol, and the symbols whose end was inferred."""
    # A row without any known price or volume is no bar.
    is_bar = np.zeros_like(bars.present)
    for key in BARS:
        is_bar |= ~np.isnan(bars.values[key])
    total = len(bars.sessions)
    last = np.where(is_bar.any(axis=0), total - 1 - is_bar[::-1].argmax(axis=0), -1)
    end = np.full(len(bars.symbols), NAT)
    paid = np.zeros(len(bars.symbols))
    inferred = []
    for k, symbol in enumerate(bars.symbols):
        said = given.get(symbol)
        if said is not None:
            end[k], paid[k] = said.date, said.delisting_return
            if last[k] >= 0 and bars.sessions[last[k]] > said.date:
                raise DataError(
                    f"{short(symbol)} has a bar on {bars.sessions[last[k]]}, but its given end is {said.date}; correct "
                    "the end, or leave the later bars out."
                )
        elif last[k] >= 0 and total - 1 - last[k] >= SILENT_SESSIONS:
            end[k] = bars.sessions[last[k]]
            inferred.append(symbol)
    return end, paid, inferred
