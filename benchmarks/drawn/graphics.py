"""Flat drawings, cartoons, charts, diagrams and codes."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.drawn.canvas import (
    SMOOTHING,
    Colour,
    Drawing,
    Rng,
    exposed,
    font,
    fractal,
    glow,
    samples,
)
from benchmarks.drawn.documents import prose
from benchmarks.errors import BenchmarkError
from benchmarks.sets import Samples
from ldrps_engine.colour.srgb import decode

_FLAT: tuple[Colour, ...] = (
    *((239, 71, 111), (255, 209, 102), (6, 214, 160), (17, 138, 178), (7, 59, 76)),
    *((155, 93, 229), (244, 162, 97), (42, 157, 143)),
)


def _canvas(width: int, height: int, ground: Colour) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (width, height), ground)
    return image, ImageDraw.Draw(image)


def _smooth(image: Image.Image) -> Samples:
    """Reduce a drawing made SMOOTHING-fold, so that its edges are soft."""
    size = image.width // SMOOTHING, image.height // SMOOTHING
    return samples(image.resize(size, Image.Resampling.BOX))


def flat_wallpaper(rng: Rng, tones: tuple[Colour, Colour], accent: Colour) -> Samples:
    """Layers of one flat colour each, near each other in tone, and one accent: a desktop's."""
    image, draw = _canvas(768 * SMOOTHING, 480 * SMOOTHING, tones[0])
    near, far = np.array(tones[1], float), np.array(tones[0], float)
    x = np.linspace(0, 1, 60)
    for layer in range(1, 5):
        colour = tuple(int(v) for v in far + (near - far) * layer / 4)
        waves = 0.06 * np.sin(x * rng.uniform(5, 12) + rng.uniform(0, 6))
        y = 0.25 + 0.16 * layer + waves
        outline = [
            (float(a) * image.width, float(b) * image.height) for a, b in zip(x, y, strict=True)
        ]
        draw.polygon([*outline, (image.width, image.height), (0, image.height)], colour)
    left, top = image.width * 0.62, image.height * 0.16
    draw.ellipse((left, top, left + 270, top + 270), accent)
    return _smooth(image)


def cartoon(rng: Rng, ground: Colour) -> Samples:
    """Faces with thick outlines and flat colours."""
    scale = SMOOTHING
    image, draw = _canvas(640 * scale, 420 * scale, ground)
    draw.rectangle((0, 330 * scale, image.width, image.height), _FLAT[2])
    for index in range(3):
        x, y, size = (110 + 210 * index) * scale, int(rng.integers(180, 240)) * scale, 80 * scale
        skin, shirt = _FLAT[(index + 1) % 8], _FLAT[(index + 5) % 8]
        wide = 4 * scale
        draw.rounded_rectangle(
            (x - size, y + size * 0.8, x + size, y + 3 * size), size // 2, shirt, (0, 0, 0), wide
        )
        draw.ellipse((x - size, y - size, x + size, y + size), skin, (0, 0, 0), wide)
        for side in (-1, 1):
            eye = x + side * size * 0.38
            draw.ellipse((eye - 50, y - 90, eye + 50, y + 10), (255, 255, 255), (0, 0, 0), wide)
            draw.ellipse((eye - 16, y - 50, eye + 16, y - 10), (0, 0, 0))
        draw.arc((x - 100, y - 10, x + 100, y + 140), 20, 160, (0, 0, 0), 2 * wide)
    return _smooth(image)


def comic(rng: Rng) -> Samples:
    """A page of black and white panels with hatching and balloons."""
    image, draw = _canvas(620 * 2, 860 * 2, (255, 255, 255))
    for row in range(3):
        for column in range(2):
            left, top = 40 + 590 * column, 40 + 560 * row
            draw.rectangle((left, top, left + 560, top + 530), (255,) * 3, (0, 0, 0), 6)
            for k in range(int(rng.integers(20, 60))):
                x = left + 10 + 9 * k
                draw.line((x, top + 520, min(x + 120, left + 555), top + 330), (0, 0, 0), 3)
            size = int(rng.integers(80, 130))
            x, y = left + int(rng.integers(150, 400)), top + 330
            draw.ellipse((x - size, y - size, x + size, y + size), (255,) * 3, (0, 0, 0), 6)
            draw.ellipse((x - 30, y - 30, x - 14, y - 8), (0, 0, 0))
            draw.ellipse((x + 14, y - 30, x + 30, y - 8), (0, 0, 0))
            draw.ellipse((left + 40, top + 20, left + 520, top + 150), (255,) * 3, (0, 0, 0), 5)
            draw.text((left + 280, top + 85), prose(rng, 20), (0,) * 3, font("bold", 28), "mm")
    return samples(image.resize((620, 860), Image.Resampling.BOX))


def pencil(rng: Rng) -> Samples:
    """A line drawing in grey pencil on white."""
    image, draw = _canvas(640 * 2, 480 * 2, (252, 252, 250))
    for _ in range(14):
        x, y = rng.uniform(100, 1180), rng.uniform(100, 860)
        turn, size = rng.uniform(0, 6.28), rng.uniform(60, 240)
        for stroke in range(30):
            angle = np.linspace(0, 6.28, 40) + turn
            wobble = size * (1 + 0.03 * stroke / 10 * np.sin(3 * angle + stroke))
            points = list(
                zip(x + wobble * np.cos(angle), y + 0.6 * wobble * np.sin(angle), strict=True)
            )
            if stroke % 10 == 0:
                draw.line(points, (95, 95, 100), 3)
    return samples(image.resize((640, 480), Image.Resampling.BOX))


def chart(rng: Rng, kind: str, ground: Colour, ink: Colour) -> Samples:
    """Bars, lines, or a scatter of points, with axes and words."""
    image, draw = _canvas(800, 520, ground)
    draw.text((400, 24), prose(rng, 30), ink, font("bold", 20), anchor="mm")
    draw.line((80, 60, 80, 450, 760, 450), ink, 2)
    for tick in range(6):
        draw.text((70, 450 - 70 * tick), str(20 * tick), ink, font("sans", 13), anchor="rm")
        if tick:
            draw.line((80, 450 - 70 * tick, 760, 450 - 70 * tick), (128, 128, 128))
    for series in range(3):
        colour, y = _FLAT[2 * series], 450 - 350 * rng.beta(2, 2, 12)
        x = 110 + 56 * np.arange(12)
        if kind == "bars":
            for a, b in zip(x.tolist(), y.tolist(), strict=True):
                draw.rectangle((a + 14 * series, b, a + 14 * series + 12, 450), colour)
        elif kind == "lines":
            draw.line(list(zip(x.tolist(), y.tolist(), strict=True)), colour, 3)
        else:
            for a, b in zip(80 + 680 * rng.random(150), 450 - 380 * rng.random(150), strict=True):
                draw.ellipse((a - 3, b - 3, a + 3, b + 3), colour)
    return samples(image)


def pie(rng: Rng) -> Samples:
    """Slices with names."""
    image, draw = _canvas(640 * SMOOTHING, 480 * SMOOTHING, (255, 255, 255))
    ends = np.concatenate([[0.0], np.cumsum(rng.dirichlet(np.ones(6)))]) * 360
    box = (420, 180, 1420, 1180)
    for index in range(6):
        draw.pieslice(box, ends[index], ends[index + 1], _FLAT[index], (255, 255, 255), 8)
        middle = math.radians(float(ends[index] + ends[index + 1]) / 2)
        x, y = 920 + 620 * math.cos(middle), 680 + 620 * math.sin(middle)
        draw.text((x, y), prose(rng, 6), (30, 30, 30), font("sans", 42), anchor="mm")
    return _smooth(image)


def flow(rng: Rng, ground: Colour, ink: Colour) -> Samples:
    """Boxes and arrows."""
    image, draw = _canvas(820, 560, ground)
    for row in range(4):
        for column in range(3):
            left, top = 50 + 260 * column, 40 + 130 * row
            draw.rounded_rectangle((left, top, left + 190, top + 70), 8, None, ink, 2)
            text = prose(rng, 12)[:20]
            draw.text((left + 95, top + 35), text, ink, font("sans", 14), anchor="mm")
            if column < 2:
                draw.line((left + 190, top + 35, left + 260, top + 35), ink, 2)
                arrow = [(left + 250, top + 29), (left + 260, top + 35), (left + 250, top + 41)]
                draw.polygon(arrow, ink)
            if row < 3 and rng.random() < 0.6:
                draw.line((left + 95, top + 70, left + 95, top + 130), ink, 2)
    return samples(image)


def logo(rng: Rng, ground: Colour, ink: Colour) -> Samples:
    """A sign and a word on one flat colour."""
    image, draw = _canvas(720 * SMOOTHING, 450 * SMOOTHING, ground)
    for ring in range(3):
        reach = 300 - 90 * ring
        box = (620 - reach, 675 - reach, 620 + reach, 675 + reach)
        draw.arc(box, float(rng.uniform(0, 90)), float(rng.uniform(200, 330)), ink, 45)
    draw.text((1000, 675), "Northwind", ink, font("bold", 170), anchor="lm")
    return _smooth(image)


def code_plane(text: str, module: int) -> Samples:
    """A QR code with its quiet zone, (side, side) of 0 and 255."""
    try:
        import cv2
    except ImportError:
        raise BenchmarkError(
            "QR codes need OpenCV; install it with pip install -r benchmarks/requirements.txt"
        ) from None
    encoded = np.asarray(cv2.QRCodeEncoder.create().encode(text), np.uint8)
    quiet = np.pad(encoded, 2, constant_values=255)
    return quiet.repeat(module, axis=0).repeat(module, axis=1)


def code(_: Rng, text: str, module: int) -> Samples:
    """A QR code as a file."""
    return np.repeat(code_plane(text, module)[..., None], 3, axis=2)


def code_on_wall(rng: Rng, text: str) -> Samples:
    """A QR code on a plastered wall, lit from one side."""
    plane = code_plane(text, 8)
    height, width = plane.shape[0] + 220, plane.shape[1] + 380
    wall = 0.45 + 0.03 * fractal(rng, (height, width), 1.5)
    wall[110 : 110 + plane.shape[0], 150 : 150 + plane.shape[1]] = 0.03 + 0.8 * (plane > 0)
    light = 0.35 + 0.65 * glow((height, width), (0, height / 3), 0.7 * width)
    warm = decode(np.array([1.0, 0.96, 0.9]))
    return exposed((wall * light)[..., None] * warm, rng, soft=0.9)


_WHITE, _BLACK, _INK = (255, 255, 255), (0, 0, 0), (30, 30, 30)
_ADDRESS = "https://example.org/menu?table="

DRAWINGS = (
    *(
        Drawing(f"flat_wallpaper_{name}", "flat drawing", partial(flat_wallpaper, tones=tones,
                                                                  accent=accent))
        for name, tones, accent in (
            ("dark_grey", ((53, 53, 53), (38, 38, 40)), (92, 92, 92)),
            ("dusk", ((72, 61, 98), (24, 20, 44)), (255, 180, 120)),
            ("pastel", ((235, 228, 220), (196, 214, 208)), (255, 250, 240)),
            ("mint", ((178, 223, 206), (70, 140, 125)), (250, 240, 200)),
        )
    ),
    Drawing("cartoon_day", "cartoon", partial(cartoon, ground=(135, 206, 250))),
    Drawing("cartoon_night", "cartoon", partial(cartoon, ground=(28, 32, 66))),
    Drawing("comic_page", "cartoon", comic),
    Drawing("pencil_drawing", "flat drawing", pencil),
    *(
        Drawing(f"chart_{kind}_{name}", "chart", partial(chart, kind=kind, ground=ground, ink=ink))
        for kind, name, ground, ink in (
            ("bars", "light", _WHITE, _INK),
            ("lines", "light", (250, 250, 246), _INK),
            ("points", "light", _WHITE, _INK),
            ("lines", "dark", (30, 33, 40), (220, 220, 220)),
        )
    ),
    Drawing("chart_pie", "chart", pie),
    Drawing("diagram_light", "diagram", partial(flow, ground=_WHITE, ink=_INK)),
    Drawing("diagram_blueprint", "diagram", partial(flow, ground=(22, 60, 120),
                                                    ink=(225, 235, 250))),
    Drawing("logo_on_white", "flat drawing", partial(logo, ground=_WHITE, ink=(200, 30, 50))),
    Drawing("logo_on_black", "flat drawing", partial(logo, ground=_BLACK, ink=(240, 240, 240))),
    Drawing("qr_small", "QR code", partial(code, text=_ADDRESS + "12", module=8)),
    Drawing("qr_large", "QR code", partial(code, text=_ADDRESS + "7&" + "ticket=" * 20, module=10)),
    Drawing("qr_on_wall", "QR code", partial(code_on_wall, text=_ADDRESS + "3")),
)  # fmt: skip
