"""Modules such as a user may bring, good and bad ones."""

from __future__ import annotations

import torch
from torch import nn


class Small(nn.Module):
    """Two layers, with dropout of torch's own."""

    def __init__(self, inputs: int, outputs: int, hidden: int = 4, dropout: float = 0.0):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), nn.Dropout(dropout), nn.Linear(hidden, outputs))

    def forward(self, x):
        return self.body(x)


class Normed(nn.Sequential):
    """Its norm counts batches in a number without dimensions."""

    def __init__(self, inputs: int, units: int = 4):
        super().__init__(nn.Linear(inputs, units), nn.BatchNorm1d(units), nn.Tanh(), nn.Linear(units, 1))


class LastOf(Small):
    """Of a window it sees the last session."""

    def forward(self, x):
        return self.body(x[:, -1])[:, 0]  # (B,) for one output


class Wide(Small):
    """Gives a number too many."""

    def forward(self, x):
        return torch.cat([self.body(x), self.body(x)], dim=1)


class Breaks(Small):
    """Its output is no number."""

    def forward(self, x):
        return self.body(x) * torch.nan


class BreaksLater(Small):
    """The same from the 30th batch that it learns from on."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs)
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        if self.training:
            self.seen += 1
        return self.body(x) * (torch.nan if self.seen >= 30 else 1.0)
