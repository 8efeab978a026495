"""Bytes of the live door: encoded items, and complete WebSocket frames.

An item is encoded once, however many connections it goes to, and so is a frame that is the same for several.
"""

from websockets.frames import Frame, Opcode

from hub.domain.pools import REVS_PER_EPOCH, View
from hub.domain.shown import item
from protocol.frames import HEARTBEAT, encode_item

# (pool, sku) of what a pool shows, ("", location, sku) of a position: names a value that the newest one replaces.
ValueKey = tuple[str, ...]


def text_frame(message: bytes) -> bytes:
    """A complete, unmasked WebSocket frame, as a server sends it without compression."""
    return Frame(Opcode.TEXT, message).serialize(mask=False)


# A ping goes with every heartbeat, in one write: browsers answer it by themselves, so a dead peer is noticed.
BEAT = text_frame(HEARTBEAT) + Frame(Opcode.PING, b"").serialize(mask=False)


def view_item(pool: str, sku: str, view: View, epoch: int) -> bytes:
    """What a pool shows of a SKU, encoded."""
    return encode_item(item(sku, view, epoch, now_ms=view.at_ms, pool=pool))


def never_shown_item(pool: str, sku: str, rev: int, now_ms: int, *, show_status: bool) -> bytes:
    """What a pool shows of a SKU it never showed anything of, encoded; `at` is the time of the answer."""
    view = View(available=-1) if show_status else View()
    return encode_item(item(sku, view, 0, now_ms=now_ms, pool=pool, lost_epoch=rev // REVS_PER_EPOCH))
