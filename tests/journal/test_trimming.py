"""Redis gets its memory back behind the ledger, never before it."""

from collections.abc import Awaitable, Callable

from redis.asyncio import Redis

from hub.domain.entry import Seq
from hub.domain.remembering import DAY_MS, REMEMBERED_DAYS
from hub.journal.trimming import Trimmer, drop_seen_days, trim

Append = Callable[..., Awaitable[None]]
META = "hub:{0}:meta"
AHEAD = "hub:{0}:ahead"


def seen(day: int) -> str:
    return f"hub:{{0}}:seen:{day}"


async def ids(client: Redis, key: str) -> list[bytes]:
    return [stream_id for stream_id, _ in await client.xrange(key)]


async def test_an_exact_trim_leaves_what_is_kept_and_all_the_ledger_lacks(
    redis_client: Redis, key: str, append: Append
) -> None:
    await append(1, 0, 20)

    dropped = await trim(redis_client, key, Seq(1, 9), 3, approximate=False)

    assert dropped == 7
    assert (await ids(redis_client, key))[0] == b"1-7"
    assert await redis_client.xlen(key) == 13


async def test_an_approximate_trim_never_passes_the_ledger(redis_client: Redis, key: str, append: Append) -> None:
    await append(1, 0, 1_000)

    for behind in range(0, 1_000, 97):
        await trim(redis_client, key, Seq(1, behind), 1)
        assert int((await ids(redis_client, key))[0].split(b"-")[1]) <= behind

    assert await redis_client.xlen(key) < 500


async def test_a_short_journal_is_left_whole(redis_client: Redis, key: str, append: Append) -> None:
    await append(1, 0, 5)

    assert await trim(redis_client, key, Seq(1, 4), 1_000, approximate=False) == 0
    assert await redis_client.xlen(key) == 5


async def test_an_earlier_epoch_stays_until_the_present_one_has_enough(
    redis_client: Redis, key: str, append: Append
) -> None:
    await append(1, 0, 5)
    await append(2, 0, 5)

    assert await trim(redis_client, key, Seq(2, 1), 3, approximate=False) == 0
    assert await trim(redis_client, key, Seq(2, 4), 3, approximate=False) == 7


async def make_days(client: Redis, first: int, last: int) -> None:
    for day in range(first, last + 1):
        await client.hset(seen(day), "till:1", b"x")
    await client.hset(META, "seen_from", str(first))


async def live_days(client: Redis) -> list[int]:
    found = [int(name.rsplit(b":", 1)[1]) for name in await client.keys("hub:{0}:seen:*")]
    return sorted(found)


async def test_dedupe_records_stay_for_seven_whole_days_after_their_day(redis_client: Redis) -> None:
    await make_days(redis_client, 100, 110)

    dropped = await drop_seen_days(redis_client, META, seen, AHEAD, ledger_booked_at_ms=110 * DAY_MS)

    assert dropped == 3
    assert await live_days(redis_client) == list(range(110 - REMEMBERED_DAYS, 111))
    assert await redis_client.hget(META, "seen_from") == b"103"


async def test_a_day_the_ledger_has_not_passed_stays_however_old_it_is(redis_client: Redis) -> None:
    await make_days(redis_client, 100, 130)

    dropped = await drop_seen_days(redis_client, META, seen, AHEAD, ledger_booked_at_ms=101 * DAY_MS - 1)

    assert dropped == 0
    assert await live_days(redis_client) == list(range(100, 131))


async def test_the_first_live_day_never_goes_back(redis_client: Redis) -> None:
    await make_days(redis_client, 200, 201)

    await drop_seen_days(redis_client, META, seen, AHEAD, ledger_booked_at_ms=150 * DAY_MS)

    assert await redis_client.hget(META, "seen_from") == b"200"


async def test_a_journal_that_was_never_opened_has_no_days_to_drop(redis_client: Redis) -> None:
    assert await drop_seen_days(redis_client, META, seen, AHEAD, ledger_booked_at_ms=150 * DAY_MS) == 0
    assert await redis_client.hget(META, "seen_from") is None


async def test_a_trimmer_does_both(redis_client: Redis, key: str, append: Append) -> None:
    await append(1, 0, 1_000)
    await make_days(redis_client, 100, 110)

    await Trimmer(redis_client, journal=key, meta=META, seen=seen, ahead=AHEAD, keep=10)(Seq(1, 999), 110 * DAY_MS)

    assert 10 <= await redis_client.xlen(key) < 500
    assert await live_days(redis_client) == list(range(103, 111))


async def test_what_was_stated_ahead_for_a_forgotten_day_is_forgotten_with_it(redis_client: Redis) -> None:
    await redis_client.hset(META, "seen_from", "100")
    await redis_client.sadd(AHEAD, "till:102", "till:103", "shop.1:20000")

    await drop_seen_days(redis_client, META, seen, AHEAD, ledger_booked_at_ms=110 * DAY_MS)

    assert await redis_client.smembers(AHEAD) == {b"till:103", b"shop.1:20000"}
