"""Our engine on the benchmark's work, one job a process.

    python benchmarks/engine.py stride --work W1

Jobs: ``parity`` (sized at the fill, fractional, no carry: what the peers do), ``stride`` (every default, the whole run
in one stride), ``decide`` (a Python ``decide`` at every bar), ``on_fill`` (that, with ``on_fill`` overridden),
``variants`` (W3, as many runs at a time as there are cores), ``costs`` (each cost and layer on, beside the plain run,
with proof that it bound).

The clock runs from the score matrix to the equity curve. The panel is made before: it is what ``load_panel`` hands
over. The last line printed is JSON.
"""

from __future__ import annotations

import argparse
import gc
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import costs
import markets
import numpy as np
import probe

import backtester as bt
import strategies

Report = dict[str, Any]


def panel_of(market: markets.Market, sectors: dict[str, str] | None = None) -> bt.Panel:
    """Return the market as a panel."""
    return bt.Panel.from_arrays(
        market.dates,
        market.symbols,
        open=market.open,
        high=market.high,
        low=market.low,
        close=market.close,
        volume=market.volume,
        sectors=sectors,
    )


class Load:
    """A loaded panel and its scores, with nothing else kept in memory."""

    def __init__(self, work: markets.Work, sectors: bool = False) -> None:
        """Make the market of ``work``; with ``sectors`` its symbols have some."""
        market = markets.make(work)
        self.work = work
        self.scores = market.scores
        self.panel = panel_of(market, costs.sectors(market) if sectors else None)
        del market
        gc.collect()

    def run(self, strategy: bt.Strategy | None = None, **settings: Any) -> bt.Result:
        """Run ``strategy``, or the ranked one, on the panel and the scores."""
        if strategy is None:
            strategy = ranked(self.work.names)
        return bt.run(self.panel, strategy, scores=self.scores, cash=markets.CASH, **settings)

    def equity(self, strategy: bt.Strategy | None = None, **settings: Any) -> np.ndarray:
        """Run as ``run`` does and return the equity curve, ``(T,)``."""
        return self.run(strategy, **settings).equity.to_numpy()


def ranked(names: int, **settings: Any) -> bt.Strategy:
    """Return the strategy of the work: ``names`` a side, every day."""
    return strategies.RankedLongShort(**{"long": names, "short": names, **settings})


class Deciding(bt.Strategy):
    """The ranked strategy written by a user: asked after every close."""

    def __init__(self, names: int) -> None:
        """Hold ``names`` a side."""
        self.names = names

    def decide(self, view: bt.View) -> np.ndarray:
        """Rank the scores of today."""
        return bt.rank_long_short(view.scores[-1], view.tradable, long=self.names, short=self.names)


class Listening(Deciding):
    """The same, told of every fill too."""

    filled = 0

    def on_fill(self, fills: Any, view: bt.View) -> None:
        """Count the fills."""
        self.filled += len(fills)


def parity_settings() -> dict[str, Any]:
    """Settings under which the engine does what the peers do: no carry, fractional, sized at the fill."""
    return {
        "costs": bt.Costs(
            commission_bps=markets.COMMISSION_BPS,
            slippage_bps=markets.SLIPPAGE_BPS,
            borrow_rate=0.0,
            credit_rate=0.0,
            debit_rate=0.0,
        ),
        "risk": None,
        "execution": bt.Execution(size_at="fill", lot=0),
    }


def _measure(load: Load, call: Callable[[], np.ndarray], repeat: int) -> Report:
    memory = probe.Memory()
    first, equity = probe.timed(call, 1)
    warm = first
    if repeat > 1:
        del equity
        warm, equity = probe.timed(call, repeat)
    panel = load.panel
    return {
        "first_seconds": first[0],
        **probe.summary(warm, load.work.bars),
        "peak_bytes_above_data": memory.above(),
        "data_bytes": panel.open.nbytes + panel.close.nbytes + load.scores.nbytes,
        "final_equity": float(equity[-1]),
        "equity": equity,
    }


def parity(work: markets.Work, repeat: int) -> Report:
    """The run that is held to the peers, with their settings."""
    load = Load(work)
    return _measure(load, lambda: load.equity(**parity_settings()), repeat)


def stride(work: markets.Work, repeat: int) -> Report:
    """Every default, costs and borrow on, in one stride."""
    load = Load(work)
    return _measure(load, load.equity, repeat)


def decide(work: markets.Work, repeat: int) -> Report:
    """The same through a Python ``decide`` at every bar; its equity must be that of one stride."""
    load = Load(work)
    report = _measure(load, lambda: load.equity(Deciding(work.names)), repeat)
    assert np.array_equal(report["equity"], load.equity()), "bar by bar differs from one stride"
    return report


def on_fill(work: markets.Work, repeat: int) -> Report:
    """The same with ``on_fill`` overridden; it must have been told of every fill."""
    load = Load(work)
    report = _measure(load, lambda: load.equity(Listening(work.names)), repeat)
    strategy = Listening(work.names)
    result = load.run(strategy)
    assert strategy.filled == len(result.fills) > 0, f"told of {strategy.filled} fills out of {len(result.fills)}"
    return report


def variants(work: markets.Work, repeat: int) -> Report:
    """W3: all variants on the given scores, a run a core at a time; each must be what it is when it runs alone."""
    load = Load(work)
    todo = markets.variants(work)

    def one(variant: markets.Variant) -> np.ndarray:
        return load.equity(ranked(variant.names), costs=bt.Costs(slippage_bps=variant.slippage_bps))

    alone = [one(variant) for variant in todo]
    assert len({curve[-1] for curve in alone}) == len(todo), "variants that end alike are no variants"
    with ThreadPoolExecutor(probe.cores()) as pool:
        seconds, curves = probe.timed(lambda: list(pool.map(one, todo)), max(1, repeat // 3))
    for variant, curve, expected in zip(todo, curves, alone, strict=True):
        assert np.array_equal(curve, expected), f"{variant} beside others is not what it is alone"
    measured = probe.summary(seconds, work.bars * len(todo))
    return {**measured, "variants": len(todo), "each": measured["best"] / len(todo)}


def each_cost(work: markets.Work, repeat: int) -> Report:
    """Time every case of :mod:`costs` beside the plain run, and check that what is on did something."""
    load = Load(work, sectors=True)
    measured: Report = {}
    for case in costs.cases(work):
        strategy = ranked(work.names, **case.strategy)

        def run(case: costs.Case = case, strategy: bt.Strategy = strategy) -> bt.Result:
            result = load.run(strategy, costs=case.costs, risk=case.risk, execution=case.execution)
            assert len(result.equity) == work.sessions
            return result

        costs.check(case, run())
        seconds, _ = probe.timed(run, repeat)
        measured[case.name] = probe.summary(seconds, work.bars)
    return {"costs": measured, "defaults": costs.DEFAULTS}


def layers(work: markets.Work, repeat: int) -> Report:
    """Every layer on and binding against none, in turn; on how many days each one bound is told too."""
    load = Load(work, sectors=True)
    case = next(case for case in costs.cases(work) if case.name == costs.EVERY_LAYER)
    seconds: dict[str, list[float]] = {"without": [], "with": []}
    for _ in range(3 * repeat + 1):
        for name, risk in (("without", None), ("with", case.risk)):
            seconds[name] += probe.timed(lambda risk=risk: load.equity(risk=risk), 1)[0]
    result = load.run(risk=case.risk)
    costs.check(case, result)
    days = result.events.groupby("event", observed=True)["date"].nunique()
    return {
        **{name: probe.summary(values[1:], work.bars) for name, values in seconds.items()},
        "days": {layer: int(days[f"clipped_{layer}"]) for layer in costs.LAYERS},
    }


JOBS: dict[str, Callable[[markets.Work, int], Report]] = {
    "parity": parity,
    "stride": stride,
    "decide": decide,
    "on_fill": on_fill,
    "variants": variants,
    "costs": each_cost,
    "layers": layers,
}


def main() -> None:
    """Run one job and print its report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=sorted(JOBS))
    parser.add_argument("--work", choices=sorted(markets.WORKS), default="W1")
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--equity", type=Path, help="where to leave the equity curve (.npy)")
    options = parser.parse_args()
    cores = probe.pin(options.cores)
    report = JOBS[options.job](markets.WORKS[options.work], options.repeat)
    equity = report.pop("equity", None)
    if options.equity and equity is not None:
        np.save(options.equity, equity)
    print(json.dumps({"engine": "backtester", "job": options.job, "work": options.work, "cores": cores, **report}))


if __name__ == "__main__":
    main()
