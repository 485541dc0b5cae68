"""Names of features and of channels: what they mean, with which parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import backtester as bt
from backtester.errors import did_you_mean

Floats = NDArray[np.float64]
Names = str | Sequence[str]

EXTRA = "extra"
# A vendor restates its adjusted close whenever a split or dividend comes: a value of it knows the future (law 15).
RESTATED = ("adj_close_vendor",)


class Kind(NamedTuple):
    """A family that has a name, such as total returns over any number of sessions."""

    values: Callable[..., Floats]  # (slab, *parameters) -> (R, N)
    depth: Callable[..., int]  # (*parameters) -> rows that a value depends on, its own among them
    usual: tuple[float, ...] = ()  # the parameters where the name gives none; those that are whole stay whole


class Vocabulary(NamedTuple):
    """Every name of one sort."""

    word: str  # what a message calls it
    kinds: Mapping[str, Kind]
    sets: Mapping[str, tuple[str, ...]]
    scales: Sequence[str]  # what may stand before a name, with a colon


class Named(NamedTuple):
    """What one name asks for."""

    name: str
    scale: str  # how it is compared over the session; "" if it is not
    kind: str  # of the vocabulary, or EXTRA
    parameters: tuple[Any, ...]  # of EXTRA: the column, or nothing for all of them
    depth: int  # rows that a value depends on, its own among them


def parse(names: Names, words: Vocabulary) -> tuple[Named, ...]:
    """What a set, a name or a list of names asks for.

    Raises:
        ConfigError: there is no such name, a parameter is wrong, a name is there twice, or the list is empty.
    """
    listed: Sequence[Any] = words.sets.get(names, (names,)) if isinstance(names, str) else names
    found = tuple(_one(name, words) for name in listed)
    if not found:
        raise bt.ConfigError(f"the list of {words.word}s is empty; give at least one name.")
    _check_once(found, words)
    return found


def expand(panel: bt.Panel, asked: Sequence[Named], words: Vocabulary) -> tuple[Named, ...]:
    """The same, with ``extra`` as every extra column of the panel by itself, in alphabetical order.

    Raises:
        ConfigError: the panel has no such column, or none at all and nothing else is asked for; or one is there twice.
    """
    columns = [name for name in sorted(panel.extra) if name not in RESTATED]
    found: list[Named] = []
    for one in asked:
        if one.kind == EXTRA and not one.parameters:
            found += [one._replace(name=f"{one.name}:{column}", parameters=(column,)) for column in columns]
            continue
        if one.kind == EXTRA and one.parameters[0] not in columns:
            hint = did_you_mean(one.parameters[0], columns) or f" It has {', '.join(columns) or 'none'}."
            raise bt.ConfigError(f"{words.word} {one.name!r}: the panel has no extra column of that name.{hint}")
        found.append(one)
    if not found:
        raise bt.ConfigError(f"the {words.word}s are the extra columns alone, and the panel has none.")
    _check_once(found, words)
    return tuple(found)


def _check_once(asked: Sequence[Named], words: Vocabulary) -> None:
    found: dict[tuple[Any, ...], str] = {}
    for one in asked:
        meant = (one.scale, one.kind, one.parameters)
        if meant in found:
            also = "" if found[meant] == one.name else f", as {found[meant]!r} too"
            raise bt.ConfigError(f"{words.word} {one.name!r} is there twice{also}; name it once.")
        found[meant] = one.name


def _one(name: Any, words: Vocabulary) -> Named:
    """One name: ``[scale:]kind[_parameter...]``, or ``[scale:]extra[:column]``."""
    if not isinstance(name, str):
        raise bt.ConfigError(f"{words.word} {name!r} is no text; write a name, such as {next(iter(words.kinds))!r}.")
    head, colon, rest = name.partition(":")
    scale, body = (head, rest) if colon and head in words.scales else ("", name)
    if body == EXTRA or (body.startswith(f"{EXTRA}:") and body != f"{EXTRA}:"):
        return _extra(name, scale, body[len(EXTRA) + 1 :], words)
    fitting = [kind for kind in words.kinds if body == kind or body.startswith(f"{kind}_")]
    if not fitting:
        raise _unknown(name, body, words)
    kind = max(fitting, key=len)
    given = [] if body == kind else body[len(kind) + 1 :].split("_")
    parameters = _parameters(name, kind, given, words)
    return Named(name, scale, kind, parameters, words.kinds[kind].depth(*parameters))


def _extra(name: str, scale: str, column: str, words: Vocabulary) -> Named:
    if column in RESTATED:
        raise bt.ConfigError(
            f"{words.word} {name!r}: a vendor's adjusted close has been changed by later splits and dividends, and so "
            "knows the future. Take a feature of the prices, which are adjusted point in time."
        )
    return Named(name, scale, EXTRA, (column,) if column else (), 1)


def _unknown(name: str, body: str, words: Vocabulary) -> bt.ConfigError:
    if body in words.sets:
        return bt.ConfigError(
            f"{words.word} {name!r}: {body!r} is a set; give it alone, not in a list and not compared."
        )
    known = [*words.sets, *(_example(kind, words) for kind in words.kinds), *words.kinds, EXTRA]
    hint = did_you_mean(body, known)
    return bt.ConfigError(f"there is no {words.word} {name!r}.{hint} There are {', '.join([*words.kinds, EXTRA])}.")


def _example(kind: str, words: Vocabulary) -> str:
    return "_".join([kind, *(f"{one:g}" for one in words.kinds[kind].usual)])


def _parameters(name: str, kind: str, given: Sequence[str], words: Vocabulary) -> tuple[Any, ...]:
    """The parameters behind the name of a kind; the usual ones if there are none."""
    usual = words.kinds[kind].usual
    if not given:
        return usual
    if len(given) != len(usual):
        example = _example(kind, words)
        hint = did_you_mean(name, [_example(one, words) for one in words.kinds])
        raise bt.ConfigError(
            f"{words.word} {name!r}: the numbers after {kind!r} are {len(usual)}, as in {example!r}; here they are "
            f"{len(given)}.{hint}"
        )
    return tuple(_number(name, one, like, words) for one, like in zip(given, usual, strict=True))


def _number(name: str, text: str, like: float, words: Vocabulary) -> float:
    """A parameter: whole and at least 1 where the usual one is whole, else a number above 0."""
    whole = isinstance(like, int)
    try:
        value = int(text) if whole else float(text)
    except ValueError:
        value = 0
    if not (value >= 1 if whole else 0.0 < value < np.inf):
        needed = "a whole number, at least 1" if whole else "a number above 0"
        raise bt.ConfigError(f"{words.word} {name!r}: {text!r} must be {needed}.")
    return value
