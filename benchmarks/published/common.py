"""What the published cases share: one core, a table of figures, and pictures where matplotlib is there."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

RESULTS = Path(__file__).resolve().parents[1] / "results"
INK, FAINT, FIRST, SECOND = "#222222", "#bbbbbb", "#1f6f8b", "#d1603d"


class Figure(NamedTuple):
    """One line of the table: what is measured, what the source says of it ("-": nothing), and ours."""

    name: str
    published: str
    ours: str


def show(title: str, figures: Sequence[Figure], source: str) -> None:
    """Print the published figures beside ours."""
    widths = [max(len(line[column]) for line in [*figures, ("", "published", "ours")]) for column in range(3)]
    print(title)
    for line in [("", "published", "ours"), *figures]:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    print(f"  Source: {source}")


def run(
    name: str, measure: Callable[[], Any], report: Callable[[Any], None], draw: Callable[[Any, Any, Path], None]
) -> None:
    """Measure on one core, print, and draw into --out (benchmarks/results if not given)."""
    parser = argparse.ArgumentParser(
        description=f"The published case {name!r}: its figures beside ours, and a picture."
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the picture")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    found = measure()
    report(found)
    picture(name, found, draw, out)


def picture(name: str, found: Any, draw: Callable[[Any, Any, Path], None], out: Path) -> None:
    """Draw what was found into a folder, where matplotlib is there."""
    try:
        import matplotlib
    except ImportError:
        print("  No picture: it needs matplotlib, which pip install 'backtester[plots]' brings.")
        return
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    style = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10}
    out.mkdir(parents=True, exist_ok=True)
    with plt.rc_context({**style, "figure.dpi": 110, "legend.frameon": False}):
        draw(plt, found, out / f"{name}.png")
    print(f"  Picture: {out / f'{name}.png'}")
