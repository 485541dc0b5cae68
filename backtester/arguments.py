"""What a run is given: checked, and described for its record."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np

from backtester.errors import ConfigError
from backtester.portfolio.settings import Costs, Execution, RiskLimits
from backtester.strategy import Strategy, overrides


def check_strategy(strategy: Any) -> None:
    """Insist on an object of a subclass of `Strategy` that decides something."""
    if isinstance(strategy, type) and issubclass(strategy, Strategy):
        raise ConfigError(f"strategy is the class {strategy.__name__}; pass an object: {strategy.__name__}().")
    if not isinstance(strategy, Strategy):
        raise ConfigError(f"strategy is {strategy!r}; it must be an object of a subclass of bt.Strategy.")
    for key in ("warmup", "every"):
        value = getattr(strategy, key)
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            name = type(strategy).__name__
            raise ConfigError(f"{name}.{key} is {value!r}; it must be a whole number of sessions, at least 1.")
    if not overrides(strategy, "decide"):
        name = type(strategy).__name__
        raise ConfigError(f"{name} has no decide(self, view); write one that returns a target, orders or None.")


def check_settings(cash: Any, costs: Any, risk: Any, execution: Any) -> None:
    """Insist on the classes that the arguments must have."""
    if isinstance(cash, bool) or not isinstance(cash, int | float | np.number) or not (np.isfinite(cash) and cash > 0):
        raise ConfigError(f"cash is {cash!r}; it must be a positive amount.")
    if costs is not None and not isinstance(costs, Costs):
        raise ConfigError(f"costs is {costs!r}; it must be a bt.Costs, or None for no costs.")
    if risk is not None and not isinstance(risk, RiskLimits):
        raise ConfigError(f"risk is {risk!r}; it must be a bt.RiskLimits, or None for no limits.")
    if not isinstance(execution, Execution):
        raise ConfigError(f"execution is {execution!r}; it must be a bt.Execution.")


def describe_strategy(strategy: Strategy) -> dict[str, Any]:
    """The strategy's class and its public attributes that are plain values or settings, for the record of the run."""
    kind = type(strategy)
    name = f"{kind.__module__}:{kind.__qualname__}"
    told: dict[str, Any] = {"class": name, "warmup": strategy.warmup, "every": strategy.every}
    for key, value in vars(strategy).items():
        if key.startswith("_"):
            continue
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = dataclasses.asdict(value)
        try:
            told[key] = json.loads(json.dumps(value, default=_plain))
        except (TypeError, ValueError):
            continue
    return told


def _plain(value: Any) -> Any:
    """A NumPy number as a Python one."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError
