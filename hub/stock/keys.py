"""Every Redis key of the hub, what it holds and how it is named; nothing else composes a key.

    hub:{0}:meta              hash   hub (uuid), epoch, next (number of the next entry), booked_at (ms of the last one),
                                     rules (version), house (digest of what it resolves to), document (token of the
                                     house's document), seen_from (first live day), lost_epoch (the last one that was
                                     begun with a Redis that lacked something), halted (present when
                                     a write failed half way)
    hub:{0}:house             string the house's document, JSON of hub.domain.document.HouseDocument
    hub:{0}:journal           stream id <epoch>-<number>, gapless; one field `e`, a msgpack hub.domain.entry.Entry
    hub:{0}:seen:<day>        hash   source:id → msgpack [kind, hash, epoch, number]; UTC day of booking since 1970
                                     denied NUL name → the same and why, of a reservation without units
                                     voided NUL source:id, closed_transfers NUL transfer → the same and a record
    hub:{0}:ahead             set    source:<day> of ids stated after the end of the day they were booked on
    hub:{0}:transfers         hash   transfer → msgpack, what was sent and received of one under way
    hub:{0}:voids             hash   source:id of a sale not heard of yet → msgpack, what of it was voided
    hub:{0}:counts            hash   number of the opening entry → msgpack, a count that is not closed yet
    hub:{0}:serials           hash   sku NUL serial → msgpack, where that piece was last
    hub:{0}:holds             hash   reservation:<id> or order:<id> → msgpack hub.domain.holding.hold.Hold; once
                                     nothing is kept for it it lies among the dedupe records, as ended_holds NUL name
    hub:{0}:owners            hash   owner NUL pool → msgpack [[kind, name]…], the holds that the owner's next replaces
    hub:{0}:held              zset   sku NUL number of the entry NUL name, all 0: who keeps units, oldest first
    hub:{0}:expiry            zset   name of a hold, by when its first units are given back, UTC milliseconds
    hub:{0}:orders            hash   order → msgpack hub.domain.holding.orders.Order; once nothing of it is
                                     to come it lies among the dedupe records, as ended_orders NUL order
    hub:{0}:shortfalls        hash   sku → msgpack, the names of the orders to which units are owed, oldest first
    hub:{0}:catalogue         hash   sku → msgpack [revision, category, brand, attributes, aliases]
    hub:{0}:aliases           hash   alias → msgpack sku
    hub:{0}:sku:<sku>         hash   l:<location> → msgpack Position · p:<pool> → msgpack View · r → their rules version
                                     · c → revision of what is described of it · e → msgpack, what of it is expected
    hub:{0}:skus:<location>   set    the SKUs that have a position there
    hub:{0}:healing           string while the partition is made anew: by which attempt

`{0}` is the partition's hash tag, so that all keys of one partition lie on one node of a cluster. Of no partition is
`hub:allowance:<source>`, a hash: what an account at a vendor has left to ask, by `allowance.lua`; it ends by itself.
"""

from hub.domain.entry import PARTITION

PREFIX = f"hub:{{{PARTITION}}}:"
# Of no partition's contents, so that one may be emptied under it: who does what one process does for all. It ends by
# itself. And the channel on which it says how far the ledger is.
DUTY = f"hub:duty:{{{PARTITION}}}"
POSTED = f"hub:posted:{{{PARTITION}}}"
META = PREFIX + "meta"
HOUSE = PREFIX + "house"
JOURNAL = PREFIX + "journal"
AHEAD = PREFIX + "ahead"
TRANSFERS = PREFIX + "transfers"
VOIDS = PREFIX + "voids"
COUNTS = PREFIX + "counts"
SERIALS = PREFIX + "serials"
HOLDS = PREFIX + "holds"
OWNERS = PREFIX + "owners"
HELD = PREFIX + "held"
EXPIRY = PREFIX + "expiry"
ORDERS = PREFIX + "orders"
SHORTFALLS = PREFIX + "shortfalls"
CATALOGUE = PREFIX + "catalogue"
ALIASES = PREFIX + "aliases"
HEALING = PREFIX + "healing"
# What every call of the kernel has, in this order.
ALWAYS = (
    META,
    JOURNAL,
    AHEAD,
    TRANSFERS,
    VOIDS,
    COUNTS,
    SERIALS,
    CATALOGUE,
    ALIASES,
    HOLDS,
    OWNERS,
    HELD,
    EXPIRY,
    ORDERS,
    SHORTFALLS,
)

RULES_FIELD = b"r"
REVISION_FIELD = b"c"
EXPECTED_FIELD = b"e"
VIEW_FIELD = b"p:"
POSITION_FIELD = b"l:"

_ALLOWANCE = "hub:allowance:"
_SEEN = PREFIX + "seen:"
_SKU = PREFIX + "sku:"
_SKUS = PREFIX + "skus:"

# Match every SKU's hash, every location's set and every key of the partition, for a scan.
ANY_SKU = _SKU + "*"
ANY_PLACE = _SKUS + "*"
ANY = PREFIX + "*"


def seen(day: int) -> str:
    """The dedupe records of one UTC day, counted from 1970-01-01."""
    return f"{_SEEN}{day}"


def event_field(source: str, id: str) -> str:
    """The field of an event's dedupe record in the hash of a day."""
    return f"{source}:{id}"


def day_field(table: str, field: str) -> str:
    """The field of a record that lies among the dedupe records of a day."""
    return f"{table}\0{field}"


def sku(name: str) -> str:
    """The hash of one SKU."""
    return _SKU + name


def sku_name(key: bytes) -> str:
    """The SKU whose hash has this key."""
    return key.decode()[len(_SKU) :]


def allowance(source: str) -> str:
    """What an account at a vendor has left to ask."""
    return _ALLOWANCE + source


def skus_at(location: str) -> str:
    """The set of SKUs that have a position at the location."""
    return _SKUS + location


def location_name(key: bytes) -> str:
    """The location whose set of SKUs has this key."""
    return key.decode()[len(_SKUS) :]
