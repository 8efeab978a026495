"""The positions of one location as its screens are told them."""

from collections.abc import Iterable

from hub.domain.shown import PoolsSeen, seen_with
from protocol.answers import PositionItem
from protocol.frames import encode_item

# Items in one message, of which there may be any number.
POSITIONS_PER_MESSAGE = 500


def encoded(positions: Iterable[PositionItem], pools: PoolsSeen) -> dict[str, bytes]:
    """The positions as somebody who sees these pools may be told them, by SKU."""
    return {position.sku: encode_item(seen_with(position, pools)) for position in positions}


def messages_of(items: list[bytes]) -> list[list[bytes]]:
    """Items in messages of a bounded size; one without items where there are none."""
    starts = range(0, max(1, len(items)), POSITIONS_PER_MESSAGE)
    return [items[start : start + POSITIONS_PER_MESSAGE] for start in starts]
