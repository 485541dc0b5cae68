"""What the signals here share: a check, what a name means, and rows of the past."""

from __future__ import annotations

import importlib
import importlib.util
import numbers
import pkgutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

import backtester as bt
from backtester.errors import did_you_mean

_texts: dict[str, bytes] = {}  # of the files that were loaded, by the name of their module


def whole(key: str, value: object, least: int = 1) -> int:
    """``value`` if it is a whole number of at least ``least``; else a ConfigError that names ``key``."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise bt.ConfigError(f"{key} is {value!r}; it must be a whole number, at least {least}.")
    return int(value)


def found(name: str, key: str) -> Any:
    """What ``package.module:Name``, or ``path/to/file.py:Name`` from the current folder on, means."""
    module, colon, attribute = name.rpartition(":") if isinstance(name, str) else ("", "", "")
    if not colon or not module:
        raise bt.ConfigError(
            f"{key} is {name!r}; write package.module:Name, such as 'sklearn.linear_model:Ridge', or "
            "path/to/file.py:Name."
        )
    try:
        loaded = _loaded(Path(module).absolute(), key) if module.endswith(".py") else importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        here = {one.name for one in pkgutil.iter_modules()}
        hint = "" if package in here else did_you_mean(package, here)
        raise bt.ConfigError(f"{key} is {name!r}, and {module} cannot be imported: {error}.{hint}") from error
    try:
        return getattr(loaded, attribute)
    except AttributeError as error:
        hint = did_you_mean(attribute, dir(loaded))
        raise bt.ConfigError(f"{key} is {name!r}, and {module} has no {attribute}.{hint}") from error


def _loaded(file: Path, key: str) -> ModuleType:
    """The module of a file, loaded once as long as the file stays as it is.

    It is ``file_`` and the name of the file, with underscores where another file has that name already: under its own
    it could hide a module, and it is found by that name when its source goes into the key of the score cache.
    """
    if not file.is_file():
        near = (other.name for other in file.parent.glob("*.py")) if file.parent.is_dir() else ()
        raise bt.ConfigError(f"{key}: there is no file {file}.{did_you_mean(file.name, near)}")
    name, text = f"file_{file.stem}", file.read_bytes()
    while name in sys.modules and sys.modules[name].__file__ != str(file):
        name += "_"
    if name in sys.modules and _texts.get(name) == text:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None  # its name ends in .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get(name)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
        raise bt.ConfigError(f"{key}: {file} cannot be imported: {type(error).__name__}: {error}") from error
    _texts[name] = text
    return module


def lagged(values: NDArray[np.float64], rows: NDArray[np.int64], lag: int) -> NDArray[np.float64]:
    """``values[rows - lag]``, (R, N); NaN before row 0, where a negative row would count from the end."""
    found: NDArray[np.float64] = values[np.maximum(rows - lag, 0)]
    found[rows < lag] = np.nan
    return found
