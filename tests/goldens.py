"""Every golden."""

from __future__ import annotations

from golden import Golden
from goldens_breakers import GUARDS, HALTS, REDUCINGS
from goldens_costs import COMMISSIONS, RATES, SHORTS
from goldens_limits import BREAKERS, LAYERS
from goldens_money import ACTIONS, COSTS
from goldens_trading import MISSING, ORDERS, SIZES, TIMING

GOLDENS: list[Golden] = [
    *TIMING, *MISSING, *SIZES, *ORDERS, *COSTS, *COMMISSIONS, *RATES, *SHORTS, *ACTIONS, *LAYERS, *BREAKERS, *HALTS,
    *REDUCINGS, *GUARDS,
]  # fmt: skip
