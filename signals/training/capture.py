"""CUDA graphs of training steps: recorded once, then run again without the program in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

WARM_STEPS = 3  # that make all that a step needs, before one is recorded
_WORTH = 8  # steps left to do below which recording one takes longer


class Graphs:
    """Steps as CUDA graphs, by the optimizers that move in them.

    A graph reads and writes the memory that it was recorded with, and repeats the numbers that it was recorded with.
    Whoever puts another tensor in the place of one, or changes such a number (a learning rate), has to `forget`.
    """

    def __init__(self) -> None:
        """None yet."""
        self._graphs: dict[tuple[int, ...], Any] = {}
        self._pool: Any = None

    def forget(self) -> None:
        """Record anew from here on."""
        self._graphs.clear()
        self._pool = None

    def replayed(self, moving: tuple[int, ...]) -> bool:
        """Do the step in which these optimizers move, if it has been recorded."""
        graph = self._graphs.get(moving)
        if graph is None:
            return False
        graph.replay()
        return True

    def record(self, moving: tuple[int, ...], step: Callable[[], None], done: int, left: int) -> None:
        """Record a step, which does nothing yet, if that is worth it.

        Args:
            moving: the optimizers that move in it.
            step: what it does, all of it on the device.
            done: steps of this epoch before it, run as they are.
            left: steps like it that are still to do.
        """
        if done < WARM_STEPS or left < _WORTH:
            return
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=torch.cuda.current_stream()):
            step()
        self._graphs[moving] = graph


@contextmanager
def side_stream(device: str) -> Iterator[None]:
    """On CUDA a stream of its own for all that is done inside: the default one cannot be recorded."""
    if device != "cuda":
        yield
        return
    stream, outer = torch.cuda.Stream(), torch.cuda.current_stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(outer)
    try:
        with torch.cuda.stream(stream):
            yield
    finally:
        outer.wait_stream(stream)
