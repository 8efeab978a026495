"""One partition on a real Redis, spoken to directly, and all that stands in Redis before and after."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from redis.asyncio import Redis

from hub.domain.catalogue import HouseSettings, LocationSettings, PoolSettings
from hub.domain.command import Fact, Line
from hub.domain.entry import FIELD, Entry, Seq, decode_entry
from hub.domain.position import Position
from hub.domain.rules import House
from hub.stock import keys
from hub.stock.kernel import Kernel
from hub.stock.message import Command
from hub.stock.outcome import Outcome
from hub.stock.scripts import KERNEL, Library

HUB = UUID(int=7)
EPOCH = 1
DAY_MS = 86_400_000
# The parts of the message before the commands.
HEAD = ("epoch", "floor", "rules", "first_day", "days", "profiles", "sights", "statuses", "wholes")

POOLS = (PoolSettings("online", locations=("LON", "PAR"), low=2), PoolSettings("vip"))
HOUSE = HouseSettings(
    locations=(LocationSettings("LON", "store", "GB"), LocationSettings("PAR", "store", "FR")),
    pools=POOLS,
)

decode_position = msgspec.msgpack.Decoder(Position).decode
_encode = msgspec.msgpack.Encoder().encode


def house_of(settings: HouseSettings = HOUSE) -> House:
    return House(settings, datetime(2026, 11, 22, tzinfo=UTC))


class Fixed:
    """A house that nobody exchanges."""

    def __init__(self, house: House) -> None:
        self.house = house

    async def catch_up(self) -> bool:
        raise AssertionError("nobody changed the house")


async def everything(client: Redis) -> dict[bytes, bytes | None]:
    """Every key of the partition with all that it holds, for a comparison byte for byte."""
    return {key: await client.dump(key) for key in sorted(await client.keys(keys.ANY))}


class Partition:
    """An open partition with one house."""

    def __init__(self, client: Redis, house: House) -> None:
        self.client = client
        self.house = house
        self.kernel = Kernel(client)
        self.now_ms = 0
        # Where the bag's hash stands among the keys; its location's set comes next.
        self._sku_key = 0

    async def open(self, *, create: bool = True, hub: UUID = HUB, epoch: int = EPOCH) -> None:
        await self.kernel.open(hub, epoch, self.house, create=create)
        self.now_ms = self.kernel.booked_at_ms
        named, _ = await self.captured(self.fact("captured"))
        self._sku_key = 1 + named.index(keys.sku("BAG"))

    def fact(self, id: str, *lines: Line, **changes: Any) -> Fact:
        """A receipt of one bag now, or what `changes` make of it."""
        plain = Fact(
            verb="receipt",
            type="receipt",
            source="till",
            id=id,
            hash="content-1",
            time_ms=self.now_ms,
            stated_ms=self.now_ms,
            ledger_checked=False,
            payload="{}",
            lines=lines or (Line("BAG", "LON", 1),),
        )
        return msgspec.structs.replace(plain, **changes)

    def sale(self, id: str, quantity: int = 1, **changes: Any) -> Fact:
        return self.fact(id, Line("BAG", "LON", quantity), verb="sale", type="sale", pool="online", **changes)

    async def call(self, *commands: Command) -> list[Outcome]:
        return await self.kernel.call(commands, self.house)

    async def position(self, sku: str = "BAG", location: str = "LON") -> Position:
        packed: Any = await self.client.hget(keys.sku(sku), "l:" + location)
        return decode_position(packed) if packed else Position()

    async def entries(self) -> list[tuple[Seq, Entry]]:
        found: Any = await self.client.xrange(keys.JOURNAL)
        return [(Seq.from_stream_id(place), decode_entry(fields[FIELD])) for place, fields in found]

    async def next_number(self) -> int:
        return int(await self.client.hget(keys.META, "next") or 0)

    async def send_raw(self, commands: Any, **head: Any) -> Any:
        """Call the script as the kernel does for one receipt of a bag, but with these commands, and another head."""
        named, message = await self.captured(self.fact("captured"))
        for name, value in head.items():
            message[HEAD.index(name)] = value
        message[-1] = commands
        return await self.send_bytes(_encode(message), named)

    async def send_bytes(self, message: bytes, named: list[str] | None = None) -> Any:
        named = named or (await self.captured(self.fact("captured")))[0]
        reply: Any = await Library(KERNEL).call(self.client, named, message)
        return msgspec.msgpack.decode(reply)

    async def captured(self, *commands: Command) -> tuple[list[str], list[Any]]:
        """The keys and the message that the kernel would send for these commands; nothing is sent."""
        watched = Kernel(_Deaf())  # type: ignore[arg-type]
        for name in ("epoch", "rules_version", "floor", "booked_at_ms", "seen_from"):
            setattr(watched, name, getattr(self.kernel, name))
        try:
            await watched.call(commands, self.house)
        except _Captured as captured:
            return captured.named, captured.message
        raise AssertionError("the kernel sent nothing")

    def raw_command(self, name: str, /, *, lines: Any = None, **changes: Any) -> list[Any]:
        """A receipt as it stands in the message to the script, with some of its parts replaced."""
        parts: dict[str, Any] = {
            "verb": "receipt",
            "type": "receipt",
            "source": "till",
            "id": name,
            "hash": "content-1",
            "time": self.now_ms,
            "stated": self.now_ms,
            "ledger_checked": 0,
            "payload": "{}",
            "pool": "",
            "standing": 0,
            "lines": [self.raw_line()] if lines is None else lines,
            "detail": None,
            **changes,
        }
        return list(parts.values())

    def raw_line(self, **changes: Any) -> list[Any]:
        parts: dict[str, Any] = {
            "sku_key": self._sku_key,
            "sku": "BAG",
            "place_key": self._sku_key + 1,
            "location": "LON",
            "quantity": 1,
            "profile": 1,
            "sight": 1,
            "bucket": "free",
            "revision": 0,
            **changes,
        }
        return list(parts.values())


class _Captured(Exception):
    def __init__(self, named: list[str], message: list[Any]) -> None:
        super().__init__()
        self.named = named
        self.message = message


class _Deaf:
    """Stands where a client stands, to see what would be sent."""

    async def fcall(self, name: str, count: int, *words: Any) -> Any:
        raise _Captured(list(words[:count]), msgspec.msgpack.decode(words[count]))
