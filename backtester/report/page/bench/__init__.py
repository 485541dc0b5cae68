"""The page of a bench: variants and baselines side by side, and how much of it is luck."""

from backtester.report.page.bench.page import bench_charts, bench_page

__all__ = ["bench_charts", "bench_page"]
