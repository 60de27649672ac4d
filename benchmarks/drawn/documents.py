"""Pages of text, forms, and receipts as a telephone sees them under a lamp."""

from __future__ import annotations

from functools import partial

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.drawn.canvas import (
    Colour,
    Drawing,
    Font,
    Rng,
    as_jpeg,
    exposed,
    font,
    fractal,
    glow,
    samples,
    tint,
)
from benchmarks.sets import Floats, Samples
from ldrps_engine.colour.srgb import decode

_WORDS = (
    *("the", "light", "of", "a", "lamp", "on", "paper", "is", "never", "even", "and", "page"),
    *("read", "by", "edges", "not", "its", "mean", "when", "letters", "are", "black", "ground"),
    *("white", "nothing", "wrong", "with", "it", "whatever", "histogram", "says", "in", "spring"),
    *("river", "rose", "above", "lower", "meadow", "they", "moved", "boats", "to", "mill", "where"),
    *("Anna", "kept", "ledger", "1874", "sums", "brown", "ink", "tariff", "invoice", "quantity"),
)
_ITEMS = ("Bread", "Milk 1l", "Apples", "Coffee", "Rice 2kg", "Soap", "Batteries", "Tea", "Lemons")


def prose(rng: Rng, letters: int) -> str:
    """Words for about so many letters, with full stops."""
    words: list[str] = []
    while sum(map(len, words)) + len(words) < letters:
        word = str(rng.choice(_WORDS))
        words.append(word.capitalize() if not words or words[-1].endswith(".") else word)
        if rng.random() < 0.1:
            words[-1] += "."
    return " ".join(words)


def fill(
    draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], face: Font, ink: Colour, rng: Rng
) -> None:
    """Write prose into (left, top, right, bottom), line by line, with paragraphs."""
    left, top, right, bottom = box
    step = round(face.size * 1.4)
    for y in range(top, bottom - step, step):
        if rng.random() < 0.06:
            continue
        line = prose(rng, 200)
        while draw.textlength(line, face) > right - left:
            line = line.rpartition(" ")[0]
        draw.text((left, y), line, ink, face)


def page(
    rng: Rng, face: str, size: int, ink: Colour = (0, 0, 0), paper: Colour = (255, 255, 255)
) -> Samples:
    """A page with a heading and one column."""
    image = Image.new("RGB", (620, 877), paper)
    draw = ImageDraw.Draw(image)
    draw.text((60, 60), prose(rng, 24), ink, font("bold", round(size * 1.6)))
    fill(draw, (60, 120, 560, 820), font(face, size), ink, rng)
    return samples(image)


def columns(rng: Rng) -> Samples:
    """Two columns with a figure, as a paper has them."""
    image = Image.new("RGB", (850, 1100), "white")
    draw = ImageDraw.Draw(image)
    draw.text((70, 60), prose(rng, 40), "black", font("serif", 26))
    for left in (70, 440):
        fill(draw, (left, 130, left + 340, 1040), font("serif", 13), (0, 0, 0), rng)
    draw.rectangle((440, 130, 780, 360), "white", "black")
    heights = rng.uniform(140, 340, 24)
    draw.line([(450 + 14 * k, float(y)) for k, y in enumerate(heights)], "black", 2)
    return samples(image)


def form(rng: Rng, shade: int) -> Samples:
    """Boxes with labels and typed entries."""
    image = Image.new("RGB", (850, 1000), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((40, 40, 810, 100), (shade,) * 3, "black")
    draw.text((60, 55), "Form 27-B: request for a permit", "black", font("bold", 24))
    for row in range(14):
        for column in range(3):
            left, top = 40 + 257 * column, 120 + 60 * row
            draw.rectangle((left, top, left + 257, top + 60), None, "black")
            draw.text((left + 6, top + 4), prose(rng, 14), (60, 60, 60), font("sans", 11))
            if rng.random() < 0.6:
                draw.text((left + 12, top + 26), prose(rng, 16), (10, 20, 90), font("mono", 16))
    return samples(image)


def typescript(rng: Rng) -> Samples:
    """A scanned typescript on yellowish paper, its letters unevenly inked: old, and readable."""
    image = Image.new("L", (700, 900), 255)
    draw = ImageDraw.Draw(image)
    fill_grey = font("mono", 15)
    for y in range(80, 830, 24):
        draw.text((70, y), prose(rng, 58)[:60], 20, fill_grey)
    ink = 1 - np.asarray(image, dtype=np.float64) / 255
    ink *= np.clip(0.85 + 0.15 * fractal(rng, ink.shape, 1.0), 0, 1)
    paper = 1 + 0.012 * fractal(rng, ink.shape, 1.2)
    light = decode(np.array([0.95, 0.92, 0.84])) * paper[..., None]
    return exposed(light * (1 - 0.93 * ink[..., None]), rng, noise=0.6, soft=0.7)


def _slip(rng: Rng) -> Image.Image:
    """A receipt, flat and evenly lit."""
    image = Image.new("RGB", (300, 640), (250, 250, 248))
    draw, face = ImageDraw.Draw(image), font("mono", 15)
    draw.text((150, 30), "CORNER SHOP", (25, 25, 30), font("bold", 24), anchor="mm")
    draw.text((150, 58), "12 Mill Lane", (25, 25, 30), face, anchor="mm")
    total = 0.0
    for row in range(int(rng.integers(9, 18))):
        price = round(float(rng.uniform(0.5, 19)), 2)
        total += price
        y = 90 + 24 * row
        draw.text((20, y), str(rng.choice(_ITEMS)), (30, 30, 35), face)
        draw.text((280, y), f"{price:.2f}", (30, 30, 35), face, anchor="ra")
    draw.text((20, 540), "TOTAL", (20, 20, 25), font("bold", 20))
    draw.text((280, 540), f"{total:.2f}", (20, 20, 25), font("bold", 20), anchor="ra")
    for x in range(40, 260, 4):
        draw.line((x, 580, x, 620), (20, 20, 20), int(rng.integers(1, 4)))
    return image


def receipt(rng: Rng, ambient: float, tilt: float, table: Floats) -> Samples:
    """A receipt on a table: one lamp, the shadow of a hand, and a telephone's JPEG."""
    height, width = 760, 560
    slip = _slip(rng).convert("RGBA").rotate(tilt, Image.Resampling.BICUBIC, expand=True)
    sheet = Image.new("RGBA", (width, height))
    sheet.paste(slip, ((width - slip.width) // 2, (height - slip.height) // 2))
    layer = np.asarray(sheet, dtype=np.float64) / 255
    grain = 1 + 0.2 * fractal(rng, (height, width), 1.6, across=0.15)[..., None]
    albedo = table * np.clip(grain, 0.3, None)
    cover = layer[..., 3:]
    albedo = albedo * (1 - cover) + decode(layer[..., :3]) * cover
    lamp = glow((height, width), (width * 0.75, height * 0.25), 0.55 * width)
    shadow = glow((height, width), (width * 0.1, height * 0.8), 0.3 * width)
    light = (ambient + (1 - ambient) * lamp) * (1 - 0.45 * shadow)
    warm = tint(1.0, 0.93, 0.82)
    return as_jpeg(exposed(albedo * light[..., None] * warm, rng, noise=0.8, soft=0.8), 88)


_CREAM, _NIGHT = (250, 243, 224), (20, 20, 24)
_OAK, _SLATE, _CLOTH = tint(0.25, 0.13, 0.06), tint(0.06, 0.065, 0.07), tint(0.45, 0.42, 0.4)

DRAWINGS = (
    *(
        Drawing(f"page_{face}_{size}", "text page", partial(page, face=face, size=size))
        for face, size in (
            *(("serif", 11), ("serif", 17), ("serif", 28), ("sans", 13), ("sans", 21)),
            *(("mono", 14), ("condensed", 12), ("italic", 18)),
        )
    ),
    Drawing("page_cream", "text page", partial(page, face="serif", size=16, paper=_CREAM)),
    Drawing("page_grey_ink", "text page", partial(page, face="sans", size=15, ink=(110, 110, 110))),
    Drawing(
        "page_white_on_black",
        "text page",
        partial(page, face="sans", size=18, ink=(235, 235, 235), paper=_NIGHT),
    ),
    Drawing("page_columns", "text page", columns),
    Drawing("page_typescript", "text page", typescript),
    Drawing("form_grey_heading", "form", partial(form, shade=200)),
    Drawing("form_dark_heading", "form", partial(form, shade=120)),
    Drawing("receipt_oak", "receipt", partial(receipt, ambient=0.35, tilt=4.0, table=_OAK)),
    Drawing("receipt_slate", "receipt", partial(receipt, ambient=0.5, tilt=-7.0, table=_SLATE)),
    Drawing("receipt_cloth", "receipt", partial(receipt, ambient=0.6, tilt=2.0, table=_CLOTH)),
    Drawing("receipt_one_lamp", "receipt", partial(receipt, ambient=0.2, tilt=11.0, table=_OAK)),
)
