"""What an adapter is: bytes and headers of a third party in, events of the hub out. All of it values, none of it I/O.

The path of one delivery: `verify` says whether the vendor sent it → it is kept raw → `translate` says what it means;
where it only names something (`needs`), the hub fetches that and asks again with what it `fetched` → the events are
booked. Where a vendor sends nothing, or gives up sending, the hub asks for pages instead (`Polled`).
"""

from collections.abc import Mapping
from typing import Literal, Protocol, runtime_checkable

from msgspec import Struct

from protocol.events import Event
from protocol.identifiers import Name, OpaqueId, Sku, Time

# How far it was tried: against recorded deliveries, a vendor's test account, a shop that sells.
Maturity = Literal["recorded", "sandboxed", "production"]
# The key of `Account.locations` for what names no place; a place that is named must be mapped by its own id.
ANYWHERE = "*"
# Deliveries that need more rounds of fetching than this are set aside.
ROUNDS_MAX = 5
# Things that may be fetched for one delivery.
NEEDS_MAX = 20
EVENTS_PER_DELIVERY_MAX = 1_000
LEVELS_PER_DELIVERY_MAX = 1_000
DELIVERIES_PER_PAGE_MAX = 1_000
CURSOR_CHARS_MAX = 2_000
# Variants of one product at Shopify, the most that a vendor describes at once.
DESCRIPTIONS_PER_DELIVERY_MAX = 2_048


class Delivery(Struct, frozen=True):
    """What arrived, unread."""

    body: bytes
    # Names in lower case.
    headers: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    method: str = "POST"
    # The hub's clock, UTC milliseconds.
    received_at_ms: int = 0


class Account(Struct, frozen=True):
    """One `[[source]]`: an account at a vendor, as far as an adapter needs it."""

    source: Name
    # The newest first; each of them verifies while they are rotated.
    secrets: tuple[str, ...] = ()
    # The address that the vendor was given for its deliveries; some sign it.
    url: str = ""
    # The pool that its sales and orders belong to; empty where the file names none.
    pool: str = ""
    # Their id of a place -> ours; `*` stands for a vendor that names none.
    locations: Mapping[str, Name] = {}
    # Where goods go that customers give back: `free`, or a status like `inspection`.
    returns_to: Name = "inspection"

    def __repr__(self) -> str:
        return f"Account(source={self.source!r}, url={self.url!r}, pool={self.pool!r})"

    def place(self, theirs: str | None) -> Name | None:
        """Our location for theirs; None where it is not mapped."""
        return self.locations.get(theirs or ANYWHERE)


class Reply(Struct, frozen=True):
    """What the vendor is answered when it only looks whether the address is there."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain"


class Level(Struct, frozen=True, kw_only=True):
    """A vendor's own number of what it has of a SKU at a place."""

    sku: Sku
    location: Name
    # None: the vendor does not count it.
    available: int | None
    # When it was so.
    time: Time
    # The same number told again has the same id.
    id: OpaqueId


class Description(Struct, frozen=True):
    """What a vendor calls a SKU: names that it uses elsewhere instead."""

    sku: Sku
    aliases: tuple[Sku, ...]


class Need(Struct, frozen=True):
    """Something to be fetched from the vendor's API before the delivery says anything."""

    # The key of what was fetched.
    name: str
    # Behind the address of the API, beginning with a slash.
    path: str
    query: Mapping[str, str] = {}
    # A body makes it a POST.
    body: bytes | None = None


class Reading(Struct, frozen=True, kw_only=True):
    """What a delivery says. Nothing at all is an answer, too: it does not concern stock."""

    events: tuple[Event, ...] = ()
    levels: tuple[Level, ...] = ()
    descriptions: tuple[Description, ...] = ()
    # Not said yet: translate again with these.
    needs: tuple[Need, ...] = ()
    # Names used as SKUs above that stand for one only if the house knows them as an alias.
    aliases: tuple[Sku, ...] = ()
    # The events are the sender's own words: another content under a known id is a conflict. Else their ids are of a
    # vendor's transitions, and one that is told again with other details is the same.
    is_verbatim: bool = False
    # Why it cannot be mapped, a sentence for whoever mends the mapping; then nothing of it is booked.
    unmapped: str | None = None


class Adapter(Protocol):
    """One vendor's dialect. Stateless; every method is a pure function and raises nothing, whatever arrives."""

    # As `[[source]] adapter` says it; the name of its module.
    name: str
    # Where the vendor documents its deliveries.
    documentation: str
    maturity: Maturity
    # The topics it reads; every other one says nothing about stock.
    topics: tuple[str, ...]

    def greet(self, delivery: Delivery, account: Account) -> Reply | None:
        """The answer to a check of the address; None: it is a delivery."""

    def verify(self, delivery: Delivery, account: Account) -> str | None:
        """Why it is not the vendor's, in words for a log; None: it is."""

    def delivery_id(self, delivery: Delivery) -> OpaqueId:
        """The vendor's own id of this delivery, though it may give the next try of the same thing another one.

        Not the sale's number: what is told again must be the same event, by the ids that `translate` makes.
        """

    def topic(self, delivery: Delivery) -> str:
        """What it is about, by the vendor's word; empty where that cannot be read."""

    def translate(self, delivery: Delivery, account: Account, fetched: Mapping[str, bytes]) -> Reading:
        """What it says; `fetched` holds what it said before that it needs, by name."""

    def credentials(self, token: str) -> Mapping[str, str]:
        """The headers that a request to the vendor's API carries."""


class Question(Struct, frozen=True, kw_only=True):
    """How far the hub is in one stream of what a vendor can be asked."""

    # One of the adapter's `streams`.
    stream: str
    # What happened since is wanted, UTC milliseconds; of levels, all that there are.
    since_ms: int
    # Where the page before ended; empty: the first page is wanted.
    cursor: str = ""
    # The hub's clock, UTC milliseconds.
    now_ms: int


class Answer(Struct, frozen=True):
    """What the vendor's API answered."""

    # Empty where it answers that there is nothing.
    body: bytes
    # Names in lower case.
    headers: Mapping[str, str] = {}
    status: int = 200


class Page(Struct, frozen=True, kw_only=True):
    """Part of what happened at a vendor, as if it had been delivered."""

    # What is told again unchanged has the same `delivery_id`.
    deliveries: tuple[Delivery, ...]
    # Where to go on; opaque to the hub, which keeps it. Empty: nothing more happened so far.
    cursor: str


@runtime_checkable
class Signing(Protocol):
    """What an adapter has besides, so that a delivery can be made for trials: how its vendor signs."""

    # Whether the vendor signs a time; then `verify` refuses what is old.
    signs_time: bool

    def sign(self, delivery: Delivery, account: Account) -> Delivery:
        """The delivery as the vendor sends it, signed with the newest secret; the account has one."""


@runtime_checkable
class Polled(Protocol):
    """What an adapter has besides, where the hub may ask what happened. A page that is told again changes nothing.

    The hub asks from a time on, page by page, and later from a time before the one at which it began: again, therefore,
    what a vendor's index may have been late with. The deliveries of a page take the road of all others; levels are
    asked for where they are compared, and are not kept.
    """

    # What can be asked: `orders`, and `levels` where the vendor tells all of its stock levels page by page.
    streams: tuple[str, ...]

    def poll(self, question: Question, account: Account) -> Need | None:
        """What to fetch next; None: of this account nothing can be asked, as long as its places are not mapped."""

    def polled(self, question: Question, account: Account, answer: Answer) -> Page | None:
        """What was fetched; None: it cannot be read."""
