"""Ten thousand connections that came at the same moment are cared for a few at a time."""

import asyncio

import pytest

from hub.live.fanout import Counters
from hub.live.framing import BEAT
from hub.live.limits import LiveLimits
from hub.live.upkeep import SLOTS, Upkeep

CONNECTIONS = 2_000


class Screen:
    """A connection that answers nothing, or whose reader takes nothing."""

    def __init__(self) -> None:
        self.beats_unanswered = 0
        self.is_open = True
        self.unsent_bytes = 0
        self.taken_bytes = 0
        self.heard: list[int] = []
        self.ended = False
        self.step = 0

    def write(self, frames):
        assert frames == BEAT
        if self.is_open:
            self.heard.append(self.step)

    def end(self, close):
        self.ended = True
        self.is_open = False


@pytest.fixture
def upkeep():
    return Upkeep(LiveLimits(stalled_seconds=30), Counters())


def _steps(upkeep, screens, count, *, first=0, seconds=0.1):
    """Take so many steps; how many heard a heartbeat in each."""
    heard = []
    for step in range(first, first + count):
        before = sum(len(screen.heard) for screen in screens)
        for screen in screens:
            screen.step = step
        upkeep.take_step(step * seconds)
        heard.append(sum(len(screen.heard) for screen in screens) - before)
    return heard


def test_the_heartbeats_of_those_that_came_together_are_spread(upkeep):
    screens = [Screen() for _ in range(CONNECTIONS)]
    for screen in screens:
        upkeep.add(screen)

    heard = _steps(upkeep, screens, 2 * SLOTS)

    assert max(heard) == CONNECTIONS // (SLOTS // 2)
    assert all(len(screen.heard) == 2 for screen in screens)
    assert all(SLOTS // 2 <= screen.heard[0] + 1 <= SLOTS for screen in screens)
    assert all(second - first == SLOTS for first, second in (screen.heard for screen in screens))


def test_those_that_come_later_are_spread_too_and_who_left_is_sent_nothing(upkeep):
    early = [Screen() for _ in range(100)]
    slots = [upkeep.add(screen) for screen in early]
    _steps(upkeep, early, SLOTS // 3)
    late = [Screen() for _ in range(CONNECTIONS)]
    for screen in late:
        upkeep.add(screen)
    for screen, slot in zip(early, slots, strict=True):
        upkeep.remove(screen, slot)

    heard = _steps(upkeep, [*early, *late], SLOTS, first=SLOTS // 3)

    assert max(heard) == CONNECTIONS // (SLOTS // 2)
    assert all(len(screen.heard) == 1 for screen in late)
    assert not any(screen.heard for screen in early)
    assert (upkeep.counters.connections, upkeep.counters.gone) == (CONNECTIONS, len(early))


def test_who_answers_no_heartbeat_is_closed_half_an_interval_after_the_second(upkeep):
    silent, alive = Screen(), Screen()
    for screen in (silent, alive):
        upkeep.add(screen)
    closed_at = 0
    for step in range(4 * SLOTS):
        _steps(upkeep, [silent, alive], 1, first=step)
        alive.beats_unanswered = 0
        closed_at = closed_at or silent.ended * step

    assert closed_at == silent.heard[1] + SLOTS // 2
    assert len(silent.heard) == 2
    assert not alive.ended


async def test_each_of_many_that_take_nothing_is_closed_when_its_time_is_over_and_not_before(upkeep):
    screens = [Screen() for _ in range(50)]
    for screen in screens:
        upkeep.add(screen)
        screen.unsent_bytes = 1
        upkeep.watch_stalled(screen)
    # In steps of a tenth of a second; each is looked at once a second.
    began = round(asyncio.get_running_loop().time() * 10)

    _steps(upkeep, screens, 295, first=began)
    screens[0].taken_bytes = 1
    assert not any(screen.ended for screen in screens)
    _steps(upkeep, screens, 20, first=began + 295)

    assert [screen.ended for screen in screens] == [False] + 49 * [True]
    assert upkeep.counters.slow_closed == 49
