"""The documents are true as far as a program can tell: code runs, links lead somewhere, figures are those printed."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import runpy
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_architecture import FLOORS

import backtester as bt
import signals
import strategies
from backtester.cli.config import DataSection, RunSection, ScoresSection, parse_config, read_config
from backtester.cli.running import load_strategy, run_config
from backtester.cli.variants import BenchSection, read_bench
from backtester.engine import types as et
from backtester.market.ingest import import_files
from backtester.metrics import Benchmark, benchmark_metrics, run_metrics

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")]
CONFIG = ROOT / "docs/sp500.toml"
STRATEGIES = (ROOT / "docs/strategies.md").read_text(encoding="utf-8")
SETTINGS = (ROOT / "docs/settings.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """Headings as links name them."""
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


def test_the_readme_runs(tmp_path, monkeypatch, capsys):
    """All Python blocks, one after another, as a reader would type them."""
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "readme"}
    exec(compile("\n".join(blocks(README, "python")), "README.md", "exec"), names)
    figures = names["result"].metrics
    said = re.search(r"It loses money here.*?replaced (\d+) times\s+a\s+year\s+pays\s+(\d+) %", README, re.DOTALL)
    paid = figures["cost_commission"] + figures["cost_slippage"]
    assert figures["total_return"] < 0
    assert said.groups() == (f"{figures['turnover']:.0f}", f"{paid:.0%}".removesuffix("%"))
    assert np.isfinite([float(word) for word in capsys.readouterr().out.split()]).all()
    assert bt.Result.load(tmp_path / "runs/scored").metrics["fills"] > 0


def test_the_page_about_strategies_runs():
    """All its blocks: orders at the close, a mapping and a halt that is ended, a signal."""
    names = {"__name__": "page"}
    exec(compile("\n".join(blocks(STRATEGIES, "python")), "strategies.md", "exec"), names)
    assert set(names["fallen"].fills["moment"]) == {"close"}
    assert "rearmed" in set(names["careful"].events["event"])
    assert names["scores"].known > 0


@pytest.mark.parametrize("kind", [bt.View, bt.Book, bt.Fill, bt.Fills, bt.Halt, bt.Universe, bt.Strategy, bt.Signal])
def test_the_page_about_strategies_names_everything_public(kind):
    """In the table of a class, if it has one, and in a code span."""
    tables_of = dict(re.findall(r"^\| `(\w+)` \|.*\n\|[-|]*\n((?:\|.*\n)*)", STRATEGIES, re.MULTILINE))
    made = bt.Fills(np.zeros(0), (), np.zeros((0, 9), np.int32), np.zeros((0, 9))) if kind is bt.Fills else kind
    public = {name for name in dir(made) if name[0] != "_"} - set(dir(tuple) if kind is not bt.Fills else [])
    text = tables_of.get(kind.__name__, STRATEGIES)
    if kind is bt.Fills:
        public, text = public - {"count", "index"}, tables_of["Fill"]  # those of every sequence
    named = set(re.findall(r"`(\w+)[`(]", text))
    assert public
    assert public - named == set()


def test_the_readmes_config_is_the_file():
    grid, shown = blocks(README, "toml")
    assert set(tomllib.loads(grid)) == {"bench"}
    assert shown.strip() in CONFIG.read_text(encoding="utf-8")
    assert tomllib.loads(shown) == tomllib.loads(CONFIG.read_text(encoding="utf-8"))


def test_the_page_about_benches_shows_its_config():
    page = (ROOT / "docs/bench.md").read_text(encoding="utf-8")
    config = (ROOT / "docs/bench.toml").read_text(encoding="utf-8")
    shown, asked = blocks(page, "toml")
    assert shown == config
    assert bt.CombinatorialFolds(**tomllib.loads(asked)["bench"]["combinatorial"]) == bt.CombinatorialFolds()
    told = read_bench(ROOT / "docs/bench.toml")
    assert len(told.variants) == 5
    assert [one.error for one in told.variants] == [""] * 5
    named = set(re.findall(r"^\| `bench\.(\w+)", page, re.MULTILINE))
    assert named == set(BenchSection.model_fields)


def test_the_config_is_valid():
    """Every key is known, and the strategy takes its arguments."""
    config = read_config(CONFIG)
    assert config.path("data") == ROOT / "data/sp500"
    assert load_strategy(config).warmup == 253


def test_the_real_walk_in_small(tmp_path, monkeypatch):
    """The README's import and run, with the options that it names, on files of the same columns."""
    monkeypatch.setenv("BACKTESTER_CACHE", str(tmp_path / "cache"))
    command = next(line for line in "\n".join(blocks(README, "sh")).splitlines() if " data import " in line)
    bars, constituents, members, out = re.findall(r"\S*\.csv\S*|data/\w+", command)
    panel = bt.synthetic(12, 300).panel
    table = pd.DataFrame({"date": np.repeat(panel.dates, 12), "Name": np.tile(panel.symbols, 300)})
    for name in ("open", "high", "low", "close", "volume"):
        table[name] = getattr(panel, name).ravel()
    table.to_csv(tmp_path / bars, index=False)
    sectors = pd.DataFrame({"Symbol": panel.symbols, "Name": "Some Company", "Sector": panel.sectors})
    sectors.to_csv(tmp_path / constituents, index=False)
    since = pd.DataFrame({"ticker": panel.symbols, "start_date": "1996-01-02", "end_date": ""})
    since.to_csv(tmp_path / members, index=False)
    import_files(
        tmp_path / bars,
        tmp_path / out,
        basis="split_adjusted",
        sectors=tmp_path / constituents,
        members=tmp_path / members,
    )
    text = CONFIG.read_text(encoding="utf-8")
    result = run_config(parse_config(text, tmp_path / "docs" / CONFIG.name, ["strategy.long=3", "strategy.short=3"]))
    assert result.metrics["fills"] > 0


def tables(section: str) -> dict[str, list[str]]:
    """Rows of the tables of a section of docs/settings.md, by the first code span of each, without its first cell."""
    (text,) = re.findall(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", SETTINGS, re.MULTILINE | re.DOTALL)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:3] == "| `"]
    return {cells[0].strip("| `"): cells[1:] for cells in rows}


def written(default: object) -> str:
    """A default as docs/settings.md shows it."""
    if default is None:
        return '`"off"`'
    if default == () or isinstance(default, bool):
        return f"`{json.dumps(default)}`"
    return f'`"{default}"`' if isinstance(default, str) else f"{default:g}"


@pytest.mark.parametrize(
    ("section", "kind"), [("costs", bt.Costs), ("risk", bt.RiskLimits), ("execution", bt.Execution)]
)
def test_every_setting_stands_in_the_page_with_its_default(section, kind):
    shown = {key: cells[2] for key, cells in tables(f"`[{section}]`").items()}
    assert shown == {field.name: written(field.default) for field in dataclasses.fields(kind)}
    assert f"`bt.{kind.__name__}`" in SETTINGS


@pytest.mark.parametrize(("section", "kind"), [("data", DataSection), ("scores", ScoresSection), ("run", RunSection)])
def test_every_other_key_stands_in_the_page(section, kind):
    assert set(kind.model_fields) <= set(tables(f"`[{section}]`"))


def test_the_page_has_the_arguments_of_a_synthetic_market():
    text = SETTINGS.split("The keys of `synthetic`:")[1].split("\n## ")[0]
    shown = dict(re.findall(r"^\| `(\w+)` \|[^|]*\|[^|]*\| (.*?) \|", text, re.MULTILINE))
    assert shown == {name: written(one.default) for name, one in inspect.signature(bt.synthetic).parameters.items()}


@pytest.mark.parametrize("name", strategies.__all__)
def test_the_page_has_the_arguments_of_the_strategies(name):
    (shown,) = tables("`[strategy]`")[f"strategies:{name}"]
    for argument, parameter in inspect.signature(getattr(strategies, name)).parameters.items():
        default = parameter.default
        text = argument if default is None else f"{argument} = {json.dumps(default)}"
        assert f"`{text}`" in shown


@pytest.mark.parametrize("name", signals.__all__)
def test_the_page_has_the_arguments_of_the_signals(name):
    """But for what all networks take, which has a page of its own."""
    (_, shown) = tables("`[signal]`")[f"signals:{name}"]
    for argument, parameter in inspect.signature(getattr(signals, name)).parameters.items():
        default = parameter.default
        text = argument if default in (None, parameter.empty) else f"{argument} = {json.dumps(default)}"
        assert f"`{text}`" in shown or parameter.kind is parameter.VAR_KEYWORD


def test_the_page_has_every_key_of_the_folds():
    def told(default):
        return "needed" if default is dataclasses.MISSING else "false" if default is False else written(default)

    for section, kind in (("folds", bt.Folds), ("bench", bt.CombinatorialFolds)):
        shown = {key: cells[2] for key, cells in tables(f"`[{section}]`").items()}
        assert shown == {field.name: told(field.default) for field in dataclasses.fields(kind)}


def test_every_figure_stands_in_the_page():
    nothing = np.zeros((0, len(et.LEDGER_COLUMNS)))
    figures = run_metrics(np.zeros(0, "datetime64[D]"), nothing, 1.0, 0)
    assert list(tables("Figures")) == list(figures)
    beside = benchmark_metrics(np.zeros(0), Benchmark("", np.zeros(0), np.zeros(0, np.int64)))
    assert list(tables("Figures against a benchmark")) == list(beside)


def test_no_limitation_is_left_half_said():
    text = (ROOT / "docs/limitations.md").read_text(encoding="utf-8")
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    assert len(rows) > 40
    assert [row for row in rows if len(row) != 4 or not all(cell.strip() for cell in row)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", text):
        link = "".join(target)
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        there = (document.parent / path).resolve() if path else document
        assert there.exists(), link
        assert not anchor or anchor in anchors(there.read_text(encoding="utf-8")), link


def test_the_architecture_names_what_exists():
    """Every path in its code spans, from the root or from the package."""
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w./-]+(?:\.py|\.md|/)|backtester/\w+)`", text))
    assert len(named) > 40
    places = ROOT, ROOT / "backtester"
    assert [name for name in sorted(named) if not any((place / name).exists() for place in places)] == []


def test_the_architecture_names_every_room():
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8").split("## Rooms")[1].split("\n## ")[0]
    rooms = [name for floor in FLOORS for names in floor.values() for name in names]
    paths = [name.replace(".", "/") for name in rooms]
    assert [path for path in paths if f"`{path}`" not in text and f"`{path}.py`" not in text] == []


def test_the_architecture_names_every_stop():
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    for name in ("DONE", "DECIDE", "FILL", "HALT", "TAPE_FULL", "ORDERS_FULL"):
        assert isinstance(getattr(et, name), int)
        assert f"`{name}`" in text


def test_ci_runs_what_the_readme_says():
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    commands = dict(re.findall(r"^(demo|tests)=\"(.*)\"$", script, re.MULTILINE))
    assert sorted(commands) == ["demo", "tests"]
    typed = [line for block in blocks(README, "sh") for line in block.splitlines()]
    assert all(command in typed for command in commands.values())


def test_the_readmes_figures_are_the_benchmarks():
    printed = (ROOT / "benchmarks/RESULTS.md").read_text(encoding="utf-8").splitlines()
    section = README.split("## How fast")[1].split("\n## ")[0]
    rows = [line.removesuffix("|") for line in section.splitlines() if line.startswith("| ")][1:]
    assert rows
    assert [row for row in rows if not any(line.startswith(row) for line in printed)] == []


def test_the_picture_is_what_the_demo_prints():
    """If not: python docs/demo.py."""
    demo = runpy.run_path(str(ROOT / "docs/demo.py"))
    assert demo["words"](demo["PICTURE"].read_text(encoding="utf-8")) == demo["words"](demo["draw"]())
