"""Combinatorial folds: the splits and paths of the book, calendars drawn by hand, and the purge by brute force."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

import backtester as bt
from backtester.combinatorial import CombinatorialFolds

# Splits and paths


def test_the_example_of_the_book():
    """Lopez de Prado (2018), section 12.4: N = 6 groups, k = 2 tested, 15 splits, 5 paths, two of them spelt."""
    folds = CombinatorialFolds(6, 2)
    splits = folds.split(600)
    assert len(splits) == folds.splits == 15
    assert [split.groups for split in splits[:6]] == [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5), (1, 2)]
    paths = folds.paths()
    assert len(paths) == 5
    # "(G1, S1), (G2, S1), (G3, S2), (G4, S3), (G5, S4) and (G6, S5)"; "(G1, S2), (G2, S6), (G3, S6), (G4, S7), ..."
    assert paths[0] == (0, 0, 1, 2, 3, 4)
    assert paths[1] == (1, 5, 5, 6, 7, 8)


@pytest.mark.parametrize("groups", range(2, 8))
def test_each_group_of_each_split_is_in_one_path(groups):
    for tested in range(1, groups):
        folds = CombinatorialFolds(groups, tested)
        splits = folds.split(40 * groups)
        assert [split.groups for split in splits] == list(combinations(range(groups), tested))
        paths = folds.paths()
        assert len(paths) == math.comb(groups, tested) * tested // groups
        assert all(len(path) == groups for path in paths)
        used = sorted((k, g) for path in paths for g, k in enumerate(path))
        assert used == sorted((k, g) for k, split in enumerate(splits) for g in split.groups)


def test_one_tested_group_is_a_single_path():
    assert CombinatorialFolds(4, 1).paths() == ((0, 1, 2, 3),)


def drawn(split, sessions):
    line = ["-"] * sessions
    for rows, letter in ((split.train, "T"), *((rows, "s") for rows in split.tests)):
        for row in rows:
            line[row] = letter
    return "".join(line)


def test_calendars_drawn_by_hand():
    """T is learnt from, s is scored, - neither."""
    # 18 rows, 2 before the warmup of 3 is over; groups of 6, 5 and 5 rows; the last 2 have no label of one session.
    folds = CombinatorialFolds(3, 1, embargo=2)
    assert [drawn(split, 18) for split in folds.split(18, 1, 3)] == [
        "--ssssss---TTTTT--",
        "--TTTTT-sssss-----",
        "--TTTTTTTTTT-sssss",
    ]
    # Two groups side by side leave nothing between them; apart, each is purged on both sides.
    folds = CombinatorialFolds(4, 2)
    assert [drawn(split, 24) for split in folds.split(24, 2)][:3] == [
        "ssssssssssss--TTTTTTT---",
        "ssssss--TT--ssssss--T---",
        "ssssss--TTTTTTTT--ssssss",
    ]


SETTINGS = [
    (sessions, groups, tested, horizon, more, embargo, warmup)
    for sessions in (61, 90)
    for groups, tested in ((2, 1), (3, 1), (5, 2), (6, 3))
    for horizon in (1, 2, 4)
    for more in (None, 0, 1)  # of purge, above the horizon
    for embargo in (0, 3)
    for warmup in (1, 6)
]


def prices_of(row, horizon):
    """The sessions whose prices the label of a row is made of."""
    return set(range(row + 1, row + horizon + 2))


def test_the_purge_by_brute_force():
    """Every row that may be learnt from is, and no other, told from sets of sessions alone."""
    empty = 0
    for sessions, groups, tested, horizon, more, embargo, warmup in SETTINGS:
        purge = horizon if more is None else horizon + more
        folds = CombinatorialFolds(groups, tested, purge=None if more is None else purge, embargo=embargo)
        every = range(warmup - 1, sessions)
        known = [r for r in every if r + 1 + horizon <= sessions - 1]
        parts = np.array_split(np.array(every), groups)
        expected = []
        for chosen in combinations(parts, tested):
            taken = {s + d for s in np.concatenate(chosen).tolist() for d in range(-purge, purge + embargo + 1)}
            expected.append([r for r in known if r not in taken])
        if not all(expected):
            empty += 1
            with pytest.raises(bt.DataError, match="has no session to learn from"):
                folds.split(sessions, horizon, warmup)
            continue
        splits = folds.split(sessions, horizon, warmup)
        assert [split.train.tolist() for split in splits] == expected
        for split in splits:
            tests = np.concatenate(split.tests).tolist()
            tested_prices = set().union(*(prices_of(s, horizon) for s in tests))
            tested_at_close = set().union(*({s, *prices_of(s, horizon - 1)} for s in tests))  # fill="same_close"
            for r in split.train.tolist():
                assert not prices_of(r, horizon) & tested_prices
                assert not {r, *prices_of(r, horizon - 1)} & tested_at_close
                later = [s for s in tests if s > r]
                assert not later or r + 1 + horizon <= min(later)  # known when the first score after it is due
        scored = [row for split in splits for rows in split.tests for row in rows]
        assert sorted(scored) == sorted([*every] * len(folds.paths()))
    assert 0 < empty < len(SETTINGS) / 4


def test_an_embargo_of_the_warmup_keeps_features_from_tested_labels():
    """As the docstring says: no input of a training row is a price that a label of a test row is made of."""
    for horizon, warmup in ((1, 1), (2, 5), (4, 9)):

        def overlaps(embargo, horizon=horizon, warmup=warmup):
            for split in CombinatorialFolds(4, 2, embargo=embargo).split(160, horizon, warmup):
                tests = {int(row) for rows in split.tests for row in rows}
                for r in split.train.tolist():
                    for s in (s for s in tests if s < r):
                        if set(range(r - warmup + 1, r + 1)) & prices_of(s, horizon):
                            return True
            return False

        assert not overlaps(warmup)
        assert overlaps(warmup - 1)


@pytest.mark.parametrize("sessions", range(20, 27))
def test_sessions_that_do_not_divide(sessions):
    splits = CombinatorialFolds(5, 1).split(sessions, 1, 2)
    sizes = [len(split.tests[0]) for split in splits]
    assert sum(sizes) == sessions - 1
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] - sizes[-1] <= 1
    rows = np.concatenate([split.tests[0] for split in splits])
    assert rows.tolist() == list(range(1, sessions))


def test_rows_are_read_only():
    split = CombinatorialFolds(3, 1).split(30)[0]
    for rows in (split.train, *split.tests):
        with pytest.raises(ValueError, match="read-only"):
            rows[0] = 1


WRONG = {
    "groups is 1; it must be a whole number, at least 2": {"groups": 1, "test_groups": 1},
    "groups is 2.5; it must be a whole number": {"groups": 2.5},
    "test_groups is 0; it must be a whole number, at least 1": {"test_groups": 0},
    "test_groups is 6 of 6 groups, which leaves none to learn from: use at most 5": {"test_groups": 6},
    "purge is -1; it must be a whole number, at least 0": {"purge": -1},
    "embargo is True; it must be a whole number": {"embargo": True},
}


@pytest.mark.parametrize("message", WRONG)
def test_settings_that_make_no_sense(message):
    with pytest.raises(bt.ConfigError, match=f"CombinatorialFolds.{message}"):
        CombinatorialFolds(**WRONG[message])


def test_what_does_not_fit_the_panel():
    with pytest.raises(
        bt.ConfigError, match=r"CombinatorialFolds\.purge is 2, below the signal's horizon of 5 sessions"
    ):
        CombinatorialFolds(purge=2).split(100, 5)
    message = r"6 groups need 8 sessions, the panel has 7: 2 before the first that can be scored \(warmup 3\)"
    with pytest.raises(bt.DataError, match=message):
        CombinatorialFolds().split(7, 1, 3)
    with pytest.raises(bt.DataError, match="6 groups need 9 sessions, the panel has 2"):
        CombinatorialFolds().split(2, 1, 4)
    message = r"split 1 of 3, which tests groups 1 and 2, has no session to learn from: the panel has 9, .* 1 are left "
    with pytest.raises(bt.DataError, match=message):
        CombinatorialFolds(3, 2).split(9)
    assert len(CombinatorialFolds(3, 2).split(12)) == 3  # 4 rows a group: 1 purged, 2 without a label, 1 to learn from
