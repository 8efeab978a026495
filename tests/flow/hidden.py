"""A house where much happens that no public pool shows: one lane of SKUs, and the changes that may not be noticed."""

from collections.abc import Callable
from itertools import count
from typing import Any

from tests.intake.door import ALL_SCOPES, Door, line

HOUSE = """
location = [
    { id = "LON-KNB", kind = "store" }, { id = "DC-LYON", kind = "warehouse" }, { id = "DXB-MALL", kind = "store" },
]

[[pool]]
id = "online"
locations = ["LON-KNB", "DC-LYON"]
public = true
cap = 10

[[pool]]
id = "hints"
locations = ["LON-KNB", "DC-LYON"]
public = true
show = "status"

[[pool]]
id = "where"
locations = ["LON-KNB", "DC-LYON"]
public = true
per_location = true
cap = 10

[[pool]]
id = "trio"
locations = ["LON-KNB"]
public = true
threshold = 3

[[pool]]
id = "vip"
locations = ["LON-KNB"]

[[pool]]
id = "gulf"
locations = ["DXB-MALL"]
"""
# More than all that is taken in a run.
PLENTY = 100_000
SHOWN = 5

Json = dict[str, Any]
# Events of one kind of change that shows nowhere, given its number.
Hidden = Callable[[], list[Json]]


class Lane:
    """Some SKUs that nobody else touches, and what may happen to them."""

    def __init__(self, door: Door, name: str) -> None:
        self._door = door
        # An owner has one basket at a time.
        self._token = door.token((*ALL_SCOPES, "reservations:write"), sub=f"desk-{name}")
        self._ids = (f"{name}-{number}" for number in count())
        # Five are shown online, and its VIPs' units lie beside them.
        self.loud = f"LOUD-{name}"
        # More than the cap, and than the status says.
        self.deep = f"DEEP-{name}"
        # All set aside for VIPs; all where no public pool looks; fewer than are shown at all.
        self.fenced, self.far, self.few = f"FENCED-{name}", f"FAR-{name}", f"FEW-{name}"
        self.never = f"NEVER-{name}"

    @property
    def watched(self) -> dict[str, tuple[str, ...]]:
        """What a public watcher of the lane watches, by pool; of all of it only `loud` ever shows a change."""
        dark = (self.fenced, self.far, self.never)
        return {
            "online": (self.loud, self.deep, *dark),
            "hints": (self.deep, *dark),
            "where": (self.deep, *dark),
            "trio": (self.few, *dark),
        }

    def setting(self) -> list[Json]:
        """The events that make it as described."""
        return [
            self._fence(self.loud, PLENTY),
            self._fence(self.fenced, 2 * PLENTY),
            self._event("receipt", self.loud, PLENTY + SHOWN),
            self._event("receipt", self.fenced, PLENTY),
            self._event("receipt", self.deep, PLENTY),
            self._event("receipt", self.few, 1),
            self._event("receipt", self.far, PLENTY, location="DXB-MALL"),
        ]

    def public(self, number: int) -> Json:
        """The change of that number that everybody is shown: one is sold, and one comes back, turn about."""
        if number % 2 == 0:
            return self._event("sale", self.loud, pool="online")
        return self._event("return", self.loud, lines=[line(self.loud, 1, to="free")])

    def hidden(self) -> dict[str, Hidden]:
        """Events that no public pool shows, by what they are."""
        far = {"location": "DXB-MALL"}
        return {
            "a VIP buys what lies beside": lambda: [self._event("sale", self.loud, pool="vip")],
            "a VIP buys what nobody sees": lambda: [self._event("sale", self.fenced, pool="vip")],
            "units come for VIPs only": lambda: [self._event("receipt", self.fenced)],
            "a fence moves under the cap": lambda: [self._fence(self.deep, 7), self._fence(self.deep, 3)],
            "a fence is raised that nothing fills": lambda: [self._fence(self.fenced, 2 * PLENTY + 1)],
            "a sale under the cap": lambda: [self._event("sale", self.deep, pool="online")],
            "a scratch under the cap": lambda: [self._moved(self.deep, "free", "damaged")],
            "from a status to another": lambda: [self._moved(self.deep, "damaged", "inspection")],
            "below the threshold": lambda: [self._event(what, self.few, pool="trio") for what in ("receipt", "sale")],
            "far away, sold": lambda: [self._event("sale", self.far, pool="gulf", **far)],
            "far away, adjusted": lambda: [self._event("adjustment", self.far, reason="found", **far)],
            "far away, expected": lambda: [
                self._event("expected", self.far, purchase_order="PO", eta="2099-01-01T00:00:00Z", **far)
            ],
            "on its way from there": lambda: [self._dispatched()],
            "a SKU is made far away": lambda: [self._event("receipt", f"NEW-{next(self._ids)}", **far)],
            "parked": lambda: [self._event("sale", self.loud, pool="vip", location="NOWHERE")],
            "sent twice": lambda: [self._event("sale", self.loud, pool="vip")] * 2,
            "an id used again": self._conflict,
        }

    async def hold(self) -> None:
        """A VIP reserves what lies beside, changes their mind about one of two, and buys the other."""
        id = f"bag-{next(self._ids)}"
        body = {"id": id, "pool": "vip", "lines": [line(self.loud, 2)]}
        await self._reservation("", body, 201)
        await self._reservation(f"/{id}/release", {"lines": [line(self.loud)]}, 200)
        await self._reservation(f"/{id}/fulfil", {}, 200)

    async def _reservation(self, path: str, body: Json, status: int) -> None:
        answer = await self._door.post(f"/v1/reservations{path}", body, token=self._token)
        assert answer.status == status, answer.body

    def _event(self, type: str, sku: str, quantity: int = 1, **fields: Any) -> Json:
        dropped = {} if type == "sale" else {"pool": ...}
        event = self._door.event(type, line(sku, quantity), **{**fields, **dropped, "id": next(self._ids)})
        return event

    def _fence(self, sku: str, quantity: int) -> Json:
        event = self._event("ring_fence", sku, quantity)
        return {**event, "pool": "vip"}

    def _moved(self, sku: str, of: str, to: str) -> Json:
        return self._event("moved", sku, lines=[line(sku, 1, **{"from": of, "to": to})])

    def _dispatched(self) -> Json:
        event = self._event("transfer.dispatched", self.far, location=...)
        return {**event, "transfer": event["id"], "from": "DXB-MALL", "to": "LON-KNB"}

    def _conflict(self) -> list[Json]:
        first = self._event("sale", self.loud, pool="vip")
        return [first, {**first, "lines": [line(self.loud, 2)]}]
