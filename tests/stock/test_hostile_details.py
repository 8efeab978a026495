"""Anything at all in place of what only some commands say: it changes nothing, and spoils no other command."""

from typing import Any

import pytest

from tests.stock.partition import Partition, everything
from tests.stock.test_hostile_script import refused_alone

NOT_UNITS: list[Any] = [
    7, "units", [7], [[]], [["BAG"]], [["BAG", 0]], [["BAG", -1]], [["BAG", 1.5]], [["BAG", float("nan")]],
    [["BAG", "1"]], [["", 1]], [[7, 1]], [["x" * 513, 1]], [["BAG", 1_000_001]], [["BAG", 1]] * 101,
    [["BAG", 1], None, ["BAG", 1]], {"a": 1}, {1: ["BAG", 1], "a": 1}, [["BAG", 1, 1]], [{1: "BAG", 2: 1, "a": 1}],
    None,
]  # fmt: skip
NOT_REACHES: list[Any] = [
    7, "LON", {"a": "LON"}, [""], [7], ["x" * 65], [[]], [None, "LON"], ["LON"] * 101, None, True,
]  # fmt: skip
NOT_NUMBERS: list[Any] = [-1, 1.5, float("nan"), float("inf"), 2**60, "1", None, True, []]


def dispatch(**changes: Any) -> list[Any]:
    parts = {"id": "T1", "to": "PAR", "version": 0, "final": 0, "own": 1, "early": [], "reach": []}
    return list({**parts, "order": "", **changes}.values())


def receipt(**changes: Any) -> list[Any]:
    return dispatch(**{"to": "", "own": 0, "early": [["BAG", 1]], **changes})


@pytest.mark.parametrize(
    "detail", [None, 7, "T1", [], {}, {"a": 1}, ["T1"], dispatch()[:5], dispatch()[:6], dispatch()[:7]], ids=repr
)
@pytest.mark.parametrize("verb", ["dispatch", "receive"])
async def test_a_transfer_that_is_not_whole_is_refused(partition: Partition, verb: str, detail: Any) -> None:
    await refused_alone(partition, partition.raw_command("bad", verb=verb, detail=detail))


@pytest.mark.parametrize("part", ["version", "final", "own"])
@pytest.mark.parametrize("value", NOT_NUMBERS, ids=repr)
async def test_a_number_of_a_transfer_that_is_none_is_refused(partition: Partition, part: str, value: Any) -> None:
    await refused_alone(partition, partition.raw_command("bad", verb="dispatch", detail=dispatch(**{part: value})))


@pytest.mark.parametrize("reach", NOT_REACHES, ids=lambda reach: repr(reach)[:20])
async def test_a_reach_that_is_none_is_refused(partition: Partition, reach: Any) -> None:
    early, waiting = receipt(reach=reach), void(found=0, reach=reach)
    await refused_alone(partition, partition.raw_command("bad", verb="receive", lines=[], detail=early))
    [_, *_, answers, _] = await partition.send_raw(
        [partition.raw_command("void", verb="void", lines=[], detail=waiting)]
    )
    assert answers[0][0] == "refused"


@pytest.mark.parametrize("units", NOT_UNITS, ids=repr)
async def test_early_units_that_are_none_are_refused(partition: Partition, units: Any) -> None:
    await refused_alone(partition, partition.raw_command("bad", verb="receive", lines=[], detail=receipt(early=units)))


@pytest.mark.parametrize(
    "changes",
    [
        {"id": ""}, {"id": 7}, {"id": "x" * 1025}, {"to": ""}, {"to": 7}, {"to": None}, {"to": "x" * 65},
        {"own": 0}, {"own": 2}, {"own": 101}, {"order": None}, {"order": 7}, {"order": "x" * 1025}, {"order": []},
    ],
    ids=repr,
)  # fmt: skip
async def test_a_dispatch_that_does_not_say_what_goes_where_is_refused(
    partition: Partition, changes: dict[str, Any]
) -> None:
    await refused_alone(partition, partition.raw_command("bad", verb="dispatch", detail=dispatch(**changes)))


async def test_a_dispatch_with_lines_that_were_not_received_early_is_refused(partition: Partition) -> None:
    lines = [partition.raw_line(), [*partition.raw_line(), None, None, partition.now_ms]]

    await refused_alone(partition, partition.raw_command("bad", verb="dispatch", lines=lines, detail=dispatch()))


async def test_a_dispatch_without_its_early_lines_is_refused(partition: Partition) -> None:
    await partition.send_raw([partition.raw_command("early", verb="receive", lines=[], detail=receipt())])

    await refused_alone(partition, partition.raw_command("bad", verb="dispatch", detail=dispatch(version=1)))


@pytest.mark.parametrize("detail", [dispatch(version=1), dispatch(version=7)], ids=repr)
async def test_a_dispatch_made_from_another_record_is_told_to_look_again(partition: Partition, detail: Any) -> None:
    before = await everything(partition.client)

    _, *_, answers, _ = await partition.send_raw([partition.raw_command("bad", verb="dispatch", detail=detail)])

    assert answers == [["look_again"]]
    assert await everything(partition.client) == before


async def test_what_is_received_elsewhere_than_its_transfer_goes_is_refused(partition: Partition) -> None:
    await partition.send_raw([partition.raw_command("dispatch", verb="dispatch", detail=dispatch())])
    before = await everything(partition.client)

    bad = partition.raw_command("bad", verb="receive", detail=dispatch())
    _, *_, answers, _ = await partition.send_raw([bad])

    assert answers[0][0] == "refused"
    assert await everything(partition.client) == before


async def test_units_that_wait_have_no_lines(partition: Partition) -> None:
    await refused_alone(partition, partition.raw_command("bad", verb="receive", detail=receipt()))


async def test_a_receipt_of_nothing_does_not_wait(partition: Partition) -> None:
    await refused_alone(partition, partition.raw_command("bad", verb="receive", lines=[], detail=receipt(early=[])))


def void(**changes: Any) -> list[Any]:
    parts = {"sale": "sale", "found": 1, "asked": [], "given": [], "reach": [], "order": "", "sold": [], **changes}
    return list(parts.values())


@pytest.mark.parametrize(
    "detail",
    [None, 7, "sale", [], {}, ["sale"], ["sale", 1, []], void()[:3], void()[:4], void()[:5], void()[:6], void(order=7)],
    ids=repr,
)
async def test_a_void_that_is_not_whole_is_refused(partition: Partition, detail: Any) -> None:
    await refused_alone(partition, partition.raw_command("bad", verb="void", detail=detail))


@pytest.mark.parametrize(
    "changes",
    [
        {"sale": ""}, {"sale": 7}, {"sale": None}, {"sale": "x" * 1025}, {"sale": "bad"},
        {"found": 2}, {"found": -1}, {"found": None}, {"found": "1"}, {"found": float("nan")}, {"found": True},
        {"found": 0}, {"given": [["BAG", 100_000_001]]}, {"given": [["BAG", -1]]}, {"given": [["BAG"]]},
    ],
    ids=repr,
)  # fmt: skip
async def test_a_void_with_a_wrong_part_is_refused(partition: Partition, changes: dict[str, Any]) -> None:
    await refused_alone(partition, partition.raw_command("bad", verb="void", detail=void(**changes)))


@pytest.mark.parametrize(
    "serials", [7, "S", {"a": "S"}, ["S", "T"], [None, "S"], [""], [7], ["S" * 801], [[]]], ids=lambda s: repr(s)[:20]
)
@pytest.mark.parametrize("part", ["asked", "sold"])
async def test_voided_pieces_that_are_none_are_refused(partition: Partition, part: str, serials: Any) -> None:
    asked = [["BAG", 1, serials]]
    await refused_alone(partition, partition.raw_command("bad", verb="void", detail=void(**{part: asked})))


@pytest.mark.parametrize("units", NOT_UNITS, ids=repr)
async def test_voided_units_that_are_none_are_refused(partition: Partition, units: Any) -> None:
    await refused_alone(partition, partition.raw_command("bad", verb="void", detail=void(asked=units)))


async def test_more_than_a_sale_can_take_is_refused(partition: Partition) -> None:
    lines = [partition.raw_line()] * 10_001

    await refused_alone(partition, partition.raw_command("bad", verb="void", lines=lines, detail=void()))


async def test_a_bucket_nobody_has_is_no_way_into_the_shelf(partition: Partition) -> None:
    lines = [partition.raw_line(bucket="ring_fenced:nobody"), partition.raw_line(bucket="customer")]

    _, *_, answers, _ = await partition.send_raw([partition.raw_command("v", verb="void", lines=lines, detail=void())])

    assert answers[0][0] == "applied"
    assert (await partition.position()).free == 2
