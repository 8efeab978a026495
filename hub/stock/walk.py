"""Going through all SKUs that the partition knows, a stretch at a time."""

from redis.asyncio import Redis

from hub.stock import keys
from hub.stock.kernel import Kernel
from hub.stock.reading import reading

# About so many keys in one step.
KEYS_PER_STRETCH = 500


class Walk:
    """Reads which SKUs there are, over a connection for reads."""

    def __init__(self, client: Redis, kernel: Kernel) -> None:
        self._client = client
        self._kernel = kernel

    async def stretch(self, cursor: int) -> tuple[int, list[str]]:
        """Some SKUs, sorted, and the cursor of the next; 0 begins and ends.

        A SKU that is there all the while is met at least once.

        Raises:
            Unavailable: Redis did not answer, or is not the one this process works with.
        """
        floor = self._kernel.floor
        with reading():
            async with self._client.pipeline(transaction=False) as pipeline:
                pipeline.hmget(keys.META, ["epoch", "next"])
                pipeline.scan(cursor, match=keys.ANY_SKU, count=KEYS_PER_STRETCH)
                meta, (following, found) = await pipeline.execute()
        self._kernel.check_open(meta, floor)
        return int(following), sorted(map(keys.sku_name, found))
