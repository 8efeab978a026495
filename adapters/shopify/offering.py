"""Telling Shopify what is available, by GraphQL.

https://shopify.dev/docs/api/admin-graphql/latest/mutations/inventorySetQuantities (quantities, `changeFromQuantity`),
…/enums/InventorySetQuantitiesUserErrorCode, https://shopify.dev/docs/api/usage/idempotent-requests (`@idempotent`),
https://shopify.dev/docs/api/usage/limits (250 in a list, points), …/usage/search-syntax (how a SKU is searched for)
`api_url` is `https://SHOP.myshopify.com/admin/api/VERSION`, of version 2026-01 or later; the token needs
`read_products`, `read_inventory` and `write_inventory`. `Shelf.location` is the number of a location.

A listing is the number of an inventory item. Each quantity states what it is changed from, null where that is not
known. A mutation with user errors changes nothing, so all that are not at fault are told again. Limits are points: a
mutation costs 10, and each answer says how many are left.

All from the documents; nothing was tried in a shop. Assumed: a list of quantities costs no points by its length; inside
of quotes a search needs only `\\` and `"` escaped. Known gaps: an item that is not stocked at the location is `absent`,
it is not activated there; a SKU that several variants carry is found as none.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from adapters.batches import batches, by_sku, key_of, written
from adapters.contract import ROUNDS_MAX, Need
from adapters.hearing import (
    NO_RIGHTS,
    TAKEN,
    WAIT_SECONDS_MAX,
    by_status,
    everything,
    one_at_fault,
    singled_out,
    unreadable,
    wait_seconds,
    words,
)
from adapters.offering import Allowance, Answer, Heard, Listing, Offer, Outcome, Request, Shelf, Told
from adapters.one_delivery import readable
from protocol.identifiers import Sku

_PATH = "/graphql.json"
_OFFERS_MAX = 250
_MUTATION_POINTS = 10.0
# SKUs of one search, and variants of one page: each is four objects, and a query costs at most 1,000 points.
_SKUS_PER_SEARCH, _VARIANTS_PER_PAGE = 50, 60
_FIND = """query Find($query: String!, $location: ID!, $first: Int!, $after: String) {
  productVariants(first: $first, after: $after, query: $query) {
    nodes {
      sku
      inventoryItem {
        id
        tracked
        inventoryLevel(locationId: $location) { quantities(names: ["available"]) { quantity } }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}"""
_SET = """mutation Set($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) { userErrors { code field message } }
}"""
_ITEM = re.compile(r"gid://shopify/InventoryItem/([0-9]{1,20})")
_STALE = ("CHANGE_FROM_QUANTITY_STALE", "COMPARE_QUANTITY_STALE")
_ABSENT = ("INVALID_INVENTORY_ITEM", "ITEM_NOT_STOCKED_AT_LOCATION")
# These say nothing against an offer: of the moment, of the key, and of what the file says.
_PASSING = {
    "IDEMPOTENCY_CONCURRENT_REQUEST",
    "IDEMPOTENCY_KEY_PARAMETER_MISMATCH",
    "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED",
    "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR",
    "SERVICE_UNAVAILABLE",
    "INVALID_LOCATION",
    "INVALID_NAME",
    "INVALID_REASON",
    "INVALID_REFERENCE_DOCUMENT",
}
_UNDER_WAY = "IDEMPOTENCY_CONCURRENT_REQUEST"
_TOO_FAST, _NO_RIGHTS = "THROTTLED", "ACCESS_DENIED"
# Errors of GraphQL that one quantity can be the cause of; of all others it is the version, the shop or the moment.
_OF_ONE = ("INVALID_VARIABLE", "MAX_COST_EXCEEDED", "MAX_INPUT_SIZE_EXCEEDED")
_TOO_LARGE = 413


class _Quantity(Struct):
    quantity: int


class _Level(Struct):
    quantities: tuple[_Quantity, ...] = ()


class _Item(Struct):
    id: str
    tracked: bool = True
    inventory_level: _Level | None = msgspec.field(default=None, name="inventoryLevel")


class _Variant(Struct):
    inventory_item: _Item = msgspec.field(name="inventoryItem")
    sku: str | None = None


class _PageInfo(Struct):
    has_next_page: bool = msgspec.field(default=False, name="hasNextPage")
    end_cursor: str | None = msgspec.field(default=None, name="endCursor")


class _Variants(Struct):
    nodes: tuple[_Variant, ...]
    page_info: _PageInfo = msgspec.field(name="pageInfo")


class _FoundData(Struct):
    variants: _Variants = msgspec.field(name="productVariants")


class _Found(Struct):
    data: _FoundData


class _UserError(Struct):
    message: str = ""
    code: str | None = None
    field: tuple[str, ...] | None = None


class _Payload(Struct):
    errors: tuple[_UserError, ...] = msgspec.field(name="userErrors")


class _SetData(Struct):
    payload: _Payload | None = msgspec.field(default=None, name="inventorySetQuantities")


class _Throttle(Struct):
    left: float = msgspec.field(name="currentlyAvailable")
    per_second: float = msgspec.field(name="restoreRate")


class _Cost(Struct):
    requested: float | None = msgspec.field(default=None, name="requestedQueryCost")
    throttle: _Throttle | None = msgspec.field(default=None, name="throttleStatus")


class _Extensions(Struct):
    cost: _Cost = msgspec.field(default_factory=_Cost)


class _Set(Struct):
    data: _SetData | None = None
    # A text where it is not GraphQL that refuses.
    errors: Any = None
    extensions: _Extensions = msgspec.field(default_factory=_Extensions)


_found = msgspec.json.Decoder(_Found).decode
_set = msgspec.json.Decoder(_Set).decode


class ShopifyOffering:
    """The outbound half."""

    offers_max = _OFFERS_MAX
    # Of the smallest plan; each answer says what this shop's is.
    allowance = Allowance(per_second=100.0, burst=1_000.0)
    find_cost = 2.0 + 4.0 * _VARIANTS_PER_PAGE

    def find(self, skus: Sequence[Sku], shelf: Shelf) -> tuple[Need, ...]:
        """A search for every fifty."""
        return tuple(_search(some, shelf, number, 1, None) for number, some in enumerate(_searches(skus), start=1))

    def found(
        self, skus: Sequence[Sku], shelf: Shelf, fetched: Mapping[str, bytes]
    ) -> Mapping[Sku, Listing] | tuple[Need, ...] | None:
        """Variants with just these SKUs, over as many pages as a search has."""
        variants: list[_Variant] = []
        needs: list[Need] = []
        for number, some in enumerate(_searches(skus), start=1):
            cursor: str | None = None
            for page in range(1, ROUNDS_MAX + 1):
                need = _search(some, shelf, number, page, cursor)
                if need.name not in fetched:
                    needs.append(need)
                    break
                read = readable(_found, fetched[need.name])
                if read is None:
                    return None
                variants += read.data.variants.nodes
                cursor = read.data.variants.page_info.end_cursor
                if not read.data.variants.page_info.has_next_page or not cursor:
                    break
            else:
                return None
        return tuple(needs) or by_sku(skus, [(each.sku, listing) for each in variants if (listing := _listing(each))])

    def requests(self, offers: Sequence[Offer], shelf: Shelf, key: str, now_ms: int) -> tuple[Request, ...]:
        """One mutation for every 250."""
        return tuple(_request(batch, shelf, key) for batch in batches(offers, _OFFERS_MAX))

    def heard(self, request: Request, answer: Answer) -> Heard:
        """By its status, errors of GraphQL, then user errors; with the points that are left."""
        read = readable(_set, answer.body)
        heard = by_status(request, answer)
        if heard is None and answer.status == _TOO_LARGE:
            heard = one_at_fault(request, "Shopify says it is too large.")
        heard = heard or (unreadable(request, answer) if read is None else _told(request, read))
        return heard if read is None else _with_points(heard, read.extensions.cost, answer)


def _searches(skus: Sequence[Sku]) -> list[Sequence[Sku]]:
    return [skus[first : first + _SKUS_PER_SEARCH] for first in range(0, len(skus), _SKUS_PER_SEARCH)]


def _search(skus: Sequence[Sku], shelf: Shelf, number: int, page: int, cursor: str | None) -> Need:
    query = " OR ".join(f"sku:{_quoted(sku)}" for sku in skus)
    variables = {"query": query, "location": _location(shelf), "first": _VARIANTS_PER_PAGE, "after": cursor}
    body = written({"query": _FIND, "variables": variables})
    return Need(name=f"variants {number} {page}", path=_PATH, body=body)


def _quoted(sku: Sku) -> str:
    """As one value of a search, whatever is in it."""
    return '"' + sku.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _location(shelf: Shelf) -> str:
    return f"gid://shopify/Location/{shelf.location.removeprefix('gid://shopify/Location/')}"


def _listing(variant: _Variant) -> Listing | None:
    item = variant.inventory_item
    if not (match := _ITEM.fullmatch(item.id)):
        return None
    quantities = item.inventory_level.quantities if item.inventory_level and item.tracked else ()
    return Listing(match[1], quantities[0].quantity if quantities else None)


def _request(offers: tuple[Offer, ...], shelf: Shelf, key: str) -> Request:
    location = _location(shelf)
    quantities = [
        {
            "inventoryItemId": f"gid://shopify/InventoryItem/{offer.listing}",
            "locationId": location,
            "quantity": offer.quantity,
            "changeFromQuantity": offer.known,
        }
        for offer in offers
    ]
    input = {"name": "available", "reason": "correction", "quantities": quantities}
    body = written({"query": _SET, "variables": {"input": input, "key": key_of(key, input)}})
    headers = {"content-type": "application/json"}
    return Request(method="POST", path=_PATH, body=body, headers=headers, offers=offers, cost=_MUTATION_POINTS)


def _told(request: Request, read: _Set) -> Heard:
    payload = read.data.payload if read.data else None
    if read.errors or payload is None:
        return _refused(request, read.errors)
    if not payload.errors:
        return Heard(told=(TAKEN,) * len(request.offers))
    at: dict[int, Told] = {}
    for error in payload.errors:
        told = Told(_outcome(error.code), f"Shopify says {error.code}: {words(error.message)}")
        place = _place(error, len(request.offers))
        if place is not None:
            at.setdefault(place, told)
        elif told.outcome in ("stale", "again"):
            at = {**dict.fromkeys(range(len(request.offers)), told), **at}
    why = words(payload.errors[0].message)
    heard = singled_out(request, at, why) if at else one_at_fault(request, f"Shopify says {why}")
    is_under_way = any(error.code == _UNDER_WAY for error in payload.errors)
    return msgspec.structs.replace(heard, is_key_spent=not is_under_way)


def _refused(request: Request, errors: Any) -> Heard:
    """Not the quantities are at fault, but the request: how often, by whom, and how it is written."""
    listed = [each for each in errors if isinstance(each, dict)] if isinstance(errors, list) else []
    codes = {code for each in listed if isinstance(code := _code(each), str)}
    why = words(errors if isinstance(errors, str) else next((each.get("message") for each in listed), ""))
    if _NO_RIGHTS in codes:
        return everything(request, "again", f"{NO_RIGHTS}: {why}")
    if _TOO_FAST in codes or why == "Throttled":
        return everything(request, "again", "They were asked too often.")
    if codes & set(_OF_ONE):
        return one_at_fault(request, f"Shopify says {why}")
    return everything(request, "again", f"Shopify answers without a result. {why}".strip())


def _code(error: dict[str, Any]) -> object:
    extensions = error.get("extensions")
    return extensions.get("code") if isinstance(extensions, dict) else None


def _outcome(code: str | None) -> Outcome:
    if code in _STALE:
        return "stale"
    if code in _ABSENT:
        return "absent"
    return "again" if code in _PASSING else "refused"


def _place(error: _UserError, offers: int) -> int | None:
    """Which quantity is at fault, by the path to it: `input`, `quantities`, `3`, `quantity`."""
    if offers == 1:
        return 0
    for step in error.field or ():
        if step.isascii() and step.isdigit() and len(step) < 6 and int(step) < offers:
            return int(step)
    return None


def _with_points(heard: Heard, cost: _Cost, answer: Answer) -> Heard:
    """With what is left, and how long it takes until there is enough for the same again."""
    if cost.throttle is None or cost.throttle.per_second <= 0:
        return heard
    left, per_second = max(cost.throttle.left, 0.0), cost.throttle.per_second
    lacks = max((cost.requested or 0.0) - left, 0.0) / per_second
    wait = min(max(heard.wait_seconds, wait_seconds(answer), lacks), WAIT_SECONDS_MAX)
    return msgspec.structs.replace(heard, left=left, per_second=per_second, wait_seconds=wait)
