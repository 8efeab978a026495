"""What a house's file says, given to the partition: its rules, and what it says of SKUs; or what that would change."""

from collections.abc import Sequence

import structlog
from redis.asyncio import Redis

from hub.domain.articles import Overlaid, says_nothing_new
from hub.domain.catalogue import HouseSettings, SkuSettings
from hub.domain.rules import House
from hub.stock.current_house import CurrentHouse
from hub.stock.described import Described
from hub.stock.describing import Describing
from hub.stock.preview import Preview, preview
from protocol.identifiers import nfc

log = structlog.get_logger()

# SKUs of the file that the catalogue refuses; the others are counted.
REFUSED_LOGGED_MAX = 20


class Adopting:
    """Gives files to one partition."""

    def __init__(self, client: Redis, current: CurrentHouse, described: Described, describing: Describing) -> None:
        self._client = client
        self._current = current
        self._described = described
        self._describing = describing

    async def adopt(self, settings: HouseSettings) -> bool:
        """Make these settings the house's, and what they say of SKUs, for every process; False where all is so already.

        Raises:
            Fault: as `CurrentHouse.adopt_settings`.
        """
        # First, so that a rule for a category that begins now never meets a SKU that is of it only in the file.
        described = await self.describe(settings.skus)
        return await self._current.adopt_settings(settings) or described

    async def conflicts(self, settings: HouseSettings) -> list[str]:
        """What the partition has against the settings, a sentence each: names that stand for other SKUs there.

        Raises:
            Unavailable: Redis did not answer.
        """
        return await self._describing.conflicts(settings.skus)

    async def describe(self, skus: Sequence[SkuSettings]) -> bool:
        """Describe what the house's file says of SKUs; what is refused is logged. False: all of it was known.

        Raises:
            Unavailable: Redis did not answer.
        """
        told = await self._describing.describe(skus)
        refused = [each for each in told if each.status == "refused"]
        for each in refused[:REFUSED_LOGGED_MAX]:
            log.warning("a SKU of the file is refused", sku=each.sku, reason=each.why)
        if len(refused) > REFUSED_LOGGED_MAX:
            log.warning("more SKUs of the file are refused", count=len(refused) - REFUSED_LOGGED_MAX)
        return any(each.status == "applied" for each in told)

    async def try_out(self, settings: HouseSettings) -> tuple[bool, Preview]:
        """Say whether adopting these settings would change the house, and which SKUs would be shown otherwise.

        Raises:
            Unavailable: Redis did not answer.
        """
        await self._current.catch_up()
        before = self._current.house
        after = self._current.tried(settings)
        changed = not after.document.says_the_same(before.document)
        known = await self._described.catch_up(nfc(sku.id) for sku in settings.skus)
        of_skus = [sku for sku in settings.skus if not says_nothing_new(sku, known)]
        if after.digest == before.digest and not of_skus:
            return changed, Preview()
        after = House.of(after.document, Overlaid(self._described.catalogue, of_skus))
        return changed or bool(of_skus), await preview(self._client, before, after)
