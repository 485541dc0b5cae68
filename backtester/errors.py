"""The errors of the package, and the helpers that word them.

The tree::

    BacktesterError
    ├── DataError        (also ValueError)  market data, scores or corporate actions are wrong
    ├── ConfigError      (also ValueError)  a setting, a config file or a command line is wrong
    ├── StrategyError    a strategy raised, or returned what cannot be traded
    ├── SignalError      a signal raised, or returned what is no score
    └── RunError         a finished run cannot be written or read

Every message names what was found (symbol, date, column, key or file) and what to do about it.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterable
from difflib import get_close_matches


class BacktesterError(Exception):
    """The root of the tree: everything the package raises on purpose."""


class DataError(BacktesterError, ValueError):
    """Market data, scores or corporate actions are wrong."""


class ConfigError(BacktesterError, ValueError):
    """A setting, a config file or a command line is wrong."""


class StrategyError(BacktesterError):
    """A strategy raised, or returned what cannot be traded."""


class SignalError(BacktesterError):
    """A signal raised, or returned what is no score."""


class RunError(BacktesterError):
    """A finished run cannot be written or read."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The tail of a message about an unknown name: `` Did you mean 'x'?``, or nothing if no known name is close."""
    by_fold = {candidate.casefold(): candidate for candidate in known}
    close = get_close_matches(name.casefold(), list(by_fold), n=1, cutoff=0.6)
    return f" Did you mean {by_fold[close[0]]!r}?" if close else ""


def raised_at(error: Exception) -> str:
    """Where the user's own code raised: the last line outside this package, or where a library was called from."""
    package = os.path.dirname(os.path.abspath(__file__))
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<") and not os.path.abspath(frame.filename).startswith(package)
    ]
    own = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    return f" at {own[-1].filename}:{own[-1].lineno} ({own[-1].line})" if own else ""
