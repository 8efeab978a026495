"""How events are cut into arrays, and when they are due."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from hub.replay.events import HistoryEvent
from hub.replay.pace import ARRAY_LINES_MAX, FIRST_ARRAY_EVENTS_MAX, arrays
from protocol.limits import BODY_BYTES_MAX

START = datetime(2025, 11, 3, tzinfo=UTC)


def happening(number: int, seconds: float = 0.0, sku: str = "A", lines: int = 1) -> HistoryEvent:
    time = START + timedelta(seconds=seconds)
    return HistoryEvent(f"f-{number}", False, time, "LON", ((sku, 1),) * lines)


async def test_at_max_arrays_are_full_after_a_small_first_one() -> None:
    events = iter([happening(number) for number in range(250)])

    sent = [array async for array in arrays(events, pool="p", speed=None, events_max=100)]

    assert [len(array) for array in sent] == [FIRST_ARRAY_EVENTS_MAX, 100, 100, 30]
    assert [item.event.id for array in sent for item in array] == [f"f-{number}" for number in range(250)]


async def test_no_array_has_more_lines_or_bytes_than_the_hub_takes_well() -> None:
    for sku, length in (("A", 20), ("\N{HANDBAG}" * 128, 19)):
        events = iter([happening(number, sku=sku, lines=100) for number in range(100)])

        sent = [array async for array in arrays(events, pool="p", speed=None, events_max=1_000)]

        sizes = [len(b"[" + b",".join(item.body for item in array) + b"]") for array in sent]
        assert max(len(array) for array in sent) == length
        assert length * 100 <= ARRAY_LINES_MAX
        assert max(sizes) <= BODY_BYTES_MAX
        assert sum(len(array) for array in sent) == 100


async def test_with_a_speed_no_event_goes_before_it_is_due() -> None:
    loop = asyncio.get_running_loop()
    started_at = loop.time()
    # An hour and a half at 36,000 times the speed is 150 ms; the last event is out of order, so due already.
    events = iter([happening(1), happening(2), happening(3, 3_600), happening(4, 5_400), happening(5, 60)])

    sent = [
        ([item.event.id for item in array], loop.time() - started_at)
        async for array in arrays(events, pool="p", speed=36_000, events_max=1_000)
    ]

    assert [ids for ids, _ in sent] == [["f-1", "f-2"], ["f-3"], ["f-4", "f-5"]]
    assert sent[1][1] >= 0.1
    assert sent[2][1] >= 0.15


async def test_events_are_drawn_only_as_they_are_needed() -> None:
    drawn = 0

    def endless() -> Iterator[HistoryEvent]:
        nonlocal drawn
        while True:
            drawn += 1
            yield happening(drawn)

    ready = arrays(endless(), pool="p", speed=None, events_max=100)
    first = await anext(ready)
    await ready.aclose()

    assert drawn == len(first) + 1
