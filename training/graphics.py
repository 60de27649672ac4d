"""Pictures that are no photos: pages, receipts, screenshots, charts, drawings, for the recogniser.

Drawn at 480 pixels with Pillow's own font; half of the pages and receipts lie under uneven light,
turned a little, as a telephone takes them.
"""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from training.scene_pack import SIDE

_CANVAS = 480
_WORDS = (
    "the of light and paper total in a scene price with from 12.40 for window 3,99 to no that is"
)


def draw(rng: random.Random) -> NDArray[np.uint8]:
    """Draw one picture (160, 160, 3) that is no photo."""
    kind = rng.choice((_page, _page, _receipt, _screen, _screen, _chart, _cartoon, _cartoon))
    image = kind(rng)
    if kind in (_page, _receipt) and rng.random() < 0.5:
        image = _photographed(image, rng)
    # A part of it, so that letters and lines come in every size.
    side = _CANVAS * rng.uniform(0.6, 1.0)
    left, top = ((_CANVAS - side) * rng.random() for _ in range(2))
    box = (left, top, left + side, top + side)
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box))


def _page(rng: random.Random) -> Image.Image:
    paper = rng.randint(225, 255)
    image = Image.new(
        "RGB", (_CANVAS, _CANVAS), (paper, paper - rng.randint(0, 12), paper - rng.randint(0, 30))
    )
    ink = rng.randint(0, 70)
    _lines(image, rng, rng.randint(9, 26), (ink,) * 3, rng.randint(10, 60))
    return image


def _receipt(rng: random.Random) -> Image.Image:
    # The table that it lies on.
    image = Image.new("RGB", (_CANVAS, _CANVAS), tuple(rng.randint(20, 160) for _ in range(3)))
    strip = Image.new("RGB", (rng.randint(180, 320), _CANVAS), (rng.randint(225, 250),) * 3)
    _lines(strip, rng, rng.randint(10, 18), (rng.randint(20, 90),) * 3, 12)
    image.paste(strip, (rng.randint(0, _CANVAS - strip.width), 0))
    return image


def _screen(rng: random.Random) -> Image.Image:
    dark = rng.random() < 0.5
    back = rng.randint(20, 60) if dark else rng.randint(235, 255)
    image = Image.new("RGB", (_CANVAS, _CANVAS), (back, back, min(255, back + rng.randint(0, 10))))
    pen = ImageDraw.Draw(image)
    for _ in range(rng.randint(1, 5)):
        x, y = rng.randint(0, 400), rng.randint(0, 400)
        shade = back + rng.randint(8, 40) * (1 if dark else -1)
        pen.rectangle((x, y, x + rng.randint(40, 400), y + rng.randint(20, 200)), fill=(shade,) * 3)
    for _ in range(rng.randint(1, 3)):
        colour = tuple(rng.randint(120, 230) if dark else rng.randint(0, 130) for _ in range(3))
        _lines(image, rng, rng.randint(10, 16), colour, rng.randint(0, 200))
    return image


def _chart(rng: random.Random) -> Image.Image:
    image = Image.new("RGB", (_CANVAS, _CANVAS), (rng.choice((255, 250, 30)),) * 3)
    pen = ImageDraw.Draw(image)
    for k in range(rng.randint(3, 12)):
        colour = tuple(rng.randint(0, 255) for _ in range(3))
        x = 40 + k * 34
        pen.rectangle((x, rng.randint(60, 400), x + rng.randint(10, 30), 430), fill=colour)
    points = [(40 + 40 * k, rng.randint(50, 420)) for k in range(11)]
    pen.line(points, fill=(90, 90, 90), width=rng.randint(1, 4))
    pen.line(((40, 30), (40, 430), (460, 430)), fill=(120,) * 3, width=2)
    return image


def _cartoon(rng: random.Random) -> Image.Image:
    image = Image.new("RGB", (_CANVAS, _CANVAS), _colour(rng))
    pen = ImageDraw.Draw(image)
    if rng.random() < 0.3:
        for y in range(_CANVAS):
            pen.line(((0, y), (_CANVAS, y)), fill=(y // 3 + 60, y // 4 + 90, 200 - y // 5))
    outline = (rng.randint(0, 40),) * 3 if rng.random() < 0.5 else None
    for _ in range(rng.randint(2, 12)):
        x, y = rng.randint(-60, 400), rng.randint(-60, 400)
        box = (x, y, x + rng.randint(30, 300), y + rng.randint(30, 300))
        shape = rng.choice((pen.ellipse, pen.rectangle))
        shape(box, fill=_colour(rng), outline=outline, width=rng.randint(1, 6))
        corners = [(rng.randint(-40, 520), rng.randint(-40, 520)) for _ in range(rng.randint(3, 6))]
        if rng.random() < 0.4:
            pen.polygon(corners, fill=_colour(rng), outline=outline)
    return image


def _colour(rng: random.Random) -> tuple[int, int, int]:
    if rng.random() < 0.3:
        grey = rng.randint(10, 245)
        return grey, grey, grey
    return rng.randint(0, 255), rng.randint(0, 255), rng.randint(0, 255)


def _lines(
    image: Image.Image, rng: random.Random, size: int, colour: tuple[int, ...], left: int
) -> None:
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(size)
    words = _WORDS.split()
    for y in range(rng.randint(5, 60), image.height - size, round(size * rng.uniform(1.2, 1.9))):
        if rng.random() < 0.1:
            continue
        text = " ".join(rng.choice(words) for _ in range(rng.randint(2, 16)))
        pen.text((left, y), text, fill=colour, font=font)


def _photographed(image: Image.Image, rng: random.Random) -> Image.Image:
    """Turn it a little, light it from one side, and blur it as a lens does."""
    turned = image.rotate(rng.uniform(-12, 12), Image.Resampling.BICUBIC, fillcolor=_colour(rng))
    values = np.asarray(turned.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.2))), np.float32)
    y, x = np.mgrid[-1:1:480j, -1:1:480j]
    slope = rng.uniform(-0.4, 0.4) * x + rng.uniform(-0.4, 0.4) * y
    lit = values * np.clip(rng.uniform(0.5, 0.95) + slope, 0.1, 1.05)[..., None]
    warm = np.array([1, rng.uniform(0.9, 1), rng.uniform(0.75, 1)])
    noisy = lit * warm + rng.uniform(0, 5) * np.random.default_rng(rng.getrandbits(32)).normal(
        size=lit.shape
    )
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
