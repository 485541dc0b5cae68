"""What a user may choose about a run, and what a strategy may submit: small frozen values that check themselves.

Numbers may be given as Python or NumPy numbers and are kept as ``float`` (``int`` where a count is meant), so
that two equal settings are equal, hashable and print alike. A setting that makes no sense raises
:class:`~backtester.errors.ConfigError`, an instruction that cannot be traded
:class:`~backtester.errors.StrategyError`; both say what was found and what is allowed.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal

import numpy as np

from backtester.errors import BacktesterError, ConfigError, StrategyError, did_you_mean
from backtester.market.panel import Panel
from backtester.portfolio.rates import Rates, describe, plain_number, read_spans

# More than any run has, and few enough for the kernel's arithmetic.
MOST_SESSIONS = 10**15


def _number(
    owner: object,
    key: str,
    *,
    above: float = -math.inf,
    least: float = -math.inf,
    below: float = math.inf,
    most: float = math.inf,
    optional: bool = False,
    otherwise: str = "",
    error: type[BacktesterError] = ConfigError,
) -> None:
    """Replace the field ``key`` by a float with ``above < value < below`` and ``least <= value <= most``."""
    value = getattr(owner, key)
    if optional and value is None:
        return
    number = plain_number(value)
    if math.isfinite(number) and above < number < below and least <= number <= most:
        object.__setattr__(owner, key, number)
        return
    bounds = [
        f"{word} {bound:g}"
        for word, bound in (("above", above), ("at least", least), ("below", below), ("at most", most))
        if math.isfinite(bound)
    ]
    allowed = " ".join(["a finite number", " and ".join(bounds)]).strip() + (", or None" if optional else otherwise)
    raise error(f"{type(owner).__name__}.{key} is {value!r}; it must be {allowed}.")


def _choice(owner: object, key: str, allowed: Collection[object], error: type[BacktesterError] = ConfigError) -> None:
    """Insist that the field ``key`` is one of ``allowed``."""
    value = getattr(owner, key)
    if isinstance(value, str | None) and value in allowed:
        return
    hint = did_you_mean(value, [word for word in allowed if isinstance(word, str)]) if isinstance(value, str) else ""
    listed = ", ".join(repr(word) for word in allowed)
    raise error(f"{type(owner).__name__}.{key} is {value!r}; it must be one of {listed}.{hint}")


def _sessions(owner: object, key: str, otherwise: str = "") -> None:
    """Insist that the field ``key`` is a whole number of sessions, at least 1 and no more than the kernel can count."""
    value = getattr(owner, key)
    if isinstance(value, bool) or not isinstance(value, Integral) or not 1 <= int(value) <= MOST_SESSIONS:
        what = f"{type(owner).__name__}.{key} is {value!r}"
        limit = f" and at most {MOST_SESSIONS:,}" if isinstance(value, Integral) and int(value) > MOST_SESSIONS else ""
        raise ConfigError(f"{what}; it must be a whole number of sessions, at least 1{limit}{otherwise}.")
    object.__setattr__(owner, key, int(value))


@dataclass(frozen=True, slots=True)
class Costs:
    """What trading and financing cost. Rates are per year and accrue on calendar days, actual/360.

    Attributes:
        commission_bps: commission in basis points of the shares times the fill price; at least 0.
        commission_per_share: commission in currency a share, beside the basis points; at least 0.
        commission_min: least commission of an order over its whole life, in currency; at least 0. Charged with the
            first share; an order that never fills pays nothing.
        commission_max_bps: largest commission of an order, in basis points of what it has traded; at least 0. It holds
            where it disagrees with the minimum. None: no maximum.
        slippage_bps: distance of the fill price from the market price, against the trader, in basis points; at least 0,
            or :class:`~backtester.portfolio.rates.Rates` by symbol and date.
        impact: coefficient of square-root impact, which adds ``impact * sigma * sqrt(shares / average volume)`` to the
            slippage, ``sigma`` and the average over the 20 sessions before the fill; at least 0, and 0 is none.
        borrow_rate: fee per year on the value of what is held short, as a fraction; at least 0, or ``Rates``.
        credit_rate: interest per year on free cash (cash less short value) while it is positive, as a fraction;
            above -1.
        debit_rate: interest per year paid on free cash while it is negative, as a fraction; above -1.
        not_shortable: symbols in which no short position may be opened or made larger, or a table of them: a DataFrame
            with the columns ``symbol``, ``start`` and ``end``, or tuples, from `start` up to, and not including, `end`
            (missing: always, still). Every name of a list without dates must be a symbol of the panel; in a table
            those that are not are left out, but not all may be. Kept as sorted names, or a table (what has dates, and
            every DataFrame) as :class:`~backtester.portfolio.rows.Rows`.

    Raises:
        ConfigError: a value is no finite number in its range, or a table cannot be read.
    """

    commission_bps: float = 1.0
    commission_per_share: float = 0.0
    commission_min: float = 0.0
    commission_max_bps: float | None = None
    slippage_bps: float | Rates = 5.0
    impact: float = 0.0
    borrow_rate: float | Rates = 0.005
    credit_rate: float = 0.0
    debit_rate: float = 0.05
    not_shortable: Any = ()

    def __post_init__(self) -> None:
        """Check every field."""
        for key in ("commission_bps", "commission_per_share", "commission_min", "impact"):
            _number(self, key, least=0.0)
        _number(self, "commission_max_bps", least=0.0, optional=True)
        for key in ("slippage_bps", "borrow_rate"):
            if not isinstance(getattr(self, key), Rates):
                _number(self, key, least=0.0, otherwise=", or a bt.Rates")
        _number(self, "credit_rate", above=-1.0)
        _number(self, "debit_rate", above=-1.0)
        object.__setattr__(self, "not_shortable", read_spans(self.not_shortable))

    @classmethod
    def preset(cls, name: str) -> Costs:
        """The costs of an entry of ``bt.COST_PRESETS``, which says what they stand for and what they leave out.

        Raises:
            ConfigError: there is none of this name.
        """
        from backtester.portfolio.presets import COST_PRESETS  # it is made of costs

        if not isinstance(name, str) or name not in COST_PRESETS:
            hint = did_you_mean(str(name), COST_PRESETS)
            raise ConfigError(f"there are no costs {name!r}; there are {', '.join(COST_PRESETS)}.{hint}")
        return COST_PRESETS[name].costs

    def describe(self, panel: Panel | None = None) -> dict[str, Any]:
        """Every field as plain JSON data, for the record of a run.

        Of a table it says the size and the hash, and with a ``panel`` how many rows and symbols of it are left out,
        since the panel does not have the symbol.
        """
        return {field.name: describe(getattr(self, field.name), panel) for field in dataclasses.fields(self)}


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """The layers that cut a target down, in the order in which they act, and the breakers. None switches one off.

    Weights are fractions of equity.

    Attributes:
        max_weight: largest absolute weight of one symbol; above 0.
        max_sector: largest sum of absolute weights in one sector; above 0. Symbols without a sector form one sector.
        max_gross: largest sum of absolute weights; above 0.
        max_net: largest absolute sum of weights; at least 0, and 0 keeps both sides equal.
        target_volatility: largest volatility of a target, per year, as a fraction: that of its weights over the last 63
            sessions' total returns times ``sqrt(252)``; above 0.
        no_trade_band: a change of weight smaller than this is not traded, a full exit always is; at least 0, and 0 is
            the same as None.
        max_turnover: largest sum of absolute changes of weight at one decision; above 0.
        max_daily_loss: the book is halted when one session loses at least this fraction of the equity before it;
            between 0 and 1.
        max_drawdown: the book is halted when equity is at least this fraction below its peak; between 0 and 1.
        max_period_loss: the book is halted when ``period`` sessions lose at least this fraction; between 0 and 1.
        period: sessions of that loss, a whole number of at least 1.
        guard_gross: the guard acts when gross exposure at the marks is above this; above 0.
        guard_net: the same of net exposure without its sign; at least 0.
        min_fresh: the guard acts when the share of members with a close today is below this; above 0, at most 1.
        max_unscored: the guard acts when the share of eligible symbols without a score is above this; at least 0,
            below 1.
        guard_equal_scores: whether the guard acts when all scores are equal.
        guard_action: what a guard does: ``"reduce"`` lets only orders pass that shrink a position, ``"halt"`` halts.
        cooldown: sessions after which a book that is halted or reducing is active again, a whole number of at least 1.
            None: only :class:`Rearm` ends it.

    Raises:
        ConfigError: a value is neither None nor a finite number in its range.
    """

    max_weight: float | None = None
    max_sector: float | None = None
    max_gross: float | None = None
    max_net: float | None = None
    target_volatility: float | None = None
    no_trade_band: float | None = None
    max_turnover: float | None = None
    max_daily_loss: float | None = 0.05
    max_drawdown: float | None = None
    max_period_loss: float | None = None
    period: int = 5
    guard_gross: float | None = None
    guard_net: float | None = None
    min_fresh: float | None = None
    max_unscored: float | None = None
    guard_equal_scores: bool = False
    guard_action: Literal["reduce", "halt"] = "reduce"
    cooldown: int | None = None

    def without_breakers(self) -> RiskLimits:
        """The same layers, with every breaker and guard off."""
        return dataclasses.replace(
            self,
            max_daily_loss=None,
            max_drawdown=None,
            max_period_loss=None,
            guard_gross=None,
            guard_net=None,
            min_fresh=None,
            max_unscored=None,
            guard_equal_scores=False,
        )

    def __post_init__(self) -> None:
        """Check every field."""
        for key in ("max_weight", "max_sector", "max_gross", "target_volatility", "max_turnover", "guard_gross"):
            _number(self, key, above=0.0, optional=True)
        for key in ("max_net", "no_trade_band", "guard_net"):
            _number(self, key, least=0.0, optional=True)
        for key in ("max_daily_loss", "max_drawdown", "max_period_loss"):
            _number(self, key, above=0.0, below=1.0, optional=True)
        _number(self, "min_fresh", above=0.0, most=1.0, optional=True)
        _number(self, "max_unscored", least=0.0, below=1.0, optional=True)
        _sessions(self, "period")
        if self.cooldown is not None:
            _sessions(self, "cooldown", ", or None")
        if not isinstance(self.guard_equal_scores, bool | np.bool_):
            raise ConfigError(
                f"RiskLimits.guard_equal_scores is {self.guard_equal_scores!r}; it must be True or False."
            )
        object.__setattr__(self, "guard_equal_scores", bool(self.guard_equal_scores))
        _choice(self, "guard_action", ("reduce", "halt"))


@dataclass(frozen=True, slots=True)
class Execution:
    """When and how orders fill.

    Attributes:
        fill: the moment at which orders fill: ``"open"`` of the next session, ``"close"`` of the next session, or
            ``"same_close"``, the close that the decision was made on (which no real order can have).
        size_at: a target is turned into shares with the equity and the price of the ``"decision"`` or of the
            ``"fill"``.
        lot: smallest tradable number of shares; at least 0, and 0 means fractional shares.
        volume_cap: share of a symbol's volume that all its orders together may take in one session; above 0, at most 1.
            None: no cap.
        cap_on: the volume that the cap is a share of: ``"average"``, the mean of the 20 sessions before, or
            ``"session"``, the session's own, which is not known before its close.

    Raises:
        ConfigError: a value is not one of those allowed.
    """

    fill: Literal["open", "close", "same_close"] = "open"
    size_at: Literal["decision", "fill"] = "decision"
    lot: float = 1.0
    volume_cap: float | None = None
    cap_on: Literal["average", "session"] = "average"

    def __post_init__(self) -> None:
        """Check every field."""
        _choice(self, "fill", ("open", "close", "same_close"))
        _choice(self, "size_at", ("decision", "fill"))
        _number(self, "lot", least=0.0)
        _number(self, "volume_cap", above=0.0, most=1.0, optional=True)
        _choice(self, "cap_on", ("average", "session"))


@dataclass(frozen=True, slots=True)
class Order:
    """An explicit market order, added to whatever rests for the symbol.

    Attributes:
        symbol: the symbol, as in the panel.
        shares: shares to buy (positive) or sell (negative), at most 1e15. Cut towards zero to a multiple of the lot; an
            order of nothing is refused, with an event.
        at: fill at the ``"open"`` or the ``"close"`` of the next session; None: at the moment that the execution names.

    Raises:
        StrategyError: a value is not of this kind.
    """

    symbol: str
    shares: float
    at: Literal["open", "close"] | None = None

    def __post_init__(self) -> None:
        """Check every field."""
        _symbol(self)
        _number(self, "shares", least=-1e15, most=1e15, error=StrategyError)
        _choice(self, "at", (None, "open", "close"), StrategyError)


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel everything that rests for a symbol.

    Attributes:
        symbol: the symbol, as in the panel.

    Raises:
        StrategyError: the symbol is no text.
    """

    symbol: str

    def __post_init__(self) -> None:
        """Check the symbol."""
        _symbol(self)


@dataclass(frozen=True, slots=True)
class Rearm:
    """End a halt or REDUCING: the book is active again, and losses are counted from the equity of the day on."""


def _symbol(owner: Order | Cancel) -> None:
    """Insist on a symbol that is text (a NumPy string becomes a plain one)."""
    if not isinstance(owner.symbol, str) or not owner.symbol:
        raise StrategyError(f"{type(owner).__name__}.symbol is {owner.symbol!r}; it must be a symbol of the panel.")
    object.__setattr__(owner, "symbol", str(owner.symbol))
