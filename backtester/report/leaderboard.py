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
                f"{window['start']} to {window['end']}, the same for all",
                width,
            ),
        ]
        said = [line for sentence in verdict(facts) for line in layout.paragraph(sentence, width)]
        failed = [
            line
            for entry in facts["entries"]
            if entry["error"]
            for line in layout.paragraph(f"{entry['name']} failed: {entry['error']}", width, "yellow")
        ]
        return layout.stacked([head, self._table(width), failed, layout.titled("What it shows", said)])

    def _table(self, width: int) -> list[Text]:
        """Every entry that ran, the best first, as wide as there is room."""
        shown = [entry for entry in self._facts["entries"] if entry["figures"]][:_SHOWN]
        for columns in (_COLUMNS, _COLUMNS[:6], _COLUMNS[:3]):
            header = ("", *(title for title, _ in columns))
            rows = [(_called(entry), *(form(entry) for _, form in columns)) for entry in shown]
            if layout.table_width(header, rows) <= width or len(columns) == 3:
                break
        interval = f"Sharpe ratios with {self._facts['level']:.0%} intervals; IC with its standard error"
        return [*layout.table(header, rows), *layout.paragraph(interval, width, "dim")]


def verdict(facts: Mapping[str, Any]) -> list[str]:
    """What a bench shows, in plain sentences: the first says what came first, and whether that is more than luck."""
    winner = next(entry for entry in facts["entries"] if entry["name"] == facts["winner"])
    net = winner["figures"]["net"]["sharpe"]
    variants = [entry for entry in facts["entries"] if entry["role"] == "variant" and entry["figures"]]
    lead = "The only variant" if len(variants) == 1 else f"Of {len(variants):,} variants"
    came = ", " if len(variants) == 1 else f" {winner['name']} came first: "
    found = [
        f"{lead}{came}a net Sharpe ratio of {w.plain(net['value'])} a year ({_range(net)}), "
        f"{w.plain(winner['figures']['gross']['sharpe']['value'])} before costs."
    ]
    trials = facts.get("trials")
    if trials and winner.get("dsr") is not None:
        found.append(
            f"{w.many(trials['count'], 'variant')} {'has' if trials['count'] == 1 else 'have'} been tried on this data "
            f"so far. With that many tries luck alone would show about {w.plain(trials['expected_max'])}; the "
            f"probability that the true ratio is above that is {w.percent(winner['dsr'])} (deflated Sharpe ratio)."
        )
    beaten, even = _against(facts)
    if beaten:
        found.append(f"It beats {_listed(beaten, 'and')} beyond chance (Hansen's test over all variants, 5 %).")
    if even:
        found.append(f"It does not beat {_listed(even, 'or')} beyond chance.")
    if winner["placebo"]:
        placebo = winner["placebo"]
        found.append(
            f"{placebo['count']:,} random scores with the same turnover had {w.plain(placebo['mean'])} on average; the "
            f"probability that one does as well is {w.percent(placebo['p'])}."
        )
    if facts["overfitting"] and facts["overfitting"]["pbo"] is not None:
        found.append(
            "The variant that is best in one half of the sessions is not above the median of all in the other with a "
            f"probability of {w.percent(facts['overfitting']['pbo'])} (probability of backtest overfitting)."
        )
    return found


def _against(facts: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """What is beaten beyond chance, and what is not."""
    beaten = [row["against"] for row in facts["reality"] if row["consistent"] is not None and row["consistent"] <= 0.05]
    return beaten, [row["against"] for row in facts["reality"] if row["against"] not in beaten]


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
