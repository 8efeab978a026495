"""BigCommerce's Inventory API as its documents have it: a quota for a window, and adjustments that take a moment.

https://developer.bigcommerce.com/docs/rest-management/inventory/adjustments#absolute-adjustment,
https://developer.bigcommerce.com/docs/start/best-practices/api-rate-limits
"""

import time
from collections.abc import Mapping
from typing import Any

from tests.outbound.vendors.vendor import Clock, Said, Seen, Vendor

ITEMS_MAX, QUANTITY_MAX = 2_000, 2_147_483_647
FIRST_VARIANT, FIRST_PRODUCT = 9_007_199_254_740_993, 9_107_199_254_740_993
ITEMS, ABSOLUTE = "/v3/inventory/items", "/v3/inventory/adjustments/absolute"


class BigCommerceStore(Vendor):
    """A store; its `stock` is what it sells.

    `safety` is what it holds back of a SKU, `products` are SKUs without variants, `by_product` those that are counted
    by their product. With `is_slow` what is set shows only after `settle`.
    """

    prefix = "/stores/abc123"
    location = "1"

    def __init__(
        self,
        stock: Mapping[str, int | None],
        *,
        quota: int = 150,
        window_seconds: float = 30.0,
        clock: Clock = time.time,
    ) -> None:
        super().__init__(stock, clock=clock)
        self.quota, self.window_seconds = quota, window_seconds
        self.safety: dict[str, int] = {}
        self.products: set[str] = set()
        self.by_product: set[str] = set()
        self.may_write = True
        self.is_slow = False
        self._window = clock()
        self._used = 0
        self._later: list[tuple[str, int]] = []

    def refuse(self, headers: Mapping[str, str]) -> Said | None:
        if headers.get("x-auth-token") == self.token:
            return None
        return Said(401, {"status": 401, "title": "Unauthorized"})

    def too_often(self) -> Said | None:
        if self.clock() >= self._window + self.window_seconds:
            self._window, self._used = self.clock(), 0
        if self._used >= self.quota:
            return Said(429, {"status": 429, "title": "Too many requests"}, self._headers())
        self._used += 1
        return None

    def is_write(self, seen: Seen) -> bool:
        return seen.path == ABSOLUTE

    def settle(self) -> None:
        """Show what was set."""
        self.stock.update(self._later)
        self._later.clear()

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Said:
        if (method, path) == ("GET", ITEMS):
            return self._items(query)
        if (method, path) == ("PUT", ABSOLUTE):
            return self._adjust(body)
        return Said(404, {"status": 404, "title": "The route is not found"}, self._headers())

    def _headers(self) -> dict[str, str]:
        reset = max(self._window + self.window_seconds - self.clock(), 0)
        return {
            "x-rate-limit-time-window-ms": str(int(self.window_seconds * 1000)),
            "x-rate-limit-time-reset-ms": str(int(reset * 1000) + 1),
            "x-rate-limit-requests-quota": str(self.quota),
            "x-rate-limit-requests-left": str(self.quota - self._used),
        }

    def _items(self, query: Mapping[str, str]) -> Said:
        wanted = query["sku:in"].split(",")
        found = [self._item(sku) for sku in self.stock if sku in wanted]
        return Said(200, {"data": found[: int(query.get("limit", "50"))], "meta": {}}, self._headers())

    def _item(self, sku: str) -> dict[str, Any]:
        place, safety = list(self.stock).index(sku), self.safety.get(sku, 0)
        identity = {"sku": sku, "variant_id": FIRST_VARIANT + place, "product_id": FIRST_PRODUCT + place}
        identity["sku_id"] = None if sku in self.products else place + 1
        at = {
            "location_id": int(self.location),
            "available_to_sell": self.stock[sku] or 0,
            "total_inventory_onhand": (self.stock[sku] or 0) + safety,
            "settings": {"safety_stock": safety, "is_in_stock": True, "warning_level": 0},
        }
        return {"identity": identity, "locations": [at]}

    def _adjust(self, body: Any) -> Said:
        """All of them, or none."""
        if not self.may_write:
            return Said(403, {"status": 403, "title": "You don't have a required scope"}, self._headers())
        items = body["items"]
        if len(items) > ITEMS_MAX:
            return self._unfit("Limit of 2000 items is exceeded")
        self.sell_now()
        skus: dict[tuple[str, int], str] = {}
        for place, sku in enumerate(self.stock):
            own = (
                ("product_id", FIRST_PRODUCT + place) if sku in self.products else ("variant_id", FIRST_VARIANT + place)
            )
            skus[own] = sku
        problems, amounts = [], list[tuple[str, int]]()
        for each in items:
            kind = "variant_id" if "variant_id" in each else "product_id"
            sku = skus.get((kind, each[kind]))
            named = f"Item with {kind} {each[kind]}"
            if sku is None or each["location_id"] != int(self.location):
                problems.append(f"{named} was not found")
            elif sku in self.by_product:
                problems.append(f"{named} is tracked by product, please update stock by product id")
            elif not 0 <= each["quantity"] <= QUANTITY_MAX:
                problems.append(f"{named} has a quantity that is out of range")
            else:
                amounts.append((sku, max(each["quantity"] - self.safety.get(sku, 0), 0)))
        if problems:
            return self._unfit(f"[{', '.join(problems)}]")
        self._later += amounts
        if not self.is_slow:
            self.settle()
        return Said(200, {"transaction_id": f"transaction-{len(self.requests)}"}, self._headers())

    def _unfit(self, title: str) -> Said:
        return Said(422, {"status": 422, "title": title, "type": "", "errors": {}}, self._headers())
