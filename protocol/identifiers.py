"""Names, ids and quantities: what each may look like.

Rules:
- Ids of other systems are opaque: bounded in length, without control characters, never parsed.
- A pattern is written for ECMAScript too, since the API's description shows it. There is no `\\Z` there, and
  `$` alone lets a trailing newline through in Python, hence `(?!\\n)$`.
"""

import unicodedata
from datetime import datetime
from typing import Annotated, Final

from msgspec import Meta

from protocol.limits import (
    NAME_CHARS_MAX,
    OPAQUE_ID_CHARS_MAX,
    QUANTITY_MAX,
    SKU_CHARS_MAX,
    TEXT_CHARS_MAX,
)

_NAME: Final = rf"^[A-Za-z0-9._-]{{1,{NAME_CHARS_MAX}}}(?!\n)$"
_NO_CONTROLS: Final = r"^[^\x00-\x1f\x7f-\x9f]*(?!\n)$"

# What the patterns mean, for an error that a person reads.
PATTERN_WORDS: Final = {
    _NAME: f"of 1 to {NAME_CHARS_MAX} letters A-Z a-z, digits, `.`, `_` or `-`",
    _NO_CONTROLS: "without control characters",
}

# A location, pool, source, kind or status.
Name = Annotated[str, Meta(pattern=_NAME, description=f"a name {PATTERN_WORDS[_NAME]}")]
# One sellable article, by the house's own name or an alias.
Sku = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=SKU_CHARS_MAX,
        pattern=_NO_CONTROLS,
        description=f"a SKU of 1 to {SKU_CHARS_MAX} characters without control characters",
    ),
]
# An id another system made: of an event, an order, a transfer, a serial number.
OpaqueId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=OPAQUE_ID_CHARS_MAX,
        pattern=_NO_CONTROLS,
        description=f"an id of 1 to {OPAQUE_ID_CHARS_MAX} characters without control characters",
    ),
]
# Words for people; may be empty, is kept and never read.
Text = Annotated[
    str,
    Meta(
        max_length=TEXT_CHARS_MAX,
        pattern=_NO_CONTROLS,
        description=f"a text of at most {TEXT_CHARS_MAX} characters without control characters",
    ),
]
# Units of a movement.
Quantity = Annotated[int, Meta(ge=1, le=QUANTITY_MAX)]
# Units of an absolute fact: what was counted, is wanted in a fence, is expected.
QuantityOrNone = Annotated[int, Meta(ge=0, le=QUANTITY_MAX)]
# Units of an adjustment; 0 is refused by its line.
SignedQuantity = Annotated[int, Meta(ge=-QUANTITY_MAX, le=QUANTITY_MAX, extra_json_schema={"not": {"const": 0}})]
# An instant; without an offset it would be a guess.
Time = Annotated[datetime, Meta(tz=True)]


def nfc(text: str) -> str:
    """Normalise a SKU: two spellings that look alike are one article."""
    # ASCII is in normal form already, and almost every SKU is ASCII.
    return text if text.isascii() else unicodedata.normalize("NFC", text)
