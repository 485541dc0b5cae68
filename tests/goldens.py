"""Every golden."""

from __future__ import annotations

from golden import Golden
from goldens_limits import BREAKERS, LAYERS
from goldens_money import ACTIONS, COSTS
from goldens_trading import MISSING, ORDERS, SIZES, TIMING

GOLDENS: list[Golden] = TIMING + MISSING + SIZES + COSTS + ACTIONS + ORDERS + BREAKERS + LAYERS
