"""The file: sections, charts, the style, the script and plotly's own, in one."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from backtester.errors import ConfigError
from backtester.report.page.charts import Chart
from backtester.report.page.parts import Beside, Markup, Section, Stack, escape, joined, tag

_HERE = Path(__file__).parent
# Nothing may be fetched, whatever a name contains.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
_LEAST_SHARED = 8  # values from which on a column that stands twice is written once


def page(title: str, subtitle: str, sections: Sequence[Section], foot: str = "") -> str:
    """A whole HTML file.

    Args:
        title: of the page, plain text.
        subtitle: beside it, plain text.
        sections: the content.
        foot: the last line, plain text.

    Raises:
        ConfigError: plotly's script is not installed.
    """
    links = joined([tag("a", one.title, href=f"#{one.key}") for one in sections])
    header = tag("header", tag("h1", title) + tag("p", subtitle, "subtitle"))
    body = header + tag("nav", links, aria_label="Sections") + tag("main", joined([_section(one) for one in sections]))
    script = _script(charts_of(sections))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_file('page.css')}</style>\n</head>\n<body>\n{body}\n"
        f"{tag('footer', foot)}\n{script}</body>\n</html>\n"
    )


def charts_of(sections: Sequence[Section]) -> list[Chart]:
    """The charts of sections, in their order."""
    return [chart for section in sections for chart in _charts(section.parts)]


def packed(charts: Sequence[Chart]) -> str:
    """Figures as JSON that can stand in HTML; a column that stands more than once is written once.

    ``columns`` are the values of ``x`` that several traces share, and a trace then has the number of its column there.
    """
    columns: list[list[Any]] = []
    places: dict[str, int] = {}
    shown = {}
    for chart in charts:
        traces = []
        for trace in chart.figure["data"]:
            x = trace.get("x")
            if isinstance(x, list) and len(x) >= _LEAST_SHARED:
                key = json.dumps(x)
                if key not in places:
                    places[key] = len(columns)
                    columns.append(x)
                trace = {**trace, "x": places[key]}
            traces.append(trace)
        shown[chart.key] = {"data": traces, "layout": chart.figure["layout"]}
    text = json.dumps({"columns": columns, "figures": shown}, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def light_colors() -> dict[str, str]:
    """The colours of the light scheme by name, from the style of the page."""
    block = _file("page.css").partition(":root {")[2].partition("}")[0]
    pairs = (line.strip().rstrip(";").partition(":") for line in block.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip().startswith("--")}


def _section(section: Section) -> Markup:
    return tag("section", tag("h2", section.title) + joined([_part(one) for one in section.parts]), id=section.key)


def _part(part: Any) -> Markup:
    if isinstance(part, Beside):
        return tag("div", joined([_part(one) for one in part.parts]), "beside")
    if isinstance(part, Stack):
        return tag("div", joined([_part(one) for one in part.parts]), "stack")
    if isinstance(part, Chart):
        return _figure(part)
    return escape(part)


def _figure(chart: Chart) -> Markup:
    drawn = tag(
        "div",
        "",
        "chart",
        id=f"chart-{chart.key}",
        role="img",
        data_chart=chart.key,
        aria_label=f"{chart.title}. {chart.said}",
        style=f"height:{chart.height}px",
    )
    told = tag("figcaption", chart.said + (f" {chart.note}" if chart.note else ""))
    return tag("figure", tag("h3", chart.title) + drawn + told)


def _charts(parts: Sequence[Any]) -> Iterator[Chart]:
    for part in parts:
        if isinstance(part, Chart):
            yield part
        elif isinstance(part, Beside | Stack):
            yield from _charts(part.parts)


def _script(charts: Sequence[Chart]) -> str:
    if not charts:
        return ""
    return (
        "<noscript><p>The figures need JavaScript; everything else on this page does not.</p></noscript>\n"
        f'<script type="application/json" id="figures">{packed(charts)}</script>\n'
        f"<script>{plotly_script()}</script>\n<script>\n{_file('page.js')}</script>\n"
    )


@cache
def plotly_script() -> str:
    """The script of plotly, from the folder of the Python package, which itself is not imported: it takes long to load.

    Raises:
        ConfigError: the package is not installed, or has no script.
    """
    found = importlib.util.find_spec("plotly")
    for folder in (found.submodule_search_locations or []) if found else []:
        path = Path(folder) / "package_data" / "plotly.min.js"
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise ConfigError(
        "the figures of a page are drawn by plotly, whose script plotly.min.js was not found: pip install plotly."
    )


@cache
def _file(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
