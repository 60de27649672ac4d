"""Cracks through faces: how much of them is found and filled, and how much else of the faces is.

    python -m benchmarks.cracked_faces PHOTOS [--count N] [--every N] [--sheet FILE]

PHOTOS holds a `manifest.tsv`. Over the first N photos with a large face a pale crack is drawn, from
one side to the other, which gets faint on the face; damage is looked for as where the user asks for
it to be filled. PSNR is that of the face under the crack and a pixel around it. The same photos
without a crack are looked at as well.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from benchmarks.borders import photos
from benchmarks.drawn.damage import Floats, Mask
from ldrps_engine.analysis.damage import look_for_damage
from ldrps_engine.analysis.damage_contents import Contents
from ldrps_engine.analysis.faces import Face
from ldrps_engine.colour.masks import grown
from ldrps_engine.transfer.filling import fill
from training.metrics import psnr

_COUNT = 24
# Least size of a face relative to the long side, and least certainty that it is one.
_LARGE, _CERTAIN = 0.22, 0.7
# Light of the crack, and how much of it is left over the face.
_LIGHT, _FAINT = 0.92, 0.55
_FINE = 4


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One face, in pixels of the face."""

    crack: int
    found: int
    besides: int
    """Pixels filled farther than two from the crack."""
    unasked: int
    """Pixels filled of the photo without a crack, the whole of it, by `auto`."""
    before: float
    """PSNR of the damaged face."""
    after: float


def cracked(pixels: Floats, face: Face, rng: np.random.Generator) -> tuple[Floats, Mask]:
    """Return a photo (H, W, 3) with a crack through a face, and the crack's mask."""
    height, width = pixels.shape[:2]
    long = max(height, width)
    middle, size = np.array(face.middle) * long, max(face.size) * long
    turn = rng.uniform(-0.5, 0.5) + (np.pi / 2 if rng.random() < 1 / 3 else 0)
    aside = rng.uniform(-0.35, 0.35) * size
    along = np.linspace(-1, 1, 60)[:, None] * long
    ahead = np.array([np.cos(turn), np.sin(turn)])
    points = middle[::-1] + aside * np.array([-ahead[1], ahead[0]]) + along * ahead
    points = points + 0.4 * np.cumsum(rng.normal(0, 1, (60, 2)), 0) + rng.normal(0, 0.5, (60, 2))
    picture = Image.new("L", (width * _FINE, height * _FINE), 0)
    line = [(float(x) * _FINE, float(y) * _FINE) for x, y in points]
    ImageDraw.Draw(picture).line(line, fill=255, width=int(rng.integers(6, 12)), joint="curve")
    share = np.asarray(picture.resize((width, height), Image.Resampling.BOX)) / 255
    rows, columns = np.mgrid[:height, :width]
    faint = np.hypot(rows - middle[0], columns - middle[1]) < _FAINT * size
    share = np.where(faint, _FAINT, 1) * share
    return pixels + share[..., None] * (_LIGHT - pixels), share > _FAINT / 2


def outcomes(folder: Path, count: int, every: int) -> Iterator[tuple[Outcome, Floats]]:
    """Every face, and the photo with its crack beside what is made of it."""
    rng = np.random.default_rng(40)
    made = 0
    for _, pixels in photos(folder, every):
        faces = Contents(pixels.astype(np.float32)).faces
        if not faces or max(faces[0].size) < _LARGE or faces[0].certainty < _CERTAIN:
            continue
        yield _outcome(pixels, faces[0], rng)
        made += 1
        if made == count:
            return


def _outcome(pixels: Floats, face: Face, rng: np.random.Generator) -> tuple[Outcome, Floats]:
    damaged, crack = cracked(pixels, face, rng)
    found = look_for_damage(damaged.astype(np.float32), believed=True)
    mask = found.mask if found.is_sure else np.zeros_like(crack)
    filled = np.clip(fill(damaged.astype(np.float32), mask), 0, 1).astype(np.float64)
    whole = look_for_damage(pixels.astype(np.float32), stains=False)
    inside = _inside(face, crack.shape)
    around = grown(crack, 1) & inside
    outcome = Outcome(
        crack=int((crack & inside).sum()),
        found=int((crack & inside & mask).sum()),
        besides=int((mask & inside & ~grown(crack, 2)).sum()),
        unasked=int(whole.mask.sum()) if whole.is_beyond_doubt else 0,
        before=psnr(damaged[around][None], pixels[around][None]),
        after=psnr(filled[around][None], pixels[around][None]),
    )
    return outcome, np.hstack([damaged, filled])


def _inside(face: Face, size: tuple[int, ...]) -> Mask:
    rows, columns = (
        np.asarray((np.arange(side) + 0.5) / max(size), np.float32) for side in size[:2]
    )
    return face.distance(rows[:, None], columns[None]) < 1


def main(argv: Sequence[str] | None = None) -> int:
    """Print the means, and write the sheet if one is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=_COUNT, metavar="N", help="faces")
    parser.add_argument("--every", type=int, default=5, metavar="N", help="each Nth photo")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="before and after, as a picture")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    pairs = list(outcomes(options.folder, options.count, options.every))
    if not pairs:
        print("no photo with a large face")
        return 1
    made = [outcome for outcome, _ in pairs]
    crack = sum(each.crack for each in made)
    found = 100 * sum(each.found for each in made) / crack
    besides = 100 * sum(each.besides for each in made) / crack
    before, after = (float(np.mean([getattr(e, k) for e in made])) for k in ("before", "after"))
    print(f"{len(made)} faces: {found:.1f} % of the cracks' pixels found, {besides:.1f} % besides")
    print(f"PSNR under the cracks: {before:.2f}, filled {after:.2f}")
    print(f"filled unasked without a crack: {sum(each.unasked > 0 for each in made)}")
    if options.sheet:
        _sheet([picture for _, picture in pairs], options.sheet)
    return 0


def _sheet(pictures: Sequence[Floats], path: Path) -> None:
    """Arrange pictures in two columns, each at its size."""
    height, width = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))
    rows = -(-len(pictures) // 2)
    sheet: NDArray[np.uint8] = np.zeros((rows * height, 2 * width, 3), np.uint8)
    for number, picture in enumerate(pictures):
        row, column = divmod(number, 2)
        place = sheet[row * height :, column * width :]
        place[: picture.shape[0], : picture.shape[1]] = np.rint(np.clip(picture, 0, 1) * 255)
    Image.fromarray(sheet).save(path)


if __name__ == "__main__":
    sys.exit(main())
