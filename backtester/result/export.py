"""A finished run as Parquet files that other libraries read: the forms of `interchange`, and plain tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from backtester.engine import types as t
from backtester.errors import ConfigError, RunError, did_you_mean
from backtester.market.panel import Panel
from backtester.market.store import package_version, written_whole
from backtester.metrics.returns import fraction
from backtester.result import interchange as forms
from backtester.result.record import Result

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = ("pyfolio", "quantstats", "parquet", "alphalens")
NOTE = "export.json"


def export(
    result: Result,
    folder: str | Path,
    formats: Sequence[str] | None = None,
    *,
    panel: Panel | None = None,
    scores: Any = None,
    periods: Sequence[int] = forms.PERIODS,
    quantiles: int = forms.QUANTILES,
    overwrite: bool = False,
) -> list[Path]:
    """Write a run as Parquet files for other libraries, into a folder of their own: all of them, or none.

    | format | files |
    |---|---|
    | ``pyfolio`` | ``pyfolio_returns``, ``pyfolio_positions``, ``pyfolio_transactions``: `pyfolio`, ``date`` a column |
    | ``quantstats`` | ``quantstats``: ``date``, ``returns`` and, where there is one, ``benchmark`` |
    | ``parquet`` | ``returns`` (``date``, ``return``, ``equity``, ``cash``, ``benchmark``), ``positions`` (``date``, |
    | | ``symbol``, ``shares``, ``price``, ``value``, ``weight``; a row a position at a close), ``fills``, ``trades``, |
    | | ``events``: the tables of `Result` with plain dates |
    | ``alphalens`` | ``alphalens``: `alphalens`, the index two columns |

    Beside them lies ``export.json``, which names the run, its hashes and the files. docs/interchange.md has the lines
    that read each of them.

    Args:
        result: the run.
        folder: where to write; it must not exist, or be empty.
        formats: which of the above; None: all, without ``alphalens`` where no scores are known.
        panel: the market data, where `result` does not have them; only ``quantstats`` does without.
        scores: what the strategy was shown, where `result` does not have them; for ``alphalens`` alone.
        periods: of `alphalens`, as is `quantiles`. Its `fill` is that of the run.
        quantiles: see there.
        overwrite: replace an earlier export that stands there. Anything else is never replaced.

    Returns:
        The files, `export.json` last.

    Raises:
        ConfigError: a format is unknown.
        RunError: what a format needs is not known, or the folder holds something else or cannot be written.
    """
    shown = result.scores if scores is None else scores
    chosen = _chosen(formats, shown is not None)
    target = check_target(Path(folder), overwrite)
    tables: dict[str, pa.Table] = {}
    if "quantstats" in chosen:
        tables["quantstats"] = _table(_beside(result))
    if needs_market(chosen):
        market = forms.market_of(result, panel)
        if "pyfolio" in chosen:
            tables |= {
                f"pyfolio_{name}": _table(table) for name, table in forms.pyfolio(result, market)._asdict().items()
            }
        if "parquet" in chosen:
            tables |= {name: _plain(table) for name, table in _plain_tables(result, market).items()}
        if "alphalens" in chosen:
            fill = result.settings["execution"]["fill"]
            found = forms.alphalens(market, shown, periods=periods, quantiles=quantiles, fill=fill)
            tables["alphalens"] = _table(found)
    names = [f"{name}.parquet" for name in tables]
    note = {
        "backtester_export": 1,
        "run": result.name,
        "content_hash": result.content_hash,
        "record_hash": result.record_hash,
        "backtester": package_version(),
        "formats": chosen,
        "files": names,
    }
    _write(target, dict(zip(names, tables.values(), strict=True)), note, overwrite)
    return [target / name for name in (*names, NOTE)]


def _beside(result: Result) -> pd.DataFrame:
    """The returns of a run, and those of its benchmark."""
    columns = {"returns": forms.quantstats(result)}
    benchmark = forms.quantstats_benchmark(result)
    return pd.DataFrame(columns if benchmark is None else columns | {"benchmark": benchmark})


def _plain_tables(result: Result, panel: Panel) -> dict[str, pd.DataFrame]:
    """The tables of the format ``parquet`` by name."""
    ledger = result.tape.ledger
    equity = ledger[:, t.L_EQUITY]
    returns = _beside(result).rename(columns={"returns": "return"})
    returns.insert(1, "equity", equity)
    returns.insert(2, "cash", ledger[:, t.L_CASH])
    shares, marks = result.positions.to_numpy(), forms.marks(panel, len(equity))
    rows, columns = np.nonzero(shares)
    held, price = shares[rows, columns], marks[rows, columns]
    positions = pd.DataFrame(
        {
            "symbol": pd.array([result.symbols[k] for k in columns], dtype="str"),
            "shares": held,
            "price": price,
            "value": held * price,
            "weight": fraction(held * price, equity[rows]),
        },
        index=forms.days(result.dates[rows]),
    )
    fills, events = (table.set_index("date") for table in (result.fills, result.events))
    trades = result.trades.set_index("symbol")
    return {"returns": returns, "positions": positions, "fills": fills, "trades": trades, "events": events}


def _table(table: pd.DataFrame | pd.Series) -> pa.Table:
    """A table with its index as columns, and nothing in it that only one version of pandas reads."""
    import pyarrow as pa

    frame = table.to_frame() if isinstance(table, pd.Series) else table
    return pa.Table.from_pandas(frame.reset_index(), preserve_index=False).replace_schema_metadata(None)


def _plain(table: pd.DataFrame) -> pa.Table:
    """The same with days as days."""
    import pyarrow as pa

    made = _table(table)
    kinds = [pa.field(f.name, pa.date32() if pa.types.is_timestamp(f.type) else f.type) for f in made.schema]
    return made.cast(pa.schema(kinds))


def check_formats(formats: Sequence[str] | None) -> None:
    """Raise ConfigError unless all of these are formats, and there is one. None is all of them."""
    for name in formats or ():
        if name not in FORMATS:
            raise ConfigError(
                f"format is {name!r}; it must be one of {', '.join(FORMATS)}.{did_you_mean(name, FORMATS)}"
            )
    if formats is not None and not len(formats):
        raise ConfigError(f"formats is empty; name at least one of {', '.join(FORMATS)}.")


def needs_market(formats: Sequence[str] | None) -> bool:
    """Whether any of these formats, None being all, needs the market data of the run."""
    return formats is None or any(name != "quantstats" for name in formats)


def _chosen(formats: Sequence[str] | None, scored: bool) -> list[str]:
    """The formats to write, each once, in the order of `FORMATS`."""
    asked = [formats] if isinstance(formats, str) else formats
    check_formats(asked)
    if asked is None:
        return [name for name in FORMATS if scored or name != "alphalens"]
    if "alphalens" in asked and not scored:
        raise RunError("alphalens looks at scores, and those of this run are not known. Pass them (scores=, --scores).")
    return [name for name in FORMATS if name in asked]


def check_target(folder: Path, overwrite: bool) -> Path:
    """The folder with links followed. RunError unless it is new, empty, or an export that may be replaced."""
    target = folder.resolve()
    if target.exists() and not target.is_dir():
        raise RunError(f"{folder} is a file; choose a folder for the export.")
    if not target.exists() or not any(target.iterdir()):
        return target
    own = _own_files(target)
    others = sorted(path.name for path in target.iterdir() if path.name not in own)
    if not own or others:
        named = f": {', '.join(others[:3])}{', ...' if others[3:] else ''}"
        raise RunError(f"{folder} holds something that is no export{named}. It is left alone; choose another folder.")
    if not overwrite:
        raise RunError(
            f"{folder} holds an export already. Choose another folder, or allow overwriting (overwrite=True, "
            "--overwrite)."
        )
    return target


def _own_files(folder: Path) -> set[str]:
    """The files of the export that a folder holds; none if it holds none."""
    try:
        note = json.loads((folder / NOTE).read_text(encoding="utf-8"))
        return {NOTE, *note["files"]} if note["backtester_export"] else set()
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _write(target: Path, tables: dict[str, pa.Table], note: dict[str, Any], overwrite: bool) -> None:
    import pyarrow.parquet as pq

    try:
        with written_whole(target, replace=overwrite) as fresh:
            for name, table in tables.items():
                pq.write_table(table, fresh / name, compression="zstd")
            (fresh / NOTE).write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8", newline="\n")
    except OSError as error:
        raise RunError(f"Cannot write an export to {target}: {error.strerror or error}.") from error
