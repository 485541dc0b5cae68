"""What all charts share: plain dicts of plotly (``data``, ``layout``), colours by name, and curves thinned.

A chart names its colours as CSS variables, ``var(--a)``; the page's script, or the writer of pictures, puts in those of
the scheme. Text that comes from users goes through `label`, since plotly reads a few tags of HTML in any text.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtester.engine.types import Floats

MOST_POINTS = 1250  # of a curve: more than a screen has room for
DIGITS = 6  # that are kept of a value of a chart
_LONGEST = 40  # characters of a label
# What is drawn in every figure alike. No dragging and no zoom: on a phone a finger scrolls the page.
_FONT = {"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 12, "color": "var(--dim)"}
_CLEAR = "rgba(0,0,0,0)"


class Chart(NamedTuple):
    """A figure of the page."""

    key: str  # of the element and of the picture's file; unique on a page
    title: str  # plain text
    said: str  # plain text: what the figure shows, for those who do not see it
    figure: dict[str, Any]  # data and layout, as plotly takes them
    height: int = 300  # pixels
    note: str = ""  # plain text below the figure


def figure(data: Sequence[dict[str, Any]], **layout: Any) -> dict[str, Any]:
    """Data and a layout; what all figures have in common is filled in.

    Args:
        data: traces.
        layout: further keys, ``xaxis`` and ``yaxis`` as `axis` makes them.
    """
    named = sum(one.get("showlegend", True) and "name" in one for one in data)
    return {
        "data": list(data),
        "layout": {
            "autosize": True,
            "margin": {"l": 8, "r": 12, "t": 30 if named > 1 else 10, "b": 8},
            "paper_bgcolor": _CLEAR,
            "plot_bgcolor": _CLEAR,
            "font": _FONT,
            "showlegend": named > 1,
            "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.0, "yanchor": "bottom", "bgcolor": _CLEAR},
            "hoverlabel": {"bgcolor": "var(--panel)", "bordercolor": "var(--line)", "font": {"color": "var(--ink)"}},
            "dragmode": False,
            "xaxis": axis(),
            "yaxis": axis(),
            **layout,
        },
    }


def axis(title: str = "", form: str = "", *, grid: bool = True, **more: Any) -> dict[str, Any]:
    """An axis.

    Args:
        title: in words.
        form: of its ticks, as d3 has it: ``".0%"``.
        grid: whether lines go through the figure.
        more: further keys of plotly.
    """
    told: dict[str, Any] = {
        "automargin": True,
        "fixedrange": True,
        "showgrid": grid,
        "gridcolor": "var(--grid)",
        "zeroline": grid,
        "zerolinecolor": "var(--zero)",
        "linecolor": "var(--line)",
        "ticks": "",
    }
    if title:
        told["title"] = {"text": title, "font": {"size": 11}, "standoff": 6}
    if form:
        told["tickformat"] = form
    return told | more


def time_axis(**more: Any) -> dict[str, Any]:
    """An axis of dates."""
    return axis(grid=False, type="date", showline=True, hoverformat="%Y-%m-%d", **more)


def line(name: str, x: Sequence[Any], y: Floats, color: str, *, form: str = ".2%", **more: Any) -> dict[str, Any]:
    """A curve.

    Args:
        name: plain text.
        x: dates or numbers.
        y: values; NaN is a gap.
        color: of `color`.
        form: of the values that are shown under the pointer, as d3 has it.
        more: further keys of plotly; ``width`` and ``dash`` are those of the line.
    """
    drawn = {"color": color, "width": more.pop("width", 1.6)} | ({"dash": more.pop("dash")} if "dash" in more else {})
    return {
        "type": "scatter",
        "mode": "lines",
        "name": label(name),
        "x": x,
        "y": values(y),
        "line": drawn,
        "yhoverformat": form,
        **more,
    }


def bars(name: str, x: Sequence[Any], y: Floats, paint: str | list[str], **more: Any) -> dict[str, Any]:
    """Upright bars, `y` high, at the places or names `x`."""
    return {"type": "bar", "name": label(name), "x": list(x), "y": values(y), "marker": _filled(paint), **more}


def lying_bars(name: str, x: Floats, texts: Sequence[str], paint: str | list[str], **more: Any) -> dict[str, Any]:
    """Bars from the left to `x`, one below the other at the places 0, 1, 2 ... of a `names_axis`.

    ``texts``, plain, is what each shows under the pointer.
    """
    return {
        "type": "bar",
        "orientation": "h",
        "name": label(name),
        "x": values(x),
        "y": list(range(len(x))),
        "marker": _filled(paint),
        "hoverinfo": "text",
        "hovertext": [label(text) for text in texts],
        **more,
    }


def whiskers(value: Floats, low: Floats, high: Floats) -> dict[str, Any]:
    """The interval of each bar; one that is not known is left out."""
    return {
        "type": "data",
        "symmetric": False,
        "array": values(np.nan_to_num(high - value)),
        "arrayminus": values(np.nan_to_num(value - low)),
        "color": "var(--ink)",
        "thickness": 1.1,
        "width": 3,
    }


def names_axis(names: Sequence[str], **more: Any) -> dict[str, Any]:
    """An axis whose places 0, 1, 2 ... go by name: any text, also twice the same, stays apart and stays text."""
    places = list(range(len(names)))
    return axis(grid=False, tickmode="array", tickvals=places, ticktext=[label(name) for name in names], **more)


def color(name: str) -> str:
    """A colour of the page by name, such as ``a`` for the run itself; the scheme says which it is."""
    return f"var(--{name})"


def ramp(count: int) -> list[str]:
    """Colours from the lowest to the highest of `count` groups."""
    places = np.linspace(0, 9, max(count, 2)).round().astype(int)[:count] if count > 1 else [9]
    return [f"var(--q{place})" for place in places]


def label(text: Any) -> str:
    """Text of anyone as a label: shortened, and no tag in it."""
    return html.escape(short(text), quote=False)


def short(text: Any, most: int = _LONGEST) -> str:
    """Text in one line of at most `most` characters."""
    words = " ".join(str(text).split())
    return words if len(words) <= most else words[: most - 1] + "…"


def values(numbers: Any) -> list[float | None]:
    """Numbers with `DIGITS` digits; None for what is unknown or infinite."""
    given = np.asarray([math.nan if one is None else one for one in numbers], dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.where(given == 0.0, 0.0, np.floor(np.log10(np.abs(given))))
    known = np.isfinite(given)
    return [
        round(one, DIGITS - 1 - int(power)) if there else None
        for one, power, there in zip(given.tolist(), size.tolist(), known.tolist(), strict=True)
    ]


def days(dates: NDArray[np.datetime64]) -> list[str]:
    """Sessions as ISO dates."""
    return [str(day) for day in np.datetime_as_string(dates.astype("datetime64[D]"))] if dates.size else []


def kept(count: int, most: int = MOST_POINTS) -> NDArray[np.int64]:
    """Which of `count` points stand for all: the last of each of at most `most` buckets of nearly equal size."""
    if count <= most:
        return np.arange(count)
    ends: NDArray[np.int64] = np.arange(1, most + 1) * count // most - 1
    return ends


def lowest(values_: Floats, rows: NDArray[np.int64]) -> Floats:
    """The least value of each bucket that ends with one of `rows`: no low is lost where a curve is thinned."""
    if len(rows) == len(values_):
        return values_
    return np.minimum.reduceat(values_, np.concatenate(([0], rows[:-1] + 1)))


def number(value: Any) -> float:
    """A number that came from a file; NaN for what is none."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def _filled(paint: str | list[str]) -> dict[str, Any]:
    return {"color": paint, "line": {"width": 0}}
