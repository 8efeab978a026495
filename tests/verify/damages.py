"""What somebody's hand may do to a stopped hub, and what must be found then."""

from collections.abc import Awaitable, Callable
from typing import Any

from hub.stock import keys
from tests.verify.hand import Hand, encode

# What a finding is and where; the text is for people.
Place = tuple[str, str, str, str]
Damage = Callable[[Hand], Awaitable[Any]]

# Entries of the history are numbered 0 to 18.
LAST = 18


def about(kind: str, sku: str = "", location: str = "", pool: str = "") -> Place:
    return kind, sku, location, pool


def entry(number: int) -> str:
    return f"1-{number}"


async def _spoil_journal_entry(hand: Hand) -> None:
    """An entry of a stream cannot be changed, so the journal is written anew."""
    found: Any = await hand.redis.xrange(keys.JOURNAL)
    await hand.redis.delete(keys.JOURNAL)
    for place, fields in found:
        spoilt = {b"e": b"\xc1"} if place == entry(11).encode() else fields
        await hand.redis.xadd(keys.JOURNAL, spoilt, id=place)


async def _shorten_ledger(hand: Hand) -> None:
    await hand.rows.execute(f"DELETE FROM hub.event WHERE seq = {LAST}")


async def _forget_ledger_entry(hand: Hand) -> None:
    await hand.rows.execute("DELETE FROM hub.event WHERE seq IN (12, 13)")


async def _double(hand: Hand) -> None:
    await hand.rows.execute("UPDATE hub.event SET kind = 'doubled' WHERE seq = 7")


async def _poison(hand: Hand) -> None:
    await hand.rows.execute("DELETE FROM hub.event WHERE seq = 13")
    await hand.rows.execute("INSERT INTO hub.poison VALUES (0, 1, 13, 'x', 'a bad day')")


async def _say_that_the_ledger_showed_more(hand: Hand) -> None:
    await hand.rows.execute("UPDATE hub.shown SET changes = 99 WHERE sku = 'BAG' AND pool = 'gulf'")


async def _lose_sku(hand: Hand) -> None:
    await hand.redis.delete(keys.sku("SCARF"))


async def _lose_entries(hand: Hand) -> None:
    """The ledger has up to 4, the journal begins at 10."""
    await hand.cursor_back(4)
    await hand.redis.xtrim(keys.JOURNAL, minid=entry(10), approximate=False)


async def transfer(hand: Hand, sent: int) -> None:
    await hand.redis.hset(keys.TRANSFERS, "T-1", encode([1, "PAR", 0, [["BAG", sent, 1]], []]))
    await hand.move("BAG", "LON", "supplier", "in_transit:T-1", 3)


async def _break_off(hand: Hand) -> None:
    """Whoever made an empty Redis anew has written some of it."""
    await hand.redis.delete(keys.META, keys.JOURNAL, keys.skus_at("PAR"))
    await hand.redis.set(keys.HEALING, "attempt")


async def _owe_beside_free(hand: Hand) -> None:
    """As a sale leaves it that found a damaged position empty."""
    await hand.position("BAG", "PAR", free=3, deficit=1)
    await hand.move("BAG", "PAR", "deficit", "free", 1)


POSITIONS: list[tuple[str, Damage, set[Place]]] = [
    (
        "one unit too many",
        lambda hand: hand.position("BAG", "PAR", free=3),
        {
            about("position_differs", "BAG", "PAR"),
            about("conservation", "BAG"),
            *(about("view_parts", "BAG", pool=pool) for pool in ("online", "store", "gulf")),
        },
    ),
    (
        "a unit that nobody holds is reserved",
        lambda hand: hand.position("BAG", "PAR", reserved=1, aside=()),
        {about("position_differs", "BAG", "PAR"), about("reserved_differs", "BAG", "PAR")},
    ),
    (
        "a negative bucket",
        lambda hand: hand.position("BAG", "PAR", aside=(("inspection", -1),)),
        {about("negative", "BAG", "PAR"), about("position_differs", "BAG", "PAR"), about("conservation", "BAG")},
    ),
    (
        "less owed than was",
        lambda hand: hand.position("HAT", "PAR", deficit=1),
        {about("position_differs", "HAT", "PAR"), about("conservation", "HAT")},
    ),
    (
        "free units beside a deficit",
        _owe_beside_free,
        {
            about("free_beside_deficit", "BAG", "PAR"),
            *(about("view_parts", "BAG", pool=pool) for pool in ("online", "store", "gulf")),
        },
    ),
    (
        "a fence that holds more",
        lambda hand: hand.fence("SCARF", "PAR", quantity=3),
        {
            about("position_differs", "SCARF", "PAR", "vip"),
            about("conservation", "SCARF"),
            about("view_parts", "SCARF", pool="vip"),
        },
    ),
    (
        "a fence over its target",
        lambda hand: hand.fence("SCARF", "PAR", target=1),
        {about("fence_over_target", "SCARF", "PAR", "vip")},
    ),
    (
        "a position out of nothing",
        lambda hand: hand.position("SHOE", "PAR", aside=(("damaged", 1),)),
        {
            about("position_not_in_ledger", "SHOE", "PAR"),
            about("conservation", "SHOE"),
            about("place_lacks_sku", "SHOE", "PAR"),
            *(about("view_missing", "SHOE", pool=pool) for pool in ("store", "gulf")),
        },
    ),
    (
        "a lost position",
        lambda hand: hand.redis.hdel(keys.sku("HAT"), "l:PAR"),
        {
            about("position_not_in_redis", "HAT", "PAR"),
            about("conservation", "HAT"),
            about("place_names_sku", "HAT", "PAR"),
            *(about("view_foreign", "HAT", pool=pool) for pool in ("online", "store", "gulf")),
        },
    ),
    (
        "a lost SKU",
        _lose_sku,
        {
            about("position_not_in_redis", "SCARF", "PAR"),
            about("conservation", "SCARF"),
            about("place_names_sku", "SCARF", "PAR"),
            *(about("view_missing", "SCARF", pool=pool) for pool in ("online", "store", "vip", "gulf")),
        },
    ),
    (
        "a movement that the ledger lost",
        lambda hand: hand.rows.execute("DELETE FROM hub.movement WHERE seq = 10"),
        {about("position_differs", "BAG", "LON"), about("conservation", "BAG")},
    ),
    (
        "a position of other bytes",
        lambda hand: hand.raw("BAG", b"l:PAR", b"\xc1\xff"),
        {about("malformed", "BAG", "PAR")},
    ),
    (
        "a position of another shape",
        lambda hand: hand.raw("BAG", b"l:PAR", encode(["many"])),
        {about("malformed", "BAG", "PAR")},
    ),
    (
        "a SKU that is no hash",
        lambda hand: hand.redis.set(keys.sku("HAT"), "2"),
        {about("malformed", "HAT"), about("place_names_sku", "HAT", "PAR")},
    ),
    (
        "a SKU whose name is no text",
        lambda hand: hand.redis.hset(b"hub:{0}:sku:\xff", "r", 1),
        {about("malformed")},
    ),
]

VIEWS: list[tuple[str, Damage, set[Place]]] = [
    (
        "parts of units that are not there",
        lambda hand: hand.view("BAG", "store", parts=(3,), available=3),
        {about("privacy", "BAG", pool="store")},
    ),
    (
        "parts of fewer units",
        lambda hand: hand.view("BAG", "store", parts=(1,), available=1),
        {about("view_parts", "BAG", pool="store")},
    ),
    (
        "units fenced for another",
        lambda hand: hand.view("SCARF", "store", parts=(2,), available=2, status=2),
        {about("privacy", "SCARF", pool="store")},
    ),
    (
        "another number than the parts make",
        lambda hand: hand.view("BAG", "online", available=2),
        {about("view_shown", "BAG", pool="online")},
    ),
    (
        "changes that went back",
        lambda hand: hand.view("BAG", "online", changes=3),
        {about("rev_back", "BAG", pool="online")},
    ),
    (
        "changes that are missing",
        lambda hand: hand.view("BAG", "online", changes=0),
        {about("rev_back", "BAG", pool="online"), about("changes_missing", "BAG", pool="online")},
    ),
    (
        "changes fewer than the rows of what was shown",
        _say_that_the_ledger_showed_more,
        {about("rev_back", "BAG", pool="gulf")},
    ),
    (
        "a view that is gone",
        lambda hand: hand.redis.hdel(keys.sku("BAG"), "p:vip"),
        {about("view_missing", "BAG", pool="vip")},
    ),
    (
        "a view of a pool that the SKU does not concern",
        lambda hand: hand.view("SHOE", "gulf"),
        {about("view_foreign", "SHOE", pool="gulf")},
    ),
    (
        "a view of a pool that the house does not have",
        lambda hand: hand.view("SHOE", "nobody"),
        {about("view_foreign", "SHOE", pool="nobody")},
    ),
    (
        "a view of other bytes",
        lambda hand: hand.raw("BAG", b"p:vip", b"\x93"),
        {about("malformed", "BAG", pool="vip")},
    ),
    (
        "rules newer than the partition's",
        lambda hand: hand.raw("BAG", b"r", "2"),
        {about("rules_ahead", "BAG")},
    ),
    (
        "a SKU that was not computed by its description",
        lambda hand: hand.raw("BAG", b"c", "4"),
        {about("description_differs", "BAG")},
    ),
    (
        "rules that are no number",
        lambda hand: hand.raw("BAG", b"r", "two"),
        {about("malformed", "BAG")},
    ),
]

WHOLE: list[tuple[str, Damage, set[Place]]] = [
    (
        "a location's set that forgot a SKU",
        lambda hand: hand.redis.srem(keys.skus_at("PAR"), "HAT"),
        {about("place_lacks_sku", "HAT", "PAR")},
    ),
    (
        "a location's set that names too many",
        lambda hand: hand.redis.sadd(keys.skus_at("PAR"), "SHOE", b"\xff"),
        {about("place_names_sku", "SHOE", "PAR"), about("place_names_sku", "\\xff", "PAR")},
    ),
    (
        "a location's set that is none",
        lambda hand: hand.redis.set(keys.skus_at("LYON"), "HAT"),
        {about("malformed", location="LYON")},
    ),
    ("a number that was skipped", lambda hand: hand.redis.hset(keys.META, "next", LAST + 5), {about("journal_next")}),
    ("a number that comes again", lambda hand: hand.redis.hset(keys.META, "next", LAST), {about("journal_next")}),
    ("a journal with a hole", lambda hand: hand.redis.xdel(keys.JOURNAL, entry(9)), {about("journal_gap")}),
    (
        "a journal with another entry",
        _spoil_journal_entry,
        {about("entry_malformed"), about("entry_differs")},
    ),
    (
        "a journal that ends too early",
        lambda hand: hand.redis.xdel(keys.JOURNAL, entry(LAST)),
        {about("journal_behind"), about("journal_next")},
    ),
    (
        "entries that neither has",
        _lose_entries,
        {about("journal_gap"), about("ledger_cursor"), about("ledger_behind")},
    ),
    ("a ledger with a hole", _forget_ledger_entry, {about("ledger_gap")}),
    ("a ledger that lost its end", _shorten_ledger, {about("ledger_cursor")}),
    ("a fact that took effect twice", _double, {about("doubled")}),
    ("an entry that was set aside", _poison, {about("poison"), about("entry_differs")}),
    (
        "a rebuild that broke off",
        lambda hand: hand.redis.hset(keys.META, "halted", "healing"),
        {about("healing")},
    ),
    ("a rebuild that broke off after Redis was lost", _break_off, {about("healing")}),
    ("a partition that is halted", lambda hand: hand.redis.hset(keys.META, "halted", 1), {about("halted")}),
    (
        "the Redis of another hub",
        lambda hand: hand.redis.hset(keys.META, mapping={"hub": "another", "epoch": 2}),
        {about("other_hub"), about("other_epoch"), about("journal_next")},
    ),
    ("an empty Redis", lambda hand: hand.redis.flushall(), {about("redis_empty")}),
    (
        "units in transit that did not leave",
        lambda hand: transfer(hand, 5),
        {about("transit_differs", "BAG"), about("record_not_in_ledger")},
    ),
    (
        "units in transit of which nobody knows",
        lambda hand: hand.move("BAG", "LON", "supplier", "in_transit:T-2", 1),
        {about("transit_differs", "BAG")},
    ),
    ("a house of other bytes", lambda hand: hand.redis.set(keys.HOUSE, b"{"), {about("malformed")}),
    (
        "descriptions of other bytes",
        lambda hand: hand.redis.hset(keys.CATALOGUE, "BAG", b"\xc1"),
        {about("malformed"), about("malformed", "BAG")},
    ),
    ("a transfer of other bytes", lambda hand: hand.redis.hset(keys.TRANSFERS, "T-3", b"\xc1"), {about("malformed")}),
]
