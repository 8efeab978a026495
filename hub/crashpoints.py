"""Named points on the path of an event where a test may kill the process, delay it, or lose or repeat an answer.

Laws:
- Unarmed, a point is the reading of one attribute: `if crash.armed and await crash.at("kernel answered"): ...`.
- Only `hub serve` arms them, only by the variable below, and then it says so in the log.
- A point stands on either side of something that is waited for, and its name says which.

The variable holds the path of a JSON file, a `Plan`. What was reached and done is written, a line each, into the file
that the plan names, so that a test knows it, however the process ends.
"""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Literal

import msgspec
import structlog

from hub.faults import SettingsInvalid, Unavailable

VARIABLE = "HUB_TEST_CRASH_POINTS"

# Point -> whether what it stands behind may be done once more: then `at` answers True.
POINTS: dict[str, bool] = {
    # The HTTP door.
    "event read": False,
    "facts booked": True,
    "ledger waited for": False,
    "delivery kept": False,
    "page fetched": False,
    "page kept": False,
    "request read": False,
    "request answered": False,
    # Booking and requests, around the batcher.
    "ledger asked": True,
    "earlier looked up": True,
    "holds looked up": True,
    "outcomes known": False,
    # The batcher and the kernel.
    "batch taken": False,
    "batch answered": False,
    "kernel called": False,
    "kernel answered": True,
    "function loaded": True,
    # The journal.
    "journal read": True,
    "journal trimmed": True,
    # The ledger's writer.
    "cursor read": True,
    "entries read": False,
    "entries posting": False,
    "cursor moved": False,
    "rows copied": False,
    "entries posted": True,
    # The live door.
    "state read": True,
    "snapshot read": True,
    "watchers told": True,
}

DELAY_SECONDS_MAX = 5.0
_DELAY_SECONDS = 0.05

Action = Literal["kill", "delay", "lose", "again"]

log = structlog.get_logger()


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What happens when a point is passed for the so-many-th time in this process."""

    point: str
    action: Action
    # From 1.
    passing: int = 1
    seconds: float = _DELAY_SECONDS


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to happen where; the same plan and seed do the same at the same passings."""

    # Where lines are appended: `reached <point>`, `<action> <point>`.
    journal: str
    steps: tuple[Step, ...] = ()
    seed: int = 0
    # How often, 0 to 1, a passing is delayed besides, by up to `_DELAY_SECONDS`.
    delayed: float = 0.0


class LostAnswer(Unavailable):
    """The answer to what was just done did not arrive; a test's doing."""


class CrashPoints:
    """All points of one process; `crash` is the one."""

    def __init__(self) -> None:
        self.armed = False
        self._plan = Plan("")
        self._random = Random(0)
        self._passings = Counter[str]()

    def arm(self, environ: Mapping[str, str]) -> None:
        """Do as the environment's plan says from now on; without a plan nothing is armed.

        Raises:
            SettingsInvalid: the plan cannot be read, or names what is no point.
        """
        path = environ.get(VARIABLE)
        if not path:
            return
        try:
            plan = msgspec.json.decode(Path(path).read_bytes(), type=Plan)
        except (OSError, msgspec.MsgspecError) as error:
            raise SettingsInvalid(f"{VARIABLE}: the plan {path} cannot be read: {error}") from error
        _check(plan)
        self._plan, self._random, self.armed = plan, Random(plan.seed), True
        log.warning("crash points are armed: this process will fail on purpose", plan=path, steps=len(plan.steps))

    async def at(self, point: str) -> bool:
        """Pass a point; True when what was done just before is to be done once more.

        Raises:
            LostAnswer: what was done before is to be taken for unknown.
        """
        self._passings[point] += 1
        passing = self._passings[point]
        if passing == 1:
            self._write("reached", point)
        if self._random.random() < self._plan.delayed:
            await asyncio.sleep(self._random.uniform(0, _DELAY_SECONDS))
        for step in self._plan.steps:
            if step.point == point and step.passing == passing:
                return await self._do(step)
        return False

    async def _do(self, step: Step) -> bool:
        self._write(step.action, step.point)
        if step.action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if step.action == "lose":
            raise LostAnswer(f"a test lost the answer at {step.point!r}")
        if step.action == "delay":
            await asyncio.sleep(step.seconds)
        return step.action == "again"

    def _write(self, what: str, point: str) -> None:
        # Written whole at once, so that several processes may share the file and a kill leaves no half line.
        with open(self._plan.journal, "ab", buffering=0) as journal:
            journal.write(f"{what} {point}\n".encode())


def _check(plan: Plan) -> None:
    for step in plan.steps:
        if step.point not in POINTS:
            raise SettingsInvalid(f"{VARIABLE}: there is no point {step.point!r}")
        if step.action == "again" and not POINTS[step.point]:
            raise SettingsInvalid(f"{VARIABLE}: nothing can be done again at {step.point!r}")
        if not 0 <= step.seconds <= DELAY_SECONDS_MAX:
            raise SettingsInvalid(f"{VARIABLE}: a delay is 0 to {DELAY_SECONDS_MAX:g} seconds")


crash = CrashPoints()
