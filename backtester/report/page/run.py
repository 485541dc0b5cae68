"""The page of a run: what stands where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from backtester.engine.types import L_BORROW, L_COMMISSION, L_DIVIDENDS, L_EQUITY, L_INTEREST, L_PRICE_PNL, L_SLIPPAGE
from backtester.metrics.returns import equity_before, fraction, simple_returns
from backtester.report import figures as f
from backtester.report import notes
from backtester.report import words as w
from backtester.report.facts import families, summarise
from backtester.report.page import book, document, performance, quality, said, tables, terms
from backtester.report.page import parts as p
from backtester.report.page.charts import Chart, color, number
from backtester.report.page.parts import Beside, Markup, Section
from backtester.report.page.performance import Curve, Mark
from backtester.report.page.spans import spans
from backtester.result import Result


def run_page(result: Result, study: Mapping[str, Any] | None, dataset: str = "", now: Any = None) -> str:
    """The report of a run as one HTML file, which opens without a network. The same input makes the same text.

    Args:
        result: the run.
        study: what is known beyond its figures (``signal``, ``portfolio``, ``trials``), as plain data; None, or any
            part of it missing: the page says that it is not known, or leaves the section out.
        dataset: the path of the data, if it is known.
        now: when the page was made, in the words that it is to say it with; None: it does not say.

    Returns:
        The text of the file.

    Raises:
        ConfigError: plotly's script, which draws the figures, is not installed.
    """
    span = f"{result.dates[0]} to {result.dates[-1]}" if result.dates.size else "no sessions"
    subtitle = (
        f"{span}, {w.many(len(result.symbols), 'symbol')}{f', {made_by}' if (made_by := _made_by(result)) else ''}"
    )
    foot = [f"orders and fills {w.short_hash(result.content_hash)}", f"record {w.short_hash(result.record_hash)}"]
    foot += [f"made {now}"] if now else []
    return document.page(result.name, subtitle, run_sections(result, study, dataset), "; ".join(foot))


def run_charts(result: Result, study: Mapping[str, Any] | None) -> list[Chart]:
    """The charts of a run's page, in their order."""
    return document.charts_of(run_sections(result, study))


def run_sections(result: Result, study: Mapping[str, Any] | None, dataset: str = "") -> list[Section]:
    """The content of the page; arguments as in `run_page`."""
    facts = summarise(result)
    told = dict(study or {})
    head = _overview(result, facts, told, dataset)
    if not facts["sessions"]:
        return [head, _settings(facts)]
    sections = [head, _performance(result, facts), _book(result, facts), _costs(result, facts), _trades(result)]
    return [one for one in [*sections, _signal(facts, told), _chance(told), _settings(facts)] if one.parts]


def _overview(result: Result, facts: Mapping[str, Any], study: Mapping[str, Any], dataset: str) -> Section:
    long = [part for part in facts["flattered_by"] if ";" in part]  # the others stand in the opening
    warnings = notes.head({**facts, "flattered_by": long, "leaves_out": []}, dataset)
    answers = terms.terms(facts, result.symbols, dataset, spans(result).said)
    answers += [("Variants tried", said.trials(study)), ("Beats chance?", said.chance(study).said)]
    parts = [
        p.paragraph(" ".join(said.opening(facts, study)), "opening"),
        p.notes(warnings),
        p.tiles(_tiles(facts, study)) if facts["sessions"] else Markup(),
        p.pairs(answers, title="What was done, and on which terms"),
    ]
    return Section("overview", "Overview", tuple(parts))


def _tiles(facts: Mapping[str, Any], study: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    metrics, portfolio = facts["metrics"], study.get("portfolio") or {}
    interval = (portfolio.get("net") or {}).get("sharpe") or {}
    span = f"{w.plain(interval.get('low'))} to {w.plain(interval.get('high'))}" if interval else ""
    cost = sum(number(metrics[key]) for key in ("cost_commission", "cost_slippage", "cost_borrow"))
    found = [
        ("Return a year", w.signed(metrics["cagr"]), f"{w.signed(metrics['total_return'])} in all"),
        ("Sharpe ratio", w.plain(metrics["sharpe"]), f"since invested {span}" if span else ""),
        ("Volatility", w.percent(metrics["volatility"]), "a year"),
        ("Max drawdown", w.percent(metrics["max_drawdown"]), f"{w.sessions(metrics['max_drawdown_sessions'])}"),
        ("Costs a year", w.percent(cost), f"of {w.signed(metrics['return_gross'])} gross"),
        ("Turnover a year", w.times(metrics["turnover"]), f"held {w.one(metrics['holding_period'])} sessions"),
    ]
    if metrics.get("benchmark"):
        below = f"beta {w.plain(metrics['beta'])}"
        found.append(("Alpha a year", w.signed(metrics["alpha"]), below))
    own = said.own_ic(study.get("signal") or {})
    if own:
        found.append(("Mean rank IC", w.fine(own.get("mean")), f"t {w.plain(own.get('t'))}"))
    return found


def _performance(result: Result, facts: Mapping[str, Any]) -> Section:
    ledger, metrics = result.tape.ledger, facts["metrics"]
    equity, cash = ledger[:, L_EQUITY], result.cash
    own = simple_returns(equity, cash)
    since = min(int(metrics["sessions_before_position"]), len(own) - 1)
    lines = [Curve("run, before costs", _gross(ledger, cash), color("a-mid"), "dot")]
    lines += _benchmark(result)
    charts = [
        performance.equity_chart(result.dates, equity, cash, lines, _marks(result, facts), spans(result)),
        performance.rolling_chart(result.dates, own, [one for one in lines[1:] if _daily(result)], since),
        performance.distribution_chart(own[since:]),
    ]
    rolling, returns = charts[1:]
    both = [one for one in (rolling, returns) if one is not None]
    grid = p.titled("Returns by month, %", p.month_grid(facts["monthly"]), "After all costs charged, compounded.")
    figures = p.figures(f.pairs(f.RETURN_AND_RISK, metrics), title="Return and risk")
    against = f.pairs(f.BENCHMARK, metrics) if metrics.get("benchmark") else []
    versus = [p.figures(against, title=f"Against the benchmark {metrics.get('benchmark')}")] if against else []
    beside = _there([*versus, tables.drawdowns(facts)])
    parts = [
        charts[0],
        tables.breakers(facts),
        tables.without_breakers(facts, f.MAIN),
        grid,
        Beside(tuple(both)) if both else None,
        Beside((figures, *([p.Stack(beside)] if beside else []))),
    ]
    return Section("performance", "Performance", _there(parts))


def _book(result: Result, facts: Mapping[str, Any]) -> Section:
    metrics = facts["metrics"]
    if not metrics["fills"]:
        return Section("book", "Book", ())
    charts = (
        book.exposure_chart(result.dates, result.tape.ledger),
        book.turnover_chart(result.dates, result.tape.ledger, result.cash),
    )
    shown = p.figures([*f.pairs(f.TRADING, metrics), *f.pairs(f.BOOK, metrics)], title="Trading and book")
    sides = [(name, one.form(metrics.get(one.key)), two.form(metrics.get(two.key))) for name, one, two in f.LEGS]
    legs = p.table(("", "long", "short"), sides, title="Long and short")
    held = Beside(tuple(tables.holdings(result)))
    return Section("book", "Book", (Beside(_there(charts)), Beside((shown, p.Stack((legs, _events(facts))))), held))


def _costs(result: Result, facts: Mapping[str, Any]) -> Section:
    metrics, ledger = facts["metrics"], result.tape.ledger
    if not metrics["fills"]:
        return Section("costs", "Costs", ())
    chart = book.cost_chart(metrics)
    money = [
        ("gained by prices and dividends", float((ledger[:, L_PRICE_PNL] + ledger[:, L_DIVIDENDS]).sum())),
        ("commission", -float(ledger[:, L_COMMISSION].sum())),
        ("slippage", -float(ledger[:, L_SLIPPAGE].sum())),
        ("borrow fees", -float(ledger[:, L_BORROW].sum())),
    ]
    money += [
        ("interest", float(ledger[:, L_INTEREST].sum())),
        ("change of equity", float(ledger[-1, L_EQUITY]) - result.cash),
    ]
    rows = [(name, w.money(amount), w.percent(amount / result.cash)) for name, amount in money]
    table = p.table(("over the whole run", "money", "of the start"), rows, title="What it cost, in money")
    return Section("costs", "Costs", (Beside((chart, table)) if chart else table,))


def _trades(result: Result) -> Section:
    net = tables.net_by_symbol(result)
    chart = book.contributor_chart(result.symbols, net) if net is not None else None
    lists = tables.round_trips(result)
    if chart is None and not lists:
        if result.attribution is None and result.tape.fill_i.shape[0]:
            why = "What each round trip earned is not known: the run was made without its market data."
            return Section("trades", "Trades", (p.paragraph(why, "note"),))
        return Section("trades", "Trades", ())
    return Section("trades", "Trades", _there([chart, Beside(tuple(lists)) if lists else None]))


def _signal(facts: Mapping[str, Any], study: Mapping[str, Any]) -> Section:
    told = study.get("signal")
    if not told:
        return Section("signal", "Signal", _noted(facts["settings"]))
    pair = [
        (quality.horizon_chart(told), quality.daily_chart(told)),
        (quality.year_chart(told), quality.sector_chart(told)),
        (quality.quantile_chart(told), quality.cumulative_chart(told)),
    ]
    rows = [Beside(there) for there in map(_there, pair) if there]
    small = _there([tables.spread(told), tables.decay(told), tables.members(told), tables.errors(told)])
    learning = quality.learning_chart(told)
    last = (learning, p.Stack(small)) if learning and small else _there([learning, *small])
    source = w.class_name(str(told.get("source") or ""))
    lead = f"{source + ': ' if source else ''}{said.of_signal(told)}"
    parts = [p.paragraph(lead), *rows, tables.horizons(told), Beside(last) if last else None]
    return Section("signal", "Signal", _there(parts))


def _noted(settings: Mapping[str, Any]) -> tuple[Markup, ...]:
    """What there is to say of scores that no study was made of: what was noted beside the settings."""
    scored = settings.get("scores") or settings.get("scores_file")
    if not scored:
        return (p.paragraph("The strategy uses no scores, so there is no signal to judge.", "note"),)
    told = settings.get("signal_quality") or {}
    rows = [(label, form(told[key])) for label, key, form in f.SIGNAL if key in told]
    title = f"Scores at a horizon of {w.sessions(told.get('horizon'))}"
    return (p.paragraph("No study was made of the scores.", "note"), *([p.figures(rows, title=title)] if rows else []))


def _chance(study: Mapping[str, Any]) -> Section:
    portfolio, verdict = study.get("portfolio"), said.chance(study)
    parts: list[Any] = [p.paragraph(verdict.said, f"verdict {verdict.word}"), p.paragraph(said.trials(study))]
    if portfolio:
        parts.append(tables.intervals(portfolio))
        more = [
            (
                "Probability that the Sharpe ratio is above 0 (probabilistic Sharpe ratio)",
                w.percent(portfolio.get("psr"), places=1),
            ),
            ("Sessions needed for that at 95 % (minimum track record)", w.count(portfolio.get("min_track_sessions"))),
            (
                "Costs at which nothing is left (break-even, bps of what is traded)",
                w.one(portfolio.get("break_even_bps")),
            ),
        ]
        trial = study.get("trials") or {}
        if trial:
            more += [
                ("Variants tried on this data", w.count(trial.get("count"))),
                ("Sharpe ratio expected of the best of so many without merit", w.plain(trial.get("expected_max"))),
                ("Deflated Sharpe ratio", w.percent(trial.get("dsr"), places=1)),
            ]
        parts.append(p.figures(more, title="One among many"))
    return Section("chance", "Chance", tuple(parts))


def _settings(facts: Mapping[str, Any]) -> Section:
    rows = terms.every_setting(facts["settings"])
    shown = p.folded(f"Every setting ({len(rows):,})", p.table(("setting", "value"), rows, text_columns=2))
    parts = [shown] if facts["metrics"]["fills"] else [_events(facts), shown]
    return Section("settings", "Settings", tuple(parts))


def _made_by(result: Result) -> str:
    """Strategy and signal by name."""
    scores = (result.settings.get("scores") or {}).get("signal") or {}
    names = [
        w.class_name(str(one["class"])) for one in (result.settings.get("strategy") or {}, scores) if "class" in one
    ]
    return " on ".join(names)


def _events(facts: Mapping[str, Any]) -> Markup:
    rows = [
        (family, ", ".join(f"{name.replace('_', ' ')} {number_:,}" for name, number_ in counts.items()))
        for family, counts in families(facts["events"]).items()
    ]
    rows += (
        [("at the end", f"{w.many(facts['resting'], 'order')} rest for the next session")] if facts["resting"] else []
    )
    return p.pairs(rows or [("events", "none")], title="What happened besides fills")


def _marks(result: Result, facts: Mapping[str, Any]) -> list[Mark]:
    rows = {str(day): row for row, day in enumerate(result.dates)} if facts["breakers"] else {}
    return [Mark(rows[trip["date"]], f"{trip['date']}: {trip['cause']}") for trip in facts["breakers"]]


def _gross(ledger: np.ndarray, cash: float) -> np.ndarray:
    """(T,) what positions earned of the equity before, a session."""
    earned = ledger[:, L_PRICE_PNL] + ledger[:, L_DIVIDENDS]
    return fraction(earned, equity_before(ledger[:, L_EQUITY], cash))


def _benchmark(result: Result) -> list[Curve]:
    if result.benchmark is None:
        return []
    return [Curve(f"benchmark {result.benchmark.name}", result.benchmark.returns, color("b"), width=1.6)]


def _daily(result: Result) -> bool:
    """Whether every return of the benchmark is one of a single session."""
    return result.benchmark is not None and bool((result.benchmark.sessions <= 1).all())


def _there(parts: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(part for part in parts if part is not None)
