"""Detection of damage: drawn damage, photos without any, and the gain from filling.

    python -m benchmarks.damage PHOTOS [--count N] [--undamaged N] [--every N] [--seed N]
                                       [--scanned] [--sheet FILE]

Damage is drawn as in `aged.py`, over the same photos with the same seed, and looked for as where
the user asks for it to be filled. IoU is that of found and true mask, the mean over the cases of a
kind. PSNR is that of pixels under the true mask, once what was found is filled; with `--scanned`,
where photos are soft, noisy and compressed, under that mask and what blur has spread of it, against
the same scan without damage. False alarms are
marked pixels of undamaged photos, and of undamaged ones with what looks like damage drawn into the
scene.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.aged import COUNT, METHODS
from benchmarks.borders import photos
from benchmarks.drawn.damage import BLURS, KINDS, Floats, Mask, drawn, scanned
from ldrps_engine.analysis.damage import Damage, look_for_damage
from ldrps_engine.colour.masks import grown
from training.belongings import with_belongings
from training.metrics import psnr

_UNDAMAGED = 100
_AUTO = "auto"


@dataclass(frozen=True)
class Case:
    """One photo with damage of one kind, and the damage found."""

    kind: str
    damaged: Floats
    mask: Mask
    found: Damage
    psnr: dict[str, float]

    @property
    def iou(self) -> float:
        """Intersection over union of the found and the true mask."""
        if not self.found.is_sure:
            return 0.0
        return float((self.found.mask & self.mask).sum() / (self.found.mask | self.mask).sum())


def cases(
    folder: Path, count: int, every: int, seed: int, *, scanned_too: bool = False
) -> list[Case]:
    """Return the cases of `aged.py`, analysed and filled; on request, scans of them."""
    rng = np.random.default_rng(seed)
    made: list[Case] = []
    for _, clean in islice(photos(folder, every), count):
        for kind in KINDS:
            damaged, mask = drawn(clean, kind, rng)
            pixels, spread = clean, mask
            if scanned_too:
                number, blur = len(made), BLURS[len(made) % len(BLURS)]
                pixels, damaged = (scanned(each, blur, number) for each in (clean, damaged))
                spread = grown(mask, math.ceil(blur))
            found = look_for_damage(damaged.astype(np.float32), believed=True)
            sure = found.mask if found.is_sure else np.zeros_like(mask)
            filled = {
                "none": damaged,
                "ours, found": METHODS["ours"](damaged, sure),
                "Telea, found": METHODS["Telea"](damaged, sure),
                "Telea, true": METHODS["Telea"](damaged, spread),
            }
            scores = {
                name: psnr(np.clip(image[spread], 0, 1)[None], pixels[spread][None])
                for name, image in filled.items()
            }
            made.append(Case(kind, damaged, mask, found, scores))
    return made


def table(made: Sequence[Case]) -> str:
    """Mean IoU and PSNR of each kind."""
    names = list(made[0].psnr)
    lines = [f"{'':14}{'sure':>6}{'IoU':>7}" + "".join(f"{name:>14}" for name in names)]
    for kind in (*KINDS, "all"):
        group = [case for case in made if kind in (case.kind, "all")]
        sure = sum(case.found.is_sure for case in group)
        iou = float(np.mean([case.iou for case in group]))
        means = [float(np.mean([case.psnr[name] for case in group])) for name in names]
        lines.append(
            f"{kind:14}{sure:>3}/{len(group):<2}{iou:7.3f}"
            + "".join(f"{mean:14.2f}" for mean in means)
        )
    return "\n".join(lines)


def undamaged(folder: Path, count: int, every: int, seed: int) -> list[tuple[Floats, Damage, str]]:
    """Good photos, as they are and with wires, branches, hair, rain or words in them.

    What of them is filled on request, and named or filled by `auto`.
    """
    rng = np.random.default_rng(seed)
    made = []
    for _, pixels in islice(photos(folder, every), count):
        image = pixels.astype(np.float32)
        side = min(image.shape[:2])
        square = with_belongings(image[:side, :side], rng)
        drawn_in = np.rint(np.clip(square, 0, 1) * 255).astype(np.float32) / np.float32(255)
        for name, shown in (("as they are", image), ("with lines of their own", drawn_in)):
            for asked in (False, True):
                found = look_for_damage(shown, believed=asked, stains=asked)
                how = f"{name}, {'asked for' if asked else _AUTO}"
                made.append((shown.astype(np.float64), found, how))
    return made


def false_alarms(made: Sequence[tuple[Floats, Damage, str]]) -> str:
    """Return the share of pixels that would be filled, and the number of photos touched.

    `auto` fills less than it names.
    """
    lines = []
    for name in dict.fromkeys(name for *_, name in made):
        group = [found for _, found, kind in made if kind == name]
        lines.append(_marked(name, group, [found for found in group if found.is_sure]))
        if name.endswith(_AUTO):
            filled = [found for found in group if found.is_beyond_doubt]
            lines.append(_marked(f"{name}, filled", group, filled))
    return "\n".join(lines)


def _marked(name: str, group: Sequence[Damage], touched: Sequence[Damage]) -> str:
    marked = sum(int(found.mask.sum()) for found in touched)
    pixels = sum(found.mask.size for found in group)
    share = f"{100 * marked / pixels:.3f} % of pixels"
    return f"undamaged {name}: {share}, {len(touched)} of {len(group)} photos"


def _sheet(pairs: Sequence[tuple[Floats, Mask]], path: Path) -> None:
    """Arrange photos with their damage beside them, four pairs in a row, each 256 pixels wide."""
    rows = []
    for start in range(0, len(pairs), 4):
        tiles = []
        for image, mask in pairs[start : start + 4]:
            shown = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
            found: NDArray[np.uint8] = np.repeat((mask * np.uint8(255))[..., None], 3, axis=2)
            for picture in (shown, found):
                tiles.append(np.asarray(Image.fromarray(picture).resize((256, 256))))
        tiles += [np.zeros((256, 256, 3), np.uint8)] * (8 - len(tiles))
        rows.append(np.hstack(tiles))
    Image.fromarray(np.vstack(rows)).save(path)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables, and write the sheet if one is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=COUNT, metavar="N", help="damaged photos")
    parser.add_argument("--undamaged", type=int, default=_UNDAMAGED, metavar="N")
    parser.add_argument("--every", type=int, default=25, metavar="N", help="each Nth photo")
    parser.add_argument("--seed", type=int, default=21, metavar="N")
    parser.add_argument("--scanned", action="store_true", help="scans: soft, noisy, compressed")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="what was found, as a picture")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    made = (
        cases(
            options.folder,
            options.count,
            options.every,
            options.seed,
            scanned_too=options.scanned,
        )
        if options.count
        else []
    )
    if made:
        print(table(made))
    good = undamaged(options.folder, options.undamaged, options.every, options.seed)
    if good:
        print(false_alarms(good))
    if options.sheet:
        wrong = [(image, found.mask) for image, found, _ in good if found.is_sure]
        _sheet([*((case.damaged, case.found.mask) for case in made), *wrong], options.sheet)
    return 0


if __name__ == "__main__":
    sys.exit(main())
