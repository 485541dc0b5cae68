"""What mattered: how much of a variant's rank IC comes with each value of each option.

Ordinary least squares of the daily rank IC of all variants on dummies, one for each value of each option but the first
seen, which is the base line. An effect is thus in units of IC: what a variant's mean IC has more with this value than
with the base line's, other options being equal. Effects add up; what two options do only together is not seen.

**Errors.** Variants of one session see the same market, and are far from being so many independent witnesses; labels
over several sessions, and slow scores, tie neighbouring sessions together. Driscoll and Kraay (1998), "Consistent
covariance matrix estimation with spatially dependent panel data", Review of Economics and Statistics 80 (4), allows for
both: what the variants of a session have in common counts once, and sums of sessions have Newey and West's weights
over the lags that `hac.automatic_lags` gives. Since every variant is known in every session that is used, a
coefficient is the mean over sessions of the coefficient of each session alone, and its error is the one that
`hac.mean_test` gives for that mean; interval and p follow the same law. More variants on the same sessions
make no interval vanish.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc, stdtr, stdtrit

from backtester.errors import ConfigError, DataError
from backtester.metrics.returns import Floats
from backtester.plain import plain
from backtester.research.hac import automatic_lags, law, summed

# How an option stands that a variant does not name.
NOT_SET = "not set"
# What is left of a column below this share of its size is rounding.
_ROUNDING = 1e-9
# A coefficient is the same in all sessions if it varies by less than this share of an IC: variances cancel to 1e-16 of
# what the variants have in common, so deviations do to 1e-8.
_STILL = 1e-6


class Effect(NamedTuple):
    """What one value of an option adds to the mean daily rank IC, against the base line. No unit, not annualised.

    Attributes:
        option: its name.
        value: as text: a text as it is, anything else as JSON.
        effect: the coefficient.
        error: its standard error; 0 where it is the same in all sessions.
        low: the lower end of the interval.
        high: the upper end.
        p: two-sided, that the effect is 0; NaN where the error is 0.
        count: daily ICs with this value, variants times sessions.
    """

    option: str
    value: str
    effect: float
    error: float
    low: float
    high: float
    p: float
    count: int  # type: ignore[assignment]  # a tuple's method of that name is not needed


class Joint(NamedTuple):
    """Whether an option mattered at all: a Wald test that all its effects are 0.

    Attributes:
        option: its name.
        base: the value that is its base line, as text.
        f: the Wald statistic over its degrees of freedom, scaled to an F.
        p: of that. NaN where the effects cannot be told apart, or are too many for the sessions there are.
        effects: how many are tested, the first degrees of freedom.
    """

    option: str
    base: str
    f: float
    p: float
    effects: int


class Mattered(NamedTuple):
    """The regression.

    Attributes:
        effects: of every value but the base line's, option by option.
        joint: of every option with an effect.
        base: the intercept, as an `Effect` without option and value: the fitted mean IC of a variant on the base line.
        r_squared: the share of the daily ICs' variance that options explain: small, since days differ far more.
        aliased: ``(option, value)`` without an effect of their own, since those before say the same of every variant
            (such as an option that only goes along with another).
        lags: how many sessions apart two sessions still count as dependent.
        sessions: how many all variants know.
        variants: how many went in: those with any known IC.
    """

    effects: tuple[Effect, ...]
    joint: tuple[Joint, ...]
    base: Effect
    r_squared: float
    aliased: tuple[tuple[str, str], ...]
    lags: int
    sessions: int
    variants: int


class _Dummy(NamedTuple):
    option: str
    value: str
    column: Floats  # (V,)


class _Fit(NamedTuple):
    effects: Floats  # (K,), the intercept first
    covariance: Floats  # (K, K)
    r_squared: float
    size: float  # root mean square of the daily ICs: what rounding is measured by


def prepare() -> None:
    """Import what `what_mattered` takes a second to import, which can be done while something else goes on."""
    from statsmodels.regression import linear_model  # noqa: F401


def what_mattered(
    options: Sequence[Mapping[str, Any]], daily: Floats, *, least: int = 0, level: float = 0.95
) -> Mattered:
    """Ordinary least squares of daily rank ICs on the options of the variants, with Driscoll-Kraay errors.

    The base line of an option is its value in the first variant that is known. An option with one value is left out; a
    variant that does not name an option has the value "not set". Values are the same if their JSON text is, so 1 and
    1.0 differ. A dummy that is a sum of those before it is left out and listed in ``aliased``.

    Variants without a known IC are left out, such as those that failed; then sessions that one of the others does not
    know, so that all are compared over the same days. With fewer than two sessions left figures are NaN.

    Intervals and p: ``effect / error`` follows the law of `backtester.research.hac`, with ``nu`` degrees of freedom and
    the factor ``s``. For ``q`` effects together, ``s**2 (nu - q + 1) / (nu q)`` times the Wald statistic is F with
    ``q`` and ``nu - q + 1`` degrees of freedom (Hotelling's law; Lazarus, Lewis, Stock and Watson 2018, HAR inference:
    recommendations for practice), for one effect the same as its own p.

    Args:
        options: of each variant, name to value, any plain JSON value. An epoch is an option like another.
        daily: (V, T) rank IC of every variant in every session; NaN is unknown.
        least: over how many sessions ICs are known to depend on each other: ``h - 1`` for labels over ``h``.
        level: of the intervals.

    Raises:
        ConfigError: ``level`` is not between 0 and 1, or ``least`` is negative.
        DataError: ``daily`` is not (V, T) with a row for each of ``options``.
    """
    daily = np.asarray(daily, dtype=np.float64)
    if daily.ndim != 2 or len(daily) != len(options):
        raise DataError(f"daily has shape {daily.shape}; give (V, T) with a row for each of {len(options)} variants.")
    if not 0.0 < level < 1.0:
        raise ConfigError(f"level is {level}; it must be between 0 and 1, such as 0.95.")
    if least < 0:
        raise ConfigError(f"least is {least}; it counts sessions and cannot be negative.")
    finite = np.isfinite(daily)
    present = np.flatnonzero(finite.any(axis=1))
    known = daily[present][:, finite[present].all(axis=0)]
    base, dummies, aliased = _dummies([options[int(i)] for i in present])
    variants, sessions = (len(present), known.shape[1]) if len(present) else (0, 0)
    lags = automatic_lags(sessions, least)
    design = np.column_stack([np.ones(variants), *(one.column for one in dummies)])
    fit = _fitted(design, known, lags) if sessions > 1 else _nothing(len(dummies) + 1)
    told = [_effect("", "", 0, fit, lags, sessions, variants * sessions, level)]
    for i, one in enumerate(dummies, start=1):
        told.append(_effect(one.option, one.value, i, fit, lags, sessions, int(one.column.sum()) * sessions, level))
    places: dict[str, list[int]] = {}
    for i, one in enumerate(dummies, start=1):
        places.setdefault(one.option, []).append(i)
    return Mattered(
        effects=tuple(told[1:]),
        joint=tuple(_joint(name, base[name], where, fit, lags, sessions) for name, where in places.items()),
        base=told[0],
        r_squared=fit.r_squared,
        aliased=aliased,
        lags=lags,
        sessions=sessions,
        variants=variants,
    )


def _dummies(options: Sequence[Mapping[str, Any]]) -> tuple[dict[str, str], list[_Dummy], tuple[tuple[str, str], ...]]:
    """The base line's value of every option, the dummies that say something new, and those that do not."""
    names = list(dict.fromkeys(name for one in options for name in one))
    texts = {name: [_text(one[name]) if name in one else NOT_SET for one in options] for name in names}
    kept: list[_Dummy] = []
    aliased: list[tuple[str, str]] = []
    # An orthonormal basis of the columns so far: what of a new one lies outside is what it has to say.
    basis = np.full((len(options), 1), 1.0 / math.sqrt(max(len(options), 1)))
    for name in names:
        for value in list(dict.fromkeys(texts[name]))[1:]:
            column = np.array([float(text == value) for text in texts[name]])
            new = column - basis @ (basis.T @ column)
            new -= basis @ (basis.T @ new)  # once more, for what rounding left
            size = float(np.linalg.norm(new))
            if size <= _ROUNDING * float(np.linalg.norm(column)):
                aliased.append((name, value))
                continue
            basis = np.column_stack([basis, new / size])
            kept.append(_Dummy(name, value, column))
    return {name: texts[name][0] for name in names}, kept, tuple(aliased)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False, sort_keys=True)


def _fitted(design: Floats, daily: Floats, lags: int) -> _Fit:
    """Least squares over all variants and sessions; ``daily`` is (V, T) without gaps, ``design`` (V, K).

    Since the design is the same in every session, the coefficients are those of the variants' means, and what the
    covariance needs are K sums of a session. With every epoch of every variant, a table of all V * T rows would be
    gigabytes.
    """
    from statsmodels.regression.linear_model import OLS  # slow to import

    sessions = daily.shape[1]
    result = OLS(daily.mean(axis=1), design).fit()
    effects = np.asarray(result.params, dtype=np.float64)
    left = daily - (design @ effects)[:, None]
    total, rest = (float(np.square(one).sum()) for one in (daily - daily.mean(), left))
    varies = total > _ROUNDING**2 * float(np.square(daily).sum())
    bread = np.asarray(result.normalized_cov_params, dtype=np.float64) / sessions
    # As for a mean of T sessions, of which one value is used up.
    covariance = bread @ summed(left.T @ design, lags) @ bread * (sessions / (sessions - 1.0))
    return _Fit(
        effects, covariance, 1.0 - rest / total if varies else math.nan, math.sqrt(float(np.square(daily).mean()))
    )


def _nothing(count: int) -> _Fit:
    return _Fit(np.full(count, np.nan), np.full((count, count), np.nan), math.nan, math.nan)


def _effect(option: str, value: str, at: int, fit: _Fit, lags: int, sessions: int, count: int, level: float) -> Effect:
    effect, error = float(fit.effects[at]), _error(fit, at, sessions)
    if not error > 0.0:  # unknown, or the same in all sessions
        return Effect(option, value, effect, error, effect + error, effect + error, math.nan, count)
    shrink, freedom = law(lags, sessions)
    away = float(stdtrit(freedom, 0.5 + level / 2.0)) / shrink * error
    p = 2.0 * float(stdtr(freedom, -abs(effect / error) * shrink))
    return Effect(option, value, effect, error, effect - away, effect + away, p, count)


def _error(fit: _Fit, at: int, sessions: int) -> float:
    """The standard error of a coefficient; 0 where the coefficients of the sessions differ by rounding only."""
    error = math.sqrt(max(float(fit.covariance[at, at]), 0.0)) if math.isfinite(fit.size) else math.nan
    return 0.0 if error * math.sqrt(sessions) <= _STILL * fit.size else error


def _joint(option: str, base: str, places: list[int], fit: _Fit, lags: int, sessions: int) -> Joint:
    """The Wald test that the coefficients at these places are all 0."""
    errors = np.array([_error(fit, at, sessions) for at in places])
    count = len(places)
    if not (errors > 0.0).all():
        return Joint(option, base, math.nan, math.nan, count)
    scaled: NDArray[np.float64] = fit.covariance[np.ix_(places, places)] / np.outer(errors, errors)
    shrink, freedom = law(lags, sessions)
    left = freedom - count + 1.0
    if left <= 0.0 or float(np.linalg.eigvalsh(scaled)[0]) <= _ROUNDING:
        return Joint(option, base, math.nan, math.nan, count)
    ratios = fit.effects[places] / errors
    wald = float(ratios @ np.linalg.solve(scaled, ratios))
    f = shrink * shrink * left / (freedom * count) * wald
    return Joint(option, base, f, float(fdtrc(count, left, f)), count)
