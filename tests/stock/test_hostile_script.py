"""Anything at all, sent straight into the script: what is not a whole command changes nothing."""

from typing import Any

import pytest

from hub.faults import Unavailable
from hub.stock import keys
from tests.stock.partition import Partition, everything

NOT_UNITS: list[Any] = [
    0, -5, float("nan"), float("inf"), float("-inf"), 1.5, 2**53 + 1, 2**63, 1_000_001,
    "0x10", "nan", "1", "", True, False, None, [], [1], {}, {"a": 1},
]  # fmt: skip
NOT_NUMBERS_OF_TIME: list[Any] = [float("nan"), float("inf"), 1.5, 10**17, -(10**17), "0x10", None, True, []]


async def refused_alone(partition: Partition, bad: Any) -> None:
    """The bad command by itself changes no byte in Redis, and between two good ones it spoils neither."""
    await partition.call(partition.fact("before"))
    before = await everything(partition.client)

    word, *_, answers, _ = await partition.send_raw([bad])

    assert word == "ok"
    assert answers[0][0] in ("refused", "broken")
    assert await everything(partition.client) == before
    good = [partition.raw_command("good-1"), partition.raw_command("good-2")]
    word, *_, answers, _ = await partition.send_raw([good[0], bad, good[1]])
    assert word == "ok"
    assert [answer[0] == "applied" for answer in answers] == [True, False, True]
    assert (await partition.position()).free == 3


@pytest.mark.parametrize("quantity", NOT_UNITS, ids=repr)
async def test_a_quantity_that_is_not_units_is_refused(partition: Partition, quantity: Any) -> None:
    await refused_alone(partition, partition.raw_command("bad", lines=[partition.raw_line(quantity=quantity)]))


@pytest.mark.parametrize("quantity", [float("nan"), 1.5, 2**53 + 1, -1_000_001, "0x10", None, True, 0], ids=repr)
async def test_an_adjustment_by_what_is_not_units_is_refused(partition: Partition, quantity: Any) -> None:
    lines = [partition.raw_line(quantity=quantity)]
    await refused_alone(partition, partition.raw_command("bad", verb="adjustment", lines=lines))


@pytest.mark.parametrize("quantity", [float("nan"), -1, 1.5, 2**53 + 1, None, True], ids=repr)
async def test_a_fence_of_what_is_not_units_is_refused(partition: Partition, quantity: Any) -> None:
    lines = [partition.raw_line(quantity=quantity)]
    await refused_alone(partition, partition.raw_command("bad", verb="ring_fence", pool="vip", lines=lines))


@pytest.mark.parametrize("more", [[], [None], [7], [""], ["x" * 65], [{}]], ids=repr)
async def test_a_move_to_nowhere_is_refused(partition: Partition, more: list[Any]) -> None:
    lines = [[*partition.raw_line(), *more]]
    await refused_alone(partition, partition.raw_command("bad", verb="moved", lines=lines))


@pytest.mark.parametrize("part", ["time", "stated"])
@pytest.mark.parametrize("value", NOT_NUMBERS_OF_TIME, ids=repr)
async def test_a_time_that_is_no_instant_is_refused(partition: Partition, part: str, value: Any) -> None:
    await refused_alone(partition, partition.raw_command("bad", **{part: value}))


@pytest.mark.parametrize(
    "changes",
    [
        {"verb": None}, {"verb": "__index"}, {"verb": 7}, {"verb": []},
        {"source": None}, {"source": ""}, {"source": "x" * 65}, {"source": ["till"]},
        {"id": None}, {"id": ""}, {"id": 7}, {"id": "x" * 1025}, {"id": {}},
        {"hash": None}, {"hash": 7}, {"hash": "x" * 65},
        {"payload": None}, {"payload": 7}, {"type": None}, {"type": {}}, {"pool": None}, {"pool": 7},
        {"standing": 2}, {"standing": True}, {"standing": float("nan")}, {"standing": None}, {"standing": "1"},
    ],
    ids=repr,
)  # fmt: skip
async def test_a_command_with_a_wrong_part_is_refused(partition: Partition, changes: dict[str, Any]) -> None:
    await refused_alone(partition, partition.raw_command("bad", **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"sku": None}, {"sku": ""}, {"sku": 7}, {"sku": "x" * 513}, {"location": None}, {"location": "x" * 65},
        {"bucket": None}, {"bucket": ""}, {"bucket": 1}, {"bucket": "x" * 65},
        {"sku_key": None}, {"sku_key": 99}, {"sku_key": 0}, {"sku_key": 1.5}, {"sku_key": "5"}, {"sku_key": -1},
        {"place_key": None}, {"place_key": 99}, {"place_key": float("nan")},
        {"profile": None}, {"profile": 0}, {"profile": 2}, {"profile": "1"},
        {"sight": None}, {"sight": 2}, {"sight": float("inf")},
    ],
    ids=repr,
)  # fmt: skip
async def test_a_line_with_a_wrong_part_is_refused(partition: Partition, changes: dict[str, Any]) -> None:
    await refused_alone(partition, partition.raw_command("bad", lines=[partition.raw_line(**changes)]))


@pytest.mark.parametrize("lines", [[], {}, {"a": 1}, "lines", 7, None, [7], ["line"], [[]], [{}], [None]], ids=repr)
async def test_lines_of_a_wrong_shape_are_refused(partition: Partition, lines: Any) -> None:
    bad = partition.raw_command("bad")
    bad[-2] = lines
    await refused_alone(partition, bad)


@pytest.mark.parametrize(
    "serials",
    [
        [], {}, {"a": "S1"}, {1: "S1", "a": "S2"}, {2: "S1"}, ["S1", "S2", "S3"], [""], ["x" * 801], [7], [None],
        [None, "S1"], ["S1", None, "S2"], [True], [[]], [{}], ["S1", "S1"], "S1", 7, True, False, float("nan"),
    ],
    ids=repr,
)  # fmt: skip
async def test_serials_of_a_wrong_shape_are_refused(partition: Partition, serials: Any) -> None:
    line = [*partition.raw_line(quantity=2), None, serials]
    await refused_alone(partition, partition.raw_command("bad", lines=[line]))


async def test_a_good_line_before_a_bad_one_is_not_booked(partition: Partition) -> None:
    lines = [partition.raw_line(quantity=7), partition.raw_line(quantity=float("nan"))]
    await refused_alone(partition, partition.raw_command("bad", lines=lines))


@pytest.mark.parametrize("count", [101, 10_000])
async def test_more_lines_than_an_event_may_have_are_refused(partition: Partition, count: int) -> None:
    await refused_alone(partition, partition.raw_command("bad", lines=[partition.raw_line()] * count))


async def test_a_hundred_lines_of_the_largest_quantity_are_counted_exactly(partition: Partition) -> None:
    await partition.send_raw([partition.raw_command("big", lines=[partition.raw_line(quantity=1_000_000)] * 100)])

    assert (await partition.position()).free == 100_000_000


@pytest.mark.parametrize("length", range(12))
async def test_a_command_cut_short_is_refused(partition: Partition, length: int) -> None:
    await refused_alone(partition, partition.raw_command("bad")[:length])


@pytest.mark.parametrize("length", range(8))
async def test_a_line_cut_short_is_refused(partition: Partition, length: int) -> None:
    await refused_alone(partition, partition.raw_command("bad", lines=[partition.raw_line()[:length]]))


@pytest.mark.parametrize("bad", [7, None, True, float("nan"), "receipt", {}], ids=repr)
async def test_a_command_that_is_no_list_changes_nothing(partition: Partition, bad: Any) -> None:
    before = await everything(partition.client)

    try:
        word, *_, answers, _ = await partition.send_raw([bad])
    except Unavailable:
        pass  # The whole call was turned away, which is as good.
    else:
        assert word == "ok"
        assert not [answer for answer in answers if answer[0] == "applied"]

    assert await everything(partition.client) == before


@pytest.mark.parametrize(
    "message",
    [b"", b"\xc1", b"\x00", b"nope", b"\x9a", b"\xdd\xff\xff\xff\xff", b"\x81\xa1a\x01", b"\xc0", b"\x90", b"\x99" * 9],
    ids=repr,
)
async def test_a_message_that_is_no_message_changes_nothing(partition: Partition, message: bytes) -> None:
    await partition.call(partition.fact("before"))
    before = await everything(partition.client)

    try:
        word, *_ = await partition.send_bytes(message)
    except Unavailable:
        pass
    else:
        assert word != "ok"

    assert await everything(partition.client) == before


@pytest.mark.parametrize(
    "header",
    [
        {"epoch": float("nan")}, {"epoch": 1.5}, {"epoch": 2}, {"epoch": None}, {"epoch": "1"},
        {"floor": 10**9}, {"floor": "0x10"}, {"floor": None}, {"floor": {}},
        {"rules": 2}, {"rules": None}, {"rules": float("nan")}, {"rules": "1"},
        {"first_day": 10**9}, {"first_day": None}, {"first_day": "nan"}, {"days": 0}, {"days": None}, {"days": -1},
        {"days": 10**6},
    ],
    ids=repr,
)  # fmt: skip
async def test_a_call_with_a_wrong_head_changes_nothing(partition: Partition, header: dict[str, Any]) -> None:
    await partition.call(partition.fact("before"))
    before = await everything(partition.client)

    try:
        word, *_ = await partition.send_raw([partition.raw_command("bad")], **header)
    except Unavailable:
        pass
    else:
        assert word != "ok"

    assert await everything(partition.client) == before


@pytest.mark.parametrize("fraction", [float("nan"), 0.5], ids=repr)
async def test_a_first_day_that_is_no_day_changes_nothing(partition: Partition, fraction: float) -> None:
    before = await everything(partition.client)
    day = partition.kernel.seen_from - fraction

    try:
        word, *_ = await partition.send_raw([partition.raw_command("bad")], first_day=day)
    except Unavailable:
        pass
    else:
        assert word != "ok"

    assert await everything(partition.client) == before


async def test_a_hole_among_the_lines_is_refused(partition: Partition) -> None:
    before = await everything(partition.client)

    _, *_, answers, _ = await partition.send_raw(
        [partition.raw_command("bad", lines=[partition.raw_line(), None, partition.raw_line()])]
    )

    assert answers[0][0] in ("refused", "broken")
    assert await everything(partition.client) == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (b"l:LON", b""),
        (b"l:LON", b"\xc1"),
        (b"l:LON", b"\x01"),
        (b"l:LON", b"\xa3abc"),
        (b"l:LON", b"\xc0"),
        (b"l:LON", b"\x93\x01\x02\x03"),
        (b"p:online", b"\xc1"),
        (b"p:online", b"\x01"),
        (b"p:online", b"\x90"),
        (b"p:online", b"\xa3abc"),
    ],
)
async def test_a_stored_value_that_cannot_be_read_spoils_only_its_own_command(
    partition: Partition, field: bytes, value: bytes
) -> None:
    await partition.call(partition.fact("before"))
    await partition.client.hset(keys.sku("BAG"), field.decode(), value)
    before = await everything(partition.client)

    _, *_, answers, _ = await partition.send_raw([partition.raw_command("bad")])

    assert answers[0][0] == "broken"
    assert await everything(partition.client) == before


NOT_COUNTINGS: list[Any] = [
    None, 7, "physical", [], [0], [0, "physical"], [0, "guess", 0], [0, "physical", 3], [0, "physical", -1],
    [float("nan"), "physical", 0], ["0", "physical", 0], [1.5, "physical", 0], [2**63, "physical", 0], {"a": 1},
    [0, "physical", 2, "", 7], [0, "physical", 2, "", "x" * 65], [0, "physical", 2, "", "till", ["id"]],
]  # fmt: skip


@pytest.mark.parametrize("detail", NOT_COUNTINGS, ids=repr)
async def test_a_count_that_does_not_say_when_and_how_is_refused(partition: Partition, detail: Any) -> None:
    await refused_alone(partition, partition.raw_command("bad", verb="count", detail=detail))


async def test_a_count_of_two_locations_is_refused(partition: Partition) -> None:
    lines = [partition.raw_line(), partition.raw_line(location="PAR")]
    await refused_alone(partition, partition.raw_command("bad", verb="count", lines=lines, detail=[0, "physical", 0]))


@pytest.mark.parametrize(
    "detail",
    [[0, "physical", 0, "LON"], [0, "physical", 2, "LON"], [0, "physical", 1], [0, "physical", 1, 7]],
    ids=repr,
)
async def test_a_count_without_lines_is_refused_unless_it_is_complete_and_says_where(
    partition: Partition, detail: Any
) -> None:
    await refused_alone(partition, partition.raw_command("bad", verb="count", lines=[], detail=detail))


NOT_CLOSINGS: list[Any] = [
    None, 7, [], ["1-2"], [7, [0]], ["", [0]], ["{opened}", 7], ["{opened}", []], ["{opened}", [0, 0]],
    ["{opened}", [None]], ["{opened}", [float("nan")]], ["{opened}", ["0"]], ["{opened}", [1.5]],
    ["{opened}", {"a": 0}], ["{opened}", [0], 7], ["{opened}", [0], [0, 0]], ["{opened}", [0], [1.5]],
]  # fmt: skip


@pytest.mark.parametrize("detail", NOT_CLOSINGS, ids=repr)
async def test_a_closing_that_does_not_fit_its_count_is_refused(partition: Partition, detail: Any) -> None:
    await partition.send_raw(
        [partition.raw_command("count", verb="count", detail=[partition.now_ms - 1, "physical", 0])]
    )
    opened = f"1-{await partition.next_number() - 1}"
    if isinstance(detail, list):
        detail = [opened if part == "{opened}" else part for part in detail]
    await refused_alone(partition, partition.raw_command("bad", verb="close", detail=detail))


async def test_closing_what_is_not_open_changes_nothing(partition: Partition) -> None:
    await partition.call(partition.fact("before"))
    before = await everything(partition.client)

    *_, answers, _ = await partition.send_raw([partition.raw_command("x", verb="close", detail=["1-99", [0]])])

    assert answers == [["unchanged"]]
    assert await everything(partition.client) == before
