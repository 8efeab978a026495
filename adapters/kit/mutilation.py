"""Bodies as no vendor means them: empty, cut off, of wrong types, with numbers and lists beyond reason."""

from collections.abc import Iterator
from typing import Any

import msgspec

LINES = 10_000
_WRONG: tuple[Any, ...] = (None, True, -1, 0, 1.5, "1.5", "-1", 10**30, "1e999999999", "", "\x00", "x" * 10_000, [], {})
# Values of one body that are replaced, one after the other, from all over it.
_VALUES_MAX = 24


def mutilated(body: bytes) -> Iterator[bytes]:
    """Every way in which the body is spoilt."""
    yield from (
        b"",
        b"null",
        b"0",
        b"[]",
        b"{}",
        b'"text"',
        b"\xff\xfe",
        b"[" * 5_000,
        b"{" * 5_000,
        b"[null]",
        b"[{}]",
    )
    yield from (body[: len(body) // 2], body[1:], body[:-1], body + body, body + b"\x00")
    try:
        value = msgspec.json.decode(body)
    except msgspec.MsgspecError:
        return
    paths = list(_paths(value))
    for path in paths[:: len(paths) // _VALUES_MAX + 1]:
        yield msgspec.json.encode(_with(value, path, _long(_at(value, path))))
        for wrong in _WRONG:
            yield msgspec.json.encode(_with(value, path, wrong))


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield (*path, key)
        yield from _paths(member, (*path, key))


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def _with(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _with(value[path[0]], path[1:], new)
    return copy


def _long(value: Any) -> Any:
    """A list of very many of what it has one of; anything else twice."""
    if isinstance(value, list) and value:
        return value[:1] * LINES
    return [value, value]
