"""The source files that decide what a class computes: its own, and those of all modules reached from it."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import site
import sys
import sysconfig
from collections.abc import Iterable
from functools import cache
from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

from backtester.errors import DataError
from backtester.market.store import sha256_of

_OWN = "backtester"
# Of each module looked at, its spec (a new one with each load) and the hash of its file at the time.
_seen: dict[str, tuple[Any, str]] = {}


def source_hashes(modules: Iterable[str]) -> dict[str, str]:
    """Hashes of the files of these modules and of all that they import, directly or not, by module.

    What a module imports is taken from its text, inside functions too, and from what its names hold now. Files of the
    standard library count for nothing, installed packages by their version, this package as a whole.

    Raises:
        DataError: a module lies in no file, as in a notebook; or its file was edited after it was loaded, so that the
            code that runs is another one.
    """
    found: dict[str, str] = {}
    asked = set(modules)
    waiting = sorted(asked)
    while waiting:
        name = waiting.pop()
        top = name.partition(".")[0]
        if name in found:
            continue
        if top == _OWN:  # a hundred modules import it, and one hash of all its files does for each
            found[_OWN] = found.get(_OWN) or _package_hash()
            continue
        file = _file_of(name)
        if file is None:
            if name in asked and top not in sys.stdlib_module_names:
                raise DataError(f"{name} lies in no file; write it to a module, so that a change of it is noticed.")
            continue
        if _is_installed(file):
            found[top] = _version_of(top)
            if name not in asked:
                continue
        elif _is_standard(file):
            continue
        found[name] = _hash_once(name, file)
        waiting += _reached_from(name, file, found[name])
    return dict(sorted(found.items()))


def _file_of(name: str) -> Path | None:
    """The Python file of a module, whether it has been loaded or not; None if there is none."""
    module = sys.modules.get(name)
    if module is not None:
        told = getattr(module, "__file__", None)
    else:
        spec = _spec_of(name)
        told = None if spec is None or not spec.has_location else spec.origin
    path = None if told is None else Path(told)
    return path if path is not None and path.suffix == ".py" and path.is_file() else None


def _spec_of(name: str) -> Any:
    """Where a module would be loaded from; unlike `importlib.util.find_spec` it never loads what is above it."""
    above = name.rpartition(".")[0]
    try:
        if not above:
            return importlib.util.find_spec(name)
        spec = getattr(sys.modules.get(above), "__spec__", None) or _spec_of(above)
        places = None if spec is None else spec.submodule_search_locations
        return None if places is None else PathFinder.find_spec(name, places)
    except (ImportError, ValueError, AttributeError):
        return None


def _hash_once(name: str, file: Path) -> str:
    """The hash of a module's file; raises DataError if it has changed while the module has not been loaded again."""
    content = sha256_of(file)
    spec = getattr(sys.modules.get(name), "__spec__", None)
    if spec is not None:
        known, before = _seen.setdefault(name, (spec, content))
        if known is spec and before != content:
            raise DataError(f"{file.name} was edited after it was loaded; start Python anew, or reload {name}.")
        _seen[name] = spec, content
    return content


def _reached_from(name: str, file: Path, content: str) -> set[str]:
    """Modules that a module's text imports, or that its names come from; those above it are run too."""
    module = sys.modules.get(name)
    reached = {name.rpartition(".")[0]} - {""}
    for value in [] if module is None else list(vars(module).values()):
        there = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        if isinstance(there, str):
            reached.add(there)
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    reached |= _imported(file, package, content)
    return {_whole_or_top(one) for one in reached if one.strip(".")}


@cache
def _imported(file: Path, package: str, content: str) -> frozenset[str]:
    """What the text of a file of a package imports; ``content`` is its hash, which decides that."""
    try:
        nodes = list(ast.walk(ast.parse(file.read_bytes())))
    except SyntaxError as error:
        raise DataError(f"{file} cannot be read: {error}.") from error
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: 1 - node.level or None]
                base = ".".join([*above, *([base] if base else [])])
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def _whole_or_top(name: str) -> str:
    """The name of a module; of one in an installed package, that of the package, whose version is what counts."""
    top = name.partition(".")[0]
    file = None if top == _OWN else _file_of(top)
    return top if file is not None and _is_installed(file) else name


@cache
def _is_installed(file: Path) -> bool:
    return any(file.resolve().is_relative_to(folder) for folder in _folders()[0])


@cache
def _is_standard(file: Path) -> bool:
    return any(file.resolve().is_relative_to(folder) for folder in _folders()[1])


@cache
def _folders() -> tuple[list[Path], list[Path]]:
    """Where installed packages lie, and the standard library."""
    paths = sysconfig.get_paths()
    installed = [paths["purelib"], paths["platlib"], *site.getsitepackages(), site.getusersitepackages()]
    standard = [paths["stdlib"], paths["platstdlib"]]
    return [Path(one).resolve() for one in installed], [Path(one).resolve() for one in standard]


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # the libraries whose name is another one are in the key by themselves
        return "installed"


def _package_hash() -> str:
    """One hash for all files of this package."""
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        digest.update(f"{file.relative_to(root).as_posix()}\0{sha256_of(file)}\n".encode())
    return digest.hexdigest()
