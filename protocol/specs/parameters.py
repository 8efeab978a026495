"""Parameters that several operations have, and the answer to one of them."""

from typing import Annotated, Final

from msgspec import Meta

from protocol.identifiers import Name, OpaqueId, Sku, Time
from protocol.limits import PAGE_ITEMS_MAX, SKUS_PER_GET_MAX
from protocol.specs.operation import Answer, Parameter

SKU_EXAMPLE: Final = "BAG-NOIR"
POOL_EXAMPLE: Final = "online"
LOCATION_EXAMPLE: Final = "LON-KNB"

Some = Annotated[str, Meta(min_length=1)]
Limit = Annotated[int, Meta(ge=1, le=PAGE_ITEMS_MAX)]
_Skus = Annotated[list[Sku], Meta(min_length=1, max_length=SKUS_PER_GET_MAX)]

POOL: Final = Parameter(
    name="pool", type=Name, description="The pool that is asked about.", is_required=True, example=POOL_EXAMPLE
)
SKU: Final = Parameter(
    name="sku", type=Sku, description="A SKU, by any of its names.", is_required=True, example=SKU_EXAMPLE
)
SKUS: Final = Parameter(
    name="sku",
    type=_Skus,
    description=f"SKUs, by any of their names; repeated, {SKUS_PER_GET_MAX} at most.",
    is_required=True,
    example=[SKU_EXAMPLE, "WATCH-OR"],
)
LIMIT: Final = Parameter(name="limit", type=Limit, description="Items on a page at most.", example=PAGE_ITEMS_MAX)
CURSOR: Final = Parameter(name="cursor", type=str, description="`next` of the page before; none: the first page.")
PAGES: Final = (LIMIT, CURSOR)
IF_NONE_MATCH: Final = Parameter(
    name="If-None-Match", type=str, description="The `ETag` that is known.", place="header", example='W/"none"'
)
# What an answer carries that may be asked about by its tag, and what is answered where it is still so.
KEPT: Final = ("ETag", "Cache-Control")
NOT_CHANGED: Final = Answer(status=304, description="What `If-None-Match` names is still so.", headers=KEPT)


def location(description: str) -> Parameter:
    """A location to narrow a question to."""
    return Parameter(name="location", type=Name, description=description)


def time(name: str, description: str) -> Parameter:
    """An instant with its offset."""
    return Parameter(name=name, type=Time, description=description, example="2026-11-22T10:00:00+00:00")


def id_in_path(name: str, description: str, example: str) -> Parameter:
    """An id of another system that the path names."""
    return Parameter(name=name, type=OpaqueId, description=description, place="path", is_required=True, example=example)
