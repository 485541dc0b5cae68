"""The panel: what it accepts, and what it refuses and in which words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from panels import ACTIONS, DAYS, PRICES, frame_of, panel_of

from backtester.errors import DataError
from backtester.market.panel import Panel

# Construction.


def test_symbols_are_sorted_and_columns_follow() -> None:
    """Symbols given in any order come out by code point, with all that belongs to them."""
    close = np.array([[1.0, 2.0, 3.0]])
    member = np.array([[True, False, True]])
    panel = panel_of(
        close,
        ["b", "B", "A"],
        members=member,
        sectors={"b": "x", "A": "y"},
        extra={"beta": -close},
        ends={"b": DAYS[3]},
    )
    assert panel.symbols == ("A", "B", "b")
    assert panel.close.tolist() == [[3.0, 2.0, 1.0]]
    assert panel.member.tolist() == [[True, False, True]]
    assert panel.sectors == ("y", "", "x")
    assert panel.sector_names == ("", "x", "y")
    assert panel.sector_codes.tolist() == [2, 0, 1]
    assert panel.extra["beta"].tolist() == [[-3.0, -2.0, -1.0]]
    assert panel.ends.symbol.tolist() == [2]
    assert panel.shape == (1, 3)


def test_arrays_are_plain_contiguous_and_read_only() -> None:
    """Nothing that the panel hands out can be written to, and it copies what its maker could still write to."""
    given_close = PRICES.copy()
    panel = panel_of(given_close, extra={"beta": PRICES}, actions=ACTIONS, ends={"A": DAYS[4]})
    given_close[0, 0] = 99.0
    assert panel.close[0, 0] == 10.0
    arrays: list[Any] = [panel.open, panel.high, panel.low, panel.close, panel.volume, panel.returns, panel.adj_close]
    arrays += [panel.extra["beta"], panel.tradable, panel.member, panel.dates, panel.sector_codes]
    for array in [*arrays, *panel.actions, *panel.ends]:
        assert type(array) is np.ndarray
        assert array.flags.c_contiguous
        assert not array.flags.writeable
    assert all(array.dtype == np.float64 for array in arrays[:8])
    with pytest.raises(AttributeError):
        panel.close = PRICES  # type: ignore[misc]
    with pytest.raises(TypeError):
        panel.extra["beta"] = PRICES  # type: ignore[index]


def test_frozen_arrays_are_adopted_without_a_copy() -> None:
    """An array that nobody can write to is not copied; a read-only view of a writable one is."""
    owned = PRICES.copy()
    owned.flags.writeable = False
    assert np.shares_memory(panel_of(owned).close, owned)
    writable = PRICES.copy()
    view = writable.view()
    view.flags.writeable = False
    assert not np.shares_memory(panel_of(view).close, writable)


def test_high_and_low_may_be_unknown() -> None:
    """Without highs and lows there are NaN."""
    panel = panel_of(PRICES, high=None, low=None)
    assert np.isnan(panel.high).all()
    assert np.isnan(panel.low).all()


def test_tradable_needs_a_close_and_volume() -> None:
    """A bar is tradable if close and volume are known and the volume is not 0; the open does not matter."""
    volume = np.array([[1.0, 0.0], [np.nan, 5.0], [2.0, 2.0], [2.0, 2.0], [2.0, 2.0]])
    panel = panel_of(PRICES, volume=volume, open=np.full((5, 2), np.nan))
    assert panel.tradable.tolist() == [[True, False], [False, False], [True, True], [True, True], [True, True]]


def test_index_suggests() -> None:
    """A symbol is found; one that is not there gets a suggestion."""
    panel = panel_of([[1.0, 2.0]], ["AAPL", "MSFT"])
    assert panel.index("MSFT") == 1
    with pytest.raises(DataError, match=r"no symbol 'aapl'.*Did you mean 'AAPL'\?"):
        panel.index("aapl")


@pytest.mark.parametrize(
    "dates",
    [
        ["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07", "2020-01-08"],
        ["20200102", "20200103", "20200106", "20200107", "20200108"],
        [20200102, 20200103, 20200106, 20200107, 20200108],
        pd.DatetimeIndex(DAYS),
        [day.item() for day in DAYS],
        [pd.Timestamp(day) for day in DAYS],
        DAYS.astype("datetime64[ns]"),
    ],
)
def test_dates_of_many_types(dates: Any) -> None:
    """Dates come as text, numbers, dates, timestamps or datetime64."""
    panel = panel_of(PRICES, dates=dates)
    assert panel.dates.dtype == "datetime64[D]"
    assert panel.dates.tolist() == DAYS.tolist()


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a price of zero": ({"open": np.where(PRICES == 22, 0.0, 1.0)}, r"B on 2020-01-06: open is 0 .*positive"),
    "a negative price": ({"low": np.where(PRICES == 22, -3.0, 1.0)}, r"B on 2020-01-06: low is -3 "),
    "a negative volume": ({"volume": np.where(PRICES == 22, -1.0, 0.0)}, r"B on 2020-01-06: volume is -1 "),
    "an infinite price": ({"high": np.where(PRICES == 22, np.inf, 1.0)}, r"B on 2020-01-06: high is inf .*NaN"),
    "an infinite extra": ({"extra": {"beta": np.where(PRICES == 22, -np.inf, 1.0)}}, r"B on 2020-01-06: beta is -inf"),
    "text in numbers": ({"open": np.where(PRICES == 22, "x", "1")}, r"open: '?x"),
    "another shape": ({"open": PRICES[:3]}, r"open: the shape is \(3, 2\), but 5 dates by 2 symbols"),
    "no open": ({"open": None}, r"open: an array"),
    "unsorted dates": ({"dates": DAYS[[0, 2, 1, 3, 4]]}, r"dates: 2020-01-03 comes after 2020-01-06"),
    "a date twice": ({"dates": DAYS[[0, 1, 1, 3, 4]]}, r"dates: 2020-01-03 is there twice"),
    "a time zone": ({"dates": pd.DatetimeIndex(DAYS).tz_localize("UTC")}, r"dates: .*has a time zone.*tz_localize"),
    "a time of day": ({"dates": DAYS.astype("datetime64[s]") + 34200}, r"dates: 2020-01-02 09:30:00 has a time of day"),
    "a missing date": ({"dates": [*DAYS[:4], None]}, r"dates: .*position 4 is missing"),
    "no dates": ({"dates": ["a", "b", "c", "d", "e"]}, r"dates: 'a' is no date; write dates as 2020-01-31"),
    "a symbol twice": ({"symbols": ["A", "A"]}, r"'A' is there twice"),
    "a symbol that is missing": ({"symbols": ["A", np.nan]}, r"symbol nan is not text but float.*dtype"),
    "a symbol that is a number": ({"symbols": ["A", 5]}, r"symbol 5 is not text but int"),
    "an empty symbol": ({"symbols": ["A", " "]}, r"a symbol is empty"),
    "an unknown basis": ({"basis": "split_adjustd"}, r"'split_adjustd'.*Did you mean 'split_adjusted'"),
    "a reserved extra": ({"extra": {"close": PRICES}}, r"extra: 'close' cannot be the name"),
    "bars after the end": (
        {"ends": {"B": "2020-01-06"}},
        r"B on 2020-01-07: open is 23, but the symbol ended on 2020-01",
    ),
    "the end of nobody": ({"ends": {"C": "2020-01-08"}}, r"ends: no symbol 'C'"),
    "two ends": (
        {"ends": pd.DataFrame({"symbol": ["A", "A"], "end": ["2020-01-08", "2020-01-09"]})},
        r"ends: A is there twice",
    ),
    "a delisting return below -1": (
        {"ends": pd.DataFrame({"symbol": ["A"], "end": ["2020-01-08"], "delisting_return": [-1.5]})},
        r"A: delisting return -1.5",
    ),
    "an action of nobody": ({"actions": ACTIONS.assign(symbol="AA")}, r"actions: no symbol 'AA'.*Did you mean 'A'"),
    "a split of zero": ({"actions": ACTIONS.assign(split=0.0)}, r"A on 2020-01-06: split 0; .*positive ratio"),
    "a negative dividend": ({"actions": ACTIONS.assign(dividend=-1.0)}, r"A on 2020-01-06: dividend -1; "),
    "two splits of one day": ({"actions": pd.concat([ACTIONS, ACTIONS])}, r"A on 2020-01-06 has two splits"),
    "actions of neither kind": ({"actions": ACTIONS[["date", "symbol"]]}, r"neither a column 'split' nor"),
    "splits in adjusted prices": (
        {"actions": ACTIONS, "basis": "split_adjusted"},
        r"A on 2020-01-06 has a split, but prices on the basis 'split_adjusted' contain it",
    ),
    "dividends in total returns": (
        {"actions": ACTIONS.assign(split=1.0), "basis": "total_return"},
        r"A on 2020-01-06 has a dividend, but prices on the basis 'total_return' contain it",
    ),
    "members of another shape": ({"members": np.ones((2, 2), dtype=bool)}, r"members: an array of bool"),
    "a membership backwards": (
        {"members": pd.DataFrame({"symbol": ["A"], "start": ["2020-01-08"], "end": ["2020-01-02"]})},
        r"members: A starts on 2020-01-08 and ends before that",
    ),
    "a sector that is a number": ({"sectors": {"A": 5}}, r"the sector of A is 5"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_a_message_that_names_it(case: str) -> None:
    """What is wrong is refused, and the message says where."""
    change, message = REFUSED[case]
    arguments: dict[str, Any] = {"symbols": ["A", "B"], "dates": DAYS} | change
    with pytest.raises(DataError, match=message):
        panel_of(PRICES, **arguments)


# Long frames.


def test_from_frame_in_any_row_order_and_case() -> None:
    """Rows come in any order, columns in any case; the result is that of arrays."""
    close = np.where(np.isnan(PRICES), np.nan, PRICES)
    volume = np.where(np.isnan(close), np.nan, 100.0)
    panel = panel_of(close, volume=volume)
    frame = frame_of(panel).sample(frac=1, random_state=1)
    assert Panel.from_frame(frame).fingerprint == panel.fingerprint
    shouted = frame.rename(columns={"date": "Date", "symbol": "Ticker", "open": "OPEN", "volume": "Volume"})
    assert Panel.from_frame(shouted).fingerprint == panel.fingerprint
    assert Panel.from_frame(frame.set_index(["date", "symbol"])).fingerprint == panel.fingerprint


def test_from_frame_takes_actions_and_extra_columns() -> None:
    """Splits and dividends stand in the rows of their dates (0 is none); other numbers become extra columns."""
    frame = frame_of(panel_of(PRICES)).assign(Split=0.0, Dividends=0.0)
    at = (frame["date"] == "2020-01-06") & (frame["symbol"] == "A")
    frame.loc[at, ["Split", "Dividends"]] = [2.0, 0.5]
    frame["Market Cap"] = np.arange(len(frame))
    frame["Adj Close"] = 5.0
    panel = Panel.from_frame(frame)
    reference = panel_of(PRICES, actions=ACTIONS)
    for found, expected in zip(panel.actions, reference.actions, strict=True):
        assert found.tolist() == expected.tolist()
    assert sorted(panel.extra) == ["adj_close_vendor", "market_cap"]
    assert panel.extra["market_cap"][0].tolist() == [0.0, 1.0]
    assert panel.adj_close[0, 0] == 10.0  # never the vendor's


def test_from_frame_passes_the_rest_on() -> None:
    """Endings, members, sectors and the basis are those of `from_arrays`."""
    panel = Panel.from_frame(
        frame_of(panel_of(PRICES)),
        basis="split_adjusted",
        ends={"A": "2020-01-08"},
        members=pd.DataFrame({"symbol": ["A"], "start": ["2020-01-03"], "end": [None]}),
        sectors={"B": "x"},
    )
    assert panel.basis == "split_adjusted"
    assert panel.ends.symbol.tolist() == [0]
    assert panel.member.sum() == 4
    assert panel.sectors == ("", "x")


FRAME = frame_of(panel_of(PRICES))
REFUSED_FRAMES: dict[str, tuple[pd.DataFrame, str]] = {
    "a row twice": (pd.concat([FRAME, FRAME[:1]]), r"A on 2020-01-02 has 2 rows \(1 such cases\)"),
    "no close": (FRAME.drop(columns="close"), r"no column 'close' \(the columns are date, symbol, open"),
    "text in numbers": (
        FRAME.astype({"open": object}).assign(open=lambda f: f["open"].where(f.index != 2, "abc")),
        r"A on 2020-01-03: open is 'abc' \(1 such values\), which is no number",
    ),
    "a price of zero": (FRAME.assign(close=0.0), r"A on 2020-01-02: close is 0 \(9 such values\)"),
    "a symbol lost by a reader": (FRAME.assign(symbol=FRAME["symbol"].where(FRAME["symbol"] != "B")), r"is not text"),
    "text beside the numbers": (FRAME.assign(exchange="N"), r"column 'exchange' is not numeric.*drop it"),
    "time zones": (FRAME.assign(date=pd.to_datetime(FRAME["date"]).dt.tz_localize("UTC")), r"has a time zone"),
    "times of day": (FRAME.assign(date=pd.to_datetime(FRAME["date"]) + pd.Timedelta("16h")), r"16:00:00 has a time of"),
    "two columns of one name": (FRAME.assign(Close=1.0), r"'close' and 'Close' have the same name"),
}


@pytest.mark.parametrize("case", REFUSED_FRAMES)
def test_refused_frames(case: str) -> None:
    """A frame with something wrong in it is refused in words that say what."""
    frame, message = REFUSED_FRAMES[case]
    with pytest.raises(DataError, match=message):
        Panel.from_frame(frame)
