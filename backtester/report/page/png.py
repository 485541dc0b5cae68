"""Charts as pictures, for slides and documents: needs the extra ``plots``."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backtester.errors import ConfigError
from backtester.report.page.charts import Chart
from backtester.report.page.document import light_colors

_WIDTH, _SCALE = 900, 2  # pixels of the layout, and of the picture for each of them


def write_pngs(charts: Sequence[Chart], folder: str | Path) -> list[Path]:
    """Write each chart to ``<key>.png`` in a folder, in the light colours of the page.

    Args:
        charts: those of `run_charts`.
        folder: made where it is not there; files of the same names are replaced.

    Returns:
        The files, in the order of the charts.

    Raises:
        ConfigError: kaleido is not installed, finds no Chrome or Chromium, or the folder cannot be written.
    """
    if not charts:
        return []
    try:
        import kaleido
    except ImportError as error:
        raise ConfigError(
            f"charts as PNG need kaleido, which cannot be imported ({error}): pip install 'backtester[plots]'."
        ) from error
    to = Path(folder)
    paths = [to / f"{chart.key}.png" for chart in charts]
    try:
        to.mkdir(parents=True, exist_ok=True)
        kaleido.write_fig_from_object_sync(
            [
                {"fig": _picture(chart), "path": path, "opts": _options(chart)}
                for chart, path in zip(charts, paths, strict=True)
            ],
            cancel_on_error=True,
            kopts={"mathjax": False},  # which would be fetched
        )
    except OSError as error:
        raise ConfigError(f"the charts cannot be written to {to}: {error}.") from error
    except Exception as error:  # kaleido and what it drives a browser with raise errors of many kinds
        raise ConfigError(
            f"kaleido could not draw the charts: {type(error).__name__}: {str(error).rstrip('.')}. It needs Chrome or "
            "Chromium, in PATH or named by the environment variable BROWSER_PATH."
        ) from error
    return paths


def painted(value: Any, colors: Mapping[str, str]) -> Any:
    """A copy of a figure with the colours put in that it names."""
    if isinstance(value, str) and value.startswith("var(") and value.endswith(")"):
        return colors[value[4:-1]]
    if isinstance(value, Mapping):
        return {key: painted(one, colors) for key, one in value.items()}
    if isinstance(value, list):
        return [painted(one, colors) for one in value]
    return value


def _picture(chart: Chart) -> dict[str, Any]:
    drawn = painted(copy.deepcopy(chart.figure), light_colors())
    layout = drawn["layout"]
    layout["title"] = {"text": chart.title, "x": 0.01, "xanchor": "left", "font": {"size": 15}}
    layout["margin"] |= {"t": layout["margin"]["t"] + 40}
    layout |= {"paper_bgcolor": light_colors()["--panel"], "width": _WIDTH, "height": chart.height + 40}
    return dict(drawn)


def _options(chart: Chart) -> dict[str, Any]:
    return {"format": "png", "width": _WIDTH, "height": chart.height + 40, "scale": _SCALE}
