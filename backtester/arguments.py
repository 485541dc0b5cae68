"""What a run is given: checked, described for its record, and copied."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import json
import math
import os
import warnings
from typing import Any

import numpy as np
import pandas as pd

from backtester.errors import ConfigError, DataError, StrategyError
from backtester.market.panel import Panel
from backtester.portfolio.rates import plain_number
from backtester.portfolio.settings import MOST_SESSIONS, Costs, Execution, RiskLimits
from backtester.strategy import Strategy, overrides

# What the methods of a strategy are called with.
_HOOKS = {
    "on_start": ("universe",),
    "decide": ("view",),
    "decide_rows": ("panel", "scores", "rows"),
    "on_fill": ("fills", "view"),
    "on_halt": ("halt", "view"),
    "on_end": ("view",),
}


def check_strategy(strategy: Any) -> None:
    """Insist on an object of a subclass of `Strategy` that decides something, and whose hooks can be called.

    Raises:
        ConfigError: it is none.
        StrategyError: a hook takes other parameters than those that it is called with, or exchanges them.
    """
    if isinstance(strategy, type) and issubclass(strategy, Strategy):
        raise ConfigError(f"strategy is the class {strategy.__name__}; pass an object: {strategy.__name__}().")
    if not isinstance(strategy, Strategy):
        raise ConfigError(f"strategy is {strategy!r}; it must be an object of a subclass of bt.Strategy.")
    for key in ("warmup", "every"):
        value = getattr(strategy, key)
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 1 <= value <= MOST_SESSIONS:
            name = type(strategy).__name__
            raise ConfigError(f"{name}.{key} is {value!r}; it must be a whole number of sessions, at least 1.")
    if not overrides(strategy, "decide"):
        name = type(strategy).__name__
        raise ConfigError(f"{name} has no decide(self, view); write one that returns a target, orders or None.")
    for hook, given in _HOOKS.items():
        if overrides(strategy, hook):
            _check_hook(strategy, hook, given)


def _check_hook(strategy: Strategy, hook: str, given: tuple[str, ...]) -> None:
    """Insist on a method that can be called with what it is given, and does not take it for something else."""
    try:
        signature = inspect.signature(getattr(strategy, hook))
    except (TypeError, ValueError):
        return  # compiled, and tells nothing of itself
    call = f"{type(strategy).__name__}.{hook} is called with ({', '.join(given)})"
    try:
        signature.bind(*given)
    except TypeError as error:
        raise StrategyError(f"{call}, and takes {signature}: write def {hook}(self, {', '.join(given)}).") from error
    names = tuple(signature.parameters)
    if names != given and sorted(names) == sorted(given):
        raise StrategyError(f"{call}, in this order, and its parameters are ({', '.join(names)}): exchange them.")


def check_panel(panel: Any) -> None:
    """Insist on a panel that is not empty."""
    if isinstance(panel, Panel):
        if not all(panel.shape):
            raise DataError(f"the panel has the shape {panel.shape} (sessions, symbols); there is nothing to run.")
        return
    kind = type(panel).__name__
    if isinstance(getattr(panel, "panel", None), Panel):
        hint = f"is a {kind}; pass its panel: market.panel."
    elif isinstance(panel, str | os.PathLike):
        hint = f"is {os.fspath(panel)!r}; load it with bt.load_panel."
    elif isinstance(panel, pd.DataFrame):
        hint = "is a DataFrame; make it a panel with bt.Panel.from_frame."
    else:
        hint = f"is a {kind}; it must be a bt.Panel."
    raise ConfigError(f"panel {hint}")


def check_length(strategy: Strategy, panel: Panel) -> None:
    """Insist on a panel that is long enough for one decision."""
    if len(panel.dates) < strategy.warmup:
        raise ConfigError(
            f"{type(strategy).__name__} needs {strategy.warmup} bars before its first decision; "
            f"the panel has {len(panel.dates)} sessions."
        )


def check_settings(cash: Any, costs: Any, risk: Any, execution: Any) -> None:
    """Insist on the classes that the arguments must have."""
    if not 0.0 < plain_number(cash) < math.inf:
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
        try:
            told[key] = json.loads(json.dumps(value, default=_plain), parse_constant=str)  # NaN as text
        except (TypeError, ValueError):
            continue
    return told


def twin_of(strategy: Strategy) -> Strategy | None:
    """A copy that a run does not touch; None, with a warning, where there cannot be one."""
    try:
        return copy.deepcopy(strategy)
    except Exception as error:  # whatever an attribute of the user's raises when it is copied
        warnings.warn(
            f"{type(strategy).__name__} cannot be copied ({type(error).__name__}: {error}), so if a breaker trips "
            "there will be no figures without breakers.",
            stacklevel=3,
        )
        return None


def _plain(value: Any) -> Any:
    """A NumPy number as a Python one, settings as what they say of themselves."""
    if isinstance(value, np.generic):
        return value.item()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return value.describe() if hasattr(value, "describe") else dataclasses.asdict(value)
    raise TypeError
