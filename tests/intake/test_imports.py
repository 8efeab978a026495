"""Imports at the door: what differs is booked as of its time, what does not leaves no trace, broken lines are told."""

import asyncio
import gzip
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from hub.domain.entry import FIELD, decode_entry
from hub.imports import running
from hub.intake import imports as route
from tests.intake.door import Door, Reply, line
from tests.intake.importing import CSV, JSONL, csv_of, done, ended, journal_length, on_hand, send, status

HOUR = timedelta(hours=1)
PLACES = ("LON-KNB", "DXB-MALL", "DC-LYON")


def ago(span: timedelta) -> str:
    return (datetime.now(UTC) - span).isoformat()


async def told(door: Door, event: dict[str, Any]) -> None:
    reply = await door.send(event)
    assert reply.json()["status"] in ("applied", "accepted"), reply.body


async def test_a_first_load_books_every_line_and_the_same_again_leaves_no_trace(door: Door, store: Redis) -> None:
    rows = [(f"LOAD-{i:04}", place, i % 7) for i in range(1_000) for place in PLACES]
    body = csv_of(rows)

    first = await done(door, body)

    nothing = sum(units == 0 for _, _, units in rows)
    assert (first["lines"], first["done"], first["broken"]) == (3_000, 3_000, 0)
    assert (first["changed"], first["unchanged"]) == (3_000 - nothing, nothing)
    assert await on_hand(door, "LOAD-0005") == dict.fromkeys(PLACES, 5)
    before, dump = await journal_length(store), await store.dump("hub:{0}:sku:LOAD-0005")

    again = await done(door, body)

    assert (again["changed"], again["unchanged"]) == (0, 3_000)
    assert await journal_length(store) == before
    assert await store.dump("hub:{0}:sku:LOAD-0005") == dump


async def test_changed_lines_are_gathered_into_few_counts(door: Door, store: Redis) -> None:
    await done(door, csv_of((f"GATHER-{i}", "LON-KNB", 5) for i in range(1_000)))
    before = await journal_length(store)

    changed = await done(door, csv_of((f"GATHER-{i}", "LON-KNB", 5 + (i % 10 == 0)) for i in range(1_000)))

    assert (changed["changed"], changed["unchanged"]) == (100, 900)
    # Two counts, opened and closed.
    assert await journal_length(store) == before + 4
    assert await on_hand(door, "GATHER-990") == {"LON-KNB": 6}


async def test_sales_after_its_time_come_off_what_an_import_says(door: Door) -> None:
    await told(door, door.receipt(line("AS-OF", 9), time=ago(5 * HOUR)))
    await told(door, door.sale(line("AS-OF", 2), time=ago(HOUR)))

    taken = await done(door, csv_of([("AS-OF", "LON-KNB", 10)]), at=ago(2 * HOUR))

    assert taken["changed"] == 1
    assert await on_hand(door, "AS-OF") == {"LON-KNB": 8}


async def test_a_book_that_says_the_same_as_of_its_time_is_unchanged_whatever_was_sold_since(
    door: Door, store: Redis
) -> None:
    await told(door, door.receipt(line("SAME", 9), time=ago(5 * HOUR)))
    await told(door, door.sale(line("SAME", 2), time=ago(HOUR)))
    before = await journal_length(store)

    taken = await done(door, csv_of([("SAME", "LON-KNB", 9)]), at=ago(2 * HOUR))

    assert (taken["changed"], taken["unchanged"]) == (0, 1)
    assert await journal_length(store) == before
    assert await on_hand(door, "SAME") == {"LON-KNB": 7}


async def test_an_erps_book_says_nothing_where_a_newer_count_stands(door: Door, store: Redis) -> None:
    await told(door, door.event("count", line("NEWER", 3), counted_at=ago(HOUR)))
    before = await journal_length(store)

    taken = await done(door, csv_of([("NEWER", "LON-KNB", 8)]), at=ago(2 * HOUR))

    assert (taken["changed"], taken["overruled"], taken["done"]) == (0, 1, 1)
    assert await journal_length(store) == before


async def test_what_people_counted_right_is_booked_too_because_it_counts_for_the_accuracy(
    door: Door, store: Redis
) -> None:
    await told(door, door.receipt(line("RIGHT", 3), line("WRONG", 3)))
    before = await journal_length(store)
    body = csv_of([("RIGHT", "LON-KNB", 3), ("WRONG", "LON-KNB", 2), ("NEVER", "LON-KNB", 0)])

    taken = await done(door, body, kind="physical")

    assert (taken["changed"], taken["unchanged"]) == (1, 2)
    assert await journal_length(store) == before + 2
    entries = [await store.xrange("hub:{0}:journal", f"1-{number}", f"1-{number}") for number in (before, before + 1)]
    assert [len(decode_entry(found[0][1][FIELD]).counted) for found in entries] == [0, 2]


async def test_a_line_of_what_was_just_counted_and_is_still_open_is_booked(door: Door) -> None:
    await told(door, door.receipt(line("TWICE", 9)))
    await door.send(door.event("count", line("TWICE", 3), counted_at=ago(HOUR)))

    await done(door, csv_of([("TWICE", "LON-KNB", 4)]))

    assert await on_hand(door, "TWICE") == {"LON-KNB": 4}


async def test_the_import_after_a_sale_without_stock_settles_what_is_owed(door: Door) -> None:
    await told(door, door.sale(line("OWES", 2)))

    taken = await done(door, csv_of([("OWES", "LON-KNB", 0)]))

    assert taken["changed"] == 1
    [found] = await door.positions(sku="OWES")
    assert (found["on_hand"], found["deficit"]) == (0, 0)


async def test_a_complete_import_finds_nothing_of_what_it_does_not_list_at_its_locations(door: Door) -> None:
    await told(door, door.receipt(line("KEPT", 2), line("GONE", 2), location="DXB-MALL"))
    await told(door, door.receipt(line("GONE", 3)))

    taken = await done(door, csv_of([("KEPT", "DXB-MALL", 2)]), complete="true")

    assert taken["unlisted"] > 0
    assert taken["done"] == 1 + taken["unlisted"]
    assert await on_hand(door, "KEPT") == {"DXB-MALL": 2}
    assert await on_hand(door, "GONE") == {"DXB-MALL": 0, "LON-KNB": 3}


async def test_a_whole_shelf_that_is_more_than_an_event_takes_is_counted_by_a_complete_import(door: Door) -> None:
    place = {"location": "DXB-MALL"}
    for first in range(0, 160, 80):
        lines = [line(f"WHOLE-{n:03}", 2) for n in range(first, first + 80)]
        await told(door, door.receipt(*lines, **place, time=ago(timedelta(hours=2))))
    at = ago(timedelta(hours=1))
    await told(door, door.receipt(line("WHOLE-159", 1), **place))

    rows = [(f"WHOLE-{n:03}", "DXB-MALL", 1) for n in range(120)]
    taken = await done(door, csv_of(rows), complete="true", kind="physical", at=at, id="whole-shelf")

    left = [(await on_hand(door, f"WHOLE-{n:03}"))["DXB-MALL"] for n in range(160)]
    # The last one came after `at`.
    assert left == [1] * 120 + [0] * 39 + [1]
    assert taken["unlisted"] >= 40
    reply = await door.get("/v1/accuracy", token=door.till, **place)
    told_by = {each["event"]["id"] for each in reply.json()["variances"] if each["sku"].startswith("WHOLE-")}
    assert {id.partition(":")[0] for id in told_by} == {"whole-shelf"}


async def test_a_complete_import_cannot_skip_lines(door: Door) -> None:
    assert (await send(door, csv_of([]), complete="true", on_error="skip")).problem == "malformed"
    reply = await send(door, csv_of([("A", "DXB-MALL", -1)]), complete="true")
    assert (reply.status, reply.json()["state"]) == (400, "aborted")


BROKEN = b"""sku;quantity;location
GOOD-1;3;LON-KNB
;3;LON-KNB
GOOD-2;-1;LON-KNB

GOOD-3;many;LON-KNB
GOOD-4;4;ATLANTIS
GOOD-1;5;LON-KNB
GOOD-5;5
"GOOD-6";"6";
"""


async def test_broken_lines_are_skipped_and_told_with_their_numbers(door: Door) -> None:
    reply = await send(door, BROKEN)

    assert reply.status == 202
    answer = reply.json()
    assert (answer["state"], answer["lines"], answer["broken"]) == ("running", 8, 7)
    assert [error["line"] for error in answer["errors"]] == [3, 4, 6, 7, 8, 9, 10]
    reasons = " ".join(error["detail"] for error in answer["errors"])
    for word in ("sku: Expected", "'-1'", "'many'", "ATLANTIS", "earlier line", "2 fields", "names no location"):
        assert word in reasons
    taken = await ended(door, answer["id"])
    assert (taken["state"], taken["changed"], taken["errors"]) == ("done", 1, answer["errors"])
    assert await on_hand(door, "GOOD-1") == {"LON-KNB": 3}


async def test_an_import_that_must_be_whole_books_nothing_when_a_line_is_broken(door: Door, store: Redis) -> None:
    before = await journal_length(store)

    reply = await send(door, BROKEN, on_error="abort", id="whole-1")

    assert (reply.status, reply.problem) == (400, "malformed")
    answer = reply.json()
    assert (answer["state"], answer["lines"], answer["broken"], len(answer["errors"])) == ("aborted", 8, 7, 7)
    assert (await status(door, "whole-1"))["state"] == "aborted"
    assert await journal_length(store) == before
    mended = await done(door, csv_of([("WHOLE", "LON-KNB", 1)]), on_error="abort", id="whole-1")
    assert mended["changed"] == 1


async def test_only_the_first_thousand_broken_lines_are_told_and_all_are_counted(door: Door) -> None:
    answer = (await send(door, b"sku,quantity\n" + b"A,1\n" * 1_500)).json()

    assert (answer["broken"], len(answer["errors"])) == (1_500, 1_000)
    assert (await ended(door, answer["id"]))["state"] == "done"


async def test_json_lines_gzip_an_alias_and_a_default_location(door: Door) -> None:
    lines = (
        b'{"sku": "3607340000101", "quantity": 2}\n{"quantity": 3, "sku": "JSON", "location": "DC-LYON"}\n{"sku": 1}'
    )

    reply = await send(
        door, gzip.compress(lines), content=JSONL, headers={"Content-Encoding": "gzip"}, location="LON-KNB"
    )

    assert reply.status == 202, reply.body
    [error] = reply.json()["errors"]
    assert (error["line"], "sku" in error["detail"]) == (3, True)
    assert (await ended(door, reply.json()["id"]))["changed"] == 2
    assert await on_hand(door, "WATCH-OR") == {"LON-KNB": 2}
    assert await on_hand(door, "JSON") == {"DC-LYON": 3}


async def test_a_location_that_the_token_does_not_allow_is_a_broken_line(door: Door) -> None:
    token = door.token(("events:write",), locations=["DC-LYON"])

    answer = (await send(door, csv_of([("A", "LON-KNB", 1), ("A", "NOWHERE", 1)]), token=token)).json()

    assert [error["detail"].rpartition(" ")[0] for error in answer["errors"]] == [
        "the token does not allow the location"
    ] * 2


@pytest.mark.parametrize(
    ("content", "status"), [("application/json", 415), ("text/csv; charset=utf-16", 415), (CSV, 202), (JSONL, 202)]
)
async def test_only_csv_and_json_lines_are_taken(door: Door, content: str, status: int) -> None:
    assert (await send(door, b"sku,location,quantity\n", content=content)).status == status


@pytest.mark.parametrize(
    "header", [b"", b"sku,place,quantity", b"sku", b"sku,sku,quantity", b"\xff\xfes\x00k\x00u\x00", b'"sku,quantity']
)
async def test_a_header_that_cannot_be_read_ends_an_import(door: Door, header: bytes) -> None:
    reply = await send(door, header + b"\nA,1\n" if header else b"")

    assert (reply.status, reply.problem) == (400, "malformed")
    assert [error["line"] for error in reply.json()["errors"]] == [1]


@pytest.mark.parametrize(
    "params",
    [
        {"kind": "guess"},
        {"at": "yesterday"},
        {"at": "2026-11-22T10:00:00"},
        {"on_error": "ignore"},
        {"location": "a b"},
        {"complete": "yes"},
        {"id": "a/b"},
        {"lokation": "LON-KNB"},
        {"kind": ["system", "physical"]},
    ],
)
async def test_an_address_that_cannot_be_read_is_refused(door: Door, params: dict[str, Any]) -> None:
    assert (await send(door, b"sku,quantity\n", **params)).problem == "malformed"


async def test_the_plus_of_an_offset_may_be_written_as_it_is(door: Door) -> None:
    reply = await send_to(door, "/v1/imports?id=plus&at=2026-01-02T03:04:05+01:00")

    assert reply.status == 202, reply.body
    assert (await ended(door, "plus"))["at"] == "2026-01-02T02:04:05.000Z"


async def send_to(door: Door, address: str) -> Reply:
    return await door.post(address, b"sku,quantity\n", token=door.till, headers={"Content-Type": CSV})


async def test_too_much_is_refused_and_nothing_of_it_booked(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.imports.receiving.IMPORT_LINES_MAX", 3)
    assert (await send(door, csv_of(("MUCH", place, 1) for place in PLACES))).status == 202
    assert (await send(door, csv_of((f"MUCH-{i}", "LON-KNB", 1) for i in range(4)))).problem == "too_many"
    monkeypatch.setattr("hub.imports.receiving.IMPORT_BYTES_MAX", 1_000)
    packed = gzip.compress(b"sku,quantity\n" + b"\n" * 10_000)
    assert (await send(door, packed, headers={"Content-Encoding": "gzip"})).problem == "too_large"
    monkeypatch.setattr(route, "IMPORT_BYTES_MAX", 10)
    assert (await send(door, csv_of([]))).problem == "too_large"
    assert await door.positions(sku="MUCH-0") == []


@pytest.mark.parametrize("body", [b"no gzip", gzip.compress(b"sku,quantity\n", mtime=0)[:-3]])
async def test_gzip_that_is_none_is_refused(door: Door, body: bytes) -> None:
    assert (await send(door, body, headers={"Content-Encoding": "gzip"})).problem == "malformed"


async def test_the_same_import_again_is_told_how_far_it_is_and_another_under_its_id_is_a_conflict(door: Door) -> None:
    body = csv_of([("AGAIN", "LON-KNB", 2)])
    first = await send(door, body, headers={"Idempotency-Key": '"nightly-1"'})
    assert first.json()["id"] == "nightly-1"
    await ended(door, "nightly-1")
    await told(door, door.sale(line("AGAIN", 1)))

    again = await send(door, body, id="nightly-1")

    assert (again.status, again.json()["state"]) == (200, "done")
    assert await on_hand(door, "AGAIN") == {"LON-KNB": 1}
    assert (await send(door, body + b"MORE,LON-KNB,1\n", id="nightly-1")).problem == "conflict"


async def test_an_import_is_seen_by_its_source_and_by_admins_only(door: Door) -> None:
    taken = await done(door, csv_of([("SEEN", "LON-KNB", 2)]))
    path = f"/v1/imports/{taken['id']}"
    stranger, admin = door.token(sub="other-till"), door.token(("admin",), sub="boss")

    assert (await door.get(path, token=admin)).json() == taken
    assert (await door.get(path, token=stranger)).problem == "not_found"
    assert (await door.get(path, token=door.token(("positions:read",)))).problem == "forbidden"
    assert (await door.get(path)).problem == "unauthenticated"
    assert (await door.get("/v1/imports", token=stranger)).json() == {"items": []}
    [newest, *_] = (await door.get("/v1/imports", token=door.till)).json()["items"]
    assert newest == {name: value for name, value in taken.items() if name != "errors"}
    assert (await send(door, b"", token=door.token(("positions:read",)))).problem == "forbidden"


async def test_no_more_imports_wait_than_the_hub_takes(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "QUEUED_MAX", -1)

    reply = await send(door, csv_of([]))

    assert (reply.status, reply.problem) == (429, "rate_limited")
    assert int(reply.headers["Retry-After"]) > 0


async def test_sales_in_mid_import_come_off_what_it_says_and_are_all_counted(door: Door) -> None:
    rows = [(f"BUSY-{i:03}", "LON-KNB", 50) for i in range(200)]
    reply = await send(door, csv_of(rows))
    sold: dict[str, int] = {}

    async def sell(till: int) -> None:
        for i in range(till, 200, 8):
            sku = f"BUSY-{i:03}"
            await told(door, door.sale(line(sku, 1)))
            sold[sku] = sold.get(sku, 0) + 1

    await asyncio.gather(*(sell(till) for till in range(8)), ended(door, reply.json()["id"]))

    left = {sku: position["on_hand"] for sku in sold for position in await door.positions(sku=sku)}
    assert left == dict.fromkeys(sold, 49)
