"""`PUT /v1/skus` and `GET /v1/skus`: one for one, a bad one spoils only itself."""

from typing import Any

import pytest

from tests.intake.door import Door, Reply, line


@pytest.fixture
def admin(door: Door) -> str:
    return door.token(("admin",))


async def put(door: Door, token: str, body: Any, media: str = "application/json") -> Reply:
    return await door.ask("PUT", "/v1/skus", body=body, token=token, headers={"Content-Type": media})


async def test_a_described_sku_is_read_back_by_any_name(door: Door, admin: str) -> None:
    sku = {
        "sku": "HAT",
        "category": "hats",
        "brand": "Maison",
        "aliases": ["h-2", "h-1"],
        "attributes": {"colour": "noir"},
    }

    first, again = await put(door, admin, [sku]), await put(door, admin, [sku])
    [by_alias, unknown] = (await door.get("/v1/skus", token=door.till, sku=["h-1", "NEVER"])).json()["items"]

    assert (first.status, first.json(), again.json()) == (
        200,
        [{"sku": "HAT", "status": "applied"}],
        [{"sku": "HAT", "status": "unchanged"}],
    )
    assert by_alias == {**sku, "revision": 1, "aliases": ["h-1", "h-2"]}
    assert unknown == {
        "sku": "NEVER",
        "revision": 0,
        "category": None,
        "brand": None,
        "aliases": [],
        "attributes": {},
    }


async def test_an_alias_may_be_sold_by_as_soon_as_it_is_described(door: Door, admin: str) -> None:
    await put(door, admin, b'{"sku": "SCARF", "aliases": ["s-1"]}')

    answer = (await door.send(door.receipt(line("s-1", 4)))).json()

    assert answer["lines"] == [{"sku": "SCARF", "quantity": 4}]


async def test_rules_follow_a_new_category(door: Door, admin: str) -> None:
    await door.send(door.receipt(line("CLOCK", 3)))

    await put(door, admin, [{"sku": "CLOCK", "category": "watches"}])

    [item] = await door.shown("online", "CLOCK")
    assert item["available"] == 2


async def test_lines_and_csv_are_taken_too(door: Door, admin: str) -> None:
    lines = await put(door, admin, b'{"sku": "L-1"}\n\n{"sku": "L-2", "brand": ""}\n')
    table = await put(door, admin, b"sku,aliases,size\r\nC-1,c-1;c-2,M\r\n,,\r\nC-2\r\n", "text/csv")

    assert [each["status"] for each in lines.json()] == ["applied", "applied"]
    assert [(each["sku"], each["status"]) for each in table.json()] == [("C-1", "applied"), ("C-2", "applied")]
    [item] = (await door.get("/v1/skus", token=door.till, sku="c-2")).json()["items"]
    assert (item["sku"], item["attributes"]) == ("C-1", {"size": "M"})


async def test_a_bad_one_spoils_only_itself(door: Door, admin: str) -> None:
    body = (
        b'[{"sku": "GOOD"}, {"sku": "TYPO", "catgory": "x"}, {"category": "x"}, {"sku": ""}, 7,'
        b' {"sku": "TWICE", "sku": "TWICE"}, {"sku": "OTHER", "aliases": ["3607340000001"]},'
        b' {"sku": "LONG", "brand": "' + b"x" * 200 + b'"}]'
    )

    told = (await put(door, admin, body)).json()

    assert [(each["sku"], each["status"]) for each in told] == [
        ("GOOD", "applied"),
        ("TYPO", "refused"),
        (None, "refused"),
        ("", "refused"),
        (None, "refused"),
        ("TWICE", "refused"),
        ("OTHER", "refused"),
        ("LONG", "refused"),
    ]
    names = [each["problem"]["type"].rpartition(":")[2] for each in told[1:]]
    assert names == ["malformed"] * 5 + ["conflict", "malformed"]
    assert "BAG-NOIR" in told[6]["problem"]["detail"]


async def test_bad_rows_of_a_csv_are_told_with_their_line(door: Door, admin: str) -> None:
    told = (await put(door, admin, b"sku,brand\nOK,\n,x\nA,b,c\n", "text/csv")).json()

    assert [each["status"] for each in told] == ["applied", "refused", "refused"]
    assert ["line 3" in told[1]["problem"]["detail"], "line 4" in told[2]["problem"]["detail"]] == [True, True]


@pytest.mark.parametrize(
    ("body", "media", "status", "name"),
    [
        (b"", "application/json", 400, "malformed"),
        (b"[", "application/json", 400, "malformed"),
        (b"category\nx\n", "text/csv", 400, "malformed"),
        (b"sku\n\xff\n", "text/csv", 400, "malformed"),
        ([{"sku": f"S-{n}"} for n in range(1_001)], "application/json", 422, "too_many"),
        (b"sku\n" + b"".join(b"S-%d\n" % n for n in range(1_001)), "text/csv", 422, "too_many"),
        (b" " * (1024 * 1024 + 1), "application/json", 413, "too_large"),
    ],
)
async def test_what_cannot_be_taken_as_a_whole_is_told(
    door: Door, admin: str, body: Any, media: str, status: int, name: str
) -> None:
    reply = await put(door, admin, body, media)

    assert (reply.status, reply.problem) == (status, name)


async def test_only_an_admin_describes_and_only_a_reader_of_positions_reads(door: Door, admin: str) -> None:
    assert (await put(door, door.till, [{"sku": "X"}])).problem == "forbidden"
    assert (await door.get("/v1/skus", token=admin, sku="X")).problem == "forbidden"
    assert (await door.get("/v1/skus", sku="X")).problem == "unauthenticated"
    assert (await door.get("/v1/skus", token=door.till)).problem == "malformed"


async def test_aliases_go_round_whatever_the_order_of_the_items(door: Door, admin: str) -> None:
    def item(sku: str, *aliases: str) -> dict[str, Any]:
        return {"sku": sku, "aliases": aliases}

    await put(door, admin, [item("ROUND-A", "r-1"), item("ROUND-B", "r-2"), item("ROUND-C", "r-3")])

    moved = await put(door, admin, [item("ROUND-C", "r-2"), item("ROUND-B", "r-1"), item("ROUND-A")])

    assert [each["status"] for each in moved.json()] == ["applied"] * 3
    owners = (await door.get("/v1/skus", token=door.till, sku=["r-1", "r-2"])).json()["items"]
    assert [each["sku"] for each in owners] == ["ROUND-B", "ROUND-C"]


async def test_an_alias_that_is_taken_spoils_only_its_own_item(door: Door, admin: str) -> None:
    await put(door, admin, [{"sku": "OWNER", "aliases": ["taken"]}])

    told = await put(
        door, admin, [{"sku": "ONE", "aliases": ["one"]}, {"sku": "TWO", "aliases": ["taken"]}, {"sku": "THREE"}]
    )

    assert [each["status"] for each in told.json()] == ["applied", "refused", "applied"]
    assert told.json()[1]["problem"]["detail"] == 'Nothing changed: "taken" is a name of "OWNER" already.'
