"""Files of weights: safetensors with a JSON note, written whole or not at all, and refused when they do not fit."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
from safetensors.torch import save_file
from torch import Tensor

import backtester as bt
from backtester.errors import did_you_mean

_NOTE = "backtester.network"
FORMAT = 1


def write(path: Path, tensors: Mapping[str, Tensor], note: Mapping[str, Any]) -> None:
    """Write tensors and a note of plain JSON data in place of what is there.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.new")
    text = json.dumps({"format": FORMAT, **note}, allow_nan=False)
    try:
        save_file({name: one.detach().cpu().contiguous() for name, one in tensors.items()}, fresh, {_NOTE: text})
        fresh.replace(path)
    except safetensors.SafetensorError as error:
        raise OSError(str(error)) from error
    finally:
        fresh.unlink(missing_ok=True)


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a file, on the CPU, and its note.

    Raises:
        DataError: there is no such file, it is damaged or cut short, or it is none of ours.
    """
    file = Path(path)
    if not file.is_file():
        near = (one.name for one in file.parent.glob("*.safetensors")) if file.parent.is_dir() else ()
        raise bt.DataError(f"Cannot read the weights {file}: there is no such file.{did_you_mean(file.name, near)}")
    try:
        with safetensors.safe_open(file, framework="pt") as opened:
            note = json.loads((opened.metadata() or {}).get(_NOTE, "null"))
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - no mapping
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise bt.DataError(
            f"Cannot read the weights {file}: the file is damaged or cut short ({error}). Take another copy, or train "
            "again."
        ) from error
    if not isinstance(note, dict) or note.get("format") != FORMAT:
        raise bt.DataError(f"The weights {file} were not written by this package, or by another version of it.")
    return tensors, note
