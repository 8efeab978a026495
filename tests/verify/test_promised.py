"""A hub that promises what is to come is good, and one that somebody damaged is not."""

import msgspec
from redis.asyncio import Redis

from hub.domain.catalogue import RuleSettings
from hub.domain.command import Line, Ordering, Supply
from hub.stock import keys
from hub.stock.outcome import Granted
from tests.stock.opened import OpenStores, opened
from tests.stock.test_requesting import request, reserve
from tests.verify.conftest import HOUSE, Verify, sale
from tests.verify.hand import decode_view, encode

PROMISING = msgspec.structs.replace(HOUSE, rules=(RuleSettings(pool="online", preorder_limit=4),))


async def expect(hub: OpenStores, id: str, sku: str, units: int, order: str = "PO-1") -> None:
    later = hub.kernel.booked_at_ms + 86_400_000
    await hub.book(hub.fact(id, Line(sku, "PAR", units), verb="expected", type="expected", detail=Supply(order, later)))


async def promise(hub: OpenStores) -> None:
    """Let units be promised, held, sold, received in part, fall short, and lose all that was expected."""
    await expect(hub, "e-1", "COAT", 6)
    await expect(hub, "e-2", "GLOVE", 2)
    await hub.book(hub.fact("g-1", Line("GLOVE", "LON", 1)), sale(hub, "g-2", Line("GLOVE", "LON", 1)))
    await expect(hub, "e-3", "CAP", 2)
    await expect(hub, "e-4", "CAP", 0)
    for id in ("h-1", "h-2", "h-3"):
        assert isinstance(await reserve(hub, id, "COAT", is_named=0), Granted)
    assert isinstance(await hub.stores.requests.ask(request(hub, "confirm", "h-2")), Granted)
    order = {"verb": "order_place", "type": "order.placed", "pool": "online", "ledger_checked": True}
    await hub.book(hub.fact("o-1", Line("COAT", "", 0), **order, detail=Ordering("o-1", (("COAT", "", 3),))))
    await hub.book(hub.fact("r-1", Line("COAT", "PAR", 1), detail=Supply("PO-1")))
    await expect(hub, "e-5", "COAT", 3)
    await hub.ledger_has_all()


async def test_a_hub_that_promises_is_good_and_other_bytes_are_found(
    redis_url: str, postgres_dsn: str, redis_client: Redis, verify: Verify
) -> None:
    async with opened(redis_url, postgres_dsn, PROMISING) as hub:
        await promise(hub)
        good = await verify()

        # What shows as a preorder is only expected, or was.
        packed = await redis_client.hget(keys.sku("GLOVE"), "p:online")
        assert packed is not None
        view = decode_view(packed)
        assert view.eta_ms > 0
        await redis_client.hset(keys.sku("GLOVE"), "p:online", encode(msgspec.structs.replace(view, eta_ms=1)))
        damaged = await verify()

    assert (good.findings, good.unchecked) == ([], [])
    assert [(each.kind, each.sku, each.pool) for each in damaged.findings] == [("view_shown", "GLOVE", "online")]
