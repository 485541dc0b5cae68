"""The orders that rest when a run is over: those of the next trading day."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from backtester.engine.types import (
    EXPLICIT,
    SLOT_ID,
    SLOT_MOMENT,
    SLOT_ORIGIN,
    SLOT_SYMBOL,
    SLOT_WEIGHT,
    Floats,
    Ints,
    State,
)


class Resting(NamedTuple):
    """``K`` resting orders: target orders in symbol order, then explicit orders in the order of submission."""

    symbol: Ints  # (K,)
    at: Ints  # (K,) AT_OPEN or AT_CLOSE (AT_SAME_CLOSE where the execution says so)
    origin: Ints  # (K,) FROM_TARGET, FROM_ORDER or FROM_HALT
    order: Ints  # (K,) row in the tape's orders; -1 while not yet sized
    shares: Floats  # (K,) what is left, signed; NaN while not yet sized
    weight: Floats  # (K,) the weight that it will be sized with; NaN once it is sized

    @classmethod
    def none(cls) -> Resting:
        """No orders at all."""
        codes, numbers = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float64)
        return cls(codes, codes, codes, codes, numbers, numbers)

    @classmethod
    def of(cls, state: State) -> Resting:
        """What rests in a state, copied out of it."""
        used = state.shares.size + int(state.i[EXPLICIT])
        slots = np.flatnonzero(state.order_shares[:used] != 0.0)
        shares = state.order_shares[slots]
        return cls(
            symbol=state.order_i[slots, SLOT_SYMBOL],
            at=state.order_i[slots, SLOT_MOMENT],
            origin=state.order_i[slots, SLOT_ORIGIN],
            order=state.order_i[slots, SLOT_ID],
            shares=shares,
            weight=np.where(np.isnan(shares), state.order_f[slots, SLOT_WEIGHT], np.nan),
        )
