"""What a command costs Redis, guessed before it is sent, so that no call of the kernel takes long.

A weight of 1 is about 10 µs of Redis where nothing else runs, and up to twice that on a busy machine; it stands in
`[limits]`. The parts are measured, see `tests/load/costs.py`: a command costs by itself, each line by itself and for
each pool that may see it, and a line of what closes a count twice, because it may move units as well.
"""

from hub.domain.command import ORDER_VERBS, REQUESTS, Fact, Transfer, Voiding
from hub.domain.rules import House
from hub.stock.message import Command

COMMAND = 4
LINE = 2
CLOSING_LINE = 6
SERIAL = 2
# A SKU that a request, a fact about an order or what travels for one may touch: all its positions are read.
SKU = 6
# Locations of the house that are passed by for one more.
LOCATIONS_PASSED = 25
# What is about units that are kept for somebody.
_ABOUT_HOLDS = REQUESTS | ORDER_VERBS


def weight(command: Command, house: House) -> int:
    """The weight of one command in this house; at least 1."""
    pools = len(house.pools)
    if not isinstance(command, Fact):
        # A refresh or a description: all views, made of what lies at all the locations.
        return COMMAND + pools + len(house.locations) * (pools + 4) // 8
    travels = isinstance(command.detail, Transfer) and command.detail.order != ""
    if travels or command.verb in _ABOUT_HOLDS:
        return COMMAND + max(1, len(command.lines)) * sku_weight(house)
    lines = len(command.lines) * line_weight(house, closing=command.verb == "close")
    named = sum(len(line.serials) for line in command.lines)
    if isinstance(command.detail, Voiding):
        named += sum(len(pieces) for _, _, *told in command.detail.sold for pieces in told)
    return COMMAND + lines + SERIAL * named


def sku_weight(house: House) -> int:
    """The weight of one SKU that may be touched at all its locations."""
    return SKU + len(house.pools) + len(house.locations) // LOCATIONS_PASSED


def line_weight(house: House, *, closing: bool = False) -> int:
    """The weight of one line without serials."""
    return (CLOSING_LINE if closing else LINE) + len(house.pools)
