"""Telling a BigCommerce store what is available, as absolute adjustments of its inventory.

https://developer.bigcommerce.com/docs/rest-management/inventory/adjustments#absolute-adjustment (2,000 items, 422),
…/inventory/items#get-inventory-at-locations, https://developer.bigcommerce.com/docs/start/best-practices/api-rate-limits
`api_url` is `https://api.bigcommerce.com/stores/HASH`; the token needs `store_inventory`. `Shelf.location` is the id of
a location; without one it is 1, the default.

A listing is `variant:ID`, or `product:ID` where a product has none, with `:UNITS` behind it where the store holds back
a safety stock there: it sells what lies there less that, so as much is added. Adjustments cannot be compared nor do
they have a key; the store applies them a moment later, and asks that one be answered before the next is sent.

All from the documents; nothing was tried in a store. Assumed: an item whose `sku_id` is null is its product; errors
name an item as `items.3…`, or as `variant_id 106` in the title; 422 changes nothing. The quota is one of 30 seconds;
four fifths of it are used, so that a pause that ends within does not exceed it. Known gaps: a SKU with a comma cannot
be asked for; a safety stock that changes is noticed only when the SKU is looked up again.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from adapters.batches import asked_together, batches, by_sku, written
from adapters.contract import NEEDS_MAX, Answer, Need
from adapters.hearing import (
    TAKEN,
    WAIT_SECONDS_MAX,
    by_status,
    everything,
    number,
    one_at_fault,
    singled_out,
    unreadable,
    words,
)
from adapters.offering import Allowance, Heard, Listing, Offer, Request, Shelf, Told
from adapters.one_delivery import readable
from adapters.telling import Id, Number, Unmapped, whole
from protocol.identifiers import Sku

# 2,000 are allowed; so few that their SKUs can be asked for in the addresses of one delivery's needs.
_OFFERS_MAX = 250
_SKUS_PER_SEARCH = 250
_DEFAULT_LOCATION = "1"
_USED = 0.8
_LISTING = re.compile(r"(variant|product):([0-9]{1,20})(?::([0-9]{1,9}))?")
_ID = re.compile(r"[0-9]{1,20}")
_NAMED = re.compile(r"(variant|product)_id[^0-9]{1,4}([0-9]{1,20})")
_PLACE = re.compile(r"items?[.\[]([0-9]{1,5})")
_UNKNOWN = ("not found", "not exist", "no such", "doesn't exist")


class _Settings(Struct):
    safety_stock: Number | None = None


class _AtLocation(Struct):
    location_id: Id
    available_to_sell: Number | None = None
    settings: _Settings | None = None


class _Identity(Struct):
    sku: str | None = None
    variant_id: Id | None = None
    product_id: Id | None = None
    # None where the variant is its product itself.
    sku_id: Id | msgspec.UnsetType | None = msgspec.UNSET


class _Item(Struct):
    identity: _Identity
    locations: tuple[_AtLocation, ...] = ()


class _Items(Struct):
    data: tuple[_Item, ...]


class _Adjusted(Struct):
    transaction_id: str


class _Refusal(Struct):
    title: str = ""
    # An object; empty ones are lists at times.
    errors: Any = None


_items = msgspec.json.Decoder(_Items).decode
_adjusted = msgspec.json.Decoder(_Adjusted).decode
_refusal = msgspec.json.Decoder(_Refusal).decode


class BigCommerceOffering:
    """The outbound half."""

    location_pattern = r"[0-9]*"
    offers_max = _OFFERS_MAX
    # Of the smallest plan, 150 in 30 seconds: what was saved up and what comes back meanwhile are as many.
    allowance = Allowance(per_second=4.0, burst=30.0)
    find_cost = 1.0

    def find(self, skus: Sequence[Sku], shelf: Shelf) -> tuple[Need, ...]:
        """As many searches as addresses are needed."""
        return _searches(skus, shelf)[:NEEDS_MAX]

    def found(
        self, skus: Sequence[Sku], shelf: Shelf, fetched: Mapping[str, bytes]
    ) -> Mapping[Sku, Listing] | tuple[Need, ...] | None:
        """Items with just these SKUs, and what can be sold of them at the location."""
        searches = _searches(skus, shelf)
        if missing := tuple(each for each in searches if each.name not in fetched)[:NEEDS_MAX]:
            return missing
        articles: list[tuple[str | None, Listing]] = []
        for each in searches:
            read = readable(_items, fetched[each.name])
            if read is None:
                return None
            articles += [(item.identity.sku, listing) for item in read.data if (listing := _listing(item, shelf))]
        return by_sku(skus, articles)

    def requests(self, offers: Sequence[Offer], shelf: Shelf, key: str, now_ms: int) -> tuple[Request, ...]:
        """One adjustment for all."""
        return tuple(_request(batch, shelf) for batch in batches(offers, _OFFERS_MAX))

    def heard(self, request: Request, answer: Answer) -> Heard:
        """By its status, then by what the store says is at fault; with what is left of the quota."""
        heard = by_status(request, answer)
        if heard is None and answer.status >= 300:
            heard = _refused(request, answer)
        if heard is None:
            is_read = readable(_adjusted, answer.body) is not None
            heard = Heard(told=(TAKEN,) * len(request.offers)) if is_read else unreadable(request, answer)
        return _with_quota(heard, answer)


def _searches(skus: Sequence[Sku], shelf: Shelf) -> tuple[Need, ...]:
    query = {"location_id:in": _location(shelf), "limit": "1000"}
    return tuple(
        Need(name=f"items {number}", path="/v3/inventory/items", query={"sku:in": ",".join(some), **query})
        for number, some in enumerate(asked_together(skus, _SKUS_PER_SEARCH), start=1)
    )


def _location(shelf: Shelf) -> str:
    """Their id of the place; 0, which is none, for what cannot be an id."""
    if not shelf.location:
        return _DEFAULT_LOCATION
    return shelf.location if _ID.fullmatch(shelf.location) else "0"


def _listing(item: _Item, shelf: Shelf) -> Listing | None:
    identity = item.identity
    kind, id = ("product", identity.product_id) if identity.sku_id is None else ("variant", identity.variant_id)
    if id is None or not _ID.fullmatch(str(id)):
        return None
    available, held_back = None, 0
    for at in [each for each in item.locations if str(each.location_id) == _location(shelf)]:
        available = _units(at.available_to_sell)
        held_back = max(_units(at.settings.safety_stock if at.settings else None) or 0, 0)
    return Listing(f"{kind}:{id}:{held_back}" if held_back else f"{kind}:{id}", available)


def _units(number: Number | None) -> int | None:
    try:
        return None if number is None else whole(number)
    except Unmapped:
        return None


def _parts(listing: str) -> tuple[str, str, int]:
    """Kind, id and what is held back; an id that is none for what is no listing of ours."""
    match = _LISTING.fullmatch(listing) if listing.isascii() else None
    return (match[1], match[2].lstrip("0") or "0", int(match[3] or 0)) if match else ("variant", "0", 0)


def _request(offers: tuple[Offer, ...], shelf: Shelf) -> Request:
    items = [_adjustment(offer, _location(shelf)) for offer in offers]
    body = written({"reason": "availability", "items": items})
    headers = {"content-type": "application/json"}
    return Request(method="PUT", path="/v3/inventory/adjustments/absolute", body=body, headers=headers, offers=offers)


def _adjustment(offer: Offer, location: str) -> dict[str, Any]:
    """Ids as their digits stand, so that they are exact however long they are."""
    kind, id, held_back = _parts(offer.listing)
    place = msgspec.Raw((location.lstrip("0") or "0").encode())
    return {"location_id": place, f"{kind}_id": msgspec.Raw(id.encode()), "quantity": offer.quantity + held_back}


def _refused(request: Request, answer: Answer) -> Heard:
    """Nothing was taken, for what the title or the errors name."""
    if answer.status == 404:
        return everything(request, "again", "The store knows no such address: is `api_url` right?")
    read = readable(_refusal, answer.body)
    if read is None:
        return one_at_fault(request, f"The store answers {answer.status} without saying why.")
    at: dict[int, Told] = {}
    ids = {_parts(offer.listing)[:2]: place for place, offer in enumerate(request.offers)}
    matches = list(_NAMED.finditer(read.title))
    for following, match in enumerate(matches, start=1):
        end = matches[following].start() if following < len(matches) else None
        if (place := ids.get((match[1], match[2]))) is not None:
            at.setdefault(place, _fault(words(read.title[match.start() : end])))
    errors = read.errors if isinstance(read.errors, dict) else {}
    for field, message in errors.items():
        if (named := _PLACE.search(field)) and int(named[1]) < len(request.offers):
            at.setdefault(int(named[1]), _fault(words(message)))
    why = f"The store says {words(read.title)}"
    return singled_out(request, at, why) if at else one_at_fault(request, why)


def _fault(why: str) -> Told:
    is_unknown = any(saying in why.lower() for saying in _UNKNOWN)
    return Told("absent" if is_unknown else "refused", f"The store says {why}")


def _with_quota(heard: Heard, answer: Answer) -> Heard:
    """With what is left in this window; where that is nothing, until the next one."""
    read = {name: number(answer.headers.get(f"x-rate-limit-{name}", "")) for name in _QUOTA}
    left, quota, window_ms, reset_ms = (read[name] for name in _QUOTA)
    per_second = _USED * quota * 1000 / window_ms if quota and window_ms else None
    waits = left == 0 or answer.status == 429
    wait = max(heard.wait_seconds, (reset_ms or 0) / 1000) if waits else heard.wait_seconds
    return msgspec.structs.replace(heard, left=left, per_second=per_second, wait_seconds=min(wait, WAIT_SECONDS_MAX))


_QUOTA = ("requests-left", "requests-quota", "time-window-ms", "time-reset-ms")
