"""What is usual for each source, kept in the ledger so that a restart does not forget it."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from hub.domain.silence import SOURCES_MAX, Rhythm
from hub.ledger.connection import Link
from hub.ledger.rows import Booking

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_decode = msgspec.json.Decoder(dict[int, int]).decode
_encode = msgspec.json.Encoder().encode

_LOAD = "SELECT source, first_heard, last_heard, events, longest FROM hub.source ORDER BY last_heard DESC LIMIT $1"
_KEEP = """INSERT INTO hub.source (source, first_heard, last_heard, events, longest)
    SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::bigint[], $5::text[]::jsonb[])
    ON CONFLICT (source) DO UPDATE SET last_heard = excluded.last_heard, events = excluded.events,
        longest = excluded.longest WHERE hub.source.last_heard <= excluded.last_heard"""


class SourceMemory:
    """The table of sources. For one user at a time; close it."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def load(self) -> dict[str, Rhythm]:
        """The sources heard last, at most as many as are watched.

        Raises:
            Unavailable, ServerRefused: as `Link.use`.
        """
        async with self._link.use("The ledger's sources cannot be read") as connection:
            rows = await connection.fetch(_LOAD, SOURCES_MAX)
        return {
            row["source"]: Rhythm(
                _ms(row["first_heard"]), _ms(row["last_heard"]), row["events"], _decode(row["longest"])
            )
            for row in rows
        }

    async def keep(self, rhythms: Mapping[str, Rhythm]) -> None:
        """Write these down; what another process knows of a later time stays.

        Raises:
            Unavailable, ServerRefused: as `Link.use`.
        """
        known = list(rhythms.values())
        async with self._link.use("The ledger's sources cannot be written") as connection:
            await connection.execute(
                _KEEP,
                list(rhythms),
                [_instant(rhythm.first_heard_ms) for rhythm in known],
                [_instant(rhythm.last_heard_ms) for rhythm in known],
                [rhythm.events for rhythm in known],
                [_encode(rhythm.longest).decode() for rhythm in known],
            )

    async def aclose(self) -> None:
        """Close the connection."""
        await self._link.aclose()


def heard_in(posted: Iterable[Booking]) -> Iterator[tuple[str, int]]:
    """(source, booked at in ms) of the events among what was posted, in its order."""
    for booking in posted:
        entry = booking.entry
        if entry is not None and not booking.doubled and entry.kind in ("fact", "parked"):
            yield entry.source, entry.booked_at_ms


def _ms(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(milliseconds=1)


def _instant(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)
