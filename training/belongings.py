"""Lines, dots and patches that belong to a picture and only look like damage.

They are drawn into the scene before its lens, grain and compression, in colours of its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from training.damage_shapes import Array, Pen, Rng, blurred, curve, log_uniform, smooth_noise

_WORDS = ("STOP", "open", "Cafe 24", "Hotel", "1987", "EXIT", "of light", "Sale 50%", "No. 7")


def wires(side: int, rng: Rng) -> Array:
    """Cables and ropes: parallel or from one point, hanging a little, of even width."""
    pen, count = Pen(side, rng), int(rng.integers(1, 7))
    width, bend = log_uniform(0.6, 4, rng), rng.choice([0.0, 0.02, 0.08])
    points = curve(side, bend, rng, 3.0 * side)
    fan, gap = rng.normal(0, 0.08), log_uniform(4, 40, rng)
    for k in range(count):
        apart = np.linspace(1 - fan * k, 1 + fan * k, len(points))[:, None]
        pen.line((points + [0, gap * k] * apart).astype(np.float32), width)
    return pen.cover()


def branches(side: int, rng: Rng) -> Array:
    """Twigs: each forks into thinner ones."""
    pen = Pen(side, rng)
    start = rng.uniform(-0.1, 1.1, 2) * side
    walks = [(start, rng.uniform(0, 2 * np.pi), log_uniform(2, 12, rng))]
    drawn = 0
    # Forks multiply; more would fill the crop.
    while walks and drawn < 40:
        at, heading, width = walks.pop(0)
        drawn += 1
        count = int(rng.integers(4, 14))
        turns = heading + np.cumsum(rng.normal(0, 0.12, count))
        steps = np.stack([np.cos(turns), np.sin(turns)], 1) * log_uniform(3, 9, rng)
        points = at + np.vstack([np.zeros((1, 2)), np.cumsum(steps, 0)])
        pen.line(points.astype(np.float32), np.linspace(width, width * 0.7, count))
        if width > 0.7:
            for _ in range(int(rng.integers(1, 4))):
                fork = turns[-1] + rng.normal(0, 0.6)
                walks.append((points[rng.integers(count // 2, count + 1)], fork, width * 0.65))
    return pen.cover()


def strands(side: int, rng: Rng) -> Array:
    """Hair, grass, whiskers: many thin curves that run nearly the same way."""
    pen, count = Pen(side, rng), int(log_uniform(4, 60, rng))
    angle, spread = rng.uniform(0, 2 * np.pi), rng.uniform(0.02, 0.5)
    root = rng.uniform(0, side, 2)
    apart = rng.uniform(0, 0.8) * side
    for _ in range(count):
        length, bow = log_uniform(15, 150, rng), rng.normal(0, 0.03)
        turns = angle + rng.normal(0, spread) + bow * np.arange(12)
        steps = np.stack([np.cos(turns), np.sin(turns)], 1) * length / 12
        points = root + rng.normal(0, apart / 2, 2) + np.cumsum(steps, 0)
        pen.line(points.astype(np.float32), np.linspace(log_uniform(0.6, 2.5, rng), 0.5, 12))
    return pen.cover()


def rain(side: int, rng: Rng) -> Array:
    """Streaks of one direction, or flakes."""
    pen, angle = Pen(side, rng), rng.uniform(0, np.pi)
    snow, length = rng.random() < 0.4, log_uniform(4, 40, rng)
    for _ in range(int(log_uniform(20, 200, rng))):
        at = rng.uniform(0, side, 2)
        if snow:
            pen.ellipse(at, np.full(2, log_uniform(0.5, 4, rng)))
            continue
        way = angle + rng.normal(0, 0.03)
        end = at + length * rng.uniform(0.4, 1) * np.array([np.cos(way), np.sin(way)])
        pen.line(np.stack([at, end]).astype(np.float32), log_uniform(0.6, 1.5, rng))
    return pen.cover() * np.float32(rng.uniform(0.3, 0.9))


def text(side: int, rng: Rng) -> Array:
    """Words of all sizes, turned a little."""
    image = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(image)
    python = random.Random(int(rng.integers(1 << 30)))
    size = int(log_uniform(7, 60, rng))
    font = ImageFont.load_default(size)
    for y in range(int(rng.integers(0, side // 2)), side, round(size * rng.uniform(1.1, 3))):
        line = " ".join(python.choice(_WORDS) for _ in range(python.randint(1, 8)))
        pen.text((float(rng.uniform(-20, 60)), y), line, fill=255, font=font)
    turned = image.rotate(float(rng.normal(0, 8)), Image.Resampling.BICUBIC)
    return np.asarray(turned, np.float32) / np.float32(255)


def screens(side: int, rng: Rng) -> Array:
    """Repeated patterns: halftone dots, fences, tiles, ruled paper."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    angle, period = rng.uniform(0, np.pi), log_uniform(2.5, 40, rng)
    across = (x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period
    down = (y * np.cos(angle) - x * np.sin(angle)) * 2 * np.pi / period
    kind, sharp = rng.integers(0, 3), log_uniform(1, 8, rng)
    thin = np.cos(np.pi * min(0.9, rng.uniform(1.0, 3.0) / period))
    if kind == 0:
        value = (np.cos(across) + np.cos(down)) * 0.5 - rng.uniform(-0.3, 0.6)
    elif kind == 1:
        value = np.cos(across) - thin
    else:
        value = np.maximum(np.cos(across), np.cos(down)) - thin
    return np.asarray(np.clip(0.5 + sharp * period / 4 * value, 0, 1), np.float32)


def things(side: int, rng: Rng) -> Array:
    """Lamps, plates, panels, poles: round or straight, and whole."""
    pen = Pen(side, rng)
    for _ in range(int(rng.integers(1, 8))):
        at, size = rng.uniform(0, side, 2), log_uniform(2, 40, rng)
        radii = size * np.exp(rng.normal(0, 0.2, 2))
        if rng.random() < 0.5:
            pen.ellipse(at, radii)
            continue
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * radii
        turn = rng.choice([0.0, rng.normal(0, 0.1), rng.uniform(0, np.pi)])
        around = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        if rng.random() < 0.3:
            corners = corners * [0.12, 4]
        pen.polygon(at + corners @ around)
    return pen.cover()


def with_lamps(rgb: Array, rng: Rng) -> Array:
    """Lights and windows that burn out in a dark scene, with their glow and colour."""
    cover = things(len(rgb), rng)
    if rng.random() < 0.5:
        cover = np.maximum(cover, screens(len(rgb), rng) * (smooth_noise(len(rgb), 4, rng) > 0.7))
    cover = blurred(cover, log_uniform(0.3, 2, rng)) if rng.random() < 0.6 else cover
    glow = blurred(cover, log_uniform(3, 20, rng)) * np.float32(rng.uniform(0, 0.7))
    colour = (1 - rng.uniform(0, 0.4) * rng.uniform(0, 1, 3)).astype(np.float32)
    light = np.maximum(cover, glow)[..., None] * colour
    dark = rgb * np.float32(rng.uniform(0.05, 0.8))
    return np.asarray(1 - (1 - dark) * (1 - light), np.float32)


def borders(side: int, rng: Rng) -> Array:
    """A straight margin along one or two sides, as prints have."""
    cover = np.zeros((side, side), np.float32)
    for _ in range(int(rng.integers(1, 3))):
        cover[: int(rng.integers(2, side // 3))] = 1
        cover = np.rot90(cover, int(rng.integers(0, 4)))
    return np.ascontiguousarray(cover)


_KINDS: tuple[tuple[Callable[[int, Rng], Array], float], ...] = (
    (wires, 1.3),
    (branches, 1.3),
    (strands, 1.0),
    (rain, 0.7),
    (text, 1.0),
    (screens, 0.8),
    (things, 1.0),
    (borders, 0.4),
)


def with_belongings(rgb: Array, rng: Rng) -> Array:
    """Draw one kind into a scene (side, side, 3), behind parts of it now and then."""
    if rng.random() < 0.2:
        return with_lamps(rgb, rng)
    weights = np.array([weight for _, weight in _KINDS])
    draw = _KINDS[rng.choice(len(_KINDS), p=weights / weights.sum())][0]
    side = len(rgb)
    cover = draw(side, rng)
    if rng.random() < 0.35:
        # What belongs to the scene may stand behind something; damage lies on top of everything.
        hidden = np.clip(4 * (smooth_noise(side, rng.uniform(2, 5), rng) + 0.7), 0, 1)
        cover = cover * hidden
    colour = rgb[tuple(rng.integers(0, side, 2))]
    pick = rng.random()
    if pick < 0.35:
        colour = colour * rng.uniform(0, 0.5)
    elif pick < 0.7:
        colour = 1 - (1 - colour) * rng.uniform(0, 0.4)
    elif pick < 0.8:
        colour = rng.uniform(0, 1, 3)
    shade = 1 + 0.15 * smooth_noise(side, rng.uniform(2, 12), rng)[..., None]
    own = np.clip(colour * shade, 0, 1)
    amount = cover[..., None] * np.float32(rng.uniform(0.5, 1))
    return np.asarray(rgb + amount * (own - rgb), np.float32)
