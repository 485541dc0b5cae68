"""Fits networks on many folds: what has one shape trains at once, what was trained before is read."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import math
import shutil
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

import backtester as bt
from backtester.plain import plain
from backtester.signal import share
from signals.losses import Loss
from signals.networks import Shape
from signals.training import fitted as files
from signals.training.best import Noted, Outcome, pool
from signals.training.compiled import suits
from signals.training.data import Lane
from signals.training.device import named
from signals.training.fitted import Fitted, member_name
from signals.training.optimizers import needs_closure
from signals.training.options import Options
from signals.training.prepare import Inputs, Labels, Prepared, names_of, prepare
from signals.training.resume import resume, save_state
from signals.training.start import start_of
from signals.training.task import Config, Task
from signals.training.told import Teller, tell_failed
from signals.training.track import Track
from signals.training.trail import pool_trails
from signals.training.trainer import Trainer

log = logging.getLogger("signals")
_SAVED_EVERY = 60.0  # seconds between two states of a training that is under way
# Models of a stack with several configurations on a CPU: as many as stay in its cache, and wait little for each other.
_ON_CPU = 32
# Of those that train lane by lane: few enough that what all of them say of the watched sessions has room.
_BY_LANE = 128


class Plan(NamedTuple):
    """Networks of one shape, on all folds: what `fit_networks` is asked for."""

    name: str  # of the kind, as the user knows it
    shape: Callable[[int], Shape]  # of so many inputs
    inputs: Inputs
    labels: Labels
    options: Options  # what all configurations share
    configs: list[Config]
    loss: Loss
    seeds: list[int]  # one for each member of a configuration
    device: str
    alone: bool  # whether each model has to be trained by itself
    key: dict[str, Any]  # settings that decide the weights, as plain data


class _Work(NamedTuple):
    """Whom to tell, and where to write."""

    progress: Callable[[str, int, int], None] | None
    folder: Path | None
    every_epoch: bool
    numbers: list[int]  # of the folds of the jobs
    track: Track
    members: dict[tuple[int, int], str]  # by fold and seed of a lane
    states: list[Path]  # files of trainings that are under way
    failed: list[str]  # what is to be said of models that learnt nothing
    part: int = 0  # of `parts` trainings, one after another
    parts: int = 1


# What was prepared for folds, by what it depends on: stacks that see the same share it.
Shared = dict[str, Prepared]


def fit_networks(
    plan: Plan,
    jobs: Sequence[bt.FitJob],
    work: bt.FitWork,
    previous: Sequence[Fitted] | None,
    shared: Shared | None = None,
) -> list[list[Fitted]]:
    """Fit every configuration on every fold.

    Args:
        plan: what to fit.
        jobs: the folds.
        work: where to write, and whom to tell.
        previous: what each configuration learnt in the fold that a chain (``warm_start="previous"``) goes on from.
        shared: filled with what is prepared, for other plans with the same labels, validation, seeds and device.

    Returns:
        For each job, what each configuration has learnt: its seeds are the members.

    Raises:
        ConfigError: the device is not there; ``work.tensorboard`` is asked for and cannot be had.
        DataError: data do not suffice; a checkpoint to start from does not fit.
    """
    if plan.options.precision == "bf16" and plan.device != "cuda":
        log.info("precision is bf16, which is for CUDA: float32 is used on %s", named(plan.device))
    with Track(work.tensorboard) as track:
        if plan.options.warm_start == "previous":
            return _fit_chain(plan, jobs, work, track, previous)
        return _fit_all(plan, jobs, work, track, shared)


def _fit_all(
    plan: Plan, jobs: Sequence[bt.FitJob], work: bt.FitWork, track: Track, shared: Shared | None
) -> list[list[Fitted]]:
    """What was not trained before, together."""
    found: dict[int, list[Fitted]] = {}
    for k, job in enumerate(jobs):
        known = _known(plan, job, work)
        if known is not None:
            found[k] = known
    left = [k for k in range(len(jobs)) if k not in found]
    if left:
        fitted = _fit_together(plan, [jobs[k] for k in left], work, track, None, shared)
        found |= dict(zip(left, fitted, strict=True))
    return [found[k] for k in range(len(jobs))]


def _fit_chain(
    plan: Plan, jobs: Sequence[bt.FitJob], work: bt.FitWork, track: Track, previous: Sequence[Fitted] | None
) -> list[list[Fitted]]:
    """One fold after another, each from what the one before has learnt."""
    found = []
    for k, job in enumerate(jobs):
        own = work._replace(progress=share(work.progress, k, len(jobs)))
        now = _known(plan, job, work) or _fit_together(plan, [job], own, track, previous, None)[0]
        found.append(now)
        previous = now
    return found


def _fit_together(
    plan: Plan,
    jobs: Sequence[bt.FitJob],
    work: bt.FitWork,
    track: Track,
    previous: Sequence[Fitted] | None,
    shared: Shared | None = None,
) -> list[list[Fitted]]:
    store, lanes, names = _prepared(plan, jobs, shared)
    _check_sessions(plan, lanes, jobs)
    task = Task(plan.shape(len(names)), store, lanes, plan.configs, plan.options, plan.loss, plan.device)
    task = task._replace(start=start_of(plan, task, jobs, previous, names), trail=work.by_epoch)
    models = len(lanes) * len(plan.configs)
    how = "one after another" if plan.alone or needs_closure(plan.options) else "at once"
    log.info(
        "training on %s: %d x %s %s (folds: %d, seeds: %d, configurations: %d)",
        named(plan.device), models, plan.name, how, len(jobs), len(plan.seeds), len(plan.configs),
    )  # fmt: skip
    members = {(lane.fold, lane.seed): member_name(plan.seeds[k % len(plan.seeds)]) for k, lane in enumerate(lanes)}
    own = _Work(work.progress, work.folder, work.every_epoch, [job.number for job in jobs], track, members, [], [])
    outcomes = _train(plan, task, own)
    found = [_collect(plan, outcomes, task, job, k, names, own) for k, job in enumerate(jobs)]
    tell_failed(own.failed, models)
    if all(_is_kept(plan, job, work.folder) for job in jobs):
        for path in own.states:
            path.unlink(missing_ok=True)
    return found


def _prepared(plan: Plan, jobs: Sequence[bt.FitJob], shared: Shared | None) -> Prepared:
    """Store, lanes and names of the inputs; those that are there already, if they were made of the same."""
    key = _digest({"jobs": [job.number for job in jobs], "inputs": list(plan.inputs), "unit": plan.labels.has_unit})
    if shared is not None and key in shared:
        return shared[key]
    made = prepare(jobs, plan.inputs, plan.labels, plan.options.validation, plan.seeds, plan.device)
    if shared is not None:
        shared[key] = made
    return made


def _check_sessions(plan: Plan, lanes: list[Lane], jobs: Sequence[bt.FitJob]) -> None:
    needed = plan.options.batch_sessions
    for lane in lanes:
        if plan.loss.batches == "sessions" and len(lane.train) < needed:
            raise bt.DataError(
                f"fold {jobs[lane.fold].number} has {len(lane.train)} sessions to learn from, and a step takes "
                f"{needed} (batch_sessions). Train on more sessions, or take fewer in a step."
            )


# Training, in one stack or in several.


def _train(plan: Plan, task: Task, work: _Work) -> list[Outcome]:
    """What becomes of each model of a task, in their order."""
    parts = _parts(plan, task)
    if len(parts) > 1:
        total = work._replace(parts=len(parts))
        return [
            outcome
            for number, (lanes, configs) in enumerate(parts)
            for outcome in _train(plan, _part(task, lanes, configs), total._replace(part=number))
        ]
    try:
        return _train_stack(plan, task, work)
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
    return _train_smaller(plan, task, work)


def _parts(plan: Plan, task: Task) -> list[tuple[range, range]]:
    """Lanes and configurations that train at once, one part after another."""
    lanes, configs = len(task.lanes), len(task.configs)
    if plan.alone or needs_closure(plan.options):
        return [(range(lane, lane + 1), range(k, k + 1)) for lane in range(lanes) for k in range(configs)]
    at_once = _BY_LANE if suits(task.shape, task.loss, task.options, plan.device) else _ON_CPU
    most = max(1, at_once // configs) if plan.device == "cpu" and configs > 1 else lanes
    return [(range(first, min(first + most, lanes)), range(configs)) for first in range(0, lanes, most)]


def _train_smaller(plan: Plan, task: Task, work: _Work) -> list[Outcome]:
    """The device had no room: half of the lanes at a time, which changes nothing; of a single lane, half a batch."""
    lanes = len(task.lanes)
    if lanes > 1:
        middle = lanes // 2
        log.warning("out of memory on %s: training %d of %d lanes at a time", named(plan.device), lanes - middle, lanes)
        configs = range(len(task.configs))
        halves = (_part(task, half, configs) for half in (range(middle), range(middle, lanes)))
        return [outcome for half in halves for outcome in _train(plan, half, work)]
    key = "batch_sessions" if plan.loss.batches == "sessions" else "batch"
    size = getattr(plan.options, key) // 2
    if size < 1:
        raise bt.DataError(f"{named(plan.device)} has no room for a single sample of this network: take a smaller one.")
    log.warning("out of memory on %s: %s halved to %d", named(plan.device), key, size)
    options = dataclasses.replace(plan.options, **{key: size})
    return _train(plan._replace(options=options), task._replace(options=options), work)


def _part(task: Task, lanes: range, configs: Sequence[int]) -> Task:
    """Some lanes and configurations of a task."""
    models = [lane * len(task.configs) + config for lane in lanes for config in configs]
    start = None if task.start is None else {name: one[models] for name, one in task.start.items()}
    return task._replace(
        lanes=[task.lanes[lane] for lane in lanes], configs=[task.configs[config] for config in configs], start=start
    )


def _train_stack(plan: Plan, task: Task, work: _Work) -> list[Outcome]:
    """Train one stack, going on with a state of it that was saved."""
    trainer = Trainer(task)
    path = None  # LBFGS remembers more than tensors
    if work.folder is not None and not needs_closure(task.options):
        path = work.folder / f"state-{_digest(_about(plan, task, work))}.safetensors"
    if path is not None:
        work.states.append(path)
    if path is not None and resume(trainer, path):
        log.info("going on after epoch %d, from %s", trainer.epoch, path.name)
    each = trainer.most_steps
    saved = time.monotonic()

    def tell(steps: int) -> None:
        if work.progress is not None:
            work.progress("training", work.part * each + min(steps, each), work.parts * each)

    told, teller = len(trainer.best.curve), Teller(max(task.epochs))

    def epoch_over() -> None:
        nonlocal saved, told
        work.track.write(trainer.best.curve[told:], partial(_curve_name, plan, task, work))
        teller.tell(trainer.epoch, trainer.best.curve[told:])
        told = len(trainer.best.curve)
        if path is not None and (work.every_epoch or time.monotonic() - saved >= _SAVED_EVERY):
            save_state(trainer, path)
            saved = time.monotonic()
            if work.every_epoch and path.is_file():
                shutil.copyfile(path, path.with_name(path.name.replace("state", f"epoch-{trainer.epoch:03d}", 1)))

    trainer.run(tell, epoch_over)
    if path is not None and work.parts > 1:  # the parts after it may be long
        save_state(trainer, path)
    tell(each)
    return trainer.best.outcomes()


def _curve_name(plan: Plan, task: Task, work: _Work, model: int) -> str:
    """The name of a model's curve for TensorBoard, such as ``fold 1, seed 0``."""
    place, config = divmod(model, len(task.configs))
    lane = task.lanes[place]
    many = f", configuration {plan.configs.index(task.configs[config]) + 1}" if len(plan.configs) > 1 else ""
    return f"fold {work.numbers[lane.fold]}, {work.members[lane.fold, lane.seed]}{many}"


def _about(plan: Plan, task: Task, work: _Work) -> dict[str, Any]:
    """What makes a training that is under way the same one."""
    folds = [[work.numbers[lane.fold], lane.seed] for lane in task.lanes]
    sizes = [task.options.batch, task.options.batch_sessions]  # smaller ones where the device had no room
    configs = [list(one) for one in task.configs]
    return {"plan": plan.key, "lanes": folds, "configs": configs, "sizes": sizes, "device": plan.device}


# What is kept of a fold.


def _collect(
    plan: Plan, outcomes: Sequence[Outcome], task: Task, job: bt.FitJob, place: int, names: tuple[str, ...], work: _Work
) -> list[Fitted]:
    """What each configuration has learnt in a fold; written down where there is a folder."""
    lanes = [k for k, lane in enumerate(task.lanes) if lane.fold == place]
    span = (str(job.panel.dates[job.rows[0]]), str(job.panel.dates[job.rows[-1]]))
    found = []
    for c, config in enumerate(task.configs):
        mine = [outcomes[lane * len(task.configs) + c] for lane in lanes]
        members = [member_name(seed) for seed in plan.seeds]
        good = [k for k, outcome in enumerate(mine) if outcome.state is not None]
        for k in sorted(set(range(len(mine))) - set(good)):
            note = mine[k].curve[-1].note or f"the {plan.options.monitor} that is watched was no number"
            who = f"fold {job.number} ({span[0]} to {span[1]}), {members[k]}"
            work.failed.append(f"{who}: {note}, before any epoch was of use.")
        lane = task.lanes[lanes[0]]
        one = Fitted(
            task.shape,
            pool([state for k in good if (state := mine[k].state) is not None]) if good else {},
            tuple(members[k] for k in good),
            names,
            lane.scale,
            lane.unit,
            span,
            tuple(_row(members[k], noted) for k, outcome in enumerate(mine) for noted in outcome.curve),
            pool_trails([outcome.trail for outcome in mine], members) if task.trail else None,
        )
        if work.folder is not None:
            try:
                one.save(_file(plan, config, job, work.folder))
            except OSError as error:
                warnings.warn(
                    f"what fold {job.number} has learnt cannot be kept in {work.folder}: {error}", stacklevel=2
                )
        found.append(one)
    return found


def _row(member: str, noted: Noted) -> dict[str, Any]:
    """An epoch as `bt.Signal.learning` tells it."""
    numbers = {key: getattr(noted, key) for key in ("train_loss", "valid_loss", "valid_ic")}
    known = {key: value if math.isfinite(value) else None for key, value in numbers.items()}
    return {"model": member, "epoch": noted.epoch, **known, "note": noted.note}


def _known(plan: Plan, job: bt.FitJob, work: bt.FitWork) -> list[Fitted] | None:
    """What was learnt in a fold before, if all of it is there; what is damaged is told and learnt again."""
    folder = work.folder
    if not _is_kept(plan, job, folder):
        return None
    paths = [_file(plan, config, job, folder) for config in plan.configs]
    names = names_of(job.panel, plan.inputs)
    try:
        found = [files.load(path, plan.shape(len(names)), names) for path in paths]
    except bt.DataError as error:
        warnings.warn(f"{error} The fold is trained anew.", stacklevel=2)
        return None
    if work.by_epoch and any(one.trail is None for one in found):
        log.info("fold %d was kept without the weights of earlier epochs: it is trained anew", job.number)
        return None
    log.info("fold %d was trained before: read from %s", job.number, folder)
    plan.labels.of(job.panel, job.rows[:1])  # what it was learnt from is told to whoever keeps count of the fills
    return found


def _is_kept(plan: Plan, job: bt.FitJob, folder: Path | None) -> bool:
    return folder is not None and all(_file(plan, config, job, folder).is_file() for config in plan.configs)


def _file(plan: Plan, config: Config, job: bt.FitJob, folder: Path | None) -> Path:
    assert folder is not None
    return folder / f"fold-{job.number:03d}-{_digest({'plan': plan.key, 'config': list(config)})}.safetensors"


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plain(content), sort_keys=True).encode()).hexdigest()[:12]
