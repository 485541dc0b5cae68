"""The variants of a bench, as its config tells of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from backtester.cli.toml import to_toml
from backtester.cli.variants import baselines, read_bench
from backtester.combinatorial import CombinatorialFolds
from backtester.errors import ConfigError
from signals import MLP

BASE = """
[data]
synthetic = { symbols = 20, sessions = 120 }
[signal]
class = "signals:Momentum"
lookback = 20
skip = 1
[strategy]
class = "strategies:RankedLongShort"
long = 3
short = 3
"""


def told(tmp_path: Path, bench: str, settings: list[str] | None = None):
    file = tmp_path / "some.toml"
    file.write_text(BASE + bench)
    return read_bench(file, settings or [])


def test_a_grid_is_every_combination_named_by_what_it_sets(tmp_path):
    found = told(tmp_path, '[bench.grid]\n"signal.lookback" = [10, 20]\n"costs.slippage_bps" = [0, 5]\n')
    assert [one.name for one in found.variants] == [
        "lookback=10 slippage_bps=0",
        "lookback=10 slippage_bps=5",
        "lookback=20 slippage_bps=0",
        "lookback=20 slippage_bps=5",
    ]
    one = found.variants[1].config
    assert one.signal.arguments == {"lookback": 10, "skip": 1}
    assert one.costs.slippage_bps == 5


def test_keys_that_end_alike_are_written_out(tmp_path):
    found = told(tmp_path, '[bench.grid]\n"signal.lookback" = [10]\n"strategy.lookback" = [5]\n')
    assert [one.name for one in found.variants] == ["signal.lookback=10 strategy.lookback=5"]


def test_variants_by_name_may_nest_their_keys_and_change_the_class(tmp_path):
    bench = '[bench.variants.quick]\nsignal.lookback = 5\n[bench.variants.other]\n"signal.class" = "signals:Reversal"\n'
    found = told(tmp_path, bench)
    assert [one.name for one in found.variants] == ["quick", "other"]
    assert found.variants[0].config.signal.arguments == {"lookback": 5, "skip": 1}
    assert found.variants[1].config.signal.class_name == "signals:Reversal"
    assert found.variants[1].config.signal.arguments == {}  # those of the other class are gone


def test_a_section_may_be_switched_off(tmp_path):
    found = told(tmp_path, '[bench.grid]\ncosts = ["off"]\n')
    assert found.variants[0].config.costs is None
    assert found.variants[0].name == "costs=off"


def test_without_a_bench_section_the_config_is_the_only_variant(tmp_path):
    found = told(tmp_path, "")
    assert [(one.name, one.options) for one in found.variants] == [("some", {})]


def test_the_command_line_changes_all_variants_and_the_bench(tmp_path):
    found = told(tmp_path, '[bench.grid]\n"signal.lookback" = [5, 10]\n', ["strategy.long=2", "bench.placebos=150"])
    assert [one.config.strategy.arguments["long"] for one in found.variants] == [2, 2]
    assert found.section.placebos == 150


def test_a_variant_that_is_wrong_keeps_its_error_and_the_rest_stand(tmp_path):
    found = told(tmp_path, '[bench.grid]\n"costs.slippage_bps" = [1, "much"]\n')
    assert found.variants[0].config is not None
    assert found.variants[1].config is None
    assert "slippage_bps=much" in found.variants[1].error


def test_the_paths_are_asked_for_in_a_table_of_their_class(tmp_path):
    assert told(tmp_path, "[bench]\nplacebos = 200\n").combinatorial is None
    assert told(tmp_path, '[bench]\ncombinatorial = "off"\n').combinatorial is None
    assert told(tmp_path, "[bench.combinatorial]\n").combinatorial == CombinatorialFolds()
    every = dataclasses.fields(CombinatorialFolds)
    given = {"groups": 8, "test_groups": 3, "purge": 10, "embargo": 4}
    assert {field.name for field in every} == given.keys()
    table = "[bench.combinatorial]\n" + "".join(f"{key} = {value}\n" for key, value in given.items())
    found = told(tmp_path, table, ["bench.combinatorial.embargo=5"])
    assert found.combinatorial == CombinatorialFolds(8, 3, purge=10, embargo=5)


@pytest.mark.parametrize("table", ["groups = 5\n", 'purge = "off"\nembargo = 2\n', "purge = 3\n"])
def test_the_resolved_config_asks_for_the_same_paths(tmp_path, table):
    found = told(tmp_path, f"[bench.combinatorial]\n{table}[bench.grid]\nsignal.lookback = [2, 5]\n")
    (tmp_path / "again.toml").write_text(to_toml(found.resolved(tmp_path)))
    again = read_bench(tmp_path / "again.toml")
    assert again.combinatorial == found.combinatorial
    assert [one.options for one in again.variants] == [one.options for one in found.variants]


@pytest.mark.parametrize(
    ("bench", "told_of"),
    [
        ("[bench.combinatorial]\ngroup = 5\n", [":13", "[bench] combinatorial group:", "Did you mean 'groups'"]),
        ("[bench.combinatorial]\ngroups = 5\ntest_groups = 0\n", [":14", "[bench] combinatorial test_groups:", "1"]),
        ('[bench.combinatorial]\nembargo = "off"\n', [":13", "[bench] combinatorial embargo:", 'cannot be "off"']),
        ("[bench.combinatorial]\ngroups = 3\ntest_groups = 3\n", ["[bench] combinatorial", "leaves none to learn"]),
        ("[bench]\ncombinatorial = 5\n", [":13", "[bench] combinatorial:", "it must be a table"]),
        ('[bench.grid]\n"bench.combinatorial" = ["off"]\n', ["bench.combinatorial", "same for all"]),
        ("[bench]\nplacebo = 100\n", ["placebo", "Did you mean 'placebos'"]),
        ("[bench]\nplacebos = 50\n", ["placebos", "100"]),
        ('[bench.grid]\n"signal.lookback" = 5\n', ["signal.lookback", "list of values"]),
        ('[bench.grid]\n"signal.lookback" = [5, 5]\n', ["twice"]),
        ('[bench.grid]\n"signl.lookback" = [5]\n', ["signl", "Did you mean 'signal'"]),
        ('[bench.grid]\n"data.start" = [2014-01-01]\n', ["data.start", "same for all"]),
        ('[bench.grid]\n"run.name" = ["a"]\n', ["run.name", "same for all"]),
        ("[bench.grid]\nsignal = [5]\n", ["signal", "signal.class"]),
        ("[bench.variants]\nquick = 5\n", ["quick", "table"]),
        (
            '[bench.grid]\n"signal.lookback" = [5]\n[bench.variants."lookback=5"]\n"signal.lookback" = 5\n',
            ["lookback=5", "name of its own"],
        ),
        ('[bench.grid]\n"costs.slippage_bps" = ["much"]\n', ["slippage_bps"]),
    ],
)
def test_mistakes_are_told_by_place(tmp_path, bench, told_of):
    with pytest.raises(ConfigError) as caught:
        told(tmp_path, bench)
    for word in ["some.toml", *told_of]:
        assert word in str(caught.value)


def test_the_baselines_are_the_configs_strategy_with_other_signals(tmp_path):
    found = told(tmp_path, '[bench.grid]\n"signal.lookback" = [5]\n')
    every = baselines(found, MLP(features=["return_5", "rsi_14"], horizon=5), ranks=True)
    assert [one.name for one in every] == ["equal weight", "momentum", "reversal", "ridge"]
    assert [one.error for one in every] == [""] * 4
    weight, momentum, _, ridge = (one.config for one in every)
    assert weight.strategy.class_name == "strategies:EqualWeight"
    assert weight.signal is None
    assert momentum.strategy.arguments == {"long": 3, "short": 3}
    assert momentum.signal.arguments == {"horizon": 5}  # those of the config, of the same class, are not its
    assert ridge.signal.arguments["features"] == ["return_5", "rsi_14"]
    assert ridge.folds is not None


def test_a_strategy_without_scores_has_ranked_baselines(tmp_path):
    file = tmp_path / "rule.toml"
    file.write_text(BASE.replace("RankedLongShort", "Momentum").replace("signals:Momentum", "signals:Reversal"))
    found = read_bench(file, ["signal=off"])
    every = baselines(found, None, ranks=False)
    assert [one.error for one in every] == [""] * 4
    assert every[1].config.strategy.class_name == "strategies:RankedLongShort"
    assert every[1].config.strategy.arguments == {"long": 3, "short": 3}


def test_a_variant_named_like_a_baseline_does_not_hide_it(tmp_path):
    found = told(tmp_path, '[bench.variants.ridge]\n"signal.lookback" = 5\n')
    assert [one.name for one in baselines(found, None, ranks=True)][-1] == "ridge baseline"
