"""How far a source was asked: each walk begins before the last one began, and no failure moves it on."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.polling import (
    OVERLAP_SECONDS,
    REFUSALS_MAX,
    Progress,
    begun,
    failed,
    first_since_ms,
    is_due,
    went_on,
)

NOW_MS = 1_795_600_000_000
OVERLAP_MS = OVERLAP_SECONDS * 1000
NEW = Progress(since_ms=first_since_ms(NOW_MS))


def test_a_walk_begins_once_and_forgets_what_the_last_one_found() -> None:
    walking = begun(msgspec.structs.replace(NEW, found=7, cursor="old"), NOW_MS)

    assert (walking.began_ms, walking.cursor, walking.found) == (NOW_MS, "", 0)
    assert begun(walking, NOW_MS + 1) == walking


def test_the_next_walk_begins_before_this_one_began_and_is_due_later() -> None:
    walking = begun(NEW, NOW_MS)

    inside = went_on(walking, "page 2", NOW_MS + 1_000, 3_600)
    over = went_on(inside, "", NOW_MS + 60_000, 3_600)

    assert (inside.cursor, inside.since_ms, inside.began_ms, inside.done_ms) == ("page 2", NEW.since_ms, NOW_MS, 0)
    assert (over.since_ms, over.began_ms, over.cursor) == (NOW_MS - OVERLAP_MS, 0, "")
    assert (over.done_ms, over.due_ms) == (NOW_MS + 60_000, NOW_MS + 60_000 + 3_600_000)


def test_it_is_due_when_its_time_has_come_or_the_file_says_a_shorter_one() -> None:
    over = went_on(begun(NEW, NOW_MS), "", NOW_MS, 3_600)
    waiting = failed(over, "429", NOW_MS, 600.0, passes=True)

    assert is_due(None, NOW_MS, 3_600)
    assert [is_due(over, NOW_MS + seconds * 1_000, 3_600) for seconds in (3_599, 3_600)] == [False, True]
    assert is_due(over, NOW_MS + 60_000, 60)
    assert not is_due(waiting, NOW_MS + 60_000, 60)


def test_what_passes_is_tried_again_where_it_was_and_what_does_not_from_the_beginning_in_the_end() -> None:
    walking = msgspec.structs.replace(begun(NEW, NOW_MS), cursor="page 2")
    passing = refused = walking
    for _ in range(REFUSALS_MAX):
        passing = failed(passing, "503", NOW_MS, 5.0, passes=True)
        assert refused.cursor == "page 2"
        refused = failed(refused, "400", NOW_MS, 5.0, passes=False)

    assert (passing.cursor, passing.attempts, passing.problem) == ("page 2", REFUSALS_MAX, "503")
    assert passing.due_ms == NOW_MS + 5_000
    assert (refused.cursor, refused.began_ms, refused.since_ms) == ("", 0, NEW.since_ms)
    assert went_on(passing, "page 3", NOW_MS, 60).problem == ""


@given(st.lists(st.tuples(st.sampled_from(["page", "end", "failed", "refused"]), st.integers(0, 10**7)), max_size=30))
def test_it_never_goes_back_and_leaves_nothing_out(steps: list[tuple[str, int]]) -> None:
    progress, now_ms = NEW, NOW_MS
    for what, later in steps:
        now_ms += later
        walking = begun(progress, now_ms)
        if what in ("page", "end"):
            after = went_on(walking, "more" if what == "page" else "", now_ms, 60)
        else:
            after = failed(walking, what, now_ms, 1.0, passes=what == "failed")
        assert after.since_ms >= progress.since_ms
        # Everything from the present time less the overlap is still to be asked for.
        assert after.since_ms <= now_ms - OVERLAP_MS
        # Only a walk that came to its end moves it on.
        assert what == "end" or after.since_ms == progress.since_ms
        progress = after
