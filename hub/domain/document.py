"""The house as the partition holds it: one document, from which every process makes the same house.

It says what is configured, and the two things that decide which rules are in force: at which instant they were
looked at, and which sources are silent. The SKUs are not in it: the catalogue holds them.
"""

import hashlib
from datetime import UTC, datetime, timedelta

import msgspec

from hub.domain.catalogue import HouseSettings, RuleSettings

# A house of ten thousand rules and as many locations takes 4 MiB.
DOCUMENT_BYTES_MAX = 8 * 1024 * 1024

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


class HouseDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a partition holds of its house; the journal's `rules` entries carry it too, as JSON."""

    # Which rules are in force was decided as of this instant, in UTC milliseconds; it never goes back.
    active_at_ms: int
    # Sources that have been silent for too long, sorted.
    stale_sources: tuple[str, ...]
    settings: HouseSettings

    def says_the_same(self, other: "HouseDocument") -> bool:
        """Whether both say the same, whenever that was looked at."""
        return encode_document(_timeless(self)) == encode_document(_timeless(other))

    def token(self) -> str:
        """What tells this document from every other one."""
        return token_of(encode_document(self))


encode_document = msgspec.json.Encoder().encode
# Raises msgspec.MsgspecError for what no document of this version is.
decode_document = msgspec.json.Decoder(HouseDocument).decode


def token_of(document: bytes) -> str:
    """What tells an encoded document from every other one."""
    return hashlib.sha256(document).hexdigest()[:32]


def document_of(settings: HouseSettings, active_at_ms: int, stale_sources: tuple[str, ...] = ()) -> HouseDocument:
    """The document of a house; its SKUs are left out."""
    plain = msgspec.structs.replace(settings, skus=())
    return HouseDocument(active_at_ms, tuple(sorted(set(stale_sources))), plain)


def instant(ms: int) -> datetime:
    """UTC milliseconds as a time."""
    return _EPOCH + timedelta(milliseconds=ms)


def whole_ms(time: datetime) -> int:
    """A time in UTC milliseconds, the first whole one that is not before it."""
    return -((_EPOCH - time) // _MS)


def next_boundary_ms(rules: tuple[RuleSettings, ...], after_ms: int) -> int | None:
    """When the next `from` or `until` comes, in UTC milliseconds; None when none is to come."""
    times = [time for rule in rules for time in (rule.from_, rule.until) if time is not None]
    return min((ms for ms in map(whole_ms, times) if ms > after_ms), default=None)


def _timeless(document: HouseDocument) -> HouseDocument:
    return msgspec.structs.replace(document, active_at_ms=0)
