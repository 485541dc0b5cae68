"""What a bench shows, as plain data: every entry by itself, each against each, and what the best of many is worth.

The content of ``bench.json``, of the bench's page and of the leaderboard on the screen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from itertools import combinations
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from backtester.engine.types import SESSIONS_PER_YEAR
from backtester.labels import labels
from backtester.metrics.ic import Labels, rank_ic
from backtester.metrics.returns import sharpe_ratio
from backtester.research import book
from backtester.research.bench import BASELINE, VARIANT, Entry, Runs, in_parallel, threads
from backtester.research.bootstrap import Paired, paired_mean
from backtester.research.epochs import epochs_mattered, ic_by_epoch
from backtester.research.mattered import what_mattered
from backtester.research.overfitting import probability_of_overfitting
from backtester.research.pairs import all_pairs
from backtester.research.paths import AllPaths, told_of_paths
from backtester.research.placebo import placebo_p
from backtester.research.quality import HORIZONS, signal_study
from backtester.research.reality import reality_check, superior_ability
from backtester.research.remarks import choices, remarks, terms_of
from backtester.research.study import LEVEL, RESAMPLES, plain, portfolio_study
from backtester.scores import Scores

Floats = NDArray[np.float64]
CASH = "cash"  # what a book of longs and shorts needs no money of its own for
FORMAT = 1


def bench_facts(
    runs: Runs,
    name: str,
    progress: Callable[[str, int, int], None] | None = None,
    workers: int | None = None,
    paths: AllPaths | None = None,
) -> dict[str, Any]:
    """Everything that is told of a bench.

    Returns:
        ``format``, ``name``; ``market`` (``symbols``, ``sessions``, ``start``, ``end``, ``basis``, ``fingerprint``);
        ``window`` (``start``, ``end``, ``sessions``: what all figures are taken over; ``set_by``, whose scores
        come last); ``level``, ``resamples``;
        ``entries``, see `_entry`, variants first, the best net Sharpe ratio first; ``pairs``, each against each
        (`backtester.research.pairs`); ``overfitting`` (`Overfitting`, over the variants at the winner's costs and
        fills, `choices` alone), None with fewer than two;
        ``reality``, a row for everything that the variants are held against (``against``, White's ``p``, Hansen's
        ``lower``, ``consistent`` and ``upper``, the ``best`` by mean gain, that gain ``a_year``, and how many
        ``variants`` were held against it); ``mattered`` (`what_mattered`) or None; ``mattered_epochs``
        (`epochs_mattered`) or None; ``winner``, the name of the first; ``combinatorial``, the settings of the folds
        that ``paths`` were made with, or None.

    What is said of ``paths`` (`run_paths`) stands in each entry's ``paths`` and nowhere else: they are no track record,
    so no order, no test and no count of trials depends on them.
    """
    tell = progress or (lambda what, done, total: None)
    variants = [entry for entry in runs.good if entry.variant.role == VARIANT]
    with threads(workers) as pool:
        followed = _Followed(runs, pool)
        work: list[Callable[[], Any]] = [partial(_compared, runs, followed)]
        work += [partial(_overfitting, variants), partial(_reality, runs)]
        work += [partial(_entry, runs, entry, followed, paths) for entry in sorted(runs.entries, key=_place)]
        found = in_parallel(pool, work, partial(tell, "judging"))
    (daily, pairs), overfitting, reality, *entries = found
    panel, window = runs.panel, runs.panel.dates[runs.window]
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
        "window": {
            "start": str(window[0]),
            "end": str(window[-1]),
            "sessions": len(window),
            "set_by": runs.latest,
        },
        "level": LEVEL,
        "resamples": RESAMPLES,
        "entries": entries,
        "winner": next(one["name"] for one in entries if one["role"] == VARIANT and one["figures"]),
        "pairs": plain(pairs),
        "overfitting": overfitting,
        "reality": plain(reality),
        "mattered": _mattered(variants, daily),
        "mattered_epochs": epochs_mattered(
            variants, {entry.variant.name: _of_scores(entry.variant.options) for entry in variants}, runs.start
        ),
        "combinatorial": None if paths is None else plain(asdict(paths.folds)),
    }


def _place(entry: Entry) -> tuple[bool, bool, bool, bool, float]:
    """Variants first, what failed last, before it what was wiped out, and the best net Sharpe ratio first."""
    sharpe = sharpe_ratio(entry.net)
    gone = entry.result is not None and bool(book.wiped_out(entry.result))
    return entry.variant.role != VARIANT, entry.result is None, gone, math.isnan(sharpe), -np.nan_to_num(sharpe)


class _Followed:
    """What followed from the first decision on, at every fill and horizon that entries are held against.

    Made once for all of them, as are the ranks of it.
    """

    def __init__(self, runs: Runs, pool: ThreadPoolExecutor) -> None:
        self._start, sessions = runs.start, len(runs.panel.dates)
        self.rows = np.arange(self._start, sessions)
        scored = [entry.variant for entry in runs.good if entry.shown is not None]
        wanted = sorted({(one.fill, horizon) for one in scored for horizon in (*HORIZONS, one.horizon)})
        made = pool.map(lambda one: labels(runs.panel, self.rows, one[1], fill=one[0]), wanted)  # type: ignore[arg-type]
        self._made = dict(zip(wanted, made, strict=True))
        self._asked: dict[tuple[str, int, int, int], Labels] = {}
        self._lock = Lock()

    def __call__(self, fill: str, rows: NDArray[np.int64], horizon: int) -> Labels:
        """The labels of consecutive rows, none before the first decision."""
        first, end = (int(rows[0]) - self._start, int(rows[-1]) - self._start + 1) if rows.size else (0, 0)
        with self._lock:
            return self._asked.setdefault((fill, horizon, first, end), Labels(self._made[fill, horizon][first:end]))


def _entry(runs: Runs, entry: Entry, followed: _Followed, paths: AllPaths | None) -> dict[str, Any]:
    """An entry by itself.

    Returns:
        ``name``, ``role``, ``options`` (of variants: what each changes), ``error`` ("" if it ran), ``remarks`` (what
        has to be said of it), ``wiped_out`` (on which date, or ""), ``figures``
        (`portfolio_study` over the window; None if it failed), ``signal`` (`signal_study` or None; its ``by_epoch`` is
        that of `ic_by_epoch`), ``turnover``
        (one-sided, a year, over the window), ``halted`` (since when, or ""), ``curve`` (``dates``, and ``net`` and
        ``gross`` growth of 1), ``seeds`` (`_seeds`) or None, ``placebo`` (``count``, ``sharpe`` of each: before its
        costs, less what costs take from the entry's own; their ``mean``, and ``p``) or None, ``robust``
        (`Entry.robust`, of variants) or None, ``paths`` (`told_of_paths`) or None.
    """
    variant, result = entry.variant, entry.result
    told: dict[str, Any] = {
        "name": variant.name,
        "role": variant.role,
        "options": plain(dict(variant.options)),
        "error": entry.error,
        "remarks": [],
        "wiped_out": "",
        "figures": None,
        "signal": None,
        "seeds": None,
        "placebo": None,
        "robust": None,
        "paths": None,
    }
    if result is None:
        return told
    figures = portfolio_study(result, runs.start + 1)
    dates = runs.panel.dates[runs.window]
    told |= {
        "remarks": remarks(runs, entry),
        "wiped_out": book.wiped_out(result),
        "figures": figures,
        "turnover": plain(float(np.nanmean(book.traded(result)[runs.window])) / 2.0 * SESSIONS_PER_YEAR),
        "halted": result.metrics["halted_since"],
        "curve": {"dates": [str(day) for day in dates], "net": _growth(entry.net), "gross": _growth(entry.gross)},
        "seeds": _seeds(entry),
        "placebo": _placebo(entry),
        "robust": None if entry.robust is None else plain(entry.robust),
        "paths": None if paths is None else told_of_paths(paths, variant.name, runs.panel),
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
            made=partial(followed, variant.fill),
        )
        told["signal"]["by_epoch"] = ic_by_epoch(entry, runs.start)
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
    """The net ``sharpe`` of each seed, ``mean``, ``std``, ``low``, ``high``, and ``mean_low``, ``mean_high``.

    ``mean -+ t * std / sqrt(n)``, Student's t with ``n - 1`` degrees of freedom: what other seeds would change, on
    these sessions. It says nothing of other sessions; the interval of `portfolio_study` does.
    """
    known = np.array([value for value in entry.seeds.values() if math.isfinite(value)])
    if known.size < 2:
        return None
    mean, std = known.mean(), known.std(ddof=1)
    half = float(stdtrit(known.size - 1, 0.5 + LEVEL / 2.0)) * std / math.sqrt(known.size)
    told = {"sharpe": entry.seeds, "mean": mean, "std": std, "low": known.min(), "high": known.max()}
    found: dict[str, Any] = plain({**told, "mean_low": mean - half, "mean_high": mean + half})
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


def _joint(entry: Entry) -> Floats:
    """Net returns for what is taken over all entries at once: 0 after an account is wiped out, when nothing is held."""
    return np.where(np.isfinite(entry.net), entry.net, 0.0)


def _daily_ics(runs: Runs, followed: _Followed) -> dict[str, Floats]:
    """The rank IC of every session of the window, (W,), of the entries with scores, by name.

    All are held against the same returns: the horizon and the fill are those of the first variant with scores.
    """
    like = runs.like
    if like is None:
        return {}
    after = followed(like.fill, followed.rows, like.horizon)
    scored = [entry for entry in runs.good if entry.shown is not None]
    return {
        entry.variant.name: rank_ic(entry.shown[runs.start :], after) for entry in scored if entry.shown is not None
    }


def _compared(runs: Runs, followed: _Followed) -> tuple[dict[str, Floats], list[dict[str, Any]]]:
    """The daily ICs, and the pairs that they are a part of."""
    daily = _daily_ics(runs, followed)
    return daily, _pairs(runs, daily)


def _pairs(runs: Runs, daily: Mapping[str, Floats]) -> list[dict[str, Any]]:
    """Every two entries: the difference of their net Sharpe ratios, and of their mean ICs where both have any."""
    good = runs.good
    names = [entry.variant.name for entry in good]
    by_sharpe = all_pairs(
        np.column_stack([_joint(entry) for entry in good]), "sharpe", resamples=RESAMPLES, level=LEVEL
    )
    by_ic = _ic_pairs([daily.get(name) for name in names])
    return [
        {"one": names[i], "other": names[j], "sharpe": by_sharpe[i, j], "ic": by_ic.get((i, j))}
        for i, j in combinations(range(len(good)), 2)
    ]


def _ic_pairs(daily: Sequence[Floats | None]) -> dict[tuple[int, int], Paired]:
    """Differences of mean ICs by place: those that know the same sessions at once, the others two by two."""
    known = {k: ics for k, ics in enumerate(daily) if ics is not None}
    groups: dict[bytes, list[int]] = {}
    for k, ics in known.items():
        groups.setdefault(np.isfinite(ics).tobytes(), []).append(k)
    found: dict[tuple[int, int], Paired] = {}
    for group in groups.values():
        together = np.column_stack([known[k] for k in group])
        pairs = all_pairs(together, "mean", resamples=RESAMPLES, level=LEVEL) if len(group) > 1 else {}
        found |= {(group[i], group[j]): one for (i, j), one in pairs.items()}
    for i, j in combinations(known, 2):
        if (i, j) not in found:
            found[i, j] = paired_mean(known[i], known[j], resamples=RESAMPLES, level=LEVEL)
    return found


def _overfitting(variants: Sequence[Entry]) -> dict[str, Any] | None:
    """How often the best of one half of the sessions fails in the other; None with a single one to choose.

    Among variants at other costs, or that fill at other prices, the cheapest would win in every half.
    """
    best = min(variants, key=_place)
    alike = choices([entry for entry in variants if terms_of(entry) == terms_of(best)])
    if len(alike) < 2:
        return None
    told = probability_of_overfitting(np.column_stack([_joint(entry) for entry in alike]))._asdict()
    found: dict[str, Any] = plain({key: told[key] for key in told if key not in ("chosen", "inside", "outside")})
    return found


def _reality(runs: Runs) -> list[dict[str, Any]]:
    """Whether the best of the variants beats cash, and each baseline, beyond the luck of having tried many.

    A baseline is held against the variants that trade at its costs and fills alone, as cheaper ones would beat it by
    that. ``best`` is the one with the highest mean return less that of the baseline. Of the variants `choices` alone.
    """
    variants = choices([entry for entry in runs.good if entry.variant.role == VARIANT])
    if not variants:
        return []
    against: dict[str, tuple[Floats, list[Entry]]] = {CASH: (np.zeros(len(variants[0].net)), variants)}
    for entry in runs.good:
        if entry.variant.role == BASELINE:
            alike = [one for one in variants if terms_of(one) == terms_of(entry)]
            against[entry.variant.name] = (_joint(entry), alike)
    rows = []
    for name, (returns, held) in against.items():
        if not held:
            continue
        gains = np.column_stack([_joint(one) for one in held]) - returns[:, None]
        white, hansen = reality_check(gains), superior_ability(gains)
        means = gains.mean(axis=0)
        best = int(means.argmax())
        told = {"best": held[best].variant.name, "a_year": means[best] * SESSIONS_PER_YEAR, "variants": len(held)}
        spa = {key: getattr(hansen, key) for key in ("lower", "consistent", "upper")}
        rows.append({"against": name, "p": white.p, **spa, **told})
    return rows


# Sections of a config that decide what is done with scores, not what they are.
_OF_TRADING = ("strategy", "costs", "risk", "execution")


def _of_scores(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that scores can depend on."""
    return {key: value for key, value in options.items() if key.partition(".")[0] not in _OF_TRADING}


def _mattered(variants: Sequence[Entry], daily: Mapping[str, Floats]) -> dict[str, Any] | None:
    """Which options the daily IC depends on: over the variants that say the same options."""
    options = {entry.variant.name: _of_scores(entry.variant.options) for entry in variants}
    scored = [entry for entry in variants if entry.variant.name in daily and options[entry.variant.name]]
    keys = [tuple(sorted(options[entry.variant.name])) for entry in scored]
    if not keys:
        return None
    most = max(sorted(set(keys)), key=keys.count)
    same = [entry for entry, own in zip(scored, keys, strict=True) if own == most]
    if len(same) < 2:
        return None
    told = [options[entry.variant.name] for entry in same]
    ics = np.array([daily[entry.variant.name] for entry in same])
    found: dict[str, Any] = plain(what_mattered(told, ics, least=max(entry.variant.horizon for entry in same) - 1))
    return found
