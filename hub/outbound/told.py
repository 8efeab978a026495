"""What vendors were told, for whoever compares their own numbers with it."""

from collections.abc import Callable, Mapping, Sequence

from hub.domain.drifting import Rightful
from hub.domain.offers import ON_ITS_WAY
from hub.ledger.offered import Offered
from hub.settings.tree import Channel
from hub.webhooks.accounts import Party


class Told:
    """Looks into the memory of channels, whoever tells them."""

    def __init__(self, memory: Offered, channels: Callable[[], Sequence[Channel]]) -> None:
        self._memory = memory
        self._channels = channels

    def channel_at(self, party: Party, location: str) -> str | None:
        """The channel that tells this account what it has at one of our locations; None: none does."""
        for channel in self._channels():
            is_there = party.account.place(channel.location or None) == location
            if channel.source == party.settings.id and (is_there or not channel.location):
                return channel.id
        return None

    async def told(self, channel: str, skus: Sequence[str]) -> Mapping[str, Rightful]:
        """The numbers that a vendor may have by what it was told, of those SKUs that it was told anything of.

        Raises:
            Unavailable: the ledger did not answer.
        """
        found: dict[str, Rightful] = {}
        for row in await self._memory.told(channel, skus):
            # Of a number on its way either may be so.
            either = (row.has, row.tried if row.outcome == ON_ITS_WAY else None)
            if numbers := frozenset(number for number in either if number is not None):
                found[row.sku] = Rightful(numbers, int(row.taken_at * 1000))
        return found
