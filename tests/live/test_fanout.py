"""Entries in, frames out, with outlets that only write down what they get."""

import json

import pytest

from hub.domain.entry import Entry, Seq, SetPosition, SetView
from hub.domain.pools import View
from hub.domain.position import Fence, Position
from hub.live.fanout import Fanout
from hub.live.subscriptions import Subscriptions
from protocol.answers import AvailabilityItem


class Written:
    """An outlet of which a test can ask what it was given."""

    def __init__(self):
        self.frames = []
        self.kept = []

    def push(self, key, item, frame):
        self.frames.append(frame)

    def push_several(self, owed, frame):
        if frame is None:
            self.kept.append([change.key for change in owed])
        else:
            self.frames.append(frame)

    @property
    def items(self):
        """The items of each frame; a header is 2, or with a longer payload 4 bytes."""
        return [json.loads(frame[frame.index(b"{") :])["items"] for frame in self.frames]


def _entry(*views, epoch=1, number=0, positions=()):
    skus = tuple(dict.fromkeys(sku for _, sku, _, _ in views)) or ("A",)
    written = tuple(
        SetView(skus.index(sku), pool, View(changes=changes, at_ms=1, available=changes, status=2), changed)
        for pool, sku, changes, changed in views
    )
    entry = Entry(1, "fact", "sale", "s", "e", "", 0, 1, 1, "{}", skus, (), positions, written)
    return Seq(epoch, number), entry


@pytest.fixture
def subscriptions():
    return Subscriptions()


@pytest.fixture
def fanout(subscriptions):
    return Fanout(subscriptions)


@pytest.fixture
def watcher(subscriptions):
    def made(*keys):
        outlet = Written()
        for key in keys:
            subscriptions.watch(outlet, key)
        return outlet

    return made


def test_one_changed_item_is_one_frame_object_for_all_its_watchers(fanout, watcher):
    watchers = [watcher(("online", "A")) for _ in range(3)]

    fanout.apply([_entry(("online", "A", 1, 1))])

    assert len({id(outlet.frames[0]) for outlet in watchers}) == 1
    assert [len(outlet.frames) for outlet in watchers] == [1, 1, 1]


def test_the_frame_is_a_final_unmasked_text_frame(fanout, watcher):
    outlet = watcher(("online", "A"))

    fanout.apply([_entry(("online", "A", 1, 1))])

    (frame,) = outlet.frames
    assert frame[0] == 0x81
    # 126 says that two bytes of length follow.
    assert frame[1] == 126
    assert int.from_bytes(frame[2:4]) == len(frame) - 4


def test_one_tick_is_one_frame_with_the_newest_value_of_each_sku(fanout, watcher):
    both, only_a = watcher(("online", "A"), ("online", "B")), watcher(("online", "A"))

    fanout.apply(
        [
            _entry(("online", "A", 1, 1)),
            _entry(("online", "B", 1, 1), number=1),
            _entry(("online", "A", 2, 1), number=2),
        ]
    )

    ((a, b),) = both.items
    assert ((a["sku"], a["available"]), (b["sku"], b["available"])) == (("A", 2), ("B", 1))
    ((alone,),) = only_a.items
    assert alone == a


def test_watchers_of_the_same_several_items_share_the_frame(fanout, watcher):
    keys = (("online", "A"), ("online", "B"))
    one, two = watcher(*keys), watcher(*keys)

    fanout.apply([_entry(("online", "A", 1, 1), ("online", "B", 1, 1))])

    assert one.frames[0] is two.frames[0]


def test_a_change_that_the_pool_does_not_show_leaves_nothing(fanout, watcher):
    outlet = watcher(("online", "A"))

    fanout.apply([_entry(("online", "A", 1, 0), ("vip", "A", 1, 1))])

    assert outlet.frames == []


def test_an_older_or_equal_rev_is_never_sent(fanout, watcher):
    outlet = watcher(("online", "A"))
    fanout.apply([_entry(("online", "A", 5, 1))])

    fanout.apply([_entry(("online", "A", 4, 1), number=1), _entry(("online", "A", 5, 1), number=2)])
    read = AvailabilityItem(sku="A", available=0, status="out_of_stock", rev=2**32 + 3, at="…")
    fanout.learn("online", [read])

    assert len(outlet.frames) == 1


def test_a_later_epoch_beats_any_count_of_an_earlier_one(fanout, watcher):
    outlet = watcher(("online", "A"))
    fanout.apply([_entry(("online", "A", 500, 1))])

    fanout.apply([_entry(("online", "A", 1, 1), epoch=2)])

    assert [item["rev"] for (item,) in outlet.items] == [2**32 + 500, 2 * 2**32 + 1]


def test_a_read_state_names_the_pool_and_is_told_when_it_is_newer(fanout, watcher):
    outlet = watcher(("online", "A"))

    fanout.learn("online", [AvailabilityItem(sku="A", available=2, status="low_stock", rev=9, at="…")])

    assert outlet.items == [
        [{"sku": "A", "pool": "online", "available": 2, "status": "low_stock", "rev": 9, "at": "…"}]
    ]


def test_what_nobody_watches_is_forgotten(fanout, watcher, subscriptions):
    outlet = watcher(("online", "A"))
    subscriptions.watch_shelf(outlet, "LON-KNB", None)

    subscriptions.unwatch(outlet, ("online", "A"))
    subscriptions.unwatch(outlet, ("online", "never"))
    subscriptions.unwatch_shelf(outlet, "LON-KNB")
    fanout.apply([_entry(("online", "A", 1, 1))])

    assert outlet.frames == []
    assert not subscriptions.topics
    assert not subscriptions.shelves


def test_more_than_one_message_should_hold_is_left_to_the_outlet(fanout, watcher):
    skus = [f"{'LONG-NAME-' * 12}{number}" for number in range(400)]
    outlet = watcher(*[("online", sku) for sku in skus])

    fanout.apply([_entry(*[("online", sku, 1, 1) for sku in skus])])

    assert outlet.frames == []
    assert [len(kept) for kept in outlet.kept] == [400]


def test_a_position_goes_to_the_watchers_of_its_location(fanout, subscriptions):
    outlet = Written()
    subscriptions.watch_shelf(outlet, "LON-KNB", None)
    moved = (SetPosition(0, "LON-KNB", Position(free=3)), SetPosition(0, "PAR-FSH", Position(free=9)))

    fanout.apply([_entry(positions=moved)])

    ((item,),) = outlet.items
    assert (item["location"], item["free"], item["on_hand"]) == ("LON-KNB", 3, 3)


def test_a_fence_is_named_only_to_watchers_who_may_see_its_pool(fanout, subscriptions):
    store, all_pools = Written(), Written()
    subscriptions.watch_shelf(store, "LON-KNB", frozenset({"store"}))
    subscriptions.watch_shelf(all_pools, "LON-KNB", frozenset({"store"}))
    subscriptions.watch_shelf(all_pools, "LON-KNB", None)
    fences = (Fence("vip", 2, 2, 0, 0), Fence("store", 1, 1, 0, 0))

    fanout.apply([_entry(positions=(SetPosition(0, "LON-KNB", Position(free=3, fences=fences)),))])

    (narrow,), (wide,) = [outlet.items[0] for outlet in (store, all_pools)]
    assert [len(outlet.items) for outlet in (store, all_pools)] == [1, 1]
    assert (narrow["ring_fenced"], narrow["on_hand"], narrow["free"]) == ({"store": 1}, 6, 3)
    assert wide["ring_fenced"] == {"vip": 2, "store": 1}
