"""A process that does not write the ledger knows at once how far it is, and takes no word that is not its own's."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from uuid import UUID

import pytest
from redis.asyncio import Redis

from hub.domain.entry import Seq
from hub.faults import Unavailable
from hub.journal.posted import Posted, posting_client
from hub.journal.watermark import Watermark
from hub.tasks import end

CHANNEL = "hub:posted:{0}"
HUB, OTHER_HUB = UUID(int=1), UUID(int=2)
PATIENCE_SECONDS = 30

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


class Process:
    """One that hears or tells; its ledger says what the test says."""

    def __init__(self, client: Redis, hub: UUID = HUB, epoch: int = 1) -> None:
        self.watermark = Watermark()
        self.epoch = epoch
        self.in_ledger: Seq | None = None
        self.looks = 0
        self.posted = Posted(
            client, CHANNEL, self.watermark, known=lambda: (hub, Seq(self.epoch, 1_000)), look=self._look
        )

    async def _look(self, hub: UUID, epoch: int) -> Seq | None:
        self.looks += 1
        return self.in_ledger


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    made = posting_client(redis_url)
    yield made
    await made.aclose()


@asynccontextmanager
async def at_work(*jobs: Awaitable[None]) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        yield
    finally:
        await end(tasks)


async def listening(client: Redis, until: Until, listeners: int) -> None:
    async def all_listen() -> bool:
        [(_, found)] = await client.pubsub_numsub(CHANNEL)
        return bool(found == listeners)

    await until(all_listen)


async def test_who_waits_is_told_as_soon_as_another_has_posted(client: Redis, until: Until) -> None:
    writer, reader = Process(client), Process(client)
    async with at_work(writer.posted.tell(), reader.posted.hear()):
        await listening(client, until, 1)
        for number in (3, 4, 7):
            waits = asyncio.create_task(reader.watermark.wait(Seq(1, number), PATIENCE_SECONDS))

            writer.watermark.advance(Seq(1, number))

            assert await waits
        assert reader.watermark.at == Seq(1, 7)
        assert reader.posted.state == "following"


async def test_a_word_of_another_hub_or_epoch_and_noise_are_not_taken(client: Redis, until: Until) -> None:
    reader = Process(client, epoch=2)
    async with at_work(reader.posted.hear()):
        await listening(client, until, 1)
        for word in (
            f"{OTHER_HUB} 2 50",
            f"{HUB} 1 50",
            f"{HUB} 3 50",
            f"{HUB} 2",
            f"{HUB} 2 -1",
            "\xff",
            f"{HUB} 2 x",
        ):
            await client.publish(CHANNEL, word)
        await client.publish(CHANNEL, f"{HUB} 2 4")

        assert await reader.watermark.wait(Seq(2, 4), PATIENCE_SECONDS)

    assert reader.watermark.at == Seq(2, 4)
    # No epoch ended by a word: that is the ledger's to say.
    assert not reader.watermark.has_lost(Seq(1, 10**6))


async def test_what_was_said_while_nobody_listened_is_looked_up(client: Redis, until: Until) -> None:
    reader = Process(client)
    reader.in_ledger = Seq(1, 9)

    async with at_work(reader.posted.hear()):
        assert await reader.watermark.wait(Seq(1, 9), PATIENCE_SECONDS)
        await listening(client, until, 1)
        # Nobody says this one either.
        reader.in_ledger = Seq(1, 12)
        assert await reader.watermark.wait(Seq(1, 12), PATIENCE_SECONDS)


async def test_the_ledger_of_another_epoch_is_not_looked_up_into_this_one(client: Redis, until: Until) -> None:
    reader = Process(client, epoch=2)
    reader.in_ledger = Seq(1, 9)

    async with at_work(reader.posted.hear()):

        async def has_looked() -> bool:
            return reader.looks > 2

        await until(has_looked)
        assert reader.watermark.at is None
        reader.epoch, reader.in_ledger = 3, Seq(3, 0)
        reader.posted.look_soon()
        assert await reader.watermark.wait(Seq(3, 0), PATIENCE_SECONDS)


async def test_words_go_on_after_the_connections_are_cut(client: Redis, redis_client: Redis, until: Until) -> None:
    writer, reader = Process(client), Process(client)
    async with at_work(writer.posted.tell(), reader.posted.hear()):
        await listening(client, until, 1)
        await redis_client.client_kill_filter(_type="pubsub")
        await redis_client.client_kill_filter(_type="normal", skipme=True)

        numbers = count()

        async def is_heard() -> bool:
            # A word is lost while nobody listens.
            writer.watermark.advance(at := Seq(1, next(numbers)))
            return await reader.watermark.wait(at, 0.2)

        await until(is_heard)


async def test_a_ledger_that_cannot_be_looked_at_does_not_keep_words_from_being_heard(
    client: Redis, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = Process(client), Process(client)

    async def away(hub: UUID, epoch: int) -> Seq | None:
        raise Unavailable("Postgres is away")

    monkeypatch.setattr(reader.posted, "_look_at_ledger", away)
    async with at_work(writer.posted.tell(), reader.posted.hear()):
        await listening(client, until, 1)
        assert reader.posted.state == "starting"
        writer.watermark.advance(Seq(1, 2))
        assert await reader.watermark.wait(Seq(1, 2), PATIENCE_SECONDS)
