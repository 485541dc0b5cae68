"""A finished run in the forms that other libraries read: pyfolio, QuantStats and alphalens. `export` writes them.

Nothing is computed here that the run does not hold already: it is laid out as those libraries want it. What each of
them makes of it, and where their figures mean something else than ours, is in docs/interchange.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from backtester.engine import types as t
from backtester.engine.types import Floats
from backtester.errors import ConfigError, DataError, RunError
from backtester.inputs import align_scores
from backtester.labels import FillAt, check_whole, labels
from backtester.market.panel import Panel
from backtester.result.record import Result

PERIODS, QUANTILES = (1, 5, 10), 5
_CASH, _DATE = "cash", "date"
_WEEK = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
# Splits are told as ratios of floats: a number of shares this near to a whole one is whole.
_ROUNDING = 1e-9


class Pyfolio(NamedTuple):
    """What ``pyfolio.create_full_tear_sheet`` takes, in its order. ``T`` sessions, ``K`` symbols, ``M`` rows."""

    returns: pd.Series  # (T,)
    positions: pd.DataFrame  # (T, K + 1)
    transactions: pd.DataFrame  # (M, 6)


def pyfolio(result: Result, panel: Panel | None = None) -> Pyfolio:
    """Returns, positions and transactions as pyfolio reads them. Every date is midnight UTC of its session.

    ``returns`` are those of `Result.returns`: net, by session, NaN after an account is wiped out.

    ``positions`` are money at the close, shares times the last known close, a column for each symbol that was held at
    some close and ``cash`` last; shorts are negative. A row sums to the equity, to the rounding of a sum.

    ``transactions`` have a row a fill and a row for each other thing that moves shares for money, in the order in which
    they happened: ``amount`` (shares, signed), ``price`` (slippage included), ``symbol``, ``txn_dollars`` (money
    received, so negative for a purchase), and beyond what pyfolio needs ``commission`` and ``reason``: ``target``,
    ``order``, ``halt``, or ``settlement`` (of a symbol that ended) and ``split`` (cash for a fraction of a share).

    What happens between fills shows like this. A split makes no row, but ``amount`` and ``price`` of a symbol are
    stated in one unit, the smallest that its shares had in the run (those after a 2:1 split, those before a 1:10 one),
    since pyfolio matches shares of different days with each other and cuts fractions off. Cash for a fraction is a row
    where the fraction is at least one such share, and otherwise in ``cash`` alone. Dividends, borrow fees, interest and
    commissions are in ``cash`` and in ``returns``, and no transaction: what the cash of a session gained is the sum of
    its ``txn_dollars``, plus dividends and interest, less commissions and borrow fees, as in `Result.ledger`.

    Fills are stamped with the day, not with the open or close that they happened at: pyfolio closes what is still open
    a second after the midnight of the last session.

    Args:
        result: the run.
        panel: the market data that it ran in; needed where `result` was loaded, and so has only their fingerprint.

    Raises:
        RunError: the market data is not known, or another than that of the run; or a symbol is called ``cash`` or
            ``date``, which pyfolio would take for something else.
    """
    market = market_of(result, panel)
    _refuse_names(result)
    index = days(result.dates, utc=True)
    returns = pd.Series(result.returns.to_numpy(), index=index, name="returns")
    values = _values(result, market)
    held = (values != 0.0).any(axis=0)
    positions = pd.DataFrame(values[:, held], index=index, columns=_held(result, held))
    positions[_CASH] = result.tape.ledger[:, t.L_CASH]
    return Pyfolio(returns, positions, _transactions(result, market))


def quantstats(result: Result) -> pd.Series:
    """Returns as QuantStats reads them: (T,) simple returns by session, net, dates without a time zone.

    Named after the run; NaN after an account is wiped out, which QuantStats leaves out.
    """
    return pd.Series(result.returns.to_numpy(), index=days(result.dates), name=result.name)


def quantstats_benchmark(result: Result) -> pd.Series | None:
    """The benchmark's returns beside `quantstats`, on the same dates; None where the run has none.

    NaN where its return is not known. One that goes over several sessions stands at the last of them.
    """
    if result.benchmark is None:
        return None
    return pd.Series(result.benchmark.returns, index=days(result.dates), name=result.benchmark.name)


def alphalens(
    panel: Panel,
    scores: Any,
    *,
    periods: Sequence[int] = PERIODS,
    quantiles: int = QUANTILES,
    fill: FillAt = "open",
) -> pd.DataFrame:
    """Scores with what followed them, as ``alphalens.utils.get_clean_factor_and_forward_returns`` returns it.

    A row a ``date`` and ``asset`` (MultiIndex, sorted) with a known score, and a known forward return for all
    `periods`; so of every session with a whole future, and of members alone. The columns:

    - ``1D``, ``5D``, ...: the returns of `backtester.labels` with that horizon: bought at the `fill` after the score
      was known, sold as many sessions later, dividends and settlements included. (alphalens itself takes the prices
      that it is given, which are those of the score's own day unless the caller shifts them.)
    - ``factor``: the score.
    - ``group``: the sector (categorical), ``unknown`` where it is; absent where no symbol has one.
    - ``factor_quantile``: 1 (lowest scores) to `quantiles` within the date, by ``pandas.qcut`` as alphalens has it. A
      date on which so many scores are tied that two edges meet is left out, as alphalens leaves it out.

    The level ``date`` holds every session from the first to the last one used, without a time zone, and has the
    trading calendar as its ``freq``, by which alphalens counts days.

    Args:
        panel: the market.
        scores: (T, N), a DataFrame of dates by symbols, or `Scores`; NaN is no opinion.
        periods: horizons in sessions, each at least 1; sorted and each taken once.
        quantiles: how many, at least 2.
        fill: the price that positions are bought and sold at, as in `backtester.labels`.

    Raises:
        ConfigError: a setting is wrong.
        DataError: the scores do not fit the panel, or nothing is left.
    """
    check_whole("quantiles", quantiles, least=2)
    if not len(periods):
        raise ConfigError("periods is empty; name at least one horizon in sessions.")
    for period in periods:
        check_whole("periods", period)
    values = align_scores(scores, panel)
    if values is None:
        raise DataError("there are no scores; pass those that the strategy was shown.")
    forward = {f"{horizon}D": labels(panel, None, horizon, fill=fill) for horizon in sorted(set(map(int, periods)))}
    known = np.isfinite(values)
    for returns in forward.values():
        known &= np.isfinite(returns)  # no label without membership
    quantile = _quantiles(values, known, quantiles)
    rows, columns = np.nonzero(quantile)
    if not rows.size:
        raise DataError(f"no score has known returns over {max(periods)} sessions, or every date has tied scores only.")
    data: dict[str, Any] = {name: returns[rows, columns] for name, returns in forward.items()}
    data["factor"] = values[rows, columns]
    if any(panel.sectors):
        names = np.array([name or "unknown" for name in panel.sectors], dtype=object)
        data["group"] = pd.Categorical(names[columns])
    data["factor_quantile"] = quantile[rows, columns]
    return pd.DataFrame(data, index=_pairs(panel, rows, columns))


def market_of(result: Result, panel: Panel | None) -> Panel:
    """The market data of a run: its own, or those given, which must be the same."""
    if isinstance(result.source, Panel) and (panel is None or panel is result.source):
        return result.source
    if panel is None:
        raise RunError(
            f"the result {result.name!r} does not hold its market data, since a saved run keeps only their "
            "fingerprint. Pass them: panel=bt.load_panel(...)."
        )
    if panel.fingerprint != result.panel_fingerprint:
        raise RunError(
            f"the panel is not the one that {result.name!r} ran in (another fingerprint). Load the same dataset, cut "
            "to the same sessions."
        )
    return panel


def _refuse_names(result: Result) -> None:
    for name in (_CASH, _DATE):
        if name in result.symbols:
            raise RunError(
                f"a symbol is called {name!r}, and so is a column of pyfolio's positions. Rename the symbol."
            )


def days(dates: np.ndarray, utc: bool = False) -> pd.DatetimeIndex:
    """Midnights in nanoseconds, which versions of pandas before 3 had alone."""
    return pd.DatetimeIndex(dates.astype("datetime64[ns]"), tz="UTC" if utc else None, name=_DATE)


def _held(result: Result, held: np.ndarray) -> list[str]:
    return [symbol for symbol, is_held in zip(result.symbols, held, strict=True) if is_held]


def marks(panel: Panel, sessions: int) -> Floats:
    """(T, N) the last known close of every symbol, in shares of its row; NaN before the first."""
    found = np.empty((sessions, len(panel.symbols)))
    mark = np.full(len(panel.symbols), np.nan)
    actions = panel.actions
    first = np.searchsorted(actions.row, np.arange(sessions + 1))
    for row in range(sessions):
        here = slice(first[row], first[row + 1])
        mark[actions.symbol[here]] /= actions.split[here]
        close = panel.close[row]
        found[row] = mark = np.where(np.isfinite(close), close, mark)
    return found


def _values(result: Result, panel: Panel) -> Floats:
    """(T, N) what every position is worth at the close; 0 without one."""
    shares = result.positions.to_numpy()
    return np.where(shares != 0.0, shares * marks(panel, len(shares)), 0.0)


def _splits(panel: Panel, sessions: int) -> tuple[Floats, Floats]:
    """(T, N) the ratio of each session's split (1: none), and how many of the symbol's smallest shares a share is."""
    ratio = np.ones((sessions, len(panel.symbols)))
    actions = panel.actions
    within = actions.row < sessions
    ratio[actions.row[within], actions.symbol[within]] = actions.split[within]
    made = np.cumprod(ratio, axis=0)
    return ratio, made.max(axis=0, initial=0.0) / made


def _transactions(result: Result, panel: Panel) -> pd.DataFrame:
    """See `pyfolio`. A session's splits and settlements come before its fills, as they do in the run."""
    tape = result.tape
    ratio, smallest = _splits(panel, len(tape.ledger))
    exits = _exits(tape, ratio, smallest)
    fills = pd.DataFrame(
        {
            "session": tape.fill_i[:, t.FILL_SESSION],
            "symbol": tape.fill_i[:, t.FILL_SYMBOL],
            "shares": tape.fill_f[:, t.FILL_SHARES],
            "money": -tape.fill_f[:, t.FILL_SHARES] * tape.fill_f[:, t.FILL_PRICE],
            "commission": tape.fill_f[:, t.FILL_COMMISSION],
            "reason": pd.array([t.ORIGINS[k] for k in tape.fill_i[:, t.FILL_ORIGIN]], dtype="str"),
        }
    )
    rows = pd.concat([exits, fills]).sort_values("session", kind="stable")
    session, symbol = rows["session"].to_numpy(), rows["symbol"].to_numpy()
    amount = _whole(rows["shares"].to_numpy() * smallest[session, symbol])
    money = rows["money"].to_numpy()
    return pd.DataFrame(
        {
            "amount": amount,
            "price": np.abs(money / amount),
            "symbol": pd.array([result.symbols[k] for k in symbol], dtype="str"),
            "txn_dollars": money,
            "commission": rows["commission"].to_numpy(),
            "reason": rows["reason"].array,
        },
        index=days(result.dates[session], utc=True),
    )


def _exits(tape: t.Tape, ratio: Floats, smallest: Floats) -> pd.DataFrame:
    """What left the book without a fill: settlements, and fractions of shares that a split was paid out for.

    A fraction below the smallest share is left out: pyfolio's round trips fail on a row of less than a share.
    """
    code, money = tape.event_i[:, t.EVENT_CODE], tape.event_f[:, t.EVENT_AMOUNT]
    at = np.flatnonzero((code == t.E_SETTLEMENT) | ((code == t.E_SPLIT) & (money != 0.0)))
    session, symbol = tape.event_i[at][:, [t.EVENT_SESSION, t.EVENT_ITEM]].T
    before, after = tape.event_f[at][:, [t.EVENT_BEFORE, t.EVENT_AFTER]].T
    is_split = code[at] == t.E_SPLIT
    shares = np.where(is_split, after - before * ratio[session, symbol], -before)
    rows = pd.DataFrame(
        {
            "session": session,
            "symbol": symbol,
            "shares": shares,
            "money": money[at],
            "commission": np.zeros(at.size),
            "reason": pd.array(np.where(is_split, "split", "settlement").tolist(), dtype="str"),
        }
    )
    least = _whole(np.abs(shares) * smallest[session, symbol]) >= 1.0
    kept: pd.DataFrame = rows[~is_split | least]
    return kept


def _whole(shares: Floats) -> Floats:
    """Shares with what ratios have left over taken off; pyfolio cuts 62.99999999999999 to 62."""
    near: Floats = np.rint(shares)
    return np.where(np.abs(shares - near) <= _ROUNDING * np.abs(near), near, shares)


def _quantiles(values: Floats, known: np.ndarray, quantiles: int) -> np.ndarray:
    """(T, N) 1 to `quantiles`; 0 where nothing is known, and in rows where edges meet."""
    out = np.zeros(values.shape, dtype=np.int64)
    for row in np.flatnonzero(known.any(axis=1)):
        try:
            out[row, known[row]] = pd.qcut(values[row, known[row]], quantiles, labels=False) + 1
        except ValueError:  # bin edges must be unique
            continue
    return out


def _pairs(panel: Panel, rows: np.ndarray, columns: np.ndarray) -> pd.MultiIndex:
    """Dates and assets; the dates have the panel's sessions as their calendar."""
    first, last = int(rows[0]), int(rows[-1])
    dates = pd.DatetimeIndex(days(panel.dates[first : last + 1]), freq=_calendar(panel.dates))
    levels: Any = [dates, pd.Index(panel.symbols, dtype="str")]
    codes: Any = [rows - first, columns]
    return pd.MultiIndex(levels=levels, codes=codes, names=[_DATE, "asset"])


def _calendar(dates: np.ndarray) -> pd.offsets.CustomBusinessDay:
    """The sessions as a calendar: the days of the week with any, less those of these days that had none."""
    weekday = (dates.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    used = sorted(set(weekday.tolist()))
    every = np.arange(dates[0], dates[-1] + 1)
    candidates = every[np.isin((every.astype(np.int64) + 3) % 7, used)]
    holidays = np.setdiff1d(candidates, dates)
    return pd.offsets.CustomBusinessDay(weekmask=" ".join(_WEEK[k] for k in used), holidays=list(holidays))
