"""What a client knows of what a pool shows: of each SKU the item with the higher `rev`. Pure."""

from protocol.answers import AvailabilityItem


class Newest:
    """The newest item of each SKU, and which of them nobody has taken yet; each SKU is there once."""

    def __init__(self) -> None:
        self.items: dict[str, AvailabilityItem] = {}
        # In the order in which they became news.
        self._untaken: dict[str, None] = {}

    def learn(self, item: AvailabilityItem) -> bool:
        """Keep the item if its `rev` is higher than that of the one that is held; whether it was kept."""
        held = self.items.get(item.sku)
        if held is not None and item.rev <= held.rev:
            return False
        self.items[item.sku] = item
        self._untaken[item.sku] = None
        return True

    def take(self) -> AvailabilityItem | None:
        """The newest item of the SKU that has been news for longest; None when there is no news."""
        for sku in self._untaken:
            del self._untaken[sku]
            return self.items[sku]
        return None

    def forget(self) -> None:
        """Know nothing any more; what was not taken yet is forgotten too, for it comes again."""
        self.items.clear()
        self._untaken.clear()
