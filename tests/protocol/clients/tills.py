"""What a till does, in a process that may be killed: it sells into its outbox, or brings that to the hub."""

import asyncio
import sys
from datetime import UTC, datetime

from protocol.clients import HubClient, NotBooked, Outbox, Patience
from protocol.events import Line, Sale

TIME = datetime(2026, 11, 22, 10, tzinfo=UTC)
SOON = Patience(pause_seconds=0.05, pause_seconds_max=0.2)


def sale(id: str = "", sku: str = "BAG", quantity: int = 1, location: str = "LON-KNB") -> Sale:
    """A sale in Knightsbridge; without an id it is given one."""
    return Sale(id=id, time=TIME, location=location, pool="store", lines=(Line(sku=sku, quantity=quantity),))


def say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def sell(path: str, sku: str, care: str = "FULL") -> None:
    """Sell until killed; each id is said when its sale is on disk, unless the disk is treated with less care."""
    with Outbox(path) as outbox:
        outbox._file.execute(f"PRAGMA synchronous = {care}")
        while True:
            say(outbox.put(sale(sku=sku)))


async def bring(path: str, url: str, token: str) -> None:
    """Bring what is in the outbox to the hub, until it is empty; who was not booked is said."""

    def report(told: NotBooked) -> None:
        say(f"{told.answer.status} {told.answer.id}")

    with Outbox(path) as outbox:
        async with HubClient(url, token, patience=SOON) as hub:
            await hub.deliver(outbox, report, until_empty=True)


if __name__ == "__main__":
    if sys.argv[1] == "sell":
        sell(*sys.argv[2:])
    else:
        asyncio.run(bring(*sys.argv[2:]))
