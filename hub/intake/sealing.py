"""Places of the feed as texts that tell nothing: neither how far the journal is nor how much lies between two of them.

A place is hidden under a key that is this hub's own, and carries a tag, so that a text is either one that this hub made
or refused. It is the construction called SIV, of keyed BLAKE2b. The key is made of the hub's uuid, which both stores
keep and nobody is told: so a text of last year, or from before a rebuild, is good for ever.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from secrets import token_bytes
from uuid import UUID

from hub.domain.entry import PARTITION, Seq
from hub.domain.feed import END, Place

# Tells a reader of logs what the text is.
_PREFIX = "f1."
_SALT_BYTES, _TAG_BYTES = 3, 8
_PLAIN_BYTES = 4 + 5 + 4 + _SALT_BYTES
_NO_SALT = bytes(_SALT_BYTES)
_EPOCH_MAX, _NUMBER_MAX = 2**31 - 1, 2**40 - 1
# A place in the journal, as `seq` and `feed_cursor` have it.
_SEQ = re.compile(rf"{PARTITION}-([1-9][0-9]{{0,9}})-([0-9]{{1,12}})")


class Sealing:
    """Seals and opens the places of one hub's feed."""

    def __init__(self, hub: UUID) -> None:
        self._tags = blake2b(key=hub.bytes, digest_size=_TAG_BYTES, person=b"feed tag")
        self._masks = blake2b(key=hub.bytes, digest_size=_PLAIN_BYTES, person=b"feed mask")
        # Names this hub beside the ids of its items.
        self.source = "urn:hub:" + blake2b(key=hub.bytes, digest_size=8, person=b"feed source").hexdigest()

    def sealed(self, place: Place) -> str:
        """The text of an item's place, always the same."""
        return self._text(_packed(place) + _NO_SALT)

    def sealed_anew(self, place: Place) -> str:
        """A text of the place that is another each time: who cannot see what happened cannot see that it did."""
        return self._text(_packed(place) + token_bytes(_SALT_BYTES))

    def opened(self, text: str) -> Place | None:
        """The place of a text, or behind an entry whose `seq` it is; None where this hub made no such text."""
        seq = _SEQ.fullmatch(text)
        if seq is not None:
            epoch, number = int(seq[1]), int(seq[2])
            return Place.behind(Seq(epoch, number)) if epoch <= _EPOCH_MAX and number <= _NUMBER_MAX else None
        try:
            sealed = urlsafe_b64decode(text.removeprefix(_PREFIX).encode("ascii"))
        except ValueError:
            return None
        tag, hidden = sealed[:_TAG_BYTES], sealed[_TAG_BYTES:]
        if not text.startswith(_PREFIX) or len(hidden) != _PLAIN_BYTES:
            return None
        plain = self._masked(hidden, tag)
        if self._tag(plain) != tag:
            return None
        return Place(int.from_bytes(plain[:4]), int.from_bytes(plain[4:9]), int.from_bytes(plain[9:13]))

    def _text(self, plain: bytes) -> str:
        tag = self._tag(plain)
        return _PREFIX + urlsafe_b64encode(tag + self._masked(plain, tag)).decode()

    def _tag(self, plain: bytes) -> bytes:
        tags = self._tags.copy()
        tags.update(plain)
        return tags.digest()

    def _masked(self, plain: bytes, tag: bytes) -> bytes:
        masks = self._masks.copy()
        masks.update(tag)
        mask = int.from_bytes(masks.digest())
        return (int.from_bytes(plain) ^ mask).to_bytes(_PLAIN_BYTES)


def is_sealed(text: str) -> bool:
    """Whether a text is a sealed place, if it is one at all, and no `seq`."""
    return text.startswith(_PREFIX)


def _packed(place: Place) -> bytes:
    assert 0 <= place.offset <= END
    return place.epoch.to_bytes(4) + place.number.to_bytes(5) + place.offset.to_bytes(4)
