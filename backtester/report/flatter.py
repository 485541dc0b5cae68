"""What makes a result look better than trading could: every such setting, in words, collected here and nowhere else."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from backtester.portfolio.presets import COST_PRESETS
from backtester.report.words import many, percent

_LEVERAGE = 2.0  # gross exposure from which on a broker would have a word to say
_MOST_SHORTED = 0.9  # share of the symbols that can be sold short from which on it is said


def flattering(
    settings: Mapping[str, Any],
    *,
    longs: bool = True,
    shorted: bool = True,
    symbols: Collection[str] = (),
    gross: float = 0.0,
) -> list[str]:
    """The settings that flatter a result, the gravest first.

    Args:
        settings: those of a run, as ``Result.settings`` has them.
        longs: whether anything was held long.
        shorted: whether anything was held short; if not, what concerns borrowing is left out.
        symbols: those of the panel; a list of what cannot be sold short counts as far as it names these.
        gross: the largest gross exposure, as a fraction of equity.
    """
    costs, risk, execution = settings.get("costs"), settings.get("risk"), settings.get("execution") or {}
    found = []
    if any((settings.get(key) or {}).get("not_causal") for key in ("scores", "scores_file")):
        found.append("the scores know what came after them (combinatorial cross-validation): this is no track record")
    if settings.get("synthetic") is not None:
        found.append("the market is made up")
    if execution.get("fill") == "same_close":
        found.append("fills at the price it was decided on")
    if execution.get("size_at") == "fill":
        found.append("orders are sized with the price they fill at")
    if gross > _LEVERAGE:
        found.append(f"no margin calls, gross exposure reached {percent(gross, places=0)}")
    if costs is None:
        found.append("trading and financing are free")
    else:
        found += _of_costs(costs, shorted, symbols) + _of_preset(costs, settings.get("costs_preset"))
    if execution.get("volume_cap") is None:
        free = costs is None or not costs["impact"]
        found.append("orders of any size fill, at no worse price" if free else "orders of any size fill")
    elif execution.get("cap_on") == "session":
        found.append("the volume cap knows the volume of its own session")
    if execution.get("lot") == 0:
        found.append("fractional shares")
    found += _of_market(settings, longs, shorted)
    if risk is None:
        found.append("no risk limits")
    return found


def left_out(settings: Mapping[str, Any], *, shorted: bool = True) -> list[str]:
    """What a result leaves out that does not flatter it."""
    return ["dividends: longs receive none"] if _no_dividends(settings) and not shorted else []


def _of_costs(costs: Mapping[str, Any], shorted: bool, symbols: Collection[str]) -> list[str]:
    found = []
    if not any(costs.get(key) for key in ("commission_bps", "commission_min", "commission_per_share")):
        found.append("no commission")
    if not _charged(costs["slippage_bps"]) and not costs["impact"]:
        found.append("no slippage")
    if shorted and not _charged(costs["borrow_rate"]):
        found.append("borrowing shares is free")
    if costs["debit_rate"] <= 0.0:
        found.append("borrowing cash is free")
    if shorted and "not_shortable" in costs:
        found += _of_shorting(costs["not_shortable"], symbols)
    return found


def _of_shorting(listed: Any, symbols: Collection[str]) -> list[str]:
    """How many stocks can be sold short, where that is all of them or nearly so."""
    if isinstance(listed, Mapping):
        named = listed["symbols"] - listed.get("symbols_left_out", 0)
    else:
        named = len(set(listed) & set(symbols))
    if not named:
        return ["every stock can be sold short"]
    if len(symbols) - named < _MOST_SHORTED * len(symbols):
        return []
    return [f"all but {named:,} of {many(len(symbols), 'stock')} can be sold short"]


def _of_preset(costs: Mapping[str, Any], name: str | None) -> list[str]:
    """What the preset leaves out that the costs were made of, or are the same as."""
    same = (key for key, preset in COST_PRESETS.items() if preset.costs.describe() == costs)
    name = name or next(same, "")
    if name not in COST_PRESETS:
        return []
    return [f"the costs of {name!r} leave out {COST_PRESETS[name].leaves_out}"]


def _of_market(settings: Mapping[str, Any], longs: bool, shorted: bool) -> list[str]:
    """What the data leave out, as far as the record of the run says."""
    found = []
    if _no_dividends(settings) and shorted:
        found.append(f"no dividends in the data: {'longs receive none, ' if longs else ''}shorts pay none")
    if (settings.get("market") or {}).get("endings") == 0:
        found.append("no stock ever leaves the market")
    checked = settings.get("data_check") or {}
    unpriced = checked.get("warnings", {}).get("unpriced_member", 0)
    if unpriced:
        found.append(f"{many(unpriced, 'member')} of the universe {'has' if unpriced == 1 else 'have'} no bars")
    return found


def _no_dividends(settings: Mapping[str, Any]) -> bool:
    market = settings.get("market") or {}
    return market.get("basis") in ("as_traded", "split_adjusted") and market.get("dividends") == 0


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
