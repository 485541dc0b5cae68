"""The weights that a training begins with: new ones, those of the fold before, or those of a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

import backtester as bt
from signals.networks import build
from signals.training import checkpoint
from signals.training import fitted as files
from signals.training.best import pool
from signals.training.fitted import Fitted, member_name
from signals.training.task import Task

if TYPE_CHECKING:
    from signals.training.fit import Plan


def start_of(
    plan: Plan, task: Task, jobs: Sequence[bt.FitJob], previous: Sequence[Fitted] | None, names: tuple[str, ...]
) -> dict[str, Tensor] | None:
    """The weights that all models begin with, (M, ...); None: new ones.

    Of a chain each model goes on from its own, and anew if that was of no use; of a file the seeds take its networks
    in turn, in every fold the same.

    Raises:
        DataError: the file does not fit, holds nothing, or has learnt from days that a fold is tested on.
    """
    source = plan.options.warm_start
    if source is None or (source == "previous" and previous is None):
        return None
    models = [lane for lane in task.lanes for _ in task.configs]
    start = pool([build(task.shape, 1, [lane.seed], [0.0]).models([0]) for lane in models])
    if source != "previous":
        begin = files.load(source, task.shape, names)
        if not begin.members:
            raise bt.DataError(f"The weights {source} hold no network: the training that wrote them failed.")
        _check_over(source, begin, jobs, plan.labels.horizon)
        previous = [begin] * len(task.configs)
    assert previous is not None
    for lane in range(len(task.lanes)):
        for config, begin in enumerate(previous):
            seed = lane % len(plan.seeds)
            own = member_name(plan.seeds[seed])
            if source != "previous":
                own = begin.members[(config * len(plan.seeds) + seed) % len(begin.members)]
            if own in begin.members:
                for name, one in start.items():
                    one[lane * len(task.configs) + config] = begin.state[name][begin.members.index(own)]
    return start


def _check_over(source: str, begin: Fitted, jobs: Sequence[bt.FitJob], horizon: int) -> None:
    """Raise DataError for a file whose labels reach further than those of a fold that begins with it.

    A longer horizon than that of the fold reaches so many sessions further, and has to end so many sooner.
    """
    told = checkpoint.read(source)[1].get("settings", {}).get("horizon", horizon)
    for job in jobs:
        last = job.panel.dates[max(0, job.rows[-1] - max(0, told - horizon))]
        if np.datetime64(begin.span[1]) > last:
            longer = f", with its labels of {told} sessions" if told > horizon else ""
            raise bt.DataError(
                f"The weights {source} were trained on sessions up to {begin.span[1]}, and fold {job.number} may know "
                f"those up to {last} alone{longer}: its scores would know the days that they are tested on. Train the "
                f"file on sessions that end with {last}, or before."
            )
