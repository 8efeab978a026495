"""What a till is told: statuses, arrays, the sender's clock, and what it may see."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import pytest
from redis.asyncio import Redis

from hub.domain.entry import FIELD, decode_entry
from hub.stock import keys
from tests.intake.door import Door, line
from tests.stock.partition import everything


async def last_entry(store: Redis) -> Any:
    [(_, fields)] = await store.xrevrange(keys.JOURNAL, count=1)
    return decode_entry(fields[FIELD])


async def test_a_booked_event_is_applied_once_the_ledger_has_it(door: Door, database: str) -> None:
    event = door.receipt(line("APPLIED", 2))

    reply = await door.send(event)

    assert reply.status == 200
    told = reply.json()
    assert (told["id"], told["status"]) == (event["id"], "applied")
    assert (told["lines"], told["alerts"]) == ([{"sku": "APPLIED", "quantity": 2}], [])
    partition, epoch, number = told["seq"].split("-")
    connection = await asyncpg.connect(database)
    row = await connection.fetchrow(
        "SELECT id, source FROM hub.event WHERE (partition, epoch, seq) = ($1, $2, $3)",
        *(int(partition), int(epoch), int(number)),
    )
    await connection.close()
    assert (row["id"], row["source"]) == (event["id"], "till-7")


async def test_availability_is_told_of_every_pool_that_the_caller_may_see(door: Door) -> None:
    event = door.receipt(line("SEEN", 1))

    all_pools = (await door.send(event)).json()["availability"]
    narrow = door.token(("events:write",), pools=["store"])
    one_pool = (await door.send(door.receipt(line("SEEN", 1)), token=narrow)).json()["availability"]

    assert [item["pool"] for item in all_pools] == ["online", "store", "vip", "gulf"]
    # Two of them are public, and one shows no number.
    assert [(item["pool"], item.get("available")) for item in one_pool] == [("online", 2), ("store", 2), ("gulf", None)]
    assert all(item["rev"] > 2**32 for item in one_pool)


async def test_seq_is_told_only_with_its_scope(door: Door) -> None:
    writer = door.token(("events:write",))

    assert "seq" not in (await door.send(door.receipt(), token=writer)).json()
    assert "seq" in (await door.send(door.receipt())).json()


async def test_a_repeated_event_gets_its_first_answer_without_availability(door: Door) -> None:
    event = door.sale(line("OVERSOLD", 3))
    first = (await door.send(event)).json()

    reply = await door.send(event)

    assert reply.status == 200
    assert reply.json() == {**_without(first, "availability"), "status": "duplicate"}
    assert first["alerts"] == [{"type": "discrepancy", "sku": "OVERSOLD", "location": "LON-KNB", "quantity": 3}]


async def test_a_repeat_may_be_written_in_another_way(door: Door) -> None:
    event = door.receipt(line("REWRITTEN", 1), time="2026-11-20T10:00:00+01:00")
    other = {**event, "time": "2026-11-20T09:00:00.000Z", "meta": {}, "tags": []}

    first = await door.send(event)
    again = await door.send(msgspec.json.encode(dict(reversed(other.items()))))

    assert (first.json()["status"], again.json()["status"]) == ("applied", "duplicate")


async def test_the_same_id_with_another_content_is_a_conflict(door: Door, store: Redis) -> None:
    event = door.receipt(line("CONFLICT", 1))
    await door.send(event)
    before = await everything(store)

    reply = await door.send({**event, "lines": [line("CONFLICT", 2)]})

    assert (reply.status, reply.problem) == (409, "conflict")
    assert reply.json()["id"] == event["id"]
    assert [item["on_hand"] for item in await door.positions(sku="CONFLICT")] == [1]
    after = await everything(store)
    assert [key for key in before if b":sku" in key and after[key] != before[key]] == []


async def test_the_same_id_from_another_source_is_another_event(door: Door) -> None:
    event = door.receipt(line("TWO-TILLS", 1))

    replies = [await door.send(event, token=door.token(sub=sub)) for sub in ("till-1", "till-2")]

    assert [reply.json()["status"] for reply in replies] == ["applied", "applied"]


async def test_an_alias_is_answered_by_the_houses_own_name(door: Door) -> None:
    reply = await door.send(door.receipt(line("3607340000002", 1), line("e\u0301tui", 1)))

    assert reply.json()["lines"] == [{"sku": "BAG-ROUGE", "quantity": 1}, {"sku": "\u00e9tui", "quantity": 1}]


async def test_an_array_is_answered_one_for_one_in_order_and_a_bad_item_spoils_only_itself(door: Door) -> None:
    good = [door.receipt(line("ARRAY", 1)) for _ in range(3)]
    narrow = door.token(pools=["store"], locations=["LON-KNB"])
    items = [
        good[0],
        {"id": "half"},
        7,
        good[1],
        good[0],
        door.receipt(location="DC-LYON"),
        {**good[1], "lines": [line("ARRAY", 2)]},
        door.sale(pool="vip"),
        door.event("moved", line(**{"from": "free", "to": "mislaid"})),
        good[2],
    ]

    reply = await door.send(items, token=narrow)

    assert reply.status == 200
    answers = reply.json()
    assert [(answer["id"], answer["status"]) for answer in answers] == [
        (good[0]["id"], "applied"),
        ("half", "refused"),
        (None, "refused"),
        (good[1]["id"], "applied"),
        (good[0]["id"], "duplicate"),
        (items[5]["id"], "refused"),  # type: ignore[index]
        (good[1]["id"], "refused"),
        (items[7]["id"], "refused"),  # type: ignore[index]
        (items[8]["id"], "parked"),  # type: ignore[index]
        (good[2]["id"], "applied"),
    ]
    assert [answer["problem"]["status"] for answer in answers if "problem" in answer] == [400, 400, 403, 409, 403]
    assert answers[1]["problem"]["path"] == "$"
    assert [item["on_hand"] for item in await door.positions(sku="ARRAY")] == [3]


async def test_an_empty_array_is_answered_by_an_empty_array(door: Door) -> None:
    reply = await door.send([])

    assert (reply.status, reply.json()) == (200, [])


async def test_a_thousand_events_are_taken_and_one_more_is_too_many(door: Door, store: Redis) -> None:
    events = [door.receipt(line(f"MANY-{n % 10}", 1)) for n in range(1_001)]
    before = await everything(store)

    too_many = await door.send(events)

    assert (too_many.status, too_many.problem) == (422, "too_many")
    assert await everything(store) == before
    taken = await door.send(events[:1_000])
    assert taken.status == 200
    assert [answer["id"] for answer in taken.json()] == [event["id"] for event in events[:1_000]]
    assert {answer["status"] for answer in taken.json()} <= {"applied", "accepted"}
    assert [item["on_hand"] for item in await door.positions(sku="MANY-3")] == [100]


@pytest.mark.parametrize("body", [b"[", b"[1,", b"[}", b"[]x", b" [ {} "])
async def test_an_array_that_cannot_be_read_is_refused_as_a_whole(door: Door, body: bytes) -> None:
    reply = await door.send(body)

    assert (reply.status, reply.problem) == (400, "malformed")


async def test_many_tills_at_once_get_their_own_answers(door: Door) -> None:
    events = [door.sale(line("RUSH", 1)) for _ in range(200)]
    await door.send(door.receipt(line("RUSH", 100)))

    replies = await asyncio.gather(*(door.send(event) for event in events))

    assert [reply.json()["id"] for reply in replies] == [event["id"] for event in events]
    alerts = [alert for reply in replies for alert in reply.json()["alerts"]]
    missing = sum(alert["quantity"] for alert in alerts if alert["type"] == "discrepancy")
    [position] = await door.positions(sku="RUSH")
    assert (position["on_hand"], position["deficit"], missing) == (0, 100, 100)


async def test_one_event_sent_a_hundred_times_at_once_takes_effect_once(door: Door) -> None:
    event = door.receipt(line("ONCE", 1))

    replies = await asyncio.gather(*(door.send(event) for _ in range(100)))

    statuses = [reply.json()["status"] for reply in replies]
    assert sorted(set(statuses)) == ["applied", "duplicate"]
    assert statuses.count("applied") == 1
    assert [item["on_hand"] for item in await door.positions(sku="ONCE")] == [1]


async def test_a_wrong_clock_is_corrected_by_the_time_of_sending(door: Door, store: Redis) -> None:
    hour_behind = datetime.now(UTC) - timedelta(hours=1)
    event = door.receipt(time=(hour_behind - timedelta(minutes=10)).isoformat())

    await door.send(event, headers={"Hub-Sent-At": hour_behind.isoformat()})

    entry = await last_entry(store)
    ten_minutes_ago_ms = (datetime.now(UTC) - timedelta(minutes=10)).timestamp() * 1000
    assert abs(entry.time_ms - ten_minutes_ago_ms) < 60_000
    # What was sent is kept as it was sent.
    assert msgspec.json.decode(entry.payload)["time"][:16] == event["time"][:16]


async def test_the_time_of_an_event_is_never_later_than_its_arrival(door: Door, store: Redis) -> None:
    await door.send(door.receipt(time=(datetime.now(UTC) + timedelta(days=400)).isoformat()))

    entry = await last_entry(store)
    assert entry.time_ms == entry.booked_at_ms


@pytest.mark.parametrize(
    ("time", "sent_at"),
    [
        ("0001-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59Z", None),
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
        ("9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"),
        ("2026-11-22T10:00:00Z", "0001-01-01T00:00:00+14:00"),
    ],
)
async def test_an_event_from_the_ends_of_time_is_kept_in_the_ledger(
    door: Door, database: str, time: str, sent_at: str | None
) -> None:
    event = door.receipt(line("AGES", 1), time=time)

    reply = await door.send(event, headers={"Hub-Sent-At": sent_at} if sent_at else None)

    assert (reply.status, reply.json()["status"]) == (200, "applied")
    connection = await asyncpg.connect(database)
    assert await connection.fetchval("SELECT kind FROM hub.event WHERE id = $1", event["id"]) == "fact"
    await connection.close()


async def test_every_kind_of_fact_moves_what_it_says(door: Door) -> None:
    sku = "KINDS"
    for event in (
        door.receipt(line(sku, 10)),
        door.sale(line(sku, 2)),
        door.event("return", line(sku, 2, to="inspection")),
        door.event("moved", line(sku, 1, **{"from": "inspection", "to": "free"})),
        door.event("moved", line(sku, 1, reason="scratched", **{"from": "free", "to": "written_off"})),
        door.event("adjustment", line(sku, -3), reason="broken"),
        door.event("ring_fence", line(sku, 4), pool="vip"),
    ):
        reply = await door.send(event)
        assert reply.json()["status"] == "applied", reply.body

    [position] = await door.positions(sku=sku)
    assert position == {
        "sku": sku,
        "location": "LON-KNB",
        "on_hand": 6,
        "free": 1,
        "ring_fenced": {"vip": 4},
        "reserved": 0,
        "aside": {"inspection": 1},
        "deficit": 0,
    }


async def test_what_was_answered_is_counted(door: Door) -> None:
    before = await _count(door, "applied")

    await door.send([door.receipt(), door.receipt(), {"id": "bad"}])

    assert await _count(door, "applied") == before + 2


async def _count(door: Door, status: str) -> float:
    text = (await door.get(door.admin + "/metrics")).body.decode()
    return sum(
        float(row.split()[1]) for row in text.splitlines() if row.startswith(f'hub_events_total{{status="{status}"')
    )


def _without(told: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in told.items() if key != name}


async def test_every_conflict_is_counted_alone_and_in_an_array(door: Door) -> None:
    event = door.receipt(line("COUNTED-CONFLICT", 1))
    await door.send(event)
    before = await _metric(door, "hub_conflicts_total")

    await door.send({**event, "lines": [line("COUNTED-CONFLICT", 2)]})
    await door.send([event, {**event, "lines": [line("COUNTED-CONFLICT", 3)]}, {"id": "bad"}])

    assert await _metric(door, "hub_conflicts_total") == before + 2


async def _metric(door: Door, name: str) -> float:
    text = (await door.get(door.admin + "/metrics")).body.decode()
    return sum(float(row.split()[1]) for row in text.splitlines() if row.startswith(f"{name} "))
