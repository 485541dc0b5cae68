"""Panel and scores in the form that the kernel reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtester.engine import types as et
from backtester.engine.signal import fill_signal
from backtester.errors import DataError, did_you_mean
from backtester.market.panel import Panel
from backtester.portfolio.settings import Costs, RiskLimits
from backtester.scores import Scores
from backtester.strategy import Floats, Strategy


def to_market(panel: Panel, costs: Costs | None = None, risk: RiskLimits | None = None) -> et.Market:
    """The kernel's market: the panel's own arrays, without a copy, and small tables of what happens when.

    Total returns are handed over only where costs or limits read them.
    """
    returns = costs is not None and costs.impact > 0
    moves = risk is not None and risk.target_volatility is not None
    sessions, symbols = panel.shape
    settled = panel.ends.row < sessions
    eligible = panel.tradable.view(np.uint8) * np.uint8(et.TRADABLE) + panel.member.view(np.uint8) * np.uint8(et.MEMBER)
    market = et.Market(
        days=panel.dates.astype("datetime64[D]").astype(np.int64),
        open=panel.open,
        close=panel.close,
        volume=panel.volume,
        eligible=eligible,
        returns=panel.returns if returns else np.zeros((0, symbols)),
        moves=panel.moves if moves else np.zeros((symbols, 0)),
        sector=panel.sector_codes,
        action_first=_first_rows(panel.actions.row, sessions),
        action_symbol=panel.actions.symbol,
        action_split=panel.actions.split,
        action_dividend=panel.actions.dividend,
        end_first=_first_rows(panel.ends.row[settled], sessions),
        end_symbol=panel.ends.symbol[settled],
        end_return=panel.ends.delisting_return[settled],
    )
    _check_market(market, sessions, symbols)
    return et.Market(*(_frozen(array) for array in market))


def _check_market(market: et.Market, sessions: int, symbols: int) -> None:
    """Insist on what the kernel relies on without looking: it checks no index.

    A panel that was made by its own methods always passes; one whose arrays were exchanged afterwards may not.
    """
    for name in ("open", "close", "volume", "eligible", "returns"):
        array = getattr(market, name)
        rows = len(array) if name == "returns" and not len(array) else sessions
        if array.shape != (rows, symbols) or array.dtype != (np.uint8 if name == "eligible" else np.float64):
            raise DataError(f"the panel's {name} has shape {array.shape} and type {array.dtype}: it has been altered.")
    if market.moves.shape not in ((symbols, sessions), (symbols, 0)) or market.moves.dtype != np.float64:
        raise DataError(f"the panel's returns have shape {market.moves.T.shape}: it has been altered.")
    if market.sector.shape != (symbols,):
        raise DataError(f"the panel has {len(market.sector)} sectors for {symbols} symbols: it has been altered.")
    for what in ("action", "end"):
        first, symbol = getattr(market, f"{what}_first"), getattr(market, f"{what}_symbol")
        inside = not symbol.size or 0 <= symbol.min() <= symbol.max() < symbols
        if not inside or first[-1] != symbol.size or (np.diff(first) < 0).any():
            raise DataError(f"the panel's {what}s name symbols or sessions that it does not have: it has been altered.")


def watched_signal(risk: RiskLimits | None, scores: Floats | None, market: et.Market, strategy: Strategy) -> Any:
    """What the guards of the signal look at in a run, (T, SIGNAL), or None if they never do.

    They look after sessions in which a decision is due.
    """
    watched = risk is not None and (risk.max_unscored is not None or risk.guard_equal_scores)
    if not watched or scores is None:
        return None
    return signal_quality(scores, market.eligible, range(strategy.warmup - 1, len(scores), strategy.every))


def signal_quality(scores: Floats, eligible: NDArray[np.uint8], due_rows: range) -> Floats:
    """What the guards of the signal look at: ``Rules.signal``, (T, SIGNAL), writable.

    Args:
        scores: (T, N); not finite is no score.
        eligible: (T, N) ``Market.eligible``; a symbol counts where it is a member and tradable.
        due_rows: the sessions after which a decision is due; the others stay NaN, as do those before the first row with
            a finite score.
    """
    out = np.full((len(scores), et.SIGNAL), np.nan)
    fill_quality(out, scores, eligible, due_rows)
    return out


def fill_quality(out: Floats, scores: Floats, eligible: NDArray[np.uint8], rows: range, since: int = 0) -> int:
    """Write some rows of what `signal_quality` makes, for scores that arrive session by session.

    The session phase of row ``t`` reads row ``t``: fill it before. Rows after the last of ``rows`` are not read.

    Args:
        out: what is written to.
        scores: as there, as is ``eligible``.
        eligible: see `signal_quality`.
        rows: which rows.
        since: no row before this one has a finite score.

    Returns:
        The first row with a finite score, else ``rows.stop``: the next ``since``.
    """
    if not len(rows) or not len(scores):
        return since
    return int(fill_signal(out, _frozen(scores), _frozen(eligible), rows.start, rows.stop, rows.step, since))


def _frozen(array: np.ndarray) -> np.ndarray:
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def _first_rows(rows: np.ndarray, sessions: int) -> np.ndarray:
    """Where the entries of each session begin in a table sorted by session: (T + 1,)."""
    return np.searchsorted(rows, np.arange(sessions + 1)).astype(np.int64)


def align_scores(scores: Any, panel: Panel) -> Floats | None:
    """Scores as a read-only float64 array (T, N) in the panel's order, or None.

    A DataFrame of dates by symbols, or `Scores`, may lack dates and symbols (NaN: no opinion) but not name others.

    Raises:
        DataError: shape, dates or symbols do not fit the panel, or a score is infinite.
    """
    if scores is None:
        return None
    if isinstance(scores, Scores):
        same = scores.symbols == panel.symbols and np.array_equal(scores.dates, panel.dates)
        scores = scores.values if same else scores.frame
    if isinstance(scores, pd.DataFrame):
        return _frozen(_without_infinite(_from_frame(scores, panel), panel))
    values = np.asarray(scores)
    if values.shape != panel.shape:
        raise DataError(f"scores have shape {values.shape}; the panel has {panel.shape} (sessions, symbols).")
    if values.dtype.kind not in "fiu":
        raise DataError(f"scores have type {values.dtype}; they must be numbers.")
    return _frozen(_without_infinite(np.ascontiguousarray(values, np.float64), panel))


def _without_infinite(values: Floats, panel: Panel) -> Floats:
    infinite = np.isinf(values)
    if infinite.any():
        t, i = (int(place) for place in np.argwhere(infinite)[0])
        raise DataError(
            f"the score of {panel.symbols[i]!r} on {panel.dates[t]} is {values[t, i]} (infinite scores: "
            f"{int(infinite.sum()):,}); a score is finite, or NaN for no opinion. Look for a division by 0."
        )
    return values


def _from_frame(scores: pd.DataFrame, panel: Panel) -> np.ndarray:
    for axis, name in ((scores.columns, "symbol"), (scores.index, "date")):
        if not axis.is_unique:
            raise DataError(f"scores have the {name} {axis[axis.duplicated()][0]!r} twice.")
    unknown = [symbol for symbol in scores.columns if symbol not in panel.columns]
    if unknown:
        hint = did_you_mean(str(unknown[0]), panel.symbols)
        raise DataError(
            f"scores name {unknown[0]!r}, which the panel does not have ({len(unknown)} such symbols).{hint}"
        )
    dates = pd.DatetimeIndex(scores.index)
    if dates.tz is not None:
        raise DataError(f"scores have dates in the time zone {dates.tz}; use plain session dates (tz_localize(None)).")
    days = dates.to_numpy().astype("datetime64[D]")
    strangers = days[~np.isin(days, panel.dates)]
    if len(strangers):
        raise DataError(
            f"scores have {len(strangers)} dates that are no session of the panel, the first {strangers[0]}; "
            "drop them, or score the panel's own dates."
        )
    values = np.full(panel.shape, np.nan)
    try:
        numbers = scores.to_numpy(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"scores hold something that is no number: {error}.") from error
    rows = np.searchsorted(panel.dates, days)
    columns = np.array([panel.columns[symbol] for symbol in scores.columns], np.int64)
    values[np.ix_(rows, columns)] = numbers
    return values
