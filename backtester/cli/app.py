"""The commands. Each one only reads what was typed, calls the library and prints.

Whatever is heavy is imported inside the command that needs it. An error that the package raises on purpose is printed
as one message; any other one is a mistake of ours and keeps its traceback. Both end with exit code 1, and a command
that was typed wrong with 2.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from backtester.errors import BacktesterError, DataError

RUNS = Path("runs")
SET = "Replace a setting of the file; may be repeated. Another strategy.class drops the file's other [strategy] keys."


class Commands(TyperGroup):
    """Prints the package's own errors as one message, and understands ``--debug`` anywhere on the line."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take ``--debug`` out of the arguments."""
        ctx.obj = "--debug" in args
        return super().parse_args(ctx, [argument for argument in args if argument != "--debug"])

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BacktesterError as error:
            if ctx.obj:
                raise
            typer.secho("Error: ", fg="red", bold=True, err=True, nl=False)
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from error


app = typer.Typer(
    name="backtester",
    cls=Commands,
    help="Backtests of ranked long-short strategies on daily bars.",
    epilog="--debug, anywhere on the line, shows the traceback of an error.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
data = typer.Typer(help="Datasets: from files of prices to folders that can be run on.", no_args_is_help=True)
new = typer.Typer(help="Files to start from.", no_args_is_help=True)
app.add_typer(data, name="data")
app.add_typer(new, name="new")


def _print_version(wanted: bool) -> None:
    if wanted:
        from backtester import __version__

        typer.echo(f"backtester {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None: ...


@app.command()
def run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A config file, TOML.")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help=SET),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the run [runs/NAME-HASH].")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace another run at --out.")] = False,
) -> None:
    """Run a backtest as a config describes it, print its summary and save it."""
    from backtester.cli.config import read_config
    from backtester.cli.running import check_place, check_runs, run_config, save_run
    from backtester.report import print_summary

    checked = read_config(config, settings or [])
    if out is not None:
        check_place(out, overwrite)
    else:
        check_runs(RUNS)
    result = run_config(checked, lambda line: typer.secho(f"Note: {line}\n", fg="yellow"))
    print_summary(result)
    folder, is_new = save_run(result, RUNS, out=out, overwrite=overwrite, config=checked)
    typer.echo(f"\nsaved to {folder}" if is_new else f"\nthe same run is in {folder} already")


@app.command()
def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the runs.")] = RUNS,
    seed: Annotated[int, typer.Option(min=0, help="Of the random market.")] = 7,
) -> None:
    """Run two strategies on a synthetic market: no data, no network."""
    from rich.console import Console

    from backtester.cli.demo import run_demo

    run_demo(seed, out, Console())


@app.command("list")
def list_(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Folder of runs.", show_default=True)] = RUNS,
) -> None:
    """List the runs in a folder with their main figures, the newest last."""
    from rich.console import Console

    from backtester.cli.listing import list_runs

    table = list_runs(folder)
    if table is None:
        typer.echo(f"no runs in {folder}")
    else:
        Console().print(table)


@new.command()
def strategy(
    name: Annotated[str, typer.Argument(help="Such as mean_reversion.")],
    folder: Annotated[Path, typer.Option("--dir", metavar="DIR", help="Where to write.")] = Path(),
) -> None:
    """Write a small strategy that works, and a config that runs it."""
    from backtester.cli.scaffold import new_strategy

    source, config = new_strategy(name, folder)
    typer.echo(f"wrote {source} and {config}; try\n\n    python -m backtester run {config}")


@data.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="CSV (also .gz) or Parquet, a bar a row.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The dataset's folder.")],
    basis: Annotated[str, typer.Option(metavar="BASIS", help="as_traded, split_adjusted or total_return.")],
    actions: Annotated[Path | None, typer.Option(metavar="FILE", help="date, symbol, split, dividend.")] = None,
    sectors: Annotated[Path | None, typer.Option(metavar="FILE", help="symbol, sector.")] = None,
    members: Annotated[Path | None, typer.Option(metavar="FILE", help="symbol, start, end: the universe.")] = None,
    ends: Annotated[Path | None, typer.Option(metavar="FILE", help="symbol, end, delisting_return.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a dataset at --out.")] = False,
) -> None:
    """Import files of daily bars into a dataset."""
    from backtester.market.ingest import import_files
    from backtester.market.store import is_dataset

    if not overwrite and is_dataset(out):
        raise DataError(f"{out} holds a dataset already. Choose another folder, or replace it with --overwrite.")
    report = import_files(
        files,
        out,
        basis=basis,
        actions=actions,
        sectors=sectors,
        members=members,
        ends=ends,
        overwrite=overwrite,
    )
    typer.echo(report.summary())


def main() -> None:
    """Run the command line. Modules of the current folder can be named in configs, as with ``python -m``."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    app(prog_name="backtester")
