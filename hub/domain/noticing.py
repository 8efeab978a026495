"""What the hub notices by itself, as a command that tells it. Pure."""

from hashlib import blake2b

from hub.domain.command import OWN_SOURCE, Fact, Raising


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
