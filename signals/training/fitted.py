"""What has been learnt in a fold: the networks that score, and all that is needed to ask them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import backtester as bt
from signals.networks import Shape, build
from signals.scaling import Scale
from signals.training import checkpoint
from signals.training.trail import Trail, from_file, to_note, to_tensors

_WEIGHTS = "weights/"
_SHIFT, _FACTOR = "scale/shift", "scale/factor"


@dataclass(frozen=True)
class Fitted:
    """Networks of one shape that were fitted on the same rows.

    Attributes:
        shape: of each.
        state: name -> (K, ...) weights of the K members, on the CPU.
        members: their names, such as ``seed 0``.
        inputs: the names of the inputs, in their order.
        scale: of the inputs.
        unit: scores are multiplied by it, to be in the unit of the labels.
        span: first and last training session.
        curve: rows of the learning curves, as `bt.Signal.learning` tells them.
        trail: the weights of every epoch in which a member became better; None: they were not asked for.
    """

    shape: Shape
    state: dict[str, Tensor]
    members: tuple[str, ...]
    inputs: tuple[str, ...]
    scale: Scale
    unit: float
    span: tuple[str, str]
    curve: tuple[dict[str, Any], ...]
    trail: Trail | None = None

    def save(self, path: Path, settings: Mapping[str, Any] | None = None) -> None:
        """Write everything to a safetensors file; ``settings``, plain data, are those that `load` is to hold it to."""
        tensors = {_WEIGHTS + name: one for name, one in self.state.items()}
        tensors[_SHIFT], tensors[_FACTOR] = torch.from_numpy(self.scale.shift), torch.from_numpy(self.scale.factor)
        note = {key: getattr(self, key) for key in ("members", "inputs", "unit", "span", "curve")}
        if self.trail is not None:
            tensors |= to_tensors(self.trail)
            note["trail"] = to_note(self.trail)
        checkpoint.write(path, tensors, {**note, "shape": told(self.shape), "settings": dict(settings or {})})


def member_name(seed: int) -> str:
    """What the network of a seed is called."""
    return f"seed {seed}"


def told(shape: Shape) -> dict[str, Any]:
    """A shape as plain JSON data."""
    fields = {key: value for key, value in vars(shape).items() if not callable(value)}
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in fields.items()}
    return {"kind": type(shape).__name__, **plain}


def load(path: str | Path, shape: Shape, inputs: tuple[str, ...], settings: Mapping[str, Any] | None = None) -> Fitted:
    """Read what `Fitted.save` wrote, for networks of this shape with these inputs.

    Args:
        path: of the file.
        shape: of the networks.
        inputs: their names, in order.
        settings: what else has to be as it was; what the file does not say is not asked for.

    Raises:
        DataError: the file is damaged, or of another architecture, inputs or settings; the message names what differs.
    """
    tensors, note = checkpoint.read(path)
    try:
        _check_same(path, "are of another architecture", _in_words(note["shape"]), _in_words(told(shape)))
        if tuple(note["inputs"]) != inputs:
            differing = sorted(set(note["inputs"]) ^ set(inputs)) or ["their order"]
            raise bt.DataError(f"The weights {path} were trained on other inputs: {', '.join(differing)} differs.")
        known = note.get("settings", {})
        asked = {key: value for key, value in (settings or {}).items() if key in known}
        _check_same(path, "were trained with another setting", {key: known[key] for key in asked}, asked)
        state = {name.removeprefix(_WEIGHTS): one for name, one in tensors.items() if name.startswith(_WEIGHTS)}
        if note["members"]:  # else the training failed, and there are no weights
            of_one = build(shape, 1, [0], [0.0]).state()
            here = {name: (len(note["members"]), *one.shape[1:]) for name, one in of_one.items()}
            there = {name: tuple(one.shape) for name, one in state.items()}
            _check_same(path, "are of another architecture", there, here)
        found = Fitted(
            shape,
            state,
            tuple(note["members"]),
            inputs,
            Scale(tensors[_SHIFT].numpy().astype(np.float64), tensors[_FACTOR].numpy().astype(np.float64)),
            float(note["unit"]),
            (note["span"][0], note["span"][1]),
            tuple(note["curve"]),
            from_file(tensors, note["trail"]) if "trail" in note else None,
        )
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise bt.DataError(f"The weights {path} lack something: {error}. Train again.") from error
    return found


def _in_words(shape: Mapping[str, Any]) -> dict[str, Any]:
    """What `told` tells, with the kind as users know it: ``LSTM`` for a recurrent network of such cells."""
    rest = {key: value for key, value in shape.items() if key not in ("kind", "cell")}
    return {"kind": shape["cell"].upper() if "cell" in shape else shape["kind"].removesuffix("Shape"), **rest}


def _check_same(path: str | Path, what: str, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    for key in [*here, *(there.keys() - here.keys())]:
        if there.get(key) != here.get(key):
            raise bt.DataError(
                f"The weights {path} {what}: {key} is {there.get(key)!r} there and {here.get(key)!r} here. Use the "
                "settings that they were trained with."
            )


def replaced(one: Fitted, **changes: Any) -> Fitted:
    """A copy with some attributes changed."""
    return dataclasses.replace(one, **changes)
