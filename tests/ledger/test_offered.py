"""The memory of channels: what their vendors have, and which process tells them."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from hub.domain.channels import ChannelNote
from hub.domain.offers import Remembered
from hub.faults import ServerRefused, Unavailable
from hub.ledger import offered
from hub.ledger.connection import Link
from hub.ledger.offered import Offered
from hub.ledger.opening import open_ledger

NOW = 1_763_000_000.25


@pytest.fixture
async def dsn(postgres_dsn: str) -> str:
    connection = await asyncpg.connect(postgres_dsn)
    await open_ledger(connection)
    await connection.close()
    return postgres_dsn


@pytest.fixture
async def memory(dsn: str) -> AsyncIterator[Offered]:
    made = Offered(Link(dsn, "channels"))
    assert await made.hold("shop")
    await made.opened("shop", "the shop")
    yield made
    await made.aclose()


@pytest.fixture
async def other(dsn: str) -> AsyncIterator[Offered]:
    made = Offered(Link(dsn, "others"))
    yield made
    await made.aclose()


def rows(count: int, **more: object) -> list[Remembered]:
    return [Remembered(sku=f"S-{place:05}", listing="L", **more) for place in range(count)]  # type: ignore[arg-type]


async def test_what_is_written_is_read_whole_and_in_order(memory: Offered, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offered, "ROWS_MAX", 2)
    written = rows(
        5, has=3, tried=4, taken_at=NOW, outcome="stale", attempts=2, conflicts=1, next_at=NOW, why="it has 9"
    )

    await memory.write("shop", rows(5))
    await memory.write("shop", written)

    found: list[Remembered] = []
    while stretch := await memory.rows("shop", found[-1].sku if found else ""):
        assert len(stretch) <= 2
        found += stretch
    assert found == written


async def test_what_a_stranger_says_can_be_written(memory: Offered) -> None:
    [row] = rows(1, why="a\0b")
    await memory.write("shop", [row])

    assert [each.why for each in await memory.rows("shop", "")] == ["a\ufffdb"]


async def test_one_process_tells_a_channel_and_whoever_lost_the_lock_writes_nothing(
    memory: Offered, other: Offered, dsn: str
) -> None:
    assert not await other.hold("shop")
    with pytest.raises(Unavailable):
        await other.write("shop", rows(1))
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hub channels'"
    )
    await connection.close()

    with pytest.raises(Unavailable):
        await memory.write("shop", rows(1))
    assert await other.hold("shop")
    with pytest.raises(Unavailable):
        await memory.note("shop", ChannelNote(), NOW)
    await other.release("shop")
    assert await memory.hold("shop")


async def test_how_a_channel_is_and_what_became_of_its_offers(memory: Offered, other: Offered) -> None:
    note = ChannelNote(waiting=3, oldest=NOW, drifting=1, circuit="open", why="it answers 500")
    await memory.note("shop", note, NOW + 1)
    states = ("live", "dead", "dead", "absent")
    await memory.write(
        "shop",
        [Remembered(sku=f"S-{place}", has=1, state=state) for place, state in enumerate(states)],  # type: ignore[arg-type]
    )

    [tally] = await other.tallies()

    assert (tally.id, tally.note, tally.noted_at) == ("shop", note, NOW + 1)
    assert (tally.told, tally.dead, tally.absent) == (1, 2, 1)
    assert [row.sku for row in await other.dead("shop", "", 1)] == ["S-1"]
    assert [row.sku for row in await other.dead("shop", "S-1", 5)] == ["S-2"]


async def test_what_an_operator_wants_tried_again_is_heard_of_by_the_version(memory: Offered, other: Offered) -> None:
    await memory.write("shop", rows(3, state="dead", attempts=9, next_at=NOW))
    version = await memory.note("shop", ChannelNote(), NOW)

    assert await other.retry("shop", "S-00001") == 1
    assert await memory.note("shop", ChannelNote(), NOW) == version + 1
    [alive] = await memory.alive("shop", ["S-00000", "S-00001"])
    assert (alive.sku, alive.state, alive.attempts, alive.next_at) == ("S-00001", "live", 0, 0.0)
    assert await other.retry("shop", None) == 2
    assert await other.retry("none", None) is None


async def test_what_was_told_is_known_to_whoever_asks(memory: Offered, other: Offered) -> None:
    await memory.write("shop", rows(2, has=3, tried=4, outcome="on its way"))

    found = await other.told("shop", ["S-00001", "none"])

    assert [(row.sku, row.has, row.tried, row.outcome) for row in found] == [("S-00001", 3, 4, "on its way")]


async def test_what_was_told_to_another_is_forgotten(memory: Offered) -> None:
    await memory.write("shop", rows(2, has=3))
    await memory.opened("shop", "the shop")
    assert len(await memory.rows("shop", "")) == 2

    await memory.opened("shop", "another shop")

    assert await memory.rows("shop", "") == []


async def test_there_is_a_most_of_channels(memory: Offered, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offered, "CHANNELS_MAX", 1)
    assert await memory.hold("another")

    with pytest.raises(ServerRefused, match="more than 1 channels"):
        await memory.opened("another", "")
    assert await memory.opened("shop", "the shop") == 0
