"""From a checked config to a finished run."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from backtester.cli import noted
from backtester.cli.before import check_run, check_signal, placed
from backtester.cli.config import Config, is_file_class
from backtester.cli.loading import build, load_class, takes
from backtester.cli.progress import Progress
from backtester.cli.scores import read_scores
from backtester.cli.sections import SignalSection, StrategySection
from backtester.cli.settings import named_symbols
from backtester.cli.warned import told_warnings
from backtester.errors import BacktesterError, StrategyError, did_you_mean

if TYPE_CHECKING:
    from backtester.cli.scores import Scores as ScoresFile
    from backtester.folds import Fold
    from backtester.market.panel import Panel
    from backtester.result import Result
    from backtester.scores import Scores
    from backtester.signal import Signal
    from backtester.strategy import Strategy

CONFIG = "config.toml"
SCORES = "scores.parquet"
STUDY = "study.json"
PAGE = "report.html"

Tell = Callable[[str], object]


class Made(NamedTuple):
    """A finished run, the scores that a signal made for it beforehand, and what there is to know of both."""

    result: Result
    scores: Scores | None
    study: dict[str, Any] | None = None  # as `backtester.research.study.run_study` has it


def run_config(config: Config, tell: Tell | None = None, progress: Progress | None = None) -> Result:
    """Run what a config describes; see :func:`make_run`."""
    return make_run(config, tell, progress).result


def make_run(config: Config, tell: Tell | None = None, progress: Progress | None = None) -> Made:
    """Run what a config describes.

    The settings of a run with ``[scores]`` hold under ``scores_file`` the name of the file, the SHA-256 of its bytes
    and how many of its scores are known and lie in the panel, so other scores are another run. Under ``data_check``
    stands what the check of a dataset found, under ``signal_quality`` how well the scores ordered what followed: see
    `backtester.cli.noted`.

    Args:
        config: what to run.
        tell: called with lines for the reader: what was left out, and what a signal has done.
        progress: called as the training of a signal, and then the run, goes on.

    Raises:
        BacktesterError: in the config, the data, the scores, the signal or the strategy; mistakes of the config are
            named by line.
    """
    import backtester as bt
    from backtester.research.study import run_study

    tell = tell or silent
    strategy = load_strategy(config)  # the quickest to fail comes first
    signal = None if config.signal is None else load_signal(config)
    given = None if config.scores is None else read_scores(config.path("scores"))
    panel, planted = load_data(config)
    options: dict[str, Any] = {"scores": planted if signal is None else None}
    extra = notes_of(config, given)
    notes = [*config.notes, *strangers(config, panel)]
    made = None
    if given is not None:
        options["scores"], left_out = given.fit(panel)
        notes += left_out
        extra["scores_file"]["known"] = int(options["scores"].notna().to_numpy().sum())
    for line in notes:
        tell(line)
    check_run(config, panel, strategy)
    plan = [] if signal is None else check_signal(config, panel, signal)
    if signal is not None and config.run.online:
        tell(_online(config, panel, plan))
        options |= {"signal": signal, "folds": config.folds, "online": True, **_options(config)}
    elif signal is not None:
        options["scores"] = made = train(config, panel, signal, tell, progress)
    if progress is not None:
        progress("running" if _is_compiled() else "compiling the engine, once", 0, 0)
    try:
        result = bt.run(
            panel,
            strategy,
            cash=config.run.cash,
            costs=config.costs,
            risk=config.risk,
            execution=config.execution,
            benchmark=config.benchmark,
            name=config.name,
            counterfactual=True,
            progress=progress,
            **options,
        )
    except StrategyError as error:
        if options["scores"] is None and signal is None and "scores" in str(error):
            hint = (
                'In a config: [signal] class = "signals:Momentum" computes them, [scores] path = "scores.parquet" '
                "reads them from a file with the columns date, symbol and score."
            )
            raise StrategyError(f"{error} {hint}") from error
        raise
    scores = options["scores"] if result.scores is None else result.scores
    signal_name = "" if config.signal is None else Path(config.signal.class_name).name  # the same from every folder
    source = signal_name if given is None else given.file.name
    horizon = 1 if signal is None else signal.horizon
    with ThreadPoolExecutor(1) as pool:  # beside the study, as both rank all scores
        told = (panel, scores, horizon, config.execution.fill, source)
        quality = None if scores is None else pool.submit(noted.signal_quality, *told)
        study = run_study(
            result,
            scores,
            horizon=horizon,
            fill=config.execution.fill,
            source=source,
            predicts=None if signal is None else signal.predicts,
        )
    if quality is not None:
        extra["signal_quality"] = quality.result()
    if extra:
        result = dataclasses.replace(result, settings=result.settings | extra)
    return Made(result, made, study)


def notes_of(config: Config, given: ScoresFile | None) -> dict[str, Any]:
    """What is noted of a run beside its settings: the costs' preset, its scores, and the check of its data."""
    extra: dict[str, Any] = _preset(config)
    if given is not None:
        extra["scores_file"] = {"name": given.file.name, "sha256": given.sha256}
        extra["scores_file"] |= {"not_causal": True} if given.not_causal else {}
    if config.data.synthetic is not None:
        return extra | {"synthetic": dict(config.data.synthetic)}
    return extra | {"data_check": noted.data_check(config.path("data"))}


def train(config: Config, panel: Panel, signal: Signal, tell: Tell, progress: Progress | None) -> Scores:
    """The scores of the signal of a config, fold by fold, or from the cache.

    Raises:
        BacktesterError: the folds do not fit the signal or the data (named by line), or the signal failed.
    """
    import backtester as bt
    from backtester import score_cache

    assert config.signal is not None
    with told_warnings() as caught, placed(config, ("signal",)):
        scores = bt.walk_forward(
            panel,
            signal,
            config.folds,
            cache=score_cache.default_folder() if config.signal.cache else None,
            progress=progress,
            **_options(config),
        )
    for line in dict.fromkeys(caught):  # a library may say the same in every fold
        tell(line)
    tell(_trained(config.signal.class_name, scores))
    if scores.from_cache and config.tensorboard is not None:
        tell(
            "Nothing was trained, so nothing is written for TensorBoard. To train again: "
            "--set signal.cache=false --set signal.checkpoints=off."
        )
    return scores


def load_strategy(config: Config) -> Strategy:
    """The strategy of a config, with ``[run] seed`` if it takes a seed and has none of its own."""
    return strategy_maker(config)()


def strategy_maker(config: Config) -> Callable[[], Strategy]:
    """Makes the strategy of a config, a fresh one at each call; its class is loaded once."""
    from backtester.strategy import Strategy

    make: Callable[[], Strategy] = _maker(config, "strategy", config.strategy, Strategy)
    return make


def load_signal(config: Config) -> Signal:
    """The signal of a config."""
    from backtester.signal import Signal

    assert config.signal is not None
    signal: Signal = _maker(config, "signal", config.signal, Signal)()
    return signal


def _maker(config: Config, section: str, told: StrategySection | SignalSection, base: Any) -> Callable[[], Any]:
    """Makes objects of the class that a section names."""

    def complain(key: str | None, message: str) -> BacktesterError:
        return config.places.error((section, key or "class"), message)

    name = told.class_name
    file = config.places.path((section, "class"), name.rpartition(":")[0]) if is_file_class(name) else None
    kind = load_class(name, base, complain, file)
    # From the current folder, not absolute: what a run records should not depend on where a project lies.
    arguments = config.arguments(section, told, Path.cwd())
    if config.run.seed is not None and "seed" not in arguments and takes(kind, "seed"):
        arguments["seed"] = config.run.seed
    return lambda: build(kind, copy.deepcopy(arguments), complain)


def _is_compiled() -> bool:
    """Whether the engine's compiled code is kept from an earlier run; compiling it takes most of a minute."""
    from backtester.engine.compile import CACHE_FOLDER

    return CACHE_FOLDER is not None and next(Path(CACHE_FOLDER).rglob("kernel.*.nbi"), None) is not None


def _preset(config: Config) -> dict[str, Any]:
    """The name of the costs' preset for the record of the run, which knows its numbers alone."""
    table = config.written.get("costs")
    return {"costs_preset": table["preset"]} if isinstance(table, dict) and "preset" in table else {}


def signal_seed(config: Config) -> int | None:
    """The seed for a signal: that of the run, unless the signal has one of its own."""
    own = config.signal is not None and "seed" in config.signal.arguments
    return None if own else config.run.seed


def _options(config: Config) -> dict[str, Any]:
    """What the config says of how its signal learns, as keywords of `bt.walk_forward` and `bt.run`."""
    assert config.signal is not None
    return {
        "seed": signal_seed(config),
        "checkpoints": config.checkpoints,
        "every_epoch": config.signal.every_epoch,
        "tensorboard": config.tensorboard,
    }


def _online(config: Config, panel: Panel, plan: list[Fold]) -> str:
    """What a signal that is asked online will do, in a line."""
    assert config.signal is not None
    learnt = sum(1 for fold in plan if fold.train.size)
    how = f"fitted in {learnt} fold{'' if learnt == 1 else 's'}" if learnt else "nothing to learn"
    first, last = panel.dates[plan[0].test[0]], panel.dates[plan[-1].test[-1]]
    return f"{config.signal.class_name}: asked session by session, {how}, {first} to {last}."


def silent(line: str) -> None:
    """Tell nobody."""


def _trained(name: str, scores: Scores) -> str:
    """What a signal has done, in a line."""
    count = f"{len(scores.folds)} fold{'' if len(scores.folds) == 1 else 's'}"
    if not any(fold.train_first for fold in scores.folds):
        how = "nothing to learn, from the cache" if scores.from_cache else "nothing to learn"
    else:
        how = f"{count} from the cache" if scores.from_cache else f"{count} trained"
    span = f", {scores.folds[0].test_first} to {scores.folds[-1].test_last}" if scores.folds else ""
    return f"{name}: {how}, {scores.known:,} scores{span}."


def strangers(config: Config, panel: Panel) -> list[str]:
    """Lines about files of costs with symbols that the panel does not have.

    Raises:
        ConfigError: a symbol that stands in the config itself is not in the panel: misspelt, it would silently cost too
            little, or be sold short.
    """
    from backtester.portfolio.rates import table_of

    table = config.written.get("costs", {})
    for key, symbols in (named_symbols(table) if isinstance(table, dict) else {}).items():
        for symbol in symbols:
            if symbol not in panel.columns:
                place = ("costs", key, "symbols", symbol) if isinstance(table[key], dict) else ("costs", key)
                message = f"the panel has no symbol {symbol!r}.{did_you_mean(symbol, panel.symbols)}"
                raise config.places.error(place, message)
    notes = []
    for field in dataclasses.fields(config.costs) if config.costs is not None else ():
        rows = table_of(getattr(config.costs, field.name))
        left_out = {} if rows is None else rows.left_out(panel)
        if rows is not None and left_out["rows_left_out"]:
            notes.append(
                f"[costs] {field.name} file: {left_out['rows_left_out']:,} of {len(rows):,} rows are about "
                f"{left_out['symbols_left_out']:,} symbols that the panel does not have, and are left out."
            )
    return notes


def load_data(config: Config) -> tuple[Panel, Any]:
    """The panel of a config, and the scores that come with it if it is synthetic."""
    import backtester as bt

    data = config.data
    if data.synthetic is None:
        with placed(config, ("data", "path")):
            panel = bt.load_panel(config.path("data"), basis=data.basis)
        return _cut(config, panel), None

    def complain(key: str | None, message: str) -> BacktesterError:
        return config.places.error(("data", "synthetic", *([key] if key else [])), message)

    market = build(bt.synthetic, data.synthetic, complain)
    panel = _cut(config, market.panel)
    kept = (market.panel.dates >= panel.dates[0]) & (market.panel.dates <= panel.dates[-1])
    return panel, market.score[kept]


def _cut(config: Config, panel: Panel) -> Panel:
    """The sessions of a panel that a config asks for."""
    start, end = config.data.start, config.data.end
    if start is None and end is None:
        return panel
    too_late = start is not None and start > panel.dates[-1].item()
    with placed(config, ("data", "start" if end is None or too_late else "end")):
        return panel.between(start, end)
