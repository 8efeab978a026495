"""A channel into a file: whole at every moment, written when something changed, and at once when something sold out."""

import asyncio
from pathlib import Path

import pytest

from hub.domain.offers import Remembered
from hub.outbound import filing
from tests.intake.door import line
from tests.outbound.conftest import OpenTown, Until

CHANNEL = """
[[channel]]
id = "marketplace"
file = "offers/marketplace.csv"
pool = "store"
every_seconds = 86400
sku_column = "EAN"
quantity_column = "stock"

[limits]
ledger_wait_ms = 10000
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "offers").mkdir()
    return tmp_path / "offers" / "marketplace.csv"


def text_of(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def number_of(file: Path) -> int:
    """Another file has another one."""
    return file.stat().st_ino


async def test_what_sells_out_is_written_at_once_and_everything_else_when_its_time_comes(
    open_town: OpenTown, file: Path, until: Until
) -> None:
    async with open_town(CHANNEL) as town:
        await town.send([town.receipt(line("BAG-NOIR", 5), line("BAG-ROUGE", 3))])

        async def says(text: str) -> bool:
            return text_of(file) == text

        await until(lambda: says("EAN,stock\nBAG-NOIR,5\nBAG-ROUGE,3\n"))
        await town.send(town.sale(line("BAG-ROUGE", 1)))

        async def waits() -> bool:
            reply = await town.get("/v1/channels", token=town.token(["admin"]))
            [item] = reply.json()["items"]
            return bool((item["waiting"], item["circuit"], item["to"]) == (1, "file", str(file)))

        await until(waits)
        assert text_of(file) == "EAN,stock\nBAG-NOIR,5\nBAG-ROUGE,3\n"
        await town.send(town.sale(line("BAG-NOIR", 5)))
        await until(lambda: says("EAN,stock\nBAG-NOIR,0\nBAG-ROUGE,2\n"))
    assert [path.name for path in file.parent.iterdir()] == [file.name]


async def test_a_file_that_says_all_this_is_not_written_again(open_town: OpenTown, file: Path, until: Until) -> None:
    Path.write_text(file, "EAN,stock\nBAG-NOIR,5\n")
    before = number_of(file)
    async with open_town(CHANNEL) as town:
        await town.send(town.receipt(line("BAG-NOIR", 5)))

        async def is_known() -> bool:
            [item] = (await town.get("/v1/channels", token=town.token(["admin"]))).json()["items"]
            return item["noted_at"] is not None and item["waiting"] == 0

        await until(is_known)
        assert number_of(file) == before

        await town.send(town.receipt(line("BAG-ROUGE", 1)))
        await until(lambda: asyncio.sleep(0, "BAG-ROUGE,1" in text_of(file)))
    assert number_of(file) != before


async def test_a_file_that_cannot_be_written_is_told_of_and_leaves_nothing_behind(
    open_town: OpenTown, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filing, "FAILED_SECONDS", 0.1)
    async with open_town(CHANNEL) as town:
        await town.send(town.receipt(line("BAG-NOIR", 5)))

        async def says_why() -> bool:
            [item] = (await town.get("/v1/channels", token=town.token(["admin"]))).json()["items"]
            return "marketplace.csv cannot be written: No such file or directory" in item.get("why", "")

        await until(says_why)
        (tmp_path / "offers").mkdir()
        await until(lambda: asyncio.sleep(0, (tmp_path / "offers" / "marketplace.csv").exists()))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('sku,quantity\nA,1\n"B,C",2\n', [("A", 1), ("B,C", 2)]),
        ("sku,stock\nA,1\n", []),
        ("sku,quantity\nA,x\n", []),
        ("sku,quantity\nA\n", []),
        ("", []),
    ],
    ids=["whole", "another file", "no number", "too short", "empty"],
)
def test_a_file_is_what_is_remembered(tmp_path: Path, text: str, found: list[tuple[str, int]]) -> None:
    (tmp_path / "offers.csv").write_text(text)

    assert filing._read(tmp_path / "offers.csv", ("sku", "quantity")) == [
        Remembered(sku=sku, has=units, outcome="taken") for sku, units in found
    ]
