"""A round over one `hub serve --workers`: its processes die and stand still under it, and the stores with them."""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from signal import SIGCONT, SIGKILL, SIGSTOP
from time import monotonic

from tests.faults.rounds import Round
from tests.faults.town import Town

WORKERS = 3
_STARTED = re.compile(r'"process": (\d+), "pid": (\d+), "event": "a process was started"')
_ON_DUTY = re.compile(r'"event": "this process works for all", "process": (\d+)')


class WorkersRound(Round):
    """One round; what befalls a process befalls one of three."""

    async def _open(self, town: Town) -> None:
        town.options = ("--workers", str(WORKERS))
        await town.open_hub()

    def _faults(self) -> dict[str, Callable[[Town], Awaitable[float]]]:
        stores = ("Redis killed", "Redis stopped", "Postgres killed", "Postgres stopped", "both stores killed")
        of_stores = {name: fault for name, fault in super()._faults().items() if name in stores}
        return {
            "a process killed": self._kill_one,
            "the process on duty killed": self._kill_on_duty,
            "the process on duty stopped": self._stop_on_duty,
            "all killed": self._kill_parent,
            **of_stores,
        }

    async def _kill_one(self, town: Town) -> float:
        _send(self._random.choice(_pids(town)), SIGKILL)
        self._totals.kills += 1
        return monotonic()

    async def _kill_on_duty(self, town: Town) -> float:
        _send(_on_duty(town), SIGKILL)
        self._totals.kills += 1
        return monotonic()

    async def _stop_on_duty(self, town: Town) -> float:
        """For so long that another takes over."""
        pid = _on_duty(town)
        _send(pid, SIGSTOP)
        await asyncio.sleep(self._random.uniform(0.5, 5.0))
        _send(pid, SIGCONT)
        return monotonic()

    async def _kill_parent(self, town: Town) -> float:
        """Its processes end by themselves."""
        hub = town.hub()
        if hub.is_up:
            hub.signal(SIGKILL)
        return monotonic()


def _pids(town: Town) -> list[int]:
    """The newest of each process."""
    newest = {int(number): int(pid) for number, pid in _STARTED.findall(town.hub().log())}
    return [newest[number] for number in sorted(newest)]


def _on_duty(town: Town) -> int:
    """Who took the duty last."""
    return _pids(town)[int(_ON_DUTY.findall(town.hub().log())[-1]) - 1]


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        # It ended a moment ago.
        return
