"""What an adapter says → what the kernel is asked to book. Pure.

A vendor tells one transition of an order in several deliveries, each with the details of its own moment. So what it
says again is known by its id and type alone; only what an adapter calls verbatim is held to its content.
"""

from collections.abc import Iterable, Sequence

import msgspec

from adapters.contract import Reading
from hub.domain.command import Fact
from hub.domain.rules import House
from hub.intake.facts import names_in, to_fact
from hub.intake.unknown import unknown_in
from hub.webhooks.accounts import Party
from protocol.codec import DecodedEvent, Malformed, content_hash, decode_event
from protocol.events import Event
from protocol.identifiers import nfc

# Names in one sentence.
_NAMED_MAX = 5


class Unmapped(msgspec.Struct, frozen=True):
    """It cannot be booked until somebody mends something."""

    why: str
    # Names that would have to be aliases of the house.
    lacks: tuple[str, ...] = ()


def facts_of(
    events: Iterable[Event], party: Party, house: House, *, is_verbatim: bool = False
) -> list[Fact] | Unmapped:
    """The facts of one delivery; all of it waits where one of them names what the house does not know.

    `is_verbatim`: the events are the sender's own words, so that another content under a known id is a conflict.
    """
    facts: list[Fact] = []
    unknown: list[str] = []
    for event in events:
        try:
            decoded = decode_event(msgspec.json.encode(event))
        except Malformed as error:
            return Unmapped(f"it makes no event: {error.detail}")
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            return Unmapped(f"it makes no event: {type(error).__name__}")
        fact = to_fact(decoded, names_in(decoded.event), party.settings.id, house, 0)
        if fact.verb == "park":
            unknown += unknown_in(decoded, house)
        if not is_verbatim:
            fact = msgspec.structs.replace(fact, hash=_by_name(decoded))
        facts.append(fact)
    return Unmapped(f"the house does not know {_listed(unknown)}") if unknown else facts


def unknown_aliases(reading: Reading, house: House, *, with_levels: bool) -> list[str]:
    """The names among what it says of stock that stand for a SKU only if the house says for which."""
    used = {line.sku for event in reading.events for line in getattr(event, "lines", None) or ()}
    if with_levels:
        used |= {level.sku for level in reading.levels}
    return [
        name for name in dict.fromkeys(reading.aliases) if name in used and not house.revision(house.sku(nfc(name)))
    ]


def lacking(names: Sequence[str]) -> Unmapped:
    """Nobody said yet which SKUs these are."""
    return Unmapped(f"no SKU of the house has the alias {_listed(names)}", tuple(names))


def _by_name(decoded: DecodedEvent) -> str:
    event = decoded.event
    return content_hash(f"{event.__struct_config__.tag} {event.id}".encode())


def _listed(names: Sequence[str]) -> str:
    known = list(dict.fromkeys(names))
    return ", ".join(known[:_NAMED_MAX]) + (", …" if len(known) > _NAMED_MAX else "")
