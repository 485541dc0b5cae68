"""Variants side by side: the same sessions for all, the same bytes as alone, and the truth found."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event

import numpy as np
import pytest
import threadpoolctl
from accounting import check_accounts
from attribution import check_attribution

import backtester as bt
import signals
import strategies
from backtester import planning
from backtester.metrics.returns import sharpe_ratio
from backtester.report.leaderboard import verdict
from backtester.research import bench
from backtester.research.bench import BASELINE, Variant, run_variants, started
from backtester.research.book import net_returns
from backtester.research.quality import signal_study
from backtester.research.verdict import bench_facts

MARKET = bt.synthetic(40, 300, seed=0, rank_ic=0.1)
PANEL = MARKET.panel
ranked = partial(strategies.RankedLongShort, long=8, short=8)
FREE = bt.COST_PRESETS["free"].costs


def blurred(share: float, seed: int) -> np.ndarray:
    """The planted score with noise in it."""
    noise = np.random.default_rng(seed).normal(size=MARKET.score.shape)
    return share * MARKET.score / np.nanstd(MARKET.score) + (1.0 - share) * noise


def of_noise(count: int) -> list[Variant]:
    return [Variant(f"noise {k}", ranked, scores=blurred(0.0, k), options={"seed": k}) for k in range(count)]


CALLS: list[int] = []


@pytest.fixture(autouse=True)
def law_6():
    """A bench makes hundreds of runs; the accounts of its entries are checked below."""


class Counting(bt.Signal):
    def predict(self, panel, rows):
        CALLS.append(len(rows))
        return np.nan_to_num(panel.returns[rows])


class Broken(bt.Signal):
    def predict(self, panel, rows):
        raise ValueError("cannot")


def test_the_planted_winner_comes_first_and_is_no_luck():
    variants = [*of_noise(5), Variant("truth", ranked, scores=blurred(1.0, 9), options={"seed": 9})]
    facts = bench_facts(run_variants(PANEL, variants, placebos=30), "planted")
    first = facts["entries"][0]
    assert first["name"] == facts["winner"] == "truth"
    assert facts["overfitting"]["pbo"] < 0.1
    assert first["placebo"]["p"] == pytest.approx(
        1.0 / 31.0, rel=1e-5
    )  # six digits are kept; none of thirty did as well
    (cash,) = facts["reality"]
    assert cash["against"] == "cash"
    assert cash["consistent"] < 0.05
    pair = next(one for one in facts["pairs"] if {one["one"], one["other"]} == {"truth", "noise 0"})
    assert pair["ic"]["p"] < 0.05
    json.dumps(facts, allow_nan=False)  # plain data, finite numbers


def test_a_run_is_what_it_is_alone():
    variants = [Variant("a", ranked, scores=blurred(0.5, 0)), Variant("b", ranked, scores=blurred(0.5, 1))]
    runs = run_variants(PANEL, variants, placebos=1, workers=3)
    again = run_variants(PANEL, variants[1:], placebos=1, workers=1)
    assert runs.entries[1].result == again.entries[0].result
    direct = bt.run(PANEL, ranked(), scores=bt.Scores(blurred(0.5, 1), PANEL.dates, PANEL.symbols), name="b")
    assert runs.entries[1].result.content_hash == direct.content_hash
    for entry in runs.entries:
        check_accounts(PANEL, entry.result, bt.Costs())
        check_attribution(entry.result)
    np.testing.assert_array_equal(runs.entries[1].placebos, again.entries[0].placebos)


def test_all_decide_first_when_the_last_of_them_has_scores():
    late = blurred(0.5, 0)
    late[:100] = np.nan
    variants = [
        Variant("late", ranked, scores=late),
        Variant("early", ranked, scores=blurred(0.5, 1)),
        Variant("rule", strategies.EqualWeight, role=BASELINE),
    ]
    runs = run_variants(PANEL, variants, placebos=1)
    assert runs.start == 100
    for entry in runs.entries:
        assert entry.result.fills["date"].min().to_datetime64() == PANEL.dates[101]
        np.testing.assert_array_equal(entry.net, net_returns(entry.result)[101:])


def test_scores_before_the_start_do_not_matter():
    """What an entry knew before the others is not shown: it could have been used to begin with a better book."""
    late, early = blurred(0.5, 0), blurred(0.5, 1)
    late[:100] = np.nan
    other = early.copy()
    other[:100] = 1.0
    one, two = (
        run_variants(PANEL, [Variant("l", ranked, scores=late), Variant("e", ranked, scores=scores)], placebos=1)
        for scores in (early, other)
    )
    assert one.entries[1].result.content_hash == two.entries[1].result.content_hash


def test_one_that_fails_is_told_and_the_rest_go_on():
    variants = [
        Variant("good", ranked, scores=blurred(0.5, 0)),
        Variant("broken", ranked, signal=Broken()),
        Variant("empty", ranked, scores=np.full(PANEL.shape, np.nan)),
        Variant("scoreless", ranked),
    ]
    runs = run_variants(PANEL, variants, placebos=1)
    assert [bool(entry.error) for entry in runs.entries] == [False, True, True, True]
    assert "cannot" in runs.entries[1].error
    assert "unknown" in runs.entries[2].error
    assert "scores" in runs.entries[3].error
    facts = bench_facts(runs, "some")
    assert [one["name"] for one in facts["entries"]] == ["good", "broken", "empty", "scoreless"]
    assert facts["overfitting"] is None
    with pytest.raises(bt.DataError, match="broken"):
        run_variants(PANEL, variants[1:2], placebos=1)


def test_each_member_is_traded_alone_besides():
    network = signals.Ensemble([signals.Momentum(20, 1), signals.Reversal(5)])
    folds = bt.Folds(train=60, test=60)
    runs = run_variants(PANEL, [Variant("both", ranked, signal=network, folds=folds)], placebos=2)
    entry = runs.entries[0]
    assert len(entry.seeds) == 2
    assert len(set(entry.seeds.values())) == 2
    alone = bt.walk_forward(PANEL, network, folds)
    values = list(alone.members.values())[1].copy()
    values[: runs.start] = np.nan
    result = bt.run(PANEL, started(Variant("x", ranked), runs.start), scores=values)
    assert list(entry.seeds.values())[1] == sharpe_ratio(net_returns(result)[runs.start + 1 :])
    told = bench_facts(runs, "some")["entries"][0]["seeds"]
    assert told["low"] <= told["mean"] <= told["high"]
    entry.seeds = {"a": 1.0, "b": 2.0, "c": 3.0}
    told = bench_facts(runs, "some")["entries"][0]["seeds"]
    # Standard deviation 1; t of 2 degrees of freedom at 97.5 % is 4.302653; over sqrt(3): 2.484138.
    assert told["mean_low"] == pytest.approx(2.0 - 2.484138, abs=1e-5)
    assert told["mean_high"] == pytest.approx(2.0 + 2.484138, abs=1e-5)


def test_the_same_signals_are_walked_once():
    CALLS.clear()
    variants = [
        Variant(f"cost {bps}", ranked, signal=Counting(), terms={"costs": bt.Costs(slippage_bps=bps)})
        for bps in (0.0, 5.0, 10.0)
    ]
    runs = run_variants(PANEL, variants, placebos=1)
    assert len([rows for rows in CALLS if rows > 1]) == 1  # the others are asked again, one row at a time
    nets = [sharpe_ratio(entry.net) for entry in runs.entries]
    assert nets == sorted(nets, reverse=True)


def test_facts_are_over_the_window_alone():
    late = blurred(0.5, 0)
    late[:150] = np.nan
    facts = bench_facts(run_variants(PANEL, [Variant("late", ranked, scores=late)], placebos=1), "some")
    assert facts["window"] == {
        "start": str(PANEL.dates[151]),
        "end": str(PANEL.dates[-1]),
        "sessions": 149,
        "set_by": [],
    }
    figures = facts["entries"][0]["figures"]
    assert figures["sessions"] == 149
    assert figures["first"] == str(PANEL.dates[151])


def test_what_mattered_is_told_of_the_options():
    variants = [
        Variant(f"{share} {seed}", ranked, scores=blurred(share, seed), options={"share": share, "seed": seed})
        for share in (0.0, 1.0)
        for seed in (0, 1)
    ]
    told = bench_facts(run_variants(PANEL, variants, placebos=1), "some")["mattered"]
    effects = {(one["option"], one["value"]): one for one in told["effects"]}
    assert effects["share", "1.0"]["low"] > 0.0
    assert effects["seed", "1"]["low"] < 0.0 < effects["seed", "1"]["high"]


def test_costless_terms_reach_the_runs():
    variants = [
        Variant("paid", ranked, scores=blurred(0.5, 0)),
        Variant("free", ranked, scores=blurred(0.5, 0), terms={"costs": FREE}),
    ]
    paid, free = run_variants(PANEL, variants, placebos=1).entries
    assert (paid.gross > paid.net).any()
    np.testing.assert_allclose(free.gross, free.net, atol=1e-12)


def every_fifth(values: np.ndarray) -> np.ndarray:
    sparse = np.full_like(values, np.nan)
    sparse[::5] = values[::5]
    return sparse


def test_a_strategy_that_waits_makes_all_wait():
    waits = partial(strategies.RankedLongShort, long=8, short=8, warmup=120)
    variants = [Variant("waits", waits, scores=blurred(0.5, 0)), Variant("ready", ranked, scores=blurred(0.5, 1))]
    runs = run_variants(PANEL, variants, placebos=1)
    assert (runs.start, runs.latest) == (119, ["waits"])


def test_a_baseline_may_not_eat_the_window():
    late = blurred(0.5, 0)
    late[:200] = np.nan
    variants = [
        Variant("a", ranked, scores=blurred(0.5, 1)),
        Variant("late", ranked, scores=late, role=BASELINE),
    ]
    runs = run_variants(PANEL, variants, placebos=1)
    assert runs.start == 0
    assert "more than half of their sessions" in runs.entries[1].error
    late[:290] = np.nan
    with pytest.raises(bt.DataError, match="9 sessions are left to compare over"):
        run_variants(PANEL, [Variant("late", ranked, scores=late)], placebos=1)


def test_one_that_is_wiped_out_or_rarely_scores_cuts_no_test_of_the_others():
    variants = [*of_noise(3), Variant("rare", ranked, scores=every_fifth(blurred(0.5, 7)))]
    runs = run_variants(PANEL, variants, placebos=1)
    runs.entries[0].net[20:] = np.nan  # as after an account is wiped out
    pairs = {(one["one"], one["other"]): one for one in bench_facts(runs, "some")["pairs"]}
    assert {one["sharpe"]["sessions"] for one in pairs.values()} == {299}
    assert pairs["noise 1", "noise 2"]["ic"]["sessions"] > 290
    assert pairs["noise 1", "rare"]["ic"]["sessions"] < 65


def test_a_baseline_is_held_against_what_trades_at_its_costs():
    variants = [
        Variant("cheap", ranked, scores=blurred(0.5, 0), terms={"costs": FREE}),
        Variant("dear", ranked, scores=blurred(0.5, 0)),
        Variant("base", ranked, scores=blurred(0.0, 1), role=BASELINE),
    ]
    rows = {one["against"]: one for one in bench_facts(run_variants(PANEL, variants, placebos=1), "some")["reality"]}
    assert (rows["cash"]["variants"], rows["cash"]["best"]) == (2, "cheap")
    assert (rows["base"]["variants"], rows["base"]["best"]) == (1, "dear")


def test_what_is_said_of_chance_names_the_variant_that_it_is_about():
    """Hansen's test is about means: the best of them need not be the one with the best Sharpe ratio."""
    baseline = Variant("equal", ranked, scores=blurred(0.0, 5), role=BASELINE)
    runs = run_variants(PANEL, [*of_noise(2), baseline], placebos=1)
    rng = np.random.default_rng(0)
    market = rng.normal(0.001, 0.02, 299)
    runs.entries[0].net[:] = rng.normal(0.0004, 0.001, 299)
    runs.entries[1].net[:] = market + rng.normal(0.0005, 0.0005, 299)
    runs.entries[2].net[:] = market
    facts = bench_facts(runs, "some")
    told = {one["against"]: one for one in facts["reality"]}
    assert told["equal"]["best"] == "noise 1"
    assert told["equal"]["consistent"] < 0.05
    facts["winner"] = "noise 0"
    (said,) = [line for line in verdict(facts) if "equal" in line and "beats" in line]
    assert said.startswith("The variant with the highest mean return, noise 1, beats cash and equal beyond chance")


def test_scores_that_are_not_looked_at_have_no_placebos():
    variants = [Variant("holds", strategies.EqualWeight, scores=blurred(0.5, 0))]
    assert not run_variants(PANEL, variants, placebos=3).entries[0].placebos.size


def test_names_are_told_apart():
    with pytest.raises(bt.ConfigError, match="one name"):
        run_variants(PANEL, [Variant("a", ranked, scores=blurred(0.5, 0))] * 2)


def test_what_is_shared_by_entries_is_told_of_each_as_if_it_were_alone():
    """Labels and their ranks are made once: for entries of other fills, horizons, names and sessions each its own."""
    gaps, late = blurred(0.5, 1), blurred(0.5, 2)
    gaps[50:90, :7] = np.nan
    late[:40], late[-30:] = np.nan, np.nan
    far = signals.Momentum(lookback=30, skip=1, horizon=3)
    variants = [
        Variant("all", ranked, scores=blurred(0.5, 0)),
        Variant("gaps", ranked, scores=gaps, fill="close"),
        Variant("late", ranked, scores=late),
        Variant("far", ranked, signal=far),
    ]
    runs = run_variants(PANEL, variants, placebos=1)
    found = {one["name"]: one["signal"] for one in bench_facts(runs, "shared", workers=2)["entries"]}
    for entry in runs.entries:
        variant = entry.variant
        alone = {"horizon": variant.horizon, "fill": variant.fill, "source": variant.name}
        told = signal_study(PANEL, entry.shown, **alone, predicts=variant.signal and variant.signal.predicts)
        assert found[variant.name] == told | {"members": found[variant.name]["members"], "by_epoch": None}
    assert found["far"]["horizon"] == 3
    assert found["gaps"]["fill"] == "close"


def test_an_interrupt_waits_for_ten_placebos_at_most(monkeypatch):
    drawn, left = [], Event()

    class Pool(ThreadPoolExecutor):
        def __exit__(self, *error):
            left.set()
            return super().__exit__(*error)

    def counted(*arguments):
        drawn.append(1)
        if len(drawn) > 10:  # whatever began after the interrupt is counted
            assert left.wait(60)
        return 0.0

    def interrupt(what, done, total):
        if what == "running again" and done:
            raise KeyboardInterrupt

    monkeypatch.setattr(bench, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(bench, "_sharpe", counted)
    with pytest.raises(KeyboardInterrupt):
        run_variants(PANEL, of_noise(2), placebos=100, workers=1, progress=interrupt)
    assert 10 <= len(drawn) <= 20


def test_the_benchmark_is_read_for_the_entries_alone(monkeypatch):
    """It has no part in the figures of reruns, and some take longer than a run."""
    read = []
    own = bench.run

    def counted(*arguments, **terms):
        read.append(terms.get("benchmark"))
        return own(*arguments, **terms)

    monkeypatch.setattr(bench, "run", counted)
    variants = [Variant("a", ranked, scores=blurred(0.5, 0), terms={"benchmark": "equal_weight"})]
    (entry,) = run_variants(PANEL, variants, placebos=3, workers=2).entries
    assert sorted(map(str, read)) == ["None"] * 3 + ["equal_weight"]
    assert entry.result.benchmark is not None


def test_a_run_beside_others_keeps_to_its_thread(monkeypatch):
    """Where every core has a run of its own, a second thread for each would only be waited for."""

    def refused(*arguments):
        raise AssertionError("a second thread")

    alone = bt.run(PANEL, ranked(warmup=70), scores=MARKET.score)
    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(planning, "ThreadPoolExecutor", refused)
        beside = pool.submit(bt.run, PANEL, ranked(warmup=70), scores=MARKET.score).result()
    assert alone == beside
    assert len(alone.fills) > 0


def test_linear_algebra_keeps_to_one_thread_where_runs_are_in_parallel():
    with bench.threads(2):
        found = [one["num_threads"] for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas"]
    assert found
    assert set(found) == {1}
