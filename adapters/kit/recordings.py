"""Recorded deliveries: what a vendor sent, scrubbed of people, and what it means.

One JSON file each: `about` (a sentence), `headers` without the signature, `body` (an object, sent as compact JSON, or a
text, sent as it is), `received_at`, `account` where it differs from the usual one, `fetched` by name, and `expected`:
the reading, with everything left out that is empty. One whose `headers` hold the signature that the vendor itself made
says with which `secret`, that of an account made for trials.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from adapters.contract import Account, Adapter, Delivery, Reading, Signing

# How the vendor signs: the delivery as it goes out, with the secret. Where it is written anew from the vendor's
# documents, a mistake in the adapter does not prove itself.
Sign = Callable[[Delivery, str], Delivery]
_SOURCE = "trial"
SECRETS = ("bm90LWEtc2VjcmV0LXRoZS1uZXdlc3Qtb25l", "bm90LWEtc2VjcmV0LXRoZS1vbmUtYmVmb3Jl")


class Recording(Struct, frozen=True, forbid_unknown_fields=True):
    """One delivery and what it means."""

    about: str
    body: msgspec.Raw
    received_at: datetime
    expected: dict[str, Any] = {}
    headers: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    method: str = "POST"
    account: Mapping[str, Any] = {}
    fetched: Mapping[str, msgspec.Raw] = {}
    # With which the vendor made the signature among the headers; empty where there is none.
    secret: str = ""
    # Of the file; for messages only.
    name: str = ""

    @property
    def delivery(self) -> Delivery:
        """As it arrives, but for its signature."""
        return Delivery(
            body=_text(self.body),
            headers=self.headers,
            query=self.query,
            method=self.method,
            received_at_ms=round(self.received_at.timestamp() * 1000),
        )

    @property
    def of_account(self) -> Account:
        """The account that it is delivered to."""
        return msgspec.convert({"source": _SOURCE, "secrets": SECRETS, **self.account}, Account)

    @property
    def answers(self) -> dict[str, bytes]:
        """What the hub fetched for it."""
        return {name: _text(raw) for name, raw in self.fetched.items()}


class Case(Struct, frozen=True):
    """An adapter with everything that its checks need."""

    adapter: Adapter
    recordings: tuple[Recording, ...]
    # None: the adapter's own.
    sign: Sign | None = None
    # Whether the vendor signs a time, so that an old delivery is refused; the adapter's own word where it signs itself.
    signs_time: bool = False

    @property
    def is_time_signed(self) -> bool:
        """Whether what is old is refused."""
        return self.signs_time if self.sign is not None else self._signing.signs_time

    def signed(self, recording: Recording, secret: str = SECRETS[0]) -> Delivery:
        """The delivery as the vendor sends it."""
        if self.sign is not None:
            return self.sign(recording.delivery, secret)
        account = msgspec.structs.replace(recording.of_account, secrets=(secret,))
        return self._signing.sign(recording.delivery, account)

    @property
    def _signing(self) -> Signing:
        assert isinstance(self.adapter, Signing), "it has no `sign` and `signs_time`, and nobody else says how it signs"
        return self.adapter

    def reading(self, recording: Recording) -> Reading:
        """What it says."""
        return self.adapter.translate(self.signed(recording), recording.of_account, recording.answers)


def recording_from(raw: bytes, name: str) -> Recording:
    """Read one file.

    Raises:
        msgspec.MsgspecError: it is no recording.
    """
    read = msgspec.json.decode(raw, type=Recording)
    # Now, and not when a promise is looked at.
    _ = read.of_account
    return msgspec.structs.replace(read, name=name)


def as_told(reading: Reading) -> dict[str, Any]:
    """A reading as `expected` has it: everything that is not empty, in JSON's own types."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(reading))
    return {field: value for field, value in plain.items() if value not in ([], None, False)}


def _text(raw: msgspec.Raw) -> bytes:
    """A body: a text stands for itself, everything else is compact JSON."""
    value = msgspec.json.decode(raw)
    return value.encode() if isinstance(value, str) else msgspec.json.format(bytes(raw), indent=-1)
