"""The panel in time: corporate actions and returns, membership and endings, heads and cuts, and its fingerprint."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from panels import ACTIONS, DAYS, PRICES, panel_of

from backtester.errors import DataError
from backtester.market.panel import Panel

# Corporate actions and returns.


def test_dividends_are_accepted_on_split_adjusted_prices() -> None:
    """Split-adjusted prices do not contain dividends."""
    panel = panel_of(PRICES, actions=ACTIONS.assign(split=1.0), basis="split_adjusted")
    assert panel.actions.dividend.tolist() == [0.5]


def test_returns_by_hand() -> None:
    """Total returns over a split with a dividend, a gap with a dividend in it, and a reverse split."""
    close = np.array([[10.0, 20.0], [11.0, np.nan], [6.0, 22.0], [7.0, 4.0], [8.0, 5.0]])
    actions = pd.DataFrame(
        {
            "date": ["2020-01-06", "2020-01-03", "2020-01-07"],
            "symbol": ["A", "B", "B"],
            "split": [2.0, np.nan, 0.2],
            "dividend": [0.5, 1.0, np.nan],
        }
    )
    panel = panel_of(close, actions=actions)
    a = [10 / 10, 11 / 10, (2 * 6 + 2 * 0.5) / 11, 7 / 6, 8 / 7]  # ratio * close + dividend * ratio
    b = [20 / 20, (22 + 1) / 20, 0.2 * 4 / 22, 5 / 4]  # the dividend in the gap counts at the next known close
    expected = np.full((5, 2), np.nan)
    expected[1:, 0] = np.array(a[1:]) - 1
    expected[[2, 3, 4], 1] = np.array(b[1:]) - 1
    np.testing.assert_allclose(panel.returns, expected, rtol=1e-14)
    np.testing.assert_allclose(panel.adj_close[:, 0], 10 * np.cumprod(a), rtol=1e-14)
    np.testing.assert_allclose(panel.adj_close[[0, 2, 3, 4], 1], 20 * np.cumprod(b), rtol=1e-14)
    assert np.isnan(panel.adj_close[1, 1])


def test_actions_between_sessions_act_in_the_next_and_combine() -> None:
    """Saturday's dividend and Sunday's split meet on Monday: ratios multiply, dividends count in the last shares."""
    actions = pd.DataFrame(
        {
            "date": ["2020-01-05", "2020-01-04", "2020-01-06"],
            "symbol": ["A", "A", "A"],
            "split": [2.0, 1.0, 3.0],
            "dividend": [0.0, 0.6, 0.2],
        }
    )
    placed = panel_of(PRICES, actions=actions).actions
    assert placed.row.tolist() == [2]
    assert placed.split.tolist() == [6.0]
    # 0.6 for each old share, then 0.2 for each of 6 new ones: 1.8 for what is 6 shares in the end.
    np.testing.assert_allclose(placed.dividend, [1.8 / 6], rtol=1e-14)


def test_actions_out_of_range_or_without_effect_are_left_out() -> None:
    """Before the first session and after the last nothing can act; neither does a split of 1 without a dividend."""
    actions = pd.DataFrame(
        {
            "date": ["2020-01-01", "2020-01-09", "2020-01-03", "2020-01-02"],
            "symbol": ["A", "A", "A", "B"],
            "split": [2.0, 2.0, 1.0, 2.0],
        }
    )
    placed = panel_of(PRICES, actions=actions).actions
    assert list(zip(placed.row, placed.symbol, placed.split, strict=True)) == [(0, 1, 2.0)]


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_returns_agree_with_a_plain_account(data: st.DataObject) -> None:
    """One share bought at a close and reinvested in nothing: value plus cash over price is what `returns` says."""
    price = st.one_of(st.just(float("nan")), st.floats(1.0, 100.0))
    close = np.array(data.draw(st.lists(st.lists(price, min_size=2, max_size=2), min_size=5, max_size=5)))
    rows = data.draw(
        st.lists(
            st.tuples(st.integers(0, 4), st.integers(0, 1), st.sampled_from([1.0, 2.0, 0.5, 3.0]), st.floats(0.0, 2.0)),
            unique_by=lambda row: row[:2],
        )
    )
    actions = pd.DataFrame(
        [(DAYS[t], "AB"[i], split, dividend) for t, i, split, dividend in rows],
        columns=["date", "symbol", "split", "dividend"],
    )
    panel = panel_of(close, actions=actions)
    happens = {(t, i): (split, dividend) for t, i, split, dividend in rows}
    for i in range(2):
        shares, cash, bought = 1.0, 0.0, float("nan")
        for t in range(5):
            split, dividend = happens.get((t, i), (1.0, 0.0))
            shares *= split
            cash += shares * dividend
            if np.isnan(close[t, i]):
                assert np.isnan(panel.returns[t, i])
                continue
            expected = (shares * close[t, i] + cash) / bought - 1
            np.testing.assert_allclose(panel.returns[t, i], expected, rtol=1e-12, atol=1e-12)
            shares, cash, bought = 1.0, 0.0, close[t, i]


# Membership and endings.


def test_membership_leaves_out_the_day_of_removal() -> None:
    """From start up to, not including, end; several spans add up; no end means still; unknown symbols do not matter."""
    members = pd.DataFrame(
        {
            "Ticker": ["A", "A", "B", "ZZZ"],
            "start_date": ["2019-01-01", "2020-01-08", "2020-01-04", "2020-01-02"],
            "end_date": ["2020-01-06", "", None, None],
        }
    )
    panel = panel_of(PRICES, members=members)
    assert panel.member[:, 0].tolist() == [True, True, False, False, True]
    assert panel.member[:, 1].tolist() == [False, False, True, True, True]


def test_endings_are_settled_in_the_first_session_after() -> None:
    """The row of an ending is the first session after its date; T if the panel has none."""
    close = PRICES.copy()
    close[2:, 1] = np.nan
    volume = np.where(np.isnan(close), np.nan, 1.0)
    ends = pd.DataFrame({"symbol": ["B", "A"], "end": ["2020-01-04", "2020-01-08"], "delisting_return": [-0.3, np.nan]})
    panel = panel_of(close, volume=volume, ends=ends)
    assert panel.ends.symbol.tolist() == [1, 0]
    assert panel.ends.row.tolist() == [2, 5]
    assert panel.ends.date.tolist() == np.array(["2020-01-04", "2020-01-08"], dtype="datetime64[D]").tolist()
    assert panel.ends.delisting_return.tolist() == [-0.3, 0.0]


# Cutting in time.


def full_panel() -> Panel:
    """A panel with something of everything."""
    close = PRICES.copy()
    close[3:, 1] = np.nan
    volume = np.where(np.isnan(close), np.nan, 1.0)
    return panel_of(
        close,
        volume=volume,
        actions=pd.concat([ACTIONS, ACTIONS.assign(date="2020-01-08", split=1.0)]),
        ends={"B": "2020-01-06", "A": "2020-01-20"},
        members=pd.DataFrame({"symbol": ["A", "B"], "start": ["2020-01-03", ""], "end": ["", "2020-01-07"]}),
        sectors={"A": "x"},
        extra={"beta": PRICES},
    )


def test_head_shares_memory_and_forgets_the_future() -> None:
    """A head has the same values, no later action, and no ending that has not been settled."""
    panel = full_panel()
    for t in range(5):
        head = panel.head(t)
        assert head.shape == (t + 1, 2)
        for name in ("open", "high", "low", "close", "volume", "member", "tradable", "returns", "adj_close"):
            part, whole = getattr(head, name), getattr(panel, name)
            np.testing.assert_array_equal(part, whole[: t + 1])
            assert np.shares_memory(part, whole)
            assert not part.flags.writeable
        assert np.shares_memory(head.extra["beta"], panel.extra["beta"])
        assert (head.actions.row <= t).all()
    assert [len(panel.head(t).actions.row) for t in range(5)] == [0, 0, 1, 1, 2]
    # B ends on the date of session 2 and is settled in session 3; A ends after the panel.
    assert [panel.head(t).ends.symbol.tolist() for t in range(5)] == [[], [], [], [1], [1]]
    for t in (-1, 5):
        with pytest.raises(DataError, match="no session"):
            panel.head(t)


@pytest.mark.parametrize("cut", [lambda panel: panel.head(3), lambda panel: panel.between(end="2020-01-07")])
def test_a_cut_with_another_close_derives_everything_of_that_close(cut) -> None:
    """And not of the market that it was cut from; what it was cut from stays what it was."""
    panel = full_panel()
    other = np.where(np.isfinite(panel.close), panel.close + np.arange(5.0)[:, None], np.nan)
    other[1, 0] = np.nan
    mine = dataclasses.replace(cut(panel), close=other[:4])
    fresh = cut(dataclasses.replace(panel, close=other))
    for name in ("returns", "adj_close", "moves", "tradable", "fingerprint"):
        np.testing.assert_array_equal(getattr(mine, name), getattr(fresh, name))
        assert np.any(np.asarray(getattr(mine, name)) != np.asarray(getattr(cut(panel), name)))
    # its own heads follow it
    np.testing.assert_array_equal(mine.head(2).returns, mine.returns[:3])
    np.testing.assert_array_equal(cut(panel).returns, panel.returns[:4])


@pytest.mark.parametrize("t", range(5))
def test_head_is_what_a_shorter_history_would_have_been(t: int) -> None:
    """A head, its returns included, equals to the bit the panel made from those rows alone."""
    panel = full_panel()
    ended = {"B": "2020-01-06"} if t >= 3 else None
    short = Panel.from_arrays(
        DAYS[: t + 1],
        panel.symbols,
        **{name: getattr(panel, name)[: t + 1] for name in ("open", "high", "low", "close", "volume")},
        actions=pd.concat([ACTIONS, ACTIONS.assign(date="2020-01-08", split=1.0)]),
        ends=ended,
        members=panel.member[: t + 1],
        sectors={"A": "x"},
        extra={"beta": PRICES[: t + 1]},
    )
    head = panel.head(t)
    assert head.fingerprint == short.fingerprint
    np.testing.assert_array_equal(head.returns, short.returns)
    np.testing.assert_array_equal(head.adj_close, short.adj_close)


def test_between_moves_rows_and_starts_returns_anew() -> None:
    """Both bounds are inside; actions and endings move along; the first return is unknown."""
    panel = full_panel()
    cut = panel.between("2020-01-04", "2020-01-07")
    assert cut.dates.tolist() == DAYS[2:4].tolist()
    assert np.shares_memory(cut.close, panel.close)
    assert cut.actions.row.tolist() == [0]
    assert cut.ends.symbol.tolist() == [1]
    assert cut.ends.row.tolist() == [1]
    assert np.isnan(cut.returns[0]).all()
    np.testing.assert_array_equal(cut.returns[1], panel.returns[3])
    # Nothing cut off: nothing lost, the ending after the panel included.
    assert panel.between(None, "2030-01-01").fingerprint == panel.fingerprint
    assert panel.between(end="2020-01-07").ends.symbol.tolist() == [1]
    # B ended before this cut begins: known at once.
    assert panel.between("2020-01-08").ends.row.tolist() == [0, 1]
    with pytest.raises(
        DataError, match="no session from 2020-01-04 to 2020-01-05: the panel has 2020-01-02 to 2020-01-08"
    ):
        panel.between("2020-01-04", "2020-01-05")


# The fingerprint and pickles.


def test_fingerprint_says_what_the_content_is() -> None:
    """The same content has the same fingerprint however it was made; any other content has another."""
    panel = panel_of(PRICES)
    other_nan = np.where(np.isnan(PRICES), np.copysign(np.nan, -1.0), PRICES)
    assert other_nan.tobytes() != PRICES.tobytes()
    assert panel_of(other_nan).fingerprint == panel.fingerprint
    zeros, negative_zeros = np.zeros((5, 2)), np.full((5, 2), -0.0)
    assert panel_of(PRICES, volume=zeros).fingerprint == panel_of(PRICES, volume=negative_zeros).fingerprint
    assert panel_of(PRICES[:, ::-1], ["B", "A"]).fingerprint == panel.fingerprint
    others = [
        panel_of(PRICES + 1e-12),
        panel_of(PRICES, ["A", "C"]),
        panel_of(PRICES, dates=DAYS + 1),
        panel_of(PRICES, sectors={"A": "x"}),
        panel_of(PRICES, basis="split_adjusted"),
        panel_of(PRICES, actions=ACTIONS),
        panel_of(PRICES, ends={"A": "2020-02-01"}),
        panel_of(PRICES, members=np.zeros((5, 2), dtype=bool)),
        panel_of(PRICES, extra={"beta": PRICES}),
        panel_of(PRICES, extra={"gamma": PRICES}),
    ]
    assert len({panel.fingerprint, *(other.fingerprint for other in others)}) == len(others) + 1


def test_pickled_panels_stay_frozen() -> None:
    """A panel that went to another process is the same, and as read-only as before."""
    panel = full_panel()
    again = pickle.loads(pickle.dumps(panel.head(3)))
    assert again.fingerprint == panel.head(3).fingerprint
    assert again.shape == (4, 2)
    for array in (again.close, again.member, again.extra["beta"], again.actions.row, again.ends.row, again.returns):
        assert not array.flags.writeable
