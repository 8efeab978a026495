"""Which work a process does: what every process does, what its roles add, and what one does for all."""

from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from hub.domain.entry import Seq
from hub.duty import Duty
from hub.intake.parts import Parts
from hub.intake.replaying import Replaying
from hub.journal.posted import Posted, posting_client
from hub.ledger.connection import Link
from hub.ledger.cursor import Cursor
from hub.roles import Role
from hub.stock import keys
from hub.stock.lease import Lease
from hub.stores import Stores

Run = Callable[[str, Coroutine[Any, Any, Any]], None]

# At the end nobody works any more but those by whom the ledger gets what was answered.
LAST = frozenset({"ledger writer", "telling of the ledger", "hearing of the ledger"})


class Jobs:
    """The work of one process on its stores; call `begin`, then `begin_behind_doors`."""

    def __init__(self, stores: Stores, roles: frozenset[Role], exits: AsyncExitStack, redis_url: str, dsn: str) -> None:
        self._stores = stores
        self._works, self._answers = "worker" in roles, "intake" in roles
        client = posting_client(redis_url)
        exits.push_async_callback(client.aclose)
        exits.push_async_callback((cursor := Cursor(Link(dsn, "cursor"))).aclose)
        kernel = stores.kernel
        self._posted = Posted(
            client,
            keys.POSTED,
            stores.watermark,
            known=lambda: (kernel.hub, Seq(kernel.epoch, kernel.floor)),
            look=cursor.look,
        )
        self._note_healed, stores.healing.on_healed = stores.healing.on_healed, self._on_healed
        self._replaying = Replaying()
        self.duty = Duty(
            Lease(client) if self._works else None,
            held={
                "ledger writer": stores.writer.run,
                "telling of the ledger": self._posted.tell,
                "checkpoint": stores.checkpointing.run,
                "watch over sources": stores.sources.run,
                "watch over holds": stores.expiry.run,
                "watch over what waits": stores.waits.run,
                "watch over what is set aside": stores.set_aside.run,
                "sampling": stores.sampling.run,
                "watch over levels": stores.webhooks.watch.run,
            },
            otherwise={"hearing of the ledger": self._posted.hear},
            is_alone=lambda: stores.healing.company.is_none,
        )
        # What a process left that was killed.
        stores.closer.looks = stores.sweep.goes_through = lambda: self.duty.is_held
        self.duty.on_taken.append(stores.sweep.begin)
        stores.webhooks.works = self._works

    def begin(self, run: Run) -> None:
        """Begin what works before the doors are open."""
        stores = self._stores
        run("kernel batches", stores.batcher.run())
        run("duty", self.duty.run())
        run("healing", stores.healing.run())
        run("watch over the backlog", stores.backlog.run())
        # An answer to a count waits for its closing.
        run("closing of counts", stores.closer.run())

    def begin_behind_doors(self, run: Run, parts: Parts) -> None:
        """Begin what works while the doors are open."""
        stores = self._stores
        run("sweep", stores.sweep.run())
        run("house", stores.current.watch())
        stores.current.listeners.append(self._replaying.note_house_changed)
        # By the code of the HTTP door.
        self.duty.add("parked events", partial(self._replaying.run, parts))
        stores.current.listeners.append(stores.webhooks.note_house_changed)
        if self._works:
            run("imports", stores.imports.run())
            run("asking sources", stores.webhooks.polling.run())
        if self._works or self._answers:
            run("deliveries", stores.webhooks.run())

    def _on_healed(self) -> None:
        self._note_healed()
        self._posted.look_soon()

    def ledger_state(self) -> str:
        """How the ledger is, for people: by its own writer, or as this process hears of it."""
        return self._stores.writer.state if self.duty.is_held else self._posted.state
