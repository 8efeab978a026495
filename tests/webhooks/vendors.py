"""Vendors on loopback that answer as their documents say: pages, links, cursors, and what goes wrong with them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web
from msgspec import Struct

# Of every vendor; small, so that there are several pages.
PER_PAGE = 2
PLACE = "24826418"


class Asked(Struct):
    """One request."""

    path: str
    query: dict[str, str]
    body: dict[str, Any]
    headers: dict[str, str]
    at: float


class Vendor:
    """A vendor's API: what it has, what it was asked, and what it does wrong next."""

    def __init__(self, answer: Callable[["Vendor", Asked], web.Response]) -> None:
        self._answer = answer
        self.orders: list[dict[str, Any]] = []
        self.levels: list[dict[str, Any]] = []
        self.asked: list[Asked] = []
        # Each is done instead of one answer: a response, or half of what would be answered.
        self.faults: list[web.Response | str] = []
        self.url = ""

    def walks(self, path: str = "orders") -> int:
        """How often a first page was asked for."""
        return len([each for each in self.asked if path in each.path and "page_info" not in each.query])

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        asked = Asked(
            path=request.path.removeprefix("/api"),
            query=dict(parse_qsl(request.query_string)),
            body=msgspec.json.decode(body) if body else {},
            headers={name.lower(): value for name, value in request.headers.items()},
            at=monotonic(),
        )
        self.asked.append(asked)
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, web.Response):
            return fault
        answer = self._answer(self, asked)
        if fault is None:
            return answer
        assert isinstance(answer.body, bytes)
        torn = web.StreamResponse(headers={**answer.headers, "Content-Length": str(len(answer.body))})
        await torn.prepare(request)
        await torn.write(answer.body[: len(answer.body) // 2])
        assert request.transport is not None
        request.transport.close()
        return torn


@asynccontextmanager
async def open_vendor(answer: Callable[[Vendor, Asked], web.Response]) -> AsyncIterator[Vendor]:
    vendor = Vendor(answer)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", vendor.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    vendor.url = f"http://{host}:{port}/api"
    yield vendor
    await runner.cleanup()


def now(seconds: float = 0) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="seconds")


def till_order(number: int, sku: str = "BAG-NOIR", units: int = 1, *, updated: str = "", **more: Any) -> dict[str, Any]:
    """A sale at a till of Shopify."""
    line = {"id": number * 10, "sku": sku, "variant_id": 1, "product_id": 2, "quantity": units}
    times = {"created_at": now(-3_000), "updated_at": updated or now()}
    return {"id": number, **times, "source_name": "pos", "location_id": int(PLACE), "line_items": [line], **more}


def shopify(vendor: Vendor, asked: Asked) -> web.Response:
    """`orders.json` and `inventory_levels.json`: a page's link names the next, which takes no filter."""
    kind = "orders" if asked.path == "/orders.json" else "inventory_levels"
    assert asked.path in ("/orders.json", "/inventory_levels.json"), asked.path
    page_info = asked.query.get("page_info")
    if page_info is None:
        since = asked.query.get("updated_at_min", "1970-01-01T00:00:00Z")
        begins = 0
    else:
        assert set(asked.query) <= {"page_info", "limit", "fields"}, asked.query
        since, _, begins_text = page_info.partition("|")
        begins = int(begins_text)
    items = vendor.orders if kind == "orders" else vendor.levels
    changed = [each for each in items if _at(each["updated_at"]) >= _at(since)]
    changed.sort(key=lambda each: _at(each["updated_at"]))
    headers = {}
    if begins + PER_PAGE < len(changed):
        following = f"{vendor.url}{asked.path}?limit=50&page_info={since}%7C{begins + PER_PAGE}"
        headers["Link"] = f'<{following}>; rel="next"'
    return _json({kind: changed[begins : begins + PER_PAGE]}, headers)


def square(vendor: Vendor, asked: Asked) -> web.Response:
    """`orders/search`: a cursor goes with the query of the first page."""
    assert asked.path == "/orders/search", asked.path
    since = asked.body["query"]["filter"]["date_time_filter"]["updated_at"]["start_at"]
    assert asked.body["query"]["sort"] == {"sort_field": "UPDATED_AT", "sort_order": "ASC"}
    assert 1 <= len(asked.body["location_ids"]) <= 10
    begins = int(asked.body.get("cursor", "0"))
    changed = [each for each in vendor.orders if _at(each["updated_at"]) >= _at(since)]
    page: dict[str, Any] = {"orders": changed[begins : begins + PER_PAGE]}
    if begins + PER_PAGE < len(changed):
        page["cursor"] = str(begins + PER_PAGE)
    return _json(page)


def woocommerce(vendor: Vendor, asked: Asked) -> web.Response:
    """`orders` by number of the page; the trash is another status."""
    assert asked.path == "/orders", asked.path
    assert asked.query["dates_are_gmt"] == "true"
    since, trash = asked.query["modified_after"] + "Z", asked.query["status"] == "trash"
    changed = [
        each
        for each in vendor.orders
        if _at(each["date_modified_gmt"] + "Z") > _at(since) and (each["status"] == "trash") == trash
    ]
    page, pages = int(asked.query["page"]), -(-len(changed) // PER_PAGE)
    begins = (page - 1) * PER_PAGE
    return _json(changed[begins : begins + PER_PAGE], {"X-WP-TotalPages": str(pages)})


def bigcommerce(vendor: Vendor, asked: Asked) -> web.Response:
    """`v2/orders` by number of the page, 204 where there is none; each order's products and shipments by themselves."""
    _, _, _, *rest = asked.path.split("/")
    if rest:
        order = next(each for each in vendor.orders if str(each["id"]) == rest[0])
        found = order if len(rest) == 1 else order[f"_{rest[1]}"]
        return _json(found) if found else web.Response(status=204)
    since, page = asked.query["min_date_modified"], int(asked.query["page"])
    changed = [each for each in vendor.orders if each["_modified"] >= _at(since)]
    begins = (page - 1) * PER_PAGE
    told = [
        {name: value for name, value in each.items() if name[0] != "_"} for each in changed[begins : begins + PER_PAGE]
    ]
    return _json(told) if told else web.Response(status=204)


def bigcommerce_order(number: int, sku: str) -> dict[str, Any]:
    modified = datetime.now(UTC)
    product = {"id": number * 10, "product_id": 1, "variant_id": 2, "sku": sku, "type": "physical", "quantity": 1}
    dates = dict.fromkeys(("date_created", "date_modified"), format_datetime(modified))
    return {
        "id": number,
        "status_id": 11,
        **dates,
        "_products": [product],
        "_shipments": [],
        "_modified": modified,
    }


def zettle(vendor: Vendor, asked: Asked) -> web.Response:
    """`purchases/v2` from a time on, then behind the last purchase of the page before."""
    assert asked.path == "/purchases/v2", asked.path
    last = asked.query.get("lastPurchaseHash")
    since = asked.query["startDate"] + ":00Z" if last is None else "1970-01-01T00:00:00Z"
    begins = 0 if last is None else int(last)
    changed = [each for each in vendor.orders if _at(each["timestamp"]) >= _at(since)]
    page = changed[begins : begins + PER_PAGE]
    return _json({"purchases": page, "lastPurchaseHash": str(begins + len(page))})


def _json(value: Any, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json", headers=headers)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text.replace(" ", "+"))
