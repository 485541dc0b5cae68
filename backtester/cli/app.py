"""The commands. Each one only reads what was typed, calls the library and prints.

Whatever is heavy is imported inside the command that needs it. An error that the package raises on purpose is printed
as one message; any other one is a mistake of ours and keeps its traceback. Both end with exit code 1, and a command
that was typed wrong with 2. With ``--json`` a command prints one JSON value on standard output and nothing else there.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from backtester.cli import data
from backtester.cli.exporting import export
from backtester.cli.finding import RUNS
from backtester.cli.group import Commands

SET = "Replace a setting of the file; may be repeated. Another strategy.class drops the file's other [strategy] keys."
RUN = "A run's folder, its name in runs/, or the beginning of the name."

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

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
new = typer.Typer(help="Files to start from.", no_args_is_help=True)
app.add_typer(data.app, name="data")
app.add_typer(new, name="new")
app.command()(export)


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
    as_json: AsJson = False,
) -> None:
    """Run a backtest as a config describes it, print its summary and save it."""
    from backtester.cli.benching import count_run
    from backtester.cli.config import read_config
    from backtester.cli.logged import told_log
    from backtester.cli.output import print_json
    from backtester.cli.progress import progress
    from backtester.cli.running import PAGE, make_run
    from backtester.cli.saving import check_place, check_runs, save_run
    from backtester.report import print_summary, summarise

    checked = read_config(config, settings or [])
    if out is not None:
        check_place(out, overwrite)
    else:
        check_runs(RUNS)
    notes: list[str] = []
    try:
        with told_log(), progress() as draw:
            made = count_run(make_run(checked, notes.append, draw), checked, RUNS if out is None else out.parent)
    except KeyboardInterrupt as error:
        kept = checked.checkpoints is not None
        again = "; the same command goes on from what was kept" if kept else ""
        typer.secho(f"Interrupted{again}.", fg="yellow", err=True)
        raise typer.Exit(130) from error
    finally:
        for line in notes:
            typer.secho(f"Note: {line}\n", fg="yellow", err=as_json)
    if not as_json:
        print_summary(made.result, dataset=checked.dataset)
    folder, is_new = save_run(made, RUNS, out=out, overwrite=overwrite, config=checked)
    if as_json:
        print_json({"folder": str(folder), "new": is_new, "page": str(folder / PAGE), **summarise(made.result)})
    else:
        where = f"saved to {folder}" if is_new else f"the same run is in {folder} already"
        typer.echo(f"\n{where}; its page is {folder / PAGE}")


@app.command()
def bench(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A config file with a section [bench].")],
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help=SET)] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the bench [runs/NAME-bench-HASH].")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace another bench at --out.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run signal variants side by side, and say which differences are real."""
    from backtester.cli.benching import check_bench_place, make_bench, save_bench
    from backtester.cli.logged import told_log
    from backtester.cli.output import print_json
    from backtester.cli.progress import progress
    from backtester.cli.running import PAGE
    from backtester.cli.saving import check_runs
    from backtester.cli.variants import read_bench
    from backtester.report.leaderboard import print_bench

    checked = read_bench(config, settings or [])
    if out is not None:
        check_bench_place(out, overwrite)
    else:
        check_runs(RUNS)
    ledger = RUNS if out is None else out.parent
    notes: list[str] = []
    try:
        with told_log(), progress() as draw:
            made = make_bench(checked, ledger, notes.append, draw)
    except KeyboardInterrupt as error:
        typer.secho("Interrupted; the same command goes on from what was trained.", fg="yellow", err=True)
        raise typer.Exit(130) from error
    finally:
        for line in notes:
            typer.secho(f"Note: {line}\n", fg="yellow", err=as_json)
    folder, is_new = save_bench(made, checked, RUNS, out, overwrite)
    if as_json:
        print_json({"folder": str(folder), "new": is_new, "page": str(folder / PAGE), **made.facts})
        return
    print_bench(made.facts)
    where = f"saved to {folder}" if is_new else f"the same bench is in {folder} already"
    typer.echo(f"\n{where}; its page is {folder / PAGE}")


@app.command()
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help=RUN)],
    png: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the charts as PNG too, into this folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the summary of a saved run or bench, and draw its page again."""
    from backtester.cli.finding import find_bench
    from backtester.cli.reporting import report_bench, report_run

    folder = find_bench(run)
    if folder is not None:
        report_bench(folder, png, as_json)
    else:
        report_run(run, png, as_json)


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help=RUN)],
    as_json: AsJson = False,
) -> None:
    """Show saved runs side by side: figures, settings that differ, and which differences are real."""
    from backtester.cli.finding import find_run, load_runs
    from backtester.cli.output import print_json
    from backtester.cli.reporting import read_study
    from backtester.report.compare import compare, print_comparison

    if len(runs) < 2:
        raise typer.BadParameter(f"{runs[0]} alone cannot be compared. Name two runs or more.", param_hint="RUN")
    results, names = load_runs(runs)
    studies = [read_study(find_run(run)) for run in runs]
    if as_json:
        print_json(compare(results, names, studies))
    else:
        print_comparison(results, names, studies=studies)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the runs.")] = RUNS,
    seed: Annotated[int, typer.Option(min=0, help="Of the random market.")] = 7,
) -> None:
    """Train networks and a linear model on a synthetic market, trade each and a rule: no data, no network."""
    from rich.console import Console

    from backtester.cli.demo import run_demo

    run_demo(seed, out, Console())


@app.command("list")
def list_(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Folder of runs.", show_default=True)] = RUNS,
    as_json: AsJson = False,
) -> None:
    """List the runs and benches in a folder with their main figures, the newest last."""
    from backtester.cli.listing import list_benches, list_runs, print_benches, print_runs
    from backtester.cli.output import print_json

    rows, benches = list_runs(folder), list_benches(folder)
    if as_json:
        print_json([*rows, *benches])
        return
    if rows:
        print_runs(rows)
    if benches:
        print_benches(benches, after=bool(rows))
    if not rows and not benches:
        typer.echo(f"no runs in {folder}")


@new.command()
def strategy(
    name: Annotated[str, typer.Argument(help="Such as mean_reversion.")],
    folder: Annotated[Path, typer.Option("--dir", metavar="DIR", help="Where to write.")] = Path(),
) -> None:
    """Write a small strategy that works, and a config that runs it."""
    from backtester.cli.scaffold import new_strategy

    source, config = new_strategy(name, folder)
    typer.echo(f"wrote {source} and {config}; try\n\n    python -m backtester run {config}")


@new.command()
def signal(
    name: Annotated[str, typer.Argument(help="Such as slow_trend.")],
    folder: Annotated[Path, typer.Option("--dir", metavar="DIR", help="Where to write.")] = Path(),
) -> None:
    """Write a small signal that learns, and a config that trains it fold by fold and trades its scores."""
    from backtester.cli.scaffold import new_signal

    source, config = new_signal(name, folder)
    typer.echo(f"wrote {source} and {config}; try\n\n    python -m backtester run {config}")


def main() -> None:
    """Run the command line. Modules of the current folder can be named in configs, as with ``python -m``."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    app(prog_name="backtester")
