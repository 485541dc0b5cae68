"""``export``: a saved run as files that other libraries read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from backtester.market.panel import Panel
    from backtester.result import Result

_RUN = "A run's folder, its name in runs/, or the beginning of the name."
_FORMATS = "pyfolio, quantstats, parquet or alphalens; may be repeated [all that can be made]."
_DATA = "The dataset that it ran in [that of its config.toml]."
_SCORES = "What the strategy was shown, for alphalens: date, symbol, score [those of the run]."


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help=_RUN)],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder of the export.")],
    formats: Annotated[list[str] | None, typer.Option("--format", metavar="FORMAT", help=_FORMATS)] = None,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help=_DATA)] = None,
    scores: Annotated[Path | None, typer.Option(metavar="FILE", help=_SCORES)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an export at --out.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Write a saved run as Parquet files that pyfolio, QuantStats, alphalens or anything else reads."""
    from backtester.cli.finding import find_run, tell_damage
    from backtester.cli.output import print_json
    from backtester.result import Result
    from backtester.result.export import check_formats, check_target, needs_market
    from backtester.result.export import export as write

    formats = formats or None
    check_formats(formats)
    check_target(out, overwrite)
    folder = find_run(run)
    result = Result.load(folder)
    tell_damage([folder])
    panel = shown = None
    if needs_market(formats):
        panel, shown = market_of(folder, data, result)
        if scores is not None:
            shown = _fitted(scores, panel)
    files = write(result, out, formats, panel=panel, scores=shown, overwrite=overwrite)
    if as_json:
        print_json({"folder": str(out), "files": [file.name for file in files]})
    else:
        typer.echo(f"wrote {', '.join(file.name for file in files)} to {out}")


def market_of(run: Path, data: Path | None, result: Result) -> tuple[Panel, Any]:
    """The market data of a saved run, and the scores that its strategy was shown; None: not known.

    They are looked for where the config.toml in its folder says, or the data in `data`, cut to the run's sessions.

    Raises:
        BacktesterError: the data cannot be read.
        RunError: nothing says where they are.
    """
    import backtester as bt
    from backtester.cli.config import read_config
    from backtester.cli.running import CONFIG, SCORES, load_data
    from backtester.errors import RunError

    config = read_config(run / CONFIG) if (run / CONFIG).is_file() else None
    if config is None and data is None:
        raise RunError(
            f"{run} has no {CONFIG}, being made in Python, so where its market data lie is not known. Name their "
            "dataset: --data DIR."
        )
    planted = None
    if data is not None:
        panel = bt.load_panel(data)
        if result.dates.size:
            panel = panel.between(result.dates[0], result.dates[-1])
    elif config is not None:
        panel, planted = load_data(config)
    if (run / SCORES).is_file():
        return panel, bt.Scores.from_parquet(run / SCORES)
    if config is not None and config.scores is not None:
        return panel, _fitted(config.path("scores"), panel)
    return panel, planted if config is not None and config.signal is None else None


def _fitted(file: Path, panel: Panel) -> Any:
    """The scores of a file that lie in a panel."""
    from backtester.cli.scores import read_scores

    values, _ = read_scores(file).fit(panel)
    return values
