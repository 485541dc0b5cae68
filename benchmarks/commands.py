"""What a user waits for: new processes, from their start to their end.

    python benchmarks/commands.py [--quick]

Each command runs in an empty folder of its own. The last line printed is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import markets

REPOSITORY = Path(__file__).resolve().parents[1]
IMPORT = "import time; t = time.perf_counter(); import backtester; print(time.perf_counter() - t)"


def _environment(cache: Path | None = None) -> dict[str, str]:
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(REPOSITORY), environment.get("PYTHONPATH")]))
    if cache is not None:
        environment["NUMBA_CACHE_DIR"] = environment["XDG_CACHE_HOME"] = str(cache)
    return environment


def timed(arguments: Sequence[str], folder: Path, cache: Path | None = None) -> tuple[float, str]:
    """Run Python with ``arguments`` in ``folder``; return the seconds of the whole process and what it printed.

    Raises ``RuntimeError`` with the end of what it printed if it fails.
    """
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=_environment(cache), capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        raise RuntimeError(f"python {' '.join(arguments)} failed:\n{(done.stdout + done.stderr)[-2000:]}")
    return seconds, done.stdout


def importing(folder: Path, repeat: int) -> float:
    """Median seconds of ``import backtester`` in a new process, after one that filled the file cache."""
    return statistics.median([float(timed(["-c", IMPORT], folder)[1]) for _ in range(repeat + 1)][1:])


def write_parquet(work: markets.Work, bars: Path, scores: Path) -> None:
    """Write the market of ``work`` and its scores as long Parquet files."""
    import numpy as np
    import pandas as pd

    market = markets.make(work)
    sessions, count = market.close.shape
    keys = {"date": np.repeat(market.dates, count), "symbol": np.tile(np.array(market.symbols), sessions)}
    prices = {name: getattr(market, name).ravel() for name in ("open", "high", "low", "close", "volume")}
    pd.DataFrame(keys | prices).to_parquet(bars, index=False)
    pd.DataFrame(keys | {"score": market.scores.ravel()}).to_parquet(scores, index=False)


def config(work: markets.Work) -> str:
    """The configuration of the ranked run, beside its Parquet files."""
    return f"""[data]
path = "bars.parquet"
basis = "as_traded"

[scores]
path = "scores.parquet"

[strategy]
class = "strategies:RankedLongShort"
long = {work.names}
short = {work.names}
"""


def running(work: markets.Work, folder: Path, repeat: int) -> float:
    """Median seconds of ``python -m backtester run`` on ``work`` from Parquet, compiled by a run before."""
    write_parquet(work, folder / "bars.parquet", folder / "scores.parquet")
    (folder / "config.toml").write_text(config(work))
    arguments = ["-m", "backtester", "run", "config.toml", "--out"]
    return statistics.median([timed([*arguments, f"run_{k}"], folder)[0] for k in range(repeat + 1)][1:])


def demonstrating(folder: Path) -> float:
    """Seconds of ``python -m backtester demo`` with nothing compiled yet."""
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        return timed(["-m", "backtester", "demo"], folder, Path(cache))[0]


def measure(quick: bool = False) -> dict[str, float]:
    """Measure all of them; ``quick`` takes a small market and leaves out the demo, which compiles everything."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report = {
            "import_seconds": importing(folder, 2 if quick else 7),
            "run_seconds": running(markets.WORKS["QUICK" if quick else "W1"], folder, 1 if quick else 3),
        }
        if not quick:
            report["demo_seconds"] = demonstrating(folder)
        return report


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description="Time the commands in new processes.")
    parser.add_argument("--quick", action="store_true")
    print(json.dumps({"engine": "backtester", "job": "commands", **measure(parser.parse_args().quick)}))


if __name__ == "__main__":
    main()
