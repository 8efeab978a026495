"""What the answers of vendors' APIs share: what a status says by itself, how long to wait, and words for a log."""

from collections.abc import Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime

from adapters.contract import Answer
from adapters.offering import Heard, Offer, Outcome, Request, Told

# The longest that a vendor may ask for.
WAIT_SECONDS_MAX = 3_600.0
# Until when is said, but not what time it is there.
_UNTIL_SOME_DATE_SECONDS = 60.0
# Of what a vendor wrote: with our own words around them they fit a log.
_CODE_MAX, _WORDS_MAX = 50, 120
# Of these the body says more; all others say the same for whatever was sent.
_BODY_SAYS = frozenset({400, 404, 413, 422})
_RIGHTS, _TOO_FAST = frozenset({401, 403}), 429
NO_RIGHTS = "The token is not known there or lacks rights to change stock"
UNREADABLE = Told("again", "The answer cannot be read.")
TAKEN = Told("taken")


def by_status(request: Request, answer: Answer) -> Heard | None:
    """What the status alone says; None: the body says more."""
    status, wait = answer.status, wait_seconds(answer)
    if 200 <= status < 300 or status in _BODY_SAYS:
        return None
    if status in _RIGHTS:
        return everything(request, "again", f"{NO_RIGHTS} (status {status}).", wait)
    why = "They were asked too often" if status == _TOO_FAST else "They cannot take it now"
    return everything(request, "again", f"{why} (status {status}).", wait)


def everything(request: Request, outcome: Outcome, why: str, wait: float = 0.0) -> Heard:
    """The same of every offer."""
    return Heard(told=(Told(outcome, why),) * len(request.offers), wait_seconds=wait)


def one_at_fault(request: Request, why: str) -> Heard:
    """Something in it cannot be taken, and which was not said: alone, it is known."""
    if len(request.offers) == 1:
        return everything(request, "refused", why)
    told = (Told("again", f"Something told together with it was refused: {why}"),) * len(request.offers)
    return Heard(told=told, is_one_at_fault=True, is_key_spent=True)


def singled_out(request: Request, at: dict[int, Told], why: str) -> Heard:
    """Some are at fault by their places, so the vendor took none: the others are told again."""
    others = Told("again", f"Nothing was taken, for something told together with it was refused: {why}")
    return Heard(told=tuple(at.get(place, others) for place in range(len(request.offers))), is_key_spent=True)


def unreadable(request: Request, answer: Answer) -> Heard:
    """What came is not what the vendor documents."""
    return Heard(told=(UNREADABLE,) * len(request.offers), wait_seconds=wait_seconds(answer))


def wait_seconds(answer: Answer) -> float:
    """What `retry-after` asks for, in seconds or until a date, which is reckoned by the vendor's own clock; else 0."""
    text = answer.headers.get("retry-after", "").strip()
    if not text:
        return 0.0
    if (seconds := number(text)) is not None:
        return min(seconds, WAIT_SECONDS_MAX)
    until, now = _date(text), _date(answer.headers.get("date", ""))
    if until is None:
        return 0.0
    if now is None:
        return _UNTIL_SOME_DATE_SECONDS
    return min(max((until - now).total_seconds(), 0.0), WAIT_SECONDS_MAX)


def number(text: str) -> float | None:
    """A number of a header that is not below 0; None: it is none."""
    if len(text) > 20 or not text.isascii() or not text.replace(".", "", 1).isdigit():
        return None
    return float(text)


def named(offers: Sequence[Offer], id: str) -> int | None:
    """The place of the offer of a listing."""
    return next((place for place, offer in enumerate(offers) if offer.listing == id), None)


def words(text: object, at_most: int = _WORDS_MAX) -> str:
    """What a vendor wrote, fit for a log."""
    if not isinstance(text, str):
        return ""
    return "".join(letter if letter.isprintable() else " " for letter in text[:at_most]).strip()


def coded(who: str, code: object, message: object) -> str:
    """An error as a vendor tells it."""
    return f"{who} says {words(code, _CODE_MAX)}: {words(message)}"


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text[:100])
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # Without an offset it is none of HTTP's.
    return date if date.tzinfo is not None else None
