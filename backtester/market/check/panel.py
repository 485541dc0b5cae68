"""The check of a panel."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import numpy as np

from backtester.market.actions import Ints
from backtester.market.check.aside import check_aside
from backtester.market.check.calendars import Exchange, check_weekdays, exchange_days
from backtester.market.check.collect import Places
from backtester.market.check.copies import check_copies
from backtester.market.check.fields import Presence, check_fields
from backtester.market.check.jumps import check_moves
from backtester.market.check.kinds import KINDS
from backtester.market.check.listed import check_listed
from backtester.market.check.report import SEVERITIES, CheckReport, Example, Problem, several
from backtester.market.check.runs import check_runs, check_sessions
from backtester.market.check.universe import check_ends, check_members
from backtester.market.check.words import describe
from backtester.market.panel import Panel
from backtester.market.quarantine import Refused

Progress = Callable[[str, int, int], None]

_ASIDE = (
    "conflicting_rows",
    "unusable_entries",
    "unparsable",
    "not_positive",
    "unusable_extras",
    "repeated_rows",
    "entries_without_bars",
)
_CALENDAR = ("missing_session", "extra_session")
_LISTS = ("unpriced_member",)


@np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore")  # a price may be 1e-308
def check_panel(
    panel: Panel,
    quarantine: Iterable[Refused] | None = None,
    exchange: Exchange | None = None,
    *,
    inferred: Collection[str] | None = None,
    unpriced: Iterable[tuple[str, int]] | None = None,
    declared: Collection[str] = (),
    fingerprint: str | None = None,
    examples: int = 5,
    progress: Progress | None = None,
) -> CheckReport:
    """Look for every kind of problem in a panel, and in what its import set aside.

    Needs little memory beyond the panel, and some 0.1 microseconds a bar. The same content gives the same report.

    Args:
        panel: the panel.
        quarantine: rows that the import set aside; None: not known.
        exchange: name of an exchange to compare sessions with (``XNYS``; needs the package `exchange_calendars`), or
            its sessions as dates; None: sessions are checked for odd weekends and long holes alone.
        inferred: symbols whose ending the import inferred; None: not known, all endings count as given.
        unpriced: symbols that the membership names and that have no bars, each with its number of sessions as a member
            within the panel; None: not known.
        declared: columns that the import was told the files do not have; that they are absent is a note then.
        fingerprint: of the dataset that the panel comes from.
        examples: at most so many of each kind, the worst first.
        progress: called as ``progress("checking", steps done, steps)``.

    Raises:
        ConfigError: The exchange is not known, or the package that knows it is not installed.
    """
    step = _Steps(progress)
    found: list[Problem] = []
    skipped: list[str] = []
    missing: set[str] = set()
    # Whether there is such an exchange is said before the work, not after it.
    open_days = None
    if exchange is not None and len(panel.dates):
        open_days = exchange_days(exchange, panel.dates[0], panel.dates[-1])
    for given, kinds, why in (
        (quarantine, _ASIDE, "rows set aside at import, because this is no dataset that an import wrote"),
        (exchange, _CALENDAR, "sessions against an exchange's, because none was named (--exchange XNYS, for example)"),
        (unpriced, _LISTS, "members that have no bars, because no file of members was imported"),
    ):
        if given is None:
            skipped.append(f"{why}.")
            missing |= set(kinds)
    if quarantine is not None:
        found += check_aside(quarantine, examples)
    step("bars")
    presence, places, absent = check_fields(panel, examples)
    found += _absent(absent, declared, presence, examples)
    step("sessions")
    places |= _sessions(panel, presence, examples)
    places |= check_copies(panel, examples)
    step("moves")
    listed = check_listed(panel, presence.first, presence.last, examples)
    places |= {
        "wrong_split": listed.split,
        "wrong_dividend": listed.dividend,
        "action_without_bar": listed.without_bar,
    }
    places |= check_moves(panel, listed.wrong, presence.in_row, examples)
    step("symbols")
    places |= check_ends(panel, presence, inferred, examples)
    places |= check_members(panel, presence, unpriced is not None, examples)
    if open_days is not None:
        found += _against_exchange(panel, open_days, places, examples)
    if unpriced is not None:
        found += _unpriced(list(unpriced), examples)
    found += [problem for kind, some in places.items() if (problem := describe(kind, some, panel)) is not None]
    step("done")
    order = {kind: k for k, kind in enumerate(KINDS)}
    found.sort(key=lambda problem: (SEVERITIES.index(problem.severity), order[problem.kind]))
    sessions, n = panel.shape
    return CheckReport(
        sessions=sessions,
        symbols=n,
        bars=presence.bars,
        first=str(panel.dates[0]) if sessions else None,
        last=str(panel.dates[-1]) if sessions else None,
        basis=panel.basis,
        fingerprint=fingerprint,
        checked=tuple(kind for kind in KINDS if kind not in missing),
        skipped=tuple(skipped),
        problems=tuple(found),
    )


class _Steps:
    """Reports progress in steps of about the same length."""

    _ALL = ("bars", "sessions", "moves", "symbols", "done")

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress

    def __call__(self, name: str) -> None:
        if self._progress is not None:
            self._progress("checking", self._ALL.index(name), len(self._ALL) - 1)


def _sessions(panel: Panel, presence: Presence, keep: int) -> dict[str, Places]:
    n = len(panel.symbols)
    thin, patchy, alive = check_sessions(panel, presence)
    long, short, stale = check_runs(panel, thin, keep)
    out = {"long_gap": long, "missing_bars": short, "stale_price": stale}
    facts = {"listed": alive, "traded": presence.traded, "absent": alive - presence.in_row}
    odd, holes = check_weekdays(panel.dates)
    width = np.r_[0, np.diff(panel.dates).astype(np.int64)].astype(float) if len(panel.dates) else np.empty(0)
    for kind, rows, size in (
        ("thin_session", thin, alive - presence.traded),
        ("patchy_session", patchy, facts["absent"]),
        ("weekend_session", odd, np.zeros(len(alive))),
        ("session_hole", holes, width),
    ):
        out[kind] = _by_session(n, rows, size, keep, facts)
    return out


def _by_session(n: int, rows: Ints, size: np.ndarray, keep: int, facts: dict[str, Ints]) -> Places:
    places = Places(n, keep)
    some = {key: values[rows] for key, values in facts.items()}
    places.add(rows, np.zeros(len(rows), np.int64), size[rows].astype(float), **some)
    return places


def _against_exchange(panel: Panel, days: np.ndarray, places: dict[str, Places], keep: int) -> list[Problem]:
    """Sessions that only one side has; with an exchange there is no need to guess at weekends and holes."""
    for kind in ("weekend_session", "session_hole"):
        places.pop(kind)
    extra = np.flatnonzero(~np.isin(panel.dates, days))
    places["extra_session"] = _by_session(len(panel.symbols), extra, np.zeros(len(panel.dates)), keep, {})
    lost = days[~np.isin(days, panel.dates)]
    if not len(lost):
        return []
    what = KINDS["missing_session"]
    shown = tuple(Example(None, str(day), None, None, "") for day in lost[:keep])
    return [
        Problem(
            "missing_session", what.severity, len(lost), what.unit, what.explanation, what.advice, (), shown
        )
    ]  # fmt: skip


def _absent(columns: list[str], declared: Collection[str], presence: Presence, keep: int) -> list[Problem]:
    """Columns that are not known for any bar: one problem a kind."""
    kinds: dict[str, list[str]] = {}
    for name in columns:
        grave = name in ("open", "close", "volume") and name not in declared
        kinds.setdefault(f"absent_{name}" if grave else "absent_column", []).append(name)
    out = []
    for kind, names in kinds.items():
        what = KINDS[kind]
        lost = "no volume above zero" if names == ["volume"] else "unknown"
        shown = tuple(Example(None, None, name, None, f"{lost} in all {presence.bars:,} bars") for name in names[:keep])
        out.append(Problem(kind, what.severity, len(names), what.unit, what.explanation, what.advice, (), shown))
    return out


def _unpriced(names: list[tuple[str, int]], keep: int) -> list[Problem]:
    if not names:
        return []
    what = KINDS["unpriced_member"]
    worst = sorted(names, key=lambda one: (-one[1], one[0]))[:keep]
    shown = tuple(Example(name, None, None, None, f"{several(count, 'session')} as a member") for name, count in worst)
    symbols = tuple(sorted(name for name, _ in names))
    return [
        Problem(
            "unpriced_member", what.severity, len(names), what.unit, what.explanation, what.advice, symbols, shown
        )
    ]  # fmt: skip
