"""Voids at the HTTP door: by the sale's id, whichever of the two comes first."""

from typing import Any

import pytest

from tests.intake.door import Door, line


def voided(door: Door, sale: Any, *lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
    plain = {"sale": sale, "location": ..., **({} if lines else {"lines": ...}), **fields}
    return door.event("sale.voided", *lines, **plain)


async def on_hand(door: Door, sku: str) -> int:
    return sum(item["on_hand"] - item["deficit"] for item in await door.positions(sku=sku))


async def test_a_voided_sale_is_sold_again(door: Door) -> None:
    sale = door.sale(line("GLOVES", 2))
    await door.send(door.receipt(line("GLOVES", 2)))
    await door.send(sale)

    reply = await door.send(voided(door, sale["id"]))

    assert (reply.status, reply.json()["status"]) == (200, "applied")
    assert reply.json()["lines"] == [{"sku": "GLOVES", "quantity": 2}]
    assert [item["available"] for item in reply.json()["availability"] if item["pool"] == "store"] == [2]


async def test_a_part_of_a_sale_is_voided_by_any_name_of_its_sku(door: Door) -> None:
    sale = door.sale(line("BAG-ROUGE", 2))
    await door.send(sale)

    reply = await door.send(voided(door, sale["id"], line("3607340000002", 1)))

    assert reply.json()["lines"] == [{"sku": "BAG-ROUGE", "quantity": 1}]
    assert await on_hand(door, "BAG-ROUGE") == -1


async def test_a_void_that_comes_first_waits_and_repeats_of_both_change_nothing(door: Door) -> None:
    sale = door.sale(line("BELT", 1))
    void = voided(door, sale["id"])

    replies = [(await door.send(event)).json() for event in (void, void, sale, void, sale)]

    assert [reply["status"] for reply in replies] == ["applied", "duplicate", "applied", "duplicate", "duplicate"]
    assert [len(reply["lines"]) for reply in replies] == [0, 0, 1, 0, 1]
    assert await on_hand(door, "BELT") == 0


async def test_a_void_of_more_than_was_sold_is_told(door: Door) -> None:
    sale = door.sale(line("SHOES", 1))
    await door.send(sale)

    reply = await door.send(voided(door, sale["id"], line("SHOES", 3)))

    assert {"type": "discrepancy", "quantity": 2} in reply.json()["alerts"]
    assert await on_hand(door, "SHOES") == 0


@pytest.mark.parametrize("comes_first", ["sale", "void"])
async def test_the_pieces_that_a_void_names_are_on_the_shelf_again_and_no_others(door: Door, comes_first: str) -> None:
    sku = f"PIECES-{comes_first}"
    await door.send(door.receipt({**line(sku, 3), "serials": ["A", "B", "C"]}))
    sale = door.sale({**line(sku, 1), "serials": ["A"]}, {**line(sku, 2), "serials": ["B", "C"]})
    void = voided(door, sale["id"], {**line(sku, 2), "serials": ["B", "NOT-SOLD"]})

    told = [await door.send(event) for event in ([sale, void] if comes_first == "sale" else [void, sale])]

    assert [reply.status for reply in told] == [200, 200]
    suspicion = {"type": "counterfeit_suspect", "sku": sku, "location": "LON-KNB", "quantity": 1}
    assert suspicion in told[1].json()["alerts"]
    pieces = {serial: await state(door, sku, serial) for serial in ("A", "B", "C", "NOT-SOLD")}
    assert pieces == {"A": "sold", "B": "shelf", "C": "sold", "NOT-SOLD": "shelf"}
    [position] = await door.positions(sku=sku)
    assert (position["free"], position["aside"]) == (1, {"inspection": 1})
    again = (await door.send(door.sale({**line(sku, 1), "serials": ["B"]}))).json()
    assert "counterfeit_suspect" not in {alert["type"] for alert in again["alerts"]}


async def test_the_last_void_of_a_sale_brings_back_all_of_its_pieces_that_are_still_sold(door: Door) -> None:
    await door.send(door.receipt({**line("PARTS", 3), "serials": ["A", "B", "C"]}))
    sale = door.sale({**line("PARTS", 1), "serials": ["A"]}, {**line("PARTS", 2), "serials": ["B", "C"]})
    await door.send(sale)

    states = []
    for part in ({**line("PARTS", 1), "serials": ["B"]}, line("PARTS", 2)):
        told = (await door.send(voided(door, sale["id"], part))).json()
        assert "counterfeit_suspect" not in {alert["type"] for alert in told["alerts"]}
        states.append([await state(door, "PARTS", serial) for serial in ("A", "B", "C")])

    assert states == [["sold", "shelf", "sold"], ["shelf"] * 3]


async def test_a_piece_that_was_sold_again_stays_sold_when_the_rest_of_its_first_sale_is_voided(door: Door) -> None:
    await door.send(door.receipt({**line("RESOLD", 2), "serials": ["A", "B"]}))
    sale = door.sale({**line("RESOLD", 2), "serials": ["A", "B"]})
    await door.send(sale)
    await door.send(voided(door, sale["id"], {**line("RESOLD", 1), "serials": ["A"]}))
    await door.send(door.sale({**line("RESOLD", 1), "serials": ["A"]}))

    await door.send(voided(door, sale["id"]))

    assert await state(door, "RESOLD", "A") == "sold"


async def state(door: Door, sku: str, serial: str) -> str | None:
    reply = await door.get("/v1/serials", token=door.till, sku=sku, serial=serial)
    told: str | None = reply.json()["state"] if reply.status == 200 else None
    return told


async def test_a_void_of_a_receipt_is_refused_with_the_reason(door: Door) -> None:
    receipt = door.receipt(line("RING", 1))
    await door.send(receipt)

    reply = await door.send(voided(door, receipt["id"]))

    assert (reply.status, reply.problem) == (400, "malformed")
    assert f"{receipt['id']} is a receipt, not a sale" in reply.json()["detail"]


async def test_a_void_where_the_token_reaches_nothing_is_refused(door: Door) -> None:
    sale = door.sale(line("CAP", 1))
    await door.send(sale)

    reply = await door.send(voided(door, sale["id"]), token=door.token(locations=["DXB-MALL"]))

    assert (reply.status, reply.problem) == (403, "forbidden")
    assert await on_hand(door, "CAP") == -1


@pytest.mark.parametrize(("places", "left"), [(["DXB-MALL", "DC-LYON"], -2), (["LON-KNB"], 0)])
async def test_a_void_that_waits_takes_effect_only_where_its_sender_may_touch_anything(
    door: Door, places: list[str], left: int
) -> None:
    sku = f"STOLE{left}"
    sale = door.sale(line(sku, 2))
    waits = await door.send(voided(door, sale["id"]), token=door.token(locations=places))

    sold = await door.send(sale)

    assert (waits.status, waits.json()["status"]) == (200, "applied")
    beyond = [alert for alert in sold.json()["alerts"] if alert["type"] == "out_of_reach"]
    assert beyond == ([{"type": "out_of_reach", "quantity": 2}] if left else [])
    assert await on_hand(door, sku) == left


@pytest.mark.parametrize(
    "fields", [{"sale": ""}, {"sale": None}, {"lines": []}, {"lines": [line(quantity=0)]}, {"pool": "store"}], ids=repr
)
async def test_a_void_that_is_not_one_is_refused(door: Door, fields: dict[str, Any]) -> None:
    reply = await door.send({**voided(door, "some-sale"), **fields})

    assert (reply.status, reply.problem) == (400, "malformed")
