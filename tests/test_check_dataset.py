"""The check of a dataset folder, its command, and calendars of exchanges."""

from __future__ import annotations

import builtins
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner
from typer.testing import Result as Finished
from vendor_files import bars, write

import backtester as bt
from backtester.cli.app import app
from backtester.errors import ConfigError, DataError
from backtester.market.check import CheckReport, check_dataset, check_panel
from backtester.market.check.aside import read_aside
from backtester.market.check.calendars import exchange_days
from backtester.market.ingest import import_files

DAYS = np.busday_offset(np.datetime64("2020-01-02"), np.arange(12))


pytestmark = pytest.mark.usefixtures("own_cache")


def rows(symbol: str, first: int = 0, stop: int = 12) -> list[str]:
    """Bars that rise by a cent a session."""
    return [f"{DAYS[k]},{symbol},10,11,9,{10 + k / 100},1000" for k in range(first, stop)]


def dirty(folder: Path) -> Path:
    """A dataset of files with one row of each kind that an import sets aside, and an ending that it infers."""
    text = rows("A") + rows("B", stop=5) + rows("C")
    text += [f"{DAYS[3]},A,10,11,9,10.03,1000"]  # the same again
    text += [f"{DAYS[4]},C,10,11,9,8.5,1000"]  # another close
    text += [f"{DAYS[1]},D,10,11,9,ten,1000", f"{DAYS[2]},D,10,11,9,0,1000", *rows("D", 3)]
    source = bars(folder / "prices.csv", *text)
    actions = write(folder / "actions.csv", "date,symbol,dividend", f"{DAYS[6]},A,lots", f"{DAYS[6]},GONE,1")
    members = write(
        folder / "members.csv", "ticker,start_date,end_date", "A,,", "B,,", "C,,", "D,,", f"GONE,,{DAYS[5]}"
    )
    import_files(source, folder / "data", basis="as_traded", actions=actions, members=members)
    return folder / "data"


def call(*arguments: str | Path, code: int = 0) -> Finished:
    finished = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert finished.exit_code == code, f"{finished.output}\n{finished.exception!r}"
    return finished


def test_what_an_import_set_aside_is_reported(tmp_path: Path) -> None:
    report = check_dataset(dirty(tmp_path))
    assert {problem.kind: problem.count for problem in report.problems} == {
        "conflicting_rows": 2,
        "unusable_entries": 1,
        "unparsable": 1,
        "not_positive": 1,
        "inferred_end": 1,
        "unpriced_member": 1,
        "member_without_bar": 1,  # D before its first bar; after its ending B is not expected to have any
        "repeated_rows": 1,
        "entries_without_bars": 1,
        "missing_bars": 1,  # C where its rows differ
        "late_listing": 1,
    }
    wrong = report.find("unparsable")
    assert wrong is not None
    example = wrong.examples[0]
    assert (example.symbol, example.date, example.column, example.value) == ("D", str(DAYS[1]), "close", "ten")
    assert "prices.csv, row 32" in example.detail  # 12 + 5 + 12 rows, then 2, then this one
    inferred, gone = report.find("inferred_end"), report.find("unpriced_member")
    assert inferred is not None
    assert inferred.symbols == ("B",)
    assert gone is not None
    assert gone.examples[0][:1] + gone.examples[0][-1:] == ("GONE", "5 sessions as a member")


def test_the_dataset_is_named_and_not_altered(tmp_path: Path) -> None:
    folder = dirty(tmp_path)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    report = check_dataset(folder)
    assert report.fingerprint == json.loads(before["manifest.json"])["fingerprint"]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert check_dataset(folder) == report


def test_endings_that_were_given_are_not_inferred(tmp_path: Path) -> None:
    """B and D both stop early; the ending of D is given with its loss."""
    source = bars(tmp_path / "prices.csv", *rows("A"), *rows("B", stop=5), *rows("D", stop=6))
    ends = write(tmp_path / "ends.csv", "symbol,end,delisting_return", f"D,{DAYS[5]},-0.3")
    import_files(source, tmp_path / "data", basis="as_traded", ends=ends)
    problem = check_dataset(tmp_path / "data").find("inferred_end")
    assert problem is not None
    assert problem.symbols == ("B",)


def test_a_parquet_file_is_checked_too(tmp_path: Path) -> None:
    """It has no endings and no quarantine: a symbol that stops has no end, and what was set aside is not known."""
    fields = [row.split(",") for row in (*rows("A"), *rows("B", stop=5))]
    names = ("date", "symbol", "open", "high", "low", "close", "volume")
    table = pd.DataFrame(dict(zip(names, zip(*fields, strict=True), strict=True)))
    table = table.astype(dict.fromkeys(names[2:], float))
    table.to_parquet(tmp_path / "bars.parquet")
    report = check_dataset(tmp_path / "bars.parquet")
    assert report.fingerprint is None
    assert report.bars == 17
    assert {problem.kind: problem.symbols for problem in report.problems} == {"no_end": ("B",)}
    assert "rows set aside at import" in report.skipped[0]


def test_a_damaged_quarantine_is_refused(tmp_path: Path) -> None:
    folder = dirty(tmp_path)
    (folder / "quarantine.csv").write_text("what,is,this\n1,2,3\n")
    with pytest.raises(DataError, match=r"quarantine\.csv is damaged"):
        check_dataset(folder)
    (folder / "quarantine.csv").write_text("table,file,row,reason,text\nbars,a.csv,seven,x,{}\n")
    with pytest.raises(DataError, match=r"quarantine\.csv cannot be read"):
        list(read_aside(folder / "quarantine.csv"))


# The command.


def test_the_command_ends_with_1_on_errors(tmp_path: Path) -> None:
    out = call("data", "check", dirty(tmp_path), code=1).stdout
    said = " ".join(out.split())
    assert said.startswith("Checked 37 bars of 4 symbols in 12 sessions, 2020-01-02 to 2020-01-17, prices as_traded")
    assert "conflicting_rows: 2 rows of 1 symbol" in out
    assert max(len(line) for line in out.splitlines() if str(tmp_path) not in line) <= 100


def test_the_command_ends_with_0_on_warnings_unless_strict(tmp_path: Path) -> None:
    source = bars(tmp_path / "prices.csv", *rows("A"), *rows("B", stop=5))
    import_files(source, tmp_path / "data", basis="as_traded")
    assert "inferred_end: 1 symbol" in call("data", "check", tmp_path / "data").stdout
    call("data", "check", tmp_path / "data", "--strict", code=1)


def test_the_command_ends_with_0_on_notes(tmp_path: Path) -> None:
    source = bars(tmp_path / "prices.csv", *rows("A"), *rows("B", 1))
    import_files(source, tmp_path / "data", basis="as_traded")
    out = call("data", "check", tmp_path / "data", "--strict").stdout
    assert "late_listing: 1 symbol" in out


def test_the_command_prints_json(tmp_path: Path) -> None:
    folder = dirty(tmp_path)
    found = json.loads(call("data", "check", folder, "--json", "--examples", "1", code=1).stdout)
    assert CheckReport.from_json(found) == check_dataset(folder, examples=1)
    assert [len(problem["examples"]) for problem in found["problems"]] == [1] * len(found["problems"])


def test_no_examples_are_no_examples(tmp_path: Path) -> None:
    report = check_dataset(dirty(tmp_path), examples=0)
    assert {len(problem.examples) for problem in report.problems} == {0}
    assert "and 2 more" not in "\n".join(report.lines())


def test_the_command_on_nothing_says_what_to_do(tmp_path: Path) -> None:
    assert "there is nothing at" in " ".join(call("data", "check", tmp_path / "no", code=1).stderr.split())


def said(*arguments: str | Path) -> str:
    """The error of a command that ends with 1, in one line."""
    return " ".join(call(*arguments, code=1).stderr.split())


@pytest.mark.parametrize("command", ["check", "info"])
def test_what_is_no_dataset_is_told_apart(command: str, tmp_path: Path) -> None:
    """A file of bars, a folder of such files, of datasets, of nothing, a run: each with what to do."""
    data = dirty(tmp_path)
    for name in ("empty", "run", "vendor"):
        (tmp_path / name).mkdir()
    (tmp_path / "run/run.json").write_text("{}")
    source = bars(tmp_path / "vendor/some prices.csv", *rows("A"))
    to_import = "`python -m backtester data import {} --basis BASIS --out DIR`"
    for path, words in (
        (source, f"is a file to import, not a dataset: {to_import.format(repr(str(source)))}"),
        (
            tmp_path / "vendor",
            f"import them into another folder, which checks them too: {to_import.format(source.parent)}",
        ),
        (tmp_path / "empty", f"is an empty folder. Import files into it: {to_import.format('FILE...')}"),
        (tmp_path / "run", f"is a run, not a dataset: `python -m backtester report {tmp_path / 'run'}` shows it"),
        (tmp_path, f"is no dataset; it holds 1 dataset: {data}. Give one of them."),
        (tmp_path / "no", "there is nothing at"),
    ):
        message = said("data", command, path)
        assert str(path) in message
        assert words in message


@pytest.mark.parametrize("stated", [True, False])
def test_an_absent_column_is_a_note_if_the_import_was_told(stated: bool, tmp_path: Path) -> None:
    """A wide file of closes alone; --close-only says that this is meant."""
    closes = write(tmp_path / "close.csv", "date,A,B", *(f"{day},{10 + k},{20 + k}" for k, day in enumerate(DAYS)))
    report = import_files(closes, tmp_path / "data", basis="as_traded", close_only=stated, layout="wide")
    assert report.check is not None
    kinds = {problem["kind"] for problem in report.check.to_json()["problems"]}
    assert kinds == ({"absent_column"} if stated else {"absent_open", "absent_volume", "absent_column"})
    assert check_dataset(tmp_path / "data").to_json() == report.check.to_json()
    assert report.lines()[-1] == (
        f"More of it, and what was not checked: python -m backtester data check {tmp_path / 'data'}"
    )


def test_a_tiny_price_is_imported_without_a_warning_of_numpy(tmp_path: Path) -> None:
    """They are errors in this suite."""
    text = [f"{day},{symbol},{price},{price},{price},{price},1000" for symbol in "ABCDEF" for k, day in enumerate(DAYS)
            for price in ["1e-308" if (symbol, k) == ("A", 6) else f"{10 + k / 10}"]]  # fmt: skip
    import_files(bars(tmp_path / "prices.csv", *text), tmp_path / "data", basis="as_traded")
    tick = check_dataset(tmp_path / "data").find("bad_tick")
    assert tick is not None
    assert (tick.examples[0].symbol, tick.examples[0].value) == ("A", 1e-308)


# Calendars.


def test_sessions_against_given_ones(tmp_path: Path) -> None:
    folder = dirty(tmp_path)
    days = [str(day) for day in np.delete(DAYS, 7)] + ["2020-01-12", "2019-12-31", "2020-02-03"]
    report = check_dataset(folder, days)
    extra, missing = report.find("extra_session"), report.find("missing_session")
    assert extra is not None
    assert missing is not None
    assert [example.date for example in extra.examples] == [str(DAYS[7])]
    assert [example.date for example in missing.examples] == ["2020-01-12"]  # what lies outside the panel is not missed
    with pytest.raises(DataError, match="'soon' is no date"):
        check_dataset(folder, ["soon"])


def test_without_the_package_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any, **more: Any) -> Any:
        if name.partition(".")[0] == "exchange_calendars":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.delitem(sys.modules, "exchange_calendars", raising=False)
    monkeypatch.setattr(builtins, "__import__", absent)
    message = " ".join(call("data", "check", dirty(tmp_path), "--exchange", "XNYS", code=1).stderr.split())
    assert "pip install 'backtester[calendar]'" in message
    assert "Traceback" not in message


class FakeCalendars:
    """What is used of the package exchange_calendars."""

    @staticmethod
    def get_calendar_names() -> list[str]:
        return ["XNYS", "XLON"]

    @staticmethod
    def get_calendar(name: str, start: str, end: str) -> Any:
        if start < "2000":
            raise ValueError(f"{name} begins in 2000")
        days = pd.DatetimeIndex([day for day in DAYS.astype("datetime64[ns]") if start <= str(day)[:10] <= end])
        return type("Calendar", (), {"sessions": days[days != pd.Timestamp(DAYS[7])]})


def test_the_sessions_of_an_exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "exchange_calendars", FakeCalendars)
    report = check_dataset(dirty(tmp_path), "XNYS")
    extra = report.find("extra_session")
    assert extra is not None
    assert [example.date for example in extra.examples] == [str(DAYS[7])]
    assert report.find("missing_session") is None
    with pytest.raises(ConfigError, match=r"no exchange 'XNYX'.*Did you mean 'XNYS'"):
        exchange_days("XNYX", DAYS[0], DAYS[-1])
    with pytest.raises(ConfigError, match="cannot tell the sessions of XNYS: XNYS begins in 2000"):
        exchange_days("XNYS", np.datetime64("1990-01-01"), DAYS[-1])


def test_the_real_package() -> None:
    """New York 2020: closed on Martin Luther King's day and on Good Friday."""
    pytest.importorskip("exchange_calendars", reason="the extra [calendar] is not installed")
    days = exchange_days("XNYS", np.datetime64("2020-01-01"), np.datetime64("2020-12-31"))
    assert len(days) == 253
    assert not np.isin(np.array(["2020-01-01", "2020-01-20", "2020-04-10"], "datetime64[D]"), days).any()
    panel = bt.Panel.from_arrays(
        days, ["A"], **dict.fromkeys(("open", "high", "low", "close", "volume"), np.ones((253, 1)))
    )
    assert check_panel(panel, exchange="XNYS").find("extra_session") is None
