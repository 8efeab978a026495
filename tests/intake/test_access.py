"""Who may do what at the door, and that refusing tells nothing."""

import base64
from collections.abc import AsyncIterator
from hashlib import sha256
from time import time
from typing import Any

import jwt
import msgspec
import pytest
from redis.asyncio import Redis

from hub.credentials import OpaqueKey, load_or_make_key
from tests.intake.door import Door, line, opaque_key
from tests.stock.partition import everything

WRITE = ("events:write",)


def signed(door: Door, secret: str | None = None, **changes: Any) -> str:
    """A token made by hand."""
    key = load_or_make_key(door.settings.hub.data_dir)
    assert key.secret is not None
    payload = {"sub": "till-7", "exp": time() + 60, "scope": "events:write", "pools": ["*"], "locations": ["*"]}
    header = {"kid": changes.pop("kid", key.kid)}
    return jwt.encode({**payload, **changes}, secret or key.secret.reveal(), algorithm="HS256", headers=header)


def without_signature(door: Door) -> str:
    header = base64.urlsafe_b64encode(b'{"alg":"none","kid":"local"}').rstrip(b"=").decode()
    return f"{header}.{signed(door).split('.')[1]}."


async def unauthenticated(door: Door, store: Redis, headers: dict[str, str]) -> None:
    before = await everything(store)

    reply = await door.send(door.receipt(), token=None, headers=headers)

    assert (reply.status, reply.problem) == (401, "unauthenticated")
    assert reply.headers["WWW-Authenticate"] == "Bearer"
    assert "no-store" in reply.headers["Cache-Control"]
    assert await everything(store) == before


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Basic dGlsbDp0aWxs", "Bearer nonsense", "Bearer a.b.c", "Bearer " + "x" * 7_000],
)
async def test_without_a_token_that_is_one_nothing_is_taken(door: Door, store: Redis, header: str | None) -> None:
    await unauthenticated(door, store, {} if header is None else {"Authorization": header})


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": time() - 120},
        {"nbf": time() + 3_600},
        {"secret": "another-secret-of-thirty-two-bytes!!"},
        {"kid": "unknown"},
        {"sub": None},
        {"exp": None},
        {"exp": "soon"},
        {"exp": float("inf")},
        {"aud": "elsewhere"},
    ],
    # Times differ from process to process, names of tests may not.
    ids=lambda changes: "-".join(f"{name}-{type(value).__name__}" for name, value in changes.items()),
)
async def test_a_token_that_does_not_hold_is_refused(door: Door, store: Redis, changes: dict[str, Any]) -> None:
    await unauthenticated(door, store, {"Authorization": f"Bearer {signed(door, **changes)}"})


async def test_a_token_without_a_signature_is_refused(door: Door, store: Redis) -> None:
    await unauthenticated(door, store, {"Authorization": f"Bearer {without_signature(door)}"})


async def test_a_token_a_little_past_its_end_still_holds(door: Door) -> None:
    reply = await door.send(door.receipt(), token=signed(door, exp=time() - 30))

    assert reply.status == 200


async def test_an_opaque_key_holds_without_an_end_and_for_its_own_scope_only(door: Door, key: str) -> None:
    sold = await door.send(door.receipt(), token=key)
    read = await door.get("/v1/positions", token=key, sku="BAG-NOIR")
    other = await door.send(door.receipt(), token=key[:-1] + ("x" if key[-1] != "x" else "y"))

    assert (sold.status, read.status, other.status) == (200, 403, 401)


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "/v1/events", "events:write"),
        ("GET", "/v1/positions?sku=BAG-NOIR", "positions:read"),
        ("POST", "/v1/tokens", "tokens:write"),
    ],
)
async def test_a_missing_scope_is_named(door: Door, store: Redis, method: str, path: str, scope: str) -> None:
    others = [each for each in ("events:write", "positions:read", "feed:read", "tokens:write") if each != scope]
    before = await everything(store)

    reply = await door.ask(method, path, token=door.token(others), body=door.receipt() if method == "POST" else None)

    assert (reply.status, reply.problem) == (403, "forbidden")
    assert scope in reply.json()["detail"]
    assert await everything(store) == before


async def test_another_tokens_location_or_pool_is_refused_alike_whether_it_exists_or_not(
    door: Door, store: Redis
) -> None:
    narrow = door.token(WRITE, pools=["store"], locations=["LON-KNB"])
    before = await everything(store)
    refused = {}
    for name, event in {
        "DC-LYON": door.receipt(location="DC-LYON"),
        "NOWHERE": door.receipt(location="NOWHERE"),
        "vip": door.sale(pool="vip"),
        "nobody": door.sale(pool="nobody"),
    }.items():
        reply = await door.send(event, token=narrow)
        assert (reply.status, reply.problem, reply.json()["status"]) == (403, "forbidden", "refused")
        assert reply.json()["id"] == event["id"]
        refused[name] = reply.body.replace(name.encode(), b"?").replace(event["id"].encode(), b"?")

    assert refused["DC-LYON"] == refused["NOWHERE"]
    assert refused["vip"] == refused["nobody"]
    assert await everything(store) == before


async def test_every_place_that_an_event_names_must_be_allowed(door: Door, store: Redis) -> None:
    narrow = door.token(WRITE, pools=["online"], locations=["LON-KNB"])
    before = await everything(store)
    order = {"order": "o-1", "pool": "online", "location": ...}
    events = [
        door.event("transfer.dispatched", transfer="t", **{"from": "LON-KNB", "to": "DC-LYON", "location": ...}),
        door.event("transfer.dispatched", transfer="t", **{"from": "DC-LYON", "to": "LON-KNB", "location": ...}),
        door.event("order.placed", line(location="DC-LYON"), **order),
        door.event("order.placed", locations=["LON-KNB", "DC-LYON"], **order),
        door.event("order.placed", prefer=["DC-LYON"], **order),
        door.event("order.changed", line(location="DC-LYON"), order="o-1", location=...),
        door.event("order.fulfilled", order="o-1", location="DC-LYON"),
        door.event("expected", purchase_order="p", eta="2026-12-01T00:00:00Z", location="DC-LYON"),
        door.event("count", counted_at="2026-11-22T00:00:00Z", location="DC-LYON"),
    ]

    replies = [await door.send(event, token=narrow) for event in events]

    assert [reply.status for reply in replies] == [403] * len(events)
    assert await everything(store) == before


async def test_a_token_without_pools_or_locations_may_touch_none(door: Door) -> None:
    bare = signed(door, pools=[], locations=[])

    reply = await door.send(door.receipt(), token=bare)

    assert (reply.status, reply.problem) == (403, "forbidden")


async def test_bad_tokens_are_counted(door: Door) -> None:
    async def count() -> float:
        text = (await door.get(door.admin + "/metrics")).body.decode()
        [row] = [row for row in text.splitlines() if row.startswith("hub_unauthenticated_total")]
        return float(row.split()[1])

    before = await count()
    await door.send(door.receipt(), token="nonsense")

    assert await count() == before + 1


TOKEN = {"sub": "page", "ttl_seconds": 60, "scope": ["positions:read"], "pools": ["vip"], "locations": ["LON-KNB"]}


async def test_a_token_is_made_for_a_page_and_holds_what_was_asked(door: Door) -> None:
    await door.send(door.receipt(line("PAGE", 1)))
    server = door.token(("tokens:write", "positions:read"), sub="shop", pools=["vip", "store"], locations=["LON-KNB"])

    reply = await door.post("/v1/tokens", TOKEN, token=server)

    assert reply.status == 201
    assert "no-store" in reply.headers["Cache-Control"]
    page = reply.json()["token"]
    claims = jwt.decode(page, options={"verify_signature": False})
    assert (claims["sub"], claims["source"], claims["scope"]) == ("page", "shop", "positions:read")
    assert claims["exp"] - time() < 61
    assert [item["available"] for item in await door.shown("vip", "PAGE", token=page)] == [1]
    assert (await door.get("/v1/availability", token=page, pool="store", sku="PAGE")).status == 404
    assert (await door.send(door.receipt(), token=page)).status == 403


@pytest.mark.parametrize(
    "changes",
    [
        {"scope": ["events:write"]},
        {"scope": ["tokens:write", "admin"]},
        {"scope": ["unheard:of"]},
        {"pools": ["*"]},
        {"pools": ["vip", "online"]},
        {"locations": ["*"]},
        {"locations": ["DC-LYON"]},
    ],
    ids=repr,
)
async def test_a_token_is_never_wider_than_its_maker(door: Door, changes: dict[str, Any]) -> None:
    server = door.token(("tokens:write", "positions:read"), sub="shop", pools=["vip"], locations=["LON-KNB"])

    reply = await door.post("/v1/tokens", {**TOKEN, **changes}, token=server)

    assert (reply.status, reply.problem) == (403, "forbidden")


async def test_a_token_ends_no_later_than_its_makers(door: Door) -> None:
    server = door.token(("tokens:write", "positions:read"), ttl="90s")

    reply = await door.post("/v1/tokens", {**TOKEN, "ttl_seconds": 3_600}, token=server)

    assert jwt.decode(reply.json()["token"], options={"verify_signature": False})["exp"] <= time() + 91


@pytest.mark.parametrize(
    "changes",
    [
        {"ttl_seconds": 0},
        {"ttl_seconds": -1},
        {"ttl_seconds": 86_401},
        {"ttl_seconds": "60"},
        {"ttl_seconds": 1.5},
        {"sub": ""},
        {"sub": "a b"},
        {"colour": "noir"},
        {"pools": "vip"},
        {"scope": [7]},
    ],
    ids=repr,
)
async def test_a_request_for_a_token_that_cannot_be_read_is_refused(door: Door, changes: dict[str, Any]) -> None:
    reply = await door.post("/v1/tokens", {**TOKEN, **changes}, token=door.till)

    assert (reply.status, reply.problem) == (400, "malformed")
    assert reply.json()["path"].startswith("$")


async def test_a_key_twice_in_a_request_for_a_token_is_refused(door: Door) -> None:
    body = msgspec.json.encode(TOKEN)[:-1] + b',"pools":["*"]}'

    reply = await door.post("/v1/tokens", body, token=door.till)

    assert (reply.status, reply.problem) == (400, "malformed")


@pytest.mark.parametrize("teller", ["first", "repeat"])
async def test_the_broken_fence_of_a_pool_is_told_only_to_those_who_may_see_the_pool(door: Door, teller: str) -> None:
    sku = f"FENCED-{teller}"
    narrow, wide = door.token(WRITE, pools=["store"]), door.token(WRITE, pools=["*"])
    await door.send(door.receipt(line(sku, 2)))
    await door.send(door.event("ring_fence", line(sku, 2), pool="vip"))
    sale = door.sale(line(sku, 3))

    tokens = [narrow, wide] if teller == "first" else [wide, narrow]
    replies = [(await door.send(sale, token=token)).json() for token in tokens]

    assert [reply["status"] for reply in replies] == ["applied", "duplicate"]
    told = dict(zip(tokens, [reply["alerts"] for reply in replies], strict=True))
    at = {"sku": sku, "location": "LON-KNB"}
    missing = {"type": "discrepancy", **at, "quantity": 1}
    assert told[narrow] == [missing]
    assert sorted(told[wide], key=lambda alert: str(alert["type"])) == [
        missing,
        {"type": "fence_broken", **at, "quantity": 2, "pool": "vip"},
        {"type": "sold_out", "sku": sku, "quantity": 0, "pool": "vip"},
    ]


@pytest.mark.parametrize("asked", [{"sku": "COUNTED"}, {"location": "LON-KNB"}], ids=["sku", "location"])
async def test_where_the_feed_stands_is_told_only_to_those_who_may_read_it(door: Door, asked: dict[str, str]) -> None:
    await door.send(door.receipt(line("COUNTED", 1), line("COUNTED-TOO", 1)))
    seq = (await door.send(door.receipt(line("COUNTED", 1), location="DXB-MALL"))).json()["seq"]

    async def page(scope: tuple[str, ...], **more: Any) -> tuple[Any, Any]:
        reply = await door.get("/v1/positions", token=door.token(scope), limit=1, **asked, **more)
        assert (reply.status, len(reply.json()["items"])) == (200, 1)
        told = reply.json()
        return told["feed_cursor"], told["next"]

    open_cursor, open_next = await page(("positions:read", "feed:read"))
    closed_cursor, closed_next = await page(("positions:read",))
    following_cursor, _ = await page(("positions:read",), cursor=closed_next)

    assert (open_cursor, closed_cursor, following_cursor) == (seq, None, None)
    assert msgspec.json.decode(base64.urlsafe_b64decode(open_next))[-1] == seq
    assert msgspec.json.decode(base64.urlsafe_b64decode(closed_next))[-1] is None
    assert seq.encode() not in base64.urlsafe_b64decode(closed_next)


@pytest.mark.parametrize("asked", [{"sku": "SET-ASIDE"}, {"location": "LON-KNB"}], ids=["sku", "location"])
async def test_positions_name_only_fences_of_pools_that_the_token_may_see(door: Door, asked: dict[str, str]) -> None:
    await door.send(door.receipt(line("SET-ASIDE", 9)))
    for pool in ("vip", "online", "store"):
        await door.send(door.event("ring_fence", line("SET-ASIDE", 2), pool=pool))
    [whole] = await door.positions(sku="SET-ASIDE")

    async def told(**claims: Any) -> Any:
        reply = await door.get("/v1/positions", token=door.token(["positions:read"], **claims), limit=1000, **asked)
        return next(each for each in reply.json()["items"] if each["sku"] == "SET-ASIDE")

    assert whole["ring_fenced"] == {"vip": 2, "online": 2, "store": 2}
    assert await told() == whole
    # The pool `online` is public.
    assert await told(pools=["store"]) == {**whole, "ring_fenced": {"online": 2, "store": 2}}
    assert (await told(pools=["vip"]))["ring_fenced"] == {"vip": 2, "online": 2}


@pytest.mark.parametrize(
    ("path", "type", "body"),
    [
        ("/v1/tokens", "application/json", b'{"sub": "ghost", "ttl_seconds": 3600, "scope": ["events:write"]}'),
        ("/v1/events", "application/json", b"[]"),
        ("/v1/imports?id=late", "application/x-ndjson", b'{"sku": "A", "location": "LON-KNB", "quantity": 1}\n'),
    ],
)
async def test_a_request_whose_key_is_revoked_before_its_body_ends_is_refused(
    door: Door, until: Any, path: str, type: str, body: bytes
) -> None:
    text, _ = opaque_key()
    digest = sha256(text.encode())
    access: Any = door.hub._access
    before = access.keys
    scope = ("tokens:write", "events:write")
    key = OpaqueKey(id="boss", hash=f"sha256:{digest.hexdigest()}", sub="boss", scope=scope, locations=("*",))
    access.take(msgspec.structs.replace(before, opaque_keys=(*before.opaque_keys, key)))

    async def is_let_in() -> bool:
        return digest.digest() in access._remembered

    async def dribbled() -> AsyncIterator[bytes]:
        yield body[:1]
        await until(is_let_in)
        # As a reload of the file does.
        access.take(before)
        yield body[1:]

    headers = {"Authorization": f"Bearer {text}", "Content-Type": type}
    async with door.session.post(door.url + path, data=dribbled(), headers=headers) as response:
        told = await response.json(content_type=None)

    assert (response.status, told["type"]) == (401, "urn:hub:problem:unauthenticated")
