"""The demo's traffic: gentle, repeatable, and never the cause of an empty shelf."""

from collections import Counter
from itertools import islice
from random import Random

from hub.demo import BAG, STOCK, UNITS_HIGH, traffic

EVENTS = 5_000


def test_the_traffic_never_empties_a_shelf_and_never_fills_it_without_end() -> None:
    start = {(article.sku, place): units for article, places in STOCK.items() for place, units in places.items()}
    units = Counter(start)

    for event in islice(traffic(Random(3)), EVENTS):
        (line,) = event["lines"]
        shelf = line["sku"], event["location"]
        units[shelf] += -line["quantity"] if event["type"] == "sale" else line["quantity"]
        assert 0 < units[shelf] <= max(UNITS_HIGH, start[shelf])


def test_the_traffic_sells_most_of_the_time_and_has_deliveries_and_returns() -> None:
    types = Counter(event["type"] for event in islice(traffic(Random(3)), EVENTS))

    assert set(types) == {"sale", "receipt", "return"}
    assert types["sale"] > EVENTS / 2


def test_the_same_dice_give_the_same_traffic() -> None:
    assert list(islice(traffic(Random(3)), 50)) == list(islice(traffic(Random(3)), 50))


def test_the_traffic_leaves_the_bag_to_the_visitor() -> None:
    touched = {event["lines"][0]["sku"] for event in islice(traffic(Random(3)), EVENTS)}

    assert touched == {article.sku for article in STOCK}
    assert BAG.sku not in touched
