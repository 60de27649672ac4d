"""Speed of the transfer from the pilot to a large photo, without the sampling.

python -m benchmarks.transfer PHOTO... --megapixels 12

Megapixels a second of what `auto` does after the last step, for a hazy photo (a field of colours)
and a noisy one (filtered too), along with seconds of CPU: where other programs work as well, the
former say little.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch

from benchmarks.mosaic import Pixels, degraded, mosaic
from ldrps_engine.photo import Photo
from ldrps_engine.progress import Progress, Step
from ldrps_engine.restore import ModelCache, restore
from ldrps_engine.settings import Settings

# One step: what it makes of the photo costs what any pilot does.
_SETTINGS = {
    "hazy": Settings(recipe="haze", steps=1, recurrences=0, noise_sigma=0.0),
    "noisy": Settings(recipe="noise", steps=1, recurrences=0),
}


def main() -> int:
    """Print one line for each kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, nargs="+", metavar="PHOTO")
    parser.add_argument("--megapixels", type=float, default=12.0)
    given = parser.parse_args()
    whole, models = mosaic(given.photos, given.megapixels), ModelCache("cpu")
    for kind in _SETTINGS:
        print(_line(degraded(whole, kind), kind, models), flush=True)
    return 0


def _line(photo: Pixels, kind: str, models: ModelCache) -> str:
    sampled = [0.0, 0.0]

    def on_step(progress: Progress) -> None:
        if isinstance(progress, Step) and progress.stage != "transfer":
            sampled[:] = time.monotonic(), time.process_time()

    restore(Photo.from_samples(photo), _SETTINGS[kind], models, on_step)
    took, cpu = time.monotonic() - sampled[0], time.process_time() - sampled[1]
    megapixels = photo.shape[0] * photo.shape[1] / 1e6
    threads = torch.get_num_threads()
    return (
        f"{megapixels:.0f} MP {kind}: {took:.1f} s, {megapixels / took:.2f} MP/s with {threads} "
        f"threads; {cpu:.1f} s of CPU, {megapixels / cpu:.2f} MP for a second of them"
    )


if __name__ == "__main__":
    sys.exit(main())
