"""The reference model of the hub: one fact in, one answer out, in plain Python that knows no Redis.

It is the specification of the kernel: given the same facts and the same clock, the kernel's outcomes,
journal, positions and views are the model's. It computes every view anew from all positions, where the kernel
moves sums; it is not made to be fast.
"""

from typing import Protocol

import msgspec

from hub.domain.answer import answer_of
from hub.domain.articles import Article
from hub.domain.command import ORDER_VERBS, OWN_KINDS, Asking, Closing, Fact, Reach, Voiding
from hub.domain.describing import describe
from hub.domain.draft import NO_SKU, Books, Denial, Draft
from hub.domain.draft import House as DraftHouse
from hub.domain.entry import FORMAT, Entry, EntryAlert, Seq, SetView
from hub.domain.expected import TABLE as EXPECTED
from hub.domain.expected import lines_in
from hub.domain.facts import book_fact
from hub.domain.holding.requests import book_request
from hub.domain.lapsing import WAITS_HERE, lapse
from hub.domain.outcome import Outcome, Seen
from hub.domain.pools import Profile, View, concerns, news, parts_of, update_view
from hub.domain.promising import next_eta_ms
from hub.domain.remembering import AHEAD_MS, DAY_MS, REMEMBERED_DAYS


class House(DraftHouse, Protocol):
    """The resolved configuration; `hub.domain.rules.House` is one."""

    @property
    def digest(self) -> str:
        """A hash of everything that changes what is resolved."""

    def profile_as(self, sku: str, article: Article) -> Profile:
        """Resolve all rules for a SKU that is described so."""


class Model:
    """The state of one partition and everything it wrote to its journal."""

    def __init__(self, house: House, *, epoch: int = 1) -> None:
        self.house = house
        self.epoch = epoch
        self.rules_version = 0
        # UTC milliseconds of the last change; the clock never goes back.
        self.booked_at_ms = 0
        self.books = Books()
        # By SKU, then location.
        self.positions = self.books.positions
        # By SKU, then pool.
        self.views: dict[str, dict[str, View]] = {}
        # The rules each SKU's views were computed under.
        self.computed_under: dict[str, int] = {}
        # By source and id.
        self.seen: dict[tuple[str, str], Seen] = {}
        # By source, id and hash: where each other content of a known id was kept.
        self.conflicts: dict[tuple[str, str, str], Seq] = {}
        # By name of the reservation: the content that was denied for want of units, and how.
        self.denied: dict[str, tuple[str, Denial]] = {}
        self.journal: list[Entry] = []
        # The first day, counted from 1970, whose dedupe records are kept.
        self.seen_from = 0
        # (source, day): stated after the end of the day of booking, so that the id may outlive its record.
        self.ahead: set[tuple[str, int]] = set()

    def configure(self, house: House, *, booked_at_ms: int, payload: str = "") -> Seq:
        """Take a new configuration; SKUs are computed under it when they are next touched or refreshed.

        What resolves as before keeps its version, so nothing is computed anew.
        """
        self.rules_version += self.rules_version == 0 or house.digest != self.house.digest
        self.house = house
        now = self._tick(booked_at_ms)
        self.seen_from = self.seen_from or now // DAY_MS - REMEMBERED_DAYS
        kind, content = "rules", house.digest
        return self._write(Entry(FORMAT, kind, "", "", "", content, now, now, self.rules_version, payload=payload))

    def apply(self, fact: Fact, booked_at_ms: int) -> Outcome:
        """Book a fact once; the same id again gets the first answer, with other content it is a conflict."""
        now = self._tick(booked_at_ms)
        seen = self.seen.get((fact.source, fact.id))
        if fact.verb == "conflict" or (seen is not None and seen.hash != fact.hash):
            return self._conflict(fact, now)
        if seen is not None and seen.answer.kind == "parked" and fact.verb == "park":
            return msgspec.structs.replace(seen.answer, why="")
        if seen is not None and seen.answer.kind == "applied":
            return msgspec.structs.replace(seen.answer, kind="duplicate")
        if seen is None and not fact.ledger_checked and self._may_be_forgotten(fact, now):
            return Outcome("ask_ledger")
        if self._sale_came(fact):
            return Outcome("look_again")
        kind = OWN_KINDS.get(fact.verb, "fact")
        answer = self._park(fact, now) if fact.verb == "park" else self._book(fact, now, kind)
        if answer.seq is None:
            return answer
        self.seen[fact.source, fact.id] = Seen(fact.hash, answer)
        if fact.stated_ms >= (now // DAY_MS + 1) * DAY_MS + AHEAD_MS:
            self.ahead.add((fact.source, fact.stated_ms // DAY_MS))
        return answer

    def _may_be_forgotten(self, fact: Fact, now: int) -> bool:
        """Whether the id may have been booked on a day whose records were dropped since."""
        if not self.seen_from * DAY_MS + AHEAD_MS <= fact.stated_ms <= now + AHEAD_MS:
            return True
        return (fact.source, fact.stated_ms // DAY_MS) in self.ahead

    def _sale_came(self, fact: Fact) -> bool:
        """Whether a void was made from a look before the event came that it names."""
        if fact.verb != "void" or not isinstance(fact.detail, Voiding) or fact.detail.is_found:
            return False
        sale = self.seen.get((fact.source, fact.detail.sale))
        return sale is not None and sale.answer.kind == "applied"

    def refresh(self, sku: str, booked_at_ms: int) -> Seq | None:
        """Compute a SKU's views under the rules of now; None when they are already, or it is not known."""
        if not self._is_stale(sku):
            return None
        now = self._tick(booked_at_ms)
        views = tuple(self._show(0, sku, now))
        rules = self.rules_version
        entry = Entry(FORMAT, "refresh", "", "", "", "", now, now, rules, "", (sku,), views=views, about=sku)
        return self._write(entry)

    def describe(self, sku: str, article: Article, booked_at_ms: int) -> Outcome:
        """Take what is said of a SKU, given by the house's name, and show it accordingly if it was ever booked."""
        now = self._tick(booked_at_ms)
        draft = Draft(self.books, (), seq=Seq(self.epoch, len(self.journal)), time_ms=now, now_ms=now)
        describe(draft, sku, article, self.computed_under.__contains__)
        if draft.is_outdated or draft.refusal:
            return Outcome("look_again") if draft.is_outdated else Outcome("refused", why=draft.refusal)
        draft.enter()
        records, rules = draft.records_set(), self.rules_version
        entry = Entry(FORMAT, "sku", "", "", "", "", now, now, rules, "", records=records, about=sku)
        # What was never booked has no views; its first fact makes them.
        if sku in self.computed_under:
            views = tuple(self._show(0, sku, now, self.house.profile_as(sku, article)))
            entry = msgspec.structs.replace(entry, skus=(sku,), views=views)
        return Outcome("applied", self._write(entry), alerts=answer_of(entry).alerts)

    def _is_stale(self, sku: str) -> bool:
        return self.computed_under.get(sku, self.rules_version) != self.rules_version

    def _tick(self, booked_at_ms: int) -> int:
        self.booked_at_ms = max(self.booked_at_ms, booked_at_ms)
        return self.booked_at_ms

    def _write(self, entry: Entry) -> Seq:
        self.journal.append(entry)
        return Seq(self.epoch, len(self.journal) - 1)

    def _conflict(self, fact: Fact, now: int) -> Outcome:
        """Keep another content of a known id, once; it changes nothing."""
        key = (fact.source, fact.id, fact.hash)
        if key not in self.conflicts:
            entry, alert = self._entry(fact, "conflict", now), EntryAlert("conflict", NO_SKU, "", 1)
            self.conflicts[key] = self._write(msgspec.structs.replace(entry, alerts=(alert,)))
        return Outcome("conflict", self.conflicts[key])

    def _park(self, fact: Fact, now: int, why: str = "", reach: Reach = ()) -> Outcome:
        """Keep a fact whole, once, that names what nobody knows or has no room; `reach` is where it may take effect."""
        seen = self.seen.get((fact.source, fact.id))
        if seen is not None:
            return msgspec.structs.replace(seen.answer, why=why)
        entry = msgspec.structs.replace(self._entry(fact, "parked", now), why=why, reach=reach)
        return Outcome("parked", self._write(entry), why=why)

    def _entry(self, fact: Fact, kind: str, now: int) -> Entry:
        return Entry(
            format=FORMAT,
            kind=kind,
            type=fact.type,
            source=fact.source,
            id=fact.id,
            hash=fact.hash,
            time_ms=min(fact.time_ms, now),
            booked_at_ms=now,
            rules_version=self.rules_version,
            payload=fact.payload,
        )

    def _book(self, fact: Fact, now: int, kind: str) -> Outcome:
        """Apply the fact to the books, and to what pools show."""
        stale = [sku for sku in dict.fromkeys(line.sku for line in fact.lines) if self._is_stale(sku)]
        # Nothing happens later than it arrives, or one wrong clock would lock a fence for years.
        seq, time_ms = Seq(self.epoch, len(self.journal) + len(stale)), min(fact.time_ms, now)
        # The lines of a fact about an order are what it may touch.
        touched = () if fact.verb in ORDER_VERBS else fact.lines
        draft = Draft(self.books, (line.sku for line in touched), seq=seq, time_ms=time_ms, now_ms=now)
        draft.alert("clock_skew", NO_SKU, "", _skew_seconds(fact, now))
        book_fact(draft, fact, self.house)
        if draft.is_outdated:
            return Outcome("look_again")
        if draft.refusal:
            return Outcome("refused", why=draft.refusal)
        if draft.parking:
            return self._park(fact, now, draft.parking, draft.reach)
        for sku in stale:
            self.refresh(sku, now)
        return self._enter(draft, self._entry(fact, kind, now))

    def lapse(self, table: str, field: str, booked_at_ms: int) -> Outcome | None:
        """Forget what waited there for too long; None when nothing did."""
        now = self._tick(booked_at_ms)
        draft = Draft(self.books, (), seq=Seq(self.epoch, len(self.journal)), time_ms=now, now_ms=now)
        if not lapse(draft, table, field):
            return None
        return self._enter(
            draft, Entry(FORMAT, "lapsed", WAITS_HERE[table], "", "", "", now, now, self.rules_version, "")
        )

    def close(self, fact: Fact, booked_at_ms: int) -> Outcome | None:
        """Close a count; None when it is closed already."""
        assert isinstance(fact.detail, Closing)
        if fact.detail.opened not in self.books.records.get("counts", {}):
            return None
        now = self._tick(booked_at_ms)
        return self._book(fact, now, "closed")

    def request(self, fact: Fact, booked_at_ms: int) -> Outcome:
        """Answer a request about a reservation: granted (`applied`), denied, or so already (`unchanged`).

        What was denied once for want of units stays denied under its id.
        """
        now = self._tick(booked_at_ms)
        asking = fact.detail
        assert isinstance(asking, Asking)
        denied = self.denied.get(asking.name) if fact.verb == "reserve" else None
        if denied is not None:
            return Outcome("denied", denial=denied[1] if denied[0] == fact.hash else Denial("conflict"))
        stale = [sku for sku in dict.fromkeys(line.sku for line in fact.lines) if self._is_stale(sku)]
        seq = Seq(self.epoch, len(self.journal) + len(stale))
        draft = Draft(self.books, (), seq=seq, time_ms=now, now_ms=now)
        book_request(draft, fact, self.house)
        if draft.is_outdated:
            return Outcome("look_again")
        if draft.refusal:
            return Outcome("refused", why=draft.refusal)
        if draft.is_needless:
            return Outcome("unchanged", hold=draft.hold)
        if draft.denial is not None:
            if draft.denial.problem == "insufficient" and fact.verb == "reserve":
                self.denied[asking.name] = (fact.hash, draft.denial)
            return Outcome("denied", denial=draft.denial)
        for sku in stale:
            self.refresh(sku, now)
        granted = self._enter(draft, msgspec.structs.replace(self._entry(fact, "request", now), time_ms=now))
        return msgspec.structs.replace(granted, hold=draft.hold)

    def _enter(self, draft: Draft, entry: Entry) -> Outcome:
        """Make the draft the books, and write down everything that was set."""
        draft.enter()
        positions, now = draft.positions_set(), draft.now_ms
        # What may be promised of a SKU is shown too.
        expected = (draft.sku_number(sku) for sku in draft.fields_set(EXPECTED))
        touched = dict.fromkeys((*(each.sku for each in positions), *expected))
        entry = msgspec.structs.replace(
            entry,
            skus=tuple(draft.skus),
            lines=tuple(draft.lines),
            positions=positions,
            views=tuple(view for n in touched for view in self._show(n, draft.skus[n], now)),
            movements=tuple(draft.movements),
            alerts=draft.alerts_raised(),
            records=draft.records_set(),
            counted=tuple(draft.counted),
            about=draft.about,
        )
        answer = answer_of(entry)
        return Outcome("applied", self._write(entry), answer.lines, answer.alerts)

    def _show(self, number: int, sku: str, now: int, profile: Profile | None = None) -> list[SetView]:
        """Bring a SKU's views up to its positions and the rules, and give those that are not as before."""
        profile, positions = profile or self.house.profile(sku), self.positions.get(sku, {})
        expected = lines_in(self.books.records.get(EXPECTED, {}).get(sku))
        views = self.views.setdefault(sku, {})
        self.computed_under[sku] = self.rules_version
        written: list[SetView] = []
        for pool_number, terms in enumerate(profile.terms):
            parts = parts_of(positions, profile, pool_number)
            old = views.get(terms.pool)
            eta_ms = next_eta_ms(positions, expected, profile, pool_number)
            if old is None and eta_ms is None and not concerns(positions, profile, pool_number):
                continue
            new = update_view(old, terms, parts, eta_ms, booked_at_ms=now)
            if new != old:
                views[terms.pool] = new
                written.append(SetView(number, terms.pool, new, news(old, new)))
        return written


def _skew_seconds(fact: Fact, now: int) -> int:
    """How far the source's clock is off, by what it says itself or by a time ahead of ours; 0 within the tolerance."""
    skew_ms = abs(fact.time_ms - fact.stated_ms) or fact.stated_ms - now
    return skew_ms // 1000 if skew_ms > AHEAD_MS else 0
