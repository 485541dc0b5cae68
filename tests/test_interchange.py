"""Runs in the forms of other libraries: worked by hand, held to the ledger, and, marked slow, to the libraries."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from exported import random_market, random_run
from results import empty_result
from small import Does, panel

import backtester as bt
from backtester.errors import ConfigError, DataError, RunError
from backtester.result.interchange import alphalens, pyfolio, quantstats, quantstats_benchmark

DAYS = pd.bdate_range("2020-01-01", periods=8)
UTC = DAYS.tz_localize("UTC")
TEN_BPS = bt.Costs(commission_bps=10, slippage_bps=0, borrow_rate=0, debit_rate=0)
# Sums of some tens of amounts up to 1e6, each rounded to 1e-16 of it.
CENTS = 1e-8


def hand_worked() -> bt.Result:
    """AA splits 2:1 in session 3 and is sold in 6; BB pays 0.5 in session 4; CC, short, ends after 4, at half."""
    close = np.column_stack([[10.0] * 3 + [5.0] * 5, [20.0] * 8, [8.0] * 5 + [np.nan] * 3])
    actions = pd.DataFrame(
        {"date": [DAYS[3], DAYS[4]], "symbol": ["AA", "BB"], "split": [2.0, np.nan], "dividend": [0.0, 0.5]}
    )
    ends = pd.DataFrame({"symbol": ["CC"], "end": [DAYS[4]], "delisting_return": [-0.5]})
    market = bt.Panel.from_arrays(
        DAYS, ["AA", "BB", "CC"], open=close, high=None, low=None, close=close, volume=close * 0 + 1e6,
        actions=actions, ends=ends,
    )  # fmt: skip
    targets = {0: {"AA": 0.4, "BB": 0.4, "CC": -0.2}, 5: {"AA": 0.0}}
    return bt.run(market, Does(lambda view: targets.get(view.t)), cash=1000.0, costs=TEN_BPS, risk=None)


@pytest.fixture(scope="module")
def made() -> bt.Result:
    return random_run()


def test_pyfolio_by_hand() -> None:
    returns, positions, transactions = pyfolio(hand_worked())
    # Session 1: 40 AA at 10, 20 BB at 20, -25 CC at 8; 0.1 % of 1000. Session 4: 20 * 0.5. Session 5: 25 CC at 4.
    # Session 6: 80 AA at 5, 0.1 % of 400.
    expected = {
        "AA": [0, 400, 400, 400, 400, 400, 0, 0],
        "BB": [0, 400, 400, 400, 400, 400, 400, 400],
        "CC": [0, -200, -200, -200, -200, 0, 0, 0],
        "cash": [1000, 399, 399, 399, 409, 309, 708.6, 708.6],
    }
    index = pd.DatetimeIndex(UTC, name="date").as_unit("ns")
    index.freq = None
    pd.testing.assert_frame_equal(positions, pd.DataFrame(expected, index=index, dtype=float), check_column_type=False)
    equity = np.array([1000, 999, 999, 999, 1009, 1109, 1108.6, 1108.6])
    expected_returns = equity / np.append(1000.0, equity[:-1]) - 1.0
    assert returns.index.equals(index)
    assert returns.to_numpy() == pytest.approx(expected_returns, abs=1e-15)

    assert transactions.index.tolist() == [UTC[1]] * 3 + [UTC[5], UTC[6]]
    assert str(transactions.index.dtype) == "datetime64[ns, UTC]"
    rows = transactions.to_dict("split")
    assert rows["columns"] == ["amount", "price", "symbol", "txn_dollars", "commission", "reason"]
    assert rows["data"] == [  # 40 AA at 10 are 80 of the later ones at 5
        [80.0, 5.0, "AA", -400.0, pytest.approx(0.4), "target"],
        [20.0, 20.0, "BB", -400.0, pytest.approx(0.4), "target"],
        [-25.0, 8.0, "CC", 200.0, pytest.approx(0.2), "target"],
        [25.0, 4.0, "CC", -100.0, 0.0, "settlement"],
        [-80.0, 5.0, "AA", 400.0, pytest.approx(0.4), "target"],
    ]


def split_run(ratio: float, shares: int) -> tuple[bt.Result, pd.DataFrame]:
    """Shares of AA bought in session 1 that split in session 4 and are sold in 6."""
    close = np.full((8, 3), 10.0)
    close[4:, 0] /= ratio
    actions = pd.DataFrame({"date": [DAYS[4]], "symbol": ["AA"], "split": [ratio], "dividend": [0.0]})
    orders = {0: lambda view: [bt.Order("AA", shares)], 5: lambda view: {"AA": 0.0}}
    decide = Does(lambda view: orders[view.t](view) if view.t in orders else None)
    result = bt.run(panel(close, actions=actions), decide, cash=5000.0, costs=None, risk=None)
    return result, pyfolio(result).transactions


def test_amounts_are_whole_whichever_way_a_share_splits() -> None:
    """105 become 10 and cash for half of one: 5 of the old shares, at 10 each. The 10 are 100 old ones."""
    _, found = split_run(0.1, 105)
    assert found["amount"].tolist() == [105.0, -5.0, -100.0]
    assert found["price"].to_numpy() == pytest.approx([10.0, 10.0, 10.0], rel=1e-15)
    assert found["txn_dollars"].to_numpy() == pytest.approx([-1050.0, 50.0, 1000.0], rel=1e-15)
    assert found["reason"].tolist() == ["order", "split", "target"]


def test_less_than_a_share_is_no_row() -> None:
    """101 become 151 and cash for a half, 3.33: pyfolio's round trips fail on half a share."""
    result, found = split_run(1.5, 101)
    assert found["amount"].tolist() == [151.5, -151.0]
    assert result.ledger["cash"].iloc[4] == pytest.approx(5000.0 - 1010.0 + 0.5 * 10.0 / 1.5)


def test_amounts_carry_no_rounding() -> None:
    """11 become 9; as floats have it these are 10.999999999999998 old ones, and pyfolio would cut them to 10."""
    assert 9.0 * (1.0 / (9.0 / 11.0)) < 11.0
    _, found = split_run(9.0 / 11.0, 11)
    assert found["amount"].tolist() == [11.0, -11.0]


def test_a_mark_is_split_where_there_is_no_close() -> None:
    """100 at 10 are 200 at 5, though nobody knows a close of that day."""
    close = np.full((8, 3), 10.0)
    close[4:, 0], close[4, 0] = 5.0, np.nan
    actions = pd.DataFrame({"date": [DAYS[4]], "symbol": ["AA"], "split": [2.0], "dividend": [0.0]})
    buy = Does(lambda view: [bt.Order("AA", 100)] if view.t == 0 else None)
    result = bt.run(panel(close, actions=actions), buy, cash=5000.0, costs=None, risk=None)
    assert pyfolio(result).positions["AA"].tolist() == [0.0] + [1000.0] * 7


def test_positions_sum_to_the_equity(made) -> None:
    returns, positions, _ = pyfolio(made)
    assert positions.columns[-1] == "cash"
    assert positions.sum(axis=1).to_numpy() == pytest.approx(made.equity.to_numpy(), abs=CENTS)
    worth = positions.drop(columns="cash")
    assert worth.clip(lower=0).sum(axis=1).to_numpy() == pytest.approx(made.ledger["long_value"].to_numpy(), abs=CENTS)
    assert -worth.clip(upper=0).sum(axis=1).to_numpy() == pytest.approx(
        made.ledger["short_value"].to_numpy(), abs=CENTS
    )
    assert (made.positions.drop(columns=worth.columns) == 0).to_numpy().all()
    assert (worth != 0).any().all()
    assert returns.to_numpy().tobytes() == made.returns.to_numpy().tobytes()


def test_transactions_and_flows_make_the_cash(made) -> None:
    """Cash gained = txn_dollars + dividends + interest - commission - borrow, but for fractions below a share."""
    transactions = pyfolio(made).transactions
    ledger, days = made.ledger, transactions.index.tz_localize(None)
    assert {"settlement", "target"} <= set(transactions["reason"])
    assert (made.events["event"] == "split").any()
    money = transactions["txn_dollars"].groupby(days).sum().reindex(ledger.index, fill_value=0.0)
    paid = transactions["commission"].groupby(days).sum().reindex(ledger.index, fill_value=0.0)
    assert paid.to_numpy() == pytest.approx(ledger["commission"].to_numpy(), abs=CENTS)
    splits = made.events.query("event == 'split'").groupby("date")["amount"].sum().reindex(ledger.index, fill_value=0)
    told = transactions.query("reason == 'split'")["txn_dollars"].groupby(level=0).sum()
    untold = splits - told.tz_localize(None).reindex(ledger.index, fill_value=0.0)
    flows = money + untold + ledger["dividends"] + ledger["interest"] - ledger["commission"] - ledger["borrow"]
    gained = ledger["cash"].diff().fillna(ledger["cash"].iloc[0] - made.cash)
    assert flows.to_numpy() == pytest.approx(gained.to_numpy(), abs=CENTS)
    assert transactions.index.is_monotonic_increasing
    assert (transactions["amount"] * transactions["price"] + transactions["txn_dollars"]).abs().max() < CENTS


def test_amounts_add_up_to_what_is_held(made) -> None:
    """At the last close, in the same shares: a symbol that did not split by a fraction holds what it bought."""
    transactions, last = pyfolio(made).transactions, made.positions.iloc[-1]
    actions = made.source.actions
    split = {made.symbols[k] for k in actions.symbol[actions.split != 1.0]}
    bought = transactions.groupby("symbol")["amount"].sum()
    for symbol, amount in bought.items():
        if symbol not in split:
            assert amount == last[symbol]
    assert len(set(bought.index) - split) > 3


def test_a_saved_run_needs_its_market(made, tmp_path) -> None:
    loaded = bt.Result.load(made.save(tmp_path / "run"))
    for own, other in zip(pyfolio(made), pyfolio(loaded, made.source), strict=True):
        assert own.equals(other)
    with pytest.raises(RunError, match=r"does not hold its market data.*panel=bt.load_panel"):
        pyfolio(loaded)
    with pytest.raises(RunError, match="another fingerprint"):
        pyfolio(loaded, made.source.head(200))
    with pytest.raises(RunError, match="another fingerprint"):
        pyfolio(made, made.source.head(200))


@pytest.mark.parametrize("name", ["cash", "date"])
def test_a_symbol_may_not_be_called_like_a_column(name) -> None:
    market = bt.Panel.from_arrays(
        DAYS, ["AA", name], open=np.ones((8, 2)), high=None, low=None, close=np.ones((8, 2)), volume=np.ones((8, 2))
    )
    result = bt.run(market, Does(lambda view: None), cash=1000.0, costs=None, risk=None)
    with pytest.raises(RunError, match=f"a symbol is called '{name}'"):
        pyfolio(result)


def test_a_run_without_trades() -> None:
    result = bt.run(panel(), Does(lambda view: None), cash=1000.0, costs=None, risk=None)
    returns, positions, transactions = pyfolio(result)
    assert (returns == 0.0).all()
    assert positions.to_dict("list") == {"cash": [1000.0] * 8}
    assert len(transactions) == 0
    assert str(transactions["amount"].dtype) == "float64"
    assert str(transactions.index.dtype) == "datetime64[ns, UTC]"


def test_quantstats() -> None:
    result = hand_worked()
    found = quantstats(result)
    assert found.name == result.name
    assert str(found.index.dtype) == "datetime64[ns]"
    assert found.to_numpy().tobytes() == result.returns.to_numpy().tobytes()
    assert quantstats_benchmark(result) is None


def test_quantstats_benchmark() -> None:
    given = pd.Series([0.01, -0.02, 0.03], DAYS[[2, 3, 6]], name="index")  # the last one goes over three sessions
    result = bt.run(panel(), Does(lambda view: None), cash=1000.0, benchmark=given)
    found = quantstats_benchmark(result)
    assert found.name == "index"
    assert found.index.equals(quantstats(result).index)
    assert found.fillna(9.0).tolist() == [9.0, 9.0, 0.01, -0.02, 9.0, 9.0, 0.03, 9.0]


def four(close, **more) -> bt.Panel:
    """Four symbols, bought and sold at opens that are the closes of the session before, but for the first."""
    close = np.asarray(close, float)
    opens = np.vstack([close[:1], close[:-1]])
    return bt.Panel.from_arrays(
        DAYS[: len(close)], ["A", "B", "C", "D"], open=opens, high=None, low=None, close=close, volume=close * 0 + 1e6,
        **more,
    )  # fmt: skip


# The open of the next session is the same. From the open of t + 1 to that of t + 2: close[t + 1] / close[t] - 1.
CLOSES = [[100, 50, 20, 10], [110, 50, 20, 10], [110, 60, 20, 5], [121, 60, 10, 5], [121, 60, 10, 5]]
SCORES = np.array([[4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0], [2.0, 2.0, 2.0, 2.0], [1.0, 2.0, 3.0, 4.0], [0] * 4])


def test_alphalens_by_hand() -> None:
    market = four(CLOSES, sectors={"A": "Tech", "B": "Tech", "C": "Oil"})
    found = alphalens(market, SCORES, periods=(2, 1), quantiles=2)
    # Opens run to session 4, so scores of session 2 are the last with a return over two sessions: those are tied.
    assert list(found.columns) == ["1D", "2D", "factor", "group", "factor_quantile"]
    assert found.index.names == ["date", "asset"]
    assert found.index.tolist() == [(day, name) for day in DAYS[:2] for name in "ABCD"]
    assert found["1D"].to_numpy() == pytest.approx([0.1, 0, 0, 0, 0, 0.2, 0, -0.5], abs=1e-15)
    assert found["2D"].to_numpy() == pytest.approx([0.1, 0.2, 0, -0.5, 0.1, 0.2, -0.5, -0.5], abs=1e-15)
    assert found["factor"].tolist() == [4, 3, 2, 1, 1, 2, 3, 4]
    assert found["group"].tolist() == ["Tech", "Tech", "Oil", "unknown"] * 2
    assert found["factor_quantile"].tolist() == [2, 2, 1, 1, 1, 1, 2, 2]
    assert [str(kind) for kind in found.dtypes] == ["float64", "float64", "float64", "category", "int64"]
    assert str(found.index.levels[0].dtype) == "datetime64[ns]"
    assert found.index.levels[0].freq == pd.offsets.CustomBusinessDay(weekmask="Mon Tue Wed Thu Fri")


def test_alphalens_takes_members_and_what_is_known_alone() -> None:
    members = np.ones((5, 4), bool)
    members[0, 0] = False
    scores = SCORES.copy()
    scores[1, 3] = np.nan
    found = alphalens(four(CLOSES, members=members), scores, periods=[1], quantiles=3)
    assert [name for _, name in found.index] == [*"BCD", *"ABC"]  # session 2 is tied
    assert found["factor_quantile"].tolist() == [3, 2, 1, 1, 2, 3]
    assert "group" not in found
    frame = pd.DataFrame(scores, DAYS[:5], list("ABCD"))
    assert alphalens(four(CLOSES, members=members), frame, periods=[1], quantiles=3).equals(found)


def test_alphalens_fills_where_the_run_does() -> None:
    """At the close of t + 1: the same prices a session later."""
    found = alphalens(four(CLOSES), SCORES, periods=[1], quantiles=2, fill="close")
    expected = [0, 0.2, 0, -0.5, 0.1, 0, -0.5, 0]  # close[t + 2] / close[t + 1] - 1
    assert found["1D"].to_numpy() == pytest.approx(expected, abs=1e-15)


def test_alphalens_knows_the_holidays() -> None:
    days = [*DAYS.delete([2]), pd.Timestamp("2020-01-18")]  # a Friday off, a Saturday on
    close = np.cumprod(np.full((8, 4), 1.1), axis=0) * [1, 2, 3, 4]
    market = bt.Panel.from_arrays(
        days, list("ABCD"), open=close, high=None, low=None, close=close, volume=close * 0 + 1e6
    )
    found = alphalens(market, np.tile(np.arange(4.0), (8, 1)), periods=[1], quantiles=2)
    dates = found.index.levels[0]
    assert dates.equals(pd.DatetimeIndex(days[:6]).as_unit("ns"))
    assert dates[1] + dates.freq == pd.Timestamp(days[2])  # over the holiday
    assert dates.freq.is_on_offset(pd.Timestamp("2020-01-18"))
    assert not dates.freq.is_on_offset(pd.Timestamp("2020-01-11"))


def test_alphalens_agrees_with_rank_ic(made) -> None:
    scores = random_market().score
    found = alphalens(made.source, scores, periods=(1, 3))
    table = found["factor"].unstack()
    known = table.reindex(index=pd.DatetimeIndex(made.dates), columns=made.symbols).to_numpy()
    ics = bt.rank_ic(known, bt.labels(made.source, None, 3))
    theirs = found.groupby("date")[["factor", "3D"]].corr(method="spearman")["3D"].xs("factor", level=1)
    assert theirs.to_numpy() == pytest.approx(ics[np.isfinite(ics)], abs=1e-12)
    sizes = found.groupby(["date", "factor_quantile"]).size().unstack()
    assert sizes.shape[1] == 5
    assert (sizes.max(axis=1) - sizes.min(axis=1)).max() <= 1


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"periods": ()}, ConfigError, "periods is empty"),
        ({"periods": (0,)}, ConfigError, "periods is 0"),
        ({"quantiles": 1}, ConfigError, "quantiles is 1"),
        ({"fill": "opening"}, ConfigError, "fill is 'opening'"),
        ({"periods": (50,)}, DataError, "no score has known returns over 50 sessions"),
        ({"scores": np.ones((2, 2))}, DataError, "scores have shape"),
        ({"scores": None}, DataError, "there are no scores"),
    ],
)
def test_alphalens_refuses(options, error, said) -> None:
    scores = options.pop("scores", SCORES)
    with pytest.raises(error, match=re.escape(said)):
        alphalens(four(CLOSES), scores, **options)


def test_nothing_at_all() -> None:
    """A result without sessions."""
    empty = dataclasses.replace(empty_result(), source=panel(), symbols=panel().symbols)
    assert quantstats(empty).size == 0
    assert [len(table) for table in pyfolio(empty)] == [0, 0, 0]
