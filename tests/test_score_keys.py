"""What the score cache knows of a signal: never a wrong hit, whatever of it changes; and what is kept out of it."""

from __future__ import annotations

import functools
import importlib
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from signal_cases import market

import backtester as bt
import signals
import strategies
from backtester.plain import described, opaque_parts, plain
from backtester.score_cache import ingredients, key_of

PANEL = market(5, 40)
ROOT = Path(__file__).parent.parent


class Scaled(bt.Signal):
    """Closes times a number, kept under the names of the arguments."""

    table = np.ones(5)
    warmup = 2

    def __init__(self, scale=1.0, choice=None):
        self.scale, self.choice = scale, choice

    def predict(self, panel, rows):
        return self.scale * self.table * panel.close[rows]


class Renames(bt.Signal):
    def __init__(self, scale):
        self._times = scale

    def predict(self, panel, rows):
        return self._times * panel.close[rows]


class Reads(bt.Signal):
    def __init__(self, path):
        self.path = path

    def predict(self, panel, rows):
        return panel.close[rows]


class PassesOn(Scaled):
    def __init__(self, **more):
        super().__init__(**more)


def key(signal):
    return key_of(ingredients(PANEL, signal, None, None))


def values_of(signal, cache):
    return bt.walk_forward(PANEL, signal, cache=cache)


@pytest.mark.parametrize("given", [str, lambda path: {"all": [1, str(path)]}], ids=["text", "within"])
def test_a_file_that_a_setting_names_is_part_of_the_key(given, tmp_path):
    path = tmp_path / "alternative.csv"
    path.write_text("1")
    before = key(Reads(given(path)))
    assert key(Reads(given(path))) == before
    path.write_text("2")
    changed = key(Reads(given(path)))
    assert changed != before
    path.unlink()
    assert key(Reads(given(path))) not in (before, changed)
    assert key(Reads("x" * 5000 + ".csv"))  # nothing that a file can be called


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Write a module, and load it anew."""
    monkeypatch.syspath_prepend(tmp_path)
    made = []

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        importlib.invalidate_caches()
        made.append(name)
        return importlib.reload(sys.modules[name]) if name in sys.modules else importlib.import_module(name)

    yield write
    for name in made:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    "uses",
    [
        "import helper_of_keys\nstep = helper_of_keys.step",
        "from helper_of_keys import step",
        "import middle_of_keys\nstep = middle_of_keys.again",
        "def step(x):\n    from helper_of_keys import step\n    return step(x)",
    ],
)
def test_a_module_that_a_signal_imports_is_part_of_the_key(uses, modules, tmp_path):
    """Also by way of another module, and where it is imported in a function, before and after that has run."""
    helper = "import numpy as np\ndef step(x):\n    return {} * x\n"
    own = f"import backtester as bt\n{uses}\n" + textwrap.dedent("""
        class Steps(bt.Signal):
            def predict(self, panel, rows):
                return step(panel.close[rows])
    """)

    def scored(factor):
        for name, text in (
            ("helper_of_keys", helper.format(factor)),
            ("middle_of_keys", "def again(x):\n    from helper_of_keys import step\n    return step(x)\n"),
        ):
            modules(name, text)
        return values_of(modules("own_of_keys", own).Steps(), tmp_path / "cache")

    one = scored(1)
    assert not one.from_cache
    two = scored(2)
    assert not two.from_cache
    np.testing.assert_array_equal(two.values, 2 * one.values)
    again = scored(1)
    assert again.from_cache
    assert again.values.tobytes() == one.values.tobytes()


def test_a_lazy_module_that_has_not_been_loaded_counts_too(modules, tmp_path):
    """As in a new process, in which `fit` has not imported it yet."""
    modules("lazy_of_keys", "def step(x):\n    return x\n")
    own = """
        import backtester as bt
        class Lazy(bt.Signal):
            def predict(self, panel, rows):
                from lazy_of_keys import step
                return step(panel.close[rows])
    """
    signal = modules("own_of_keys", own).Lazy()
    keys = [key(signal)]
    del sys.modules["lazy_of_keys"]
    keys.append(key(signal))
    assert "lazy_of_keys" not in sys.modules  # looking does not load it
    (tmp_path / "lazy_of_keys.py").write_text("def step(x):\n    return 2 * x\n")
    keys.append(key(signal))
    assert keys[0] == keys[1] != keys[2]


def test_the_package_and_the_signals_are_sources():
    source = ingredients(PANEL, signals.Momentum(5, 1), None, None)["source"]
    assert {"backtester", "signals", "signals.price", "signals.checks"} <= set(source)
    assert source["numpy"] == np.__version__


NOT_CACHED = {
    "a lambda": (lambda: Scaled(choice=lambda x: x), None),
    "a lambda as features": (
        lambda: estimator(lambda panel, rows: panel.close[rows][:, :, None]),
        "features: .*lambda",
    ),
    "a closure as features": (lambda: estimator(closure(3)), "features: .*closure.<locals>.inner"),
    "a callable object as features": (lambda: estimator(functools.partial(closure(3))), "features.*inner"),
    "an argument under another name": (lambda: Renames(2.0), "Renames takes 'scale' and does not keep it"),
    "an argument it passes on": (lambda: type("Own", (PassesOn,), {})(), "source of .*Own is in no file"),
    "a private lambda": (lambda: with_private(lambda: 1), "_helper: .*lambda"),
    "a private generator": (lambda: with_private(np.random.default_rng(0)), "_helper: .*Generator"),
    "a local class": (lambda: local_class(2), "source of .*local_class.<locals>.Local is in no file"),
    "an object of the class": (lambda: with_class_attribute(object()), "Scaled.table: builtins:object"),
}


def estimator(features):
    return signals.Estimator(Least(), features=features, warmup=1)


def closure(power):
    def inner(panel, rows):
        return panel.close[rows][:, :, None] ** power

    return inner


def with_private(thing):
    signal = Scaled()
    signal._helper = thing
    return signal


def local_class(power):
    class Local(bt.Signal):
        def predict(self, panel, rows):
            return panel.close[rows] ** power

    return Local()


def with_class_attribute(thing):
    Scaled.table = thing
    return Scaled()


class Least:
    """Least squares, without anything else of scikit-learn."""

    def fit(self, x, y):
        self.weights = np.linalg.lstsq(x, y, rcond=None)[0]

    def predict(self, x):
        return x @ self.weights


@pytest.mark.parametrize("case", NOT_CACHED)
def test_what_cannot_be_told_is_not_cached(case, monkeypatch):
    monkeypatch.setattr(Scaled, "table", np.ones(5))
    make, message = NOT_CACHED[case]
    if message is None:  # a public attribute without a plain form has always been refused
        with pytest.raises(bt.ConfigError, match=r"Scaled\.choice is a function"):
            key(make())
        return
    with pytest.raises(bt.DataError, match=message):
        key(make())


def test_a_warning_names_the_argument(tmp_path):
    with pytest.warns(UserWarning, match="The scores are not cached: Renames takes 'scale'"):
        scores = values_of(Renames(2.0), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert scores.known > 0


def test_two_lambdas_never_share_an_entry(tmp_path):
    folds = bt.Folds(20, 10)
    found = []
    for features in (lambda p, r: p.close[r][:, :, None], lambda p, r: p.open[r][:, :, None] ** 2):
        with pytest.warns(UserWarning, match="not cached: features"):
            found.append(bt.walk_forward(PANEL, estimator(features), folds, cache=tmp_path))
    assert found[0].sha256 != found[1].sha256


def test_arguments_that_are_passed_on_are_looked_up_there():
    assert key(PassesOn(scale=2.0)) != key(PassesOn(scale=3.0))
    assert key(PassesOn(scale=2.0)) == key(PassesOn(scale=2.0))


def test_an_array_of_the_class_is_part_of_the_key(monkeypatch):
    for size in (5, 500):
        keys = []
        for number in (1.0, 2.0, 1.0):
            monkeypatch.setattr(Scaled, "table", np.full(size, number))
            keys.append(key(Scaled()))
        assert keys[0] != keys[1]
        assert keys[0] == keys[2]


TYPED = """
import sys, warnings
import numpy as np
import backtester as bt
class Typed(bt.Signal):
    def predict(self, panel, rows):
        return panel.close[rows]
panel = bt.synthetic(4, 30).panel
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    known = bt.walk_forward(panel, Typed(), cache=sys.argv[1]).known
print(known, *(one.message for one in caught))
"""


def test_a_class_that_was_typed_in_is_not_cached(tmp_path):
    line = [sys.executable, "-c", TYPED, str(tmp_path / "cache")]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "The scores are not cached: __main__ lies in no file" in done.stdout
    assert not (tmp_path / "cache").exists()


def test_nan_in_settings(tmp_path):
    signal = Scaled(choice=[np.nan, -np.inf, np.float32("inf")])
    assert signal.describe()["choice"] == ["NaN", "-Infinity", "Infinity"]
    first = values_of(signal, tmp_path)
    assert values_of(signal, tmp_path).from_cache
    assert not first.from_cache
    result = bt.run(PANEL, with_nan(), signal=signal)
    result.save(tmp_path / "run")

    def refuse(text):
        raise AssertionError(text)

    told = json.loads((tmp_path / "run" / "run.json").read_text(), parse_constant=refuse)
    assert told["settings"]["scores"]["signal"]["choice"] == ["NaN", "-Infinity", "Infinity"]
    assert told["settings"]["strategy"]["level"] == "NaN"


def with_nan():
    strategy = strategies.RankedLongShort(1, 1)
    strategy.level = np.nan
    return strategy


def test_descriptions_go_to_the_bottom():
    from sklearn.linear_model import Ridge, RidgeCV
    from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
    from sklearn.preprocessing import FunctionTransformer

    assert plain(np.float64("nan")) == "NaN"
    assert described(RidgeCV(alphas=np.array([1.0, 2.0])))["alphas"] == [1.0, 2.0]
    assert described(FunctionTransformer(np.log1p))["func"] == {"function": "numpy:log1p"}
    search = described(GridSearchCV(Ridge(), {"alpha": [1.0, 2.0]}, cv=TimeSeriesSplit(3)))
    assert search["cv"]["n_splits"] == 3
    assert search["estimator"]["class"].endswith(":Ridge")
    assert list(opaque_parts(search)) == []
    assert described(np.zeros(500)) != described(np.ones(500))
    assert described(functools.partial(np.power, 2)) != described(functools.partial(np.power, 3))
    fitted = Ridge().fit(np.eye(3), np.arange(3.0))
    assert described(fitted) != described(Ridge())  # what it has learnt may matter
    loop: list = []
    loop.append(loop)
    for hidden in (lambda: 1, np.random.RandomState(0), object(), loop, ROOT.glob, FunctionTransformer(lambda x: x)):
        assert list(opaque_parts(described(hidden))), hidden
