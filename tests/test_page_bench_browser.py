"""The page of a bench in a real browser: every figure drawn, no complaint, no wider than the screen or the paper."""

from __future__ import annotations

from pathlib import Path

import bench_cases as cases
import browser
import pytest
from test_page_browser import READY, WIDE

from backtester.report.page import bench_charts, bench_page

pytestmark = pytest.mark.skipif(browser.found() is None, reason="no Chromium or Chrome is in PATH")

# Figures with something drawn in them: lines, bars, points or cells, and not wider than their place.
FIGURES = """[...document.querySelectorAll('[data-chart]')].map(place => ({
    key: place.dataset.chart,
    drawn: place.dataset.drawn,
    shapes: place.querySelectorAll('.trace path, .point path, .hm image').length,
    fits: place.querySelector('.main-svg').getBoundingClientRect().width <= place.clientWidth,
}))"""
FITS = "document.documentElement.scrollWidth === document.documentElement.clientWidth"
DRAWN = "document.documentElement.dataset.drawn === document.documentElement.dataset.figures"
# Tables that are wider than the paper, where nothing can be scrolled.
CUT = """[...document.querySelectorAll('table')].filter(one =>
    one.getBoundingClientRect().width > one.parentElement.getBoundingClientRect().width + 1
).map(one => one.textContent.slice(0, 60))"""


@pytest.fixture(scope="module")
def chromium():
    with browser.running() as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    cut = cases.cut_facts()
    made = {
        "whole": cases.bench_facts(),
        "hostile": cases.hostile_facts(),
        "large": cases.large_facts(),
        "alone": cut["only one"],
        "unscored": cut["no scores"],
        "hollow": cut["hollow"],
    }
    for name, facts in made.items():
        (folder / f"{name}.html").write_text(bench_page(facts), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("size", "dark"), [(browser.PHONE, False), (browser.DESKTOP, True)], ids=["phone, light", "desktop, dark"]
)
def test_every_figure_is_drawn(chromium, pages, size, dark):
    chromium.open(pages / "whole.html", size, dark=dark, ready=READY)
    assert chromium.said == []
    # Cells of a matrix are drawn as a picture, which the page itself makes.
    assert [one for one in chromium.fetched if not one.startswith("data:")] == [(pages / "whole.html").as_uri()]
    figures = chromium.ask(FIGURES)
    assert [one["key"] for one in figures] == [one.key for one in bench_charts(cases.bench_facts())]
    assert [one for one in figures if one["drawn"] != "yes" or not one["shapes"] or not one["fits"]] == []
    assert chromium.ask(FITS)
    assert chromium.ask(WIDE) == []
    if size == browser.DESKTOP:
        wide = "(one => one.scrollWidth - one.clientWidth)(document.querySelector('#leaderboard .scroll'))"
        assert chromium.ask(wide) <= 0


@pytest.mark.parametrize("name", ["large", "alone", pytest.param("unscored", marks=pytest.mark.slow)])
def test_any_bench_is_drawn_on_a_phone(chromium, pages, name):
    chromium.open(pages / f"{name}.html", browser.PHONE, ready=READY)
    assert chromium.said == []
    assert chromium.ask(DRAWN)
    assert chromium.ask(FITS)
    assert chromium.ask(WIDE) == []


def test_a_page_without_figures_is_no_complaint(chromium, pages):
    chromium.open(pages / "hollow.html", browser.PHONE)
    assert chromium.said == []
    assert chromium.ask(FITS)


@pytest.mark.parametrize("name", ["hostile", pytest.param("large", marks=pytest.mark.slow)])
def test_paper_holds_every_table(chromium, pages, name):
    # A4 less twice 12 mm at 96 dots an inch: (210 - 24) / 25.4 * 96 = 703.
    chromium.open(pages / f"{name}.html", (703, 1000), media="print", ready=READY)
    chromium.ask("window.dispatchEvent(new Event('beforeprint')) || 0")
    assert chromium.ask("document.querySelectorAll('details:not([open])').length") == 0
    assert chromium.ask(CUT) == []


def test_names_are_shown_as_text(chromium, pages):
    chromium.open(pages / "hostile.html", browser.PHONE, ready=READY)
    assert chromium.said == []
    assert chromium.ask(FITS)
    assert chromium.ask(WIDE) == []
    assert chromium.ask("document.title") == cases.HOSTILE
    assert chromium.ask("document.querySelectorAll('img, .ytick b, .legend b, .xtick b, svg a').length") == 0
    assert chromium.ask("document.scripts.length") == 3
    for chart, place in (("sharpe", ".ytick text"), ("pairs", ".ytick text"), ("equity", ".legendtext")):
        labels = chromium.ask(
            f"[...document.querySelectorAll('[data-chart={chart}] {place}')].map(one => one.textContent)"
        )
        assert "1. <script>alert(1)</scri…" in labels
        assert "3. <img src=x onerror=ale…" in labels
    cells = chromium.ask("[...document.querySelectorAll('#leaderboard td .entry')].map(one => one.textContent)")
    assert cells[3] == "4. <b>bold</b>"
    assert cells[4] == "5. \"'&amp;"
