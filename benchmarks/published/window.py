"""The next price from the last five, by a dense network: predicted against actual, and what the picture hides.

The prices are simulated random walks, in which nothing about the next change can be known. The curve of the predictions
still lies near that of the prices, because the last price is a good guess of the next one; so the network is held
against that guess, and the changes that it predicts against those that came. Where prices leave the range that taught
it, it does not follow.
"""

from __future__ import annotations

from typing import NamedTuple

import common
import numpy as np
import torch
from torch import nn

SOURCE = "a common example of tutorials; no source with a figure is known to us"
SEEDS = (0, 1, 2, 3, 4)  # each draws its own prices, and the first weights
WINDOW, TRAIN = 5, 800  # sessions; the first 800 windows teach, the last 200 test
EPOCHS, BATCH = 50, 32


class Found(NamedTuple):
    """What `measure` returns; a row for every seed, a column for every session of its test."""

    actual: np.ndarray  # (seeds, 200) prices
    predicted: np.ndarray  # (seeds, 200) by the network
    before: np.ndarray  # (seeds, 200) the last price known


def prices(seed: int) -> np.ndarray:
    """A random walk of 1,005 prices from 100, with normal log returns of 1 % a session."""
    steps = np.random.default_rng(seed).normal(0, 0.01, TRAIN + 200 + WINDOW - 1)
    return 100 * np.exp(np.concatenate([[0.0], np.cumsum(steps)]))


def predict(series: np.ndarray, seed: int) -> np.ndarray:
    """Prices that the network expects for the sessions from WINDOW on; taught on the first TRAIN of them."""
    low, high = series[: TRAIN + WINDOW].min(), series[: TRAIN + WINDOW].max()
    scaled = torch.from_numpy(((series - low) / (high - low)).astype(np.float32))
    x, y = scaled.unfold(0, WINDOW, 1)[:-1], scaled[WINDOW:]  # (1000, 5), (1000,)
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(WINDOW, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1), nn.Flatten(0))
    optimizer, loss = torch.optim.Adam(net.parameters(), lr=1e-3), nn.MSELoss()
    for _ in range(EPOCHS):
        for rows in torch.randperm(TRAIN).split(BATCH):
            optimizer.zero_grad()
            loss(net(x[rows]), y[rows]).backward()
            optimizer.step()
    with torch.no_grad():
        return net(x).numpy().astype(float) * (high - low) + low


def measure() -> Found:
    rows = []
    for seed in SEEDS:
        series = prices(seed)
        rows.append((series[WINDOW:][TRAIN:], predict(series, seed)[TRAIN:], series[WINDOW - 1 : -1][TRAIN:]))
    return Found(*(np.array(parts) for parts in zip(*rows, strict=True)))


def error(found: Found, guess: np.ndarray) -> np.ndarray:
    """(seeds,) root mean squared error, over the standard deviation of the change of a session."""
    return np.sqrt(((guess - found.actual) ** 2).mean(axis=1)) / (found.actual - found.before).std(axis=1)


def explained(found: Found) -> np.ndarray:
    """(seeds,) R squared of the predicted prices."""
    return 1 - ((found.predicted - found.actual) ** 2).mean(axis=1) / found.actual.var(axis=1)


def correlation(found: Found) -> np.ndarray:
    """(seeds,) between predicted and actual changes."""
    pairs = zip(found.predicted - found.before, found.actual - found.before, strict=True)
    return np.array([np.corrcoef(predicted, actual)[0, 1] for predicted, actual in pairs])


def report(found: Found) -> None:
    def line(name: str, values: np.ndarray) -> common.Figure:
        return common.Figure(name, "-", f"{np.median(values):.2f} ({values.min():.2f} to {values.max():.2f})")

    lines = [
        line("R squared of the predicted prices", explained(found)),
        line("error of the network, in deviations of a session's change", error(found, found.predicted)),
        line("error of the last price", error(found, found.before)),
        line("correlation of predicted and actual changes", correlation(found)),
    ]
    common.show(f"Next price from the last five; median and range over {len(SEEDS)} random walks", lines, SOURCE)


def draw(plt, found: Found, path) -> None:
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.8), layout="constrained")
    for seed, axis in enumerate(axes[:2]):
        axis.plot(found.actual[seed], color=common.INK, linewidth=1.2, label="actual")
        axis.plot(found.predicted[seed], color=common.SECOND, linewidth=1.2, label="predicted")
        lowest = prices(SEEDS[seed])[: TRAIN + WINDOW].min()
        if found.actual[seed].min() < lowest:
            axis.axhline(lowest, color=common.FAINT, linewidth=1, linestyle="--", label="lowest price that taught")
        axis.set(title=f"Random walk {SEEDS[seed]}", xlabel="test session", ylabel="price")
        axis.legend()
    predicted, actual = found.predicted[1] - found.before[1], found.actual[1] - found.before[1]
    axes[2].axhline(0, color=common.FAINT, zorder=0)
    axes[2].axvline(0, color=common.FAINT, zorder=0)
    axes[2].scatter(predicted, actual, s=8, color=common.FIRST)
    title = f"Changes of random walk {SEEDS[1]}: correlation {correlation(found)[1]:.2f}"
    axes[2].set(title=title, xlabel="predicted change", ylabel="actual change")
    figure.savefig(path)


if __name__ == "__main__":
    common.run("window", measure, report, draw)
