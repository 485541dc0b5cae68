"""On which terms a run was made, in words: what was traded, when it decides and fills, which costs were charged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backtester.report import words as w

# What no setting can charge: see docs/limitations.md.
NEVER_CHARGED = "taxes; margin calls; fees of exchanges and regulators; costs of data and people"
_FILLS = {
    "open": "at the open of the next session, at its opening price",
    "close": "at the close of the next session, at its closing price",
    "same_close": "at the very close that it was decided on, which flatters: nobody knows a close before it is over",
}
_SHOWN = 8  # symbols named
# Breakers and guards: key, words before the number.
_BREAKERS = (
    ("max_daily_loss", "a session loses"),
    ("max_drawdown", "equity is below its peak by"),
    ("max_period_loss", "the last sessions lose"),
)
_GUARDS = {
    "guard_gross": "gross exposure above",
    "guard_net": "net exposure above",
    "min_fresh": "a share of members with a fresh price below",
    "max_unscored": "a share of members without a score above",
}
_LIMITS = (
    ("max_weight", "a symbol at most"),
    ("max_sector", "a sector at most"),
    ("max_gross", "gross at most"),
    ("max_net", "net at most"),
    ("target_volatility", "volatility a year cut to"),
    ("no_trade_band", "changes of weight not traded below"),
    ("max_turnover", "turnover of a decision at most"),
)


def terms(facts: Mapping[str, Any], symbols: Sequence[str], dataset: str, sample: str) -> list[tuple[str, str]]:
    """What a stranger asks first, each with its answer.

    Args:
        facts: those of `facts.summarise`.
        symbols: those of the panel.
        dataset: the path of the data, or "".
        sample: what is in and out of sample, in words.
    """
    settings = facts["settings"]
    costs = settings.get("costs")
    found = [
        ("Data", _data(facts, symbols, dataset)),
        ("Traded", _traded(facts)),
        ("Scores", _scores(settings)),
        ("In and out of sample", sample),
        ("Decides", _decides(settings.get("strategy") or {})),
        ("Fills", _fills(settings.get("execution") or {})),
        ("Costs charged", "; ".join(charged(costs)) or "none: trading and financing are free"),
        ("Costs not charged", "; ".join([*not_charged(costs), NEVER_CHARGED])),
        ("Limits", _limits(settings.get("risk"))),
        ("Breakers", _breakers(settings.get("risk"))),
    ]
    return [(name, f"{said[:1].upper()}{said[1:]}".rstrip(".") + ".") for name, said in found if said]


def charged(costs: Mapping[str, Any] | None) -> list[str]:
    """The costs that were charged, each in words; none where costs are off."""
    if costs is None:
        return []
    found = []
    commission = _commission(costs)
    if commission:
        found.append(commission)
    if _rate(costs.get("slippage_bps")):
        found.append(f"slippage of {_bps(costs['slippage_bps'])} against the trader at every fill")
    if costs.get("impact"):
        found.append(f"square-root market impact with the coefficient {costs['impact']:g}")
    if _rate(costs.get("borrow_rate")):
        found.append(f"borrow fees of {_yearly(costs['borrow_rate'])} on what is held short")
    if costs.get("debit_rate", 0.0) > 0.0:
        found.append(f"interest of {w.percent(costs['debit_rate'])} a year on cash that is missing")
    if costs.get("credit_rate", 0.0) < 0.0:
        found.append(f"interest of {w.percent(-costs['credit_rate'])} a year on cash that is there")
    return found


def not_charged(costs: Mapping[str, Any] | None) -> list[str]:
    """The costs that a setting could have charged and did not, each in words."""
    if costs is None:
        return ["commission; slippage; market impact; borrow fees; interest"]
    found = []
    if not _commission(costs):
        found.append("commission")
    if not _rate(costs.get("slippage_bps")):
        found.append("slippage")
    if not costs.get("impact"):
        found.append("market impact")
    if not _rate(costs.get("borrow_rate")):
        found.append("borrow fees")
    if costs.get("debit_rate", 0.0) <= 0.0:
        found.append("interest on cash that is missing")
    return found


def every_setting(settings: Any, path: str = "") -> list[tuple[str, str]]:
    """Settings to the bottom: the path of each and its value."""
    if isinstance(settings, Mapping) and settings:
        return [
            row for key, one in settings.items() for row in every_setting(one, f"{path}.{key}" if path else str(key))
        ]
    return [(path, _value(settings))]


def _value(value: Any) -> str:
    if value is None:
        return "off"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        shown = ", ".join(_value(one) for one in value[:12])
        return f"[{shown}{f', ... {len(value)} in all' if len(value) > 12 else ''}]"
    if isinstance(value, Mapping):
        return "{}" if not value else w.listed(value)
    return w.short_hash(w.class_name(value)) if isinstance(value, str) else f"{value:g}"


def _data(facts: Mapping[str, Any], symbols: Sequence[str], dataset: str) -> str:
    market = facts["settings"].get("market") or {}
    span = f"{facts['start']} to {facts['end']}" if facts["sessions"] else "no sessions"
    named = ", ".join(symbols[:_SHOWN]) + (", ..." if len(symbols) > _SHOWN else "")
    said = f"{w.many(facts['symbols'], 'symbol')} ({named}), {w.many(facts['sessions'], 'session')}, {span}"
    if market.get("basis"):
        said += f", prices {str(market['basis']).replace('_', ' ')}"
    actions = [f"{market[key]:,} {key}" for key in ("splits", "dividends", "endings") if key in market]
    said += f"; {', '.join(actions)} in the data" if actions else ""
    return said + (f"; from {dataset}" if dataset else "")


def _traded(facts: Mapping[str, Any]) -> str:
    metrics, strategy = facts["metrics"], facts["settings"].get("strategy") or {}
    name = w.class_name(str(strategy.get("class", "a strategy"))).rpartition(":")[2]
    told = w.listed(strategy, ("class", "warmup", "every"))
    said = f"by {name}{f' ({told})' if told else ''}: "
    if not metrics["fills"]:
        return said + "nothing was traded"
    held = f"{w.one(metrics['names_long'])} symbols long and {w.one(metrics['names_short'])} short"
    gross, net = (w.percent(metrics[key], places=0) for key in ("exposure_gross", "exposure_net"))
    return (
        f"{said}{w.many(metrics['fills'], 'fill')}; on average {held}, exposure gross {gross} and net {net} of equity"
    )


def _scores(settings: Mapping[str, Any]) -> str:
    scores, file = settings.get("scores") or {}, settings.get("scores_file")
    if file:
        return f"from the file {file['name']}, {file['known']:,} of them known"
    signal = scores.get("signal")
    if not signal:
        return ""
    name = w.class_name(str(signal.get("class", "")))
    said = f"made by {name}: {w.listed(signal, ('class',))}"
    folds = scores.get("folds")
    return f"{said}; learnt in folds: {w.listed(folds, ('class',))}" if folds else said


def _decides(strategy: Mapping[str, Any]) -> str:
    every, warmup = strategy.get("every", 1), strategy.get("warmup", 1)
    often = "every session" if every == 1 else f"every {every:,} sessions"
    first = f", from session {warmup:,} on" if warmup != 1 else ""
    return f"after the close, {often}{first}, from data up to and including that close and nothing later"


def _fills(execution: Mapping[str, Any]) -> str:
    if not execution:
        return ""
    said = [_FILLS.get(str(execution.get("fill")), str(execution.get("fill")))]
    if execution.get("size_at") == "fill":
        said.append("orders are sized with the price that they fill at, which nobody knows beforehand")
    else:
        said.append("orders are sized with the equity and the prices of the decision")
    lot = execution.get("lot", 1.0)
    said.append("fractional shares" if lot == 0 else "whole shares" if lot == 1 else f"multiples of {lot:g} shares")
    cap = execution.get("volume_cap")
    if cap is None:
        said.append("orders of any size are filled")
    else:
        of = "volume of the session itself" if execution.get("cap_on") == "session" else "average volume of 20 sessions"
        said.append(f"at most {w.percent(cap, places=1)} of the {of}, the rest waits")
    return "; ".join(said)


def _limits(risk: Mapping[str, Any] | None) -> str:
    found = [f"{said} {w.percent(risk[key])}" for key, said in _LIMITS if risk.get(key)] if risk else []
    if risk and risk.get("max_net") == 0.0:
        found.append("both sides equal")
    return "; ".join(found) or "none"


def _breakers(risk: Mapping[str, Any] | None) -> str:
    if risk is None:
        return "none"
    found = []
    for key, said in _BREAKERS:
        if risk.get(key) is not None:
            told = f"the last {w.sessions(risk['period'])} lose" if key == "max_period_loss" else said
            found.append(f"{told} {w.percent(risk[key])} or more")
    said = f"every position is closed when {' or '.join(found)}" if found else ""
    guards = [key for key in _GUARDS if risk.get(key) is not None]
    if guards or risk.get("guard_equal_scores"):
        more = [
            *(f"{_GUARDS[key]} {w.percent(risk[key])}" for key in guards),
            *(["scores that are all equal"] * bool(risk["guard_equal_scores"])),
        ]
        does = "no position may grow" if risk.get("guard_action") == "reduce" else "every position is closed"
        said += f"{'; ' if said else ''}{does} at {', '.join(more)}"
    return said or "none"


def _commission(costs: Mapping[str, Any]) -> str:
    parts = []
    if costs.get("commission_bps"):
        parts.append(f"{costs['commission_bps']:g} bps of the value")
    if costs.get("commission_per_share"):
        parts.append(f"{costs['commission_per_share']:g} a share")
    if costs.get("commission_min"):
        parts.append(f"at least {costs['commission_min']:g} an order")
    if not parts:
        return ""
    if costs.get("commission_max_bps") is not None:
        parts.append(f"at most {costs['commission_max_bps']:g} bps of an order")
    return f"commission of {', '.join(parts)}"


def _rate(rate: Any) -> bool:
    """Whether a rate is charged: a number above 0, or one that differs by symbol."""
    return isinstance(rate, Mapping) or bool(rate)


def _bps(rate: Any) -> str:
    return f"basis points by symbol ({w.listed(rate)})" if isinstance(rate, Mapping) else f"{rate:g} bps"


def _yearly(rate: Any) -> str:
    return f"rates by symbol a year ({w.listed(rate)})" if isinstance(rate, Mapping) else f"{w.percent(rate)} a year"
