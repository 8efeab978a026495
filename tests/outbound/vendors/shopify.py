"""Shopify's Admin API as its documents have it: points, compare and swap, and keys that count once.

https://shopify.dev/docs/api/admin-graphql/latest/mutations/inventorySetQuantities, …/docs/api/usage/limits,
…/docs/api/usage/implementing-idempotency, …/docs/api/usage/search-syntax
"""

import re
import time
from collections.abc import Mapping
from typing import Any

from tests.outbound.vendors.vendor import Bucket, Clock, Said, Seen, Vendor

LIST_MAX, POINTS_MAX, QUANTITY_MAX = 250, 1_000, 1_000_000_000
MUTATION_POINTS, POINTS_PER_VARIANT = 10, 4
# Beyond what a float holds exactly.
FIRST_ITEM = 9_007_199_254_740_993
TERM = re.compile(r'sku:"((?:[^"\\]|\\.)*)"')


class ShopifyShop(Vendor):
    """A shop; `not_stocked` are SKUs that it has nowhere, `bundles` those that cannot be set."""

    prefix = "/admin/api/2026-04"
    location = "655441491"

    def __init__(
        self,
        stock: Mapping[str, int | None],
        *,
        per_second: float = 100.0,
        burst: float = 2_000.0,
        clock: Clock = time.time,
    ) -> None:
        super().__init__(stock, clock=clock)
        self.points = Bucket(per_second, burst, clock)
        self.not_stocked: set[str] = set()
        self.bundles: set[str] = set()
        # The scopes of its token.
        self.may_write = True
        self._answers: dict[str, tuple[Any, Said]] = {}

    def refuse(self, headers: Mapping[str, str]) -> Said | None:
        if headers.get("x-shopify-access-token") == self.token:
            return None
        return Said(401, {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"})

    def too_often(self) -> Said | None:
        return None  # by points, once what is asked for is known

    def is_write(self, seen: Seen) -> bool:
        return b"inventorySetQuantities" in seen.body

    def item(self, sku: str) -> str:
        return f"gid://shopify/InventoryItem/{FIRST_ITEM + list(self.stock).index(sku)}"

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Said:
        if (method, path) != ("POST", "/graphql.json") or not isinstance(body, dict):
            return Said(404, {"errors": "Not Found"})
        variables = body.get("variables", {})
        if "inventorySetQuantities" in body["query"]:
            return self._paid(MUTATION_POINTS, MUTATION_POINTS, lambda: self._set_once(body["query"], variables))
        if "productVariants" in body["query"]:
            first = variables["first"]
            matches = self._search(variables["query"])
            points = 2 + POINTS_PER_VARIANT * first
            return self._paid(points, 2 + POINTS_PER_VARIANT * len(matches), lambda: self._page(matches, variables))
        return Said(200, {"errors": [{"message": "Field does not exist", "extensions": {"code": "undefinedField"}}]})

    def _paid(self, requested: int, actual: int, do: Any) -> Said:
        if requested > POINTS_MAX:
            return self._error(
                "MAX_COST_EXCEEDED", f"Query cost is {requested}, which exceeds the single query max cost"
            )
        if not self.points.take(requested):
            throttled = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
            return Said(200, {"errors": [throttled], "extensions": self._cost(requested, None)})
        self.points.give_back(max(requested - actual, 0))
        said: Said = do()
        if said.status == 200:
            return Said(200, {**said.body, "extensions": self._cost(requested, actual)})
        return said

    def _cost(self, requested: int, actual: int | None) -> Any:
        status = {"maximumAvailable": self.points.burst, "currentlyAvailable": int(self.points.left)}
        status["restoreRate"] = self.points.per_second
        return {"cost": {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": status}}

    def _error(self, code: str, message: str) -> Said:
        return Said(200, {"errors": [{"message": message, "extensions": {"code": code}}]})

    def _search(self, query: str) -> list[str]:
        """A fuzzy one: it finds whatever begins alike, in any case."""
        terms = query.split(" OR ") if not TERM.search(query) else TERM.findall(query)
        assert " OR ".join(f'sku:"{term}"' for term in terms) == query, f"more than SKUs is asked for: {query}"
        wanted = [re.sub(r"\\(.)", r"\1", term).casefold() for term in terms]
        return [sku for sku in self.stock if any(sku.casefold().startswith(each) for each in wanted)]

    def _page(self, matches: list[str], variables: Any) -> Said:
        start = int(variables.get("after") or 0)
        end = start + variables["first"]
        is_there = variables["location"] == f"gid://shopify/Location/{self.location}"
        nodes = []
        for sku in matches[start:end]:
            number = self.stock[sku]
            level = {"quantities": [{"quantity": number or 0}]} if is_there and sku not in self.not_stocked else None
            item = {"id": self.item(sku), "tracked": number is not None, "inventoryLevel": level}
            nodes.append({"sku": sku, "inventoryItem": item})
        info = {"hasNextPage": end < len(matches), "endCursor": str(end)}
        return Said(200, {"data": {"productVariants": {"nodes": nodes, "pageInfo": info}}})

    def _set_once(self, query: str, variables: Any) -> Said:
        """Under a key that it was told before, what it answered then."""
        if not self.may_write:
            return self._error("ACCESS_DENIED", "Access denied for inventorySetQuantities field.")
        key = variables.get("key")
        if "@idempotent(key: $key)" not in query or not key:
            return self._error("BAD_REQUEST", "The @idempotent directive is required for this mutation.")
        input = variables["input"]
        if len(input["quantities"]) > LIST_MAX:
            message = f"The input array size of {len(input['quantities'])} is greater than the maximum allowed of 250"
            return self._error("MAX_INPUT_SIZE_EXCEEDED", message)
        if any("changeFromQuantity" not in each for each in input["quantities"]):
            return self._error("INVALID_VARIABLE", "changeFromQuantity is required")
        if known := self._answers.get(key):
            told, said = known
            if told != input:
                return _payload([_problem("IDEMPOTENCY_KEY_PARAMETER_MISMATCH", None)])
            failed = bool(said.body["data"]["inventorySetQuantities"]["userErrors"])
            return _payload([_problem("IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED", None)]) if failed else said
        said = self._set(input)
        self._answers[key] = (input, said)
        return said

    def _set(self, input: Any) -> Said:
        """All of them, or none."""
        self.sell_now()
        if input["name"] != "available" or not input.get("reason"):
            return _payload([_problem("INVALID_NAME", None)])
        skus = {self.item(sku): sku for sku in self.stock}
        seen: set[str] = set()
        problems = []
        for place, each in enumerate(input["quantities"]):
            code = self._code(each, skus, seen)
            seen.add(each["inventoryItemId"])
            problems += [_problem(code, place)] if code else []
        if not problems:
            for each in input["quantities"]:
                self.stock[skus[each["inventoryItemId"]]] = each["quantity"]
        return _payload(problems)

    def _code(self, each: Any, skus: Mapping[str, str], seen: set[str]) -> str | None:
        """What is wrong with one quantity."""
        sku = skus.get(each["inventoryItemId"])
        if each["locationId"] != f"gid://shopify/Location/{self.location}":
            return "INVALID_LOCATION"
        if sku is None:
            return "INVALID_INVENTORY_ITEM"
        if each["inventoryItemId"] in seen:
            return "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR"
        if sku in self.not_stocked:
            return "ITEM_NOT_STOCKED_AT_LOCATION"
        if sku in self.bundles:
            return "NON_MUTABLE_INVENTORY_ITEM"
        if not 0 <= each["quantity"] <= QUANTITY_MAX:
            return "INVALID_QUANTITY_NEGATIVE" if each["quantity"] < 0 else "INVALID_QUANTITY_TOO_HIGH"
        known = each["changeFromQuantity"]
        return "CHANGE_FROM_QUANTITY_STALE" if known is not None and known != self.stock[sku] else None


def _problem(code: str, place: int | None) -> dict[str, Any]:
    field = None if place is None else ["input", "quantities", str(place)]
    return {"code": code, "field": field, "message": code.replace("_", " ").capitalize()}


def _payload(problems: list[dict[str, Any]]) -> Said:
    return Said(200, {"data": {"inventorySetQuantities": {"userErrors": problems}}})
