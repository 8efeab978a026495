"""How far sources were asked: a page and its cursor are written both or neither, by one process at a time."""

from collections.abc import AsyncIterator

import asyncpg
import msgspec
import pytest

from hub.domain.drifting import Told
from hub.domain.inbox import POLLED, Kept, State
from hub.domain.polling import begun, went_on
from hub.faults import Unavailable
from hub.ledger.asking import Asking
from hub.ledger.connection import Link
from hub.ledger.drifts import Drifts
from hub.ledger.inbox import Inbox
from hub.ledger.polls import Polls
from tests.ledger.test_inbox import AT_MS, arrived

SINCE_MS = AT_MS - 600_000


@pytest.fixture
async def polls(ledger: asyncpg.Connection, postgres_dsn: str) -> AsyncIterator[Polls]:
    opened = Polls(Link(postgres_dsn, "one"))
    yield opened
    await opened.aclose()


@pytest.fixture
async def others(ledger: asyncpg.Connection, postgres_dsn: str) -> AsyncIterator[Polls]:
    opened = Polls(Link(postgres_dsn, "two"))
    yield opened
    await opened.aclose()


async def test_a_page_is_kept_with_its_cursor_and_what_is_known_is_not_kept_again(
    polls: Polls, ledger: asyncpg.Connection, asking: Asking
) -> None:
    assert await polls.hold("shop")
    walking = begun(await polls.opened("shop", "orders", SINCE_MS), AT_MS)
    page = [arrived(f"d-{number}", method=POLLED) for number in (1, 2, 2)]

    found = await polls.keep("shop", "orders", went_on(walking, "page 2", AT_MS, 60), page)
    assert found == 2
    second = msgspec.structs.replace(went_on(walking, "page 3", AT_MS, 60), found=2)
    again = await polls.keep("shop", "orders", second, [*page, arrived("d-3", method=POLLED)])
    empty = await polls.keep("shop", "orders", msgspec.structs.replace(second, cursor="page 4", found=3), [])

    assert (again, empty) == (3, 3)
    [state] = (await polls.states("shop")).values()
    assert (state.cursor, state.since_ms, state.began_ms, state.found) == ("page 4", SINCE_MS, AT_MS, 3)
    rows = await ledger.fetch("SELECT delivery, state, headers, body FROM hub.inbox ORDER BY number")
    assert [row["delivery"] for row in rows] == ["d-1", "d-2", "d-3"]
    assert {row["state"] for row in rows} == {"kept"}
    due = sorted(await Inbox([asking], asking).due(9, []), key=lambda kept: kept.number)
    assert [kept.arrived for kept in due[:2]] == page[:2]


async def test_nothing_is_written_where_an_operator_changed_something_meanwhile(
    polls: Polls, others: Polls, ledger: asyncpg.Connection
) -> None:
    assert await polls.hold("shop")
    walking = begun(await polls.opened("shop", "orders", SINCE_MS), AT_MS)
    await others.ask("shop", "orders", AT_MS - 10**9, is_since=True)

    kept = await polls.keep("shop", "orders", went_on(walking, "page 2", AT_MS, 60), [arrived()])
    noted = await polls.note("shop", "orders", walking)

    assert (kept, noted) == (None, False)
    assert await ledger.fetchval("SELECT count(*) FROM hub.inbox") == 0
    state = await polls.opened("shop", "orders", SINCE_MS)
    assert (state.since_ms, state.cursor, state.began_ms, state.version) == (AT_MS - 10**9, "", 0, 1)


async def test_what_is_asked_for_soon_goes_on_where_it_was(polls: Polls, others: Polls) -> None:
    assert await polls.hold("shop")
    walking = begun(await polls.opened("shop", "orders", SINCE_MS), AT_MS)
    later = msgspec.structs.replace(went_on(walking, "page 2", AT_MS, 60), due_ms=AT_MS + 10**9)
    await polls.note("shop", "orders", later)

    await others.ask("shop", "orders", AT_MS, is_since=False)

    state = await polls.opened("shop", "orders", 0)
    assert (state.since_ms, state.cursor, state.began_ms) == (SINCE_MS, "page 2", AT_MS)
    assert state.due_ms < later.due_ms


async def test_one_process_asks_and_another_when_its_connection_ends(polls: Polls, others: Polls) -> None:
    assert (await polls.hold("shop"), await others.hold("shop"), await others.hold("till")) == (True, False, True)
    with pytest.raises(Unavailable):
        await others.opened("shop", "orders", SINCE_MS)

    await polls.aclose()

    assert await others.hold("shop")
    with pytest.raises(Unavailable):
        await polls.opened("shop", "orders", SINCE_MS)
    await others.release("shop")
    assert await polls.hold("shop")


async def test_what_was_delivered_is_given_before_what_was_asked_for(
    polls: Polls, asking: Asking, ledger: asyncpg.Connection
) -> None:
    inbox = Inbox([asking], asking)
    assert await polls.hold("shop")
    walking = begun(await polls.opened("shop", "orders", SINCE_MS), AT_MS)
    await polls.keep("shop", "orders", walking, [arrived(f"asked-{number}", method=POLLED) for number in range(3)])
    delivered = await inbox.keep(arrived("delivered"))
    assert isinstance(delivered, Kept)
    await inbox.put_off(delivered.number, 0, "", has_failed=False)

    [first] = await inbox.due(1, [])

    assert first.number == delivered.number


async def test_what_brought_nothing_new_is_kept_for_a_day(
    polls: Polls, asking: Asking, ledger: asyncpg.Connection
) -> None:
    inbox = Inbox([asking], asking)
    assert await polls.hold("shop")
    walking = begun(await polls.opened("shop", "orders", SINCE_MS), AT_MS)
    page = [arrived(name, method=POLLED) for name in ("old", "new")]
    await polls.keep("shop", "orders", walking, [*page, arrived("delivered")])
    states: dict[str, State] = {"old": "ignored", "new": "booked", "delivered": "ignored"}
    for kept in await inbox.due(3, []):
        await inbox.settle(kept.number, states[kept.arrived.delivery])
    await ledger.execute("UPDATE hub.inbox SET settled_at = now() - interval '2 days'")

    assert await inbox.clear(30) == 1
    assert [row["delivery"] for row in await ledger.fetch("SELECT delivery FROM hub.inbox ORDER BY number")] == [
        "new",
        "delivered",
    ]


async def test_differences_are_known_from_when_they_are_told_until_they_are_over(
    asking: Asking, ledger: asyncpg.Connection
) -> None:
    drifts = Drifts(asking)
    agreeing, differing = Told("BAG", "LON", 5, 0, AT_MS), Told("BELT", "LON", 5, 2, AT_MS)
    await drifts.note("shop", [agreeing, differing])
    [first] = await drifts.all()
    assert (first.sku, first.theirs, first.units, first.told_ms, first.alert_ms) == ("BELT", 5, 2, AT_MS, 0)

    await drifts.note("shop", [Told("BELT", "LON", 9, 1, AT_MS - 1)])
    assert await drifts.all() == [first]
    await drifts.note("shop", [Told("BELT", "LON", 9, 6, AT_MS + 1)])
    await drifts.told(first)
    [second] = await drifts.all()
    assert (second.theirs, second.units, second.since_ms) == (9, 6, first.since_ms)
    assert second.alert_ms > 0
    # It was told anew since it was seen to agree.
    await drifts.over([first])
    assert len(await drifts.all()) == 1
    await drifts.over([second])
    assert await drifts.all() == []


async def test_what_the_house_compares_no_more_is_forgotten(asking: Asking, ledger: asyncpg.Connection) -> None:
    drifts = Drifts(asking)
    for source in ("shop", "till"):
        await drifts.note(source, [Told("BAG", "LON", 5, 2, AT_MS)])

    await drifts.keep_only(["till"])

    assert [each.source for each in await drifts.all()] == ["till"]
