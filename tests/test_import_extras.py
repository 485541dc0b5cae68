"""Extra columns with a publication lag: row t holds what was known at the close of t, and nothing later moves it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from vendor_files import HEADER, imported, quarantined, write

from backtester.cli.importing import read_lags
from backtester.errors import ConfigError, DataError
from backtester.market.dataset import load_panel
from backtester.market.extras import lag_columns
from backtester.market.gather import Bars
from backtester.market.ingest import Extra, import_files
from backtester.market.panel import Panel

NAN = np.nan
# Thursday, Friday, Monday to Wednesday.
DAYS = ["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07", "2020-01-08"]


pytestmark = pytest.mark.usefixtures("own_cache")


def two_symbols(tmp_path: Path) -> Path:
    """Bars of A on all five days, of B on all but Monday."""
    lines = [f"{day},{name},1,1,1,1,1" for day in DAYS for name in "AB" if (day, name) != ("2020-01-06", "B")]
    return write(tmp_path / "bars.csv", HEADER, *lines)


def known(tmp_path: Path, *lines: str, **more: Any) -> Panel:
    """The panel of those bars with one extra file of these lines."""
    path = write(tmp_path / "extra.csv", "date,symbol,eps", *lines)
    given = {"lag_days": 0} | more
    _, panel = imported(tmp_path, two_symbols(tmp_path), extra=[Extra(path, **given)], check=False, overwrite=True)
    return panel


def test_a_value_is_known_from_its_publication_on(tmp_path: Path) -> None:
    """At the first session on or after its date plus the lag, until the next one comes."""
    panel = known(tmp_path, "2020-01-01,A,1", "2020-01-05,A,2", "2020-01-04,B,3", lag_days=2)
    # A: 1 is public on Friday the 3rd, 2 on Tuesday the 7th. B: 3 on Monday the 6th, though B has no bar then.
    np.testing.assert_array_equal(panel.extra["eps"], [[NAN, NAN], [1, NAN], [1, 3], [2, 3], [2, 3]])


def test_a_weekend_and_values_that_meet(tmp_path: Path) -> None:
    """What becomes public on a weekend is known on Monday; of two that meet there the later dated one counts."""
    panel = known(tmp_path, "2020-01-03,A,7", "2020-01-02,A,5", lag_days=2)  # public on Sunday and Saturday
    np.testing.assert_array_equal(panel.extra["eps"][:, 0], [NAN, NAN, 7, 7, 7])


def test_values_from_before_the_first_session(tmp_path: Path) -> None:
    """They are known from the first session on, the latest of them; those after the last session never are."""
    panel = known(tmp_path, "2019-03-31,A,1", "2019-06-30,A,2", "2020-01-08,A,9", lag_days=1)
    np.testing.assert_array_equal(panel.extra["eps"][:, 0], [2] * 5)
    np.testing.assert_array_equal(panel.extra["eps"][:, 1], [NAN] * 5)


def test_carried_for_so_many_sessions(tmp_path: Path) -> None:
    """Known in its own session and so many after it, unless another value comes."""
    lines = ["2020-01-02,A,1", "2020-01-07,A,2", "2020-01-02,B,3", "2020-01-03,B,4"]
    panel = known(tmp_path, *lines, carry=1)
    np.testing.assert_array_equal(panel.extra["eps"], [[1, 3], [1, 4], [NAN, 4], [2, NAN], [2, NAN]])
    panel = known(tmp_path, *lines, carry=0)
    np.testing.assert_array_equal(panel.extra["eps"], [[1, 3], [NAN, 4], [NAN, NAN], [2, NAN], [NAN, NAN]])


def test_an_empty_field_says_nothing_new(tmp_path: Path) -> None:
    """Each column is carried on its own; text is left out and named."""
    path = write(
        tmp_path / "extra.csv",
        "Date,Ticker,Net Income,assets,auditor",
        "2020-01-02,A,1,10,x",
        "2020-01-06,A,,20,x",
        "2020-01-07,A,3,,y",
    )
    report, panel = imported(tmp_path, two_symbols(tmp_path), extra=[Extra(path, 0)], check=False)
    np.testing.assert_array_equal(panel.extra["net_income"][:, 0], [1, 1, 1, 3, 3])
    np.testing.assert_array_equal(panel.extra["assets"][:, 0], [10, 10, 20, 20, 20])
    assert report.extra == ("assets", "net_income")
    assert "column 'auditor' of extra.csv left out: row 1 holds 'x', which is no finite number" in report.lines()


def test_columns_of_the_bars(tmp_path: Path) -> None:
    """A lag in sessions moves them down; a session without a bar has none, and none is carried."""
    lines = [f"{day},A,1,1,{k},{k}" for k, day in enumerate(DAYS, 1)]
    lines += [f"{day},B,1,1,{k},{k}" for k, day in enumerate(DAYS, 1) if k != 3]
    path = write(tmp_path / "bars.csv", "date,symbol,open,close,volume,Mood", *lines)
    report, panel = imported(tmp_path, path, lags={"mood": 1}, check=False)
    np.testing.assert_array_equal(panel.extra["mood"], [[NAN, NAN], [1, 1], [2, NAN], [3, NAN], [4, 4]])
    assert "  mood: known 1 session after the close of the row's session" in report.lines()
    report, panel = imported(tmp_path, path, check=False, overwrite=True)
    assert panel.extra["mood"][4, 0] == 5
    assert any("mood: taken as known at the close of the row's session, since no lag" in x for x in report.lines())
    report, _ = imported(tmp_path, path, lags={"Mood": 0}, check=False, overwrite=True)
    assert "  mood: known at the close of the row's session" in report.lines()
    _, panel = imported(tmp_path, path, lags={"mood": 9}, check=False, overwrite=True)
    assert np.isnan(panel.extra["mood"]).all()


def test_the_manifest_says_what_was_stated(tmp_path: Path) -> None:
    """Lags are part of the dataset's record, and of its content."""
    path = write(tmp_path / "eps.csv", "date,symbol,eps", "2020-01-02,A,1")
    prints = set()
    for lag in (0, 45):
        report, _ = imported(tmp_path, two_symbols(tmp_path), extra=[Extra(path, 0)], check=False, overwrite=True)
        prints.add(report.fingerprint)
        report, _ = imported(tmp_path, two_symbols(tmp_path), extra=[Extra(path, lag, 3)], check=False, overwrite=True)
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["lags"]["files"] == [{"files": ["eps.csv"], "columns": [], "lag_days": 45, "carry_sessions": 3}]
    assert "column 'eps' of eps.csv left out: none of its values was known by the last session" in report.lines()
    assert manifest["sources"][1]["table"] == "extra"
    assert len(prints) == 1


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("carry", [None, 4])
def test_later_values_move_nothing_earlier(tmp_path: Path, seed: int, carry: int | None) -> None:
    """Rows of every extra column up to t are the same whatever is dated too late to be known at the close of t."""
    random = np.random.default_rng(seed)
    sessions = np.arange("2020-01-01", "2020-04-01", dtype="datetime64[D]")
    sessions = sessions[random.random(len(sessions)) < 0.7]
    names = ["A", "B", "C"]
    frame = pd.MultiIndex.from_product([sessions, names], names=["date", "symbol"]).to_frame(index=False)
    for name in ("open", "close", "volume", "mood"):
        frame[name] = random.integers(1, 100, len(frame)).astype(float)
    frame = frame[random.random(len(frame)) < 0.8].reset_index(drop=True)
    facts = pd.DataFrame({"date": random.choice(np.arange("2019-12-01", "2020-04-05", dtype="datetime64[D]"), 60)})
    facts["symbol"] = random.choice([*names, "Z"], 60)
    facts["eps"] = np.where(random.random(60) < 0.2, NAN, random.integers(1, 100, 60))
    facts = facts.drop_duplicates(["date", "symbol"])
    lag_days, lag = int(random.integers(0, 9)), int(random.integers(0, 4))

    def panel(bars: pd.DataFrame, extra: pd.DataFrame) -> Panel:
        bars.to_parquet(tmp_path / "bars.parquet", index=False)
        extra.to_parquet(tmp_path / "extra.parquet", index=False)
        import_files(
            tmp_path / "bars.parquet",
            tmp_path / "out",
            basis="as_traded",
            lags={"mood": lag},
            extra=[Extra(tmp_path / "extra.parquet", lag_days, carry)],
            check=False,
            overwrite=True,
        )
        return load_panel(tmp_path / "out")

    first = panel(frame, facts)
    assert (~np.isnan(first.extra["eps"])).any()
    for t in random.integers(5, len(first.dates) - 1, 3):
        # Values of the bars from t - lag + 1 on, and facts that are not public by the session t, become others.
        late = frame["date"].to_numpy() > first.dates[t - lag]
        bars = frame.assign(mood=np.where(late, frame["mood"] + 1000, frame["mood"]))
        hidden = facts["date"].to_numpy() + np.timedelta64(lag_days, "D") > first.dates[t]
        assert late.any()
        assert hidden.any()
        more = pd.DataFrame({"date": [first.dates[t] + np.timedelta64(1, "D")], "symbol": ["C"], "eps": [-5.0]})
        extra = pd.concat([facts.assign(eps=np.where(hidden, facts["eps"] * 7, facts["eps"])), more])
        extra = extra.drop_duplicates(["date", "symbol"], keep="last")
        other = panel(bars, extra)
        for name in ("mood", "eps"):
            np.testing.assert_array_equal(other.extra[name][: t + 1], first.extra[name][: t + 1])
        assert not np.array_equal(other.extra["mood"], first.extra["mood"], equal_nan=True)
        assert not np.array_equal(other.extra["eps"], first.extra["eps"], equal_nan=True)


def test_rows_that_cannot_be_used_are_set_aside(tmp_path: Path) -> None:
    """As those of bars; symbols without bars are left out and counted."""
    path = write(
        tmp_path / "extra.csv",
        "date,symbol,eps",
        "2020-01-02,A,1",
        "x,A,1",
        "2020-01-03,A,2",
        "2020-01-03,A,3",
        "2020-01-02,A,1",
        "2020-01-06,,4",
        "2020-01-02,Z,4",
        "2020-01-02,A",
    )
    report, panel = imported(tmp_path, two_symbols(tmp_path), extra=[Extra(path, 0)], check=False)
    assert quarantined(tmp_path / "out") == [
        ("extra", "extra.csv", 2, "date: not a date"),
        ("extra", "extra.csv", 3, "eps: several rows of the same date and symbol that differ"),
        ("extra", "extra.csv", 4, "eps: several rows of the same date and symbol that differ"),
        ("extra", "extra.csv", 5, "the same row again"),
        ("extra", "extra.csv", 6, "symbol: missing"),
        ("extra", "extra.csv", 8, "not one field per column"),
    ]
    np.testing.assert_array_equal(panel.extra["eps"][:, 0], [1] * 5)
    assert "1 symbol of extra.csv without bars left out: Z" in report.lines()


def test_extras_that_cannot_be_used(tmp_path: Path) -> None:
    """Lags are whole numbers, and names of columns are there once."""
    path = two_symbols(tmp_path)
    eps = write(tmp_path / "eps.csv", "date,symbol,eps", "2020-01-02,A,1")
    with pytest.raises(DataError, match=r"lag_days is -1; it is a whole number, 0 or more"):
        Extra(eps, -1)
    with pytest.raises(DataError, match=r"carry is 1\.5; it is a whole number, 0 or more"):
        Extra(eps, 1, 1.5)  # type: ignore[arg-type]
    cases: list[tuple[dict[str, Any], str]] = [
        ({"lags": {"mood": 1}}, r"a lag is stated for 'mood', but the bars have no extra column"),
        ({"lags": {"mood": -1}}, r"the lag of 'mood' is -1; it is a whole number of sessions, 0 or more"),
        ({"extra": [Extra(eps, 0), Extra(eps, 1)]}, r"there is an extra column 'eps' already"),
        ({"extra": [Extra(path, 0)]}, r"bars.csv has no column of numbers beside its dates and symbols"),
        ({"extra": [Extra(tmp_path / "no.csv", 0)]}, r"cannot read .*no.csv: No such file"),
        (
            {"extra": [Extra(write(tmp_path / "x.csv", "date,eps", "2020-01-02,1"), 0)]},
            r"x.csv: no column 'symbol' \(the columns are date, eps\)",
        ),
    ]
    for more, message in cases:
        with pytest.raises(DataError, match=message):
            import_files(path, tmp_path / "out", basis="as_traded", check=False, **more)
    assert not (tmp_path / "out").exists()


def test_lags_as_they_are_typed(tmp_path: Path) -> None:
    """A number is for all extra files, a file's name for one, any other name for a column of the bars."""
    one, two = tmp_path / "income.csv", tmp_path / "deep.parquet"
    extras, lags = read_lags([one, two], ["45", "deep.parquet=7", "sentiment=1"], 90)
    assert extras == [Extra(one, 45, 90), Extra(two, 7, 90)]
    assert lags == {"sentiment": 1}
    assert read_lags([two], ["deep.parquet=0"])[0] == [Extra(two, 0)]
    for files, given, message in (
        ([one], [], r"--extra .*income.csv: say how many calendar days .* --lag income.csv=DAYS; 0 if"),
        ([one], ["soon"], r"--lag soon: 'soon' is no whole number, 0 or more. Write --lag 45"),
        ([one], ["income=-3"], r"--lag income=-3: '-3' is no whole number"),
        ([], ["45"], r"--lag 45 is for files given with --extra, and there is none"),
    ):
        with pytest.raises(ConfigError, match=message):
            read_lags(files, given)
    with pytest.raises(ConfigError, match=r"--carry is for files given with --extra"):
        read_lags([], [], 5)


def test_a_lag_leaves_nothing_where_there_is_no_bar() -> None:
    """What the check of an import sees is what a load gives: a cell without a row holds nothing."""
    present = np.array([[True, True], [True, False], [True, True]])
    mood = np.where(present, np.arange(6.0).reshape(3, 2), NAN)
    bars = Bars(np.array(DAYS[:3], dtype="datetime64[D]"), ["A", "B"], present, {"mood": mood})
    lag_columns(bars, {"mood": 1})
    np.testing.assert_array_equal(bars.values["mood"], [[NAN, NAN], [0, NAN], [2, NAN]])
