"""Scenes whose light and air are meant: fog with depth, snow, sunsets, silhouettes, under water."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from benchmarks.drawn.canvas import (
    Drawing,
    Points,
    Rng,
    below,
    exposed,
    fractal,
    glow,
    over,
    polygons,
    ridge,
    tint,
)
from benchmarks.sets import Floats, Samples

_SIZE = (480, 720)


def conifers(rng: Rng, outline: Floats, height: float, count: int) -> list[Points]:
    """Outlines of firs that stand on a ridge, smaller ones between larger ones."""
    trees: list[Points] = []
    for x in rng.integers(0, len(outline), count):
        tall, foot = height * rng.uniform(0.4, 1.2), float(outline[x]) + 2
        points = [(float(x), foot - tall)]
        for level in range(1, 7):
            wide = tall * 0.2 * level / 6
            y = foot - tall * (1 - level / 6)
            points = [
                (x - wide, y + 0.03 * tall),
                (x - wide * 0.5, y),
                *points,
                (x + wide * 0.5, y),
                (x + wide, y + 0.03 * tall),
            ]
        trees.append(points)
    return trees


def tree(rng: Rng, foot: tuple[float, float], length: float) -> list[Points]:
    """A bare tree of tapering branches."""
    shapes: list[Points] = []

    def grow(x: float, y: float, angle: float, length: float, wide: float) -> None:
        if length < 4:
            return
        tip = x + length * math.cos(angle), y - length * math.sin(angle)
        across = wide * math.sin(angle), wide * math.cos(angle)
        shapes.append(
            [
                (x - across[0], y - across[1]),
                (x + across[0], y + across[1]),
                (tip[0] + 0.7 * across[0], tip[1] + 0.7 * across[1]),
                (tip[0] - 0.7 * across[0], tip[1] - 0.7 * across[1]),
            ]
        )
        for turn in (-0.5, 0.05, 0.55):
            grow(*tip, angle + turn + rng.normal(0, 0.15), length * rng.uniform(0.6, 0.8),
                 wide * 0.66)  # fmt: skip

    grow(*foot, math.pi / 2, length, length / 9)
    return shapes


def person(x: float, foot: float, tall: float) -> list[Points]:
    """A standing figure."""
    turn = np.linspace(0, 2 * math.pi, 24)
    head = [(x + 0.065 * tall * math.cos(a), foot - 0.92 * tall + 0.08 * tall * math.sin(a))
            for a in turn]  # fmt: skip
    half = [(0.0, 0.86), (0.04, 0.84), (0.13, 0.81), (0.16, 0.72), (0.15, 0.47), (0.11, 0.47),
            (0.1, 0.68), (0.1, 0.48), (0.09, 0.0), (0.02, 0.0), (0.0, 0.42)]  # fmt: skip
    right = [(x + tall * a, foot - tall * b) for a, b in half]
    left = [(x - tall * a, foot - tall * b) for a, b in reversed(half)]
    return [head, right + left]


def fog(rng: Rng, thickness: float, air: Floats) -> Samples:
    """Wooded ridges one behind the other, each paler: aerial perspective as it is in the world."""
    height, width = _SIZE
    sky = np.linspace(1.0, 0.88, height)[:, None, None]
    light = np.broadcast_to(sky * air, (height, width, 3)).copy()
    for layer in range(6):
        near = layer / 5
        outline = height * (0.3 + 0.5 * near) + ridge(rng, width) * (34 - 18 * near)
        trees = conifers(rng, outline, 10 + 95 * near**1.5, round(160 - 100 * near))
        cover = np.maximum(below(_SIZE, outline), polygons(_SIZE, trees))
        wood = np.clip(0.05 + 0.02 * fractal(rng, _SIZE, 1.2), 0.005, 1)
        leaves = wood[..., None] * tint(0.75, 1.0, 0.55)
        through = math.exp(-thickness * (1.35 - near))
        light = over(light, leaves * through + air * (1 - through), cover)
    return exposed(light, rng)


def fog_road(rng: Rng) -> Samples:
    """A road that leads into thick fog, with posts and bare trees ever paler."""
    height, width = _SIZE
    air, rows = tint(0.62, 0.64, 0.66), np.arange(height)
    horizon = 0.45 * height
    distance = 60 / np.maximum(rows - horizon, 1.0)
    through = np.where(rows > horizon, np.exp(-0.55 * distance), 0)[:, None, None]
    x = np.arange(width)[None]
    wide = np.maximum(rows - horizon, 0)[:, None] * 0.9
    road = np.clip(wide - np.abs(x - width / 2) + 0.5, 0, 1)
    grass = np.clip(0.09 + 0.03 * fractal(rng, _SIZE, 1.3), 0.01, 1)[..., None] * tint(0.7, 1, 0.4)
    asphalt = np.clip(0.06 + 0.008 * fractal(rng, _SIZE, 0.8), 0.01, 1)[..., None] * tint(1, 1, 1)
    light = over(grass, asphalt, road) * through + air * (1 - through)
    for far in (8.0, 5.0, 3.0, 1.8, 1.1):
        foot = horizon + 60 / far
        for side in (-1, 1):
            shapes = tree(rng, (width / 2 + side * 1.5 * 60 / far * 1.6, foot), 70 / far)
            seen = math.exp(-0.55 * far)
            light = over(light, tint(0.02, 0.02, 0.015) * seen + air * (1 - seen),
                         polygons(_SIZE, shapes))  # fmt: skip
    return exposed(light, rng)


def snow(rng: Rng, sky: Floats, sun: float) -> Samples:
    """Drifts, a dark wood at the edge, a few fir trees: nearly all of it white, as snow is."""
    height, width = _SIZE
    light = np.broadcast_to(sky * np.linspace(1, 0.9, height)[:, None, None], (*_SIZE, 3)).copy()
    edge = height * 0.42 + 10 * ridge(rng, width)
    wood = np.clip(0.06 + 0.03 * fractal(rng, _SIZE, 1.0), 0.01, 1)[..., None] * tint(0.8, 0.95, 1)
    light = over(light, wood, polygons(_SIZE, conifers(rng, edge, 60, 120)))
    drifts = fractal(rng, _SIZE, 4.2, across=0.3)
    shade = np.clip(
        0.74 + sun * np.gradient(drifts, axis=1) * 6 + 0.004 * fractal(rng, _SIZE, 0.6), 0.2, 0.95
    )
    ground = shade[..., None] * (sky / sky.max()) ** 0.35
    light = over(light, ground, below(_SIZE, edge))
    for x, tall in ((0.15, 190.0), (0.8, 240.0), (0.9, 150.0)):
        foot = height * rng.uniform(0.7, 0.95)
        firs = conifers(rng, np.full(1, foot), tall, 1)
        moved = [[(a + x * width, b) for a, b in fir] for fir in firs]
        cover = polygons(_SIZE, moved)
        laden = np.where(fractal(rng, _SIZE, 1.4, across=0.3) > 0.3, 0.6, 0.04)
        light = over(light, laden[..., None] * tint(0.9, 1, 1), cover)
    return exposed(light, rng)


def sunset(rng: Rng, sea: bool, height_of_sun: float) -> Samples:
    """The sun low over hills or water; everything is orange, as it should be."""
    height, width = _SIZE
    up = np.linspace(1, 0, height)[:, None, None]
    sky = tint(0.95, 0.33, 0.06) * (1 - up) + tint(0.1, 0.13, 0.3) * up
    sun = width * rng.uniform(0.3, 0.7), height * height_of_sun
    clouds = np.clip(fractal(rng, _SIZE, 2.4, across=0.25) - 0.2, 0, 1.5)[..., None]
    halo = glow(_SIZE, sun, 110)[..., None]
    light = (
        sky * (1 - 0.25 * clouds) + halo * tint(0.9, 0.45, 0.1) + clouds * halo * tint(1, 0.5, 0.2)
    )
    light = over(light, tint(3, 2.4, 1.2), np.clip(glow(_SIZE, sun, 9) * 3 - 1, 0, 1))
    if sea:
        line = int(height * 0.62)
        mirrored = light[line - 1 :: -1][: height - line]
        waves = np.clip(
            0.45 + 0.25 * fractal(rng, (height - line, width), 1.3, across=0.12), 0.08, 1
        )
        path = glow((height - line, width), (sun[0], 0), 90)[..., None]
        light[line:] = mirrored * waves[..., None] + path * (waves[..., None] ** 4) * tint(
            2, 1, 0.3
        )
    land = height * (0.78 if not sea else 0.9) + 16 * ridge(rng, width)
    shapes = conifers(rng, land, 40, 60)
    cover = np.maximum(below(_SIZE, land), polygons(_SIZE, shapes))
    return exposed(over(light, tint(0.012, 0.008, 0.008), cover), rng)


def silhouette(rng: Rng, what: str, sky: tuple[Floats, Floats]) -> Samples:
    """Black figures before a bright ground: the shape is the picture."""
    height, width = _SIZE
    up = np.linspace(1, 0, height)[:, None, None]
    clouds = 0.05 * fractal(rng, _SIZE, 2.4, across=0.4)[..., None]
    light = np.clip((sky[0] * up + sky[1] * (1 - up)) * (1 + clouds), 0, None)
    light = np.broadcast_to(light, (*_SIZE, 3))
    land = height * 0.86 + 8 * ridge(rng, width)
    shapes: list[Points] = []
    if what == "people":
        for x, tall in ((0.35, 300.0), (0.5, 270.0), (0.68, 170.0)):
            shapes += person(x * width, float(land[int(x * width)]) + 4, tall)
    elif what == "tree":
        shapes += tree(rng, (width * 0.45, float(land[int(0.45 * width)]) + 4), 110)
    else:
        for x in np.linspace(0.05, 0.92, 9):
            wide, tall = rng.uniform(40, 80), rng.uniform(90, 290)
            left, foot = x * width, float(height)
            shapes.append([(left, foot), (left, foot - tall), (left + wide, foot - tall),
                           (left + wide, foot)])  # fmt: skip
    cover = np.maximum(below(_SIZE, land), polygons(_SIZE, shapes))
    return exposed(over(light, tint(0.004, 0.004, 0.005), cover), rng)


def underwater(rng: Rng, water: Floats) -> Samples:
    """A reef some metres down: red is gone, and that is how it looks there."""
    height, width = _SIZE
    deep = np.linspace(0, 1, height)[:, None]
    rays = np.clip(1 + 0.3 * fractal(rng, (2, width), 1.5)[0][None] * (1 - deep), 0.3, 2)
    light = water * (1.0 - 0.7 * deep * np.ones((1, width)))[..., None] * rays[..., None]
    for layer in range(3):
        near = (layer + 1) / 3
        outline = height * (0.5 + 0.16 * layer) + 26 * ridge(rng, width, 2.2)
        coral = np.clip(0.22 + 0.12 * fractal(rng, _SIZE, 1.3), 0.02, 1)[..., None]
        seen = math.exp(-2.2 * (1.2 - near))
        own = coral * tint(0.12, 0.8, 0.9)
        light = over(light, own * seen + water * 0.6 * (1 - seen), below(_SIZE, outline))
    for _ in range(14):
        x, y, long = rng.uniform(60, 660), rng.uniform(60, 330), rng.uniform(14, 36)
        turn = np.linspace(0, 2 * math.pi, 20)
        body = [(x + long * math.cos(a), y + 0.35 * long * math.sin(a)) for a in turn]
        tail = [
            (x - 0.9 * long, y),
            (x - 1.5 * long, y - 0.4 * long),
            (x - 1.5 * long, y + 0.4 * long),
        ]
        light = over(light, tint(0.05, 0.45, 0.4), polygons(_SIZE, [body, tail]))
    return exposed(light, rng)


_ORANGE = tint(0.25, 0.12, 0.2), tint(1.2, 0.55, 0.12)
_PALE = tint(0.75, 0.85, 1.0), tint(1.1, 1.05, 0.95)

DRAWINGS = (
    *(
        Drawing(f"fog_ridges_{name}", "fog", partial(fog, thickness=thickness, air=air))
        for name, thickness, air in (
            ("thin", 1.0, tint(0.6, 0.68, 0.78)),
            ("grey", 1.9, tint(0.66, 0.68, 0.7)),
            ("thick", 3.2, tint(0.7, 0.72, 0.73)),
            ("morning", 2.2, tint(0.85, 0.66, 0.5)),
        )
    ),
    Drawing("fog_road", "fog", fog_road),
    Drawing("snow_overcast", "snow", partial(snow, sky=tint(0.68, 0.7, 0.72), sun=0.6)),
    Drawing("snow_blue_sky", "snow", partial(snow, sky=tint(0.2, 0.4, 0.8), sun=1.6)),
    Drawing("snow_evening", "snow", partial(snow, sky=tint(0.7, 0.5, 0.55), sun=1.0)),
    Drawing("sunset_hills", "sunset", partial(sunset, sea=False, height_of_sun=0.55)),
    Drawing("sunset_sea", "sunset", partial(sunset, sea=True, height_of_sun=0.5)),
    Drawing("sunset_high", "sunset", partial(sunset, sea=False, height_of_sun=0.3)),
    Drawing("sunset_sea_low", "sunset", partial(sunset, sea=True, height_of_sun=0.6)),
    Drawing("silhouette_people", "silhouette", partial(silhouette, what="people", sky=_ORANGE)),
    Drawing("silhouette_tree", "silhouette", partial(silhouette, what="tree", sky=_ORANGE)),
    Drawing("silhouette_city", "silhouette", partial(silhouette, what="city", sky=_PALE)),
    Drawing("silhouette_tree_pale", "silhouette", partial(silhouette, what="tree", sky=_PALE)),
    Drawing("underwater_blue", "underwater", partial(underwater, water=tint(0.03, 0.25, 0.5))),
    Drawing("underwater_green", "underwater", partial(underwater, water=tint(0.05, 0.35, 0.3))),
)
