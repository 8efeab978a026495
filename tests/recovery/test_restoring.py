"""Whatever happened: an empty Redis made anew of the ledger holds the same, field by field, and is good."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from hypothesis import given, settings
from redis.asyncio import Redis

from hub.domain.catalogue import HouseSettings
from hub.journal.reader import Tail
from hub.ledger.connection import Link
from hub.ledger.draining import drain
from hub.ledger.opening import open_ledger
from hub.recovery.rebuilding import Rebuild
from hub.stock import keys
from tests.model.happenings import happenings
from tests.model.holdings import awaited, stocked
from tests.model.pair import HUB
from tests.model.test_kernel import at_leisure, tell
from tests.model.travels import travels
from tests.model.worlds import Reconfigure, Step, stories
from tests.recovery.contents import contents

TABLES = ("hub_state", "event", "movement", "shown", "count_line", "poison", "checkpoint", "checkpoint_value")


@pytest.fixture
async def ledger(postgres_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres_dsn)
    await open_ledger(connection)
    yield connection
    await connection.close()


def needs_no_category(story: tuple[HouseSettings, list[Step]]) -> bool:
    """Whether no rule is for a category: of what category a SKU is only the story says, Redis was never told."""
    houses = [story[0], *(step.house for step in story[1] if isinstance(step, Reconfigure))]
    return not any(rule.category for house in houses for rule in house.rules)


@settings(at_leisure, max_examples=12)
@given(story=(stories(happenings) | stocked() | awaited() | travels()).filter(needs_no_category))
async def test_what_is_restored_is_what_was_there(
    redis_client: Redis,
    postgres_dsn: str,
    ledger: asyncpg.Connection,
    findings: Callable[[], Awaitable[list[Any]]],
    story: tuple[HouseSettings, list[Step]],
) -> None:
    await ledger.execute(f"TRUNCATE {', '.join(f'hub.{table}' for table in TABLES)}")
    await ledger.execute("INSERT INTO hub.hub_state (partition, hub, epoch) VALUES (0, $1, 1)", HUB)
    await tell(redis_client, *story)
    before = await contents(redis_client)
    link = Link(postgres_dsn, "test")
    drained = await drain(link, Tail(redis_client, keys.JOURNAL, None), 1)
    await link.aclose()
    # Parked and other entries of a story say nothing of stock, but there are always the house's rules.
    assert drained > 0
    was_found = await findings()
    await redis_client.flushall()

    done = await Rebuild(redis_client, postgres_dsn).run(HUB)

    assert (done.how, done.drained, done.unread) == ("rebuilt", 0, 0)
    assert await contents(redis_client) == before
    assert await findings() == was_found == []
