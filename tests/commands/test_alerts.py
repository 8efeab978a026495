"""`hub alerts` against a running hub."""

from pathlib import Path

from tests.commands.test_commands import Told, run_apart
from tests.intake.door import Door, open_door, settings_in
from tests.intake.test_alerts import noticed


async def alerts(door: Door, folder: Path, *arguments: str) -> Told:
    return await run_apart("alerts", *arguments, "--config", "hub.toml", "--url", door.url, cwd=folder)


async def test_what_the_hub_noticed_is_listed_and_settled(redis_url: str, postgres_dsn: str, tmp_path: Path) -> None:
    async with open_door(settings_in(tmp_path, redis_url=redis_url, dsn=postgres_dsn)) as door:
        empty = await alerts(door, tmp_path)
        old = await noticed(door, "stale_source", "one")
        new = await noticed(door, "applied_twice", "two", '{"entry":"0-1-7","id":"' + "x" * 100 + '"}')

        listed = await alerts(door, tmp_path)
        newest = await alerts(door, tmp_path, "--limit", "1")
        settled = await alerts(door, tmp_path, "settle", new, "--why", "counted it")
        left = await alerts(door, tmp_path, "--open")
        none = await alerts(door, tmp_path, "--open", "--kind", "applied_twice")
        unknown = await alerts(door, tmp_path, "settle", "0-1-999", "--why", "counted it")
        without = await alerts(door, tmp_path, "settle", old)

    assert (empty.code, empty.out, empty.err) == (0, "there are no alerts\n", "")
    assert listed.code == 0, listed
    head, first, second = listed.out.splitlines()
    assert head.split() == ["id", "booked", "type", "about", "state", "detail"]
    assert (first.split()[0], first.split()[2:5]) == (new, ["applied_twice", "about-two", "open"])
    assert first.endswith("x…")
    assert (second.split()[0], second.split()[2:]) == (old, ["stale_source", "about-one", "open", "-"])
    assert newest.out.splitlines()[-1] == "… and older ones; these are the newest 1"
    assert settled.code == 0, settled
    assert settled.out.startswith(f"{new} is settled since ")
    assert settled.out.endswith("by hub-alerts: counted it\n")
    assert [row.split()[0] for row in left.out.splitlines()[1:]] == [old]
    assert none.out == "no alert is open\n"
    assert "There is no alert 0-1-999" in unknown.sentence
    assert "--why" in without.sentence
