"""The screen of a finished run: what it is, what flatters it, and how it went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from backtester.engine.types import L_EQUITY
from backtester.report import figures as f
from backtester.report import layout, notes
from backtester.report import words as w
from backtester.report.facts import families, summarise
from backtester.report.monthly import month_table
from backtester.report.spark import ASCII, BLOCKS, can_show, sparkline
from backtester.result import Result

_LEAST, _MOST = 40, 160  # columns that are used of a terminal
_TWO_COLUMNS = 110  # from this width on, sections stand side by side
_TRIPS = 12  # breakers shown one by one
_NOT_YET = "not yet"
# Settings that do nothing without one of these.
_ONLY_WITH = {
    "cap_on": ("volume_cap",),
    "period": ("max_period_loss",),
    "guard_action": ("guard_gross", "guard_net", "min_fresh", "max_unscored", "guard_equal_scores"),
}
_MEMBERS = 5  # of the scores, shown one by one
_FAILED = 3  # models whose training failed, shown one by one
_LABEL = 12  # characters before a paragraph of the heading


def print_summary(result: Result, console: Console | None = None, dataset: str = "") -> None:
    """Print the summary to the terminal, or to ``console``; ``dataset``: the path of the data, if it is known."""
    (console or Console()).print(Summary(result, dataset))


class Summary:
    """The summary of a run, as something that rich can print: it fits the width and the characters of the terminal."""

    def __init__(self, result: Result, dataset: str = "") -> None:
        """Gather what there is to say; ``dataset``: the path of the data, if it is known."""
        self._facts, self._dataset = summarise(result), dataset
        self._equity = np.concatenate(([result.cash], result.tape.ledger[:, L_EQUITY]))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines."""
        for line in self.lines(options.max_width, can_show(options.encoding)):
            line.no_wrap, line.overflow = False, "fold"
            yield line

    def lines(self, width: int, blocks: bool = True) -> list[Text]:
        """The lines for a terminal of some columns; ``blocks``: whether it can show block characters."""
        width = min(max(width, _LEAST), _MOST)
        facts, half = self._facts, (min(width, _MOST) - 4) // 2
        wide = width >= _TWO_COLUMNS
        inner = half if wide else width
        left = [self._returns(inner), self._benchmark(inner), self._falls(inner)]
        right = [self._trading(inner), self._legs(), self._costs(), self._signal(inner), self._earned(inner)]
        body: list[Sequence[Text]] = [self._without(width), self._trips(width)]
        if wide:
            body.append(layout.side_by_side(layout.stacked(left), layout.stacked(right)))
            body.append(self._months(width))
        else:
            body += [left[0], self._months(width), left[2], *right, left[1]]
        body.append(self._happened(width))
        head = [self._heading(width), self._curve(width, BLOCKS if blocks else ASCII)]
        return layout.stacked(head + (body if facts["sessions"] else [self._happened(width)]))

    def _heading(self, width: int) -> list[Text]:
        facts, settings = self._facts, self._facts["settings"]
        span = f"{facts['start']} to {facts['end']}" if facts["sessions"] else "no sessions"
        size = [w.many(facts["sessions"], "session")] if facts["sessions"] else []
        size.append(w.many(facts["symbols"], "symbol"))
        market = settings.get("market") or {}
        if market.get("basis"):
            size.append(f"prices {str(market['basis']).replace('_', ' ')}")
        lines = [Text(facts["name"], style="bold"), *layout.paragraph(", ".join([span, *size]), width)]
        for label, said in _terms(settings):
            lines += layout.paragraph(said, width, label=label.ljust(_LABEL))
        for text, style in notes.head(facts, self._dataset):
            lines += layout.paragraph(text, width, style)
        return lines

    def _curve(self, width: int, levels: str) -> list[Text]:
        if not self._facts["sessions"]:
            return []
        metrics = self._facts["metrics"]
        amounts = f"{w.money(metrics['start_equity'])} to {w.money(metrics['end_equity'])}"
        beside = width - len(amounts) - 2
        if beside >= 24:
            line = Text(sparkline(self._equity, beside, levels), style="cyan")
            return [line.append(f"  {amounts}", style="not dim default")]
        return [Text(sparkline(self._equity, width, levels), style="cyan"), Text(amounts)]

    def _without(self, width: int) -> list[Text]:
        """The main figures with the breakers and without them, where one tripped."""
        other = self._facts["without_breakers"]
        if other is None and self._facts["breakers"]:
            missing = "There are no figures without breakers: bt.run(..., counterfactual=True) makes that run too."
            return layout.paragraph(missing, width)
        if other is None:
            return []
        metrics = self._facts["metrics"]
        rows = [
            (one.label, one.form(metrics[one.key]), one.form(other.get(one.key)))
            for one in f.MAIN
            if one.key in metrics
        ]
        return layout.titled(
            "What the breakers did", layout.table(("", "with breakers", "without"), rows), style="bold red"
        )

    def _trips(self, width: int) -> list[Text]:
        trips = self._facts["breakers"]
        header = ("", "breaker", "was", "limit", "equity", "active again")
        rows = [
            (
                trip["date"],
                trip["event"].replace("_", " "),
                _measured(trip),
                w.percent(trip["limit"]),
                w.money(trip["equity"]),
                trip["active_again"] or _NOT_YET,
            )
            for trip in trips[:_TRIPS]
        ]
        if layout.table_width(header, rows) <= width:
            lines = layout.table(header, rows, 2) if rows else []
        else:
            said = [(t["date"], f"{t['cause']}, equity {w.money(t['equity'])}", _again(t)) for t in trips[:_TRIPS]]
            lines = [
                line
                for date, cause, again in said
                for line in layout.paragraph(cause + again, width, label=f"{date}  ")
            ]
        if len(trips) > _TRIPS:
            lines.append(Text(f"and {len(trips) - _TRIPS:,} more: see result.events", style="dim"))
        return layout.titled("Breakers", lines, style="bold red")

    def _returns(self, width: int) -> list[Text]:
        return layout.titled("Return and risk", layout.grid(f.pairs(f.RETURN_AND_RISK, self._facts["metrics"]), width))

    def _months(self, width: int) -> list[Text]:
        return layout.titled("Returns by month, %", month_table(self._facts["monthly"], width))

    def _falls(self, width: int) -> list[Text]:
        header = ("depth", "from", "to", "recovered", "sessions")
        rows = [
            (
                w.percent(fall.get("depth")),
                w.text(fall.get("peak")),
                w.text(fall.get("trough")),
                w.text(fall.get("recovered") or _NOT_YET),
                w.count(fall.get("sessions")),
            )
            for fall in self._facts["drawdowns"]
        ]
        if not rows:
            return []
        if layout.table_width(header, rows) <= width:
            lines = layout.table(header, rows, 0)
        else:
            lines = [
                line
                for depth, first, low, back, length in rows
                for line in layout.paragraph(
                    f"{first} to {low}, {_back(back)}, {length} sessions", width, label=f"{depth:>7}  "
                )
            ]
        longest = w.sessions(self._facts["metrics"]["longest_drawdown_sessions"])
        return layout.titled("Worst drawdowns", [*lines, Text(f"the longest took {longest}", style="dim")])

    def _trading(self, width: int) -> list[Text]:
        metrics = self._facts["metrics"]
        shown = f.pairs(f.TRADING, metrics) + f.pairs(f.BOOK, metrics)
        lines = layout.grid(shown, width)
        if metrics["first_position"]:
            before, held = w.sessions(metrics["sessions_before_position"]), w.sessions(metrics["sessions_invested"])
            said = [f"first position {metrics['first_position']}, {before} before it, {held} with a position"]
            if metrics["exposure_gross_max_date"]:
                said.append(f"gross exposure was largest on {metrics['exposure_gross_max_date']}")
            lines += layout.paragraph("; ".join(said), width, "dim")
        return layout.titled("Trading and book", lines)

    def _legs(self) -> list[Text]:
        metrics = self._facts["metrics"]
        rows = [
            (label, long.form(metrics[long.key]), short.form(metrics[short.key]))
            for label, long, short in f.LEGS
            if long.key in metrics and short.key in metrics
        ]
        return layout.titled("Long and short", layout.table(("", "long", "short"), rows)) if rows else []

    def _costs(self) -> list[Text]:
        """From what the positions earned to what was left: arithmetic, so that it adds up, unlike the CAGR."""
        metrics = self._facts["metrics"]
        figures = [(label, w.signed(side * metrics[key])) for label, key, side in f.GROSS_TO_NET]
        return layout.titled("From gross to net, a year, arithmetic", layout.grid(figures, 0))

    def _benchmark(self, width: int) -> list[Text]:
        metrics = self._facts["metrics"]
        if not metrics.get("benchmark"):
            return []
        title = f"Against the benchmark {metrics['benchmark']}"
        return layout.titled(title, layout.grid(f.pairs(f.BENCHMARK, metrics), width))

    def _signal(self, width: int) -> list[Text]:
        """How well the scores ordered what followed."""
        told = self._facts["settings"].get("signal_quality")
        if not told:
            return []
        horizon = told["horizon"]
        pairs = [(label, form(told[key])) for label, key, form in f.SIGNAL]
        said = f"{w.class_name(told['source']) or 'planted in the market'}, rank IC at a horizon of {horizon:,}"
        if horizon > 1:
            said += f"; labels overlap, so the standard error counts every {horizon:,} sessions as one"
        members = _members(told)
        lines = layout.grid(pairs, width) + (layout.paragraph(members, width) if members else [])
        learning = told.get("learning")
        if learning:
            failed = _failed(learning)
            lines += layout.paragraph(failed, width, "yellow") if failed else []
            lines += layout.paragraph(_learnt(learning), width)
        return layout.titled("Signal", [*lines, *layout.paragraph(said, width, "dim")])

    def _earned(self, width: int) -> list[Text]:
        """Which symbols made the result."""
        told = self._facts["contributors"]
        if told is None:
            return []
        rows = [
            (one["symbol"], w.money(one["net"]), f"{w.percent(one['share'], places=1)} of all {word}")
            for side, word in (("best", "gains"), ("worst", "losses"))
            for one in told[side]
        ]
        if not rows:
            return []
        lines = layout.table(("", "net", ""), rows)
        lines += layout.paragraph(f"{told['alone']}.", width, "yellow") if told["alone"] else []
        return layout.titled("Where the money came from", lines)

    def _happened(self, width: int) -> list[Text]:
        lines: list[Text] = []
        for family, counts in families(self._facts["events"]).items():
            said = ", ".join(f"{label.replace('_', ' ')} {number:,}" for label, number in counts.items())
            lines += layout.paragraph(said, width, label=family.ljust(_LABEL))
        resting = self._facts["resting"]
        if resting:
            lines.append(Text(f"{resting:,} order{'s rest' if resting > 1 else ' rests'} for the next trading day"))
        return layout.titled("Events", lines)


def _terms(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was run, and on which terms: a line each."""
    found = []
    scores = settings.get("scores") or {}
    for label, told in (
        ("strategy", settings.get("strategy")),
        ("signal", scores.get("signal")),
        ("folds", scores.get("folds")),
    ):
        if told:
            name = w.class_name(str(told.get("class", "")))
            found.append((label, f"{name}  {w.listed(told, ('class',))}".strip()))
    file = settings.get("scores_file")
    if file:
        found.append(("scores", f"{file['name']}  {file['known']:,} scores, SHA-256 {file['sha256'][:12]}"))
    for key, off in (("costs", "none"), ("risk", "no limits and no breakers"), ("execution", "none")):
        if key in settings:
            told = settings[key]
            found.append((key, (w.listed(_telling(told)) if told is not None else "") or off))
    return found


def _members(quality: Mapping[str, Any]) -> str:
    """How far the members of the scores, such as the seeds of an ensemble, are apart; nothing where there are none."""
    members = quality.get("members")
    if not members:
        return ""
    single = w.many(len(members), "single member")
    sessions = quality.get("members_sessions", {})
    if quality["members_mean"] is None and any(ic is not None for ic in members.values()):
        shown = [f"{name} {w.fine(ic)} ({w.sessions(sessions.get(name))})" for name, ic in members.items()]
        more = [f"and {len(shown) - _MEMBERS:,} more"] if len(shown) > _MEMBERS else []
        listed = ", ".join([*shown[:_MEMBERS], *more])
        return f"rank IC {w.fine(quality['rank_ic'])}; {single}, not of the same sessions: {listed}"
    each = ", ".join(f"{name} {w.fine(ic)}" for name, ic in members.items()) if len(members) <= _MEMBERS else ""
    low, high, mean = (w.fine(quality[f"members_{key}"]) for key in ("low", "high", "mean"))
    told = f"rank IC {w.fine(quality['rank_ic'])}; {single} {low} to {high}, mean {mean}"
    return f"{told}: {each}" if each else told


def _failed(learning: Mapping[str, Any]) -> str:
    """Which models failed in training; nothing where none did."""
    failed = learning["failed"]
    if not failed:
        return ""
    shown = [f"fold {one['fold']} {one['model']}, epoch {one['epoch']} ({one['note']})" for one in failed[:_FAILED]]
    more = [f"and {len(failed) - _FAILED:,} more"] if len(failed) > _FAILED else []
    listed = ", ".join([*shown, *more])
    return f"{len(failed):,} of {w.many(learning['models'], 'model')} failed in training: {listed}"


def _learnt(learning: Mapping[str, Any]) -> str:
    """How long models learnt, and what came of it."""
    low, high = learning["epoch_low"], learning["epoch_high"]
    what = "lowest validation loss" if learning["by"] == "valid_loss" else "last training loss"
    if low is None:
        return f"learning: {w.many(learning['models'], 'model')}, no loss is known; learning.parquet has the curves"
    epochs = f"epoch {low}" if low == high else f"epochs {low} to {high}"
    least, most = w.fine(learning["loss_low"]), w.fine(learning["loss_high"])
    losses = least if least == most else f"{least} to {most}"
    return f"learning: {what} {losses}, at {epochs}; learning.parquet has the curves"


def _back(recovered: str) -> str:
    return "not recovered" if recovered == _NOT_YET else f"recovered {recovered}"


def _telling(told: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a section that do something."""
    idle = {key for key, others in _ONLY_WITH.items() if not any(told.get(other) for other in others)}
    return {key: value for key, value in told.items() if value not in (0.0, (), []) and key not in idle}


def _measured(trip: Mapping[str, Any]) -> str:
    return w.count(trip["value"]) if trip["event"] == "guard_equal_scores" else w.percent(trip["value"])


def _again(trip: Mapping[str, Any]) -> str:
    return f", active again {trip['active_again']}" if trip["active_again"] else ", not active again yet"
