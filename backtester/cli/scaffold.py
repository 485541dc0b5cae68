"""What ``new strategy`` and ``new signal`` write: a class that works, to be changed, and a config that runs it."""

from __future__ import annotations

import keyword
import re
import sys
from importlib.machinery import PathFinder
from pathlib import Path

from backtester.errors import ConfigError, RunError

# Taken even where they would not be found: what every strategy and signal imports.
_OURS = ("backtester", "numpy", "pandas", "signals", "strategies")

_STRATEGY = '''"""{title}: buys what fell most in the last days and sells short what rose most."""

import backtester as bt


class {class_name}(bt.Strategy):
    """Change `decide`; everything else can stay.

    A view holds what is known after the close of `view.date`: prices as (t + 1, N) arrays with the newest row last,
    masks of the day as (N,), and the book (`view.book.cash`, `.equity`, `.shares`, `.weights`).
    """

    def __init__(self, days: int = 5, names: int = 20) -> None:
        """Look back so many days, and hold so many names on each side."""
        self.days = days
        self.names = names
        self.warmup = days + 1  # sessions before the first decision

    def decide(self, view):
        """Weights of equity for every symbol; they trade at the next open."""
        score = 1 - view.adj_close[-1] / view.adj_close[-1 - self.days]
        return bt.rank_long_short(score, view.tradable & view.member, long=self.names, short=self.names)
'''

_CONFIG = """# python -m backtester run {file}.toml
# Change a setting for one run: --set strategy.days=10

[data]
# Made-up prices, so that this runs at once. For real ones: path = "data/sp500", a folder written by `data import`.
synthetic = {{ symbols = 100, sessions = 756, seed = 1 }}

[strategy]
class = "{file}.py:{class_name}"
days = 5
names = 20

[costs]
commission_bps = 1
slippage_bps = 5
borrow_rate = 0.005

[risk]
max_daily_loss = 0.05

[run]
name = "{file}"
cash = 10_000_000
"""


_SIGNAL = '''"""{title}: learns what the last returns say about the next ones."""

import numpy as np

import backtester as bt


class {class_name}(bt.Signal):
    """Change `_features`, `fit` and `predict`; folds, purge and cache are looked after.

    `fit` is called once a fold, on a copy of this object, with a panel that ends with the last label of its rows;
    `predict` with one that ends with the last row asked for. `bt.labels` knows when an order fills.
    """

    fill = "open"  # the price that the labels run from

    def __init__(self, days: int = 20, horizon: int = 1, penalty: float = 1.0) -> None:
        """Learn from so many returns the return of so many sessions, with a ridge."""
        self.days = days
        self.horizon = horizon
        self.penalty = penalty
        self.warmup = days + 1  # sessions that a score needs

    def fit(self, panel, rows):
        """Keep what is learnt under a name with an underscore."""
        label = bt.labels(panel, rows, self.horizon, kind="demeaned")
        known = np.isfinite(label)
        x, y = self._features(panel, rows)[known], label[known]
        self._weights = np.linalg.solve(x.T @ x + self.penalty * np.eye(self.days), x.T @ y)

    def predict(self, panel, rows):
        """Scores of (rows, symbols): the higher the better, NaN for no opinion."""
        scores = self._features(panel, rows) @ self._weights
        return np.where(panel.tradable[rows], scores, np.nan)

    def _features(self, panel, rows):
        """(rows, symbols, days): the last returns, the newest first; 0 for one that is unknown."""
        return np.nan_to_num(np.stack([panel.returns[rows - lag] for lag in range(self.days)], axis=-1))
'''

_SIGNAL_CONFIG = """# python -m backtester run {file}.toml
# Change a setting for one run: --set signal.days=10. Scores are kept, so other costs do not train again.

[data]
# Made-up prices with something to learn. For real ones: path = "data/sp500", a folder written by `data import`.
synthetic = {{ symbols = 100, sessions = 756, seed = 1, kind = "order", rank_ic = 0.05 }}

[signal]
class = "{file}.py:{class_name}"
days = 20

[folds]
train = 252 # sessions to learn from
test = 63 # sessions to score with it, then learn anew

[strategy]
class = "strategies:RankedLongShort"
long = 20
short = 20

[costs]
commission_bps = 1
slippage_bps = 2
borrow_rate = 0.005

[risk]
max_daily_loss = 0.05

[run]
name = "{file}"
cash = 10_000_000
"""


def new_strategy(name: str, folder: Path) -> tuple[Path, Path]:
    """Write ``name.py`` and ``name.toml`` and return their paths.

    Args:
        name: of the strategy, ``mean_reversion`` or ``MeanReversion``.
        folder: where to; it is made if it does not exist.

    Raises:
        ConfigError: the name is no name for a class or a module, or hides a module that can be imported.
        RunError: one of the files exists, or cannot be written.
    """
    return _write("strategy", name, folder, _STRATEGY, _CONFIG)


def new_signal(name: str, folder: Path) -> tuple[Path, Path]:
    """The same for a signal, with a config that trains it by walk-forward and trades its scores."""
    return _write("signal", name, folder, _SIGNAL, _SIGNAL_CONFIG)


def _write(kind: str, name: str, folder: Path, source: str, config: str) -> tuple[Path, Path]:
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", name)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_ -]*", name):
        raise ConfigError(f"{name!r} is no name for a {kind}; use letters, digits, - and _, a letter first.")
    file = "_".join(word.lower() for word in words)
    class_name = "".join(word[0].upper() + word[1:] for word in words)
    for word in (file, class_name):
        if keyword.iskeyword(word):
            raise ConfigError(f"{name!r} is no name for a {kind}: {word} is a word of Python itself. Choose another.")
    paths = folder / f"{file}.py", folder / f"{file}.toml"
    for path in paths:
        if path.exists():
            raise RunError(f"{path} exists already, and nothing was written. Choose another name.")
    if _is_taken(file, folder):
        raise ConfigError(f"{name!r} is no name for a {kind}: {file}.py would hide the module {file}. Choose another.")
    names = {"title": " ".join(words).capitalize(), "class_name": class_name, "file": file}
    texts = source.format(**names), config.format(**names)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in zip(paths, texts, strict=True):
            with path.open("x", encoding="utf-8", newline="\n") as opened:
                opened.write(text)
    except OSError as error:
        raise RunError(f"Cannot write to {folder}: {error.strerror or error}.") from error
    return paths


def _is_taken(name: str, folder: Path) -> bool:
    """Whether a module of that name can be imported already, from elsewhere than here or ``folder``."""
    if name in sys.stdlib_module_names or name in _OURS:
        return True
    own = {Path.cwd(), folder.resolve()}
    found = PathFinder.find_spec(name, [path for path in sys.path if path and Path(path).resolve() not in own])
    return found is not None and found.origin is not None
