"""Contact sheets: one row a photo, one column a method, labelled, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.sets import Samples

CELL = 320
"""Longest side of a picture on the sheet; smaller photos are shown pixel for pixel."""

BLOCK = 8
"""Rows below one another."""

_GAP = 8
_LINE = 22
_INK, _PAPER = (30, 30, 30), (255, 255, 255)


@dataclass(frozen=True)
class Cell:
    """One picture and the line beneath it."""

    pixels: Samples
    caption: str


def contact_sheet(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Image.Image:
    """Blocks of up to BLOCK rows side by side, so that many photos do not make a ribbon.

    Every row has a cell for each column.
    """
    blocks = [_block(columns, rows[start : start + BLOCK]) for start in range(0, len(rows), BLOCK)]
    width = sum(block.width for block in blocks) + 3 * _GAP * (len(blocks) - 1)
    sheet = Image.new("RGB", (width, max(block.height for block in blocks)), _PAPER)
    left = 0
    for block in blocks:
        sheet.paste(block, (left, 0))
        left += block.width + 3 * _GAP
    return sheet


def _block(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Image.Image:
    """Rows below one heading."""
    pictures = [[_fitted(cell.pixels) for cell in row] for row in rows]
    # A caption is wider than a very narrow picture.
    width = max(180, *(picture.width for row in pictures for picture in row))
    heights = [max(picture.height for picture in row) + _LINE + _GAP for row in pictures]
    size = (len(columns) * (width + _GAP) + _GAP, sum(heights) + _LINE + 2 * _GAP)
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    heading, font = ImageFont.load_default(17), ImageFont.load_default(13)
    lefts = [_GAP + column * (width + _GAP) for column in range(len(columns))]
    for left, name in zip(lefts, columns, strict=True):
        draw.text((left, _GAP // 2), name, _INK, heading)
    top = _LINE + _GAP
    for row, cells, height in zip(pictures, rows, heights, strict=True):
        for left, picture, cell in zip(lefts, row, cells, strict=True):
            sheet.paste(picture, (left, top))
            draw.text((left, top + picture.height + 3), cell.caption, _INK, font)
        top += height
    return sheet


def _fitted(pixels: Samples) -> Image.Image:
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((CELL, CELL), Image.Resampling.LANCZOS)
    return picture
