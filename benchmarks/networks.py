"""The networks against their bars: parity first, then times, then a table.

    python benchmarks/networks.py [--only training inference grid] [--device cpu|cuda] [--quick]

Every job of `network_jobs.py` is a process of its own. What was measured is kept by device in
``results/networks.json``, so that a table is made of several runs; what was not reads "not run". A full run writes its
section of ``RESULTS.md``.
The bar of `demo` is one of ``bench.py``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from table import NETWORKS, Row, row_line, with_section

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "networks.json"
PAGE = HERE / "RESULTS.md"
JOBS = ("training", "inference", "grid")
NOT_RUN = "not run"
KINDS = {"plain": "", "dropout": ", dropouts 0 to 0.3", "rates": ", twelve learning rates"}

Report = dict[str, Any]


def measured(job: str, device: str, quick: bool) -> Report:
    """Run a job in a new process."""
    command = [sys.executable, str(HERE / "network_jobs.py"), job, "--device", device, *(["--quick"] if quick else [])]
    root = str(HERE.parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
    print("  " + " ".join(Path(part).name for part in command[1:]), file=sys.stderr, flush=True)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-4000:]}")
    found: Report = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def rows_of(found: dict[str, Report]) -> list[Row]:
    """A row for every bar and device; ``found`` is keyed ``device/job``."""
    return [
        *_training(found.get("cpu/training"), found.get("cuda/training")),
        *_inference(found.get("cpu/inference"), found.get("cuda/inference")),
        *_grid(found.get("cpu/grid"), found.get("cuda/grid")),
    ]


def _training(cpu: Report | None, cuda: Report | None) -> list[Row]:
    rows = []
    for kind, words in KINDS.items():
        work = f"144 MLPs (32, 16), 31 features, batch 256, stacked against one after another{words}"
        bar = "at least 6 times; aim for 10" if kind == "plain" else ""
        if cpu is None:
            rows.append(Row(f"{work}, two cores", NOT_RUN, bar, None))
            continue
        one = cpu["rows"][kind]
        text = (
            f"{one['ratio']:.1f} times faster ({one['stacked'] * 1e3:.1f} against {one['alone'] * 1e3:.1f} ms a step)"
        )
        rows.append(Row(f"{work}, two cores", text, bar, one["ratio"] >= 6.0 if bar else None))
    text = NOT_RUN
    if cuda is not None:
        one = cuda["rows"]["plain"]
        text = f"{one['stacked'] * 1e3:.2f} against {one['alone'] * 1e3:.1f} ms a step on {cuda['on']}"
    return [*rows, Row("the same on CUDA", text, "", None)]


def _inference(cpu: Report | None, cuda: Report | None) -> list[Row]:
    work = "LSTM (64), windows of 60, 8 channels, 500 symbols x 2,520 sessions, scored"
    bar, bar_cuda = "at most 1.2 times the bare loop", "under 2 s"
    text, reached = NOT_RUN, None
    if cpu is not None:
        text = (
            f"{cpu['ratio']:.2f} times the bare loop ({cpu['whole']['ours']:.0f} against {cpu['whole']['bare']:.0f} s, "
            f"from a slice of {cpu['windows']:,} windows)"
        )
        reached = cpu["ratio"] <= 1.2
    rows = [Row(f"{work}, two cores", text, bar, reached)]
    text, reached = NOT_RUN, None
    if cuda is not None:
        alone = cuda["ours"] - cuda["channels"]
        text = (
            f"{alone:.2f} s on {cuda['on']}, and {cuda['channels']:.2f} s for the channels on the CPU; bare loop "
            f"{cuda['bare']:.2f} s"
        )
        reached = alone < 2.0 if cuda["whole_is_measured"] else None
    return [*rows, Row(f"{work}, CUDA", text, bar_cuda, reached)]


def _grid(cpu: Report | None, cuda: Report | None) -> list[Row]:
    work = "the chapter-17 grid (24 configurations x 12 folds x 20 epochs, 995 symbols x 1,900 sessions)"
    text = NOT_RUN
    if cpu is not None:
        text = (
            f"{cpu['seconds'] / 3600:.1f} h, projected from a slice of each stack; one after another "
            f"{cpu['alone_seconds'] / 3600:.1f} h, {cpu['ratio']:.1f} times as long; {cpu['peak_bytes'] / 1e9:.1f} GB"
        )
    rows = [Row(f"{work}, two cores", text, "", None)]
    text, reached = NOT_RUN, None
    if cuda is not None:
        text = (
            f"{cuda['seconds']:.0f} s on {cuda['on']}, {cuda['prepare']:.0f} s of them features and labels on the CPU; "
            f"{cuda['peak_bytes'] / 1e9:.1f} GB, {cuda['device_bytes'] / 1e9:.1f} GB on the device"
        )
        reached = cuda["seconds"] < 300.0 if cuda["measured_whole"] else None
    return [*rows, Row(f"{work}, CUDA", text, "under 5 minutes; aim for one", reached)]


def to_markdown(found: dict[str, Report], rows: list[Row]) -> str:
    """The section of the page."""
    lines = [
        NETWORKS,
        "",
        "Printed by `python benchmarks/networks.py`; the work stands in `network_jobs.py`. Stacked and bare are timed "
        "in turn in one process, each at its best of one or two threads and the bare loop at its best batch. "
        "Before anything is timed, networks of the stack are held to the bare loop from the same weights in the same "
        "order, and to themselves trained alone.",
        "",
    ]
    for key, one in sorted(found.items()):
        quick = " **A quick run: the times mean nothing.**" if one["quick"] else ""
        lines.append(f"- `{key}`: {one['on']}, torch {one['torch']}, {one['date']}.{_parity(one)}{quick}")
    lines += ["", "| work | measured | bar | reached |", "|---|---|---|---|"]
    return "\n".join([*lines, *(row_line(row) for row in rows)])


def _parity(one: Report) -> str:
    if one["job"] == "training":
        return f" Largest difference of a weight: {one['parity']:.0e}."
    if one["job"] == "inference":
        return f" Largest difference of a score: {one['difference']:.0e}."
    if "stacks" in one:
        least, most = one["samples"]["least"], one["samples"]["most"]
        return f" {least:,} to {most:,} samples a fold, {one['models']} networks in a stack."
    return ""


def main() -> int:
    """Measure, print the section; 1 if a bar was missed in a full run."""
    import datetime

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=JOBS, default=list(JOBS))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--quick", action="store_true", help="small work, to see that it runs; times mean nothing")
    options = parser.parse_args()
    kept = not options.quick and RESULTS.is_file()
    found: dict[str, Report] = json.loads(RESULTS.read_text()) if kept else {}
    for job in options.only:
        today = datetime.date.today().isoformat()
        found[f"{options.device}/{job}"] = {**measured(job, options.device, options.quick), "date": today}
        if not options.quick:  # each is kept as it is found
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text(json.dumps(found, indent=1))
    rows = rows_of(found)
    section = to_markdown(found, rows)
    print(section)
    if not options.quick:
        PAGE.write_text(with_section(PAGE.read_text() if PAGE.is_file() else "", section))
    return 0 if options.quick or all(row.reached is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
