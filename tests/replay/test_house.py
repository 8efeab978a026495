"""The house that a history needs."""

import tomllib
from pathlib import Path

import pytest

from hub.faults import SettingsInvalid
from hub.replay.house import house_toml
from hub.replay.options import ReplayOptions, parse_columns
from hub.settings import load

DATA = Path(__file__).parent / "data"


def test_the_house_has_every_store_of_the_file_and_a_pool_that_sees_them() -> None:
    house = tomllib.loads(house_toml(ReplayOptions(file=DATA / "tills.csv")))

    assert [location["id"] for location in house["location"]] == ["store-12", "store-7"]
    assert house["pool"] == [{"id": "store", "kinds": ["store"], "public": True}]


def test_the_house_of_a_web_shop_is_the_place_that_is_said() -> None:
    house = tomllib.loads(house_toml(ReplayOptions(file=DATA / "webshop.csv", location="WEB", pool="shop")))

    assert house["location"] == [{"id": "WEB", "kind": "warehouse"}]
    assert house["pool"][0]["id"] == "shop"


def test_the_house_is_one_the_hub_starts_with(tmp_path: Path) -> None:
    columns = parse_columns("id=Ticket,sku=Article,quantity=Pieces,time=When,location=Boutique")
    path = tmp_path / "hub.toml"
    path.write_text(house_toml(ReplayOptions(file=DATA / "boutiques.csv", columns=columns)))

    settings = load(path, {})

    assert len(settings.house.locations) == 2


def test_a_file_of_too_many_places_is_refused(tmp_path: Path) -> None:
    rows = "".join(f"A,1,2025-11-03,place {number}\n" for number in range(10_001))
    (tmp_path / "f.csv").write_text("sku,quantity,time,location\n" + rows)
    columns = {role: role for role in ("sku", "quantity", "time", "location")}

    with pytest.raises(SettingsInvalid, match="right column"):
        house_toml(ReplayOptions(file=tmp_path / "f.csv", columns=columns))
