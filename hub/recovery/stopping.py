"""At an orderly stop: does the ledger have all that was answered, and is nobody else at work? Then it notes that."""

from hub.domain.entry import Seq
from hub.domain.standing import is_open
from hub.journal.watermark import Watermark
from hub.ledger.epochs import Epochs
from hub.stock.kernel import Kernel
from hub.stock.partition import read_meta


async def come_to_rest(kernel: Kernel, epochs: Epochs, watermark: Watermark, patience_seconds: float) -> Seq | None:
    """Wait until the ledger has all of the journal, and have it note so where nobody else works: the last entry then.

    Only when nothing of this process takes events any more; what is lost with Redis from then on was never answered.
    None: it could not be noted, so something may be lost should Redis be.

    Raises:
        Unavailable: a store does not answer.
        ServerRefused: Redis cannot be read.
    """
    meta = await read_meta(kernel.client)
    if not is_open(meta, kernel.hub, kernel.epoch) or meta.next < max(1, kernel.floor):
        return None
    last = Seq(meta.epoch, meta.next - 1)
    if not await watermark.wait(last, patience_seconds):
        return None
    return last if await epochs.rest(last) else None
