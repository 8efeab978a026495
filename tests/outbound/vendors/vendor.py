"""A vendor's API on a loopback port: what all of them have. Each vendor's own rules stand in its module.

    async with ShopifyShop({"BAG-NOIR": 3}) as shop:
        shop.url           what `api_url` says
        shop.token         what `token_env` names
        shop.location      what the file says as the place
        shop.stock["BAG-NOIR"]   what it has; None: it does not count it
        shop.requests      what it was asked so far, and with which status it answered
        shop.writes        those of them that told numbers
        shop.asked         an event, set by whatever it is asked; clear it to wait for the next

Knobs: `fail(3, 503)` answers the next three with an error before they are looked at; `drop()` closes the connection
instead of answering, `drop(after=True)` once it was done all the same; both with `writes=True` only where numbers are
told; `be_silent()` keeps the next ones waiting until the shop closes or `speak()`; `sell(sku)` sells one;
`sell_before_next(sku)` sells one in the moment before the next number is set; `lag_seconds` is how long each answer
takes. `clock` is what its limits go by: a `HandClock` makes waiting a matter of saying so.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Self

import msgspec
from aiohttp import web

Clock = Callable[[], float]
# Of one request; none of ours is near.
BODY_BYTES_MAX = 4 * 1024 * 1024


class HandClock:
    """Seconds that pass when somebody says so."""

    def __init__(self, start: float = 1_777_896_000.0) -> None:
        self.seconds = start

    def __call__(self) -> float:
        return self.seconds

    def wait(self, seconds: float) -> None:
        self.seconds += seconds


class Seen(msgspec.Struct, frozen=True):
    """A request that it was asked."""

    method: str
    # Behind the address of the API, with the query as it came.
    path: str
    headers: Mapping[str, str]
    body: bytes
    # What it was answered; 0: nothing.
    status: int
    # By the shop's clock.
    at: float

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Said(msgspec.Struct, frozen=True):
    """What it answers."""

    status: int
    body: Any
    headers: Mapping[str, str] = {}

    @property
    def raw(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else msgspec.json.encode(self.body)


class Bucket:
    """Units that may be saved up to `burst` and come back `per_second`."""

    def __init__(self, per_second: float, burst: float, clock: Clock) -> None:
        self.per_second, self.burst, self._clock = per_second, burst, clock
        self._left, self._at = burst, clock()

    @property
    def left(self) -> float:
        now = self._clock()
        self._left, self._at = min(self.burst, self._left + (now - self._at) * self.per_second), now
        return self._left

    def take(self, units: float) -> bool:
        """Whether there were as many."""
        if self.left < units:
            return False
        self._left -= units
        return True

    def give_back(self, units: float) -> None:
        self._left = min(self.burst, self._left + units)


class Vendor(ABC):
    """One account at a vendor; open it with `async with`."""

    # Behind host and port, as the vendor has it.
    prefix = ""
    token = "not-a-secret-token-of-a-test"
    location = ""

    def __init__(self, stock: Mapping[str, int | None], *, clock: Clock = time.time) -> None:
        self.stock: dict[str, int | None] = dict(stock)
        self.requests: list[Seen] = []
        self.lag_seconds = 0.0
        self.url = ""
        self.clock = clock
        # Of whatever comes next, and of what tells numbers next.
        self._failures: dict[bool, deque[Said]] = {False: deque(), True: deque()}
        self._drops: dict[bool, deque[bool]] = {False: deque(), True: deque()}
        self._sales: deque[tuple[str, int]] = deque()
        self._speaks = asyncio.Event()
        self._speaks.set()
        # It was asked something.
        self.asked = asyncio.Event()
        self._runner: web.ServerRunner | None = None

    @abstractmethod
    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Said:
        """By the vendor's rules; the body is read already, None where there is none."""

    @abstractmethod
    def refuse(self, headers: Mapping[str, str]) -> Said | None:
        """What who shows no token is answered."""

    @abstractmethod
    def too_often(self) -> Said | None:
        """What who asks too often is answered."""

    @property
    def writes(self) -> list[Seen]:
        """The requests that told numbers."""
        return [each for each in self.requests if self.is_write(each)]

    @abstractmethod
    def is_write(self, seen: Seen) -> bool:
        """Whether it told numbers."""

    def fail(
        self,
        times: int,
        status: int = 503,
        body: Any = b"",
        headers: Mapping[str, str] | None = None,
        *,
        writes: bool = False,
    ) -> None:
        """Answer the next ones so; `writes`: the next ones that tell numbers."""
        self._failures[writes].extend([Said(status, body, headers or {})] * times)

    def drop(self, times: int = 1, *, after: bool = False, writes: bool = False) -> None:
        """Close the connection instead of answering the next ones; `after`: once they were done."""
        self._drops[writes].extend([after] * times)

    def be_silent(self) -> None:
        """Answer nothing until `speak`."""
        self._speaks.clear()

    def speak(self) -> None:
        """Answer again, first those who still wait."""
        self._speaks.set()

    def sell(self, sku: str, units: int = 1) -> None:
        """Sell some, as customers of the shop do."""
        self.stock[sku] = (self.stock[sku] or 0) - units

    def sell_before_next(self, sku: str, units: int = 1) -> None:
        """Sell some in the moment before the next number is set."""
        self._sales.append((sku, units))

    def sell_now(self) -> None:
        """What was to be sold before a number is set; the vendors call it there."""
        while self._sales:
            self.sell(*self._sales.popleft())

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._serve), shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}{self.prefix}"
        return self

    async def __aexit__(self, *of: object) -> None:
        self.speak()
        assert self._runner is not None
        await self._runner.cleanup()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        raw = await request.content.read(BODY_BYTES_MAX)
        headers = {name.lower(): value for name, value in request.headers.items()}
        path = request.raw_path.removeprefix(self.prefix)
        seen = Seen(request.method, path, headers, raw, 0, self.clock())
        place = len(self.requests)
        self.requests.append(seen)
        self.asked.set()
        await self._speaks.wait()
        drops_after = self._next(self._drops, seen)
        said = None if drops_after is False else self._say(request, seen)
        if said is None or drops_after:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        self.requests[place] = msgspec.structs.replace(seen, status=said.status)
        if self.lag_seconds:
            await asyncio.sleep(self.lag_seconds)
        content_type = {} if isinstance(said.body, bytes) else {"content-type": "application/json"}
        return web.Response(status=said.status, body=said.raw, headers={**content_type, **said.headers})

    def _next(self, queues: Mapping[bool, deque[Any]], seen: Seen) -> Any:
        """What a knob has for this one; None: nothing."""
        for queue in [queues[False], *([queues[True]] if self.is_write(seen) else [])]:
            if queue:
                return queue.popleft()
        return None

    def _say(self, request: web.BaseRequest, seen: Seen) -> Said:
        failure: Said | None = self._next(self._failures, seen)
        if said := failure or self.refuse(seen.headers) or self.too_often():
            return said
        if not request.rel_url.raw_path.startswith(self.prefix):
            return Said(404, {"error": "not found"})
        try:
            body = msgspec.json.decode(seen.body) if seen.body else None
        except msgspec.DecodeError:
            return Said(400, {"error": "The body is no JSON."})
        if seen.body and seen.headers.get("content-type") != "application/json":
            return Said(415, {"error": "The body is not said to be JSON."})
        path = request.rel_url.raw_path.removeprefix(self.prefix)
        return self.answer(request.method, path, dict(request.query), body)
