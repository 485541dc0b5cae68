"""Costs a second time: rates, commissions and short sales of section 3 of ``docs/semantics.md`` in plain Python."""

from __future__ import annotations

import math
from datetime import date

from plain import Market, Rates, Settings
from reference_market import known

COST_WINDOW = 20


def finite(values: list[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]


def rate_of(rates: float | Rates, market: Market, symbol: str, t: int) -> float:
    """The rate of a symbol in session t."""
    if not isinstance(rates, Rates):
        return rates
    begun = [(day or date.min, rate) for name, day, rate in rates.table if name == symbol]
    begun = [(day, rate) for day, rate in begun if day <= market.dates[t]]
    if begun and math.isfinite(max(begun)[1]):
        return max(begun)[1]
    if symbol in rates.symbols:
        return rates.symbols[symbol]
    prices = [price for price in market.close[symbol][:t] if known(price)]
    window = slice(max(0, t - COST_WINDOW), t)
    traded = zip(market.close[symbol][window], market.volume[symbol][window], strict=True)
    money = finite([price * volume for price, volume in traded])
    if prices and money:
        for rate, least_money, least_price in rates.tiers:
            if sum(money) / len(money) >= least_money and prices[-1] >= least_price:
                return rate
    return rates.default


def shortable(s: Settings, symbol: str, day: date) -> bool:
    """Whether a short position may be opened or made larger on that day."""
    spans = [span for span in s.not_shortable if span[0] == symbol]
    return not any((start or date.min) <= day < (end or date.max) for _, start, end in spans)


def short_room(shares: float, lot: float) -> float:
    """How much of a holding may be sold, where all that is asked for would leave a short position."""
    held = max(0.0, shares)
    whole = math.floor(held / lot + 1e-9) * lot if lot > 0 else held
    return held if abs(held - whole) <= 1e-12 * held else whole


def commission_due(s: Settings, plain: float, notional: float) -> float:
    """What an order has cost once its fills add up to these."""
    due = max(s.commission_min, plain)
    return due if s.commission_max_bps is None else min(due, s.commission_max_bps / 1e4 * notional)
