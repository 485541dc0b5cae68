"""Settings: every field checks itself, and the kernel's arrays say what the settings say."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from backtester.arguments import check_settings, describe_strategy
from backtester.engine import types as t
from backtester.engine.charges import commission_due
from backtester.errors import ConfigError, StrategyError
from backtester.portfolio.presets import COST_PRESETS
from backtester.portfolio.rates import Rates, Tier
from backtester.portfolio.rules import to_rules
from backtester.portfolio.settings import Cancel, Costs, Execution, Order, Rearm, RiskLimits
from backtester.strategy import Strategy

NAN, INF = math.nan, math.inf

BAD_SETTINGS = [
    (Costs, "commission_bps", [-1, NAN, INF, "1", True, None, 1j, 10**400]),
    (Costs, "commission_per_share", [-0.01, NAN, INF, None]),
    (Costs, "commission_min", [-0.01, NAN, INF, [1]]),
    (Costs, "commission_max_bps", [-1, NAN, INF, "1"]),
    (Costs, "slippage_bps", [-1, NAN, INF, None]),
    (Costs, "impact", [-1, NAN, INF]),
    (Costs, "borrow_rate", [-0.01, NAN, INF]),
    (Costs, "credit_rate", [-1, NAN, INF, -INF]),
    (Costs, "debit_rate", [-1, NAN, INF]),
    (Costs, "not_shortable", ["A", 3, None]),
    (RiskLimits, "max_weight", [0, -1, NAN, INF, "a", True]),
    (RiskLimits, "max_sector", [0, -1, NAN, INF]),
    (RiskLimits, "max_gross", [0, -1, NAN, INF]),
    (RiskLimits, "max_net", [-1e-9, NAN, INF]),
    (RiskLimits, "target_volatility", [0, -0.1, NAN, INF]),
    (RiskLimits, "no_trade_band", [-1e-9, NAN, INF]),
    (RiskLimits, "max_turnover", [0, -1, NAN, INF]),
    (RiskLimits, "max_daily_loss", [0, 1, 5, -0.05, NAN]),
    (RiskLimits, "max_drawdown", [0, 1, 20, -0.05, NAN]),
    (RiskLimits, "max_period_loss", [0, 1, 20, -0.05, NAN]),
    (RiskLimits, "period", [0, -1, 5.0, "5", True, None, 10**20]),
    (RiskLimits, "guard_gross", [0, -1, NAN, INF]),
    (RiskLimits, "guard_net", [-1e-9, NAN, INF, "1"]),
    (RiskLimits, "min_fresh", [0, -0.1, 1.01, NAN, 90]),
    (RiskLimits, "max_unscored", [-0.1, 1, NAN, 20]),
    (RiskLimits, "guard_equal_scores", [1, "yes", None]),
    (RiskLimits, "guard_action", ["reducing", "", None, 1]),
    (RiskLimits, "cooldown", [0, -1, 1.0, 2.5, "3", True, NAN, 10**20]),
    (Execution, "fill", ["opne", "", None, 1, ["open"]]),
    (Execution, "size_at", ["Decision", None, 0]),
    (Execution, "lot", [-1, NAN, INF, None, "1", True]),
    (Execution, "volume_cap", [0, -0.1, 1.01, NAN, INF, "0.1"]),
    (Execution, "cap_on", ["volume", None]),
]


@pytest.mark.parametrize(
    ("kind", "key", "value"), [(kind, key, value) for kind, key, values in BAD_SETTINGS for value in values]
)
def test_a_bad_setting_is_named_with_what_was_found(kind: type, key: str, value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        kind(**{key: value})
    message = str(caught.value)
    assert f"{kind.__name__}.{key} is {value!r}; it must be" in message


def test_every_field_has_a_bad_value_above() -> None:
    for kind in (Costs, RiskLimits, Execution):
        tested = {key for owner, key, _ in BAD_SETTINGS if owner is kind}
        assert tested == {field.name for field in dataclasses.fields(kind)}


def test_a_misspelt_choice_is_put_right() -> None:
    with pytest.raises(ConfigError, match=r"one of 'open', 'close', 'same_close'\. Did you mean 'same_close'\?"):
        Execution(fill="same-close")


def test_the_edges_that_are_allowed() -> None:
    Costs(
        commission_bps=0, commission_min=0, slippage_bps=0, impact=0, borrow_rate=0, credit_rate=-0.5, debit_rate=-0.5
    )
    Costs(commission_per_share=0, commission_max_bps=0)
    RiskLimits(max_net=0, no_trade_band=0, max_gross=5, max_weight=3, cooldown=1)
    RiskLimits(guard_net=0, min_fresh=1, max_unscored=0, period=1, guard_action="halt")
    Execution(lot=0, volume_cap=1)
    Execution(lot=0.001)


def test_numpy_numbers_become_plain_ones() -> None:
    assert Costs(commission_bps=np.float32(2)) == Costs(commission_bps=2.0) == Costs(commission_bps=2)
    assert type(Costs(commission_bps=np.int64(2)).commission_bps) is float
    assert type(RiskLimits(cooldown=np.int64(3)).cooldown) is int
    assert type(Order(np.str_("A"), np.float64(1)).symbol) is str
    assert hash(RiskLimits(max_net=1)) == hash(RiskLimits(max_net=1.0))


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Costs().commission_bps = 3.0


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda: Order("A", NAN), "Order.shares is nan"),
        (lambda: Order("A", INF), "Order.shares is inf"),
        (lambda: Order("A", "5"), "Order.shares is '5'"),
        (lambda: Order("", 5), "Order.symbol is ''"),
        (lambda: Order(3, 5), "Order.symbol is 3"),
        (lambda: Order("A", 5, at="clse"), "Did you mean 'close'"),
        (lambda: Order("A", 5, at="same_close"), "Order.at is 'same_close'"),
        (lambda: Cancel(None), "Cancel.symbol is None"),
    ],
)
def test_a_bad_instruction_is_named(make, found: str) -> None:
    with pytest.raises(StrategyError) as caught:
        make()
    assert found in str(caught.value)


def test_instructions_compare_by_value() -> None:
    assert Order("A", 5) == Order("A", 5.0, None)
    assert Rearm() == Rearm()
    assert Cancel("A") != Cancel("B")


def test_rules_of_the_defaults() -> None:
    rules = to_rules(Costs(), RiskLimits(), Execution())
    f, i = rules[:2]
    assert f.shape == (t.RULE_FLOATS,)
    assert i.shape == (t.RULE_INTS,)
    assert f.dtype == np.float64
    assert i.dtype == np.int64
    assert f.flags.writeable
    assert i.flags.writeable
    assert (f[t.COMMISSION], f[t.COMMISSION_MIN], f[t.SLIPPAGE], f[t.IMPACT]) == (0.0001, 0.0, 0.0005, 0.0)
    assert (f[t.COMMISSION_SHARE], f[t.COMMISSION_MAX], f[t.MIN_FRESH]) == (0.0, INF, 0.0)
    assert (f[t.BORROW], f[t.CREDIT], f[t.DEBIT]) == (0.005, 0.0, 0.05)
    assert (f[t.LOT], f[t.VOLUME_CAP], f[t.MAX_DAILY_LOSS], f[t.NO_TRADE_BAND]) == (1.0, INF, 0.05, 0.0)
    off = [t.TARGET_VOLATILITY, t.MAX_WEIGHT, t.MAX_SECTOR, t.MAX_GROSS, t.MAX_NET, t.MAX_TURNOVER, t.MAX_DRAWDOWN]
    off += [t.MAX_PERIOD_LOSS, t.GUARD_GROSS, t.GUARD_NET, t.MAX_UNSCORED]
    assert np.isinf(f[off]).all()
    assert i.tolist() == [t.AT_OPEN, t.SIZE_AT_DECISION, t.CAP_ON_AVERAGE, 0, 0, 5, 0, 0, 0]
    assert rules.table.size == rules.signal.size == 0
    assert (rules.row == -1).all()
    assert all(array.flags.writeable and array.flags.c_contiguous for array in rules)


def test_rules_of_every_setting() -> None:
    costs = Costs(2.0, 0.01, 1.5, 100.0, 10.0, 0.7, 0.01, 0.02, 0.03)
    risk = RiskLimits(
        0.1, 0.2, 2.0, 0.0, 0.15, 0.001, 0.5, 0.04, 0.25, 0.3, 7, 1.5, 0.4, 0.9, 0.2, True, "halt", cooldown=10
    )
    execution = Execution("same_close", "fill", 0.0, 0.05, "session")
    f, i = to_rules(costs, risk, execution, stops=t.FILL | t.HALT)[:2]
    assert f[: t.LOT].tolist() == [0.0002, 0.01, 1.5, 0.01, 0.001, 0.7, 0.01, 0.02, 0.03]
    assert (f[t.LOT], f[t.VOLUME_CAP]) == (0.0, 0.05)
    assert (f[t.MAX_WEIGHT], f[t.MAX_SECTOR], f[t.MAX_GROSS], f[t.MAX_NET]) == (0.1, 0.2, 2.0, 0.0)
    assert (f[t.TARGET_VOLATILITY], f[t.NO_TRADE_BAND], f[t.MAX_TURNOVER]) == (0.15, 0.001, 0.5)
    assert (f[t.MAX_DAILY_LOSS], f[t.MAX_DRAWDOWN], f[t.MAX_PERIOD_LOSS]) == (0.04, 0.25, 0.3)
    assert (f[t.GUARD_GROSS], f[t.GUARD_NET], f[t.MIN_FRESH], f[t.MAX_UNSCORED]) == (1.5, 0.4, 0.9, 0.2)
    assert i.tolist() == [t.AT_SAME_CLOSE, t.SIZE_AT_FILL, t.CAP_ON_SESSION, 10, t.FILL | t.HALT, 7, 1, 1, 1]


def test_none_switches_everything_off() -> None:
    f, i = to_rules(None, None, Execution())[:2]
    assert f[t.COMMISSION_MAX] == INF
    assert (np.delete(f[: t.LOT], t.COMMISSION_MAX) == 0).all()
    assert np.isinf(f[[t.MAX_DAILY_LOSS, t.MAX_DRAWDOWN, t.MAX_GROSS]]).all()
    assert i[t.COOLDOWN] == 0


def test_presets_say_what_they_are() -> None:
    for name, preset in COST_PRESETS.items():
        assert Costs.preset(name) is preset.costs
        assert preset.stands_for
        assert preset.source
        assert preset.leaves_out
    assert Costs.preset("free") == Costs(commission_bps=0, slippage_bps=0, borrow_rate=0, debit_rate=0)


def test_a_preset_is_what_its_source_charges() -> None:
    """Three examples of the broker's page: 100 at 25, 1000 at 25 and 1000 at 0.25 cost 1, 5 and 2.50."""
    f = to_rules(Costs.preset("us_retail_fixed"), None, Execution()).f
    for shares, price, charged in [(100, 25, 1.0), (1000, 25, 5.0), (1000, 0.25, 2.5)]:
        plain = f[t.COMMISSION] * shares * price + f[t.COMMISSION_SHARE] * shares
        assert commission_due(plain, shares * price, f[t.COMMISSION_MIN], f[t.COMMISSION_MAX]) == charged


def test_a_preset_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r"no costs 'zipine'; there are free, .*Did you mean 'zipline'\?"):
        Costs.preset("zipine")
    with pytest.raises(ConfigError, match=r"no costs \['free'\]"):
        Costs.preset(["free"])


@pytest.mark.parametrize("cash", [0, -1, NAN, INF, True, "1", None, 1j, np.complex128(1), 10**400, np.True_])
def test_cash_is_a_positive_amount(cash: object) -> None:
    with pytest.raises(ConfigError, match=r"cash is .*; it must be a positive amount"):
        check_settings(cash, None, None, Execution())


def test_a_strategys_own_costs_stand_in_the_record() -> None:
    class Own(Strategy):
        def __init__(self, costs: Costs) -> None:
            self.costs, self.pair = costs, (costs.slippage_bps, Tier(1))

    costs = Costs(slippage_bps=Rates(1, table=[("A", 2.0, "2020-01-02")]))
    told = describe_strategy(Own(costs))
    assert told["costs"] == costs.describe()
    assert told["pair"] == [costs.slippage_bps.describe(), {"rate": 1.0, "min_dollar_volume": 0.0, "min_price": 0.0}]
    assert json.loads(json.dumps(told)) == told


def test_settings_as_plain_data() -> None:
    table = [("B", 0.5, "2020-01-02"), ("A", 0.25)]
    costs = Costs(borrow_rate=Rates(0.01, {"B": 0.02}, table, [Tier(0.03, 1e6)]), not_shortable=["B", "A", "B"])
    told = costs.describe()
    assert json.loads(json.dumps(told)) == told
    assert told["slippage_bps"] == 5.0
    assert told["not_shortable"] == ["A", "B"]
    hashed = told["borrow_rate"].pop("table")
    assert told["borrow_rate"] == {
        "default": 0.01,
        "symbols": {"B": 0.02},
        "tiers": [{"rate": 0.03, "min_dollar_volume": 1e6, "min_price": 0.0}],
    }
    assert (hashed["rows"], hashed["symbols"], len(hashed["sha256"])) == (2, 2, 64)
    other = Costs(borrow_rate=Rates(0.01, {"B": 0.02}, table[:1], [Tier(0.03, 1e6)])).describe()
    assert other["borrow_rate"]["table"]["sha256"] != hashed["sha256"]
    dated = Costs(not_shortable=[("A", "2020-01-02", None)]).describe()["not_shortable"]
    assert (dated["rows"], dated["symbols"]) == (1, 1)


@pytest.mark.parametrize(
    "guard",
    [{"guard_gross": 9}, {"guard_net": 9}, {"min_fresh": 0.1}, {"max_unscored": 0.9}, {"guard_equal_scores": True}],
)
def test_the_kernel_looks_at_guards_if_there_is_one(guard) -> None:
    assert to_rules(None, RiskLimits(**guard), Execution()).i[t.GUARDED] == 1
