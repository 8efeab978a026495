"""Who was answered what last: they are named, should it be lost."""

from hub.domain.command import Fact
from hub.domain.entry import Seq
from hub.stock.answered import SOURCES_MAX, Answered
from hub.stock.message import Refresh
from hub.stock.outcome import Applied, Duplicate, Parked, Unchanged


def fact(source: str) -> Fact:
    return Fact("sale", "sale", source, "1", "hash", 0, 0, ledger_checked=False, payload="{}", lines=())


def test_only_those_are_named_that_were_answered_since() -> None:
    answered = Answered()
    answered.note(
        [fact("a"), fact("b"), Refresh("BAG")],
        [Applied(Seq(1, 4), (), (), ()), Applied(Seq(1, 5), (), (), ()), Unchanged()],
    )
    answered.note([fact("c"), fact("d")], [Duplicate(Seq(1, 2), None), Parked(Seq(1, 6))])

    assert sorted(answered.last_since(Seq(1, 5))) == ["b", "d"]
    # It is asked once more where a healing did not come to its end.
    assert answered.last_since(Seq(1, 5)) == {"b": Seq(1, 5), "d": Seq(1, 6)}


def test_who_was_told_again_what_another_process_booked_is_named_too() -> None:
    answered = Answered()
    answered.note([fact("a"), fact("b")], [Duplicate(Seq(1, 7), None), Duplicate(Seq(1, 3), None)])

    assert sorted(answered.last_since(Seq(1, 5))) == ["a"]


def test_answers_of_another_epoch_are_not_those_that_were_lost() -> None:
    answered = Answered()
    answered.note([fact("before"), fact("lost")], [Applied(Seq(1, 900), (), (), ()), Applied(Seq(2, 6), (), (), ())])
    answered.note([fact("after")], [Applied(Seq(3, 1), (), (), ())])

    assert "before" not in answered.last_since(Seq(2, 5))
    answered.forget_before(3)
    assert sorted(answered.last_since(Seq(1, 0))) == ["after"]


def test_an_old_answer_told_again_hides_no_newer_one() -> None:
    answered = Answered()
    answered.note([fact("a")], [Applied(Seq(1, 9), (), (), ())])
    answered.note([fact("a")], [Parked(Seq(1, 2))])

    assert sorted(answered.last_since(Seq(1, 9))) == ["a"]


def test_of_too_many_sources_those_answered_longest_ago_are_forgotten() -> None:
    answered = Answered()
    for number in range(SOURCES_MAX + 1):
        answered.note([fact(f"s{number}")], [Applied(Seq(1, number), (), (), ())])

    assert len(answered.last_since(Seq(1, 0))) == SOURCES_MAX


def test_what_a_process_was_not_there_for_or_forgot_it_does_not_know() -> None:
    answered = Answered()
    answered.begin(Seq(2, 5))
    answered.note([fact(f"till-{number}") for number in range(SOURCES_MAX)], [Parked(Seq(2, 7))] * SOURCES_MAX)
    assert answered.since == Seq(2, 5)

    answered.note([fact("one-more")], [Parked(Seq(2, 8))])

    assert answered.since == Seq(2, 8)


def test_what_the_hub_booked_of_itself_nobody_sends_again() -> None:
    answered = Answered()
    answered.note([fact("a"), fact("~hub")], [Applied(Seq(1, 1), (), (), ()), Applied(Seq(1, 2), (), (), ())])

    assert sorted(answered.last_since(Seq(1, 0))) == ["a"]
