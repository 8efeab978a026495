"""Purchase orders in the small worlds: what they bring, and receipts for them."""

from typing import Any

import msgspec
from hypothesis import strategies as st

from hub.domain.command import Detail, Supply, Verb
from hub.stock import keys

ORDERS = ("PO-1", "PO-2")
HOUR_MS = 3_600_000


@st.composite
def details(draw: st.DrawFn, verb: Verb) -> Detail | None:
    """What `expected` says beside its lines, and a receipt perhaps."""
    if verb == "expected":
        return Supply(draw(st.sampled_from(ORDERS)), draw(st.integers(0, 3)) * HOUR_MS)
    if verb == "receipt" and draw(st.booleans()):
        return Supply(draw(st.sampled_from(ORDERS)))
    return None


def expected_in(fields: dict[bytes, bytes]) -> Any:
    """Take out of a SKU's hash what is expected of it; None when nothing ever was."""
    packed = fields.pop(keys.EXPECTED_FIELD, None)
    return None if packed is None else msgspec.msgpack.decode(packed)
