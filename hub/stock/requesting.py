"""Ask the kernel for requests about reservations: granted, denied, or so already.

The kernel touches only the SKUs that a command names, so what a request may touch beside those it asks for is looked up
first: the units that the reservation has, and those of the one whose place it takes. When that is outdated by the time
the kernel is asked, it says so (`look_again`) and writes nothing.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from time import time

import msgspec

from hub.crashpoints import crash
from hub.domain.command import OWN_SOURCE, Asking, Fact, Line
from hub.domain.holding.due import GivenBack
from hub.domain.holding.hold import Hold
from hub.faults import Unavailable
from hub.patience import attempts
from hub.stock.batcher import Batcher
from hub.stock.described import Described
from hub.stock.held import Held
from hub.stock.message import Command, Refresh
from hub.stock.outcome import AsItIs, Broken, Busy, Granted, LookAgain, Outcome, Stale


class Requests:
    """Asks for requests, for the doors and for the watch over what is due."""

    def __init__(self, held: Held, batcher: Batcher, described: Described) -> None:
        self._held = held
        self._batcher = batcher
        self._described = described

    async def ask(self, request: Fact, hold: Hold | None = None) -> Outcome:
        """Ask for one request; it comes without lines, its SKUs under any name.

        `hold` is the reservation that it changes, as the caller saw it a moment before.

        Raises:
            Unavailable: a store did not answer, so the outcome is unknown; ask again.
        """
        [outcome] = await self._ask([request], {_asking(request).name: hold} if hold else {})
        if isinstance(outcome, Busy):
            raise Unavailable(outcome.why)
        if isinstance(outcome, Broken):
            raise Unavailable(f"Redis holds something unexpected: {outcome.why}; `hub verify` says where")
        return outcome

    async def _ask(self, requests: Sequence[Fact], seen: Mapping[str, Hold]) -> list[Outcome]:
        """Ask for the requests in their order, by what was seen of holds before; one outcome for each."""
        outcomes: dict[int, Outcome] = {}
        stale: set[str] = set()
        for _ in attempts():
            left = [index for index in range(len(requests)) if index not in outcomes]
            if stale:
                # Perhaps another process described it: then a name may mean another SKU, and other rules hold.
                await self._described.catch_up(stale)
            completed = await self._complete([requests[index] for index in left], seen)
            if crash.armed and await crash.at("holds looked up"):
                completed = await self._complete([requests[index] for index in left], seen)
            # Whoever is told to look again looks.
            seen = {}
            first: list[Command] = [Refresh(sku) for sku in sorted(stale)]
            stale = set()
            answered = await self._batcher.submit([*first, *completed])
            for index, sent, outcome in zip(left, completed, answered[len(first) :], strict=True):
                if isinstance(outcome, Stale):
                    # The kernel names the first it met; the others of the request are most likely as old.
                    stale.update(line.sku for line in sent.lines)
                elif not isinstance(outcome, LookAgain):
                    outcomes[index] = outcome
            if len(outcomes) == len(requests):
                return [outcomes[index] for index in range(len(requests))]
        raise Unavailable("the house's rules, or the reservation, change faster than could be asked")

    async def expire(self, names: Sequence[str], share: float) -> GivenBack:
        """Give back what is over of these holds, in the given share of the time.

        Raises:
            Unavailable: as `ask`.
        """
        clock = asyncio.get_running_loop().time
        holds = await self._held.find(names)
        given_back, stuck = 0, [f"{name} is not known" for name in names if name not in holds]
        for some in _groups(holds, self._batcher.requests_per_call()):
            began = clock()
            outcomes = await self._ask([_expiry(name, int(time() * 1000)) for name in some], holds)
            given_back += sum(isinstance(outcome, Granted) for outcome in outcomes)
            stuck += [str(outcome) for outcome in outcomes if not isinstance(outcome, Granted | AsItIs)]
            await asyncio.sleep((clock() - began) * (1 / share - 1))
        return GivenBack(given_back, len(stuck), stuck[0] if stuck else "")

    async def _complete(self, requests: Sequence[Fact], seen: Mapping[str, Hold]) -> list[Fact]:
        """The requests with a line for each SKU that they may touch, by the house's names of now."""
        named = [_place_taken(request) for request in requests if _asking(request).is_named]
        replaced = dict(zip(named, await self._held.replaceable(named), strict=True)) if named else {}
        # A reservation that is known already is not made again, so what it has is not touched.
        changed = [_asking(request).name for request in requests if request.verb != "reserve"]
        unseen = [name for name in dict.fromkeys((*changed, *filter(None, replaced.values()))) if name not in seen]
        holds = {**seen, **await self._held.find(unseen)} if unseen else seen
        return [self._completed(request, holds, replaced.get(_place_taken(request), "")) for request in requests]

    def _completed(self, request: Fact, holds: Mapping[str, Hold], replaced: str) -> Fact:
        asking, house_name = _asking(request), self._described.catalogue.sku
        asked = tuple([(house_name(sku), location, units) for sku, location, units in asking.asked])
        skus = dict.fromkeys([sku for sku, _, _ in asked])
        for name in (asking.name, replaced):
            if name in holds:
                skus |= dict.fromkeys(part.sku for part in holds[name].parts)
        lines = tuple([Line(sku, "", 0) for sku in skus])
        return msgspec.structs.replace(request, lines=lines, detail=msgspec.structs.replace(asking, asked=asked))


def _asking(request: Fact) -> Asking:
    assert isinstance(request.detail, Asking)
    return request.detail


def _place_taken(request: Fact) -> tuple[str, str, str]:
    """Whose, in which pool and of which kind the reservation is whose place a named one takes."""
    asking = _asking(request)
    return asking.owner, request.pool, asking.kind


def _groups(holds: Mapping[str, Hold], skus_max: int) -> Iterator[list[str]]:
    """The names in their order, in groups of holds that have at most so many SKUs together, or of one hold."""
    group: list[str] = []
    skus = 0
    for name, hold in holds.items():
        if group and skus + len(hold.skus) > skus_max:
            yield group
            group, skus = [], 0
        group.append(name)
        skus += len(hold.skus)
    if group:
        yield group


def _expiry(name: str, now_ms: int) -> Fact:
    return Fact(
        verb="expire",
        type="reservation.expired",
        source=OWN_SOURCE,
        id=name,
        # There is but one way to be over.
        hash="expired",
        time_ms=now_ms,
        stated_ms=now_ms,
        ledger_checked=True,
        payload="",
        detail=Asking(name),
    )
