"""Puts panel, strategy, scores and layers together, and runs them: the only caller of the kernel."""

from __future__ import annotations

import dataclasses
import json
import os
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from backtester.engine import memory
from backtester.engine import types as et
from backtester.engine.kernel import advance
from backtester.errors import ConfigError, DataError, StrategyError
from backtester.inputs import align_scores, to_market, watched_signal
from backtester.market.panel import Panel
from backtester.planning import InStrides, OneByOne
from backtester.portfolio.rules import to_rules
from backtester.portfolio.settings import Costs, Execution, RiskLimits
from backtester.result import Resting, Result
from backtester.strategy import Fills, Halt, Strategy, Universe, View, overrides
from backtester.submission import Submission

CASH = 10_000_000.0
COSTS = Costs()
RISK = RiskLimits()
EXECUTION = Execution()

Answer = TypeVar("Answer")


class Snapshot(NamedTuple):
    """Everything that the rest of a run depends on, apart from its inputs and the strategy's own memory."""

    state: et.State
    tape: et.Tape
    symbols: tuple[str, ...]
    dates: NDArray[np.datetime64]  # of the sessions that have run
    settings: dict[str, Any]  # cash, costs, risk and execution


def run(
    panel: Panel,
    strategy: Strategy,
    *,
    scores: Any = None,
    cash: float = CASH,
    costs: Costs | None = COSTS,
    risk: RiskLimits | None = RISK,
    execution: Execution = EXECUTION,
    name: str | None = None,
) -> Result:
    """Run ``strategy`` over ``panel``.

    Args:
        panel: the market.
        strategy: decides after every close; see `Strategy`.
        scores: (T, N) array, or DataFrame of dates by symbols, shown to the strategy as ``view.scores``. Row ``t``
            must be known at the close of session ``t``. NaN is no opinion.
        cash: the account before the first session.
        costs: commissions, slippage, impact, borrow and interest; None: everything is free.
        risk: layers and breakers; None: every one is off.
        execution: when and how orders fill.
        name: of the run; by default the strategy's class.

    Raises:
        ConfigError: a setting is wrong.
        DataError: panel or scores are wrong.
        StrategyError: the strategy raised (the message names the date and the line), or returned what cannot be traded.
    """
    simulation = Simulation(panel, strategy, scores=scores, cash=cash, costs=costs, risk=risk, execution=execution)
    if len(panel.dates) < strategy.warmup:
        raise ConfigError(
            f"{type(strategy).__name__} needs {strategy.warmup} bars before its first decision; "
            f"the panel has {len(panel.dates)} sessions."
        )
    simulation.advance()
    return simulation.finish(name)


class Simulation:
    """A run that can be taken as far as one likes, cut, and gone on with. `run` is this from beginning to end."""

    def __init__(
        self,
        panel: Panel,
        strategy: Strategy,
        *,
        scores: Any = None,
        cash: float = CASH,
        costs: Costs | None = COSTS,
        risk: RiskLimits | None = RISK,
        execution: Execution = EXECUTION,
        snapshot: Snapshot | None = None,
    ) -> None:
        """Prepare a run from its first session or from ``snapshot``; the other arguments are those of `run`.

        A snapshot may be gone on with under the same settings and a panel that begins like the one it was taken
        under; ``on_start`` is not called again.
        """
        _check_strategy(strategy)
        _check_settings(cash, costs, risk, execution)
        if not panel.shape[0] or not panel.shape[1]:
            raise DataError(f"the panel has the shape {panel.shape} (sessions, symbols); there is nothing to run.")
        self.panel = panel
        self.strategy = strategy
        self.cash = float(cash)
        self.costs = costs
        self.settings: dict[str, Any] = {
            "strategy": describe(strategy),
            "costs": None if costs is None else costs.describe(),
            "risk": None if risk is None else dataclasses.asdict(risk),
            "execution": dataclasses.asdict(execution),
        }
        self._whole = True  # False once the strategy has failed inside a session
        self._scores = align_scores(scores, panel)
        self._market = to_market(panel, costs, risk)
        stops = et.FILL * overrides(strategy, "on_fill") | et.HALT * overrides(strategy, "on_halt")
        signal = watched_signal(risk, self._scores, self._market, strategy)
        self._rules = to_rules(costs, risk, execution, stops, panel=panel, signal=signal)
        sessions, symbols = panel.shape
        self._started = snapshot is not None
        if snapshot is None:
            self._state = memory.new_state(symbols, self.cash)
            self._tape = memory.new_tape(sessions, symbols)
        else:
            self._check_snapshot(snapshot)
            self._state = memory.copy_state(snapshot.state)
            self._tape = memory.longer_tape(snapshot.tape, sessions)
        self._reported = int(self._state.i[et.TOLD_FILLS])

    def advance(self, end: int | None = None) -> None:
        """Run the sessions before row ``end`` that have not run yet; by default all.

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
        planner: OneByOne | InStrides
        if overrides(self.strategy, "decide_rows"):
            planner = InStrides(self.strategy, self.panel, self._scores, partial(self._call, "decide_rows"))
        else:
            planner = OneByOne(self.strategy, self.panel, self._decide)
        try:
            self._drive(planner, end)
        finally:
            planner.close()
        self._whole = True

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
        )

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
        return Result(
            name=type(self.strategy).__name__ if name is None else name,
            dates=self.panel.dates[:done],
            symbols=self.panel.symbols,
            sector_names=self.panel.sector_names,
            tape=memory.used_tape(self._tape, self._state),
            resting_orders=Resting.of(self._state),
            settings=self.settings,
            source=self.panel,
            cash=self.cash,
        )

    def _check_whole(self) -> None:
        if not self._whole:
            raise StrategyError("the strategy failed inside a session; begin again, or from an earlier snapshot.")

    def _terms(self) -> dict[str, Any]:
        """What a run that is gone on with must not change."""
        return {"cash": self.cash, **{key: self.settings[key] for key in ("costs", "risk", "execution")}}

    def _check_snapshot(self, snapshot: Snapshot) -> None:
        done = len(snapshot.dates)
        if snapshot.symbols != self.panel.symbols or not np.array_equal(snapshot.dates, self.panel.dates[:done]):
            raise DataError(
                f"the snapshot was taken after {done} sessions of {len(snapshot.symbols)} symbols; {self.panel} does "
                "not begin with the same sessions and symbols and cannot go on from it."
            )
        for key, value in self._terms().items():
            if snapshot.settings[key] != value:
                raise ConfigError(f"the snapshot was taken with {key} {snapshot.settings[key]}; now it is {value}.")

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
            line = _line(error)
            raised = f" raised {type(error).__name__}{line}" if line else ""
            raise StrategyError(f"{self._where(method, sessions)}{raised}: {error}") from error

    def _where(self, method: str, sessions: range) -> str:
        dates = self.panel.dates
        span = f"{dates[sessions[0]]}" + (f" to {dates[sessions[-1]]}" if len(sessions) > 1 else "")
        return f"{type(self.strategy).__name__}.{method} on {span}"


def _line(error: Exception) -> str:
    """Where the strategy's own code raised: the last line outside this package, or where a library was called from."""
    package = os.path.dirname(os.path.abspath(__file__))
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<") and not os.path.abspath(frame.filename).startswith(package)
    ]
    own = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    return f" at {own[-1].filename}:{own[-1].lineno} ({own[-1].line})" if own else ""


def _check_strategy(strategy: Any) -> None:
    if isinstance(strategy, type) and issubclass(strategy, Strategy):
        raise ConfigError(f"strategy is the class {strategy.__name__}; pass an object: {strategy.__name__}().")
    if not isinstance(strategy, Strategy):
        raise ConfigError(f"strategy is {strategy!r}; it must be an object of a subclass of bt.Strategy.")
    for key in ("warmup", "every"):
        value = getattr(strategy, key)
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            name = type(strategy).__name__
            raise ConfigError(f"{name}.{key} is {value!r}; it must be a whole number of sessions, at least 1.")
    if not overrides(strategy, "decide"):
        name = type(strategy).__name__
        raise ConfigError(f"{name} has no decide(self, view); write one that returns a target, orders or None.")


def _check_settings(cash: Any, costs: Any, risk: Any, execution: Any) -> None:
    if isinstance(cash, bool) or not isinstance(cash, int | float | np.number) or not (np.isfinite(cash) and cash > 0):
        raise ConfigError(f"cash is {cash!r}; it must be a positive amount.")
    if costs is not None and not isinstance(costs, Costs):
        raise ConfigError(f"costs is {costs!r}; it must be a bt.Costs, or None for no costs.")
    if risk is not None and not isinstance(risk, RiskLimits):
        raise ConfigError(f"risk is {risk!r}; it must be a bt.RiskLimits, or None for no limits.")
    if not isinstance(execution, Execution):
        raise ConfigError(f"execution is {execution!r}; it must be a bt.Execution.")


def describe(strategy: Strategy) -> dict[str, Any]:
    """The strategy's class and its public attributes that are plain values or settings, for the record of the run."""
    kind = type(strategy)
    name = f"{kind.__module__}:{kind.__qualname__}"
    told: dict[str, Any] = {"class": name, "warmup": strategy.warmup, "every": strategy.every}
    for key, value in vars(strategy).items():
        if key.startswith("_"):
            continue
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = dataclasses.asdict(value)
        try:
            told[key] = json.loads(json.dumps(value, default=_plain))
        except (TypeError, ValueError):
            continue
    return told


def _plain(value: Any) -> Any:
    """A NumPy number as a Python one."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError
