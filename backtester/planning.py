"""Who fills the kernel's plan: a strategy asked one decision at a time, or one that hands over many rows at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from backtester.engine import memory
from backtester.engine import types as et
from backtester.errors import StrategyError
from backtester.market.panel import Panel
from backtester.strategy import Floats, Strategy, in_rows, overrides
from backtester.submission import WEIGHT_RULE, Submission, is_weight

# Runs a function of the strategy for some sessions and words its errors.
Call = Callable[[range, Callable[[], Floats]], Floats]

# Sessions whose targets are computed at a time in a stride: small enough to stay in the processor's cache.
CHUNK = 64


class OneByOne:
    """Ask ``decide`` after every session in which a decision is due."""

    def __init__(self, strategy: Strategy, panel: Panel, decide: Callable[[int, Submission], None]) -> None:
        """``decide(t, submission)`` asks the strategy and adds its answer."""
        self._sessions, symbols = panel.shape
        self._first = strategy.warmup - 1
        self._every = strategy.every
        self._decide = decide
        self._plan = memory.new_plan(self._sessions, symbols)

    def plan(self, t: int, submission: Submission) -> et.Plan:
        """The plan from session ``t`` up to the next session in which a decision is due."""
        if t < self._first:
            rows = self._first - t
        else:
            since = (t - self._first) % self._every
            rows = self._every - since
            if since == 0:
                self._decide(t, submission)
        self._plan = submission.write(self._plan, t, min(rows, self._sessions - t))
        return self._plan

    def close(self) -> None:
        """Nothing to give back."""


class InStrides:
    """Take the targets of CHUNK sessions at a time from ``decide_rows``, the next chunk on a second core meanwhile.

    On the same core for a run outside of the main thread. The bytes are the same.
    """

    def __init__(self, strategy: Strategy, panel: Panel, scores: Floats | None, call: Call) -> None:
        """``call(sessions, function)`` runs a function of the strategy and words its errors."""
        self._strategy = strategy
        self._panel = panel
        self._scores = scores
        self._call = call
        self._sessions, symbols = panel.shape
        self._first = min(strategy.warmup - 1, self._sessions)
        self._single = memory.new_plan(1, symbols)
        self._spare = [memory.new_plan(CHUNK, symbols, CHUNK) for _ in range(2)]
        self._current: et.Plan | None = None
        self._coming: Future[et.Plan] | None = None
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        # A strategy that listens may keep something that `decide_rows` reads: then one after the other.
        listens = overrides(strategy, "on_fill") or overrides(strategy, "on_halt")
        # Outside of the main thread a run is one of many, and the second core has one of its own.
        alone = threading.current_thread() is threading.main_thread()
        self._pool = ThreadPoolExecutor(1) if cores > 1 and alone and not listens else None

    def plan(self, t: int, submission: Submission) -> et.Plan:
        """The chunk that session ``t`` lies in, or a plan for ``t`` alone if another method wants something too."""
        chunk = self._chunk(t)
        if submission.is_empty:
            return chunk
        row = t - int(chunk.span[et.PLAN_FIRST])
        if chunk.kind[row] == et.ALL:
            submission.add(chunk.weights[row].copy())
        self._single = submission.write(self._single, t, 1)
        return self._single

    def close(self) -> None:
        """Give the second core back."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _chunk(self, t: int) -> et.Plan:
        if t < self._first:
            return self._waiting(t)
        current = self._current
        if current is not None:
            if t < _stop(current):
                return current
            self._spare.append(current)
        if self._coming is not None:
            current = self._coming.result()
            self._coming = None
        else:
            current = self._compute(t, self._spare.pop())
        self._current = current
        following = _stop(current)
        if self._pool is not None and following < self._sessions:
            self._coming = self._pool.submit(self._compute, following, self._spare.pop())
        return current

    def _waiting(self, t: int) -> et.Plan:
        """The sessions before the first decision, all in one stride: there is nothing to be asked."""
        plan = memory.new_plan(self._first - t, self._panel.shape[1])
        plan.span[:] = (t, self._first - t, -1)
        plan.kind[:] = et.NOTHING
        return plan

    def _compute(self, t: int, plan: et.Plan) -> et.Plan:
        """Fill ``plan`` with the targets of the sessions from ``t`` on."""
        stop = min(t + CHUNK, self._sessions)
        plan.span[:] = (t, stop - t, -1)
        plan.kind[:] = et.NOTHING
        first, every = self._strategy.warmup - 1, self._strategy.every
        due = range(first if t <= first else t + (first - t) % every, stop, every)
        if len(due) > 0:
            rows = slice(due[0] - t, stop - t, every)
            plan.weights[rows] = self._call(due, lambda: self._weights(due))
            plan.kind[rows] = et.ALL
        return plan

    def _weights(self, due: range) -> Floats:
        """Ask ``decide_rows`` for the sessions ``due``, with nothing after the last of them, and check its answer."""
        panel = self._panel.head(due[-1])
        scores = None if self._scores is None else self._scores[: due[-1] + 1]
        weights = np.asarray(self._strategy.decide_rows(panel, scores, due))
        expected = (len(due), self._panel.shape[1])
        if weights.shape != expected or weights.dtype.kind not in "fiub":
            raise StrategyError(
                f"it returned shape {weights.shape} and type {weights.dtype} for {len(due)} sessions; "
                f"it must be numbers of shape {expected}."
            )
        good = is_weight(weights)
        if not good.all():
            k, i = (int(place) for place in np.argwhere(~good)[0])
            raise StrategyError(
                f"the weight of {self._panel.symbols[i]!r} on {self._panel.dates[due[k]]} is {weights[k, i]}; "
                f"{WEIGHT_RULE}"
            )
        return weights


def new_planner(
    strategy: Strategy,
    panel: Panel,
    scores: Floats | None,
    decide: Callable[[int, Submission], None],
    call: Call,
    ahead: bool,
) -> OneByOne | InStrides:
    """In strides where ``decide_rows`` speaks for the strategy and may be asked ``ahead`` of time; see both classes."""
    if ahead and in_rows(strategy):
        return InStrides(strategy, panel, scores, call)
    return OneByOne(strategy, panel, decide)


def _stop(plan: et.Plan) -> int:
    """The session after the last of a plan."""
    return int(plan.span[et.PLAN_FIRST] + plan.span[et.PLAN_ROWS])
