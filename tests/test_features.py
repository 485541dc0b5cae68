"""Features against values worked by hand."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import backtester as bt
import signals
from signals.features import compute, feature_names, fracdiff_weights, fracdiff_width, warmup_of
from signals.features.channels import CHANNELS
from signals.features.kinds import FEATURES, ML4T, SETS
from signals.features.naming import parse
from signals.features.sessions import parts
from signals.features.slab import SEED_WEIGHT, exponential, smoothing, wilder

PAGE = (Path(__file__).parent.parent / "docs/features.md").read_text(encoding="utf-8")


def market(close, high=None, low=None, volume=None, start="2020-01-01", **more):
    """A panel of (T, N) closes, or of one symbol's; highs and lows are the close where they are not given."""
    close = np.asarray(close, float)
    close = close[:, None] if close.ndim == 1 else close
    shaped = {
        name: close if given is None else np.asarray(given, float).reshape(close.shape)
        for name, given in (("high", high), ("low", low), ("volume", volume))
    }
    dates = pd.bdate_range(start, periods=len(close))
    symbols = [f"S{i:02d}" for i in range(close.shape[1])]
    return bt.Panel.from_arrays(dates, symbols, open=close, close=close, **shaped, **more)


def last(panel, name):
    """The feature of every symbol in the last row."""
    return compute(panel, np.array([len(panel.dates) - 1]), [name])[0, :, 0]


def test_returns_are_total_returns():
    """A split of two for one and a dividend of 1 in the second row: 2 * 6 + 2 * 1 on 10 is 1.4; then 9 / 6."""
    actions = pd.DataFrame({"date": ["2020-01-02"], "symbol": ["S00"], "split": [2.0], "dividend": [1.0]})
    panel = market([10.0, 6.0, 9.0], actions=actions)
    found = compute(panel, np.arange(3), ["return_1", "return_2"])[:, 0]
    np.testing.assert_allclose(found, [[np.nan, np.nan], [0.4, np.nan], [0.5, 1.1]], rtol=1e-14)


def test_a_return_needs_its_two_ends_alone():
    panel = market([10.0, np.nan, 15.0])
    assert last(panel, "return_2") == pytest.approx([0.5], rel=1e-15)
    assert np.isnan(last(panel, "return_1"))


# -- smoothing ---------------------------------------------------------------------------------------------------------


def test_weights_of_a_smoothing_by_hand():
    """Decay 1/2, first mean of 2: seven halvings bring the mean's weight to 1/128, the first below a hundredth."""
    halves = [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128]
    assert wilder(2).tolist() == [*halves, 1 / 256, 1 / 256]
    assert exponential(3) == pytest.approx([*halves, 1 / 384, 1 / 384, 1 / 384])
    assert wilder(1).tolist() == exponential(1).tolist() == [1.0]
    assert (len(wilder(14)), len(exponential(26))) == (77, 86)


@pytest.mark.parametrize(("window", "decay"), [(14, 1 / 14), (12, 2 / 13), (26, 2 / 27)])
def test_a_smoothing_is_the_recursion(window, decay):
    """Begun with a simple mean, then value by value; and not a step longer than needed."""
    weights = smoothing(window, decay)
    values = np.random.default_rng(0).normal(size=len(weights))
    average = values[:window].mean()
    for value in values[window:]:
        average += decay * (value - average)
    assert weights @ values[::-1] == pytest.approx(average, rel=1e-12)
    steps = len(weights) - window
    assert (1 - decay) ** steps < SEED_WEIGHT <= (1 - decay) ** (steps - 1)


# -- indicators --------------------------------------------------------------------------------------------------------


def test_rsi():
    """Weights 64, 32, 16, 8, 4, 2, 1, 1/2, 1/2 of 128, newest first, and changes +4, -2, five times 0, +8, -8.

    gain = 64 * 4 + 8 / 2 = 260, loss = 32 * 2 + 8 / 2 = 68, each of 128: 100 * 260 / 328.
    """
    changes = [-8.0, 8.0, 0.0, 0.0, 0.0, 0.0, 0.0, -2.0, 4.0]
    assert warmup_of("rsi_2") == 10
    assert last(market(np.cumsum([100.0, *changes])), "rsi_2") == pytest.approx([100 * 260 / 328], rel=1e-14)


def test_rsi_without_falls_without_rises_and_without_either():
    steps = np.arange(10.0)
    panel = market(np.column_stack((10 + steps, 30 - steps, np.full(10, 7.0))))
    assert last(panel, "rsi_2").tolist() == [100.0, 0.0, 50.0]


def test_average_true_range():
    """Ranges of 1 and then a gap from 9 to a bar of 11 to 12: 12 - 9 = 3. The mean is 1 + (3 - 1) / 2 = 2."""
    close, high, low = [*[9.0] * 9, 12.0], [*[9.5] * 9, 12.0], [*[8.5] * 9, 11.0]
    panel = market(close, high, low)
    assert warmup_of("atr_2") == warmup_of("natr_2") == 10
    assert last(panel, "atr_2") == pytest.approx([2.0], rel=1e-14)
    assert last(panel, "natr_2") == pytest.approx([100 * 2 / 12], rel=1e-14)
    fallen = market([*[9.0] * 9, 7.0], [*[9.5] * 9, 8.0], [*[8.5] * 9, 7.0])  # 9 - 7 = 2: 1 + (2 - 1) / 2
    assert last(fallen, "atr_2") == pytest.approx([1.5], rel=1e-14)


def test_average_true_range_after_a_split():
    """Two for one in the last row: the same percentage, and half of the currency."""
    actions = pd.DataFrame({"date": ["2020-01-14"], "symbol": ["S00"], "split": [2.0], "dividend": [0.0]})
    panel = market([*[9.0] * 9, 6.0], [*[9.5] * 9, 6.0], [*[8.5] * 9, 5.5], actions=actions)
    assert last(panel, "natr_2") == pytest.approx([100 * 2 / 12], rel=1e-14)
    assert last(panel, "atr_2") == pytest.approx([1.0], rel=1e-14)


def test_average_true_range_standardised():
    """Ranges 1, 3, 2 make averages 1, 2 and (128 * 1 + 32 * (3 - 1) + 64 * (2 - 1)) / 128 = 2.

    Mean 5/3, variance (4 + 1 + 1) / 27 = 2/9: (1/3) / (sqrt(2) / 3) = 1 / sqrt(2).
    """
    close = np.full(12, 10.0)
    ranges = np.array([*[1.0] * 10, 3.0, 2.0])
    panel = market(close, close + ranges / 2, close - ranges / 2)
    assert warmup_of("atr_zscore_2_3") == 12
    assert last(panel, "atr_zscore_2_3") == pytest.approx([1 / np.sqrt(2)], rel=1e-12)


def test_macd_and_ppo():
    """Eights and then 12: the mean of decay 1/2 is 10, of decay 1/4 it is 9, and of decay 1 it is 12."""
    panel = market([*[8.0] * 40, 12.0])
    assert last(panel, "macd_3_7") == pytest.approx([10.0 - 9.0], rel=1e-14)
    assert last(panel, "macd_1_3") == pytest.approx([12.0 - 10.0], rel=1e-14)
    assert last(panel, "ppo_3_7") == pytest.approx([100 / 9], rel=1e-14)
    # The last two lines are 0 and 2: mean 1, deviation 1.
    assert last(panel, "macd_zscore_1_3_2") == pytest.approx([1.0], rel=1e-14)
    assert warmup_of("macd_3_7") == warmup_of("ppo_3_7") == len(exponential(7))
    assert warmup_of("macd_zscore_3_7_5") == len(exponential(7)) + 4


def test_bollinger_bands():
    """8 and 12: mean 10, deviation 2, bands 14 and 6."""
    panel = market([8.0, 12.0])
    assert last(panel, "bollinger_high_2") == pytest.approx([np.log1p(2 / 14)], rel=1e-14)
    assert last(panel, "bollinger_low_2") == pytest.approx([np.log1p(6 / 12)], rel=1e-14)


def test_bollinger_bands_after_a_crash_and_a_jump():
    """19 closes of 100 and one of 1: mean 95.05, deviation 21.58, lower band 51.9, distance -50.9.

    19 of 1 and one of 1000: mean 50.95, deviation 217.7, upper band 486.4, distance -1.06. Neither has a logarithm.
    One of 30 is not that far yet: mean 2.45, deviation 6.321, upper band 15.09, distance -0.988; one of 31 is.
    """
    panel = market(np.column_stack(([*[100.0] * 19, 1.0], [*[1.0] * 19, 1000.0])))
    assert last(panel, "bollinger_low_20")[0] == last(panel, "bollinger_high_20")[1] == np.log1p(-0.99)
    near = last(market(np.column_stack(([*[1.0] * 19, 30.0], [*[1.0] * 19, 31.0]))), "bollinger_high_20")
    assert near[1] == np.log1p(-0.99) < near[0] < np.log1p(-0.98)


def test_fractional_difference():
    """Order 1/2: w1 = -1/2, w2 = 1/2 * (1/2 - 1) / 2 = -1/8, w3 = 1/8 * (1/2 - 2) / 3 = -1/16."""
    assert fracdiff_weights(0.5, 4).tolist() == [1.0, -0.5, -0.125, -0.0625]
    assert fracdiff_weights(1.0, 4).tolist() == [1.0, -1.0, 0.0, 0.0]
    assert [fracdiff_width(0.5, threshold) for threshold in (0.1, 0.125, 0.0625, 1.0)] == [3, 3, 4, 1]
    for order, threshold, named in (
        (0.5, 0.0, "threshold is 0.0"),
        (0.5, 1.1, "threshold is 1.1"),
        (-1, 0.5, "order is"),
    ):
        with pytest.raises(bt.ConfigError, match=named):  # the weights of no such order or width end
            fracdiff_width(order, threshold)
    panel = market(np.exp([0.0, 1.0, 3.0]))  # 3 - 1/2 * 1 - 1/8 * 0
    assert last(panel, "fracdiff_0.5_3") == pytest.approx([2.5], rel=1e-14)
    assert last(panel, "fracdiff_1_3") == pytest.approx([2.0], rel=1e-14)  # the log return


# -- compared over the session -----------------------------------------------------------------------------------------


def test_parts_by_hand():
    """Of five in two parts, places 0 to 4: ceil(2 * place / 4) - 1. Tied values share the mean of their places."""
    assert parts(np.array([[5.0, 1.0, 3.0, 2.0, 4.0]]), 2).tolist() == [[1, 0, 0, 0, 1]]
    assert parts(np.array([[1.0, 2.0, 2.0, 3.0]]), 3).tolist() == [[0, 1, 1, 2]]  # places 0, 1.5, 1.5, 3
    assert parts(np.arange(11.0)[None], 10).tolist() == [[0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]]
    np.testing.assert_array_equal(parts(np.array([[np.nan, 7.0]]), 5), [[np.nan, 2.0]])
    assert parts(np.full((1, 4), 7.0), 10).tolist() == [[4, 4, 4, 4]]  # as one that is alone
    assert parts(np.array([[7.0]]), 10).tolist() == [[4]]


@pytest.mark.parametrize("count", [5, 10])
def test_parts_are_quantile_bins(count):
    """Of 24 and 98 values, which put no value on an edge but the first and the last."""
    for n in (24, 98):
        values = np.random.default_rng(n).normal(size=n)
        assert parts(values[None], count)[0].tolist() == pd.qcut(values, count, labels=False).tolist()


def test_deciles_and_sector_quintiles():
    """Eleven members whose returns are 1 % to 11 %, one below them that is none, and one whose return is unknown."""
    later = 100 * (1 + np.array([*range(1, 12), -50, 0]) / 100)
    later[12] = np.nan
    member = np.ones((2, 13), bool)
    member[1, 11] = False
    sectors = {f"S{i:02d}": "odd" if i % 2 else "even" for i in range(10)}  # S10 has none
    panel = market(np.stack((np.full(13, 100.0), later)), members=member, sectors=sectors)
    unknown = [np.nan, np.nan]
    np.testing.assert_array_equal(last(panel, "decile_1"), [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, *unknown])
    # Five of each: places 0 to 4 of 4, ceil(5 * place / 4) - 1: 0, 1, 2, 3, 4.
    np.testing.assert_array_equal(last(panel, "sector_quintile_1"), [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 2, *unknown])
    # Names in order: "", "even", "odd".
    np.testing.assert_array_equal(last(panel, "sector"), [1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 0, *unknown])


def test_dollar_volume_and_its_rank():
    """Means over two rows: 30, 20, 30 and unknown; the fifth is no member."""
    member = np.array([[True] * 5, [True] * 4 + [False]])
    panel = market(np.full((2, 5), 10.0), volume=[[4, 1, 3, np.nan, 50], [2, 3, 3, 9, 50]], members=member)
    assert last(panel, "dollar_volume")[:4] == pytest.approx(np.log([21, 31, 31, 91]), rel=1e-14)
    np.testing.assert_array_equal(last(panel, "dollar_volume_rank_2"), [1.5, 3, 1.5, np.nan, np.nan])


def test_dates():
    """2020-12-31 was a Thursday; then a Friday and a Monday."""
    found = compute(market(np.full(3, 1.0), start="2020-12-31"), np.arange(3), ["year", "month", "weekday"])[:, 0]
    assert found.tolist() == [[2020, 12, 3], [2021, 1, 4], [2021, 1, 0]]


# -- the page ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("section", "words"), [("Features", FEATURES), ("Channels", CHANNELS)])
def test_the_page_has_every_name_with_its_usual_numbers_and_rows(section, words):
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    shown = {name: int(rows) for name, rows in re.findall(r"^\| `(\S+)` \| (\d+) \|", text, re.MULTILINE)}
    usual = {"_".join([kind, *(f"{one:g}" for one in words.kinds[kind].usual)]): kind for kind in words.kinds}
    assert shown == {name: parse(kind, words)[0].depth for name, kind in usual.items()} | {"extra": 1}
    assert {name: parse(name, words)[0].parameters for name in usual} == {
        name: words.kinds[kind].usual for name, kind in usual.items()
    }


def test_the_page_has_the_sets():
    (row,) = re.findall(r"^\| `default` \| (.*) \|$", PAGE, re.MULTILINE)
    assert tuple(re.findall(r"`(\S+)`", row)) == SETS["default"]
    section = PAGE.split("\n## The set of chapter 17\n")[1].split("\n## ")[0]
    first = [
        name for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    ]
    spelled = [f"return{name}" if name.startswith("_") else name for name in first]
    assert [name for name in spelled if name not in ML4T] == []
    missing = [name for name in ML4T if name not in spelled]
    assert all(name.startswith(("decile_", "sector_quintile_")) for name in missing)  # those between the two named


# -- names -------------------------------------------------------------------------------------------------------------


def test_the_set_of_chapter_17():
    panel = bt.synthetic(3, 5).panel
    assert feature_names(panel, "ml4t") == ML4T
    assert len(ML4T) == len(set(ML4T)) == 31
    # The longest: 86 weights of the slow mean, and 62 rows before the last that it is compared with.
    assert warmup_of("ml4t") == warmup_of("macd_zscore_12_26_63") == 148


def test_names_without_numbers_have_the_usual_ones():
    panel = market(100 + np.random.default_rng(0).normal(size=(90, 3)).cumsum(axis=0))
    for short, long in (("rsi", "rsi_14"), ("bollinger_low", "bollinger_low_20"), ("fracdiff", "fracdiff_0.4_63")):
        assert last(panel, short).tobytes() == last(panel, long).tobytes()
        assert warmup_of(short) == warmup_of(long)


def test_extra_columns_and_comparisons():
    extra = {"b": [[1.0, np.nan, 3.0]], "a": [[4.0, 5.0, 9.0]], "adj_close_vendor": [[1.0, 1.0, 1.0]]}
    extra = {name: np.array([[*values[0], 99.0]]) for name, values in extra.items()}  # the fourth is no member
    panel = market(np.ones((1, 4)), extra=extra, members=np.array([[True, True, True, False]]))
    assert feature_names(panel, "extra") == ("extra:a", "extra:b")
    assert feature_names(panel, ["rank:extra", "extra:b"]) == ("rank:extra:a", "rank:extra:b", "extra:b")
    found = compute(panel, np.array([0]), ["rank:extra", "zscore:extra:b", "extra:b"])[0]
    # Ranks from -0.5 to 0.5; 1 and 3 are one deviation from their mean; unknown is the middle where it is compared.
    expected = [[-0.5, -0.5, -1.0, 1.0], [0.0, 0.0, 0.0, np.nan], [0.5, 0.5, 1.0, 3.0], [np.nan] * 4]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("ml4", "there is no feature 'ml4'. Did you mean 'ml4t'?"),
        (["retrn_5"], "there is no feature 'retrn_5'. Did you mean 'return"),
        ("return_0", "'return_0': '0' must be a whole number, at least 1"),
        ("return_1.5", "'1.5' must be a whole number"),
        ("fracdiff_0_5", "'0' must be a number above 0"),
        ("fracdiff_inf_5", "'inf' must be a number above 0"),
        ("macd_12", r"the numbers after 'macd' are 2, as in 'macd_12_26'; here they are 1"),
        ("year_3", "the numbers after 'year' are 0, as in 'year'; here they are 1"),
        ([], "the list of features is empty"),
        ([7], "feature 7 is no text"),
        (["rsi_14", "return_1", "rsi_14"], "feature 'rsi_14' is there twice"),
        (["return", "rsi_14", "return_1"], "feature 'return_1' is there twice, as 'return' too; name it once"),
        (["return_5", "return_05"], "feature 'return_05' is there twice, as 'return_5' too"),
        (["extra", "extra:size"], "feature 'extra:size' is there twice"),
        ("return_", "'return_': '' must be a whole number"),
        ("extra:", "there is no feature 'extra:'"),
        (["ml4t", "extra"], "feature 'ml4t': 'ml4t' is a set; give it alone"),
        ("rank:default", "feature 'rank:default': 'default' is a set; give it alone"),
        ("extra:siz", "'extra:siz': the panel has no extra column of that name. Did you mean 'size'?"),
        ("extra:adj_close_vendor", "a vendor's adjusted close .* knows the future"),
    ],
)
def test_names_that_are_none(names, message):
    panel = market(np.ones((2, 1)), extra={"size": np.ones((2, 1)), "adj_close_vendor": np.ones((2, 1))})
    with pytest.raises(bt.ConfigError, match=message):
        compute(panel, np.array([1]), names)


def test_extra_columns_of_a_panel_without_any():
    panel = market(np.ones((2, 1)))
    assert feature_names(panel, ["extra", "return_1"]) == ("return_1",)
    with pytest.raises(bt.ConfigError, match="the extra columns alone, and the panel has none"):
        feature_names(panel, "extra")
    with pytest.raises(bt.ConfigError, match=r"no extra column of that name\. It has none"):
        feature_names(panel, "extra:size")


def test_an_estimator_takes_names():
    panel = bt.synthetic(8, 260, rank_ic=0.1).panel
    signal = signals.Estimator("sklearn.linear_model:Ridge", features="ml4t")
    assert (signal.warmup, signal.describe()["features"], signal.lookbacks) == (148, "ml4t", [])
    scores = bt.walk_forward(panel, signal, bt.Folds(60, 20))
    whole = np.isfinite(panel.close).all(axis=0)
    assert whole.sum() >= 4
    assert np.isfinite(scores.values[147 + 60 + 1 :, whole]).all()
    few = signals.Estimator("sklearn.linear_model:Ridge", features=["return_5", "rsi_3"])
    assert (few.warmup, few.describe()["features"]) == (warmup_of("rsi_3"), ["return_5", "rsi_3"])
    with pytest.raises(bt.ConfigError, match="warmup is 3; it must be a whole number, at least 6"):
        signals.Estimator("sklearn.linear_model:Ridge", features=["return_5"], warmup=3)
    with pytest.raises(bt.ConfigError, match="Did you mean 'ml4t'"):
        signals.Estimator("sklearn.linear_model:Ridge", features="ml4")
