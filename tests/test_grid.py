"""Grids of settings: the choice by the watched rows alone, configurations as they would be alone, wrong settings."""

from __future__ import annotations

import functools
import logging
from pathlib import Path

import numpy as np
import pytest
from command_line import call, only_run, refused
from signal_cases import market, with_another_future

import backtester as bt
import signals
from signals.training import fit

pytestmark = pytest.mark.usefixtures("one_thread")

PANEL = market(16, 110)
FOLDS = bt.Folds(50, 20)
QUICK = {"features": ["return_1", "return_5"], "epochs": 3, "batch": 128, "device": "cpu"}
VARY = {"hidden": [[4], [3]], "dropout": [0.0, 0.3], "learning_rate": [0.01, 0.001]}
NAMES = [
    f"dropout={dropout} hidden=[{hidden}] learning_rate={rate}"
    for dropout in (0.0, 0.3) for hidden in (4, 3) for rate in (0.01, 0.001)
]  # fmt: skip


def grid(**settings):
    return signals.Grid("signals:MLP", QUICK, **({"vary": VARY} | settings))


@functools.cache
def learnt_alone(name):
    """The scores of the network of a configuration."""
    dropout, hidden, rate = (part.split("=")[1] for part in name.split())
    network = signals.MLP([int(hidden.strip("[]"))], dropout=float(dropout), learning_rate=float(rate), **QUICK)
    return bt.walk_forward(PANEL, network, FOLDS)


def walked(signal, panel=PANEL, **options):
    """The scores, and the choice in each fold."""
    choices = []
    scores = bt.walk_forward(panel, signal, FOLDS, on_fit=lambda fold, fitted: choices.append(fitted.chosen), **options)
    return scores, choices


@pytest.fixture(scope="module")
def whole():
    """All configurations, in the order of their IC."""
    return walked(grid(best=8))


def test_every_configuration_is_as_it_would_be_alone(whole):
    """To the rounding of float32: a larger product may add in another order, in each of some 30 steps of size 1e-7."""
    scores, _ = whole
    assert sorted(scores.members) == sorted(NAMES)
    for name, own in scores.members.items():
        expected = learnt_alone(name).values
        assert np.isfinite(own).sum() > 500
        np.testing.assert_allclose(own, expected, rtol=0.0, atol=1e-4 * np.nanstd(expected))
    np.testing.assert_allclose(scores.values, np.mean(list(scores.members.values()), axis=0), rtol=1e-12)


def test_the_best_on_the_watched_rows_are_chosen(whole):
    """The IC of the epoch with the lowest watched loss, of each configuration trained by itself."""
    scores, choices = whole
    for number, choice in enumerate(choices, 1):
        values = {}
        for name in NAMES:
            rows = [row for row in learnt_alone(name).learning if row["fold"] == number]
            values[name] = min(rows, key=lambda row: row["valid_loss"])["valid_ic"]
        for name, value in choice:
            assert value == pytest.approx(values[name], abs=2e-3)  # a place or so in one session
        assert [value for _, value in choice] == sorted((value for _, value in choice), reverse=True)
        assert choice[0][1] > choice[-1][1]
    best, chosen = walked(grid(best=2))
    assert chosen == [choice[:2] for choice in choices]
    for fold, choice in zip(best.folds, chosen, strict=True):
        first, last = np.searchsorted(PANEL.dates, np.array([fold.test_first, fold.test_last], "datetime64[D]"))
        test = slice(first, last + 1)
        expected = (scores.members[choice[0][0]][test] + scores.members[choice[1][0]][test]) / 2.0
        np.testing.assert_array_equal(best.values[test], expected)
        for name in set(best.members) - {name for name, _ in choice}:
            assert np.isnan(best.members[name][test]).all()
    spread = best.spread[np.isfinite(best.values)]
    assert (spread > 0.0).mean() > 0.9


def test_test_rows_take_no_part_in_the_choice(whole):
    """Another market after the first test row of each fold, in which the last label of its training rows ends: the
    same choice by the same values in that fold and those before it, and another one later.
    """
    scores, choices = whole
    for number, fold in enumerate(scores.folds):
        first = int(np.searchsorted(PANEL.dates, np.datetime64(fold.test_first)))
        _, again = walked(grid(best=8), with_another_future(PANEL, first))
        for k, choice in enumerate(again):
            same = [name for name, _ in choice] == [name for name, _ in choices[k]]
            close = dict(choice) == pytest.approx(dict(choices[k]), abs=1e-6)  # sums of ICs in float32
            assert (same and close) == (k <= number)


def test_the_choice_is_told(whole, caplog):
    with caplog.at_level(logging.INFO, "signals"):
        scores, choices = walked(grid(best=2, vary={"dropout": [0.0, 0.3], "hidden": [[3], [4]]}))
    notes = [row for row in scores.learning if row["note"].startswith("chosen")]
    for number, choice in enumerate(choices, 1):
        told = [(row["model"], row["valid_ic"]) for row in notes if row["fold"] == number]
        assert told == [(name, pytest.approx(value, abs=1e-12)) for name, value in choice]
        (line,) = [text for text in caplog.messages if text.startswith(f"fold {number}: chosen of 4")]
        assert all(name in line for name, _ in choice)
    of_the_first = [row for row in scores.learning if row["fold"] == 1]
    assert {row["model"] for row in of_the_first} > {row["model"] for row in of_the_first if row["note"]}
    assert notes[0]["note"] == f"chosen, 1 of 4: validation ic {choices[0][0][1]:.6g}"


def test_what_all_stacks_see_is_prepared_once(monkeypatch):
    calls = []
    prepare = fit.prepare
    monkeypatch.setattr(fit, "prepare", lambda *arguments: calls.append(1) or prepare(*arguments))
    walked(grid(vary={"hidden": [[4], [6]], "batch": [128, 256]}))
    assert len(calls) == 1
    walked(grid(vary={"scaling": ["zscore", "rank"]}))
    assert len(calls) == 3


def test_by_loss(whole):
    """The same trainings, and the lowest loss first."""
    scores, choices = walked(grid(best=8, by="loss"))
    for number, choice in enumerate(choices, 1):
        rows = [row for row in scores.learning if row["fold"] == number]
        lowest = {name: min(row["valid_loss"] for row in rows if row["model"] == name) for name in NAMES}
        assert choice == sorted(lowest.items(), key=lambda one: round(one[1], 6))
    assert [sorted(name for name, _ in one) for one in choices] == [sorted(NAMES)] * len(choices)


def test_seeds_are_averaged_first():
    """Two seeds of two configurations: members are the configurations, and the IC is the mean of the seeds'."""
    scores, choices = walked(signals.Grid(signals.MLP([4], seeds=2, **QUICK), vary={"dropout": [0.0, 0.3]}, seed=7))
    for dropout in (0.0, 0.3):
        both = bt.walk_forward(PANEL, signals.MLP([4], dropout=dropout, seeds=2, seed=7, **QUICK), FOLDS)
        own = scores.members[f"dropout={dropout}"]
        np.testing.assert_allclose(own, both.values, rtol=0.0, atol=1e-4 * np.nanstd(both.values))
    rows = [row for row in scores.learning if row["fold"] == 1 and row["note"].startswith("chosen, 1 of 2")]
    assert [row["model"] for row in rows] == [f"{choices[0][0][0]}, seed {seed}" for seed in (7, 8)]
    assert choices[0][0][1] == pytest.approx(np.mean([row["valid_ic"] for row in rows]), abs=1e-12)


def test_a_seed_reaches_the_networks():
    small = {"vary": {"dropout": [0.0, 0.3]}}
    given, _ = walked(grid(seed=4, **small))
    later, _ = walked(grid(**small), seed=4)
    other, _ = walked(grid(**small))
    assert given.values.tobytes() == later.values.tobytes() != other.values.tobytes()
    assert given.origin["signal"] == later.origin["signal"]
    assert given.origin["signal"]["network"]["seed"] == 4


def test_a_chain_goes_on_from_the_same_configuration():
    """All folds in one call, and one after another as online, where the fold before is handed over: the same."""
    chain = signals.Grid("signals:MLP", QUICK | {"warm_start": "previous"}, vary=VARY, best=2)
    assert chain.continues
    together, choices = walked(chain, batch=20)
    one_by_one, again = walked(chain, batch=1)
    assert choices == again
    np.testing.assert_allclose(together.values, one_by_one.values, rtol=0.0, atol=1e-4 * np.nanstd(one_by_one.values))
    fresh, _ = walked(grid(best=2), batch=1)
    first = int(np.searchsorted(PANEL.dates, np.datetime64(fresh.folds[1].test_first)))
    assert one_by_one.values[:first].tobytes() == fresh.values[:first].tobytes()  # the first fold has none before it
    assert one_by_one.values[first:].tobytes() != fresh.values[first:].tobytes()


def test_what_was_trained_is_not_trained_again(tmp_path, caplog):
    """A file for every configuration and fold, of two stacks; read again, they give the same bytes."""
    small = {"vary": {"dropout": [0.0, 0.3], "hidden": [[3], [4]]}, "best": 2}
    told = []
    scores, _ = walked(grid(**small), checkpoints=tmp_path, progress=lambda *one: told.append(one))
    assert len(list(tmp_path.rglob("fold-*.safetensors"))) == 4 * len(scores.folds)
    done = [(done, total) for what, done, total in told if what == "training"]
    assert done == sorted(done)
    assert done[-1] == (2000, 2000)
    with caplog.at_level(logging.INFO, "signals"):
        again, _ = walked(grid(**small), checkpoints=tmp_path)
    assert not [text for text in caplog.messages if text.startswith("training on")]
    assert again.values.tobytes() == scores.values.tobytes()
    assert again.learning == scores.learning


def test_scores_come_back_from_the_cache(tmp_path):
    small = {"vary": {"dropout": [0.0, 0.3], "hidden": [[3], [4]]}, "best": 2}
    made, _ = walked(grid(**small), cache=tmp_path)
    read, _ = walked(grid(**small), cache=tmp_path)
    assert (made.from_cache, read.from_cache) == (False, True)
    assert read.values.tobytes() == made.values.tobytes()
    np.testing.assert_array_equal(read.spread, made.spread)
    assert read.learning == made.learning
    assert not walked(grid(**small | {"best": 1}), cache=tmp_path)[0].from_cache
    turned = {"hidden": [[3], [4]], "dropout": [0.0, 0.3]}  # the order of the settings does not matter
    assert walked(grid(**small | {"vary": turned}), cache=tmp_path)[0].from_cache


def test_a_configuration_that_learns_nothing_is_not_chosen():
    """A rate at which the weights overflow in the first epoch; the other goes on, and is all there is to choose."""
    signal = grid(vary={"learning_rate": [1e-3, 1e30]})
    with pytest.warns(UserWarning, match="It scores nothing; the others went on"):
        scores, choices = walked(signal)
    assert [[name for name, _ in choice] for choice in choices] == [["learning_rate=0.001"]] * len(scores.folds)
    assert list(scores.members) == ["learning_rate=0.001"]
    assert scores.values.tobytes() == scores.members["learning_rate=0.001"].tobytes()
    curves = {row["model"] for row in scores.learning}
    assert curves == {"learning_rate=0.001", "learning_rate=1e+30"}
    with pytest.warns(UserWarning, match="they score nothing"), pytest.raises(bt.SignalError, match="none of"):
        walked(grid(vary={"learning_rate": [1e30]}))
    # A stack of which nothing is of use, beside another: weights grow by a factor of 1e30 and more in each step.
    decays = {"optimizer_arguments": [{"weight_decay": 0.1}, {"weight_decay": 1e34}]}
    with pytest.warns(UserWarning, match="they score nothing"):
        scores, choices = walked(grid(vary=decays))
    assert [len(choice) for choice in choices] == [1] * len(scores.folds)


def test_windows_of_several_lengths():
    """The longest decides the warmup; a stack for each."""
    settings = {"hidden": 3, "epochs": 1, "device": "cpu", "batch": 512}
    windows = signals.Grid("signals:GRU", settings, vary={"window": [3, 6]})
    assert windows.warmup == signals.GRU(window=6, **settings).warmup > signals.GRU(window=3, **settings).warmup
    scores, _ = walked(windows)
    assert list(scores.members) in (["window=3", "window=6"], ["window=6", "window=3"])
    assert np.isfinite(scores.values).sum() > 500


@pytest.mark.parametrize(
    ("network", "settings", "told"),
    [
        ("signals:MPL", {}, "network is 'signals:MPL'.* Did you mean 'MLP'"),
        ("signals:Momentum", {}, "must be a network"),
        (3, {}, "must be a network"),
        ("signals:MLP", {"arguments": {"epoch": 3}}, "MLP has no setting 'epoch'.* Did you mean 'epochs'"),
        ("signals:MLP", {"arguments": {"validation": 0}}, "validation is 0"),
        ("signals:MLP", {"vary": {}}, "vary is {}"),
        ("signals:MLP", {"vary": {"dropuot": [0.1]}}, "no setting 'dropuot'.* Did you mean 'dropout'"),
        ("signals:MLP", {"vary": {"hiden": [[3]]}}, "no setting 'hiden'.* Did you mean 'hidden'"),
        ("signals:MLP", {"vary": {"dropout": 0.1}}, "vary dropout is 0.1; it must be a list"),
        ("signals:MLP", {"vary": {"activation": "relu"}}, "vary activation is 'relu'; it must be a list"),
        ("signals:MLP", {"vary": {"dropout": []}}, "it must be a list"),
        ("signals:MLP", {"vary": {"dropout": [0.1, 0.1]}}, "a value twice"),
        ("signals:MLP", {"vary": {"dropout": [0, 0.0]}}, "a value twice"),
        ("signals:MLP", {"vary": {"loss_arguments": [1.0, print]}}, "vary cannot hold 'loss_arguments'"),
        ("signals:MLP", {"vary": {"clip": [1.0, print]}}, "it must be a list of values, as a config file holds"),
        ("signals:MLP", {"vary": {"dropout": [0.1, 1.5]}}, "dropout is 1.5"),
        ("signals:MLP", {"vary": {"horizon": [1, 5]}}, "vary cannot hold 'horizon'"),
        ("signals:MLP", {"vary": {"validation": [0.1, 0.2]}}, "vary cannot hold 'validation'"),
        ("signals:MLP", {"vary": {"seed": [0, 1]}}, "vary cannot hold 'seed'"),
        ("signals:MLP", {"best": 0}, "best is 0"),
        ("signals:MLP", {"by": "los"}, "by is 'los'.* Did you mean 'loss'"),
    ],
)
def test_settings_that_are_wrong(network, settings, told):
    with pytest.raises(bt.ConfigError, match=told):
        signals.Grid(network, **{"vary": {"dropout": [0.0, 0.1]}, **settings})


def test_arguments_of_an_object_and_a_grid_that_is_not_fitted():
    with pytest.raises(bt.ConfigError, match="arguments go with a network that is named"):
        signals.Grid(signals.MLP(), {"epochs": 3}, vary=VARY)
    with pytest.raises(bt.ConfigError, match="has not been fitted"):
        grid().predict(PANEL, np.array([90]))


CONFIG = """\
[data]
synthetic = { symbols = 16, sessions = 110, seed = 3 }

[signal]
class = "signals:Grid"
network = "signals:MLP"
arguments = { features = ["return_1", "return_5"], hidden = [4], epochs = 1, device = "cpu" }
vary = { dropout = [0.0, 0.1], batch = [256, 512] }
best = 2

[folds]
train = 50
test = 20

[strategy]
class = "strategies:RankedLongShort"
long = 3
short = 3

[run]
seed = 5
"""


def test_a_run_of_a_config_file(own_folder: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKTESTER_CACHE", str(tmp_path / "cache"))
    Path("grid.toml").write_text(CONFIG)
    call("run", "grid.toml")
    result = bt.Result.load(only_run())
    told = result.settings["scores"]["signal"]
    assert told["vary"] == {"batch": [256, 512], "dropout": [0.0, 0.1]}
    assert (told["network"]["class"], told["network"]["seed"]) == ("signals.neural:MLP", 5)
    members = result.settings["signal_quality"]["members"]
    assert members.keys() <= {f"batch={batch} dropout={dropout}" for batch in (256, 512) for dropout in (0.0, 0.1)}
    assert len(members) >= 2
    assert result.learning["note"].str.startswith("chosen, 1 of 4").sum() == result.learning["fold"].nunique()
    text = refused("run", "grid.toml", "--set", "signal.vary.dropuot=[0.1]")
    assert "Did you mean 'dropout'" in text
