"""What the hub notices by itself, as a command that tells it. Pure."""

from hashlib import blake2b

from hub.domain.command import OWN_SOURCE, Fact, Raising
from hub.domain.draft import NO_SKU
from hub.domain.entry import FORMAT, Entry, EntryAlert


def digest_of(content: str) -> str:
    """A short name for what is said, 32 hexadecimal digits."""
    return blake2b(content.encode(), digest_size=16).hexdigest()


def own_alert(
    type: str, name: str, digest: str, time_ms: int, payload: str = "", detail: Raising | None = None
) -> Fact:
    """The command that raises an alert of the hub's own; what has the same type and name is told once."""
    return Fact(
        verb="alert",
        type=type,
        source=OWN_SOURCE,
        id=f"{type}:{name}",
        hash=digest,
        time_ms=time_ms,
        stated_ms=time_ms,
        ledger_checked=True,
        payload=payload,
        detail=detail,
    )


def entry_of(alert: Fact, now_ms: int, rules_version: int) -> Entry:
    """The journal entry of such a command booked now, as the kernel writes it."""
    assert isinstance(alert.detail, Raising)
    about, quantity = alert.detail.about, alert.detail.quantity
    return Entry(
        *(FORMAT, "alert", alert.type, alert.source, alert.id, alert.hash, min(alert.time_ms, now_ms), now_ms),
        rules_version,
        alert.payload,
        alerts=(EntryAlert(alert.type, NO_SKU, "", quantity),),
        about=about,
    )
