"""What a socket was told of the SKUs it watches, and whether that is the truth. Pure."""

from collections.abc import Mapping

import msgspec


class Value(msgspec.Struct, frozen=True):
    """What a pool shows of a SKU."""

    sku: str
    rev: int
    available: int | None = None
    status: str = ""
    capped: bool = False


class _Frame(msgspec.Struct, frozen=True):
    op: str
    items: list[Value] = []
    code: str = ""
    detail: str = ""


class WatchRefused(Exception):
    """The hub does not let a socket watch; the text says why."""


decode_frame = msgspec.json.Decoder(_Frame).decode


class Watched:
    """The values of one socket, through all its connections."""

    def __init__(self, skus: list[str]) -> None:
        self.skus = skus
        self.values: dict[str, Value] = {}
        # The hub answered the subscription of the present connection.
        self.is_subscribed = False
        # How often a value was older than the one before it.
        self.went_back = 0
        self.taken = 0

    def take(self, text: bytes) -> None:
        """Take a frame.

        Raises:
            WatchRefused: it is an error.
            msgspec.MsgspecError: it is none of a hub.
        """
        frame = decode_frame(text)
        if frame.op == "error":
            raise WatchRefused(f"{frame.code}: {frame.detail}")
        if frame.op == "subscribed":
            self.is_subscribed = True
        for value in frame.items:
            held = self.values.get(value.sku)
            if held is not None and value.rev < held.rev:
                self.went_back += 1
            self.values[value.sku] = value
            self.taken += 1

    @property
    def known(self) -> dict[str, int]:
        """The revs that it has, for a new connection."""
        return {sku: value.rev for sku, value in self.values.items()}

    def has(self, revs: Mapping[str, int]) -> bool:
        """Whether it has at least these revs of what it watches."""
        values = self.values
        for sku in self.skus:
            value = values.get(sku)
            if (0 if value is None else value.rev) < revs.get(sku, 0):
                return False
        return True

    def behind(self, truth: Mapping[str, Value]) -> list[str]:
        """A sentence for each SKU whose last value is not the true one."""
        found = []
        for sku in self.skus:
            held, true = self.values.get(sku), truth.get(sku)
            if true is not None and held != true:
                has = "nothing" if held is None else f"{held.available} at rev {held.rev}"
                found.append(f"{sku}: it has {has}, the hub says {true.available} at rev {true.rev}")
        return found
