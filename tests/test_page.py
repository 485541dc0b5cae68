"""What the page of a run says: the answers that a stranger looks for, for any run, and names as text."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import page_cases as cases
import pytest
from results import empty_result, make_result

import backtester as bt
from backtester.engine import legs as lg
from backtester.report.page import document, parts, run_charts, run_page, said, tables, terms
from backtester.report.page.spans import spans
from backtester.result.attribution import Attribution

VOID = {"meta", "br"}


class Reader(HTMLParser):
    """Elements with their attributes, and the text outside scripts and styles; every element must be closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"script", "style", "title"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words).replace("\u00a0", " "))


@pytest.fixture(scope="module")
def page() -> str:
    return run_page(cases.learnt_run(), cases.full_study(), "data/somewhere", "2026-11-21")


def test_a_stranger_finds_the_answers(page):
    text = Reader(page).text
    run = cases.learnt_run()
    # What was traded.
    assert "24 symbols (S00, S01" in text
    assert "from data/somewhere" in text
    assert f"{run.metrics['fills']:,} fills" in text
    # When decisions and fills happen.
    assert "After the close, every 5 sessions, from data up to and including that close and nothing later." in text
    assert "At the open of the next session, at its opening price" in text
    # Which costs were charged, and which were not.
    assert (
        "Costs charged Commission of 2 bps of the value; slippage of 4 bps against the trader at every fill; borrow "
        "fees of 1.00 % a year on what is held short; interest of 5.00 % a year on cash that is missing." in text
    )
    assert "Costs not charged Market impact; taxes; margin calls; fees of exchanges" in text
    # How many variants were tried, and whether the result beats chance.
    assert "41 variants were tried on this data since 2026-11-01" in text
    assert "95 % interval -0.20 to 1.90, which includes 0: it cannot be told from chance." in text


def test_it_opens_with_plain_sentences(page):
    opening = re.search(r'<p class="opening">(.*?)</p>', page)
    assert opening is not None
    sentences = re.findall(r"[^.]+(?:\.\d[^.]*)*\.(?= |$)", opening.group(1).replace("\u00a0", " "))
    assert 2 <= len(sentences) <= 4
    run = cases.learnt_run()
    assert sentences[0].startswith(f"From {run.dates[0]} to {run.dates[-1]} (380 sessions) RankedLongShort made ")
    assert f"{run.metrics['total_return'] * 100:+.2f} %" in sentences[0]
    assert "every stock can be sold short" in sentences[-1]
    # It comes before any figure.
    assert page.index('class="opening"') < page.index("data-chart")


def test_one_file_that_needs_nothing_else(page):
    found = Reader(page).elements
    assert len(page.encode()) < 6_000_000
    assert not [tag for tag, _ in found if tag in ("link", "img", "iframe", "object", "base", "form")]
    assert not [given for _, given in found if "src" in given or not (given.get("href") or "#").startswith("#")]
    policy = next(given for tag, given in found if tag == "meta" and "http-equiv" in given)
    assert "default-src 'none'" in str(policy["content"])
    assert any(given.get("name") == "viewport" for tag, given in found if tag == "meta")
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_every_figure_is_named_and_every_link_leads_somewhere(page):
    found = Reader(page).elements
    places = [given for _, given in found if "data-chart" in given]
    assert [place["data-chart"] for place in places] == [
        one.key for one in run_charts(cases.learnt_run(), cases.full_study())
    ]
    assert len(places) == 14
    assert all(place["role"] == "img" and len(str(place["aria-label"])) > 20 for place in places)
    ids = [given["id"] for _, given in found if "id" in given]
    assert len(ids) == len(set(ids))
    assert {str(given["href"])[1:] for tag, given in found if tag == "a"} <= set(ids)


def test_the_same_input_makes_the_same_page(page):
    assert run_page(cases.learnt_run(), cases.full_study(), "data/somewhere", "2026-11-21") == page
    other = run_page(cases.learnt_run(), cases.full_study(), "data/somewhere", "2026-11-22")
    assert other == page.replace("made 2026-11-21", "made 2026-11-22")
    assert other != page
    assert "made " not in Reader(run_page(cases.learnt_run(), None)).text.rpartition("record ")[2]


def test_a_run_that_was_loaded_has_the_same_page(tmp_path, page):
    cases.learnt_run().save(tmp_path / "run")
    again = run_page(bt.Result.load(tmp_path / "run"), cases.full_study(), "data/somewhere", "2026-11-21")
    assert again == page


def test_names_are_text():
    run, study = cases.hostile_run(), cases.full_study(name=cases.HOSTILE)
    page = run_page(run, study, cases.HOSTILE, cases.HOSTILE)
    found = Reader(page)
    tags = [tag for tag, _ in found.elements]
    assert tags.count("script") == 3
    assert not {"b", "img"} & {tag for tag, given in found.elements if given.get("class") is None and tag == "img"}
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "onerror=alert" in found.text  # shown
    assert cases.HOSTILE in found.text
    assert not [given for _, given in found.elements if any(key.startswith("on") for key in given)]
    # In figures every name is escaped once more, as plotly reads tags there.
    block = re.search(r'id="figures">(.*?)</script>', page)
    assert block is not None
    told = json.loads(block.group(1))
    labels = told["figures"]["contributors"]["layout"]["yaxis"]["ticktext"]
    assert any(text.startswith("&lt;img src=x") for text in labels)
    assert all("<" not in text for text in labels)
    assert "<" not in told["figures"]["equity"]["data"][1]["name"]
    assert "<" not in str(told["figures"]["ic_sectors"]["layout"]["yaxis"]["ticktext"])


@pytest.mark.parametrize(
    ("run", "shown", "sections"),
    [
        (lambda: empty_result(), "The run has no sessions", ["overview", "settings"]),
        (lambda: empty_result(3), "traded nothing", ["overview", "performance", "signal", "chance", "settings"]),
        (lambda: cases.flat_run(), "traded nothing", ["overview", "performance", "signal", "chance", "settings"]),
        (lambda: cases.rule_run(3), "a rule that learns nothing", None),
        (lambda: cases.rule_run(90, costs=None), "no costs were charged", None),
        (lambda: cases.wiped_run(), "The account was wiped out on 2024-01-03.", None),
        (lambda: make_result(), "made without its market data", None),
        (lambda: cases.broken_run(), "What was done", None),
    ],
    ids=["empty", "no fill", "no scores", "three sessions", "free", "wiped out", "no market", "NaN"],
)
@pytest.mark.parametrize("study", [None, {}, {"signal": None, "portfolio": None, "trials": None}, cases.bare_study()])
def test_any_run_has_a_page(run, shown, sections, study):
    page = run_page(run(), study)
    found = Reader(page)
    assert shown in found.text
    assert "nan" not in re.sub(r"[a-z]nan|nan[a-z]", "", found.text.lower())
    ids = [str(given["id"]) for tag, given in found.elements if tag == "section"]
    assert ids == (sections or ids)


def test_what_is_not_known_is_said_not_left_out():
    text = Reader(run_page(cases.learnt_run(), None)).text
    assert said.UNKNOWN in text
    assert said.NOT_COUNTED in text
    assert "No study was made of the scores." in text
    quality = {"source": "signals:Net", "horizon": 1, "rank_ic": 0.0123, "standard_error": None, "sessions": 200}
    noted = {**cases.learnt_run().settings, "signal_quality": quality}
    with_quality = dataclasses.replace(cases.learnt_run(), settings=noted)
    assert "Scores at a horizon of 1 session mean rank IC 0.0123" in Reader(run_page(with_quality, None)).text
    rule = Reader(run_page(cases.rule_run(), None)).text
    assert "The strategy uses no scores, so there is no signal to judge." in rule


def test_without_plotly_it_says_what_to_do(monkeypatch):
    document.plotly_script.cache_clear()
    monkeypatch.setattr(document.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(bt.ConfigError, match="pip install plotly"):
        run_page(cases.learnt_run(), None)


def sharpe(low: float, high: float, **trials: object) -> dict[str, object]:
    return {"portfolio": {"net": {"sharpe": {"value": (low + high) / 2, "low": low, "high": high}}}, "trials": trials}


@pytest.mark.parametrize(
    ("study", "word", "words"),
    [
        (None, "unknown", "says nothing on whether"),
        (sharpe(math.nan, 1.0), "unknown", "Too little is known"),
        (sharpe(-2.0, -0.5), "no", "loses beyond chance"),
        (sharpe(-0.5, 0.5), "no", "includes 0"),
        (sharpe(0.0, 0.5), "no", "includes 0"),
        (sharpe(0.1, 1.9), "unknown", "is not accounted"),
        (sharpe(0.1, 1.9, count=40, dsr=0.6), "no", "after 40 variants tried on this data, the deflated"),
        (sharpe(0.1, 1.9, count=40, dsr=0.95), "yes", "beyond chance, also as the best of that many"),
        (sharpe(0.1, 1.9, count=1, dsr=0.99), "yes", "after 1 variant tried"),
    ],
)
def test_chance(study, word, words):
    verdict = said.chance(study)
    assert verdict.word == word
    assert words in verdict.said


def test_the_signal_in_a_sentence():
    study = cases.full_study()["signal"]
    assert said.of_signal(study) == (
        "At their horizon of 5 sessions the scores have a mean rank IC of 0.0200 (95 % interval 0.0040 to 0.0360, "
        "t 2.50, over 120 sessions): they order what follows better than chance."
    )
    study["horizons"][1]["rank"]["p"] = 0.05
    assert said.of_signal(study).endswith("they cannot be told from scores that know nothing.")


@pytest.mark.parametrize(
    ("costs", "charged", "missing"),
    [
        (
            bt.Costs.preset("free"),
            [],
            ["commission", "slippage", "market impact", "borrow fees", "interest on cash that is missing"],
        ),
        (
            bt.Costs.preset("us_retail_fixed"),
            ["commission of 0.005 a share, at least 1 an order, at most 100 bps of an order", "slippage of 5 bps"],
            ["market impact"],
        ),
        (
            bt.Costs(impact=0.1, credit_rate=-0.01),
            ["the coefficient 0.1", "interest of 1.00 % a year on cash that is there"],
            [],
        ),
        (
            bt.Costs(slippage_bps=bt.Rates(3.0, symbols={"A": 9.0})),
            ["slippage of basis points by symbol (default 3"],
            None,
        ),
    ],
)
def test_costs_in_words(costs, charged, missing):
    told = terms.charged(costs.describe())
    assert all(any(part in one for one in told) for part in charged)
    assert bool(told) == bool(charged)
    assert missing is None or terms.not_charged(costs.describe()) == missing


def test_no_costs_in_words():
    assert terms.charged(None) == []
    assert terms.not_charged(None) == ["commission; slippage; market impact; borrow fees; interest"]


def test_every_setting_stands_in_the_table():
    rows = dict(terms.every_setting({"a": {"b": 1, "c": [1, None]}, "d": None, "e": {}, "f": True}))
    assert rows == {"a.b": "1", "a.c": "[1, off]", "d": "off", "e": "{}", "f": "yes"}


def test_in_sample_is_what_came_before_the_first_score():
    run = cases.learnt_run()
    assert run.scores is not None
    scored = np.flatnonzero(np.isfinite(run.scores.values).any(axis=1))
    found = spans(run)
    assert found.first == scored[0]
    assert found.starts == tuple(range(int(scored[0]), 380, 60))
    assert f"The first {scored[0]} sessions, shaded" in found.said
    # Without the market the number of sessions is that of the run.
    assert spans(dataclasses.replace(run, source="f" * 64, parts=run.attribution)) == found


def test_folds_of_another_kind_are_not_drawn():
    run = cases.learnt_run()
    scores = {**run.settings["scores"], "folds": {"groups": 6, "held_out": 2}}
    other = dataclasses.replace(run, settings={**run.settings, "scores": scores}, source="f" * 64)
    assert spans(other).starts == ()
    assert "not known here" in spans(other).said


def test_rules_and_files_say_what_is_in_sample():
    assert "there is no part in sample. If settings were chosen" in spans(cases.rule_run()).said
    file = make_result(settings={"scores_file": {"name": "s.parquet", "known": 3, "sha256": "0"}})
    assert "what they were learnt from, and on which sessions, is not known here" in spans(file).said


def test_what_is_held_is_weighed_by_the_last_mark():
    # Long 10 at 20 and short 4 at 50 of an equity of 1,015: 200 / 1015 = 19.70 %, 200 / 1015 = 19.70 % the other way.
    codes = np.array([(0, 1, 1, -1), (1, -1, 2, -1), (2, 1, 1, 3)], dtype=np.int64)
    numbers = np.zeros((3, lg.TRADE_FLOATS))
    numbers[:, lg.SHARES_LEFT], numbers[:, lg.LAST_MARK] = (10.0, 4.0, 0.0), (20.0, 50.0, 7.0)
    numbers[:, lg.MONEY_IN] = (150.0, 220.0, 10.0)
    numbers[:, lg.TRADE_PRICE_PNL], numbers[:, lg.TRADE_COMMISSION] = (50.0, 20.0, -5.0), (1.0, 2.0, 0.5)
    run = make_result(parts=Attribution(np.zeros((6, lg.LEGS)), codes, numbers))
    long, short = (Reader(one).text for one in tables.holdings(run))
    assert "A 19.70 % 200 2024-01-02 49" in long
    assert "B 19.70 % 200 2024-01-03 18" in short
    assert "NA" not in long + short  # closed on the fourth day
    # Net: 50 - 1 = 49 of 150 paid, 32.7 %; 20 - 2 = 18 of 220, 8.2 %; the symbol "NA" lost 5.5 of 10.
    best, worst = (Reader(one).text for one in tables.round_trips(run))
    assert "A long 2024-01-02 4 (open) 49 +32.7 % B short 2024-01-03 3 (open) 18 +8.2 %" in best
    assert "NA long 2024-01-02 2 -5.50 -55.0 %" in worst
    assert tables.net_by_symbol(run).tolist() == [49.0, 18.0, -5.5]


def test_months_are_shaded_by_size():
    grid = parts.month_grid({"2024": {"1": 0.02, "2": -0.04, "year": -0.0208}})
    assert '<td class="up" style="--w:25%">2.0</td>' in grid
    assert '<td class="down" style="--w:50%">-4.0</td>' in grid
    assert grid.count("<td></td>") == 10  # the months without sessions
    assert '<td class="down" style="--w:26%">-2.1</td>' in grid


def test_markup_is_made_by_escaping():
    assert parts.tag("p", "a < b & 5 %", "k") == '<p class="k">a &lt; b &amp; 5\u00a0%</p>'
    assert parts.tag("p", parts.tag("b", "<")) == "<p><b>&lt;</b></p>"
    assert parts.tag("p", "x", aria_label='"<') == '<p aria-label="&quot;&lt;">x</p>'
    assert parts.Markup("<i>") + "<" == "<i>&lt;"
    assert isinstance(parts.Markup("<i>") + "<", parts.Markup)
