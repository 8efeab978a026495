"""Which SKU a request is about: all alike, one hot article, or as popular as articles are. Pure."""

import random
from bisect import bisect
from itertools import accumulate
from typing import Literal

Skew = Literal["uniform", "hot", "zipf"]

# Of all that is sold, what the one hot article has.
HOT_SHARE = 0.5


def sku_name(name: str, number: int) -> str:
    """The name of one of the load's own SKUs."""
    return f"{name}-{number:05d}"


def weights(skew: Skew, skus: int) -> list[float]:
    """How likely each SKU is; the sum is 1."""
    if skew == "uniform" or skus == 1:
        return [1 / skus] * skus
    if skew == "hot":
        return [HOT_SHARE] + [(1 - HOT_SHARE) / (skus - 1)] * (skus - 1)
    plain = [1 / (number + 1) for number in range(skus)]
    total = sum(plain)
    return [weight / total for weight in plain]


class Choice:
    """Draws SKUs by their weights."""

    def __init__(self, skew: Skew, skus: int, chance: random.Random) -> None:
        self._edges = list(accumulate(weights(skew, skus)))
        self._last = skus - 1
        self._draw = chance.random

    def next(self) -> int:
        """The number of a SKU, from 0 on."""
        # The edges add up to almost 1.
        return min(bisect(self._edges, self._draw()), self._last)
