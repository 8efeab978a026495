"""How a channel is, as whoever tells it writes it down for whoever asks. Pure. Times are seconds since 1970."""

import msgspec


class ChannelNote(msgspec.Struct, frozen=True, kw_only=True):
    """What only the process knows that tells a channel."""

    # SKUs whose vendor has another number than it shall have.
    waiting: int = 0
    # Since when the first of them waits; 0: none does.
    oldest: float = 0.0
    # SKUs whose number somebody else sets again and again.
    drifting: int = 0
    # `closed`; `open` while the vendor is only probed; `file` of a channel without a vendor; empty: not known yet.
    circuit: str = ""
    # What keeps it from telling, or did last; a sentence.
    why: str = ""


class ChannelTally(msgspec.Struct, frozen=True):
    """What the ledger knows of a channel."""

    id: str
    note: ChannelNote
    # When the note was written; 0: never.
    noted_at: float
    # SKUs whose vendor is known to have a number; that were given up; that the vendor does not sell.
    told: int
    dead: int
    absent: int
