"""What entries set last of a SKU's positions: the ledger's checkpoint, and what came after it."""

import msgspec

from hub.domain.entry import Seq
from hub.domain.folding import SKU
from hub.domain.position import Position
from hub.faults import ServerRefused
from hub.ledger.checkpoints import Fold
from hub.ledger.sums import Sums
from hub.stock import keys
from hub.stock.inspecting import Inspection

# Entries behind the checkpoint that are read; a hub that runs folds long before.
ENTRIES_MAX = 500_000

_TOO_MANY = "the ledger's checkpoint lacks more than {:,} entries: let the hub run until it has them, and repair then"

_decode = msgspec.msgpack.Decoder(Position).decode


class SetLast:
    """Reads what was set last."""

    def __init__(self, inspection: Inspection, sums: Sums) -> None:
        self._inspection = inspection
        self._sums = sums

    async def positions(self, sku: str, before: Seq) -> dict[str, Position]:
        """By location; those that cannot be read are left out.

        Raises:
            ServerRefused: too much is not folded in.
            Unavailable: a store does not answer.
        """
        checkpoints, place, count = self._sums.checkpoints, SKU + sku, 0
        at = await checkpoints.at()
        fields: dict[bytes, bytes | None] = dict(await checkpoints.fields(place))
        while entries := await checkpoints.entries(at):
            count += len(entries)
            if count > ENTRIES_MAX:
                raise ServerRefused(_TOO_MANY.format(ENTRIES_MAX))
            _take(fields, place, entries)
            at = entries[-1][0]
        # What the ledger of a stopped hub lacks is in the journal.
        number = at.number + 1 if at is not None and at.epoch == before.epoch else 0
        behind = Seq(before.epoch, number, before.partition)
        async for page in self._inspection.entries(behind, before):
            _take(fields, place, [(behind, raw) for raw in page])
        prefix = keys.POSITION_FIELD
        read = {
            name[len(prefix) :].decode(): _read(packed) for name, packed in fields.items() if name.startswith(prefix)
        }
        return {location: position for location, position in read.items() if position is not None}


def _take(fields: dict[bytes, bytes | None], place: str, entries: list[tuple[Seq, bytes]]) -> None:
    fold = Fold()
    for seq, raw in entries:
        fold.take(seq, raw)
    fields.update({field: value for (name, field), value in fold.fields.items() if name == place})


def _read(packed: bytes | None) -> Position | None:
    try:
        return None if packed is None else _decode(packed)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
