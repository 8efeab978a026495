"""`hub webhooks` against a running hub."""

from pathlib import Path

from tests.commands.test_commands import Told, run_apart
from tests.webhooks.town import SOURCES, Town, open_town

# Whoever lists what waits needs no package of an adapter, but its file must name one that is there.
PLAIN = SOURCES.replace('adapter = "town"', 'adapter = "standard_webhooks"')


async def asked(town: Town, *arguments: str) -> Told:
    return await run_apart("webhooks", *arguments, "--config", "hub.toml", "--url", town.url, cwd=town.folder)


async def test_what_waits_is_listed_shown_tried_again_and_dismissed(
    redis_url: str, postgres_dsn: str, tmp_path: Path
) -> None:
    async with open_town(tmp_path, redis_url, postgres_dsn, sources=PLAIN) as town:
        empty = await asked(town)
        event = {"type": "receipt", "time": "2026-11-22T10:00:00Z", "location": "PAR-NEW"}
        await town.webhook(event | {"lines": [{"sku": "BAG-NOIR", "quantity": 3}]})

        listed = await asked(town)
        number = listed.out.splitlines()[1].split()[0]
        shown = await asked(town, "show", number)
        replayed = [await asked(town, "replay", *which) for which in ([number], ["--all"])]
        neither = await asked(town, "replay")
        dismissed = await asked(town, "dismiss", number)
        again = await asked(town, "dismiss", number)
        left = await asked(town)

    assert (empty.code, empty.out, empty.err) == (0, "nothing is parked\n", "")
    head, row = listed.out.splitlines()
    assert head.split() == ["id", "received", "source", "topic", "why"]
    assert row.endswith("shop    receipt  the house does not know location PAR-NEW")
    assert '"PAR-NEW"' in shown.out
    assert "webhook-id: msg_1" in shown.out
    assert "signature" not in shown.out
    assert [told.out for told in replayed] == ["0 booked · 0 under way · 1 still parked\n"] * 2
    assert "--all" in neither.sentence
    assert dismissed.out == f"{number} is not waited for any more\n"
    assert "404" in again.sentence
    assert left.out == "nothing is parked\n"
