"""Facts of benches for the tests of their page, made by hand: no network is trained and nothing is run."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import page_cases

HOSTILE = page_cases.HOSTILE
BASELINES = ("equal weight", "momentum", "reversal", "ridge")
SETTINGS = {
    "strategy": {"class": "strategies.ranked:RankedLongShort", "warmup": 253, "every": 1, "long": 20, "short": 20},
    "execution": {"fill": "open", "size_at": "decision", "lot": 1.0, "volume_cap": None},
    "costs": {
        "commission_bps": 1.0,
        "commission_per_share": 0.0,
        "commission_min": 0.0,
        "slippage_bps": 3.0,
        "impact": 0.0,
        "borrow_rate": 0.0,
        "debit_rate": 0.0,
        "credit_rate": 0.0,
    },
    "risk": None,
    "scores": {"signal": {"class": "signals.network:MLP", "hidden": [16, 8]}, "folds": {"train": 252, "test": 63}},
}


def interval(value: float, half: float = 1.5) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half}


def figures(sharpe: float) -> dict[str, Any]:
    """As `portfolio_study` has them; the gross Sharpe ratio is 2 higher."""
    net = {"sharpe": interval(sharpe), "cagr": interval(sharpe / 20, 0.1), "max_drawdown": interval(0.06, 0.02)}
    gross = {**net, "sharpe": interval(sharpe + 2.0)}
    return {"sessions": 250, "level": 0.95, "net": net, "gross": gross, "break_even_bps": 6.6, "psr": 0.92} | {
        "min_track_sessions": 337.1
    }


def row(label: str, sharpe: float | None, **more: Any) -> dict[str, Any]:
    """As `robust.Row`."""
    keys = ("cagr", "volatility", "max_drawdown", "turnover", "cost")
    found = {"label": label, "sharpe": sharpe, "sharpe_gross": 3.0, **dict.fromkeys(keys, 0.05)}
    return found | {"sessions": 250, "note": "", **more}


def robust(sharpe: float, sector: str = "Energy") -> dict[str, Any]:
    """As `verdict._robust`."""
    money = [1e5, 1e6, 1e7]
    capital = {
        "rows": [row(f"{x:,.0f}", sharpe - k, sharpe_gross=3.0) for k, x in enumerate(money)],
        "capital": money,
        "impact": 1.0,
        "assumed": True,
        "reference": sharpe,
        "halves": 654321.0,
        "zero": None,
        "beyond": ["zero"],
    }
    return {
        "as_run": row("as run", sharpe),
        "delays": [row(f"{d} sessions later", sharpe - d / 10) for d in (1, 2, 5)],
        "rounding": [row("fractional shares", sharpe), row("lots of 100", None, note="lots too large")],
        "capital": capital,
        "sectors": [row(f"without {sector}", sharpe - 0.7), row("without Utilities", sharpe + 0.1)],
        "years": [row("without 2016", sharpe), row("without 2017", sharpe + 0.3)],
    }


def paths(sharpe: float, error: str = "") -> dict[str, Any]:
    """As `research.paths.told_of_paths`: five paths of 15 splits, a tenth apart, about 0.3 below the walk forward."""
    net = [] if error else [round(sharpe - 0.5 + 0.1 * k, 6) for k in range(5)]
    known = {"mean": sharpe - 0.3, "std": 0.158114, "low": sharpe - 0.5, "high": sharpe - 0.1}
    known |= {"below_zero": sum(one < 0.0 for one in net) / 5, "start": "2015-01-05", "sessions": 755}
    told = known if net else dict.fromkeys(known)
    return {"error": error, "count": len(net), "splits": 15, "sharpe": net} | {
        "gross": [one + 2.0 for one in net],
        "ic": [0.01 + 0.001 * k for k in range(len(net))],
        **told,
    }


def entry(name: str, sharpe: float, *, baseline: bool = False, sessions: int = 60, seed: int = 0, **more: Any) -> Any:
    """An entry with everything that one of its role has."""
    rng = np.random.default_rng(seed)
    dates = [str(np.datetime64("2016-12-12") + k) for k in range(sessions)]
    net = np.cumprod(1.0 + 0.01 * rng.standard_normal(sessions)).round(6).tolist()
    found = {
        "name": name,
        "role": "baseline" if baseline else "variant",
        "options": {"signal.class": "signals:Momentum"} if baseline else {"signal.hidden": [16, 8], "name": name},
        "error": "",
        "figures": figures(sharpe),
        "signal": page_cases.full_study(sessions, name)["signal"],
        "seeds": None,
        "placebo": None,
        "robust": None,
        "paths": None if baseline and name != "ridge" else paths(sharpe),
        "turnover": 41.4,
        "halted": "",
        "curve": {"dates": dates, "net": net, "gross": net},
        "dsr": 0.61,
    }
    if not baseline:
        found["signal"] = {**found["signal"], "by_epoch": by_epoch(sharpe)}
        alone = {f"seed {k}": sharpe + k - 1.0 for k in range(3)}
        found["seeds"] = {"sharpe": alone, "mean": sharpe, "std": 1.0, "low": sharpe - 1.0, "high": sharpe + 1.0}
        # From -5 to -0.05 in steps of 0.05: the 5th percentile is -4.7525, the 95th -0.2975.
        found["placebo"] = {"count": 100, "sharpe": [-0.05 * k for k in range(100, 0, -1)], "mean": -2.5, "p": 0.0099}
        found["robust"] = robust(sharpe, name if "<" in name else "Energy")
    return found | more


def by_epoch(top: float, count: int = 4) -> list[dict[str, Any]]:
    """As `ic_by_epoch`: from 0.001 in the first epoch by steps of a hundredth of ``top``."""
    means = [0.001 + 0.01 * top * k for k in range(count)]
    return [
        {"epoch": k, "mean": at, "error": 0.005, "low": at - 0.01, "high": at + 0.01} for k, at in enumerate(means, 1)
    ]


def mattered_epochs(names: list[str], left_out: list[str] | None = None) -> dict[str, Any]:
    """As `epochs_mattered`: epochs 3 and 4 differ from the first, whose values are those of `mattered`'s base."""

    def effect(option: str, value: str, at: float) -> dict[str, Any]:
        numbers = {"effect": at, "error": 0.001, "low": at - 0.002, "high": at + 0.002, "p": 0.01, "count": 998}
        return {"option": option, "value": value, **numbers}

    steps = [effect("epoch", str(k), 0.0015 * (k - 1)) for k in (2, 3, 4)]
    return {
        "effects": [effect("signal.hidden", "[64]", 0.1), *steps],
        "joint": [{"option": "epoch", "base": "1", "f": 5.5, "p": 0.004, "effects": 3}],
        "base": effect("", "", 0.02),
        "r_squared": 0.001,
        "aliased": [],
        "lags": 21,
        "sessions": 249,
        "variants": 4 * len(names),
        "of": names,
        "left_out": left_out or [],
    }


def failed(name: str, error: str) -> dict[str, Any]:
    """A variant without a result."""
    nothing = dict.fromkeys(("figures", "signal", "seeds", "placebo", "robust", "paths"))
    return {"name": name, "role": "variant", "options": {"signal.hidden": [0]}, "error": error, **nothing}


def mattered(option: str = "signal.hidden") -> dict[str, Any]:
    def effect(value: str, at: float, half: float) -> dict[str, Any]:
        numbers = {"effect": at, "error": half / 2, "low": at - half, "high": at + half, "p": 0.03, "count": 498}
        return {"option": option, "value": value, **numbers}

    return {
        "effects": [effect("[32, 16]", 0.004, 0.002), effect("[64]", -0.001, 0.003)],
        "joint": [{"option": option, "base": "[16, 8]", "f": 6.1, "p": 0.0245, "effects": 2}],
        "base": effect("", 0.02, 0.01),
        "r_squared": 0.001,
        "aliased": [[option, "[1]"]],
        "lags": 21,
        "sessions": 249,
        "variants": 5,
    }


def bench_facts(names: list[str] | None = None, sessions: int = 60, **more: Any) -> dict[str, Any]:
    """A whole bench: variants of those names, the first the best, the baselines, and one that failed."""
    names = names or [f"hidden=[{k}, 8] dropout=0.{k}" for k in range(5)]
    entries = [entry(name, 1.4 - 0.4 * k, sessions=sessions, seed=k) for k, name in enumerate(names)]
    entries += [
        entry(name, -0.3 - k, baseline=True, sessions=sessions, seed=90 + k) for k, name in enumerate(BASELINES)
    ]
    good = [(one["name"], one["figures"]["net"]["sharpe"]["value"]) for one in entries]
    pairs = [
        {"one": one, "other": other, "sharpe": paired(a - b), "ic": paired((a - b) / 100)}
        for i, (one, a) in enumerate(good)
        for other, b in good[i + 1 :]
    ]
    tests = {"p": 0.23, "lower": 0.13, "consistent": 0.19, "upper": 0.2}
    return {
        "format": 1,
        "name": "a bench",
        "market": {
            **{"symbols": 120, "sessions": 756, "start": "2015-01-02", "end": "2017-11-24", "basis": "as_traded"},
            "fingerprint": "4b" * 32,
        },
        "window": {"start": "2016-12-12", "end": "2017-11-24", "sessions": 250},
        "level": 0.95,
        "resamples": 2000,
        "entries": [*entries, failed("hidden=[0]", "hidden is [0]; give layers of at least 1.")],
        "winner": names[0],
        "pairs": pairs,
        "overfitting": overfitting(len(names)) if len(names) > 1 else None,
        "reality": [
            {"against": "cash", **tests},
            *({"against": name, **tests, "consistent": 0.004} for name in BASELINES),
        ],
        "mattered": mattered(),
        "mattered_epochs": mattered_epochs(names),
        "combinatorial": {"groups": 6, "test_groups": 2, "purge": None, "embargo": 5},
        "dataset": "data/here",
        "trials": {
            **{"count": 41, "since": "2026-11-01", "sharpe_std": 0.9, "expected_max": 1.08, "dsr": 0.61},
            "ledger": "runs/trials.jsonl",
        },
        "terms": {
            "settings": SETTINGS,
            "cash": 1e7,
            "flattered_by": ["orders of any size fill, at no worse price", "one; with a part"],
            "leaves_out": ["dividends: longs receive none"],
        },
        **more,
    }


def paired(away: float) -> dict[str, Any]:
    chance = 0.03 if abs(away) > 1.5 or 0.015 < abs(away) < 0.1 else 0.4
    return {"difference": away, "low": away - 0.5, "high": away + 1.0, "p": chance, "block": 4.0, "sessions": 250}


def overfitting(variants: int, splits: int = 400) -> dict[str, Any]:
    """As `Overfitting`: a quarter of the splits at the lowest rank, the others at the highest."""
    low, high = 1 / (variants + 1), variants / (variants + 1)
    logits = [math.log(w / (1 - w)) for w in [low] * (splits // 4) + [high] * (splits - splits // 4)]
    return {
        "pbo": 0.25,
        "logits": logits,
        "blocks": 16,
        "combinations": splits,
        "slope": -0.81,
        "r_squared": 0.49,
        "loss_probability": 0.13,
        "variants": variants,
    }


def hostile_facts() -> dict[str, Any]:
    """A bench in which everything that has a name has one with HTML in it."""
    names = [HOSTILE, f"</script>{HOSTILE}", "<img src=x onerror=alert(1)>", "<b>bold</b>", "\"'&amp;"]
    facts = bench_facts(names, name=HOSTILE, dataset=HOSTILE, mattered=mattered(HOSTILE))
    facts["mattered_epochs"] = mattered_epochs([HOSTILE], [HOSTILE])
    facts["mattered_epochs"]["effects"][2]["value"] = HOSTILE
    facts["mattered_epochs"]["joint"][0]["base"] = HOSTILE
    facts["entries"][-1] = failed(f"{HOSTILE} too", HOSTILE)
    facts["entries"][-1]["options"] = {HOSTILE: {HOSTILE: [HOSTILE]}}
    facts["reality"][0]["against"] = HOSTILE
    facts["entries"][4]["paths"] = paths(0.0, HOSTILE)
    facts["trials"]["ledger"] = HOSTILE
    facts["terms"] = {"settings": {**SETTINGS, HOSTILE: HOSTILE}, "cash": 1.0, "flattered_by": [HOSTILE, f"{HOSTILE};"]}
    return facts


def large_facts() -> dict[str, Any]:
    """Sixty variants with long names over five years."""
    names = [
        f"hidden=[64, 32, 16] dropout=0.{k % 7} learning_rate=0.00{k} weight_decay=0.0{k} every={k}" for k in range(60)
    ]
    return bench_facts(names, sessions=1_250)


def hollow(value: Any, keep: tuple[str, ...] = ("name", "role", "winner", "format")) -> Any:
    """Facts in which every number and text is None."""
    if isinstance(value, dict):
        return {key: one if key in keep else hollow(one, keep) for key, one in value.items()}
    return [hollow(one, keep) for one in value] if isinstance(value, list) else None


def cut_facts() -> dict[str, dict[str, Any]]:
    """Benches of which something is missing, by what."""
    whole, alone = bench_facts(), bench_facts(["only"])
    entries = whole["entries"]
    found = {
        "only one": {**alone, "mattered": None},
        "no scores": {
            **whole,
            "mattered": None,
            "mattered_epochs": None,
            "entries": _without(entries, "signal", "seeds", "placebo"),
        },
        "no variant": {**whole, "entries": entries[-5:], "winner": None, "pairs": []},
        "no baseline": {**whole, "entries": entries[:5], "reality": whole["reality"][:1]},
        "no epochs": {**whole, "mattered_epochs": None, "entries": [_without_epochs(one) for one in entries]},
        "no curve": {**whole, "entries": _without(entries, "curve", "robust", "options")},
        "hollow": {**hollow(whole), "terms": whole["terms"]},
        "hollow terms": {**whole, "terms": {"settings": None, "cash": None, "flattered_by": None, "leaves_out": None}},
        "nothing": {},
        "None": dict.fromkeys(whole),
    }
    parts = ("market", "window", "level", "pairs", "overfitting", "reality", "trials", "terms", "dataset")
    for key in (*parts, "mattered_epochs", "combinatorial"):
        found[f"without {key}"] = {name: one for name, one in whole.items() if name != key}
        found[f"None for {key}"] = {**whole, key: None}
    return found


def _without(entries: list[dict[str, Any]], *keys: str) -> list[dict[str, Any]]:
    return [{**one, **dict.fromkeys(keys)} for one in entries]


def _without_epochs(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "signal": entry["signal"] and {**entry["signal"], "by_epoch": None}}
