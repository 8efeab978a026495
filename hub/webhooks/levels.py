"""A vendor's own numbers of what it has: compared with ours, or taken as the book of a place that it masters.

What a vendor calls available is free to be sold there: it has taken off what it promised and what is not for sale. So
it is compared with the free and the fenced units of a position less its deficit, and where it masters the place, what
is reserved or aside here is added to make the whole shelf of a count.

Where a channel tells a vendor what it shall have, its own numbers are compared with what it was told, and not with a
position: what a pool shows, less what the channel keeps back, is no position's.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from adapters.contract import Level
from hub.domain.rules import House
from hub.stock.reads import Reads
from hub.webhooks.accounts import Party
from protocol.answers import PositionItem
from protocol.events import AbsoluteLine, Count
from protocol.limits import QUANTITY_MAX

# Differences that are remembered of one source; the oldest are forgotten.
DIFFERENCES_MAX = 2_000

# (SKU, location) -> the numbers that a vendor may have by what it was told; None: it was told nothing yet.
ToldOf = Mapping[tuple[str, str], frozenset[int] | None]

# (SKU by the house's name, location) -> the position, where there is one.
Positions = Mapping[tuple[str, str], PositionItem]


class Offers(Protocol):
    """What vendors were told; `hub.outbound.told.Told` is one."""

    def channel_at(self, party: Party, location: str) -> str | None:
        """The channel that tells this account what it has at one of our locations; None: none does."""
        ...

    async def told(self, channel: str, skus: Sequence[str]) -> Mapping[str, frozenset[int]]:
        """The numbers that a vendor may have by what it was told, of those SKUs that it was told anything of.

        Raises:
            Unavailable: the ledger did not answer.
        """
        ...


class Drift:
    """By how many units sources and the hub differ, as far as this process was told; `tell` takes each new sum."""

    def __init__(self, tell: Callable[[str, int], None]) -> None:
        self._tell = tell
        # Source -> (SKU, location) -> units, where they differ.
        self._units: dict[str, dict[tuple[str, str], int]] = {}

    def note(self, source: str, differences: Mapping[tuple[str, str], int]) -> None:
        """A source was compared; 0 is no difference any more."""
        known = self._units.setdefault(source, {})
        for place, units in differences.items():
            known.pop(place, None)
            if units:
                known[place] = units
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


async def told_of(levels: Iterable[Level], party: Party, house: House, offers: Offers | None) -> ToldOf:
    """What the vendor was told of what the levels are about, as far as a channel tells it anything there.

    Raises:
        Unavailable: the ledger did not answer.
    """
    found: dict[tuple[str, str], frozenset[int] | None] = {}
    if offers is None:
        return found
    wanted: dict[str, list[str]] = {}
    for level in levels:
        wanted.setdefault(level.location, []).append(house.sku(level.sku))
    for location, skus in wanted.items():
        if channel := offers.channel_at(party, location):
            told = await offers.told(channel, skus)
            found |= {(sku, location): told.get(sku) for sku in skus}
    return found


def differences(
    levels: Iterable[Level], house: House, positions: Positions, told: ToldOf = MappingProxyType({})
) -> dict[tuple[str, str], int]:
    """How many units more than us the vendor has, of each SKU that it counts and we know by its name."""
    found: dict[tuple[str, str], int] = {}
    for level in levels:
        if level.available is None:
            continue
        place = (house.sku(level.sku), level.location)
        ours = told[place] if place in told else frozenset({_ours(positions.get(place))})
        # What it was told nothing of yet is no difference; of several numbers on their way each is right.
        found[place] = min((level.available - each for each in ours or {level.available}), key=abs)
    return found


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
