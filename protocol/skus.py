"""SKUs on the wire: how they are described, and what is told of that."""

from typing import Literal

from msgspec import Struct

from protocol.identifiers import Sku
from protocol.problems import Problem


class SkuBody(Struct, frozen=True, forbid_unknown_fields=True):
    """One SKU as it is described; what is left out is not known of it any more."""

    sku: Sku
    category: str | None = None
    brand: str | None = None
    aliases: tuple[str, ...] = ()
    attributes: dict[str, str] = {}


class SkuTold(Struct, frozen=True, omit_defaults=True):
    """What became of one SKU of a request."""

    # Null where not even its name could be read.
    sku: str | None
    status: Literal["applied", "unchanged", "refused"]
    problem: Problem | None = None


class SkuItem(Struct, frozen=True):
    """What is described of a SKU; of one that never was, nothing."""

    sku: str
    revision: int
    category: str | None
    brand: str | None
    aliases: tuple[str, ...]
    attributes: dict[str, str]


class SkusAnswer(Struct, frozen=True):
    """`GET /v1/skus`, in the order of the question."""

    items: tuple[SkuItem, ...]
