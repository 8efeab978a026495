"""An adapter of another package: a bazaar that can be told what is available, by the tests' own small API.

`GET /stalls?skus=["A"]` answers {"A": {"stall": "A!", "has": 3}}; `POST /stalls` takes [[stall, quantity, known]]
under an `idempotency-key` and answers [[outcome, why]] for each. Levels are delivered as [[SKU, units]], signed by the
secret itself in `x-bazaar`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from adapters.contract import Account, Delivery, Level, Maturity, Need, Reading, Reply
from adapters.offering import Allowance, Answer, Heard, Listing, Offer, Request, Shelf, Told
from protocol.identifiers import Sku


class Bazaar:
    name = "bazaar"
    documentation = "https://bazaar.example/api"
    maturity: Maturity = "recorded"
    topics: tuple[str, ...] = ("levels",)
    location_pattern = r"[0-9]*"
    offers_max = 10
    find_cost = 1.0
    allowance = Allowance(per_second=1_000.0, burst=1_000.0)

    def greet(self, delivery: Delivery, account: Account) -> Reply | None:
        return None

    def verify(self, delivery: Delivery, account: Account) -> str | None:
        return None if delivery.headers.get("x-bazaar") in account.secrets else "it is not signed"

    def delivery_id(self, delivery: Delivery) -> str:
        return str(msgspec.json.decode(delivery.body)["id"])

    def topic(self, delivery: Delivery) -> str:
        return "levels"

    def translate(self, delivery: Delivery, account: Account, fetched: Mapping[str, bytes]) -> Reading:
        said: Any = msgspec.json.decode(delivery.body)
        time = datetime.fromtimestamp((delivery.received_at_ms - said.get("late_ms", 0)) / 1000, UTC)
        return Reading(
            levels=tuple(
                Level(sku=sku, location="LON-KNB", available=units, time=time, id=f"{said['id']}:{sku}")
                for sku, units in said["levels"]
            )
        )

    def credentials(self, token: str) -> Mapping[str, str]:
        return {"X-Bazaar-Token": token}

    def find(self, skus: Sequence[Sku], shelf: Shelf) -> tuple[Need, ...]:
        return (Need("stalls", "/stalls", {"skus": msgspec.json.encode(list(skus)).decode(), "at": shelf.location}),)

    def found(
        self, skus: Sequence[Sku], shelf: Shelf, fetched: Mapping[str, bytes]
    ) -> Mapping[Sku, Listing] | tuple[Need, ...] | None:
        try:
            told = msgspec.json.decode(fetched["stalls"], type=dict[str, dict[str, Any]])
        except msgspec.MsgspecError:
            return None
        return {sku: Listing(one["stall"], one["has"]) for sku, one in told.items()}

    def requests(self, offers: Sequence[Offer], shelf: Shelf, key: str, now_ms: int) -> tuple[Request, ...]:
        body = msgspec.json.encode([(offer.listing, offer.quantity, offer.known) for offer in offers])
        return (
            Request(method="POST", path="/stalls", body=body, headers={"Idempotency-Key": key}, offers=tuple(offers)),
        )

    def heard(self, request: Request, answer: Answer) -> Heard:
        wait_seconds = float(answer.headers.get("retry-after", 0))
        if answer.status != 200:
            why = f"it answers {answer.status}"
            return Heard(told=(Told("again", why),) * len(request.offers), wait_seconds=wait_seconds)
        if answer.body == b"one of them":
            told = (Told("again", "one of them is at fault"),) * len(request.offers)
            return Heard(told=told, is_one_at_fault=len(told) > 1)
        told = tuple(Told(outcome, why) for outcome, why in msgspec.json.decode(answer.body))
        left = answer.headers.get("x-left")
        return Heard(told=told, left=None if left is None else float(left))


ADAPTER = Bazaar()
