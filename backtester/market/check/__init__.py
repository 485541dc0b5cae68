"""The check of a market: every problem at once, grouped by kind, with examples and advice. Nothing is altered.

What is looked for, and from when on it counts, stands in docs/checks.md; the thresholds are constants of the modules
here: `fields` (single bars), `runs` (sessions in a row), `copies` (bars that stand twice), `moves` and `jumps` (large
moves), `listed` (splits and dividends), `universe` (first and last bars, members), `calendars` (sessions), `aside`
(rows that an import set aside).
"""

from backtester.market.check.dataset import check_dataset
from backtester.market.check.panel import check_panel
from backtester.market.check.report import CheckReport, Example, Problem

__all__ = ["CheckReport", "Example", "Problem", "check_dataset", "check_panel"]
