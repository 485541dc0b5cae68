"""The paths of a bench: what combinatorial_walk and bt.run give by hand, who is refused, that nothing else moves."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
from signal_cases import ESTIMATORS

import backtester as bt
import signals
import strategies
from backtester.research.bench import BASELINE, Variant, run_variants
from backtester.research.paths import run_paths
from backtester.research.verdict import bench_facts

MARKET = bt.synthetic(24, 260, seed=0, rank_ic=0.1)
PANEL = MARKET.panel
FOLDS = bt.CombinatorialFolds(4, 2, embargo=3)
WALK = bt.Folds(train=100, test=60)
ranked = partial(strategies.RankedLongShort, long=5, short=5)
weekly = partial(strategies.RankedLongShort, long=5, short=5, every=5)
COSTS = bt.Costs(commission_bps=2.0, slippage_bps=3.0)
FITS: list[int] = []


@pytest.fixture(autouse=True)
def law_6():
    """A bench makes hundreds of runs; the accounts of such runs are checked in test_bench.py."""


@pytest.fixture(autouse=True)
def quick_keys(monkeypatch):
    """Hashing all sources takes seconds, and none of them changes here."""
    monkeypatch.setattr("backtester.score_cache.source_hashes", lambda modules: {})


class Slope(bt.Signal):
    """The reversal of the last day, with a sign that is learnt."""

    def __init__(self, shrink: float = 0.0, fails: str = "") -> None:
        self.shrink, self.fails = shrink, fails

    def fit(self, panel, rows):
        FITS.append(len(rows))
        if self.fails and len(rows) > 100:  # a fold of the walk forward has 99 at most
            raise ValueError(self.fails)
        followed = bt.labels(panel, rows, self.horizon)
        self._slope = float(np.nanmean(followed * np.nan_to_num(panel.returns[rows]))) * (1.0 - self.shrink)

    def predict(self, panel, rows):
        return np.nan_to_num(panel.returns[rows]) * self._slope


def variants() -> list[Variant]:
    ridge, terms = ESTIMATORS["ridge"], {"costs": COSTS}
    return [
        Variant("daily", ranked, signal=ridge(), folds=WALK, terms=terms),
        Variant("weekly", weekly, signal=ridge(), folds=WALK),
        Variant("slope", ranked, signal=Slope(), folds=WALK),
        Variant("rule", ranked, signal=signals.Reversal(3)),
        Variant("given", ranked, scores=MARKET.score),
        Variant("mine", ranked, signal=Slope(0.5), folds=WALK, role=BASELINE),
        Variant("equal", strategies.EqualWeight, role=BASELINE),
    ]


@pytest.fixture(scope="module")
def runs():
    return run_variants(PANEL, variants(), placebos=2)


def sharpe(returns: np.ndarray) -> float:
    return returns.mean() / returns.std(ddof=1) * 252**0.5


def before_costs(result: bt.Result) -> np.ndarray:
    """Returns with what was paid put back, and interest taken off: from the ledger's columns, by law 6."""
    paid = result.ledger[["commission", "slippage", "borrow"]].sum(axis=1) - result.ledger["interest"]
    before = np.concatenate(([result.cash], result.equity.to_numpy()))[:-1]
    return result.returns.to_numpy() + paid.to_numpy() / before


def mean_ic(values: np.ndarray, followed: np.ndarray) -> float:
    """By pandas: the correlation of ranks of what both know, session by session."""
    said, ahead = pd.DataFrame(values).T, pd.DataFrame(followed).T
    both = said.notna() & ahead.notna()
    return said.where(both).rank().corrwith(ahead.where(both).rank()).mean()


def test_paths_are_what_is_made_by_hand(runs):
    told = {one["name"]: one["paths"] for one in bench_facts(runs, "some", paths=run_paths(runs, FOLDS))["entries"]}
    assert {name for name, one in told.items() if one is not None} == {"daily", "weekly", "slope", "mine"}
    walked = bt.combinatorial_walk(PANEL, ESTIMATORS["ridge"](), FOLDS)
    first = ESTIMATORS["ridge"]().warmup - 1
    ahead = bt.labels(PANEL, None, 1)  # the horizon and fill of the first variant with scores
    for name, make, costs in (("daily", ranked, COSTS), ("weekly", weekly, bt.Costs())):
        one = told[name]
        assert (one["error"], one["count"], one["splits"]) == ("", 3, 6)
        assert (one["start"], one["sessions"]) == (str(PANEL.dates[first + 1]), 259 - first)
        for p, scores in enumerate(walked):
            strategy = make()
            strategy.warmup = first + 1
            result = bt.run(PANEL, strategy, scores=scores, costs=costs)
            net, gross = result.returns.to_numpy()[first + 1 :], before_costs(result)[first + 1 :]
            ic = mean_ic(scores.values[first:], ahead[first:])
            found = [one[key][p] for key in ("sharpe", "gross", "ic")]
            assert found == pytest.approx([sharpe(net), sharpe(gross), ic], rel=1e-5)  # six digits are kept
        known = np.array(one["sharpe"])
        assert one["mean"] == pytest.approx(known.mean(), rel=1e-4)
        assert one["std"] == pytest.approx(known.std(ddof=1), rel=1e-4)
        assert (one["low"], one["high"]) == (known.min(), known.max())
        assert one["below_zero"] == pytest.approx((known < 0).mean(), rel=1e-5)
    assert len({*told["daily"]["sharpe"], *told["weekly"]["sharpe"]}) == 6  # none is another one under a name
    assert told["daily"]["ic"] == told["weekly"]["ic"]  # the same scores


def test_nothing_else_in_the_facts_moves(runs):
    plain = bench_facts(runs, "some")
    besides = bench_facts(runs, "some", paths=run_paths(runs, FOLDS))
    assert plain.pop("combinatorial") is None
    assert besides.pop("combinatorial") == {"groups": 4, "test_groups": 2, "purge": None, "embargo": 3}
    assert [one.pop("paths") for one in plain["entries"]] == [None] * 7
    assert sum(one.pop("paths") is not None for one in besides["entries"]) == 4
    assert plain == besides


def test_any_number_of_threads_gives_the_same(runs):
    one, three = (run_paths(runs, FOLDS, workers=count) for count in (1, 3))
    assert one == three


def test_one_that_is_refused_or_fails_is_told_and_the_rest_go_on():
    chained = signals.MLP([2], features=["return_1"], epochs=1, warm_start="previous", device="cpu")
    entries = [
        Variant("chained", ranked, signal=chained, folds=WALK),
        Variant("fails", ranked, signal=Slope(fails="too much to learn"), folds=WALK),
        Variant("fails too", weekly, signal=Slope(fails="too much to learn"), folds=WALK),
        Variant("far", ranked, signal=signals.Estimator("sklearn.linear_model:Ridge", horizon=9), folds=WALK),
        Variant("good", ranked, signal=Slope(), folds=WALK),
    ]
    runs = run_variants(PANEL, entries, placebos=1)
    assert [entry.error for entry in runs.entries] == [""] * 5
    paths = run_paths(runs, bt.CombinatorialFolds(4, 1, purge=3))
    told = {one["name"]: one["paths"] for one in bench_facts(runs, "some", paths=paths)["entries"]}
    assert "MLP continues from the fold before" in told["chained"]["error"]
    assert "too much to learn" in told["fails"]["error"]
    assert told["fails too"] == told["fails"]
    assert "CombinatorialFolds.purge is 3, below the signal's horizon of 9" in told["far"]["error"]
    for name in ("chained", "fails", "far"):
        empty = {key: told[name][key] for key in told[name] if key not in ("error", "splits")}
        lists: dict[str, list[float]] = {"sharpe": [], "gross": [], "ic": []}
        nothing = dict.fromkeys(("start", "sessions", "mean", "std", "low", "high", "below_zero"))
        assert empty == {"count": 0, **lists, **nothing}
    # A single path: the number has no spread.
    assert (told["good"]["error"], told["good"]["count"], told["good"]["std"]) == ("", 1, None)


def test_a_run_that_fails_on_a_path_is_told():
    class Late(strategies.RankedLongShort):
        """Cannot decide."""

        def decide_rows(self, view, *more):
            raise ValueError("not yet")

    runs = run_variants(PANEL, [Variant("good", ranked, signal=Slope(), folds=WALK)], placebos=1)
    runs.entries[0].variant = runs.entries[0].variant._replace(make=partial(Late, long=5, short=5))
    (told,) = run_paths(runs, FOLDS).of.values()
    assert "not yet" in told.error
    assert told.paths == ()


def test_a_bench_that_was_killed_fits_nothing_twice(tmp_path):
    entries = [Variant(f"slope {k}", ranked, signal=Slope(k / 10), folds=WALK) for k in range(2)]
    runs = run_variants(PANEL, entries, placebos=1, cache=tmp_path)
    FITS.clear()

    def dies(what, done, total):
        if what == "running again" and done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # after the first signal has been walked
        run_paths(runs, FOLDS, cache=tmp_path, progress=dies)
    assert len(FITS) == FOLDS.splits
    whole = run_paths(runs, FOLDS, cache=tmp_path)
    assert len(FITS) == 2 * FOLDS.splits
    assert run_paths(runs, FOLDS, cache=tmp_path) == whole
    assert len(FITS) == 2 * FOLDS.splits
    assert run_paths(runs, FOLDS) == whole


def test_entries_of_one_signal_are_fitted_once():
    entries = [
        Variant("a", ranked, signal=Slope(), folds=WALK),
        Variant("b", weekly, signal=Slope(), folds=WALK),
        Variant("c", ranked, signal=Slope(0.1), folds=WALK),
    ]
    runs = run_variants(PANEL, entries, placebos=1)
    FITS.clear()
    calls = []
    run_paths(runs, FOLDS, progress=lambda *call: calls.append(call))
    assert len(FITS) == 2 * FOLDS.splits
    ran = [(done, total) for what, done, total in calls if what == "running again"]
    assert ran == [(k, 9) for k in (*range(7), *range(6, 10))]  # three paths of three entries, in two goes
    scored = [(done, total) for what, done, total in calls if what == "scoring"]
    assert scored == sorted(scored)
    assert scored[-1] == (2000, 2000)


def test_the_seed_reaches_the_paths():
    net = signals.MLP([3], features=["return_1", "return_5"], epochs=1, device="cpu")
    runs = run_variants(PANEL, [Variant("net", ranked, signal=net, folds=WALK)], placebos=1)
    own, again, other = (run_paths(runs, FOLDS, seed=seed) for seed in (None, 0, 1))
    assert own == again != other
