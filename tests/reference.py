"""The second engine: the laws of the simulation in plain Python, slow and meant to be read.

It is written from the laws and from ``docs/semantics.md`` alone and shares nothing with the package that it checks:
lists, dicts and one object per symbol, no arrays, no compiled code. Numbers in brackets are sections of
``docs/semantics.md``. Unknown values are NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from plain import Market, Settings
from reference_breakers import ACTIVE, HALTED, REDUCING, Trip, guard, loss, shrinking
from reference_costs import COST_WINDOW, commission_due, finite, rate_of, short_room, shortable
from reference_layers import VOLATILITY_WINDOW, deviation, exceeds, limit
from reference_market import actions_by_session, known, total_returns

NAN = math.nan
Ask = Callable[[int, Any], Any]
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


class Engine:
    """One run. After :meth:`run`: ``fills``, ``events``, ``ledger``, ``positions`` and ``resting``."""

    def __init__(self, market: Market, settings: Settings) -> None:
        self.market, self.settings = market, settings
        self.symbols = market.symbols
        self.positions = {symbol: Position(symbol) for symbol in self.symbols}
        self.targets: dict[str, Resting] = {}
        self.explicit: list[Resting] = []
        self.cash = self.equity = self.previous = self.peak = settings.cash
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

    # The tape and small readings of the market.

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

    def remove(self, order: Resting) -> None:
        if self.targets.get(order.symbol) is order:
            del self.targets[order.symbol]
        else:
            self.explicit = [other for other in self.explicit if other is not order]

    def cancel(self, orders: list[Resting]) -> None:
        for order in orders:
            self.event("cancelled", order.symbol, order.shares)
            self.remove(order)

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
        self.previous = self.equity
        self.take_equity()
        self.break_circuits()

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

    # The breakers (6).

    def break_circuits(self) -> None:
        s, held = self.settings, self.positions.values()
        if self.status != ACTIVE and s.cooldown is not None and self.t - self.tripped_on >= s.cooldown:
            self.rearm()
        if self.status == HALTED:
            return
        self.peak = max(self.peak, self.equity)
        equity = [row["equity"] for row in [*self.ledger, self.row]]
        met = loss(s, equity, self.peak, self.rearmed_on)
        if met is not None:
            self.trip(HALTED, met)
        elif self.status == ACTIVE:
            listed = [p for p in held if self.is_member(p.symbol) and not p.ended and not math.isnan(p.mark)]
            fresh = [known(self.market.close[p.symbol][self.t]) for p in listed]
            met = guard(s, self.equity, [p.value for p in held], fresh, self.scores_looked_at())
            if met is not None:
                self.trip(HALTED if s.guard_action == "halt" else REDUCING, met)

    def scores_looked_at(self) -> list[float] | None:
        """The scores of the eligible symbols, in sessions in which the guards of the signal look at them."""
        scores, t = self.market.scores, self.t
        if scores is None or not self.settings.due(t) or not any(finite(one[: t + 1]) for one in scores.values()):
            return None
        return [scores[symbol][t] for symbol in self.symbols if self.ineligible(symbol) is None]

    def trip(self, status: int, met: Trip) -> None:
        self.status, self.tripped_on = status, self.t
        self.event(met.name, None, met.value, self.equity, met.limit)
        if status == HALTED:
            self.cancel(self.orders())
            for symbol, position in self.positions.items():
                if position.shares:
                    self.targets[symbol] = Resting(symbol, -position.shares, "open", "halt")
        else:
            for symbol in self.symbols:
                self.cut_to_shrinking(symbol)

    def cut_to_shrinking(self, symbol: str) -> None:
        """What rests when the book becomes REDUCING."""
        held = self.positions[symbol].shares
        for order in self.orders(symbol):
            if math.isnan(order.shares):
                continue
            before = order.shares
            if order.origin != "halt":
                order.shares = shrinking(held, before)
            if order.shares != before:
                self.event("cut_reducing", symbol, before, order.shares)
            if order.shares == 0:
                self.remove(order)
            held += order.shares

    def rearm(self) -> None:
        if self.status != ACTIVE:
            self.status, self.rearmed_on = ACTIVE, self.t
            self.event("rearmed", None, self.peak, self.equity)
            self.peak = self.equity

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
            return self.remove(order)
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
        self.fill(order, math.copysign(quantity, shares), price)
        if reason:
            self.event(reason, symbol, shares, order.shares)
        else:
            self.remove(order)

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

    # The decision phase (2).

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

    def decide(self, answers: list[Any]) -> None:
        """Merge what the strategy's methods returned, in the order asked, and act on it."""
        weights: dict[str, float] | None = None
        instructions: list[tuple[Any, ...]] = []
        for answer in answers:
            if isinstance(answer, dict):
                weights = {symbol: answer.get(symbol, 0.0) for symbol in self.symbols}
                instructions = [one for one in instructions if one == ("rearm",)]
            elif isinstance(answer, tuple):
                weights = (weights or {}) | answer[1]
                instructions = [one for one in instructions if one == ("rearm",) or one[1] not in answer[1]]
            elif answer is not None:
                instructions += answer
                touched = {one[1] for one in answer if one != ("rearm",)}
                if weights is not None:
                    weights = {symbol: weight for symbol, weight in weights.items() if symbol not in touched}
        if ("rearm",) in instructions:
            self.rearm()
        instructions = [one for one in instructions if one != ("rearm",)]
        if self.status == HALTED:
            if weights or instructions:
                self.event("refused_halted", None, (weights is not None) + len(instructions))
            return
        resting = self.orders()
        if weights is not None:
            self.target(weights)
        for kind, symbol, *rest in instructions:
            if kind == "cancel":
                self.cancel(self.orders(symbol))
            else:
                self.submit(symbol, *rest)
        if self.settings.fill == "same_close":
            fresh = [order for order in self.orders() if not any(order is old for old in resting)]
            self.moment("same_close", self.market.close, fresh)
            for order in fresh:  # what is left waits for the next close
                order.moment = "close" if order.moment == "same_close" else order.moment
            self.take_equity()

    def target(self, raw: dict[str, float]) -> None:
        if self.equity > 0:
            held = {symbol: position.value / self.equity for symbol, position in self.positions.items()}
            allowed = dict(raw)
            for symbol in sorted(raw):
                reason = self.ineligible(symbol)
                if raw[symbol] != 0 and reason:
                    self.event(reason, symbol, raw[symbol])
                    allowed[symbol] = 0.0
                least = min(0.0, held[symbol])
                if allowed[symbol] < least and not self.shortable(symbol):
                    self.event("clipped_not_shortable", symbol, allowed[symbol], least)
                    allowed[symbol] = least
            past = {n: self.returns[n][max(0, self.t + 1 - VOLATILITY_WINDOW) : self.t + 1] for n in self.symbols}
            planned = {symbol: self.projected(symbol) / self.equity for symbol in self.symbols}
            weights, untraded = limit(allowed, held, planned, past, self.sector, self.settings, self.event)
        else:
            weights, untraded = dict.fromkeys(raw, 0.0), set()
            if any(raw.values()):
                self.event("refused_wiped_out", None, self.equity)
        for symbol in sorted(weights):
            position, weight = self.positions[symbol], weights[symbol]
            if symbol in untraded:
                shares = 0.0
            elif self.settings.size_at == "fill":
                shares = NAN if weight or position.shares else 0.0
            else:
                shares = wanted = self.difference(position, self.size(weight, self.equity, position.mark))
                if self.status == REDUCING:
                    shares = shrinking(position.shares, wanted)
                if shares != wanted:
                    self.event("refused_reducing", symbol, wanted, shares)
            for order in self.orders(symbol):
                self.event("replaced", symbol, order.shares, 0 if order.origin == "order" else shares)
                self.remove(order)
            if shares != 0:
                self.targets[symbol] = Resting(symbol, shares, self.settings.fill, "target", weight)

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

    def submit(self, symbol: str, shares: float, at: str | None = None) -> None:
        """An explicit order (2), held against the caps (end of 4)."""
        position = self.positions[symbol]
        if position.ended:
            return self.event("refused_ended", symbol, shares)
        if math.isnan(position.mark):
            return self.event("refused_no_price", symbol, shares)
        asked, shares = shares, cut(shares, self.settings.lot)
        if shares == 0:
            return self.event("refused_below_lot", symbol, asked)
        s, values = self.settings, {n: self.projected(n) for n in self.symbols}
        before = self.measures(values, symbol)
        after = self.measures(values | {symbol: values[symbol] + shares * position.mark}, symbol)
        if self.equity <= 0 and abs(after["weight"]) > abs(before["weight"]) * (1 + 1e-9):
            return self.event("refused_wiped_out", None, self.equity)
        planned = self.planned(symbol)
        if self.status == REDUCING and (planned * shares >= 0 or abs(shares) > abs(planned) * (1 + 1e-9)):
            return self.event("refused_reducing", symbol, asked)
        beyond = min(0.0, planned) - (planned + shares)
        if beyond > 1e-9 * max(abs(planned), abs(shares)) and not self.shortable(symbol):
            return self.event("refused_not_shortable", symbol, asked)
        if self.equity > 0:  # there are no weights otherwise
            caps = {"weight": s.max_weight, "sector": s.max_sector, "gross": s.max_gross, "net": s.max_net}
            for name, cap in caps.items():
                larger = abs(after[name]) > abs(before[name]) * (1 + 1e-9)
                if cap is not None and exceeds(abs(after[name]) / self.equity, cap) and larger:
                    return self.event(f"refused_max_{name}", symbol, asked, 0, after[name] / self.equity)
        self.explicit.append(Resting(symbol, shares, at or s.fill, "order"))

    def measures(self, book: dict[str, float], symbol: str) -> dict[str, float]:
        """What the caps are held against, in money, for a book of values and an order for the symbol."""
        sector = sum(abs(value) for n, value in book.items() if self.sector(n) == self.sector(symbol))
        gross, net = sum(abs(value) for value in book.values()), sum(book.values())
        return {"weight": book[symbol], "sector": sector, "gross": gross, "net": net}

    def projected(self, symbol: str) -> float:
        """The value of the symbol once all that rests has filled at the mark."""
        position, value = self.positions[symbol], self.positions[symbol].value
        for order in self.orders(symbol):  # the target order comes first: its weight replaces the position
            sized = not math.isnan(order.shares)
            value = value + order.shares * position.mark if sized else order.weight * max(0.0, self.equity)
        return value

    def planned(self, symbol: str) -> float:
        """The shares of the symbol once all that rests has filled, cut to what shrinks while REDUCING."""
        position = self.positions[symbol]
        shares = position.shares
        for order in self.orders(symbol):
            change = order.shares
            if math.isnan(change):  # the target order, which comes first
                change = order.weight * max(0.0, self.equity) / position.mark - shares
                change = shrinking(shares, change) if self.status == REDUCING else change
            shares += change
        return shares

    # The run.

    def run(self, decide: Ask, on_fill: Ask | None = None, on_halt: Ask | None = None) -> Engine:
        """All sessions. Each callable takes ``(t, engine)`` and returns what section 2 allows.

        A full target is a dict, a mapping is ``("named", dict)``, instructions are a list of ``("order", symbol,
        shares, at)``, ``("cancel", symbol)`` and ``("rearm",)``.
        """
        told = 0
        for t in range(len(self.market.dates)):
            self.t, answers = t, []
            self.session()
            if on_fill is not None and len(self.fills) > told:
                answers.append(on_fill(t, self))
            if on_halt is not None and self.tripped_on == t:
                answers.append(on_halt(t, self))
            told = len(self.fills)
            self.row["status"] = float(self.status)
            self.decide([*answers, decide(t, self) if self.settings.due(t) else None])
            self.ledger.append(self.row)
        return self
