"""The page in a real browser: every figure drawn, no complaint, nothing fetched, no wider than the screen."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import browser
import page_cases as cases
import pytest

import backtester as bt
from backtester.report.page import png, run_charts, run_page, write_pngs

pytestmark = pytest.mark.skipif(browser.found() is None, reason="no Chromium or Chrome is in PATH")

READY = "'drawn' in document.documentElement.dataset"
# Figures that hold something drawn: lines, bars or points, and not wider than their place.
FIGURES = """[...document.querySelectorAll('[data-chart]')].map(place => ({
    key: place.dataset.chart,
    drawn: place.dataset.drawn,
    shapes: place.querySelectorAll('.trace path, .point path').length,
    fits: place.querySelector('.main-svg').getBoundingClientRect().width <= place.clientWidth,
}))"""
# What is wider than the screen, other than what scrolls in a box of its own.
WIDE = """[...document.querySelectorAll('body *')].filter(one =>
    one.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !one.closest('.scroll, nav, svg')
).map(one => one.tagName + '.' + one.className)"""
INK = "getComputedStyle(document.body).color"
LINE = "document.querySelector('[data-chart=exposure] .js-line').style.stroke"


@pytest.fixture(scope="module")
def chromium():
    with browser.running() as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    made = {
        "full": run_page(cases.learnt_run(), cases.full_study(300), "data/here"),
        "hostile": run_page(cases.hostile_run(), cases.full_study(name=cases.HOSTILE), cases.HOSTILE, cases.HOSTILE),
        "wiped": run_page(cases.wiped_run(), None),
        "bare": run_page(cases.rule_run(3), cases.bare_study()),
        "flat": run_page(cases.flat_run(), None),
    }
    for name, page in made.items():
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    return folder


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [browser.PHONE, browser.DESKTOP], ids=["phone", "desktop"])
def test_every_figure_is_drawn(chromium, pages, size, dark):
    chromium.open(pages / "full.html", size, dark=dark, ready=READY)
    assert chromium.said == []
    assert [one for one in chromium.fetched if not one.startswith("file:")] == []
    assert len(chromium.fetched) == 1
    figures = chromium.ask(FIGURES)
    assert [one["key"] for one in figures] == [one.key for one in run_charts(cases.learnt_run(), cases.full_study(300))]
    assert [one for one in figures if one["drawn"] != "yes" or not one["shapes"] or not one["fits"]] == []
    assert chromium.ask("[document.documentElement.dataset.drawn, document.documentElement.dataset.figures]") == [
        "14",
        "14",
    ]
    assert chromium.ask("document.documentElement.scrollWidth") == chromium.ask("document.documentElement.clientWidth")
    assert chromium.ask(WIDE) == []


@pytest.mark.parametrize("name", ["hostile", "wiped", "bare", "flat"])
def test_any_run_is_drawn_on_a_phone(chromium, pages, name):
    chromium.open(pages / f"{name}.html", browser.PHONE, ready=READY)
    assert chromium.said == []
    assert chromium.ask("document.documentElement.dataset.drawn") == chromium.ask(
        "document.documentElement.dataset.figures"
    )
    assert chromium.ask("document.documentElement.scrollWidth") == chromium.ask("document.documentElement.clientWidth")
    assert chromium.ask(WIDE) == []


def test_names_are_shown_as_text(chromium, pages):
    chromium.open(pages / "hostile.html", ready=READY)
    assert chromium.ask("document.title") == cases.HOSTILE
    assert chromium.ask("document.querySelector('h1').textContent") == cases.HOSTILE
    assert chromium.ask("document.querySelectorAll('img, .ytick b, .legend b, svg a').length") == 0
    assert chromium.ask("document.scripts.length") == 3
    labels = chromium.ask(
        "[...document.querySelectorAll('[data-chart=contributors] .ytick text')].map(one => one.textContent)"
    )
    assert any(text.startswith("<img src=x onerror=") for text in labels)
    assert any(text.startswith("<script>alert(1)</scrip") for text in labels)


def test_the_scheme_changes_with_that_of_the_system(chromium, pages):
    chromium.open(pages / "full.html", ready=READY)
    light = chromium.ask(f"[{INK}, {LINE}]")
    chromium.dark(True)
    chromium.wait(f"{LINE} !== {light[1]!r}")
    assert chromium.ask(INK) != light[0]
    chromium.dark(False)
    chromium.wait(f"{LINE} === {light[1]!r}")
    assert chromium.ask(INK) == light[0]


def test_print_is_light_and_open_and_the_screen_as_it_was_afterwards(chromium, pages):
    chromium.open(pages / "full.html", ready=READY)
    light = chromium.ask(f"[{INK}, {LINE}]")
    chromium.open(pages / "full.html", dark=True, ready=READY)
    dark = chromium.ask(f"[{INK}, {LINE}]")
    # What the page is at the moment of printing is noted after its own preparations.
    chromium.ask(
        f"window.addEventListener('beforeprint', () => window.seen = [{INK}, {LINE}, "
        "document.querySelectorAll('details:not([open])').length, "
        "Math.max(...[...document.querySelectorAll('.main-svg')].map(one => one.getBoundingClientRect().width))]) || 0"
    )
    assert chromium.pdf().startswith(b"%PDF")
    *colors, closed, widest = chromium.ask("window.seen")
    assert colors == light != dark
    assert closed == 0
    assert widest <= 703  # A4 less twice 12 mm, at 96 dots an inch: (210 - 24) / 25.4 * 96
    chromium.wait(f"{LINE} === {dark[1]!r}")
    assert chromium.ask("document.querySelectorAll('details[open]').length") == 0
    assert chromium.said == []


def test_a_figure_that_fails_says_so_and_the_rest_is_drawn(chromium, pages, tmp_path):
    page = (pages / "full.html").read_text(encoding="utf-8")
    (tmp_path / "broken.html").write_text(
        page.replace('data-chart="rolling"', 'data-chart="nothing"'), encoding="utf-8"
    )
    chromium.open(tmp_path / "broken.html", ready=READY)
    assert chromium.ask("document.documentElement.dataset.drawn") == "13"
    assert chromium.ask("document.getElementById('chart-rolling').textContent") == "This figure could not be drawn."
    assert len(chromium.said) == 1


def test_charts_become_pictures(tmp_path, monkeypatch):
    pytest.importorskip("kaleido", reason="the extra 'plots' is not installed")
    monkeypatch.setenv("BROWSER_PATH", str(browser.found()))
    charts = run_charts(cases.learnt_run(), cases.full_study(name=cases.HOSTILE))[:3]
    paths = write_pngs(charts, tmp_path / "new" / "charts")
    assert [path.name for path in paths] == ["equity.png", "rolling.png", "distribution.png"]
    for path, chart in zip(paths, charts, strict=True):
        head = path.read_bytes()[:24]
        assert head.startswith(b"\x89PNG")
        assert struct.unpack(">II", head[16:]) == (1800, 2 * (chart.height + 40))


def test_pictures_say_what_they_need(tmp_path, monkeypatch):
    charts = run_charts(cases.learnt_run(), None)[:1]
    monkeypatch.setitem(sys.modules, "kaleido", None)
    with pytest.raises(bt.ConfigError, match=r"backtester\[plots\]"):
        write_pngs(charts, tmp_path)
    assert write_pngs([], tmp_path) == []
    monkeypatch.undo()
    pytest.importorskip("kaleido", reason="the extra 'plots' is not installed")
    (tmp_path / "file").write_text("")
    with pytest.raises(bt.ConfigError, match="cannot be written"):
        write_pngs(charts, tmp_path / "file")


def test_pictures_are_light():
    light = png.painted({"a": ["var(--panel)", 1, {"b": "var(--ink)"}]}, {"--panel": "#fff", "--ink": "#000"})
    assert light == {"a": ["#fff", 1, {"b": "#000"}]}
