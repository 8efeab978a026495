"""The kernel on a real Redis and the reference model, told the same; every difference is an assertion.

The model books each entry at the time the kernel booked it, since Redis keeps the clock.
"""

from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import asdict
from redis.asyncio import Redis

from hub.domain.answer import answer_of
from hub.domain.articles import catalogue_of
from hub.domain.buckets import is_shelf
from hub.domain.catalogue import HouseSettings
from hub.domain.command import ORDER_VERBS, REQUESTS, Counting, Fact, Selling, Transfer, Voiding
from hub.domain.entry import FIELD, Entry, Seq, decode_entry
from hub.domain.expected import lines_in
from hub.domain.model import Model
from hub.domain.outcome import Outcome as Expected
from hub.domain.pools import View, parts_of
from hub.domain.position import Position
from hub.stock import keys
from hub.stock.kernel import Kernel
from hub.stock.message import Command, Describe, Refresh
from hub.stock.outcome import (
    Applied,
    AsItIs,
    AskLedger,
    Conflict,
    Denied,
    Duplicate,
    Granted,
    LookAgain,
    Outcome,
    Parked,
    Refused,
    Shown,
    Stale,
    Unchanged,
)
from tests.model.holdings import fenced_at, holds_of, indexed, kept_at, promised_by, travelling, with_skus
from tests.model.journeys import between, check_held, held_on_the_way, moved_between, transfers_of, with_transfer
from tests.model.owners import check_owners
from tests.model.regrets import Sales, of_told_sale, with_told_sale
from tests.model.shelf import Count, Shelves, Told, closing_of
from tests.model.supply import check_suspects, expected_in, hashes_at, table_of
from tests.model.worlds import PLACES, SKUS, CloseCounts, Describing, Repeat, Telling, house_of, units_of

HUB = UUID(int=7)
EPOCH = 1

# Remembered among the dedupe records of a day.
DAY_TABLES = ("closed_transfers", "ended_holds", "ended_orders", "voided")

decode_position = msgspec.msgpack.Decoder(Position).decode
decode_view = msgspec.msgpack.Decoder(View).decode


class Pair:
    """One partition twice."""

    def __init__(self, client: Redis, settings: HouseSettings) -> None:
        self.client = client
        self.kernel = Kernel(client)
        self.catalogue = catalogue_of(settings.skus)
        self.house = house_of(settings, self.catalogue)
        self.model = Model(self.house, epoch=EPOCH)
        # What was told, in order, so that it can be told again.
        self.told: list[Fact] = []
        self._checked = 0
        self._started_ms = 0
        # What must lie on the shelves, from the facts alone.
        self.shelves = Shelves()
        self.sales = Sales(self.catalogue.sku)
        # By source and id: sales that name what their units were held as.
        self.named_sales: set[tuple[str, str]] = set()
        # As read from Redis, by table and field.
        self.records: dict[str, dict[str, Any]] = {}

    async def open(self) -> None:
        """Make the partition, whose journal begins with the house's rules."""
        seconds, _ = await self.client.time()
        self._started_ms = seconds * 1000
        await self.kernel.open(HUB, EPOCH, self.house, create=True)
        entry = (await self._new_entries())[0]
        self.model.configure(self.house, booked_at_ms=entry.booked_at_ms, payload=entry.payload)
        await self.check()

    async def reconfigure(self, settings: HouseSettings) -> None:
        """Give the house other rules; the same ones again change nothing."""
        self.house = house_of(settings, self.catalogue)
        await self.kernel.open(HUB, EPOCH, self.house, create=False)
        for entry in await self._new_entries():
            assert entry.hash == self.house.digest
            self.model.configure(self.house, booked_at_ms=entry.booked_at_ms, payload=entry.payload)
        assert self.model.house.digest == self.house.digest
        await self.check()

    async def tell(self, batch: list[Telling | Repeat]) -> None:
        """Tell both a batch in one call, and what the kernel wants refreshed first once more."""
        facts = [self._fact(item) for item in batch if isinstance(item, Telling) or self.told]
        stale: list[str] = []
        # The kernel names one stale SKU of a fact at a time, and one of those made from an old look may be in time.
        for _ in range(1 + len(SKUS) + len(facts)):
            # The facts that were not stale are told again too, which must change nothing.
            told: list[Command] = [*map(Refresh, stale), *filter(None, map(self._made, facts))]
            # Of several, those that break a hold would be booked last.
            outcomes = await self.kernel.call(told, self.house, is_whole=len(told) > 1)
            stale = await self._compare(told, outcomes)
            if not stale and LookAgain() not in outcomes:
                break
        assert not stale
        assert LookAgain() not in outcomes
        await self.check()

    async def close_counts(self, step: CloseCounts) -> None:
        """Close open counts as the hub does: with what the ledger, here the journal, says of their time."""
        opened = list(self.model.books.records.get("counts", {}))
        for place in (opened[::-1] if step.newest_first else opened)[: step.many]:
            record = self.model.books.records["counts"][place]
            fact = closing_of(self.model.journal, place, record)
            for sku in dict.fromkeys(line.sku for line in fact.lines):
                await self._compare([Refresh(sku)], await self.kernel.call([Refresh(sku)], self.house))
            [outcome] = await self.kernel.call([fact], self.house)
            expected = self.model.close(fact, self.kernel.booked_at_ms)
            assert expected is not None
            assert outcome == self.wanted(expected)
            assert await self.kernel.call([fact], self.house) == [Unchanged()]
            number, closed_by = int(place.split("-")[1]), len(self.model.journal) - 1
            books = {(told.sku, told.location): told.book for told in self.model.journal[closed_by].counted}
            for index, row in enumerate(record[6]):
                at = (row[0], record[2])
                assert books.get((index, record[2]), row[1]) == self.shelves.book(at, number)
                self.shelves.close(at, number, closed_by)
            await self.check()

    async def describe(self, step: Describing) -> None:
        """Say what a SKU is, by the newest description of it or an older one."""
        known, aliases = (
            self.catalogue.revision(step.sku),
            tuple(name for name in step.article.aliases if name != step.sku),
        )
        article = msgspec.structs.replace(step.article, revision=known + step.article.revision, aliases=aliases)
        if article.revision < 0:
            return
        [outcome] = await self.kernel.call([Describe(step.sku, article, self.catalogue.aliases(step.sku))], self.house)
        expected = self.model.describe(step.sku, article, self.kernel.booked_at_ms)
        if isinstance(outcome, Applied):
            assert (outcome.seq, outcome.lines, outcome.alerts) == (expected.seq, (), expected.alerts)
            self.catalogue.put(step.sku, msgspec.structs.replace(article, revision=article.revision + 1))
        else:
            assert outcome == {"look_again": Stale(step.sku)}.get(expected.kind, Refused(expected.why))
        await self.check()

    async def expect(self, facts: list[Fact], outcomes: list[Outcome]) -> None:
        """Compare with the model what the kernel was told directly: these facts and nothing else."""
        assert await self._compare([*facts], outcomes) == []
        await self.check()

    def _fact(self, item: Telling | Repeat) -> Fact:
        """Do what intake does: say names as the house does, park what names a place or pool that it does not have."""
        if isinstance(item, Telling):
            times = {
                "time_ms": self._started_ms + item.time_ms,
                "stated_ms": self._started_ms + item.stated_ms,
            }
            fact = msgspec.structs.replace(_stated(item.fact, times["stated_ms"]), **times)
            if isinstance(fact.detail, Counting):
                counted_at_ms = self._started_ms + fact.detail.counted_at_ms
                fact = msgspec.structs.replace(
                    fact, detail=msgspec.structs.replace(fact.detail, counted_at_ms=counted_at_ms)
                )
            if isinstance(fact.detail, Voiding):
                fact = of_told_sale(fact, self.told)
            self.told.append(fact)
            if item.early:
                return msgspec.structs.replace(fact, verb="park")
        else:
            fact = _again(self.told[max(-len(self.told), -1 - item.back)], item)
        if fact.verb in REQUESTS:
            return fact
        places = {line.location for line in fact.lines}
        if isinstance(fact.detail, Transfer) and fact.detail.to:
            places.add(fact.detail.to)
        fact = self.renamed(fact)
        known = places <= set(self.house.locations)
        if not known or (fact.pool and fact.pool not in self.house.pool_index):
            verb = fact.verb if fact.verb == "conflict" else "park"
            return msgspec.structs.replace(fact, verb=verb)
        return fact

    def _made(self, fact: Fact) -> Fact | None:
        """Do what booking does: complete a fact that is about an earlier one; None is refused there."""
        if fact.verb in REQUESTS | ORDER_VERBS:
            return with_skus(fact, self.model, self.catalogue.sku)
        if fact.verb == "void":
            made = with_told_sale(fact, self.model)
            return made and self.renamed(made)
        if isinstance(fact.detail, Transfer) and fact.verb in ("dispatch", "receive"):
            return with_transfer(fact, self.model, self.catalogue.sku)
        return fact

    def renamed(self, fact: Fact) -> Fact:
        """The fact by the names that the house has for its SKUs."""
        name, detail = self.catalogue.sku, fact.detail
        # Two names of one SKU may bring a piece together twice, which the kernel refuses.
        named: set[tuple[str, str]] = set()

        def once(sku: str, serials: tuple[str, ...]) -> tuple[str, ...]:
            left = tuple(serial for serial in serials if (sku, serial) not in named)
            named.update((sku, serial) for serial in left)
            return left

        if isinstance(detail, Voiding):
            asked = tuple((name(sku), *more) for sku, *more in detail.asked)
            detail = msgspec.structs.replace(detail, asked=asked)
        if isinstance(detail, Transfer):
            told = ((name(sku), units, *pieces) for sku, units, *pieces in detail.early)
            early = tuple(
                (sku, units, *filter(None, (once(sku, each) for each in pieces))) for sku, units, *pieces in told
            )
            detail = msgspec.structs.replace(detail, early=early)
        lines = tuple(
            msgspec.structs.replace(line, sku=name(line.sku), serials=once(name(line.sku), line.serials))
            for line in fact.lines
        )
        return msgspec.structs.replace(fact, lines=lines, detail=detail)

    async def _compare(self, commands: list[Command], outcomes: list[Outcome]) -> list[str]:
        """Book in the model what the kernel booked; return the SKUs that the kernel wants refreshed."""
        assert len(outcomes) == len(commands)
        booked_at_ms = self.kernel.booked_at_ms
        stale: list[str] = []
        for command, outcome in zip(commands, outcomes, strict=True):
            if isinstance(outcome, Stale):
                assert self.model.computed_under[outcome.sku] != self.model.rules_version
                stale.append(outcome.sku)
            elif isinstance(command, Refresh):
                written = self.model.refresh(command.sku, booked_at_ms)
                assert outcome == Unchanged() if written is None else _seq(outcome) == written
            else:
                expected = self._applied(command, booked_at_ms)
                assert outcome == self.wanted(expected), command
                self.add_up(command, outcome)
        return list(dict.fromkeys(stale))

    def _applied(self, command: Command, booked_at_ms: int) -> Expected:
        assert isinstance(command, Fact)
        if command.verb in REQUESTS:
            return self.model.request(command, booked_at_ms)
        return self.model.apply(command, booked_at_ms)

    def wanted(self, expected: Expected) -> Outcome:
        """Say the model's answer in the kernel's types."""
        if expected.denial is not None:
            return Denied(expected.denial.problem, expected.denial.shortages)
        if expected.hold is not None:
            return AsItIs(expected.hold) if expected.seq is None else Granted(expected.seq, expected.hold)
        if expected.seq is None:
            return {"look_again": LookAgain(), "refused": Refused(expected.why)}.get(expected.kind, AskLedger())
        entry = self.model.journal[expected.seq.number]
        match expected.kind:
            case "applied":
                return Applied(expected.seq, expected.lines, expected.alerts, self._shown(entry))
            case "duplicate":
                return Duplicate(expected.seq, answer_of(entry))
            case "parked":
                return Parked(expected.seq, expected.why)
        return Conflict(expected.seq)

    def _shown(self, entry: Entry) -> tuple[Shown, ...]:
        """What the pools show that see a touched place, or whose view was written."""
        shown: list[Shown] = []
        # In the order of touching; the lines of a fact about an order may name others first.
        for number in dict.fromkeys(each.sku for each in (*entry.positions, *entry.views)):
            sku = entry.skus[number]
            profile = self.house.profile(sku)
            touched = [each.location for each in entry.positions if each.sku == number]
            written = {each.pool for each in entry.views if each.sku == number}
            for index, terms in enumerate(profile.terms):
                seen = any(profile.sight(location)[index][0] for location in touched)
                if seen or terms.pool in written:
                    view = msgspec.structs.replace(self.model.views[sku][terms.pool], parts=())
                    shown.append(Shown(sku, terms.pool, view))
        return tuple(shown)

    def add_up(self, fact: Fact, outcome: Outcome) -> None:
        if isinstance(outcome, Granted | Applied) and self._is_held(fact):
            self._add_up_moved(self.model.journal[outcome.seq.number], outcome.seq.number)
            return
        if not isinstance(outcome, Applied):
            return
        number = outcome.seq.number
        now_ms = self.model.journal[number].booked_at_ms
        if fact.verb in ("sale", "void"):
            timed = msgspec.structs.replace(fact, time_ms=min(fact.time_ms, now_ms))
            for place, time_ms, units in self.sales.sell(timed) if fact.verb == "sale" else self.sales.void(timed):
                self.shelves.tell(place, Told(number, time_ms, units))
        if fact.verb != "sale":
            # Units that an order waited for leave with whatever brings them.
            self._add_up_moved(self.model.journal[number], number, only_out=True)
        if fact.verb == "void":
            return
        for line in fact.lines:
            place = (line.sku, line.location)
            if isinstance(fact.detail, Counting):
                counted_at_ms = min(fact.detail.counted_at_ms, now_ms)
                self.shelves.count(place, Count(number, counted_at_ms, line.quantity))
            else:
                time_ms = fact.time_ms if line.time_ms is None else line.time_ms
                self.shelves.tell(place, Told(number, min(time_ms, now_ms), units_of(fact, line)))

    def _is_held(self, fact: Fact) -> bool:
        """Whether units leave or come back by what is held, not by what the fact says alone."""
        if isinstance(fact.detail, Selling):
            self.named_sales.add((fact.source, fact.id))
            return True
        is_void_of_named = isinstance(fact.detail, Voiding) and (fact.source, fact.detail.sale) in self.named_sales
        return is_void_of_named or fact.verb in REQUESTS | ORDER_VERBS

    def _add_up_moved(self, entry: Entry, number: int, *, only_out: bool = False) -> None:
        """What left for somebody it was held for, or came back; where no order says otherwise that is what was told."""
        for move in entry.movements:
            units = (move.from_bucket == "customer" and not only_out) - (move.to_bucket == "customer")
            told = Told(number, entry.time_ms if move.time_ms is None else move.time_ms, units * move.quantity)
            self.shelves.tell((entry.skus[move.sku], move.location), told)

    async def _new_entries(self) -> list[Entry]:
        found: Any = await self.client.xrange(keys.JOURNAL, f"{EPOCH}-{self._checked}")
        for place, (stream_id, fields) in enumerate(found):
            assert Seq.from_stream_id(stream_id) == Seq(EPOCH, self._checked + place)
            assert set(fields) == {FIELD}
        return [decode_entry(fields[FIELD]) for _, fields in found]

    async def check(self) -> None:
        """Compare the journals and all of Redis with the model, and check the invariants on Redis's own."""
        entries = await self._new_entries()
        for entry, wanted in zip(entries, self.model.journal[self._checked :], strict=True):
            # Field by field, or the one that differs is hard to see.
            assert [
                pair for pair in zip(asdict(entry).items(), asdict(wanted).items(), strict=True) if pair[0] != pair[1]
            ] == []
        self._checked += len(entries)
        for entry in entries:
            check_suspects(entry)
        meta = await self.client.hgetall(keys.META)
        assert int(meta[b"next"]) == self._checked == self.kernel.floor
        # A denial is remembered without an entry.
        assert self.model.journal[-1].booked_at_ms <= int(meta[b"booked_at"]) <= self.model.booked_at_ms
        assert b"halted" not in meta
        positions, views = await self._read_all()
        assert positions == self.model.positions
        assert views == {sku: shown for sku, shown in self.model.views.items() if shown}
        self._check_records()
        assert between(transfers_of(self.model)) == moved_between(self.model.journal)
        await self._check_places(positions)
        await self._check_holds(positions)
        self._check_sums(positions)
        self._check_fold(positions, views)
        self._check_parts(positions, views)
        check_owners(self.model)

    async def _read_all(self) -> tuple[dict[str, dict[str, Position]], dict[str, dict[str, View]]]:
        positions: dict[str, dict[str, Position]] = {}
        views: dict[str, dict[str, View]] = {}
        tables = {
            "holds": keys.HOLDS,
            "owners": keys.OWNERS,
            "orders": keys.ORDERS,
            "shortfalls": keys.SHORTFALLS,
            "catalogue": keys.CATALOGUE,
            "aliases": keys.ALIASES,
            "counts": keys.COUNTS,
            "serials": keys.SERIALS,
            "transfers": keys.TRANSFERS,
            "voids": keys.VOIDS,
        }
        found = await hashes_at(self.client, list(tables.values()))
        self.records = {table: table_of(fields) for table, fields in zip(tables, found, strict=True)}
        self.records |= await self._day_records()
        self.records["expected"], revisions = {}, self._revisions()
        names = [key async for key in self.client.scan_iter(match=keys.ANY_SKU, count=1000)]
        for key, fields in zip(names, await hashes_at(self.client, names), strict=True):
            sku = keys.sku_name(key)
            rules = fields.pop(keys.RULES_FIELD, None)
            assert (rules and int(rules)) == self.model.computed_under.get(sku)
            revision = fields.pop(keys.REVISION_FIELD, None)
            assert (revision and int(revision)) == revisions.pop(sku, None)
            lines = expected_in(fields)
            if lines is not None:
                self.records["expected"][sku] = lines
            shown = {name: raw for name, raw in fields.items() if name.startswith(keys.VIEW_FIELD)}
            if shown:
                prefix = len(keys.VIEW_FIELD)
                views[sku] = {name[prefix:].decode(): decode_view(raw) for name, raw in shown.items()}
            prefix = len(keys.POSITION_FIELD)
            held = {name[prefix:].decode(): decode_position(raw) for name, raw in fields.items() if name not in shown}
            if held:
                positions[sku] = held
        assert not revisions
        return positions, views

    def _revisions(self) -> dict[str, int]:
        """What the hash of each name says of its description, by the journal: -1 is another's name, 0 none any more."""
        found: dict[str, int] = {}
        for entry in self.model.journal:
            for each in entry.records:
                if each.table == "aliases":
                    found[each.field] = 0 if each.value is None else -1
                elif each.table == "catalogue":
                    found[each.field] = each.value[0]
        return found

    def _check_records(self) -> None:
        """What is remembered beside positions and views is the model's, and the last that the journal says."""
        last: dict[str, dict[str, Any]] = {table: {} for table in self.records}
        for entry in self.model.journal:
            for each in entry.records:
                last[each.table][each.field] = each.value
        told = {
            table: {name: value for name, value in fields.items() if value is not None}
            for table, fields in last.items()
        }
        assert self.records == told == {table: self.model.books.records.get(table, {}) for table in self.records}

    async def _day_records(self) -> dict[str, dict[str, Any]]:
        """What lies among the dedupe records; no day has passed, so nothing of it is forgotten."""
        found: dict[str, dict[str, Any]] = {table: {} for table in DAY_TABLES}
        for fields in await hashes_at(self.client, sorted(await self.client.keys(keys.PREFIX + "seen:*"))):
            for name, packed in fields.items():
                table, _, field = name.decode().partition("\0")
                if table in DAY_TABLES:
                    *place, found[table][field] = msgspec.msgpack.decode(packed)
                    assert place[:3] == [table, "", EPOCH]
        return found

    async def _check_holds(self, positions: dict[str, dict[str, Position]]) -> None:
        """What is reserved, and out of which fence, is what the holds keep; the indexes say who and when."""
        holds = holds_of(self.records)
        places = [(sku, location, what) for sku, at in positions.items() for location, what in at.items()]
        reserved = {(sku, location): what.reserved for sku, location, what in places if what.reserved}
        assert reserved == kept_at(holds)
        transfers = transfers_of(self.model)
        assert held_on_the_way(transfers) == travelling(holds)
        check_held(transfers)
        fenced = {
            (sku, where, each.pool): each.held for sku, where, what in places for each in what.fences if each.held
        }
        assert fenced == fenced_at(holds)
        lines = [(sku, line) for sku, value in self.records["expected"].items() for line in lines_in(value)]
        assert all(line.promised <= line.outstanding for _, line in lines)
        assert promised_by(holds) == {
            (sku, line.location, f"purchase_order:{line.purchase_order}", pool): (held, sold)
            for sku, line in lines
            for pool, held, sold in line.promises
        }
        found: Any = await self.client.zrange(keys.HELD, 0, -1, withscores=True)
        due: Any = await self.client.zrange(keys.EXPIRY, 0, -1, withscores=True)
        assert (dict(found), dict(due)) == indexed(holds)

    async def _check_places(self, positions: dict[str, dict[str, Position]]) -> None:
        async with self.client.pipeline(transaction=False) as pipeline:
            for location in PLACES:
                pipeline.smembers(keys.skus_at(location))
            found = await pipeline.execute()
        for location, stored in zip(PLACES, found, strict=True):
            members = {sku.decode() for sku in stored}
            assert members == {sku for sku, places in positions.items() if location in places}

    def _check_sums(self, positions: dict[str, dict[str, Position]]) -> None:
        """No bucket is negative, and what is on hand less what is owed is the plain sum of the facts."""
        for sku, places in positions.items():
            for location, position in places.items():
                units = [position.free, position.reserved, position.deficit]
                units += [number for fence in position.fences for number in (fence.quantity, fence.target)]
                assert min(units) >= 0
                assert all(number > 0 for _, number in position.aside)
                assert all(fence.quantity <= fence.target for fence in position.fences)
                assert not (position.free and position.deficit), (sku, location, position)
                assert position.on_hand - position.deficit == self.shelves.balance((sku, location), self._checked)

    def _check_fold(self, positions: dict[str, dict[str, Position]], views: dict[str, dict[str, View]]) -> None:
        """The journal alone rebuilds Redis, and its movements alone fill the buckets."""
        last_positions: dict[str, dict[str, Position]] = {}
        last_views: dict[str, dict[str, View]] = {}
        moved: Counter[tuple[str, str, str]] = Counter()
        for entry in self.model.journal:
            for each in entry.positions:
                last_positions.setdefault(entry.skus[each.sku], {})[each.location] = each.position
            for view in entry.views:
                last_views.setdefault(entry.skus[view.sku], {})[view.pool] = view.view
            for move in entry.movements:
                sku = entry.skus[move.sku]
                moved[sku, move.location, move.from_bucket] -= move.quantity
                moved[sku, move.location, move.to_bucket] += move.quantity
        assert last_positions == positions
        assert last_views == views
        held = {place: units for place, units in moved.items() if units and is_shelf(place[2])}
        assert held == _buckets(positions)

    def _check_parts(self, positions: dict[str, dict[str, Position]], views: dict[str, dict[str, View]]) -> None:
        """The parts of every view are the plain sums over all positions of its SKU."""
        for sku, places in positions.items():
            if self.model.computed_under[sku] != self.model.rules_version:
                continue
            profile = self.house.profile(sku)
            for index, terms in enumerate(profile.terms):
                parts = parts_of(places, profile, index)
                view = views.get(sku, {}).get(terms.pool)
                assert parts == view.parts if view else not any(parts)


def _stated(fact: Fact, stated_ms: int) -> Fact:
    """As it is sent, an event says when it happened."""
    sent = msgspec.json.decode(fact.payload or "{}") | {"time": datetime.fromtimestamp(stated_ms / 1000, UTC)}
    return msgspec.structs.replace(fact, payload=msgspec.json.encode(sent).decode())


def _again(fact: Fact, item: Repeat) -> Fact:
    if fact.verb in REQUESTS:
        return msgspec.structs.replace(fact, hash=item.other_hash or fact.hash)
    if item.other_hash:
        fact = msgspec.structs.replace(fact, hash=item.other_hash)
        if item.ledger == "knows":
            fact = msgspec.structs.replace(fact, verb="conflict")
    return msgspec.structs.replace(fact, ledger_checked=True) if item.ledger else fact


def _seq(outcome: Outcome) -> Seq | None:
    return outcome.seq if isinstance(outcome, Applied) else None


def _buckets(positions: dict[str, dict[str, Position]]) -> dict[tuple[str, str, str], int]:
    """Every bucket that is not empty; the deficit as the negative account it is."""
    held: dict[tuple[str, str, str], int] = {}
    for sku, places in positions.items():
        for location, position in places.items():
            buckets = {"free": position.free, "reserved": position.reserved, "deficit": -position.deficit}
            buckets |= {f"ring_fenced:{fence.pool}": fence.quantity for fence in position.fences}
            buckets |= {f"aside:{status}": units for status, units in position.aside}
            held |= {(sku, location, bucket): units for bucket, units in buckets.items() if units}
    return held
