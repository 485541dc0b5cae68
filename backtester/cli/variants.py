"""The variants of a bench, from its config: a grid, variants by name, and the baselines that are always there."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import Field

from backtester.cli.before import check_run, check_signal
from backtester.cli.config import BENCH, SECTIONS, Config, read_config
from backtester.cli.running import load_signal, signal_seed, strategy_maker
from backtester.cli.sections import OFF, Section, check_section
from backtester.cli.settings import read_settings, write_settings
from backtester.combinatorial import CombinatorialFolds
from backtester.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from backtester.market.panel import Panel
    from backtester.research.bench import Variant
    from backtester.signal import Signal

_FIXED = ("data", BENCH)  # one market, one bench
_FIXED_KEYS = (("run", "name"), ("run", "online"))
_LEAST = 100  # placebos
_COMBINATORIAL = (BENCH, "combinatorial")


class BenchSection(Section):
    """``[bench]``."""

    name: str | None = Field(default=None, pattern=r"^\w[\w .-]*$")
    placebos: int = Field(default=_LEAST, ge=_LEAST)  # random scores that each variant is held against
    by_epoch: bool = True  # whether the rank IC after every epoch of a training is found too
    grid: dict[str, Any] = Field(default_factory=dict)  # key to a list of values
    variants: dict[str, Any] = Field(default_factory=dict)  # name to a table of keys and values
    combinatorial: dict[str, Any] | None = None  # settings of CombinatorialFolds; None: no paths


class Told(NamedTuple):
    """A variant as the config tells of it."""

    name: str
    options: dict[str, Any]  # what it changes, by dotted key
    config: Config | None  # None: it cannot be read
    error: str = ""
    of_grid: bool = False


class BenchConfig(NamedTuple):
    """A config of a bench, checked."""

    base: Config
    section: BenchSection
    variants: list[Told]
    file: Path
    settings: Sequence[str]  # of the command line
    combinatorial: CombinatorialFolds | None

    @property
    def name(self) -> str:
        """What the bench is called."""
        return self.section.name or self.base.name

    def told(self, name: str, options: dict[str, Any]) -> Told:
        """The config with some keys changed; one that cannot be read keeps its error."""
        return _told(self.file, self.settings, self.base, name, options)

    def resolved(self, folder: Path) -> dict[str, Any]:
        """Every setting, as data for a config in ``folder`` that makes the same bench there."""
        section = self.section.model_dump(exclude_none=True)
        if self.combinatorial is not None:
            section["combinatorial"] = write_settings(self.combinatorial, _COMBINATORIAL, {}, self.base.places, folder)
        return {**self.base.resolved(folder), BENCH: section}


def read_bench(file: Path, settings: Sequence[str] = ()) -> BenchConfig:
    """Read a config with a ``[bench]`` section; without one, what it describes is the only variant.

    A variant whose settings are wrong keeps its error, and the others stand.

    Raises:
        ConfigError: the file, ``[bench]`` or a key in it is wrong, or no variant can be read.
    """
    base = read_config(file, settings)
    section = check_section(BenchSection, (BENCH,), base.bench or {}, base.places)
    folds = None
    if section.combinatorial is not None:
        folds = read_settings(CombinatorialFolds, _COMBINATORIAL, section.combinatorial, base.places)
    grid = _of_grid(section, base)
    changes = [*grid, *_by_name(section, base)] or [(base.name, {})]
    names = [name for name, _ in changes]
    for k, name in enumerate(names):
        if name in names[:k]:
            raise base.places.error((BENCH,), f"two variants are called {name!r}; give each a name of its own.")
    told = [
        _told(file, settings, base, name, options)._replace(of_grid=k < len(grid))
        for k, (name, options) in enumerate(changes)
    ]
    if all(one.config is None for one in told):
        raise ConfigError(told[0].error)
    return BenchConfig(base, section, told, file, settings, folds)


def _told(file: Path, settings: Sequence[str], base: Config, name: str, options: dict[str, Any]) -> Told:
    """A variant: the config with some keys changed, and a benchmark if it has none."""
    told = "benchmark" in base.written.get("run", {})
    usual = {} if told else {("run", "benchmark"): "equal_weight"}
    try:
        config = read_config(file, settings, usual | {tuple(key.split(".")): value for key, value in options.items()})
    except ConfigError as error:
        return Told(name, options, None, f"variant {name}: {error}")
    return Told(name, options, config)


def _of_grid(section: BenchSection, base: Config) -> list[tuple[str, dict[str, Any]]]:
    """Every combination of the values of the grid, by name."""
    grid = _keys(section.grid, (BENCH, "grid"), base)
    for key, values in grid.items():
        if not isinstance(values, list) or not values:
            raise base.places.error(
                (BENCH, "grid", key), f"is {values!r}; it must be a list of values, such as [0.0, 0.1]."
            )
        if any(value in values[:k] for k, value in enumerate(values)):
            raise base.places.error((BENCH, "grid", key), f"holds a value twice: {values!r}.")
    if not grid:
        return []
    short = _shortened(list(grid))
    found = []
    for values in itertools.product(*grid.values()):
        options = dict(zip(grid, values, strict=True))
        found.append((" ".join(f"{short[key]}={shown(value)}" for key, value in options.items()), options))
    return found


def _by_name(section: BenchSection, base: Config) -> list[tuple[str, dict[str, Any]]]:
    """The variants that have a name."""
    found = []
    for name, table in section.variants.items():
        if not isinstance(table, dict):
            raise base.places.error(
                (BENCH, "variants", name), f'is {table!r}; it must be a table, such as {{ "signal.dropout" = 0.1 }}.'
            )
        found.append((name, _keys(table, (BENCH, "variants", name), base)))
    return found


def _keys(table: Mapping[str, Any], place: tuple[str, ...], base: Config) -> dict[str, Any]:
    """A table by dotted keys: ``"signal.dropout" = ...`` or ``signal.dropout = ...``."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        if "." not in key and isinstance(value, dict):
            found |= {f"{key}.{inner}": one for inner, one in value.items()}
        else:
            found[key] = value
    for key in found:
        parts = tuple(key.split("."))
        if parts[0] not in SECTIONS:
            known = did_you_mean(parts[0], SECTIONS)
            raise base.places.error((*place, key), f"there is no section {parts[0]!r}.{known}")
        if parts[0] in _FIXED or parts[:2] in _FIXED_KEYS:
            raise base.places.error((*place, key), f"{key} is the same for all variants of a bench.")
        if len(parts) == 1 and _is_content(found[key]):
            raise base.places.error((*place, key), f'name a key in it, such as "{key}.class".')
    return found


def _is_content(value: Any) -> bool:
    """Whether what a whole section is set to is no word such as ``"off"``."""
    return not isinstance(value, str) and not (isinstance(value, list) and all(isinstance(one, str) for one in value))


def _shortened(keys: Sequence[str]) -> dict[str, str]:
    """The last part of every key, where it tells it from the others; else the whole of it."""
    last = [key.rpartition(".")[2] for key in keys]
    return {key: one if last.count(one) == 1 else key for key, one in zip(keys, last, strict=True)}


def shown(value: Any) -> str:
    """A value as it stands in a name."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


# What any variant has to beat.

_LOOK = ("long", "short", "every")  # settings that a strategy may share with a ranked one


def baselines(bench: BenchConfig, like: Signal | None, ranks: bool) -> list[Told]:
    """Equal weights bought and held, momentum, reversal, and a linear model.

    The first is held without limits and breakers: it is what the market did. The others are scores, traded by the
    strategy of the config under its terms; where that needs no scores, by a ranked one. The linear model is a ridge
    regression on the named features of the variants, or on its own default features where they have none that it could
    see, and learns from the same folds.

    Args:
        bench: whose config is changed.
        like: a signal of the variants: its horizon and features; None: they have none.
        ranks: whether the strategy of the config trades scores.
    """
    base = bench.base
    kept = {} if base.signal is None else {"cache": base.signal.cache}
    own = {"horizon": 1 if like is None else like.horizon, **kept}
    shared: dict[str, Any] = {} if base.scores is None else {"scores": OFF}
    if not ranks:
        settings = {key: value for key, value in base.strategy.arguments.items() if key in _LOOK}
        shared["strategy"] = {"class": "strategies:RankedLongShort", **settings}
    ridge = {"class": "signals:Estimator", "estimator": "sklearn.linear_model:Ridge", **own}
    features = getattr(like, "features", None)
    if isinstance(features, str) or (isinstance(features, list | tuple) and getattr(like, "window", None) is None):
        ridge["features"] = features if isinstance(features, str) else list(features)
    folds = {} if base.folds is not None else {"folds": {"train": 252, "test": 63}}
    every: dict[str, dict[str, Any]] = {
        "equal weight": {
            "strategy": {"class": "strategies:EqualWeight"},
            **dict.fromkeys(("scores", "signal", "folds", "risk"), OFF),
        },
        "momentum": {**shared, "signal": {"class": "signals:Momentum", **own}},
        "reversal": {**shared, "signal": {"class": "signals:Reversal", **own}},
        "ridge": {**shared, "signal": ridge, **folds},
    }
    taken = {one.name for one in bench.variants}
    return [bench.told(f"{name} baseline" if name in taken else name, options) for name, options in every.items()]


# From configs to what can be run.


def made(told: Told, panel: Panel, given: Callable[[Config], Any], role: str) -> Variant:
    """A variant that can be run.

    Args:
        told: of the config.
        panel: the market.
        given: the scores that a config without a signal has.
        role: of the variant.

    Raises:
        BacktesterError: a class, an argument or the folds are wrong.
    """
    from backtester.research.bench import Variant
    from backtester.signal import learns
    from backtester.walk import seeded

    config = told.config
    assert config is not None
    make = strategy_maker(config)
    check_run(config, panel, make())
    signal = None if config.signal is None else seeded(load_signal(config), signal_seed(config))
    if signal is not None:
        check_signal(config, panel, signal)
    return Variant(
        told.name,
        make,
        signal,
        None if signal is not None else given(config),
        None if signal is not None and not learns(signal) else config.folds,  # which scores every session it can
        {
            "cash": config.run.cash,
            "costs": config.costs,
            "risk": config.risk,
            "execution": config.execution,
            "benchmark": config.benchmark,
        },
        told.options,
        role,
        config.execution.fill,
    )
