"""Whether the generator was fast enough for its figures to be about the hub. Pure."""

from collections.abc import Sequence

import msgspec

from hub.load.histogram import Histogram
from hub.load.telling import Generated

# From here on a process does little else than generate, and what is due waits for it.
CPU_SHARE_MAX = 0.85
# Of what was due, 99 % were noticed within this; or within this part of the time that the median answer took.
LATENESS_MS_MAX = 2.0
LATENESS_OF_MEDIAN_MAX = 0.1


class GeneratorTold(msgspec.Struct, frozen=True, kw_only=True):
    """How the generator did."""

    processes: int
    # The part of one core that each process took, the highest first.
    cpu_shares: list[float]
    # How late it noticed what was due; in a closed loop, how late its event loop woke.
    lateness_p99_ms: float
    lateness_max_ms: float
    # The generator was the bottleneck, or may have been; and why, or why not, in words.
    was_bottleneck: bool
    said: str


def generator_told(processes: Sequence[Generated], median_ms: float) -> GeneratorTold:
    """Judge the generator; `median_ms` is what half of the answers took at most."""
    shares = sorted((one.cpu_seconds / one.seconds if one.seconds else 0.0 for one in processes), reverse=True)
    lateness = Histogram.of({str(number): one.lateness for number, one in enumerate(processes)})
    late = lateness.percentile(99) / 1000
    allowed = max(LATENESS_MS_MAX, median_ms * LATENESS_OF_MEDIAN_MAX)
    reasons = []
    if shares[0] > CPU_SHARE_MAX:
        reasons.append(f"one of its processes took {shares[0]:.0%} of a core (add --processes)")
    if late > allowed:
        reasons.append(
            f"1 % of what was due was noticed over {late:.1f} ms late (its machine is busy, or it has too much to do)"
        )
    if reasons:
        said = (
            f"The generator was the bottleneck: {' and '.join(reasons)}. The figures say as much of it as of the hub."
        )
    else:
        figures = f"{shares[0]:.0%} of a core at most, and 99 % of what was due was noticed within {late:.2f} ms"
        said = f"The generator was not the bottleneck: {figures}."
    return GeneratorTold(
        processes=len(processes),
        cpu_shares=[round(share, 3) for share in shares],
        lateness_p99_ms=late,
        lateness_max_ms=lateness.highest / 1000,
        was_bottleneck=bool(reasons),
        said=said,
    )
