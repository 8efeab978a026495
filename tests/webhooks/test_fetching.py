"""What a delivery only points at is fetched from the vendor's API, from nowhere else, and with patience."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from adapters.contract import Need
from hub.webhooks import deliveries, fetching
from hub.webhooks.deliveries import wait_seconds
from hub.webhooks.fetching import address
from tests.webhooks.town import TOKEN, Town, open_town

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]
SOLD = {"sold": [["BAG-NOIR", 1]], "sale": "fetched"}


class Vendor:
    """A vendor's API: answers in their turn, the last one for ever, and what was asked."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.asked: list[web.Request] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, float):
            await asyncio.sleep(answer)
        if isinstance(answer, dict):
            return web.json_response(answer)
        status, headers, body = answer if isinstance(answer, tuple) else (200, {}, b"{}")
        return web.Response(status=status, headers=headers, body=body)


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    made = Vendor()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    made.url = f"http://{host}:{port}/api"
    yield made
    await runner.cleanup()


@pytest.fixture
async def town(redis_url: str, postgres_dsn: str, tmp_path: Path, vendor: Vendor) -> AsyncIterator[Town]:
    async with open_town(tmp_path, redis_url, postgres_dsn, api_url=vendor.url) as opened:
        yield opened


async def settled(town: Town, until: Until) -> Any:
    """The one delivery, when it is not kept any more."""

    async def is_over() -> bool:
        return [row["state"] for row in await town.rows()] not in ([], ["kept"])

    await until(is_over)
    [row] = await town.rows()
    return row


async def test_what_is_pointed_at_is_fetched_with_the_token_and_booked(
    town: Town, vendor: Vendor, until: Until
) -> None:
    vendor.answers = [SOLD]

    reply = await town.deliver(town.body(fetch=["/orders/1"]))

    assert (reply.status, reply.json()) == (202, {"status": "accepted"})
    assert (await settled(town, until))["state"] == "booked"
    assert await town.free("BAG-NOIR") == -1
    [asked] = vendor.asked
    assert (asked.method, asked.path_qs, asked.headers["X-Town-Token"]) == ("GET", "/api/orders/1?key=1", TOKEN)


async def test_a_vendor_that_asks_for_patience_is_asked_again_later(town: Town, vendor: Vendor, until: Until) -> None:
    vendor.answers = [(429, {"Retry-After": "1"}, b""), (503, {}, b""), SOLD]

    await town.deliver(town.body(fetch=["/orders/1"]))

    row = await settled(town, until)
    assert (row["state"], row["attempts"], len(vendor.asked)) == ("booked", 2, 3)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 5),
        ({"Retry-After": "soon"}, 5),
        ({"Retry-After": "2.5"}, 2.5),
        ({"Retry-After": "99999999"}, 3_600),
        ({"Date": "Sun, 22 Nov 2026 10:00:00 GMT", "Retry-After": "Sun, 22 Nov 2026 10:00:40 GMT"}, 40),
    ],
    ids=["none", "no time", "part of a second", "for ever", "a date"],
)
async def test_an_account_that_is_asked_too_often_is_left_alone_by_all(
    town: Town, vendor: Vendor, headers: dict[str, str], seconds: float
) -> None:
    stores = town.hub._stores
    party = stores.webhooks.taking.accounts.of("town")
    assert party is not None
    vendor.answers = [(429, headers, b"")]

    told = await stores.webhooks.taking.fetcher.ask(party, Need("order", "/orders/1"))
    left_alone = await stores.allowances.take("town")

    assert told == fetching.Failed("GET /orders/1 answers 429", passes=True, retry_after_seconds=seconds)
    assert seconds - 2 < left_alone <= seconds


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((404, {}, b""), "GET /orders/1 answers 404"),
        ((302, {"Location": "http://127.0.0.1:1/"}, b""), "GET /orders/1 answers a redirect, which is not followed"),
        ((200, {}, b"x" * (fetching.ANSWER_BYTES_MAX + 1)), "GET /orders/1 answers more than 4194304 bytes"),
    ],
    ids=["not there", "a redirect", "too much"],
)
async def test_what_does_not_pass_is_parked_with_the_reason_and_replayed(
    town: Town, vendor: Vendor, until: Until, monkeypatch: pytest.MonkeyPatch, answer: Any, why: str
) -> None:
    monkeypatch.setattr(deliveries, "REFUSED_ATTEMPTS_MAX", 1)
    vendor.answers = [answer]
    await town.deliver(town.body(fetch=["/orders/1"]))
    row = await settled(town, until)
    vendor.answers = [SOLD]

    replayed = await town.post(f"/v1/inbox/{row['number']}/replay", b"", token=town.token(["admin"]))

    assert (row["state"], row["why"]) == ("parked", why)
    assert replayed.json() == {"replayed": 1, "under_way": 0, "still_parked": 0}
    assert await town.free("BAG-NOIR") == -1


async def test_a_vendor_that_does_not_answer_is_given_up_after_a_while_and_asked_again(
    town: Town, vendor: Vendor, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "FETCH_SECONDS", 0.2)
    vendor.answers = [30.0, SOLD]

    await town.deliver(town.body(fetch=["/orders/1"]))

    row = await settled(town, until)
    assert (row["state"], row["attempts"]) == ("booked", 1)


async def test_a_delivery_that_never_has_enough_is_parked(
    town: Town, vendor: Vendor, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "REFUSED_ATTEMPTS_MAX", 1)
    vendor.answers = [{"fetch": [f"/{number}"]} for number in range(1, 20)]

    await town.deliver(town.body(fetch=["/0"]))

    assert (await settled(town, until))["why"] == "it still needs something after 5 rounds"


async def test_an_answer_that_there_is_nothing_is_an_answer(town: Town, vendor: Vendor, until: Until) -> None:
    vendor.answers = [(204, {}, b"")]

    await town.deliver(town.body(fetch=["/orders/1"]))

    # The till's own adapter cannot read what is empty; that it came so far is what counts.
    assert (await settled(town, until))["why"] == "the adapter has a defect: DecodeError"


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/orders/1", "https://shop.example/api/orders/1"),
        ("/orders/1#x", "https://shop.example/api/orders/1"),
        ("orders/1", None),
        ("/../admin", None),
        ("//evil.example/x", "https://shop.example/api//evil.example/x"),
        ("@evil.example/", None),
        (".evil.example/", None),
        ("", None),
    ],
)
def test_nothing_is_fetched_from_elsewhere(path: str, found: str | None) -> None:
    url = address("https://shop.example/api", Need("x", path))

    assert (None if url is None else str(url.with_fragment(None))) == found


def test_the_waits_grow_up_to_a_quarter_of_an_hour() -> None:
    waits = [wait_seconds(attempts) for attempts in range(1, 60)]

    assert waits[:4] == [1, 2, 4, 8]
    assert waits == sorted(waits)
    assert waits[-1] == 900
