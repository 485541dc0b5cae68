"""The one decorator of every compiled function, and the folder that the compiled code is kept in.

Numba keys its cache on the file of the function that is called: after a change in another file it would go on
running the old code of a helper. So the folder's name carries a hash of every source in this package.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def source_hash(folder: Path) -> str:
    """Hash of the names and contents of all ``*.py`` files in ``folder``: 16 hex digits."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _cache_folder() -> str | None:
    """A writable folder for compiled code, or None. ``NUMBA_CACHE_DIR`` has the first say."""
    name = f"engine-{source_hash(Path(__file__).parent)}"
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    own = os.path.join(home, "backtester")
    temporary = os.path.join(tempfile.gettempdir(), f"backtester-{os.getuid() if hasattr(os, 'getuid') else 'user'}")
    for base in filter(None, (os.environ.get("NUMBA_CACHE_DIR"), own, temporary)):
        folder = os.path.join(base, name)
        try:
            os.makedirs(folder, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError:
            continue
        return folder
    return None


CACHE_FOLDER = _cache_folder()


def kernel(function: Function) -> Function:
    """Compile ``function`` the one way there is: cached on disk, without the interpreter's lock, dividing like NumPy.

    Numba reads its cache folder when a function is decorated, so it is set for that moment only; other packages keep
    theirs. Division by zero is checked where it can happen: the default error model would put a branch that raises
    behind every division.
    """
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = CACHE_FOLDER or ""
    try:
        compiled: Function = numba.njit(cache=CACHE_FOLDER is not None, nogil=True, error_model="numpy")(function)
        return compiled
    finally:
        numba.config.CACHE_DIR = before
