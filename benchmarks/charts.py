"""Confusion matrix and reliability diagram as pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PIL import Image, ImageDraw, ImageFont

from benchmarks.calibration import Reliability

_CELL = 84
_PANEL, _EDGE = 240, 56
_ACROSS = 4
_INK, _RULE, _BAR, _LINE = (30, 30, 30), (205, 205, 205), (120, 165, 215), (200, 60, 50)


def draw_matrix(
    counts: Sequence[Sequence[int]],
    rows: Sequence[str],
    columns: Sequence[str],
    is_right: Callable[[str, str], bool],
    of: Sequence[int] | None = None,
) -> Image.Image:
    """Draw counts, darker the larger their share of the row; green where they are right.

    `of` is how many there are in each row; None: what the row adds up to.
    """
    small, large = ImageFont.load_default(15), ImageFont.load_default(20)
    totals = of or [sum(line) for line in counts]
    labels = [f"{row} ({total})" if of else row for row, total in zip(rows, totals, strict=True)]
    margin = max(100, round(max(small.getlength(label) for label in labels)) + 24)
    size = (margin + _CELL * len(columns) + 10, 100 + _CELL * len(rows) + 10)
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    draw.text((10, 10), "is \\ called", "black", small)
    for k, label in enumerate(columns):
        draw.text((margin + _CELL * k + _CELL // 2, 80), label, "black", small, anchor="mm")
    for row, line in enumerate(counts):
        top = 100 + _CELL * row
        draw.text((margin - 12, top + _CELL // 2), labels[row], "black", small, anchor="rm")
        for column, count in enumerate(line):
            left, shade = margin + _CELL * column, round(255 - 200 * count / max(1, totals[row]))
            right = is_right(rows[row], columns[column])
            colour = (shade, 255 - round(60 * (255 - shade) / 200), shade)
            box = (left, top, left + _CELL, top + _CELL)
            draw.rectangle(box, colour if right else (255, shade, shade), "grey")
            centre = (left + _CELL // 2, top + _CELL // 2)
            draw.text(centre, str(count) if count else "", "black", large, anchor="mm")
    return picture


def draw_reliability(found: Sequence[Reliability]) -> Image.Image:
    """Draw a panel for each: what was said across, what holds up, the diagonal is honest."""
    down = -(-len(found) // _ACROSS)
    size = min(len(found), _ACROSS) * (_PANEL + _EDGE) + 20, down * (_PANEL + 2 * _EDGE) + 10
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    for index, one in enumerate(found):
        left = _EDGE + (index % _ACROSS) * (_PANEL + _EDGE)
        _panel(draw, one, left, _EDGE + (index // _ACROSS) * (_PANEL + 2 * _EDGE))
    return picture


def _panel(draw: ImageDraw.ImageDraw, found: Reliability, left: int, top: int) -> None:
    small, heading = ImageFont.load_default(12), ImageFont.load_default(16)
    bottom = top + _PANEL
    draw.text((left, top - 42), f"{found.finding}", _INK, heading)
    words = f"{found.holding} of {found.count} hold, calibration error {found.error:.3f}"
    draw.text((left, top - 20), words, _INK, small)
    for tick in range(0, 11, 2):
        at = _PANEL * tick / 10
        draw.line((left, bottom - at, left + _PANEL, bottom - at), _RULE)
        draw.text((left - 6, bottom - at), f"{tick / 10:g}", _INK, small, anchor="rm")
        draw.text((left + at, bottom + 12), f"{tick / 10:g}", _INK, small, anchor="mm")
    points = []
    for part in found.bins:
        x, y = left + _PANEL * part.probability, bottom - _PANEL * part.share
        draw.rectangle((max(x - 9, left), y, min(x + 9, left + _PANEL), bottom), _BAR)
        above = y - 8 if y - 16 > top else y + 10
        inside = min(max(x, left + 12), left + _PANEL - 12)
        draw.text((inside, above), str(part.count), _INK, small, anchor="mm")
        points.append((x, y))
    draw.line((left, bottom, left + _PANEL, top), _INK)
    if len(points) > 1:
        draw.line(points, _LINE, 2)
    draw.rectangle((left, top, left + _PANEL, bottom), None, _INK)
    draw.text((left + _PANEL / 2, bottom + 28), "probability", _INK, small, anchor="mm")
