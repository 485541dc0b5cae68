"""What was saved, shown again: on the screen, as a page, as pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from backtester.cli.finding import BENCH, dataset_of, find_run, tell_damage
from backtester.cli.output import print_json
from backtester.cli.running import PAGE, STUDY
from backtester.errors import RunError


def report_run(written: Path, png: Path | None, as_json: bool) -> None:
    """Print the summary of a run, and write its page where it is missing or of another version.

    Raises:
        RunError: there is no such run, or it is damaged.
    """
    from backtester.report import print_summary, summarise
    from backtester.report.page import run_charts, run_page
    from backtester.result import Result

    folder = find_run(written)
    result = Result.load(folder)
    tell_damage([folder])
    study, dataset = read_study(folder), dataset_of(folder)
    page = _write(folder, run_page(result, study, dataset))
    pictures = [] if png is None else _pictures(run_charts(result, study), png)
    if as_json:
        print_json({"folder": str(folder), **_files(page, pictures), **summarise(result)})
        return
    print_summary(result, dataset=dataset)
    _tell(page, pictures)


def report_bench(folder: Path, png: Path | None, as_json: bool) -> None:
    """Print the leaderboard of a bench, and write its page again.

    Raises:
        RunError: it is damaged.
    """
    from backtester.report.leaderboard import print_bench
    from backtester.report.page import bench_charts, bench_page

    facts = read_bench_facts(folder)
    page = _write(folder, bench_page(facts))
    pictures = [] if png is None else _pictures(bench_charts(facts), png)
    if as_json:
        print_json({"folder": str(folder), **_files(page, pictures), **facts})
        return
    print_bench(facts)
    _tell(page, pictures)


def read_study(folder: Path) -> dict[str, Any] | None:
    """The study of a run; None where there is none, such as of a run that was made in Python."""
    path = folder / STUDY
    if not path.is_file():
        return None
    return _read(path)


def read_bench_facts(folder: Path) -> dict[str, Any]:
    """What was found in a bench.

    Raises:
        RunError: it is damaged, or of another version.
    """
    from backtester.research.verdict import FORMAT

    facts = _read(folder / BENCH)
    if facts.get("format") != FORMAT:
        raise RunError(
            f"{folder / BENCH} has format {facts.get('format')!r}; this version reads {FORMAT}. Bench again."
        )
    return facts


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is damaged ({error}). Run it again.") from error
    if not isinstance(found, dict):
        raise RunError(f"{path} is damaged: it is no JSON object. Run it again.")
    return found


def _write(folder: Path, page: str) -> str:
    """Write a page into a folder, if that may be written to; its path, or nothing."""
    path = folder / PAGE
    try:
        fresh = path.with_name(f".{path.name}.new")
        fresh.write_text(page, encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        typer.secho(f"Note: the page cannot be written to {path}: {error.strerror or error}.\n", fg="yellow", err=True)
        return str(path) if path.is_file() else ""
    return str(path)


def _pictures(charts: Any, folder: Path) -> list[str]:
    from backtester.report.page import write_pngs

    return [str(path) for path in write_pngs(charts, folder)]


def _files(page: str, pictures: list[str]) -> dict[str, Any]:
    """What was written, for programs."""
    return {"page": page} | ({"pictures": pictures} if pictures else {})


def _tell(page: str, pictures: list[str]) -> None:
    if page:
        typer.echo(f"\nits page is {page}")
    if pictures:
        typer.echo(f"{len(pictures)} pictures in {Path(pictures[0]).parent}")
