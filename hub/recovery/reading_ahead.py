"""Read the next page from the ledger while the last one is written to Redis."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from hub.ledger.checkpoints import Place
from hub.tasks import end


async def read_ahead(pages: AsyncIterator[list[Place]]) -> AsyncGenerator[list[Place], None]:
    """The pages, each next one being read while its user works on one."""
    following = asyncio.ensure_future(anext(pages, None))
    try:
        while (page := await following) is not None:
            following = asyncio.ensure_future(anext(pages, None))
            yield page
    finally:
        await end([following])
