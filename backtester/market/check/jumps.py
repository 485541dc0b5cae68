"""What large moves are: bad ticks, splits that are not listed, spin-offs, returns that cannot be, days gone wild."""

from __future__ import annotations

import numpy as np

from backtester.market.actions import Floats, Ints
from backtester.market.check.collect import Places
from backtester.market.check.listed import without_listed
from backtester.market.check.moves import LOOK, Mask, Moves, earlier, large_moves, later
from backtester.market.panel import Panel

# A price that spikes moved by more than LOOK, this many of the symbol's own standard deviations,
SPIKE_SIGMAS = 8.0
# and this many of the spread of all symbols in that session, off their median;
SPIKE_SPREADS = 8.0
# what is left of the move after at most SPIKE_SESSIONS sessions is less than this share of it;
SPIKE_LEFT = 0.2
SPIKE_SESSIONS = 5
# and the session was at most this busy (1: as the 20 before), unless the move is beyond SPIKE_SURE.
QUIET = 4.0
SPIKE_SURE = np.log(4.0)
# If this share of the symbols with a bar, at least WILD_SYMBOLS, spikes in one session, it is the session that is wild.
WILD = 0.05
WILD_SYMBOLS = 6

# A jump of the price that is no spike: more than this,
JUMP = 0.15
# so many of the symbol's own standard deviations, and of the spread of all symbols,
JUMP_SIGMAS = 8.0
JUMP_SPREADS = 8.0
# made overnight but for this share of it; still there in the next session but for the same share; and not back to where
# the price was in the sessions before (SPIKE_SESSIONS of them), but for the same share.
JUMP_DAYTIME = 0.35
# It is at most this busy; upwards, where a jump on ordinary volume is rarer, this.
QUIET_DOWN = 3.8
QUIET_UP = 2.3

# Ratios of splits, shares after / shares before, and their reciprocals. Smaller ones look like spin-offs and news.
NEAT = (1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 100.0)
# The nearer of open and close is off the ratio by at most so many standard deviations, within these bounds and less
# than this share of the logarithm of the ratio (2.4 % for 3:2, 4.2 % for 2:1),
NEAT_SIGMAS = 2.0
NEAT_LEAST, NEAT_MOST = 0.025, 0.12
NEAT_SHARE = 0.06
# and the other by at most so many times that. A reverse split leaves fewer shares: no more than so many times the usual
# money may have been traded.
NEAT_OTHER = 2.0
REVERSE_MONEY = 15.0

# Factor of a return that is absurd either way, and bounds of one that is extreme.
ABSURD = 10.0
EXTREME_UP, EXTREME_DOWN = 2.0, 0.4


KINDS = ("bad_tick", "wild_session", "unadjusted_split", "absurd_return", "unexplained_jump", "extreme_return")


def check_moves(panel: Panel, wrong: Mask, in_row: Ints, keep: int) -> dict[str, Places]:
    """Say what each large move of a panel is; every one is at most one thing.

    Args:
        panel: the panel.
        wrong: ``(A,)`` actions that are wrong; the moves that they make are theirs and nothing else.
        in_row: ``(T,)`` bars in each session.
        keep: examples to keep of each kind.

    Returns:
        Places of `KINDS`.
    """
    n = len(panel.symbols)
    out = {kind: Places(n, keep) for kind in KINDS}
    until = np.full(n, -1)  # the last row that a spike of the symbol explains
    for moves in large_moves(panel):
        moves = without_listed(moves, panel, wrong)
        if len(moves):
            after = later(panel, moves, SPIKE_SESSIONS)
            left = ~_spikes(panel, moves, after, until, in_row, out) & np.isfinite(moves.close)
            _sort(panel, moves.only(left), after[left], out)
    return out


def _sort(panel: Panel, moves: Moves, after: Floats, out: dict[str, Places]) -> None:
    """Moves that are no spikes."""
    jump = _is_jump(moves, after, earlier(panel, moves, SPIKE_SESSIONS))
    ratio = np.where(jump, _neat(moves), np.nan)
    split = np.isfinite(ratio)
    size = np.abs(moves.close)
    absurd = ~split & (size >= np.log(ABSURD))
    unexplained = jump & ~split & ~absurd
    extreme = ~split & ~absurd & ~unexplained
    extreme &= (moves.close > np.log(EXTREME_UP)) | (moves.close < np.log(EXTREME_DOWN))
    for kind, which in (
        ("unadjusted_split", split),
        ("absurd_return", absurd),
        ("unexplained_jump", unexplained),
        ("extreme_return", extreme),
    ):
        some = np.flatnonzero(which)
        row, col = moves.row[some], moves.col[some]
        facts = {name: getattr(moves, name)[some] for name in ("before", "base", "busy")}
        out[kind].add(row, col, size[some], close=panel.close[row, col], ratio=ratio[some], **facts)


def _spikes(panel: Panel, moves: Moves, after: Floats, until: Ints, in_row: Ints, out: dict[str, Places]) -> Mask:
    """Find spikes of closes and of opens; which moves they explain. Moves `until` on."""
    explained = moves.row <= until[moves.col]  # by a spike of the batch before
    length = _revert(moves.close, after)
    close = (length > 0) & _stands_out(moves.close, moves.close_all, moves.close_spread, moves)
    # In one symbol a spike takes its way back with it, so that what lies between two spikes is not a third.
    for k in np.flatnonzero(close):
        col = moves.col[k]
        if moves.row[k] <= until[col]:
            close[k] = False
            continue
        until[col] = moves.row[k] + length[k]
        explained |= (moves.col == col) & (moves.row >= moves.row[k]) & (moves.row <= until[col])
    # An open that the close takes back.
    day = moves.close - moves.open
    back = np.abs(moves.close) <= SPIKE_LEFT * np.abs(moves.open)
    opened = back & (np.abs(day) > LOOK) & _stands_out(moves.open, moves.open_all, moves.open_spread, moves)
    opened &= ~explained

    spikes = np.bincount(moves.row[close | opened], minlength=len(in_row))
    wild = spikes >= np.maximum(WILD_SYMBOLS, WILD * in_row)
    rows = np.flatnonzero(wild)
    out["wild_session"].add(
        rows, np.zeros_like(rows), spikes[rows].astype(float), spikes=spikes[rows], bars=in_row[rows]
    )
    for is_open, which, size in ((False, close, moves.close), (True, opened, moves.open)):
        some = np.flatnonzero(which & ~wild[moves.row])
        lasts = np.ones(len(some), dtype=np.int64) if is_open else length[some]
        row, col = moves.row[some], moves.col[some]
        out["bad_tick"].add(row, col, np.abs(size[some]), is_open=is_open, base=moves.base[some], length=lasts)
    return explained | opened


def _revert(move: Floats, after: Floats) -> Ints:
    """After how many sessions a price is back where it came from, having stayed away until then; 0: it does not."""
    length = np.zeros(len(move), dtype=np.int64)
    away = np.isfinite(move)
    allowed = SPIKE_LEFT * np.abs(move)
    for k in range(after.shape[1]):
        now = after[:, k]
        back = away & (np.abs(now) <= allowed)
        length[back] = k + 1
        away &= ~back & (np.isnan(now) | (np.abs(now - move) <= allowed))
    return length


def _stands_out(move: Floats, everyone: Floats, spread: Floats, moves: Moves) -> Mask:
    """Whether moves are large for the symbol and for the session, without the volume of news."""
    size, own = np.abs(move), np.abs(move - everyone)
    large = (size > LOOK) & (own > SPIKE_SIGMAS * moves.volatility) & (own > SPIKE_SPREADS * spread)
    busy = (moves.busy > QUIET) & (size < SPIKE_SURE)
    out: Mask = large & ~busy
    return out


def _is_jump(moves: Moves, after: Floats, ago: Floats) -> Mask:
    """Whether moves happened overnight, lasted, and were neither usual for the symbol nor met with volume."""
    size = np.abs(moves.close)
    own = np.abs(moves.close - moves.close_all)
    large = (size > JUMP) & (own > JUMP_SIGMAS * moves.volatility) & (own > JUMP_SPREADS * moves.close_spread)
    day = np.abs(moves.close - moves.open)
    overnight = np.isnan(day) | (day <= np.maximum(JUMP_DAYTIME * size, 2 * moves.volatility))
    next_one = after[np.arange(len(after)), np.isfinite(after).argmax(axis=1)] if len(after) else size
    lasting = np.isnan(next_one) | (np.abs(next_one - moves.close) <= JUMP_DAYTIME * size)
    new = ~(np.abs(ago - moves.close[:, None]) <= JUMP_DAYTIME * size[:, None]).any(axis=1)
    quiet = ~(moves.busy > np.where(moves.close > 0, QUIET_UP, QUIET_DOWN))
    return large & overnight & lasting & new & quiet


def _neat(moves: Moves) -> Floats:
    """The nearest ratio of a split (shares after / shares before); NaN where none is near."""
    logs = np.log(np.array(NEAT))
    logs = np.sort(np.r_[-logs, logs])
    tolerance = np.clip(NEAT_SIGMAS * moves.volatility, NEAT_LEAST, NEAT_MOST)
    best, ratio = np.full(len(moves), np.nan), np.full(len(moves), np.nan)
    for value in logs:
        # A split of r takes the price down by log r.
        off_close, off_open = np.abs(moves.close + value), np.abs(moves.open + value)
        near, far = np.fmin(off_close, off_open), np.fmax(off_close, off_open)
        within = np.minimum(tolerance, NEAT_SHARE * abs(value))
        fits = (near <= within) & (far <= NEAT_OTHER * within) & ~(near >= best)
        if value < 0:
            fits &= ~(moves.busy > REVERSE_MONEY * np.exp(value))
        best[fits], ratio[fits] = near[fits], np.exp(value)
    return ratio
