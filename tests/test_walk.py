"""Walk-forward: what fit and predict are shown, what a score may depend on, and the cache."""

from __future__ import annotations

import dataclasses
import importlib
import json

import numpy as np
import pytest
from signal_cases import market, with_another_future

import backtester as bt
import signals
from backtester import score_cache

PANEL = market(6, 60)


class Mean(bt.Signal):
    """Scores everything by the mean label of its training rows: whatever a label depends on, it depends on."""

    _fits = 0

    def __init__(self, horizon=2, warmup=1, fill="open"):
        self.horizon, self.warmup, self.fill = horizon, warmup, fill

    def fit(self, panel, rows):
        Mean._fits += 1
        self._mean = np.nanmean(bt.labels(panel, rows, self.horizon, fill=self.fill))

    def predict(self, panel, rows):
        return np.full((len(rows), panel.shape[1]), self._mean)


class Silent(Mean):
    def predict(self, panel, rows):
        return super().predict(panel, rows) * np.nan


def closes(panel, rows):
    return panel.close[rows][:, :, None]


def opens(panel, rows):
    return panel.open[rows][:, :, None]


def with_price(panel, row, column="open"):
    """The panel with other prices in one row."""
    values = getattr(panel, column).copy()
    values[row] *= np.linspace(0.5, 2.0, values.shape[1])
    return dataclasses.replace(panel, **{column: values})


@pytest.mark.parametrize(("fill", "column"), [("open", "open"), ("close", "close")])
@pytest.mark.parametrize("folds", [bt.Folds(8, 6), bt.Folds(8, 6, embargo=3), bt.Folds(8, 6, purge=4, embargo=1)])
@pytest.mark.parametrize("horizon", [1, 2])
def test_scores_depend_on_the_prices_of_the_training_labels_alone(folds, horizon, fill, column):
    """Purge and embargo: every row of prices is changed in turn.

    The labels of training rows a .. b are made of the prices of a + 1 .. b + 1 + horizon, no others.
    """
    signal = Mean(horizon, fill=fill)
    plan = folds.split(60, horizon)
    before = bt.walk_forward(PANEL, signal, folds).values
    for row in range(60):
        after = bt.walk_forward(with_price(PANEL, row, column), signal, folds).values
        for fold in plan:
            learnt = fold.train[0] + 1 <= row <= fold.train[-1] + 1 + horizon
            assert (after[fold.test] != before[fold.test]).all() == learnt
            assert (after[fold.test] == before[fold.test]).all() == (not learnt)
    # the last price that was learnt from lies embargo (and what the purge has above the horizon) before the test
    spare = folds.gap(horizon) - horizon
    assert all(fold.train[-1] + 1 + horizon == fold.test[0] - spare for fold in plan)


def test_panels_end_where_they_must():
    seen = []

    class Spy(bt.Signal):
        horizon, warmup = 3, 4

        def fit(self, panel, rows):
            seen.append(("fit", panel.shape[0], rows[0], rows[-1]))
            assert not rows.flags.writeable
            assert rows.dtype == np.int64

        def predict(self, panel, rows):
            seen.append(("predict", panel.shape[0], rows[0], rows[-1]))
            assert not rows.flags.writeable
            return np.zeros((len(rows), panel.shape[1]))

    bt.walk_forward(PANEL.head(29), Spy(), bt.Folds(10, 8), batch=5)
    assert seen == [
        ("fit", 17, 3, 12),  # labels of row 12 end at the open of 16: 17 rows, 0 .. 16
        ("predict", 21, 16, 20),
        ("predict", 24, 21, 23),
        *[("predict", t + 1, t, t) for t in (16, 20, 23)],  # again, one by one
        ("fit", 25, 11, 20),
        ("predict", 29, 24, 28),
        ("predict", 30, 29, 29),
        *[("predict", t + 1, t, t) for t in (24, 27, 29)],
    ]


def test_a_leak_is_caught():
    """A signal that looks at tomorrow through the back door gives other scores in another future."""

    class Leaks(bt.Signal):
        whole = PANEL

        def predict(self, panel, rows):
            return self.whole.close[np.minimum(rows + 1, 59)]

    t = 40
    before = bt.walk_forward(PANEL, Leaks(), batch=1).values
    Leaks.whole = with_another_future(PANEL, t)
    after = bt.walk_forward(Leaks.whole, Leaks(), batch=1).values
    assert before[: t + 1].tobytes() != after[: t + 1].tobytes()


def test_without_folds_everything_is_scored():
    scores = bt.walk_forward(PANEL, signals.Reversal(3))
    assert np.isnan(scores.values[:3]).all()
    assert np.isfinite(scores.values[3:]).any(axis=1).all()
    assert scores.folds == (("", "", str(PANEL.dates[3]), str(PANEL.dates[59])),)
    with pytest.raises(bt.ConfigError, match="Mean learns from data, so it needs folds"):
        bt.walk_forward(PANEL, Mean())
    with pytest.raises(bt.DataError, match="Reversal needs 61 sessions for its first score; the panel has 60"):
        bt.walk_forward(PANEL, signals.Reversal(60))


def test_the_signal_is_not_changed():
    signal = Mean()
    bt.walk_forward(PANEL, signal, bt.Folds(8, 6))
    assert vars(signal) == vars(Mean())


def test_what_was_fitted_can_be_kept():
    kept = []
    folds = bt.Folds(8, 6)
    scores = bt.walk_forward(PANEL, Mean(), folds, on_fit=lambda fold, own: kept.append((fold, own)))
    assert [fold.test.tolist() for fold, _ in kept] == [fold.test.tolist() for fold in folds.split(60, 2)]
    for fold, own in kept:
        assert (scores.values[fold.test] == own._mean).all()


def test_progress_is_told_in_rows():
    told = []
    bt.walk_forward(PANEL, Mean(), bt.Folds(20, 15), batch=10, progress=lambda *what: told.append(what))
    assert told == [("scoring", done, 38) for done in (0, 10, 15, 25, 30, 38)]


def test_a_seed_takes_the_place_of_the_signals_own():
    drawn = bt.walk_forward(PANEL, signals.Random(3), seed=5)
    assert drawn.values.tobytes() == bt.walk_forward(PANEL, signals.Random(5)).values.tobytes()
    assert drawn.origin["signal"]["seed"] == 5


def test_scores_tell_where_they_come_from():
    scores = bt.walk_forward(PANEL, Mean(), bt.Folds(20, 15, embargo=1), batch=4)
    assert scores.origin == {
        "signal": {"class": "test_walk:Mean", "horizon": 2, "warmup": 1, "seed": 0, "fill": "open"},
        "folds": {"train": 20, "test": 15, "expanding": False, "purge": None, "embargo": 1, "n_splits": None},
        "batch": 4,
        "online": False,
        "label_fills": ["open"],
    }
    dates = [str(date) for date in PANEL.dates]
    assert scores.folds[0] == (dates[0], dates[19], dates[23], dates[37])
    assert json.loads(json.dumps(scores.record)) == scores.record


# -- the cache ---------------------------------------------------------------------------------------------------------


def fits_of(call):
    before = Mean._fits
    scores = call()
    return Mean._fits - before, scores


def test_a_change_of_costs_never_trains_again(tmp_path):
    class Flat(bt.Strategy):
        def decide(self, view):
            return bt.rank_long_short(view.scores[-1] + np.arange(6), view.tradable, long=1, short=1)

    def run(**costs):
        return bt.run(PANEL, Flat(), signal=Mean(), folds=bt.Folds(20, 20), cache=tmp_path, costs=bt.Costs(**costs))

    first, dear = fits_of(lambda: run(commission_bps=50))
    again, free = fits_of(lambda: run(commission_bps=0))
    assert (first, again) == (2, 0)
    assert dear.settings["scores"] == free.settings["scores"]
    assert dear.metrics["cost_commission"] > free.metrics["cost_commission"] == 0.0
    without, _ = fits_of(lambda: bt.run(PANEL, Flat(), signal=Mean(), folds=bt.Folds(20, 20)))
    assert without == 2


def test_cached_scores_are_the_same(tmp_path):
    folds = bt.Folds(20, 20)
    trained, one = fits_of(lambda: bt.walk_forward(PANEL, Mean(), folds, cache=tmp_path))
    loaded, other = fits_of(lambda: bt.walk_forward(PANEL, Mean(), folds, cache=tmp_path))
    assert (trained, loaded) == (2, 0)
    assert one.values.tobytes() == other.values.tobytes()
    assert (one.dates == other.dates).all()
    assert (one.symbols, one.folds, one.origin, one.sha256) == (other.symbols, other.folds, other.origin, other.sha256)


OTHERS = {
    "data": lambda: (with_price(PANEL, 59), Mean(), bt.Folds(20, 20), {}),
    "a setting": lambda: (PANEL, Mean(horizon=1), bt.Folds(20, 20), {}),
    "folds": lambda: (PANEL, Mean(), bt.Folds(20, 20, embargo=1), {}),
    "the batch": lambda: (PANEL, Mean(), bt.Folds(20, 20), {"batch": 7}),
    "the seed": lambda: (PANEL, Mean(), bt.Folds(20, 20), {"seed": 1}),
}


@pytest.mark.parametrize("change", OTHERS)
def test_anything_else_trains_again(change, tmp_path):
    bt.walk_forward(PANEL, Mean(), bt.Folds(20, 20), cache=tmp_path)
    panel, signal, folds, more = OTHERS[change]()
    trained, _ = fits_of(lambda: bt.walk_forward(panel, signal, folds, cache=tmp_path, **more))
    assert trained == 2
    trained, _ = fits_of(lambda: bt.walk_forward(panel, signal, folds, cache=tmp_path, **more))
    assert trained == 0


def test_another_version_of_a_library_trains_again(tmp_path, monkeypatch):
    bt.walk_forward(PANEL, Mean(), bt.Folds(20, 20), cache=tmp_path)
    for name in ("numpy", "scikit-learn", "torch"):
        there = score_cache.version
        monkeypatch.setattr(score_cache, "version", lambda asked, n=name, v=there: "0" if asked == n else v(asked))
        trained, _ = fits_of(lambda: bt.walk_forward(PANEL, Mean(), bt.Folds(20, 20), cache=tmp_path))
        assert trained == 2


def test_another_source_trains_again(tmp_path, monkeypatch):
    """A file is edited: its signal, and one that derives from it, are others; the same text again is the same."""
    monkeypatch.syspath_prepend(tmp_path)
    head, body = "import backtester as bt\nclass Ones(bt.Signal):\n", "return panel.close[rows] * 0 + 1\n"
    text = f"{head}    def predict(self, panel, rows):\n        {body}"
    (tmp_path / "ones_of_this_test.py").write_text(text)
    twos = "from ones_of_this_test import Ones\nclass Twos(Ones):\n    depth = 2\n"
    (tmp_path / "twos_of_this_test.py").write_text(twos)
    import ones_of_this_test
    import twos_of_this_test

    def keys():
        importlib.reload(ones_of_this_test)
        importlib.reload(twos_of_this_test)
        made = ones_of_this_test.Ones(), twos_of_this_test.Twos()
        return [score_cache.key_of(score_cache.ingredients(PANEL, one, None, None)) for one in made]

    before = keys()
    (tmp_path / "ones_of_this_test.py").write_text(text + "# another\n")
    with pytest.raises(bt.DataError, match=r"ones_of_this_test.py was edited after it was loaded.*reload ones_of_this"):
        score_cache.ingredients(PANEL, ones_of_this_test.Ones(), None, None)
    changed = keys()
    assert before[0] != changed[0]
    assert before[1] != changed[1]
    (tmp_path / "ones_of_this_test.py").write_text(text)
    assert keys() == before


def test_a_function_of_features_is_part_of_the_key():
    def parts(features):
        signal = signals.Estimator("sklearn.linear_model:Ridge", features=features, warmup=1)
        return score_cache.ingredients(PANEL, signal, bt.Folds(20, 20), None)

    one, other = parts(closes), parts("test_walk:opens")
    assert __name__ in one["source"]
    assert (one["signal"]["features"], other["signal"]["features"]) == ("test_walk:closes", "test_walk:opens")


def test_a_signal_without_an_opinion_is_cached(tmp_path):
    for expected in (2, 0):
        trained, scores = fits_of(lambda: bt.walk_forward(PANEL, Silent(), bt.Folds(20, 20), cache=tmp_path))
        assert trained == expected
        assert scores.known == 0


@pytest.mark.parametrize("damage", ["cut", "flipped", "lost", "other note", "no note"])
def test_damage_is_noticed(damage, tmp_path):
    folds = bt.Folds(20, 20)
    sound = bt.walk_forward(PANEL, Mean(), folds, cache=tmp_path)
    (entry,) = tmp_path.iterdir()
    scores, note = entry / "scores.parquet", entry / "scores.json"
    content = bytearray(scores.read_bytes())
    if damage == "cut":
        scores.write_bytes(content[:-20])
    elif damage == "flipped":
        content[len(content) // 2] ^= 1
        scores.write_bytes(content)
    elif damage == "lost":
        scores.unlink()
    elif damage == "other note":
        note.write_text(note.read_text().replace('"train": 20', '"train": 21'))
    else:
        note.write_text("{")
    with pytest.warns(UserWarning, match="cached scores .* are damaged .*; computing them again"):
        trained, again = fits_of(lambda: bt.walk_forward(PANEL, Mean(), folds, cache=tmp_path))
    assert trained == 2
    assert again.values.tobytes() == sound.values.tobytes()
    trained, _ = fits_of(lambda: bt.walk_forward(PANEL, Mean(), folds, cache=tmp_path))
    assert trained == 0  # it has been written anew


def test_a_cache_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.warns(UserWarning, match="cannot be cached"):
        scores = bt.walk_forward(PANEL, Mean(), bt.Folds(20, 20), cache=tmp_path / "file")
    assert scores.known > 0


def test_a_signal_without_a_file_is_not_cached(tmp_path):
    names = {"bt": bt, "__name__": "__main__"}
    exec("class Typed(bt.Signal):\n    def predict(self, panel, rows):\n        return panel.close[rows]", names)
    with pytest.warns(UserWarning, match="not cached: the source of __main__:Typed is in no file under that name"):
        bt.walk_forward(PANEL, names["Typed"](), cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_default_folder_lies_beside_the_panels(monkeypatch, tmp_path):
    monkeypatch.setenv("BACKTESTER_CACHE", str(tmp_path))
    assert score_cache.default_folder() == tmp_path / "scores"
    monkeypatch.delenv("BACKTESTER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert score_cache.default_folder() == tmp_path / "backtester" / "scores"
