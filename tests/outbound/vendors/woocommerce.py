"""A WooCommerce shop's REST API as its documents have it: batches of a hundred, each of them taken by itself.

https://woocommerce.github.io/woocommerce-rest-api-docs/#batch-update-products, #batch-update-product-variations
"""

import re
import time
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from tests.outbound.vendors.vendor import Bucket, Clock, Said, Seen, Vendor

BATCH_MAX, FIRST_PRODUCT = 100, 9_007_199_254_740_993
VARIATIONS = re.compile(r"/products/([0-9]+)/variations/batch")


class WooCommerceShop(Vendor):
    """A shop; `parents` says of a variation's SKU which product it is of, `refused` are SKUs that a plugin guards."""

    prefix = "/wp-json/wc/v3"
    token = "ck_not-a-secret:cs_not-a-secret"

    def __init__(
        self,
        stock: Mapping[str, int | None],
        *,
        parents: Mapping[str, str] | None = None,
        per_second: float = 5.0,
        burst: float = 10.0,
        clock: Clock = time.time,
    ) -> None:
        super().__init__(stock, clock=clock)
        self.calls = Bucket(per_second, burst, clock)
        self.parents = dict(parents or {})
        self.refused: set[str] = set()
        self.may_write = True

    def refuse(self, headers: Mapping[str, str]) -> Said | None:
        if headers.get("authorization") == f"Basic {b64encode(self.token.encode()).decode()}":
            return None
        return _error(401, "woocommerce_rest_cannot_view", "Sorry, you cannot list resources.")

    def too_often(self) -> Said | None:
        # The host says so, not the shop.
        return None if self.calls.take(1) else Said(429, b"<h1>Too Many Requests</h1>", {"retry-after": "1"})

    def is_write(self, seen: Seen) -> bool:
        return seen.method == "POST"

    def number(self, sku: str) -> int:
        """Its id; a product that only groups has none of its own in the stock."""
        names = [*self.stock, *dict.fromkeys(self.parents.values())]
        return FIRST_PRODUCT + names.index(sku)

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Said:
        if (method, path) == ("GET", "/products"):
            return self._list(query)
        if (method, path) == ("POST", "/products/batch"):
            return self._batch(body, None)
        if method == "POST" and (match := VARIATIONS.fullmatch(path)):
            return self._batch(body, int(match[1]))
        return _error(404, "rest_no_route", "No route was found matching the URL and request method.")

    def _list(self, query: Mapping[str, str]) -> Said:
        """By SKUs as its database compares them: in whatever case."""
        whole = query["sku"]
        wanted = {sku.casefold() for sku in [*whole.split(","), whole]}
        found = [self._product(sku) for sku in self.stock if sku.casefold() in wanted]
        return Said(200, found[: int(query.get("per_page", "10"))])

    def _product(self, sku: str) -> dict[str, Any]:
        parent, number = self.parents.get(sku), self.stock[sku]
        return {
            "id": self.number(sku),
            "type": "variation" if parent else "simple",
            "sku": sku,
            "parent_id": self.number(parent) if parent else 0,
            "manage_stock": number is not None,
            "stock_quantity": number,
        }

    def _batch(self, body: Any, parent: int | None) -> Said:
        if not self.may_write:
            message = "The API key provided does not have write permissions."
            return _error(401, "woocommerce_rest_authentication_error", message)
        update = body["update"]
        if len(update) > BATCH_MAX:
            message = "Unable to accept more than 100 items for this request."
            return _error(413, "woocommerce_rest_request_entity_too_large", message)
        if parent is not None and parent not in {self.number(each) for each in self.parents.values()}:
            return _error(404, "woocommerce_rest_product_invalid_id", "Invalid product ID.")
        self.sell_now()
        return Said(200, {"update": [self._update(each, parent) for each in update]})

    def _update(self, each: Any, parent: int | None) -> dict[str, Any]:
        of_parent = {
            self.number(sku): sku
            for sku in self.stock
            if (self.number(self.parents[sku]) if sku in self.parents else None) == parent
        }
        sku = of_parent.get(each["id"])
        if sku is None:
            return {"id": each["id"], **_problem("woocommerce_rest_product_invalid_id", "Invalid ID.", 400)}
        if sku in self.refused:
            return {"id": each["id"], **_problem("product_invalid_stock", "Its stock is kept elsewhere.", 400)}
        if each.get("manage_stock") is True or self.stock[sku] is not None:
            self.stock[sku] = each["stock_quantity"]
        return self._product(sku)


def _problem(code: str, message: str, status: int) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "data": {"status": status}}}


def _error(status: int, code: str, message: str) -> Said:
    return Said(status, {"code": code, "message": message, "data": {"status": status}})
