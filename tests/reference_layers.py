"""The layers a second time: section 4 of ``docs/semantics.md`` in plain Python, from the volatility target on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from plain import Settings

VOLATILITY_WINDOW, VOLATILITY_MINIMUM = 63, 20

Weights = dict[str, float]


def deviation(values: Sequence[float]) -> float:
    """Standard deviation, ddof = 1."""
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


def exceeds(value: float, cap: float) -> bool:
    """By more than rounding."""
    return value > cap * (1 + 1e-9) + 1e-12


def limit(
    raw: Weights,
    held: Weights,
    planned: Weights,
    returns: dict[str, list[float]],
    sector: Callable[[str], str],
    s: Settings,
    event: Callable[..., None],
) -> tuple[Weights, set[str]]:
    """The weights that are left of the named ones, and the symbols whose trade is left out.

    Args:
        raw: the named weights.
        held: the weights of now, of all symbols.
        planned: the weights once all that rests has filled, of all symbols.
        returns: total returns of the sessions of the volatility window, of all symbols; NaN = unknown.
        sector: the sector of a symbol.
        s: the settings.
        event: leaves an event.
    """
    symbols = sorted(held)
    w = planned | raw
    if s.target_volatility is not None:
        sessions = len(returns[symbols[0]])
        if sessions < VOLATILITY_MINIMUM:
            event("unknown_volatility", None, sessions, VOLATILITY_MINIMUM)
        else:
            moved = [(w[n], returns[n]) for n in symbols if w[n]]
            book = [sum(x * r[k] for x, r in moved if math.isfinite(r[k])) for k in range(sessions)]
            volatility = deviation(book) * math.sqrt(252)
            if exceeds(volatility, s.target_volatility):
                factor = s.target_volatility / volatility
                event("clipped_target_volatility", None, volatility, s.target_volatility, factor)
                w.update({n: w[n] * factor for n in raw})

    for n in sorted(raw):
        if s.max_weight is not None and abs(w[n]) > s.max_weight:
            event("clipped_max_weight", n, w[n], math.copysign(s.max_weight, w[n]))
            w[n] = math.copysign(s.max_weight, w[n])

    def shrink(name: str, item: str | None, among: list[str], cap: float, before: float, always: bool = False) -> None:
        """Multiply the named weights among these so that all of them together are at most the cap."""
        named = sum(abs(w[n]) for n in among if n in raw)
        fixed = sum(abs(w[n]) for n in among if n not in raw)
        if (always or exceeds(fixed + named, cap)) and named > 0:
            factor = (cap - fixed) / named
            factor = factor if factor > 1e-9 else 0.0
            w.update({n: w[n] * factor for n in among if n in raw})
            event(name, item, before, before - math.copysign((1 - factor) * named, before), factor)

    if s.max_sector is not None:
        for one in sorted({sector(n) for n in symbols}):
            among = [n for n in symbols if sector(n) == one]
            shrink("clipped_max_sector", one, among, s.max_sector, sum(abs(w[n]) for n in among))
    if s.max_gross is not None:
        shrink("clipped_max_gross", None, symbols, s.max_gross, sum(abs(w[n]) for n in symbols))
    if s.max_net is not None:
        net = sum(w[n] for n in symbols)
        side = math.copysign(1.0, net)
        heavier = [n for n in symbols if side * w[n] > 0]
        lighter = sum(abs(w[n]) for n in symbols if side * w[n] < 0)
        if exceeds(abs(net), s.max_net):
            shrink("clipped_max_net", None, heavier, s.max_net + lighter, net, always=True)

    untraded = set()
    if s.no_trade_band is not None:
        untraded = {n for n in raw if w[n] != 0 and abs(w[n] - held[n]) < s.no_trade_band}
        left_out = [abs(w[n] - held[n]) for n in untraded if w[n] != held[n]]
        if left_out:
            event("clipped_no_trade_band", None, len(left_out), 0, sum(left_out))
    if s.max_turnover is not None:
        turnover = sum(abs(w[n] - held[n]) for n in sorted(raw) if n not in untraded)
        if exceeds(turnover, s.max_turnover):
            factor = s.max_turnover / turnover
            event("clipped_max_turnover", None, turnover, s.max_turnover, factor)
            w.update({n: held[n] + (w[n] - held[n]) * factor for n in raw if n not in untraded})
    return {n: w[n] for n in raw}, untraded
