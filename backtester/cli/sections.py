"""The sections of a config file as pydantic checks them, and its complaints in our words."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backtester.cli.places import Places
from backtester.errors import ConfigError, did_you_mean

S = TypeVar("S", bound="Section")

# What pydantic says of a value of the wrong kind, in the words of a config file.
_KINDS = {
    "string_type": "it must be text, in quotes",
    "bool_type": "it must be true or false",
    "int_type": "it must be a whole number (a valid integer)",
    "int_from_float": "it must be a whole number (a valid integer)",
    "dict_type": "it must be a table, such as { key = 1 }",
    "model_type": "it must be a table, such as { key = 1 }",
    "list_type": "it must be a list, in [ ]",
    "string_pattern_mismatch": "it must start with a letter or digit and hold only letters, digits, spaces and . - _",
}


# What [signal] checkpoints may be besides a folder.
AUTO, OFF = "auto", "off"


class Section(BaseModel):
    """A section whose keys are all known, and whose values are what they should be without being converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DataSection(Section):
    """``[data]``: the market, from a file or made up."""

    path: str | None = None  # a dataset folder or a Parquet file
    synthetic: dict[str, Any] | None = None  # arguments of backtester.synthetic
    start: datetime.date | None = Field(default=None, strict=False)
    end: datetime.date | None = Field(default=None, strict=False)
    basis: Literal["as_traded", "split_adjusted", "total_return"] | None = None


class ClassSection(Section):
    """A class; all keys that the section does not know are its arguments."""

    model_config = ConfigDict(extra="allow")

    class_name: str = Field(alias="class")

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of the class."""
        return dict(self.model_extra or {})


class StrategySection(ClassSection):
    """``[strategy]``."""


class SignalSection(ClassSection):
    """``[signal]``."""

    cache: bool = True  # keep the scores for the next run that would compute the same
    checkpoints: str = AUTO  # folder of what a training has learnt so far; AUTO: beside the cache; OFF: none
    every_epoch: bool = False  # keep a checkpoint of every epoch, not of the last alone
    tensorboard: str | None = None  # folder for TensorBoard's files


class ScoresSection(Section):
    """``[scores]``: a Parquet file with the columns date, symbol, score."""

    path: str


class RunSection(Section):
    """``[run]``: everything else."""

    name: str | None = Field(default=None, pattern=r"^\w[\w .-]*$")
    cash: float = Field(default=10_000_000.0, gt=0.0, allow_inf_nan=False)
    seed: int | None = Field(default=None, ge=0)  # given to a strategy or a signal that takes one
    online: bool = False  # ask the signal at every decision instead of beforehand
    benchmark: str | None = None  # equal_weight, a symbol, or a file


class FileTable(Section):
    """``{ file = "..." }`` in place of a value."""

    file: str


class TierTable(Section):
    """One of the ``tiers`` of a rate."""

    rate: float = Field(ge=0.0, allow_inf_nan=False)
    min_dollar_volume: float = Field(default=0.0, ge=0.0, allow_inf_nan=False)
    min_price: float = Field(default=0.0, ge=0.0, allow_inf_nan=False)


class RatesTable(Section):
    """A rate that is not the same for all: ``{ default = 5, symbols = { GME = 20 } }``."""

    default: float = Field(ge=0.0, allow_inf_nan=False)
    symbols: dict[str, float] = Field(default_factory=dict)
    file: str | None = None
    tiers: list[TierTable] = Field(default_factory=list)


def check_section(kind: type[S], keys: tuple[str, ...], table: Any, places: Places) -> S:
    """A section, or a table inside one, by its model.

    Raises:
        ConfigError: a key is unknown or missing, or a value of the wrong kind; named by file, line, section and key.
    """
    try:
        return kind.model_validate(_without_off(kind, table))
    except ValidationError as error:
        known = [field.alias or name for name, field in kind.model_fields.items()]
        mistake = error.errors(include_url=False)[0]
        where = [part for part in mistake["loc"] if isinstance(part, int) or part in _words(table)]
        last = str(mistake["loc"][-1]) if mistake["loc"] else keys[-1]
        if mistake["type"] == "extra_forbidden":
            siblings = _known_at(kind, mistake["loc"]) or known
            raise unknown_key((*keys, *map(str, where)), siblings, places) from error
        if mistake["type"] == "missing":
            inside = [str(part) for part in mistake["loc"][:-1]]
            near = get_close_matches(last, _at(table, mistake["loc"][:-1]), n=1)
            there = f" There is {near[0]!r}." if near else ""
            raise places.error((*keys, *inside, *near), f"the key {last!r} is missing.{there}") from error
        written = mistake["input"]
        message = _KINDS.get(mistake["type"]) or re.sub(r"^(Input|Value) ", "it ", mistake["msg"])
        hint = did_you_mean(written, re.findall(r"'([^']*)'", message)) if isinstance(written, str) else ""
        raise places.error((*keys, *map(str, where)), f"is {_shown(written)}; {message}.{hint}") from error


def _without_off(kind: type[Section], table: Any) -> Any:
    """A table without the keys that are "off", where a key may be left out."""
    if not isinstance(table, Mapping):
        return table
    optional = {name for name, field in kind.model_fields.items() if field.default is None}
    return {key: value for key, value in table.items() if not (value == "off" and key in optional)}


def unknown_key(keys: tuple[str, ...], known: Iterable[str], places: Places) -> ConfigError:
    """The error about a key that nobody knows."""
    known = list(known)
    return places.error(keys, f"there is no such key; known are {', '.join(known)}.{did_you_mean(keys[-1], known)}")


def _words(table: Any) -> set[str]:
    """Every key in a table and the tables in it: pydantic also names the members of a union, which nobody wrote."""
    if isinstance(table, Mapping):
        return set(table).union(*(_words(value) for value in table.values()))
    if isinstance(table, list):
        return set().union(*(_words(value) for value in table))
    return set()


def _at(table: Any, where: Iterable[Any]) -> list[str]:
    """The keys of a table inside a table; none if there is no such table."""
    for part in where:
        try:
            table = table[part]
        except (KeyError, IndexError, TypeError):
            return []
    return [str(key) for key in table] if isinstance(table, Mapping) else []


def _known_at(kind: type[Section], where: tuple[int | str, ...]) -> list[str]:
    """The keys that are known where a mistake was made: those of a tier inside ``tiers``."""
    inside = TierTable if len(where) > 1 and where[0] == "tiers" else None
    return list(inside.model_fields) if inside is not None and "tiers" in kind.model_fields else []


def _shown(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else repr(value)
