"""Telling a WooCommerce shop what is available, as the stock of its products and variations.

https://woocommerce.github.io/woocommerce-rest-api-docs/#batch-update-products, #batch-update-product-variations (100
objects), #list-all-products (`sku`), #errors
`api_url` is `https://SHOP/wp-json/wc/v3`, the token, with write access, `ck_…:cs_…`. The shop counts one number for all
places, so `Shelf.location` says nothing.

A listing is `PRODUCT`, or `PRODUCT/VARIATION` for a variation: those of one product are told in one request. Each of
a batch is taken or refused by itself. There is neither comparing nor a key: the last one who writes wins, and the same
written twice is the same. What is told is counted from then on (`manage_stock`).

All from the documents; nothing was tried in a shop. From WooCommerce's source, its documents do not tell: `sku` takes
a list with commas and finds variations, too; an object of a batch that is refused has `error`; more than 100 are
answered 413. Assumed: the rate, which is the host's. Known gaps: the shop takes tags and `%41` out of what it searches
for, so SKUs with such are found as none.
"""

import re
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from adapters.batches import asked_together, batches, by_sku, written
from adapters.contract import NEEDS_MAX, Answer, Need
from adapters.hearing import NO_RIGHTS, TAKEN, by_status, coded, everything, one_at_fault, unreadable
from adapters.offering import Allowance, Heard, Listing, Offer, Request, Shelf, Told
from adapters.one_delivery import readable
from adapters.telling import Id, Number, Unmapped, whole
from protocol.identifiers import Sku

_OFFERS_MAX = 100
_SKUS_PER_SEARCH = 50
# Each is one article; other types only group some.
_PRODUCT, _VARIATION = "simple", "variation"
_LISTING = re.compile(r"(?:([0-9]{1,20})/)?([0-9]{1,20})")
_NO_ROUTE = "rest_no_route"


class _Product(Struct):
    id: Id
    type: str = _PRODUCT
    sku: str | None = None
    parent_id: Id = 0
    # `parent` of a variation that shares its product's stock.
    manage_stock: bool | str = False
    stock_quantity: Number | None = None


class _Status(Struct):
    status: int = 0


class _Error(Struct):
    code: str = ""
    message: str = ""
    data: _Status | None = None


class _Updated(Struct):
    id: Id
    error: _Error | None = None


class _Batch(Struct):
    update: tuple[_Updated, ...]


_products = msgspec.json.Decoder(tuple[_Product, ...]).decode
_batch = msgspec.json.Decoder(_Batch).decode
_error = msgspec.json.Decoder(_Error).decode


class WooCommerceOffering:
    """The outbound half."""

    location_pattern = r""
    offers_max = _OFFERS_MAX
    # A shop on a small host; the file may say less.
    allowance = Allowance(per_second=2.0, burst=5.0)
    find_cost = 1.0

    def find(self, skus: Sequence[Sku], shelf: Shelf) -> tuple[Need, ...]:
        """A search for every fifty, or as many as fit an address."""
        return _searches(skus)[:NEEDS_MAX]

    def found(
        self, skus: Sequence[Sku], shelf: Shelf, fetched: Mapping[str, bytes]
    ) -> Mapping[Sku, Listing] | tuple[Need, ...] | None:
        """Products and variations with just these SKUs."""
        searches = _searches(skus)
        if missing := tuple(each for each in searches if each.name not in fetched)[:NEEDS_MAX]:
            return missing
        articles: list[tuple[str | None, Listing]] = []
        for each in searches:
            read = readable(_products, fetched[each.name])
            if read is None:
                return None
            articles += [(product.sku, listing) for product in read if (listing := _listing(product))]
        return by_sku(skus, articles)

    def requests(self, offers: Sequence[Offer], shelf: Shelf, key: str, now_ms: int) -> tuple[Request, ...]:
        """For every hundred products, and every hundred variations of one product."""
        by_parent: dict[str, list[Offer]] = {}
        for offer in offers:
            by_parent.setdefault(_parts(offer.listing)[0], []).append(offer)
        return tuple(
            _request(parent, batch) for parent, some in by_parent.items() for batch in batches(some, _OFFERS_MAX)
        )

    def heard(self, request: Request, answer: Answer) -> Heard:
        """By its status, then of each offer by what came back under its id."""
        if heard := by_status(request, answer):
            return heard
        if answer.status >= 300:
            return _refused(request, answer)
        read = readable(_batch, answer.body)
        if read is None:
            return unreadable(request, answer)
        updated: dict[str, _Updated] = {}
        for each in read.update:
            updated.setdefault(str(each.id), each)
        return Heard(told=tuple(_told(updated.get(_parts(offer.listing)[1])) for offer in request.offers))


def _searches(skus: Sequence[Sku]) -> tuple[Need, ...]:
    return tuple(
        Need(name=f"products {number}", path="/products", query={"sku": ",".join(some), "per_page": "100"})
        for number, some in enumerate(asked_together(skus, _SKUS_PER_SEARCH), start=1)
    )


def _listing(product: _Product) -> Listing | None:
    """Its id, with its product's where it is a variation; None where it is neither."""
    id = f"{product.parent_id}/{product.id}" if product.type == _VARIATION else str(product.id)
    if product.type not in (_PRODUCT, _VARIATION) or not _LISTING.fullmatch(id):
        return None
    try:
        counted = whole(product.stock_quantity or 0) if product.manage_stock is True else None
    except Unmapped:
        counted = None
    return Listing(id, counted)


def _parts(listing: str) -> tuple[str, str]:
    """Product and variation of a variation; of a product nothing and itself; 0 for what is no listing of ours."""
    match = _LISTING.fullmatch(listing) if listing.isascii() else None
    return ((match[1] or "").lstrip("0"), match[2].lstrip("0") or "0") if match else ("", "0")


def _request(parent: str, offers: tuple[Offer, ...]) -> Request:
    update = [
        # As its digits stand, so that it is exact however long it is.
        {"id": msgspec.Raw(_parts(offer.listing)[1].encode()), "manage_stock": True, "stock_quantity": offer.quantity}
        for offer in offers
    ]
    path = f"/products/{parent}/variations/batch" if parent else "/products/batch"
    headers = {"content-type": "application/json"}
    return Request(method="POST", path=path, body=written({"update": update}), headers=headers, offers=offers)


def _told(updated: _Updated | None) -> Told:
    if updated is None:
        return Told("again", "The shop's answer does not name it.")
    return TAKEN if updated.error is None else _of(updated.error)


def _of(error: _Error) -> Told:
    status, why = error.data.status if error.data else 0, coded("The shop", error.code, error.message)
    if status in (401, 403):
        return Told("again", f"{NO_RIGHTS}: {why}")
    if status == 429 or status >= 500:
        return Told("again", why)
    return Told("absent" if status == 404 or error.code.endswith("invalid_id") else "refused", why)


def _refused(request: Request, answer: Answer) -> Heard:
    """None of them was looked at."""
    error = readable(_error, answer.body)
    if error is None:
        return everything(request, "again", f"The shop answers {answer.status} without an error that can be read.")
    told = _of(error)
    if told.outcome == "absent" and error.code != _NO_ROUTE and request.path != "/products/batch":
        return everything(request, "absent", told.why)
    if answer.status == 404:
        return everything(request, "again", f"{told.why} Is `api_url` right?")
    return one_at_fault(request, told.why)
