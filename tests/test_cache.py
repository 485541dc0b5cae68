"""A changed helper never leaves a stale kernel running: the cache folder's name carries a hash of all sources."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
CALLER = '''
from backtester.engine.charges import borrow_fee
from backtester.engine.compile import CACHE_FOLDER, kernel

@kernel
def caller(x):
    """Calls a leaf in another file."""
    return borrow_fee(x * 360.0, 1.0)
'''


def fee(copy: Path, cache: Path) -> tuple[float, str]:
    """Run the caller in a new process; the fee and the folder of the compiled code."""
    code = "from backtester.engine.probe import caller, CACHE_FOLDER; print(caller(0.5), CACHE_FOLDER)"
    environment = {**os.environ, "PYTHONPATH": str(copy), "NUMBA_CACHE_DIR": str(cache)}
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=copy, env=environment, capture_output=True, text=True, check=True
    )
    value, folder = out.stdout.split()
    return float(value), folder


def test_an_edited_leaf_is_seen(tmp_path):
    copy, cache = tmp_path / "copy", tmp_path / "cache"
    shutil.copytree(ROOT / "backtester", copy / "backtester", ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "backtester/__init__.py").write_text("")
    (copy / "backtester/engine/probe.py").write_text(CALLER)
    before, first = fee(copy, cache)
    assert before == 0.5  # 0.5 * 360 / 360
    again, same = fee(copy, cache)
    assert (again, same) == (before, first)

    leaf = copy / "backtester/engine/charges.py"
    text = leaf.read_text()
    assert text.count("days / 360.0") == 2
    leaf.write_text(text.replace("yearly * days / 360.0", "yearly * days / 180.0"))
    after, second = fee(copy, cache)
    assert after == 1.0
    assert second != first
    assert second.startswith(str(cache))
    assert [f.name for f in Path(first).rglob("*.nbi")], "nothing was cached: the test would prove nothing"


def test_other_packages_keep_their_cache_folder():
    code = "import numba; before = numba.config.CACHE_DIR; import backtester; assert numba.config.CACHE_DIR == before"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
