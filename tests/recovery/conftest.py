"""A hub that lived and stopped, and a verification of its stores."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from hub.domain.articles import Catalogue
from hub.ledger.connection import Link
from hub.ledger.sums import Sums
from hub.stock.described import Described
from hub.stock.inspecting import Inspection
from hub.verify.verification import Verification
from tests.stock.opened import OpenStores, opened
from tests.verify.conftest import live, send
from tests.verify.test_promised import PROMISING as HOUSE
from tests.verify.test_promised import promise


@pytest.fixture
async def hub(redis_url: str, postgres_dsn: str) -> OpenStores:
    """A hub with a rich history that has stopped: nothing writes but what the test does."""
    async with opened(redis_url, postgres_dsn, HOUSE) as stores:
        await live(stores)
        await send(stores)
        await promise(stores)
        await stores.ledger_has_all()
    return stores


@pytest.fixture
async def findings(redis_client: Redis, postgres_dsn: str) -> AsyncIterator[Callable[[], Awaitable[list[Any]]]]:
    """What a verification of the stopped hub finds."""
    sums = Sums(Link(postgres_dsn, "verify"))

    async def verified() -> list[Any]:
        described = Described(redis_client, Catalogue())
        report = await Verification(Inspection(redis_client), sums, described, is_live=False).run()
        return [*report.findings, *report.unchecked]

    yield verified
    await sums.aclose()
