"""Import: files as vendors write them become a dataset; what cannot be used is set aside with its reason."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from vendor_files import HEADER, PLAIN, TRICKY, bars, imported, quarantined, write

from backtester.errors import DataError
from backtester.market import store
from backtester.market.dataset import load_panel
from backtester.market.ingest import import_files

pytestmark = pytest.mark.usefixtures("own_cache")


# Formats and names.


def test_plain_gzip_and_parquet_give_the_same_dataset(tmp_path: Path) -> None:
    """The format of the file does not matter."""
    plain = bars(tmp_path / "a.csv", *PLAIN)
    packed = tmp_path / "a.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    frame = pd.read_csv(plain).assign(date=lambda f: pd.to_datetime(f["date"]))
    frame.to_parquet(tmp_path / "a.parquet")
    frame.set_index(["symbol", "date"]).to_parquet(tmp_path / "b.parquet")
    prints = {
        name: import_files(tmp_path / name, tmp_path / f"{name}.out", basis="as_traded").fingerprint
        for name in ("a.csv", "a.csv.gz", "a.parquet", "b.parquet")
    }
    assert len(set(prints.values())) == 1


@pytest.mark.parametrize(
    "header",
    [
        "Date,Name,Open,High,Low,Close,Volume",
        "DATE,TICKER,OPEN,HIGH,LOW,CLOSE,VOLUME",
        "timestamp,Symbol, open ,high,low,close,vol",
        "\ufeffdate,symbol,open,high,low,close,volume",
        "date;symbol;open;high;low;close;volume",
    ],
)
def test_usual_column_names_in_any_case(tmp_path: Path, header: str) -> None:
    """Vendors' names are understood, a byte order mark and other delimiters too."""
    lines = [line.replace(",", ";") if ";" in header else line for line in PLAIN]
    _, panel = imported(tmp_path, write(tmp_path / "a.csv", header, *lines))
    assert panel.symbols == ("A", "B")
    assert panel.open[:, 0].tolist() == [10.0, 10.5]
    assert panel.volume[:, 0].tolist() == [100.0, 0.0]


@pytest.mark.parametrize(
    "day", ["20200103", "2020/01/03", "2020-01-03 00:00:00", "2020-01-03T00:00:00.000", " 2020-01-03"]
)
def test_dates_in_usual_forms(tmp_path: Path, day: str) -> None:
    """ISO dates, dates without dashes, and timestamps at midnight are all days."""
    _, panel = imported(tmp_path, bars(tmp_path / "a.csv", PLAIN[0], f"{day},A,1,1,1,1,1"))
    assert [str(date) for date in panel.dates] == ["2020-01-02", "2020-01-03"]


def test_several_files_are_one_table(tmp_path: Path) -> None:
    """Bars may come in several files; a column that one of them lacks is unknown there."""
    one = bars(tmp_path / "1.csv", *PLAIN[:2])
    two = write(tmp_path / "2.csv", "symbol,date,close,open,volume,beta", "A,2020-01-03,11,10.5,0,1.5")
    report, panel = imported(tmp_path, one, two)
    assert report.kept == 3
    assert panel.close[:, 0].tolist() == [10.5, 11.0]
    assert np.isnan(panel.high[1, 0])
    assert panel.extra["beta"][1, 0] == 1.5
    assert np.isnan(panel.extra["beta"][0, 0])


def test_extra_columns_are_kept_and_text_is_reported(tmp_path: Path) -> None:
    """Numbers travel along, a vendor's adjusted close under a name of its own; text is left out and reported."""
    path = write(
        tmp_path / "a.csv",
        f",{HEADER},Adj Close,Market Cap,exchange,empty",
        "0,2020-01-02,A,10,11,9,10.5,100,5.25,1e9,NYSE,",
        "1,2020-01-03,A,10,11,9,10.5,100,-5,,NYSE,",
    )
    report, panel = imported(tmp_path, path)
    assert sorted(panel.extra) == ["adj_close_vendor", "market_cap"]
    assert panel.extra["adj_close_vendor"][:, 0].tolist() == [5.25, -5.0]
    assert panel.adj_close[:, 0].tolist() == [10.5, 10.5]
    assert "column 'exchange' of a.csv left out: row 1 holds 'NYSE', which is no finite number" in report.lines()
    assert "column 'empty' of a.csv left out: it is empty" in report.lines()


def test_symbols_stay_text_in_every_file(tmp_path: Path) -> None:
    """NA, TRUE, 1E5, NULL and nan survive in bars, actions, sectors, membership and endings."""
    days = [f"2020-01-{day:02d}" for day in range(6, 18)]
    path = bars(tmp_path / "bars.csv", *(f"{day},{name},1,1,1,1,1" for day in days for name in TRICKY))
    _, panel = imported(
        tmp_path,
        path,
        actions=write(tmp_path / "actions.csv", "date,symbol,split", *(f"{days[1]},{name},2" for name in TRICKY)),
        sectors=write(tmp_path / "sectors.csv", "Symbol,Sector", *(f"{name},NA" for name in TRICKY)),
        members=write(
            tmp_path / "members.csv", "ticker,start_date,end_date", *(f"{name},{days[3]}," for name in TRICKY)
        ),
        ends=write(tmp_path / "ends.csv", "symbol,end", *(f"{name},{days[-1]}" for name in TRICKY)),
    )
    assert panel.symbols == tuple(TRICKY)
    assert panel.actions.symbol.tolist() == [0, 1, 2, 3, 4]
    assert panel.sectors == ("NA",) * 5
    assert panel.member.sum(axis=0).tolist() == [9] * 5
    assert panel.ends.symbol.tolist() == [0, 1, 2, 3, 4]
    assert quarantined(tmp_path / "out") == []


def test_symbols_stay_text_in_parquet(tmp_path: Path) -> None:
    """The same from Parquet, as text and as categories; symbols that are numbers there are refused."""
    frame = pd.DataFrame({"date": "2020-01-02", "symbol": TRICKY, "open": 1.0, "close": 1.0, "volume": 1})
    for kind in ("str", "category"):
        frame.astype({"symbol": kind}).to_parquet(tmp_path / "a.parquet")
        report = import_files(tmp_path / "a.parquet", tmp_path / kind, basis="as_traded")
        assert load_panel(report.out).symbols == tuple(TRICKY)
    frame.assign(symbol=range(5)).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a.parquet, column 'symbol' is int64; it must be text"):
        import_files(tmp_path / "a.parquet", tmp_path / "out", basis="as_traded")


# What is set aside, and what is not.


def test_each_bad_row_is_set_aside_with_its_reason(tmp_path: Path) -> None:
    """Unreadable, missing, non-positive, negative, infinite and repeated: counted, kept in a file, and nothing else."""
    cases = [
        ("not-a-day,A,1,1,1,1,1", "date: not a date"),
        ("2020-02-30,A,1,1,1,1,1", "date: not a date"),
        (",A,1,1,1,1,1", "date: missing"),
        ("2020-01-06,,1,1,1,1,1", "symbol: missing"),
        ("2020-01-06,A,abc,1,1,1,1", "open: not a number"),
        ('2020-01-06,A,1,1,1,1,"1,000"', "volume: not a number"),
        ("2020-01-06,A,1,1,1,0,1", "close: not positive"),
        ("2020-01-06,A,1,1,-2,1,1", "low: not positive"),
        ("2020-01-06,A,1,1,1,1,-1", "volume: negative"),
        ("2020-01-06,A,1,inf,1,1,1", "high: infinite"),
        ("2020-01-06,A,1,1,1,1", "not one field per column"),
        ("2020-01-06,A,1,1,1,1,1,1", "not one field per column"),
        (PLAIN[0], "the same row again"),
        ("2020-01-07,B,1,1,1,1,1", "several rows of the same date and symbol that differ"),
        ("2020-01-07,B,1,1,1,2,1", "several rows of the same date and symbol that differ"),
    ]
    path = bars(tmp_path / "a.csv", *PLAIN, "", *(line for line, _ in cases))
    report, panel = imported(tmp_path, path)
    found = quarantined(tmp_path / "out")
    assert found == [("bars", "a.csv", 4 + k, reason) for k, (_, reason) in enumerate(cases)]
    assert sum(report.quarantined.values()) == len(cases)
    assert report.quarantined["bars: not one field per column"] == 2
    assert report.rows == 3 + len(cases)
    assert report.kept == 3
    assert json.loads((tmp_path / "out/manifest.json").read_text())["counts"]["quarantined"] == report.quarantined
    assert panel.shape == (2, 2)
    text = (tmp_path / "out/quarantine.csv").read_text()
    assert '""open"": ""abc""' in text  # as it stood in the file


def test_empty_fields_are_unknown_and_kept(tmp_path: Path) -> None:
    """A bar without an open, a high or a volume stays, and so does one of zero volume."""
    report, panel = imported(
        tmp_path, bars(tmp_path / "a.csv", "2020-01-02,A,,,9,10,0", "2020-01-03,A,NaN,null,n/a,+10.5, 7 ")
    )
    assert quarantined(tmp_path / "out") == []
    assert report.unknown == {"open": 2, "high": 2, "low": 1, "close": 0, "volume": 0}
    assert np.isnan(panel.open).all()
    assert panel.close[:, 0].tolist() == [10.0, 10.5]
    assert panel.volume[:, 0].tolist() == [0.0, 7.0]


def test_bad_actions_are_set_aside(tmp_path: Path) -> None:
    """Actions that cannot be believed are set aside; a split and a dividend of one day may stand in two rows."""
    cases = [
        ("2020-01-03,A,0,", "split: not a positive ratio"),
        ("2020-01-03,A,1,-0.5", "dividend: negative or infinite"),
        ("2020-01-03,Z,2,", "symbol: has no bars"),
        ("someday,A,2,", "date: not a date"),
        (",A,2,", "date: missing"),
        ("2020-01-03,A,two,", "split: not a number"),
        ("2020-01-02,A,2,", "the same row again"),
        ("2020-01-03,B,1,0.1", "several splits or dividends of one day; add up those that are all true"),
        ("2020-01-03,B,,0.2", "several splits or dividends of one day; add up those that are all true"),
    ]
    lines = ["2020-01-02,A,2,", "2020-01-02,A,,0.5", "2020-01-02,B,1,0.3", *(line for line, _ in cases)]
    report, panel = imported(
        tmp_path,
        bars(tmp_path / "a.csv", *PLAIN),
        actions=write(tmp_path / "e.csv", "date,symbol,split,dividend", *lines),
    )
    assert quarantined(tmp_path / "out") == [("actions", "e.csv", 4 + k, reason) for k, (_, reason) in enumerate(cases)]
    assert list(zip(*panel.actions, strict=True)) == [(0, 0, 2.0, 0.5), (0, 1, 1.0, 0.3)]
    assert report.actions["splits"] == 1
    assert report.actions["dividends"] == 2


def test_actions_may_stand_in_the_rows_of_bars(tmp_path: Path) -> None:
    """Splits (0 is none) and dividends beside the prices count; an unreadable one does not cost the bar."""
    path = write(
        tmp_path / "a.csv",
        f"{HEADER},Dividends,Stock Splits",
        "2020-01-02,A,1,1,1,1,1,0.0,0.0",
        "2020-01-03,A,1,1,1,1,1,0.25,2.0",
        "2020-01-06,A,1,1,1,1,1,x,0.0",
    )
    report, panel = imported(tmp_path, path)
    assert list(zip(*panel.actions, strict=True)) == [(1, 0, 2.0, 0.25)]
    assert quarantined(tmp_path / "out") == [("actions", "a.csv", 3, "dividend: not a number")]
    assert report.kept == 3


def test_the_report_counts_actions_that_act_elsewhere_or_never(tmp_path: Path) -> None:
    """Dated on no session, outside of the file, or on a day on which the symbol has no bar: kept, and said."""
    path = bars(tmp_path / "a.csv", *PLAIN[:2], "2020-01-06,A,1,1,1,1,1", "2020-01-07,B,1,1,1,1,1")
    actions = write(
        tmp_path / "e.csv",
        "date,symbol,dividend",
        *("2020-01-04,A,0.1", "2020-01-05,B,0.1", "2020-01-01,A,0.1", "2020-02-01,A,0.1", "2020-01-06,B,0.1"),
    )
    report, panel = imported(tmp_path, path, actions=actions)
    assert report.actions == {"splits": 0, "dividends": 5, "rolled": 2, "outside": 2, "without_bar": 1}
    assert panel.actions.row.tolist() == [1, 1]
    # B's dividends of the 5th and the 6th meet on the 6th.
    assert panel.actions.dividend.tolist() == [0.1, 0.2]
    assert "  2 of them dated on no session, acting in the next one" in report.lines()


def test_bad_sectors_membership_and_ends_are_set_aside(tmp_path: Path) -> None:
    """The small tables go through the same door."""
    report, panel = imported(
        tmp_path,
        bars(tmp_path / "a.csv", *PLAIN),
        sectors=write(tmp_path / "s.csv", "Symbol,Name,Sector", "A,Alpha,x", "A,Alpha,y", "B,Beta,z", "Q,Q,z"),
        members=write(
            tmp_path / "m.csv",
            "ticker,start_date,end_date",
            "A,2020-01-03,",
            "A,2020-01-03,",
            "B,2020-02-01,2020-01-01",
        ),
        ends=write(
            tmp_path / "x.csv", "symbol,end,delisting_return", "A,2020-01-03,-2", "B,2020-01-02,-0.5", "Q,2020-01-01,0"
        ),
    )
    assert quarantined(tmp_path / "out") == [
        ("ends", "x.csv", 1, "delisting_return: below -1 or infinite"),
        ("ends", "x.csv", 3, "symbol: has no bars"),
        ("members", "m.csv", 2, "the same row again"),
        ("members", "m.csv", 3, "end: before the start"),
        ("sectors", "s.csv", 1, "several sectors of the same symbol"),
        ("sectors", "s.csv", 2, "several sectors of the same symbol"),
    ]
    assert panel.sectors == ("", "z")
    assert panel.member.tolist() == [[False, False], [True, False]]
    assert list(zip(panel.ends.symbol, panel.ends.row, panel.ends.delisting_return, strict=True)) == [(1, 1, -0.5)]
    notes = "\n".join(report.lines())
    assert "1 symbol without a sector" in notes
    assert "1 symbol never a member, because the membership does not name them: B" in notes


# Endings.


def silent(tmp_path: Path, sessions: int) -> Path:
    """A file in which B has no bar in the last so many sessions."""
    days = [f"2020-01-{day:02d}" for day in range(1, 13)]
    lines = [f"{day},A,1,1,1,1,1" for day in days] + [f"{day},B,1,1,1,1,1" for day in days[: 12 - sessions]]
    return bars(tmp_path / "bars.csv", *lines)


@pytest.mark.parametrize(("sessions", "ends"), [(4, []), (5, ["2020-01-07"]), (9, ["2020-01-03"])])
def test_an_ending_is_inferred_after_five_silent_sessions(tmp_path: Path, sessions: int, ends: list[str]) -> None:
    """No bar in the last 5 or more sessions of the file: the symbol ended on its last bar."""
    report, panel = imported(tmp_path, silent(tmp_path, sessions))
    assert [str(day) for day in panel.ends.date] == ends
    assert list(report.ends_inferred) == ["B"][: len(ends)]
    # A cut makes no ending: here B has not been silent for long, and later not at all.
    assert load_panel(tmp_path / "out", end="2020-01-03").ends.symbol.tolist() == []


def test_rows_without_any_value_are_no_bars(tmp_path: Path) -> None:
    """A vendor that goes on writing empty rows does not keep a symbol alive."""
    lines = silent(tmp_path, 6).read_text().splitlines() + [f"2020-01-{day:02d},B,,,,," for day in range(7, 13)]
    _, panel = imported(tmp_path, write(tmp_path / "bars.csv", *lines))
    assert [str(day) for day in panel.ends.date] == ["2020-01-06"]


def test_given_endings_win(tmp_path: Path) -> None:
    """A given end replaces the inferred one, an empty one means that the symbol goes on, an impossible one fails."""
    path = silent(tmp_path, 6)
    report, panel = imported(tmp_path, path, ends=write(tmp_path / "e.csv", "symbol,end", "B,2020-01-08"))
    assert [str(day) for day in panel.ends.date] == ["2020-01-08"]
    assert report.ends_given == 1
    report, panel = imported(tmp_path, path, ends=write(tmp_path / "e.csv", "symbol,end", "B,"), overwrite=True)
    assert len(panel.ends.date) == 0
    assert report.ends_inferred == ()
    with pytest.raises(DataError, match=r"B has a bar on 2020-01-06, but its given end is 2020-01-05"):
        imported(tmp_path, path, ends=write(tmp_path / "e.csv", "symbol,end", "B,2020-01-05"), overwrite=True)


# The dataset.


def test_tables_are_sorted_and_described(tmp_path: Path) -> None:
    """Bars are sorted by date, then symbol; the manifest counts and hashes, and knows no machine."""
    path = bars(tmp_path / "a.csv", *reversed(PLAIN))
    report, _ = imported(tmp_path, path)
    table = pq.read_table(tmp_path / "out/bars.parquet").to_pandas()
    assert list(table.columns) == HEADER.split(",")
    assert list(zip(table["date"].astype(str), table["symbol"], strict=True)) == [
        ("2020-01-02", "A"),
        ("2020-01-02", "B"),
        ("2020-01-03", "A"),
    ]
    text = (tmp_path / "out/manifest.json").read_text()
    manifest = json.loads(text)
    assert str(tmp_path) not in text
    assert manifest["fingerprint"] == report.fingerprint
    assert manifest["basis"] == "as_traded"
    assert manifest["counts"]["bars"] == 3
    assert manifest["files"]["bars.parquet"]["sha256"] == store.sha256_of(tmp_path / "out/bars.parquet")
    assert manifest["sources"][0] == {"table": "bars", "name": "a.csv", "sha256": store.sha256_of(path), "rows": 3}


def test_row_order_does_not_change_a_byte(tmp_path: Path) -> None:
    """Shuffled input, split over files, gives the same tables: only the sources and the rows' numbers differ."""
    random = np.random.default_rng(5)
    days = np.arange("2020-01-01", "2020-03-01", dtype="datetime64[D]")
    lines = [
        f"{day},{name},{p:.2f},,,{p:.2f},{p:.0f}" for day in days for name in TRICKY for p in [random.uniform(1, 9)]
    ]
    lines += [lines[7], lines[9].replace(",", ",1", 3), "x,y,1,1,1,1,1"]
    events = [f"{day},{name},,0.{k}" for k, day in enumerate(days[:9], 1) for name in TRICKY]
    tables: list[dict[str, bytes]] = []
    for turn in range(2):
        folder = tmp_path / str(turn)
        folder.mkdir()
        if turn:
            lines, events = list(random.permutation(lines)), list(random.permutation(events))
            files = [bars(folder / "1.csv", *lines[:100]), bars(folder / "2.csv", *lines[100:])]
        else:
            files = [bars(folder / "1.csv", *lines)]
        actions = write(folder / "e.csv", "date,symbol,split,dividend", *events)
        import_files(files, folder / "out", basis="as_traded", actions=actions)
        tables.append({file.name: file.read_bytes() for file in (folder / "out").glob("*.parquet")})
        manifest = json.loads((folder / "out/manifest.json").read_text())
        tables[-1]["manifest"] = json.dumps({**manifest, "sources": []}).encode()
    assert sorted(tables[0]) == ["actions.parquet", "bars.parquet", "manifest", "symbols.parquet"]
    assert tables[0] == tables[1]
