"""Charts of the book: exposures, turnover, what it cost, and which symbols made the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtester.engine.types import L_EQUITY, L_LONG, L_SHORT, L_TRADED, Floats
from backtester.metrics.returns import equity_before, fraction
from backtester.report import words as w
from backtester.report.figures import GROSS_TO_NET
from backtester.report.page import charts as c
from backtester.report.page.charts import Chart

_EACH = 8  # symbols shown on either side


def exposure_chart(dates: NDArray[np.datetime64], ledger: Floats) -> Chart:
    """Long, short, gross and net exposure at closes, as fractions of equity; a gap where none is left.

    Args:
        dates: (T,), at least one.
        ledger: (T, LEDGER) as in ``engine.types``.
    """
    rows = c.kept(len(dates))
    x, equity = c.days(dates[rows]), ledger[rows, L_EQUITY]
    long, short = fraction(ledger[rows, L_LONG], equity), -fraction(ledger[rows, L_SHORT], equity)
    form = ".1%"
    area = {"fill": "tozeroy", "width": 0.8}
    data = [
        c.line("long", x, long, c.color("up"), form=form, fillcolor=c.color("up-soft"), **area),
        c.line("short", x, short, c.color("down"), form=form, fillcolor=c.color("down-soft"), **area),
        c.line("gross", x, long - short, c.color("dim"), form=form, width=1.3),
        c.line("net", x, long + short, c.color("a"), form=form, width=1.6),
    ]
    gross = (long - short)[np.isfinite(long)]
    most = float(gross.max()) if gross.size else 0.0
    said = f"Gross exposure reached {w.percent(most)}."
    if gross.size:
        said += f" At the end: long {w.percent(float(long[np.isfinite(long)][-1]))}"
        said += f", short {w.percent(-float(short[np.isfinite(short)][-1]))} of equity."
    drawn = c.figure(data, hovermode="x unified", xaxis=c.time_axis(), yaxis=c.axis("of equity", ".0%"))
    return Chart("exposure", "Exposures", said, drawn)


def turnover_chart(dates: NDArray[np.datetime64], ledger: Floats, cash: float) -> Chart | None:
    """What was traded in each month, purchases and sales, as a multiple of the equity before; None: nothing was.

    Args:
        dates: (T,).
        ledger: (T, LEDGER) as in ``engine.types``.
        cash: before the first session.
    """
    traded = np.nan_to_num(fraction(ledger[:, L_TRADED], equity_before(ledger[:, L_EQUITY], cash)))
    if not traded.any():
        return None
    months, place = np.unique(dates.astype("datetime64[M]"), return_inverse=True)
    sums: Floats = np.bincount(place, traded).astype(np.float64)
    data = [
        c.bars("traded", c.days(months), sums, c.color("a-mid"), hovertemplate="%{x|%b %Y}: %{y:.0%}<extra></extra>")
    ]
    said = (
        f"A month's purchases and sales together came to {w.percent(float(sums.mean()), places=0)} of equity on average"
    )
    said += f", at the most {w.percent(float(sums.max()), places=0)}."
    drawn = c.figure(data, xaxis=c.time_axis(), yaxis=c.axis("of equity", ".0%"))
    return Chart("turnover", "Traded in a month", said, drawn)


def cost_chart(metrics: Mapping[str, Any]) -> Chart | None:
    """From what positions earned to what was left, a year; None where it is not known.

    Args:
        metrics: of a run.
    """
    steps = [(name.strip(), side * c.number(metrics.get(key))) for name, key, side in GROSS_TO_NET]
    amounts = np.array([amount for _, amount in steps])
    if not np.isfinite(amounts).all():
        return None
    ends = {0: "absolute", len(steps) - 1: "total"}
    trace = {
        "type": "waterfall",
        "orientation": "h",
        "x": c.values(amounts),
        "y": list(range(len(steps))),
        "measure": [ends.get(place, "relative") for place in range(len(steps))],
        "text": [w.signed(amount) for _, amount in steps],
        "textposition": "outside",
        "textfont": {"color": c.color("ink"), "size": 11},
        "cliponaxis": False,
        "hoverinfo": "skip",
        "connector": {"line": {"color": c.color("line"), "width": 1}},
        "increasing": {"marker": {"color": c.color("up")}},
        "decreasing": {"marker": {"color": c.color("down")}},
        "totals": {"marker": {"color": c.color("a-mid")}},
    }
    said = "; ".join(f"{name} {w.signed(amount)}" for name, amount in steps) + " a year, arithmetic."
    path = np.concatenate(([0.0], np.cumsum(amounts[:-1])))
    low, high = float(path.min()), float(path.max())
    room = 0.3 * ((high - low) or 1.0)  # for the numbers beside the bars
    axes = {
        "xaxis": c.axis("a year", ".1%", range=[low - room, high + room]),
        "yaxis": c.names_axis([name for name, _ in steps], autorange="reversed"),
    }
    said = said[:1].upper() + said[1:]
    return Chart("costs", "From gross to net, a year", said, c.figure([trace], **axes), 260)


def contributor_chart(symbols: Sequence[str], net: Floats) -> Chart | None:
    """The symbols that gained and lost most, after commission and slippage; None where none did.

    Args:
        symbols: the N names.
        net: (N,) money made with each; NaN and 0 are left out.
    """
    order = np.argsort(-np.nan_to_num(net), kind="stable")
    best = [k for k in order[:_EACH].tolist() if net[k] > 0.0]
    worst = [k for k in order[::-1][:_EACH].tolist() if net[k] < 0.0]
    shown = [*best, *worst[::-1]]
    if not shown:
        return None
    amounts = net[shown]
    names = [symbols[k] for k in shown]
    texts = [f"{c.short(name, 24)}  {w.money(one)}" for name, one in zip(names, amounts.tolist(), strict=True)]
    paints = [c.color("up" if amount > 0.0 else "down") for amount in amounts.tolist()]
    trace = c.lying_bars("net", amounts, texts, paints)
    made, lost = float(net[net > 0.0].sum()), float(net[net < 0.0].sum())
    said = f"{w.count(int((net > 0.0).sum()))} symbols gained {w.money(made)} together, "
    said += f"{w.count(int((net < 0.0).sum()))} lost {w.money(-lost)}."
    axes = {"xaxis": c.axis("money, net", "~s"), "yaxis": c.names_axis(texts, autorange="reversed")}
    return Chart(
        "contributors", "Symbols that made and lost most", said, c.figure([trace], **axes), 90 + 18 * len(shown)
    )
