"""How long and how much: clocks and the memory of this process. Standard library and numpy alone."""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Callable
from typing import Any


def pin(cores: int) -> int:
    """Keep this process on at most ``cores`` processors, where the system can; return how many it has then."""
    if not hasattr(os, "sched_setaffinity"):
        return os.cpu_count() or 1
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    os.sched_setaffinity(0, allowed)
    return len(allowed)


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def timed(work: Callable[[], Any], repeat: int) -> tuple[list[float], Any]:
    """Call ``work`` ``repeat`` times; return the seconds of each call and the last result.

    A result is let go, and garbage collected, before the clock starts, so that two are never held at once.
    """
    seconds: list[float] = []
    result: Any = None
    for _ in range(repeat):
        result = None
        gc.collect()
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return seconds, result


def summary(seconds: list[float], bars: int) -> dict[str, float]:
    """Best and median of ``seconds``, and the bars a second of the best.

    The best is what the code needs; anything above it is what else the machine was doing.
    """
    best = min(seconds)
    return {"best": best, "median": statistics.median(seconds), "bars_per_second": bars / best}


class Memory:
    """Peak resident memory from here on.

    Linux keeps the peak of a process and lets it be reset, which sees what compiled code allocates too;
    elsewhere the peak since the start of the process is taken.
    """

    def __init__(self) -> None:
        """Forget the peak so far, where the system can."""
        try:
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")
        except OSError:
            pass  # the peak then counts from the start of the process: too high, never too low
        self.start = self._read("VmRSS")

    @staticmethod
    def _read(field: str) -> int:
        try:
            with open("/proc/self/status") as file:
                for line in file:
                    if line.startswith(field):
                        return int(line.split()[1]) * 1024
        except OSError:
            pass
        import resource
        import sys

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

    def peak(self) -> int:
        """Bytes at the highest point since this object was made."""
        return self._read("VmHWM")

    def above(self) -> int:
        """Bytes of the peak above what was resident when this object was made."""
        return max(0, self.peak() - self.start)
