"""TOML as a config needs it: where a key stands in the file, one value from the command line, and writing."""

from __future__ import annotations

import datetime
import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from backtester.errors import ConfigError

_KEY = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_KEYS = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER = re.compile(rf"\s*\[\[?\s*({_KEYS})\s*\]")
_ASSIGNMENT = re.compile(rf"\s*({_KEYS})\s*=")
_BARE_WORD = re.compile(r"[^\s\[\]{}\"'=,#][^\[\]{}\"'=#]*")


def find_lines(text: str) -> dict[tuple[str, ...], int]:
    """The line, from 1, on which each section and key of a TOML text stands."""
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _split(header.group(1))
            for depth in range(1, len(table) + 1):
                lines.setdefault(table[:depth], number)
        elif assignment := _ASSIGNMENT.match(line):
            keys = table + _split(assignment.group(1))
            for depth in range(1, len(keys) + 1):
                lines.setdefault(keys[:depth], number)
    return lines


def parse_setting(setting: str) -> tuple[tuple[str, ...], Any]:
    """``a.b=value`` as its keys and its value: TOML, or text without quotes where it is no TOML.

    Raises:
        ConfigError: there is no ``=``, no key, or the value is neither.
    """
    name, equals, written = setting.partition("=")
    keys, written = _split(name.strip()), written.strip()
    if not equals or not all(keys):
        raise ConfigError(f"--set {setting} is not of the form section.key=value, as in --set strategy.long=20.")
    try:
        return keys, tomllib.loads(f"value = {written}")["value"]
    except tomllib.TOMLDecodeError as error:
        if _BARE_WORD.fullmatch(written):
            return keys, written
        raise ConfigError(f"--set {setting}: {written or 'nothing'} is no TOML value ({error}).") from error


def to_toml(data: Mapping[str, Any]) -> str:
    """Plain data as TOML text: single values first, then a section for every table. None is left out."""
    single = {key: value for key, value in data.items() if not isinstance(value, Mapping)}
    blocks = [_block(single)] if single else []
    blocks += [f"[{_name(key)}]\n{_block(value)}" for key, value in data.items() if isinstance(value, Mapping)]
    return "\n".join(blocks)


def _block(table: Mapping[str, Any]) -> str:
    return "".join(f"{_name(key)} = {_value(value)}\n" for key, value in table.items() if value is not None)


def _value(value: Any) -> str:
    """One value on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_name(key)} = {_value(entry)}" for key, entry in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(entry) for entry in value) + "]"
    return json.dumps(str(value))  # JSON's escapes are TOML's


def _name(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)


def _split(name: str) -> tuple[str, ...]:
    """A dotted name in its parts."""
    return tuple(part.strip().strip("\"'") for part in re.split(r"""\.(?=(?:[^"']*["'][^"']*["'])*[^"']*$)""", name))
