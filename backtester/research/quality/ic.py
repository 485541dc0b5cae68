"""What a series of daily information coefficients says: its mean and how sure that is, by year, by sector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backtester.metrics.ic import rank_ic
from backtester.metrics.returns import varies
from backtester.research.hac import Mean, mean_test

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

# Below so many names of a sector its rank correlation is one of a handful of values.
SECTOR_NAMES = 5


class Summary(NamedTuple):
    """A daily IC over its known sessions; no unit, nothing annualised."""

    mean: float
    error: float  # HAC standard error of the mean
    low: float  # of the 95 % interval
    high: float
    t: float  # mean / error
    p: float  # two-sided, of a mean of 0
    lags: int
    std: float  # ddof = 1
    ir: float  # mean / std, a session
    positive: float  # share of the sessions above 0
    sessions: int


class Year(NamedTuple):
    """The daily IC of the sessions of one calendar year."""

    year: int
    mean: float
    error: float
    low: float
    high: float
    sessions: int


class Sector(NamedTuple):
    """The daily rank IC among the names of one sector."""

    sector: str
    mean: float
    error: float
    low: float
    high: float
    sessions: int
    names: float  # that counted, mean over these sessions


def summary(ic: Floats, horizon: int = 1) -> Summary:
    """Mean of a daily IC with its HAC interval, and its information ratio.

    ``mean``, ``error``, ``low``, ``high``, ``t``, ``p`` and ``lags`` are those of `hac.mean_test` (Newey and West,
    1987), with at least ``horizon - 1`` lags, since the labels of so many neighbours overlap (Hansen and Hodrick,
    1980). ``ir = mean / std`` with ``ddof = 1`` (Grinold and Kahn, 2000; alphalens' "risk-adjusted IC"): a session's,
    not annualised (times ``sqrt(252)`` it would be), and NaN where the IC does not vary. ``positive`` is the share of
    sessions with an IC above 0.

    Args:
        ic: (R,) such as from `bt.rank_ic`; NaN is left out.
        horizon: sessions of the labels that it was taken with.
    """
    known = ic[np.isfinite(ic)]
    found = _mean(known, horizon)
    spread = float(known.std(ddof=1)) if known.size > 1 else np.nan
    return Summary(
        *(found.mean, found.error, found.low, found.high, found.t, found.p),
        lags=found.lags,
        std=spread,
        ir=found.mean / spread if varies(spread, found.mean) else np.nan,
        positive=float((known > 0.0).mean()) if known.size else np.nan,
        sessions=int(known.size),
    )


def by_year(dates: NDArray[np.datetime64], ic: Floats, horizon: int = 1) -> list[Year]:
    """The IC of every calendar year in which it is known, as `summary` has it; dates are those of the decisions.

    Args:
        dates: (R,) increasing.
        ic: (R,); NaN is left out.
        horizon: as in `summary`.
    """
    known = np.isfinite(ic)
    years = dates[known].astype("datetime64[Y]").astype(np.int64) + 1970
    found = []
    for year in np.unique(years):
        mean = _mean(ic[known][years == year], horizon)
        found.append(Year(int(year), mean.mean, mean.error, mean.low, mean.high, int((years == year).sum())))
    return found


def by_sector(
    sectors: Sequence[str], scores: Floats, labels: Floats, horizon: int = 1, min_names: int = SECTOR_NAMES
) -> list[Sector]:
    """`bt.rank_ic` within every sector, by its name: whether scores order the names of a sector among themselves.

    Symbols whose sector is not known (``""``) are in none. A session counts for a sector where at least ``min_names``
    of its names have a score and a label, and neither is the same for all; a sector without such a session is left out.

    Args:
        sectors: (N,) names.
        scores: (R, N); NaN is no opinion.
        labels: (R, N); NaN is unknown.
        horizon: as in `summary`.
        min_names: fewest names, at least 2.
    """
    found = []
    own = np.array(sectors)
    for sector in sorted(set(sectors) - {""}):
        columns = own == sector
        if columns.sum() < min_names:
            continue
        left, right = scores[:, columns], labels[:, columns]
        ic = rank_ic(left, right, min_names=min_names)
        known = np.isfinite(ic)
        if known.any():
            mean = _mean(ic[known], horizon)
            names = (np.isfinite(left) & np.isfinite(right)).sum(axis=1)[known].mean()
            about = (mean.mean, mean.error, mean.low, mean.high)
            found.append(Sector(sector, *about, int(known.sum()), float(names)))
    return found


def known_mean(ic: Floats) -> float:
    """The mean of what is known; NaN if nothing is."""
    known = ic[np.isfinite(ic)]
    return float(known.mean()) if known.size else np.nan


def _mean(known: Floats, horizon: int) -> Mean:
    return mean_test(known, least=horizon - 1)
