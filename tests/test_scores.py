"""Scores as they are handed about: their file, their hash, their way into a run; ranks and the rank IC."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from signal_cases import market

import backtester as bt
import signals
import strategies
from backtester.cross_section import average_ranks, centred_ranks, demeaned, standard_scores
from backtester.metrics.ic import rank_ic

PANEL = market(8, 50)
NAN = np.nan


def made(panel=PANEL):
    return bt.walk_forward(panel, signals.Reversal(3))


def test_scores_are_frozen():
    scores = made()
    with pytest.raises(ValueError, match="read-only"):
        scores.values[0] = 1.0
    table = scores.frame  # a copy
    table.iloc[0] = 1.0
    assert np.isnan(scores.values[0]).all()
    assert repr(scores).startswith("Scores(50 sessions x 8 symbols, 2015-01-02 to 2015-03-12,")


def test_a_file_and_back(tmp_path):
    scores = made()
    scores.to_parquet(tmp_path / "new" / "scores.parquet")
    back = bt.Scores.from_parquet(tmp_path / "new" / "scores.parquet")
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["scores.parquet"]
    assert back.frame.equals(scores.frame.iloc[3:])  # the sessions with a score
    assert back.folds == scores.folds
    assert back.origin["signal"] == scores.origin["signal"]
    assert back.origin["file"]["name"] == "scores.parquet"
    plain = pd.read_parquet(tmp_path / "new" / "scores.parquet")
    assert list(plain.columns) == ["date", "symbol", "score"]
    assert len(plain) == 47 * 8
    strategy = strategies.RankedLongShort(2, 2)
    assert bt.run(PANEL, strategy, scores=back).content_hash == bt.run(PANEL, strategy, scores=scores).content_hash


def test_a_file_from_elsewhere(tmp_path):
    """Any order of rows, text for dates, pairs that are not there."""
    frame = pd.DataFrame({"date": ["2015-01-06", "2015-01-05"], "symbol": ["S3", "S1"], "score": [2, 1], "more": "x"})
    frame.to_parquet(tmp_path / "given.parquet")
    scores = bt.Scores.from_parquet(tmp_path / "given.parquet")
    assert scores.dates.tolist() == [np.datetime64("2015-01-05").item(), np.datetime64("2015-01-06").item()]
    assert scores.symbols == ("S1", "S3")
    np.testing.assert_array_equal(scores.values, [[1.0, NAN], [NAN, 2.0]])
    assert scores.folds == ()
    assert set(scores.origin) == {"file"}

    class Looks(bt.Strategy):
        def decide(self, view):
            expected = {1: {1: 1.0}, 2: {3: 2.0}}.get(view.t, {})
            known = np.flatnonzero(np.isfinite(view.scores[-1]))
            assert {int(i): view.scores[-1][i] for i in known} == expected

    bt.run(PANEL, Looks(), scores=scores)


def test_what_cannot_be_read(tmp_path):
    def read(frame):
        frame.to_parquet(tmp_path / "x.parquet")
        return bt.Scores.from_parquet(tmp_path / "x.parquet")

    good = pd.DataFrame({"date": pd.to_datetime(["2015-01-05"] * 2), "symbol": ["S1", "S2"], "score": [1.0, 2.0]})
    assert read(good).known == 2
    with pytest.raises(bt.DataError, match="no column 'score'"):
        read(good.rename(columns={"score": "value"}))
    with pytest.raises(bt.DataError, match="S1 on 2015-01-05 00:00:00 more than once"):
        read(pd.concat([good, good]))
    with pytest.raises(bt.DataError, match="dates that do not increase"):  # two times of one day
        read(good.assign(date=pd.to_datetime(["2015-01-05 09:00", "2015-01-05 16:00"])))
    with pytest.raises(bt.DataError, match=r"there is no such file. Did you mean 'x.parquet'"):
        bt.Scores.from_parquet(tmp_path / "xx.parquet")
    (tmp_path / "y.parquet").write_bytes(b"PAR1 cut off")
    with pytest.raises(bt.DataError, match="Cannot read the scores"):
        bt.Scores.from_parquet(tmp_path / "y.parquet")


def test_scores_of_another_panel():
    whole = made()
    head = PANEL.head(30)
    with pytest.raises(bt.DataError, match="19 dates that are no session of the panel"):
        bt.run(head, strategies.RankedLongShort(2, 2), scores=whole)
    # fewer sessions than the panel has are scores for those
    part = bt.Scores(whole.values[10:40], whole.dates[10:40], whole.symbols)
    result = bt.run(PANEL, strategies.RankedLongShort(2, 2), scores=part)
    assert result.orders["date"].min() >= pd.Timestamp(PANEL.dates[10])


def test_parts_that_do_not_fit():
    dates = PANEL.dates[:2]
    with pytest.raises(bt.DataError, match=r"shape \(2, 3\) for 2 dates and 2 symbols"):
        bt.Scores(np.zeros((2, 3)), dates, ("A", "B"))
    with pytest.raises(bt.DataError, match="do not increase"):
        bt.Scores(np.zeros((2, 2)), dates[::-1], ("A", "B"))


def test_the_hash_is_that_of_the_content():
    scores = made()
    same = bt.Scores(scores.values.copy(), scores.dates, scores.symbols)
    assert same.sha256 == scores.sha256
    other = scores.values.copy()
    other[20, 3] = np.nextafter(other[20, 3], 9)
    assert bt.Scores(other, scores.dates, scores.symbols).sha256 != scores.sha256
    assert bt.Scores(scores.values, scores.dates, scores.symbols[::-1]).sha256 != scores.sha256
    zeros = np.zeros((1, 2))
    assert (
        bt.Scores(zeros, scores.dates[:1], ("A", "B")).sha256 == bt.Scores(-zeros, scores.dates[:1], ("A", "B")).sha256
    )


# -- ranks -------------------------------------------------------------------------------------------------------------


def drawn(seed, shape=(40, 9)):
    """Values with ties and unknown ones; a row of unknown, a row with one known, a row of equal ones."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 5, shape).astype(float)
    values[rng.random(shape) < 0.2] = NAN
    values[0], values[1, 1:], values[2] = NAN, NAN, 3.0
    return values


@pytest.mark.parametrize("seed", range(3))
def test_average_ranks_are_scipys(seed):
    values = drawn(seed)
    np.testing.assert_array_equal(average_ranks(values), stats.rankdata(values, axis=1, nan_policy="omit"))


def test_comparisons_by_hand():
    values = np.array([[1.0, 3.0, 3.0, NAN, 7.0], [NAN, 2.0, NAN, NAN, NAN], [NAN] * 5, [4.0, 4.0, 4.0, 4.0, np.inf]])
    np.testing.assert_array_equal(
        centred_ranks(values),
        [[-0.5, 0.0, 0.0, NAN, 0.5], [NAN, 0.0, NAN, NAN, NAN], [NAN] * 5, [0.0, 0.0, 0.0, 0.0, NAN]],
    )
    # mean 3.5
    np.testing.assert_array_equal(demeaned(values)[0], [-2.5, -0.5, -0.5, NAN, 3.5])
    # groups of 1, 3 (mean 2) and 3, 7 (mean 5)
    np.testing.assert_array_equal(demeaned(values, np.array([0, 0, 1, 1, 1]))[0], [-1.0, 1.0, -2.0, NAN, 2.0])
    # variance (6.25 + 0.25 + 0.25 + 12.25) / 4 = 4.75
    np.testing.assert_allclose(
        standard_scores(values)[0], np.array([-2.5, -0.5, -0.5, NAN, 3.5]) / np.sqrt(4.75), rtol=1e-15
    )
    np.testing.assert_array_equal(standard_scores(values)[1:], [[NAN, 0, NAN, NAN, NAN], [NAN] * 5, [0, 0, 0, 0, NAN]])
    # a constant that its mean misses by rounding does not vary
    assert standard_scores(np.full((1, 7), 0.1)).tolist() == [[0.0] * 7]


@pytest.mark.parametrize("seed", range(3))
def test_rank_ic_is_spearmans(seed):
    scores, labels = drawn(seed), drawn(seed + 10)
    found = rank_ic(scores, labels)
    for t in range(len(scores)):
        both = np.isfinite(scores[t]) & np.isfinite(labels[t])
        if both.sum() < 3 or len(set(scores[t][both])) < 2 or len(set(labels[t][both])) < 2:
            assert np.isnan(found[t])
        else:
            assert found[t] == pytest.approx(stats.spearmanr(scores[t][both], labels[t][both]).statistic, abs=1e-14)
    assert np.isfinite(found).sum() > 30


def test_rank_ic_by_hand():
    """Ranks 1 2 3 4 against 2 1 4 3: 1 - 6 * (1 + 1 + 1 + 1) / (4 * 15) = 0.6; the fifth has no label."""
    scores = np.array([[0.1, 0.2, 0.3, 9.0, 5.0]])
    labels = np.array([[2.0, 1.0, 8.0, 4.0, NAN]])
    assert rank_ic(scores, labels) == pytest.approx([0.6], abs=1e-15)
    assert np.isnan(rank_ic(scores, labels, min_names=5)).all()
    assert np.isnan(rank_ic(scores[:, :2], labels[:, :2])).all()  # two names say nothing
    assert rank_ic(scores[:, :2], labels[:, :2], min_names=2).tolist() == [-1.0]
    assert rank_ic(scores[:0], labels[:0]).shape == (0,)
    with pytest.raises(bt.DataError, match=r"shape \(1, 5\) and labels \(1, 4\)"):
        rank_ic(scores, labels[:, :4])


def test_scores_are_a_copy_of_what_can_be_written_to():
    given = np.zeros((2, 2))
    scores = bt.Scores(given, PANEL.dates[:2], ("A", "B"))
    given[0, 0] = 5.0
    assert scores.values[0, 0] == 0.0
    given.flags.writeable = False
    assert np.shares_memory(bt.Scores(given, PANEL.dates[:2], ("A", "B")).values, given)


def test_the_rank_ic_takes_scores_and_tables():
    scores, label = made(), bt.labels(PANEL)
    expected = rank_ic(scores.values, label)
    assert np.isfinite(expected).sum() > 30
    after = bt.Scores(label, PANEL.dates, PANEL.symbols)
    for one in (scores, scores.frame):
        for other in (label, after, after.frame):
            np.testing.assert_array_equal(rank_ic(one, other), expected)
    turned = after.frame[list(PANEL.symbols)[::-1]]
    with pytest.raises(bt.DataError, match="scores and labels have other symbols"):
        rank_ic(scores, turned)
    with pytest.raises(bt.DataError, match="scores and labels have other dates"):
        rank_ic(scores.frame.iloc[1:], after.frame.iloc[:-1])
    with pytest.raises(bt.DataError, match=r"shape \(50, 8\) and labels \(49, 8\)"):
        rank_ic(scores, after.frame.iloc[1:])
