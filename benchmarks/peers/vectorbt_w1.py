"""vectorbt on the benchmark's work, by one of its paths; run in the environment that ``make_env.py vectorbt`` makes.

    python benchmarks/peers/vectorbt_w1.py --path order_func --repeat 5

Paths, the equity taken from ``Portfolio.value()`` as its documents do:

- ``orders``: ``Portfolio.from_orders``, compiled by Numba;
- ``orders_rust``: the same with its Rust engine;
- ``order_func``: ``Portfolio.from_order_func`` with an order function in Numba.

And two whose callbacks are written for this work alone, with the equity noted by a hook after each bar, so that
``Portfolio.value()`` and its matrices are never asked for:

- ``order_func_hook``: as ``order_func``, with that hook;
- ``flexible_hook``: its flexible simulator, which visits only names held or wanted.

The clock runs from the score matrix to the equity curve: ranking (numpy's partition) and all input
objects included. The last line printed is JSON; ``--equity FILE`` leaves the curve as ``.npy``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

STARTED = time.perf_counter()

import numpy as np  # noqa: E402
import vectorbt as vbt  # noqa: E402
from numba import njit  # noqa: E402
from vectorbt.portfolio import nb  # noqa: E402
from vectorbt.portfolio.enums import Direction, SizeType  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import markets  # noqa: E402
import probe  # noqa: E402

IMPORTED = time.perf_counter() - STARTED
FEES, SLIPPAGE = markets.COMMISSION_BPS / 1e4, markets.SLIPPAGE_BPS / 1e4


def targets(scores: np.ndarray, names: int) -> np.ndarray:
    """Weights that trade at the next open: row ``t`` holds those decided at ``t - 1``."""
    count = scores.shape[1]
    order = np.argpartition(scores[:-1], (names - 1, count - names), axis=1)
    weights = np.zeros_like(scores)
    np.put_along_axis(weights[1:], order[:, :names], -0.5 / names, axis=1)
    np.put_along_axis(weights[1:], order[:, count - names :], 0.5 / names, axis=1)
    return weights


def by_orders(market: markets.Market, names: int, engine: str) -> np.ndarray:
    """``from_orders``: every cell is a target; valued, sized and filled at the open, as its default is."""
    portfolio = vbt.Portfolio.from_orders(
        market.close,
        size=targets(market.scores, names),
        size_type="targetpercent",
        price=market.open,
        fees=FEES,
        slippage=SLIPPAGE,
        init_cash=markets.CASH,
        cash_sharing=True,
        group_by=True,
        freq="D",
        engine=engine,
        # Sells need not come first: half the equity is short, so that the cash never runs out.
        call_seq="default",
    )
    return np.asarray(portfolio.value(), dtype=np.float64).reshape(-1)


@njit(cache=True)
def _value_at_open(context, open_):
    for column in range(context.from_col, context.to_col):
        context.last_val_price[column] = open_[context.i, column]
    return ()


@njit(cache=True)
def _order(context, size, open_, fees, slippage):
    weight = size[context.i, context.col]
    if weight == 0.0 and context.position_now == 0.0:
        return nb.order_nothing_nb()
    return nb.order_nb(
        size=weight,
        price=open_[context.i, context.col],
        size_type=SizeType.TargetPercent,
        direction=Direction.Both,
        fees=fees,
        slippage=slippage,
    )


@njit(cache=True)
def _note_equity(context, equity):
    equity[context.i] = context.last_value[context.group]


def by_order_func(market: markets.Market, names: int, hook: bool) -> np.ndarray:
    """``from_order_func``; with ``hook`` the equity is taken from the simulator after each bar."""
    equity = np.empty(len(market.close))
    extra = {"post_segment_func_nb": _note_equity, "post_segment_args": (equity,)} if hook else {}
    portfolio = vbt.Portfolio.from_order_func(
        market.close,
        _order,
        targets(market.scores, names),
        market.open,
        FEES,
        SLIPPAGE,
        pre_segment_func_nb=_value_at_open,
        pre_segment_args=(market.open,),
        init_cash=markets.CASH,
        cash_sharing=True,
        group_by=True,
        freq="D",
        fill_pos_record=False,
        max_orders=len(market.close) * 4 * names,
        **extra,
    )
    return equity if hook else np.asarray(portfolio.value(), dtype=np.float64).reshape(-1)


@njit(cache=True)
def _start(context):
    return (np.empty(context.target_shape[1], np.int64), np.empty(1, np.int64))


@njit(cache=True)
def _choose(context, todo, count, size, open_):
    n = 0
    for column in range(context.from_col, context.to_col):
        context.last_val_price[column] = open_[context.i, column]
        if size[context.i, column] != 0.0 or context.last_position[column] != 0.0:
            todo[n] = column
            n += 1
    count[0] = n
    return (todo, count)


@njit(cache=True)
def _next_order(context, todo, count, size, open_, fees, slippage):
    if context.call_idx >= count[0]:
        return -1, nb.order_nothing_nb()
    column = todo[context.call_idx]
    return column, nb.order_nb(
        size=size[context.i, column],
        price=open_[context.i, column],
        size_type=SizeType.TargetPercent,
        direction=Direction.Both,
        fees=fees,
        slippage=slippage,
    )


@njit(cache=True)
def _note_equity_flexible(context, todo, count, equity):
    equity[context.i] = context.last_value[context.group]


def by_flexible(market: markets.Market, names: int) -> np.ndarray:
    """``from_order_func(flexible=True)``: asked only about names that are held or wanted."""
    equity = np.empty(len(market.close))
    size = targets(market.scores, names)
    vbt.Portfolio.from_order_func(
        market.close,
        _next_order,
        size,
        market.open,
        FEES,
        SLIPPAGE,
        flexible=True,
        pre_group_func_nb=_start,
        pre_segment_func_nb=_choose,
        pre_segment_args=(size, market.open),
        post_segment_func_nb=_note_equity_flexible,
        post_segment_args=(equity,),
        init_cash=markets.CASH,
        cash_sharing=True,
        group_by=True,
        freq="D",
        fill_pos_record=False,
        max_orders=len(market.close) * 4 * names,
    )
    return equity


PATHS = {
    "orders": lambda market, names: by_orders(market, names, "numba"),
    "orders_rust": lambda market, names: by_orders(market, names, "rust"),
    "order_func": lambda market, names: by_order_func(market, names, hook=False),
    "order_func_hook": lambda market, names: by_order_func(market, names, hook=True),
    "flexible_hook": by_flexible,
}


def main() -> None:
    """Time one path and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", choices=sorted(markets.WORKS), default="W1")
    parser.add_argument("--path", choices=sorted(PATHS), default="order_func")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--equity", type=Path, help="where to leave the equity curve (.npy)")
    options = parser.parse_args()

    cores = probe.pin(options.cores)
    work = markets.WORKS[options.work]
    market = markets.make(work)
    vbt.settings["caching"]["enabled"] = False  # a second call must work, not remember
    run = PATHS[options.path]
    memory = probe.Memory()
    first, equity = probe.timed(lambda: run(market, work.names), 1)
    warm = first
    if options.repeat > 1:
        del equity
        warm, equity = probe.timed(lambda: run(market, work.names), options.repeat)
    if options.equity:
        np.save(options.equity, equity)
    print(
        json.dumps(
            {
                "engine": f"vectorbt {vbt.__version__}",
                "path": options.path,
                "work": work.name,
                "cores": cores,
                "import_seconds": IMPORTED,
                "first_seconds": first[0],
                **probe.summary(warm, work.bars),
                "peak_bytes": memory.peak(),
                "peak_bytes_above_data": memory.above(),
                "final_equity": float(equity[-1]),
            }
        )
    )


if __name__ == "__main__":
    main()
