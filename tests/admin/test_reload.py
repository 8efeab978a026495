"""`POST /v1/reload` at a running hub: whole or not at all, while sales go on, and every screen hears of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs
from websockets.exceptions import ConnectionClosed

from hub.assembly import running
from hub.credentials import new_opaque_key
from hub.faults import SettingsInvalid
from hub.settings import read
from tests.flow.own_servers import stopped
from tests.flow.screen import screen
from tests.intake.door import HOUSE, Door, Reply, line, settings_in

# What the house of the tests says, and what the changed one says.
CAPPED = HOUSE.replace("cap = 10", "cap = 3")


@pytest.fixture
async def door(redis_url: str, postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Door]:
    settings = settings_in(tmp_path, redis_url=redis_url, dsn=postgres_dsn)
    environ = {"HUB_REDIS_URL": redis_url, "HUB_LEDGER_DSN": postgres_dsn}
    reread = partial(read, tmp_path / "hub.toml", environ)
    async with running(settings, reread=reread) as hub, aiohttp.ClientSession() as session:
        opened = Door(hub, settings, session)
        await opened.send(opened.receipt(line("BAG-NOIR", 8)))
        yield opened


def write(door: Door, folder: Path, house: str, extra: str = "") -> str:
    """Change the hub's file; returns its text."""
    with suppress(SettingsInvalid):
        settings_in(folder, house=house, extra=extra)
    return (folder / "hub.toml").read_text()


async def reload(door: Door, scope: tuple[str, ...] = ("admin",), body: bytes | None = None, **params: Any) -> Reply:
    return await door.post(door.admin + "/v1/reload", body, token=door.token(scope), **params)


async def test_a_changed_file_is_taken_and_every_screen_hears_of_it(door: Door, tmp_path: Path) -> None:
    async with screen(door.live) as shop:
        [item] = await shop.subscribe("online", "BAG-NOIR")
        assert item["available"] == 8
        write(door, tmp_path, CAPPED)

        told = (await reload(door)).json()

        assert (told["changed"], told["rules_version"], told["problems"], told["needs_restart"]) == (True, 2, [], [])
        [now] = await door.shown("online", "BAG-NOIR")
        heard = await shop.sees("BAG-NOIR")
    assert (now["available"], now["capped"]) == (heard["available"], heard["capped"]) == (3, True)
    assert now["rev"] == heard["rev"] > item["rev"]


async def test_the_same_file_again_changes_nothing_and_is_logged_once(door: Door) -> None:
    with capture_logs() as logged:
        told = (await reload(door)).json()

    assert [each["changed"] for each in logged if each["event"] == "reloaded"] == [False]
    assert (told["changed"], told["rules_version"]) == (False, 1)


async def test_a_file_with_a_mistake_is_refused_whole_and_every_mistake_told(door: Door, tmp_path: Path) -> None:
    write(door, tmp_path, CAPPED.replace('"DC-LYON"]', '"DC-LYOM"]'))

    told = (await reload(door)).json()

    assert (told["changed"], told["rules_version"]) == (False, 1)
    assert len(told["problems"]) == 2
    assert all("DC-LYOM" in problem and "hub.toml:" in problem for problem in told["problems"])
    [item] = await door.shown("online", "BAG-NOIR")
    assert item["available"] == 8


@pytest.mark.parametrize("text", ["[hub", ""])
async def test_a_file_that_is_none_is_refused(door: Door, tmp_path: Path, text: str) -> None:
    (tmp_path / "hub.toml").write_text(text)
    if not text:
        (tmp_path / "hub.toml").unlink()

    told = (await reload(door)).json()

    assert (told["changed"], len(told["problems"])) == (False, 1)


async def test_what_needs_a_restart_is_named_and_the_rest_is_taken(door: Door, tmp_path: Path) -> None:
    write(door, tmp_path, CAPPED, extra="[limits]\nstop_seconds = 3.0\n")

    told = (await reload(door)).json()

    assert (told["changed"], told["needs_restart"]) == (True, ["limits.stop_seconds"])


async def test_a_dry_run_says_which_skus_would_change_and_changes_nothing(door: Door, tmp_path: Path) -> None:
    await door.send(door.receipt(line("BAG-ROUGE", 2)))
    text = write(door, tmp_path, CAPPED)

    own = (await reload(door, dry_run="true")).json()
    sent = (await reload(door, body=text.encode(), dry_run="true")).json()

    assert own == sent
    assert (own["changed"], own["rules_version"], own["skus_total"], own["truncated"]) == (True, 1, 1, False)
    assert own["skus"] == [
        {
            "sku": "BAG-NOIR",
            "pool": "online",
            "from": {"available": 8, "status": "in_stock"},
            "to": {"available": 3, "status": "in_stock"},
        }
    ]
    [item] = await door.shown("online", "BAG-NOIR")
    assert item["available"] == 8


async def test_a_dry_run_tells_of_pools_that_come_and_go(door: Door, tmp_path: Path) -> None:
    text = write(door, tmp_path, HOUSE.replace('id = "gulf"', 'id = "asia"'))

    told = (await reload(door, body=text.encode(), dry_run="true")).json()

    found = {(each["pool"], each["from"] is None, each["to"] is None) for each in told["skus"]}
    assert found == {("asia", True, False), ("gulf", False, True)}
    assert {"available": None, "status": "in_stock"} in [each["to"] for each in told["skus"]]


async def test_more_differences_than_are_listed_are_counted(door: Door, tmp_path: Path) -> None:
    for start in range(0, 1_100, 550):
        events = [door.receipt(line(f"SKU-{number}", 8)) for number in range(start, start + 550)]
        assert (await door.send(events)).status == 200
    write(door, tmp_path, CAPPED)

    told = (await reload(door, dry_run="true")).json()

    assert (len(told["skus"]), told["skus_total"], told["truncated"]) == (1_000, 1_101, True)


@pytest.mark.parametrize(
    ("change", "status", "name"),
    [
        ({"scope": ("positions:read",)}, 403, "forbidden"),
        ({"dry_run": "perhaps"}, 400, "malformed"),
        ({"body": b"x = 1"}, 400, "malformed"),
        ({"body": b"\xff", "dry_run": "true"}, 400, "malformed"),
    ],
)
async def test_who_may_not_or_asks_wrongly_is_told(door: Door, change: dict[str, Any], status: int, name: str) -> None:
    reply = await reload(door, **change)

    assert (reply.status, reply.problem) == (status, name)


async def test_without_a_token_nobody_reloads(door: Door) -> None:
    reply = await door.post(door.admin + "/v1/reload", None)

    assert (reply.status, reply.problem, reply.headers["WWW-Authenticate"]) == (401, "unauthenticated", "Bearer")
    assert (await door.post("/v1/reload", None, token=door.token(("admin",)))).status == 404


async def test_sales_go_on_during_reloads_and_none_is_lost(door: Door, tmp_path: Path) -> None:
    done = asyncio.Event()

    async def sell(till: int) -> int:
        number = 0
        while not done.is_set():
            sale = door.sale(line("BAG-ROUGE", 1), id=f"till-{till}-{number}")
            answer = (await door.send(sale)).json()
            assert answer["status"] in ("applied", "accepted"), answer
            number += 1
        return number

    tills = [asyncio.create_task(sell(till)) for till in range(4)]
    for cap in range(8):
        write(door, tmp_path, HOUSE.replace("cap = 10", f"cap = {cap + 1}"))
        assert (await reload(door)).json()["changed"]
    done.set()
    sold = sum(await asyncio.gather(*tills))

    [position] = await door.positions(sku="BAG-ROUGE")
    assert position["deficit"] == sold > 0


async def test_watchers_of_a_pool_that_is_gone_or_hidden_are_told(door: Door, tmp_path: Path) -> None:
    hidden = HOUSE.replace('locations = ["LON-KNB", "DC-LYON"]\npublic = true', 'locations = ["LON-KNB", "DC-LYON"]')
    async with screen(door.live) as shop, screen(door.live, door.token()) as clerk:
        await shop.subscribe("online", "BAG-NOIR")
        await shop.subscribe("gulf", "BAG-NOIR")
        await clerk.subscribe("online", "BAG-NOIR")
        write(door, tmp_path, hidden)
        await reload(door)

        told = await shop.hear()
        await door.send(door.receipt(line("BAG-NOIR", 1), id="one-more"))

        assert (told["op"], told["code"]) == ("error", "unknown_pool")
        assert "online" in told["detail"]
        assert (await clerk.sees("BAG-NOIR"))["available"] == 9
    assert (await door.get("/v1/availability", pool="online", sku="BAG-NOIR")).status == 404


async def test_skus_of_the_changed_file_are_described_and_tried_before(door: Door, tmp_path: Path) -> None:
    bag = '{ id = "BAG-NOIR", aliases = ["3607340000001"] }'
    watch = bag.replace(" }", ', category = "watches" }')
    text = write(door, tmp_path, HOUSE.replace(bag, watch))

    tried = (await reload(door, body=text.encode(), dry_run="true")).json()
    before = await door.shown("online", "BAG-NOIR")
    told = (await reload(door)).json()
    after = await door.shown("online", "BAG-NOIR")

    assert (tried["changed"], tried["skus_total"], tried["skus"][0]["to"]["available"]) == (True, 1, 7)
    assert [told["changed"], (await reload(door)).json()["changed"]] == [True, False]
    assert [before[0]["available"], after[0]["available"]] == [8, 7]


async def test_a_file_whose_skus_take_names_of_others_is_refused_whole(door: Door, tmp_path: Path) -> None:
    await door.ask("PUT", "/v1/skus", body=[{"sku": "OLD", "aliases": ["o-1"]}], token=door.token(("admin",)))
    await door.send(door.receipt(line("BOOKED", 1)))
    taken = '{ id = "NEW", aliases = ["o-1", "BOOKED", "OLD", "fine"] },'
    write(door, tmp_path, CAPPED.replace("sku = [", f"sku = [\n    {taken}"))

    told = (await reload(door)).json()

    assert (told["changed"], told["rules_version"]) == (False, 1)
    assert [problem.split('"')[1] for problem in told["problems"]] == ["o-1", "BOOKED", "OLD"]
    [item] = await door.shown("online", "BAG-NOIR")
    assert item["available"] == 8


async def test_a_name_goes_from_one_sku_of_the_file_to_another(door: Door, tmp_path: Path) -> None:
    moved = HOUSE.replace('"3607340000002"', '"x"').replace('"3607340000001"', '"3607340000002"')
    write(door, tmp_path, moved)

    assert (await reload(door)).json()["changed"]

    items = (await door.get("/v1/skus", token=door.till, sku=["3607340000002", "x"])).json()["items"]
    assert [item["sku"] for item in items] == ["BAG-NOIR", "BAG-ROUGE"]


async def test_a_location_that_was_added_takes_what_was_parked_before(door: Door, tmp_path: Path) -> None:
    parked = door.receipt(line("BAG-NOIR", 5), location="ROM", id="early")
    assert (await door.send(parked)).json()["status"] == "parked"
    write(door, tmp_path, HOUSE.replace("location = [", 'location = [\n    { id = "ROM", kind = "store" },'))

    assert (await reload(door)).json()["changed"]
    # The reload has it replayed by itself, perhaps before the sender comes again.
    assert (await door.send(parked)).json()["status"] in ("applied", "accepted", "duplicate")


async def test_a_dry_run_knows_what_may_be_promised_of_what_is_expected(door: Door, tmp_path: Path) -> None:
    eta = "2099-12-01T08:00:00.000Z"
    expected = door.event("expected", line("BAG-ROUGE", 2), purchase_order="PO-1", eta=eta)
    assert (await door.send(expected)).status == 200
    write(door, tmp_path, HOUSE.replace("cap = 10", "cap = 10\npreorder_limit = 3"))

    told = (await reload(door, dry_run="true")).json()

    assert told["skus"] == [
        {
            "sku": "BAG-ROUGE",
            "pool": "online",
            "from": {"available": 0, "status": "out_of_stock"},
            "to": {"available": 0, "status": "preorder", "eta": eta},
        }
    ]


def key_table(hash: str, *pools: str) -> str:
    quoted = ", ".join(f'"{pool}"' for pool in pools)
    return f'[[key]]\nid = "page"\nsub = "page"\nhash = "{hash}"\nscope = ["positions:read"]\npools = [{quoted}]\n'


async def test_a_key_in_the_changed_file_opens_less_opens_nothing_and_ends_connections(
    door: Door, tmp_path: Path
) -> None:
    text, hash = new_opaque_key()
    write(door, tmp_path, HOUSE, extra=key_table(hash, "vip", "store"))
    told = (await reload(door, dry_run="true")).json()
    assert (told["changed"], told["needs_restart"]) == (True, [])
    assert (await door.get("/v1/availability", token=text, pool="vip", sku="BAG-NOIR")).status == 401
    told = (await reload(door)).json()
    assert (told["changed"], told["rules_version"], told["needs_restart"]) == (True, 1, [])

    async with screen(door.live, text) as page, asyncio.timeout(10):
        await page.subscribe("vip", "BAG-NOIR")
        await page.subscribe("store", "BAG-NOIR")
        await page.subscribe("online", "BAG-NOIR")
        write(door, tmp_path, HOUSE, extra=key_table(hash, "store"))
        assert (await reload(door)).json()["changed"]

        assert (await page.hear())["code"] == "unknown_pool"
        assert (await door.get("/v1/availability", token=text, pool="vip", sku="BAG-NOIR")).status == 404
        await door.send(door.sale(line("BAG-NOIR")))
        seen = await page.hear()
        assert [item["pool"] for item in seen["items"]] == ["online", "store"]

        write(door, tmp_path, HOUSE)
        assert (await reload(door)).json()["changed"]
        with pytest.raises(ConnectionClosed) as closed:
            await page.hear()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401
    assert (await door.get("/v1/availability", token=text, pool="online", sku="BAG-NOIR")).status == 401
    assert not (await reload(door)).json()["changed"]


async def test_keys_are_taken_also_while_redis_is_away(door: Door, tmp_path: Path, redis_url: str) -> None:
    text, hash = new_opaque_key()
    write(door, tmp_path, HOUSE, extra=key_table(hash))
    assert (await reload(door)).json()["changed"]
    write(door, tmp_path, CAPPED)
    async with Redis.from_url(redis_url) as client:
        pid = int((await client.info("server"))["process_id"])

    with stopped(pid):
        reply = await reload(door)
        refused = await door.get("/v1/availability", token=text, pool="online", sku="BAG-NOIR")

    assert (reply.status, reply.problem, refused.status) == (503, "unavailable", 401)
    assert reply.json()["detail"].startswith("the keys are taken, the house is not: ")


async def test_keys_are_taken_of_a_file_whose_skus_take_names_of_others(door: Door, tmp_path: Path) -> None:
    text, hash = new_opaque_key()
    write(door, tmp_path, HOUSE, extra=key_table(hash))
    assert (await reload(door)).json()["changed"]
    await door.send(door.receipt(line("BOOKED", 1)))
    write(door, tmp_path, CAPPED.replace("sku = [", 'sku = [\n    { id = "NEW", aliases = ["BOOKED"] },'))

    told = (await reload(door)).json()

    assert (told["changed"], told["rules_version"], len(told["problems"])) == (True, 1, 1)
    assert (await door.get("/v1/availability", token=text, pool="online", sku="BAG-NOIR")).status == 401
