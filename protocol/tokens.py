"""`POST /v1/tokens` on the wire."""

from typing import Annotated

from msgspec import Meta, Struct

from protocol.identifiers import Name
from protocol.limits import TOKEN_SECONDS_MAX


class TokenRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Who the token is for and what it may do; what is left out it may not."""

    sub: Name
    ttl_seconds: Annotated[int, Meta(ge=1, le=TOKEN_SECONDS_MAX)]
    scope: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()


class TokenAnswer(Struct, frozen=True):
    """The token, and when it ends (RFC 3339)."""

    token: str
    expires_at: str
