"""Why a pool shows what it shows, where, and what it showed before."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from hub.embedded.servers import EmbeddedServers
from tests.databases import closed_database
from tests.intake.door import HOUSE, Door, line, open_door, settings_in

HISTORY = "/v1/availability/history"
EXPLAIN = "/v1/availability/explain"
LOCATIONS = "/v1/availability/locations"
# A public pool that says where, one that says where without numbers, and a private one.
POOLS = """
[[pool]]
id = "where"
locations = ["LON-KNB", "DC-LYON", "DXB-MALL"]
public = true
per_location = true
cap = 3
  [[pool.group]]
  id = "boutiques"
  kinds = ["store"]
  threshold = 2

[[pool]]
id = "whether"
locations = ["LON-KNB", "DC-LYON"]
public = true
per_location = true
show = "status"

[[pool]]
id = "secret"
locations = ["LON-KNB"]
per_location = true
"""


@pytest.fixture(scope="module")
async def door(
    store: Redis, database: str, servers: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Door]:
    folder = tmp_path_factory.mktemp("hub")
    async with open_door(settings_in(folder, redis_url=servers.redis_url, dsn=database, house=HOUSE + POOLS)) as opened:
        yield opened


async def asked(door: Door, path: str, **params: Any) -> Any:
    reply = await door.get(path, **{"token": door.till, **params})
    assert reply.status == 200, reply.body
    return reply.json()


async def test_an_explanation_is_what_the_pool_shows(door: Door) -> None:
    await door.send(door.receipt(line("WATCH-OR", 3)))
    await door.send(door.receipt(line("WATCH-OR", 2), location="DC-LYON"))

    told = await asked(door, EXPLAIN, pool="online", sku="3607340000101")
    [shown] = await door.shown("online", "WATCH-OR")

    assert told["sku"] == "WATCH-OR"
    assert told["shown"] == {name: shown[name] for name in ("available", "status", "rev")}
    assert (told["supply"], told["available"], told["cap"], told["sell"]) == (3, 3, 10, True)
    [group] = told["groups"]
    assert (group["id"], group["part"], group["part_after"]) == (None, 3, 3)
    assert group["locations"][1] == {
        "location": "LON-KNB", "free": 3, "buffer": 1, "ring_fenced": 0, "contribution": 2,
        "on_hand": 3, "reserved": 0, "aside": {}, "deficit": 0,
    }  # fmt: skip
    assert told["formula"] == (
        "in no group: max(0, 2 − 1) + 0 (DC-LYON) + max(0, 3 − 1) + 0 (LON-KNB) = 3; "
        "available: max(0, 3 − 0) = 3; shown: 3, in_stock"
    )


async def test_locations_outside_the_claims_are_one_sum_without_a_name(door: Door) -> None:
    await door.send(door.receipt(line("HIDDEN", 3)))
    await door.send(door.receipt(line("HIDDEN", 2), location="DC-LYON"))
    token = door.token(["positions:read"], locations=["LON-KNB"])

    reply = await door.get(EXPLAIN, token=token, pool="online", sku="HIDDEN")

    [group] = reply.json()["groups"]
    assert [place.get("location") for place in group["locations"]] == ["LON-KNB", None]
    assert group["locations"][1] == {"contribution": 2, "locations": "other"}
    assert b"LYON" not in reply.body


@pytest.mark.parametrize("path", [EXPLAIN, HISTORY])
async def test_only_who_may_see_the_pool_and_read_positions_is_told(door: Door, path: str) -> None:
    nobody = await door.get(path, pool="online", sku="A")
    other = await door.get(path, token=door.token(["feed:read"]), pool="online", sku="A")
    private, none = [
        await door.get(path, token=door.token(["positions:read"], pools=["store"]), pool=pool, sku="A")
        for pool in ("vip", "none")
    ]
    nothing = [await door.get(path, token=door.till, **params) for params in ({"pool": "vip"}, {"sku": "A"})]

    assert (nobody.status, other.status) == (401, 403)
    assert (private.status, private.problem) == (404, "not_found")
    assert private.body.replace(b"vip", b"?") == none.body.replace(b"none", b"?")
    assert [reply.status for reply in nothing] == [400, 400]


async def test_a_pool_says_in_which_locations_it_has_units(door: Door) -> None:
    await door.send(door.receipt(line("THERE", 5), location="DC-LYON"))
    await door.send(door.receipt(line("THERE", 1)))

    alone = await door.get(LOCATIONS, pool="where", sku="THERE")
    await door.send(door.receipt(line("THERE", 1), location="DXB-MALL"))
    together = await door.get(LOCATIONS, pool="where", sku="THERE")

    # One bag in one boutique is under the boutiques' threshold.
    assert alone.json() == {"pool": "where", "sku": "THERE", "items": [{"location": "DC-LYON", "available": 3}]}
    assert together.json()["items"] == [
        {"location": "DC-LYON", "available": 3},
        {"location": "DXB-MALL", "available": 1},
        {"location": "LON-KNB", "available": 1},
    ]
    assert together.headers["Cache-Control"] == "public, max-age=1, stale-while-revalidate=5"
    assert alone.headers["ETag"] != together.headers["ETag"]
    same = await door.get(LOCATIONS, pool="where", sku="THERE", headers={"If-None-Match": together.headers["ETag"]})
    assert (same.status, same.body) == (304, b"")


async def test_a_pool_without_numbers_names_only_the_locations(door: Door) -> None:
    await door.send(door.receipt(line("MAYBE", 5)))

    assert (await asked(door, LOCATIONS, pool="whether", sku="MAYBE"))["items"] == [{"location": "LON-KNB"}]
    assert (await asked(door, LOCATIONS, pool="whether", sku="NEVER"))["items"] == []


async def test_a_pool_that_does_not_say_where_is_not_found(door: Door) -> None:
    silent = await door.get(LOCATIONS, pool="online", sku="A")
    private = await door.get(LOCATIONS, pool="secret", sku="A")
    allowed = await door.get(LOCATIONS, token=door.till, pool="secret", sku="A")

    assert (silent.status, silent.problem) == (404, "not_found")
    assert (private.status, private.problem) == (404, "not_found")
    assert (allowed.status, allowed.headers["Cache-Control"]) == (200, "private, no-store")


async def test_the_past_is_shown_as_it_was(door: Door) -> None:
    # Time is kept in milliseconds, and what is booked may share the one of its request.
    before = datetime.now(UTC) - timedelta(seconds=1)
    receipt, sale = door.receipt(line("PAST", 12)), door.sale(line("PAST", 12))
    first = (await door.send(receipt)).json()
    [shown] = await door.shown("online", "PAST")
    second = (await door.send(sale)).json()

    never = await asked(door, HISTORY, pool="online", sku="PAST", at=before.isoformat())
    then = await asked(door, HISTORY, pool="online", sku="PAST", at=shown["at"])
    now = await asked(door, HISTORY, pool="online", sku="PAST")

    assert (never["available"], never["status"], never["rev"]) == (0, "out_of_stock", 0)
    assert (never["since"], never["event"]) == (None, None)
    assert {name: then[name] for name in ("available", "capped", "status", "rev")} == {
        name: shown[name] for name in ("available", "capped", "status", "rev")
    }
    assert then["since"] == then["at"] == shown["at"]
    event = then["event"]
    assert (event["source"], event["id"], event["type"], event["kind"]) == ("till-7", receipt["id"], "receipt", "fact")
    assert (event["seq"], event["booked_at"]) == (first["seq"], shown["at"])
    assert (now["available"], now["event"]["id"], now["event"]["seq"]) == (0, sale["id"], second["seq"])
    assert "ledger_behind" not in now


async def test_the_place_in_the_journal_is_for_those_who_read_the_feed(door: Door) -> None:
    await door.send(door.receipt(line("SEQ", 1)))

    told = await asked(door, HISTORY, token=door.token(["positions:read"]), pool="gulf", sku="SEQ")

    assert (told["status"], "available" in told) == ("in_stock", False)
    assert "seq" not in told["event"]


async def test_the_event_is_named_only_to_who_may_see_its_locations_and_pools(door: Door) -> None:
    await door.send(door.receipt(line("NAMED", 3)))
    await door.send(door.sale(line("NAMED", 1), pool="vip"))

    async def event(**claims: Any) -> Any:
        told = await asked(door, HISTORY, token=door.token(["positions:read"], **claims), pool="online", sku="NAMED")
        assert (told["available"], told["since"] is None) == (2, False)
        return told["event"]

    assert (await event())["type"] == "sale"
    assert (await event(pools=["vip"], locations=["LON-KNB"]))["type"] == "sale"
    assert await event(pools=["store"]) is None
    assert await event(pools=["vip"], locations=["DC-LYON"]) is None


async def test_what_broke_a_fence_is_named_only_to_who_may_see_its_pool(door: Door) -> None:
    await door.send(door.receipt(line("BROKEN", 3)))
    await door.send(door.event("ring_fence", line("BROKEN", 2), pool="vip"))
    await door.send(door.sale(line("BROKEN", 2)))
    store, vip = [door.token(["positions:read"], pools=pools) for pools in (["store"], ["store", "vip"])]

    narrow, wide = [await asked(door, HISTORY, token=token, pool="store", sku="BROKEN") for token in (store, vip)]

    assert (narrow["available"], narrow["event"]) == (0, None)
    assert wide["event"]["type"] == "sale"


async def test_an_explanation_names_no_fence_of_another_pool(door: Door) -> None:
    await door.send(door.receipt(line("FENCED", 3)))
    await door.send(door.event("ring_fence", line("FENCED", 2), pool="vip"))
    token = door.token(["positions:read"], pools=["store"])

    reply = await door.get(EXPLAIN, token=token, pool="store", sku="FENCED")

    [place] = reply.json()["groups"][0]["locations"]
    assert (place["on_hand"], place["free"], place["ring_fenced"]) == (3, 1, 0)
    assert b"vip" not in reply.body


@pytest.mark.parametrize("at", ["yesterday", "2026-11-22", "2026-11-22T10:00:00", "0000-01-01T00:00:00Z", ""])
async def test_a_time_that_cannot_be_read_is_refused(door: Door, at: str) -> None:
    reply = await door.get(HISTORY, token=door.till, pool="online", sku="A", at=at)

    assert (reply.status, reply.problem) == (400, "malformed")


async def test_nobody_knows_what_will_be_shown(door: Door) -> None:
    at = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()

    reply = await door.get(HISTORY, token=door.till, pool="online", sku="A", at=at)

    assert (reply.status, reply.problem) == (400, "malformed")


async def test_a_ledger_that_is_behind_says_so_unless_the_time_is_behind_it(door: Door, database: str) -> None:
    await door.send(door.receipt(line("LATE", 1)))
    [shown] = await door.shown("online", "LATE")
    await door.send(door.receipt(line("LATE", 1)))
    holder = await asyncpg.connect(database)
    try:
        async with holder.transaction():
            await holder.execute("SELECT * FROM hub.hub_state FOR UPDATE")
            assert (await door.send(door.receipt(line("LATE", 1)))).json()["status"] == "accepted"

            now = await asked(door, HISTORY, pool="online", sku="LATE")
            then = await asked(door, HISTORY, pool="online", sku="LATE", at=shown["at"])
    finally:
        await holder.close()

    assert (now["available"], now["ledger_behind"]) == (2, True)
    assert (then["available"], "ledger_behind" in then) == (1, False)


async def test_without_the_ledger_the_past_is_unavailable_and_the_present_is_not(door: Door, database: str) -> None:
    await door.send(door.receipt(line("AWAY", 1)))
    async with closed_database(database):
        past = await door.get(HISTORY, token=door.till, pool="online", sku="AWAY")
        present = await asked(door, EXPLAIN, pool="online", sku="AWAY")

    assert (past.status, past.problem) == (503, "unavailable")
    assert past.json()["detail"].endswith(". Ask again.")
    assert int(past.headers["Retry-After"]) > 0
    assert present["available"] == 1
