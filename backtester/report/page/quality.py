"""Charts of how well scores ordered what followed, from the study of a signal; each is None where that has nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from backtester.engine.types import Floats
from backtester.report import words as w
from backtester.report.page import charts as c
from backtester.report.page.charts import Chart

_MEAN_OF = 63  # sessions of the rolling mean of the daily IC
_SECTORS = 24  # shown


def horizon_chart(study: Mapping[str, Any]) -> Chart | None:
    """Mean rank and Pearson IC by horizon, with their intervals."""
    rows = [row for row in study.get("horizons") or [] if row.get("rank") or row.get("pearson")]
    if not rows:
        return None
    horizons = [f"{row['horizon']}" for row in rows]
    data = []
    for key, name, paint in (("rank", "rank IC", "a"), ("pearson", "Pearson IC", "b")):
        mean, low, high = (_column([row.get(key) or {} for row in rows], part) for part in ("mean", "low", "high"))
        data.append(
            c.bars(name, horizons, mean, c.color(paint), error_y=c.whiskers(mean, low, high), yhoverformat=".4f")
        )
    said = "; ".join(f"horizon {row['horizon']}: {_with_error(row.get('rank') or {})}" for row in rows)
    axes = {"xaxis": c.axis("sessions ahead", grid=False, type="category"), "yaxis": c.axis("mean IC")}
    return Chart("ic_horizons", "IC by horizon", f"Mean rank IC, {said}.", c.figure(data, barmode="group", **axes))


def daily_chart(study: Mapping[str, Any]) -> Chart | None:
    """The rank IC of the sessions, summed up and as a rolling mean."""
    daily = study.get("daily") or {}
    rank, dates = _numbers(daily.get("rank")), list(daily.get("dates") or [])
    if len(rank) != len(dates) or not np.isfinite(rank).any():
        return None
    rows = c.kept(len(dates))
    x = [dates[k] for k in rows.tolist()]
    total = np.cumsum(np.nan_to_num(rank))
    data = [c.line("rank IC, summed up", x, total[rows], c.color("a"), form=".2f", width=1.8)]
    pearson = _numbers(daily.get("pearson"))
    if len(pearson) == len(dates) and np.isfinite(pearson).any():
        summed = np.cumsum(np.nan_to_num(pearson))[rows]
        data.append(c.line("Pearson IC, summed up", x, summed, c.color("b"), form=".2f", width=1.2))
    mean = rolling_mean(rank, _MEAN_OF)
    layout: dict[str, Any] = {"yaxis": c.axis("summed up")}
    if np.isfinite(mean).any():
        data.append(c.line(f"rank IC, mean of {_MEAN_OF}", x, mean[rows], c.color("up"), form=".3f", yaxis="y2"))
        layout = {
            "yaxis": c.axis("summed up", domain=[0.42, 1.0]),
            "yaxis2": c.axis(f"mean of {_MEAN_OF}", domain=[0.0, 0.34], nticks=5),
        }
    said = f"The rank IC of the sessions sums up to {w.plain(float(total[-1]))}; a steady climb is a steady signal."
    drawn = c.figure(
        data, hovermode="x unified", xaxis=c.time_axis(anchor="y2" if "yaxis2" in layout else "y"), **layout
    )
    return Chart("ic_daily", "IC of the sessions", said, drawn, 360)


def year_chart(study: Mapping[str, Any]) -> Chart | None:
    """Mean rank IC by calendar year, with intervals."""
    rows = study.get("years") or []
    if not rows:
        return None
    mean, low, high = (_column(rows, key) for key in ("mean", "low", "high"))
    trace = c.bars(
        "rank IC",
        [f"{row['year']}" for row in rows],
        mean,
        c.color("a"),
        error_y=c.whiskers(mean, low, high),
        yhoverformat=".4f",
    )
    said = "; ".join(f"{row['year']} {w.fine(row.get('mean'))}" for row in rows)
    axes = {"xaxis": c.axis(grid=False, type="category"), "yaxis": c.axis("mean rank IC")}
    return Chart("ic_years", "IC by year", f"Mean rank IC by year: {said}.", c.figure([trace], **axes))


def sector_chart(study: Mapping[str, Any]) -> Chart | None:
    """Mean rank IC within each sector, with intervals, the best first."""
    rows = sorted(study.get("sectors") or [], key=lambda row: -np.nan_to_num(c.number(row.get("mean")), nan=-9.0))
    if not rows:
        return None
    left_out = len(rows) - _SECTORS
    rows = rows[:_SECTORS]
    mean, low, high = (_column(rows, key) for key in ("mean", "low", "high"))
    names = [str(row.get("sector") or "unknown") for row in rows]
    texts = [f"{name}: {w.fine(value)}" for name, value in zip(names, mean.tolist(), strict=True)]
    trace = c.lying_bars("rank IC", mean, texts, c.color("a"), error_x=c.whiskers(mean, low, high))
    said = f"Mean rank IC within the sector: {names[0]} {w.fine(mean[0])} to {names[-1]} {w.fine(mean[-1])}."
    axes = {"xaxis": c.axis("mean rank IC"), "yaxis": c.names_axis(names, autorange="reversed")}
    note = f"{w.many(left_out, 'sector')} with less not shown." if left_out > 0 else ""
    return Chart(
        "ic_sectors", "IC within sectors", said, c.figure([trace], **axes), max(220, 70 + 22 * len(rows)), note
    )


def quantile_chart(study: Mapping[str, Any]) -> Chart | None:
    """Mean return of quantiles by score, a session, in basis points, with intervals."""
    told = study.get("quantiles") or {}
    mean, low, high = (_numbers(told.get(key)) for key in ("mean_bps", "low_bps", "high_bps"))
    if not mean.size or not np.isfinite(mean).any():
        return None
    trace = c.bars(
        "mean return",
        quantile_names(mean.size),
        mean,
        c.ramp(mean.size),
        error_y=c.whiskers(mean, low, high) if low.size == high.size == mean.size else {"visible": False},
        hovertemplate="%{x}: %{y:.2f} bps<extra></extra>",
    )
    said = (
        f"Mean return a session, from the lowest scores to the highest: {', '.join(map(w.plain, mean.tolist()))} bps."
    )
    axes = {"xaxis": c.axis(grid=False, type="category"), "yaxis": c.axis("bps a session")}
    return Chart("quantiles", "Returns by quantile of the score", said, c.figure([trace], **axes))


def cumulative_chart(study: Mapping[str, Any]) -> Chart | None:
    """What the quantiles, and the highest less the lowest, made over time, before costs."""
    told = study.get("quantiles") or {}
    dates, groups = list(told.get("dates") or []), [_numbers(one) for one in told.get("cumulative") or []]
    if not dates or not groups or any(one.size != len(dates) for one in groups):
        return None
    rows = c.kept(len(dates))
    x = [dates[k] for k in rows.tolist()]
    names, paints = quantile_names(len(groups)), c.ramp(len(groups))
    data = [
        c.line(name, x, one[rows], paint, width=1.3) for name, one, paint in zip(names, groups, paints, strict=True)
    ]
    spread = _numbers(told.get("spread_cumulative"))
    if spread.size == len(dates):
        data.append(c.line("highest less lowest", x, spread[rows], c.color("ink"), width=1.8, dash="dot"))
    ends = ", ".join(f"{name} {w.signed(_last(one))}" for name, one in zip(names, groups, strict=True))
    drawn = c.figure(data, hovermode="x unified", xaxis=c.time_axis(), yaxis=c.axis("cumulative return", ".0%"))
    return Chart("quantiles_cumulative", "Quantiles over time, before costs", f"At the end: {ends}.", drawn, 340)


def learning_chart(study: Mapping[str, Any]) -> Chart | None:
    """Losses by epoch, and below them the IC of the validation rows: means over folds and models."""
    rows = study.get("epochs") or []
    epochs = [int(row["epoch"]) for row in rows]
    train, valid, ic = (_column(rows, key) for key in ("train_loss", "valid_loss", "valid_ic"))
    if not np.isfinite(np.concatenate((train, valid, ic))).any():
        return None
    data = [c.line("training loss", epochs, train, c.color("b"), form=".5f", mode="lines+markers")]
    if np.isfinite(valid).any():
        data.append(c.line("validation loss", epochs, valid, c.color("a"), form=".5f", mode="lines+markers"))
    layout: dict[str, Any] = {"yaxis": c.axis("loss")}
    if np.isfinite(ic).any():
        data.append(c.line("validation IC", epochs, ic, c.color("up"), form=".4f", mode="lines+markers", yaxis="y2"))
        layout = {"yaxis": c.axis("loss", domain=[0.44, 1.0]), "yaxis2": c.axis("IC", domain=[0.0, 0.36], nticks=5)}
    best = (
        f"; the validation loss is lowest at epoch {epochs[int(np.nanargmin(valid))]}"
        if np.isfinite(valid).any()
        else ""
    )
    said = f"Means over folds and models of {w.many(len(epochs), 'epoch')}{best}."
    x = c.axis("epoch", "d", grid=False, nticks=min(len(epochs) + 1, 12), anchor="y2" if "yaxis2" in layout else "y")
    note = "Later epochs are means over the models that were still learning."
    return Chart(
        "learning", "Learning curves", said, c.figure(data, hovermode="x unified", xaxis=x, **layout), 340, note
    )


def rolling_mean(x: Floats, window: int) -> Floats:
    """Mean of the known values among the last `window`, (T,); NaN before there are as many, or with less than half."""
    found = np.full(x.shape, np.nan)
    if x.size < window:
        return found
    views = np.lib.stride_tricks.sliding_window_view(x, window)
    count = np.isfinite(views).sum(axis=1)
    np.divide(np.nansum(views, axis=1), count, out=found[window - 1 :], where=2 * count >= window)
    return found


def quantile_names(count: int) -> list[str]:
    """``1 (lowest)``, ``2``, ... up to the highest."""
    return [f"{k}{' (lowest)' if k == 1 else ' (highest)' if k == count else ''}" for k in range(1, count + 1)]


def _with_error(ic: Mapping[str, Any]) -> str:
    return f"{w.fine(ic.get('mean'))} with a standard error of {w.fine(ic.get('error'))}"


def _column(rows: Sequence[Mapping[str, Any]], key: str) -> Floats:
    return np.array([c.number(row.get(key)) for row in rows], dtype=np.float64)


def _numbers(given: Any) -> Floats:
    return np.array([c.number(one) for one in given or []], dtype=np.float64)


def _last(x: Floats) -> float:
    known = x[np.isfinite(x)]
    return float(known[-1]) if known.size else float("nan")
