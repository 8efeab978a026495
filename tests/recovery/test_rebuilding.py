"""Redis made anew of the ledger holds what it held, whatever happened; what breaks off the next one finishes."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis

from hub.domain.command import Line
from hub.domain.entry import Seq, decode_entry
from hub.faults import Fault, ServerRefused
from hub.recovery.rebuilding import Rebuild
from hub.stock import keys
from hub.stock.outcome import Applied, Duplicate, Granted
from tests.recovery.contents import contents, journal
from tests.stock.opened import OpenStores, opened
from tests.stock.test_requesting import request, reserve
from tests.verify.conftest import sale
from tests.verify.test_promised import PROMISING as HOUSE

Findings = Callable[[], Awaitable[list[Any]]]


def uuid_of(hub: OpenStores) -> UUID:
    return hub.kernel.hub


async def test_an_empty_redis_is_made_anew(
    redis_client: Redis, postgres_dsn: str, hub: OpenStores, findings: Findings
) -> None:
    before = await contents(redis_client)
    meta: Any = await redis_client.hgetall(keys.META)
    await redis_client.flushall()

    done = await Rebuild(redis_client, postgres_dsn).run(uuid_of(hub))

    assert await contents(redis_client) == before
    assert (done.how, done.old_epoch, done.new_epoch, done.drained, done.unread) == ("rebuilt", 1, 2, 0, 0)
    after: Any = await redis_client.hgetall(keys.META)
    assert (after.pop(b"epoch"), after.pop(b"next")) == (b"2", b"1")
    assert int(after.pop(b"booked_at")) >= int(meta.pop(b"booked_at"))
    # Nobody knows what it had beside, so what was never shown is newer than that.
    assert after.pop(b"lost_epoch") == b"2"
    assert after == {name: value for name, value in meta.items() if name not in (b"epoch", b"next")}
    assert await findings() == []


async def test_a_hub_goes_on_where_it_was_made_anew(
    redis_client: Redis, redis_url: str, postgres_dsn: str, hub: OpenStores, findings: Findings
) -> None:
    await redis_client.flushall()
    await Rebuild(redis_client, postgres_dsn).run(uuid_of(hub))

    async with opened(redis_url, postgres_dsn, HOUSE) as again:
        known = await again.book(hub.fact("r-1", Line("BAG", "LON", 6), Line("SCARF", "PAR", 4), Line("BAG", "PAR", 3)))
        [fresh] = await again.book(again.fact("r-new"))
        assert isinstance(known[0], Duplicate)
        assert isinstance(fresh, Applied)
        assert fresh.seq == Seq(2, 1)
        await again.ledger_has_all()
    assert await findings() == []


async def test_a_partition_that_is_well_is_left_alone(redis_client: Redis, postgres_dsn: str, hub: OpenStores) -> None:
    before = await redis_client.hgetall(keys.META)  # type: ignore[misc]

    done = await Rebuild(redis_client, postgres_dsn).run(uuid_of(hub))

    assert (done.how, done.new_epoch) == ("nothing", 1)
    assert await redis_client.hgetall(keys.META) == before  # type: ignore[misc]


async def test_one_that_is_well_is_made_anew_when_asked_for(
    redis_client: Redis, postgres_dsn: str, hub: OpenStores, findings: Findings
) -> None:
    before = await contents(redis_client)

    done = await Rebuild(redis_client, postgres_dsn).run(uuid_of(hub), whole=True)

    assert (done.how, done.new_epoch) == ("rebuilt", 2)
    assert await contents(redis_client) == before
    assert await lost_epoch(redis_client) == 0
    assert await findings() == []


async def lost_epoch(client: Redis) -> int:
    """The last epoch that was begun with a Redis that lacked something; 0: none."""
    return int(await client.hget(keys.META, "lost_epoch") or 0)  # type: ignore[misc]


async def test_what_was_never_shown_stays_newer_than_all_that_was_lost(
    redis_client: Redis, postgres_dsn: str, hub: OpenStores
) -> None:
    async def healed(**options: Any) -> int:
        await Rebuild(redis_client, postgres_dsn).run(uuid_of(hub), **options)
        return await lost_epoch(redis_client)

    epochs = [await healed(whole=True)]
    await redis_client.flushall()
    # The next two lack nothing, and of the one after that it is known only what somebody was answered.
    epochs += [await healed(), await healed(whole=True), await healed(whole=True)]
    epochs.append(await healed(answered=Seq(5, 99)))

    assert epochs == [0, 3, 3, 3, 6]


async def sell_and_hold(hub: OpenStores) -> None:
    """Let holds be made, confirmed and given back, of before and new ones."""
    await hub.book(hub.fact("r-2"), sale(hub, "s-9", Line("COAT", "LON", 1)))
    for id in ("h-8", "h-9"):
        assert isinstance(await reserve(hub, id, "BAG", is_named=0), Granted)
    for verb, id in (("release", "h-1"), ("confirm", "h-8"), ("release", "h-9")):
        assert isinstance(await hub.stores.requests.ask(request(hub, verb, id)), Granted)
    await hub.ledger_has_all()


async def test_a_redis_that_is_behind_is_topped_up(
    redis_client: Redis, redis_url: str, postgres_dsn: str, hub: OpenStores, findings: Findings
) -> None:
    snapshot = {key: await redis_client.dump(key) for key in await redis_client.keys("*")}
    async with opened(redis_url, postgres_dsn, HOUSE) as later:
        await sell_and_hold(later)
    wanted = await contents(redis_client)
    await redis_client.flushall()
    for key, dump in snapshot.items():
        await redis_client.restore(key, 0, dump or b"")

    done = await Rebuild(redis_client, postgres_dsn).run(uuid_of(hub))

    assert (done.how, done.new_epoch, done.left_behind) == ("topped_up", 2, None)
    assert await contents(redis_client) == wanted
    assert await findings() == []


async def test_what_only_the_journal_has_is_posted_first(
    redis_client: Redis, redis_url: str, postgres_dsn: str, hub: OpenStores, findings: Findings
) -> None:
    async with opened(redis_url, postgres_dsn, HOUSE) as later, later.ledger_away():
        await later.book(later.fact("r-2"), later.fact("r-3"))
    wanted = await contents(redis_client)

    done = await Rebuild(redis_client, postgres_dsn).run(uuid_of(hub), whole=True)

    assert (done.how, done.drained) == ("rebuilt", 2)
    assert await lost_epoch(redis_client) == 0
    assert await contents(redis_client) == wanted
    assert await findings() == []


async def test_a_journal_that_does_not_continue_the_ledger_is_named_and_left(
    redis_client: Redis, postgres_dsn: str, hub: OpenStores, findings: Findings
) -> None:
    wanted = await contents(redis_client)
    last = hub.kernel.floor - 1
    await redis_client.xdel(keys.JOURNAL, f"1-{last}")
    await redis_client.hset(keys.META, "next", last + 2)  # type: ignore[misc]
    await redis_client.xadd(keys.JOURNAL, {"e": b"of a master that nobody followed"}, id=f"1-{last + 1}")
    await redis_client.hset(keys.sku("BAG"), "l:LON", b"\x90")  # type: ignore[misc]

    done = await Rebuild(redis_client, postgres_dsn).run(uuid_of(hub), answered=Seq(1, last + 9))

    assert done.left_behind is not None
    assert (done.how, done.drained, done.left_behind.last) == ("rebuilt", 0, Seq(1, last + 1))
    assert (done.left_behind.first, done.left_behind.entries) == (Seq(1, last + 1), 1)
    found = await contents(redis_client)
    # That it was left is told, and an alert is told once.
    [told] = [(day, id) for day, ids in found.items() if "seen:" in day for id in ids if b"answers_lost:" in id]
    del found[told[0]][told[1]]
    assert found == wanted
    assert await findings() == []


async def test_a_redis_behind_what_was_answered_gets_a_new_epoch(
    redis_client: Redis, postgres_dsn: str, hub: OpenStores
) -> None:
    done = await Rebuild(redis_client, postgres_dsn).run(uuid_of(hub), answered=Seq(1, hub.kernel.floor))

    assert (done.how, done.new_epoch, done.fields) == ("topped_up", 2, 0)


async def test_another_hubs_redis_is_never_touched(redis_client: Redis, postgres_dsn: str, hub: OpenStores) -> None:
    await redis_client.hset(keys.META, "hub", str(UUID(int=9)))  # type: ignore[misc]
    before = await contents(redis_client)

    with pytest.raises(ServerRefused, match="another hub"):
        await Rebuild(redis_client, postgres_dsn).run(uuid_of(hub), whole=True)
    with pytest.raises(ServerRefused, match="the ledger is of the hub"):
        await Rebuild(redis_client, postgres_dsn).run(UUID(int=9))

    assert await contents(redis_client) == before
    assert await redis_client.hget(keys.META, "halted") is None  # type: ignore[misc]


async def test_a_halted_partition_is_made_anew(redis_client: Redis, postgres_dsn: str, hub: OpenStores) -> None:
    await redis_client.hset(keys.META, "halted", 1)  # type: ignore[misc]

    done = await Rebuild(redis_client, postgres_dsn).run(uuid_of(hub))

    assert (done.how, done.new_epoch) == ("rebuilt", 2)
    assert await redis_client.hget(keys.META, "halted") is None  # type: ignore[misc]


class Killed(Exception):
    """The process ended here."""


STAGES = ["waiting for the lock", "posted from the journal", "entries folded", "fields written", "opening"]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("is_empty", [True, False])
async def test_an_attempt_that_breaks_off_is_finished_by_the_next(
    redis_client: Redis, postgres_dsn: str, hub: OpenStores, findings: Findings, stage: str, is_empty: bool
) -> None:
    wanted = await contents(redis_client)
    if is_empty:
        await redis_client.flushall()
    else:
        await redis_client.hset(keys.META, "halted", 1)  # type: ignore[misc]

    def die(at: str, count: int) -> None:
        if at == stage and (count or at != "fields written"):
            raise Killed

    with pytest.raises(Killed):
        await Rebuild(redis_client, postgres_dsn, on_progress=die).run(uuid_of(hub))
    told: Any = await redis_client.hmget(keys.META, ["epoch", "halted"])  # type: ignore[misc]
    assert told[0] is None or told[1] is not None
    done = await Rebuild(redis_client, postgres_dsn).run(uuid_of(hub))

    assert done.how == "rebuilt"
    assert await contents(redis_client) == wanted
    assert await redis_client.exists(keys.HEALING) == 0
    assert await findings() == []


# What the process of an operator or a hub does, and where it is killed.
_KILLED = """
import asyncio, os, signal, sys
from uuid import UUID
from redis.asyncio import Redis
from hub.recovery.rebuilding import Rebuild

def die(at: str, count: int) -> None:
    if at == sys.argv[4] and (count or at != "fields written"):
        os.kill(os.getpid(), signal.SIGKILL)

async def run() -> None:
    async with Redis.from_url(sys.argv[1]) as client:
        await Rebuild(client, sys.argv[2], on_progress=die).run(UUID(sys.argv[3]))

asyncio.run(run())
"""


@pytest.mark.parametrize("stage", STAGES[1:])
async def test_a_process_that_is_killed_leaves_a_closed_partition_to_the_next(
    redis_client: Redis, redis_url: str, postgres_dsn: str, hub: OpenStores, findings: Findings, stage: str
) -> None:
    wanted = await contents(redis_client)
    await redis_client.hset(keys.META, "halted", 1)  # type: ignore[misc]

    args = (redis_url, postgres_dsn, str(uuid_of(hub)), stage)
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", _KILLED, *args)
    assert await killed.wait() == -signal.SIGKILL
    assert await redis_client.hget(keys.META, "halted") is not None  # type: ignore[misc]
    done = await Rebuild(redis_client, postgres_dsn).run(uuid_of(hub))

    assert (done.how, done.new_epoch) == ("rebuilt", 2 if stage == "posted from the journal" else 3)
    assert await contents(redis_client) == wanted
    assert await findings() == []


async def test_of_two_at_once_one_heals_and_the_other_finds_it_done(
    redis_client: Redis, postgres_dsn: str, hub: OpenStores
) -> None:
    await redis_client.flushall()

    done = await asyncio.gather(*(Rebuild(redis_client, postgres_dsn).run(uuid_of(hub)) for _ in range(3)))

    assert sorted(each.how for each in done) == ["nothing", "nothing", "rebuilt"]
    assert {each.new_epoch for each in done} == {2}


async def test_who_empties_redis_meanwhile_is_noticed_before_it_is_opened(
    redis_client: Redis, postgres_dsn: str, hub: OpenStores
) -> None:
    await redis_client.flushall()
    emptied: list[asyncio.Task[Any]] = []

    def empty(at: str, count: int) -> None:
        if at == "opening":
            emptied.append(asyncio.ensure_future(redis_client.flushall()))

    with pytest.raises(Fault):
        await Rebuild(redis_client, postgres_dsn, on_progress=empty).run(uuid_of(hub))
    await asyncio.gather(*emptied)

    assert await redis_client.exists(keys.META) == 0
    assert (await Rebuild(redis_client, postgres_dsn).run(uuid_of(hub))).how == "rebuilt"


async def test_the_first_entry_of_the_epoch_says_how_it_was_made(
    redis_client: Redis, postgres_dsn: str, hub: OpenStores
) -> None:
    await redis_client.flushall()

    done = await Rebuild(redis_client, postgres_dsn).run(uuid_of(hub))

    [(place, raw)] = await journal(redis_client)
    assert (place, decode_entry(raw).kind) == (Seq(2, 0), "recovered")
    assert decode_entry(raw).payload == f'{{"how":"rebuilt","up_to":"{done.cursor}"}}'


async def test_who_reserved_before_still_comes_first_afterwards(
    redis_client: Redis, redis_url: str, postgres_dsn: str, hub: OpenStores, findings: Findings
) -> None:
    async with opened(redis_url, postgres_dsn, HOUSE) as before:
        await before.book(before.fact("vase-1", Line("VASE", "PAR", 3)))
        assert isinstance(await reserve(before, "first", "VASE", is_named=0), Granted)
        await before.ledger_has_all()
    await redis_client.flushall()
    await Rebuild(redis_client, postgres_dsn).run(uuid_of(hub))

    async with opened(redis_url, postgres_dsn, HOUSE) as after:
        assert isinstance(await reserve(after, "second", "VASE", is_named=0), Granted)
        # One more than is free: the newest hold that nobody confirmed loses.
        await after.book(sale(after, "vase-2", Line("VASE", "PAR", 2), pool="store"))
        found = await after.stores.held.find(["reservation:first", "reservation:second"])
        await after.ledger_has_all()

    assert {name: hold.state.name for name, hold in found.items()} == {
        "reservation:first": "held",
        "reservation:second": "broken",
    }
    assert await findings() == []
