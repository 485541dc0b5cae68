"""Make the pinned virtual environment of one peer.

    python benchmarks/make_env.py vectorbt [--dir benchmarks/.envs]

What to compare with (an engine; ``metrics``: libraries of figures) does not resolve into one environment, so each has
its own, filled from ``envs/PEER.txt``, in which every package is pinned. ``all`` makes every one of them. An
environment that is already there and was made from the same file is left alone.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = HERE / "envs"
DEFAULT_DIR = HERE / ".envs"
STAMP = "requirements.txt"


def peers() -> list[str]:
    """Names of the peers that have a file of pinned requirements."""
    return sorted(path.stem for path in ENVIRONMENTS.glob("*.txt"))


def python_of(peer: str, folder: Path) -> Path:
    """Path of the interpreter of ``peer`` under ``folder``, made or not."""
    return folder / peer / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def is_made(peer: str, folder: Path) -> bool:
    """Whether the environment is there, complete, and made from today's requirements."""
    stamp = folder / peer / STAMP
    return stamp.is_file() and stamp.read_bytes() == (ENVIRONMENTS / f"{peer}.txt").read_bytes()


def make(peer: str, folder: Path) -> Path:
    """Make the environment of ``peer`` in ``folder/peer`` and return its interpreter.

    Raises ``subprocess.CalledProcessError`` if a package cannot be installed; what was begun is then
    begun anew the next time.
    """
    python = python_of(peer, folder)
    if is_made(peer, folder):
        return python
    requirements = ENVIRONMENTS / f"{peer}.txt"
    venv.create(folder / peer, clear=True, with_pip=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(requirements)]
    subprocess.run(install, check=True)
    shutil.copyfile(requirements, folder / peer / STAMP)  # last, so that it says the rest is done
    return python


def main() -> int:
    """Make what the command line names."""
    parser = argparse.ArgumentParser(description="Make the pinned virtual environment of a peer.")
    parser.add_argument("peer", choices=[*peers(), "all"])
    parser.add_argument("--dir", type=Path, default=DEFAULT_DIR, help="default: %(default)s")
    options = parser.parse_args()
    for peer in peers() if options.peer == "all" else [options.peer]:
        print(f"{peer}: {make(peer, options.dir)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
