"""Config files: from TOML to checked settings, every mistake named by file, line, section and key.

A relative path in a file counts from the folder of the file, one given by ``--set`` from the current folder.
``"off"`` stands for None: ``risk = "off"`` for a whole section (before the first section of the file),
``max_daily_loss = "off"`` for one limit, ``benchmark = "off"`` for a key that may be left out.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from backtester.cli.places import Places, relative
from backtester.cli.sections import (
    AUTO,
    DataSection,
    RunSection,
    ScoresSection,
    SignalSection,
    StrategySection,
    check_section,
)
from backtester.cli.settings import OFF, read_settings, write_settings
from backtester.cli.toml import parse_setting
from backtester.errors import ConfigError, did_you_mean
from backtester.folds import Folds
from backtester.portfolio.settings import Costs, Execution, RiskLimits

__all__ = [
    "Config",
    "DataSection",
    "RunSection",
    "ScoresSection",
    "SignalSection",
    "StrategySection",
    "is_file_class",
    "parse_config",
    "read_config",
]

BENCH = "bench"
SECTIONS = ("data", "signal", "folds", "strategy", "scores", "costs", "risk", "execution", "run", BENCH)
_BENCHMARK_FILES = (".parquet", ".csv", ".csv.gz", ".csv.zip")
_MAY_BE_OFF = ("signal", "folds", "scores", "costs", "risk")


@dataclass(frozen=True)
class Config:
    """A config file, checked. None for costs or risk: off; for scores, signal or folds: there are none."""

    data: DataSection
    strategy: StrategySection
    signal: SignalSection | None
    folds: Folds | None
    scores: ScoresSection | None
    costs: Costs | None
    risk: RiskLimits | None
    execution: Execution
    run: RunSection
    places: Places
    written: Mapping[str, Any]  # the sections as they were written
    notes: tuple[str, ...] = ()  # for the reader: what the command line has dropped
    bench: Mapping[str, Any] | None = None  # [bench] as it was written, for `bench` alone

    @property
    def name(self) -> str:
        """What the run is called: ``[run] name``, or the name of the file."""
        return self.run.name or self.places.file.stem

    @property
    def checkpoints(self) -> Path | None:
        """Where a training keeps what it has learnt so far, absolute; by default beside the cache, if that is on."""
        from backtester.score_cache import default_checkpoints

        signal = self.signal
        if signal is None or signal.checkpoints == OFF or (signal.checkpoints == AUTO and not signal.cache):
            return None
        if signal.checkpoints == AUTO:
            return default_checkpoints()
        return self.places.path(("signal", "checkpoints"), signal.checkpoints)

    @property
    def tensorboard(self) -> Path | None:
        """The folder for TensorBoard's files, absolute."""
        if self.signal is None or self.signal.tensorboard is None:
            return None
        return self.places.path(("signal", "tensorboard"), self.signal.tensorboard)

    @property
    def dataset(self) -> str:
        """The path of the dataset as it is seen from the current folder; nothing where there is none."""
        return "" if self.data.path is None else relative(self.path("data"), Path.cwd())

    def path(self, section: Literal["data", "scores"]) -> Path:
        """The path of a section, absolute."""
        written = self.data.path if section == "data" else self.scores.path if self.scores else None
        assert written is not None
        return self.places.path((section, "path"), written)

    @property
    def benchmark(self) -> str | Path | None:
        """The benchmark: a word, a symbol, or the path of a file, absolute."""
        written = self.run.benchmark
        if written is None or not written.casefold().endswith(_BENCHMARK_FILES):
            return written
        return self.places.path(("run", "benchmark"), written)

    def resolved(self, folder: Path) -> dict[str, Any]:
        """Every setting, defaults included, as data for a config in ``folder`` that makes the same run there."""
        data = self.data.model_dump(exclude_none=True)
        if "path" in data:
            data["path"] = relative(self.path("data"), folder)
        found: dict[str, Any] = {"data": data}
        if self.signal is not None:
            found["signal"] = self._class("signal", self.signal, folder) | self._kept(self.signal, folder)
        if self.folds is not None:
            found["folds"] = write_settings(self.folds, ("folds",), {}, self.places, folder)
        found["strategy"] = self._class("strategy", self.strategy, folder)
        if self.scores is not None:
            found["scores"] = {"path": relative(self.path("scores"), folder)}
        for section, settings in (("costs", self.costs), ("risk", self.risk), ("execution", self.execution)):
            table = self.written.get(section, {})
            found[section] = write_settings(settings, (section,), table if table != OFF else {}, self.places, folder)
        run = self.run.model_dump(exclude_none=True) | {"name": self.name}
        if isinstance(self.benchmark, Path):
            run["benchmark"] = relative(self.benchmark, folder)
        return found | {"run": run}

    def _kept(self, signal: SignalSection, folder: Path) -> dict[str, Any]:
        """What a signal keeps and where; paths as they are seen from the folder."""
        kept: dict[str, Any] = {"cache": signal.cache, "checkpoints": signal.checkpoints}
        if signal.checkpoints not in (AUTO, OFF) and self.checkpoints is not None:
            kept["checkpoints"] = relative(self.checkpoints, folder)
        kept["every_epoch"] = signal.every_epoch
        if self.tensorboard is not None:
            kept["tensorboard"] = relative(self.tensorboard, folder)
        return kept

    def _class(self, section: str, told: StrategySection | SignalSection, folder: Path) -> dict[str, Any]:
        """A class and its arguments; the path of a file as it is seen from the folder."""
        name = told.class_name
        if is_file_class(name):
            file, _, kind = name.rpartition(":")
            name = f"{relative(self.places.path((section, 'class'), file), folder)}:{kind}"
        return {"class": name, **self.arguments(section, told, folder)}

    def arguments(self, section: str, told: StrategySection | SignalSection, folder: Path) -> dict[str, Any]:
        """The arguments of a class; of a signal, the paths in them as they are seen from the folder."""
        if section != "signal":
            return told.arguments
        return {key: self.places.of_arguments((section, key), value, folder) for key, value in told.arguments.items()}


def read_config(
    file: Path, settings: Sequence[str] = (), changes: Mapping[tuple[str, ...], Any] = MappingProxyType({})
) -> Config:
    """Read and check a config file.

    Args:
        file: the TOML file.
        settings: ``section.key=value`` each, replacing what the file says; values are TOML, or text without quotes.
        changes: keys with their values, such as ``("signal", "hidden")``, replacing what both say.

    Raises:
        ConfigError: the file is missing or no TOML, or something in it is unknown, missing or wrong.
    """
    return parse_config(_read(file), file, settings, changes)


def parse_config(
    text: str,
    file: Path,
    settings: Sequence[str] = (),
    changes: Mapping[tuple[str, ...], Any] = MappingProxyType({}),
) -> Config:
    """Check the text of a config, as :func:`read_config` does with that of a file; ``file`` is what messages name."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is no valid TOML: {error}.") from error
    places = Places(file, text)
    parsed = [(*parse_setting(setting), setting) for setting in settings]
    notes = [
        note
        for section in ("strategy", "signal")
        for note in _drop_arguments(data, section, [value for keys, value, _ in parsed if keys == (section, "class")])
    ]
    for keys, value, setting in parsed:
        places.add(keys, _replace(data, keys, value, f"--set {setting}"))
    bench = data.pop(BENCH, None)
    for section in ("strategy", "signal"):
        _drop_arguments(data, section, [value for keys, value in changes.items() if keys == (section, "class")])
    for keys, value in changes.items():
        _replace(data, keys, value, ".".join(keys))
    return dataclasses.replace(_check(data, places), notes=tuple(notes), bench=bench)


def is_file_class(name: str) -> bool:
    """Whether a class is named by a file (``path/file.py:Class``) rather than a module."""
    return ".py:" in name or "/" in name or "\\" in name or name.endswith(".py")


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        near = (other.name for other in file.parent.glob("*.toml")) if file.parent.is_dir() else ()
        raise ConfigError(f"There is no config file {file}.{did_you_mean(file.name, near)}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read the config file {file}: {error}.") from error


def _drop_arguments(data: dict[str, Any], name: str, classes: Sequence[Any]) -> list[str]:
    """Drop the file's arguments of a class that the command line replaces by another one."""
    section = data.get(name)
    if not classes or not isinstance(section, dict) or section.get("class") in (None, classes[-1]):
        return []
    dropped = [key for key in section if key != "class"]
    data[name] = {"class": section["class"]}
    if not dropped:
        return []
    return [f"--set {name}.class: dropped what the file says of {section['class']}: {', '.join(dropped)}."]


def _replace(data: dict[str, Any], keys: tuple[str, ...], value: Any, setting: str) -> int:
    """Put a value from the command line in its place, and say from which depth on there was none."""
    table, made = data, len(keys)
    for depth, key in enumerate(keys[:-1], 1):
        if table.get(key, OFF) == OFF:
            table[key] = {}
            made = min(made, depth)
        inner = table[key]
        if not isinstance(inner, dict):
            raise ConfigError(f"{setting}: {key} is {inner!r}, which has no keys.")
        table = inner
    table[keys[-1]] = value
    return made


def _check(data: dict[str, Any], places: Places) -> Config:
    _check_sections(data, places)

    def there(section: str) -> bool:
        return section in data and data[section] != OFF

    def settings(kind: Any, section: str) -> Any:
        table = data.get(section, {})
        return None if table == OFF else read_settings(kind, (section,), table, places)

    config = Config(
        data=check_section(DataSection, ("data",), data["data"], places),
        strategy=check_section(StrategySection, ("strategy",), data["strategy"], places),
        signal=check_section(SignalSection, ("signal",), data["signal"], places) if there("signal") else None,
        folds=_folds(data["folds"], places) if there("folds") else None,
        scores=check_section(ScoresSection, ("scores",), data["scores"], places) if there("scores") else None,
        costs=settings(Costs, "costs"),
        risk=settings(RiskLimits, "risk"),
        execution=settings(Execution, "execution"),
        run=check_section(RunSection, ("run",), data.get("run", {}), places),
        places=places,
        written=data,
    )
    _check_together(config)
    return config


def _check_sections(data: Mapping[str, Any], places: Places) -> None:
    """Insist on sections that are known, are sections, and are there."""
    for section, content in data.items():
        if section not in SECTIONS:
            kind = "section" if isinstance(content, dict) else "key outside the sections"
            raise places.error(
                (section,),
                f"there is no such {kind}; known are {', '.join(SECTIONS)}.{did_you_mean(section, SECTIONS)}",
            )
        if content == OFF and section in _MAY_BE_OFF:
            continue
        if not isinstance(content, dict) and not (section == "folds" and isinstance(content, str)):
            allowed = ' or "off"' if section in _MAY_BE_OFF else ""
            raise places.error((section,), f"must be a section of keys{allowed}, not {content!r}.")
    for section, example in (
        ("data", 'path = "data/sp500"'),
        ("strategy", 'class = "strategies:Momentum"'),
    ):
        if section not in data:
            raise places.error((), f"the section [{section}] is missing, with a line such as {example}.")


def _folds(table: Any, places: Places) -> Folds:
    """The folds of a section, or of a name."""
    if not isinstance(table, str):
        return read_settings(Folds, ("folds",), table, places)
    try:
        return Folds.named(table)
    except ConfigError as error:
        raise places.error(("folds",), str(error)) from error


def _check_together(config: Config) -> None:
    """Insist on settings that go together."""
    data, run, places = config.data, config.run, config.places
    if (data.path is None) == (data.synthetic is None):
        found = "neither" if data.path is None else "both"
        raise places.error(("data",), f"give either path or synthetic; there is {found}.")
    if data.start and data.end and data.start > data.end:
        raise places.error(("data", "end"), f"{data.end} is before start, {data.start}.")
    if data.synthetic is not None and data.basis is not None:
        raise places.error(("data", "basis"), "a synthetic market has its own price basis; leave it out.")
    if config.signal is not None and config.scores is not None:
        raise places.error(("scores",), 'there is a [signal] too; scores come from one of them. Switch one "off".')
    if config.folds is not None and config.signal is None:
        raise places.error(
            ("folds",), "folds say when a signal learns, and there is no [signal]. Add one, or leave them out."
        )
    if run.online and config.signal is None:
        raise places.error(("run", "online"), "there is no [signal] that could be asked while the run goes on.")
