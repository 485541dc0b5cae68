"""What a strategy returned, checked and merged: docs/semantics.md, section 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from backtester.engine import types as et
from backtester.errors import StrategyError, did_you_mean
from backtester.market.panel import Panel
from backtester.portfolio.settings import Cancel, Order, Rearm

_AT = {"open": int(et.AT_OPEN), "close": int(et.AT_CLOSE)}


# A weight beyond this is a mistake, and its shares would not be a finite number.
LARGEST_WEIGHT = 1e6
WEIGHT_RULE = f"every weight must be finite and at most {LARGEST_WEIGHT:,.0f}. Use 0 for no position."


def is_weight(weights: np.ndarray) -> np.ndarray:
    """Where an array holds what may be a weight."""
    good: np.ndarray = np.abs(weights) <= LARGEST_WEIGHT  # NaN and infinity are not
    return good


class Submission:
    """The wishes of one decision phase: a row of weights, which of them count, and explicit orders."""

    def __init__(self, panel: Panel, moment: int) -> None:
        """Nothing yet. ``moment`` is where orders without one of their own fill."""
        self._panel = panel
        self._moment = moment
        self.kind = et.NOTHING
        self.weights: np.ndarray | None = None
        self.named: np.ndarray | None = None
        self.orders: list[tuple[int, int, float]] = []  # (symbol, moment or CANCEL or REARM, shares)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was asked for."""
        return self.kind == et.NOTHING and not self.orders

    def add(self, answer: Any) -> None:
        """Merge what one method returned; the later one wins, symbol by symbol.

        Raises:
            StrategyError: the answer is of no known kind or shape, a weight is not finite, a symbol is unknown.
        """
        if answer is None:
            return
        if isinstance(answer, np.ndarray):
            self._all(answer)
        elif isinstance(answer, pd.Series):
            self._all(self._aligned(answer))
        elif isinstance(answer, Mapping):
            self._some(answer)
        elif isinstance(answer, Order | Cancel | Rearm):
            self._instruct(answer)
        elif isinstance(answer, Sequence) and not isinstance(answer, str | bytes):
            for item in answer:
                if not isinstance(item, Order | Cancel | Rearm):
                    raise StrategyError(
                        f"a list of instructions holds {item!r}; it may hold Order, Cancel and Rearm. "
                        "Return weights as a numpy array, a Series or a mapping."
                    )
                self._instruct(item)
        else:
            raise StrategyError(
                f"{type(answer).__name__} is no decision; return an array of weights, a Series or mapping of symbols, "
                "a list of Order, Cancel and Rearm, or None."
            )

    def _all(self, weights: np.ndarray) -> None:
        symbols = len(self._panel.symbols)
        if weights.shape != (symbols,) or weights.dtype.kind not in "fiub":
            raise StrategyError(
                f"the weights have shape {weights.shape} and type {weights.dtype}; "
                f"they must be numbers of shape ({symbols},), one per symbol."
            )
        self._check(weights)
        self.kind = et.ALL
        self.weights = weights.astype(np.float64)  # a copy: the strategy may go on using its own
        self.named = None
        self.orders = [order for order in self.orders if order[1] == et.REARM]

    def _aligned(self, series: pd.Series) -> np.ndarray:
        weights = np.zeros(len(self._panel.symbols))
        if not series.index.is_unique:
            twice = series.index[series.index.duplicated()][0]
            raise StrategyError(f"the weights name {twice!r} twice.")
        columns = [self._column(symbol) for symbol in series.index]
        weights[columns] = [_number(symbol, value) for symbol, value in series.items()]
        return weights

    def _some(self, weights: Mapping[str, float]) -> None:
        columns = [self._column(symbol) for symbol in weights]
        values = [_number(symbol, value) for symbol, value in weights.items()]
        self._name_weights()
        assert self.weights is not None
        row = self.weights.copy()
        row[columns] = values
        self._check(row)
        self.weights = row
        if self.named is not None:
            self.named[columns] = 1
        chosen = set(columns)
        self.orders = [order for order in self.orders if order[0] not in chosen]

    def _name_weights(self) -> None:
        """Make room for weights of some symbols, unless all are given already."""
        if self.kind == et.NOTHING:
            self.kind = et.NAMED
            self.weights = np.zeros(len(self._panel.symbols))
            self.named = np.zeros(len(self._panel.symbols), np.uint8)

    def _instruct(self, instruction: Order | Cancel | Rearm) -> None:
        if isinstance(instruction, Rearm):
            self.orders.append((-1, et.REARM, 0.0))
            return
        column = self._column(instruction.symbol)
        if self.kind == et.ALL:
            self.kind = et.NAMED
            self.named = np.ones(len(self._panel.symbols), np.uint8)
        if self.named is not None:
            self.named[column] = 0
        if isinstance(instruction, Cancel):
            self.orders.append((column, et.CANCEL, 0.0))
        else:
            moment = self._moment if instruction.at is None else _AT[instruction.at]
            self.orders.append((column, moment, instruction.shares))

    def _column(self, symbol: Any) -> int:
        column = self._panel.columns.get(symbol)
        if column is None:
            raise StrategyError(f"there is no symbol {symbol!r}.{did_you_mean(str(symbol), self._panel.symbols)}")
        return column

    def _check(self, weights: np.ndarray) -> None:
        good = is_weight(weights)
        if not good.all():
            column = int(np.argmin(good))
            raise StrategyError(f"the weight of {self._panel.symbols[column]!r} is {weights[column]}; {WEIGHT_RULE}")

    def write(self, plan: et.Plan, t: int, rows: int) -> et.Plan:
        """Write it into row 0 of ``plan``, for session ``t``, followed by ``rows - 1`` sessions of nothing."""
        plan.span[:] = (t, rows, t)
        plan.kind[:rows] = et.NOTHING
        plan.kind[0] = self.kind
        if self.weights is not None:
            plan.weights[0] = self.weights
        if self.named is not None:
            plan.named[0] = self.named
        if not self.orders and not len(plan.order_symbol):
            return plan
        return plan._replace(
            order_symbol=np.array([order[0] for order in self.orders], np.int64),
            order_at=np.array([order[1] for order in self.orders], np.int64),
            order_shares=np.array([order[2] for order in self.orders], np.float64),
        )


def _number(symbol: Any, value: Any) -> float:
    """A weight as a float; text, None and collections are no weights."""
    if isinstance(value, int | float | np.number | np.bool_):
        return float(value)
    raise StrategyError(f"the weight of {symbol!r} is {value!r}; it must be a number.")
