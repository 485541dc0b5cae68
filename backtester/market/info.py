"""What a dataset holds: its span, its symbols, how complete it is, where it came from."""

from __future__ import annotations

import textwrap
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from backtester.market import store
from backtester.market.actions import Ints
from backtester.market.check.dataset import members_without_bars, refuse_others
from backtester.market.check.report import several
from backtester.market.columns import BARS
from backtester.market.dataset import load_panel
from backtester.market.panel import Panel

FORMAT = 1
# More names than this are counted and not listed.
_NAMES = 12
_INDENT = " " * 12  # of what follows the first line of a fact


class Source(NamedTuple):
    """A file that the import read."""

    table: str  # bars, actions, sectors, members, ends, ...
    name: str
    rows: int | None
    sha256: str


class Year(NamedTuple):
    """A calendar year of a dataset."""

    year: int
    sessions: int
    symbols: int  # with at least one close
    members: float  # mean number of members a session, those without any bars among them
    priced: float  # mean number of members with a close a session


@dataclass(frozen=True)
class DatasetInfo:
    """What a dataset, or a panel, holds."""

    path: str | None
    basis: str
    first: str | None  # date of the first session
    last: str | None
    sessions: int
    symbols: int
    bars: int  # with a known close
    present: float  # share of the bars that are there, from each symbol's first to its last
    unknown: dict[str, int]  # column -> bars in which it is not known
    sectors: dict[str, int]  # name -> symbols; '' for none
    has_members: bool  # whether the universe changes
    years: tuple[Year, ...]
    splits: int
    dividends: int
    ends: int  # endings within the panel or after it
    losses: int  # of these, with a delisting return below 0
    extra: dict[str, dict[str, Any]]  # further columns: share known, and what the import was told of them (the lag)
    assumed_volume: float | None  # shares that the import put where the files have no volumes
    fingerprint: str
    disk_bytes: int | None
    sources: tuple[Source, ...]
    quarantined: dict[str, int]  # "table: reason" -> rows that were set aside
    written_by: str | None

    def lines(self, width: int = 100) -> list[str]:
        """The facts, one a line, or where that is longer than ``width`` columns, over several."""
        span = f"{self.first} to {self.last}, " if self.first else ""
        out = [
            *([f"dataset     {self.path}"] if self.path else []),
            f"prices      {self.basis}",
            f"sessions    {span}{several(self.sessions, 'session')}",
            f"symbols     {self.symbols:,}",
            f"bars        {self.bars:,}, {self.present:.2%} of those between each symbol's first and last",
        ]
        lost = [f"{count:,} without {name}" for name, count in self.unknown.items() if count]
        if lost:
            out.append(f"            {', '.join(lost)}")
        if self.assumed_volume is not None:
            out.append(f"volume      assumed, {self.assumed_volume:,.0f} shares in every bar")
        out.append(f"actions     {several(self.splits, 'split')}, {several(self.dividends, 'dividend')}")
        out.append(f"endings     {self.ends:,}, {self.losses:,} of them with a loss")
        named = {name: count for name, count in self.sectors.items() if name}
        if named:
            unnamed = f"; {several(self.sectors[''], 'symbol')} without" if self.sectors.get("") else ""
            out.append(f"sectors     {len(named)}: {_listed([f'{n} {c:,}' for n, c in named.items()])}{unnamed}")
        else:
            out.append("sectors     none")
        out += [f"extra       {name}: {_extra_words(facts)}" for name, facts in self.extra.items()]
        out += self._by_year()
        if self.quarantined:
            out.append(f"set aside   {several(sum(self.quarantined.values()), 'row')}, see {store.QUARANTINE}:")
            out += [f"            {count:,} {reason}" for reason, count in self.quarantined.items()]
        if self.disk_bytes is not None:
            out.append(f"on disk     {_size(self.disk_bytes)}")
        for k, source in enumerate(self.sources[:_NAMES]):
            rows = "" if source.rows is None else f", {several(source.rows, 'row')}"
            out.append(f"{'read from' if not k else '':<12}{source.name} ({source.table}{rows})")
        if len(self.sources) > _NAMES:
            out.append(f"            and {len(self.sources) - _NAMES:,} more files")
        if self.written_by:
            out.append(f"written by  {self.written_by}")
        return _wrapped([*out, f"fingerprint {self.fingerprint}"], width)

    def _by_year(self) -> list[str]:
        if not self.years:
            return []
        head = "            sessions  symbols" + ("  members  of them with a bar" if self.has_members else "")
        out = [f"by year{head[7:]}"]
        for year in self.years:
            members = f"  {year.members:7,.0f}  {year.priced:18,.0f}" if self.has_members else ""
            out.append(f"  {year.year}      {year.sessions:8,}  {year.symbols:7,}{members}")
        return out

    def to_json(self) -> dict[str, Any]:
        """The facts as plain data that JSON can hold."""
        lists = {"years": [year._asdict() for year in self.years], "sources": [one._asdict() for one in self.sources]}
        return {"format": FORMAT, **asdict(self), **lists}


@dataclass(frozen=True)
class SymbolInfo:
    """What a panel holds of one symbol."""

    symbol: str
    sector: str
    first: str | None  # date of the first close
    last: str | None
    bars: int
    missing: int  # sessions between the two without a close
    close: dict[str, float]  # first, last, lowest and highest close, as they stand
    total_return: float | None  # from the first close to the last
    volume: float | None  # median
    zero_volume: int  # bars with a volume of zero
    member: int  # sessions as a member of the universe
    end: str | None
    delisting_return: float | None
    splits: dict[str, float]  # date -> shares after / shares before
    dividends: dict[str, float]  # date -> cash per share
    extra: dict[str, int]  # column -> sessions in which it is known

    def lines(self, width: int = 100) -> list[str]:
        """The facts, one a line, or where that is longer than ``width`` columns, over several."""
        out = [f"symbol      {self.symbol}{f', {self.sector}' if self.sector else ''}"]
        if self.first is None:
            return _wrapped([*out, "bars        none"], width)
        out += [
            f"bars        {self.bars:,}, {self.first} to {self.last}, {several(self.missing, 'session')} "
            "between without one",
            f"close       {self.close['first']:g} to {self.close['last']:g}, lowest {self.close['lowest']:g}, highest "
            f"{self.close['highest']:g}; total return {self.total_return:+.2%}",
        ]
        if self.volume is not None:
            out.append(f"volume      median {self.volume:,.0f}, zero in {several(self.zero_volume, 'bar')}")
        out.append(f"member      in {several(self.member, 'session')}")
        if self.end is not None:
            out.append(f"ends        {self.end}, delisting return {self.delisting_return:+.2%}")
        for word, entries in (("splits", self.splits), ("dividends", self.dividends)):
            shown = [f"{date} {value:g}" for date, value in entries.items()]
            out.append(f"{word:<12}{_listed(shown) if shown else 'none'}")
        out += [f"extra       {name}: known in {several(count, 'session')}" for name, count in self.extra.items()]
        return _wrapped(out, width)

    def to_json(self) -> dict[str, Any]:
        """The facts as plain data that JSON can hold."""
        return {"format": FORMAT, **asdict(self)}


def _wrapped(lines: list[str], width: int) -> list[str]:
    """Lines of at most so many columns, as far as the words allow; nothing within a word is broken."""
    out = []
    for line in lines:
        words = textwrap.wrap(
            line[len(_INDENT) :],
            max(width - len(_INDENT), 20),
            break_long_words=False,
            break_on_hyphens=False,
        )  # fmt: skip
        fits = len(line) <= width or not words
        out += [line] if fits else [line[: len(_INDENT)] + words[0], *(_INDENT + part for part in words[1:])]
    return out


def describe_dataset(path: str | Path) -> DatasetInfo:
    """Say what a dataset folder, or one long Parquet file, holds.

    Args:
        path: what `load_panel` takes.

    Raises:
        DataError: There is no dataset at `path`, or it is damaged.
    """
    source = Path(path)
    refuse_others(source)
    panel = load_panel(source)
    if not source.is_dir():
        return _describe(panel, str(path), source.stat().st_size, None)
    manifest = store.read_manifest(source)
    size = sum(file.stat().st_size for file in source.rglob("*") if file.is_file())
    more = np.zeros(len(panel.dates), dtype=np.int64)
    if store.MEMBERS in manifest["files"]:
        for days in members_without_bars(source, panel).values():
            more += days
    return _describe(panel, str(path), size, manifest, more)


def describe_panel(panel: Panel) -> DatasetInfo:
    """Say what a panel holds."""
    return _describe(panel, None, None, None)


def describe_symbol(panel: Panel, symbol: str) -> SymbolInfo:
    """Say what a panel holds of one symbol.

    Raises:
        DataError: The panel has no such symbol.
    """
    col = panel.index(symbol)
    close, volume = panel.close[:, col], panel.volume[:, col]
    known = np.flatnonzero(np.isfinite(close))
    ended = np.flatnonzero(panel.ends.symbol == col)
    some = panel.actions.symbol == col
    rows = panel.dates[panel.actions.row[some]]
    prices: dict[str, float] = {}
    total = None
    if len(known):
        prices = {
            "first": float(close[known[0]]),
            "last": float(close[known[-1]]),
            "lowest": float(close[known].min()),
            "highest": float(close[known].max()),
        }
        index = panel.adj_close[:, col]
        total = float(index[known[-1]] / index[known[0]] - 1)
    volumes = volume[np.isfinite(volume)]
    return SymbolInfo(
        symbol=symbol,
        sector=panel.sectors[col],
        first=str(panel.dates[known[0]]) if len(known) else None,
        last=str(panel.dates[known[-1]]) if len(known) else None,
        bars=len(known),
        missing=int(known[-1] - known[0] + 1 - len(known)) if len(known) else 0,
        close=prices,
        total_return=total,
        volume=float(np.median(volumes)) if len(volumes) else None,
        zero_volume=int((volumes == 0).sum()),
        member=int(panel.member[:, col].sum()),
        end=str(panel.ends.date[ended[0]]) if len(ended) else None,
        delisting_return=float(panel.ends.delisting_return[ended[0]]) if len(ended) else None,
        splits={str(d): float(v) for d, v in zip(rows, panel.actions.split[some], strict=True) if v != 1},
        dividends={str(d): float(v) for d, v in zip(rows, panel.actions.dividend[some], strict=True) if v != 0},
        extra={name: int(np.isfinite(values[:, col]).sum()) for name, values in sorted(panel.extra.items())},
    )


def _describe(
    panel: Panel, path: str | None, size: int | None, manifest: dict[str, Any] | None, more: Ints | None = None
) -> DatasetInfo:
    """The facts; `more`: ``(T,)`` members without any bars."""
    sessions, n = panel.shape
    known = np.isfinite(panel.close)
    bars = int(known.sum())
    here = known.any(axis=0)
    first, last = known.argmax(axis=0), sessions - 1 - known[::-1].argmax(axis=0)
    expected = int((last - first + 1)[here].sum())
    return DatasetInfo(
        path=path,
        basis=panel.basis,
        first=str(panel.dates[0]) if sessions else None,
        last=str(panel.dates[-1]) if sessions else None,
        sessions=sessions,
        symbols=n,
        bars=bars,
        present=bars / expected if expected else 0.0,
        unknown={name: int((np.isnan(getattr(panel, name)) & known).sum()) for name in BARS if name != "close"},
        sectors=dict(sorted(Counter(panel.sectors).items(), key=lambda entry: (-entry[1], entry[0]))),
        has_members=not bool(panel.member.all()) or bool(more is not None and more.any()),
        years=_years(panel, known, more),
        splits=int((panel.actions.split != 1).sum()),
        dividends=int((panel.actions.dividend != 0).sum()),
        ends=len(panel.ends.symbol),
        losses=int((panel.ends.delisting_return < 0).sum()),
        extra={
            name: {"known": float(np.isfinite(panel.extra[name][known]).mean()) if bars else 0.0}
            | _told(manifest, name)
            for name in sorted(panel.extra)
        },
        assumed_volume=(manifest or {}).get("assumed_volume"),
        fingerprint=manifest["fingerprint"] if manifest else panel.fingerprint,
        disk_bytes=size,
        sources=tuple(
            Source(entry["table"], entry["name"], entry.get("rows"), entry["sha256"])
            for entry in (manifest or {}).get("sources", ())
        ),
        quarantined=dict((manifest or {}).get("counts", {}).get("quarantined", {})),
        written_by=(manifest or {}).get("written_by"),
    )


def _extra_words(facts: dict[str, Any]) -> str:
    """How much of an extra column is known, and since when a value was."""
    out = f"{facts['known']:.1%} of the bars"
    if facts.get("lag_stated") is False:
        return f"{out}; no lag stated, so each value counts as known at the close of its own session"
    for key, words in (("lag_sessions", "known with a lag of"), ("lag_days", "known after"), ("carry_sessions", "for")):
        if key in facts:
            out += f", {words} {several(facts[key], 'day' if key == 'lag_days' else 'session')}"
    return out


def _told(manifest: dict[str, Any] | None, name: str) -> dict[str, Any]:
    """What the import was told of an extra column: its lag, and how long a value is carried on."""
    told: dict[str, Any] = {}
    lags = (manifest or {}).get("lags") or {}
    if name in lags.get("bars", {}):
        of = lags["bars"][name]
        told |= {"lag_sessions": of["sessions"], "lag_stated": of["stated"]}
    for entry in lags.get("files", ()):
        if name in entry["columns"]:
            told |= {key: entry[key] for key in ("lag_days", "carry_sessions") if entry.get(key) is not None}
    return told


def _years(panel: Panel, known: np.ndarray, more: Ints | None) -> tuple[Year, ...]:
    year_of = panel.dates.astype("datetime64[Y]").astype(np.int64) + 1970
    out = []
    for year in np.unique(year_of):
        rows = np.flatnonzero(year_of == year)
        some = slice(int(rows[0]), int(rows[-1]) + 1)  # dates increase
        member, bar = panel.member[some], known[some]
        unpriced = 0 if more is None else int(more[some].sum())
        out.append(
            Year(
                year=int(year),
                sessions=len(rows),
                symbols=int(bar.any(axis=0).sum()),
                members=float((member.sum() + unpriced) / len(rows)),
                priced=float((member & bar).sum() / len(rows)),
            )
        )
    return tuple(out)


def _listed(words: list[str]) -> str:
    more = f" and {len(words) - _NAMES:,} more" if len(words) > _NAMES else ""
    return ", ".join(words[:_NAMES]) + more


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
