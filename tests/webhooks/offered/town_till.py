"""An adapter of another package: a till that says all that an adapter can say, and can be told to break.

The body is a JSON object: `id`, `topic`, `sold` [[their id of a SKU, units]] and `levels` [[SKU, units or null]] at
`at`, `names` {SKU: [their names]}, `fetch` [paths], `raise` [methods]. Signed in hex by `x-town-hmac`.
"""

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec

from adapters.contract import Account, Delivery, Description, Level, Maturity, Need, Reading, Reply
from protocol.events import Line, Sale


class Town:
    name = "town"
    documentation = "https://town.example/webhooks"
    maturity: Maturity = "recorded"
    topics: tuple[str, ...] = ("sale", "level", "catalogue", "poke")

    def greet(self, delivery: Delivery, account: Account) -> Reply | None:
        challenge = delivery.query.get("challenge")
        return Reply(body=challenge.encode()) if delivery.method == "GET" and challenge else None

    def verify(self, delivery: Delivery, account: Account) -> str | None:
        given = delivery.headers.get("x-town-hmac", "")
        expected = [hmac.new(secret.encode(), delivery.body, sha256).hexdigest() for secret in account.secrets]
        return None if given in expected else "no signature is right"

    def delivery_id(self, delivery: Delivery) -> str:
        self._break("delivery_id", delivery)
        return str(_said(delivery).get("id", ""))

    def topic(self, delivery: Delivery) -> str:
        self._break("topic", delivery)
        return str(_said(delivery).get("topic", ""))

    def translate(self, delivery: Delivery, account: Account, fetched: Mapping[str, bytes]) -> Reading:
        self._break("translate", delivery)
        said = _said(delivery)
        for body in fetched.values():
            said |= msgspec.json.decode(body)
        lacking = [path for path in said.get("fetch", []) if path not in fetched]
        if lacking:
            return Reading(needs=tuple(Need(path, path, {"key": "1"}) for path in lacking))
        place = account.place(said.get("at"))
        if place is None and (said.get("sold") or said.get("levels")):
            return Reading(unmapped=f"their place {said.get('at')} is no location of ours")
        time = datetime.fromtimestamp(delivery.received_at_ms / 1000, UTC)
        sold = tuple(Line(sku=sku, quantity=units) for sku, units in said.get("sold", []))
        levels = tuple(
            Level(sku=sku, location=str(place), available=units, time=time, id=f"level:{sku}:{units}")
            for sku, units in said.get("levels", [])
        )
        sale = Sale(id=f"sale:{said.get('sale')}", time=time, location=str(place), pool=account.pool, lines=sold)
        return Reading(
            events=(sale,) if sold else (),
            levels=levels,
            is_verbatim=bool(said.get("verbatim")),
            descriptions=tuple(Description(sku, tuple(names)) for sku, names in said.get("names", {}).items()),
            aliases=tuple(
                sku for sku, _ in [*said.get("sold", []), *said.get("levels", [])] if sku.startswith("town:")
            ),
        )

    def credentials(self, token: str) -> Mapping[str, str]:
        return {"X-Town-Token": token}

    def _break(self, method: str, delivery: Delivery) -> None:
        if method in _said(delivery).get("raise", []):
            raise ZeroDivisionError("as it was told")


def _said(delivery: Delivery) -> dict[str, Any]:
    return dict(msgspec.json.decode(delivery.body))


ADAPTER = Town()
