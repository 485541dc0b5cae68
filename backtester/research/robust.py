"""A run made again under what its user cannot know: later signals, other amounts, lots, years and sectors left out.

Every function gives rows of the same figures, one a rerun, all over the sessions from the first position on
(`backtester.research.book.invested`), so that a rerun that begins later is not told apart by its waiting. A rerun that
fails is a row of NaN with the reason. Reruns share nothing but the panel and the scores, which are read-only: they may
be made on a pool of threads, whose ``map`` is handed on as ``each`` (the kernel releases the interpreter's lock).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backtester.engine.types import SESSIONS_PER_YEAR
from backtester.errors import BacktesterError, ConfigError
from backtester.market.panel import Panel
from backtester.metrics.drawdowns import max_drawdown
from backtester.metrics.returns import annual_volatility, growth_per_year, sharpe_ratio
from backtester.portfolio.settings import Costs, Execution, RiskLimits
from backtester.research.book import gross_returns, invested, net_returns, traded
from backtester.result import Result
from backtester.run import CASH, COSTS, EXECUTION, RISK, run
from backtester.strategy import Strategy

Floats: TypeAlias = NDArray[np.float64]
Each: TypeAlias = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]  # `map`, or that of a pool

# The impact that is assumed where the run has none: trading a day's volume costs a day's volatility.
ASSUMED_IMPACT = 1.0
# Amounts of capital, as multiples of the run's own.
MULTIPLES = (0.01, 0.0316, 0.1, 0.316, 1.0, 3.16, 10.0, 31.6, 100.0)
NO_SECTOR = "no sector"


class Again(NamedTuple):
    """What a run can be made from again. ``make_strategy`` gives a fresh strategy to each rerun."""

    panel: Panel
    make_strategy: Callable[[], Strategy]
    scores: Floats | None = None  # (T, N) as the strategy was shown them; None: it decides without
    cash: float = CASH
    costs: Costs | None = COSTS
    risk: RiskLimits | None = RISK
    execution: Execution = EXECUTION


class Row(NamedTuple):
    """The figures of a rerun, over the sessions from its first position on. NaN: unknown."""

    label: str
    sharpe: float = math.nan  # annualised, net of all costs
    sharpe_gross: float = math.nan  # of prices and dividends alone
    cagr: float = math.nan  # net
    volatility: float = math.nan  # a year, net
    max_drawdown: float = math.nan  # fraction of the peak, positive, net
    turnover: float = math.nan  # one-sided, a year
    cost: float = math.nan  # gross less net, a year: commission, slippage, borrow fees, less interest
    sessions: int = 0
    note: str = ""  # why there are no figures


class Capacity(NamedTuple):
    """How a run bears larger amounts. Money is in the currency of the run.

    ``halves`` and ``zero`` are the capital at which the net Sharpe ratio falls to half of ``reference``, and to 0: by a
    straight line over the logarithm of capital, where it first falls so low. ``inf``: not up to the largest amount
    tried; 0: it is there with the smallest already; NaN: the reference is not positive, or unknown.
    """

    rows: tuple[Row, ...]  # one an amount
    capital: tuple[float, ...]
    impact: float  # the coefficient of the reruns
    assumed: bool  # whether it is ours, as the run has none
    reference: float  # net Sharpe ratio of the run at its own capital without impact
    halves: float
    zero: float


def row_of(result: Result, label: str = "as run") -> Row:
    """The figures of a finished run as a row, to be held against those of reruns."""
    rows = invested(result)
    return _row(label, net_returns(result)[rows], gross_returns(result)[rows], traded(result)[rows])


def delayed(again: Again, days: Sequence[int] = (1, 2, 5), *, each: Each = map) -> tuple[Row, ...]:
    """What is left if the scores come ``d`` sessions later: those of session ``t`` are shown in ``t + d``.

    Where a symbol has ended meanwhile its score is shown all the same, and the order is refused. Without scores there
    is nothing to delay, and the rows say so.

    Raises:
        ConfigError: a delay is negative.
    """
    if any(d < 0 for d in days):
        raise ConfigError(f"days is {tuple(days)!r}; a delay must be at least 0 sessions.")
    labels = [f"{d} session{'' if d == 1 else 's'} later" for d in days]
    if again.scores is None:
        return tuple(Row(label, note="the strategy decides without scores: nothing to delay") for label in labels)
    scores = np.asarray(again.scores, dtype=np.float64)

    def one(case: tuple[str, int]) -> Row:
        label, d = case
        late = np.full_like(scores, np.nan)
        late[d:] = scores[: max(len(scores) - d, 0)]
        return _made_again(again._replace(scores=late), label)

    return tuple(each(one, zip(labels, days, strict=True)))


def rounding(again: Again, lots: Sequence[float] = (0.0, 1.0, 100.0), *, each: Each = map) -> tuple[Row, ...]:
    """What whole shares cost: the run with each of ``lots`` as the smallest tradable number of shares; 0: fractions."""

    def one(lot: float) -> Row:
        label = "fractional shares" if lot == 0 else f"lots of {lot:g}"
        execution = dataclasses.replace(again.execution, lot=lot)
        return _made_again(again._replace(execution=execution), label)

    return tuple(each(one, lots))


def capitals(
    again: Again,
    multiples: Sequence[float] = MULTIPLES,
    *,
    amounts: Sequence[float] | None = None,
    impact: float | None = None,
    each: Each = map,
) -> Capacity:
    """The run with other amounts of capital, under square-root impact, and its capacity.

    Slippage grows by ``impact * sigma * sqrt(shares / average volume)`` with both of the 20 sessions before the fill
    (docs/semantics.md, section 3), and a volume cap holds as in the run. The coefficient is that of the run's costs. A
    run without impact bears any amount, so then :data:`ASSUMED_IMPACT` is taken, 1, and ``assumed`` says so: trading a
    day's volume costs about a day's volatility, the rule of Grinold and Kahn (2000, Active Portfolio Management, 2nd
    edition, chapter 16). The fit of Almgren, Thum, Hauptmann and Li (2005, Direct estimation of equity market impact),
    ``0.314 * (shares outstanding / volume) ** 0.25 / 2 + 0.142``, makes it 0.8 of that for a stock of which the 263rd
    part is traded in a day. It is an order of magnitude, not a forecast: what capital comes out changes with the
    inverse square of the coefficient. Impact vanishes after the fill, so trading the same names day after day is too
    cheap, and capacity too large.

    Args:
        again: the run.
        multiples: of its capital.
        amounts: capital in money, in place of multiples.
        impact: coefficient, in place of the run's own or the assumed one.
        each: `map`, or that of a pool.

    Raises:
        ConfigError: an amount or the coefficient is not positive.
    """
    money = sorted(float(x) for x in (amounts if amounts is not None else [again.cash * m for m in multiples]))
    if not money or not all(0.0 < x < math.inf for x in money):
        raise ConfigError(f"capital is {money!r}; it must be positive amounts.")
    costs = again.costs if again.costs is not None else _free()
    assumed = impact is None and costs.impact == 0.0
    coefficient = impact if impact is not None else (ASSUMED_IMPACT if assumed else costs.impact)
    if not 0.0 < coefficient < math.inf:
        raise ConfigError(f"impact is {coefficient!r}; it must be a positive coefficient.")
    dear = dataclasses.replace(costs, impact=coefficient)
    cases = [again._replace(cash=x, costs=dear) for x in money]
    cases.append(again._replace(costs=dataclasses.replace(costs, impact=0.0)))
    rows = tuple(each(lambda case: _made_again(case, f"{case.cash:,.0f}"), cases))
    reference, rows = rows[-1].sharpe, rows[:-1]
    sharpes = [row.sharpe for row in rows]
    halves, zero = (falls_below(money, sharpes, level, reference) for level in (reference / 2.0, 0.0))
    return Capacity(rows, tuple(money), coefficient, assumed, reference, halves, zero)


def falls_below(capital: Sequence[float], sharpes: Sequence[float], level: float, reference: float) -> float:
    """The capital at which ``sharpes`` first fall to ``level``, by a straight line over the logarithm of capital.

    ``inf``, 0 and NaN as in :class:`Capacity`. Amounts whose Sharpe ratio is NaN are left out.
    """
    known = [(x, s) for x, s in zip(capital, sharpes, strict=True) if math.isfinite(s)]
    if not known or not reference > 0.0:
        return math.nan
    if known[0][1] <= level:
        return 0.0
    for (x0, s0), (x1, s1) in pairwise(known):
        if s1 <= level:
            part = (s0 - level) / (s0 - s1)
            return math.exp(math.log(x0) + part * (math.log(x1) - math.log(x0)))
    return math.inf


def without_sectors(again: Again, *, each: Each = map) -> tuple[Row, ...]:
    """The run without each sector in turn, by name; none where the panel knows one sector at most.

    Its symbols have no scores and are no members, so they can neither be ranked nor bought.
    """
    panel = again.panel
    if len(panel.sector_names) < 2:
        return ()

    def one(code: int) -> Row:
        gone = panel.sector_codes == code
        member = panel.member & ~gone
        member.flags.writeable = False
        scores = None if again.scores is None else np.where(gone, np.nan, again.scores)
        left = again._replace(panel=dataclasses.replace(panel, member=member), scores=scores)
        return _made_again(left, f"without {panel.sector_names[code] or NO_SECTOR}")

    return tuple(each(one, range(len(panel.sector_names))))


def without_years(result: Result) -> tuple[Row, ...]:
    """The run's figures without each calendar year in turn, from its returns; none where it lies in one year.

    The sessions that are left are put together as they are: the run is not made again, and positions that began in the
    year are not undone.
    """
    rows = invested(result)
    years = result.dates[rows].astype("datetime64[Y]").astype(np.int64) + 1970
    if np.unique(years).size < 2:
        return ()
    flows = [flow[rows] for flow in (net_returns(result), gross_returns(result), traded(result))]
    return tuple(_row(f"without {year}", *(flow[years != year] for flow in flows)) for year in np.unique(years))


def _made_again(again: Again, label: str) -> Row:
    """Run it, and read the figures off the tape: no table, hash or round trip is made."""
    try:
        result = run(
            again.panel,
            again.make_strategy(),
            scores=again.scores,
            cash=again.cash,
            costs=again.costs,
            risk=again.risk,
            execution=again.execution,
        )
    except BacktesterError as error:
        return Row(label, note=str(error))
    row = row_of(result, label)
    return row if row.sessions else row._replace(note="never held a position")


def _row(label: str, net: Floats, gross: Floats, notional: Floats) -> Row:
    """The figures of some sessions; those after an account was wiped out are NaN and left out."""
    known = np.isfinite(net)
    net, gross, notional = net[known], gross[known], notional[known]
    if not net.size:
        return Row(label)
    growth: Floats = np.cumprod(1.0 + net, dtype=np.float64)
    return Row(
        label,
        sharpe=sharpe_ratio(net),
        sharpe_gross=sharpe_ratio(gross),
        cagr=growth_per_year(float(growth[-1]), net.size),
        volatility=annual_volatility(net),
        max_drawdown=max_drawdown(growth, 1.0).depth,
        turnover=float(notional.mean()) / 2.0 * SESSIONS_PER_YEAR,
        cost=float((gross - net).mean()) * SESSIONS_PER_YEAR,
        sessions=int(net.size),
    )


def _free() -> Costs:
    """No costs, as settings."""
    return Costs(commission_bps=0.0, slippage_bps=0.0, borrow_rate=0.0, debit_rate=0.0)
