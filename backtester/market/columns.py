"""Names: which column of a file or frame means what, and what a symbol may be called."""

from __future__ import annotations

import re
from collections.abc import Iterable

from backtester.errors import DataError, did_you_mean

# What the package calls a column, and the usual names for it once they are folded by `fold_name`, best first.
ALIASES: dict[str, tuple[str, ...]] = {
    "date": ("date", "day", "session", "datetime", "timestamp", "trade_date", "trading_date", "caldt", "time"),
    "symbol": ("symbol", "ticker", "sym", "tic", "instrument", "stock", "code", "permno", "name"),
    "open": ("open", "open_price"),
    "high": ("high", "high_price"),
    "low": ("low", "low_price"),
    "close": ("close", "close_price", "last", "price", "prc"),
    "volume": ("volume", "vol", "volume_shares", "shares_traded"),
    "split": ("split", "split_ratio", "stock_splits", "stock_split", "splits"),
    "dividend": ("dividend", "dividends", "cash_dividend"),
    "adj_close_vendor": ("adj_close_vendor", "adj_close", "adjclose", "adjusted_close", "close_adj"),
    "sector": ("sector", "gics_sector"),
    "start": ("start", "start_date", "from"),
    "end": ("end", "end_date", "to"),
    "delisting_return": ("delisting_return", "delist_return", "dlret"),
}
PRICES = ("open", "high", "low", "close")
BARS = (*PRICES, "volume")
# Names that an extra column cannot take, because a panel or a view already means something by them.
RESERVED = frozenset((*BARS, "date", "symbol", "adj_close", "returns", "tradable", "member", "split", "dividend"))


def fold_name(name: object) -> str:
    """Fold a column name: lower case, words joined by underscores (``<Adj Close>`` becomes ``adj_close``)."""
    return re.sub(r"[\s.\-]+", "_", str(name).lstrip("\ufeff").strip(" \t<>")).casefold()


def match_columns(
    names: Iterable[object], wanted: Iterable[str], required: Iterable[str], where: str
) -> dict[str, int]:
    """Find the columns that a table must or may have.

    Args:
        names: the table's own column names, in their order.
        wanted: the package's names (keys of `ALIASES`) to look for.
        required: those of them that must be there.
        where: the file or frame, for messages.

    Returns:
        The package's name -> position of the column, for those found.

    Raises:
        DataError: A required column is missing, or two columns have the same name.
    """
    own = [str(name) for name in names]
    at: dict[str, int] = {}
    for position, name in enumerate(own):
        folded = fold_name(name)
        if folded in at:
            first = own[at[folded]]
            alike = f"columns {first!r} and {name!r} have the same name but for case"
            found_twice = f"column {name!r} is there twice"
            raise DataError(f"{where}: {found_twice if first == name else alike}; rename one of them.")
        at[folded] = position
    found: dict[str, int] = {}
    for key in wanted:
        for alias in ALIASES[key]:
            if alias in at:
                found[key] = at[alias]
                break
    for key in required:
        if key not in found:
            raise DataError(
                f"{where}: no column {key!r} (the columns are {', '.join(own) or 'none'})."
                f"{did_you_mean(key, own)} Names that are understood, in any case: {', '.join(ALIASES[key])}."
            )
    return found


def check_symbols(symbols: Iterable[object], where: str) -> list[str]:
    """Return the symbols as a list of text.

    Raises:
        DataError: A symbol is empty, or is no text but a missing value or a number, as readers that guess leave it.
    """
    listed = list(symbols)
    for symbol in listed:
        if not isinstance(symbol, str):
            raise DataError(
                f"{where}: symbol {symbol!r} is not text but {type(symbol).__name__}. Read symbols as text, "
                "for example pandas.read_csv(..., dtype={'symbol': str}, keep_default_na=False)."
            )
        if not symbol.strip():
            raise DataError(f"{where}: a symbol is empty; give every row a symbol or leave the row out.")
    return [str(symbol) for symbol in listed]
