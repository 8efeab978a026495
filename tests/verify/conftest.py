"""A real hub with a rich history, and a verification of it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from hub.domain.articles import Catalogue
from hub.domain.catalogue import HouseSettings, LocationSettings, PoolSettings, RuleSettings
from hub.domain.command import Counting, Fact, Line, Transfer, Voiding
from hub.ledger.connection import Link
from hub.ledger.sums import Sums
from hub.stock.described import Described
from hub.stock.inspecting import Inspection
from hub.stock.outcome import Applied
from hub.verify.report import Report
from hub.verify.verification import Verification
from tests.stock.opened import OpenStores, opened

Verify = Callable[..., Awaitable[Report]]

HOUSE = HouseSettings(
    locations=(LocationSettings("LON", "store", "GB"), LocationSettings("PAR", "store", "FR")),
    pools=(
        PoolSettings("online", locations=("LON", "PAR"), low=2, cap=5),
        PoolSettings("store", locations=("PAR",)),
        PoolSettings("vip", locations=("LON",)),
        PoolSettings("gulf", locations=("PAR",), show="status"),
    ),
    rules=(RuleSettings(pool="online", buffer=1),),
)


async def live(hub: OpenStores) -> None:
    """Let nearly everything happen that can happen to stock."""
    now = hub.kernel.booked_at_ms
    bag, scarf = Line("BAG", "LON", 6), Line("SCARF", "PAR", 4)
    told = [
        hub.fact("r-1", bag, scarf, Line("BAG", "PAR", 3)),
        hub.fact("f-1", Line("BAG", "LON", 2), verb="ring_fence", type="ring_fence", pool="vip"),
        hub.fact("f-2", Line("SCARF", "PAR", 3), verb="ring_fence", type="ring_fence", pool="vip", standing=True),
        hub.fact("f-3", Line("SHOE", "LON", 1), verb="ring_fence", type="ring_fence", pool="store"),
        sale(hub, "s-1", Line("BAG", "LON", 1), pool="vip"),
        # Breaks a fence, and sells two scarfs that nobody has.
        sale(hub, "s-2", Line("SCARF", "PAR", 6)),
        sale(hub, "s-3", Line("BAG", "PAR", 1), pool="store"),
        sale(hub, "s-1", Line("BAG", "LON", 1), pool="vip"),
        sale(hub, "s-3", Line("BAG", "PAR", 2), pool="store", hash="content-2"),
        hub.fact("back", Line("BAG", "PAR", 1, "inspection"), verb="return", type="return"),
        hub.fact("a-1", Line("BAG", "LON", -1), verb="adjustment", type="adjustment"),
        hub.fact("a-2", Line("SCARF", "PAR", 1, "damaged"), verb="adjustment", type="adjustment"),
        sale(hub, "s-4", Line("HAT", "PAR", 2), pool="store"),
        hub.fact("p-1", verb="park"),
    ]
    await hub.book(*told)
    await hub.ledger_has_all()
    for number, (line, counted_at_ms) in enumerate([(Line("SCARF", "PAR", 3), now), (Line("SHOE", "LON", 0), now)]):
        count = hub.fact(f"c-{number}", line, verb="count", type="count", detail=Counting(counted_at_ms, "physical", 0))
        [outcome] = await hub.book(count)
        assert isinstance(outcome, Applied)
        assert await hub.stores.closer.wait(outcome.seq, 20)
    # Happened before it was counted, and is told only now.
    await hub.book(sale(hub, "late", Line("SCARF", "PAR", 1), time_ms=now - 1000))
    await hub.ledger_has_all()


def sale(hub: OpenStores, id: str, *lines: Line, **changes: Any) -> Fact:
    return hub.fact(id, *lines, **{"verb": "sale", "type": "sale", "pool": "online", **changes})


async def send(hub: OpenStores) -> None:
    """Let units be on the way, be lost there and arrive unannounced, and take back a sale."""
    await hub.book(hub.fact("c-r", Line("COAT", "LON", 6)), sale(hub, "c-s", Line("COAT", "LON", 1)))
    await hub.book(hub.fact("c-m", Line("COAT", "LON", 1, to="damaged"), verb="moved", type="moved"))
    for id, transfer, units, is_final in [
        ("d-1", "T-1", 2, None),
        ("a-1", "T-1", 1, 0),
        ("e-2", "T-2", 1, 0),
        ("d-2", "T-2", 2, None),
        ("d-3", "T-3", 1, None),
        ("a-3", "T-3", 3, 1),
    ]:
        await hub.book(_transfer(hub, f"way-{id}", transfer, units, is_final))
    void = {"verb": "void", "type": "sale.voided", "lines": ()}
    await hub.book(
        hub.fact("v-1", detail=Voiding("c-s", 0), **void), hub.fact("v-2", detail=Voiding("none", 0), **void)
    )
    await hub.ledger_has_all()


def _transfer(hub: OpenStores, id: str, transfer: str, units: int, is_final: int | None) -> Fact:
    """A dispatch where it is neither final nor not, else a receipt."""
    if is_final is None:
        lines, detail = (Line("COAT", "LON", units),), Transfer(transfer, "PAR", 0, own_lines=1)
        return hub.fact(id, *lines, verb="dispatch", type="transfer.dispatched", detail=detail)
    detail = Transfer(transfer, "", 0, is_final, early=(("COAT", units),))
    return hub.fact(id, lines=(), verb="receive", type="transfer.received", detail=detail)


@pytest.fixture
async def hub(redis_url: str, postgres_dsn: str) -> AsyncIterator[OpenStores]:
    """A hub that has lived; nobody sweeps it."""
    async with opened(redis_url, postgres_dsn, HOUSE) as stores:
        await live(stores)
        yield stores


@pytest.fixture
async def verify(redis_client: Redis, postgres_dsn: str) -> AsyncIterator[Verify]:
    sums = Sums(Link(postgres_dsn, "verify"))

    async def verified(*skus: str, **options: Any) -> Report:
        described = Described(redis_client, Catalogue())
        verification = Verification(Inspection(redis_client), sums, described, **options)
        return await verification.run(skus)

    yield verified
    await sums.aclose()
