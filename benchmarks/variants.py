"""A bench against the same variants run one by one, each in a new process with nothing cached.

    python benchmarks/variants.py [--runs N] [--quick]

20 variants (five shapes, two dropouts, two learning rates) of a small MLP with three seeds on 31 features, on 500
symbols by 1,250 sessions of a synthetic market that is kept as a dataset. `bench` does more than the runs: baselines,
placebos, seeds alone, ICs by epoch and all comparisons. The runs are those of the variants, whose three seeds `run`
trains in one stack, and, beside the bar, those of every variant with every seed, 60 in all, as one would make them
without stacks. ``--runs`` measures some of the first only and scales; of the second it is always six. The bench is then
made again with its scores in the cache: what it took longer before is training and scoring; and the clock is read when
the last of its runs is over. Compiled code is kept from before. A full run writes its section of ``RESULTS.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from table import VARIANTS, Row, row_line, with_section

HERE = Path(__file__).resolve().parent
PAGE = HERE / "RESULTS.md"
SHAPES = [[16, 8], [32, 16], [16, 16], [24, 12], [32, 8]]
DROPOUTS, RATES = [0.0, 0.1], [1e-3, 2e-3]
SEEDS = 3
FEW = 6  # runs of a variant with a single seed
CONFIG = """
[data]
path = "market"

[signal]
class = "signals:MLP"
features = "ml4t"
seeds = {seeds}
seed = {seed}
hidden = {hidden}
dropout = {dropout}
learning_rate = {rate}

[folds]
train = 504
test = 63

[strategy]
class = "strategies:RankedLongShort"
long = 50
short = 50

[costs]
commission_bps = 1
slippage_bps = 5
borrow_rate = 0.005
"""
GRID = """
[bench.grid]
"signal.hidden" = {shapes}
"signal.dropout" = {dropouts}
"signal.learning_rate" = {rates}
"""


def command(arguments: list[str], folder: Path, cache: Path) -> float:
    """Seconds of a command in a new process, with a cache of its own for data, scores and checkpoints."""
    return process(["-m", "backtester", *arguments], folder, cache)[0]


def process(arguments: list[str], folder: Path, cache: Path) -> tuple[float, str]:
    """Seconds of a new Python process, and what it printed."""
    path = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "BACKTESTER_CACHE": str(cache)}
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        raise SystemExit(f"python {' '.join(arguments)} failed:\n{(done.stdout + done.stderr)[-4000:]}")
    return seconds, done.stdout


def judge(config: Path) -> None:
    """Make a bench here, as the command does, and print the seconds from its last run to its folder."""
    from backtester.cli.benching import make_bench, save_bench
    from backtester.cli.variants import read_bench

    last = 0.0

    def progress(what: str, done: int, total: int) -> None:
        nonlocal last
        if what == "running again":
            last = time.perf_counter()

    bench, runs = read_bench(config), Path("again")
    save_bench(make_bench(bench, runs, progress=progress), bench, runs)
    print(time.perf_counter() - last)


def measure(runs: int, quick: bool) -> dict[str, Any]:
    """Seconds of the bench, and of the runs."""
    symbols, sessions = (40, 700) if quick else (500, 1250)
    every = [(hidden, dropout, rate) for hidden in SHAPES for dropout in DROPOUTS for rate in RATES]
    # Those that are measured are spread over the grid.
    chosen = [every[k * len(every) // runs] for k in range(runs)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = ["data", "synth", "--out", "market", "--symbols", str(symbols), "--sessions", str(sessions)]
        command([*data, "--seed", "0", "--rank-ic", "0.03", "--kind", "interactions"], folder, folder / "cache")

        def run(name: str, hidden: list[int], dropout: float, rate: float, seeds: int = SEEDS, seed: int = 0) -> float:
            """Seconds of a run."""
            text = CONFIG.format(hidden=hidden, dropout=dropout, rate=rate, seeds=seeds, seed=seed)
            (folder / f"{name}.toml").write_text(text)
            seconds = command(["run", f"{name}.toml"], folder, folder / f"cache_{name}")
            print(f"  {name}: {seconds:.1f} s", file=sys.stderr, flush=True)
            return seconds

        alone = [run(f"run{k}", *one) for k, one in enumerate(chosen)]
        some = [every[k * len(every) // FEW] for k in range(FEW)]
        single = [run(f"single{k}", *one, seeds=1, seed=k % SEEDS) for k, one in enumerate(some)]
        text = CONFIG.format(hidden=SHAPES[0], dropout=0.0, rate=2e-3, seeds=SEEDS, seed=0)
        (folder / "all.toml").write_text(text + GRID.format(shapes=SHAPES, dropouts=DROPOUTS, rates=RATES))
        cache = folder / "cache_of_the_bench"
        bench = command(["bench", "all.toml"], folder, cache)
        again, said = process([str(Path(__file__).resolve()), "--judge", "all.toml"], folder, cache)
    total = sum(alone) / len(alone) * len(every)
    singles = sum(single) / len(single) * len(every) * SEEDS
    found = {"bench": bench, "runs": total, "measured": len(alone), "variants": len(every), "ratio": total / bench}
    return found | {"singles": singles, "ratio_of_singles": singles / bench, "again": again, "judged": float(said)}


def section(found: dict[str, Any]) -> str:
    """The section of the page."""
    how = "all" if found["measured"] == found["variants"] else f"scaled from {found['measured']} of them"
    trained = found["bench"] - found["again"]
    rows = [
        Row(
            "`bench`, 20 variants x 3 seeds of a small MLP and all baselines, 500 symbols x 1,250 sessions, two cores",
            f"{found['bench'] / 60:.1f} minutes",
            "under 10 minutes",
            found["bench"] < 600,
        ),
        Row(
            "its statistics, page and folder, after its last run",
            f"{found['judged']:.1f} s",
            "under 10 s",
            found["judged"] < 10,
        ),
        Row(
            f"the same variants run one by one with `run` ({how})",
            f"{found['runs'] / 60:.1f} minutes, {found['ratio']:.1f} times as long",
            "at least 4 times",
            found["ratio"] >= 4,
        ),
        Row(
            f"every variant with every seed by itself, 60 runs (scaled from {FEW} of them)",
            f"{found['singles'] / 60:.1f} minutes, {found['ratio_of_singles']:.1f} times as long",
            "",
            None,
        ),
        Row(
            "the same bench again, its scores cached",
            f"{found['again']:.0f} s, so training and scoring took {trained:.0f} of {found['bench']:.0f} s",
            "",
            None,
        ),
    ]
    said = "Printed by `python benchmarks/variants.py`: new processes, nothing trained before."
    lines = [VARIANTS, "", said, "", "| work | measured | bar | reached |", "|---|---|---|---|"]
    return "\n".join([*lines, *(row_line(row) for row in rows)])


def main() -> int:
    """Measure, print the section; 1 if a bar was missed in a full run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, help="how many of the runs are measured")
    parser.add_argument("--quick", action="store_true", help="a small market, to see that it runs; times mean nothing")
    parser.add_argument("--judge", type=Path, help=argparse.SUPPRESS)  # what this does in a process of its own
    options = parser.parse_args()
    if options.judge:
        judge(options.judge)
        return 0
    found = measure(min(max(options.runs, 1), 20), options.quick)
    print(json.dumps(found))
    text = section(found)
    print(text)
    if options.quick:
        return 0
    PAGE.write_text(with_section(PAGE.read_text() if PAGE.is_file() else "", text))
    return 0 if found["ratio"] >= 4 and found["bench"] < 600 and found["judged"] < 10 else 1


if __name__ == "__main__":
    sys.exit(main())
