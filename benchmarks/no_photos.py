"""Pictures that must be left alone: no photos, and photos that look degraded on purpose.

    python benchmarks/no_photos.py FOLDER

writes them as PNG. Pages, receipts, screenshots, drawings, charts and codes; fog with depth, night
skies, low and high key, sunset, snow, silhouettes, candles, neon, under water. All are drawn from
numbers, in linear light where they stand for photos, the same on every machine that has the fonts.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.drawn import documents, graphics, lights, screens, weather
from benchmarks.drawn.canvas import Drawing
from benchmarks.errors import BenchmarkError
from benchmarks.sets import DERIVED_SEED, Samples

DRAWINGS: tuple[Drawing, ...] = (
    *documents.DRAWINGS,
    *screens.DRAWINGS,
    *graphics.DRAWINGS,
    *weather.DRAWINGS,
    *lights.DRAWINGS,
)
"""All of them, each under a name of its own."""


def draw(drawing: Drawing) -> Samples:
    """Draw one, (H, W, 3) uint8; a stream of random numbers for each, so that order is nothing."""
    rng = np.random.default_rng([DERIVED_SEED, zlib.crc32(drawing.name.encode())])
    return drawing.draw(rng)


def main(arguments: list[str] | None = None) -> int:
    """Write all of them into a folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args(arguments).folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for drawing in DRAWINGS:
            Image.fromarray(draw(drawing)).save(folder / f"{drawing.name}.png")
    except (BenchmarkError, OSError) as error:
        print(f"no_photos: {error}", file=sys.stderr)
        return 2
    print(f"{len(DRAWINGS)} pictures in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
