"""docs/networks.md: its code runs, and its tables hold every setting with its default."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import backtester as bt
import signals
from backtester.cli.config import parse_config
from signals.losses import LOSSES
from signals.network import Network
from signals.training.options import Options

pytestmark = pytest.mark.usefixtures("one_thread")

PAGE = (Path(__file__).parent.parent / "docs/networks.md").read_text(encoding="utf-8")


def rows(section: str) -> dict[str, list[str]]:
    """The rows of the tables of a section, by the first code span of each."""
    text = PAGE.split(f"## {section}\n")[1].split("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:3] == "| `"]
    return {one[0].strip("` "): one[1:] for one in cells}


def shown(default: object) -> str:
    if default is None or default is inspect.Parameter.empty or default in ((), {}):
        return "none"
    return f"`{json.dumps(default)}`" if isinstance(default, str) else json.dumps(default)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_its_code_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType("mine")
    monkeypatch.setitem(sys.modules, "mine", module)
    exec(compile("\n".join(blocks("python")), "networks.md", "exec"), vars(module))
    assert np.isfinite(module.tomorrow).mean() > 0.9  # all but what ended, or has no bar that day
    assert module.scores.members.keys() == {"seed 0", "seed 1", "seed 2"}
    rows_of_one = [row for row in module.scores.learning if row["model"] == "seed 0" and row["fold"] == 1]
    assert [row["epoch"] for row in rows_of_one] == [1, 2, 3, 4]
    chosen = [row["model"] for row in module.found.learning if row["note"].startswith("chosen")]
    assert len(chosen) == 2 * len(module.found.folds)
    assert module.together.members.keys() == {"MLP", "Ridge", "Reversal"}
    wide = signals.Module("mine:Wide", {"units": 4}, epochs=1)
    assert bt.walk_forward(module.market.panel, wide, bt.Folds(train=200, test=126)).known > 0


def test_its_config_is_one():
    (text,) = blocks("toml")
    head = "[data]\nsynthetic = { symbols = 20, sessions = 300 }\n[strategy]\nclass = 'strategies:RankedLongShort'\n"
    config = parse_config(head + "[folds]\ntrain = 100\ntest = 50\n" + text, Path("page.toml"))
    assert "signals:MLP" in str(config)


def test_every_option_of_the_training_stands_in_the_page():
    table = {key: cells[0] for key, cells in rows("How it is trained").items() if len(cells) == 2 and key not in LOSSES}
    table = {key: default for key, default in table.items() if "`, `" not in key}
    defaults = {
        one.name: shown({} if one.default is dataclasses.MISSING else one.default)
        for one in dataclasses.fields(Options)
    }
    assert table == defaults


def test_every_loss_stands_in_the_page():
    text = PAGE.split("| loss | label | score |")[1].split("\n## ")[0]
    for name, loss in LOSSES.items():
        assert f"`{name}`" in text
        assert loss.labels == ("any",) or all(f"`{label}`" in text for label in loss.labels)


def test_what_every_network_takes_stands_in_the_page():
    table = {key: cells[0] for key, cells in rows("What every network takes").items()}
    parameters = inspect.signature(Network.__init__).parameters
    own = {"self", "own", "window", "training"}
    defaults = {key: shown(one.default) for key, one in parameters.items() if key not in own}
    assert table == defaults | {"label": "by the loss"}


@pytest.mark.parametrize("kind", [kind for kind in vars(signals).values() if isinstance(kind, type)])
def test_every_kind_stands_in_the_page_with_its_own_settings(kind):
    if not issubclass(kind, Network):
        return
    _, own = rows("The kinds")[f"signals:{kind.__name__}"]
    for key, parameter in inspect.signature(kind).parameters.items():
        if key in ("features", "settings"):
            continue
        default = parameter.default
        text = key if default in (None, parameter.empty) else f"{key} = {json.dumps(default)}"
        assert f"`{text}`" in own, key


def test_the_decay_of_networks_without_a_window():
    """As the page says: of AdamW alone, where nothing is said, and where there is no window."""
    decay = {"weight_decay": 0.3}
    assert signals.MLP().training.optimizer_arguments == decay
    assert signals.MLP(optimizer_arguments={}).training.optimizer_arguments == {}
    assert signals.MLP(optimizer="SGD").training.optimizer_arguments == {}
    assert signals.MLP().varied(optimizer="Adam").training.optimizer_arguments == {}
    assert signals.LSTM().training.optimizer_arguments == {}
