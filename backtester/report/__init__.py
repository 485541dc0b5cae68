"""What a finished run looks like to a reader."""

from backtester.report.facts import summarise
from backtester.report.summary import print_summary

__all__ = ["print_summary", "summarise"]
