"""A signal handed to a run: in batch, online, cut and gone on with."""

from __future__ import annotations

import numpy as np
import pytest
from signal_cases import MAKERS, market

import backtester as bt
import signals
import strategies

PANEL = market(10, 120)
FOLDS = bt.Folds(40, 15)
RANKED = strategies.RankedLongShort(3, 3)
REVERSAL = signals.Reversal(4)


def ridge():
    return MAKERS["ridge"]()


def test_a_run_makes_its_own_scores():
    scores = bt.walk_forward(PANEL, ridge(), FOLDS)
    assert bt.run(PANEL, RANKED, signal=ridge(), folds=FOLDS) == bt.run(PANEL, RANKED, scores=scores)
    record = bt.run(PANEL, RANKED, scores=scores).settings["scores"]
    assert record == {**scores.origin, "sha256": scores.sha256, "known": scores.known}


def test_the_signal_is_fitted_when_a_fold_begins_and_sees_nothing_after_today():
    seen = []

    class Spy(bt.Signal):
        def fit(self, panel, rows):
            seen.append(("fit", panel.shape[0] - 1, int(rows[-1])))

        def predict(self, panel, rows):
            seen.append((panel.shape[0] - 1, rows.tolist()))
            return panel.close[rows]

    class Asks(bt.Strategy):
        def decide(self, view):
            seen.append(("decide", view.t))

    bt.run(PANEL.head(30), Asks(), signal=Spy(), folds=bt.Folds(20, 5), online=True)
    expected = []
    for t in range(31):
        if t in (21, 26):  # the last training row is t - 2, and its label ends at the open of t
            expected.append(("fit", t, t - 2))
        if t >= 21:
            expected.append((t, [t]))
        expected.append(("decide", t))
    assert seen == expected


def test_a_view_shows_the_scores_so_far_and_no_later_ones():
    scores = bt.walk_forward(PANEL, ridge(), FOLDS, batch=1).values

    class Looks(bt.Strategy):
        def decide(self, view):
            assert view.scores.tobytes() == scores[: view.t + 1].tobytes()
            with pytest.raises(ValueError, match="read-only"):
                view.scores[-1] = 0.0
            assert np.isnan(view.scores.base[view.t + 1 :]).all()  # nor by the back door

    bt.run(PANEL, Looks(), signal=ridge(), folds=FOLDS, online=True)


@pytest.mark.parametrize("every", [1, 3])
def test_a_strategy_in_strides_is_asked_one_by_one_online(every):
    strategy = strategies.RankedLongShort(3, 3, every=every, warmup=2)
    scores = bt.walk_forward(PANEL, REVERSAL, batch=1)
    online = bt.run(PANEL, strategy, signal=REVERSAL, online=True)
    assert online.content_hash == bt.run(PANEL, strategy, scores=scores).content_hash
    assert len(online.fills) > 20


def simulation(cut=None, **more):
    return bt.Simulation(PANEL, RANKED, signal=ridge(), folds=FOLDS, snapshot=cut, **more)


@pytest.mark.parametrize("online", [False, True])
def test_a_cut_gives_the_same_bytes(online):
    """Law 19. Online, the fold that the cut lies in is fitted again, and earlier scores come with the snapshot."""
    whole = simulation(online=online)
    whole.advance()
    scores = None if not online else whole.snapshot().online.values
    result = whole.finish()
    for cut in (1, 46, 47, 48, 60, 61, 62, 63, 90, 119):
        first = simulation(online=online)
        first.advance(cut)
        second = simulation(first.snapshot(), online=online)
        second.advance()
        if online:
            assert second.snapshot().online.values.tobytes() == scores.tobytes()
        assert second.finish() == result


def test_a_resumed_run_fits_its_own_fold_only():
    fits = []

    class Counts(bt.Signal):
        def fit(self, panel, rows):
            fits.append(int(rows[-1]))

        def predict(self, panel, rows):
            return panel.close[rows]

    options = {"signal": Counts(), "folds": bt.Folds(20, 10), "online": True}
    first = bt.Simulation(PANEL, RANKED, **options)
    first.advance(47)
    assert fits == [19, 29, 39]
    fits.clear()
    second = bt.Simulation(PANEL, RANKED, snapshot=first.snapshot(), **options)
    second.advance(60)
    assert fits == [39, 49]


def test_a_snapshot_of_a_batch_run_has_no_scores_to_go_on_with():
    first = simulation(online=False)
    first.advance(50)
    with pytest.raises(bt.ConfigError, match="without online=True and has no scores: leave it out"):
        simulation(first.snapshot(), online=True)


@pytest.mark.parametrize("every", [1, 2])
def test_the_guards_of_the_signal_see_the_same_online(every):
    """Half of the scores are gone for ten sessions: the guard trips in both, on the same session."""

    class Fades(bt.Signal):
        warmup = 20

        def predict(self, panel, rows):
            gone = (rows >= 60) & (rows < 70)
            return np.where(gone[:, None] & (np.arange(10) < 7), np.nan, panel.close[rows])

    strategy = strategies.RankedLongShort(3, 3, every=every)
    options = {"risk": bt.RiskLimits(max_unscored=0.5, guard_action="halt", cooldown=15)}
    batch = bt.run(PANEL, strategy, scores=bt.walk_forward(PANEL, Fades(), batch=1), **options)
    online = bt.run(PANEL, strategy, signal=Fades(), online=True, **options)
    assert (batch.events["event"] == "guard_unscored").sum() == 1
    for table, array in batch.tape._asdict().items():
        assert array.tobytes() == getattr(online.tape, table).tobytes(), table


def test_a_run_with_a_signal_is_saved_and_loaded(tmp_path):
    result = bt.run(PANEL, RANKED, signal=ridge(), folds=FOLDS)
    result.save(tmp_path / "run")
    assert bt.Result.load(tmp_path / "run") == result


def test_the_record_of_an_online_run():
    record = bt.run(PANEL, RANKED, signal=ridge(), folds=FOLDS, online=True, seed=4).settings["scores"]
    assert (record["online"], record["batch"], record["signal"]["seed"]) == (True, 1, 4)
    scores = bt.walk_forward(PANEL, ridge(), FOLDS, batch=1, seed=4)
    assert (record["sha256"], record["known"], record["label_fills"]) == (scores.sha256, scores.known, ["open"])


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"signal": signals.Momentum(20, 5), "folds": FOLDS}, "signal"),
        ({"signal": MAKERS["ridge"](), "folds": FOLDS, "seed": 9}, "signal"),
        ({"signal": MAKERS["ridge"](), "folds": bt.Folds(40, 16)}, "folds"),
    ],
)
def test_a_snapshot_is_gone_on_with_by_its_own_signal(other, named):
    first = simulation(online=True)
    first.advance(60)
    cut = first.snapshot()
    with pytest.raises(bt.ConfigError, match=f"the snapshot was taken with {named} .*; now it is"):
        bt.Simulation(PANEL, RANKED, snapshot=cut, online=True, **other)
    simulation(cut, online=True).advance()


def test_folds_that_move_with_the_end_of_the_panel_are_not_gone_on_with():
    """Two folds of 15 that end with the last of 90 and of 120 sessions begin at 60 and at 90."""
    moving = {"signal": ridge(), "folds": bt.Folds(40, 15, n_splits=2), "online": True}
    first = bt.Simulation(PANEL.head(89), RANKED, **moving)
    first.advance(61)  # the first session of the first fold
    cut = first.snapshot()
    with pytest.raises(bt.ConfigError, match="the snapshot was taken with folds in other places: with n_splits"):
        bt.Simulation(PANEL, RANKED, snapshot=cut, **moving)
    bt.Simulation(PANEL.head(89), RANKED, snapshot=cut, **moving).advance()
    # A last fold that was short grows, and is the same: here that from session 86 on, of 15 rows instead of 4.
    growing = {"signal": ridge(), "folds": bt.Folds(40, 15), "online": True}
    second = bt.Simulation(PANEL.head(89), RANKED, **growing)
    second.advance()
    whole = bt.run(PANEL, RANKED, name="x", **growing)
    third = bt.Simulation(PANEL, RANKED, snapshot=second.snapshot(), **growing)
    third.advance()
    assert third.finish("x") == whole


class Quiet(bt.Signal):
    """Learns from labels, and says nothing of it."""

    def __init__(self, label_fill="open"):
        self.label_fill = label_fill

    def fit(self, panel, rows):
        self._mean = float(np.nanmean(bt.labels(panel, rows, fill=self.label_fill)))

    def predict(self, panel, rows):
        return self._mean + panel.close[rows]


@pytest.mark.parametrize("online", [False, True])
def test_labels_that_a_fit_asked_for_are_held_against_the_fill(online):
    options = {"folds": FOLDS, "online": online, "execution": bt.Execution(fill="close")}
    with pytest.raises(bt.ConfigError, match="before its orders fill"):
        bt.run(PANEL, RANKED, signal=Quiet(), **options)
    result = bt.run(PANEL, RANKED, signal=Quiet("close"), **options)
    assert result.settings["scores"]["label_fills"] == ["close"]


def test_cached_scores_know_what_they_were_learnt_from(tmp_path):
    for _ in range(2):
        scores = bt.walk_forward(PANEL, Quiet(), FOLDS, cache=tmp_path)
        with pytest.raises(bt.ConfigError, match="before its orders fill"):
            bt.run(PANEL, RANKED, scores=scores, execution=bt.Execution(fill="close"))
    assert scores.from_cache


def test_labels_outside_of_fit_are_nobodys_business():
    """A label of the past may be a feature."""
    bt.labels(PANEL, fill="same_close")
    assert bt.walk_forward(PANEL, REVERSAL).origin["label_fills"] == []


def test_progress_is_told_of_the_walk_too():
    told = []
    bt.run(PANEL, RANKED, signal=ridge(), folds=FOLDS, progress=lambda *what: told.append(what[0]))
    assert set(told) == {"scoring"}  # a run of fewer than 256 sessions tells nothing of itself


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": FOLDS}, "folds, online, seed, cache, .* and tensorboard are about a signal"),
        ({"online": True}, "are about a signal"),
        ({"seed": 1}, "are about a signal"),
        ({"signal": REVERSAL, "scores": np.zeros(PANEL.shape)}, "scores and a signal are both given"),
        ({"signal": REVERSAL, "online": True, "cache": "somewhere"}, "not cached: leave cache out"),
        ({"signal": signals.Reversal}, "signal is the class Reversal"),
        ({"signal": ridge()}, "Estimator learns from data, so it needs folds"),
        ({"signal": ridge(), "online": True}, "Estimator learns from data, so it needs folds"),
    ],
)
def test_arguments_that_do_not_fit_together(options, message):
    with pytest.raises(bt.ConfigError, match=message):
        bt.run(PANEL, RANKED, **options)


@pytest.mark.parametrize("online", [False, True])
def test_labels_that_start_before_the_fill_are_refused(online):
    """Trained on returns from the open of t + 1, but traded at the close of t + 1."""
    options = {"folds": FOLDS, "online": online, "execution": bt.Execution(fill="close")}
    with pytest.raises(bt.ConfigError, match=r"labels that start at the open of t\+1, before its orders fill"):
        bt.run(PANEL, RANKED, signal=ridge(), **options)
    trained = signals.Estimator("sklearn.linear_model:Ridge", lookbacks=[1], fill="close")
    assert len(bt.run(PANEL, RANKED, signal=trained, **options).fills)


def test_scores_that_learnt_from_labels_before_the_fill_are_refused(tmp_path):
    """Also when they come from a file of ours."""
    bt.walk_forward(PANEL, ridge(), FOLDS).to_parquet(tmp_path / "scores.parquet")
    scores = bt.Scores.from_parquet(tmp_path / "scores.parquet")
    with pytest.raises(bt.ConfigError, match="before its orders fill"):
        bt.run(PANEL, RANKED, scores=scores, execution=bt.Execution(fill="close"))
    assert len(bt.run(PANEL, RANKED, scores=scores).fills)


def test_an_error_of_the_signal_online_is_told():
    class Breaks(bt.Signal):
        def predict(self, panel, rows):
            return panel.close[rows] if rows[0] < 9 else panel.close["nine"]

    message = f"Breaks.predict on {PANEL.dates[9]} raised IndexError at .*test_online.py"
    with pytest.raises(bt.SignalError, match=message):
        bt.run(PANEL, RANKED, signal=Breaks(), online=True)
