"""The study of a signal: what it holds, which names count, and what it says of planted truth and of chance."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

import backtester as bt
import signals
from backtester.cli.noted import signal_quality
from backtester.research.hac import mean_test
from backtester.research.quality import signal_study
from backtester.research.quality.ic import by_sector

MARKET = bt.synthetic(40, 300, 0, rank_ic=0.1)
PANEL, SCORE = MARKET.panel, MARKET.score
# What six significant digits leave.
SIX = 5.1e-6
NAN = math.nan


def study(scores: Any = SCORE, panel: bt.Panel = PANEL, **more: Any) -> dict[str, Any]:
    return signal_study(panel, scores, **{"horizon": 5, **more})


STUDY = study()


def test_it_holds_what_it_says() -> None:
    assert list(STUDY) == [
        "source", "horizon", "fill", "predicts", "sessions", "scored", "horizons", "daily", "years", "sectors",
        "quantiles", "autocorrelation", "errors", "epochs", "members",
    ]  # fmt: skip
    one = {"mean", "error", "low", "high", "t", "p", "lags", "std", "ir", "positive", "sessions"}
    for row in STUDY["horizons"]:
        assert set(row) == {"horizon", "rank", "pearson"}
        assert set(row["rank"]) == set(row["pearson"]) == one
    assert set(STUDY["years"][0]) == {"year", "mean", "error", "low", "high", "sessions"}
    assert set(STUDY["sectors"][0]) == {"sector", "mean", "error", "low", "high", "sessions", "names"}
    quantiles = STUDY["quantiles"]
    assert set(quantiles) == {
        "count", "horizon", "sessions", "mean_bps", "low_bps", "high_bps", "universe_bps", "dates", "cumulative",
        "spread_cumulative", "spread", "alpha", "beta", "turnover",
    }  # fmt: skip
    assert set(quantiles["spread"]) == {"mean_bps", "low_bps", "high_bps", "p"}
    assert set(quantiles["alpha"]) == {"a_year", "low", "high", "p"}
    assert set(quantiles["beta"]) == {"value", "low", "high"}
    assert {lag: set(both) for lag, both in quantiles["turnover"].items()} == {
        lag: {"bottom", "top"} for lag in ("1", "5", "10", "21")
    }
    assert list(STUDY["autocorrelation"]) == ["1", "5", "10", "21"]
    for key in ("mean_bps", "low_bps", "high_bps", "cumulative"):
        assert len(quantiles[key]) == 5
    assert {len(curve) for curve in quantiles["cumulative"]} == {len(quantiles["dates"]), quantiles["sessions"]}
    assert len(quantiles["spread_cumulative"]) == quantiles["sessions"]
    assert len(STUDY["daily"]["dates"]) == len(STUDY["daily"]["rank"]) == len(STUDY["daily"]["pearson"])
    assert (STUDY["source"], STUDY["errors"], STUDY["epochs"], STUDY["members"]) == ("", None, [], {})


def test_it_is_plain_data() -> None:
    text = json.dumps(STUDY, allow_nan=False)
    assert json.loads(text) == STUDY
    assert json.dumps(study(), allow_nan=False) == text


@pytest.mark.parametrize("horizon", [1, 3, 5])
def test_its_figures_are_those_of_the_library(horizon: int) -> None:
    found = study(horizon=horizon)
    assert [row["horizon"] for row in found["horizons"]] == sorted({1, 5, 10, 21, horizon})
    for row in found["horizons"]:
        labels = bt.labels(PANEL, None, row["horizon"])
        for key, one in (("rank", bt.rank_ic), ("pearson", bt.pearson_ic)):
            daily = one(SCORE, labels)
            assert row[key]["mean"] == pytest.approx(np.nanmean(daily), rel=SIX)
            assert row[key]["sessions"] == np.isfinite(daily).sum()
            assert row[key]["lags"] >= row["horizon"] - 1
            assert row[key]["error"] == pytest.approx(mean_test(daily, least=row["horizon"] - 1).error, rel=SIX)
    daily = bt.rank_ic(SCORE, bt.labels(PANEL, None, horizon))
    known = np.isfinite(daily)
    assert found["daily"]["dates"] == [str(day) for day in PANEL.dates[known]]
    assert found["daily"]["rank"] == pytest.approx(daily[known].tolist(), rel=SIX, abs=1e-15)
    sectors = by_sector(PANEL.sectors, SCORE, bt.labels(PANEL, None, horizon), horizon)
    assert [(one["sector"], one["sessions"]) for one in found["sectors"]] == [(s.sector, s.sessions) for s in sectors]
    assert [one["mean"] for one in found["sectors"]] == pytest.approx([s.mean for s in sectors], rel=SIX)
    assert [one["error"] for one in found["sectors"]] == pytest.approx([s.error for s in sectors], rel=SIX)
    whole = sum(year["mean"] * year["sessions"] for year in found["years"]) / known.sum()
    assert whole == pytest.approx(np.nanmean(daily), rel=1e-5)


def test_it_agrees_with_the_note_of_a_run() -> None:
    note = signal_quality(PANEL, SCORE, 5, "open", "x")
    rank = next(row["rank"] for row in STUDY["horizons"] if row["horizon"] == 5)
    assert rank["mean"] == pytest.approx(note["rank_ic"], abs=1e-6)
    assert rank["positive"] == pytest.approx(note["above_zero"], abs=1e-6)
    assert (rank["sessions"], STUDY["sessions"]) == (note["sessions"], note["sessions_scored"])
    assert STUDY["scored"] == pytest.approx(note["scored"], abs=1e-6)


def test_scores_may_come_in_any_form() -> None:
    given = bt.Scores(SCORE, PANEL.dates, PANEL.symbols)
    table = pd.DataFrame(SCORE, pd.DatetimeIndex(PANEL.dates), list(PANEL.symbols))
    for one in (given, table, table.iloc[:, ::-1]):
        assert study(one) == STUDY
    with pytest.raises(bt.DataError, match="scores have shape"):
        study(SCORE[1:])


def test_only_members_that_can_be_ordered_count() -> None:
    """Scores of others may be anything: nothing moves."""
    rng = np.random.default_rng(0)
    member = np.array(PANEL.member)
    member[:, :6] = rng.random((300, 6)) < 0.5
    volume = np.array(PANEL.volume)
    volume[rng.random(volume.shape) < 0.05] = 0.0
    bars = {name: getattr(PANEL, name) for name in ("open", "high", "low", "close")}
    sectors = dict(zip(PANEL.symbols, PANEL.sectors, strict=True))
    cut = bt.Panel.from_arrays(PANEL.dates, PANEL.symbols, **bars, volume=volume, members=member, sectors=sectors)
    mad = np.where(cut.member & cut.tradable, SCORE, 1e6 * rng.standard_normal(SCORE.shape))
    silent = np.where(cut.member & cut.tradable, SCORE, NAN)
    assert study(mad, cut) == study(silent, cut)
    assert study(mad, cut)["quantiles"] != STUDY["quantiles"]


def test_it_sees_no_score_that_is_not_there() -> None:
    """Of a walk-forward the sessions that were learnt from have no score, and are not in it."""
    scores = bt.walk_forward(PANEL, signals.Reversal(3), bt.Folds(train=100, test=50))
    found = study(scores)
    first = np.flatnonzero(np.isfinite(scores.values).any(axis=1))[0]
    assert first > 90
    assert found["daily"]["dates"][0] == found["quantiles"]["dates"][0] == str(PANEL.dates[first])
    assert found["sessions"] == np.isfinite(scores.values).any(axis=1).sum()
    other = scores.values.copy()
    other[:first] = NAN
    assert study(other) == found


def test_what_followed_runs_from_the_fill() -> None:
    for fill in ("open", "close", "same_close"):
        found = study(fill=fill)
        expected = np.nanmean(bt.rank_ic(SCORE, bt.labels(PANEL, None, 5, fill=fill)))
        rank = next(row["rank"] for row in found["horizons"] if row["horizon"] == 5)
        assert (found["fill"], rank["mean"]) == (fill, pytest.approx(expected, rel=SIX))
        label = bt.labels(PANEL, None, 1, fill=fill)
        counts = np.isfinite(label) & np.isfinite(SCORE)
        rows = counts.sum(axis=1) >= 20
        universe = np.mean([label[t][counts[t]].mean() for t in np.flatnonzero(rows)])
        assert found["quantiles"]["universe_bps"] == pytest.approx(1e4 * universe, rel=SIX)


def test_a_score_that_is_what_follows_is_perfect() -> None:
    found = study(bt.labels(PANEL), horizon=1, predicts="return")
    (first, *rest) = found["horizons"]
    assert first["rank"]["mean"] == first["pearson"]["mean"] == 1.0
    assert all(row["rank"]["mean"] < 0.9 for row in rest)
    means = found["quantiles"]["mean_bps"]
    assert means == sorted(means)
    assert found["quantiles"]["spread"]["low_bps"] > 100
    assert found["quantiles"]["alpha"]["low"] > 1.0
    assert (found["errors"]["mse"], found["errors"]["direction"], found["errors"]["precision"]) == (0.0, 1.0, 1.0)
    assert all(sector["mean"] == 1.0 for sector in found["sectors"])


def test_turned_scores_turn_the_study() -> None:
    turned = study(-SCORE)
    for one, other in zip(turned["horizons"], STUDY["horizons"], strict=True):
        assert one["rank"]["mean"] == pytest.approx(-other["rank"]["mean"], rel=1e-6)
        assert one["pearson"]["error"] == pytest.approx(other["pearson"]["error"], rel=1e-6)
    assert turned["autocorrelation"] == STUDY["autocorrelation"]


@pytest.mark.parametrize("seed", range(3))
def test_chance_is_called_chance(seed: int) -> None:
    """Five errors: what a fair test passes but for one in a million."""
    noise = np.random.default_rng(seed).standard_normal(SCORE.shape)
    found = study(noise)
    for row in found["horizons"]:
        assert abs(row["rank"]["mean"]) < 5 * row["rank"]["error"]
    assert abs(found["autocorrelation"]["1"]) < 5 / math.sqrt(39 * 299)
    assert found["quantiles"]["turnover"]["1"]["top"] == pytest.approx(0.8, abs=0.05)


def test_what_was_planted_is_found() -> None:
    own = STUDY["horizons"][0]
    assert own["horizon"] == 1
    assert own["rank"]["low"] < 0.1 < own["rank"]["high"]
    assert own["rank"]["p"] < 1e-6
    assert STUDY["quantiles"]["spread"]["p"] < 0.01


def test_members_and_epochs() -> None:
    rng = np.random.default_rng(0)
    members = {"seed 0": SCORE, "seed 1": rng.standard_normal(SCORE.shape)}
    keys = ("fold", "model", "epoch", "train_loss", "valid_loss", "valid_ic", "note")
    learning = [dict(zip(keys, (f, "a", 1, 1.0 + f, 2.0, None, ""), strict=True)) for f in (0, 1)]
    given = bt.Scores(SCORE, PANEL.dates, PANEL.symbols, members=members, learning=tuple(learning))
    found = study(given, source="own:Signal")
    labels = bt.labels(PANEL, None, 5)
    assert found["source"] == "own:Signal"
    assert found["members"] == pytest.approx(
        {name: np.nanmean(bt.rank_ic(own, labels)) for name, own in members.items()}, rel=SIX
    )
    assert found["epochs"] == [{"epoch": 1, "train_loss": 1.5, "valid_loss": 2.0, "valid_ic": None, "models": 2}]
    assert {key: found[key] for key in ("horizons", "quantiles", "years")} == {
        key: STUDY[key] for key in ("horizons", "quantiles", "years")
    }


def test_errors_are_those_of_its_own_horizon() -> None:
    scores = 0.1 * SCORE
    found = study(scores, predicts="return")["errors"]
    labels = bt.labels(PANEL, None, 5)
    both = np.isfinite(scores) & np.isfinite(labels)
    assert found["mse"] == pytest.approx(np.mean((scores[both] - labels[both]) ** 2), rel=SIX)
    assert found["count"] == both.sum()
    assert set(found) == {"mse", "mae", "direction", "precision", "recall", "base_rate", "count"}


@pytest.mark.parametrize("scores", [np.full(SCORE.shape, NAN), np.zeros(SCORE.shape)], ids=["none", "all the same"])
def test_scores_that_say_nothing_are_no_error(scores: np.ndarray) -> None:
    found = study(scores, predicts="return")
    json.dumps(found, allow_nan=False)
    for row in found["horizons"]:
        assert row["rank"]["mean"] is row["pearson"]["p"] is None
        assert row["rank"]["sessions"] == 0
    assert found["daily"] == {"dates": [], "rank": [], "pearson": []}
    assert found["quantiles"]["mean_bps"] == [None] * 5
    assert found["quantiles"]["dates"] == found["years"] == found["sectors"] == []


def test_a_market_too_small_for_anything() -> None:
    market = bt.synthetic(2, 10, 0)
    found = study(market.score, market.panel)
    json.dumps(found, allow_nan=False)
    assert found["horizons"][0]["rank"]["mean"] is None
    assert found["quantiles"]["sessions"] == 0


def test_settings_may_be_numbers_of_numpy() -> None:
    assert json.dumps(study(horizon=np.int64(5), horizons=np.array([21, 10, 5, 1]))) == json.dumps(STUDY)


def test_a_table_of_a_symbol_with_the_name_of_an_attribute() -> None:
    named = bt.Panel.from_frame(
        pd.DataFrame(
            {
                **{"date": np.repeat(PANEL.dates[:30], 2), "symbol": ["learning", "members"] * 30},
                **dict.fromkeys(("open", "high", "low", "close", "volume"), 10.0),
            }
        )
    )
    table = pd.DataFrame(np.ones((30, 2)), pd.DatetimeIndex(named.dates), list(named.symbols))
    found = study(table, named)
    assert (found["epochs"], found["members"]) == ([], {})


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"horizon": 0}, "horizon is 0"),
        ({"horizon": 2.5}, "horizon is 2.5"),
        ({"horizons": (1, 0)}, "horizon is 0"),
        ({"quantiles": 1}, "quantiles is 1"),
        ({"fill": "noon"}, "fill is 'noon'"),
        ({"predicts": "price"}, "predicts is 'price'"),
    ],
    ids=str,
)
def test_wrong_settings_are_refused(setting: dict[str, Any], told: str) -> None:
    with pytest.raises(bt.ConfigError, match=told):
        study(**setting)
