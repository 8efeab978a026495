"""What stays is set aside from Python's collector, and what ended is found all the same."""

import gc
import weakref

import pytest

from hub.live.fanout import Counters
from hub.live.settled import COME_MAX, GONE_MIN, Settled


class Circle:
    """What only the collector can free."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _thawed():
    """Nothing of this process stays aside, and nothing is collected but by what is tried."""
    gc.disable()
    yield
    gc.unfreeze()
    gc.enable()


def _is_aside(some: object) -> bool:
    """Whether the collector does not know of it any more."""
    return all(some is not each for each in gc.get_objects())


def test_many_that_came_are_set_aside_and_few_are_not():
    counters, circle = Counters(), Circle()
    settled = Settled(counters)

    counters.connections = COME_MAX - 1
    settled.look()
    assert not _is_aside(circle)
    counters.connections += 1
    settled.look()
    assert _is_aside(circle)


def test_what_had_ended_before_is_freed_and_not_set_aside():
    counters = Counters(connections=COME_MAX)
    ended = weakref.ref(Circle())

    Settled(counters).look()

    assert ended() is None


def test_what_ends_later_is_freed_when_half_have_ended():
    counters, circle = Counters(connections=3 * GONE_MIN), Circle()
    settled, ended = Settled(counters), weakref.ref(circle)
    settled.look()
    del circle
    gc.collect()
    assert ended() is not None

    for _ in range(GONE_MIN):
        counters.leave()
    # As many came in their place: too few have ended, of so many.
    counters.connections += GONE_MIN
    settled.look()
    assert ended() is not None
    for _ in range(GONE_MIN):
        counters.leave()
    settled.look()

    assert ended() is None


def test_when_nothing_changes_nothing_is_looked_at():
    counters = Counters(connections=COME_MAX)
    settled = Settled(counters)
    settled.look()
    looked = gc.get_stats()[2]["collections"]

    for _ in range(100):
        settled.look()

    assert gc.get_stats()[2]["collections"] == looked
