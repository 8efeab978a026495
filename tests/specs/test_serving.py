"""The documents at the door, for anyone."""

import pytest

from protocol.limits import SKU_CHARS_MAX, SKUS_PER_GET_MAX
from protocol.specs.documents import document
from tests.intake.door import ORIGIN, Door


@pytest.mark.parametrize("prefix", ["", "/v1"])
@pytest.mark.parametrize("name", ["openapi", "asyncapi"])
async def test_a_document_is_served_to_anyone_and_may_be_kept(door: Door, prefix: str, name: str) -> None:
    first = await door.get(f"{prefix}/{name}.json", headers={"Origin": ORIGIN})
    again = await door.get(f"{prefix}/{name}.json", headers={"If-None-Match": first.headers["ETag"]})

    assert first.status == 200
    assert first.content_type == "application/json"
    assert first.body == document(name)
    assert first.headers["Cache-Control"].startswith("public")
    assert first.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert (again.status, again.body) == (304, b"")


async def test_a_question_about_as_many_skus_as_there_may_be_has_any_characters(door: Door) -> None:
    skus = [f"{number:02}" + "\N{HANDBAG}" * (SKU_CHARS_MAX - 2) for number in range(SKUS_PER_GET_MAX)]

    items = await door.shown("online", *skus)

    assert [item["sku"] for item in items] == skus
