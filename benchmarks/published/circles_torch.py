"""The network of circles.py in torch: the same descent from the same parameters, and the faster way of today."""

from __future__ import annotations

import numpy as np
import torch

Parts = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # (2, 3), (1, 3), (3, 2), (1, 2), as circles.Weights


def in_torch(w: Parts) -> torch.nn.Sequential:
    """The same network, with the same parameters."""
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Sigmoid(), torch.nn.Linear(3, 2)).double()
    parts = w[0].T, w[1][0], w[2].T, w[3][0]
    with torch.no_grad():
        for parameter, part in zip(net.parameters(), parts, strict=True):
            parameter.copy_(torch.from_numpy(part.copy()))
    return net


def losses(x: torch.Tensor, y: torch.Tensor, w: Parts, iterations: int, rate: float, momentum: float) -> np.ndarray:
    """Losses of the same descent by autograd and torch.optim.SGD."""
    net, found = in_torch(w), []
    optimizer = torch.optim.SGD(net.parameters(), lr=rate, momentum=momentum)
    for _ in range(iterations):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(x), y, reduction="sum")
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return np.array(found)


def adam_accuracy(x: torch.Tensor, y: torch.Tensor, w: Parts) -> float:
    """Share of points told apart after 10 epochs of Adam in batches of 250, the order drawn with seed 0."""
    net, order = in_torch(w), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(10):
        for rows in torch.randperm(len(x), generator=order).split(250):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            optimizer.step()
    with torch.no_grad():
        return float((net(x).argmax(dim=1) == y).double().mean())
