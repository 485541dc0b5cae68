"""Where the work is done, said in one line."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import sys

import torch

import backtester as bt
from backtester.errors import did_you_mean

DEVICES = ("auto", "cpu", "cuda", "mps")
log = logging.getLogger("signals")
# Of glibc's mallopt(3): from how many free bytes on memory goes back to the system, and from how many it comes from it.
_TRIM, _MAP, _BYTES = -1, -3, 1 << 30


def check_device(device: str) -> None:
    """Raise ConfigError unless the name is known; whether it is there is asked when it is needed."""
    if device not in DEVICES:
        hint = did_you_mean(str(device), DEVICES)
        raise bt.ConfigError(f"device is {device!r}; it must be one of {', '.join(DEVICES)}.{hint}")


def resolved(device: str) -> str:
    """The device that a setting means here: ``auto`` is the first of cuda, mps and cpu that is there.

    Raises:
        ConfigError: it is not there.
    """
    check_device(device)
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if there[name])
    if not there[device]:
        raise bt.ConfigError(
            f"device is {device!r}, and torch {torch.__version__} finds none here. Use device='auto' or 'cpu', or "
            "install a build of torch for it."
        )
    return device


def named(device: str) -> str:
    """What a person calls it."""
    if device == "cuda":
        return f"cuda ({torch.cuda.get_device_name()})"
    if device == "cpu":
        threads = torch.get_num_threads()
        return f"cpu ({threads} thread{'' if threads == 1 else 's'})"
    return device


def hold_memory(device: str) -> None:
    """On a CPU let this process keep the memory that a step gives back: the next step asks for as much again.

    Else pages go back to the system and come again, zeroed, in every step: a sixth to a third of its time. Where the C
    library is not glibc, nothing is done.
    """
    if device == "cpu" and sys.platform == "linux":
        library = ctypes.CDLL(None)
        if hasattr(library, "mallopt"):
            library.mallopt(_TRIM, _BYTES)
            library.mallopt(_MAP, _BYTES)


def precise(precision: str, device: str) -> contextlib.AbstractContextManager[None]:
    """The context in which matrix products have this precision: ``bf16`` on CUDA, float32 elsewhere."""
    if precision == "bf16" and device == "cuda":
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return contextlib.nullcontext()
