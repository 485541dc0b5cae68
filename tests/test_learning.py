"""The learning curves of a signal in the record of a run: as a table, in the run's folder, and damage to it noticed."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from results import make_result
from signal_cases import market

import backtester as bt
from backtester.errors import RunError
from backtester.result import Result

COLUMNS = ["fold", "model", "epoch", "train_loss", "valid_loss", "valid_ic", "note"]
ROWS = (
    dict(zip(COLUMNS, (1, "seed 0", 1, 0.5, 0.625, None, ""), strict=True)),
    dict(zip(COLUMNS, (1, "seed 0", 2, 0.25, None, 0.0125, "stopped"), strict=True)),
    dict(zip(COLUMNS, (2, "seed 1", 1, None, None, None, ""), strict=True)),
)


def with_curves() -> Result:
    return dataclasses.replace(make_result(), curves=ROWS)


def test_curves_are_a_table() -> None:
    table = with_curves().learning
    assert list(table.columns) == COLUMNS
    assert table[["fold", "model", "epoch", "note"]].to_numpy().tolist() == [
        [1, "seed 0", 1, ""],
        [1, "seed 0", 2, "stopped"],
        [2, "seed 1", 1, ""],
    ]
    np.testing.assert_array_equal(table["valid_loss"], [0.625, np.nan, np.nan])
    np.testing.assert_array_equal(table["valid_ic"], [np.nan, 0.0125, np.nan])
    empty = make_result().learning
    assert list(empty.columns) == COLUMNS
    assert len(empty) == 0
    assert (empty.dtypes == table.dtypes).all()


def test_they_are_in_the_folder_and_no_part_of_what_makes_runs_equal(tmp_path: Path) -> None:
    result = with_curves()
    assert result == make_result()
    result.save(tmp_path / "run")
    loaded = Result.load(tmp_path / "run")
    assert loaded.curves == ROWS
    pd.testing.assert_frame_equal(loaded.learning, result.learning)
    assert pq.read_table(tmp_path / "run" / "learning.parquet").column_names == COLUMNS
    make_result().save(tmp_path / "without")
    assert not (tmp_path / "without" / "learning.parquet").exists()
    assert Result.load(tmp_path / "without").curves == ()


def test_a_folder_from_before_there_were_curves_can_be_read(tmp_path: Path) -> None:
    make_result().save(tmp_path / "run")
    file = tmp_path / "run" / "run.json"
    told = json.loads(file.read_text())
    del told["hashes"]["learning"]
    file.write_text(json.dumps(told))
    assert Result.load(tmp_path / "run") == make_result()


def test_damage_to_them_is_noticed(tmp_path: Path) -> None:
    with_curves().save(tmp_path / "run")
    file = tmp_path / "run" / "learning.parquet"
    table = pq.read_table(file)
    pq.write_table(table.slice(1), file)
    with pytest.raises(RunError, match="the learning curves are not those it was saved with"):
        Result.load(tmp_path / "run")
    pq.write_table(table.drop_columns(["epoch"]), file)
    with pytest.raises(RunError, match="'epoch' is missing"):
        Result.load(tmp_path / "run")
    file.unlink()
    with pytest.raises(RunError, match=r"learning\.parquet is missing or damaged"):
        Result.load(tmp_path / "run")


class Curved(bt.Signal):
    def fit(self, panel, rows):
        self._rows = len(rows)

    def predict(self, panel, rows):
        return panel.returns[rows]

    def learning(self):
        return [{"model": "rows", "epoch": 1, "train_loss": np.float32(self._rows), "valid_ic": float("nan")}]


class Rests(bt.Strategy):
    def decide(self, view):
        return None


@pytest.mark.parametrize("online", [False, True])
def test_a_run_has_those_of_its_signal(online: bool, tmp_path: Path) -> None:
    panel, folds = market(4, 40), bt.Folds(10, 14, expanding=True)
    result = bt.run(panel, Rests(), signal=Curved(), folds=folds, online=online)
    # Tests from sessions 11, 25 and 39 on: two sessions before each, the training ends.
    assert result.learning["train_loss"].tolist() == [10.0, 24.0, 38.0]
    assert result.learning["valid_ic"].isna().all()
    scores = bt.walk_forward(panel, Curved(), folds)
    assert bt.run(panel, Rests(), scores=scores).curves == scores.learning == result.curves
    scores.to_parquet(tmp_path / "scores.parquet")
    kept = bt.run(panel, Rests(), scores=bt.Scores.from_parquet(tmp_path / "scores.parquet"))
    assert kept.curves == result.curves
    assert kept.scores is not None
    assert bt.run(panel, Rests(), scores=scores.values).scores is None
