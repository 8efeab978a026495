"""One round of offers to one vendor: some are found, some are sent at once, and what became of each is noted.

What is sent is remembered before, as on its way: a hub that ends before the answer asks the vendor what it has.
"""

from collections.abc import Sequence
from time import monotonic
from uuid import uuid4

import msgspec

from adapters.offering import Heard, Offer, Request, Told
from hub.domain.offers import ON_ITS_WAY, Offered, Offers, Remembered, absent, put_off, refused, stale, taken
from hub.outbound.calling import Unheard
from hub.outbound.means import Means
from hub.outbound.shop import Shop, Trouble

# After so long no more are begun: something more urgent may have come.
ROUND_SECONDS = 1.0
# A request of which nothing was heard is sent once more as it was, so soon.
REPEAT_SECONDS = 1.0
# How a try ends that only asked the vendor what it has.
FOUND = "found"


class Unknown(msgspec.Struct, frozen=True):
    """A request that the vendor may have heard: its own key tells it that it is the same one."""

    request: Request
    at: float


class Round:
    """How one round fares; everything that it changes is in `offers`, and in `dirty` what is to be remembered."""

    def __init__(self, channel: str, offers: Offers, shop: Shop, means: Means) -> None:
        self._channel = channel
        self._offers = offers
        self._shop = shop
        self._means = means
        self._circuit = means.circuit(shop.source)
        self._began = monotonic()
        self._skus: frozenset[str] = frozenset()
        self.dirty: dict[str, Offered] = {}
        self.unknown: list[Unknown] = []
        # The account wants to be left alone for so long.
        self.quiet_seconds = 0.0
        self.troubles: list[Trouble] = []
        self.opened_circuit = self.closed_circuit = False

    async def run(self, due: Sequence[Offered]) -> None:
        """Tell what is due, the most urgent first; what there was no time for is due as before.

        Raises:
            Fault: a store did not answer.
        """
        self._skus = frozenset(each.sku for each in due)
        ready = [each for each in due if not _is_unknown(each)]
        if _is_unknown(due[0]):
            await self._find([each for each in due if _is_unknown(each)][: self._shop.offers_max])
            ready = [each for each in due if each.waits and each.known.listing and each.known.next_at <= self._now()]
        ready = ready[: self._shop.offers_max]
        if ready and not self._is_over():
            await self._tell(ready)

    async def repeat(self, unknown: Unknown) -> None:
        """Send a request once more as it was."""
        self._skus = frozenset(offer.sku for offer in unknown.request.offers)
        await self._send(unknown.request, is_first=False)

    async def _find(self, wanted: Sequence[Offered]) -> None:
        self._circuit.begin(self._now())
        found = await self._shop.find([each.sku for each in wanted])
        now, jitter = self._now(), self._means.jitter
        if isinstance(found, Trouble):
            self._note_trouble(found)
            counts = self._counts(found, len(wanted))
            if not found.wait_seconds:
                for each in wanted:
                    self._note(each, put_off(each.known, found.why, now, jitter(), counts=counts))
            return
        for each in wanted:
            if each.sku not in found:
                # Asked for in the next round.
                continue
            listing = found[each.sku]
            if listing is None:
                self._note(each, absent(each.known, "the vendor does not sell it", now, jitter()))
                continue
            known = msgspec.structs.replace(
                each.known, listing=listing.id, has=listing.available, outcome=FOUND, next_at=0.0
            )
            # Perhaps it has what it shall have.
            has = known.has
            self._note(each, known if has is None or has != each.wanted else taken(known, has, now))
        if not any(each.waits for each in wanted):
            self._note_answer()

    async def _tell(self, ready: Sequence[Offered]) -> None:
        requests: list[Request] = []
        for group in _together(ready):
            offers = [Offer(each.sku, each.known.listing, each.wanted or 0, each.known.has) for each in group]
            requests += self._shop.requests(offers, uuid4().hex)
        named = {offer.sku for request in requests for offer in request.offers}
        for each in ready:
            if each.sku not in named:
                why = "its adapter says nothing of how to tell it"
                self._note(each, put_off(each.known, why, self._now(), self._means.jitter()))
        # One after the other: some vendors do what came later first.
        for request in requests:
            if self._is_over():
                break
            # Others went before it: what changed meanwhile is told as it is then.
            if all(self._is_newest(offer) for offer in request.offers):
                await self._send(request)

    def _is_newest(self, offer: Offer) -> bool:
        each = self._offers.get(offer.sku)
        return each is not None and each.wanted == offer.quantity

    def _is_over(self) -> bool:
        """Whether more would be too late, or only cost time."""
        if self.quiet_seconds > 0 or self.troubles:
            return True
        if monotonic() > self._began + ROUND_SECONDS:
            return True
        # What sold out meanwhile goes first.
        return any(each.rank == 0 and each.sku not in self._skus for each in self._offers.due(self._now(), 1))

    async def _send(self, request: Request, *, is_first: bool = True) -> None:
        wait_seconds = await self._means.allowances.take(self._shop.source, request.cost)
        if wait_seconds > 0:
            # Nobody waits here: by then there may be newer numbers.
            self._keep_quiet(wait_seconds)
            if not is_first:
                self.unknown.append(Unknown(request, self._now()))
            return
        if is_first:
            await self._remember_sent(request)
        self._circuit.begin(self._now())
        await self._take(request, await self._shop.send(request), is_first=is_first)

    async def _remember_sent(self, request: Request) -> None:
        for offer in request.offers:
            each = self._offers.get(offer.sku)
            assert each is not None
            each.known = msgspec.structs.replace(each.known, tried=offer.quantity, outcome=ON_ITS_WAY)
            self.dirty[each.sku] = each
        await self._means.memory.write(self._channel, [self.dirty[offer.sku].known for offer in request.offers])

    async def _take(self, request: Request, heard: Heard | Unheard | Trouble, *, is_first: bool) -> None:
        now = self._now()
        if isinstance(heard, Heard):
            if heard.wait_seconds > 0:
                await self._rest(heard.wait_seconds)
            await self._means.allowances.hear(self._shop.source, heard.left, heard.per_second)
            self._note_answer()
            is_split = heard.is_one_at_fault and len(request.offers) > 1
            for offer, told in zip(request.offers, heard.told, strict=True):
                self._hear(offer, told, counts=not heard.wait_seconds, is_alone=is_split)
            return
        if isinstance(heard, Trouble) and heard.wait_seconds:
            await self._rest(heard.wait_seconds)
            for offer in request.offers:
                self._hear(offer, Told("again", heard.why), counts=False)
            return
        may_be_done = isinstance(heard, Unheard) and heard.may_be_done
        trouble = heard if isinstance(heard, Trouble) else Trouble(heard.why)
        self._note_trouble(trouble)
        counts = self._counts(trouble, len(request.offers))
        repeat_at = now + REPEAT_SECONDS
        if may_be_done and is_first:
            self.unknown.append(Unknown(request, repeat_at))
        for offer in request.offers:
            each = self._offers.get(offer.sku)
            assert each is not None
            outcome = ON_ITS_WAY if may_be_done else "again"
            known = put_off(each.known, trouble.why, now, self._means.jitter(), counts=counts, outcome=outcome)
            if may_be_done or trouble.may_be_mine:
                # It may have been taken nevertheless.
                known = msgspec.structs.replace(known, has=None)
            if may_be_done and is_first:
                known = msgspec.structs.replace(known, next_at=repeat_at)
            self._note(each, known)

    def _hear(self, offer: Offer, told: Told, *, counts: bool, is_alone: bool = False) -> None:
        each = self._offers.get(offer.sku)
        assert each is not None
        each.is_alone = is_alone
        known, now, jitter = each.known, self._now(), self._means.jitter()
        match told.outcome:
            case "taken":
                known = taken(known, offer.quantity, now)
            case "stale":
                known = stale(known, told.why, now, jitter)
                if each.wanted == 0 and known.conflicts == 1:
                    # Whatever it sold meanwhile, there is nothing left to sell.
                    known = msgspec.structs.replace(known, next_at=0.0)
            case "absent":
                # What it sold a moment ago it may sell under another name by now; it is looked for once more.
                known = put_off(known, told.why, now, jitter)
                known = msgspec.structs.replace(known, listing="", has=None)
            case "refused":
                known = refused(known, told.why)
            case "again":
                known = put_off(known, told.why, now, jitter, counts=counts and not is_alone)
                if is_alone or not counts:
                    known = msgspec.structs.replace(known, next_at=0.0)
        self._means.on_outcome(self._channel, told.outcome)
        self._note(each, known)

    def _note(self, each: Offered, known: Remembered) -> None:
        self._offers.note(each, known, self._now())
        self.dirty[each.sku] = each

    def _keep_quiet(self, seconds: float) -> None:
        self.quiet_seconds = max(self.quiet_seconds, seconds)
        # A probe that could not be made is made then.
        self._circuit.put_off(self._now() + seconds)

    async def _rest(self, seconds: float) -> None:
        self._keep_quiet(seconds)
        await self._means.allowances.rest(self._shop.source, seconds)

    def _counts(self, trouble: Trouble, told: int) -> bool:
        """Whether the fault may be that of what was told, and of just that: the vendor answers, and takes others."""
        return trouble.may_be_mine and told == 1 and self._circuit.state == "closed"

    def _note_trouble(self, trouble: Trouble) -> None:
        if trouble.wait_seconds:
            self._keep_quiet(trouble.wait_seconds)
            return
        self.troubles.append(trouble)
        self.opened_circuit |= self._circuit.note_failure(trouble.why, self._now(), self._means.jitter())

    def _note_answer(self) -> None:
        self.closed_circuit |= self._circuit.note_answer()

    def _now(self) -> float:
        return self._means.clock()


def _together(ready: Sequence[Offered]) -> list[list[Offered]]:
    """Which are told in one go; one that may be at fault for what became of others is told by itself."""
    others = [each for each in ready if not each.is_alone]
    return [*([others] if others else []), *([each] for each in ready if each.is_alone)]


def _is_unknown(each: Offered) -> bool:
    """Whether the vendor is to be asked first what it calls it and has of it.

    Where it was asked and does not say what it has, it is told nevertheless.
    """
    return not each.known.listing or (each.known.has is None and each.known.outcome != FOUND)
