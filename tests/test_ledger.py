"""The trial ledger: what counts as a trial and on which data, two writers at once, damage, and what is made of it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import small
from results import empty_result, make_result
from scipy import stats

import backtester as bt
from backtester.market.synthetic_files import write_synthetic
from backtester.research import ledger
from backtester.research.ledger import Trial, counted, dataset_key, deflation, record, same_data, trial_of, trials

NAN = math.nan
ONE = Trial(
    "a1", "2026-11-02T10:00:00Z", "panel", "dataset-1", "mlp", "run", "variant",
    "2015-01-02", "2019-12-31", 1258, 0.05, -0.3, 4.5, "strategies:TopBottom", "signals:MLP",
)  # fmt: skip


def some(count, **changes):
    return [ONE._replace(id=f"{k:04d}", sharpe=k / 100, **changes) for k in range(count)]


# What a trial is


def test_the_line_of_a_run():
    result = make_result()
    one = trial_of(result, command="run", dataset="dataset-9")
    # Equity 1000 (cash), 1000, 1010, 990, 1005, 1020, 1015, by hand:
    returns = [0.0, 10 / 1000, -20 / 1010, 15 / 990, 15 / 1005, -5 / 1020]
    assert one.sharpe == pytest.approx(statistics.mean(returns) / statistics.stdev(returns), rel=1e-12)
    assert one.skewness == pytest.approx(stats.skew(returns), rel=1e-12)
    assert one.kurtosis == pytest.approx(stats.kurtosis(returns, fisher=False), rel=1e-12)
    assert (one.first, one.last, one.sessions) == ("2024-01-01", "2024-01-06", 6)
    assert (one.panel, one.dataset, one.name) == ("f" * 64, "dataset-9", "handmade")
    assert (one.command, one.role, one.strategy, one.signal) == ("run", "variant", "", "")
    assert one.time.endswith("Z")
    assert len(one.time) == len("2026-11-21T15:35:29Z")


def test_the_track_record_may_begin_later():
    one = trial_of(make_result(), command="run", rows=np.arange(6) >= 2)
    returns = [-20 / 1010, 15 / 990, 15 / 1005, -5 / 1020]
    assert one.sharpe == pytest.approx(statistics.mean(returns) / statistics.stdev(returns), rel=1e-12)
    assert (one.first, one.last, one.sessions) == ("2024-01-03", "2024-01-06", 4)


def test_a_run_without_sessions_or_returns_has_a_line(tmp_path):
    for sessions in (0, 3):
        one = trial_of(empty_result(sessions), command="run")
        assert math.isnan(one.sharpe)
        record(tmp_path, [one])
    assert [found.sessions for found in trials(tmp_path)] == [0, 3]


def with_settings(**changes):
    result = make_result()
    return dataclasses.replace(result, settings=result.settings | changes)


def test_the_same_run_again_is_one_trial_and_another_setting_another():
    known = trial_of(make_result(), command="run").id
    same = [
        make_result(name="renamed"),
        with_settings(signal_quality={"rank_ic": 0.02}),
        with_settings(data_check={"errors": {}}),
        with_settings(costs_preset="retail"),
    ]
    assert {trial_of(one, command="bench", role="baseline").id for one in same} == {known}
    tape = make_result().tape
    others = [
        with_settings(strategy={"top": 1 / 4}),
        with_settings(risk={"max_gross": 1.0}),
        with_settings(costs=None),
        with_settings(execution={"fill": "close"}),
        with_settings(scores={"signal": {"class": "signals:MLP", "seed": 1}, "folds": {"train": 500}}),
        with_settings(scores={"signal": {"class": "signals:MLP", "seed": 2}, "folds": {"train": 500}}),
        with_settings(scores={"signal": {"class": "signals:MLP", "seed": 1}, "folds": {"train": 250}}),
        make_result(cash=2000.0),
        make_result(source="e" * 64),
        make_result(tape=tape._replace(order_f=tape.order_f * 2)),  # another code of the same name
    ]
    assert len({known} | {trial_of(one, command="run").id for one in others}) == 11


def test_what_made_the_scores_is_named():
    told = {
        "signals:MLP": {"scores": {"signal": {"class": "signals:MLP"}}, "strategy": {"class": "strategies:Top"}},
        "mine.parquet": {"scores_file": {"name": "mine.parquet", "sha256": "0", "known": 3}},
        "kept.parquet": {"scores": {"file": {"name": "kept.parquet", "sha256": "0"}}},
        "": {"scores": {"sha256": "0"}},
    }
    for name, settings in told.items():
        assert trial_of(with_settings(**settings), command="run").signal == name
    assert trial_of(with_settings(**told["signals:MLP"]), command="run").strategy == "strategies:Top"


def test_a_real_run():
    prices = np.array([[10.0, 20.0, 30.0]]) * np.linspace(1.0, 1.3, 8)[:, None]
    market = small.panel(prices)
    first = small.run(lambda view: {"AA": 0.5}, on=market)
    again = small.run(lambda view: {"AA": 0.5}, on=market, name="again")
    other = small.run(lambda view: {"AA": 0.6}, on=market)
    ids = [trial_of(one, command="run").id for one in (first, again, other)]
    assert ids[0] == ids[1] != ids[2]
    assert trial_of(first, command="run").panel == market.fingerprint
    assert trial_of(first, command="run").strategy == "small:Does"


# The file


def test_there_and_back(tmp_path):
    assert trials(tmp_path / "runs") == []
    given = [ONE, ONE._replace(id="b", name="line\nbreak \ud800 <b>", sharpe=NAN, kurtosis=NAN)]
    record(tmp_path / "new" / "runs", [])
    assert not (tmp_path / "new").exists()
    record(tmp_path / "new" / "runs", given[:1])
    record(tmp_path / "new" / "runs", given[1:])
    lines = (tmp_path / "new" / "runs" / "trials.jsonl").read_text().splitlines()
    assert len(lines) == 2
    assert json.loads(lines[0]) == ONE._asdict()
    assert json.loads(lines[1])["sharpe"] is None
    found = trials(tmp_path / "new" / "runs")
    assert found[0] == ONE
    assert found[1].name == given[1].name
    assert math.isnan(found[1].sharpe)


def test_trials_are_distinct_and_keep_their_first_time(tmp_path):
    later = ONE._replace(time="2026-12-01T00:00:00Z", name="again", dataset="dataset-1")
    record(tmp_path, [ONE._replace(dataset=""), ONE._replace(id="b"), later, later])
    assert trials(tmp_path) == [ONE, ONE._replace(id="b")]  # and what the dataset is may be learnt later


def test_what_has_ever_been_a_variant_counts(tmp_path):
    record(tmp_path, [ONE._replace(role="baseline"), ONE, ONE._replace(role="baseline")])
    assert [one.role for one in trials(tmp_path)] == ["variant"]


def test_a_line_that_was_cut_off_takes_no_other_with_it(tmp_path):
    file = tmp_path / "trials.jsonl"
    record(tmp_path, some(3))
    whole = file.read_bytes()
    for cut in range(len(whole) - 60, len(whole) - 1):
        file.write_bytes(whole[:cut])
        record(tmp_path, [ONE])
        with pytest.warns(UserWarning, match=r"trials\.jsonl: line 3 is damaged and is not counted among the trials"):
            found = trials(tmp_path)
        assert [one.id for one in found] == ["0000", "0001", "a1"]
        assert file.read_bytes().startswith(whole[:cut] + b"\n")  # what was there stays
    file.write_bytes(whole[:-1])  # only the end of the line is missing: nothing is lost
    record(tmp_path, [ONE])
    assert len(trials(tmp_path)) == 4


BROKEN = {
    "no text": b"\xff\xfe\x00",
    "no JSON": b"{'id': 1}",
    "a list": b"[1, 2]",
    "a number": b"7",
    "a key less": json.dumps({key: value for key, value in ONE._asdict().items() if key != "panel"}).encode(),
    "text for a number": json.dumps(ONE._asdict() | {"sharpe": "high"}).encode(),
    "truth for a number": json.dumps(ONE._asdict() | {"sharpe": True}).encode(),
    "a part of a session": json.dumps(ONE._asdict() | {"sessions": 1.5}).encode(),
    "a number for text": json.dumps(ONE._asdict() | {"panel": 3}).encode(),
    "another role": json.dumps(ONE._asdict() | {"role": "judge"}).encode(),
    "no id": json.dumps(ONE._asdict() | {"id": ""}).encode(),
    "too large": json.dumps(ONE._asdict()).replace("0.05", "9" * 400).encode(),
    "too deep": b"[" * 100_000,
}


@pytest.mark.parametrize("line", BROKEN.values(), ids=BROKEN)
def test_lines_that_are_no_trial_are_told(tmp_path, line):
    record(tmp_path, some(2))
    with (tmp_path / "trials.jsonl").open("ab") as stream:
        stream.write(line + b"\n\n")
    record(tmp_path, [ONE])
    with pytest.warns(UserWarning, match="line 3 is damaged"):
        assert [one.id for one in trials(tmp_path)] == ["0000", "0001", "a1"]


def test_many_damaged_lines_are_told_in_one(tmp_path):
    (tmp_path / "trials.jsonl").write_text("x\n" * 9)
    with pytest.warns(UserWarning, match=r"lines 1, 2, 3, 4, 5, \.\.\. are damaged and are not") as caught:
        assert trials(tmp_path) == []
    assert len(caught) == 1


def test_keys_of_a_later_version_are_left_alone(tmp_path):
    (tmp_path / "trials.jsonl").write_text(json.dumps(ONE._asdict() | {"capital": 5}) + "\n")
    assert trials(tmp_path) == [ONE]


def test_a_folder_that_cannot_be_written_is_told_and_the_run_goes_on(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.warns(
        UserWarning, match=r"2 trials cannot be counted in .*trials\.jsonl: (Not a directory|File exists)"
    ):
        record(tmp_path / "file", some(2))
    (tmp_path / "trials.jsonl").mkdir()
    with pytest.warns(UserWarning, match=r"1 trial cannot be counted in .*trials\.jsonl: Is a directory"):
        record(tmp_path, some(1))
    with pytest.warns(UserWarning, match=r"trials in .*trials\.jsonl cannot be read: Is a directory"):
        assert trials(tmp_path) == []


def test_without_locks_lines_are_appended_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger, "fcntl", None)
    record(tmp_path, some(2))
    record(tmp_path, [ONE])
    assert [one.id for one in trials(tmp_path)] == ["0000", "0001", "a1"]


WRITER = """
import os, sys, time
from backtester.research import ledger

write, one, name = os.write, ledger.Trial(*{one!r}), {name!r}

def slowly(descriptor, content):  # in pieces where there is a lock, and the other process has its turn
    time.sleep(0.0001)
    return write(descriptor, bytes(content[:300] if ledger.fcntl else content))

os.write = slowly
for folder in ("locked", "unlocked"):
    if folder == "unlocked":
        ledger.fcntl = None
    print(flush=True)
    sys.stdin.readline()
    for k in range(100):
        ledger.record(f"{folder}/{{folder}}", [one._replace(id=f"{{name}}-{{k}}-{{i}}") for i in range(2)])
"""


def test_two_processes_may_write_at_once(tmp_path):
    """Written in pieces, the lines would be torn without the lock, here and for who reads meanwhile.

    Where there is no lock, each call is one write at the end of the file.
    """
    writers = []
    for name in "ab":
        code = WRITER.format(one=tuple(ONE), folder=str(tmp_path), name=name)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        writers.append(subprocess.Popen([sys.executable, "-c", code], **pipes, text=True))
    for folder in ("locked", "unlocked"):
        for writer in writers:
            writer.stdout.readline()  # both are ready
        for writer in writers:
            writer.stdin.write("\n")
            writer.stdin.flush()
        seen = [0]
        while folder == "locked" and seen[-1] < 390 and all(writer.poll() is None for writer in writers):
            seen.append(len(trials(tmp_path / folder)))  # a warning would be an error
            time.sleep(0.005)
        assert seen == sorted(seen)
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    expected = sorted(f"{name}-{k}-{i}" for name in "ab" for k in range(100) for i in range(2))
    for folder in ("locked", "unlocked"):
        assert sorted(one.id for one in trials(tmp_path / folder)) == expected
        lines = [line for line in (tmp_path / folder / "trials.jsonl").read_text().splitlines() if line]
        assert len(lines) == 400
        turns = sum(json.loads(a)["id"][0] != json.loads(b)["id"][0] for a, b in pairwise(lines))
        assert turns > 1  # and they did write at once


# The data


def test_which_trials_are_on_the_same_data():
    years = {"first": "2014-01-02", "last": "2015-12-31"}
    same = {
        "itself": ONE,
        "another cut of the dataset": ONE._replace(panel="other"),
        "one session in common": ONE._replace(panel="other", first="2010-01-04", last="2015-01-02"),
        "the panel, of a dataset that is not known": ONE._replace(dataset=""),
        "the panel, from another file": ONE._replace(dataset="file-3"),
        "years that reach into it": ONE._replace(panel="other", **years),
    }
    others = {
        "another dataset": ONE._replace(panel="other", dataset="dataset-2"),
        "years before it": ONE._replace(panel="other", **(years | {"last": "2015-01-01"})),
        "years after it": ONE._replace(panel="other", first="2020-01-01", last="2021-12-31"),
        "no session at all": ONE._replace(first="", last=""),
    }
    assert [what for what, one in same.items() if not (same_data(ONE, one) and same_data(one, ONE))] == []
    assert [what for what, one in others.items() if same_data(ONE, one) or same_data(one, ONE)] == []
    unknown = ONE._replace(dataset="", panel="a")
    assert not same_data(unknown, unknown._replace(panel="b"))  # two that are not known are not the same


def test_the_key_of_data(tmp_path):
    assert dataset_key({"symbols": 3, "seed": 0}) == dataset_key({"seed": 0, "symbols": 3})
    assert dataset_key({"symbols": 3, "seed": 0}) != dataset_key({"symbols": 3, "seed": 1})
    file = tmp_path / "bars.parquet"
    file.write_bytes(b"some bars")
    assert dataset_key(file) == f"file-{hashlib.sha256(b'some bars').hexdigest()}"
    assert dataset_key(tmp_path / "nothing") == ""
    assert dataset_key(tmp_path) == ""  # a folder that is no dataset


def test_another_start_is_another_trial_on_the_same_data(tmp_path, own_cache):
    made = write_synthetic(tmp_path / "data", symbols=5, sessions=60, seed=0)
    key = dataset_key(tmp_path / "data")
    assert key == f"dataset-{made.fingerprint}"
    days = bt.load_panel(tmp_path / "data").dates
    cuts = {
        "all": {},
        "later": {"start": str(days[10])},
        "first": {"end": str(days[29])},
        "last": {"start": str(days[30])},
    }
    found = {}
    for name, cut in cuts.items():
        panel = bt.load_panel(tmp_path / "data", **cut)
        result = bt.run(panel, small.Does(lambda view: {"S0": 0.5}), name=name)
        found[name] = trial_of(result, command="run", dataset=key)
    record(tmp_path / "runs", found.values())
    known = trials(tmp_path / "runs")
    assert len({one.panel for one in known}) == 4
    assert [counted(known, found[name]).variants for name in cuts] == [4, 4, 3, 3]  # the halves do not overlap


# What is made of it


def test_counting():
    known = [*some(4), ONE._replace(id="b", role="baseline"), ONE._replace(id="c", panel="x", dataset="y")]
    known[2] = known[2]._replace(time="2026-10-31T23:59:59Z")
    found = counted(known, ONE)
    assert (found.variants, found.since, found.baselines) == (4, "2026-10-31", 1)
    assert found.variance == pytest.approx(statistics.variance([0.0, 0.01, 0.02, 0.03]), rel=1e-12)
    assert math.isnan(counted(some(1), ONE).variance)
    # Without a Sharpe ratio it is a trial all the same.
    assert counted([*some(2), ONE._replace(id="d", sharpe=NAN)], ONE)[:3] == (3, "2026-11-02", pytest.approx(5e-5))
    assert counted([], ONE)[:2] == (0, "")


def noise(seed=0, sessions=1250):
    return np.random.default_rng(seed).normal(0.0005, 0.01, sessions)


def test_deflation_is_the_published_formula(tmp_path):
    """Against Bailey and Lopez de Prado (2014), written out here with scipy."""
    record(tmp_path, some(40))
    returns = noise()
    found = deflation(tmp_path, ONE, returns)
    deviation = statistics.stdev(k / 100 for k in range(40))
    z, c = stats.norm.ppf, 0.5772156649015329
    largest = deviation * ((1 - c) * z(1 - 1 / 40) + c * z(1 - 1 / (40 * math.e)))
    ratio = returns.mean() / returns.std(ddof=1)
    g3, g4 = stats.skew(returns), stats.kurtosis(returns, fisher=False)
    error = math.sqrt((1 - g3 * ratio + (g4 - 1) / 4 * ratio**2) / 1249)
    assert found == {
        "count": 40,
        "since": "2026-11-02",
        "sharpe_std": pytest.approx(deviation * math.sqrt(252), rel=1e-12),
        "expected_max": pytest.approx(largest * math.sqrt(252), rel=1e-9),
        "dsr": pytest.approx(stats.norm.cdf((ratio - largest) / error), rel=1e-9),
        "ledger": (tmp_path / "trials.jsonl").as_posix(),
    }
    assert deflation(tmp_path / "elsewhere", ONE, returns, trials(tmp_path))["dsr"] == found["dsr"]


def test_more_trials_deflate_more_and_one_not_at_all(tmp_path):
    returns = noise()
    assert deflation(tmp_path, ONE, returns) is None
    record(tmp_path, [ONE._replace(id="b", role="baseline")])
    assert deflation(tmp_path, ONE, returns) is None  # baselines are no trials
    record(tmp_path, [ONE])
    alone = deflation(tmp_path, ONE, returns)
    ratio = returns.mean() / returns.std(ddof=1)
    assert alone["dsr"] == pytest.approx(stats.norm.cdf(ratio * math.sqrt(1249)), abs=0.01)  # nearly normal returns
    assert (alone["count"], alone["sharpe_std"], alone["expected_max"]) == (1, None, 0.0)
    record(tmp_path, some(2))
    two = deflation(tmp_path, ONE, returns)
    record(tmp_path, some(10))
    ten = deflation(tmp_path, ONE, returns)
    assert alone["dsr"] > two["dsr"] > ten["dsr"]
    assert (two["count"], ten["count"]) == (3, 11)


def test_what_cannot_be_told_is_none(tmp_path):
    record(tmp_path, [ONE._replace(sharpe=NAN), ONE._replace(id="b")])
    found = deflation(tmp_path, ONE, noise())
    assert (found["count"], found["sharpe_std"], found["expected_max"], found["dsr"]) == (2, None, None, None)
    assert deflation(tmp_path, ONE, np.zeros(0), some(3))["dsr"] is None
    json.dumps(found, allow_nan=False)


def test_the_ledger_is_no_run(tmp_path):
    from backtester.cli.finding import run_names

    record(tmp_path, [ONE])
    assert run_names(Path(tmp_path)) == []
