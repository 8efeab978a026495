"""What to write into Redis for some fields of the ledger's fold, and how to read it back. Pure.

Sets and indexes that follow from other fields are made here: the SKUs of a location from its positions, who keeps units
and what is due from the holds.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from hub.domain.folding import AHEAD, DOCUMENT, HOUSE
from hub.domain.verifying_holds import entries_of, read_hold
from hub.stock import keys

_PREFIX = keys.PREFIX.encode()
_HELD, _EXPIRY, _HOUSE = keys.HELD.encode(), keys.EXPIRY.encode(), keys.HOUSE.encode()
_SKU = "sku:"
_HOLDS = keys.HOLDS.removeprefix(keys.PREFIX)

Args = tuple[bytes, ...]


class Writes(msgspec.Struct):
    """Commands that write, and for each question that reads it back the answer that must come."""

    commands: list[Args] = msgspec.field(default_factory=list)
    questions: list[tuple[Args, list[Any]]] = msgspec.field(default_factory=list)
    # Keys that are written, but for the sets of locations.
    keys: list[bytes] = msgspec.field(default_factory=list)
    # By location: SKUs with a position there.
    members: dict[bytes, list[bytes]] = msgspec.field(default_factory=dict)
    fields: int = 0


# A place, its fields and their values; None: nothing any more.
Fields = tuple[str, Sequence[bytes], Sequence[bytes | None]]


def writes_of(places: Iterable[Fields], holds_before: dict[bytes, bytes] | None = None) -> Writes:
    """What makes these fields so; `holds_before` has the holds among them as Redis has them, where it has any."""
    made = Writes()
    for place, fields, values in places:
        made.fields += len(fields)
        if place == HOUSE:
            _add_house(made, fields, values)
        elif place == AHEAD:
            _add_members(made, _PREFIX + AHEAD.encode(), fields)
            made.keys.append(_PREFIX + AHEAD.encode())
        else:
            _add_fields(made, _PREFIX + place.encode(), fields, values)
            if place.startswith(_SKU):
                _note_positions(made, place[len(_SKU) :].encode(), fields)
            elif place == _HOLDS:
                _add_indexes(made, fields, values, holds_before or {})
    for location, skus in made.members.items():
        _add_members(made, _PREFIX + b"skus:" + location, skus)
    return made


def packed(commands: Iterable[Args]) -> bytes:
    """The commands as Redis reads them."""
    pieces: list[bytes] = []
    for args in commands:
        pieces.append(b"*%d\r\n" % len(args))
        pieces += [b"$%d\r\n%b\r\n" % (len(arg), arg) for arg in args]
    return b"".join(pieces)


def _add_fields(made: Writes, key: bytes, fields: Sequence[bytes], values: Sequence[bytes | None]) -> None:
    pairs = [
        each for pair in zip(fields, values, strict=True) if pair[1] is not None for each in pair if each is not None
    ]
    if pairs:
        made.commands.append((b"HSET", key, *pairs))
        made.keys.append(key)
    if len(pairs) < 2 * len(fields):
        gone = [field for field, value in zip(fields, values, strict=True) if value is None]
        made.commands.append((b"HDEL", key, *gone))
    made.questions.append(((b"HMGET", key, *fields), list(values)))


def _add_members(made: Writes, key: bytes, members: Sequence[bytes]) -> None:
    made.commands.append((b"SADD", key, *members))
    made.questions.append(((b"SMISMEMBER", key, *members), [1] * len(members)))


def _add_house(made: Writes, fields: Sequence[bytes], values: Sequence[bytes | None]) -> None:
    document = dict(zip(fields, values, strict=True)).get(DOCUMENT)
    if document is not None:
        made.commands.append((b"SET", _HOUSE, document))
        # As a list of one, like the others.
        made.questions.append(((b"MGET", _HOUSE), [document]))
        made.keys.append(_HOUSE)


def _note_positions(made: Writes, sku: bytes, fields: Sequence[bytes]) -> None:
    for field in fields:
        if field.startswith(keys.POSITION_FIELD):
            made.members.setdefault(field[len(keys.POSITION_FIELD) :], []).append(sku)


def _add_indexes(
    made: Writes, names: Sequence[bytes], values: Sequence[bytes | None], before: dict[bytes, bytes]
) -> None:
    listed: list[bytes] = []
    gone: list[bytes] = []
    due: dict[bytes, int] = {}
    for name, value in zip(names, values, strict=True):
        old = read_hold(before[name]) if name in before else None
        new = read_hold(value) if value is not None else None
        has = entries_of(name.decode(), new)
        listed += sorted(has)
        gone += sorted(entries_of(name.decode(), old) - has)
        due[name] = new.due_at_ms if new is not None else 0
    over = [name for name in due if not due[name] and name in before]
    soon = [name for name in due if due[name]]
    _add_to_index(made, _HELD, [(b"0", entry) for entry in listed], gone)
    _add_to_index(made, _EXPIRY, [(b"%d" % due[name], name) for name in soon], over)


def _add_to_index(made: Writes, key: bytes, entries: Sequence[tuple[bytes, bytes]], gone: Sequence[bytes]) -> None:
    if entries:
        made.commands.append((b"ZADD", key, *[each for pair in entries for each in pair]))
        made.keys.append(key)
    if gone:
        made.commands.append((b"ZREM", key, *gone))
    if entries or gone:
        scores = [float(score) for score, _ in entries] + [None] * len(gone)
        made.questions.append(((b"ZMSCORE", key, *[entry for _, entry in entries], *gone), scores))
