"""The record of a run: :class:`Result`, and :class:`Resting`, the orders of the next trading day."""

from backtester.result.record import Result
from backtester.result.resting import Resting

__all__ = ["Resting", "Result"]
