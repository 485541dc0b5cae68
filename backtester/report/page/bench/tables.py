"""The tables of a bench: the leaderboard, tests against chance, the winner against each, settings, what failed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from backtester.report import words as w
from backtester.report.page import parts as p
from backtester.report.page import said
from backtester.report.page.bench.compared import matrix
from backtester.report.page.bench.entries import VARIANT, Entries, chance, dig, numbers_of, rows_of, value_of
from backtester.report.page.bench.signal import ic_cell, name_cell, two_lines
from backtester.report.page.charts import short
from backtester.report.page.parts import Markup

_WIDE, _HIGH, _PAD = 104, 14, 5  # of the small picture of an interval, in pixels
_SURE = 0.05
_LINE = 24  # characters that stand in one line
_WHOLE = 400  # characters of a name or a setting where it is told in full


def leaderboard(entries: Entries, level: str) -> Markup | None:
    """Every entry that ran: variants first, the best net Sharpe ratio first, then the baselines."""
    if not entries.good:
        return None
    scale = _scale(entries.good)
    rows = [_leader(entries, one, scale) for one in entries.good]
    header = (
        *("", "net Sharpe", "", "gross", "CAGR", "drawdown", "turnover"),
        *("rank IC", "break-even", "placebos", "deflated", "seeds"),
    )
    note = (
        f"Net Sharpe ratio after all costs charged with its {level} interval, also drawn, with a line at 0; gross is "
        "the ratio before costs. CAGR and the largest drawdown are net. Turnover is one-sided, a year. Rank IC at the "
        "entry's own horizon, with its standard error. Break-even: bps of what is traded. Placebos: the share of "
        "random scores with the same turnover that did as well. Deflated: deflated Sharpe ratio, of variants alone. "
        "Seeds: mean and standard deviation of the net Sharpe ratio of each seed traded alone. All are explained at "
        "the end of the page."
    )
    return p.table(header, rows, note=note)


def trials(facts: Mapping[str, Any], entries: Entries) -> Markup:
    """How many variants were tried on this data, and what that leaves of the winner."""
    told = facts.get("trials") or {}
    figures = (entries.winner or {}).get("figures") or {}
    rows = [
        ("Variants tried on this data", w.count(told.get("count"))),
        ("counted since", w.text(told.get("since"))),
        ("by the ledger", p.tag("span", w.text(told.get("ledger")), "entry")),
        ("Standard deviation of their Sharpe ratios, a year", w.plain(told.get("sharpe_std"))),
        ("Sharpe ratio that the best of so many shows by luck", w.plain(told.get("expected_max"))),
        ("The winner's net Sharpe ratio", w.plain(dig(figures, "net", "sharpe", "value"))),
        ("Its deflated Sharpe ratio", w.percent((entries.winner or {}).get("dsr"), places=1)),
        ("Its probabilistic Sharpe ratio, as if it were the only trial", w.percent(figures.get("psr"), places=1)),
        ("Sessions needed for that to be 95 %", w.count(figures.get("min_track_sessions"))),
        ("Sessions there are", w.count(dig(facts, "window", "sessions"))),
    ]
    note = (
        "Every run and bench writes a line to the ledger, whether it was liked or not; baselines are not counted. "
        "Trials made elsewhere are not seen."
    )
    return p.figures(rows, title="One among many", note=note)  # type: ignore[arg-type]


def overfitting(facts: Mapping[str, Any]) -> Markup | None:
    """What the splits into halves say."""
    told = facts.get("overfitting")
    if not told:
        return None
    rows = [
        ("Probability of backtest overfitting", w.percent(told.get("pbo"), places=1)),
        ("The chosen variant loses in the other half", w.percent(told.get("loss_probability"), places=1)),
        ("Slope of the other half on the chosen one", w.plain(told.get("slope"))),
        ("R squared of that line", w.plain(told.get("r_squared"))),
        ("Variants", w.count(told.get("variants"))),
        ("Splits", f"{w.count(told.get('combinations'))} of {w.count(told.get('blocks'))} blocks"),
    ]
    note = "About 50 % where no variant is better than another. A negative slope: the better the past, the worse after."
    return p.figures(rows, title="Overfitting by choosing", note=note)


def reality(facts: Mapping[str, Any]) -> Markup | None:
    """Whether the best of all variants beats cash and each baseline, beyond the luck of many tries."""
    rows = [
        (
            name_cell(w.text(row.get("against"))),
            _yes(row.get("consistent")),
            *(chance(row.get(key)) for key in ("consistent", "lower", "upper", "p")),
        )
        for row in rows_of(facts, "reality")
    ]
    header = ("best variant against", "beaten", "Hansen's p", "lower", "upper", "White's p")
    note = (
        "The probability of so large a gain of the best variant if none were better; beaten where Hansen's p is 0.05 "
        "or less. Mean daily net returns, all variants tested together. Several baselines are tested, each by itself."
    )
    return p.table(header, rows, title="Reality check, superior predictive ability", note=note) if rows else None


def against_winner(facts: Mapping[str, Any], entries: Entries, level: str) -> Markup | None:
    """The winner less each other entry: Sharpe ratios and ICs, paired."""
    own = str((entries.winner or {}).get("name"))
    found = {}
    for pair in rows_of(facts, "pairs"):
        one, other = str(pair.get("one")), str(pair.get("other"))
        if own in (one, other) and one != other:
            found[other if own == one else one] = (pair, 1.0 if own == one else -1.0)
    rows = []
    for entry in entries.good:
        name = str(entry.get("name"))
        if name in found:
            pair, side = found[name]
            cells = [_difference(pair.get("sharpe"), side, w.plain), _difference(pair.get("ic"), side, w.fine)]
            rows.append((name_cell(entries.called(name)), *cells[0], *cells[1]))
    header = ("winner less", "net Sharpe", f"{level} interval", "p", "mean IC", f"{level} interval", "p")
    note = (
        "Paired block bootstrap over the same sessions. Each interval and each p is for that pair alone, not corrected "
        f"for their number: {w.many(len(rows_of(facts, 'pairs')), 'pair')} in all. The winner was chosen for being "
        "first, which the tests of luck above allow for and these do not."
    )
    title = f"{short(entries.name, 60)} against each other"
    return p.table(header, rows, title=title, note=note) if rows else None


def every_two(facts: Mapping[str, Any], entries: Entries) -> Markup | None:
    """The differences of every two of the first variants and the baselines, in numbers."""
    names, away, likely = matrix(facts, entries.drawn)
    if not np.isfinite(away).any():
        return None
    note = "All pairs are in bench.json." if len(names) < len(entries.good) else ""
    rows = [
        (
            name_cell(entries.called(name)),
            *(two_lines(w.plain(one), f"p {chance(p_)}") if math.isfinite(one) else "" for one, p_ in pairs),
        )
        for name, pairs in zip(names, (zip(*rows, strict=True) for rows in zip(away, likely, strict=True)), strict=True)
    ]
    return p.table(("row less column", *(entries.mark(name) for name in names)), rows, note=note)


def options(entries: Entries) -> Markup | None:
    """The settings that variants differ in, failed ones too."""
    shown = [one for one in entries.all if one.get("role") == VARIANT and one.get("options")]
    keys = entries.options
    rows = [
        (
            name_cell(entries.called(one.get("name")), _WHOLE),
            *(_option(one["options"], key) for key in keys),
            w.plain(dig(one, "figures", "net", "sharpe", "value")) if one.get("figures") else "failed",
        )
        for one in shown
    ]
    note = "Empty: as in the config of the bench. What is not listed is the same for all."
    header = ("variant", *(_folding(key) for key in keys), "net Sharpe")
    table = p.table(header, rows, title="What the variants differ in", note=note, text_columns=1 + len(keys))
    return table if rows else None


def baselines(entries: Entries) -> Markup | None:
    """What each baseline sets in the config of the bench."""
    rows = [
        (str(one.get("name")), w.listed(one["options"]))
        for one in entries.all
        if one.get("role") != VARIANT and one.get("options")
    ]
    note = "What a baseline does not set is as in the config of the bench: the same costs, limits and sessions."
    return p.pairs(rows, title="What the baselines set", note=note) if rows else None


def failures(entries: Entries) -> Markup | None:
    """The entries without a result, and why."""
    rows = [
        (
            entries.called(one.get("name")),
            f"{w.text(one.get('role'))}: {w.text(one.get('error') or 'it gave nothing; no reason is known')}",
        )
        for one in entries.failed
    ]
    return p.pairs(rows, title="What failed") if rows else None


def joint(facts: Mapping[str, Any]) -> Markup | None:
    """Whether each option mattered at all, and the fit as a whole."""
    told = facts.get("mattered")
    if not told:
        return None
    rows = [
        (
            name_cell(w.text(row.get("option"))),
            name_cell(w.text(row.get("base"))),
            w.count(row.get("effects")),
            w.plain(row.get("f")),
            chance(row.get("p")),
        )
        for row in rows_of(told, "joint")
    ]
    alike = [f"{one[0]} = {one[1]}" for one in told.get("aliased") or [] if isinstance(one, list | tuple) and all(one)]
    base = dig(told, "base", "effect")
    note = (
        f"Mean daily rank IC on the base line {w.fine(base)}. Ordinary least squares of the daily ICs of "
        f"{w.count(told.get('variants'))} variants over {w.sessions(told.get('sessions'))} on a dummy for "
        f"each value; errors that hold for sessions up to {w.count(told.get('lags'))} apart."
    )
    note += f" Without an effect of their own: {', '.join(alike)}." if alike else ""
    header = ("setting", "base", "values beside it", "F", "p")
    return p.table(header, rows, title="Did a setting matter at all?", note=note, text_columns=2) if rows else None


def _leader(entries: Entries, one: Mapping[str, Any], scale: tuple[float, float] | None) -> tuple[Any, ...]:
    net, gross = (dig(one, "figures", kind) or {} for kind in ("net", "gross"))
    sharpe, seeds = net.get("sharpe") or {}, one.get("seeds") or {}
    ic = said.own_ic(one.get("signal") or {})
    count = len(numbers_of(seeds, "sharpe"))
    apart = two_lines(w.plain(seeds.get("mean")), f"± {w.plain(seeds.get('std'))} of {count}") if seeds else ""
    variant = one.get("role") == VARIANT
    return (
        name_cell(entries.called(one.get("name")) + ("" if variant else " *")),
        two_lines(
            p.tag("b", w.plain(sharpe.get("value"))), f"{w.plain(sharpe.get('low'))} to {w.plain(sharpe.get('high'))}"
        ),
        _picture(sharpe, scale, variant),
        w.plain(dig(gross, "sharpe", "value")),
        w.percent(dig(net, "cagr", "value")),
        w.percent(dig(net, "max_drawdown", "value")),
        w.times(one.get("turnover")),
        ic_cell(ic) if ic else "",
        w.one(dig(one, "figures", "break_even_bps")),
        w.percent(dig(one, "placebo", "p"), places=1) if one.get("placebo") else "",
        w.percent(one.get("dsr"), places=1) if variant and one.get("dsr") is not None else "",
        apart,
    )


def _scale(shown: Sequence[Mapping[str, Any]]) -> tuple[float, float] | None:
    """The lowest and the highest end of all intervals, and 0."""
    ends = [value_of(one, "figures", "net", "sharpe", key) for one in shown for key in ("value", "low", "high")]
    known = [end for end in ends if math.isfinite(end)]
    return (min(0.0, *known), max(0.0, *known)) if known and (min(known) < 0.0 or max(known) > 0.0) else None


def _picture(sharpe: Mapping[str, Any], scale: tuple[float, float] | None, variant: bool) -> Markup:
    """An interval as a small drawing; the numbers stand beside it."""
    value, low, high = (value_of(sharpe, key) for key in ("value", "low", "high"))
    if scale is None or not math.isfinite(value):
        return Markup()

    def x(at: float) -> str:
        return f"{_PAD + (at - scale[0]) / (scale[1] - scale[0]) * (_WIDE - 2 * _PAD):.1f}"

    half = _HIGH // 2
    paint = "var(--a)" if variant else "var(--b)"
    drawn = [_line(x(0.0), 0, x(0.0), _HIGH, "var(--zero)")]
    if math.isfinite(low) and math.isfinite(high):
        drawn.append(_line(x(low), half, x(high), half, paint))
    drawn.append(p.tag("circle", "", cx=x(value), cy=f"{half}", r="3.5", style=f"fill:{paint}"))
    size = {"width": f"{_WIDE}", "height": f"{_HIGH}", "viewBox": f"0 0 {_WIDE} {_HIGH}", "aria_hidden": "true"}
    return p.tag("svg", p.joined(drawn), **size)


def _line(x1: str, y1: float, x2: str, y2: float, paint: str) -> Markup:
    return p.tag("line", "", x1=x1, y1=f"{y1}", x2=x2, y2=f"{y2}", style=f"stroke:{paint};stroke-width:1.6")


def _difference(told: Any, side: float, form: Any) -> tuple[str, str, str]:
    away = value_of(told, "difference")
    if not math.isfinite(away):
        return w.UNKNOWN, w.UNKNOWN, w.UNKNOWN
    low, high = sorted(side * value_of(told, key) for key in ("low", "high"))
    return form(side * away), f"{form(low)} to {form(high)}", chance(value_of(told, "p"))


def _yes(p_value: Any) -> str:
    value = value_of({"p": p_value}, "p")
    return w.UNKNOWN if not math.isfinite(value) else "yes" if value <= _SURE else "no"


def _folding(text: str) -> Markup | str:
    """Text that takes several lines where it is long."""
    return text if len(text) <= _LINE else name_cell(text, _WHOLE)


def _option(given: Mapping[str, Any], key: str) -> Markup | str:
    if key not in given:
        return ""
    value = given[key]
    return _folding(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
