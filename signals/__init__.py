"""The signals that ship: momentum, reversal, luck, and any scikit-learn estimator."""

from signals.estimator import Estimator
from signals.price import Momentum, Reversal
from signals.random import Random

__all__ = ["Estimator", "Momentum", "Random", "Reversal"]
