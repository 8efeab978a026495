"""Purchase orders and serial numbers in the small worlds, and what is remembered of them."""

from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import strategies as st
from redis.asyncio import Redis

from hub.domain.command import Detail, Line, Supply, Verb
from hub.domain.entry import Entry
from hub.stock import keys

SERIALS = ("S1", "S2", "S3")
ORDERS = ("PO-1", "PO-2")
HOUR_MS = 3_600_000
# What may bring pieces onto a shelf.
BRINGING = ("receipt", "return", "adjustment", "transfer.received", "transfer.dispatched", "sale.voided")


@st.composite
def details(draw: st.DrawFn, verb: Verb) -> Detail | None:
    """What `expected` says beside its lines, and a receipt perhaps."""
    if verb == "expected":
        return Supply(draw(st.sampled_from(ORDERS)), draw(st.integers(0, 3)) * HOUR_MS)
    if verb == "receipt" and draw(st.booleans()):
        return Supply(draw(st.sampled_from(ORDERS)))
    return None


@st.composite
def named(draw: st.DrawFn, lines: list[Line]) -> tuple[Line, ...]:
    """The lines with a few serials; none stands twice for one SKU."""
    left = {line.sku: list(SERIALS) for line in lines}
    told: list[Line] = []
    for line in lines:
        serials = (
            draw(st.lists(st.sampled_from(left[line.sku]), max_size=abs(line.quantity), unique=True))
            if left[line.sku]
            else []
        )
        left[line.sku] = [serial for serial in left[line.sku] if serial not in serials]
        told.append(msgspec.structs.replace(line, serials=tuple(serials)))
    return tuple(told)


def expected_in(fields: dict[bytes, bytes]) -> Any:
    """Take out of a SKU's hash what is expected of it; None when nothing ever was."""
    packed = fields.pop(keys.EXPECTED_FIELD, None)
    return None if packed is None else msgspec.msgpack.decode(packed)


async def table_in(client: Redis, key: str) -> dict[str, Any]:
    """What is remembered in one table, by field."""
    [fields] = await hashes_at(client, [key])
    return table_of(fields)


def table_of(fields: dict[bytes, bytes]) -> dict[str, Any]:
    """The same, read already."""
    return {field.decode(): msgspec.msgpack.decode(packed) for field, packed in fields.items()}


async def hashes_at(client: Redis, names: Sequence[str | bytes]) -> list[Any]:
    """Hashes as they are stored, in one question."""
    async with client.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.hgetall(name)  # type: ignore[arg-type]
        return await pipeline.execute()


def check_suspects(entry: Entry) -> None:
    """What came in under suspicion lies where a person looks at it, unless a count has seen it."""
    named = [move.serials for move in entry.movements if move.serials]
    assert all(len(set(serials)) == len(serials) for serials in named)
    for alert in entry.alerts:
        if alert.type == "counterfeit_suspect" and entry.type in BRINGING:
            moved = [m for m in entry.movements if (m.sku, m.location) == (alert.sku, alert.location)]
            aside = sum(m.quantity for m in moved if m.to_bucket in ("aside:inspection", "variance"))
            assert aside >= alert.quantity
