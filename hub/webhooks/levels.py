"""A vendor's own numbers of what it has: compared with ours, or taken as the book of a place that it masters.

What a vendor calls available is free to be sold there: it has taken off what it promised and what is not for sale. So
it is compared with the free and the fenced units of a position less its deficit, and where it masters the place, what
is reserved or aside here is added to make the whole shelf of a count.

Where a channel tells a vendor what it shall have, its own numbers are compared with what it was told, and not with a
position: what a pool shows, less what the channel keeps back, is no position's.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from adapters.contract import Level
from hub.domain.drifting import DIFFERENCES_MAX, Rightful, Told, units_beside
from hub.domain.rules import House
from hub.stock.reads import Reads
from hub.webhooks.accounts import Party
from hub.webhooks.drifting import Memory
from protocol.answers import PositionItem, epoch_ms
from protocol.events import AbsoluteLine, Count
from protocol.limits import QUANTITY_MAX

# (SKU, location) -> the numbers that a vendor may have.
Right = Mapping[tuple[str, str], Rightful]

# (SKU by the house's name, location) -> the position, where there is one.
Positions = Mapping[tuple[str, str], PositionItem]


class Offers(Protocol):
    """What vendors were told; `hub.outbound.told.Told` is one."""

    def channel_at(self, party: Party, location: str) -> str | None:
        """The channel that tells this account what it has at one of our locations; None: none does."""
        ...

    async def told(self, channel: str, skus: Sequence[str]) -> Mapping[str, Rightful]:
        """The numbers that a vendor may have by what it was told, of those SKUs that it was told anything of.

        Raises:
            Unavailable: the ledger did not answer.
        """
        ...


class Drift:
    """By how many units sources and the hub differ, as far as this process was told; `tell` takes each new sum."""

    def __init__(self, tell: Callable[[str, int], None], memory: Memory) -> None:
        self._tell = tell
        self._memory = memory
        # Source -> (SKU, location) -> units, where they differ.
        self._units: dict[str, dict[tuple[str, str], int]] = {}

    async def note(self, source: str, told: Sequence[Told]) -> None:
        """A source was compared.

        Raises:
            Unavailable: the ledger did not answer, and nothing is noted.
        """
        if told:
            await self._memory.note(source, told)
        known = self._units.setdefault(source, {})
        for each in told:
            place = (each.sku, each.location)
            known.pop(place, None)
            if each.units:
                known[place] = each.units
        while len(known) > DIFFERENCES_MAX:
            del known[next(iter(known))]
        self._tell(source, sum(map(abs, known.values())))


async def positions_of(levels: Iterable[Level], house: House, reads: Reads) -> Positions:
    """The positions that the levels are about.

    Raises:
        Unavailable: Redis did not answer.
    """
    wanted: dict[str, set[str]] = {}
    for level in levels:
        wanted.setdefault(level.location, set()).add(house.sku(level.sku))
    return {
        (item.sku, item.location): item
        for location, skus in wanted.items()
        for item in await reads.positions_among(location, sorted(skus))
    }


async def right_of(
    party: Party, places: Iterable[tuple[str, str]], house: House, reads: Reads, offers: Offers | None
) -> dict[tuple[str, str], Rightful]:
    """The numbers that a vendor may have at each (SKU, location): what a channel told it there, else what we have.

    Raises:
        Unavailable: a store did not answer.
    """
    wanted: dict[str, dict[str, str]] = {}
    for sku, location in places:
        wanted.setdefault(location, {})[sku] = house.sku(sku)
    found: dict[tuple[str, str], Rightful] = {}
    for location, named in wanted.items():
        skus = sorted(set(named.values()))
        if offers is not None and (channel := offers.channel_at(party, location)):
            told = await offers.told(channel, skus)
            found |= {(sku, location): told.get(known, Rightful()) for sku, known in named.items()}
        else:
            items = {item.sku: item for item in await reads.positions_among(location, skus)}
            found |= {(sku, location): Rightful(frozenset({_ours(items.get(known))})) for sku, known in named.items()}
    return found


def differences(levels: Iterable[Level], house: House, right: Right) -> list[Told]:
    """What the vendor has of each SKU that it counts and we know by its name, and how much more than is right."""
    found: dict[tuple[str, str], Told] = {}
    for level in levels:
        if level.available is not None:
            sku, location = place = (house.sku(level.sku), level.location)
            at_ms = epoch_ms(level.time)
            units = units_beside(level.available, at_ms, right.get(place, Rightful()))
            found[place] = Told(sku, location, level.available, units, at_ms)
    return list(found.values())


def counts(levels: Iterable[Level], house: House, positions: Positions) -> list[Count]:
    """The vendor's numbers as its book of the whole shelf."""
    return [
        Count(
            id=level.id,
            time=level.time,
            location=level.location,
            counted_at=level.time,
            lines=(AbsoluteLine(sku=level.sku, quantity=_shelf(level.available, place)),),
            kind="system",
        )
        for level in levels
        if level.available is not None
        for place in [positions.get((house.sku(level.sku), level.location))]
    ]


def _ours(position: PositionItem | None) -> int:
    return 0 if position is None else position.free + sum(position.ring_fenced.values()) - position.deficit


def _shelf(available: int, position: PositionItem | None) -> int:
    kept = 0 if position is None else position.reserved + sum(position.aside.values())
    return min(max(0, available + kept), QUANTITY_MAX)
