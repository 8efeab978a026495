"""A vendor's shop on loopback: it sells, it enforces its own rules, and it can be told to misbehave."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import msgspec
from aiohttp import web

TOKEN = "token-of-the-bazaar"

# What a shop does instead of what it should, once: None: nothing else.
Whim = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


class Vendor:
    """What it sells, what it was told in the order it was told, and what it does wrong next."""

    def __init__(self) -> None:
        # SKU -> what it has.
        self.stock: dict[str, int | None] = {}
        # (SKU, number) as they were taken.
        self.told: list[tuple[str, int]] = []
        self.keys = Counter[str]()
        self.found: list[list[str]] = []
        self.whims: list[Whim] = []
        # For every request from now on.
        self.always: Whim | None = None
        self.refuses: set[str] = set()
        self.again: set[str] = set()
        self.headers: dict[str, str] = {}
        # When each request came, by this machine's clock.
        self.times: list[float] = []
        self.url = ""
        self._answers: dict[str, bytes] = {}
        self._came = asyncio.Condition()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        assert request.headers["X-Bazaar-Token"] == TOKEN
        self.times.append(monotonic())
        whim = self.whims.pop(0) if self.whims else self.always
        try:
            told = None if whim is None else await whim(request)
            return told or (self._find(request) if request.method == "GET" else await self.take(request))
        finally:
            async with self._came:
                self._came.notify_all()

    def _find(self, request: web.Request) -> web.StreamResponse:
        skus: list[str] = msgspec.json.decode(request.query["skus"])
        self.found.append(skus)
        return web.json_response(
            {sku: {"stall": f"{sku}!", "has": self.stock[sku]} for sku in skus if sku in self.stock}
        )

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Do what is asked; the same key again changes nothing and is answered the same."""
        key = request.headers["Idempotency-Key"]
        self.keys[key] += 1
        body = await request.read()
        if key not in self._answers:
            said: list[tuple[str, int, int | None]] = msgspec.json.decode(body)
            self._answers[key] = msgspec.json.encode(
                [self._take(stall.removesuffix("!"), *rest) for stall, *rest in said]
            )
        return web.Response(body=self._answers[key], headers=self.headers)

    def _take(self, sku: str, quantity: int, known: int | None) -> tuple[str, str]:
        if sku not in self.stock:
            return "absent", "there is no such stall"
        if sku in self.refuses:
            return "refused", "it is not ours to sell"
        if sku in self.again:
            return "again", "not today"
        if known is not None and known != self.stock[sku]:
            return "stale", f"it has {self.stock[sku]}"
        self.stock[sku] = quantity
        self.told.append((sku, quantity))
        return "taken", ""

    async def has(self, claim: Callable[["Vendor"], bool], seconds: float = 20) -> None:
        """Wait until it holds of what came."""
        async with asyncio.timeout(seconds), self._came:
            await self._came.wait_for(lambda: claim(self))

    async def shows(self, **stock: int) -> None:
        """Wait until the shop has just these numbers."""
        wanted = {sku.replace("_", "-"): units for sku, units in stock.items()}
        await self.has(lambda seen: {sku: seen.stock[sku] for sku in wanted} == wanted)


def status(number: int, **headers: str) -> Whim:
    async def whim(request: web.Request) -> web.StreamResponse:
        await request.read()
        return web.Response(status=number, headers={name.replace("_", "-"): text for name, text in headers.items()})

    return whim


class Gate:
    """Holds one request up until it is opened."""

    def __init__(self) -> None:
        self._reached, self._opened = asyncio.Event(), asyncio.Event()

    async def __call__(self, request: web.Request) -> None:
        self._reached.set()
        await self._opened.wait()

    async def is_reached(self) -> None:
        async with asyncio.timeout(20):
            await self._reached.wait()

    def open(self) -> None:
        self._opened.set()


@asynccontextmanager
async def selling(**stock: int | None) -> AsyncIterator[Vendor]:
    """A shop at a free port with this stock; `_` in a name is a dash."""
    vendor = Vendor()
    vendor.stock = {sku.replace("_", "-"): units for sku, units in stock.items()}
    app = web.Application()
    app.router.add_route("*", "/api/stalls", vendor.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        vendor.url = f"http://127.0.0.1:{runner.addresses[0][1]}/api"
        yield vendor
    finally:
        await runner.cleanup()


def tables(vendor: Vendor, **channel: Any) -> str:
    """A source and its channel, as a file says them."""
    said = {"id": "bazaar", "source": "bazaar", "pool": "store", **channel}
    lines = "".join(f"{name} = {msgspec.json.encode(value).decode()}\n" for name, value in said.items())
    return f"""
[[source]]
id = "bazaar"
adapter = "bazaar"
secret_file = "bazaar.secret"
token_file = "bazaar.token"
api_url = "{vendor.url}"

[[channel]]
{lines}
[limits]
ledger_wait_ms = 10000
webhook_wait_ms = 10000
"""
