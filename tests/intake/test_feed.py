"""The feed over HTTP: everything that happened, once and in order, page by page, and only what the reader may see."""

from typing import Any

import asyncpg
import msgspec
import pytest

from hub.domain.entry import FORMAT, Entry, Movement, Seq, SetView, encode_entry
from hub.domain.pools import News, View
from tests.databases import closed_database
from tests.intake.door import Door, line
from tests.intake.feeding import FEED, end_of, read, types
from tests.intake.reserving import CLERK_SCOPES, basket, stocked


async def test_a_sale_is_told_once_with_all_that_it_did(door: Door) -> None:
    after = await end_of(door)
    receipt, sale = door.receipt(line("TOLD", 2)), door.sale(line("TOLD", 3), order="W-1")
    for event in (receipt, sale, sale):
        await door.send(event)

    items = await read(door, after=after)

    shown = ["availability.changed"] * 4
    sold_out = ["alert.sold_out"] * 4
    sold = ["movement.sale", "movement.sale", "alert.discrepancy", *sold_out, *shown]
    assert types(items) == ["movement.receipt", *shown, *sold]
    [first] = items[:1]
    cause = {"source": "till-7", "id": receipt["id"], "type": "receipt"}
    assert first["data"].pop("position")["on_hand"] == 2
    assert first["data"].pop("booked_at") >= first["data"].pop("time") == first["time"]
    assert first["data"] == {
        "event": cause, "sku": "TOLD", "location": "LON-KNB", "from": "supplier", "to": "free", "quantity": 2,
    }  # fmt: skip
    assert (first["specversion"], first["source"][:8]) == ("1.0", "urn:hub:")
    owed = items[6]["data"]
    assert (owed["from"], owed["to"], owed["quantity"], owed["order"]) == ("deficit", "customer", 1, "W-1")
    # What lies there after all of it stands with each movement of it.
    assert {item["data"]["position"]["deficit"] for item in items[5:7]} == {1}
    assert items[-1]["data"]["event"]["id"] == sale["id"]
    assert len({item["id"] for item in items}) == len({item["cursor"] for item in items}) == len(items)


async def test_an_item_is_a_position_and_a_value_as_reads_tell_them(door: Door) -> None:
    after = await end_of(door)
    await door.send(door.receipt(line("ALIKE", 2)))

    items = await read(door, after=after)

    assert [items[0]["data"]["position"]] == await door.positions(sku="ALIKE")
    told = {item["data"]["pool"]: item["data"] for item in items[1:]}
    for pool in ("online", "store", "vip", "gulf"):
        [shown] = await door.shown(pool, "ALIKE", token=door.till)
        value = told[pool]
        assert {name: value[name] for name in value if name not in ("event", "pool")} == shown


async def test_pages_of_any_size_are_the_same_feed(door: Door) -> None:
    after = await end_of(door)
    for _ in range(3):
        await door.send(door.receipt(line("PAGES", 2), line("PAGES-2", 1)))

    at_once = await read(door, after=after, limit=1_000)

    assert len(at_once) > 6
    for limit in (1, 2, 7):
        assert await read(door, after=after, limit=limit) == at_once
    # From any item on, also with a cursor that somebody kept.
    assert await read(door, after=at_once[4]["cursor"]) == at_once[5:]


async def test_next_goes_on_also_behind_the_newest_of_today(door: Door) -> None:
    after = await end_of(door)
    empty = (await door.get(FEED, token=door.till, after=after)).json()
    again = (await door.get(FEED, token=door.till, after=empty["next"])).json()
    await door.send(door.receipt(line("NEXT", 1)))

    items = await read(door, after=again["next"], types="movement.*")

    assert (empty["items"], again["items"]) == ([], [])
    # Whether anything happened meanwhile does not show.
    assert len({empty["next"], again["next"], after}) == 3
    assert types(items) == ["movement.receipt"]


async def test_without_after_the_feed_begins_with_the_house(door: Door) -> None:
    reply = await door.get(FEED, token=door.till, limit=1)

    [first] = reply.json()["items"]
    assert first["type"] == "rule.changed"
    assert first["data"]["rules_version"] == 1


async def test_only_the_types_that_are_asked_for_are_told(door: Door) -> None:
    after = await end_of(door)
    await door.send(door.receipt(line("TYPES", 1)))
    await door.send(door.sale(line("TYPES", 1)))

    moved = await read(door, after=after, types="movement.*")
    some = await read(door, after=after, types=["movement.sale,alert.*", "rule.changed"])

    assert types(moved) == ["movement.receipt", "movement.sale"]
    assert types(some) == ["movement.sale", *["alert.sold_out"] * 4]


async def test_who_wants_little_of_much_is_given_a_place_to_go_on_from(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    after = await end_of(door)
    for _ in range(6):
        await door.send(door.receipt(line("MUCH", 1)))
    await door.send(door.sale(line("MUCH", 1)))
    monkeypatch.setattr("hub.intake.feed_pages.STRETCHES_PER_PAGE_MAX", 1)
    monkeypatch.setattr("hub.intake.feed_pages.ENTRIES_PER_STRETCH_MIN", 1)

    sizes = []
    for _ in range(8):
        # The ledger does not know which entries tell that an order changed, so each of them is looked at.
        types = "movement.sale,order.changed"
        reply = (await door.get(FEED, token=door.till, after=after, types=types, limit=2)).json()
        sizes.append(len(reply["items"]))
        after = reply["next"]

    assert sizes == [0, 0, 0, 1, 0, 0, 0, 0]


async def test_a_page_is_bounded_in_bytes_too(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    after = await end_of(door)
    await door.send(door.receipt(line("BYTES", 1)))
    at_once = await read(door, after=after)
    monkeypatch.setattr("hub.intake.feed_pages.PAGE_BYTES_MAX", 1)

    [only] = (await door.get(FEED, token=door.till, after=after)).json()["items"]

    assert only == at_once[0]
    assert await read(door, after=after) == at_once


async def test_a_reservation_and_an_order_are_told_as_they_came_to_be(door: Door) -> None:
    clerk = basket(door, "clerk", CLERK_SCOPES)
    sku = await stocked(door, "KEPT", LON_KNB=2)
    after = await end_of(door)
    held = await clerk.held(line(sku, 2), owner="anna")
    await clerk.changed("confirm", held["id"])
    placed = {"order": "W-2", "pool": "online", "reservation": held["id"], "location": ..., "owner": ...}
    await door.send(door.event("order.placed", line(sku, 3), **placed))
    await door.send(door.receipt(line(sku, 1)))
    await door.send(door.event("order.fulfilled", line(sku, 1), order="W-2"))

    items = await read(door, after=after, types="reservation.*,order.*,movement.*")

    assert types(items) == [
        *("movement.reservation.reserved", "reservation.held", "reservation.confirmed"),
        *("reservation.confirmed", "order.placed"),
        *("movement.receipt", "movement.receipt", "order.changed"),
        *("movement.order.fulfilled", "order.fulfilled"),
    ]
    held_by = items[0]["data"]
    assert (held_by["from"], held_by["to"], held_by["reservation"]) == ("free", "reserved", held["id"])
    first = {name: value for name, value in items[1]["data"].items() if name not in ("event", "booked_at")}
    assert first == held
    assert items[1]["data"]["event"] == {"source": "clerk", "id": held["id"], "type": "reservation.reserved"}
    assert items[3]["data"]["order"] == "W-2"
    order = items[4]["data"]
    assert (order["order"], order["pool"], order["state"]) == ("W-2", "online", "open")
    assert order["lines"] == [
        {"sku": sku, "ordered": 3, "cancelled": 0, "fulfilled": 0,
         "allocations": [{"location": "LON-KNB", "quantity": 2}], "shortfall": 1}
    ]  # fmt: skip
    # A delivery fills what is owed.
    [line_then] = items[7]["data"]["lines"]
    assert (line_then["ordered"], line_then["shortfall"]) == (3, 0)
    assert line_then["allocations"] == [{"location": "LON-KNB", "quantity": 3}]
    assert items[9]["data"]["lines"][0]["fulfilled"] == 1


async def test_why_units_moved_is_told(door: Door) -> None:
    after = await end_of(door)
    await door.send(door.event("adjustment", line("WHY", 2), reason="found behind the shelf"))
    scratched = {"from": "free", "to": "damaged", "reason": "scratched", "serials": ["S-1"]}
    await door.send(door.event("moved", line("WHY", 1, **scratched)))

    items = await read(door, after=after, types="movement.*")

    assert [item["data"]["reason"] for item in items] == ["found behind the shelf", "scratched"]
    assert items[1]["data"]["serials"] == ["S-1"]


async def test_an_alert_of_an_event_that_names_no_place_is_told(door: Door) -> None:
    after = await end_of(door)
    receipt = door.receipt(line("TWICE", 1))
    await door.send(receipt)
    await door.send({**receipt, "lines": [line("TWICE", 2)]})
    # A refusal is answered before the ledger has it.
    await door.send(door.receipt(line("TWICE", 1)))

    [alert] = await read(door, after=after, types="alert.*")

    assert (alert["type"], alert["data"]["quantity"], alert["data"]["event"]["id"]) == (
        "alert.conflict", 1, receipt["id"],
    )  # fmt: skip


@pytest.mark.parametrize(
    "params",
    [
        {"types": "movement"},
        {"types": "sale"},
        {"types": ""},
        {"types": ["movement.*", "nothing.*"]},
        {"after": "yesterday"},
        {"after": "0-999-1"},
        {"after": ""},
        {"limit": 0},
        {"limit": 1_001},
        {"cursor": "0-1-9"},
    ],
)
async def test_a_question_that_cannot_be_read_is_refused(door: Door, params: dict[str, Any]) -> None:
    reply = await door.get(FEED, token=door.till, **params)

    assert (reply.status, reply.problem) == (400, "malformed")


async def test_a_place_that_nothing_has_come_to_is_no_cursor(door: Door) -> None:
    epoch, number = (await end_of(door)).split("-")[1:]
    ahead = [f"0-{epoch}-{int(number) + 1}", f"0-{epoch}-{int(number) + 10**6}", f"0-{int(epoch) + 1}-0"]

    told = [await door.get(FEED, token=door.till, after=after) for after in ahead]

    assert [(reply.status, reply.problem) for reply in told] == [(400, "malformed")] * 3


async def test_a_place_that_was_told_is_a_cursor_before_this_process_knows_that_the_ledger_has_it(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await end_of(door)
    sale = (await door.send(door.sale(line("AHEAD", 1)))).json()
    sealed = (await read(door, after=before))[0]["cursor"]
    assert await read(door, after=sale["seq"]) == []
    later = (await door.get(FEED, token=door.till, after=sale["seq"])).json()["next"]
    monkeypatch.setattr(door.hub._stores.watermark, "at", Seq(1, 0))

    for after in (sealed, later, sale["seq"]):
        reply = await door.get(FEED, token=door.till, after=after)
        assert reply.status == 200, after


async def test_only_who_may_read_the_feed_is_told(door: Door) -> None:
    nobody, other = await door.get(FEED), await door.get(FEED, token=door.token(["positions:read", "admin"]))

    assert (nobody.status, nobody.headers["WWW-Authenticate"], other.status) == (401, "Bearer", 403)


async def test_without_the_ledger_the_feed_is_unavailable(door: Door, database: str) -> None:
    async with closed_database(database):
        away = await door.get(FEED, token=door.till)

    assert (away.status, away.problem) == (503, "unavailable")
    assert int(away.headers["Retry-After"]) > 0
    assert away.json()["detail"].endswith(". Ask again.")


async def test_an_entry_that_cannot_be_told_does_not_stop_the_feed(door: Door, database: str) -> None:
    end = Seq.from_stream_id((await end_of(door)).removeprefix("0-").encode())
    # As the ledger keeps what it could not book, far behind all that this module does.
    plain = Entry(FORMAT, "fact", "sale", "till-7", "s-1", "h", 1_000, 2_000, 3, "{}", ("BAG",))
    moves = (Movement(0, "LON-KNB", "free", "customer", 1),)
    spoilt = [
        b"no entry",
        encode_entry(msgspec.structs.replace(plain, movements=moves, time_ms=10**18)),
        encode_entry(msgspec.structs.replace(plain, movements=moves, skus=())),
        encode_entry(msgspec.structs.replace(plain, views=(SetView(0, "online", View(1, status=77), News.changed),))),
        encode_entry(msgspec.structs.replace(plain, movements=moves)),
    ]
    connection = await asyncpg.connect(database)
    try:
        for number, raw in enumerate(spoilt, end.number + 1_000_000):
            await connection.execute(
                "INSERT INTO hub.poison (partition, epoch, seq, entry, problem) VALUES (0, 1, $1, $2, '')", number, raw
            )

        items = await read(door, after=str(end))

        assert [item["data"]["event"]["id"] for item in items] == ["s-1"]
    finally:
        await connection.execute("DELETE FROM hub.poison")
        await connection.close()
