"""The positions of one location as its screens are told them."""

from collections.abc import Iterable
from typing import TypeVar

from msgspec.json import Decoder

from hub.domain.shown import PoolsSeen, seen_with
from protocol.answers import PositionItem
from protocol.frames import encode_item

T = TypeVar("T")

# A position as it was told -> what it says.
decode_position = Decoder(PositionItem).decode
# Items in one message, of which there may be any number.
POSITIONS_PER_MESSAGE = 500


def encoded(positions: Iterable[PositionItem], pools: PoolsSeen) -> dict[str, bytes]:
    """The positions as somebody who sees these pools may be told them, by SKU."""
    return {position.sku: encode_item(seen_with(position, pools)) for position in positions}


def messages_of(items: list[T]) -> list[list[T]]:
    """Items in messages of a bounded size; one without items where there are none."""
    starts = range(0, max(1, len(items)), POSITIONS_PER_MESSAGE)
    return [items[start : start + POSITIONS_PER_MESSAGE] for start in starts]
