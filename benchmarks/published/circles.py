"""A network of 17 parameters that tells two circles apart: by hand in NumPy, and the same in torch.

2 inputs, 3 logistic hidden units, 2 softmax outputs; full-batch gradient descent with momentum.
"""

from __future__ import annotations

from typing import NamedTuple

import circles_torch
import common
import numpy as np
import torch
from sklearn.datasets import make_circles

SOURCE = "S. Jansen, Machine Learning for Algorithmic Trading, 2nd ed. (2020), chapter 17, figures 17.4 and 17.5"
RATE, MOMENTUM = 1e-4, 0.5  # of the loss summed over the points, as the source has them
ITERATIONS = 10_000  # the source goes on to 50,000; the fall of the loss, and nearly every point, are behind it here
SHARED = 300  # iterations over which NumPy and torch are compared


class Weights(NamedTuple):
    """All 17 parameters."""

    hidden: np.ndarray  # (2, 3)
    hidden_bias: np.ndarray  # (1, 3)
    output: np.ndarray  # (3, 2)
    output_bias: np.ndarray  # (1, 2)


class Found(NamedTuple):
    """What `measure` returns."""

    x: np.ndarray  # (n, 2)
    y: np.ndarray  # (n,) 0 outside, 1 inside
    weights: Weights
    losses: np.ndarray  # (ITERATIONS,) summed cross-entropy before each step
    gradient_error: float  # largest difference to the numerical gradient, over the largest gradient
    torch_difference: float  # largest relative difference of the losses over the first SHARED iterations
    accuracy: float
    adam_accuracy: float


def points(random: np.random.RandomState, count: int = 50_000) -> tuple[np.ndarray, np.ndarray]:
    return make_circles(n_samples=count, shuffle=True, factor=0.1, noise=0.1, random_state=random)


def start(random: np.random.RandomState) -> Weights:
    return Weights(*(random.randn(*shape) for shape in ((2, 3), (1, 3), (3, 2), (1, 2))))


def forward(x: np.ndarray, w: Weights) -> tuple[np.ndarray, np.ndarray]:
    """Hidden activations (n, 3) and probabilities (n, 2)."""
    hidden = 1 / (1 + np.exp(-(x @ w.hidden + w.hidden_bias)))
    scores = hidden @ w.output + w.output_bias
    inside = 1 / (1 + np.exp(scores[:, 0] - scores[:, 1]))  # a softmax of two is a logistic of their difference
    return hidden, np.stack([1 - inside, inside], axis=1)


def loss_of(chance: np.ndarray, y: np.ndarray) -> float:
    """Cross-entropy, summed over the points."""
    return float(-np.log(np.where(y == 1, chance[:, 1], chance[:, 0])).sum())


def gradients(x: np.ndarray, y: np.ndarray, w: Weights) -> tuple[float, Weights]:
    """Loss, and its derivative by every parameter, by back-propagation."""
    hidden, chance = forward(x, w)
    error = chance - np.stack([1 - y, y], axis=1)  # (n, 2) d loss / d scores
    behind = (error @ w.output.T) * hidden * (1 - hidden)  # (n, 3) d loss / d hidden scores
    parts = x.T @ behind, behind.sum(axis=0, keepdims=True), hidden.T @ error, error.sum(axis=0, keepdims=True)
    return loss_of(chance, y), Weights(*parts)


def gradient_error(x: np.ndarray, y: np.ndarray, w: Weights, step: float = 1e-4) -> float:
    """Largest difference of a gradient to its central difference, over the largest gradient."""
    _, exact = gradients(x, y, w)
    worst = 0.0
    for part, derivative in zip(w, exact, strict=True):
        for place in np.ndindex(part.shape):
            sides = []
            for sign in (1, -1):
                part[place] += sign * step
                sides.append(loss_of(forward(x, w)[1], y))
                part[place] -= sign * step
            worst = max(worst, abs((sides[0] - sides[1]) / (2 * step) - derivative[place]))
    return worst / max(np.abs(part).max() for part in exact)


def descend(x: np.ndarray, y: np.ndarray, w: Weights, iterations: int) -> tuple[Weights, np.ndarray]:
    """Momentum: the step is MOMENTUM times the last one less RATE times the gradient."""
    steps = Weights(*(np.zeros_like(part) for part in w))
    losses = np.empty(iterations)
    for i in range(iterations):
        losses[i], slope = gradients(x, y, w)
        steps = Weights(*(MOMENTUM * last - RATE * part for last, part in zip(steps, slope, strict=True)))
        w = Weights(*(part + move for part, move in zip(w, steps, strict=True)))
    return w, losses


def measure() -> Found:
    random = np.random.RandomState(42)  # the source's generator and order of draws: points, weights to check, weights
    x, y = points(random)
    error = gradient_error(x, y, start(random))
    first = start(random)
    weights, losses = descend(x, y, first, ITERATIONS)
    tensors = torch.from_numpy(x), torch.from_numpy(y)
    accuracy = float((forward(x, weights)[1].argmax(axis=1) == y).mean())
    again = circles_torch.losses(*tensors, first, SHARED, RATE, MOMENTUM)
    difference = float(np.abs(again / losses[:SHARED] - 1).max())
    adam = circles_torch.adam_accuracy(*tensors, first)
    return Found(x, y, weights, losses, error, difference, accuracy, adam)


def fallen(losses: np.ndarray) -> int:
    """First iteration whose loss is below half of the plateau's, that of iteration 1,000."""
    return int(np.flatnonzero(losses < losses[1_000] / 2)[0])


def report(found: Found) -> None:
    wrong = round((1 - found.accuracy) * len(found.y))
    lines = [
        common.Figure("parameters", "17", str(sum(part.size for part in found.weights))),
        common.Figure("iterations before the loss falls", "more than 5,000", f"{fallen(found.losses):,}"),
        common.Figure("points on the wrong side", "very few", f"{wrong} of {len(found.y):,} after {ITERATIONS:,}"),
        common.Figure("gradients against differences", "np.allclose", f"{found.gradient_error:.1e} of the largest"),
        common.Figure("torch against NumPy, losses", "-", f"{found.torch_difference:.1e} over {SHARED} iterations"),
        common.Figure("torch, 10 epochs of Adam", "-", f"accuracy {found.adam_accuracy:.5f}"),
    ]
    common.show("Two circles, 2-3-2 network", lines, SOURCE)


def draw(plt, found: Found, path) -> None:
    x, y = found.x[:1500], found.y[:1500]
    hidden, _ = forward(x, found.weights)
    colours = np.where(y == 1, common.SECOND, common.FIRST)
    figure = plt.figure(figsize=(10, 6.4), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(1, 1.5))
    loss = upper.subplots()
    loss.semilogy(found.losses, color=common.INK)
    loss.set(title="Loss, summed over 50,000 points", xlabel="iteration", xlim=(0, ITERATIONS))
    plane = lower.add_subplot(1, 3, 1)
    side = np.linspace(-1.5, 1.5, 200)
    grid = np.stack(np.meshgrid(side, side), axis=-1)  # (200, 200, 2)
    inside = forward(grid.reshape(-1, 2), found.weights)[1][:, 1].reshape(200, 200)
    plane.contourf(side, side, inside, levels=[0, 0.5, 1], colors=["#dcebf0", "#f8e1d9"])
    plane.scatter(*x.T, s=3, c=colours)
    plane.set(title="Points and what is told apart", aspect="equal")
    space = lower.add_subplot(1, 3, 2, projection="3d")
    space.scatter(*hidden.T, s=3, c=colours)
    space.set(title="The three hidden units", xticks=(0, 1), yticks=(0, 1), zticks=(0, 1))
    output = lower.add_subplot(1, 3, 3)
    odds = forward(found.x, found.weights)[0] @ (found.weights.output @ [-1, 1]) + found.weights.output_bias @ [-1, 1]
    for side, colour in ((0, common.FIRST), (1, common.SECOND)):
        output.hist(odds[found.y == side], bins=60, color=colour)
    output.axvline(0, color=common.INK, linewidth=1)
    output.set(title="The output: one cut is enough", xlabel="log-odds of the inner circle", ylabel="points")
    figure.savefig(path)


if __name__ == "__main__":
    common.run("circles", measure, report, draw)
