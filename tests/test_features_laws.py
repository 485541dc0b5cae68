"""What every feature and channel keeps to: nothing looks ahead, a row alone is that of a batch, NaN is unknown."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from signal_cases import market, with_another_future

import backtester as bt
from signals.features import channel_warmup, channels, compute, default_features, warmup_of
from signals.features.channels import CHANNELS
from signals.features.kinds import FEATURES, KINDS, SCALES, SETS
from signals.features.naming import Kind
from signals.features.slab import Slab, lagged

SESSIONS = 180
# Short windows where the usual ones leave too few rows of a short market. Any kind that is not here is tried as it is.
SHORT = {
    "rsi": "rsi_3",
    "atr": "atr_3",
    "natr": "natr_3",
    "atr_zscore": "atr_zscore_3_10",
    "macd": "macd_3_7",
    "macd_zscore": "macd_zscore_3_7_10",
    "ppo": "ppo_3_7",
    "fracdiff": "fracdiff_0.4_20",
}
NAMES = [
    *(SHORT.get(kind, kind) for kind in KINDS),
    *(f"{scale}:return_3" for scale in SCALES),
    *("extra", "rank:extra", *SETS),
]
CHANNEL_NAMES = [*CHANNELS.kinds, "volume_z_5", "extra", *CHANNELS.sets]
each_feature = pytest.mark.parametrize("name", NAMES)
each_channel = pytest.mark.parametrize("name", CHANNEL_NAMES)


@pytest.fixture(scope="module")
def panel():
    return market(12, SESSIONS)


def answers(panel, names):
    """Features of every row, (T, N, F)."""
    return compute(panel, np.arange(len(panel.dates)), names)


def channel_answers(panel, names):
    """Channels of every row, as (T, N, C)."""
    return channels(panel, 0, len(panel.dates) - 1, names).transpose(1, 0, 2)


def looks_ahead(ask, panel, names):
    """Whether what is known up to ``t`` changes with the rows after it, or when the panel ends with it."""
    told = ask(panel, names)
    for t in (SESSIONS // 2, SESSIONS - 20, SESSIONS - 2):
        before = told[: t + 1].tobytes()
        another = with_another_future(panel, t, seed=t)
        if ask(another, names)[: t + 1].tobytes() != before or ask(panel.head(t), names).tobytes() != before:
            return True
    return False


# -- nothing looks ahead -----------------------------------------------------------------------------------------------


@each_feature
def test_no_feature_looks_ahead(name, panel):
    told = answers(panel, name)
    assert np.isfinite(told[-20:]).mean() > 0.5  # and there is something to look at
    assert not looks_ahead(answers, panel, name)


@each_channel
def test_no_channel_looks_ahead(name, panel):
    assert np.isfinite(channel_answers(panel, name)[-20:]).mean() > 0.5
    assert not looks_ahead(channel_answers, panel, name)


def the_next_close(slab):
    """The plainest leak."""
    close = slab.panel.adj_close
    return close[np.minimum(np.arange(slab.first, slab.last + 1) + 1, len(close) - 1)]


def over_the_whole_history(slab):
    """Standardised by the mean of all rows, as published features often are."""
    close = slab.panel.adj_close
    return slab.now(close) - np.nanmean(close, axis=0)


def filled_backwards(slab):
    """An unknown value taken from the next row."""
    values = pd.DataFrame(slab.panel.extra["mood"]).bfill().to_numpy()
    return slab.now(values)


@pytest.mark.parametrize("leak", [the_next_close, over_the_whole_history, filled_backwards])
@pytest.mark.parametrize(("ask", "words"), [(answers, FEATURES), (channel_answers, CHANNELS)])
def test_a_planted_leak_is_caught(leak, ask, words, panel, monkeypatch):
    monkeypatch.setitem(words.kinds, "leak", Kind(leak, lambda: 1))
    assert looks_ahead(ask, panel, ["leak"])


# -- a row alone -------------------------------------------------------------------------------------------------------


@each_feature
def test_a_row_alone_is_the_row_of_a_batch(name, panel):
    """To the last bit: alone, every third, with a hole, and whatever is computed together."""
    told = answers(panel, name)
    for t in (0, 5, 127, 128, SESSIONS - 1):
        assert compute(panel.head(t), np.array([t]), name).tobytes() == told[t : t + 1].tobytes()
    for rows in (np.arange(1, SESSIONS, 3), np.array([3, 4, SESSIONS - 2])):
        assert compute(panel, rows, name).tobytes() == told[rows].tobytes()


@each_channel
def test_sessions_alone_are_those_of_a_batch(name, panel):
    told = channels(panel, 0, SESSIONS - 1, name)
    for first, last in ((0, 0), (100, 100), (60, 140), (5, SESSIONS - 1)):
        some = channels(panel.head(last), first, last, name)
        assert some.tobytes() == np.ascontiguousarray(told[:, first : last + 1]).tobytes()


@each_feature
def test_a_row_depends_on_its_warmup_alone(name, panel):
    """A market that begins with the first of these rows says the same, but for the rounding of another level.

    Prices of the first row carry no change from the row before it, which is outside.
    """
    t, warmup = SESSIONS - 1, warmup_of(name)
    whole = compute(panel, np.array([t]), name)
    late = panel.between(panel.dates[t - warmup + 1])
    np.testing.assert_allclose(compute(late, np.array([warmup - 1]), name), whole, rtol=1e-9, atol=1e-9)


@each_channel
def test_a_session_depends_on_its_warmup_alone(name, panel):
    """In float32, whose rounding is 6e-8 of a value; standard scores are of the size of 1."""
    t, warmup = SESSIONS - 1, channel_warmup(name)
    late = panel.between(panel.dates[t - warmup + 1])
    found = channels(late, warmup - 1, warmup - 1, name)
    np.testing.assert_allclose(found, channels(panel, t, t, name), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in NAMES if ":" not in name and name not in (*SETS, "extra")])
def test_no_warmup_is_longer_than_it_must_be(name, panel):
    """A market that begins a row later does not know."""
    t, warmup = SESSIONS - 1, warmup_of(name)
    if warmup == 1:
        return
    late = panel.between(panel.dates[t - warmup + 2])
    assert np.isnan(compute(late, np.array([warmup - 2]), name)).all()
    assert np.isfinite(compute(panel, np.array([t]), name)).any()


def test_one_row_costs_its_warmup(panel, monkeypatch):
    """However long the panel is; and rows far apart do not make what lies between them."""
    spans = []
    real = Slab.__init__

    def noted(self, panel, first, last, depth):
        spans.append((first, last, depth))
        real(self, panel, first, last, depth)

    monkeypatch.setattr(Slab, "__init__", noted)
    compute(panel, np.array([10, 12, 100]), "rsi_3")
    assert spans == [(10, 12, warmup_of("rsi_3")), (100, 100, warmup_of("rsi_3"))]


# -- what is unknown ---------------------------------------------------------------------------------------------------


@each_feature
def test_who_is_no_member_or_has_no_close_has_no_features(name, panel):
    told = answers(panel, name)
    gone = ~(panel.member & np.isfinite(panel.close))
    assert gone.any()
    assert np.isnan(told[gone]).all()
    assert np.isfinite(told[~gone]).any()


def changed(panel, **columns):
    """The panel with other columns."""
    kept = {name: getattr(panel, name) for name in ("open", "high", "low", "close", "volume")} | columns
    return bt.Panel.from_arrays(
        panel.dates, panel.symbols, **kept, members=panel.member, extra=dict(panel.extra),
        sectors=dict(zip(panel.symbols, panel.sectors, strict=True)),
    )  # fmt: skip


def plain(sessions=SESSIONS, symbols=5, start=0):
    """A market without gaps, actions, or anybody who leaves."""
    close = 50 * np.exp(np.random.default_rng(start).normal(scale=0.02, size=(sessions, symbols)).cumsum(axis=0))
    dates = pd.bdate_range("2020-01-01", periods=sessions)
    return bt.Panel.from_arrays(
        dates, list("ABCDE")[:symbols], open=close * 1.001, high=close * 1.02, low=close * 0.99, close=close,
        volume=np.random.default_rng(start + 1).integers(100, 1000, size=close.shape).astype(float),
    )  # fmt: skip


WINDOWED = [name for name in NAMES if name in SHORT.values() or name.startswith(("bollinger", "dollar_volume_rank"))]


@pytest.mark.parametrize("name", WINDOWED)
def test_an_unknown_close_is_unknown_for_the_whole_window(name):
    whole, gap, warmup = plain(), 80, warmup_of(name)
    close = whole.close.copy()
    close[gap, 2] = np.nan
    told, before = answers(changed(whole, close=close), [name])[:, :, 0], answers(whole, [name])[:, :, 0]
    # Windows that hold the gap, and no other; a change reaches the row after it too, which `warmup` has counted.
    expected = np.isnan(before[:, 2])
    expected[gap : gap + warmup] = True
    assert (np.isnan(told[:, 2]) == expected).all()
    if not name.startswith("dollar_volume_rank"):
        np.testing.assert_allclose(told[gap + warmup :, 2], before[gap + warmup :, 2], rtol=1e-9, atol=1e-9)


def test_a_symbol_that_is_listed_late():
    whole, listed = plain(), 70
    close = whole.close.copy()
    close[:listed, 1] = np.nan
    late = changed(whole, close=close)
    for name in NAMES:
        if name.startswith(("extra", *SCALES, *SETS)):
            continue
        told = answers(late, [name])[:, 1, 0]
        first = listed + warmup_of(name) - 1
        assert np.isnan(told[:first]).all(), name
        assert np.isfinite(told[first:]).all(), name


def test_a_symbol_without_a_price_changes_nothing_for_the_others():
    whole = plain()
    close = whole.close.copy()
    close[:, 4] = np.nan
    told = answers(changed(whole, close=close), "ml4t")
    few = bt.Panel.from_arrays(
        whole.dates,
        whole.symbols[:4],
        **{k: getattr(whole, k)[:, :4] for k in ("open", "high", "low", "close", "volume")},
    )
    assert np.isnan(told[:, 4]).all()
    np.testing.assert_array_equal(told[:, :4], answers(few, "ml4t"))


def test_prices_that_stand_still():
    """Exactly: no rounding becomes a score."""
    still = plain()
    still = changed(still, **{name: np.full(still.shape, 9.7) for name in ("open", "high", "low", "close")})
    expected = {
        **dict.fromkeys(("return", "bollinger_high", "bollinger_low", "atr", "natr", "macd", "ppo", "fracdiff"), 0.0),
        **{"rsi": 50.0, "atr_zscore": 0.0, "macd_zscore": 0.0, "decile": 4.0, "sector_quintile": 2.0},
    }
    for kind, value in expected.items():
        assert (answers(still, [kind])[-1, :, 0] == value).all(), kind
    moving = changed(still, volume=np.full(still.shape, 7.3))
    assert (channels(moving, 100, SESSIONS - 1) == 0.0).all()


def test_ranges_that_stand_still():
    """Every average is the same to the bit; its mean need not be."""
    close = np.full((SESSIONS, 5), 9.7)
    steady = changed(plain(), close=close, open=close, high=close + 0.1, low=close - 0.3)
    assert (answers(steady, ["atr_zscore"])[-1] == 0.0).all()
    assert answers(steady, ["atr"])[-1] == pytest.approx(0.4, rel=1e-12)
    close = 7.3 + 0.1 * (np.arange(SESSIONS) % 7)[:, None] * np.ones(5)
    alike = changed(plain(), close=close, open=close, high=close + 0.7, low=close - 0.7)  # 1.4, but for the rounding
    assert len(np.unique(alike.high - alike.low)) > 1
    assert (answers(alike, ["atr_zscore"])[-1] == 0.0).all()


def test_the_level_of_the_first_price_means_nothing():
    """Four times the price, and a quarter of the shares: the same bits, but in the currency."""
    one = plain()
    prices = {name: getattr(one, name) * 4.0 for name in ("open", "high", "low", "close")}
    four = changed(one, volume=one.volume / 4.0, **prices)
    for name in NAMES:
        if name.endswith("extra"):
            continue
        expected, found = answers(one, name), answers(four, name)
        if name in ("atr_3", "macd_3_7"):
            expected = expected * 4.0
        if name.startswith("fracdiff"):  # a logarithm of four times has another rounding
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)
        else:
            np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(channels(four, 0, SESSIONS - 1), channels(one, 0, SESSIONS - 1))


def test_a_market_without_sectors_highs_or_lows():
    """All symbols are one sector; what needs a range is unknown, and nothing else."""
    one = plain()
    bare = changed(one, high=None, low=None)
    told = answers(bare, ["sector", "sector_quintile_5", "natr", "atr_zscore", "return_5"])[-1]
    assert (told[:, 0] == 0.0).all()
    assert sorted(told[:, 1]) == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert np.isnan(told[:, 2:4]).all()
    assert np.isfinite(told[:, 4]).all()
    assert np.isnan(channels(bare, 50, 60, "range")).all()


# -- the default -------------------------------------------------------------------------------------------------------


def test_the_default_set_is_the_default_features(panel):
    rows = np.arange(SESSIONS)
    told = compute(panel, rows, "default")
    assert told.tobytes() == default_features(panel, rows, (1, 5, 10, 21, 63), "rank").tobytes()
    twice = default_features(panel, rows, (5, 1, 5), "zscore")
    assert twice.shape[2] == 5
    assert twice[:, :, 0].tobytes() == twice[:, :, 2].tobytes() != twice[:, :, 1].tobytes()


# -- channels ----------------------------------------------------------------------------------------------------------


def test_channels_by_hand():
    """A split of two for one in the second row: its prices count twice.

    return 22 / 10, range 12 / 10, gap 2 * 10 / 10. Dollar volumes 30, 110: of two values the larger is 1.
    """
    actions = pd.DataFrame({"date": ["2020-01-02"], "symbol": ["A"], "split": [2.0], "dividend": [0.0]})
    panel = bt.Panel.from_arrays(
        pd.bdate_range("2020-01-01", periods=2), ["A"], open=[[10.0], [10.0]], high=[[10.0], [12.0]],
        low=[[10.0], [10.0]], close=[[10.0], [11.0]], volume=[[3.0], [10.0]], actions=actions,
        extra={"x": [[5.0], [6.0]]},
    )  # fmt: skip
    found = channels(panel, 0, 1, ["return", "range", "gap", "volume_z_2", "extra"])
    assert (found.shape, found.dtype, found.flags.c_contiguous) == ((1, 2, 5), np.float32, True)
    np.testing.assert_array_equal(found[0, 0], np.array([np.nan, 0.0, np.nan, np.nan, 5.0], np.float32))
    np.testing.assert_array_equal(found[0, 1], np.float32([np.log(2.2), np.log(1.2), np.log(2.0), 1.0, 6.0]))


def test_a_symbol_has_channels_before_it_is_a_member(panel):
    outside = ~panel.member & np.isfinite(panel.close)
    outside[:2] = False
    told = channel_answers(panel, ["return"])[:, :, 0]
    assert outside.any()
    assert np.isfinite(told[outside]).mean() > 0.9


@pytest.mark.parametrize(("first", "last"), [(-1, 5), (5, 4), (0, SESSIONS)])
def test_rows_that_are_none(first, last, panel):
    with pytest.raises(bt.DataError, match=f"rows {first} to {last} are asked for; the panel has rows 0 to"):
        channels(panel, first, last)
    with pytest.raises(bt.DataError, match="must increase strictly"):
        compute(panel, np.array([last, first, first]), "return")


def test_channel_names_that_are_none(panel):
    for name, message in (("returns", "no channel 'returns'. Did you mean 'return'"), ("rank:return", "no channel")):
        with pytest.raises(bt.ConfigError, match=message):
            channel_warmup(name)
    with pytest.raises(bt.ConfigError, match=r"channel 'extra:moot'.* Did you mean 'mood'"):
        channels(panel, 0, 1, ["extra:moot"])


def test_no_rows_at_all(panel):
    assert compute(panel, np.zeros(0, np.int64), "ml4t").shape == (0, 12, 31)


def test_a_series_is_made_once(panel):
    """However many features of a slab use it."""
    slab = Slab(panel, 50, 60, 3)
    assert slab.true_range is slab.true_range
    assert lagged(slab.close, slab.rows, 2).tobytes() == panel.adj_close[48:59].tobytes()


def test_a_feature_that_looks_further_back_than_it_says(panel, monkeypatch):
    monkeypatch.setitem(KINDS, "deep", Kind(lambda slab: lagged(slab.close, slab.rows, 5), lambda: 5))
    with pytest.raises(ValueError, match="the depth of this feature is too small"):
        compute(panel, np.array([100]), "deep")
