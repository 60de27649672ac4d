"""Shapes of ageing on prints and film: the share of each pixel of a crop that they cover.

Sizes are in pixels of the crop, which shows anything from a detail to a whole photo.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Array = NDArray[np.float32]
Points = NDArray[np.float32] | NDArray[np.float64]
Rng = np.random.Generator
Shape = Callable[[int, Rng], Array]
"""Function from the side of a crop to coverage (side, side), 0 to 1."""

# Factor by which smooth outlines are drawn larger.
_FINE = 3


class Pen:
    """Draws on a square canvas of coverage: jagged as scans are sharpened, or smooth."""

    def __init__(self, side: int, rng: Rng) -> None:
        self._side, self._scale = side, 1 if rng.random() < 0.45 else _FINE
        self._image = Image.new("L", (side * self._scale,) * 2, 0)
        self._draw = ImageDraw.Draw(self._image)

    def line(self, points: Points, widths: Points | float) -> None:
        """Draw through points (N, 2), in one width or in one for each piece."""
        places = [(float(x), float(y)) for x, y in points * self._scale]
        if isinstance(widths, float):
            width = max(1, round(widths * self._scale))
            self._draw.line(places, fill=255, width=width, joint="curve" if width > 2 else None)
            return
        for start, end, width in zip(places, places[1:], widths, strict=False):
            self._draw.line((start, end), fill=255, width=max(1, round(width * self._scale)))
            radius = width * self._scale / 2 - 0.5
            if radius > 1:
                x, y = end
                self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)

    def polygon(self, points: Points) -> None:
        """Fill the inside of points (N, 2)."""
        self._draw.polygon([(float(x), float(y)) for x, y in points * self._scale], fill=255)

    def ellipse(self, centre: Points, radii: Points) -> None:
        """Fill an ellipse."""
        low, high = (centre - radii) * self._scale, (centre + radii) * self._scale
        self._draw.ellipse((*map(float, low), *map(float, high)), fill=255)

    def cover(self) -> Array:
        """Return what was drawn, (side, side)."""
        image = self._image
        if self._scale > 1:
            image = image.resize((self._side,) * 2, Image.Resampling.BOX)
        return np.asarray(image, np.float32) / np.float32(255)


def log_uniform(low: float, high: float, rng: Rng) -> float:
    """Draw evenly on a logarithmic scale."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def smooth_noise(side: int, cells: float, rng: Rng) -> Array:
    """Noise (side, side) of deviation about 1 with so many bumps along a side."""
    count = max(2, round(cells))
    grid = Image.fromarray(rng.standard_normal((count, count)).astype(np.float32))
    values = np.asarray(grid.resize((side, side), Image.Resampling.BICUBIC), np.float32)
    return np.asarray(values / max(float(values.std()), 1e-3), np.float32)


def blurred(cover: Array, radius: float) -> Array:
    """Soften coverage by a Gaussian."""
    image = Image.fromarray(np.rint(np.clip(cover, 0, 1) * 255).astype(np.uint8))
    soft = image.filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(soft, np.float32) / np.float32(255)


def curve(side: int, bend: float, rng: Rng, length: float | None = None) -> Array:
    """Points (40, 2) along a bent line: across the crop, or from one place in it."""
    angle = rng.uniform(0, 2 * np.pi)
    middle = rng.uniform(0, side, 2)
    length = length or side * rng.uniform(0.5, 3)
    along = np.linspace(-0.5, 0.5, 40)[:, None] * length
    direction = np.array([[np.cos(angle), np.sin(angle)]])
    normal = direction[:, ::-1] * [[-1, 1]]
    bow = bend * length * rng.normal() * np.cos(np.pi * along / length)
    return np.asarray(middle + along * direction + bow * normal, np.float32)


def scratches(side: int, rng: Rng) -> Array:
    """Straight or bent lines, long or short, alone or in parallel as film is scratched."""
    pen, fade = Pen(side, rng), np.ones((side, side), np.float32)
    count = int(log_uniform(1, 9, rng))
    parallel = rng.random() < 0.25
    if parallel:
        upright = np.array([[0, -0.2], [0, 1.2]] if rng.random() < 0.7 else [[-0.2, 0], [1.2, 0]])
        slope = rng.normal(0, 0.01, 2)
    for _ in range(count):
        width = log_uniform(0.6, 4.5, rng)
        if parallel:
            at = rng.uniform(0, side, 2) * (upright[0] == 0)
            pen.line((upright * side + at + np.outer([0, side], slope)).astype(np.float32), width)
        else:
            length = None if rng.random() < 0.5 else log_uniform(6, side, rng)
            pen.line(curve(side, rng.choice([0, 0.02, 0.1]), rng, length), width)
    if rng.random() < 0.4:
        fade = np.clip(smooth_noise(side, rng.uniform(3, 20), rng) + rng.uniform(0, 1.5), 0, 1)
    return pen.cover() * fade


def cracks(side: int, rng: Rng) -> Array:
    """Random walks that branch, of changing width."""
    pen = Pen(side, rng)
    reach, rough = log_uniform(2, 14, rng), rng.uniform(0.1, 0.7)
    width = log_uniform(0.8, 9, rng)
    walks = [(rng.uniform(-0.1, 1.1, 2) * side, rng.uniform(0, 2 * np.pi), width)] * int(
        rng.integers(1, 4)
    )
    drawn = 0
    while walks and drawn < 14:
        at, heading, wide = walks.pop()
        drawn += 1
        heading += rng.normal(0, 1.2) if drawn > 1 else 0.0
        count = int(side * rng.uniform(0.4, 2.2) / reach) + 2
        turns = heading + np.cumsum(rng.normal(0, 0.12, count)) + rng.normal(0, rough, count)
        steps = np.stack([np.cos(turns), np.sin(turns)], 1) * reach
        points = at + np.vstack([np.zeros((1, 2)), np.cumsum(steps, 0)])
        varied = wide * np.exp(rng.normal(0, 0.25, count))
        pen.line(points.astype(np.float32), varied.astype(np.float32))
        for _ in range(int(rng.poisson(0.9))):
            walks.append((points[rng.integers(0, count)], heading, wide * rng.uniform(0.3, 0.9)))
    return pen.cover()


def dust(side: int, rng: Rng) -> Array:
    """Specks, of all one size or of many."""
    pen, most = Pen(side, rng), log_uniform(0.7, 5, rng)
    for _ in range(int(log_uniform(3, 70, rng))):
        radius = rng.uniform(0.5, most)
        squeeze = np.exp(rng.normal(0, 0.25 if rng.random() < 0.5 else 0.0))
        radii = np.array([radius * squeeze, radius / squeeze])
        pen.ellipse(rng.uniform(0, side, 2), np.maximum(radii, 0.4))
    return pen.cover()


def fibres(side: int, rng: Rng) -> Array:
    """Hairs and lint on the glass: short lines that curl."""
    pen = Pen(side, rng)
    for _ in range(int(rng.integers(1, 6))):
        count, reach = int(rng.integers(6, 30)), rng.uniform(1.5, 4)
        turn = np.cumsum(rng.normal(0, 0.12, count)) + rng.normal(0, 0.1)
        angle = rng.uniform(0, 2 * np.pi) + np.cumsum(turn)
        steps = np.stack([np.cos(angle), np.sin(angle)], 1) * reach
        points = rng.uniform(0, side, 2) + np.cumsum(steps, 0)
        pen.line(points.astype(np.float32), log_uniform(0.6, 2.5, rng))
    return pen.cover()


def folds(side: int, rng: Rng) -> Array:
    """Wide lines across, their edges straight or frayed."""
    pen = Pen(side, rng)
    for _ in range(int(rng.integers(1, 3))):
        points = curve(side, rng.choice([0, 0.03]), rng, 3.0 * side)
        width = log_uniform(4, 24, rng)
        if rng.random() < 0.5:
            pen.line(points, width)
            continue
        finer = np.stack([np.interp(np.linspace(0, 39, 200), range(40), p) for p in points.T], 1)
        widths = width * np.clip(1 + 0.4 * rng.standard_normal(200), 0.1, 3)
        pen.line((finer + rng.normal(0, 0.8, finer.shape)).astype(np.float32), widths)
    return pen.cover()


def blotches(side: int, rng: Rng) -> Array:
    """Places where the picture is gone, spiky or round."""
    pen, largest = Pen(side, rng), log_uniform(4, 40, rng)
    for _ in range(int(rng.integers(1, 7))):
        corners = int(rng.integers(7, 30))
        turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
        radius = largest * rng.uniform(0.3, 1)
        rough = rng.uniform(0.05, 0.35) * rng.normal(size=corners)
        if rng.random() < 0.5:
            rough = rng.normal(0, 0.3) * np.cos(turn + rng.uniform(0, 6)) + 0.3 * rough
        outline = np.stack([np.cos(turn), np.sin(turn)], 1) * (radius * (1 + rough))[:, None]
        outline = outline * np.exp(rng.normal(0, 0.25, 2))
        pen.polygon(rng.uniform(0, side, 2) + outline)
    return pen.cover()


def torn(side: int, rng: Rng) -> Array:
    """A corner or a piece of an edge that is gone."""
    pen, reach = Pen(side, rng), rng.uniform(0.1, 0.6, 2) * side
    along = np.linspace(0, 1, int(rng.integers(6, 30)))[:, None]
    if rng.random() < 0.6:
        inner = np.hstack([reach[0] * along, reach[1] * (1 - along)])
        corner = np.array([[0.0, 0.0]])
    else:
        inner = np.hstack([side * (1.2 * along - 0.1), reach[0] * 0.4 * np.ones_like(along)])
        inner[:, 1] += rng.normal(0, 0.03 * side, len(along)).cumsum()
        corner = np.array([[1.2 * side, -9.0], [-0.1 * side, -9.0]])
    line = inner + rng.normal(0, rng.uniform(0, 3), inner.shape)
    pen.polygon(np.vstack([line, corner]))
    return np.ascontiguousarray(np.rot90(pen.cover(), int(rng.integers(0, 4))))


def loss(side: int, rng: Rng) -> Array:
    """Emulsion that has come off in flakes, many within one region."""
    flakes = smooth_noise(side, log_uniform(8, 50, rng), rng)
    region = smooth_noise(side, rng.uniform(2, 5), rng)
    return ((flakes > rng.uniform(0.8, 1.6)) & (region > rng.uniform(-0.5, 1))).astype(np.float32)


SHAPES: dict[str, tuple[Shape, float]] = {
    "scratches": (scratches, 1.3),
    "cracks": (cracks, 1.3),
    "dust": (dust, 1.2),
    "fibres": (fibres, 0.4),
    "folds": (folds, 0.8),
    "blotches": (blotches, 0.9),
    "torn": (torn, 0.6),
    "loss": (loss, 0.5),
}
"""Kinds of damage, with the relative frequency of each."""
