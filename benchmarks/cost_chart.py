"""PSNR over CPU seconds a megapixel, a panel for each set, from the rows of the quality benchmark.

    python benchmarks/cost_chart.py ROWS.json... FILE

draws what `quality.py --json ROWS.json` measured.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.errors import BenchmarkError
from benchmarks.report import Row, read_json
from benchmarks.rivals import FFDNET, FFDNET_LEVEL_KNOWN, RIVALS

_ACROSS = 2
# Drawn for twice the pixels at which a README shows it, so that it is sharp on dense screens.
_PANEL_WIDTH, _PANEL_HEIGHT = 690, 470
_LEFT, _TOP, _RIGHT, _BOTTOM = 96, 64, 30, 130
_SMALL, _TEXT, _HEADING = 22, 25, 32
_RADIUS, _GAP = 9, 6
_PAPER, _INK, _RULE = (255, 255, 255), (35, 35, 35), (222, 222, 222)
_OURS, _RIVAL = (190, 45, 35), (45, 95, 165)
_RIVALS = {FFDNET, FFDNET_LEVEL_KNOWN, *(rival.name for rival in RIVALS)}
_LEAST_COST = 1e-3
# Factor of cost that is left free at both ends of the axis.
_ROOM = 1.6

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class _Axes:
    """Place of a panel on the picture, and the range of cost and PSNR that it shows."""

    left: float
    top: float
    costs: tuple[float, float]
    ratios: tuple[float, float]

    @property
    def box(self) -> _Box:
        return self.left, self.top, self.left + _PANEL_WIDTH, self.top + _PANEL_HEIGHT

    def x(self, cost: float) -> float:
        low, high = (math.log(end) for end in self.costs)
        return self.left + _PANEL_WIDTH * (math.log(cost) - low) / (high - low)

    def y(self, ratio: float) -> float:
        low, high = self.ratios
        return self.top + _PANEL_HEIGHT * (high - ratio) / (high - low)


def check_picture(path: Path) -> None:
    """Refuse a file name whose kind of picture cannot be written, before anything is measured."""
    writable = {end for end, kind in Image.registered_extensions().items() if kind in Image.SAVE}
    if path.suffix.lower() not in writable:
        raise BenchmarkError(f"--chart {path} is no kind of picture; use a name that ends in .png")


def draw_costs(rows: Sequence[Row]) -> Image.Image:
    """Draw a panel for each set, in the order of the rows."""
    sets = list(dict.fromkeys(row.set for row in rows))
    across = min(_ACROSS, len(sets))
    width, height = _LEFT + _PANEL_WIDTH + _RIGHT, _TOP + _PANEL_HEIGHT + _BOTTOM
    size = width * across, height * -(-len(sets) // across)
    picture = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(picture)
    for index, name in enumerate(sets):
        corner = width * (index % across) + _LEFT, height * (index // across) + _TOP
        _panel(draw, [row for row in rows if row.set == name], *corner)
    return picture


def _panel(draw: ImageDraw.ImageDraw, rows: Sequence[Row], left: int, top: int) -> None:
    shown, worse = _split(rows)
    font = ImageFont.load_default(_SMALL)
    photos = f"{rows[0].set}, {rows[0].n} photos"
    draw.text((left, top - 52), photos, _INK, ImageFont.load_default(_HEADING))
    below = top + _PANEL_HEIGHT
    if worse:
        draw.text((left, below + 72), _note(worse, font), _INK, font)
    if not shown:
        return
    axes = _axes(shown, left, top)
    _grid(draw, axes, font)
    middle = left + _PANEL_WIDTH / 2
    draw.text((middle, below + 50), "CPU seconds a megapixel", _INK, font, anchor="mm")
    draw.text((left - 84, top - 14), "dB", _INK, font, anchor="lm")
    _points(draw, axes, shown)


def _split(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Return the methods that bring a photo nearer to its reference, and those that do not.

    The latter would take up most of the panel with what is of no interest.
    """
    given = [row.psnr for row in rows if row.method == "degraded"]
    least = given[0] if given else -math.inf
    methods = [row for row in rows if row.method != "degraded"]
    return [row for row in methods if row.psnr > least], [
        row for row in methods if row.psnr <= least
    ]


def _note(worse: Sequence[Row], font: _Font) -> str:
    """Name what is left out, in up to two lines."""
    words = "No better than the photo as it is: " + ", ".join(row.method for row in worse)
    lines = [""]
    for word in words.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) > _PANEL_WIDTH:
            lines.append(word)
        else:
            lines[-1] = longer
    return "\n".join(lines[:2]) + (" ..." if len(lines) > 2 else "")


def _axes(shown: Sequence[Row], left: int, top: int) -> _Axes:
    costs = [max(row.cpu_per_megapixel, _LEAST_COST) for row in shown]
    ratios = [row.psnr for row in shown]
    room = max(0.3, (max(ratios) - min(ratios)) * 0.1)
    return _Axes(
        left,
        top,
        (min(costs) / _ROOM, max(costs) * _ROOM),
        (min(ratios) - room, max(ratios) + room),
    )


def _grid(draw: ImageDraw.ImageDraw, axes: _Axes, font: _Font) -> None:
    left, top, right, bottom = axes.box
    for cost in _costs_marked(*axes.costs):
        x = axes.x(cost)
        draw.line((x, top, x, bottom), _RULE, 2)
        draw.text((x, bottom + 20), f"{cost:g}", _INK, font, anchor="mm")
    for ratio in _ratios_marked(*axes.ratios):
        y = axes.y(ratio)
        draw.line((left, y, right, y), _RULE, 2)
        draw.text((left - 12, y), f"{ratio:g}", _INK, font, anchor="rm")
    draw.rectangle(axes.box, None, _INK, 2)


def _costs_marked(low: float, high: float) -> list[float]:
    """List 1, 2, 5, 10 and so on, or powers of ten alone where they would be crowded."""
    steps = (1.0, 2.0, 5.0) if high / low < 300 else (1.0,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    marks = [step * 10.0**power for power in powers for step in steps]
    return [mark for mark in marks if low <= mark <= high]


def _ratios_marked(low: float, high: float) -> list[float]:
    step = next(step for step in (0.2, 0.5, 1, 2, 5, 10, 20, 50) if (high - low) / step <= 8)
    return [step * k for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _points(draw: ImageDraw.ImageDraw, axes: _Axes, shown: Sequence[Row]) -> None:
    font = ImageFont.load_default(_TEXT)
    # Ours first: they get the best places for their labels.
    ordered = sorted(shown, key=lambda row: (row.method in _RIVALS, -row.psnr))
    places = [(axes.x(max(r.cpu_per_megapixel, _LEAST_COST)), axes.y(r.psnr)) for r in ordered]
    taken: list[_Box] = [_around(x, y, _RADIUS, _RADIUS) for x, y in places]
    for row, (x, y) in zip(ordered, places, strict=True):
        ours = row.method not in _RIVALS
        colour = _OURS if ours else _RIVAL
        text = f"{row.method} (ours)" if ours else row.method
        box = _free_place(x, y, font.getlength(text) / 2, _TEXT * 0.6, taken, axes.box)
        taken.append(box)
        centre = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        near = min(max(x, box[0]), box[2]), min(max(y, box[1]), box[3])
        if math.dist(near, (x, y)) > 3 * _RADIUS:
            draw.line((x, y, *near), colour, 2)
        draw.ellipse(_around(x, y, _RADIUS, _RADIUS), colour)
        draw.text(centre, text, colour, font, anchor="mm")


def _free_place(
    x: float, y: float, across: float, down: float, taken: Sequence[_Box], bounds: _Box
) -> _Box:
    """Return the place near a point where a label, of half sizes `across`, `down`, covers least."""

    def covered(box: _Box) -> float:
        inside = _common(box, bounds)
        outside = (box[2] - box[0]) * (box[3] - box[1]) - inside
        return outside + sum(_common(box, other) for other in taken)

    # The first of equals is taken, and the nearest places come first.
    places = [_within(box, bounds) for box in _places(x, y, across, down)]
    return min(places, key=lambda box: round(covered(box), 3))


def _places(x: float, y: float, across: float, down: float) -> Iterator[_Box]:
    for ring in range(5):
        apart = _RADIUS + _GAP + ring * down
        for right, under in ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1)):
            yield _around(x + right * (across + apart), y + under * (down + apart), across, down)


def _within(box: _Box, bounds: _Box) -> _Box:
    """Shift a box to the left or right until it is in bounds, if it fits at all."""
    shift = min(0.0, bounds[2] - _GAP - box[2]) or max(0.0, bounds[0] + _GAP - box[0])
    return box[0] + shift, box[1], box[2] + shift, box[3]


def _around(x: float, y: float, across: float, down: float) -> _Box:
    return x - across, y - down, x + across, y + down


def _common(a: _Box, b: _Box) -> float:
    """Area that two boxes share."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(width, 0.0) * max(height, 0.0)


def main(argv: Sequence[str] | None = None) -> int:
    """Draw the rows of a JSON file."""
    parser = argparse.ArgumentParser(
        prog="cost_chart.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("rows", type=Path, nargs="+", help="written by quality.py --json")
    parser.add_argument("picture", type=Path, help="picture to write, by its name's ending")
    options = parser.parse_args(argv)
    try:
        check_picture(options.picture)
        rows = [row for path in options.rows for row in read_json(path)]
        draw_costs(rows).save(options.picture)
    except (BenchmarkError, OSError) as error:
        print(f"cost_chart.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
