"""The journal folded is what the kernel left in Redis, field by field and byte for byte, whatever happened."""

import msgspec
import pytest
from hypothesis import given
from redis.asyncio import Redis

from hub.domain.catalogue import HouseSettings
from hub.domain.entry import FORMAT, Entry, Seq, SetRecord, encode_entry
from hub.domain.folding import EntryNotFolded, is_forgotten, remembered, settings_in
from tests.model.happenings import happenings
from tests.model.holdings import awaited, stocked
from tests.model.test_kernel import at_leisure, tell
from tests.model.travels import travels
from tests.model.worlds import Step, stories
from tests.recovery.contents import as_in_redis, contents, folded, journal, unpacked

DAY_MS = 86_400_000
# Made from positions and holds when Redis is restored.
FOLLOWS = ("skus:", "held", "expiry")


@at_leisure
@given(story=stories(happenings) | stocked() | awaited() | travels())
async def test_the_folded_journal_is_redis(redis_client: Redis, story: tuple[HouseSettings, list[Step]]) -> None:
    await tell(redis_client, *story)

    has = {place: what for place, what in (await contents(redis_client)).items() if not place.startswith(FOLLOWS)}
    fold = as_in_redis(folded(await journal(redis_client)))

    assert unpacked(fold) == unpacked(has)
    assert fold == has


def entry(**changes: object) -> Entry:
    fields: dict[str, object] = dict.fromkeys(("type", "source", "id", "hash", "payload"), "")
    fields |= {"format": FORMAT, "kind": "fact", "time_ms": 0, "booked_at_ms": 3 * DAY_MS, "rules_version": 4}
    return Entry(**(fields | changes))  # type: ignore[arg-type]


def test_what_is_set_to_nothing_is_not_there_any_more() -> None:
    told = entry(records=(SetRecord("holds", "reservation:1"), SetRecord("voided", "till:1", [1])))

    assert settings_in(Seq(2, 9), encode_entry(told)) == [
        ("holds", b"reservation:1", None),
        ("seen:3", b"voided\0till:1", msgspec.msgpack.encode(["voided", "", 2, 9, [1]])),
    ]


def test_a_time_stated_far_ahead_is_told_by_the_day() -> None:
    told = entry(source="till", payload='{"id":"1","time":"1970-01-05T00:05:00Z"}')
    sooner = entry(source="till", payload='{"id":"1","time":"1970-01-05T00:04:59.999Z"}')

    assert settings_in(Seq(1, 1), encode_entry(told)) == [("ahead", b"till:4", b"")]
    assert settings_in(Seq(1, 1), encode_entry(sooner)) == []


def test_a_fact_that_was_applied_twice_is_remembered_as_one() -> None:
    record = msgspec.msgpack.encode(["fact", "abc", 1, 7])

    assert remembered(Seq(1, 7), "doubled", "till", "s-1", "abc", DAY_MS) == ("seen:1", b"till:s-1", record)
    assert remembered(Seq(1, 7), "refresh", "", "", "", DAY_MS) is None


def test_what_goes_with_its_day_is_known_by_its_place() -> None:
    assert is_forgotten("seen:6", b"till:1", 7)
    assert not is_forgotten("seen:7", b"till:1", 7)
    assert is_forgotten("ahead", b"till:6", 7)
    assert not is_forgotten("sku:6", b"r", 7)


@pytest.mark.parametrize("raw", [b"", b"\xc1", b"\x91\x01", msgspec.msgpack.encode(["no", "entry"])])
def test_what_is_no_entry_is_said_to_be_none(raw: bytes) -> None:
    with pytest.raises(EntryNotFolded):
        settings_in(Seq(1, 1), raw)
