"""Lookups by arrival: shared round trips, and none that tells of a moment before it was asked for."""

import asyncio
from collections.abc import Sequence

import pytest

from hub.faults import Unavailable
from hub.stock.gathered import NAMES_PER_LOOK, Gathered


class Shelf:
    """What is looked at, one look at a time, each as long as the test wants."""

    def __init__(self) -> None:
        self.there: dict[str, int] = {}
        self.looks: list[list[str]] = []
        self.may_end = asyncio.Event()
        self.fault: Unavailable | None = None

    async def look(self, names: Sequence[str]) -> dict[str, int]:
        self.looks.append(list(names))
        found = {name: self.there[name] for name in names if name in self.there}
        await self.may_end.wait()
        if self.fault is not None:
            raise self.fault
        return found


async def looking(gathered: Gathered[int], *askers: Sequence[str]) -> list[asyncio.Task[dict[str, int]]]:
    tasks = [asyncio.create_task(gathered.find(names)) for names in askers]
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks


async def test_what_is_asked_during_a_look_shares_the_next_one_and_sees_what_changed() -> None:
    shelf = Shelf()
    gathered = Gathered(shelf.look)
    [first] = await looking(gathered, ["a"])
    shelf.there["a"] = 1
    others = await looking(gathered, ["a"], ["b", "a"])
    shelf.may_end.set()

    assert await first == {}
    assert [await other for other in others] == [{"a": 1}, {"a": 1}]
    assert shelf.looks == [["a"], ["a", "b"]]


async def test_a_fault_is_told_to_all_that_share_the_look_and_to_nobody_after() -> None:
    shelf = Shelf()
    shelf.fault = Unavailable("away")
    gathered = Gathered(shelf.look)
    both = await looking(gathered, ["a"], ["b"])
    shelf.may_end.set()

    for each in both:
        with pytest.raises(Unavailable, match="away"):
            await each
    shelf.fault = None
    assert await gathered.find(["a"]) == {}


async def test_whoever_gives_up_takes_nothing_from_the_others() -> None:
    shelf = Shelf()
    shelf.there["b"] = 2
    one, other = await looking(Gathered(shelf.look), ["a"], ["b"])
    one.cancel()
    shelf.may_end.set()

    assert await other == {"b": 2}


async def test_a_look_that_is_full_takes_no_more() -> None:
    shelf = Shelf()
    tasks = await looking(Gathered(shelf.look), ["first"], [str(i) for i in range(NAMES_PER_LOOK)], ["last"])
    shelf.may_end.set()
    await asyncio.gather(*tasks)

    assert [len(look) for look in shelf.looks] == [NAMES_PER_LOOK + 1, 1]
