"""Draw docs/demo.svg from what the demo prints: ``python docs/demo.py``, in the environment of the package."""

from __future__ import annotations

import html
import io
import re
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI

from backtester.cli.demo import run_demo
from backtester.report import print_summary

PICTURE = Path(__file__).with_suffix(".svg")
COMMAND = "python -m backtester demo"
SEED = 7  # the default of the command
WIDTH = 80


def draw() -> str:
    """The first of the demo's two summaries as a picture of a terminal."""
    with tempfile.TemporaryDirectory() as runs:
        results = run_demo(SEED, Path(runs), Console(file=io.StringIO()))
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    print_summary(results[0], console)
    svg = console.export_svg(title=COMMAND, theme=MONOKAI, unique_id="demo")
    # Without the fonts that a browser would fetch from elsewhere.
    svg = re.sub(r"@font-face \{.*?\}\n?", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code", "Menlo, Consolas, DejaVu Sans Mono")
    svg = re.sub(r'<text ([^>]*)x="([\d.]+)"([^>]*)textLength="([\d.]+)"([^>]*)>([^<]*)</text>', _without_edges, svg)
    return "\n".join(line.rstrip() for line in svg.strip().splitlines()) + "\n"


def _without_edges(found: re.Match[str]) -> str:
    """A piece of text without the blanks around it, moved to where it then begins: some viewers drop them."""
    before, x, between, length, after, text = found.groups()
    plain = html.unescape(text).replace("\xa0", " ")
    inner = plain.strip()
    if not inner:
        return ""
    cell = float(length) / len(plain)
    begin = float(x) + cell * (len(plain) - len(plain.lstrip()))
    shown = html.escape(inner).replace(" ", "&#160;")
    return f'<text {before}x="{begin:g}"{between}textLength="{cell * len(inner):g}"{after}>{shown}</text>'


def words(svg: str) -> list[str]:
    """What a picture says, piece by piece."""
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
