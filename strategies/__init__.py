"""The strategies that ship: short enough to be read as the examples they are."""

from strategies.baselines import EqualWeight, Placebo
from strategies.price import Momentum, Reversal
from strategies.ranked import RankedLongShort

__all__ = ["EqualWeight", "Momentum", "Placebo", "RankedLongShort", "Reversal"]
