"""Loaded by a hub under measurement: writes down every step of its loop and every collection that takes long.

A line each: what, and milliseconds of CPU. CPU, for on a shared machine a step may wait for others in the middle.
"""

import asyncio.events
import gc
import os
import time
from pathlib import Path

# Shorter ones are not written down.
_LEAST_SECONDS = 0.000_5


def _watch(file: Path) -> None:
    log = file.open("a", buffering=1)
    run = asyncio.events.Handle._run
    began = 0.0

    def timed(handle: asyncio.Handle) -> None:
        before = time.thread_time()
        run(handle)
        if (taken := time.thread_time() - before) > _LEAST_SECONDS:
            log.write(f"step {1000 * taken:.3f}\n")

    def collected(phase: str, info: dict[str, int]) -> None:
        nonlocal began
        if phase == "start":
            began = time.thread_time()
        elif (taken := time.thread_time() - began) > _LEAST_SECONDS:
            log.write(f"collection {1000 * taken:.3f}\n")

    asyncio.events.Handle._run = timed  # type: ignore[method-assign]
    gc.callbacks.append(collected)


if "LOAD_STEPS" in os.environ:
    _watch(Path(os.environ.pop("LOAD_STEPS")))
