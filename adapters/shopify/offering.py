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
it is not activated there; a SKU that several variants carry is found as none; a search for 25 SKUs with more than
200 hits is never read to its end.
"""

import re
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from adapters.batches import batches, by_sku, key_of, written
from adapters.contract import ROUNDS_MAX, Answer, Need
from adapters.offering import Allowance, Heard, Listing, Offer, Request, Shelf
from adapters.one_delivery import readable
from adapters.shopify.answers import heard
from protocol.identifiers import Sku

_PATH = "/graphql.json"
_OFFERS_MAX = 250
_MUTATION_POINTS = 10.0
# SKUs of one search, and variants of one page: each is four objects, and a query costs at most 1,000 points.
_SKUS_PER_SEARCH, _VARIANTS_PER_PAGE = 25, 40
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


_found = msgspec.json.Decoder(_Found).decode


class ShopifyOffering:
    """The outbound half."""

    location_pattern = r"[0-9]+"
    offers_max = _OFFERS_MAX
    # Of the smallest plan; each answer says what this shop's is.
    allowance = Allowance(per_second=100.0, burst=1_000.0)
    find_cost = 2.0 + 4.0 * _VARIANTS_PER_PAGE

    def find(self, skus: Sequence[Sku], shelf: Shelf) -> tuple[Need, ...]:
        """A search for every twenty-five."""
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
        return heard(request, answer)


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
