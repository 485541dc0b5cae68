"""The tables of a run's page: what is held, round trips, intervals, drawdowns, breakers, and those of the signal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from backtester.engine import legs as lg
from backtester.engine.types import L_EQUITY
from backtester.report import words as w
from backtester.report.figures import RETURN_AND_RISK, Figure
from backtester.report.page import parts as p
from backtester.report.page.charts import number
from backtester.report.page.parts import Markup
from backtester.result import Result
from backtester.result.attribution import Attribution

_HELD, _TRADES, _TRIPS = 10, 8, 20  # rows shown
_NOT_YET = "not yet"
_SIDES = {1: "long", -1: "short"}
_FORMS = {one.key: (one.label, one.form) for one in RETURN_AND_RISK} | {
    "annual_volatility": ("volatility", w.percent),
    "mean": ("mean a session", w.signed),
}


def holdings(result: Result) -> list[Markup]:
    """The largest positions after the last session with their weights, each side by itself."""
    title, parts = "Held at the end", result.attribution
    if parts is None:
        return [p.titled(title, p.paragraph("Not known: the run was made without its market data.", "note"))]
    still = parts.trade_i[:, lg.TRADE_CLOSED] < 0
    if not still.any():
        return [p.titled(title, p.paragraph("No position was open after the last session.", "note"))]
    value = parts.trade_f[:, lg.SHARES_LEFT] * parts.trade_f[:, lg.LAST_MARK]
    net, equity = parts.gains - parts.costs, float(result.tape.ledger[-1, L_EQUITY])
    found = []
    for side, name in _SIDES.items():
        own = np.flatnonzero(still & (parts.trade_i[:, lg.TRADE_SIDE] == side))
        if not own.size:
            continue
        largest = own[np.argsort(-np.nan_to_num(value[own]), kind="stable")][:_HELD].tolist()
        rows = [
            (
                result.symbols[parts.trade_i[k, lg.TRADE_SYMBOL]],
                w.percent(float(value[k]) / equity) if equity > 0.0 else w.UNKNOWN,
                w.money(float(value[k])),
                str(result.dates[parts.trade_i[k, lg.TRADE_OPENED]]),
                w.money(float(net[k])),
            )
            for k in largest
        ]
        shown = f"; the largest {_HELD}" if own.size > _HELD else ""
        note = f"{own.size:,} {name} after {result.dates[-1]}, worth {w.money(float(value[own].sum()))}{shown}."
        found.append(p.table(("symbol", "weight", "value", "since", "net"), rows, title=f"{title}: {name}", note=note))
    return found


def round_trips(result: Result) -> list[Markup]:
    """The best and the worst round trips, after commission and slippage."""
    parts = result.attribution
    if parts is None or not len(parts.trade_i):
        return []
    net = parts.gains - parts.costs
    order = np.argsort(-np.nan_to_num(net), kind="stable")
    best = [k for k in order[:_TRADES].tolist() if net[k] > 0.0]
    worst = [k for k in order[::-1][:_TRADES].tolist() if net[k] < 0.0]
    header = ("symbol", "side", "opened", "sessions", "net", "return")
    named = (("Best round trips", best), ("Worst round trips", worst))
    return [
        p.table(header, [_trip(result, parts, k, float(net[k])) for k in rows], title=title, text_columns=2)
        for title, rows in named
        if rows
    ]


def _trip(result: Result, parts: Attribution, row: int, net: float) -> tuple[str, ...]:
    whole, paid = parts.trade_i[row], float(parts.trade_f[row, lg.MONEY_IN])
    still = " (open)" if whole[lg.TRADE_CLOSED] < 0 else ""
    return (
        result.symbols[whole[lg.TRADE_SYMBOL]],
        _SIDES[int(whole[lg.TRADE_SIDE])],
        str(result.dates[whole[lg.TRADE_OPENED]]),
        w.count(int(parts.sessions[row])) + still,
        w.money(net),
        w.percent(net / paid, sign=True, places=1) if paid > 0.0 else w.UNKNOWN,
    )


def net_by_symbol(result: Result) -> np.ndarray | None:
    """(N,) what each symbol made after commission and slippage; None where it is not known."""
    parts = result.attribution
    if parts is None or not len(parts.trade_i):
        return None
    return np.bincount(parts.trade_i[:, lg.TRADE_SYMBOL], parts.gains - parts.costs, len(result.symbols))


def drawdowns(facts: Mapping[str, Any]) -> Markup | None:
    """The worst falls."""
    rows = [
        (
            w.percent(fall.get("depth")),
            w.text(fall.get("peak")),
            w.text(fall.get("trough")),
            w.text(fall.get("recovered") or _NOT_YET),
            w.count(fall.get("sessions")),
        )
        for fall in facts["drawdowns"]
    ]
    header = ("depth", "from", "to", "recovered", "sessions")
    return p.table(header, rows, title="Worst drawdowns", text_columns=0) if rows else None


def breakers(facts: Mapping[str, Any]) -> Markup | None:
    """Trips of breakers."""
    trips = facts["breakers"]
    rows = [
        (one["date"], one["cause"], w.money(one["equity"]), one["active_again"] or _NOT_YET) for one in trips[:_TRIPS]
    ]
    more = f"{len(trips) - _TRIPS:,} more are in the run's events." if len(trips) > _TRIPS else ""
    header = ("date", "cause", "equity", "active again")
    return p.table(header, rows, title="Breakers that tripped", note=more, text_columns=2) if rows else None


def without_breakers(facts: Mapping[str, Any], main: tuple[Figure, ...]) -> Markup | None:
    """The main figures with the breakers and without them, where one tripped."""
    other, metrics = facts["without_breakers"], facts["metrics"]
    if other is None:
        return None
    rows = [(one.label, one.form(metrics.get(one.key)), one.form(other.get(one.key))) for one in main]
    return p.table(("", "with", "without"), rows, title="What the breakers did")


def intervals(portfolio: Mapping[str, Any]) -> Markup:
    """Figures with their intervals, net and gross."""
    net, gross = portfolio.get("net") or {}, portfolio.get("gross") or {}
    level = w.percent(portfolio.get("level", 0.95), places=0)
    rows = []
    for key in [*net, *(key for key in gross if key not in net)]:
        name, form = _FORMS.get(key, (key.replace("_", " "), w.plain))
        rows.append((name, *_interval(net.get(key), form), *_interval(gross.get(key), form)))
    against = portfolio.get("benchmark")
    if against:
        alpha, name = against["alpha"], against["name"]
        told = {"value": alpha["a_year"], "low": alpha["low"], "high": alpha["high"]}
        rows.append((f"alpha a year to {name}", *_interval(told, w.signed), w.UNKNOWN, w.UNKNOWN))
        rows.append((f"beta to {name}", *_interval(against["beta"], w.plain), w.UNKNOWN, w.UNKNOWN))
    header = ("", "net", f"{level} interval", "gross", f"{level} interval")
    sessions = portfolio.get("sessions")
    span = f" of the {w.sessions(sessions)} since the first position" if sessions else ""
    note = (
        f"Figures{span}, with intervals from {w.count(portfolio.get('resamples'))} resamples of the sessions in blocks "
        f"of {w.one(portfolio.get('block'))} on average (stationary bootstrap). Net is after all costs charged, gross "
        "is what the positions earned."
    )
    return p.table(header, rows, title="How sure the figures are", note=note)


def _interval(found: Mapping[str, Any] | None, form: Any) -> tuple[str, str]:
    told = found or {}
    if not math.isfinite(number(told.get("value"))) and not math.isfinite(number(told.get("low"))):
        return w.UNKNOWN, w.UNKNOWN
    return form(told.get("value")), f"{form(told.get('low'))} to {form(told.get('high'))}"


def horizons(study: Mapping[str, Any]) -> Markup | None:
    """Rank and Pearson IC by horizon."""
    rows = []
    for one in study.get("horizons") or []:
        for key, name in (("rank", "rank"), ("pearson", "Pearson")):
            ic = one.get(key)
            if ic:
                own = " (own)" if one.get("horizon") == study.get("horizon") else ""
                rows.append((f"{name}, {one.get('horizon')}{own}", *_ic(ic)))
    header = ("IC, sessions ahead", "mean", "error", "t", "p", "IR", "above 0", "sessions")
    note = "Standard errors after Newey and West. IR is mean over standard deviation of a session, not annualised."
    return p.table(header, rows, title="Information coefficients", note=note) if rows else None


def _ic(ic: Mapping[str, Any]) -> tuple[str, ...]:
    forms = (w.fine, w.fine, w.plain, w.fine, w.fine, _tenth, w.count)
    keys = ("mean", "error", "t", "p", "ir", "positive", "sessions")
    return tuple(form(ic.get(key)) for form, key in zip(forms, keys, strict=True))


def spread(study: Mapping[str, Any]) -> Markup | None:
    """The highest quantile less the lowest: its return, its alpha and beta to the universe."""
    told = study.get("quantiles") or {}
    rows = []
    for label, key, value, form in (
        ("return a session, bps", "spread", "mean_bps", w.plain),
        ("alpha a year", "alpha", "a_year", w.signed),
        ("beta", "beta", "value", w.plain),
    ):
        one = told.get(key) or {}
        if math.isfinite(number(one.get(value))):
            low, high = (one.get("low_bps", one.get("low")), one.get("high_bps", one.get("high")))
            rows.append((label, form(one[value]), f"{form(low)} to {form(high)}", w.fine(one.get("p"))))
    note = "Before costs, made anew in every session; alpha and beta against all names that could be ordered."
    title = "Highest quantile less lowest"
    return p.table(("", "value", "95 % interval", "p"), rows, title=title, note=note) if rows else None


def decay(study: Mapping[str, Any]) -> Markup | None:
    """How long scores last: rank autocorrelation and what leaves the outer quantiles, by lag."""
    ranks, moved = study.get("autocorrelation") or {}, (study.get("quantiles") or {}).get("turnover") or {}
    lags = [*dict.fromkeys([*ranks, *moved])]
    rows = [
        (
            f"{lag}",
            w.fine(ranks.get(lag)),
            _tenth((moved.get(lag) or {}).get("bottom")),
            _tenth((moved.get(lag) or {}).get("top")),
        )
        for lag in lags
    ]
    header = ("sessions later", "rank correlation", "left the lowest", "left the highest")
    return p.table(header, rows, title="How long scores last") if rows else None


def errors(study: Mapping[str, Any]) -> Markup | None:
    """Errors of predictions, and members: what each model of an ensemble does alone."""
    told = study.get("errors") or {}
    forms = {"mse": w.fine, "mae": w.fine, "count": w.count}
    names = {"mse": "mean squared error", "mae": "mean absolute error", "direction": "direction right"}
    rows = [
        (names.get(key, key.replace("_", " ")), forms.get(key, _tenth)(value))
        for key, value in told.items()
        if math.isfinite(number(value))
    ]
    return p.figures(rows, title="Errors of the predictions") if rows else None


def members(study: Mapping[str, Any]) -> Markup | None:
    """Mean rank IC of each member of the scores, such as the seeds of an ensemble."""
    told = study.get("members") or {}
    rows = [(str(name), w.fine(value)) for name, value in told.items()]
    note = "How far apart members are is what a seed is worth."
    return p.figures(rows[:24], title="Mean rank IC of each member", note=note) if rows else None


def _tenth(value: Any) -> str:
    return w.percent(value, places=1)
