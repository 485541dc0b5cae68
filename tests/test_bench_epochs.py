"""Epochs in a bench: the mean IC after each, what the epoch mattered, and nothing of it where it is not asked for."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from command_line import call, run_folders
from test_cli_bench import facts_of

import backtester as bt
import signals
import strategies
from backtester.research.bench import BASELINE, Entry, Variant, run_variants
from backtester.research.epochs import epochs_mattered, ic_by_epoch
from backtester.research.hac import mean_test
from backtester.research.verdict import bench_facts

pytestmark = pytest.mark.usefixtures("one_thread")

PANEL = bt.synthetic(30, 260, seed=0, kind="linear", rank_ic=0.15).panel
FOLDS = bt.Folds(train=100, test=40)
ranked = partial(strategies.RankedLongShort, long=6, short=6)
QUICK = {"features": ["extra"], "batch": 512, "learning_rate": 0.003, "patience": "off", "device": "cpu"}


@pytest.fixture(autouse=True)
def law_6():
    """A bench makes hundreds of runs; their accounts are checked in test_bench.py, where there are fewer."""


def variant(name, options, **settings):
    signal = signals.MLP((4,), **{**QUICK, "epochs": 4, **settings})
    return Variant(name, ranked, signal, folds=FOLDS, options=options)


@pytest.fixture(scope="module")
def runs():
    variants = [
        variant("plain", {"signal.dropout": 0.0}),
        variant("dropped", {"signal.dropout": 0.3}, dropout=0.3),
        variant("longer", {"signal.dropout": 0.1}, dropout=0.1, epochs=6),
        variant("cheap", {"signal.dropout": 0.0, "costs.slippage_bps": 0.0}),
        Variant("rule", ranked, signals.Reversal(), role=BASELINE),
    ]
    return run_variants(PANEL, variants, placebos=1)


@pytest.fixture(scope="module")
def facts(runs):
    return bench_facts(runs, "some")


def test_the_mean_after_every_epoch_is_over_the_sessions_of_the_bench(runs, facts):
    entry = runs.entries[0]
    told = next(one for one in facts["entries"] if one["name"] == "plain")["signal"]["by_epoch"]
    assert [row["epoch"] for row in told] == [1, 2, 3, 4]
    for epoch, row in enumerate(told, 1):
        alone = bt.walk_forward(PANEL, signals.MLP((4,), **QUICK, epochs=epoch), FOLDS)
        ics = bt.rank_ic(alone.values, bt.labels(PANEL))[runs.start :]
        expected = mean_test(ics)
        for key in ("mean", "error", "low", "high"):
            # Six digits are kept. The variants trained beside it, so that of float32's rounding a few of some hundred
            # ranks of a session may have changed places.
            assert row[key] == pytest.approx(getattr(expected, key), abs=2e-4), key
    assert told[-1]["mean"] == pytest.approx(np.nanmean(entry.scores.by_epoch[-1, runs.start :]), rel=1e-5)


def test_the_last_epoch_is_what_the_bench_says_of_the_scores(facts):
    for entry in facts["entries"]:
        if entry["role"] == BASELINE:
            assert entry["signal"]["by_epoch"] is None
            continue
        (own,) = [one["rank"] for one in entry["signal"]["horizons"] if one["horizon"] == 1]
        last = entry["signal"]["by_epoch"][-1]
        assert {key: last[key] for key in ("mean", "error", "low", "high")} == {
            key: own[key] for key in ("mean", "error", "low", "high")
        }


def test_the_epoch_is_an_option_among_those_of_the_scores(runs, facts):
    told = facts["mattered_epochs"]
    assert told["of"] == ["plain", "dropped", "cheap"]
    assert told["left_out"] == ["longer"]
    assert (told["variants"], told["sessions"]) == (12, facts["window"]["sessions"] - 1)
    names = [(one["option"], one["value"]) for one in told["effects"]]
    assert names == [("signal.dropout", "0.3"), ("epoch", "2"), ("epoch", "3"), ("epoch", "4")]
    # Least squares of a whole table: the effect of an epoch is the mean over the variants of what it adds to the first.
    ics = np.array([runs.entries[k].scores.by_epoch[:, runs.start :] for k in (0, 1, 3)])  # (V, E, W)
    known = ics[:, :, np.isfinite(ics).all(axis=(0, 1))]
    effects = {(one["option"], one["value"]): one for one in told["effects"]}
    for epoch in (2, 3, 4):
        away = (known[:, epoch - 1] - known[:, 0]).mean(axis=0)
        expected = mean_test(away)
        one = effects["epoch", str(epoch)]
        assert one["effect"] == pytest.approx(expected.mean, rel=1e-5)
        assert one["error"] == pytest.approx(expected.error, rel=1e-5)
        assert (one["low"], one["high"]) == pytest.approx((expected.low, expected.high), rel=1e-5)
    dropped = (known[1] - (known[0] + known[2]) / 2.0).mean(axis=0)
    assert effects["signal.dropout", "0.3"]["effect"] == pytest.approx(dropped.mean(), rel=1e-5)
    (joint,) = [one for one in told["joint"] if one["option"] == "epoch"]
    assert (joint["base"], joint["effects"]) == ("1", 3)


def entry(name, by_epoch, **options):
    sessions = by_epoch.shape[1]
    scores = bt.Scores(np.zeros((sessions, 1)), PANEL.dates[:sessions], ("A",), by_epoch=by_epoch)
    return Entry(Variant(name, ranked, options=options), scores=scores)


def mattered(*entries, start=0):
    return epochs_mattered(entries, {one.variant.name: one.variant.options for one in entries}, start)


def ics(seed, epochs=4, sessions=80):
    rng = np.random.default_rng(seed)
    return 0.02 + 0.1 * rng.normal(size=sessions) + 0.01 * rng.normal(size=(epochs, sessions))


def test_one_variant_is_enough():
    table = ics(0)
    table[2] += 0.05
    told = mattered(entry("a", table))
    assert [(one["option"], one["value"]) for one in told["effects"]] == [("epoch", str(k)) for k in (2, 3, 4)]
    assert told["effects"][1]["low"] > 0.0
    assert told["effects"][0]["effect"] == pytest.approx((table[1] - table[0]).mean(), rel=1e-5)
    later = mattered(entry("a", table), start=30)
    assert later["sessions"] == 50
    assert later["effects"][0]["effect"] == pytest.approx((table[1] - table[0])[30:].mean(), rel=1e-5)


def test_epochs_in_which_nothing_changed_have_the_same_effect_and_no_joint_test():
    """As after early stopping: twice the same series, or the first epoch again."""
    table = ics(1)
    table[3] = table[2]
    told = mattered(entry("a", table, **{"signal.x": 1}), entry("b", table + 0.01, **{"signal.x": 2}))
    two, three, four = (one for one in told["effects"] if one["option"] == "epoch")
    for key in ("effect", "error", "low", "high", "p"):
        assert three[key] == pytest.approx(four[key], rel=1e-5)
    assert two["effect"] != three["effect"]
    (shift,) = [one for one in told["effects"] if one["option"] == "signal.x"]
    assert shift["effect"] == pytest.approx(0.01, rel=1e-5)
    assert (shift["error"], shift["p"]) == (0.0, None)  # the same in all sessions
    joint = {one["option"]: one["p"] for one in told["joint"]}
    assert joint == {"epoch": None, "signal.x": None}
    still = mattered(entry("a", np.tile(ics(2, 1), (4, 1))))
    assert [(one["effect"], one["error"], one["p"]) for one in still["effects"]] == [
        (pytest.approx(0.0, abs=1e-12), 0.0, None)
    ] * 3


def test_which_variants_are_held_against_each_other():
    options = {"signal.x": 1}
    few, many = entry("few", ics(0, 3), **options), entry("many", ics(1, 5), **options)
    assert mattered(few, many)["of"] == ["many"]  # as many of each: the one with more epochs
    assert mattered(few, many, entry("too", ics(2, 3), **options))["of"] == ["few", "too"]
    assert mattered(few, entry("other", ics(2, 3), **{"signal.y": 1}))["left_out"] == ["other"]
    once = entry("once", ics(0, 1))
    assert mattered(once) is None
    assert mattered(once, few)["left_out"] == ["once"]
    assert mattered() is None
    assert mattered(Entry(Variant("none", ranked))) is None
    assert ic_by_epoch(Entry(Variant("none", ranked)), 0) is None


def test_sessions_that_an_epoch_does_not_know_are_left_out():
    table = ics(0)
    table[0, :10] = np.nan
    assert mattered(entry("a", table))["sessions"] == 70
    nothing = ics(0)
    nothing[0] = np.nan  # as where no weights of the first epoch are of use
    told = mattered(entry("a", nothing))
    assert (told["variants"], told["sessions"]) == (3, 80)
    assert [row["mean"] is None for row in ic_by_epoch(entry("a", nothing), 0)] == [True, False, False, False]


def test_not_asked_for_there_is_nothing(runs):
    off = run_variants(PANEL, [runs.entries[0].variant], placebos=1, by_epoch=False)
    facts = bench_facts(off, "some")
    assert facts["mattered_epochs"] is None
    assert facts["entries"][0]["signal"]["by_epoch"] is None


CONFIG = """
[data]
synthetic = { symbols = 24, sessions = 240, seed = 3, rank_ic = 0.1, kind = "linear" }
[signal]
class = "signals:MLP"
features = ["extra"]
hidden = [4]
epochs = 3
device = "cpu"
[folds]
train = 100
test = 40
[strategy]
class = "strategies:RankedLongShort"
long = 4
short = 4
[bench.grid]
"signal.dropout" = [0.0, 0.2]
"""


@pytest.mark.usefixtures("own_folder", "own_cache")
def test_the_config_turns_it_off(tmp_path):
    (tmp_path / "some.toml").write_text(CONFIG)
    call("bench", str(tmp_path / "some.toml"), "--set", "bench.by_epoch=false")
    (first,) = run_folders()
    assert facts_of(first)["mattered_epochs"] is None
    assert 'id="epochs"' not in (first / "report.html").read_text()
    call("bench", str(tmp_path / "some.toml"))  # whose scores are in the cache, without it
    (second,) = [folder for folder in run_folders() if folder != first]
    facts = facts_of(second)
    assert facts["mattered_epochs"]["variants"] == 6
    told = {one["name"]: (one["signal"] or {}).get("by_epoch") for one in facts["entries"]}
    assert {name for name, rows in told.items() if rows} == {"dropout=0.0", "dropout=0.2"}
    assert 'id="epochs"' in (second / "report.html").read_text()
