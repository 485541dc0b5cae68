"""A bench in plain sentences: what it shows, on which terms, and what a stranger asks first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from backtester.report import words as w
from backtester.report.leaderboard import remarked_on, verdict
from backtester.report.page import terms
from backtester.report.page.bench.entries import Entries, chance, dig, list_of, rows_of, span, value_of
from backtester.report.page.said import Verdict

_SURE = 0.05
_DEFLATED = 0.95
# What a run's page says of its settings and a bench says alike.
_TERMS = ("Scores", "Decides", "Fills", "Costs charged", "Costs not charged", "Limits", "Breakers")
_GENERAL = (
    (
        "Decides and fills",
        "After the close of a session, from data up to and including it and nothing later; orders fill in the next "
        "session, at its open unless the config says otherwise.",
    ),
    ("Costs", "What was charged is not known here; it stands in config.toml beside this page."),
)


def opening(facts: Mapping[str, Any], entries: Entries) -> list[str]:
    """What the bench shows, in plain sentences."""
    if entries.winner is None:
        return ["No variant gave a result, so there is nothing to compare."]
    trials = facts.get("trials") or {}
    # The sentences take it for granted that what is there is whole.
    ready = {
        "winner": entries.winner.get("name"),
        "entries": [*(_whole(one) for one in entries.good), *(_empty(one) for one in entries.failed)],
        "reality": [{"consistent": None, **row} for row in rows_of(facts, "reality") if row.get("against")],
        "overfitting": {"pbo": dig(facts, "overfitting", "pbo"), "variants": dig(facts, "overfitting", "variants")},
        "window": facts.get("window"),
        "trials": {"expected_max": None, **trials} if math.isfinite(value_of(trials, "count")) else None,
    }
    return [*verdict(ready), leaves_out(facts)]


def leaves_out(facts: Mapping[str, Any]) -> str:
    """What is in no figure, and what makes them all look better; what takes a sentence is said below."""
    told = facts.get("terms") or {}
    parts = [*(told.get("flattered_by") or []), *(told.get("leaves_out") or [])]
    short = [str(part) for part in parts if ";" not in str(part)]
    return f"It leaves out taxes and margin calls{', and is flattered by: ' if short else ''}{'; '.join(short)}."


def warnings(facts: Mapping[str, Any], entries: Entries) -> list[tuple[str, str]]:
    """What a reader has to know before any figure: text and style."""
    told = facts.get("terms") or {}
    found = [(f"Flattered: {part}.", "yellow") for part in told.get("flattered_by") or [] if ";" in str(part)]
    for row in rows_of(facts, "flattered"):
        others = [str(name) for name in row.get("entries") or []]
        if others and (entries.winner or {}).get("name") not in others:
            found.append((f"Flattered, {list_of(others[:3])}: {row.get('said')}.", "yellow"))
    found += [(said_of, "yellow") for said_of in remarked_on({"entries": entries.good})]
    if entries.failed:
        count = len(entries.failed)
        what = "entry" if count == 1 else "entries"
        found.append(
            (f"{count:,} {what} failed and {'is' if count == 1 else 'are'} in no figure: see Settings.", "yellow")
        )
    halted = [one for one in entries.good if one.get("halted")]
    if halted:
        names = list_of([f"{entries.called(one.get('name'))} (since {one.get('halted')})" for one in halted[:6]])
        found.append((f"Halted by a breaker, and in cash from then to the end: {names}.", "red"))
    return found


def answers(facts: Mapping[str, Any], entries: Entries, level: str) -> list[tuple[str, str]]:
    """What a stranger asks first, each with its answer."""
    found = [
        ("Data", _data(facts)),
        ("Compared", _compared(facts)),
        ("Variants", _variants(entries)),
        ("Baselines", _baselines(entries)),
        *_terms(facts, entries),
        ("Variants tried", tried(facts)),
        ("Beats the baselines?", beats(facts, entries).said),
        (
            "Uncertainty",
            f"Intervals are at {level}, from {w.count(facts.get('resamples'))} resamples of the sessions in blocks; "
            "p is the probability of such a difference if there were none.",
        ),
    ]
    return [(name, told) for name, told in found if told]


def tried(facts: Mapping[str, Any]) -> str:
    """How many variants were tried on this data, and since when."""
    told = facts.get("trials") or {}
    count = value_of(told, "count")
    if not math.isfinite(count):
        return "How many variants were tried on this data is not known here."
    since = f" since {told['since']}" if told.get("since") else ""
    ledger = f", by the ledger {told['ledger']}" if told.get("ledger") else ""
    return f"{w.many(int(count), 'variant')} {'has' if count == 1 else 'have'} been tried on this data{since}{ledger}."


def beats(facts: Mapping[str, Any], entries: Entries) -> Verdict:
    """Whether the best variant beats every baseline, and cash, beyond the luck of many tries."""
    rows = [row for row in rows_of(facts, "reality") if math.isfinite(value_of(row, "consistent"))]
    if not rows or entries.winner is None:
        return Verdict("unknown", "Not known: the tests had too little to go by.")
    beaten = [row for row in rows if value_of(row, "consistent") <= _SURE]
    even = [row for row in rows if value_of(row, "consistent") > _SURE]
    told = _with_p(beaten), _with_p(even)
    if not beaten:
        return Verdict("no", f"No: beyond chance it beats none of {told[1]}.")
    if even:
        return Verdict("no", f"Not all: beyond chance it beats {told[0]}, but not {told[1]}.")
    deflated, told_of = value_of(entries.winner, "dsr"), "but of all that was tried on this data so far"
    said = f"Yes: beyond chance it beats {told[0]}"
    if math.isfinite(deflated) and deflated < _DEFLATED:
        rest = f"the deflated Sharpe ratio leaves {w.percent(deflated, places=1)}, less than 95 %"
        return Verdict("no", f"{said}, {told_of} {rest}.")
    return Verdict("yes", f"{said}, over all variants of this bench.")


def _with_p(rows: list[Mapping[str, Any]]) -> str:
    return list_of([f"{row.get('against')} (p {chance(row.get('consistent'))})" for row in rows])


def _data(facts: Mapping[str, Any]) -> str:
    market = facts.get("market") or {}
    if not span(market):
        return ""
    said = f"{w.count(market.get('symbols'))} symbols, {w.sessions(market.get('sessions'))}, {span(market)}"
    said += f", prices {str(market['basis']).replace('_', ' ')}" if market.get("basis") else ""
    said += f"; from {facts['dataset']}" if facts.get("dataset") else ""
    print_of = str(market.get("fingerprint") or "")
    return said + (f"; fingerprint {w.short_hash(print_of)}" if print_of else "") + "."


def _compared(facts: Mapping[str, Any]) -> str:
    window = facts.get("window") or {}
    if not span(window):
        return ""
    return (
        f"All entries over the same {w.sessions(window.get('sessions'))}, {span(window)}: all first decide after the "
        "close of the first session in which all have scores. Scores learnt in folds are out of sample."
    )


def _variants(entries: Entries) -> str:
    differ = f", which set {list_of(entries.options)}: see Settings" if entries.options else ""
    return f"{len(entries.variants):,} ran{differ}." if entries.variants else "None ran."


def _baselines(entries: Entries) -> str:
    names = [str(one.get("name")) for one in entries.baselines]
    return f"{len(names):,} ran: {list_of(names)}, over the same sessions." if names else "None ran."


def _terms(facts: Mapping[str, Any], entries: Entries) -> list[tuple[str, str]]:
    """The settings of the winner's run in words, and which of them other variants change."""
    told = facts.get("terms") or {}
    settings = told.get("settings")
    if not isinstance(settings, Mapping):
        return list(_GENERAL)
    # Of a run's page only what settings alone say is taken: a bench has no fills and dates of its own.
    alone = {"settings": settings, "sessions": 0, "symbols": 0, "metrics": {"fills": 0}}
    found = [row for row in terms.terms(alone, (), "", "") if row[0] in _TERMS]
    strategy = settings.get("strategy") or {}
    traded = w.class_name(str(strategy.get("class", "a strategy"))).rpartition(":")[2]
    listed = w.listed(strategy, ("class", "warmup", "every"))
    money = f", with {w.money(told.get('cash'))} at the start" if math.isfinite(value_of(told, "cash")) else ""
    head = ("Traded", f"By {traded}{f' ({listed})' if listed else ''}{money}.")
    apart = [key for key in entries.options if not key.startswith(("signal", "folds"))]
    varied = f", which other variants change: {list_of(apart)}" if apart else ", and the same for all variants"
    whose = [("Whose terms", f"Those of {entries.name}{varied}.")] if entries.winner else []
    return [head, *found, *whose]


def _whole(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry with every key that the sentences look for."""
    figures = {kind: {"sharpe": _interval(dig(entry, "figures", kind, "sharpe"))} for kind in ("net", "gross")}
    placebo: Mapping[str, Any] = entry.get("placebo") or {}
    known = math.isfinite(value_of(placebo, "count"))
    return {**entry, "figures": figures, "placebo": {"p": None, "mean": None, **placebo} if known else None}


def _empty(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry that failed."""
    return {"name": entry.get("name"), "role": entry.get("role"), "figures": None}


def _interval(told: Any) -> dict[str, Any]:
    return {key: dig(told, key) for key in ("value", "low", "high")}
