"""Signals made of others: ranks and means by hand, parts that learn as they would alone, settings that are wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import call, only_run, refused
from signal_cases import market

import backtester as bt
import signals
from backtester.cross_section import centred_ranks
from signals.ensemble import smooth_ranks

pytestmark = pytest.mark.usefixtures("one_thread")

PANEL = market(16, 110)
FOLDS = bt.Folds(50, 20)
NAN = np.nan
QUICK = {"features": ["return_1", "return_5"], "epochs": 2, "batch": 512, "device": "cpu", "hidden": [4]}


class Says(bt.Signal):
    """The same scores in every session."""

    def __init__(self, scores, horizon=1, warmup=1, fill=None):
        self.scores = list(scores)
        self.horizon, self.warmup, self.fill = horizon, warmup, fill

    def predict(self, panel, rows):
        return np.tile(np.array(self.scores), (len(rows), 1))


def small_panel(symbols):
    return bt.synthetic(symbols, 30, 0).panel


def asked(signal, symbols=5):
    """What a signal says of the last session."""
    panel = small_panel(symbols)
    assert panel.member[-1].all()
    return signal.predict(panel, np.array([len(panel.dates) - 1]))


# Averages.


def test_a_rank_mean_by_hand():
    """Scores (30, 10, 20, NaN, NaN): ranks 3, 1, 2 of three, centred 0.5, -0.5, 0.
    Scores (7, 7, NaN, 1, NaN): the two 7s share the ranks 2 and 3, 2.5 of three, centred (2.5 - 1) / 2 - 0.5 = 0.25;
    the 1 is -0.5. Means of what is known: (0.5 + 0.25) / 2 = 0.375, (-0.5 + 0.25) / 2 = -0.125, 0, -0.5, none.
    """
    said = asked(signals.Ensemble([Says([30.0, 10.0, 20.0, NAN, NAN]), Says([7.0, 7.0, NAN, 1.0, NAN])]))
    np.testing.assert_allclose(said.scores, [[0.375, -0.125, 0.0, -0.5, NAN]], rtol=0.0, atol=1e-12)
    assert list(said.members) == ["Says 1", "Says 2"]
    np.testing.assert_array_equal(said.members["Says 2"], [[7.0, 7.0, NAN, 1.0, NAN]])


def test_a_mean_by_hand():
    """(30 + 7) / 2, (10 + 7) / 2, and what only one knows as it is."""
    parts = [Says([30.0, 10.0, 20.0, NAN, NAN]), Says([7.0, 7.0, NAN, 1.0, NAN])]
    said = asked(signals.Ensemble(parts, how="mean"))
    np.testing.assert_array_equal(said.scores, [[18.5, 8.5, 20.0, 1.0, NAN]])


def test_a_part_that_is_alone_or_says_nothing():
    """A score that is alone in its session ranks in the middle; one that is not there does not count."""
    said = asked(signals.Ensemble([Says([NAN, 4.0, NAN]), Says([NAN, NAN, NAN])]), symbols=3)
    np.testing.assert_array_equal(said.scores, [[NAN, 0.0, NAN]])


def test_only_members_of_the_universe_are_ranked():
    """Symbol 1 left it a third into the market: the others rank as if it were not there."""
    rows = np.array([len(PANEL.dates) - 1])
    scores = np.arange(16.0)
    said = signals.Ensemble([Says(scores)]).predict(PANEL, rows)
    assert not PANEL.member[rows[0], 1]
    expected = centred_ranks(np.where(PANEL.member[rows], scores, NAN))
    np.testing.assert_allclose(said.scores, expected, rtol=0.0, atol=1e-12)
    assert np.isnan(said.scores[0, 1])


def test_smooth_ranks_are_ranks_where_scores_are_apart():
    rng = np.random.default_rng(0)
    scores = rng.permuted(np.tile(np.arange(40.0), (6, 1)), axis=1)  # 1 apart; a thousandth of the quartiles is 0.0195
    scores[rng.random(scores.shape) < 0.2] = NAN
    scores[0, :10] = 5.0
    np.testing.assert_allclose(smooth_ranks(scores), centred_ranks(scores), rtol=0.0, atol=1e-12)


def test_scores_that_are_close_count_in_proportion():
    """(0, 1, 2, 3, 4): quartiles 1 and 3, so that less than 0.002 is close. With 2.0005 in place of 3 they are 1 and
    2.0005, and close is less than 0.0010005. 2 against 2.0005: 0.0005 / 0.0010005 = 0.49975 above it in place of 1.
    Of 2.0005: below it 2 in whole and 0.49975, above it 1: (2.49975 - 1) / 8; of 2: (2 - 1.49975) / 8.
    """
    ranks = smooth_ranks(np.array([[0.0, 1.0, 2.0, 2.0005, 4.0]]))
    share = 0.0005 / 0.0010005
    np.testing.assert_allclose(ranks, [[-0.5, -0.25, (1 - share) / 8, (1 + share) / 8, 0.5]], rtol=0.0, atol=1e-9)


def test_rounding_moves_no_rank_far():
    """Two scores that change places by the rounding of float32, of size 1e-7: by ranks that would be 1 / 49."""
    scores = np.random.default_rng(0).normal(size=(1, 50))
    scores[0, 1] = scores[0, 0] + 1e-7
    other = scores.copy()
    other[0, [0, 1]] = scores[0, [1, 0]]
    assert np.abs(centred_ranks(other) - centred_ranks(scores)).max() == pytest.approx(1 / 49)
    assert np.abs(smooth_ranks(other) - smooth_ranks(scores)).max() < 1e-5


@pytest.mark.parametrize("far", [-1e15, 1e15, -1e300])
def test_a_score_far_off_moves_no_other_rank(far):
    """The sum of all scores below would have no digits left for the differences of the others."""
    scores = np.random.default_rng(0).normal(size=(1, 40))
    scores[0, [3, 7]] = far
    np.testing.assert_allclose(smooth_ranks(scores), centred_ranks(scores), rtol=0.0, atol=1e-8)


def test_scores_of_which_most_are_equal():
    """The quartiles are equal: plain ranks, ties sharing theirs. Of (0, 0, 0, 0, 1) the zeros rank 2.5 of five."""
    np.testing.assert_array_equal(smooth_ranks(np.array([[0.0, 0.0, 0.0, 0.0, 1.0]])), [[-0.125] * 4 + [0.5]])


# Parts.


def test_parts_learn_as_they_would_alone():
    """The same bytes: each part is handed the same folds, in stacks of its own."""
    parts = [
        signals.MLP(seeds=2, **QUICK),
        signals.Estimator("sklearn.linear_model:Ridge", lookbacks=[1, 9]),
        signals.Reversal(),
    ]
    scores = bt.walk_forward(PANEL, signals.Ensemble(parts), FOLDS)
    assert list(scores.members) == ["MLP", "Ridge", "Reversal"]
    warmup = signals.Ensemble(parts).warmup
    assert warmup == 10  # of the estimator: returns of 9 sessions
    for part, own in zip(parts, scores.members.values(), strict=True):
        part.warmup = warmup  # so that the folds are the same
        alone = bt.walk_forward(PANEL, part, FOLDS).values
        assert np.isfinite(own).sum() > 100
        np.testing.assert_array_equal(own, np.where(PANEL.member, alone, NAN))
    assert [row["model"] for row in scores.learning[:4:2]] == ["MLP: seed 0", "MLP: seed 1"]
    spread = scores.spread[np.isfinite(scores.values)]
    assert np.nanmin(spread) > 0.0


def test_a_seed_is_added_to_those_of_the_parts():
    one = signals.Ensemble([signals.Random(1), signals.Random(5)])
    scores = bt.walk_forward(PANEL, one, FOLDS, seed=10)
    for name, seed in (("Random 1", 11), ("Random 2", 15)):
        alone = bt.walk_forward(PANEL, signals.Random(seed), FOLDS).values
        np.testing.assert_array_equal(scores.members[name], np.where(PANEL.member, alone, NAN))


def test_an_ensemble_of_ensembles():
    """The seed of the outer one is added to that of the inner one, and both to those of its parts."""
    inner = signals.Ensemble([signals.Random(1), signals.Random(5)], seed=2)
    scores = bt.walk_forward(PANEL, signals.Ensemble([inner, signals.Reversal()]), FOLDS, seed=10)
    alone = signals.Ensemble([signals.Random(13), signals.Random(17)])
    alone.warmup = signals.Reversal().warmup  # so that the folds are the same
    expected = bt.walk_forward(PANEL, alone, FOLDS).values
    np.testing.assert_array_equal(scores.members["Ensemble"], expected)
    ranks = [smooth_ranks(one) for one in scores.members.values()]
    np.testing.assert_allclose(scores.values, np.mean(ranks, axis=0), rtol=0.0, atol=1e-12)


def test_parts_go_on_from_their_own_fold_before():
    """One call for all folds hands each part its folds; a fold at a time hands it its own copy of the fold before."""

    class Counts(bt.Signal):
        continues = True

        def __init__(self, step):
            self.step = step
            self._count = 0

        def fit_folds(self, jobs, work):
            before = work.previous._count if work.previous is not None else 0
            for job in jobs:
                before += self.step
                job.signal._count = before

        def predict(self, panel, rows):
            return np.full((len(rows), panel.shape[1]), float(self._count))

    ensemble = signals.Ensemble([Counts(1), signals.Reversal(), Counts(10)], how="mean")
    assert ensemble.continues
    for batch in (None, 1):
        scores = bt.walk_forward(PANEL, ensemble, FOLDS, batch=batch)
        for name, step in (("Counts 1", 1.0), ("Counts 2", 10.0)):
            firsts = [np.searchsorted(PANEL.dates, np.datetime64(fold.test_first)) for fold in scores.folds]
            assert [np.nanmax(scores.members[name][first]) for first in firsts] == [step, 2 * step, 3 * step]


def test_what_is_known_of_the_parts():
    parts = [Says([1.0], warmup=7, fill="close"), signals.MLP(**QUICK), Says([1.0], warmup=3)]
    ensemble = signals.Ensemble(parts)
    assert (ensemble.horizon, ensemble.warmup, ensemble.fill) == (1, 7, "open")  # open is before close
    assert not ensemble.continues
    told = ensemble.describe()
    assert [one["class"].split(":")[1] for one in told["signals"]] == ["Says", "MLP", "Says"]
    assert ensemble.environment() == {"2": parts[1].environment()}
    assert {source.__name__ for source in ensemble.sources()} >= {"Ensemble", "Says", "MLP", "Network"}


def test_each_part_has_a_folder_of_its_own(tmp_path):
    """Two networks of the same settings would write the same files."""
    ensemble = signals.Ensemble([signals.MLP(**QUICK), signals.MLP(**QUICK)])
    told = []
    scores = bt.walk_forward(PANEL, ensemble, FOLDS, checkpoints=tmp_path, progress=lambda *one: told.append(one))
    files = sorted(path.relative_to(tmp_path).parts[1:] for path in tmp_path.rglob("*.safetensors"))
    assert {parts[0] for parts in files} == {"part-1", "part-2"}
    assert len(files) == 2 * len(scores.folds)
    done = [(done, total) for what, done, total in told if what == "training"]
    assert done == sorted(done)
    assert done[-1][0] == done[-1][1]
    again = bt.walk_forward(PANEL, ensemble, FOLDS, checkpoints=tmp_path)
    assert again.values.tobytes() == scores.values.tobytes()


def test_scores_come_back_from_the_cache(tmp_path):
    ensemble = signals.Ensemble(["signals:Reversal", {"class": "signals:Momentum", "lookback": 9, "skip": 2}])
    made = bt.walk_forward(PANEL, ensemble, FOLDS, cache=tmp_path)
    read = bt.walk_forward(PANEL, ensemble, FOLDS, cache=tmp_path)
    assert (made.from_cache, read.from_cache) == (False, True)
    assert read.values.tobytes() == made.values.tobytes()
    np.testing.assert_array_equal(read.spread, made.spread)
    other = signals.Ensemble(["signals:Reversal", {"class": "signals:Momentum", "lookback": 9, "skip": 3}])
    assert not bt.walk_forward(PANEL, other, FOLDS, cache=tmp_path).from_cache


# What is wrong.


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "one at least"),
        ("signals:MLP", "a list of signals"),
        (["signals:Momentun"], "signals, number 1 .* Did you mean 'Momentum'"),
        ([{"class": "signals:Momentum", "lookbak": 5}], "no setting 'lookbak'.* Did you mean 'lookback'"),
        ([{"class": "signals:MLP", "epoch": 5}], "MLP has no setting 'epoch'.* Did you mean 'epochs'"),
        ([signals.Reversal(), {"lookback": 5}], "signals, number 2 has no class"),
        (["backtester:Folds"], "no class of a signal"),
        ([3.0], "signals, number 1 is 3.0"),
        (["signals:Estimator"], "signals:Estimator refused its arguments"),
        ([signals.Reversal(), signals.Reversal(horizon=5)], "Reversal 1 1, Reversal 2 5"),
    ],
)
def test_parts_that_are_wrong(given, told):
    with pytest.raises(bt.ConfigError, match=told):
        signals.Ensemble(given)


def test_a_way_that_is_unknown():
    with pytest.raises(bt.ConfigError, match=r"how is 'rank_mea'.* Did you mean 'rank_mean'"):
        signals.Ensemble([signals.Reversal()], how="rank_mea")


def test_a_part_that_learns_is_asked_too_early():
    rows = np.array([100])
    with pytest.raises(bt.SignalError, match="has not been fitted"):
        signals.Ensemble([signals.MLP(**QUICK)]).predict(PANEL, rows)


# Config files.

CONFIG = """\
[data]
synthetic = { symbols = 16, sessions = 110, seed = 3 }

[signal]
class = "signals:Ensemble"
signals = [
    { class = "signals:MLP", features = ["return_1", "return_5"], hidden = [4], epochs = 1, device = "cpu" },
    { class = "signals:Reversal", lookback = 3 },
]

[folds]
train = 50
test = 20

[strategy]
class = "strategies:RankedLongShort"
long = 3
short = 3
"""


@pytest.fixture
def config(own_folder: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("BACKTESTER_CACHE", str(tmp_path / "cache"))
    Path("both.toml").write_text(CONFIG)
    return "both.toml"


def test_a_run_of_a_config_file(config: str) -> None:
    output = call("run", config).stdout
    settings = bt.Result.load(only_run()).settings
    told = settings["scores"]["signal"]["signals"]
    assert [one["class"] for one in told] == ["signals.neural:MLP", "signals.price:Reversal"]
    assert settings["signal_quality"]["members"].keys() == {"MLP", "Reversal"}
    assert "2 single members" in " ".join(output.split())


def test_a_config_file_with_a_wrong_part(config: str) -> None:
    text = refused("run", config, "--set", 'signal.signals=["signals:Reversl"]')
    assert "Did you mean 'Reversal'" in text
