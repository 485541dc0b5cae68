"""Scores of several members: kept beside the scores, in files and in the cache, and how far they are apart."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pickle

import numpy as np
import pyarrow.parquet as pq
import pytest
from signal_cases import market

import backtester as bt

PANEL = market(5, 40)
FOLDS = bt.Folds(10, 14)  # tests from sessions 11, 25 and 39 on
DATES = np.array(["2024-01-02", "2024-01-03", "2024-01-04"], dtype="datetime64[D]")
NAN = np.nan


class Pair(bt.Signal):
    """The mean of two members; from the second fold on there is a third."""

    def fit(self, panel, rows):
        self._first = int(rows[0])

    def predict(self, panel, rows):
        returns = panel.returns[rows]
        members = {"one": returns, "two": 2.0 * returns + 1.0}
        if self._first:
            members["late"] = -returns
        return bt.Prediction((members["one"] + members["two"]) / 2.0, members)


def pair_scores(**options):
    return bt.walk_forward(PANEL, Pair(), FOLDS, **options)


@pytest.mark.parametrize("batch", [None, 3, 1])
def test_members_are_kept_beside_the_scores(batch):
    scores = pair_scores(batch=batch)
    returns, first, second = PANEL.returns, slice(11, 25), slice(25, 40)
    assert list(scores.members) == ["one", "two", "late"]
    for name, expected in (("one", returns), ("two", 2.0 * returns + 1.0), ("late", -returns)):
        np.testing.assert_array_equal(scores.members[name][second], expected[second])
    np.testing.assert_array_equal(scores.members["one"][first], returns[first])
    assert np.isnan(scores.members["late"][first]).all()
    assert np.isnan(scores.members["one"][:11]).all()
    assert not any(own.flags.writeable for own in scores.members.values())
    with pytest.raises(TypeError):
        scores.members["more"] = scores.values


def test_online_they_are_the_same():
    class Holds(bt.Strategy):
        def decide(self, view):
            return None

    expected = pair_scores(batch=1)
    result = bt.run(PANEL, Holds(), signal=Pair(), folds=FOLDS, online=True)
    assert result.scores is not None
    assert {name: own.tobytes() for name, own in result.scores.members.items()} == {
        name: own.tobytes() for name, own in expected.members.items()
    }
    assert result.settings["scores"]["members"] == ["one", "two", "late"]
    options = {"signal": Pair(), "folds": FOLDS, "online": True}
    cut = bt.Simulation(PANEL.head(29), Holds(), **options)
    cut.advance()
    rest = bt.Simulation(PANEL, Holds(), **options, snapshot=cut.snapshot())
    rest.advance()
    again = rest.finish("Holds").scores
    assert again.members["one"].tobytes() == expected.members["one"].tobytes()
    assert again.record == result.scores.record


def test_the_record_names_them_and_the_hash_is_that_of_the_scores():
    scores = pair_scores()
    plain = bt.Scores(scores.values, scores.dates, scores.symbols)
    assert scores.record["members"] == ["one", "two", "late"]
    assert plain.sha256 == scores.sha256
    assert "members" not in plain.record


def test_the_spread_between_members():
    """Each session by hand.

    1. One is 1, 2, 3: mean 2, standard deviation sqrt(2/3); standardised -a, 0, a with a = sqrt(3/2). Two is 30, 20, 10
       in other units: a, 0, -a. Of -a and a: mean 0, squares 2 a^2 over 2 - 1, so sqrt(3). Of 0 and 0: 0.
    2. Two does not vary: 0 for all. Of -a and 0: mean -a/2, squares 2 (a/2)^2 = a^2/2 = 3/4, so sqrt(3)/2.
    3. Two knows the first two alone: 5, 7 are -1, 1. Of -a and -1: half their distance, squared, twice: (a - 1)^2 / 2.
       Of 0 and 1: sqrt(1/2). The last symbol has one member: unknown.
    """
    one = np.tile([1.0, 2.0, 3.0], (3, 1))
    two = np.array([[30.0, 20.0, 10.0], [4.0, 4.0, 4.0], [5.0, 7.0, NAN]])
    scores = bt.Scores(one, DATES, ("A", "B", "C"), members={"one": one, "two": two})
    a = np.sqrt(1.5)
    expected = [
        [np.sqrt(3.0), 0.0, np.sqrt(3.0)],
        [np.sqrt(3.0) / 2.0, 0.0, np.sqrt(3.0) / 2.0],
        [(a - 1.0) / np.sqrt(2.0), np.sqrt(0.5), NAN],
    ]
    np.testing.assert_allclose(scores.spread, expected, rtol=1e-14, atol=1e-15)  # a few roundings of numbers near 1
    assert np.isnan(bt.Scores(one, DATES, ("A", "B", "C"), members={"one": one}).spread).all()
    assert np.isnan(bt.Scores(one, DATES, ("A", "B", "C")).spread).all()


def test_they_are_frozen_copied_and_fit_the_scores():
    values, own = np.zeros((3, 2)), np.ones((3, 2))
    scores = bt.Scores(values, DATES, ("A", "B"), members={"one": own})
    own[0] = 5.0
    assert scores.members["one"][0, 0] == 1.0
    with pytest.raises(bt.DataError, match=r"member 'one' have shape \(2, 2\), the scores \(3, 2\)"):
        bt.Scores(values, DATES, ("A", "B"), members={"one": own[:2]})


def test_a_curve_of_other_keys_is_refused():
    with pytest.raises(bt.DataError, match=r"learning curves with fold, model; it must have fold, model, epoch"):
        bt.Scores(np.zeros((3, 2)), DATES, ("A", "B"), learning=[{"fold": 1, "model": "m"}])


def test_a_file_holds_them(tmp_path):
    scores = pair_scores()
    file = tmp_path / "scores.parquet"
    scores.to_parquet(file)
    columns = ["date", "symbol", "score", "member one", "member two", "member late"]
    assert pq.read_schema(file).names == columns
    again = bt.Scores.from_parquet(file)
    assert list(again.members) == ["one", "two", "late"]
    for name, own in scores.members.items():
        np.testing.assert_array_equal(again.members[name], own[11:])
    foreign = pq.read_table(file).replace_schema_metadata(None)
    pq.write_table(foreign, file)
    assert dict(bt.Scores.from_parquet(file).members) == {}  # only our own files say that a column is a member


def test_a_session_with_members_alone_is_kept(tmp_path):
    values, own = np.array([[1.0], [NAN], [2.0]]), np.array([[1.0], [3.0], [NAN]])
    bt.Scores(values, DATES, ("A",), members={"one": own}).to_parquet(tmp_path / "scores.parquet")
    again = bt.Scores.from_parquet(tmp_path / "scores.parquet")
    np.testing.assert_array_equal(again.values, values)
    np.testing.assert_array_equal(again.members["one"], own)


def test_the_cache_holds_them(tmp_path):
    made, found = pair_scores(cache=tmp_path), pair_scores(cache=tmp_path)
    assert (made.from_cache, found.from_cache) == (False, True)
    assert {name: own.tobytes() for name, own in found.members.items()} == {
        name: own.tobytes() for name, own in made.members.items()
    }
    assert found.spread.tobytes() == made.spread.tobytes()
    assert found.record == made.record


def test_an_entry_of_the_cache_with_other_members_is_damaged(tmp_path):
    """Even where the file is the one that its note tells of."""
    made = pair_scores(cache=tmp_path)
    (file,), (note,) = tmp_path.glob("*/scores.parquet"), tmp_path.glob("*/scores.json")
    one = np.where(np.isfinite(made.values), 7.0, NAN)
    dataclasses.replace(made, members={**made.members, "one": one}).to_parquet(file)
    told = json.loads(note.read_text())
    note.write_text(json.dumps(told | {"sha256": hashlib.sha256(file.read_bytes()).hexdigest()}))
    with pytest.warns(UserWarning, match=r"are damaged \(scores.parquet holds other scores\)"):
        again = pair_scores(cache=tmp_path)
    np.testing.assert_array_equal(again.members["one"], made.members["one"])


def test_they_survive_a_pickle():
    scores = pair_scores()
    again = pickle.loads(pickle.dumps(scores))
    np.testing.assert_array_equal(again.members["two"], scores.members["two"])
    assert again.record == scores.record
    assert not again.values.flags.writeable
    assert not again.members["two"].flags.writeable


class Says(bt.Signal):
    def __init__(self, says):
        self._says = says

    def predict(self, panel, rows):
        zeros = np.zeros((len(rows), panel.shape[1]))
        return bt.Prediction(zeros, self._says(zeros))


@pytest.mark.parametrize(
    ("says", "message"),
    [
        (
            lambda zeros: {"one": zeros[:, 1:]},
            r"returned shape \(40, 4\) .*of member 'one'; it must be numbers of shape",
        ),
        (lambda zeros: {"one": zeros + np.inf}, f"the score of member 'one' of 'S0' on {PANEL.dates[0]} is inf"),
        (lambda zeros: {1: zeros}, "a member with the name 1; it must be text"),
        (lambda zeros: [zeros], "returned members as a list; they must be a mapping"),
        (
            lambda zeros: {"one": zeros + len(zeros)},
            f"fold 1, {PANEL.dates[0]}, 'S0': the score of member 'one' is 40.0 when 40 rows .*, and 1.0 when",
        ),
        (lambda zeros: {} if len(zeros) > 1 else {"one": zeros}, "the score of member 'one' is nan when 40 rows"),
    ],
)
def test_what_is_no_member_is_refused(says, message):
    with pytest.raises(bt.SignalError, match=message):
        bt.walk_forward(PANEL, Says(says))
