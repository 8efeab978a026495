"""Transfers at the HTTP door: out of one location, into another, and who may tell of it."""

from typing import Any

import pytest

from tests.intake.door import Door, line
from tests.intake.test_skus import put


def dispatched(door: Door, transfer: str, *lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
    places = {"from": "DC-LYON", "to": "LON-KNB", "location": ..., **fields}
    return door.event("transfer.dispatched", *lines, transfer=transfer, **places)


def received(door: Door, transfer: str, *lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return door.event("transfer.received", *lines, transfer=transfer, **{"location": ..., **fields})


async def on_hand(door: Door, sku: str) -> dict[str, int]:
    return {item["location"]: item["on_hand"] - item["deficit"] for item in await door.positions(sku=sku)}


async def test_a_transfer_leaves_one_place_and_arrives_in_the_other(door: Door) -> None:
    await door.send(door.receipt(line("TRUNK", 3), location="DC-LYON"))

    out = await door.send(dispatched(door, "t-1", line("TRUNK", 3)))
    between = await on_hand(door, "TRUNK")
    arrived = await door.send(received(door, "t-1", line("TRUNK", 2)))

    assert (out.status, out.json()["status"], out.json()["lines"]) == (
        200,
        "applied",
        [{"sku": "TRUNK", "quantity": 3}],
    )
    assert between == {"DC-LYON": 0}
    lacking = {"type": "discrepancy", "sku": "TRUNK", "location": "LON-KNB", "quantity": 1}
    assert arrived.json()["alerts"][0] == lacking
    assert await on_hand(door, "TRUNK") == {"DC-LYON": 0, "LON-KNB": 2}


async def test_what_arrives_before_it_was_sent_waits_and_repeats_are_duplicates(door: Door) -> None:
    early, out = received(door, "t-2", line("3607340000001", 2)), dispatched(door, "t-2", line("BAG-NOIR", 2))

    replies = [(await door.send(event)).json() for event in (early, early, out, early, out)]

    assert [reply["status"] for reply in replies] == ["applied", "duplicate", "applied", "duplicate", "duplicate"]
    assert [reply["lines"] for reply in replies] == [[{"sku": "BAG-NOIR", "quantity": 2}]] * 5
    assert await on_hand(door, "BAG-NOIR") == {"DC-LYON": -2, "LON-KNB": 2}


async def test_a_transfer_that_goes_elsewhere_is_refused_and_says_where_it_goes(door: Door) -> None:
    await door.send(dispatched(door, "t-3", line("HAT", 1)))

    reply = await door.send(dispatched(door, "t-3", line("HAT", 1), to="DXB-MALL"))

    assert (reply.status, reply.problem) == (400, "malformed")
    assert "transfer t-3 goes to LON-KNB, not to DXB-MALL" in reply.json()["detail"]
    assert await on_hand(door, "HAT") == {"DC-LYON": -1}


async def test_a_token_without_the_destination_may_not_receive_there(door: Door) -> None:
    narrow = door.token(locations=["DXB-MALL"])
    arrival = received(door, "t-4", line("SCARF", 1))
    await door.send(dispatched(door, "t-4", line("SCARF", 1)))

    refused = await door.send(arrival, token=narrow)
    allowed = await door.send(arrival, token=door.token(locations=["LON-KNB"]))

    assert (refused.status, refused.problem, refused.json()["status"]) == (403, "forbidden", "refused")
    assert "LON-KNB" not in refused.json()["detail"]
    assert allowed.json()["status"] == "applied"


async def test_what_waits_takes_no_effect_where_its_sender_may_not_touch_anything(door: Door) -> None:
    narrow = door.token(locations=["DXB-MALL", "DC-LYON"])
    early = [received(door, "t-7", line("VEIL", 2)), received(door, "t-7", line("VEIL", 3), final=False)]
    waits = await door.send(early[0], token=narrow)
    await door.send(early[1], token=door.token(locations=["LON-KNB"]))

    out = await door.send(dispatched(door, "t-7", line("VEIL", 4)))
    last = await door.send(received(door, "t-7", line("VEIL", 1)))

    assert (waits.status, waits.json()["status"]) == (200, "applied")
    beyond = [alert for alert in out.json()["alerts"] if alert["type"] == "out_of_reach"]
    assert beyond == [{"type": "out_of_reach", "quantity": 2}]
    # Nor did it say that nothing more would arrive.
    assert "discrepancy" not in {alert["type"] for alert in last.json()["alerts"]}
    assert await on_hand(door, "VEIL") == {"DC-LYON": -4, "LON-KNB": 4}


async def test_what_waits_takes_effect_where_its_sender_may(door: Door) -> None:
    narrow = door.token(locations=["DXB-MALL", "LON-KNB"])
    await door.send(received(door, "t-8", line("SHAWL", 2)), token=narrow)

    out = await door.send(dispatched(door, "t-8", line("SHAWL", 2)))

    assert "out_of_reach" not in {alert["type"] for alert in out.json()["alerts"]}
    assert await on_hand(door, "SHAWL") == {"DC-LYON": -2, "LON-KNB": 2}


@pytest.mark.parametrize("place", ["from", "to"])
async def test_a_transfer_of_a_place_nobody_knows_is_parked(door: Door, place: str) -> None:
    reply = await door.send(dispatched(door, "t-5", line("LOST", 1), **{place: "NOWHERE"}))

    assert (reply.status, reply.json()["status"]) == (202, "parked")
    assert await on_hand(door, "LOST") == {}


@pytest.mark.parametrize(
    "fields", [{"transfer": ""}, {"lines": [], "final": False}, {"final": "yes"}, {"location": "LON-KNB"}], ids=repr
)
async def test_a_receipt_that_is_not_one_is_refused(door: Door, fields: dict[str, Any]) -> None:
    reply = await door.send({**received(door, "t-6"), **fields})

    assert (reply.status, reply.problem) == (400, "malformed")


async def listed(door: Door, **params: Any) -> dict[str, dict[str, Any]]:
    """Every transfer that the caller may see, page by page."""
    found: dict[str, dict[str, Any]] = {}
    while True:
        reply = await door.get("/v1/transfers", **{"token": door.till, **params})
        assert reply.status == 200, reply.body
        assert len(reply.json()["items"]) <= params.get("limit", 1_000)
        found |= {item["id"]: item for item in reply.json()["items"]}
        if reply.json()["next"] is None:
            return found
        params["cursor"] = reply.json()["next"]


async def test_what_is_on_its_way_is_listed_until_it_has_arrived(door: Door) -> None:
    await door.send(dispatched(door, "l-1", line("LISTED", 3)))
    await door.send(received(door, "l-1", line("LISTED", 1), final=False))

    item = (await listed(door))["l-1"]

    assert item.pop("since") is not None
    assert item == {
        "id": "l-1",
        "to": "LON-KNB",
        "lines": [{"sku": "LISTED", "sent": 3, "received": 1, "reserved": 0}],
        "early": [],
    }
    await door.send(received(door, "l-1", line("LISTED", 2)))
    assert "l-1" not in await listed(door)


async def test_what_was_received_early_is_listed_for_those_who_may_see_every_place(door: Door) -> None:
    early = received(door, "l-2", line("3607340000001", 2), time="2026-11-22T10:00:00+00:00")
    await door.send(early)

    item = (await listed(door))["l-2"]

    assert (item["to"], item["lines"]) == (None, [])
    assert item["early"] == [
        {"time": "2026-11-22T10:00:00.000Z", "final": True, "lines": [{"sku": "BAG-NOIR", "quantity": 2}]}
    ]
    assert "l-2" not in await listed(door, token=door.token(locations=["LON-KNB"]))


async def test_what_was_received_early_is_listed_by_the_name_that_its_sku_has_now(door: Door) -> None:
    await door.send(received(door, "l-9", line("NEWCOMER", 1)))
    described = [{"sku": "ARRIVAL", "aliases": ["NEWCOMER"]}]
    assert (await put(door, door.token(["admin"]), described)).json()[0]["status"] == "applied"

    item = (await listed(door))["l-9"]

    assert item["early"][0]["lines"] == [{"sku": "ARRIVAL", "quantity": 1}]


async def test_only_transfers_to_places_of_the_token_are_listed(door: Door) -> None:
    await door.send(dispatched(door, "l-3", line("LISTED", 1)))

    assert "l-3" in await listed(door, token=door.token(locations=["LON-KNB"]))
    assert "l-3" not in await listed(door, token=door.token(locations=["DC-LYON", "DXB-MALL"]))


@pytest.mark.parametrize("limit", [1, 7, 1_000])
async def test_a_long_list_of_transfers_comes_in_pages(door: Door, limit: int) -> None:
    ids = {f"page-{limit}-{n}" for n in range(150)}
    await door.send([dispatched(door, id, line("LISTED", 1)) for id in ids])

    found = await listed(door, limit=limit)

    assert ids <= found.keys()


@pytest.mark.parametrize(
    "params", [{"limit": 0}, {"limit": "x"}, {"cursor": "x"}, {"cursor": "Wy0xLCIiXQ=="}], ids=repr
)
async def test_a_question_for_transfers_that_cannot_be_read_is_refused(door: Door, params: dict[str, Any]) -> None:
    reply = await door.get("/v1/transfers", token=door.till, **params)

    assert (reply.status, reply.problem) == (400, "malformed")


async def test_transfers_need_their_scope(door: Door) -> None:
    assert (await door.get("/v1/transfers")).status == 401
    assert (await door.get("/v1/transfers", token=door.token(("events:write",)))).status == 403


@pytest.mark.parametrize("comes_first", ["dispatch", "receipt"])
async def test_a_piece_is_where_it_arrived_and_what_was_never_sent_is_looked_at(door: Door, comes_first: str) -> None:
    sku, id = f"SENT-{comes_first}", f"piece-{comes_first}"
    await door.send(door.receipt({**line(sku, 1), "serials": ["S1"]}, location="DC-LYON"))
    out = dispatched(door, id, {**line(sku, 1), "serials": ["S1"]})
    arrival = received(door, id, {**line(sku, 2), "serials": ["S1", "FAKE"]})

    told = [
        (await door.send(each)).json() for each in ((out, arrival) if comes_first == "dispatch" else (arrival, out))
    ]

    suspicion = {"type": "counterfeit_suspect", "sku": sku, "location": "LON-KNB", "quantity": 1}
    assert [alert for alert in told[1]["alerts"] if alert["type"] == "counterfeit_suspect"] == [suspicion]
    piece = await door.get("/v1/serials", token=door.till, sku=sku, serial="S1")
    assert (piece.json()["state"], piece.json()["location"]) == ("shelf", "LON-KNB")
    [position] = [item for item in await door.positions(sku=sku) if item["location"] == "LON-KNB"]
    assert (position["free"], position["aside"]) == (1, {"inspection": 1})


@pytest.mark.parametrize("comes_first", ["dispatch", "receipt"])
async def test_a_shipment_that_is_lost_whole_is_told_by_an_empty_list(door: Door, comes_first: str) -> None:
    sku = f"GONE-{comes_first}"
    out = dispatched(door, sku, line(sku, 2))
    nothing = received(door, sku, lines=[])

    told = [await door.send(each) for each in ((out, nothing) if comes_first == "dispatch" else (nothing, out))]

    assert [reply.json()["status"] for reply in told] == ["applied", "applied"]
    lost = {"type": "discrepancy", "sku": sku, "location": "LON-KNB", "quantity": 2}
    assert lost in told[1].json()["alerts"]
    assert await on_hand(door, sku) == {"DC-LYON": -2}
    assert sku not in await listed(door)


async def test_only_who_may_touch_its_destination_tells_that_a_shipment_is_lost(door: Door) -> None:
    await door.send(dispatched(door, "t-9", line("LOST-TOO", 1)))

    reply = await door.send(received(door, "t-9", lines=[]), token=door.token(locations=["DC-LYON"]))

    assert (reply.status, reply.problem) == (403, "forbidden")
    assert "t-9" in await listed(door)


async def test_more_than_was_sent_is_told_once_the_last_has_arrived(door: Door) -> None:
    await door.send(dispatched(door, "t-10", line("SURPLUS", 1)))

    told = [
        (await door.send(received(door, "t-10", line("SURPLUS", units), final=final))).json()["alerts"]
        for units, final in ((2, False), (1, True), (3, True))
    ]

    surplus = [[alert["quantity"] for alert in alerts if alert["type"] == "discrepancy"] for alerts in told]
    assert surplus == [[], [2], [3]]
    assert await on_hand(door, "SURPLUS") == {"DC-LYON": -1, "LON-KNB": 6}


async def test_a_transfer_to_where_it_is_sent_from_is_refused(door: Door) -> None:
    reply = await door.send(dispatched(door, "t-11", line("STAYS", 1), to="DC-LYON"))

    assert (reply.status, reply.problem, reply.json()["problem"]["path"]) == (400, "malformed", "$.to")
