"""The screen of a bench: what ran over what, the leaderboard with intervals, and what the best of it is worth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from backtester.report import layout
from backtester.report import words as w

_LEAST, _MOST = 40, 160  # columns that are used of a terminal
_SHOWN = 40  # entries
_REMARKED = 12
_FEW = 250  # sessions, below which tests over all variants find too much


def print_bench(facts: Mapping[str, Any], console: Console | None = None) -> None:
    """Print the leaderboard to the terminal, or to ``console``; ``facts`` as in ``bench.json``."""
    (console or Console()).print(Leaderboard(facts))


class Leaderboard:
    """A bench, as something that rich can print."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        """Keep what there is to say."""
        self._facts = facts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines."""
        for line in self.lines(options.max_width):
            line.no_wrap, line.overflow = False, "fold"
            yield line

    def lines(self, width: int) -> list[Text]:
        """The lines for a terminal of some columns."""
        facts, width = self._facts, min(max(width, _LEAST), _MOST)
        market, window = facts["market"], facts["window"]
        head = [
            Text(facts["name"], style="bold"),
            *layout.paragraph(
                f"{w.many(market['symbols'], 'symbol')}, compared over {w.many(window['sessions'], 'session')}, "
                f"{window['start']} to {window['end']}, the same for all{_since(window)}",
                width,
            ),
        ]
        shows = [*verdict(facts), *paths_said(facts)]
        said = [line for sentence in shows for line in layout.paragraph(sentence, width)]
        failed = [
            line
            for entry in facts["entries"]
            if entry["error"]
            for line in layout.paragraph(f"{entry['name']} failed: {entry['error']}", width, "yellow")
        ]
        flattered = [
            line
            for row in facts.get("flattered") or []
            for line in layout.paragraph(f"{_whose(row)} {row['said']}.", width, "yellow")
        ]
        remarked = [line for said_of in remarked_on(facts) for line in layout.paragraph(said_of, width, "yellow")]
        parts = [head, flattered, remarked, self._table(width), failed, layout.titled("What it shows", said)]
        return layout.stacked(parts)

    def _table(self, width: int) -> list[Text]:
        """Every entry that ran, the best first, as wide as there is room."""
        shown = [entry for entry in self._facts["entries"] if entry["figures"]][:_SHOWN]
        for columns in (_COLUMNS, _COLUMNS[:6], _COLUMNS[:3]):
            header = ("", *(title for title, _ in columns))
            rows = [(_called(entry), *(form(entry) for _, form in columns)) for entry in shown]
            if layout.table_width(header, rows) <= width or len(columns) == 3:
                break
        said = f"* a baseline; Sharpe ratios with {self._facts['level']:.0%} intervals"
        said += "; rank IC with its standard error" if len(columns) > 5 else ""
        return [*layout.table(header, rows), *layout.paragraph(said, width, "dim")]


def remarked_on(facts: Mapping[str, Any]) -> list[str]:
    """What has to be known of entries before their figures are read: a sentence each, of `_REMARKED` at most."""
    found = [f"{entry['name']} {said}." for entry in facts["entries"] for said in entry.get("remarks") or ()]
    more = len(found) - _REMARKED
    return found[:_REMARKED] + ([f"{more:,} more remarks are in bench.json."] if more > 0 else [])


def verdict(facts: Mapping[str, Any]) -> list[str]:
    """What a bench shows, in plain sentences: the first says what came first, and whether that is more than luck."""
    winner = next(entry for entry in facts["entries"] if entry["name"] == facts["winner"])
    net = winner["figures"]["net"]["sharpe"]
    ran = [entry for entry in facts["entries"] if entry["figures"]]
    variants = [entry for entry in ran if entry["role"] == "variant"]
    failed = sum(1 for entry in facts["entries"] if entry["role"] == "variant" and not entry["figures"])
    lead = "The only variant that ran" if len(variants) == 1 else f"Of {len(variants):,} variants"
    came = " has" if len(variants) == 1 else f" {winner['name']} came first:"
    found = [
        f"{lead}{came} a net Sharpe ratio of {w.plain(net['value'])} a year ({_range(net)}), "
        f"{w.plain(winner['figures']['gross']['sharpe']['value'])} before costs."
    ]
    if winner.get("wiped_out"):
        others = "" if len(variants) == 1 else "; so did every variant that ran"
        found.append(f"It lost all of its capital, on {winner['wiped_out']}{others}.")
    if failed:
        found.append(f"{w.many(failed, 'more variant')} failed.")
    found += _tried(facts.get("trials"), winner)
    ahead = [entry for entry in ran if entry["role"] != "variant" and _net(entry) > _net(winner)]
    if ahead:
        named = [f"{entry['name']} ({w.plain(_net(entry))})" for entry in ahead]
        found.append(f"Ahead of it {'is' if len(named) == 1 else 'are'} {_listed(named, 'and')}.")
    found += _beaten(facts, {entry["name"] for entry in ahead})
    placebo = winner["placebo"]
    if placebo and placebo["p"] is not None:
        as_good = round(placebo["p"] * (placebo["count"] + 1)) - 1
        found.append(
            f"Of {placebo['count']:,} random scores with the same turnover {as_good if as_good > 0 else 'none'} did as "
            f"well; they had {w.plain(placebo['mean'])} on average, less the same costs."
        )
    return found + _overfitted(facts, variants) + _fragile(winner) + _few(facts)


def _overfitted(facts: Mapping[str, Any], variants: Sequence[Mapping[str, Any]]) -> list[str]:
    """The probability of overfitting, and of which variants, where it is not all of them."""
    told = facts["overfitting"]
    if not told or told["pbo"] is None:
        return []
    of = told.get("variants") or len(variants)
    some = f" It is over {of:,} of the variants: those that differ, trade, and pay what the first pays."
    return [
        "The variant that is best in one half of the sessions is not above the median of all in the other with a "
        f"probability of {w.percent(told['pbo'])} (probability of backtest overfitting)."
        + (some if of < len(variants) else "")
    ]


def _few(facts: Mapping[str, Any]) -> list[str]:
    sessions = (facts.get("window") or {}).get("sessions") or _FEW
    if sessions >= _FEW:
        return []
    return [
        f"{w.many(sessions, 'session')} are few: tests over all variants then find a difference too often where there "
        "is none, and no probability here is to be relied on."
    ]


def paths_said(facts: Mapping[str, Any]) -> list[str]:
    """What the paths of combinatorial splits make of the first variant, in a sentence; nothing where there are none."""
    winner = next(entry for entry in facts["entries"] if entry["name"] == facts["winner"])
    told = winner.get("paths")
    if not told or told["low"] is None:
        return []
    return [
        f"Learnt from other parts of history it has {w.plain(told['low'])} to {w.plain(told['high'])} on "
        f"{w.many(told['count'], 'path')} (no track record)."
    ]


def _tried(trials: Mapping[str, Any] | None, winner: Mapping[str, Any]) -> list[str]:
    """How many variants were tried on the data, and what that leaves."""
    if not trials:
        return []
    if winner.get("dsr") is None:
        have = "variant has" if trials["count"] == 1 else "variants have"
        return [f"{trials['count']:,} {have} been tried on this data so far."]
    if trials["count"] == 1:
        chance = w.percent(winner["dsr"])
        return [
            f"It is the first try on this data that is known; its true ratio is above 0 with a probability of {chance}."
        ]
    return [
        f"{trials['count']:,} variants have been tried on this data so far. With that many tries luck alone would show "
        f"about {w.plain(trials['expected_max'])}; the probability that the true ratio is above that is "
        f"{w.percent(winner['dsr'])} (deflated Sharpe ratio)."
    ]


def _fragile(winner: Mapping[str, Any]) -> list[str]:
    """What is left of the winner with later scores, and with market impact at its own capital."""
    told = winner.get("robust") or {}
    later = next((row["sharpe"] for row in told.get("delays") or () if row.get("sharpe") is not None), None)
    capital = told.get("capital") or {}
    found = [] if later is None else [f"with scores that come a session later it has {w.plain(later)}"]
    own = [row["sharpe"] for row in capital.get("rows") or ()]
    if capital.get("assumed") and len(own) % 2 and own[len(own) // 2] is not None:  # multiples about the run's own
        found.append(f"with the market impact that is usually assumed, and it had none, {w.plain(own[len(own) // 2])}")
    return [f"{found[0][0].upper()}{found[0][1:]}{'; ' + found[1] if found[1:] else ''}."] if found else []


def _net(entry: Mapping[str, Any]) -> float:
    return _known(entry["figures"]["net"]["sharpe"]["value"])


def _whose(row: Mapping[str, Any]) -> str:
    """Whose result a setting flatters."""
    names = row.get("entries") or []
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"Flattered, {', '.join(names[:3])}{more}:" if names else "Flattered:"


def _since(window: Mapping[str, Any]) -> str:
    """Which entries decide when all begin: those whose scores come last."""
    names = window.get("set_by") or []
    shown = names if len(names) < 4 else [*names[:3], f"{len(names) - 3:,} more"]
    return f": the scores of {_listed(shown, 'and')} come last" if names else ""


def _beaten(facts: Mapping[str, Any], ahead: set[str]) -> list[str]:
    """What the best variant beats beyond chance, and what it does not."""
    by: dict[tuple[str, bool], list[str]] = {}
    for row in facts["reality"]:
        sure = row["consistent"] is not None and row["consistent"] <= 0.05
        if sure or row["against"] not in ahead:
            by.setdefault((row.get("best") or facts["winner"], sure), []).append(row["against"])
    found = []
    for (best, sure), names in sorted(by.items(), key=lambda one: not one[0][1]):
        who = "It" if best == facts["winner"] else f"The variant with the highest mean return, {best},"
        if sure:
            found.append(f"{who} beats {_listed(names, 'and')} beyond chance (Hansen's test over all variants, 5 %).")
        else:
            found.append(f"{who} does not beat {_listed(names, 'or')} beyond chance.")
    return found


def _listed(names: Sequence[str], last: str) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"


def _called(entry: Mapping[str, Any]) -> str:
    return entry["name"] if entry["role"] == "variant" else f"{entry['name']} *"


def _range(interval: Mapping[str, Any]) -> str:
    return f"{w.plain(interval['low'])} to {w.plain(interval['high'])}"


def _sharpe(kind: str) -> Any:
    def form(entry: Mapping[str, Any]) -> str:
        return w.plain(entry["figures"][kind]["sharpe"]["value"])

    return form


def _ic(entry: Mapping[str, Any]) -> str:
    own = own_ic(entry)
    return "" if own is None or own["mean"] is None else f"{own['mean']:+.4f} ± {_known(own['error']):.4f}"


def own_ic(entry: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The rank IC of an entry at its own horizon; None without scores."""
    signal = entry["signal"]
    if signal is None:
        return None
    found: Mapping[str, Any] = next(one for one in signal["horizons"] if one["horizon"] == signal["horizon"])["rank"]
    return found


def _known(value: float | None) -> float:
    return math.nan if value is None else value


def _optional(key: str) -> Any:
    def form(entry: Mapping[str, Any]) -> str:
        value = entry.get(key)
        return "" if value is None else w.percent(value)

    return form


def _figure(key: str) -> Any:
    def form(entry: Mapping[str, Any]) -> str:
        return w.percent(entry["figures"]["net"][key]["value"])

    return form


def _p_placebo(entry: Mapping[str, Any]) -> str:
    return "" if not entry["placebo"] else w.percent(entry["placebo"]["p"])


_COLUMNS: tuple[tuple[str, Any], ...] = (
    ("net Sharpe", _sharpe("net")),
    ("interval", lambda entry: _range(entry["figures"]["net"]["sharpe"])),
    ("gross", _sharpe("gross")),
    ("CAGR", _figure("cagr")),
    ("drawdown", _figure("max_drawdown")),
    ("rank IC", _ic),
    ("turnover", lambda entry: w.one(entry["turnover"])),
    ("as good by luck", _p_placebo),
    ("deflated", _optional("dsr")),
)
