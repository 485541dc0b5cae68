"""Sections that stand for a settings class: ``[costs]``, ``[risk]``, ``[execution]``, ``[folds]``, part of ``[bench]``.

Nothing here names a setting: keys, defaults and limits are those of the dataclass. What a key may hold beyond numbers
and words is read off its field: a rate that differs by symbol and date (of the type ``Rates``) is a table, and a list
of symbols (by default empty) a list, or a table that names a file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from backtester.cli.files import read_rates, read_symbols
from backtester.cli.places import Places, relative
from backtester.cli.sections import FileTable, RatesTable, check_section, unknown_key
from backtester.errors import ConfigError, DataError, did_you_mean

OFF = "off"
PRESET = "preset"

Settings = TypeVar("Settings")


def read_settings(kind: type[Settings], section: tuple[str, ...], table: Mapping[str, Any], places: Places) -> Settings:
    """The settings of a section, ``("folds",)`` or one inside another, checked by their class, each mistake placed.

    Raises:
        ConfigError: a key is unknown or missing, a value is refused by the class, or a file cannot be used.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    presets = getattr(kind, PRESET, None)
    known = [PRESET, *fields] if callable(presets) else list(fields)
    for key in table:
        if key not in known:
            raise unknown_key((*section, key), known, places)
    required = [name for name, field in fields.items() if _is_needed(field)]
    for key in required:
        if key not in table:
            raise places.error(section, f"the key {key!r} is missing.{did_you_mean(key, table)}")
    arguments = {key: _value(fields[key], section, table[key], places) for key in table if key in fields}
    for key, value in arguments.items():  # one at a time, so that a mistake can be placed
        try:
            kind(**{name: arguments[name] for name in required}, **({} if key in required else {key: value}))
        except ConfigError as error:
            wrong = _subject(kind, str(error), required) or key
            raise places.error((*section, wrong), _words(kind, error)) from error
    base = _preset(presets, section, table[PRESET], places) if PRESET in table and callable(presets) else None
    try:
        made: Settings = kind(**arguments) if base is None else dataclasses.replace(base, **arguments)
    except ConfigError as error:
        raise places.error(section, _words(kind, error)) from error
    return made


def write_settings(
    settings: Any, section: tuple[str, ...], table: Mapping[str, Any], places: Places, folder: Path
) -> Any:
    """The settings as data for a config in ``folder``, defaults included; ``table`` is what the section was made of."""
    if settings is None:
        return OFF
    written: dict[str, Any] = {PRESET: table[PRESET]} if PRESET in table and hasattr(type(settings), PRESET) else {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if isinstance(table.get(field.name), Mapping):
            written[field.name] = _with_paths(table[field.name], (*section, field.name), places, folder)
        elif hasattr(value, "describe"):
            written[field.name] = _described(value.describe())
        else:
            written[field.name] = OFF if value is None else value
    return written


def named_symbols(table: Mapping[str, Any]) -> dict[str, list[str]]:
    """The symbols that a section names one by one, by key."""
    found = {}
    for key, value in table.items():
        symbols = value.get("symbols") if isinstance(value, Mapping) else value if isinstance(value, list) else None
        if symbols:
            found[key] = [symbol for symbol in symbols if isinstance(symbol, str)]
    return found


def _value(field: dataclasses.Field[Any], section: tuple[str, ...], value: Any, places: Places) -> Any:
    """A value of a config as its class takes it."""
    kind, keys = str(field.type), (*section, field.name)
    if value == OFF:
        if "None" not in kind:
            raise places.error(keys, 'cannot be "off"; give a number, 0 for none.')
        return None
    if not isinstance(value, Mapping):
        return tuple(value) if isinstance(value, list) else value
    if "Rates" in kind:
        return _rates(keys, value, places)
    if isinstance(field.default, tuple):
        file = check_section(FileTable, keys, value, places).file
        return _read(read_symbols, (*keys, "file"), file, places)
    return value  # for the class to refuse


def _rates(keys: tuple[str, ...], table: Mapping[str, Any], places: Places) -> Any:
    from backtester.portfolio.rates import Rates, Tier

    checked = check_section(RatesTable, keys, table, places)
    file = None if checked.file is None else _read(read_rates, (*keys, "file"), checked.file, places)
    try:
        tiers = tuple(Tier(**tier.model_dump()) for tier in checked.tiers)
        return Rates(checked.default, symbols=checked.symbols or None, table=file, tiers=tiers)
    except (ConfigError, DataError) as error:
        raise places.error(keys, str(error)) from error


def _read(read: Any, keys: tuple[str, ...], file: str, places: Places) -> Any:
    try:
        return read(places.path(keys, file))
    except DataError as error:
        raise places.error(keys, str(error)) from error


def _preset(presets: Any, section: tuple[str, ...], name: Any, places: Places) -> Any:
    if not isinstance(name, str):
        raise places.error((*section, PRESET), f"is {name!r}; it must be the name of a preset, in quotes.")
    try:
        return presets(name)
    except ConfigError as error:
        raise places.error((*section, PRESET), str(error)) from error


def _is_needed(field: dataclasses.Field[Any]) -> bool:
    return field.init and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _subject(kind: type, message: str, required: list[str]) -> str | None:
    """The needed key that a message is about; the key that was tried otherwise."""
    return next((key for key in required if message.startswith(f"{kind.__name__}.{key} ")), None)


def _words(kind: type, error: ConfigError) -> str:
    """A message of a settings class as one about a key of a config."""
    first, _, rest = str(error).partition(" ")
    message = rest if first.startswith(f"{kind.__name__}.") else str(error)
    return message.replace(", or None", ', or "off"').replace(", or a bt.Rates", ", or a table such as { default = 5 }")


def _with_paths(table: Mapping[str, Any], keys: tuple[str, ...], places: Places, folder: Path) -> dict[str, Any]:
    """A table with the path of its file as it is seen from another folder."""
    if "file" not in table:
        return dict(table)
    return {**table, "file": relative(places.path((*keys, "file"), table["file"]), folder)}


def _described(told: Mapping[str, Any]) -> dict[str, Any]:
    """Rates as a table, without what is empty."""
    return {key: told[key] for key in ("default", "symbols", "tiers") if told[key] or key == "default"}
