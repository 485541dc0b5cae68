"""Config files: from TOML to checked settings, every mistake named by file, line, section and key.

A relative path in a file counts from the folder of the file, one given by ``--set`` from the current folder.
``"off"`` stands for None: ``risk = "off"`` for a whole section (before the first section of the file),
``max_daily_loss = "off"`` for one limit.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backtester.cli.toml import find_lines, parse_setting
from backtester.errors import ConfigError, did_you_mean
from backtester.portfolio.settings import Costs, Execution, RiskLimits

OFF = "off"

Settings = TypeVar("Settings", Costs, RiskLimits, Execution)
Section = TypeVar("Section", bound="_Section")


class _Section(BaseModel):
    """A section whose keys are all known, and whose values are what they should be without being converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DataSection(_Section):
    """``[data]``: the market, from a file or made up."""

    path: str | None = None  # a dataset folder or a Parquet file
    synthetic: dict[str, Any] | None = None  # arguments of backtester.synthetic
    start: datetime.date | None = Field(default=None, strict=False)
    end: datetime.date | None = Field(default=None, strict=False)
    basis: Literal["as_traded", "split_adjusted", "total_return"] | None = None


class StrategySection(_Section):
    """``[strategy]``: a class; all other keys are its arguments."""

    model_config = ConfigDict(extra="allow")

    class_name: str = Field(alias="class")

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of the class."""
        return dict(self.model_extra or {})


class ScoresSection(_Section):
    """``[scores]``: a Parquet file with the columns date, symbol, score."""

    path: str


class RunSection(_Section):
    """``[run]``: everything else."""

    name: str | None = Field(default=None, pattern=r"^\w[\w .-]*$")
    cash: float = Field(default=10_000_000.0, gt=0.0, allow_inf_nan=False)
    seed: int | None = None  # given to a strategy that takes one


class Places:
    """Knows where a key was written, for messages and for relative paths."""

    def __init__(self, file: Path, text: str) -> None:
        """Remember the lines of a file."""
        self.file = file
        self._lines = find_lines(text)
        self._from_command_line: set[tuple[str, ...]] = set()

    def add(self, keys: tuple[str, ...]) -> None:
        """Note that a key was given by ``--set``."""
        self._from_command_line |= {
            keys[:depth] for depth in range(1, len(keys) + 1) if keys[:depth] not in self._lines
        }
        self._from_command_line.add(keys)

    def error(self, keys: tuple[str, ...], message: str) -> ConfigError:
        """An error about a key, or the section or file it should be in."""
        return ConfigError(f"{self._name(keys)}: {message}")

    def path(self, keys: tuple[str, ...], written: str) -> Path:
        """A path that was written for a key, made absolute."""
        base = Path.cwd() if keys in self._from_command_line else self.file.parent
        return Path(os.path.abspath(base / Path(written).expanduser()))

    def _name(self, keys: tuple[str, ...]) -> str:
        if keys in self._from_command_line:
            return f"--set {'.'.join(keys)}"
        known = next((keys[:depth] for depth in range(len(keys), 0, -1) if keys[:depth] in self._lines), ())
        line = f":{self._lines[known]}" if known else ""
        return f"{self.file}{line}" + (f": [{keys[0]}]" if keys else "") + "".join(f" {key}" for key in keys[1:])


@dataclass(frozen=True)
class Config:
    """A config file, checked. None for costs or risk: off; for scores: there are none."""

    data: DataSection
    strategy: StrategySection
    scores: ScoresSection | None
    costs: Costs | None
    risk: RiskLimits | None
    execution: Execution
    run: RunSection
    places: Places
    notes: tuple[str, ...] = ()  # for the reader: what the command line has dropped

    @property
    def name(self) -> str:
        """What the run is called: ``[run] name``, or the name of the file."""
        return self.run.name or self.places.file.stem

    def path(self, section: Literal["data", "scores"]) -> Path:
        """The path of a section, absolute."""
        written = self.data.path if section == "data" else self.scores.path if self.scores else None
        assert written is not None
        return self.places.path((section, "path"), written)

    def resolved(self, folder: Path) -> dict[str, Any]:
        """Every setting, defaults included, as data for a config in ``folder`` that makes the same run there."""

        def off(settings: Any) -> Any:
            if settings is None:
                return OFF
            return {key: OFF if value is None else value for key, value in dataclasses.asdict(settings).items()}

        data = self.data.model_dump(exclude_none=True)
        if "path" in data:
            data["path"] = _relative(self.path("data"), folder)
        strategy = self.strategy.class_name
        if is_file_class(strategy):
            file, _, name = strategy.rpartition(":")
            strategy = f"{_relative(self.places.path(('strategy', 'class'), file), folder)}:{name}"
        found: dict[str, Any] = {"data": data, "strategy": {"class": strategy, **self.strategy.arguments}}
        if self.scores is not None:
            found["scores"] = {"path": _relative(self.path("scores"), folder)}
        found |= {"costs": off(self.costs), "risk": off(self.risk), "execution": off(self.execution)}
        return found | {"run": self.run.model_dump(exclude_none=True) | {"name": self.name}}


def read_config(file: Path, settings: Sequence[str] = ()) -> Config:
    """Read and check a config file.

    Args:
        file: the TOML file.
        settings: ``section.key=value`` each, replacing what the file says; values are TOML, or text without quotes.

    Raises:
        ConfigError: the file is missing or no TOML, or something in it is unknown, missing or wrong.
    """
    return parse_config(_read(file), file, settings)


def parse_config(text: str, file: Path, settings: Sequence[str] = ()) -> Config:
    """Check the text of a config, as :func:`read_config` does with that of a file; ``file`` is what messages name."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is no valid TOML: {error}.") from error
    places = Places(file, text)
    parsed = [(*parse_setting(setting), setting) for setting in settings]
    notes = _drop_arguments(data, [value for keys, value, _ in parsed if keys == ("strategy", "class")])
    for keys, value, setting in parsed:
        _replace(data, keys, value, setting)
        places.add(keys)
    return dataclasses.replace(_check(data, places), notes=notes)


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


def _drop_arguments(data: dict[str, Any], classes: Sequence[Any]) -> tuple[str, ...]:
    """Drop the file's arguments of a strategy that the command line replaces by another class."""
    section = data.get("strategy")
    if not classes or not isinstance(section, dict) or section.get("class") in (None, classes[-1]):
        return ()
    dropped = [key for key in section if key != "class"]
    data["strategy"] = {"class": section["class"]}
    if not dropped:
        return ()
    return (f"--set strategy.class: dropped what the file says of {section['class']}: {', '.join(dropped)}.",)


def _replace(data: dict[str, Any], keys: tuple[str, ...], value: Any, setting: str) -> None:
    """Put a value from the command line in its place."""
    table = data
    for key in keys[:-1]:
        inner = table.setdefault(key, {})
        if inner == OFF:
            inner = table[key] = {}
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {setting}: {key} is {inner!r}, which has no keys.")
        table = inner
    table[keys[-1]] = value


def _check(data: dict[str, Any], places: Places) -> Config:
    sections = ("data", "strategy", "scores", "costs", "risk", "execution", "run")
    for section, content in data.items():
        if section not in sections:
            kind = "section" if isinstance(content, dict) else "key outside the sections"
            raise places.error(
                (section,),
                f"there is no such {kind}; known are {', '.join(sections)}.{did_you_mean(section, sections)}",
            )
        if content == OFF and section in ("costs", "risk", "scores"):
            continue
        if not isinstance(content, dict):
            allowed = ' or "off"' if section in ("costs", "risk", "scores") else ""
            raise places.error((section,), f"must be a section of keys{allowed}, not {content!r}.")
    for section, example in (
        ("data", 'path = "data/sp500"'),
        ("strategy", 'class = "strategies:Momentum"'),
    ):
        if section not in data:
            raise places.error((), f"the section [{section}] is missing, with a line such as {example}.")
    config = Config(
        data=_section(DataSection, "data", data, places),
        strategy=_section(StrategySection, "strategy", data, places),
        scores=_section(ScoresSection, "scores", data, places) if data.get("scores", OFF) != OFF else None,
        costs=_settings(Costs, "costs", data, places),
        risk=_settings(RiskLimits, "risk", data, places),
        execution=_settings(Execution, "execution", data, places) or Execution(),
        run=_section(RunSection, "run", data, places),
        places=places,
    )
    _check_data(config.data, places)
    return config


def _check_data(data: DataSection, places: Places) -> None:
    if (data.path is None) == (data.synthetic is None):
        found = "neither" if data.path is None else "both"
        raise places.error(("data",), f"give either path or synthetic; there is {found}.")
    if data.start and data.end and data.start > data.end:
        raise places.error(("data", "end"), f"{data.end} is before start, {data.start}.")
    if data.synthetic is not None and data.basis is not None:
        raise places.error(("data", "basis"), "a synthetic market has its own price basis; leave it out.")


def _section(kind: type[Section], section: str, data: Mapping[str, Any], places: Places) -> Section:
    """A section by its model, mistakes put into words."""
    try:
        return kind.model_validate(data.get(section, {}))
    except ValidationError as error:
        known = [field.alias or name for name, field in kind.model_fields.items()]
        mistake = error.errors(include_url=False)[0]
        keys = (section, *(str(part) for part in mistake["loc"]))[:2]
        key = keys[-1]
        if mistake["type"] == "extra_forbidden":
            raise _unknown(keys, known, places) from error
        if mistake["type"] == "missing":
            near = get_close_matches(key, data.get(section, {}), n=1)
            there = f" There is {near[0]!r}." if near else ""
            raise places.error((section, *near), f"the key {key!r} is missing.{there}") from error
        written = mistake["input"]
        if mistake["type"] == "string_pattern_mismatch":
            message = "it must start with a letter or digit and hold only letters, digits, spaces and . - _"
        else:
            message = re.sub(r"^(Input|Value) ", "it ", mistake["msg"])
        hint = did_you_mean(written, re.findall(r"'([^']*)'", message)) if isinstance(written, str) else ""
        raise places.error(keys, f"is {_shown(written)}; {message}.{hint}") from error


def _settings(kind: type[Settings], section: str, data: Mapping[str, Any], places: Places) -> Settings | None:
    """Costs, limits or execution; None if the section is off."""
    table = data.get(section, {})
    if table == OFF:
        return None
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key in table:
        if key not in fields:
            raise _unknown((section, key), fields, places)
    arguments: dict[str, Any] = {}
    for key, value in table.items():
        if value == OFF and "None" not in str(fields[key].type):
            raise places.error((section, key), 'cannot be "off"; give a number, 0 for none.')
        arguments[key] = None if value == OFF else value
    for key in arguments:  # one at a time, so that a mistake can be placed
        one: dict[str, Any] = {key: arguments[key]}
        try:
            kind(**one)
        except ConfigError as error:
            message = str(error).removeprefix(f"{kind.__name__}.{key} ").replace(", or None", ', or "off"')
            raise places.error((section, key), message) from error
    return kind(**arguments)


def _unknown(keys: tuple[str, ...], known: Iterable[str], places: Places) -> ConfigError:
    known = list(known)
    return places.error(keys, f"there is no such key; known are {', '.join(known)}.{did_you_mean(keys[-1], known)}")


def _shown(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else repr(value)


def _relative(path: Path, folder: Path) -> str:
    """The way from a folder to a path; the path itself where there is none (another drive)."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        return path.as_posix()
