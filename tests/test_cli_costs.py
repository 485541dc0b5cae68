"""Costs of a config that are more than numbers: rates by symbol, date and tier, lists, presets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from command_line import CONFIG, call, only_run, refused

import backtester as bt
from backtester.cli.config import read_config
from backtester.errors import ConfigError
from backtester.portfolio import rates

pytestmark = pytest.mark.usefixtures("own_folder")

SYMBOL = bt.synthetic(24, 90, 3).panel.symbols[3]


def costs(text: str, *settings: str) -> Any:
    """The costs of a config with this [costs] section."""
    Path("costs.toml").write_text(f"{CONFIG}\n[costs]\n{text}\n")
    return read_config(Path("costs.toml"), settings).costs


def mistake(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        costs(text)
    return str(caught.value)


def test_a_rate_by_symbol_and_tier() -> None:
    found = costs(
        "slippage_bps = { default = 5, symbols = { GME = 20, NA = 1.5 }, tiers = ["
        "{ rate = 2, min_dollar_volume = 1e8 }, { rate = 3, min_price = 10 }] }"
    )
    tiers = [rates.Tier(2, min_dollar_volume=1e8), rates.Tier(3, min_price=10)]
    assert found.slippage_bps == rates.Rates(5, symbols={"GME": 20, "NA": 1.5}, tiers=tiers)
    long = costs("[costs.borrow_rate]\ndefault = 0.01\n[[costs.borrow_rate.tiers]]\nrate = 0.003\nmin_price = 5")
    assert long.borrow_rate == rates.Rates(0.01, tiers=[rates.Tier(0.003, min_price=5)])


def test_a_rate_from_a_file() -> None:
    table = pd.DataFrame(
        {"Date": ["2015-01-05", "", "2015-02-02"], "Symbol": ["NA", "GME", "NA"], "RATE": [7, 8.5, ""]}
    )
    expected = rates.Rates(5, table=[("NA", 7.0, "2015-01-05"), ("GME", 8.5), ("NA", None, "2015-02-02")])
    table.to_csv("spreads.csv", index=False)
    assert costs('slippage_bps = { default = 5, file = "spreads.csv" }').slippage_bps == expected
    typed = pd.DataFrame(
        {
            "date": pd.to_datetime(["2015-01-05", None, "2015-02-02"]),
            "symbol": ["NA", "GME", "NA"],
            "rate": [7, 8.5, None],
        }
    )
    typed.assign(note="more").to_parquet("spreads.parquet")
    assert costs('slippage_bps = { default = 5, file = "spreads.parquet" }').slippage_bps == expected
    typed[["symbol", "rate"]][:2].to_parquet("always.parquet")
    found = costs('borrow_rate = { default = 0.01, file = "always.parquet" }').borrow_rate
    assert found == rates.Rates(0.01, table=[("NA", 7.0), ("GME", 8.5)])


def test_what_cannot_be_shorted() -> None:
    assert costs('not_shortable = ["NA", "GME"]') == bt.Costs(not_shortable=["GME", "NA"])
    Path("hard.csv").write_text("symbol,start,end\nGME,2015-01-05,2015-02-02\nNA,,\n")
    expected = bt.Costs(not_shortable=[("GME", "2015-01-05", "2015-02-02"), ("NA", None, None)])
    assert costs('not_shortable = { file = "hard.csv" }') == expected


def test_a_preset_and_what_is_beside_it() -> None:
    assert costs('preset = "qlib"') == bt.Costs.preset("qlib")
    beside = costs('slippage_bps = 3\npreset = "qlib"')
    assert beside.slippage_bps == 3
    assert beside.commission_bps == bt.Costs.preset("qlib").commission_bps != bt.Costs().commission_bps
    assert costs("commission_bps = 2", "costs.preset=qlib").commission_bps == 2


@pytest.mark.parametrize(
    ("text", "place", "parts"),
    [
        ("slippage_bps = { defualt = 5 }", "13: [costs] slippage_bps defualt", ["'default' is missing", "'defualt'"]),
        ("slippage_bps = { default = 5, tier = [] }", "13: [costs] slippage_bps tier", ["Did you mean 'tiers'?"]),
        (
            "slippage_bps = { default = -5 }",
            "13: [costs] slippage_bps default",
            ["is -5", "greater than or equal to 0"],
        ),
        ('slippage_bps = { default = "5" }', "13: [costs] slippage_bps default", ["is '5'", "number"]),
        ("slippage_bps = { default = 5, symbols = { GME = -1 } }", "13: [costs] slippage_bps", ["GME", "-1"]),
        (
            "slippage_bps = { default = 5, tiers = [{ rate = 1, min_prize = 3 }] }",
            "13: [costs] slippage_bps tiers 0 min_prize",
            ["Did you mean 'min_price'?"],
        ),
        (
            "slippage_bps = { default = 5, tiers = [{ min_price = 3 }] }",
            "13: [costs] slippage_bps tiers 0",
            ["'rate' is missing"],
        ),
        ("slippage_bps = { default = 5, tiers = { rate = 1 } }", "13: [costs] slippage_bps tiers", ["must be a list"]),
        ("slippage_bps = [5]", "13: [costs] slippage_bps", ["number"]),
        ("impact = { default = 1 }", "13: [costs] impact", ["number"]),
        (
            'borrow_rate = { default = 1, file = "nowhere.csv" }',
            "13: [costs] borrow_rate file",
            ["no file", "nowhere.csv"],
        ),
        ('not_shortable = "GME"', "13: [costs] not_shortable", ["'GME'"]),
        ("not_shortable = [3]", "13: [costs] not_shortable", ["symbol 3"]),
        ("not_shortable = { path = 'x' }", "13: [costs] not_shortable", ["'file' is missing"]),
        ('preset = "qlip"', "13: [costs] preset", ["Did you mean 'qlib'?"]),
        ("preset = 3", "13: [costs] preset", ["name of a preset"]),
        ("prest = 'qlib'", "13: [costs] prest", ["Did you mean 'preset'?"]),
    ],
)
def test_a_mistake_in_costs_is_placed(text: str, place: str, parts: list[str]) -> None:
    message = mistake(text)
    assert message.startswith(f"costs.toml:{place}: "), message
    for part in parts:
        assert part in message, message


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("symbol,rte\nGME,5\n", ["no column 'rate'", "Did you mean 'rte'?"]),
        ("symbol,rate\nGME,many\n", ["'many' as rate in row 1", "no number"]),
        ("symbol,rate,date\nGME,5,soon\n", ["'soon' as date in row 1", "no date"]),
        ("symbol,rate\nGME,-5\n", ["'GME'", "-5"]),
        ("symbol,rate\nGME,5\nGME,6\n", ["two rates for 'GME'"]),
        ("", ["cannot be read"]),
    ],
)
def test_a_file_of_rates_that_cannot_be_used(content: str, parts: list[str]) -> None:
    Path("rates.csv").write_text(content)
    message = mistake('borrow_rate = { default = 0.01, file = "rates.csv" }')
    assert message.startswith("costs.toml:13: [costs] borrow_rate")
    for part in parts:
        assert part in message, message
    Path("rates.xls").write_text(content)
    assert "neither Parquet nor CSV" in mistake('borrow_rate = { default = 0.01, file = "rates.xls" }')


def test_a_misspelt_symbol_is_no_silent_saving() -> None:
    Path("small.toml").write_text(
        CONFIG + f"\n[costs]\nslippage_bps = {{ default = 5, symbols = {{ {SYMBOL}X = 9 }} }}\n"
    )
    message = refused("run", "small.toml")
    assert message.startswith("Error: small.toml:13: [costs] slippage_bps")
    assert f"the panel has no symbol '{SYMBOL}X'. Did you mean" in message
    Path("small.toml").write_text(CONFIG + f'\n[costs]\nnot_shortable = ["{SYMBOL}", "{SYMBOL}X"]\n')
    message = refused("run", "small.toml")
    assert message.startswith("Error: small.toml:13: [costs] not_shortable")
    assert f"the panel has no symbol '{SYMBOL}X'. Did you mean" in message


def test_symbols_of_a_file_that_the_data_lack_are_counted() -> None:
    Path("hard.csv").write_text(f"symbol\n{SYMBOL}\n{SYMBOL}X\n")
    Path("spreads.csv").write_text(f"symbol,rate,date\n{SYMBOL},4,\n{SYMBOL}X,5,\n{SYMBOL}X,6,2015-02-02\nY,1,\n")
    Path("small.toml").write_text(
        CONFIG
        + '\n[costs]\nnot_shortable = { file = "hard.csv" }\nslippage_bps = { default = 5, file = "spreads.csv" }\n'
    )
    output = " ".join(call("run", "small.toml").output.split())
    assert "Note: [costs] not_shortable file: 1 of 2 rows are about 1 symbols that the panel does not have" in output
    assert "Note: [costs] slippage_bps file: 3 of 4 rows are about 2 symbols that the panel does not have" in output


def test_the_saved_config_makes_the_same_run_again() -> None:
    Path("tables").mkdir()
    Path("tables/spreads.csv").write_text(f"symbol,date,rate\n{SYMBOL},2015-02-02,40\n")
    Path("tables/hard.csv").write_text(f"symbol,start,end\n{SYMBOL},2015-01-05,2015-02-02\n")
    Path("small.toml").write_text(
        CONFIG
        + '\n[costs]\npreset = "us_retail_tiered"\nnot_shortable = { file = "tables/hard.csv" }\n'
        + f'slippage_bps = {{ default = 5, file = "tables/spreads.csv", symbols = {{ {SYMBOL} = 20 }}, tiers = '
        + "[{ rate = 2, min_dollar_volume = 1e8 }] }\nborrow_rate = { default = 0.01 }\n"
        + '[risk]\nmax_period_loss = 0.2\nperiod = 10\nguard_action = "halt"\nguard_gross = 3\n'
        + "guard_equal_scores = true\n"
    )
    call("run", "small.toml")
    folder = only_run()
    text = (folder / "config.toml").read_text()
    assert '"../../tables/spreads.csv"' in text
    assert '"../../tables/hard.csv"' in text
    assert "the same run is in" in call("run", str(folder / "config.toml")).output
    told = bt.Result.load(folder).settings
    assert told["costs_preset"] == "us_retail_tiered"
    assert told["costs"]["slippage_bps"]["table"]["rows"] == 1
    assert (told["risk"]["period"], told["risk"]["guard_equal_scores"]) == (10, True)
    shown = " ".join(call("report", str(folder)).output.split())
    assert "The costs of 'us_retail_tiered' leave out fees and rebates" in shown
    assert "all but 1 of 24 stocks can be sold short" in shown
    assert "every stock can be sold short" not in shown

    # Other rates in the same file are another run.
    Path("tables/spreads.csv").write_text(f"symbol,date,rate\n{SYMBOL},2015-02-02,41\n")
    assert "saved to" in call("run", "small.toml").output


@pytest.mark.parametrize("name", ["qlib", "zipline", "us_retail_fixed"])
def test_what_a_preset_leaves_out_is_said_from_python_too(name: str) -> None:
    market = bt.synthetic(24, 90, 3)
    from backtester.report import summarise
    from strategies import RankedLongShort

    result = bt.run(market.panel, RankedLongShort(5, 5), scores=market.score, costs=bt.Costs.preset(name))
    assert any(re.match(f"the costs of '{name}' leave out", said) for said in summarise(result)["flattered_by"])
    changed = bt.run(market.panel, RankedLongShort(5, 5), scores=market.score)
    assert not any("leave out" in said for said in summarise(changed)["flattered_by"])
