"""Dark photos against their longer exposure: the best that a gain or a curve could do.

    python -m benchmarks.exposures FOLDER [--recipe RECIPE]

FOLDER is a labelled one (see recognition.py) with `NAME_longer_exposure.png` next to dark photos.
For each photo, as it is and with `--recipe` as it is restored, PSNR against the longer exposure:
as it is; after the gain in linear light that is best for all channels, and for each; after the
camera response of Ying, Li and Gao, "A new low-light image enhancement algorithm using camera
response model" (ICCV workshops 2017), at the best exposure; after the best curve for all channels,
and for each. All but the first know the answer: they are limits. The reference is the longest
exposure of a bracket, and often burnt out: how bright it is cannot be told from the dark one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.compared import best_gain
from benchmarks.errors import BenchmarkError
from benchmarks.labelled import labelled, read
from benchmarks.sets import Floats, Samples
from ldrps_engine.colour.srgb import decode, encode
from training.metrics import psnr

LIMITS = ("as it is", "gain", "gains", "response", "curve", "curves")

_STOPS = np.arange(-6, 12.01, 0.1)
_A, _B = -0.3293, 1.1258
"""Ying's and others' constants of the mean camera."""
_STEPS = 256


def limits(made: Samples, reference: Samples) -> tuple[float, ...]:
    """PSNR in dB of (H, W, 3) uint8 against its reference by each of LIMITS."""
    pixels, wanted = made / 255.0, reference / 255.0
    by_channel = [best_gain(made[..., c : c + 1], reference[..., c : c + 1])[0] for c in range(3)]
    gained = encode(np.clip(decode(pixels) * 2.0 ** np.array(by_channel), 0, 1))
    exposed = max(psnr(_response(pixels, 2.0**stops), wanted) for stops in _STOPS)
    return (
        psnr(pixels, wanted),
        best_gain(made, reference)[1],
        psnr(gained, wanted),
        exposed,
        psnr(_curved(made, wanted), wanted),
        psnr(np.stack([_curved(made[..., c], wanted[..., c]) for c in range(3)], -1), wanted),
    )


def _response(pixels: Floats, gain: float) -> Floats:
    """Display values of the mean camera at `gain` times the exposure."""
    power = gain**_A
    bright: Floats = np.exp(_B * (1 - power)) * np.maximum(pixels, 1e-4) ** power
    return np.clip(bright, 0, 1)


def _curved(made: Samples, wanted: Floats) -> Floats:
    """Map each 8-bit value to the mean of what is wanted in its places."""
    count = np.bincount(made.ravel(), minlength=_STEPS)
    total = np.bincount(made.ravel(), wanted.ravel(), minlength=_STEPS)
    return np.asarray((total / np.maximum(count, 1))[made])


def restorer(recipe: str) -> Callable[[Samples], Samples]:
    """Set up the engine on the CPU."""
    from ldrps_engine.photo import Photo
    from ldrps_engine.priors.model_cache import ModelCache
    from ldrps_engine.restore import restore
    from ldrps_engine.settings import Settings

    models = ModelCache("cpu")

    def restored(photo: Samples) -> Samples:
        made = restore(Photo.from_samples(photo), Settings(recipe=recipe), models)
        return np.asarray(made.photo.to_samples(), np.uint8)[..., :3]

    return restored


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for each photo and the means; 2 where the folder cannot be used."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.exposures",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--recipe", help="restore by it as well: auto, fast, low-light ...")
    options = parser.parse_args(argv)
    try:
        photos = [photo for photo in labelled(options.folder) if photo.longer]
        if not photos:
            raise BenchmarkError(f"{options.folder} holds no longer exposures; see the docstring")
    except BenchmarkError as error:
        print(f"exposures: {error}", file=sys.stderr)
        return 2
    ways: dict[str, Callable[[Samples], Samples]] = {"given": unchanged}
    if options.recipe:
        ways[options.recipe] = restorer(options.recipe)
    rows: dict[str, list[tuple[float, ...]]] = {name: [] for name in ways}
    print(f"{'':28}" + "".join(f"{name:>10}" for name in LIMITS))
    for photo in photos:
        assert photo.longer
        given, reference = read(photo.path)[..., :3], read(photo.longer)[..., :3]
        for name, make in ways.items():
            found = limits(make(given), reference)
            rows[name].append(found)
            _line(f"{photo.name.removesuffix('.png')}, {name}", found)
    for name, found_of in rows.items():
        _line(f"mean, {name}", tuple(np.mean(found_of, axis=0)))
    return 0


def unchanged(photo: Samples) -> Samples:
    """Give the photo back."""
    return photo


def _line(name: str, figures: Sequence[float]) -> None:
    print(f"{name:28}" + "".join(f"{figure:10.2f}" for figure in figures), flush=True)


if __name__ == "__main__":
    sys.exit(main())
