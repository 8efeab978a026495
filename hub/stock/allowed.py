"""What a sender may touch where its event does not say it: an earlier one does, or one still to come."""

from collections.abc import Collection

import msgspec


class Allowed(msgspec.Struct, frozen=True):
    """The locations and pools that a sender may touch; None: all."""

    locations: Collection[str] | None = None
    pools: Collection[str] | None = None

    def may_location(self, location: str) -> bool:
        """Whether the location may be touched."""
        return self.locations is None or location in self.locations

    def may_pool(self, pool: str) -> bool:
        """Whether the pool may be touched."""
        return self.pools is None or pool in self.pools


EVERYTHING = Allowed()
