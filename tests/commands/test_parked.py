"""`hub parked` against a running hub."""

from pathlib import Path

from tests.commands.test_commands import Told, run_apart
from tests.intake.door import Door, line, open_door, settings_in


async def parked(door: Door, folder: Path, *arguments: str) -> Told:
    return await run_apart("parked", "--config", "hub.toml", "--url", door.url, *arguments, cwd=folder)


async def test_what_waits_is_listed_and_replayed(redis_url: str, postgres_dsn: str, tmp_path: Path) -> None:
    async with open_door(settings_in(tmp_path, redis_url=redis_url, dsn=postgres_dsn)) as door:
        empty = await parked(door, tmp_path)
        event = door.receipt(line("BAG-NOIR", 1), location="PAR-NEW")
        await door.send(event)

        told = await parked(door, tmp_path, "--replay")

    assert (empty.code, empty.out, empty.err) == (0, "nothing is parked\n", "")
    assert told.code == 0, told
    replayed, head, row = told.out.splitlines()
    assert replayed == "0 booked · 1 still parked"
    assert head.split() == ["booked", "source", "id", "type", "unknown"]
    assert row.split()[1:] == ["till-7", event["id"], "receipt", "location", "PAR-NEW"]


async def test_a_refusal_is_one_sentence(redis_url: str, postgres_dsn: str, tmp_path: Path) -> None:
    (other := tmp_path / "other").mkdir()
    settings_in(other)
    async with open_door(settings_in(tmp_path, redis_url=redis_url, dsn=postgres_dsn)) as door:
        told = await parked(door, other)

    assert "401" in told.sentence


async def test_a_typing_error_is_dropped_once_and_for_all(redis_url: str, postgres_dsn: str, tmp_path: Path) -> None:
    async with open_door(settings_in(tmp_path, redis_url=redis_url, dsn=postgres_dsn)) as door:
        event = door.receipt(line("BAG-NOIR", 1), location="TYPO") | {"id": "e/1 %2F?"}
        await door.send(event)
        options = ("--config", "hub.toml", "--url", door.url)

        dropped = await run_apart("parked", "drop", "till-7", event["id"], *options, cwd=tmp_path)
        left = await parked(door, tmp_path, "--replay")
        unknown = await run_apart("parked", "drop", "till-7", "never", *options, cwd=tmp_path)

    assert (dropped.code, dropped.out) == (0, "e/1 %2F? of till-7 is not waited for any more\n"), dropped
    assert left.out == "0 booked · 0 still parked\nnothing is parked\n"
    assert "No event never of till-7 is parked" in unknown.sentence
