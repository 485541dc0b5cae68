"""``data ...``: datasets, from vendors' files to folders that can be run on."""

from __future__ import annotations

import typer

from backtester.cli.checking import check, info
from backtester.cli.importing import import_
from backtester.cli.synth import synth

app = typer.Typer(help="Datasets: from files of prices to folders that can be run on.", no_args_is_help=True)
app.command("import")(import_)
app.command("check")(check)
app.command("info")(info)
app.command("synth")(synth)
