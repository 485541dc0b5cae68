"""The second engine: the laws of the simulation in plain Python, slow and meant to be read.

It is written from the laws and from ``docs/semantics.md`` alone and shares nothing with the package that it checks:
lists, dicts and one object per symbol, no arrays, no compiled code. Numbers in brackets are sections of
``docs/semantics.md``. Unknown values are NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from reference_book import NAN, Book, Resting, cut
from reference_breakers import ACTIVE, HALTED, REDUCING, Trip, guard, loss, shrinking
from reference_costs import finite
from reference_layers import VOLATILITY_WINDOW, exceeds, limit
from reference_market import known

Ask = Callable[[int, Any], Any]


class Engine(Book):
    """One run. After :meth:`run`: ``fills``, ``events``, ``ledger``, ``positions`` and ``resting``."""

    # The breakers (6).

    def break_circuits(self) -> None:
        s, held = self.settings, self.positions.values()
        if self.status != ACTIVE and s.cooldown is not None and self.t - self.tripped_on >= s.cooldown:
            self.rearm(s.cooldown)
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
                    self.targets[symbol] = self.sized(Resting(symbol, -position.shares, "open", "halt"))
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
                self.remove(order, "cancelled")
            held += order.shares

    def rearm(self, cooldown: int) -> None:
        if self.status != ACTIVE:
            self.status, self.rearmed_on = ACTIVE, self.t
            self.event("rearmed", None, self.peak, self.equity, cooldown)
            self.peak = self.equity

    # The decision phase (2).

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
            self.rearm(0)
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
            held, weights, untraded = {}, dict.fromkeys(raw, 0.0), set()
            if any(raw.values()):
                self.event("refused_wiped_out", None, self.equity)
        for symbol in sorted(weights):
            position, weight = self.positions[symbol], weights[symbol]
            stays = weight < 0 and weight == held[symbol] and not self.shortable(symbol)
            if symbol in untraded or stays:
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
                self.remove(order, "replaced")
            if shares != 0:
                self.targets[symbol] = self.sized(Resting(symbol, shares, self.settings.fill, "target", weight))

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
        self.explicit.append(self.sized(Resting(symbol, shares, at or s.fill, "order")))

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
            self.break_circuits()
            if on_fill is not None and len(self.fills) > told:
                answers.append(on_fill(t, self))
            if on_halt is not None and self.tripped_on == t:
                answers.append(on_halt(t, self))
            told = len(self.fills)
            self.row["status"] = float(self.status)
            self.decide([*answers, decide(t, self) if self.settings.due(t) else None])
            self.ledger.append(self.row)
        for order in self.orders():
            order.outcome = "partial" if order.filled else "resting"
        return self
