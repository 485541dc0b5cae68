"""The settings in which runs differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backtester.report import words as w

# What is said elsewhere, or is no setting but what came of the settings.
_NO_SETTINGS = ("signal_quality", "data_check", "known", "label_fills")
_ABSENT = object()


def differing(settings: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The settings that are not the same in all of them: ``section.key`` to the values, None where there is none.

    What is off is ``"off"``, and a section that only some of the runs have is ``"on"`` in these. Where runs have
    different classes, each is one text: the class with its arguments, those left out that are the same in all. Lists
    of as many tables, such as the parts of an ensemble, are compared one by one, counted from 1.
    """
    found: dict[str, list[Any]] = {}
    _collect("", settings, found)
    return found


def _collect(prefix: str, values: Sequence[Any], found: dict[str, list[Any]]) -> None:
    if _are_tables(values):
        for number, parts in enumerate(zip(*values, strict=True), 1):
            _collect(f"{prefix}.{number}", parts, found)
        return
    maps = [value for value in values if isinstance(value, Mapping)]
    others = [value for value in values if not isinstance(value, Mapping)]
    classes = {str(one.get("class")) for one in maps}
    if not maps or len(classes) > 1 or any(value is not None and value is not _ABSENT for value in others):
        shown = [_plain(value) for value in (_without_same(values) if len(classes) > 1 else values)]
        if any(value != shown[0] for value in shown[1:]):
            found[prefix] = shown
        return
    if others:
        found[prefix] = [_title(value) if isinstance(value, Mapping) else _plain(value) for value in values]
    if len(maps) > 1:
        for key in dict.fromkeys(key for one in maps for key in one):
            if key in _NO_SETTINGS:
                continue
            inner = [one.get(key, _ABSENT) if isinstance(one, Mapping) else _ABSENT for one in values]
            if any(one.get(key, _ABSENT) != maps[0].get(key, _ABSENT) for one in maps):
                _collect(f"{prefix}.{key}" if prefix else key, inner, found)


def _are_tables(values: Sequence[Any]) -> bool:
    """Whether all are lists of tables, of the same number."""
    lists = [value for value in values if isinstance(value, list | tuple)]
    inner = [one for value in lists for one in value]
    same = len(lists) == len(values) and len({len(value) for value in lists}) == 1
    return same and bool(inner) and all(isinstance(one, Mapping) for one in inner)


def _without_same(values: Sequence[Any]) -> list[Any]:
    """Tables without the keys that have the same value in all of them, in inner tables too; other values as they are.

    The class stays, as it says what the rest is about.
    """
    maps = [value for value in values if isinstance(value, Mapping)]
    rest: list[dict[str, Any]] = [dict(one) for one in maps]
    for key in {key for one in maps for key in one} - {"class"}:
        own = [one.get(key, _ABSENT) for one in maps]
        if all(value == own[0] for value in own):
            for table in rest:
                del table[key]
        elif all(isinstance(value, Mapping) for value in own):
            for table, value in zip(rest, _without_same(own), strict=True):
                table[key] = value
    left = iter(rest)
    return [next(left) if isinstance(value, Mapping) else value for value in values]


def _title(section: Mapping[str, Any]) -> str:
    """A section of a run that the others do not have."""
    told = section.get("signal", section)
    name = told.get("class", told.get("name")) if isinstance(told, Mapping) else None
    return "on" if name is None else w.class_name(str(name))


def _plain(value: Any) -> Any:
    """A value as it is shown; None for what is not there."""
    if value is _ABSENT:
        return None
    if value is None:
        return "off"
    if isinstance(value, Mapping):
        name = w.class_name(str(value["class"])) if "class" in value else ""
        return ", ".join(part for part in (name, w.listed(value, ("class",))) if part) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(value) if value and all(isinstance(one, str) for one in value) else str(list(value))
    return w.short_hash(value) if isinstance(value, str) else value
