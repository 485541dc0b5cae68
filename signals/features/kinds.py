"""Every feature, and the named sets of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

import backtester as bt
from backtester.cross_section import centred_ranks, standard_scores
from signals.features import prices, sessions
from signals.features.naming import Kind, Names, Vocabulary, expand, parse
from signals.features.slab import exponential, wilder

Floats = NDArray[np.float64]
HORIZONS = (1, 5, 10, 21, 42, 63)
SCALES: dict[str, Callable[[Floats], Floats]] = {"rank": centred_ranks, "zscore": standard_scores}


def _slower(fast: int, slow: int, over: int = 1) -> int:
    return max(len(exponential(fast)), len(exponential(slow))) + over - 1


KINDS: dict[str, Kind] = {
    "return": Kind(prices.total_return, lambda n: n + 1, (1,)),
    "decile": Kind(sessions.decile, lambda n: n + 1, (1,)),
    "sector_quintile": Kind(sessions.sector_quintile, lambda n: n + 1, (1,)),
    "dollar_volume": Kind(sessions.dollar_volume, lambda: 1),
    "dollar_volume_rank": Kind(sessions.dollar_volume_rank, lambda n: n, (21,)),
    "rsi": Kind(prices.rsi, lambda n: len(wilder(n)) + 1, (14,)),
    "bollinger_high": Kind(prices.bollinger_high, lambda n: n, (20,)),
    "bollinger_low": Kind(prices.bollinger_low, lambda n: n, (20,)),
    "atr": Kind(prices.atr, lambda n: len(wilder(n)) + 1, (14,)),
    "natr": Kind(prices.natr, lambda n: len(wilder(n)) + 1, (14,)),
    "atr_zscore": Kind(prices.atr_zscore, lambda n, over: len(wilder(n)) + over, (14, 63)),
    "macd": Kind(prices.macd, _slower, (12, 26)),
    "macd_zscore": Kind(prices.macd_zscore, _slower, (12, 26, 63)),
    "ppo": Kind(prices.ppo, _slower, (12, 26)),
    "fracdiff": Kind(prices.fracdiff, lambda order, width: width, (0.4, 63)),
    "sector": Kind(sessions.sector, lambda: 1),
    "year": Kind(sessions.year, lambda: 1),
    "month": Kind(sessions.month, lambda: 1),
    "weekday": Kind(sessions.weekday, lambda: 1),
}

# The 31 inputs of the networks in chapter 17 of S. Jansen, Machine Learning for Algorithmic Trading (2nd edition,
# 2020), which chapter 12 makes. How ours differ stands in docs/features.md.
ML4T = (
    *("dollar_volume", "dollar_volume_rank_21", "rsi_14", "bollinger_high_20", "bollinger_low_20", "natr_14"),
    *("atr_zscore_14_63", "ppo_12_26", "macd_zscore_12_26_63", "sector"),
    *(f"return_{n}" for n in HORIZONS),
    *(f"decile_{n}" for n in HORIZONS),
    *(f"sector_quintile_{n}" for n in HORIZONS),
    *("year", "month", "weekday"),
)
DEFAULT = (*(f"rank:return_{n}" for n in (1, 5, 10, 21, 63)), "rank:extra")
SETS = {"default": DEFAULT, "ml4t": ML4T}
FEATURES = Vocabulary("feature", KINDS, SETS, tuple(SCALES))


def feature_names(panel: bt.Panel, names: Names) -> tuple[str, ...]:
    """The name of each of the F features, the extra columns one by one.

    Raises:
        ConfigError: a name is unknown, wrong, or there twice.
    """
    return tuple(one.name for one in expand(panel, parse(names, FEATURES), FEATURES))


def warmup_of(names: Names) -> int:
    """Rows that a row of these features depends on, its own among them.

    Raises:
        ConfigError: a name is unknown, wrong, or there twice.
    """
    return max(one.depth for one in parse(names, FEATURES))
