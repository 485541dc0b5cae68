"""Symbols from their first bar to their last: listings, endings and membership."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from backtester.market.check.collect import Places, blocks
from backtester.market.check.fields import Presence
from backtester.market.check.moves import Mask
from backtester.market.panel import Panel

# A symbol without a bar in this many sessions at the end is expected to have an ending, as at import.
SILENT = 5


def check_ends(panel: Panel, presence: Presence, inferred: Collection[str] | None, keep: int) -> dict[str, Places]:
    """First and last bars of symbols against the panel's sessions and endings.

    Args:
        panel: the panel.
        presence: where bars are.
        inferred: symbols whose ending was inferred; None if that is not known, and then all count as given.
        keep: examples to keep of each kind.

    Returns:
        Places, one a symbol, of ``late_listing`` (row: of the first bar), ``quiet_end``, ``no_end``, ``inferred_end``
        and ``late_end`` (row: of the last bar; facts: ``silent`` sessions after it; ``end``).
    """
    sessions, n = panel.shape
    kinds = ("late_listing", "quiet_end", "no_end", "inferred_end", "late_end", "empty_symbol")
    out = {kind: Places(n, keep) for kind in kinds}
    real = presence.last >= 0
    late = np.flatnonzero(real & (presence.first > 0))
    out["late_listing"].add(presence.first[late], late, presence.first[late].astype(float))
    empty = np.flatnonzero(~real)
    out["empty_symbol"].add(np.zeros(len(empty), np.int64), empty, 0.0)

    silent = sessions - 1 - presence.last
    ended = np.zeros(n, dtype=bool)
    ended[panel.ends.symbol] = True
    open_end = np.flatnonzero(real & ~ended & (silent > 0))
    for kind, which in (
        ("quiet_end", open_end[silent[open_end] < SILENT]),
        ("no_end", open_end[silent[open_end] >= SILENT]),
    ):
        out[kind].add(presence.last[which], which, silent[which].astype(float), silent=silent[which])

    was_inferred = np.zeros(n, dtype=bool)
    if inferred is not None:
        was_inferred[[panel.columns[symbol] for symbol in inferred if symbol in panel.columns]] = True
    col, end = panel.ends.symbol, panel.ends.date
    row = np.maximum(presence.last[col], 0)
    quiet = np.minimum(panel.ends.row, sessions) - 1 - row  # sessions after the last bar up to the end
    for kind, of in (
        ("inferred_end", real[col] & was_inferred[col]),
        ("late_end", real[col] & ~was_inferred[col] & (quiet >= SILENT)),
    ):
        after = silent[col[of]]
        out[kind].add(row[of], col[of], after.astype(float), silent=after, quiet=quiet[of], end=end[of])
    return out


def check_members(panel: Panel, presence: Presence, listed: bool, keep: int) -> dict[str, Places]:
    """Membership against bars.

    Args:
        panel: the panel.
        presence: where bars are.
        listed: whether there is a file of members; without one, and if every symbol is a member throughout, there is
            nothing to compare.
        keep: examples to keep of each kind.

    Returns:
        Places, one a symbol, of ``member_without_bar`` (row: of the first such session; facts: ``sessions``) and
        ``never_member``.
    """
    sessions, n = panel.shape
    out = {kind: Places(n, keep) for kind in ("member_without_bar", "never_member")}
    first, last = presence.first, presence.last
    row = np.arange(sessions)[:, None]
    missing, days, where = np.zeros(n, np.int64), np.zeros(n, np.int64), np.full(n, sessions)
    ended = np.full(n, sessions)
    ended[panel.ends.symbol] = panel.ends.row  # after its ending nothing is expected
    for rows in blocks(sessions, n):
        member = panel.member[rows]
        days += member.sum(axis=0)
        outside: Mask = member & ((row[rows] < first) | (row[rows] > last)) & (row[rows] < ended)
        if outside.any():
            missing += outside.sum(axis=0)
            here = np.flatnonzero(outside.any(axis=0) & (where == sessions))
            where[here] = rows.start + outside[:, here].argmax(axis=0)
    if not listed and (days == sessions).all():
        return out
    some = np.flatnonzero((missing > 0) & (last >= 0))
    out["member_without_bar"].add(where[some], some, missing[some].astype(float), sessions=missing[some])
    never = np.flatnonzero(days == 0)
    out["never_member"].add(np.zeros(len(never), np.int64), never, 0.0)
    return out
