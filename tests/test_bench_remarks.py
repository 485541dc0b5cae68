"""What a bench says of entries that would mislead: wiped out, never traded, alike, and told apart by nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy.stats import kstest

import backtester as bt
import signals
import strategies
from backtester.metrics.returns import sharpe_ratio
from backtester.report.leaderboard import Leaderboard, verdict
from backtester.report.page import bench_page
from backtester.report.page.bench.entries import Entries
from backtester.report.page.bench.said import opening, warnings
from backtester.research.bench import BASELINE, Variant, run_variants, simulated
from backtester.research.book import gross_returns
from backtester.research.placebo import placebo_scores
from backtester.research.verdict import bench_facts

MARKET = bt.synthetic(40, 300, seed=0, rank_ic=0.1)
PANEL = MARKET.panel
ranked = partial(strategies.RankedLongShort, long=8, short=8)
FREE = bt.COST_PRESETS["free"].costs
DEAR = replace(FREE, slippage_bps=30)


@pytest.fixture(autouse=True)
def law_6():
    """A bench makes many runs; their accounts are checked elsewhere."""


def of(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=PANEL.shape)


class Never(bt.Strategy):
    def decide(self, view):
        return None


class Ruined(bt.Strategy):
    """Earns for a while, and then is short ten times its equity of what doubles."""

    def decide(self, view):
        return {view.symbols[0]: -10.0}


def found(variants, placebos=1):
    return bench_facts(run_variants(PANEL, variants, placebos=placebos), "some")


def entry_of(facts, name):
    return next(one for one in facts["entries"] if one["name"] == name)


def rising() -> bt.Panel:
    """A market in which the first name falls for 200 sessions and then rises by a fifth in each."""
    close = PANEL.close.copy()
    close[:, 0] = 100.0 * np.cumprod(np.where(np.arange(300) < 200, 0.998, 1.2))
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    return bt.Panel.from_arrays(PANEL.dates, PANEL.symbols, **prices, volume=PANEL.volume)


def test_what_was_wiped_out_comes_last_and_says_so():
    panel = rising()
    variants = [Variant("ruined", Ruined), Variant("loses", ranked, scores=of(1), terms={"costs": DEAR})]
    facts = bench_facts(run_variants(panel, variants, placebos=1), "some")
    ruined, other = entry_of(facts, "ruined"), entry_of(facts, "loses")
    assert ruined["wiped_out"]
    assert ruined["figures"]["net"]["sharpe"]["value"] > other["figures"]["net"]["sharpe"]["value"]
    assert facts["winner"] == "loses"
    assert facts["entries"][1]["name"] == "ruined"
    assert any("ruined was wiped out on" in line.plain for line in Leaderboard(facts).lines(120))
    assert any("ruined was wiped out on" in text for text, _ in warnings(facts, Entries(facts)))


def test_where_every_variant_was_wiped_out_the_first_sentences_say_so():
    facts = bench_facts(run_variants(rising(), [Variant("ruined", Ruined)], placebos=1), "some")
    facts["trials"] = {"count": 7, "expected_max": None}
    said = " ".join(verdict(facts))
    assert f"It lost all of its capital, on {facts['entries'][0]['wiped_out']}. " in said
    assert "7 variants have been tried on this data so far." in said
    assert "It lost all of its capital, on " in " ".join(opening(facts, Entries(facts)))


def test_cash_comes_before_ruin():
    """What never trades has no ratio, and still more than what has lost everything."""
    facts = bench_facts(run_variants(rising(), [Variant("ruined", Ruined), Variant("idle", Never)], placebos=1), "some")
    assert [one["name"] for one in facts["entries"]] == ["idle", "ruined"]
    assert facts["winner"] == "idle"
    assert "lost all of its capital" not in " ".join(verdict(facts))
    assert "Fewer than two variants differ, trade and pay" in bench_page(facts)


def test_what_never_trades_is_no_choice():
    """Three of noise and two that hold cash: chosen are three, and cash is beaten or not by one of them."""
    variants = [*(Variant(f"n{k}", ranked, scores=of(k), terms={"costs": DEAR}) for k in range(3))]
    with_idle = [*variants, Variant("idle", Never), Variant("idle too", Never)]
    facts, alone = found(with_idle), found(variants)
    assert entry_of(facts, "idle")["remarks"] == ["never traded"]
    assert facts["overfitting"] == alone["overfitting"]
    assert facts["overfitting"]["variants"] == 3
    assert facts["reality"] == alone["reality"]
    assert any("It is over 3 of the variants" in line for line in verdict(facts))


def test_twins_are_one_choice():
    variants = [Variant("a", ranked, scores=of(0)), Variant("b", ranked, scores=of(0))]
    facts = found(variants)
    assert facts["overfitting"] is None
    assert "earned to the last digit what a did" in entry_of(facts, "b")["remarks"][0]
    assert entry_of(facts, "a")["remarks"] == []
    three = found([*variants, Variant("c", ranked, scores=of(1))])
    assert three["overfitting"]["variants"] == 2
    assert {row["variants"] for row in three["reality"]} == {2}


def test_baselines_are_no_twins_of_variants():
    facts = found([Variant("a", ranked, scores=of(0)), Variant("b", ranked, scores=of(0), role=BASELINE)])
    assert entry_of(facts, "b")["remarks"] == []


def test_scores_that_tell_no_names_apart_are_told():
    same = of(0)
    same[100:130] = 1.0
    same[5, :] = np.nan
    facts = found([Variant("some", ranked, scores=same), Variant("all", ranked, scores=np.ones(PANEL.shape))])
    assert "the same for all names in 30 of 299 sessions" in entry_of(facts, "some")["remarks"][0]
    assert "the same for all names in 300 of 300 sessions" in entry_of(facts, "all")["remarks"][0]


def test_the_cheapest_is_not_chosen_among_the_dear():
    """With two costs of each of two signals, the best of a half would be one of the cheap ones, whatever is known."""
    variants = [
        Variant(f"{name} {k}", ranked, scores=of(k), terms={"costs": costs})
        for name, costs in (("cheap", FREE), ("dear", DEAR))
        for k in range(2)
    ]
    facts = found(variants)
    assert facts["winner"].startswith("cheap")
    assert facts["overfitting"] == found(variants[:2])["overfitting"]


def test_a_placebo_pays_what_its_variant_pays():
    """Its ratio before costs less what costs take from the variant's: so chance is the same whatever trading costs."""
    variant = Variant("dear", ranked, scores=of(0), terms={"costs": DEAR})
    runs = run_variants(PANEL, [variant], placebos=3)
    (entry,) = runs.entries
    drag = sharpe_ratio(entry.gross) - sharpe_ratio(entry.net)
    assert drag > 1.0
    for value, scores in zip(entry.placebos, placebo_scores(entry.shown, 3), strict=True):
        gross = gross_returns(simulated(PANEL, variant, scores, runs.start))[runs.start + 1 :]
        assert value == pytest.approx(sharpe_ratio(gross) - drag, abs=1e-12)


@pytest.mark.slow
def test_on_noise_placebos_do_as_well_as_chance_would_have_it():
    """Reversal on 60 markets without anything to find, at 10 bps: p is uniform, Kolmogorov and Smirnov at 1 %.

    With placebos that pay in their own books three quarters of the p are below a half.
    """
    costs = replace(FREE, slippage_bps=10)
    p = []
    for seed in range(60):
        panel = bt.synthetic(100, 320, seed=seed, kind="noise").panel
        strategy = partial(strategies.RankedLongShort, long=15, short=15)
        variant = Variant("reversal", strategy, signal=signals.Reversal(lookback=5), terms={"costs": costs})
        facts = bench_facts(run_variants(panel, [variant], placebos=39), "noise")
        p.append(entry_of(facts, "reversal")["placebo"]["p"])
    assert kstest(np.array(p) - 0.5 / 40, "uniform").pvalue > 0.01  # p are multiples of 1 / 40


@pytest.mark.parametrize(("sessions", "few"), [(249, True), (250, False)])
def test_few_sessions_are_said_to_be_few(sessions, few):
    facts = found([Variant("a", ranked, scores=of(0)), Variant("b", ranked, scores=of(1))])
    facts["window"]["sessions"] = sessions
    assert any("are few: tests over all variants" in line for line in verdict(facts)) == few
    assert ("are few: tests over all variants" in " ".join(opening(facts, Entries(facts)))) == few


def test_whose_scores_come_last_is_told_of_all():
    facts = found([Variant("a", ranked, scores=of(0))])
    facts["window"]["set_by"] = ["a", "b", "c", "d", "e"]
    text = " ".join(line.plain for line in Leaderboard(facts).lines(120))
    assert "the scores of a, b, c and 2 more come last" in " ".join(text.split())


def test_why_no_variant_could_be_run_is_told_of_variants_alone():
    short = Variant("short", ranked, scores=of(0)[:9])
    hold = Variant("hold", strategies.EqualWeight, role=BASELINE)
    with pytest.raises(bt.DataError, match="no variant could be run: short: scores have shape") as told:
        run_variants(PANEL, [short, hold], placebos=1)
    assert "hold" not in str(told.value)


def test_many_remarks_are_cut():
    facts = found([Variant(f"n{k}", Never) for k in range(15)] + [Variant("a", ranked, scores=of(0))])
    told = [text for text, _ in warnings(facts, Entries(facts))]
    assert sum("never traded" in text for text in told) == 12
    assert "3 more remarks are in bench.json." in told
