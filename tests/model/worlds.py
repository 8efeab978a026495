"""Small random houses and what happens in them: few SKUs, locations and pools, so that everything meets."""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
from hypothesis import strategies as st

from hub.domain.articles import Article, Catalogue
from hub.domain.catalogue import (
    GroupSettings,
    HouseSettings,
    LocationSettings,
    PoolSettings,
    RuleSettings,
    SkuSettings,
    StatusSettings,
)
from hub.domain.command import COMPLETE, LISTED, REST, Counting, Fact, Line, Verb
from hub.domain.rules import House
from tests.model.supply import details, named

# The last two may become names of others, or be booked before that.
SKUS = ("BAG", "WATCH", "ÉTUI", "GTIN")
LOCATIONS = (
    LocationSettings("LON", "store", "GB"),
    LocationSettings("PAR", "store", "FR"),
    LocationSettings("LYON", "warehouse", "FR"),
)
POOLS = ("vip", "online", "store", "market")
STATUSES = ("inspection", "damaged", "repair")
SOURCES = ("till", "shop")
PLACES = tuple(location.id for location in LOCATIONS)
# Most happens in one place, where the fences, the deficit and what is aside meet.
BUSY_SKUS = ("BAG",) * 5 + SKUS
BUSY_PLACES = ("LON",) * 4 + PLACES
# What a pool may see, mostly with the busy place in it.
SEEN: tuple[tuple[str, ...], ...] = (PLACES, PLACES, PLACES[::-1], ("PAR", "LON"), ("LON",), ("LYON",), ())

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS

small = st.integers(0, 3)
yes_or_no = st.booleans()
# Where the sender of what may wait may touch anything; empty: everywhere.
reaches = st.sampled_from(((), (), ("LON",), ("PAR",), ("LON", "PAR"), ("LYON", "NOWHERE")))
seldom = st.one_of(st.none(), st.none(), small)


class Telling(msgspec.Struct, frozen=True):
    """A source tells the hub something, perhaps not for the first time."""

    fact: Fact
    # When it happened and what the source states, in milliseconds from the time of the test's start.
    time_ms: int = 0
    stated_ms: int = 0
    # The house does not know one of its names yet; told again, it does.
    early: bool = False


class Repeat(msgspec.Struct, frozen=True):
    """Something told before is told again."""

    # Counted back from the last thing told; further back than the first is the first.
    back: int
    # Another content under the same id when not empty.
    other_hash: str = ""
    # As when the ledger was asked about the id: "knows" finds another content there.
    ledger: str = ""


class Reconfigure(msgspec.Struct, frozen=True):
    """The house changes its rules."""

    house: HouseSettings


class CloseCounts(msgspec.Struct, frozen=True):
    """The ledger has come so far that open counts can be closed."""

    # How many, and whether the newest first.
    many: int
    newest_first: bool


class Lapsing(msgspec.Struct, frozen=True):
    """Of what waits under one field some has waited for too long."""

    # Which field, and which of what waits there; further than the last is the first again.
    field: int
    these: frozenset[int]


class Describing(msgspec.Struct, frozen=True):
    """Somebody says what a SKU is: its category, and which names stand for it."""

    sku: str
    article: Article


class Doubling(msgspec.Struct, frozen=True):
    """A fact takes effect a second time, and that is taken back."""

    # Which of those that only moved units; further than the last is the first again.
    back: int
    # Something is sold between the two.
    then_taken: bool


class Spoiling(msgspec.Struct, frozen=True):
    """Somebody's hand changes a position, and that is repaired."""

    # Which of all positions; further than the last is the first again.
    back: int


Step = list[Telling | Repeat] | Reconfigure | CloseCounts | Lapsing | Describing | Doubling | Spoiling


def house_of(settings: HouseSettings, catalogue: Catalogue | None = None) -> House:
    return House(settings, datetime(2026, 11, 22, tzinfo=UTC), catalogue=catalogue)


def units_of(fact: Fact, line: Line) -> int:
    """What a line brings onto the shelf, less what it takes."""
    if fact.verb == "moved":
        return -line.quantity if line.to == "written_off" else 0
    if fact.verb == "dispatch":
        # What was received before it was dispatched carries its own time.
        return -line.quantity if line.time_ms is None else line.quantity
    return {"sale": -1, "ring_fence": 0, "count": 0, "expected": 0}.get(fact.verb, 1) * line.quantity


@st.composite
def pools(draw: st.DrawFn, id: str) -> PoolSettings:
    seen = draw(st.sampled_from(SEEN))
    split = draw(st.integers(0, len(seen)))
    groups: list[GroupSettings] = []
    for name, members in (("first", seen[:split]), ("second", seen[split + 1 :])):
        if draw(yes_or_no) and members:
            group = GroupSettings(name, locations=members, threshold=draw(small), safety=draw(seldom))
            groups.append(group)
    return PoolSettings(
        id,
        locations=seen,
        show=draw(st.sampled_from(("number", "number", "status"))),
        buffer=draw(seldom),
        safety=draw(seldom),
        threshold=draw(seldom),
        low=draw(small),
        cap=draw(seldom),
        preorder_limit=draw(st.sampled_from((None, 0, 2, 9))),
        group=tuple(groups),
    )


@st.composite
def rules(draw: st.DrawFn) -> RuleSettings:
    pool = draw(st.sampled_from((None, *POOLS)))
    sku = draw(st.sampled_from((None, *SKUS)))
    category = draw(st.sampled_from((None, "watches")))
    if draw(st.booleans()):
        location = draw(st.sampled_from((None, *PLACES)))
        return RuleSettings(pool=pool, sku=sku, category=category, location=location, buffer=draw(small))
    sell = draw(st.sampled_from((None, True, False)))
    rule = RuleSettings(pool=pool, sku=sku, category=category, sell=sell)
    rule = msgspec.structs.replace(rule, threshold=draw(seldom), low=draw(seldom), cap=draw(seldom))
    return msgspec.structs.replace(rule, preorder_limit=draw(seldom))


orders: st.SearchStrategy[list[str]] = st.permutations(POOLS)


@st.composite
def houses(draw: st.DrawFn) -> HouseSettings:
    """A house that may lack a location or a pool, so that their facts are parked until another knows them."""
    order = draw(orders)[: draw(st.sampled_from((4, 4, 4, 3)))]
    known = LOCATIONS[: draw(st.sampled_from((3, 3, 3, 2)))]
    names = {location.id for location in known}
    listed = [draw(pools(id)) for id in order]
    return HouseSettings(
        locations=known,
        pools=tuple(_within(pool, names) for pool in listed),
        rules=tuple(draw(st.lists(rules(), max_size=3))),
        skus=(SkuSettings("WATCH", category="watches"),),
        statuses=(StatusSettings("repair"),) if draw(st.booleans()) else (),
    )


def _within(pool: PoolSettings, names: set[str]) -> PoolSettings:
    """Leave out the places that the house does not have."""
    groups = tuple(
        msgspec.structs.replace(group, locations=tuple(id for id in group.locations if id in names))
        for group in pool.group
        if names & set(group.locations)
    )
    seen = tuple(id for id in pool.locations if id in names)
    return msgspec.structs.replace(pool, locations=seen, group=groups)


# Mostly now or a little earlier, so that facts overtake each other; seldom so far off that the ledger is asked.
offsets = st.sampled_from((0, 0, 0, -1, -2, -MINUTE_MS, -DAY_MS, MINUTE_MS, -8 * DAY_MS, 10 * MINUTE_MS, 9 * DAY_MS))
often: tuple[Verb, ...] = ("receipt", "sale", "adjustment", "ring_fence")
verbs: st.SearchStrategy[Verb] = st.sampled_from((*often, *often, "return", "moved", "expected", "count"))


countings = st.builds(
    Counting,
    # In milliseconds from the time of the test's start, like the times of the facts.
    counted_at_ms=offsets,
    kind=st.sampled_from(("physical", "physical", "system")),
    scope=st.sampled_from((LISTED, COMPLETE, REST)),
    location=st.just("LON"),
    source=st.sampled_from(("", "back-office")),
    id=st.sampled_from(("", "complete-1")),
)


@st.composite
def lines(draw: st.DrawFn, verb: Verb) -> Line:
    sku, location = (
        draw(st.sampled_from(BUSY_SKUS)),
        draw(st.sampled_from(BUSY_PLACES if verb != "count" else ("LON",))),
    )
    quantity = draw(st.integers(0 if verb in ("ring_fence", "expected", "count") else 1, 5))
    bucket = "free"
    to = ""
    if verb in ("return", "moved", "adjustment"):
        bucket = draw(st.sampled_from(("free", *STATUSES)))
    if verb == "adjustment" and draw(st.booleans()):
        quantity = -quantity
    if verb == "moved":
        to = draw(st.sampled_from(("free", "written_off", *STATUSES)))
    return Line(sku, location, quantity, bucket, to)


@st.composite
def tellings(draw: st.DrawFn, id: str) -> Telling:
    verb = draw(verbs)
    time_ms = draw(offsets)
    pool = draw(st.sampled_from(POOLS)) if verb in ("sale", "ring_fence") else ""
    detail = draw(countings) if verb == "count" else draw(details(verb))
    # Only where a complete count says that nothing lies there.
    lines_min = int(not isinstance(detail, Counting) or detail.scope != COMPLETE)
    told = draw(st.lists(lines(verb), min_size=lines_min, max_size=4).flatmap(named))
    payload = {"id": id, "pool": pool, "lines": [{"serials": line.serials} for line in told]}
    fact = Fact(
        verb=verb,
        type=verb,
        source=draw(st.sampled_from(SOURCES)),
        id=id,
        hash="content-1",
        time_ms=0,
        stated_ms=0,
        ledger_checked=draw(st.sampled_from((False, False, False, True))),
        payload=msgspec.json.encode(payload).decode(),
        pool=pool,
        standing=draw(st.integers(0, 1)) if verb == "ring_fence" else 0,
        lines=told,
        detail=detail,
    )
    return Telling(fact, time_ms, draw(st.sampled_from((time_ms, time_ms, 0))), draw(st.integers(0, 9)) == 9)


repeats = st.builds(
    Repeat,
    back=st.integers(0, 6),
    other_hash=st.sampled_from(("", "", "content-2", "content-3")),
    ledger=st.sampled_from(("", "", "asked", "knows")),
)


NAMES = ("GTIN", "GTIN", "GTIN-2", "ÉTUI", "BAG")
describings = st.builds(
    Describing,
    sku=st.sampled_from(("BAG", "BAG", "WATCH", "WATCH", *NAMES)),
    article=st.builds(
        Article,
        # Less than 0: made by a description that is not the newest any more.
        revision=st.sampled_from((0, 0, 0, -1)),
        category=st.sampled_from(("", "watches", "bags")),
        attributes=st.sampled_from(((), (("colour", "noir"), ("size", "M")))),
        aliases=st.lists(st.sampled_from(NAMES), max_size=2, unique=True).map(lambda names: tuple(sorted(names))),
    ),
)


@st.composite
def stories(
    draw: st.DrawFn, told: Callable[[str], st.SearchStrategy[Telling]] = tellings
) -> tuple[HouseSettings, list[Step]]:
    """A house, and batches of facts, repeats and changes of rules that happen to it."""
    steps: list[Step] = []
    for number in range(draw(st.integers(1, 12))):
        if draw(st.integers(0, 7)) == 7:
            steps.append(Reconfigure(draw(houses())))
            continue
        if draw(st.integers(0, 4)) == 4:
            steps.append(draw(describings))
        if draw(st.integers(0, 4)) == 4:
            steps.append(CloseCounts(draw(st.integers(1, 4)), draw(yes_or_no)))
            continue
        if draw(st.integers(0, 3)) == 3:
            steps.append(Lapsing(draw(small), frozenset(draw(st.sampled_from(((), (0,), (0,), (1,), (0, 2)))))))
            continue
        if draw(st.integers(0, 5)) == 5:
            steps.append(Doubling(draw(st.integers(0, 9)), draw(yes_or_no)))
        if draw(st.integers(0, 5)) == 5:
            steps.append(Spoiling(draw(st.integers(0, 9))))
        steps.append(
            [
                draw(repeats) if draw(st.integers(0, 3)) == 3 else draw(told(f"{number}-{place}"))
                for place in range(draw(st.integers(1, 6)))
            ]
        )
    return draw(houses()), steps
