"""What pyfolio, QuantStats and alphalens make of an exported run; run in the environment of ``make_env.py exports``.

    python benchmarks/peers/exports.py FOLDER [--sheets] [--pages DIR]

FOLDER is what ``backtester.result.export.export`` wrote. Where ``prices.parquet`` (``date`` and a column an asset) and
``scores.parquet`` (``date``, ``asset``, ``factor``) lie beside it, alphalens makes its own factor data of them too. The
lines that read the files are those of docs/interchange.md. Prints one JSON object. ``--sheets`` draws every page of the
three libraries too and counts the figures; QuantStats' page goes to ``--pages``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

LIBRARIES = ("pyfolio-reloaded", "quantstats", "alphalens-reloaded", "pandas")


def plain(value: Any) -> Any:
    """Numbers by name as JSON can hold them: None for NaN and infinity."""
    if hasattr(value, "items"):
        return {str(key): plain(entry) for key, entry in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return [plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_pyfolio(folder: Path) -> tuple[Any, Any, Any]:
    import pandas as pd

    returns = pd.read_parquet(folder / "pyfolio_returns.parquet").set_index("date")["returns"]
    positions = pd.read_parquet(folder / "pyfolio_positions.parquet").set_index("date")
    transactions = pd.read_parquet(folder / "pyfolio_transactions.parquet").set_index("date")
    return returns, positions, transactions


def read_quantstats(folder: Path) -> Any:
    import pandas as pd

    return pd.read_parquet(folder / "quantstats.parquet").set_index("date")


def read_alphalens(folder: Path) -> Any:
    import pandas as pd
    from alphalens.utils import infer_trading_calendar

    factor_data = pd.read_parquet(folder / "alphalens.parquet").set_index(["date", "asset"])
    dates = factor_data.index.levels[0]
    calendar = pd.DatetimeIndex(dates, freq=infer_trading_calendar(dates, dates))
    factor_data.index = factor_data.index.set_levels(calendar, level="date")
    return factor_data


def pyfolio_figures(folder: Path) -> dict[str, Any]:
    from pyfolio import pos, round_trips, timeseries, txn, utils

    returns, positions, transactions = read_pyfolio(folder)
    trips = round_trips.extract_round_trips(
        round_trips.add_closing_transactions(positions, transactions),
        portfolio_value=positions.sum(axis="columns") / (1 + returns),
    )
    return {
        "kinds": {"returns": str(returns.index.dtype), "positions": str(positions.index.dtype)},
        "perf_stats": plain(timeseries.perf_stats(returns, positions=positions, transactions=transactions)),
        "equity": plain(positions.sum(axis="columns").to_numpy()),
        "gross_leverage": plain(timeseries.gross_lev(positions).to_numpy()),
        "net_exposure": plain(pos.get_long_short_pos(positions)["net exposure"].to_numpy()),
        "traded": plain(txn.get_txn_vol(transactions).txn_volume.reindex(positions.index).fillna(0.0).to_numpy()),
        "turnover": plain(txn.get_turnover(positions, transactions, "portfolio_value").to_numpy()),
        "intraday": bool(utils.detect_intraday(positions, transactions)),
        "round_trips": {"count": len(trips), "pnl": plain(trips.groupby("symbol").pnl.sum())},
    }


def quantstats_figures(folder: Path) -> dict[str, float]:
    import quantstats.stats as q

    table = read_quantstats(folder)
    returns = table["returns"]
    found = {name: getattr(q, name)(returns) for name in ("comp", "cagr", "volatility", "sharpe", "sortino", "calmar")}
    found |= {name: getattr(q, name)(returns) for name in ("max_drawdown", "skew", "kurtosis", "win_rate")}
    if "benchmark" in table:
        found |= {name: q.greeks(returns, table["benchmark"])[name] for name in ("alpha", "beta")}
        found["benchmark_comp"] = q.comp(table["benchmark"])
    return plain(found)


def alphalens_figures(folder: Path) -> dict[str, Any]:
    from alphalens import performance as p

    factor_data = read_alphalens(folder)
    ic = p.factor_information_coefficient(factor_data)
    means, _ = p.mean_return_by_quantile(factor_data, demeaned=False)
    found = {
        "rows": len(factor_data),
        "freq": str(factor_data.index.levels[0].freq),
        "dates": [str(day.date()) for day in ic.index],
        "ic": {name: plain(ic[name].to_numpy()) for name in ic},
        "mean_return": {name: plain(means[name]) for name in means},
    }
    if (folder / "prices.parquet").is_file():
        found["own"] = own_factor_data(folder, factor_data)
    return found


def own_factor_data(folder: Path, exported: Any) -> dict[str, Any]:
    """How far alphalens' own factor data of the prices beside the export are from those that were exported."""
    import pandas as pd
    from alphalens.utils import get_clean_factor_and_forward_returns, get_forward_returns_columns

    prices = pd.read_parquet(folder / "prices.parquet").set_index("date")
    scores = pd.read_parquet(folder / "scores.parquet").set_index(["date", "asset"])["factor"]
    periods = [int(name.removesuffix("D")) for name in get_forward_returns_columns(exported.columns)]
    groups = exported["group"].astype(str).groupby(level="asset").first().to_dict()
    groups |= {asset: "none" for asset in prices if asset not in groups}
    own = get_clean_factor_and_forward_returns(
        scores, prices, groupby=groups, periods=periods, filter_zscore=None, max_loss=1.0
    )
    numbers = [f"{period}D" for period in periods] + ["factor"]
    return {
        "columns": [list(own.columns), list(exported.columns)],
        "same_index": own.index.equals(exported.index),
        "same_freq": own.index.levels[0].freq == exported.index.levels[0].freq,
        "same_quantiles": bool((own["factor_quantile"] == exported["factor_quantile"]).all()),
        "same_groups": bool((own["group"].astype(str) == exported["group"].astype(str)).all()),
        "furthest": float((own[numbers] - exported[numbers]).abs().to_numpy().max()),
    }


def sheets(folder: Path, pages: Path) -> dict[str, int]:
    """Draw every page that the libraries have for such data; how many figures each made."""
    import alphalens
    import pyfolio
    import quantstats
    from matplotlib import pyplot

    made = {}
    returns, positions, transactions = read_pyfolio(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what their own code is warned of is theirs
        benchmark = read_quantstats(folder).get("benchmark")
        rates = None if benchmark is None else benchmark.tz_localize("UTC").rename("benchmark")
        pyfolio.create_full_tear_sheet(
            returns, positions, transactions, benchmark_rets=rates, round_trips=True, estimate_intraday=False
        )
        made["pyfolio"] = len(pyplot.get_fignums())
        pyplot.close("all")
        alphalens.tears.create_full_tear_sheet(read_alphalens(folder))
        made["alphalens"] = len(pyplot.get_fignums())
        pyplot.close("all")
        table = read_quantstats(folder)
        page = pages / "quantstats.html"
        quantstats.reports.html(table["returns"], benchmark=table.get("benchmark"), output=str(page))
        made["quantstats"] = page.read_text(encoding="utf-8").count("<svg")
    return made


def main() -> int:
    """Print what the libraries find."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sheets", action="store_true")
    parser.add_argument("--pages", type=Path, default=Path())
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    import matplotlib

    matplotlib.use("Agg")
    found: dict[str, Any] = {"versions": {name: version(name) for name in LIBRARIES}}
    with contextlib.redirect_stdout(sys.stderr):  # they print as they go
        found["pyfolio"] = pyfolio_figures(options.folder)
        found["quantstats"] = quantstats_figures(options.folder)
        found["alphalens"] = alphalens_figures(options.folder)
        if options.sheets:
            found["sheets"] = sheets(options.folder, options.pages)
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
