"""Bulk work gets its share of the time, measured by what it cost, and not more."""

import asyncio

from hub.imports.pace import Pace


async def test_after_a_piece_of_work_the_next_waits_until_the_share_is_kept() -> None:
    pace = Pace(0.5)
    began = await pace.turn()

    pace.note(began, 0.05)

    assert await pace.turn() >= began + 0.1


async def test_time_that_was_spent_waiting_for_others_counts_as_left_to_them() -> None:
    pace, clock = Pace(0.5), asyncio.get_running_loop().time
    began = await pace.turn()
    pace.note(began - 1, 0.05)

    asked = clock()

    assert await pace.turn() - asked < 0.1
