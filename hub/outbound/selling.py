"""A vendor's shop as the target of a channel: rounds as fast as the account lets them be, none while it is away."""

from collections.abc import Iterable

import structlog

from adapters.offering import Offering
from hub.domain.offers import Offers, Remembered
from hub.faults import Unavailable
from hub.outbound.means import Means
from hub.outbound.round import Round, Unknown
from hub.outbound.shop import OFFERS_MAX, Shop
from hub.patience import Trouble
from hub.settings.tree import Channel

log = structlog.get_logger()

# How long a channel waits for an account that the house does not have.
ABSENT_SECONDS = 2.0


class ShopTarget:
    """Tells a vendor; each process that tells one has its own."""

    def __init__(self, channel: Channel, means: Means) -> None:
        self._channel = channel
        self._means = means
        self._circuit = means.circuit(channel.source)
        # Requests of which nothing was heard.
        self._unknown: list[Unknown] = []
        # Offers of one round: fewer after a failure, for one of them may be why.
        self._batch_max = OFFERS_MAX
        self._quiet_until = 0.0
        self._trouble = Trouble("a channel has nobody to tell", "a channel has somebody to tell")
        self.why = ""

    @property
    def circuit(self) -> str:
        """Whether the vendor is only probed."""
        return self._circuit.state

    async def begin(self) -> Iterable[Remembered]:
        """Begin anew: the ledger remembers what the vendor has."""
        self._unknown, self._batch_max, self._quiet_until = [], OFFERS_MAX, 0.0
        return ()

    def quiet_until(self, offers: Offers) -> float:
        """While the account is left alone, and between two probes."""
        now = self._means.clock()
        return max(self._quiet_until, now + self._circuit.wait_seconds(now))

    def next_at(self, offers: Offers) -> float:
        """When what was put off is due."""
        times = [at for at in (offers.due_at(), *(each.at for each in self._unknown)) if at]
        return min(times, default=0.0)

    def look_again(self) -> None:
        """Probe at once."""
        self._circuit.put_off(self._means.clock())

    async def tell(self, offers: Offers) -> bool:
        """One round.

        Raises:
            Fault: a store did not answer.
        """
        now, shop = self._means.clock(), self._shop()
        if shop is None:
            # The house is another process's file, which says otherwise.
            fault = Unavailable(f"the house has no source {self._channel.source} that can be told")
            self.why, self._quiet_until = str(fault), now + ABSENT_SECONDS
            self._trouble.note(fault, channel=self._channel.id)
            return False
        self._trouble.note_over()
        unknown = self._next_unknown(offers, now)
        most = 1 if self._circuit.state == "open" else min(self._batch_max, shop.offers_max)
        due = [] if unknown else offers.due(now, most)
        if unknown is None and not due:
            return False
        told = Round(self._channel.id, offers, shop, self._means)
        await (told.run(due) if unknown is None else told.repeat(unknown))
        self._unknown += told.unknown
        await self._means.memory.write(self._channel.id, [each.known for each in told.dirty.values()])
        self._note(told, shop)
        return not told.quiet_seconds

    def _note(self, told: Round, shop: Shop) -> None:
        self._quiet_until = self._means.clock() + told.quiet_seconds
        about = {"channel": self._channel.id, "source": shop.source}
        if told.troubles:
            self._batch_max, self.why = max(1, self._batch_max // 2), told.troubles[-1].why
        else:
            self._batch_max = min(2 * self._batch_max, OFFERS_MAX)
            self.why = "the vendor wants to be asked more slowly" if told.quiet_seconds else ""
        if told.opened_circuit:
            log.warning("a vendor is only probed for now", **about, why=self.why)
        if told.closed_circuit:
            log.info("a vendor is told again", **about)

    def _next_unknown(self, offers: Offers, now: float) -> Unknown | None:
        """A request to be sent once more as it was, where its numbers are still the newest."""
        for unknown in [each for each in self._unknown if each.at <= now]:
            self._unknown.remove(unknown)
            wanted = [(offers.get(offer.sku), offer.quantity) for offer in unknown.request.offers]
            if all(each is not None and each.waits and each.wanted == quantity for each, quantity in wanted):
                return unknown
        return None

    def _shop(self) -> Shop | None:
        party = self._means.accounts.of(self._channel.source)
        if party is None or not isinstance(party.adapter, Offering):
            return None
        return Shop(self._channel, party, self._means)
