"""Scenes that are dark or bright on purpose: night skies, low key, high key, candles, neon."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from PIL import ImageDraw

from benchmarks.drawn.canvas import (
    SMOOTHING,
    Drawing,
    Rng,
    below,
    blurred,
    exposed,
    font,
    fractal,
    glow,
    mask,
    over,
    polygons,
    ridge,
    tint,
)
from benchmarks.drawn.weather import conifers, person
from benchmarks.sets import Floats, Samples

_SIZE = (480, 720)


def stars(rng: Rng, band: float, moon: bool, trails: float) -> Samples:
    """A night sky above a wood: stars of all magnitudes, and a milky band or a moon."""
    height, width = _SIZE
    up = np.linspace(0, 1, height)[:, None, None]
    light = np.broadcast_to(tint(0.004, 0.006, 0.013) + up * tint(0.012, 0.012, 0.014),
                            (*_SIZE, 3)).copy()  # fmt: skip
    y, x = np.mgrid[:height, :width]
    across = (x - 0.55 * width) * 0.8 + (y - 0.4 * height) * 0.6
    milk = np.exp(-((across / 70) ** 2)) * np.clip(1 + 0.5 * fractal(rng, _SIZE, 2.0), 0, None)
    light += band * milk[..., None] * tint(0.05, 0.045, 0.05)
    light += _star_field(rng, round(500 + 2200 * band), milk if band else None, trails)
    if moon:
        spot = 0.78 * width, 0.2 * height
        light += glow(_SIZE, spot, 60)[..., None] * tint(0.02, 0.02, 0.022)
        light = over(light, tint(0.9, 0.88, 0.8), np.clip(glow(_SIZE, spot, 12) * 8 - 4, 0, 1))
    land = height * 0.87 + 12 * ridge(rng, width)
    cover = np.maximum(below(_SIZE, land), polygons(_SIZE, conifers(rng, land, 80, 90)))
    return exposed(over(light, tint(0.0015, 0.002, 0.002), cover), rng, noise=0.9, soft=0.5)


def _star_field(rng: Rng, count: int, where: Floats | None, trails: float) -> Floats:
    """Points, or arcs of `trails` radians around the pole, with a power law of brightness."""
    height, width = _SIZE
    field = np.zeros((*_SIZE, 3))
    flux = np.minimum(0.03 * (1 - rng.random(count)) ** -0.8, 6.0)
    warm = rng.uniform(-0.25, 0.25, count)
    spots = rng.random((count, 2)) * _SIZE
    if where is not None:
        chosen = rng.choice(where.size, count, p=(where + 0.15).ravel() / (where + 0.15).sum())
        spots = np.stack(np.divmod(chosen, width), axis=1).astype(np.float64)
    pole = np.array([0.45 * height, 0.5 * width])
    for spot, strength, colour in zip(spots, flux, warm, strict=True):
        away = spot - pole
        steps = max(1, round(float(np.hypot(*away)) * trails))
        turn = math.atan2(*away) + np.linspace(0, trails, steps)
        rows = np.rint(pole[0] + np.hypot(*away) * np.sin(turn)).astype(int)
        columns = np.rint(pole[1] + np.hypot(*away) * np.cos(turn)).astype(int)
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        field[rows[inside], columns[inside]] += strength * tint(1 + colour, 1, 1 - colour)
    return np.clip(blurred(field, 0.7) * 2.5, 0, None)


def _balls(
    light: Floats, balls: list[tuple[float, float, float, Floats]], lamp: Floats, fill: Floats
) -> Floats:
    """Round things (x, y, radius, colour), lit from one direction and a little from all."""
    y, x = np.mgrid[: light.shape[0], : light.shape[1]]
    for centre_x, centre_y, radius, colour in balls:
        a, b = (x - centre_x) / radius, (y - centre_y) / radius
        inside = np.clip((1 - np.hypot(a, b)) * radius, 0, 1)
        depth = np.sqrt(np.clip(1 - a**2 - b**2, 0, 1))
        facing = np.clip(a * lamp[0] + b * lamp[1] + depth * lamp[2], 0, 1)
        shine = np.clip(a * lamp[0] * 0.6 + b * lamp[1] * 0.6 + depth * 0.9, 0, 1) ** 60
        shaded = colour * (facing[..., None] + fill * (0.6 - 0.4 * b[..., None]))
        light = over(light, shaded + 0.4 * shine[..., None] * facing[..., None], inside)
    return light


def low_key(rng: Rng, side: float, colours: tuple[Floats, ...]) -> Samples:
    """Fruit on a dark table, lit from one side: most of it is black, and meant to be."""
    height, width = _SIZE
    table = np.clip(0.006 + 0.002 * fractal(rng, _SIZE, 1.6, across=0.1), 0.0005, 1)
    wall = 0.0025 + 0.006 * glow(_SIZE, (width * (0.5 + 0.4 * side), 0.25 * height), 190)
    edge = np.full(width, 0.68 * height)
    light = over(wall[..., None] * tint(1, 0.9, 0.8), table[..., None] * tint(1, 0.6, 0.35),
                 below(_SIZE, edge))  # fmt: skip
    lamp = tint(0.9 * side, -0.35, 0.25)
    balls = [
        (width * (0.36 + 0.17 * index), height * rng.uniform(0.56, 0.64), 62.0, colour)
        for index, colour in enumerate(colours)
    ]
    return exposed(_balls(light, balls, lamp / np.linalg.norm(lamp), tint(0.01, 0.01, 0.01)), rng)


def high_key(rng: Rng, warm: Floats, pale: tuple[Floats, ...]) -> Samples:
    """Pale things on a white ground, in soft light: no black anywhere, and none is missing."""
    height, width = _SIZE
    cloth = 0.84 + 0.02 * fractal(rng, _SIZE, 2.6)
    light = np.clip(cloth, 0, 0.97)[..., None] * warm
    balls = []
    for index, colour in enumerate(pale):
        x, y = width * (0.22 + 0.19 * index), height * rng.uniform(0.45, 0.62)
        shadow = glow(_SIZE, (x + 26, y + 56), 44)[..., None]
        light = light * (1 - 0.22 * shadow)
        balls.append((x, y, 58.0, colour))
    lamp = tint(-0.4, -0.6, 0.7)
    lit = _balls(light, [(x, y, r, 0.55 * c) for x, y, r, c in balls], lamp, tint(0.85, 0.85, 0.85))
    return exposed(lit, rng)


def candle(rng: Rng, flames: int, figure: bool) -> Samples:
    """Candles on a table before a brick wall: warm and dim, with the dark that belongs to it."""
    height, width = _SIZE
    y, x = np.mgrid[:height, :width]
    row = y // 26
    joint = ((y % 26) < 3) | (((x + 30 * (row % 2)) % 60) < 3)
    wall = np.where(joint, 0.3, 0.16) * np.clip(1 + 0.2 * fractal(rng, _SIZE, 1.4), 0.3, None)
    table = np.clip(0.2 + 0.07 * fractal(rng, _SIZE, 1.8, across=0.1), 0.02, 1)
    surface = np.where(y < 0.74 * height, wall, table)
    flame, light = tint(1.0, 0.46, 0.13), np.zeros((*_SIZE, 3))
    spots = [(width * (k + 1) / (flames + 1), height * 0.5) for k in range(flames)]
    for spot in spots:
        distance = (x - spot[0]) ** 2 + (y - spot[1]) ** 2
        light += (surface * 9000 / (distance + 9000))[..., None] * flame * 0.9 / math.sqrt(flames)
    for a, b in spots:
        wax = [(a - 14, b + 26), (a + 14, b + 26), (a + 14, b + 150), (a - 14, b + 150)]
        drop = np.linspace(0.9, 0.12, height)[:, None, None] * flame
        light = over(light, np.broadcast_to(drop * 0.7, (*_SIZE, 3)), polygons(_SIZE, [wax]))
        light = light + glow(_SIZE, (a, b), 26)[..., None] * flame * 0.5
        tongue = [(a, b - 30), (a + 9, b + 4), (a, b + 20), (a - 9, b + 4)]
        light = over(light, tint(2.5, 1.7, 0.7), polygons(_SIZE, [tongue]))
    if figure:
        light = over(light, tint(0.01, 0.005, 0.002), polygons(_SIZE, person(110, 500, 330)))
    return exposed(light, rng, noise=0.9, soft=0.8)


def neon(rng: Rng, word: str, colour: Floats) -> Samples:
    """A neon sign over a wet street at night."""
    height, width = _SIZE
    line = int(0.62 * height)

    def paint(draw: ImageDraw.ImageDraw) -> None:
        place = width * SMOOTHING // 2, int(0.32 * height) * SMOOTHING
        draw.text(place, word, 0, font("bold", 110 * SMOOTHING), anchor="mm",
                  stroke_width=4 * SMOOTHING, stroke_fill=255)  # fmt: skip

    tube = mask(_SIZE, paint)
    wide = blurred(np.repeat(tube[..., None], 3, axis=2), 26)
    wall = np.clip(0.05 + 0.012 * fractal(rng, _SIZE, 1.2), 0.005, 1)[..., None]
    light = wall * (0.06 + 7 * wide * colour) + 0.3 * wide * colour
    light = over(light, 1.6 * colour + 0.5, tube)
    for index in range(5):
        left = 40 + 140 * index
        pane = [(left, 0.47 * height), (left + 60, 0.47 * height), (left + 60, line), (left, line)]
        light = over(light, tint(0.16, 0.1, 0.04) * rng.uniform(0.1, 1.5), polygons(_SIZE, [pane]))
    wet = np.clip(0.3 + 0.2 * fractal(rng, (height - line, width), 1.6, across=0.2), 0.03, 1)
    light[line:] = blurred(light[line - 1 :: -1], 3)[: height - line] * wet[..., None]
    return exposed(light, rng, noise=0.9)


_FRUIT = tint(0.55, 0.06, 0.03), tint(0.6, 0.35, 0.03), tint(0.25, 0.4, 0.05)
_WAX = tint(0.6, 0.57, 0.5), tint(0.4, 0.38, 0.36)
_EGGS = tint(0.95, 0.88, 0.8), tint(0.96, 0.94, 0.9), tint(0.93, 0.84, 0.74), tint(0.97, 0.96, 0.95)
_PETALS = tint(0.95, 0.8, 0.82), tint(0.96, 0.93, 0.84), tint(0.86, 0.9, 0.95)

DRAWINGS = (
    *(
        Drawing(f"night_sky_{name}", "night sky", partial(stars, band=b, moon=m, trails=t))
        for name, b, m, t in (
            ("milky", 1.0, False, 0.0),
            ("moon", 0.0, True, 0.0),
            ("plain", 0.0, False, 0.0),
            ("faint_band", 0.4, False, 0.0),
            ("trails", 0.0, False, 0.5),
        )
    ),
    Drawing("low_key_fruit", "low key", partial(low_key, side=-1.0, colours=_FRUIT)),
    Drawing("low_key_right", "low key", partial(low_key, side=1.0, colours=_FRUIT[:2])),
    Drawing("low_key_wax", "low key", partial(low_key, side=-1.0, colours=_WAX)),
    Drawing("high_key_eggs", "high key", partial(high_key, warm=tint(1, 0.99, 0.97), pale=_EGGS)),
    Drawing("high_key_petals", "high key", partial(high_key, warm=tint(1, 1, 1), pale=_PETALS)),
    Drawing(
        "high_key_cool", "high key", partial(high_key, warm=tint(0.95, 0.98, 1), pale=_EGGS[1:])
    ),
    Drawing("candle_one", "candle light", partial(candle, flames=1, figure=False)),
    Drawing("candle_three", "candle light", partial(candle, flames=3, figure=False)),
    Drawing("candle_figure", "candle light", partial(candle, flames=2, figure=True)),
    Drawing("neon_red", "neon", partial(neon, word="HOTEL", colour=tint(1.0, 0.08, 0.12))),
    Drawing("neon_blue", "neon", partial(neon, word="BAR", colour=tint(0.1, 0.35, 1.0))),
)
