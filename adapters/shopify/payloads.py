"""Shopify's payloads: the REST resources, with only the fields that are used."""

import re
from typing import Any

import msgspec
from msgspec import Struct

from adapters.telling import Id, Number

_ITEM = re.compile(r"inventory_item_id=([0-9]{1,30})$")


class Named(Struct):
    """Whatever has an id; the global one is exact also where somebody's JSON rounded the number."""

    id: Id
    admin_graphql_api_id: str | None = None

    @property
    def exact(self) -> str:
        """Its id, to the last digit."""
        gid = self.admin_graphql_api_id or ""
        last = gid.rpartition("/")[2].partition("?")[0]
        return last if last.isascii() and last.isdigit() else str(self.id)


class OrderLine(Named):
    """What was ordered, sent or given back; only what is used of it."""

    quantity: Number = 0
    # After refunds and edits; since 2024-01.
    current_quantity: Number | None = None
    # Still to be sent.
    fulfillable_quantity: Number | None = None
    sku: str | None = None
    variant_id: Id | None = None
    product_id: Id | None = None
    gift_card: bool = False
    tip: Any = None

    @property
    def is_stock(self) -> bool:
        """Whether it is an article: no gift card, no tip, no line that somebody typed."""
        is_typed = not (self.sku or "").strip() and self.variant_id is None and self.product_id is None
        return not (self.gift_card or self.tip or is_typed)


class Fulfilment(Named):
    """A parcel."""

    order_id: Id | None = None
    status: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    location_id: Id | None = None
    line_items: tuple[OrderLine, ...] = ()


class RefundLine(Struct):
    """Units that were paid back, and whether they were put back."""

    line_item_id: Id
    quantity: Number
    restock_type: str = "no_restock"
    location_id: Id | None = None
    line_item: OrderLine | None = None

    @property
    def of_line(self) -> str:
        """The id of the order's line."""
        return self.line_item.exact if self.line_item else str(self.line_item_id)


class Refund(Named):
    """Money given back, for units or not."""

    order_id: Id | None = None
    created_at: str | None = None
    refund_line_items: tuple[RefundLine, ...] = ()


class Order(Named):
    """An order as it stands."""

    created_at: str | None = None
    updated_at: str | None = None
    cancelled_at: str | None = None
    source_name: str | None = None
    location_id: Id | None = None
    line_items: tuple[OrderLine, ...] = ()
    shipping_lines: tuple[msgspec.Raw, ...] = ()
    fulfillments: tuple[Fulfilment, ...] = ()
    refunds: tuple[Refund, ...] = ()


class Edit(Struct):
    """What was edited."""

    order_id: Id


class Edited(Struct):
    """`orders/edited`: which order, and no SKU."""

    order_edit: Edit


class FetchedOrder(Struct):
    """An order as the API answers it."""

    order: Order


class LevelNow(Struct):
    """`inventory_levels/*`."""

    inventory_item_id: Id
    location_id: Id
    available: Number | None = None
    updated_at: str | None = None
    admin_graphql_api_id: str | None = None

    @property
    def item(self) -> str:
        """The item's id, to the last digit."""
        found = _ITEM.search(self.admin_graphql_api_id or "")
        return found[1] if found else str(self.inventory_item_id)


class Item(Named):
    """`inventory_items/*`."""

    sku: str | None = None


class Variant(Named):
    """One variant of a product."""

    sku: str | None = None
    inventory_item_id: Id | None = None


class Product(Struct):
    """`products/*`."""

    variants: tuple[Variant, ...] = ()
