"""Summaries as they are printed, for the tests of what they say."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import numpy as np
from results import make_result
from rich.console import Console
from small import Does, panel

import backtester as bt
from backtester.engine import types as t
from backtester.portfolio.settings import Costs, Execution, RiskLimits
from backtester.report.summary import print_summary
from backtester.result import Result

WIDTHS = (40, 50, 60, 72, 80, 100, 120, 160, 200)


def printed(result: Result, width: int = 100) -> str:
    console = Console(width=width, record=True, file=io.StringIO(), legacy_windows=False)
    print_summary(result, console)
    return console.export_text()


def one_line(text: str) -> str:
    return " ".join(text.split())


def settings(costs: Costs | None = None, risk: RiskLimits | None = None, **execution: Any) -> dict[str, Any]:
    return {
        "costs": None if costs is None else dataclasses.asdict(costs),
        "risk": None if risk is None else dataclasses.asdict(risk),
        "execution": dataclasses.asdict(Execution(**execution)),
    }


def long_run(**options: Any) -> Result:
    """Three symbols over 90 sessions, the first held long and the second short; they rise and fall a little."""
    days = np.arange(90)
    close = np.column_stack([50 + np.sin(days / 5), 20 + np.cos(days / 7), 30 + days / 30])
    return bt.run(
        panel(close), Does(lambda view: np.array([0.5, -0.5, 0.0]), every=10), cash=1e6, **options
    )  # fmt: skip


def tripped(**numbers: tuple[float, float, float]) -> Result:
    """A handmade result with breakers, one a day from the second day on, and a re-arming as ``rearmed``."""
    names = [name for name, _, _ in t.EVENTS]
    rows = [(day, names.index(name), -1) for day, name in enumerate(numbers, 1)]
    tape = make_result().tape._replace(
        event_i=np.array(rows, np.int32).reshape(-1, 3), event_f=np.array(list(numbers.values()))
    )
    return make_result(tape=tape)
