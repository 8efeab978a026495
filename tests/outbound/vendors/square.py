"""Square's Catalog and Inventory APIs as their documents have them: counts as of a time, and keys that count once.

https://developer.squareup.com/reference/square/inventory-api/batch-change-inventory,
…/inventory-api/batch-retrieve-inventory-counts, …/catalog-api/search-catalog-objects
"""

import re
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tests.outbound.vendors.vendor import Bucket, Clock, Said, Seen, Vendor

CHANGES_MAX, KEY_CHARS_MAX, VALUES_MAX, DAY_SECONDS = 100, 128, 250, 86_400
DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,5})?")
SEARCH, COUNTS, CHANGE = "/catalog/search", "/inventory/counts/batch-retrieve", "/inventory/changes/batch-create"


class SquareShop(Vendor):
    """A seller's account; `uncountable` are SKUs that cannot be counted, `page_size` how much one page has."""

    prefix = "/v2"
    location = "C6W5YS5QM06F5"

    def __init__(
        self,
        stock: Mapping[str, int | None],
        *,
        per_second: float = 10.0,
        burst: float = 20.0,
        clock: Clock = time.time,
    ) -> None:
        super().__init__(stock, clock=clock)
        self.calls = Bucket(per_second, burst, clock)
        self.page_size = 1_000
        self.uncountable: set[str] = set()
        self.may_write = True
        self._answers: dict[str, tuple[Any, Said]] = {}
        self._sold: list[tuple[float, str, int]] = []

    def refuse(self, headers: Mapping[str, str]) -> Said | None:
        if headers.get("authorization") == f"Bearer {self.token}":
            return None
        return _error(401, "UNAUTHORIZED", "This request could not be authorized.", category="AUTHENTICATION_ERROR")

    def too_often(self) -> Said | None:
        if self.calls.take(1):
            return None
        limited = "This request was rate limited. Please retry later."
        return _error(429, "RATE_LIMITED", limited, category="RATE_LIMIT_ERROR")

    def is_write(self, seen: Seen) -> bool:
        return seen.path == CHANGE

    def variation(self, sku: str) -> str:
        return f"VARIATION{list(self.stock).index(sku):06}"

    def sell(self, sku: str, units: int = 1) -> None:
        super().sell(sku, units)
        self._sold.append((self.clock(), sku, units))

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Said:
        roads = {SEARCH: self._search, COUNTS: self._counts, CHANGE: self._change_once}
        if method != "POST" or path not in roads:
            return _error(404, "NOT_FOUND", "Resource not found.")
        return roads[path](body)

    def _search(self, asked: Any) -> Said:
        """Variations by their SKUs, in whatever case."""
        values = asked["query"]["set_query"]["attribute_values"]
        if not 0 < len(values) <= VALUES_MAX or asked["object_types"] != ["ITEM_VARIATION"]:
            return _error(400, "VALUE_TOO_LONG", "At most 250 values may be searched for.", "query.set_query")
        wanted = {value.casefold() for value in values}
        found = [
            {
                "type": "ITEM_VARIATION",
                "id": self.variation(sku),
                "is_deleted": False,
                "item_variation_data": {"sku": sku},
            }
            for sku in self.stock
            if sku.casefold() in wanted
        ]
        return self._page("objects", found, asked)

    def _counts(self, asked: Any) -> Said:
        ids, is_there = set(asked["catalog_object_ids"]), self.location in asked["location_ids"]
        counts = [
            self._count(sku)
            for sku in self.stock
            if is_there and self.variation(sku) in ids and self.stock[sku] is not None
        ]
        return self._page("counts", counts, asked)

    def _page(self, name: str, found: list[Any], asked: Any) -> Said:
        start = int(asked.get("cursor", 0))
        end = start + min(self.page_size, asked["limit"])
        page: dict[str, Any] = {name: found[start:end]} if found else {}
        return Said(200, {**page, "cursor": str(end)} if end < len(found) else page)

    def _count(self, sku: str) -> dict[str, Any]:
        return {
            "catalog_object_id": self.variation(sku),
            "catalog_object_type": "ITEM_VARIATION",
            "state": "IN_STOCK",
            "location_id": self.location,
            "quantity": str(self.stock[sku]),
        }

    def _change_once(self, asked: Any) -> Said:
        """Under a key that it was told before, what it answered then."""
        if not self.may_write:
            scopes = "The merchant has not given your application sufficient permissions to do that."
            return _error(403, "INSUFFICIENT_SCOPES", scopes, category="AUTHENTICATION_ERROR")
        key = asked.get("idempotency_key", "")
        if not 0 < len(key) <= KEY_CHARS_MAX:
            return _error(400, "VALUE_TOO_LONG", "idempotency_key", "idempotency_key")
        if not 0 < len(asked["changes"]) <= CHANGES_MAX:
            return _error(400, "ARRAY_LENGTH_TOO_LONG", "At most 100 changes are taken.", "changes")
        if known := self._answers.get(key):
            told, said = known
            reused = "Different request parameters used for the same idempotency_key."
            return said if told == asked else _error(400, "IDEMPOTENCY_KEY_REUSED", reused, "idempotency_key")
        said = self._change(asked["changes"])
        if said.status == 200:
            self._answers[key] = (asked, said)
        return said

    def _change(self, changes: Any) -> Said:
        """All of them, or none."""
        self.sell_now()
        skus = {self.variation(sku): sku for sku in self.stock}
        for place, change in enumerate(changes):
            if wrong := self._wrong(change, skus, f"changes[{place}].physical_count"):
                return wrong
        for change in changes:
            count = change["physical_count"]
            sku, at = skus[count["catalog_object_id"]], datetime.fromisoformat(count["occurred_at"]).timestamp()
            since = sum(units for when, sold, units in self._sold if sold == sku and when > at)
            self.stock[sku] = int(count["quantity"]) - since
        told = {change["physical_count"]["catalog_object_id"] for change in changes}
        counts = [self._count(sku) for sku in self.stock if self.variation(sku) in told]
        return Said(200, {"errors": [], "counts": counts})

    def _wrong(self, change: Any, skus: Mapping[str, str], field: str) -> Said | None:
        count = change["physical_count"]
        age = self.clock() - datetime.fromisoformat(count["occurred_at"]).timestamp()
        if change["type"] != "PHYSICAL_COUNT" or count["state"] != "IN_STOCK":
            return _error(400, "INVALID_VALUE", "Only physical counts of what is in stock.", field)
        if not -1 < age < DAY_SECONDS:
            return _error(400, "INVALID_TIME", "It is in the future or too old.", f"{field}.occurred_at")
        if count["location_id"] != self.location:
            return _error(400, "NOT_FOUND", "Location not found.", f"{field}.location_id")
        if not isinstance(count["quantity"], str) or not DECIMAL.fullmatch(count["quantity"]):
            return _error(400, "INVALID_VALUE", "The quantity is no decimal text.", f"{field}.quantity")
        sku = skus.get(count["catalog_object_id"])
        if sku is None:
            return _error(404, "NOT_FOUND", f"Object with ID `{count['catalog_object_id']}` not found.")
        if sku in self.uncountable:
            return _error(400, "INVALID_VALUE", "It cannot be counted.", field)
        return None


def _error(status: int, code: str, detail: str, field: str = "", category: str = "INVALID_REQUEST_ERROR") -> Said:
    error = {"category": category, "code": code, "detail": detail}
    return Said(status, {"errors": [{**error, "field": field} if field else error]})
