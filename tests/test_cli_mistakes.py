"""Tried as a new user would: wrong files, wrong configs, and a slip of the finger in every command.

Each answer is one message, names what was found, and says what to do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from command_line import CONFIG, call, refused

from backtester.cli.app import app

pytestmark = pytest.mark.usefixtures("own_folder")

BARS = "date,symbol,open,high,low,close,volume\n2020-01-02,A,1,1,1,1,5\n2020-01-03,A,1,1,1,1,5\n"


@pytest.mark.parametrize(
    ("name", "content", "found", "to_do"),
    [
        ("notes.txt", b"hello\nthere\n", "notes.txt has one column only, 'hello'", "comma, semicolon, tab"),
        (
            "no_close.csv",
            b"date,symbol,open,volume\n2020-01-02,A,1,5\n",
            "no column 'close'",
            "Names that are understood",
        ),
        ("bars.parquet", b"PAR1 and then nothing", "bars.parquet cannot be read", "write it anew"),
        ("photo.csv", bytes(range(256)) * 20, "photo.csv", ""),
        ("empty.csv", b"", "empty.csv", ""),
    ],
)
def test_wrong_files(name: str, content: bytes, found: str, to_do: str) -> None:
    Path(name).write_bytes(content)
    message = refused("data", "import", name, "--out", "data/new", "--basis", "as_traded")
    assert found in message, message
    assert to_do in message, message
    assert not Path("data/new").exists()


def test_a_file_that_is_not_there() -> None:
    Path("prices.csv").write_text(BARS)
    arguments = ["--out", "data/new", "--basis", "as_traded"]
    assert "Did you mean 'prices.csv'?" in refused("data", "import", "price.csv", *arguments)
    message = refused("data", "import", "prices.csv", *arguments, "--sectors", "sectors.csv")
    assert "sectors.csv" in message
    assert not Path("data/new").exists()


@pytest.mark.parametrize(
    ("old", "new", "found", "to_do"),
    [
        ("[strategy]", "[stratgey]", "small.toml:4: [stratgey]: there is no such section", "Did you mean 'strategy'?"),
        ("long = 5", "lnog = 5", "small.toml:6: [strategy] lnog: there is no such argument", "Did you mean 'long'?"),
        ("long = 5", "long = -5", "small.toml:6: [strategy] long", "long is -5"),
        ("RankedLongShort", "RankedLongShrot", "small.toml:5: [strategy] class", "Did you mean 'RankedLongShort'?"),
        ("seed = 3", "sede = 3", "small.toml:2: [data] synthetic", "Did you mean 'seed'?"),
        ('name = "small"', "name = small", "small.toml is no valid TOML", "line 10"),
        ('name = "small"', 'cash = "much"', "small.toml:10: [run] cash: is 'much'", "should be a valid number"),
        ('name = "small"', "name = 3", "small.toml:10: [run] name: is 3", "it must be text, in quotes"),
        (
            "[run]",
            "[execution]\nfill = 'opne'\n[run]",
            "small.toml:10: [execution] fill: is 'opne'",
            "Did you mean 'open'?",
        ),
        (
            "[run]",
            "[costs]\nslippage = 5\n[run]",
            "small.toml:10: [costs] slippage: there is no such key",
            "'slippage_bps'",
        ),
    ],
)
def test_wrong_configs(old: str, new: str, found: str, to_do: str) -> None:
    assert old in CONFIG
    Path("small.toml").write_text(CONFIG.replace(old, new, 1))
    message = refused("run", "small.toml")
    assert message.startswith(f"Error: {found}"), message
    assert to_do in message
    assert not Path("runs").exists()


def commands() -> Iterator[tuple[list[str], Any]]:
    """Every command that can be typed, and what is known of it."""
    groups = [([], typer.main.get_command(app))]
    while groups:
        words, group = groups.pop()
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                groups.append(([*words, name], command))
            yield [*words, name], command


COMMANDS = {" ".join(words): (words, command) for words, command in commands()}


def test_these_are_the_commands() -> None:
    assert sorted(COMMANDS) == [
        "bench", "compare", "data", "data check", "data import", "data info", "data synth", "demo", "export", "list",
        "new", "new signal", "new strategy", "report", "run",
    ]  # fmt: skip


def slip(word: str) -> str:
    """A word with two letters swapped, as happens."""
    return word[:-2] + word[-1] + word[-2]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_slip_in_a_command(name: str) -> None:
    words, _ = COMMANDS[name]
    message = call(*words[:-1], slip(words[-1]), code=2).stderr
    assert f"No such command '{slip(words[-1])}'. Did you mean '" in message
    assert f"'{words[-1]}'" in message.partition("Did you mean")[2]  # export and report are close to each other
    assert "Traceback" not in message


@pytest.mark.parametrize("name", [name for name, (_, command) in COMMANDS.items() if not hasattr(command, "commands")])
def test_a_slip_in_an_option(name: str) -> None:
    words, command = COMMANDS[name]
    options = [
        one for parameter in command.params for one in parameter.opts if one.startswith("--") and one != "--help"
    ]
    for option in options:
        message = " ".join(call(*words, slip(option), "x", code=2).stderr.split())
        assert f"No such option: {slip(option)}. Did you mean '{option}'?" in message, message
    assert options


@pytest.mark.parametrize("name", [name for name, (_, command) in COMMANDS.items() if not hasattr(command, "commands")])
def test_every_command_explains_itself(name: str) -> None:
    words, command = COMMANDS[name]
    text = call(*words, "--help").output
    assert command.help.split("\n")[0].split(",")[0] in " ".join(text.split())
    for parameter in command.params:
        assert parameter.help or parameter.name == "help", f"{name} {parameter.name}"


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["run", "smal.toml"], ["no config file smal.toml", "Did you mean 'small.toml'?"]),
        (["run", "small.toml", "--set", "strategy.long"], ["--set strategy.long", "section.key=value"]),
        (["run", "small.toml", "--set", "strategy.long=20", "--set", "risk.max_gros=1"], ["Did you mean 'max_gross'?"]),
        (
            ["run", "small.toml", "--set", "data.synthetic=off", "--set", "data.path=smal.toml"],
            ["--set data.path: there is nothing at", "Did you mean 'small.toml'?"],
        ),
        (
            ["run", "small.toml", "--set", "data.path=small.toml", "--set", "data.synthetic=off"],
            ["--set data.path: small.toml is no Parquet file"],
        ),
        (["run", "small.toml", "--set", "data.start=2035-01-01"], ["--set data.start: no session from 2035-01-01"]),
        (["run", "small.toml", "--set", "data.end=2005-01-01"], ["--set data.end: no session to 2005-01-01"]),
        (
            ["run", "small.toml", "--set", "costs.slippage_bps={default=5,symbols={APPL=3}}"],
            ["--set costs.slippage_bps.symbols.APPL: the panel has no symbol 'APPL'"],
        ),
        (["data", "check", "small.tmol"], ["Did you mean 'small.toml'?"]),
        (["report", "one-01234576"], ["Did you mean 'one-01234567'?"]),
        (["report", "oen"], ["no run oen in runs", "Did you mean 'one-01234567'?"]),
        (["report", "runs/oen"], ["no run runs/oen in runs", "Did you mean 'one-01234567'?"]),
        (["report", "xyz"], ["no run xyz in runs", "It has one-01234567"]),
        (["compare", "one-01234567", "tow"], ["no run tow in runs", "Did you mean 'two-01234567'?"]),
        (["report", "o"], []),  # the beginning of one run: no mistake
        (["list", "rnus"], ["no folder rnus", "Did you mean 'runs'?"]),
        (["new", "strategy", "3ducks"], ["no name for a strategy", "a letter first"]),
        (["data", "synth", "--out", "made", "--kind", "linaer"], ["'linaer'", "Did you mean 'linear'?"]),
        (["data", "import", "small.toml", "--out", "made", "--basis", "as-traded"], ["Did you mean 'as_traded'?"]),
        (["data", "check", "nowhere"], ["nowhere", "dataset folder"]),
        (["data", "info", "nowhere"], ["nowhere", "dataset folder"]),
        (["demo", "--out", "small.toml"], ["small.toml is no folder", "Choose another place"]),
    ],
)
def test_a_slip_in_a_name(arguments: list[str], parts: list[str]) -> None:
    for name in ("one", "two"):
        call("run", "small.toml", "--out", f"runs/{name}-01234567")
    if not parts:
        call(*arguments)
        return
    message = refused(*arguments)
    for part in parts:
        assert part in message, message


def test_no_run_yet() -> None:
    assert "There is no run mine, and none at all in runs." in refused("report", "mine")
    Path("runs").mkdir()
    os.mkdir("runs/photos")
    assert "none at all in runs" in refused("report", "photo")


def test_a_name_that_begins_several_runs() -> None:
    for name in ("one", "two"):
        call("run", "small.toml", "--out", f"runs/mine-{name}")
    message = refused("report", "mine")
    assert "mine is the beginning of 2 runs in runs: mine-one, mine-two" in message
