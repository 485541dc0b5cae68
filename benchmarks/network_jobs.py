"""Our side and the bare loops of `networks.py`: one job a process, the last line printed is JSON.

    python benchmarks/network_jobs.py training|inference|grid [--device cpu|cuda] [--quick]

The bare loops are what one would write in torch without this project: `torch.nn.Sequential` or `torch.nn.LSTM`,
`Adam(fused=True)`, batches of shuffled rows, one network after another. They get arrays that are ready; ours goes
through `signals.training`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from probe import Memory, cores, pin, timed
from torch import Tensor

import backtester as bt
from signals.losses import LOSSES
from signals.networks import MLPShape, RecurrentShape, build
from signals.neural import MLP
from signals.scaling import Scale
from signals.training.ask import scores_of
from signals.training.data import NONE, Lane, Store, row_order, windows
from signals.training.fitted import Fitted
from signals.training.options import Options
from signals.training.prepare import Inputs, prepare, see
from signals.training.seen import _kept as kept
from signals.training.task import Config, Task
from signals.training.trainer import Trainer

Report = dict[str, Any]

FEATURES, SYMBOLS, FOLDS = 31, 500, 12
HIDDEN, BATCH, RATE = (32, 16), 256, 1e-3
# Twelve configurations of a fold: all alike; a dropout of their own; a learning rate of their own.
CONFIGURATIONS = {
    "plain": [Config(0.0, 0.0, 0.0, RATE)] * 12,
    "dropout": [Config(p, 0.0, 0.0, RATE) for p in (0.0, 0.1, 0.2, 0.3) for _ in range(3)],
    "rates": [Config(0.0, 0.0, 0.0, RATE * (1 + k)) for k in range(12)],
}
# Sums of float32 are taken in another order, and Adam divides small gradients by small roots.
PARITY = 1e-5

WINDOW, UNITS, SESSIONS = 60, 64, 2520
CHANNELS = ["return", "range", "gap", "volume_z", "extra:f1", "extra:f2", "extra:f3", "extra:f4"]
BARE_BATCHES = (64, 128, 256, 512, 1024, 4096, 16384)

GRID_LAYERS = ((16, 8), (32, 16), (32, 32), (64, 32))
GRID_DROPOUTS, GRID_BATCHES, GRID_EPOCHS = (0.0, 0.1, 0.2), (64, 256), 20
ACTIVATIONS = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}


# Training.


def market(steps: int) -> tuple[Store, list[Lane]]:
    """Inputs drawn from normals, and folds that each take ``steps`` batches of them in an epoch."""
    rng = np.random.default_rng(0)
    sessions = -(-steps * BATCH // SYMBOLS)
    inputs = rng.standard_normal((sessions + FOLDS, SYMBOLS, FEATURES), dtype=np.float32)
    labels = rng.standard_normal(inputs.shape[:2], dtype=np.float32)
    cells = np.arange(labels.size).reshape(labels.shape)
    lanes = []
    for fold in range(FOLDS):
        mine = np.full(sessions * SYMBOLS, NONE)
        mine[: steps * BATCH] = cells[fold : fold + sessions].reshape(-1)[: steps * BATCH]
        lanes.append(Lane(fold, fold, mine.reshape(sessions, SYMBOLS), cells[:0], _unscaled(FEATURES), 1.0))
    return Store(inputs, labels, None, "cpu"), lanes


def stacked(
    shape: MLPShape, store: Store, lanes: list[Lane], configs: list[Config], batch: int, device: str, epochs: int = 1
) -> Trainer:
    """A trainer of all networks at once."""
    usual = {"optimizer": "Adam", "learning_rate": configs[0].learning_rate}
    options = Options(epochs=epochs, batch=batch, validation=0.0, patience=None, **usual)
    return Trainer(Task(shape, store, lanes, configs, options, LOSSES["mse"], device))


def bare(shape: MLPShape, dropout: float, weights: dict[str, Tensor]) -> torch.nn.Sequential:
    """The same network as one would write it; ``weights`` (1, ...) to begin with, layer after layer."""
    widths = (shape.inputs, *shape.hidden)
    parts: list[torch.nn.Module] = []
    for inputs, outputs in pairwise(widths):
        parts += [torch.nn.Linear(inputs, outputs), ACTIVATIONS[shape.activation]()]
        parts += [torch.nn.Dropout(dropout)] if dropout else []
    network = torch.nn.Sequential(*parts, torch.nn.Linear(widths[-1], shape.outputs))
    with torch.no_grad():
        for own, given in zip(network.parameters(), weights.values(), strict=True):
            own.copy_(given[0])
    return network


def train_bare(network: torch.nn.Module, x: Tensor, y: Tensor, order: Tensor, batch: int, rate: float) -> None:
    """An epoch: the rows of ``order``, batch after batch."""
    optimizer = torch.optim.Adam(network.parameters(), lr=rate, fused=True)
    for cells in order.split(batch):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(network(x[cells])[:, 0], y[cells]).backward()
        optimizer.step()


def one_by_one(
    shape: MLPShape, store: Store, lanes: Sequence[Lane], configs: Sequence[Config], batch: int, device: str
) -> None:
    """Train a network of each lane and configuration, one after another."""
    x, y = store._flat, store._labels  # ready, on the device
    for lane in lanes:
        order = torch.from_numpy(row_order(lane, 0, batch)).to(device)
        for config in configs:
            first = build(shape, 1, [lane.seed], [0.0]).state()
            network = bare(shape, config.dropout, first).to(device).train()
            train_bare(network, x, y, order, batch, config.learning_rate)


def check_training(shape: MLPShape, steps: int) -> float:
    """Hold networks of the stack to the bare loop from the same weights in the same order, and to themselves alone.

    Returns:
        The largest difference of a weight.
    """
    store, lanes = market(steps)
    x, y = store._flat, store._labels
    worst = 0.0
    for name, configs in CONFIGURATIONS.items():
        trainer = stacked(shape, store, lanes, configs, BATCH, "cpu")
        trainer.run()
        for k, c in ((0, 0), (5, 7), (11, 11)):
            got = trainer.stack.models([k * len(configs) + c])
            alone = stacked(shape, store, [lanes[k]], [configs[c]], BATCH, "cpu")
            alone.run()
            worst = max(worst, _difference(got, alone.stack.models([0])))
            if name != "dropout":
                network = bare(shape, 0.0, build(shape, 1, [lanes[k].seed], [0.0]).state())
                order = torch.from_numpy(row_order(lanes[k], 0, BATCH))
                train_bare(network, x, y, order, BATCH, configs[c].learning_rate)
                values = (one.detach()[None] for one in network.parameters())
                worst = max(worst, _difference(got, dict(zip(got, values, strict=True))))
    if not worst <= PARITY:
        raise SystemExit(f"No parity, so nothing is timed. Largest difference of a weight: {worst}")
    return worst


def training(device: str, quick: bool) -> Report:
    """Milliseconds of a step of all 144 networks: in one stack, and one after another."""
    shape = MLPShape(FEATURES, 1, HIDDEN)
    report: Report = {"models": FOLDS * 12, "parity": check_training(shape, 10 if quick else 30), "rows": {}}
    steps, rounds = (8, 1) if quick else (200, 5)
    store, lanes = market(steps)
    sample = lanes[:1] if quick else lanes[:3]  # of the networks that are trained one after another
    for name, configs in CONFIGURATIONS.items():
        seconds: dict[str, list[float]] = {}
        for _ in range(rounds):
            for threads in _threads(device):
                torch.set_num_threads(threads)
                trainer = stacked(shape, store, lanes, configs, BATCH, device)
                spent = _clock(trainer.run, device) / steps
                seconds.setdefault(f"stacked, {threads} threads", []).append(spent)
                spent = _clock(partial(one_by_one, shape, store, sample, configs, BATCH, device), device)
                seconds.setdefault(f"alone, {threads} threads", []).append(spent / steps * FOLDS / len(sample))
        best = {key: min(values) for key, values in seconds.items()}
        both = {kind: min(v for key, v in best.items() if key.startswith(kind)) for kind in ("stacked", "alone")}
        report["rows"][name] = {**both, "each": best, "ratio": both["alone"] / both["stacked"]}
    return report


# Inference.


def inference(device: str, quick: bool) -> Report:
    """Seconds of scoring through `scores_of` and in a bare loop over the same windows, and the ratio."""
    whole = device == "cuda" and not quick
    symbols, sessions = (20, 8) if quick else (SYMBOLS, SESSIONS if whole else 128)
    history = WINDOW + 21
    panel = bt.synthetic(symbols, history + sessions, listings=0.0, endings=0.0, missing=0.0).panel
    rows = np.arange(history, history + sessions)
    inputs = Inputs(CHANNELS, WINDOW, "none", "drop")
    shape = RecurrentShape("lstm", len(CHANNELS), 1, UNITS)
    state = build(shape, 1, [0], [0.0]).models([0])
    names = tuple(CHANNELS)
    fitted = Fitted(shape, state, ("seed 0",), names, _unscaled(len(names)), 1.0, ("", ""), ())
    seen = see(panel, int(rows[0]), int(rows[-1]), inputs)
    if not seen.usable.all():
        raise SystemExit(f"{(~seen.usable).sum()} of {seen.usable.size} windows cannot be scored: the work is another.")

    def ours() -> np.ndarray:
        kept.clear()  # the channels are part of the work
        return scores_of(fitted, inputs, LOSSES["mse"], device, "float32", panel, rows)["seed 0"]

    store = torch.from_numpy(seen.values).to(device)  # (N, L - 1 + R, C)
    network, head = (part.to(device) for part in _bare_lstm(state))

    @torch.inference_mode()
    def bare_loop(batch: int) -> np.ndarray:
        cells = windows(store, WINDOW)  # (N, R, L*C)
        flat = torch.arange(symbols * sessions, device=device)
        parts = []
        for some in flat.split(batch):
            x = cells[some // sessions, some % sessions].view(len(some), WINDOW, -1)  # (B, L, C)
            parts.append(head(network(x)[0][:, -1])[:, 0])
        return torch.cat(parts).view(symbols, sessions).T.double().cpu().numpy()

    difference = float(np.abs(ours() - bare_loop(1024)).max())
    if not difference <= 1e-5:
        raise SystemExit(f"No parity, so nothing is timed. Largest difference of a score: {difference}")
    found: dict[str, float] = {}
    repeat = 1 if quick else 3
    for threads in _threads(device):
        torch.set_num_threads(threads)
        found[f"ours, {threads} threads"] = min(_clock(ours, device) for _ in range(repeat))
        for batch in BARE_BATCHES[: 2 if quick else None]:
            spent = min(_clock(partial(bare_loop, batch), device) for _ in range(repeat))
            found[f"bare, {threads} threads, batch {batch}"] = spent
    inputs_alone = min(timed(lambda: see(panel, int(rows[0]), int(rows[-1]), inputs), repeat)[0])
    both = {kind: min(v for key, v in found.items() if key.startswith(kind)) for kind in ("ours", "bare")}
    of_all = SYMBOLS * SESSIONS / (symbols * sessions)
    return {
        "windows": symbols * sessions, "difference": difference, "each": found, **both, "channels": inputs_alone,
        "whole": {kind: seconds * of_all for kind, seconds in both.items()}, "ratio": both["ours"] / both["bare"],
        "whole_is_measured": whole,
    }  # fmt: skip


def _bare_lstm(state: dict[str, Tensor]) -> tuple[torch.nn.LSTM, torch.nn.Linear]:
    """Torch's own layers with these weights."""
    network, head = torch.nn.LSTM(len(CHANNELS), UNITS, batch_first=True), torch.nn.Linear(UNITS, 1)
    names = ("input_weight", "hidden_weight", "input_bias", "hidden_bias")
    with torch.no_grad():
        for own, name in zip(network.parameters(), names, strict=True):
            own.copy_(state[f"layers.0.{name}"][0])
        head.weight.copy_(state["head.weight"][0])
        head.bias.copy_(state["head.bias"][0])
    return network, head


# The grid.


def grid(device: str, quick: bool) -> Report:
    """The grid of the chapter: whole on CUDA; on the CPU some steps of each stack, and what they say of the whole."""
    memory = Memory()
    panel = bt.synthetic(12 if quick else 995, 1900).panel
    signal = MLP(features="ml4t", activation="tanh", validation=0.0, optimizer="Adam", device=device)
    # The longest feature needs twelve sessions more than there are: the first fold lacks them.
    folds = bt.Folds.named("ml4t").split(len(panel.dates), horizon=signal.horizon, warmup=1)
    last = [int(fold.train[-1]) + signal.horizon + 1 for fold in folds]  # rows of the last labels
    jobs = [bt.FitJob(signal, panel.head(last[k]), fold.train, k + 1) for k, fold in enumerate(folds)]
    plan = signal.plan()
    (prepared,), (store, lanes, names) = timed(
        lambda: prepare(jobs, plan.inputs, plan.labels, 0.0, plan.seeds, device), 1
    )
    configs = [Config(p, 0.0, 0.0, RATE) for p in GRID_DROPOUTS]
    whole = device == "cuda" and not quick
    report: Report = {"prepare": prepared, "stacks": [], "models": len(lanes) * len(configs), "measured_whole": whole}
    samples = [int((lane.train != NONE).sum()) for lane in lanes]
    report["samples"] = {"least": min(samples), "most": max(samples)}
    for hidden in GRID_LAYERS:
        for batch in GRID_BATCHES:
            shape = MLPShape(len(names), 1, hidden, "tanh")
            steps = GRID_EPOCHS * -(-max(samples) // batch)
            stack: Report = {"hidden": hidden, "batch": batch, "steps": steps}
            if whole:
                trainer = stacked(shape, store, lanes, configs, batch, device, GRID_EPOCHS)
                stack["seconds"] = _clock(trainer.run, device)
            else:
                stack |= _grid_slice(shape, store, lanes, configs, batch, device, 4 if quick else 200)
                stack["seconds"] = stack["stacked"] * steps
                # Each network has steps of its own fold.
                each = GRID_EPOCHS * sum(-(-count // batch) for count in samples) * len(configs)
                stack["alone_seconds"] = stack["alone"] * each
            report["stacks"].append(stack)
    report["seconds"] = prepared + sum(stack["seconds"] for stack in report["stacks"])
    if not whole:
        report["alone_seconds"] = prepared + sum(stack["alone_seconds"] for stack in report["stacks"])
        report["ratio"] = report["alone_seconds"] / report["seconds"]
    report["peak_bytes"] = memory.peak()
    if device == "cuda":
        report["device_bytes"] = torch.cuda.max_memory_allocated()
    return report


def _grid_slice(
    shape: MLPShape, store: Store, lanes: list[Lane], configs: list[Config], batch: int, device: str, steps: int
) -> Report:
    """Seconds of a step of the stack, and of one network alone, on batches drawn from all of each fold."""
    rng = np.random.default_rng(0)
    fewer = []
    for lane in lanes:
        cells = lane.train[lane.train != NONE]
        take = rng.choice(cells, min(steps * batch, len(cells)), replace=False)
        fewer.append(lane._replace(train=take[None]))
    done = -(-max(lane.train.size for lane in fewer) // batch)
    best = {"stacked": np.inf, "alone": np.inf}
    for _ in range(2):
        for threads in _threads(device):
            torch.set_num_threads(threads)
            trainer = stacked(shape, store, fewer, configs, batch, device)
            best["stacked"] = min(best["stacked"], _clock(trainer.run, device) / done)
            spent = _clock(lambda: one_by_one(shape, store, fewer[:1], configs, batch, device), device)
            best["alone"] = min(best["alone"], spent / (done * len(configs)))
    return best


# What they share.


def _unscaled(count: int) -> Scale:
    return Scale(np.zeros(count), np.ones(count))


def _difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    return max(float((one[name] - other[name]).abs().max()) for name in one)


def _threads(device: str) -> tuple[int, ...]:
    return tuple(range(1, min(cores(), 2) + 1)) if device == "cpu" else (1,)


def _clock(work: Callable[[], Any], device: str) -> float:
    """Seconds of one call, the device's work included."""
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


JOBS = {"training": training, "inference": inference, "grid": grid}


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.device == "cpu":
        pin(2)
    report = JOBS[options.job](options.device, options.quick)
    name = torch.cuda.get_device_name() if options.device == "cuda" else f"CPU, {cores()} cores"
    print(json.dumps({"job": options.job, "on": name, "torch": torch.__version__, "quick": options.quick, **report}))


if __name__ == "__main__":
    main()
