"""What may be lost with a Redis that lacks something is named where nobody is left to know it, and only there."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
from redis.asyncio import Redis

from hub.domain.entry import Entry, Seq, decode_entry
from hub.domain.folding import remembered
from hub.domain.losing import Doubt, Window, alert_of
from hub.domain.noticing import entry_of
from hub.ledger.connection import Link
from hub.ledger.epochs import Epochs
from hub.recovery.rebuilding import Rebuild
from hub.recovery.recovered import Recovered
from hub.recovery.stopping import come_to_rest
from hub.stock import keys
from hub.stock.kernel import Kernel
from tests.recovery.contents import journal
from tests.stock.opened import OpenStores, opened
from tests.verify.test_promised import PROMISING as HOUSE

Findings = Callable[[], Awaitable[list[Any]]]


@pytest.fixture
def rebuilt(redis_client: Redis, postgres_dsn: str, hub: OpenStores) -> Callable[..., Awaitable[Recovered]]:
    """A rebuild where no process is left."""

    async def run(**options: Any) -> Recovered:
        return await Rebuild(redis_client, postgres_dsn).run(hub.kernel.hub, names_lost=True, **options)

    return run


def kernel_of(hub: OpenStores, client: Redis) -> Kernel:
    """The kernel of a hub whose own connections are closed."""
    kernel = Kernel(client)
    kernel.hub, kernel.epoch, kernel.floor = hub.kernel.hub, hub.kernel.epoch, hub.kernel.floor
    return kernel


async def alerts(client: Redis) -> list[Entry]:
    """What the journal says of losses, in its order."""
    entries = [decode_entry(raw) for _, raw in await journal(client)]
    return [entry for entry in entries if entry.type == "answers_lost"]


async def test_nobody_knows_what_an_empty_redis_had_so_all_who_sent_before_are_named(
    redis_client: Redis, redis_url: str, postgres_dsn: str, hub: OpenStores, rebuilt: Any, findings: Findings
) -> None:
    async with opened(redis_url, postgres_dsn, HOUSE) as before:
        await before.book(before.fact("of-the-web", source="web-shop"))
        await before.ledger_has_all()
        last = Seq(1, before.kernel.floor - 1)
        booked_at_ms = before.kernel.booked_at_ms
    await redis_client.flushall()

    done = await rebuilt()

    [doubt] = done.lost
    assert isinstance(doubt, Doubt)
    assert (doubt.after, doubt.since_ms) == (last, booked_at_ms)
    assert doubt.until_ms >= booked_at_ms
    assert {"till", "web-shop"} <= set(doubt.sources)
    assert "~hub" not in doubt.sources
    [told] = await alerts(redis_client)
    assert (told.kind, told.source, told.about, told.alerts[0].quantity) == ("alert", "~hub", f"{last}..", 1)
    payload = msgspec.json.decode(told.payload)
    assert (payload["certain"], payload["after"], payload["sources"]) == (False, str(last), list(doubt.sources))
    assert await findings() == []


async def test_a_hub_works_on_behind_the_alert(
    redis_client: Redis, redis_url: str, postgres_dsn: str, rebuilt: Any, findings: Findings
) -> None:
    await redis_client.flushall()
    await rebuilt()

    async with opened(redis_url, postgres_dsn, HOUSE) as again:
        [outcome] = await again.book(again.fact("r-new"))
        assert outcome.seq == Seq(2, 2)  # type: ignore[union-attr]
        await again.ledger_has_all()
    assert await findings() == []


async def test_nothing_is_lost_where_redis_is_whole(redis_client: Redis, rebuilt: Any) -> None:
    done = await rebuilt(whole=True)

    assert (done.how, done.lost, await alerts(redis_client)) == ("rebuilt", (), [])


async def test_nothing_is_lost_where_a_write_failed_half_way(redis_client: Redis, rebuilt: Any) -> None:
    await redis_client.hset(keys.META, "halted", 1)  # type: ignore[misc]

    assert (await rebuilt()).lost == ()


class Killed(Exception):
    """The process ended here."""


async def test_what_an_attempt_found_whole_and_emptied_is_not_lost(
    redis_client: Redis, postgres_dsn: str, hub: OpenStores, rebuilt: Any
) -> None:
    def die(at: str, count: int) -> None:
        if at == "fields written":
            raise Killed

    broken = Rebuild(redis_client, postgres_dsn, on_progress=die)
    with pytest.raises(Killed):
        await broken.run(hub.kernel.hub, whole=True, names_lost=True)
    await redis_client.flushall()

    done = await rebuilt()

    assert (done.how, done.lost) == ("rebuilt", ())


@pytest.mark.parametrize("works_on", [False, True])
async def test_nothing_is_lost_after_an_orderly_stop_until_somebody_works_again(
    redis_client: Redis, hub: OpenStores, rebuilt: Any, works_on: bool
) -> None:
    epochs = hub.stores.epochs
    await epochs.present(1)
    last = await come_to_rest(kernel_of(hub, redis_client), epochs, hub.stores.watermark, 5)
    assert last == Seq(1, hub.kernel.floor - 1)
    if works_on:
        await epochs.present(1)
    await epochs.aclose()
    await redis_client.flushall()

    done = await rebuilt()

    assert [type(each) for each in done.lost] == ([Doubt] if works_on else [])


async def test_who_is_about_to_heal_does_not_take_back_that_the_hub_had_stopped(
    redis_client: Redis, hub: OpenStores, rebuilt: Any
) -> None:
    epochs = hub.stores.epochs
    assert await come_to_rest(kernel_of(hub, redis_client), epochs, hub.stores.watermark, 5)
    await redis_client.flushall()
    await epochs.present(2)

    done = await rebuilt()
    assert done.lost == ()
    # From here on it works.
    await epochs.present(2)
    await redis_client.flushall()
    assert [type(each) for each in (await rebuilt()).lost] == [Doubt]
    await epochs.aclose()


async def test_who_goes_on_in_another_epoch_takes_back_that_nobody_works_there(
    redis_client: Redis, postgres_dsn: str, rebuilt: Any
) -> None:
    epochs = Epochs(Link(postgres_dsn, "epochs"))
    await epochs.present(1)
    await rebuilt(whole=True)
    ledger = await asyncpg.connect(postgres_dsn)
    assert await ledger.fetchval("SELECT count(*) FROM hub.at_rest") == 1
    await epochs.present(1)
    assert await ledger.fetchval("SELECT count(*) FROM hub.at_rest") == 1

    await epochs.present(2)

    assert await ledger.fetchval("SELECT count(*) FROM hub.at_rest") == 0
    await ledger.close()
    await epochs.aclose()


async def test_the_hub_does_not_rest_while_another_process_works_or_the_ledger_lacks_something(
    redis_client: Redis, postgres_dsn: str, hub: OpenStores
) -> None:
    kernel, watermark = kernel_of(hub, redis_client), hub.stores.watermark
    mine, others = hub.stores.epochs, Epochs(Link(postgres_dsn, "epochs"))
    last = Seq(1, kernel.floor - 1)
    await others.present(1)
    assert await come_to_rest(kernel, mine, watermark, 5) is None
    await mine.present(1)
    assert not await others.rest(last)
    await others.aclose()

    assert not await mine.rest(Seq(1, last.number + 1))
    await redis_client.hincrby(keys.META, "next", 1)  # type: ignore[misc]
    assert await come_to_rest(kernel, mine, watermark, 0.01) is None
    await redis_client.hincrby(keys.META, "next", -1)  # type: ignore[misc]
    kernel.floor += 1
    assert await come_to_rest(kernel, mine, watermark, 5) is None
    kernel.floor -= 1
    assert await come_to_rest(kernel, mine, watermark, 5) == last
    await mine.aclose()


async def test_a_process_that_vanished_may_be_at_work_with_redis_so_nobody_says_that_the_hub_rests(
    redis_client: Redis, postgres_dsn: str, hub: OpenStores, rebuilt: Any
) -> None:
    vanished = Epochs(Link(postgres_dsn, "epochs"))
    await vanished.present(1)
    await vanished.aclose()

    assert await come_to_rest(kernel_of(hub, redis_client), hub.stores.epochs, hub.stores.watermark, 5) is None
    await hub.stores.epochs.aclose()
    await redis_client.flushall()

    assert [type(each) for each in (await rebuilt()).lost] == [Doubt]


async def test_what_an_older_ledger_lacks_of_a_whole_redis_is_named_also_what_its_journal_forgot(
    redis_client: Redis, redis_url: str, postgres_dsn: str, hub: OpenStores, rebuilt: Any
) -> None:
    """As if the ledger had been brought back from a backup."""
    last = hub.kernel.floor - 1
    async with opened(redis_url, postgres_dsn, HOUSE) as later, later.ledger_away():
        for source in ("forgotten", "pos-1", "pos-2"):
            await later.book(later.fact("r-1", source=source))
        end = later.kernel.floor - 1
        booked_at_ms = later.kernel.booked_at_ms
    await redis_client.xtrim(keys.JOURNAL, minid=f"1-{end - 1}", approximate=False)

    done = await rebuilt()

    [window] = done.lost
    assert isinstance(window, Window)
    assert (window.first, window.last, window.entries) == (Seq(1, last + 1), Seq(1, end), end - last)
    assert (window.until_ms, window.certain) == (booked_at_ms, False)
    assert {"pos-1", "pos-2", "till"} <= set(window.sources)
    assert done.left_behind is not None
    assert (done.left_behind.first, done.left_behind.sources) == (Seq(1, end - 1), ("pos-1", "pos-2"))
    [told] = await alerts(redis_client)
    assert (told.about, told.alerts[0].quantity) == (f"0-1-{last + 1}..0-1-{end}", end - last)


async def test_what_a_forgotten_master_took_is_named_by_its_journal_and_the_rest_is_in_doubt(
    redis_client: Redis, postgres_dsn: str, hub: OpenStores, rebuilt: Any
) -> None:
    taken: list[tuple[Seq, bytes]] = await journal(redis_client)
    seq, raw = taken[-1]
    other = msgspec.structs.replace(decode_entry(raw), source="pos-9", id="of-another-master")
    await redis_client.xtrim(keys.JOURNAL, maxlen=len(taken) - 1, approximate=False)
    await redis_client.xdel(keys.JOURNAL, seq.stream_id)
    # A stream takes no id again, so it is made anew.
    await redis_client.delete(keys.JOURNAL)
    for place, entry in [*taken[:-1], (seq, msgspec.msgpack.encode(other))]:
        await redis_client.xadd(keys.JOURNAL, {"e": entry}, id=place.stream_id)

    done = await rebuilt()

    window, doubt = done.lost
    assert isinstance(window, Window)
    assert isinstance(doubt, Doubt)
    assert (window.first, window.last, window.sources, window.certain) == (seq, seq, ("pos-9",), True)
    assert doubt.after == seq
    assert [each.about for each in await alerts(redis_client)] == [f"{seq}..{seq}", f"{seq}.."]


async def test_the_alert_of_a_rebuild_is_written_as_the_kernel_writes_it(
    redis_client: Redis, redis_url: str, postgres_dsn: str, hub: OpenStores
) -> None:
    async with opened(redis_url, postgres_dsn, HOUSE) as open_:
        now_ms = open_.kernel.booked_at_ms
        alert = alert_of(Doubt(Seq(1, 7), now_ms - 5_000, now_ms, ("pos-1",)), now_ms)
        await open_.stores.batcher.submit([alert])
        seq, raw = (await journal(redis_client))[-1]
        entry = decode_entry(raw)

    assert entry == entry_of(alert, entry.booked_at_ms, entry.rules_version)
    record = remembered(seq, "alert", alert.source, alert.id, alert.hash, entry.booked_at_ms)
    assert record is not None
    place, field, value = record
    assert await redis_client.hget(keys.PREFIX + place, field) == value  # type: ignore[misc]


async def test_running_hubs_tell_it_themselves(redis_client: Redis, postgres_dsn: str, hub: OpenStores) -> None:
    await redis_client.flushall()

    done = await Rebuild(redis_client, postgres_dsn).run(UUID(str(hub.kernel.hub)))

    assert (done.how, done.lost, await alerts(redis_client)) == ("rebuilt", (), [])
