"""The files that ``new strategy`` writes: a strategy that works, to be changed, and a config that runs it."""

from __future__ import annotations

import keyword
import re
import sys
from importlib.machinery import PathFinder
from pathlib import Path

from backtester.errors import ConfigError, RunError

# Taken even where they would not be found: what every strategy imports.
_OURS = ("backtester", "numpy", "pandas", "strategies")

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


def new_strategy(name: str, folder: Path) -> tuple[Path, Path]:
    """Write ``name.py`` and ``name.toml`` and return their paths.

    Args:
        name: of the strategy, ``mean_reversion`` or ``MeanReversion``.
        folder: where to; it is made if it does not exist.

    Raises:
        ConfigError: the name is no name for a class or a module, or hides a module that can be imported.
        RunError: one of the files exists, or cannot be written.
    """
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", name)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_ -]*", name):
        raise ConfigError(f"{name!r} is no name for a strategy; use letters, digits, - and _, a letter first.")
    file = "_".join(word.lower() for word in words)
    class_name = "".join(word[0].upper() + word[1:] for word in words)
    for word in (file, class_name):
        if keyword.iskeyword(word):
            raise ConfigError(f"{name!r} is no name for a strategy: {word} is a word of Python itself. Choose another.")
    paths = folder / f"{file}.py", folder / f"{file}.toml"
    for path in paths:
        if path.exists():
            raise RunError(f"{path} exists already, and nothing was written. Choose another name.")
    if _is_taken(file, folder):
        raise ConfigError(
            f"{name!r} is no name for a strategy: {file}.py would hide the module {file}. Choose another."
        )
    texts = (
        _STRATEGY.format(title=" ".join(words).capitalize(), class_name=class_name),
        _CONFIG.format(file=file, class_name=class_name),
    )
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
