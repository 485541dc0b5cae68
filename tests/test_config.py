"""Config files: what they may say, and how a mistake is named."""

from __future__ import annotations

import datetime
import tomllib
from pathlib import Path

import pytest

from backtester.cli.config import read_config
from backtester.cli.places import Places
from backtester.cli.toml import find_lines, parse_setting, to_toml
from backtester.errors import ConfigError
from backtester.folds import Folds
from backtester.portfolio.settings import Costs, Execution, RiskLimits

FULL = """\
# A comment
[data]
path = "data/sp500"
start = 2014-01-01
end = 2017-12-31

[strategy]
class = "strategies:RankedLongShort"
long = 50
short = 0.1

[scores]
path = "scores.parquet"

[costs]
commission_bps = 2
debit_rate = 0.04

[risk]
max_gross = 1.5
max_daily_loss = "off"
cooldown = 5

[execution]
fill = "close"
volume_cap = 0.1

[run]
cash = 1_000_000
seed = 7
"""


def written(folder: Path, text: str, name: str = "trial.toml") -> Path:
    file = folder / name
    file.write_text(text)
    return file


def mistake(folder: Path, text: str, *settings: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read_config(written(folder, text), settings)
    return str(caught.value).replace(f"{folder}/", "")


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, FULL))
    assert config.data.start == datetime.date(2014, 1, 1)
    assert config.data.end == datetime.date(2017, 12, 31)
    assert config.strategy.class_name == "strategies:RankedLongShort"
    assert config.strategy.arguments == {"long": 50, "short": 0.1}
    assert config.costs == Costs(commission_bps=2, debit_rate=0.04)
    assert config.risk == RiskLimits(max_gross=1.5, max_daily_loss=None, cooldown=5)
    assert config.execution == Execution(fill="close", volume_cap=0.1)
    assert (config.run.cash, config.run.seed, config.name) == (1_000_000.0, 7, "trial")


def test_the_least_that_must_be_said(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, '[data]\npath = "x"\n[strategy]\nclass = "a:B"\n'))
    assert (config.costs, config.risk, config.execution) == (Costs(), RiskLimits(), Execution())
    assert config.scores is None
    assert config.run.cash == 10_000_000.0


def test_sections_can_be_off(tmp_path: Path) -> None:
    config = read_config(
        written(tmp_path, 'costs = "off"\nrisk = "off"\n[data]\npath = "x"\n[strategy]\nclass = "a:B"\n')
    )
    assert config.costs is None
    assert config.risk is None


def test_paths_count_from_where_they_were_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    file = written(tmp_path / "configs", FULL)
    assert read_config(file).path("data") == tmp_path / "configs" / "data" / "sp500"
    config = read_config(file, ["data.path=../sp400", "scores.path=other.parquet"])
    assert config.path("data") == tmp_path / "sp400"
    assert config.path("scores") == tmp_path / "here" / "other.parquet"


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("strategy.long=20", (("strategy", "long"), 20)),
        ("strategy.long = 0.2", (("strategy", "long"), 0.2)),
        ('data.path="a b"', (("data", "path"), "a b")),
        ("data.path=data/sp500", (("data", "path"), "data/sp500")),
        ("data.path=a b", (("data", "path"), "a b")),
        ("data.start=2014-01-01", (("data", "start"), datetime.date(2014, 1, 1))),
        ("strategy.hidden=[32, 16]", (("strategy", "hidden"), [32, 16])),
        ("strategy.flag=true", (("strategy", "flag"), True)),
        ("risk=off", (("risk",), "off")),
        ("data.synthetic.seed=3", (("data", "synthetic", "seed"), 3)),
        ("strategy.class=my/file.py:Mine", (("strategy", "class"), "my/file.py:Mine")),
        ("strategy.expression=a==b", None),
        ("strategy.long", None),
        ("strategy.long=", None),
        ("=3", None),
        (".long=3", None),
        ("strategy.long=[1,", None),
    ],
)
def test_settings_of_the_command_line(setting: str, expected: object) -> None:
    if expected is None:
        with pytest.raises(ConfigError, match="--set"):
            parse_setting(setting)
    else:
        assert parse_setting(setting) == expected


def test_the_command_line_comes_last(tmp_path: Path) -> None:
    file = written(tmp_path, FULL)
    config = read_config(file, ["strategy.long=20", "risk.max_net=0.1", "execution.fill=open", "run.name=second"])
    assert config.strategy.arguments["long"] == 20
    assert config.risk == RiskLimits(max_gross=1.5, max_daily_loss=None, cooldown=5, max_net=0.1)
    assert config.execution.fill == "open"
    assert config.name == "second"
    assert read_config(file, ["risk=off"]).risk is None
    assert read_config(file, ["risk=off", "risk.max_net=0"]).risk == RiskLimits(max_net=0)


MISTAKES = [
    ("[data]", "[dta]", "trial.toml:2: [dta]: there is no such section; known are", "Did you mean 'data'?"),
    ('path = "data', 'pth = "data', "trial.toml:3: [data] pth: there is no such key", "Did you mean 'path'?"),
    ("start = 2014-01-01", "start = 2014", "trial.toml:4: [data] start: is 2014; ", ""),
    ("start = 2014-01-01", 'start = "last year"', "trial.toml:4: [data] start: is 'last year'; ", ""),
    ("end = 2017-12-31", "end = 2013-12-31", "trial.toml:5: [data] end: 2013-12-31 is before start, 2014-01-01", ""),
    ("class = ", "clas = ", "trial.toml:8: [strategy] clas: the key 'class' is missing", "There is 'clas'."),
    ("commission_bps", "comission_bps", "trial.toml:16: [costs] comission_bps: ", "Did you mean 'commission_bps'?"),
    ("commission_bps = 2", "commission_bps = -2", "trial.toml:16: [costs] commission_bps: is -2; ", "at least 0"),
    ("commission_bps = 2", 'commission_bps = "2"', "trial.toml:16: [costs] commission_bps: is '2'; ", "finite number"),
    ("commission_bps = 2", 'commission_bps = "off"', "trial.toml:16: [costs] commission_bps: ", '"off"'),
    ("max_gross = 1.5", "max_gross = 0", "trial.toml:20: [risk] max_gross: is 0; it must be", 'or "off"'),
    ("cooldown = 5", "cooldown = 1.5", "trial.toml:22: [risk] cooldown: is 1.5; it must be a whole number", ""),
    ('fill = "close"', 'fill = "clsoe"', "trial.toml:25: [execution] fill: is 'clsoe'; ", "Did you mean 'close'?"),
    ("cash = 1_000_000", "cash = 0", "trial.toml:29: [run] cash: is 0; ", "greater than 0"),
    ("cash = 1_000_000", "cash = true", "trial.toml:29: [run] cash: is True; ", "valid number"),
    ("cash = 1_000_000", "cash = inf", "trial.toml:29: [run] cash: is inf; ", "finite number"),
    ("seed = 7", "seed = 7.5", "trial.toml:30: [run] seed: is 7.5; ", "integer"),
    ("seed = 7", 'name = "../escape"', "trial.toml:30: [run] name: is '../escape'; it must start with", ""),
    ("[data]", "stray = 1\n[data]", "trial.toml:2: [stray]: there is no such key outside the sections", ""),
    ("[data]", "data = 3\n[dat]", "trial.toml:2: [data]: must be a section of keys, not 3", ""),
    ("[data]", "[data", "trial.toml is no valid TOML: ", "line 2"),
    ("seed = 7", "cash = 7", "trial.toml is no valid TOML: ", "line 30"),
]


@pytest.mark.parametrize(("old", "new", "start", "part"), MISTAKES)
def test_a_mistake_is_named_by_file_line_section_and_key(
    old: str, new: str, start: str, part: str, tmp_path: Path
) -> None:
    assert old in FULL
    message = mistake(tmp_path, FULL.replace(old, new, 1))
    assert message.startswith(start), message
    assert part in message


@pytest.mark.parametrize(
    ("setting", "start"),
    [
        ("costs.slipage_bps=3", "--set costs.slipage_bps: there is no such key"),
        ("costs.slippage_bps=many", "--set costs.slippage_bps: is 'many'; it must be a finite number"),
        ("rsik.max_net=1", "--set rsik: there is no such section"),
        ("run.cash.usd=1", "--set run.cash.usd=1: cash is 1000000, which has no keys."),
        ("execution=off", "--set execution: must be a section of keys, not 'off'"),
    ],
)
def test_a_mistake_on_the_command_line_is_named_so(setting: str, start: str, tmp_path: Path) -> None:
    assert mistake(tmp_path, FULL, setting).startswith(start)


def test_sections_that_must_be_there(tmp_path: Path) -> None:
    assert "trial.toml: the section [data] is missing" in mistake(tmp_path, "")
    assert "the section [strategy] is missing" in mistake(tmp_path, '[data]\npath = "x"\n')


def test_data_comes_from_one_place(tmp_path: Path) -> None:
    rest = '[strategy]\nclass = "a:B"\n'
    assert mistake(tmp_path, "[data]\n" + rest).startswith("trial.toml:1: [data]: give either path or synthetic")
    both = '[data]\npath = "x"\nsynthetic = { seed = 1 }\n' + rest
    assert "there is both" in mistake(tmp_path, both)


def test_a_missing_file(tmp_path: Path) -> None:
    written(tmp_path, FULL, "reversal.toml")
    with pytest.raises(ConfigError, match=r"There is no config file .*revrsal.toml. Did you mean 'reversal.toml'\?"):
        read_config(tmp_path / "revrsal.toml")
    with pytest.raises(ConfigError, match="There is no config file"):
        read_config(tmp_path / "nowhere" / "a.toml")
    with pytest.raises(ConfigError, match="Cannot read"):
        read_config(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="Cannot read"):
        read_config(tmp_path / "binary.toml")


def test_the_resolved_config_says_the_same(tmp_path: Path) -> None:
    text = FULL.replace("strategies:RankedLongShort", "mine/own.py:Mine").replace("[run]", '[run]\nname = "a run"')
    config = read_config(written(tmp_path, text), ["strategy.extra=[1, 2.5]"])
    folder = tmp_path / "runs" / "a-run-12345678"
    folder.mkdir(parents=True)
    again = read_config(written(folder, to_toml(config.resolved(folder)), "config.toml"))
    assert (again.costs, again.risk, again.execution, again.run) == (
        config.costs,
        config.risk,
        config.execution,
        config.run,
    )
    assert again.path("data") == config.path("data")
    assert again.path("scores") == config.path("scores")
    assert again.strategy.class_name == "../../mine/own.py:Mine"
    assert again.strategy.arguments == config.strategy.arguments == {"long": 50, "short": 0.1, "extra": [1, 2.5]}
    assert (again.data.start, again.data.end) == (config.data.start, config.data.end)


def test_a_resolved_config_keeps_what_is_off(tmp_path: Path) -> None:
    text = 'risk = "off"\n[data]\nsynthetic = { seed = 1, symbols = 20 }\n[strategy]\nclass = "a:B"\n'
    config = read_config(written(tmp_path, text))
    again = read_config(written(tmp_path, to_toml(config.resolved(tmp_path)), "config.toml"))
    assert again.risk is None
    assert again.costs == Costs()
    assert again.name == "trial"
    assert again.data.synthetic == {"seed": 1, "symbols": 20}


SIGNAL = """\
[data]
path = "data/sp500"

[signal]
class = "mine/own.py:Mine"
hidden = [32, 16]
cache = false

[folds]
train = 504
test = 63
purge = "off"

[strategy]
class = "strategies:RankedLongShort"

[run]
benchmark = "tables/index.csv"
online = true
"""


def test_a_signal_and_its_folds(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, SIGNAL))
    assert config.signal is not None
    assert (config.signal.class_name, config.signal.arguments) == ("mine/own.py:Mine", {"hidden": [32, 16]})
    assert config.signal.cache is False
    assert config.folds == Folds(train=504, test=63)
    assert config.run.online is True
    assert config.benchmark == tmp_path / "tables" / "index.csv"
    without = SIGNAL.replace('[folds]\ntrain = 504\ntest = 63\npurge = "off"\n', "")
    assert "folds" not in without
    assert read_config(written(tmp_path, without), ["folds=ml4t"]).folds == Folds.named("ml4t")
    assert read_config(written(tmp_path, 'folds = "ml4t"\n' + without)).folds == Folds.named("ml4t")
    off = read_config(written(tmp_path, SIGNAL), ["signal=off", "folds=off", "run.online=false"])
    assert (off.signal, off.folds) == (None, None)
    assert read_config(written(tmp_path, SIGNAL), ["run.benchmark=SPY"]).benchmark == "SPY"
    assert read_config(written(tmp_path, FULL)).benchmark is None


def test_another_class_drops_the_arguments_of_a_signal_too(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, SIGNAL), ["signal.class=signals:Momentum", "signal.skip=5"])
    assert config.signal is not None
    assert config.signal.arguments == {"skip": 5}
    assert config.notes == (
        "--set signal.class: dropped what the file says of mine/own.py:Mine: hidden, cache.",
    )  # fmt: skip


def test_the_resolved_config_of_a_signal_says_the_same(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, SIGNAL))
    folder = tmp_path / "runs" / "deep"
    folder.mkdir(parents=True)
    again = read_config(written(folder, to_toml(config.resolved(folder)), "config.toml"))
    assert (again.folds, again.benchmark, again.run.online) == (config.folds, config.benchmark, True)
    assert again.signal is not None
    assert again.signal.class_name == "../../mine/own.py:Mine"
    assert (again.signal.arguments, again.signal.cache) == ({"hidden": [32, 16]}, False)


@pytest.mark.parametrize(
    ("old", "new", "start", "part"),
    [
        (
            'class = "mine',
            'clas = "mine',
            "trial.toml:5: [signal] clas: the key 'class' is missing",
            "There is 'clas'.",
        ),
        ("cache = false", 'cache = "no"', "trial.toml:7: [signal] cache: is 'no'; it must be true or false", ""),
        ("train = 504", "trian = 504", "trial.toml:10: [folds] trian: there is no such key", "Did you mean 'train'?"),
        ("train = 504", "", "trial.toml:9: [folds]: the key 'train' is missing", ""),
        ("train = 504", "train = 0", "trial.toml:10: [folds] train: is 0; ", ""),
        ("test = 63", "test = 6.3", "trial.toml:11: [folds] test: is 6.3; ", ""),
        ('purge = "off"', "purge = -1", "trial.toml:12: [folds] purge: is -1; ", ""),
        ('purge = "off"', "embargo = true", "trial.toml:12: [folds] embargo: is True; ", ""),
        ('purge = "off"', 'embargo = "off"', 'trial.toml:12: [folds] embargo: cannot be "off"', ""),
        ("online = true", "online = 1", "trial.toml:19: [run] online: is 1; it must be true or false", ""),
        (
            'benchmark = "tables/index.csv"',
            "benchmark = 3",
            "trial.toml:18: [run] benchmark: is 3; it must be text",
            "",
        ),
        ("[signal]", "[singal]", "trial.toml:4: [singal]: there is no such section", "Did you mean 'signal'?"),
    ],
)
def test_a_mistake_about_a_signal_is_named(old: str, new: str, start: str, part: str, tmp_path: Path) -> None:
    assert old in SIGNAL
    message = mistake(tmp_path, SIGNAL.replace(old, new, 1))
    assert message.startswith(start), message
    assert part in message


RATES = """\
[data]
path = "x"
start = 2014-01-01
[strategy]
class = "a:B"
[costs.slippage_bps]
default = 5
[costs.slippage_bps.symbols]
GME = -20
[run]
benchmark = "GME"
"""


@pytest.mark.parametrize(
    ("settings", "start"),
    [
        ([], "trial.toml:6: [costs] slippage_bps: "),
        (["costs.slippage_bps={default=5,symbols={GME=-3}}"], "--set costs.slippage_bps: "),
        (["costs.slippage_bps={default=5,symbols={GME=2}}", "costs.slippage_bps.default=-1"],
         "--set costs.slippage_bps.default: "),
        (["costs.slippage_bps.symbols={GME=2}", "costs.slippage_bps.tires=1"], "--set costs.slippage_bps.tires: "),
        (["costs=off", "data.end=2013-01-01"], "--set data.end: 2013-01-01 is before start"),
    ],
)  # fmt: skip
def test_a_mistake_of_the_command_line_is_blamed_on_it(settings: list[str], start: str, tmp_path: Path) -> None:
    message = mistake(tmp_path, RATES, *settings)
    assert message.startswith(start), message


def test_a_place_is_where_a_key_was_given_last() -> None:
    places = Places(Path("a.toml"), RATES)
    inner = ("costs", "slippage_bps", "symbols", "GME")
    assert str(places.error(inner, "no")) == "a.toml:9: [costs] slippage_bps symbols GME: no"
    places.add(("costs", "slippage_bps", "default"), 3)
    assert str(places.error(inner, "no")) == "a.toml:9: [costs] slippage_bps symbols GME: no"
    places.add(("costs", "slippage_bps"), 2)
    assert str(places.error(inner, "no")) == "--set costs.slippage_bps.symbols.GME: no"
    assert str(places.error(("costs",), "no")) == "a.toml:6: [costs]: no"
    places.add(("risk", "max_gross"), 1)
    assert str(places.error(("risk", "max_grass"), "no")) == "--set risk.max_grass: no"
    assert places.suspect(("data", "path"), ("risk", "max_gross")) == ("risk", "max_gross")
    assert places.suspect(("data", "path"), ("data", "start")) == ("data", "path")


def test_what_may_be_left_out_may_be_off(tmp_path: Path) -> None:
    settings = ["run.benchmark=off", "run.seed=off", "run.name=off", "data.start=off", "data.end=off", "data.basis=off"]
    rates = RATES.replace("-20", "20")
    config = read_config(written(tmp_path, rates), settings)
    assert (config.benchmark, config.run.seed, config.name) == (None, None, "trial")
    assert (config.data.start, config.data.end, config.data.basis) == (None, None, None)
    assert "benchmark" not in config.resolved(tmp_path)["run"]
    assert read_config(written(tmp_path, rates.replace('"GME"', '"off"'))).benchmark is None
    assert "--set run.cash: is 'off'" in mistake(tmp_path, rates, "run.cash=off")


def test_sections_that_do_not_go_together(tmp_path: Path) -> None:
    both = SIGNAL + '\n[scores]\npath = "scores.parquet"\n'
    assert "there is a [signal] too" in mistake(tmp_path, both)
    assert read_config(written(tmp_path, both), ["signal=off", "folds=off", "run.online=false"]).scores is not None
    assert "there is no [signal]" in mistake(tmp_path, SIGNAL, "signal=off")
    assert "--set run.online: there is no [signal]" in mistake(tmp_path, FULL, "run.online=true")
    assert "Did you mean 'ml4t'?" in mistake(tmp_path, SIGNAL, "folds=ml4y")
    assert "must be a section of keys" in mistake(tmp_path, SIGNAL, "folds=[1]")
    assert "must be a section of keys" in mistake(tmp_path, SIGNAL, "signal=3")


def test_toml_is_written_as_it_is_read() -> None:
    data = {
        "off": "off",
        "a": {
            "text": 'quo"te \\ back\nline é',
            "whole": 3,
            "part": 1e-05,
            "yes": True,
            "day": datetime.date(2024, 1, 2),
        },
        "b c": {"list": [1, 2.5, "x"], "table": {"k": 1, "l m": [True]}, "empty": []},
    }
    assert tomllib.loads(to_toml(data)) == data
    assert to_toml({"a": {"none": None}}) == "[a]\n"


def test_lines_of_keys() -> None:
    lines = find_lines('top = 1\n[a]\n  b = 2 # c = 3\n"q r" = 1\n[x.y]\nz.w = 4\n')
    assert lines[("top",)] == 1
    assert lines[("a",)] == 2
    assert lines[("a", "b")] == 3
    assert lines[("a", "q r")] == 4
    assert lines[("x", "y")] == 5
    assert lines[("x", "y", "z", "w")] == 6
