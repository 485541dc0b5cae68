"""A bench, from a checked config to a folder on disk."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from backtester.cli.finding import BENCH
from backtester.cli.progress import Progress
from backtester.cli.running import (
    CONFIG,
    PAGE,
    STUDY,
    Made,
    Tell,
    load_data,
    silent,
    strangers,
)
from backtester.cli.saving import check_place, file_name
from backtester.cli.scores import read_scores
from backtester.cli.toml import to_toml
from backtester.cli.variants import BenchConfig, Told, baselines, made
from backtester.cli.warned import told_warnings
from backtester.errors import BacktesterError, RunError

if TYPE_CHECKING:
    import pandas as pd

    from backtester.cli.config import Config
    from backtester.research.bench import Entry, Runs, Variant
    from backtester.research.ledger import Trial

RUNS = "runs"  # inside the folder of a bench


class MadeBench(NamedTuple):
    """A finished bench."""

    runs: Runs
    facts: dict[str, Any]  # as in ``bench.json``
    configs: dict[str, Config]  # of the entries, by name


def make_bench(
    bench: BenchConfig, ledger: Path, tell: Tell | None = None, progress: Progress | None = None
) -> MadeBench:
    """Train, run and judge what a config describes, and count its variants in the ledger of trials.

    Args:
        bench: what to run.
        ledger: the folder of runs, where the ledger lies.
        tell: called with lines for the reader.
        progress: called as the work goes on.

    Raises:
        BacktesterError: in the config or the data, or in every variant. One of several that fails is told in the facts.
    """
    from backtester import score_cache
    from backtester.research.bench import BASELINE, VARIANT, run_variants
    from backtester.research.verdict import bench_facts

    tell = tell or silent
    base = bench.base
    panel, planted = load_data(base)
    for line in [*base.notes, *strangers(base, panel)]:
        tell(line)
    read: dict[Path, Any] = {}

    def given(config: Config) -> Any:
        """The scores of a config without a signal."""
        if config.scores is None:
            return planted
        path = config.path("scores")
        if path not in read:
            scores, left_out = read_scores(path).fit(panel)
            read[path] = scores
            for line in left_out:
                tell(line)
        return read[path]

    found: list[Variant] = []
    failed: list[tuple[Told, str, str]] = []
    configs: dict[str, Config] = {}

    def add(told: Told, role: str) -> None:
        try:
            if told.config is None:
                raise RunError(told.error)
            # Equal weights need no scores, and are not to be shown those that a synthetic market has.
            found.append(made(told, panel, given if role == VARIANT else lambda config: None, role))
            configs[told.name] = told.config
        except BacktesterError as error:
            failed.append((told, role, str(error)))

    for told in bench.variants:
        add(told, VARIANT)
    if not found:
        raise RunError(failed[0][2])
    like = next((one.signal for one in found if one.signal is not None), None)
    for told in baselines(bench, like, ranks=like is not None or any(one.scores is not None for one in found)):
        add(told, BASELINE)
    signal = base.signal
    keeps = signal is None or signal.cache
    with told_warnings() as caught:
        runs = run_variants(
            panel,
            found,
            placebos=bench.section.placebos,
            cache=score_cache.default_folder() if keeps else None,
            checkpoints=base.checkpoints if signal is not None else score_cache.default_checkpoints(),
            progress=progress,
        )
        facts = bench_facts(runs, bench.name, progress)
        facts["entries"] += [_never_run(told, role, error) for told, role, error in failed]
        facts |= {"dataset": base.dataset, "terms": _terms(runs, facts["winner"])}
        facts |= _counted(runs, facts, ledger, _dataset(base))
    for line in dict.fromkeys(caught):
        tell(line)
    return MadeBench(runs, facts, configs)


def _never_run(told: Told, role: str, error: str) -> dict[str, Any]:
    """What is told of a variant that could not be made."""
    empty = dict.fromkeys(("figures", "signal", "seeds", "placebo", "robust"))
    return {"name": told.name, "role": role, "options": told.options, "error": error, **empty}


def _terms(runs: Runs, winner: str) -> dict[str, Any]:
    """Under which terms the winner was run, in settings and in words."""
    from backtester.report import summarise
    from backtester.research.study import plain

    result = next(entry.result for entry in runs.good if entry.variant.name == winner)
    assert result is not None
    told = summarise(result)
    kept: dict[str, Any] = plain({"settings": result.settings, "cash": result.cash})
    return kept | {key: told[key] for key in ("flattered_by", "leaves_out")}


def _dataset(config: Config) -> str:
    """The key of the data, whatever the cut by dates."""
    from backtester.research.ledger import dataset_key

    return dataset_key(config.data.synthetic if config.data.synthetic is not None else config.path("data"))


def _counted(runs: Runs, facts: dict[str, Any], ledger: Path, dataset: str) -> dict[str, Any]:
    """Count the trials, and deflate every Sharpe ratio by all of them."""
    from backtester.research.bench import VARIANT
    from backtester.research.ledger import deflation, record, trial_of, trials

    def line(entry: Entry) -> Trial:
        assert entry.result is not None
        return trial_of(entry.result, command="bench", dataset=dataset, role=entry.variant.role, rows=runs.window)

    lines = {entry.variant.name: line(entry) for entry in runs.good}
    record(ledger, lines.values())
    known = trials(ledger)
    nets = {entry.variant.name: entry.net for entry in runs.good}
    variants = [entry.variant.name for entry in runs.good if entry.variant.role == VARIANT]
    deflated = {name: deflation(ledger, lines[name], nets[name], known) for name in variants}
    for one in facts["entries"]:
        told = deflated.get(one["name"])
        one["dsr"] = None if told is None else told["dsr"]
    return {"trials": deflated[facts["winner"]]}


def count_run(made: Made, config: Config, ledger: Path, command: str = "run") -> Made:
    """A run with its trial counted, and what all trials on its data leave of its Sharpe ratio in its study."""
    from backtester.research import book
    from backtester.research.ledger import deflation, record, trial_of

    if made.study is None or made.study["portfolio"] is None:
        return made
    rows = book.invested(made.result)
    line = trial_of(made.result, command=command, dataset=_dataset(config), rows=rows)
    record(ledger, [line])
    return made._replace(study=made.study | {"trials": deflation(ledger, line, book.net_returns(made.result)[rows])})


# On disk.


def save_bench(
    bench: MadeBench, config: BenchConfig, folder: Path, out: Path | None = None, overwrite: bool = False
) -> tuple[Path, bool]:
    """Write a bench to a folder of its own, whole or not at all, unless the same one is there already.

    ``bench.json`` (all facts), ``report.html``, ``config.toml`` (makes the bench again), ``leaderboard.parquet``,
    ``returns.parquet`` and ``ic.parquet`` (dates by entries), and under ``runs`` the folder of every run.

    Args:
        bench: what to write.
        config: of it.
        folder: of runs: the bench gets a folder there, named after it and its content.
        out: the bench's own folder, in place of one in `folder`.
        overwrite: whether another bench that stands at `out` may be replaced.

    Returns:
        The folder, and whether it is new.

    Raises:
        RunError: the folder holds something else, or cannot be written.
    """
    from backtester.market.store import written_whole

    hashes = _hash(bench)
    if out is None:
        out = folder / f"{file_name(config.name)}-bench-{hashes[:8]}"
    if _holds(out, hashes):
        return out, False
    check_bench_place(out, overwrite)
    try:
        with written_whole(out, replace=overwrite) as fresh:
            _write(bench, config, fresh, out.absolute(), hashes)
    except OSError as error:
        raise RunError(f"Cannot write a bench to {out}: {error.strerror or error}.") from error
    return out, True


def check_bench_place(out: Path, overwrite: bool) -> None:
    """Fail before the bench rather than after it, where a folder could not take one anyway.

    Raises:
        RunError: the folder holds another bench that may not be replaced, or something else.
    """
    if (out / BENCH).is_file():
        if not overwrite:
            raise RunError(f"{out} holds a bench already. Choose another folder, or replace it with --overwrite.")
        return
    check_place(out)


def _write(bench: MadeBench, config: BenchConfig, fresh: Path, out: Path, hashes: str) -> None:
    from backtester.report.page import bench_page

    names = _folders([entry.variant.name for entry in bench.runs.good])
    studies = {one["name"]: {"signal": one["signal"], "portfolio": one["figures"]} for one in bench.facts["entries"]}
    for entry in bench.runs.good:
        assert entry.result is not None
        name = names[entry.variant.name]
        told = to_toml(bench.configs[entry.variant.name].resolved(out / RUNS / name))
        study = json.dumps(studies[entry.variant.name], allow_nan=False)
        entry.result.save(fresh / RUNS / name, extra={CONFIG: told, STUDY: study})
    for one in bench.facts["entries"]:
        one["run"] = f"{RUNS}/{names[one['name']]}" if one["name"] in names else None
    facts = {**bench.facts, "hash": hashes}
    (fresh / BENCH).write_text(json.dumps(facts, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    (fresh / PAGE).write_text(bench_page(facts), encoding="utf-8")
    section = config.section.model_dump(exclude_none=True)
    resolved = {**config.base.resolved(out), "bench": section}
    (fresh / CONFIG).write_text(to_toml(resolved), encoding="utf-8")
    for file, table in _tables(bench).items():
        table.to_parquet(fresh / f"{file}.parquet")


def _tables(bench: MadeBench) -> dict[str, pd.DataFrame]:
    """What other programs may want: the leaderboard, and the daily returns of every entry, net and gross."""
    import pandas as pd

    rows = []
    for one in bench.facts["entries"]:
        row: dict[str, Any] = {"name": one["name"], "role": one["role"], "error": one["error"], "dsr": one.get("dsr")}
        row |= {key: json.dumps(value) for key, value in one["options"].items()}
        for kind in ("net", "gross") if one["figures"] else ():
            for figure, told in one["figures"][kind].items():
                row |= {f"{kind}_{figure}{'' if part == 'value' else f'_{part}'}": told[part] for part in told}
        rows.append(row)
    runs = bench.runs
    index = pd.DatetimeIndex(runs.panel.dates[runs.window].astype("datetime64[s]"), name="date")
    return {
        "leaderboard": pd.DataFrame(rows),
        "returns": pd.DataFrame({entry.variant.name: entry.net for entry in runs.good}, index=index),
        "returns_gross": pd.DataFrame({entry.variant.name: entry.gross for entry in runs.good}, index=index),
    }


def _folders(names: list[str]) -> dict[str, str]:
    """A folder for every name: without what a file system may refuse, and each its own, in upper and lower case too."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for number, name in enumerate(names, 1):
        folder = f"{number:02d}-{file_name(name)}"[:80]
        taken.add(folder)
        found[name] = folder
    return found


def _hash(bench: MadeBench) -> str:
    """What tells a bench from another: the records of its runs, and what failed."""
    runs = [(e.variant.name, e.result.content_hash, e.result.record_hash) for e in bench.runs.good if e.result]
    failed = [(one["name"], one["error"]) for one in bench.facts["entries"] if one["error"]]
    return hashlib.sha256(json.dumps([runs, failed]).encode()).hexdigest()


def _holds(out: Path, hashes: str) -> bool:
    """Whether a folder holds this very bench."""
    try:
        return bool(json.loads((out / BENCH).read_text(encoding="utf-8"))["hash"] == hashes)
    except (OSError, ValueError, KeyError, TypeError):
        return False
