"""Casts and fading drawn over good photos, undone: by `auto`, and by what people use.

    python -m benchmarks.aged PHOTOS --casts [--slides] [--without-prior] [--count N] [--seed N]
                              [--every N]

Each kind of `drawn/fading.py` is drawn over each of N photos that nothing was fitted on; with
`--slides`, only slides that have gone red. PSNR and SSIM are of all pixels; the mean is that of the
cases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.borders import photos
from benchmarks.drawn.fading import KINDS, Floats, drawn
from ldrps_engine.analysis.casts import find_cast
from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.analysis.recognition import recognise
from ldrps_engine.photo import Photo
from ldrps_engine.restore import ModelCache, restore
from ldrps_engine.settings import Settings
from training.metrics import psnr, ssim

COUNT = 20
"""Photos: 60 cases."""
_LONG_SIDE = 320
_SHADES = 6
_ENDS = (0.5, 99.5)

Samples = NDArray[np.uint8]
Method = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Outcome:
    """One method on one case."""

    kind: str
    method: str
    psnr: float
    ssim: float


def grey_world(pixels: Floats) -> Floats:
    """Each channel's mean becomes that of all: Buchsbaum 1980."""
    means = pixels.mean((0, 1))
    return np.asarray(pixels * means.mean() / np.maximum(means, 1e-3))


def shades_of_grey(pixels: Floats) -> Floats:
    """The same with Minkowski's norm of p = 6: Finlayson and Trezzi 2004."""
    norms = (pixels**_SHADES).mean((0, 1)) ** (1 / _SHADES)
    return np.asarray(pixels * norms.mean() / np.maximum(norms, 1e-3))


def stretched(pixels: Floats) -> Floats:
    """Each channel from black to white, but for half a percent at each end: auto levels."""
    low, high = np.percentile(pixels.reshape(-1, 3), _ENDS, axis=0)
    return np.asarray((pixels - low) / np.maximum(high - low, 1e-3))


METHODS: dict[str, Method] = {
    "grey world": grey_world,
    "shades of grey": shades_of_grey,
    "auto levels": stretched,
}
KNOWN, OURS = "ours, known", "ours"
"""Ours where a person says that there is a cast or fading, and where `auto` has to find it."""


def outcomes(
    folder: Path,
    count: int,
    every: int,
    seed: int,
    models: ModelCache | None,
    kinds: Iterable[str] = tuple(KINDS),
) -> Iterator[tuple[Outcome, Floats]]:
    """Every method on every case, with what it made; the degraded photo comes first, as `none`.

    Without `models`, ours are the curves alone, before the prior has its say.
    """
    rng = np.random.default_rng(seed)
    for _, pixels in islice(photos(folder, every), count):
        clean = _smaller(pixels)
        for kind in kinds:
            degraded = drawn(clean, kind, rng)
            shown = degraded / 255.0
            yield _outcome(kind, "none", shown, clean)
            for method, function in METHODS.items():
                yield _outcome(kind, method, function(shown), clean)
            full, found = _curves(shown.astype(np.float32))
            if models:
                found = restore(Photo.from_samples(degraded), Settings(), models).photo.pixels
            yield _outcome(kind, KNOWN, full.astype(np.float64), clean)
            yield _outcome(kind, OURS, found.astype(np.float64), clean)


def _curves(shown: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Undo the curve of a photo that is known to have one, and as far as `auto` is sure of it."""
    seen = recognise(shown)
    cast = find_cast(shown, seen)
    odds = {"cast": cast.probability}
    diagnosis = Diagnosis(noise_sigma=0, haze=0, darkness=0, cast=0, grey=False, probabilities=odds)
    whole = cast.curve.within(shown).undo(shown)
    return whole, whole if diagnosis.is_cast else shown


def _smaller(pixels: Floats) -> Floats:
    image = Image.fromarray(np.rint(pixels * 255).astype(np.uint8))
    image.thumbnail((_LONG_SIDE, _LONG_SIDE), Image.Resampling.LANCZOS)
    return np.asarray(image) / 255.0


def _outcome(kind: str, method: str, made: Floats, clean: Floats) -> tuple[Outcome, Floats]:
    shown = np.rint(np.clip(made, 0, 1) * 255) / 255
    return Outcome(kind, method, psnr(shown, clean), ssim(shown, clean)), shown


def table(found: Sequence[Outcome]) -> str:
    """Mean PSNR and SSIM of each kind and method, and by how much ours is over the best other."""
    methods = ["none", *METHODS, KNOWN, OURS]
    lines = [f"{'PSNR / SSIM':12}" + "".join(f"{method:>18}" for method in methods)]
    for kind in (*dict.fromkeys(one.kind for one in found), "mean"):
        scores = [_mean(found, method, kind) for method in methods]
        lines.append(f"{kind:12}" + "".join(f"{p:10.2f} / {s:.3f}" for p, s in scores))
    best = max(_mean(found, method, "mean")[0] for method in METHODS)
    for method in (KNOWN, OURS):
        over = _mean(found, method, "mean")[0] - best
        lines.append(f"{method}: {over:+.2f} dB over the best of the others, in the mean")
    return "\n".join(lines)


def _mean(found: Sequence[Outcome], method: str, kind: str) -> tuple[float, float]:
    own = [one for one in found if one.method == method and kind in (one.kind, "mean")]
    return float(np.mean([one.psnr for one in own])), float(np.mean([one.ssim for one in own]))
