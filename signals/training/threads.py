"""Compiled work on several threads: as many as PyTorch may use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from functools import lru_cache

import scipy.linalg.cython_blas  # noqa: F401 - what compiled products call is loaded before its threads are counted
import torch
from threadpoolctl import ThreadpoolController


def in_threads(work: Sequence[Callable[[], None]], tell: Callable[[int], None] = lambda finished: None) -> None:
    """Do all the work, each piece with matrix products of one thread.

    Args:
        work: pieces that hold the interpreter's lock for a small part of their time.
        tell: called with the number of pieces that are done.

    Raises:
        Exception: the first that a piece raised; what has not begun is then left.
    """
    with _libraries().limit(limits=1, user_api="blas"), ThreadPoolExecutor(torch.get_num_threads()) as pool:
        futures: list[Future[None]] = [pool.submit(one) for one in work]
        try:
            for finished, future in enumerate(as_completed(futures), 1):
                future.result()
                tell(finished)
        finally:  # an interrupt must not wait for what has not begun
            for future in futures:
                future.cancel()


@lru_cache(maxsize=1)
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()
