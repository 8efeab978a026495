"""What could not be mapped waits, is listed, and is booked once somebody mended what it lacked."""

from collections.abc import Awaitable, Callable

from tests.intake.door import HOUSE
from tests.webhooks.town import SECRETS, SOURCES, Town

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]

WITH_PARIS = HOUSE.replace("location = [", 'location = [\n    { id = "PAR-NEW", kind = "store" },')


async def test_what_names_an_unmapped_place_waits_until_the_file_is_mended(own_town: Town, until: Until) -> None:
    parked = await own_town.deliver(own_town.sale_at_till("BAG-NOIR", 2, at="2"))
    [item] = await own_town.waiting()
    shown = await own_town.get(f"/v1/inbox/{item['id']}", token=own_town.token(["admin"]))

    own_town.write(sources=_mapped())
    await own_town.reload()

    async def booked() -> bool:
        return await own_town.free("BAG-NOIR") == -2 and await own_town.waiting() == []

    await until(booked)
    assert (parked.status, parked.json()["status"]) == (202, "parked")
    assert parked.json()["why"] == item["why"] == "their place 2 is no location of ours"
    assert (item["source"], item["topic"], item["state"]) == ("town", "sale", "parked")
    assert '"BAG-NOIR"' in shown.json()["body"]


async def test_an_event_of_an_unknown_location_waits_with_its_delivery(own_town: Town, until: Until) -> None:
    event = {"type": "receipt", "time": "2026-11-22T10:00:00Z", "location": "PAR-NEW"}
    event["lines"] = [{"sku": "BAG-NOIR", "quantity": 3}]
    parked = await own_town.webhook(event)
    own_town.write(house=WITH_PARIS)

    await own_town.reload()

    async def booked() -> bool:
        return await own_town.free("BAG-NOIR", "PAR-NEW") == 3

    await until(booked)
    assert (parked.status, parked.json()["why"]) == (202, "the house does not know location PAR-NEW")


async def test_an_alias_that_nobody_knows_is_waited_for_and_learned_from_the_vendor(
    own_town: Town, until: Until
) -> None:
    parked = await own_town.deliver(own_town.sale_at_till("town:7"))
    described = await own_town.deliver(own_town.body(topic="catalogue", names={"BAG-NOIR": ["town:7", "town:8"]}))

    own_town.hub._stores.webhooks._next_at.clear()

    async def booked() -> bool:
        return await own_town.free("BAG-NOIR") == -1

    await until(booked)
    assert (parked.status, parked.json()["why"]) == (202, "no SKU of the house has the alias town:7")
    assert (described.status, described.json()) == (200, {"status": "applied"})
    [sku] = (await own_town.get("/v1/skus", token=own_town.till, sku="town:8")).json()["items"]
    assert (sku["sku"], sku["aliases"]) == ("BAG-NOIR", ["3607340000001", "town:7", "town:8"])


async def test_a_name_of_another_sku_is_not_taken_from_it(own_town: Town) -> None:
    reply = await own_town.deliver(own_town.body(names={"BAG-ROUGE": ["3607340000001"]}))

    assert (reply.status, reply.json()["status"]) == (202, "parked")
    assert "BAG-NOIR" in reply.json()["why"]


async def test_a_parked_delivery_that_comes_again_is_tried_again(own_town: Town) -> None:
    said = own_town.sale_at_till(at="2")
    first = await own_town.deliver(said)
    second = await own_town.deliver(said)

    assert [reply.json()["status"] for reply in (first, second)] == ["parked", "parked"]
    assert len(await own_town.waiting()) == 1


async def test_one_that_is_tried_this_moment_is_under_way_for_whoever_replays_it(own_town: Town, until: Until) -> None:
    await own_town.deliver(own_town.sale_at_till(at="2"))
    [item] = await own_town.waiting()
    inbox = own_town.hub._stores.memories.inbox

    async def given_to_another() -> bool:
        return await inbox.parked_one(item["id"]) is not None

    await until(given_to_another)

    admin = own_town.token(["admin"])
    replayed = await own_town.post(f"/v1/inbox/{item['id']}/replay", b"", token=admin)
    unknown = await own_town.post("/v1/inbox/4711/replay", b"", token=admin)

    assert replayed.json() == {"replayed": 0, "under_way": 1, "still_parked": 0}
    assert unknown.status == 404


async def test_what_nobody_wants_is_dismissed_and_forgotten(own_town: Town, until: Until) -> None:
    said = own_town.sale_at_till(at="2")
    await own_town.deliver(said)
    [item] = await own_town.waiting()
    path, admin = f"/v1/inbox/{item['id']}", own_town.token(["admin"])

    async def is_still_parked() -> bool:
        # The hub, which has just begun, tries by itself what is parked: then it is under way.
        replayed = await own_town.post(f"{path}/replay", b"", token=admin)
        assert replayed.json()["replayed"] == 0
        return bool(replayed.json() == {"replayed": 0, "under_way": 0, "still_parked": 1})

    await until(is_still_parked)
    first, again = [await own_town.ask("DELETE", path, token=admin) for _ in range(2)]
    repeated = await own_town.deliver(said)

    assert first.json() == {"id": item["id"], "status": "dismissed"}
    assert again.status == 404
    assert repeated.json() == {"status": "ignored"}
    assert (await own_town.get(path, token=admin)).json()["body"] == ""


async def test_a_list_comes_page_by_page_of_one_source_and_to_nobody_else(own_town: Town) -> None:
    said = [await own_town.deliver(own_town.sale_at_till(at="2")) for _ in range(3)]
    assert {reply.status for reply in said} == {202}

    first = await own_town.get("/v1/inbox", token=own_town.token(["admin"]), limit=2)
    rest = await own_town.get("/v1/inbox", token=own_town.token(["admin"]), cursor=first.json()["next"])

    assert [len(page.json()["items"]) for page in (first, rest)] == [2, 1]
    assert rest.json()["next"] is None
    assert await own_town.waiting(source="shop") == []
    assert await own_town.waiting(state="booked") == []
    assert (await own_town.get("/v1/inbox", token=own_town.till)).status == 403
    assert (await own_town.get("/v1/inbox", token=own_town.token(["admin"]), state="lost")).status == 400
    assert (await own_town.get("/v1/inbox/x", token=own_town.token(["admin"]))).status == 404


async def test_what_is_over_is_deleted_when_its_days_are_over_and_what_waits_is_not(own_town: Town) -> None:
    await own_town.deliver(own_town.sale_at_till())
    await own_town.deliver(own_town.sale_at_till(at="2"))
    await own_town.rows("UPDATE hub.inbox SET settled_at = now() - interval '31 days' RETURNING number")
    inbox = own_town.hub._stores.memories.inbox

    assert await inbox.clear(40) == 0
    assert await inbox.clear(30) == 1

    assert [row["state"] for row in await own_town.rows()] == ["parked"]


async def test_a_secret_that_was_taken_out_of_its_file_is_good_no_more_after_a_reload(own_town: Town) -> None:
    old = SECRETS.split()[1]
    assert (await own_town.deliver(own_town.sale_at_till(), secret=old)).status == 200
    (own_town.folder / "town.secret").write_text(SECRETS.split()[0])

    await own_town.reload()

    assert (await own_town.deliver(own_town.sale_at_till(), secret=old)).status == 401
    assert (await own_town.deliver(own_town.sale_at_till())).status == 200


def _mapped() -> str:
    return SOURCES.replace('"1" = "LON-KNB"', '"1" = "LON-KNB", "2" = "LON-KNB"')
