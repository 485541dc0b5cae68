"""Scores from a file, on the command line."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd
import pytest
from command_line import CONFIG, call, only_run, refused, run_folders

import backtester as bt

pytestmark = pytest.mark.usefixtures("own_folder")


def test_scores_that_cannot_be_used() -> None:
    def scores(frame: pd.DataFrame) -> str:
        frame.to_parquet("scores.parquet")
        return refused("run", "small.toml", "--set", "scores.path=scores.parquet")

    good = pd.DataFrame({"date": pd.to_datetime(["2015-01-05"] * 2), "symbol": ["S01", "S02"], "score": [1.0, 2.0]})
    assert "no column 'score'" in scores(good.rename(columns={"score": "value"}))
    assert "hold S01 on 2015-01-05" in scores(pd.concat([good, good]))
    assert "something that is no date" in scores(good.assign(date="soon"))
    assert "(1 row too many)" in scores(pd.concat([good, good[:1]]))
    assert "have 1 row without a date" in scores(good.assign(date=[None, good["date"][1]]))
    assert "in the time zone UTC" in scores(good.assign(date=good["date"].dt.tz_localize("UTC")))
    Path("scores.csv").write_text("date,symbol,score")
    assert "only Parquet is read" in refused("run", "small.toml", "--set", "scores.path=scores.csv")
    Path("scores.parquet").write_text("PAR1 and nothing more")
    assert "Cannot read the scores" in refused("run", "small.toml", "--set", "scores.path=scores.parquet")
    Path("folder").mkdir()
    assert "Is a directory" in refused("run", "small.toml", "--set", "scores.path=folder")
    message = refused("run", "small.toml", "--set", "scores.path=scored.parquet")
    assert message.endswith("scored.parquet: there is no such file. Did you mean 'scores.parquet'?")


def write_scores(dates: list[str], symbols: list[str] | None = None, score: float | None = None) -> None:
    """Scores of some symbols on some dates: all ``score``, or one after another."""
    pairs = [(date, symbol) for date in dates for symbol in symbols or bt.synthetic(24, 90, 3).panel.symbols]
    values = [float(k % 7) if score is None else score for k in range(len(pairs))]
    frame = pd.DataFrame(pairs, columns=["date", "symbol"]).assign(score=values)
    frame.assign(date=pd.to_datetime(frame["date"])).to_parquet("scores.parquet")


def run_scores(code: int = 0) -> str:
    finished = call("run", "small.toml", "--set", "scores.path=scores.parquet", code=code)
    return " ".join((finished.stderr if code else finished.output).split())


def test_scores_outside_the_panel_are_left_out_and_counted() -> None:
    inside = [str(date) for date in bt.synthetic(24, 90, 3).panel.dates[:2]]
    names = list(bt.synthetic(24, 90, 3).panel.symbols)
    write_scores(["2014-12-31", *inside, "2030-01-02", "2030-01-03"], [*names, "ZZZ"])
    output = run_scores()
    assert (
        "Note: scores.parquet: 77 scores left out: 24 before 2015-01-02, 48 after 2015-05-07, "
        "5 of 1 symbol that the panel does not have (ZZZ)." in output
    ), output
    assert bt.Result.load(only_run()).settings["scores_file"]["known"] == 48

    write_scores(inside)
    assert "left out" not in run_scores()
    write_scores(["2014-12-31"])
    assert "hold nothing for the panel, 2015-01-02 to 2015-05-07: of its scores, 24 before" in run_scores(code=1)
    write_scores(inside, [names[0].lower()])
    assert f"Did you mean {names[0]!r}?" in run_scores(code=1)
    write_scores([])
    assert "it is empty" in run_scores(code=1)
    write_scores([*inside, "2015-01-04"])  # a Sunday
    assert "no session of the panel" in run_scores(code=1)


def test_other_scores_are_another_run() -> None:
    dates = [str(date) for date in bt.synthetic(24, 90, 3).panel.dates]
    write_scores(dates)
    run_scores()
    content = Path("scores.parquet").read_bytes()
    assert bt.Result.load(only_run()).settings["scores_file"] == {
        "name": "scores.parquet",
        "sha256": hashlib.sha256(content).hexdigest(),
        "known": 24 * 90,
    }
    assert "the same run is in" in run_scores()
    assert "the same run is in" in call("run", str(only_run() / "config.toml")).output
    frame = pd.read_parquet("scores.parquet")
    frame.assign(score=frame["score"] * 2).to_parquet("scores.parquet")  # the same ranks, so the same orders
    assert "saved to" in run_scores()
    assert len(run_folders()) == 2


def test_scores_that_are_all_nan_are_said() -> None:
    write_scores([str(date) for date in bt.synthetic(24, 90, 3).panel.dates], score=float("nan"))
    assert "no fill: no score is known: scores.parquet holds nothing but NaN" in run_scores()


def test_a_ranked_strategy_without_scores_says_where_they_come_from() -> None:
    market = bt.synthetic(24, 90, 3)
    frame = pd.DataFrame(
        {
            "date": market.panel.dates.astype("datetime64[s]").repeat(24),
            "symbol": list(market.panel.symbols) * 90,
            **{key: getattr(market.panel, key).ravel() for key in ("open", "close", "volume")},
        }
    )
    frame.to_parquet("bars.parquet")
    Path("real.toml").write_text(
        CONFIG.replace("synthetic = { symbols = 24, sessions = 90, seed = 3 }", 'path = "bars.parquet"')
    )
    message = refused("run", "real.toml")
    assert "needs scores" in message
    assert "[scores]" in message
