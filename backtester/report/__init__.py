"""What a finished run looks like to a reader."""

from backtester.report.summary import print_summary, summarise

__all__ = ["print_summary", "summarise"]
