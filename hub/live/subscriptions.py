"""Who watches what: topics (one SKU in one pool) and shelves (all positions of one location).

A topic also keeps the newest item anybody was told, so that all its watchers stand at the same `rev`, no
watcher is ever sent an older one, and a thousand screens that join one SKU cost one read of Redis.
"""

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from hub.domain.pools import REVS_PER_EPOCH
from hub.domain.shown import PoolsSeen

# A pool and a SKU in it.
TopicKey = tuple[str, str]

# Whoever watches: compared by identity, so a set of them stays small and fast.
WatcherT = TypeVar("WatcherT", bound=Hashable)

# `Topic.rev` before the first read.
UNREAD = -1


class Topic(Generic[WatcherT]):
    """What one pool shows of one SKU, as its watchers know it."""

    __slots__ = ("item", "key", "rev", "watchers")

    def __init__(self, key: TopicKey) -> None:
        self.key = key
        self.watchers: set[WatcherT] = set()
        self.rev = UNREAD
        # The item as sent, encoded; None while it was never shown: its `at` is the time of each answer.
        self.item: bytes | None = None

    def learn(self, rev: int, item: bytes) -> bool:
        """Take a newer item; False when it is no news for the watchers."""
        if rev <= self.rev:
            return False
        self.rev = rev
        self.item = item if rev % REVS_PER_EPOCH else None
        # That something was never shown is no news for anybody, unless an entry that was lost had shown it.
        return rev > 0


class Subscriptions(Generic[WatcherT]):
    """All topics and shelves that somebody watches; what nobody watches is forgotten."""

    __slots__ = ("shelves", "topics")

    def __init__(self) -> None:
        self.topics: dict[TopicKey, Topic[WatcherT]] = {}
        # location -> its watchers, by the pools whose fences they may see
        self.shelves: dict[str, dict[PoolsSeen, set[WatcherT]]] = {}

    def watch(self, watcher: WatcherT, key: TopicKey) -> Topic[WatcherT]:
        """Add a watcher; watching twice is watching once."""
        topic = self.topics.get(key)
        if topic is None:
            topic = self.topics[key] = Topic(key)
        topic.watchers.add(watcher)
        return topic

    def unwatch(self, watcher: WatcherT, key: TopicKey) -> None:
        """Remove a watcher; nothing happens when it did not watch."""
        topic = self.topics.get(key)
        if topic is None:
            return
        topic.watchers.discard(watcher)
        if not topic.watchers:
            del self.topics[key]

    def watch_shelf(self, watcher: WatcherT, location: str, pools: PoolsSeen) -> None:
        """Add a watcher of all positions of a location, or let it see these pools' fences from now on."""
        self.unwatch_shelf(watcher, location)
        self.shelves.setdefault(location, {}).setdefault(pools, set()).add(watcher)

    def unwatch_shelf(self, watcher: WatcherT, location: str) -> None:
        """Remove a watcher of a location; nothing happens when it did not watch."""
        shelf = self.shelves.get(location, {})
        for pools, watchers in list(shelf.items()):
            watchers.discard(watcher)
            if not watchers:
                del shelf[pools]
        if not shelf:
            self.shelves.pop(location, None)

    def skus_by_pool(self) -> Iterator[tuple[str, list[str]]]:
        """Everything watched, as it is read again after a gap: each pool with its watched SKUs."""
        pools: dict[str, list[str]] = {}
        for pool, sku in self.topics:
            pools.setdefault(pool, []).append(sku)
        yield from pools.items()
