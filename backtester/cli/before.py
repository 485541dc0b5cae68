"""What can be wrong with a config beside its data: found before anything is trained, and named by its place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from backtester.cli.config import Config
from backtester.errors import ConfigError, DataError

if TYPE_CHECKING:
    from backtester.folds import Fold
    from backtester.market.panel import Panel
    from backtester.signal import Signal
    from backtester.strategy import Strategy


@contextmanager
def placed(config: Config, *keys: tuple[str, ...]) -> Iterator[None]:
    """Say of mistakes inside where the config says so: the first of some keys, or one of them that ``--set`` gave."""
    try:
        yield
    except (ConfigError, DataError) as error:
        raise config.places.error(config.places.suspect(*keys), str(error)) from error


def check_run(config: Config, panel: Panel, strategy: Strategy) -> None:
    """Insist on all that a run would refuse before its first session, signal and scores apart.

    Raises:
        ConfigError: strategy, benchmark or costs do not fit the panel; named by place.
        StrategyError: a hook of the strategy cannot be called.
    """
    from backtester.arguments import check_length, check_strategy
    from backtester.benchmark import resolve
    from backtester.portfolio.rules import to_rules

    with placed(config, ("strategy",), *_typed(config, "strategy")):
        check_strategy(strategy)
        check_length(strategy, panel)
    with placed(config, ("run", "benchmark")):
        resolve(config.benchmark, panel)
    with placed(config, ("costs",), *_typed(config, "costs")):
        to_rules(config.costs, config.risk, config.execution, panel=panel)


def check_signal(config: Config, panel: Panel, signal: Signal) -> list[Fold]:
    """The folds that a signal will learn in, as far as they can be known to be right before it does.

    Raises:
        ConfigError: signal or folds do not fit each other, the panel, or the price that orders fill at; named by place.
    """
    from backtester.labels import check_trained_for
    from backtester.walk import plan_folds

    about = "signal" if config.folds is None else "folds"
    with placed(config, (about,), *_typed(config, about)):
        plan = plan_folds(panel, signal, config.folds)
    if signal.fill is not None:
        with placed(config, ("execution", "fill"), ("signal", "fill")):
            check_trained_for(config.execution.fill, signal.fill)
    return plan


def _typed(config: Config, section: str) -> list[tuple[str, ...]]:
    """The keys of a section."""
    table = config.written.get(section)
    return [(section, key) for key in table] if isinstance(table, dict) else []
