"""What the dialects share where a vendor is asked for pages: times, parts of a body, and some places at a time."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from msgspec import MsgspecError, Struct

from adapters.contract import ANYWHERE, Account, Answer, Page


class Turn(Struct, frozen=True):
    """Where a walk over places is that may only be asked some at a time."""

    # Which of the stretches of places, from 0.
    stretch: int = 0
    # The vendor's own cursor within it.
    cursor: str = ""


def turn_of(cursor: str) -> Turn:
    """The turn that a cursor stands for; of one that nobody made here, the first."""
    stretch, _, theirs = cursor.partition(" ")
    return Turn(int(stretch), theirs) if stretch.isascii() and stretch.isdigit() and len(stretch) < 6 else Turn()


def places_in(account: Account, turn: Turn, most: int) -> tuple[str, ...]:
    """Their ids of the places that the file maps by themselves, as far as this turn asks for them."""
    named = sorted(theirs for theirs in account.locations if theirs != ANYWHERE)
    return tuple(named[turn.stretch * most : (turn.stretch + 1) * most])


def after(turn: Turn, theirs: str, account: Account, most: int) -> str:
    """The cursor behind a page, by the vendor's own; empty where no place is left."""
    if theirs:
        return f"{turn.stretch} {theirs}"
    following = Turn(turn.stretch + 1)
    return f"{following.stretch} " if places_in(account, following, most) else ""


def page_number(cursor: str) -> int:
    """The page that a cursor stands for where a vendor numbers them; the first is 1."""
    return int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) < 9 else 1


def in_utc(ms: int) -> str:
    """A time as most vendors read it, to the second."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def next_in_link(answer: Answer, parameter: str) -> str:
    """A parameter of the address that the header `link` calls next; empty where there is none."""
    for link in answer.headers.get("link", "").split(","):
        address, _, said = link.partition(";")
        if said.replace('"', "").replace(" ", "").casefold() == "rel=next":
            return first_of(parse_qs(urlsplit(address.strip().strip("<>")).query).get(parameter, ()))
    return ""


def first_of(values: Sequence[str]) -> str:
    """The first of some texts; empty where there is none."""
    return values[0] if values else ""


def paged(read: Callable[[], Page]) -> Page | None:
    """What `read` makes of an answer; None where it cannot be read."""
    try:
        return read()
    except (MsgspecError, ValueError, OverflowError, RecursionError):
        return None
