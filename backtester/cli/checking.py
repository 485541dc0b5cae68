"""``data check`` and ``data info``: what is wrong with a dataset, and what it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

FOLDER = "A dataset's folder, or one long Parquet file."
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=FOLDER)],
    exchange: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="Compare sessions with this exchange's, such as XNYS (extra [calendar])."),
    ] = None,
    examples: Annotated[int, typer.Option(min=0, help="At most so many of each kind of problem.")] = 5,
    strict: Annotated[bool, typer.Option("--strict", help="End with exit code 1 on warnings too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Report every problem of a dataset, with examples and what to do. Exit code 1 if there are errors."""
    from backtester.cli.output import print_json
    from backtester.cli.progress import progress
    from backtester.market.check import check_dataset

    with progress() as draw:
        report = check_dataset(folder, exchange, examples=examples, progress=draw)
    if as_json:
        print_json(report.to_json())
    else:
        typer.echo("\n".join(report.lines(_width())))
    if report.count("error") or (strict and report.count("warning")):
        raise typer.Exit(1)


def info(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=FOLDER)],
    symbol: Annotated[str | None, typer.Option(metavar="SYMBOL", help="Say what there is of one symbol.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a dataset holds: span, symbols, completeness, actions, members, where it came from."""
    from backtester.cli.output import print_json
    from backtester.market.dataset import load_panel
    from backtester.market.info import describe_dataset, describe_symbol

    facts = describe_dataset(folder) if symbol is None else describe_symbol(load_panel(folder), symbol)
    if as_json:
        print_json(facts.to_json())
    else:
        typer.echo("\n".join(facts.lines(_width())))


def _width() -> int:
    """Columns to fill: those of the terminal, within what reads well; 100 in a pipe."""
    import shutil

    return max(60, min(shutil.get_terminal_size((100, 24)).columns, 120))
