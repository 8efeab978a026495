"""Questions to the ledger, one after the other over one connection, each with a deadline for wait and answer."""

import asyncio
from typing import Any

import asyncpg

from hub.faults import Unavailable
from hub.ledger.connection import Link

# Callers waiting for their turn; beyond it the hub says 503 at once instead of growing.
WAITING_MAX = 64


class Asking:
    """Any number of callers share its one connection; close it."""

    def __init__(self, link: Link, *, deadline_seconds: float) -> None:
        self._link = link
        self._deadline_seconds = deadline_seconds
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def fetch(self, question: str, *values: Any) -> list[asyncpg.Record]:
        """The rows that answer one question.

        Raises:
            Unavailable: Postgres did not answer in time, or too many wait.
            ServerRefused: as `connect`.
        """
        if self._waiting >= WAITING_MAX:
            raise Unavailable("Too many questions wait for the ledger.")
        self._waiting += 1
        try:
            async with (
                asyncio.timeout(self._deadline_seconds),
                self._turn,
                self._link.use("The ledger cannot be asked") as connection,
            ):
                rows: list[asyncpg.Record] = await connection.fetch(question, *values)
                return rows
        except TimeoutError as error:
            raise Unavailable("The ledger did not answer in time.") from error
        finally:
            self._waiting -= 1

    async def aclose(self) -> None:
        """Close the connection, if there is one."""
        await self._link.aclose()
