"""The charts of a page: that plotly takes them, that their numbers are right, and that thinning loses no low."""

from __future__ import annotations

import json
import re

import numpy as np
import page_cases as cases
import plotly.graph_objects as go
import pytest
from results import make_result

from backtester import metrics
from backtester.engine import types as t
from backtester.report.page import book, charts, document, performance, png, quality, run_charts
from backtester.report.page.spans import Spans

DATES = np.arange("2020-01-01", "2020-02-10", dtype="datetime64[D]")  # 40
CSS = document._file("page.css")


def every_chart():
    some = [run_charts(cases.learnt_run(), cases.full_study(300)), run_charts(cases.hostile_run(), cases.full_study(3))]
    some += [run_charts(run, None) for run in (cases.rule_run(3), cases.wiped_run(), cases.broken_run())]
    return [pytest.param(chart, id=f"{k}-{chart.key}") for k, group in enumerate(some) for chart in group]


@pytest.mark.parametrize("chart", every_chart())
def test_plotly_takes_it(chart):
    go.Figure(chart.figure)  # raises for a key that it does not know
    json.dumps(chart.figure, allow_nan=False)
    named = set(re.findall(r"var\((--[\w-]+)\)", json.dumps(chart.figure)))
    assert named
    dark = CSS.partition("prefers-color-scheme: dark")[2]
    assert named <= document.light_colors().keys()
    assert all(f"{name}:" in dark.partition("* {")[0] for name in named)
    assert "var(" not in json.dumps(png.painted(chart.figure, document.light_colors()))


def test_plotly_refuses_what_it_does_not_know():
    with pytest.raises(ValueError, match="lime"):
        go.Figure({"data": [{"type": "scatter", "lime": {"color": "var(--a)"}}]})


def test_growth_and_drawdown():
    # 1.1 * 0.5 = 0.55, unknown, 0.55 * 2 = 1.1. Equity 110, 55, 55, 110 below a peak of 110: 0, -0.5, -0.5, 0.
    returns = np.array([0.1, -0.5, np.nan, 1.0])
    assert performance.growth(returns) == pytest.approx([0.1, -0.45, -0.45, 0.1], abs=1e-15)
    under = performance.below_peak(np.array([110.0, 55.0, 55.0, 110.0]), 100.0)
    assert under == pytest.approx([0.0, -0.5, -0.5, 0.0], abs=1e-15)
    # A first session below the cash is below the peak already.
    assert performance.below_peak(np.array([90.0]), 100.0) == pytest.approx([-0.1], abs=1e-15)


def test_the_drawn_drawdown_is_the_metric_however_thin():
    rng = np.random.default_rng(0)
    equity = 100.0 * np.cumprod(1.0 + 0.02 * rng.standard_normal(9_001))
    dates = np.datetime64("1980-01-01") + np.arange(9_001)
    chart = performance.equity_chart(dates, equity, 100.0)
    run, fall = chart.figure["data"]
    assert len(run["x"]) == len(fall["y"]) == charts.MOST_POINTS
    assert run["x"][-1] == str(dates[-1])
    # Six digits are kept: half a unit of the sixth of 0.1 and more is 5e-7.
    assert -min(fall["y"]) == pytest.approx(metrics.max_drawdown(equity, 100.0).depth, abs=5e-7)
    assert run["y"][-1] == pytest.approx(equity[-1] / 100.0 - 1.0, rel=5e-6)


@pytest.mark.parametrize("count", [0, 1, 1249, 1250, 1251, 2499, 2500, 9_001, 123_457])
def test_thinning_keeps_the_last_of_every_bucket(count):
    rows = charts.kept(count)
    assert len(rows) == min(count, charts.MOST_POINTS)
    assert count == 0 or rows[-1] == count - 1
    gaps = np.diff(rows, prepend=-1)
    assert gaps.size == 0 or (gaps.min() >= 1 and gaps.max() - gaps.min() <= 1)


def test_thinning_keeps_every_low():
    x = np.arange(7.0)
    x[3] = -5.0
    assert charts.lowest(x, charts.kept(7, 3)).tolist() == [0.0, -5.0, 4.0]  # buckets 0-1, 2-3, 4-6


@pytest.mark.parametrize("window", [2, 21, 60])
def test_rolling_sharpe_is_that_of_each_window(window):
    returns = np.random.default_rng(1).normal(0.001, 0.01, 60)
    returns[7] = np.nan
    found = performance.rolling_sharpe(returns, window)
    for row in range(60):
        span = returns[row + 1 - window : row + 1] if row + 1 >= window else returns[:0]
        expected = metrics.sharpe_ratio(span) if span.size and np.isfinite(span).all() else np.nan
        # Sums of at most 60 terms in another order: some 60 units of the last place of numbers near 1.
        assert found[row] == pytest.approx(expected, rel=1e-12, nan_ok=True)


def test_rolling_sharpe_of_what_does_not_vary_is_unknown():
    assert np.isnan(performance.rolling_sharpe(np.full(30, 0.001), 21)).all()
    assert np.isnan(performance.rolling_sharpe(np.zeros(5), 21)).all()


@pytest.mark.parametrize(("sessions", "window"), [(3, 0), (31, 0), (32, 21), (94, 21), (95, 63), (377, 63), (378, 252)])
def test_the_window_fits_the_run(sessions, window):
    assert performance.window_of(sessions) == window


def test_the_distribution_counts_every_session():
    returns = np.append(np.random.default_rng(2).normal(0.0, 0.01, 400), np.nan)
    chart = performance.distribution_chart(returns)
    bars, bell = chart.figure["data"]
    assert sum(bars["y"]) == 400
    # The area below the normal curve is that of the bars: 400, less what lies beyond the extremes (0.3 % and less).
    assert sum(bell["y"]) == pytest.approx(400, rel=0.01)
    assert performance.distribution_chart(np.zeros(50)) is None
    assert performance.distribution_chart(np.array([0.1, np.nan, 0.2])) is None


def test_in_sample_is_shaded_and_folds_are_ticked():
    marks = [performance.Mark(25, "a <b>cause</b>")]
    chart = performance.equity_chart(
        DATES, np.linspace(100, 80, 40), 100.0, marks=marks, spans=Spans(10, (10, 20, 30), "told")
    )
    shade, *ticks = chart.figure["layout"]["shapes"]
    assert (shade["x0"], shade["x1"]) == ("2020-01-01", "2020-01-11")
    assert [tick["x0"] for tick in ticks] == ["2020-01-11", "2020-01-21", "2020-01-31"]
    mark = next(one for one in chart.figure["data"] if one["name"] == "breaker")
    assert mark["x"] == ["2020-01-26"]
    assert mark["y"] == [pytest.approx(np.linspace(100, 80, 40)[25] / 100 - 1.0, abs=5e-7)]
    assert mark["text"] == ["a &lt;b&gt;cause&lt;/b&gt;"]
    assert "A breaker tripped 1 time." in chart.said
    assert chart.note == "told"


def test_exposures_and_turnover():
    ledger = np.zeros((40, t.LEDGER))
    ledger[:, t.L_EQUITY], ledger[:, t.L_LONG], ledger[:, t.L_SHORT] = 200.0, 120.0, 60.0
    ledger[3, t.L_EQUITY] = 0.0  # no equity: a gap
    ledger[:, t.L_TRADED] = 20.0
    long, short, gross, net = (one["y"] for one in book.exposure_chart(DATES, ledger).figure["data"])
    assert (long[0], short[0], gross[0], net[0]) == pytest.approx((0.6, -0.3, 0.9, 0.3), abs=1e-12)
    assert long[3] is None
    bars = book.turnover_chart(DATES, ledger, 100.0).figure["data"][0]
    assert bars["x"] == ["2020-01-01", "2020-02-01"]
    # January: 20 / 100 on the first day, 29 times 20 / 200, none after the day without equity; February: 9 * 0.1.
    assert bars["y"] == pytest.approx([0.2 + 29 * 0.1, 0.9], abs=1e-12)
    assert book.turnover_chart(DATES, ledger * 0.0, 100.0) is None


def test_costs_lead_from_gross_to_net():
    run = cases.learnt_run()
    trace = book.cost_chart(run.metrics).figure["data"][0]
    assert trace["measure"] == ["absolute", "relative", "relative", "relative", "relative", "total"]
    # Six numbers rounded to six digits each, all below 1.
    assert sum(trace["x"][:-1]) == pytest.approx(trace["x"][-1], abs=6 * 5e-7)
    assert trace["x"][-1] == pytest.approx(run.metrics["return_net"], abs=5e-7)
    assert book.cost_chart(cases.broken_run().metrics) is None


def test_contributors_are_sorted_from_best_to_worst():
    net = np.array([5.0, -7.0, 0.0, 3.0, np.nan, -1.0])
    chart = book.contributor_chart(["a", "<b>", "c", "2020-01-01", "e", "f"], net)
    assert chart.figure["data"][0]["x"] == [5.0, 3.0, -1.0, -7.0]
    assert chart.figure["layout"]["yaxis"]["ticktext"] == ["a 5", "2020-01-01 3", "f -1", "&lt;b&gt; -7"]
    assert chart.figure["data"][0]["y"] == [0, 1, 2, 3]
    assert book.contributor_chart(["a"], np.array([0.0])) is None


def test_intervals_of_bars_reach_from_low_to_high():
    told = charts.whiskers(np.array([1.0, 2.0]), np.array([0.5, np.nan]), np.array([1.25, np.nan]))
    assert told["arrayminus"] == [0.5, 0.0]
    assert told["array"] == [0.25, 0.0]


def test_the_ic_is_summed_up_without_what_is_unknown():
    study = cases.full_study(100)["signal"]
    total = quality.daily_chart(study).figure["data"][0]["y"]
    assert total[-1] == pytest.approx(sum(study["daily"]["rank"][1:]), rel=5e-6)
    x = np.array([1.0, np.nan, 3.0, np.nan, np.nan])
    assert quality.rolling_mean(x, 2).tolist() == pytest.approx([np.nan, 1.0, 3.0, 3.0, np.nan], nan_ok=True)


def test_a_study_with_nothing_in_it_draws_nothing():
    study = cases.bare_study()["signal"]
    makers = (quality.daily_chart, quality.year_chart, quality.sector_chart, quality.quantile_chart)
    makers += (quality.cumulative_chart, quality.learning_chart)
    assert [maker(study) for maker in makers] == [None] * 6
    assert [maker({}) for maker in (*makers, quality.horizon_chart)] == [None] * 7


def test_sectors_are_sorted_and_capped():
    rows = [{"sector": f"s{k}", "mean": None if k == 3 else k / 100, "low": 0, "high": 1} for k in range(30)]
    chart = quality.sector_chart({"sectors": rows})
    assert chart.figure["layout"]["yaxis"]["ticktext"][:2] == ["s29", "s28"]
    assert len(chart.figure["data"][0]["x"]) == 24
    assert chart.note == "6 sectors with less not shown."


def test_values_keep_six_digits():
    given = [0.123456789, 1234567.89, np.nan, np.inf, None, 0.0, -0.000123456789, 1e-300]
    assert charts.values(given) == [0.123457, 1234570.0, None, None, None, 0.0, -0.000123457, 1e-300]


def test_labels_are_short_text():
    assert charts.label("<b>a</b>\n &") == "&lt;b&gt;a&lt;/b&gt; &amp;"
    assert len(charts.label("x" * 90)) == 40


def test_shared_columns_are_written_once():
    x = [f"2020-01-{k:02}" for k in range(1, 21)]
    one = charts.Chart("one", "", "", charts.figure([charts.line("a", x, np.arange(20.0), "red")]))
    two = charts.Chart("two", "", "", charts.figure([charts.line("b", list(x), np.arange(20.0), "red")]))
    two.figure["layout"]["title"] = {"text": "</script><!-- &"}
    text = document.packed([one, two])
    assert text.count("2020-01-07") == 1
    assert not {"<", ">", "&"} & set(text)
    told = json.loads(text)
    assert told["figures"]["two"]["layout"]["title"]["text"] == "</script><!-- &"
    assert told["columns"] == [x]
    assert [told["figures"][key]["data"][0]["x"] for key in ("one", "two")] == [0, 0]
    assert one.figure["data"][0]["x"] == x  # what is handed out stays as it was


def test_ramps_span_the_colours():
    assert charts.ramp(5) == [f"var(--q{k})" for k in (0, 2, 4, 7, 9)]
    assert charts.ramp(10) == [f"var(--q{k})" for k in range(10)]
    assert charts.ramp(2) == ["var(--q0)", "var(--q9)"]
    assert len(charts.ramp(1)) == 1


def test_a_run_without_fills_has_no_book():
    assert [chart.key for chart in run_charts(cases.flat_run(), None)] == ["equity"]
    assert "exposure" in [chart.key for chart in run_charts(make_result(), None)]
