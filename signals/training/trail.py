"""What a training would have kept after each of its epochs: the weights of those in which a member became better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

_PREFIX = "trail/"


class Better(NamedTuple):
    """Models that became better in an epoch, and their weights after it."""

    epoch: int  # from 1
    models: tuple[Any, ...]  # the K of them: numbers of a stack, or names of members
    state: dict[str, Tensor]  # name -> (K, ...), on the CPU


# In the order of the epochs; at most one of each.
Trail = tuple[Better, ...]


def trail_of(trail: Trail, model: int) -> Trail:
    """Of the trail of a stack what is of one model."""
    found = []
    for epoch, models, state in trail:
        if model in models:
            place = models.index(model)
            found.append(Better(epoch, (model,), {name: one[place : place + 1] for name, one in state.items()}))
    return tuple(found)


def pool_trails(trails: Sequence[Trail], members: Sequence[str]) -> Trail:
    """The trails of single models as one, of members with these names."""
    found = []
    for epoch in sorted({better.epoch for trail in trails for better in trail}):
        mine = [(member, one.state) for member, trail in zip(members, trails, strict=True) for one in trail
                if one.epoch == epoch]  # fmt: skip
        state = {name: torch.cat([own[name] for _, own in mine]) for name in mine[0][1]}
        found.append(Better(epoch, tuple(member for member, _ in mine), state))
    return tuple(found)


def to_tensors(trail: Sequence[Better]) -> dict[str, Tensor]:
    """The weights of a trail under names of their own, for a file."""
    return {f"{_PREFIX}{k}/{name}": one for k, better in enumerate(trail) for name, one in better.state.items()}


def to_note(trail: Sequence[Better]) -> list[Any]:
    """The rest of a trail, as plain JSON data."""
    return [[one.epoch, list(one.models)] for one in trail]


def from_file(tensors: Mapping[str, Tensor], note: Sequence[Any]) -> Trail:
    """The trail of a file: of `to_tensors`, among others, and `to_note`.

    Raises:
        TypeError, ValueError: the note is none.
    """
    found = []
    for k, (epoch, models) in enumerate(note):
        prefix = f"{_PREFIX}{k}/"
        state = {name.removeprefix(prefix): one for name, one in tensors.items() if name.startswith(prefix)}
        found.append(Better(int(epoch), tuple(models), state))
    return tuple(found)
