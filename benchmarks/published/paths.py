"""A two-layer LSTM (50) on a simulated portfolio, whose forecast is fed back on itself for 30 steps: a fan over seeds.

Four assets of weights 40/45/5/10, rebalanced daily, with normal returns. Nothing about the path to come can be known
but its drift and its spread, so the fan is held against paths drawn from the same returns.
"""

from __future__ import annotations

from typing import NamedTuple

import common
import numpy as np
import torch
from torch import nn

SOURCE = "a common example of tutorials; no source with a figure is known to us"
SEEDS = tuple(range(8))  # of the first weights and the order of the batches; the market is one, drawn with seed 0
WEIGHTS = np.array([0.40, 0.45, 0.05, 0.10])  # shares, bonds, gold, commodities
DRIFT, SPREAD = np.array([0.07, 0.03, 0.04, 0.03]), np.array([0.18, 0.06, 0.16, 0.20])  # a year
CORRELATION = np.array([[1.0, 0.1, 0.0, 0.3], [0.1, 1.0, 0.2, 0.0], [0.0, 0.2, 1.0, 0.3], [0.3, 0.0, 0.3, 1.0]])
SESSIONS, WINDOW, AHEAD = 1_000, 30, 30
EPOCHS, BATCH = 20, 32


class Found(NamedTuple):
    """What `measure` returns, in units of the portfolio's value (100 at the start)."""

    history: np.ndarray  # (SESSIONS,)
    came: np.ndarray  # (AHEAD,) what came after it
    fan: np.ndarray  # (seeds, AHEAD) the forecast of each seed
    market: np.ndarray  # (2000, AHEAD) paths that could as well have come
    one_step: np.ndarray  # (seeds,) error of a step ahead, over the daily deviation, on sessions that taught
    last_value: float  # the same of the guess that nothing changes


class Net(nn.Module):
    """Two LSTMs of 50 units, and a dense layer on what the last step says."""

    def __init__(self) -> None:
        """New weights, by the global seed."""
        super().__init__()
        self.lstm = nn.LSTM(1, 50, num_layers=2, batch_first=True)
        self.dense = nn.Linear(50, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The next value of every window."""
        return self.dense(self.lstm(x[:, :, None])[0][:, -1])[:, 0]  # (B, WINDOW) to (B,)


def returns(random: np.random.Generator, *shape: int) -> np.ndarray:
    """Daily returns of the portfolio."""
    root = np.linalg.cholesky(CORRELATION) * SPREAD[:, None] / np.sqrt(252)
    return (random.standard_normal((*shape, 4)) @ root.T + DRIFT / 252) @ WEIGHTS


def train(scaled: torch.Tensor, seed: int) -> Net:
    x, y = scaled.unfold(0, WINDOW, 1)[:-1], scaled[WINDOW:]  # (n, WINDOW), (n,)
    torch.manual_seed(seed)
    net = Net()
    optimizer, loss = torch.optim.Adam(net.parameters(), lr=3e-3), nn.MSELoss()
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            loss(net(x[rows]), y[rows]).backward()
            optimizer.step()
    return net


@torch.no_grad()
def forecast(net: Net, scaled: torch.Tensor) -> np.ndarray:
    """AHEAD values, each from a window that ends with the guesses before it."""
    window = scaled[None, -WINDOW:]
    for _ in range(AHEAD):
        window = torch.cat([window, net(window[:, -WINDOW:])[None]], dim=1)
    return window[0, WINDOW:].numpy().astype(float)


def measure() -> Found:
    random = np.random.default_rng(0)
    values = 100 * np.cumprod(1 + returns(random, SESSIONS + AHEAD))
    history, came = values[:SESSIONS], values[SESSIONS:]
    market = history[-1] * np.cumprod(1 + returns(random, 2_000, AHEAD), axis=1)
    low, high = history.min(), history.max()
    scaled = torch.from_numpy(((history - low) / (high - low)).astype(np.float32))
    change, fan, one_step = np.diff(history)[WINDOW - 1 :], [], []
    for seed in SEEDS:
        net = train(scaled, seed)
        fan.append(forecast(net, scaled) * (high - low) + low)
        with torch.no_grad():
            guess = net(scaled.unfold(0, WINDOW, 1)[:-1]).numpy() * (high - low) + low
        one_step.append(np.sqrt(((guess - history[WINDOW:]) ** 2).mean()) / change.std())
    last = np.sqrt((change**2).mean()) / change.std()
    return Found(history, came, np.array(fan), market, np.array(one_step), float(last))


def report(found: Found) -> None:
    end, market = found.fan[:, -1] / found.history[-1] - 1, found.market[:, -1] / found.history[-1] - 1
    steps = np.abs(np.diff(found.fan, axis=1)).mean() / np.abs(np.diff(found.market, axis=1)).mean()
    one = found.one_step
    lines = [
        common.Figure(
            "error a step ahead, in daily deviations", "-", f"{one.mean():.2f} ({one.min():.2f} to {one.max():.2f})"
        ),
        common.Figure("the same of the last value", "-", f"{found.last_value:.2f}"),
        common.Figure("30 steps ahead, range of the seeds", "one path", f"{end.min():+.1%} to {end.max():+.1%}"),
        common.Figure(
            "30 steps ahead, market, 5 % to 95 %", "-", "{:+.1%} to {:+.1%}".format(*np.quantile(market, [0.05, 0.95]))
        ),
        common.Figure("30 steps ahead, what came", "-", f"{found.came[-1] / found.history[-1] - 1:+.1%}"),
        common.Figure("daily move of a forecast, over the market's", "-", f"{steps:.2f}"),
    ]
    common.show(f"LSTM (50, 50) on a 40/45/5/10 portfolio, {len(SEEDS)} seeds", lines, SOURCE)


def draw(plt, found: Found, path) -> None:
    figure, axis = plt.subplots(figsize=(9, 4.4), layout="constrained")
    past, ahead = np.arange(-89, 1), np.arange(AHEAD + 1)
    now = found.history[-1]
    band = np.quantile(found.market, [0.05, 0.95], axis=0)
    axis.fill_between(ahead, *np.insert(band, 0, now, axis=1), color="#eeeeee", label="market, 5 % to 95 %")
    axis.plot(past, found.history[-90:], color=common.INK, linewidth=1.2)
    axis.plot(ahead, np.insert(found.came, 0, now), color=common.INK, linewidth=1.2, label="what came")
    for number, line in enumerate(found.fan):
        label = f"forecasts, {len(found.fan)} seeds" if number == 0 else None
        axis.plot(ahead, np.insert(line, 0, now), color=common.SECOND, linewidth=1, alpha=0.8, label=label)
    axis.axvline(0, color=common.FAINT, linewidth=1)
    axis.set(
        title="Thirty steps, each from the guesses before it",
        xlabel="sessions from today",
        ylabel="value of the portfolio",
    )
    axis.legend(loc="upper left")
    figure.savefig(path)


if __name__ == "__main__":
    common.run("paths", measure, report, draw)
