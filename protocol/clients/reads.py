"""Reading what pools show and what lies where."""

from collections.abc import AsyncGenerator, Sequence
from typing import Final

import msgspec

from protocol.answers import AvailabilityAnswer, AvailabilityItem, PositionsAnswer
from protocol.clients.exchange import Exchange
from protocol.limits import PAGE_ITEMS_MAX, SKUS_PER_QUERY_MAX

_AVAILABILITY: Final = msgspec.json.Decoder(AvailabilityAnswer)
_POSITIONS: Final = msgspec.json.Decoder(PositionsAnswer)
_encode: Final = msgspec.json.Encoder().encode


class Reads:
    """The doors that only tell. Every call raises as `Exchange.ask` or RequestRefused."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def availability(self, pool: str, skus: Sequence[str]) -> list[AvailabilityItem]:
        """What a pool shows of SKUs now, in their order, 1,000 of one moment."""
        items: list[AvailabilityItem] = []
        for start in range(0, len(skus), SKUS_PER_QUERY_MAX):
            asked = {"pool": pool, "skus": list(skus[start : start + SKUS_PER_QUERY_MAX])}
            reply = await self._exchange.ask("POST", "/v1/availability/query", _encode(asked))
            items += reply.check(200).read(_AVAILABILITY).items
        return items

    async def position_pages(self, *, sku: str = "", location: str = "") -> AsyncGenerator[PositionsAnswer]:
        """The positions of a SKU, or of a location, page by page; the first one's `feed_cursor` is where to follow."""
        what = ("sku", sku) if sku else ("location", location)
        cursor: str | None = ""
        while cursor is not None:
            params = [what, ("limit", str(PAGE_ITEMS_MAX)), *([("cursor", cursor)] if cursor else [])]
            page = (await self._exchange.ask("GET", "/v1/positions", params=params)).check(200).read(_POSITIONS)
            yield page
            cursor = page.next
