"""The charts of a bench: that plotly takes them, and that what they draw is what was found."""

from __future__ import annotations

import json
import math
import re

import bench_cases as cases
import numpy as np
import plotly.graph_objects as go
import pytest

from backtester.report.page import bench_charts, charts, document, png
from backtester.report.page.bench import compared, epochs, luck, paths, robust, signal
from backtester.report.page.bench.entries import DRAWN, Entries

CSS = document._file("page.css")


def every_chart():
    whole = {"whole": cases.bench_facts(), "hostile": cases.hostile_facts(), "large": cases.large_facts()}
    found = {**whole, **cases.cut_facts()}
    return [pytest.param(found[key], id=key) for key in found]


@pytest.mark.parametrize("facts", every_chart())
def test_plotly_takes_them(facts):
    for chart in bench_charts(facts):
        go.Figure(chart.figure)  # raises for a key that it does not know
        json.dumps(chart.figure, allow_nan=False)
        named = set(re.findall(r"var\((--[\w-]+)\)", json.dumps(chart.figure)))
        dark = CSS.partition("prefers-color-scheme: dark")[2].partition("* {")[0]
        assert named
        assert named <= document.light_colors().keys()
        assert all(f"{name}:" in dark for name in named)
        assert "var(" not in json.dumps(png.painted(chart.figure, document.light_colors()))


def test_equity_is_that_of_the_first_and_the_baselines():
    facts = cases.large_facts()
    chart = compared.equity_chart(Entries(facts))
    lines = chart.figure["data"]
    assert len(lines) == DRAWN + len(cases.BASELINES)
    assert [line["name"] for line in lines[-4:]] == list(cases.BASELINES)
    assert all(len(line["x"]) == len(line["y"]) == 700 for line in lines)
    for line, entry in zip(lines[:DRAWN], facts["entries"][:DRAWN], strict=True):
        assert line["y"][-1] == pytest.approx(entry["curve"]["net"][-1], rel=5e-6)  # six digits are kept
        assert line["x"][-1] == entry["curve"]["dates"][-1]
    assert "52 variants below the first 8 not drawn." in chart.note
    widths = [line["line"]["width"] for line in lines]
    assert widths[0] == max(widths) > max(widths[1:])


@pytest.mark.parametrize(("last", "kind"), [(3.9, None), (4.1, "log")])
def test_equity_is_logarithmic_where_it_is_far_apart(last, kind):
    facts = cases.bench_facts(["a"])
    facts["entries"] = facts["entries"][:1]
    facts["entries"][0]["curve"] = {"dates": ["2020-01-01", "2020-01-02", "2020-01-03"], "net": [1.0, None, last]}
    chart = compared.equity_chart(Entries(facts))
    assert chart.figure["layout"]["yaxis"].get("type") == kind
    assert chart.figure["data"][0]["y"] == [1.0, None, last]
    # An account that was wiped out has no logarithm.
    for end in (0.0, -0.1):
        facts["entries"][0]["curve"]["net"] = [1.0, 9.0, end]
        assert compared.equity_chart(Entries(facts)).figure["layout"]["yaxis"].get("type") is None


def test_sharpe_ratios_with_intervals_placebos_and_seeds():
    entries = Entries(cases.bench_facts(["a", "b"]))
    band, variants, baselines, seeds = compared.sharpe_chart(entries, "95 %").figure["data"]
    # Of -5, -4.95, ... -0.05 the 5th percentile is -5 + 0.05 * 99 * 0.05 = -4.7525, the 95th -0.2975.
    assert band["base"] == [-4.7525, -4.7525]
    assert band["x"] == [4.455, 4.455]
    assert band["y"] == [0, 1]
    assert variants["x"] == [1.4, 1.0]
    assert variants["error_x"]["array"] == variants["error_x"]["arrayminus"] == [1.5, 1.5]
    assert baselines["x"] == [-0.3, -1.3, -2.3, -3.3]
    assert baselines["y"] == [2, 3, 4, 5]
    assert seeds["y"] == [0, 0, 0, 1, 1, 1]
    assert seeds["x"] == pytest.approx([0.4, 1.4, 2.4, 0.0, 1.0, 2.0], abs=1e-12)


def test_every_two_less_each_other():
    facts = cases.bench_facts(["a", "b"])
    chart = compared.matrix_chart(facts, Entries(facts))
    trace = chart.figure["data"][0]
    z = np.array(trace["z"], dtype=float)
    assert np.array_equal(np.isnan(z), np.eye(6, dtype=bool))
    assert np.array_equal(z[~np.eye(6, dtype=bool)], -z.T[~np.eye(6, dtype=bool)])
    sharpe = [1.4, 1.0, -0.3, -1.3, -2.3, -3.3]
    assert z[0, 3] == pytest.approx(sharpe[0] - sharpe[3], abs=1e-6)
    assert trace["zmax"] == -trace["zmin"] == pytest.approx(4.7, abs=1e-6)
    # In these facts p is 0.03 for two that are more than 1.5 apart, else 0.4.
    marked = [[bool(cell) for cell in row] for row in trace["text"]]
    assert marked == [[abs(a - b) > 1.5 for b in sharpe] for a in sharpe]
    pairs = [a - b > 1.5 for k, a in enumerate(sharpe) for b in sharpe[k + 1 :]]
    assert f"of 15 pairs, {sum(pairs)} differ with p at most 0.05" in chart.said
    assert "1. a less momentum: 2.70, p 0.0300" in trace["hovertext"][0]


def test_of_many_the_first_and_the_last_are_drawn():
    facts = cases.large_facts()
    chart = compared.matrix_chart(facts, Entries(facts))
    labels = chart.figure["layout"]["xaxis"]["ticktext"]
    assert labels == [*(str(k) for k in [*range(1, 16), *range(56, 61)]), *cases.BASELINES]
    assert "40 variants of the middle not drawn" in chart.note


def test_splits_that_fail_are_red():
    chart = luck.logit_chart(cases.bench_facts())
    trace = chart.figure["data"][0]
    assert trace["x"] == pytest.approx([math.log(0.2), math.log(5.0)], rel=1e-5)  # w = 1/6 and 5/6
    assert trace["y"] == [0.25, 0.75]
    assert trace["marker"]["color"] == [charts.color("down"), charts.color("up")]
    assert "In 25.00 % of 400 splits" in chart.said


def test_no_bar_holds_splits_of_both_sides():
    logits = np.random.default_rng(0).normal(0.3, 1.0, 4_000)
    logits[:7] = 0.0  # not above the middle
    facts = {"overfitting": {"pbo": float((logits <= 0.0).mean()), "logits": logits.tolist()}}
    trace = luck.logit_chart(facts).figure["data"][0]
    red = [share for share, paint in zip(trace["y"], trace["marker"]["color"], strict=True) if "down" in paint]
    assert len(trace["y"]) == 40
    assert sum(trace["y"]) == pytest.approx(1.0, abs=1e-5)  # 40 shares of six digits
    assert sum(red) == pytest.approx(facts["overfitting"]["pbo"], abs=1e-5)


def test_effects_with_intervals():
    chart = luck.mattered_chart(cases.bench_facts())
    trace = chart.figure["data"][0]
    assert trace["x"] == [0.004, -0.001]
    assert trace["error_x"]["array"] == [0.002, 0.003]
    assert "Differs from 0 at 95 %: signal.hidden = [32, 16]." in chart.said
    assert chart.note == "Against: signal.hidden = [16, 8]."
    facts = cases.bench_facts()
    facts["mattered"]["effects"] = facts["mattered"]["effects"][1:]
    assert "No effect differs from 0" in luck.mattered_chart(facts).said


def test_the_ic_after_every_epoch():
    facts = cases.bench_facts(["a", "b"])
    chart = epochs.ic_chart(Entries(facts))
    low, high, winner, other = chart.figure["data"]
    # 0.01 times the Sharpe ratios, 1.4 and 1.0, an epoch; a band of 0.01 on both sides of the winner's alone.
    assert winner["y"] == pytest.approx([0.001, 0.015, 0.029, 0.043])
    assert other["y"] == pytest.approx([0.001, 0.011, 0.021, 0.031])
    assert low["y"] == pytest.approx([-0.009, 0.005, 0.019, 0.033])
    assert high["y"] == pytest.approx([0.011, 0.025, 0.039, 0.053])
    assert winner["x"] == other["x"] == [1, 2, 3, 4]
    assert (high["fill"], low["showlegend"], high["showlegend"]) == ("tonexty", False, False)
    assert "1. a: 0.0010 after epoch 1, 0.0430 after epoch 4." in chart.said
    facts["entries"][0]["signal"]["by_epoch"][0] |= dict.fromkeys(("mean", "low", "high"))
    assert "0.0150 after epoch 2" in epochs.ic_chart(Entries(facts)).said
    facts["entries"][0]["signal"]["by_epoch"] = None  # the winner has none: no band
    assert len(epochs.ic_chart(Entries(facts)).figure["data"]) == 1
    many = epochs.ic_chart(Entries(cases.large_facts()))
    assert sum(one["showlegend"] for one in many.figure["data"]) == DRAWN
    assert "Grey: 52 variants below the first 8." in many.note


def test_what_each_epoch_adds():
    facts = cases.bench_facts(["a", "b"], mattered_epochs=cases.mattered_epochs(["a", "b"], ["c", "d"]))
    chart = epochs.effects_chart(facts)
    (trace,) = chart.figure["data"]
    assert (trace["x"], trace["y"]) == ([2.0, 3.0, 4.0], [0.0015, 0.003, 0.0045])  # no other option's
    assert trace["error_y"]["array"] == pytest.approx([0.002] * 3)
    assert "Differs from epoch 1 at 95 %: 2 epochs of 3, the first 3." in chart.said
    assert chart.note == (
        "Against epoch 1, other options being equal; over 2 variants. "
        "Left out, with other options or another number of epochs: c and d."
    )
    assert "all together: F 5.50, p 0.0040" in str(epochs.joint_said(facts))
    facts["mattered_epochs"]["joint"][0] |= {"f": None, "p": None}
    assert epochs.joint_said(facts) == []
    for one in facts["mattered_epochs"]["effects"]:
        one["low"] = -1.0
    assert "No epoch differs from epoch 1" in epochs.effects_chart(facts).said


def test_without_epochs_there_is_no_such_part():
    facts = cases.cut_facts()["no epochs"]
    assert epochs.section(facts, Entries(facts)).parts == ()
    facts = cases.bench_facts()
    assert "counts as one more variant tried" in str(epochs.section(facts, Entries(facts)).parts[0])


def test_ic_of_all_by_horizon():
    entries = Entries(cases.bench_facts(["a", "b"]))
    data = signal.horizons_chart(entries).figure["data"]
    assert len(data) == 6
    # At horizons 1 and 5, in the places 0 and 1, side by side and apart from those of the next horizon.
    assert data[0]["y"] == [0.01, 0.02]
    assert data[0]["error_y"]["array"] == [0.016, 0.016]
    offsets = [trace["x"][0] for trace in data]
    assert offsets == sorted(set(offsets))
    assert max(offsets) < 0.5
    assert min(trace["x"][1] for trace in data) > 0.5


def test_learning_curves_show_the_ic_or_else_the_loss():
    facts = cases.bench_facts(["a", "b"])
    chart = signal.learning_chart(Entries(facts))
    assert "validation loss" in chart.title
    assert chart.figure["data"][0]["y"] == [1.1, 0.55, 0.366667]
    for row in facts["entries"][1]["signal"]["epochs"]:
        row["valid_ic"] = 0.01 * row["epoch"]
    chart = signal.learning_chart(Entries(facts))
    assert "validation IC" in chart.title
    assert [trace["y"] for trace in chart.figure["data"]] == [[0.01, 0.02, 0.03]]
    many = signal.learning_chart(Entries(cases.large_facts()))
    assert [trace["showlegend"] for trace in many.figure["data"]] == [False] * 52 + [True] * DRAWN


def test_what_is_left_is_drawn_beside_what_it_was():
    told = cases.robust(1.4)
    again = robust.again_chart(told)
    assert again.figure["data"][0]["x"] == [1.4, 1.3, 1.2, 0.9, 1.4, None]
    assert again.figure["layout"]["shapes"][0]["x0"] == 1.4
    left = robust.left_out_chart(told)
    assert left.figure["data"][0]["x"] == pytest.approx([1.4, 1.7, 0.7, 1.5])
    assert "The worst: without Energy, a net Sharpe ratio of 0.70." in left.said
    capital = robust.capital_chart(told)
    assert capital.figure["layout"]["xaxis"]["type"] == "log"
    assert capital.figure["data"][0]["y"] == pytest.approx([1.4, 0.4, -0.6])
    assert "Half of the net Sharpe ratio is left at 654,321, nothing at more than 10,000,000." in capital.said


def test_a_book_that_loses_with_any_capital_is_in_the_figure_of_it():
    told = cases.bench_facts()["entries"][0]["robust"]
    for row, sharpe in zip(told["capital"]["rows"], (-4.0, -9.0, -30.0), strict=True):
        row["sharpe"] = sharpe
    chart = robust.capital_chart(told)
    low, _ = chart.figure["layout"]["yaxis"]["range"]
    assert -9.0 < low < -4.0
    assert chart.said == "Net of costs nothing is left with any capital: -4.00 at best."


def test_capital_far_too_large_does_not_flatten_the_rest():
    told = cases.robust(1.4)
    told["capital"]["rows"][2]["sharpe"] = -40.0
    low, high = robust.capital_chart(told).figure["layout"]["yaxis"]["range"]
    assert (low, high) == pytest.approx((-3.0, 3.45))  # as far below 0 as the highest, 3, is above; and some room


def test_every_path_is_drawn_beside_the_walk_forward():
    entries = Entries(cases.bench_facts(["a", "b"]))
    variants, baselines, own = paths.paths_chart(entries).figure["data"]
    assert variants["x"] == pytest.approx([0.9, 1.0, 1.1, 1.2, 1.3, 0.5, 0.6, 0.7, 0.8, 0.9])
    assert variants["y"] == [0] * 5 + [1] * 5
    assert baselines["x"] == pytest.approx([-3.8, -3.7, -3.6, -3.5, -3.4])  # ridge: the others learn nothing
    assert baselines["y"] == [2] * 5
    assert (own["x"], own["y"]) == ([1.4, 1.0, -3.3], [0, 1, 2])
    assert variants["hovertext"][6] == "2. b, path 2: 0.60"
    many = paths.paths_chart(Entries(cases.large_facts()))
    assert many.figure["data"][-1]["y"] == list(range(40))
    assert "21 more are in the table." in many.note  # 60 variants and a baseline
