"""A run made again: each row is what a run with those settings shows, and the capacity is what the rows say."""

from __future__ import annotations

import dataclasses
import math
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pandas as pd
import pytest
from results import empty_result

import backtester as bt
from backtester.research.robust import (
    ASSUMED_IMPACT,
    Again,
    Row,
    capitals,
    delayed,
    falls_below,
    rounding,
    row_of,
    without_sectors,
    without_years,
)
from strategies import Momentum, RankedLongShort

COSTS = bt.Costs(commission_bps=1.0, slippage_bps=2.0)


@cache
def made():
    return bt.synthetic(40, 240, seed=0, rank_ic=0.1, start="2019-06-03")


def ranked():
    return RankedLongShort(8, 8, every=2)


def again(**changes):
    given = Again(made().panel, ranked, made().score, 1e6, COSTS, None, bt.Execution())
    return given._replace(**changes)


def a_run(given, **options):
    settings = {"scores": given.scores, "cash": given.cash, "costs": given.costs, "risk": given.risk}
    return bt.run(given.panel, given.make_strategy(), **(settings | {"execution": given.execution} | options))


def figures(row):
    return row[1:]  # all but the label


def test_a_row_is_what_the_metrics_say_of_the_sessions_invested():
    result = a_run(again(), scores=np.where(np.arange(240)[:, None] < 40, np.nan, made().score))
    row, told = row_of(result), result.metrics
    assert row.label == "as run"
    assert row.sharpe == told["sharpe_invested"]
    assert row.volatility == told["volatility_invested"]
    assert row.sessions == 240 - told["sessions_before_position"] == 199
    assert row.max_drawdown == pytest.approx(told["max_drawdown"], rel=1e-12)
    years = row.sessions / 240
    assert row.turnover == pytest.approx(told["turnover"] / years, rel=1e-12)
    assert row.cost == pytest.approx((told["return_gross"] - told["return_net"]) / years, rel=1e-9)
    assert (1 + row.cagr) ** (199 / 252) == pytest.approx(1 + told["total_return"], rel=1e-12)
    assert row.sharpe_gross > row.sharpe


def test_delayed_scores_are_those_of_earlier_sessions():
    frame = pd.DataFrame(made().score, index=made().panel.dates, columns=made().panel.symbols)
    rows = delayed(again(), (0, 1, 5))
    assert [row.label for row in rows] == ["0 sessions later", "1 session later", "5 sessions later"]
    for row, d in zip(rows, (0, 1, 5), strict=True):
        assert figures(row) == figures(row_of(a_run(again(), scores=frame.shift(d))))
    assert figures(rows[0]) == figures(row_of(a_run(again())))
    # The planted score foretells one session: what is left fades like the features do, 0.8 a session.
    assert rows[0].sharpe_gross > rows[1].sharpe_gross > rows[2].sharpe_gross


def test_delays_that_cannot_be():
    rows = delayed(again(make_strategy=lambda: Momentum(60, 5, long=5, short=5), scores=None))
    assert all(math.isnan(row.sharpe) and "without scores" in row.note for row in rows)
    (row,) = delayed(again(), (400,))
    assert (row.sessions, row.note) == (0, "never held a position")
    with pytest.raises(bt.ConfigError, match="days"):
        delayed(again(), (-1,))


def test_rounding():
    rows = rounding(again(cash=20_000.0))
    assert [row.label for row in rows] == ["fractional shares", "lots of 1", "lots of 100"]
    for row, lot in zip(rows, (0.0, 1.0, 100.0), strict=True):
        assert figures(row) == figures(row_of(a_run(again(cash=20_000.0), execution=bt.Execution(lot=lot))))
    assert rows[2].turnover < 0.2 * rows[0].turnover  # 16 names of 1,250 each: few can be bought a hundred at a time


def test_capital_as_a_run_with_it():
    found = capitals(again(), (0.1, 10.0))
    dear = dataclasses.replace(COSTS, impact=ASSUMED_IMPACT)
    assert (found.impact, found.assumed) == (1.0, True)
    assert found.capital == pytest.approx((1e5, 1e7))
    for row, cash in zip(found.rows, found.capital, strict=True):
        assert figures(row) == figures(row_of(a_run(again(), cash=cash, costs=dear)))
    assert found.rows[0].label == "100,000"
    assert found.reference == row_of(a_run(again())).sharpe


def test_the_impact_of_the_run_goes_before_ours():
    own = again(costs=dataclasses.replace(COSTS, impact=0.3))
    found = capitals(own, (1.0,))
    assert found[2:4] == (0.3, False)
    assert capitals(own, (1.0,), impact=0.5)[2:4] == (0.5, False)
    assert found.rows[0].sharpe == row_of(a_run(own)).sharpe
    # What is compared with is without impact.
    assert found.reference == row_of(a_run(again())).sharpe
    assert capitals(again(costs=None), (1.0,)).reference == row_of(a_run(again(costs=None))).sharpe


def test_four_times_the_capital_is_twice_the_coefficient():
    """Impact grows with the root of size, and everything else here is a share of the capital."""
    given = again(execution=bt.Execution(lot=0.0))
    large = capitals(given, (4.0,), impact=0.5).rows[0]
    dear = capitals(given, (1.0,), impact=1.0).rows[0]
    assert large[1:8] == pytest.approx(dear[1:8], rel=1e-9)
    assert large.sharpe < capitals(given, (1.0,), impact=0.5).rows[0].sharpe - 0.1


def test_capacity_lies_where_the_rows_cross():
    found = capitals(again(execution=bt.Execution(lot=0.0)))
    sharpes = [row.sharpe for row in found.rows]
    assert sharpes == sorted(sharpes, reverse=True)
    for capital, level in ((found.halves, found.reference / 2), (found.zero, 0.0)):
        k = int(np.searchsorted(found.capital, capital))
        assert sharpes[k - 1] > level >= sharpes[k]
        (there,) = capitals(again(execution=bt.Execution(lot=0.0)), amounts=(capital,)).rows
        # A straight line between points half a decade apart is as good as this.
        assert there.sharpe == pytest.approx(level, abs=0.05 * found.reference)
    assert found.halves < found.zero


def test_the_volume_cap_holds():
    capped = again(execution=bt.Execution(volume_cap=0.01))
    small, large = capitals(capped, (1.0, 1000.0)).rows
    assert large.turnover < 0.2 * small.turnover


def test_crossings_by_hand():
    capital, sharpes = (1.0, 10.0, 100.0, 1000.0), (2.0, 1.5, 0.5, -0.5)
    assert falls_below(capital, sharpes, 1.0, 2.0) == pytest.approx(10**1.5)
    assert falls_below(capital, sharpes, 0.0, 2.0) == pytest.approx(10**2.5)
    assert falls_below(capital, sharpes, 1.5, 2.0) == pytest.approx(10.0)
    assert falls_below(capital, (2.0, math.nan, 0.5, -0.5), 1.25, 2.0) == pytest.approx(10.0)
    assert falls_below(capital, sharpes, -1.0, 2.0) == math.inf
    assert falls_below(capital, sharpes, 2.0, 4.0) == 0.0
    assert math.isnan(falls_below(capital, sharpes, 1.0, -1.0))
    assert math.isnan(falls_below(capital, sharpes, 1.0, math.nan))
    assert math.isnan(falls_below(capital, (math.nan,) * 4, 1.0, 2.0))


def test_capitals_that_cannot_be():
    for wrong in ({"multiples": ()}, {"amounts": (0.0,)}, {"amounts": (math.inf,)}, {"impact": 0.0}):
        with pytest.raises(bt.ConfigError):
            capitals(again(), **wrong)


def test_without_sectors():
    panel = made().panel
    rows = without_sectors(again())
    assert [row.label for row in rows] == [f"without {name}" for name in panel.sector_names]
    for code in (0, 3):
        gone = panel.sector_codes == code
        result = a_run(again(), scores=np.where(gone, np.nan, made().score))
        assert not gone[result.tape.fill_i[:, 1]].any()
        assert figures(rows[code]) == figures(row_of(result))
    assert len({row.sharpe for row in rows}) == len(rows)


def test_without_sectors_of_a_strategy_without_scores():
    seen = []

    class Watched(Momentum):
        def decide(self, view):
            weights = super().decide(view)
            seen.append(frozenset(np.array(view.sectors)[weights != 0.0].tolist()))
            return weights

    rows = without_sectors(again(make_strategy=lambda: Watched(40, 5, long=10, short=10), scores=None))
    names = made().panel.sector_names
    decisions = len(seen) // len(names)
    for k, name in enumerate(names):
        assert name not in frozenset().union(*seen[k * decisions : (k + 1) * decisions])
    assert all(row.sessions > 150 for row in rows)


def test_without_sectors_of_a_strategy_that_looks_at_scores_alone():
    class Best(bt.Strategy):
        every = 5

        def decide(self, view):
            weights = np.zeros(len(view.symbols))
            weights[np.argsort(np.nan_to_num(-view.scores[-1], nan=np.inf))[:5]] = 0.2
            return weights

    row = without_sectors(again(make_strategy=Best))[3]
    gone = made().panel.sector_codes == 3
    result = a_run(again(make_strategy=Best), scores=np.where(gone, np.nan, made().score))
    assert figures(row) == figures(row_of(result))


def test_one_sector_is_not_left_out():
    panel = dataclasses.replace(made().panel, sectors=("",) * 40)
    assert without_sectors(again(panel=panel)) == ()
    some = tuple(name if name == "Energy" else "" for name in made().panel.sectors)
    rows = without_sectors(again(panel=dataclasses.replace(made().panel, sectors=some)))
    assert [row.label for row in rows] == ["without no sector", "without Energy"]


def test_without_years():
    result = a_run(again())
    rows = without_years(result)
    assert [row.label for row in rows] == ["without 2019", "without 2020"]
    returns = result.returns.iloc[1:]  # the first session holds nothing
    for row, year in zip(rows, (2019, 2020), strict=True):
        left = returns[returns.index.year != year]
        assert row.sharpe == pytest.approx(left.mean() / left.std() * math.sqrt(252), rel=1e-12)
        assert row.cagr == pytest.approx((1 + left).prod() ** (252 / len(left)) - 1, rel=1e-12)
        assert row.sessions == len(left)
    assert without_years(empty_result(4)) == ()


def test_a_rerun_that_fails_says_why():
    class Fails(RankedLongShort):
        def decide_rows(self, panel, scores, rows):
            raise ValueError("no luck")

    (row,) = rounding(again(make_strategy=lambda: Fails(5, 5)), (1.0,))
    assert (row.label, row.sessions) == ("lots of 1", 0)
    assert math.isnan(row.sharpe)
    assert "no luck" in row.note
    assert row == Row(row.label, *row[1:8], note=row.note)


def test_each_rerun_has_a_fresh_strategy_and_threads_change_nothing():
    asked = []

    def fresh():
        asked.append(ranked())
        return asked[-1]

    given = again(make_strategy=fresh)
    alone = delayed(given, (1, 2, 5))
    assert len({id(one) for one in asked}) == 3
    with ThreadPoolExecutor(3) as pool:
        assert delayed(given, (1, 2, 5), each=pool.map) == alone
        assert capitals(given, (1.0,), each=pool.map) == capitals(given, (1.0,))
