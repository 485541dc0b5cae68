"""Where a key of a config was written: for messages, and for the paths in it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backtester.cli.toml import find_lines
from backtester.errors import ConfigError

_IN_FILE = re.compile(r"(.+\.py)(:\w+)")


class Places:
    """Knows where a key was written, for messages and for relative paths."""

    def __init__(self, file: Path, text: str) -> None:
        """Remember the lines of a file."""
        self.file = file
        self._lines = find_lines(text)
        self._from_command_line: set[tuple[str, ...]] = set()

    def add(self, keys: tuple[str, ...], made: int) -> None:
        """Note that a key was given by ``--set``, and with it all that was said inside of it before.

        Args:
            keys: the key.
            made: the depth from which on it was not there before: a section that is new is the command line's too.
        """
        self._from_command_line |= {keys[:depth] for depth in range(made, len(keys) + 1)}
        depth = len(keys)
        self._lines = {key: line for key, line in self._lines.items() if len(key) <= depth or key[:depth] != keys}

    def suspect(self, *candidates: tuple[str, ...]) -> tuple[str, ...]:
        """The one of several keys that may be wrong which was given last: by ``--set``, or else the first."""
        return next((keys for keys in candidates if keys in self._from_command_line), candidates[0])

    def error(self, keys: tuple[str, ...], message: str) -> ConfigError:
        """An error about a key, or the section or file it should be in."""
        return ConfigError(f"{self._name(keys)}: {message}")

    def path(self, keys: tuple[str, ...], written: str) -> Path:
        """A path that was written for a key, made absolute."""
        typed = any(keys[:depth] in self._from_command_line for depth in range(2, len(keys) + 1))
        base = Path.cwd() if typed else self.file.parent
        return Path(os.path.abspath(base / Path(written).expanduser()))

    def of_arguments(self, keys: tuple[str, ...], value: Any, folder: Path) -> Any:
        """An argument, with the relative paths in it as they are seen from a folder, in lists and tables too.

        A path is text that ends in ``.safetensors``, or that names something in a file: ``path/to/file.py:Name``.
        """
        if isinstance(value, Mapping):
            return {key: self.of_arguments((*keys, key), inner, folder) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.of_arguments(keys, inner, folder) for inner in value]
        if not isinstance(value, str):
            return value
        named = _IN_FILE.fullmatch(value)
        if named is None and not value.endswith(".safetensors"):
            return value
        file, name = (value, "") if named is None else named.groups()
        if Path(file).expanduser().is_absolute():
            return value
        return relative(self.path(keys, file), folder) + name

    def _name(self, keys: tuple[str, ...]) -> str:
        typed = next((depth for depth in range(len(keys), 0, -1) if keys[:depth] in self._from_command_line), 0)
        known = next((keys[:depth] for depth in range(len(keys), 0, -1) if keys[:depth] in self._lines), ())
        if typed and typed >= len(known):
            return f"--set {'.'.join(keys)}"
        line = f":{self._lines[known]}" if known else ""
        return f"{self.file}{line}" + (f": [{keys[0]}]" if keys else "") + "".join(f" {key}" for key in keys[1:])


def relative(path: Path, folder: Path) -> str:
    """The way from a folder to a path; the path itself where there is none (another drive)."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        return path.as_posix()
