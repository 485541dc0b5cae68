"""From a checked config to a finished run on disk."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backtester.cli.config import Config, is_file_class
from backtester.cli.loading import build, load_class, takes
from backtester.cli.scores import read_scores
from backtester.cli.toml import to_toml
from backtester.errors import BacktesterError, DataError, RunError, StrategyError

if TYPE_CHECKING:
    from backtester.market.panel import Panel
    from backtester.result import Result
    from backtester.strategy import Strategy

CONFIG = "config.toml"


def run_config(config: Config, tell: Callable[[str], object] | None = None) -> Result:
    """Run what a config describes.

    The settings of a run with ``[scores]`` hold under ``scores_file`` the name of the file, the SHA-256 of its bytes
    and how many of its scores are known and lie in the panel, so other scores are another run.

    Args:
        config: what to run.
        tell: called with lines for the reader: what was left out.

    Raises:
        BacktesterError: in the config, the data, the scores or the strategy; mistakes of the config are named by line.
    """
    import backtester as bt

    strategy = load_strategy(config)  # the quickest to fail comes first
    given = None if config.scores is None else read_scores(config.path("scores"))
    panel, planted = load_data(config)
    scores = planted
    extra: dict[str, Any] = {}
    notes = list(config.notes)
    if given is not None:
        scores, left_out = given.fit(panel)
        notes += left_out
        known = int(scores.notna().to_numpy().sum())
        extra = {"scores_file": {"name": given.file.name, "sha256": given.sha256, "known": known}}
    for line in notes:
        if tell is not None:
            tell(line)
    try:
        result = bt.run(
            panel,
            strategy,
            scores=scores,
            cash=config.run.cash,
            costs=config.costs,
            risk=config.risk,
            execution=config.execution,
            name=config.name,
        )
    except StrategyError as error:
        if scores is None and "scores" in str(error):
            hint = 'In a config: [scores] path = "scores.parquet", a file with the columns date, symbol and score.'
            raise StrategyError(f"{error} {hint}") from error
        raise
    return dataclasses.replace(result, settings=result.settings | extra)


def load_strategy(config: Config) -> Strategy:
    """The strategy of a config, with ``[run] seed`` if it takes a seed and has none of its own."""
    from backtester.strategy import Strategy

    def complain(key: str | None, message: str) -> BacktesterError:
        return config.places.error(("strategy", key or "class"), message)

    name = config.strategy.class_name
    file = config.places.path(("strategy", "class"), name.rpartition(":")[0]) if is_file_class(name) else None
    kind = load_class(name, Strategy, complain, file)
    arguments = config.strategy.arguments
    if config.run.seed is not None and "seed" not in arguments and takes(kind, "seed"):
        arguments["seed"] = config.run.seed
    return build(kind, arguments, complain)


def load_data(config: Config) -> tuple[Panel, Any]:
    """The panel of a config, and the scores that come with it if it is synthetic."""
    import backtester as bt

    data = config.data
    if data.synthetic is None:
        path = config.path("data")
        try:
            return bt.load_panel(path, data.start, data.end, basis=data.basis), None
        except DataError as error:
            about = ("data",) if path.exists() else ("data", "path")
            raise config.places.error(about, str(error)) from error

    def complain(key: str | None, message: str) -> BacktesterError:
        return config.places.error(("data", "synthetic", *([key] if key else [])), message)

    market = build(bt.synthetic, data.synthetic, complain)
    try:
        panel = market.panel.between(data.start, data.end) if data.start or data.end else market.panel
    except DataError as error:
        raise config.places.error(("data",), str(error)) from error
    kept = (market.panel.dates >= panel.dates[0]) & (market.panel.dates <= panel.dates[-1])
    return panel, market.score[kept]


def check_place(out: Path, overwrite: bool = False) -> None:
    """Fail before the run rather than after it, where a folder could not take one anyway.

    Raises:
        RunError: the folder is a file, holds a run that may not be replaced or something that is no run, or cannot be
            made.
    """
    if out.is_dir():
        if (out / "run.json").is_file():
            if not overwrite:
                raise RunError(f"{out} holds a run already. Choose another folder, or replace it with --overwrite.")
        elif any(out.iterdir()):
            raise RunError(f"{out} holds no run, so it is not written to. Choose another folder.")
    elif os.path.lexists(out):
        raise RunError(f"{out} is no folder, so no run can be written there. Choose another place.")
    check_runs(out.absolute().parent)


def check_runs(folder: Path) -> None:
    """Fail before a run, where its folder could not be made inside this one.

    Raises:
        RunError: it is no folder and cannot become one, or may not be written to.
    """
    there = folder.absolute()
    while not os.path.lexists(there):
        there = there.parent
    if not there.is_dir():
        raise RunError(f"No run can be written to {folder}: {there} is no folder. Choose another place.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise RunError(f"No run can be written to {folder}: {there} may not be written to. Choose another place.")


def save_run(
    result: Result, runs: Path, *, out: Path | None = None, overwrite: bool = False, config: Config | None = None
) -> tuple[Path, bool]:
    """Save a run, unless the same one is there already.

    Args:
        result: the run.
        runs: the folder of runs; the run gets a folder there named after it and its content hash.
        out: the run's own folder, in place of one in `runs`.
        overwrite: whether another run that stands at `out` may be replaced.
        config: written beside it as ``config.toml``, with every default spelt out and paths from its new place.

    Returns:
        The folder, and whether it is new.

    Raises:
        RunError: the folder holds something else, or cannot be written.
    """
    if out is None:
        out = runs / f"{_file_name(result.name)}-{result.content_hash[:8]}"
        if out.exists() and not _holds(out, result):  # the same orders, made under other settings
            out = out.with_name(f"{out.name}-{result.record_hash[:8]}")
    if _holds(out, result):
        return out, False
    extra = {} if config is None else {CONFIG: to_toml(config.resolved(out.absolute()))}
    result.save(out, overwrite=overwrite, extra=extra)
    return out, True


def _holds(folder: Path, result: Result) -> bool:
    """Whether a folder holds this very run, by its name and hashes."""
    try:
        found = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        hashes = found["hashes"]
        return (hashes["content"], hashes["record"]) == (result.content_hash, result.record_hash)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _file_name(name: str) -> str:
    """A name without what a file system may refuse."""
    return "".join(c if c.isalnum() or c in "._-" else "-" for c in name).strip(".-") or "run"
