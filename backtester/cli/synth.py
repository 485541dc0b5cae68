"""``data synth``: a market that nobody traded, as a dataset folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

SHARE = "Share of the symbols that "


def synth(
    out: Annotated[Path, typer.Option(metavar="DIR", help="The dataset's folder.")],
    symbols: Annotated[int, typer.Option(help="At least 2.")] = 100,
    sessions: Annotated[int, typer.Option(help="At least 2, every weekday.")] = 756,
    seed: Annotated[int, typer.Option(help="Of the random numbers.")] = 0,
    kind: Annotated[str, typer.Option(help="linear, interactions, order or noise: what the score is made of.")] = (
        "linear"
    ),
    rank_ic: Annotated[float, typer.Option(help="Mean rank correlation of the score with the next return.")] = 0.03,
    start: Annotated[str, typer.Option(metavar="DATE", help="First possible session.")] = "2015-01-02",
    regimes: Annotated[float, typer.Option(help="Calm and turbulent times: 0 none, 1 usual, up to 2.")] = 1.0,
    tails: Annotated[float, typer.Option(help="Of the symbols' own moves: 0 normal, up to 0.2.")] = 0.12,
    listings: Annotated[float, typer.Option(help=SHARE + "are listed later.")] = 0.08,
    endings: Annotated[float, typer.Option(help=SHARE + "end early.")] = 0.08,
    splits: Annotated[float, typer.Option(help=SHARE + "split.")] = 0.15,
    payers: Annotated[float, typer.Option(help=SHARE + "pay dividends.")] = 0.5,
    missing: Annotated[float, typer.Option(help="Share of the bars that are missing.")] = 0.0005,
    members: Annotated[float, typer.Option(help=SHARE + "are in the universe at a time.")] = 1.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a dataset at --out.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Make up a market from a seed, with a score that is known to foretell it, and write it as a dataset."""
    from backtester.cli.output import print_json
    from backtester.market.synthetic_files import write_synthetic

    report = write_synthetic(
        out,
        overwrite=overwrite,
        symbols=symbols,
        sessions=sessions,
        seed=seed,
        kind=kind,
        rank_ic=rank_ic,
        start=start,
        regimes=regimes,
        tails=tails,
        listings=listings,
        endings=endings,
        splits=splits,
        payers=payers,
        missing=missing,
        members=members,
    )
    if as_json:
        print_json(dataclasses.asdict(report))
    else:
        typer.echo(report.summary())
