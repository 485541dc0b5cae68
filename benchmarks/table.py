"""The bars, and the page that sets what was measured against them."""

from __future__ import annotations

from typing import Any, NamedTuple

from ingest import BARS

Report = dict[str, Any]
IMPORTS = {"parquet": "Parquet", "csv": "CSV"}
# Sections that other scripts write.
NETWORKS, VARIANTS = "## Networks", "## Variants"


class Row(NamedTuple):
    """One line of the table."""

    work: str
    measured: str
    bar: str
    reached: bool | None  # None: nothing to reach, or not measured


def _rate(report: Report, name: str, at_least: float, also: str = "") -> tuple[str, str, bool]:
    rate = report[name]["bars_per_second"] / 1e6
    text = f"{rate:.1f} M bars/s ({_milliseconds(report[name])})"
    return text, f"at least {at_least:g} M{also}", rate >= at_least


def _milliseconds(report: Report) -> str:
    return f"{report['best'] * 1e3:.0f} ms, median {report['median'] * 1e3:.0f} ms"


def rows_of(report: Report) -> list[Row]:
    """Return a row for every bar."""
    large, commands, variants = report["large"], report["commands"], report["variants"]
    rows = [
        Row("W1 in one stride, every default on, one core, warm", *_rate(report, "stride", 15, "; aim for 25")),
        Row("W1 through a Python `decide` at every bar", *_rate(report, "decide", 3)),
        Row("the same with `on_fill` overridden", *_rate(report, "on_fill", 1)),
        Row(
            "W2 in one stride, two cores",
            f"{large['best']:.2f} s, median {large['median']:.2f} s",
            "under 1.0 s; aim for 0.5",
            large["best"] < 1.0,
        ),
        Row(
            "W2, peak memory above the loaded panel",
            f"{large['peak_bytes_above_data'] / 1e6:.0f} MB",
            f"at most {large['data_bytes'] / 1e6:.0f} MB (open, close, scores)",
            large["peak_bytes_above_data"] <= large["data_bytes"],
        ),
        Row(
            f"W3, {variants['variants']} variants of cost and k on given scores, two cores, each as it is alone",
            f"{variants['best']:.2f} s in all, {variants['each'] * 1e3:.0f} ms each",
            "under 6 s",
            variants["best"] < 6.0,
        ),
    ]
    layered = report["layers"]
    speed = layered["without"]["best"] / layered["with"]["best"]
    rarest = min(layered["days"].values())
    rows.append(
        Row(
            f"W1 with every layer on, each binding (on {rarest:,} days or more), against none",
            f"{speed:.0%} of the speed ({layered['with']['best'] * 1e3:.0f} against "
            f"{layered['without']['best'] * 1e3:.0f} ms)",
            "at least 70 %",
            speed >= 0.7,
        )
    )
    if "duel" in report:
        stride, documented, hooked = report["duel"].items()
        ratio = documented[1] / stride[1]
        rows.insert(
            1,
            Row(
                f"W1 against vectorbt's fastest documented path (`{documented[0]}`, {documented[1] * 1e3:.0f} ms)",
                f"{ratio:.1f} times faster",
                "at least 7 times",
                ratio >= 7.0,
            ),
        )
        rows.insert(
            2,
            Row(
                f"W1 against callbacks written for this work alone (`{hooked[0]}`, {hooked[1] * 1e3:.0f} ms)",
                f"{hooked[1] / stride[1]:.1f} times faster",
                "",
                None,
            ),
        )
    for kind, found in report["imports"].items():
        rate, memory = found["rows_per_second"], found["worst_beyond_output_bytes"]
        rows.append(
            Row(
                f"import of {found['rows'] / 1e6:.1f} M rows from {IMPORTS[kind]}, every check included, two cores",
                f"{rate / 1e6:.1f} M rows/s, {memory / 1e9:.1f} GB beyond the output",
                f"at least {BARS[kind] / 1e6:g} M, under 2 GB",
                rate >= BARS[kind] and memory < 2e9,
            )
        )
    rows.append(_seconds("`import backtester`, new process", commands, "import_seconds", 0.9))
    rows.append(_seconds("`run` on W1 from Parquet, new process, compiled before", commands, "run_seconds", 4.0))
    if "demo_seconds" in commands:
        rows.append(_seconds("`demo`, new process, nothing compiled", commands, "demo_seconds", 60.0))
    return rows


def _seconds(work: str, commands: Report, name: str, below: float) -> Row:
    return Row(work, f"{commands[name]:.2f} s", f"under {below:g} s", commands[name] < below)


def to_markdown(report: Report, rows: list[Row]) -> str:
    """Return the whole page."""
    machine, parity = report["machine"], report["parity"]
    lines = [
        "# Results",
        "",
        "Printed by `python benchmarks/bench.py`; what W1, W2 and W3 are stands in `markets.py`. Best of several "
        "warm calls unless it says otherwise: the rest is what else the machine was doing.",
        "",
        f"{machine['processor']}, {machine['cores']} cores, load {machine['load']} at the start; "
        f"Python {machine['python']}, numpy {machine['numpy']}, numba {machine['numba']}; {machine['date']}.",
        "",
    ]
    if report["quick"]:
        lines += ["**A quick run on a small market: the times mean nothing.**", ""]
    lines += ["| work | measured | bar | reached |", "|---|---|---|---|"]
    lines += [row_line(row) for row in rows]
    lines += [
        "",
        "## Parity",
        "",
        "Sized at the fill, fractional shares, no carry: what the peers do. Asserted to 1e-9 on every bar before "
        "anything is timed.",
        "",
        "| engine | W1 | bars/s | first call | peak memory above data | final equity | largest difference |",
        "|---|---|---|---|---|---|---|",
    ]
    lines.append(_engine_line('this engine, `size_at="fill"`, `lot=0`', parity["ours"], None))
    for name, difference in parity["differences"].items():
        if name == "floor":
            seconds = parity["floor"]
            measured = f"{seconds['loop_seconds'] * 1e3:.0f} + {seconds['ranking_seconds'] * 1e3:.0f} ms ranking"
            lines.append(f"| a bare Numba loop (best) | {measured} | | | | | {difference:.0e} |")
        else:
            lines.append(_engine_line(f"{parity[name]['engine']} `{name}`", parity[name], difference))
    lines += ["", "## Each cost and layer", "", "Every one is shown to have acted in its run.", ""]
    lines += ["| on | W1 | bars/s | times the defaults |", "|---|---|---|---|"]
    plain = report["costs"][report["defaults"]]["best"]
    for name, seconds in report["costs"].items():
        rate, best = seconds["bars_per_second"] / 1e6, seconds["best"]
        lines.append(f"| {name} | {best * 1e3:.0f} ms | {rate:.1f} M | {best / plain:.2f} |")
    return "\n".join(lines)


def row_line(row: Row) -> str:
    """Return a row of the table as Markdown."""
    verdict = {True: "yes", False: "**no**", None: ""}
    return f"| {row.work} | {row.measured} | {row.bar} | {verdict[row.reached]} |"


def with_section(page: str, section: str) -> str:
    """Return the page with a section in the place of the one with its heading, or at the end."""
    heading = section.partition("\n")[0]
    parts = page.split("\n## ")
    known = [f"## {part}" for part in parts[1:]]
    fresh = [section if part.partition("\n")[0] == heading else part for part in known]
    if section not in fresh:
        fresh.append(section)
    return "\n\n".join(part.strip() for part in [parts[0], *fresh]) + "\n"


def section_of(page: str, heading: str) -> str:
    """Return the section of a page with a heading; nothing if it has none."""
    for part in page.split("\n## ")[1:]:
        if f"## {part}".partition("\n")[0] == heading:
            return f"## {part}".strip() + "\n"
    return ""


def _engine_line(name: str, report: Report, difference: float | None) -> str:
    cells = (
        name,
        f"{report['best'] * 1e3:.0f} ms",
        f"{report['bars_per_second'] / 1e6:.1f} M",
        f"{report['first_seconds']:.1f} s",
        f"{report['peak_bytes_above_data'] / 1e6:.0f} MB",
        f"{report['final_equity']:,.2f}",
        "" if difference is None else f"{difference:.0e}",
    )
    return "| " + " | ".join(cells) + " |"
