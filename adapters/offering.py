"""What an outbound adapter is: what a pool has in, requests to a vendor's API out. All of it values, none of it I/O.

The path of one number: a pool shows another number of a SKU → the hub makes an `Offer`, the newest number only → where
the vendor's own name of the SKU is not known, `find` it → `requests` say what to send → `heard` reads each answer. The
hub sends, waits, remembers what was taken, and tries again.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, runtime_checkable

from msgspec import Struct

from adapters.contract import Account, Answer, Need
from protocol.identifiers import Sku

# `taken`: the vendor has it. `stale`: it had another number than the one it was to be changed from, so nothing was
# changed. `absent`: it sells no such thing. `refused`: it will not take it, however often it is told. `again`: it says
# nothing against it, but did not take it now.
Outcome = Literal["taken", "stale", "absent", "refused", "again"]


class Shelf(Struct, frozen=True):
    """Where in a vendor's shop a channel's numbers go."""

    account: Account
    # Their id of the place; empty where the vendor counts one number for all.
    location: str = ""


class Listing(Struct, frozen=True):
    """What a vendor sells under a SKU."""

    # Its own name of it, in whatever form the adapter needs it again.
    id: str
    # What it says to have, None: it does not count it or does not say.
    available: int | None = None


class Offer(Struct, frozen=True):
    """What shall be shown of a SKU."""

    sku: Sku
    listing: str
    quantity: int
    # What the vendor has as far as is known: it is to be changed from that, and only from that. None: not known.
    known: int | None = None


class Request(Struct, frozen=True, kw_only=True):
    """What to send to the vendor's API."""

    method: Literal["POST", "PUT", "PATCH"]
    # Behind the address of the API, beginning with a slash.
    path: str
    body: bytes
    headers: Mapping[str, str] = {}
    # What it is about, in the order in which the body names it.
    offers: tuple[Offer, ...]
    # How much of the account's allowance it takes, in the units of `Allowance`.
    cost: float = 1.0


class Allowance(Struct, frozen=True):
    """What a vendor lets one account ask: `per_second` units come back, `burst` may be saved up."""

    per_second: float
    burst: float


class Told(Struct, frozen=True):
    """What became of one offer, and why, a sentence for whoever looks after the channel; empty where it was taken."""

    outcome: Outcome
    why: str = ""


class Heard(Struct, frozen=True, kw_only=True):
    """What an answer says."""

    # One for each offer of the request, in its order.
    told: tuple[Told, ...]
    # The account shall be left alone so long; 0: nothing was said.
    wait_seconds: float = 0.0
    # Units left of the allowance as the vendor counts them, and how many come back a second; None: not said.
    left: float | None = None
    per_second: float | None = None
    # The same must not be sent again under this key: the vendor keeps what it answered to it.
    is_key_spent: bool = False
    # Something in the request is at fault, and which was not said: tell each offer by itself.
    is_one_at_fault: bool = False


@runtime_checkable
class Offering(Protocol):
    """What an adapter has besides, where its vendor can be told what is available. Pure; raises nothing."""

    # What `Shelf.location` must match whole; where the empty one does, it stands for all places, or for one of them.
    location_pattern: str
    # Offers that one call of `find` or `requests` is given at most.
    offers_max: int
    # What the vendor documents; the file may say less.
    allowance: Allowance
    # Units of the allowance that one `Need` of `find` or `found` takes.
    find_cost: float

    def find(self, skus: Sequence[Sku], shelf: Shelf) -> tuple[Need, ...]:
        """What to fetch to know under which ids the vendor sells these, and what it has of them."""

    def found(
        self, skus: Sequence[Sku], shelf: Shelf, fetched: Mapping[str, bytes]
    ) -> Mapping[Sku, Listing] | tuple[Need, ...] | None:
        """What it sells of these; or what else must be fetched; None: what was fetched cannot be read."""

    def requests(self, offers: Sequence[Offer], shelf: Shelf, key: str, now_ms: int) -> tuple[Request, ...]:
        """What to send, each offer in just one request.

        `key`: another for other content, the same for a second try. `now_ms`: the hub's clock when the key was made.
        """

    def heard(self, request: Request, answer: Answer) -> Heard:
        """What the vendor's answer says, whatever it is."""
