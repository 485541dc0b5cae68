"""``data import``: what was typed, as the arguments of `import_files`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backtester.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from backtester.market.extras import Extra

_FILES = "Files, folders or patterns of bars: CSV (also .gz), Parquet, .zip; long, a file a symbol, or wide."
_LAG = (
    "When extra columns were known. A number: calendar days after the dates of the --extra files. FILE=DAYS: for one "
    "of them. COLUMN=SESSIONS: for a column of the bars. May be repeated."
)


def import_(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help=_FILES)],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The dataset's folder.")],
    basis: Annotated[str, typer.Option(metavar="BASIS", help="as_traded, split_adjusted or total_return.")],
    actions: Annotated[Path | None, typer.Option(metavar="FILE", help="date, symbol, split, dividend.")] = None,
    sectors: Annotated[Path | None, typer.Option(metavar="FILE", help="symbol, sector.")] = None,
    members: Annotated[Path | None, typer.Option(metavar="FILE", help="symbol, start, end: the universe.")] = None,
    ends: Annotated[Path | None, typer.Option(metavar="FILE", help="symbol, end, delisting_return.")] = None,
    extra: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="date, symbol and further columns, such as fundamentals; may be repeated."),
    ] = None,
    lag: Annotated[list[str] | None, typer.Option(metavar="LAG", help=_LAG)] = None,
    carry: Annotated[
        int | None, typer.Option(metavar="SESSIONS", help="How long a value of --extra stands [until the next one].")
    ] = None,
    layout: Annotated[
        str | None, typer.Option(metavar="LAYOUT", help="long, per-symbol or wide, where it is not clear.")
    ] = None,
    dates: Annotated[str | None, typer.Option(metavar="ORDER", help="dmy or mdy, where it is not clear.")] = None,
    decimal: Annotated[str, typer.Option(metavar="MARK", help="What separates decimals, . or ,")] = ".",
    close_only: Annotated[bool, typer.Option("--close-only", help="There are no opens and no volumes.")] = False,
    assume_volume: Annotated[
        float | None, typer.Option(metavar="SHARES", help="Volume of every bar, when the files have none.")
    ] = None,
    exchange: Annotated[
        str | None, typer.Option(metavar="NAME", help="Check sessions against its calendar, such as XNYS.")
    ] = None,
    no_check: Annotated[bool, typer.Option("--no-check", help="Leave the check of the data out.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a dataset at --out.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Import files of daily bars into a dataset, and check them."""
    from backtester.cli.output import print_json
    from backtester.cli.progress import progress
    from backtester.market.ingest import import_files
    from backtester.market.store import check_target

    check_target(out, overwrite)
    extras, lags = read_lags(extra or [], lag or [], carry)
    with _ended_in_order(), progress() as tell:
        report = import_files(
            files,
            out,
            basis=basis,
            actions=actions,
            sectors=sectors,
            members=members,
            ends=ends,
            extra=extras,
            lags=lags,
            layout=layout,
            dates=dates,
            decimal=decimal,
            close_only=close_only,
            assume_volume=assume_volume,
            exchange=exchange,
            check=not no_check,
            overwrite=overwrite,
            progress=tell,
        )
    if as_json:
        print_json(report.to_json())
    else:
        typer.echo(report.summary())


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """While the work lasts, being told to end is an exit as any other, which leaves nothing half done behind."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def read_lags(
    files: Sequence[Path], given: Sequence[str], carry: int | None = None
) -> tuple[list[Extra], dict[str, int]]:
    """The extra files with their lags in calendar days, and the lags of the bars' columns in sessions.

    Raises:
        ConfigError: A lag is no whole number, 0 or more, a file has none, there is nothing that it could be for, or it
            may be for several things.
    """
    from backtester.market.extras import Extra

    names: dict[str, set[Path]] = {}
    for path in files:
        for form in (str(path), path.name):
            names.setdefault(form, set()).add(path)
    stems = {path.name.split(".")[0]: path.name for path in files}
    of_all: int | None = None
    of_file: dict[Path, int] = {}
    of_column: dict[str, int] = {}
    for text in given:
        name, _, number = text.rpartition("=")
        if not (number.isascii() and number.isdigit()):
            raise ConfigError(
                f"--lag {text}: {number or 'nothing'!r} is no whole number, 0 or more. Write --lag 45, --lag FILE=45 "
                "(calendar days), or --lag COLUMN=1 (sessions)."
            )
        if len(names.get(name, ())) > 1:
            both = " and ".join(map(str, sorted(names[name])))
            raise ConfigError(f"--lag {text} may be for {both}; write the path of the one that is meant.")
        if name not in names and name in stems:
            raise ConfigError(
                f"--lag {text} may be for the file {stems[name]} or for a column {name!r} of the bars. Write --lag "
                f"{stems[name]}={number} for the file; for the column, give the file another name."
            )
        told = of_file.keys() & names.get(name, set()) or name in of_column or (not name and of_all is not None)
        if told:
            raise ConfigError(f"--lag {text}: a lag of {name or 'all --extra files'} is stated already; say it once.")
        if name in names:
            of_file[next(iter(names[name]))] = int(number)
        elif name:
            of_column[name] = int(number)
        elif not files:
            raise ConfigError(
                f"--lag {text} is for files given with --extra, and there is none. For a column of the bars write "
                f"--lag COLUMN={number}."
            )
        else:
            of_all = int(number)
    out = []
    for path in files:
        days = of_file.get(path, of_all)
        if days is None:
            hint = did_you_mean(path.name, of_column)
            raise ConfigError(
                f"--extra {path}: say how many calendar days after its dates its values were public, with --lag DAYS "
                f"or --lag {path.name}=DAYS; 0 if the dates are those of publication.{hint}"
            )
        out.append(Extra(path, days, carry))
    if carry is not None and not files:
        raise ConfigError("--carry is for files given with --extra, and there is none.")
    return out, of_column
