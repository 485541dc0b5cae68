"""Barriers: candles in, touch out, by hand; the triple barrier by hand, against a slow walk, and without the future."""

from __future__ import annotations

import dataclasses
import math
import statistics

import numpy as np
import pandas as pd
import pytest
from signal_cases import with_another_future

import backtester as bt
from backtester.engine.barriers import first_touch
from backtester.labels import asked_fills

NO = math.nan
INF = math.inf


@pytest.mark.parametrize(
    ("candle", "touch"),
    [
        # open, high, low, close, between a lower barrier of 90 and an upper one of 110
        ((100, 105, 95, 101), (0, NO)),
        ((100, 110, 95, 101), (1, 110)),  # reached to the cent
        ((100, 109.99, 90, 101), (-1, 90)),
        ((100, 120, 95, 101), (1, 110)),  # on the way to 120 it traded at 110
        ((112, 120, 80, 101), (1, 112)),  # the open has passed it, before anything else happens
        ((110, 115, 80, 101), (1, 110)),  # the open itself is the barrier
        ((90, 115, 80, 101), (-1, 90)),
        ((85, 120, 80, 101), (-1, 85)),
        ((100, 120, 80, 101), (-1, 90)),  # both inside the session: the lower one first
        # What is unknown: the session reached what is known of it.
        ((100, NO, NO, 101), (0, NO)),
        ((100, NO, NO, 115), (1, 110)),  # from 100 to 115
        ((100, NO, NO, 85), (-1, 90)),
        ((100, NO, 80, 101), (-1, 90)),
        ((100, 120, NO, NO), (1, 110)),
        ((112, NO, NO, NO), (1, 112)),
        ((NO, 105, 95, 101), (0, NO)),
        ((NO, 120, 95, 101), (1, 110)),  # from 95 to 120
        ((NO, 120, 80, 101), (-1, 90)),
        ((NO, 120, 112, 115), (1, 112)),  # nobody saw it at 110: the nearest to it is 112
        ((NO, 85, 70, 80), (-1, 85)),
        ((NO, NO, NO, 115), (1, 115)),
        ((NO, NO, NO, 85), (-1, 85)),
        ((NO, NO, NO, NO), (0, NO)),
        # Highs and lows that do not hold open and close: these count too.
        ((100, 105, 95, 115), (1, 110)),
        ((100, 105, 95, 85), (-1, 90)),
    ],
)
def test_one_session(candle, touch):
    which, price = first_touch(*map(float, candle), 90.0, 110.0, True)
    assert which == touch[0]
    assert price == pytest.approx(touch[1], rel=0, abs=0, nan_ok=True)


def test_the_upper_one_first():
    """For a short position the upper barrier is the stop."""
    assert first_touch(100.0, 120.0, 80.0, 101.0, 90.0, 110.0, False) == (1, 110.0)
    assert first_touch(100.0, 105.0, 80.0, 101.0, 90.0, 110.0, False) == (-1, 90.0)
    assert first_touch(85.0, 120.0, 80.0, 101.0, 90.0, 110.0, False) == (-1, 85.0)
    # barriers that have crossed: the open has passed both
    assert first_touch(100.0, 100.0, 100.0, 100.0, 105.0, 95.0, False) == (1, 100.0)
    assert first_touch(100.0, 100.0, 100.0, 100.0, 105.0, 95.0, True) == (-1, 100.0)


def test_no_barrier():
    assert first_touch(100.0, 1e9, 1e-9, 100.0, -INF, 110.0, True) == (1, 110.0)
    assert first_touch(100.0, 1e9, 1e-9, 100.0, 90.0, INF, True) == (-1, 90.0)
    assert first_touch(100.0, 1e9, 1e-9, 100.0, -INF, INF, True)[0] == 0
    assert first_touch(NO, NO, NO, NO, -INF, INF, True)[0] == 0


def candles(horizon, bars, actions=(), end=None, paid=0.0):
    """A symbol whose decision is that of row 2, and whose unit is then 0.1.

    With closes of 100, 100 and 100 + 100 x the two returns are 0 and x, of which the standard deviation is x / sqrt(2):
    times sqrt(horizon) that is 0.1 for x = 0.1 * sqrt(2 / horizon). ``bars`` begin with row 3; ``(o, h, l, c)``, with a
    fifth number the volume. ``actions``: (row, split, dividend). ``end``: its last row.
    """
    last = 100 + 10 * math.sqrt(2 / horizon)
    rows = [(c, c, c, c, 50.0) for c in (100.0, 100.0, last)] + [(*bar, 50.0)[:5] for bar in bars]
    dates = np.datetime64("2020-01-06") + np.arange(len(rows))
    table = pd.DataFrame(
        [(dates[r], "A", s, d) for r, s, d in actions], columns=["date", "symbol", "split", "dividend"]
    )
    ends = None if end is None else pd.DataFrame({"symbol": ["A"], "end": [dates[end]], "delisting_return": [paid]})
    names = ("open", "high", "low", "close", "volume")
    columns = {name: np.array(rows)[:, [k]] for k, name in enumerate(names)}
    return bt.Panel.from_arrays(dates, ["A"], **columns, actions=table, ends=ends)


FLAT = (100, 101, 99, 100)
GONE = (NO, NO, NO, NO, NO)
UNKNOWN = (NO, NO, NO, NO)

# Bought at the open of row 3, at 100: the profit barrier is 110, the stop 90. (settings of the panel, those of the
# label, and what comes out: label, return, sessions from the purchase.)
WALKS = {
    "time": ({"bars": [FLAT, FLAT, (104, 130, 50, 60)]}, {}, (0, 0.04, 2)),  # of the last session only the open
    "profit in the session of the purchase": ({"bars": [(100, 112, 99, 100), FLAT, FLAT]}, {}, (1, 0.10, 0)),
    "stop a session later": ({"bars": [FLAT, (99, 101, 80, 95), FLAT]}, {}, (-1, -0.10, 1)),
    "gap over the profit": ({"bars": [FLAT, (115, 116, 80, 95), FLAT]}, {}, (1, 0.15, 1)),
    "gap below the stop": ({"bars": [FLAT, (80, 130, 70, 95), FLAT]}, {}, (-1, -0.20, 1)),
    "gap at the last open": ({"bars": [FLAT, FLAT, (113, 113, 113, 113)]}, {}, (1, 0.13, 2)),
    "both in one session": ({"bars": [(100, 112, 88, 100), FLAT, FLAT]}, {}, (-1, -0.10, 0)),
    "the first of two": ({"bars": [(100, 112, 99, 100), (80, 80, 80, 80), FLAT]}, {}, (1, 0.10, 0)),
    "no stop": ({"bars": [FLAT, (40, 101, 40, 95), FLAT]}, {"stop": INF}, (0, 0.0, 2)),
    "no profit": ({"bars": [FLAT, (150, 150, 95, 95), FLAT]}, {"profit": INF}, (0, 0.0, 2)),
    "a wider stop": ({"bars": [FLAT, (99, 101, 70, 95), FLAT]}, {"stop": 2.5}, (-1, -0.25, 1)),  # 100 * (1 - 0.25)
    "a closer profit": ({"bars": [FLAT, (99, 106, 99, 99), FLAT]}, {"profit": 0.5}, (1, 0.05, 1)),
    "nothing known inside": ({"bars": [FLAT, UNKNOWN, (107, 107, 107, 107)]}, {}, (0, 0.07, 2)),
    "no high and no low": ({"bars": [(100, NO, NO, 111), FLAT, FLAT]}, {}, (1, 0.10, 0)),
    "nobody trades": ({"bars": [FLAT, (99, 101, 80, 95, 0), (95, 95, 95, 95)]}, {}, (0, -0.05, 2)),
    "nobody trades, then a gap": ({"bars": [FLAT, (80, 80, 80, 80, 0), (85, 85, 85, 85)]}, {}, (-1, -0.15, 2)),
    "an unknown volume trades": ({"bars": [FLAT, (99, 101, 80, 95, NO), FLAT]}, {}, (-1, -0.10, 1)),
    # Two new shares for each: the barriers are 55 and 45, and 52 each is 104.
    "split": (
        {"bars": [FLAT, (50, 54, 46, 50), (52, 52, 52, 52)], "actions": [(4, 2.0, 0.0)]},
        {},
        (0, 0.04, 2),
    ),
    "stop after a split": (
        {"bars": [FLAT, (50, 51, 44, 50), (52, 52, 52, 52)], "actions": [(4, 2.0, 0.0)]},
        {},
        (-1, -0.10, 1),
    ),
    # A dividend of 8: the barriers are 102 and 82, and at 102 the return is the 10 % again.
    "profit with a dividend": (
        {"bars": [FLAT, (93, 103, 92, 95), FLAT], "actions": [(4, 1.0, 8.0)]},
        {},
        (1, 0.10, 1),
    ),
    "a fall by the dividend is no loss": (
        {"bars": [FLAT, (89, 90, 88, 89), (92, 92, 92, 92)], "actions": [(4, 1.0, 8.0)]},
        {},
        (0, 0.0, 2),  # 92 + 8
    ),
    # Two shares that have paid 3 each: a stop of (90 - 6) / 2 = 42; the open of 41 makes 82 + 6 = 88.
    "gap with both": (
        {"bars": [FLAT, (41, 50, 40, 45), FLAT], "actions": [(4, 2.0, 3.0)]},
        {},
        (-1, -0.12, 1),
    ),
    "the purchase comes after its session's actions": (
        {"bars": [FLAT, (100, 101, 99, 100), FLAT], "actions": [(3, 2.0, 5.0)]},
        {},
        (0, 0.0, 2),
    ),
    # The last close is that of row 4.
    "settled between the barriers": ({"bars": [FLAT, FLAT, GONE], "end": 4, "paid": 0.05}, {}, (0, 0.05, 2)),
    "settled below the stop": ({"bars": [FLAT, FLAT, GONE, GONE], "end": 4, "paid": -0.4}, {}, (-1, -0.4, 2)),
    "settled above the profit": ({"bars": [FLAT, FLAT, GONE], "end": 4, "paid": 0.3}, {}, (1, 0.3, 2)),
    "settled after a split": (  # the last close of 100 counts 50, and 60 % of it 30 for each of two shares
        {"bars": [FLAT, FLAT, GONE], "end": 4, "paid": -0.4, "actions": [(5, 2.0, 0.0)]},
        {},
        (-1, -0.4, 2),
    ),
    "touched before the settlement": ({"bars": [FLAT, (99, 112, 99, 100), GONE], "end": 4}, {}, (1, 0.10, 1)),
    "no open at the purchase": ({"bars": [(NO, 101, 99, 100), FLAT, FLAT]}, {}, (NO, NO, NO)),
    "nobody sells": ({"bars": [(100, 101, 99, 100, 0), FLAT, FLAT]}, {}, (NO, NO, NO)),
    "no open at the end": ({"bars": [FLAT, FLAT, (NO, 130, 99, 100)]}, {}, (NO, NO, NO)),
    "nobody buys at the end": ({"bars": [FLAT, FLAT, (130, 130, 99, 100, 0)]}, {}, (NO, NO, NO)),
    "touched before an end that is unknown": ({"bars": [FLAT, (99, 112, 99, 100), UNKNOWN]}, {}, (1, 0.10, 1)),
    "touched, and the panel ends": ({"bars": [FLAT, (99, 112, 99, 100)]}, {}, (NO, NO, NO)),
    # Bought at the close of row 3, at 100, and seen from row 4 on, row 5 whole.
    "close": ({"bars": [(80, 130, 70, 100), FLAT, (100, 101, 99, 106)]}, {"fill": "close"}, (0, 0.06, 2)),
    "close, touched in the last": ({"bars": [FLAT, FLAT, (100, 112, 99, 106)]}, {"fill": "close"}, (1, 0.10, 2)),
    "close, unknown at the end": ({"bars": [FLAT, FLAT, (100, 101, 99, NO)]}, {"fill": "close"}, (NO, NO, NO)),
    "a session later": ({"bars": [(50, 50, 50, 50), FLAT, FLAT, FLAT]}, {"start": 2}, (0, 0.0, 2)),
}


@pytest.mark.parametrize("name", WALKS)
def test_a_walk_by_hand(name):
    """To the rounding: prices of about 100 and a unit of 0.1, each off by some 1e-16 of themselves."""
    market, settings, expected = WALKS[name]
    found = bt.triple_barrier(candles(2, **market), [2], 2, window=2, **settings)
    assert [part[0, 0] for part in found] == pytest.approx(expected, abs=1e-13, nan_ok=True)


def test_bought_at_the_close_of_the_decision():
    """At 110, the close of row 2: barriers of 121 and 99, seen from row 3 on; sold at the close of row 4."""
    for second, expected in (
        ((100, 112, 100, 112), (0, 112 / 110 - 1, 2)),
        ((98, 112, 90, 112), (-1, 98 / 110 - 1, 2)),
    ):
        panel = candles(2, [(110, 120, 100, 100), second])
        found = bt.triple_barrier(panel, [2], 2, window=2, fill="same_close")
        assert [part[0, 0] for part in found] == pytest.approx(expected, abs=1e-13)


def test_the_unit_grows_with_the_root_of_the_horizon():
    """The unit is 0.1 for a horizon of 8 as for one of 2, if the standard deviation of a day is half as much."""
    panel = candles(8, [FLAT] * 7 + [(100, 110.01, 99, 100), FLAT])
    found = bt.triple_barrier(panel, [2], 8, window=2)
    assert [part[0, 0] for part in found] == pytest.approx((1, 0.10, 7), abs=1e-13)
    almost = candles(8, [FLAT] * 7 + [(100, 109.99, 99, 100), FLAT])
    assert bt.triple_barrier(almost, [2], 8, window=2).label[0, 0] == 0


def test_without_a_volatility_there_is_no_label():
    flat = candles(2, [FLAT] * 30)
    assert np.isnan(bt.triple_barrier(flat, [1], 2, window=2).label)  # one return is known
    assert bt.triple_barrier(flat, [2], 2, window=2).label == 0
    assert np.isnan(bt.triple_barrier(flat, [5], 2, window=2).label)  # it has not moved: both barriers at the entry
    # 1 % a session, but for the rounding of the prices: as little as one that has not moved
    steps = candles(2, [(100 * 1.01**k,) * 4 for k in range(30)])
    assert 0.0 < np.std(steps.returns[10:30, 0], ddof=1) < 1e-12
    assert np.isnan(bt.triple_barrier(steps, [29], 2, window=20).label)
    assert np.isfinite(bt.labels(steps, [29], 2))
    # 20 returns are needed, or the window where that is less
    assert np.isnan(bt.triple_barrier(flat, [19], 2, window=63).label)
    assert bt.triple_barrier(flat, [20], 2, window=63).label == 0
    assert np.isnan(bt.triple_barrier(flat, [9], 2, window=10).label)
    assert bt.triple_barrier(flat, [10], 2, window=10).label == 0


def rough(seed, sessions=70, symbols=9):
    """A market of gaps, unknown cells, sessions without trades, splits, dividends, endings and members by date."""
    rng = np.random.default_rng(seed)
    shape = (sessions, symbols)
    dates = np.datetime64("2021-01-04") + np.cumsum(rng.integers(1, 4, sessions))
    acting = rng.random(shape) < 0.03
    split = np.where(acting, rng.choice([1.0, 2.0, 0.5, 3.0], shape), 1.0)
    moves = rng.normal(0, 0.02, shape) + (rng.random(shape) < 0.05) * rng.normal(0, 0.15, shape)
    close = 50.0 * np.exp(np.cumsum(moves - np.log(split), axis=0))
    open_ = close * np.exp(rng.normal(0, 0.02, shape))
    high = np.maximum(open_, close) * np.exp(rng.exponential(0.02, shape))
    low = np.minimum(open_, close) * np.exp(-rng.exponential(0.02, shape))
    dividend = np.where(acting & (rng.random(shape) < 0.6), 0.04 * close, 0.0)
    volume = np.where(rng.random(shape) < 0.04, 0.0, 100.0)
    bars = {"open": open_, "high": high, "low": low, "close": close, "volume": volume}
    for values in bars.values():
        values[rng.random(shape) < 0.05] = np.nan
    last = {f"S{i}": int(rng.integers(sessions // 3, sessions)) for i in range(symbols // 2)}
    for symbol, row in last.items():
        for values in bars.values():
            values[row + 1 :, int(symbol[1:])] = np.nan
    ends = pd.DataFrame(
        {"symbol": list(last), "end": dates[list(last.values())], "delisting_return": rng.normal(-0.1, 0.3, len(last))}
    )
    rows, columns = np.nonzero((split != 1.0) | (dividend != 0.0))
    symbol = [f"S{i}" for i in columns]
    table = {"date": dates[rows], "symbol": symbol, "split": split[rows, columns], "dividend": dividend[rows, columns]}
    names = [f"S{i}" for i in range(symbols)]
    member = rng.random(shape) < 0.9
    return bt.Panel.from_arrays(dates, names, **bars, actions=pd.DataFrame(table), ends=ends, members=member)


def slowly(panel, t, i, horizon, profit, stop, window, fill):
    """The label from the words of the docstring: worths of one share along the moments of its life, in plain Python."""
    sessions = len(panel.dates)
    bought = t if fill == "same_close" else t + 1
    last = bought + horizon
    nothing = (NO, NO, NO)
    if last >= sessions or not panel.member[t, i] or not (panel.close[t, i] > 0 and panel.volume[t, i] > 0):
        return nothing
    entry = float((panel.open if fill == "open" else panel.close)[bought, i])
    known = [float(r) for r in panel.returns[max(0, t - window + 1) : t + 1, i] if not math.isnan(r)]
    if math.isnan(entry) or panel.volume[bought, i] == 0 or len(known) < min(20, window):
        return nothing
    unit = statistics.stdev(known) * horizon**0.5
    acts = {int(r): (float(s), float(d)) for r, j, s, d in zip(*panel.actions, strict=True) if j == i}
    ended = {int(j): (int(r), float(g)) for j, _, r, g in zip(*panel.ends, strict=True)}.get(i)
    shares, cash = 1.0, 0.0

    def outcome(price, k):
        worth = (shares * price + cash) / entry - 1
        return (1 if worth >= profit * unit else -1 if worth <= -stop * unit else 0), worth, k - bought

    for k in range(bought + (fill != "open"), last + 1):
        if k > bought and k in acts:
            shares *= acts[k][0]
            cash += shares * acts[k][1]
        if ended and ended[0] == k:
            back = k - 1
            while math.isnan(panel.close[back, i]):
                back -= 1
            mark = float(panel.close[back, i])
            for r in range(back + 1, k + 1):
                mark /= acts.get(r, (1.0, 0.0))[0]
            return outcome(mark * (1 + ended[1]), k)
        if panel.volume[k, i] == 0:
            continue
        first, high, low, close = (float(bar[k, i]) for bar in (panel.open, panel.high, panel.low, panel.close))
        if k == last and fill == "open":
            return nothing if math.isnan(first) else outcome(first, k)
        if not math.isnan(first) and outcome(first, k)[0]:
            return outcome(first, k)
        prices = [p for p in (first, high, low, close) if not math.isnan(p)]
        if not prices:
            continue
        worst, best = outcome(min(prices), k), outcome(max(prices), k)
        if worst[0] == -1:
            passed = math.isnan(first) and best[0] == -1  # the whole session is below
            return (-1, best[1] if passed else -stop * unit, k - bought)
        if best[0] == 1:
            passed = math.isnan(first) and worst[0] == 1
            return (1, worst[1] if passed else profit * unit, k - bought)
        if k == last and not math.isnan(close):
            return outcome(close, k)
    return nothing


@pytest.mark.parametrize("fill", ["open", "close", "same_close"])
@pytest.mark.parametrize(
    ("horizon", "profit", "stop", "window"), [(1, 0.5, 0.5, 5), (4, 1.0, 0.7, 30), (9, 2.0, INF, 9)]
)
def test_a_slow_walk_agrees(fill, horizon, profit, stop, window):
    """Returns to 1e-12: worths of about 50 are rounded some dozens of times, each by 1e-16 of themselves."""
    seen = {-1: 0, 0: 0, 1: 0}
    for seed in range(3):
        panel = rough(seed)
        found = bt.triple_barrier(panel, None, horizon, profit=profit, stop=stop, window=window, fill=fill)
        label, earned, lasted = (np.full(panel.shape, NO) for _ in range(3))
        for t, i in np.ndindex(panel.shape):
            label[t, i], earned[t, i], lasted[t, i] = slowly(panel, t, i, horizon, profit, stop, window, fill)
        np.testing.assert_array_equal(found.label, label)
        np.testing.assert_array_equal(found.sessions, lasted)
        np.testing.assert_allclose(found.earned, earned, rtol=0, atol=1e-12)
        for which in seen:
            seen[which] += int((label == which).sum())
        rows = np.array([8, 9, 31, 44])
        some = bt.triple_barrier(panel, rows, horizon, profit=profit, stop=stop, window=window, fill=fill)
        for part, whole in zip(some, found, strict=True):
            np.testing.assert_array_equal(part, whole[rows])
        kind = bt.labels(
            panel, rows, horizon, kind="triple_barrier", profit=profit, stop=stop, window=window, fill=fill
        )
        np.testing.assert_array_equal(kind, label[rows])
    assert min(seen[0], seen[1]) > 50
    assert seen[-1] > 50 or stop == INF


@pytest.mark.parametrize("fill", ["open", "close", "same_close"])
def test_without_barriers_it_is_the_raw_label(fill):
    """To the last bit, settlements and all, since both are the same arithmetic; and no volatility, no label."""
    for seed in range(3):
        panel = rough(seed)
        raw = bt.labels(panel, None, 5, fill=fill)
        found = bt.triple_barrier(panel, None, 5, profit=INF, stop=INF, window=6, fill=fill)
        unknown = [
            [np.isfinite(panel.returns[max(0, t - 5) : t + 1, i]).sum() < 6 for i in range(9)] for t in range(70)
        ]
        np.testing.assert_array_equal(found.earned, np.where(unknown, NO, raw))
        assert np.isfinite(found.earned).sum() > 100
        assert set(found.label[np.isfinite(found.earned)]) == {0.0}


@pytest.mark.parametrize("fill", ["open", "close"])
def test_what_comes_after_its_time_changes_nothing(fill):
    """Neither another future, nor an end of the panel; and it does look as far as it says."""
    horizon, window = 4, 10
    panel = rough(1)
    whole = bt.triple_barrier(panel, None, horizon, window=window, fill=fill)
    for t in (20, 33, 50):
        last = t + 1 + horizon
        for other in (with_another_future(panel, last, seed=t), panel.head(last)):
            again = bt.triple_barrier(other, None, horizon, window=window, fill=fill)
            for part, before in zip(again, whole, strict=True):
                assert part[: t + 1].tobytes() == before[: t + 1].tobytes()
            assert again.label[t + 1 :].tobytes() != whole.label[t + 1 :].tobytes()
    assert np.isfinite(whole.label[[20, 33, 50]]).sum() > 10


def test_of_the_last_session_only_the_open_is_seen():
    panel = rough(2)
    whole = bt.triple_barrier(panel, None, 4, window=10)
    last = 30 + 1 + 4
    prices = {name: getattr(panel, name).copy() for name in ("high", "low", "close")}
    for values in prices.values():
        values[last] *= 3.0
    changed = bt.triple_barrier(dataclasses.replace(panel, **prices), None, 4, window=10)
    for part, before in zip(changed, whole, strict=True):
        assert part[:31].tobytes() == before[:31].tobytes()
    assert changed.label[31:35].tobytes() != whole.label[31:35].tobytes()


def test_the_fill_that_is_asked_for_is_told():
    panel = rough(0)
    with asked_fills() as asked:
        bt.triple_barrier(panel, None, 3, fill="close")
        bt.labels(panel, None, 3, kind="triple_barrier", fill="same_close")
        bt.labels(panel, None, 3, kind="three")
    assert asked == {"open", "close", "same_close"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"profit": 0}, "profit is 0; it must be a number of standard deviations above 0"),
        ({"profit": -1.0}, "profit is -1.0"),
        ({"stop": NO}, "stop is nan"),
        ({"stop": "1"}, "stop is '1'"),
        ({"stop": None}, "stop is None.*inf for no such barrier"),
        ({"profit": True}, "profit is True"),
        ({"window": 1}, "window is 1; it must be a whole number, at least 2"),
        ({"window": 20.0}, "window is 20.0"),
        ({"horizon": 0}, "horizon is 0"),
        ({"fill": "Open"}, "fill is 'Open'.*Did you mean 'open'"),
        ({"start": 0}, "start is 0: the label of session t would start at the open of t, before its fill"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(bt.ConfigError, match=message):
        bt.triple_barrier(rough(0), **settings)


def test_wrong_rows():
    with pytest.raises(bt.DataError, match="rows must increase strictly"):
        bt.triple_barrier(rough(0), [5, 4], 2)
