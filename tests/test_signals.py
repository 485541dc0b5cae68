"""The signals that ship, against what their names promise."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from signal_cases import market
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestRegressor, StackingRegressor, VotingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier, RidgeCV
from sklearn.model_selection import GridSearchCV, KFold, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import backtester as bt
import signals
from signals.features import default_features

PANEL = market(12, 120)
ROWS = np.arange(80, 100)


def predicted(signal, panel=PANEL, rows=ROWS):
    return signal.predict(panel.head(int(rows[-1])), rows)


def test_momentum_leaves_out_the_last_month():
    index = PANEL.adj_close
    expected = index[ROWS - 5] / index[ROWS - 60] - 1
    expected[np.isnan(index[ROWS])] = np.nan
    np.testing.assert_array_equal(predicted(signals.Momentum(60, 5)), expected)
    assert (signals.Momentum().lookback, signals.Momentum().skip, signals.Momentum().warmup) == (252, 21, 253)


def test_reversal_likes_what_fell():
    index = PANEL.adj_close
    np.testing.assert_array_equal(predicted(signals.Reversal(5)), -(index[ROWS] / index[ROWS - 5] - 1))
    assert signals.Reversal(5).warmup == 6


def test_random_depends_on_seed_date_and_symbol_alone():
    whole = predicted(signals.Random(1))
    assert np.isfinite(whole).mean() > 0.8
    assert (np.isnan(whole) == np.isnan(PANEL.close[ROWS])).all()
    late = PANEL.between(PANEL.dates[85])
    np.testing.assert_array_equal(predicted(signals.Random(1), late, np.arange(15)), whole[5:])
    some = [2, 7, 3]  # other symbols are gone, and their order is another
    columns = {name: getattr(PANEL, name)[:, some] for name in ("open", "high", "low", "close", "volume")}
    few = bt.Panel.from_arrays(PANEL.dates, [PANEL.symbols[i] for i in some], **columns)
    np.testing.assert_array_equal(predicted(signals.Random(1), few), whole[:, sorted(some)])
    assert not (predicted(signals.Random(2)) == whole).any()


def test_random_is_uniform():
    """20,000 draws: each tenth holds 2,000, with a standard error of 42; neighbours in time and name are unrelated."""
    closes = np.ones((200, 100))
    dates = np.busday_offset("2020-01-01", np.arange(200), roll="forward")
    symbols = [f"S{i:02d}" for i in range(100)]
    panel = bt.Panel.from_arrays(dates, symbols, open=closes, high=None, low=None, close=closes, volume=closes)
    drawn = signals.Random(0).predict(panel, np.arange(200))
    counts = np.histogram(drawn, bins=10, range=(0, 1))[0]
    assert np.abs(counts - 2000).max() < 5 * 42
    for one, other in ((drawn[1:], drawn[:-1]), (drawn[:, 1:], drawn[:, :-1])):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(19800)


# -- the estimator -----------------------------------------------------------------------------------------------------


def test_default_features_by_hand():
    """Returns over 1 and 2 sessions, and an extra column, of four symbols of which one is no member."""
    close = np.array([[10.0, 10.0, 10.0, 10.0], [10.0, 11.0, 9.0, 10.0], [12.0, 11.0, 9.0, 20.0]])
    member = np.ones((3, 4), bool)
    member[2, 3] = False
    extra = np.array([[1.0, 2.0, 3.0, 4.0]] * 2 + [[5.0, np.nan, 7.0, 9.0]])
    panel = bt.Panel.from_arrays(
        PANEL.dates[:3], list("ABCD"), open=close, high=None, low=None, close=close, volume=close,
        members=member, extra={"size": extra},
    )  # fmt: skip
    found = default_features(panel, np.array([2]), [1, 2], "rank")[0]
    gone = [np.nan] * 3
    assert found.tolist()[:3] == [
        # over 1: 0.2, 0, 0 (tied at the bottom: ranks 3, 1.5, 1.5 of 3); over 2: 0.2, 0.1, -0.1; size: 5, unknown, 7
        [0.5, 0.5, -0.5],
        [-0.25, 0.0, 0.0],
        [-0.25, -0.5, 0.5],
    ]
    np.testing.assert_array_equal(found[3], gone)
    scored = default_features(panel, np.array([2]), [2], "zscore")[0]
    # returns 0.2, 0.1, -0.1: mean 1/15, deviations 2/15, 1/30, -1/6, variance (16 + 1 + 25) / 900 / 3
    assert scored[:3, 0] == pytest.approx(np.array([4, 1, -5]) / np.sqrt(14), abs=1e-14)
    assert scored[:3, 1] == pytest.approx([-1.0, 0.0, 1.0])


def test_a_vendors_adjusted_close_is_no_feature():
    """It has been restated by later splits and dividends (law 15)."""
    frame = pd.DataFrame(
        {"date": np.repeat(PANEL.dates[:30], 2), "symbol": ["A", "B"] * 30, "open": 1.0, "close": 1.0, "volume": 1.0}
    )
    frame["Adj Close"], frame["mood"] = 0.5, np.arange(60.0)
    panel = bt.Panel.from_frame(frame)
    assert sorted(panel.extra) == ["adj_close_vendor", "mood"]
    assert default_features(panel, np.array([20]), [1], "rank").shape == (1, 2, 2)  # a return and the mood


def learnt(estimator, features, label="raw"):
    """What an estimator says, fitted and asked by hand."""
    train, rows = np.arange(20, 60), np.arange(70, 75)
    panel = PANEL.head(61)
    x, y = features(PANEL.head(59), train), bt.labels(panel, train, 1, kind=label)
    used = np.isfinite(x).all(axis=2) & np.isfinite(y) & PANEL.member[train]
    estimator.fit(x[used], y[used])
    x = features(PANEL.head(74), rows)
    usable = np.isfinite(x).all(axis=2) & PANEL.member[rows]
    expected = np.full(usable.shape, np.nan)
    expected[usable] = estimator.predict(x[usable])
    return train, rows, panel, expected


def sizes(panel, rows):
    return np.stack([panel.extra["size"][rows], panel.extra["mood"][rows]], axis=2)


@pytest.mark.parametrize("label", ["raw", "demeaned", "ranked"])
def test_the_estimator_does_what_one_would_by_hand(label):
    train, rows, panel, expected = learnt(Ridge(3.0), sizes, label)
    for given in (
        signals.Estimator(Ridge(3.0), label=label, features=sizes, warmup=1),
        signals.Estimator("sklearn.linear_model:Ridge", {"alpha": 3.0}, label=label, features=sizes, warmup=1),
    ):
        given.fit(panel, train)
        np.testing.assert_array_equal(given.predict(PANEL.head(74), rows), expected)
    assert np.isnan(expected).any()  # `mood` is unknown here and there
    assert np.isfinite(expected).sum() > 30


def test_the_default_features_score_every_member_with_a_close():
    signal = signals.Estimator(Ridge(), lookbacks=[1, 3])
    assert signal.warmup == 4
    signal.fit(PANEL.head(61), np.arange(20, 60))
    there = PANEL.member[ROWS] & np.isfinite(PANEL.close[ROWS])
    assert (np.isfinite(predicted(signal)) == there).all()
    assert not there.all()


def test_an_estimator_that_takes_nan_is_given_it():
    """A tree that takes NaN scores symbols with some feature; one without any is left out."""
    estimator = "sklearn.ensemble:HistGradientBoostingRegressor"

    def holes(panel, rows):
        x = sizes(panel, rows)
        x[:, 4] = np.nan
        return x

    signal = signals.Estimator(estimator, {"max_iter": 3}, features=holes, warmup=1)
    signal.fit(PANEL.head(61), np.arange(20, 60))
    known = np.isfinite(holes(PANEL.head(99), ROWS))
    scored = np.isfinite(predicted(signal))
    assert (scored == known.any(axis=2) & PANEL.member[ROWS]).all()
    assert (scored & ~known.all(axis=2)).any()
    assert not scored[:, 4].any()


def test_a_classifier_gives_the_probability_of_going_up():
    signal = signals.Estimator(LogisticRegression(), label="up", features=sizes, warmup=1)
    model = LogisticRegression()
    train, rows, panel, said = learnt(model, sizes, "up")
    signal.fit(panel, train)
    scores, x = signal.predict(PANEL.head(74), rows), sizes(PANEL, rows)
    known = np.isfinite(said)
    np.testing.assert_allclose(scores[known], model.predict_proba(x[known])[:, 1], rtol=1e-14)
    assert (np.isfinite(scores) == known).all()
    assert 0 < scores[known].min() < scores[known].max() < 1


@pytest.mark.parametrize("label", ["three", "triple_barrier"])
def test_a_classifier_of_three_gives_the_expected_direction(label):
    """The triple barrier has a label once 20 returns are known."""
    signal = signals.Estimator(LogisticRegression(), label=label, features=sizes, warmup=1)
    model = LogisticRegression()
    train, rows, panel, said = learnt(model, sizes, label)
    signal.fit(panel, train)
    scores, x = signal.predict(PANEL.head(74), rows), sizes(PANEL, rows)
    known = np.isfinite(said)
    chances = model.predict_proba(x[known])
    assert model.classes_.tolist() == [-1.0, 0.0, 1.0]
    np.testing.assert_allclose(scores[known], chances[:, 2] - chances[:, 0], rtol=1e-12, atol=1e-15)
    assert scores[known].min() < scores[known].max()


def test_the_estimator_given_is_never_fitted():
    model = Ridge()
    bt.walk_forward(PANEL, signals.Estimator(model, lookbacks=[1]), bt.Folds(30, 30))
    assert not hasattr(model, "coef_")


def test_the_seed_reaches_every_part_that_has_none_of_its_own():
    seen = []

    class Asks(RegressorMixin, BaseEstimator):
        def __init__(self, random_state=None, other=None):
            self.random_state, self.other = random_state, other

        def fit(self, x, y):
            seen.append(self.random_state)
            self.fitted_ = True
            return self

        def predict(self, x):
            return np.zeros(len(x))

    for given, expected in ((None, 5), (8, 8)):
        for estimator in (Asks(given), make_pipeline(StandardScaler(), Asks(given))):
            signals.Estimator(estimator, lookbacks=[1], seed=5).fit(PANEL.head(61), np.arange(20, 60))
            assert seen.pop() == expected
    forest = RandomForestRegressor(3, max_depth=2)
    one, same, other = (
        bt.walk_forward(PANEL, signals.Estimator(forest, lookbacks=[1], seed=seed), bt.Folds(30, 60)).sha256
        for seed in (1, 1, 2)
    )
    assert one == same != other


def test_it_is_described_with_its_parameters():
    signal = signals.Estimator(make_pipeline(StandardScaler(), Ridge(2.0)), horizon=2, lookbacks=[1, 2])
    told = signal.describe()
    steps = dict(told["estimator"]["steps"])
    assert list(steps) == ["standardscaler", "ridge"]
    assert (steps["ridge"]["class"], steps["ridge"]["alpha"]) == ("sklearn.linear_model._ridge:Ridge", 2.0)
    assert (told["horizon"], told["lookbacks"], told["scale"], told["fill"]) == (2, [1, 2], "rank", "open")
    other = signals.Estimator(make_pipeline(StandardScaler(), Ridge(3.0)), horizon=2, lookbacks=[1, 2]).describe()
    assert other != told
    named = signals.Estimator("sklearn.linear_model:Ridge", features="test_signals:sizes", warmup=3)
    assert (named.describe()["features"], named.warmup) == ("test_signals:sizes", 3)


def test_rows_before_the_warmup_know_nothing():
    """No row counts from the end of the panel."""
    rows = np.arange(8)
    for signal, first in ((signals.Momentum(5, 2), 5), (signals.Reversal(5), 5)):
        said = signal.predict(PANEL, rows)
        assert np.isnan(said[:first]).all()
        assert np.isfinite(said[first:]).any()
    features = default_features(PANEL, rows, [5], "rank")
    scored = np.isfinite(features[:, :, 0])
    assert (features[:5, :, 0][scored[:5]] == 0.0).all()  # unknown is the middle
    assert (features[5:, :, 0][scored[5:]] != 0.0).any()


class Duck:
    """Nothing of scikit-learn's but the two methods."""

    random_state = None

    def __init__(self, power=1.0):
        self.power = power

    def fit(self, x, y):
        self._seen = self.random_state
        self._weights = np.linalg.lstsq(x**self.power, y, rcond=None)[0]

    def predict(self, x):
        return x**self.power @ self._weights


class WithParameters(Duck):
    """And its parameters, but no tags."""

    def get_params(self, deep=True):
        return {"power": self.power}

    def set_params(self, **given):
        self.__dict__.update(given)
        return self


TRAINED = {
    "voting": lambda: VotingRegressor([("a", Ridge()), ("b", LinearRegression())]),
    "stacking": lambda: StackingRegressor([("a", Ridge()), ("b", LinearRegression())]),
    "columns": lambda: make_pipeline(ColumnTransformer([("s", StandardScaler(), [0])], remainder="drop"), Ridge()),
    "function": lambda: make_pipeline(FunctionTransformer(np.abs), Ridge()),
    "alphas": lambda: RidgeCV(alphas=np.logspace(-2, 2, 100)),
    "search": lambda: GridSearchCV(Ridge(), {"alpha": [0.1, 10.0]}, cv=TimeSeriesSplit(3)),
    "shuffled": lambda: GridSearchCV(Ridge(), {"alpha": [0.1, 10.0]}, cv=KFold(3, shuffle=True)),
    "duck": lambda: Duck(),
    "parameters": lambda: WithParameters(3.0),
}


@pytest.mark.parametrize("name", TRAINED)
def test_any_estimator_with_fit_and_predict_trains(name, tmp_path):
    def walk():
        signal = signals.Estimator(TRAINED[name](), lookbacks=[1, 3])
        return bt.walk_forward(PANEL, signal, bt.Folds(40, 30), cache=tmp_path)

    one, two = walk(), walk()
    assert one.known > 400
    assert (one.from_cache, two.from_cache) == (False, True)
    assert one.values.tobytes() == two.values.tobytes()
    again = bt.walk_forward(PANEL, signals.Estimator(TRAINED[name](), lookbacks=[1, 3]), bt.Folds(40, 30))
    assert again.values.tobytes() == one.values.tobytes()


def test_an_opaque_estimator_trains_and_is_not_cached(tmp_path):
    hidden = make_pipeline(FunctionTransformer(lambda x: x**2), Ridge())
    with pytest.warns(UserWarning, match="not cached: estimator.steps.func: .*lambda.* cannot be told from another"):
        scores = bt.walk_forward(PANEL, signals.Estimator(hidden, lookbacks=[1]), bt.Folds(40, 30), cache=tmp_path)
    assert scores.known > 400
    assert list(tmp_path.iterdir()) == []


def test_what_scikit_learn_refuses_is_told():
    duck = make_pipeline(StandardScaler(), WithParameters())
    scaler = make_pipeline(FunctionTransformer(), StandardScaler())
    for estimator, message in ((duck, "Make sure to inherit from `BaseEstimator`"), (scaler, "has no predict once")):
        with pytest.raises(bt.SignalError, match=message):
            bt.walk_forward(PANEL, signals.Estimator(estimator, lookbacks=[1]), bt.Folds(40, 30))


def test_a_classifier_without_probabilities():
    signal = signals.Estimator(RidgeClassifier(), label="up", lookbacks=[1])
    with pytest.raises(bt.SignalError, match="RidgeClassifier is a classifier without predict_proba"):
        bt.walk_forward(PANEL, signal, bt.Folds(40, 30))


def test_features_of_the_wrong_shape():
    signal = signals.Estimator(Ridge(), features=lambda panel, rows: panel.close[rows], warmup=1)
    with pytest.raises(bt.SignalError, match=r"features returned shape \(30, 12\); it must be .* \(30, 12, F\)"):
        bt.walk_forward(PANEL, signal, bt.Folds(30, 30))


def test_nothing_to_learn_from():
    nobody = dataclasses.replace(PANEL, member=np.zeros(PANEL.shape, bool))
    with pytest.raises(bt.SignalError, match="no training row has both its features and a label"):
        bt.walk_forward(nobody, signals.Estimator(Ridge(), lookbacks=[1]), bt.Folds(30, 30))
    with pytest.raises(bt.ConfigError, match="has not been fitted"):
        predicted(signals.Estimator(Ridge(), lookbacks=[1]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: signals.Momentum(lookback=5, skip=5), "skip is 5"),
        (lambda: signals.Momentum(lookback=5.5), "lookback is 5.5"),
        (lambda: signals.Momentum(skip=-1), "skip is -1"),
        (lambda: signals.Momentum(horizon=0), "horizon is 0"),
        (lambda: signals.Reversal(lookback=True), "lookback is True"),
        (lambda: signals.Random(seed=-1), "seed is -1"),
        (lambda: signals.Estimator(Ridge), "must be an object with fit\\(x, y\\) and predict"),
        (lambda: signals.Estimator(StandardScaler()), "must be an object with fit"),
        (lambda: signals.Estimator(7), "estimator is 7; it must be an object with fit"),
        (lambda: signals.Estimator(Ridge(), {"alpha": 1.0}), "arguments go with an estimator that is named"),
        (lambda: signals.Estimator("Ridge"), "write package.module:Name"),
        (lambda: signals.Estimator("sklearn.linear:Ridge"), "sklearn.linear cannot be imported"),
        (lambda: signals.Estimator("sklearn.linear_model:Rigde"), "has no Rigde. Did you mean 'Ridge'"),
        (lambda: signals.Estimator("sklearn.linear_model:Ridge", {"alhpa": 1}), "refused its arguments"),
        (lambda: signals.Estimator(Ridge(), label="rank"), "label is 'rank'.*Did you mean 'ranked'"),
        (lambda: signals.Estimator(Ridge(), fill="opn"), "fill is 'opn'.*Did you mean 'open'"),
        (lambda: signals.Estimator(Ridge(), scale="ranks"), "scale is 'ranks'"),
        (lambda: signals.Estimator(Ridge(), lookbacks=[]), "lookbacks is empty"),
        (lambda: signals.Estimator(Ridge(), lookbacks=[0]), "lookbacks is 0"),
        (lambda: signals.Estimator(Ridge(), warmup=3), "warmup is 3; it must be a whole number, at least 64"),
        (lambda: signals.Estimator(Ridge(), features=sizes), "warmup is not given"),
        (lambda: signals.Estimator(Ridge(), features=7, warmup=1), "features is 7; it must be a function"),
        (lambda: signals.Estimator(LogisticRegression()), "LogisticRegression is a classifier and needs 'up'"),
        (lambda: signals.Estimator(LinearRegression(), horizon=1.5), "horizon is 1.5"),
        (lambda: signals.Estimator(LinearRegression(), seed=-1), "seed is -1"),
    ],
)
def test_wrong_arguments(make, message):
    with pytest.raises(bt.ConfigError, match=message):
        make()
