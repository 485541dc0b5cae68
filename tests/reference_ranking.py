"""Ranking a second time: section 7 of ``docs/semantics.md`` in plain Python."""

from __future__ import annotations

import math
from statistics import median


def rank(
    score: dict[str, float],
    eligible: set[str],
    long: float,
    short: float,
    weights: str = "equal",
    gross: float = 1.0,
    min_names: int = 1,
    volatility: dict[str, float] | None = None,
    sectors: dict[str, int] | None = None,
) -> dict[str, float]:
    """Section 7. Weights of all symbols in ``score``."""
    symbols = [name for name in sorted(score) if name in eligible and math.isfinite(score[name])]
    if weights == "inverse_volatility":
        assert volatility is not None
        symbols = [name for name in symbols if math.isfinite(volatility[name]) and volatility[name] > 0]
    groups: dict[int, list[str]] = {}
    for name in symbols:
        groups.setdefault(sectors[name] if sectors else 0, []).append(name)
    if sectors:
        groups = {code: names for code, names in groups.items() if len(names) >= 2}

    def count(asked: float, names: list[str]) -> int:
        if not asked:
            return 0
        if not sectors:
            return asked if isinstance(asked, int) else math.floor(asked * len(names) + 1e-9)
        share = asked * len(names) / len(symbols) if isinstance(asked, int) else asked * len(names)
        return max(1, math.floor(share + 1e-9))

    result = dict.fromkeys(score, 0.0)
    taken = {1: 0, -1: 0}
    total = sum(map(len, groups.values()))
    for names in groups.values():
        n, longs, shorts = len(names), count(long, names), count(short, names)
        if longs + shorts > n:
            longs, shorts = n * longs // (longs + shorts), n * shorts // (longs + shorts)
        if sectors and long and short:  # a sector has both sides
            longs = min(max(longs, 1), n - 1)
            shorts = min(max(shorts, 1), n - longs)
        best = sorted(names, key=lambda name: (-score[name], name))[:longs]
        worst = sorted((name for name in names if name not in best), key=lambda name: (score[name], name))[:shorts]
        middle = median(score[name] for name in names)
        for side, chosen in ((1, best), (-1, worst)):
            taken[side] += len(chosen)
            raw = dict.fromkeys(chosen, 1.0)
            if weights == "score":
                raw = {name: max(0.0, side * (score[name] - middle)) for name in chosen}
            elif weights == "inverse_volatility":
                raw = {name: 1 / volatility[name] for name in chosen} if volatility else raw
            if sum(raw.values()) == 0:
                raw = dict.fromkeys(chosen, 1.0)
            budget = gross * n / total / (2 if long and short else 1)
            for name in chosen:
                result[name] = side * budget * raw[name] / sum(raw.values())
    if (long and taken[1] < min_names) or (short and taken[-1] < min_names):
        return dict.fromkeys(score, 0.0)
    return result
