"""What a reader must know before the figures: the lines at the head of a summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backtester.report import words as w

_IDLE = 0.05  # share of the sessions before the first position, or after the last, from which on it is said
NOT_CHECKED = "not checked"


def data_check(settings: Mapping[str, Any]) -> str:
    """What the check of the dataset says of a run on it; nothing if there is no error, or no dataset."""
    if "data_check" not in settings:
        return ""
    if settings["data_check"] is None:
        return NOT_CHECKED
    errors = settings["data_check"]["errors"]
    listed = ", ".join(f"{kind} {count:,}" for kind, count in errors.items())
    return f"the check found errors ({listed})" if listed else ""


def head(facts: Mapping[str, Any], dataset: str = "") -> list[tuple[str, str]]:
    """The lines at the head, each with its style, the gravest first.

    Args:
        facts: those of `summarise`.
        dataset: the path of the data, if it is known.
    """
    found = []
    checked = facts["data_check"]
    if checked:
        bad = checked != NOT_CHECKED
        where = f"`data check {dataset or 'PATH'}` {'says where' if bad else 'does it'}"
        found.append((f"Data: {checked}; {where}.", "red" if bad else "yellow"))
    if facts["no_fill"]:
        found.append((f"no fill: {facts['no_fill']}.", "red"))
    if facts["wiped_out"]:
        text = f"Wiped out on {facts['wiped_out']}: no equity is left, and ratios leave the sessions after it out."
        found.append((text, "red"))
    if facts["halted_since"]:
        found.append((halted(facts), "red"))
    if facts["flattered_by"]:
        found.append((sentences("Flattered by: ", facts["flattered_by"]), "yellow"))
    if facts["leaves_out"]:
        found.append((sentences("Leaves out: ", facts["leaves_out"]), ""))
    return found + [(text, "yellow") for text in _idle(facts)]


def halted(facts: Mapping[str, Any]) -> str:
    """Since when a breaker holds the book, which it still does at the end."""
    if facts["status"] == "reducing":
        return f"Reducing since {facts['halted_since']}: no position may grow."
    return f"Halted since {facts['halted_since']}: positions are closed and nothing else is ordered."


def sentences(label: str, parts: Sequence[str]) -> str:
    """Parts in a sentence, with semicolons between; a part that has some itself is a sentence of its own."""
    short = [part for part in parts if ";" not in part]
    long = [f"{part[:1].upper()}{part[1:]}." for part in parts if ";" in part]
    return " ".join([*([f"{label}{'; '.join(short)}."] if short else [label.rstrip()]), *long])


def _idle(facts: Mapping[str, Any]) -> list[str]:
    metrics, sessions = facts["metrics"], facts["sessions"]
    before, after = metrics["sessions_before_position"], facts["sessions_after_position"]
    found = []
    if metrics["first_position"] and before > _IDLE * sessions:
        found.append(
            f"{before:,} of {w.many(sessions, 'session')} were before the first position; every figure includes them. "
            f"Since then: Sharpe ratio {w.plain(metrics['sharpe_invested'])}, volatility "
            f"{w.percent(metrics['volatility_invested'])}."
        )
    if metrics["first_position"] and after > _IDLE * sessions and not (facts["halted_since"] or facts["wiped_out"]):
        found.append(
            f"Nothing was held in the last {after:,} of {w.many(sessions, 'session')}; every figure includes them. Do "
            "the scores end before the data?"
        )
    return found
