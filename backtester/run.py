"""Puts panel, strategy, scores and layers together, and runs them: the only caller of the kernel."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from backtester.arguments import check_length, check_panel, check_settings, check_strategy, describe_strategy, twin_of
from backtester.benchmark import resolve
from backtester.engine import memory
from backtester.engine import types as et
from backtester.engine.kernel import advance
from backtester.errors import BacktesterError, DataError, StrategyError, raised_at
from backtester.folds import Folds
from backtester.inputs import align_scores, fill_quality, to_market, watched_signal
from backtester.live import Live, SignalCall, scores_for_run
from backtester.market.panel import Panel
from backtester.planning import InStrides, OneByOne, new_planner
from backtester.portfolio.rules import to_rules
from backtester.portfolio.settings import Costs, Execution, RiskLimits
from backtester.result import Resting, Result
from backtester.scores import Scores
from backtester.signal import Signal
from backtester.snapshot import Snapshot
from backtester.strategy import Fills, Halt, Strategy, Universe, View, overrides
from backtester.submission import Submission

CASH = 10_000_000.0
COSTS = Costs()
RISK = RiskLimits()
EXECUTION = Execution()
_TOLD = 256  # sessions between two calls of `progress`

Answer = TypeVar("Answer")


def run(
    panel: Panel,
    strategy: Strategy,
    *,
    scores: Any = None,
    signal: Signal | None = None,
    folds: Folds | None = None,
    online: bool = False,
    seed: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    checkpoints: str | os.PathLike[str] | None = None,
    every_epoch: bool = False,
    tensorboard: str | os.PathLike[str] | None = None,
    cash: float = CASH,
    costs: Costs | None = COSTS,
    risk: RiskLimits | None = RISK,
    execution: Execution = EXECUTION,
    benchmark: Any = None,
    name: str | None = None,
    counterfactual: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> Result:
    """Run ``strategy`` over ``panel``.

    Args:
        panel: the market.
        strategy: decides after every close; see `Strategy`. A second run goes on with the state that this one leaves in
            the object: begin it in ``on_start``, or pass a fresh one.
        scores: `Scores`, (T, N) array, or DataFrame of dates by symbols, shown to the strategy as ``view.scores``. Row
            ``t`` must be known at the close of session ``t``. NaN is no opinion.
        signal: makes the scores by walk-forward, in their place.
        folds: of the walk-forward; see `walk_forward`.
        online: whether the signal is asked session by session, each time with a panel that ends there, and is fitted
            when a fold begins, as in production; by default it scores a fold at a time, before the run.
        seed: in place of the signal's own.
        cache: folder of cached scores; see `walk_forward`. Not with `online`.
        checkpoints: folder of what a training keeps to go on from; this and the next two as in `walk_forward`.
        every_epoch: whether a checkpoint of every epoch is kept.
        tensorboard: folder for TensorBoard's files.
        cash: the account before the first session.
        costs: commissions, slippage, impact, borrow and interest; None: everything is free.
        risk: layers and breakers; None: every one is off.
        execution: when and how orders fill.
        benchmark: what the figures are held against: ``"equal_weight"``, a symbol, a Series of returns by date, or the
            path of a CSV or Parquet file; see `backtester.benchmark`. The strategy does not see it.
        name: of the run; by default the strategy's class.
        counterfactual: whether a run in which a breaker tripped is made once more without breakers, for the figures of
            ``result.without_breakers``; the command line asks for it. A copy of the strategy, taken beforehand, is
            asked again from ``on_start`` on, so what its methods do besides happens twice; ``on_end`` is not called
            again. Where this second run fails a warning says so, and there are no such figures.
        progress: called as ``progress("running", sessions done, sessions in all)`` every 256 sessions, and before
            that by the walk of a signal.

    Raises:
        ConfigError: a setting is wrong.
        DataError: panel or scores are wrong.
        StrategyError: the strategy raised (the message names the date and the line), or returned what cannot be traded.
        SignalError: the same for the signal.
    """
    check_panel(panel)
    check_strategy(strategy)
    check_length(strategy, panel)
    simulation = Simulation(
        panel,
        strategy,
        scores=scores,
        signal=signal,
        folds=folds,
        online=online,
        seed=seed,
        cache=cache,
        checkpoints=checkpoints,
        every_epoch=every_epoch,
        tensorboard=tensorboard,
        cash=cash,
        costs=costs,
        risk=risk,
        execution=execution,
        benchmark=benchmark,
        progress=progress,
    )
    watched = counterfactual and risk is not None and risk != risk.without_breakers()
    twin = twin_of(strategy) if watched else None
    if progress is not None:
        for end in range(_TOLD, len(panel.dates), _TOLD):
            simulation.advance(end)
            progress("running", end, len(panel.dates))
    simulation.advance()
    result = simulation.finish(name)
    if twin is None or risk is None or (result.tape.ledger[:, et.L_STATUS] == et.ACTIVE).all():
        return result
    try:
        other = Simulation(
            panel,
            twin,
            scores=simulation.scores,
            cash=cash,
            costs=costs,
            risk=risk.without_breakers(),
            execution=execution,
            benchmark=benchmark,
        )
        other.advance()
    except BacktesterError as error:  # the strategy may meet what the breakers have kept from it
        warnings.warn(f"no figures without breakers: {error}", stacklevel=2)
        return result
    return dataclasses.replace(result, without_breakers=other._result(None).metrics)


class Simulation:
    """A run that can be taken as far as one likes, cut, and gone on with. `run` is this from beginning to end."""

    def __init__(
        self,
        panel: Panel,
        strategy: Strategy,
        *,
        scores: Any = None,
        signal: Signal | None = None,
        folds: Folds | None = None,
        online: bool = False,
        seed: int | None = None,
        cache: str | os.PathLike[str] | None = None,
        checkpoints: str | os.PathLike[str] | None = None,
        every_epoch: bool = False,
        tensorboard: str | os.PathLike[str] | None = None,
        cash: float = CASH,
        costs: Costs | None = COSTS,
        risk: RiskLimits | None = RISK,
        execution: Execution = EXECUTION,
        benchmark: Any = None,
        snapshot: Snapshot | None = None,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> None:
        """Prepare a run from its first session or from ``snapshot``; the other arguments are those of `run`.

        A snapshot may be gone on with under the same settings and a panel that begins like the one it was taken
        under; ``on_start`` is not called again. With ``online`` the snapshot brings the scores of the sessions before
        it, and the signal is fitted again on the fold that the cut lies in, or, where each fold goes on from the one
        before, on all up to it: the same bytes, if it learns reproducibly.
        """
        check_panel(panel)
        check_strategy(strategy)
        check_settings(cash, costs, risk, execution)
        self.panel = panel
        self.strategy = strategy
        self.cash = float(cash)
        self.costs = costs
        self.settings: dict[str, Any] = {
            "strategy": describe_strategy(strategy),
            "costs": None if costs is None else costs.describe(panel),
            "risk": None if risk is None else dataclasses.asdict(risk),
            "execution": dataclasses.asdict(execution),
            "market": panel.describe(),
        }
        self._benchmark = resolve(benchmark, panel)
        self._whole = True  # False once the strategy has failed inside a session
        self._market = to_market(panel, costs, risk)
        stops = et.FILL * overrides(strategy, "on_fill") | et.HALT * overrides(strategy, "on_halt")
        rules = to_rules(costs, risk, execution, stops, panel=panel)  # what it refuses, it refuses before the training
        asked = SignalCall(signal, folds, online, seed, cache, checkpoints, every_epoch, tensorboard)
        scores, self._live = scores_for_run(panel, scores, asked, execution.fill, progress)
        self._given = scores if isinstance(scores, Scores) else None  # online, they are not there yet
        if self._given is not None:
            self.settings["scores"] = self._given.record if self._live is None else dict(self._given.origin)
        self._scores = align_scores(scores, panel)
        watched = watched_signal(risk, self._scores, self._market, strategy)
        self._rules = rules if watched is None else rules._replace(signal=watched)
        sessions, symbols = panel.shape
        self._started = snapshot is not None
        if snapshot is None:
            self._state = memory.new_state(symbols, self.cash)
            self._tape = memory.new_tape(sessions, symbols)
        else:
            snapshot.check(self.panel, self._terms())
            if self._live is not None:
                self._live.restore(snapshot.online)
            self._state = memory.copy_state(snapshot.state)
            self._tape = memory.longer_tape(snapshot.tape, sessions)
        self._reported = int(self._state.i[et.TOLD_FILLS])
        self._planner: OneByOne | InStrides | None = None  # while there are sessions left to run
        self._scored_from = 0  # no row before this one has a score, as far as the guards of the signal have looked

    def advance(self, end: int | None = None) -> None:
        """Run the sessions before row ``end`` that have not run yet; by default all.

        A strategy with ``decide_rows`` may go on computing later rows on its second thread until the last has run.

        Raises:
            DataError: the panel has no such row.
            StrategyError: the strategy raised, or returned what cannot be traded.
        """
        sessions = len(self.panel.dates)
        end = sessions if end is None else end
        if not 0 <= end <= sessions:
            raise DataError(f"cannot run up to session {end}: the panel has {sessions} sessions.")
        self._check_whole()
        self._whole = False
        if not self._started:
            universe = Universe(self.panel.symbols, self.panel.sectors)
            self._call("on_start", range(1), lambda: self.strategy.on_start(universe))
            self._started = True
        if self._planner is None:
            call = partial(self._call, "decide_rows")
            self._planner = new_planner(self.strategy, self.panel, self._scores, self._decide, call, self._live is None)
        planner = self._planner
        try:
            if self._live is not None:  # a session's scores have to be there before it runs
                for t in range(int(self._state.i[et.SESSION]), end):
                    self._score(self._live, t)
                    self._drive(planner, t + 1)
            else:
                self._drive(planner, end)
            self._whole = True
        finally:
            if end == sessions or not self._whole:
                planner.close()
                self._planner = None

    def snapshot(self) -> Snapshot:
        """A copy of the book and of the tape so far."""
        self._check_whole()
        tape = memory.used_tape(self._tape, self._state)
        done = len(tape.ledger)
        return Snapshot(
            memory.copy_state(self._state),
            memory.longer_tape(tape, done),
            self.panel.symbols,
            self.panel.dates[:done],
            self._terms(),
            None if self._live is None else self._live.cut(done),
        )

    @property
    def scores(self) -> NDArray[np.float64] | None:
        """What the strategy is shown as scores, (T, N), read-only; online as far as the run has come. None: none."""
        return self._scores

    def finish(self, name: str | None = None) -> Result:
        """Call ``on_end`` and return the record of the sessions that have run.

        Raises:
            DataError: none has.
            StrategyError: ``on_end`` raised, or the strategy has failed before.
        """
        self._check_whole()
        done = int(self._state.i[et.SESSION])
        if done == 0:
            raise DataError("no session has been run.")
        last = View(self.panel, self._scores, done - 1, self._state)
        self._call("on_end", range(done - 1, done), lambda: self.strategy.on_end(last))
        return self._result(name)

    def _result(self, name: str | None) -> Result:
        """The record of the sessions that have run."""
        done = int(self._state.i[et.SESSION])
        scores = self._given if self._live is None else self._live.made(done)
        told = {} if scores is None else {"scores": scores.record}
        return Result(
            name=type(self.strategy).__name__ if name is None else name,
            dates=self.panel.dates[:done],
            symbols=self.panel.symbols,
            sector_names=self.panel.sector_names,
            tape=memory.used_tape(self._tape, self._state),
            resting_orders=Resting.of(self._state),
            settings=self.settings | told,
            source=self.panel,
            cash=self.cash,
            benchmark=self._benchmark and self._benchmark.head(done),
            scores=scores,
            curves=() if scores is None else scores.learning,
        )

    def _check_whole(self) -> None:
        if not self._whole:
            raise StrategyError("the strategy failed inside a session; begin again, or from an earlier snapshot.")

    def _terms(self) -> dict[str, Any]:
        """What a run that is gone on with must not change."""
        return {"cash": self.cash, **{key: self.settings[key] for key in ("costs", "risk", "execution")}}

    def _score(self, live: Live, t: int) -> None:
        """Ask the signal for session ``t``, and show what it said to the guards of the signal, if they watch."""
        live.score(t)
        since = t - (self.strategy.warmup - 1)
        if len(self._rules.signal) and since >= 0 and since % self.strategy.every == 0:
            self._scored_from = fill_quality(
                self._rules.signal, live.scores.values, self._market.eligible, range(t, t + 1), self._scored_from
            )

    def _drive(self, planner: OneByOne | InStrides, end: int) -> None:
        """Call the kernel until session ``end``, and do in between what it stopped for."""
        plan = memory.new_plan(1, self.panel.shape[1])  # without a row: the first decision phase stops at once
        while True:
            t, code = advance(self._state, self._market, self._rules, plan, self._tape, end)
            if code == et.DONE:
                return
            if code == et.TAPE_FULL:
                self._tape = memory.grow_tape(self._tape, self._state)
            elif code == et.ORDERS_FULL:
                self._state = memory.grow_orders(self._state, int(self._state.i[et.EXPLICIT]) + len(plan.order_symbol))
            else:
                submission = Submission(self.panel, int(self._rules.i[et.FILL_AT]))
                if code & (et.FILL | et.HALT):
                    self._report(t, code, submission)
                plan = planner.plan(t, submission)

    def _report(self, t: int, code: int, submission: Submission) -> None:
        """Tell the strategy of fills and of a halt."""
        view = View(self.panel, self._scores, t, self._state)
        if code & et.FILL:
            rows = slice(self._reported, int(self._state.i[et.TAPE_FILLS]))
            self._reported = rows.stop
            fills = Fills(self.panel.dates, self.panel.symbols, self._tape.fill_i[rows], self._tape.fill_f[rows])
            self._ask("on_fill", t, submission, lambda: self.strategy.on_fill(fills, view))
        if code & et.HALT:
            halt = self._last_halt(t)
            self._ask("on_halt", t, submission, lambda: self.strategy.on_halt(halt, view))

    def _last_halt(self, t: int) -> Halt:
        codes = self._tape.event_i[: self._state.i[et.TAPE_EVENTS], et.EVENT_CODE]
        row = int(np.flatnonzero(np.isin(codes, et.TRIPS))[-1])
        value, equity, limit = (float(number) for number in self._tape.event_f[row])
        reason, status = et.EVENTS[codes[row]][0], et.STATUSES[self._state.i[et.STATUS]]
        value = 1.0 - equity / value if codes[row] in et.LOSSES else value
        return Halt(self.panel.dates[t], reason, status, value, limit, equity)

    def _decide(self, t: int, submission: Submission) -> None:
        view = View(self.panel, self._scores, t, self._state)
        self._ask("decide", t, submission, lambda: self.strategy.decide(view))

    def _ask(self, method: str, t: int, submission: Submission, ask: Callable[[], Any]) -> None:
        """Call a method of the strategy and add its answer to the submission."""
        answer = self._call(method, range(t, t + 1), ask)
        try:
            submission.add(answer)
        except StrategyError as error:
            raise StrategyError(f"{self._where(method, range(t, t + 1))}: {error}") from error

    def _call(self, method: str, sessions: range, ask: Callable[[], Answer]) -> Answer:
        """Call a method of the strategy; an error that it raises is told with the date and the strategy's line."""
        try:
            return ask()
        except Exception as error:
            line = raised_at(error)
            raised = f" raised {type(error).__name__}{line}" if line else ""
            raise StrategyError(f"{self._where(method, sessions)}{raised}: {error}") from error

    def _where(self, method: str, sessions: range) -> str:
        dates = self.panel.dates
        span = f"{dates[sessions[0]]}" + (f" to {dates[sessions[-1]]}" if len(sessions) > 1 else "")
        return f"{type(self.strategy).__name__}.{method} on {span}"
