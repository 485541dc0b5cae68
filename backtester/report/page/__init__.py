"""A finished run, or a bench, as a page: one HTML file that opens without a network; its charts as pictures."""

from backtester.report.page.bench import bench_charts, bench_page
from backtester.report.page.charts import Chart
from backtester.report.page.png import write_pngs
from backtester.report.page.run import run_charts, run_page

__all__ = ["Chart", "bench_charts", "bench_page", "run_charts", "run_page", "write_pngs"]
