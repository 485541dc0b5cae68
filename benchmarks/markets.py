"""The work that every engine is timed on, made with numpy alone so that each peer's environment makes the same arrays.

A market is a seeded random walk of daily bars; the scores are seeded normals, drawn afresh every session. The move from
the open to the close of the session after a score leans a little on it (``edge``), enough to pay the commission and
slippage of a book that turns over almost wholly every day: without it the equity would melt and with it the orders to
be filled.

========  ========================================================================
``W1``    500 symbols x 2,520 sessions, the 50 best and worst scores, half the equity a side
``W2``    3,000 symbols x 5,040 sessions, otherwise the same
``W3``    100 variants of W1: its market and scores, other numbers of names a side and slippage
``QUICK`` 60 symbols x 252 sessions, 6 a side: the same in a blink, for tests
========  ========================================================================
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CASH = 10_000_000.0
COMMISSION_BPS = 1.0
SLIPPAGE_BPS = 5.0
OVERNIGHT, INTRADAY = 0.008, 0.016  # daily volatility of the two parts of a session


class Work(NamedTuple):
    """What one engine is asked to do."""

    name: str
    symbols: int
    sessions: int
    names: int  # a side
    edge: float  # part of the session's volatility that a score of 1 foretells
    seed: int = 1

    @property
    def bars(self) -> int:
        """Symbols times sessions."""
        return self.symbols * self.sessions


WORKS = {
    "W1": Work("W1", 500, 2520, 50, 0.045),
    "W2": Work("W2", 3000, 5040, 50, 0.030),
    "QUICK": Work("QUICK", 60, 252, 6, 0.045),
}


class Variant(NamedTuple):
    """One of the variants of W3."""

    names: int
    slippage_bps: float


def variants(work: Work, count: int = 100) -> list[Variant]:
    """Return ``count`` variants of ``work``: half to one and a half times its names a side, 2 to 6 bps of slippage."""
    least = work.names // 2
    return [Variant(least + v * work.names // count, 2.0 + 4.0 * v / count) for v in range(count)]


class Market(NamedTuple):
    """Daily bars. Arrays are ``(T, N)`` float64, C-contiguous and finite; ``high`` and ``low`` enclose the others."""

    dates: NDArray[np.datetime64]  # (T,) business days
    symbols: tuple[str, ...]  # (N,) in alphabetical order
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]  # whole shares, at least 1
    scores: NDArray[np.float64]  # known after the close of their row


def make(work: Work) -> Market:
    """Make the market of ``work``: the same bytes in every process with the same numpy."""
    rng = np.random.default_rng([work.seed, work.symbols, work.sessions])
    shape = (work.sessions, work.symbols)
    scores = rng.standard_normal(shape)
    overnight = rng.standard_normal(shape)
    overnight *= OVERNIGHT
    intraday = rng.standard_normal(shape)
    intraday[1:] += work.edge * scores[:-1]
    intraday *= INTRADAY
    # The walk in logarithms: close[t] = close[t-1] + overnight[t] + intraday[t].
    close = np.cumsum(overnight + intraday, axis=0)
    close += rng.uniform(np.log(20.0), np.log(200.0), work.symbols)
    open_ = close - intraday
    np.exp(close, out=close)
    np.exp(open_, out=open_)
    del overnight, intraday
    reach = rng.standard_normal(shape)
    np.abs(reach, out=reach)
    reach *= 0.5 * OVERNIGHT
    reach += 1.0
    high = np.maximum(open_, close) * reach
    low = np.minimum(open_, close) / reach
    volume = reach
    rng.standard_normal(shape, out=volume)
    volume *= 0.4
    volume += rng.uniform(11.0, 15.0, work.symbols)
    np.exp(volume, out=volume)
    np.ceil(volume, out=volume)
    days = np.busday_offset("2005-01-03", np.arange(work.sessions), roll="forward")
    symbols = tuple(f"S{i:04d}" for i in range(work.symbols))
    return Market(days.astype("datetime64[D]"), symbols, open_, high, low, close, volume, scores)
