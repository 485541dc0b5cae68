"""A curve in one line of characters."""

from __future__ import annotations

import numpy as np

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.-:=+*#"  # for terminals that cannot show blocks


def can_show(encoding: str | None) -> bool:
    """Whether a terminal of this encoding can show the blocks."""
    try:
        BLOCKS.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def sparkline(values: np.ndarray, width: int, levels: str = BLOCKS) -> str:
    """A line of characters as tall as the values, each the last one of its stretch; at most ``width`` of them.

    NaN is drawn as the lowest level, as is a curve that never moves.
    """
    if not values.size:
        return ""
    count = min(max(width, 1), values.size)
    shown = values[np.linspace(0, values.size - 1, count).round().astype(int)]
    known = shown[np.isfinite(shown)]
    if not known.size or not known.max() > known.min():
        return levels[0] * count
    low, high = float(known.min()), float(known.max())
    heights = np.nan_to_num((shown - low) / (high - low) * (len(levels) - 1)).round().astype(int)
    return "".join(levels[height] for height in heights.clip(0, len(levels) - 1))
