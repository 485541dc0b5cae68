"""Markets and settings as plain data: what both engines are given.

One entry a session in every list; NaN means unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True)
class Market:
    """Plain data: one entry a session in every list."""

    dates: list[date]
    open: dict[str, list[float]]
    close: dict[str, list[float]]
    volume: dict[str, list[float]]
    actions: list[tuple[date, str, float, float]] = field(default_factory=list)  # date, symbol, split ratio, dividend
    ends: dict[str, tuple[date, float]] = field(default_factory=dict)  # end date, delisting return
    members: dict[str, list[bool]] | None = None
    sectors: dict[str, str] = field(default_factory=dict)
    scores: dict[str, list[float]] | None = None

    @property
    def symbols(self) -> list[str]:
        """All symbols in alphabetical order."""
        return sorted(self.close)


@dataclass(frozen=True)
class Rates:
    """A rate by symbol and session."""

    default: float
    symbols: dict[str, float] = field(default_factory=dict)
    table: tuple[tuple[str, date | None, float], ...] = ()  # symbol, from this day on (None: always), rate (NaN: ends)
    tiers: tuple[tuple[float, float, float], ...] = ()  # rate, least dollar volume, least price


@dataclass(frozen=True)
class Settings:
    """Every setting of a run; ``None`` is off."""

    cash: float = 100_000.0
    commission_bps: float = 0.0
    commission_per_share: float = 0.0
    commission_min: float = 0.0
    commission_max_bps: float | None = None
    slippage_bps: float | Rates = 0.0
    impact: float = 0.0
    borrow_rate: float | Rates = 0.0
    credit_rate: float = 0.0
    debit_rate: float = 0.0
    not_shortable: tuple[tuple[str, date | None, date | None], ...] = ()  # symbol, from this day on, up to before this
    fill: str = "open"
    size_at: str = "decision"
    lot: float = 1.0
    volume_cap: float | None = None
    cap_on: str = "average"
    max_weight: float | None = None
    max_sector: float | None = None
    max_gross: float | None = None
    max_net: float | None = None
    target_volatility: float | None = None
    no_trade_band: float | None = None
    max_turnover: float | None = None
    max_daily_loss: float | None = None
    max_drawdown: float | None = None
    cooldown: int | None = None
    max_period_loss: float | None = None
    period: int = 5
    guard_gross: float | None = None
    guard_net: float | None = None
    min_fresh: float | None = None
    max_unscored: float | None = None
    guard_equal_scores: bool = False
    guard_action: str = "reduce"
    warmup: int = 1
    every: int = 1

    def due(self, t: int) -> bool:
        """Whether a decision is due after session t."""
        return t >= self.warmup - 1 and (t - self.warmup + 1) % self.every == 0
