"""What is said over HTTP of the hub itself."""

from typing import Literal

from msgspec import Struct


class Alive(Struct, frozen=True):
    """`GET /healthz`: the process answers."""

    status: Literal["alive"] = "alive"


class Ready(Struct, frozen=True, kw_only=True):
    """`GET /readyz`: events would be taken now."""

    status: Literal["ready"] = "ready"
    # How the ledger is, for people: `current`, `behind`, …
    ledger: str
