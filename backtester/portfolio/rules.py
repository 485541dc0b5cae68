"""Settings as the numbers that the kernel reads."""

from __future__ import annotations

import math

import numpy as np

from backtester.engine import types as t
from backtester.portfolio.settings import Costs, Execution, RiskLimits

_FREE = Costs(commission_bps=0.0, slippage_bps=0.0, borrow_rate=0.0, debit_rate=0.0)
_NO_LIMITS = RiskLimits(max_daily_loss=None)

_FILL_AT = {"open": t.AT_OPEN, "close": t.AT_CLOSE, "same_close": t.AT_SAME_CLOSE}
_SIZE_AT = {"decision": t.SIZE_AT_DECISION, "fill": t.SIZE_AT_FILL}
_CAP_ON = {"average": t.CAP_ON_AVERAGE, "session": t.CAP_ON_SESSION}


def to_rules(costs: Costs | None, risk: RiskLimits | None, execution: Execution, stops: int = 0) -> t.Rules:
    """The two arrays of :class:`~backtester.engine.types.Rules`, both new, writable and C-contiguous.

    Basis points become fractions (``COMMISSION`` and ``SLIPPAGE`` are rates of the notional). What is off is infinite
    where it is a cap (volume cap, volatility target, caps on weights, turnover, losses), 0 where it is a rate or the
    no-trade band, and 0 for the cooldown.

    Args:
        costs: what trading and financing cost; None: everything is free, interest included.
        risk: layers and breakers; None: every one is off.
        execution: when and how orders fill.
        stops: the bits FILL and HALT for which the kernel is to stop.
    """
    costs = _FREE if costs is None else costs
    risk = _NO_LIMITS if risk is None else risk
    f = np.zeros(t.RULE_FLOATS, dtype=np.float64)
    f[t.COMMISSION] = costs.commission_bps / 1e4
    f[t.COMMISSION_MIN] = costs.commission_min
    f[t.SLIPPAGE] = costs.slippage_bps / 1e4
    f[t.IMPACT] = costs.impact
    f[t.BORROW] = costs.borrow_rate
    f[t.CREDIT] = costs.credit_rate
    f[t.DEBIT] = costs.debit_rate
    f[t.LOT] = execution.lot
    f[t.VOLUME_CAP] = _cap(execution.volume_cap)
    f[t.TARGET_VOLATILITY] = _cap(risk.target_volatility)
    f[t.MAX_WEIGHT] = _cap(risk.max_weight)
    f[t.MAX_SECTOR] = _cap(risk.max_sector)
    f[t.MAX_GROSS] = _cap(risk.max_gross)
    f[t.MAX_NET] = _cap(risk.max_net)
    f[t.NO_TRADE_BAND] = 0.0 if risk.no_trade_band is None else risk.no_trade_band
    f[t.MAX_TURNOVER] = _cap(risk.max_turnover)
    f[t.MAX_DAILY_LOSS] = _cap(risk.max_daily_loss)
    f[t.MAX_DRAWDOWN] = _cap(risk.max_drawdown)

    i = np.zeros(t.RULE_INTS, dtype=np.int64)
    i[t.FILL_AT] = _FILL_AT[execution.fill]
    i[t.SIZE_AT] = _SIZE_AT[execution.size_at]
    i[t.CAP_ON] = _CAP_ON[execution.cap_on]
    i[t.COOLDOWN] = 0 if risk.cooldown is None else risk.cooldown
    i[t.STOPS] = stops
    return t.Rules(f, i)


def _cap(value: float | None) -> float:
    """The number of a cap that may be off."""
    return math.inf if value is None else value
