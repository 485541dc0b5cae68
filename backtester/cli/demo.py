"""The demo: neural networks against a linear model and a rule, on a synthetic market, without a network or a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from backtester.cli.benching import count_run
from backtester.cli.config import parse_config
from backtester.cli.logged import told_log
from backtester.cli.progress import progress
from backtester.cli.running import make_run
from backtester.cli.saving import check_runs, save_run

if TYPE_CHECKING:
    from backtester.result import Result

SYMBOLS, SESSIONS = 200, 1008
TRAIN, TEST = 378, 126  # sessions of a fold

# What foretells returns there lies in how features act together, which a linear model cannot see and a rule on prices
# does not look at.
_SIGNALS = {
    "demo-mlp": """
class = "signals:MLP"
hidden = [32, 16]
seeds = 3
features = ["extra"]
epochs = 8
""",
    "demo-ridge": """
class = "signals:Estimator"
estimator = "sklearn.linear_model:Ridge"
features = ["extra"]
""",
    "demo-momentum": """
class = "signals:Momentum"
lookback = 126
""",
}

_CONFIG = """
[data]
synthetic = {{ symbols = {symbols}, sessions = {sessions}, seed = {seed}, rank_ic = 0.04, kind = "interactions" }}

[signal]
{signal}

[folds]
train = {train}
test = {test}

[strategy]
class = "strategies:RankedLongShort"
long = 25
short = 25

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

    Three signals are walked forward over the same market, and the same strategy ranks by their scores at the same
    costs: three networks that differ in their seed, a linear model, and momentum. The saved folders hold the configs,
    so each can be run again and changed.

    Args:
        seed: of the market.
        runs: the folder of runs.
        console: where to print.

    Raises:
        RunError: the runs cannot be written.
    """
    from backtester.report import print_summary
    from backtester.report.compare import print_comparison

    check_runs(runs)
    console.print(f"A synthetic market: {SYMBOLS} symbols, {SESSIONS:,} sessions, seed {seed}.", style="dim")
    results: list[Result] = []
    names: list[str] = []
    for name, signal in _SIGNALS.items():
        sizes = {"symbols": SYMBOLS, "sessions": SESSIONS, "train": TRAIN, "test": TEST}
        text = _CONFIG.format(**sizes, seed=seed, signal=signal.strip(), name=name)
        config = parse_config(text, Path(f"{name}.toml"))
        with told_log(), progress() as draw:
            made = count_run(make_run(config, progress=draw), config, runs, "demo")
        result = made.result
        folder, is_new = save_run(made, runs, config=config)
        if not results:
            console.print()
            print_summary(result, console)
            console.print()
        console.print(f"{name}: {'saved to' if is_new else 'already in'} {folder}", style="dim")
        results.append(result)
        names.append(name)
    console.print()
    print_comparison(results, names, console)
    return results
