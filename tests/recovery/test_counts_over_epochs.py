"""A count that is opened in one epoch and closed in the next."""

from collections.abc import Awaitable, Callable

from redis.asyncio import Redis

from hub.domain.command import Counting, Line
from hub.domain.entry import Seq
from hub.domain.findings import Window
from hub.ledger.accuracy import Accuracy
from hub.ledger.asking import Asking
from hub.ledger.connection import Link
from hub.recovery.rebuilding import Rebuild
from hub.stock import keys
from hub.stock.outcome import Applied
from tests.stock.opened import OpenStores, opened
from tests.verify.conftest import sale
from tests.verify.test_promised import PROMISING as HOUSE

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


async def test_what_is_told_late_in_the_new_epoch_explains_what_a_count_of_the_old_one_found(
    redis_client: Redis, redis_url: str, postgres_dsn: str, hub: OpenStores, until: Until
) -> None:
    async with opened(redis_url, postgres_dsn, HOUSE) as before:
        await before.book(before.fact("u-1", Line("UMBRELLA", "LON", 5)))
        await before.ledger_has_all()
        counted_at_ms = before.kernel.booked_at_ms + 1
        async with before.ledger_away():
            counting = Counting(counted_at_ms, "physical", 0)
            line = Line("UMBRELLA", "LON", 3)
            [outcome] = await before.book(before.fact("u-c", line, verb="count", type="count", detail=counting))
            assert isinstance(outcome, Applied)
    await Rebuild(redis_client, postgres_dsn).run(hub.kernel.hub, whole=True)

    async with opened(redis_url, postgres_dsn, HOUSE) as after:

        async def is_closed() -> bool:
            return bool(await redis_client.hlen(keys.COUNTS) == 0)  # type: ignore[misc]

        await until(is_closed)
        [late] = await after.book(sale(after, "u-late", Line("UMBRELLA", "LON", 2), time_ms=counted_at_ms - 1))
        assert isinstance(late, Applied)
        assert late.seq.epoch == 2
        assert late.seq < Seq(2, outcome.seq.number)
        await after.ledger_has_all()
        asking = Asking(Link(postgres_dsn, "reports"), deadline_seconds=5)
        found = await Accuracy(asking).variances(Window(0, counted_at_ms + 1, skus=("UMBRELLA",)))
        await asking.aclose()

    assert [(each.units, each.cause, each.late_events) for each in found] == [
        (-2, "late_events", (("till", "u-late"),))
    ]
