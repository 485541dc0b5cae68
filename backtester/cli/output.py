"""Standard output for programs: JSON that any reader takes."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import typer


def print_json(data: Any) -> None:
    """Print plain data as JSON; see :func:`to_plain` for what becomes of the rest."""
    typer.echo(json.dumps(to_plain(data), indent=1, allow_nan=False))


def to_plain(value: Any) -> Any:
    """Data that JSON can hold: NaN and infinities as None, NumPy numbers as Python's, dates as ISO text."""
    if isinstance(value, Mapping):
        return {str(key): to_plain(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray):
        return [to_plain(entry) for entry in value]
    if isinstance(value, list | tuple):
        return [to_plain(entry) for entry in value]
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
