"""From the name of a class to an instance: ``package.module:Class`` or ``path/to/file.py:Class``."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from backtester.errors import BacktesterError, did_you_mean

T = TypeVar("T")

# Makes an error about an argument, or about the class where the first is None.
Complain = Callable[[str | None, str], BacktesterError]


def load_class(name: str, base: type[T], complain: Complain, file: Path | None = None) -> type[T]:
    """The class that a name means.

    Args:
        name: ``package.module:Class`` or ``path/to/file.py:Class``.
        base: what it must be a subclass of.
        complain: makes the error.
        file: where the file is, if it is one.

    Raises:
        BacktesterError: what `complain` makes; module, file or class is missing, cannot be imported, or is no `base`.
    """
    source, colon, class_name = name.rpartition(":")
    if not colon or not source or not class_name:
        raise complain(None, f"{name!r} names no class; write package.module:Class or path/to/file.py:Class.")
    module = _import_file(file, complain) if file is not None else _import_module(source, complain)
    found = getattr(module, class_name, None)
    if isinstance(found, type) and issubclass(found, base) and found is not base:
        return found
    usable = [
        key
        for key, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, base) and value is not base and not key.startswith("_")
    ]
    listed = f"it has {', '.join(sorted(usable))}" if usable else f"it has no {base.__name__} at all"
    if found is None:
        hint = did_you_mean(class_name, usable)
        if not usable and file is None:  # such as the module signal, which Python brings along
            near = did_you_mean(source, [name for name in _modules_near(source, source) if name != source])
            hint = near.replace("Did you mean", "Did you mean the module")
        raise complain(None, f"{source} has no class {class_name}; {listed}.{hint}")
    raise complain(None, f"{name} is no {base.__name__}; {listed}.")


def build(kind: Callable[..., T], arguments: Mapping[str, Any], complain: Complain) -> T:
    """An instance of a class, or what a function returns, its arguments checked against its signature.

    Raises:
        BacktesterError: what `complain` makes; an argument is unknown, missing or refused by the class.
    """
    parameters = inspect.signature(kind).parameters.values()
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        known = [parameter.name for parameter in parameters if parameter.kind is not parameter.POSITIONAL_ONLY]
        for key in arguments:
            if key not in known:
                takes = f"takes {', '.join(known)}" if known else "takes no arguments"
                raise complain(key, f"there is no such argument; {kind.__name__} {takes}.{did_you_mean(key, known)}")
    for parameter in parameters:
        needed = parameter.default is parameter.empty and parameter.kind in (
            parameter.POSITIONAL_OR_KEYWORD,
            parameter.KEYWORD_ONLY,
        )
        if needed and parameter.name not in arguments:
            raise complain(None, f"{kind.__name__} needs {parameter.name!r}, which is not given.")
    try:
        return kind(**arguments)
    except (BacktesterError, TypeError, ValueError) as error:
        raise complain(_subject(str(error), arguments), f"{kind.__name__} refused its arguments: {error}") from error


def _subject(message: str, arguments: Mapping[str, Any]) -> str | None:
    """The argument that a message is about: the first one that it names."""
    return next((word for word in re.findall(r"\w+", message) if word in arguments), None)


def takes(kind: type, argument: str) -> bool:
    """Whether a class has an argument."""
    return argument in inspect.signature(kind).parameters


def _import_module(name: str, complain: Complain) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            hint = did_you_mean(name, _modules_near(name, error.name))
            raise complain(None, f"there is no module {error.name}.{hint}") from error
        raise complain(None, f"{name} cannot be imported: {_last_line(error)}") from error
    except Exception as error:
        raise complain(None, f"{name} cannot be imported: {_last_line(error)}") from error


def _modules_near(name: str, missing: str) -> list[str]:
    """Names that could have been meant: the modules beside the one that is missing."""
    package, _, _ = missing.rpartition(".")
    if not package:
        return [module.name for module in pkgutil.iter_modules()]
    folders = getattr(sys.modules.get(package), "__path__", [])
    return [f"{package}.{module.name}{name[len(missing) :]}" for module in pkgutil.iter_modules(folders)]


def _import_file(file: Path, complain: Complain) -> ModuleType:
    if not file.is_file():
        near = (other.name for other in file.parent.glob("*.py")) if file.parent.is_dir() else ()
        raise complain(None, f"there is no file {file}.{did_you_mean(file.name, near)}")
    name = f"file_{file.stem}"  # under its own name it could hide a module, such as random
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise complain(None, f"{file} is no Python file; its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise complain(None, f"{file} cannot be imported: {_last_line(error, file)}") from error
    return module


def _last_line(error: Exception, file: Path | None = None) -> str:
    """What went wrong, and in which line: of `file`, if the error passed through it."""
    frames = traceback.extract_tb(error.__traceback__)
    line = next((frame.lineno for frame in reversed(frames) if file and frame.filename == str(file)), None)
    if isinstance(error, SyntaxError):
        line = error.lineno
    return f"{type(error).__name__}: {error}" + (f" (line {line})" if line and "line" not in str(error) else "")
