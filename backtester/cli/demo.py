"""The demo: a synthetic market, a planted signal and a plain rule, without a network or a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from backtester.cli.config import parse_config
from backtester.cli.logged import told_log
from backtester.cli.progress import progress
from backtester.cli.running import check_runs, run_config, save_run

if TYPE_CHECKING:
    from backtester.result import Result

SYMBOLS, SESSIONS = 200, 1008

# A score that foretells a little, as good ones do, and a rule that knows nothing of it.
_STRATEGIES = {"demo-ranked": "strategies:RankedLongShort", "demo-reversal": "strategies:Reversal"}

_CONFIG = """
[data]
synthetic = {{ symbols = {symbols}, sessions = {sessions}, seed = {seed}, rank_ic = 0.015 }}

[strategy]
class = "{strategy}"
long = 25
short = 25
every = 5

[costs]
commission_bps = 1
slippage_bps = 3
borrow_rate = 0.005

[risk]
no_trade_band = 0.002

[execution]
volume_cap = 0.1

[run]
name = "{name}"
"""


def run_demo(seed: int, runs: Path, console: Console) -> list[Result]:
    """Run, print and save the demo.

    Two strategies trade the same market with the same costs: one ranks by the score that was planted in the market
    and foretells a little of the next session, the other buys what fell and sells what rose. The saved folders hold
    the configs, so each can be run again and changed.

    Args:
        seed: of the market.
        runs: the folder of runs.
        console: where to print.

    Raises:
        RunError: the runs cannot be written.
    """
    from backtester.report import print_summary

    check_runs(runs)
    console.print(f"A synthetic market: {SYMBOLS} symbols, {SESSIONS:,} sessions, seed {seed}.", style="dim")
    results = []
    for name, strategy in _STRATEGIES.items():
        text = _CONFIG.format(symbols=SYMBOLS, sessions=SESSIONS, seed=seed, strategy=strategy, name=name)
        config = parse_config(text, Path(f"{name}.toml"))
        with told_log(), progress() as draw:
            result = run_config(config, progress=draw)
        folder, is_new = save_run(result, runs, config=config)
        console.print()
        print_summary(result, console)
        console.print(f"\n{'saved to' if is_new else 'already in'} {folder}", style="dim")
        results.append(result)
    return results
