"""What a bench shows, as plain data: every entry by itself, each against each, and what the best of many is worth.

The content of ``bench.json``, of the bench's page and of the leaderboard on the screen.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtester.engine.types import SESSIONS_PER_YEAR
from backtester.inputs import align_scores
from backtester.labels import labels
from backtester.metrics.ic import rank_ic
from backtester.metrics.returns import sharpe_ratio
from backtester.research import book
from backtester.research.bench import BASELINE, VARIANT, Entry, Runs
from backtester.research.mattered import what_mattered
from backtester.research.overfitting import probability_of_overfitting
from backtester.research.pairs import all_pairs
from backtester.research.placebo import placebo_p
from backtester.research.quality import signal_study
from backtester.research.reality import reality_check, superior_ability
from backtester.research.study import LEVEL, RESAMPLES, plain, portfolio_study
from backtester.scores import Scores

Floats = NDArray[np.float64]
CASH = "cash"  # what a book of longs and shorts needs no money of its own for
FORMAT = 1


def bench_facts(
    runs: Runs, name: str, progress: Callable[[str, int, int], None] | None = None, workers: int | None = None
) -> dict[str, Any]:
    """Everything that is told of a bench.

    Returns:
        ``format``, ``name``; ``market`` (``symbols``, ``sessions``, ``start``, ``end``, ``basis``, ``fingerprint``);
        ``window`` (``start``, ``end``, ``sessions``: what all figures are taken over); ``level``, ``resamples``;
        ``entries``, see `_entry`, variants first, the best net Sharpe ratio first; ``pairs``, each against each
        (`backtester.research.pairs`); ``overfitting`` (`Overfitting`, over the variants), None with fewer than two;
        ``reality``, a row for everything that the best variant is held against (``against``, White's ``p``, and
        Hansen's ``lower``, ``consistent`` and ``upper``); ``mattered`` (`what_mattered`) or None; ``winner``, the name
        of the first.
    """
    tell = progress or (lambda what, done, total: None)
    daily = _daily_ics(runs)
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        work = [partial(_entry, runs, entry, daily.get(entry.variant.name)) for entry in runs.entries]
        entries = []
        for done, found in enumerate(pool.map(lambda one: one(), work), 1):
            entries.append(found)
            tell("judging", done, len(work))
    entries.sort(key=_order)
    variants = [entry for entry in runs.good if entry.variant.role == VARIANT]
    panel, window = runs.panel, runs.panel.dates[runs.window]
    net = np.column_stack([entry.net for entry in variants])
    return {
        "format": FORMAT,
        "name": name,
        "market": {
            "symbols": len(panel.symbols),
            "sessions": len(panel.dates),
            "start": str(panel.dates[0]),
            "end": str(panel.dates[-1]),
            "basis": panel.describe()["basis"],
            "fingerprint": panel.fingerprint,
        },
        "window": {"start": str(window[0]), "end": str(window[-1]), "sessions": len(window)},
        "level": LEVEL,
        "resamples": RESAMPLES,
        "entries": entries,
        "winner": next(one["name"] for one in entries if one["role"] == VARIANT and one["figures"]),
        "pairs": plain(_pairs(runs, daily)),
        "overfitting": _overfitting(net),
        "reality": plain(_reality(runs, net)),
        "mattered": _mattered(variants, daily),
    }


def _order(entry: Mapping[str, Any]) -> tuple[bool, bool, float]:
    """Variants first, what failed last, and the best net Sharpe ratio first."""
    figures = entry["figures"]
    sharpe = figures["net"]["sharpe"]["value"] if figures else None
    return (entry["role"] != VARIANT, sharpe is None, -(sharpe or 0.0))


def _entry(runs: Runs, entry: Entry, daily: Floats | None) -> dict[str, Any]:
    """An entry by itself.

    Returns:
        ``name``, ``role``, ``options`` (of variants: what each changes), ``error`` ("" if it ran), ``figures``
        (`portfolio_study` over the window; None if it failed), ``signal`` (`signal_study` or None), ``turnover``
        (one-sided, a year, over the window), ``halted`` (since when, or ""), ``curve`` (``dates``, and ``net`` and
        ``gross`` growth of 1), ``seeds`` (``sharpe`` of each by name, ``mean``, ``std``, ``low``, ``high``) or None,
        ``placebo`` (``count``, ``sharpe`` of each, their ``mean``, and ``p``) or None, ``robust`` (`Entry.robust`, of
        variants) or None.
    """
    variant, result = entry.variant, entry.result
    told: dict[str, Any] = {
        "name": variant.name,
        "role": variant.role,
        "options": plain(dict(variant.options)),
        "error": entry.error,
        "figures": None,
        "signal": None,
        "seeds": None,
        "placebo": None,
        "robust": None,
    }
    if result is None:
        return told
    figures = portfolio_study(result, runs.start + 1)
    dates = runs.panel.dates[runs.window]
    told |= {
        "figures": figures,
        "turnover": plain(float(np.nanmean(book.traded(result)[runs.window])) / 2.0 * SESSIONS_PER_YEAR),
        "halted": result.metrics["halted_since"],
        "curve": {"dates": [str(day) for day in dates], "net": _growth(entry.net), "gross": _growth(entry.gross)},
        "seeds": _seeds(entry),
        "placebo": _placebo(entry),
        "robust": None if entry.robust is None else plain(entry.robust),
    }
    if entry.shown is not None and entry.scores is not None:
        members = {name: _after(own, runs.start) for name, own in entry.scores.members.items()}
        scores = Scores(
            entry.shown,
            runs.panel.dates,
            runs.panel.symbols,
            members=members if all(own.shape == entry.shown.shape for own in members.values()) else {},
            learning=entry.scores.learning,
        )
        told["signal"] = signal_study(
            runs.panel,
            scores,
            horizon=variant.horizon,
            fill=variant.fill,
            source=variant.name,
            predicts=None if variant.signal is None else variant.signal.predicts,
        )
    return told


def _after(values: Floats, start: int) -> Floats:
    shown = values.copy()
    shown[:start] = np.nan
    return shown


def _growth(returns: Floats) -> list[float | None]:
    """What 1 has become after each session; an unknown return stands still."""
    found: list[float | None] = plain(np.cumprod(1.0 + np.where(np.isfinite(returns), returns, 0.0)))
    return found


def _seeds(entry: Entry) -> dict[str, Any] | None:
    """The net Sharpe ratio of each seed, and how far they are apart."""
    known = np.array([value for value in entry.seeds.values() if math.isfinite(value)])
    if known.size < 2:
        return None
    told = {"sharpe": entry.seeds, "mean": known.mean(), "std": known.std(ddof=1), "low": known.min()}
    found: dict[str, Any] = plain({**told, "high": known.max()})
    return found


def _placebo(entry: Entry) -> dict[str, Any] | None:
    """How many scores that know nothing did as well."""
    known = entry.placebos[np.isfinite(entry.placebos)]
    if not known.size:
        return None
    p = placebo_p(sharpe_ratio(entry.net), known)
    found: dict[str, Any] = plain({"count": known.size, "sharpe": np.sort(known), "mean": known.mean(), "p": p})
    return found


# Against each other.


def _daily_ics(runs: Runs) -> dict[str, Floats]:
    """The rank IC of every session of the window, (W,), of the entries with scores, by name."""
    followed: dict[tuple[int, str], Floats] = {}
    found = {}
    for entry in runs.good:
        if entry.shown is None:
            continue
        key = (entry.variant.horizon, entry.variant.fill)
        if key not in followed:
            followed[key] = labels(runs.panel, None, key[0], fill=key[1])  # type: ignore[arg-type]
        given = align_scores(entry.shown, runs.panel)
        found[entry.variant.name] = rank_ic(given, followed[key])[runs.start :]
    return found


def _pairs(runs: Runs, daily: Mapping[str, Floats]) -> list[dict[str, Any]]:
    """Every two entries: the difference of their net Sharpe ratios, and of their mean ICs where both have any."""
    good = runs.good
    names = [entry.variant.name for entry in good]
    by_sharpe = all_pairs(np.column_stack([entry.net for entry in good]), "sharpe", resamples=RESAMPLES, level=LEVEL)
    scored = [k for k, name in enumerate(names) if name in daily]
    by_ic = {}
    if len(scored) > 1:
        ics = np.column_stack([daily[names[k]] for k in scored])
        found = all_pairs(ics, "mean", resamples=RESAMPLES, level=LEVEL)
        by_ic = {(scored[i], scored[j]): one for (i, j), one in found.items()}
    return [
        {"one": names[i], "other": names[j], "sharpe": by_sharpe[i, j], "ic": by_ic.get((i, j))}
        for i, j in combinations(range(len(good)), 2)
    ]


def _overfitting(net: Floats) -> dict[str, Any] | None:
    """How often the best of one half of the sessions fails in the other; None with a single variant."""
    if net.shape[1] < 2:
        return None
    told = probability_of_overfitting(net)._asdict()
    found: dict[str, Any] = plain({key: told[key] for key in told if key not in ("chosen", "inside", "outside")})
    return found


def _reality(runs: Runs, net: Floats) -> list[dict[str, Any]]:
    """Whether the best of the variants beats cash, and each baseline, beyond the luck of having tried many."""
    against = {CASH: np.zeros(len(net))}
    against |= {entry.variant.name: entry.net for entry in runs.good if entry.variant.role == BASELINE}
    rows = []
    for name, returns in against.items():
        gains = net - returns[:, None]
        white, hansen = reality_check(gains), superior_ability(gains)
        spa = {key: getattr(hansen, key) for key in ("lower", "consistent", "upper")}
        rows.append({"against": name, "p": white.p, **spa})
    return rows


def _mattered(variants: Sequence[Entry], daily: Mapping[str, Floats]) -> dict[str, Any] | None:
    """Which options the daily IC depends on: over the variants that say the same options."""
    scored = [entry for entry in variants if entry.variant.name in daily and entry.variant.options]
    keys = [tuple(sorted(entry.variant.options)) for entry in scored]
    if not keys:
        return None
    most = max(sorted(set(keys)), key=keys.count)
    same = [entry for entry, own in zip(scored, keys, strict=True) if own == most]
    if len(same) < 2:
        return None
    options = [dict(entry.variant.options) for entry in same]
    ics = np.array([daily[entry.variant.name] for entry in same])
    found: dict[str, Any] = plain(what_mattered(options, ics, least=max(entry.variant.horizon for entry in same) - 1))
    return found
