"""Scores that know nothing: what any other has to beat."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

import backtester as bt
from signals.checks import whole

Words = NDArray[np.uint64]


class Random(bt.Signal):
    """A uniform number in [0, 1) for each date and symbol; NaN where today's close is unknown.

    It depends on the seed, the date and the symbol's name alone: not on which other symbols or sessions there are, nor
    on how many rows are asked for at a time.
    """

    def __init__(self, seed: int = 0, *, horizon: int = 1) -> None:
        """Other seeds are other luck."""
        self.seed, self.horizon = whole("seed", seed, least=0), whole("horizon", horizon)

    def predict(self, panel: bt.Panel, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Draw for the dates of the rows."""
        names = np.array([_word(symbol.encode()) for symbol in panel.symbols], dtype=np.uint64)
        days = panel.dates[rows].astype("datetime64[D]").astype(np.int64).astype(np.uint64)
        seed = np.array([_word(str(self.seed).encode())], dtype=np.uint64)
        words = _mixed(_mixed(_mixed(days ^ seed))[:, None] ^ names)
        drawn = (words >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return np.where(np.isfinite(panel.close[rows]), drawn, np.nan)


def _word(content: bytes) -> int:
    """The first 64 bits of a hash."""
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "little")


def _mixed(words: Words) -> Words:
    """Scramble 64-bit words one to one: the output function of SplitMix64 (Steele, Lea and Flood, 2014)."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
