"""What is sent to the kernel's script: commands, and the keys, profiles and sights that they share."""

import hashlib
from typing import ClassVar

import msgspec

from hub.domain.articles import Article
from hub.domain.command import ORDER_VERBS, OWN_SOURCE, REQUESTS, Fact, Line, Selling, Transfer
from hub.domain.repairing import MendedPlace
from hub.domain.rules import House, Profile
from hub.stock import keys

# What is about units that are kept for somebody.
_ABOUT_HOLDS = REQUESTS | ORDER_VERBS
# type, source, id, hash, time, stated, ledger checked, payload, pool and standing of what no event says.
_OF_NO_SOURCE = ("", "", "", "", 0, 0, 1, "", "", 0)


class Refresh(msgspec.Struct, frozen=True):
    """Recompute what every pool shows of a SKU after a change of rules."""

    sku: str


class Describe(msgspec.Struct, frozen=True):
    """Say what a SKU is: category, brand, attributes and aliases, all of them anew."""

    sku: str
    # Its revision is the newest that the sender knows; the kernel makes the next one.
    article: Article
    # Of that newest one, in its order.
    aliases_before: tuple[str, ...] = ()


class Lapse(msgspec.Struct, frozen=True):
    """Forget what waits under a field of a table for too long; `hub.domain.lapsing` says which tables."""

    # A command is weighed by its lines, and this one has none.
    lines: ClassVar[tuple[Line, ...]] = ()

    table: str
    field: str


class Repair(msgspec.Struct, frozen=True):
    """Set positions of a SKU to what the ledger's movements make, unless they changed, and all its views to the rules.

    `hub.domain.repairing` says what they must be. Nothing is moved.
    """

    sku: str
    # How the entry is told from others; and what was found, canonical JSON.
    id: str
    payload: str
    places: tuple[MendedPlace, ...] = ()
    # By pool: how often the shown value had changed by the ledger.
    changes: tuple[tuple[str, int], ...] = ()
    # Pools whose views cannot be read.
    unreadable: tuple[str, ...] = ()


class Dismiss(msgspec.Struct, frozen=True):
    """Say that a parked event is not waited for any more."""

    type: str
    source: str
    id: str
    hash: str
    # Who says so, canonical JSON.
    payload: str


Command = Fact | Refresh | Describe | Lapse | Repair | Dismiss


class Message:
    """Collects the keys, profiles and sights that the commands of one call share; indexes count from 1."""

    def __init__(self, house: House, key_list: list[str]) -> None:
        self._house = house
        self.keys = key_list
        self.profiles: list[object] = []
        self.sights: list[list[int]] = []
        # For each profile (location, sight) of all the house's locations; False where no command needs it.
        self.wholes: list[list[tuple[str, int]] | bool] = []
        self._key_at: dict[str, int] = {}
        self._profile_at: dict[int, int] = {}
        self._sight_at: dict[tuple[int, str], int] = {}

    def command(self, command: Command, *, is_whole: bool = False) -> tuple[object, ...]:
        """The command as the script reads it; a whole one comes with all locations of its SKUs."""
        if isinstance(command, Refresh):
            line = self._whole_line(command.sku, self._house.profile(command.sku), self._house.revision(command.sku))
            return ("refresh", *_OF_NO_SOURCE, [line], None)
        if isinstance(command, Describe):
            return self._describe(command)
        if isinstance(command, Repair):
            return self._repair(command)
        if isinstance(command, Lapse):
            return ("lapse", *_OF_NO_SOURCE, [], [command.table, command.field])
        if isinstance(command, Dismiss):
            content = (command.type, command.source, command.id, command.hash)
            return ("dismiss", *content, 0, 0, 1, command.payload, "", 0, [], None)
        return (
            command.verb,
            command.type,
            command.source,
            command.id,
            command.hash,
            command.time_ms,
            command.stated_ms,
            int(command.ledger_checked),
            command.payload,
            command.pool,
            int(command.standing),
            self._lines(command, is_whole=is_whole),
            command.detail,
        )

    def _lines(self, fact: Fact, *, is_whole: bool) -> list[tuple[object, ...]]:
        if is_whole or _names_a_hold(fact):
            for line in fact.lines:
                self._give_whole(self._house.profile(line.sku))
        return [self._line(line) if line.location else self._about_sku(line.sku) for line in fact.lines]

    def _give_whole(self, profile: Profile) -> None:
        index = self._profile(profile) - 1
        if not self.wholes[index]:
            self.wholes[index] = [(each, self._sight(profile, each)) for each in self._house.locations]

    def _about_sku(self, sku: str) -> tuple[object, ...]:
        """A line of a request, about a SKU at all its locations."""
        profile = self._profile(self._house.profile(sku))
        return (self._key(keys.sku(sku)), sku, 0, "", 0, profile, 0, "free", self._house.revision(sku))

    def _line(self, line: Line) -> tuple[object, ...]:
        sku, location = line.sku, line.location
        profile = self._house.profile(sku)
        plain = (
            self._key(keys.sku(sku)),
            sku,
            self._key(keys.skus_at(location)),
            location,
            line.quantity,
            self._profile(profile),
            self._sight(profile, location),
            line.bucket,
            self._house.revision(sku),
        )
        if line.to or line.serials or line.time_ms is not None:
            return (*plain, line.to or None, line.serials or None, line.time_ms)
        return plain

    def _whole_line(self, sku: str, profile: Profile, revision: int) -> tuple[object, ...]:
        """A line about a SKU at all its locations."""
        sights = {location: self._sight(profile, location) for location in self._house.locations}
        return (self._key(keys.sku(sku)), sku, 0, "", 0, self._profile(profile), sights, "free", revision)

    def _describe(self, command: Describe) -> tuple[object, ...]:
        sku, article = command.sku, command.article
        line = self._whole_line(sku, self._house.profile_as(sku, article), article.revision)
        of_aliases = [
            [self._key(keys.sku(alias)) for alias in some] for some in (article.aliases, command.aliases_before)
        ]
        return ("describe", *_OF_NO_SOURCE, [line], [article, *of_aliases])

    def _repair(self, command: Repair) -> tuple[object, ...]:
        line = self._whole_line(command.sku, self._house.profile(command.sku), self._house.revision(command.sku))
        places = [
            [
                self._key(keys.skus_at(each.location)),
                each.location,
                sha1(each.before),
                each.after,
                each.units,
                each.netted,
            ]
            for each in command.places
        ]
        told = ("repaired", OWN_SOURCE, command.id, "", 0, 0, 1, command.payload, "", 0)
        return ("repair", *told, [line], [places, command.changes, command.unreadable])

    def _key(self, key: str) -> int:
        index = self._key_at.get(key)
        if index is None:
            self.keys.append(key)
            index = self._key_at[key] = len(self.keys)
        return index

    def _profile(self, profile: Profile) -> int:
        index = self._profile_at.get(id(profile))
        if index is None:
            self.profiles.append(profile.terms)
            self.wholes.append(False)
            index = self._profile_at[id(profile)] = len(self.profiles)
        return index

    def _sight(self, profile: Profile, location: str) -> int:
        index = self._sight_at.get((id(profile), location))
        if index is None:
            self.sights.append([number for pair in profile.sight(location) for number in pair])
            index = self._sight_at[id(profile), location] = len(self.sights)
        return index


def sha1(packed: bytes) -> str:
    """As Redis's scripts make it; they cannot be sent bytes that are no text."""
    return hashlib.sha1(packed, usedforsecurity=False).hexdigest()


def _names_a_hold(fact: Fact) -> bool:
    """Whether the fact is about units that are kept for somebody."""
    travels = isinstance(fact.detail, Transfer) and fact.detail.order != ""
    return travels or isinstance(fact.detail, Selling) or fact.verb in _ABOUT_HOLDS
