"""What a vendor did not deliver is asked for, and booked once, whatever happens meanwhile."""

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from adapters.contract import Delivery
from hub.crashpoints import VARIABLE
from hub.domain.inbox import Backlog
from hub.domain.polling import OVERLAP_SECONDS
from hub.embedded.servers import EmbeddedServers
from hub.webhooks import polling
from tests.adapters import signing
from tests.commands.test_commands import run_apart
from tests.flow.process import HubProcess
from tests.intake.door import Reply
from tests.webhooks.town import Town, open_town, write_town
from tests.webhooks.vendors import (
    PLACE,
    Asked,
    Vendor,
    bigcommerce,
    bigcommerce_order,
    now,
    open_vendor,
    shopify,
    square,
    till_order,
    woocommerce,
    zettle,
)

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]
SECRET = "secret-of-the-shop"
SOURCE = """
[[source]]
id = "shop"
adapter = "{adapter}"
secret_file = "vendor.secret"
token_file = "vendor.token"
api_url = "{url}"
pool = "store"
locations = {{ "{place}" = "LON-KNB", "*" = "LON-KNB" }}
reconcile_seconds = 86400
levels = "ignore"
{more}

[limits]
ledger_wait_ms = 10000
webhook_wait_ms = 10000
"""
MISSED = 'hub_source_missed_events_total{source="shop"}'
RECONCILED = 'hub_source_reconciled_seconds{source="shop"}'
PATH = "/v1/webhooks/shop/reconcile"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(polling, "PAGE_SECONDS", 0.0)


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    async with open_vendor(shopify) as opened:
        yield opened


def sources(url: str, adapter: str = "shopify", place: str = PLACE, more: str = "") -> str:
    text = SOURCE.format(adapter=adapter, url=url, place=place, more=more)
    return text.replace("{", "{{").replace("}", "}}")


def prepare(folder: Path, secret: str = SECRET) -> None:
    (folder / "vendor.secret").write_text(secret)
    (folder / "vendor.token").write_text("token-of-the-shop")


@pytest.fixture
async def town(redis_url: str, postgres_dsn: str, tmp_path: Path, vendor: Vendor, until: Until) -> AsyncIterator[Town]:
    """A hub that has asked once, and found nothing."""
    prepare(tmp_path)
    async with open_town(tmp_path, redis_url, postgres_dsn, sources=sources(vendor.url)) as opened:
        await walked(opened, until)
        yield opened


async def walked(town: Town, until: Until) -> None:
    """Until the first walk has come to its end."""

    async def is_over() -> bool:
        return any("done_at" in each for each in (await streams(town))["streams"])

    await until(is_over)


async def streams(town: Town) -> dict[str, Any]:
    reply = await town.get(PATH, token=town.token(["admin"]))
    assert reply.status == 200, reply.body
    told: dict[str, Any] = reply.json()
    return told


async def asked_again(town: Town, until: Until, **params: str) -> dict[str, Any]:
    """Have it asked, and wait until that is done; what is told of the orders then."""
    before = (await streams(town))["streams"][0].get("done_at")
    reply = await town.post(PATH, None, token=town.token(["admin"]), **params)
    assert reply.status == 200, reply.body

    async def is_done() -> bool:
        [state] = (await streams(town))["streams"]
        return state.get("done_at") != before and not state.get("is_under_way", False)

    await until(is_done)
    state: dict[str, Any] = (await streams(town))["streams"][0]
    return state


async def booked(town: Town, until: Until, sku: str, free: int) -> None:
    async def is_booked() -> bool:
        rows = await town.rows("SELECT count(*) AS open FROM hub.inbox WHERE state = 'kept'")
        return await town.free(sku) == free and rows[0]["open"] == 0

    await until(is_booked)


async def delivered(town: Town, order: dict[str, Any]) -> Reply:
    """The vendor's own delivery of an order."""
    body = msgspec.json.encode(order)
    headers = {"x-shopify-topic": "orders/create", "x-shopify-webhook-id": f"delivery-of-{order['id']}"}
    signed = signing.shopify(Delivery(body=body, headers=headers), SECRET)
    return await town.post("/v1/webhooks/shop", body, headers=dict(signed.headers))


async def test_a_delivery_that_never_came_is_found_and_booked_once(town: Town, vendor: Vendor, until: Until) -> None:
    vendor.orders = [till_order(1, units=2)]

    state = await asked_again(town, until)
    await booked(town, until, "BAG-NOIR", -2)
    again = await asked_again(town, until)

    assert (state["found"], again["found"]) == (1, 0)
    [row] = await town.rows()
    assert (row["state"], row["method"], row["topic"]) == ("booked", "POLL", "orders/updated")
    assert await town.free("BAG-NOIR") == -2
    assert await town.metric(MISSED) == 1
    assert await town.metric(RECONCILED) > 0
    first = vendor.asked[0]
    assert (first.path, first.headers["x-shopify-access-token"]) == ("/orders.json", "token-of-the-shop")
    assert (first.query["status"], first.query["order"]) == ("any", "updated_at asc")


async def test_a_delivery_that_came_is_not_booked_twice(town: Town, vendor: Vendor, until: Until) -> None:
    vendor.orders = [till_order(1)]
    assert (await delivered(town, vendor.orders[0])).json()["status"] == "applied"

    await asked_again(town, until)

    await booked(town, until, "BAG-NOIR", -1)
    rows = {row["method"]: (row["state"], row["why"]) for row in await town.rows()}
    assert rows == {"POST": ("booked", ""), "POLL": ("ignored", "all of it was booked before")}
    assert await town.metric(MISSED) == 0


async def test_what_was_asked_for_first_is_not_booked_again_when_it_is_delivered(
    town: Town, vendor: Vendor, until: Until
) -> None:
    vendor.orders = [till_order(1)]
    await asked_again(town, until)
    await booked(town, until, "BAG-NOIR", -1)

    late = await delivered(town, vendor.orders[0])

    assert [event["status"] for event in late.json()["events"]] == ["duplicate"]
    assert await town.free("BAG-NOIR") == -1


async def test_every_page_is_asked_for_and_kept(town: Town, vendor: Vendor, until: Until) -> None:
    vendor.orders = [till_order(number) for number in range(1, 8)]
    vendor.asked.clear()

    state = await asked_again(town, until)

    await booked(town, until, "BAG-NOIR", -7)
    assert state["found"] == 7
    assert ["page_info" in each.query for each in vendor.asked] == [False, True, True, True]


async def test_the_first_walk_begins_now_and_each_begins_before_the_last_one_began(
    town: Town, vendor: Vendor, until: Until
) -> None:
    began = datetime.now(UTC)
    await asked_again(town, until)
    # The index had it not, though it happened before the last walk.
    vendor.orders = [till_order(1, updated=now(-OVERLAP_SECONDS / 2)), till_order(2, updated=now(-OVERLAP_SECONDS * 2))]
    await asked_again(town, until)
    await booked(town, until, "BAG-NOIR", -1)

    since = [datetime.fromisoformat(each.query["updated_at_min"]) for each in vendor.asked]
    assert since == sorted(since)
    assert all(-5 < (each - began).total_seconds() + OVERLAP_SECONDS < 60 for each in since[1:])


async def test_who_asks_for_patience_is_asked_no_sooner_and_where_it_was(
    town: Town, vendor: Vendor, until: Until
) -> None:
    vendor.orders = [till_order(number) for number in range(1, 6)]
    vendor.asked.clear()
    first = "until the first page is there"

    def busy_on_the_second_page(_: Vendor, asked: Asked) -> web.Response:
        if "page_info" in asked.query and first not in told:
            told.append(first)
            return web.Response(status=429, headers={"Retry-After": "2"})
        return shopify(vendor, asked)

    told: list[str] = []
    vendor._answer = busy_on_the_second_page
    await asked_again(town, until)

    await booked(town, until, "BAG-NOIR", -5)
    assert ["page_info" in each.query for each in vendor.asked] == [False, True, True, True]
    _, refused, again, _ = vendor.asked
    assert again.at - refused.at >= 1.9


async def test_who_asks_for_patience_is_asked_nothing_else_meanwhile(
    redis_url: str, postgres_dsn: str, tmp_path: Path, vendor: Vendor, until: Until
) -> None:
    prepare(tmp_path)
    vendor.faults = [web.Response(status=429, headers={"Retry-After": "2"})]
    said = sources(vendor.url).replace('levels = "ignore"', 'levels = "drift"')
    async with open_town(tmp_path, redis_url, postgres_dsn, sources=said) as town:

        async def are_both_asked() -> bool:
            return len([each for each in (await streams(town))["streams"] if "done_at" in each]) == 2

        await until(are_both_asked)

    refused, orders, levels = vendor.asked
    assert (orders.path, levels.path) == ("/orders.json", "/inventory_levels.json")
    assert orders.at - refused.at >= 1.9


async def test_a_server_that_stops_in_the_middle_of_a_page_is_asked_again(
    town: Town, vendor: Vendor, until: Until
) -> None:
    vendor.orders = [till_order(1)]
    vendor.faults = ["torn"]

    await asked_again(town, until)

    await booked(town, until, "BAG-NOIR", -1)
    assert len(await town.rows()) == 1


async def test_what_cannot_be_asked_is_said_and_the_walk_begins_anew(
    town: Town, vendor: Vendor, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "wait_seconds", lambda attempts: 0.0)
    vendor.orders = [till_order(number) for number in range(1, 4)]
    problems: list[str] = []

    def expired(_: Vendor, asked: Asked) -> web.Response:
        if "page_info" in asked.query and len(problems) < 3:
            problems.append(asked.path)
            return web.Response(status=400)
        return shopify(vendor, asked)

    vendor._answer = expired
    vendor.asked.clear()
    state = await asked_again(town, until)

    await booked(town, until, "BAG-NOIR", -3)
    assert "problem" not in state
    assert ["page_info" in each.query for each in vendor.asked] == [False, True, True, True, False, True]


async def test_while_much_of_a_source_waits_nothing_more_is_asked(town: Town, vendor: Vendor, until: Until) -> None:
    taking = town.hub._stores.webhooks.taking
    asking = town.hub._stores.webhooks.polling
    taking.backlogs = {"shop": Backlog(kept=polling.WAITING_POLLED_MAX)}

    assert asking._is_full("shop")
    taking.backlogs = {"shop": Backlog(kept=polling.WAITING_POLLED_MAX - 1)}
    assert not asking._is_full("shop")


@pytest.mark.parametrize("point", ["page fetched", "page kept"])
async def test_a_hub_that_dies_between_a_page_and_the_next_is_gone_on_for_by_another(
    redis_url: str,
    postgres_dsn: str,
    tmp_path: Path,
    until: Until,
    servers: EmbeddedServers,
    vendor: Vendor,
    point: str,
) -> None:
    prepare(tmp_path)
    plan = tmp_path / "plan.json"
    # Behind the second page of three.
    steps = [{"point": point, "action": "kill", "passing": 2}]
    plan.write_text(json.dumps({"journal": str(tmp_path / "fired"), "steps": steps}))
    vendor.orders = [till_order(number) for number in range(1, 6)]
    dying = HubProcess(tmp_path)
    write_town(tmp_path, redis_url, postgres_dsn, sources=sources(vendor.url))
    environ = {**os.environ, "HUB_REDIS_URL": redis_url, "HUB_LEDGER_DSN": postgres_dsn, VARIABLE: str(plan)}
    await dying.spawn(env=environ)
    await dying.ended(60)
    vendor.asked.clear()

    async with open_town(tmp_path, redis_url, postgres_dsn, sources=sources(vendor.url)) as living:
        await walked(living, until)
        await booked(living, until, "BAG-NOIR", -5)
        rows = await living.rows("SELECT delivery FROM hub.inbox")
        sold = await living.rows("SELECT id FROM hub.event WHERE source = 'shop'")

    # It went on behind the page that was safe: behind the first one, or the second.
    assert len([each for each in vendor.asked if "page_info" not in each.query]) == 0
    assert len(vendor.asked) == (2 if point == "page fetched" else 1)
    assert (len(rows), len(sold)) == (5, 5)


async def test_of_two_hubs_one_asks_and_the_other_when_that_one_ends(
    redis_url: str, postgres_dsn: str, tmp_path: Path, until: Until, vendor: Vendor
) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        prepare(folder)
    said = sources(vendor.url)
    async with open_town(folders[1], redis_url, postgres_dsn, sources=said) as two:
        async with open_town(folders[0], redis_url, postgres_dsn, sources=said) as one:
            await walked(one, until)
            for number in range(1, 4):
                vendor.orders.append(till_order(number))
                await asked_again((one, two)[number % 2], until)
            assert vendor.walks() == 4
            holders = [town.hub._stores.webhooks.polling._held for town in (one, two)]
            assert sorted(map(len, holders)) == [0, 1]
        vendor.orders.append(till_order(4))
        await asked_again(two, until)

        await booked(two, until, "BAG-NOIR", -4)
        assert vendor.walks() == 5
        assert two.hub._stores.webhooks.polling._held == {"shop"}


async def test_it_is_asked_by_command_from_a_time_on(town: Town, vendor: Vendor, until: Until) -> None:
    vendor.orders = [till_order(1, updated="2026-01-05T10:00:00+00:00")]
    since = ("--since", "2026-01-01T00:00:00Z")
    options = ("shop", "--config", "hub.toml", "--url", town.url)

    told = await run_apart("webhooks", "reconcile", *since, *options, cwd=town.folder)
    wrong = await run_apart("webhooks", "reconcile", "--since", "yesterday", *options, cwd=town.folder)
    nobody = await run_apart(
        "webhooks", "reconcile", "nobody", "--config", "hub.toml", "--url", town.url, cwd=town.folder
    )
    vendor.faults = [web.Response(status=403)]
    refused = await run_apart("webhooks", "reconcile", *options, cwd=town.folder)

    head, row = told.out.splitlines()
    assert (told.code, head.split()[0], row.split()[0], row.split()[-2:]) == (0, "stream", "orders", ["1", "-"]), told
    assert vendor.asked[1].query["updated_at_min"] == "2026-01-01T00:00:00Z"
    await booked(town, until, "BAG-NOIR", -1)
    assert (wrong.code, "--since is a time" in wrong.err) == (2, True)
    assert "404" in nobody.sentence
    assert (refused.code, "GET /orders.json answers 403" in refused.out) == (1, True), refused


async def test_a_time_that_is_still_to_come_passes_nothing_over(town: Town, vendor: Vendor, until: Until) -> None:
    vendor.orders = [till_order(1)]

    await asked_again(town, until, since="2999-01-01T00:00:00Z")

    await booked(town, until, "BAG-NOIR", -1)


async def test_a_file_that_says_a_shorter_time_is_heeded_at_once(town: Town, vendor: Vendor, until: Until) -> None:
    vendor.orders = [till_order(1)]
    said = sources(vendor.url).replace("reconcile_seconds = 86400", "reconcile_seconds = 1")
    town.write(sources=said)
    await town.reload()

    await booked(town, until, "BAG-NOIR", -1)


async def test_only_an_administrator_has_it_asked_and_only_where_it_can_be(town: Town) -> None:
    stranger = await town.post(PATH, None, token=town.token(["events:write"]))
    nobody = await town.post("/v1/webhooks/plain/reconcile", None, token=town.token(["admin"]))
    early = await town.post(PATH, None, token=town.token(["admin"]), since="1970-01-01T00:00:00Z")

    assert (stranger.status, nobody.status, early.status) == (403, 404, 400)


async def test_who_delivers_nothing_is_asked_by_itself_and_needs_no_secret(
    redis_url: str, postgres_dsn: str, tmp_path: Path, vendor: Vendor, until: Until
) -> None:
    prepare(tmp_path)
    said = sources(vendor.url, more="poll_seconds = 1").replace('secret_file = "vendor.secret"\n', "")
    async with open_town(tmp_path, redis_url, postgres_dsn, sources=said) as town:
        await walked(town, until)
        vendor.orders = [till_order(1)]

        await booked(town, until, "BAG-NOIR", -1)

        assert (await delivered(town, till_order(2))).status == 401


def _square(vendor: Vendor, number: int) -> None:
    line = {"uid": "l", "quantity": "1", "catalog_object_id": f"V{number}", "item_type": "ITEM"}
    vendor.orders.append(
        {"id": f"o{number}", "state": "COMPLETED", "location_id": PLACE, "updated_at": now(), "line_items": [line]}
    )


def _woocommerce(vendor: Vendor, number: int) -> None:
    line = {"id": number, "product_id": 1, "quantity": 1, "sku": "BAG-NOIR"}
    times = {f"date_{what}_gmt": now()[:19] for what in ("created", "modified")}
    vendor.orders.append({"id": number, "status": "processing", **times, "line_items": [line]})


def _zettle(vendor: Vendor, number: int) -> None:
    line = {"quantity": "1", "sku": "BAG-NOIR", "fromLocationUuid": PLACE}
    vendor.orders.append({"purchaseUUID1": f"p{number}", "timestamp": now(), "products": [line]})


VENDORS: dict[str, tuple[Any, Callable[[Vendor, int], None]]] = {
    "square": (square, _square),
    "woocommerce": (woocommerce, _woocommerce),
    "bigcommerce": (bigcommerce, lambda vendor, number: vendor.orders.append(bigcommerce_order(number, "BAG-NOIR"))),
    "zettle": (zettle, _zettle),
}


@pytest.mark.parametrize("name", list(VENDORS))
async def test_every_vendor_is_asked_page_by_page_and_what_it_says_is_booked_once(
    redis_url: str, postgres_dsn: str, tmp_path: Path, until: Until, name: str
) -> None:
    prepare(tmp_path)
    answer, sell = VENDORS[name]
    async with open_vendor(answer) as vendor:
        said = sources(vendor.url, name, more='url = "https://hub.example/x"')
        async with open_town(tmp_path, redis_url, postgres_dsn, sources=said) as town:
            if name == "square":
                names = [{"sku": "BAG-NOIR", "aliases": [f"shop:variation:V{number}" for number in range(1, 6)]}]
                token = town.token(["admin"])
                reply = await town.ask("PUT", "/v1/skus", body=names, token=token)
                assert reply.status == 200, reply.body
            await walked(town, until)
            for number in range(1, 6):
                sell(vendor, number)

            states = [await asked_again(town, until) for _ in range(2)]

            async def is_told() -> bool:
                rows = await town.rows("SELECT id FROM hub.event WHERE source = 'shop' AND type <> 'order.changed'")
                open_ones = await town.rows("SELECT state FROM hub.inbox WHERE state <> 'booked'")
                return (len(rows), len(open_ones)) == (5, 0)

            await until(is_told)
            assert [state["found"] for state in states] == [5, 0]
            assert await town.metric(MISSED) == 5


async def test_what_was_thrown_away_in_a_shop_is_found_in_its_trash(
    redis_url: str, postgres_dsn: str, tmp_path: Path, until: Until
) -> None:
    prepare(tmp_path)
    async with (
        open_vendor(woocommerce) as vendor,
        open_town(tmp_path, redis_url, postgres_dsn, sources=sources(vendor.url, "woocommerce")) as town,
    ):
        await walked(town, until)
        _woocommerce(vendor, 1)
        await asked_again(town, until)
        vendor.orders[0] |= {"status": "trash", "date_modified_gmt": now(1)[:19]}

        await asked_again(town, until)

        async def is_cancelled() -> bool:
            rows = await town.rows("SELECT type FROM hub.event WHERE source = 'shop'")
            return "order.cancelled" in [row["type"] for row in rows]

        await until(is_cancelled)
