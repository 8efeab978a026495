"""What a load asks of the hub before and after, over the HTTP door: its own SKUs' units, and what is shown of them."""

import asyncio
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp
import msgspec

from hub.faults import Fault, Unavailable
from hub.load.answers import BOOKED, is_unknown
from hub.load.options import Target
from hub.load.watched import Value
from protocol.limits import LINES_PER_EVENT_MAX, SKUS_PER_QUERY_MAX

# Questions under way at once.
_ASKED_AT_ONCE = 16
_REQUEST_SECONDS_MAX = 30.0
_TRIES_MAX = 20
# Nobody was ever there: most likely a wrong address, so it is said soon.
_FIRST_TRIES_MAX = 4
_PAUSE_SECONDS = 0.1
_PAUSE_SECONDS_MAX = 2.0
_DETAIL_CHARS_MAX = 300


class Position(msgspec.Struct, frozen=True):
    """One SKU at the load's location, in units."""

    location: str
    on_hand: int = 0
    reserved: int = 0
    deficit: int = 0

    @property
    def units(self) -> int:
        """On the shelf, less what the book owes: a plain sum of what happened."""
        return self.on_hand - self.deficit


class _Positions(msgspec.Struct, frozen=True):
    items: list[Position]


class _Shown(msgspec.Struct, frozen=True):
    items: list[Value]


class _Said(msgspec.Struct, frozen=True):
    status: str


class _Listed(msgspec.Struct, frozen=True):
    id: str


class _Holds(msgspec.Struct, frozen=True):
    items: list[_Listed]
    next: str | None = None


class _Refusal(msgspec.Struct, frozen=True):
    detail: str = ""


T = TypeVar("T")


class Stock:
    """The HTTP door, asked patiently; everything is about the target's location and pool."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._few = asyncio.Semaphore(_ASKED_AT_ONCE)
        self._tries_max = _FIRST_TRIES_MAX

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self._target.token}"},
            timeout=aiohttp.ClientTimeout(total=_REQUEST_SECONDS_MAX),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def positions(self, skus: Sequence[str]) -> list[Position]:
        """Where each SKU stands.

        Raises:
            Fault: the hub refuses to say, or does not answer.
        """
        return await asyncio.gather(*(self._position(sku) for sku in skus))

    async def shown(self, skus: Sequence[str]) -> dict[str, Value]:
        """What the pool shows of each SKU now. Raises Fault as `positions`."""
        found: dict[str, Value] = {}
        for first in range(0, len(skus), SKUS_PER_QUERY_MAX):
            asked = {"pool": self._target.pool, "skus": skus[first : first + SKUS_PER_QUERY_MAX]}
            answer = await self._ask(_Shown, "POST", "/v1/availability/query", json=asked)
            found.update((value.sku, value) for value in answer.items)
        return found

    async def receive(self, ids: Iterable[str], arrivals: Sequence[tuple[str, int]]) -> None:
        """Let units of SKUs arrive.

        Raises:
            Fault: the hub does not book them, as `positions` too.
        """
        parts = [
            arrivals[first : first + LINES_PER_EVENT_MAX] for first in range(0, len(arrivals), LINES_PER_EVENT_MAX)
        ]
        for id, part in zip(ids, parts, strict=False):
            event = {
                "id": id,
                "type": "receipt",
                "time": datetime.now(UTC).isoformat(),
                "location": self._target.location,
                "lines": [{"sku": sku, "quantity": quantity} for sku, quantity in part],
            }
            said = await self._ask(_Said, "POST", "/v1/events", json=event)
            if said.status not in BOOKED:
                raise Fault(
                    f"the hub did not book what arrives: {said.status}; is there a location {event['location']}?"
                )

    async def held(self, skus: Sequence[str]) -> list[str]:
        """The reservations that units of these SKUs are kept for, at most a page of each. Raises Fault."""
        pages = [await self._ask(_Holds, "GET", "/v1/reservations", params={"sku": sku}) for sku in skus]
        return sorted({item.id for page in pages for item in page.items})

    async def release(self, holds: Sequence[str]) -> None:
        """Give reservations back; one that is over stays as it is. Raises Fault as `positions`."""
        for hold in holds:
            await self._answer("POST", f"/v1/reservations/{hold}/release", json={})

    async def _position(self, sku: str) -> Position:
        location = self._target.location
        async with self._few:
            found = await self._ask(_Positions, "GET", "/v1/positions", params={"sku": sku})
        return next((item for item in found.items if item.location == location), Position(location))

    async def _ask(self, of: type[T], method: str, path: str, **content: Any) -> T:
        status, body = await self._answer(method, path, **content)
        url = f"{self._target.url}{path}"
        if status not in (200, 202):
            raise Fault(f"{url} answers {status}: {_detail(body)}")
        try:
            return msgspec.json.decode(body, type=of)
        except msgspec.MsgspecError as error:
            raise Fault(f"{url} answers what no hub does") from error

    async def _answer(self, method: str, path: str, **content: Any) -> tuple[int, bytes]:
        """Ask until there is an answer that is one."""
        url, why = f"{self._target.url.rstrip('/')}{path}", ""
        for tried in range(_TRIES_MAX):
            if tried >= self._tries_max:
                break
            try:
                async with self._session.request(method, url, allow_redirects=False, **content) as response:
                    body = await response.read()
                self._tries_max = _TRIES_MAX
                if not is_unknown(response.status):
                    return response.status, body
                why = f"it answers {response.status}"
            except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
                raise Fault(f"{url} is not an address") from error
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                why = str(error) or type(error).__name__
            pause = min(_PAUSE_SECONDS_MAX, _PAUSE_SECONDS * 2**tried)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
        raise Unavailable(f"no hub answers at {url}: {why}")


def _detail(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Refusal).detail[:_DETAIL_CHARS_MAX]
    except msgspec.MsgspecError:
        return "this is not a hub's answer"
