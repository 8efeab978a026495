"""Questions that are too long for an address and come as a body."""

from typing import Annotated

from msgspec import Meta, Struct

from protocol.frames import Rev, Skus
from protocol.identifiers import Name, Sku
from protocol.limits import SKUS_PER_CONNECTION_MAX, SKUS_PER_QUERY_MAX


class AvailabilityQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /v1/availability/query`."""

    pool: Name
    skus: Annotated[tuple[Sku, ...], Meta(min_length=1, max_length=SKUS_PER_QUERY_MAX)]


class StreamQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /v1/live/sse`."""

    pool: Name
    skus: Skus
    # SKU -> the rev the page already has.
    known: Annotated[dict[Sku, Rev], Meta(max_length=SKUS_PER_CONNECTION_MAX)] = {}
