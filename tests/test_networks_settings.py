"""Networks as signals: settings that cannot be, seeds and modules by themselves, norms, files of other settings."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from signal_cases import market

import backtester as bt
import signals

pytestmark = pytest.mark.usefixtures("one_thread")

PANEL = market(16, 110)
FOLDS = bt.Folds(50, 20)
QUICK = {"features": ["return_1", "return_5"], "epochs": 2, "batch": 128, "device": "cpu"}
ROWS = np.arange(20, 90)
LAST = np.array([len(PANEL.dates) - 1])


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: signals.MLP(16), "hidden is 16; it must be a list of whole numbers"),
        (lambda: signals.MLP("16"), "hidden is '16'; it must be a list of whole numbers"),
        (lambda: signals.MLP((0,)), r"hidden is \(0,\)"),
        (lambda: signals.MLP(activation="rleu"), "Did you mean 'relu'"),
        (lambda: signals.MLP(norm="btch"), "Did you mean 'batch'"),
        (lambda: signals.MLP(norm="batch", batch=1), "norm is 'batch' and batch is 1"),
        (lambda: signals.MLP(skip="no"), "skip is 'no'; it must be true or false"),
        (lambda: signals.LSTM(0), "hidden is 0"),
        (lambda: signals.GRU(layers=0), "layers is 0"),
        (lambda: signals.CNN(16), "channels is 16; it must be a list of whole numbers"),
        (lambda: signals.CNN(kernel=0), "kernel is 0"),
        (lambda: signals.Transformer(width=10), "width is 10, which 4 heads cannot share"),
        (lambda: signals.Module("torch.nn:Linear", dropout=0.5), "dropout is 0.5; that of a module"),
        (lambda: signals.Module(object), "module is <class 'object'>; write package.module:Name"),
        (lambda: signals.Module("signals:MLP"), "which is the class MLP; it must name a class derived from torch"),
        (lambda: signals.Module("own_modules:torch"), "which is a module; it must name a class derived from torch"),
        (lambda: signals.Module("own_modles.py:Small"), r"module: there is no file .*own_modles\.py"),
        (lambda: signals.Grid("signals:MLP", vary={"activation": ["relu", "rleu"]}), "Did you mean 'relu'"),
    ],
)
def test_what_cannot_be_built_is_told_when_it_is_made(make, told):
    with pytest.raises(bt.ConfigError, match=told):
        make()


@pytest.mark.parametrize(
    ("network", "told"),
    [
        (signals.MLP(), "MLP()"),
        (signals.MLP((32, 8), seeds=3, epochs=5), "MLP(hidden=[32, 8], seeds=3, epochs=5)"),
        (signals.GRU(window=20, features=["return"], label="raw"), "GRU(features=['return'], label='raw')"),
        (signals.Module("own_modules:Small", {"a": 3}), "Module(module='own_modules:Small', arguments={'a': 3})"),
        (
            signals.Grid("signals:MLP", vary={"dropout": [0.0, 0.1]}),
            "Grid(MLP(), vary={'dropout': [0.0, 0.1]}, best=3, by='ic')",
        ),
        (signals.Ensemble([signals.MLP(), signals.RNN(8)]), "Ensemble([MLP(), RNN(hidden=8)], how='rank_mean')"),
    ],
)  # fmt: skip
def test_what_a_network_looks_like(network, told):
    assert repr(network) == told


def test_nothing_but_settings_is_told():
    assert "own" not in signals.MLP().describe()
    assert signals.MLP().describe()["hidden"] == [32, 16]


def test_off_is_none_where_a_config_file_cannot_say_it():
    off = dict.fromkeys(("patience", "clip", "scheduler", "warm_start"), "off")
    assert signals.MLP(**off).describe() == signals.MLP(**dict.fromkeys(off)).describe()
    with pytest.raises(bt.ConfigError, match="dropout is 'off'"):
        signals.MLP(dropout="off")


def test_a_module_in_a_file(tmp_path, monkeypatch):
    """From the current folder on; what changes in it is another signal, and one of the same name another module."""
    monkeypatch.chdir(tmp_path)
    text = "import torch\nclass Wide(torch.nn.Linear):\n def __init__(self, inputs):\n  super().__init__(inputs, 1)\n"
    (tmp_path / "wide_of_mine.py").write_text(text)
    make = lambda name="wide_of_mine.py:Wide": signals.Module(name, **QUICK)  # noqa: E731
    first = bt.walk_forward(PANEL, make(), FOLDS, cache=tmp_path / "cache")
    assert bt.walk_forward(PANEL, make(), FOLDS, cache=tmp_path / "cache").from_cache
    assert make()._kind is make()._kind
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "wide_of_mine.py").write_text(text)
    assert make("other/wide_of_mine.py:Wide")._kind is not make()._kind
    (tmp_path / "wide_of_mine.py").write_text(text.replace("inputs, 1)", "inputs, 1, bias=False)"))
    again = bt.walk_forward(PANEL, make(), FOLDS, cache=tmp_path / "cache")
    assert not again.from_cache
    assert not np.array_equal(again.values, first.values, equal_nan=True)
    (tmp_path / "broken.py").write_text("1 / 0")
    with pytest.raises(bt.ConfigError, match=r"broken\.py cannot be imported: ZeroDivisionError"):
        make("broken.py:Wide")


def test_batches_of_one_sample_are_of_no_concern_to_losses_of_sessions():
    signals.MLP(norm="batch", batch=1, loss="rank_correlation")


@pytest.mark.parametrize(
    "network",
    [
        *(signals.MLP((4,), label="raw", scaling=one, **QUICK) for one in ("zscore", "minmax", "robust", "rank")),
        signals.MLP((4,), label="raw", loss="sharpe", batch_sessions=39, **QUICK),  # all there are: one step
        signals.GRU(3, window=5, label="raw", epochs=1, batch=10**5),
        signals.Grid("signals:MLP", QUICK, vary={"dropout": [0.0, 0.5]}, best=1),  # no session has an IC
    ],
)
def test_one_symbol(network):
    """There is nothing to compare it with in a session, and it is scored all the same."""
    both = bt.synthetic(2, 110, 0).panel
    names = ("open", "high", "low", "close", "volume")
    single = bt.Panel.from_arrays(both.dates, both.symbols[:1], **{key: getattr(both, key)[:, :1] for key in names})
    scores = bt.walk_forward(single, network, FOLDS)
    assert len(scores.folds) >= 2
    for fold in scores.folds:
        test = (single.dates >= np.datetime64(fold.test_first)) & (single.dates <= np.datetime64(fold.test_last))
        assert np.isfinite(scores.values[test]).all()


class Fixed(signals.MLP):
    """It does not take what it hands on."""

    def __init__(self):
        super().__init__((4,), **QUICK)


def test_a_network_that_cannot_be_made_again():
    with pytest.raises(bt.ConfigError, match="Fixed cannot be made again with dropout changed"):
        Fixed().varied(dropout=0.1)


def test_seeds_of_a_module_of_ones_own():
    """Each is trained and asked by itself: to the byte what it is as the only one."""
    scores = bt.walk_forward(PANEL, signals.Module("own_modules:Normed", seeds=2, clip=1.0, **QUICK), FOLDS)
    each = [signals.Module("own_modules:Normed", seed=k, clip=1.0, **QUICK) for k in (0, 1)]
    alone = [bt.walk_forward(PANEL, one, FOLDS).values for one in each]
    assert np.isfinite(scores.values).sum() > 500
    for k in (0, 1):
        assert scores.members[f"seed {k}"].tobytes() == alone[k].tobytes()
    np.testing.assert_array_equal(scores.values, np.mean(alone, axis=0))


def test_a_seed_that_failed_is_left_out():
    """Of three seeds, the second learnt nothing in the second fold: the mean is that of the others there."""
    network = signals.MLP((4,), seeds=3, **QUICK)
    whole = bt.walk_forward(PANEL, network, FOLDS)

    first, last = (np.datetime64(day) for day in (whole.folds[1].test_first, whole.folds[1].test_last))
    second = (PANEL.dates >= first) & (PANEL.dates <= last)

    def lose(fold, fitted):
        if second[fold.test[0]]:
            learnt = fitted._fitted
            state = {name: one[[0, 2]] for name, one in learnt.state.items()}
            fitted._fitted = dataclasses.replace(learnt, state=state, members=("seed 0", "seed 2"))

    scores = bt.walk_forward(PANEL, network, FOLDS, on_fit=lose)
    np.testing.assert_array_equal(scores.values[~second], whole.values[~second])
    left = [whole.members[f"seed {k}"][second] for k in (0, 2)]
    # Two networks in a product in place of three: float32 may add in another order.
    spread = np.nanstd(left)
    np.testing.assert_allclose(scores.values[second], np.mean(left, axis=0), rtol=0.0, atol=1e-5 * spread)
    assert np.isnan(scores.members["seed 1"][second]).all()
    assert np.isfinite(scores.spread[second]).any()


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_a_norm_does_not_make_steps_of_rounding(norm):
    """Folds in one stack against each by itself: some 100 steps of 0.01 of Adam, and what is left is rounding.

    A bias before a batch norm has no slope but that of rounding, by whose sign Adam would take a whole step each time:
    scores then differ by as much as they vary.
    """
    settings = {**QUICK, "epochs": 5, "batch": 64, "patience": None, "learning_rate": 0.01}
    network = signals.MLP((8, 8), norm=norm, **settings)
    together, each = (bt.walk_forward(PANEL, network, FOLDS, batch=batch).values for batch in (None, 1))
    np.testing.assert_allclose(together, each, rtol=0.0, atol=1e-3 * np.nanstd(each))


FILES = [
    (signals.MLP((4,), scaling="rank", **QUICK), signals.MLP((4,), **QUICK), "scaling is 'rank' there and 'zscore'"),
    (signals.MLP((4,), **QUICK), signals.MLP((4,), loss="mae", **QUICK), "loss is 'mse' there and 'mae' here"),
    (signals.MLP((4,), **QUICK), signals.MLP((4,), label="raw", **QUICK), "label is 'demeaned' there and 'raw' here"),
    (signals.MLP((4,), **QUICK), signals.MLP((4,), horizon=5, **QUICK), "horizon is 1 there and 5 here"),
    (signals.MLP((4,), **QUICK), signals.MLP((5,), **QUICK), r"hidden is \[4\] there and \[5\] here"),
    (signals.GRU(3, window=5, epochs=1), signals.LSTM(3, window=5, epochs=1), "kind is 'GRU' there and 'LSTM' here"),
    (signals.GRU(3, window=6, epochs=1), signals.GRU(3, window=5, epochs=1), "window is 6 there and 5 here"),
]


@pytest.mark.parametrize(("saved", "loaded", "told"), FILES, ids=range(len(FILES)))
def test_a_file_of_other_settings_is_refused(saved, loaded, told, tmp_path):
    """The same weights would say something else."""
    saved.fit(PANEL, ROWS)
    saved.save(tmp_path / "weights.safetensors")
    same = saved.load(tmp_path / "weights.safetensors", PANEL).predict(PANEL, LAST).scores
    assert same.tobytes() == saved.predict(PANEL, LAST).scores.tobytes()
    with pytest.raises(bt.DataError, match=told):
        loaded.load(tmp_path / "weights.safetensors", PANEL)


def test_a_file_of_a_module_of_another_make_is_refused(tmp_path):
    """Nothing but its weights says how a module is made."""
    network = signals.Module("own_modules:Normed", {"units": 3}, seeds=2, **QUICK)
    network.fit(PANEL, ROWS)
    network.save(tmp_path / "weights.safetensors")
    again = network.load(tmp_path / "weights.safetensors", PANEL)
    assert again.predict(PANEL, LAST).scores.tobytes() == network.predict(PANEL, LAST).scores.tobytes()
    with pytest.raises(bt.DataError, match=r"module.0.weight is \(2, 3, 2\) there and \(2, 4, 2\) here"):
        signals.Module("own_modules:Normed", **QUICK).load(tmp_path / "weights.safetensors", PANEL)


def test_a_usual_setting_that_is_given_makes_no_other_network():
    """Else two variants of a bench that are the same would be trained twice. No arguments are not none given."""
    plain = signals.MLP((4,), features=["return_1"])
    assert vars(signals.MLP((4,), features=["return_1"], dropout=0.0, epochs=20, loss="mse", patience=5)) == vars(plain)
    assert vars(signals.MLP((4,), features=["return_1"], dropout=0.1)) != vars(plain)
    bare = signals.MLP((4,), features=["return_1"], optimizer_arguments={})
    assert bare.training.optimizer_arguments == {}
    assert bare.varied(dropout=0.1).training.optimizer_arguments == {}
    assert plain.varied(dropout=0.0).training == plain.training
