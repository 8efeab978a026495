"""Telling Square what is available, as physical counts.

https://developer.squareup.com/reference/square/inventory-api/batch-change-inventory (100 counts, `idempotency_key`),
…/inventory-api/batch-retrieve-inventory-counts, …/catalog-api/search-catalog-objects (a set query: 250 values, exact
but for case), https://developer.squareup.com/docs/build-basics/handling-errors (what an error looks like)
`api_url` is `https://connect.squareup.com/v2`; the token needs `ITEMS_READ`, `INVENTORY_READ` and `INVENTORY_WRITE`.
`Shelf.location` is the id of a location.

A listing is the id of a variation. Quantities are decimal texts. A count is as of `occurred_at`, the time of the key:
what Square sold after it is taken off by Square. There is no comparing, so a number can overwrite one that the hub
did not know. A batch that is answered with errors changed nothing.

All from the documents; nothing was tried in an account. Assumed: the rate, which Square does not tell; that an error
names its change as `changes[3]…` in `field`, or the variation in `detail`; that a count for each variation comes back.
Known gaps: a SKU that several variations carry is found as none.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from adapters.batches import batches, by_sku, key_of, written
from adapters.contract import ROUNDS_MAX, Answer, Need
from adapters.hearing import (
    NO_RIGHTS,
    TAKEN,
    by_status,
    coded,
    everything,
    named,
    one_at_fault,
    singled_out,
    unreadable,
)
from adapters.offering import Allowance, Heard, Listing, Offer, Outcome, Request, Shelf, Told
from adapters.one_delivery import readable
from adapters.telling import Number, Unmapped, whole
from protocol.identifiers import Sku

_OFFERS_MAX = 100
_PAGE = 1_000
_VARIATION, _IN_STOCK = "ITEM_VARIATION", "IN_STOCK"
_CHANGE = re.compile(r"changes\[([0-9]{1,5})\]")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,100}")
_CLOCK = ("INVALID_TIME", "INVALID_TIME_RANGE")
_KEY_REUSED, _UNKNOWN = "IDEMPOTENCY_KEY_REUSED", "NOT_FOUND"
_RIGHTS, _OURS = "AUTHENTICATION_ERROR", ("API_ERROR", "RATE_LIMIT_ERROR")


class _VariationData(Struct):
    sku: str | None = None


class _Object(Struct):
    id: str
    type: str = _VARIATION
    is_deleted: bool = False
    item_variation_data: _VariationData | None = None


class _Error(Struct):
    code: str
    category: str = ""
    detail: str | None = None
    field: str | None = None


class _Catalogue(Struct):
    objects: tuple[_Object, ...] = ()
    cursor: str | None = None
    errors: tuple[_Error, ...] = ()


class _Count(Struct):
    catalog_object_id: str
    location_id: str = ""
    state: str = _IN_STOCK
    quantity: Number | None = None


class _Counts(Struct):
    counts: tuple[_Count, ...] = ()
    cursor: str | None = None
    errors: tuple[_Error, ...] = ()


_catalogue = msgspec.json.Decoder(_Catalogue).decode
_counts = msgspec.json.Decoder(_Counts).decode


class SquareOffering:
    """The outbound half."""

    location_pattern = r"[0-9A-Za-z]+"
    offers_max = _OFFERS_MAX
    # Square tells none, and asks for waiting longer where it says 429.
    allowance = Allowance(per_second=5.0, burst=10.0)
    find_cost = 1.0

    def find(self, skus: Sequence[Sku], shelf: Shelf) -> tuple[Need, ...]:
        """The first page of variations with these SKUs."""
        return (_search(skus, 1, None),) if skus else ()

    def found(
        self, skus: Sequence[Sku], shelf: Shelf, fetched: Mapping[str, bytes]
    ) -> Mapping[Sku, Listing] | tuple[Need, ...] | None:
        """Variations, page by page, then what Square counts of them, page by page."""
        objects: list[_Object] = []
        cursor: str | None = None
        for page in range(1, ROUNDS_MAX):
            if (need := _search(skus, page, cursor)).name not in fetched:
                return (need,)
            read = readable(_catalogue, fetched[need.name])
            if read is None or read.errors:
                return None
            objects += [each for each in read.objects if _is_sold(each)]
            if not (cursor := read.cursor):
                break
        else:
            return None
        articles = [(each.item_variation_data.sku, Listing(each.id)) for each in objects if each.item_variation_data]
        listings = by_sku(skus, articles)
        available = _available([each.id for each in listings.values()], shelf, fetched)
        if not isinstance(available, dict):
            return available
        return {sku: Listing(each.id, available.get(each.id)) for sku, each in listings.items()}

    def requests(self, offers: Sequence[Offer], shelf: Shelf, key: str, now_ms: int) -> tuple[Request, ...]:
        """One batch for every hundred."""
        return tuple(_request(batch, shelf, key, now_ms) for batch in batches(offers, _OFFERS_MAX))

    def heard(self, request: Request, answer: Answer) -> Heard:
        """By its status, then by its errors, then by the counts that came back."""
        if heard := by_status(request, answer):
            return heard
        read = readable(_counts, answer.body)
        if read is None:
            return unreadable(request, answer)
        if read.errors:
            return _refused(request, read.errors)
        if answer.status >= 300:
            return everything(request, "again", f"Square answers {answer.status} without an error.")
        counted = {each.catalog_object_id for each in read.counts}
        missed = Told("again", "Square's answer has no count of it.")
        return Heard(told=tuple(TAKEN if each.listing in counted else missed for each in request.offers))


def _search(skus: Sequence[Sku], page: int, cursor: str | None) -> Need:
    query = {"set_query": {"attribute_name": "sku", "attribute_values": list(skus)}}
    asked: dict[str, Any] = {"object_types": [_VARIATION], "query": query, "limit": _PAGE}
    return _need(f"catalogue {page}", "/catalog/search", asked, cursor)


def _available(
    ids: list[str], shelf: Shelf, fetched: Mapping[str, bytes]
) -> dict[str, int | None] | tuple[Need, ...] | None:
    """What Square has of variations at the location; those that it does not count there are left out."""
    available: dict[str, int | None] = {}
    asked = {"catalog_object_ids": ids, "location_ids": [shelf.location], "states": [_IN_STOCK], "limit": _PAGE}
    cursor: str | None = None
    for page in range(1, ROUNDS_MAX):
        if not ids:
            return available
        need = _need(f"counts {page}", "/inventory/counts/batch-retrieve", asked, cursor)
        if need.name not in fetched:
            return (need,)
        read = readable(_counts, fetched[need.name])
        if read is None or read.errors:
            return None
        for each in read.counts:
            if each.state == _IN_STOCK and each.location_id == shelf.location:
                available[each.catalog_object_id] = _units(each.quantity)
        if not (cursor := read.cursor):
            return available
    return None


def _is_sold(each: _Object) -> bool:
    return each.type == _VARIATION and not each.is_deleted and bool(_TOKEN.fullmatch(each.id))


def _need(name: str, path: str, asked: dict[str, Any], cursor: str | None) -> Need:
    return Need(name=name, path=path, body=written({**asked, "cursor": cursor} if cursor else asked))


def _units(quantity: Number | None) -> int | None:
    """Whole units; None where it is a fraction of one, which nothing is compared with."""
    try:
        return None if quantity is None else whole(quantity)
    except Unmapped:
        return None


def _request(offers: tuple[Offer, ...], shelf: Shelf, key: str, now_ms: int) -> Request:
    at = datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    changes = [
        {
            "type": "PHYSICAL_COUNT",
            "physical_count": {
                "catalog_object_id": offer.listing,
                "catalog_object_type": _VARIATION,
                "state": _IN_STOCK,
                "location_id": shelf.location,
                "quantity": str(offer.quantity),
                "occurred_at": at,
            },
        }
        for offer in offers
    ]
    content = {"changes": changes, "ignore_unchanged_counts": True}
    body = written({"idempotency_key": key_of(key, content), **content})
    headers = {"content-type": "application/json"}
    return Request(method="POST", path="/inventory/changes/batch-create", body=body, headers=headers, offers=offers)


def _refused(request: Request, errors: Sequence[_Error]) -> Heard:
    """Nothing of the batch was taken: for all of it, or for the changes that the errors name."""
    first = errors[0]
    why = coded("Square", first.code, first.detail)
    if first.category == _RIGHTS:
        return everything(request, "again", f"{NO_RIGHTS}: {why}")
    if first.code in _CLOCK or first.code == _KEY_REUSED:
        # Another time is stated under another key.
        return msgspec.structs.replace(everything(request, "again", why), is_key_spent=True)
    if first.category in _OURS or "location" in (first.field or ""):
        return everything(request, "again", why)
    at: dict[int, Told] = {}
    for error in errors:
        outcome: Outcome = "absent" if error.code == _UNKNOWN else "refused"
        told = Told(outcome, coded("Square", error.code, error.detail))
        for place in _places(request, error):
            at.setdefault(place, told)
    if not at and len(request.offers) == 1 and first.code == _UNKNOWN:
        return everything(request, "absent", why)
    return singled_out(request, at, why) if at else one_at_fault(request, why)


def _places(request: Request, error: _Error) -> list[int]:
    """Which changes an error names, by their number or their variation."""
    numbers = [int(match[1]) for match in _CHANGE.finditer(error.field or "")]
    ids = [named(request.offers, token) for token in _TOKEN.findall((error.detail or "")[:1_000])]
    return [place for place in [*numbers, *ids] if place is not None and place < len(request.offers)]
