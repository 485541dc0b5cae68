"""A bench, from a checked config to a folder on disk."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from threading import Thread
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
    load_strategy,
    notes_of,
    silent,
    strangers,
)
from backtester.cli.saving import check_place, file_name
from backtester.cli.scores import read_scores
from backtester.cli.toml import to_toml
from backtester.cli.variants import BenchConfig, Told, baselines, made
from backtester.cli.warned import told_warnings
from backtester.errors import BacktesterError, RunError, StrategyError

if TYPE_CHECKING:
    import pandas as pd

    from backtester.cli.config import Config
    from backtester.market.panel import Panel
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
    from backtester.research.mattered import prepare
    from backtester.research.paths import run_paths
    from backtester.research.verdict import bench_facts

    tell = tell or silent
    base = bench.base
    panel, planted = load_data(base)
    for line in [*base.notes, *_left_out(base), *strangers(base, panel)]:
        tell(line)
    read: dict[Path, Any] = {}

    def given(config: Config) -> Any:
        """The scores of a config without a signal."""
        if config.scores is None:
            return planted if planted is not None and _needs_scores(panel, config) else None
        path = config.path("scores")
        if path not in read:
            file = read_scores(path)
            fitted, left_out = file.fit(panel)
            read[path] = file, fitted
            for line in left_out:
                tell(line)
        return read[path][1]

    found: list[Variant] = []
    failed: list[tuple[Told, str, str]] = []
    configs: dict[str, Config] = {}

    def add(told: Told, role: str) -> None:
        try:
            if told.config is None:
                raise RunError(told.error)
            found.append(made(told, panel, given, role))
            configs[told.name] = told.config
        except BacktesterError as error:
            failed.append((told, role, str(error)))

    for told in bench.variants:
        add(told, VARIANT)
    if not found:
        raise RunError(failed[0][2])
    wrong = {told.name for told, _, _ in failed}
    of_grid = [told.name for told in bench.variants if told.of_grid]
    if of_grid and wrong.issuperset(of_grid):  # such as a misspelt key: what is left is not what was asked for
        raise base.places.error(("bench", "grid"), f"every variant of it fails; the first: {failed[0][2]}")
    like = next((one.signal for one in found if one.signal is not None), None)
    ranks = like is not None or any(one.scores is not None for one in found)
    for told in baselines(bench, like, ranks):
        add(told, BASELINE)
    signal = base.signal
    cache = score_cache.default_folder() if signal is None or signal.cache else None
    if len(found) > 1:
        Thread(target=prepare).start()  # while the runs go on, so that judging them need not wait for it
    with told_warnings() as caught:
        runs = run_variants(
            panel,
            found,
            placebos=bench.section.placebos,
            by_epoch=bench.section.by_epoch,
            cache=cache,
            checkpoints=base.checkpoints if signal is not None else score_cache.default_checkpoints(),
            progress=progress,
        )
        folds = bench.combinatorial
        paths = None if folds is None else run_paths(runs, folds, cache=cache, progress=progress)
        for entry in runs.good:
            config = configs[entry.variant.name]
            file = None if config.scores is None else read[config.path("scores")][0]
            _note(entry, notes_of(config, file))
        facts = bench_facts(runs, bench.name, progress, paths=paths)
        facts["entries"] += [_never_run(told, role, error) for told, role, error in failed]
        facts |= {"dataset": base.dataset, **_terms(runs, facts["winner"])}
        facts |= _counted(runs, facts, ledger, _dataset(base))
    for line in dict.fromkeys(caught):
        tell(line)
    return MadeBench(runs, facts, configs)


def _left_out(config: Config) -> list[str]:
    """What a config asks of a run and a bench does not do."""
    signal = config.signal
    asked = {
        "[run] online": config.run.online,
        "[signal] every_epoch": signal is not None and signal.every_epoch,
        "[signal] tensorboard": signal is not None and signal.tensorboard is not None,
    }
    return [f"{key} is for a run: a bench leaves it out." for key, value in asked.items() if value]


def _never_run(told: Told, role: str, error: str) -> dict[str, Any]:
    """What is told of a variant that could not be made."""
    empty = dict.fromkeys(("figures", "signal", "seeds", "placebo", "robust", "paths"))
    return {"name": told.name, "role": role, "options": told.options, "error": error, **empty}


def _needs_scores(panel: Panel, config: Config) -> bool:
    """Whether the strategy of a config fails without scores."""
    from backtester.run import run

    try:
        run(panel, load_strategy(config), costs=config.costs, risk=config.risk, execution=config.execution)
    except StrategyError:
        return True
    return False


def _note(entry: Entry, notes: dict[str, Any]) -> None:
    """Note something beside the settings of a run."""
    assert entry.result is not None
    entry.result = dataclasses.replace(entry.result, settings=entry.result.settings | notes)


def _terms(runs: Runs, winner: str) -> dict[str, Any]:
    """Under which terms the winner was run, and what flatters it or others.

    Returns:
        ``terms``: ``settings``, ``cash``, ``flattered_by`` and ``leaves_out`` of the winner; ``flattered``: of every
        sentence on what flatters a result (``said``) the ``entries``, none where it concerns all.
    """
    from backtester.report import summarise
    from backtester.research.bench import VARIANT
    from backtester.research.study import plain

    told = {entry.variant.name: summarise(entry.result) for entry in runs.good if entry.result is not None}
    results = {entry.variant.name: entry.result for entry in runs.good}
    result = results[winner]
    assert result is not None
    terms: dict[str, Any] = plain({"settings": result.settings, "cash": result.cash})
    terms |= {key: told[winner][key] for key in ("flattered_by", "leaves_out")}
    variants = [entry.variant.name for entry in runs.good if entry.variant.role == VARIANT]
    by: dict[str, list[str]] = {}
    for name in variants:
        for said in told[name]["flattered_by"]:
            by.setdefault(said, []).append(name)
    flattered = [{"said": said, "entries": [] if len(names) == len(variants) else names} for said, names in by.items()]
    return {"terms": terms, "flattered": flattered}


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
    if _holds(out, hashes):  # what has been counted since may be more
        _write_facts(bench, out, hashes, _folders([entry.variant.name for entry in bench.runs.good]))
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
    names = _folders([entry.variant.name for entry in bench.runs.good])
    studies = {one["name"]: {"signal": one["signal"], "portfolio": one["figures"]} for one in bench.facts["entries"]}
    for entry in bench.runs.good:
        assert entry.result is not None
        name = names[entry.variant.name]
        told = to_toml(bench.configs[entry.variant.name].resolved(out / RUNS / name))
        study = json.dumps(studies[entry.variant.name], allow_nan=False)
        entry.result.save(fresh / RUNS / name, extra={CONFIG: told, STUDY: study})
    _write_facts(bench, fresh, hashes, names)
    (fresh / CONFIG).write_text(to_toml(config.resolved(out)), encoding="utf-8")
    for file, table in _tables(bench).items():
        table.to_parquet(fresh / f"{file}.parquet")


def _write_facts(bench: MadeBench, folder: Path, hashes: str, names: dict[str, str]) -> None:
    """Write the facts and the page, each whole."""
    from backtester.report.page import bench_page

    for one in bench.facts["entries"]:
        one["run"] = f"{RUNS}/{names[one['name']]}" if one["name"] in names else None
    facts = {**bench.facts, "hash": hashes}
    texts = {BENCH: json.dumps(facts, allow_nan=False) + "\n", PAGE: bench_page(facts)}
    for name, text in texts.items():
        fresh = folder / f".{name}.new"
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(folder / name)


def _study(entry: dict[str, Any], trials: dict[str, Any] | None) -> dict[str, Any]:
    """The study of an entry's run: its figures are those of the window."""
    counted = None if trials is None or entry.get("dsr") is None else {**trials, "dsr": entry["dsr"]}
    return {"signal": entry["signal"], "portfolio": entry["figures"], "trials": counted}


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
    """What tells a bench from another: the records of its runs, what failed, and what was asked for beside."""
    runs = [(e.variant.name, e.result.content_hash, e.result.record_hash) for e in bench.runs.good if e.result]
    failed = [(one["name"], one["error"]) for one in bench.facts["entries"] if one["error"]]
    placebos = [len(e.placebos) for e in bench.runs.good]
    epochs = [0 if e.scores is None else len(e.scores.by_epoch) for e in bench.runs.good]
    told: list[Any] = [runs, failed, placebos, epochs]
    if bench.facts["combinatorial"] is not None:
        told += [bench.facts["combinatorial"], [one["paths"] for one in bench.facts["entries"]]]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _holds(out: Path, hashes: str) -> bool:
    """Whether a folder holds this very bench."""
    try:
        return bool(json.loads((out / BENCH).read_text(encoding="utf-8"))["hash"] == hashes)
    except (OSError, ValueError, KeyError, TypeError):
        return False
