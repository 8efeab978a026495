"""The house resolves its rules as the model says."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
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
from hub.domain.document import decode_document, encode_document, instant, next_boundary_ms, whole_ms
from hub.domain.pools import available, parts_of
from hub.domain.position import Position
from hub.domain.rules import House, PoolTerms
from hub.settings import load

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LOCATIONS = (
    LocationSettings("KNB", "store", "GB"),
    LocationSettings("FSH", "store", "FR"),
    LocationSettings("LYON", "warehouse", "FR"),
)
SKUS = (
    SkuSettings("WATCH", category="watches"),
    SkuSettings("OTHER-WATCH", category="watches"),
    SkuSettings("BAG", category="bags", aliases=("360734",)),
)


def house(*pools: PoolSettings, rules: tuple[RuleSettings, ...] = (), now: datetime = NOON) -> House:
    return House(HouseSettings(locations=LOCATIONS, pools=pools, rules=rules, skus=SKUS), now)


def boutiques(**keys: int) -> PoolSettings:
    return PoolSettings(
        "online",
        locations=("LYON", "KNB", "FSH"),
        group=(GroupSettings("boutiques", kinds=("store",), **keys),),
    )


def test_a_pool_without_any_word_holds_nothing_back_and_sees_nothing() -> None:
    profile = house(PoolSettings("vip")).profile("BAG")

    assert profile.terms == (PoolTerms("vip", 1, 0, 0, 0, -1, 0, ((0, 0),)),)
    assert profile.sight("KNB") == ((0, 0),)


def test_terms_stand_in_the_order_that_the_kernel_reads() -> None:
    pool = PoolSettings("p", threshold=1, safety=2, low=3, cap=4, sell=False, show="status")

    packed = msgspec.msgpack.encode(house(pool).profile("X").terms[0])

    assert msgspec.msgpack.decode(packed) == ["p", 0, 1, 2, 3, 4, 1, [[0, 0]], 0]


def test_kinds_and_countries_pick_the_locations_that_have_both() -> None:
    seen = house(
        PoolSettings("stores", kinds=("store",)),
        PoolSettings("france", countries=("FR",)),
        PoolSettings("french-stores", kinds=("store",), countries=("FR",)),
    )

    assert [pool.locations for pool in seen.pools] == [("KNB", "FSH"), ("FSH", "LYON"), ("FSH",)]
    assert seen.profile("BAG").sight("FSH") == ((1, 0), (1, 0), (1, 0))
    assert seen.profile("BAG").sight("KNB") == ((1, 0), (0, 0), (0, 0))


def test_a_group_takes_only_locations_that_its_pool_sees() -> None:
    pool = PoolSettings("p", locations=("LYON", "KNB"), group=(GroupSettings("g", kinds=("store",)),))

    assert house(pool).pools[0].groups[0].locations == ("KNB",)


def test_a_location_of_a_group_is_counted_there_and_the_others_in_the_first() -> None:
    profile = house(boutiques(threshold=3)).profile("BAG")

    assert profile.sight("KNB") == ((2, 0),)
    assert profile.sight("LYON") == ((1, 0),)
    assert profile.terms[0].groups == ((0, 0), (3, 0))


def test_a_location_the_house_does_not_have_is_seen_by_no_pool() -> None:
    assert house(boutiques()).profile("BAG").sight("NOWHERE") == ((0, 0),)


def test_each_key_resolves_by_itself() -> None:
    rules = (RuleSettings(sku="WATCH", low=5), RuleSettings(category="watches", low=7, cap=9))

    terms = house(PoolSettings("p", cap=1, safety=2), rules=rules).profile("WATCH").terms[0]

    assert (terms.low, terms.cap, terms.safety) == (5, 9, 2)


def test_among_equals_the_last_in_the_file_wins() -> None:
    rules = (RuleSettings(category="watches", low=5), RuleSettings(category="watches", low=7))

    assert house(PoolSettings("p"), rules=rules).profile("WATCH").terms[0].low == 7


def test_a_pools_own_word_beats_a_rule_for_every_pool_and_loses_to_one_for_it() -> None:
    rules = (RuleSettings(low=5), RuleSettings(pool="q", low=6))
    terms = house(PoolSettings("p", low=1), PoolSettings("q", low=1), rules=rules).profile("X").terms

    assert [of_pool.low for of_pool in terms] == [1, 6]


def test_a_rule_naming_a_group_sets_that_groups_threshold_and_not_the_pools() -> None:
    rules = (RuleSettings(group="boutiques", sku="BAG", threshold=1), RuleSettings(sku="BAG", threshold=8))

    terms = house(boutiques(threshold=3), rules=rules).profile("BAG").terms[0]

    assert (terms.groups, terms.threshold) == (((0, 0), (1, 0)), 8)


def test_minus_one_lifts_the_cap_of_the_pool() -> None:
    rules = (RuleSettings(sku="BAG", cap=-1),)

    assert house(PoolSettings("p", cap=10), rules=rules).profile("BAG").terms[0].cap == -1


def test_a_rule_holds_from_its_first_moment_until_before_its_last() -> None:
    launch = (RuleSettings(sku="BAG", sell=False, from_=NOON, until=NOON + HOUR),)

    sells = [
        house(PoolSettings("p"), rules=launch, now=now).profile("BAG").terms[0].sell
        for now in (NOON - HOUR, NOON, NOON + HOUR)
    ]

    assert sells == [1, 0, 1]


def test_a_rule_for_a_silent_source_holds_only_while_it_is_silent() -> None:
    rules = (RuleSettings(sku="BAG", sell=False, stale_source="till-7"),)
    settings = HouseSettings(pools=(PoolSettings("p"),), rules=rules)

    sells = [House(settings, NOON, silent).profile("BAG").terms[0].sell for silent in ((), ["till-8"], ["till-7"])]

    assert sells == [1, 1, 0]


def test_a_silent_source_makes_a_rule_no_stronger() -> None:
    rules = (RuleSettings(pool="p", low=1, stale_source="till-7"), RuleSettings(pool="p", low=2))
    resolved = House(HouseSettings(pools=(PoolSettings("p"),), rules=rules), NOON, ["till-7"])

    assert resolved.profile("BAG").terms[0].low == 2


def test_a_house_is_the_same_made_from_its_document() -> None:
    rules = (RuleSettings(sku="BAG", low=1, until=NOON + HOUR), RuleSettings(low=2, stale_source="till-7"))
    settings = HouseSettings(LOCATIONS, (boutiques(threshold=1),), rules, SKUS, (StatusSettings("repair"),))
    first = House(settings, NOON, {"till-8", "till-7"})

    again = House.of(decode_document(encode_document(first.document)), first.catalogue)

    assert (again.digest, again.document) == (first.digest, first.document)
    assert again.document.settings.skus == ()
    assert again.profile("BAG").terms == first.profile("BAG").terms


def test_the_next_boundary_is_the_first_beginning_or_end_after_a_time() -> None:
    half_a_ms = timedelta(microseconds=500)
    rules = (RuleSettings(low=1, from_=NOON, until=NOON + HOUR), RuleSettings(low=1, until=NOON + half_a_ms))
    noon_ms = whole_ms(NOON)

    boundaries = [next_boundary_ms(rules, noon_ms + ms) for ms in (-1, 0, 1, 3_600_000)]

    assert boundaries == [noon_ms, noon_ms + 1, noon_ms + 3_600_000, None]
    # At its boundary a rule is decided as it will stay, whole milliseconds being all that is looked at.
    assert not rules[1].holds_at(instant(noon_ms + 1))


def test_what_is_told_of_a_sku_later_decides_from_then_on() -> None:
    rules = (RuleSettings(category="watches", buffer=1), RuleSettings(sku="360734", low=4))
    catalogue = Catalogue()
    resolved = House(HouseSettings(LOCATIONS, (boutiques(),), rules), NOON, catalogue=catalogue)
    plain = resolved.profile("NEW")

    catalogue.put("NEW", Article(1, "watches", aliases=("360734",)))

    assert (resolved.sku("360734"), resolved.revision("NEW")) == ("NEW", 1)
    assert resolved.profile("NEW").terms[0].low == 4
    assert resolved.profile("NEW").sight("KNB") == ((2, 1),)
    catalogue.put("NEW", Article(2))
    catalogue.put("OTHER", Article(1, "watches", aliases=("360734",)))
    assert resolved.profile("NEW") is plain
    assert (resolved.sku("360734"), resolved.profile("OTHER").terms[0].low) == ("OTHER", 4)


def test_a_rule_may_name_an_alias() -> None:
    resolved = house(PoolSettings("p"), rules=(RuleSettings(sku="360734", low=4),))

    assert resolved.profile("BAG").terms[0].low == 4


def test_a_name_nobody_knows_is_its_own_in_nfc() -> None:
    assert [house().sku(name) for name in ("360734", "BAG", "E\u0301TE\u0301")] == ["BAG", "BAG", "ÉTÉ"]


def test_skus_that_resolve_alike_share_one_profile() -> None:
    rules = (
        RuleSettings(category="watches", buffer=1),
        RuleSettings(sku="A", low=1),
        RuleSettings(sku="B", low=1),
        RuleSettings(sku="C", low=2),
    )
    shared = house(boutiques(), rules=rules)

    assert shared.profile("WATCH") is shared.profile("OTHER-WATCH")
    assert shared.profile("A") is shared.profile("B")
    assert shared.profile("A") is not shared.profile("C")
    assert shared.profile("BAG") is shared.profile("never heard of")


def test_unknown_skus_and_locations_leave_nothing_behind() -> None:
    resolved = house(boutiques(), rules=(RuleSettings(sku="BAG", low=1),))
    kept = [value for value in vars(resolved).values() if isinstance(value, dict)]

    kept.append(resolved.profile("X")._sights)
    before = [len(each) for each in kept]
    for number in range(100):
        resolved.profile(f"X-{number}").sight(f"NOWHERE-{number}")

    assert [len(each) for each in kept] == before


def test_a_house_knows_its_statuses_after_the_built_in_ones() -> None:
    statuses = (StatusSettings("repair"), StatusSettings("display"))

    assert House(HouseSettings(statuses=statuses), NOON).statuses == (
        "inspection",
        "damaged",
        "repair",
        "display",
    )


def test_the_digest_changes_with_what_is_resolved_and_with_nothing_else() -> None:
    rule = RuleSettings(sku="BAG", low=1)
    digest = house(boutiques(), rules=(rule,)).digest
    public = msgspec.structs.replace(boutiques(), public=True)
    later = msgspec.structs.replace(rule, from_=NOON + HOUR)

    assert house(public, rules=(rule,)).digest == digest
    assert house(boutiques(), rules=(later,), now=NOON + HOUR).digest == digest
    others = {
        house(boutiques(threshold=1), rules=(rule,)).digest,
        house(boutiques(), rules=(later,)).digest,
        house(boutiques(), PoolSettings("q"), rules=(rule,)).digest,
        house(PoolSettings("q"), boutiques(), rules=(rule,)).digest,
    }
    assert len(others | {digest}) == 5


def test_the_digest_is_the_same_in_another_process() -> None:
    code = (
        "from datetime import UTC, datetime; from hub.settings import load; from hub.domain.rules import House;"
        "print(House(load(None, {}).house, datetime(2026, 11, 22, 12, tzinfo=UTC)).digest)"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert there.stdout.strip() == House(load(None, {}).house, NOON).digest


def test_the_last_bag_in_knightsbridge_is_seen_online_in_the_sample_house() -> None:
    sample = House(load(None, {}).house, NOON)
    online = sample.pool_index["online"]
    profile = sample.profile(sample.sku("3607340000001"))

    def shown(location: str) -> int:
        return available(profile.terms[online], parts_of({location: Position(free=1)}, profile, online))

    assert (shown("LON-KNB"), shown("DC-LYON"), shown("PAR-FSH")) == (1, 1, 0)


# The law once more, read slowly: for one key of one target, go through everything that is said and keep the winner.

ORDER = ("sku", "location", "group", "category", "pool")
PER_POOL = ("low", "cap", "sell", "preorder_limit")
PER_TOTAL = ("safety", "threshold")
UNSAID = {"buffer": 0, "safety": 0, "threshold": 0, "low": 0, "cap": -1, "sell": 1, "preorder_limit": 0}

names = {
    "sku": st.sampled_from(["BAG", "WATCH"]),
    "location": st.sampled_from(["KNB", "LYON"]),
    "group": st.just("boutiques"),
    "category": st.sampled_from(["watches", "bags"]),
    "pool": st.sampled_from(["online", "other"]),
}
# Whether a rule is in force at noon, while till-7 is silent and till-8 is not.
times = {
    "from_": st.sampled_from([NOON - HOUR, NOON, NOON + HOUR]),
    "until": st.sampled_from([NOON - HOUR, NOON, NOON + HOUR]),
    "stale_source": st.sampled_from(["till-7", "till-8"]),
}


@st.composite
def lawful_rules(draw: st.DrawFn) -> RuleSettings:
    named = draw(st.fixed_dictionaries({}, optional=names))
    keys = ["buffer"]
    keys += [] if "location" in named else PER_TOTAL
    keys += [] if {"location", "group"} & set(named) else PER_POOL
    said = draw(st.dictionaries(st.sampled_from(keys), st.integers(0, 3), min_size=1))
    if "sell" in said:
        said["sell"] = bool(said["sell"] % 2)
    return RuleSettings(**named, **said, **draw(st.fixed_dictionaries({}, optional=times)))


def in_force(rule: RuleSettings) -> bool:
    begun = rule.from_ is None or rule.from_ <= NOON
    going_on = rule.until is None or rule.until > NOON
    return begun and going_on and rule.stale_source != "till-8"


def beats(one: RuleSettings, other: RuleSettings) -> bool:
    """Whether `one`, which stands later, wins."""
    for selector in ORDER:
        names_it, other_names_it = getattr(one, selector) is not None, getattr(other, selector) is not None
        if names_it != other_names_it:
            return names_it
    return True


def law(key: str, said: list[RuleSettings], target: dict[str, str | None], *, of_group: bool = False) -> int:
    winner: RuleSettings | None = None
    for rule in said:
        fits = all(getattr(rule, name) in (None, target.get(name)) for name in ORDER)
        right_level = key == "buffer" or (rule.group is not None) == of_group
        if fits and right_level and getattr(rule, key) is not None and (winner is None or beats(rule, winner)):
            winner = rule
    return UNSAID[key] if winner is None else int(getattr(winner, key))


@given(rules=st.lists(lawful_rules(), max_size=12), sku=st.sampled_from(["BAG", "WATCH", "OTHER-WATCH", "NEW"]))
def test_every_key_of_every_target_is_what_the_law_says(rules: list[RuleSettings], sku: str) -> None:
    pools = (boutiques(threshold=2, safety=1), PoolSettings("other", kinds=("store",), buffer=1, low=1, cap=5))
    said = [
        RuleSettings(pool="online", group="boutiques", threshold=2, safety=1),
        RuleSettings(pool="other", buffer=1, low=1, cap=5),
        *filter(in_force, rules),
    ]
    categories = {known.id: known.category for known in SKUS}

    settings = HouseSettings(locations=LOCATIONS, pools=pools, rules=tuple(rules), skus=SKUS)
    profile = House(settings, NOON, ["till-7"]).profile(sku)

    for place, pool in enumerate(("online", "other")):
        target = {"pool": pool, "sku": sku, "category": categories.get(sku)}
        terms = profile.terms[place]
        for key in (*PER_POOL, *PER_TOTAL):
            assert getattr(terms, key) == law(key, said, target), (pool, key)
        for location in ("KNB", "LYON"):
            in_group = pool == "online" and location == "KNB"
            here = target | {"location": location, "group": "boutiques" if in_group else None}
            group_index, buffer = profile.sight(location)[place]
            expected = law("buffer", said, here) if group_index else 0
            assert buffer == expected, (pool, location)
    grouped = {"pool": "online", "sku": sku, "category": categories.get(sku), "group": "boutiques"}
    expected_group = tuple(law(key, said, grouped, of_group=True) for key in ("threshold", "safety"))
    assert profile.terms[0].groups[1] == expected_group
