"""Settings as the numbers that the kernel reads."""

from __future__ import annotations

import math

import numpy as np

from backtester.engine import types as t
from backtester.errors import ConfigError
from backtester.market.panel import Panel
from backtester.portfolio.rates import Rates, bar_shorts, resolve
from backtester.portfolio.settings import Costs, Execution, RiskLimits

_FREE = Costs(commission_bps=0.0, slippage_bps=0.0, borrow_rate=0.0, debit_rate=0.0)
_NO_LIMITS = RiskLimits(max_daily_loss=None)

_FILL_AT = {"open": t.AT_OPEN, "close": t.AT_CLOSE, "same_close": t.AT_SAME_CLOSE}
_SIZE_AT = {"decision": t.SIZE_AT_DECISION, "fill": t.SIZE_AT_FILL}
_CAP_ON = {"average": t.CAP_ON_AVERAGE, "session": t.CAP_ON_SESSION}


def to_rules(
    costs: Costs | None,
    risk: RiskLimits | None,
    execution: Execution,
    stops: int = 0,
    panel: Panel | None = None,
    signal: t.Floats | None = None,
) -> t.Rules:
    """The arrays of :class:`~backtester.engine.types.Rules`, all new (but ``signal``), writable and C-contiguous.

    Basis points become fractions (``COMMISSION`` and ``SLIPPAGE`` are rates of the notional). What is off is infinite
    where it is a cap (volume cap, volatility target, caps on weights, turnover, losses, guards), 0 where it is a rate,
    a floor or the no-trade band, and 0 for the cooldown. Tables that are not needed have no row.

    Args:
        costs: what trading and financing cost; None: everything is free, interest included.
        risk: layers and breakers; None: every one is off.
        execution: when and how orders fill.
        stops: the bits FILL and HALT for which the kernel is to stop.
        panel: what symbols and dates of rates and not-shortable lists are looked up in; needed only if there are any.
        signal: (T, SIGNAL) as `backtester.inputs.signal_quality` makes it, shared and not copied, so that rows can be
            filled in later; None: the guards of the signal never look.

    Raises:
        DataError: rates or a not-shortable list do not fit the panel.
    """
    costs = _FREE if costs is None else costs
    risk = _NO_LIMITS if risk is None else risk
    f = np.zeros(t.RULE_FLOATS, dtype=np.float64)
    f[t.COMMISSION] = costs.commission_bps / 1e4
    f[t.COMMISSION_SHARE] = costs.commission_per_share
    f[t.COMMISSION_MIN] = costs.commission_min
    f[t.COMMISSION_MAX] = math.inf if costs.commission_max_bps is None else costs.commission_max_bps / 1e4
    f[t.SLIPPAGE] = _default(costs.slippage_bps) / 1e4
    f[t.IMPACT] = costs.impact
    f[t.BORROW] = _default(costs.borrow_rate)
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
    f[t.MAX_PERIOD_LOSS] = _cap(risk.max_period_loss)
    f[t.GUARD_GROSS] = _cap(risk.guard_gross)
    f[t.GUARD_NET] = _cap(risk.guard_net)
    f[t.MIN_FRESH] = 0.0 if risk.min_fresh is None else risk.min_fresh
    f[t.MAX_UNSCORED] = _cap(risk.max_unscored)

    i = np.zeros(t.RULE_INTS, dtype=np.int64)
    i[t.FILL_AT] = _FILL_AT[execution.fill]
    i[t.SIZE_AT] = _SIZE_AT[execution.size_at]
    i[t.CAP_ON] = _CAP_ON[execution.cap_on]
    i[t.COOLDOWN] = 0 if risk.cooldown is None else risk.cooldown
    i[t.STOPS] = stops
    i[t.PERIOD] = risk.period
    i[t.EQUAL_SCORES] = risk.guard_equal_scores
    i[t.GUARDED] = (
        min(f[t.GUARD_GROSS], f[t.GUARD_NET], f[t.MAX_UNSCORED]) < math.inf
        or f[t.MIN_FRESH] > 0.0
        or risk.guard_equal_scores
    )
    i[t.GUARD_HALTS] = risk.guard_action == "halt"

    table, row = _by_symbol(costs, panel)
    return t.Rules(f, i, table, row, np.zeros((0, t.SIGNAL)) if signal is None else signal)


def _default(value: float | Rates) -> float:
    return value.default if isinstance(value, Rates) else value


def _by_symbol(costs: Costs, panel: Panel | None) -> tuple[t.Floats, t.Ints]:
    """``Rules.table`` and ``Rules.row``."""
    slippage, borrow, spans = costs.slippage_bps, costs.borrow_rate, costs.not_shortable
    differs = _differs(slippage) or _differs(borrow) or len(spans) > 0
    if not differs:
        return np.zeros((0, 0)), np.full((1, t.ROWS), -1, np.int64)
    if panel is None:
        raise ConfigError("a bt.Rates or not_shortable names symbols and dates: it needs a panel to look them up in.")
    row = np.full((panel.shape[0], t.ROWS), -1, np.int64)
    parts: list[t.Floats] = []

    def add(column: int, rows: t.Floats, of_session: t.Ints) -> None:
        row[:, column] = of_session + sum(map(len, parts))
        parts.append(rows)

    if isinstance(slippage, Rates) and _differs(slippage):
        rows, of_session = resolve(slippage, panel)
        rows /= 1e4
        add(t.SLIPPAGE_ROW, rows, of_session)
    if isinstance(borrow, Rates) and _differs(borrow):
        add(t.BORROW_ROW, *resolve(borrow, panel))
    if len(spans):
        barred, of_session = bar_shorts(spans, panel)
        add(t.BARRED_ROW, barred.astype(np.float64), of_session)
    return (parts[0] if len(parts) == 1 else np.concatenate(parts)), row


def _differs(value: float | Rates) -> bool:
    """Whether it is more than one number for all."""
    return isinstance(value, Rates) and bool(value.symbols or value.table or value.tiers)


def _cap(value: float | None) -> float:
    """The number of a cap that may be off."""
    return math.inf if value is None else value
