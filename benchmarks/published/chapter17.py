"""The protocol of chapter 17 of Jansen's book on S&P 500 stocks, its lengths scaled to five years.

24 small networks learn the next day's return from 31 features, anew in each of 12 rolling folds. What is published
chooses among them by their daily IC on the test folds themselves, the first two thirds of them, and trades the mean of
the best three through all. Beside it stands the choice that could have been made: in each fold the best three on the
tail of that fold's own training rows.

Ours differs from the source in this: training and test windows keep their ratio of 16 to 1 and are as long as the data
allow (624 and 39 sessions, there 1,008 and 63); labels run from open to open, a session later; the last fifth of the
training rows is watched and not learnt from, and gives the epoch (there the epoch is chosen with the rest, on test
folds); dropout follows every hidden layer (there the last alone). The book is 50 long and 50 short whatever the sign of
the forecasts (there 25 of those above 0 and 25 below, traded without slippage). The stocks are those that were in the
index in February 2018, on the days on which they were: whoever left it before is missing, which flatters every figure.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import common
import numpy as np
import torch

import backtester as bt
import signals
import strategies
from backtester.cross_section import average_ranks, demeaned
from backtester.market.ingest import import_files
from backtester.metrics import sharpe_ratio

SOURCE = (
    "S. Jansen, Machine Learning for Algorithmic Trading (2nd ed., 2020), chapter 17, notebooks 04 and 05:\n"
    "  995 US stocks, tests from 2014-11-28 to 2017-11-29"
)
DATA = Path(__file__).resolve().parents[3] / "shared/data/sp500_2013_2018"
FOLDS, IN_SAMPLE = 12, 8  # of which the choice on test folds sees the first
RATIO = 16  # training sessions to test sessions: 1,008 to 63
SIDE, LEAST = 50, 10  # names long and short, and the fewest
ROLLING = 63  # sessions of a rolling Sharpe ratio, as in the source
SEED = 0
Floats = np.ndarray


class Choices(NamedTuple):
    """The grid."""

    hidden: tuple[tuple[int, ...], ...] = ((16, 8), (32, 16), (32, 32), (64, 32))
    dropout: tuple[float, ...] = (0.0, 0.1, 0.2)
    batch: tuple[int, ...] = (64, 256)

    def named(self) -> dict[str, tuple[tuple[int, ...], float, int]]:
        """Layers, dropout and batch by the name that `signals.Grid` gives."""
        every = itertools.product(self.batch, self.dropout, self.hidden)
        return {f"batch={b} dropout={d} hidden={list(h)}": (h, d, b) for b, d, h in every}


SLICE = Choices(hidden=((16, 8), (32, 16)), batch=(256,))


class Span(NamedTuple):
    """What scores were worth over some sessions."""

    ic: Floats  # (days,) rank IC
    quintiles: Floats  # (5,) mean return of a session less that of all stocks, in basis points, lowest scores first
    sharpe: tuple[float, float]  # of the book, before and after costs


class Judged(NamedTuple):
    """A way of choosing, and what came of it."""

    spans: Mapping[str, Span]  # "in", "out" and "all"
    returns: tuple[Floats, Floats]  # (days,) of the book, before and after costs
    names: int  # fewest a side, once the book is on
    scores: Floats  # (T, N)


class Found(NamedTuple):
    """What `measure` returns; C configurations, D test sessions whose labels are known."""

    configs: dict[str, tuple[tuple[int, ...], float, int]]
    members: Floats  # (C, T, N) scores; NaN outside of the test rows
    ic: Floats  # (C, D) on the test folds
    valid: Floats  # (folds, C) on each fold's own tail, at the kept epoch
    epochs: Floats  # (C, epochs) the same by epoch, mean over folds
    best: list[int]  # configurations by median daily IC in sample, the best first
    chosen: list[list[int]]  # of each fold, the best three on its own tail
    published: Judged  # the mean of the first three of `best`
    honest: Judged  # the mean of `chosen`
    dates: np.ndarray  # (D,)
    split: int  # days in sample
    lengths: tuple[int, int, int]  # folds, training and test sessions
    seconds: float  # of training and scoring


# The data and the walk.


def load(source: Path) -> bt.Panel:
    """The panel of the data, or an end with what is missing."""
    if not (source / "all_stocks_5yr.csv.gz").is_file():
        sys.exit(
            f"There is no all_stocks_5yr.csv.gz in {source}. This case needs five years of S&P 500 stocks, with "
            "constituents.csv and membership.csv beside them: give the folder that holds them as an argument."
        )
    with tempfile.TemporaryDirectory() as folder:
        import_files(
            source / "all_stocks_5yr.csv.gz", Path(folder) / "sp500", basis="split_adjusted",
            sectors=source / "constituents.csv", members=source / "membership.csv",
        )  # fmt: skip
        return bt.load_panel(Path(folder) / "sp500")


def folds_of(sessions: int, warmup: int, count: int) -> bt.Folds:
    """The longest windows that keep the ratio, as if there were 12 folds: fewer are the last of them."""
    test = (sessions - (warmup - 1) - 1) // (RATIO + FOLDS)
    return bt.Folds(train=RATIO * test, test=test, n_splits=count)


def grid(choices: Choices, epochs: int) -> signals.Grid:
    """All configurations; all are members of the scores, so that they can be compared."""
    network = signals.MLP(
        activation="tanh", features="ml4t", label="raw", loss="mse", optimizer="Adam", epochs=epochs,
        monitor="ic", patience=None, seed=SEED, device="cpu",
    )  # fmt: skip
    vary = {key: [list(one) if key == "hidden" else one for one in values] for key, values in choices._asdict().items()}
    return signals.Grid(network, vary=vary, best=len(choices.named()))


def tell(what: str, done: int, total: int) -> None:
    """Progress on one line of a terminal."""
    if sys.stderr.isatty():
        print(f"\r  {what} {done / total:6.1%}", end="" if done < total else "\n", file=sys.stderr, flush=True)


# What scores are worth.


def quintiles(scores: Floats, labels: Floats) -> Floats:
    """Mean label of the fifths of each session by score, less the session's mean: (D, 5), NaN where none is known."""
    known = np.isfinite(scores) & np.isfinite(labels)
    ranks = average_ranks(np.where(known, scores, np.nan))
    count = known.sum(axis=1, keepdims=True)
    place = np.ceil(5 * (ranks - 1) / np.maximum(count - 1, 1))  # closed above, the quantiles of numpy and pandas
    excess = demeaned(np.where(known, labels, np.nan))
    result = np.full((len(scores), 5), np.nan)
    for k in range(5):
        mine = known & (np.maximum(place, 1) == k + 1)
        held = mine.sum(axis=1)
        total = np.where(mine, excess, 0.0).sum(axis=1)
        np.divide(total, held, out=result[:, k], where=held > 0)
    return result


def judge(panel: bt.Panel, scores: Floats, labels: Floats, rows: np.ndarray, split: int) -> Judged:
    """Everything that is told of scores; `rows` are the test rows with labels, the first `split` of them in sample."""
    strategy = strategies.RankedLongShort(SIDE, SIDE, min_names=LEAST)
    runs = [bt.run(panel, strategy, scores=scores, costs=costs, risk=None) for costs in (None, bt.Costs())]
    after = rows + 1  # what was decided at a close is bought in the next session
    returns = [run.returns.to_numpy()[after] for run in runs]
    held = runs[0].positions.to_numpy()[after]
    ic, fifths = bt.rank_ic(scores[rows], labels), quintiles(scores[rows], labels)
    days = {"in": slice(0, split), "out": slice(split, None), "all": slice(None)}
    spans = {
        name: Span(ic[part], 1e4 * fifths[part].mean(axis=0), tuple(sharpe_ratio(one[part]) for one in returns))
        for name, part in days.items()
    }
    names = int(min((held > 0).sum(axis=1).min(), (held < 0).sum(axis=1).min()))
    return Judged(spans, tuple(returns), names, scores)


def measure(panel: bt.Panel, choices: Choices, epochs: int, count: int = FOLDS, keep: Path | None = None) -> Found:
    """Train the grid, and judge both choices.

    Args:
        panel: the market.
        choices: the grid.
        epochs: of every network.
        count: folds, the last ones of 12; two thirds of them are in sample.
        keep: folder of checkpoints, to go on from; None: none are kept.
    """
    signal, configs = grid(choices, epochs), choices.named()
    folds = folds_of(len(panel.dates), signal.warmup, count)
    ordered: list[dict[str, float]] = []  # of each fold, the IC on its own tail by name, the best first

    def note(fold: Any, fitted: bt.Signal) -> None:
        ordered.append(dict(fitted.chosen))

    begun = time.perf_counter()
    found = bt.walk_forward(panel, signal, folds, progress=tell, on_fit=note, checkpoints=keep)
    seconds = time.perf_counter() - begun
    tests = [fold.test for fold in folds.split(len(panel.dates), signal.horizon, signal.warmup)]
    all_rows = np.concatenate(tests)
    rows = all_rows[all_rows < len(panel.dates) - 2]  # of the last two, no label is known
    split = len(np.concatenate(tests[: count * IN_SAMPLE // FOLDS]))
    labels = bt.labels(panel, rows)

    members = np.stack([found.members[name] for name in configs])  # (C, T, N)
    ic = np.stack([bt.rank_ic(one[rows], labels) for one in members])
    best = sorted(range(len(configs)), key=lambda c: -np.median(ic[c, :split]))
    places = {name: c for c, name in enumerate(configs)}
    chosen = [[places[name] for name in one][:3] for one in ordered]
    valid = np.array([[one[name] for name in configs] for one in ordered])
    honest = np.full(panel.shape, np.nan)
    for test, three in zip(tests, chosen, strict=True):
        honest[test] = members[three][:, test].mean(axis=0)
    return Found(
        configs, members, ic, valid, by_epoch(found, places, epochs), best, chosen,
        judge(panel, members[best[:3]].mean(axis=0), labels, rows, split), judge(panel, honest, labels, rows, split),
        panel.dates[rows], split, (count, folds.train, folds.test), seconds,
    )  # fmt: skip


def by_epoch(scores: bt.Scores, places: Mapping[str, int], epochs: int) -> Floats:
    """Rank IC on the watched rows, mean over folds: (C, epochs)."""
    total = np.zeros((len(places), epochs))
    for row in scores.learning:
        total[places[row["model"]], row["epoch"] - 1] += row["valid_ic"]
    return total / len(scores.folds)


def effects(found: Found) -> list[tuple[str, float, float]]:
    """What a setting adds to the daily IC beside the first of its kind: name, mean, and twice its standard error.

    The difference of a day is that of the means over all configurations with either; the days are taken as independent.
    """
    lines = []
    settings = list(found.configs.values())
    for place, word in ((2, "batch"), (0, "layers"), (1, "dropout")):
        levels = sorted({one[place] for one in settings})
        means = [found.ic[[one[place] == level for one in settings]].mean(axis=0) for level in levels]
        for level, mean in zip(levels[1:], means[1:], strict=True):
            difference = mean - means[0]
            error = difference.std(ddof=1) / np.sqrt(len(difference))
            shown = "-".join(map(str, level)) if isinstance(level, tuple) else f"{level:g}"
            lines.append((f"{word} {shown}", float(difference.mean()), 2 * float(error)))
    return lines


# What is told.

EFFECTS = {
    "batch 256": "+0.0014", "layers 32-16": "-0.0002", "layers 32-32": "-0.0002", "layers 64-32": "-0.0001",
    "dropout 0.1": "+0.0005", "dropout 0.2": "+0.0005",
}  # fmt: skip
SHARPE = {"in": "1.48", "out": "0.49", "all": "1.21"}


def report(found: Found) -> None:
    count, train, test = found.lengths
    spans = f"{found.dates[0]} to {found.dates[found.split - 1]}", f"{found.dates[found.split]} to {found.dates[-1]}"
    print(f"{count} folds of {train} sessions to train and {test} to test; in sample {spans[0]}, out {spans[1]}")
    table(found)
    lines = [
        common.Figure(f"effect on the daily IC: {name}", EFFECTS.get(name, "-"), f"{mean:+.4f} (+-{twice:.4f})")
        for name, mean, twice in effects(found)
    ]
    choices = (("best 3 on test folds", found.published, True), ("best 3 on own tails", found.honest, False))
    for name, judged, theirs in choices:
        for span, word in (("in", "in sample"), ("out", "out of sample"), ("all", "all")):
            lines += told(f"{name}, {word}", judged.spans[span], span if theirs else "")
        lines.append(common.Figure(f"{name}, fewest names a side", f"at least {LEAST}", str(judged.names)))
    common.show(f"Chapter 17 on S&P 500 stocks: {len(found.configs)} configurations", lines, SOURCE)
    print(
        '  "best 3 on test folds" has seen the test rows in sample, as the source has: no forecast of anything there.'
    )
    print('  "best 3 on own tails" is chosen in each fold before its first test row.')
    print(f"  Trained and scored in {found.seconds:.0f} s on {torch.get_num_threads()} core.")


def told(name: str, span: Span, published: str) -> list[common.Figure]:
    """The lines of one choice over one span; `published` names that of the source, "" is none."""
    mean, error = span.ic.mean(), span.ic.std(ddof=1) / np.sqrt(len(span.ic))
    whole = published == "all"
    spread = span.quintiles[4] - span.quintiles[0]
    return [
        common.Figure(
            f"{name}: mean daily IC", "0.020 (t 3.7)" if whole else "-", f"{mean:.4f} (t {mean / error:.1f})"
        ),
        common.Figure(f"{name}: quintile spread, bps a day", "9.67" if whole else "-", f"{spread:.2f}"),
        common.Figure(
            f"{name}: Sharpe before, after costs", SHARPE.get(published, "-"), "{:.2f}, {:.2f}".format(*span.sharpe)
        ),
    ]


def table(found: Found) -> None:
    """The best five by median daily IC in sample. The source names its first: layers 32-32, dropout 0.1, batch 64."""
    print(
        "Best five by median daily IC on the test folds in sample (published: 32-32, dropout 0.1, batch 64 comes first)"
    )
    print("  layers  dropout  batch  median IC in  mean IC in  mean IC out  IC on own tails")
    settings = list(found.configs.values())
    for c in found.best[:5]:
        hidden, dropout, batch = settings[c]
        inside, outside = found.ic[c, : found.split], found.ic[c, found.split :]
        print(
            f"  {'-'.join(map(str, hidden)):6}  {dropout:7g}  {batch:5}  {np.median(inside):12.4f}"
            f"  {inside.mean():10.4f}  {outside.mean():11.4f}  {found.valid[:, c].mean():15.4f}"
        )


def draw(plt: Any, found: Found, path: Path) -> None:
    rooms = [["learnt"] * 2 + ["effect"] * 2 + ["fifths"] * 2, ["money"] * 3 + ["rolling"] * 3]
    figure, axes = plt.subplot_mosaic(rooms, figsize=(14, 7.6), layout="constrained")
    ways = (
        (found.published, "best 3 on test folds", common.SECOND),
        (found.honest, "best 3 on own tails", common.FIRST),
    )
    draw_epochs(axes["learnt"], found.epochs, list(found.configs.values()))
    draw_effects(axes["effect"], effects(found))

    axis = axes["fifths"]
    for k, (judged, name, colour) in enumerate(ways):
        axis.bar(np.arange(1, 6) + 0.2 * (2 * k - 1), judged.spans["all"].quintiles, 0.38, color=colour, label=name)
    axis.axhline(0, color=common.INK, linewidth=0.8)
    axis.set(title="Quintiles by score, all test folds", xlabel="quintile", ylabel="return less the mean, bps a day")
    axis.legend()

    titles = (
        f"{SIDE} long, {SIDE} short, daily; grey: out of sample",
        f"Sharpe ratio of {ROLLING} sessions, before costs",
    )
    for room, title, level in zip(("money", "rolling"), titles, (1, 0), strict=True):
        axes[room].axvspan(found.dates[found.split], found.dates[-1], color="#f2f2f2")
        axes[room].axhline(level, color=common.FAINT, linewidth=1)
        axes[room].set(title=title)
        axes[room].tick_params(axis="x", rotation=30)
    for judged, name, colour in ways:
        for returns, style, word in zip(judged.returns, ("-", ":"), ("before", "after"), strict=True):
            label = f"{name}, {word} costs"
            axes["money"].plot(found.dates, np.cumprod(1 + returns), style, color=colour, label=label)
        windows = np.lib.stride_tricks.sliding_window_view(judged.returns[0], ROLLING)
        axes["rolling"].plot(
            found.dates[ROLLING - 1 :], [sharpe_ratio(one) for one in windows], color=colour, label=name
        )
    axes["money"].set(ylabel="equity")
    axes["money"].legend()
    figure.savefig(path)


def draw_effects(axis: Any, lines: list[tuple[str, float, float]]) -> None:
    """Each effect with two standard errors to either side."""
    across = np.arange(len(lines))
    means, errors = [mean for _, mean, _ in lines], [twice for *_, twice in lines]
    axis.axhline(0, color=common.FAINT, linewidth=1)
    axis.errorbar(across, means, errors, fmt="_", color=common.INK, capsize=3)
    axis.set_xticks(across, [name.replace(" ", "\n") for name, *_ in lines])
    axis.set(title="What a setting adds on the test folds, two standard errors", ylabel="daily IC")


def draw_epochs(axis: Any, curves: Floats, settings: list[tuple[tuple[int, ...], float, int]]) -> None:
    """A line for each layer sizes and batch, the mean over dropouts."""
    sizes, batches = sorted({one[0] for one in settings}), sorted({one[2] for one in settings})
    colours = (common.FIRST, common.SECOND, "#6a994e", "#7d5ba6")
    axis.axhline(0, color=common.FAINT, linewidth=1)
    for (size, colour), (batch, style) in itertools.product(
        zip(sizes, colours, strict=False), zip(batches, ("-", "--"), strict=False)
    ):
        mine = [one[0] == size and one[2] == batch for one in settings]
        mean = curves[mine].mean(axis=0)
        axis.plot(
            np.arange(1, len(mean) + 1), mean, style, color=colour, label=f"{'-'.join(map(str, size))}, batch {batch}"
        )
    axis.set(title="IC on the folds' own tails, mean over folds and dropouts", xlabel="epoch", ylabel="daily IC")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.legend(ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.15))


def main() -> None:
    parser = argparse.ArgumentParser(
        description="The published case 'chapter17': its figures beside ours, and a picture."
    )
    parser.add_argument("data", type=Path, nargs="?", default=DATA, help="folder of the S&P 500 data")
    parser.add_argument("--folds", type=int, default=FOLDS, choices=range(3, FOLDS + 1), help="the last so many of 12")
    parser.add_argument("--epochs", type=int, default=20, help="of every network")
    parser.add_argument("--slice", action="store_true", help="6 of the 24 configurations")
    parser.add_argument("--keep", type=Path, help="folder of checkpoints, to go on from")
    parser.add_argument("--out", type=Path, default=common.RESULTS, help="folder of the picture")
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = measure(load(given.data), SLICE if given.slice else Choices(), given.epochs, given.folds, given.keep)
    report(found)
    common.picture("chapter17", found, draw, given.out)


if __name__ == "__main__":
    main()
