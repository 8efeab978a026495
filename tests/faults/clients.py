"""Seeded clients: tills, shops and a clerk who send, repeat, ask and change their minds, and note all of it."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random

from tests.faults.log import Answer, Json, Sent
from tests.faults.town import Town, TownHub

PLACES = ("LON-KNB", "DC-LYON")
# Facts are about these, so their sums are the client's own; units of the others are only asked for.
SOLD = tuple(f"SOLD-{number}" for number in range(6))
ASKED = tuple(f"ASKED-{number}" for number in range(3))

# How many units a fact brings to its location, for one unit in its lines.
SIGNS = {"receipt": 1, "return": 1, "adjustment": 1, "sale": -1, "sale.voided": 1, "moved": 0, "order.fulfilled": -1}
ARRAY_MAX = 12
# What came back as unknown is sent again at once so often; the rest is left to whoever settles in the end.
AGAIN = 0.5
PAUSE_SECONDS = 0.05
REPEATED = 0.1


def effects(sent: Sent) -> Counter[tuple[str, str]]:
    """Units that a fact, once taken, adds to what a position has more than it owes."""
    units: Counter[tuple[str, str]] = Counter()
    sign = SIGNS.get(sent.body["type"], 0)
    for line in sent.body["lines"]:
        units[line["sku"], sent.body.get("location", sent.place)] += sign * line["quantity"]
    return units


class Client:
    """One system that sends; the same seed does the same, as far as the answers are the same."""

    def __init__(self, town: Town, name: str, seed: object) -> None:
        self._town = town
        self._name = name
        self._random = Random(f"{seed}-{name}")
        self._count = 0
        self._mine: list[Sent] = []
        self._granted: list[str] = []

    async def work(self, stop: asyncio.Event) -> None:
        """Do one thing after the other until told to stop."""
        while not stop.is_set():
            await self.step()

    async def step(self) -> None:
        """Do one thing."""
        hub = self._town.hub(self._random)
        if self._mine and self._random.random() < REPEATED:
            # Somebody pressed twice: again, perhaps at another hub, perhaps while the first is under way.
            await self._town.send(self._random.choice(self._mine), hub)
        elif self._random.random() < 0.2:
            await self._ask(hub)
        elif self._random.random() < 0.4:
            await self._send_array(hub)
        else:
            await self._send(self._fact(), hub)

    async def _send(self, sent: Sent, hub: TownHub) -> Answer | None:
        answer = await self._town.send(sent, hub)
        while (answer is None or not answer.is_certain) and self._random.random() < AGAIN:
            await asyncio.sleep(PAUSE_SECONDS)
            answer = await self._town.send(sent, self._town.hub(self._random))
        return answer

    async def _send_array(self, hub: TownHub) -> None:
        some = [self._fact() for _ in range(self._random.randint(2, ARRAY_MAX))]
        await self._town.send_array(some, hub)
        if not some[0].answers:
            await asyncio.sleep(PAUSE_SECONDS)

    def _fact(self) -> Sent:
        choose = self._random.choice
        if self._random.random() < 0.08 and (voided := self._void()):
            return voided
        kind = choose(("receipt", "sale", "sale", "sale", "return", "adjustment", "moved", "order"))
        if kind == "order":
            return self._order()
        # A till that was offline for long: only the ledger can say whether its id is new.
        time = _now(days_ago=10 if self._random.random() < 0.08 else 0)
        fields: Json = {"location": choose(PLACES), "time": time, "lines": self._lines(SOLD)}
        if kind == "sale":
            fields["pool"] = choose(("online", "store", "vip"))
        if kind == "return":
            fields["lines"] = [{**line, "to": choose(("free", "inspection"))} for line in fields["lines"]]
        if kind == "adjustment":
            fields["reason"] = "found"
            fields["lines"] = [{**line, "quantity": choose((-1, 1)) * line["quantity"]} for line in fields["lines"]]
        if kind == "moved":
            fields["lines"] = [{**line, "from": "free", "to": "inspection"} for line in fields["lines"]]
        return self._noted(kind, fields)

    def _void(self) -> Sent | None:
        """Take back a sale that somebody was told of; each once."""
        sales = [sent for sent in self._mine[-50:] if sent.body["type"] == "sale" and sent.is_taken]
        if not sales:
            return None
        sale = self._random.choice(sales)
        self._mine.remove(sale)
        voided = self._noted("sale.voided", {"time": _now(), "sale": sale.id, "lines": sale.body["lines"]})
        voided.place = sale.body["location"]
        return voided

    def _order(self) -> Sent:
        """Something about an order, in any order: placed, cancelled, or sent from a location."""
        kind = self._random.choice(("order.placed", "order.placed", "order.cancelled", "order.fulfilled"))
        order = f"{self._name}-{self._random.randrange(20)}-{self._count}"
        fields: Json = {"order": order, "time": _now(), "lines": self._lines(SOLD)}
        if kind == "order.placed":
            fields["pool"] = "online"
        if kind == "order.fulfilled":
            fields["location"] = self._random.choice(PLACES)
        return self._noted(kind, fields)

    async def _ask(self, hub: TownHub) -> None:
        """Reserve, or change what was reserved."""
        choose = self._random.choice
        if self._granted and self._random.random() < 0.6:
            verb = choose(("extend", "confirm", "release", "fulfil", "release"))
            id = choose(self._granted)
            if verb in ("release", "fulfil"):
                self._granted.remove(id)
            path = f"/v1/reservations/{id}/{verb}"
            # Asked for once by each: the log knows it by its path.
            if verb in ("release", "fulfil"):
                await self._send(self._town.log.add(self._name, path, {}), hub)
            return
        if self._random.random() < 0.5:
            lines = [{"sku": choose(ASKED), "quantity": self._random.randint(1, 3)}]
            fields = {"location": choose(PLACES), "time": _now(), "lines": lines}
            await self._send(self._noted("receipt", fields), hub)
            return
        body: Json = {"id": self._next("r"), "pool": "online", "split": True, "lines": self._lines(ASKED)}
        sent = self._town.log.add(self._name, "/v1/reservations", body)
        answer = await self._send(sent, hub)
        if answer is not None and answer.status == 201:
            self._granted.append(sent.id)

    def _lines(self, skus: tuple[str, ...]) -> list[Json]:
        some = self._random.sample(skus, self._random.choice((1, 1, 1, 2)))
        return [{"sku": sku, "quantity": self._random.choice((1, 1, 2))} for sku in some]

    def _noted(self, kind: str, fields: Json) -> Sent:
        sent = self._town.fact(self._name, kind, self._next("e"), **fields)
        self._mine.append(sent)
        return sent

    def _next(self, letter: str) -> str:
        self._count += 1
        return f"{self._name}-{letter}{self._count}"


def _now(days_ago: int = 0) -> str:
    return (datetime.now(UTC) - timedelta(days=days_ago)).isoformat()
