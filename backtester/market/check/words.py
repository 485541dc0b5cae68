"""What is said of one place: the worst of each kind as examples that name symbol, date, column and value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from backtester.market.check.collect import Places
from backtester.market.check.copies import repeats
from backtester.market.check.kinds import KINDS
from backtester.market.check.report import Example, Problem, names_of, number, several
from backtester.market.panel import Panel

Place = Mapping[str, Any]  # row, col, size and the facts of its kind
Said = tuple[str | None, Any, str]  # column, value, detail

# No exchange has bars before this date.
FIRST_DATE = np.datetime64("1800-01-01")
# Symbols named of a session.
_NAMED = 5


def describe(kind: str, places: Places, panel: Panel) -> Problem | None:
    """The problem of a kind from its places in a panel; None if there is none."""
    if not places.count:
        return None
    what = KINDS[kind]
    of_session = what.unit in ("sessions", "holes")
    examples = []
    for place in places.worst():
        column, value, detail = _SAY[kind](place, panel)
        date = None if kind in _DATELESS else str(panel.dates[place["row"]])
        symbol = None if of_session else panel.symbols[place["col"]]
        examples.append(Example(symbol, date, column, _plain(value), detail))
    symbols = () if of_session else names_of(panel.symbols, np.flatnonzero(places.hit).tolist())
    return Problem(
        kind, what.severity, places.count, what.unit, what.explanation, what.advice, symbols, tuple(examples)
    )


def ratio_words(split: float) -> str:
    """A split as people write it: 2 is ``2:1``, 0.1 is ``1:10``, 1.5 is ``3:2``."""
    for over in (1, 2, 3):
        for value, text in ((split, "{0}:{1}"), (1 / split, "{1}:{0}")):
            if abs(value * over - round(value * over)) < 1e-9 * value and round(value * over) >= over:
                return text.format(round(value * over), over)
    return f"{split:.4g}:1"


def _plain(value: Any) -> float | str | None:
    if value is None or isinstance(value, str):
        return value
    return float(value) if np.isfinite(value) else None


def _bad_tick(place: Place, panel: Panel) -> Said:
    row, col = place["row"], place["col"]
    if place["is_open"]:
        value = panel.open[row, col]
        return "open", value, f"between a close of {number(place['base'])} and one of {_after(panel, row - 1, col)}"
    value, last = panel.close[row, col], row + place["length"] - 1
    days = "" if place["length"] == 1 else f", {place['length']} sessions long"
    return "close", value, f"between closes of {number(place['base'])} and {_after(panel, last, col)}{days}"


def _after(panel: Panel, row: int, col: int) -> str:
    later = panel.close[row + 1 :, col]
    later = later[np.isfinite(later)]
    return number(float(later[0])) if len(later) else "unknown"


def _moved(place: Place) -> str:
    """From the last close to this one, with the volume."""
    change = np.expm1(_log_move(place))
    moved = f"after {number(float(place['base']))}: {change:+,.{0 if change >= 10 else 1}%}"
    busy = place["busy"]
    if np.isnan(busy):
        return moved
    if busy < 0.05:
        return f"{moved}, hardly traded"
    return f"{moved}, trading {busy:,.{0 if busy >= 10 else 1}f} times the usual"


def _log_move(place: Place) -> float:
    return float(np.log(place["close"] / place["base"]))


def _gap_words(place: Place, panel: Panel) -> str:
    away = place["row"] - place["before"]
    return f", the first close in {away} sessions" if away > 1 else ""


def _jump(place: Place, panel: Panel) -> Said:
    text = f"{_moved(place)}, price ratio {place['base'] / place['close']:.3g}{_gap_words(place, panel)}"
    return "close", place["close"], text


def _split_jump(place: Place, panel: Panel) -> Said:
    split = float(place["ratio"])
    return "close", place["close"], f"{_moved(place)}; suggests {ratio_words(split)}, split = {split:.6g}"


def _return(place: Place, panel: Panel) -> Said:
    return "close", place["close"], _moved(place) + _gap_words(place, panel)


def _wrong_split(place: Place, panel: Panel) -> Said:
    shown = float(place["shown"])
    said = "no split" if abs(np.log(shown)) < 0.03 else f"{shown:.4g}"
    prices = f"{number(float(place['base']))} before, {number(float(place['close']))} after"
    return "split", place["listed"], f"the price shows {said}: {prices}"


def _wrong_dividend(place: Place, panel: Panel) -> Said:
    base, close = float(place["base"]), float(place["close"])
    return "dividend", place["dividend"], f"the price went from {number(base)} to {number(close)}"


def _range(place: Place, panel: Panel) -> Said:
    column = "high" if place["is_high"] else "low"
    others = ", ".join(
        f"{name} {number(float(place[name]))}"
        for name in ("open", "high", "low", "close")
        if name != column and np.isfinite(place[name])
    )
    return column, place[column], others


def _gap(place: Place, panel: Panel) -> Said:
    before, after = panel.dates[place["before"]], panel.dates[place["after"]]
    missing = several(int(place["length"]), "session")
    return None, None, f"{missing} missing, between bars of {before} and {after}"


def _stale(place: Place, panel: Panel) -> Said:
    last = panel.dates[place["row"] + place["length"] - 1]
    return "close", place["price"], f"{place['length']} closes the same, to {last}"


def _missing(column: str) -> Callable[[Place, Panel], Said]:
    def say(place: Place, panel: Panel) -> Said:
        bar = (f"{name} {number(float(panel.__dict__[name][place['row'], place['col']]))}" for name in _others(column))
        return column, None, f"unknown; {', '.join(bar)}"

    return say


def _others(column: str) -> tuple[str, ...]:
    return tuple(name for name in ("open", "close", "volume") if name != column)


def _high_low(place: Place, panel: Panel) -> Said:
    row, col = place["row"], place["col"]
    lost = [name for name in ("high", "low") if np.isnan(getattr(panel, name)[row, col])]
    return " and ".join(lost), None, f"unknown; close {number(float(panel.close[row, col]))}"


def _zero_volume(place: Place, panel: Panel) -> Said:
    close = place["close"]
    return "volume", 0.0, "" if np.isnan(close) else f"close {number(float(close))}"


def _thin(place: Place, panel: Panel) -> Said:
    return None, None, f"{place['traded']:,} of {place['listed']:,} symbols traded"


def _patchy(place: Place, panel: Panel) -> Said:
    return None, None, f"{place['absent']:,} of {place['listed']:,} symbols have no bar"


def _wild(place: Place, panel: Panel) -> Said:
    return None, None, f"{place['spikes']:,} of {place['bars']:,} symbols spike"


def _last_bar(place: Place, panel: Panel) -> Said:
    return None, None, f"its last bar; {several(int(place['silent']), 'session')} after it"


def _late_end(place: Place, panel: Panel) -> Said:
    return "end", str(place["end"]), f"its last bar is {place['quiet']:,} sessions earlier"


def _member(place: Place, panel: Panel) -> Said:
    return None, None, f"{several(int(place['sessions']), 'session')} as a member without a bar, from this one on"


def _action(place: Place, panel: Panel) -> Said:
    column = "split" if place["split"] != 1 else "dividend"
    return column, place[column], ""


def _only(detail: str) -> Callable[[Place, Panel], Said]:
    return lambda place, panel: (None, None, detail)


def _hole(place: Place, panel: Panel) -> Said:
    day, before = panel.dates[place["row"]], panel.dates[place["row"] - 1]
    # The latest date is that of tomorrow here, which is today somewhere else.
    wrong = [date for date in (before, day) if date < FIRST_DATE or date > np.datetime64("today", "D") + 1]
    if wrong:
        said = " and ".join(f"{date} looks wrong" for date in wrong)
        return None, None, f"the date {said}: before {FIRST_DATE} or after today"
    return None, None, f"{int((day - before).astype(int)):,} calendar days after the session of {before}"


def _copied(place: Place, panel: Panel) -> Said:
    row = int(place["row"])
    names = names_of(panel.symbols, np.flatnonzero(repeats(panel, row)).tolist())
    some = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
    text = f"{place['same']:,} of {place['bars']:,} bars are those of {panel.dates[row - 1]}: {some}"
    return None, None, text


def _twin(place: Place, panel: Panel) -> Said:
    text = (
        f"the bars of {panel.symbols[place['twin']]} in {place['same']:,} of {place['bars']:,} sessions that both have"
    )
    return None, None, text


_DATELESS = ("empty_symbol", "never_member")
_SAY: dict[str, Callable[[Place, Panel], Said]] = {
    "bad_tick": _bad_tick,
    "unadjusted_split": _split_jump,
    "wrong_split": _wrong_split,
    "wrong_dividend": _wrong_dividend,
    "absurd_return": _return,
    "extreme_return": _return,
    "unexplained_jump": _jump,
    "wild_session": _wild,
    "outside_range": _range,
    "far_range": _range,
    "missing_close": _missing("close"),
    "missing_open": _missing("open"),
    "missing_volume": _missing("volume"),
    "missing_high_low": _high_low,
    "thin_session": _thin,
    "patchy_session": _patchy,
    "long_gap": _gap,
    "missing_bars": _gap,
    "stale_price": _stale,
    "inferred_end": _last_bar,
    "no_end": _last_bar,
    "quiet_end": _last_bar,
    "late_end": _late_end,
    "late_listing": _only("its first bar"),
    "empty_symbol": _only(""),
    "never_member": _only(""),
    "member_without_bar": _member,
    "extra_session": _only(""),
    "weekend_session": _only(""),
    "session_hole": _hole,
    "copied_session": _copied,
    "same_bars": _twin,
    "zero_volume": _zero_volume,
    "action_without_bar": _action,
}
