"""The import of a large market, with all its checks: rows a second, and memory beyond what it makes.

    python benchmarks/ingest.py [--quick] [--folder DIR] [--only parquet csv ...]

The market is W2's of `markets.py` cut to 2,500 sessions: 3,000 symbols, 7.5 million rows, prices to two decimals. It is
written once, in order of symbol, then date, as vendors do, to a temporary folder (or to ``--folder``, where it is kept
for the next time):

==============  =======================================================================
``parquet``     one long Parquet file, as pandas writes it
``csv``         the same as CSV
``gzip``        the same, packed
``per-symbol``  300 of the symbols, a CSV each, without a column of symbols
``wide``        five wide CSV files, one a field
==============  =======================================================================

Each import runs in a process of its own, on two processors at most, with the files in the system's cache. *Seconds*
are those of the one call of `import_files`, checks and writing included, the start of Python not. *Memory beyond the
output* is the peak of resident memory during the call, less what was resident before it, less the bytes of the arrays
that the imported panel holds (five arrays of sessions by symbols in 8 bytes a value, and two masks in 1 byte).

The last line printed is JSON; above it a row of a table for each import.
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
FULL, QUICK = (3_000, 2_500, 300), (60, 250, 20)
KINDS = ("parquet", "csv", "gzip", "per-symbol", "wide")
# Rows a second that issue 3 asks for.
BARS = {"parquet": 700_000, "csv": 400_000}
MEMORY_BAR = 2e9
FIELDS = ("open", "high", "low", "close", "volume")


def write_files(folder: Path, symbols: int, sessions: int, single: int, kinds: tuple[str, ...]) -> None:
    """Write the market in every layout that is not there yet."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.csv as pacsv
    from markets import Work, make

    wanted = [kind for kind in kinds if not (folder / kind).exists()]
    if not wanted:
        return
    market = make(Work("ingest", symbols, sessions, 50, 0.03))
    arrays = {name: np.round(getattr(market, name), 2) for name in FIELDS}
    keys = {"date": np.tile(market.dates, symbols), "symbol": np.repeat(np.array(market.symbols), sessions)}
    long = pa.table({**keys, **{name: array.T.ravel() for name, array in arrays.items()}})
    long = long.set_column(0, "date", long.column("date").cast(pa.date32()))
    for kind in wanted:
        fresh = folder / f"{kind}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        if kind == "parquet":
            long.to_pandas().astype({"date": "datetime64[ns]"}).to_parquet(fresh / "bars.parquet", index=False)
        elif kind == "csv":
            pacsv.write_csv(long, fresh / "bars.csv", pacsv.WriteOptions(quoting_style="none"))
        elif kind == "gzip":
            with gzip.open(fresh / "bars.csv.gz", "wb", compresslevel=6) as stream:
                pacsv.write_csv(long, stream, pacsv.WriteOptions(quoting_style="none"))
        elif kind == "per-symbol":
            for i in range(min(single, symbols)):
                rows = long.slice(i * sessions, sessions).drop_columns(["symbol"])
                pacsv.write_csv(rows, fresh / f"{market.symbols[i]}.csv", pacsv.WriteOptions(quoting_style="none"))
        else:
            for name, array in arrays.items():
                frame = pd.DataFrame(array, index=pd.Index(market.dates, name="date"), columns=market.symbols)
                frame.to_csv(fresh / f"{name}.csv")
        fresh.rename(folder / kind)


def run_one(files: Path) -> dict[str, float]:
    """Import the files of one folder in this process, and measure it."""
    from probe import Memory, pin, timed

    from backtester.market.ingest import import_files

    used = pin(2)
    with tempfile.TemporaryDirectory() as out:
        memory = Memory()
        seconds, report = timed(lambda: import_files(files, Path(out) / "data", basis="as_traded"), 1)
        above = memory.above()
    output = report.sessions * report.symbols * (5 * 8 + 2)
    return {
        "rows": report.rows,
        "kept": report.kept,
        "processors": used,
        "seconds": seconds[0],
        "rows_per_second": report.rows / seconds[0],
        "output_bytes": output,
        "peak_bytes": above,
        "beyond_output_bytes": above - output,
    }


def measure(folder: Path, quick: bool, kinds: tuple[str, ...], repeat: int) -> dict[str, dict[str, float]]:
    """Write what is missing below ``folder`` and import each kind ``repeat`` times, the best of them reported."""
    write_files(folder, *(QUICK if quick else FULL), kinds)
    out: dict[str, dict[str, float]] = {}
    for kind in kinds:
        runs = []
        for _ in range(repeat):
            command = [sys.executable, __file__, "--one", str(folder / kind)]
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
            if done.returncode:
                raise RuntimeError(f"{kind} failed:\n{(done.stdout + done.stderr)[-2000:]}")
            runs.append(json.loads(done.stdout.splitlines()[-1]))
        out[kind] = min(runs, key=lambda run: run["seconds"])
        out[kind]["worst_beyond_output_bytes"] = max(run["beyond_output_bytes"] for run in runs)
    return out


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(REPOSITORY)}


def row(kind: str, found: dict[str, float]) -> str:
    """One line of the table."""
    bar = f"{BARS[kind] / 1e6:.1f} M" if kind in BARS else ""
    return (
        f"| {kind} | {found['rows']:,} | {found['seconds']:.1f} s | {found['rows_per_second'] / 1e6:.2f} M | {bar} | "
        f"{found['worst_beyond_output_bytes'] / 1e9:.2f} GB |"
    )


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description="Time the import of a large market.")
    parser.add_argument("--quick", action="store_true", help="a small market, to see that it works")
    parser.add_argument("--folder", type=Path, help="where the files are kept; by default a temporary folder")
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one is not None:
        print(json.dumps(run_one(given.one)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        found = measure(folder, given.quick, tuple(given.only), given.repeat)
    print("| files | rows | time | rows a second | bar | memory beyond the output (bar 2 GB) |")
    print("|---|---|---|---|---|---|")
    for kind, one in found.items():
        print(row(kind, one))
    print(json.dumps({"engine": "backtester", "job": "ingest", "imports": found}))


if __name__ == "__main__":
    main()
