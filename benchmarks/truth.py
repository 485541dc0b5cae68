"""How much of a planted truth is found out of sample: correlation with the score that moves the market.

``python benchmarks/truth.py`` prints both tables, ``--kind`` one of them. Markets of 500 symbols; 504 sessions to
train, one left out, 100 scored. Recipes were chosen on the markets of seeds 10 and 11; the market that figures are
reported for is that of seed 0.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

import backtester as bt
import signals
from backtester.cross_section import demeaned
from backtester.metrics.ic import rank_ic

SYMBOLS, TRAIN, TEST = 500, 504, 100
BEFORE = 63  # rows that the inputs reach back, at most
STRENGTHS = (0.10, 0.03)  # daily rank IC of what is planted
Make = Callable[[], bt.Signal]

_FLAT = {"features": ["extra"], "batch": 2048, "learning_rate": 3e-3, "label": "ranked", "monitor": "ic"}
_DECAY = {"optimizer": "AdamW", "optimizer_arguments": {"weight_decay": 0.3}}
# Long on a plateau before they find anything, so that none stops early; what is kept is the best epoch all the same.
_WINDOW = {
    "features": ["return"], "window": 20, "batch": 1024, "learning_rate": 5e-3, "label": "ranked", "monitor": "ic",
    "epochs": 10, "patience": None, "optimizer": "Adam",
}  # fmt: skip
SIGNALS: dict[str, dict[str, Make]] = {
    "interactions": {
        "ridge": lambda: signals.Estimator("sklearn.linear_model:Ridge", features=["extra"]),
        "MLP, 3 seeds": lambda: signals.MLP((32, 16), seeds=3, **_FLAT, **_DECAY),
        "MLP, 3 seeds, default settings": lambda: signals.MLP(seeds=3),
    },
    "order": {
        "MLP on the last day": lambda: signals.MLP(batch=2048, learning_rate=3e-3, label="ranked", monitor="ic"),
        "RNN": lambda: signals.RNN(16, **_WINDOW),
        "LSTM": lambda: signals.LSTM(16, **_WINDOW),
        "GRU": lambda: signals.GRU(16, **_WINDOW),
        "CNN": lambda: signals.CNN((16, 16, 16, 16), **_WINDOW),
        "Transformer": lambda: signals.Transformer(16, 2, 1, **_WINDOW),
    },
}


class Found(NamedTuple):
    """What a signal found."""

    correlation: float  # of its scores with the truth, the mean over the sessions
    members: list[float]  # the same of each seed, if there are several
    ic: float  # mean rank IC of its scores
    oracle: float  # that of the truth, over the same cells
    seconds: float  # to fit and to score


def market(kind: str, strength: float, seed: int = 0) -> Any:
    """The market in which so much is planted."""
    return bt.synthetic(SYMBOLS, BEFORE + TRAIN + 1 + TEST, seed, kind=kind, rank_ic=strength)  # type: ignore[arg-type]


def find(where: Any, make: Make) -> Found:
    """Walk forward over the last ``TEST`` sessions."""
    began = time.perf_counter()
    scores = bt.walk_forward(where.panel, make(), bt.Folds(TRAIN, TEST, n_splits=1))
    seconds = time.perf_counter() - began
    label = bt.labels(where.panel)
    scored = np.where(np.isfinite(scores.values), where.score, np.nan)
    return Found(
        correlation(scores.values, where.score),
        [correlation(values, where.score) for values in scores.members.values()],
        float(np.nanmean(rank_ic(scores.values, label))),
        float(np.nanmean(rank_ic(scored, label))),
        seconds,
    )


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Mean over the sessions of Pearson's correlation over the symbols."""
    both = np.isfinite(one) & np.isfinite(other)
    one, other = (demeaned(np.where(both, values, np.nan)) for values in (one, other))
    products = [np.nansum(a * b, axis=1) for a, b in ((one, other), (one, one), (other, other))]
    used = both.sum(axis=1) > 2
    return float((products[0][used] / np.sqrt(products[1][used] * products[2][used])).mean())


def table(kind: str, seed: int, names: list[str]) -> None:
    """Print what each signal finds, strength by strength."""
    print(f"## {kind}, seed {seed}\n")
    print("| planted IC | signal | correlation with the truth | single seeds | rank IC | of the truth | s |")
    print("|---|---|---|---|---|---|---|")
    for strength in STRENGTHS:
        where = market(kind, strength, seed)
        for name in names or SIGNALS[kind]:
            found = find(where, SIGNALS[kind][name])
            seeds = ", ".join(f"{one:.3f}" for one in found.members) or "-"
            print(
                f"| {strength:.2f} | {name} | {found.correlation:.3f} | {seeds} | {found.ic:.4f} | {found.oracle:.4f} "
                f"| {found.seconds:.0f} |",
                flush=True,
            )
    print()


def main() -> None:
    parser = argparse.ArgumentParser(description="How much of a planted truth networks find, out of sample.")
    parser.add_argument("--kind", choices=[*SIGNALS], help="what is planted; both if not given")
    parser.add_argument("--seed", type=int, default=0, help="of the market")
    parser.add_argument("--only", nargs="*", default=[], help="names of signals, with --kind")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(f"{SYMBOLS} symbols, {TRAIN} sessions to train, {TEST} scored; threads: {given.threads}\n")
    for kind in [given.kind] if given.kind else SIGNALS:
        table(kind, given.seed, given.only)


if __name__ == "__main__":
    main()
