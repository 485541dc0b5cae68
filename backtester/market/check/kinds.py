"""Every kind of problem that a check knows: how grave it is, what it means, and what to do about it.

An *error* makes profits and losses that nobody could have had, or says that something was lost that a run depends on.
A *warning* is something missing or unlikely, which is true often enough to be looked at and not mended blindly.
A *note* is harmless in most uses.
"""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """What is said of a kind of problem."""

    severity: str
    unit: str  # plural of what is counted
    explanation: str
    advice: str


_MEND = "Mend the rows in the source file and import again"
_SPLITS = "`data import ... --actions FILE` (date, symbol, split, dividend)"

# In the order of the report within each severity.
KINDS: dict[str, Kind] = {
    # What an import set aside.
    "conflicting_rows": Kind(
        "error",
        "rows",
        "Several rows of one date and symbol say different things. Nobody knows which is right, so all of them were "
        "set aside, and the dataset has no bar there.",
        "Keep the right row of each in the source file and import again; all of them stand in quarantine.csv. Two "
        "listings under one symbol need two symbols.",
    ),
    "unusable_entries": Kind(
        "error",
        "rows",
        "Rows of actions, endings or members could not be used. A run would go on as if they did not exist.",
        f"{_MEND}; each row stands in quarantine.csv with its reason.",
    ),
    # What is not there at all, or there twice.
    "absent_close": Kind(
        "error",
        "columns",
        "No bar has a close: nothing can be valued, ranked or sized.",
        "Look whether the column goes by a name that the import did not recognise, and import again.",
    ),
    "copied_session": Kind(
        "error",
        "sessions",
        "Many bars, or all, say what they said the session before, volume included: they were copied. A strategy that "
        "decides on the first would be filled at an open that it has seen.",
        "If it was a holiday, remove the rows of that date from the source file; otherwise fetch that day again, or "
        "remove the copies (a gap, which a backtest survives). Then import again.",
    ),
    # Prices that move as no market does.
    "bad_tick": Kind(
        "error",
        "prices",
        "A price that is far from its neighbours on both sides, on a day of ordinary volume: most likely a wrong "
        "number. A strategy would trade on a gain or a loss that nobody could have had.",
        "Compare with another source. If it is wrong, correct it in the source file, or leave the row out (the day is "
        "then a gap, which a backtest survives), and import again.",
    ),
    "unadjusted_split": Kind(
        "error",
        "jumps",
        "A price jumped overnight by close to a neat ratio, stayed there, and volume did not explode: most likely a "
        "split that is not listed, which a backtest takes for a gain or a loss.",
        f"Prices as traded: add a row with the suggested split to {_SPLITS}. Prices adjusted for splits: divide what "
        "is before the date by the suggested split (and multiply volume), or ask the vendor.",
    ),
    "wrong_split": Kind(
        "error",
        "splits",
        "A split is listed, but the price does not move by its ratio on that date, so holders would win or lose shares "
        "for nothing.",
        "Compare ratio (shares after / shares before) and ex-date with another source, and correct or remove the row "
        "in the file of actions. A spin-off is a dividend in kind, not a split.",
    ),
    "wrong_dividend": Kind(
        "error",
        "dividends",
        "A dividend of more than a tenth of the price, of which the price shows less than half. Holders would be paid "
        "money that nobody received.",
        "Check the amount (cents for dollars, not adjusted for a split, another currency) and the ex-date, and correct "
        "or remove the row in the file of actions.",
    ),
    "absurd_return": Kind(
        "error",
        "returns",
        "The price rose tenfold or fell to a tenth in one session, and it is no neat split. Most often two "
        "securities share a symbol, or prices of a shell stand among those of a share.",
        "Look at the symbol's bars on both sides. Give the second security a symbol of its own, leave the rows of the "
        "wrong one out, or list the missing split.",
    ),
    # What is incomplete or unlikely.
    "absent_open": Kind(
        "warning",
        "columns",
        "No bar has an open: an order for the open never fills.",
        'Run with fills at the close (fill = "close"), or look whether the column goes by a name that the import did '
        "not recognise.",
    ),
    "absent_volume": Kind(
        "warning",
        "columns",
        "No bar has a volume above zero: no symbol is tradable on any day, so nothing is ranked or bought.",
        "Give volumes, or state one for all bars with `data import ... --assume-volume SHARES`.",
    ),
    "same_bars": Kind(
        "warning",
        "pairs",
        "Two symbols have the same opens, closes and volumes: one security under two names, which counts twice in "
        "every rank, weight and limit.",
        "Leave one of them out of the source file; after a change of ticker, keep one symbol for both times.",
    ),
    "extreme_return": Kind(
        "warning",
        "returns",
        "A total return above 100 % or below -60 % in one session. Such days exist (trial results, bids), but one of "
        "them can make a whole backtest.",
        "Compare the largest with another source, and see how much of a result hangs on them.",
    ),
    "unexplained_jump": Kind(
        "warning",
        "jumps",
        "A price opened far from its last close and stayed there, while trading was ordinary and the symbol had been "
        "calm. No neat ratio: most likely a spin-off, a special dividend or a merger that is not listed.",
        "If holders were given something, list its worth per share as a dividend on that date in the file of actions "
        "(prices as traded or adjusted for splits). Otherwise leave it.",
    ),
    "wild_session": Kind(
        "warning",
        "sessions",
        "Many symbols spike and revert in the same session. Each alone would be called a bad tick; together they are a "
        "disorderly market, or a bad day of the vendor.",
        "Compare a few with another source. If the market was disorderly, expect fills at such opens to be optimistic.",
    ),
    "outside_range": Kind(
        "warning",
        "bars",
        "The high is below, or the low above, a price of the same bar. At least one of the numbers is wrong.",
        "Compare the worst with another source. Orders at the open or the close use open and close alone, so small "
        "differences do little harm.",
    ),
    "far_range": Kind(
        "warning",
        "bars",
        "The high is more than twice, or the low less than half, of every other price of the bar.",
        "Compare with another source; most likely a slip of the vendor in this one number.",
    ),
    "missing_close": Kind(
        "warning",
        "bars",
        "The bar has other numbers but no close: the position keeps its last mark, and the symbol cannot be ranked.",
        f"{_MEND}, if another source knows them.",
    ),
    "missing_open": Kind(
        "warning",
        "bars",
        "The bar has a close but no open: orders for the open of that session wait for the next one.",
        f"{_MEND}, if another source knows them; a few do no harm.",
    ),
    "missing_volume": Kind(
        "warning",
        "bars",
        "The bar has a close but no volume: the symbol counts as not tradable on that day.",
        f"{_MEND}, if another source knows them.",
    ),
    "unparsable": Kind(
        "warning",
        "rows",
        "Rows of bars with a field that is no number or no date, or that is missing. They were set aside; the dataset "
        "has no bar there.",
        f"{_MEND}; each row stands in quarantine.csv with its reason.",
    ),
    "not_positive": Kind(
        "warning",
        "rows",
        "Rows of bars with a price that is zero or negative, a negative volume or an infinite number. They were set "
        "aside; the dataset has no bar there.",
        "Zeros usually mean that nothing was traded: leave such rows out of the source file. Otherwise mend them and "
        "import again.",
    ),
    "unusable_extras": Kind(
        "warning",
        "rows",
        "Rows of sectors or of extra columns could not be used: nothing is known there.",
        f"{_MEND}; each row stands in quarantine.csv with its reason.",
    ),
    "thin_session": Kind(
        "warning",
        "sessions",
        "Almost nothing traded on a day that is in the files: usually a holiday on which stray rows were written.",
        "Remove the rows of that date from the source file and import again, or every strategy counts a session more.",
    ),
    "patchy_session": Kind(
        "warning",
        "sessions",
        "A session on which many symbols have no bar though they have one before and after.",
        "Fetch that day again: most likely a file was incomplete.",
    ),
    "long_gap": Kind(
        "warning",
        "gaps",
        "A symbol has no bar in 5 or more sessions in a row on which others traded. A position would stay at its last "
        "price throughout.",
        "If it was halted, leave it. If the ticker went to another company, give the second one a symbol of its own. "
        "Otherwise fetch the missing days.",
    ),
    "stale_price": Kind(
        "warning",
        "runs",
        "One price stands still over many sessions: filled in where nothing was traded, or not traded at all.",
        "Leave rows that were filled in out of the source file, so that they are gaps; or keep such symbols out of the "
        "universe by their volume.",
    ),
    "inferred_end": Kind(
        "warning",
        "symbols",
        "A symbol stops before the files do. Its end was inferred, so a position is settled at its last close, which "
        "flatters those that went under and says nothing of a bid.",
        "Give the endings that you know with `data import ... --ends FILE` (symbol, end, delisting_return).",
    ),
    "no_end": Kind(
        "warning",
        "symbols",
        "A symbol has no bar in the last 5 or more sessions and no ending: a position in it would never be closed.",
        "Give it an end (`--ends FILE`: symbol, end, delisting_return), or fetch its missing bars.",
    ),
    "late_end": Kind(
        "warning",
        "symbols",
        "The ending of a symbol is dated 5 or more sessions after its last bar.",
        "Correct the end in the file of endings, or fetch the bars in between.",
    ),
    "empty_symbol": Kind(
        "warning",
        "symbols",
        "A symbol has no bar at all.",
        "Leave it out, or fetch its bars.",
    ),
    "member_without_bar": Kind(
        "warning",
        "symbols",
        "A symbol is listed as a member of the universe on sessions before its first bar or after its last.",
        "Fetch those bars, or correct the file of members: prices are missing exactly where a backtest needs them.",
    ),
    "unpriced_member": Kind(
        "warning",
        "symbols",
        "The file of members names symbols that have no bars at all. Those that left the universe are missing most "
        "often, so what remains did better than the universe (survivorship bias).",
        "Fetch their bars, or check whether they go by another symbol. Otherwise read results as too good.",
    ),
    "missing_session": Kind(
        "warning",
        "sessions",
        "The exchange was open, but no symbol has a bar.",
        "Fetch that day, or name the right exchange.",
    ),
    "extra_session": Kind(
        "warning",
        "sessions",
        "There are bars on a day on which the exchange was closed.",
        "Remove the rows of that date, or name the right exchange; dates that are shifted by a day come from a wrong "
        "time zone.",
    ),
    "weekend_session": Kind(
        "warning",
        "sessions",
        "A few sessions are on a Saturday or Sunday, unlike the rest.",
        "Remove the rows of that date; dates that are shifted by a day come from a wrong time zone.",
    ),
    "session_hole": Kind(
        "warning",
        "holes",
        "More than 11 calendar days without any session: longer than any exchange's usual holidays.",
        "Fetch the days between; name the exchange to see which are missing (`data check DIR --exchange XNYS`). Where "
        "a date looks wrong, correct or remove its rows in the source file.",
    ),
    # What is good to know.
    "missing_bars": Kind(
        "note",
        "gaps",
        "A symbol has no bar in fewer than 5 sessions in a row on which others traded.",
        "Nothing: positions keep their last mark, and orders wait.",
    ),
    "missing_high_low": Kind(
        "note",
        "bars",
        "The bar has a close but no high or no low.",
        "Nothing, as long as no strategy uses highs and lows.",
    ),
    "absent_column": Kind(
        "note",
        "columns",
        "A column is not known for any bar: a high or a low, or what the import was told that the files do not have.",
        'Nothing for highs and lows. Without opens run with fills at the close (fill = "close"); without volumes no '
        "symbol is tradable.",
    ),
    "zero_volume": Kind(
        "note",
        "bars",
        "A bar with a volume of zero: nobody traded at its prices, and no order is filled in it.",
        "Nothing; if there are many of one symbol, keep it out of the universe.",
    ),
    "repeated_rows": Kind(
        "note",
        "rows",
        "The same row again, word for word. The first was kept.",
        "Nothing; but see whether the same file was given twice.",
    ),
    "entries_without_bars": Kind(
        "note",
        "rows",
        "Rows of actions or endings name symbols without bars and were left out.",
        "Nothing, unless a symbol is written differently in the two files.",
    ),
    "action_without_bar": Kind(
        "note",
        "actions",
        "A split or dividend is dated on a session on which its symbol has no bar. It acts all the same.",
        "Nothing, unless its date is wrong.",
    ),
    "quiet_end": Kind(
        "note",
        "symbols",
        "A symbol has no bar in the last 1 to 4 sessions, too few to infer an end.",
        "Nothing; with the next data it will be seen whether it has ended.",
    ),
    "late_listing": Kind(
        "note",
        "symbols",
        "The first bar of a symbol comes after the first session.",
        "Nothing, if it was listed then. Otherwise its earlier bars are missing, often under an older symbol.",
    ),
    "never_member": Kind(
        "note",
        "symbols",
        "A symbol has bars, but the file of members does not make it one on any session, so no strategy trades it.",
        "Nothing, unless it is written differently in the two files.",
    ),
}
