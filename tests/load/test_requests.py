"""Requests as the door reads them: by its own decoders."""

import random

import msgspec

from hub.load.holds import LIVE_MAX, OLD_SECONDS, Hold, Holds
from hub.load.requests import Sent
from protocol.codec import decode_body
from protocol.events import Sale
from protocol.reservations import Reserve, decode_reserve
from tests.load.answering import writer


def parts(sent: Sent) -> tuple[str, dict[str, str], bytes]:
    head, _, body = sent.content.partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    return first, dict(field.split(": ", 1) for field in fields), body


def test_a_sale_is_one_unit_at_the_place_with_an_id_of_its_own() -> None:
    one, two = (writer([5, 5]).sale([1], "2026-11-22T10:00:00+00:00", 0.0, 0.0) for _ in range(2))

    first, fields, body = parts(one)
    assert first == "POST /v1/events HTTP/1.1"
    assert fields["Authorization"] == "Bearer secret"
    assert fields["Host"] == "127.0.0.1:8080"
    assert int(fields["Content-Length"]) == len(body)
    sale: Sale = decode_body(msgspec.json.Decoder(Sale), body)
    assert (sale.id, sale.location, sale.pool) == (one.ids[0], "LON", "store")
    assert [(line.sku, line.quantity) for line in sale.lines] == [("LOAD-00001", 1)]
    # Each writer counts by itself: the run and the process are in the id.
    assert one.ids == two.ids == ["LOAD-run-0-0000000001"]


def test_an_array_has_an_event_for_each_sku_in_order() -> None:
    sent = writer([5, 5, 5]).sale([2, 0, 2], "2026-11-22T10:00:00+00:00", 0.0, 0.0)

    _, fields, body = parts(sent)
    events = msgspec.json.decode(body)
    assert int(fields["Content-Length"]) == len(body)
    assert [event["id"] for event in events] == sent.ids
    assert len(set(sent.ids)) == 3
    assert [event["lines"][0]["sku"] for event in events] == ["LOAD-00002", "LOAD-00000", "LOAD-00002"]


def test_a_reservation_is_asked_for_and_changed_by_its_id() -> None:
    writes = writer([5])
    asked = writes.reserve(0, 0.0, 0.0, 3)
    reserve: Reserve = decode_reserve(parts(asked)[2])
    assert (reserve.id, reserve.pool, reserve.lines[0].sku, asked.sold_before) == (
        asked.ids[0],
        "store",
        "LOAD-00000",
        3,
    )

    released = writes.change("release", Hold(asked.ids[0], 0, 0.0), 0.0, 0.0)

    assert parts(released)[0] == f"POST /v1/reservations/{asked.ids[0]}/release HTTP/1.1"
    assert parts(released)[2] == b"{}"


def test_holds_are_made_until_there_are_enough_then_the_oldest_goes() -> None:
    holds = Holds(random.Random(1))
    for number in range(LIVE_MAX):
        assert holds.next(1.0) is None
        holds.keep(Hold(f"h{number}", 0, 0.0))

    oldest = holds.next(1.0)

    assert oldest is not None
    assert oldest.id == "h0"
    assert holds.next(1.0) is None
    assert holds.next(OLD_SECONDS) is not None


def test_after_a_refusal_one_is_given_back_first() -> None:
    holds = Holds(random.Random(1))
    holds.refused()
    assert holds.next(0.0) is None
    for name in ("a", "b"):
        holds.keep(Hold(name, 0, 0.0))
    holds.refused()

    oldest = holds.next(0.0)

    assert oldest is not None
    assert oldest.id == "a"
    assert holds.next(0.0) is None


def test_half_are_confirmed_and_what_is_confirmed_is_released_next() -> None:
    holds = Holds(random.Random(1))
    verbs = [holds.verb(Hold("h", 0, 0.0)) for _ in range(1_000)]
    assert 400 < verbs.count("confirm") < 600
    assert verbs.count("confirm") + verbs.count("release") == 1_000

    confirmed = Hold("c", 0, 0.0, is_confirmed=True)
    holds.keep(Hold("h", 0, 0.0))
    holds.keep(confirmed)

    assert holds.next(OLD_SECONDS) is confirmed
    assert {holds.verb(confirmed) for _ in range(50)} == {"release"}
