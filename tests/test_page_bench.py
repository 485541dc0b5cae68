"""The page of a bench: what a stranger finds on it, that names are text, that nothing which is missing breaks it."""

from __future__ import annotations

import json
import re
import time

import bench_cases as cases
import page_cases
import pytest
from test_page import Reader

from backtester.report.facts import summarise
from backtester.report.leaderboard import paths_said, verdict
from backtester.report.page import bench_charts, bench_page
from backtester.report.page.bench import page as bench
from backtester.report.page.bench import paths, robust, said, tables
from backtester.report.page.bench.entries import Entries
from backtester.report.page.bench.glossary import GLOSSARY

SECTIONS = ["overview", "leaderboard", "luck", "pairs", "signal", "mattered", "epochs", "robust", "paths"]
SECTIONS += ["learning", "settings", "words"]


@pytest.fixture(scope="module")
def page() -> str:
    return bench_page(cases.bench_facts(), "2026-11-21")


def rows(markup: object) -> list[str]:
    """The text of the rows of a table, the header first."""
    return [Reader(row).text.strip() for row in re.findall(r"<tr>.*?</tr>", str(markup))]


def test_a_stranger_finds_the_answers(page):
    text = Reader(page).text
    # What was traded.
    assert "120 symbols, 756 sessions, 2015-01-02 to 2017-11-24, prices as traded; from data/here" in text
    assert "Traded By RankedLongShort (long 20, short 20), with 10,000,000 at the start." in text
    assert "All entries over the same 250 sessions, 2016-12-12 to 2017-11-24" in text
    # When decisions and fills happen.
    assert "After the close, every session, from session 253 on, from data up to and including that close and " in text
    assert "At the open of the next session, at its opening price" in text
    # Which costs were charged, and which were not.
    assert "Costs charged Commission of 1 bps of the value; slippage of 3 bps against the trader at every fill." in text
    assert "Costs not charged Market impact; borrow fees; interest on cash that is missing; taxes; margin calls" in text
    # How many variants were tried.
    assert "41 variants have been tried on this data since 2026-11-01, by the ledger runs/trials.jsonl." in text
    # Whether the winner beats the baselines beyond chance.
    assert (
        "Does the best variant beat the baselines beyond chance? Not all: beyond chance it beats equal weight "
        "(p 0.0040), momentum (p 0.0040), reversal (p 0.0040) and ridge (p 0.0040), but not cash (p 0.1900)." in text
    )
    # What makes it look better, in a line of its own where it takes a sentence; and what failed.
    assert "is flattered by: orders of any size fill, at no worse price; dividends: longs receive none." in text
    assert "Flattered: one; with a part." in text
    assert "1 entry failed and is in no figure" in text
    assert "hidden=[0] variant: hidden is [0]; give layers of at least 1." in text
    assert "Those of 1. hidden=[0, 8] dropout=0.0, which other variants change: name." in text


def test_it_opens_with_the_sentences_of_the_leaderboard(page):
    facts = cases.bench_facts()
    opening = re.search(r'<p class="opening">(.*?)</p>', page)
    assert opening is not None
    told = Reader(opening.group(0)).text
    assert verdict(facts)
    assert all(sentence in told for sentence in verdict(facts))
    assert told.startswith("Of 5 variants hidden=[0, 8] dropout=0.0 came first: a net Sharpe ratio of 1.40 a year")
    assert page.index('class="opening"') < page.index("data-chart")


def test_the_order_of_the_sections(page):
    found = Reader(page).elements
    assert [given["id"] for tag, given in found if tag == "section"] == SECTIONS
    keys = [str(given["data-chart"]) for _, given in found if "data-chart" in given]
    assert keys == [one.key for one in bench_charts(cases.bench_facts())]
    assert keys == [
        *("equity", "sharpe", "logits", "pairs", "ic_all", "ic_years", "ic_sectors", "quantiles"),
        *("quantiles_cumulative", "mattered", "ic_epochs", "mattered_epochs", "again", "capital", "left_out", "paths"),
        "learning_all",
    ]
    ids = [given["id"] for _, given in found if "id" in given]
    assert len(ids) == len(set(ids))
    assert {str(given["href"])[1:] for tag, given in found if tag == "a"} <= set(ids)
    assert all(len(str(given["aria-label"])) > 20 for _, given in found if "data-chart" in given)


def test_the_leaderboard():
    entries = Entries(cases.bench_facts())
    markup = tables.leaderboard(entries, "95 %")
    header, first, *_, last = rows(markup)
    assert header == "net Sharpe gross CAGR drawdown turnover rank IC break-even placebos deflated seeds"
    assert first == (
        "1. hidden=[0, 8] dropout=0.0 1.40 -0.10 to 2.90 3.40 7.00 % 6.00 % 41.40x 0.0200 ± 0.0080 6.6 1.0 % 61.0 % "
        "1.40 ± 1.00 of 3"
    )
    # Baselines are held against no placebos, have no seeds, and are no trials.
    assert last == "ridge * -3.30 -4.80 to -1.80 1.30 -16.50 % 6.00 % 41.40x 0.0200 ± 0.0080 6.6".replace(
        "1.30 -", "-1.30 -"
    )
    # The pictures share a scale from the lowest end, -3.3 - 1.5 = -4.8 at 5 pixels, to the highest, 2.9 at 99.
    assert '<circle cx="80.7"' in str(markup)  # 5 + (1.4 + 4.8) / 7.7 * 94 = 80.69
    assert str(markup).count('<line x1="63.6" y1="0"') == 9  # 0: 5 + 4.8 / 7.7 * 94 = 63.60


def test_the_winner_is_held_against_each_whichever_comes_first_in_the_pair():
    facts = cases.bench_facts(["a", "b"])
    facts["pairs"] = [
        {"one": "b", "other": "a", "sharpe": cases.paired(-0.4), "ic": None},
        {"one": "a", "other": "ridge", "sharpe": cases.paired(0.7), "ic": cases.paired(0.01)},
        {"one": "b", "other": "ridge", "sharpe": cases.paired(9.0), "ic": None},
    ]
    header, *found = rows(tables.against_winner(facts, Entries(facts), "95 %"))
    assert header == "winner less net Sharpe 95 % interval p mean IC 95 % interval p"
    # The pair says b less a is -0.4, from -0.9 to 0.6: so a less b is 0.4, from -0.6 to 0.9.
    assert found == [
        "2. b 0.40 -0.60 to 0.90 0.4000 - - -",
        "ridge 0.70 0.20 to 1.70 0.4000 0.0100 -0.4900 to 1.0100 0.4000",
    ]
    every = rows(tables.every_two(facts, Entries(facts)))
    assert every[0] == "row less column 1 2 equal weight momentum reversal ridge"
    assert every[1:3] == ["1. a 0.40 p 0.4000 0.70 p 0.4000", "2. b -0.40 p 0.4000 9.00 p 0.0300"]


def reality(*p_values: float | None, dsr: float | None = None) -> dict[str, object]:
    facts = cases.bench_facts()
    facts["reality"] = [{"against": f"b{k}", "consistent": p} for k, p in enumerate(p_values)]
    facts["entries"][0]["dsr"] = dsr
    return facts


@pytest.mark.parametrize(
    ("facts", "word", "words"),
    [
        (reality(), "unknown", "too little to go by"),
        (reality(None), "unknown", "too little to go by"),
        (reality(0.06, 0.5), "no", "No: beyond chance it beats none of b0 (p 0.0600) and b1 (p 0.5000)."),
        (reality(0.05, 0.051), "no", "Not all: beyond chance it beats b0 (p 0.0500), but not b1 (p 0.0510)."),
        (reality(0.01, 0.02), "yes", "Yes: beyond chance it beats b0 (p 0.0100) and b1 (p 0.0200), over all variants"),
        (reality(0.01, dsr=0.96), "yes", "Yes"),
        (reality(0.01, dsr=0.6), "no", "so far the deflated Sharpe ratio leaves 60.0 %, less than 95 %."),
    ],
)
def test_whether_the_winner_beats_the_baselines(facts, word, words):
    found = said.beats(facts, Entries(facts))
    assert found.word == word
    assert words in found.said


def test_beaten_is_what_the_sentence_says():
    header, *found = rows(tables.reality(reality(0.05, 0.0501, None, 0.0)))
    assert header == "best variant against beaten Hansen's p lower upper White's p"
    assert found == ["b0 yes 0.0500 - - -", "b1 no 0.0501 - - -", "b2 - - - - -", "b3 yes < 0.0001 - - -"]


def test_the_settings_of_a_real_run_are_understood():
    told = summarise(page_cases.rule_run(3))
    terms = {"settings": told["settings"], "cash": 1e6, "flattered_by": told["flattered_by"], "leaves_out": []}
    answers = dict(said.answers(facts := cases.bench_facts(terms=terms), Entries(facts), "95 %"))
    assert answers["Traded"] == "By EqualWeight, with 1,000,000 at the start."
    assert answers["Fills"].startswith("At the open of the next session, at its opening price")
    assert {"Decides", "Costs charged", "Costs not charged", "Limits", "Breakers"} <= answers.keys()
    assert "execution.fill" in Reader(bench_page(facts)).text


@pytest.mark.parametrize(
    ("told", "half"),
    [
        ({"capital": [1e5, 1e9], "halves": 2e6, "beyond": []}, "2,000,000"),
        ({"capital": [1e5, 1e9], "halves": None, "beyond": ["halves"]}, "more than 1,000,000,000"),
        ({"capital": [1e5, 1e9], "halves": 0.0, "beyond": []}, "less than 100,000"),
        ({"capital": [1e5, 1e9], "halves": None, "beyond": []}, "-"),
        ({}, "-"),
    ],
)
def test_capital_in_words(told, half):
    assert robust._amount(told, "halves") == half


def test_impact_that_is_assumed_is_said_to_be():
    assert "is assumed here" in robust.impact_said({"impact": 1.0, "assumed": True})
    assert robust.impact_said({"impact": 0.3, "assumed": False}) == (
        "With square-root market impact with the coefficient 0.30, as the run charged."
    )
    assert robust.impact_said({}) == ""


def test_paths_are_told_with_what_they_are_not():
    facts = cases.bench_facts(["a", "b"])
    facts["entries"][1]["paths"] = cases.paths(0.0, "b begins with <weights>")
    text = Reader(bench_page(facts)).text
    assert "cut into 6 groups" in text
    assert "every choice of 2 of them" in text
    assert "15 splits make 5 paths" in text
    assert "They are no track record" in text
    header, *found = rows(paths.paths_table(Entries(facts)))
    assert header == "walk forward mean of paths lowest to highest below 0 gross rank IC paths sessions"
    # Five paths from 0.5 to 0.1 below the walk forward; gross 2 higher: 1.4 - 0.3 + 2 = 3.1, of ridge -3.3 - 0.3 + 2.
    assert found == [
        "1. a 1.40 1.10 ± 0.16 0.90 to 1.30 0 % 3.10 0.0120 0.0100 to 0.0140 5 755",
        "ridge * -3.30 -3.60 ± 0.16 -3.80 to -3.40 100 % -1.60 0.0120 0.0100 to 0.0140 5 755",
    ]
    assert "2. b b begins with <weights>" in text


@pytest.mark.parametrize("none", [None, "missing"])
def test_no_paths_are_shown_where_none_were_asked_for(none):
    facts = cases.bench_facts()
    facts["combinatorial"] = None
    facts["entries"] = [{**one, "paths": None} for one in facts["entries"]]
    if none == "missing":  # a bench of before
        del facts["combinatorial"]
        facts["entries"] = [{key: one[key] for key in one if key != "paths"} for one in facts["entries"]]
    page = bench_page(facts)
    found = Reader(page)
    assert [given["id"] for tag, given in found.elements if tag == "section"] == [s for s in SECTIONS if s != "paths"]
    assert "Paths through history" not in found.text
    assert "path" not in " ".join(verdict(facts))
    assert not paths_said(facts)


def test_paths_of_nobody_are_said_to_be_none():
    facts = cases.bench_facts()
    facts["entries"] = [{**one, "paths": None} for one in facts["entries"]]
    assert "No entry that ran has a signal that learns, so there is no path." in Reader(bench_page(facts)).text


def test_the_screen_has_a_line_of_the_paths():
    facts = cases.bench_facts(["a"])
    assert paths_said(facts) == ["Learnt from other parts of history it has 0.90 to 1.30 on 5 paths (no track record)."]
    facts["entries"][0]["paths"] = cases.paths(0.0, "refused")
    assert paths_said(facts) == []


def test_settings_of_variants_and_baselines_stand_apart():
    facts = cases.bench_facts(["a", "b"])
    facts["entries"][1]["options"] = {"costs.slippage_bps": 5.0, "signal.loss": "<mse>"}
    header, *found = rows(tables.options(Entries(facts)))
    assert header == "variant signal.hidden name costs.slippage_bps signal.loss net Sharpe"
    assert found == ["1. a [16, 8] a 1.40", "2. b 5.0 <mse> 1.00", "hidden=[0] [0] failed"]
    assert "momentum signal.class signals:Momentum" in Reader(str(tables.baselines(Entries(facts)))).text


def test_names_are_text():
    facts = cases.hostile_facts()
    page = bench_page(facts, cases.HOSTILE)
    found = Reader(page)
    tags = [tag for tag, _ in found.elements]
    assert tags.count("script") == 3
    assert not {"img", "iframe"} & set(tags)
    # Letters are bold where a figure is, and nowhere else.
    assert all(re.fullmatch(r"[-\d.,]+( %| bps)?", text) for text in bold(page))
    assert "<script>alert" not in page
    assert "<img" not in page
    assert cases.HOSTILE in found.text
    assert "<img src=x onerror=alert(1)>" in found.text
    assert not [given for _, given in found.elements if any(key.startswith("on") for key in given)]
    # In figures every text is escaped once more, as plotly reads tags there.
    block = re.search(r'id="figures">(.*?)</script>', page)
    assert block is not None
    told = json.loads(block.group(1))
    assert [text for text in texts(told) if "<" in text] == []
    assert "1. &lt;script&gt;alert(1)&lt;/scri…" in texts(told)


def bold(page: str) -> list[str]:
    return [text.replace("\u00a0", " ") for text in re.findall(r"<b>(.*?)</b>", page)]


def texts(told: object) -> list[str]:
    """Every text of a figure but the templates, which are the page's own and hold no name."""
    if isinstance(told, dict):
        return [text for key, one in told.items() if key != "hovertemplate" for text in texts(one)]
    if isinstance(told, list):
        return [text for one in told for text in texts(one)]
    return [told] if isinstance(told, str) else []


@pytest.mark.parametrize("name", cases.cut_facts())
def test_any_bench_has_a_page(name):
    facts = cases.cut_facts()[name]
    found = Reader(bench_page(facts))
    assert not re.search(r"\bnan\b|\bNone\b(?! ran)(?!\.)|\{\}", found.text)
    assert next(given["id"] for tag, given in found.elements if tag == "section") == "overview"


def test_what_is_missing_is_said_or_left_out():
    cut = cases.cut_facts()
    alone = Reader(bench_page(cut["only one"])).text
    assert "The only variant that ran has a net Sharpe ratio of 1.40" in alone
    assert "With a single variant nothing was chosen among" in alone
    none = Reader(bench_page(cut["no variant"])).text
    assert "No variant gave a result, so there is nothing to compare." in none
    assert "No entry has scores, so there is no signal to judge." in Reader(bench_page(cut["no scores"])).text
    unknown = Reader(bench_page(cut["without terms"])).text
    assert "What was charged is not known here" in unknown
    assert "orders fill in the next session, at its open unless the config says otherwise" in unknown
    assert (
        "How many variants were tried on this data is not known here."
        in Reader(bench_page(cut["None for trials"])).text
    )


def test_many_entries_fold_the_long_tables(page):
    large = cases.large_facts()
    began = time.perf_counter()
    made = bench_page(large)
    assert time.perf_counter() - began < 3.0
    assert len(made.encode()) < 6_000_000
    assert len(page.encode()) < 6_000_000
    opened = [tag for tag, _ in Reader(page).elements].count("details")
    assert [tag for tag, _ in Reader(made).elements].count("details") == opened + 7
    # Every variant stands in the leaderboard, and with its whole name in the table of settings.
    assert "60. hidden=[64, 32, 16]" in Reader(made).text
    assert large["entries"][59]["name"] in Reader(made).text


def test_halted_entries_are_named():
    facts = cases.bench_facts(["a", "b"])
    facts["entries"][1]["halted"] = "2017-01-02"
    assert ("Halted by a breaker, and in cash from then to the end: 2. b (since 2017-01-02).", "red") in said.warnings(
        facts, Entries(facts)
    )


def test_the_same_input_makes_the_same_page(page):
    assert bench_page(cases.bench_facts(), "2026-11-21") == page
    assert "made 2026-11-21" in Reader(page).text
    assert "made " not in Reader(bench_page({**cases.bench_facts(), "hash": "ab" * 32})).text.rpartition("bench ab")[2]


def test_every_column_is_explained():
    told = " ".join(f"{name} {line}" for name, line in GLOSSARY).lower()
    for word in ("net", "gross", "cagr", "drawdown", "turnover", "rank ic", "break-even", "placebos", "deflated"):
        assert word in told
    for source in ("White (2000)", "Hansen (2005)", "Newey and West (1987)", "Politis and Romano (1994)", "(2014)"):
        assert source in " ".join(line for _, line in GLOSSARY)
    assert all(line.endswith(".") for _, line in GLOSSARY)


def test_it_takes_the_place_of_the_winner_where_none_is_named():
    facts = cases.bench_facts(winner="gone")
    assert Entries(facts).name == "1. hidden=[0, 8] dropout=0.0"
    assert bench.bench_sections(facts)[0].key == "overview"


def test_variants_of_a_grid_are_told_apart_beside_a_figure():
    """Their names differ at the end, where a label is cut: it says the values. A name that was given stays a name."""
    facts = cases.bench_facts()
    first, second = facts["entries"][:2]
    first |= {"name": "hidden=[32, 16] learning_rate=0.001", "options": {"hidden": [32, 16], "learning_rate": 0.001}}
    second |= {"name": "the one that we have always had", "options": {"hidden": [64]}}
    entries = Entries(facts)
    assert entries.label(first["name"]) == "1. [32, 16] 0.001"
    assert entries.label(second["name"]).startswith("2. the one that we")
    assert entries.called(first["name"]) == "1. hidden=[32, 16] learning_rate=0.001"
