"""The page of a bench: what stands where."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from backtester.report import words as w
from backtester.report.page import document, quality, terms
from backtester.report.page import parts as p
from backtester.report.page import said as of_run
from backtester.report.page.bench import compared, epochs, luck, paths, robust, said, signal, tables
from backtester.report.page.bench.entries import Entries, dig, span, value_of
from backtester.report.page.bench.glossary import GLOSSARY
from backtester.report.page.charts import Chart
from backtester.report.page.parts import Beside, Markup, Section, Stack

_MANY = 16  # entries from which on a table is folded, but for the leaderboard


def bench_page(facts: Mapping[str, Any], now: Any = None) -> str:
    """The report of a bench as one HTML file, which opens without a network. The same input makes the same text.

    Args:
        facts: as `research.verdict.bench_facts` makes them, with ``trials`` and each entry's ``dsr`` from the ledger,
            ``dataset`` (the path of the data), and ``terms``: the ``settings`` of the winner's run, its ``cash``, and
            ``flattered_by`` and ``leaves_out`` of `report.summarise`. Of what is missing or None the page says that it
            is not known, or leaves the part out.
        now: when the page was made, in the words that it is to say it with; None: it does not say.

    Returns:
        The text of the file.

    Raises:
        ConfigError: plotly's script, which draws the figures, is not installed.
    """
    entries, market, window = Entries(facts), facts.get("market") or {}, facts.get("window") or {}
    about = [
        f"Bench of {w.many(len(entries.variants), 'variant')} and {w.many(len(entries.baselines), 'baseline')}",
        span(window),
        w.sessions(window.get("sessions")) if math.isfinite(value_of(window, "sessions")) else "",
        w.many(round(value_of(market, "symbols")), "symbol") if math.isfinite(value_of(market, "symbols")) else "",
    ]
    foot = [f"bench {w.short_hash(str(facts['hash']))}"] if facts.get("hash") else []
    foot += [f"data {w.short_hash(str(market['fingerprint']))}"] if market.get("fingerprint") else []
    foot += [f"made {now}"] if now else []
    title = str(facts.get("name") or "bench")
    return document.page(title, ", ".join(part for part in about if part), bench_sections(facts), "; ".join(foot))


def bench_charts(facts: Mapping[str, Any]) -> list[Chart]:
    """The charts of a bench's page, in their order; ``facts`` as in `bench_page`."""
    return document.charts_of(bench_sections(facts))


def bench_sections(facts: Mapping[str, Any]) -> list[Section]:
    """The content of the page; ``facts`` as in `bench_page`."""
    entries, level = Entries(facts), _level(facts)
    sections = [
        _overview(facts, entries, level),
        _board(entries, level),
        _luck(facts, entries),
        _pairs(facts, entries, level),
        _signal(entries),
        _mattered(facts),
        epochs.section(facts, entries),
        _robust(entries),
        _paths(facts, entries),
        _learning(entries),
        _settings(facts, entries),
        Section("words", "Figures explained", (p.pairs(GLOSSARY),)),
    ]
    return [one for one in sections if one.parts]


def _overview(facts: Mapping[str, Any], entries: Entries, level: str) -> Section:
    parts = [
        p.paragraph(" ".join(said.opening(facts, entries)), "opening"),
        p.notes(said.warnings(facts, entries)),
        p.tiles(_tiles(facts, entries)) if entries.winner else Markup(),
        p.pairs(said.answers(facts, entries, level), title="What was done, on which terms, and how to read it"),
    ]
    return Section("overview", "Overview", tuple(parts))


def _tiles(facts: Mapping[str, Any], entries: Entries) -> list[tuple[str, str, str]]:
    winner = entries.winner or {}
    net, gross = (dig(winner, "figures", kind) or {} for kind in ("net", "gross"))
    sharpe, trials = net.get("sharpe") or {}, facts.get("trials") or {}
    found = [
        (
            "Winner's net Sharpe",
            w.plain(sharpe.get("value")),
            f"{w.plain(sharpe.get('low'))} to {w.plain(sharpe.get('high'))}",
        ),
        ("Gross Sharpe", w.plain(dig(gross, "sharpe", "value")), "before costs"),
        ("Break-even", f"{w.one(dig(winner, 'figures', 'break_even_bps'))} bps", "of what is traded"),
    ]
    ic = of_run.own_ic(winner.get("signal") or {})
    if ic:
        found.append(("Mean rank IC", w.fine(ic.get("mean")), f"t {w.plain(ic.get('t'))}"))
    if winner.get("placebo"):
        found.append(("Placebos as good", w.percent(dig(winner, "placebo", "p"), places=1), "same turnover"))
    if trials:
        found.append(
            ("Variants tried", w.count(trials.get("count")), f"luck shows {w.plain(trials.get('expected_max'))}")
        )
    if winner.get("dsr") is not None:
        found.append(("Deflated Sharpe", w.percent(winner["dsr"], places=1), "above that luck"))
    if dig(facts, "overfitting", "pbo") is not None:
        found.append(("Overfitting", w.percent(dig(facts, "overfitting", "pbo"), places=1), "probability"))
    return found


def _board(entries: Entries, level: str) -> Section:
    charts = [compared.equity_chart(entries), compared.sharpe_chart(entries, level)]
    return Section("leaderboard", "Leaderboard", _there([tables.leaderboard(entries, level), *charts]))


def _luck(facts: Mapping[str, Any], entries: Entries) -> Section:
    if entries.winner is None:
        return Section("luck", "Luck", ())
    verdict = said.beats(facts, entries)
    overfitting = _there([luck.logit_chart(facts), tables.overfitting(facts)])
    none = (
        "With a single variant nothing was chosen among, so there is no probability of overfitting."
        if len(entries.variants) == 1
        else "Fewer than two variants differ, trade and pay what the first pays: no probability of overfitting."
    )
    parts = [
        p.paragraph(
            f"Does the best variant beat the baselines beyond chance? {verdict.said}", f"verdict {verdict.word}"
        ),
        Beside(_there([tables.trials(facts, entries), tables.reality(facts)])),
        Beside(overfitting) if overfitting else p.paragraph(none, "note"),
    ]
    return Section("luck", "More than luck?", _there(parts))


def _pairs(facts: Mapping[str, Any], entries: Entries, level: str) -> Section:
    numbers = tables.every_two(facts, entries)
    folded = p.folded("Every two in numbers", numbers) if numbers else None
    winner = _long(tables.against_winner(facts, entries, level), "The winner against each other", entries)
    parts = [winner, compared.matrix_chart(facts, entries), folded]
    return Section("pairs", "A against B", _there(parts))


def _signal(entries: Entries) -> Section:
    charts = signal.horizons_chart(entries)
    if charts is None:
        if not entries.good:
            return Section("signal", "Signal", ())
        return Section(
            "signal", "Signal", (p.paragraph("No entry has scores, so there is no signal to judge.", "note"),)
        )
    parts: list[Any] = [charts, _long(signal.horizons_table(entries), "Information coefficients of all", entries)]
    study = (entries.winner or {}).get("signal")
    if study:
        parts.append(p.paragraph(f"The winner, {entries.name}. {of_run.of_signal(study)}"))
        for pair in (
            (quality.year_chart(study), quality.sector_chart(study)),
            (quality.quantile_chart(study), quality.cumulative_chart(study)),
        ):
            there = _there(pair)
            parts += [Beside(there)] if there else []
    parts.append(_long(signal.persistence_table(entries), "How long the scores of all last", entries))
    return Section("signal", "Signal", _there(parts))


def _mattered(facts: Mapping[str, Any]) -> Section:
    beside = _there([luck.mattered_chart(facts), tables.joint(facts)])
    return Section("mattered", "What mattered", (Stack(beside),) if beside else ())


def _robust(entries: Entries) -> Section:
    found = (entries.winner or {}).get("robust")
    if not isinstance(found, Mapping):
        return Section("robust", "Robustness", ())
    pair = _there([robust.again_chart(found), robust.capital_chart(found)])
    table = robust.robust_table(found)
    parts = [
        p.paragraph(f"The winner, {entries.name}, made again under what nobody can know."),
        Beside(pair) if pair else None,
        robust.left_out_chart(found),
        p.folded("Every rerun of the winner", table) if table else None,
        _long(robust.all_table(entries), "How every variant bears it", entries),
    ]
    there = _there(parts)
    return Section("robust", "Robustness", there if len(there) > 1 else ())


def _paths(facts: Mapping[str, Any], entries: Entries) -> Section:
    said_of = paths.about(facts, entries)
    if not said_of:
        return Section("paths", "Paths", ())
    table = _long(paths.paths_table(entries), "The paths of all", entries)
    found = _there([paths.paths_chart(entries), table, paths.without_paths(entries)])
    none = p.paragraph("No entry that ran has a signal that learns, so there is no path.", "note")
    return Section("paths", "Paths through history", (p.paragraph(said_of), *(found or (none,))))


def _learning(entries: Entries) -> Section:
    table = _long(signal.learning_table(entries), "The learning of all", entries)
    return Section("learning", "Learning", _there([signal.learning_chart(entries), table]))


def _settings(facts: Mapping[str, Any], entries: Entries) -> Section:
    options = _long(tables.options(entries), "What the variants differ in", entries)
    parts: list[Any] = [tables.failures(entries), options, tables.baselines(entries)]
    settings = dig(facts, "terms", "settings")
    if isinstance(settings, Mapping) and settings:
        rows = terms.every_setting(settings)
        shown = p.table(("setting", "value"), rows, text_columns=2)
        parts.append(p.folded(f"Every setting of the winner's run ({len(rows):,})", shown))
    return Section("settings", "Settings", _there(parts))


def _long(table: Markup | None, title: str, entries: Entries) -> Markup | None:
    """A table of all entries; with many of them it is opened by a click."""
    return table if table is None or len(entries.good) <= _MANY else p.folded(title, table)


def _level(facts: Mapping[str, Any]) -> str:
    level = value_of(facts, "level")
    return w.percent(level if math.isfinite(level) else 0.95, places=0)


def _there(parts: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(part for part in parts if part is not None)
