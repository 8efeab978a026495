"""Line charts as inline SVG, readable in light and in dark. Pure.

Colours are CSS variables of the page; each line has a dash of its own too, for those who see no difference in colours.
"""

import math
from collections.abc import Callable, Sequence
from html import escape

import msgspec

_WIDTH, _HEIGHT = 760, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 34, 40
_TICKS = 5
_STYLES = ("a", "b", "c", "d")

Points = Sequence[tuple[float, float]]


class Line(msgspec.Struct, frozen=True):
    """One line: its name, and where it goes."""

    name: str
    points: list[tuple[float, float]]


class Axis(msgspec.Struct, frozen=True):
    """Where a value stands between 0 and 1, and the ticks that are written."""

    title: str
    place: Callable[[float], float]
    ticks: list[tuple[float, str]]


def linear(title: str, highest: float, *, is_whole: bool = True) -> Axis:
    """From 0 to a round number that is not below the highest, or to the highest itself."""
    step = _round_step(highest / _TICKS)
    top = step * max(1, math.ceil(highest / step - 1e-9)) if is_whole else highest
    ticks = [(number * step, plain(number * step)) for number in range(int(top / step + 1e-9) + 1)]
    return Axis(title, lambda value: value / top, ticks)


def logarithmic(title: str, lowest: float, highest: float) -> Axis:
    """Each tenfold is as high; for values above 0."""
    first, last = math.floor(math.log10(lowest)), math.ceil(math.log10(highest) + 1e-9)
    last = max(last, first + 1)
    marks = (1, 2, 5) if last - first <= 2 else (1,)
    ticks = [(mark * 10.0**power, plain(mark * 10.0**power)) for power in range(first, last) for mark in marks]
    return Axis(
        title, lambda value: (math.log10(value) - first) / (last - first), [*ticks, (10.0**last, plain(10.0**last))]
    )


def percentiles(title: str, highest: float) -> Axis:
    """Each nine is as wide: 0, 90, 99, 99.9 %; up to the highest below 100."""
    nines = max(1, math.ceil(-math.log10(1 - highest / 100) - 1e-9))

    def place(percent: float) -> float:
        return min(1.0, -math.log10(max(1e-12, 1 - percent / 100)) / nines)

    marks = [0.0, 50.0, *(100 - 100 / 10**nine for nine in range(1, nines + 1))]
    return Axis(
        title, place, [(mark, f"{mark:.{max(0, nines - 2)}f}".rstrip("0").rstrip(".") or "0") for mark in marks]
    )


def plain(value: float) -> str:
    """A number as it is written at an axis."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.3g}"


def line_chart(title: str, across: Axis, up: Axis, lines: Sequence[Line]) -> str:
    """The chart; at most four lines."""
    parts = [
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">',
        *_across(across),
        *_up(up),
    ]
    for number, (style, line) in enumerate(zip(_STYLES, lines, strict=False)):
        at = _LEFT + number * 150
        parts.append(f'<line class="line {style}" x1="{at}" y1="14" x2="{at + 28}" y2="14"/>')
        parts.append(f'<text class="key" x="{at + 34}" y="18">{escape(line.name)}</text>')
        places = " ".join(f"{_x(across, x):.1f},{_y(up, y):.1f}" for x, y in line.points)
        parts.append(f'<polyline class="line {style}" points="{places}"/>')
    return "".join([*parts, "</svg></figure>"])


def _across(axis: Axis) -> list[str]:
    bottom = _HEIGHT - _BOTTOM
    found = [
        f'<text class="title" x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 4}" text-anchor="end">{escape(axis.title)}</text>'
    ]
    for value, text in axis.ticks:
        at = _x(axis, value)
        found.append(f'<line class="grid" x1="{at:.1f}" y1="{bottom}" x2="{at:.1f}" y2="{bottom + 4}"/>')
        found.append(f'<text x="{at:.1f}" y="{bottom + 17}" text-anchor="middle">{escape(text)}</text>')
    return found


def _up(axis: Axis) -> list[str]:
    found = [f'<text class="title" x="{_WIDTH - _RIGHT}" y="18" text-anchor="end">{escape(axis.title)}</text>']
    for value, text in axis.ticks:
        at = _y(axis, value)
        found.append(f'<line class="grid" x1="{_LEFT}" y1="{at:.1f}" x2="{_WIDTH - _RIGHT}" y2="{at:.1f}"/>')
        found.append(f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{escape(text)}</text>')
    return found


def _x(axis: Axis, value: float) -> float:
    return _LEFT + axis.place(value) * (_WIDTH - _LEFT - _RIGHT)


def _y(axis: Axis, value: float) -> float:
    return _HEIGHT - _BOTTOM - axis.place(value) * (_HEIGHT - _TOP - _BOTTOM)


def _round_step(least: float) -> float:
    """The lowest of 1, 2, 5, 10, … that is not below."""
    if least <= 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(least))
    return next(mark * power for mark in (1, 2, 5, 10) if mark * power >= least * (1 - 1e-9))
