"""All of a partition in Redis, and what a fold of its entries says must be there."""

from collections.abc import Iterable
from typing import Any

import msgspec
from redis.asyncio import Redis

from hub.domain.entry import FIELD, Seq
from hub.domain.folding import Setting, remembered_in, settings_in
from hub.stock import keys

# By place and field.
Fields = dict[tuple[str, bytes], bytes]

# Denials are no entries, so nobody can restore them.
DENIED = b"denied\0"
# Not of what entries set.
_APART = ("journal", "meta", "healing")


async def contents(client: Redis) -> dict[str, Any]:
    """Every key of the partition but journal and meta, without its prefix."""
    found: dict[str, Any] = {}
    async for key in client.scan_iter(match=keys.PREFIX + "*", count=1000):
        place = key.decode().removeprefix(keys.PREFIX)
        if place not in _APART and (value := await _value(client, key)):
            found[place] = value
    return found


async def _value(client: Redis, key: bytes) -> Any:
    told: Any
    match await client.type(key):
        case b"hash":
            told = await client.hgetall(key)  # type: ignore[misc]
            return {field: value for field, value in told.items() if not field.startswith(DENIED)}
        case b"set":
            told = await client.smembers(key)  # type: ignore[misc]
            return set(told)
        case b"zset":
            told = await client.zrange(key, 0, -1, withscores=True)
            return dict(told)
        case _:
            return await client.get(key)


async def journal(client: Redis) -> list[tuple[Seq, bytes]]:
    """All entries."""
    found: Any = await client.xrange(keys.JOURNAL)
    return [(Seq.from_stream_id(place), fields[FIELD]) for place, fields in found]


def folded(entries: Iterable[tuple[Seq, bytes]]) -> Fields:
    """The fold of entries."""
    fields: Fields = {}
    for seq, raw in entries:
        remembered = remembered_in(seq, raw)
        for setting in [*settings_in(seq, raw), *([remembered] if remembered is not None else [])]:
            put(fields, setting)
    return fields


def put(fields: Fields, setting: Setting) -> None:
    place, field, value = setting
    if value is None:
        fields.pop((place, field), None)
    else:
        fields[place, field] = value


def as_in_redis(fields: Fields) -> dict[str, Any]:
    """The hashes of a fold as `contents` gives them, `ahead` as a set and the house as its document."""
    found: dict[str, Any] = {}
    for (place, field), value in fields.items():
        if place == "house":
            found |= {"house": value} if field == b"document" else {}
        elif place == "ahead":
            found.setdefault(place, set()).add(field)
        else:
            found.setdefault(place, {})[field] = value
    return found


def unpacked(found: dict[str, Any]) -> dict[str, Any]:
    """Values as they read, to see by which a difference comes."""
    return {
        place: {field: _read(value) for field, value in fields.items()} if isinstance(fields, dict) else fields
        for place, fields in found.items()
    }


def _read(value: Any) -> Any:
    try:
        return msgspec.msgpack.decode(value)
    except (msgspec.MsgspecError, TypeError):
        return value
