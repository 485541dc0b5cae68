"""What the command line notes in the record of a run: the check of its data, and how good its scores were."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command_line import CONFIG, call

import backtester as bt
from backtester.cli import noted
from backtester.cli.config import parse_config
from backtester.cli.running import make_run
from backtester.market.ingest import import_files
from backtester.report import summary

pytestmark = pytest.mark.usefixtures("own_folder")

LONG_ONLY = """
[data]
path = "{path}"

[strategy]
class = "strategies:Reversal"
long = 3
short = 3
"""


def dataset(out: str) -> Path:
    """60 sessions of 12 symbols; one bar of the first is ten times too high."""
    made = bt.synthetic(12, 60, 1).panel
    table = pd.DataFrame({"date": np.repeat(made.dates, 12), "symbol": np.tile(made.symbols, 60)})
    for name in ("open", "high", "low", "close", "volume"):
        table[name] = getattr(made, name).ravel()
    table.loc[12 * 30, ["open", "high", "low", "close"]] *= 10.0
    table.to_csv("bars.csv", index=False)
    import_files("bars.csv", out, basis="as_traded")
    return Path(out)


def test_a_run_says_what_the_check_of_its_data_found() -> None:
    folder = dataset("data")
    checked = json.loads((folder / "check.json").read_text())
    errors = {one["kind"]: one["count"] for one in checked["problems"] if one["severity"] == "error"}
    assert errors
    Path("run.toml").write_text(LONG_ONLY.format(path="data"))
    text = " ".join(call("run", "run.toml", "--out", "runs/one").output.split())
    kind, count = next(iter(errors.items()))
    assert f"Data: the check found errors ({kind} {count}" in text
    settings = bt.Result.load("runs/one").settings
    assert settings["data_check"]["errors"] == errors
    assert json.loads(call("report", "one", "--json").stdout)["data_check"].startswith("the check found errors")
    (folder / "check.json").unlink()
    assert "Data: not checked" in call("run", "run.toml", "--out", "runs/two").output
    assert bt.Result.load("runs/two").settings["data_check"] is None
    shown = " ".join(call("compare", "one", "two").output.split())
    assert f"one: data: the check found errors ({kind}" in shown
    assert "two: data: not checked." in shown


def test_the_path_to_check_is_that_of_the_dataset() -> None:
    dataset("data")
    Path("configs").mkdir()
    Path("configs/run.toml").write_text(LONG_ONLY.format(path="../data"))
    for text in (call("run", "configs/run.toml", "--out", "runs/one").output, call("report", "one").output):
        assert "`data check data` says where" in " ".join(text.split())
    Path("runs/one/config.toml").unlink()
    assert "`data check PATH` says where" in " ".join(call("report", "one").output.split())


def row(fold: int, model: str, epoch: int, train: float | None, valid: float | None, note: str = "") -> dict[str, Any]:
    known = {"train_loss": train, "valid_loss": valid, "valid_ic": None}
    return {"fold": fold, "model": model, "epoch": epoch, **known, "note": note}


def test_what_models_learnt_and_which_failed() -> None:
    rows = [
        row(1, "a", 1, 1.0, 0.9),
        row(1, "a", 2, 0.8, 0.95004),
        row(1, "b", 1, 1.0, 0.7),
        row(1, "b", 2, None, None, "the loss was nan: stopped; chosen"),
        row(2, "a", 1, 1.0, 0.81),
        row(2, "a", 2, 0.9, 0.80004, "no better for 1 epochs: stopped"),
        row(2, "b", 1, 0.5, None, "a weight is no number: stopped"),
    ]
    assert noted.of_learning(rows) == {
        "models": 4,
        "failed": [
            {"fold": 1, "model": "b", "epoch": 2, "note": "the loss was nan: stopped; chosen"},
            {"fold": 2, "model": "b", "epoch": 1, "note": "a weight is no number: stopped"},
        ],
        "by": "valid_loss",
        "epoch_low": 1,  # of a and b in fold 1
        "epoch_high": 2,  # of a in fold 2
        "loss_low": 0.7,
        "loss_high": 0.9,
    }
    unwatched = noted.of_learning([row(1, "a", 1, 0.5, None), row(1, "a", 2, 0.6, None)])
    assert (unwatched["by"], unwatched["epoch_low"], unwatched["loss_low"]) == ("train_loss", 2, 0.6)
    nothing = noted.of_learning([row(1, "a", 1, None, None, "the loss was inf: stopped")])
    assert (nothing["epoch_low"], nothing["loss_high"], len(nothing["failed"])) == (None, None, 1)


def test_a_range_is_over_members_of_the_same_sessions() -> None:
    market = bt.synthetic(12, 60, 1, rank_ic=0.2)
    later = market.score.copy()
    later[:20] = np.nan

    def quality(**members: Any) -> dict[str, Any]:
        scores = bt.Scores(market.score, market.panel.dates, market.panel.symbols, members=members)
        return noted.signal_quality(market.panel, scores, 1, "open", "x")

    same = quality(a=market.score, b=-market.score)
    assert same["members_sessions"] == {"a": 58, "b": 58}  # the last two rows have no label from open to open
    assert same["members_low"] == -same["members_high"] < 0.0
    apart = quality(a=market.score, b=later)
    assert apart["members_sessions"] == {"a": 58, "b": 38}
    assert (apart["members_mean"], apart["members_low"], apart["members_high"]) == (None, None, None)
    said = summary._members(apart)
    a, b = apart["members"].values()
    assert said.endswith(
        f"; 2 single members, not of the same sessions: a {a:.4f} (58 sessions), b {b:.4f} (38 sessions)"
    )


def test_a_check_of_other_data_is_none() -> None:
    folder = dataset("data")
    assert noted.data_check(folder) is not None
    found = json.loads((folder / "check.json").read_text())
    for odd in (json.dumps(found | {"fingerprint": "0" * 64}), "{}", "[]", "no json"):
        (folder / "check.json").write_text(odd)
        assert noted.data_check(folder) is None
    assert noted.data_check(Path("nowhere")) is None


def test_a_synthetic_market_has_no_check() -> None:
    assert "data_check" not in make_run(parse_config(CONFIG, Path("small.toml"))).result.settings


def test_how_good_scores_are() -> None:
    market = bt.synthetic(12, 60, 1, rank_ic=0.2)
    panel, scores = market.panel, market.score.copy()
    scores[:10] = np.nan
    scores[10:, :3] = np.nan
    found = noted.signal_quality(panel, scores, 3, "open", "x")
    eligible = (panel.member & panel.tradable)[10:]
    ic = bt.rank_ic(scores, bt.labels(panel, None, 3))
    ic = ic[np.isfinite(ic)]
    assert ic.size == 60 - 10 - 4  # the last four rows have no label from the open of t+1 to that of t+4
    assert found == {
        "source": "x",
        "horizon": 3,
        "rank_ic": pytest.approx(ic.mean(), abs=1e-6),
        "standard_error": pytest.approx(ic.std(ddof=1) * np.sqrt(3) / np.sqrt(46), abs=1e-6),
        "above_zero": pytest.approx((ic > 0).mean(), abs=1e-6),
        "sessions": 46,
        "scored": pytest.approx(eligible[:, 3:].sum() / eligible.sum(), abs=1e-6),
        "sessions_scored": 50,
    }
    nothing = noted.signal_quality(panel, np.full(panel.shape, np.nan), 1, "open", "x")
    assert (nothing["rank_ic"], nothing["standard_error"], nothing["above_zero"], nothing["scored"]) == (None,) * 4
    assert (nothing["sessions"], nothing["sessions_scored"]) == (0, 0)


def test_the_quality_of_scores_is_in_the_record() -> None:
    planted = make_run(parse_config(CONFIG, Path("small.toml"))).result
    without = {key: value for key, value in planted.settings.items() if key != "signal_quality"}
    assert dataclasses.replace(planted, settings=without) == planted  # a run in Python does not note it
    assert planted.settings["signal_quality"]["source"] == ""
    signal = '\n[signal]\nclass = "signals:Reversal"\nlookback = 5\nhorizon = 2\ncache = false\n'
    Path("signal.toml").write_text(CONFIG + signal)
    text = " ".join(call("run", "signal.toml", "--out", "runs/one").output.split())
    assert "signals:Reversal, rank IC at a horizon of 2; labels overlap" in text
    loaded = bt.Result.load("runs/one")
    made = bt.Scores.from_parquet("runs/one/scores.parquet")
    panel = bt.synthetic(24, 90, 3).panel
    aligned = made.frame.reindex(index=pd.DatetimeIndex(panel.dates.astype("datetime64[s]")), columns=panel.symbols)
    expected = noted.signal_quality(panel, aligned, 2, "open", "signals:Reversal")
    assert loaded.settings["signal_quality"] == expected
