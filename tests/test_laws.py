"""Laws 17, 19 and 20, and the one kernel at any stride: the same bytes whatever the road."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drive import BREAKERS, COSTS, EXECUTION, LIMITS, by_session, not_shortable_of, panel_of, rates_of, strategy_of
from plain import Settings
from random_markets import Shape, Tables, make_case

import backtester as bt
import strategies
from backtester import planning
from backtester.engine import memory
from backtester.engine import types as et

ROOT = Path(__file__).parent.parent
SHAPE = Shape(
    sessions=40, symbols=6, extreme_prices=False, missing=0.05, acting=0.05, ending=0.3, members=True, sectors=True,
    scores=True, unscored=0.05,
)  # fmt: skip
ONE_FOR_ALL = Tables(slippage=False, borrow=False, not_shortable=0.0)
BY_SYMBOL = Tables(slippage=True, borrow=True, not_shortable=0.3)
PLAIN = Settings(cash=1e6, commission_bps=1.0, slippage_bps=5.0, borrow_rate=0.02, debit_rate=0.05)
SETTINGS = {
    "plain": PLAIN,
    "close, fractional, sized at the fill": replace(PLAIN, fill="close", lot=0.0, size_at="fill"),
    "same close, impact, minimum": replace(PLAIN, fill="same_close", impact=0.5, commission_min=3.0),
    "capped, all layers": replace(
        PLAIN, volume_cap=0.02, max_weight=0.3, max_sector=0.6, max_gross=0.9, max_net=0.3, target_volatility=0.2,
        no_trade_band=0.01, max_turnover=0.8,
    ),
    "breakers": replace(PLAIN, max_daily_loss=0.01, max_drawdown=0.1, cooldown=3, volume_cap=0.1),
    "guards, costs by symbol": replace(
        PLAIN, commission_per_share=0.01, commission_min=2.0, commission_max_bps=50.0, volume_cap=0.1, cooldown=2,
        guard_gross=1.2, guard_net=0.9, min_fresh=0.5, max_unscored=0.4, max_period_loss=0.2,
    ),
    "guards, costs by symbol, sized at the fill": replace(
        PLAIN, fill="same_close", size_at="fill", lot=0.0, guard_gross=0.5, cooldown=2,
    ),
}  # fmt: skip
each_setting = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
each_seed = pytest.mark.parametrize("seed", range(4))


def case(seed, settings):
    styles, listens = ["ranked", "full", "named", "orders"], ("on_fill", "on_halt")
    return make_case(np.random.default_rng(seed), SHAPE, settings, tables_of(settings), styles, 1.0, listens)


def tables_of(settings):
    return ONE_FOR_ALL if settings.guard_gross is None else BY_SYMBOL


def chosen(drawn):
    """Scores and settings of a case."""
    settings, scores = drawn.settings, drawn.market.scores

    def some(names):
        return {name: getattr(settings, name) for name in names}

    by_symbol = {name: rates_of(getattr(settings, name)) for name in ("slippage_bps", "borrow_rate")}
    by_symbol["not_shortable"] = not_shortable_of(settings.not_shortable)
    return {
        "scores": np.array([scores[symbol] for symbol in drawn.market.symbols]).T,
        "cash": settings.cash,
        "costs": bt.Costs(**some(COSTS) | by_symbol),
        "risk": bt.RiskLimits(**some(LIMITS + BREAKERS)),
        "execution": bt.Execution(**some(EXECUTION)),
    }


def scripted(drawn, listens=True):
    scripts = drawn.scripts if listens else {"decide": drawn.scripts["decide"]}
    return strategy_of(by_session(scripts), drawn.settings)


def assert_same(one, other):
    """Same orders, fills, events, ledger and resting orders, byte by byte."""
    for name, table in one.tape._asdict().items():
        assert table.tobytes() == getattr(other.tape, name).tobytes(), name
    assert [a.tobytes() for a in one.resting_orders] == [a.tobytes() for a in other.resting_orders]
    assert one == other


# -- law 19 ------------------------------------------------------------------------------------------------------------


@each_setting
@each_seed
def test_any_cut_gives_the_same_bytes(seed, settings):
    drawn = case(seed, settings)
    panel, options = panel_of(drawn.market), chosen(drawn)
    whole = bt.run(panel, scripted(drawn), **options)
    assert len(whole.tape.fill_f) > 10
    for cut in range(1, len(panel.dates)):
        first = bt.Simulation(panel, scripted(drawn), **options)
        first.advance(cut)
        second = bt.Simulation(panel, scripted(drawn), snapshot=first.snapshot(), **options)
        second.advance()
        assert_same(whole, second.finish(whole.name))


def test_a_run_may_go_on_when_new_sessions_have_come():
    drawn = case(0, PLAIN)
    panel, options = panel_of(drawn.market), chosen(drawn)
    whole = bt.run(panel, scripted(drawn), **options)
    first = bt.Simulation(panel.head(19), scripted(drawn), **options | {"scores": options["scores"][:20]})
    first.advance()
    second = bt.Simulation(panel, scripted(drawn), snapshot=first.snapshot(), **options)
    second.advance()
    assert_same(whole, second.finish(whole.name))


@each_setting
def test_session_by_session_is_one_run(settings):
    drawn = case(1, settings)
    panel, options = panel_of(drawn.market), chosen(drawn)
    simulation = bt.Simulation(panel, scripted(drawn), **options)
    for end in range(len(panel.dates) + 1):
        simulation.advance(end)
    assert_same(bt.run(panel, scripted(drawn), **options), simulation.finish())


# -- strides -----------------------------------------------------------------------------------------------------------


class BarByBar(bt.Strategy):
    """A strategy asked one decision at a time."""

    def __init__(self, strategy):
        self.strategy, self.warmup, self.every = strategy, strategy.warmup, strategy.every

    def decide(self, view):
        return self.strategy.decide(view)


class InStrides(BarByBar):
    """The same asked for many at once, which wants something because of its fills."""

    def decide_rows(self, panel, scores, rows):
        return self.strategy.decide_rows(panel, scores, rows)

    def on_fill(self, fills, view):
        return {view.symbols[0]: 0.1} if view.t % 2 else [bt.Order(view.symbols[1], 3), bt.Rearm()]


class BarByBarListening(BarByBar):
    """As above, one decision at a time."""

    on_fill = InStrides.on_fill


RANKED = {
    "plain": {"long": 2, "short": 2},
    "every third, late": {"long": 1, "short": 2, "every": 3, "warmup": 5},
    "rarely, very late": {"long": 2, "short": 2, "every": 30, "warmup": 35},
    "by score": {"long": 0.4, "short": 0.4, "weights": "score", "gross": 1.5},
    "inverse volatility": {"long": 2, "short": 0, "weights": "inverse_volatility", "warmup": 21},
    "sector-neutral": {"long": 2, "short": 2, "sector_neutral": True},
}


@each_setting
@pytest.mark.parametrize("arguments", RANKED.values(), ids=RANKED.keys())
@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_one_stride_is_bar_by_bar(settings, arguments, chunk, monkeypatch):
    monkeypatch.setattr(planning, "CHUNK", chunk)
    drawn = case(2, settings)
    panel, options = panel_of(drawn.market), chosen(drawn)
    scores = np.random.default_rng(0).normal(size=panel.shape).round(1)
    scores[np.random.default_rng(1).random(panel.shape) < 0.1] = np.nan
    strategy = strategies.RankedLongShort(**arguments)
    options |= {"scores": scores}
    stride = bt.run(panel, strategy, name="x", **options)
    bars = bt.run(panel, BarByBar(strategy), name="x", **options)
    assert stride.content_hash == bars.content_hash
    assert [a.tobytes() for a in stride.tape] == [a.tobytes() for a in bars.tape]
    assert len(stride.tape.fill_f)
    listening = bt.run(panel, InStrides(strategy), name="x", **options)
    one_by_one = bt.run(panel, BarByBarListening(strategy), name="x", **options)
    assert [a.tobytes() for a in listening.tape] == [a.tobytes() for a in one_by_one.tape]
    if strategy.every == 3:  # with a decision every day the day's target replaces what was asked for before it
        assert listening.content_hash != stride.content_hash


def test_a_second_core_changes_nothing(monkeypatch):
    panel = panel_of(case(3, PLAIN).market)
    scores = np.random.default_rng(0).normal(size=panel.shape)
    monkeypatch.setattr(planning, "CHUNK", 4)
    results = []
    for cores in ({0}, {0, 1}):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid, cores=cores: cores, raising=False)
        results.append(bt.run(panel, strategies.RankedLongShort(2, 2), scores=scores))
    assert_same(*results)


@each_setting
def test_tables_that_grow_change_nothing(settings, monkeypatch):
    drawn = case(0, settings)
    panel, options = panel_of(drawn.market), chosen(drawn)
    roomy = bt.run(panel, scripted(drawn), **options)
    monkeypatch.setattr(memory, "ROWS", 1)
    monkeypatch.setattr(memory, "EXPLICIT_SLOTS", 0)
    real, grown = memory.new_tape, []
    monkeypatch.setattr(memory, "new_tape", lambda sessions, symbols: real(sessions, 0))
    for name in ("grow_tape", "grow_orders"):
        grow = getattr(memory, name)
        monkeypatch.setattr(memory, name, lambda *a, grow=grow, name=name: (grown.append(name), grow(*a))[1])
    assert_same(roomy, bt.run(panel, scripted(drawn), **options))
    assert set(grown) == {"grow_tape", "grow_orders"}


# -- law 17 ------------------------------------------------------------------------------------------------------------


def long_frame(panel):
    """The panel as a long table."""
    sessions, symbols = panel.shape
    columns = {name: getattr(panel, name).ravel() for name in ("open", "high", "low", "close", "volume")}
    return pd.DataFrame({"date": np.repeat(panel.dates, symbols), "symbol": list(panel.symbols) * sessions, **columns})


def test_the_order_of_input_rows_does_not_matter():
    panel = panel_of(replace(case(0, PLAIN).market, actions=[], ends={}, members=None))
    frame = long_frame(panel)
    scores = pd.DataFrame(np.random.default_rng(0).normal(size=panel.shape), panel.dates, panel.symbols)
    results = []
    for seed in range(3):
        rows = frame.sample(frac=1, random_state=seed)
        shuffled = scores.sample(frac=1, random_state=seed).sample(frac=1, axis=1, random_state=seed)
        results.append(bt.run(bt.Panel.from_frame(rows), strategies.RankedLongShort(2, 2), scores=shuffled))
    assert_same(results[0], results[1])
    assert_same(results[0], results[2])


def test_the_process_does_not_matter():
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from test_laws import *\n"
        "drawn = case(0, SETTINGS['capped, all layers'])\n"
        "result = bt.run(panel_of(drawn.market), scripted(drawn), **chosen(drawn))\n"
        "print(result.content_hash, result.panel_fingerprint)\n"
    )
    told = set()
    for seed in ("0", "1", "random"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "NUMBA_NUM_THREADS": "1" if seed == "0" else "2"}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        told.add(done.stdout)
    assert len(told) == 1
    drawn = case(0, SETTINGS["capped, all layers"])
    here = bt.run(panel_of(drawn.market), scripted(drawn), **chosen(drawn))
    assert told == {f"{here.content_hash} {here.panel_fingerprint}\n"}


# -- law 20 ------------------------------------------------------------------------------------------------------------


def altered_after(market, t, rng):
    """The market with everything after session ``t`` made up anew; endings, splits and members up to ``t`` held."""
    sessions = len(market.dates)
    later = range(t + 1, sessions)
    columns = {}
    for name in ("open", "close", "volume"):
        columns[name] = {}
        for symbol, values in getattr(market, name).items():
            ended = symbol in market.ends and market.ends[symbol][0] < market.dates[min(t + 1, sessions - 1)]
            made_up = [np.nan if ended or rng.random() < 0.1 else float(rng.uniform(1, 900)) for _ in later]
            columns[name][symbol] = values[: t + 1] + made_up
    today = market.dates[t]
    members = market.members and {
        symbol: flags[: t + 1] + [bool(rng.integers(2)) for _ in later] for symbol, flags in market.members.items()
    }
    scores = {symbol: [*row[: t + 1], *rng.normal(size=len(later))] for symbol, row in market.scores.items()}
    ends = {symbol: end for symbol, end in market.ends.items() if t + 1 < sessions and end[0] < market.dates[t + 1]}
    return replace(
        market, **columns, members=members, scores=scores, actions=[a for a in market.actions if a[0] <= today],
        ends={symbol: end for symbol, end in ends.items() if end[0] < today},
    )  # fmt: skip


def until(result, t):
    """Everything on the tape up to session ``t``."""
    tape = result.tape
    tables = [tape.ledger[: t + 1]]
    for ints, floats in ((tape.fill_i, tape.fill_f), (tape.order_i, tape.order_f), (tape.event_i, tape.event_f)):
        tables += [ints[ints[:, 0] <= t][:, [0, 1]], floats[ints[:, 0] <= t]]
    return [table.tobytes() for table in tables]


@each_setting
@each_seed
def test_the_future_changes_nothing(seed, settings):
    drawn = case(seed, settings)
    whole = bt.run(panel_of(drawn.market), scripted(drawn), **chosen(drawn))
    rng = np.random.default_rng(seed)
    for t in range(len(drawn.market.dates) - 1):
        altered = replace(drawn, market=altered_after(drawn.market, t, rng))
        other = bt.run(panel_of(altered.market), scripted(drawn), **chosen(altered))
        assert until(whole, t) == until(other, t), f"what happens after session {t} changed what happened before"


def test_the_session_of_an_open_fill_changes_nothing_but_its_open():
    settings = replace(PLAIN, impact=0.5, volume_cap=0.02, size_at="fill")
    for seed in range(4):
        drawn = make_case(np.random.default_rng(seed), SHAPE, settings, BY_SYMBOL, ["full", "orders"], 1.0, ())
        whole = bt.run(panel_of(drawn.market), scripted(drawn, listens=False), **chosen(drawn))
        rng = np.random.default_rng(seed)
        for t in range(1, len(drawn.market.dates)):
            columns = {}
            for name in ("close", "volume"):
                columns[name] = {symbol: list(values) for symbol, values in getattr(drawn.market, name).items()}
                for values in columns[name].values():
                    values[t] = values[t] * float(rng.uniform(0.5, 2))  # unknown stays unknown, zero stays zero
            changed = panel_of(replace(drawn.market, **columns))
            other = bt.run(changed, scripted(drawn, listens=False), **chosen(drawn))
            at = whole.tape.fill_i[:, et.FILL_SESSION] == t
            explicit_at_close = at & (whole.tape.fill_i[:, et.FILL_MOMENT] != et.AT_OPEN)
            mine = whole.tape.fill_f[at & ~explicit_at_close]
            there = other.tape.fill_i[:, et.FILL_SESSION] == t
            there &= other.tape.fill_i[:, et.FILL_MOMENT] == et.AT_OPEN
            assert mine.tobytes() == other.tape.fill_f[there].tobytes()


def everything_shown(thing, seen):
    """Every public attribute of a view or a book, arrays as bytes: whatever is added later is found here too."""
    for name in dir(type(thing)):
        if name.startswith("_") or callable(getattr(type(thing), name)):
            continue
        value = getattr(thing, name)
        if isinstance(value, bt.Book):
            everything_shown(value, seen)
        elif isinstance(value, bt.Panel):
            seen[name] = value.fingerprint
            seen["history.returns"] = value.returns.tobytes() + value.adj_close.tobytes() + value.tradable.tobytes()
        elif isinstance(value, np.ndarray):
            assert not value.flags.writeable, name
            seen[name] = value.tobytes()
        elif hasattr(value, "items"):
            seen[name] = {key: item.tobytes() for key, item in value.items()}
        else:
            seen[name] = str(value)


class Watcher(bt.Strategy):
    """Trades a little and writes down everything that it is shown."""

    def __init__(self):
        self._seen = []

    def decide(self, view):
        seen = {}
        everything_shown(view, seen)
        self._seen.append(seen)
        return bt.rank_long_short(view.scores[-1], view.tradable, long=2, short=2)


@each_seed
def test_a_view_shows_nothing_of_the_future(seed):
    drawn = case(seed, PLAIN)
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(len(drawn.market.dates), len(drawn.market.symbols)))

    def seen(market, scores):
        watcher = Watcher()
        bt.run(panel_of(market), watcher, scores=scores)
        return watcher._seen

    whole = seen(drawn.market, scores)
    assert {"close", "adj_close", "scores", "equity", "shares", "history", "member"} <= set(whole[0])
    for t in range(0, len(drawn.market.dates) - 1, 3):
        changed = scores.copy()
        changed[t + 1 :] = rng.normal(size=changed[t + 1 :].shape)
        other = seen(altered_after(drawn.market, t, rng), changed)
        for s in range(t + 1):
            assert whole[s] == other[s], f"the view of session {s} shows something of a session after {t}"


# -- the kernel checks no index: the room it asks for must be enough ---------------------------------------------------

GUARD = 4096  # rows behind a table that nothing may write to


def guarded(table, rows):
    """A copy of a table with ``rows`` rows, and rows behind it that show if the kernel wrote too far."""
    whole = np.full((rows + GUARD, *table.shape[1:]), 77, table.dtype)
    kept = table[:rows]
    whole[: len(kept)] = kept
    return whole[:rows]


def test_a_tape_grows_once_where_a_run_is_alike_all_through_whenever_it_began(monkeypatch):
    """5,056 rows to begin with, nearly all 60 names traded in each of 400 sessions: 23,432 orders."""
    panel = bt.synthetic(symbols=60, sessions=600, seed=0).panel
    scores = np.random.default_rng(0).normal(size=panel.shape)
    real, grown = memory.grow_tape, []
    monkeypatch.setattr(memory, "grow_tape", lambda tape, state: grown.append(len(tape.order_f)) or real(tape, state))
    result = bt.run(panel, strategies.RankedLongShort(30, 30, warmup=201), scores=scores)
    assert len(result.orders) > 3 * grown[0]
    assert len(grown) == 1


@each_setting
@each_seed
def test_the_kernel_never_writes_past_a_table(seed, settings, monkeypatch):
    styles = ["orders", "named", "full", "ranked"][: 1 + seed]
    rng = np.random.default_rng(seed)
    shape = replace(SHAPE, acting=0.3)
    drawn = make_case(rng, shape, settings, tables_of(settings), styles, 3.0, ("on_fill", "on_halt"))
    seen = []

    def grown(tape, rows):
        tables = [guarded(table, rows) for table in tape[1:]]
        seen.extend(tables)
        return tape._replace(**dict(zip(tape._fields[1:], tables, strict=True)))

    real = memory.new_tape
    monkeypatch.setattr(memory, "new_tape", lambda sessions, symbols: grown(real(sessions, symbols), 0))
    # One row more at a time, so that a phase begins as soon as the kernel says that there is just enough room.
    monkeypatch.setattr(memory, "grow_tape", lambda tape, state: grown(tape, len(tape.order_f) + 1))
    result = bt.run(panel_of(drawn.market), scripted(drawn), **chosen(drawn))
    assert len(result.tape.event_f) > 20
    for table in seen:
        assert (table.base[len(table) :] == 77).all()
