"""What is told of channels: the shops and files that hear what a pool has."""

from typing import Literal

from msgspec import Struct

from protocol.identifiers import Sku


class ChannelItem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A channel, as whoever tells it wrote down a moment ago."""

    id: str
    # Null: the file does not name it any more.
    pool: str | None
    # The account that is told, or the file.
    to: str | None
    # SKUs whose target has another number than it shall have, and for how long the first of them waits.
    waiting: int
    lag_seconds: float
    # SKUs that were given up; whose number somebody else sets again and again; that the vendor does not sell; that it
    # is known to have a number of.
    dead: int
    drifting: int
    absent: int
    told: int
    # `open` while the vendor is only probed; `file` of a channel into a file; null: nobody told it yet.
    circuit: Literal["closed", "open", "file"] | None
    # When that was written; null: never.
    noted_at: str | None
    # What keeps it from being told, or did last.
    why: str | None = None


class ChannelsAnswer(Struct, frozen=True):
    """Every channel that is known, by id."""

    items: tuple[ChannelItem, ...]


class DeadOffer(Struct, frozen=True, kw_only=True):
    """A SKU that was given up."""

    sku: Sku
    # What the target was told last; null: nothing was.
    tried: int | None
    # `refused`, or `again` where it was tried too often.
    outcome: str
    attempts: int
    why: str


class ChannelAnswer(Struct, frozen=True):
    """A channel, and what of it was given up, by SKU."""

    channel: ChannelItem
    dead: tuple[DeadOffer, ...]
    # The cursor of the next page; null at the end.
    next: str | None


class ChannelRetryAnswer(Struct, frozen=True):
    """SKUs that are tried again, as if they had never been."""

    retried: int
