"""The whole benchmark in one command: parity first, then times, then a table against the bars.

    python benchmarks/bench.py --peers DIR      # DIR: where make_env.py made the peers' environments
    python benchmarks/bench.py --quick          # a small market, to see that everything works; times mean nothing

Every measurement is a process of its own. Ratios are taken within this one run: engine and peer are timed in turn,
several rounds, and the best of each compared. Raw figures go to ``results/latest.json``, the table to standard output
and, of a full run, to ``RESULTS.md``.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import floor
import make_env
import markets
import numpy as np
from table import NETWORKS, VARIANTS, rows_of, section_of, to_markdown, with_section

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "latest.json"
PAGE = HERE / "RESULTS.md"

PATHS = ("orders", "orders_rust", "order_func", "order_func_hook", "flexible_hook")
IMPORTS = ("parquet", "csv")
TOLERANCE = 1e-9

Report = dict[str, Any]


class Bench:
    """One run of the benchmark."""

    def __init__(self, peers: Path, quick: bool, scratch: Path) -> None:
        """Look for the peer's environment under ``peers``; curves are left in ``scratch``."""
        self.quick = quick
        self.scratch = scratch
        self.vectorbt = make_env.python_of("vectorbt", peers) if make_env.is_made("vectorbt", peers) else None
        self.small = markets.WORKS["QUICK" if quick else "W1"]
        self.large = markets.WORKS["QUICK" if quick else "W2"]
        self.repeat = 3 if quick else 7

    def ours(self, job: str, work: markets.Work, cores: int = 1, equity: Path | None = None) -> Report:
        """Run one job of ``engine.py`` in a new process."""
        arguments = [job, "--work", work.name, "--cores", str(cores), "--repeat", str(self.repeat)]
        return self._child([sys.executable, str(HERE / "engine.py"), *arguments], equity)

    def theirs(self, path: str, equity: Path | None = None) -> Report:
        """Run one path of vectorbt in a new process of its own environment."""
        arguments = ["--path", path, "--work", self.small.name, "--repeat", str(self.repeat)]
        return self._child([str(self.vectorbt), str(HERE / "peers" / "vectorbt_w1.py"), *arguments], equity)

    def _child(self, command: list[str], equity: Path | None) -> Report:
        root = str(HERE.parent)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
        if equity is not None:
            command = [*command, "--equity", str(equity)]
        print("  " + " ".join(Path(part).name for part in command[1:]), file=sys.stderr, flush=True)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-4000:]}")
        return json.loads(done.stdout.strip().splitlines()[-1])

    def parity(self) -> Report:
        """Hold our equity curve to the floor's and to every path of vectorbt; stop the benchmark if they differ."""
        ours = self.scratch / "ours.npy"
        report: Report = {"ours": self.ours("parity", self.small, equity=ours)}
        expected = np.load(ours)
        report["floor"], bare = floor.run(markets.make(self.small), self.small.names, self.repeat)
        differences = {"floor": _difference(bare, expected)}
        for path in PATHS if self.vectorbt else ():
            curve = self.scratch / f"{path}.npy"
            report[path] = self.theirs(path, equity=curve)
            differences[path] = _difference(np.load(curve), expected)
        report["differences"] = differences
        wrong = {name: value for name, value in differences.items() if not value <= TOLERANCE}
        if wrong:
            raise SystemExit(f"No parity, so nothing is timed. Largest relative difference of equity: {wrong}")
        return report

    def duel(self, paths: list[str], rounds: int) -> Report:
        """Time one stride and ``paths`` of vectorbt in turn, ``rounds`` times, and take the best of each."""
        seconds: dict[str, list[float]] = {name: [] for name in ("stride", *paths)}
        for _ in range(rounds):
            seconds["stride"].append(self.ours("stride", self.small)["best"])
            for path in paths:
                seconds[path].append(self.theirs(path)["best"])
        return {name: min(values) for name, values in seconds.items()}

    def run(self) -> Report:
        """Measure everything."""
        report: Report = {"machine": _machine(), "quick": self.quick, "parity": self.parity()}
        report["stride"] = self.ours("stride", self.small)
        report["decide"] = self.ours("decide", self.small)
        report["on_fill"] = self.ours("on_fill", self.small)
        report["large"] = self.ours("stride", self.large, cores=2)
        report["variants"] = self.ours("variants", self.small, cores=2)
        report["layers"] = self.ours("layers", self.small)
        costs = self.ours("costs", self.small)
        report["costs"], report["defaults"] = costs["costs"], costs["defaults"]
        if self.vectorbt:
            paths = ("orders", "orders_rust", "order_func"), ("order_func_hook", "flexible_hook")
            fastest = [min(group, key=lambda path: report["parity"][path]["best"]) for group in paths]
            report["duel"] = self.duel(fastest, 1 if self.quick else 3)
        report["commands"] = self.commands()
        command = [sys.executable, str(HERE / "ingest.py"), *(["--quick"] if self.quick else []), "--only", *IMPORTS]
        report["imports"] = self._child(command, None)["imports"]
        return report

    def commands(self) -> Report:
        """Measure what a user waits for."""
        return self._child([sys.executable, str(HERE / "commands.py"), *(["--quick"] if self.quick else [])], None)


def _difference(curve: np.ndarray, expected: np.ndarray) -> float:
    if curve.shape != expected.shape:
        return float("inf")
    return float(np.max(np.abs(curve / expected - 1.0)))


def _machine() -> Report:
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    except OSError:
        pass
    import numba

    return {
        "processor": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "date": datetime.date.today().isoformat(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    }


def main() -> int:
    """Run the benchmark and print its table; 1 if a bar was missed in a full run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, default=make_env.DEFAULT_DIR, help="default: %(default)s")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--commands", action="store_true", help="new processes alone; the rest is the last run's")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(options.peers, options.quick, Path(scratch))
        if bench.vectorbt is None:
            print(f"no environment of vectorbt in {options.peers}; make_env.py makes it", file=sys.stderr)
        report = {**json.loads(RESULTS.read_text()), "commands": bench.commands()} if options.commands else bench.run()
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=1))
    rows = rows_of(report)
    page = to_markdown(report, rows)
    print(page)
    if not options.quick:
        before = PAGE.read_text() if PAGE.is_file() else ""
        page += "\n"
        for heading in (NETWORKS, VARIANTS):
            kept = section_of(before, heading)
            page = with_section(page, kept) if kept else page
        PAGE.write_text(page)
    return 0 if options.quick or all(row.reached is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
