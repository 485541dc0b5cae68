"""Rates by symbol and date, and not-shortable lists: what they say in each session, and what is wrong with them."""

from __future__ import annotations

import copy
import json
import math
import pickle
import struct

import numpy as np
import pandas as pd
import pytest
from panels import DAYS, panel_of
from small import Does

import backtester as bt
from backtester.errors import ConfigError, DataError
from backtester.portfolio.rates import Rates, Tier, bar_shorts, read_spans, resolve
from backtester.portfolio.rules import to_rules
from backtester.portfolio.settings import Costs, Execution

NAN = math.nan
DATED = read_spans([("A", "2020-01-03", "2020-01-07"), ("B",)])
PANEL = panel_of(np.full((5, 3), 10.0), symbols=("A", "B", "C"))  # 2020-01-02, 03, 06, 07, 08


def looked_up(rates: Rates, panel=PANEL) -> np.ndarray:
    rows, of_session = resolve(rates, panel)
    assert rows.flags.writeable
    assert rows.flags.c_contiguous
    assert rows.dtype == np.float64
    assert of_session.shape == (panel.shape[0],)
    assert of_session.dtype == np.int64
    return rows[of_session]


def test_the_default_and_the_symbols() -> None:
    rows, of_session = resolve(Rates(3, {"B": 7}), PANEL)
    assert rows.tolist() == [[3, 7, 3]]
    assert of_session.tolist() == [0] * 5


def test_a_table_holds_from_its_day_on_until_a_missing_rate_ends_it() -> None:
    table = pd.DataFrame(
        [
            ("A", "2020-01-04", 5),  # a Saturday: from the 6th on
            ("A", "2020-01-07", NAN),
            ("B", "2019-06-01", 6),  # before the first session
            ("B", "2020-01-08", 8),
            ("C", None, 9),
            ("C", "2020-01-03", 1),
            ("C", "2021-01-01", 2),  # after the last
            ("Z", None, 100),  # not in the panel
        ],
        columns=["symbol", "date", "rate"],
    )
    rates = Rates(3, {"A": 4}, table)
    assert looked_up(rates).tolist() == [[4, 6, 9], [4, 6, 1], [5, 6, 1], [4, 6, 1], [4, 8, 1]]
    assert len(resolve(rates, PANEL)[0]) == 5


def test_the_last_of_the_days_between_two_sessions_counts() -> None:
    table = [("A", 5, "2020-01-04"), ("A", 6, "2020-01-05"), ("A", 7, "2020-01-07"), ("B", 1), ("B", 2, "2019-01-01")]
    assert looked_up(Rates(3, table=table))[:, :2].tolist() == [[3, 2], [3, 2], [6, 2], [7, 2], [7, 2]]


def test_tiers_stand_below_table_and_symbols() -> None:
    tiers = (Tier(1, min_dollar_volume=900, min_price=9), Tier(2))
    rates = Rates(50, {"B": 7}, [("C", 6, "2020-01-07")], tiers)
    panel = panel_of(np.full((5, 3), 10.0), symbols=("A", "B", "C"), volume=[[100, 100, 80]] * 5)
    assert looked_up(rates, panel).tolist() == [[50, 7, 50], [1, 7, 2], [1, 7, 2], [1, 7, 6], [1, 7, 6]]


def slow_rate(rates: Rates, table: list, panel, i: int, t: int) -> float:
    """By the page, for one symbol and session."""
    symbol, today = panel.symbols[i], panel.dates[t]
    rows = [(np.datetime64(day or "0001-01-01"), rate) for name, rate, day in table if name == symbol]
    rows = [row for row in rows if row[0] <= today]
    if rows and not math.isnan(max(rows, key=lambda row: row[0])[1]):
        return max(rows, key=lambda row: row[0])[1]
    if symbol in dict(rates.symbols):
        return dict(rates.symbols)[symbol]
    prices = [p for p in panel.close[:t, i] if not math.isnan(p)]
    money = [p * v for p, v in zip(panel.close[:t, i], panel.volume[:t, i], strict=True)][-20:]
    money = [m for m in money if not math.isnan(m)]
    for tier in rates.tiers if prices and money else ():
        if sum(money) / len(money) >= tier.min_dollar_volume and prices[-1] >= tier.min_price:
            return tier.rate
    return rates.default


@pytest.mark.parametrize("seed", range(20))
def test_against_a_slow_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sessions, symbols = 40, [f"S{k}" for k in range(6)]
    dates = np.datetime64("2020-01-01") + np.cumsum(rng.choice([1, 1, 3, 9], sessions))
    close = np.round(rng.uniform(1, 20, (sessions, 6)))
    volume = np.round(rng.uniform(0, 50, (sessions, 6)))
    close[rng.random(close.shape) < 0.3] = NAN
    volume[rng.random(volume.shape) < 0.3] = NAN
    panel = panel_of(close, symbols, dates, volume=volume)
    days = {(str(rng.choice(symbols)), str(np.datetime64("2019-12-20") + rng.integers(120))) for _ in range(25)}
    table = [(symbol, NAN if rng.random() < 0.2 else float(rng.integers(9)), day) for symbol, day in sorted(days)]
    table += [("S1", 20.0, None), ("S2", NAN, None)]
    tiers = [Tier(30, 250, 10), Tier(31, 200, 5), Tier(32, 100)] if seed % 2 else []
    rates = Rates(40, {"S3": 33, "S0": 34}, table, tiers)
    expected = [[slow_rate(rates, table, panel, i, t) for i in range(6)] for t in range(sessions)]
    assert looked_up(rates, panel).tolist() == expected


def test_two_that_say_the_same_are_equal() -> None:
    rows = [("B", 0.5, "2020-01-02"), ("A", NAN, "2020-01-03"), ("A", 1.0, None), ("A", 1.0)]
    frame = pd.DataFrame(
        {"date": pd.to_datetime(["2020-01-03", None, "2020-01-02"]), "rate": [NAN, 1, 0.5], "symbol": ["A", "A", "B"]}
    )
    one, other = Rates(1, {"A": 1, "B": 2}, rows), Rates(1.0, {"B": 2, "A": 1.0}, frame)
    assert one == other
    assert hash(one) == hash(other)
    assert one == Rates(one.default, one.symbols, one.table, one.tiers)  # in the form in which it is kept
    assert one != Rates(1, {"A": 1, "B": 2}, rows[:2])
    assert Costs(slippage_bps=one) == Costs(slippage_bps=other)
    assert Costs(not_shortable=("B", "A")) == Costs(not_shortable={"A", "B"}) == Costs(not_shortable=[("B",), "A", "B"])
    frames = [pd.DataFrame({"symbol": ["A", "B", "B"]}), pd.DataFrame({"symbol": ["B", "A"], "end": None})]
    assert Costs(not_shortable=frames[0]) == Costs(not_shortable=frames[1])
    assert hash(Costs(not_shortable=[("A", "2020-01-02")])) == hash(Costs(not_shortable=[("A", "2020-01-02", None)]))


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda: Rates(-1), "Rates.default is -1; it must be"),
        (lambda: Rates(NAN), "Rates.default is nan"),
        (lambda: Rates("5"), "Rates.default is '5'"),
        (lambda: Rates(1, {"A": -2}), "Rates.symbols['A'] is -2"),
        (lambda: Rates(1, {3: 2}), "the symbol 3"),
        (lambda: Rates(1, "A"), "Rates.symbols is 'A'"),
        (lambda: Rates(1, table=[("A", -3, "2020-01-02")]), "the rate -3 for 'A' on 2020-01-02"),
        (lambda: Rates(1, table=[("A", math.inf)]), "the rate inf for 'A'"),
        (lambda: Rates(1, table=[("A", "x")]), "the rate 'x' for 'A'"),
        (lambda: Rates(1, table=[("A", 1, "2020-01-02"), ("A", 2, "2020-01-02")]), "two rates for 'A' on 2020-01-02"),
        (lambda: Rates(1, table=[("A", 1), ("A", NAN)]), "two rates for 'A' without a date: 1 and nan"),
        (lambda: Rates(1, table=[("A", 1, "soon")]), "'soon' is no date"),
        (lambda: Rates(1, table=[("A",)]), "holds ('A',); a row is (symbol, rate, date)"),
        (lambda: Rates(1, table=[(None, 1)]), "the symbol None"),
        (lambda: Rates(1, table=pd.DataFrame({"symbol": ["A"], "rat": [1]})), "lacks the column 'rate'"),
        (lambda: Rates(1, table=pd.DataFrame({"symbol": ["A"], "rate": [1], "dat": [1]})), "Did you mean 'date'"),
        (lambda: Rates(1, table="borrow.csv"), "Rates.table is 'borrow.csv'"),
        (lambda: Rates(1, tiers=Tier(1)), "sequence of bt.Tier"),
        (lambda: Rates(1, tiers=[(1, 2)]), "sequence of bt.Tier"),
        (lambda: Tier(-1), "Tier.rate is -1"),
        (lambda: Tier(1, min_price=NAN), "Tier.min_price is nan"),
        (lambda: Rates(1, [("A", 1), ("B", 2), ("B", 2)]), "Rates.symbols names 'B' twice"),
        (lambda: Rates(10**400), "Rates.default is 1000"),
        (lambda: Rates(1, {"A": 10**400}), "Rates.symbols['A'] is 1000"),
        (lambda: Rates(1, table=[("A", 10**400)]), "for 'A'; it must be"),
        (lambda: Rates(1, table=[(["A"], 1)]), "Rates.table holds a symbol that is no text"),
        (lambda: Rates(1, table=pd.DataFrame([["A", 1, 2]], columns=["symbol", "rate", "rate"])), "'rate' twice"),
        (lambda: Rates(1, table=DATED), "Rates.table is a table of symbol, start, end"),
        (
            lambda: Costs(not_shortable=Rates(1, table=[("A", 1)]).table),
            "not_shortable is a table of symbol, date, rate",
        ),
        (lambda: Costs(not_shortable={"A", 1}), "Costs.not_shortable holds the symbol 1"),
        (lambda: Costs(not_shortable={("A", "2020-01-03"), 1}), "Costs.not_shortable holds the symbol 1"),
        (lambda: Costs(not_shortable="AAPL"), "Costs.not_shortable is 'AAPL'"),
        (lambda: Costs(not_shortable=[("A", "2020-01-03", "2020-01-03")]), "2020-01-03 to 2020-01-03 for 'A'"),
        (lambda: Costs(not_shortable=pd.DataFrame({"ticker": ["A"]})), "lacks the column 'symbol'"),
    ],
)
def test_what_is_wrong_is_named(make, found: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert found in str(caught.value)


def test_symbols_that_are_not_there() -> None:
    panel = panel_of(np.full((5, 2), 10.0), symbols=("AAPL", "MSFT"))
    with pytest.raises(DataError, match=r"'APPL'.*Did you mean 'AAPL'"):
        resolve(Rates(1, {"APPL": 2, "MSFT": 1}), panel)
    with pytest.raises(DataError, match=r"Rates.table names 'APPL', none of which.*Did you mean 'AAPL'"):
        resolve(Rates(1, table=[("APPL", 2)]), panel)
    with pytest.raises(DataError, match=r"not_shortable names 'APPL', none of which"):
        bar_shorts(read_spans(pd.DataFrame({"symbol": ["APPL"]})), panel)
    with pytest.raises(DataError, match=r"not_shortable names 'APPL', which is not .*Did you mean 'AAPL'"):
        bar_shorts(read_spans(["MSFT", "APPL"]), panel)
    with pytest.raises(ConfigError, match="needs a panel"):
        to_rules(Costs(borrow_rate=Rates(1, {"A": 2})), None, Execution())


def test_spans_in_which_a_symbol_is_not_shortable() -> None:
    spans = [("A",), ("B", "2020-01-04", "2020-01-07"), ("B", "2020-01-06", "2020-01-07"), ("C", None, "2020-01-03")]
    spans += [("C", "2020-01-08"), ("B", "2021-01-01", None), ("Z", None, None)]
    rows, of_session = bar_shorts(read_spans(spans), PANEL)
    assert rows.dtype == np.uint8
    assert rows[of_session].tolist() == [[1, 0, 1], [1, 0, 0], [1, 1, 0], [1, 0, 0], [1, 0, 1]]
    rows, of_session = bar_shorts(read_spans(["C", "A"]), PANEL)
    assert rows.dtype == np.uint8
    assert rows.tolist() == [[1, 0, 1]]
    assert of_session.tolist() == [0] * 5
    every = bar_shorts(read_spans(pd.DataFrame({"symbol": ["Z", "C", "A"]})), PANEL)  # of a table Z is left out
    assert every[0].tolist() == [[1, 0, 1]]


def test_a_run_records_what_it_left_out_of_a_table() -> None:
    rates = Rates(1, table=[("A", 1.0), ("Y", 2.0), ("Z", 3.0), ("Z", 4.0, "2020-01-03")])
    costs = Costs(slippage_bps=rates, borrow_rate=rates, not_shortable=[("B", "2020-01-03"), ("Y", "2020-01-03")])
    told = costs.describe(PANEL)
    for key, rows, symbols in [("slippage_bps", 3, 2), ("borrow_rate", 3, 2)]:
        assert (told[key]["table"]["rows_left_out"], told[key]["table"]["symbols_left_out"]) == (rows, symbols)
    assert (told["not_shortable"]["rows_left_out"], told["not_shortable"]["symbols_left_out"]) == (1, 1)
    assert "rows_left_out" not in costs.describe()["not_shortable"]
    result = bt.run(PANEL, Does(lambda view: None), costs=costs)
    assert result.settings["costs"] == told


def test_what_a_table_says_is_what_its_hash_is_of() -> None:
    other_nan = struct.unpack("<d", struct.pack("<Q", 0xFFF8000000000000))[0]
    assert math.isnan(other_nan)
    one = Rates(-0.0, {"A": -0.0}, [("A", NAN, "2020-01-02"), ("B", -0.0)])
    other = Rates(0.0, {"A": 0.0}, [("A", other_nan, "2020-01-02"), ("B", 0.0)])
    assert one == other
    assert json.dumps(one.describe()) == json.dumps(other.describe())
    assert json.dumps(Costs(impact=-0.0).describe()) == json.dumps(Costs(impact=0.0).describe())


def test_a_table_stays_read_only_in_another_process() -> None:
    for copied in (pickle.loads(pickle.dumps(DATED)), copy.copy(DATED), copy.deepcopy(DATED)):
        assert copied == DATED
        for array in (copied.symbol, *copied.columns):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = array[0]


@pytest.mark.parametrize("seed", range(5))
def test_a_table_in_any_order_is_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = rng.permutation([f"S{k}" for k in range(7)] + ["a", "Ä", "Z9"])
    days = np.append(np.datetime64("2020-01-01") + np.arange(6), np.datetime64("NaT"))
    frame = pd.DataFrame([(s, d, rng.choice([NAN, 1.0, 2.0])) for s in names for d in days])
    frame.columns = ["symbol", "date", "rate"]
    rows = Rates(1, table=frame.sort_values(["symbol", "date"], na_position="first")).table
    assert rows == Rates(1, table=frame.sample(frac=1, random_state=seed)).table
    assert rows.names == tuple(sorted(names))
    keys = list(zip(rows.symbol, rows.columns[0].astype(np.int64), strict=True))
    assert keys == sorted(keys)
    said = {(s, str(d)): r for s, d, r in frame.astype({"date": "datetime64[s]"}).itertuples(index=False)}
    assert len(said) == len(rows) == 70
    for k, day, rate in zip(rows.symbol, rows.columns[0], rows.columns[1], strict=True):
        expected = said[rows.names[k], "NaT" if np.isnat(day) else f"{day} 00:00:00"]
        assert rate == expected or (math.isnan(rate) and math.isnan(expected))


def test_the_kernel_gets_fractions() -> None:
    costs = Costs(slippage_bps=Rates(10, {"B": 50}), borrow_rate=Rates(0.01, {"C": 0.5}), not_shortable=["A"])
    rules = to_rules(costs, None, Execution(), panel=PANEL)
    assert rules.table.tolist() == [[0.001, 0.005, 0.001], [0.01, 0.01, 0.5], [1, 0, 0]]
    assert rules.row.tolist() == [[0, 1, 2]] * len(DAYS)
    barred = to_rules(Costs(not_shortable=[("A", "2020-01-03", "2020-01-07")]), None, Execution(), panel=PANEL)
    assert barred.table.tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert barred.row.tolist() == [[-1, -1, k] for k in (0, 1, 1, 2, 2)]
    plain = to_rules(Costs(slippage_bps=Rates(10)), None, Execution())  # one number for all needs no table
    assert plain.table.size == 0
    assert plain.f.tolist() == to_rules(Costs(slippage_bps=10), None, Execution()).f.tolist()
