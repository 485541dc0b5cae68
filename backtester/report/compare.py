"""Runs side by side: their figures, the settings in which they differ, and how alike their curves are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from backtester.report import figures as f
from backtester.report import layout, notes
from backtester.report import words as w
from backtester.report.differing import differing
from backtester.report.facts import summarise
from backtester.research.bootstrap import paired_mean, paired_sharpe
from backtester.research.study import plain
from backtester.result import Result

_BEST = " *"
_ABSENT = "absent"
_PAIRS = 15  # shown on the screen
_FIGURES = (
    *f.MAIN[:1],
    *f.RETURN_AND_RISK,
    f.Figure("mean rank IC", "rank_ic", w.fine, 1),
    *f.TRADING,
    *f.BOOK,
    *f.HELD,
    *(leg._replace(label=f"{leg.label} {label}") for label, *legs in f.LEGS for leg in legs),
    f.Figure("return before costs", "return_gross", w.signed, 1),
    f.Figure("return after costs", "return_net", w.signed, 1),
    f.Figure("commission a year", "cost_commission", w.percent),
    f.Figure("slippage a year", "cost_slippage", w.percent),
    f.Figure("borrow fees a year", "cost_borrow", w.percent),
    *f.BENCHMARK[2:],
)


Studies: TypeAlias = Sequence[Mapping[str, Any] | None]


def compare(
    results: Sequence[Result], names: Sequence[str] | None = None, studies: Studies | None = None
) -> dict[str, Any]:
    """What there is to say about runs beside each other, as plain data.

    Args:
        results: the runs, two or more.
        names: what to call them; by default their names. They should differ.
        studies: what there is to know of each besides, as ``study.json`` has it; None where there is none.

    Returns:
        A dict whose keys stay: ``runs`` (the names), ``warnings`` (what makes the runs hard to compare), ``metrics``
        (name of the figure to a list, one value a run), ``best`` (name of the figure to the places of the best runs,
        for figures of which more or less is better), ``differing_settings`` (``section.key`` to a list, None where a
        run has no such setting), ``pairs`` (of every two runs ``one`` and ``other``, by name, what their net Sharpe
        ratios differ by over the sessions that both share: `backtester.research.bootstrap.Paired`, NaN as None; and as
        ``ic`` the same of their mean rank ICs, None where the scores of either, of one horizon, are not known),
        ``correlations`` (of the returns on the sessions that two runs share; a row a run,
        NaN below two sessions), ``summaries`` (of every run).
    """
    facts = [summarise(result) for result in results]
    called = list(names or [result.name for result in results])
    known = [_figures(fact) for fact in facts]
    figures = {
        one.key: [some.get(one.key) for some in known] for one in _FIGURES if any(one.key in some for some in known)
    }
    best = {one.key: _best(figures[one.key], one.better) for one in _FIGURES if one.key in figures and one.better}
    return {
        "runs": called,
        "warnings": _warnings(results) + _of_runs(called, facts),
        "metrics": figures,
        "best": {key: places for key, places in best.items() if places},
        "differing_settings": differing([result.settings | {"cash": result.cash} for result in results]),
        "pairs": _pairs(results, called, studies or [None] * len(results)),
        "correlations": [[_correlation(a, b) for b in results] for a in results],
        "summaries": facts,
    }


def print_comparison(
    results: Sequence[Result], names: Sequence[str], console: Console | None = None, studies: Studies | None = None
) -> None:
    """Print runs side by side to the terminal, or to ``console``; the rest as in `compare`."""
    (console or Console()).print(Comparison(results, names, studies))


class Comparison:
    """Runs side by side, as something that rich can print."""

    def __init__(self, results: Sequence[Result], names: Sequence[str], studies: Studies | None = None) -> None:
        """Gather what there is to say."""
        self._facts = compare(results, names, studies)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines."""
        for line in self.lines(options.max_width):
            line.no_wrap, line.overflow = False, "fold"
            yield line

    def lines(self, width: int) -> list[Text]:
        """The lines for a terminal of some columns. Runs that do not fit beside each other come in groups."""
        facts = self._facts
        names = [f"{k}" for k in range(1, len(facts["runs"]) + 1)]
        head = [Text("Runs", style="bold")]
        for number, name, fact in zip(names, facts["runs"], facts["summaries"], strict=True):
            span = f"{fact['start']} to {fact['end']}, {w.many(fact['symbols'], 'symbol')}"
            head += layout.paragraph(f"{name}  {span}", width, label=f"{number}  ")
        warned = [line for warning in facts["warnings"] for line in layout.paragraph(warning, width, "yellow")]
        by: dict[tuple[str, ...], list[str]] = {}
        for number, fact in zip(names, facts["summaries"], strict=True):
            by.setdefault(tuple(fact["flattered_by"]), []).append(number)
        flattered = [
            line
            for said, numbers in by.items()
            if said
            for line in layout.paragraph(
                notes.sentences(f"Run{'s' * (len(numbers) > 1)} {', '.join(numbers)} flattered by: ", said),
                width,
                "yellow",
            )
        ]
        return layout.stacked(
            [
                head,
                warned,
                flattered,
                layout.titled("Figures (* the best)", _groups(names, self._figure_rows(), width)),
                self._settings(names, width),
                self._pairs(names, width),
                layout.titled("Correlation of returns", _groups(names, self._correlation_rows(names), width)),
            ]
        )

    def _figure_rows(self) -> list[tuple[str, ...]]:
        rows = []
        for one in _FIGURES:
            values = self._facts["metrics"].get(one.key)
            if values is None:
                continue
            best = self._facts["best"].get(one.key, ())
            marks = (_BEST if k in best else "  " for k in range(len(values)))
            rows.append((one.label, *(one.form(v) + mark for v, mark in zip(values, marks, strict=True))))
        return rows

    def _correlation_rows(self, names: Sequence[str]) -> list[tuple[str, ...]]:
        rows = self._facts["correlations"]
        return [(name, *(w.plain(value) for value in row)) for name, row in zip(names, rows, strict=True)]

    def _pairs(self, names: Sequence[str], width: int) -> list[Text]:
        """Which differences are more than chance, in a line each; many only as far as there is room."""
        by = dict(zip(self._facts["runs"], names, strict=True))
        pairs = [pair for pair in self._facts["pairs"] if pair["p"] is not None]
        if not pairs:
            return []
        shown = sorted(pairs, key=lambda pair: pair["p"])[:_PAIRS]
        told = [(pair, "Sharpe", pair, w.plain) for pair in shown]
        told += [(pair, "rank IC", pair["ic"], w.fine) for pair in shown if pair["ic"] is not None]
        header = ("", "", "differs by", "95 % interval", "by chance")
        rows = [
            (
                f"{by[pair['one']]} less {by[pair['other']]}",
                figure,
                form(one["difference"]),
                f"{form(one['low'])} to {form(one['high'])}",
                w.percent(one["p"]),
            )
            for pair, figure, one, form in told
        ]
        said = "paired stationary bootstrap over the sessions that both share"
        if len(pairs) > _PAIRS:
            said += f"; the {_PAIRS} least likely by chance of {len(pairs)}: --json has all"
        if layout.table_width(header, rows) <= width:
            lines = layout.table(header, rows)
        else:
            lines = [
                line
                for label, figure, apart, interval, chance in rows
                for line in layout.paragraph(
                    f"{figure} {apart} ({interval}), by chance {chance}", width, label=f"{label}  "
                )
            ]
        return layout.titled("Are the differences real?", [*lines, *layout.paragraph(said, width, "dim")])

    def _settings(self, names: Sequence[str], width: int) -> list[Text]:
        found = self._facts["differing_settings"]
        if not found:
            return [Text("Settings", style="bold"), Text("no setting differs")]
        rows = [(key, *(_ABSENT if value is None else str(value) for value in values)) for key, values in found.items()]
        header = ("", *names)
        if layout.table_width(header, rows) <= width:
            return layout.titled("Settings that differ", layout.table(header, rows))
        lines = [Text(", ".join(f"run {name}" for name in names), style="dim")]
        for key, *values in rows:
            if any(", " in value for value in values):  # a class with its arguments: a paragraph each
                lines.append(Text(key, style="dim"))
                for name, value in zip(names, values, strict=True):
                    lines += layout.paragraph(value, width, label=f"  {name}  ")
            else:
                lines += layout.paragraph(", ".join(values), width, label=f"{key}  ")
        return layout.titled("Settings that differ", lines)


def _groups(names: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[Text]:
    """A table with a column a run; where that is too wide, one below the other, of as many runs as fit."""
    for fit in range(len(names), 0, -1):
        starts = range(0, len(names), fit)
        headers = [("", *(f"{name}  " for name in names[k : k + fit])) for k in starts]
        cells = [[(row[0], *row[1 + k : 1 + k + fit]) for row in rows] for k in starts]
        if fit == 1 or all(layout.table_width(h, c) <= width for h, c in zip(headers, cells, strict=True)):
            return layout.stacked([layout.table(h, c, 1, _BEST) for h, c in zip(headers, cells, strict=True)])
    return []


def _warnings(results: Sequence[Result]) -> list[str]:
    found = []
    spans = {(str(one.dates[0]), str(one.dates[-1])) if one.dates.size else ("", "") for one in results}
    if len(spans) > 1:
        found.append("The runs do not cover the same sessions: figures of different spans do not compare.")
    if len({one.panel_fingerprint for one in results}) > 1:
        found.append("The runs were made on different market data.")
    if len({one.content_hash for one in results}) < len(results):
        found.append("At least two of the runs have the same orders and fills.")
    return found


def _figures(fact: dict[str, Any]) -> dict[str, Any]:
    """The figures of a run, with the rank IC of its scores where it had any."""
    quality = fact["settings"].get("signal_quality")
    metrics: dict[str, Any] = fact["metrics"]
    return metrics | ({"rank_ic": quality["rank_ic"]} if quality else {})


def _of_runs(names: Sequence[str], facts: Sequence[dict[str, Any]]) -> list[str]:
    """What of single runs must not be overlooked beside others: errors in their data, and halts that last."""
    found: dict[str, list[str]] = {}
    for name, fact in zip(names, facts, strict=True):
        if fact["data_check"]:
            found.setdefault(f"Data: {fact['data_check']}.", []).append(name)
        if fact["halted_since"]:
            found.setdefault(notes.halted(fact), []).append(name)
    return [f"{', '.join(runs)}: {said[:1].lower()}{said[1:]}" for said, runs in found.items()]


def _best(values: Sequence[Any], better: int) -> list[int]:
    """The places of the best values; none if they are all the same, or fewer than two are known."""
    known = {k: better * float(v) for k, v in enumerate(values) if isinstance(v, int | float) and not math.isnan(v)}
    if len(known) < 2 or len(set(known.values())) == 1:
        return []
    top = max(known.values())
    return [k for k, value in known.items() if value == top]


def _correlation(one: Result, other: Result) -> float:
    """The correlation of the returns on the sessions of both; NaN with fewer than two, or without variation."""
    _, left, right = np.intersect1d(one.dates, other.dates, return_indices=True)
    a, b = _returns(one)[left], _returns(other)[right]
    known = np.isfinite(a) & np.isfinite(b)
    a, b = a[known], b[known]
    if a.size < 2 or not a.std() > 1e-15 or not b.std() > 1e-15:
        return math.nan
    return float(np.corrcoef(a, b)[0, 1])


def _pairs(results: Sequence[Result], names: Sequence[str], studies: Studies) -> list[dict[str, Any]]:
    """Every two runs, by their net returns, and by their daily ICs, of the sessions that both share."""
    found = []
    for (one, name, study), (other, against, studied) in combinations(zip(results, names, studies, strict=True), 2):
        _, left, right = np.intersect1d(one.dates, other.dates, return_indices=True)
        told = plain(paired_sharpe(_returns(one)[left], _returns(other)[right]))
        found.append({"one": name, "other": against, **told, "ic": _paired_ic(study, studied)})
    return found


def _paired_ic(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The difference of two mean rank ICs; None where either is not known, or they look ahead over other horizons."""
    first, second = ((study or {}).get("signal") for study in (one, other))
    if not first or not second or first["horizon"] != second["horizon"]:
        return None
    days, daily = zip(*(_daily(signal) for signal in (first, second)), strict=True)
    _, left, right = np.intersect1d(days[0], days[1], return_indices=True)
    told: dict[str, Any] = plain(paired_mean(daily[0][left], daily[1][right]))
    return told if told["p"] is not None else None


def _daily(signal: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """The dates of the decisions, and the rank IC of each."""
    daily = signal["daily"]
    return np.array(daily["dates"], dtype="datetime64[D]"), np.array(daily["rank"], dtype=np.float64)


def _returns(result: Result) -> np.ndarray:
    found: np.ndarray = result.equity.to_numpy()
    before = np.concatenate(([result.cash], found[:-1]))
    returns: np.ndarray = np.divide(found, before, out=np.full(found.size, np.nan), where=before > 0.0) - 1.0
    return returns
