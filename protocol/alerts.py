"""Alerts that the hub raises by itself, as they are listed and settled."""

from typing import Annotated

from msgspec import Meta, Raw, Struct

from protocol.identifiers import Text


class SettledAlert(Struct, frozen=True):
    """A person looked at an alert, and is done with it."""

    # RFC 3339.
    at: str
    # The subject of the token.
    by: str
    why: str


class OwnAlertItem(Struct, frozen=True, kw_only=True):
    """An alert that the hub raised by itself."""

    # The place of its entry, such as `0-3-1041`.
    id: str
    type: str
    booked_at: str
    # What it is about, in a word: an entry, a window of entries, a source, a SKU and its location.
    about: str | None
    # What it says, as JSON; its fields depend on the type. Null where it says no more.
    detail: Raw
    # Null: it is open.
    settled: SettledAlert | None


class OwnAlertsAnswer(Struct, frozen=True):
    """Alerts, newest first."""

    items: tuple[OwnAlertItem, ...]
    # The cursor of the next page; null at the end.
    next: str | None


class SettleAlert(Struct, frozen=True, forbid_unknown_fields=True):
    """Why nobody needs to look at an alert any more."""

    why: Annotated[Text, Meta(min_length=1)]


class SettledAnswer(Struct, frozen=True):
    """An alert is settled; who said so first stands."""

    id: str
    settled: SettledAlert
