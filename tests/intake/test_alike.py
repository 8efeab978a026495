"""What may not be seen, what is not there and what was never shown get the same answer, byte for byte."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis
from websockets.asyncio.client import connect

from hub.embedded.servers import EmbeddedServers
from tests.intake.door import ALL_SCOPES, HOUSE, Door, line, open_door, settings_in

# A public pool that says where.
WHERE = """
[[pool]]
id = "where"
locations = ["LON-KNB", "DC-LYON"]
public = true
per_location = true
"""
# Names as long as each other, so that sizes are the same where nothing else differs.
REAL_POOL, NO_POOL = "vip", "nix"
REAL_PLACE, NO_PLACE = "DXB-MALL", "DXB-NONE"
# Set aside for VIPs; where no public pool looks, some of it expected; made there and gone; of nobody.
FENCED, FAR, GONE, NEVER = "FENCED-1", "FAR-AWAY", "GONE-OUT", "NEVER-01"

_decode, _encode = msgspec.json.decode, msgspec.json.encode
Question = tuple[str, str, Any]


@pytest.fixture(scope="module")
async def door(
    store: Redis, database: str, servers: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Door]:
    folder = tmp_path_factory.mktemp("hub")
    extra = "[limits]\nledger_wait_ms = 10000\n"
    settings = settings_in(folder, redis_url=servers.redis_url, dsn=database, house=HOUSE + WHERE, extra=extra)
    async with open_door(settings) as opened:
        far = {"location": REAL_PLACE}
        told = await opened.send(
            [
                opened.event("ring_fence", line(FENCED, 3), pool="vip"),
                opened.receipt(line(FENCED, 3), serials=...),
                opened.receipt(line(FAR, 3, serials=["PIECE-1", "PIECE-2"]), **far),
                opened.event("expected", line(FAR, 3), purchase_order="PO-1", eta="2099-01-01T00:00:00Z", **far),
                opened.receipt(line(GONE, 1), **far),
                opened.sale(line(GONE, 1), **far),
            ]
        )
        assert [answer["status"] for answer in told.json()] == ["applied"] * 6
        yield opened


def page(door: Door) -> str:
    """A token with every scope, and little to see."""
    scope = (*ALL_SCOPES, "reservations:write")
    return door.token(scope, sub="page", pools=["online", "where"], locations=["DC-LYON"])


async def answered(door: Door, question: Question, token: str | None, name: str) -> tuple[Any, ...]:
    """The whole answer to a question about something, with its name taken out."""
    method, path, body = question
    path, sent = path.replace("{}", name), _encode(body).replace(b"{}", name.encode()) if body else None
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with door.session.request(method, door.url + path, data=sent, headers=headers) as response:
        told = [(key, value) for key, value in response.headers.items() if key != "Date"]
        return response.status, told, (await response.read()).replace(name.encode(), b"{}")


RESERVE = {"id": "r-{}", "pool": "online", "lines": [line("BAG-NOIR")]}
SALE = {
    "id": "s-{}",
    "type": "sale",
    "time": "2026-11-22T10:00:00Z",
    "location": "DC-LYON",
    "pool": "online",
    "lines": [line("BAG-NOIR")],
}
OF_POOLS: list[Question] = [
    ("GET", "/v1/availability?pool={}&sku=BAG-NOIR", None),
    ("POST", "/v1/availability/query", {"pool": "{}", "skus": ["BAG-NOIR", FENCED]}),
    ("GET", f"/v1/availability/locations?pool={{}}&sku={FENCED}", None),
    ("GET", f"/v1/availability/explain?pool={{}}&sku={FENCED}", None),
    ("GET", f"/v1/availability/promise?pool={{}}&sku={FENCED}", None),
    ("GET", f"/v1/availability/history?pool={{}}&sku={FENCED}", None),
    ("GET", f"/v1/live/sse?pool={{}}&sku={FENCED}", None),
    ("POST", "/v1/live/sse", {"pool": "{}", "skus": [FENCED]}),
    ("POST", "/v1/reservations", {**RESERVE, "pool": "{}"}),
    ("POST", "/v1/events", {**SALE, "pool": "{}"}),
]
OF_PLACES: list[Question] = [
    ("GET", "/v1/positions?location={}", None),
    ("GET", "/v1/reservations?location={}", None),
    ("GET", "/v1/accuracy?location={}&from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z", None),
    ("POST", "/v1/reservations", {**RESERVE, "locations": ["{}"]}),
    ("POST", "/v1/reservations", {**RESERVE, "lines": [line("BAG-NOIR", location="{}")]}),
    ("POST", "/v1/events", {**SALE, "location": "{}"}),
]
OF_SKUS: list[Question] = [
    ("GET", "/v1/availability/locations?pool=where&sku={}", None),
    ("GET", "/v1/availability/explain?pool=online&sku={}", None),
    ("GET", "/v1/availability/promise?pool=online&sku={}", None),
    ("GET", "/v1/positions?sku={}", None),
    ("GET", "/v1/expected?sku={}", None),
    ("GET", "/v1/serials?sku={}&serial=PIECE-1", None),
    ("POST", "/v1/reservations", {**RESERVE, "lines": [line("{}")]}),
]


@pytest.mark.parametrize("question", OF_POOLS, ids=str)
async def test_a_pool_that_may_not_be_seen_is_one_that_is_not_there(door: Door, question: Question) -> None:
    for token in (None, page(door)):
        assert await answered(door, question, token, REAL_POOL) == await answered(door, question, token, NO_POOL)


@pytest.mark.parametrize("question", OF_PLACES, ids=str)
async def test_a_location_that_may_not_be_seen_is_one_that_is_not_there(door: Door, question: Question) -> None:
    for token in (None, page(door)):
        assert await answered(door, question, token, REAL_PLACE) == await answered(door, question, token, NO_PLACE)


@pytest.mark.parametrize("question", OF_SKUS, ids=str)
@pytest.mark.parametrize("sku", [FENCED, FAR, GONE])
async def test_a_sku_of_which_nothing_is_shown_is_one_that_is_not_there(
    door: Door, question: Question, sku: str
) -> None:
    for token in (None, page(door)):
        assert await answered(door, question, token, sku) == await answered(door, question, token, NEVER)


@pytest.mark.parametrize("pool", ["online", "gulf", "where"])
async def test_items_of_what_was_never_shown_differ_in_nothing_but_the_name(door: Door, pool: str) -> None:
    # What lies in Dubai is shown in the Gulf.
    skus = [FENCED, NEVER] if pool == "gulf" else [FENCED, FAR, GONE, NEVER]
    told = [await door.shown(pool, *skus)]
    reply = await door.post("/v1/availability/query", {"pool": pool, "skus": skus})
    told.append(reply.json()["items"])
    async with connect(f"{door.live}/v1/live", subprotocols=["hub.v1.json"]) as socket:  # type: ignore[list-item]
        for known in ({}, dict.fromkeys(skus, 7)):
            wish = {"op": "subscribe", "ref": 1, "pool": pool, "skus": skus, "known": known}
            await socket.send(_encode(wish).decode())
            told.append(_decode(await socket.recv())["items"])

    for items in told:
        assert [item.pop("sku") for item in items] == skus
        assert all(item == items[0] for item in items), items
        assert items[0]["rev"] == 0


async def test_a_screen_is_told_the_same_of_what_it_may_not_see_and_what_is_not_there(door: Door) -> None:
    asked = [
        {"op": "subscribe", "ref": 1, "pool": "{}", "skus": ["BAG-NOIR"]},
        {"op": "subscribe", "ref": 1, "pool": "{}", "skus": [FENCED], "known": {FENCED: 7}},
        {"op": "unsubscribe", "ref": 1, "pool": "{}", "skus": [FENCED]},
    ]
    shelves = [{**message, "location": "{}"} for message in ({"op": "subscribe", "ref": 1},)]

    async def told(messages: list[Any], name: str) -> list[bytes]:
        async with connect(f"{door.live}/v1/live", subprotocols=["hub.v1.json"]) as socket:  # type: ignore[list-item]
            answers = []
            for token in (None, page(door)):
                await socket.send(_encode({"op": "auth", "token": token}).decode())
                # When the token ends is its own; the pools are of the token too.
                answers.append(_encode(_decode(await socket.recv())["pools"]))
                for message in messages:
                    await socket.send(_encode(message).replace(b"{}", name.encode()).decode())
                    answers.append((await socket.recv(decode=False)).replace(name.encode(), b"{}"))
        return answers

    assert await told(asked, REAL_POOL) == await told(asked, NO_POOL)
    assert await told(shelves, REAL_PLACE) == await told(shelves, NO_PLACE)
