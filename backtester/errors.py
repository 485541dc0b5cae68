"""The errors of the package, and the one helper that words them.

The tree::

    BacktesterError
    ├── DataError        (also ValueError)  market data, scores or corporate actions are wrong
    ├── ConfigError      (also ValueError)  a setting, a config file or a command line is wrong
    ├── StrategyError    a strategy raised, or returned what cannot be traded
    └── RunError         a finished run cannot be written or read

Every message names what was found (symbol, date, column, key or file) and what to do about it.
"""

from __future__ import annotations

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


class RunError(BacktesterError):
    """A finished run cannot be written or read."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The tail of a message about an unknown name: `` Did you mean 'x'?``, or nothing if no known name is close."""
    by_fold = {candidate.casefold(): candidate for candidate in known}
    close = get_close_matches(name.casefold(), list(by_fold), n=1, cutoff=0.6)
    return f" Did you mean {by_fold[close[0]]!r}?" if close else ""
