"""Look up by arrival: what is asked for while one look is under way is asked for together in the next."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Generic, TypeVar

V = TypeVar("V")

# In one look; who comes then begins another.
NAMES_PER_LOOK = 500


class _Look(Generic[V]):
    def __init__(self) -> None:
        self.names: dict[str, None] = {}
        self.task: asyncio.Task[dict[str, V]] | None = None


class Gathered(Generic[V]):
    """Lookups that share round trips; each began after it was asked for, so none tells of an earlier moment."""

    def __init__(self, look: Callable[[Sequence[str]], Awaitable[dict[str, V]]]) -> None:
        self._look = look
        self._turn = asyncio.Lock()
        self._gathering: _Look[V] | None = None

    async def find(self, names: Collection[str]) -> dict[str, V]:
        """What is found under these names.

        Raises:
            whatever the look raises, to all that share it.
        """
        look = self._gathering
        if look is None or len(look.names) >= NAMES_PER_LOOK:
            look = self._gathering = _Look()
            look.task = asyncio.create_task(self._run(look))
            # Whoever asked may be gone by then.
            look.task.add_done_callback(lambda task: task.cancelled() or task.exception())
        look.names.update(dict.fromkeys(names))
        assert look.task is not None
        found = await asyncio.shield(look.task)
        return {name: found[name] for name in names if name in found}

    async def _run(self, look: _Look[V]) -> dict[str, V]:
        async with self._turn:
            if self._gathering is look:
                self._gathering = None
            return await self._look(list(look.names))
