"""A look at a Redis that is good, while it is worked with."""

from typing import Any

from structlog.testing import capture_logs

from hub.domain.command import Line
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


async def book(hub: OpenStores) -> None:
    await hub.book(hub.fact("in", Line("BAG", "LON", 1)))
