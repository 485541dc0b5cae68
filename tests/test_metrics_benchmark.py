"""What a run is held against, worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from small import DATES, Does, panel, run

import backtester as bt
from backtester.benchmark import equal_weight, resolve
from backtester.errors import ConfigError, DataError

NAN = np.nan
# Of 3 sessions: AA 10 % and 10 %, BB -10 % and a gap, CC 0 and 20 %.
CLOSE = np.array([[10.0, 10.0, 10.0], [11.0, 9.0, 10.0], [12.1, NAN, 12.0], [12.1, 18.0, 12.0]])
DAYS = DATES[:4]


def holding(**options):
    """Everything in AA from the second session on."""
    return run(lambda view: [bt.Order("AA", 10)] if view.t == 0 else None, **options)


def test_equal_weight_is_the_mean_of_the_known_returns_of_members() -> None:
    # session 1: (10 - 10 + 0) / 3; 2: BB has no return, (10 + 20) / 2; 3: BB could not be bought at the close of 2
    close = np.vstack([CLOSE, [12.1, 27.0, 12.0]])
    # session 4: BB could be again, (0 + 50 + 0) / 3
    assert equal_weight(panel(close)) == pytest.approx([NAN, 0.0, 0.15, 0.0, 0.5 / 3], nan_ok=True)


def test_equal_weight_has_no_return_of_before_membership() -> None:
    member = np.ones(CLOSE.shape, bool)
    member[:2, 1] = False  # BB joins in the gap, at session 2: its 100 % from session 1 to 3 were no member's
    assert equal_weight(panel(CLOSE, members=member)) == pytest.approx([NAN, 0.05, 0.15, 0.0], nan_ok=True)


def test_equal_weight_knows_the_members_of_the_day_before() -> None:
    member = np.ones(CLOSE.shape, bool)
    member[0, 1] = False  # BB joins at the close of session 1: its return of session 1 does not count
    member[1:, 2] = False  # CC leaves at the close of session 1: that of session 1 still counts
    # session 3: AA alone, since BB had no close to be bought at
    assert equal_weight(panel(CLOSE, members=member)) == pytest.approx([NAN, 0.05, 0.1, 0.0], nan_ok=True)
    member[:] = False
    assert np.isnan(equal_weight(panel(CLOSE, members=member))).all()


def test_equal_weight_holds_endings_to_the_end() -> None:
    close = np.array([[10.0, 10.0], [10.0, 11.0], [NAN, 11.0]])
    bars = {"open": close, "high": None, "low": None, "close": close, "volume": close}
    ends = pd.DataFrame({"symbol": ["AA"], "end": [DATES[1]], "delisting_return": [-0.4]})
    market = bt.Panel.from_arrays(DATES[:3], ["AA", "BB"], ends=ends, **bars)
    # session 2 settles AA at -40 %, BB does not move
    assert equal_weight(market) == pytest.approx([NAN, 0.05, -0.2], nan_ok=True)
    got = resolve("AA", market)
    assert got.returns == pytest.approx([NAN, 0.0, -0.4], nan_ok=True)
    assert got.sessions.tolist() == [0, 1, 1]


def ending(member=None) -> bt.Panel:
    """AA is closed at 10 in session 1, not traded in 2 and settled in 3 at -40 %; BB does not move.

    In session 2 AA splits 2 for 1, in session 3 it pays 0.5 a new share. Whoever had one share has 2, worth 2 * 5 * 0.6
    = 6, and 1 in cash: 7 for 10.
    """
    close = np.array([[8.0, 10.0], [10.0, 10.0], [NAN, 10.0], [NAN, 10.0]])
    bars = {"open": close, "high": None, "low": None, "close": close, "volume": close}
    ends = pd.DataFrame({"symbol": ["AA"], "end": [DATES[2]], "delisting_return": [-0.4]})
    actions = pd.DataFrame({"date": DATES[[2, 3]], "symbol": ["AA"] * 2, "split": [2, NAN], "dividend": [NAN, 0.5]})
    return bt.Panel.from_arrays(DAYS, ["AA", "BB"], ends=ends, actions=actions, members=member, **bars)


def test_a_settlement_has_the_actions_since_the_last_close() -> None:
    got = resolve("AA", ending())
    assert got.returns == pytest.approx([NAN, 0.25, NAN, -0.3], nan_ok=True)
    assert got.sessions.tolist() == [0, 1, 0, 2]
    # as a run has it: 10 shares of 8 of 1000, bought at the close of 0
    result = run(
        lambda view: [bt.Order("AA", 10)] if view.t == 0 else None,
        on=ending(),
        execution=bt.Execution(fill="same_close"),
    )
    assert result.equity.to_numpy() == pytest.approx([1000, 1020, 1020, 1020 - 0.3 * 100])
    # and as a label has it, bought at the close of 1
    assert bt.labels(ending(), [1], 2, fill="same_close")[0] == pytest.approx([-0.3, 0.0])


def test_equal_weight_counts_an_ending_over_a_gap() -> None:
    assert equal_weight(ending()) == pytest.approx([NAN, 0.125, 0.0, -0.15], nan_ok=True)
    member = np.ones((4, 2), bool)
    member[2:, 0] = False  # a member when it had its last close
    assert equal_weight(ending(member)) == pytest.approx([NAN, 0.125, 0.0, -0.15], nan_ok=True)
    member[1:, 0], member[2, 0] = False, True  # none then
    assert equal_weight(ending(member)) == pytest.approx([NAN, 0.125, 0.0, 0.0], nan_ok=True)


def test_equal_weight_takes_total_returns() -> None:
    close = np.column_stack([[10.0, 5.0, 4.0], [10.0] * 3, [10.0] * 3])
    actions = pd.DataFrame({"date": DATES[[1, 2]], "symbol": ["AA"] * 2, "split": [2, NAN], "dividend": [NAN, 1]})
    assert equal_weight(panel(close, actions=actions)) == pytest.approx([NAN, 0.0, 0.0], nan_ok=True)


def test_equal_weight_knows_nothing_of_later_sessions() -> None:
    market = bt.synthetic(20, 60, seed=3).panel
    whole = equal_weight(market)
    for t in (0, 1, 30, 58):
        assert equal_weight(market.head(t)).tobytes() == whole[: t + 1].tobytes()


def test_a_symbol_by_its_total_returns() -> None:
    got = resolve("BB", panel(CLOSE))
    assert got.name == "BB"
    assert got.returns == pytest.approx([NAN, -0.1, NAN, 1.0], nan_ok=True)
    assert got.sessions.tolist() == [0, 1, 0, 2]


def test_a_series_by_date() -> None:
    dates = [*DAYS[1:], DAYS[0] - pd.Timedelta(days=1), DAYS[3] + pd.Timedelta(days=3)]
    given = pd.Series([0.01, NAN, 0.03, 0.05, 0.05], index=dates, name="index")
    got = resolve(given.sample(frac=1, random_state=0), panel(CLOSE))
    assert got.name == "index"
    assert got.returns == pytest.approx([NAN, 0.01, NAN, 0.03], nan_ok=True)
    assert got.sessions.tolist() == [0, 1, 0, 1]
    assert resolve(given.rename(None), panel(CLOSE)).name == "benchmark"


@pytest.mark.parametrize(
    ("rows", "returns", "sessions"),
    [
        # the date that is left out belongs to the next return
        ([0, 1, 3], [0.01, 0.02, NAN, 0.03], [1, 1, 0, 2]),
        # the first may go over two as well, from before the first session
        ([0, 2], [NAN, NAN, 0.02, NAN], [0, 0, 2, 0]),
        ([2], [NAN, NAN, 0.01, NAN], [0, 0, 1, 0]),
    ],
)
def test_a_series_that_is_not_daily(rows: list, returns: list, sessions: list) -> None:
    got = resolve(pd.Series([0.01, 0.02, 0.03][: len(rows)], index=DAYS[rows]), panel(CLOSE))
    assert got.returns == pytest.approx(returns, nan_ok=True)
    assert got.sessions.tolist() == sessions


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"Date": 0, "return": [0.5, 0.01, 0.02, 0.03, 0.04]}, [0.01, 0.02, 0.03, 0.04]),
        # what happened before the close of session 0 is not the run's; session 2 has none, session 3 the way from 1
        ({"date": 0, "Close": [100, 101, 202, NAN, 303]}, [NAN, 1.0, NAN, 0.5]),
        ({"date": 0, "close": [1, 1, 1, 1, 1], "Adj Close": [100, 101, 101, 101, 202]}, [NAN, 0, 0, 1.0]),
    ],
    ids=["return", "close", "adj_close"],
)
def test_a_file(ending: str, columns: dict, expected: list, tmp_path) -> None:
    dates = [DAYS[0] - pd.Timedelta(days=1), *DAYS]
    frame = pd.DataFrame({name: dates if values == 0 else values for name, values in columns.items()})
    path = tmp_path / f"index.{ending}"
    if ending == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    for given in (path, str(path)):
        got = resolve(given, panel(CLOSE))
        assert got.name == path.name
        assert got.returns == pytest.approx(expected, nan_ok=True)


def test_prices_between_sessions_are_passed_over(tmp_path) -> None:
    days = pd.date_range(DATES[2], periods=4)  # Friday to Monday
    pd.DataFrame({"date": days, "close": [100.0, 50.0, 60.0, 110.0]}).to_csv(tmp_path / "index.csv", index=False)
    got = resolve(tmp_path / "index.csv", panel(CLOSE))
    assert got.returns == pytest.approx([NAN, NAN, NAN, 0.1], nan_ok=True)
    assert got.sessions.tolist() == [0, 0, 0, 1]


def test_prices_of_every_second_session(tmp_path) -> None:
    pd.DataFrame({"date": DATES[:8:2], "close": [100.0, 110.0, 99.0, 99.0]}).to_csv(tmp_path / "index.csv", index=False)
    got = resolve(tmp_path / "index.csv", panel(np.full((8, 3), 10.0)))
    assert got.returns == pytest.approx([NAN, NAN, 0.1, NAN, -0.1, NAN, 0.0, NAN], nan_ok=True)
    assert got.sessions.tolist() == [0, 0, 2, 0, 2, 0, 2, 0]


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        (3, ConfigError, "benchmark is a int; it must be None, 'equal_weight', a symbol"),
        ("equalweight", DataError, "no symbol of the panel and no file.*Did you mean 'equal_weight'"),
        ("aa", DataError, "Did you mean 'AA'"),
        ("gone.csv", DataError, "there is no file gone.csv"),
        (pd.Series([0.1, 0.1], index=[DAYS[0], DAYS[0]]), DataError, "2020-01-01 is there twice"),
        (pd.Series([0.1, -1.5], index=DAYS[:2]), DataError, "-1.5 on 2020-01-02 is no return"),
        (pd.Series([0.1, np.inf], index=DAYS[:2]), DataError, "inf on 2020-01-02 is no return"),
        (pd.Series(["much"], index=DAYS[:1]), DataError, "values must be numbers"),
        (pd.Series([0.1], index=[pd.Timestamp("2020-01-05")]), DataError, "2020-01-05 is no session.*compound"),
        (pd.Series([0.1], index=[pd.Timestamp("1999-01-05")]), DataError, "no return in the panel's sessions"),
        (pd.Series([0.1], index=[7.5]), DataError, "^benchmark: 7.5 is no date"),
        (pd.Series([0.1], index=[7.5], name="index"), DataError, "^benchmark index: 7.5 is no date"),
        (
            pd.Series([], index=pd.DatetimeIndex([]), dtype=float),
            DataError,
            "^benchmark: it has no date and no return",
        ),
        (
            pd.Series([NAN, NAN], index=DAYS[:2]),
            DataError,
            r"it has 2 dates \(2020-01-01 to 2020-01-02\), all of them without a value, and no return",
        ),
        (
            pd.Series([0.0, 100.0, 101.0], index=DAYS[:3], name="index"),
            DataError,
            r"^benchmark index: 100.0 on 2020-01-02, and half of all values.*divide percents by 100.*\.pct_change\(\)",
        ),
        (pd.Series([0.4, -0.3, 0.1], index=DAYS[:3]), DataError, "0.4 on 2020-01-01.*divide percents by 100"),
        (pd.Series([0.4, -1.3, 0.1], index=DAYS[:3]), DataError, "-1.3 on 2020-01-02.*divide percents by 100"),
    ],
)
def test_what_is_no_benchmark(given, kind, message: str) -> None:
    with pytest.raises(kind, match=message):
        resolve(given, panel(np.full((8, 3), 10.0)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("date,open\n2020-01-01,1\n", "no column return, adj_close or close; its columns are 'date', 'open'"),
        ("close\n1\n", "no column date"),
        ("date,close\n2020-01-01,x\n", "values must be numbers"),
        ("date,close\n2020-01-01,0\n", "price 0.0 on 2020-01-01 is not positive"),
        ("date,close\n2020-01-01,1\n2020-01-01,2\n", "2020-01-01 is there twice"),
        ("date,return\nsoon,1\n", "'soon' is no date"),
        ("", "cannot read"),
    ],
)
def test_what_is_no_file_of_a_benchmark(text: str, message: str, tmp_path) -> None:
    (tmp_path / "index.csv").write_text(text)
    with pytest.raises(DataError, match=message) as told:
        resolve(tmp_path / "index.csv", panel(CLOSE))
    assert "index.csv" in str(told.value)


def test_a_run_beside_its_benchmark(tmp_path) -> None:
    result = holding(on=panel(CLOSE), benchmark="equal_weight")
    assert result.benchmark.name == "equal_weight"
    assert result.metrics["benchmark"] == "equal_weight"
    assert result.metrics["benchmark_sessions"] == 3
    assert result.metrics["benchmark_cagr"] == pytest.approx(1.15 ** (252 / 3) - 1)
    # r: 10 bought at 11 of 1000: 0 in session 1, 11 / 1000, 0; b: 0, 0.15, 0
    r, b = np.array([0.0, 0.011, 0.0]), np.array([0.0, 0.15, 0.0])
    slope = np.cov(r, b)[0, 1] / b.var(ddof=1)
    assert result.metrics["beta"] == pytest.approx(slope)
    assert result.metrics["alpha"] == pytest.approx(252 * (r.mean() - slope * b.mean()))
    result.save(tmp_path / "run")
    loaded = bt.Result.load(tmp_path / "run")
    assert loaded == result
    assert loaded.metrics == result.metrics
    np.testing.assert_array_equal(loaded.benchmark.returns, result.benchmark.returns)


def test_the_benchmark_changes_the_record_and_not_the_run() -> None:
    plain, beside = holding(on=panel(CLOSE)), holding(on=panel(CLOSE), benchmark="BB")
    assert plain.benchmark is None
    assert plain.content_hash == beside.content_hash
    assert plain.record_hash != beside.record_hash
    assert beside.metrics.items() >= {k: v for k, v in plain.metrics.items() if v == v}.items()
    assert "beta" not in plain.metrics


def test_a_part_of_a_run_has_its_part_of_the_benchmark() -> None:
    simulation = bt.Simulation(panel(CLOSE), Does(lambda view: None), benchmark="equal_weight")
    simulation.advance(3)
    got = simulation.finish().benchmark
    assert got.returns == pytest.approx([NAN, 0.0, 0.15], nan_ok=True)
    assert got.sessions.tolist() == [0, 1, 1]


def test_a_wrong_benchmark_is_told_before_anything_runs() -> None:
    with pytest.raises(DataError, match="no symbol of the panel"):
        run(lambda view: pytest.fail("it ran"), benchmark="ZZ")
