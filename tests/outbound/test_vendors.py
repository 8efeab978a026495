"""A whole hub tells each vendor that it has an adapter for, by that vendor's own rules and limits."""

from typing import Any

import msgspec
import pytest

from hub.domain import offers
from hub.outbound import round as rounds
from tests.intake.door import line
from tests.outbound.conftest import OpenTown, Until
from tests.outbound.vendors.test_every_vendor import VENDORS
from tests.outbound.vendors.vendor import Vendor

SKUS = [f"BAG-{number:03}" for number in range(30)]


def tables(name: str, shop: Vendor) -> str:
    channel = {"id": "shop", "source": "shop", "pool": "store", "location": shop.location}
    lines = "".join(f"{key} = {msgspec.json.encode(value).decode()}\n" for key, value in channel.items())
    return f"""
[[source]]
id = "shop"
adapter = "{name}"
secret_file = "bazaar.secret"
token_file = "shop.token"
api_url = "{shop.url}"

[[channel]]
{lines}
[limits]
ledger_wait_ms = 10000
"""


@pytest.mark.parametrize("name", VENDORS)
async def test_a_shop_has_what_its_pool_shows_whatever_goes_wrong_meanwhile(
    open_town: OpenTown, until: Until, monkeypatch: pytest.MonkeyPatch, name: str, tmp_path: Any
) -> None:
    monkeypatch.setattr(offers, "AGAIN_SECONDS", (0.2,))
    monkeypatch.setattr(offers, "CONFLICT_SECONDS", (0.2,))
    monkeypatch.setattr(rounds, "REPEAT_SECONDS", 0.2)
    async with VENDORS[name](dict.fromkeys(SKUS, 2)) as shop:
        (tmp_path / "shop.token").write_text(shop.token)
        async with open_town(tables(name, shop)) as town:
            await town.send([town.receipt(line(sku, 5)) for sku in SKUS])

            async def has_all() -> bool:
                return set(shop.stock.values()) == {5}

            await until(has_all)
            # It sells some itself, loses an answer and wants patience, and the hub sells on.
            shop.sell(SKUS[0])
            shop.drop(after=True, writes=True)
            shop.fail(1, 429, headers={"Retry-After": "1"}, writes=True)
            sold = [town.sale(line(SKUS[0], 1)), town.sale(line(SKUS[1], 5)), town.sale(line(SKUS[2], 2))]
            assert {each["status"] for each in (await town.send(sold)).json()} == {"applied"}

            async def has_the_newest() -> bool:
                return [shop.stock[sku] for sku in SKUS[:4]] == [4, 0, 3, 5]

            await until(has_the_newest)

            async def is_calm() -> bool:
                told = (await town.channel("shop"))["channel"]
                return (told["waiting"], told["dead"], told["absent"], told["told"]) == (0, 0, 0, len(SKUS))

            await until(is_calm)
