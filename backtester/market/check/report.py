"""What a check says: problems by kind with examples, as a page for a terminal and as JSON."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

SEVERITIES = ("error", "warning", "note")
_HEADINGS = {
    "error": "ERRORS: a backtest on these data would be wrong",
    "warning": "WARNINGS: look at these before you trust a result",
    "note": "NOTES: usually harmless, but good to know",
}
FORMAT = 1
# Examples of a kind in the short report.
_FEW = 3


class Example(NamedTuple):
    """One place where a problem shows. What does not apply is None."""

    symbol: str | None
    date: str | None  # ISO; of a run, its first session
    column: str | None
    value: float | str | None
    detail: str  # what is wrong there, in words


@dataclass(frozen=True)
class Problem:
    """Everything of one kind that was found."""

    kind: str
    severity: str  # error, warning or note
    count: int  # how many, in units
    unit: str  # what is counted: bars, sessions, symbols, ...
    explanation: str
    advice: str
    symbols: tuple[str, ...]  # all symbols concerned, sorted; empty if none can be named
    examples: tuple[Example, ...]  # the worst first, then by date and symbol


@dataclass(frozen=True)
class CheckReport:
    """What was checked and what was found. Nothing was altered."""

    sessions: int
    symbols: int
    bars: int
    first: str | None  # date of the first session
    last: str | None
    basis: str
    fingerprint: str | None  # of the dataset; None for a panel that was not loaded from one
    checked: tuple[str, ...]  # kinds that were looked for
    skipped: tuple[str, ...]  # what was not checked and why
    problems: tuple[Problem, ...]  # errors, warnings, notes; in a fixed order of kinds

    def count(self, severity: str) -> int:
        """The number of kinds of problem of a severity."""
        return sum(problem.severity == severity for problem in self.problems)

    def find(self, kind: str) -> Problem | None:
        """The problem of a kind, or None if there is none."""
        return next((problem for problem in self.problems if problem.kind == kind), None)

    def summary(self) -> str:
        """One paragraph: what was checked and what came of it."""
        span = f", {self.first} to {self.last}" if self.first else ""
        found = [several(self.count(name), f"kind of {name}", f"kinds of {name}") for name in SEVERITIES]
        text = (
            f"Checked {self.bars:,} bars of {several(self.symbols, 'symbol')} in "
            f"{several(self.sessions, 'session')}{span}, prices {self.basis}, for {len(self.checked)} kinds of "
            f"problem: {found[0]}, {found[1]} and {found[2]} found. "
        )
        if not self.bars:
            return text + "There is no bar, so there is nothing to backtest. Nothing was altered."
        if self.count("error"):
            errors = ", ".join(f"{one.kind} {one.count:,}" for one in self.problems if one.severity == "error")
            return (
                text
                + f"Mend the errors before a backtest on these data ({errors}): each says how. Nothing was altered."
            )
        if self.count("warning"):
            return text + "No error; look at the warnings, most have a reason. Nothing was altered."
        if self.problems:
            return text + "No error and no warning; the notes say what else there is to know. Nothing was altered."
        return text + "Nothing was found that stands in the way of a backtest. Nothing was altered."

    def brief(self, folder: str, width: int = 100) -> list[str]:
        """The report in short, for the end of an import: few examples, and of notes one line a kind.

        Args:
            folder: the dataset's, which the last line says how to check.
            width: columns to fill.
        """
        out = _wrapped(self.summary(), "", width)
        for severity in ("error", "warning"):
            some = [problem for problem in self.problems if problem.severity == severity]
            if some:
                out += ["", *_wrapped(_HEADINGS[severity], "", width)]
            for problem in some:
                few = replace(problem, examples=problem.examples[:_FEW])
                out += ["", *_problem_lines(few, width)]
        notes = [problem for problem in self.problems if problem.severity == "note"]
        if notes:
            out += ["", *_wrapped(_HEADINGS["note"], "", width), ""]
            out += [line for one in notes for line in _wrapped(f"{_counted(one)}. {one.explanation}", "", width, "  ")]
        more = "More of it, and what was not checked" if self.skipped else "More of it"
        return [*out, "", f"{more}: python -m backtester data check {shlex.quote(folder)}"]

    def lines(self, width: int = 100) -> list[str]:
        """The report for a terminal: the summary, then the kinds by severity with examples and advice."""
        out = _wrapped(self.summary(), "", width)
        for severity in SEVERITIES:
            some = [problem for problem in self.problems if problem.severity == severity]
            if some:
                out += ["", *_wrapped(_HEADINGS[severity], "", width)]
            for problem in some:
                out += ["", *_problem_lines(problem, width)]
        if self.skipped:
            out += ["", *(line for text in self.skipped for line in _wrapped(f"Not checked: {text}", "", width))]
        return out

    def to_json(self) -> dict[str, Any]:
        """The whole report as plain data that JSON can hold; the same content gives the same."""
        head: dict[str, Any] = {"format": FORMAT, "counts": {name: self.count(name) for name in SEVERITIES}}
        own = {part.name: _plain(getattr(self, part.name)) for part in fields(self)}
        return head | own | {"problems": [_problem_json(problem) for problem in self.problems]}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> CheckReport:
        """The report that `to_json` gave."""
        given = {part.name: content[part.name] for part in fields(cls)}
        given["problems"] = tuple(_problem_from(one) for one in content["problems"])
        given["checked"], given["skipped"] = tuple(content["checked"]), tuple(content["skipped"])
        return cls(**given)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _problem_json(problem: Problem) -> dict[str, Any]:
    own = {part.name: _plain(getattr(problem, part.name)) for part in fields(problem)}
    return own | {"examples": [example._asdict() for example in problem.examples]}


def _problem_from(content: Mapping[str, Any]) -> Problem:
    given = {part.name: content[part.name] for part in fields(Problem)}
    given["symbols"] = tuple(content["symbols"])
    given["examples"] = tuple(Example(**example) for example in content["examples"])
    return Problem(**given)


def _counted(problem: Problem) -> str:
    """The kind and how often: ``long_gap: 3 gaps of 2 symbols``."""
    count = several(problem.count, problem.unit[:-1], problem.unit)
    if problem.symbols and problem.unit != "symbols":
        count += f" of {several(len(problem.symbols), 'symbol')}"
    return f"{problem.kind}: {count}"


def _problem_lines(problem: Problem, width: int) -> list[str]:
    out = [_counted(problem), *_wrapped(problem.explanation, "  ", width)]
    shown = [_example_cells(example) for example in problem.examples]
    wide = [max((len(cells[k]) for cells in shown), default=0) for k in range(3)]
    for cells in shown:
        head = "    " + "  ".join(cell.ljust(size) for cell, size in zip(cells, wide, strict=False) if size)
        room = "\n" + " " * 6
        out += _wrapped(f"{head}  {cells[3]}".rstrip(), "", width, room[1:])
    if problem.count > len(problem.examples) > 0:
        out.append(f"    and {problem.count - len(problem.examples):,} more")
    return out + _wrapped(f"What to do: {problem.advice}", "  ", width)


def _example_cells(example: Example) -> tuple[str, str, str, str]:
    value = "" if example.value is None else number(example.value)
    field = " ".join(word for word in (example.column or "", value) if word)
    return example.symbol or "", example.date or "", field, example.detail


def number(value: float | str) -> str:
    """A value as it is shown: text as it is, numbers with up to 6 digits."""
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 1e6 else f"{value:.6g}"


def several(count: int, one: str, many: str = "") -> str:
    """``1 bar``, ``2 bars``; where a plural is given, ``no bar`` for none."""
    if not count and many:
        return f"no {one}"
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _wrapped(text: str, indent: str, width: int, then: str | None = None) -> list[str]:
    return textwrap.wrap(
        text,
        width=width,
        initial_indent=indent,
        subsequent_indent=indent if then is None else then,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )


def names_of(symbols: tuple[str, ...], columns: Iterable[int]) -> tuple[str, ...]:
    """The symbols of some columns, in their order (symbols of a panel are sorted)."""
    return tuple(symbols[int(k)] for k in columns)
