"""How far a long piece of work has come: drawn on a terminal, silent in a pipe."""

from __future__ import annotations

import io
import time

import pytest

import backtester as bt
import strategies
from backtester.cli.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nothing_is_drawn_in_a_pipe() -> None:
    pipe = io.StringIO()
    with progress(after=0.0, stream=pipe) as tell:
        assert tell is None
    assert pipe.getvalue() == ""


def seen(terminal: Terminal, word: str) -> bool:
    """Whether a word is drawn within a while: drawing begins in a thread of its own."""
    return any(word in terminal.getvalue() or time.sleep(0.01) for _ in range(3000))


def test_a_terminal_shows_what_is_done_and_is_left_clean() -> None:
    terminal = Terminal()
    with progress(after=0.0, stream=terminal) as tell:
        assert tell is not None
        tell("reading", 1, 4)
        tell("checking", 0, 0)
        assert seen(terminal, "checking")
        tell("reading", 4, 4)
        assert seen(terminal, "100%")
    drawn = terminal.getvalue()
    assert "reading" in drawn
    assert "checking" in drawn
    assert "100%" in drawn
    assert drawn.rstrip().endswith("\x1b[2K")  # wiped


def test_it_draws_while_nothing_is_told() -> None:
    """As while the engine compiles."""
    terminal = Terminal()
    with progress(after=0.05, stream=terminal) as tell:
        assert tell is not None
        tell("compiling", 0, 0)
        assert seen(terminal, "compiling")


def test_nothing_is_drawn_of_what_is_over_at_once() -> None:
    terminal = Terminal()
    with progress(after=3600.0, stream=terminal) as tell:
        assert tell is not None
        tell("reading", 4, 4)
    assert terminal.getvalue() == ""


def test_a_drawing_is_wiped_when_the_work_fails() -> None:
    terminal = Terminal()

    def work() -> None:
        with progress(after=0.0, stream=terminal) as tell:
            assert tell is not None
            tell("reading", 1, 4)
            assert seen(terminal, "reading")
            raise KeyError("reading")

    with pytest.raises(KeyError):
        work()
    assert terminal.getvalue().rstrip().endswith("\x1b[2K")


def test_a_run_in_pieces_is_the_run_in_one() -> None:
    market = bt.synthetic(10, 600, 3)
    told: list[tuple[str, int, int]] = []
    for strategy in (strategies.RankedLongShort(2, 2), strategies.Reversal(long=2, short=2)):
        told.clear()
        whole = bt.run(market.panel, strategy, scores=market.score)
        pieces = bt.run(market.panel, strategy, scores=market.score, progress=lambda *done: told.append(done))
        assert pieces == whole
        assert told == [("running", 256, 600), ("running", 512, 600)]
