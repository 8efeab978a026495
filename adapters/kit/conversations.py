"""Recorded conversations of an outbound adapter: what it asked for and was answered, and what that means.

One JSON file each. A look-up has `skus`, `fetched` by name, and `expected`: by SKU its listing and, where the vendor
says one, its number. An answer has `offers`, `answer`, and `expected`: what is not empty of what was heard.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from adapters.contract import Account, Answer
from adapters.offering import Heard, Listing, Offer, Offering, Request, Shelf
from protocol.identifiers import Sku

# When the requests are made.
NOW_MS = 1_777_896_000_000
KEY = "channel-17-of-the-house"


class Answered(Struct, frozen=True, forbid_unknown_fields=True):
    """What came back."""

    status: int
    body: msgspec.Raw
    headers: Mapping[str, str] = {}


class Conversation(Struct, frozen=True, forbid_unknown_fields=True):
    """A look-up or an answer, and what it means."""

    about: str
    expected: dict[str, Any]
    location: str = ""
    skus: tuple[Sku, ...] = ()
    fetched: Mapping[str, msgspec.Raw] = {}
    offers: tuple[Offer, ...] = ()
    answer: Answered | None = None
    # Of the file; for messages only.
    name: str = ""

    @property
    def shelf(self) -> Shelf:
        """Where its numbers go."""
        return Shelf(Account("web"), self.location)

    @property
    def fetches(self) -> dict[str, bytes]:
        """What was fetched, by name."""
        return {name: _sent(raw) for name, raw in self.fetched.items()}

    @property
    def answered(self) -> Answer:
        """What the vendor said."""
        assert self.answer is not None
        return Answer(_sent(self.answer.body), self.answer.headers, self.answer.status)


class Outbound(Struct, frozen=True):
    """An adapter with everything that the checks of its outbound half need."""

    adapter: Offering
    conversations: tuple[Conversation, ...]

    @property
    def look_ups(self) -> tuple[Conversation, ...]:
        """Those that find SKUs."""
        return tuple(each for each in self.conversations if each.answer is None)

    @property
    def answers(self) -> tuple[Conversation, ...]:
        """Those that tell what became of offers."""
        return tuple(each for each in self.conversations if each.answer is not None)

    def request(self, conversation: Conversation) -> Request:
        """The one that was answered."""
        requests = self.adapter.requests(conversation.offers, conversation.shelf, KEY, NOW_MS)
        assert len(requests) == 1, f"{conversation.name} takes {len(requests)} requests"
        return requests[0]


def conversation_from(raw: bytes, name: str) -> Conversation:
    """Read one file.

    Raises:
        msgspec.MsgspecError: it is no conversation.
    """
    return msgspec.structs.replace(msgspec.json.decode(raw, type=Conversation), name=name)


def as_found(found: Mapping[Sku, Listing]) -> dict[str, Any]:
    """Listings as `expected` has them."""
    return {
        sku: {"id": each.id} if each.available is None else {"id": each.id, "available": each.available}
        for sku, each in found.items()
    }


def as_heard(heard: Heard) -> dict[str, Any]:
    """What was heard as `expected` has it: outcomes without their sentences, and everything that is not empty."""
    plain: dict[str, Any] = {field: value for field, value in msgspec.to_builtins(heard).items() if value}
    return {**plain, "told": [each.outcome for each in heard.told]}


def _sent(raw: msgspec.Raw) -> bytes:
    """A body: a text stands for itself, everything else is JSON."""
    value = msgspec.json.decode(raw)
    return value.encode() if isinstance(value, str) else bytes(raw)
