"""Blocks of bars as clean numbers: rows that cannot be used are told apart with their reason, all others kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from backtester.market.actions import Floats, Ints
from backtester.market.columns import BARS, PRICES
from backtester.market.day_text import MISSING, read_day, unlikely
from backtester.market.fields import (
    Codes,
    DayCodes,
    Mask,
    UnusableError,
    controlled,
    days_of,
    decimal_comma,
    numbers_of,
    texts_of,
)
from backtester.market.layout import Plan
from backtester.market.tables import Block, Table, as_table, parse

_KEY = pa.dictionary(pa.int32(), pa.string())


class Part(NamedTuple):
    """What one block of bars gives. Row numbers count from 1 in the block, broken rows included."""

    rows: int  # in the block, broken ones included
    date: Ints  # (n,) days, some with the order of day and month still open
    code: Codes  # (n,) positions in names
    names: list[str]
    values: dict[str, Floats]  # bars and extra columns, each (n,)
    row: Codes  # (n,) number of the row in the block
    refused: Table | None  # rows set aside
    reasons: list[str]  # one for each
    broken: list[tuple[int, str]]
    left_out: dict[str, tuple[int, str]]  # key of an extra column that is not numeric -> row, field
    acting: Table | None  # rows with a split or a dividend
    acts: list[tuple[str, int, float, float]]  # symbol, date, split, dividend of each
    unread: list[tuple[int, str]]  # position in acting, why its action cannot be read


class Settings(NamedTuple):
    """How text is read."""

    order: str | None = None  # of day and month, if stated
    decimal: str = "."


PLAIN = Settings()


def read_part(block: Block, plan: Plan, settings: Settings) -> Part:
    """Clean one block of bars.

    A field that is empty is unknown. A row is set aside if its date or symbol is missing, if a field is no number, a
    price not positive, a volume negative or a value infinite.

    Raises:
        UnusableError: Something makes the whole file unusable, at a row of the block.
        DataError: The block cannot be read.
    """
    columns, row, broken = _columns(block, plan, settings)
    n = len(row)
    days = _days(plan, columns, row, n, settings)
    code, names = _symbols(plan, columns, n)
    reasons = Reasons(n)
    reasons.mark(days.bad, "date: not a date")
    reasons.mark(days.code == MISSING, "date: missing")
    for words, unlike in unlikely(days.code):
        reasons.mark(unlike, words)
    reasons.mark(code < 0, "symbol: missing")
    mark_symbols(reasons, code, names)
    values: dict[str, Floats] = {}
    for key in BARS:
        if key in plan.found:
            numbers, unreadable = _numbers(plan, columns, plan.found[key], row, settings)
            reasons.mark(unreadable, f"{key}: not a number")
            reasons.mark(np.isinf(numbers), f"{key}: infinite")
            if key in PRICES:
                reasons.mark(numbers <= 0, f"{key}: not positive")
            else:
                reasons.mark(numbers < 0, f"{key}: negative")
            values[key] = numbers
    left_out = {}
    for key, k in plan.extra.items():
        numbers, unreadable = numbers_of(columns[k], settings.decimal)
        wrong = np.flatnonzero(unreadable | np.isinf(numbers))
        if len(wrong):
            left_out[key] = (int(row[wrong[0]]), str(columns[k][int(wrong[0])].as_py()))
        else:
            values[key] = numbers
    ok = reasons.ok
    refused, why = reasons.refused()
    acting, acts, unread = _actions(plan, columns, days.code, code, names, ok, settings)
    # The text of a row is needed for those alone that are set aside, or may be later.
    whole = as_table(block) if len(refused) or len(acting) else None
    all_ok = not len(refused)
    return Part(
        rows=n + len(broken),
        date=days.code if all_ok else days.code[ok],
        code=code if all_ok else code[ok],
        names=names,
        values=values if all_ok else {key: array[ok] for key, array in values.items()},
        row=(row if all_ok else row[ok]).astype(np.int32),
        refused=whole.take(refused) if whole is not None and len(refused) else None,
        reasons=why,
        broken=broken,
        left_out=left_out,
        acting=whole.take(acting) if whole is not None and len(acting) else None,
        acts=acts,
        unread=unread,
    )


def _columns(
    block: Block, plan: Plan, settings: Settings
) -> tuple[dict[int, pa.ChunkedArray], Ints, list[tuple[int, str]]]:
    """The columns that a plan needs; numbers as such if all of them can be read so, else as text."""
    keys = {plan.found[key] for key in ("date", "symbol") if key in plan.found}
    numbers = {plan.found[key] for key in (*BARS, "split", "dividend") if key in plan.found} | set(plan.extra.values())
    types: Mapping[int, pa.DataType] = dict.fromkeys(keys, _KEY) | {k: pa.float64() for k in numbers}
    try:
        return parse(block, types, settings.decimal)
    except pa.ArrowException:
        columns, row, broken = parse(block)
        return {k: columns[k] for k in types}, row, broken


def _days(plan: Plan, columns: Mapping[int, pa.ChunkedArray], row: Ints, n: int, settings: Settings) -> DayCodes:
    if "date" not in plan.found:
        day = read_day(plan.date.strip(), settings.order)
        return DayCodes(np.full(n, MISSING if day is None else day), np.full(n, day is None))
    k = plan.found["date"]
    try:
        return days_of(columns[k], settings.order)
    except UnusableError as error:
        raise UnusableError(int(row[error.position]), f"column {plan.head.names[k]!r}: {error.words}") from None


def _symbols(plan: Plan, columns: Mapping[int, pa.ChunkedArray], n: int) -> tuple[Codes, list[str]]:
    if "symbol" not in plan.found:
        return np.zeros(n, dtype=np.int32), [plan.symbol]
    k = plan.found["symbol"]
    return texts_of(columns[k], f"{plan.head.source.name}, column {plan.head.names[k]!r}")


def _numbers(
    plan: Plan, columns: Mapping[int, pa.ChunkedArray], k: int, row: Ints, settings: Settings
) -> tuple[Floats, Mask]:
    numbers, unreadable = numbers_of(columns[k], settings.decimal)
    if settings.decimal == "." and unreadable.any():
        refuse_comma(columns[k], row, plan.head.names[k])
    return numbers, unreadable


def refuse_comma(column: pa.ChunkedArray, row: Ints, name: str) -> None:
    """Raise `UnusableError` if a column is written with decimal commas."""
    at = decimal_comma(column)
    if at is not None:
        raise UnusableError(
            int(row[at]),
            f"column {name!r}: {column[at].as_py()!r} has a comma. If it separates the decimals, say decimal=',' "
            "(--decimal , on the command line); if it separates thousands, write the numbers without it.",
        )


def _actions(
    plan: Plan,
    columns: Mapping[int, pa.ChunkedArray],
    days: Ints,
    code: Codes,
    names: Sequence[str],
    ok: Mask,
    settings: Settings,
) -> tuple[Ints, list[tuple[str, int, float, float]], list[tuple[int, str]]]:
    """Splits and dividends that stand in the rows of bars. An unreadable one is set aside, and its bar kept."""
    if "split" not in plan.found and "dividend" not in plan.found:
        return np.empty(0, dtype=np.int64), [], []
    numbers, unreadable = {}, {}
    for key, none in (("split", 1.0), ("dividend", 0.0)):
        numbers[key], unreadable[key] = np.full(len(days), none), np.zeros(len(days), dtype=bool)
        if key in plan.found:
            given, unreadable[key] = numbers_of(columns[plan.found[key]], settings.decimal)
            numbers[key] = np.where(np.isnan(given) | ((given == 0) & (key == "split")), none, given)
    split, dividend = numbers["split"], numbers["dividend"]
    acts = (split != 1) | (dividend != 0)
    rows = np.flatnonzero((acts | unreadable["split"] | unreadable["dividend"]) & ok)
    listed = [(names[code[k]], int(days[k]), float(split[k]), float(dividend[k])) for k in rows]
    unread = [(j, f"{key}: not a number") for key in numbers for j, k in enumerate(rows) if unreadable[key][k]]
    return rows, listed, unread


def mark_symbols(reasons: Reasons, code: Codes, names: Sequence[str]) -> None:
    """Set rows aside whose symbol holds a control character."""
    wrong = controlled(names)
    if wrong.any():
        reasons.mark(np.append(wrong, False)[code], "symbol: has a control character")


class Reasons:
    """The first reason of each row of a block to be set aside."""

    def __init__(self, n: int) -> None:
        """Start with `n` rows that are all right."""
        self._code = np.zeros(n, dtype=np.int16)
        self._words = [""]

    def mark(self, bad: Mask, words: str) -> None:
        """Set rows aside that have not been so far."""
        if bad.any():
            self._words.append(words)
            self._code[bad & (self._code == 0)] = len(self._words) - 1

    @property
    def ok(self) -> Mask:
        """Rows that have not been set aside."""
        ok: Mask = self._code == 0
        return ok

    def refused(self) -> tuple[Ints, list[str]]:
        """Positions of the rows to be set aside, and the reason of each."""
        refused = np.flatnonzero(self._code)
        return refused, [self._words[k] for k in self._code[refused]]
