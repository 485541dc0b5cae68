"""The panel: a market as frozen arrays of sessions by symbols, and the only place that cuts it in time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtester.errors import DataError, did_you_mean
from backtester.market import build
from backtester.market.actions import Actions, Basis, Endings, Floats, Ints, freeze, place_endings, total_returns
from backtester.market.dates import Days, as_day

Mask = NDArray[np.bool_]
# Rows hashed at a time, so that a fingerprint needs little memory.
_HASHED_ROWS = 64


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Panel:
    """Daily bars of `N` symbols in `T` sessions, with everything that is known about them. Frozen.

    Make one with `from_frame`, `from_arrays` or `backtester.load_panel`; the constructor itself trusts its arguments.
    Every array is a read-only, C-contiguous `numpy.ndarray`. NaN means unknown and nothing else; prices are positive,
    volumes are shares and not negative. Row `t` is the session of ``dates[t]``.
    """

    dates: Days  # (T,) datetime64[D], strictly increasing
    symbols: tuple[str, ...]  # (N,) sorted by code point
    open: Floats  # (T, N)
    high: Floats  # (T, N)
    low: Floats  # (T, N)
    close: Floats  # (T, N)
    volume: Floats  # (T, N) shares
    member: Mask  # (T, N) whether the symbol belongs to the universe on that day
    sectors: tuple[str, ...]  # (N,) '' = unknown
    extra: Mapping[str, Floats]  # further columns by name, each (T, N)
    basis: Basis
    actions: Actions
    ends: Endings
    # What lazily computed values of a head are slices of. Returns and masks of a row need no later row. Only a cut sets
    # it: a copy with other arrays (dataclasses.replace) derives everything anew.
    _whole: Panel | None = field(init=False, default=None)

    @classmethod
    def from_arrays(
        cls,
        dates: Any,
        symbols: Any,
        *,
        open: Any,
        high: Any,
        low: Any,
        close: Any,
        volume: Any,
        actions: pd.DataFrame | None = None,
        ends: Mapping[str, Any] | pd.DataFrame | None = None,
        members: Any = None,
        sectors: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
        basis: Basis = "as_traded",
    ) -> Panel:
        """Make a panel from arrays of sessions by symbols.

        Arrays are copied, unless they are C-contiguous float64, read-only down to their memory, and in symbol order.

        Args:
            dates: ``(T,)`` dates at midnight without a time zone, strictly increasing.
            symbols: ``(N,)`` unique text in any order; the panel sorts them, and the columns of every array with them.
            open: ``(T, N)`` prices; NaN = unknown.
            high: ``(T, N)`` prices, or None if unknown.
            low: ``(T, N)`` prices, or None if unknown.
            close: ``(T, N)`` prices.
            volume: ``(T, N)`` shares.
            actions: table ``date, symbol, split, dividend``: shares after / shares before (1 or NaN = none), and cash
                per share held after the split (0 or NaN = none). An action dated on no session takes effect in the
                next one; several of one symbol that meet there are combined. Before the first session or after the
                last it cannot act and is left out.
            ends: mapping symbol -> the last day on which it existed, or a table ``symbol, end[, delisting_return]``.
                An end on or after the last session is kept, but not settled within the panel.
            members: ``(T, N)`` bool, or a table ``symbol, start, end`` with any number of rows a symbol: a member from
                `start` up to, and not including, `end` (the day of removal); a missing `end` means still a member, a
                missing `start` always was. Symbols of the table that have no bars are left out. None: all are members.
            sectors: mapping symbol -> name; symbols without bars are left out, those not named have the sector ``''``.
            extra: mapping name -> ``(T, N)`` further numbers, NaN = unknown.
            basis: what the prices contain: ``as_traded`` nothing, ``split_adjusted`` splits, ``total_return`` both.

        Raises:
            DataError: Anything of the above is not so; a price is not positive, a volume negative, a value infinite; a
                bar is dated after its symbol's end; or the basis already contains the actions. The message names
                symbol, date, column and value.
        """
        return cls(
            **build.from_arrays(
                dates,
                symbols,
                {"open": open, "high": high, "low": low, "close": close, "volume": volume},
                actions=actions,
                ends=ends,
                members=members,
                sectors=sectors,
                extra=extra or {},
                basis=basis,
            )
        )

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        basis: Basis = "as_traded",
        ends: Mapping[str, Any] | pd.DataFrame | None = None,
        members: Any = None,
        sectors: Mapping[str, str] | None = None,
    ) -> Panel:
        """Make a panel from a long table with one row a date and symbol, in any order.

        Columns, in any case: ``date``, ``symbol`` (or ``ticker``, ``name``), ``open``, ``high``, ``low``, ``close``,
        ``volume``; if there, ``split`` and ``dividend`` of the row's date. Every other numeric column becomes an extra
        one under its folded name (``Market Cap`` is ``extra["market_cap"]``); a vendor's adjusted close becomes
        ``extra["adj_close_vendor"]`` and is never traded. ``date`` and ``symbol`` may be index levels. A date and
        symbol without a row is unknown. `high` and `low` may be absent.

        Args:
            frame: the table.
            basis: as in `from_arrays`, as are the others.
            ends: endings.
            members: membership.
            sectors: sectors.

        Raises:
            DataError: A column is missing or holds text, a date and symbol is there twice, or as in `from_arrays`.
        """
        return cls(**build.from_frame(frame, basis=basis, ends=ends, members=members, sectors=sectors))

    @property
    def whole(self) -> Panel:
        """The panel that this one is the `head` of; itself if it is of none. For what may be kept beside it."""
        return self._whole or self

    @property
    def shape(self) -> tuple[int, int]:
        """``(T, N)``."""
        return self.open.shape[0], self.open.shape[1]

    @cached_property
    def tradable(self) -> Mask:
        """``(T, N)``: whether the bar has a known close and a known, positive volume."""
        if self._whole is not None:
            return self._whole.tradable[: len(self.dates)]
        mask: Mask = freeze(np.isfinite(self.close) & (self.volume > 0))
        return mask

    @cached_property
    def sector_names(self) -> tuple[str, ...]:
        """``(S,)`` names of the sectors, sorted; ``''`` among them if some symbol has none."""
        return tuple(sorted(set(self.sectors)))

    @cached_property
    def sector_codes(self) -> Ints:
        """``(N,)`` positions in `sector_names`."""
        code = {name: k for k, name in enumerate(self.sector_names)}
        codes: Ints = freeze(np.array([code[name] for name in self.sectors], dtype=np.int64))
        return codes

    @property
    def returns(self) -> Floats:
        """``(T, N)`` total returns from the last known close before `t` to that of `t`; NaN where either is unknown."""
        return self._total_returns[0]

    @cached_property
    def moves(self) -> Floats:
        """``(N, T)`` total returns again, along each symbol's sessions, 0 where unknown: what the engine sums up."""
        returns = self.returns
        moves: Floats = freeze(np.ascontiguousarray(np.where(np.isfinite(returns), returns, 0.0).T))
        return moves

    @property
    def adj_close(self) -> Floats:
        """``(T, N)`` total-return index in the price of the first known close; NaN where the close is unknown.

        Built forwards: a value never changes when later rows come, and ratios of two rows are total returns.
        """
        return self._total_returns[1]

    @cached_property
    def _total_returns(self) -> tuple[Floats, Floats]:
        if self._whole is not None:
            returns, index = self._whole._total_returns
            return returns[: len(self.dates)], index[: len(self.dates)]
        return total_returns(self.close, self.actions)

    @cached_property
    def columns(self) -> Mapping[str, int]:
        """Symbol -> column."""
        return MappingProxyType({symbol: k for k, symbol in enumerate(self.symbols)})

    def index(self, symbol: str) -> int:
        """The column of a symbol.

        Raises:
            DataError: The panel has no such symbol.
        """
        column = self.columns.get(symbol)
        if column is None:
            raise DataError(f"no symbol {symbol!r} in the panel.{did_you_mean(str(symbol), self.symbols)}")
        return column

    def head(self, t: int) -> Panel:
        """The panel as it stood after the close of session `t`: rows ``0 .. t``, sharing memory with this one.

        Later actions are gone, and so are endings that have not been settled by then: an ending dated `t` or later is
        not known yet.

        Raises:
            DataError: There is no session `t`.
        """
        if not 0 <= t < len(self.dates):
            raise DataError(f"no session {t}: the panel has sessions 0 to {len(self.dates) - 1}.")
        return self._rows(0, t + 1, keep_open_ends=False)

    def between(self, start: Any = None, end: Any = None) -> Panel:
        """The sessions dated from `start` to `end`, both included (None: no bound), sharing memory with this panel.

        Returns begin anew at the first row. A symbol that ended before `start` is still known to have ended. If
        sessions are cut off at the end, endings not settled before that are gone with them, as in `head`.

        Raises:
            DataError: No session lies between the two.
        """
        first, stop = 0, len(self.dates)
        if start is not None:
            first = int(np.searchsorted(self.dates, as_day(start, "start")))
        if end is not None:
            stop = int(np.searchsorted(self.dates, as_day(end, "end"), side="right"))
        if first >= stop:
            span = f"{self.dates[0]} to {self.dates[-1]}" if len(self.dates) else "no session at all"
            bounds = [f"{word} {day}" for word, day in (("from", start), ("to", end)) if day is not None]
            raise DataError(f"no session {' '.join(bounds)}: the panel has {span}.")
        return self._rows(first, stop, keep_open_ends=stop == len(self.dates))

    def _rows(self, first: int, stop: int, *, keep_open_ends: bool) -> Panel:
        rows = slice(first, stop)
        a, b = np.searchsorted(self.actions.row, (first, stop))
        actions = self.actions.slice(int(a), int(b))
        ends = self.ends
        if not keep_open_ends:
            ends = ends.slice(0, int(np.searchsorted(ends.row, stop)))
        if first:
            actions = actions._replace(row=freeze(actions.row - first))
            ends = place_endings(ends.symbol, ends.date, ends.delisting_return, sessions=self.dates[rows])
        cut = Panel(
            dates=self.dates[rows],
            symbols=self.symbols,
            open=self.open[rows],
            high=self.high[rows],
            low=self.low[rows],
            close=self.close[rows],
            volume=self.volume[rows],
            member=self.member[rows],
            sectors=self.sectors,
            extra=MappingProxyType({name: values[rows] for name, values in self.extra.items()}),
            basis=self.basis,
            actions=actions,
            ends=ends,
        )
        if not first:
            object.__setattr__(cut, "_whole", self._whole or self)
        return cut

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the content, in hex: equal for panels that hold the same, however they were made."""
        digest = hashlib.sha256()
        head = {"symbols": self.symbols, "sectors": self.sectors, "extra": sorted(self.extra), "basis": self.basis}
        digest.update(json.dumps(head, ensure_ascii=True).encode())
        for array in (self.dates, *self.actions, *self.ends, self.member):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).view(np.uint8).data)
        bars = (self.open, self.high, self.low, self.close, self.volume)
        for array in (*bars, *(self.extra[name] for name in sorted(self.extra))):
            digest.update(str(array.shape).encode())
            for t in range(0, len(array), _HASHED_ROWS):
                rows = array[t : t + _HASHED_ROWS] + 0.0  # -0 becomes 0
                rows[np.isnan(rows)] = np.nan  # and every NaN the same bytes
                digest.update(rows.data)
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """What the prices contain, and how many actions and endings are known, for the record of a run.

        ``basis``; ``splits``, ``dividends`` and ``endings``, counts; ``members``: whether the universe ever changes.
        """
        return {
            "basis": self.basis,
            "splits": int((self.actions.split != 1.0).sum()),
            "dividends": int((self.actions.dividend != 0.0).sum()),
            "endings": int((self.ends.row < len(self.dates)).sum()),
            "members": not bool(self.member.all()),
        }

    def __repr__(self) -> str:
        """One line: size, span and basis."""
        span = f"{self.dates[0]} to {self.dates[-1]}" if len(self.dates) else "no sessions"
        return f"Panel({len(self.dates)} sessions x {len(self.symbols)} symbols, {span}, {self.basis})"

    def __getstate__(self) -> dict[str, Any]:
        """The fields alone: what is derived is derived again."""
        state = {part.name: getattr(self, part.name) for part in fields(self)}
        return {**state, "extra": dict(self.extra), "_whole": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Freeze the arrays again, which lose their flag when pickled."""
        for value in (*state.values(), *state["extra"].values(), *state["actions"], *state["ends"]):
            if isinstance(value, np.ndarray):
                freeze(value)
        self.__dict__.update(state, extra=MappingProxyType(state["extra"]))
