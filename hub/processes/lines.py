"""What the process that starts others and each of them say to each other: JSON, a line each, over two pipes.

The child's standard input begins with what it is given (`hub.roles.Given`), and its end means that the parent has
ended, however that was. On its standard output a child says nothing else.
"""

from typing import Final

import msgspec

from hub.roles import Given

# Of one line; the parent's longest names every process that did not take a file.
LINE_BYTES_MAX: Final = 1024 * 1024


class Reload(msgspec.Struct, frozen=True, tag="reload"):
    """To a child: take the changed file, and say under this number how it went."""

    number: int


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """From a child: it takes events; its doors, empty where it has none."""

    http: str
    live: str
    admin: str


class Reloaded(msgspec.Struct, frozen=True, tag="reloaded"):
    """From a child: it took the changed file, or why it did not."""

    number: int
    why_not: str = ""


class ReloadOthers(msgspec.Struct, frozen=True, tag="reload_others"):
    """From a child that took the changed file: have the others take it."""

    number: int


class OthersReloaded(msgspec.Struct, frozen=True, tag="others_reloaded"):
    """To the child that asked: how many others took it, and what those say that did not."""

    number: int
    taken: int
    refused: tuple[str, ...]


encode = msgspec.json.Encoder().encode
decode_given = msgspec.json.Decoder(Given).decode
decode_to_child = msgspec.json.Decoder(Reload | OthersReloaded).decode
decode_from_child = msgspec.json.Decoder(Ready | Reloaded | ReloadOthers).decode
