"""Asking an adapter, which is perhaps a stranger's: whatever it does, the hub goes on, and what it says is bounded."""

from collections.abc import Mapping
from hashlib import sha256
from traceback import extract_tb

import msgspec
import structlog

from adapters.contract import (
    CURSOR_CHARS_MAX,
    DELIVERIES_PER_PAGE_MAX,
    DESCRIPTIONS_PER_DELIVERY_MAX,
    EVENTS_PER_DELIVERY_MAX,
    LEVELS_PER_DELIVERY_MAX,
    NEEDS_MAX,
    Answer,
    Delivery,
    Need,
    Page,
    Polled,
    Question,
    Reading,
    Reply,
)
from hub.webhooks.accounts import Party
from protocol.identifiers import OpaqueId
from protocol.limits import QUANTITY_MAX

log = structlog.get_logger()

_BROKEN = "the adapter has a defect"


def greeting(party: Party, delivery: Delivery) -> Reply | None:
    """What the vendor is answered that only looks whether the address is there; None: it is a delivery."""
    try:
        return party.adapter.greet(delivery, party.account)
    except Exception as error:
        _note(party, "greet", error)
        return None


def objection(party: Party, delivery: Delivery) -> str | None:
    """Why a delivery is not the vendor's; None: it is."""
    try:
        return party.adapter.verify(delivery, party.account)
    except Exception as error:
        _note(party, "verify", error)
        return _BROKEN


def delivery_id(party: Party, delivery: Delivery) -> str:
    """The vendor's own id of it; of one without, its content."""
    try:
        return msgspec.convert(party.adapter.delivery_id(delivery), OpaqueId)
    except Exception as error:
        if not isinstance(error, msgspec.ValidationError):
            _note(party, "delivery_id", error)
        return f"sha256:{sha256(delivery.body).hexdigest()}"


def topic(party: Party, delivery: Delivery) -> str:
    """What it is about; empty where that cannot be told."""
    try:
        return str(party.adapter.topic(delivery))
    except Exception as error:
        _note(party, "topic", error)
        return ""


def reading(party: Party, delivery: Delivery, fetched: Mapping[str, bytes]) -> Reading:
    """What it says; a defect is a reason to park it."""
    try:
        read = party.adapter.translate(delivery, party.account, fetched)
    except Exception as error:
        _note(party, "translate", error)
        return Reading(unmapped=f"{_BROKEN}: {type(error).__name__}")
    bounds = (
        (read.events, EVENTS_PER_DELIVERY_MAX),
        (read.levels, LEVELS_PER_DELIVERY_MAX),
        (read.descriptions, DESCRIPTIONS_PER_DELIVERY_MAX),
        (read.needs, NEEDS_MAX),
    )
    if any(len(said) > most for said, most in bounds):
        return Reading(unmapped="it says more than one delivery may")
    if not all(level.available is None or _is_stock(level.available) for level in read.levels):
        return Reading(unmapped=f"it tells of a stock that is no number up to {QUANTITY_MAX}")
    return read


def credentials(party: Party) -> Mapping[str, str]:
    """The headers of a request to the vendor's API."""
    if party.token is None:
        return {}
    try:
        return party.adapter.credentials(party.token.reveal())
    except Exception as error:
        _note(party, "credentials", error)
        return {}


def need_of(party: Party, asking: Polled, question: Question) -> Need | str | None:
    """What is to be fetched for a question; None: nothing; a text: why that cannot be said."""
    try:
        return asking.poll(question, party.account)
    except Exception as error:
        _note(party, "poll", error)
        return _BROKEN


def page_of(party: Party, asking: Polled, question: Question, answer: Answer) -> Page | str:
    """What was answered; a text: why that cannot be said."""
    try:
        page = asking.polled(question, party.account, answer)
    except Exception as error:
        _note(party, "polled", error)
        return _BROKEN
    if page is None:
        return "what it answers cannot be read"
    if len(page.deliveries) > DELIVERIES_PER_PAGE_MAX:
        return "it says more than one page may"
    if len(page.cursor) > CURSOR_CHARS_MAX or "\0" in page.cursor:
        return "where it would go on cannot be kept"
    return "it goes on where it is" if page.cursor and page.cursor == question.cursor else page


def _is_stock(available: object) -> bool:
    return isinstance(available, int) and abs(available) <= QUANTITY_MAX


def _note(party: Party, doing: str, error: Exception) -> None:
    # Without the error's own text, which may quote what was sent, or the token.
    [*_, at] = extract_tb(error.__traceback__)
    what = f"{type(error).__name__} at {at.filename}:{at.lineno}"
    log.error("an adapter failed", source=party.settings.id, adapter=party.settings.adapter, doing=doing, error=what)
