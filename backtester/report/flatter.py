"""What makes a result look better than trading could: every such setting, in words, collected here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backtester.portfolio.presets import COST_PRESETS


def flattering(settings: Mapping[str, Any], *, shorted: bool = True) -> list[str]:
    """The settings that flatter a result, the gravest first.

    Args:
        settings: those of a run, as ``Result.settings`` has them.
        shorted: whether anything was held short; if not, what concerns borrowing is left out.
    """
    costs, risk, execution = settings.get("costs"), settings.get("risk"), settings.get("execution") or {}
    found = []
    if execution.get("fill") == "same_close":
        found.append("fills at the price it was decided on")
    if execution.get("size_at") == "fill":
        found.append("orders are sized with the price they fill at")
    if costs is None:
        found.append("trading and financing are free")
    else:
        found += _of_costs(costs, shorted) + _of_preset(costs, settings.get("costs_preset"))
    if execution.get("volume_cap") is None:
        free = costs is None or not costs["impact"]
        found.append("orders of any size fill, at no worse price" if free else "orders of any size fill")
    elif execution.get("cap_on") == "session":
        found.append("the volume cap knows the volume of its own session")
    if execution.get("lot") == 0:
        found.append("fractional shares")
    found += _of_market(settings.get("market") or {}, shorted)
    if risk is None:
        found.append("no risk limits")
    return found


def _of_costs(costs: Mapping[str, Any], shorted: bool) -> list[str]:
    found = []
    if not any(costs.get(key) for key in ("commission_bps", "commission_min", "commission_per_share")):
        found.append("no commission")
    if not _charged(costs["slippage_bps"]) and not costs["impact"]:
        found.append("no slippage")
    if shorted and not _charged(costs["borrow_rate"]):
        found.append("borrowing shares is free")
    if costs["debit_rate"] <= 0.0:
        found.append("borrowing cash is free")
    if shorted and "not_shortable" in costs and not _any(costs["not_shortable"]):
        found.append("every stock can be sold short")
    return found


def _of_preset(costs: Mapping[str, Any], name: str | None) -> list[str]:
    """What the preset leaves out that the costs were made of, or are the same as."""
    same = (key for key, preset in COST_PRESETS.items() if preset.costs.describe() == costs)
    name = name or next(same, "")
    if name not in COST_PRESETS:
        return []
    return [f"the costs of {name!r} leave out {COST_PRESETS[name].leaves_out.replace(';', ',')}"]


def _of_market(market: Mapping[str, Any], shorted: bool) -> list[str]:
    """What the data leave out, as far as the record of the run says."""
    found = []
    if market.get("basis") in ("as_traded", "split_adjusted") and market.get("dividends") == 0:
        missing = "no dividends in the data"
        found.append(f"{missing}: what is held short pays none" if shorted else missing)
    if market.get("endings") == 0 and market.get("members") is False:
        found.append("no stock ever leaves the universe")
    return found


def _charged(rate: Any) -> bool:
    """Whether a rate, a number or what ``Rates`` say of themselves, may be above 0 somewhere."""
    if not isinstance(rate, Mapping):
        return bool(rate)
    tiers = [tier["rate"] for tier in rate.get("tiers") or ()]
    named = (rate.get("symbols") or {}).values()
    return bool(rate.get("default")) or any(named) or any(tiers) or _any(rate.get("table"))


def _any(table: Any) -> bool:
    """Whether a list, or what a table says of itself, holds anything."""
    return bool(table["rows"]) if isinstance(table, Mapping) else bool(table)
