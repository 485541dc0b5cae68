"""The house of docs/architecture.md, held to it: imports go downwards, and the public surface is what it says."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import backtester

ROOT = Path(__file__).parent.parent

# Rooms by floor. A module belongs to the longest name that it begins with; rooms of one floor do not import each other.
FLOORS = [
    {"errors": ["backtester.errors"]},
    {"market": ["backtester.market"], "engine": ["backtester.engine"]},
    {"portfolio": ["backtester.portfolio"]},
    {
        "contracts": [
            *("backtester.strategy", "backtester.submission", "backtester.metrics", "backtester.cross_section"),
            *("backtester.signal", "backtester.asking", "backtester.folds", "backtester.labels"),
            *("backtester.walk", "backtester.walk_together", "backtester.live", "backtester.combinatorial"),
            "backtester.epochs",
            "backtester.holding",
            *("backtester.scores", "backtester.score_cache", "backtester.plain", "backtester.sources"),
        ]
    },
    {
        "run": [
            *(
                "backtester.run",
                "backtester.snapshot",
                "backtester.planning",
                "backtester.inputs",
                "backtester.arguments",
                "backtester.benchmark",
            ),
            "backtester.result",
        ]
    },
    {"research": ["backtester.research"]},
    {"report": ["backtester.report"]},
    {"cli": ["backtester.cli", "backtester.__main__"]},
]
ROOMS = {name: (floor, room) for floor, rooms in enumerate(FLOORS) for room, names in rooms.items() for name in names}
MODULES = sorted((ROOT / "backtester").rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def place(module: str) -> tuple[int, str] | None:
    known = [prefix for prefix in ROOMS if module == prefix or module.startswith(prefix + ".")]
    return ROOMS[max(known, key=len)] if known else None


def imports(path: Path) -> set[str]:
    """Names of the modules that a file imports anywhere, inside functions and under TYPE_CHECKING too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", [p for p in MODULES if p != ROOT / "backtester/__init__.py"], ids=module_name)
def test_imports_go_down(path):
    floor, room = place(module_name(path)) or pytest.fail(f"{module_name(path)} belongs to no room of FLOORS")
    for name in imports(path):
        if name == "backtester" and floor < len(FLOORS) - 1:
            pytest.fail(f"{module_name(path)} imports the whole package")
        there = place(name)
        if there is not None:
            assert there[0] < floor or there[1] == room, f"{module_name(path)} imports {name}"


def test_torch_and_strategies_stay_outside():
    for path in MODULES:
        names = {name.split(".")[0] for name in imports(path)}
        assert "torch" not in names, path
        assert "signals" not in names, path
        assert "strategies" not in names or path.parent.name == "cli", path


@pytest.mark.parametrize("folder", ["signals", "strategies"])
def test_what_ships_beside_the_package_imports_it_alone(folder):
    others = {"signals", "strategies", "tests", "benchmarks"} - {folder}
    files = list((ROOT / folder).rglob("*.py"))
    assert files
    for path in files:
        assert not {name.split(".")[0] for name in imports(path)} & others, path


def test_every_kernel_has_the_one_decorator():
    for path in (ROOT / "backtester/engine").glob("*.py"):
        if path.name in ("compile.py", "memory.py", "types.py", "__init__.py"):
            continue
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef):
                assert [ast.unparse(one) for one in node.decorator_list] == ["kernel"], f"{path}: {node.name}"


def test_there_is_one_loop():
    callers = [p for p in MODULES if "backtester.engine.kernel" in imports(p)]
    assert [module_name(p) for p in callers] == ["backtester.run"]


def test_files_are_short():
    files = [*MODULES, *ROOT.glob("strategies/*.py"), *ROOT.glob("signals/*.py")]
    assert [p.name for p in files if len(p.read_text().splitlines()) > 400] == []


def test_public_surface():
    assert sorted(backtester.__all__) == [
        "BacktesterError", "Book", "COST_PRESETS", "Cancel", "CombinatorialFolds", "ConfigError", "Costs",
        "DataError", "Decision", "Execution", "Fill", "Fills", "FitJob", "FitWork", "Fold", "Folds", "Halt", "Order",
        "Panel", "Prediction", "Ranking", "Rates", "Rearm", "Result", "RiskLimits", "RunError", "Scores", "Signal",
        "SignalError", "Simulation", "Strategy", "StrategyError", "Target", "Tier", "Universe", "View", "Weighting",
        "combinatorial_walk", "labels", "load_panel", "pearson_ic", "rank_ic", "rank_long_short", "run", "synthetic",
        "trailing_volatility", "triple_barrier", "walk_forward", "walk_forward_together",
    ]  # fmt: skip
    assert all(hasattr(backtester, name) for name in backtester.__all__)


def test_import_is_light():
    heavy = ("torch", "sklearn", "plotly", "typer", "pydantic", "rich")
    code = f"import sys, backtester; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
