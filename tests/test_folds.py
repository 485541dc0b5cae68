"""Folds against calendars drawn by hand: T is trained on, s is scored, - lies between the two, . is neither."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import backtester as bt


def drawn(sessions, folds):
    """The folds as a drawing, a line each."""
    lines = []
    for fold in folds:
        line = ["."] * sessions
        for row in range(fold.train[-1] + 1, fold.test[0]):
            line[row] = "-"
        for rows, letter in ((fold.train, "T"), (fold.test, "s")):
            for row in rows:
                line[row] = letter
        lines.append("".join(line))
    return lines


# settings, sessions, horizon, warmup, drawing
CALENDARS = {
    "rolling, to the last session": (
        {"train": 5, "test": 3}, 20, 2, 3, [
            # 3 rows of warmup: the first that can be learnt from is row 2. Its last training row is 6, whose label of
            # two sessions runs from the open of 7 to that of 9, so session 9 is the first that can be scored.
            "..TTTTT--sss........",
            ".....TTTTT--sss.....",
            "........TTTTT--sss..",
            "...........TTTTT--ss",
        ],
    ),
    "expanding": (
        {"train": 5, "test": 3, "expanding": True}, 20, 2, 3, [
            "..TTTTT--sss........",
            "..TTTTTTTT--sss.....",
            "..TTTTTTTTTTT--sss..",
            "..TTTTTTTTTTTTTT--ss",
        ],
    ),
    "the last two": (
        {"train": 5, "test": 4, "n_splits": 2}, 16, 1, 1, [
            "..TTTTT-ssss....",
            "......TTTTT-ssss",
        ],
    ),
    "expanding, the last two": (
        {"train": 5, "test": 4, "n_splits": 2, "expanding": True}, 16, 1, 2, [
            ".TTTTTT-ssss....",
            ".TTTTTTTTTT-ssss",
        ],
    ),
    "a purge above the horizon, and an embargo": (
        {"train": 4, "test": 5, "purge": 2, "embargo": 3}, 15, 1, 1, [
            "TTTT-----sssss.",
            ".....TTTT-----s",
        ],
    ),
    "just enough": ({"train": 3, "test": 9}, 7, 2, 2, [".TTT--s"]),
    "just enough for two": ({"train": 3, "test": 2, "n_splits": 2}, 10, 2, 2, [".TTT--ss..", "...TTT--ss"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CALENDARS.values(), ids=CALENDARS.keys())
def test_folds_are_as_drawn(case):
    settings, sessions, horizon, warmup, drawing = case
    assert drawn(sessions, bt.Folds(**settings).split(sessions, horizon, warmup)) == drawing


@pytest.mark.parametrize("n_splits", [None, 3])
@pytest.mark.parametrize("expanding", [False, True])
@pytest.mark.parametrize("horizon", [1, 4])
@pytest.mark.parametrize("warmup", [1, 6])
@pytest.mark.parametrize("embargo", [0, 2])
def test_what_is_true_of_all_folds(n_splits, expanding, horizon, warmup, embargo):
    folds = bt.Folds(7, 5, expanding=expanding, embargo=embargo, n_splits=n_splits).split(41, horizon, warmup)
    tested = np.concatenate([fold.test for fold in folds])
    assert (np.diff(tested) == 1).all()
    assert tested[-1] == 40
    assert len(folds) == (n_splits or len(folds))
    for fold in folds:
        assert fold.train[0] >= warmup - 1
        assert len(fold.train) >= 7
        assert expanding or len(fold.train) == 7
        # the label of the last training row ends at the open of this row, known when the first test row is scored
        assert fold.train[-1] + 1 + horizon + embargo == fold.test[0]
        assert not fold.train.flags.writeable
        assert fold.test.dtype == np.int64


def test_the_published_arrangement():
    """Twelve tests of 63 sessions that end with the last; training of 1,008 that ends a session before the gap.

    In the publication days are counted back from the last one, 0. Fold i is tested on days 63 i .. 63 i + 62 and
    trained on the 1,008 days before them, 63 i + 63 .. 63 i + 1,070 (lookahead 1). Ours trains a day earlier: the label
    from open to open is known a session later than that from close to close.
    """
    folds = bt.Folds.named("ml4t")
    assert dataclasses.asdict(folds) == {
        "train": 1008, "test": 63, "expanding": False, "purge": None, "embargo": 0, "n_splits": 12,
    }  # fmt: skip
    sessions = 1900
    back = [[sessions - 1 - fold.train, sessions - 1 - fold.test] for fold in folds.split(sessions)]
    for i, (train, test) in enumerate(reversed(back)):
        assert test[::-1].tolist() == list(range(63 * i, 63 * i + 63))
        assert train[::-1].tolist() == list(range(63 * i + 64, 63 * i + 1072))
    assert len(folds.split(1765)) == 12  # 12 * 63 + 1,008 + 1
    with pytest.raises(bt.DataError, match="need 1765 sessions, the panel has 1764"):
        folds.split(1764)


@pytest.mark.parametrize("horizon", [1, 5, 21])
def test_the_published_folds_for_other_horizons(horizon):
    """As published, by the number of sessions back from the last: a test of 63, then training that ends with the
    ``horizon``-th session before it. Here it ends one earlier; what `Folds.named` says."""
    folds = bt.Folds.named("ml4t").split(1900, horizon)
    for i, fold in enumerate(reversed(folds)):
        test_start = 63 * (i + 1)  # the published index, of the session before the test
        assert 1899 - fold.test[0] == test_start - 1
        published_last = test_start + horizon - 1
        assert 1899 - fold.train[-1] == published_last + 1
        assert fold.train[-1] == fold.test[0] - horizon - 1
        assert len(fold.train) == 1008
    assert len(bt.Folds.named("ml4t").split(1764 + horizon, horizon)) == 12
    with pytest.raises(bt.DataError, match=f"the folds need {1764 + horizon} sessions"):
        bt.Folds.named("ml4t").split(1763 + horizon, horizon)


def test_data_that_is_too_short_is_told_what_is_missing():
    message = r"need 13 sessions, the panel has 12: 2 before .*\(warmup 3\), 6 to train, 4 left out"
    with pytest.raises(bt.DataError, match=message):
        bt.Folds(6, 5, embargo=2).split(12, 2, 3)
    with pytest.raises(bt.DataError, match="3 x 5 to test"):
        bt.Folds(6, 5, n_splits=3).split(21)


def test_a_purge_below_the_horizon_is_refused():
    message = (
        "purge is 2, below the signal's horizon of 5 sessions: the labels of the last 3 training sessions would not"
    )
    with pytest.raises(bt.ConfigError, match=message):
        bt.Folds(6, 5, purge=2).split(100, horizon=5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train": 0, "test": 5}, "Folds.train is 0"),
        ({"train": 10.0, "test": 5}, "Folds.train is 10.0"),
        ({"train": 10, "test": True}, "Folds.test is True"),
        ({"train": 10, "test": 5, "embargo": -1}, "Folds.embargo is -1"),
        ({"train": 10, "test": 5, "purge": "1"}, "Folds.purge is '1'"),
        ({"train": 10, "test": 5, "n_splits": 0}, "Folds.n_splits is 0"),
        ({"train": 10, "test": 5, "expanding": 1}, "Folds.expanding is 1"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(bt.ConfigError, match=message):
        bt.Folds(**settings)


def test_an_unknown_name_gets_a_hint():
    with pytest.raises(bt.ConfigError, match=r"no folds 'ml4'; known are ml4t. Did you mean 'ml4t'"):
        bt.Folds.named("ml4")
