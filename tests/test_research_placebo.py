"""Placebos: a permutation of each session's scores, as persistent, traded as much, and without knowledge."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import stats

import backtester as bt
from backtester.research.placebo import Luck, _by_size, placebo_p, placebo_scores
from backtester.research.robust import row_of
from strategies import RankedLongShort

T, N = 400, 120


def fading(phi, rng, sessions=T, symbols=N):
    """AR(1) of variance 1."""
    noise = rng.standard_normal((sessions, symbols))
    made = np.empty((sessions, symbols))
    made[0] = noise[0]
    for t in range(1, sessions):
        made[t] = phi * made[t - 1] + np.sqrt(1 - phi**2) * noise[t]
    return made


def with_gaps(scores, rng):
    """A tenth missing; a quarter of the symbols comes late, a quarter is away for a while."""
    scores = scores.copy()
    scores[rng.random(scores.shape) < 0.1] = np.nan
    for i in range(0, scores.shape[1], 2):
        a, b = np.sort(rng.integers(0, len(scores), 2))
        scores[slice(0, a // 2) if i % 4 else slice(a, b), i] = np.nan
    return scores


def momentum(rng, window=60):
    panel = bt.synthetic(N, T + window, seed=int(rng.integers(1000)), missing=0.0).panel
    made = np.full((T + window, N), np.nan)
    made[window:] = panel.adj_close[window:] / panel.adj_close[:-window] - 1
    return made[window:]


def staggered(rng):
    """Each symbol's score is renewed every 21 sessions, on days of its own."""
    values = fading(0.8, rng, T // 21 + 2)
    since = (np.arange(T)[:, None] + rng.integers(0, 21, N)) // 21
    return values[since, np.arange(N)]


def unlike(rng):
    """Half of the symbols is noise, half hardly moves."""
    made = fading(0.0, rng)
    made[:, ::2] = fading(0.99, rng)[:, ::2]
    return made


CASES = {
    "noise": lambda rng: fading(0.0, rng),
    "ar 0.5": lambda rng: fading(0.5, rng),
    "ar 0.95": lambda rng: fading(0.95, rng),
    "ar 0.99": lambda rng: fading(0.99, rng),
    "momentum": momentum,
    "every 5": lambda rng: np.repeat(fading(0.5, rng, T // 5), 5, axis=0),
    "staggered": staggered,
    "unlike": unlike,
}


def rank_autocorrelation(scores, lag):
    """Mean over sessions of scipy's Spearman correlation with the session ``lag`` before: every 11th will do."""
    found = []
    for t in range(lag, len(scores), 11):
        both = np.isfinite(scores[t]) & np.isfinite(scores[t - lag])
        found.append(stats.spearmanr(scores[t][both], scores[t - lag][both]).statistic)
    return np.mean(found)


def turnover(scores):
    """One-sided, a session, of the targets of a book of the best and the worst tenth."""
    everybody = np.ones(N, dtype=bool)
    weights = [bt.rank_long_short(row, everybody, long=N // 10, short=N // 10) for row in scores]
    return np.abs(np.diff(weights, axis=0)).sum(axis=1).mean() / 2.0


@pytest.mark.parametrize("gaps", [False, True], ids=["whole", "gaps"])
@pytest.mark.parametrize("case", CASES)
def test_it_moves_and_trades_like_what_it_stands_for(case, gaps):
    # Over six seeds of this size the error of turnover was 5 % on average in the worst of these cases (0.99 with
    # gaps), with a spread of 2 to 3 % from seed to seed; that of the rank correlations 0.02, spread 0.01. The bounds
    # are the mean and two to three spreads. A stationary process with the mean autocorrelation trades "every 5",
    # "staggered" and "unlike" by 20 % to several times more.
    rng = np.random.default_rng(0)
    scores = CASES[case](rng)
    scores = with_gaps(scores, rng) if gaps else scores
    placebos = list(placebo_scores(scores, 4))
    for lag in (1, 5, 21):
        mean = np.mean([rank_autocorrelation(one, lag) for one in placebos])
        assert mean == pytest.approx(rank_autocorrelation(scores, lag), abs=0.05), lag
    assert np.mean([turnover(one) for one in placebos]) == pytest.approx(turnover(scores), rel=0.12)


def test_a_run_trades_as_much():
    panel = bt.synthetic(N, T, seed=0, listings=0.3, endings=0.3, members=0.7).panel
    rng = np.random.default_rng(8)
    scores = with_gaps(fading(0.95, rng), rng)

    def traded(one):
        return row_of(bt.run(panel, RankedLongShort(12, 12), scores=one, costs=None, risk=None)).turnover

    assert np.mean([traded(one) for one in placebo_scores(scores, 2)]) == pytest.approx(traded(scores), rel=0.08)


@pytest.mark.parametrize("gaps", [False, True], ids=["whole", "gaps"])
def test_it_is_a_permutation_of_each_session(gaps):
    rng = np.random.default_rng(1)
    scores = fading(0.9, rng)
    scores = with_gaps(scores, rng) if gaps else scores
    scores[3] = np.nan
    scores[5, 0] = np.inf  # no opinion
    given = np.where(np.isfinite(scores), scores, np.nan)
    (placebo,) = placebo_scores(scores, 1)
    assert np.array_equal(np.isnan(placebo), np.isnan(given))
    assert np.array_equal(np.sort(placebo, axis=1), np.sort(given, axis=1), equal_nan=True)
    assert np.mean(placebo == given) < 0.05
    assert np.isinf(scores[5, 0])  # what was given is left as it was


def test_sessions_without_a_new_score_stay_so():
    rng = np.random.default_rng(2)
    scores = np.repeat(fading(0.5, rng, 40), 5, axis=0)
    for placebo in placebo_scores(scores, 2):
        assert (placebo[1:] == placebo[:-1]).all(axis=1).tolist() == [(t + 1) % 5 != 0 for t in range(199)]


def test_classes_keep_their_persistence():
    # Mixed, the rank correlation from day to day fell from 0.80 to 0.61.
    scores = (fading(0.95, np.random.default_rng(3)) > 0) * 1.0
    placebos = list(placebo_scores(scores, 3))
    for lag in (1, 5, 21):
        mean = np.mean([rank_autocorrelation(one, lag) for one in placebos])
        assert mean == pytest.approx(rank_autocorrelation(scores, lag), abs=1e-9)
    assert all((one != scores).mean() > 0.3 for one in placebos)


def test_persistence_of_ranks_counts_where_rows_differ_in_shape():
    # Every other session is turned inside out by a steep function; ranks do not see it.
    scores = fading(0.95, np.random.default_rng(4))
    bent = scores.copy()
    bent[::2] = np.exp(3.0 * bent[::2])
    bent[1::2] = -np.exp(-3.0 * bent[1::2])
    mean = np.mean([rank_autocorrelation(one, 1) for one in placebo_scores(bent, 3)])
    assert mean == pytest.approx(rank_autocorrelation(scores, 1), abs=0.03)


def test_it_knows_nothing():
    """Of scores that foretell by 0.1 a day placebos foretell 0: in the mean, and to both sides alike."""
    made = bt.synthetic(N, T, seed=0, rank_ic=0.1, listings=0.0, endings=0.0, missing=0.0)
    labels = bt.labels(made.panel, horizon=1)
    own = np.nanmean(bt.rank_ic(made.score, labels))
    found = np.array([np.nanmean(bt.rank_ic(one, labels)) for one in placebo_scores(made.score, 60)])
    error = found.std(ddof=1) / np.sqrt(60)
    assert own > 0.09
    assert abs(found.mean()) < 3.0 * error
    # Independent names and days: a standard deviation of 1 / sqrt(119 * 398) = 0.0046 each.
    assert found.std(ddof=1) == pytest.approx(1.0 / np.sqrt(119 * 398), rel=0.3)  # 60 draws: 9 % each way
    assert placebo_p(own, found) == pytest.approx(1 / 61)


def test_a_constant_tilt_is_no_knowledge_either():
    """Scores that name the same winners every day: what their placebos name is anybody."""
    rng = np.random.default_rng(5)
    tilt = rng.standard_normal(N)
    returns = tilt + rng.standard_normal((T, N))
    found = np.array([np.nanmean(bt.rank_ic(one, returns)) for one in placebo_scores(np.tile(tilt, (T, 1)), 100)])
    assert abs(found.mean()) < 3.0 * found.std(ddof=1) / 10.0
    assert found.std(ddof=1) == pytest.approx(0.7 / np.sqrt(N - 1), rel=0.3)  # one draw of names, at an IC of 0.7


def test_streams_are_their_own():
    scores = with_gaps(fading(0.9, np.random.default_rng(6), 60, 50), np.random.default_rng(7))
    few, many, other = (list(placebo_scores(scores, count, seed)) for count, seed in ((3, 0), (6, 0), (3, 1)))
    for one, same in zip(few, many, strict=False):
        assert one.tobytes() == same.tobytes()
    for one, another in itertools.combinations([*many, *other], 2):
        assert not np.array_equal(one, another, equal_nan=True)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (5, 1), (1, 5), (2, 2), (6, 3)])
def test_small_ones(shape):
    scores = np.random.default_rng(0).standard_normal(shape)
    for placebo in placebo_scores(scores, 2):
        assert placebo.shape == shape
        assert np.array_equal(np.sort(placebo, axis=1), np.sort(scores, axis=1))


def test_strange_ones():
    for scores in (np.full((4, 3), np.nan), np.full((4, 3), 2.0), np.tile([1, 2, 3], (4, 1))):
        for placebo in placebo_scores(scores, 2):
            assert np.array_equal(np.sort(placebo, axis=1), np.sort(scores, axis=1), equal_nan=True)
    one_day = np.full((4, 3), np.nan)
    one_day[2] = [5.0, np.nan, 7.0]
    (placebo,) = placebo_scores(one_day, 1)
    assert sorted(placebo[2, [0, 2]]) == [5.0, 7.0]
    assert np.isnan(placebo).sum() == 10
    assert list(placebo_scores(one_day, 0)) == []


def test_what_it_refuses():
    with pytest.raises(bt.DataError, match=r"shape \(3,\)"):
        placebo_scores(np.zeros(3), 1)
    with pytest.raises(bt.DataError, match="type"):
        placebo_scores(np.array([["a"]]), 1)
    with pytest.raises(bt.ConfigError, match="count is -1"):
        placebo_scores(np.zeros((2, 2)), -1)


def test_p_by_hand():
    # Of 4 placebos two are as good or better: (1 + 2) / (1 + 4).
    assert placebo_p(2.0, [1.0, 2.0, 3.0, -1.0]) == pytest.approx(0.6)
    assert placebo_p(4.0, [1.0, 2.0, 3.0]) == pytest.approx(0.25)
    assert placebo_p(2.0, [1.0, np.nan]) == pytest.approx(0.5)
    assert np.isnan(placebo_p(np.nan, [1.0]))
    assert np.isnan(placebo_p(1.0, []))


def test_p_is_uniform_without_knowledge():
    # Each of 20 exchangeable values is the observed one once: the p-values are 1/20, 2/20 ... 20/20.
    drawn = np.random.default_rng(0).standard_normal(20)
    found = sorted(placebo_p(drawn[k], np.delete(drawn, k)) for k in range(20))
    assert found == pytest.approx(np.arange(1, 21) / 20)


@pytest.mark.slow
def test_large_ones_are_close():
    for case, phi in (("ar", 0.95), ("ar", 0.99)):
        rng = np.random.default_rng(0)
        scores = with_gaps(fading(phi, rng, 1250, 500), rng)
        drawn = list(placebo_scores(scores, 6))
        for lag in (1, 5, 21):
            mean = np.mean([rank_autocorrelation(one, lag) for one in drawn])
            assert mean == pytest.approx(rank_autocorrelation(scores, lag), abs=0.02), (case, phi, lag)


def test_pieces_of_luck_are_the_placebos_in_their_order():
    """Whichever is done first: the last piece keeps what all have found."""
    scores = np.random.default_rng(0).normal(size=(60, 30))
    kept = []
    pieces = Luck(scores, 25, lambda one: one[3, 4], kept.append).pieces()
    assert len(pieces) == 3  # of ten at most
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda piece: piece(), pieces[:0:-1]))
    assert not kept
    pieces[0]()
    np.testing.assert_array_equal(kept, [[one[3, 4] for one in placebo_scores(scores, 25)]])
    assert Luck(scores, 0, lambda one: 0.0, kept.append).pieces() == []


@pytest.mark.parametrize("names", [1, 2, 37, 500])
def test_the_order_of_numbers_that_carry_their_symbol(names):
    rng = np.random.default_rng(names)
    latent, symbols = rng.standard_normal((40, names)), rng.permutation(names)
    latent[5] *= 1e-3
    latent[6, names // 2 :] = np.finfo(np.float64).max
    found = _by_size(latent.copy(), symbols, exact=False)
    known = np.isfinite(latent) & (latent < 1e300)
    expected = symbols[np.argsort(latent, axis=1, kind="stable")]
    for k in range(40):
        assert found[k, : known[k].sum()].tolist() == expected[k, : known[k].sum()].tolist()
        assert sorted(found[k]) == list(range(names))
