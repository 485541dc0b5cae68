"""Files of bars as vendors write them, and their way through an import."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from backtester.market.dataset import load_panel
from backtester.market.ingest import ImportReport, import_files
from backtester.market.panel import Panel

HEADER = "date,symbol,open,high,low,close,volume"
# Names that a reader that guesses types would lose.
TRICKY = ["1E5", "NA", "NULL", "TRUE", "nan"]
DAYS = [f"2020-01-{day:02d}" for day in range(2, 12)]


def write(path: Path, *lines: str) -> Path:
    """A text file of these lines."""
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def bars(path: Path, *lines: str) -> Path:
    """A file of bars with the usual header."""
    return write(path, HEADER, *lines)


def quarantined(folder: Path) -> list[tuple[str, str, int, str]]:
    """What was set aside: table, file, row and reason."""
    with (folder / "quarantine.csv").open(newline="", encoding="utf-8") as stream:
        return [(row["table"], row["file"], int(row["row"]), row["reason"]) for row in csv.DictReader(stream)]


def imported(tmp_path: Path, *files: Path, **more: Any) -> tuple[ImportReport, Panel]:
    """The report of an import and the panel that comes of it."""
    report = import_files(list(files), tmp_path / "out", **({"basis": "as_traded"} | more))
    return report, load_panel(tmp_path / "out")


PLAIN = ["2020-01-02,A,10,11,9,10.5,100", "2020-01-02,B,20,21,19,20.5,200", "2020-01-03,A,10.5,11,10,11,0"]


def lines(*symbols: str) -> list[str]:
    """A bar a day of some symbols."""
    return [f"{day},{symbol},10,11,9,{10 + k / 10},100" for k, day in enumerate(DAYS) for symbol in symbols]
