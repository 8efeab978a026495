"""`POST /v1/webhooks/{source}`: who is let in, what is answered, and that it is kept before that."""

import gzip
from datetime import UTC, datetime
from time import time
from typing import Any

import asyncpg
import pytest

from tests.intake.door import line
from tests.webhooks.town import SECRETS, TOKEN, Town


def sold(sku: str = "BAG-NOIR", units: int = 1, **fields: Any) -> dict[str, Any]:
    time_ = datetime.now(UTC).isoformat()
    return {"type": "sale", "time": time_, "location": "LON-KNB", "lines": [line(sku, units)], **fields}


async def test_a_signed_delivery_is_booked_and_answered_with_its_events(town: Town) -> None:
    before = await town.free("BAG-NOIR")

    reply = await town.webhook(sold(), "msg_first")

    told = reply.json()
    assert (reply.status, told["status"]) == (200, "applied"), reply.body
    assert [(event["id"], event["status"]) for event in told["events"]] == [("msg_first", "applied")]
    assert "seq" not in told["events"][0]
    assert await town.free("BAG-NOIR") == before - 1


async def test_an_envelope_of_standard_webhooks_is_an_event_too(town: Town) -> None:
    event = sold("ENVELOPE", 2)
    data = {name: event[name] for name in ("location", "lines")}

    reply = await town.webhook({"type": "sale", "timestamp": event["time"], "data": data}, "msg_envelope")

    assert reply.json()["status"] == "applied", reply.body
    assert await town.free("ENVELOPE") == -2


async def test_the_same_delivery_again_is_known_and_not_booked(town: Town, inbox: asyncpg.Connection) -> None:
    event = sold("TWICE")

    first, again = await town.webhook(event, "msg_twice"), await town.webhook(event, "msg_twice")

    assert (first.json()["status"], again.status, again.json()) == ("applied", 200, {"status": "duplicate"})
    assert await town.free("TWICE") == -1
    assert await inbox.fetchval("SELECT count(*) FROM hub.inbox WHERE delivery = 'msg_twice'") == 1


async def test_the_same_id_with_another_body_changes_nothing_and_is_counted(town: Town) -> None:
    await town.webhook(sold("OTHER"), "msg_other")
    before = await town.metric('hub_webhook_conflicts_total{source="shop"}')

    reply = await town.webhook(sold("OTHER", 5), "msg_other")

    assert (reply.status, reply.json()["status"]) == (200, "duplicate")
    assert await town.free("OTHER") == -1
    assert await town.metric('hub_webhook_conflicts_total{source="shop"}') == before + 1


async def test_a_delivery_is_kept_as_it_came_but_for_what_vouched_for_it(town: Town, inbox: asyncpg.Connection) -> None:
    said = town.sale_at_till("RAW", topic="sale")

    await town.deliver(said, headers={"Authorization": "Basic x", "X-Copy": f"a {TOKEN}", "X-Shop": "London"})

    row = await inbox.fetchrow("SELECT * FROM hub.inbox WHERE source = 'town' AND delivery = $1", said["id"])
    assert (row["topic"], row["state"], row["method"]) == ("sale", "booked", "POST")
    assert b'"RAW"' in row["body"]
    assert '"x-shop":"London"' in row["headers"]
    assert not [word for word in ("hmac", "authorization", TOKEN) if word in row["headers"]]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"webhook_signature": "v1,AAAA"}, "no signature is right"),
        ({"webhook_signature": ""}, "no signature is right"),
        ({"webhook_timestamp": ""}, "webhook-timestamp"),
        ({"webhook_id": ""}, "webhook-id"),
        ({"webhook_id": "msg_of_another"}, "no signature is right"),
    ],
    ids=str,
)
async def test_a_wrong_signature_leaves_no_trace_but_a_metric(
    town: Town, inbox: asyncpg.Connection, changes: dict[str, str], why: str
) -> None:
    metric = 'hub_webhook_refused_total{source="shop"}'
    before, kept = await town.metric(metric), await inbox.fetchval("SELECT count(*) FROM hub.inbox")

    reply = await town.webhook(sold("WRONG"), "msg_wrong", **changes)

    assert (reply.status, reply.problem) == (401, "unauthenticated")
    # A token would not help.
    assert reply.headers["WWW-Authenticate"] == "Signature"
    assert why in reply.json()["detail"]
    assert await inbox.fetchval("SELECT count(*) FROM hub.inbox") == kept
    assert await town.metric(metric) == before + 1
    assert await town.free("WRONG") == 0


@pytest.mark.parametrize("seconds", [-301, 301])
async def test_a_delivery_that_was_signed_too_long_ago_or_later_is_refused(town: Town, seconds: int) -> None:
    reply = await town.webhook(sold("STALE"), "msg_stale", seconds=int(time()) + seconds)

    assert (reply.status, reply.problem) == (401, "unauthenticated")


async def test_each_secret_is_good_while_they_are_rotated(town: Town) -> None:
    replies = [await town.deliver(town.sale_at_till("ROTATED"), secret=secret) for secret in SECRETS.split()]
    third = await town.deliver(town.sale_at_till("ROTATED"), secret="gone")

    assert [reply.json()["status"] for reply in replies] == ["applied", "applied"]
    assert third.status == 401
    assert await town.free("ROTATED") == -2


@pytest.mark.parametrize("source", ["plain", "nobody", "%00", "a" * 200])
async def test_who_has_no_adapter_is_not_found_and_neither_is_who_is_not_there(town: Town, source: str) -> None:
    first = await town.post(f"/v1/webhooks/{source}", sold())
    other = await town.post("/v1/webhooks/somebody", sold())

    assert (first.status, first.problem) == (404, "not_found")
    assert first.body == other.body


async def test_a_vendor_that_looks_whether_the_address_is_there_is_answered(town: Town) -> None:
    greeted = await town.get("/v1/webhooks/town", challenge="4711")
    other = await town.get("/v1/webhooks/shop")

    assert (greeted.status, greeted.body, greeted.content_type) == (200, b"4711", "text/plain")
    assert greeted.headers["X-Content-Type-Options"] == "nosniff"
    assert (other.status, other.problem, other.headers["Allow"]) == (405, "method_not_allowed", "POST")


async def test_a_packed_body_is_verified_unpacked_and_a_large_one_is_refused(town: Town) -> None:
    said = town.sale_at_till("PACKED")
    plain = await town.deliver(said)
    assert plain.status == 200

    large = await town.deliver(b"{" + b" " * 1_100_000 + b"}")
    packed = await town.post("/v1/webhooks/shop", gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"})

    assert (large.status, large.problem) == (413, "too_large")
    assert packed.status == 401


async def test_what_says_nothing_about_stock_is_ignored_and_what_breaks_its_adapter_parked(town: Town) -> None:
    ignored = await town.deliver(town.body(topic="poke"))
    broken = await town.deliver(town.sale_at_till(**{"raise": ["translate"]}))
    nameless = await town.deliver(town.sale_at_till("NAMELESS", **{"raise": ["topic", "delivery_id"]}))

    assert (ignored.status, ignored.json()) == (200, {"status": "ignored"})
    assert (broken.status, broken.json()["status"]) == (202, "parked")
    assert "defect" in broken.json()["why"]
    assert nameless.json()["status"] == "applied"


async def test_one_transition_told_by_two_deliveries_with_other_details_counts_once(town: Town) -> None:
    first = await town.deliver(town.sale_at_till("ONCE", sale="o-1"))
    second = await town.deliver(town.sale_at_till("ONCE", 3, sale="o-1"))

    assert [reply.json()["events"][0]["status"] for reply in (first, second)] == ["applied", "duplicate"]
    assert second.json()["status"] == "applied"
    assert await town.free("ONCE") == -1


async def test_what_any_adapter_calls_verbatim_is_held_to_its_content(town: Town) -> None:
    first = await town.deliver(town.sale_at_till("WORDS", sale="v-1", verbatim=True))
    other = await town.deliver(town.sale_at_till("WORDS", 3, sale="v-1", verbatim=True))

    assert first.json()["status"] == "applied"
    assert (other.status, other.json()["status"]) == (202, "parked")
    assert "another content" in other.json()["why"]
    assert await town.free("WORDS") == -1


async def test_an_event_of_the_hubs_own_words_is_held_to_its_content(town: Town) -> None:
    event = sold("OWN-WORDS", id="own-1")
    await town.webhook(event, "msg_own_1")

    other = await town.webhook(event | {"lines": [line("OWN-WORDS", 2)]}, "msg_own_2")
    by_token = await town.send(event | {"pool": "store"}, token=town.token(["events:write"], sub="shop"))

    assert (other.status, other.json()["status"]) == (202, "parked")
    assert "another content" in other.json()["why"]
    assert by_token.json()["status"] == "duplicate"
    assert await town.free("OWN-WORDS") == -1
