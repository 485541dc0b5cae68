"""The book of the second engine: what the market does to an account and its orders, in plain Python.

Numbers in brackets are sections of ``docs/semantics.md``. Unknown values are NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from typing import Any

from plain import Market, Settings
from reference_breakers import ACTIVE, REDUCING, shrinking
from reference_costs import COST_WINDOW, commission_due, finite, rate_of, short_room, shortable
from reference_layers import deviation
from reference_market import actions_by_session, known, total_returns

NAN = math.nan
FLOWS = ("price_pnl", "dividends", "interest", "borrow", "commission", "slippage", "traded")


@dataclass
class Resting:
    """An order that rests. ``shares`` is NaN while it waits to be sized at its fill."""

    symbol: str
    shares: float
    moment: str
    origin: str
    weight: float = NAN
    notional: float = 0.0  # of its fills so far, as the next two
    plain: float = 0.0  # commission before minimum and maximum
    charged: float = 0.0
    filled: float = 0.0  # signed, in shares of the days of the fills
    since: int = -1  # the session in which its number of shares was known
    ordered: float = NAN  # that number
    outcome: str = "resting"


@dataclass
class Position:
    """What the account knows of one symbol."""

    symbol: str
    shares: float = 0.0
    mark: float = NAN
    average_cost: float = 0.0
    ended: bool = False
    used: float = 0.0  # of this session's volume cap
    base: float = 0.0  # shares * mark at the start of the session: what its price P&L is counted from

    @property
    def value(self) -> float:
        """Shares times mark; 0 without a position."""
        return self.shares * self.mark if self.shares else 0.0


def cut(shares: float, lot: float) -> float:
    """Towards zero to a multiple of the lot; lot 0 leaves it as it is."""
    return math.copysign(math.floor(abs(shares) / lot + 1e-9) * lot, shares) if lot > 0 else shares


class Book:
    """The account, what rests, and what the market does to both in a session."""

    def __init__(self, market: Market, settings: Settings) -> None:
        self.market, self.settings = market, settings
        self.symbols = market.symbols
        self.positions = {symbol: Position(symbol) for symbol in self.symbols}
        self.targets: dict[str, Resting] = {}
        self.explicit: list[Resting] = []
        self.known: list[Resting] = []  # every order that has had a number of shares
        self.cash = self.equity = self.peak = settings.cash
        self.status = ACTIVE
        self.tripped_on = -1
        self.rearmed_on: int | None = None
        self.t = 0
        self.row: dict[str, float] = {}
        self.fills: list[tuple[Any, ...]] = []
        self.events: list[tuple[Any, ...]] = []
        self.ledger: list[dict[str, float]] = []
        self.actions = actions_by_session(market)
        self.returns = {symbol: total_returns(market.close[symbol], symbol, self.actions) for symbol in self.symbols}

    # The tape, and what rests.

    def event(self, name: str, item: str | None, before: float = 0, after: float = 0, amount: float = 0) -> None:
        self.events.append((self.t, name, item, before, after, amount))

    def past(self, series: list[float]) -> list[float]:
        """What is known of the 20 sessions before this one."""
        return finite(series[max(0, self.t - COST_WINDOW) : self.t])

    def average_volume(self, symbol: str) -> float:
        """Of the 20 sessions before this one, in shares of today."""
        volumes, scale = [], 1.0
        for t in range(self.t - 1, max(0, self.t - COST_WINDOW) - 1, -1):
            scale *= self.actions[t + 1].get(symbol, (1.0, 0.0))[0]
            if math.isfinite(self.market.volume[symbol][t]):
                volumes.append(self.market.volume[symbol][t] * scale)
        return sum(volumes) / len(volumes) if volumes else 0.0

    def orders(self, symbol: str | None = None) -> list[Resting]:
        """Everything that rests: target orders in symbol order, then explicit ones as submitted."""
        every = [self.targets[key] for key in sorted(self.targets)] + self.explicit
        return [order for order in every if symbol in (None, order.symbol)]

    def sized(self, order: Resting) -> Resting:
        """Take down an order whose number of shares is known now."""
        if not math.isnan(order.shares):
            order.since, order.ordered = self.t, order.shares
            self.known.append(order)
        return order

    def remove(self, order: Resting, outcome: str) -> None:
        order.outcome = outcome
        if self.targets.get(order.symbol) is order:
            del self.targets[order.symbol]
        else:
            self.explicit = [other for other in self.explicit if other is not order]

    def cancel(self, orders: list[Resting]) -> None:
        for order in orders:
            self.event("cancelled", order.symbol, order.shares)
            self.remove(order, "cancelled")

    # The session phase (1).

    def session(self) -> None:
        t, held = self.t, self.positions.values()
        self.row = dict.fromkeys(FLOWS, 0.0)
        for position in held:
            position.used, position.base = 0.0, position.value
        if t > 0:
            self.carry((self.market.dates[t] - self.market.dates[t - 1]).days)
        for symbol in self.symbols:
            if symbol in self.actions[t]:
                self.act(self.positions[symbol], *self.actions[t][symbol])
        for symbol in self.symbols:
            if symbol in self.market.ends:
                self.settle(self.positions[symbol], *self.market.ends[symbol])
        self.moment("open", self.market.open, self.orders())
        self.moment("close", self.market.close, self.orders())
        for position in held:
            close = self.market.close[position.symbol][t]
            position.mark = close if known(close) else position.mark
            self.row["price_pnl"] += position.value - position.base
        self.take_equity()

    def carry(self, days: int) -> None:
        s = self.settings
        shorts = {symbol: -position.value for symbol, position in self.positions.items() if position.shares < 0}
        free = self.cash - sum(shorts.values())
        yearly = sum(rate_of(s.borrow_rate, self.market, symbol, self.t - 1) * v for symbol, v in shorts.items())
        borrow = yearly * days / 360
        interest = (s.credit_rate if free > 0 else s.debit_rate) * free * days / 360
        self.cash += interest - borrow
        self.row["interest"], self.row["borrow"] = interest, borrow

    def act(self, position: Position, ratio: float, dividend: float) -> None:
        lot = min(self.settings.lot, 1.0)  # a position may hold odd shares of a round lot, but no fractions of a share
        if ratio != 1:
            before, after = position.shares, position.shares * ratio
            position.mark /= ratio
            position.average_cost /= ratio
            position.shares = cut(after, lot)
            if before:
                cash = (after - position.shares) * position.mark
                self.cash += cash
                position.base -= cash  # shares into cash at the mark: no profit, no loss
                position.average_cost *= position.shares != 0
                self.event("split", position.symbol, before, position.shares, cash)
            for order in self.orders(position.symbol):
                if not math.isnan(order.shares):
                    before, order.shares = order.shares, cut(order.shares * ratio, lot)
                    self.event("order_split", position.symbol, before, order.shares, ratio)
                    if order.shares == 0:
                        self.cancel([order])
        if dividend and position.shares:
            cash = position.shares * dividend
            self.cash += cash
            self.row["dividends"] += cash
            self.event("dividend", position.symbol, position.shares, dividend, cash)

    def settle(self, position: Position, end: date, delisting_return: float) -> None:
        if position.ended or self.market.dates[self.t] <= end:
            return
        cash = position.value * (1 + delisting_return)
        self.cash += cash
        position.base -= cash
        if position.shares:
            self.event("settlement", position.symbol, position.shares, delisting_return, cash)
        position.shares, position.average_cost, position.ended = 0.0, 0.0, True
        self.cancel(self.orders(position.symbol))

    def take_equity(self) -> None:
        values = [position.value for position in self.positions.values()]
        self.equity = self.cash + sum(values)
        long_value, short_value = sum(v for v in values if v > 0), -sum(v for v in values if v < 0)
        self.row.update(equity=self.equity, cash=self.cash, long_value=long_value, short_value=short_value)

    # Small readings of settings and market.

    def sector(self, symbol: str) -> str:
        return self.market.sectors.get(symbol, "")

    def ineligible(self, symbol: str) -> str | None:
        """Why a weight for the symbol is refused at this session."""
        market, t = self.market, self.t
        if self.positions[symbol].ended:
            return "refused_ended"
        if not self.is_member(symbol):
            return "refused_not_member"
        tradable = known(market.close[symbol][t]) and known(market.volume[symbol][t])
        return None if tradable else "refused_not_tradable"

    def is_member(self, symbol: str) -> bool:
        return self.market.members is None or self.market.members[symbol][self.t]

    def shortable(self, symbol: str) -> bool:
        return shortable(self.settings, symbol, self.market.dates[self.t])

    def size(self, weight: float, equity: float, price: float) -> float:
        """The shares of a weight."""
        if weight == 0 or equity <= 0:
            return 0.0
        lot = self.settings.lot
        if lot == 0:
            return weight * equity / price
        return math.copysign(math.floor(abs(weight * equity / price) / lot + 1e-9) * lot, weight)

    def difference(self, position: Position, desired: float) -> float:
        """What to trade to hold the desired shares; rounding is nothing to trade."""
        shares = desired - position.shares
        return 0.0 if abs(shares) <= 1e-12 * max(abs(desired), abs(position.shares)) else shares

    # Fills (3).

    def moment(self, moment: str, prices: dict[str, list[float]], orders: list[Resting]) -> None:
        now = {symbol: prices[symbol][self.t] for symbol in self.symbols}
        held = [position for position in self.positions.values() if position.shares]
        equity = self.cash + sum(p.shares * (now[p.symbol] if known(now[p.symbol]) else p.mark) for p in held)
        for order in orders:
            if order.moment == moment:
                self.try_fill(order, now[order.symbol], equity)

    def obstacle(self, symbol: str, price: float) -> tuple[str, float]:
        """Why nothing of the symbol can be traded now ('': something can), and how much the volume cap leaves."""
        s = self.settings
        volume, average = self.market.volume[symbol][self.t], self.average_volume(symbol)
        if not known(price):
            return "waits_no_price", 0.0
        if volume == 0:
            return "waits_zero_volume", 0.0
        left = math.inf
        if s.volume_cap is not None:
            of = average if s.cap_on == "average" else volume if known(volume) else 0.0
            left = cut(max(0.0, s.volume_cap * of - self.positions[symbol].used), s.lot)
        if left <= 0:
            return "waits_volume_cap", 0.0
        if s.impact > 0 and (len(self.past(self.returns[symbol])) < 2 or average == 0):
            return "waits_no_history", 0.0
        return "", left

    def try_fill(self, order: Resting, price: float, equity: float) -> None:
        s, symbol, held = self.settings, order.symbol, self.positions[order.symbol].shares
        reason, left = self.obstacle(symbol, price)
        if reason:
            return self.event(reason, symbol, order.shares, order.shares)
        shares = order.shares
        if math.isnan(shares):
            shares = self.difference(self.positions[symbol], self.size(order.weight, equity, price))
        if self.status == REDUCING and shrinking(held, shares) != shares:
            wanted, shares = shares, shrinking(held, shares)
            self.event("refused_reducing", symbol, wanted, shares)
        if shares == 0:
            return self.remove(order, "cancelled")
        quantity = abs(shares)
        if quantity > left * (1 + 1e-12):
            reason, quantity = "waits_volume_cap", left
        if shares < 0 and not self.shortable(symbol) and quantity > held * (1 + 1e-12):
            room = short_room(held, s.lot)
            if room < quantity:
                reason, quantity = "waits_not_shortable", room
        if quantity == 0:
            return self.event(reason, symbol, order.shares, order.shares)
        order.shares = shares
        if order.since < 0:
            self.sized(order)
        self.fill(order, math.copysign(quantity, shares), price)
        if reason:
            self.event(reason, symbol, shares, order.shares)
        else:
            self.remove(order, "filled")

    def fill(self, order: Resting, shares: float, price: float) -> None:
        """So much of an order, at a price of the market."""
        s, symbol, position = self.settings, order.symbol, self.positions[order.symbol]
        quantity, side = abs(shares), math.copysign(1.0, shares)
        slip = rate_of(s.slippage_bps, self.market, symbol, self.t) / 1e4
        if s.impact > 0:
            share = quantity / self.average_volume(symbol)
            slip += s.impact * deviation(self.past(self.returns[symbol])) * math.sqrt(share)
        slip = min(slip, 1.0) if side < 0 else slip
        fill_price = price * (1 + side * slip)
        notional = quantity * fill_price
        order.notional += notional
        order.plain += s.commission_bps / 1e4 * notional + s.commission_per_share * quantity
        commission = commission_due(s, order.plain, order.notional) - order.charged
        order.charged += commission
        order.filled += shares
        order.shares = 0.0 if shares == order.shares else order.shares - shares
        self.cash -= shares * fill_price + commission
        slippage = quantity * price * slip
        self.fills.append((self.t, symbol, shares, fill_price, commission, slippage, order.origin, order.moment))
        for column, amount in (("commission", commission), ("slippage", slippage), ("traded", notional)):
            self.row[column] += amount
        position.used += quantity
        position.base += shares * price  # so that value - base is the price P&L
        self.hold(position, shares, fill_price)

    @staticmethod
    def hold(position: Position, shares: float, price: float) -> None:
        """Shares and average cost after a fill."""
        old, new = position.shares, position.shares + shares
        if new == 0:
            position.average_cost = 0.0
        elif old * new <= 0:
            position.average_cost = price
        elif old * shares > 0:
            position.average_cost = (old * position.average_cost + shares * price) / new
        position.shares = new
