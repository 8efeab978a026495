"""What is stored of a SKU, read; what cannot be read is said to whoever asked."""

from collections.abc import Mapping

import msgspec

from hub.domain.expected import ExpectedLine
from hub.domain.pools import View
from hub.domain.position import Position
from hub.faults import Unavailable
from hub.stock import keys

_decode_view = msgspec.msgpack.Decoder(View).decode
_decode_position = msgspec.msgpack.Decoder(Position).decode
_decode_expected = msgspec.msgpack.Decoder(list[ExpectedLine]).decode


def positions_in(sku: str, fields: Mapping[bytes, bytes]) -> dict[str, Position]:
    """The positions in a SKU's hash, by location.

    Raises:
        Unavailable: one of them cannot be read, here and below.
    """
    return {name: position_of(sku, name, packed) for name, packed in _named(fields, keys.POSITION_FIELD).items()}


def views_in(sku: str, fields: Mapping[bytes, bytes]) -> dict[str, View]:
    """The views in a SKU's hash, by pool."""
    return {name: view_of(sku, name, packed) for name, packed in _named(fields, keys.VIEW_FIELD).items()}


def position_of(sku: str, location: str, packed: bytes) -> Position:
    """One position."""
    try:
        return _decode_position(packed)
    except msgspec.MsgspecError as error:
        raise _unreadable(f"the position of {sku} at {location}", sku) from error


def view_of(sku: str, pool: str, packed: bytes) -> View:
    """What one pool shows."""
    try:
        return _decode_view(packed)
    except msgspec.MsgspecError as error:
        raise _unreadable(f"what the pool {pool} shows of {sku}", sku) from error


def expected_of(sku: str, packed: bytes | None) -> list[ExpectedLine]:
    """The lines of purchase orders; none where nothing is stored."""
    try:
        return [] if packed is None else _decode_expected(packed)
    except msgspec.MsgspecError as error:
        raise _unreadable(f"what is expected of {sku}", sku) from error


def _named(fields: Mapping[bytes, bytes], prefix: bytes) -> dict[str, bytes]:
    """The fields of one kind, by the name behind their prefix."""
    return {field[len(prefix) :].decode(): packed for field, packed in fields.items() if field.startswith(prefix)}


def _unreadable(what: str, sku: str) -> Unavailable:
    return Unavailable(f"{what} cannot be read in Redis; `hub verify --sku {sku}` says what is wrong there", 60)
