"""The inbox in Postgres: kept once, given to one at a time, settled once, deleted when it is over."""

import asyncio
from hashlib import sha256
from typing import Any

import asyncpg
import pytest

from hub.domain.inbox import Arrived, Backlog, Kept, Known
from hub.ledger.asking import Asking
from hub.ledger.inbox import Inbox

AT_MS = 1_795_600_000_000


def arrived(delivery: str = "d-1", **changes: Any) -> Arrived:
    body = changes.pop("body", b'{"a": "\xff"}')
    said: dict[str, Any] = {"source": "shop", "topic": "orders/create", "method": "POST", "headers": {"a": "b"}}
    said |= {"query": {}, "received_at_ms": AT_MS, **changes}
    return Arrived(delivery=delivery, body=body, digest=sha256(body).digest(), **said)


@pytest.fixture
def inbox(asking: Asking) -> Inbox:
    return Inbox([asking], asking)


async def over(ledger: asyncpg.Connection) -> None:
    """As if whoever has deliveries had them no more."""
    await ledger.execute("UPDATE hub.inbox SET next_at = now()")


async def test_a_delivery_is_kept_once_as_it_came(inbox: Inbox) -> None:
    came = arrived()

    first, again = await inbox.keep(came), await inbox.keep(arrived(body=b"other"))

    assert isinstance(first, Kept)
    assert first.arrived == came
    assert again == Known("kept", "", came.digest)


async def test_what_somebody_has_is_given_to_nobody_else_until_its_time_is_over(
    inbox: Inbox, ledger: asyncpg.Connection
) -> None:
    for number in range(30):
        await inbox.keep(arrived(f"d-{number}"))
    assert await inbox.due(32, []) == []
    await over(ledger)

    given = await asyncio.gather(*(inbox.due(4, []) for _ in range(10)))

    numbers = [kept.number for some in given for kept in some]
    assert len(numbers) == len(set(numbers)) == 30
    await over(ledger)
    assert await inbox.due(32, ["shop"]) == []


async def test_what_is_settled_stays_so_and_what_is_parked_may_be_tried_again(
    inbox: Inbox, ledger: asyncpg.Connection
) -> None:
    first, second = await inbox.keep(arrived("d-1")), await inbox.keep(arrived("d-2"))
    assert isinstance(first, Kept)
    assert isinstance(second, Kept)
    await inbox.settle(first.number, "booked")
    await inbox.settle(first.number, "parked", "late")
    await inbox.settle(second.number, "parked", "no alias\0", ("town:7",))

    assert (await inbox.keep(arrived("d-1"))).state == "booked"  # type: ignore[union-attr]
    assert await inbox.lacking() == ["town:7"]
    assert await inbox.parked(0, ["town:8"]) == []
    [again] = await inbox.parked(0, ["town:7"])
    assert again.arrived.delivery == "d-2"
    # Somebody has it, and the list has it nevertheless.
    assert await inbox.parked(0) == []
    assert [told.delivery for told in await inbox.page("parked", 0, "shop", 10)] == ["d-2"]
    await inbox.put_off(second.number, 0, "fetching", has_failed=True)
    [due] = await inbox.due(9, [])
    assert (due.number, due.attempts) == (second.number, 1)


async def test_what_waits_is_counted_by_source(inbox: Inbox) -> None:
    for number in range(3):
        await inbox.keep(arrived(f"d-{number}", received_at_ms=AT_MS + number))
    parked = await inbox.keep(arrived("p", source="till"))
    assert isinstance(parked, Kept)
    await inbox.settle(parked.number, "parked", "why")

    assert await inbox.waiting() == {"shop": Backlog(3, 0, AT_MS), "till": Backlog(0, 1)}


async def test_what_was_dismissed_is_forgotten_and_deleted_later(inbox: Inbox, ledger: asyncpg.Connection) -> None:
    kept = await inbox.keep(arrived())
    assert isinstance(kept, Kept)
    assert not await inbox.dismiss(kept.number)
    await inbox.settle(kept.number, "parked", "why")

    assert await inbox.dismiss(kept.number)

    found = await inbox.one(kept.number)
    assert found is not None
    assert (found[0].arrived.body, found[0].arrived.headers, found[1]) == (b"", {}, "dismissed")
    assert await inbox.clear(1) == 0
    await ledger.execute("UPDATE hub.inbox SET settled_at = now() - interval '2 days'")
    assert await inbox.clear(1) == 1
    assert await inbox.one(kept.number) is None
