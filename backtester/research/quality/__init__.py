"""How good scores were, out of sample: what followed them, how sure that is, and how fast they changed.

Shapes: ``R`` sessions, from the first with a score to the last, without a gap; ``N`` symbols. A name *counts* in
session ``t`` if it is a member of the universe and tradable in ``t`` and has a score there, and for whatever looks at
what followed only if it has that label too. NaN is unknown and is left out; too little to say gives NaN, no error.
"""

from backtester.research.quality.study import HORIZONS, signal_study

__all__ = ["HORIZONS", "signal_study"]
