"""Event-driven backtesting of long-short books on daily bars.

The names below are the public surface; docs/architecture.md says where each one lives.
"""

from backtester.combinatorial import CombinatorialFolds, combinatorial_walk
from backtester.errors import BacktesterError, ConfigError, DataError, RunError, SignalError, StrategyError
from backtester.folds import Fold, Folds
from backtester.labels import labels, triple_barrier
from backtester.market.dataset import load_panel
from backtester.market.panel import Panel
from backtester.market.synthetic import synthetic
from backtester.metrics.ic import pearson_ic, rank_ic
from backtester.portfolio.presets import COST_PRESETS
from backtester.portfolio.ranking import Ranking, Weighting, rank_long_short, trailing_volatility
from backtester.portfolio.rates import Rates, Tier
from backtester.portfolio.settings import Cancel, Costs, Execution, Order, Rearm, RiskLimits
from backtester.result import Result
from backtester.run import Simulation, run
from backtester.scores import Scores
from backtester.signal import FitJob, FitWork, Prediction, Signal
from backtester.strategy import Book, Decision, Fill, Fills, Halt, Strategy, Target, Universe, View
from backtester.walk import walk_forward
from backtester.walk_together import walk_forward_together

__version__ = "0.1.0"

__all__ = [
    "COST_PRESETS",
    "BacktesterError",
    "Book",
    "Cancel",
    "CombinatorialFolds",
    "ConfigError",
    "Costs",
    "DataError",
    "Decision",
    "Execution",
    "Fill",
    "Fills",
    "FitJob",
    "FitWork",
    "Fold",
    "Folds",
    "Halt",
    "Order",
    "Panel",
    "Prediction",
    "Ranking",
    "Rates",
    "Rearm",
    "Result",
    "RiskLimits",
    "RunError",
    "Scores",
    "Signal",
    "SignalError",
    "Simulation",
    "Strategy",
    "StrategyError",
    "Target",
    "Tier",
    "Universe",
    "View",
    "Weighting",
    "combinatorial_walk",
    "labels",
    "load_panel",
    "pearson_ic",
    "rank_ic",
    "rank_long_short",
    "run",
    "synthetic",
    "trailing_volatility",
    "triple_barrier",
    "walk_forward",
    "walk_forward_together",
]
