"""How offers and SKUs are put into requests, and how a vendor's articles become the SKUs that were asked for."""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from urllib.parse import quote
from uuid import UUID

import msgspec

from adapters.offering import Listing, Offer
from protocol.identifiers import Sku, nfc

# Of the part of an address that names SKUs; addresses of 8 KiB are taken everywhere.
ADDRESS_BYTES_MAX = 6_000

written = msgspec.json.Encoder().encode


def batches(offers: Iterable[Offer], at_most: int) -> list[tuple[Offer, ...]]:
    """All of them, in batches without a listing twice: a vendor takes the one or the other of two numbers."""
    layers: list[list[Offer]] = []
    seen: dict[str, int] = {}
    for offer in offers:
        layer = seen[offer.listing] = seen.get(offer.listing, -1) + 1
        if layer == len(layers):
            layers.append([])
        layers[layer].append(offer)
    return [tuple(layer[first : first + at_most]) for layer in layers for first in range(0, len(layer), at_most)]


def asked_together(skus: Iterable[Sku], at_most: int) -> list[tuple[Sku, ...]]:
    """SKUs in comma lists that fit an address; one with a comma is asked for alone."""
    groups: list[tuple[Sku, ...]] = []
    group: list[Sku] = []
    size = 0
    for sku in dict.fromkeys(skus):
        length = len(quote(sku, safe="", errors="replace")) + 3
        if "," in sku:
            groups.append((sku,))
            continue
        if len(group) == at_most or (group and size + length > ADDRESS_BYTES_MAX):
            groups.append(tuple(group))
            group, size = [], 0
        group.append(sku)
        size += length
    return [*groups, tuple(group)] if group else groups


def key_of(key: str, content: object) -> str:
    """A key for the vendor, a UUID: the same for the same content under the same key, and for nothing else."""
    said = sha256(key.encode("utf-8", "replace") + b"\n" + written(content)).digest()
    return str(UUID(bytes=said[:16], version=4))


def by_sku(skus: Sequence[Sku], articles: Iterable[tuple[str | None, Listing]]) -> dict[Sku, Listing]:
    """The listings of SKUs, by their exact names: searches are fuzzy. What two articles carry is of neither."""
    asked = {nfc(sku): sku for sku in skus}
    found: dict[Sku, Listing] = {}
    twice: set[Sku] = set()
    for name, listing in articles:
        sku = asked.get(nfc(name)) if name else None
        if sku is None or found.get(sku, listing).id != listing.id:
            twice |= {sku} if sku else set()
        else:
            found[sku] = listing
    return {sku: listing for sku, listing in found.items() if sku not in twice}
