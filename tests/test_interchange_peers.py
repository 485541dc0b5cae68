"""Exported runs beside pyfolio, QuantStats and alphalens, in their own environment: their figures held to ours.

Where the libraries mean something else, their figure by their definition from ours; docs/interchange.md says why.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats

import backtester as bt
import strategies
from backtester.result.export import export
from backtester.result.interchange import pyfolio

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import make_env  # noqa: E402

PEERS = Path(os.environ.get("BACKTESTER_PEERS", make_env.DEFAULT_DIR))
VERSIONS = {"alphalens-reloaded": "0.5.1", "pandas": "2.3.3", "pyfolio-reloaded": "0.10.1", "quantstats": "0.0.86"}
# Sums of 520 numbers in another order, 520 roundings of 2e-16, and what ratios of such sums add to it.
NEAR = 1e-11
# pyfolio adds up the gain of every single share: some 1e5 additions to sums up to 1e6, each rounded to 1e-16 of it.
CENTS = 1e-5

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not make_env.is_made("exports", PEERS),
        reason=f"no environment at {PEERS}: python benchmarks/make_env.py exports (or set BACKTESTER_PEERS)",
    ),
]


def asked(folder: Path, *options: str) -> dict[str, Any]:
    """What the libraries say of an export."""
    command = [make_env.python_of("exports", PEERS), BENCHMARKS / "peers/exports.py", folder, *options]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr[-2000:]
    return json.loads(finished.stdout)


@pytest.fixture(scope="module")
def market() -> Any:
    return bt.synthetic(40, 520, seed=1, splits=0.6, payers=0.8, endings=0.3)


@pytest.fixture(scope="module")
def result(market: Any) -> bt.Result:
    """Longs and shorts of which some split, pay dividends or end, with every cost."""
    costs = bt.Costs(commission_bps=2, slippage_bps=3, borrow_rate=0.02, credit_rate=0.01)
    strategy = strategies.RankedLongShort(long=8, short=8, every=5)
    return bt.run(market.panel, strategy, scores=market.score, cash=1e6, costs=costs, benchmark="equal_weight")


@pytest.fixture(scope="module")
def said(result: bt.Result, market: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("export")
    export(result, folder / "run", scores=market.score)
    return asked(folder / "run", "--sheets", "--pages", str(folder))


def test_the_run_has_what_it_is_to_show(result: bt.Result, said: dict[str, Any]) -> None:
    assert said["versions"] == VERSIONS
    assert {"split", "dividend", "settlement"} <= set(result.events["event"])
    assert result.metrics["exposure_short"] > 0.3


def test_every_page_is_drawn(said: dict[str, Any]) -> None:
    assert min(said["sheets"].values()) > 0
    assert said["sheets"].keys() == {"pyfolio", "alphalens", "quantstats"}


def test_perf_stats(result: bt.Result, said: dict[str, Any]) -> None:
    found, m, returns = said["pyfolio"]["perf_stats"], result.metrics, result.returns.to_numpy()
    gross = (result.ledger["long_value"] + result.ledger["short_value"]).to_numpy()
    book = (gross + np.append(0.0, gross[:-1])) / 2.0
    traded = np.array(said["pyfolio"]["traded"])
    expected = {
        "Annual return": m["cagr"],
        "Cumulative returns": m["total_return"],
        "Annual volatility": m["volatility"],
        "Sharpe ratio": m["sharpe"],
        "Calmar ratio": m["calmar"],
        "Stability": m["stability"],
        "Max drawdown": -m["max_drawdown"],
        "Omega ratio": m["omega"],
        "Sortino ratio": m["sortino"],
        "Tail ratio": m["tail_ratio"],
        # Definitions that differ.
        "Skew": scipy.stats.skew(returns),
        "Kurtosis": scipy.stats.kurtosis(returns),
        "Daily value at risk": returns.mean() - 2.0 * returns.std(ddof=1),
        "Gross leverage": (gross / result.equity.to_numpy()).mean(),
        "Daily turnover": np.divide(traded, book, out=np.zeros_like(book), where=book > 0.0).mean(),
    }
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=NEAR), name


def test_the_definitions_that_differ_do_differ(result: bt.Result, said: dict[str, Any]) -> None:
    found, m = said["pyfolio"]["perf_stats"], result.metrics
    for name, ours in (
        ("Skew", m["skew"]),
        ("Kurtosis", m["kurtosis"]),
        ("Daily value at risk", -m["var_95"]),
        ("Gross leverage", m["exposure_gross"]),
        ("Daily turnover", m["turnover"] / 252.0),
    ):
        assert abs(found[name] / ours - 1.0) > 1e-4, name


def test_books(result: bt.Result, said: dict[str, Any]) -> None:
    found, ledger = said["pyfolio"], result.ledger
    assert found["kinds"] == {"returns": "datetime64[ns, UTC]", "positions": "datetime64[ns, UTC]"}
    assert not found["intraday"]
    equity = result.equity.to_numpy()
    assert found["equity"] == pytest.approx(equity, rel=NEAR)
    held = (ledger["long_value"] + ledger["short_value"]).to_numpy() / equity
    assert found["gross_leverage"] == pytest.approx(held, rel=NEAR)
    net = (ledger["long_value"] - ledger["short_value"]).to_numpy() / equity
    assert found["net_exposure"] == pytest.approx(net, abs=NEAR)


def test_what_was_traded(result: bt.Result, said: dict[str, Any]) -> None:
    """Fills as in the ledger, settlements, and cash for fractions of what was at least a share."""
    transactions = pyfolio(result).transactions
    others = transactions[transactions["reason"].isin(["settlement", "split"])]["txn_dollars"].abs()
    beside = others.groupby(others.index.tz_localize(None)).sum().reindex(result.equity.index, fill_value=0.0)
    traded = (result.ledger["traded"] + beside).to_numpy()
    assert said["pyfolio"]["traded"] == pytest.approx(traded, rel=NEAR)
    assert said["pyfolio"]["turnover"] == pytest.approx(traded / result.equity.to_numpy(), rel=NEAR)
    assert beside.sum() > 0.0


def test_round_trips(result: bt.Result, said: dict[str, Any]) -> None:
    """What a symbol gained by its prices: gross, less dividends and slippage.

    Left out are symbols with fractions of shares, as 3:2 splits leave them: pyfolio counts whole ones.
    """
    trades, events = result.trades, result.events
    transactions = pyfolio(result).transactions
    gained = (trades["gross"] - trades["dividends"] - trades["slippage"]).groupby(trades["symbol"]).sum()
    odd = set(transactions[transactions["amount"] % 1.0 != 0.0]["symbol"])
    found = said["pyfolio"]["round_trips"]
    assert found["count"] > 300
    assert found["pnl"].keys() == set(gained.index)
    whole = [symbol for symbol in gained.index if symbol not in odd]
    assert len(odd) < 10
    assert set(events[events["event"] == "split"]["symbol"]) & set(whole)
    assert set(events[events["event"] == "settlement"]["symbol"]) & set(whole)
    assert [found["pnl"][symbol] for symbol in whole] == pytest.approx(gained[whole].tolist(), abs=CENTS)


def test_quantstats(result: bt.Result, said: dict[str, Any]) -> None:
    m = result.metrics
    same = {"comp": "total_return", "win_rate": "hit_rate", "alpha": "alpha", "beta": "beta"}
    found = said["quantstats"]
    benchmark = found.pop("benchmark_comp")
    assert benchmark == pytest.approx(np.prod(1.0 + np.nan_to_num(result.benchmark.returns)) - 1.0, rel=NEAR)
    assert -found.pop("max_drawdown") == pytest.approx(m["max_drawdown"], rel=NEAR)
    assert len(found) == 11
    for name, value in found.items():
        assert value == pytest.approx(m[same.get(name, name)], rel=NEAR), name


def test_alphalens(market: Any, said: dict[str, Any]) -> None:
    """Daily ICs as `bt.rank_ic` of the same cells, and mean returns of quantiles, over dates."""
    found, panel = said["alphalens"], market.panel
    forward = {f"{horizon}D": bt.labels(panel, None, horizon) for horizon in (1, 5, 10)}
    known = np.isfinite(market.score)
    for returns in forward.values():
        known &= np.isfinite(returns)
    assert found["rows"] == known.sum()
    used = known.any(axis=1)
    assert found["dates"] == [str(day) for day in panel.dates[used]]
    scores = pd.DataFrame(np.where(known, market.score, np.nan))
    # The same edges as qcut: quantiles 1 to 5 by linear interpolation.
    place = sum((scores.gt(scores.quantile(edge / 5, axis=1), axis=0)).astype(int) for edge in range(1, 5)) + 1
    for name, returns in forward.items():
        assert found["ic"][name] == pytest.approx(bt.rank_ic(scores.to_numpy(), returns)[used], abs=NEAR)
        for quantile in range(1, 6):
            cells = np.where(known & (place == quantile).to_numpy(), returns, np.nan)[used]
            assert found["mean_return"][name][str(quantile)] == pytest.approx(
                np.nanmean(cells, axis=1).mean(), rel=1e-9
            )


def test_alphalens_makes_the_same_of_prices(tmp_path: Path) -> None:
    """Its own factor data from opens, shifted to the day of the score: the same rows, returns, quantiles and freq."""
    market = bt.synthetic(25, 130, seed=2, splits=0.6, payers=0.0, endings=0.0, missing=0.0)
    panel = market.panel
    strategy = strategies.RankedLongShort(long=5, short=5)
    result = bt.run(panel, strategy, scores=market.score, cash=1e6)
    export(result, tmp_path / "run", scores=market.score)
    ratio = np.ones(panel.shape)
    ratio[panel.actions.row, panel.actions.symbol] = panel.actions.split
    assert (ratio != 1.0).sum() > 3
    opens = panel.open * np.cumprod(ratio, axis=0)
    days = pd.DatetimeIndex(panel.dates[:-1], name="date").as_unit("ns")
    prices = pd.DataFrame(opens[1:], index=days, columns=list(panel.symbols))
    prices.reset_index().to_parquet(tmp_path / "run/prices.parquet")
    scores = pd.DataFrame(market.score[:-1], index=days, columns=list(panel.symbols)).stack()
    scores.rename_axis(["date", "asset"]).rename("factor").reset_index().to_parquet(tmp_path / "run/scores.parquet")
    own = asked(tmp_path / "run")["alphalens"]["own"]
    columns = ["1D", "5D", "10D", "factor", "group", "factor_quantile"]
    assert own.pop("columns") == [columns, columns]
    assert own.pop("furthest") < 1e-13  # some ratios of numbers rounded to 1e-16
    assert own == dict.fromkeys(["same_index", "same_freq", "same_quantiles", "same_groups"], True)
