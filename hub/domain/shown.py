"""A view and a position as they are told to those outside."""

import msgspec

from hub.domain.pools import Status, View
from hub.domain.position import Position
from protocol.answers import AvailabilityItem, PositionItem, rfc3339

# The pools that somebody may see; None: all.
PoolsSeen = frozenset[str] | None

_WORDS = tuple(status.word for status in Status)


def item(
    sku: str, view: View, epoch: int, *, now_ms: int, pool: str | None = None, lost_epoch: int = 0
) -> AvailabilityItem:
    """The item on the wire; `now_ms` stands in for the time of a change where nothing was ever shown."""
    return AvailabilityItem(
        sku=sku,
        pool=pool,
        available=None if view.available < 0 else view.available,
        capped=view.capped == 1,
        status=_WORDS[view.status],
        eta=rfc3339(view.eta_ms) if view.eta_ms else None,
        rev=view.rev(epoch, lost_epoch),
        at=rfc3339(view.at_ms or now_ms),
    )


def seen_with(position: PositionItem, pools: PoolsSeen) -> PositionItem:
    """The position for whoever sees only these pools: others' fences are not named, their units stay in `on_hand`."""
    if pools is None or pools.issuperset(position.ring_fenced):
        return position
    fenced = {pool: units for pool, units in position.ring_fenced.items() if pool in pools}
    return msgspec.structs.replace(position, ring_fenced=fenced)


def position_item(sku: str, location: str, position: Position) -> PositionItem:
    """The position on the wire; only fences and statuses that hold units are named."""
    return PositionItem(
        sku=sku,
        location=location,
        on_hand=position.on_hand,
        free=position.free,
        ring_fenced={fence.pool: fence.quantity for fence in position.fences if fence.quantity},
        reserved=position.reserved,
        aside=dict(position.aside),
        deficit=position.deficit,
    )
