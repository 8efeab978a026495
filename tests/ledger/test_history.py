"""Time travel: what a pool showed at any time, and by which entry."""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from hub.domain.entry import Entry, Seq, SetView
from hub.domain.pools import News, Status, View
from hub.faults import Unavailable
from hub.ledger.asking import WAITING_MAX, Asking
from hub.ledger.connection import Link
from hub.ledger.history import History

MakeSale = Callable[..., Entry]
Write = Callable[..., Awaitable[None]]
RunWriter = Callable[..., Any]

# The last millisecond of a November, so that the story goes on in another month's table.
START_MS = 1_796_083_199_999


@pytest.fixture
def history(asking: Asking) -> History:
    return History(asking)


def showing(make_sale: MakeSale, number: int, at_ms: int, **view: int) -> Entry:
    shown = SetView(0, "online", View(changes=number + 1, at_ms=at_ms, **view), News.changed)
    return make_sale(number, time_ms=at_ms - 500, booked_at_ms=at_ms, views=(shown,))


async def test_what_was_shown_is_the_last_change_until_then(
    history: History, make_sale: MakeSale, write: Write, run_writer: RunWriter
) -> None:
    eta = START_MS + 60_000
    entries = (
        showing(make_sale, 0, START_MS, available=5, status=Status.in_stock),
        showing(make_sale, 1, START_MS + 10, available=1, status=Status.low_stock),
        # In the same millisecond the later entry counts.
        showing(make_sale, 2, START_MS + 10, available=0, status=Status.preorder, eta_ms=eta),
        make_sale(3, booked_at_ms=START_MS + 20),
    )
    await write(0, *entries)
    async with run_writer() as running:
        await running.reaches(3)

    looks = [await history.shown_at("online", "BAG-NOIR", START_MS + after) for after in (-1, 0, 9, 10, 99_999)]

    assert looks[0].then is None
    assert [look.then and look.then.seq for look in looks[1:]] == [Seq(1, 0), Seq(1, 0), Seq(1, 2), Seq(1, 2)]
    last = looks[-1].then
    assert last is not None
    assert last.view == View(changes=3, at_ms=START_MS + 10, available=0, status=Status.preorder, eta_ms=eta)
    assert (last.kind, last.type, last.source, last.id) == ("fact", "sale", "till-7", "sale-2")
    assert last.time_ms == START_MS - 490
    assert {look.complete_before_ms for look in looks} == {START_MS + 20}


async def test_another_pool_or_sku_has_a_past_of_its_own(
    history: History, make_sale: MakeSale, write: Write, run_writer: RunWriter
) -> None:
    await write(0, showing(make_sale, 0, START_MS, available=5))
    async with run_writer() as running:
        await running.reaches(0)

    assert (await history.shown_at("vip", "BAG-NOIR", START_MS)).then is None
    assert (await history.shown_at("online", "BAG", START_MS)).then is None


async def test_an_empty_ledger_is_complete_before_nothing(history: History) -> None:
    look = await history.shown_at("online", "BAG-NOIR", START_MS)

    assert (look.then, look.complete_before_ms) == (None, 0)


async def test_a_ledger_that_is_slow_is_not_waited_for_without_end(
    ledger: asyncpg.Connection, postgres_dsn: str
) -> None:
    asking = Asking(Link(postgres_dsn, "history"), deadline_seconds=0.2)
    try:
        async with ledger.transaction():
            await ledger.execute("LOCK TABLE hub.shown IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(Unavailable):
                await History(asking).shown_at("online", "BAG-NOIR", START_MS)
    finally:
        await asking.aclose()


async def test_too_many_that_wait_are_told_at_once(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.ledger.asking.WAITING_MAX", 0)

    with pytest.raises(Unavailable, match="Too many"):
        await asking.fetch("SELECT 1")
    assert WAITING_MAX > 0


async def test_what_a_change_of_rules_made_so_is_told_by_that_change(
    history: History, make_sale: MakeSale, write: Write, run_writer: RunWriter
) -> None:
    rules = {"type": "", "source": "", "rules_version": 8}
    changed = make_sale(0, kind="rules", booked_at_ms=START_MS, **rules)
    shown = SetView(0, "online", View(changes=1, at_ms=START_MS + 50, available=2), News.changed)
    recomputed = make_sale(1, kind="refresh", booked_at_ms=START_MS + 50, views=(shown,), **rules)
    await write(0, changed, recomputed)
    async with run_writer() as running:
        await running.reaches(1)

    then = (await history.shown_at("online", "BAG-NOIR", START_MS + 60)).then

    assert then is not None
    assert (then.kind, then.seq, then.view.at_ms) == ("rules", Seq(1, 0), START_MS + 50)
