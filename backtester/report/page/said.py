"""What a run shows, in plain sentences: at the head of the page, and whether it beats chance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from backtester.report import words as w
from backtester.report.page.charts import number

_SURE = 0.95  # probability from which on a deflated Sharpe ratio is called beyond chance
_SIGNIFICANT = 0.05
UNKNOWN = "No study was made of this run, so the page says nothing on whether its result differs from chance."
NOT_COUNTED = "How many variants were tried on this data is not known here."


class Verdict(NamedTuple):
    """An answer to whether a result beats chance."""

    word: str  # "yes", "no" or "unknown"
    said: str


def opening(facts: Mapping[str, Any], study: Mapping[str, Any] | None) -> list[str]:
    """What the run shows and what it leaves out, in two to four sentences."""
    metrics = facts["metrics"]
    if not facts["sessions"]:
        return [f"The run has no sessions, so there is nothing to show of {w.many(facts['symbols'], 'symbol')}."]
    span = f"From {facts['start']} to {facts['end']} ({w.many(facts['sessions'], 'session')})"
    strategy = (facts["settings"].get("strategy") or {}).get("class", "the strategy")
    name = w.class_name(str(strategy)).rpartition(":")[2]
    if not metrics["fills"]:
        return [f"{span} {name} traded nothing: {facts['no_fill']}."]
    paid = "no costs were charged" if facts["settings"].get("costs") is None else "after all costs charged"
    risk = (w.percent(metrics["volatility"]), w.plain(metrics["sharpe"]), w.percent(metrics["max_drawdown"]))
    made = (
        f"{span} {name} made {w.signed(metrics['total_return'])} on {w.many(facts['symbols'], 'symbol')} ({paid}), "
        f"{w.signed(metrics['cagr'])} a year, with a volatility of {risk[0]}, a Sharpe ratio of "
        f"{risk[1]} and a largest drawdown of {risk[2]}."
    )
    found = [made]
    if facts["wiped_out"]:
        found.append(f"The account was wiped out on {facts['wiped_out']}.")
    else:
        found += _gross(metrics)
    found.append(chance(study).said)
    return [*found, _leaves_out(facts)]


def chance(study: Mapping[str, Any] | None) -> Verdict:
    """Whether the net result differs from chance, by its interval and by the number of variants tried."""
    portfolio = (study or {}).get("portfolio")
    interval = ((portfolio or {}).get("net") or {}).get("sharpe") or {}
    low, high = number(interval.get("low")), number(interval.get("high"))
    if not math.isfinite(low) or not math.isfinite(high):
        return Verdict("unknown", UNKNOWN if not portfolio else "Too little is known to say whether it beats chance.")
    level = w.percent((portfolio or {}).get("level", 0.95), places=0)
    value = w.plain(interval.get("value"))
    span = (
        f"Since the first position its net Sharpe ratio is {value}, {level} interval {w.plain(low)} to {w.plain(high)}"
    )
    if high < 0.0:
        return Verdict("no", f"{span}: it loses beyond chance.")
    if low <= 0.0:
        return Verdict("no", f"{span}, which includes 0: it cannot be told from chance.")
    count, dsr = _tried(study)
    if not math.isfinite(dsr):
        return Verdict("unknown", f"{span}, above 0; for how many variants this is the best of is not accounted.")
    tried = (
        f"after {w.many(count, 'variant')} tried on this data, the deflated Sharpe ratio is {w.percent(dsr, places=1)}"
    )
    if dsr >= _SURE:
        return Verdict("yes", f"{span}, above 0; {tried}: beyond chance, also as the best of that many.")
    return Verdict("no", f"{span}, above 0; but {tried}: the best of so many could look like this by chance.")


def trials(study: Mapping[str, Any] | None) -> str:
    """How many variants were tried on this data, and what the best of so many shows by luck."""
    told = (study or {}).get("trials")
    count, dsr = _tried(study)
    if not told or not count:
        return NOT_COUNTED
    since = f" since {told['since']}" if told.get("since") else ""
    ledger = f", by the ledger {told['ledger']}" if told.get("ledger") else ""
    said = f"{w.many(count, 'variant')} {'was' if count == 1 else 'were'} tried on this data{since}{ledger}."
    expected = number(told.get("expected_max"))
    if math.isfinite(expected):
        said += f" The best of so many without merit would be expected to show a Sharpe ratio of {w.plain(expected)}."
    if math.isfinite(dsr):
        said += (
            f" The deflated Sharpe ratio, the probability that this run's true Sharpe ratio lies above what such luck "
            f"yields, is {w.percent(dsr, places=1)}."
        )
    return said


def of_signal(study: Mapping[str, Any]) -> str:
    """Whether the scores of a study foretold anything, from the rank IC at their own horizon."""
    horizon, own = study.get("horizon"), own_ic(study)
    mean, p = number(own.get("mean")), number(own.get("p"))
    if not math.isfinite(mean):
        return "No rank IC is known, so nothing can be said of the scores."
    said = (
        f"At their horizon of {w.sessions(horizon)} the scores have a mean rank IC of {w.fine(mean)} (95 % interval "
        f"{w.fine(own.get('low'))} to {w.fine(own.get('high'))}, t {w.plain(own.get('t'))}, over "
        f"{w.sessions(own.get('sessions'))})"
    )
    if not math.isfinite(p):
        return f"{said}."
    if p >= _SIGNIFICANT:
        return f"{said}: they cannot be told from scores that know nothing."
    return f"{said}: they order what follows {'better' if mean > 0.0 else 'worse'} than chance."


def own_ic(study: Mapping[str, Any]) -> Mapping[str, Any]:
    """The rank IC of a signal's study at its own horizon; empty where there is none."""
    same = (row.get("rank") for row in study.get("horizons") or [] if row.get("horizon") == study.get("horizon"))
    return next(same, None) or {}


def _gross(metrics: Mapping[str, Any]) -> list[str]:
    gross, net = number(metrics["return_gross"]), number(metrics["return_net"])
    if not math.isfinite(gross):
        return []
    cost = sum(number(metrics[key]) for key in ("cost_commission", "cost_slippage", "cost_borrow"))
    return [
        f"Before costs its positions earned {w.signed(gross)} a year; trading and borrowing took {w.percent(cost)} and "
        f"left {w.signed(net)} (arithmetic)."
    ]


def _leaves_out(facts: Mapping[str, Any]) -> str:
    """What is not in the result at all, and what makes it look better; what takes a sentence is said below."""
    short = [part for part in [*facts["flattered_by"], *facts["leaves_out"]] if ";" not in part]
    return f"It leaves out taxes and margin calls{', and is flattered by: ' if short else ''}{'; '.join(short)}."


def _tried(study: Mapping[str, Any] | None) -> tuple[int, float]:
    told = (study or {}).get("trials") or {}
    count = number(told.get("count"))
    return (int(count) if math.isfinite(count) else 0), number(told.get("dsr"))
