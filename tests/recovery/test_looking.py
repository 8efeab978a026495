"""A look at a Redis that is good, while it is worked with."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from hub.domain.command import Line
from hub.faults import Unavailable
from hub.stock.restoring import Restoring
from tests.stock.opened import OpenStores, opened
from tests.verify.test_promised import PROMISING as HOUSE


async def test_what_is_answered_while_both_stores_are_asked_makes_nobody_think_that_redis_lacks_it(
    redis_url: str, postgres_dsn: str, monkeypatch: Any
) -> None:
    async with opened(redis_url, postgres_dsn, HOUSE) as hub:
        healing = hub.stores.healing
        ask = healing._epochs.present

        async def ask_and_book(working_in: int | None = None) -> Any:
            await book(hub)
            return await ask(working_in)

        monkeypatch.setattr(healing._epochs, "present", ask_and_book)
        with capture_logs() as logs:
            for _ in range(3):
                await healing.look()

        assert [log for log in logs if log["log_level"] == "error"] == []
        assert hub.kernel.epoch == 1


async def test_a_rebuild_by_hand_is_no_loss_and_is_not_told_as_one(redis_url: str, postgres_dsn: str) -> None:
    async with opened(redis_url, postgres_dsn, HOUSE) as hub:
        await book(hub)
        await hub.ledger_has_all()
        by_hand = Restoring(hub.kernel.client)
        await by_hand.close()
        healing = hub.stores.healing
        with capture_logs() as logs:
            await healing.look()
            await healing.look()

        assert hub.kernel.epoch == 2
        told = [log["event"] for log in logs]
        assert "a rebuild of Redis is under way, and no event is taken meanwhile" in told
        assert told[-1] == "events are taken in a new epoch"
        assert [log for log in logs if log["log_level"] == "error"] == []


async def test_a_redis_that_is_lost_while_the_ledger_is_away_is_told_once_and_when_it_can_be_healed(
    redis_url: str, postgres_dsn: str
) -> None:
    async with opened(redis_url, postgres_dsn, HOUSE) as hub:
        healing = hub.stores.healing
        await healing.look()
        await hub.ledger_has_all()
        with capture_logs() as logs:
            async with hub.ledger_away():
                await hub.kernel.client.flushall()
                for _ in range(2):
                    with pytest.raises(Unavailable):
                        await healing.look()
            await healing.look()

    told = [log["event"] for log in logs if "can be healed" in log["event"]]
    assert told == [
        "Redis lacks what was booked, and can be healed only once the ledger answers",
        "the ledger answers again, so Redis can be healed",
    ]


async def book(hub: OpenStores) -> None:
    await hub.book(hub.fact("in", Line("BAG", "LON", 1)))
