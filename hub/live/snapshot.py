"""How somebody begins to watch, and what is answered, slice by slice, so that nobody waits behind the largest.

Between two slices changes come through; the line is held then, so they wait behind the answer:
- What was kept back of a slice's SKUs is dropped in the same step in which they are encoded, for the items are as new.
- What comes of them after that is newer, and is kept.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence

from hub.live.fanout import Outlet
from hub.live.framing import never_shown_item
from hub.live.line import Line
from hub.live.session import Session, Show
from hub.live.subscriptions import Subscriptions, Topic, TopicKey

# Encoded at a stretch, about a millisecond's work.
KEYS_PER_SLICE = 250


async def watched(
    subscriptions: Subscriptions[Outlet], line: Line, session: Session, show: Show
) -> list[tuple[Topic[Outlet], int]]:
    """Watch what was asked for, but for what the house or the keys took away meanwhile; and the revs that are known."""
    known = {} if session.overstates else show.known
    wishes: list[tuple[Topic[Outlet], int]] = []
    for start in range(0, len(show.keys), KEYS_PER_SLICE):
        if start:
            await asyncio.sleep(0)
        some = show.keys[start : start + KEYS_PER_SLICE]
        topics = [subscriptions.watch(line, key) for key in some if key in session.topics]
        session.share([topic.key for topic in topics])
        wishes += [(topic, known.get(topic.key[1], 0)) for topic in topics]
    return wishes


def overstates(topics: Iterable[Topic[Outlet]], show: Show) -> bool:
    """Whether the client knows more than there is, now that it was read.

    Whose word was wrong once is not believed again, or it could have everything read for ever.
    """
    return any(topic.rev < show.known.get(topic.key[1], 0) for topic in topics)


async def snapshot(
    subscriptions: Subscriptions[Outlet], line: Line, session: Session, show: Show, now_ms: int
) -> list[bytes]:
    """The items whose rev is not the known one; say them before anything else is waited for."""
    items: list[tuple[TopicKey, bytes]] = []
    for start in range(0, len(show.keys), KEYS_PER_SLICE):
        if start:
            await asyncio.sleep(0)
        some = show.keys[start : start + KEYS_PER_SLICE]
        items += _items(subscriptions, some, show, now_ms, show_status=session.shows_status(show.pool))
        line.disown(some)
    # What was forgotten meanwhile, because the house changed, is not answered.
    return [item for key, item in items if key in session.topics]


def _items(
    subscriptions: Subscriptions[Outlet], keys: Sequence[TopicKey], show: Show, now_ms: int, *, show_status: bool
) -> Iterator[tuple[TopicKey, bytes]]:
    for key in keys:
        topic = subscriptions.topics.get(key)
        if topic is not None and show.known.get(key[1]) != (rev := max(topic.rev, 0)):
            yield key, topic.item or never_shown_item(*key, rev, now_ms, show_status=show_status)
