"""One account as a channel tells it: asking its adapter, which is perhaps a stranger's, and the vendor behind it.

Whatever the adapter does, the hub goes on, and what it says is bounded and held to the contract.
"""

from collections.abc import Mapping, Sequence
from math import isfinite
from traceback import extract_tb

import msgspec
import structlog

from adapters.contract import ROUNDS_MAX, Answer, Need
from adapters.offering import Heard, Listing, Offer, Offering, Request, Shelf, Told
from hub.outbound.calling import Unheard
from hub.outbound.means import Means
from hub.settings.tree import Channel
from hub.stock.allowances import REST_SECONDS_MAX
from hub.webhooks.accounts import Party
from hub.webhooks.fetching import FETCHED_BYTES_MAX, Failed
from protocol.limits import QUANTITY_MAX

log = structlog.get_logger()

# Things that may be fetched to find some SKUs.
NEEDS_MAX = 1_000
LISTING_CHARS_MAX = 1_000
# An offer's own fault cannot be any of these: they are about the account.
ACCOUNTS_OWN = frozenset({401, 402, 403, 407, 423})
# Offers that a round gives to an adapter, however many it takes.
OFFERS_MAX = 1_000
# Where a vendor says that it is asked too often, and not for how long to wait.
PATIENCE_SECONDS = 5.0

_BROKEN = "the adapter has a defect"


class Trouble(msgspec.Struct, frozen=True):
    """The vendor was not asked, or did not answer as it should."""

    why: str
    # It asks to be left alone for so long; not 0: nothing is wrong with it.
    wait_seconds: float = 0.0
    # What was asked may be why.
    may_be_mine: bool = False


class Shop:
    """One account, for one channel."""

    def __init__(self, channel: Channel, party: Party, means: Means) -> None:
        assert isinstance(party.adapter, Offering)
        self.party = party
        self._offering: Offering = party.adapter
        self._shelf = Shelf(party.account, channel.location)
        self._means = means

    @property
    def source(self) -> str:
        """The account's id."""
        return self.party.settings.id

    @property
    def offers_max(self) -> int:
        """Offers that the adapter is given at once."""
        return max(1, min(self._offering.offers_max, OFFERS_MAX))

    async def find(self, skus: Sequence[str]) -> Mapping[str, Listing | None] | Trouble:
        """What the vendor sells of these, and has of them; None: it sells no such thing, or it cannot be told which.

        What it does not know by the house's name is looked for by the SKU's other names; those that there is no room to
        ask for now are left out.
        """
        own = await self._found(skus)
        if isinstance(own, Trouble):
            return own
        asked = self._names_that_fit([sku for sku in skus if sku not in own])
        theirs = await self._found([name for names in asked.values() for name in names]) if any(asked.values()) else {}
        if isinstance(theirs, Trouble):
            return theirs
        found: dict[str, Listing | None] = {**own}
        for sku, names in asked.items():
            listings = {theirs[name].id: theirs[name] for name in names if name in theirs}
            # Two articles that are one of ours would each be told of all that there is.
            found[sku] = listings.popitem()[1] if len(listings) == 1 else None
        return found

    def _names_that_fit(self, skus: Sequence[str]) -> dict[str, list[str]]:
        """The other names of as many SKUs as fit into one question, in their order."""
        found: dict[str, list[str]] = {}
        room = self.offers_max
        for sku in skus:
            names = self._means.accounts.names(sku)[: self.offers_max]
            if len(names) > room:
                break
            found[sku], room = names, room - len(names)
        return found

    async def _found(self, skus: Sequence[str]) -> Mapping[str, Listing] | Trouble:
        """What the vendor calls just so."""
        fetched: dict[str, bytes] = {}
        size = 0
        try:
            needs: Sequence[Need] = self._offering.find(skus, self._shelf)
            for _ in range(ROUNDS_MAX):
                for need in needs[:NEEDS_MAX]:
                    if need.name in fetched:
                        continue
                    answer = await self._means.fetcher.ask(self.party, need, self._offering.find_cost)
                    if isinstance(answer, Failed):
                        return Trouble(answer.why, answer.retry_after_seconds, may_be_mine=not answer.passes)
                    size += len(answer.body)
                    if size > FETCHED_BYTES_MAX:
                        return Trouble("what it tells of some SKUs is too much", may_be_mine=True)
                    fetched[need.name] = answer.body
                found = self._offering.found(skus, self._shelf, fetched)
                if found is None:
                    return Trouble("what it tells of some SKUs cannot be read", may_be_mine=True)
                if isinstance(found, Mapping):
                    return {sku: _read(found[sku]) for sku in skus if sku in found and _is_fit(found[sku])}
                needs = found
        except Exception as error:
            self._note("find", error)
            return Trouble(_BROKEN, may_be_mine=True)
        return Trouble(f"it still needs something after {ROUNDS_MAX} rounds", may_be_mine=True)

    def requests(self, offers: Sequence[Offer], key: str) -> tuple[Request, ...]:
        """What to send; of an adapter with a defect nothing. Each offer is in one request at most."""
        try:
            made = self._offering.requests(offers, self._shelf, key, int(self._means.clock() * 1000))
            named = [offer for request in made for offer in request.offers]
            if len(named) != len(set(named)):
                raise ValueError("an offer is in two requests")
            if not set(named) <= set(offers):
                raise ValueError("a request is about what was not offered")
        except Exception as error:
            self._note("requests", error)
            return ()
        return tuple(made)

    async def send(self, request: Request) -> Heard | Unheard | Trouble:
        """Send one request, whose units are taken, and have the answer understood."""
        answer = await self._means.caller.call(self.party, request)
        if isinstance(answer, Unheard):
            return answer
        if answer.status in ACCOUNTS_OWN:
            return Trouble(f"it answers {answer.status}: it does not accept the account's token")
        if 300 <= answer.status < 400:
            return Trouble(f"it answers {answer.status}; redirects are not followed")
        return self._heard(request, answer)

    def _heard(self, request: Request, answer: Answer) -> Heard | Trouble:
        try:
            heard = _bounded(self._offering.heard(request, answer))
            if len(heard.told) != len(request.offers):
                raise ValueError("it tells of another number of offers")
        except Exception as error:
            self._note("heard", error)
            heard = Heard(told=(Told("again", _BROKEN),) * len(request.offers))
        if answer.status == 429 and not heard.wait_seconds:
            return Trouble("it answers 429: it is asked too often", wait_seconds=PATIENCE_SECONDS)
        if answer.status >= 500 and not heard.wait_seconds and all(told.outcome == "again" for told in heard.told):
            return Trouble(f"it answers {answer.status}", may_be_mine=True)
        return heard

    def _note(self, doing: str, error: Exception) -> None:
        # Without the error's own text, which may quote what was sent, or the token.
        [*_, at] = extract_tb(error.__traceback__)
        what = f"{type(error).__name__} at {at.filename}:{at.lineno}"
        about = {"source": self.source, "adapter": self.party.settings.adapter}
        log.error("an adapter failed", **about, doing=doing, error=what)


def _is_fit(listing: Listing) -> bool:
    return 0 < len(listing.id) <= LISTING_CHARS_MAX


def _read(listing: Listing) -> Listing:
    """As it can be kept: a number that no stock is says nothing."""
    has = listing.available
    is_stock = isinstance(has, int) and abs(has) <= QUANTITY_MAX
    return Listing(listing.id, has if is_stock else None)


def _bounded(heard: Heard) -> Heard:
    """As the contract has it.

    Raises:
        ValueError: something in it is of another kind, or no number.
    """
    heard = msgspec.convert(msgspec.to_builtins(heard), Heard)
    said = (heard.wait_seconds, heard.left, heard.per_second)
    if not all(number is None or isfinite(number) for number in said):
        raise ValueError("it tells of a number that is none")
    return msgspec.structs.replace(heard, wait_seconds=min(heard.wait_seconds, REST_SECONDS_MAX))
