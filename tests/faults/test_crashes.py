"""A hub dies, or loses or repeats an answer, at a named point: whoever asks again is told what was so all along."""

import asyncio
import json
from pathlib import Path

import pytest

from hub.crashpoints import POINTS, VARIABLE, CrashPoints, LostAnswer, Plan, Step
from hub.faults import SettingsInvalid
from tests.faults.town import Town
from tests.faults.traffic import traffic

SEED = 12


async def test_a_hub_killed_after_the_kernels_answer_and_a_writer_killed_after_its_commit_do_nothing_twice(
    town: Town,
) -> None:
    """A12, D3; the other hub, whose writer goes on meanwhile, loses an answer there too, and asks for one twice."""
    one, two = await asyncio.gather(
        town.open_hub(Plan("", (Step("kernel answered", "kill", 12),))),
        town.open_hub(Plan("", (Step("entries posted", "lose", 3), Step("entries posted", "kill", 8)))),
    )
    async with traffic(town, f"{SEED}-killed") as meanwhile:
        await meanwhile.until(lambda: one.deaths == two.deaths == 1 and one.is_up and two.is_up)
        await meanwhile.goes_on(30)
    assert town.reached()["kill kernel answered"] == town.reached()["kill entries posted"] == 1


async def test_answers_that_are_lost_late_or_asked_for_twice_at_every_point_change_nothing(town: Town) -> None:
    steps = [
        step
        for point, may_repeat in POINTS.items()
        for step in (Step(point, "lose", 2), Step(point, "again" if may_repeat else "delay", 3))
    ]
    await town.open_hub(Plan("", tuple(steps), seed=SEED, delayed=0.05))
    async with traffic(town, f"{SEED}-points", clients=4, watchers=3, drops=0.05) as meanwhile:
        await meanwhile.goes_on(150)
    fired = {line.partition(" ")[2] for line in town.reached() if not line.startswith("reached")}
    assert {"kernel answered", "entries posted", "facts booked", "batch answered", "watchers told"} <= fired


async def test_points_do_as_their_plan_says_and_write_it_down(tmp_path: Path) -> None:
    points, journal = CrashPoints(), tmp_path / "fired"
    plan = {
        "journal": str(journal),
        "steps": [
            {"point": "kernel answered", "action": "again", "passing": 2},
            {"point": "entries posted", "action": "lose"},
        ],
    }
    (tmp_path / "plan").write_text(json.dumps(plan))

    points.arm({})
    assert not points.armed
    points.arm({VARIABLE: str(tmp_path / "plan")})

    assert points.armed
    assert [await points.at("kernel answered") for _ in range(3)] == [False, True, False]
    with pytest.raises(LostAnswer):
        await points.at("entries posted")
    told = ["reached kernel answered", "again kernel answered", "reached entries posted", "lose entries posted"]
    assert journal.read_text().splitlines() == told


@pytest.mark.parametrize(
    "plan",
    [
        "",
        "[]",
        '{"journal": "j", "steps": [{"point": "nowhere", "action": "kill"}]}',
        '{"journal": "j", "steps": [{"point": "batch taken", "action": "again"}]}',
        '{"journal": "j", "steps": [{"point": "batch taken", "action": "delay", "seconds": 60}]}',
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(plan: str, tmp_path: Path) -> None:
    (tmp_path / "plan").write_text(plan)
    points = CrashPoints()
    with pytest.raises(SettingsInvalid, match=VARIABLE):
        points.arm({VARIABLE: str(tmp_path / "plan")})
    assert not points.armed
