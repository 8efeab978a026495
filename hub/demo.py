"""The demo's house in motion: some stock, exactly one black bag, and gentle traffic around it.

Everything goes through the HTTP door as any sender's events would. Nothing here knows the hub's insides.
"""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

import aiohttp
import msgspec
import structlog

from hub.console.session import Article, DemoSession, Doors, Screen
from hub.faults import Fault

BAG = Article("BAG-NOIR", "Sac Noir")
TILL = "LON-KNB"
# The product page that somebody opens in Dubai: the web shop, which counts Knightsbridge to its last piece.
PRODUCT_PAGE_POOL = "gulf"
# Article -> where it is stocked and with how many units, at the start. The house need not know them before.
STOCK: dict[Article, dict[str, int]] = {
    Article("BAG-ROUGE", "Sac Rouge"): {"DC-LYON": 3, "PAR-FSH": 2, "HARRODS": 2},
    Article("WATCH-OR", "Montre Or"): {"DC-LYON": 3, "LON-KNB": 3},
    Article("SCARF-SOIE", "Carré Soie"): {"DC-LYON": 5, "LON-KNB": 5},
    Article("BELT-85", "Ceinture 85"): {"DC-LYON": 4, "LON-KNB": 3},
    Article("RING-AUBE", "Bague Aube"): {"LON-KNB": 3},
    Article("LOAFER-40", "Mocassin 40"): {"DC-LYON": 4, "DXB-MALL": 3},
    Article("CLUTCH-SATIN", "Pochette Satin"): {"DC-LYON": 2, "PAR-FSH": 3},
    Article("EAU-50", "Eau de Nuit"): {"DC-LYON": 6, "HARRODS": 5},
}
WAREHOUSES = frozenset({"DC-LYON"})

# A tab left open over a weekend asks for new tokens by itself when these are over.
TOKEN_TTL_SECONDS = 12 * 3600
# About three events in two seconds: alive, and slow enough to read.
PAUSE_MEAN_SECONDS = 0.7
PAUSE_LONGEST_SECONDS = 3.0
# An article at a location moves between these, so that stock neither runs dry nor piles up for ever.
UNITS_LOW = 1
UNITS_HIGH = 6
# How many of the events on a well-filled shelf are returns.
RETURNS = 0.12
ANSWER_WITHIN_SECONDS = 10.0
RETRY_FIRST_SECONDS = 0.2
RETRY_LONGEST_SECONDS = 5.0
# 429 and 503 say "again"; the others, from a proxy between, leave the outcome as unknown as silence does.
UNKNOWN = frozenset({408, 429, 500, 502, 503, 504})

log = structlog.get_logger()


class Mint(Protocol):
    """Makes a token; the demo holds no key itself."""

    def __call__(
        self,
        *,
        sub: str,
        scope: frozenset[str],
        pools: frozenset[str],
        locations: frozenset[str],
        ttl_seconds: int,
    ) -> str:
        """Answer a token that grants exactly this, for this long."""
        ...


class Demo:
    """One run of the demo: its session for the page, and its traffic."""

    def __init__(self, mint: Mint, seed: int = 1) -> None:
        self._mint = mint
        self._random = random.Random(seed)
        # Tells the page that numbers held from an earlier run mean nothing.
        self._run = secrets.token_hex(6)

    def session(self, doors: Doors) -> DemoSession:
        """Answer what the page needs for one visit, with fresh tokens; only the till may write."""
        till = self._token("demo-till", {"events:write"}, {"store"}, {TILL})
        client = self._token("demo-vip", set(), {"vip"}, set())
        return DemoSession(
            run=self._run,
            doors=doors,
            article=BAG,
            till=Screen("store", TILL, till),
            product=Screen(PRODUCT_PAGE_POOL),
            vip=Screen("vip", token=client),
            others=tuple(STOCK),
        )

    async def stock_up(self, http_url: str) -> None:
        """Bring every shelf of the demo to its units at the start, whatever an earlier run left there.

        A hub that is away for a while is waited for.

        Raises:
            Fault: the hub refuses to say what it has.
        """
        async with self._door(http_url) as door:
            for article, places in {BAG: {TILL: 1}, **STOCK}.items():
                found = await door.units(article.sku)
                for place in sorted(places.keys() | found.keys()):
                    await _settle(door, article.sku, place, places.get(place, 0) - found.get(place, 0))

    async def keep_moving(self, http_url: str) -> None:
        """Send gentle traffic until cancelled; to be called once the house is stocked."""
        async with self._door(http_url) as door:
            for event in traffic(self._random):
                pause_seconds = self._random.expovariate(1 / PAUSE_MEAN_SECONDS)
                await asyncio.sleep(min(pause_seconds, PAUSE_LONGEST_SECONDS))
                await door.book(event)

    @asynccontextmanager
    async def _door(self, http_url: str) -> AsyncIterator["_Door"]:
        timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN_SECONDS)
        async with aiohttp.ClientSession(http_url, timeout=timeout) as http:
            yield _Door(http, self._traffic_token)

    def _traffic_token(self) -> str:
        return self._token("demo-traffic", {"events:write", "positions:read"}, {"*"}, {"*"})

    def _token(self, sub: str, scope: set[str], pools: set[str], locations: set[str]) -> str:
        return self._mint(
            sub=sub,
            scope=frozenset(scope),
            pools=frozenset(pools),
            locations=frozenset(locations),
            ttl_seconds=TOKEN_TTL_SECONDS,
        )


def traffic(dice: random.Random) -> Iterator[dict[str, object]]:
    """Yield sales, with a delivery where a shelf runs low and now and then a return, for ever.

    The events lack only `id` and `time`. Units are followed from `STOCK`, so no sale takes the last ones.
    """
    units = {(article.sku, place): count for article, places in STOCK.items() for place, count in places.items()}
    shelves = sorted(units)
    while True:
        sku, place = shelf = dice.choice(shelves)
        if units[shelf] <= UNITS_LOW:
            count = dice.randint(2, UNITS_HIGH - UNITS_LOW)
            units[shelf] += count
            yield {"type": "receipt", "location": place, "lines": [{"sku": sku, "quantity": count}]}
        elif units[shelf] < UNITS_HIGH and dice.random() < RETURNS:
            units[shelf] += 1
            yield {"type": "return", "location": place, "lines": [{"sku": sku, "quantity": 1, "to": "free"}]}
        else:
            units[shelf] -= 1
            pool = "online" if place in WAREHOUSES else "store"
            yield {"type": "sale", "location": place, "pool": pool, "lines": [{"sku": sku, "quantity": 1}]}


async def _settle(door: "_Door", sku: str, place: str, difference: int) -> None:
    lines = [{"sku": sku, "quantity": difference}]
    if difference > 0:
        await door.book({"type": "receipt", "location": place, "lines": lines})
    elif difference < 0:
        await door.book({"type": "adjustment", "location": place, "reason": "demo", "lines": lines})


class _Door:
    """The HTTP door, asked patiently: what has no answer yet is sent again, with the same id."""

    def __init__(self, http: aiohttp.ClientSession, mint: Callable[[], str]) -> None:
        self._http = http
        self._mint = mint
        self._token = mint()

    async def book(self, event: dict[str, object]) -> None:
        """Send an event until it is answered; a refusal is logged, as nothing here could mend it."""
        stamp = {"id": f"demo-{secrets.token_hex(12)}", "time": datetime.now(UTC).isoformat()}
        status, answer = await self._ask("POST", "/v1/events", json=stamp | event)
        if status not in {200, 202} or answer.get("status") == "parked":
            log.warning("demo.refused", status=status, answer=answer)

    async def units(self, sku: str) -> dict[str, int]:
        """Read location -> units on the shelf, less what the book owes; the house fits on one page."""
        status, answer = await self._ask("GET", "/v1/positions", params={"sku": sku})
        if status != 200:
            raise Fault(f"the demo could not read the stock of {sku}: the hub answered {status}")
        return {item["location"]: item["on_hand"] - item["deficit"] for item in answer["items"]}

    async def _ask(self, method: str, path: str, **content: Any) -> tuple[int, dict[str, Any]]:
        pause_seconds = RETRY_FIRST_SECONDS
        while True:
            headers = {"Authorization": f"Bearer {self._token}"}
            try:
                async with self._http.request(method, path, headers=headers, **content) as response:
                    if response.status == 401:
                        self._token = self._mint()
                    elif response.status not in UNKNOWN:
                        return response.status, _decode(await response.read())
            except (aiohttp.ClientError, TimeoutError) as fault:
                log.debug("demo.unanswered", path=path, reason=repr(fault))
            await asyncio.sleep(pause_seconds * random.uniform(0.5, 1.0))
            pause_seconds = min(RETRY_LONGEST_SECONDS, pause_seconds * 2)


def _decode(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {"detail": repr(body[:200])}
