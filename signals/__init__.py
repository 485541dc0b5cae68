"""The signals that ship: baselines, any scikit-learn estimator, and neural networks.

Importing this loads neither scikit-learn nor torch; making or fitting what needs them does.
"""

from signals.ensemble import Ensemble
from signals.estimator import Estimator
from signals.grid import Grid
from signals.neural import CNN, GRU, LSTM, MLP, RNN, Module, Transformer
from signals.price import Momentum, Reversal
from signals.random import Random

__all__ = [
    "CNN",
    "GRU",
    "LSTM",
    "MLP",
    "RNN",
    "Ensemble",
    "Estimator",
    "Grid",
    "Module",
    "Momentum",
    "Random",
    "Reversal",
    "Transformer",
]
