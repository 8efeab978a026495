"""A driver for adapters and vendors alone: look up, tell, hear, until nothing is left to tell. The hub has its own."""

from collections.abc import Mapping

import aiohttp
from yarl import URL

from adapters.contract import Account, Adapter, Need
from adapters.discovery import adapter_named
from adapters.offering import Allowance, Answer, Listing, Offer, Offering, Request, Shelf, Told
from tests.outbound.vendors.vendor import Bucket, HandClock, Vendor

# Requests and look-ups; more than any test needs.
STEPS_MAX = 2_000


class Driver:
    """Tells one shop what a pool shows."""

    def __init__(
        self,
        name: str,
        shop: Vendor,
        clock: HandClock,
        *,
        location: str | None = None,
        allowance: Allowance | None = None,
    ) -> None:
        adapter = adapter_named(name)
        assert adapter is not None
        assert isinstance(adapter, Offering)
        self._adapter: Adapter = adapter
        self._offering: Offering = adapter
        self._shop, self._clock = shop, clock
        self._shelf = Shelf(Account("shop"), shop.location if location is None else location)
        given = allowance or adapter.allowance
        self._saved = Bucket(given.per_second, given.burst, clock)
        self._keys = 0
        self.steps = 0
        # Of every offer, each time it was heard of.
        self.heard: list[tuple[str, Told]] = []
        # By the shop's clock, what it was asked to wait for.
        self.waited_seconds = 0.0

    async def show(self, pool: Mapping[str, int]) -> dict[str, Told]:
        """Tell all of it; what became of each SKU at last."""
        ends: dict[str, Told] = {}
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            left = dict(pool)
            while left:
                batch = dict(list(left.items())[: self._offering.offers_max])
                listings = await self._look_up(session, list(batch))
                ends |= {sku: Told("absent", "It was not found.") for sku in batch if sku not in listings}
                offers = [
                    Offer(sku, each.id, batch[sku], each.available)
                    for sku, each in listings.items()
                    if each.available != batch[sku]
                ]
                ends |= {sku: Told("taken") for sku, each in listings.items() if each.available == batch[sku]}
                told = await self._tell(session, offers)
                ends |= told
                left = {sku: units for sku, units in left.items() if ends.get(sku, Told("stale")).outcome == "stale"}
        return ends

    async def _look_up(self, session: aiohttp.ClientSession, skus: list[str]) -> Mapping[str, Listing]:
        fetched: dict[str, bytes] = {}
        needs: tuple[Need, ...] = self._offering.find(skus, self._shelf)
        while needs:
            for need in needs:
                fetched[need.name] = await self._fetch(session, need)
            found = self._offering.found(skus, self._shelf, fetched)
            if found is None:
                fetched, needs = {}, self._offering.find(skus, self._shelf)
                self._wait(1.0)
            elif isinstance(found, tuple):
                needs = found
            else:
                return found
        return {}

    async def _fetch(self, session: aiohttp.ClientSession, need: Need) -> bytes:
        while True:
            self._spend(self._offering.find_cost)
            method = "GET" if need.body is None else "POST"
            url = URL(f"{self._shop.url}{need.path}").with_query(dict(need.query))
            answer = await self._ask(session, method, url, need.body, {})
            if answer is not None and answer.status == 200:
                return answer.body
            self._wait(1.0)

    async def _tell(self, session: aiohttp.ClientSession, offers: list[Offer]) -> dict[str, Told]:
        """Each request until it was heard; what is told again goes alone where one of them was at fault."""
        ends: dict[str, Told] = {}
        waiting = [(offers, self._key())] if offers else []
        while waiting:
            some, key = waiting.pop(0)
            requests = self._offering.requests(some, self._shelf, key, int(self._clock.seconds * 1000))
            for request in requests:
                again, apart = await self._send(session, request, ends)
                waiting += (
                    [([offer], self._key()) for offer in again] if apart else [(again, self._key())] if again else []
                )
        return ends

    async def _send(
        self, session: aiohttp.ClientSession, request: Request, ends: dict[str, Told]
    ) -> tuple[list[Offer], bool]:
        while True:
            self._spend(request.cost)
            url = URL(f"{self._shop.url}{request.path}")
            answer = await self._ask(session, request.method, url, request.body, request.headers)
            if answer is None:
                continue  # the same again, under the same key
            heard = self._offering.heard(request, answer)
            self.heard += [(offer.sku, told) for offer, told in zip(request.offers, heard.told, strict=True)]
            self._wait(heard.wait_seconds)
            outcomes = {told.outcome for told in heard.told}
            if outcomes == {"again"} and not heard.is_key_spent and not heard.is_one_at_fault:
                self._wait(1.0)
                continue
            pairs = list(zip(request.offers, heard.told, strict=True))
            ends |= {offer.sku: told for offer, told in pairs if told.outcome != "again"}
            return [offer for offer, told in pairs if told.outcome == "again"], heard.is_one_at_fault

    async def _ask(
        self, session: aiohttp.ClientSession, method: str, url: URL, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer | None:
        self.steps += 1
        assert self.steps < STEPS_MAX, f"it never ends: {self.heard[-3:]}"
        given = {**self._adapter.credentials(self._shop.token), **headers}
        if body is not None:
            given.setdefault("content-type", "application/json")
        try:
            async with session.request(method, url, data=body, headers=given, allow_redirects=False) as response:
                names = {name.lower(): value for name, value in response.headers.items()}
                return Answer(await response.read(), names, response.status)
        except aiohttp.ClientError:
            return None

    def _spend(self, units: float) -> None:
        """Of the allowance; wait until there is as much."""
        while not self._saved.take(units):
            self._wait((units - self._saved.left) / self._saved.per_second + 0.001)

    def _key(self) -> str:
        self._keys += 1
        return f"key-{self._keys}"

    def _wait(self, seconds: float) -> None:
        self.waited_seconds += seconds
        self._clock.wait(seconds)
