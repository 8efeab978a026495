"""Look up what an event is about before the kernel is asked: its transfer, its order, the sale that it voids.

The kernel touches only keys that it was given and cannot ask the ledger, so somebody must know first where a transfer
goes and what a sale took. What was looked up may have changed by the time the kernel is asked; it says so
(`look_again`) and writes nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis

from hub.domain.command import ORDER_VERBS, REACH_MAX, Fact, Transfer, Voiding
from hub.domain.entry import FIELD, Entry, Seq, decode_entry
from hub.domain.rules import House
from hub.domain.transfers import with_record
from hub.domain.transit import CLOSED, Record, record_from
from hub.domain.voids import given_back_in, record_field, with_sale
from hub.stock import keys
from hub.stock.about_orders import AboutOrders
from hub.stock.allowed import Allowed
from hub.stock.days import in_days
from hub.stock.kernel import Kernel
from hub.stock.long_memory import EventId, LongMemory, VoidMemory
from hub.stock.outcome import Forbidden, Refused
from hub.stock.reading import reading
from protocol.limits import NAME_CHARS_MAX

# Facts that are about an earlier one.
ABOUT_EARLIER = ORDER_VERBS | {"dispatch", "receive", "void"}

Completed = Fact | Refused | Forbidden

# The entry of an event, and the units of each SKU that were given back by what the ledger says.
Known = tuple[Entry, Mapping[str, int]]

_decode: Callable[[bytes], Any] = msgspec.msgpack.decode
_decode_record = msgspec.msgpack.Decoder(Record).decode


class Earlier:
    """Looks up what facts are about, for one partition."""

    def __init__(
        self,
        client: Redis,
        kernel: Kernel,
        house: Callable[[], House],
        memory: LongMemory,
        voids: VoidMemory,
        orders: AboutOrders,
    ) -> None:
        self._client = client
        self._kernel = kernel
        # The house as it is now.
        self._house = house
        self._memory = memory
        self._voids = voids
        self._orders = orders

    async def complete(self, facts: Sequence[Fact], allowed: Allowed) -> list[Completed]:
        """Complete facts that are about earlier ones, in their order; or say why one cannot be booked.

        What takes effect at a location that the house does not have any more is parked.

        Raises:
            Unavailable, ServerRefused: Redis did not answer, or the ledger, where only that can tell.
        """
        transfers = await self._transfers({_transfer_in(fact) for fact in facts if isinstance(fact.detail, Transfer)})
        sales = await self._sales({_sale_in(fact) for fact in facts if fact.verb == "void"})
        ordering = [fact for fact in facts if fact.verb in ORDER_VERBS]
        sent_for = await self._orders.forbidden(list(dict.fromkeys(filter(None, map(_order_in, facts)))), allowed)
        orders = iter(await self._orders.complete(ordering, self._house(), allowed))
        house = self._house()
        completed: list[Completed] = []
        for fact in facts:
            if fact.verb in ORDER_VERBS:
                completed.append(next(orders))
            elif fact.verb == "void":
                completed.append(_voiding(fact, sales, house, allowed))
            elif _order_in(fact) in sent_for:
                completed.append(Forbidden(sent_for[_order_in(fact)]))
            else:
                completed.append(_moving(fact, transfers.get(_transfer_in(fact)), house, allowed))
        return completed

    async def _transfers(self, ids: Iterable[str]) -> dict[str, Record]:
        """What is remembered of the transfers among these."""
        wanted = list(ids)
        closed = await in_days(self._client, self._kernel, [keys.day_field(CLOSED, id) for id in wanted])
        with reading():
            under_way: Any = await self._client.hmget(keys.TRANSFERS, wanted) if wanted else []
        found = {id: record_from(closed[field][-1]) for id in wanted if (field := keys.day_field(CLOSED, id)) in closed}
        return found | {id: _decode_record(packed) for id, packed in zip(wanted, under_way, strict=True) if packed}

    async def _sales(self, ids: Iterable[EventId]) -> dict[EventId, Known]:
        """The entries of the events among these that were booked, and what the ledger knows to be given back of each.

        As long as Redis knows the event itself, it knows its voids too, for they came later.
        """
        wanted = list(ids)
        seen = await in_days(self._client, self._kernel, [keys.event_field(*id) for id in wanted])
        fresh: dict[EventId, Seq] = {}
        for id in wanted:
            kind, _, *place = seen.get(keys.event_field(*id), (None, None))
            if kind == "fact":
                fresh[id] = Seq(*place)
        found: dict[EventId, Known] = {id: (entry, {}) for id, entry in (await self._in_journal(fresh)).items()}
        missing = [id for id in wanted if id not in found]
        if not missing:
            return found
        recalled = await self._memory.recall(missing)
        forgotten = [id for id in recalled if id not in fresh]
        voids = await self._voids.voids_of(forgotten) if forgotten else {}
        for id, known in recalled.items():
            entry = decode_entry(known.entry)
            about = [entry, *map(decode_entry, voids.get(id, ()))]
            found[id] = (entry, given_back_in(about, record_field(*id)))
        return found

    async def _in_journal(self, seqs: Mapping[EventId, Seq]) -> dict[EventId, Entry]:
        """The entries among these that were not trimmed yet."""
        if not seqs:
            return {}
        with reading():
            async with self._client.pipeline(transaction=False) as pipeline:
                for seq in seqs.values():
                    pipeline.xrange(keys.JOURNAL, seq.stream_id, seq.stream_id)
                rows = await pipeline.execute()
        return {id: decode_entry(row[0][1][FIELD]) for id, row in zip(seqs, rows, strict=True) if row}


def _transfer_in(fact: Fact) -> str:
    assert isinstance(fact.detail, Transfer)
    return fact.detail.id


def _order_in(fact: Fact) -> str:
    """The order that a dispatch is for; empty where it names none, and of other facts."""
    return fact.detail.order if isinstance(fact.detail, Transfer) else ""


def _sale_in(fact: Fact) -> EventId:
    assert isinstance(fact.detail, Voiding)
    return fact.source, fact.detail.sale


def _moving(fact: Fact, known: Record | None, house: House, allowed: Allowed) -> Completed:
    """A transfer goes to one place; which one that is hears only who may touch it."""
    assert isinstance(fact.detail, Transfer)
    is_elsewhere = fact.verb == "dispatch" and known is not None and known.to not in ("", fact.detail.to)
    if known is not None and is_elsewhere and not allowed.may_location(known.to):
        return Refused(f"transfer {fact.detail.id} does not go to {fact.detail.to}")
    completed = with_record(fact, known, house.sku)
    if fact.verb == "receive" and not (known and known.to):
        return _waiting(completed, allowed)
    return _checked(completed, house, allowed)


def _voiding(fact: Fact, sales: Mapping[EventId, Known], house: House, allowed: Allowed) -> Completed:
    """A void of what is no sale is refused; one of what is not known yet waits in the kernel."""
    known = sales.get(_sale_in(fact))
    if known is None:
        return _waiting(fact, allowed)
    entry, given_back = known
    if entry.type != "sale":
        article = "an" if entry.type[:1] in "aeiou" else "a"
        return Refused(f"{entry.id} is {article} {entry.type}, not a sale")
    return _checked(with_sale(fact, entry, given_back), house, allowed)


def _waiting(fact: Fact, allowed: Allowed) -> Completed:
    """What waits keeps where its sender may touch anything, for nobody knows yet where it will take effect."""
    if allowed.locations is None:
        return fact
    # A token may name what can be no location.
    reach = tuple(sorted(name for name in allowed.locations if name.isascii() and 1 <= len(name) <= NAME_CHARS_MAX))
    if not reach:
        return Forbidden("the token allows no location, and it is not known yet where this takes effect")
    if len(reach) > REACH_MAX:
        return Forbidden(f"the token names over {REACH_MAX} locations, and it is not known yet where this takes effect")
    assert isinstance(fact.detail, Transfer | Voiding)
    return msgspec.structs.replace(fact, detail=msgspec.structs.replace(fact.detail, reach=reach))


def _checked(fact: Fact, house: House, allowed: Allowed) -> Completed:
    places = {line.location for line in fact.lines}
    if fact.verb == "receive" and isinstance(fact.detail, Transfer):
        # The last that is told of a transfer may have no lines.
        places.add(fact.detail.to)
    if not all(map(allowed.may_location, places)):
        return Forbidden("the token does not allow the location where this takes effect")
    if not all(place in house.locations for place in places):
        return msgspec.structs.replace(fact, verb="park", lines=(), detail=None)
    return fact
