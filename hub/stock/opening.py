"""Give a partition its house: at the opening, and whenever it is exchanged."""

from typing import Any, NamedTuple
from uuid import UUID

from redis.asyncio import Redis

from hub.domain.document import DOCUMENT_BYTES_MAX, encode_document, token_of
from hub.domain.rules import House
from hub.faults import ServerRefused, SettingsInvalid
from hub.stock import keys
from hub.stock.scripts import Script


class Opened(NamedTuple):
    """What an open partition says of itself."""

    # The number of the next entry.
    next: int
    rules_version: int
    # The first day, counted from 1970, whose dedupe records Redis still has.
    seen_from: int
    now_ms: int


async def give_house(
    script: Script, client: Redis, place: tuple[UUID, int], house: House, instead_of: str, *, create: bool
) -> Opened | None:
    """Give the partition a house in place of the document with the token `instead_of`, empty being any.

    `place` is the hub and the epoch that the partition must be of. None: it holds another document by now, and nothing
    was changed.

    Raises:
        ServerRefused: the partition is missing, belongs to another hub or epoch, or is halted.
        SettingsInvalid: the house is too large.
        Unavailable: Redis did not answer; whether the house was taken is unknown.
    """
    document = encode_document(house.document)
    if len(document) > DOCUMENT_BYTES_MAX:
        raise SettingsInvalid(f"the house takes more than {DOCUMENT_BYTES_MAX // 2**20} MiB; name fewer rules")
    hub, epoch = place
    args = (str(hub), epoch, house.digest, int(create), document, token_of(document), instead_of)
    reply: Any = await script.call(client, [keys.META, keys.JOURNAL, keys.HOUSE], *args)
    word = reply[0].decode()
    if word == "changed":
        return None
    if word != "opened":
        raise ServerRefused(_REFUSALS[word])
    return Opened(*map(int, reply[1:]))


# What a person can do about a Redis that lacks stock.
NO_REBUILD = "`hub rebuild` makes it anew from the ledger"
_REFUSALS = {
    "missing": f"Redis has no stock of this hub, but the ledger knows some: {NO_REBUILD}",
    "other_hub": "Redis holds the stock of another hub: give each hub its own Redis database or data folder",
    "other_epoch": "the ledger is of an older epoch than Redis: it was restored from a copy that is too old. Bring the "
    "newer one back; else `hub rebuild --whole` makes Redis what this ledger says, and what it lacks is lost",
    "halted": f"the partition is halted: it is being healed, or a write failed half way: {NO_REBUILD}",
}
