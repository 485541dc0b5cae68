"""Networks that train at once: those that differ in nothing but `VARIED` are one stack."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import backtester as bt
from backtester.signal import share
from signals.training.fit import Shared, fit_networks

if TYPE_CHECKING:
    from signals.network import Network
    from signals.training.fitted import Fitted
    from signals.training.task import Config


class NetworkStack(NamedTuple):
    """Networks that differ in nothing but `VARIED`, those of one learning rate side by side."""

    network: Network  # the first of them, for all that they share
    configs: list[Config]
    places: list[int]  # of each configuration, among all networks


def stacked(networks: Sequence[Network]) -> list[NetworkStack]:
    """Networks by what can be trained at once, in the order in which the first of each comes."""
    groups: dict[str, list[int]] = {}
    for place, network in enumerate(networks):
        groups.setdefault(json.dumps(network.common(), sort_keys=True), []).append(place)
    stacks = []
    for places in groups.values():
        # Neighbours of one rate share an optimizer.
        places.sort(key=lambda place: networks[place].training.learning_rate)
        stacks.append(NetworkStack(networks[min(places)], [networks[k].config() for k in places], places))
    return stacks


def fit_stacks(
    stacks: Sequence[NetworkStack],
    jobs: Sequence[bt.FitJob],
    work: bt.FitWork,
    previous: Sequence[Sequence[Fitted]] | None = None,
    go_on: bool = False,
) -> list[list[list[Fitted]]]:
    """Train stack after stack on the same folds; what several of them see is prepared once.

    Args:
        stacks: of networks with the same labels, validation, seeds and device.
        jobs: the folds; whose signals they are of does not matter.
        work: whom to tell, and where to write.
        previous: of each stack, what its configurations learnt in the fold that a chain goes on from.
        go_on: with the other stacks, whatever one raises.

    Returns:
        For each stack and job, what each configuration has learnt; nothing for a stack that failed.
    """
    shared: Shared = {}
    found: list[list[list[Fitted]]] = []
    several = len(stacks) > 1
    for number, stack in enumerate(stacks):
        progress = share(work.progress, number, len(stacks))
        board = work.tensorboard / f"stack-{number}" if several and work.tensorboard is not None else work.tensorboard
        own = work._replace(progress=progress, tensorboard=board)
        before = None if previous is None else previous[number]
        try:
            fits = fit_networks(stack.network.plan(stack.configs), jobs, own, before, shared)
        except Exception:
            if not go_on:
                raise
            fits = []
        if progress is not None:
            progress("training", 1, 1)
        found.append(fits)
    return found
