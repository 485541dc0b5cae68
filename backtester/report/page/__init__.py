"""A finished run as a page: one HTML file that opens without a network, and its charts as pictures."""

from backtester.report.page.charts import Chart
from backtester.report.page.png import write_pngs
from backtester.report.page.run import run_charts, run_page

__all__ = ["Chart", "run_charts", "run_page", "write_pngs"]
