"""Journal entries and read states in, frames out: each watcher gets the newest value, built once for all.

Laws:
- What a pool shows goes out only when it changed; a change nobody is shown leaves no frame.
- One tick, one frame per watcher; the newest value of each SKU wins.
- A watcher is never sent a lower `rev` than before: topics stand at one `rev`, and it only rises.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from hub.domain.entry import Entry, Seq
from hub.domain.pools import View
from hub.domain.position import Position
from hub.domain.shown import position_item, seen_with
from hub.live.framing import ValueKey, text_frame, view_item
from hub.live.subscriptions import Subscriptions, Topic
from protocol.answers import AvailabilityItem
from protocol.frames import encode_item, update_frame

# A message with more items than fit is sent as several, as fast as the reader takes them.
MESSAGE_BYTES_AIM = 64 * 1024
# Frames of one tick kept for watchers that are owed the same several items.
SHARED_FRAMES_MAX = 256


class Outlet(Protocol):
    """Where one watcher's frames go; compared by identity."""

    def push(self, key: ValueKey, item: bytes, frame: bytes) -> None:
        """Send the frame that holds this item alone, or keep the item until the reader has caught up."""

    def push_several(self, owed: "Sequence[Change]", frame: bytes | None) -> None:
        """Send the frame that holds these items, or keep them; None is more than one message should hold."""

    def __hash__(self) -> int: ...


class Change(msgspec.Struct, eq=False):
    """A new value and who watches it."""

    key: ValueKey
    item: bytes
    watchers: set[Outlet]
    _frame: bytes | None = None

    @property
    def frame(self) -> bytes:
        """The frame that holds this item alone, built once."""
        if self._frame is None:
            self._frame = text_frame(update_frame((self.item,)))
        return self._frame


class Counters(msgspec.Struct):
    """What the live door did since it started; `connections` is now."""

    connections: int = 0
    # Connections that have ended.
    gone: int = 0
    frames: int = 0
    # Values that a newer one replaced before a slow reader took them.
    conflated: int = 0
    # Connections closed because nothing was taken, or too much was waiting.
    slow_closed: int = 0
    # Connections closed because no ping was answered: nobody reads, or nobody is there.
    silent_closed: int = 0
    # States read again because the journal had a gap, a new epoch or did not answer.
    refreshed: int = 0

    def leave(self) -> None:
        """One connection less."""
        self.connections -= 1
        self.gone += 1


class Fanout:
    """Brings changes to whoever watches them."""

    def __init__(self, subscriptions: Subscriptions[Outlet]) -> None:
        self._subscriptions = subscriptions

    def apply(self, entries: Sequence[tuple[Seq, Entry]]) -> None:
        """Send what one batch of the journal, a tick, changes for the watchers."""
        changes = self._shown(entries)
        if self._subscriptions.shelves:
            changes += self._moved(entries)
        deliver(changes)

    def learn(self, pool: str, items: Iterable[AvailabilityItem]) -> None:
        """Take state that was read; whoever watches and knew less is told."""
        changes: list[Change] = []
        for read in items:
            topic = self._subscriptions.topics.get((pool, read.sku))
            if topic is None or read.rev <= topic.rev:
                continue
            item = encode_item(msgspec.structs.replace(read, pool=pool))
            if topic.learn(read.rev, item):
                changes.append(Change(topic.key, item, topic.watchers))
        deliver(changes)

    def _shown(self, entries: Sequence[tuple[Seq, Entry]]) -> list[Change]:
        topics = self._subscriptions.topics
        newest: dict[Topic[Outlet], tuple[View, int]] = {}
        for seq, entry in entries:
            for written in entry.views:
                if written.changed:
                    topic = topics.get((written.pool, entry.skus[written.sku]))
                    if topic is not None:
                        newest[topic] = (written.view, seq.epoch)
        changes: list[Change] = []
        for topic, (view, epoch) in newest.items():
            rev = view.rev(epoch)
            if rev <= topic.rev:
                continue
            pool, sku = topic.key
            item = view_item(pool, sku, view, epoch)
            if topic.learn(rev, item):
                changes.append(Change(topic.key, item, topic.watchers))
        return changes

    def _moved(self, entries: Sequence[tuple[Seq, Entry]]) -> list[Change]:
        shelves = self._subscriptions.shelves
        newest: dict[tuple[str, str], Position] = {}
        for _, entry in entries:
            for written in entry.positions:
                if written.location in shelves:
                    newest[written.location, entry.skus[written.sku]] = written.position
        return [
            Change(("", location, sku), encode_item(seen_with(position_item(sku, location, position), pools)), watchers)
            for (location, sku), position in newest.items()
            for pools, watchers in shelves[location].items()
        ]


def deliver(changes: Sequence[Change]) -> None:
    """Give each watcher one frame with what it watches of these changes."""
    if len(changes) == 1:
        _deliver_alone(changes[0])
        return
    owed: dict[Outlet, list[int]] = {}
    for index, change in enumerate(changes):
        for watcher in change.watchers:
            owed.setdefault(watcher, []).append(index)
    # Watchers that are owed the same get the same bytes.
    shared: dict[tuple[int, ...], bytes | None] = {}
    for watcher, indexes in owed.items():
        if len(indexes) == 1:
            change = changes[indexes[0]]
            watcher.push(change.key, change.item, change.frame)
            continue
        mine = [changes[index] for index in indexes]
        same = tuple(indexes)
        if same not in shared:
            if len(shared) >= SHARED_FRAMES_MAX:
                shared.clear()
            shared[same] = _frame_of(mine)
        watcher.push_several(mine, shared[same])


def _deliver_alone(change: Change) -> None:
    """The hot path: one changed SKU, any number of watchers."""
    key, item, frame = change.key, change.item, change.frame
    for watcher in change.watchers:
        watcher.push(key, item, frame)


def _frame_of(changes: Sequence[Change]) -> bytes | None:
    if sum(len(change.item) + 1 for change in changes) > MESSAGE_BYTES_AIM:
        return None
    return text_frame(update_frame(change.item for change in changes))
