"""Places found, of which only the worst are kept, so that memory stays small however bad the data are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtester.market.actions import Ints

# Places that wait before all but the worst are dropped.
_HELD = 50_000


class Places:
    """Cells of a panel with a size (how bad) and further facts; counts all of them, keeps the worst."""

    def __init__(self, symbols: int, keep: int) -> None:
        """Start with none, of a panel with `symbols` columns; `keep` places will be shown."""
        self.count = 0
        self.hit = np.zeros(symbols, dtype=bool)  # (N,) symbols that have at least one place
        self._keep = keep
        self._parts: list[dict[str, NDArray[Any]]] = []
        self._held = 0

    def add(self, row: Ints, col: Ints, size: Any, **facts: Any) -> None:
        """Add places: their sessions, symbols, sizes and any facts, each ``(n,)`` or one value for all."""
        n = len(row)
        if not n:
            return
        self.count += n
        self.hit[col] = True
        given = {"row": row, "col": col, "size": size, **facts}
        self._parts.append({key: np.broadcast_to(np.asarray(value), (n,)) for key, value in given.items()})
        self._held += n
        if self._held > _HELD:
            self._prune()

    def worst(self) -> list[dict[str, Any]]:
        """The worst places, each with its facts: by size, then date, then symbol."""
        self._prune()
        if not self._parts:
            return []
        (part,) = self._parts
        return [{key: values[k] for key, values in part.items()} for k in range(len(part["row"]))]

    def _prune(self) -> None:
        if not self._parts:
            return
        whole = {key: np.concatenate([part[key] for part in self._parts]) for key in self._parts[0]}
        order = np.lexsort((whole["col"], whole["row"], -whole["size"]))[: self._keep]
        self._parts = [{key: values[order] for key, values in whole.items()}]
        self._held = len(order)


def blocks(sessions: int, symbols: int, cells: int = 1 << 17) -> list[slice]:
    """Slices of rows of some hundred thousand cells at most, which fit a processor's cache."""
    step = max(1, cells // max(1, symbols))
    return [slice(first, min(first + step, sessions)) for first in range(0, sessions, step)]
