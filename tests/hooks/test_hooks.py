"""Hooks of a whole hub: everything arrives, signed, once by its id."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.conftest import until_holds
from tests.hooks.receiving import LOOPBACK, SECRET, Receiver, receiving, table
from tests.intake.door import Door, line, open_door, settings_in
from tests.intake.feeding import read


@asynccontextmanager
async def hub(folder: Path, redis_url: str, dsn: str, *tables: str, secrets: str = SECRET) -> AsyncIterator[Door]:
    settings = settings_in(
        folder, redis_url=redis_url, dsn=dsn, extra=LOOPBACK + "".join(tables), environ={"OMS_SECRET": secrets}
    )
    async with open_door(settings) as door:
        yield door


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        yield opened


async def test_a_receiver_gets_everything_that_happens_and_the_feed_tells(
    receiver: Receiver, redis_url: str, postgres_dsn: str, tmp_path: Path
) -> None:
    async with hub(tmp_path, redis_url, postgres_dsn, table(receiver.url)) as door:
        await until_sent_to(door)
        for number in range(20):
            await door.send(door.receipt(line(f"BAG-{number}", 2)))
            await door.send(door.sale(line(f"BAG-{number}", 3)))
        told = {item["id"]: item for item in await read(door)}
        assert len(told) > 60

        await receiver.has(lambda seen: seen.ids >= told.keys())

        assert {got.id: got.item for got in receiver.taken} == told
        assert len(receiver.taken) == len(told)


async def until_sent_to(door: Door, hook: str = "oms") -> None:
    """Wait until this hub sends to the hook."""

    async def is_sent_to() -> bool:
        return f'hub_hook_pending{{hook="{hook}"}}' in (await door.get(door.admin + "/metrics")).body.decode()

    await until_holds(is_sent_to)
