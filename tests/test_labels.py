"""Labels: worked by hand, against what the engine earns, and refused where they would start before their fill."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from panels import panel_of

import backtester as bt
from backtester.labels import check_trained_for

DAYS = np.arange("2020-01-06", "2020-01-16", dtype="datetime64[D]")  # ten days in a row


def days(count):
    return DAYS[:count]


def test_a_label_by_hand():
    """One symbol, opens 10 11 12 6 7 8; a split of 2 and a dividend of 0.5 a new share on row 3, 1.00 on row 4."""
    opens = np.array([[10.0], [11.0], [12.0], [6.0], [7.0], [8.0]])
    actions = pd.DataFrame({"date": days(5)[[3, 4]], "symbol": "A", "split": [2.0, 1.0], "dividend": [0.5, 1.0]})
    panel = panel_of(opens + 0.25, ["A"], days(6), open=opens, actions=actions)
    one = bt.labels(panel, horizon=1)[:, 0]
    assert one[:4].tolist() == [
        12 / 11 - 1,  # row 0: bought at the open of 1, sold at that of 2
        (2 * 6 + 2 * 0.5) / 12 - 1,  # row 1: bought at 12; by the open of 3 it is two shares, and has paid 2 * 0.5
        (7 + 1) / 6 - 1,  # row 2: bought after the split and the dividend of row 3; that of row 4 is received
        8 / 7 - 1,  # row 3: bought at the open of 4, after its dividend
    ]
    assert np.isnan(one[4:]).all()  # the panel ends before the sale
    three = bt.labels(panel, horizon=3)[:, 0]
    # row 0: bought at 11, two shares from row 3, 2 * 0.5 paid there and 2 * 1.00 on row 4, sold at 2 * 7
    assert three[0] == (2 * 7 + 2 * 0.5 + 2 * 1.0) / 11 - 1
    assert np.isnan(three[2:]).all()
    closes = bt.labels(panel, horizon=1, fill="close")[:, 0]
    # closes are 10.25 11.25 12.25 6.25 ..: row 1 is bought at the close of 2 and sold at that of 3
    assert closes[1] == (2 * 6.25 + 2 * 0.5) / 12.25 - 1
    same = bt.labels(panel, horizon=1, fill="same_close")[:, 0]
    assert same[2] == closes[1]  # a session earlier, from the close of the decision itself


def test_a_settlement_by_hand():
    """Closes 10 and 20, and an ending after row 2 that pays 60 % of the last close: settled in row 3."""
    close = np.array([[10.0, 20.0]] * 6)
    close[3:, 1] = np.nan
    ends = pd.DataFrame({"symbol": ["B"], "end": days(3)[[2]], "delisting_return": [-0.4]})
    panel = panel_of(close, ["A", "B"], days(6), ends=ends, volume=10 * close)
    label = bt.labels(panel, horizon=2)[:, 1]
    assert label[0] == pytest.approx(-0.4, abs=1e-15)  # bought at the open of 1, settled before the open of 3
    assert label[1] == pytest.approx(-0.4, abs=1e-15)  # bought at the open of 2
    assert np.isnan(label[2:]).all()  # nothing is left to buy
    assert bt.labels(panel, horizon=1)[0, 1] == 0.0  # sold at the open of 2, the day before
    # cut before the settlement, nobody knows yet
    assert np.isnan(bt.labels(panel.head(2), horizon=2)[:, 1]).all()


def earned(panel, symbol, t, horizon, fill):
    """What one share earns, as a part of its price: bought after the decision of ``t``, sold ``horizon`` later.

    A split on the day of the purchase makes the resting order one of several shares, so the price is that of the fill.
    """

    class OneShare(bt.Strategy):
        def decide(self, view):
            if view.t == t:
                return bt.Order(symbol, 1.0)
            if view.t == t + horizon and view.book.shares.any():
                return {symbol: 0.0}
            return None

    on = panel.head(t + 1 + horizon)
    result = bt.run(on, OneShare(), cash=1e6, costs=None, risk=None, execution=bt.Execution(fill=fill, lot=0))
    assert len(result.fills)
    assert not result.positions.iloc[-1].any()
    return (result.equity.iloc[-1] - 1e6) / (result.fills["shares"] * result.fills["price"]).iloc[0]


def test_a_split_between_the_last_close_and_the_settlement():
    """Last close 10 on row 2; a split of 2 with 0.50 a new share on row 3; settled in row 4 at 60 % of 10 / 2."""
    close = np.full((6, 2), 10.0)
    close[3:, 1] = np.nan
    ends = pd.DataFrame({"symbol": ["B"], "end": days(4)[[3]], "delisting_return": [-0.4]})
    actions = pd.DataFrame({"date": days(4)[[3]], "symbol": ["B"], "split": [2.0], "dividend": [0.5]})
    panel = panel_of(close, ["A", "B"], days(6), ends=ends, actions=actions, volume=10 * close)
    for t, horizon in ((0, 3), (0, 4), (1, 2)):
        label = bt.labels(panel, [t], horizon)[0, 1]
        assert label == pytest.approx((2 * 5 * 0.6 + 2 * 0.5) / 10 - 1, abs=1e-15)
        assert earned(panel, "B", t, horizon, "open") == pytest.approx(label, abs=1e-9)


def markets():
    return [bt.synthetic(12, 90, seed).panel for seed in range(3)]


def eventful(panel, horizon):
    """Rows and symbols with an ending, a split or a dividend at the edges of their label or inside."""
    acts = [(row, i) for row, i in zip(panel.ends.row, panel.ends.symbol, strict=True) if row < panel.shape[0]]
    acts += zip(panel.actions.row, panel.actions.symbol, strict=True)
    around = {0, 1, 2, horizon, horizon + 1, horizon + 2}
    found = {(int(row) - back, int(i)) for row, i in acts for back in around}
    return sorted((t, i) for t, i in found if t >= 0 and t + 1 + horizon < panel.shape[0])


@pytest.mark.parametrize("fill", ["open", "close"])
@pytest.mark.parametrize("horizon", [1, 3, 8])
def test_one_share_earns_its_label(horizon, fill):
    """On markets with splits, dividends, endings and gaps.

    The engine keeps equities of about a million, so that a profit is rounded at some 1e-10, of prices of 5 and more.
    """
    compared = settled = 0
    for panel in markets():
        label = bt.labels(panel, horizon=horizon, fill=fill)
        for t, i in eventful(panel, horizon):
            ever_closed = np.isfinite(panel.close[: t + 1, i]).any()  # else its order is refused
            if np.isnan(label[t, i]) or not ever_closed:
                continue
            assert earned(panel, panel.symbols[i], t, horizon, fill) == pytest.approx(label[t, i], abs=1e-9)
            compared += 1
            settled += bool(((panel.ends.symbol == i) & (panel.ends.row <= t + 1 + horizon)).any())
    assert compared > 50
    assert settled > 0


def test_splits_and_dividends_are_among_them():
    assert sum((panel.actions.split != 1).sum() for panel in markets()) > 0
    assert sum((panel.actions.dividend > 0).sum() for panel in markets()) > 5


def test_a_label_does_not_change_when_the_panel_goes_on():
    panel = bt.synthetic(15, 80, 1).panel
    for kind in ("raw", "demeaned", "ranked", "three", "triple_barrier"):
        whole = bt.labels(panel, horizon=4, kind=kind)
        for t in (20, 50, 63, 78):
            then = bt.labels(panel.head(t), horizon=4, kind=kind)
            known = t - 5
            np.testing.assert_array_equal(then[: known + 1], whole[: known + 1])
            assert np.isnan(then[known + 1 :]).all()


def test_what_cannot_be_bought_or_sold_has_no_label():
    opens = np.full((6, 5), 10.0)
    volume = np.full((6, 5), 100.0)
    opens[2, 1] = np.nan  # no price
    volume[2, 2] = 0.0  # nobody trades
    volume[2, 3] = np.nan  # nobody knows: an order fills
    member = np.ones((6, 5), bool)
    member[1, 4] = False
    columns = {"open": opens, "high": None, "low": None, "close": opens, "volume": volume}
    panel = bt.Panel.from_arrays(days(6), list("ABCDE"), members=member, **columns)
    known = np.isfinite(bt.labels(panel, horizon=1)[:4])
    assert known.astype(int).tolist() == [
        [1, 0, 0, 1, 1],  # sold at the open of 2
        [1, 0, 0, 1, 0],  # bought there; and E is no member on the day of the decision
        [1, 0, 0, 0, 1],  # a decision of 2 could order none of the three: no close, or no known volume
        [1, 1, 1, 1, 1],
    ]


def test_kinds():
    """Opens that make labels of 0.1, 0.3, -0.2 and 0.3 on row 0; sectors X, X, Y and none."""
    opens = np.array([[1.0] * 5, [10.0] * 5, [11.0, 13.0, 8.0, 13.0, np.nan]])
    panel = panel_of(opens, list("ABCDE"), days(3), sectors={"A": "X", "B": "X", "C": "Y"})

    def row(kind):
        values = bt.labels(panel, [0], 1, kind=kind)
        assert values.shape == (1, 5)
        return values[0]

    raw = [0.1, 0.3, -0.2, 0.3, np.nan]
    assert row("raw") == pytest.approx(raw, abs=1e-15, nan_ok=True)
    # mean 0.125
    assert row("demeaned") == pytest.approx([-0.025, 0.175, -0.325, 0.175, np.nan], abs=1e-15, nan_ok=True)
    # X has the mean 0.2; C is alone, and so is D, whose sector is unknown, with E, which has no label
    assert row("sector_demeaned") == pytest.approx([-0.1, 0.1, 0.0, 0.0, np.nan], abs=1e-15, nan_ok=True)
    # ranks 2, 3.5, 1, 3.5 of four: (rank - 1) / 3 - 0.5
    ranked = [1 / 3 - 0.5, 2.5 / 3 - 0.5, -0.5, 2.5 / 3 - 0.5, np.nan]
    assert row("ranked") == pytest.approx(ranked, abs=1e-15, nan_ok=True)
    assert row("up") == pytest.approx([1, 1, 0, 1, np.nan], nan_ok=True)
    # (rank - 0.5) / 4 of the ranks above: 0.375, 0.75, 0.125, 0.75, to be held against 1/3 and 2/3
    assert row("three") == pytest.approx([0, 1, -1, 1, np.nan], nan_ok=True)


@pytest.mark.parametrize(
    ("returns", "classes"),
    [
        ([0.3], [0]),  # stands at 1/2
        ([0.3, 0.1], [1, -1]),  # 3/4 and 1/4
        ([3, 1, 2], [1, -1, 0]),  # 5/6, 1/6, 3/6
        ([1, 1, 2], [0, 0, 1]),  # the two have rank 1.5 and stand on 1/3
        ([1, 2, 2], [-1, 0, 0]),  # and these on 2/3
        ([1, 2, 3, 4], [-1, 0, 0, 1]),  # 1/8, 3/8, 5/8, 7/8
        ([1, 2, 3, 4, 5], [-1, -1, 0, 1, 1]),  # 0.1, 0.3, 0.5, 0.7, 0.9
        ([1, 2, 3, 4, 5, 6], [-1, -1, 0, 0, 1, 1]),
        ([2, 2, 2, 2], [0, 0, 0, 0]),  # all have the rank 2.5, (2.5 - 0.5) / 4 = 1/2
        ([1, 1, 1, 2, 3, 4], [-1, -1, -1, 0, 1, 1]),  # the three have rank 2, (2 - 0.5) / 6 = 1/4
        ([1, 1, 1, 1, 2], [0, 0, 0, 0, 1]),  # the four have rank 2.5, (2.5 - 0.5) / 5 = 0.4
    ],
)
def test_thirds(returns, classes):
    returns = np.asarray(returns, dtype=float)
    opens = np.stack([np.full(len(returns), 10.0)] * 2 + [10.0 + returns])
    panel = panel_of(opens, [f"S{k}" for k in range(len(returns))], days(3))
    assert bt.labels(panel, [0], 1, kind="three")[0].tolist() == classes


def test_three_with_a_band():
    """Labels of 0.5, 0.25, 0, -0.25 and -0.5, which are exact, and an unknown one."""
    opens = np.array([[8.0] * 6, [8.0] * 6, [12.0, 10.0, 8.0, 6.0, 4.0, np.nan]])
    panel = panel_of(opens, list("ABCDEF"), days(3))
    for band, expected in ((0.25, [1, 0, 0, 0, -1]), (0.2, [1, 1, 0, -1, -1]), (0, [1, 1, 0, -1, -1])):
        classes = bt.labels(panel, [0], 1, kind="three", band=band)[0]
        assert classes[:5].tolist() == expected  # what lies on the edge of the band is in it
        assert np.isnan(classes[5])
    thirds = bt.labels(panel, [0], 1, kind="three", band=None)[0]
    assert thirds[:5].tolist() == [1, 1, 0, -1, -1]


def test_rows_are_rows_of_the_whole():
    panel = bt.synthetic(8, 60, 2).panel
    rows = np.array([3, 4, 20, 41])
    np.testing.assert_array_equal(bt.labels(panel, rows, 5), bt.labels(panel, horizon=5)[rows])
    assert bt.labels(panel, [], 5).shape == (0, 8)


@pytest.mark.parametrize("rows", [[3, 3], [5, 4], [-1, 2], [59, 60], [[1, 2]], [0.5]])
def test_rows_that_are_none(rows):
    with pytest.raises(bt.DataError, match="rows"):
        bt.labels(bt.synthetic(4, 60).panel, rows, 1)


def test_a_label_that_starts_before_its_fill_is_refused():
    panel = bt.synthetic(4, 30).panel
    with pytest.raises(bt.ConfigError, match=r"start at the open of t, before its fill.*fills at the open of t\+1"):
        bt.labels(panel, horizon=1, start=0)
    with pytest.raises(bt.ConfigError, match=r"start at the close of t, before its fill.*cannot be earned.*start=1"):
        bt.labels(panel, horizon=1, fill="close", start=0)
    with pytest.raises(bt.ConfigError, match=r"start at the close of t-1, before its fill"):
        bt.labels(panel, horizon=1, fill="same_close", start=-1)
    # one that starts later than it could is allowed: bought at the open of t + 2
    np.testing.assert_array_equal(bt.labels(panel, horizon=3, start=2)[:-5], bt.labels(panel, horizon=3)[1:-4])


@pytest.mark.parametrize("fill", ["open", "close", "same_close"])
@pytest.mark.parametrize("trained", ["open", "close", "same_close"])
def test_a_signal_trained_for_an_earlier_fill_is_refused(fill, trained):
    order = ["same_close", "open", "close"]
    if order.index(trained) < order.index(fill):
        with pytest.raises(bt.ConfigError, match="before its orders fill"):
            check_trained_for(fill, trained)
    else:
        check_trained_for(fill, trained)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"horizon": 0}, "horizon is 0"),
        ({"horizon": 1.0}, "horizon is 1.0"),
        ({"kind": "rank"}, "label is 'rank'.*Did you mean 'ranked'"),
        ({"fill": "Open"}, "fill is 'Open'.*Did you mean 'open'"),
        ({"start": "close"}, "start is 'close'"),
        ({"band": 0.1}, "no argument 'band': label 'raw' takes no arguments"),
        ({"kind": "three", "profit": 1.0}, "no argument 'profit': label 'three' takes band"),
        ({"kind": "three", "bands": 0.1}, "no argument 'bands'.*Did you mean 'band'"),
        ({"kind": "three", "band": -0.1}, "band is -0.1"),
        ({"kind": "three", "band": float("nan")}, "band is nan"),
        ({"kind": "three", "band": "0.1"}, "band is '0.1'"),
        ({"kind": "triple_barrier", "stop": 0.0}, "stop is 0.0"),
        ({"kind": "triple_barriers"}, "Did you mean 'triple_barrier'"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(bt.ConfigError, match=message):
        bt.labels(bt.synthetic(4, 30).panel, **settings)
