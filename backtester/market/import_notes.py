"""What a report of an import says beside its counts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from backtester.market.columns import fold_name
from backtester.market.extras import Known
from backtester.market.gather import TWICE, Bars
from backtester.market.import_report import many, some
from backtester.market.layout import Plan
from backtester.market.lists import Action, Listing
from backtester.market.quarantine import Quarantine, short
from backtester.market.sources import Source


def list_notes(bars: Bars, sector: dict[str, str] | None, listings: list[Listing] | None) -> list[str]:
    """How the tables of sectors and members fit the bars."""
    out = []
    known = set(bars.symbols)
    if sector is not None:
        missing = sum(not sector.get(symbol) for symbol in bars.symbols)
        if missing:
            out.append(f"{many(missing, 'symbol')} without a sector")
        other = len(sector.keys() - known)
        if other:
            out.append(f"{many(other, 'sector')} of symbols without bars left out")
    if listings is not None:
        named = {listing.symbol for listing in listings}
        never = sorted(known - named)
        if never:
            out.append(
                f"{many(len(never), 'symbol')} never a member, because the membership does not name them: {some(never)}"
            )
        if named - known:
            out.append(f"{many(len(named - known), 'symbol')} of the membership without bars")
    return out


def twice_notes(kind: str, files: Sequence[tuple[Source, int]], quarantine: Quarantine) -> list[str]:
    """Files most of whose rows stand in the files before, or above, as well."""
    out = []
    total: Counter[str] = Counter()
    for source, rows in files:
        total[source.name] += rows
    for name, rows in total.items():
        again = quarantine.number(kind, name, TWICE)
        if again and 2 * again >= rows:
            out.append(
                f"{again:,} of the {many(rows, 'row')} of {name} repeat rows that came before: the file "
                "seems to be given twice"
            )
    return out


def alias_words(plans: Sequence[Plan]) -> list[str]:
    """Which columns were taken for dates, symbols and closes, where any has another name."""
    out: dict[str, dict[str, None]] = {}
    for plan in plans:
        for key in ("date", "symbol", "close"):
            if key in plan.found:
                out.setdefault(key, {})[plan.head.names[plan.found[key]]] = None
    if all(not name.strip() or fold_name(name) == key for key, names in out.items() for name in names):
        return []
    words = [f"{key} from {' or '.join(repr(short(name)) for name in list(names)[:3])}" for key, names in out.items()]
    return [f"columns: {', '.join(words)}"]


def year_notes(sources: Sequence[Source]) -> list[str]:
    """A note where files of one symbol look as if they were of several, named after their years."""
    years: dict[str, list[str]] = {}
    for source in sources:
        match = re.fullmatch(r"(.+)[_\- ](?:19|20)\d\d", source.stem.strip())
        if match:
            years.setdefault(match[1], []).append(source.stem.strip())
    several = next((stems for stems in years.values() if len(stems) > 1), None)
    if several is None:
        return []
    return [
        f"{' and '.join(several[:2])} are taken for symbols of their own; for one symbol, give the files a column of "
        "symbols or put them in folders by year (2020/AAPL.csv)"
    ]


def left_out_notes(left_out: Sequence[tuple[str, str, str]]) -> list[str]:
    """One line a column that was left out, however many files have it."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for column, file, why in left_out:
        groups.setdefault(column, []).append((file, why))
    out = []
    for column, places in groups.items():
        file, why = places[0]
        more = f" (and of {many(len(places) - 1, 'other file')})" if len(places) > 1 else ""
        out.append(f"column {short(column)!r} of {file}{more} left out: {why}")
    return out


def known_words(own: Sequence[str], lags: Mapping[str, int], known: Known) -> list[str]:
    """Since when each extra column is known."""
    out = []
    if "adj_close_vendor" in own:
        out.append(
            "adj_close_vendor: the vendor's, restated with hindsight at every later split and dividend, so not known "
            "on its day; it is never a feature and never traded"
        )
        own = [key for key in own if key != "adj_close_vendor"]
    for lag in sorted({lags.get(key, 0) for key in own}):
        names = some([key for key in own if lags.get(key, 0) == lag and (lag or key in lags)])
        silent = some([key for key in own if lag == 0 and key not in lags])
        if names:
            out.append(
                f"{names}: known {many(lag, 'session') + ' after' if lag else 'at'} the close of the row's session"
            )
        if silent:
            out.append(
                f"{silent}: taken as known at the close of the row's session, since no lag was stated (lags, --lag)"
            )
    for entry in known.entries:
        carry = entry["carry_sessions"]
        stay = (
            "until the next value" if carry is None else f"until the next value, for {many(carry, 'session')} at most"
        )
        if entry["columns"]:
            out.append(
                f"{some(entry['columns'])} (from {some(entry['files'], 3)}): known at the close of the first session "
                f"{many(entry['lag_days'], 'calendar day')} after the date or later, {stay}"
            )
    return out


def count_actions(acts: Sequence[Action], bars: Bars) -> dict[str, int]:
    """Splits and dividends, and how many of them act elsewhere than on their date, or never."""
    out = {
        "splits": sum(action.split != 1 for action in acts),
        "dividends": sum(action.dividend != 0 for action in acts),
        "rolled": 0,
        "outside": 0,
        "without_bar": 0,
    }
    place = {symbol: k for k, symbol in enumerate(bars.symbols)}
    for action in acts:
        row = int(np.searchsorted(bars.sessions, action.date))
        if row == len(bars.sessions) or action.date < bars.sessions[0]:
            out["outside"] += 1
        elif bars.sessions[row] != action.date:
            out["rolled"] += 1
        else:
            out["without_bar"] += not bars.present[row, place[action.symbol]]
    return out
