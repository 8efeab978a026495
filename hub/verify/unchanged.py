"""Which SKUs are stored as they were when they were last found right: to see that costs a tenth of comparing them.

What this cannot tell: whether the ledger, a location's list or an index of holds was changed beside the SKU. A SKU of
which the ledger gets a movement is forgotten here, so that one that did not change though it should have is compared.
"""

# SKUs that are remembered, about 100 bytes each; others are compared every time.
UNCHANGED_MAX = 200_000


class Unchanged:
    """What SKUs were like when they were found right, as hashes that nobody outside of this process can foresee."""

    def __init__(self) -> None:
        self._known: dict[int, int] = {}

    def note(self, name: str, fingerprint: int) -> None:
        """It is right as it is."""
        if len(self._known) < UNCHANGED_MAX or hash(name) in self._known:
            self._known[hash(name)] = fingerprint

    def forget(self, name: str) -> None:
        """It may be otherwise."""
        self._known.pop(hash(name), None)

    def has(self, name: str, fingerprint: int) -> bool:
        """Whether it is as it was when it was found right."""
        return self._known.get(hash(name)) == fingerprint
