"""What pools show and what lies where, as it is read over HTTP."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.intake.door import Door, line
from tests.stock.partition import everything


async def test_a_public_pool_is_shown_to_anyone(door: Door) -> None:
    await door.send(door.receipt(line("PUBLIC", 12), line("FEW", 2)))

    reply = await door.get("/v1/availability", pool="online", sku=["PUBLIC", "FEW", "NEVER"])

    assert reply.status == 200
    assert reply.content_type == "application/json"
    told = reply.json()
    assert told["pool"] == "online"
    capped, few, never = told["items"]
    assert (capped["available"], capped["capped"], capped["status"]) == (10, True, "in_stock")
    assert (few["available"], few["status"], "capped" in few) == (2, "low_stock", False)
    assert (never["available"], never["status"], never["rev"]) == (0, "out_of_stock", 0)
    assert all("pool" not in item and item["at"].endswith("Z") for item in told["items"])


async def test_a_pool_that_shows_only_a_status_shows_no_number(door: Door) -> None:
    await door.send(door.receipt(line("STATUS", 5), location="DXB-MALL"))

    seen, never = await door.shown("gulf", "STATUS", "NEVER")

    assert (seen["status"], "available" in seen) == ("in_stock", False)
    assert (never["status"], "available" in never) == ("out_of_stock", False)


async def test_the_query_by_post_answers_as_the_one_by_get(door: Door) -> None:
    await door.send(door.receipt(line("POSTED", 1)))

    by_post = await door.post("/v1/availability/query", {"pool": "online", "skus": ["POSTED", "POSTED"]})

    by_get = await door.get("/v1/availability", pool="online", sku=["POSTED", "POSTED"])
    assert by_post.status == 200
    assert by_post.json() == by_get.json()


async def test_an_alias_is_shown_under_the_houses_own_name(door: Door) -> None:
    await door.send(door.receipt(line("WATCH-OR", 3)))

    [item] = await door.shown("online", "3607340000101")

    assert (item["sku"], item["available"]) == ("WATCH-OR", 2)
    assert [position["sku"] for position in await door.positions(sku="3607340000101")] == ["WATCH-OR"]


async def test_a_thousand_skus_are_answered_at_once(door: Door) -> None:
    skus = [f"Q-{n}" for n in range(1_000)]

    reply = await door.post("/v1/availability/query", {"pool": "online", "skus": skus})

    assert [item["sku"] for item in reply.json()["items"]] == skus


@pytest.mark.parametrize(
    "params",
    [
        {"sku": "A"},
        {"pool": "", "sku": "A"},
        {"pool": "online"},
        {"pool": "online", "sku": ["A"] * 51},
        {"pool": "online", "sku": ""},
        {"pool": "online", "sku": "A\nB"},
        {"pool": "online", "sku": "x" * 129},
        {"pool": "online", "sku": "A", "skus": "B"},
        {"pool": "online", "sku": "A", "_": "1732400000"},
    ],
    ids=repr,
)
async def test_a_question_that_cannot_be_read_is_refused(door: Door, params: dict[str, Any]) -> None:
    reply = await door.get("/v1/availability", **params)

    assert (reply.status, reply.problem) == (400, "malformed")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nope",
        {"pool": "online"},
        {"skus": ["A"]},
        {"pool": "online", "skus": []},
        {"pool": "online", "skus": [7]},
        {"pool": "online", "skus": ["A"], "colour": "noir"},
        b'{"pool":"online","pool":"vip","skus":["A"]}',
        b"[" * 100_000,
    ],
    ids=lambda body: repr(body)[:40],
)
async def test_a_query_that_cannot_be_read_is_refused(door: Door, body: Any) -> None:
    reply = await door.post("/v1/availability/query", body)

    assert (reply.status, reply.problem) == (400, "malformed")


async def test_a_query_for_too_many_skus_says_so(door: Door) -> None:
    reply = await door.post("/v1/availability/query", {"pool": "online", "skus": ["A"] * 1_001})

    assert (reply.status, reply.problem) == (422, "too_many")


async def test_a_private_pool_looks_like_one_that_does_not_exist(door: Door) -> None:
    other = door.token(pools=["store"])
    for token in (None, other):
        for ask in (
            lambda pool, token=token: door.get("/v1/availability", token=token, pool=pool, sku="A"),
            lambda pool, token=token: door.post("/v1/availability/query", {"pool": pool, "skus": ["A"]}, token=token),
        ):
            private, unknown = await ask("vip"), await ask("none")
            assert (private.status, private.problem) == (404, "not_found")
            assert private.body.replace(b"vip", b"?") == unknown.body.replace(b"none", b"?")
            assert _comparable(private) == _comparable(unknown)


async def test_a_bad_token_is_refused_even_where_none_is_needed(door: Door) -> None:
    reply = await door.get("/v1/availability", token="nonsense", pool="online", sku="A")

    assert (reply.status, reply.problem) == (401, "unauthenticated")


async def test_what_a_private_pool_shows_is_kept_by_nobody(door: Door) -> None:
    reply = await door.get("/v1/availability", token=door.till, pool="vip", sku="A")

    assert reply.status == 200
    assert reply.headers["Cache-Control"] == "private, no-store"
    assert "ETag" not in reply.headers


async def test_a_public_answer_may_be_kept_for_a_moment_and_asked_about_by_its_tag(door: Door) -> None:
    await door.send(door.receipt(line("TAGGED", 1)))
    asked: dict[str, Any] = {"pool": "online", "sku": ["TAGGED", "NEVER"]}

    first = await door.get("/v1/availability", **asked)
    tag = first.headers["ETag"]
    same = await door.get("/v1/availability", headers={"If-None-Match": tag}, **asked)
    among = await door.get("/v1/availability", headers={"If-None-Match": f'"x", {tag}'}, **asked)
    any_tag = await door.get("/v1/availability", headers={"If-None-Match": "*"}, **asked)
    await door.send(door.sale(line("TAGGED", 1)))
    other = await door.get("/v1/availability", headers={"If-None-Match": tag}, **asked)

    assert first.headers["Cache-Control"] == "public, max-age=1, stale-while-revalidate=5"
    assert [(reply.status, reply.body) for reply in (same, among)] == [(304, b"")] * 2
    assert same.headers["ETag"] == tag
    assert same.headers["Cache-Control"] == first.headers["Cache-Control"]
    assert any_tag.status in (200, 304)
    assert other.status == 200
    assert other.headers["ETag"] != tag


async def test_a_kept_answer_is_kept_apart_for_each_origin(door: Door) -> None:
    reply = await door.get("/v1/availability", pool="online", sku="A")

    assert "Origin" in reply.headers.get("Vary", "")


async def test_a_change_that_a_pool_does_not_show_leaves_its_answer_as_it_was(door: Door) -> None:
    await door.send(door.receipt(line("QUIET", 20)))
    before = await door.get("/v1/availability", pool="online", sku="QUIET")

    # 19 are shown as 10 as well; a fence is filled from what is beyond.
    await door.send(door.sale(line("QUIET", 1)))
    await door.send(door.event("ring_fence", line("QUIET", 5), pool="vip"))
    await door.send(door.sale(line("QUIET", 1), pool="vip"))

    after = await door.get("/v1/availability", pool="online", sku="QUIET")
    assert after.body == before.body
    assert after.headers["ETag"] == before.headers["ETag"]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"sku": "A", "location": "LON-KNB"},
        {"sku": ""},
        {"location": "LON-KNB", "limit": "0"},
        {"location": "LON-KNB", "limit": "1001"},
        {"location": "LON-KNB", "limit": "-1"},
        {"location": "LON-KNB", "limit": "many"},
        {"location": "LON-KNB", "limit": ""},
        {"location": "LON-KNB", "cursor": "nonsense"},
        {"location": "LON-KNB", "cursor": ""},
        {"location": "LON-KNB", "cursor": "W10="},
        # [-1,"",""] and [2^70,"",""]: no scan of Redis is there.
        {"location": "LON-KNB", "cursor": "Wy0xLCIiLCIiXQ=="},
        {"location": "LON-KNB", "cursor": "WzExODA1OTE2MjA3MTc0MTEzMDM0MjQsIiIsIiJd"},
        {"location": "LON-KNB", "cursor": "WzE4NDQ2NzQ0MDczNzA5NTUxNjE2LCIiLCIiXQ=="},
    ],
    ids=repr,
)
async def test_a_question_for_positions_that_cannot_be_read_is_refused(door: Door, params: dict[str, Any]) -> None:
    reply = await door.get("/v1/positions", token=door.till, **params)

    assert (reply.status, reply.problem) == (400, "malformed")


async def test_positions_of_places_that_may_not_be_seen_are_left_out(door: Door) -> None:
    await door.send(door.receipt(line("HIDDEN", 1)))
    await door.send(door.receipt(line("HIDDEN", 2), location="DC-LYON"))
    narrow = door.token(("positions:read",), locations=["DC-LYON"])

    of_sku = await door.get("/v1/positions", token=narrow, sku="HIDDEN")
    of_place = await door.get("/v1/positions", token=narrow, location="LON-KNB")
    of_nowhere = await door.get("/v1/positions", token=narrow, location="NOWHERE")

    assert [item["location"] for item in of_sku.json()["items"]] == ["DC-LYON"]
    assert of_place.json() == of_nowhere.json()
    assert (of_place.json()["items"], of_place.json()["next"]) == ([], None)


async def test_reading_changes_nothing(door: Door, store: Redis) -> None:
    await door.send(door.receipt(line("READ", 1)))
    before = await everything(store)

    await door.shown("online", "READ", "NEVER")
    await door.positions(location="LON-KNB")
    await door.positions(sku="NEVER")

    assert await everything(store) == before


async def stock_a_warehouse(door: Door, count: int) -> set[str]:
    """Receive so many SKUs in Lyon, each once."""
    skus = [f"LYON-{n:04}" for n in range(count)]
    for start in range(0, count, 500):
        lines = [line(sku, 1) for sku in skus[start : start + 500]]
        events = [door.receipt(*lines[at : at + 50], location="DC-LYON") for at in range(0, len(lines), 50)]
        assert (await door.send(events)).status == 200
    return set(skus)


async def pages(door: Door, location: str, limit: int) -> tuple[list[str], list[dict[str, Any]]]:
    told: list[str] = []
    answers = []
    params: dict[str, Any] = {"location": location, "limit": limit}
    while True:
        reply = await door.get("/v1/positions", token=door.till, **params)
        assert reply.status == 200, reply.body
        answer = reply.json()
        assert len(answer["items"]) <= limit
        told += [item["sku"] for item in answer["items"]]
        answers.append(answer)
        if answer["next"] is None:
            return told, answers
        params["cursor"] = answer["next"]


@pytest.fixture(scope="module")
async def warehouse(door: Door) -> set[str]:
    return await stock_a_warehouse(door, 2_500)


@pytest.mark.parametrize("limit", [7, 400, 1_000])
async def test_a_whole_location_is_read_page_by_page(door: Door, warehouse: set[str], limit: int) -> None:
    told, answers = await pages(door, "DC-LYON", limit)

    assert warehouse <= set(told)
    assert len(told) == len(set(told))
    assert len({answer["feed_cursor"] for answer in answers}) == 1


async def test_a_location_that_changes_while_it_is_read_is_still_told_whole(door: Door, warehouse: set[str]) -> None:
    reading = asyncio.create_task(pages(door, "DC-LYON", 20))
    number = 0
    while not reading.done():
        number += 1
        more = [line(f"NEW-{number}-{n}", 1) for n in range(20)]
        reply = await door.send(door.receipt(*more, line("LYON-0007", 1), location="DC-LYON"))
        assert reply.status in (200, 202)

    told, _ = await reading
    assert warehouse <= set(told)
    assert number > 10


async def test_the_feed_cursor_is_the_place_before_the_first_page(door: Door, warehouse: set[str]) -> None:
    seq = (await door.send(door.receipt(line("LATEST", 1)))).json()["seq"]

    _, answers = await pages(door, "DC-LYON", 1_000)
    one = await door.get("/v1/positions", token=door.till, sku="LATEST")

    assert {answer["feed_cursor"] for answer in answers} == {seq} == {one.json()["feed_cursor"]}


async def test_any_tag_matches_a_get_and_a_query_by_post_is_always_answered_whole(door: Door) -> None:
    get = await door.get("/v1/availability", headers={"If-None-Match": "*"}, pool="online", sku="A")
    body = {"pool": "online", "skus": ["A"]}
    posts = [
        await door.post("/v1/availability/query", body, headers={"If-None-Match": condition})
        for condition in ("*", get.headers["ETag"])
    ]

    assert (get.status, get.body) == (304, b"")
    assert [post.status for post in posts] == [200, 200]
    assert [[item["sku"] for item in post.json()["items"]] for post in posts] == [["A"], ["A"]]
    # It was the tag of just this answer.
    assert {post.headers["ETag"] for post in posts} == {get.headers["ETag"]}


@pytest.mark.parametrize(("limit", "sizes"), [(1, [1, 1, 1]), (2, [2, 1]), (3, [3])])
async def test_the_positions_of_a_sku_are_read_page_by_page(door: Door, limit: int, sizes: list[int]) -> None:
    places = ["DC-LYON", "DXB-MALL", "LON-KNB"]
    for place in places:
        await door.send(door.receipt(line("PAGED", 1), location=place))

    answers: list[dict[str, Any]] = []
    while not answers or (answers[-1]["next"] and len(answers) < len(places)):
        cursor = {"cursor": answers[-1]["next"]} if answers else {}
        reply = await door.get("/v1/positions", token=door.till, sku="PAGED", limit=limit, **cursor)
        assert reply.status == 200, reply.body
        answers.append(reply.json())

    assert [len(answer["items"]) for answer in answers] == sizes
    assert [item["location"] for answer in answers for item in answer["items"]] == places
    assert answers[-1]["next"] is None
    assert len({answer["feed_cursor"] for answer in answers}) == 1


def _comparable(reply: Any) -> dict[str, str]:
    return {name: value for name, value in reply.headers.items() if name not in ("Date", "Content-Length")}
