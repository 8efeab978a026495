"""Times in buckets that grow with the time, so that any number of them takes little room. Pure.

The buckets are those of Gil Tene's HdrHistogram: up to 256 each value has its own, then each power of two is cut into
128 parts, so a percentile is wrong by less than one in 128, and always upwards.
"""

from collections.abc import Iterator, Mapping

import msgspec

# Values that have a bucket of their own; half of it is how finely each power of two is cut.
_EXACT = 256
_HALF_BITS = 7
# Over ten days in microseconds; longer is counted as this.
VALUE_MAX = 2**40


class Histogram(msgspec.Struct):
    """How often which value came. Values are whole microseconds from 0 on; what is below counts as 0."""

    counts: dict[int, int] = {}
    total: int = 0
    highest: int = 0
    sum: int = 0

    def record(self, value: int) -> None:
        """Count one value."""
        value = 0 if value < 0 else min(value, VALUE_MAX)
        if value < _EXACT:
            bucket = value
        else:
            shift = value.bit_length() - _HALF_BITS - 1
            bucket = (shift << _HALF_BITS) + (value >> shift)
        self.counts[bucket] = self.counts.get(bucket, 0) + 1
        self.total += 1
        self.sum += value
        self.highest = max(self.highest, value)

    def add(self, other: "Histogram") -> None:
        """Count all that another has."""
        for bucket, count in other.counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + count
        self.total += other.total
        self.sum += other.sum
        self.highest = max(self.highest, other.highest)

    def percentile(self, percent: float) -> int:
        """The value that so many percent of all do not exceed; 0 where there are none."""
        [(_, value)] = self.percentiles([percent])
        return value

    def percentiles(self, percents: list[float]) -> list[tuple[float, int]]:
        """The same for several, in rising order, in one pass."""
        found: list[tuple[float, int]] = []
        passed, ordered = 0, iter(sorted(self.counts.items()))
        value = 0
        for percent in percents:
            # Of four values the third is the 75th percentile, and the 75.1th is the fourth.
            needed = min(self.total, max(1, _ceil(self.total * percent)))
            while passed < needed:
                bucket, count = next(ordered)
                passed, value = passed + count, highest_of(bucket)
            found.append((percent, min(value, self.highest)))
        return found

    @property
    def mean(self) -> float:
        """The plain mean; 0 where there are none."""
        return self.sum / self.total if self.total else 0.0

    @classmethod
    def of(cls, many: Mapping[str, "Histogram"]) -> "Histogram":
        """All of several together."""
        together = cls()
        for one in many.values():
            together.add(one)
        return together

    def buckets(self) -> Iterator[tuple[int, int]]:
        """The highest value of each bucket and how many are in it, rising."""
        for bucket, count in sorted(self.counts.items()):
            yield highest_of(bucket), count


def highest_of(bucket: int) -> int:
    """The highest value that falls into a bucket."""
    if bucket < _EXACT:
        return bucket
    shift = (bucket >> _HALF_BITS) - 1
    return ((bucket - (shift << _HALF_BITS) + 1) << shift) - 1


def _ceil(hundredfold: float) -> int:
    """A hundredth, rounded up, but not for what a float adds: 99.9 % of 1,000 are 999."""
    rounded = round(hundredfold / 100)
    return rounded if abs(hundredfold / 100 - rounded) < 1e-6 else int(hundredfold // 100) + 1
