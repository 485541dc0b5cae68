"""The documents are true as far as a program can tell: code runs, links lead somewhere, figures are those printed."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import backtester as bt
from backtester.cli.config import parse_config, read_config
from backtester.cli.running import load_strategy, run_config
from backtester.engine import types as et
from backtester.market.ingest import import_files

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")]
CONFIG = ROOT / "docs/sp500.toml"


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """Headings as links name them."""
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


def test_the_readme_runs(tmp_path, monkeypatch, capsys):
    """All Python blocks, one after another, as a reader would type them."""
    monkeypatch.chdir(tmp_path)
    exec(compile("\n".join(blocks(README, "python")), "README.md", "exec"), {"__name__": "readme"})
    assert np.isfinite([float(word) for word in capsys.readouterr().out.split()]).all()
    assert bt.Result.load(tmp_path / "runs/scored").metrics["fills"] > 0


def test_the_readmes_config_is_the_file():
    (shown,) = blocks(README, "toml")
    assert shown.strip() in CONFIG.read_text(encoding="utf-8")
    assert tomllib.loads(shown) == tomllib.loads(CONFIG.read_text(encoding="utf-8"))


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
    to_come = {"signals/"}
    places = ROOT, ROOT / "backtester"
    assert [name for name in sorted(named - to_come) if not any((place / name).exists() for place in places)] == []
    assert not any((ROOT / name).exists() for name in to_come), "it has come: say so in docs/architecture.md"


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
