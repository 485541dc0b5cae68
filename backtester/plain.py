"""Settings as plain JSON data: for the record of a run, and for the key of the score cache."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

# The key under which a description names what it could not look into.
OPAQUE = "opaque"
# An array of up to so many values stands in a description as a list, a larger one as a hash.
_SMALL = 64
_DEEP = 20  # levels; beyond is a loop


def plain(value: Any) -> Any:
    """A setting as strict JSON data, NaN and infinities as text.

    Raises:
        TypeError: it is no plain data, and its text could hide what it holds.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else json.dumps(value)
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    raise TypeError(f"{type(value).__name__} is no plain data")


def is_plain(value: Any) -> bool:
    """Whether `plain` takes it."""
    try:
        plain(value)
    except TypeError:
        return False
    return True


def described(value: Any, depth: int = 0) -> Any:
    """Anything as strict JSON data, as far as its content can be told.

    Arrays stand as lists or by their hash; functions and classes of a module by name; objects by their class and
    parameters (``get_params``) or attributes; all of it to the bottom. What is left, such as a lambda, a local function
    or an open file, stands as ``{"opaque": what it is}``.
    """
    below = depth + 1
    if depth > _DEEP:
        return _opaque(value)
    if value is None or (isinstance(value, bool | int | float | str | np.generic) and is_plain(value)):
        return plain(value)
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiubMmSU":
        return _array(value)
    if isinstance(value, list | tuple):
        return [described(one, below) for one in value]
    if isinstance(value, dict):
        return {str(key): described(one, below) for key, one in value.items()}
    if isinstance(value, type):
        return {"class": name_of(value)} if is_of_module(value) else _opaque(value)
    if isinstance(value, types.FunctionType | types.BuiltinFunctionType | np.ufunc):
        return {"function": name_of(value)} if is_of_module(value) else _opaque(value)
    if isinstance(value, functools.partial) and type(value) is functools.partial:
        parts = {"partial": value.func, "arguments": value.args, "keywords": value.keywords}
        return {key: described(part, below) for key, part in parts.items()}
    if dataclasses.is_dataclass(value):
        held: dict[str, Any] | None = {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
    else:
        held = _held(value)
    if held is None or not is_of_module(type(value)):
        return _opaque(value)
    return {"class": name_of(type(value)), **{str(key): described(held[key], below) for key in sorted(held)}}


def opaque_parts(told: Any, where: str = "") -> Iterator[str]:
    """What a description could not look into, as ``key.key: what it is``."""
    if isinstance(told, dict):
        if set(told) == {OPAQUE}:
            yield f"{where}: {told[OPAQUE]}"
        for key, value in told.items():
            yield from opaque_parts(value, f"{where}.{key}" if where else key)
    elif isinstance(told, list):
        for value in told:
            yield from opaque_parts(value, where)


def modules_in(told: Any) -> set[str]:
    """Modules of the classes and functions that stand in a description by name."""
    if isinstance(told, list):
        return set().union(*(modules_in(value) for value in told))
    if not isinstance(told, dict):
        return set()
    names = {told[key].partition(":")[0] for key in ("class", "function") if isinstance(told.get(key), str)}
    return names.union(*(modules_in(value) for value in told.values()))


def name_of(thing: Any) -> str:
    """``package.module:Name`` of a class or a function."""
    return f"{_module_of(thing)}:{getattr(thing, '__qualname__', thing.__name__)}"


def is_of_module(thing: Any) -> bool:
    """Whether a class or a function is what its name means in its module: then its source says all of it."""
    found: Any = sys.modules.get(_module_of(thing))
    for part in getattr(thing, "__qualname__", thing.__name__).split("."):
        found = getattr(found, part, None)
    return found is thing


def _module_of(thing: Any) -> str:
    return "numpy" if isinstance(thing, np.ufunc) else str(thing.__module__)


def _held(value: Any) -> dict[str, Any] | None:
    """What an object is made of, parameters and attributes; None where it may hold more than Python shows."""
    if not hasattr(value, "__dict__"):
        return None
    for base in type(value).__mro__[:-1]:
        module = sys.modules.get(base.__module__)
        written_in_python = str(getattr(module, "__file__", None)).endswith(".py")
        if not written_in_python or "__reduce__" in vars(base) or vars(base).get("__slots__"):
            return None
    try:
        parameters = value.get_params(deep=False)
    except Exception:  # there are none, or one of the user's own making fails
        parameters = {}
    return {**parameters, **vars(value)}


def _array(value: np.ndarray) -> Any:
    if value.size <= _SMALL and value.dtype.kind in "fiubU":
        return plain(value.tolist())
    content = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
    return {"array": list(value.shape), "type": value.dtype.str, "sha256": content}


def _opaque(value: Any) -> dict[str, str]:
    what = value if isinstance(value, type | types.FunctionType) else type(value)
    return {OPAQUE: name_of(what)}
