"""Which holds are over by the clock, and not given back yet."""

import msgspec


class Due(msgspec.Struct, frozen=True):
    """A look at the holds that end by themselves."""

    # Names of holds whose time is over, the longest first.
    names: tuple[str, ...]
    # How long until the first of the others is due, milliseconds; None: there is no other.
    next_in_ms: int | None
    # Holds that units are kept for.
    live: int


class GivenBack(msgspec.Struct, frozen=True):
    """What became of holds whose time is over."""

    # Of so many something was given back now.
    holds: int
    # So many cannot be given back; the others were already.
    stuck: int
    # Why the first of these cannot; empty when there is none.
    why: str = ""
