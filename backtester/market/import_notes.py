"""What a report of an import says beside its counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from backtester.market.extras import Known
from backtester.market.gather import Bars
from backtester.market.import_report import many, some
from backtester.market.lists import Action, Listing


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


def left_out_notes(left_out: Sequence[tuple[str, str, str]]) -> list[str]:
    """One line a column that was left out, however many files have it."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for column, file, why in left_out:
        groups.setdefault(column, []).append((file, why))
    out = []
    for column, places in groups.items():
        file, why = places[0]
        more = f" (and of {many(len(places) - 1, 'other file')})" if len(places) > 1 else ""
        out.append(f"column {column!r} of {file}{more} left out: {why}")
    return out


def known_words(own: Sequence[str], lags: Mapping[str, int], known: Known) -> list[str]:
    """Since when each extra column is known."""
    out = []
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
