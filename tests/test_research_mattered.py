"""What mattered: least squares on dummies against normal equations, statsmodels' formulas, and planted truth."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import f as f_law

from backtester.errors import ConfigError, DataError
from backtester.research.hac import automatic_lags, mean_test
from backtester.research.mattered import Effect, Mattered, what_mattered

GRID: list[dict[str, Any]] = [
    {"hidden": hidden, "rate": rate, "epoch": epoch}
    for hidden, rate, epoch in itertools.product(([16, 8], [32, 16]), (0.001, 0.01, 0.1), (1, 2))
]


def daily_ics(seed: int, options: list[dict[str, Any]], sessions: int, memory: int = 1) -> np.ndarray:
    """Daily ICs with most of their noise in common, each the mean over ``memory`` sessions; nothing matters."""
    rng = np.random.default_rng(seed)
    wide = sessions + memory - 1
    drawn = 0.1 * rng.standard_normal(wide) + 0.04 * rng.standard_normal((len(options), wide))
    return np.asarray(np.lib.stride_tricks.sliding_window_view(drawn, memory, axis=1).mean(axis=2))


def planted(seed: int = 0, sessions: int = 500) -> np.ndarray:
    better = np.array([0.01 * (one["rate"] == 0.01) for one in GRID])
    return daily_ics(seed, GRID, sessions) + better[:, None]


def by_name(got: Mattered) -> dict[tuple[str, str], Effect]:
    return {(one.option, one.value): one for one in got.effects}


def dummies(options: list[dict[str, Any]]) -> np.ndarray:
    """Intercept, hidden [32, 16], rate 0.01, rate 0.1, epoch 2: by hand."""
    return np.array(
        [
            [1.0, one["hidden"] == [32, 16], one["rate"] == 0.01, one["rate"] == 0.1, one["epoch"] == 2]
            for one in options
        ],
        dtype=float,
    )


def test_worked_by_hand() -> None:
    # ICs of the base line: mean 0.02; of the other: mean 0.05; the daily differences are 0.04, 0.02, 0.03, 0.03.
    daily = np.array([[0.01, 0.03, 0.02, 0.02], [0.05, 0.05, 0.05, 0.05]])
    got = what_mattered([{"rate": 1}, {"rate": 2}], daily)
    (one,) = got.effects
    assert one[:2] == ("rate", "2")
    assert one.effect == pytest.approx(0.03)
    assert got.base.effect == pytest.approx(0.02)
    # Lags: ceil(1.3 sqrt(4)) = 3. Differences less their mean: 0.01, -0.01, 0, 0; squares are 2e-4, the product of
    # neighbours -1e-4, which Bartlett's weight 3/4 counts twice: 0.5e-4. Over n (n-1) = 12: the squared error.
    assert got.lags == 3
    assert one.error == pytest.approx(math.sqrt(0.5e-4 / 12.0))
    # R squared: the groups' means are 0.015 off the whole mean, 8 * 0.015**2 = 1.8e-3, and 2e-4 are left.
    assert got.r_squared == pytest.approx(1.8 / 2.0)
    assert (one.count, got.sessions, got.variants, got.aliased) == (4, 4, 2, ())


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_normal_equations_and_driscoll_kraay_in_loops(seed: int) -> None:
    options = GRID[:-2]  # so that effects are not just differences of means
    sessions = 90
    daily = daily_ics(seed, options, sessions, memory=10)
    got = what_mattered(options, daily, least=9)
    x = dummies(options)
    bread = np.linalg.inv(sessions * x.T @ x)
    beta = bread @ (x.T @ daily).sum(axis=1)
    scores = (x.T @ (daily - (x @ beta)[:, None])).T  # (T, K): what the variants of a session add up to
    lags = automatic_lags(sessions, 9)
    assert got.lags == lags > automatic_lags(sessions)
    meat = scores.T @ scores
    for k in range(1, lags + 1):
        apart = scores[k:].T @ scores[:-k]
        meat = meat + (1 - k / (lags + 1)) * (apart + apart.T)
    covariance = bread @ meat @ bread * sessions / (sessions - 1)
    told = [got.base, *got.effects]
    # 900 rows, well-conditioned: some hundred roundings.
    assert [one.effect for one in told] == pytest.approx(beta, rel=1e-10, abs=1e-13)
    assert [one.error for one in told] == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-10)
    left, spread = daily - (x @ beta)[:, None], daily - daily.mean()
    assert got.r_squared == pytest.approx(1.0 - (left**2).sum() / (spread**2).sum(), rel=1e-10)
    # The joint test of both rates: Wald, with the law of hac.
    both = beta[2:4]
    wald = both @ np.linalg.inv(covariance[2:4, 2:4]) @ both
    share = (lags + 1) / sessions
    freedom = 1.5 / share
    f = wald * (1 - share + share**2 / 3) * (freedom - 1) / (2 * freedom)
    joint = {one.option: one for one in got.joint}["rate"]
    assert (joint.base, joint.effects) == ("0.001", 2)
    assert joint.f == pytest.approx(f, rel=1e-9)
    assert joint.p == pytest.approx(float(f_law.sf(f, 2, freedom - 1)), rel=1e-9)


def test_agrees_with_a_formula_of_statsmodels() -> None:
    from statsmodels.formula.api import ols

    sessions = 120
    daily = planted(3, sessions)
    got = what_mattered(GRID, daily)
    table = pd.DataFrame(
        [
            {"ic": daily[v, t], "time": t, "hidden": str(one["hidden"]), "rate": one["rate"], "epoch": one["epoch"]}
            for v, one in enumerate(GRID)
            for t in range(sessions)
        ]
    )
    keywords = {"time": table["time"].to_numpy(), "maxlags": got.lags, "use_correction": False, "df_correction": False}
    fit = ols("ic ~ C(hidden) + C(rate) + C(epoch)", table).fit(cov_type="hac-groupsum", cov_kwds=keywords)
    names = ["Intercept", "C(hidden)[T.[32, 16]]", "C(rate)[T.0.01]", "C(rate)[T.0.1]", "C(epoch)[T.2]"]
    told = [got.base, *got.effects]
    assert [one.effect for one in told] == pytest.approx(fit.params[names].to_numpy(), rel=1e-9, abs=1e-13)
    scale = math.sqrt(sessions / (sessions - 1))
    assert [one.error for one in told] == pytest.approx(scale * fit.bse[names].to_numpy(), rel=1e-9)
    assert got.r_squared == pytest.approx(fit.rsquared, rel=1e-9)


def test_interval_and_p_are_those_of_the_mean_difference() -> None:
    daily = daily_ics(1, GRID, 300, memory=5)
    got = by_name(what_mattered(GRID, daily, least=4, level=0.9))[("rate", "0.1")]
    rates = np.array([one["rate"] for one in GRID])
    mean = mean_test(daily[rates == 0.1].mean(axis=0) - daily[rates == 0.001].mean(axis=0), least=4, level=0.9)
    assert got[2:7] == pytest.approx((mean.mean, mean.error, mean.low, mean.high, mean.p), rel=1e-9)


def test_a_planted_effect_is_found_and_nothing_else() -> None:
    got = what_mattered(GRID, planted())
    effects, joint = by_name(got), {one.option: one for one in got.joint}
    assert list(effects) == [("hidden", "[32, 16]"), ("rate", "0.01"), ("rate", "0.1"), ("epoch", "2")]
    assert effects["rate", "0.01"].low < 0.01 < effects["rate", "0.01"].high
    assert effects["rate", "0.01"].p < 1e-4
    assert joint["rate"].p < 1e-4
    for null in (("hidden", "[32, 16]"), ("rate", "0.1"), ("epoch", "2")):
        assert effects[null].low < 0.0 < effects[null].high
        assert effects[null].p > 0.05
    # One effect tested together is that effect.
    assert joint["epoch"].p == pytest.approx(effects["epoch", "2"].p, rel=1e-9)
    assert [one.count for one in got.effects] == [3000, 2000, 2000, 3000]
    assert [joint[name].base for name in ("hidden", "rate", "epoch")] == ["[16, 8]", "0.001", "1"]


def test_more_variants_of_the_same_sessions_are_no_more_evidence() -> None:
    daily = planted(2)
    one, three = what_mattered(GRID, daily), what_mattered(GRID * 3, np.vstack([daily] * 3))
    for a, b in zip(one.effects, three.effects, strict=True):
        assert b[:7] == (*a[:2], *(pytest.approx(x, rel=1e-9, abs=1e-14) for x in a[2:7]))
    assert three.variants == 36


def test_labels_that_overlap_widen_the_intervals() -> None:
    daily = daily_ics(0, GRID, 400, memory=10)
    shuffled = daily[:, np.random.default_rng(0).permutation(400)]
    tied, loose = (by_name(what_mattered(GRID, one, least=9))["epoch", "2"] for one in (daily, shuffled))
    assert tied.effect == pytest.approx(loose.effect)
    assert tied.error > 2.0 * loose.error  # sqrt(10) in the limit


def test_options_of_one_value_are_left_out_and_the_first_is_the_base_line() -> None:
    options = [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 1, "b": "x"}]
    got = what_mattered(options, daily_ics(0, options, 60))
    assert [one[:2] for one in got.effects] == [("b", "y")]
    assert [(one.option, one.base) for one in got.joint] == [("b", "x")]


def test_values_are_told_as_json_and_what_is_not_named_is_not_set() -> None:
    values: list[Any] = ["16", True, 1, 1.0, None, [16, {"b": 1, "a": "é"}], np.int64(7), math.nan]
    options: list[dict[str, Any]] = [{}, *({"a": value} for value in values)]
    got = what_mattered(options, daily_ics(0, options, 400))
    texts = ["16", "true", "1", "1.0", "null", '[16, {"a": "é", "b": 1}]', "7", '"NaN"']
    assert [one.value for one in got.effects] == texts
    assert got.joint[0].base == "not set"


def test_what_earlier_dummies_say_already_is_aliased() -> None:
    options = [
        {"name": "a", "depth": 1, "wide": False},
        {"name": "b", "depth": 2, "wide": True},
        {"name": "c", "depth": 2, "wide": False},
        {"name": "c", "depth": 2, "wide": True},
    ]
    daily = daily_ics(0, options, 200)
    got = what_mattered(options, daily)
    assert [one[:2] for one in got.effects] == [("name", "b"), ("name", "c"), ("wide", "true")]
    assert got.aliased == (("depth", "2"),)
    assert [one.option for one in got.joint] == ["name", "wide"]
    without = [{key: value for key, value in one.items() if key != "depth"} for one in options]
    assert what_mattered(without, daily).effects == got.effects


def test_variants_and_sessions_that_are_not_known_are_left_out() -> None:
    daily = planted(1, 100)
    gaps = np.insert(daily, [0, 50], 9.0, axis=1)
    gaps[3, 0], gaps[7, 51] = np.nan, np.inf
    options = [{"hidden": "failed", "rate": 5.0, "epoch": 1, "more": 1}, *GRID]
    got = what_mattered(options, np.vstack([np.full(102, np.nan), gaps]))
    assert got == what_mattered(GRID, daily)
    assert (got.variants, got.sessions) == (12, 100)


def test_variants_that_are_the_same_have_an_effect_of_0_without_a_p() -> None:
    options = [{"a": value} for value in (1, 2, 3)]
    common = daily_ics(0, options[:1], 80)
    got = what_mattered(options, np.vstack([common, common, common + 0.25]))
    same, constant = got.effects
    assert same[2:] == (
        pytest.approx(0.0, abs=1e-15),
        0.0,
        same.effect,
        same.effect,
        pytest.approx(math.nan, nan_ok=True),
        80,
    )
    assert (constant.effect, constant.error) == (pytest.approx(0.25), 0.0)
    assert math.isnan(got.joint[0].p)
    assert math.isfinite(got.base.p)


def test_effects_that_always_move_together_are_not_tested_jointly() -> None:
    options = [{"a": value} for value in (1, 2, 3)]
    daily = daily_ics(0, options[:2], 80)
    daily = np.vstack([daily, 2.0 * daily[1] - daily[0]])  # the third effect is twice the second on every day
    got = what_mattered(options, daily)
    assert math.isnan(got.joint[0].f)
    assert all(one.error > 0.0 for one in got.effects)


def test_more_effects_than_the_sessions_can_tell() -> None:
    options = [{"a": value} for value in range(12)]
    got = what_mattered(options, daily_ics(0, options, 30))
    assert math.isnan(got.joint[0].f)
    assert math.isnan(got.joint[0].p)
    assert all(math.isfinite(one.p) for one in got.effects)


def test_too_little_is_nan() -> None:
    got = what_mattered(GRID, np.full((12, 1), 0.1))
    assert len(got.effects) == 4
    for one in (got.base, *got.effects):
        assert all(math.isnan(x) for x in (one.effect, one.error, one.low, one.high, one.p))
    assert all(math.isnan(one.p) for one in got.joint)
    assert math.isnan(got.r_squared)


@pytest.mark.parametrize(("options", "shape"), [([], (0, 50)), (GRID, (12, 0)), (GRID[:2], (2, 50))])
def test_variants_of_which_nothing_is_known_leave_nothing(
    options: list[dict[str, Any]], shape: tuple[int, int]
) -> None:
    got = what_mattered(options, np.full(shape, np.nan))
    assert (got.effects, got.joint, got.aliased, got.variants, got.sessions) == ((), (), (), 0, 0)
    assert math.isnan(got.base.effect)
    assert math.isnan(got.base.p)


def test_constant_ics_have_no_r_squared() -> None:
    got = what_mattered([{"a": 1}, {"a": 2}], np.full((2, 50), 0.1))
    assert math.isnan(got.r_squared)
    assert got.effects[0].effect == pytest.approx(0.0, abs=1e-15)
    assert got.base.effect == pytest.approx(0.1)


def test_one_variant_has_its_mean() -> None:
    daily = daily_ics(0, GRID[:1], 250)
    got = what_mattered(GRID[:1], daily)
    mean = mean_test(daily[0])
    assert (got.effects, got.joint) == ((), ())
    assert got.base[2:7] == pytest.approx((mean.mean, mean.error, mean.low, mean.high, mean.p), rel=1e-9)


def test_what_is_refused() -> None:
    for shape in ((12,), (11, 50), (12, 50, 1)):
        with pytest.raises(DataError, match="12 variants"):
            what_mattered(GRID, np.zeros(shape))
    with pytest.raises(ConfigError, match="level is 1"):
        what_mattered(GRID, np.zeros((12, 50)), level=1.0)
    with pytest.raises(ConfigError, match="least is -1"):
        what_mattered(GRID, np.zeros((12, 50)), least=-1)


def test_statsmodels_is_imported_only_when_it_is_needed() -> None:
    code = "import sys, backtester.research.mattered; assert not any(m.startswith('statsmodels') for m in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
