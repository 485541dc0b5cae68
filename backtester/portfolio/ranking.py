"""Ranked long-short targets: the settings, and the call for one decision. The arithmetic is in ``engine/ranking``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backtester.engine.ranking import BY_SCORE, EQUAL, INVERSE_VOLATILITY, rank_rows, trailing_volatilities
from backtester.engine.types import VOLATILITY_MINIMUM, VOLATILITY_WINDOW
from backtester.errors import ConfigError, StrategyError, did_you_mean

Weighting = Literal["equal", "score", "inverse_volatility"]

# More names than any market has: beyond, products of two counts would overflow.
MOST_NAMES = 1_000_000_000
# A table of this many sectors is made at every ranking; codes beyond are a mistake, such as industry numbers.
MOST_SECTORS = 100_000

_WEIGHTINGS = {"equal": EQUAL, "score": BY_SCORE, "inverse_volatility": INVERSE_VOLATILITY}
_NO_ROWS = np.zeros((0, 0))
_NO_SECTORS = np.zeros(0, np.int64)
for _array in (_NO_ROWS, _NO_SECTORS):
    _array.flags.writeable = False


@dataclass(frozen=True)
class Ranking:
    """How scores become a long-short target: docs/semantics.md, section 7.

    Attributes:
        long: names on the long side: a whole number, or a fraction below 1 of the ranked names. 0 is none.
        short: the same for the short side. Not both may be 0.
        weights: ``"equal"``, ``"score"`` or ``"inverse_volatility"`` within a side.
        gross: sum of absolute weights, as a multiple of equity; half goes to each side, all to the only side.
        min_names: fewest names on a side that was asked for; with fewer the target is flat.
        sector_neutral: rank inside every sector.

    Raises:
        ConfigError: a value is out of its range.
    """

    long: float = 50
    short: float = 50
    weights: Weighting = "equal"
    gross: float = 1.0
    min_names: int = 1
    sector_neutral: bool = False

    def __post_init__(self) -> None:
        """Check every field."""
        for key in ("long", "short"):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
                raise ConfigError(f"{key} is {value!r}; it must be a number of names, or a fraction below 1.")
            if not (0 <= value <= MOST_NAMES and (value < 1 or value == int(value))):
                raise ConfigError(f"{key} is {value!r}; it must be a whole number of names, or a fraction below 1.")
        if self.long == 0 and self.short == 0:
            raise ConfigError("long and short are both 0; ask for names on at least one side.")
        if self.long < 1 and self.short < 1 and self.long + self.short > 1:
            raise ConfigError(f"long {self.long} and short {self.short} are more than the whole universe together.")
        if self.weights not in _WEIGHTINGS:
            hint = did_you_mean(str(self.weights), _WEIGHTINGS)
            raise ConfigError(f"weights is {self.weights!r}; it must be one of {', '.join(_WEIGHTINGS)}.{hint}")
        for key in ("gross", "min_names"):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
                raise ConfigError(f"{key} is {value!r}; it must be a number.")
        if not isinstance(self.sector_neutral, bool | np.bool_):
            raise ConfigError(f"sector_neutral is {self.sector_neutral!r}; it must be true or false.")
        if not (self.gross > 0 and math.isfinite(self.gross)):
            raise ConfigError(f"gross is {self.gross!r}; it must be a positive multiple of equity.")
        if not 1 <= self.min_names <= MOST_NAMES or self.min_names != int(self.min_names):
            raise ConfigError(f"min_names is {self.min_names!r}; it must be a whole number, at least 1.")

    def rows(
        self,
        scores: NDArray[np.float64],
        eligible: NDArray[np.bool_],
        volatility: NDArray[np.float64] | None = None,
        sectors: NDArray[np.int64] | None = None,
    ) -> NDArray[np.float64]:
        """Target weights (R, N) for scores (R, N), each row by itself.

        ``eligible`` (R, N) says who may be ranked; a score that is not finite is no opinion. ``volatility`` (R, N) is
        needed with inverse-volatility weights, ``sectors`` (N,) codes from 0 with ``sector_neutral``.

        Raises:
            StrategyError: an array that is needed is missing, or a shape does not fit.
        """
        if self.weights == "inverse_volatility" and volatility is None:
            raise StrategyError('weights="inverse_volatility" needs volatility= (one number per symbol).')
        if self.sector_neutral and sectors is None:
            raise StrategyError("a sector-neutral ranking needs sectors= (one code per symbol).")
        for name, array in (("eligible", eligible), ("volatility", volatility)):
            if array is not None and array.shape != scores.shape:
                raise StrategyError(f"{name} has shape {array.shape}, the scores have {scores.shape}.")
        if sectors is not None and sectors.shape != scores.shape[1:]:
            raise StrategyError(f"sectors has shape {sectors.shape}, the scores have {scores.shape[1]} symbols.")
        if sectors is not None and sectors.size and not 0 <= sectors.min() <= sectors.max() < MOST_SECTORS:
            raise StrategyError(f"sectors run from {sectors.min()} to {sectors.max()}; they must be codes from 0.")
        out = np.empty(scores.shape)
        rank_rows(
            _frozen(scores, np.float64),
            _frozen(eligible, np.bool_).view(np.uint8),
            _frozen(volatility, np.float64) if self.weights == "inverse_volatility" else _NO_ROWS,
            _frozen(sectors, np.int64) if self.sector_neutral else _NO_SECTORS,
            np.array([self.long, self.short, self.gross, self.min_names, _WEIGHTINGS[self.weights]], np.float64),
            out,
        )
        return out


def _frozen(values: ArrayLike | None, dtype: type) -> NDArray[Any]:
    """A read-only C-contiguous view or copy: the kernel knows its inputs in this form only."""
    array: NDArray[Any] = np.ascontiguousarray(values, dtype).view()
    array.flags.writeable = False
    return array


def rank_long_short(
    score: ArrayLike,
    eligible: ArrayLike,
    *,
    long: float = 50,
    short: float = 50,
    weights: Weighting = "equal",
    gross: float = 1.0,
    min_names: int = 1,
    volatility: ArrayLike | None = None,
    sectors: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Weights (N,) that are long the best scores and short the worst.

    Args:
        score: (N,) higher is better; NaN is no opinion and is not ranked.
        eligible: (N,) bool, who may be ranked: usually ``view.tradable``, with members ``view.tradable & view.member``.
        long: names on the long side: a whole number, or a fraction below 1 of the ranked names. 0 is none.
        short: the same for the short side.
        weights: within a side: ``"equal"``; ``"score"``, by the distance from the median score;
            ``"inverse_volatility"``, by ``1 / volatility``.
        gross: sum of absolute weights as a multiple of equity: half a side, all of it if only one side is asked for.
        min_names: fewest names on a side that was asked for; with fewer every weight is 0.
        volatility: (N,) any positive measure of risk; needed with inverse-volatility weights, where a symbol without
            is not ranked.
        sectors: (N,) sector codes from 0 (``view.sector_codes``): rank inside every sector. None: over all symbols.

    Ties go to the symbol first in the alphabet. Rules and formulas: docs/semantics.md, section 7.

    Raises:
        ConfigError: a setting is out of its range.
        StrategyError: a shape does not fit.
    """
    ranking = Ranking(long, short, weights, gross, min_names, sectors is not None)
    row = np.asarray(score, np.float64)
    if row.ndim != 1:
        raise StrategyError(f"score has shape {row.shape}; it must be one number per symbol.")
    target: NDArray[np.float64] = ranking.rows(
        row[None, :],
        np.asarray(eligible, np.bool_)[None, :],
        None if volatility is None else np.asarray(volatility, np.float64)[None, :],
        None if sectors is None else np.asarray(sectors, np.int64),
    )[0]
    return target


def trailing_volatility(returns: NDArray[np.float64], rows: range) -> NDArray[np.float64]:
    """Standard deviation (ddof = 1) of the 63 daily returns up to and including each session of ``rows``.

    ``returns`` is (T, N); the result (len(rows), N), NaN with fewer than 20 known returns.

    Raises:
        StrategyError: a row is outside the returns.
    """
    if returns.ndim != 2 or (len(rows) and not 0 <= min(rows) <= max(rows) < len(returns)):
        raise StrategyError(f"{rows} are not all rows of returns of shape {returns.shape}.")
    out = np.empty((len(rows), returns.shape[1]))
    sessions = np.arange(rows.start, rows.stop, rows.step)
    trailing_volatilities(_frozen(returns, np.float64), sessions, VOLATILITY_MINIMUM, VOLATILITY_WINDOW, out)
    return out
