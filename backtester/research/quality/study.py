"""The quality of a signal as plain data, for the page of a run and for a comparison of many."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from backtester.labels import FillAt, check_start, check_whole
from backtester.market.panel import Panel
from backtester.metrics.ic import Labels, pearson_ic, rank_ic
from backtester.research.quality import quantiles as q
from backtester.research.quality.errors import Errors, prediction_errors
from backtester.research.quality.ic import by_sector, by_year, known_mean, summary
from backtester.research.quality.learning import by_epoch
from backtester.research.quality.plain import number, numbers, record
from backtester.research.quality.sessions import Rows, Sessions, labels_of, member_scores, sessions_of
from backtester.research.quality.turnover import LAGS, quantile_turnover, rank_autocorrelation
from backtester.scores import Scores

Floats: TypeAlias = NDArray[np.float64]

HORIZONS = (1, 5, 10, 21)
_BPS = 1e4


def signal_study(
    panel: Panel,
    scores: Any,
    *,
    horizon: int,
    fill: str = "open",
    horizons: Sequence[int] = HORIZONS,
    quantiles: int = 5,
    source: str = "",
    predicts: str | None = None,
    made: Callable[[Rows, int], Labels] | None = None,
) -> dict[str, Any]:
    """How good scores were, out of sample, as plain data: text, lists, finite numbers; None is unknown.

    Scores of a walk-forward are out of sample wherever they are known; others are taken as given. A name counts where
    it is a member of the universe and tradable in the session, and has a score and, for what followed, a label: its
    total return from the fill on, as `bt.labels` has it. Numbers have six significant digits, intervals are 95 % ones.

    Args:
        panel: the market.
        scores: `bt.Scores`, (T, N) or a DataFrame of dates by symbols; NaN is no opinion.
        horizon: sessions that the scores look ahead.
        fill: the price that labels run from and to, as in ``bt.Execution``.
        horizons: others to hold them against.
        quantiles: groups of names, at least 2.
        source: what made the scores, in a word.
        predicts: what a score is, where it is more than a rank: see `errors.prediction_errors`.
        made: gives `bt.labels` of consecutive rows at a horizon, (R, N), where many scores are held against the same.

    Returns:
        ``source``; ``horizon``; ``fill``; ``predicts``; ``sessions``, those with a score; ``scored``, the share of the
        names that could be ordered in them which have one.

        ``horizons``, of each and its own among them: ``horizon``, and ``rank`` and ``pearson``, `ic.Summary` of
        `bt.rank_ic` and `bt.pearson_ic`. At its own horizon: ``daily``, with ``dates`` of the decisions, ``rank`` and
        ``pearson``; ``years`` and ``sectors``, rank ICs as `ic.Year` and `ic.Sector`; ``errors``, as `errors.Errors`,
        its cells under ``count`` (None for scores that are only an order); ``members``, the mean rank IC of each by
        name.

        ``quantiles``, portfolios that are made anew in every session and held for one: ``count``; ``horizon``, 1;
        ``sessions``; ``mean_bps``, ``low_bps``, ``high_bps``, means of a session, lowest scores first;
        ``universe_bps``; ``dates`` of the decisions; ``cumulative``, compounded returns since the start, and
        ``spread_cumulative``, the sum of the spread; ``spread``; ``alpha``, a year; ``beta``: see `quantiles.bought`.
        Its ``turnover`` by lag, of ``bottom`` and ``top``: see `turnover.quantile_turnover`. ``autocorrelation`` of the
        ranks by lag: see `turnover.rank_autocorrelation`. ``epochs``: see `learning.by_epoch`.

    Raises:
        ConfigError: a setting is wrong.
        DataError: the scores do not fit the panel.
    """
    for one in (*horizons, horizon):
        check_whole("horizon", one)
    check_start(fill)
    q.check_quantiles(quantiles)
    seen = sessions_of(panel, scores)
    wanted = sorted({int(one) for one in (*horizons, horizon)})
    labels = labels_of(panel, seen.rows, {*wanted, 1}, cast(FillAt, fill), made)
    ranked = {h: rank_ic(seen.scores, labels[h]) for h in wanted}
    linear = {h: pearson_ic(seen.scores, labels[h]) for h in wanted}
    errors = prediction_errors(seen.scores, labels[horizon].values, predicts, panel.sector_codes)
    return {
        "source": source,
        "horizon": int(horizon),
        "fill": fill,
        "predicts": predicts,
        "sessions": int(np.isfinite(seen.scores).any(axis=1).sum()),
        "scored": number(seen.scored),
        "horizons": [
            {"horizon": h, "rank": record(summary(ranked[h], h)), "pearson": record(summary(linear[h], h))}
            for h in wanted
        ],
        "daily": _daily(seen, ranked[horizon], linear[horizon]),
        "years": [record(one) for one in by_year(seen.dates, ranked[horizon], horizon)],
        "sectors": [record(one) for one in by_sector(panel.sectors, seen.scores, labels[horizon].values, horizon)],
        "quantiles": _quantiles(seen, labels[1].values, quantiles),
        "autocorrelation": _by_lag(rank_autocorrelation(seen.scores)),
        "errors": None if errors is None else _errors(errors),
        "epochs": [record(one) for one in by_epoch(scores.learning if isinstance(scores, Scores) else ())],
        "members": _members(panel, scores, seen, labels[horizon]),
    }


def _daily(seen: Sessions, ranked: Floats, linear: Floats) -> dict[str, Any]:
    """The ICs of the sessions in which either is known."""
    known = np.isfinite(ranked) | np.isfinite(linear)
    return {"dates": _days(seen.dates[known]), "rank": numbers(ranked[known]), "pearson": numbers(linear[known])}


def _quantiles(seen: Sessions, labels: Floats, count: int) -> dict[str, Any]:
    groups = q.quantile_groups(seen.scores, count)
    returns = q.quantile_returns(groups, labels, count)
    found = q.bought(returns)
    each = [q.scaled(one, _BPS) for one in found.each]
    spread = q.scaled(found.spread, _BPS)
    alpha, beta = found.alpha, found.beta
    return {
        "count": count,
        "horizon": 1,
        "sessions": int(returns.rows.sum()),
        "mean_bps": numbers(one.mean for one in each),
        "low_bps": numbers(one.low for one in each),
        "high_bps": numbers(one.high for one in each),
        "universe_bps": number(found.universe * _BPS),
        "dates": _days(seen.dates[returns.rows]),
        "cumulative": [numbers(curve) for curve in found.curves],
        "spread_cumulative": numbers(found.spread_curve),
        "spread": {
            "mean_bps": number(spread.mean),
            "low_bps": number(spread.low),
            "high_bps": number(spread.high),
            "p": number(spread.p),
        },
        "alpha": {
            "a_year": number(alpha.mean),
            "low": number(alpha.low),
            "high": number(alpha.high),
            "p": number(alpha.p),
        },
        "beta": {"value": number(beta.mean), "low": number(beta.low), "high": number(beta.high)},
        "turnover": {
            str(lag): {
                "bottom": number(quantile_turnover(groups, 0, lag)),
                "top": number(quantile_turnover(groups, count - 1, lag)),
            }
            for lag in LAGS
        },
    }


def _errors(errors: Errors) -> dict[str, Any]:
    told = record(errors)
    count = told.pop("cells")
    return {**told, "count": count}


def _members(panel: Panel, scores: Any, seen: Sessions, labels: Labels) -> dict[str, float | None]:
    """The mean rank IC of every member, over the sessions in which its own is known."""
    if not isinstance(scores, Scores):
        return {}
    own = member_scores(panel, scores, seen.rows)
    return {name: number(known_mean(rank_ic(one, labels))) for name, one in own.items()}


def _by_lag(values: Mapping[int, float]) -> dict[str, float | None]:
    return {str(lag): number(value) for lag, value in values.items()}


def _days(dates: NDArray[np.datetime64]) -> list[str]:
    return [str(day) for day in dates]
